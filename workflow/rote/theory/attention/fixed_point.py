"""The 3 × 3 fixed point behind the attention theory, as three numbers followed down in γ.

Directions are (u, s, w) of the linear pencil u = Q b, w = K u, s = XᵀX w/n. Given the spectrum x of
XᵀX/n (the Marčenko-Pastur law) the pencil's resolvent is explicit,

    D(x) = A + x (e + b²),  b = αx + B:
    R_uu = (1 + e x/A)/D,  R_us = −x b/D,  R_ss = A x/D,
    R_uw = b/D,  R_ws = A/D,  R_ww = (e + b²)/D

and h = ⟨R⟩ closes it: A = γ + τ h_ss, B = κ + τ h_us, e = τ A h_uu. The unknowns are k = A/γ, B and
e, which stay of order one as γ → 0 where p < n. A, e > 0 is the accretive branch, on which the root
is unique: Newton in log k and log e cannot leave it.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from rote.theory.attention import spectrum
from rote.theory.attention.spectrum import COARSE, FINE, Averages, Resolvent

U, S, W = range(3)
P = np.array([[0.0, 1, 0], [-1, 0, 0], [0, 0, 0]])
TOLERANCE = 1e-9  # of the last step, relative
_CHUNK = 64  # points whose nodes are in memory at a time
_STRIDES = (np.log(10.0), np.log(300.0), 1e-3)  # of log γ on the way down: first, longest, shortest
_STEPS = 14  # of Newton at one γ


class Root(NamedTuple):
    """h, its derivative in γ and what follows from both, over heads × γ."""

    h: np.ndarray  # (heads, γ, 3, 3)
    dh: np.ndarray  # (heads, γ, 3, 3)
    gap: np.ndarray  # (heads, γ) −γ² dh_uu/dγ − max(0, 1 − c), without cancellation


class FixedPoint(NamedTuple):
    """Roots over heads × γ, with their derivative in γ; NaN in both where they did not converge."""

    h: np.ndarray  # (heads, γ, 3, 3)
    dh: np.ndarray  # (heads, γ, 3, 3)
    gap: np.ndarray  # (heads, γ), of `Root`
    rough: Root  # a step of Newton earlier and by a coarser quadrature: what differs is in doubt
    iterations: np.ndarray  # (heads, γ) steps of Newton on the way to this point
    residual: np.ndarray  # (heads, γ) the last of them, relative
    converged: np.ndarray  # (heads, γ)


class Head(NamedTuple):
    """The constants of one head, or of many: every field (heads,)."""

    c: np.ndarray  # p/n
    alpha: np.ndarray  # a1/c
    tau: np.ndarray  # (ν − a1²)/c
    kappa: np.ndarray  # d − a1

    def select(self, index: np.ndarray | slice) -> "Head":
        """The heads of an index or mask.

        Args:
            index: numbers of heads, (k,) int, or a mask, (heads,) bool.

        Returns:
            Constants, every field (k,).
        """
        return Head._make(field[index] for field in self)


def head(c: ArrayLike, a1: ArrayLike, noise: ArrayLike, d: ArrayLike) -> Head:
    """Constants of heads; all arguments broadcast to (heads,).

    Args:
        c: dimensions per token p/n > 0.
        a1: linear coefficient of f.
        noise: variance of f beyond its linear part, ν − a1² ≥ 0.
        d: diagonal, lim f(√p)/√p if it is kept, else 0.
    """
    arrays = [np.atleast_1d(np.asarray(x, float)) for x in (c, a1, noise, d)]
    ratio, slope, rest, diagonal = np.broadcast_arrays(*arrays)
    return Head(ratio, slope / ratio, rest / ratio, diagonal - slope)


class _State(NamedTuple):
    """The unknowns of many points, each (points,)."""

    k: np.ndarray
    B: np.ndarray
    e: np.ndarray

    def moved(self, step: np.ndarray) -> "_State":
        """After a step of (log k, B, log e), (points, 3)."""
        with np.errstate(over="ignore"):
            k, e = self.k * np.exp(step[:, 0]), self.e * np.exp(step[:, 2])
        return _State(k, self.B + step[:, 1], e)

    def coordinates(self) -> np.ndarray:
        """(log k, B, log e), (points, 3)."""
        return np.stack([np.log(self.k), self.B, np.log(self.e)], axis=-1)

    def select(self, index: np.ndarray | slice) -> "_State":
        return _State._make(field[index] for field in self)


class _Newton(NamedTuple):
    """A step of Newton and the root's direction at the same point."""

    step: np.ndarray  # (points, 3), of (log k, B, log e)
    slope: np.ndarray  # (points, 3), their derivative in log γ
    size: np.ndarray  # (points,) of the step, relative


