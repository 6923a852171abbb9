"""One attention head in the proportional limit."""

from typing import NamedTuple

import numpy as np

from rote.core.errors import InputError
from rote.papers.attention.heads import U, spike_at
from rote.papers.attention.instruments import nonlinearity
from rote.theory import attention
from rote.theory.attention.arguments import both_or_none
from rote.theory.point import TheoryPoint


class PointHead(NamedTuple):
    """Signal, weights and diagonal as a user states them."""

    signal: float = 0.0  # ||μ||²
    key: float | None = None  # angle of the unit weight to the signal, degrees; None: no weight
    query: float | None = None
    diag: str = "zero"  # a name of `attention.DIAGONALS`, or a number


def solve(f: str, c: float, gamma: float, head: PointHead = PointHead()) -> TheoryPoint:
    """Errors of attention and of ridge regression, their gap and the moments of f at one point.

    Args:
        f: name of the nonlinearity, or module:function.
        c: dimensions per token p/n, > 0.
        gamma: ridge, > 0.
        head: signal, weights, diagonal.

    Raises:
        InputError: naming the argument and its range.
    """
    function = nonlinearity(f)
    both_or_none("--key", "--query", head.key, head.query)
    if not (np.isfinite(head.signal) and head.signal >= 0):
        raise InputError(f"--signal must be finite and ≥ 0, given {head.signal}")
    vectors = attention.Vectors(
        mu=np.sqrt(head.signal) * U,
        w_key=None if head.key is None else spike_at(head.key).key,
        w_query=None if head.query is None else spike_at(head.query).query,
    )
    solution = attention.memorization_error(gamma, c, function, vectors, _diagonal(head.diag))
    ridge = float(attention.ridge_error(gamma, c, head.signal))
    numbers = {
        "memorization error": float(solution.error),
        "ridge on raw tokens": ridge,
        "gap": float(solution.error) - ridge,
        "above max(0, 1 − c)": float(solution.excess),
        "bound of its error": float(solution.bound),
        "trace of resolvent": float(solution.h_uu),
        "a0": solution.coefficients.a0,
        "a1": solution.coefficients.a1,
        "ν": solution.coefficients.nu,
    }
    return TheoryPoint(
        numbers,
        converged=bool(solution.converged),
        steps=int(solution.iterations),
        unit="steps",
        residual=float(solution.residual),
    )


def _diagonal(text: str) -> str | float:
    if text in attention.DIAGONALS:
        return text
    try:
        return float(text)
    except ValueError:
        names = ", ".join(attention.DIAGONALS)
        raise InputError(f"--diag must be {names} or a number, given {text!r}") from None
