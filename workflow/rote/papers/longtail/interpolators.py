"""Which interpolators compose: linear ones against kernels and against a non-additive truth.

All predictors fit the same noiseless training sets. Linear predictors have exact losses (`linear`);
the others are measured on Monte-Carlo rows, on the same rows for every predictor.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy import linalg, optimize, sparse

from rote.core import tables
from rote.core.seeds import generator
from rote.papers.longtail import schema, settings
from rote.papers.longtail.linear import LinearProblem, problem
from rote.papers.longtail.records import Progress
from rote.synth import features
from rote.theory import minnorm

Row = dict[str, Any]  # of the table Interpolators, without the replicate
FORCED = 2  # features of once ∩ F-hat that are forced together; with fewer there is no such loss
MIXTURE = "mixture"  # kernels between linear (rho = 0) and RBF (rho = 1)
INTERACTION = "interaction"  # min-norm where the truth has a non-additive term of strength gamma


def compare(
    options: settings.LongtailInterpolators, seed: int, progress: Progress = iter
) -> pd.DataFrame:
    """Loss on fresh data and on forced rare pairs for every predictor: the table Interpolators.

    Args:
        options: sizes, and the parameters of kernels and interactions.
        seed: of all random streams.
        progress: shows how many replicates are done.
    """
    rows = []
    for replicate in progress(range(options.replicates)):
        rng = generator(seed, "longtail", "interpolators", replicate)
        data = problem(options, options.alpha, rng)
        losses = [
            *linear_losses(data, rng),
            *kernel_losses(options, data, rng),
            *interaction_losses(options, data),
        ]
        count = {"replicate": replicate, "pool": int(data.once_alone.sum())}
        rows += [row | count for row in losses]
    return tables.frame(schema.Interpolators, rows)


# ---- linear predictors

# training set, source of random draws -> coefficients of the seen features, (seen,)
LinearFit = Callable[[LinearProblem, np.random.Generator], np.ndarray]


def min_norm(data: LinearProblem, rng: np.random.Generator) -> np.ndarray:
    """argmin ||β||₂ subject to Xβ = y."""
    return minnorm.coefficients(data.spectrum, data.y0)


def min_norm_plus_null(data: LinearProblem, rng: np.random.Generator) -> np.ndarray:
    """Min-norm plus a random vector of equal norm from the null space of X, if there is one."""
    smallest = min_norm(data, rng)
    right = data.spectrum.right
    null = rng.normal(size=len(smallest))
    null -= right @ (right.T @ null)
    null *= np.linalg.norm(smallest) / max(np.linalg.norm(null), 1e-12)
    return smallest + null if len(data.spectrum.w) < len(smallest) else smallest


def weighted(power: int) -> LinearFit:
    """argmin Σ i^power β_i² subject to Xβ = y: min-norm in the coordinates √w_i β_i."""

    def fit(data: LinearProblem, rng: np.random.Generator) -> np.ndarray:
        ranks = (data.seen + 1.0) / (data.seen[-1] + 1)
        scale = (ranks**power) ** -0.5
        design = data.X @ sparse.diags_array(scale)
        return scale * minnorm.coefficients(minnorm.factorize(design), data.y0)

    return fit


def min_l1(data: LinearProblem, rng: np.random.Generator) -> np.ndarray:
    """argmin ||β||₁ subject to Xβ = y, as a linear program in β = u − v."""
    rows = distinct_rows(data.X)
    X = data.X[rows]
    solution = optimize.linprog(
        np.ones(2 * X.shape[1]),
        A_eq=sparse.hstack([X, -X]),
        b_eq=data.y0[rows],
        method="highs",
    )
    if not solution.success:
        raise ArithmeticError(f"the min-l1 linear program failed: {solution.message}")
    positive, negative = np.split(solution.x, 2)
    return positive - negative


def ridge(lam: float) -> LinearFit:
    """argmin ||Xβ − y||² + λ||β||²."""
    return lambda data, rng: minnorm.coefficients(data.spectrum, data.y0, lam)


def common_only(data: LinearProblem, rng: np.random.Generator) -> np.ndarray:
    """Least squares on the common features; rare coefficients are 0."""
    estimate = np.zeros(len(data.seen))
    spectrum = minnorm.factorize(data.X[:, data.common])
    estimate[data.common] = minnorm.coefficients(spectrum, data.y0)
    return estimate


LINEAR_INTERPOLATORS: dict[str, LinearFit] = {
    "min-l2": min_norm,
    "min-l2 + null": min_norm_plus_null,
    "weighted, g = 1": weighted(1),
    "weighted, g = -1": weighted(-1),
    "min-l1": min_l1,
}
LINEAR_OTHERS: dict[str, LinearFit] = {
    "ridge 1": ridge(1.0),
    "ridge 10": ridge(10.0),
    "common only": common_only,
}


def linear_losses(data: LinearProblem, rng: np.random.Generator) -> Iterator[Row]:
    """Exact losses of every linear predictor."""
    for name, fit in (LINEAR_INTERPOLATORS | LINEAR_OTHERS).items():
        yield _row(name, 0.0, *_exact_losses(data, fit(data, rng)))


def _exact_losses(data: LinearProblem, estimate: np.ndarray) -> tuple[float, float]:
    """IND and OOD_2 (pool once ∩ F-hat) of a linear predictor."""
    square = (estimate - data.beta_seen) ** 2
    ind = square @ data.p_seen + data.unseen_loss
    if data.once_alone.sum() < FORCED:
        return ind, np.nan
    return ind, ind + FORCED * np.mean(((1 - data.p_seen) * square)[data.once_alone])


def _row(estimator: str, parameter: float, ind: float, ood2: float) -> Row:
    return {"estimator": estimator, "parameter": parameter, "ind": ind, "ood2": ood2}


def distinct_rows(X: sparse.csr_array) -> np.ndarray:
    """Row numbers without repetitions.

    Noiseless duplicates constrain nothing and make kernel matrices singular.
    """
    return np.sort(np.unique(X.toarray(), axis=0, return_index=True)[1])


# ---- kernel predictors and 1-NN: predictions on the two test sets


class KernelBlocks(NamedTuple):
    """A quantity between the training rows and themselves, and the test rows and them."""

    train: np.ndarray  # (n, n)
    fresh: np.ndarray  # (m, n)
    pairs: np.ndarray  # (m, n), rows with two forced features


class Geometry(NamedTuple):
    """What kernel predictors see of a training set and the test sets."""

    y: np.ndarray  # (n,) labels of the distinct training rows
    inner: KernelBlocks  # inner products
    squared: KernelBlocks  # squared distances
    rbf: KernelBlocks  # exp(−||x − x'||² / (2h²))


Predictions = tuple[np.ndarray, np.ndarray]  # on fresh rows and on forced pairs, each (m,)


def gaussian(geometry: Geometry) -> Predictions:
    """Interpolation with the RBF kernel."""
    return interpolate(geometry.rbf, geometry.y)


def polynomial(geometry: Geometry) -> Predictions:
    """Interpolation with the kernel (1 + ⟨x, x'⟩)²."""
    return interpolate(KernelBlocks(*((1 + dot) ** 2 for dot in geometry.inner)), geometry.y)


def nearest_neighbor(geometry: Geometry) -> Predictions:
    """The label of the nearest training row."""
    fresh = geometry.y[geometry.squared.fresh.argmin(axis=1)]
    return fresh, geometry.y[geometry.squared.pairs.argmin(axis=1)]


def mixture(geometry: Geometry, rho: float) -> Predictions:
    """Interpolation with (1 − ρ)⟨x, x'⟩ + ρ RBF."""
    blocks = zip(geometry.inner, geometry.rbf, strict=True)
    return interpolate(
        KernelBlocks(*((1 - rho) * dot + rho * gauss for dot, gauss in blocks)), geometry.y
    )


OTHER_INTERPOLATORS: Mapping[str, Callable[[Geometry], Predictions]] = {
    "polynomial": polynomial,
    "RBF": gaussian,
    "1-NN": nearest_neighbor,
}


def kernel_losses(
    options: settings.LongtailInterpolators, data: LinearProblem, rng: np.random.Generator
) -> Iterator[Row]:
    """Monte-Carlo losses of kernel interpolators and 1-NN; unseen features add their exact mass.

    Args:
        options: number of test rows, bandwidth, shares of the RBF.
        data: the training set.
        rng: draws the test rows.
    """
    pool = np.flatnonzero(data.once_alone)
    fresh = features.draw(data.p_seen, options.test_rows, rng)
    pairs = features.draw(data.p_seen, options.test_rows, rng)
    enough = len(pool) >= FORCED
    if enough:
        pairs = features.force(pairs, pool, FORCED, rng)
    fresh, pairs = fresh.toarray(), pairs.toarray()
    geometry = _geometry(data, fresh, pairs, options.bandwidth_squared)

    def row(name: str, parameter: float, predictions: Predictions) -> Row:
        rows = zip((fresh, pairs), predictions, strict=True)
        errors = [np.mean((X @ data.beta_seen - y) ** 2) + data.unseen_loss for X, y in rows]
        return _row(name, parameter, errors[0], errors[1] if enough else np.nan)

    for name, predict in OTHER_INTERPOLATORS.items():
        yield row(name, 0.0, predict(geometry))
    for rho in options.rhos:
        yield row(MIXTURE, rho, mixture(geometry, rho))


def _geometry(
    data: LinearProblem, fresh: np.ndarray, pairs: np.ndarray, bandwidth_squared: float
) -> Geometry:
    """Inner products and squared distances to the training rows, once for all predictors."""
    rows = distinct_rows(data.X)
    X = data.X[rows].toarray()
    norm = (X**2).sum(axis=1)
    inner = KernelBlocks(*(points @ X.T for points in (X, fresh, pairs)))
    squared = KernelBlocks(
        *(
            (points**2).sum(axis=1)[:, None] + norm - 2 * dot
            for points, dot in zip((X, fresh, pairs), inner, strict=True)
        )
    )
    rbf = KernelBlocks(*(np.exp(-distance / (2 * bandwidth_squared)) for distance in squared))
    return Geometry(data.y0[rows], inner, squared, rbf)


def interpolate(kernel: KernelBlocks, y: np.ndarray) -> Predictions:
    """Min-norm kernel interpolation: K(train, train)⁺y applied to each test kernel.

    Args:
        kernel: between the training rows, and from the test rows to them.
        y: labels, (n,).
    """
    w, V = linalg.eigh(kernel.train)
    keep = w > 1e-9 * w[-1]
    dual = V[:, keep] @ ((V[:, keep].T @ y) / w[keep])
    return kernel.fresh @ dual, kernel.pairs @ dual


# ---- a truth that is not additive


def interaction_losses(
    options: settings.LongtailInterpolators, data: LinearProblem
) -> Iterator[Row]:
    """Min-norm under the truth y += γ Σ_{i<j rare} x_i x_j, which memorization cannot supply.

    A linear fit of the rows leaves the forced pair's interaction, ±γ with random sign, wholly
    unpredicted. Exact, since the signs of forced features are independent of everything else.
    """
    rare = data.X[:, data.rare]
    products = (rare.sum(axis=1) ** 2 - abs(rare).sum(axis=1)) / 2  # Σ_{i<j} x_i x_j: x_i² = |x_i|
    q = data.p[data.k :]
    pool = np.flatnonzero(data.once_alone)
    first, second = np.triu_indices(len(pool), 1)  # all pairs that may be forced
    a, b = data.p_seen[pool[first]], data.p_seen[pool[second]]
    others = q.sum() - a - b
    among_others = (others**2 - (np.sum(q**2) - a**2 - b**2)) / 2  # Σ_{i<j} q_i q_j without a, b
    for gamma in options.gammas:
        estimate = minnorm.coefficients(data.spectrum, data.y0 + gamma * products)
        ind, ood2 = _exact_losses(data, estimate)
        # the forced product, each forced feature with the others, the others among themselves
        products_forced = 1 + 2 * others + among_others
        forced = gamma**2 * np.mean(products_forced) if len(products_forced) else np.nan
        fresh = gamma**2 * (q.sum() ** 2 - np.sum(q**2)) / 2
        yield _row(INTERACTION, gamma, ind + fresh, ood2 + forced)
