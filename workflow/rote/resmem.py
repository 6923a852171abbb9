"""ResMem for a model of your own: keep the model, store its training residuals, add back what neighbours say.

    model = ResMemClassifier(fitted, embed=features).fit(X, y).tune(X_valid, y_valid)
    model.predict_proba(X_test)

s(x) = p_T(x) + r̂(x): p_T is the base's softmax at temperature T, and r̂ the soft kNN average of the training residuals
onehot(y_i) − p_T(x_i) over the k nearest embeddings, weights exp(−d/σ). (Yang, Lukasik, Nagarajan, Li, Rawat, Zaheer,
Menon, Kumar 2023, section 3.)
"""

import json
import logging
from collections.abc import Callable, Sequence
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, clone
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted, column_or_1d, validate_data

from rote import knn
from rote.errors import InputError
from rote.knn import Datastore, Neighbours
from rote.tables import atomic

log = logging.getLogger("rote")
Embed = Callable[[Any], np.ndarray] | str | None
LEAST = 1e-6  # probabilities are clipped here, then normalized: scores may be negative
BATCH = 512  # inputs given to a torch module at a time
K_GRID = (1, 3, 5, 10, 20, 50, 100)
BANDWIDTH_GRID = (0.1, 0.25, 0.5, 1.0, np.inf)  # times the median distance to the nearest neighbour
TEMPERATURE_GRID = (0.7, 1.0, 1.4, 2.0, 3.0)


# ---- scores ----------------------------------------------------------------------------------------------------------


