"""Which interpolators compose: linear ones against kernels, and linear ones against a non-additive
truth.

All predictors fit the same noiseless training sets. Linear predictors have exact losses (`linear`);
the others are measured on Monte-Carlo rows, on the same rows for every predictor.
"""

from collections.abc import Callable, Iterable

import numpy as np
import pandas as pd
from scipy import linalg, optimize, sparse

from rote.core.seeds import generator
from rote.papers.longtail import settings
from rote.papers.longtail.linear import Problem, problem
from rote.synth import features
from rote.theory import minnorm

Predictor = Callable[[np.ndarray], np.ndarray]  # rows (m, seen) -> predictions (m,)


def compare(
    options: settings.Interpolators, seed: int, track: Iterable | None = None
) -> pd.DataFrame:
    """Loss on fresh data and on forced rare pairs for every predictor: the table Interpolators."""
    found = []
    for replicate in (track or iter)(range(options.replicates)):
        rng = generator(seed, "longtail", "interpolators", replicate)
        data = problem(
            options.n, options.d, options.s, options.alpha, options.decay, options.common_count, rng
        )
        for name, parameter, ind, ood2 in [
            *_linear(data, rng),
            *_kernels(options, data, rng),
            *_interaction(options, data),
        ]:
            found.append((name, parameter, replicate, ind, ood2))
    return pd.DataFrame(found, columns=["estimator", "parameter", "replicate", "ind", "ood2"])


def _linear(data: Problem, rng: np.random.Generator) -> list[tuple[str, float, float, float]]:
    """Linear predictors: exact losses from the coefficients."""
    y, truth, p = data.y0, data.beta[data.seen], data.p[data.seen]
    ranks = (data.seen + 1.0) / (data.seen[-1] + 1)
    smallest = minnorm.coefficients(data.spectrum, y)
    null = rng.normal(size=len(p))
    null -= data.spectrum.right @ (data.spectrum.right.T @ null)
    null *= np.linalg.norm(smallest) / max(np.linalg.norm(null), 1e-12)
    common = np.zeros(len(p))
    common[data.common] = minnorm.coefficients(minnorm.factorize(data.X[:, data.common]), y)
    estimates = {
        "min-l2": smallest,
        "min-l2 + null": smallest + null if len(data.spectrum.w) < len(p) else smallest,
        "weighted, g = 1": _weighted(data, y, ranks),
        "weighted, g = -1": _weighted(data, y, 1 / ranks),
        "min-l1": _min_l1(data.X, y),
        "ridge 1": minnorm.coefficients(data.spectrum, y, 1.0),
        "ridge 10": minnorm.coefficients(data.spectrum, y, 10.0),
        "common only": common,
    }
    unseen = data.p @ data.beta**2 - p @ truth**2
    losses = []
    for name, estimate in estimates.items():
        square = (estimate - truth) ** 2
        ind = square @ p + unseen
        losses.append((name, 0.0, ind, ind + 2 * np.mean(((1 - p) * square)[data.once_alone])))
    return losses


