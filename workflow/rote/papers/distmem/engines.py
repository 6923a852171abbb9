"""Every way that this project counts pairs exactly, and cheaper estimates, against brute force."""

import tempfile
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from rote import ngrams
from rote.core import tables
from rote.core.seeds import generator
from rote.papers.distmem import schema

TOKENS = 300_000
TYPES = 20_000
PAIRS = 4000
DOCUMENT_TOKENS = 250  # on average
PHRASE_POOL = 2000  # the first tokens, from which phrases recur
MAX_DISTANCE = 100  # tokens between the n-grams of a pair
QUANTILES = {"low": 0.1, "median": 0.5, "high": 0.9}

Gram = tuple[int, ...]
Pairs = Sequence[tuple[Gram, Gram]]


def token_stream(
    rng: np.random.Generator, tokens: int, types: int
) -> tuple[np.ndarray, np.ndarray]:
    """Zipf-distributed token ids with repeated phrases, in documents of about 250 tokens.

    Args:
        tokens: length of the stream.
        types: distinct ids, at most.

    Returns:
        (tokens,) uint32 ids, and (documents + 1,) offsets.
    """
    weights = 1 / np.arange(1, types + 1)
    cumulative = np.cumsum(weights / weights.sum())
    ids = np.searchsorted(cumulative, rng.random(tokens)).clip(max=types - 1).astype(np.uint32)
    for target in rng.integers(0, max(tokens - 20, 1), tokens // 40):
        source = int(rng.integers(0, min(PHRASE_POOL, tokens)))
        length = min(int(rng.integers(3, 12)), tokens - max(source, target))
        ids[target : target + length] = ids[source : source + length]
    ends = np.cumsum(rng.poisson(DOCUMENT_TOKENS, tokens // DOCUMENT_TOKENS + 20))
    return ids, np.concatenate([[0], ends[ends < tokens], [tokens]])


def close_pairs(
    rng: np.random.Generator, tokens: np.ndarray, number: int, n: int = 3
) -> list[tuple[Gram, Gram]]:
    """Pairs of n-grams at most 100 tokens apart somewhere, so that many share documents.

    Args:
        rng: draws their positions.
        tokens: ids of the stream.
        number: of pairs.
        n: length of the n-grams, tokens.
    """
    first = rng.integers(0, len(tokens) - MAX_DISTANCE - n, number)
    second = first + rng.integers(n, MAX_DISTANCE, number)
    return [
        (tuple(tokens[a : a + n].tolist()), tuple(tokens[b : b + n].tolist()))
        for a, b in zip(first, second, strict=True)
    ]


def _distinct(pairs: Pairs) -> list[Gram]:
    grams: dict[Gram, None] = {}
    for pair in pairs:
        grams |= dict.fromkeys(pair)
    return list(grams)


def count_by_dictionary(tokens: np.ndarray, offsets: np.ndarray, pairs: Pairs) -> np.ndarray:
    """Brute force: a dictionary from every n-gram of the pairs to the set of its documents.

    Args:
        tokens, offsets: of `token_stream`.
        pairs: of `close_pairs`.

    Returns:
        (pairs,) documents that hold both n-grams.
    """
    grams = set(_distinct(pairs))
    documents: dict[Gram, set[int]] = defaultdict(set)
    ids = tokens.tolist()
    for n in {len(gram) for gram in grams}:
        for document in range(len(offsets) - 1):
            for first in range(offsets[document], offsets[document + 1] - n + 1):
                gram = tuple(ids[first : first + n])
                if gram in grams:
                    documents[gram].add(document)
    return np.array([len(documents[a] & documents[b]) for a, b in pairs])


def count_by_suffixes(tokens: np.ndarray, offsets: np.ndarray, pairs: Pairs) -> np.ndarray:
    """A suffix array, then the documents of both n-grams' positions; see `count_by_dictionary`."""
    order = ngrams.suffix_array(tokens, offsets, int(tokens.max()) + 1)
    document = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    documents = {}
    for gram in _distinct(pairs):
        low, high = ngrams.bounds(tokens, offsets, order, np.array(gram))
        documents[gram] = np.unique(document[order[low:high]])
    shared = [np.intersect1d(documents[a], documents[b], assume_unique=True) for a, b in pairs]
    return np.array([len(common) for common in shared])


class TokenStream(NamedTuple):
    """A stream of tokens, the same as corpora, and pairs to count.

    Attributes:
        ids, offsets: see `token_stream`.
        pairs: see `close_pairs`.
        corpus: the whole stream.
        halves: its two halves.
    """

    ids: np.ndarray
    offsets: np.ndarray
    pairs: Pairs
    corpus: ngrams.Corpus
    halves: tuple[ngrams.Corpus, ngrams.Corpus]

    def single_documents(self) -> np.ndarray:
        """Documents that hold each n-gram of each pair, (pairs, 2)."""
        grams = _distinct(self.pairs)
        counts = ngrams.count_pairs(self.corpus, [(gram, gram) for gram in grams])
        documents = dict(zip(grams, counts, strict=True))
        return np.array([[documents[a], documents[b]] for a, b in self.pairs])


def store(folder: Path, ids: np.ndarray, offsets: np.ndarray, pairs: Pairs) -> TokenStream:
    """A stream and its corpora.

    Args:
        folder: to write the corpora under.
        ids: (tokens,) uint32, see `token_stream`.
        offsets: (documents + 1,) of the documents.
        pairs: to count, see `close_pairs`.
    """
    middle = int(np.searchsorted(offsets, len(ids) // 2))
    cut = offsets[middle]
    halves = (
        ngrams.Corpus.from_tokens(folder / "a", ids[:cut], offsets[: middle + 1]),
        ngrams.Corpus.from_tokens(folder / "b", ids[cut:], offsets[middle:] - cut),
    )
    corpus = ngrams.Corpus.from_tokens(folder / "one", ids, offsets)
    return TokenStream(ids=ids, offsets=offsets, pairs=pairs, corpus=corpus, halves=halves)


@dataclass(frozen=True)
class CountingEngine:
    """A way to count, for each pair, the documents that hold both n-grams.

    Attributes:
        name: in tables and figures.
        is_exact: whether it is meant to be.
        count: (pairs,) of a stream.
    """

    name: str
    is_exact: bool
    count: Callable[[TokenStream], np.ndarray]


def _sum_of_halves(s: TokenStream) -> np.ndarray:
    return sum(ngrams.count_pairs(half, s.pairs) for half in s.halves)


def _independence(s: TokenStream) -> np.ndarray:
    return s.single_documents().prod(axis=1) / (len(s.offsets) - 1)


ENGINES = (
    CountingEngine("scan", True, lambda s: ngrams.count_pairs(s.corpus, s.pairs)),
    CountingEngine(
        "scan, two threads", True, lambda s: ngrams.count_pairs(s.corpus, s.pairs, threads=2)
    ),
    CountingEngine("scan, sum of two parts", True, _sum_of_halves),
    CountingEngine("suffix array", True, lambda s: count_by_suffixes(s.ids, s.offsets, s.pairs)),
    CountingEngine("rarer n-gram's documents", False, lambda s: s.single_documents().min(axis=1)),
    CountingEngine("independence", False, _independence),
    CountingEngine(
        f"within {MAX_DISTANCE} tokens",
        False,
        lambda s: ngrams.count_pairs(s.corpus, s.pairs, window=MAX_DISTANCE),
    ),
)


def table(seed: int) -> pd.DataFrame:
    """The table Engines."""
    rng = generator(seed, "distmem", "engines")
    ids, offsets = token_stream(rng, TOKENS, TYPES)
    pairs = close_pairs(rng, ids, PAIRS)
    truth = count_by_dictionary(ids, offsets, pairs)
    rows = []
    shares = truth > 0
    with tempfile.TemporaryDirectory() as folder:
        stream = store(Path(folder), ids, offsets, pairs)
        for engine in ENGINES:
            counts = engine.count(stream)
            quantiles = np.quantile(counts[shares] / truth[shares], list(QUANTILES.values()))
            described = {
                "engine": engine.name,
                "exact": engine.is_exact,
                "tokens": TOKENS,
                "pairs": PAIRS,
                "equal_share": float((counts == truth).mean()),
            }
            rows.append(described | dict(zip(QUANTILES, quantiles, strict=True)))
    return tables.frame(schema.Engines, rows)
