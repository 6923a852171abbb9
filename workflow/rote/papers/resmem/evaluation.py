"""Tuned memories on test data: accuracies, sweeps, calibration, parts of the test set, the grid."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from rote import knn, resmem
from rote.core import tables
from rote.neighbors import Neighbors
from rote.papers.resmem import methods, residuals, schema, training
from rote.papers.resmem.measures import FLIPS
from rote.papers.resmem.residuals import Tuned
from rote.papers.resmem.task import Arrays, MemorySpec, ResmemTask, TaskData, array_key
from rote.resmem import Setting

Row = dict[str, Any]
STRENGTHS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5)
PLAIN_KS = (1, 5, 20, 50, 100)
GRID_TEMPERATURES = (0.5, 1.0, 1.4, 3.0, np.inf)
PROBABILITY_FLOOR = 1e-12


class TunedScores(NamedTuple):
    """Scores of the test queries by each method, (queries, classes)."""

    base: np.ndarray
    knn: np.ndarray
    resmem: np.ndarray
    interpolation: np.ndarray


@dataclass(frozen=True)
class TunedMemory:
    """One memory with its neighbors and settings: all that its evaluation needs."""

    task: ResmemTask
    spec: MemorySpec
    tuned: Tuned
    data: TaskData
    labels: np.ndarray  # (rows,) of the memory
    logits: np.ndarray  # (rows, classes)
    query_logits: np.ndarray  # (queries, classes) of the test split
    neighbors: Neighbors  # of the test queries
    pool: int  # test examples of all replicates together

    def scores(self, setting: Setting) -> np.ndarray:
        """ResMem's scores of the test queries, (queries, classes)."""
        return resmem.scores(self.neighbors, self.labels, self.logits, self.query_logits, setting)

    @cached_property
    def family(self) -> np.ndarray:
        """Whether each setting of the family is right, (settings, queries), in `grid` order."""
        return resmem.sweep(
            self.neighbors,
            self.labels,
            self.logits,
            self.query_logits,
            residuals.family(self.tuned.median_distance),
            self.correct,
        )

    def votes(self, setting: Setting) -> np.ndarray:
        """Scores of the memory alone, (queries, classes)."""
        nearest = self.neighbors.first(setting.k)
        weights = knn.weights(nearest.distances, setting.bandwidth)
        return resmem.vote(weights, self.labels[nearest.rows], self.query_logits.shape[1])

    def tuned_scores(self) -> TunedScores:
        """Scores of every method at its tuned setting."""
        base = resmem.softmax(np.asarray(self.query_logits, float))
        weight = self.tuned.interpolation_weight
        return TunedScores(
            base=base,
            knn=self.votes(self.tuned.knn),
            resmem=self.scores(self.tuned.resmem),
            interpolation=(1 - weight) * base + weight * self.votes(self.tuned.interpolation),
        )

    def correct(self, scores: np.ndarray) -> np.ndarray:
        """Whether the class of the largest score is right, (queries,) or (settings, queries)."""
        return scores.argmax(-1) == self.data.test.y

    def accuracy(self, scores: np.ndarray) -> float:
        """Test accuracy."""
        return float(self.correct(scores).mean())


def tuned_memories(
    task: ResmemTask,
    options: Any,
    embeddings: Arrays,
    neighbors: Arrays,
    choices: pd.DataFrame,
    seed: int,
) -> Iterator[TunedMemory]:
    """Every memory of a task, in the order of `residuals.memories`.

    Args:
        task: whose memories they are.
        options: its config section.
        embeddings: of `embedding.embeddings`.
        neighbors: of `residuals.neighbors`, with the table `choices`.
        choices: the table ResmemChoices.
        seed: of the run.
    """
    datasets = training.samples(task, options, seed)
    pool = distinct_queries(datasets)
    tuned = {
        (row.arm, row.features, row.rows, row.replicate): Tuned.of(row)
        for row in choices.itertuples()
    }
    for spec in residuals.memories(task, options):
        data = datasets[spec.replicate]
        arrays = {name: neighbors[spec.array_key("test", name)] for name in Neighbors._fields}
        logits = embeddings[array_key(spec.arm, spec.replicate, "train", "logits")]
        yield TunedMemory(
            task=task,
            spec=spec,
            tuned=tuned[spec.arm.key, spec.features.name, spec.rows, spec.replicate],
            data=data,
            labels=training.training_labels(spec.arm, data, seed, spec.replicate)[: spec.rows],
            logits=logits[: spec.rows],
            query_logits=embeddings[array_key(spec.arm, spec.replicate, "test", "logits")],
            neighbors=Neighbors(**arrays),
            pool=pool,
        )


