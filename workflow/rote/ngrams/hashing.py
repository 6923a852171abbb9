"""Queries as hash tables, one per length and stop-word set, for the kernels that scan a corpus."""

from typing import NamedTuple

import numpy as np

from rote.ngrams import kernels
from rote.ngrams.numbering import Queries


class QueryTable(NamedTuple):
    """Queries of one length in one stream, hashed."""

    stream: int  # number of the stop-word set that the stream lacks
    base: np.uint64
    packed: bool  # the hash is the n-gram itself
    first: int  # row of its first n-gram among those of all tables
    grams: np.ndarray  # (m, n) int64 token ids
    slots: np.ndarray  # see `kernels.fill_table`
    sieve: np.ndarray


class QueryTables(NamedTuple):
    """All queries. Within a block n-grams are numbered by their rows in the tables."""

    parts: list[QueryTable]
    rows: np.ndarray  # (G + U,) int64 row of each n-gram and union, by its number in `Queries`
    pairs: np.ndarray  # (P, 2) int64 rows of the pairs
    unions: np.ndarray  # (U, 2) int64 rows of the n-grams of each union


def build_tables(queries: Queries, types: int, base: np.uint64 | None = None) -> QueryTables:
    """Hash queries, those of one length and stop-word set together.

    Args:
        queries: n-grams and pairs.
        types: number of the corpus's token ids.
        base: of every n-gram's hash; by default n-grams that fit into 64 bits are their own hash.

    Returns:
        The tables, and the rows of n-grams and pairs in them.
    """
    groups: dict[tuple[int, int], list[int]] = {}
    for number, (stream, ids) in enumerate(queries.grams):
        groups.setdefault((stream, len(ids)), []).append(number)
    parts: list[QueryTable] = []
    rows = np.full(len(queries.grams), -1, np.int64)
    first = 0
    for (stream, length), numbers in sorted(groups.items()):
        grams = np.array([queries.grams[number][1] for number in numbers], np.int64)
        packed = base is None and length * _bits(types) <= 64
        radix = np.uint64(1 << _bits(types)) if packed else kernels.BASE if base is None else base
        parts.append(QueryTable(stream, radix, packed, first, grams, *_fill(grams, radix)))
        rows[numbers] = np.arange(first, first + len(grams))
        first += len(grams)
    unions = rows[queries.unions]
    rows = np.append(rows, first + np.arange(len(unions)))
    pairs = np.where(queries.pairs < 0, -1, rows[queries.pairs]) if len(rows) else queries.pairs
    return QueryTables(parts, rows, pairs, unions)


def _bits(types: int) -> int:
    """Bits that hold any of so many token ids, at least 1."""
    return max(int(types - 1).bit_length(), 1) if types else 1


def _fill(grams: np.ndarray, base: np.uint64) -> tuple[np.ndarray, np.ndarray]:
    """Slots and sieve of n-grams (m, n), see `kernels.fill_table`."""
    slots = np.zeros((_power_of_two(2 * len(grams)), 2), np.uint64)
    # 16 bits per n-gram or more
    sieve = np.zeros(_power_of_two(max(len(grams) // 4, 16)), np.uint64)
    kernels.fill_table(kernels.hashes(grams, base), slots, sieve)
    return slots, sieve


def _power_of_two(minimum: int) -> int:
    return 1 << max(int(minimum) - 1, 1).bit_length()
