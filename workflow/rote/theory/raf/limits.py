"""Closed forms and limits: optimal ridge and angle, capacity, large α."""

import math
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from rote.core.errors import InputError
from rote.theory.raf.arguments import check_domains, check_range, fraction


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
        mu1, mustar: linear part ≠ 0 and norm of the rest ≥ 0; all arguments broadcast.

    Raises:
        InputError: naming the argument and its range.
    """
    eps = fraction(eps, closed=False)
    check_domains(mu1=mu1, mustar=mustar)
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
    return np.degrees(np.arccos((1 - fraction(eps)) * math.sqrt(2 / math.pi)))


def capacity(eps: np.ndarray | float) -> np.ndarray:
    """α_c(ε), of the shape of `eps`: below it the training set is linearly separable.

    ∞ at ε = 0, Gardner's 2 at ε = 1. The minimum over t of (1 − ε/2) E(Z − t|u|)₊² + ε/2
    E(Z + t|u|)₊² lies at t = cot a with tan a − a = πε/(2(1 − ε)), and is (a + ε(π/2 − a))/π.

    Args:
        eps: fraction of facts, in [0, 1], any shape.

    Raises:
        InputError: for ε outside its range.
    """
    eps = fraction(eps)
    with np.errstate(divide="ignore"):
        angle = _inverse_excess(np.pi / 2 * eps / (1 - eps))
        return np.pi / (angle + eps * (np.pi / 2 - angle))


# tan a − a = a³ Σ c_k a^(2k), for small a
_EXCESS = (1 / 3, 2 / 15, 17 / 315, 62 / 2835, 1382 / 155925, 21844 / 6081075, 929569 / 638512875)


def _inverse_excess(excess: np.ndarray) -> np.ndarray:
    """The a in [0, π/2] with tan a − a = excess ≥ 0."""
    a = np.where(excess < 1, np.cbrt(3 * np.minimum(excess, 1)), np.arctan(excess + 1.2))
    for _ in range(6):
        small = a < 0.1
        series = a**3 * np.polynomial.polynomial.polyval(a**2, _EXCESS)
        tangent = np.tan(np.where(small, 0.1, np.minimum(a, 1.5)))
        slope = np.where(small, np.tan(a), tangent) ** 2
        gap = np.where(small, series, tangent - a) - np.minimum(excess, 20)
        a = np.where(excess < 10, a - gap / np.maximum(slope, 1e-300), np.arctan(excess + a))
    return a


def square_rate(eps: np.ndarray | float) -> np.ndarray:
    """lim √α E_gen of ridge regression at any fixed Λ, of the shape of `eps`.

    Args:
        eps: fraction of facts, in [0, 1), any shape.

    Raises:
        InputError: for ε outside its range.
    """
    return np.sqrt(np.pi / (2 * (1 - fraction(eps, closed=False)) ** 2) - 1) / np.pi


_RATE_EPS = (1e-12, 1 - 1e-6)
_RATE_V = (1e-6, 1e8)


class HingeLimit(NamedTuple):
    """Hinge loss as α → ∞ at fixed V⋆ = μ⋆²/λ."""

    rate: float  # lim √α E_gen
    overlap: float  # M, lim m
    e_mem: float


def hinge_limit(eps: float, v_star: float) -> HingeLimit:
    """The prefactor of the hinge rate: V⋆ = 0 is the linear learner, ∞ the hard margin.

    Args:
        eps: fraction of facts, between 1e-12 and 1 − 1e-6.
        v_star: V⋆ = μ⋆²/λ: 0, between 1e-6 and 1e8, or infinite.

    With F = −ℓ' of the Huberized hinge (slope 1/V⋆ on [1 − V⋆, 1]) and margin z = ±M|u|, M solves
    E[±|u| F(z)] = 0 and √α E_gen → √E F² / (π M E[−F']). Expectations are exact between the kinks
    of F.

    Raises:
        InputError: naming the argument and its range.
    """
    check_domains(eps=eps)
    if np.ndim(eps) or np.ndim(v_star) or not isinstance(v_star, (int, float, np.number)):
        raise InputError(f"eps and v_star must be single numbers, given {eps!r} and {v_star!r}")
    if not 0 < eps < 1:
        raise InputError(f"eps must be in (0, 1) for the hinge rate, given {eps}")
    if not v_star >= 0:
        raise InputError(f"v_star must be ≥ 0, given {v_star}")
    check_range("eps", np.asarray(eps), *_RATE_EPS)
    if 0 < v_star < np.inf:
        check_range("v_star", np.asarray(v_star), *_RATE_V)
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

    from scipy import optimize  # a sixth of a second, for this alone

    M = math.exp(optimize.brentq(lambda x: balance(math.exp(x)), -90, 90, xtol=1e-14, rtol=1e-14))
    square = right * expect(lambda u: force(M * u) ** 2, M, 1)
    square += wrong * expect(lambda u: force(-M * u) ** 2, M, -1)
    if v_star == 0:
        slope = right * 2 * phi(np.asarray(1 / M)) / M
    else:
        scale = 1.0 if np.isinf(v_star) else v_star
        floor = -np.inf if np.isinf(v_star) else 1 - v_star

        def inside(z):
            return ((z < 1) & (z > floor)) / scale

        slope = right * expect(lambda u: inside(M * u), M, 1)
        slope += wrong * expect(lambda u: inside(-M * u), M, -1)
    return HingeLimit(
        rate=float(math.sqrt(square) / (math.pi * M * slope)),
        overlap=M,
        e_mem=0.0 if np.isinf(v_star) else math.erfc(v_star / (M * math.sqrt(2))) / 2,
    )
