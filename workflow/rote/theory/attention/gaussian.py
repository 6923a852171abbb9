"""Expectations under N(0, 1) by adaptive Gauss-Legendre panels, with an estimate of their error."""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from rote.core.errors import InputError

REACH = 38.0  # the density is a denormal number outside
_INNER = 12.0  # within which every panel counts
_NODES = np.polynomial.legendre.leggauss(60)
_SPLIT = 0.44  # of a panel: in the middle halves and whole would agree on a jump nearby
_SHIFTS = (0.0, 0.6180339887, 1.4142135624)  # of the panels' edges, for independent results
_DEPTH = 60  # halvings towards a jump: the panel is then as long as rounding
_PANELS = 20_000
_TOLERANCE = 1e-14  # relative to E |integrand|

Integrand = Callable[[np.ndarray], np.ndarray]


class Expectation(NamedTuple):
    """E g(ξ) of one or several functions g."""

    value: np.ndarray  # (functions,)
    error: np.ndarray  # (functions,) estimated, absolute


def expectation(
    integrand: Integrand,
    kinks: tuple[float, ...] = (),
    *,
    offset: float = 0.0,
    shift: int = 0,
) -> Expectation:
    """E integrand(ξ), ξ ~ N(0, 1).

    Panels are halved until halves and whole agree: towards jumps and kinks that nobody declared,
    and where the integrand oscillates. Panels outside ±12 count as long as they add anything.

    Args:
        integrand: vectorized, (nodes,) -> (nodes,) or (functions, nodes).
        kinks: where it or its slope jumps, as far as it is known.
        shift: 0, 1 or 2: which edges the panels have.
        offset: constant that was subtracted inside a square: its rounding is no disagreement.

    Raises:
        InputError: for an integrand that is not finite where it counts, grows too fast to be
            integrated, or oscillates too fast.
    """
    edges = _edges(integrand, kinks, _SHIFTS[shift])
    low, high = edges[:-1], edges[1:]
    whole, size = _panels(integrand, low, high)
    scale = size.sum(axis=1)
    # what is smaller by 1e-12 than a function beside it is its rounding
    allowed = _TOLERANCE / 16 * np.maximum(scale, 1e-12 * scale.max())[:, None]
    rounding = 8 * np.finfo(float).eps * (scale + abs(offset) * np.sqrt(scale))
    if offset:
        allowed = np.maximum(allowed, rounding[:, None])
    value, error = np.zeros(len(whole)), np.zeros(len(whole))
    used = len(low)
    for _ in range(_DEPTH):
        middle = low + _SPLIT * (high - low)
        left, _ = _panels(integrand, low, middle)
        right, _ = _panels(integrand, middle, high)
        halves = left + right
        missed = np.abs(halves - whole)
        split = (missed > allowed).any(axis=0)
        value += halves[:, ~split].sum(axis=1)
        error += missed[:, ~split].sum(axis=1)
        if not split.any():
            return Expectation(value, error + rounding)
        used += 2 * int(split.sum())
        if used > _PANELS:
            raise InputError(
                f"f cannot be averaged: after {used} panels halves still differ from wholes; "
                "it must be piecewise smooth and oscillate more slowly than about 1e4 per unit"
            )
        whole = np.concatenate([left[:, split], right[:, split]], axis=1)
        low, high = (
            np.concatenate([low[split], middle[split]]),
            np.concatenate([middle[split], high[split]]),
        )
    # what is left are panels at jumps, as short as rounding
    return Expectation(value + whole.sum(axis=1), error + missed.sum(axis=1) + rounding)


def _edges(integrand: Integrand, kinks: tuple[float, ...], shift: float) -> np.ndarray:
    """Edges of panels of length ≤ 2 as far out as the integrand counts."""
    grid = np.arange(-REACH, REACH + 1, 2) + shift
    with np.errstate(all="ignore"):
        size = _panels(integrand, grid[:-1], grid[1:], check=False)[1].max(axis=0)
    middle = (grid[:-1] + grid[1:]) / 2
    inner = np.abs(middle) < _INNER
    sides = []
    for side in (middle > 0, middle < 0):
        index = np.flatnonzero(side & ~inner)
        index = index[np.argsort(np.abs(middle[index]))]
        with np.errstate(all="ignore"):
            so_far = size[inner].sum() + np.cumsum(size[index])
            counts = ~(size[index] <= 1e-17 * so_far)  # also where it is not finite
        # as far as two panels in a row that add nothing to those inside them
        quiet = np.flatnonzero(~counts[:-1] & ~counts[1:])
        if not len(quiet) or not np.isfinite(so_far[quiet[0]]):
            raise InputError(
                "f grows too fast for a Gaussian average: f(t)² exp(−t²/2) must have vanished at "
                f"|t| = {REACH:g}"
            )
        sides.append(float(np.abs(middle[index[quiet[0]]]) + 1 + abs(shift)))
    edges = grid[(grid >= -sides[1]) & (grid <= sides[0])]
    return np.unique([*edges, *(k for k in kinks if edges[0] < k < edges[-1])])


def _panels(
    integrand: Integrand, low: np.ndarray, high: np.ndarray, check: bool = True
) -> tuple[np.ndarray, np.ndarray]:
    """Integral and integral of the magnitude over panels, (functions, panels) each."""
    half = (high - low)[:, None] / 2
    t = ((low[:, None] + half) + half * _NODES[0]).ravel()
    density = np.exp(-(t**2) / 2) / math.sqrt(2 * math.pi)
    with np.errstate(all="ignore"):
        values = np.atleast_2d(np.asarray(integrand(t), float)) * density
    if check and not np.isfinite(values).all():
        offender = t[~np.isfinite(values).all(axis=0)][0]
        raise InputError(f"f is not finite at {offender:g}, where its Gaussian average needs it")
    values = values.reshape(len(values), len(low), -1) * (half * _NODES[1])
    return values.sum(axis=-1), np.abs(values).sum(axis=-1)
