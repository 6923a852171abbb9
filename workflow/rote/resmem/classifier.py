"""A classifier with a memory of its training residuals."""

from collections.abc import Sequence
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, column_or_1d

from rote.core.errors import InputError
from rote.resmem.bases import forward, is_module
from rote.resmem.model import ResMem, log
from rote.resmem.scoring import (
    TEMPERATURE_GRID,
    Setting,
    probabilities,
    scores,
    sweep,
)

MIN_LOGIT = -100.0  # a probability of 0 has a finite logit
MEASURES = ("accuracy", "log_loss")


class ResMemClassifier(ClassifierMixin, ResMem):
    """A classifier and the memory of its training residuals.

    Args:
        base: a fitted classifier or a torch module that gives logits (one per class, or one of two
            classes), used as it is; an unfitted classifier is cloned and fitted. It gets inputs as
            they are given. Default: logistic regression.
        embed: from inputs to embeddings (n, d): a function, the name of a layer of the torch
            module, that of a step of the pipeline, or None for what a pipeline's last step reads,
            of other bases the inputs themselves.
        k: neighbors; 0 is no memory.
        bandwidth: σ ≥ 0 in units of the memory's scale: the median distance of a row to its nearest
            other row.
        temperature: T > 0 of the base's softmax.
        strength: α ≥ 0, how much of the residual is added; 0 leaves the base.
        engine: exact, torch, ivf or hnsw, see `rote.knn.Datastore`.
        classes: labels of a torch module's outputs, in their order. Default: 0, 1, ..., or the
            sorted labels of `fit`, if they are others and as many as outputs.

    Attributes:
        classes_: labels, (classes,).
        base_: the base in use.
        memory_: the datastore, n rows.
        scale_: of the memory, in units of distance; `bandwidth_` is σ in them.
        labels_: (n,) int64, numbers of the memory's labels in `classes_`.
        logits_: (n, classes) float32, the base's on the memory.
        weights_: (n,) sample weights of the rows.
        conflicts_: rows whose embedding equals that of a row with another label: one neighbor
            cannot tell them apart.
        tuning_: after `tune`, a list of (setting, loss).
    """

    _ROWS: ClassVar = ("labels_", "logits_")
    _ARRAYS: ClassVar = ("labels_", "logits_", "classes_")
    _TARGETS: ClassVar = {}

    @staticmethod
    def _default() -> Any:
        from sklearn.linear_model import LogisticRegression

        return LogisticRegression(max_iter=1000)

    def _stand_in(self, y: np.ndarray) -> Any:
        """A constant answer where all labels are the same."""
        if len(np.unique(y)) != 1:
            return None
        from sklearn.dummy import DummyClassifier

        log.warning("all labels are the same: the base is not fitted, and answers with it")
        return DummyClassifier(strategy="most_frequent")

    def partial_fit(
        self,
        X: Any,
        y: Any,
        classes: Any = None,
        sample_weight: Any = None,
        *,
        rescale: bool = False,
    ) -> Self:
        """`fit` the first time, `add` after it: the base is that of the first examples.

        Args:
            X: inputs (m, ...).
            y: labels (m,).
            classes: all labels that will come, which the first examples must have.
            sample_weight: (m,) ≥ 0; default: 1 each.
            rescale: measure the memory's scale anew.

        Returns:
            The model.

        Raises:
            InputError: as `fit` and `add`, and for classes that the base does not know.
        """
        if hasattr(self, "memory_"):
            return self.add(X, y, sample_weight, rescale=rescale)
        self.fit(X, y, sample_weight)
        if classes is not None:
            self._numbers(np.asarray(classes))
        return self

    def decision_function(self, X: Any) -> np.ndarray:
        """Scores s(x) = p_T(x) + α r̂(x), before they are clipped (Yang et al. 2023, section 3).

        Args:
            X: inputs (n, ...).

        Returns:
            (n, classes) float64, rows summing to 1; for two classes the second's score less the
            first's, (n,).

        Raises:
            InputError: for parameters out of their range, or embeddings that do not fit the memory.
            ValueError: for inputs that scikit-learn refuses.
            sklearn.exceptions.NotFittedError: before `fit`.
        """
        s = self._scores(X)
        return s[:, 1] - s[:, 0] if len(self.classes_) == 2 else s

    def predict_proba(self, X: Any) -> np.ndarray:
        """Scores clipped at 1e-6 and normalized.

        Args:
            X: inputs (n, ...).

        Returns:
            (n, classes) float64, rows summing to 1.

        Raises:
            InputError, sklearn.exceptions.NotFittedError: as `decision_function`.
        """
        return probabilities(self._scores(X))

    def predict(self, X: Any) -> np.ndarray:
        """Labels (n,) of the largest score, of those in `classes_`.

        Args:
            X: inputs (n, ...).

        Raises:
            InputError, sklearn.exceptions.NotFittedError: as `decision_function`.
        """
        s = self._scores(X)
        return self.classes_[s.argmax(1)]

    def tune(
        self,
        X: Any,
        y: Any,
        *,
        measure: str = "accuracy",
        rule: str = "one_se",
        folds: int | None = None,
        **grid: Sequence[float],
    ) -> Self:
        """Choose k, σ and T on rows that the base was not fitted on; "no memory" may win.

        The family holds the base (no memory) and the memory alone (T = ∞). Where one of these two
        ends is within one standard error of the best setting, `rule` "one_se" takes it
        (`rote.resmem.select`).

        Args:
            X: inputs (n, ...): held-out rows; with folds the training rows.
            y: labels (n,).
            measure: accuracy, or log_loss (of the probabilities).
            rule: one_se, or best: the least loss, of equal ones the earlier setting.
            folds: cross-fit: fit an unfitted base and its memory on all rows but a part, in turn,
                and judge them there. The model itself is not fitted.
            **grid: what to try: k ≥ 1 (numbers of neighbors), bandwidth (σ in units of the memory's
                scale), temperature, strength (default: the model's own).

        Returns:
            The model, with `k` (0: no memory), `bandwidth`, `temperature` and `strength` set, and
            `tuning_`.

        Raises:
            InputError: as `fit`, for k < 1, for an unknown measure or rule, and for folds of a
                base that is used as it is.
            sklearn.exceptions.NotFittedError: before `fit`, without folds.
        """
        if measure not in MEASURES:
            raise InputError(f"measure must be one of {', '.join(MEASURES)}, given {measure!r}")
        axes = self._axes(grid, TEMPERATURE_GRID)
        return self._choose(X, y, axes, folds, rule, measure)

    def _losses(self, X: Any, y: np.ndarray, grid: Sequence[Setting], measure: str) -> np.ndarray:
        labels = self._numbers(y)
        places = np.arange(len(labels))

        def loss(s: np.ndarray) -> np.ndarray:
            if measure == "accuracy":
                return s.argmax(-1) != labels
            return -np.log(probabilities(s)[:, places, labels])

        points = [
            Setting(point.k, point.bandwidth * self.scale_, point.temperature, point.strength)
            for point in grid
        ]
        neighbors = self._search(X, max(point.k for point in grid))
        memory, logits = (self.labels_, self.logits_), self._logits(X)
        if self._row_weights is None:
            return sweep(neighbors, *memory, logits, points, loss).astype(float)
        losses = []
        for point in points:
            s = scores(neighbors, *memory, logits, point, self._row_weights)
            losses.append(loss(s[None])[0])
        return np.array(losses, float)

    @staticmethod
    def _parts(folds: int) -> Any:
        from sklearn.model_selection import StratifiedKFold

        return StratifiedKFold(folds, shuffle=True, random_state=0)

    def _scores(self, X: Any) -> np.ndarray:
        check_is_fitted(self, "memory_")
        setting = self._setting()
        X = self._inputs(X)
        return scores(
            self._search(X, setting.k),
            self.labels_,
            self.logits_,
            self._logits(X),
            setting,
            self._row_weights,
        )

    def _logits(self, X: Any) -> np.ndarray:
        """Logits of the base, (n, classes); of a classifier without them, log-probabilities."""
        if is_module(self.base_):
            logits = forward(self.base_, X)
        elif hasattr(self.base_, "predict_log_proba"):
            with np.errstate(divide="ignore"):
                logits = self.base_.predict_log_proba(X)
        elif hasattr(self.base_, "predict_proba"):
            with np.errstate(divide="ignore"):
                logits = np.log(self.base_.predict_proba(X))
        elif hasattr(self.base_, "decision_function"):
            logits = np.asarray(self.base_.decision_function(X))
        else:
            raise InputError("the base must have predict_proba or decision_function")
        if logits.ndim == 1 or (is_module(self.base_) and logits.shape[1] == 1):
            logits = logits.reshape(-1, 1) * [-0.5, 0.5]
        return np.maximum(logits, MIN_LOGIT)

    def _names(self, X: Any, y: np.ndarray) -> None:
        if not is_module(self.base_):
            self.classes_ = np.asarray(self.base_.classes_)
            return
        outputs = self._logits(X[:1]).shape[1]
        if self.classes is not None:
            self.classes_ = np.asarray(self.classes)
        elif y.dtype.kind in "biu" or not len(y):
            self.classes_ = np.arange(outputs)
        else:
            self.classes_ = np.unique(y)
        if len(self.classes_) != outputs:
            raise InputError(
                f"classes: the module has {outputs} outputs for {len(self.classes_)} labels; "
                "give classes, their labels in order"
            )

    def _stored(self, X: Any, y: np.ndarray) -> tuple[np.ndarray, ...]:
        if not len(y):
            return np.zeros(0, np.int64), np.zeros((0, len(self.classes_)), np.float32)
        check_classification_targets(y)
        labels = self._numbers(column_or_1d(y))
        logits = self._logits(X).astype(np.float32)
        if logits.shape[1] != len(self.classes_):
            raise InputError(
                f"the base gives {logits.shape[1]} numbers for {len(self.classes_)} classes"
            )
        return labels, logits

    def _compared(self) -> np.ndarray:
        return self.labels_

    def _numbers(self, y: np.ndarray) -> np.ndarray:
        """Labels as numbers of `classes_`. Raises InputError for one that is not among them."""
        y = np.asarray(y)
        order = np.argsort(self.classes_, kind="stable")
        at = np.searchsorted(self.classes_[order], y).clip(max=len(order) - 1)
        numbers = order[at]
        unknown = self.classes_[numbers] != y
        if unknown.any():
            raise InputError(
                f"label {y[unknown][0]} is not among "
                f"the base's classes {self.classes_.tolist()[:20]}"
            )
        return numbers.astype(np.int64)
