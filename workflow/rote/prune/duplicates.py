"""Texts that say nearly the same: by the overlap of their runs of words."""

import re
from collections import defaultdict
from collections.abc import Sequence
from hashlib import blake2b
from itertools import chain

import numpy as np

from rote.core import fields, reals
from rote.core.errors import InputError

WORD = re.compile(r"\w+")
RUN = 3  # words of a run; texts of fewer words are one run
HASHES, BAND = 60, 4  # values of a signature, and how many must agree for two to be compared
_PRIME = (1 << 61) - 1
_OVERLAP = fields.FieldRange("in (0, 1]", lambda value: 0 < value <= 1)


def near_duplicates(texts: Sequence[str], overlap: float = 0.8) -> list[int]:
    """The first text that each text nearly repeats, by number; its own where there is none.

    Two texts nearly repeat each other if their sets of runs of three words, without case and
    punctuation, overlap by at least `overlap` (Jaccard). Candidates are found by their signatures
    of 60 minima (Broder 1997): a pair that overlaps by 0.8 is missed with probability below 1e-3,
    and each is then compared exactly.

    Args:
        texts: N of them.
        overlap: in (0, 1].

    Returns:
        N numbers, each at most its own place.

    Raises:
        InputError: for what is no text, or an overlap out of range.
    """
    overlap = reals.number("overlap", overlap, _OVERLAP)
    fields.check_many({"texts": texts})
    texts = list(texts)
    if not all(isinstance(text, str) for text in texts):
        raise InputError("texts must be texts")
    rng = np.random.default_rng(0)
    factors = [int(value) for value in rng.integers(1, _PRIME, HASHES)]
    runs = [_runs(text) for text in texts]
    buckets: dict[tuple[int, tuple[int, ...]], list[int]] = defaultdict(list)
    result = []
    for row, current in enumerate(runs):
        minima = [_minimum(current, factor) for factor in factors]
        bands = [(at, tuple(minima[at : at + BAND])) for at in range(0, HASHES, BAND)]
        others = sorted(set(chain.from_iterable(buckets[band] for band in bands)))
        repeats = (other for other in others if _overlap(runs[other], current) >= overlap)
        first = next(repeats, row)
        result.append(first)
        if first == row:
            for band in bands:
                buckets[band].append(row)
    return result


def _minimum(runs: frozenset[int], factor: int) -> int:
    return min(factor * run % _PRIME for run in runs)


def _runs(text: str) -> frozenset[int]:
    words = [word.casefold() for word in WORD.findall(text)]
    parts = [words[at : at + RUN] for at in range(max(1, len(words) - RUN + 1))]
    joined = (" ".join(part).encode() for part in parts)
    return frozenset(
        1 + int.from_bytes(blake2b(one, digest_size=7).digest(), "big") for one in joined
    )


def _overlap(a: frozenset[int], b: frozenset[int]) -> float:
    return len(a & b) / len(a | b)
