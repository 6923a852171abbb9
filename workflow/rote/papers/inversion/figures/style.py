"""Colours of priors, and selections that several figures share."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from rote.papers.inversion.library import INSIDE
from rote.plotting import FAINT, INK, PALETTE

Tables = Mapping[str, pd.DataFrame]
COLORS = {
    "memorized": PALETTE[3],
    "clean": PALETTE[1],
    "noise": PALETTE[4],
    "gaussian": INK,
    "broad": FAINT,
}


def published(rows: pd.DataFrame) -> pd.DataFrame:
    """Posterior samples at the published step (the shortest), truth within the training hull."""
    return rows[(rows["truth"] == INSIDE) & (rows["step"] == rows["step"].min())]


def stacked(rows: pd.DataFrame) -> np.ndarray:
    """Coordinates of rows, (rows, d)."""
    return np.stack(rows["coordinates"].to_list())
