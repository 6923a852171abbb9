"""The Rules-and-Facts model in the proportional limit (Farné et al., arXiv 2603.25579).

Gaussian inputs x ∈ R^d, n = αd labels: sign of a teacher (rule) with probability 1 − ε, a fair coin
(fact) with ε. A learner f minimizes Σ ℓ(y, f) + λ/2 ||w||². Order parameters on a fresh input: m,
covariance of f with the teacher; q, variance of f; V, response. Then

    E_gen = arccos(m/√q)/π,    E_mem = ½ erfc(V |ℓ'(0)| / √(2q)).

Kernels and random features enter through μ1 and μ⋆ (linear part and norm of the rest), by the angle
tan γ = μ⋆/μ1; linear is μ⋆ = 0. Every fixed point is iterated in λ-scaled variables (v = λV, hats
over powers of λ), which stay finite as λ → 0, for all points of a grid at once; the state carries q
− m², so that E_gen keeps its digits as it goes to 0.

The equations are derived independently of the paper and agree with its released state-evolution
code.
"""

from rote.theory.raf.bayes import bayes_optimal, bayes_overlap, bayes_rate
from rote.theory.raf.inputs import eigenvalues, power_law
from rote.theory.raf.kernels import (
    ACTIVATIONS,
    KERNELS,
    DotProductKernel,
    FeatureGeometry,
    named,
    of_activation,
    of_function,
    rbf,
)
from rote.theory.raf.learner import Learner
from rote.theory.raf.limits import (
    HingeLimit,
    capacity,
    hinge_limit,
    optimal_angle,
    optimal_ridge,
    square_rate,
)
from rote.theory.raf.losses import LOSSES, RafLoss
from rote.theory.raf.optimum import Optimum, best_kernel, best_ridge, memory_width
from rote.theory.raf.solver import Solution, Solver, solve
from rote.theory.raf.training import rule_error

__all__ = [
    "ACTIVATIONS",
    "KERNELS",
    "LOSSES",
    "DotProductKernel",
    "FeatureGeometry",
    "HingeLimit",
    "Learner",
    "Optimum",
    "RafLoss",
    "Solution",
    "Solver",
    "bayes_optimal",
    "bayes_overlap",
    "bayes_rate",
    "best_kernel",
    "best_ridge",
    "capacity",
    "eigenvalues",
    "hinge_limit",
    "memory_width",
    "named",
    "of_activation",
    "of_function",
    "optimal_angle",
    "optimal_ridge",
    "power_law",
    "rbf",
    "rule_error",
    "solve",
    "square_rate",
]
