"""Minimum-norm and ridge regression from one spectral factorization per design matrix.

Factor X once; every penalty, right-hand side, hat diagonal and gradient-descent iterate then costs
a small product. Rank-deficient designs are the rule here (duplicate rows, unseen columns), so λ = 0
means the pseudo-inverse.
"""

from typing import NamedTuple

import numpy as np
from scipy import sparse
from scipy.linalg import lapack

from rote.core import fields, reals
from rote.core.errors import InputError

AMBIGUOUS = 1e-7  # Gram eigenvalues below this, relative to the largest, do not settle the rank
SCALES = 1e3  # between columns, beyond which a plain SVD loses the small ones
SMALL = 64  # rows or columns up to which an SVD is taken unless the Gram matrix is as good
TINY = 16  # rows or columns below which nothing is cheaper than the eigenvalues themselves
WELL = 1e-4  # ratio of Gram eigenvalues from which on it is
UNSETTLED = 1e-13  # singular values between rounding and this are neither zero nor known
ACCURACY = 1e-7  # of what `fit` returns, relative to the norm, in columns of length one
_REFINEMENTS = 40
_RANGE = (1e-150, 1e150)  # of the largest number of a column: squares are numbers, too


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

    The rank is that of X with columns of length one, so that the scale of a column decides nothing.
    A singular value of that matrix counts as zero below max(n, d) ε of the largest.

    A large or well-conditioned design goes by `eigh` of the smaller Gram matrix, where that can
    tell small singular values from zeros: those below 1e-12 of the largest then count as zeros. All
    others go by SVD, by Jacobi rotations where the columns differ by more than `SCALES`: small
    singular values then keep their relative accuracy.

    Args:
        X: (n, d), dense or sparse.

    Raises:
        InputError: for what is no matrix of finite numbers, and if a singular value is too small to
            tell from rounding, and not zero either.
    """
    X = _matrix(X)
    n, d = X.shape
    with np.errstate(over="ignore", under="ignore"):
        squares = (X * X if isinstance(X, np.ndarray) else X.power(2)).sum(axis=0)
    lengths = np.sqrt(np.asarray(squares))
    shortest, longest = lengths.min(), lengths.max()
    if shortest < 10 * _RANGE[0] or longest > _RANGE[1]:
        _check_scales(X)
        lengths = np.where(lengths > 0, lengths, longest)
        shortest = lengths.min()
    mild = longest <= SCALES * shortest
    if mild:
        spectrum = _by_gram(X, small=min(n, d) <= SMALL)
        if spectrum is not None:
            return spectrum
    return _by_svd(_dense(X), lengths, mild)


def _matrix(X: np.ndarray | sparse.sparray) -> np.ndarray | sparse.sparray:
    """A design of finite float64 numbers, dense or sparse."""
    if getattr(X, "ndim", None) != 2:
        raise InputError("X must be a matrix, (n, d), dense or sparse")
    if 0 in X.shape:
        raise InputError(f"X must have shape (n, d) with n, d ≥ 1, given {X.shape}")
    if not sparse.issparse(X):
        return reals.finite("X", X)
    X = sparse.csr_array(X)
    values = reals.finite("X", X.data)
    return X if X.dtype == values.dtype else X.astype(float)


def _check_scales(X: np.ndarray | sparse.sparray) -> None:
    """Refuse columns whose numbers cannot be squared."""
    largest = abs(X).max(axis=0)
    largest = largest.toarray().ravel() if sparse.issparse(largest) else largest
    strange = (largest > 0) & ((largest < _RANGE[0]) | (largest > _RANGE[1]))
    if strange.any():
        raise InputError(
            f"the largest number of a column of X must be in [1e-150, 1e150] or 0, column "
            f"{int(strange.argmax())} has {largest[strange][0]:g}; use another unit for it"
        )


def _by_gram(X: np.ndarray | sparse.sparray, *, small: bool) -> ThinSVD | None:
    """By `eigh` of the smaller Gram matrix; None where that does not settle the rank.

    None, too, for a small design that is not well conditioned.
    """
    n, d = X.shape
    tall = n >= d
    gram = _dense(X.T @ X if tall else X @ X.T)
    if small and len(gram) >= TINY and _surely_ill(gram):
        return None
    w, V = np.linalg.eigh(gram)  # (k,), (k, k)
    if small and w[0] < WELL * w[-1]:
        return None
    keep = w > AMBIGUOUS * w[-1]
    dropped = V[:, ~keep]
    left_over = X @ dropped if tall else X.T @ dropped
    if dropped.size and np.linalg.norm(left_over, axis=0).max() > 1e-12 * np.sqrt(max(w[-1], 0)):
        return None
    w, V = w[keep], V[:, keep]
    projected = (X @ V if tall else X.T @ V) / np.sqrt(w)
    return ThinSVD(w, projected, V) if tall else ThinSVD(w, V, projected)


def _surely_ill(gram: np.ndarray) -> bool:
    """Whether a Cholesky factor, far cheaper than eigenvalues, shows one below `WELL`.

    No diagonal entry is above the largest eigenvalue.
    """
    shifted = gram.copy()
    shifted.flat[:: len(gram) + 1] -= WELL * gram.diagonal().max()
    return bool(lapack.dpotrf(shifted.T, overwrite_a=1, clean=0)[1])


def _by_svd(X: np.ndarray, lengths: np.ndarray, mild: bool) -> ThinSVD:
    """By a full SVD, whose small singular values are right relative to themselves."""
    n, d = X.shape
    scale = np.where(lengths > 0, lengths, 1.0)
    left, root, rightT = np.linalg.svd(X / scale, full_matrices=False)
    rounding = max(n, d) * np.finfo(float).eps * root[0]
    unsettled = (root > rounding) & (root <= max(UNSETTLED * root[0], 2 * rounding))
    if unsettled.any():
        raise InputError(
            f"the rank of X is not settled: with columns of length one a singular value is "
            f"{root[unsettled][0] / root[0]:.1e} of the largest, too small to tell from rounding; "
            "drop a column that is nearly a combination of others, or use lam > 0"
        )
    rank = int((root > rounding).sum())
    if not rank:
        return ThinSVD(np.zeros(0), np.zeros((n, 0)), np.zeros((d, 0)))
    if mild:
        left, root, rightT = np.linalg.svd(X, full_matrices=False)
        return ThinSVD(root[:rank] ** 2, left[:, :rank], rightT[:rank].T)
    if rank == d:
        return ThinSVD(*_jacobi(X))
    # X = left (root rightT scale): its rank is now exact
    w, right, turn = _jacobi((root[:rank, None] * rightT[:rank] * scale).T)
    return ThinSVD(w, left[:, :rank] @ turn, right)


def _jacobi(A: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Squared singular values, left and right vectors of (n, d), n ≥ d, of full rank.

    One-sided Jacobi rotations (LAPACK dgejsv; Drmač and Veselić 2008): accurate relative to every
    singular value for rows and columns of any scale.
    """
    values, left, right, work, _, info = lapack.dgejsv(A, joba=2)
    if info:
        raise ArithmeticError(f"Jacobi rotations did not converge (LAPACK info {info})")
    return (values * (work[0] / work[1])) ** 2, left[:, : A.shape[1]], right


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

    Raises:
        InputError: for another number of labels, and numbers that are not finite or (λ) negative.
    """
    y, lam = _labels(spectrum, y), _penalty(lam)
    target = spectrum.left.T @ y  # (rank,) or (rank, k)
    gain = np.sqrt(spectrum.w) / (spectrum.w + lam[..., None])  # (..., rank)
    scaled = gain[..., None] * target if target.ndim == 2 else gain * target  # (..., rank[, k])
    return spectrum.right @ scaled if target.ndim == 2 else scaled @ spectrum.right.T


def _labels(spectrum: ThinSVD, y: np.ndarray) -> np.ndarray:
    """Finite labels (n,) or (n, k) of a factorized design."""
    _check_factorized(spectrum)
    y = _numbers("y", y)
    if y.ndim not in (1, 2) or len(y) != len(spectrum.left):
        raise InputError(
            f"y must have {len(spectrum.left)} rows, as the design has, given shape {y.shape}"
        )
    return y


def _numbers(name: str, values: np.ndarray) -> np.ndarray:
    """Finite numbers whose squares are such, too."""
    given = reals.finite(name, values)
    if np.abs(given).max(initial=0.0) > _RANGE[1]:
        raise InputError(
            f"{name} must hold numbers of at most 1e150, given {np.abs(given).max():g}"
        )
    return given


def _check_factorized(spectrum: ThinSVD) -> None:
    fields.check_types({"spectrum": ThinSVD}, {"spectrum": spectrum})


def _penalty(lam: np.ndarray | float) -> np.ndarray:
    lam = reals.array("lam", lam)
    if not (np.isfinite(lam) & (lam >= 0)).all():
        raise InputError(f"lam must be finite and ≥ 0, given {lam}")
    return lam


def fit(X: np.ndarray, y: np.ndarray, lam: np.ndarray | float = 0.0) -> np.ndarray:
    """Ridge or, at λ = 0, minimum-ℓ2-norm least-squares coefficients.

    Minimizes ||Xβ − y||² + λ||β||² (the loss is not divided by n). λ = 0 gives X⁺y, the limit of
    gradient descent from zero, also for rank-deficient X.

    Args:
        X: (n, d), or batched (..., n, d).
        y: (n,), or batched (..., n).
        lam: penalty ≥ 0, scalar or an array; its shape broadcasts with the batch shapes of X and y.

    Where rounding could exceed `ACCURACY` the solution is refined with residuals in extended
    precision (Björck 1967) and returned once corrections have become that small.

    Returns:
        Coefficients (d,), or (..., d) over the broadcast batch shape.

    Raises:
        InputError: for NaN or infinite entries, mismatched shapes, empty X, a negative penalty, and
            a design so ill-conditioned that the coefficients are not known to `ACCURACY`.
    """
    X, y = reals.array("X", X), _numbers("y", y)
    lam = _penalty(lam)
    _check_design(X)
    if y.ndim < 1 or y.shape[-1] != X.shape[-2]:
        raise InputError(
            f"y has shape {y.shape}; its last axis must match the {X.shape[-2]} rows of X {X.shape}"
        )
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
        solutions = scaled @ spectrum.right.T
        for i in np.flatnonzero(_doubtful(spectrum, X, targets, lams[:, 0], solutions)):
            solutions[i] = _refined(X, targets[i], float(lams[i, 0]), spectrum)
        return solutions.reshape(*batch, d)
    result = np.empty((*batch, d))
    designs = np.broadcast_to(X, (*batch, n, d))
    targets = np.broadcast_to(y, (*batch, n))
    lams = np.broadcast_to(lam, batch)
    for index in np.ndindex(batch):
        result[index] = fit(designs[index], targets[index], lams[index])
    return result


def _doubtful(
    spectrum: ThinSVD, X: np.ndarray, y: np.ndarray, lam: np.ndarray, beta: np.ndarray
) -> np.ndarray:
    """Where ε(κ + κ²ϱ) exceeds a hundredth of `ACCURACY`, (batch,).

    κ is the condition number, ϱ the size of the residual relative to that of Xβ.
    """
    if not len(spectrum.w):
        return np.zeros(len(y), bool)
    kappa = np.sqrt((spectrum.largest + lam) / (spectrum.w.min() + lam))
    fitted = beta @ X.T
    size = np.maximum(np.linalg.norm(fitted, axis=1), 1e-300)
    rest = np.linalg.norm(y - fitted, axis=1) / size
    with np.errstate(over="ignore"):
        return np.finfo(float).eps * (kappa + kappa**2 * rest) > ACCURACY / 100


def _refined(X: np.ndarray, y: np.ndarray, lam: float, spectrum: ThinSVD) -> np.ndarray:
    """Coefficients (d,) by refinement of r + Aβ = b, Aᵀr = c with A of full column rank."""
    n, d = X.shape
    rank = len(spectrum.w)
    shortest = lam == 0 and rank < d
    A, b = X, y
    if lam > 0:
        A, b = np.vstack([X, np.sqrt(lam) * np.eye(d)]), np.r_[y, np.zeros(d)]
    if shortest:  # β = −r solves Xβ = y
        A, b = X.T, np.zeros(d)
    c = -y if shortest else np.zeros(d)
    if shortest and rank < n:
        raise InputError(
            "X is rank-deficient and too ill-conditioned for coefficients right to "
            f"{ACCURACY:g} (condition number {np.sqrt(spectrum.largest / spectrum.w.min()):.1e}); "
            "drop the columns that are combinations of others"
        )
    lengths = np.linalg.norm(A, axis=0)
    lengths[lengths == 0] = 1.0
    w, U, V = _jacobi(A / lengths)  # for rows of any scale: they are the columns of X where n < d
    wide = A.astype(np.longdouble)
    r, x = np.zeros(len(b), np.longdouble), np.zeros(A.shape[1], np.longdouble)
    change = before = np.inf
    for _ in range(_REFINEMENTS):
        first = (b - r - wide @ x).astype(float)
        second = ((c - wide.T @ r) / lengths).astype(float)
        along = V.T @ second / np.sqrt(w)
        step_x = V @ ((U.T @ first - along) / np.sqrt(w)) / lengths
        step_r = first - U @ (U.T @ first) + U @ along
        x, r = x + step_x, r + step_r
        moved, size = (step_r, r) if shortest else (step_x * lengths, x * lengths)
        change = float(np.linalg.norm(moved) / np.linalg.norm(np.r_[size.astype(float), 1e-300]))
        if not ACCURACY / 100 <= change <= 2 * before:
            break
        before = change
    if not change < ACCURACY / 10:
        raise InputError(
            f"X is too ill-conditioned for coefficients right to {ACCURACY:g}: refinement still "
            f"moves them by {change:.1e}; use lam > 0 or drop nearly dependent columns"
        )
    return (-r if shortest else x).astype(float)


def identifiable(X: np.ndarray, tolerance: float = 1e-8) -> np.ndarray:
    """Which coefficients the rows of X determine: those whose unit vector lies in the row space.

    A feature is identifiable iff the diagonal of the projector onto the row space is 1 (to
    `tolerance`), with columns of length one: their scale decides nothing. Without label noise, the
    min-norm solution recovers exactly these, whatever the true coefficients.

    Args:
        X: (n, d), or batched (..., n, d).
        tolerance: how far below 1 the diagonal may lie.

    Returns:
        Boolean mask (d,), or (..., d).

    Raises:
        InputError: for NaN or infinite entries, empty X, a rank that is not settled, or a tolerance
            outside [0, 1].
    """
    X = reals.array("X", X)
    _check_design(X)
    tolerance = reals.number("tolerance", tolerance, fields.UNIT)
    leverage = np.empty((*X.shape[:-2], X.shape[-1]))
    for index in np.ndindex(X.shape[:-2]):
        _check_scales(X[index])
        lengths = np.linalg.norm(X[index], axis=0)
        leverage[index] = row_space(factorize(X[index] / np.where(lengths > 0, lengths, 1.0)))
    return leverage > 1 - tolerance


def row_space(spectrum: ThinSVD) -> np.ndarray:
    """Diagonal of the projector onto the row space, (d,), in [0, 1].

    Args:
        spectrum: of the design X, (n, d).

    Raises:
        InputError: for what is no factorization.
    """
    _check_factorized(spectrum)
    return np.einsum("ir,ir->i", spectrum.right, spectrum.right)


def hat_diagonal(spectrum: ThinSVD, lam: np.ndarray | float = 0.0) -> np.ndarray:
    """H_jj of H = X(XᵀX + λ)⁻¹Xᵀ: how far each row's prediction follows its own label.

    Args:
        spectrum: of the design X, (n, d).
        lam: scalar or (L,), ≥ 0.

    Returns:
        (n,) or (L, n), in [0, 1].

    Raises:
        InputError: for a penalty that is negative or not finite.
    """
    _check_factorized(spectrum)
    return (spectrum.w / (spectrum.w + _penalty(lam)[..., None])) @ (spectrum.left**2).T


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

    Raises:
        InputError: for a design or labels of another number of rows, or not finite.
    """
    X, y = _matrix(X), _labels(spectrum, y)
    if X.shape != (len(spectrum.left), len(spectrum.right)):
        raise InputError(f"X has shape {X.shape}, the factorized design another one")
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

    Raises:
        InputError: for another number of labels, and numbers of steps that are negative or NaN.
    """
    y, steps = _labels(spectrum, y), np.atleast_1d(reals.array("steps", steps))
    if steps.ndim != 1 or not (steps >= 0).all():
        raise InputError(f"steps must be a vector of numbers ≥ 0, given {steps}")
    rate = np.log1p(-np.minimum(spectrum.w / spectrum.largest, 1 - 1e-16))  # (rank,)
    with np.errstate(over="ignore"):  # of steps without end
        shrink = -np.expm1(steps[:, None] * rate)
    return (shrink / np.sqrt(spectrum.w) * (spectrum.left.T @ y)) @ spectrum.right.T


def _check_design(X: np.ndarray) -> None:
    if X.ndim < 2 or 0 in X.shape[-2:]:
        raise InputError(f"X must have shape (n, d) or (..., n, d) with n, d ≥ 1, given {X.shape}")
    if not np.isfinite(X).all():
        raise InputError("X holds NaN or infinite values")
