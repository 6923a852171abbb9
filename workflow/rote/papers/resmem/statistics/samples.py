"""What the claims about tasks take from the tables: an arm's rows, ResMem's gain, shared data."""

from typing import Any

import numpy as np
import pandas as pd

from rote.ledger import Sample
from rote.papers.resmem.measures import FLIPS, Tables, of_arm, of_task
from rote.papers.resmem.task import FeatureLayer

# share of right answers above which a base has learnt something: a constant answer has less in
# every task, also in text, where the most frequent character is right on 18 %
LEARNT = 0.25


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


def trained(rows: pd.DataFrame) -> np.ndarray:
    """Whether a base has learnt something, by replicate.

    That is, it is right on more than `LEARNT` of the test examples, and at least half as often as
    the memory alone: with any other base the memory answers, and its accuracy is no gain.
    """
    rows = rows.sort_values("replicate")
    return ((rows["base"] > LEARNT) & (rows["base"] >= rows["knn"] / 2)).to_numpy()


def useful(rows: pd.DataFrame) -> np.ndarray:
    """Whether a memory raises the accuracy of a trained base, by replicate."""
    return trained(rows) & (gain(rows) > 0)


def gain(rows: pd.DataFrame, reference: str = "base") -> np.ndarray:
    """Points of accuracy that ResMem gains over another method, (replicates,).

    Replicates whose base is not `trained` have no value.

    Args:
        rows: of one memory, one per replicate.
        reference: base or knn.
    """
    in_order = rows.sort_values("replicate")
    points = 100 * (in_order["resmem"] - in_order[reference]).to_numpy()
    return np.where(trained(rows), points, np.nan)


def change(after: np.ndarray, before: np.ndarray) -> np.ndarray:
    """By how much one gain exceeds another, and at most that gain itself, (replicates,).

    Of memories that only spoil answers the one that spoils fewer does not gain more.
    """
    return np.minimum(after - before, after)


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


def pooled_difference(first: Sample, second: Sample) -> Sample:
    """By how much one gain exceeds another over the same test examples (`change`), in their unit.

    The shared standard deviation of a difference is at most the sum of both, and no smaller than
    that of the first gain alone.

    Args:
        first: of `pooled_gain`.
        second: of the same replicates.
    """
    deviation = (first.shared_variance or 0.0) ** 0.5 + (second.shared_variance or 0.0) ** 0.5
    return Sample(change(first.values, second.values), deviation**2)


def resplit(values: np.ndarray, ratio: float) -> Sample:
    """Values of replicates that split one text anew, with the variance that they share.

    Nadeau and Bengio (2003) estimate it as the variance between replicates times the ratio of test
    to training examples. It is doubled: an interval takes a shared variance as known, and this one
    is estimated from as few values.

    Args:
        values: (replicates,).
        ratio: test over training examples.
    """
    present = values[~np.isnan(values)]
    spread = float(np.var(present, ddof=1)) if len(present) > 1 else 0.0
    return Sample(values, 2 * ratio * spread)
