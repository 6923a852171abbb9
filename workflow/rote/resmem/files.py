"""A model's files: arrays and weights as safetensors, settings as JSON."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from rote.core.errors import InputError
from rote.core.files import first_line, one_line
from rote.core.tables import atomic
from rote.readers import weights
from rote.resmem.bases import is_module


def save(model: Any, names: tuple[str, ...], folder: Path) -> None:
    """Write a fitted model's memory, arrays and settings, and of a torch base its weights.

    Args:
        model: a `ResMem`.
        names: of its arrays.
        folder: where they go; made if it is missing; ~ is the home folder.

    Raises:
        InputError: if there is a file of that name.
    """
    from safetensors.numpy import save_file

    folder = folder.expanduser()
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file; give a folder")

    arrays: dict[str, np.ndarray] = {}
    texts: dict[str, tuple[str, list[str]]] = {}  # of what is no number: type and values
    for name in names:
        values = np.asarray(getattr(model, name))
        plain = np.asarray(values.tolist()) if values.dtype.kind == "O" else values
        if plain.dtype.kind in "biuf":
            arrays[name] = np.ascontiguousarray(plain)
        else:
            texts[name] = str(values.dtype), [str(one) for one in values]
    options = {
        "kind": type(model).__name__,
        "k": int(model.k),
        "bandwidth": str(model.bandwidth),  # JSON has no infinity
        "scale": str(model.scale_),
        "temperature": str(model.temperature),
        "strength": float(model.strength),
        "engine": model.engine,
        "texts": texts,
    }
    (folder / "resmem.json").unlink(missing_ok=True)  # written last: the folder is whole then
    model.memory_.save(folder)
    with atomic(folder / "targets.safetensors") as path:
        save_file(arrays, path)
    if is_module(model.base_):
        from safetensors.torch import save_file as save_weights

        # copies: the format has no tensors that share memory, as tied weights do
        state = {
            name: value.detach().cpu().contiguous().clone()
            for name, value in model.base_.state_dict().items()
        }
        with atomic(folder / "base.safetensors") as path:
            save_weights(state, path)
    with atomic(folder / "resmem.json") as path:
        path.write_text(json.dumps(options) + "\n", "utf-8")


def read(
    folder: Path, kind: str, names: tuple[str, ...]
) -> tuple[dict[str, Any], float, dict[str, np.ndarray]]:
    """What `save` wrote, but for memory and weights.

    Args:
        folder: which `save` wrote.
        kind: name of the class that is read.
        names: of its arrays.

    Returns:
        Parameters of its constructor, the memory's scale, and the arrays by name.

    Raises:
        InputError: if the folder holds no whole model of this kind.
    """
    from safetensors.numpy import load_file

    with one_line(folder, "holds no whole model", "save it again"):
        options = json.loads((folder / "resmem.json").read_text("utf-8"))
        arrays = load_file(folder / "targets.safetensors")
        for name, (dtype, texts) in options["texts"].items():
            arrays[name] = np.array(texts, object).astype(dtype)
        lacking = set(names) - arrays.keys() if options["kind"] == kind else set()
        if lacking:
            raise ValueError(f"it lacks {', '.join(sorted(lacking))}")
        scale = float(options["scale"])
        parameters = {
            "k": options["k"],
            "bandwidth": float(options["bandwidth"]),
            "temperature": float(options["temperature"]),
            "strength": options["strength"],
            "engine": options["engine"],
        }
    if options["kind"] != kind:
        raise InputError(f"{folder} holds a {options['kind']}, not a {kind}")
    return parameters, scale, {name: arrays[name] for name in names}


def read_weights(folder: Path, module: Any) -> None:
    """Give a torch module the weights that were saved with the model, if there are any.

    Raises:
        InputError: if they do not fit it.
    """
    if not (folder / "base.safetensors").exists():
        return
    stored = weights.read(folder / "base.safetensors")
    try:
        module.load_state_dict(stored)
    except RuntimeError as error:
        raise InputError(
            f"{folder}/base.safetensors does not fit the module given: {first_line(error)}"
        ) from error
