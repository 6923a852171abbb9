"""Solving the model for whole grids: in closed form, or by iteration of all points at once."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy import special

from rote.core import fields
from rote.core.errors import InputError
from rote.theory.raf.learner import Learner, check_domains
from rote.theory.raf.losses import LOSSES, OrderParameters, RafLoss

_TINY = 1e-300


class Solution(NamedTuple):
    """Order parameters and errors, of the broadcast shape of the arguments.

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


class _Points(NamedTuple):
    """Parameters of the points of a grid, (points,) each."""

    alpha: np.ndarray
    eps: np.ndarray
    lam: np.ndarray
    mu1: np.ndarray
    mustar: np.ndarray
    kappa: np.ndarray  # ∞: the kernel limit

    def select(self, index: np.ndarray) -> "_Points":
        return _Points._make(values[index] for values in self)


@dataclass(frozen=True)
class Solver:
    """How the order parameters are computed.

    Attributes:
        tolerance: relative change of the order parameters at which a point has converged, > 0.
        max_iter: sweeps after which it has not, a whole number ≥ 1.
        closed_form: use the closed form of the square loss where there is one.

    Raises:
        InputError: naming the field and its range.
    """

    tolerance: float = 1e-10
    max_iter: int = 20_000
    closed_form: bool = True

    def __post_init__(self) -> None:
        fields.check({"tolerance": fields.POSITIVE, "max_iter": fields.SIZE}, vars(self))


def solve(
    loss: str,
    alpha: np.ndarray | float,
    eps: np.ndarray | float,
    lam: np.ndarray | float,
    learner: Learner = Learner(),
    solver: Solver = Solver(),
) -> Solution:
    """Solve the model for whole grids: all arguments and the learner's fields broadcast.

    Args:
        loss: square, hinge or logistic.
        alpha: samples per dimension n/d, > 0.
        eps: fraction of facts, in [0, 1].
        lam: ridge λ ≥ 0; 0 is the interpolator (min-norm, hard margin) and needs interpolable data.
        learner: linear, kernel or random features.
        solver: tolerance and sweeps of the iteration.

    Raises:
        InputError: naming the parameter and its valid range; also for λ = 0 where the data cannot
            be interpolated.
    """
    if loss not in LOSSES:
        raise InputError(f"loss must be one of {', '.join(LOSSES)}, given {loss!r}")
    check_domains(alpha=alpha, eps=eps, lam=lam)
    kernel_limit = learner.kappa is None
    parameters = {"alpha": alpha, "eps": eps, "lam": lam}
    parameters |= {"mu1": learner.mu1, "mustar": learner.mustar}
    parameters["kappa"] = np.inf if learner.kappa is None else learner.kappa
    try:
        arrays = np.broadcast_arrays(*(np.asarray(value, float) for value in parameters.values()))
    except ValueError as error:
        raise InputError(f"shapes of {', '.join(parameters)} do not broadcast: {error}") from error
    points = _Points._make(array.ravel() for array in arrays)
    if kernel_limit:
        _check_interpolation(loss, points)
    elif (points.lam == 0).any():
        raise InputError(
            "lam must be > 0 for random features (use 1e-6 for the interpolation limit), given 0"
        )
    direct = LOSSES[loss].closed_form
    if solver.closed_form and direct is not None and kernel_limit:
        solution = _evaluate(LOSSES[loss], direct, points)
    else:
        system = _KERNEL if kernel_limit else _FEATURES
        solution = _iterate(LOSSES[loss], system, points, solver)
    return Solution._make(np.asarray(field).reshape(arrays[0].shape) for field in solution)


def _check_interpolation(loss: str, points: _Points) -> None:
    zero = points.lam == 0
    interpolable = LOSSES[loss].interpolable
    if interpolable is None:
        if zero.any():
            raise InputError(
                f"lam must be > 0 for the {loss} loss (it has no finite minimizer at 0), given 0"
            )
        return
    linear = zero & (points.mustar == 0)
    if not linear.any():
        return
    alpha, eps = points.alpha[linear], points.eps[linear]
    limit = interpolable(eps)
    if (alpha >= limit).any():
        first = int(np.argmax(alpha >= limit))
        raise InputError(
            "lam = 0 needs data that a linear learner can interpolate: "
            f"alpha < {limit[first]:.6g} for the {loss} loss at eps = {eps[first]:g}, "
            f"given alpha = {alpha[first]:g}; use lam > 0, for instance 1e-4"
        )


def _errors(loss: RafLoss, order: OrderParameters) -> tuple[np.ndarray, np.ndarray]:
    """E_gen and E_mem from m, q − m² and V."""
    e_gen = np.arctan2(np.sqrt(np.maximum(order.rest, 0)), order.m) / np.pi
    with np.errstate(invalid="ignore"):
        reach = order.v * loss.slope / np.sqrt(2 * (order.m**2 + order.rest))
        return e_gen, np.where(np.isinf(order.v), 0.0, special.erfc(reach) / 2)