def solve(gamma: np.ndarray, heads: Head) -> FixedPoint:
    """Solve for all heads at all γ: one path per head from large γ down, then all points at once.

    Args:
        gamma: (γ,), positive, any order.
        heads: constants, each (heads,).
    """
    count, points = len(heads.c), len(gamma)
    owner = np.repeat(np.arange(count), points)
    ridge = np.tile(np.asarray(gamma, float), count)
    state = _State(np.ones(len(ridge)), heads.kappa[owner], np.zeros(len(ridge)))
    iterations = np.zeros(len(ridge), int)
    noisy = np.flatnonzero(heads.tau > 0)  # without noise the root is explicit
    if len(noisy):
        index = np.flatnonzero(np.isin(owner, noisy))
        guess, steps = _guesses(np.asarray(gamma, float), heads.select(noisy))
        for field, values in zip(state, guess, strict=True):
            field[index] = values
        iterations[index] = steps
    shape = (count, points)
    parts: list[tuple[Root, Root, np.ndarray, np.ndarray]] = []
    for begin in range(0, len(ridge), _CHUNK):
        chunk = slice(begin, begin + _CHUNK)
        parts.append(_finished(ridge[chunk], heads.select(owner[chunk]), state.select(chunk)))
    fine, rough, residual, steps = (_joined(values) for values in zip(*parts, strict=True))
    converged = (residual < TOLERANCE).reshape(shape)
    return FixedPoint(
        *_masked(fine, converged),
        rough=_masked(rough, converged),
        iterations=(iterations + steps).reshape(shape),
        residual=residual.reshape(shape),
        converged=converged,
    )


def _joined(parts: tuple) -> Any:
    """Arrays, or roots of arrays, of many chunks as one."""
    if isinstance(parts[0], np.ndarray):
        return np.concatenate(parts)
    return Root(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))


def _masked(root: Root, converged: np.ndarray) -> Root:
    """Over heads × γ, NaN where it did not converge."""
    shape = converged.shape
    matrix = converged[..., None, None]
    return Root(
        np.where(matrix, root.h.reshape(*shape, 3, 3), np.nan),
        np.where(matrix, root.dh.reshape(*shape, 3, 3), np.nan),
        np.where(converged, root.gap.reshape(shape), np.nan),
    )


# ---- the way to the root


def _guesses(gamma: np.ndarray, heads: Head) -> tuple[_State, np.ndarray]:
    """States near the roots of all heads × γ, flat, by interpolation of one path per head.

    Returns:
        States, and the steps of Newton that every head took, both (heads · γ,).
    """
    root = np.sqrt(heads.c)
    size = np.abs(heads.alpha) * (1 + root) ** 2 + np.abs(heads.kappa) + 2 * np.sqrt(heads.tau)
    # at so large a γ the noise is a perturbation
    top = np.log(100 * max(1.0, float(((size * (1 + root)) ** 2).max()), float(gamma.max())))
    start = _State(np.ones(len(root)), heads.kappa.copy(), heads.tau.copy())
    levels, values, slopes, steps = _path(top, np.log(gamma.min()), start, heads)
    position = np.log(gamma)
    if len(levels) == 1:
        guess = values[0][:, None] + slopes[0][:, None] * (position - levels[0])[:, None]
    else:
        guess = _between(position, levels, values, slopes)
    flat = guess.reshape(-1, 3)
    state = _State(np.exp(flat[:, 0]), flat[:, 1], np.exp(flat[:, 2]))
    return state, np.repeat(steps, len(gamma))


