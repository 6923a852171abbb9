"""A classifier with a memory of its training residuals."""

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted

from rote.core.errors import InputError
from rote.resmem.model import ResMem, forward, is_module
from rote.resmem.scoring import (
    K_GRID,
    TEMPERATURE_GRID,
    Setting,
    probabilities,
    scores,
    settings,
    sweep,
)

MIN_LOGIT = -100.0  # a probability of 0 has a finite logit


class ResMemClassifier(ClassifierMixin, ResMem):
    """A classifier and the memory of its training residuals.

    Args:
        base: a fitted classifier or a torch module that gives logits, used as it is; an unfitted
            classifier is cloned and fitted. Default: logistic regression.
        embed: from inputs to embeddings (n, d): a function, the name of a layer of the torch
            module, or None for the inputs themselves.
        k: neighbors.
        bandwidth: σ in units of embedding distance; None is the median distance of a memory row to
            its nearest other.
        temperature: T of the base's softmax.
        strength: α, how much of the residual is added; 0 leaves the base.
        engine: exact, torch, ivf or hnsw, see `rote.knn.Datastore`.

    Attributes:
        classes_: labels, (classes,).
        base_: the base in use.
        memory_: the datastore, n rows.
        bandwidth_: σ in use.
        labels_: (n,) int64, numbers of the memory's labels in `classes_`.
        logits_: (n, classes) float32, the base's on the memory.
        tuning_: after `tune`, a list of (setting, accuracy).
    """

    _ARRAYS: ClassVar = ("labels_", "logits_", "classes_")
    _TARGETS: ClassVar = {}

    @staticmethod
    def _default() -> Any:
        from sklearn.linear_model import LogisticRegression

        return LogisticRegression(max_iter=1000)

    def fit(self, X: Any, y: Any) -> "ResMemClassifier":
        """Fit the base unless it is fitted, and store its residuals.

        Args:
            X: inputs (n, ...).
            y: labels (n,).

        Returns:
            The model.

        Raises:
            InputError: for parameters out of their range, labels that the base does not know, or
                targets and inputs of different number.
            ValueError: for what scikit-learn refuses, e.g. targets that are no classes.
        """
        self._check()
        X, y = self._examples(X, y, reset=True)
        check_classification_targets(y)
        self._start(X, y)
        if is_module(self.base_):
            logits = forward(self.base_, X)
            self.classes_ = np.arange(logits.shape[1])
        else:
            self.classes_ = self.base_.classes_
            logits = self._logits(X)
        self.labels_ = self._numbers(y)
        self.logits_ = logits.astype(np.float32)
        self._remember(self._embedded(X))
        return self

    def add(self, X: Any, y: Any) -> "ResMemClassifier":
        """Add the residuals of further examples to the memory; the base and the bandwidth stay.

        Args:
            X: inputs (m, ...).
            y: labels (m,), of those in `classes_`.

        Returns:
            The model.

        Raises:
            InputError: for labels that the base does not know, or inputs that do not fit labels or
                memory.
            sklearn.exceptions.NotFittedError: before `fit`.
        """
        check_is_fitted(self, "memory_")
        X, y = self._examples(X, y)
        labels = self._numbers(y)
        logits = self._logits(X).astype(np.float32)
        self.memory_.add(self._embedded(X))
        self.labels_ = np.concatenate([self.labels_, labels])
        self.logits_ = np.concatenate([self.logits_, logits])
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
        k: Sequence[int] = K_GRID,
        bandwidth: Sequence[float] | None = None,
        temperature: Sequence[float] = TEMPERATURE_GRID,
    ) -> "ResMemClassifier":
        """Choose k, σ and T by accuracy on validation data; "no memory" may win.

        Args:
            X: inputs (n, ...) that the base was not fitted on.
            y: labels (n,).
            k: numbers of neighbors to try.
            bandwidth: σ to try; by default multiples of the median non-zero distance to the nearest
                neighbor.
            temperature: T to try.

        Returns:
            The model, with `k`, `bandwidth`, `temperature` and `strength` set (strength 0: no
            memory), and `tuning_`.

        Raises:
            InputError: as `fit`, and for k < 1.
            sklearn.exceptions.NotFittedError: before `fit`.
        """
        self._check()
        check_is_fitted(self, "memory_")
        X, y = self._examples(X, y)
        neighbors = self._tuning_neighbors(X, k)
        labels = self._numbers(y)
        bandwidth = self._bandwidths(neighbors) if bandwidth is None else bandwidth
        grid = settings(bandwidth, k, temperature)

        def accuracy(s: np.ndarray) -> np.ndarray:
            return (s.argmax(-1) == labels).mean(-1)

        measured = sweep(neighbors, self.labels_, self.logits_, self._logits(X), grid, accuracy)
        self.tuning_ = list(zip(grid, measured.tolist(), strict=True))
        best = grid[int(measured.argmax())]
        self._adopt(best)
        if best.k:
            self.temperature = float(best.temperature)
        return self

    def _scores(self, X: Any) -> np.ndarray:
        check_is_fitted(self, "memory_")
        self._check()
        X = self._inputs(X)
        return scores(
            self._search(X),
            self.labels_,
            self.logits_,
            self._logits(X),
            Setting(self.k, self.bandwidth_, self.temperature),
            self.strength,
        )

    def _logits(self, X: Any) -> np.ndarray:
        """Logits of the base, (n, classes); of a classifier without them, log-probabilities."""
        if is_module(self.base_):
            return forward(self.base_, X)
        if hasattr(self.base_, "predict_log_proba"):
            with np.errstate(divide="ignore"):
                logits = self.base_.predict_log_proba(X)
        elif hasattr(self.base_, "predict_proba"):
            with np.errstate(divide="ignore"):
                logits = np.log(self.base_.predict_proba(X))
        else:
            logits = np.asarray(self.base_.decision_function(X))
            if logits.ndim == 1:
                logits = np.column_stack([-logits / 2, logits / 2])
        return np.maximum(logits, MIN_LOGIT)

    def _numbers(self, y: np.ndarray) -> np.ndarray:
        """Labels as numbers of `classes_`. Raises InputError for one that is not among them."""
        y = np.asarray(y)
        numbers = np.searchsorted(self.classes_, y).clip(max=len(self.classes_) - 1)
        unknown = self.classes_[numbers] != y
        if unknown.any():
            raise InputError(
                f"label {y[unknown][0]} is not among "
                f"the base's classes {self.classes_.tolist()[:20]}"
            )
        return numbers.astype(np.int64)