def _evaluate(
    loss: RafLoss, closed_form: Callable[..., OrderParameters], points: _Points
) -> Solution:
    order = closed_form(*points[:5])
    zeros = np.zeros(len(points.alpha))
    e_gen, e_mem = _errors(loss, order)
    return Solution(
        e_gen=e_gen,
        e_mem=e_mem,
        m=order.m,
        q=order.q,
        v=order.v,
        iterations=zeros.astype(int),
        residual=zeros,
        converged=np.ones(len(zeros), bool),
    )


# ---- fixed points


class _System(NamedTuple):
    """A fixed point: states are (parameters, points)."""

    start: Callable[[_Points], np.ndarray]
    sweep: Callable[[RafLoss, np.ndarray, _Points], np.ndarray]  # one sweep over all equations
    output: Callable[[np.ndarray, _Points], tuple[np.ndarray, ...]]  # state -> m, q − m², v = λV


def _iterate(loss: RafLoss, system: _System, points: _Points, solver: Solver) -> Solution:
    """Plain iteration of all points at once; converged points are frozen."""
    size = len(points.alpha)
    state = system.start(points)
    residual = np.full(size, np.inf)
    iterations = np.zeros(size, int)
    active = np.arange(size)
    for count in range(1, solver.max_iter + 1):
        with np.errstate(all="ignore"):
            new = system.sweep(loss, state[:, active], points.select(active))
            difference = np.abs(new - state[:, active])
            change = difference / np.maximum(np.abs(new), _TINY)
            change[0] = difference[0] / np.maximum(np.abs(new[0]), 1e-12)  # m may be 0 (ε = 1)
        finite = np.isfinite(new).all(axis=0)
        largest = np.where(finite, change.max(axis=0), np.inf)
        state[:, active] = new
        residual[active] = largest
        iterations[active] = count
        active = active[(largest >= solver.tolerance) & finite]
        if not len(active):
            break
    converged = residual < solver.tolerance
    m, rest, v = system.output(state, points)
    with np.errstate(all="ignore"):
        positive = points.lam > 0
        V = np.where(positive, v / np.where(positive, points.lam, 1.0), np.inf)
        order = OrderParameters(m, m**2 + rest, rest, V)
        e_gen, e_mem = _errors(loss, order)
    numbers = (e_gen, e_mem, order.m, order.q, order.v)
    fields = [np.where(converged, number, np.nan) for number in numbers]
    return Solution._make([*fields, iterations, residual, converged])


def _kernel_start(points: _Points) -> np.ndarray:
    v_s = np.where(points.lam > 0, np.minimum(3 * points.lam, 1.0), 0.5)
    return np.stack(
        [
            0.1 * np.abs(points.mu1),
            0.79 * points.mu1**2,
            points.mu1**2 * v_s + points.mustar**2,
        ]
    )


def _kernel_sweep(loss: RafLoss, state: np.ndarray, points: _Points) -> np.ndarray:
    """One sweep of the kernel-limit equations, (m, q − m², v) -> the same."""
    mu1 = points.mu1
    hats = loss.hats(points.alpha, points.eps, points.lam, *state)
    shrink = 1 + mu1**2 * hats.v
    return np.stack(
        [
            mu1**2 * hats.m / shrink,
            mu1**4 * hats.q / shrink**2,
            mu1**2 / shrink + points.mustar**2,
        ]
    )


def _kernel_output(state: np.ndarray, points: _Points) -> tuple[np.ndarray, ...]:
    return tuple(state)


def _features_start(points: _Points) -> np.ndarray:
    return np.stack([np.full(len(points.alpha), value) for value in (0.1, 0.8, 0.5, 0.8, 0.5)])


def _features_sweep(loss: RafLoss, state: np.ndarray, points: _Points) -> np.ndarray:
    """One sweep at finite width, (m_s, q_s, v_s, q_w, v_w) -> the same; nothing cancels."""
    mu1, mustar = points.mu1, points.mustar
    kappa = points.kappa
    output = _features_output(state, points)
    hats = loss.hats(points.alpha / kappa, points.eps, points.lam, *output)
    ms = mu1 * kappa * hats.m
    qs = mu1**2 * kappa * hats.q
    vs = mu1**2 * kappa * hats.v
    qw = mustar**2 * hats.q
    vw = mustar**2 * hats.v
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


def _features_output(state: np.ndarray, points: _Points) -> tuple[np.ndarray, ...]:
    ms, qs, vs, qw, vw = state
    mu1, mustar = points.mu1, points.mustar
    rest = mu1**2 * (qs - ms**2) + mustar**2 * qw
    return mu1 * ms, rest, mu1**2 * vs + mustar**2 * vw


_KERNEL = _System(_kernel_start, _kernel_sweep, _kernel_output)
_FEATURES = _System(_features_start, _features_sweep, _features_output)
