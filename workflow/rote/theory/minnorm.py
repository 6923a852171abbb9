"""Minimum-norm and ridge regression from one spectral factorization per design matrix.

Factor X once; every penalty, right-hand side, hat diagonal and gradient-descent iterate then costs
a small product. Rank-deficient designs are the rule here (duplicate rows, unseen columns), so λ = 0
means the pseudo-inverse.
"""

from typing import NamedTuple

import numpy as np
from scipy import sparse

from rote.core.errors import InputError

# Gram eigenvalues between rounding and this (relative to the largest) do not settle the rank
AMBIGUOUS = 1e-7


class ThinSVD(NamedTuple):
    """Thin SVD of a design X without its zero part: X = left · diag(√w) · rightᵀ."""

    w: np.ndarray  # (rank,) squared singular values, all > 0
    left: np.ndarray  # (n, rank)
    right: np.ndarray  # (d, rank)

    @property
    def largest(self) -> float:
        """λ_max(XᵀX), the inverse of the gradient-descent step."""
        return float(self.w.max(initial=0.0))


def factorize(X: np.ndarray | sparse.sparray) -> ThinSVD:
    """Factor one design matrix.

    Uses `eigh` of the smaller Gram matrix; where that cannot tell small singular values from
    rounding, a full SVD.

    Args:
        X: (n, d), dense or sparse.
    """
    n, d = X.shape
    tall = n >= d
    w, V = np.linalg.eigh(_dense(X.T @ X if tall else X @ X.T))  # (k,), (k, k)
    top = w[-1] if len(w) else 0.0
    keep = w > AMBIGUOUS * top
    rounding = 8 * max(n, d) * np.finfo(w.dtype).eps * top
    if np.any(~keep & (w > rounding)):
        left, root, rightT = np.linalg.svd(_dense(X), full_matrices=False)
        keep = root > max(n, d) * np.finfo(root.dtype).eps * root[0]
        return ThinSVD(root[keep] ** 2, left[:, keep], rightT[keep].T)
    w, V = w[keep], V[:, keep]
    projected = (X @ V if tall else X.T @ V) / np.sqrt(w)
    return ThinSVD(w, projected, V) if tall else ThinSVD(w, V, projected)


def _dense(X: np.ndarray | sparse.sparray) -> np.ndarray:
    return X if isinstance(X, np.ndarray) else X.toarray()


def coefficients(spectrum: ThinSVD, y: np.ndarray, lam: np.ndarray | float = 0.0) -> np.ndarray:
    """argmin ||Xβ − y||² + λ||β||² for all λ and right-hand sides at once.

    λ = 0 is the min-norm solution.

    Args:
        spectrum: of the design X, (n, d).
        y: labels, (n,) or (n, k).
        lam: scalar or (L,), ≥ 0, for the unnormalized loss.

    Returns:
        Coefficients (d,), (d, k), (L, d) or (L, d, k).
    """
    target = spectrum.left.T @ y  # (rank,) or (rank, k)
    gain = np.sqrt(spectrum.w) / (spectrum.w + np.asarray(lam, float)[..., None])  # (..., rank)
    scaled = gain[..., None] * target if target.ndim == 2 else gain * target  # (..., rank[, k])
    return spectrum.right @ scaled if target.ndim == 2 else scaled @ spectrum.right.T


def fit(X: np.ndarray, y: np.ndarray, lam: np.ndarray | float = 0.0) -> np.ndarray:
    """Ridge or, at λ = 0, minimum-ℓ2-norm least-squares coefficients.

    Minimizes ||Xβ − y||² + λ||β||² (the loss is not divided by n). λ = 0 gives X⁺y, the limit of
    gradient descent from zero, also for rank-deficient X.

    Args:
        X: (n, d), or batched (..., n, d).
        y: (n,), or batched (..., n).
        lam: penalty ≥ 0, scalar or an array; its shape broadcasts with the batch shapes of X and y.

    Returns:
        Coefficients (d,), or (..., d) over the broadcast batch shape.

    Raises:
        InputError: for NaN or infinite entries, mismatched shapes, empty X, or a negative penalty.
    """
    X = np.asarray(X, float)
    y = np.asarray(y, float)
    lam = np.asarray(lam, float)
    _check_design(X)
    if y.ndim < 1 or y.shape[-1] != X.shape[-2]:
        raise InputError(
            f"y has shape {y.shape}; its last axis must match the {X.shape[-2]} rows of X {X.shape}"
        )
    if not np.isfinite(y).all():
        raise InputError("y holds NaN or infinite values")
    if not (np.isfinite(lam) & (lam >= 0)).all():
        raise InputError(f"lam must be finite and ≥ 0, given {lam}")
    try:
        batch = np.broadcast_shapes(X.shape[:-2], y.shape[:-1], lam.shape)
    except ValueError as error:
        raise InputError(
            f"batch shapes of X {X.shape[:-2]}, y {y.shape[:-1]} and lam {lam.shape} differ"
        ) from error
    n, d = X.shape[-2:]
    if X.ndim == 2:  # one factorization serves the whole batch
        spectrum = factorize(X)
        lams = np.broadcast_to(lam, batch).reshape(-1, 1)
        targets = np.broadcast_to(y, (*batch, n)).reshape(-1, n)
        gain = np.sqrt(spectrum.w) / (spectrum.w + lams)  # (batch, rank)
        scaled = gain * (targets @ spectrum.left)
        return (scaled @ spectrum.right.T).reshape(*batch, d)
    result = np.empty((*batch, d))
    designs = np.broadcast_to(X, (*batch, n, d))
    targets = np.broadcast_to(y, (*batch, n))
    lams = np.broadcast_to(lam, batch)
    for index in np.ndindex(batch):
        result[index] = coefficients(factorize(designs[index]), targets[index], lams[index])
    return result


