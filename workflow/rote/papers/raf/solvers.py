"""Convex solvers behind the learners: ridge, hinge (exact and rounded), logistic, box QP."""

import numpy as np
from scipy import linalg, optimize, special

from rote.core.errors import InputError

ROUNDED = 1000  # iterations of ADMM after which the hinge is rounded instead
MAX_ADMM_STEPS = 20_000
HARD = 1e12  # the box of a hard margin's forces
_BEYOND = 1e3  # no margin of an interpolator is as far from 1
_SOFT = 10.0 ** -np.arange(2, 10)  # ridges, of which a small enough one gives the hard margin


def _cholesky_solve(A: np.ndarray, b: np.ndarray) -> np.ndarray:
    """A⁻¹ b, A positive definite; A is overwritten. Raises LinAlgError if it is not."""
    # transposed: column by column, as LAPACK wants it
    factor = linalg.cho_factor(A.T, overwrite_a=True, check_finite=False)
    return linalg.cho_solve(factor, b, check_finite=False)


def ridge(B: np.ndarray, y: np.ndarray, lam: np.ndarray | float) -> np.ndarray:
    """argmin ½||Bw − y||² + λ/2 ||w||², (n, d), (n,) -> (d,).

    Args:
        B: rows of features, (n, d).
        y: targets, (n,).
        lam: λ > 0; an array (L,) gives (L, d) from one eigendecomposition.
    """
    n, d = B.shape
    gram = B.T @ B if d <= n else B @ B.T
    if np.ndim(lam) == 0:
        gram.flat[:: len(gram) + 1] += lam
        return _cholesky_solve(gram, B.T @ y) if d <= n else B.T @ _cholesky_solve(gram, y)
    w, V = linalg.eigh(gram)
    target = V.T @ (B.T @ y if d <= n else y)
    solved = (target / (np.maximum(w, 0) + np.asarray(lam)[:, None])) @ V.T
    return solved if d <= n else solved @ B


def huberized(
    B: np.ndarray,
    lam: float,
    v_star: float,
    *,
    weight: np.ndarray | float = 1.0,
    start: np.ndarray | None = None,
) -> np.ndarray:
    """argmin Σ h(B w) + λ/2 ||w||², h the Moreau envelope of a weighted hinge.

    Of weight ρ it is a hinge of slope ρ whose kink is rounded over [1 − ρV⋆, 1]. Semismooth Newton
    with backtracking. The objective is piecewise quadratic: the last step is exact.

    Args:
        B: rows y x, (n, d).
        lam: λ > 0.
        v_star: V⋆ > 0.
        weight: ρ > 0 of each row, (n,).
        start: first w, (d,); 0 if None.

    Returns:
        w, (d,).
    """
    n, d = B.shape
    w = np.zeros(d) if start is None else start
    curvature = np.zeros((d, d))
    in_curvature = np.zeros(n, bool)
    reach = v_star * weight

    def objective(w: np.ndarray) -> tuple[float, np.ndarray]:
        gap = 1 - B @ w
        straight = weight * (gap - reach / 2)
        loss = np.where(gap >= reach, straight, np.maximum(gap, 0) ** 2 / (2 * v_star)).sum()
        return loss + lam / 2 * (w @ w), gap

    value, gap = objective(w)
    for _ in range(100):
        force = np.clip(gap / v_star, 0, weight)
        gradient = lam * w - B.T @ force
        if np.abs(gradient).max() < 1e-12 * (1 + np.abs(w).max()) * max(1.0, lam):
            break
        middle = (gap > 0) & (gap < reach)
        # few rows change their piece
        curvature += _outer(B[middle & ~in_curvature]) - _outer(B[in_curvature & ~middle])
        in_curvature = middle
        hessian = curvature / v_star
        hessian.flat[:: d + 1] += lam
        step = _cholesky_solve(hessian, gradient)
        slope = gradient @ step
        rate = 1.0
        while True:
            trial, trial_gap = objective(w - rate * step)
            if trial <= value - 1e-4 * rate * slope or rate < 1e-10:
                break
            rate /= 2
        stalled = value - trial <= 1e-15 * abs(value)
        w = w - rate * step
        value, gap = trial, trial_gap
        if stalled:
            break
    return w


