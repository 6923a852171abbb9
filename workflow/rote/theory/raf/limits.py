"""Closed forms and limits: optimal ridge and angle, capacity, Bayes-optimal learner, large α."""

import math
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from scipy import optimize, special

from rote.core.errors import InputError

_TINY = 1e-300


def phi(x: np.ndarray) -> np.ndarray:
    """Standard normal density, of the shape of `x`.

    Args:
        x: any shape.
    """
    return np.exp(-(x**2) / 2) / math.sqrt(2 * math.pi)


def optimal_ridge(
    eps: np.ndarray | float, mu1: np.ndarray | float, mustar: np.ndarray | float
) -> np.ndarray:
    """λ_opt = μ1²(π/(2(1−ε)²) − 1) − μ⋆² of the square loss, for every α; 0 where negative.

    Args:
        eps: fraction of facts, in [0, 1).
        mu1, mustar: linear part and norm of the rest; all arguments broadcast.

    Raises:
        InputError: for ε outside its range.
    """
    eps = _fraction(eps, closed=False)
    return np.maximum(
        np.asarray(mu1) ** 2 * (np.pi / (2 * (1 - eps) ** 2) - 1) - np.asarray(mustar) ** 2, 0.0
    )


def optimal_angle(eps: np.ndarray | float) -> np.ndarray:
    """γ_opt in degrees, cos γ_opt = (1 − ε)√(2/π), of the shape of `eps`.

    There the interpolator is the best square-loss learner, and remembers every fact.

    Args:
        eps: fraction of facts, in [0, 1], any shape.

    Raises:
        InputError: for ε outside its range.
    """
    return np.degrees(np.arccos((1 - _fraction(eps)) * math.sqrt(2 / math.pi)))


def capacity(eps: np.ndarray | float) -> np.ndarray:
    """α_c(ε), of the shape of `eps`: below it the training set is linearly separable.

    ∞ at ε = 0, Gardner's 2 at ε = 1.

    Args:
        eps: fraction of facts, in [0, 1], any shape.

    Raises:
        InputError: for ε outside its range.
    """
    eps = _fraction(eps)
    unique, index = np.unique(eps, return_inverse=True)
    return np.array([_capacity(value) for value in unique])[index].reshape(eps.shape)


def _capacity(eps: float) -> float:
    if eps == 0:
        return math.inf
    nodes, weights = np.polynomial.legendre.leggauss(200)
    u, weights = 5 * (nodes + 1), 5 * weights
    weights = weights * 2 * phi(u)  # |u|, half normal

    def ramp(a):  # E(Z + a)₊²
        return (1 + a**2) * special.ndtr(a) + a * phi(a)

    def inverse(t):
        return weights @ ((1 - eps / 2) * ramp(-t * u) + eps / 2 * ramp(t * u))

    best = optimize.minimize_scalar(
        inverse, bounds=(0, 20 / math.sqrt(eps)), method="bounded", options={"xatol": 1e-10}
    )
    return 1 / min(best.fun, inverse(0.0))


def bayes_optimal(alpha: np.ndarray | float, eps: np.ndarray | float) -> np.ndarray:
    """E_gen of the Bayes-optimal learner of the rule, NaN where the iteration did not converge.

    Args:
        alpha: samples per dimension, > 0.
        eps: fraction of facts, in [0, 1]; broadcasts with `alpha`.

    Raises:
        InputError: naming the argument and its range.
    """
    q = bayes_overlap(alpha, eps)
    return np.arctan2(np.sqrt(1 - q), np.sqrt(q)) / np.pi


def bayes_overlap(alpha: np.ndarray | float, eps: np.ndarray | float) -> np.ndarray:
    """q_b, squared overlap of the Bayes-optimal learner with the teacher.

    The integration variable follows the peak.

    Args:
        alpha: samples per dimension, > 0.
        eps: fraction of facts, in [0, 1]; broadcasts with `alpha`.

    Returns:
        Of the broadcast shape, in [0, 1]; NaN where the iteration did not converge.

    Raises:
        InputError: naming the argument and its range.
    """
    alpha, eps = np.broadcast_arrays(np.asarray(alpha, float), _fraction(eps))
    valid = np.isfinite(alpha) & (alpha > 0)
    if not valid.all():
        raise InputError(f"alpha must be finite and > 0, given {first_offender(alpha, valid)}")
    shape = alpha.shape
    alpha, eps = alpha.reshape(-1, 1), eps.reshape(-1, 1)
    nodes, weights = np.polynomial.legendre.leggauss(400)
    u, weights = 12 * nodes, 12 * weights
    hat = np.ones(len(alpha))  # q = hat/(1 + hat), 1 − q = 1/(1 + hat)
    converged = np.zeros(len(alpha), bool)
    for _ in range(500):
        q = (hat / (1 + hat))[:, None]
        below = eps + (1 - eps) * special.erfc(-u * np.sqrt(q / 2))
        with np.errstate(divide="ignore", invalid="ignore"):
            integrand = np.where(below > 0, np.exp(-(1 + q) * u**2 / 2) / below, 0.0)
        new = (
            4
            * (1 - eps[:, 0]) ** 2
            * alpha[:, 0]
            * np.sqrt(1 + hat)
            / (2 * np.pi) ** 1.5
            * (integrand @ weights)
        )
        change = np.abs(new - hat) / np.maximum(new, _TINY)
        hat = new
        converged = (change < 1e-12) | (new == 0)
        if converged.all():
            break
    return np.where(converged, hat / (1 + hat), np.nan).reshape(shape)


