"""Learners at finite size: ridge, hinge and logistic; linear, kernel, random features; Bayes by
message passing.

All minimize Σ ℓ(y, f) + λ/2 ||w||², without intercept. In the model K = μ1² XXᵀ/d + μ⋆² I, a kernel
machine is a linear one with a Moreau envelope of its loss, V⋆ = μ⋆²/λ: ridge with λ + μ⋆², or the
Huberized hinge, which Newton's method in d dimensions solves to machine precision. There a fact is
lost iff y z < −V⋆, z the linear part on that example.
"""

from typing import NamedTuple

import numpy as np
from scipy import linalg, optimize, special

from rote.core.errors import InputError
from rote.synth import rules_facts
from rote.synth.rules_facts import Sample, sign
from rote.theory import raf

ROUNDED = 1000  # iterations of ADMM after which the hinge is rounded instead


class Outcome(NamedTuple):
    """The two errors of one trained learner."""

    e_gen: float
    e_mem: float  # NaN if there are no facts
    facts: int


def simulate(
    loss: str,
    alpha: float,
    eps: float,
    lam: float,
    d: int,
    rng: np.random.Generator,
    *,
    mu1: float = 1.0,
    mustar: float = 0.0,
    kernel: str | None = None,
    kappa: float | None = None,
    test_rows: int = 4000,
) -> Outcome:
    """Train one learner on one fresh training set and measure both errors.

    Args:
        loss: square, hinge or logistic (linear only).
        mu1, mustar: the model K = μ1² XXᵀ/d + μ⋆² I; E_gen is then exact, from the overlap with the
            teacher.
        kernel: a true dot-product kernel instead, on the sphere: erf, relu, sign, rbf, cubic.
        kappa: sign random features instead, p = κd of them.
        test_rows: fresh inputs behind E_gen where it is not exact.

    Raises:
        InputError: naming a parameter and its valid range.
    """
    if lam <= 0:
        raise InputError(
            f"lam must be > 0 in simulations (use 1e-6 for the interpolator), given {lam}"
        )
    if kernel is not None and kernel not in raf.KERNELS:
        raise InputError(f"kernel must be one of {', '.join(raf.KERNELS)}, given {kernel!r}")
    sample = rules_facts.draw(alpha, eps, d, rng, sphere=kernel is not None)
    if kernel is not None:
        return true_kernel(loss, kernel, lam, sample, rng.normal(size=(test_rows, d)))
    if kappa is not None:
        return random_features(loss, kappa, lam, sample, rng, test_rows)
    return equivalent(loss, lam, sample, mu1, mustar)


def equivalent(loss: str, lam: float, sample: Sample, mu1: float, mustar: float) -> Outcome:
    """The model K = μ1² XXᵀ/d + μ⋆² I, in d dimensions (linear: μ⋆ = 0)."""
    w, lost = linear_part(loss, lam, sample, mu1, mustar)
    overlap = w @ sample.teacher / (np.linalg.norm(w) * np.linalg.norm(sample.teacher))
    return Outcome(float(np.arccos(np.clip(overlap, -1, 1)) / np.pi), *_memory(lost, sample))


def linear_part(
    loss: str, lam: float, sample: Sample, mu1: float, mustar: float
) -> tuple[np.ndarray, np.ndarray]:
    """Weights (d,) of the model's linear part, which alone acts on fresh inputs, and which examples
    it loses (n,).
    """
    B = mu1 / np.sqrt(sample.X.shape[1]) * sample.X
    v_star = mustar**2 / lam
    if loss == "square":
        w = ridge(B, sample.y, lam + mustar**2)
        output = sample.y - lam * (sample.y - B @ w) / (
            lam + mustar**2
        )  # f = y − λa, a = (y − z)/(λ + μ⋆²)
        return w, sign(output) != sample.y
    if loss == "hinge" and v_star > 0:
        w = huberized(B * sample.y[:, None], lam, v_star)
    elif loss == "hinge":
        w = hinge(B * sample.y[:, None], lam)
    elif loss == "logistic" and mustar == 0:
        w = logistic(B * sample.y[:, None], lam)
    else:
        raise InputError(
            f"loss must be square, hinge, or logistic with a linear learner, given {loss!r}"
        )
    return w, sample.y * (B @ w) < -v_star


