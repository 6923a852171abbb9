"""The losses: what the fixed point must know of each.

ζ = yω/√q has the density p(ζ) = (1 − ε) 2φ(ζ)Φ(βζ) + εφ(ζ), a skew normal for rules and a normal
for facts.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy import special

from rote.theory.raf.limits import capacity, phi


class Hats(NamedTuple):
    """Hatted order parameters in powers of λ, (points,) each: finite as λ → 0."""

    m: np.ndarray  # m̂/λ
    q: np.ndarray  # q̂/λ²
    v: np.ndarray  # V̂/λ


class OrderParameters(NamedTuple):
    """Order parameters of the output on a fresh input, (points,) each."""

    m: np.ndarray  # covariance with the teacher
    q: np.ndarray  # variance
    rest: np.ndarray  # q − m², which keeps its digits as E_gen → 0
    v: np.ndarray  # response V; infinite at λ = 0


class RafLoss(NamedTuple):
    """A loss ℓ(y, f)."""

    slope: float  # |ℓ'(0)|
    hats: Callable[..., Hats]  # of (α, ε, λ, m, q − m², v = λV), (points,) each
    # of (α, ε, λ, μ1, μ⋆), in the kernel limit; None where there is no closed form
    closed_form: Callable[..., OrderParameters] | None
    # ε -> α below which a linear learner interpolates; None without a minimizer at λ = 0
    interpolable: Callable[[np.ndarray], np.ndarray] | None


def _square_hats(alpha, eps, lam, m, rest, v) -> Hats:
    c = (1 - eps) * math.sqrt(2 / math.pi)
    return Hats(
        m=alpha * c / (lam + v),
        q=alpha * (1 + m**2 + rest - 2 * c * m) / (lam + v) ** 2,
        v=alpha / (lam + v),
    )


def _square_closed_form(alpha, eps, lam, mu1, mustar) -> OrderParameters:
    """Kernel ridge regression: all depends on Λ = (λ + μ⋆²)/μ1², but V also on λ alone."""
    c = (1 - eps) * math.sqrt(2 / math.pi)
    ridge = (lam + mustar**2) / mu1**2
    b = 1 + alpha + ridge
    s = (b + np.sqrt(b**2 - 4 * alpha)) / 2
    gap = 1 + ridge - alpha
    root = np.sqrt(gap**2 + 4 * ridge * alpha)
    with np.errstate(invalid="ignore", divide="ignore"):
        # s − α without cancellation
        D = np.where(gap >= 0, (gap + root) / 2, 2 * ridge * alpha / (root - gap))
        # s² − α = s(s − α/s) and s − α/s = D + α(1 − 1/s) cancel nothing either
        spread = s * np.sqrt(b**2 - 4 * alpha)
        m = alpha * c / s
        q = (alpha**2 * c**2 + alpha - 2 * alpha**2 * c**2 / s) / spread
        rest = alpha * ((s - alpha * c**2) ** 2 + alpha**2 * c**2 * (1 - c**2)) / (s**2 * spread)
        V = np.where(lam > 0, mu1**2 * D / np.where(lam > 0, lam, 1.0) - 1, np.inf)
    return OrderParameters(m, q, rest, V)


_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(64)


def _density(zeta: np.ndarray, beta: np.ndarray, eps: np.ndarray) -> np.ndarray:
    """Of ζ = yω/√q: skew normal for rules, normal for facts."""
    return phi(zeta) * ((1 - eps) * 2 * special.ndtr(beta * zeta) + eps)


def _hinge_hats(alpha, eps, lam, m, rest, v) -> Hats:
    """Closed form with Owen's T; Gauss-Legendre where its differences would cancel (V < 1e-3)."""
    q = m**2 + rest
    root = np.sqrt(q)
    beta = np.minimum(m / np.sqrt(rest), 1e7)  # η ≤ 1 − 1e-14
    k = np.sqrt(1 + beta**2)
    sigma = 1 / k
    positive = lam > 0
    safe = np.where(positive, lam, 1.0)
    V = np.where(positive, v / safe, np.inf)
    a1 = np.maximum(np.where(positive, (1 - V) / root, -38.0), -38.0)
    a2 = 1 / root
    lower = _primitives(a1, eps, beta)
    upper = _primitives(a2, eps, beta)
    d0, d1, d2 = (high - low for high, low in zip(upper, lower, strict=True))
    quadratic = d0 - 2 * root * d1 + q * d2  # ∫ p(ζ)(1 − √q ζ)²
    A1, A2 = a1 * k, a2 * k
    linear = special.ndtr(A2) - special.ndtr(A1) + root * sigma * (phi(A2) - phi(A1))
    narrow = V < 1e-3
    if narrow.any():
        low, high = a1[narrow, None], a2[narrow, None]
        half = (high - low) / 2
        zeta = (high + low) / 2 + half * _NODES
        density = _density(zeta, beta[narrow, None], eps[narrow, None]) * half * _WEIGHTS
        gap = half * (1 - _NODES)  # (1 − √q ζ)/√q, exactly 0 at a2
        d0[narrow] = density.sum(1)
        quadratic[narrow] = q[narrow] * (density * gap**2).sum(1)
        around = phi(zeta * k[narrow, None]) * k[narrow, None] * half * _WEIGHTS
        linear[narrow] = root[narrow] * (around * gap).sum(1)
    scale = 2 * alpha * (1 - eps) / math.sqrt(2 * math.pi)
    wide_m = np.where(positive, special.ndtr(A1) / safe, 0.0)
    wide_q = np.where(positive, lower[0] / safe**2, 0.0)
    return Hats(
        m=scale * (wide_m + linear / v), q=alpha * (wide_q + quadratic / v**2), v=alpha * d0 / v
    )


