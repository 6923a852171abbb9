"""A classifier with a memory of its training residuals."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted

from rote import knn
from rote.core.errors import InputError
from rote.resmem.model import ResMem, forward, is_module
from rote.resmem.scoring import (
    BANDWIDTH_GRID,
    K_GRID,
    TEMPERATURE_GRID,
    probabilities,
    scores,
    settings,
    sweep,
)


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
            InputError: for labels that the base does not know, or targets and inputs of different
                number.
        """
        self._check()
        X, y = self._inputs(X, y, reset=True)
        check_classification_targets(y)
        self._paired(X, y)
        self._start(X, y)
        if is_module(self.base_):
            logits = forward(self.base_, X)
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
        self.labels_, self.logits_ = (
            np.concatenate([self.labels_, labels]),
            np.concatenate([self.logits_, logits]),
        )
        return self

    def decision_function(self, X: Any) -> np.ndarray:
        """Scores s(x), (n, classes), rows summing to 1; for two classes the second minus the first,
        (n,).
        """
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
        """Choose k, σ and T by accuracy on validation data that the base was not fitted on; "no
        memory" may win.

        Args:
            bandwidth: σ to try; by default multiples of the median non-zero distance to the nearest
                neighbor.

        Returns:
            The model, with `k`, `bandwidth`, `temperature` and `strength` set (strength 0: no
            memory), and `tuning_`, a list of (setting, accuracy).
        """
        self._check()
        check_is_fitted(self, "memory_")
        X, y = self._inputs(X, y)
        self._paired(X, y)
        if any(one < 1 for one in k) or not len(k):
            raise InputError(f"k must be at least 1, given {list(k)}")
        numbers, logits = self._numbers(y), self._logits(X)
        neighbors = self.memory_.search(self._embedded(X), max(k))
        unit = knn.scale(neighbors.distances)
        bandwidth = [unit * factor for factor in BANDWIDTH_GRID] if bandwidth is None else bandwidth
        grid = settings(bandwidth, k, temperature)
        found = sweep(
            neighbors,
            self.labels_,
            self.logits_,
            logits,
            grid,
            lambda s: (s.argmax(-1) == numbers).mean(-1),
        )
        self.tuning_ = list(zip(grid, found.tolist(), strict=True))
        best = grid[int(found.argmax())]
        self.strength = 1.0 if best.k else 0.0
        if best.k:
            self.k, self.bandwidth, self.temperature = (
                best.k,
                float(best.bandwidth),
                float(best.temperature),
            )
            self.bandwidth_ = self.bandwidth
        return self

    def _scores(self, X: Any) -> np.ndarray:
        check_is_fitted(self, "memory_")
        self._check()
        X = self._inputs(X)
        neighbors = self._search(X)
        return scores(
            neighbors,
            self.labels_,
            self.logits_,
            self._logits(X),
            bandwidth=self.bandwidth_,
            temperature=self.temperature,
            strength=self.strength,
        )

    def _logits(self, X: Any) -> np.ndarray:
        """Logits of the base, (n, classes); of a classifier without them, log-probabilities."""
        if is_module(self.base_):
            return forward(self.base_, X)
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
            raise InputError(
                f"label {y[unknown][0]} is not among the base's classes "
                f"{self.classes_.tolist()[:20]}"
            )
        return at.astype(np.int64)
