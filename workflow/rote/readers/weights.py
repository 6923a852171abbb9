"""Weights of networks and states of trainings: safetensors, or torch files without any code."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rote.core.errors import InputError
from rote.core.files import first_line, has_suffix, one_line

log = logging.getLogger("rote")


def read(path: Path) -> dict[str, Any]:
    """Weights by name.

    Args:
        path: of a .safetensors file, or one that torch.save wrote of a state dict.

    Returns:
        Tensors on the CPU.

    Raises:
        InputError: for a file that is missing, not whole, or holds anything but tensors.
    """
    import torch
    from safetensors.torch import load_file

    with one_line(path, "holds no weights", "fetch it again"):
        if has_suffix(path, (".safetensors",)):
            return load_file(path)
        weights = torch.load(path, map_location="cpu", weights_only=True)
    # what trainers save has the weights under a name of its own
    for name in ("state_dict", "model"):
        if isinstance(weights, dict) and isinstance(weights.get(name), dict):
            weights = weights[name]
    if not isinstance(weights, dict) or not all(map(torch.is_tensor, weights.values())):
        raise InputError(f"{path} holds no weights by name; save a state dict there")
    return weights


def resume(path: Path | None, adopt: Callable[[dict[str, Any]], None], device: Any = "cpu") -> bool:
    """Go on from the state of a training, if there is a whole one; else say so and begin anew.

    Args:
        path: of a checkpoint; None is none.
        adopt: takes its content over; may raise what it likes for one that does not fit.
        device: where its tensors are put.

    Returns:
        Whether there was one.
    """
    import torch

    if path is None or not path.exists():
        return False
    try:
        adopt(torch.load(path, map_location=device, weights_only=True))
    except Exception as error:  # damage makes its reader raise anything
        log.warning(
            "checkpoint %s is unreadable (%s): starting from step 0", path, first_line(error)
        )
        return False
    return True
