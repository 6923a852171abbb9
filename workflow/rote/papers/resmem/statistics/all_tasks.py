"""Claims about all tasks that have a headline, and about regression."""

from collections.abc import Iterator
from contextlib import suppress

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
    trained,
    useful,
)
from rote.papers.resmem.task import INPUTS, ResmemTask
from rote.papers.resmem.tasks.regression import FRIEDMAN

COMPARED = ["base", "knn", "resmem", "best"]
MIN_DATA_SETS = 10  # over which a mean says something about data sets
# test over training part of data that replicates split anew
SPLIT_RATIOS = {"digits": 0.5, "breast": 0.56, "wines": 0.48, "mnist": 0.29, "diabetes": 0.29}


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


def _compared(tables: Tables) -> Iterator[tuple[str, pd.DataFrame, float]]:
    """Name, rows by replicate in points, and test over training part, of every data set.

    Rows are accuracies of base, knn, resmem and best, without values where the base is not
    `trained`; of regression, percent of the variance that is explained. Digits come twice, once
    with label noise.
    """
    for name, rows in _headlines(tables, "accuracy").items():
        yield name, _points(rows), SPLIT_RATIOS.get(name, tasks.get(name).split_ratio)
    if "digits" in set(tables["accuracy"]["task"]):
        with suppress(KeyError):
            rows = arm_rows(tables, "accuracy", "digits", INPUTS, noise=0.4)
            yield "digits, noise 0.4", _points(rows), SPLIT_RATIOS["digits"]
    for name, rows in tables["regression"].groupby("data"):
        yield name, 100 * (1 - rows.sort_values("replicate")[COMPARED]), SPLIT_RATIOS.get(name, 0.0)


def _points(rows: pd.DataFrame) -> pd.DataFrame:
    """Accuracies in points by replicate, without values where the base is not `trained`."""
    values = 100 * rows.sort_values("replicate")[COMPARED]
    values.loc[~trained(rows)] = np.nan
    return values


def over_both(tables: Tables) -> dict[str, Sample]:
    """ResMem minus the better of base and memory alone, points, by data set.

    The better one is that of the mean over replicates: the better in each would be partly luck.
    """
    samples = {}
    for name, rows, ratio in _compared(tables):
        better = rows[["base", "knn"]].mean().max()
        reference = "base" if rows["base"].mean() == better else "knn"
        samples[name] = resplit((rows["resmem"] - rows[reference]).to_numpy(), ratio)
    return samples


def near_best(tables: Tables) -> dict[str, Sample]:
    """ResMem minus the setting that is best on the other half of the test examples, points."""
    return {
        name: resplit((rows["resmem"] - rows["best"]).to_numpy(), ratio)
        for name, rows, ratio in _compared(tables)
    }


def mean_over_knn(tables: Tables) -> Sample:
    """ResMem minus memory alone, points, averaged over all data sets of a replicate."""
    gains = []
    for _, rows, ratio in _compared(tables):
        gains.append(resplit((rows["resmem"] - rows["knn"]).to_numpy(), ratio))
    if len(gains) < MIN_DATA_SETS:
        raise KeyError(f"{MIN_DATA_SETS} data sets")
    replicates = min(len(gain.values) for gain in gains)
    values = np.mean([gain.values[:replicates] for gain in gains], axis=0)
    shared = sum(
        gain.shared_variance or 0.0 for gain in gains
    )  # of data sets apart from each other
    return Sample(values, shared / len(gains) ** 2)


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
