"""Claims about all tasks that have a headline, and about regression."""

import numpy as np
import pandas as pd

from rote.ledger import Sample
from rote.papers.resmem import tasks
from rote.papers.resmem.measures import Tables, largest_memory
from rote.papers.resmem.statistics.samples import (
    arm_rows,
    gain,
    pooled_gain,
    resplit,
    useful,
)
from rote.papers.resmem.task import ResmemTask
from rote.papers.resmem.tasks.regression import FRIEDMAN


def _headlines(tables: Tables, name: str) -> dict[str, pd.DataFrame]:
    """Rows of the smallest base of each task that has a headline, of its largest memory.

    Without rows, which is `not run`, for a task that is in the run without that base.
    """
    present = set(tables[name]["task"])
    rows = {}
    for task in tasks.registry().values():
        if task.headline and task.name in present:
            rows[task.name] = _headline(tables, name, task)
    return rows


def _headline(tables: Tables, name: str, task: ResmemTask) -> pd.DataFrame:
    features, fields = task.headline
    try:
        return largest_memory(arm_rows(tables, name, task.name, features, **fields))
    except KeyError:
        return tables[name].iloc[:0]


def over_knn(tables: Tables) -> dict[str, Sample]:
    """Gain over the memory alone, the same embedding: smallest base of each task.

    Test examples that replicates share add their variance (none, where each has a pool of its own:
    there it is part of the spread already, and is added all the same).
    """
    samples = {}
    for name, rows in _headlines(tables, "accuracy").items():
        task = tasks.get(name)
        features, fields = task.headline
        if rows.empty:
            samples[name] = Sample(gain(rows, "knn"), 0.0)
        elif task.split_ratio:
            samples[name] = resplit(gain(rows, "knn"), task.split_ratio)
        else:
            samples[name] = pooled_gain(tables, name, features, "knn", **fields)
    return samples


def full_strength(tables: Tables) -> dict[str, Sample]:
    """Accuracy at α = 1 minus that at another strength from 0.5 to 1.5, points.

    Of the smallest base of each task that has a layer to build a memory on, where that memory
    helps: one that changes nothing is as good at any strength.
    """
    samples = {}
    for name, rows in _headlines(tables, "sweeps").items():
        task = tasks.get(name)
        if task.headline.features.is_input:
            continue
        rows = rows[(rows["setting"] == "strength") & (rows["value"] >= 0.5)]
        accuracy = 100 * rows.pivot(index="replicate", columns="value", values="accuracy")
        helped = useful(_headline(tables, "accuracy", task))
        for strength in (value for value in accuracy if value != 1):
            difference = (accuracy[1.0] - accuracy[strength]).to_numpy()
            values = np.where(helped, difference, np.nan)
            samples[f"{name}, strength {strength:g}"] = resplit(values, task.split_ratio)
    return samples


def regression_better(tables: Tables) -> Sample:
    """Friedman's function: ResMem's error over the smaller one of ridge regression and kNN."""
    rows = tables["regression"]
    rows = rows[rows["data"] == FRIEDMAN].sort_values("replicate")
    smaller = rows[["base", "knn"]].min(axis=1)
    return Sample((rows["resmem"] / smaller).to_numpy())
