"""Regression through the same four steps: ridge regression, standardized inputs as embeddings,
residuals, evaluation.

A residual is y − f(x), whose soft kNN average is added to the base's prediction.
"""

from collections.abc import Iterator

import numpy as np
import pandas as pd
from sklearn.linear_model import Ridge

from rote import knn
from rote.core.seeds import generator
from rote.neighbors import Datastore, Neighbors
from rote.papers.resmem import settings
from rote.papers.resmem.experiment import CHOICES, Arrays, bandwidth_of, finite
from rote.resmem import BANDWIDTH_GRID, K_GRID

SPLITS = ("train", "valid", "test")
Rows = tuple[np.ndarray, np.ndarray]  # inputs (n, d) and targets (n,)


def data(options: settings.Regression, seed: int) -> Iterator[tuple[str, int, list[Rows]]]:
    """Every data set, replicate, and its training, validation and test rows."""
    from sklearn.datasets import load_diabetes, make_friedman1

    for replicate in range(options.replicates):
        rng = generator(seed, "resmem", "regression", replicate)
        total = options.train + 2 * options.test
        x, y = make_friedman1(total, noise=1.0, random_state=int(rng.integers(2**31)))
        yield "Friedman", replicate, _cut(x, y, [options.train, options.train + options.test])
        x, y = load_diabetes(return_X_y=True)
        order = rng.permutation(len(x))
        yield "diabetes", replicate, _cut(x[order], y[order], [280, 360])


def _cut(x: np.ndarray, y: np.ndarray, cuts: list[int]) -> list[Rows]:
    return list(zip(np.split(x, cuts), np.split(y, cuts), strict=True))


def bases(options: settings.Regression, seed: int) -> Arrays:
    """Ridge regression on standardized inputs: coefficients and intercept, mean and spread of the
    inputs.
    """
    found = {}
    for name, replicate, ((x, y), *_) in data(options, seed):
        center, scale = x.mean(0), x.std(0)
        base = Ridge().fit((x - center) / scale, y)
        parts = {
            "coefficients": base.coef_,
            "intercept": np.array([base.intercept_]),
            "mean": center,
            "spread": scale,
        }
        found |= {f"{name}/{replicate}/{kind}": value for kind, value in parts.items()}
    return found


def embeddings(options: settings.Regression, weights: Arrays, seed: int) -> Arrays:
    """Standardized inputs and predictions of every split."""
    found = {}
    for name, replicate, parts in data(options, seed):
        key = f"{name}/{replicate}"
        for split, (x, _) in zip(SPLITS, parts, strict=True):
            z = (x - weights[f"{key}/mean"]) / weights[f"{key}/spread"]
            found[f"{key}/{split}/inputs"] = z
            found[f"{key}/{split}/prediction"] = (
                z @ weights[f"{key}/coefficients"] + weights[f"{key}/intercept"]
            )
    return found


def neighbors(
    options: settings.Regression,
    memory: settings.Memory,
    found: Arrays,
    seed: int,
    device: str = "cpu",
) -> tuple[Arrays, pd.DataFrame]:
    """Neighbors of validation and test rows, and k and σ tuned by squared error, "no memory" in
    the grid.

    The memory alone is the same with a base that predicts 0.
    """
    out, rows = {}, []
    for name, replicate, ((_, y), (_, valid), _) in data(options, seed):
        key, near = f"{name}/{replicate}", {}
        vectors = found[f"{key}/train/inputs"]
        store = Datastore(vectors, engine=memory.engine, probes=memory.probes, device=device)
        for split in SPLITS[1:]:
            near[split] = store.search(found[f"{key}/{split}/inputs"], max(K_GRID))
            out |= {f"{key}/{split}/{kind}": value for kind, value in near[split]._asdict().items()}
        unit = knn.scale(near["valid"].distances)
        grid = [(k, unit * factor) for k in K_GRID for factor in BANDWIDTH_GRID]
        residuals, left = (
            y - found[f"{key}/train/prediction"],
            valid - found[f"{key}/valid/prediction"],
        )
        best = min(
            [(0, np.inf), *grid], key=lambda point: _error(near["valid"], residuals, left, *point)
        )
        alone = min(grid, key=lambda point: _error(near["valid"], y, valid, *point))
        checked = found[f"{key}/valid/inputs"][: memory.checked]
        recall = 1.0 if memory.engine in ("exact", "torch") else store.recall(checked, 50)
        rows.append(
            (
                "regression",
                name,
                "inputs",
                len(y),
                replicate,
                best[0],
                finite(best[1]),
                1.0,
                unit,
                alone[0],
                finite(alone[1]),
                0,
                -1.0,
                0.0,
                recall,
            )
        )
    return out, pd.DataFrame(rows, columns=CHOICES)


def evaluate(
    options: settings.Regression, found: Arrays, near: Arrays, choices: pd.DataFrame, seed: int
) -> pd.DataFrame:
    """The table Regression: test error over the variance of base, memory alone and ResMem."""
    chosen, rows = choices.set_index(["arm", "replicate"]), []
    for name, replicate, ((_, y), _, (_, wanted)) in data(options, seed):
        key, c = f"{name}/{replicate}", chosen.loc[(name, replicate)]
        test = Neighbors(near[f"{key}/test/distances"], near[f"{key}/test/rows"])
        residuals, left = (
            y - found[f"{key}/train/prediction"],
            wanted - found[f"{key}/test/prediction"],
        )
        errors = (
            _error(test, residuals, left, 0, np.inf),
            _error(test, y, wanted, int(c["knn_k"]), bandwidth_of(c["knn_bandwidth"])),
            _error(test, residuals, left, int(c["k"]), bandwidth_of(c["bandwidth"])),
        )
        rows.append((name, replicate, *(error / wanted.var() for error in errors)))
    return pd.DataFrame(rows, columns=["data", "replicate", "base", "knn", "resmem"])


def _error(
    near: Neighbors, memory: np.ndarray, left: np.ndarray, k: int, bandwidth: float
) -> float:
    """Mean square of what is left after the soft kNN average of a memory; k = 0 is no memory."""
    if k == 0:
        return float((left**2).mean())
    some = near.first(k)
    return float(
        ((left - (knn.weights(some.distances, bandwidth) * memory[some.rows]).sum(1)) ** 2).mean()
    )