def distinct_queries(datasets: list[TaskData]) -> int:
    """Test examples of all replicates together, each counted once."""
    queries: set[bytes] = set()
    for data in datasets:
        queries.update(row.tobytes() for row in data.test.x)
    return len(queries)


def evaluate(
    task: ResmemTask,
    options: Any,
    embeddings: Arrays,
    neighbors: Arrays,
    choices: pd.DataFrame,
    seed: int,
) -> dict[str, pd.DataFrame]:
    """The tables accuracy, sweeps, calibration, parts and grid of one task.

    Args:
        task: whose memories they are.
        options: its config section.
        embeddings: of `embedding.embeddings`.
        neighbors: of `residuals.neighbors`, with the table `choices`.
        choices: the table ResmemChoices.
        seed: of the run.
    """
    measures = {
        "accuracy": accuracy_rows,
        "sweeps": sweep_rows,
        "calibration": calibration_rows,
        "parts": part_rows,
        "grid": grid_rows,
    }
    rows: dict[str, list[Row]] = {name: [] for name in measures}
    for memory in tuned_memories(task, options, embeddings, neighbors, choices, seed):
        scores = memory.tuned_scores()
        columns = memory.spec.columns(task)
        for name, measure in measures.items():
            rows[name] += [columns | row for row in measure(memory, scores)]
    return {name: tables.frame(schema.TABLES[name], rows[name]) for name in measures}


# ---- what is measured of one memory


def accuracy_rows(memory: TunedMemory, scores: TunedScores) -> Iterator[Row]:
    """Test accuracy of every method, of the family's best, and the pool of test examples."""
    accuracies = {method: memory.accuracy(values) for method, values in scores._asdict().items()}
    best = best_of_other_half(memory.family)
    yield accuracies | {"best": best, "pool": memory.pool}


def best_of_other_half(correct: np.ndarray) -> float:
    """What the best setting on test examples would have, but for its luck on the same examples.

    Each half of the test set is answered by the setting that is best on the other half; of equal
    ones the first.

    Args:
        correct: (settings, queries), at least 2 queries.
    """
    even, odd = correct[:, ::2], correct[:, 1::2]
    right = even[odd.mean(1).argmax()].sum() + odd[even.mean(1).argmax()].sum()
    return float(right / correct.shape[1])


def sweep_rows(memory: TunedMemory, scores: TunedScores) -> Iterator[Row]:
    """Accuracy over the strength at the tuned k and bandwidth, and over k; both at T = 1.

    At the tuned temperature a strength would mean nothing where that is infinite.
    """
    for strength in STRENGTHS:
        swept = memory.scores(replace(memory.tuned.resmem, temperature=1.0, strength=strength))
        yield {"setting": "strength", "value": strength, "accuracy": memory.accuracy(swept)}
    for k in PLAIN_KS:
        swept = memory.scores(Setting(k, memory.tuned.median_distance, 1.0))
        yield {"setting": "k", "value": float(k), "accuracy": memory.accuracy(swept)}


def calibration_rows(memory: TunedMemory, scores: TunedScores) -> Iterator[Row]:
    """How well probabilities fit, by how they are made of scores."""
    projected = resmem.simplex(scores.resmem)
    probabilities_of = {
        methods.BASE: scores.base,
        methods.CLIPPED: resmem.probabilities(scores.resmem),
        methods.PROJECTED: projected,
        methods.FLOORED: 0.95 * projected + 0.05 * scores.base,
        methods.KNN: scores.knn,
        methods.INTERPOLATION: scores.interpolation,
        methods.HALF_AND_HALF: (scores.base + scores.knn) / 2,
    }
    for method, probabilities in probabilities_of.items():
        fit = calibration(probabilities, memory.data.test.y)
        yield {"method": method, "accuracy": memory.accuracy(probabilities), **fit._asdict()}


