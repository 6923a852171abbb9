"""Exact nearest neighbors without most distances: rows in cells, and the triangle inequality.

Rows lie in the cell of their nearest center. A row of a cell with center c and radius r is at least
|q − c| − r away from a query q, so once k rows at most u away are known, cells beyond u need no
scan. Embeddings of a classifier are clustered, and then nearly all cells are beyond; where they are
not, a sample of the rows shows it, and brute force is as fast as anything.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from rote.core.compiled import kernel
from rote.neighbors.distances import least_computed, rounding

MIN_ROWS = 16_384  # fewer are searched by brute force
BLOCK = 16_384  # queries whose distances to all centers are in memory at a time
QUERIES = 256  # queries whose distances to a cell's rows are in memory at a time
SAMPLE = 1024  # rows from which centers are chosen and their use is judged
MAX_SHARE = 0.2  # of the rows that a query may have to visit; above it brute force is as fast

Nearest = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]


class Cells(NamedTuple):
    """Which rows lie in which cell."""

    centers: np.ndarray  # (cells, d) float32
    radii: np.ndarray  # (cells,) float32, at least the distance of the furthest row
    starts: np.ndarray  # (cells + 1,) int64, where each cell's rows begin in `order`
    order: np.ndarray  # (n,) int64 row numbers, cell by cell


class _Heaps(NamedTuple):
    """The best candidates of each query so far: a heap whose first entry is the largest."""

    values: np.ndarray  # (m, width) float32, squared distances less the query's squared length
    rows: np.ndarray  # (m, width) int64, -1 where there is none yet
    sizes: np.ndarray  # (m,) int64 entries in use


def is_worthwhile(n: int, queries: int, k: int) -> bool:
    """Whether so many queries, for k of n rows, could repay the choice of centers.

    Args:
        n: number of rows.
        queries: number of queries.
        k: neighbors of each query.
    """
    return n >= MIN_ROWS and queries >= 8 * n_cells(n) and k <= n // n_cells(n)


def n_cells(n: int) -> int:
    """Number of cells for n rows, √n/2 rounded.

    Args:
        n: number of rows.
    """
    return round(np.sqrt(n) / 2)


def choose_centers(vectors: np.ndarray, queries: np.ndarray, k: int) -> np.ndarray | None:
    """Centers of cells, or None if a sample says that most cells would have to be scanned.

    The row furthest from all centers is the next center: every cluster of the sample gets one
    (Gonzalez 1985).

    Args:
        vectors: (n, d) float32, n ≥ 2.
        queries: (m, d) float32.
        k: neighbors of each query.

    Returns:
        (cells, d) float32, or None.
    """
    n = len(vectors)
    count = n_cells(n)
    sample = vectors[:: max(1, n // SAMPLE)]
    centers = sample[_spread(sample, count)]
    squares = _squared_distances(sample, centers)
    cell = squares.argmin(1)
    radii = np.zeros(count)
    np.maximum.at(radii, cell, np.sqrt(squares[np.arange(len(sample)), cell].clip(0)))
    probes = queries[:: max(1, len(queries) // 64)]
    to_centers = np.sqrt(_squared_distances(probes, centers).clip(0))
    # about the distance of the k-th neighbor, from the sample's share of k
    to_sample = np.sort(np.sqrt(_squared_distances(probes, sample).clip(0)), axis=1)
    kth_distance = to_sample[:, -(-k * len(sample) // n)]
    share = np.bincount(cell, minlength=count) / len(sample)
    visited = ((to_centers - radii <= kth_distance[:, None]) * share).sum(1).mean()
    return centers if visited < MAX_SHARE else None


def build(vectors: np.ndarray, centers: np.ndarray, nearest: Nearest) -> Cells:
    """Put every row into the cell of its nearest center.

    Args:
        vectors: (n, d) float32.
        centers: (cells, d) float32.
        nearest: (vectors, centers) -> (squared distances, numbers), each (n,), of each row's
            nearest center.

    Returns:
        The cells.
    """
    _, cell = nearest(vectors, centers)
    order = np.argsort(cell.astype(np.uint16), kind="stable")  # a radix sort
    starts = np.concatenate([[0], np.cumsum(np.bincount(cell, minlength=len(centers)))])
    return Cells(centers, _radii(vectors, centers, cell), starts, order)


@kernel(fastmath={"reassoc", "contract"})
def _radii(vectors, centers, cell):
    """An upper bound of the distance of each cell's furthest row."""
    squares = np.zeros(len(centers))
    for i in range(len(vectors)):
        total = 0.0
        for c in range(vectors.shape[1]):
            difference = np.float64(vectors[i, c]) - np.float64(centers[cell[i], c])
            total += difference * difference
        squares[cell[i]] = max(squares[cell[i]], total)
    return (np.sqrt(squares) * (1 + 1e-6)).astype(np.float32)


def search(
    cells: Cells, vectors: np.ndarray, queries: np.ndarray, k: int, width: int
) -> tuple[np.ndarray, np.ndarray]:
    """The rows that are nearest by products in float32, in no order.

    Args:
        cells: of the vectors.
        vectors: (n, d) float32.
        queries: (m, d) float32.
        k: neighbors of each query.
        width: candidates of each query, k ≤ width ≤ n.

    Returns:
        Row numbers (m, width) int64, -1 where there are no more, and (m,) the squared distance, as
        products give it, that no other row is below.
    """
    blocks = (queries[begin : begin + BLOCK] for begin in range(0, len(queries), BLOCK))
    results = [_search_block(cells, vectors, block, k, width) for block in blocks]
    rows, floors = zip(*results, strict=True)
    return np.concatenate(rows), np.concatenate(floors)


