"""How priors and sets of models are drawn, and selections that several figures share."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from rote.papers.inversion.library import INSIDE
from rote.papers.inversion.priors import LABELS, LOOKUP
from rote.papers.inversion.schema import FRESH, LEAVE_ONE_OUT, MEANS_OF_THREE
from rote.plotting import FAINT, INK, PALETTE, Look

Tables = Mapping[str, pd.DataFrame]
PRIORS = {
    name: Look(LABELS[name], color, marker)
    for name, color, marker in (
        ("memorized", PALETTE[3], "^"),
        ("clean", PALETTE[1], "s"),
        ("noise", PALETTE[4], "v"),
        ("gaussian", INK, "D"),
        ("broad", FAINT, "o"),
        (LOOKUP, PALETTE[3], "x"),
    )
}
SETS = {
    FRESH: Look("fresh draws", PALETTE[0], "o"),
    LEAVE_ONE_OUT: Look("leave-one-out", PALETTE[2], "P"),
    MEANS_OF_THREE: Look("means of three", PALETTE[9], "X"),
}
PROBLEMS = {
    "cubic": Look("cubic", PALETTE[0], "o"),
    "bent": Look("bent", PALETTE[5], "s"),
    "linear": Look("linear", PALETTE[2], "D"),
}


def published(rows: pd.DataFrame) -> pd.DataFrame:
    """Posterior samples at the published step (the shortest), truth within the training hull."""
    return rows[(rows["truth"] == INSIDE) & (rows["step"] == rows["step"].min())]


def stacked(rows: pd.DataFrame) -> np.ndarray:
    """Coordinates of rows, (rows, d)."""
    return np.stack(rows["coordinates"].to_list())
