"""The Rules-and-Facts model in the proportional limit (Farné, Boncoraglio, Zdeborová, arXiv 2603.25579).

Gaussian inputs x ∈ R^d, n = αd labels: sign of a teacher (rule) with probability 1 − ε, a fair coin (fact) with ε. A
learner f minimizes Σ ℓ(y, f) + λ/2 ||w||². Order parameters on a fresh input: m, covariance of f with the teacher; q,
variance of f; V, response. Then

    E_gen = arccos(m/√q)/π,    E_mem = ½ erfc(V |ℓ'(0)| / √(2q)).

Kernels and random features enter through μ1 and μ⋆ (linear part and norm of the rest), by the angle tan γ = μ⋆/μ1;
linear is μ⋆ = 0. Every fixed point is iterated in λ-scaled variables (v = λV, hats over powers of λ), which stay finite
as λ → 0, for all points of a grid at once; the state carries q − m², so that E_gen keeps its digits as it goes to 0.

The equations are derived independently of the paper and agree with its released state-evolution code.
"""

import math
from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from scipy import optimize, special

from rote.errors import InputError

LOSSES = ("square", "hinge", "logistic")
SLOPE = {"square": 1.0, "hinge": 1.0, "logistic": 0.5}  # |ℓ'(0)|
_TINY = 1e-300

KERNELS: dict[str, Callable[[np.ndarray], np.ndarray]] = {  # h(t) of K(x, x') = h(x·x'/d)
    "erf": lambda t: 2 / np.pi * np.arcsin(2 * t / 3),
    "relu": lambda t: (np.sqrt(np.maximum(1 - t**2, 0)) + t * (np.pi - np.arccos(t))) / (2 * np.pi),
    "sign": lambda t: 2 / np.pi * np.arcsin(t),
    "rbf": lambda t: np.exp(-(1 - t)),
    "cubic": lambda t: 0.64 * t + 0.36 * t**3,
}
GEOMETRY = {  # (μ1, μ⋆): h'(0) = μ1², h(1) − h(0) − h'(0) = μ⋆²
    "erf": (np.sqrt(4 / (3 * np.pi)), np.sqrt(2 / np.pi * np.arcsin(2 / 3) - 4 / (3 * np.pi))),
    "relu": (0.5, np.sqrt(0.25 - 1 / (2 * np.pi))),
    "sign": (np.sqrt(2 / np.pi), np.sqrt(1 - 2 / np.pi)),
    "rbf": (np.exp(-0.5), np.sqrt(1 - 2 / np.e)),
    "cubic": (0.8, 0.6),
}


class Solution(NamedTuple):
    """Order parameters and errors over a grid; every field has the broadcast shape of the arguments.

    A point that did not converge holds NaN in every number but `iterations` and `residual`.
    """

    e_gen: np.ndarray  # disagreement with the rule on fresh inputs
    e_mem: np.ndarray  # share of training facts that are not reproduced
    m: np.ndarray
    q: np.ndarray
    v: np.ndarray  # response V; infinite at λ = 0
    iterations: np.ndarray  # sweeps; 0 where a closed form was used
    residual: np.ndarray  # largest relative change of the last sweep
    converged: np.ndarray


