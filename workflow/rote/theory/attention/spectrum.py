"""Averages over the Marčenko-Pastur law that stay right where the integrand nearly has a pole.

The theory's integrands are quotients with D(x) = A + x (e + b²), b = αx + B, which is positive on
x ≥ 0 and may come within 1e-13 of zero. Panels of Gauss-Legendre nodes are graded towards the
poles, so that every average is a sum of few hundred terms without cancellation.
"""

from typing import NamedTuple

import numpy as np

COARSE, FINE = 16, 24  # nodes per panel; what they differ by bounds the error of both
_RULES = {number: np.polynomial.legendre.leggauss(number) for number in (COARSE, FINE)}
_RATIO = 2.5  # of the lengths of neighbouring panels
_NARROWEST = 1e-13  # a pole this near to the law's support is resolved, in its angle


class Resolvent(NamedTuple):
    """Coefficients of D for many points, each (points,)."""

    c: np.ndarray  # p/n of the law
    alpha: np.ndarray  # slope of b
    A: np.ndarray  # > 0
    B: np.ndarray  # b at 0
    e: np.ndarray  # ≥ 0

    @property
    def atom(self) -> np.ndarray:
        """Mass of the law at x = 0, max(0, 1 − c)."""
        return np.maximum(0.0, 1 - self.c)


class SpectrumNodes(NamedTuple):
    """Where averages over the continuous part are taken, each (points, nodes)."""

    x: np.ndarray
    b: np.ndarray  # αx + B, with a small relative error also where it vanishes
    weight: np.ndarray  # sums to min(1, c)
    D: np.ndarray


def nodes(points: Resolvent, number: int) -> SpectrumNodes:
    """Nodes of panels that are graded towards the poles of 1/D.

    With ψ the angle from the lower edge a, x = a + 4√c sin²(ψ/2). One end of the panels is where b
    is smallest, at distance √(e + A/x)/α from a pole; another the lower edge, near the poles of
    negative x.

    Args:
        points: coefficients of D, each (points,).
        number: Gauss-Legendre nodes per panel, `COARSE` or `FINE`.
    """
    c, alpha, A, B, e = points
    root = np.sqrt(c)
    low, high = ((1 - c) / (1 + root)) ** 2, (1 + root) ** 2
    span = 4 * root
    with np.errstate(all="ignore"):
        zero = np.where(alpha != 0, -B / alpha, np.inf)  # of b
        closest = np.clip(zero, low, high)
        width = np.sqrt(e + A / closest) / np.abs(alpha)
        width = np.where(np.isfinite(width), width, high)
        pole = np.clip(zero, -10 * high, 10 * high) + 1j * width
        breadth = np.abs(2 * np.arcsin(np.sqrt((pole - low) / span)).imag)
    center = 2 * np.arcsin(np.sqrt(np.clip((closest - low) / span, 0, 1)))  # angle of `closest`
    edge = np.maximum(np.abs(np.log(root)), _NARROWEST)  # x = 0, as an imaginary angle
    breadth = np.maximum(np.minimum(breadth, np.hypot(center, edge)), _NARROWEST)
    above, above_weight = _graded(np.pi - center, breadth, number)
    below, below_weight = _graded(center / 2, breadth, number)
    first, first_weight = _graded(center / 2, edge, number)
    offset = np.concatenate([above, -below, first - center[:, None]], axis=1)  # from the center
    weight = np.concatenate([above_weight, below_weight, first_weight], axis=1)
    angle = np.concatenate([center[:, None] + above, center[:, None] - below, first], axis=1)
    span = span[:, None]
    x = low[:, None] + span * np.sin(angle / 2) ** 2
    from_closest = span * np.sin((angle + center[:, None]) / 2) * np.sin(offset / 2)
    weight *= span * root[:, None] * np.sin(angle) ** 2 / (2 * np.pi * np.maximum(x, 1e-300))
    with np.errstate(invalid="ignore"):
        sloped = alpha[:, None] * (from_closest + (closest - zero)[:, None])
    b = np.where(alpha[:, None] != 0, sloped, B[:, None])
    return SpectrumNodes(x, b, weight, A[:, None] + x * (e[:, None] + b * b))


def _graded(length: np.ndarray, scale: np.ndarray, number: int) -> tuple[np.ndarray, np.ndarray]:
    """Distances from a pole `scale` away and their weights, over [0, length], (points, nodes)."""
    length = np.maximum(length, 1e-300)
    first = np.minimum(scale, length) / 2
    panels = int(np.ceil(np.log((length / first).max()) / np.log(_RATIO)))
    growth = np.log(length / first)[:, None] * np.arange(panels + 1) / panels
    edges = np.concatenate([np.zeros((len(length), 1)), first[:, None] * np.exp(growth)], axis=1)
    half = np.diff(edges)[..., None] / 2
    position, weight = _RULES[number]
    distance = edges[:, :-1, None] + half + half * position
    return distance.reshape(len(length), -1), (half * weight).reshape(len(length), -1)


class Averages(NamedTuple):
    """Averages over the continuous part of the law, each (points,)."""

    x: tuple[np.ndarray, ...]  # ⟨x^j/D⟩, j = 0, 1, 2
    xx: tuple[np.ndarray, ...]  # ⟨x^j/D²⟩, j = 0 ... 3
    xb: tuple[np.ndarray, ...]  # ⟨x^j b/D²⟩, j = 1, 2, 3
    xbb: np.ndarray  # ⟨x b²/D²⟩


def averages(at: SpectrumNodes) -> Averages:
    """All averages that the fixed point and its derivative are made of.

    Args:
        at: nodes of the points.
    """
    first = at.weight / at.D
    powers = [first]
    for _ in range(2):
        powers.append(powers[-1] * at.x)
    second = first / at.D
    squares = [second]
    for _ in range(3):
        squares.append(squares[-1] * at.x)
    mixed = [square * at.b for square in squares[1:]]
    return Averages(
        x=tuple(power.sum(axis=1) for power in powers),
        xx=tuple(square.sum(axis=1) for square in squares),
        xb=tuple(product.sum(axis=1) for product in mixed),
        xbb=(mixed[0] * at.b).sum(axis=1),
    )
