"""Sparse sign features with power-law frequencies.

Data of the linear track (long-tail composition, section 2).
"""

import math

import numpy as np
from scipy import sparse

from rote.core.errors import InputError


def frequencies(d: int, s: float, alpha: float) -> np.ndarray:
    """p_i = min(1, s i^-α / Σ_j j^-α), i = 1..d: the probability that feature i is non-zero, (d,).

    The clip makes Σ p_i ≤ s; it is not rescaled. For α ≤ 1 the result depends on d.

    Args:
        d: number of features.
        s: expected number of non-zero features per row before clipping.
        alpha: exponent of the power law.

    Returns:
        (d,) float64, not rising.

    Raises:
        InputError: unless d ≥ 1 is an integer, s > 0 and α ≥ 0 are finite.
    """
    if not isinstance(d, (int, np.integer)) or isinstance(d, bool) or d < 1:
        raise InputError(f"d must be an integer ≥ 1, given {d!r}")
    if not (math.isfinite(s) and s > 0):
        raise InputError(f"s must be finite and > 0, given {s}")
    if not (math.isfinite(alpha) and alpha >= 0):
        raise InputError(f"alpha must be finite and ≥ 0, given {alpha}")
    weights = np.arange(1, d + 1, dtype=float) ** -alpha
    return np.minimum(1.0, s * weights / weights.sum())


def draw(p: np.ndarray, n: int, rng: np.random.Generator) -> sparse.csr_array:
    """n rows of independent features: x_i is ±1 with probability p_i (random sign), else 0.

    Draws each feature's count m_i ~ Bin(n, p_i), then m_i distinct rows: the same law as n·d
    Bernoulli draws at the cost of the non-zeros alone.

    Args:
        p: probabilities that a feature is non-zero, (d,).
        n: rows.
        rng: source of all draws.

    Returns:
        CSR, (n, d) float64.

    Raises:
        InputError: if n < 1.
    """
    if n < 1:
        raise InputError(f"n must be at least 1, given {n}")
    counts = rng.binomial(n, p)  # (d,)
    seen = np.flatnonzero(counts)
    rows = [rng.choice(n, counts[i], replace=False, shuffle=False) for i in seen]
    row = np.concatenate(rows) if rows else np.empty(0, int)
    column = np.repeat(seen, counts[seen])
    signs = rng.choice([-1.0, 1.0], size=len(row))
    return sparse.csr_array((signs, (row, column)), shape=(n, len(p)))


def force(
    X: sparse.csr_array, pool: np.ndarray, t: int, rng: np.random.Generator
) -> sparse.csr_array:
    """Rows in which t distinct features of a pool are forced to ±1: the paper's rare combinations.

    Args:
        X: rows, CSR (n, d).
        pool: numbers of the features that may be forced, (pool,).
        t: features to force in each row, never one twice.
        rng: source of all draws.

    Returns:
        CSR, (n, d).

    Raises:
        InputError: if the pool holds fewer than t features.
    """
    if t > len(pool):
        raise InputError(f"cannot force {t} distinct features: the pool holds {len(pool)}")
    n = X.shape[0]
    if t == 0:
        return X.copy()
    columns = pool[rng.random((n, len(pool))).argpartition(t - 1, axis=1)[:, :t]]
    entries = (np.repeat(np.arange(n), t), columns.ravel())
    mask = sparse.csr_array((np.ones(n * t), entries), shape=X.shape)
    signs = sparse.csr_array((rng.choice([-1.0, 1.0], n * t), entries), shape=X.shape)
    return sparse.csr_array(X - X.multiply(mask) + signs)
