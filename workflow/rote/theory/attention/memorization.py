"""In-context memorization error of one head, of ridge regression on the raw tokens; spectra."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from rote.core import reals
from rote.core.errors import InputError
from rote.theory.attention import fixed_point
from rote.theory.attention.activation import Coefficients, Nonlinearity, diagonal, moments
from rote.theory.attention.arguments import (
    C_RANGE,
    GAMMA_RANGE,
    as_vector,
    both_or_none,
    one_length,
    positive,
    within,
)
from rote.theory.attention.fixed_point import S, U, W

ACCURACY = 1e-7  # relative, of what is reported as converged
SAFETY = 8.0
ROUNDING = 1e-9  # relative: that of the constants is felt where x = c is an edge of the spectrum

_EYE3 = np.eye(3)


class AttentionSolution(NamedTuple):
    """The theory's answer over a grid; arrays have the broadcast shape of γ and c.

    Points that did not converge hold NaN in `error`, `excess` and `h_uu`.
    """

    error: np.ndarray  # training error of the probe, in [0, 1]
    excess: np.ndarray  # error − max(0, 1 − c); without a signal free of cancellation
    bound: np.ndarray  # of the error of `excess`, absolute
    h_uu: np.ndarray  # lim tr Q/n
    iterations: np.ndarray
    residual: np.ndarray
    converged: np.ndarray  # the last step of Newton and the bound are small
    coefficients: Coefficients  # of f, a0 included: f is centered inside


class Directions(NamedTuple):
    """Signal and spike in an orthonormal basis of their span, of dimension r ≤ 3."""

    mu: np.ndarray  # (r,)
    w_key: np.ndarray  # (r,)
    w_query: np.ndarray  # (r,)

    @property
    def W(self) -> np.ndarray:
        """I + w_K w_Qᵀ within the span, (r, r)."""
        return np.eye(len(self.mu)) + np.outer(self.w_key, self.w_query)


@dataclass(frozen=True, eq=False)
class Vectors:
    """Signal and spike, as vectors of one length; only their inner products matter.

    Attributes:
        mu: signal, (k,).
        w_key: spike on the side of the keys, (k,).
        w_query: spike on the side of the queries, (k,).

    None is the zero vector.

    Raises:
        InputError: naming a vector that is not one of finite numbers, their different lengths, or
            a key without its query.
    """

    mu: ArrayLike | None = None
    w_key: ArrayLike | None = None
    w_query: ArrayLike | None = None

    def __post_init__(self) -> None:
        one_length(self._given())
        both_or_none("w_key", "w_query", self.w_key, self.w_query)

    def _given(self) -> dict[str, np.ndarray]:
        vectors = {name: getattr(self, name) for name in Directions._fields}
        return {name: as_vector(name, v) for name, v in vectors.items() if v is not None}

    def coordinates(self) -> Directions:
        """Coordinates of the three vectors in a basis of their span.

        Rank-revealing SVD with relative cut 1e-12.

        Returns:
            The coordinates, (r,) each, r ≤ 3 the dimension of the span; r = 0 if all are zero.
        """
        vectors = self._given()
        zero = np.zeros(max(map(len, vectors.values()), default=1))
        stacked = np.stack([vectors.get(name, zero) for name in Directions._fields])  # (3, k)
        _, values, basis = np.linalg.svd(stacked, full_matrices=False)
        rank = int((values > 1e-12 * max(values.max(), 1e-300)).sum())
        return Directions._make(stacked @ basis[:rank].T)


def memorization_error(
    gamma: ArrayLike,
    c: ArrayLike,
    f: Nonlinearity | Coefficients,
    vectors: Vectors = Vectors(),
    diag: str | float = "zero",
) -> AttentionSolution:
    """E(γ) of the best ridge probe on attention outputs of one context, n, p → ∞ with p/n → c.

    Tokens x = yμ + z with balanced labels y, kernel K = f(Xᵀ(I + w_K w_Qᵀ)X/√p)/√p, probe on X K.

    Args:
        gamma: ridge γ > 0, any shape.
        c: dimensions per token p/n > 0, a number, or an array that broadcasts with `gamma`.
        f: a name of `ACTIVATIONS`, an `Activation`, a vectorized function, or its `Coefficients`;
            centered inside.
        vectors: signal and spike; by default none.
        diag: "zero" (default), "keep" or the number lim f(√p)/√p: what the diagonal of K holds.

    Raises:
        InputError: naming the argument and its range.
    """
    return _solved(gamma, c, f, diag).answer(vectors)


def memorization_errors(
    gamma: ArrayLike,
    c: ArrayLike,
    f: Nonlinearity | Coefficients,
    settings: Sequence[Vectors],
    diag: str | float = "zero",
) -> list[AttentionSolution]:
    """The same for many signals and spikes, from one fixed point: it knows nothing of them.

    Args:
        gamma, c, f, diag: as of `memorization_error`.
        settings: signals and spikes.

    Returns:
        One solution per setting.

    Raises:
        InputError: naming the argument and its range.
    """
    solved = _solved(gamma, c, f, diag)
    return [solved.answer(vectors) for vectors in settings]


class _Solved(NamedTuple):
    """The fixed point over p/n × γ, whatever signal and spike."""

    gammas: np.ndarray  # γ over the variance of f, (γ,)
    ratios: np.ndarray  # (heads,)
    table: tuple[np.ndarray, np.ndarray]  # of every point in the table (heads, γ)
    heads: fixed_point.Head
    root: fixed_point.FixedPoint
    moment: Coefficients

    def answer(self, vectors: Vectors) -> AttentionSolution:
        """The errors with a signal and a spike."""
        basis, root = vectors.coordinates(), self.root
        row, column = self.table
        excess, bound = _excess(self.gammas, root, self.heads, basis)
        # what is to be right to `ACCURACY`: the error, and without a signal what γ adds to 1 − c
        plain = np.maximum(0.0, 1 - self.ratios)[:, None]
        value = excess if not basis.mu.any() else plain + excess
        converged = root.converged & (bound <= ACCURACY * np.abs(value))
        excess = np.where(converged, excess, np.nan)
        h_uu = np.where(converged, root.h[..., U, U] / self.moment.nu, np.nan)
        return AttentionSolution(
            error=(plain + excess)[row, column],
            excess=excess[row, column],
            bound=bound[row, column],
            h_uu=h_uu[row, column],
            iterations=root.iterations[row, column],
            residual=root.residual[row, column],
            converged=converged[row, column],
            coefficients=self.moment,
        )


def _solved(
    gamma: ArrayLike, c: ArrayLike, f: Nonlinearity | Coefficients, diag: str | float
) -> _Solved:
    gamma, c = positive("gamma", gamma), positive("c", c)
    within("c", c, C_RANGE)
    moment = moments(f)
    d = diagonal(f, diag)
    gammas, gamma_index = np.unique(gamma, return_inverse=True)
    ratios, c_index = np.unique(c, return_inverse=True)
    row, column = np.broadcast_arrays(c_index.reshape(c.shape), gamma_index.reshape(gamma.shape))
    unit = moment.nu  # E depends on f/√ν and γ/ν alone
    within("gamma / (variance of f)", gammas / unit, GAMMA_RANGE)
    heads = fixed_point.head(
        ratios, moment.a1 / math.sqrt(unit), moment.noise / unit, d / math.sqrt(unit)
    )
    root = fixed_point.solve(gammas / unit, heads)
    return _Solved(gammas / unit, ratios, (row, column), heads, root, moment)


def _excess(
    gamma: np.ndarray, root: fixed_point.FixedPoint, heads: fixed_point.Head, basis: Directions
) -> tuple[np.ndarray, np.ndarray]:
    """E − max(0, 1 − c) and a bound of its error, (heads, γ) each.

    The bound is what a coarser quadrature and one step of Newton less change, times `SAFETY`: both
    errors fall by orders of magnitude from one to the other, and rounding shows in both.
    """
    if not basis.mu.any():
        fine, rough = root.gap, root.rough.gap
        size = np.abs(fine)
    else:
        plain = np.maximum(0.0, 1 - heads.c)[:, None]
        fine, rough = (-(gamma**2) * signal(x, heads, basis)[1] for x in (root, root.rough))
        size = np.abs(fine)
        fine, rough = fine - plain, rough - plain
    return fine, SAFETY * np.abs(fine - rough) + ROUNDING * size


def signal(
    root: fixed_point.Root | fixed_point.FixedPoint,
    heads: fixed_point.Head,
    basis: Directions,
    block: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """φ = lim yᵀQy/n and dφ/dγ at every point, (heads, γ) each.

    Args:
        root: from `fixed_point.solve` of these heads.
        heads: constants, each (heads,).
        basis: signal and spike.
        block: (heads, 3, 3) or (heads, 1, 3, 3), added along the labels (a finite-size correction).

    Returns:
        φ and dφ/dγ, (heads, γ) each; NaN where the root is not finite.
    """
    h, dh, size = scaled(root)
    along, dalong = psi(h, dh, size, heads, basis)
    if block is not None:
        along = along + _outer(size) * block
    with np.errstate(all="ignore"):
        left = np.linalg.inv(_EYE3 + h @ along)  # H h⁻¹ with H = (h⁻¹ + Ψ)⁻¹
        H = left @ h
        dH = left @ dh @ np.linalg.inv(_EYE3 + along @ h) - H @ dalong @ H
    lost = ~np.isfinite(root.h).all(axis=(-2, -1))
    of_u = size[..., U] ** 2
    phi, dphi = (np.where(lost, np.nan, of_u * X[..., U, U]) for X in (H, dH))
    return phi, dphi


def scaled(
    root: fixed_point.Root | fixed_point.FixedPoint,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """h and dh with the diagonal of |h| at one, as h_uu ~ 1/γ would hide the rest.

    Args:
        root: from `fixed_point.solve`.

    Returns:
        δ⁻¹hδ⁻¹ and δ⁻¹dhδ⁻¹, (heads, γ, 3, 3), and the diagonal of δ, (heads, γ, 3). Where the root
        is not finite h is the identity.
    """
    finite = np.isfinite(root.h).all(axis=(-2, -1), keepdims=True)
    h = np.where(finite, root.h, _EYE3)
    size = np.sqrt(np.abs(np.diagonal(h, axis1=-2, axis2=-1)))
    size = np.where(size > 0, size, 1.0)
    return h / _outer(size), np.where(finite, root.dh, 0.0) / _outer(size), size


def _outer(size: np.ndarray) -> np.ndarray:
    return size[..., :, None] * size[..., None, :]


def psi(
    h: np.ndarray, dh: np.ndarray, size: np.ndarray, heads: fixed_point.Head, basis: Directions
) -> tuple[np.ndarray, np.ndarray]:
    """Ψ = Mᵀ S_W M and dΨ/dγ, (heads, γ, 3, 3) each, scaled by δ; zero without a signal.

    Args:
        h, dh, size: from `scaled`.
        heads: constants, each (heads,).
        basis: signal and spike.
    """
    r = len(basis.mu)
    if r == 0 or not basis.mu.any():
        return np.zeros_like(h), np.zeros_like(h)
    blocks = np.zeros((len(heads.c), 3, r, 3, r))
    blocks[:, U, :, S, :] = heads.alpha[:, None, None] * basis.W.T
    blocks[:, S, :, U, :] = -heads.alpha[:, None, None] * basis.W
    blocks[:, W, :, W, :] = np.eye(r)
    T = blocks.reshape(-1, 1, 3 * r, 3 * r) * _outer(np.repeat(size, r, axis=-1))
    M = np.kron(_EYE3, basis.mu[:, None])  # (3r, 3)
    S_W = T @ np.linalg.inv(np.eye(3 * r) + kron_eye(h, r) @ T)
    return M.T @ S_W @ M, -(M.T @ S_W @ kron_eye(dh, r) @ S_W @ M)


def kron_eye(x: np.ndarray, r: int) -> np.ndarray:
    """x ⊗ I_r, (..., k, k) -> (..., kr, kr).

    Args:
        x: (..., k, k) matrices.
        r: size of the identity.
    """
    k = x.shape[-1]
    return np.einsum("...ij,kl->...ikjl", x, np.eye(r)).reshape(*x.shape[:-2], k * r, k * r)


def ridge_error(gamma: ArrayLike, c: ArrayLike, mu_norm2: ArrayLike = 0.0) -> np.ndarray:
    """E(γ) of ridge regression on the raw tokens, in closed form; all arguments broadcast.

    g solves γg² + (γ + c − 1)g − 1 = 0, φ = (1/g + ||μ||²/(1 + g))⁻¹, E = −γ² dφ/dγ.

    Args:
        gamma: ridge γ > 0.
        c: dimensions per token p/n > 0.
        mu_norm2: ||μ||² ≥ 0 of the signal.

    Raises:
        InputError: naming the argument and its range.
    """
    gamma, c = positive("gamma", gamma), positive("c", c)
    signal2 = reals.finite("mu_norm2", mu_norm2)
    if (signal2 < 0).any():
        raise InputError(f"mu_norm2 must be finite and ≥ 0, given {signal2.min():g}")
    b = gamma + c - 1
    root = np.sqrt(b**2 + 4 * gamma)
    g = np.where(b > 0, 2 / (np.where(b > 0, b, 0) + root), (root - b) / (2 * gamma))
    slope = -(g**2) * (1 + g) / (1 + gamma * g**2)  # 1 − cg²/(1 + g)², by the equation of g
    phi = 1 / (1 / g + signal2 / (1 + g))
    return -(gamma**2) * phi**2 * (1 / g**2 + signal2 / (1 + g) ** 2) * slope


def equal_power(c: ArrayLike, f: Nonlinearity | Coefficients) -> np.ndarray:
    """ϱ = (ν + a1²/c)/c: at ridge ϱγ attention has the feature power that raw tokens have at γ.

    Args:
        c: dimensions per token p/n > 0, any shape.
        f: a nonlinearity or its coefficients.
    """
    moment = moments(f)
    c = positive("c", c)
    return (moment.nu + moment.a1**2 / c) / c


def kernel_density(x: ArrayLike, c: float, f: Nonlinearity | Coefficients) -> np.ndarray:
    """Density of the eigenvalues of K (zero diagonal, no signal) at x, by its Stieltjes transform.

    w = 1/m solves w + z + a1²/(cw + a1) + (ν − a1²)/(cw) = 0. At real z = x that is a cubic with
    real coefficients, and the density is Im m/π of its complex root, 0 where there is none. An
    atom, of a linear f at c < 1, has no density.

    Args:
        x: eigenvalues, any shape.
        c: dimensions per token p/n > 0.
        f: a nonlinearity or its coefficients.

    Raises:
        InputError: naming the argument and its range.
    """
    moment = moments(f)
    x = reals.finite("x", x)
    c = float(within("c", positive("c", c), C_RANGE))
    unit = math.sqrt(moment.nu / c)  # spread of an eigenvalue, without a linear part
    a, noise = moment.a1 / unit, moment.noise / moment.nu
    z = np.clip(x.ravel() / unit, -1e50, 1e50)
    square, linear = z + a / c, noise + a * (z + a) / c
    constant = noise * a / c
    root = _real_root(square, linear, constant)
    # w² + pw + q is what is left, from the end where its division cancels nothing
    with np.errstate(divide="ignore", invalid="ignore"):
        large = (np.abs(root) ** 3 > abs(constant)) & (constant != 0)
        q = np.where(large, -constant / root, linear + root * (square + root))
        p = np.where(large, (linear - q) / root, square + root)
        density = np.sqrt(np.maximum(q - p**2 / 4, 0)) / (np.pi * q * unit)
    return np.where(q > p**2 / 4, density, 0.0).reshape(x.shape)


def _real_root(square: np.ndarray, linear: np.ndarray, constant: float) -> np.ndarray:
    """Of w³ + square w² + linear w + constant: beside a complex pair, or away from a close one."""
    if constant == 0:
        return np.zeros_like(square)
    companion = np.zeros((len(square), 3, 3))
    companion[:, 1, 0] = companion[:, 2, 1] = 1
    companion[:, :, 2] = -np.stack([np.full_like(square, constant), linear, square], axis=1)
    roots = np.linalg.eigvals(companion).astype(complex)
    apart = np.abs(roots[:, :, None] - roots[:, None]) + np.where(np.eye(3), np.inf, 0)
    paired = np.abs(roots.imag).max(axis=1) > 1e-6 * np.abs(roots).max(axis=1)
    chosen = np.where(paired, np.abs(roots.imag).argmin(axis=1), apart.min(axis=2).argmax(axis=1))
    w = roots[np.arange(len(roots)), chosen].real
    for _ in range(3):
        value = ((w + square) * w + linear) * w + constant
        slope = (3 * w + 2 * square) * w + linear
        step = value / np.where(slope == 0, np.inf, slope)
        w = np.where(np.abs(step) < 1e-3 * np.abs(w), w - step, w)
    return w


def certified(fine: np.ndarray, rough: np.ndarray) -> np.ndarray:
    """The finer of two results, NaN where their difference does not bound its error.

    Args:
        fine, rough: from a `fixed_point.FixedPoint` and its `rough`, of one shape.
    """
    bound = SAFETY * np.abs(fine - rough) + ROUNDING * np.abs(fine)
    return np.where(bound <= ACCURACY * np.abs(fine), fine, np.nan)
