"""What guided samples are compared with: posteriors of the same data without diffusion.

* lookup: exact samples of the memorized prior's posterior: examples, drawn by their weights.
* laplace: under the Gaussian prior, the posterior linearized at its maximum (Gauss-Newton).
* rml: randomized maximum likelihood (Oliver, He, Reynolds 1996): draws of the Gaussian prior, each
  fitted to data with noise of its own; exact for linear operators.
"""

from itertools import product
from typing import NamedTuple

import numpy as np
import pandas as pd

from rote.core.seeds import generator
from rote.papers.inversion import settings
from rote.papers.inversion.guidance import WaveformProblem, sample_rows
from rote.papers.inversion.library import INSIDE, OUTSIDE, Library
from rote.papers.inversion.priors import LAPLACE, LOOKUP, RML
from rote.synth import velocity
from rote.theory import posterior

ITERATIONS = 5  # of Gauss-Newton
HALVINGS = 5  # of a step that does not descend, at most
NEGLIGIBLE = 1e-8  # share of the largest variance below which a direction is left out


class GaussianPrior(NamedTuple):
    """The pool's Gaussian: standardized models are mean + root · w, w standard normal."""

    mean: np.ndarray  # (d,)
    root: np.ndarray  # (d, k)

    @classmethod
    def of(cls, library: Library) -> "GaussianPrior":
        """Of the pool, without directions of negligible variance."""
        z = library.standardize(library.pool)
        values, vectors = np.linalg.eigh(np.cov(z.T))
        large = values > NEGLIGIBLE * values[-1]
        return cls(z.mean(0), vectors[:, large] * np.sqrt(values[large]))


class Linearized(NamedTuple):
    """Residuals of a model over the noise, and their derivatives; real and imaginary parts."""

    residuals: np.ndarray  # data minus predictions, (m,)
    jacobian: np.ndarray  # of the predictions, per unit of w, (m, k)


def linearize(problem: WaveformProblem, prior: GaussianPrior, w: np.ndarray) -> Linearized:
    """The operator linearized at a point.

    Args:
        problem: data and operator.
        prior: whose directions the derivatives follow.
        w: (k,).
    """
    forward = problem.forward
    m = velocity.slowness(problem.coordinates(prior.mean + prior.root @ w), forward.n)
    m = np.minimum(m, problem.max_squared_slowness)
    basis = problem.basis @ (problem.scaling.scale[:, None] * prior.root)
    data, slopes = forward.jacobian(m, basis)
    # complex noise of variance sd²: half of it in each part
    whiten = np.sqrt(2) / problem.sd
    residuals = (problem.observed - data).ravel() * whiten
    slopes = slopes.reshape(residuals.size, -1) * whiten
    return Linearized(
        np.concatenate([residuals.real, residuals.imag]), np.concatenate([slopes.real, slopes.imag])
    )


def fit(
    problem: WaveformProblem,
    prior: GaussianPrior,
    start: np.ndarray,
    center: np.ndarray | None = None,
    noise: np.ndarray | float = 0.0,
) -> tuple[np.ndarray, np.ndarray]:
    """Minimize |w − center|² + |residuals + noise|² by Gauss-Newton steps that descend.

    Args:
        problem: data and operator.
        prior: in whose directions w moves.
        start: first point, (k,).
        center: of the first term, (k,); 0 by default: the maximum of the posterior.
        noise: added to whitened data, (m,).

    Returns:
        The minimum, (k,), and the Hessian 1 + AᵀA at the last linearization, (k, k).
    """
    center = np.zeros_like(start) if center is None else center
    w = start

    def objective(point: np.ndarray, at: Linearized) -> float:
        return float(((point - center) ** 2).sum() + ((at.residuals + noise) ** 2).sum())

    at = linearize(problem, prior, w)
    value = objective(w, at)
    for _ in range(ITERATIONS):
        hessian = np.eye(len(w)) + at.jacobian.T @ at.jacobian
        slope = at.jacobian.T @ (at.residuals + noise) - (w - center)
        step = np.linalg.solve(hessian, slope)
        for _ in range(HALVINGS):
            candidate = linearize(problem, prior, w + step)
            if objective(w + step, candidate) < value:
                break
            step = step / 2
        else:
            break
        gain = value - objective(w + step, candidate)
        w, at = w + step, candidate
        value -= gain
        if gain < 1e-4 * value:
            break
    return w, np.eye(len(w)) + at.jacobian.T @ at.jacobian


def sample(options: settings.InversionWaveform, library: Library, seed: int) -> pd.DataFrame:
    """Rows of PosteriorSamples of every yardstick, truth and training set.

    Args:
        options: the config section; `guidance.samples` of each, the first step in place of one.
        library: the velocity models.
        seed: of the data noise, as in `guidance.sample`, and of the draws.
    """
    prior = GaussianPrior.of(library)
    number = options.guidance.samples
    size = options.guidance.sizes[0]
    frames = []
    for truth, replicate in product((INSIDE, OUTSIDE), range(options.networks.replicates)):
        problem = WaveformProblem(options.acquisition, library, truth, replicate, seed)
        rng = generator(seed, "inversion", "yardsticks", truth, replicate)
        examples = library.standardize(library.train[replicate, :size])
        drawn = {
            (LOOKUP, size): _lookup(problem, examples, number, rng),
            (LAPLACE, 0): _laplace(problem, prior, number, rng),
            (RML, 0): _rml(problem, prior, number, rng),
        }
        for (name, known), z in drawn.items():
            key = {"prior": name, "examples": known, "truth": truth}
            key |= {"step": options.guidance.steps[0], "replicate": replicate}
            frames.append(sample_rows(problem, z, key))
    return pd.concat(frames, ignore_index=True)


def join(
    samples: pd.DataFrame, options: settings.InversionWaveform, library: Library, seed: int
) -> pd.DataFrame:
    """Samples of every prior, then those of the yardsticks.

    Args:
        samples: the table PosteriorSamples.
        options: as in `sample`.
        library: as in `sample`.
        seed: as in `sample`.
    """
    return pd.concat([samples, sample(options, library, seed)], ignore_index=True)


def _lookup(
    problem: WaveformProblem, examples: np.ndarray, number: int, rng: np.random.Generator
) -> np.ndarray:
    misfits = np.array([problem.misfit(z).value for z in examples])
    weights = posterior.empirical(-misfits * problem.observed.size)
    return examples[rng.choice(len(examples), number, p=weights / weights.sum())]


def _laplace(
    problem: WaveformProblem, prior: GaussianPrior, number: int, rng: np.random.Generator
) -> np.ndarray:
    k = prior.root.shape[1]
    w, hessian = fit(problem, prior, np.zeros(k))
    root = np.linalg.cholesky(hessian)
    scattered = w[:, None] + np.linalg.solve(root.T, rng.normal(size=(k, number)))
    return prior.mean + scattered.T @ prior.root.T


def _rml(
    problem: WaveformProblem, prior: GaussianPrior, number: int, rng: np.random.Generator
) -> np.ndarray:
    k = prior.root.shape[1]
    samples = []
    for _ in range(number):
        center = rng.normal(size=k)
        noise = rng.normal(size=2 * problem.observed.size)
        w, _ = fit(problem, prior, np.zeros(k), center, noise)
        samples.append(prior.mean + prior.root @ w)
    return np.stack(samples)
