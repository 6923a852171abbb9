"""How statistics take replicate values from tables."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

Tables = Mapping[str, pd.DataFrame]
Values = dict[str, np.ndarray]  # condition -> (replicates,), or the numbers of one computation


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


def superiority(a: Any, b: Any) -> np.ndarray:
    """Probability that an event of arm a is missing in arm b, ties counted half.

    (1 + a - b) / 2 of paired rates: 1/2 where both arms are alike, and a share, as an exact
    interval of proportions asks. Source: the common-language effect size.

    Args:
        a: rates of the first arm in [0, 1], (replicates,).
        b: those of the second, (replicates,).
    """
    return (1 + np.asarray(a, float) - np.asarray(b, float)) / 2


def columns(a: Any, b: Any) -> np.ndarray:
    """Two arms that share their replicates, (replicates, 2)."""
    return np.stack([np.asarray(a, float), np.asarray(b, float)], axis=1)
