"""Beyond the paper: a feature that agrees with the label in most training rows and misleads."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch

from rote import knn, resmem, train
from rote.core import tables
from rote.core.job import track
from rote.core.seeds import generator
from rote.neighbors import Datastore
from rote.papers.resmem import methods, residuals, schema
from rote.papers.resmem.sections import ResmemSpurious
from rote.papers.resmem.task import Arrays, Rng

CLASSES = 2
LEARNING_RATE = 0.05
Predictor = Callable[[np.ndarray], np.ndarray]  # rows (n, d) -> logits (n, classes)


class SpuriousRows(NamedTuple):
    """Rows in which a spurious feature, the last, agrees with the label or conflicts."""

    x: np.ndarray  # (n, core + 1) float32
    y: np.ndarray  # (n,) 0 or 1
    agrees: np.ndarray  # (n,) bool


def accuracies(options: ResmemSpurious, seed: int) -> pd.DataFrame:
    """The table ResmemSpuriousAccuracy: accuracy where a spurious feature agrees or conflicts.

    Of a linear base, its memory alone, ResMem, memorization-aware training, and ResMem on that.

    Memorization-aware training (Bayat et al. 2025, as reconstructed): logits are shifted in
    training by log P(y | ŷ), ŷ the prediction of a model that did not see the row, so that what
    follows from the spurious feature need not be learnt.
    """
    rows = []
    for size in track(options.sizes, "spurious feature"):
        for replicate in range(options.replicates):
            rng = generator(seed, "resmem", "spurious", size, replicate)
            for method, agreeing, conflicting in _replicate(rng, options, size):
                rows.append(
                    {
                        "method": method,
                        "examples": size,
                        "replicate": replicate,
                        "agreeing": agreeing,
                        "conflicting": conflicting,
                    }
                )
    return tables.frame(schema.ResmemSpuriousAccuracy, rows)


def _replicate(rng: Rng, options: ResmemSpurious, size: int) -> Iterator[tuple[str, float, float]]:
    """Method, accuracy where the spurious feature agrees, and where it conflicts."""
    centers = rng.normal(size=(CLASSES, options.modes, options.core)) * options.signal
    rows = _draw(rng, options, centers, size, options.agreement)
    valid = _draw(rng, options, centers, max(200, size // 5), options.agreement)
    test = _draw(rng, options, centers, options.test, 0.5)
    shift = _shift(rng, rows, options.steps)
    plain = _scores(_linear(rows.x, rows.y, options.steps), rows, valid, test)
    aware = _scores(_linear(rows.x, rows.y, options.steps, shift), rows, valid, test)
    scores = {
        methods.BASE: plain["base"],
        methods.BASE_RESMEM: plain["resmem"],
        methods.KNN: plain["knn"],
        methods.AWARE: aware["base"],
        methods.AWARE_RESMEM: aware["resmem"],
    }
    for method, values in scores.items():
        correct = values.argmax(1) == test.y
        agreeing = float(correct[test.agrees].mean())
        yield method, agreeing, float(correct[~test.agrees].mean())


def _scores(base: Predictor, rows: SpuriousRows, valid: SpuriousRows, test: SpuriousRows) -> Arrays:
    """Scores of the test rows by base, ResMem and the memory alone, both tuned, (test, classes)."""
    store = Datastore(rows.x)
    neighbors = store.search(test.x, residuals.MAX_NEIGHBORS)
    checked = store.search(valid.x, residuals.MAX_NEIGHBORS)
    logits = base(rows.x)
    query_logits = base(test.x)
    tuned = residuals.tune(checked, rows.y, logits, base(valid.x), valid.y)
    nearest = neighbors.first(tuned.knn.k)
    weights = knn.weights(nearest.distances, tuned.knn.bandwidth)
    return {
        "base": query_logits,
        "resmem": resmem.scores(neighbors, rows.y, logits, query_logits, tuned.resmem),
        "knn": resmem.vote(weights, rows.y[nearest.rows], CLASSES),
    }


def _shift(rng: Rng, rows: SpuriousRows, steps: int) -> np.ndarray:
    """log P(y | ŷ) of every row and class, ŷ by a base trained on the other half, (n, classes)."""
    fold = rng.permutation(len(rows.y)) % 2
    predicted = np.empty(len(rows.y), int)
    for part in range(2):
        inside = fold == part
        base = _linear(rows.x[~inside], rows.y[~inside], steps)
        predicted[inside] = base(rows.x[inside]).argmax(1)
    counts = np.ones((CLASSES, CLASSES))
    np.add.at(counts, (predicted, rows.y), 1)
    return np.log(counts / counts.sum(1, keepdims=True))[predicted]


def _draw(
    rng: Rng, options: ResmemSpurious, centers: np.ndarray, count: int, agreement: float
) -> SpuriousRows:
    """Rows of which a share agrees.

    Args:
        centers: (classes, modes, core) of the features that carry the label.
    """
    y = rng.integers(CLASSES, size=count)
    agrees = rng.random(count) < agreement
    x = rng.normal(size=(count, options.core + 1)).astype(np.float32)
    x[:, :-1] += centers[y, rng.integers(options.modes, size=count)]
    x[:, -1] += options.spurious / 2 * np.where(agrees, 2 * y - 1, 1 - 2 * y)
    return SpuriousRows(x, y, agrees)


def _linear(x: np.ndarray, y: np.ndarray, steps: int, shift: np.ndarray | None = None) -> Predictor:
    """A linear classifier trained on all rows at once, its logits shifted in training."""
    inputs = torch.tensor(x)
    targets = torch.tensor(y)
    offset = torch.zeros(len(x), CLASSES)
    if shift is not None:
        offset = torch.tensor(shift, dtype=torch.float32)
    parameters = {
        "weight": torch.zeros(1, x.shape[1], CLASSES),
        "bias": torch.zeros(1, 1, CLASSES),
    }

    def loss(p: dict[str, torch.Tensor], step: int) -> torch.Tensor:
        logits = (inputs @ p["weight"][0] + p["bias"][0]) + offset
        return torch.nn.functional.cross_entropy(logits, targets)[None]

    trained = train.fit(
        parameters,
        loss,
        train.AdamW(steps=steps, learning_rate=LEARNING_RATE),
        label="linear base",
    )
    weight = trained["weight"][0].numpy()
    bias = trained["bias"][0].numpy()
    return lambda rows: (rows @ weight + bias).astype(float)
