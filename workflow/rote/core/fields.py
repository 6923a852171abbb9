"""Arguments and fields that users give: one check of each kind, and one form of the error."""

import os
from collections.abc import Callable, Mapping
from numbers import Real
from typing import Any, NamedTuple

from rote.core.errors import InputError


class FieldRange(NamedTuple):
    """The numbers that a field may hold."""

    words: str  # after "must be"
    holds: Callable[[Any], bool]  # False for NaN


def whole(lowest: int, highest: int = 2**63 - 1) -> FieldRange:
    """Whole numbers of 64 bits between two; floats are none, even 2.0: they are no index."""
    return FieldRange(
        f"a whole number ≥ {lowest}" + (f" and ≤ {highest}" if highest < 2**63 - 1 else ""),
        lambda value: isinstance(value, int) and lowest <= value <= highest,
    )


COUNT = whole(0)
SIZE = whole(1)
UNIT = FieldRange("in [0, 1]", lambda value: 0 <= value <= 1)
POSITIVE = FieldRange("finite and > 0", lambda value: 0 < value < float("inf"))
WIDTH = FieldRange("in [1e-150, 1e150]", lambda value: 1e-150 <= value <= 1e150)  # can be squared
NOT_NEGATIVE = FieldRange("finite and ≥ 0", lambda value: 0 <= value < float("inf"))
PATH = str | os.PathLike
_TYPES: dict[Any, str] = {
    bool: "true or false",
    str: "text",
    PATH: "a path",
    Callable: "a function",
}


def check_types(types: Mapping[str, Any], values: Mapping[str, Any]) -> None:
    """Refuse values of another type than a field's.

    Args:
        types: by field: bool, str, PATH, Callable, or a class.
        values: by field; those without a type are not looked at.

    Raises:
        InputError: for the first such value, naming the field and its type.
    """
    for name, kind in types.items():
        if not isinstance(values[name], kind):
            words = _TYPES.get(kind) or f"a `{kind.__name__}`"
            raise InputError(f"{name} must be {words}, given {shown(values[name])}")


def check_many(values: Mapping[str, Any]) -> None:
    """Refuse what is not several values: one text, or what cannot be gone through.

    Args:
        values: by field.

    Raises:
        InputError: for the first such value, naming the field.
    """
    for name, value in values.items():
        try:
            iter(value)
        except TypeError:
            several = False
        else:
            several = not isinstance(value, str | bytes)
        if not several:
            raise InputError(f"{name} must be several values, as a list, given {shown(value)}")


def shown(value: Any) -> str:
    """A value as errors show it: its first 60 characters."""
    return repr(value)[:60]


def check(domains: Mapping[str, FieldRange], values: Mapping[str, Any]) -> dict[str, Any]:
    """Values as plain numbers, int or float, in whose arithmetic nothing overflows or is rounded.

    Args:
        domains: by field.
        values: by field; those without a domain are not looked at.

    Returns:
        By field of `domains`.

    Raises:
        InputError: for the first value that is no number of at most 64 bits or lies outside its
            domain, naming the field and what is allowed.
    """
    numbers = {}
    for name, domain in domains.items():
        number = _plain(values[name])
        if number is None or not domain.holds(number):
            raise InputError(f"{name} must be {domain.words}, given {shown(values[name])}")
        numbers[name] = number
    return numbers


def _plain(value: Any) -> int | float | None:
    """A Python or NumPy number as int or float; None for anything else, and beyond 64 bits."""
    if isinstance(value, bool) or not isinstance(value, Real):
        return None
    dtype: Any = getattr(value, "dtype", None)  # NumPy has one, of time spans too
    if dtype is not None:
        scalar: Any = value
        return scalar.item() if dtype.kind in "iuf" and dtype.itemsize <= 8 else None
    if isinstance(value, int):
        return int(value) if abs(value) < 2**64 else None
    return float(value) if isinstance(value, float) else None
