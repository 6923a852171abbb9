"""The 3 × 3 fixed point behind the attention theory, followed down in γ for many heads at once.

Directions are (u, s, w) of the linear pencil u = Q b, w = K u, s = XᵀX w/n, written so that it is
accretive: then exactly one root has a positive semidefinite symmetric part, and plain Newton, which
    also finds others, is checked
against that at every step.
"""

from typing import NamedTuple

import numpy as np

U, S, W = range(3)
P = np.array([[0.0, 1, 0], [-1, 0, 0], [0, 0, 0]])
_PP = np.kron(P, P)
_EYE = np.eye(3)
TOLERANCE = 1e-9


class FixedPoint(NamedTuple):
    """Roots over heads × γ, with their derivative in γ. Points that did not converge hold NaN in
    `h` and `dh`.
    """

    h: np.ndarray  # (heads, γ, 3, 3)
    dh: np.ndarray  # (heads, γ, 3, 3)
    iterations: np.ndarray  # (heads, γ) Newton and damped steps on the way to this point
    residual: np.ndarray  # (heads, γ) relative
    converged: np.ndarray  # (heads, γ): small residual and the right branch


class Head(NamedTuple):
    """The constants of one head, or of many: every field (heads,)."""

    c: np.ndarray  # p/n
    alpha: np.ndarray  # a1/c
    tau: np.ndarray  # (ν − a1²)/c
    kappa: np.ndarray  # d − a1

    @property
    def T(self) -> np.ndarray:  # (heads, 3, 3)
        T = np.zeros((*np.shape(self.alpha), 3, 3))
        T[..., U, S], T[..., S, U], T[..., W, W] = self.alpha, -self.alpha, 1.0
        return T


def head(c: np.ndarray, a1: np.ndarray, nu: np.ndarray, d: np.ndarray) -> Head:
    """Constants from p/n, the moments of f and the diagonal; all broadcast to (heads,)."""
    c, a1, nu, d = np.broadcast_arrays(
        *(np.atleast_1d(np.asarray(x, float)) for x in (c, a1, nu, d))
    )
    return Head(c, a1 / c, np.maximum(nu - a1**2, 0) / c, d - a1)


def solve(gamma: np.ndarray, heads: Head) -> FixedPoint:
    """Solve for all heads at all γ: one continuation path per head, from large γ down.

    Args:
        gamma: (γ,), positive, any order.
        heads: constants, each (heads,).
    """
    order = np.argsort(-gamma)
    count = len(heads.c)
    h, residual = np.empty((count, len(gamma), 3, 3)), np.empty((count, len(gamma)))
    iterations = np.zeros((count, len(gamma)), int)
    T = heads.T
    size = (
        np.abs(heads.alpha) * (1 + np.sqrt(heads.c)) ** 2
        + np.abs(heads.kappa)
        + 2 * np.sqrt(heads.tau)
    ) * (1 + np.sqrt(heads.c))
    at = 100 * np.maximum(
        np.maximum(1, size**2), gamma.max()
    )  # (heads,): here the noise is a perturbation
    now, _, steps = _damped(at, heads, T)
    for g in order:
        now, used = _descend(now, at, gamma[g], heads, T)
        at = np.full(count, gamma[g])
        lost = ~np.isfinite(now).all(axis=(1, 2))
        if lost.any():  # the slow iteration cannot take a wrong turn
            some = Head(*(field[lost] for field in heads))
            now[lost], _, more = _damped(at[lost], some, T[lost])
            used[lost] += more
        error = _relative(_map(now, at, heads, T) - now, now)
        h[:, g], residual[:, g], iterations[:, g] = now, error, used + steps
        steps = 0
        bad = ~((error < TOLERANCE) & on_branch(now, at))
        if (
            bad.any()
        ):  # go on from the slow iteration's root even if it is not accurate enough to be returned
            now = np.where(
                np.isfinite(now), now, np.broadcast_to(np.diag([1.0 / gamma[g], 1, 1]), now.shape)
            )
    good = (residual < TOLERANCE) & on_branch(h, gamma)
    with np.errstate(all="ignore"):
        dh = _derivative(np.where(good[..., None, None], h, _EYE), heads, T)
    keep = good[..., None, None]
    return FixedPoint(
        np.where(keep, h, np.nan), np.where(keep, dh, np.nan), iterations, residual, good
    )


def on_branch(h: np.ndarray, gamma: np.ndarray | float) -> np.ndarray:
    """Whether h (..., 3, 3) is the accretive root: symmetric part ≥ 0, 0 < h_uu ≤ 1/γ and h_sw = −γ
    h_uu.
    """
    uu, ss, ww, uw = h[..., U, U], h[..., S, S], h[..., W, W], (h[..., U, W] + h[..., W, U]) / 2
    with np.errstate(invalid="ignore"):
        scale = np.abs(uu * ww) + uw**2
        fits = np.abs(h[..., S, W] + gamma * uu) <= 1e-6 * (1 + np.abs(h[..., S, W]))
        bounded = (uu > 0) & (gamma * uu <= 1 + 1e-8)
        return (
            bounded & (ss >= -1e-9 * (1 + np.abs(ss))) & (uu * ww - uw**2 >= -1e-9 * scale) & fits
        )


def _noise(h: np.ndarray) -> np.ndarray:
    """P h Pᵀ."""
    out = np.zeros_like(h)
    out[..., U, U], out[..., U, S] = h[..., S, S], -h[..., S, U]
    out[..., S, U], out[..., S, S] = -h[..., U, S], h[..., U, U]
    return out


