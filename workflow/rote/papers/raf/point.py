"""One learner of the Rules-and-Facts model in the proportional limit."""

from dataclasses import replace

from rote.core.errors import InputError
from rote.papers.raf.inputs import eigenvalues
from rote.theory import raf
from rote.theory.point import TheoryPoint


def learner(
    gamma: float | None = None,
    mu1: float | None = None,
    mustar: float | None = None,
    kernel: str | None = None,
    kappa: float | None = None,
) -> raf.Learner:
    """The learner that one of three descriptions names; the linear one where all are None.

    Args:
        gamma: kernel angle in degrees, [0, 90).
        mu1, mustar: linear part and norm of the rest; one left out is that of the linear learner.
        kernel: erf, relu, sign, rbf or cubic.
        kappa: features per dimension; None is the kernel limit.

    Raises:
        InputError: for two descriptions, or a value outside its range.
    """
    if kernel is not None:
        if (gamma, mu1, mustar) != (None, None, None):
            raise InputError("give either kernel, or gamma, or mu1 and mustar, not two of them")
        return raf.Learner.of_kernel(kernel, kappa)
    if gamma is None:
        return raf.Learner(1.0 if mu1 is None else mu1, 0.0 if mustar is None else mustar, kappa)
    if mu1 is not None or mustar is not None:
        raise InputError("give either gamma or mu1 and mustar, not both")
    return raf.Learner.at_angle(gamma, kappa)


def solve(
    loss: str, alpha: float, eps: float, lam: float, learner: raf.Learner, inputs: str = ""
) -> TheoryPoint:
    """Both errors, the order parameters and the Bayes-optimal error at one point.

    Args:
        loss: square, hinge or logistic.
        alpha: samples per dimension, > 0.
        eps: fraction of facts, in [0, 1].
        lam: ridge, ≥ 0.
        learner: linear, kernel or random features.
        inputs: their covariance, as of `rote.papers.raf.inputs.eigenvalues`; isotropic if empty.

    Raises:
        InputError: naming the argument and its range.
    """
    learner = replace(learner, eigenvalues=eigenvalues(inputs))
    solution = raf.solve(loss, alpha, eps, lam, learner)
    numbers = {
        "generalization error": float(solution.e_gen),
        "memorization error": float(solution.e_mem),
        "overlap m": float(solution.m),
        "variance q": float(solution.q),
        "V": float(solution.v),
        "Bayes-optimal error": float(raf.bayes_optimal(alpha, eps, learner.eigenvalues)),
    }
    return TheoryPoint(
        numbers,
        converged=bool(solution.converged),
        steps=int(solution.iterations),
        unit="sweeps",
        residual=float(solution.residual),
    )
