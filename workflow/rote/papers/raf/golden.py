"""Values of the released state-evolution code's equations, to 8 digits."""

from typing import NamedTuple


class GoldenPoint(NamedTuple):
    """Both errors of a learner in the proportional limit."""

    loss: str
    alpha: float  # samples per dimension
    eps: float  # fraction of facts
    lam: float  # ridge
    mu1: float
    mustar: float
    e_gen: float
    e_mem: float


HALF = 0.5**0.5
GOLDEN = [  # loss, α, ε, λ, μ1, μ⋆, E_gen, E_mem
    GoldenPoint("square", 2, 0.1, 1, 1, 0, 0.21839352, 0.22306585),
    GoldenPoint("square", 4, 0.1, 0.01, 0.8, 0.6, 0.15796024, 0.0),
    GoldenPoint("square", 4, 0.3, 0.5, 0.8, 0.6, 0.21657740, 0.016219874),
    GoldenPoint("square", 0.5, 0.2, 0.1, 1, 0, 0.37271875, 9.9e-17),
    GoldenPoint("hinge", 2, 0.1, 1, 1, 0, 0.22517222, 0.27969463),
    GoldenPoint("hinge", 4, 0.1, 0.1, 1, 0, 0.15118546, 0.32639864),
    GoldenPoint("hinge", 2, 0.1, 0.5, 0.8, 0.6, 0.21467358, 0.039615114),
    GoldenPoint("hinge", 4, 0.2, 0.5, 0.8, 0.6, 0.17677600, 0.096969512),
    GoldenPoint("hinge", 4, 0.1, 0, 0.8, 0.6, 0.15427347, 0.0),
    GoldenPoint("hinge", 1, 0.2, 0.01, 1, 0, 0.33896165, 1.7e-120),
    GoldenPoint("hinge", 8, 0.1, 0.3, HALF, HALF, 0.10397018, 0.0098497225),
]
