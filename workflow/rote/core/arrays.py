"""Arrays between two steps: safetensors files, never pickles."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from rote.core.files import one_line
from rote.core.tables import atomic


def save(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write arrays by name to a safetensors file, whole or not at all.

    Args:
        path: of the file; its folder is made if it is missing.
        arrays: by name, any shapes.
    """
    from safetensors.numpy import save_file

    with atomic(path) as temporary:
        save_file({name: np.asarray(value, order="C") for name, value in arrays.items()}, temporary)


def load(path: Path) -> dict[str, np.ndarray]:
    """What `save` wrote. Raises InputError if the file is not whole."""
    from safetensors.numpy import load_file

    with one_line(path, "is not a whole safetensors file", "make it anew"):
        return load_file(path)
