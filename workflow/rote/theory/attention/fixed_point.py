"""The 3 × 3 fixed point behind the attention theory, followed down in γ for many heads at once.

Directions are (u, s, w) of the linear pencil u = Q b, w = K u, s = XᵀX w/n, written so that it is
accretive: then exactly one root has a positive semidefinite symmetric part. Plain Newton also finds
others; it is checked against that at every step.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

U, S, W = range(3)
P = np.array([[0.0, 1, 0], [-1, 0, 0], [0, 0, 0]])
_PP = np.kron(P, P)
_EYE = np.eye(3)
TOLERANCE = 1e-9
MAX_DAMPED_STEPS = 200_000


class FixedPoint(NamedTuple):
    """Roots over heads × γ, with their derivative in γ; NaN in both where they did not converge."""

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
    def T(self) -> np.ndarray:
        """The pencil's part that meets XᵀX, (heads, 3, 3)."""
        T = np.zeros((*np.shape(self.alpha), 3, 3))
        T[..., U, S] = self.alpha
        T[..., S, U] = -self.alpha
        T[..., W, W] = 1.0
        return T

    def select(self, index: np.ndarray) -> "Head":
        """The heads of an index or mask.

        Args:
            index: numbers of heads, (k,) int, or a mask, (heads,) bool.

        Returns:
            Constants, every field (k,).
        """
        return Head._make(field[index] for field in self)


def head(c: ArrayLike, a1: ArrayLike, nu: ArrayLike, d: ArrayLike) -> Head:
    """Constants of heads; all arguments broadcast to (heads,).

    Args:
        c: dimensions per token p/n > 0.
        a1, nu: linear coefficient and variance of f.
        d: diagonal, lim f(√p)/√p if it is kept, else 0.
    """
    arrays = [np.atleast_1d(np.asarray(x, float)) for x in (c, a1, nu, d)]
    ratio, slope, variance, diagonal = np.broadcast_arrays(*arrays)
    tau = np.maximum(variance - slope**2, 0) / ratio
    return Head(ratio, slope / ratio, tau, diagonal - slope)


def solve(gamma: np.ndarray, heads: Head) -> FixedPoint:
    """Solve for all heads at all γ: one continuation path per head, from large γ down.

    Args:
        gamma: (γ,), positive, any order.
        heads: constants, each (heads,).
    """
    order = np.argsort(-gamma)
    count = len(heads.c)
    h = np.empty((count, len(gamma), 3, 3))
    residual = np.empty((count, len(gamma)))
    iterations = np.zeros((count, len(gamma)), int)
    T = heads.T
    size = (
        np.abs(heads.alpha) * (1 + np.sqrt(heads.c)) ** 2
        + np.abs(heads.kappa)
        + 2 * np.sqrt(heads.tau)
    ) * (1 + np.sqrt(heads.c))
    # (heads,): at so large a γ the noise is a perturbation
    start = 100 * np.maximum(np.maximum(1, size**2), gamma.max())
    root, steps = _damped(start, heads, T)
    for g in order:
        root, descent = _descend(root, start, gamma[g], heads, T)
        steps = steps + descent
        start = np.full(count, gamma[g])
        lost = ~np.isfinite(root).all(axis=(1, 2))
        if lost.any():  # the slow iteration cannot take a wrong turn
            root[lost], damped = _damped(start[lost], heads.select(lost), T[lost])
            steps[lost] += damped
        error = _relative(_map(root, start, heads, T) - root, root)
        h[:, g] = root
        residual[:, g] = error
        iterations[:, g] = steps
        steps = np.zeros(count, int)
        # go on from the slow iteration's root even if it is not accurate enough to be returned
        if not ((error < TOLERANCE) & on_branch(root, start)).all():
            root = np.where(np.isfinite(root), root, np.diag([1.0 / gamma[g], 1, 1]))
    converged = (residual < TOLERANCE) & on_branch(h, gamma)
    matrix = converged[..., None, None]
    with np.errstate(all="ignore"):
        dh = _derivative(np.where(matrix, h, _EYE), heads, T)
    return FixedPoint(
        h=np.where(matrix, h, np.nan),
        dh=np.where(matrix, dh, np.nan),
        iterations=iterations,
        residual=residual,
        converged=converged,
    )


