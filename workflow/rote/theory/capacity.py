"""How many facts fit: limits of fact accuracy for a memory of so many bits (our derivation).

A fact has one of M = 2^H equally likely values. Reproducing it with probability q costs at least
R(q) = H − h(q) − (1 − q) log2(M − 1) bits (Fano with equality), h the binary entropy; R(1) = H and
R(1/M) = 0.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike
from scipy import optimize, special

from rote.core.errors import InputError

LN2 = np.log(2)


def accuracy_limit(
    n_facts: ArrayLike,
    bits_per_fact: ArrayLike,
    capacity_bits: ArrayLike,
    frequencies: ArrayLike | None = None,
) -> np.ndarray:
    """Highest fact accuracy that a capacity allows.

    Without `frequencies` all facts count the same: min(1, C/(N H)), as if each fact were stored
    whole or not at all. With them the accuracy is weighted, Σ p_i q_i, and its maximum subject to Σ
    R(q_i) ≤ C.

    Args:
        n_facts: N ≥ 1; arrays broadcast.
        bits_per_fact: H > 0, bits.
        capacity_bits: C ≥ 0, bits.
        frequencies: (N,) nonnegative weights, normalized here; only with single numbers for the
            other arguments.

    Returns:
        Accuracies in [0, 1], of the shape that the arguments broadcast to.

    Raises:
        InputError: naming the argument and its range.
    """
    n = _checked("n_facts", n_facts, "≥ 1", lambda value: value >= 1)
    bits = _checked("bits_per_fact", bits_per_fact, "> 0", lambda value: value > 0)
    capacity = _checked("capacity_bits", capacity_bits, "≥ 0", lambda value: value >= 0)
    if frequencies is None:
        return np.minimum(1.0, capacity / (n * bits))
    p = np.asarray(frequencies, float)
    if p.ndim != 1 or len(p) != n or not (np.isfinite(p) & (p >= 0)).all() or p.sum() == 0:
        raise InputError(
            f"frequencies must be {int(n)} nonnegative numbers, not all 0, given shape {p.shape}"
        )
    p = p / p.sum()
    return np.asarray(p @ water_filling(p, float(bits), float(capacity)))


def _checked(
    name: str, values: ArrayLike, domain: str, within: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray:
    array = np.asarray(values, float)
    outside = ~(np.isfinite(array) & within(array))
    if outside.any():
        raise InputError(f"{name} must be finite and {domain}, given {array[outside].flat[0]}")
    return array


def water_filling(frequencies: np.ndarray, bits: float, capacity: float) -> np.ndarray:
    """Accuracies that maximize Σ p_i q_i subject to Σ R(q_i) ≤ C.

    q_i = 1/(1 + (M − 1) 2^(−p_i/λ)), λ by bisection.

    Args:
        frequencies: (N,) p_i ≥ 0, not all 0.
        bits: H, entropy of a fact.
        capacity: C in bits.

    Returns:
        (N,) q_i.
    """
    p = np.asarray(frequencies, float)
    if capacity >= bits * len(p):
        return np.ones(len(p))
    log_odds = bits * LN2 + np.log1p(-(2.0**-bits))  # log(M − 1)

    def accuracies(log_scale: float) -> np.ndarray:
        return special.expit(p * np.exp(log_scale) * LN2 - log_odds)

    def excess(log_scale: float) -> float:
        return rate(accuracies(log_scale), bits).sum() - capacity

    low, high = -np.log(p.max()) - 40, -np.log(p[p > 0].min()) + np.log(bits) + 12
    if excess(low) >= 0:  # no capacity to speak of: guesses
        return np.full(len(p), 2.0**-bits)
    if excess(high) <= 0:  # some facts never occur: all others are certain
        return np.where(p > 0, 1.0, 2.0**-bits)
    return accuracies(optimize.brentq(excess, low, high, xtol=1e-13))


def rate(accuracy: ArrayLike, bits: float) -> np.ndarray:
    """R(q): bits that accuracy q of one fact of H = `bits` costs at least (our derivation).

    Args:
        accuracy: q in [0, 1], any shape.
        bits: H > 0, entropy of a fact.

    Returns:
        Bits ≥ 0, of the shape of `accuracy`.
    """
    q = np.asarray(accuracy, float)
    entropy = (special.entr(q) + special.entr(1 - q)) / LN2
    alternatives = bits + np.log2(-np.expm1(-bits * LN2))  # log2(M − 1)
    return np.maximum(bits - entropy - (1 - q) * alternatives, 0.0)


def spread_accuracy(bits_available: ArrayLike, bits: float) -> np.ndarray:
    """2^−(H − available): all facts stored equally far, the rest of each value guessed.

    Args:
        bits_available: bits per fact, clipped to [0, `bits`].
        bits: H, entropy of a fact.
    """
    return 2.0 ** -(bits - np.clip(np.asarray(bits_available, float), 0, bits))