def solve(
    loss: str,
    alpha: np.ndarray | float,
    eps: np.ndarray | float,
    lam: np.ndarray | float,
    *,
    gamma: np.ndarray | float | None = None,
    mu1: np.ndarray | float | None = None,
    mustar: np.ndarray | float | None = None,
    kappa: np.ndarray | float | None = None,
    kernel: str | None = None,
    closed_form: bool = True,
    tolerance: float = 1e-10,
    most: int = 20_000,
) -> Solution:
    """Solve the model for whole grids: all arguments broadcast.

    Args:
        loss: square, hinge or logistic.
        alpha: samples per dimension n/d, > 0.
        eps: fraction of facts, in [0, 1].
        lam: ridge λ ≥ 0; 0 is the interpolator (min-norm, hard margin) and needs interpolable data.
        gamma: kernel angle in degrees, [0, 90): μ1 = cos γ, μ⋆ = sin γ. Give either this or `mu1`, `mustar`.
        mu1, mustar: linear part ≠ 0 and norm of the rest ≥ 0; default 1 and 0, the linear learner.
        kappa: features per dimension p/d of a random-feature learner; None is the kernel limit.
        kernel: a named kernel (erf, relu, sign, rbf, cubic) instead of `gamma` or `mu1`, `mustar`.
        closed_form: use the closed form of the square loss where there is one.
        tolerance: relative change of the order parameters at which a point has converged.
        most: sweeps after which it has not.

    Raises:
        InputError: naming the parameter and its valid range; also for λ = 0 where the data cannot be interpolated.
    """
    if loss not in LOSSES:
        raise InputError(f"loss must be one of {', '.join(LOSSES)}, given {loss!r}")
    mu1, mustar = _geometry(gamma, mu1, mustar, kernel)
    given = {"alpha": alpha, "eps": eps, "lam": lam, "mu1": mu1, "mustar": mustar}
    given |= {} if kappa is None else {"kappa": kappa}
    try:
        arrays = np.broadcast_arrays(*(np.asarray(value, float) for value in given.values()))
    except ValueError as error:
        raise InputError(f"shapes of {', '.join(given)} do not broadcast: {error}") from error
    shape = arrays[0].shape
    point = dict(zip(given, (array.ravel() for array in arrays), strict=True))
    _check(loss, point)
    if loss == "square" and kappa is None and closed_form:
        fields = _square(**point)
    else:
        fields = _iterate(loss, point, tolerance, most)
    return Solution(*(np.asarray(field).reshape(shape) for field in fields))


def _geometry(gamma, mu1, mustar, kernel):
    if kernel is not None:
        if kernel not in GEOMETRY:
            raise InputError(f"kernel must be one of {', '.join(GEOMETRY)}, given {kernel!r}")
        if (gamma, mu1, mustar) != (None, None, None):
            raise InputError("give either kernel, or gamma, or mu1 and mustar, not two of them")
        return GEOMETRY[kernel]
    if gamma is None:
        return 1.0 if mu1 is None else mu1, 0.0 if mustar is None else mustar
    if mu1 is not None or mustar is not None:
        raise InputError("give either gamma or mu1 and mustar, not both")
    gamma = np.asarray(gamma, float)
    if not ((gamma >= 0) & (gamma < 90)).all():
        raise InputError(f"gamma must be in [0, 90) degrees, given {_worst(gamma, (gamma >= 0) & (gamma < 90))}")
    return np.cos(np.radians(gamma)), np.sin(np.radians(gamma))


def _check(loss: str, point: dict[str, np.ndarray]) -> None:
    """Refuse what has no solution, naming parameter and range."""
    rules = {
        "alpha": (lambda x: x > 0, "> 0"),
        "eps": (lambda x: (x >= 0) & (x <= 1), "in [0, 1]"),
        "lam": (lambda x: x >= 0, "≥ 0"),
        "mu1": (lambda x: x != 0, "non-zero (without a linear part the rule cannot be learnt: E_gen = 1/2)"),
        "mustar": (lambda x: x >= 0, "≥ 0"),
        "kappa": (lambda x: x > 0, "> 0"),
    }
    for name, values in point.items():
        good = np.isfinite(values) & rules[name][0](values)
        if not good.all():
            raise InputError(f"{name} must be finite and {rules[name][1]}, given {_worst(values, good)}")
    zero = point["lam"] == 0
    if "kappa" in point:
        if zero.any():
            raise InputError("lam must be > 0 for random features (use 1e-6 for the interpolation limit), given 0")
        if (point["mustar"] == 0).any():
            raise InputError("mustar must be > 0 for random features; a linear activation is the linear learner")
        return
    if zero.any() and loss == "logistic":
        raise InputError("lam must be > 0 for the logistic loss (it has no finite minimizer at 0), given 0")
    linear = zero & (point["mustar"] == 0)
    if linear.any():
        alpha, eps = point["alpha"][linear], point["eps"][linear]
        limit = np.ones_like(alpha) if loss == "square" else capacity(eps)
        if (alpha >= limit).any():
            worst = int(np.argmax(alpha >= limit))
            raise InputError(
                f"lam = 0 needs data that a linear learner can interpolate: alpha < {limit[worst]:.6g} for the "
                f"{loss} loss at eps = {eps[worst]:g}, given alpha = {alpha[worst]:g}; use lam > 0, for instance 1e-4"
            )