def true_kernel(loss: str, kernel: str, lam: float, sample: Sample, fresh: np.ndarray) -> Outcome:
    """A dot-product kernel on the sphere, in n dimensions; E_gen on `fresh` Gaussian inputs, (test
    rows, d).
    """
    h, d = raf.KERNELS[kernel], sample.X.shape[1]
    K = h(np.clip(sample.X @ sample.X.T / d, -1, 1))
    if loss == "square":
        a = linalg.solve(K + lam * np.eye(len(K)), sample.y, assume_a="pos")
        output = sample.y - lam * a
    elif loss == "hinge":
        a = box_qp(K * np.outer(sample.y, sample.y), 1 / lam) * sample.y
        output = K @ a
    else:
        raise InputError(f"loss must be square or hinge for a kernel, given {loss!r}")
    f = h(np.clip(rules_facts.on_sphere(fresh) @ sample.X.T / d, -1, 1)) @ a
    wrong = sign(f) != sign(fresh @ sample.teacher)
    return Outcome(float(wrong.mean()), *_memory(sign(output) != sample.y, sample))


def random_features(
    loss: str, kappa: float, lam: float, sample: Sample, rng: np.random.Generator, test_rows: int
) -> Outcome:
    """Sign features of p = κd random directions."""
    d = sample.X.shape[1]
    p = round(kappa * d)
    if p < 1:
        raise InputError(f"kappa d = {kappa * d:g} rounds to no feature; raise kappa or d")
    F = rng.normal(size=(p, d))

    def features(X):
        return sign(X @ F.T) / np.sqrt(p)

    B = features(sample.X)
    if loss == "square":
        w = ridge(B, sample.y, lam)
    elif loss == "hinge":
        w = hinge(B * sample.y[:, None], lam)
    else:
        raise InputError(f"loss must be square or hinge for random features, given {loss!r}")
    fresh = rng.normal(size=(test_rows, d))
    wrong = sign(features(fresh) @ w) != sign(fresh @ sample.teacher)
    return Outcome(float(wrong.mean()), *_memory(sign(B @ w) != sample.y, sample))


def _memory(lost: np.ndarray, sample: Sample) -> tuple[float, int]:
    count = int(sample.facts.sum())
    return (float(lost[sample.facts].mean()) if count else float("nan")), count


# ---- solvers
# -----------------------------------------------------------------------------------------------------


def _cholesky_solve(A: np.ndarray, b: np.ndarray) -> np.ndarray:
    """A⁻¹ b, A positive definite; A is overwritten. Raises LinAlgError if it is not."""
    factor = linalg.cho_factor(
        A.T, overwrite_a=True, check_finite=False
    )  # column by column, as LAPACK wants it
    return linalg.cho_solve(factor, b, check_finite=False)


