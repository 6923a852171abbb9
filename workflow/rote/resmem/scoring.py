"""Scores p_T(x) + r̂(x) from logits and neighbors, their grid of settings, and probabilities made
of them.
"""

from collections.abc import Callable, Sequence
from itertools import product
from typing import NamedTuple

import numpy as np
from scipy import sparse

from rote import knn
from rote.core.errors import InputError
from rote.neighbors import Neighbors

LEAST = 1e-6  # probabilities are clipped here, then normalized: scores may be negative
K_GRID = (1, 3, 5, 10, 20, 50, 100)
BANDWIDTH_GRID = (0.1, 0.25, 0.5, 1.0, np.inf)  # times the median distance to the nearest neighbor
TEMPERATURE_GRID = (0.7, 1.0, 1.4, 2.0, 3.0)


def softmax(logits: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    """softmax(z/T) over the last axis; T = ∞ is uniform. Raises InputError for T ≤ 0 or NaN."""
    if not temperature > 0:
        raise InputError(f"temperature must be positive (or infinite), given {temperature}")
    z = np.asarray(logits)
    z = z if z.dtype.kind == "f" else z.astype(float)
    z = (z - z.max(-1, keepdims=True)) / z.dtype.type(temperature)
    np.exp(z, out=z)
    z /= z.sum(-1, keepdims=True)
    return z


def residuals(labels: np.ndarray, logits: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    """onehot(y) − p_T, (..., classes), float like the logits; computed for the neighbors of some
    queries, never for a whole training set.

    Args:
        labels: (...,) int.
        logits: (..., classes).
    """
    found = -softmax(logits, temperature)
    at = np.asarray(labels)[..., None]
    np.put_along_axis(found, at, np.take_along_axis(found, at, -1) + 1, -1)
    return found


def vote(weights: np.ndarray, labels: np.ndarray, classes: int) -> np.ndarray:
    """Soft kNN vote: weights (queries, k) summed by the labels (queries, k) of the neighbors,
    (queries, classes).
    """
    out = np.zeros((len(weights), classes))
    np.add.at(out, (np.arange(len(weights))[:, None], labels), weights)
    return out


def scores(
    neighbors: Neighbors,
    labels: np.ndarray,
    logits: np.ndarray,
    query_logits: np.ndarray,
    *,
    bandwidth: float,
    temperature: float = 1.0,
    strength: float = 1.0,
) -> np.ndarray:
    """s(x) = p_T(x) + α r̂(x), (queries, classes); rows sum to 1, entries may be negative.

    Without neighbors (an empty memory) it is p_T(x).

    Args:
        labels, logits: of the memory, (n,) and (n, classes).
        query_logits: (queries, classes).
        strength: α; the paper's is 1.
    """
    base = softmax(np.asarray(query_logits, float), temperature)
    if not neighbors.rows.shape[1] or strength == 0:
        return base
    w = knn.weights(neighbors.distances, bandwidth)
    part = max(1, 2**24 // (neighbors.rows.shape[1] * base.shape[1]))
    for begin in range(0, len(base), part):
        some = slice(begin, begin + part)
        r, places = _of_neighbors(neighbors.rows[some], labels, logits, temperature)
        ends = np.arange(len(places) + 1) * places.shape[1]
        # a neighbor that is not there has weight 0
        votes = sparse.csr_array((w[some].ravel(), places.ravel(), ends), (len(places), len(r)))
        base[some] += strength * (votes @ r)
    return base


def _of_neighbors(
    rows: np.ndarray,
    labels: np.ndarray,
    logits: np.ndarray,
    temperature: float,
    dtype: type | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Residuals of every row that is a neighbor, once, (distinct, classes), and where each
    neighbor's is.
    """
    distinct, places = np.unique(rows, return_inverse=True)
    found = residuals(labels[distinct], np.asarray(logits[distinct], dtype), temperature)
    return found, places.reshape(rows.shape)


class Setting(NamedTuple):
    """One point of the grid; k = 0 is no memory at all."""

    k: int
    bandwidth: float
    temperature: float


def settings(
    bandwidths: Sequence[float],
    ks: Sequence[int] = K_GRID,
    temperatures: Sequence[float] = TEMPERATURE_GRID,
) -> list[Setting]:
    """The grid, "no memory" first: of equally good settings the earlier one is taken."""
    return [
        Setting(0, np.inf, 1.0),
        *(Setting(*point) for point in product(ks, bandwidths, temperatures)),
    ]


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
        neighbors: of m queries, with the largest k of the grid.
        measure: (settings, m, classes) scores -> (settings,).
    """
    out, (m, most) = np.empty(len(grid)), neighbors.rows.shape
    order = np.arange(most)
    masks = {}
    for k, bandwidth, _ in grid:
        if k and (k, bandwidth) not in masks:
            near = np.where(order < k, neighbors.distances, np.inf)
            masks[k, bandwidth] = knn.weights(near, bandwidth).astype(np.float32)
    for temperature in dict.fromkeys(setting.temperature for setting in grid):
        chosen = [i for i, setting in enumerate(grid) if setting.temperature == temperature]
        base = softmax(np.asarray(query_logits, np.float32), temperature)
        found = np.repeat(base[None], len(chosen), axis=0)
        with_memory = [
            (at, masks[grid[i].k, grid[i].bandwidth])
            for at, i in enumerate(chosen)
            if grid[i].k and most
        ]
        if with_memory:
            places = [at for at, _ in with_memory]
            part = max(1, 2**24 // (most * base.shape[1]))
            for begin in range(0, m, part):
                near = neighbors.rows[begin : begin + part]
                r, at = _of_neighbors(near, labels, logits, temperature, np.float32)
                r = r[at]
                w = np.stack([mask[begin : begin + part] for _, mask in with_memory], axis=1)
                found[places, begin : begin + part] += (w @ r).transpose(1, 0, 2)
        out[chosen] = measure(found)
    return out


def probabilities(scores: np.ndarray) -> np.ndarray:
    """Scores as probabilities: clipped at 1e-6 and normalized. The largest stays the largest."""
    found = np.maximum(scores, LEAST)
    return found / found.sum(-1, keepdims=True)


def simplex(scores: np.ndarray) -> np.ndarray:
    """The nearest probabilities to scores (queries, classes) in Euclidean distance."""
    ordered = -np.sort(-scores, axis=-1)
    excess = ordered.cumsum(-1) - 1
    count = (ordered * np.arange(1, scores.shape[-1] + 1) > excess).sum(-1, keepdims=True)
    return np.maximum(scores - np.take_along_axis(excess, count - 1, -1) / count, 0)
