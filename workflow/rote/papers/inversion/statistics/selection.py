"""How statistics take replicate values from tables."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from rote.ledger import Sample

Tables = Mapping[str, pd.DataFrame]


def exactly(value: float) -> Sample:
    """A value without randomness; it counts twice, so that it has an interval of no width."""
    return Sample(np.full(2, float(value)))


def select(tables: Tables, name: str, **values: Any) -> pd.DataFrame:
    """Rows of a table whose columns have these values; numbers with a point to rounding.

    Raises:
        KeyError: if the run does not hold such rows; the claim is then not run.
    """
    rows = tables[name]
    for column, value in values.items():
        close = isinstance(value, float)
        rows = rows[np.isclose(rows[column], value) if close else rows[column] == value]
    if rows.empty:
        raise KeyError(f"{name}: {values}")
    return rows


def by_replicate(rows: pd.DataFrame, column: str) -> np.ndarray:
    """A column with one value per replicate, in their order."""
    return rows.sort_values("replicate")[column].to_numpy()


def by_size(tables: Tables, name: str) -> list[int]:
    """Numbers of training examples N in a table, rising."""
    return sorted(tables[name]["examples"].unique())
