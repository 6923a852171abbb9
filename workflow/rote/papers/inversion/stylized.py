"""The stylized problems: true posteriors by quadrature and sampling, beside closed forms."""

from collections.abc import Callable
from itertools import product
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.special import logsumexp

from rote.core import tables
from rote.core.seeds import generator
from rote.papers.inversion import schema, settings
from rote.theory import posterior

# the effective-components experiment: examples are some of a line of equally spaced points
LINE = np.linspace(-3, 3, 100)
COMPONENT_NUMBERS = (3, 5, 10, 20, 100)
COMPONENT_WIDTHS = np.geomspace(0.01, 5, 70)
PROPOSAL_SCALE = 1.5  # standard deviations of the chains' proposal, in the linearized mixture's
BURN_IN = 10  # the first 1/BURN_IN of every chain is dropped, as it depends on where it began


class StylizedProblem(NamedTuple):
    """A forward operator with training examples and data."""

    name: str
    train: np.ndarray  # (N, d)
    forward: Callable[[np.ndarray], np.ndarray]  # (points, d) -> (points, m)
    jacobian: Callable[[np.ndarray], np.ndarray]  # (points, d) -> (points, m, d)
    y: np.ndarray  # (m,)
    truth: np.ndarray  # (d,); of the cubic problem, which has none, 0
    bounds: tuple[float, float]  # of the quadrature, on every axis

    @property
    def dimension(self) -> int:
        """d."""
        return self.train.shape[1]

    def mixture(self, sigma: float, gamma: float, determinant: bool = True) -> posterior.Mixture:
        """The posterior linearized at every example, width σ, data noise γ."""
        return posterior.mixture(
            self.train,
            sigma,
            self.forward,
            posterior.Observation(self.y, gamma),
            jacobian=self.jacobian,
            determinant=determinant,
        )


def _bend(x: np.ndarray) -> np.ndarray:
    return np.stack([x[:, 0] + 0.3 * x[:, 0] * x[:, 1], x[:, 1] + 0.2 * x[:, 0] ** 2], axis=1)


def _bend_jacobian(x: np.ndarray) -> np.ndarray:
    rows = [[1 + 0.3 * x[:, 1], 0.3 * x[:, 0]], [0.4 * x[:, 0], np.ones(len(x))]]
    return np.moveaxis(np.array(rows), -1, 0)


_ANGLES = 2 * np.pi * np.arange(5) / 5
_PENTAGON = 2 * np.stack([np.cos(_ANGLES), np.sin(_ANGLES)], axis=1)
_TRUTH = 0.7 * _PENTAGON[0]
_MATRIX = np.array([[1, 0.4], [-0.3, 1.2]])
CUBIC = StylizedProblem(
    name="cubic",
    train=np.array([[-1.5], [-0.4], [0.4], [1.2], [2.5]]),
    forward=lambda x: x + 0.3 * x**3,
    jacobian=lambda x: (1 + 0.9 * x**2)[..., None],
    y=np.zeros(1),
    truth=np.zeros(1),
    bounds=(-4.5, 4.5),
)
BENT = StylizedProblem(
    name="bent",
    train=_PENTAGON,
    forward=_bend,
    jacobian=_bend_jacobian,
    y=_bend(_TRUTH[None])[0],
    truth=_TRUTH,
    bounds=(-4.0, 4.0),
)
LINEAR = StylizedProblem(  # a control, for which the mixture is exact
    name="linear",
    train=_PENTAGON,
    forward=lambda x: x @ _MATRIX.T,
    jacobian=lambda x: np.broadcast_to(_MATRIX, (len(x), 2, 2)),
    y=_MATRIX @ _TRUTH,
    truth=_TRUTH,
    bounds=(-4.0, 4.0),
)
PROBLEMS = (CUBIC, BENT, LINEAR)


def log_prior(x: np.ndarray, train: np.ndarray, sigma: float) -> np.ndarray:
    """log p^σ of points (points, d) up to a constant, (points,); examples `train` (N, d)."""
    return logsumexp(-0.5 * ((x[:, None] - train) ** 2).sum(-1) / sigma**2, axis=1)


