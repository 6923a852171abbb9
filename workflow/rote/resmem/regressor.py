"""A regressor with a memory of its training residuals."""

from collections.abc import Sequence
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.utils.validation import check_is_fitted

from rote.core.errors import InputError
from rote.neighbors import Neighbors
from rote.resmem.bases import forward, is_module
from rote.resmem.model import ResMem
from rote.resmem.scoring import (
    REGRESSION_TEMPERATURE_GRID,
    Setting,
    shares,
)


class ResMemRegressor(RegressorMixin, ResMem):
    """A regressor and the memory of its training residuals: f(x) + α r̂(x), r_i = y_i − f(x_i).

    Args:
        base, embed, k, bandwidth, strength, engine: as of `ResMemClassifier`; the default base is
            ridge regression.
        classes: not used.
        temperature: T > 0: f is c + (g − c)/T with the base's predictions g and their mean c over
            the memory. 1 is the published algorithm, ∞ the memory alone.

    Attributes:
        base_, memory_, scale_, bandwidth_, weights_, conflicts_: as of `ResMemClassifier`.
        targets_: of the memory, (n,) or (n, targets).
        outputs_: the base's predictions on it, of the same shape.
        tuning_: after `tune`, a list of (setting, mean squared error).
    """

    _ROWS: ClassVar = ("targets_", "outputs_")
    _ARRAYS: ClassVar = _ROWS
    _TARGETS: ClassVar = {"multi_output": True, "y_numeric": True}

    @staticmethod
    def _default() -> Any:
        from sklearn.linear_model import Ridge

        return Ridge()

    def partial_fit(
        self, X: Any, y: Any, sample_weight: Any = None, *, rescale: bool = False
    ) -> Self:
        """`fit` the first time, `add` after it: the base is that of the first examples.

        Args:
            X: inputs (m, ...).
            y: targets (m,) or (m, targets).
            sample_weight: (m,) ≥ 0; default: 1 each.
            rescale: measure the memory's scale anew.

        Returns:
            The model.

        Raises:
            InputError: as `fit` and `add`.
        """
        if hasattr(self, "memory_"):
            return self.add(X, y, sample_weight, rescale=rescale)
        return self.fit(X, y, sample_weight)

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
        setting = self._setting()
        X = self._inputs(X)
        neighbors = self._search(X, setting.k) if setting.k else None
        return self._answers(self._base(X), neighbors, setting)

    def tune(
        self,
        X: Any,
        y: Any,
        *,
        rule: str = "one_se",
        folds: int | None = None,
        **grid: Sequence[float],
    ) -> Self:
        """Choose k, σ and T by squared error on rows that the base was not fitted on.

        "No memory" may win, and the memory alone (T = ∞).

        Args:
            X: inputs (n, ...): held-out rows; with folds the training rows.
            y: targets (n,) or (n, targets).
            rule: one_se or best, of `rote.resmem.select`.
            folds: cross-fit, as of `ResMemClassifier.tune`.
            **grid: k, bandwidth, temperature and strength to try, as of `ResMemClassifier.tune`.

        Returns:
            The model, with `k` (0: no memory), `bandwidth` and `strength` set, and `tuning_`.

        Raises:
            InputError, sklearn.exceptions.NotFittedError: as `ResMemClassifier.tune`.
        """
        axes = self._axes(grid, REGRESSION_TEMPERATURE_GRID)
        return self._choose(X, y, axes, folds, rule, "squared error")

    def _losses(self, X: Any, y: np.ndarray, grid: Sequence[Setting], measure: str) -> np.ndarray:
        neighbors = self._search(X, max(point.k for point in grid))
        outputs = self._base(X)
        losses = np.empty((len(grid), len(outputs)))
        for number, point in enumerate(grid):
            width = point.bandwidth * self.scale_
            used = Setting(point.k, width, point.temperature, point.strength)
            errors = y - self._answers(outputs, neighbors, used)
            losses[number] = (errors**2).reshape(len(errors), -1).mean(1)
        return losses

    def _base(self, X: Any) -> np.ndarray:
        """Predictions of the base, (n,) or (n, targets)."""
        if not is_module(self.base_):
            return np.asarray(self.base_.predict(X), float)
        outputs = forward(self.base_, X)
        return outputs[:, 0] if outputs.ndim == 2 and outputs.shape[1] == 1 else outputs

    def _stored(self, X: Any, y: np.ndarray) -> tuple[np.ndarray, ...]:
        outputs = self._base(X) if len(y) else np.zeros(y.shape)
        if y.shape != outputs.shape:
            raise InputError(
                f"targets have shape {y.shape}, predictions of the base {outputs.shape}"
            )
        return np.asarray(y, float), outputs

    def _compared(self) -> np.ndarray:
        return self.targets_

    def _answers(
        self, outputs: np.ndarray, neighbors: Neighbors | None, setting: Setting
    ) -> np.ndarray:
        """f(x) + α r̂(x) of the base's predictions, (n,) or (n, targets); f(x) without memory."""
        if neighbors is None or not setting.k or not neighbors.rows.shape[1]:
            return outputs
        center = np.average(self.outputs_, axis=0, weights=self.weights_)
        shrunk = center + (outputs - center) / setting.temperature
        remembered = center + (self.outputs_ - center) / setting.temperature
        w = shares(neighbors, setting.k, setting.bandwidth, self._row_weights)
        missing = self.targets_ - remembered
        return shrunk + setting.strength * np.einsum(
            "mk,mk...->m...", w, missing[neighbors.rows[:, : w.shape[1]]]
        )
