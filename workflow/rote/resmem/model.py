"""What classifier and regressor share: the base and its embedding, the memory, tuning, files."""

import json
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator, clone
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted, column_or_1d, validate_data

from rote import knn
from rote.core.errors import InputError
from rote.core.files import first_line, one_line, refuse_pointer
from rote.core.tables import atomic
from rote.neighbors import Datastore, Engine, Neighbors
from rote.readers import weights
from rote.resmem.scoring import BANDWIDTH_GRID, Setting

log = logging.getLogger("rote")
Embed = Callable[[Any], np.ndarray] | str | None
BATCH = 512  # inputs of a torch module at a time


class ResMem(BaseEstimator):
    """A fitted base and a memory of its training residuals; see the two estimators.

    Args:
        base: a fitted estimator or a torch module, used as it is; an unfitted estimator is cloned
            and fitted. None is the estimator's own default.
        embed: from inputs to embeddings (n, d): a function, the name of a layer of the torch
            module, or None for the inputs themselves; of a pipeline over tables or texts, None is
            what its last step reads.
        k: neighbors, at least 1.
        bandwidth: σ ≥ 0 in units of embedding distance; None is the median distance of a memory row
            to its nearest other.
        temperature: T > 0 of a classifier's softmax.
        strength: α, how much of the residual is added; 0 leaves the base.
        engine: exact, torch, ivf or hnsw, see `rote.knn.Datastore`.
    """

    _ARRAYS: ClassVar[tuple[str, ...]]  # attributes with one row per row of the memory, and classes
    _TARGETS: ClassVar[dict[str, bool]]  # what scikit-learn's validation asks of targets

    base_: Any
    bandwidth_: float
    memory_: Datastore

    def __init__(
        self,
        base: Any = None,
        embed: Embed = None,
        k: int = 50,
        bandwidth: float | None = None,
        temperature: float = 1.0,
        strength: float = 1.0,
        engine: Engine = "exact",
    ):
        self.base = base
        self.embed = embed
        self.k = k
        self.bandwidth = bandwidth
        self.temperature = temperature
        self.strength = strength
        self.engine = engine

    @staticmethod
    def _default() -> Any:
        """An unfitted base, where none is given."""
        raise NotImplementedError

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
        """Set `base_`: a torch module or a fitted estimator as it is, else a fitted clone."""
        base = self._default() if self.base is None else self.base
        if not is_module(base) and not is_fitted(base):
            base = clone(base).fit(X, y)
        self.base_ = base

    def _embedded(self, X: Any) -> np.ndarray:
        """Embeddings (n, d): of a function, a layer of the module, or the inputs themselves."""
        if callable(self.embed):
            embeddings = _dense(self.embed(X))
        elif isinstance(self.embed, str):
            if not is_module(self.base_):
                raise InputError(
                    f"embed {self.embed!r} names a layer, but the base is no torch module"
                )
            embeddings = forward(self.base_, X, self.embed)
        else:
            embeddings = self._own_embeddings(X)
        rows = count(X)
        if len(embeddings) != rows:
            raise InputError(f"embed gave {len(embeddings)} rows for {rows} inputs")
        return embeddings.reshape(len(embeddings), -1)

    def _own_embeddings(self, X: Any) -> np.ndarray:
        """Numbers as they are; of a pipeline over other inputs, what its last step reads."""
        if not is_plain(X) and hasattr(self.base_, "steps") and len(self.base_.steps) > 1:
            X = self.base_[:-1].transform(X)
        embeddings = _dense(X)
        if embeddings.dtype.kind not in "biuf":
            raise InputError(
                "the inputs are no numbers: give embed, a function from inputs to embeddings (n, d)"
            )
        return embeddings

    def _remember(self, embeddings: np.ndarray) -> None:
        """Build the memory, and set the bandwidth in use."""
        self.memory_ = Datastore(embeddings, engine=self.engine)
        if self.bandwidth is None:
            nearest = self.memory_.search(embeddings, 1, include_self=False)
            self.bandwidth_ = knn.scale(nearest.distances) if nearest.distances.size else 1.0
        else:
            self.bandwidth_ = float(self.bandwidth)

    def _search(self, X: Any) -> Neighbors:
        if not len(self.memory_):
            log.warning("the memory is empty: these are the base's predictions")
        return self.memory_.search(self._embedded(X), self.k)

    def _takes_all(self, X: Any) -> bool:
        """Whether inputs go to the base as they are: of modules, and tables or texts of others."""
        return is_module(self.base) or (self.base is not None and not is_plain(X))

    def _inputs(self, X: Any) -> Any:
        """Inputs, checked as scikit-learn does where the base takes arrays of numbers."""
        return X if self._takes_all(X) else validate_data(self, X, reset=False)

    def _examples(self, X: Any, y: Any, *, reset: bool = False) -> tuple[Any, np.ndarray]:
        """Inputs and targets, checked as scikit-learn does where the base takes numbers."""
        if self._takes_all(X):
            y = np.asarray(y)
        else:
            X, y = validate_data(self, X, y, reset=reset, **self._TARGETS)
        if y.ndim == 2 and y.shape[1] == 1 and not is_module(self.base):
            y = column_or_1d(y, warn=True)  # as scikit-learn has it, with its warning
        if len(y) != count(X):
            raise InputError(f"{count(X)} inputs, but {len(y)} targets")
        return X, y

    # ---- tuning

    def _tuning_neighbors(self, X: Any, k: Sequence[int]) -> Neighbors:
        """Neighbors of validation inputs, as many as the largest k. Raises InputError for k < 1."""
        if not len(k) or min(k) < 1:
            raise InputError(f"k must be at least 1, given {list(k)}")
        return self.memory_.search(self._embedded(X), max(k))

    @staticmethod
    def _bandwidths(neighbors: Neighbors) -> list[float]:
        """Multiples of the median non-zero distance to the nearest neighbor."""
        unit = knn.scale(neighbors.distances)
        return [unit * factor for factor in BANDWIDTH_GRID]

    def _adopt(self, best: Setting) -> None:
        """Use this setting; k = 0 leaves the base alone."""
        self.strength = 1.0 if best.k else 0.0
        if best.k:
            self.k = best.k
            self.bandwidth = float(best.bandwidth)
            self.bandwidth_ = self.bandwidth

    # ---- files

    def save(self, folder: str | Path) -> None:
        """Write the memory, its settings and, of a torch base, its weights; nothing is pickled.

        A scikit-learn base is not written: give it to `load` again.

        Args:
            folder: where they go; made if it is missing; ~ is the home folder.

        Raises:
            InputError: if there is a file of that name.
            sklearn.exceptions.NotFittedError: before `fit`.
        """
        from safetensors.numpy import save_file

        check_is_fitted(self, "memory_")
        arrays: dict[str, np.ndarray] = {}
        texts: dict[str, tuple[str, list[str]]] = {}  # of what is no number: type and values
        for name in self._ARRAYS:
            values = np.asarray(getattr(self, name))
            plain = np.asarray(values.tolist()) if values.dtype.kind == "O" else values
            if plain.dtype.kind in "biuf":
                arrays[name] = np.ascontiguousarray(plain)
            else:
                texts[name] = str(values.dtype), [str(one) for one in values]
        options = {
            "k": int(self.k),
            "temperature": str(self.temperature),  # JSON has no infinity
            "strength": float(self.strength),
            "engine": self.engine,
            "bandwidth": str(self.bandwidth_),
            "kind": type(self).__name__,
            "texts": texts,
        }
        folder = Path(folder).expanduser()
        if folder.exists() and not folder.is_dir():
            raise InputError(f"{folder} is a file; give a folder")
        (folder / "resmem.json").unlink(missing_ok=True)  # written last: the folder is whole then
        self.memory_.save(folder)
        with atomic(folder / "targets.safetensors") as path:
            save_file(arrays, path)
        if is_module(self.base_):
            from safetensors.torch import save_file as save_weights

            # copies: the format has no tensors that share memory, as tied weights do
            state = {
                name: value.detach().cpu().contiguous().clone()
                for name, value in self.base_.state_dict().items()
            }
            with atomic(folder / "base.safetensors") as path:
                save_weights(state, path)
        with atomic(folder / "resmem.json") as path:
            path.write_text(json.dumps(options) + "\n", "utf-8")

    @classmethod
    def load(
        cls, folder: str | Path, base: Any, embed: Embed = None, *, device: str = "cpu"
    ) -> "ResMem":
        """A saved model.

        Args:
            folder: which `save` wrote.
            base: the fitted base, or a torch module of the same architecture, whose weights are
                then read.
            embed: as in the constructor.
            device: of the memory, if its engine is torch.

        Returns:
            A fitted model of this class.

        Raises:
            InputError: if the folder holds no whole model of this kind, or the weights do not fit
                the module.
        """
        from safetensors.numpy import load_file

        folder = Path(folder).expanduser()
        for name in ("resmem.json", "targets.safetensors"):
            refuse_pointer(folder / name)
        with one_line(folder, "holds no whole model", "save it again"):
            options = json.loads((folder / "resmem.json").read_text("utf-8"))
            arrays = load_file(folder / "targets.safetensors")
            for name, (kind, texts) in options["texts"].items():
                arrays[name] = np.array(texts, object).astype(kind)
            for name in ("kind", "k", "strength", "engine", "temperature", "bandwidth"):
                options[name]
            lacking = set(cls._ARRAYS) - arrays.keys() if options["kind"] == cls.__name__ else set()
            if lacking:
                raise ValueError(f"it lacks {', '.join(sorted(lacking))}")
            bandwidth, temperature = float(options["bandwidth"]), float(options["temperature"])
        if options["kind"] != cls.__name__:
            raise InputError(f"{folder} holds a {options['kind']}, not a {cls.__name__}")
        model = cls(
            base,
            embed,
            k=options["k"],
            bandwidth=bandwidth,
            temperature=temperature,
            strength=options["strength"],
            engine=options["engine"],
        )
        model.base_ = base
        model.bandwidth_ = bandwidth
        model.memory_ = Datastore.load(folder, device=device)
        for name in cls._ARRAYS:
            setattr(model, name, arrays[name])
        if is_module(base) and (folder / "base.safetensors").exists():
            stored = weights.read(folder / "base.safetensors")
            try:
                base.load_state_dict(stored)
            except RuntimeError as error:
                raise InputError(
                    f"{folder}/base.safetensors does not fit the module given: {first_line(error)}"
                ) from error
        model.n_features_in_ = getattr(base, "n_features_in_", model.memory_.dimension)
        return model