def log_likelihood(problem: StylizedProblem, x: np.ndarray, gamma: float) -> np.ndarray:
    """log p(y | x) of points (points, d) up to a constant, (points,); noise γ."""
    return -0.5 * ((problem.y - problem.forward(x)) ** 2).sum(1) / gamma**2


def mesh(axes: list[np.ndarray]) -> np.ndarray:
    """All points of a grid, (points, d), the last axis fastest."""
    return np.stack([part.ravel() for part in np.meshgrid(*axes, indexing="ij")], axis=1)


def grid(problem: StylizedProblem, options: settings.InversionStylized) -> tuple[np.ndarray, float]:
    """Quadrature points (points, d) and the volume of one."""
    d = problem.dimension
    axis = np.linspace(*problem.bounds, options.points if d == 1 else options.side)
    return mesh([axis] * d), (axis[1] - axis[0]) ** d


def solve(options: settings.InversionStylized) -> dict[str, pd.DataFrame]:
    """The tables without randomness, by name."""
    return {
        "stylized": measures(options),
        "densities": densities(options),
        "planes": planes(options),
        "components": components(options),
    }


# ---- closed forms beside quadrature


def measures(options: settings.InversionStylized) -> pd.DataFrame:
    """The table StylizedMeasures.

    * distance, distance_without_determinant: total variation between the exact posterior and the
      linearized mixture, with and without the determinant in its weights.
    * mean_distance: of the exact posterior mean to the truth.
    * transport (1-D): Wasserstein distance of the exact posterior to the lookup, over σ.
    * shift_error (1-D): relative error of the formula for the distance of the heaviest component's
      mean from its example.
    * weight_n (σ = 0): lookup weight of example n.
    """
    gamma = options.noise
    rows = []
    for problem in PROBLEMS:
        lookup = posterior.empirical(log_likelihood(problem, problem.train, gamma))
        weights = {f"weight_{n}": weight for n, weight in enumerate(lookup)}
        rows += _measure_rows(problem, 0.0, weights)
        x, cell = grid(problem, options)
        likelihood = log_likelihood(problem, x, gamma)
        for sigma in options.widths:
            exact = posterior.empirical(log_prior(x, problem.train, sigma) + likelihood)
            values = {"mean_distance": float(np.linalg.norm(exact @ x - problem.truth))}
            for name, determinant in (("distance", True), ("distance_without_determinant", False)):
                density = np.exp(problem.mixture(sigma, gamma, determinant).log_density(x))
                values[name] = 0.5 * float(np.abs(exact - cell * density).sum())
            if problem.dimension == 1:
                steps = (x >= problem.train[:, 0]) @ lookup
                values["transport"] = float(np.abs(np.cumsum(exact) - steps).sum()) * cell / sigma
                values["shift_error"] = _shift_error(problem, sigma, gamma, x[:, 0], likelihood)
            rows += _measure_rows(problem, sigma, values)
    return tables.frame(schema.StylizedMeasures, rows)


def _measure_rows(
    problem: StylizedProblem, sigma: float, values: dict[str, float]
) -> list[dict[str, object]]:
    return [
        {"problem": problem.name, "sigma": sigma, "quantity": quantity, "value": value}
        for quantity, value in values.items()
    ]


def _shift_error(
    problem: StylizedProblem, sigma: float, gamma: float, x: np.ndarray, likelihood: np.ndarray
) -> float:
    """Relative error of the shift of the heaviest component in one dimension, by quadrature."""
    heaviest = int(np.argmax(log_likelihood(problem, problem.train, gamma)))
    example = problem.train[heaviest, 0]
    weights = posterior.empirical(-0.5 * (x - example) ** 2 / sigma**2 + likelihood)
    exact = float(weights @ x - example)
    predicted = float(problem.mixture(sigma, gamma).means[heaviest, 0] - example)
    return abs(predicted - exact) / abs(exact)


