"""What a base is to a memory: fitted or not, its outputs, and the embeddings in between."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import _num_samples, check_is_fitted

from rote.core.errors import InputError

Embed = Callable[[Any], np.ndarray] | str | None
BATCH = 512  # inputs of a torch module at a time


def is_module(base: Any) -> bool:
    """Whether it is a torch module, without importing torch for those who do not use it."""
    return any(kind.__module__.startswith("torch.nn") for kind in type(base).__mro__)


def is_fitted(base: Any) -> bool:
    """Whether it is a fitted scikit-learn estimator."""
    try:
        check_is_fitted(base)
    except (NotFittedError, TypeError):
        return False
    return True


def is_frozen(base: Any) -> bool:
    """Whether a base is used as it is: a torch module, or a fitted estimator."""
    return is_module(base) or is_fitted(base)


def count(X: Any) -> int:
    """Number of inputs, of any kind."""
    return X.shape[0] if hasattr(X, "shape") else _num_samples(X)


def embeddings(base: Any, embed: Embed, X: Any) -> np.ndarray:
    """What distances are taken between.

    Args:
        base: fitted estimator or torch module.
        embed: a function of the inputs; the name of a layer of the module or of a step of the
            pipeline; None: what a pipeline's last step reads, of others the inputs themselves.
        X: inputs (n, ...).

    Returns:
        (n, d) numbers.

    Raises:
        InputError: for a name that the base does not have, another number of rows, or embeddings
            that are no finite numbers.
    """
    if callable(embed):
        values = _dense(embed(X))
    elif isinstance(embed, str) and is_module(base):
        values = forward(base, X, embed)
    elif isinstance(embed, str):
        values = _of_step(base, embed, X)
    elif is_pipeline(base) and len(base.steps) > 1:
        values = _dense(base[:-1].transform(X))
    else:
        values = _dense(X)
    rows = count(X)
    n_embedded = np.atleast_1d(values).shape[0]
    if n_embedded != rows:
        raise InputError(f"embed gave {n_embedded} rows for {rows} inputs")
    what = "the inputs" if embed is None else "the embeddings"
    if values.dtype.kind not in "biuf":
        raise InputError(
            f"{what} are no numbers: give embed, a function from inputs to embeddings (n, d)"
        )
    finite = np.isfinite(values.reshape(rows, -1)).all(1) if rows else np.ones(0, bool)
    bad = np.flatnonzero(~finite)
    if len(bad):
        raise InputError(
            f"{what} hold NaN or infinite values in {len(bad)} rows, first in row {bad[0]}: "
            "give embed, a function from inputs to finite embeddings (n, d)"
        )
    width = values.size // rows if rows else int(np.prod(np.shape(values)[1:]))
    return values.reshape(rows, width)


def is_pipeline(base: Any) -> bool:
    """Whether it is a pipeline of scikit-learn."""
    return hasattr(base, "named_steps") and hasattr(base, "steps")


def _of_step(base: Any, name: str, X: Any) -> np.ndarray:
    """Outputs of a step of a pipeline."""
    names = [step for step, _ in base.steps] if is_pipeline(base) else []
    if name not in names[:-1]:
        has = f"a pipeline with the steps {', '.join(names[:-1])}" if names else "neither"
        raise InputError(
            f"embed {name!r} names a layer of a torch module or a step of a pipeline; "
            f"the base is {has}"
        )
    return _dense(base[: names.index(name) + 1].transform(X))


def _dense(rows: Any) -> np.ndarray:
    values = np.asarray(rows.toarray() if hasattr(rows, "toarray") else rows)
    if values.dtype.kind != "O":
        return values
    try:
        return values.astype(float)  # a table with columns of several types
    except (TypeError, ValueError):
        return values


def forward(module: Any, X: Any, layer: str | None = None) -> np.ndarray:
    """Outputs of a torch module in evaluation mode, or those of one of its layers.

    Dropout and batch statistics of training would make other residuals; the module's mode is
    restored afterwards. Of several outputs the first is taken, or `logits` where one is called so;
    of a layer that the module uses several times, the last use.

    Args:
        module: on any device.
        X: inputs (n, ...).
        layer: name of a layer, whose outputs are flattened.

    Returns:
        (n, ...) float32.

    Raises:
        InputError: for a layer that the module lacks, or that it did not use.
    """
    import torch

    inputs = torch.as_tensor(np.asarray(X) if not torch.is_tensor(X) else X)
    parameter = next(module.parameters(), None)
    if parameter is not None:
        inputs = inputs.to(
            parameter.device, parameter.dtype if inputs.is_floating_point() else None
        )
    outputs: list[Any] = []
    last_use: list[Any] = []
    hook = None
    if layer is not None:
        hook = _layer(module, layer).register_forward_hook(
            lambda _, __, output: last_use.append(_first(output))
        )
    training = module.training
    module.eval()
    try:
        with torch.no_grad():
            for begin in range(0, max(1, len(inputs)), BATCH):
                last_use.clear()
                output = _first(module(inputs[begin : begin + BATCH]))
                if layer is not None and not last_use:
                    raise InputError(f"embed {layer!r} is a layer that the module does not use")
                outputs.append((last_use[-1].flatten(1) if layer is not None else output).cpu())
    finally:
        module.train(training)
        if hook is not None:
            hook.remove()
    return torch.cat(outputs).float().numpy()


def _layer(module: Any, name: str) -> Any:
    layers = dict(module.named_modules())
    if name not in layers:
        names = ", ".join(other for other in layers if other)
        raise InputError(f"embed {name!r} is no layer of the module; it has {names}")
    return layers[name]


def _first(output: Any) -> Any:
    """The tensor among a module's outputs that is meant."""
    if hasattr(output, "logits"):
        return output.logits
    if isinstance(output, Mapping):
        return output["logits"] if "logits" in output else next(iter(output.values()))
    return output[0] if isinstance(output, tuple | list) else output
