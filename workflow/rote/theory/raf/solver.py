"""Solving the model for whole grids: closed form for the square loss, a fixed point iterated for
all points at once.
"""

import math
from typing import NamedTuple

import numpy as np
from scipy import special

from rote.core.errors import InputError
from rote.theory.raf.hats import HATS
from rote.theory.raf.kernels import GEOMETRY
from rote.theory.raf.limits import capacity, worst

LOSSES = ("square", "hinge", "logistic")
SLOPE = {"square": 1.0, "hinge": 1.0, "logistic": 0.5}  # |ℓ'(0)|
_TINY = 1e-300


class Solution(NamedTuple):
    """Order parameters and errors over a grid; every field has the broadcast shape of the
    arguments.

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
    max_iter: int = 20_000,
) -> Solution:
    """Solve the model for whole grids: all arguments broadcast.

    Args:
        loss: square, hinge or logistic.
        alpha: samples per dimension n/d, > 0.
        eps: fraction of facts, in [0, 1].
        lam: ridge λ ≥ 0; 0 is the interpolator (min-norm, hard margin) and needs interpolable data.
        gamma: kernel angle in degrees, [0, 90): μ1 = cos γ, μ⋆ = sin γ. Give either this or `mu1`,
            `mustar`.
        mu1, mustar: linear part ≠ 0 and norm of the rest ≥ 0; default 1 and 0, the linear learner.
        kappa: features per dimension p/d of a random-feature learner; None is the kernel limit.
        kernel: a named kernel (erf, relu, sign, rbf, cubic) instead of `gamma` or `mu1`, `mustar`.
        closed_form: use the closed form of the square loss where there is one.
        tolerance: relative change of the order parameters at which a point has converged.
        max_iter: sweeps after which it has not.

    Raises:
        InputError: naming the parameter and its valid range; also for λ = 0 where the data cannot
            be interpolated.
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
        fields = _iterate(loss, point, tolerance, max_iter)
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
        raise InputError(
            f"gamma must be in [0, 90) degrees, given {worst(gamma, (gamma >= 0) & (gamma < 90))}"
        )
    return np.cos(np.radians(gamma)), np.sin(np.radians(gamma))


def _check(loss: str, point: dict[str, np.ndarray]) -> None:
    """Refuse what has no solution, naming parameter and range."""
    rules = {
        "alpha": (lambda x: x > 0, "> 0"),
        "eps": (lambda x: (x >= 0) & (x <= 1), "in [0, 1]"),
        "lam": (lambda x: x >= 0, "≥ 0"),
        "mu1": (
            lambda x: x != 0,
            "non-zero (without a linear part the rule cannot be learnt: E_gen = 1/2)",
        ),
        "mustar": (lambda x: x >= 0, "≥ 0"),
        "kappa": (lambda x: x > 0, "> 0"),
    }
    for name, values in point.items():
        good = np.isfinite(values) & rules[name][0](values)
        if not good.all():
            raise InputError(
                f"{name} must be finite and {rules[name][1]}, given {worst(values, good)}"
            )
    zero = point["lam"] == 0
    if "kappa" in point:
        if zero.any():
            raise InputError(
                "lam must be > 0 for random features (use 1e-6 for the interpolation limit), "
                "given 0"
            )
        if (point["mustar"] == 0).any():
            raise InputError(
                "mustar must be > 0 for random features; a linear activation is the linear learner"
            )
        return
    if zero.any() and loss == "logistic":
        raise InputError(
            "lam must be > 0 for the logistic loss (it has no finite minimizer at 0), given 0"
        )
    linear = zero & (point["mustar"] == 0)
    if linear.any():
        alpha, eps = point["alpha"][linear], point["eps"][linear]
        limit = np.ones_like(alpha) if loss == "square" else capacity(eps)
        if (alpha >= limit).any():
            first = int(np.argmax(alpha >= limit))
            raise InputError(
                "lam = 0 needs data that a linear learner can interpolate: alpha < "
                f"{limit[first]:.6g} for the "
                f"{loss} loss at eps = {eps[first]:g}, given alpha = {alpha[first]:g}; use lam > "
                "0, for instance 1e-4"
            )