def densities(options: settings.InversionStylized, points: int = 600) -> pd.DataFrame:
    """The table StylizedDensities, for the cubic problem."""
    gamma = options.noise
    x = np.linspace(-2.5, 3.5, points)[:, None]
    quadrature, cell = grid(CUBIC, options)
    likelihood = log_likelihood(CUBIC, x, gamma)
    frames = []
    for sigma in options.figure_widths:
        prior = log_prior(x, CUBIC.train, sigma)
        joint = log_prior(quadrature, CUBIC.train, sigma)
        evidence = logsumexp(joint + log_likelihood(CUBIC, quadrature, gamma)) + np.log(cell)
        columns = {
            "sigma": sigma,
            "x": x[:, 0],
            "exact": np.exp(prior + likelihood - evidence),
            "linearized": np.exp(CUBIC.mixture(sigma, gamma).log_density(x)),
            "prior": np.exp(prior) / (len(CUBIC.train) * np.sqrt(2 * np.pi) * sigma),
            "likelihood": np.exp(likelihood - likelihood.max()),
        }
        frames.append(tables.frame(schema.StylizedDensities, columns))
    return pd.concat(frames, ignore_index=True)


def planes(options: settings.InversionStylized, side: int = 150) -> pd.DataFrame:
    """The table StylizedPlanes, for the bent problem: around the examples with a margin of 0.8."""
    gamma = options.noise
    corners = zip(BENT.train.min(0) - 0.8, BENT.train.max(0) + 0.8, strict=True)
    x = mesh([np.linspace(low, high, side) for low, high in corners])
    likelihood = log_likelihood(BENT, x, gamma)
    frames = []
    for sigma in options.figure_widths:
        prior = log_prior(x, BENT.train, sigma)
        logarithms = {
            "exact": prior + likelihood,
            "linearized": BENT.mixture(sigma, gamma).log_density(x),
            "prior": prior,
            "likelihood": likelihood,
        }
        columns = {name: np.exp(values - values.max()) for name, values in logarithms.items()}
        columns |= {"sigma": sigma, "x1": x[:, 0], "x2": x[:, 1]}
        frames.append(tables.frame(schema.StylizedPlanes, columns))
    return pd.concat(frames, ignore_index=True)


# ---- sampling


class MeanEstimate(NamedTuple):
    """The posterior mean and variance by one method."""

    mean: np.ndarray  # (d,)
    variance: np.ndarray  # (d,)
    error: np.ndarray  # standard error of the mean, (d,)
    split_r: np.ndarray  # split R-hat, (d,); 1 without chains


def sample(options: settings.InversionStylized, seed: int) -> pd.DataFrame:
    """The table StylizedMeans: moments by quadrature, importance sampling and chains."""
    rows = []
    for problem, sigma in product((CUBIC, BENT), options.figure_widths):
        exact = quadrature(problem, sigma, options)
        for replicate in range(options.replicates):
            rng = generator(seed, "inversion", "sampling", problem.name, f"{sigma:g}", replicate)
            estimates = {
                "grid": exact,
                "importance": importance(problem, sigma, options, rng),
                "chains": chains(problem, sigma, options, rng),
            }
            for method, estimate in estimates.items():
                columns = {
                    "problem": problem.name,
                    "sigma": sigma,
                    "replicate": replicate,
                    "method": method,
                    "coordinate": range(problem.dimension),
                    **estimate._asdict(),
                }
                rows.append(tables.frame(schema.StylizedMeans, columns))
    return pd.concat(rows, ignore_index=True)


def quadrature(
    problem: StylizedProblem, sigma: float, options: settings.InversionStylized
) -> MeanEstimate:
    """Mean and variance on a grid, taken as exact."""
    x, _ = grid(problem, options)
    likelihood = log_likelihood(problem, x, options.noise)
    weights = posterior.empirical(log_prior(x, problem.train, sigma) + likelihood)
    d = problem.dimension
    mean = weights @ x
    return MeanEstimate(mean, weights @ (x - mean) ** 2, np.zeros(d), np.ones(d))


