"""The linear model (theory's figures), a toy in one dimension, and regression on tables."""

import numpy as np
import pandas as pd
from scipy.spatial import KDTree
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures

from rote.core.job import track
from rote.core.seeds import generator
from rote.papers.resmem import settings
from rote.resmem import ResMemRegressor
from rote.theory import lookup


def risks(options: settings.Theory, seed: int) -> pd.DataFrame:
    """The table Risks: test risk of base, nearest neighbor and ResMem in the linear model, without
    noise.
    """
    rows = []
    jobs = [
        (d, options.norm, n)
        for d in options.dimensions
        for n in options.sizes
        if d < 8 or n <= 30_000
    ]
    jobs += [
        (3, norm, max(n for n in options.sizes if n <= 30_000))
        for norm in options.norms
        if norm != options.norm
    ]
    for d, norm, n in track(jobs, "linear model"):
        for replicate in range(options.replicates):
            rng = generator(seed, "resmem", "linear", d, str(norm), n, replicate)
            x, queries, target = _problem(rng, n, options.test, d)
            theta = lookup.constrained(x, x @ target, norm)
            near = KDTree(x).query(queries)[1]
            wanted, base = queries @ target, queries @ theta
            residual = (x @ (target - theta))[near]
            found = (base, (x @ target)[near], base + residual)
            rows.append(
                (d, norm, n, replicate, *(float(((f - wanted) ** 2).mean()) for f in found))
            )
    return pd.DataFrame(
        rows, columns=["dimension", "norm", "examples", "replicate", "base", "nearest", "resmem"]
    )


def noisy(options: settings.Theory, seed: int) -> pd.DataFrame:
    """The table Noisy: the same in three dimensions under label noise, by the number of neighbors
    averaged.
    """
    rows, most = [], max(options.neighbors)
    sizes = [n for n in (300, 3000, 30_000) if n <= max(options.sizes)]
    for n in track(sizes, "label noise"):
        for replicate in range(options.replicates):
            rng = generator(seed, "resmem", "noisy linear", n, replicate)
            x, queries, target = _problem(rng, n, options.test, 3)
            near = KDTree(x).query(queries, k=most)[1]
            noise, wanted = rng.normal(size=n), queries @ target
            for tau in options.noises:
                y = x @ target + tau * noise
                theta = lookup.constrained(x, y, options.norm)
                base, residuals = queries @ theta, (y - x @ theta)[near]
                risk = float(((base - wanted) ** 2).mean())
                rows.append((n, float(tau), 0, replicate, risk))
                for k in options.neighbors:
                    found = base + residuals[:, :k].mean(1)
                    rows.append(
                        (n, float(tau), k, replicate, float(((found - wanted) ** 2).mean()))
                    )
    return pd.DataFrame(rows, columns=["examples", "noise", "k", "replicate", "risk"])


def _problem(
    rng: np.random.Generator, n: int, test: int, d: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Training points, test points, and the target of norm 1."""
    target = rng.normal(size=d)
    return lookup.ball(rng, n, d), lookup.ball(rng, test, d), target / np.linalg.norm(target)


def toy(seed: int) -> pd.DataFrame:
    """The table Toy: a cubic fit, its residuals, their kNN average, the sum, on a grid and at the
    training points.
    """
    rng = generator(seed, "resmem", "toy")
    x, grid = np.sort(rng.random(200)), np.linspace(0, 1, 401)

    def target(t: np.ndarray) -> np.ndarray:
        return np.sin(2 * np.pi * t) + 0.4 * np.sin(12 * np.pi * t)

    base = make_pipeline(PolynomialFeatures(3), LinearRegression()).fit(x[:, None], target(x))
    model = ResMemRegressor(base, k=5).fit(x[:, None], target(x))
    frames = []
    for kind, t in (("training", x), ("grid", grid)):
        learnt, whole = base.predict(t[:, None]), model.predict(t[:, None])
        frame = {
            "points": kind,
            "x": t,
            "target": target(t),
            "base": learnt,
            "residual": target(t) - learnt,
        }
        frames.append(pd.DataFrame(frame | {"remembered": whole - learnt, "resmem": whole}))
    return pd.concat(frames, ignore_index=True)