def _search_block(
    cells: Cells, vectors: np.ndarray, queries: np.ndarray, k: int, width: int
) -> tuple[np.ndarray, np.ndarray]:
    m, dimension = queries.shape
    sizes = np.diff(cells.starts)
    squares = _squared_distances(queries, cells.centers)
    square_lengths = np.einsum("md,md->m", queries, queries, dtype=np.float64)
    lengths = np.sqrt(square_lengths)
    # rounding must not hide a cell: twice what products in float32 round, and a millionth of the
    # root for the steps here, which they round, too
    slack = lengths.astype(np.float32)[:, None] + np.sqrt(_squares(cells.centers))
    slack *= slack
    slack *= np.float32(2 * rounding(dimension))
    lower_bound = np.subtract(squares, slack, out=slack).clip(0, out=slack)
    np.sqrt(lower_bound, out=lower_bound)
    lower_bound *= np.float32(1 - 1e-6)
    lower_bound -= cells.radii
    heaps = _Heaps(
        np.full((m, width), np.inf, np.float32),
        np.full((m, width), -1, np.int64),
        np.zeros(m, np.int64),
    )
    # first the nearest cells that contain k rows, then whatever may contain a nearer one
    ranked = np.argsort(squares, axis=1)[:, :8]
    first = np.zeros((m, len(sizes)), bool)
    too_few = np.cumsum(sizes[ranked], axis=1) - sizes[ranked] < k
    np.put_along_axis(first, ranked, too_few, axis=1)
    _scan(cells, vectors, queries, first, heaps)
    kth_square = np.partition(heaps.values, k - 1, axis=1)[:, k - 1] + square_lengths
    upper_bound = np.where(heaps.sizes >= k, kth_square, np.inf)
    reach = _beyond(upper_bound, lengths, dimension)
    _scan(cells, vectors, queries, (lower_bound <= reach[:, None]) & ~first, heaps)
    last = np.where(heaps.sizes == width, heaps.values[:, 0] + square_lengths, np.inf)
    return heaps.rows, np.minimum(last, reach**2)


def _beyond(kth_square: np.ndarray, lengths: np.ndarray, dimension: int) -> np.ndarray:
    """Distance above which rows are no candidates, from the k-th square that products gave.

    Args:
        kth_square: (m,) as computed in float32; infinite if there are no k rows yet.
        lengths: (m,) of the queries.
    """
    error = np.sqrt(rounding(dimension))
    root = np.sqrt(np.maximum(kth_square, 0))
    kth = (root + 2 * error * lengths) / (1 - error) if error < 1 else np.full(len(root), np.inf)
    kth = np.sqrt(root**2 + error**2 * (2 * lengths + kth) ** 2)
    return np.sqrt(least_computed(kth, lengths, dimension)) * (1 + 1e-9)


def _scan(
    cells: Cells, vectors: np.ndarray, queries: np.ndarray, selected: np.ndarray, heaps: _Heaps
) -> None:
    """Scan the selected (query, cell) pairs, one product of matrices per cell.

    Args:
        selected: (m, cells) bool.
        heaps: updated in place.
    """
    for cell in np.flatnonzero(selected.any(0)):
        numbers = cells.order[cells.starts[cell] : cells.starts[cell + 1]]
        if len(numbers) == 0:
            continue
        members = vectors[numbers]
        squares = _squares(members)
        visitors = np.flatnonzero(selected[:, cell])
        for begin in range(0, len(visitors), QUERIES):  # a cell may contain most rows
            block = visitors[begin : begin + QUERIES]
            _push(queries[block] @ members.T, squares, numbers, block, *heaps)


@kernel()
def _push(products, squares, numbers, visitors, values, rows, sizes):
    """Keep the smallest values of each query in its heap."""
    capacity = values.shape[1]
    for i in range(len(visitors)):
        q = visitors[i]
        heap = values[q]
        ids = rows[q]
        n = sizes[q]
        for j in range(len(squares)):
            value = squares[j] - np.float32(2) * products[i, j]
            if n < capacity:  # a new leaf rises
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
                    if child >= capacity:
                        break
                    if child + 1 < capacity and heap[child + 1] > heap[child]:
                        child += 1
                    if heap[child] <= value:
                        break
                    heap[at], ids[at] = heap[child], ids[child]
                    at = child
                heap[at], ids[at] = value, numbers[j]
        sizes[q] = n


@kernel(fastmath={"reassoc", "contract"})
def _spread(sample, count):
    """Numbers of `count` rows, each the furthest from those before it."""
    chosen = np.zeros(count, np.int64)
    distances = np.full(len(sample), np.float32(np.inf))
    for number in range(1, count):
        last = chosen[number - 1]
        furthest, max_distance = 0, np.float32(-1)
        for i in range(len(sample)):
            total = np.float32(0)
            for c in range(sample.shape[1]):
                difference = sample[i, c] - sample[last, c]
                total += difference * difference
            distances[i] = min(distances[i], total)
            if distances[i] > max_distance:
                furthest, max_distance = i, distances[i]
        chosen[number] = furthest
    return chosen


def _squares(rows: np.ndarray) -> np.ndarray:
    """Squared length of each row of (n, d), (n,)."""
    return np.einsum("nd,nd->n", rows, rows)


def _squared_distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Squared distances (len(a), len(b)) by a product of matrices."""
    return _squares(a)[:, None] - 2 * (a @ b.T) + _squares(b)
