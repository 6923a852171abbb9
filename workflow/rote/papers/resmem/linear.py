"""The linear model (theory's figures), without noise and with it, and a toy in one dimension."""

from itertools import product
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.spatial import KDTree
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures

from rote.core import tables
from rote.core.job import track
from rote.core.seeds import generator
from rote.papers.resmem import schema
from rote.papers.resmem.sections import ResmemTheory
from rote.papers.resmem.task import Rng
from rote.resmem import ResMemRegressor
from rote.theory import lookup

LARGEST = 30_000  # points in eight dimensions or more, and where the norm or the noise is varied
NOISY_SIZES = (300, 3000, LARGEST)
NOISY_DIMENSION = 3
TOY_POINTS = 200
TOY_NEIGHBORS = 5


class LinearPoint(NamedTuple):
    """A point of the grid of linear problems."""

    dimension: int
    norm: float
    examples: int


class LinearModelData(NamedTuple):
    """Data of the linear model."""

    x: np.ndarray  # (n, d) training points
    queries: np.ndarray  # (test, d)
    target: np.ndarray  # (d,) of norm 1


def _grid(options: ResmemTheory) -> list[LinearPoint]:
    """Dimensions and sizes at one norm, then the other norms in three dimensions."""
    points = [
        LinearPoint(dimension, options.norm, size)
        for dimension, size in product(options.dimensions, options.sizes)
        if dimension < 8 or size <= LARGEST
    ]
    largest = max(size for size in options.sizes if size <= LARGEST)
    others = [norm for norm in options.norms if norm != options.norm]
    return points + [LinearPoint(3, norm, largest) for norm in others]


def risks(options: ResmemTheory, seed: int) -> pd.DataFrame:
    """The table ResmemRisks: test risk of base, nearest neighbor and ResMem, without noise."""
    rows = []
    for point in track(_grid(options), "linear model"):
        for replicate in range(options.replicates):
            key = ("resmem", "linear", point.dimension, str(point.norm), point.examples)
            rng = generator(seed, *key, replicate)
            x, queries, target = _problem(rng, point.examples, options.test, point.dimension)
            theta = lookup.constrained(x, x @ target, point.norm)
            nearest = KDTree(x).query(queries)[1]
            truth = queries @ target
            base = queries @ theta
            residual = (x @ (target - theta))[nearest]
            risk = {
                "base": _mean_square(base - truth),
                "nearest": _mean_square((x @ target)[nearest] - truth),
                "resmem": _mean_square(base + residual - truth),
            }
            rows.append({**point._asdict(), "replicate": replicate, **risk})
    return tables.frame(schema.ResmemRisks, rows)


def noisy_risks(options: ResmemTheory, seed: int) -> pd.DataFrame:
    """The table ResmemNoisyRisks: the same in 3-D under label noise, by neighbors averaged."""
    rows = []
    sizes = [size for size in NOISY_SIZES if size <= max(options.sizes)]
    for size in track(sizes, "label noise"):
        for replicate in range(options.replicates):
            rng = generator(seed, "resmem", "noisy linear", size, replicate)
            problem = _problem(rng, size, options.test, NOISY_DIMENSION)
            noise = rng.normal(size=size)
            about = {"examples": size, "replicate": replicate}
            rows += [about | row for row in _noisy_rows(options, problem, noise)]
    return tables.frame(schema.ResmemNoisyRisks, rows)


def _noisy_rows(options: ResmemTheory, problem: LinearModelData, noise: np.ndarray) -> list[dict]:
    """Risks of the base (k = 0) and of ResMem by noise and neighbors averaged."""
    x, queries, target = problem
    neighbors = KDTree(x).query(queries, k=max(options.neighbors))[1]
    truth = queries @ target
    rows = []
    for tau in options.noises:
        y = x @ target + tau * noise
        theta = lookup.constrained(x, y, options.norm)
        base = queries @ theta
        residuals = (y - x @ theta)[neighbors]
        rows.append({"noise": float(tau), "k": 0, "risk": _mean_square(base - truth)})
        for k in options.neighbors:
            error = base + residuals[:, :k].mean(1) - truth
            rows.append({"noise": float(tau), "k": k, "risk": _mean_square(error)})
    return rows


def _mean_square(error: np.ndarray) -> float:
    return float((error**2).mean())


def _problem(rng: Rng, n: int, test: int, d: int) -> LinearModelData:
    target = rng.normal(size=d)
    x = lookup.ball(rng, n, d)
    return LinearModelData(x, lookup.ball(rng, test, d), target / np.linalg.norm(target))


def toy(seed: int) -> pd.DataFrame:
    """The table ResmemToy: cubic fit, residuals, kNN average, sum; at grid and training points."""
    rng = generator(seed, "resmem", "toy")
    x = np.sort(rng.random(TOY_POINTS))

    def target(t: np.ndarray) -> np.ndarray:
        return np.sin(2 * np.pi * t) + 0.4 * np.sin(12 * np.pi * t)

    base = make_pipeline(PolynomialFeatures(3), LinearRegression()).fit(x[:, None], target(x))
    model = ResMemRegressor(base, k=TOY_NEIGHBORS).fit(x[:, None], target(x))
    frames = []
    for points, t in (("training", x), ("grid", np.linspace(0, 1, 401))):
        learnt = base.predict(t[:, None])
        resmem = model.predict(t[:, None])
        columns = {
            "points": points,
            "x": t,
            "target": target(t),
            "base": learnt,
            "residual": target(t) - learnt,
            "remembered": resmem - learnt,
            "resmem": resmem,
        }
        frames.append(tables.frame(schema.ResmemToy, columns))
    return pd.concat(frames, ignore_index=True)