def bayes_rate(eps: np.ndarray | float) -> np.ndarray:
    """lim α E_gen of the Bayes-optimal learner, 1/(π C_ε), of the shape of `eps`.

    Args:
        eps: fraction of facts, in [0, 1), any shape.

    Raises:
        InputError: for ε outside its range.
    """
    eps = _fraction(eps, closed=False)
    nodes, weights = np.polynomial.legendre.leggauss(400)
    u = 12 * nodes
    flat = eps.reshape(-1, 1)
    below = flat + (1 - flat) * special.erfc(-u / math.sqrt(2))
    with np.errstate(divide="ignore", invalid="ignore"):
        integral = np.where(below > 0, np.exp(-(u**2)) / below, 0.0) @ (12 * weights)
    return ((2 * np.pi) ** 1.5 / (4 * np.pi * (1 - flat[:, 0]) ** 2 * integral)).reshape(eps.shape)


def square_rate(eps: np.ndarray | float) -> np.ndarray:
    """lim √α E_gen of ridge regression at any fixed Λ, of the shape of `eps`.

    Args:
        eps: fraction of facts, in [0, 1), any shape.

    Raises:
        InputError: for ε outside its range.
    """
    return np.sqrt(np.pi / (2 * (1 - _fraction(eps, closed=False)) ** 2) - 1) / np.pi


class HingeLimit(NamedTuple):
    """Hinge loss as α → ∞ at fixed V⋆ = μ⋆²/λ."""

    rate: float  # lim √α E_gen
    overlap: float  # M, lim m
    e_mem: float


def hinge_limit(eps: float, v_star: float) -> HingeLimit:
    """The prefactor of the hinge rate: V⋆ = 0 is the linear learner, ∞ the hard margin.

    Args:
        eps: fraction of facts, in (0, 1).
        v_star: V⋆ = μ⋆²/λ ≥ 0.

    With F = −ℓ' of the Huberized hinge (slope 1/V⋆ on [1 − V⋆, 1]) and margin z = ±M|u|, M solves
    E[±|u| F(z)] = 0 and √α E_gen → √E F² / (π M E[−F']). Expectations are exact between the kinks
    of F.

    Raises:
        InputError: naming the argument and its range.
    """
    if not 0 < eps < 1:
        raise InputError(f"eps must be in (0, 1) for the hinge rate, given {eps}")
    if v_star < 0:
        raise InputError(f"v_star must be ≥ 0, given {v_star}")
    right, wrong = 1 - eps / 2, eps / 2
    nodes, weights = np.polynomial.legendre.leggauss(200)

    def expect(function, M, sign):
        """E over |u| of function(u), split at the kinks of F(sign M u)."""
        corners = (1.0,) if np.isinf(v_star) else (1.0, 1 - v_star)
        kinks = [corner / (sign * M) for corner in corners if corner / (sign * M) > 0]
        edges = [0.0, *sorted(min(kink, 12.0) for kink in kinks), 12.0]
        total = 0.0
        for low, high in pairwise(edges):
            if high > low:
                u = (high + low) / 2 + (high - low) / 2 * nodes
                total += (function(u) * 2 * phi(u)) @ weights * (high - low) / 2
        return total

    def force(z):
        if v_star == 0:
            return (z < 1).astype(float)
        return np.maximum(1 - z, 0) if np.isinf(v_star) else np.clip((1 - z) / v_star, 0, 1)

    def balance(M):
        pull = right * expect(lambda u: u * force(M * u), M, 1)
        return pull - wrong * expect(lambda u: u * force(-M * u), M, -1)

    M = optimize.brentq(balance, 1e-6, 1e6, xtol=1e-14, rtol=1e-14)
    square = right * expect(lambda u: force(M * u) ** 2, M, 1)
    square += wrong * expect(lambda u: force(-M * u) ** 2, M, -1)
    if v_star == 0:
        slope = right * 2 * phi(1 / M) / M
    else:
        scale = 1.0 if np.isinf(v_star) else v_star
        floor = -np.inf if np.isinf(v_star) else 1 - v_star

        def inside(z):
            return ((z < 1) & (z > floor)) / scale

        slope = right * expect(lambda u: inside(M * u), M, 1)
        slope += wrong * expect(lambda u: inside(-M * u), M, -1)
    return HingeLimit(
        rate=math.sqrt(square) / (math.pi * M * slope),
        overlap=M,
        e_mem=0.0 if np.isinf(v_star) else special.erfc(v_star / (M * math.sqrt(2))) / 2,
    )


def _fraction(eps: np.ndarray | float, closed: bool = True) -> np.ndarray:
    eps = np.asarray(eps, float)
    valid = np.isfinite(eps) & (eps >= 0) & ((eps <= 1) if closed else (eps < 1))
    if not valid.all():
        interval = "[0, 1]" if closed else "[0, 1)"
        raise InputError(f"eps must be in {interval}, given {first_offender(eps, valid)}")
    return eps


def first_offender(values: np.ndarray, valid: np.ndarray) -> float:
    """The first value that is not valid, for an error message.

    Args:
        values: any shape.
        valid: bool, of the same shape; False somewhere.
    """
    return float(np.ravel(values)[np.argmin(np.ravel(valid))])
