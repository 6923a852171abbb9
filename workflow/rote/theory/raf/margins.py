"""Margin losses: the hatted order parameters as integrals over the output of the proximal operator.

Where −ℓ' = s the output is at the margin z(s), and the field that leads there is ω(s) = z(s) − V s:
increasing s sweeps all fields once, so that no proximal operator is inverted at a node. With
r = s/λ, v = λV, the density p of the margin yω, its distribution function F, σ² = q − m² and the
normal distribution Φ,

    m̂/λ = 2α(1 − ε)/√(2π) ∫ Φ(ω/σ) dr,    q̂/λ² = α ∫ 2r F(ω) dr,    V̂/λ = α ∫ p(ω) dr.

All integrands are positive, so that nothing cancels. The panels of the quadrature end where p has
its scales: σ on the left, √q on the right, and for facts √q on both sides.
"""

import math
from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import numpy as np
from scipy import special

SQRT_2PI = math.sqrt(2 * math.pi)
REACH = 9.0  # standard deviations beyond which a normal density is 0 to double precision
_CHUNK = 65_536  # nodes at a time: what a cache holds


class State(NamedTuple):
    """Points of a grid, (points,) each: parameters and order parameters."""

    alpha: np.ndarray
    eps: np.ndarray
    lam: np.ndarray
    unit: np.ndarray  # m over 1 − ε
    rest: np.ndarray  # q − m²
    v: np.ndarray  # λV

    @property
    def m(self) -> np.ndarray:
        """Covariance with the teacher."""
        return (1 - self.eps) * self.unit

    def part(self, index: slice) -> "State":
        """The points of an index as columns, (points, 1)."""
        return State._make(values[index, None] for values in self)


class Nodes(NamedTuple):
    """Nodes of a quadrature, (points, nodes) each, and the mass beyond the last, (points,) each."""

    r: np.ndarray  # −ℓ'/λ
    field: np.ndarray  # ω
    dr: np.ndarray  # weights of ∫ dr
    dfield: np.ndarray  # weights of ∫ dω
    end: np.ndarray  # field below which −ℓ' = 1; −∞ if there is none
    r_end: np.ndarray  # 1/λ; 0 if there is no such field


@cache
def legendre(order: int) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights of Gauss and Legendre on [0, 1], (order,) each.

    Args:
        order: of the rule, ≥ 1.
    """
    nodes, weights = np.polynomial.legendre.leggauss(order)
    return (1 + nodes) / 2, weights / 2


def panels(edges: np.ndarray, order: int) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights between neighbouring edges, (points, panels · order) each."""
    nodes, weights = legendre(order)
    width = np.diff(edges)[:, :, None]
    flat = len(edges), (edges.shape[1] - 1) * order
    z = edges[:, :-1, None] + width * nodes
    return z.reshape(flat), (width * weights).reshape(flat)


def scales(s: State) -> tuple[np.ndarray, np.ndarray]:
    """σ and √q, (points, 1) each."""
    return np.sqrt(s.rest), np.sqrt(s.m**2 + s.rest)


def rule_mass(field: np.ndarray, m: np.ndarray, rest: np.ndarray) -> np.ndarray:
    """Probability that the margin m|x| + σg of a rule is below a field; x, g standard normal.

    Args:
        field: any shape.
        m, rest: of that shape; rest = σ².
    """
    sigma, root = np.sqrt(rest), np.sqrt(m**2 + rest)
    a, tilt = field / root, m / sigma * (field / root)
    steep = m > sigma
    slope = np.minimum(m, sigma) / np.maximum(m, sigma)
    # Φ(a) − 2T(a, m/σ), where m > σ by T at the inverse slope, which cancels nothing
    owen = 2 * special.owens_t(np.where(steep, np.abs(tilt), a), slope)
    beyond = owen + special.ndtr(tilt) * special.erf(a / math.sqrt(2))
    return np.maximum(np.where(steep, beyond, special.ndtr(a) - owen), 0.0)


def _lean_below(a: np.ndarray, b: np.ndarray, m: np.ndarray, rest: np.ndarray) -> np.ndarray:
    """√(π/2) E[|x|; margin of a rule < ω], a = ω/√q, b = ω/σ, without cancellation at small ω."""
    root = np.sqrt(m**2 + rest)
    cosine = m / root
    loss = rest / (root * (root + m))  # 1 − cosine
    nodes, weights = legendre(12)
    between = (b * cosine)[:, None] + (b * loss)[:, None] * nodes
    step = b * loss * (np.exp(-(between**2) / 2) @ weights) / SQRT_2PI
    low = special.ndtr(b * cosine)
    step = np.where(np.abs(b * loss) < 1, step, special.ndtr(b) - low)
    narrow = step + low * (loss - cosine * np.expm1(-(a**2) / 2))
    return np.where(b < -1, special.ndtr(b) - cosine * np.exp(-(a**2) / 2) * low, narrow)


