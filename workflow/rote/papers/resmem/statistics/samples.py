"""What the claims about tasks take from the tables: an arm's rows, ResMem's gain, shared data."""

from typing import Any

import numpy as np
import pandas as pd

from rote.ledger import Sample
from rote.papers.resmem.measures import FLIPS, Tables, of_arm, of_task
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


def pooled_gain(
    tables: Tables, task: str, features: FeatureLayer, reference: str = "base", **fields: Any
) -> Sample:
    """The gain of an arm whose replicates take their test examples from one pool, points.

    An example counts +1 where ResMem is right and the other method wrong, −1 in the opposite case.
    The variance of these numbers within a replicate, averaged over replicates, is no smaller than
    that of their averages over replicates.

    Args:
        tables: the paper's tables.
        task: of which task.
        features: what the memories' distances are taken between.
        reference: base or knn, over which ResMem gains.
        **fields: in which the arm differs from the task's first, with their values.
    """
    rows = arm_rows(tables, "accuracy", task, features, **fields)
    parts = arm_rows(tables, "parts", task, features, **fields)
    parts = parts[parts["partition"] == FLIPS[reference]]
    shares = parts.pivot(index="replicate", columns="part", values="share")
    variance = shares["fixed"] + shares["broken"] - (shares["fixed"] - shares["broken"]) ** 2
    pool = rows["pool"].iloc[0]
    return Sample(gain(rows, reference), 1e4 * float(variance.mean()) / pool)


def pooled_difference(first: Sample, second: Sample, factor: float = 1.0) -> Sample:
    """One gain minus another over the same test examples, in their unit.

    The shared standard deviation of a difference is at most the sum of both.

    Args:
        first: of `pooled_gain`.
        second: of the same replicates.
        factor: of the second.
    """
    deviation = (first.shared_variance or 0.0) ** 0.5
    deviation += factor * (second.shared_variance or 0.0) ** 0.5
    return Sample(first.values - factor * second.values, deviation**2)


def resplit(values: np.ndarray, ratio: float) -> Sample:
    """Values of replicates that split one text anew, with the variance that they share.

    Nadeau and Bengio (2003) estimate it as the variance between replicates times the ratio of test
    to training examples. It is doubled: an interval takes a shared variance as known, and this one
    is estimated from as few values.

    Args:
        values: (replicates,).
        ratio: test over training examples.
    """
    spread = float(np.var(values, ddof=1)) if len(values) > 1 else 0.0
    return Sample(values, 2 * ratio * spread)
