"""A regressor with a memory of its training residuals."""

from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.utils.validation import check_is_fitted

from rote import knn
from rote.core.errors import InputError
from rote.neighbors import Neighbors
from rote.resmem.model import ResMem, forward, is_module
from rote.resmem.scoring import BANDWIDTH_GRID, K_GRID, Setting


class ResMemRegressor(RegressorMixin, ResMem):
    """A regressor and the memory of its training residuals: f(x) + α r̂(x), r_i = y_i − f(x_i).

    Args: as of `ResMemClassifier`; the temperature is not used. Default base: ridge regression.
    """

    _ARRAYS = ("residuals_",)

    @staticmethod
    def _default() -> Any:
        from sklearn.linear_model import Ridge

        return Ridge()

    def fit(self, X: Any, y: Any) -> "ResMemRegressor":
        """Fit the base unless it is, and remember its residuals on X (n, ...) and y (n,) or (n,
        targets).
        """
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
        """Choose k and σ by mean squared error on validation data; "no memory" may win (strength
        0).
        """
        self._check()
        check_is_fitted(self, "memory_")
        X, y = self._inputs(X, y)
        self._paired(X, y)
        if any(one < 1 for one in k) or not len(k):
            raise InputError(f"k must be at least 1, given {list(k)}")
        neighbors, left = self.memory_.search(self._embedded(X), max(k)), y - self._base(X)
        unit = knn.scale(neighbors.distances)
        bandwidth = [unit * factor for factor in BANDWIDTH_GRID] if bandwidth is None else bandwidth
        self.tuning_ = [(Setting(0, np.inf, 1.0), float((left**2).mean()))]
        for one, width in product(k, bandwidth):
            off = left - self._looked_up(neighbors.first(one), width)
            self.tuning_.append((Setting(one, width, 1.0), float((off**2).mean())))
        best = min(self.tuning_, key=lambda pair: pair[1])[0]
        self.strength = 1.0 if best.k else 0.0
        if best.k:
            self.k, self.bandwidth = best.k, float(best.bandwidth)
            self.bandwidth_ = self.bandwidth
        return self

    def _base(self, X: Any) -> np.ndarray:
        if not is_module(self.base_):
            return np.asarray(self.base_.predict(X), float)
        found = forward(self.base_, X)
        return found[:, 0] if found.ndim == 2 and found.shape[1] == 1 else found

    def _residuals(self, X: Any, y: Any) -> np.ndarray:
        y, base = np.asarray(y, float), self._base(X)
        if y.shape != base.shape:
            raise InputError(f"targets have shape {y.shape}, predictions of the base {base.shape}")
        return y - base

    def _looked_up(self, neighbors: Neighbors, bandwidth: float) -> np.ndarray:
        w = knn.weights(neighbors.distances, bandwidth)
        if not w.shape[1]:
            return np.zeros((len(w), *self.residuals_.shape[1:]))
        return np.einsum("mk,mk...->m...", w, self.residuals_[neighbors.rows])