def _weighted(data: Problem, y: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """argmin Σ w_i β_i² subject to Xβ = y: min-norm in the coordinates √w_i β_i."""
    scale = weights**-0.5
    return scale * minnorm.coefficients(minnorm.factorize(data.X @ sparse.diags_array(scale)), y)


def _min_l1(X: sparse.csr_array, y: np.ndarray) -> np.ndarray:
    """argmin ||β||₁ subject to Xβ = y, as a linear program in β = u − v."""
    first = _distinct(X)
    rows = X[first]
    solution = optimize.linprog(
        np.ones(2 * X.shape[1]), A_eq=sparse.hstack([rows, -rows]), b_eq=y[first], method="highs"
    )
    if not solution.success:
        raise ArithmeticError(f"the min-l1 linear program failed: {solution.message}")
    return solution.x[: X.shape[1]] - solution.x[X.shape[1] :]


def _distinct(X: sparse.csr_array) -> np.ndarray:
    """Row numbers without repetitions. Noiseless duplicates constrain nothing and make kernel
    matrices singular.
    """
    return np.sort(np.unique(X.toarray(), axis=0, return_index=True)[1])


def _kernels(
    options: settings.Interpolators, data: Problem, rng: np.random.Generator
) -> list[tuple[str, float, float, float]]:
    """Kernel interpolators and 1-NN: Monte-Carlo losses; unseen features add their exact mass."""
    p, truth = data.p[data.seen], data.beta[data.seen]
    unseen = data.p @ data.beta**2 - p @ truth**2
    fresh = features.draw(p, options.test_rows, rng)
    pair = features.force(
        features.draw(p, options.test_rows, rng), np.flatnonzero(data.once_alone), 2, rng
    )
    tests = [rows.toarray() for rows in (fresh, pair)]
    first = _distinct(data.X)
    X, y = data.X[first].toarray(), data.y0[first]
    # squared distances and inner products to the training rows, once for all predictors
    inner = [rows @ X.T for rows in (X, *tests)]
    norm = (X**2).sum(axis=1)
    squared = [
        (rows**2).sum(axis=1)[:, None] + norm - 2 * dot
        for rows, dot in zip((X, *tests), inner, strict=True)
    ]
    rbf = [np.exp(-distance / (2 * options.bandwidth_squared)) for distance in squared]
    poly = [(1 + dot) ** 2 for dot in inner]
    predictions = {
        ("RBF", 0.0): _interpolate(rbf, y),
        ("polynomial", 0.0): _interpolate(poly, y),
        ("1-NN", 0.0): [y[distance.argmin(axis=1)] for distance in squared[1:]],
    }
    for rho in options.mixtures:
        mixed = [(1 - rho) * dot + rho * gauss for dot, gauss in zip(inner, rbf, strict=True)]
        predictions["mixture", rho] = _interpolate(mixed, y)
    return [
        (
            *name,
            *(
                np.mean((rows @ truth - guess) ** 2) + unseen
                for rows, guess in zip(tests, guesses, strict=True)
            ),
        )
        for name, guesses in predictions.items()
    ]


def _interpolate(kernels: list[np.ndarray], y: np.ndarray) -> list[np.ndarray]:
    """Min-norm kernel interpolation: K(train, train)⁺y applied to each test kernel."""
    w, V = linalg.eigh(kernels[0])
    keep = w > 1e-9 * w[-1]
    dual = V[:, keep] @ ((V[:, keep].T @ y) / w[keep])
    return [kernel @ dual for kernel in kernels[1:]]


def _interaction(
    options: settings.Interpolators, data: Problem
) -> list[tuple[str, float, float, float]]:
    """Non-additive truth y += γ Σ_{i<j rare} x_i x_j: memorization cannot supply what composition
    lacks.

    A linear fit of the rows leaves the forced pair's interaction, ±γ with random sign, wholly
    unpredicted. Exact, since the signs of forced features are independent of everything else.
    """
    p, truth = data.p[data.seen], data.beta[data.seen]
    unseen = data.p @ data.beta**2 - p @ truth**2
    rare = data.X[:, data.rare]
    total = rare.sum(axis=1)
    pairs = (total**2 - abs(rare).sum(axis=1)) / 2  # Σ_{i<j} x_i x_j, since x_i² = |x_i|
    q, pool = data.p[data.k :], np.flatnonzero(data.once_alone)
    a, b = (pool[index] for index in np.triu_indices(len(pool), 1))  # all pairs that may be forced
    others = q.sum() - p[a] - p[b]
    among_others = (
        others**2 - (np.sum(q**2) - p[a] ** 2 - p[b] ** 2)
    ) / 2  # Σ_{i<j} q_i q_j without a, b
    losses = []
    for gamma in options.interactions:
        square = (minnorm.coefficients(data.spectrum, data.y0 + gamma * pairs) - truth) ** 2
        linear = square @ p + unseen
        ind = linear + gamma**2 * (q.sum() ** 2 - np.sum(q**2)) / 2
        # the forced product itself, each forced feature with the others, the others among
        # themselves
        interaction = gamma**2 * np.mean(1 + 2 * others + among_others)
        losses.append(
            (
                "interaction",
                gamma,
                ind,
                linear + 2 * np.mean(((1 - p) * square)[pool]) + interaction,
            )
        )
    return losses
