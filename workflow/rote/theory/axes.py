"""Axes of a grid as a command line states them, and the points of their product."""

from collections.abc import Mapping
from itertools import chain

import numpy as np

from rote.core.errors import InputError

MAX_POINTS = 4_000_000


def parse(option: str, text: str) -> np.ndarray:
    """The numbers of an axis, (points,).

    Args:
        option: that it was given to, for the error.
        text: parts with commas between, each a number, low:high:count (evenly spaced) or
            low:high:count:log (evenly spaced in the logarithm).

    Raises:
        InputError: for a text of another form.
    """
    parts = [_part(option, part) for part in text.split(",")]
    return np.array(list(chain.from_iterable(parts)))


def _part(option: str, text: str) -> np.ndarray:
    words = text.strip().split(":")
    try:
        if len(words) == 1:
            return np.array([float(words[0])])
        low, high = float(words[0]), float(words[1])
        count = int(words[2])
    except (ValueError, IndexError):
        raise InputError(
            f"{option} must be a number, low:high:count or low:high:count:log, or several of them "
            f"with commas between, given {text.strip()!r}"
        ) from None
    if count < 1 or len(words) > 4 or (len(words) == 4 and words[3] != "log"):
        raise InputError(
            f"{option} must be low:high:count or low:high:count:log with count ≥ 1, "
            f"given {text.strip()!r}"
        )
    if len(words) == 3:
        return np.linspace(low, high, count)
    if not (low > 0 and high > 0):
        raise InputError(f"{option}: the ends of a log axis must be > 0, given {text.strip()!r}")
    return np.geomspace(low, high, count)


def points(axes: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Every combination of the axes' numbers, one array (points,) per axis; the last varies first.

    Args:
        axes: numbers by name, (count,) each.

    Raises:
        InputError: for more than 4 million points.
    """
    count = int(np.prod([len(values) for values in axes.values()], dtype=float))
    if count > MAX_POINTS:
        raise InputError(f"the grid has {count:,} points; at most {MAX_POINTS:,} are solved")
    meshes = np.meshgrid(*axes.values(), indexing="ij")
    return {name: mesh.ravel() for name, mesh in zip(axes, meshes, strict=True)}
