"""The stylized problems: the true posterior by quadrature, importance sampling and chains, beside
closed forms.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.special import logsumexp

from rote.core.seeds import generator
from rote.papers.inversion import settings
from rote.theory import posterior

POOL, NUMBERS = 100, (3, 5, 10, 20, 100)  # examples of the effective-components experiment
COMPONENT_WIDTHS = np.geomspace(0.01, 5, 70)
WIDEN = 1.5  # standard deviations of the chains' proposal, in those of the linearized mixture


class Problem(NamedTuple):
    """A forward operator with training examples and data."""

    name: str
    train: np.ndarray  # (N, d)
    forward: Callable[[np.ndarray], np.ndarray]  # (points, d) -> (points, m)
    jacobian: Callable[[np.ndarray], np.ndarray]  # (points, d) -> (points, m, d)
    y: np.ndarray  # (m,)
    truth: np.ndarray  # (d,); of the cubic problem, which has none, 0
    bounds: tuple[float, float]  # of the quadrature, on every axis


def problems() -> list[Problem]:
    """Cubic in one dimension, bent in two, and a linear control in two."""
    five = np.array([[-1.5], [-0.4], [0.4], [1.2], [2.5]])
    cubic = Problem(
        "cubic",
        five,
        lambda x: x + 0.3 * x**3,
        lambda x: (1 + 0.9 * x**2)[..., None],
        np.zeros(1),
        np.zeros(1),
        (-4.5, 4.5),
    )
    angle = 2 * np.pi * np.arange(5) / 5
    pentagon = 2 * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    truth = 0.7 * pentagon[0]

    def bend(x: np.ndarray) -> np.ndarray:
        return np.stack([x[:, 0] + 0.3 * x[:, 0] * x[:, 1], x[:, 1] + 0.2 * x[:, 0] ** 2], axis=1)

    def slope(x: np.ndarray) -> np.ndarray:
        rows = [[1 + 0.3 * x[:, 1], 0.3 * x[:, 0]], [0.4 * x[:, 0], np.ones(len(x))]]
        return np.moveaxis(np.array(rows), -1, 0)

    bent = Problem("bent", pentagon, bend, slope, bend(truth[None])[0], truth, (-4.0, 4.0))
    A = np.array([[1, 0.4], [-0.3, 1.2]])
    linear = Problem(
        "linear",
        pentagon,
        lambda x: x @ A.T,
        lambda x: np.broadcast_to(A, (len(x), 2, 2)),
        A @ truth,
        truth,
        (-4.0, 4.0),
    )
    return [cubic, bent, linear]


def log_prior(x: np.ndarray, train: np.ndarray, sigma: float) -> np.ndarray:
    """log p^σ up to a constant, (points,)."""
    return logsumexp(-0.5 * ((x[:, None] - train) ** 2).sum(-1) / sigma**2, axis=1)


def log_likelihood(problem: Problem, x: np.ndarray, gamma: float) -> np.ndarray:
    """log p(y | x) up to a constant, (points,)."""
    return -0.5 * ((problem.y - problem.forward(x)) ** 2).sum(1) / gamma**2


def grid(problem: Problem, options: settings.Stylized) -> tuple[np.ndarray, float]:
    """Quadrature points (points, d) and the volume of one."""
    d = problem.train.shape[1]
    axis = np.linspace(*problem.bounds, options.points if d == 1 else options.side)
    points = np.stack([part.ravel() for part in np.meshgrid(*[axis] * d, indexing="ij")], axis=1)
    return points, (axis[1] - axis[0]) ** d


def measure(options: settings.Stylized) -> pd.DataFrame:
    """The table Stylized.

    * distance, distance_without: total variation between the exact posterior and the linearized
      mixture, with and without the determinant in its weights.
    * mean_distance: of the exact posterior mean to the truth.
    * transport (1-D): Wasserstein distance of the exact posterior to the lookup, over σ.
    * shift, shift_error (1-D): distance of the heaviest component's mean from its example; how far
      the formula is off.
    * weight n (σ = 0): lookup weight of example n.
    """
    rows, gamma = [], options.noise
    for problem in problems():
        lookup = posterior.empirical(log_likelihood(problem, problem.train, gamma))
        rows += [(problem.name, 0.0, f"weight {n}", weight) for n, weight in enumerate(lookup)]
        x, cell = grid(problem, options)
        likelihood = log_likelihood(problem, x, gamma)
        for sigma in options.widths:
            exact = posterior.empirical(log_prior(x, problem.train, sigma) + likelihood)
            found = {"mean_distance": float(np.linalg.norm(exact @ x - problem.truth))}
            for name, determinant in (("distance", True), ("distance_without", False)):
                mixture = _mixture(problem, sigma, gamma, determinant)
                found[name] = 0.5 * float(
                    np.abs(exact - cell * np.exp(mixture.log_density(x))).sum()
                )
            if x.shape[1] == 1:
                steps = (x >= problem.train[:, 0]) @ lookup
                found["transport"] = float(np.abs(np.cumsum(exact) - steps).sum()) * cell / sigma
                heavy = int(np.argmax(lookup))
                local = posterior.empirical(
                    -0.5 * (x[:, 0] - problem.train[heavy, 0]) ** 2 / sigma**2 + likelihood
                )
                true = float(local @ x[:, 0] - problem.train[heavy, 0])
                predicted = float(
                    _mixture(problem, sigma, gamma).means[heavy, 0] - problem.train[heavy, 0]
                )
                found |= {"shift": abs(true), "shift_error": abs(predicted - true) / abs(true)}
            rows += [(problem.name, sigma, name, value) for name, value in found.items()]
    return pd.DataFrame(rows, columns=["problem", "sigma", "quantity", "value"])


def _mixture(
    problem: Problem, sigma: float, gamma: float, determinant: bool = True
) -> posterior.Mixture:
    return posterior.mixture(
        problem.train,
        sigma,
        problem.forward,
        problem.y,
        gamma,
        jacobian=problem.jacobian,
        determinant=determinant,
    )


def densities(options: settings.Stylized, points: int = 600) -> pd.DataFrame:
    """The table Densities."""
    cubic, parts = problems()[0], []
    x = np.linspace(-2.5, 3.5, points)[:, None]
    whole, cell = grid(cubic, options)
    for sigma in options.shown:
        total = logsumexp(
            log_prior(whole, cubic.train, sigma) + log_likelihood(cubic, whole, options.noise)
        ) + np.log(cell)
        prior = np.exp(log_prior(x, cubic.train, sigma)) / (
            len(cubic.train) * np.sqrt(2 * np.pi) * sigma
        )
        fits = log_likelihood(cubic, x, options.noise)
        columns = {
            "sigma": sigma,
            "x": x[:, 0],
            "exact": np.exp(log_prior(x, cubic.train, sigma) + fits - total),
            "linearized": np.exp(_mixture(cubic, sigma, options.noise).log_density(x)),
            "prior": prior,
            "likelihood": np.exp(fits - fits.max()),
        }
        parts.append(pd.DataFrame(columns))
    return pd.concat(parts, ignore_index=True)


def planes(options: settings.Stylized, side: int = 150) -> pd.DataFrame:
    """The table Planes: around the examples with a margin of 0.8."""
    bent, parts = problems()[1], []
    axes = [
        np.linspace(bent.train[:, i].min() - 0.8, bent.train[:, i].max() + 0.8, side)
        for i in range(2)
    ]
    x = np.stack([part.ravel() for part in np.meshgrid(*axes, indexing="ij")], axis=1)
    fits = log_likelihood(bent, x, options.noise)
    for sigma in options.shown:
        before = log_prior(x, bent.train, sigma)
        columns = {
            "exact": before + fits,
            "linearized": _mixture(bent, sigma, options.noise).log_density(x),
        }
        columns |= {"prior": before, "likelihood": fits}
        scaled = {name: np.exp(values - values.max()) for name, values in columns.items()}
        parts.append(pd.DataFrame({"sigma": sigma, "x1": x[:, 0], "x2": x[:, 1]} | scaled))
    return pd.concat(parts, ignore_index=True)


# ---- sampling
# --------------------------------------------------------------------------------------------------------


def sample(options: settings.Stylized, seed: int) -> pd.DataFrame:
    """The table Sampling: mean and variance of every coordinate by quadrature, importance sampling
    and chains.
    """
    rows = []
    for problem in problems()[:2]:
        x, _ = grid(problem, options)
        fits = log_likelihood(problem, x, options.noise)
        for sigma in options.shown:
            weights = posterior.empirical(log_prior(x, problem.train, sigma) + fits)
            mean = weights @ x
            variance = weights @ (x - mean) ** 2
            for replicate in range(options.replicates):
                rng = generator(
                    seed, "inversion", "sampling", problem.name, f"{sigma:g}", replicate
                )
                about = (problem.name, sigma, replicate)
                for coordinate in range(x.shape[1]):
                    rows.append(
                        (
                            *about,
                            "grid",
                            coordinate,
                            mean[coordinate],
                            0.0,
                            variance[coordinate],
                            0.0,
                            1.0,
                            1.0,
                        )
                    )
                rows += [
                    (*about, "importance", *row) for row in importance(problem, sigma, options, rng)
                ]
                rows += [(*about, "chains", *row) for row in chains(problem, sigma, options, rng)]
    columns = [
        "problem",
        "sigma",
        "replicate",
        "method",
        "coordinate",
        "mean",
        "error",
        "variance",
        "effective",
    ]
    return pd.DataFrame(rows, columns=[*columns, "acceptance", "split_r"])


def importance(
    problem: Problem, sigma: float, options: settings.Stylized, rng: np.random.Generator
) -> list[tuple]:
    """Self-normalised importance sampling from the prior; per coordinate the columns of Sampling."""
    chosen = rng.integers(len(problem.train), size=options.draws)
    x = problem.train[chosen] + sigma * rng.normal(size=(options.draws, problem.train.shape[1]))
    weights = posterior.empirical(log_likelihood(problem, x, options.noise))
    mean = weights @ x
    error = np.sqrt((weights**2) @ (x - mean) ** 2)
    variance, effective = weights @ (x - mean) ** 2, 1 / (weights**2).sum()
    return [(i, mean[i], error[i], variance[i], effective, 1.0, 1.0) for i in range(len(mean))]


def chains(
    problem: Problem, sigma: float, options: settings.Stylized, rng: np.random.Generator
) -> list[tuple]:
    """Independence Metropolis-Hastings with the widened linearized mixture as proposal, all chains
    at once.
    """
    mixture = _mixture(problem, sigma, options.noise)
    wide = mixture._replace(covariances=WIDEN**2 * mixture.covariances)
    number, d = options.chains, problem.train.shape[1]

    def propose() -> tuple[np.ndarray, np.ndarray]:
        x = wide.sample(number, rng)
        target = log_prior(x, problem.train, sigma) + log_likelihood(problem, x, options.noise)
        return x, target - wide.log_density(x)

    x, ratio = propose()
    kept, accepted = np.empty((options.steps, number, d)), 0
    for step in range(options.steps):
        new, its = propose()
        better = np.log(rng.random(number)) < its - ratio
        x, ratio = np.where(better[:, None], new, x), np.where(better, its, ratio)
        kept[step], accepted = x, accepted + better.sum()
    kept = kept[options.steps // 10 :]  # the first tenth forgets where chains began
    means = kept.mean(0)
    error = means.std(0, ddof=1) / np.sqrt(number)
    variance = kept.reshape(-1, d).var(0)
    share = accepted / (options.steps * number)
    return [
        (
            i,
            means[:, i].mean(),
            error[i],
            variance[i],
            variance[i] / error[i] ** 2,
            share,
            split_r(kept[..., i]),
        )
        for i in range(d)
    ]


def split_r(draws: np.ndarray) -> float:
    """Split R-hat of draws (steps, chains): 1 where both halves of all chains agree (Gelman et al.,
    BDA3, 11.4).
    """
    half = len(draws) // 2
    parts = np.concatenate([draws[:half], draws[half : 2 * half]], axis=1)
    within, between = parts.var(0, ddof=1).mean(), parts.mean(0).var(ddof=1)
    return float(np.sqrt((half - 1) / half + between / within)) if within > 0 else 1.0


def components(options: settings.Stylized) -> pd.DataFrame:
    """The table Components, for the cubic problem with examples on a line."""
    cubic, rows, gamma = problems()[0], [], options.noise
    pool, x = np.linspace(-3, 3, POOL), np.linspace(-5, 5, 2000)
    fits = log_likelihood(cubic, x[:, None], gamma)
    for number in NUMBERS:
        train = pool[np.linspace(0, POOL - 1, number).astype(int)]
        critical = np.sqrt(6 / (number - 1) * gamma / (1 + 0.9 * train**2).mean())
        for sigma in COMPONENT_WIDTHS:
            logs = logsumexp(-0.5 * (x - train[:, None]) ** 2 / sigma**2 + fits, axis=1)
            # where components are narrower than the quadrature's cells, their mass is the
            # likelihood at the example
            if sigma < 2 * (x[1] - x[0]):
                logs = log_likelihood(cubic, train[:, None], gamma)
            rows.append(
                (number, sigma, float(posterior.effective(posterior.empirical(logs))), critical)
            )
    return pd.DataFrame(rows, columns=["examples", "sigma", "effective", "critical"])
