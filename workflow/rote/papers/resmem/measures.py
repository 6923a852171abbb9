"""What statistics and figures both take from the tables: arms by their fields, and slopes."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from rote.papers.resmem import tasks
from rote.papers.resmem.task import ARM_COLUMNS, FEATURES

MIN_SLOPE_EXAMPLES = 300
# partitions of the table of parts: which answers ResMem changes, of the base or of kNN
FLIPS = {"base": "flips", "knn": "flips of kNN"}
Tables = Mapping[str, pd.DataFrame]


def of_task(rows: pd.DataFrame, task: str) -> pd.DataFrame:
    """The rows of a task.

    Raises:
        InputError: for a task that is unknown.
        KeyError: for one that is not in the table.
    """
    rows = rows[rows["task"] == tasks.get(task).name]
    if rows.empty:
        raise KeyError(f"task {task}")
    return rows


def series(rows: pd.DataFrame, column: str) -> pd.DataFrame:
    """The arms of one task along one field: all else is as in the task's first arm."""
    first = rows.iloc[0]
    others = [name for name in ARM_COLUMNS if name != column]
    return rows[(rows[others] == first[others]).all(axis=1)]


def of_arm(rows: pd.DataFrame, **fields: Any) -> pd.DataFrame:
    """The rows of the arm that differs from the task's first only in these fields.

    Args:
        rows: of one task.
        fields: columns of ARM_COLUMNS and their values.

    Raises:
        KeyError: for an arm that is not in the table.
    """
    values = {name: rows.iloc[0][name] for name in ARM_COLUMNS} | fields
    arm = rows[(rows[list(values)] == pd.Series(values)).all(axis=1)]
    if arm.empty:
        raise KeyError(f"{rows['task'].iloc[0]} with {fields}")
    return arm


def deepest_features(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of memories of an arm's last layer, or of its inputs where it is linear."""
    present = set(rows["features"])
    deepest = next(name for name in FEATURES if name in present)
    return rows[rows["features"] == deepest]


def largest_memory(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of the memories that hold most."""
    return rows[rows["rows"] == rows["rows"].max()]


def main_risks(tables: Tables) -> pd.DataFrame:
    """Risks of the linear model at the norm that all dimensions share."""
    rows = tables["risks"]
    return rows[rows["norm"] == rows["norm"].mode().iloc[0]]


def risk_slopes(tables: Tables) -> pd.DataFrame:
    """Log-log slope of each risk over n ≥ 300: dimension, replicate, base, nearest, resmem."""
    rows = main_risks(tables)
    rows = rows[rows["examples"] >= MIN_SLOPE_EXAMPLES]
    slopes = []
    for (dimension, replicate), group in rows.groupby(["dimension", "replicate"]):
        n = np.log(group["examples"])
        risks = {
            name: np.polyfit(n, np.log(group[name]), 1)[0] for name in ("base", "nearest", "resmem")
        }
        slopes.append({"dimension": dimension, "replicate": replicate, **risks})
    return pd.DataFrame(slopes)
