"""Beyond the paper, on the long tail.

A growing memory, a budget, cross-fitted residuals, memorization scores.
"""

from collections.abc import Iterator
from itertools import product
from typing import NamedTuple

import numpy as np
import pandas as pd

from rote import knn, resmem
from rote.core import tables
from rote.core.job import track
from rote.core.seeds import generator
from rote.neighbors import Datastore, Neighbors
from rote.papers.resmem import embedding, residuals, schema, training
from rote.papers.resmem.sections import ResmemScores
from rote.papers.resmem.task import (
    SPLITS,
    Arrays,
    BaseArm,
    TaskData,
    TrainingRun,
    array_key,
)
from rote.papers.resmem.tasks.longtail import TASK, ResmemLongTail, large_base, small_base
from rote.resmem import Setting

BUDGETS = (0.1, 0.25, 0.5, 0.75)  # shares of a base's own rows
SCORED_NEIGHBORS = 20
SCORED_TEMPERATURE = 3.0


class ArmArrays(NamedTuple):
    """Logits and last layer of an arm in one replicate, by split."""

    logits: Arrays  # each (n, classes)
    last: Arrays  # each (n, d)


def _arrays(embeddings: Arrays, arm: BaseArm, replicate: int) -> ArmArrays:
    kinds = {}
    for kind in ArmArrays._fields:
        kinds[kind] = {
            split: embeddings[array_key(arm, replicate, split, kind)] for split in SPLITS
        }
    return ArmArrays(**kinds)


# ---- a growing memory, and one on a budget


class StoredRows(NamedTuple):
    """What a memory holds."""

    vectors: np.ndarray  # (rows, d)
    labels: np.ndarray  # (rows,)
    logits: np.ndarray  # (rows, classes)

    def subset(self, rows: np.ndarray) -> "StoredRows":
        """Some of the rows."""
        return StoredRows(*(array[rows] for array in self))


def growth(options: ResmemLongTail, bases: Arrays, embeddings: Arrays, seed: int) -> pd.DataFrame:
    """The table ResmemGrowth: accuracy by rows remembered.

    The base is trained once on the smallest set; rows are its own, further ones that it never saw,
    and parts of its own: of the largest residuals, or random.

    Args:
        options: the long tail's config section.
        bases: weights by arm and name.
        embeddings: of the same bases, see `embedding.embeddings`.
        seed: of the run.
    """
    arm = small_base(options, options.sizes[0])
    rows = []
    for replicate in track(range(options.replicates), "growing memory"):
        data = training.sample(TASK, options, seed, replicate)
        arrays = _arrays(embeddings, arm, replicate)
        base = float((arrays.logits["test"].argmax(1) == data.test.y).mean())
        rows.append({"kind": "none", "rows": 0, "replicate": replicate, "accuracy": base})
        trained = StoredRows(
            arrays.last["train"], data.train.y[: arm.examples], arrays.logits["train"]
        )
        unseen = _unseen(options, arm, bases, data, replicate)
        rng = generator(seed, "resmem", "budget", replicate)
        memories = [
            ("training rows", trained),
            *_grown(options, unseen),
            *_budgets(trained, rng),
        ]
        for kind, memory in memories:
            rows.append(
                {
                    "kind": kind,
                    "rows": len(memory.labels),
                    "replicate": replicate,
                    "accuracy": _accuracy(memory, arrays, data),
                }
            )
    return tables.frame(schema.ResmemGrowth, rows)


def _unseen(
    options: ResmemLongTail, arm: BaseArm, bases: Arrays, data: TaskData, replicate: int
) -> StoredRows:
    """Rows beyond those that the base was trained on."""
    weights = embedding.weights_of(arm, bases)
    stack = training.untrained(TASK, arm, options, [data] * options.replicates, 0)
    arrays = embedding.embed(stack, weights, replicate, data.train.x[arm.examples :])
    return StoredRows(arrays["last"], data.train.y[arm.examples :], arrays["logits"])


def _grown(options: ResmemLongTail, unseen: StoredRows) -> Iterator[tuple[str, StoredRows]]:
    """Memories of unseen rows, by size."""
    for size in options.unseen_sizes:
        if size <= len(unseen.labels):
            yield "unseen rows", unseen.subset(np.arange(size))


