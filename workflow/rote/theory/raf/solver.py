"""Solving the model for whole grids: in closed form, or by Newton's method, all points at once."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy import special

from rote.core import fields
from rote.core.errors import InputError
from rote.theory.raf import newton
from rote.theory.raf.arguments import broadcast, check_domains, check_range
from rote.theory.raf.bayes import bayes_map
from rote.theory.raf.learner import Learner
from rote.theory.raf.losses import LOSSES, OrderParameters, RafLoss, weighted

# where the solver was checked; an exact 0 of λ is valid, too
RANGES = {
    "alpha": (1e-8, 1e8),
    "lam/mu1²": (1e-16, 1e16),
    "mustar/mu1": (0.0, 1e6),
    "kappa": (1e-4, 1e10),
    "weight": (1e-6, 1e3),
}
_RUNG = 1.0  # decades of the weight between two points of the way to it, or less
_LINEAR = 1e-8  # μ⋆/μ1 below which the interpolator is that of the linear learner
_MARGIN = 1e-8  # of the check against Bayes, relative in h: rounding


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
    residual: np.ndarray  # estimated relative error of the two errors before the last sweep
    converged: np.ndarray  # as estimated, and in keeping with the Bayes-optimal error


@dataclass(frozen=True)
class Solver:
    """How the order parameters are computed.

    Attributes:
        tolerance: relative change of the order parameters at which a point has converged, > 0.
            Where rounding ends the iteration before, both errors have to be right to 3e-9.
        max_iter: sweeps after which it has not, a whole number ≥ 1; those at the larger ridges
            along which a few points of small λ are reached are among them. A point with weighted
            facts that is not reached starts anew, along weights from 1 on, with as many.
        closed_form: use the closed form of the square loss where there is one.

    Raises:
        InputError: naming the field and its range.
    """

    tolerance: float = 1e-10
    max_iter: int = 50
    closed_form: bool = True

    def __post_init__(self) -> None:
        fields.check({"tolerance": fields.POSITIVE, "max_iter": fields.SIZE}, vars(self))
        fields.check_types({"closed_form": bool}, vars(self))


def solve(
    loss: str,
    alpha: np.ndarray | float,
    eps: np.ndarray | float,
    lam: np.ndarray | float,
    learner: Learner = Learner(),
    solver: Solver = Solver(),
) -> Solution:
    """Solve the model for whole grids: all arguments and the learner's fields broadcast.

    On inputs of a covariance the teacher's weights are independent of the directions, and kernels
    are μ1² XXᵀ/d + μ⋆² I of inputs of mean variance 1.

    Args:
        loss: square, hinge or logistic.
        alpha: samples per dimension n/d, between 1e-8 and 1e8.
        eps: fraction of facts, in [0, 1].
        lam: ridge, λ/μ1² between 1e-16 and 1e16; 0 is the interpolator (min-norm, hard margin) and
            needs interpolable data.
        learner: linear, kernel or random features.
        solver: tolerance and sweeps of the iteration.

    Raises:
        InputError: naming the parameter and its valid range; also for λ = 0 where the data cannot
            be interpolated.
    """
    if not isinstance(loss, str) or loss not in LOSSES:
        raise InputError(f"loss must be one of {', '.join(LOSSES)}, given {loss!r}")
    check_domains(alpha=alpha, eps=eps, lam=lam)
    fields.check_types(
        {"learner": Learner, "solver": Solver}, {"learner": learner, "solver": solver}
    )
    kernel_limit = learner.kappa is None
    parameters = {"alpha": alpha, "eps": eps, "lam": lam}
    parameters |= {"mu1": learner.mu1, "mustar": learner.mustar}
    parameters["kappa"] = np.inf if learner.kappa is None else learner.kappa
    parameters["weight"] = learner.weight
    arrays = broadcast(**parameters)
    points = _Arguments._make(array.ravel() for array in arrays)
    if kernel_limit:
        _check_interpolation(loss, points)
    elif (points.lam == 0).any():
        raise InputError(
            "lam must be > 0 for random features (use 1e-6 for the interpolation limit), given 0"
        )
    _check_ranges(points)
    # an interpolator does not depend on weights
    weight = np.where(points.lam > 0, points.weight, 1.0)
    columns = [np.empty(len(weight), kind) for kind in _KINDS]
    for value in np.unique(weight):
        of_weight = weight == value
        some = _Arguments._make(values[of_weight] for values in points)
        part = _solve(LOSSES[loss], float(value), some, solver, learner.eigenvalues)
        for column, values in zip(columns, part, strict=True):
            column[of_weight] = values
    solution = _check_bayes(Solution._make(columns), points, learner.eigenvalues)
    return Solution._make(np.asarray(field).reshape(arrays[0].shape) for field in solution)


_KINDS = (float, float, float, float, float, int, float, bool)  # of the fields of a solution


def _solve(
    loss: RafLoss,
    weight: float,
    points: "_Arguments",
    solver: Solver,
    eigenvalues: np.ndarray | None,
) -> Solution:
    """The points of one weight of facts: in closed form, or by iteration."""
    weighed = _weighted(loss, weight)
    direct = weighed.closed_form if eigenvalues is None else None
    if solver.closed_form and direct is not None and np.isinf(points.kappa).all():
        return _evaluate(weighed, direct, points)
    return _iterate(loss, weight, points, solver, eigenvalues)


def _weighted(loss: RafLoss, weight: float) -> RafLoss:
    return loss if weight == 1 else weighted(loss, weight)


class _Arguments(NamedTuple):
    """Parameters of the points of a grid, (points,) each."""

    alpha: np.ndarray
    eps: np.ndarray
    lam: np.ndarray
    mu1: np.ndarray
    mustar: np.ndarray
    kappa: np.ndarray  # ∞: the kernel limit
    weight: np.ndarray  # of facts


def _check_ranges(points: _Arguments) -> None:
    """Refuse what lies outside the ranges over which the solver was checked."""
    scale = np.abs(points.mu1)
    check_range("mu1", scale, 1e-100, 1e100)
    check_range("alpha", points.alpha, *RANGES["alpha"])
    ridge = points.lam / scale**2
    check_range("lam/mu1², where it is not 0,", ridge[points.lam > 0], *RANGES["lam/mu1²"])
    check_range("mustar/mu1", points.mustar / scale, *RANGES["mustar/mu1"])
    check_range("kappa", points.kappa[np.isfinite(points.kappa)], *RANGES["kappa"])
    check_range("weight", points.weight, *RANGES["weight"])


def _check_interpolation(loss: str, points: _Arguments) -> None:
    zero = points.lam == 0
    interpolable = LOSSES[loss].interpolable
    if interpolable is None:
        if zero.any():
            raise InputError(
                f"lam must be > 0 for the {loss} loss (it has no finite minimizer at 0), given 0"
            )
        return
    linear = zero & (points.mustar < _LINEAR * np.abs(points.mu1))
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
    loss: RafLoss, closed_form: Callable[..., OrderParameters], points: _Arguments
) -> Solution:
    order = closed_form(*points[:5])
    zeros = np.zeros(len(points.alpha))
    return _solution(loss, order, zeros.astype(int), zeros, np.isfinite(order.q))


def _iterate(
    base: RafLoss,
    weight: float,
    points: _Arguments,
    solver: Solver,
    eigenvalues: np.ndarray | None,
) -> Solution:
    loss = _weighted(base, weight)
    scaled = newton.Points(
        points.alpha,
        points.eps,
        points.lam / points.mu1**2,
        (points.mustar / points.mu1) ** 2,
        1 / points.kappa,
        eigenvalues,
    )
    fixed = newton.iterate(loss, scaled, solver.tolerance, solver.max_iter)
    lost = np.flatnonzero(~np.isfinite(fixed.residual))
    if len(lost) and weight != 1:  # reached from facts that weigh as the rule does
        rungs = int(np.ceil(np.abs(np.log10(weight)) / _RUNG))
        losses = [_weighted(base, weight ** (rung / rungs)) for rung in range(rungs)] + [loss]
        way = [(one, scaled.select(lost)) for one in losses]
        again = newton.along(way, solver.tolerance, np.full(len(lost), solver.max_iter))
        fixed.x[:, lost], fixed.residual[lost] = again.x, again.residual
        fixed.iterations[lost] = again.iterations
    with np.errstate(all="ignore"):
        state = scaled.state(fixed.x)
        V = np.where(scaled.lam > 0, state.v / scaled.lam, np.inf)
        order = OrderParameters(state.m, state.m**2 + state.rest, state.rest, V)
    converged = fixed.residual < max(solver.tolerance, newton.ROUNDING)
    return _solution(loss, order, fixed.iterations, fixed.residual, converged)


def _solution(
    loss: RafLoss,
    order: OrderParameters,
    iterations: np.ndarray,
    residual: np.ndarray,
    converged: np.ndarray,
) -> Solution:
    with np.errstate(all="ignore"):
        e_gen, e_mem = _errors(loss, order)
    numbers = (e_gen, e_mem, order.m, order.q, order.v)
    fields = [np.where(converged, number, np.nan) for number in numbers]
    return Solution._make([*fields, iterations, residual, converged])


def _check_bayes(
    solution: Solution, points: _Arguments, eigenvalues: np.ndarray | None
) -> Solution:
    """Take back what generalizes better than the Bayes-optimal learner of its α and ε.

    With h = m²/(q − m²), tan²(πE_gen) = 1/h: no learner is beyond the Bayes-optimal h, above
    which the map that h is the fixed point of lies below h. Where facts have a weight of their own,
    it is that of the rules alone.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        # each form where it has its digits
        steep = 1 / np.tan(np.pi * solution.e_gen) ** 2
        flat = solution.m**2 / (solution.q - solution.m**2)
        strength = np.where(solution.e_gen < 0.25, steep, flat)
        strength = np.where(solution.converged, strength, 0.0)
        # who weighs facts can tell them from rules
        known = (points.weight != 1) & (points.lam > 0)
        alpha = np.where(known, points.alpha * (1 - points.eps), points.alpha)
        bound = bayes_map(strength, alpha, np.where(known, 0.0, points.eps), eigenvalues)
    better = strength > bound * (1 + _MARGIN)
    numbers = [np.where(better, np.nan, number) for number in solution[:5]]
    return Solution._make([*numbers, *solution[5:7], solution.converged & ~better])
