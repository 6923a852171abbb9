"""What the claims about tasks take from the tables: an arm's rows, and ResMem's gain."""

from typing import Any

import numpy as np
import pandas as pd

from rote.papers.resmem.measures import Tables, of_arm, of_task
from rote.papers.resmem.task import FeatureLayer


def arm_rows(
    tables: Tables, name: str, task: str, features: FeatureLayer, **fields: Any
) -> pd.DataFrame:
    """Rows of a table: of the arm with these fields, and memories of these features.

    Args:
        tables: the paper's tables.
        name: of the table.
        task: of which task.
        features: what the memories' distances are taken between.
        **fields: in which the arm differs from the task's first, with their values.

    Raises:
        KeyError: if the run does not have them.
    """
    rows = of_arm(of_task(tables[name], task), **fields)
    rows = rows[rows["features"] == features.name]
    if rows.empty:
        raise KeyError(f"{task} with {fields}, {features.name}")
    return rows


def gain(rows: pd.DataFrame, reference: str = "base") -> np.ndarray:
    """Points of accuracy that ResMem gains over another method, (replicates,)."""
    rows = rows.sort_values("replicate")
    return 100 * (rows["resmem"] - rows[reference]).to_numpy()
