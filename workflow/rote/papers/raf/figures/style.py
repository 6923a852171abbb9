"""What the paper's figures share: how losses are drawn, and how series are called."""

from collections.abc import Mapping

import pandas as pd

from rote.plotting import INK, PALETTE, Look

Tables = Mapping[str, pd.DataFrame]
LOSSES = {
    "square": Look("square", PALETTE[0], "o", "-"),
    "hinge": Look("hinge", PALETTE[3], "s", "-"),
    "logistic": Look("logistic", PALETTE[2], "D", "-"),
    "bayes": Look("Bayes", INK, "^", "--"),
}
SAMPLES = r"samples per dimension $\alpha$"
ANGLE = "kernel angle γ (degrees)"
ERRORS = {"e_gen": "generalization error", "e_mem": "memorization error"}


def words(series: str) -> str:
    """A series as legends name it."""
    return series.replace("λ_opt", "optimal λ").replace("γ_opt", "optimal γ")
