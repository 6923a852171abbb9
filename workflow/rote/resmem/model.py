"""What classifier and regressor share: the base and its embedding, the memory, tuning, files."""

import copy
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import BaseEstimator, clone
from sklearn.utils import _safe_indexing as rows_of
from sklearn.utils.validation import (
    _check_sample_weight,
    check_array,
    check_is_fitted,
    column_or_1d,
    has_fit_parameter,
    validate_data,
)

from rote.core import fields
from rote.core.errors import InputError
from rote.neighbors import Datastore, Engine, Neighbors
from rote.resmem import files
from rote.resmem.bases import Embed, count, embeddings, is_frozen, is_module
from rote.resmem.scoring import BANDWIDTH_GRID, K_GRID, Setting, settings
from rote.resmem.selection import ends, select

log = logging.getLogger("rote")
SCALE_ROWS = 1000  # of the memory, whose distances to their nearest others are its scale
_DOMAINS = {
    "k": fields.COUNT,
    "bandwidth": fields.FieldRange("0, positive or infinite", lambda value: value >= 0),
    "temperature": fields.FieldRange("positive (or infinite)", lambda value: value > 0),
    "strength": fields.NOT_NEGATIVE,
}


class ResMem(BaseEstimator):
    """A base and a memory of its training residuals; see the two estimators.

    Args:
        base: a fitted estimator or a torch module, used as it is, also by clones of this model; an
            unfitted estimator is cloned and fitted. It gets inputs as they are given, tables, texts
            and sparse matrices too. None is the estimator's own default.
        embed: from inputs to embeddings (n, d): a function, the name of a layer of the torch
            module, that of a step of the pipeline, or None for what a pipeline's last step reads,
            of other bases the inputs themselves.
        k: neighbors; 0 is no memory.
        bandwidth: σ ≥ 0 in units of the memory's scale: the median distance of a row to its nearest
            other row.
        temperature: T > 0 of the base's part: of a classifier's softmax, or of a regressor's
            predictions. At ∞ the memory alone answers.
        strength: α ≥ 0, how much of the residual is added; 0 leaves the base.
        engine: exact, torch, ivf or hnsw, see `rote.knn.Datastore`.
        classes: labels of a torch module's outputs, for a classifier.
    """

    _ROWS: ClassVar[tuple[str, ...]]  # attributes with one row per row of the memory
    _ARRAYS: ClassVar[tuple[str, ...]]  # those, and others that files hold
    _TARGETS: ClassVar[dict[str, bool]]  # what scikit-learn's validation asks of targets

    base_: Any
    memory_: Datastore
    scale_: float
    weights_: np.ndarray

    def __init__(
        self,
        base: Any = None,
        embed: Embed = None,
        k: int = 50,
        bandwidth: float = 1.0,
        temperature: float = 1.0,
        strength: float = 1.0,
        engine: Engine = "exact",
        classes: Sequence[Any] | None = None,
    ):
        self.base = base
        self.embed = embed
        self.k = k
        self.bandwidth = bandwidth
        self.temperature = temperature
        self.strength = strength
        self.engine = engine
        self.classes = classes

    # ---- what scikit-learn asks of estimators

    def __sklearn_clone__(self) -> Self:
        """A clone keeps a fitted base or a torch module, as `FrozenEstimator` does."""
        parameters = {}
        for name, value in self.get_params(deep=False).items():
            frozen = name == "base" and is_frozen(value)
            parameters[name] = value if frozen else clone(value, safe=False)
        result = type(self)(**parameters)
        if "_metadata_request" in vars(self):
            result._metadata_request = copy.deepcopy(self._metadata_request)
        return result

    def set_params(self, **params: Any) -> Self:
        """Set parameters; those of the base only if it is not fitted yet.

        Args:
            **params: by name; `base__name` is the base's own.

        Returns:
            The model. Once it is fitted, `k`, `bandwidth`, `temperature` and `strength` hold from
            the next prediction on, the others from the next `fit` on.

        Raises:
            InputError: for parameters of a fitted base: they would change the caller's model.
        """
        nested = [name for name in params if name.startswith("base__")]
        if nested and is_frozen(params.get("base", self.base)):
            raise InputError(
                f"{nested[0]} is a parameter of a base that is used as it is: "
                "give an unfitted base, which is fitted anew"
            )
        return super().set_params(**params)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        if self.base is not None and not is_module(self.base):
            of_base = self.base.__sklearn_tags__()
            tags.input_tags = of_base.input_tags
        return tags

    @staticmethod
    def _default() -> Any:
        """An unfitted base, where none is given."""
        raise NotImplementedError

    def _check(self) -> None:
        """Parameters, when a method is called: scikit-learn asks constructors to check nothing."""
        fields.check(_DOMAINS, {name: getattr(self, name) for name in _DOMAINS})

    # ---- the memory

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Fit the base unless it is fitted, and store its residuals.

        Args:
            X: inputs (n, ...).
            y: targets (n,), of a regressor maybe (n, targets).
            sample_weight: (n,) ≥ 0; a row of weight 2 is two rows, for the base's fit and for the
                memory. Default: 1 each.

        Returns:
            The model.

        Raises:
            InputError: for parameters out of their range, or targets that fit neither the inputs
                nor the base.
            ValueError: for what scikit-learn or the base refuses.
        """
        self._check()
        X, y, weights = self._examples(X, y, sample_weight, reset=True)
        self._start(X, y, None if sample_weight is None else weights)
        self._names(X, y)
        self.embed_ = self.embed
        if not weights.all():  # rows without weight are no rows
            present = np.flatnonzero(weights)
            X, y = rows_of(X, present), y[present]
            weights = weights[present]
        for name, values in zip(self._ROWS, self._stored(X, y), strict=True):
            setattr(self, name, values)
        self.weights_ = weights
        self.memory_ = Datastore(self._embedded(X), engine=self.engine)
        self._rescale()
        if self.conflicts_:
            log.info("%d remembered rows equal another one of another target", self.conflicts_)
        return self

    def add(self, X: Any, y: Any, sample_weight: Any = None, *, rescale: bool = False) -> Self:
        """Add the residuals of further examples to the memory; the base stays.

        Args:
            X: inputs (m, ...).
            y: targets (m,), of a regressor maybe (m, targets); classes must be the base's.
            sample_weight: (m,) ≥ 0; default: 1 each.
            rescale: measure the memory's scale anew; else bandwidths stay.

        Returns:
            The model.

        Raises:
            InputError: for targets that do not fit the inputs or the base, or inputs that do not
                fit the memory.
            sklearn.exceptions.NotFittedError: before `fit`.
        """
        check_is_fitted(self, "memory_")
        X, y, weights = self._examples(X, y, sample_weight)
        if not weights.all():
            present = np.flatnonzero(weights)
            X, y = rows_of(X, present), y[present]
            weights = weights[present]
        stored = self._stored(X, y)
        self.memory_.add(self._embedded(X))
        for name, values in zip(self._ROWS, stored, strict=True):
            setattr(self, name, np.concatenate([getattr(self, name), values]))
        self.weights_ = np.concatenate([self.weights_, weights])
        if rescale:
            self._rescale()
        return self

    @property
    def bandwidth_(self) -> float:
        """σ in use, in units of embedding distance."""
        check_is_fitted(self, "memory_")
        return float(self.bandwidth) * self.scale_

    @property
    def conflicts_(self) -> int:
        """Rows of the memory whose embedding equals that of a row with another target."""
        check_is_fitted(self, "memory_")
        targets: dict[bytes, set[bytes]] = {}
        keys = [row.tobytes() for row in self.memory_.embeddings + 0.0]  # −0 is 0
        values = [np.asarray(row).tobytes() for row in self._compared()]
        for embedding, target in zip(keys, values, strict=True):
            targets.setdefault(embedding, set()).add(target)
        return sum(len(targets[embedding]) > 1 for embedding in keys)

    def _names(self, X: Any, y: np.ndarray) -> None:
        """Set what the base calls its targets."""

    def _stored(self, X: Any, y: np.ndarray) -> tuple[np.ndarray, ...]:
        """What the memory holds of examples: one array per name in `_ROWS`."""
        raise NotImplementedError

    def _compared(self) -> np.ndarray:
        """Targets of the rows, or what is the same for equal inputs of equal targets."""
        raise NotImplementedError

    def _start(self, X: Any, y: np.ndarray, sample_weight: np.ndarray | None) -> None:
        """Set `base_`: a torch module or a fitted estimator as it is, else a fitted clone."""
        base = self._default() if self.base is None else self.base
        if is_frozen(base):
            self.base_ = base
            return
        options = {}
        if sample_weight is not None:
            if not has_fit_parameter(base, "sample_weight"):
                raise InputError(
                    "the base's fit takes no sample_weight: fit it first, and give it fitted"
                )
            options["sample_weight"] = sample_weight
        self.base_ = self._stand_in(y) or clone(base)
        self.base_.fit(X, y, **options)

    def _stand_in(self, y: np.ndarray) -> Any:
        """An unfitted base for targets that no base can be fitted to; None for others."""
        return None

    def _embedded(self, X: Any) -> np.ndarray:
        return embeddings(self.base_, self.embed_, X)

    def _rescale(self) -> None:
        """Measure the scale: the median distance of some rows to their nearest other, non-zero."""
        vectors = self.memory_.embeddings
        step = -(-len(vectors) // SCALE_ROWS) or 1
        sample, sample_weights = vectors[::step], self.weights_[::step]
        nearest = np.full(len(sample), np.inf)
        k = 2
        while len(open_ := np.flatnonzero(np.isinf(nearest))) and k <= min(2 * len(vectors), 512):
            distances = self.memory_.search(sample[open_], k).distances
            distances = np.where(distances > 0, distances, np.inf)
            nearest[open_] = distances.min(1, initial=np.inf)
            k *= 4
        present = np.isfinite(nearest)
        self.scale_ = _median(nearest[present], sample_weights[present])

    def _search(self, X: Any, k: int) -> Neighbors:
        """Neighbors whose weights sum to k, or all rows."""
        if not len(self.memory_):
            log.warning("the memory is empty: these are the base's predictions")
        vectors = self._embedded(X)
        n, k = len(self.memory_), max(k, 1)
        needed = k
        neighbors = self.memory_.search(vectors, k)
        while self._row_weights is not None and k < n:
            weights = np.where(neighbors.rows < 0, 0, self.weights_[neighbors.rows])
            if (weights.sum(1) >= needed).all():
                break
            k *= 2
            neighbors = self.memory_.search(vectors, k)
        return neighbors

    @property
    def _row_weights(self) -> np.ndarray | None:
        """Weights of the rows; None where all are 1."""
        return None if (self.weights_ == 1).all() else self.weights_

    def _setting(self) -> Setting:
        self._check()
        return Setting(int(self.k), self.bandwidth_, self.temperature, self.strength)

    # ---- inputs and targets

    def _inputs(self, X: Any) -> Any:
        """Inputs: checked as scikit-learn does for the default base, else as the base does."""
        if self.base is None:
            return validate_data(self, X, reset=False)
        self._note_columns(X, reset=False)
        return X

    def _note_columns(self, X: Any, *, reset: bool) -> None:
        """Note, or compare, number and names of columns; a base checks its inputs itself."""
        if is_module(self.base):
            return
        if getattr(X, "ndim", 2) == 1 and np.asarray(X).dtype.kind in "biuf":
            raise InputError("inputs must be (n, d), given one dimension. Reshape your data")
        if getattr(X, "ndim", 2) > 1:
            validate_data(self, X, reset=reset, skip_check_array=True)

    def _examples(
        self, X: Any, y: Any, sample_weight: Any, *, reset: bool = False
    ) -> tuple[Any, np.ndarray, np.ndarray]:
        """Inputs, targets and weights."""
        if self.base is None:
            X, y = validate_data(self, X, y, reset=reset, **self._TARGETS)
        else:
            if y is None:
                raise InputError("fit requires y to be passed, but the target y is None")
            self._note_columns(X, reset=reset)
            numeric = "numeric" if self._TARGETS.get("y_numeric") else None
            y = check_array(
                np.asarray(y), ensure_2d=False, dtype=numeric, ensure_min_samples=0, input_name="y"
            )
        if y.ndim == 2 and y.shape[1] == 1 and not is_module(self.base):
            y = column_or_1d(y, warn=True)  # as scikit-learn has it, with its warning
        if len(y) != count(X):
            raise InputError(f"{count(X)} inputs, but {len(y)} targets")
        if sample_weight is None:
            return X, y, np.ones(len(y))
        options = {"ensure_non_negative": True, "dtype": np.float64}
        return X, y, _check_sample_weight(sample_weight, y, **options)

    # ---- tuning

    def _axes(
        self, grid: Mapping[str, Sequence[float]], temperatures: Sequence[float]
    ) -> list[Sequence[Any]]:
        """What to try: σ in units of the scale, k, T and α. Raises InputError for another name."""
        self._check()
        tried: dict[str, Sequence[Any]] = {
            "bandwidth": BANDWIDTH_GRID,
            "k": K_GRID,
            "temperature": temperatures,
            "strength": (self.strength,),
        }
        unknown = sorted(set(grid) - set(tried))
        if unknown:
            raise InputError(f"tune tries {', '.join(tried)}, not {', '.join(unknown)}")
        tried |= grid
        k = tried["k"]
        if not len(k) or min(k) < 1:
            raise InputError(f"k must be at least 1, given {list(k)}: no memory is tried anyway")
        return list(tried.values())

    def _choose(
        self,
        X: Any,
        y: Any,
        axes: Sequence[Sequence[Any]],
        folds: int | None,
        rule: str,
        measure: str,
    ) -> Self:
        """Take the setting that `select` takes of the losses on held-out rows.

        Args:
            X, y: held-out rows; with folds the training rows.
            axes: σ in units of the scale, k, T and α to try, beside no memory.
            folds: parts of the rows, each of which the base and the memory do without in turn.
            rule: of `select`.
            measure: what is lost.
        """
        self._check()
        grid = settings(*axes)
        if folds is None:
            check_is_fitted(self, "memory_")
            X, y, _ = self._examples(X, y, None)
            losses = self._losses(X, y, grid, measure)
        else:
            losses = self._crossfitted(X, y, grid, folds, measure)
        self.tuning_ = list(zip(grid, losses.mean(1).tolist(), strict=True))
        best = grid[select(losses, ends(grid), rule=rule)]
        self.k = best.k
        if best.k:
            self.bandwidth, self.strength = float(best.bandwidth), float(best.strength)
        self.temperature = float(best.temperature)
        return self

    def _losses(self, X: Any, y: np.ndarray, grid: Sequence[Setting], measure: str) -> np.ndarray:
        """Losses by setting and row, (settings, n)."""
        raise NotImplementedError

    def _crossfitted(
        self, X: Any, y: Any, grid: Sequence[Setting], folds: int, measure: str
    ) -> np.ndarray:
        """The same of every row under a base and a memory without the row's part."""
        if is_frozen(self.base):
            raise InputError(
                "folds fit the base anew, and this one is used as it is: "
                "give an unfitted base, or tune on rows that it was not fitted on"
            )
        y = np.asarray(y)
        losses = np.empty((len(grid), len(y)))
        for train, test in self._parts(folds).split(np.zeros(len(y)), y):
            part = clone(self).fit(rows_of(X, train), y[train])
            inputs, targets, _ = part._examples(rows_of(X, test), y[test], None)
            losses[:, test] = part._losses(inputs, targets, grid, measure)
        return losses

    @staticmethod
    def _parts(folds: int) -> Any:
        """How rows are parted."""
        from sklearn.model_selection import KFold

        return KFold(folds, shuffle=True, random_state=0)

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
        check_is_fitted(self, "memory_")
        files.save(self, (*self._ARRAYS, "weights_"), Path(folder))

    @classmethod
    def load(
        cls, folder: str | Path, base: Any, embed: Embed = None, *, device: str = "cpu"
    ) -> Self:
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
        folder = Path(folder).expanduser()
        parameters, scale, arrays = files.read(folder, cls.__name__, (*cls._ARRAYS, "weights_"))
        model = cls(base, embed, **parameters)
        model.base_, model.embed_ = base, embed
        model.scale_ = scale
        model.memory_ = Datastore.load(folder, device=device)
        for name, values in arrays.items():
            setattr(model, name, values)
        if is_module(base):
            files.read_weights(folder, base)
        else:
            for name in ("n_features_in_", "feature_names_in_"):
                if hasattr(base, name):
                    setattr(model, name, getattr(base, name))
        return model


def _median(values: np.ndarray, weights: np.ndarray) -> float:
    """The weighted median, the middle of two where the weights have none; 1 of nothing."""
    if not len(values):
        return 1.0
    order = values.argsort(kind="stable")
    shares = weights[order].cumsum() / weights.sum()
    low = min(int(np.searchsorted(shares, 0.5 - 1e-12)), len(values) - 1)
    high = min(int(np.searchsorted(shares, 0.5 + 1e-12)), len(values) - 1)
    return float((values[order[low]] + values[order[high]]) / 2)
