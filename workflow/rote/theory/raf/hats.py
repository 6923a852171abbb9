"""The hatted order parameters of each loss, λ-scaled: (α, ε, λ, m, q − m², v) -> (m̂/λ, q̂/λ²,
V̂/λ).

ζ = yω/√q has the density p(ζ) = (1 − ε) 2φ(ζ)Φ(βζ) + εφ(ζ), a skew normal for rules and a normal
for facts.
"""

import math
from collections.abc import Callable

import numpy as np
from scipy import special


def _square_hats(alpha, eps, lam, m, rest, v):
    c = (1 - eps) * math.sqrt(2 / math.pi)
    return (
        alpha * c / (lam + v),
        alpha * (1 + m**2 + rest - 2 * c * m) / (lam + v) ** 2,
        alpha / (lam + v),
    )


_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(64)


def _density(zeta, beta, eps):
    """Of ζ = yω/√q: skew normal for rules, normal for facts."""
    return phi(zeta) * ((1 - eps) * 2 * special.ndtr(beta * zeta) + eps)


def phi(x: np.ndarray) -> np.ndarray:
    """Standard normal density."""
    return np.exp(-(x**2) / 2) / math.sqrt(2 * math.pi)


def _hinge_hats(alpha, eps, lam, m, rest, v):
    """Closed form with Owen's T; Gauss-Legendre where its differences would cancel (V < 1e-3)."""
    q = m**2 + rest
    root, beta = np.sqrt(q), m / np.sqrt(rest)
    beta = np.minimum(beta, 1e7)  # η ≤ 1 − 1e-14
    k = np.sqrt(1 + beta**2)
    sigma, skew = 1 / k, math.sqrt(2 / math.pi) * beta / k  # √(2/π)·√η
    positive = lam > 0
    safe = np.where(positive, lam, 1.0)
    V = np.where(positive, v / safe, np.inf)
    a1 = np.maximum(np.where(positive, (1 - V) / root, -38.0), -38.0)
    a2 = 1 / root
    lower, upper = _primitives(a1, eps, beta, k, skew), _primitives(a2, eps, beta, k, skew)
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
    return scale * (wide_m + linear / v), alpha * (wide_q + quadratic / v**2), alpha * d0 / v


def _primitives(a, eps, beta, k, skew):
    """∫_{-∞}^a p(ζ) ζ^i dζ for i = 0, 1, 2."""
    below, density = special.ndtr(a), phi(a)
    tilted, narrow = special.ndtr(beta * a), phi(k * a)
    s0 = below - 2 * special.owens_t(a, beta)
    s1 = -2 * density * tilted + skew * special.ndtr(k * a)
    s2 = s0 - 2 * a * density * tilted - math.sqrt(2 / math.pi) * beta / k**2 * narrow
    rule, fact = (s0, s1, s2), (below, -density, below - a * density)
    return [(1 - eps) * r + eps * f for r, f in zip(rule, fact, strict=True)]


_ZETA, _ZETA_WEIGHTS = (9 * part for part in np.polynomial.legendre.leggauss(300))


def _logistic_hats(alpha, eps, lam, m, rest, v, chunk: int = 2000):
    """Quadrature in ζ; the proximal operator by Newton."""
    parts = []
    for start in range(0, len(m), chunk):
        a, e, la, mm, re, vv = (
            x[start : start + chunk, None] for x in (alpha, eps, lam, m, rest, v)
        )
        q = mm**2 + re
        beta = np.minimum(mm / np.sqrt(re), 1e7)
        k, V = np.sqrt(1 + beta**2), vv / la
        moments = []
        for zeta in (
            _ZETA / k,
            np.broadcast_to(_ZETA, (len(mm), len(_ZETA))),
        ):  # on the scale of each density
            field = np.sqrt(q) * zeta
            # from the inflection point 0 Newton converges monotonically; elsewhere it can run into
            # a cycle
            z = np.zeros(np.broadcast_shapes(field.shape, V.shape))
            for _ in range(100):
                s = special.expit(-z)
                step = (z - field - V * s) / (1 + V * s * (1 - s))
                z = z - step
                if np.abs(step).max() < 1e-13 * (1 + np.abs(z).max()):
                    break
            moments.append((special.expit(-z), V))
        (g_narrow, _), (g, _) = moments
        curvature = g * (1 - g)
        density = _density(_ZETA, beta, e) * _ZETA_WEIGHTS
        scale = 2 * a[:, 0] * (1 - e[:, 0]) / math.sqrt(2 * math.pi)
        parts.append(
            np.stack(
                [
                    scale * (g_narrow * phi(_ZETA) * _ZETA_WEIGHTS).sum(1) / la[:, 0],
                    a[:, 0] * (density * g**2).sum(1) / la[:, 0] ** 2,
                    a[:, 0] * (density * curvature / (1 + V * curvature)).sum(1) / la[:, 0],
                ]
            )
        )
    return np.concatenate(parts, axis=1)


HATS: dict[str, Callable] = {
    "square": _square_hats,
    "hinge": _hinge_hats,
    "logistic": _logistic_hats,
}