def identifiable(X: np.ndarray, tolerance: float = 1e-8) -> np.ndarray:
    """Which coefficients the rows of X determine: those whose unit vector lies in the row space.

    A feature is identifiable iff the diagonal of the projector onto the row space is 1 (to
    `tolerance`). Without label noise, the min-norm solution recovers exactly these, whatever the
    true coefficients.

    Args:
        X: (n, d), or batched (..., n, d).
        tolerance: how far below 1 the diagonal may lie.

    Returns:
        Boolean mask (d,), or (..., d).

    Raises:
        InputError: for NaN or infinite entries, or empty X.
    """
    X = np.asarray(X, float)
    _check_design(X)
    leverage = np.empty((*X.shape[:-2], X.shape[-1]))
    for index in np.ndindex(X.shape[:-2]):
        leverage[index] = row_space(factorize(X[index]))
    return leverage > 1 - tolerance


def row_space(spectrum: ThinSVD) -> np.ndarray:
    """Diagonal of the projector onto the row space, (d,), in [0, 1].

    Args:
        spectrum: of the design X, (n, d).
    """
    return np.einsum("ir,ir->i", spectrum.right, spectrum.right)


def hat_diagonal(spectrum: ThinSVD, lam: np.ndarray | float = 0.0) -> np.ndarray:
    """H_jj of H = X(XᵀX + λ)⁻¹Xᵀ: how far each row's prediction follows its own label.

    Args:
        spectrum: of the design X, (n, d).
        lam: scalar or (L,), ≥ 0.

    Returns:
        (n,) or (L, n), in [0, 1].
    """
    return (spectrum.w / (spectrum.w + np.asarray(lam, float)[..., None])) @ (spectrum.left**2).T


def leave_one_out(spectrum: ThinSVD, X: np.ndarray | sparse.sparray, y: np.ndarray) -> np.ndarray:
    """Residual of each row under the min-norm fit to all other rows, without refitting.

    e_j / (1 − H_jj) where H_jj < 1. Where H_jj = 1 (the row is memorized), [K⁺y]_j / [K⁺]_jj with
    K = XXᵀ.

    Args:
        spectrum: of the design.
        X: the design, (n, d).
        y: labels, (n,).

    Returns:
        Residuals, (n,).
    """
    H = hat_diagonal(spectrum)
    dual = (spectrum.left / spectrum.w) @ (spectrum.left.T @ y)  # K⁺y
    dual_diagonal = np.einsum("jr,jr->j", spectrum.left / spectrum.w, spectrum.left)
    error = y - X @ coefficients(spectrum, y)
    memorized = H > 1 - 1e-8
    safe = np.where(memorized, 1.0, 1 - H)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(memorized, dual / np.where(memorized, dual_diagonal, 1.0), error / safe)


def descent(spectrum: ThinSVD, y: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """Gradient-descent iterates from 0 on ½||Xβ − y||², step 1/λ_max, in closed form.

    Args:
        spectrum: of the design X, (n, d).
        y: labels, (n,).
        steps: numbers of steps, (T,).

    Returns:
        Coefficients after each number of steps, (T, d).
    """
    rate = np.log1p(-np.minimum(spectrum.w / spectrum.largest, 1 - 1e-16))  # (rank,)
    shrink = -np.expm1(np.asarray(steps)[:, None] * rate)
    return (shrink / np.sqrt(spectrum.w) * (spectrum.left.T @ y)) @ spectrum.right.T


def _check_design(X: np.ndarray) -> None:
    if X.ndim < 2 or 0 in X.shape[-2:]:
        raise InputError(f"X must have shape (n, d) or (..., n, d) with n, d ≥ 1, given {X.shape}")
    if not np.isfinite(X).all():
        raise InputError("X holds NaN or infinite values")
