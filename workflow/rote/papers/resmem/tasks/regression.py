"""Regression in the same four steps.

Ridge regression, standardized inputs as embeddings, residuals, evaluation.

A residual is y − f(x), whose soft kNN average is added to the base's prediction.
"""

import sys
from collections.abc import Iterator
from functools import partial
from itertools import product
from types import ModuleType
from typing import TYPE_CHECKING, ClassVar, NamedTuple

import numpy as np

from rote.core.section import Section, key
from rote.core.seeds import generator
from rote.papers.resmem.sections import ResmemMemory
from rote.papers.resmem.task import (
    INPUTS,
    SPLITS,
    Arrays,
    BaseArm,
    MemorySpec,
    ResmemTask,
    TaskWork,
    TrainingRun,
)

if TYPE_CHECKING:
    import pandas as pd

    from rote.neighbors import Neighbors
    from rote.resmem import Setting


FRIEDMAN = "Friedman"  # the data sets, as tables name them
DIABETES = "diabetes"


class ResmemRegression(Section):
    """Friedman's function and the diabetes data under ridge regression."""

    train: int = key(4000, "Training rows of Friedman's function", ge=50)
    test: int = key(2000, "Test rows", ge=50)
    replicates: int = key(10, "Data sets, or splits", ge=2)

    SCALES: ClassVar = {"smoke": {"train": 300, "test": 300, "replicates": 5}}


class RegressionRows(NamedTuple):
    """Inputs (n, d) and targets (n,)."""

    x: np.ndarray
    y: np.ndarray


class RegressionSample(NamedTuple):
    """One data set in one replicate."""

    name: str  # FRIEDMAN or DIABETES: what takes the place of an arm
    replicate: int
    train: RegressionRows
    valid: RegressionRows
    test: RegressionRows

    def array_key(self, *parts: str) -> str:
        """The name of one of its arrays in the files between steps."""
        return "/".join([self.name, str(self.replicate), *parts])


def samples(options: ResmemRegression, seed: int) -> Iterator[RegressionSample]:
    """Every data set in every replicate."""
    from sklearn.datasets import load_diabetes, make_friedman1

    for replicate in range(options.replicates):
        rng = generator(seed, "resmem", "regression", replicate)
        total = options.train + 2 * options.test
        x, y = make_friedman1(total, noise=1.0, random_state=int(rng.integers(2**31)))
        edges = [options.train, options.train + options.test]
        yield RegressionSample(FRIEDMAN, replicate, *_cut(x, y, edges))
        x, y = load_diabetes(return_X_y=True)
        order = rng.permutation(len(x))
        yield RegressionSample(DIABETES, replicate, *_cut(x[order], y[order], [280, 360]))


def _cut(x: np.ndarray, y: np.ndarray, edges: list[int]) -> list[RegressionRows]:
    parts = zip(np.split(x, edges), np.split(y, edges), strict=True)
    return [RegressionRows(inputs, targets) for inputs, targets in parts]


def bases(task: ResmemTask, options: ResmemRegression, training: TrainingRun) -> Arrays:
    """Ridge regression on standardized inputs: coefficients, intercept, means and spreads."""
    from sklearn.linear_model import Ridge

    arrays = {}
    for sample in samples(options, training.seed):
        center = sample.train.x.mean(0)
        scale = sample.train.x.std(0)
        base = Ridge().fit((sample.train.x - center) / scale, sample.train.y)
        parts = {
            "coefficients": base.coef_,
            "intercept": np.array([base.intercept_]),
            "mean": center,
            "spread": scale,
        }
        arrays |= {sample.array_key(name): value for name, value in parts.items()}
    return arrays


def embeddings(
    task: ResmemTask, options: ResmemRegression, bases: Arrays, seed: int, device: str = "cpu"
) -> Arrays:
    """Standardized inputs and predictions of every split.

    Args:
        task: this one.
        options: its config section.
        bases: of `bases`.
        seed: of the run.
        device: not used.
    """
    arrays = {}
    for sample in samples(options, seed):
        for split in SPLITS:
            x = getattr(sample, split).x
            z = (x - bases[sample.array_key("mean")]) / bases[sample.array_key("spread")]
            prediction = z @ bases[sample.array_key("coefficients")]
            arrays[sample.array_key(split, "inputs")] = z
            arrays[sample.array_key(split, "prediction")] = (
                prediction + bases[sample.array_key("intercept")]
            )
    return arrays


