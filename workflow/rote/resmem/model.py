"""What classifier and regressor share: the base and its embedding, the memory, files."""

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted, column_or_1d, validate_data

from rote import knn
from rote.core.errors import InputError
from rote.core.tables import atomic
from rote.neighbors import Datastore, Neighbors

log = logging.getLogger("rote")
Embed = Callable[[Any], np.ndarray] | str | None
BATCH = 512  # inputs given to a torch module at a time


class ResMem(BaseEstimator):
    """What both models share: the base, its embedding, the memory."""

    def __init__(
        self,
        base: Any = None,
        embed: Embed = None,
        k: int = 50,
        bandwidth: float | None = None,
        temperature: float = 1.0,
        strength: float = 1.0,
        engine: str = "exact",
    ):
        self.base, self.embed, self.k, self.bandwidth = base, embed, k, bandwidth
        self.temperature, self.strength, self.engine = temperature, strength, engine

    def _check(self) -> None:
        """Parameters, when a method is called: scikit-learn asks constructors to check nothing."""
        if not (isinstance(self.k, int | np.integer) and self.k >= 1):
            raise InputError(f"k must be a whole number of at least 1, given {self.k!r}")
        if self.bandwidth is not None and not self.bandwidth >= 0:
            raise InputError(
                f"bandwidth must be None, 0, positive or infinite, given {self.bandwidth}"
            )
        if not self.temperature > 0:
            raise InputError(
                f"temperature must be positive (or infinite), given {self.temperature}"
            )

    def _start(self, X: Any, y: np.ndarray) -> None:
        """The base as it is used: a torch module or a fitted estimator as given, a fresh one fitted
        here.
        """
        base = self._default() if self.base is None else self.base
        if not is_module(base) and not is_fitted(base):
            base = clone(base).fit(X, y)
        self.base_ = base

    def _embedded(self, X: Any) -> np.ndarray:
        """Embeddings (n, d): by a function, a layer of the torch module, or the inputs themselves."""
        if callable(self.embed):
            found = np.asarray(self.embed(X))
        elif isinstance(self.embed, str):
            if not is_module(self.base_):
                raise InputError(
                    f"embed {self.embed!r} names a layer, but the base is no torch module"
                )
            found = forward(self.base_, X, self.embed)
        else:
            found = np.asarray(X)
        if len(found) != len(X):
            raise InputError(f"embed gave {len(found)} rows for {len(X)} inputs")
        return found.reshape(len(found), -1)

    def _remember(self, embeddings: np.ndarray) -> None:
        self.memory_ = Datastore(embeddings, engine=self.engine)
        if self.bandwidth is None:
            near = self.memory_.search(embeddings, 1, include_self=False)  # not the row itself
            self.bandwidth_ = knn.scale(near.distances) if near.distances.size else 1.0
        else:
            self.bandwidth_ = float(self.bandwidth)

    def _search(self, X: Any) -> Neighbors:
        if not len(self.memory_):
            log.warning("the memory is empty: these are the base's predictions")
        return self.memory_.search(self._embedded(X), self.k)

    def _inputs(self, X: Any, y: Any = "no_validation", reset: bool = False) -> Any:
        """Inputs (and targets) of a scikit-learn base are checked as it would; those of a torch
        module are not.
        """
        alone = isinstance(y, str)
        if is_module(self.base):
            return X if alone else (X, np.asarray(y))
        options = (
            {}
            if alone or isinstance(self, ClassifierMixin)
            else {"multi_output": True, "y_numeric": True}
        )
        found = validate_data(self, X, y, reset=reset, **options)
        return found if alone or found[1].ndim < 2 else (found[0], _column(found[1]))

    def _paired(self, X: Any, y: Any) -> None:
        if len(y) != len(X):
            raise InputError(f"{len(X)} inputs, but {len(y)} targets")

    # ---- files
    # -------------------------------------------------------------------------------------------------------

    def save(self, folder: str | Path) -> None:
        """Write the memory, its settings and, of a torch base, its weights; nothing is pickled.

        A scikit-learn base is not written: give it to `load` again.
        """
        from safetensors.numpy import save_file

        check_is_fitted(self, "memory_")
        folder = Path(folder)
        self.memory_.save(folder)
        arrays = {name: np.ascontiguousarray(getattr(self, name)) for name in self._ARRAYS}
        with atomic(folder / "targets.safetensors") as path:
            save_file(arrays, path)
        if is_module(self.base_):
            from safetensors.torch import save_file as save_weights

            state = {
                name: value.cpu().contiguous() for name, value in self.base_.state_dict().items()
            }
            with atomic(folder / "base.safetensors") as path:
                save_weights(state, path)
        about = {name: getattr(self, name) for name in ("k", "temperature", "strength", "engine")}
        about |= {"bandwidth": str(self.bandwidth_), "kind": type(self).__name__}
        about |= {"temperature": str(self.temperature)}
        with atomic(folder / "resmem.json") as path:
            path.write_text(json.dumps(about) + "\n")

    @classmethod
    def load(
        cls, folder: str | Path, base: Any, embed: Embed = None, *, device: str = "cpu"
    ) -> "ResMem":
        """A saved model.

        Args:
            base: the fitted base, or a torch module of the same architecture, whose weights are
                then read.
            embed: as in the constructor.

        Raises:
            InputError: if the folder holds no whole model of this kind, or the weights do not fit
                the module.
        """
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        folder = Path(folder)
        try:
            about = json.loads((folder / "resmem.json").read_text())
            arrays = load_file(folder / "targets.safetensors")
        except (OSError, ValueError, SafetensorError) as error:
            raise InputError(f"{folder} holds no whole model ({error}); save it again") from error
        if about["kind"] != cls.__name__:
            raise InputError(f"{folder} holds a {about['kind']}, not a {cls.__name__}")
        model = cls(
            base,
            embed,
            about["k"],
            float(about["bandwidth"]),
            float(about["temperature"]),
            about["strength"],
            about["engine"],
        )
        model.base_, model.bandwidth_ = base, model.bandwidth
        model.memory_ = Datastore.load(folder, device=device)
        for name in cls._ARRAYS:
            setattr(model, name, arrays[name])
        if is_module(base) and (folder / "base.safetensors").exists():
            from safetensors.torch import load_file as load_weights

            try:
                base.load_state_dict(load_weights(folder / "base.safetensors"))
            except RuntimeError as error:
                raise InputError(
                    f"{folder}/base.safetensors does not fit the module given: {error}"
                ) from error
        model._restored()
        return model

    def _restored(self) -> None:
        self.n_features_in_ = getattr(self.base_, "n_features_in_", self.memory_.dimension)


