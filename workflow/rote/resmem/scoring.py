"""Scores p_T(x) + r̂(x) from logits and neighbors, a grid of settings, and probabilities.

Yang et al. 2023, section 3.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from scipy import sparse

from rote import knn
from rote.core import fields
from rote.core.errors import InputError
from rote.neighbors import Neighbors

PROBABILITY_FLOOR = 1e-6  # scores may be negative: they are clipped here, then normalized
K_GRID = (1, 3, 5, 10, 20, 50, 100)
BANDWIDTH_GRID = (0.1, 0.25, 0.5, 1.0, np.inf)  # times the median distance to the nearest neighbor
# from nearly the base alone to the memory alone, whose votes decide at T = ∞
TEMPERATURE_GRID = (0.25, 0.5, 1.0, 1.4, 2.0, 3.0, 6.0, np.inf)
REGRESSION_TEMPERATURE_GRID = (1.0, 2.0, 4.0, np.inf)
_BLOCK = 2**24  # numbers of a block: queries × neighbors × classes


_DOMAINS = {
    "k": fields.COUNT,
    "bandwidth": fields.FieldRange("≥ 0 (or infinite)", lambda value: value >= 0),
    "temperature": fields.FieldRange("positive (or infinite)", lambda value: value > 0),
    "strength": fields.NOT_NEGATIVE,
}


@dataclass(frozen=True)
class Setting:
    """One point of the grid; k = 0 is no memory at all.

    Attributes:
        k: neighbors, ≥ 0.
        bandwidth: σ ≥ 0 of the neighbors' weights, in units of distance; may be ∞.
        temperature: T > 0 of the base's softmax; may be ∞.
        strength: α ≥ 0, how much of the residual is added; the paper's is 1.

    Raises:
        InputError: naming the field and its range.
    """

    k: int
    bandwidth: float
    temperature: float
    strength: float = 1.0

    def __post_init__(self) -> None:
        fields.check(_DOMAINS, vars(self))


def softmax(logits: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    """softmax(z/T) over the last axis; T = ∞ is uniform.

    Args:
        logits: z, (..., classes).
        temperature: T.

    Returns:
        (..., classes), of the logits' floating-point type.

    Raises:
        InputError: for T ≤ 0 or NaN.
    """
    if not temperature > 0:
        raise InputError(f"temperature must be positive (or infinite), given {temperature}")
    z = np.asarray(logits)
    z = z if z.dtype.kind == "f" else z.astype(float)
    z = (z - z.max(-1, keepdims=True)) / z.dtype.type(temperature)
    np.exp(z, out=z)
    z /= z.sum(-1, keepdims=True)
    return z


def residuals(labels: np.ndarray, logits: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    """onehot(y) − p_T, for the neighbors of some queries, never for a whole training set.

    Args:
        labels: y, (...,) int.
        logits: (..., classes).
        temperature: T.

    Returns:
        (..., classes), float like the logits.

    Raises:
        InputError: as `softmax`.
    """
    result = -softmax(logits, temperature)
    index = np.asarray(labels)[..., None]
    np.put_along_axis(result, index, np.take_along_axis(result, index, -1) + 1, -1)
    return result


def vote(weights: np.ndarray, labels: np.ndarray, classes: int) -> np.ndarray:
    """Soft kNN vote: the neighbors' weights summed by their labels.

    Args:
        weights: (queries, k).
        labels: (queries, k) int.
        classes: number of labels.

    Returns:
        (queries, classes) float64.
    """
    votes = np.zeros((len(weights), classes))
    np.add.at(votes, (np.arange(len(weights))[:, None], labels), weights)
    return votes


def shares(
    neighbors: Neighbors, k: int, bandwidth: float, row_weights: np.ndarray | None = None
) -> np.ndarray:
    """Shares of the neighbors in a soft kNN average of k of them; rows sum to 1.

    A row of weight 2 counts as two neighbors at one place: k counts weights. So whole weights give
    what repeated rows give.

    Args:
        neighbors: of m queries, nearest first.
        k: neighbors of each query.
        bandwidth: σ, in units of distance.
        row_weights: (n,) of the memory's rows, > 0; default: 1 each.

    Returns:
        (m, neighbors) float64, 0 from the k-th on.

    Raises:
        InputError: as `rote.knn.weights`.
    """
    if row_weights is None:
        first = np.arange(neighbors.rows.shape[1]) < k
        return knn.weights(np.where(first, neighbors.distances, np.inf), bandwidth)
    counts = np.where(neighbors.rows < 0, 0.0, row_weights[neighbors.rows])
    counts = np.clip(k - (counts.cumsum(1) - counts), 0, counts)
    distances = np.where(counts > 0, neighbors.distances, np.inf)
    weights = knn.weights(distances, bandwidth) * counts
    total = weights.sum(1, keepdims=True)
    return np.divide(weights, total, out=np.zeros_like(weights), where=total > 0)


def scores(
    neighbors: Neighbors,
    labels: np.ndarray,
    logits: np.ndarray,
    query_logits: np.ndarray,
    setting: Setting,
    row_weights: np.ndarray | None = None,
) -> np.ndarray:
    """s(x) = p_T(x) + α r̂(x); rows sum to 1, entries may be negative.

    Without neighbors (k = 0, or an empty memory) it is p_T(x).

    Args:
        neighbors: of the queries, among the rows of the memory: at least `setting.k`, or all rows
            if there are fewer.
        labels, logits: of the memory, (n,) and (n, classes).
        query_logits: (queries, classes).
        setting: k, σ, T and α.
        row_weights: (n,) of the memory's rows, see `shares`; default: 1 each.

    Returns:
        (queries, classes) float64.

    Raises:
        InputError: as `rote.knn.weights`.
    """
    temperature = setting.temperature
    if row_weights is None or not setting.k:
        neighbors = neighbors.first(setting.k)
    result = softmax(np.asarray(query_logits, float), temperature)
    if not neighbors.rows.shape[1] or setting.strength == 0:
        return result
    weights = shares(neighbors, setting.k, setting.bandwidth, row_weights)
    size = max(1, _BLOCK // (neighbors.rows.shape[1] * result.shape[1]))
    for begin in range(0, len(result), size):
        block = slice(begin, begin + size)
        distinct, columns = _neighbor_residuals(neighbors.rows[block], labels, logits, temperature)
        starts = np.arange(len(columns) + 1) * columns.shape[1]
        # a neighbor that is not there has weight 0
        matrix = sparse.csr_array(
            (weights[block].ravel(), columns.ravel(), starts), (len(columns), len(distinct))
        )
        result[block] += setting.strength * (matrix @ distinct)
    return result


def _neighbor_residuals(
    rows: np.ndarray,
    labels: np.ndarray,
    logits: np.ndarray,
    temperature: float,
    dtype: type | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Residuals of the rows that are neighbors, each row once.

    Args:
        rows: (queries, k) of the memory.
        labels, logits: of the memory, (n,) and (n, classes).
        temperature: T.
        dtype: to compute in; default: that of the logits.

    Returns:
        Residuals (distinct, classes), and each neighbor's row among them (queries, k).
    """
    distinct, inverse = np.unique(rows, return_inverse=True)
    result = residuals(labels[distinct], np.asarray(logits[distinct], dtype), temperature)
    return result, inverse.reshape(rows.shape)