def neighbors(
    task: ResmemTask,
    options: ResmemRegression,
    memory: ResmemMemory,
    embeddings: Arrays,
    seed: int,
    device: str = "cpu",
) -> "tuple[Arrays, pd.DataFrame]":
    """Neighbors of validation and test rows; k and σ tuned by squared error, or no memory.

    The memory alone is the same with a base that predicts 0.

    Args:
        task: this one.
        options: its config section.
        memory: how neighbors are searched.
        embeddings: of `embeddings`.
        seed: of the run.
        device: where the search runs, if its engine uses one.

    Returns:
        Distances and rows of the neighbors by name, and the table ResmemChoices.
    """
    from rote import knn
    from rote.core import tables
    from rote.papers.resmem import schema
    from rote.resmem import BANDWIDTH_GRID, K_GRID, Setting

    arrays, rows = {}, []
    for sample in samples(options, seed):
        vectors = embeddings[sample.array_key("train", "inputs")]
        store = knn.Datastore(vectors, engine=memory.engine, probes=memory.probes, device=device)
        results = {}
        for split in SPLITS[1:]:
            queries = embeddings[sample.array_key(split, "inputs")]
            results[split] = store.search(queries, max(K_GRID))
            for name, value in results[split]._asdict().items():
                arrays[sample.array_key(split, name)] = value
        median_distance = knn.scale(results["valid"].distances)
        grid = [
            Setting(k, median_distance * factor, 1.0)
            for k, factor in product(K_GRID, BANDWIDTH_GRID)
        ]
        y = sample.train.y
        residuals = y - embeddings[sample.array_key("train", "prediction")]
        remaining = sample.valid.y - embeddings[sample.array_key("valid", "prediction")]
        candidates = [Setting(0, np.inf, 1.0), *grid]
        best = min(candidates, key=partial(_error, results["valid"], residuals, remaining))
        alone = min(grid, key=partial(_error, results["valid"], y, sample.valid.y))
        recall = 1.0
        if memory.approximate:
            checked = embeddings[sample.array_key("valid", "inputs")][: memory.recall_queries]
            recall = store.recall(checked, 50)
        spec = MemorySpec(_arm(sample), INPUTS, len(y), sample.replicate)
        rows.append(
            {
                **spec.columns(task),
                "k": best.k,
                "bandwidth": best.bandwidth,
                "temperature": 1.0,
                "median_distance": median_distance,
                "knn_k": alone.k,
                "knn_bandwidth": alone.bandwidth,
                "interpolation_k": 0,
                "interpolation_bandwidth": np.inf,
                "interpolation_weight": 0.0,
                "recall": recall,
            }
        )
    return arrays, tables.frame(schema.ResmemChoices, rows)


def _arm(sample: RegressionSample) -> BaseArm:
    """A data set in the place of an arm."""
    return BaseArm(("model",), model=sample.name, examples=len(sample.train.y))


def evaluate(
    task: ResmemTask,
    options: ResmemRegression,
    embeddings: Arrays,
    neighbors: Arrays,
    choices: "pd.DataFrame",
    seed: int,
) -> "dict[str, pd.DataFrame]":
    """The table ResmemRegressionErrors: test errors of base, memory alone, ResMem over variance.

    Args:
        task: this one.
        options: its config section.
        embeddings: of `embeddings`.
        neighbors: of `neighbors`, with the table `choices`.
        choices: the table ResmemChoices.
        seed: of the run.
    """
    from rote.core import tables
    from rote.neighbors import Neighbors
    from rote.papers.resmem import schema
    from rote.resmem import Setting

    tuned = choices.set_index(["arm", "replicate"])
    rows = []
    for sample in samples(options, seed):
        choice = tuned.loc[(_arm(sample).key, sample.replicate)]
        arrays = {name: neighbors[sample.array_key("test", name)] for name in Neighbors._fields}
        results = Neighbors(**arrays)
        y, targets = sample.train.y, sample.test.y
        residuals = y - embeddings[sample.array_key("train", "prediction")]
        remaining = targets - embeddings[sample.array_key("test", "prediction")]
        none = Setting(0, np.inf, 1.0)
        alone = Setting(int(choice["knn_k"]), float(choice["knn_bandwidth"]), 1.0)
        best = Setting(int(choice["k"]), float(choice["bandwidth"]), 1.0)
        rows.append(
            {
                "data": sample.name,
                "replicate": sample.replicate,
                "base": _error(results, residuals, remaining, none) / targets.var(),
                "knn": _error(results, y, targets, alone) / targets.var(),
                "resmem": _error(results, residuals, remaining, best) / targets.var(),
            }
        )
    return {"regression": tables.frame(schema.ResmemRegressionErrors, rows)}


def _error(
    neighbors: "Neighbors", memory: np.ndarray, targets: np.ndarray, setting: "Setting"
) -> float:
    """Mean square that a memory's soft kNN average leaves of the targets; k = 0 is no memory."""
    from rote import knn

    if not setting.k:
        return float((targets**2).mean())
    nearest = neighbors.first(setting.k)
    weights = knn.weights(nearest.distances, setting.bandwidth)
    return float(((targets - (weights * memory[nearest.rows]).sum(1)) ** 2).mean())


def work(options: ResmemRegression) -> TaskWork:
    """Ridge regression costs next to nothing."""
    return TaskWork(training=1.0, rows=options.replicates * options.train)


def steps() -> ModuleType:
    """The steps of this module in place of those of classification."""
    return sys.modules[__name__]


TASK = ResmemTask(
    name="regression",
    title="Regression",
    settings=ResmemRegression,
    work=work,
    rank=5,
    steps=steps,
)
