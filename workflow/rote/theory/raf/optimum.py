"""The best rule that forgets no more than it may, and the width from which facts are stored.

Nothing here is in closed form but for the square loss without a bound; grids are narrowed around
the best point, all points of a call at once.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from rote.core import fields, reals
from rote.core.errors import InputError
from rote.theory.raf.arguments import broadcast, check_domains
from rote.theory.raf.learner import Learner
from rote.theory.raf.solver import Solution, solve

_DECADES = (-8.0, 4.0)  # of λ over μ1² + μ⋆², over which a best one is searched
_COARSE = 41  # ridges of the first grid
_FINE = 9  # ridges, or angles, of every narrower one
_ZOOMS = 10
_ANGLES = np.r_[0.0, np.linspace(1, 89, 23)]  # degrees, of the first grid
_ANGLE_ZOOMS = 6
_WIDTHS = np.geomspace(0.02, 1e5, 24)  # features per dimension
_HALVINGS = 24
_ROUNDING = 1e-9  # in E_gen, within which the interpolator counts as best


class Optimum(NamedTuple):
    """The learner with the smallest E_gen; NaN where none forgets so little."""

    gamma: np.ndarray  # kernel angle, degrees
    lam: np.ndarray  # ridge; 0 is the interpolator
    e_gen: np.ndarray
    e_mem: np.ndarray


def best_ridge(
    loss: str,
    alpha: np.ndarray | float,
    eps: np.ndarray | float,
    learner: Learner = Learner(),
    forget: np.ndarray | float = 1.0,
) -> Optimum:
    """The ridge that generalizes best among those that forget at most a share of the facts.

    Args:
        loss: square, hinge or logistic.
        alpha: samples per dimension.
        eps: fraction of facts.
        learner: linear, kernel or random features; its fields and all arguments broadcast.
        forget: largest E_mem that is allowed, in [0, 1].

    Returns:
        Of the broadcast shape; λ is right to about 1e-6, relative, E_gen to 1e-9.

    Raises:
        InputError: as `solve`, and for `forget` outside [0, 1].
    """
    _check_forget(forget)
    fields.check_types({"learner": Learner}, {"learner": learner})
    parameters = {"alpha": alpha, "eps": eps, "mu1": learner.mu1, "mustar": learner.mustar}
    parameters["kappa"] = np.nan if learner.kappa is None else learner.kappa
    arrays = broadcast(**parameters, weight=learner.weight, forget=forget)
    alpha, eps, mu1, mustar, kappa, weight, bound = (array.ravel()[:, None] for array in arrays)
    width = None if learner.kappa is None else kappa

    def at(lam: np.ndarray, rows: np.ndarray | slice = slice(None)) -> Solution:
        features = None if width is None else width[rows]
        of_rows = Learner(mu1[rows], mustar[rows], features, weight[rows], learner.eigenvalues)
        return solve(loss, alpha[rows], eps[rows], lam, of_rows)

    scale = mu1**2 + mustar**2
    steps = np.linspace(*_DECADES, _COARSE)
    grid = np.broadcast_to(np.log(scale) + np.log(10) * steps, (len(alpha), _COARSE))
    best, index = _best(at(np.exp(grid)), grid, bound)
    # where the smallest ridge is best, the interpolator is a candidate
    lowest = np.flatnonzero((index == 0) & (mustar > 0)[:, 0])
    zero = _interpolators(at, lowest, bound) if width is None and len(lowest) else None
    for _ in range(_ZOOMS):
        ends = [np.clip(index + shift, 0, grid.shape[1] - 1)[:, None] for shift in (-1, 1)]
        low, high = (np.take_along_axis(grid, end, 1) for end in ends)
        grid = low + (high - low) * np.linspace(0, 1, _FINE)
        best, index = _best(at(np.exp(grid)), grid, bound)
    if zero is not None:
        better = zero.e_gen <= best.e_gen + _ROUNDING
        pairs = zip(zero, best, strict=True)
        best = Optimum._make(np.where(better, exact, other) for exact, other in pairs)
    result = Optimum._make(field.reshape(arrays[0].shape) for field in best)
    gamma = np.degrees(np.arctan2(mustar, np.abs(mu1))).reshape(arrays[0].shape)
    return result._replace(gamma=np.where(np.isnan(result.e_gen), np.nan, gamma))


def _check_forget(forget: np.ndarray | float) -> None:
    values = reals.array("forget", forget)
    if not ((values >= 0) & (values <= 1)).all():
        raise InputError(f"forget must be in [0, 1], given {forget}")


def _check_single(**parameters: np.ndarray | float | None) -> None:
    for name, given in parameters.items():
        shape = np.asarray(given).shape
        if shape:
            raise InputError(f"{name} must be a single number, given shape {shape}")


def _best(s: Solution, log_lam: np.ndarray, bound: np.ndarray) -> tuple[Optimum, np.ndarray]:
    """The best column of every row, and its number."""
    allowed = np.where(s.e_mem <= bound, s.e_gen, np.inf)
    allowed = np.where(np.isnan(allowed), np.inf, allowed)
    index = allowed.argmin(axis=1)
    row = np.arange(len(index))
    reached = np.isfinite(allowed[row, index])
    columns = (np.exp(log_lam)[row, index], s.e_gen[row, index], s.e_mem[row, index])
    lam, e_gen, e_mem = (np.where(reached, column, np.nan) for column in columns)
    return Optimum(np.full(len(index), np.nan), lam, e_gen, e_mem), index


def _interpolators(
    at: Callable[..., Solution], rows: np.ndarray, bound: np.ndarray
) -> Optimum | None:
    """Kernels at λ = 0, NaN in other rows; None where the loss has no minimizer there."""
    try:
        s = at(np.zeros((1, 1)), rows)
    except InputError:  # the logistic loss
        return None
    columns = np.full((4, len(bound)), np.nan)
    columns[1:, rows] = np.zeros(len(rows)), s.e_gen[:, 0], s.e_mem[:, 0]
    columns[:, ~(columns[3] <= bound[:, 0])] = np.nan
    return Optimum._make(columns)


def best_kernel(
    loss: str,
    alpha: np.ndarray | float,
    eps: np.ndarray | float,
    forget: np.ndarray | float = 1.0,
    kappa: float | None = None,
    weight: float = 1.0,
) -> Optimum:
    """The kernel angle and ridge that generalize best among those that forget at most a share.

    Args:
        loss: square, hinge or logistic.
        alpha: samples per dimension.
        eps: fraction of facts; broadcasts with `alpha` and `forget`.
        forget: largest E_mem that is allowed, in [0, 1].
        kappa: features per dimension; None is the kernel limit.
        weight: of facts, as of `Learner`.

    Returns:
        Of the broadcast shape; kernels have μ1² + μ⋆² = 1. γ is right to about 0.01 degrees where
        E_gen is curved; with the square loss and no bound all γ up to γ_opt are as good.

    Raises:
        InputError: as `best_ridge`.
    """
    _check_forget(forget)
    check_domains(alpha=alpha, eps=eps, weight=weight)
    _check_single(kappa=kappa, weight=weight)
    arrays = broadcast(alpha=alpha, eps=eps, forget=forget)
    points = zip(*(array.ravel() for array in arrays), strict=True)
    best = [_over_angles(loss, point, kappa, weight) for point in points]
    return Optimum._make(
        np.array(values).reshape(arrays[0].shape) for values in zip(*best, strict=True)
    )


def _over_angles(
    loss: str, point: tuple[float, ...], kappa: float | None, weight: float
) -> Optimum:
    """The best angle at one (α, ε, share that may be forgotten)."""
    alpha, eps, forget = point
    gammas = _ANGLES if kappa is None else _ANGLES[1:]
    best = Optimum(*(np.array(np.nan) for _ in Optimum._fields))
    for _ in range(_ANGLE_ZOOMS):
        learners = replace(Learner.at_angle(gammas, kappa), weight=weight)
        s = best_ridge(loss, alpha, eps, learners, forget)
        if np.isnan(s.e_gen).all():
            return best
        index = int(np.nanargmin(s.e_gen))
        if not s.e_gen[index] >= best.e_gen:
            best = Optimum._make(field[index] for field in s)._replace(gamma=gammas[index])
        ends = gammas[max(index - 1, 0)], gammas[min(index + 1, len(gammas) - 1)]
        gammas = np.linspace(*ends, _FINE)
    return best


def memory_width(
    loss: str,
    alpha: np.ndarray | float,
    eps: np.ndarray | float,
    learner: Learner,
    forget: float = 0.01,
    lam: float | None = None,
) -> np.ndarray:
    """κ_c: the features per dimension from which on E_mem is at most a share.

    Args:
        loss: square, hinge or logistic.
        alpha: samples per dimension.
        eps: fraction of facts; broadcasts with `alpha`.
        learner: μ1 and μ⋆ of the activation and the weight of facts, numbers; its width is not
            used.
        forget: the share, a number in [0, 1].
        lam: ridge; None is the one that generalizes best at every width.

    Returns:
        κ_c, of the broadcast shape: 0 where the narrowest features (0.02 per dimension) forget so
        little, infinite where 100,000 per dimension forget more.

    Raises:
        InputError: as `solve`.
    """
    _check_forget(forget)
    check_domains(alpha=alpha, eps=eps)
    fields.check_types({"learner": Learner}, {"learner": learner})
    _check_single(mu1=learner.mu1, mustar=learner.mustar, weight=learner.weight)
    if learner.eigenvalues is not None:
        raise InputError("eigenvalues are not known to random features; leave them out")
    _check_single(forget=forget, lam=lam)
    arrays = broadcast(alpha=alpha, eps=eps)
    alpha, eps = (array.ravel() for array in arrays)

    def excess(kappa: np.ndarray, rows: np.ndarray) -> np.ndarray:
        features = Learner(learner.mu1, learner.mustar, kappa, learner.weight)
        shape = (slice(None), None) if kappa.ndim == 2 else slice(None)
        point = alpha[rows][shape], eps[rows][shape]
        if lam is None:
            return best_ridge(loss, *point, features).e_mem - forget
        return solve(loss, *point, lam, features).e_mem - forget

    everything = np.arange(len(alpha))
    grid = np.broadcast_to(_WIDTHS, (len(alpha), len(_WIDTHS)))
    more = ~(excess(grid, everything) <= 0)  # no number counts as more
    last = np.where(more.any(axis=1), more.shape[1] - 1 - more[:, ::-1].argmax(axis=1), -1)
    result = np.where(last < 0, 0.0, np.inf)
    inside = np.flatnonzero((last >= 0) & (last < len(_WIDTHS) - 1))
    low, high = np.log(_WIDTHS[last[inside]]), np.log(_WIDTHS[last[inside] + 1])
    for _ in range(_HALVINGS if len(inside) else 0):
        middle = (low + high) / 2
        above = ~(excess(np.exp(middle), inside) <= 0)
        low, high = np.where(above, middle, low), np.where(above, high, middle)
    result[inside] = np.exp((low + high) / 2)
    return result.reshape(arrays[0].shape)
