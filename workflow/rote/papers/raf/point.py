"""One learner of the Rules-and-Facts model in the proportional limit."""

from typing import Any

from rote.theory import raf
from rote.theory.point import TheoryPoint


def solve(loss: str, alpha: float, eps: float, lam: float, **learner: Any) -> TheoryPoint:
    """Both errors, the order parameters and the Bayes-optimal error at one point.

    Args:
        loss: square, hinge or logistic.
        alpha: samples per dimension, > 0.
        eps: fraction of facts, in [0, 1].
        lam: ridge, ≥ 0.
        **learner: `gamma`, `mu1` and `mustar`, `kernel`, `kappa` of `rote.theory.raf.solve`.

    Raises:
        InputError: naming the argument and its range.
    """
    solution = raf.solve(loss, alpha, eps, lam, **learner)
    numbers = {
        "generalization error": float(solution.e_gen),
        "memorization error": float(solution.e_mem),
        "overlap m": float(solution.m),
        "variance q": float(solution.q),
        "V": float(solution.v),
        "Bayes-optimal error": float(raf.bayes_optimal(alpha, eps)),
    }
    return TheoryPoint(
        numbers,
        converged=bool(solution.converged),
        steps=int(solution.iterations),
        unit="sweeps",
        residual=float(solution.residual),
    )
