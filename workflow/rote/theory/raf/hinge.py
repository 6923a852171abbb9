"""The hinge loss: −ℓ' = s at margin 1, so that the field is 1 − V s: all is between 1 − V and 1.

In closed form where its differences cancel little, on one panel where p bends little between 1 − V
and 1, and on panels that follow the scales of p elsewhere.
"""

import numpy as np
from scipy import special

from rote.theory.raf.margins import (
    REACH,
    SQRT_2PI,
    Nodes,
    State,
    Sums,
    hats,
    integrals,
    panels,
    rule_mass,
    scales,
)

_NARROW = 3.0  # V over σ up to which one panel is enough
_CLOSED_V = 0.25
_CLOSED_Q = 30.0
_CLOSED_TILT = 20.0  # m/σ
_CLOSED_ALPHA = 1e3  # over v


def hinge_sweep(order: int, s: State) -> np.ndarray:
    """Hats, pull and derivatives, (13, points), as of `margins.hats`.

    Args:
        order: of the quadrature.
        s: the points.
    """
    with np.errstate(divide="ignore"):
        V = s.v / s.lam
    q = s.m**2 + s.rest
    narrow = np.square(V) <= _NARROW**2 * s.rest
    closed = ~narrow & (V >= _CLOSED_V) & (q <= _CLOSED_Q) & (s.alpha <= _CLOSED_ALPHA * s.v)
    closed &= s.m**2 <= _CLOSED_TILT**2 * s.rest
    out = np.empty((13, len(V)))
    for mask, sweep in (
        (narrow, lambda part: integrals(_one_panel, order, part)),
        (closed, _closed_form),
        (~(narrow | closed), lambda part: integrals(hinge_nodes, order, part)),
    ):
        if mask.any():
            out[:, mask] = sweep(State._make(values[mask] for values in s))
    return out


def _primitives(field: np.ndarray, s: State) -> tuple[np.ndarray, np.ndarray]:
    """∫ p ω^i dω for i = 0, 1, 2 and ∫ φ ω^i dω for i = 0, 1 below a field, of (points,)."""
    sigma, root = scales(s)
    a, b = field / root, field / sigma
    below, density = special.ndtr(a), np.exp(-(a**2) / 2) / SQRT_2PI
    inside, narrow = special.ndtr(b), np.exp(-(b**2) / 2) / SQRT_2PI
    tilted = special.ndtr(s.m / sigma * a)
    cosine = s.m / root
    s0 = rule_mass(field, s.m, s.rest)
    s1 = 2 * (cosine * inside / SQRT_2PI - density * tilted)
    s2 = s0 - 2 * (a * density * tilted + cosine * sigma / root / SQRT_2PI * narrow)
    rules, facts = np.stack([s0, s1, s2]), np.stack([below, -density, below - a * density])
    mixed = (1 - s.eps) * rules + s.eps * facts
    return mixed * np.stack([np.ones_like(root), root, root**2]), np.stack(
        [inside, -sigma * narrow]
    )


def _closed_form(s: State) -> np.ndarray:
    """Differences between two fields, with Owen's T."""
    with np.errstate(divide="ignore"):
        end = 1 - s.v / s.lam
        r_end = np.where(s.lam > 0, 1 / s.lam, 0.0)
    root = scales(s)[1]
    high, low = (_primitives(x, s) for x in (np.ones_like(end), np.maximum(end, -40 * root)))
    (p0, p1, p2), (n0, n1) = high[0] - low[0], high[1] - low[1]
    v, square = s.v, p0 - 2 * p1 + p2
    sums = Sums(
        mass=square / v**2,
        moment=(p1 - p2) / v,
        reach=(n0 - n1) / v,
        p_1=p0 / v,
        p_rw=(p1 - p2) / v**2,
        p_rr=square / v**3,
        p_ww=p2 / v,
        n_r=(n0 - n1) / v**2,
        n_w=n1 / v,
        end=end,
        r_end=r_end,
    )
    return hats(sums, s)


def _one_panel(s: State, order: int) -> Nodes:
    """Fields between 1 − V and 1, without edges between."""
    end = 1 - s.v / s.lam
    field, dfield = panels(np.concatenate([end, np.ones_like(end)], axis=1), order)
    return Nodes((1 - field) / s.v, field, dfield / s.v, dfield, end[:, 0], 1 / s.lam[:, 0])


def hinge_nodes(s: State, order: int) -> Nodes:
    """Fields between 1 − V and 1.

    Args:
        s: columns, (points, 1).
        order: nodes per panel.
    """
    sigma, root = scales(s)
    with np.errstate(divide="ignore"):
        end = 1 - s.v / s.lam
    facts = np.where(s.eps > 0, root, sigma)
    low = np.minimum(np.maximum(end, -REACH * facts), 1.0)
    steps = [-3.5 * root, -REACH * sigma, -3.5 * sigma, 1.5 * sigma, 5.5 * sigma, 12.7 * sigma]
    steps += [low, 3.5 * root, REACH * root]
    edges = np.sort(np.clip(np.concatenate(steps, axis=1), low, 1.0), axis=1)
    field, dfield = panels(edges, order)
    with np.errstate(divide="ignore"):
        r_end = np.where(s.lam > 0, 1 / s.lam, 0.0)[:, 0]
    return Nodes((1 - field) / s.v, field, dfield / s.v, dfield, end[:, 0], r_end)