def settings(
    bandwidths: Sequence[float],
    ks: Sequence[int] = K_GRID,
    temperatures: Sequence[float] = TEMPERATURE_GRID,
    strengths: Sequence[float] = (1.0,),
) -> list[Setting]:
    """The grid, "no memory" first: of equally good settings the earlier one is taken.

    Args:
        bandwidths: σ, in units of distance.
        ks: numbers of neighbors.
        temperatures: T of the base's softmax.
        strengths: α.

    Returns:
        1 + ks · bandwidths · temperatures · strengths settings, k varying slowest.

    Raises:
        InputError: as `Setting`.
    """
    grid = [Setting(*point) for point in product(ks, bandwidths, temperatures, strengths)]
    return [Setting(0, np.inf, 1.0), *grid]


def sweep(
    neighbors: Neighbors,
    labels: np.ndarray,
    logits: np.ndarray,
    query_logits: np.ndarray,
    grid: Sequence[Setting],
    measure: Callable[[np.ndarray], np.ndarray],
) -> np.ndarray:
    """A measure of the scores at every setting, from one search at the largest k.

    For each temperature the neighbors' residuals are computed once, and all settings are one
    batched matrix product.

    Args:
        neighbors: of m queries, with the largest k of the grid, or all rows if there are fewer.
        labels, logits: of the memory, (n,) and (n, classes).
        query_logits: (m, classes).
        grid: settings.
        measure: scores (settings, m, classes) float32 -> (settings, ...), e.g. one number per
            setting, or one per setting and query.

    Returns:
        (len(grid), ...) of the measure's type.

    Raises:
        InputError: as `rote.knn.weights`.
    """
    measures: list[Any] = [None] * len(grid)
    m, max_k = neighbors.rows.shape
    weights: dict[tuple[int, float], np.ndarray] = {}
    for k, bandwidth in dict.fromkeys((point.k, point.bandwidth) for point in grid):
        if k:
            weights[k, bandwidth] = shares(neighbors, k, bandwidth).astype(np.float32)
    for temperature in dict.fromkeys(setting.temperature for setting in grid):
        chosen = [i for i, setting in enumerate(grid) if setting.temperature == temperature]
        base = softmax(np.asarray(query_logits, np.float32), temperature)
        result = np.repeat(base[None], len(chosen), axis=0)
        with_memory = [at for at, i in enumerate(chosen) if grid[i].k and max_k]
        if with_memory:
            points = [grid[chosen[at]] for at in with_memory]
            strengths = np.array([point.strength for point in points], np.float32)
            size = max(1, _BLOCK // (max_k * base.shape[1]))
            for begin in range(0, m, size):
                block = slice(begin, begin + size)
                distinct, index = _neighbor_residuals(
                    neighbors.rows[block], labels, logits, temperature, np.float32
                )
                r = distinct[index]
                w = np.stack([weights[p.k, p.bandwidth][block] for p in points], axis=1)
                added = (w @ r).transpose(1, 0, 2) * strengths[:, None, None]
                result[with_memory, block] += added
        for at, value in zip(chosen, measure(result), strict=True):
            measures[at] = value
    return np.array(measures)


def probabilities(scores: np.ndarray) -> np.ndarray:
    """Scores (..., classes) clipped at 1e-6 and normalized. The largest stays the largest."""
    clipped = np.maximum(scores, PROBABILITY_FLOOR)
    return clipped / clipped.sum(-1, keepdims=True)


def simplex(scores: np.ndarray) -> np.ndarray:
    """The nearest probabilities to scores (queries, classes) in Euclidean distance.

    Held, Wolfe and Crowder 1974.
    """
    ordered = -np.sort(-scores, axis=-1)
    excess = ordered.cumsum(-1) - 1
    count = (ordered * np.arange(1, scores.shape[-1] + 1) > excess).sum(-1, keepdims=True)
    return np.maximum(scores - np.take_along_axis(excess, count - 1, -1) / count, 0)