def on_branch(h: np.ndarray, gamma: np.ndarray | float) -> np.ndarray:
    """Whether h (..., 3, 3) is the accretive root at `gamma`.

    Its symmetric part is ≥ 0, 0 < h_uu ≤ 1/γ and h_sw = −γ h_uu, up to rounding.

    Args:
        h: (..., 3, 3) roots; NaN is on no branch.
        gamma: γ > 0; broadcasts with the leading shape of `h`.

    Returns:
        Boolean mask, of the leading shape of `h`.
    """
    uu = h[..., U, U]
    ss = h[..., S, S]
    ww = h[..., W, W]
    uw = (h[..., U, W] + h[..., W, U]) / 2
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
    """Largest change of an entry, relative to √(h_ii h_jj): u ~ 1/γ would hide the others."""
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
    """Newton on h − F(h) for all heads, until every head stands still: h and the steps taken."""
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
    h: np.ndarray, start: np.ndarray, target: float, heads: Head, T: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Follow every head from γ = start (heads,) down to the target.

    Returns:
        h, NaN where steps became too small, and the steps taken, (heads,).
    """
    h = h.copy()
    reached = start.copy()
    steps = np.zeros(len(reached), int)
    stride = np.full(len(reached), np.log(8.0))  # of log γ
    active = np.flatnonzero(reached > target)
    while len(active):
        distance = np.log(reached[active] / target)
        step = np.minimum(stride[active], distance)
        gamma = np.where(step >= distance, target, reached[active] * np.exp(-step))
        scale = np.ones((len(active), 3))
        scale[:, U] = np.sqrt(reached[active] / gamma)
        before = h[active]
        guess = before * scale[:, :, None] * scale[:, None, :]
        after, error, count = _corrected(guess, gamma, heads.select(active), T[active])
        grows = (after[:, U, U] >= before[:, U, U] * (1 - 1e-12)) & (
            gamma * after[:, U, U] <= reached[active] * before[:, U, U] * (1 + 1e-12)
        )
        accepted = (error < TOLERANCE) & on_branch(after, gamma) & grows
        steps[active] += count
        moved = active[accepted]
        h[moved] = after[accepted]
        reached[moved] = gamma[accepted]
        stride[moved] = np.minimum(stride[moved] * 2, np.log(64.0))
        stride[active[~accepted]] = step[~accepted] / 2
        lost = active[stride[active] < 1e-3]
        h[lost] = np.nan
        reached[lost] = target
        active = np.flatnonzero(reached > target)
    return h, steps


def _corrected(
    guess: np.ndarray, gamma: np.ndarray, heads: Head, T: np.ndarray
) -> tuple[np.ndarray, np.ndarray, int]:
    """Newton from a guess: h, its relative residual (heads,), ∞ where it broke down, and steps."""
    try:
        with np.errstate(all="ignore"):
            h, count = _newton(guess, gamma, heads, T)
            return h, _relative(_map(h, gamma, heads, T) - h, h), count
    except np.linalg.LinAlgError:
        return np.full_like(guess, np.nan), np.full(len(guess), np.inf), 1


def _damped(gamma: np.ndarray, heads: Head, T: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """h ← (h + F(h))/2 from diag(1/γ, 1, 1): slow for small γ, always on the right branch.

    Returns:
        h and the steps taken, (heads,).
    """
    count = len(gamma)
    h = np.zeros((count, 3, 3))
    h[:, U, U] = 1 / gamma
    h[:, S, S] = 1
    h[:, W, W] = 1
    error = np.full(count, np.inf)
    steps = np.zeros(count, int)
    active = np.arange(count)
    for step in range(1, MAX_DAMPED_STEPS + 1):
        old = h[active]
        new = (old + _map(old, gamma[active], heads.select(active), T[active])) / 2
        error[active] = _relative(new - old, new)
        h[active] = new
        steps[active] = step
        active = active[error[active] >= 1e-10]
        if not len(active):
            break
    return h, steps