def is_module(base: Any) -> bool:
    """Whether it is a torch module, without importing torch for those who do not use it."""
    return any(kind.__module__.startswith("torch.nn") for kind in type(base).__mro__)


def is_plain(X: Any) -> bool:
    """Whether inputs are an array of numbers, or lists of them: no table with names, no texts."""
    if hasattr(X, "columns") or not hasattr(X, "__getitem__"):
        return False
    return np.asarray(X[:1]).dtype.kind in "biufc"


def count(X: Any) -> int:
    """Number of inputs, of any kind."""
    return X.shape[0] if hasattr(X, "shape") else len(X)


def _dense(rows: Any) -> np.ndarray:
    return np.asarray(rows.toarray() if hasattr(rows, "toarray") else rows)


def is_fitted(base: Any) -> bool:
    """Whether it is a fitted scikit-learn estimator."""
    try:
        check_is_fitted(base)
    except (NotFittedError, TypeError):
        return False
    return True


def forward(module: Any, X: Any, layer: str | None = None) -> np.ndarray:
    """Outputs of a torch module in evaluation mode, or those of one of its layers.

    Dropout and batch statistics of training would make other residuals; the module's mode is
    restored afterwards.

    Args:
        module: on any device.
        X: inputs (n, ...).
        layer: name of a layer, whose outputs are flattened.

    Returns:
        (n, ...) float32.

    Raises:
        InputError: for a layer that the module lacks.
    """
    import torch

    inputs = torch.as_tensor(np.asarray(X) if not torch.is_tensor(X) else X)
    parameter = next(module.parameters(), None)
    if parameter is not None:
        inputs = inputs.to(
            parameter.device, parameter.dtype if inputs.is_floating_point() else None
        )
    outputs: list[Any] = []
    layer_outputs: list[Any] = []
    hook = None
    if layer is not None:
        layers = dict(module.named_modules())
        if layer not in layers:
            names = ", ".join(name for name in layers if name)
            raise InputError(f"embed {layer!r} is no layer of the module; it has {names}")
        hook = layers[layer].register_forward_hook(
            lambda _, __, output: layer_outputs.append(output.flatten(1).cpu())
        )
    training = module.training
    module.eval()
    try:
        with torch.no_grad():
            for begin in range(0, len(inputs), BATCH):
                outputs.append(module(inputs[begin : begin + BATCH]).cpu())
    finally:
        module.train(training)
        if hook is not None:
            hook.remove()
    return torch.cat(outputs if layer is None else layer_outputs).float().numpy()
