"""Fields of small records that users build: one check, and one form of the error."""

from collections.abc import Callable, Mapping
from numbers import Real
from typing import Any, NamedTuple

from rote.core.errors import InputError


class FieldRange(NamedTuple):
    """The numbers that a field may hold."""

    words: str  # after "must be"
    holds: Callable[[Any], bool]  # False for NaN


def whole(lowest: int) -> FieldRange:
    """Whole numbers from `lowest`, of whatever type: one read from a table is a float."""
    return FieldRange(
        f"a whole number ≥ {lowest}",
        lambda value: value >= lowest and float(value).is_integer(),
    )


COUNT = whole(0)
SIZE = whole(1)
UNIT = FieldRange("in [0, 1]", lambda value: 0 <= value <= 1)
POSITIVE = FieldRange("finite and > 0", lambda value: 0 < value < float("inf"))
NOT_NEGATIVE = FieldRange("finite and ≥ 0", lambda value: 0 <= value < float("inf"))


def check_types(types: Mapping[str, type], values: Mapping[str, Any]) -> None:
    """Refuse values of another type than a field's.

    Args:
        types: by field: bool, str.
        values: by field; those without a type are not looked at.

    Raises:
        InputError: for the first such value, naming the field and its type.
    """
    words = {bool: "true or false", str: "text"}
    for name, kind in types.items():
        if not isinstance(values[name], kind):
            raise InputError(f"{name} must be {words[kind]}, given {values[name]!r}")


def check(domains: Mapping[str, FieldRange], values: Mapping[str, Any]) -> None:
    """Refuse values that are no numbers or lie outside their domains.

    Args:
        domains: by field.
        values: by field; those without a domain are not looked at.

    Raises:
        InputError: for the first such value, naming the field and what is allowed.
    """
    for name, domain in domains.items():
        value = values[name]
        is_number = isinstance(value, Real) and not isinstance(value, bool)
        if not (is_number and domain.holds(value)):
            raise InputError(f"{name} must be {domain.words}, given {value!r}")
