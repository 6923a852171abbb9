"""Nonlinear attention in the proportional limit (Liao, Liu, Hou, Zou, Ling; arXiv 2506.18656).

n tokens of dimension p, one attention head with fixed weights I + w_K w_Qᵀ and an entrywise
nonlinearity f, and the best ridge probe on its outputs. The in-context memorization error is the
probe's training error,

    E = ||y − (XK)ᵀw||²/n = γ²/n yᵀQ²y = −γ²/n d(yᵀQy)/dγ,    Q = (KᵀXᵀXK/n + γ)⁻¹.

As n, p → ∞ attention is linear attention with gain a1 = E[ξ f(ξ)] plus symmetric noise of variance
ν − a1², so that E follows from a 3 × 3 fixed point (`fixed_point`), its derivative in γ (one linear
solve) and the signal's three directions (`memorization`). The equations are derived independently
of the paper, whose body could not be read, and checked against simulation. `variants` holds what
goes beyond it, `given` a head on tokens as they are.
"""

from rote.theory.attention.activation import (
    ACTIVATIONS,
    DIAGONALS,
    Activation,
    Coefficients,
    clipped_exp,
    coefficients,
    diagonal,
    finite_size,
    moments,
    named,
)
from rote.theory.attention.given import given_error
from rote.theory.attention.memorization import (
    AttentionSolution,
    Vectors,
    equal_power,
    kernel_density,
    memorization_error,
    memorization_errors,
    ridge_error,
)
from rote.theory.attention.standards import STANDARDS, matched_ridge

__all__ = [
    "ACTIVATIONS",
    "DIAGONALS",
    "STANDARDS",
    "Activation",
    "AttentionSolution",
    "Coefficients",
    "Vectors",
    "clipped_exp",
    "coefficients",
    "diagonal",
    "equal_power",
    "finite_size",
    "given_error",
    "kernel_density",
    "matched_ridge",
    "memorization_error",
    "memorization_errors",
    "moments",
    "named",
    "ridge_error",
]