def _budgets(trained: StoredRows, rng: np.random.Generator) -> Iterator[tuple[str, StoredRows]]:
    """Memories of parts of the base's own rows: of the largest residuals, and random ones."""
    probabilities = resmem.softmax(trained.logits)
    residual = 1 - np.take_along_axis(probabilities, trained.labels[:, None], 1)[:, 0]
    orders = {
        "largest residuals": (-residual).argsort(kind="stable"),
        "random rows": rng.permutation(len(trained.labels)),
    }
    for share, (kind, order) in product(BUDGETS, orders.items()):
        count = max(2, round(share * len(trained.labels)))
        yield kind, trained.subset(np.sort(order[:count]))


def _accuracy(memory: StoredRows, arrays: ArmArrays, data: TaskData) -> float:
    """Test accuracy of a memory that is tuned on validation data."""
    store = Datastore(memory.vectors)
    neighbors = {
        split: store.search(arrays.last[split], residuals.MAX_NEIGHBORS)
        for split in ("valid", "test")
    }
    tuned = residuals.tune(
        neighbors["valid"], memory.labels, memory.logits, arrays.logits["valid"], data.valid.y
    )
    scores = resmem.scores(
        neighbors["test"], memory.labels, memory.logits, arrays.logits["test"], tuned.resmem
    )
    return float((scores.argmax(1) == data.test.y).mean())


# ---- cross-fitted residuals


def crossfit(options: ResmemLongTail, embeddings: Arrays, seed: int) -> pd.DataFrame:
    """The table ResmemCrossFit: residuals of a base that fits its training set.

    Its own residuals and those of bases that did not see the row, at T = 1 and tuned.
    """
    arm = large_base(options)
    samples = training.samples(TASK, options, seed)
    unseen = _out_of_fold(options, arm, samples, seed)
    rows = []
    for replicate, data in enumerate(samples):
        arrays = _arrays(embeddings, arm, replicate)
        store = Datastore(arrays.last["train"])
        neighbors = {
            split: store.search(arrays.last[split], residuals.MAX_NEIGHBORS)
            for split in ("valid", "test")
        }
        base = {
            "replicate": replicate,
            "base": float((arrays.logits["test"].argmax(1) == data.test.y).mean()),
        }
        logits_by_kind = {"in-sample": arrays.logits["train"], "cross-fitted": unseen[replicate]}
        for (kind, logits), tuned in product(logits_by_kind.items(), (False, True)):
            fitted = arrays._replace(logits=arrays.logits | {"train": logits})
            result = _fitted(fitted, neighbors, data, tuned)
            rows.append({**base, "residuals": kind, "tuned": tuned, **result})
    return tables.frame(schema.ResmemCrossFit, rows)


def _out_of_fold(
    options: ResmemLongTail, arm: BaseArm, samples: list[TaskData], seed: int
) -> list[np.ndarray]:
    """Logits of each training row under a base that did not see it, (examples, classes) each."""
    folds = []
    for replicate in range(options.replicates):
        rng = generator(seed, "resmem", "folds", replicate)
        folds.append(rng.permutation(arm.examples) % options.folds)
    logits = [np.empty((arm.examples, data.classes), np.float32) for data in samples]
    for fold in track(range(options.folds), "cross-fitting"):
        stack, weights = training.fit(
            TASK,
            arm,
            options,
            samples,
            TrainingRun(seed),
            rows=lambda replicate, fold=fold: np.flatnonzero(folds[replicate] != fold),
        )
        for replicate, data in enumerate(samples):
            outside = folds[replicate] == fold
            x = data.train.x[: arm.examples][outside]
            logits[replicate][outside] = embedding.embed(stack, weights, replicate, x)["logits"]
    return logits


def _fitted(
    arrays: ArmArrays, neighbors: dict[str, Neighbors], data: TaskData, tuned: bool
) -> dict[str, float]:
    """Test accuracy and temperature at the best of a grid, T = 1 or tuned as well."""
    bandwidth_unit = knn.scale(neighbors["valid"].distances)
    grid = resmem.settings(
        [bandwidth_unit * factor for factor in resmem.BANDWIDTH_GRID],
        temperatures=resmem.TEMPERATURE_GRID if tuned else (1.0,),
    )[1:]
    logits = arrays.logits["train"]
    labels = data.train.y[: len(logits)]
    accuracy = resmem.sweep(
        neighbors["valid"],
        labels,
        logits,
        arrays.logits["valid"],
        grid,
        lambda scores: (scores.argmax(-1) == data.valid.y).mean(-1),
    )
    best: Setting = grid[int(accuracy.argmax())]
    scores = resmem.scores(neighbors["test"], labels, logits, arrays.logits["test"], best)
    correct = scores.argmax(1) == data.test.y
    return {"resmem": float(correct.mean()), "temperature": float(best.temperature)}


