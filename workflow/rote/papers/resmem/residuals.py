"""A task's memories: neighbors of every query, and the settings tuned on validation data.

Beside ResMem stand, tuned in the same way, the memory alone (a soft kNN classifier) and the
interpolation of kNN-LM, (1 − λ) p + λ p_kNN: no gain over the base is a gain over them.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from rote import knn, resmem
from rote.core import tables
from rote.core.job import track
from rote.neighbors import Datastore, Neighbors
from rote.papers.resmem import schema, training
from rote.papers.resmem.sections import ResmemMemory
from rote.papers.resmem.task import Arrays, MemorySpec, ResmemTask, TaskData, array_key
from rote.resmem import BANDWIDTH_GRID, K_GRID, Setting

MAX_NEIGHBORS = max(K_GRID)
INTERPOLATION_WEIGHTS = (0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0)  # λ


def memories(task: ResmemTask, options: Any) -> Iterator[MemorySpec]:
    """Every memory of a task: by arm, features, rows remembered and replicate."""
    for arm in task.distinct_arms(options):
        for features in task.features(arm):
            for rows in task.memories(options, arm):
                for replicate in range(options.replicates):
                    yield MemorySpec(arm, features, rows, replicate)


def neighbors(
    task: ResmemTask,
    options: Any,
    memory: ResmemMemory,
    embeddings: Arrays,
    seed: int,
    device: str = "cpu",
) -> tuple[Arrays, pd.DataFrame]:
    """Neighbors of validation and test queries per memory, and settings tuned on validation data.

    One search at the largest k serves the whole grid.

    Args:
        task: whose memories they are.
        options: its config section.
        memory: how neighbors are searched.
        embeddings: of `embedding.embeddings`.
        seed: of the run.
        device: where the search runs, if its engine uses one.

    Returns:
        Distances and rows of the neighbors, by `MemorySpec.array_key`, and the table ResmemChoices.
    """
    datasets = training.samples(task, options, seed)
    arrays, rows = {}, []
    for spec in track(list(memories(task, options)), f"{task.name}: neighbors"):
        data = datasets[spec.replicate]
        vectors = _vectors(embeddings, data, spec, "train")[: spec.rows]
        queries = {split: _vectors(embeddings, data, spec, split) for split in ("valid", "test")}
        results, recall = _search(vectors, queries, memory, device)
        for split, result in results.items():
            for name, value in result._asdict().items():
                arrays[spec.array_key(split, name)] = value
        labels = training.training_labels(spec.arm, data, seed, spec.replicate)[: spec.rows]
        logits = embeddings[array_key(spec.arm, spec.replicate, "train", "logits")][: spec.rows]
        query_logits = embeddings[array_key(spec.arm, spec.replicate, "valid", "logits")]
        tuned = tune(results["valid"], labels, logits, query_logits, data.valid.y)
        rows.append({**spec.columns(task), **tuned.columns(), "recall": recall})
    return arrays, tables.frame(schema.ResmemChoices, rows)


def _vectors(embeddings: Arrays, data: TaskData, spec: MemorySpec, split: str) -> np.ndarray:
    """What a memory's distances are taken between, (n, d)."""
    if spec.features.is_input:
        return data.split(split, spec.arm.examples).x
    return embeddings[array_key(spec.arm, spec.replicate, split, spec.features.name)]


def _search(
    vectors: np.ndarray, queries: Arrays, memory: ResmemMemory, device: str
) -> tuple[dict[str, Neighbors], float]:
    """The neighbors of each split's queries, and the share of the true ones among the first 50."""
    if memory.approximate:
        store = Datastore(vectors, engine=memory.engine, probes=memory.probes, device=device)
        results = {split: store.search(x, MAX_NEIGHBORS) for split, x in queries.items()}
        checked = queries["valid"][: memory.recall_queries]
        return results, store.recall(checked, min(50, len(vectors)))
    results = {}
    for split, x in queries.items():
        starts = range(0, len(vectors), memory.rows_at_a_time)
        parts = (vectors[start : start + memory.rows_at_a_time] for start in starts)
        where = device if memory.on_device else "cpu"
        results[split] = knn.search(parts, x, MAX_NEIGHBORS, device=where)
    return results, 1.0


