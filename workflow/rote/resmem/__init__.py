"""ResMem for any fitted model: keep the model, store its training residuals, add back neighbors'.

    model = ResMemClassifier(fitted, embed=features).fit(X, y).tune(X_valid, y_valid)
    model.predict_proba(X_test)

s(x) = p_T(x) + r̂(x): p_T is the base's softmax at temperature T, and r̂ the soft kNN average of
the training residuals onehot(y_i) − p_T(x_i) over the k nearest embeddings, weights exp(−d/σ).
(Yang, Lukasik, Nagarajan, Li, Rawat, Zaheer, Menon, Kumar 2023, section 3.)
"""

from rote.core import extras

extras.require("rote.resmem")

from typing import TYPE_CHECKING, Any

from rote.resmem.scoring import (
    BANDWIDTH_GRID,
    K_GRID,
    REGRESSION_TEMPERATURE_GRID,
    TEMPERATURE_GRID,
    Setting,
    probabilities,
    residuals,
    scores,
    settings,
    shares,
    simplex,
    softmax,
    sweep,
    vote,
)
from rote.resmem.selection import ends, select

if TYPE_CHECKING:
    from rote.resmem.classifier import ResMemClassifier
    from rote.resmem.regressor import ResMemRegressor

__all__ = [
    "BANDWIDTH_GRID",
    "K_GRID",
    "REGRESSION_TEMPERATURE_GRID",
    "TEMPERATURE_GRID",
    "ResMemClassifier",
    "ResMemRegressor",
    "Setting",
    "ends",
    "probabilities",
    "residuals",
    "scores",
    "select",
    "settings",
    "shares",
    "simplex",
    "softmax",
    "sweep",
    "vote",
]


def __getattr__(name: str) -> Any:
    """The estimators bring scikit-learn, which takes longer to import than all that scores need."""
    if name == "ResMemClassifier":
        from rote.resmem.classifier import ResMemClassifier

        return ResMemClassifier
    if name == "ResMemRegressor":
        from rote.resmem.regressor import ResMemRegressor

        return ResMemRegressor
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