def _square(alpha, eps, lam, mu1, mustar):
    """Kernel ridge regression: everything is a function of Λ = (λ + μ⋆²)/μ1², but E_mem also of λ
    alone.
    """
    c = (1 - eps) * math.sqrt(2 / math.pi)
    ridge = (lam + mustar**2) / mu1**2
    b = 1 + alpha + ridge
    s = (b + np.sqrt(b**2 - 4 * alpha)) / 2
    gap = 1 + ridge - alpha
    root = np.sqrt(gap**2 + 4 * ridge * alpha)
    with np.errstate(invalid="ignore", divide="ignore"):
        D = np.where(
            gap >= 0, (gap + root) / 2, 2 * ridge * alpha / (root - gap)
        )  # s − α without cancellation
        # s² − α = s(s − α/s) and s − α/s = D + α(1 − 1/s) cancel nothing either
        spread = s * np.sqrt(b**2 - 4 * alpha)
        m = alpha * c / s
        q = (alpha**2 * c**2 + alpha - 2 * alpha**2 * c**2 / s) / spread
        rest = (
            alpha * ((s - alpha * c**2) ** 2 + alpha**2 * c**2 * (1 - c**2)) / (s**2 * spread)
        )  # q − m²
        V = np.where(lam > 0, mu1**2 * D / np.where(lam > 0, lam, 1.0) - 1, np.inf)
    zeros = np.zeros(len(alpha))
    return (
        *_errors("square", m, rest, V),
        m,
        q,
        V,
        zeros.astype(int),
        zeros,
        np.ones(len(alpha), bool),
    )


def _errors(
    loss: str, m: np.ndarray, rest: np.ndarray, V: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """E_gen and E_mem from m, q − m² and V."""
    q = m**2 + rest
    e_gen = np.arctan2(np.sqrt(np.maximum(rest, 0)), m) / np.pi
    with np.errstate(invalid="ignore"):
        return e_gen, np.where(np.isinf(V), 0.0, special.erfc(V * SLOPE[loss] / np.sqrt(2 * q)) / 2)


def _iterate(loss: str, point: dict[str, np.ndarray], tolerance: float, max_iter: int):
    """Plain iteration of all points at once; converged points are frozen."""
    size = len(point["alpha"])
    kappa = point.get("kappa")
    sweep = _kernel_sweep if kappa is None else _features_sweep
    # linear part of the state: m, q − m², v = λV (kernel); m_s, q_s, v_s, q_w, v_w (random
    # features)
    if kappa is None:
        start = [0.1 * np.abs(point["mu1"]), 0.79 * point["mu1"] ** 2, np.zeros(size)]
        v_s = np.where(point["lam"] > 0, np.minimum(3 * point["lam"], 1.0), 0.5)
        start[2] = point["mu1"] ** 2 * v_s + point["mustar"] ** 2
    else:
        start = [np.full(size, value) for value in (0.1, 0.8, 0.5, 0.8, 0.5)]
    state = np.stack(start)  # (parameters, points)
    residual, iterations = np.full(size, np.inf), np.zeros(size, int)
    active = np.arange(size)
    for count in range(1, max_iter + 1):
        here = {name: values[active] for name, values in point.items()}
        with np.errstate(all="ignore"):
            new = sweep(loss, state[:, active], **here)
            change = np.abs(new - state[:, active]) / np.maximum(np.abs(new), _TINY)
            change[0] = np.abs(new[0] - state[0, active]) / np.maximum(
                np.abs(new[0]), 1e-12
            )  # m may be 0 (ε = 1)
        largest = np.where(np.isfinite(new).all(axis=0), change.max(axis=0), np.inf)
        state[:, active], residual[active], iterations[active] = new, largest, count
        lost = ~np.isfinite(new).all(axis=0)
        active = active[(largest >= tolerance) & ~lost]
        if not len(active):
            break
    converged = residual < tolerance
    m, rest, v = state if kappa is None else _features_output(state, point)
    with np.errstate(all="ignore"):
        V = np.where(point["lam"] > 0, v / np.where(point["lam"] > 0, point["lam"], 1.0), np.inf)
        fields = [*_errors(loss, m, rest, V), m, m**2 + rest, V]
    return (
        *(np.where(converged, field, np.nan) for field in fields),
        iterations,
        residual,
        converged,
    )


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