def min_norm(B: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The w of smallest norm with B w = y, (n, d), (n,) -> (d,).

    Raises:
        InputError: if there is none.
    """
    w = linalg.lstsq(B, y, cond=1e-12, check_finite=False)[0]
    if np.abs(B @ w - y).max() > 1e-6:
        n, d = B.shape
        raise InputError(
            f"lam = 0 needs data that can be interpolated: {n} samples, {d} features; use lam > 0"
        )
    return w


def squared_hinge(B: np.ndarray, noise: float) -> np.ndarray:
    """argmin Σ max(0, 1 − B w)²/(2 noise) + ||w||²/2: the hard margin of a kernel's model.

    Args:
        B: rows y x, (n, d).
        noise: μ⋆² > 0.
    """
    return huberized(B, noise / _BEYOND, _BEYOND)


def hard_margin(B: np.ndarray) -> np.ndarray:
    """The w of smallest norm with B w ≥ 1, (n, d) -> (d,); B holds y x.

    It is the hinge's minimum at every λ that is so small that no row lies beyond the kink.

    Raises:
        InputError: if no w separates the rows.
    """
    for lam in _SOFT:
        w = hinge(B, lam)
        if (B @ w).min() > 1 - 1e-6:
            return w
    raise InputError(
        f"lam = 0 needs data that the learner separates ({len(B)} samples, {B.shape[1]} "
        "features); use lam > 0"
    )


def _outer(rows: np.ndarray) -> np.ndarray:
    return rows.T @ rows


def hinge(B: np.ndarray, lam: float) -> np.ndarray:
    """argmin Σ max(0, 1 − B w) + λ/2 ||w||², (n, d) -> (d,); B holds y x.

    ADMM on the margins with a rebalanced penalty says which rows are on the kink and which beyond
    it; once it is right, they determine w, and the optimality conditions hold. Where λ is so small
    that this takes long, the kink is rounded instead, less and less. Rows that do not determine
    each other's forces (equal ones) wait for either to settle.

    Raises:
        ArithmeticError: if the residuals do not reach the tolerance.
    """
    n, d = B.shape
    if d > n:  # the minimum is a combination of the rows
        Q, R = linalg.qr(B.T, mode="economic")
        return Q @ hinge(R.T, lam)
    eigen, V = linalg.eigh(B.T @ B)
    eigen = np.maximum(eigen, 0)
    scale = np.sqrt(n)
    rho = 1.0
    r, u = np.zeros(n), np.zeros(n)  # margins and scaled multipliers
    next_try = 25
    for count in range(1, MAX_ADMM_STEPS + 1):
        w = V @ ((V.T @ (B.T @ (r - u))) * (rho / (lam + rho * eigen)))
        margin = B @ w
        relaxed = 1.6 * margin - 0.6 * r
        target = relaxed + u
        old = r
        r = np.where(target > 1, target, np.minimum(target + 1 / rho, 1.0))  # prox of the hinge
        u = u + relaxed - r
        if count == next_try:
            exact = _on_the_kink(B, lam, r == 1, r < 1)
            if exact is not None:
                return exact
            next_try += max(25, next_try // 4)
        if count == ROUNDED:
            exact = _rounded(B, lam)
            if exact is not None:
                return exact
        if count % 25 == 0:
            primal, dual = _residuals(B, margin, r, old, rho)
            if max(primal, dual) < 1e-9 * scale:
                exact = _on_dependent_rows(B, lam, r == 1, r < 1)
                return w if exact is None else exact
            if count < MAX_ADMM_STEPS // 2 and primal > 10 * dual:
                rho, u = 2 * rho, u / 2
            elif count < MAX_ADMM_STEPS // 2 and dual > 10 * primal:
                rho, u = rho / 2, 2 * u
    primal, dual = _residuals(B, margin, r, old, rho)
    if max(primal, dual) < 1e-5 * scale:
        return w
    raise ArithmeticError(
        f"hinge solver: residuals {primal:.1e}, {dual:.1e} after {MAX_ADMM_STEPS} iterations; "
        f"raise lam ({lam})"
    )


def _residuals(
    B: np.ndarray, margin: np.ndarray, r: np.ndarray, old: np.ndarray, rho: float
) -> tuple[float, float]:
    """Primal and dual residual of ADMM."""
    return np.linalg.norm(margin - r), rho * np.linalg.norm(B.T @ (r - old))


def _rounded(B: np.ndarray, lam: float) -> np.ndarray | None:
    """The same from minima of ever less rounded hinges; None if they do not lead there."""
    w = np.zeros(B.shape[1])
    for v_star in 10.0 ** -np.arange(12):
        try:
            w = huberized(B, lam, v_star, start=w)
        except linalg.LinAlgError:  # rounding errors outweigh λ
            return None
        gap = 1 - B @ w
        for solve in (_on_the_kink, _on_dependent_rows):
            exact = solve(B, lam, (gap > 0) & (gap < v_star), gap >= v_star)
            if exact is not None:
                return exact
    return None


def _on_the_kink(
    B: np.ndarray, lam: float, kink: np.ndarray, beyond: np.ndarray
) -> np.ndarray | None:
    """The w with B w = 1 on the kink, if it is the hinge's minimum."""
    rows, force_beyond = B[kink], B[beyond].sum(0)
    if len(rows) > B.shape[1]:
        return None
    try:
        factor = linalg.cho_factor(rows @ rows.T, check_finite=False)
    except linalg.LinAlgError:
        return None
    force = linalg.cho_solve(factor, lam - rows @ force_beyond, check_finite=False)
    w = (force_beyond + force @ rows) / lam
    # digits that a small λ took
    w += linalg.cho_solve(factor, 1 - rows @ w, check_finite=False) @ rows
    pushed = np.all((force > -1e-9) & (force < 1 + 1e-9))
    return w if pushed and _on_its_sides(B @ w, kink, beyond) else None


def _on_dependent_rows(
    B: np.ndarray, lam: float, kink: np.ndarray, beyond: np.ndarray
) -> np.ndarray | None:
    """The same where the rows, equal ones say, determine w but not their forces.

    Any forces in [0, 1] with that sum will do.
    """
    rows, force_beyond = B[kink], B[beyond].sum(0)
    if not len(rows):
        return None
    inverse = np.linalg.pinv(rows, rcond=1e-9)
    w = inverse.sum(1) + (force_beyond - inverse @ (rows @ force_beyond)) / lam
    if not _on_its_sides(B @ w, kink, beyond):
        return None
    force = optimize.lsq_linear(rows.T, lam * w - force_beyond, (0, 1), method="bvls", tol=1e-14).x
    imbalance = np.abs(force_beyond + force @ rows - lam * w).max()
    return w if imbalance < 1e-9 * (1 + np.abs(force_beyond).max()) else None


def _on_its_sides(margin: np.ndarray, kink: np.ndarray, beyond: np.ndarray) -> bool:
    """Whether margins are 1 on the kink, below 1 beyond it, else above 1, up to rounding."""
    gap = 1 - margin
    signed = np.where(beyond, -gap, gap)  # positive where a row is on the wrong side
    signed[kink] = np.abs(gap[kink])
    return bool(signed.max(initial=0) < 1e-9 * (1 + np.abs(gap).max()))


def logistic(B: np.ndarray, lam: float) -> np.ndarray:
    """argmin Σ log(1 + exp(−B w)) + λ/2 ||w||², by damped Newton: (n, d) -> (d,); B holds y x."""
    w = np.zeros(B.shape[1])
    value = len(B) * np.log(2)
    for _ in range(100):
        force = special.expit(-(B @ w))
        gradient = lam * w - B.T @ force
        if np.abs(gradient).max() < 1e-10:
            break
        hessian = (B * (force * (1 - force))[:, None]).T @ B + lam * np.eye(len(w))
        step = _cholesky_solve(hessian, gradient)
        rate = 1.0
        while True:
            new = w - rate * step
            trial = np.logaddexp(0, -(B @ new)).sum() + lam / 2 * (new @ new)
            if trial <= value or rate < 1e-10:
                break
            rate /= 2
        w, value = new, trial
    return w


def box_qp(Q: np.ndarray, box: float) -> np.ndarray:
    """argmin ½ aᵀQa − Σa over 0 ≤ a ≤ box: positive definite Q (n, n) -> (n,).

    Primal-dual active sets; projected gradients if they cycle.
    """
    diagonal = np.diag(Q).mean()
    a = np.clip(1 / np.diag(Q), 0, box)
    earlier = set()
    for _ in range(60):
        z = a - (Q @ a - 1) / diagonal
        low, high = z <= 0, z >= box
        active_set = low.tobytes() + high.tobytes()
        free = ~(low | high)
        new = np.where(high, box, 0.0)
        if free.any():
            right = 1 - Q[np.ix_(free, high)].sum(1) * box
            new[free] = _cholesky_solve(Q[np.ix_(free, free)], right)
        if active_set in earlier:
            kkt = np.clip(new - (Q @ new - 1) / diagonal, 0, box) - new
            if np.abs(kkt).max() < 1e-9 * (1 + np.abs(new).max()):
                return np.clip(new, 0, box)
            break
        earlier.add(active_set)
        a = new
    return _projected_gradient(Q, box, np.clip(a, 0, box))


def _projected_gradient(Q: np.ndarray, box: float, a: np.ndarray) -> np.ndarray:
    """The same by accelerated projected gradients with restart."""
    step = 1 / linalg.eigvalsh(Q, subset_by_index=[len(Q) - 1, len(Q) - 1])[0]
    ahead = a
    t = 1.0
    for _ in range(50_000):
        new = np.clip(ahead - step * (Q @ ahead - 1), 0, box)
        if np.abs(new - a).max() < 1e-12 * (1 + np.abs(new).max()):
            return new
        if (ahead - new) @ (new - a) > 0:
            t = 1.0
        following = (1 + np.sqrt(1 + 4 * t**2)) / 2
        ahead = new + (t - 1) / following * (new - a)
        a = new
        t = following
    return a
