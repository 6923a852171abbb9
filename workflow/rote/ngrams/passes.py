"""Documents, and several windows, from one pass over a corpus; queries of several kinds together.

`counting.scan` counts one thing at a time. Here every occurrence is listed once, at its position,
from which documents and all windows follow.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from rote.core import fields
from rote.core.errors import InputError
from rote.ngrams import blocks, hashing, kernels
from rote.ngrams.blocks import Counts, Hits
from rote.ngrams.corpus import Corpus
from rote.ngrams.counting import add_blocks, block_size, shards_to_read
from rote.ngrams.hashing import QueryTables
from rote.ngrams.numbering import Queries
from rote.ngrams.options import ScanOptions


class Passes(NamedTuple):
    """What one pass counted.

    Attributes:
        documents: as `counting.scan` without a window.
        windows: (P, windows) int64, for each window as `counting.scan` with it.
    """

    documents: Counts
    windows: np.ndarray


def join(queries: Sequence[Queries]) -> Queries:
    """Queries of several kinds, as of several lengths with stop words of their own, as one.

    Pairs and single n-grams stand one kind behind the other, in the order given.

    Args:
        queries: of one corpus; at least one kind.

    Raises:
        InputError: for none, or queries of several corpora.
    """
    corpora = {part.corpus for part in queries}
    if len(corpora) != 1:
        raise InputError(f"queries must be of one corpus, given those of {len(corpora)}")
    marks: list[np.ndarray] = []
    numbers: dict[tuple[int, tuple[int, ...]], int] = {}
    parts = []
    for part in queries:
        streams = [_number_of(mark, marks) for mark in part.stop_words]
        of_part = [(streams[stream], ids) for stream, ids in part.grams]
        numbered = [numbers.setdefault(gram, len(numbers)) for gram in of_part]
        parts.append((part, np.array(numbered, np.int64)))
    unions = [final[part.unions] for part, final in parts if len(part.unions)]
    first_union = len(numbers)
    pairs, singles = [], []
    for part, final in parts:
        # the last stands for −1, what the corpus lacks
        after = np.concatenate([final, first_union + np.arange(len(part.unions)), [-1]])
        pairs.append(after[part.pairs])
        singles.append(after[part.singles])
        first_union += len(part.unions)
    untokenized: list[str] = []
    for part, _ in parts:
        untokenized += part.untokenized
    return Queries(
        list(numbers),
        marks,
        np.concatenate(pairs) if pairs else np.empty((0, 2), np.int64),
        np.concatenate(singles) if singles else np.empty(0, np.int64),
        np.concatenate(unions) if unions else np.empty((0, 2), np.int64),
        untokenized,
        corpora.pop(),
    )


def _number_of(mark: np.ndarray, marks: list[np.ndarray]) -> int:
    """Number of a stop-word set among `marks`, appended if it is new."""
    for number, other in enumerate(marks):
        if np.array_equal(mark, other):
            return number
    marks.append(mark)
    return len(marks) - 1


def scan_windows(
    corpus: Corpus,
    queries: Queries,
    windows: Sequence[int],
    options: ScanOptions = ScanOptions(),
) -> Passes:
    """Count all queries in documents and in every window, in one pass.

    Args:
        corpus: the queries' corpus.
        queries: what is counted.
        windows: see `counting.scan`; may be empty.
        options: the shards that are read, threads and progress.

    Returns:
        The counts.

    Raises:
        InputError: for a negative window, a shard that does not exist, or queries of another
            corpus.
    """
    fields.check_many({"windows": windows})
    windows = [
        fields.check({"window": fields.COUNT}, {"window": window})["window"] for window in windows
    ]
    chosen = shards_to_read(corpus, queries, options)
    tables = hashing.build_tables(queries, corpus.types)
    shapes = ((len(queries.pairs), 1 + len(windows)), (len(tables.rows),), (len(tables.rows),))
    sums: list[np.ndarray] = [np.zeros(shape, np.int64) for shape in shapes]

    def count(tokens: np.ndarray, offsets: np.ndarray, longest: int) -> list[np.ndarray]:
        limited = [min(window, longest) for window in windows]
        return _count(tokens, offsets, queries, tables, limited)

    add_blocks(sums, count, blocks.split(corpus, chosen, block_size(queries)), options)
    pairs, occurrences, documents = sums
    counts = Counts(pairs[:, 0], occurrences[tables.rows], documents[tables.rows])
    return Passes(counts, pairs[:, 1:])


def _count(
    tokens: np.ndarray,
    offsets: np.ndarray,
    queries: Queries,
    tables: QueryTables,
    windows: Sequence[int],
) -> list[np.ndarray]:
    """Pairs in documents and windows (P, 1 + windows), occurrences and documents of n-grams."""
    counts = np.zeros((1 + len(windows), len(queries.pairs)), np.int64)
    widest = max(windows, default=None)
    hits = blocks.find_hits(tokens, offsets, queries, tables, widest)
    if len(queries.pairs):
        of_documents = hits if widest is None else _documents(hits, offsets, widest)
        blocks.count_documents(of_documents, tables.pairs, len(offsets) - 1, counts[0])
        for row, window in enumerate(windows, 1):
            kernels.count_within_window(
                tables.pairs, hits.starts, hits.positions, window, counts[row]
            )
    return [counts.T, hits.occurrences.astype(np.int64), hits.documents.astype(np.int64)]


def _documents(hits: Hits, offsets: np.ndarray, window: int) -> Hits:
    """The hits' documents, each once, from positions that have a gap between documents."""
    begins = offsets[:-1] + (window + 1) * np.arange(len(offsets) - 1)
    documents = np.searchsorted(begins, hits.positions, side="right") - 1
    owners = np.repeat(np.arange(len(hits.starts) - 1), np.diff(hits.starts))
    is_new = np.ones(len(documents), bool)
    is_new[1:] = (np.diff(owners) != 0) | (np.diff(documents) != 0)
    counts = np.bincount(owners[is_new], minlength=len(hits.starts) - 1)
    starts = np.concatenate([[0], np.cumsum(counts)])
    return hits._replace(starts=starts, positions=documents[is_new].astype(np.int32))
