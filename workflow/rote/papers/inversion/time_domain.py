"""Posterior sampling with acoustic shots in the time domain: layered models, two priors."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from rote.core import tables
from rote.core.job import track
from rote.core.seeds import generator
from rote.invert import distances
from rote.models import diffusion
from rote.papers.inversion import schema, settings
from rote.synth import velocity
from rote.theory import posterior
from rote.waves import acoustic

N = 48  # cells along each axis
LIMITS = (1.3, 4.2)  # km/s
SURVEY = acoustic.Survey(
    spacing=0.02,
    step=0.002,
    samples=400,
    frequency=8.0,
    sources=np.array([[x, 1] for x in (4, 17, 30, 43)]),
    receivers=np.array([[x, 1] for x in range(2, 46, 2)]),
)
NOISE_RATES = diffusion.LinearRates(1e-3, 0.2)  # of all steps, whatever their number
MODELS_SEED = 0  # of the layered models
TARGET_SEED = 999  # of the first truth


class LayeredCoordinates(NamedTuple):
    """Whitened principal components of layered models."""

    mean: np.ndarray  # (cells,) km/s, x slow
    axes: np.ndarray  # (components, cells) km/s per standard deviation
    examples: np.ndarray  # (models, components)
    explained: float  # share of the variance

    def project(self, model: np.ndarray) -> np.ndarray:
        """Coordinates of a model (N, N), least squares."""
        return (self.axes / (self.axes**2).sum(1, keepdims=True)) @ (model.ravel() - self.mean)

    def velocity(self, z: np.ndarray) -> np.ndarray:
        """Velocity of coordinates (components,), clipped to `LIMITS`, (N, N) in km/s."""
        return np.clip(self.mean + z @ self.axes, *LIMITS).reshape(N, N)


def coordinates(options: settings.InversionTimeDomain) -> LayeredCoordinates:
    """The coordinates that the layered models of the config define."""
    rng = np.random.default_rng(MODELS_SEED)
    models = np.stack([velocity.layered(rng, N).ravel() for _ in range(options.models)])
    mean = models.mean(0)
    left, values, right = np.linalg.svd(models - mean, full_matrices=False)
    n = options.components
    scale = np.sqrt(len(models) - 1)
    return LayeredCoordinates(
        mean=mean,
        axes=right[:n] * values[:n, None] / scale,
        examples=left[:, :n] * scale,
        explained=float((values[:n] ** 2).sum() / (values**2).sum()),
    )


class LayeredProblem:
    """Noisy shots of one true model, and the misfit of coordinates to them."""

    def __init__(
        self, frame: LayeredCoordinates, z: np.ndarray, noise: float, rng: np.random.Generator
    ):
        self.frame = frame
        self.true = frame.velocity(z)
        self.mean = torch.tensor(frame.mean, dtype=torch.float32)
        self.axes = torch.tensor(frame.axes, dtype=torch.float32)
        clean = acoustic.shots(torch.tensor(self.true), SURVEY)
        self.sd = noise * float(clean.abs().max())
        draws = torch.tensor(rng.normal(size=clean.shape), dtype=torch.float32)
        self.observed = clean + self.sd * draws

    def misfit(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Misfit over the noise floor, and its gradient, of one model (components,)."""
        z = z.float().requires_grad_()
        free = self.mean + z @ self.axes
        # clamped, but the gradient passes: else models beyond the limits would never come back
        clamped = (free + (free.clamp(*LIMITS) - free).detach()).reshape(N, N)
        value = ((acoustic.shots(clamped, SURVEY) - self.observed) ** 2).mean() / self.sd**2
        return value.detach().double(), torch.autograd.grad(value, z)[0].double()

    def misfits(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """The same of models (points, components)."""
        values, slopes = zip(*(self.misfit(z) for z in points), strict=True)
        return torch.stack(values), torch.stack(slopes)

    def value(self, z: np.ndarray) -> float:
        """Misfit over the noise floor of one model (components,)."""
        return float(self.misfit(torch.tensor(z))[0])

    def error(self, model: np.ndarray) -> float:
        """Velocity error of a model (N, N), root mean square, m/s."""
        return 1000 * float(np.sqrt(((model - self.true) ** 2).mean()))


def sample(options: settings.InversionTimeDomain, seed: int) -> pd.DataFrame:
    """The table LayeredModels: truth, exact lookup, mean model, and samples under two priors.

    The memorized prior is the closed form of a few examples, others in each replicate; the broad
    one is N(0, I) in whitened coordinates. Truths are drawn anew.
    """
    frame = coordinates(options)
    rows = []
    for replicate in range(options.replicates):
        first = replicate * options.examples % (len(frame.examples) - options.examples)
        train = frame.examples[first : first + options.examples]
        z_true = frame.project(velocity.layered(np.random.default_rng(TARGET_SEED + replicate), N))
        rng = generator(seed, "inversion", "time domain", replicate)
        problem = LayeredProblem(frame, z_true, options.noise, rng)
        references = {
            "truth": z_true,
            "lookup": _lookup(problem, train),
            "mean model": np.zeros(options.components),
        }
        models = [(prior, 0, z) for prior, z in references.items()]
        models += _samples(problem, train, options, rng, f"time domain, replicate {replicate}")
        for prior, number, z in models:
            model = frame.velocity(z)
            rows.append(
                {
                    "prior": prior,
                    "replicate": replicate,
                    "sample": number,
                    "misfit": problem.value(z),
                    "error": problem.error(model),
                    "pair_ratio": float(distances.ratios(z[None], train, len(train)).pair[0]),
                    "velocity": 1000 * model.T.ravel(),
                }
            )
    return tables.frame(schema.LayeredModels, rows)


def _lookup(problem: LayeredProblem, train: np.ndarray) -> np.ndarray:
    """The example (components,) with the largest weight in the exact posterior."""
    misfits = np.array([problem.value(z) for z in train])
    weights = posterior.empirical(-0.5 * misfits * problem.observed.numel())
    return train[weights.argmax()]


def _samples(
    problem: LayeredProblem,
    train: np.ndarray,
    options: settings.InversionTimeDomain,
    rng: np.random.Generator,
    title: str,
) -> Iterator[tuple[str, int, np.ndarray]]:
    """Prior, number and coordinates of posterior samples, from the same start noise."""
    schedule = diffusion.linear(options.steps, *NOISE_RATES)
    step = diffusion.DataStep(options.step * np.sqrt(options.components))
    start = torch.tensor(rng.normal(size=(options.samples, options.components)))
    variances = torch.ones(options.components, dtype=torch.float64)
    denoisers = {
        "memorized": diffusion.memorized(torch.tensor(train), schedule),
        "broad": diffusion.gaussian(torch.zeros_like(variances), torch.diag(variances), schedule),
    }
    for prior, denoiser in track(denoisers.items(), title):
        samples = diffusion.guided(denoiser, start, schedule, problem.misfits, step)
        for number, z in enumerate(samples.numpy()):
            yield prior, number, z