def ridge(B: np.ndarray, y: np.ndarray, lam: np.ndarray | float) -> np.ndarray:
    """argmin ½||Bw − y||² + λ/2 ||w||², (n, d), (n,) -> (d,); an array of λ, from one eigh, -> (L,
    d).
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
    B: np.ndarray, lam: float, v_star: float, *, start: np.ndarray | None = None, most: int = 100
) -> np.ndarray:
    """argmin Σ h(B w) + λ/2 ||w||², h the hinge with its kink rounded over [1 − V⋆, 1]: (n, d) ->
    (d,).

    Semismooth Newton with backtracking; B holds y x. The objective is piecewise quadratic: the last
    step is exact.
    """
    n, d = B.shape
    w, curvature, counted = (
        np.zeros(d) if start is None else start,
        np.zeros((d, d)),
        np.zeros(n, bool),
    )

    def objective(w: np.ndarray) -> tuple[float, np.ndarray]:
        gap = 1 - B @ w
        loss = np.where(
            gap >= v_star, gap - v_star / 2, np.maximum(gap, 0) ** 2 / (2 * v_star)
        ).sum()
        return loss + lam / 2 * (w @ w), gap

    value, gap = objective(w)
    for _ in range(most):
        force = np.clip(gap / v_star, 0, 1)
        gradient = lam * w - B.T @ force
        if np.abs(gradient).max() < 1e-12 * (1 + np.abs(w).max()) * max(1.0, lam):
            break
        middle = (gap > 0) & (gap < v_star)
        curvature += _outer(B[middle & ~counted]) - _outer(
            B[counted & ~middle]
        )  # few rows change their piece
        counted = middle
        hessian = curvature / v_star
        hessian.flat[:: d + 1] += lam
        step = _cholesky_solve(hessian, gradient)
        rate, slope = 1.0, gradient @ step
        while True:
            trial, trial_gap = objective(w - rate * step)
            if trial <= value - 1e-4 * rate * slope or rate < 1e-10:
                break
            rate /= 2
        stalled = value - trial <= 1e-15 * abs(value)
        w, value, gap = w - rate * step, trial, trial_gap
        if stalled:
            break
    return w


def _outer(rows: np.ndarray) -> np.ndarray:
    return rows.T @ rows


def hinge(B: np.ndarray, lam: float, tolerance: float = 1e-9, most: int = 20_000) -> np.ndarray:
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
        return Q @ hinge(R.T, lam, tolerance, most)
    eigen, V = linalg.eigh(B.T @ B)
    eigen, scale = np.maximum(eigen, 0), np.sqrt(n)
    rho, r, u, look = 1.0, np.zeros(n), np.zeros(n), 25
    for count in range(1, most + 1):
        w = V @ ((V.T @ (B.T @ (r - u))) * (rho / (lam + rho * eigen)))
        margin = B @ w
        relaxed = 1.6 * margin - 0.6 * r
        target = relaxed + u
        old, r = (
            r,
            np.where(target > 1, target, np.minimum(target + 1 / rho, 1.0)),
        )  # prox of the hinge
        u = u + relaxed - r
        if count == look:
            exact = _on_the_kink(B, lam, r == 1, r < 1)
            if exact is not None:
                return exact
            look += max(25, look // 4)
        if count == ROUNDED:
            exact = _rounded(B, lam)
            if exact is not None:
                return exact
        if count % 25 == 0:
            primal, dual = np.linalg.norm(margin - r), rho * np.linalg.norm(B.T @ (r - old))
            if max(primal, dual) < tolerance * scale:
                exact = _on_dependent_rows(B, lam, r == 1, r < 1)
                return w if exact is None else exact
            if count < most // 2 and primal > 10 * dual:
                rho, u = 2 * rho, u / 2
            elif count < most // 2 and dual > 10 * primal:
                rho, u = rho / 2, 2 * u
    primal, dual = np.linalg.norm(margin - r), rho * np.linalg.norm(B.T @ (r - old))
    if max(primal, dual) < 1e-5 * scale:
        return w
    raise ArithmeticError(
        f"hinge solver: residuals {primal:.1e}, {dual:.1e} after {most} iterations; raise lam "
        f"({lam})"
    )


def _rounded(B: np.ndarray, lam: float) -> np.ndarray | None:
    """The same, from minima of ever less rounded hinges, each starting at the last; None if they do
    not lead there.
    """
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
    """The w with B w = 1 on the kink, where it is the hinge's minimum; None where these rows are
    not the right ones.
    """
    rows, pull = B[kink], B[beyond].sum(0)
    if len(rows) > B.shape[1]:
        return None
    try:
        factor = linalg.cho_factor(rows @ rows.T, check_finite=False)
    except linalg.LinAlgError:
        return None
    force = linalg.cho_solve(factor, lam - rows @ pull, check_finite=False)
    w = (pull + force @ rows) / lam
    w += (
        linalg.cho_solve(factor, 1 - rows @ w, check_finite=False) @ rows
    )  # digits that a small λ took
    pushed = np.all((force > -1e-9) & (force < 1 + 1e-9))
    return w if pushed and _on_its_sides(B @ w, kink, beyond) else None


def _on_dependent_rows(
    B: np.ndarray, lam: float, kink: np.ndarray, beyond: np.ndarray
) -> np.ndarray | None:
    """The same where the rows, equal ones say, determine w, not their forces: any in [0, 1] with
    that sum will do.
    """
    rows, pull = B[kink], B[beyond].sum(0)
    if not len(rows):
        return None
    inverse = np.linalg.pinv(rows, rcond=1e-9)
    w = inverse.sum(1) + (pull - inverse @ (rows @ pull)) / lam
    if not _on_its_sides(B @ w, kink, beyond):
        return None
    force = optimize.lsq_linear(rows.T, lam * w - pull, (0, 1), method="bvls", tol=1e-14).x
    return (
        w if np.abs(pull + force @ rows - lam * w).max() < 1e-9 * (1 + np.abs(pull).max()) else None
    )


def _on_its_sides(margin: np.ndarray, kink: np.ndarray, beyond: np.ndarray) -> bool:
    """Whether margins B w are 1 on the kink, below 1 beyond it and above 1 elsewhere, up to
    rounding.
    """
    gap = 1 - margin
    signed = np.where(beyond, -gap, gap)  # positive where a row is on the wrong side
    signed[kink] = np.abs(gap[kink])
    return bool(signed.max(initial=0) < 1e-9 * (1 + np.abs(gap).max()))


def logistic(B: np.ndarray, lam: float, most: int = 100) -> np.ndarray:
    """argmin Σ log(1 + exp(−B w)) + λ/2 ||w||², by damped Newton."""
    w = np.zeros(B.shape[1])
    value = len(B) * np.log(2)
    for _ in range(most):
        force = special.expit(-(B @ w))
        gradient = lam * w - B.T @ force
        if np.abs(gradient).max() < 1e-10:
            break
        hessian = (B * (force * (1 - force))[:, None]).T @ B + lam * np.eye(len(w))
        step, rate = _cholesky_solve(hessian, gradient), 1.0
        while True:
            new = w - rate * step
            trial = np.logaddexp(0, -(B @ new)).sum() + lam / 2 * (new @ new)
            if trial <= value or rate < 1e-10:
                break
            rate /= 2
        w, value = new, trial
    return w


def box_qp(Q: np.ndarray, box: float, most: int = 60) -> np.ndarray:
    """argmin ½ aᵀQa − Σa over 0 ≤ a ≤ box, (n,): primal-dual active sets, projected gradients if
    they cycle.
    """
    diagonal = np.diag(Q).mean()
    a = np.clip(1 / np.diag(Q), 0, box)
    seen = set()
    for _ in range(most):
        z = a - (Q @ a - 1) / diagonal
        low, high = z <= 0, z >= box
        key = low.tobytes() + high.tobytes()
        free = ~(low | high)
        new = np.where(high, box, 0.0)
        if free.any():
            right = 1 - Q[np.ix_(free, high)].sum(1) * box
            new[free] = _cholesky_solve(Q[np.ix_(free, free)], right)
        if key in seen:
            kkt = np.clip(new - (Q @ new - 1) / diagonal, 0, box) - new
            if np.abs(kkt).max() < 1e-9 * (1 + np.abs(new).max()):
                return np.clip(new, 0, box)
            break
        seen.add(key)
        a = new
    return _projected_gradient(Q, box, np.clip(a, 0, box))


def _projected_gradient(Q: np.ndarray, box: float, a: np.ndarray, most: int = 50_000) -> np.ndarray:
    """The same by accelerated projected gradients with restart."""
    step = 1 / linalg.eigvalsh(Q, subset_by_index=[len(Q) - 1, len(Q) - 1])[0]
    ahead, t = a, 1.0
    for _ in range(most):
        new = np.clip(ahead - step * (Q @ ahead - 1), 0, box)
        if np.abs(new - a).max() < 1e-12 * (1 + np.abs(new).max()):
            return new
        if (ahead - new) @ (new - a) > 0:
            t = 1.0
        following = (1 + np.sqrt(1 + 4 * t**2)) / 2
        ahead, a, t = new + (t - 1) / following * (new - a), new, following
    return a


def gamp(sample: Sample, eps: float, most: int = 300) -> float:
    """E_gen of Bayes-optimal message passing for the rule (generalized AMP, prior N(0, 1))."""
    n, d = sample.X.shape
    A = sample.X / np.sqrt(d)
    square = A**2
    mean, variance, g = np.zeros(d), np.ones(d), np.zeros(n)
    for _ in range(most):
        V = square @ variance
        omega = A @ mean - V * g
        root = np.sqrt(V)
        t = sample.y * omega / root
        Z = eps / 2 + (1 - eps) * special.ndtr(t)
        g = (1 - eps) * sample.y * np.exp(-(t**2) / 2) / np.sqrt(2 * np.pi) / (root * Z)
        slope = -omega * g / V - g**2
        precision = -(square.T @ slope)
        field = precision * mean + A.T @ g
        old, variance = mean, 1 / (1 + precision)
        mean = 0.7 * field * variance + 0.3 * old
        if np.abs(mean - old).max() < 1e-8:
            break
    overlap = mean @ sample.teacher / (np.linalg.norm(mean) * np.linalg.norm(sample.teacher))
    return float(np.arccos(np.clip(overlap, -1, 1)) / np.pi)