def softmax(logits: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    """softmax(z/T) over the last axis; T = ∞ is uniform. Raises InputError for T ≤ 0 or NaN."""
    if not temperature > 0:
        raise InputError(f"temperature must be positive (or infinite), given {temperature}")
    z = np.asarray(logits)
    z = z if z.dtype.kind == "f" else z.astype(float)
    z = (z - z.max(-1, keepdims=True)) / z.dtype.type(temperature)
    np.exp(z, out=z)
    z /= z.sum(-1, keepdims=True)
    return z


def residuals(labels: np.ndarray, logits: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    """onehot(y) − p_T, (..., classes), float like the logits; computed for the neighbours of some queries, never for
    a whole training set.

    Args:
        labels: (...,) int.
        logits: (..., classes).
    """
    found = -softmax(logits, temperature)
    at = np.asarray(labels)[..., None]
    np.put_along_axis(found, at, np.take_along_axis(found, at, -1) + 1, -1)
    return found


def vote(weights: np.ndarray, labels: np.ndarray, classes: int) -> np.ndarray:
    """Soft kNN vote: weights (queries, k) summed by the labels (queries, k) of the neighbours, (queries, classes)."""
    out = np.zeros((len(weights), classes))
    np.add.at(out, (np.arange(len(weights))[:, None], labels), weights)
    return out


def scores(
    neighbours: Neighbours,
    labels: np.ndarray,
    logits: np.ndarray,
    query_logits: np.ndarray,
    *,
    bandwidth: float,
    temperature: float = 1.0,
    strength: float = 1.0,
) -> np.ndarray:
    """s(x) = p_T(x) + α r̂(x), (queries, classes); rows sum to 1, entries may be negative.

    Without neighbours (an empty memory) it is p_T(x).

    Args:
        labels, logits: of the memory, (n,) and (n, classes).
        query_logits: (queries, classes).
        strength: α; the paper's is 1.
    """
    base = softmax(np.asarray(query_logits, float), temperature)
    if not neighbours.rows.shape[1] or strength == 0:
        return base
    w = knn.weights(neighbours.distances, bandwidth)
    part = max(1, 2**24 // (neighbours.rows.shape[1] * base.shape[1]))
    for begin in range(0, len(base), part):
        rows = neighbours.rows[begin : begin + part]  # a neighbour that is not there has weight 0
        r = residuals(labels[rows], logits[rows], temperature)
        base[begin : begin + part] += strength * np.einsum("mk,mkc->mc", w[begin : begin + part], r)
    return base


class Setting(NamedTuple):
    """One point of the grid; k = 0 is no memory at all."""

    k: int
    bandwidth: float
    temperature: float


def settings(
    bandwidths: Sequence[float], ks: Sequence[int] = K_GRID, temperatures: Sequence[float] = TEMPERATURE_GRID
) -> list[Setting]:
    """The grid, "no memory" first: of equally good settings the earlier one is taken."""
    return [Setting(0, np.inf, 1.0), *(Setting(*point) for point in product(ks, bandwidths, temperatures))]


def sweep(
    neighbours: Neighbours,
    labels: np.ndarray,
    logits: np.ndarray,
    query_logits: np.ndarray,
    grid: Sequence[Setting],
    measure: Callable[[np.ndarray], np.ndarray],
) -> np.ndarray:
    """A measure of the scores at every setting, from one search at the largest k.

    For each temperature the neighbours' residuals are computed once, and all settings are one batched matrix product.

    Args:
        neighbours: of m queries, with the largest k of the grid.
        measure: (settings, m, classes) scores -> (settings,).
    """
    out, (m, most) = np.empty(len(grid)), neighbours.rows.shape
    order = np.arange(most)
    masks = {}
    for k, bandwidth, _ in grid:
        if k and (k, bandwidth) not in masks:
            near = np.where(order < k, neighbours.distances, np.inf)
            masks[k, bandwidth] = knn.weights(near, bandwidth).astype(np.float32)
    for temperature in dict.fromkeys(setting.temperature for setting in grid):
        chosen = [i for i, setting in enumerate(grid) if setting.temperature == temperature]
        base = softmax(np.asarray(query_logits, np.float32), temperature)
        found = np.repeat(base[None], len(chosen), axis=0)
        with_memory = [(at, masks[grid[i].k, grid[i].bandwidth]) for at, i in enumerate(chosen) if grid[i].k and most]
        if with_memory:
            places = [at for at, _ in with_memory]
            part = max(1, 2**24 // (most * base.shape[1]))
            for begin in range(0, m, part):
                rows = neighbours.rows[begin : begin + part]
                r = residuals(labels[rows], np.asarray(logits[rows], np.float32), temperature)
                w = np.stack([mask[begin : begin + part] for _, mask in with_memory], axis=1)
                found[places, begin : begin + part] += (w @ r).transpose(1, 0, 2)
        out[chosen] = measure(found)
    return out


def probabilities(scores: np.ndarray) -> np.ndarray:
    """Scores as probabilities: clipped at 1e-6 and normalized. The largest stays the largest."""
    found = np.maximum(scores, LEAST)
    return found / found.sum(-1, keepdims=True)


def simplex(scores: np.ndarray) -> np.ndarray:
    """The nearest probabilities to scores (queries, classes) in Euclidean distance."""
    ordered = -np.sort(-scores, axis=-1)
    excess = ordered.cumsum(-1) - 1
    count = (ordered * np.arange(1, scores.shape[-1] + 1) > excess).sum(-1, keepdims=True)
    return np.maximum(scores - np.take_along_axis(excess, count - 1, -1) / count, 0)


# ---- models ----------------------------------------------------------------------------------------------------------


class _ResMem(BaseEstimator):
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
            raise InputError(f"bandwidth must be None, 0, positive or infinite, given {self.bandwidth}")
        if not self.temperature > 0:
            raise InputError(f"temperature must be positive (or infinite), given {self.temperature}")

    def _start(self, X: Any, y: np.ndarray) -> None:
        """The base as it is used: a torch module or a fitted estimator as given, a fresh one fitted here."""
        base = self._default() if self.base is None else self.base
        if not _module(base) and not _fitted(base):
            base = clone(base).fit(X, y)
        self.base_ = base

    def _embedded(self, X: Any) -> np.ndarray:
        """Embeddings (n, d): by a function, a layer of the torch module, or the inputs themselves."""
        if callable(self.embed):
            found = np.asarray(self.embed(X))
        elif isinstance(self.embed, str):
            if not _module(self.base_):
                raise InputError(f"embed {self.embed!r} names a layer, but the base is no torch module")
            found = _forward(self.base_, X, self.embed)
        else:
            found = np.asarray(X)
        if len(found) != len(X):
            raise InputError(f"embed gave {len(found)} rows for {len(X)} inputs")
        return found.reshape(len(found), -1)

    def _remember(self, embeddings: np.ndarray) -> None:
        self.memory_ = Datastore(embeddings, engine=self.engine)
        if self.bandwidth is None:
            near = self.memory_.search(embeddings, 1, itself=False)  # not the row itself
            self.bandwidth_ = knn.scale(near.distances) if near.distances.size else 1.0
        else:
            self.bandwidth_ = float(self.bandwidth)

    def _search(self, X: Any) -> Neighbours:
        if not len(self.memory_):
            log.warning("the memory is empty: these are the base's predictions")
        return self.memory_.search(self._embedded(X), self.k)

    def _inputs(self, X: Any, y: Any = "no_validation", reset: bool = False) -> Any:
        """Inputs (and targets) of a scikit-learn base are checked as it would; those of a torch module are not."""
        alone = isinstance(y, str)
        if _module(self.base):
            return X if alone else (X, np.asarray(y))
        options = {} if alone or isinstance(self, ClassifierMixin) else {"multi_output": True, "y_numeric": True}
        found = validate_data(self, X, y, reset=reset, **options)
        return found if alone or found[1].ndim < 2 else (found[0], _column(found[1]))

    def _paired(self, X: Any, y: Any) -> None:
        if len(y) != len(X):
            raise InputError(f"{len(X)} inputs, but {len(y)} targets")

    # ---- files -------------------------------------------------------------------------------------------------------

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
        if _module(self.base_):
            from safetensors.torch import save_file as save_weights

            state = {name: value.cpu().contiguous() for name, value in self.base_.state_dict().items()}
            with atomic(folder / "base.safetensors") as path:
                save_weights(state, path)
        about = {name: getattr(self, name) for name in ("k", "temperature", "strength", "engine")}
        about |= {"bandwidth": str(self.bandwidth_), "kind": type(self).__name__}
        about |= {"temperature": str(self.temperature)}
        with atomic(folder / "resmem.json") as path:
            path.write_text(json.dumps(about) + "\n")

    @classmethod
    def load(cls, folder: str | Path, base: Any, embed: Embed = None, *, device: str = "cpu") -> "_ResMem":
        """A saved model.

        Args:
            base: the fitted base, or a torch module of the same architecture, whose weights are then read.
            embed: as in the constructor.

        Raises:
            InputError: if the folder holds no whole model of this kind, or the weights do not fit the module.
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
            base, embed, about["k"], float(about["bandwidth"]), float(about["temperature"]), about["strength"],
            about["engine"],
        )  # fmt: skip
        model.base_, model.bandwidth_ = base, model.bandwidth
        model.memory_ = Datastore.load(folder, device=device)
        for name in cls._ARRAYS:
            setattr(model, name, arrays[name])
        if _module(base) and (folder / "base.safetensors").exists():
            from safetensors.torch import load_file as load_weights

            try:
                base.load_state_dict(load_weights(folder / "base.safetensors"))
            except RuntimeError as error:
                raise InputError(f"{folder}/base.safetensors does not fit the module given: {error}") from error
        model._restored()
        return model

    def _restored(self) -> None:
        self.n_features_in_ = getattr(self.base_, "n_features_in_", self.memory_.dimension)


class ResMemClassifier(ClassifierMixin, _ResMem):
    """A classifier and the memory of its training residuals.

    Args:
        base: a fitted classifier or a torch module that gives logits, used as it is; an unfitted classifier is cloned
            and fitted. Default: logistic regression.
        embed: from inputs to embeddings (n, d): a function, the name of a layer of the torch module, or None for the
            inputs themselves.
        k: neighbours.
        bandwidth: σ in units of embedding distance; None is the median distance of a memory row to its nearest other.
        temperature: T of the base's softmax.
        strength: α, how much of the residual is added; 0 leaves the base.
        engine: exact, torch, ivf or hnsw, see `rote.knn.Datastore`.

    Attributes:
        classes_: labels. base_: the base in use. memory_: the datastore. bandwidth_: σ in use.
    """

    _ARRAYS = ("labels_", "logits_", "classes_")

    @staticmethod
    def _default() -> Any:
        from sklearn.linear_model import LogisticRegression

        return LogisticRegression(max_iter=1000)

    def fit(self, X: Any, y: Any) -> "ResMemClassifier":
        """Fit the base unless it is, and remember its residuals on X (n, ...) and y (n,).

        Raises:
            InputError: for labels that the base does not know, or targets and inputs of different number.
        """
        self._check()
        X, y = self._inputs(X, y, reset=True)
        _classification(y)
        self._paired(X, y)
        self._start(X, y)
        if _module(self.base_):
            logits = _forward(self.base_, X)
            self.classes_ = np.arange(logits.shape[1])
        else:
            self.classes_ = self.base_.classes_
            logits = self._logits(X)
        self.labels_, self.logits_ = self._numbers(y), logits.astype(np.float32)
        self._remember(self._embedded(X))
        return self

    def add(self, X: Any, y: Any) -> "ResMemClassifier":
        """Let the memory grow by the residuals of further examples; the base stays."""
        check_is_fitted(self, "memory_")
        X, y = self._inputs(X, y)
        self._paired(X, y)
        labels, logits = self._numbers(y), self._logits(X).astype(np.float32)
        self.memory_.add(self._embedded(X))
        self.labels_, self.logits_ = np.concatenate([self.labels_, labels]), np.concatenate([self.logits_, logits])
        return self

    def decision_function(self, X: Any) -> np.ndarray:
        """Scores s(x), (n, classes), rows summing to 1; for two classes the second minus the first, (n,)."""
        s = self._scores(X)
        return s[:, 1] - s[:, 0] if len(self.classes_) == 2 else s

    def predict_proba(self, X: Any) -> np.ndarray:
        """Scores clipped at 1e-6 and normalized, (n, classes)."""
        return probabilities(self._scores(X))

    def predict(self, X: Any) -> np.ndarray:
        """Labels (n,) of the largest score."""
        s = self._scores(X)
        return self.classes_[s.argmax(1)]

    def tune(
        self,
        X: Any,
        y: Any,
        *,
        k: Sequence[int] = K_GRID,
        bandwidth: Sequence[float] | None = None,
        temperature: Sequence[float] = TEMPERATURE_GRID,
    ) -> "ResMemClassifier":
        """Choose k, σ and T by accuracy on validation data that the base was not fitted on; "no memory" may win.

        Args:
            bandwidth: σ to try; by default multiples of the median non-zero distance to the nearest neighbour.

        Returns:
            The model, with `k`, `bandwidth`, `temperature` and `strength` set (strength 0: no memory), and `tuning_`,
            a list of (setting, accuracy).
        """
        self._check()
        check_is_fitted(self, "memory_")
        X, y = self._inputs(X, y)
        self._paired(X, y)
        if any(one < 1 for one in k) or not len(k):
            raise InputError(f"k must be at least 1, given {list(k)}")
        numbers, logits = self._numbers(y), self._logits(X)
        neighbours = self.memory_.search(self._embedded(X), max(k))
        unit = knn.scale(neighbours.distances)
        bandwidth = [unit * factor for factor in BANDWIDTH_GRID] if bandwidth is None else bandwidth
        grid = settings(bandwidth, k, temperature)
        found = sweep(
            neighbours, self.labels_, self.logits_, logits, grid, lambda s: (s.argmax(-1) == numbers).mean(-1)
        )
        self.tuning_ = list(zip(grid, found.tolist(), strict=True))
        best = grid[int(found.argmax())]
        self.strength = 1.0 if best.k else 0.0
        if best.k:
            self.k, self.bandwidth, self.temperature = best.k, float(best.bandwidth), float(best.temperature)
            self.bandwidth_ = self.bandwidth
        return self

    def _scores(self, X: Any) -> np.ndarray:
        check_is_fitted(self, "memory_")
        self._check()
        X = self._inputs(X)
        neighbours = self._search(X)
        return scores(
            neighbours, self.labels_, self.logits_, self._logits(X), bandwidth=self.bandwidth_,
            temperature=self.temperature, strength=self.strength,
        )  # fmt: skip

    def _logits(self, X: Any) -> np.ndarray:
        """Logits of the base, (n, classes); of a classifier without them, log-probabilities."""
        if _module(self.base_):
            return _forward(self.base_, X)
        if hasattr(self.base_, "predict_log_proba"):
            with np.errstate(divide="ignore"):
                found = self.base_.predict_log_proba(X)
        elif hasattr(self.base_, "predict_proba"):
            with np.errstate(divide="ignore"):
                found = np.log(self.base_.predict_proba(X))
        else:
            found = np.asarray(self.base_.decision_function(X))
            found = np.column_stack([-found / 2, found / 2]) if found.ndim == 1 else found
        return np.maximum(found, -100.0)  # a probability of 0 has a finite logit

    def _numbers(self, y: np.ndarray) -> np.ndarray:
        """Labels as numbers of `classes_`. Raises InputError for one that is not among them."""
        y = np.asarray(y)
        at = np.searchsorted(self.classes_, y).clip(max=len(self.classes_) - 1)
        unknown = self.classes_[at] != y
        if unknown.any():
            raise InputError(f"label {y[unknown][0]} is not among the base's classes {self.classes_.tolist()[:20]}")
        return at.astype(np.int64)


class ResMemRegressor(RegressorMixin, _ResMem):
    """A regressor and the memory of its training residuals: f(x) + α r̂(x), r_i = y_i − f(x_i).

    Args: as of `ResMemClassifier`; the temperature is not used. Default base: ridge regression.
    """

    _ARRAYS = ("residuals_",)

    @staticmethod
    def _default() -> Any:
        from sklearn.linear_model import Ridge

        return Ridge()

    def fit(self, X: Any, y: Any) -> "ResMemRegressor":
        """Fit the base unless it is, and remember its residuals on X (n, ...) and y (n,) or (n, targets)."""
        self._check()
        X, y = self._inputs(X, y, reset=True)
        self._paired(X, y)
        self._start(X, y)
        self.residuals_ = self._residuals(X, y)
        self._remember(self._embedded(X))
        return self

    def add(self, X: Any, y: Any) -> "ResMemRegressor":
        """Let the memory grow by the residuals of further examples; the base stays."""
        check_is_fitted(self, "memory_")
        X, y = self._inputs(X, y)
        self._paired(X, y)
        new = self._residuals(X, y)
        self.memory_.add(self._embedded(X))
        self.residuals_ = np.concatenate([self.residuals_, new])
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Predictions (n,) or (n, targets)."""
        check_is_fitted(self, "memory_")
        self._check()
        X = self._inputs(X)
        base = self._base(X)
        if self.strength == 0:
            return base
        return base + self.strength * self._looked_up(self._search(X), self.bandwidth_)

    def tune(
        self, X: Any, y: Any, *, k: Sequence[int] = K_GRID, bandwidth: Sequence[float] | None = None
    ) -> "ResMemRegressor":
        """Choose k and σ by mean squared error on validation data; "no memory" may win (strength 0)."""
        self._check()
        check_is_fitted(self, "memory_")
        X, y = self._inputs(X, y)
        self._paired(X, y)
        if any(one < 1 for one in k) or not len(k):
            raise InputError(f"k must be at least 1, given {list(k)}")
        neighbours, left = self.memory_.search(self._embedded(X), max(k)), y - self._base(X)
        unit = knn.scale(neighbours.distances)
        bandwidth = [unit * factor for factor in BANDWIDTH_GRID] if bandwidth is None else bandwidth
        self.tuning_ = [(Setting(0, np.inf, 1.0), float((left**2).mean()))]
        for one, width in product(k, bandwidth):
            off = left - self._looked_up(neighbours.first(one), width)
            self.tuning_.append((Setting(one, width, 1.0), float((off**2).mean())))
        best = min(self.tuning_, key=lambda pair: pair[1])[0]
        self.strength = 1.0 if best.k else 0.0
        if best.k:
            self.k, self.bandwidth = best.k, float(best.bandwidth)
            self.bandwidth_ = self.bandwidth
        return self

    def _base(self, X: Any) -> np.ndarray:
        if not _module(self.base_):
            return np.asarray(self.base_.predict(X), float)
        found = _forward(self.base_, X)
        return found[:, 0] if found.ndim == 2 and found.shape[1] == 1 else found

    def _residuals(self, X: Any, y: Any) -> np.ndarray:
        y, base = np.asarray(y, float), self._base(X)
        if y.shape != base.shape:
            raise InputError(f"targets have shape {y.shape}, predictions of the base {base.shape}")
        return y - base

    def _looked_up(self, neighbours: Neighbours, bandwidth: float) -> np.ndarray:
        w = knn.weights(neighbours.distances, bandwidth)
        if not w.shape[1]:
            return np.zeros((len(w), *self.residuals_.shape[1:]))
        return np.einsum("mk,mk...->m...", w, self.residuals_[neighbours.rows])


def _module(base: Any) -> bool:
    """Whether it is a torch module, without importing torch for those who do not use it."""
    return any(kind.__module__.startswith("torch.nn") for kind in type(base).__mro__)


def _fitted(base: Any) -> bool:
    try:
        check_is_fitted(base)
    except (NotFittedError, TypeError):
        return False
    return True


def _forward(module: Any, X: Any, layer: str | None = None) -> np.ndarray:
    """Outputs of a torch module in evaluation mode, or what one of its layers gave, (n, ...).

    Dropout and batch statistics of training would make other residuals; the module's mode is put back afterwards.
    """
    import torch

    inputs = torch.as_tensor(np.asarray(X) if not torch.is_tensor(X) else X)
    parameter = next(module.parameters(), None)
    if parameter is not None:
        inputs = inputs.to(parameter.device, parameter.dtype if inputs.is_floating_point() else None)
    caught, handle = [], None
    if layer is not None:
        layers = dict(module.named_modules())
        if layer not in layers:
            known = ", ".join(name for name in layers if name)
            raise InputError(f"embed {layer!r} is no layer of the module; it has {known}")
        handle = layers[layer].register_forward_hook(lambda _, __, output: caught.append(output.flatten(1).cpu()))
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


def _classification(y: np.ndarray) -> None:
    from sklearn.utils.multiclass import check_classification_targets

    check_classification_targets(y)
