"""What the functions of this theory take: numbers in a domain, vectors of one length."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from rote.core import reals
from rote.core.errors import InputError

GAMMA_RANGE = (1e-18, 1e12)  # of γ/ν
C_RANGE = (1e-3, 1e3)


def within(name: str, value: np.ndarray, limits: tuple[float, float]) -> np.ndarray:
    """Numbers, all of which are in the domain of a function.

    Args:
        name: of the argument, for the message.
        value: numbers, any shape.
        limits: smallest and largest allowed.

    Returns:
        The numbers.

    Raises:
        InputError: naming the argument, its domain and the first number outside.
    """
    low, high = limits
    outside = (value < low) | (value > high)
    if outside.any():
        raise InputError(
            f"{name} must be in [{low:g}, {high:g}], given {value[outside].ravel()[0]:g}"
        )
    return value


def as_vector(name: str, vector: ArrayLike) -> np.ndarray:
    """A vector of finite numbers, (k,).

    Args:
        name: of the argument, for the message.
        vector: its numbers; one number is a vector of length 1.

    Raises:
        InputError: naming what is no such vector.
    """
    array = np.atleast_1d(reals.array(name, vector))
    if array.ndim != 1 or not np.isfinite(array).all():
        raise InputError(f"{name} must be a vector of finite numbers, given shape {array.shape}")
    return array


def one_length(vectors: dict[str, np.ndarray]) -> int:
    """Length of vectors, 1 without any.

    Args:
        vectors: by the names of the arguments, for the message.

    Raises:
        InputError: naming them if their lengths differ.
    """
    lengths = {len(vector) for vector in vectors.values()}
    if len(lengths) > 1:
        names = ", ".join(vectors)
        raise InputError(f"{names} must have one length, given {sorted(lengths)}")
    return lengths.pop() if lengths else 1


def both_or_none(key: str, query: str, w_key: object, w_query: object) -> None:
    """Refuse one side of a spike w_K w_Qᵀ without the other: alone it would change nothing.

    Args:
        key, query: names of the arguments, for the message.
        w_key, w_query: None if they are not given.

    Raises:
        InputError: naming the one that is missing.
    """
    if (w_key is None) != (w_query is None):
        missing, given = (query, key) if w_query is None else (key, query)
        raise InputError(
            f"{given} is given without {missing}: the weights are I + w_K w_Qᵀ, give both or none"
        )


def positive(name: str, value: ArrayLike) -> np.ndarray:
    """`value` as an array of floats, all of which are finite and > 0.

    Args:
        name: of the argument, for the message.
        value: a number or numbers, any shape.

    Returns:
        float64, of the shape of `value`.

    Raises:
        InputError: naming the argument and the first number that is not finite and > 0, or if there
            are none.
    """
    values = reals.array(name, value)
    valid = np.isfinite(values) & (values > 0)
    if not valid.all():
        offender = values[~valid].ravel()[0] if values.ndim else values
        raise InputError(f"{name} must be finite and > 0, given {offender}")
    if values.size == 0:
        raise InputError(f"{name} is empty")
    return values


def number(name: str, value: Any, low: float, high: float) -> float:
    """One number of a closed interval.

    Args:
        name: of the argument, for the message.
        value: what was given.
        low, high: the interval.

    Raises:
        InputError: naming the argument and the interval.
    """
    real = isinstance(value, (int, float, np.integer, np.floating))
    zero_dimensional = (
        isinstance(value, np.ndarray) and value.ndim == 0 and value.dtype.kind in "iuf"
    )
    if not ((real or zero_dimensional) and low <= value <= high):  # NaN is in no interval
        raise InputError(f"{name} must be a number in [{low:g}, {high:g}], given {value!r}")
    return float(value)


def count(name: str, value: object) -> int:
    """A whole number of at least 1.

    Args:
        name: of the argument, for the message.
        value: what was given.

    Raises:
        InputError: naming the argument.
    """
    given = number(name, value, 1, 1e15)
    if given != int(given):
        raise InputError(f"{name} must be a whole number of at least 1, given {value!r}")
    return int(given)