def importance(
    problem: StylizedProblem,
    sigma: float,
    options: settings.InversionStylized,
    rng: np.random.Generator,
) -> MeanEstimate:
    """Self-normalized importance sampling from the prior.

    Args:
        problem: forward model, training examples and data.
        sigma: width of the prior's components.
        options: draws and noise.
        rng: of the draws.
    """
    d = problem.dimension
    chosen = rng.integers(len(problem.train), size=options.draws)
    x = problem.train[chosen] + sigma * rng.normal(size=(options.draws, d))
    weights = posterior.empirical(log_likelihood(problem, x, options.noise))
    mean = weights @ x
    square = (x - mean) ** 2
    return MeanEstimate(mean, weights @ square, np.sqrt((weights**2) @ square), np.ones(d))


def chains(
    problem: StylizedProblem,
    sigma: float,
    options: settings.InversionStylized,
    rng: np.random.Generator,
) -> MeanEstimate:
    """Independence Metropolis-Hastings, all chains at once.

    The proposal is the linearized mixture with wider components.

    Args:
        problem: forward model, training examples and data.
        sigma: width of the prior's components.
        options: chains, their steps, and noise.
        rng: of proposals and acceptance.
    """
    mixture = problem.mixture(sigma, options.noise)
    proposal = mixture._replace(roots=mixture.roots / PROPOSAL_SCALE)
    number = options.chains

    def propose() -> tuple[np.ndarray, np.ndarray]:
        x = proposal.sample(number, rng)
        target = log_prior(x, problem.train, sigma) + log_likelihood(problem, x, options.noise)
        return x, target - proposal.log_density(x)

    x, ratio = propose()
    draws = np.empty((options.steps, number, problem.dimension))
    for step in range(options.steps):
        candidate, candidate_ratio = propose()
        accepted = np.log(rng.random(number)) < candidate_ratio - ratio
        x = np.where(accepted[:, None], candidate, x)
        ratio = np.where(accepted, candidate_ratio, ratio)
        draws[step] = x
    draws = draws[options.steps // BURN_IN :]
    means = draws.mean(0)
    error = means.std(0, ddof=1) / np.sqrt(number)
    rs = [split_r(draws[..., coordinate]) for coordinate in range(problem.dimension)]
    return MeanEstimate(means.mean(0), draws.var((0, 1)), error, np.array(rs))


def split_r(draws: np.ndarray) -> float:
    """Split R-hat of draws (steps, chains): 1 where both halves of all chains agree.

    Source: Gelman et al., Bayesian Data Analysis (3rd ed.), section 11.4.
    """
    half = len(draws) // 2
    parts = np.concatenate([draws[:half], draws[half : 2 * half]], axis=1)
    within = parts.var(0, ddof=1).mean()
    between = parts.mean(0).var(ddof=1)
    return float(np.sqrt((half - 1) / half + between / within)) if within > 0 else 1.0


# ---- effective components


def components(options: settings.InversionStylized) -> pd.DataFrame:
    """The table EffectiveComponents, for the cubic problem with examples on a line."""
    gamma = options.noise
    x = np.linspace(-5, 5, 2000)
    cell = x[1] - x[0]
    likelihood = log_likelihood(CUBIC, x[:, None], gamma)
    rows = []
    for number in COMPONENT_NUMBERS:
        train = LINE[np.linspace(0, len(LINE) - 1, number).astype(int)]
        critical = np.sqrt(6 / (number - 1) * gamma / (1 + 0.9 * train**2).mean())
        for sigma in COMPONENT_WIDTHS:
            if sigma < 2 * cell:  # too narrow for the quadrature: the likelihood at the example
                masses = log_likelihood(CUBIC, train[:, None], gamma)
            else:
                squares = (x - train[:, None]) ** 2
                masses = logsumexp(-0.5 * squares / sigma**2 + likelihood, axis=1)
            rows.append(
                {
                    "examples": number,
                    "sigma": sigma,
                    "effective": float(posterior.effective(posterior.empirical(masses))),
                    "critical": critical,
                }
            )
    return tables.frame(schema.EffectiveComponents, rows)
