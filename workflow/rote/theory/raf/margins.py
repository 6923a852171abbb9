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
_REACH = 9.0  # standard deviations beyond which a normal density is 0 to double precision
_DECAY = 42.0  # margins over which the slope of the logistic loss falls by 1e-18
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


def _panels(edges: np.ndarray, order: int) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights between neighbouring edges, (points, panels · order) each."""
    nodes, weights = legendre(order)
    width = np.diff(edges)[:, :, None]
    flat = len(edges), (edges.shape[1] - 1) * order
    z = edges[:, :-1, None] + width * nodes
    return z.reshape(flat), (width * weights).reshape(flat)


def _scales(s: State) -> tuple[np.ndarray, np.ndarray]:
    """σ and √q, (points, 1) each."""
    return np.sqrt(s.rest), np.sqrt(s.m**2 + s.rest)


def hinge_nodes(s: State, order: int) -> Nodes:
    """Fields between 1 − V and 1.

    Args:
        s: columns, (points, 1).
        order: nodes per panel.
    """
    sigma, root = _scales(s)
    with np.errstate(divide="ignore"):
        end = 1 - s.v / s.lam
    facts = np.where(s.eps > 0, root, sigma)
    low = np.minimum(np.maximum(end, -_REACH * facts), 1.0)
    steps = [-3.5 * root, -_REACH * sigma, -3.5 * sigma, 1.5 * sigma, 5.5 * sigma, 12.7 * sigma]
    steps += [low, 3.5 * root, _REACH * root]
    edges = np.sort(np.clip(np.concatenate(steps, axis=1), low, 1.0), axis=1)
    field, dfield = _panels(edges, order)
    with np.errstate(divide="ignore"):
        r_end = np.where(s.lam > 0, 1 / s.lam, 0.0)[:, 0]
    return Nodes((1 - field) / s.v, field, dfield / s.v, dfield, end[:, 0], r_end)


def logistic_output(field: np.ndarray, V: np.ndarray) -> np.ndarray:
    """The proximal point z of a field: z − V/(1 + exp z) = field.

    Args:
        field, V: of one shape after broadcasting.
    """
    high = np.maximum(field + V, field)
    low = np.minimum(field, high)
    # from the left of the inflection at 0, or from above it, Newton is monotone
    z = np.where(field + V / 2 > 0, np.minimum(np.log1p(V) + np.maximum(field, 0), high), low)
    for _ in range(60):
        s = special.expit(-z)
        step = (z - field - V * s) / (1 + V * s * (1 - s))
        high = np.where(step > 0, np.minimum(high, z), high)
        low = np.where(step < 0, np.maximum(low, z), low)
        new = z - step
        new = np.where((new < low) | (new > high), (low + high) / 2, new)
        done = np.abs(new - z) <= 1e-6 * (1 + np.abs(z))
        z = new
        if done.all():
            break
    return z


_SIGMAS = np.array([-_REACH, -5.0, -2.5, -1.0, 0.5, 2.0, 4.5, 8.0, 12.7])
_ROOTS = np.array([-_REACH, -5.0, -2.5, -1.0, -0.3, 0.3, 1.0, 2.5, 5.0, _REACH])
_MARGINS = np.array([-_DECAY, -20.0, -10.0, -5.0, -1.5, 1.5, 5.0, 10.0, 20.0])


def logistic_nodes(s: State, order: int) -> Nodes:
    """Outputs of the proximal operator, where their density lives.

    Args:
        s: columns, (points, 1).
        order: nodes per panel.
    """
    sigma, root = _scales(s)
    V = s.v / s.lam
    fields = np.concatenate([_SIGMAS * sigma, _ROOTS * root], axis=1)
    outputs = logistic_output(fields, V)
    zero = logistic_output(np.zeros_like(V), V)
    facts = np.where(s.eps > 0, outputs[:, len(_SIGMAS)][:, None], outputs[:, :1])
    low = np.maximum(facts, -_DECAY)
    high = np.maximum(np.minimum(outputs[:, -1:], zero + _DECAY), low)
    margins = [np.broadcast_to(_MARGINS, (len(V), len(_MARGINS))), zero + _MARGINS[4:]]
    edges = np.sort(np.clip(np.concatenate([outputs, *margins], axis=1), low, high), axis=1)
    z, dz = _panels(edges, order)
    slope, other = special.expit(-z), special.expit(z)
    bend = slope * other
    # below −_DECAY the slope is 1, and what is left is the mass there
    cut = low[:, 0] <= -_DECAY
    end = np.where(cut, (low - V)[:, 0], -np.inf)
    return Nodes(
        slope / s.lam,
        z - V * slope,
        bend / s.lam * dz,
        (1 + V * bend) * dz,
        end,
        np.where(cut, 1 / s.lam[:, 0], 0.0),
    )


def rule_mass(field: np.ndarray, m: np.ndarray, rest: np.ndarray) -> np.ndarray:
    """Probability that the margin m|x| + σg of a rule is below a field; x, g standard normal.

    Args:
        field: any shape.
        m, rest: of that shape; rest = σ².
    """
    sigma, root = np.sqrt(rest), np.sqrt(m**2 + rest)
    tilt = m / sigma * (field / root)
    # Owen's T at the inverse slope: Φ(a) − 2T(a, β) without its cancellation
    with np.errstate(invalid="ignore", divide="ignore"):
        steep = 2 * special.owens_t(np.abs(tilt), sigma / m)
        steep += special.ndtr(tilt) * special.erf(field / root / math.sqrt(2))
    flat = special.ndtr(field / root) - 2 * special.owens_t(field / root, m / sigma)
    return np.maximum(np.where(m > sigma, steep, flat), 0.0)


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
    """m̂/λ over 1 − ε, q̂/λ² and V̂/λ, and their derivatives, (4, 3, points).

    Args:
        nodes: of a loss.
        order: nodes per panel.
        s: the points.

    Returns:
        At [0] the three values; at [1:] their derivatives by the logarithms of m, q − m² and v.
    """
    size = len(s.m)
    count = nodes(s.part(slice(0, 1)), order).r.shape[1]
    step = max(1, _CHUNK // count)
    chunks = [
        _chunk(nodes(s.part(slice(begin, begin + step)), order), s.part(slice(begin, begin + step)))
        for begin in range(0, max(size, 1), step)
    ]
    return np.concatenate(chunks, axis=1)


def _dot(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    return np.einsum("ij,ij->i", left, right)


def _chunk(nodes: Nodes, s: State) -> np.ndarray:
    """The integrals of a few points, from sums over the nodes."""
    r, field = nodes.r, nodes.field
    sigma, root = _scales(s)
    square = field**2
    wide = np.exp(square * (-0.5 / root**2)) / (root * SQRT_2PI)
    narrow = np.exp(square * (-0.5 / sigma**2)) / (sigma * SQRT_2PI)
    density = wide * (2 * (1 - s.eps) * special.ndtr(field * (s.m / (sigma * root))) + s.eps)
    p, n = density * nodes.dr, narrow * nodes.dr
    p_r = p * r
    p_1, p_rw = p.sum(1), _dot(p_r, field)
    p_rr, p_ww = _dot(p_r, r), _dot(p, square)
    n_r, n_w = _dot(n, r), _dot(n, field)
    mass = _dot(density * nodes.dfield, r**2)
    reach = _dot(narrow * nodes.dfield, r)
    moment = _dot(density * nodes.dfield * r, field)
    m, rest, v, alpha, eps = (values[:, 0] for values in (s.m, s.rest, s.v, s.alpha, s.eps))
    q = m**2 + rest
    tilt = 2 * (1 - eps) / SQRT_2PI
    lean = 2 / SQRT_2PI / s.unit[:, 0]  # tilt/m
    pull = (moment + rest * lean * reach) / q
    if (nodes.r_end > 0).any():
        end = np.where(nodes.r_end > 0, nodes.end, 0.0)
        a, b = end / np.sqrt(q), end / np.sqrt(rest)
        below = (1 - eps) * rule_mass(end, m, rest) + eps * special.ndtr(a)
        fact = eps * np.exp(-(a**2) / 2) / (SQRT_2PI * np.sqrt(q))
        mass = mass + below * nodes.r_end**2
        pull = pull + nodes.r_end * (lean * _lean_below(a, b, m, rest) - fact)
        reach = reach + special.ndtr(b) * nodes.r_end
    # derivatives of Φ(ω/σ), F(ω) and p(ω) at fixed r; tilt: 2(1 − ε)/√(2π) times the narrow normal
    zero = np.zeros_like(m)
    turn = p_rw - m * tilt * n_r
    moved = (m * tilt * n_w - p_ww) / q  # ∫ ω p' dr
    by_m = [zero, -2 * m * (m * p_rw + rest * tilt * n_r) / q]
    by_m.append(-m * (m * (p_1 + moved) - tilt * n_w) / q)
    by_rest = [-n_w / 2, -rest * turn / q]
    by_rest.append(-(rest * (p_1 + moved) + m * tilt * n_w) / (2 * q))
    by_v = [-v * n_r, -2 * v * p_rr, v * turn / q]
    factors = alpha * np.stack([np.full_like(m, 2 / SQRT_2PI), zero + 1, zero + 1])
    values = np.stack([reach, mass, p_1]) * factors
    slopes = np.stack([np.stack(rows) for rows in (by_m, by_rest, by_v)]) * factors
    return np.concatenate([values, alpha * pull[None], slopes.reshape(9, -1)])
