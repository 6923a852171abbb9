"""Weights of networks and states of trainings: safetensors, or torch files without any code."""

import logging
import pickle
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rote.core.errors import DamagedFile, InputError
from rote.core.files import first_line, has_suffix, one_line, refuse_pointer

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
    from safetensors.torch import load_file

    with one_line(path, "holds no weights", "fetch it again"):
        is_safe = has_suffix(path, (".safetensors",))
        weights = load_file(path) if is_safe else _tensors(path)
    # what trainers save has the weights under a name of its own
    for name in ("state_dict", "model_state_dict", "model"):
        if isinstance(weights, dict) and isinstance(weights.get(name), dict):
            weights = weights[name]
    if not isinstance(weights, dict) or not weights or not all(map(_is_weight, weights.items())):
        raise InputError(f"{path} holds no weights by name; save a state dict there")
    return weights


def _tensors(path: Path) -> Any:
    """What torch.save wrote, without running any code of it."""
    import torch

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of formats, which the error below names
            return torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError) as error:
        # its advice is to trust the file
        if "weights_only" not in str(error):
            raise
        refuse_pointer(path)
        raise DamagedFile(
            f"{path} holds no weights: it is no file of torch.save, or has more than tensors, "
            "which may be code and is never loaded; save a state dict there"
        ) from error


def _is_weight(item: tuple[Any, Any]) -> bool:
    import torch

    return isinstance(item[0], str) and torch.is_tensor(item[1])


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
