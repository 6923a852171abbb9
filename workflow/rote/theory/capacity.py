"""How many facts fit: limits of fact accuracy for a memory of so many bits (our derivation).

A fact has one of M = 2^H equally likely values. The rate-distortion function of its value under
Hamming distortion says what reproducing it with probability q ≥ 1/M costs: the divergence between
being right with probability q and with 1/M,

    R(q) = H − h(q) − (1 − q) log2(M − 1) = q log2(q M) + (1 − q) log2((1 − q) / (1 − 1/M)),

h the binary entropy; R(1) = H and R(1/M) = 0 (Cover and Thomas 2006, theorem 10.3.3 and problem
10.5). R is convex, so facts that count the same are best stored equally far, and no memory of C
bits reproduces N of them with more than q, R(q) = C/N, on average. Where M q (1 − q) is large,
this is more than storing C/H facts whole and guessing the others: a code for many facts together
errs in any of them.

With q = 2^s / (M − 1 + 2^s), R = q s − log2(1 + (2^s − 1)/M); for small s, where that cancels,
R = ∫ u q(u) (1 − q(u)) du of natural logarithms over ln 2, to s ln 2.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike
from scipy import optimize, special

from rote.core import fields, reals
from rote.core.errors import InputError

LN2 = np.log(2)
_NODES, _WEIGHTS = (values / 2 for values in np.polynomial.legendre.leggauss(6))
_NODES = _NODES + 0.5  # of an integral over [0, 1]
_SMALL = 0.01  # s below which R is taken as one
_BITS = fields.FieldRange("finite and in (0, 1000]", lambda value: 0 < value <= 1000)


def accuracy_limit(
    n_facts: ArrayLike,
    bits_per_fact: ArrayLike,
    capacity_bits: ArrayLike,
    frequencies: ArrayLike | None = None,
) -> np.ndarray:
    """Highest fact accuracy that a capacity allows: the rate-distortion limit.

    Without `frequencies` all facts count the same: q with R(q) = C/N. With them the accuracy is
    weighted, Σ p_i q_i, and its maximum subject to Σ R(q_i) ≤ C. Relative error below 1e-9.

    Args:
        n_facts: N ≥ 1; arrays broadcast.
        bits_per_fact: H in (0, 1000], bits.
        capacity_bits: C ≥ 0, bits.
        frequencies: (N,) nonnegative weights, normalized here; only with single numbers for the
            other arguments.

    Returns:
        Accuracies in [2^−H, 1], of the shape that the arguments broadcast to.

    Raises:
        InputError: naming the argument and its range.
    """
    n = _checked("n_facts", n_facts, "≥ 1", lambda value: value >= 1)
    bits = _checked_bits("bits_per_fact", bits_per_fact)
    capacity = _checked("capacity_bits", capacity_bits, "≥ 0", lambda value: value >= 0)
    reals.same_shape({"n_facts": n, "bits_per_fact": bits, "capacity_bits": capacity})
    if frequencies is None:
        return _accuracy_of_rate(capacity / n, bits)
    for name, value in (("n_facts", n), ("bits_per_fact", bits), ("capacity_bits", capacity)):
        if value.ndim:
            raise InputError(f"{name} must be one number where frequencies are given")
    p = reals.array("frequencies", frequencies)
    if p.ndim != 1 or len(p) != n or not (np.isfinite(p) & (p >= 0)).all() or p.sum() == 0:
        raise InputError(
            f"frequencies must be {int(n)} nonnegative numbers, not all 0, given shape {p.shape}"
        )
    p = p / p.sum()
    return np.asarray(p @ water_filling(p, float(bits), float(capacity)))


def whole_facts(
    n_facts: ArrayLike, bits_per_fact: ArrayLike, capacity_bits: ArrayLike
) -> np.ndarray:
    """Fact accuracy of storing each fact whole or not at all, min(1, C/(N H)).

    Args:
        n_facts: N ≥ 1; arrays broadcast.
        bits_per_fact: H in (0, 1000], bits.
        capacity_bits: C ≥ 0, bits.

    Returns:
        Accuracies in [0, 1], of the shape that the arguments broadcast to; guesses are not counted.

    Raises:
        InputError: naming the argument and its range.
    """
    n = _checked("n_facts", n_facts, "≥ 1", lambda value: value >= 1)
    bits = _checked_bits("bits_per_fact", bits_per_fact)
    capacity = _checked("capacity_bits", capacity_bits, "≥ 0", lambda value: value >= 0)
    reals.same_shape({"n_facts": n, "bits_per_fact": bits, "capacity_bits": capacity})
    with np.errstate(over="ignore"):
        return np.minimum(1.0, capacity / n / bits)


def _checked(
    name: str, values: ArrayLike, domain: str, within: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray:
    array = reals.array(name, values)
    outside = ~(np.isfinite(array) & within(array))
    if outside.any():
        raise InputError(f"{name} must be finite and {domain}, given {array[outside].flat[0]}")
    return array


def _checked_bits(name: str, values: ArrayLike) -> np.ndarray:
    return _checked(name, values, "in (0, 1000]", lambda value: (value > 0) & (value <= 1000))


def water_filling(frequencies: np.ndarray, bits: float, capacity: float) -> np.ndarray:
    """Accuracies that maximize Σ p_i q_i subject to Σ R(q_i) ≤ C.

    q_i = 1/(1 + (M − 1) 2^(−p_i/λ)), λ by bisection.

    Args:
        frequencies: (N,) p_i ≥ 0, finite, not all 0.
        bits: H in (0, 1000], entropy of a fact.
        capacity: C ≥ 0 in bits.

    Returns:
        (N,) q_i.

    Raises:
        InputError: naming the argument and its range.
    """
    p = _checked("frequencies", frequencies, "≥ 0", lambda value: value >= 0)
    if p.ndim != 1 or not p.any():
        raise InputError(f"frequencies must be a vector, not all 0, given shape {p.shape}")
    bits = reals.number("bits", bits, _BITS)
    capacity = reals.number("capacity", capacity, fields.NOT_NEGATIVE)
    occurring = int(np.count_nonzero(p))
    if capacity >= bits * occurring:  # the rest goes to what never occurs
        rest = (capacity - bits * occurring) / max(1, len(p) - occurring)
        return np.where(p > 0, 1.0, _accuracy_of_rate(np.array(rest), np.array(bits)))
    p = p / p.max()

    def excess(log_scale: float) -> float:
        return _rates(p * np.exp(log_scale), bits, exact=capacity < 1e-8 * len(p)).sum() - capacity

    # 2^-60 of a bit's slope costs nothing; 60 bits above H all are certain in double precision
    low, high = -42.0, np.log((bits + 60) / p[p > 0].min())
    if excess(low) >= 0:  # no capacity to speak of: guesses
        return np.full(len(p), 2.0**-bits)
    if excess(high) <= 0:
        return np.where(p > 0, 1.0, 2.0**-bits)
    slope = np.exp(optimize.brentq(excess, low, high, xtol=1e-14, rtol=1e-14))
    return _accuracies(p * slope, bits)


def _accuracies(s: np.ndarray, bits: ArrayLike) -> np.ndarray:
    """q = 2^s / (M − 1 + 2^s)."""
    bits = np.asarray(bits, float)
    return special.expit(s * LN2 - bits * LN2 - np.log(-np.expm1(-bits * LN2)))


def _rates(s: np.ndarray, bits: ArrayLike, exact: bool = True) -> np.ndarray:
    """R at q = 2^s / (M − 1 + 2^s), s ≥ 0; right to 1e-17 absolute at small s unless `exact`."""
    bits = np.asarray(bits, float)
    s = np.minimum(s, bits + 60)  # there q is 1 already
    small = np.minimum(s, 30) * LN2
    by_difference = np.log1p(2.0**-bits * np.expm1(small)) / LN2
    by_sum = np.logaddexp2(s - bits, np.log2(-np.expm1(-bits * LN2)))
    rates = np.asarray(_accuracies(s, bits) * s - np.where(s <= 30, by_difference, by_sum))
    if not exact:
        return rates
    small = np.asarray((s > 0) & (s < _SMALL))
    if small.any():
        rates[small] = _small_rates(*(x[small] for x in np.broadcast_arrays(s, bits)))
    return rates


def _small_rates(s: np.ndarray, bits: np.ndarray) -> np.ndarray:
    """R at small s, (n,), by its integral, in which nothing cancels."""
    u = s[:, None] * _NODES
    log_others = bits * LN2 + np.log(-np.expm1(-bits * LN2))  # of M − 1
    other = special.expit(log_others[:, None] - u * LN2)
    return (u * _accuracies(u, bits[:, None]) * other) @ _WEIGHTS * LN2 * s


def _accuracy_of_rate(rates: np.ndarray, bits: np.ndarray) -> np.ndarray:
    """q with R(q) = `rates`, by bisection of s; 1 from H bits on."""
    rates, bits = np.broadcast_arrays(rates, bits)
    low, high = np.zeros(rates.shape), bits + 60
    for _ in range(80):
        middle = (low + high) / 2
        is_less = _rates(middle, bits) < rates
        low, high = np.where(is_less, middle, low), np.where(is_less, high, middle)
    return np.where(rates >= bits, 1.0, _accuracies((low + high) / 2, bits))


def rate(accuracy: ArrayLike, bits: float) -> np.ndarray:
    """R(q): bits that accuracy q of one fact of H = `bits` costs at least (our derivation).

    Args:
        accuracy: q in [0, 1], any shape; below 1/M it costs nothing.
        bits: H in (0, 1000], entropy of a fact.

    Returns:
        Bits ≥ 0, of the shape of `accuracy`; absolute error below 1e-13 (1 + H).

    Raises:
        InputError: naming the argument and its range.
    """
    q = _checked("accuracy", accuracy, "in [0, 1]", lambda value: (value >= 0) & (value <= 1))
    bits = reals.number("bits", bits, _BITS)
    guess, other = 2.0**-bits, -np.expm1(-bits * LN2)
    divergence = (special.rel_entr(q, guess) + special.rel_entr(1 - q, other)) / LN2
    return np.where(q > guess, np.maximum(divergence, 0.0), 0.0)


def spread_accuracy(bits_available: ArrayLike, bits: float) -> np.ndarray:
    """2^−(H − available): all facts stored equally far, the rest of each value guessed.

    Args:
        bits_available: bits per fact, clipped to [0, `bits`].
        bits: H in (0, 1000], entropy of a fact.

    Returns:
        Accuracies in [2^−H, 1], of the shape of `bits_available`.

    Raises:
        InputError: naming the argument and its range.
    """
    bits = reals.number("bits", bits, _BITS)
    available = _checked("bits_available", bits_available, "a number", np.isfinite)
    return 2.0 ** -(bits - np.clip(available, 0, bits))