def is_module(base: Any) -> bool:
    """Whether it is a torch module, without importing torch for those who do not use it."""
    return any(kind.__module__.startswith("torch.nn") for kind in type(base).__mro__)


def is_fitted(base: Any) -> bool:
    try:
        check_is_fitted(base)
    except (NotFittedError, TypeError):
        return False
    return True


def forward(module: Any, X: Any, layer: str | None = None) -> np.ndarray:
    """Outputs of a torch module in evaluation mode, or what one of its layers gave, (n, ...).

    Dropout and batch statistics of training would make other residuals; the module's mode is put
    back afterwards.
    """
    import torch

    inputs = torch.as_tensor(np.asarray(X) if not torch.is_tensor(X) else X)
    parameter = next(module.parameters(), None)
    if parameter is not None:
        inputs = inputs.to(
            parameter.device, parameter.dtype if inputs.is_floating_point() else None
        )
    caught, handle = [], None
    if layer is not None:
        layers = dict(module.named_modules())
        if layer not in layers:
            known = ", ".join(name for name in layers if name)
            raise InputError(f"embed {layer!r} is no layer of the module; it has {known}")
        handle = layers[layer].register_forward_hook(
            lambda _, __, output: caught.append(output.flatten(1).cpu())
        )
    training, found = module.training, []
    module.eval()
    try:
        with torch.no_grad():
            for begin in range(0, len(inputs), BATCH):
                found.append(module(inputs[begin : begin + BATCH]).cpu())
    finally:
        module.train(training)
        if handle is not None:
            handle.remove()
    return torch.cat(caught if layer is not None else found).float().numpy()


def _column(y: np.ndarray) -> np.ndarray:
    """One target given as a column is a vector, as scikit-learn has it (with its warning)."""
    return column_or_1d(y, warn=True) if y.shape[1] == 1 else y
