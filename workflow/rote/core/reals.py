"""Real numbers that users give, one or an array of them: one check, and one form of the error."""

from numbers import Real

import numpy as np
from numpy.typing import ArrayLike

from rote.core.errors import InputError
from rote.core.fields import FieldRange


def array(name: str, values: ArrayLike) -> np.ndarray:
    """`values` as float64, of the same shape; NaN and infinite ones pass.

    Args:
        name: of the argument, for the message.
        values: a number or numbers, any shape.

    Raises:
        InputError: for text, None, complex numbers, dates, rows of different lengths, masked
            values, and numbers above 1e308.
    """
    given = read(name, values)
    if given.dtype.kind == "c":
        raise InputError(f"{name} is complex: give real numbers (stack real and imaginary parts)")
    numeric = given.dtype.kind in "biuf"
    if given.dtype.kind == "O":
        numeric = given.size > 0 and all(isinstance(value, Real) for value in given.flat)
    if not numeric:
        raise InputError(f"{name} must be real numbers, given {given.dtype} {str(values)[:40]!r}")
    try:
        with np.errstate(over="ignore"):  # of long doubles, which become infinite
            return given.astype(float, copy=False)
    except OverflowError as error:
        raise InputError(f"{name} holds a number that is too large, above 1e308") from error


def read(name: str, values: ArrayLike) -> np.ndarray:
    """`values` as an array of whatever type.

    Args:
        name: of the argument, for the message.
        values: a number or numbers, any shape.

    Raises:
        InputError: for rows of different lengths, masked values, and tensors that NumPy cannot
            read.
    """
    if isinstance(values, np.ma.MaskedArray) and np.ma.is_masked(values):
        raise InputError(f"{name} holds masked values: leave them out, or fill them")
    try:
        return np.asarray(values)
    except (TypeError, ValueError, RuntimeError, OverflowError) as error:
        raise InputError(f"{name} must be an array of numbers: {error}") from error


def whole(name: str, values: ArrayLike) -> np.ndarray:
    """A vector of whole numbers, of the type that they have; int64 where there are none.

    Args:
        name: of the argument, for the message.
        values: (n,) whole numbers.

    Raises:
        InputError: for anything else; floats are none, even 2.0: they are no index.
    """
    given = read(name, values)
    if given.ndim != 1 or (given.size and given.dtype.kind not in "iu"):
        raise InputError(
            f"{name} must be a vector of whole numbers, given {given.dtype} {given.shape}"
        )
    return given if given.size else given.astype(np.int64)


def finite(name: str, values: ArrayLike) -> np.ndarray:
    """`values` as float64, all of them finite.

    Args:
        name: of the argument, for the message.
        values: a number or numbers, any shape.

    Raises:
        InputError: as `array`, and for NaN and infinite ones, how many and the first.
    """
    given = array(name, values)
    lost = ~np.isfinite(given)
    if lost.any():
        raise InputError(
            f"{name} must be finite, given {given[lost].flat[0]}: {int(lost.sum())} of "
            f"{given.size} values are NaN or infinite"
        )
    return given


def number(name: str, value: ArrayLike, domain: FieldRange) -> float:
    """One number of a range.

    Args:
        name: of the argument, for the message.
        value: what was given.
        domain: see `rote.core.fields`.

    Raises:
        InputError: for what is no number, several, and one outside the range.
    """
    given = array(name, value)
    if given.ndim or not domain.holds(float(given)):
        raise InputError(f"{name} must be {domain.words}, given {str(value)[:40]}")
    return float(given)


def same_shape(arrays: dict[str, np.ndarray]) -> tuple[int, ...]:
    """The shape that arrays broadcast to.

    Args:
        arrays: by the names of their arguments.

    Raises:
        InputError: if they do not broadcast.
    """
    try:
        return np.broadcast_shapes(*(values.shape for values in arrays.values()))
    except ValueError as error:
        shapes = ", ".join(f"{name} {values.shape}" for name, values in arrays.items())
        raise InputError(f"shapes do not broadcast: {shapes}") from error
