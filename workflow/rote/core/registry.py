"""Registries: objects by name, and one error for a name that none of them has."""

from collections.abc import Mapping
from typing import TypeVar

from rote.core.errors import InputError
from rote.core.section import nearest

Entry = TypeVar("Entry")


def registered(registry: Mapping[str, Entry], name: str, option: str) -> Entry:
    """The entry of a registry with this name.

    Args:
        registry: objects by name.
        name: of one of them.
        option: what gave the name: an argument, an option or a key.

    Raises:
        InputError: for an unknown name, with the option that gave it, the nearest name and those
            allowed.
    """
    if not isinstance(name, str) or name not in registry:
        hint = nearest(str(name), registry).removesuffix(" ")
        raise InputError(
            f"{option} must be one of {', '.join(registry)}, given {name!r}"
            + (f"; {hint}" if hint else "")
        )
    return registry[name]
