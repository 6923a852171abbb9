"""Claims about all tasks that have a headline, and about regression."""

import numpy as np
import pandas as pd

from rote.ledger import Sample
from rote.papers.resmem import tasks
from rote.papers.resmem.measures import Tables, largest_memory
from rote.papers.resmem.statistics.samples import arm_rows, gain
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
    """Gain over the memory alone, the same embedding: smallest base of each task."""
    return {
        task: Sample(gain(rows, reference="knn"))
        for task, rows in _headlines(tables, "accuracy").items()
    }


def full_strength(tables: Tables) -> dict[str, Sample]:
    """Accuracy at α = 1 minus the best of α = 0.5 ... 1.5, in points.

    Of the smallest base of each task that has a layer to build a memory on.
    """
    samples = {}
    for task, rows in _headlines(tables, "sweeps").items():
        if tasks.get(task).headline.features.is_input:
            continue
        rows = rows[(rows["setting"] == "strength") & (rows["value"] >= 0.5)]
        best = rows.groupby("replicate")["accuracy"].max()
        whole = rows[rows["value"] == 1].set_index("replicate")["accuracy"]
        samples[task] = Sample(100 * (whole - best).to_numpy())
    return samples


def _friedman(tables: Tables, other: str) -> np.ndarray:
    rows = tables["regression"]
    rows = rows[rows["data"] == FRIEDMAN].sort_values("replicate")
    return (rows["resmem"] / rows[other]).to_numpy()


def regression_base(tables: Tables) -> Sample:
    """Friedman's function: ResMem's error over ridge regression's."""
    return Sample(_friedman(tables, "base"))


def regression_knn(tables: Tables) -> Sample:
    """The same over that of the memory alone."""
    return Sample(_friedman(tables, "knn"))
