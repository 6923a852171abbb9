"""Training errors beyond E_mem."""

import numpy as np

from rote.core.errors import InputError
from rote.theory.raf.losses import LOSSES
from rote.theory.raf.margins import rule_mass
from rote.theory.raf.solver import Solution


def rule_error(loss: str, solution: Solution) -> np.ndarray:
    """E_rule on the training set: share of rule examples whose label is not reproduced.

    Like a fact, a rule is lost where the margin is below −V|ℓ'(0)|; the training error is
    (1 − ε) E_rule + ε E_mem.

    Args:
        loss: square, hinge or logistic.
        solution: of that loss.

    Returns:
        Of the solution's shape; NaN where it did not converge, 0 for interpolators.

    Raises:
        InputError: for another loss.
    """
    if not isinstance(loss, str) or loss not in LOSSES:
        raise InputError(f"loss must be one of {', '.join(LOSSES)}, given {loss!r}")
    fields = np.broadcast_arrays(solution.v, solution.m, solution.q, solution.e_gen)
    V, m, q, e_gen = (np.atleast_1d(field).astype(float) for field in fields)
    lost = np.where(np.isnan(m), np.nan, 0.0)
    some = np.isfinite(V)
    rest = q[some] * np.sin(np.pi * e_gen[some]) ** 2  # q − m²
    lost[some] = rule_mass(-V[some] * LOSSES[loss].slope, m[some], rest)
    return lost.reshape(np.shape(solution.m))