def _worst(values: np.ndarray, good: np.ndarray) -> float:
    return float(np.ravel(values)[np.argmin(np.ravel(good))])


# ---- square loss in closed form ----------------------------------------------------------------------------------


def _square(alpha, eps, lam, mu1, mustar):
    """Kernel ridge regression: everything is a function of Λ = (λ + μ⋆²)/μ1², but E_mem also of λ alone."""
    c = (1 - eps) * math.sqrt(2 / math.pi)
    ridge = (lam + mustar**2) / mu1**2
    b = 1 + alpha + ridge
    s = (b + np.sqrt(b**2 - 4 * alpha)) / 2
    gap = 1 + ridge - alpha
    root = np.sqrt(gap**2 + 4 * ridge * alpha)
    with np.errstate(invalid="ignore", divide="ignore"):
        D = np.where(gap >= 0, (gap + root) / 2, 2 * ridge * alpha / (root - gap))  # s − α without cancellation
        # s² − α = s(s − α/s) and s − α/s = D + α(1 − 1/s) cancel nothing either
        spread = s * np.sqrt(b**2 - 4 * alpha)
        m = alpha * c / s
        q = (alpha**2 * c**2 + alpha - 2 * alpha**2 * c**2 / s) / spread
        rest = alpha * ((s - alpha * c**2) ** 2 + alpha**2 * c**2 * (1 - c**2)) / (s**2 * spread)  # q − m²
        V = np.where(lam > 0, mu1**2 * D / np.where(lam > 0, lam, 1.0) - 1, np.inf)
    zeros = np.zeros(len(alpha))
    return (*_errors("square", m, rest, V), m, q, V, zeros.astype(int), zeros, np.ones(len(alpha), bool))


