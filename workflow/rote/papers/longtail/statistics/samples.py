"""Samples that several claims share."""

from collections.abc import Mapping
from itertools import pairwise

import numpy as np
import pandas as pd

Tables = Mapping[str, pd.DataFrame]


def arms(rows: pd.DataFrame, column: str, value: str, *names: float | str) -> np.ndarray:
    """A quantity of several arms in every replicate, (replicates, arms).

    Args:
        rows: one row per replicate and arm.
        column: that names the arm.
        value: the quantity.
        *names: the arms.

    Raises:
        KeyError: if the run's settings leave an arm out.
    """
    wide = rows.pivot(index="replicate", columns=column, values=value)
    for name in names:
        if name not in wide.columns:
            raise KeyError(f"{column} {name}")
    return wide[list(names)].to_numpy()


def steps(rows: pd.DataFrame, column: str, value: str, symbol: str) -> dict[str, np.ndarray]:
    """Factor by which a quantity changes with each step of a grid: a condition per step.

    Args:
        rows: one row per replicate and point of the grid.
        column: the grid.
        value: a positive quantity.
        symbol: of the grid, for the conditions' names.

    Returns:
        Per step the quantity after it over that before it, (replicates,).
    """
    wide = rows.pivot(index="replicate", columns=column, values=value)
    return {
        f"{symbol} = {low:g} to {high:g}": (wide[high] / wide[low]).to_numpy()
        for low, high in pairwise(wide.columns)
    }
