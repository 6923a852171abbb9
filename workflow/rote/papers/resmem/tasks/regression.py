"""Regression in the same four steps.

Ridge regression, standardized inputs as embeddings, residuals, evaluation.

A residual is y − f(x), whose soft kNN average is added to the base's prediction.
"""

import sys
from collections.abc import Iterator, Sequence
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
FRIEDMAN_2 = "Friedman 2"
FRIEDMAN_3 = "Friedman 3"


class ResmemRegression(Section):
    """Friedman's three functions and the diabetes data under ridge regression."""

    train: int = key(4000, "Training rows of Friedman's functions", ge=50)
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
    from sklearn.datasets import (
        load_diabetes,
        make_friedman1,
        make_friedman2,
        make_friedman3,
    )

    for replicate in range(options.replicates):
        rng = generator(seed, "resmem", "regression", replicate)
        total = options.train + 2 * options.test
        x, y = make_friedman1(total, noise=1.0, random_state=int(rng.integers(2**31)))
        edges = [options.train, options.train + options.test]
        yield RegressionSample(FRIEDMAN, replicate, *_cut(x, y, edges))
        x, y = load_diabetes(return_X_y=True)
        order = rng.permutation(len(x))
        yield RegressionSample(DIABETES, replicate, *_cut(x[order], y[order], [280, 360]))
        # noise of a third of the function's own spread, as that of the first has about
        others = ((FRIEDMAN_2, make_friedman2, 125.0), (FRIEDMAN_3, make_friedman3, 0.1))
        for name, make, noise in others:
            x, y = make(total, noise=noise, random_state=int(rng.integers(2**31)))
            yield RegressionSample(name, replicate, *_cut(x, y, edges))


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
    """Neighbors of validation and test rows; k, σ and T tuned by squared error, or no memory.

    The memory alone is T = ∞, where the base's predictions count as their mean.

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
    from rote import knn, resmem
    from rote.core import tables
    from rote.papers.resmem import schema
    from rote.resmem import K_GRID

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
        grid = family(median_distance)
        losses = _losses(results["valid"], _Part.of(sample, embeddings, "valid"), grid)
        alone = [n for n, setting in enumerate(grid) if np.isinf(setting.temperature)]
        best = grid[resmem.select(losses, resmem.ends(grid))]
        of_knn = grid[alone[resmem.select(losses[alone])]]
        y = sample.train.y
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
                "temperature": best.temperature,
                "median_distance": median_distance,
                "knn_k": of_knn.k,
                "knn_bandwidth": of_knn.bandwidth,
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
        part = _Part.of(sample, embeddings, "test")
        used = [
            Setting(0, np.inf, 1.0),
            Setting(int(choice["knn_k"]), float(choice["knn_bandwidth"]), np.inf),
            Setting(int(choice["k"]), float(choice["bandwidth"]), float(choice["temperature"])),
        ]
        variance = part.targets.var()
        base, of_knn, of_resmem = _losses(results, part, used).mean(1) / variance
        every = _losses(results, part, family(float(choice["median_distance"])))
        rows.append(
            {
                "data": sample.name,
                "replicate": sample.replicate,
                "base": base,
                "knn": of_knn,
                "resmem": of_resmem,
                "best": _best_of_other_half(every) / variance,
            }
        )
    return {"regression": tables.frame(schema.ResmemRegressionErrors, rows)}


def family(unit: float) -> "list[Setting]":
    """The settings that ResMem is tuned over: base alone, memory alone (T = ∞) and between.

    Args:
        unit: of bandwidths, the median distance of a query to its nearest neighbor.
    """
    from rote.resmem import BANDWIDTH_GRID, REGRESSION_TEMPERATURE_GRID, settings

    bandwidths = [unit * factor for factor in BANDWIDTH_GRID]
    return settings(bandwidths, temperatures=REGRESSION_TEMPERATURE_GRID)


class _Part(NamedTuple):
    """What is known of the memory and asked of a split."""

    remembered: np.ndarray  # (n,) targets of the memory
    fitted: np.ndarray  # (n,) the base's predictions on it
    targets: np.ndarray  # (queries,)
    predictions: np.ndarray  # (queries,)

    @classmethod
    def of(cls, sample: RegressionSample, embeddings: Arrays, split: str) -> "_Part":
        """That of one split."""
        return cls(
            sample.train.y,
            embeddings[sample.array_key("train", "prediction")],
            getattr(sample, split).y,
            embeddings[sample.array_key(split, "prediction")],
        )


def _losses(neighbors: "Neighbors", part: _Part, grid: "Sequence[Setting]") -> np.ndarray:
    """Squared errors by setting and query; k = 0 is the base."""
    from rote import resmem

    center = part.fitted.mean()
    losses = np.empty((len(grid), len(part.targets)))
    averages: dict[tuple[int, float], tuple[np.ndarray, np.ndarray]] = {}
    for number, setting in enumerate(grid):
        if not setting.k:
            losses[number] = (part.targets - part.predictions) ** 2
            continue
        at = setting.k, setting.bandwidth
        if at not in averages:
            nearest = neighbors.first(setting.k)
            weights = resmem.shares(nearest, *at)
            averages[at] = (
                (weights * part.remembered[nearest.rows]).sum(1),
                (weights * part.fitted[nearest.rows]).sum(1) - center,
            )
        target, fitted = averages[at]
        lifted = (part.predictions - center - fitted) / setting.temperature
        losses[number] = (part.targets - target - lifted) ** 2
    return losses


def _best_of_other_half(losses: np.ndarray) -> float:
    """Mean loss of the settings that are best on the other half of the queries."""
    even, odd = losses[:, ::2], losses[:, 1::2]
    total = even[odd.mean(1).argmin()].sum() + odd[even.mean(1).argmin()].sum()
    return float(total / losses.shape[1])


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