# ---- memorization scores


class ScoredParts(NamedTuple):
    """Every training image under networks that are trained on random parts, (networks, n) each."""

    seen: np.ndarray  # whether the network was trained on the image
    probability: np.ndarray  # of the image's label
    correct: np.ndarray  # 1 where the network is right
    corrected: np.ndarray  # 1 where the network with a memory of its rows is right


def memorization(options: ResmemScores, longtail: ResmemLongTail, seed: int) -> pd.DataFrame:
    """The table ResmemMemorization: by training image and width, its score, and a memory's gain.

    The score is the probability of the own label under networks trained with the image minus that
    under networks trained without it (Feldman 2020), by training on random parts. `weight` is 1 −
    p(label) under the former, what ResMem stores; `gain` is how often a memory of a network's own
    rows corrects the image, minus how often it spoils it, over networks that did not see it.
    """
    frames = []
    for replicate in track(range(options.replicates), "memorization scores"):
        data = training.sample(TASK, longtail, seed, replicate)
        rng = generator(seed, "resmem", "parts", replicate)
        orders = [rng.permutation(options.train) for _ in range(options.networks)]
        seen = np.stack([order < options.share * options.train for order in orders])
        for units in options.units:
            arm = BaseArm(
                varied=("units",),
                units=units,
                examples=options.train,
                given_key=f"{units} units, parts {replicate}",
            )
            parts = _scored(arm, longtail, data, seen, seed)
            columns = _scores(parts, _frequency(data, options.train))
            frames.append(
                tables.frame(
                    schema.ResmemMemorization, {"units": units, "replicate": replicate, **columns}
                )
            )
    return pd.concat(frames, ignore_index=True)


def _scored(
    arm: BaseArm, longtail: ResmemLongTail, data: TaskData, seen: np.ndarray, seed: int
) -> ScoredParts:
    """Train networks on the rows that each sees, (networks, n), and apply them to all."""
    networks, n = seen.shape
    x = data.train.x[:n]
    y = data.train.y[:n]
    stack, weights = training.fit(
        TASK,
        arm,
        longtail,
        [data] * networks,
        TrainingRun(seed),
        rows=lambda network: np.flatnonzero(seen[network]),
    )
    parts = ScoredParts(seen, *np.empty((3, networks, n)))
    for network, inside in enumerate(seen):
        arrays = embedding.embed(stack, weights, network, x)
        probabilities = resmem.softmax(arrays["logits"].astype(float))
        neighbors = Datastore(arrays["last"][inside]).search(arrays["last"], SCORED_NEIGHBORS)
        bandwidth = knn.scale(neighbors.distances[~inside])
        setting = Setting(SCORED_NEIGHBORS, bandwidth, SCORED_TEMPERATURE)
        scores = resmem.scores(
            neighbors, y[inside], arrays["logits"][inside], arrays["logits"], setting
        )
        parts.probability[network] = probabilities[np.arange(n), y]
        parts.correct[network] = probabilities.argmax(1) == y
        parts.corrected[network] = scores.argmax(1) == y
    return parts


def _scores(parts: ScoredParts, frequency: np.ndarray) -> dict[str, np.ndarray]:
    """Columns of the table, over images that some networks saw and others did not."""
    n_seen = parts.seen.sum(0)
    n_unseen = (~parts.seen).sum(0)
    both = (n_seen > 0) & (n_unseen > 0)
    p_seen = (parts.probability * parts.seen).sum(0)[both] / n_seen[both]
    p_unseen = (parts.probability * ~parts.seen).sum(0)[both] / n_unseen[both]
    change = (parts.corrected - parts.correct) * ~parts.seen
    return {
        "example": np.flatnonzero(both),
        "score": p_seen - p_unseen,
        "weight": 1 - p_seen,
        "gain": change.sum(0)[both] / n_unseen[both],
        "frequency": frequency[both],
    }


def _frequency(data: TaskData, n: int) -> np.ndarray:
    """How many training images share an image's subpopulation, (n,)."""
    groups = data.train.groups[:n]
    return np.bincount(groups)[groups]