def integrals(nodes: Callable[[State, int], Nodes], order: int, s: State) -> np.ndarray:
    """Hats, pull and derivatives by quadrature, (13, points), as of `hats`.

    Args:
        nodes: of a loss.
        order: nodes per panel.
        s: the points.
    """
    size = len(s.unit)
    if size == 0:
        return np.empty((13, 0))
    step = max(1, _CHUNK // nodes(s.part(slice(0, 1)), order).r.shape[1])
    parts = []
    for begin in range(0, size, step):
        columns = s.part(slice(begin, begin + step))
        parts.append(_chunk(nodes(columns, order), columns))
    sums = Sums(*(np.concatenate(values) for values in zip(*parts, strict=True)))
    return hats(sums, s)


def _dot(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    return np.einsum("ij,ij->i", left, right)


class Sums(NamedTuple):
    """Integrals over the fields from the end on, (points,) each; p and φ at ω, φ of width σ."""

    mass: np.ndarray  # ∫ r² p dω
    moment: np.ndarray  # ∫ r ω p dω
    reach: np.ndarray  # ∫ r φ dω
    p_1: np.ndarray  # ∫ p dr
    p_rw: np.ndarray  # ∫ r ω p dr
    p_rr: np.ndarray  # ∫ r² p dr
    p_ww: np.ndarray  # ∫ ω² p dr
    n_r: np.ndarray  # ∫ r φ dr
    n_w: np.ndarray  # ∫ ω φ dr
    end: np.ndarray  # field below which −ℓ' = 1; −∞ if there is none
    r_end: np.ndarray  # 1/λ; 0 if there is no such field


def _chunk(nodes: Nodes, s: State) -> Sums:
    """The sums of a few points, of nodes (points, nodes) and a state of columns (points, 1)."""
    r, field = nodes.r, nodes.field
    sigma, root = scales(s)
    square = field**2
    wide = np.exp(square * (-0.5 / root**2)) / (root * SQRT_2PI)
    narrow = np.exp(square * (-0.5 / sigma**2)) / (sigma * SQRT_2PI)
    density = wide * (2 * (1 - s.eps) * special.ndtr(field * (s.m / (sigma * root))) + s.eps)
    p, n = density * nodes.dr, narrow * nodes.dr
    p_r, weighted = p * r, density * nodes.dfield * r
    return Sums(
        mass=_dot(weighted, r),
        moment=_dot(weighted, field),
        reach=_dot(narrow * nodes.dfield, r),
        p_1=p.sum(1),
        p_rw=_dot(p_r, field),
        p_rr=_dot(p_r, r),
        p_ww=_dot(p, square),
        n_r=_dot(n, r),
        n_w=_dot(n, field),
        end=nodes.end,
        r_end=nodes.r_end,
    )


def hats(sums: Sums, s: State) -> np.ndarray:
    """Hats, pull and derivatives from sums.

    Args:
        sums: over the fields.
        s: the points, (points,) each.

    Returns:
        (13, points): m̂/λ over 1 − ε, q̂/λ² and V̂/λ; (m̂/m − V̂)/λ, the pull; and the derivatives
        of the three by the logarithm of m, by that of q − m² and by that of v.
    """
    m, rest = s.m, s.rest
    alpha, eps = s.alpha, s.eps
    v = s.v
    q = m**2 + rest
    tilt = 2 * (1 - eps) / SQRT_2PI
    lean = 2 / SQRT_2PI / s.unit  # tilt/m
    mass, reach = sums.mass, sums.reach
    pull = (sums.moment + rest * lean * reach) / q
    if (sums.r_end > 0).any():
        end = np.where(sums.r_end > 0, sums.end, 0.0)
        a, b = end / np.sqrt(q), end / np.sqrt(rest)
        below = (1 - eps) * rule_mass(end, m, rest) + eps * special.ndtr(a)
        fact = eps * np.exp(-(a**2) / 2) / (SQRT_2PI * np.sqrt(q))
        mass = mass + below * sums.r_end**2
        pull = pull + sums.r_end * (lean * _lean_below(a, b, m, rest) - fact)
        reach = reach + special.ndtr(b) * sums.r_end
    # derivatives of Φ(ω/σ), F(ω) and p(ω) at fixed r
    turn = sums.p_rw - m * tilt * sums.n_r
    moved = (m * tilt * sums.n_w - sums.p_ww) / q  # ∫ ω p' dr
    spread = sums.p_1 + moved
    factor, tilted = alpha * 2 / SQRT_2PI, m * tilt * sums.n_w
    rows = [factor * reach, alpha * mass, alpha * sums.p_1, alpha * pull]
    rows += [np.zeros_like(m), -2 * alpha * m * (m * sums.p_rw + rest * tilt * sums.n_r) / q]
    rows += [-alpha * (m**2 * spread - tilted) / q]
    rows += [-factor * sums.n_w / 2, -alpha * rest * turn / q]
    rows += [-alpha * (rest * spread + tilted) / (2 * q)]
    rows += [-factor * v * sums.n_r, -2 * alpha * v * sums.p_rr, alpha * v * turn / q]
    return np.stack(rows)