def _path(
    top: float, bottom: float, state: _State, heads: Head
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Follow all heads from log γ = top down to bottom.

    Returns:
        Levels of log γ (levels,), falling; values and slopes of (log k, B, log e), (levels, heads,
        3); steps of Newton (heads,). A head that was lost stands still.
    """
    state, newton, steps = _corrected(top, state, heads)
    levels = [top]
    values = [state.coordinates()]
    slopes = [newton.slope]
    stride, longest, shortest = _STRIDES
    while levels[-1] > bottom:
        step = min(stride, levels[-1] - bottom)
        predicted = state.moved(-slopes[-1] * step)
        after, newton, taken = _corrected(levels[-1] - step, predicted, heads)
        steps = steps + taken
        arrived = newton.size < 1e-6
        if not arrived.all() and step / 2 > shortest:
            stride = step / 2
            continue
        keep = np.where(arrived[:, None], after.coordinates(), state.coordinates())
        state = _State(np.exp(keep[:, 0]), keep[:, 1], np.exp(keep[:, 2]))
        levels.append(levels[-1] - step)
        values.append(keep)
        slopes.append(np.where(arrived[:, None], newton.slope, 0.0))
        if taken.max() <= 4:
            stride = min(1.6 * stride, longest)
    return np.array(levels), np.array(values), np.array(slopes), steps


def _between(
    position: np.ndarray, levels: np.ndarray, values: np.ndarray, slopes: np.ndarray
) -> np.ndarray:
    """Cubic Hermite interpolation of the path, (heads, positions, 3)."""
    lower = np.clip(np.searchsorted(-levels, -position), 1, len(levels) - 1)  # levels fall
    upper = lower - 1
    width = levels[lower] - levels[upper]
    t = ((position - levels[upper]) / width)[:, None, None]
    width = width[:, None, None]
    guess = (
        (1 + 2 * t) * (1 - t) ** 2 * values[upper]
        + t * (1 - t) ** 2 * width * slopes[upper]
        + t**2 * (3 - 2 * t) * values[lower]
        + t**2 * (t - 1) * width * slopes[lower]
    )
    return np.moveaxis(guess, 0, 1)


def _corrected(level: float, state: _State, heads: Head) -> tuple[_State, _Newton, np.ndarray]:
    """Newton for all heads at one γ, to what a path needs; (heads,) steps of infinite size fail."""
    gamma = np.full(len(heads.c), np.exp(level))
    best = np.full(len(gamma), np.inf)
    steps = np.zeros(len(gamma), int)
    for count in range(1, _STEPS + 1):
        newton = _newton(gamma, state, heads, COARSE)
        steps[:] = count
        moved = state.moved(_bounded(newton))
        best = newton.size
        state = moved
        if (best < 1e-6).all() or not np.isfinite(best).all() or (best > 10).any():
            break
    return state, newton, steps


def _bounded(newton: _Newton) -> np.ndarray:
    """The step, shortened where it is longer than one, and none where it is not a number."""
    size = np.where(np.isfinite(newton.size), newton.size, np.inf)
    factor = np.where(size > 1, 1 / np.maximum(size, 1), 1.0)
    with np.errstate(invalid="ignore"):
        return np.where(np.isfinite(size)[:, None], newton.step * factor[:, None], 0.0)


def _resolvent(gamma: np.ndarray, state: _State, heads: Head) -> Resolvent:
    return Resolvent(heads.c, heads.alpha, gamma * state.k, state.B, state.e)


def _newton(gamma: np.ndarray, state: _State, heads: Head, number: int) -> _Newton:
    """One step on k = 1 + τkI₁, B(1 + τI₁) = κ − ταI₂, e = τk(m + AI₀), with I_j = ⟨x^j/D⟩."""
    k, B, e = state
    points = _resolvent(gamma, state, heads)
    with np.errstate(all="ignore"):
        mean = spectrum.averages(spectrum.nodes(points, number))
        I0, I1, I2 = mean.x
        A = points.A
        tau, alpha = heads.tau, heads.alpha
        missed = np.stack(
            [
                k - 1 - tau * k * I1,
                B * (1 + tau * I1) - heads.kappa + tau * alpha * I2,
                e - tau * k * (points.atom + A * I0),
            ],
            axis=-1,
        )
        # of I_j in (log k, B, log e)
        d0, d1, d2 = (
            -np.stack([A * mean.xx[j], 2 * mean.xb[j], e * mean.xx[j + 1]], axis=-1)
            for j in range(3)
        )
        rows = np.stack(
            [
                -(tau * k)[:, None] * d1,
                (B * tau)[:, None] * d1 + (tau * alpha)[:, None] * d2,
                -(tau * k * A)[:, None] * d0,
            ],
            axis=-2,
        )
        rows[:, 0, 0] += k * (1 - tau * I1)
        rows[:, 1, 1] += 1 + tau * I1
        rows[:, 2, 0] -= tau * k * (points.atom + 2 * A * I0)
        rows[:, 2, 2] += e
        # γ enters through A alone
        moved = np.stack(
            [
                tau * k * A * mean.xx[1],
                -tau * A * (B * mean.xx[1] + alpha * mean.xx[2]),
                tau * k * A * (A * mean.xx[0] - I0),
            ],
            axis=-1,
        )
        both = _solved(rows, np.stack([-missed, -moved], axis=-1))
        step, slope = both[..., 0], both[..., 1]
        scale = np.abs(B) + np.abs(alpha) * (1 + heads.c) + np.sqrt(e)
        size = np.abs(step / np.stack([np.ones_like(k), scale, np.ones_like(k)], -1)).max(axis=-1)
    return _Newton(step, slope, np.where(np.isfinite(size), size, np.inf))


def _solved(matrix: np.ndarray, right: np.ndarray) -> np.ndarray:
    """matrix⁻¹ right per point, NaN where it is singular; rows may have any scale."""
    scale = np.abs(matrix).max(axis=-1, keepdims=True)
    regular = np.isfinite(scale[..., 0]).all(axis=-1) & (scale[..., 0] > 0).all(axis=-1)
    safe = np.where(regular[:, None, None], matrix / np.where(scale > 0, scale, 1), np.eye(3))
    try:
        solved = np.linalg.solve(safe, right / np.where(scale > 0, scale, 1))
    except np.linalg.LinAlgError:
        return np.full_like(right, np.nan)
    return np.where(regular[:, None, None], solved, np.nan)


# ---- what follows from the root


def _finished(
    gamma: np.ndarray, heads: Head, state: _State
) -> tuple[Root, Root, np.ndarray, np.ndarray]:
    """Newton to the end: the root, the one a step and a quadrature earlier, residuals and steps."""
    noisy = heads.tau > 0
    residual = np.zeros(len(gamma))
    steps = np.zeros(len(gamma), int)
    active = np.flatnonzero(noisy)
    for count in range(1, _STEPS + 1):
        if not len(active):
            break
        newton = _newton(gamma[active], state.select(active), heads.select(active), COARSE)
        after = state.select(active).moved(_bounded(newton))
        for field, values in zip(state, after, strict=True):
            field[active] = values
        residual[active] = newton.size
        steps[active] = count
        active = active[newton.size > 1e-7]
    rough = _root(gamma, heads, state, COARSE)
    index = np.flatnonzero(noisy)
    if len(index):
        newton = _newton(gamma[index], state.select(index), heads.select(index), FINE)
        residual[index] = newton.size
        after = state.select(index).moved(_bounded(newton))
        for field, values in zip(state, after, strict=True):
            field[index] = values
    return _root(gamma, heads, state, FINE), rough, residual, steps


def _derivative(
    points: Resolvent, heads: Head, k: np.ndarray, mean: Averages
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """d log k and dB in log γ, and the gap −γ² dh_uu/dγ − m, (points,) each.

    With N = γ h_uu − m (m the atom's mass) the gap is N − dN/d log γ. Written out, what is of the
    order of N drops: every term below is of the order of the gap itself.
    """
    A, e = points.A, points.e
    tau = heads.tau
    M0, M1, M2, _ = mean.xx
    B1, B2, _ = mean.xb
    bulk = A * mean.x[0]  # N
    turn = k * tau * (A * M1 + e * M2)
    matrix = np.empty((len(k), 3, 3))
    matrix[:, 0] = np.stack([1 + turn, 2 * k * tau * B2, -((k * tau) ** 2) * M2], axis=-1)
    matrix[:, 1] = np.stack(
        [-tau * (A * B1 + e * B2), 1 / k + 2 * turn / k, tau**2 * k * B2], axis=-1
    )
    matrix[:, 2] = np.stack([A * mean.xbb, -2 * A * B1, 1 + tau * k * A * M1], axis=-1)
    right = np.stack(
        [
            -k * tau * (A * M1 + tau * k * bulk * M2),
            tau * (A * B1 + tau * k * bulk * B2),
            A * A * M0 + tau * k * A * bulk * M1,
        ],
        axis=-1,
    )
    solved = _solved(matrix, right[..., None])[..., 0]
    return solved[:, 0], solved[:, 1], solved[:, 2]


def _root(gamma: np.ndarray, heads: Head, state: _State, number: int) -> Root:
    """h = ⟨R⟩ and dh = −⟨R dD R⟩, where dD holds dA, dB, dC/dγ of the pencil (C = e/A)."""
    points = _resolvent(gamma, state, heads)
    with np.errstate(all="ignore"):
        at = spectrum.nodes(points, number)
        growth, dB, gap = _derivative(points, heads, state.k, spectrum.averages(at))
        weight = np.concatenate([at.weight, points.atom[:, None]], axis=1)
        x = np.concatenate([at.x, np.zeros((len(gamma), 1))], axis=1)
        b = np.concatenate([at.b, points.B[:, None]], axis=1)
        D = np.concatenate([at.D, points.A[:, None]], axis=1)
        A, e = points.A[:, None], points.e[:, None]
        # rows u, s, w of the columns u and s: the others follow by symmetry
        in_u = np.stack([(1 + e / A * x) / D, x * b / D, b / D], axis=1)
        in_s = np.stack([-x * b / D, A * x / D, A / D], axis=1)
        h = np.empty((len(gamma), 3, 3))
        h[:, :, U] = (in_u * weight[:, None]).sum(axis=-1)
        h[:, :, S] = (in_s * weight[:, None]).sum(axis=-1)
        h[:, U, W] = h[:, W, U]
        h[:, S, W] = -h[:, W, S]
        h[:, W, W] = ((e + b * b) / D * weight).sum(axis=-1)
        sign = np.array([1.0, -1, 1])  # R_ul = sign_l R_lu, R_sl = −sign_l R_ls
        both = np.concatenate([in_u, in_s], axis=1)
        gram = (both * weight[:, None]) @ np.swapaxes(both, 1, 2)
        dA = (state.k * (1 + growth))[:, None, None]
        dB = (dB / gamma)[:, None, None]
        dC = (-heads.tau * (points.atom + gap) / gamma**2)[:, None, None]
        mixed = gram[:, :3, 3:] + gram[:, 3:, :3]
        dh = -(dA * gram[:, :3, :3] - dB * mixed - dC * gram[:, 3:, 3:]) * sign
    return Root(h, dh, gap)
