"""The Bayes-optimal learner of the rule: no learner generalizes better from the same data.

Its overlap is q = h/(1 + h); all is computed from h, so that 1 − q is never formed. h solves
h = α √(1 + h) I(h, ε), I an integral of an analytic function that decays on both sides: the
trapezoidal rule has it to double precision.
"""

import math

import numpy as np
from scipy import special

from rote.theory.raf import inputs
from rote.theory.raf.arguments import check_domains, check_range, fraction
from rote.theory.raf.responses import moments

ALPHA_RANGE = (1e-100, 1e100)
_STEP = 0.1875  # of the rule: an error below 1e-14
_U = _STEP * np.arange(49)  # 0 to 9
_WEIGHTS = np.where(_U > 0, _STEP, _STEP / 2)
_SWEEPS = 50
_TOLERANCE = 1e-13
_CHUNK = 2000  # points at a time: each has a row of nodes


def _integral(q: np.ndarray, eps: np.ndarray) -> np.ndarray:
    """∫ exp(−(1 + q)u²/2) / (ε + (1 − ε) erfc(−u√(q/2))) du of columns, (points, 1) each.

    Where u < 0 both sides of the fraction are scaled by exp(q u²/2): nothing underflows.
    """
    at = _U * np.sqrt(q / 2)
    gauss, tail = np.exp(at**2), special.erfcx(at)
    fall = np.exp(-(_U**2) / 2)
    below = fall / (eps * gauss + (1 - eps) * tail)
    above = fall / (gauss * (eps + 2 * (1 - eps)) - (1 - eps) * tail)
    return (below + above) @ _WEIGHTS


def bayes_map(
    strength: np.ndarray,
    alpha: np.ndarray,
    eps: np.ndarray,
    eigenvalues: np.ndarray | None = None,
) -> np.ndarray:
    """The right side of h = α √(1 + h) I(h, ε): above h below the solution, and the other way.

    On inputs of a covariance with eigenvalues λ that side is the precision ĥ of what is seen, and
    h = ĥ E[λ s]/E[s] with s = λ/(1 + ĥλ).

    Args:
        strength: h = q/(1 − q) ≥ 0, (points,).
        alpha, eps: (points,).
        eigenvalues: (k,), mean 1; None: all 1.
    """
    out = np.empty(len(strength))
    for begin in range(0, len(out), _CHUNK):
        part = slice(begin, begin + _CHUNK)
        h, e = strength[part, None], eps[part, None]
        out[part] = np.sqrt(1 + strength[part]) * _integral(h / (1 + h), e)
    precision = 4 * (1 - eps) ** 2 * alpha / (2 * np.pi) ** 1.5 * out
    if eigenvalues is None:
        return precision
    of = moments(precision, eigenvalues)
    return precision * of.gain / of.mean


def _strength(
    alpha: np.ndarray | float,
    eps: np.ndarray | float,
    eigenvalues: np.ndarray | None = None,
) -> np.ndarray:
    """h at every point; NaN where the iteration did not converge.

    log h is iterated, with the secant of the last two sweeps: the slope lies between 0 and 1/2.
    """
    check_domains(alpha=alpha)
    alpha, eps = np.broadcast_arrays(np.asarray(alpha, float), fraction(eps))
    check_range("alpha", alpha, *ALPHA_RANGE)
    shape = alpha.shape
    alpha, eps = alpha.ravel(), eps.ravel()
    result = np.where(eps == 1, 0.0, np.nan)
    active = np.flatnonzero(eps < 1)
    x = np.log(bayes_map(np.zeros(len(active)), alpha[active], eps[active], eigenvalues))
    x = np.maximum(x, 2 * x - 1)  # h ~ α for few samples, α² for many
    old_x = old_gap = np.full(len(active), np.nan)
    for _ in range(_SWEEPS):
        h = np.exp(x)
        gap = np.log(bayes_map(h, alpha[active], eps[active], eigenvalues)) - x
        done = np.abs(gap) < _TOLERANCE * (1 + np.abs(x))
        result[active[done]] = np.exp(x + 2 * gap)[done]
        with np.errstate(invalid="ignore", divide="ignore"):
            slope = np.nan_to_num((gap - old_gap) / (x - old_x), nan=-0.5)
        step = gap / -np.clip(slope, -1.2, -0.4)
        old_x, old_gap = x[~done], gap[~done]
        x, active = (x + step)[~done], active[~done]
        if not len(active):
            break
    return result.reshape(shape)


def bayes_optimal(
    alpha: np.ndarray | float,
    eps: np.ndarray | float,
    eigenvalues: np.ndarray | None = None,
) -> np.ndarray:
    """E_gen of the Bayes-optimal learner of the rule, NaN where the iteration did not converge.

    Args:
        alpha: samples per dimension, between 1e-100 and 1e100.
        eps: fraction of facts, in [0, 1]; broadcasts with `alpha`.
        eigenvalues: of the inputs' covariance, as of `solve`; None: isotropic inputs.

    Raises:
        InputError: naming the argument and its range.
    """
    given = None if eigenvalues is None else inputs.eigenvalues(eigenvalues)
    return np.arctan2(1.0, np.sqrt(_strength(alpha, eps, given))) / np.pi


def bayes_overlap(alpha: np.ndarray | float, eps: np.ndarray | float) -> np.ndarray:
    """q_b, squared overlap of the Bayes-optimal learner with the teacher.

    Args:
        alpha: samples per dimension, between 1e-100 and 1e100.
        eps: fraction of facts, in [0, 1]; broadcasts with `alpha`.

    Returns:
        Of the broadcast shape, in [0, 1]; NaN where the iteration did not converge.

    Raises:
        InputError: naming the argument and its range.
    """
    h = _strength(alpha, eps)
    return h / (1 + h)


def bayes_rate(eps: np.ndarray | float) -> np.ndarray:
    """lim α E_gen of the Bayes-optimal learner, 1/(π C_ε), of the shape of `eps`.

    Args:
        eps: fraction of facts, in [0, 1), any shape.

    Raises:
        InputError: for ε outside its range.
    """
    eps = fraction(eps, closed=False)
    flat = eps.ravel()
    integral = _integral(np.ones((len(flat), 1)), flat[:, None])
    return (math.sqrt(8 * np.pi) / 4 / ((1 - flat) ** 2 * integral)).reshape(eps.shape)