def _primitives(a: np.ndarray, eps: np.ndarray, beta: np.ndarray) -> list[np.ndarray]:
    """∫_{-∞}^a p(ζ) ζ^i dζ for i = 0, 1, 2."""
    k = np.sqrt(1 + beta**2)
    skew = math.sqrt(2 / math.pi) * beta / k  # √(2/π)·√η
    below, density = special.ndtr(a), phi(a)
    tilted, narrow = special.ndtr(beta * a), phi(k * a)
    s0 = below - 2 * special.owens_t(a, beta)
    s1 = -2 * density * tilted + skew * special.ndtr(k * a)
    s2 = s0 - 2 * a * density * tilted - math.sqrt(2 / math.pi) * beta / k**2 * narrow
    rule, fact = (s0, s1, s2), (below, -density, below - a * density)
    return [(1 - eps) * r + eps * f for r, f in zip(rule, fact, strict=True)]


_ZETA, _ZETA_WEIGHTS = (9 * part for part in np.polynomial.legendre.leggauss(300))
_CHUNK = 2000  # points at a time: each needs a row of quadrature nodes


def _logistic_hats(alpha, eps, lam, m, rest, v) -> Hats:
    """Quadrature in ζ; the proximal operator by Newton."""
    point = (alpha, eps, lam, m, rest, v)
    parts = []
    for begin in range(0, len(m), _CHUNK):
        parts.append(_logistic_chunk(*(values[begin : begin + _CHUNK, None] for values in point)))
    return Hats(*np.concatenate(parts, axis=1))


def _logistic_chunk(alpha, eps, lam, m, rest, v) -> np.ndarray:
    """m̂/λ, q̂/λ² and V̂/λ as rows, (3, points), of columns (points, 1)."""
    q = m**2 + rest
    beta = np.minimum(m / np.sqrt(rest), 1e7)
    V = v / lam
    # each density on its own scale
    narrow = _logistic_force(np.sqrt(q) * (_ZETA / np.sqrt(1 + beta**2)), V)
    force = _logistic_force(np.sqrt(q) * np.broadcast_to(_ZETA, (len(m), len(_ZETA))), V)
    curvature = force * (1 - force)
    density = _density(_ZETA, beta, eps) * _ZETA_WEIGHTS
    a, la = alpha[:, 0], lam[:, 0]
    scale = 2 * a * (1 - eps[:, 0]) / math.sqrt(2 * math.pi)
    return np.stack(
        [
            scale * (narrow * phi(_ZETA) * _ZETA_WEIGHTS).sum(1) / la,
            a * (density * force**2).sum(1) / la**2,
            a * (density * curvature / (1 + V * curvature)).sum(1) / la,
        ]
    )


def _logistic_force(field: np.ndarray, V: np.ndarray) -> np.ndarray:
    """−ℓ' at the proximal point z of the field, z − V·expit(−z) = field.

    From the inflection point 0 Newton converges monotonically; elsewhere it can run into a cycle.
    """
    z = np.zeros(np.broadcast_shapes(field.shape, V.shape))
    for _ in range(100):
        s = special.expit(-z)
        step = (z - field - V * s) / (1 + V * s * (1 - s))
        z = z - step
        if np.abs(step).max() < 1e-13 * (1 + np.abs(z).max()):
            break
    return special.expit(-z)


LOSSES: dict[str, RafLoss] = {
    "square": RafLoss(1.0, _square_hats, _square_closed_form, np.ones_like),
    "hinge": RafLoss(1.0, _hinge_hats, None, capacity),
    "logistic": RafLoss(0.5, _logistic_hats, None, None),
}
