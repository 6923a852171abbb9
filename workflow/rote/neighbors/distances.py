"""Distances in float64 by explicit differences, and what products in float32 say about them.

The squared distance of two rows is summed in one fixed order, so it is the same number whatever
engine, part, block or batch it comes from, and rows at equal distances are ordered by their number.

Products of matrices in float32 are faster and round. With u = 2⁻²⁴, d coordinates and the lengths
|q| + |x| ≤ s, the computed |q|² − 2 q·x + |x|² lies within γ s² of the squared distance of the
float32 rows, γ = (d + 3) u / (1 − (d + 3) u) (Higham 2002, chapter 3), and these rows lie within u
s of the exact ones. A row at most b away from q has s ≤ 2 |q| + b, so rows that are much further
from the origin than the neighbors of a query do not enter its bound.
"""

import numpy as np

from rote.core.compiled import kernel, part

UNIT = 2.0**-24
SMALLEST = 2.0**-126  # below it float32 loses digits, or the number
FURTHEST = 1e15  # coordinates in float32 are clipped there, so that no square overflows
BLOCK = 512  # queries and rows that are compared at a time


def rounding(dimension: int) -> float:
    """γ of a squared distance by products in float32; infinite where the theory has no bound.

    Args:
        dimension: d, coordinates of a row.
    """
    n = (dimension + 3) * UNIT
    return n / (1 - n) if n < 0.5 else np.inf


def least_computed(distances: np.ndarray, lengths: np.ndarray, dimension: int) -> np.ndarray:
    """What products in float32 exceed only for rows that are certainly further away.

    Args:
        distances: (m,) b ≥ 0, exact distances from the queries.
        lengths: (m,) lengths of the queries as float32 rows.
        dimension: d, coordinates of a row.

    Returns:
        (m,) squared distances; infinite where a row at b may have been clipped.
    """
    b = distances * (1 + dimension * 2.0**-51)
    reach = (2 * lengths + b) * (1 + 4 * UNIT)
    moved = b + 2 * UNIT * reach + np.sqrt(dimension) * 2 * SMALLEST
    bound = moved**2 + rounding(dimension) * reach**2 + 4 * dimension * SMALLEST
    return np.where(reach < FURTHEST, bound, np.inf)


# whoever compares distances takes them from this one function: compiled into another one, its sums
# could be in another order
@kernel(fastmath={"reassoc", "contract"})
def _measure(q, x, rows, distances):
    """Distances (m, w) of the rows (m, w) from each query; infinite where the row is -1."""
    for i in range(rows.shape[0]):
        for j in range(rows.shape[1]):
            row = rows[i, j]
            if row < 0:
                distances[i, j] = np.inf
                continue
            total = 0.0
            for c in range(q.shape[1]):
                difference = q[i, c] - x[row, c]
                total += difference * difference
            distances[i, j] = np.sqrt(total)


def refine(
    q: np.ndarray, x: np.ndarray, rows: np.ndarray, exclude_self: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Distances of candidate rows, nearest first; ties by row number.

    Args:
        q: (m, d) float64.
        x: (n, d) float32 or float64.
        rows: (m, w) int64 numbers of rows; -1 for none.
        exclude_self: row i is no candidate of query i.

    Returns:
        Distances (m, w) float64 and rows (m, w) int64; missing ones last, at an infinite distance.
    """
    rows = np.ascontiguousarray(rows)
    if exclude_self:
        rows = np.where(rows == np.arange(len(rows))[:, None], -1, rows)
    distances = np.empty(rows.shape)
    _measure(q, x, rows, distances)
    _sort(distances, rows)
    return distances, rows


@kernel()
def _sort(distances, rows):
    """Order each query's rows, by insertion: they are nearly in order."""
    for i in range(rows.shape[0]):
        for j in range(1, rows.shape[1]):
            distance, row = distances[i, j], rows[i, j]
            at = j
            while at > 0 and (
                distances[i, at - 1] > distance
                or (
                    distances[i, at - 1] == distance
                    and (rows[i, at - 1] < 0 or (row >= 0 and rows[i, at - 1] > row))
                )
            ):
                distances[i, at], rows[i, at] = distances[i, at - 1], rows[i, at - 1]
                at -= 1
            distances[i, at], rows[i, at] = distance, row


def brute_force(
    q: np.ndarray, x: np.ndarray, k: int, excluded: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The k nearest rows by the differences to every row; ties by row number.

    Args:
        q: (m, d) float64.
        x: (n, d) float32 or float64.
        k: neighbors of each query, 1 ≤ k ≤ the rows that are not excluded.
        excluded: (m,) int64, a row that is no neighbor of each query; -1 for none.

    Returns:
        Distances (m, k) float64 and row numbers (m, k) int64, nearest first.
    """
    distances = np.full((len(q), k), np.inf)
    rows = np.full((len(q), k), -1, np.int64)
    for first in range(0, len(q), BLOCK):
        block = slice(first, first + BLOCK)
        n_queries = len(q[block])
        for begin in range(0, len(x), BLOCK):
            numbers = np.arange(begin, min(begin + BLOCK, len(x)))
            numbers = np.tile(numbers, (n_queries, 1))
            numbers[numbers == excluded[block, None]] = -1
            values = np.empty(numbers.shape)
            _measure(q[block], x, numbers, values)
            _take(values, numbers, distances[block], rows[block])
        _order(distances[block], rows[block])
    return distances, rows


@kernel()
def _take(values, numbers, distances, rows):
    """Put nearer rows into each query's heap, whose first entry is the furthest."""
    for i in range(len(values)):
        for j in range(values.shape[1]):
            # rows come in order: an equal one is later
            if values[i, j] < distances[i, 0]:
                _sink(distances[i], rows[i], distances.shape[1], values[i, j], numbers[i, j])


@kernel()
def _order(distances, rows):
    """Heaps, nearest first."""
    for i in range(len(rows)):
        for size in range(rows.shape[1] - 1, 0, -1):
            distance, row = distances[i, size], rows[i, size]
            distances[i, size], rows[i, size] = distances[i, 0], rows[i, 0]
            _sink(distances[i], rows[i], size, distance, row)


@part
def _is_after(value, row, other, other_row):
    return value > other or (value == other and row > other_row)


@part
def _sink(values, rows, size, value, row):
    """Replace the first entry of a heap of this size."""
    at = 0
    while True:
        child = 2 * at + 1
        if child >= size:
            break
        if child + 1 < size and _is_after(
            values[child + 1], rows[child + 1], values[child], rows[child]
        ):
            child += 1
        if not _is_after(values[child], rows[child], value, row):
            break
        values[at], rows[at] = values[child], rows[child]
        at = child
    values[at], rows[at] = value, row