def _map(
    h: np.ndarray, gamma: np.ndarray, heads: Head, T: np.ndarray, S_: np.ndarray | None = None
) -> np.ndarray:
    """F(h) of every head, (heads, 3, 3)."""
    S_ = T @ np.linalg.inv(_EYE + h @ T) if S_ is None else S_
    M = heads.tau[:, None, None] * _noise(h) + heads.c[:, None, None] * S_
    M[:, U, U] += gamma
    M[:, U, S] += heads.kappa
    M[:, S, U] -= heads.kappa
    M[:, S, W] += 1
    M[:, W, S] -= 1
    return np.linalg.inv(M)


def _relative(change: np.ndarray, h: np.ndarray) -> np.ndarray:
    """Largest change of an entry, relative to √(h_ii h_jj): u grows like 1/γ and would hide the
    others.
    """
    size = np.sqrt(np.abs(np.diagonal(h, axis1=-2, axis2=-1)) + 1e-12)
    with np.errstate(invalid="ignore", over="ignore"):
        return (np.abs(change) / (size[..., :, None] * size[..., None, :])).max(axis=(-2, -1))


def _linearized(F: np.ndarray, S_: np.ndarray, tau: np.ndarray, c: np.ndarray) -> np.ndarray:
    """Matrix of δ ↦ δ + F (τ P δ Pᵀ − c S δ S) F on row-major vectors, (..., 9, 9)."""
    inner = tau[..., None, None] * _PP - c[..., None, None] * _kron(S_, S_)
    return np.eye(9) + _kron(F, F) @ inner


def _kron(A: np.ndarray, B: np.ndarray) -> np.ndarray:
    """A ⊗ Bᵀ per head."""
    return np.einsum("...ij,...lk->...ikjl", A, B).reshape(*A.shape[:-2], 9, 9)


def _derivative(h: np.ndarray, heads: Head, T: np.ndarray) -> np.ndarray:
    """dh/dγ, one 9 × 9 solve per point."""
    T = T[:, None]
    S_ = T @ np.linalg.inv(_EYE + h @ T)
    right = -(h[..., :, U, None] * h[..., None, U, :])
    matrix = _linearized(h, S_, heads.tau[:, None], heads.c[:, None])
    return np.linalg.solve(matrix, right.reshape(*right.shape[:-2], 9, 1)).reshape(right.shape)


def _newton(
    h: np.ndarray, gamma: np.ndarray, heads: Head, T: np.ndarray, max_iter: int = 12
) -> tuple[np.ndarray, int]:
    """Newton on h − F(h) for all heads; stops when every head stands still."""
    for count in range(1, max_iter + 1):
        S_ = T @ np.linalg.inv(_EYE + h @ T)
        F = _map(h, gamma, heads, T, S_)
        change = F - h
        error = _relative(change, h)
        if (error < 1e-13).all():
            return h, count
        step = np.linalg.solve(
            _linearized(F, S_, heads.tau, heads.c), change.reshape(-1, 9, 1)
        ).reshape(h.shape)
        h = h + step
        if not np.isfinite(h).all() or (count > 4 and (error < TOLERANCE / 100).all()):
            break
    return h, count


def _descend(
    h: np.ndarray, at: np.ndarray, target: float, heads: Head, T: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Follow every head from γ = at to the target; NaN where steps became too small. Returns h and
    steps taken.
    """
    h, at, used = h.copy(), at.copy(), np.zeros(len(at), int)
    stride = np.full(len(at), np.log(8.0))  # of log γ
    active = np.flatnonzero(at > target)
    while len(active):
        some = Head(*(field[active] for field in heads))
        step = np.minimum(stride[active], np.log(at[active] / target))
        gamma = np.where(step >= np.log(at[active] / target), target, at[active] * np.exp(-step))
        scale = np.ones((len(active), 3))
        scale[:, U] = np.sqrt(at[active] / gamma)
        before = h[active]
        try:
            with np.errstate(all="ignore"):
                after, count = _newton(
                    before * scale[:, :, None] * scale[:, None, :], gamma, some, T[active]
                )
                error = _relative(_map(after, gamma, some, T[active]) - after, after)
        except np.linalg.LinAlgError:
            after, error, count = np.full_like(before, np.nan), np.full(len(active), np.inf), 1
        grew = (after[:, U, U] >= before[:, U, U] * (1 - 1e-12)) & (
            gamma * after[:, U, U] <= at[active] * before[:, U, U] * (1 + 1e-12)
        )
        good = (error < TOLERANCE) & on_branch(after, gamma) & grew
        used[active] += count
        took = active[good]
        h[took], at[took] = after[good], gamma[good]
        stride[took] = np.minimum(stride[took] * 2, np.log(64.0))
        stride[active[~good]] = step[~good] / 2
        lost = active[stride[active] < 1e-3]
        h[lost], at[lost] = np.nan, target
        active = np.flatnonzero(at > target)
    return h, used


def _damped(
    gamma: np.ndarray, heads: Head, T: np.ndarray, max_iter: int = 200_000
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """h ← (h + F(h))/2 from diag(1/γ, 1, 1): slow for small γ, always on the right branch."""
    count = len(gamma)
    h = np.zeros((count, 3, 3))
    h[:, U, U], h[:, S, S], h[:, W, W] = 1 / gamma, 1, 1
    error, used, active = np.full(count, np.inf), np.zeros(count, int), np.arange(count)
    for step in range(1, max_iter + 1):
        some, here = Head(*(field[active] for field in heads)), h[active]
        new = (here + _map(here, gamma[active], some, T[active])) / 2
        error[active] = _relative(new - here, new)
        h[active], used[active] = new, step
        active = active[error[active] >= 1e-10]
        if not len(active):
            break
    return h, error, used
