"""Exact nearest neighbors with most distances left out: rows in cells, and the triangle inequality
between cells.

Rows lie in the cell of their nearest center. A row of a cell with center c and radius r is at least
|q − c| − r away from a query q, so once k rows at most u away are known, cells beyond u need no
look. Embeddings of a classifier are clustered, and then nearly all cells are beyond; where they are
not, a look at a few rows tells so, and brute force is as fast as anything.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

BLOCK = 16_384  # queries whose distances to all centers are held
QUERIES = 256  # queries whose distances to a cell's rows are held
LEAST = 16_384  # rows below which brute force is quick enough
# candidates above k: products of matrices round, and the order of near ties is decided by
# differences
MARGIN = 16
SAMPLE = 1024  # rows that are looked at to choose centers, and to see whether they pay


class Cells(NamedTuple):
    """Which rows lie in which cell."""

    centers: np.ndarray  # (cells, d)
    radii: np.ndarray  # (cells,) of the furthest row
    starts: np.ndarray  # (cells + 1,) where each cell's rows begin in `order`
    order: np.ndarray  # (n,) row numbers, cell by cell
    longest: float  # length of the longest row


def worth_a_look(n: int, queries: int, k: int) -> bool:
    """Whether so many queries could repay the search for centers."""
    return n >= LEAST and queries >= 8 * count(n) and k <= n // count(n)


def count(n: int) -> int:
    """Cells of n rows."""
    return round(np.sqrt(n) / 2)


def centers(vectors: np.ndarray, queries: np.ndarray, k: int) -> np.ndarray | None:
    """Centers of cells, or None if a sample of the rows says that too much would have to be looked
    at.

    The row furthest from all centers is the next center: every cluster of the sample gets one.
    """
    n, number = len(vectors), count(len(vectors))
    sample = vectors[:: max(1, n // SAMPLE)]
    found = sample[_spread(sample, number)]
    squares = _squares(sample, found)
    cell = squares.argmin(1)
    radii = np.zeros(number)
    np.maximum.at(radii, cell, np.sqrt(squares[np.arange(len(sample)), cell].clip(0)))
    asked = queries[:: max(1, len(queries) // 64)]
    between = np.sqrt(_squares(asked, found).clip(0))
    # about the distance of the k-th neighbor, from the sample's share of k
    near = np.sort(np.sqrt(_squares(asked, sample).clip(0)), axis=1)[:, -(-k * len(sample) // n)]
    share = np.bincount(cell, minlength=number) / len(sample)
    looked = ((between - radii <= near[:, None]) * share).sum(1).mean()
    return found if looked < 0.2 else None


def build(vectors: np.ndarray, chosen: np.ndarray, nearest) -> Cells:
    """Put every row into the cell of its nearest center.

    Args:
        nearest: (vectors, centers) -> (squared distances, numbers) of each row's nearest center.
    """
    squared, cell = nearest(vectors, chosen)
    order = np.argsort(cell.astype(np.uint16), kind="stable")  # a radix sort
    starts = np.concatenate([[0], np.cumsum(np.bincount(cell, minlength=len(chosen)))])
    radii = np.zeros(len(chosen), np.float32)
    np.maximum.at(radii, cell, squared)
    longest = np.sqrt(
        max(float(np.einsum("nd,nd->n", part, part).max()) for part in np.array_split(vectors, 64))
    )
    return Cells(chosen, np.sqrt(radii), starts, order, longest)


def search(cells: Cells, vectors: np.ndarray, queries: np.ndarray, k: int) -> np.ndarray:
    """Row numbers of the k nearest and of up to `MARGIN` more, (m, k + MARGIN), -1 where there are
    no more.
    """
    blocks = (queries[begin : begin + BLOCK] for begin in range(0, len(queries), BLOCK))
    return np.concatenate([_block(cells, vectors, block, k) for block in blocks])


def _block(cells: Cells, vectors: np.ndarray, queries: np.ndarray, k: int) -> np.ndarray:
    m, sizes = len(queries), np.diff(cells.starts)
    between = np.sqrt(_squares(queries, cells.centers).clip(0))
    # rounding of products must not hide a cell
    slack = 2e-3 * (cells.longest + float(np.sqrt(np.einsum("md,md->m", queries, queries).max())))
    least = between - cells.radii - slack
    values = np.full(
        (m, k + MARGIN), np.inf, np.float32
    )  # squared distances less the query's squared length
    rows = np.full((m, k + MARGIN), -1, np.int64)
    held = np.zeros(m, np.int64)
    lengths = np.einsum("md,md->m", queries, queries)
    # first the nearest cells that hold k rows, then whatever may hold a nearer one
    ranked = np.argsort(between, axis=1)[:, :8]
    first = np.zeros((m, len(sizes)), bool)
    enough = np.cumsum(sizes[ranked], axis=1) - sizes[ranked] < k
    np.put_along_axis(first, ranked, enough, axis=1)
    _scan(cells, vectors, queries, first, values, rows, held)
    known = np.where(held >= k, np.partition(values, k - 1, axis=1)[:, k - 1] + lengths, np.inf)
    reach = np.sqrt(np.maximum(known, 0)) + slack
    _scan(cells, vectors, queries, (least <= reach[:, None]) & ~first, values, rows, held)
    return rows


def _scan(
    cells: Cells, vectors: np.ndarray, queries: np.ndarray, wanted: np.ndarray, values, rows, held
) -> None:
    """Look through the wanted (query, cell) pairs, one product of matrices per cell."""
    for cell in np.flatnonzero(wanted.any(0)):
        numbers = cells.order[cells.starts[cell] : cells.starts[cell + 1]]
        if len(numbers):
            who, part = np.flatnonzero(wanted[:, cell]), vectors[numbers]
            squares = np.einsum("nd,nd->n", part, part)
            for begin in range(0, len(who), QUERIES):  # a cell may hold most rows
                some = who[begin : begin + QUERIES]
                _keep(queries[some] @ part.T, squares, numbers, some, values, rows, held)


@njit(cache=True)
def _keep(products, squares, numbers, who, values, rows, held):
    """Keep the smallest values of each query, in a heap whose first entry is the largest that is
    kept.
    """
    room = values.shape[1]
    for i in range(len(who)):
        q = who[i]
        heap, ids, n = values[q], rows[q], held[q]
        for j in range(len(squares)):
            value = squares[j] - np.float32(2) * products[i, j]
            if n < room:  # a new leaf rises
                at = n
                n += 1
                while at > 0 and heap[(at - 1) // 2] < value:
                    heap[at], ids[at] = heap[(at - 1) // 2], ids[(at - 1) // 2]
                    at = (at - 1) // 2
                heap[at], ids[at] = value, numbers[j]
            elif value < heap[0]:  # the largest is replaced and sinks
                at = 0
                while True:
                    child = 2 * at + 1
                    if child >= room:
                        break
                    if child + 1 < room and heap[child + 1] > heap[child]:
                        child += 1
                    if heap[child] <= value:
                        break
                    heap[at], ids[at] = heap[child], ids[child]
                    at = child
                heap[at], ids[at] = value, numbers[j]
        held[q] = n


@njit(cache=True, fastmath={"reassoc", "contract"})
def _spread(sample, count):
    """Numbers of `count` rows, each the furthest from those before it."""
    chosen, away = np.zeros(count, np.int64), np.full(len(sample), np.float32(np.inf))
    for number in range(1, count):
        last, furthest, best = chosen[number - 1], 0, np.float32(-1)
        for i in range(len(sample)):
            total = np.float32(0)
            for c in range(sample.shape[1]):
                off = sample[i, c] - sample[last, c]
                total += off * off
            away[i] = min(away[i], total)
            if away[i] > best:
                furthest, best = i, away[i]
        chosen[number] = furthest
    return chosen


def _squares(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Squared distances (len(a), len(b)) by a product of matrices."""
    return np.einsum("nd,nd->n", a, a)[:, None] - 2 * (a @ b.T) + np.einsum("nd,nd->n", b, b)