class Tuned(NamedTuple):
    """Settings tuned on validation data."""

    resmem: Setting  # k = 0: no memory
    knn: Setting  # of the memory alone; the temperature has no meaning
    interpolation: Setting  # of the memory in (1 − λ) p + λ p_kNN
    interpolation_weight: float  # λ
    median_distance: float  # of a query to its nearest neighbor, where it is not 0

    def columns(self) -> dict[str, Any]:
        """The columns of the table ResmemChoices that hold them."""
        return {
            "k": self.resmem.k,
            "bandwidth": self.resmem.bandwidth,
            "temperature": self.resmem.temperature,
            "median_distance": self.median_distance,
            "knn_k": self.knn.k,
            "knn_bandwidth": self.knn.bandwidth,
            "interpolation_k": self.interpolation.k,
            "interpolation_bandwidth": self.interpolation.bandwidth,
            "interpolation_weight": self.interpolation_weight,
        }

    @classmethod
    def of(cls, choice: Any) -> "Tuned":
        """From a row of the table ResmemChoices, its columns as attributes."""
        return cls(
            Setting(int(choice.k), choice.bandwidth, choice.temperature),
            Setting(int(choice.knn_k), choice.knn_bandwidth, np.inf),
            Setting(int(choice.interpolation_k), choice.interpolation_bandwidth, np.inf),
            choice.interpolation_weight,
            choice.median_distance,
        )


def family(unit: float) -> list[Setting]:
    """The settings that ResMem is tuned over: base alone, memory alone (T = ∞) and between.

    Args:
        unit: of bandwidths, the median distance of a query to its nearest neighbor.
    """
    return resmem.settings([unit * factor for factor in BANDWIDTH_GRID])


def tune(
    neighbors: Neighbors,
    labels: np.ndarray,
    logits: np.ndarray,
    query_logits: np.ndarray,
    targets: np.ndarray,
) -> Tuned:
    """Settings by accuracy and the one-standard-error rule (`rote.resmem.select`).

    ResMem's, those of the memory alone, and the interpolation's. Base and memory alone are the ends
    of ResMem's family and of the interpolation's, and taken if within one standard error.

    Args:
        neighbors: of the validation queries.
        labels, logits: of the memory, (n,) and (n, classes).
        query_logits: (queries, classes).
        targets: labels of the queries.
    """
    median_distance = knn.scale(neighbors.distances)
    grid = family(median_distance)

    def wrong(scores: np.ndarray) -> np.ndarray:
        return scores.argmax(-1) != targets

    of_resmem = resmem.sweep(neighbors, labels, logits, query_logits, grid, wrong)
    # at T = ∞ scores are the votes of the neighbors
    votes = [setting for setting in grid if setting.k and np.isinf(setting.temperature)]
    base = resmem.softmax(query_logits)
    of_interpolation: list[np.ndarray] = []

    def interpolated(scores: np.ndarray) -> np.ndarray:
        for weight in INTERPOLATION_WEIGHTS:
            of_interpolation.append(wrong((1 - weight) * base + weight * scores))
        return of_interpolation[-1]

    of_votes = resmem.sweep(neighbors, labels, logits, query_logits, votes, interpolated)
    mixed = np.concatenate(of_interpolation)
    alone = len(mixed) - len(votes)  # λ = 1 comes last, λ = 0 first: the base, with any vote
    weight, memory = divmod(resmem.select(mixed, [0, *range(alone, len(mixed))]), len(votes))
    return Tuned(
        resmem=grid[resmem.select(of_resmem, resmem.ends(grid))],
        knn=votes[resmem.select(of_votes)],
        interpolation=votes[memory],
        interpolation_weight=INTERPOLATION_WEIGHTS[weight],
        median_distance=median_distance,
    )