def _errors(loss: str, m: np.ndarray, rest: np.ndarray, V: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """E_gen and E_mem from m, q − m² and V."""
    q = m**2 + rest
    e_gen = np.arctan2(np.sqrt(np.maximum(rest, 0)), m) / np.pi
    with np.errstate(invalid="ignore"):
        return e_gen, np.where(np.isinf(V), 0.0, special.erfc(V * SLOPE[loss] / np.sqrt(2 * q)) / 2)


# ---- fixed points ------------------------------------------------------------------------------------------------


def _iterate(loss: str, point: dict[str, np.ndarray], tolerance: float, most: int):
    """Plain iteration of all points at once; converged points are frozen."""
    size = len(point["alpha"])
    kappa = point.get("kappa")
    sweep = _kernel_sweep if kappa is None else _features_sweep
    # linear part of the state: m, q − m², v = λV (kernel); m_s, q_s, v_s, q_w, v_w (random features)
    if kappa is None:
        start = [0.1 * np.abs(point["mu1"]), 0.79 * point["mu1"] ** 2, np.zeros(size)]
        v_s = np.where(point["lam"] > 0, np.minimum(3 * point["lam"], 1.0), 0.5)
        start[2] = point["mu1"] ** 2 * v_s + point["mustar"] ** 2
    else:
        start = [np.full(size, value) for value in (0.1, 0.8, 0.5, 0.8, 0.5)]
    state = np.stack(start)  # (parameters, points)
    residual, iterations = np.full(size, np.inf), np.zeros(size, int)
    active = np.arange(size)
    for count in range(1, most + 1):
        here = {name: values[active] for name, values in point.items()}
        with np.errstate(all="ignore"):
            new = sweep(loss, state[:, active], **here)
            change = np.abs(new - state[:, active]) / np.maximum(np.abs(new), _TINY)
            change[0] = np.abs(new[0] - state[0, active]) / np.maximum(np.abs(new[0]), 1e-12)  # m may be 0 (ε = 1)
        worst = np.where(np.isfinite(new).all(axis=0), change.max(axis=0), np.inf)
        state[:, active], residual[active], iterations[active] = new, worst, count
        lost = ~np.isfinite(new).all(axis=0)
        active = active[(worst >= tolerance) & ~lost]
        if not len(active):
            break
    converged = residual < tolerance
    m, rest, v = state if kappa is None else _features_output(state, point)
    with np.errstate(all="ignore"):
        V = np.where(point["lam"] > 0, v / np.where(point["lam"] > 0, point["lam"], 1.0), np.inf)
        fields = [*_errors(loss, m, rest, V), m, m**2 + rest, V]
    return (*(np.where(converged, field, np.nan) for field in fields), iterations, residual, converged)


def _kernel_sweep(loss, state, alpha, eps, lam, mu1, mustar):
    """One sweep of the kernel-limit equations, (m, q − m², v) -> the same."""
    m, rest, v = state
    mt, qt, vt = HATS[loss](alpha, eps, lam, m, rest, v)
    shrink = 1 + mu1**2 * vt
    return np.stack([mu1**2 * mt / shrink, mu1**4 * qt / shrink**2, mu1**2 / shrink + mustar**2])


def _features_sweep(loss, state, alpha, eps, lam, mu1, mustar, kappa):
    """One sweep at finite width, (m_s, q_s, v_s, q_w, v_w) -> the same; forms without cancellation."""
    m, rest, v = _features_output(state, {"mu1": mu1, "mustar": mustar})
    mt, qt, vt = HATS[loss](alpha / kappa, eps, lam, m, rest, v)
    ms, qs, vs = mu1 * kappa * mt, mu1**2 * kappa * qt, mu1**2 * kappa * vt
    qw, vw = mustar**2 * qt, mustar**2 * vt
    g, b = 1 / kappa, 1 + vw
    y = vs / b  # 1/z of the Stieltjes transform; every form below is finite at y = 0
    delta = np.sqrt((1 + g) ** 2 * y**2 + 2 * (1 + g) * y + 1 - 4 * g * y**2)
    h = 2 / (1 + (1 + g) * y + delta)
    bend = ((1 - g) ** 2 * y + 2 * (1 + g)) / (delta * (delta + 1))
    s = ms**2 + qs
    return np.stack(
        [
            ms * h / b,
            (s * h * bend + qw * h / delta) / b**2,
            h / b,
            (qw * (1 - 2 * g * h * y + g * h * bend * y**2) + s * g * h / delta) / b**2,
            (1 - g * h * y) / b,
        ]
    )


def _features_output(state, point):
    ms, qs, vs, qw, vw = state
    m = point["mu1"] * ms
    rest = point["mu1"] ** 2 * (qs - ms**2) + point["mustar"] ** 2 * qw
    return m, rest, point["mu1"] ** 2 * vs + point["mustar"] ** 2 * vw


def _square_hats(alpha, eps, lam, m, rest, v):
    c = (1 - eps) * math.sqrt(2 / math.pi)
    return (
        alpha * c / (lam + v),
        alpha * (1 + m**2 + rest - 2 * c * m) / (lam + v) ** 2,
        alpha / (lam + v),
    )


_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(64)


def _density(zeta, beta, eps):
    """Of ζ = yω/√q: skew normal for rules, normal for facts."""
    return _phi(zeta) * ((1 - eps) * 2 * special.ndtr(beta * zeta) + eps)


def _phi(x):
    return np.exp(-(x**2) / 2) / math.sqrt(2 * math.pi)


def _hinge_hats(alpha, eps, lam, m, rest, v):
    """Closed form with Owen's T; Gauss-Legendre where its differences would cancel (V < 1e-3)."""
    q = m**2 + rest
    root, beta = np.sqrt(q), m / np.sqrt(rest)
    beta = np.minimum(beta, 1e7)  # η ≤ 1 − 1e-14
    k = np.sqrt(1 + beta**2)
    sigma, skew = 1 / k, math.sqrt(2 / math.pi) * beta / k  # √(2/π)·√η
    positive = lam > 0
    safe = np.where(positive, lam, 1.0)
    V = np.where(positive, v / safe, np.inf)
    a1 = np.maximum(np.where(positive, (1 - V) / root, -38.0), -38.0)
    a2 = 1 / root
    lower, upper = _primitives(a1, eps, beta, k, skew), _primitives(a2, eps, beta, k, skew)
    d0, d1, d2 = (high - low for high, low in zip(upper, lower, strict=True))
    quadratic = d0 - 2 * root * d1 + q * d2  # ∫ p(ζ)(1 − √q ζ)²
    A1, A2 = a1 * k, a2 * k
    linear = special.ndtr(A2) - special.ndtr(A1) + root * sigma * (_phi(A2) - _phi(A1))
    narrow = V < 1e-3
    if narrow.any():
        low, high = a1[narrow, None], a2[narrow, None]
        half = (high - low) / 2
        zeta = (high + low) / 2 + half * _NODES
        density = _density(zeta, beta[narrow, None], eps[narrow, None]) * half * _WEIGHTS
        gap = half * (1 - _NODES)  # (1 − √q ζ)/√q, exactly 0 at a2
        d0[narrow] = density.sum(1)
        quadratic[narrow] = q[narrow] * (density * gap**2).sum(1)
        around = _phi(zeta * k[narrow, None]) * k[narrow, None] * half * _WEIGHTS
        linear[narrow] = root[narrow] * (around * gap).sum(1)
    scale = 2 * alpha * (1 - eps) / math.sqrt(2 * math.pi)
    wide_m = np.where(positive, special.ndtr(A1) / safe, 0.0)
    wide_q = np.where(positive, lower[0] / safe**2, 0.0)
    return scale * (wide_m + linear / v), alpha * (wide_q + quadratic / v**2), alpha * d0 / v


def _primitives(a, eps, beta, k, skew):
    """∫_{-∞}^a p(ζ) ζ^i dζ for i = 0, 1, 2."""
    below, density = special.ndtr(a), _phi(a)
    tilted, narrow = special.ndtr(beta * a), _phi(k * a)
    s0 = below - 2 * special.owens_t(a, beta)
    s1 = -2 * density * tilted + skew * special.ndtr(k * a)
    s2 = s0 - 2 * a * density * tilted - math.sqrt(2 / math.pi) * beta / k**2 * narrow
    rule, fact = (s0, s1, s2), (below, -density, below - a * density)
    return [(1 - eps) * r + eps * f for r, f in zip(rule, fact, strict=True)]


_ZETA, _ZETA_WEIGHTS = (9 * part for part in np.polynomial.legendre.leggauss(300))


def _logistic_hats(alpha, eps, lam, m, rest, v, chunk: int = 2000):
    """Quadrature in ζ; the proximal operator by Newton."""
    parts = []
    for start in range(0, len(m), chunk):
        a, e, la, mm, re, vv = (x[start : start + chunk, None] for x in (alpha, eps, lam, m, rest, v))
        q = mm**2 + re
        beta = np.minimum(mm / np.sqrt(re), 1e7)
        k, V = np.sqrt(1 + beta**2), vv / la
        moments = []
        for zeta in (_ZETA / k, np.broadcast_to(_ZETA, (len(mm), len(_ZETA)))):  # on the scale of each density
            field = np.sqrt(q) * zeta
            z = field + V * special.expit(-field)
            for _ in range(60):
                s = special.expit(-z)
                step = (z - field - V * s) / (1 + V * s * (1 - s))
                z = z - step
                if np.abs(step).max() < 1e-13 * (1 + np.abs(z).max()):
                    break
            moments.append((special.expit(-z), V))
        (g_narrow, _), (g, _) = moments
        curvature = g * (1 - g)
        density = _density(_ZETA, beta, e) * _ZETA_WEIGHTS
        scale = 2 * a[:, 0] * (1 - e[:, 0]) / math.sqrt(2 * math.pi)
        parts.append(
            np.stack(
                [
                    scale * (g_narrow * _phi(_ZETA) * _ZETA_WEIGHTS).sum(1) / la[:, 0],
                    a[:, 0] * (density * g**2).sum(1) / la[:, 0] ** 2,
                    a[:, 0] * (density * curvature / (1 + V * curvature)).sum(1) / la[:, 0],
                ]
            )
        )
    return np.concatenate(parts, axis=1)


HATS: dict[str, Callable] = {"square": _square_hats, "hinge": _hinge_hats, "logistic": _logistic_hats}


# ---- closed forms and limits -------------------------------------------------------------------------------------


def optimal_ridge(eps: np.ndarray | float, mu1: np.ndarray | float, mustar: np.ndarray | float) -> np.ndarray:
    """λ_opt = μ1²(π/(2(1−ε)²) − 1) − μ⋆² of the square loss, for every α; 0 where this is negative."""
    eps = _fraction(eps, closed=False)
    return np.maximum(np.asarray(mu1) ** 2 * (np.pi / (2 * (1 - eps) ** 2) - 1) - np.asarray(mustar) ** 2, 0.0)


def optimal_angle(eps: np.ndarray | float) -> np.ndarray:
    """γ_opt in degrees, cos γ_opt = (1 − ε)√(2/π): the interpolator is optimal, and remembers every fact."""
    return np.degrees(np.arccos((1 - _fraction(eps)) * math.sqrt(2 / math.pi)))


def capacity(eps: np.ndarray | float) -> np.ndarray:
    """α_c(ε): below it the training set is linearly separable (∞ at ε = 0, Gardner's 2 at ε = 1)."""
    eps = _fraction(eps)
    unique, where = np.unique(eps, return_inverse=True)
    return np.array([_capacity(value) for value in unique])[where].reshape(eps.shape)


def _capacity(eps: float) -> float:
    if eps == 0:
        return math.inf
    nodes, weights = np.polynomial.legendre.leggauss(200)
    u, weights = 5 * (nodes + 1), 5 * weights
    weights = weights * 2 * _phi(u)  # |u|, half normal

    def ramp(a):  # E(Z + a)₊²
        return (1 + a**2) * special.ndtr(a) + a * _phi(a)

    def inverse(t):
        return weights @ ((1 - eps / 2) * ramp(-t * u) + eps / 2 * ramp(t * u))

    best = optimize.minimize_scalar(
        inverse, bounds=(0, 20 / math.sqrt(eps)), method="bounded", options={"xatol": 1e-10}
    )
    return 1 / min(best.fun, inverse(0.0))


def bayes_optimal(alpha: np.ndarray | float, eps: np.ndarray | float) -> np.ndarray:
    """E_gen of the Bayes-optimal learner of the rule, NaN where the iteration did not converge."""
    return np.arctan2(np.sqrt(1 - (q := bayes_overlap(alpha, eps))), np.sqrt(q)) / np.pi


def bayes_overlap(alpha: np.ndarray | float, eps: np.ndarray | float, most: int = 500) -> np.ndarray:
    """q_b, squared overlap of the Bayes-optimal learner with the teacher. The integration variable follows the peak."""
    alpha, eps = np.broadcast_arrays(np.asarray(alpha, float), _fraction(eps))
    if not (np.isfinite(alpha) & (alpha > 0)).all():
        raise InputError(f"alpha must be finite and > 0, given {_worst(alpha, np.isfinite(alpha) & (alpha > 0))}")
    shape, alpha, eps = alpha.shape, alpha.reshape(-1, 1), eps.reshape(-1, 1)
    nodes, weights = np.polynomial.legendre.leggauss(400)
    u, weights = 12 * nodes, 12 * weights
    hat = np.ones(len(alpha))  # q = hat/(1 + hat), 1 − q = 1/(1 + hat)
    converged = np.zeros(len(alpha), bool)
    for _ in range(most):
        q = (hat / (1 + hat))[:, None]
        below = eps + (1 - eps) * special.erfc(-u * np.sqrt(q / 2))
        with np.errstate(divide="ignore", invalid="ignore"):
            integrand = np.where(below > 0, np.exp(-(1 + q) * u**2 / 2) / below, 0.0)
        new = 4 * (1 - eps[:, 0]) ** 2 * alpha[:, 0] * np.sqrt(1 + hat) / (2 * np.pi) ** 1.5 * (integrand @ weights)
        change, hat = np.abs(new - hat) / np.maximum(new, _TINY), new
        converged = (change < 1e-12) | (new == 0)
        if converged.all():
            break
    return np.where(converged, hat / (1 + hat), np.nan).reshape(shape)


def bayes_rate(eps: np.ndarray | float) -> np.ndarray:
    """lim α E_gen of the Bayes-optimal learner, 1/(π C_ε)."""
    eps = _fraction(eps, closed=False)
    nodes, weights = np.polynomial.legendre.leggauss(400)
    u = 12 * nodes
    flat = eps.reshape(-1, 1)
    below = flat + (1 - flat) * special.erfc(-u / math.sqrt(2))
    with np.errstate(divide="ignore", invalid="ignore"):
        integral = np.where(below > 0, np.exp(-(u**2)) / below, 0.0) @ (12 * weights)
    return ((2 * np.pi) ** 1.5 / (4 * np.pi * (1 - flat[:, 0]) ** 2 * integral)).reshape(eps.shape)


def square_rate(eps: np.ndarray | float) -> np.ndarray:
    """lim √α E_gen of ridge regression at any fixed Λ."""
    return np.sqrt(np.pi / (2 * (1 - _fraction(eps, closed=False)) ** 2) - 1) / np.pi


class HingeLimit(NamedTuple):
    """Hinge loss as α → ∞ at fixed V⋆ = μ⋆²/λ."""

    rate: float  # lim √α E_gen
    overlap: float  # M, lim m
    e_mem: float


def hinge_limit(eps: float, v_star: float) -> HingeLimit:
    """The prefactor of the hinge rate: V⋆ = 0 is the linear learner, ∞ the hard margin. Needs 0 < ε < 1.

    With F = −ℓ' of the Huberized hinge (slope 1/V⋆ on [1 − V⋆, 1]) and margin z = ±M|u|, M solves
    E[±|u| F(z)] = 0 and √α E_gen → √E F² / (π M E[−F']). Expectations are exact between the kinks of F.
    """
    if not 0 < eps < 1:
        raise InputError(f"eps must be in (0, 1) for the hinge rate, given {eps}")
    if v_star < 0:
        raise InputError(f"v_star must be ≥ 0, given {v_star}")
    right, wrong = 1 - eps / 2, eps / 2
    nodes, weights = np.polynomial.legendre.leggauss(200)

    def expect(function, M, sign):  # E over |u| of function(u), split at the kinks of F(sign M u)
        kinks = [k / (sign * M) for k in ((1.0,) if np.isinf(v_star) else (1.0, 1 - v_star)) if k / (sign * M) > 0]
        edges = [0.0, *sorted(min(k, 12.0) for k in kinks), 12.0]
        total = 0.0
        for low, high in pairwise(edges):
            if high > low:
                u = (high + low) / 2 + (high - low) / 2 * nodes
                total += (function(u) * 2 * _phi(u)) @ weights * (high - low) / 2
        return total

    def force(z):
        if v_star == 0:
            return (z < 1).astype(float)
        return np.maximum(1 - z, 0) if np.isinf(v_star) else np.clip((1 - z) / v_star, 0, 1)

    def balance(M):
        return right * expect(lambda u: u * force(M * u), M, 1) - wrong * expect(lambda u: u * force(-M * u), M, -1)

    M = optimize.brentq(balance, 1e-6, 1e6, xtol=1e-14, rtol=1e-14)
    square = right * expect(lambda u: force(M * u) ** 2, M, 1) + wrong * expect(lambda u: force(-M * u) ** 2, M, -1)
    if v_star == 0:
        slope = right * 2 * _phi(1 / M) / M
    else:
        scale = 1.0 if np.isinf(v_star) else v_star
        floor = -np.inf if np.isinf(v_star) else 1 - v_star
        inside = lambda z: ((z < 1) & (z > floor)) / scale  # noqa: E731
        slope = right * expect(lambda u: inside(M * u), M, 1) + wrong * expect(lambda u: inside(-M * u), M, -1)
    rate = math.sqrt(square) / (math.pi * M * slope)
    return HingeLimit(rate, M, 0.0 if np.isinf(v_star) else special.erfc(v_star / (M * math.sqrt(2))) / 2)


def _fraction(eps: np.ndarray | float, closed: bool = True) -> np.ndarray:
    eps = np.asarray(eps, float)
    good = np.isfinite(eps) & (eps >= 0) & ((eps <= 1) if closed else (eps < 1))
    if not good.all():
        raise InputError(f"eps must be in [0, {'1]' if closed else '1)'}, given {_worst(eps, good)}")
    return eps
