"""Blocks of a corpus, whole documents each, and what queries count in one of them."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from rote.ngrams import kernels
from rote.ngrams.corpus import Corpus, Shard
from rote.ngrams.hashing import QueryTable, QueryTables
from rote.ngrams.numbering import Queries


class DocumentBlock(NamedTuple):
    """Some whole documents of a shard, numbered within it."""

    shard: Shard
    first: int  # document
    end: int  # document after the last

    def read(self) -> tuple[np.ndarray, np.ndarray]:
        """Tokens (T,), mapped, and offsets (documents + 1,) from 0 to T."""
        offsets = np.asarray(self.shard.offsets[self.first : self.end + 1])
        return self.shard.tokens[offsets[0] : offsets[-1]], offsets - offsets[0]


def split(corpus: Corpus, shards: Iterable[int], size: int) -> Iterator[DocumentBlock]:
    """Whole documents of about `size` tokens at a time.

    Args:
        corpus: to go through.
        shards: numbers of its shards, in the order to go through them.
        size: tokens of a block; a longer document is a block by itself.
    """
    for number in shards:
        shard = corpus.shards[number]
        first = 0
        while first < shard.documents:
            target = shard.offsets[first] + size
            end = int(np.searchsorted(shard.offsets, target, side="right")) - 1
            end = min(max(end, first + 1), shard.documents, first + size)
            yield DocumentBlock(shard, first, end)
            first = end


class Counts(NamedTuple):
    """What a scan counted. Single n-grams are numbered as in `Queries`."""

    # (P,) int64: documents with both,
    # or with a window occurrences of the first within it of the second
    pairs: np.ndarray
    occurrences: np.ndarray  # (G,) int64, overlapping ones included
    documents: np.ndarray  # (G,) int64


class _Stream(NamedTuple):
    """A block without the tokens of a stop-word set."""

    tokens: np.ndarray  # (T,)
    offsets: np.ndarray  # (documents + 1,)
    origin: np.ndarray  # (T,) int64 position of each token in the block; empty: the block itself


class Hits(NamedTuple):
    """Postings of a block: positions[starts[g] : starts[g + 1]] are those of row g, ascending."""

    starts: np.ndarray  # (G + 1,) int64
    positions: np.ndarray  # (hits,) documents, or with a window positions of occurrences
    occurrences: np.ndarray  # (G,)
    documents: np.ndarray  # (G,)


def _drop_stop_words(tokens: np.ndarray, offsets: np.ndarray, skip: np.ndarray) -> _Stream:
    remaining, remaining_offsets = np.empty_like(tokens), np.empty_like(offsets)
    origin = np.empty(len(tokens), np.int64)
    size = kernels.drop_tokens(tokens, offsets, skip, remaining, remaining_offsets, origin)
    return _Stream(remaining[:size], remaining_offsets, origin[:size])


def find_hits(
    tokens: np.ndarray,
    offsets: np.ndarray,
    queries: Queries,
    tables: QueryTables,
    window: int | None,
) -> Hits:
    """Where the queries occur in a block.

    Args:
        tokens, offsets: of the block, see `DocumentBlock.read`.
        queries: what is counted.
        tables: the queries, hashed.
        window: None lists documents; a number lists positions of occurrences, see
            `counting.scan`.
    """
    # occurrences, documents, last document; four columns, so that a row lies in one cache line
    tallies = np.zeros((len(queries.grams), 4), np.int32 if len(tokens) < 2**31 else np.int64)
    tallies[:, 2] = -1
    streams = {0: _Stream(tokens, offsets, np.empty(0, np.int64))}
    parts = []
    for table in tables.parts:
        if table.stream not in streams:
            skip = queries.stop_words[table.stream]
            streams[table.stream] = _drop_stop_words(tokens, offsets, skip)
        of_table = tallies[table.first : table.first + len(table.grams)]
        parts.append(_scan(streams[table.stream], table, of_table, window, len(tokens)))
    rows = _joined([rows for rows, _ in parts], np.int32)
    unordered = _joined([positions for _, positions in parts], _position_type(window))
    starts = np.empty(len(queries.grams) + 1, np.int64)
    positions = np.empty_like(unordered)
    kernels.postings(rows, unordered, len(rows), starts, positions)
    hits = Hits(starts, positions, tallies[:, 0], tallies[:, 1])
    return _with_unions(hits, tables.unions, offsets, window) if len(tables.unions) else hits


def _with_unions(hits: Hits, unions: np.ndarray, offsets: np.ndarray, window: int | None) -> Hits:
    """Hits with those of the unions (U, 2) behind them: where either of two n-grams is."""
    lists = [
        hits.positions[hits.starts[row] : hits.starts[row + 1]] for row in unions.ravel().tolist()
    ]
    owners = np.repeat(np.repeat(np.arange(len(unions)), 2), [len(part) for part in lists])
    positions = np.concatenate(lists)
    order = np.lexsort((positions, owners))
    owners, positions = owners[order], positions[order]
    documents = positions
    if window is not None:  # positions have a gap between documents, see `kernels.scan`
        begins = offsets + (window + 1) * np.arange(len(offsets))
        documents = np.searchsorted(begins, positions, side="right")
    is_new = np.ones(len(owners), bool)
    is_new[1:] = (np.diff(owners) != 0) | (np.diff(documents) != 0)
    n_documents = np.bincount(owners[is_new], minlength=len(unions))
    if window is None:
        owners, positions = owners[is_new], positions[is_new]
    ends = np.cumsum(np.bincount(owners, minlength=len(unions)))
    return Hits(
        np.append(hits.starts, hits.starts[-1] + ends),
        np.append(hits.positions, positions),
        np.append(hits.occurrences, hits.occurrences[unions].sum(1)),
        np.append(hits.documents, n_documents),
    )


def _position_type(window: int | None) -> type:
    """Of documents, which are few in a block, or of positions."""
    return np.int32 if window is None else np.int64


def _scan(
    stream: _Stream, table: QueryTable, tallies: np.ndarray, window: int | None, capacity: int
) -> tuple[np.ndarray, np.ndarray]:
    """Row and document (or position) of every hit of a table's n-grams, at most `capacity`."""
    rows = np.empty(capacity, np.int32)
    positions: np.ndarray = np.empty(capacity, _position_type(window))
    hits = kernels.scan(
        stream.tokens,
        stream.offsets,
        table.base,
        table.packed,
        table.grams,
        table.slots,
        table.sieve,
        tallies,
        stream.origin,
        window is not None,
        0 if window is None else window + 1,
        rows,
        positions,
    )
    return rows[:hits] + table.first if table.first else rows[:hits], positions[:hits]


