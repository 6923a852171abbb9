"""A regressor with a memory of its training residuals."""

from collections.abc import Sequence
from itertools import product
from typing import Any, ClassVar

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.utils.validation import check_is_fitted

from rote import knn
from rote.core.errors import InputError
from rote.neighbors import Neighbors
from rote.resmem.model import ResMem, forward, is_module
from rote.resmem.scoring import K_GRID, Setting


class ResMemRegressor(RegressorMixin, ResMem):
    """A regressor and the memory of its training residuals: f(x) + α r̂(x), r_i = y_i − f(x_i).

    Args:
        base, embed, k, bandwidth, strength, engine: as of `ResMemClassifier`; the default base is
            ridge regression.
        temperature: not used.

    Attributes:
        base_, memory_, bandwidth_: as of `ResMemClassifier`.
        residuals_: of the memory, (n,) or (n, targets).
        tuning_: after `tune`, a list of (setting, mean squared error).
    """

    _ARRAYS: ClassVar = ("residuals_",)
    _TARGETS: ClassVar = {"multi_output": True, "y_numeric": True}

    @staticmethod
    def _default() -> Any:
        from sklearn.linear_model import Ridge

        return Ridge()

    def fit(self, X: Any, y: Any) -> "ResMemRegressor":
        """Fit the base unless it is fitted, and store its residuals.

        Args:
            X: inputs (n, ...).
            y: targets (n,) or (n, targets).

        Returns:
            The model.

        Raises:
            InputError: for parameters out of their range, or targets that fit neither the inputs
                nor the base's predictions.
            ValueError: for what scikit-learn refuses, e.g. targets that are no numbers.
        """
        self._check()
        X, y = self._examples(X, y, reset=True)
        self._start(X, y)
        self.residuals_ = self._residuals(X, y)
        self._remember(self._embedded(X))
        return self

    def add(self, X: Any, y: Any) -> "ResMemRegressor":
        """Add the residuals of further examples to the memory; the base and the bandwidth stay.

        Args:
            X: inputs (m, ...).
            y: targets (m,) or (m, targets).

        Returns:
            The model.

        Raises:
            InputError: for targets that do not fit the inputs or the base's predictions, or inputs
                that do not fit the memory.
            sklearn.exceptions.NotFittedError: before `fit`.
        """
        check_is_fitted(self, "memory_")
        X, y = self._examples(X, y)
        residuals = self._residuals(X, y)
        self.memory_.add(self._embedded(X))
        self.residuals_ = np.concatenate([self.residuals_, residuals])
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Predictions f(x) + α r̂(x).

        Args:
            X: inputs (n, ...).

        Returns:
            (n,) or (n, targets), as the targets of `fit`.

        Raises:
            InputError: for parameters out of their range, or embeddings that do not fit the memory.
            ValueError: for inputs that scikit-learn refuses.
            sklearn.exceptions.NotFittedError: before `fit`.
        """
        check_is_fitted(self, "memory_")
        self._check()
        X = self._inputs(X)
        predictions = self._base(X)
        if self.strength == 0:
            return predictions
        return predictions + self.strength * self._average(self._search(X), self.bandwidth_)

    def tune(
        self, X: Any, y: Any, *, k: Sequence[int] = K_GRID, bandwidth: Sequence[float] | None = None
    ) -> "ResMemRegressor":
        """Choose k and σ by mean squared error on validation data; "no memory" may win.

        Args:
            X: inputs (n, ...) that the base was not fitted on.
            y: targets (n,) or (n, targets).
            k: numbers of neighbors to try.
            bandwidth: σ to try; by default multiples of the median non-zero distance to the nearest
                neighbor.

        Returns:
            The model, with `k`, `bandwidth` and `strength` set (strength 0: no memory), and
            `tuning_`.

        Raises:
            InputError: as `fit`, and for k < 1.
            sklearn.exceptions.NotFittedError: before `fit`.
        """
        self._check()
        check_is_fitted(self, "memory_")
        X, y = self._examples(X, y)
        neighbors = self._tuning_neighbors(X, k)
        errors = y - self._base(X)
        bandwidth = self._bandwidths(neighbors) if bandwidth is None else bandwidth
        self.tuning_ = [(Setting(0, np.inf, 1.0), float((errors**2).mean()))]
        for n_neighbors, width in product(k, bandwidth):
            remaining = errors - self._average(neighbors.first(n_neighbors), width)
            setting = Setting(n_neighbors, width, 1.0)
            self.tuning_.append((setting, float((remaining**2).mean())))
        self._adopt(min(self.tuning_, key=lambda entry: entry[1])[0])
        return self

    def _base(self, X: Any) -> np.ndarray:
        """Predictions of the base, (n,) or (n, targets)."""
        if not is_module(self.base_):
            return np.asarray(self.base_.predict(X), float)
        outputs = forward(self.base_, X)
        return outputs[:, 0] if outputs.ndim == 2 and outputs.shape[1] == 1 else outputs

    def _residuals(self, X: Any, y: Any) -> np.ndarray:
        y, predictions = np.asarray(y, float), self._base(X)
        if y.shape != predictions.shape:
            raise InputError(
                f"targets have shape {y.shape}, predictions of the base {predictions.shape}"
            )
        return y - predictions

    def _average(self, neighbors: Neighbors, bandwidth: float) -> np.ndarray:
        """Soft kNN average of the residuals, (n,) or (n, targets); 0 without neighbors."""
        w = knn.weights(neighbors.distances, bandwidth)
        if not w.shape[1]:
            return np.zeros((len(w), *self.residuals_.shape[1:]))
        return np.einsum("mk,mk...->m...", w, self.residuals_[neighbors.rows])
