"""Every way that this project can count pairs exactly, and cheaper estimates, against brute force."""

import tempfile
from collections import defaultdict
from pathlib import Path

import numpy as np
import pandas as pd

from rote import ngrams
from rote.core.seeds import generator


def stream(rng: np.random.Generator, tokens: int, types: int) -> tuple[np.ndarray, np.ndarray]:
    """Zipf-distributed token ids with repeated phrases, and document offsets: documents of about
    250 tokens.
    """
    chance = 1 / np.arange(1, types + 1)
    found = (
        np.searchsorted(np.cumsum(chance / chance.sum()), rng.random(tokens))
        .clip(max=types - 1)
        .astype(np.uint32)
    )
    for at in rng.integers(
        0, max(tokens - 20, 1), tokens // 40
    ):  # phrases that recur, so that n-grams do
        source = int(rng.integers(0, min(2000, tokens)))
        length = min(int(rng.integers(3, 12)), tokens - max(source, at))
        found[at : at + length] = found[source : source + length]
    ends = np.cumsum(rng.poisson(250, tokens // 250 + 20))
    return found, np.concatenate([[0], ends[ends < tokens], [tokens]])


def pairs_of(
    rng: np.random.Generator, tokens: np.ndarray, number: int, n: int = 3
) -> list[tuple[tuple, tuple]]:
    """Pairs of n-grams that stand at most 100 tokens apart somewhere, so that many of them share
    documents.
    """
    first = rng.integers(0, len(tokens) - 100 - n, number)
    second = first + rng.integers(n, 100, number)
    return [
        (tuple(tokens[a : a + n].tolist()), tuple(tokens[b : b + n].tolist()))
        for a, b in zip(first, second, strict=True)
    ]


def sets(tokens: np.ndarray, offsets: np.ndarray, pairs: list[tuple[tuple, tuple]]) -> np.ndarray:
    """Brute force: a dictionary from every n-gram asked for to the set of its documents."""
    wanted = {gram for pair in pairs for gram in pair}
    held, values = defaultdict(set), tokens.tolist()
    for n in {len(gram) for gram in wanted}:
        for document in range(len(offsets) - 1):
            for at in range(offsets[document], offsets[document + 1] - n + 1):
                gram = tuple(values[at : at + n])
                if gram in wanted:
                    held[gram].add(document)
    return np.array([len(held[a] & held[b]) for a, b in pairs])


def by_suffixes(
    tokens: np.ndarray, offsets: np.ndarray, pairs: list[tuple[tuple, tuple]]
) -> np.ndarray:
    """A suffix array, then the documents of both n-grams' positions."""
    order = ngrams.suffix_array(tokens, offsets, int(tokens.max()) + 1)
    owner = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    known = {}
    for gram in {gram for pair in pairs for gram in pair}:
        low, high = ngrams.bounds(tokens, offsets, order, np.array(gram))
        known[gram] = np.unique(owner[order[low:high]])
    return np.array([len(np.intersect1d(known[a], known[b], assume_unique=True)) for a, b in pairs])


def table(seed: int, *, tokens: int = 300_000, number: int = 4000) -> pd.DataFrame:
    """The table Engines."""
    rng = generator(seed, "distmem", "engines")
    ids, offsets = stream(rng, tokens, 20_000)
    pairs = pairs_of(rng, ids, number)
    truth = sets(ids, offsets, pairs)
    with tempfile.TemporaryDirectory() as folder:
        corpus = ngrams.Corpus.from_tokens(Path(folder) / "one", ids, offsets)
        half = int(np.searchsorted(offsets, tokens // 2))
        halves = [
            ngrams.Corpus.from_tokens(
                Path(folder) / "a", ids[: offsets[half]], offsets[: half + 1]
            ),
            ngrams.Corpus.from_tokens(
                Path(folder) / "b", ids[offsets[half] :], offsets[half:] - offsets[half]
            ),
        ]
        exact = {
            "scan": ngrams.count_pairs(corpus, pairs),
            "scan, two threads": ngrams.count_pairs(corpus, pairs, threads=2),
            "scan, sum of two parts": sum(ngrams.count_pairs(part, pairs) for part in halves),
            "suffix array": by_suffixes(ids, offsets, pairs),
        }
        grams = list(dict.fromkeys(gram for pair in pairs for gram in pair))
        alone = dict(
            zip(grams, ngrams.count_pairs(corpus, [(gram, gram) for gram in grams]), strict=True)
        )
        cheaper = {
            "rarer n-gram's documents": np.array([min(alone[a], alone[b]) for a, b in pairs]),
            "independence": np.array([alone[a] * alone[b] / (len(offsets) - 1) for a, b in pairs]),
            "within 100 tokens": ngrams.count_pairs(corpus, pairs, window=100),
        }
    rows, seen = [], truth > 0
    for engine, counts in (exact | cheaper).items():
        low, middle, high = np.quantile(counts[seen] / truth[seen], [0.1, 0.5, 0.9])
        rows.append(
            (
                engine,
                engine in exact,
                tokens,
                number,
                float((counts == truth).mean()),
                low,
                middle,
                high,
            )
        )
    return pd.DataFrame(
        rows, columns=["engine", "exact", "tokens", "pairs", "equal", "low", "ratio", "high"]
    )