def _joined(parts: list[np.ndarray], kind: type) -> np.ndarray:
    return parts[0] if len(parts) == 1 else np.concatenate([*parts, np.empty(0, kind)])


def count(
    tokens: np.ndarray,
    offsets: np.ndarray,
    queries: Queries,
    tables: QueryTables,
    window: int | None,
) -> Counts:
    """What the queries count in a block; arguments as of `find_hits`.

    Returns:
        Counts with n-grams by their rows in the tables.
    """
    pair_counts = np.zeros(len(queries.pairs), np.int64)
    hits = find_hits(tokens, offsets, queries, tables, window)
    if len(pair_counts) and window is None:
        count_documents(hits, tables.pairs, len(offsets) - 1, pair_counts)
    elif len(pair_counts):
        kernels.count_within_window(tables.pairs, hits.starts, hits.positions, window, pair_counts)
    return Counts(pair_counts, hits.occurrences, hits.documents)


def count_documents(hits: Hits, pairs: np.ndarray, documents: int, counts: np.ndarray) -> None:
    """Count the documents that contain both n-grams of each pair.

    Args:
        hits: documents of every n-gram, see `find_hits`.
        pairs: (P, 2) rows of the n-grams; -1 occurs nowhere.
        documents: of the block.
        counts: (P,) int64, added to.
    """
    # a bitmap is no larger than a list of more than documents / 32 numbers
    dense = np.full(len(hits.documents), -1, np.int64)
    frequent = np.flatnonzero(hits.documents > max(documents // 32, 64))
    dense[frequent] = np.arange(len(frequent))
    bits = np.zeros((len(frequent), documents // 64 + 1), np.uint64)
    kernels.bitmaps(hits.starts, hits.positions, dense, bits)
    kernels.count_shared_documents(pairs, hits.starts, hits.positions, dense, bits, counts)
