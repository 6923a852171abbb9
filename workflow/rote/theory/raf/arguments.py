"""The valid values of the arguments of this package, and the errors for all others."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from rote.core import reals
from rote.core.errors import InputError


class _Values(NamedTuple):
    """The valid values of an argument, as a test and in words."""

    holds: Callable[[np.ndarray], np.ndarray]
    words: str


_VALUES = {
    "alpha": _Values(lambda x: x > 0, "> 0"),
    "eps": _Values(lambda x: (x >= 0) & (x <= 1), "in [0, 1]"),
    "lam": _Values(lambda x: x >= 0, "≥ 0"),
    "mu1": _Values(
        lambda x: x != 0,
        "non-zero (without a linear part the rule cannot be learnt: E_gen = 1/2)",
    ),
    "mustar": _Values(lambda x: x >= 0, "≥ 0"),
    "kappa": _Values(lambda x: x > 0, "> 0"),
    "weight": _Values(lambda x: x > 0, "> 0"),
}


def check_domains(**parameters: np.ndarray | float) -> None:
    """Refuse values outside their ranges, naming parameter and range.

    Args:
        **parameters: alpha, eps, lam, mu1, mustar, kappa or weight, of any shape.

    Raises:
        InputError: for the first value that is no number, not finite or outside its range.
    """
    for name, given in parameters.items():
        values = reals.array(name, given)
        valid = np.isfinite(values) & _VALUES[name].holds(values)
        if not valid.all():
            raise InputError(
                f"{name} must be finite and {_VALUES[name].words}, "
                f"given {first_offender(values, valid)}"
            )


def check_range(name: str, values: np.ndarray, low: float, high: float) -> None:
    """Refuse values outside the range over which a function was checked.

    Args:
        name: of the argument.
        values: any shape, finite.
        low, high: the range, both included.

    Raises:
        InputError: naming the argument and the range.
    """
    valid = (values >= low) & (values <= high)
    if not valid.all():
        raise InputError(
            f"{name} must be between {low:g} and {high:g}, given {first_offender(values, valid)}"
        )


def broadcast(**parameters: np.ndarray | float) -> list[np.ndarray]:
    """Arguments as arrays of one shape.

    Args:
        **parameters: of any shapes that broadcast.

    Raises:
        InputError: naming an argument that is no number, or all whose shapes do not broadcast.
    """
    arrays = [reals.array(name, given) for name, given in parameters.items()]
    try:
        return list(np.broadcast_arrays(*arrays))
    except ValueError as error:
        raise InputError(f"shapes of {', '.join(parameters)} do not broadcast: {error}") from error


def fraction(eps: np.ndarray | float, closed: bool = True) -> np.ndarray:
    """A fraction of facts as an array.

    Args:
        eps: any shape.
        closed: whether 1 is valid.

    Raises:
        InputError: for values outside [0, 1], or [0, 1).
    """
    check_domains(eps=eps)
    eps = np.asarray(eps, float)
    if not closed and (eps == 1).any():
        raise InputError("eps must be in [0, 1), given 1")
    return eps


def first_offender(values: np.ndarray, valid: np.ndarray) -> float:
    """The first value that is not valid, for an error message.

    Args:
        values: any shape.
        valid: bool, of the same shape; False somewhere.
    """
    return float(np.ravel(values)[np.argmin(np.ravel(valid))])