class Calibration(NamedTuple):
    """How well probabilities fit the labels."""

    nll: float  # mean negative log-probability, nats
    ece: float  # expected calibration error over equal bins of confidence
    brier: float  # Brier score


def calibration(probabilities: np.ndarray, y: np.ndarray, bins: int = 15) -> Calibration:
    """How well probabilities (n, classes) fit labels (n,)."""
    of_label = probabilities[np.arange(len(y)), y]
    confidence = probabilities.max(1)
    correct = probabilities.argmax(1) == y
    index = np.minimum((confidence * bins).astype(int), bins - 1)
    gaps = []
    for number in np.unique(index):
        inside = index == number
        gaps.append(abs(correct[inside].mean() - confidence[inside].mean()) * inside.mean())
    return Calibration(
        nll=float(-np.log(np.maximum(of_label, PROBABILITY_FLOOR)).mean()),
        ece=float(sum(gaps)),
        brier=float(((probabilities - np.eye(probabilities.shape[1])[y]) ** 2).sum(1).mean()),
    )


def part_rows(memory: TunedMemory, scores: TunedScores) -> Iterator[Row]:
    """Accuracy on parts of the test set.

    Quarters of the base's confidence, tenths and halves of the frequency, what ResMem fixes and
    breaks of the answers of the base and of the memory alone; of the errors of the base that it
    fixes, and of all, how many were in the right coarse class.
    """
    correct = {name: memory.correct(getattr(scores, name)) for name in ("base", "knn", "resmem")}

    def row(partition: str, part: object, share: float, rows: np.ndarray) -> Row:
        accuracies = {
            name: float(values[rows].mean()) if rows.any() else 0.0
            for name, values in correct.items()
        }
        return {"partition": partition, "part": str(part), "share": share, **accuracies}

    partitions = {"confidence": np.array_split(scores.base.max(1).argsort(kind="stable"), 4)}
    if memory.task.subpopulations:
        order = _frequency(memory).argsort(kind="stable")
        partitions |= {"frequency": np.array_split(order, 10), "half": np.array_split(order, 2)}
    n_queries = len(memory.data.test.y)
    for partition, parts in partitions.items():
        for number, members in enumerate(parts):
            inside = np.isin(np.arange(n_queries), members)
            yield row(partition, number, len(members) / n_queries, inside)
    for reference, partition in FLIPS.items():
        changes = (("fixed", "resmem", reference), ("broken", reference, "resmem"))
        for part, better, worse in changes:
            members = correct[better] & ~correct[worse]
            yield row(partition, part, float(members.mean()), members)
    if memory.task.coarse:
        coarse = memory.task.coarse(scores.base.argmax(1)) == memory.data.test.groups
        wrong = ~correct["base"]
        for part, members in (("fixed", wrong & correct["resmem"]), ("wrong", wrong)):
            share = float(coarse[members].mean()) if members.any() else 0.0
            yield row("coarse", part, share, np.zeros(n_queries, bool))


def _frequency(memory: TunedMemory) -> np.ndarray:
    """How many training images the subpopulation of each test image has, (queries,)."""
    groups = memory.data.test.groups
    trained = memory.data.train.groups[: memory.spec.arm.examples]
    return np.bincount(trained, minlength=groups.max() + 1)[groups]


def grid_rows(memory: TunedMemory, scores: TunedScores) -> Iterator[Row]:
    """Test accuracy over the grid, bandwidths in units of the median distance to the nearest."""
    points = residuals.family(1.0)
    for point, accuracy in zip(points, memory.family.mean(1), strict=True):
        if point.k and point.temperature in GRID_TEMPERATURES:
            yield {
                "k": point.k,
                "bandwidth": point.bandwidth,
                "temperature": point.temperature,
                "accuracy": float(accuracy),
            }
