"""Posterior sampling with acoustic shots in the time domain: layered models, a memorized and a
broad prior.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from rote.core.job import track
from rote.core.seeds import generator
from rote.models import diffusion
from rote.papers.inversion import settings
from rote.papers.inversion.nearness import ratios
from rote.synth import velocity
from rote.theory import posterior
from rote.waves import acoustic

N = 48  # cells along each axis
LIMITS = (1300.0, 4200.0)  # m/s
SURVEY = acoustic.Survey(
    20.0,
    0.002,
    400,
    8.0,
    np.array([[1, x] for x in (4, 17, 30, 43)]),
    np.array([[1, x] for x in range(2, 46, 2)]),
)
MODELS, TARGET = 0, 999  # seeds of the layered models and of the first truth


class Coordinates(NamedTuple):
    """Whitened principal components of layered models."""

    mean: np.ndarray  # (cells,) m/s
    axes: np.ndarray  # (components, cells) m/s per standard deviation
    examples: np.ndarray  # (models, components)
    explained: float  # share of the variance

    def project(self, model: np.ndarray) -> np.ndarray:
        """Coordinates of a model (N, N), least squares."""
        return (self.axes / (self.axes**2).sum(1, keepdims=True)) @ (model.ravel() - self.mean)

    def velocity(self, z: np.ndarray) -> np.ndarray:
        """Velocity of coordinates (components,), held within `LIMITS`, (N, N) in m/s."""
        return np.clip(self.mean + z @ self.axes, *LIMITS).reshape(N, N)


def coordinates(options: settings.TimeDomain) -> Coordinates:
    """Of the models of the config."""
    rng = np.random.default_rng(MODELS)
    models = np.stack([velocity.layered(rng, N).ravel() for _ in range(options.models)])
    mean = models.mean(0)
    left, values, right = np.linalg.svd(models - mean, full_matrices=False)
    most = options.components
    scale = np.sqrt(len(models) - 1)
    explained = float((values[:most] ** 2).sum() / (values**2).sum())
    return Coordinates(
        mean, right[:most] * values[:most, None] / scale, left[:, :most] * scale, explained
    )


def sample(options: settings.TimeDomain, seed: int) -> pd.DataFrame:
    """The table TimeDomain: truth, exact lookup, and posterior samples of a memorized and of a
    broad prior.

    The memorized prior is the closed form of a few examples, others in each replicate; the broad
    one is N(0, I) in whitened coordinates. Truths are drawn anew.
    """
    frame, rows = coordinates(options), []
    noise = diffusion.linear(options.steps, 1e-3, 0.2)
    axes = torch.tensor(frame.axes, dtype=torch.float32)
    mean = torch.tensor(frame.mean, dtype=torch.float32)
    length = options.step * np.sqrt(options.components)
    for replicate in range(options.replicates):
        z_true = frame.project(velocity.layered(np.random.default_rng(TARGET + replicate), N))
        true = frame.velocity(z_true)
        rng = generator(seed, "inversion", "time domain", replicate)
        clean = acoustic.shots(torch.tensor(true), SURVEY)
        sd = options.noise * float(clean.abs().max())
        observed = clean + sd * torch.tensor(rng.normal(size=clean.shape), dtype=torch.float32)

        def misfit(z: Tensor, observed=observed, sd=sd) -> tuple[Tensor, Tensor]:
            """Over the noise floor, and its gradient, of one model (components,)."""
            z = z.float().requires_grad_()
            free = mean + z @ axes
            # clamped, but the gradient passes: else models beyond the limits would never come back
            held = (free + (free.clamp(*LIMITS) - free).detach()).reshape(N, N)
            value = ((acoustic.shots(held, SURVEY) - observed) ** 2).mean() / sd**2
            return value.detach().double(), torch.autograd.grad(value, z)[0].double()

        def each(points: Tensor, misfit=misfit) -> tuple[Tensor, Tensor]:
            values, slopes = zip(*(misfit(z) for z in points), strict=True)
            return torch.stack(values), torch.stack(slopes)

        first = replicate * options.examples % (len(frame.examples) - options.examples)
        known = frame.examples[first : first + options.examples]

        def describe(
            prior: str,
            number: int,
            z: np.ndarray,
            known=known,
            true=true,
            misfit=misfit,
            replicate=replicate,
        ):
            published, pair = ratios(z[None], known, len(known))
            model = frame.velocity(z)
            fit = float(misfit(torch.tensor(z))[0])
            error = float(np.sqrt(((model - true) ** 2).mean()))
            nearest = int(np.linalg.norm(known - z, axis=1).argmin())
            row = (
                prior,
                replicate,
                number,
                fit,
                error,
                float(published[0]),
                float(pair[0]),
                nearest,
                model.ravel(),
            )
            rows.append(row)

        fits = np.array([float(misfit(torch.tensor(z))[0]) for z in known])
        weights = posterior.empirical(-0.5 * fits * observed.numel())
        describe("truth", 0, z_true)
        describe("lookup", 0, known[weights.argmax()])
        describe("mean model", 0, np.zeros(options.components))
        start = torch.tensor(rng.normal(size=(options.samples, options.components)))
        one = torch.ones(options.components, dtype=torch.float64)
        priors = {
            "memorized": diffusion.memorized(torch.tensor(known), noise),
            "broad": diffusion.gaussian(torch.zeros_like(one), torch.diag(one), noise),
        }
        for prior, denoiser in track(priors.items(), f"time domain, replicate {replicate}"):
            found = diffusion.guided(denoiser, start, noise, each, step=length)
            for number, z in enumerate(found.numpy()):
                describe(prior, number, z)
    names = [
        "prior",
        "replicate",
        "sample",
        "misfit",
        "error",
        "ratio",
        "pair",
        "nearest",
        "velocity",
    ]
    return pd.DataFrame(rows, columns=names)
