"""Diffusion posterior sampling of full waveform inversion: memorized, trained, Gaussian and broad
priors.
"""

import logging
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from rote.core.job import track
from rote.core.seeds import generator
from rote.models import diffusion
from rote.models.diffusion import Denoiser, Schedule
from rote.papers.inversion import networks, settings
from rote.papers.inversion.fwi import observe, operator
from rote.papers.inversion.library import Library
from rote.papers.inversion.nearness import ratios
from rote.synth import velocity
from rote.theory import posterior
from rote.waves.helmholtz import LEAST, Helmholtz

log = logging.getLogger("rote")
TRAINED = networks.PREDICTIONS
PRIORS = ("memorized", *TRAINED, "gaussian", "broad")
INSIDE, OUTSIDE, EXAMPLE = "mean of three", "held-out", "example"  # true models


class Condition(NamedTuple):
    """What is sampled."""

    examples: int  # of the prior; 0 for those that saw none
    truth: str
    step: float  # length of a data step


def conditions(prior: str, options: settings.Guidance) -> list[Condition]:
    """What a prior is sampled under: the published step everywhere; others for the memorized prior,
    also where the truth is one of its examples, and for the Gaussian one.
    """
    first, *others = options.steps
    small, large = options.sizes[0], options.sizes[-1]
    if prior == "memorized":
        found = [
            Condition(small, INSIDE, first),
            Condition(large, INSIDE, first),
            Condition(small, OUTSIDE, first),
        ]
        return [
            *found,
            Condition(small, INSIDE, others[-1]),
            *(Condition(small, EXAMPLE, s) for s in options.steps),
        ]
    if prior == "gaussian":
        return [
            Condition(0, INSIDE, first),
            Condition(0, OUTSIDE, first),
            Condition(0, INSIDE, others[-1]),
        ]
    if prior == "broad":
        return [Condition(0, truth, first) for truth in (INSIDE, OUTSIDE)]
    inside = [Condition(number, INSIDE, first) for number in options.sizes]
    return [*inside, Condition(small, OUTSIDE, first), Condition(large, OUTSIDE, first)]


class Problem:
    """Noisy data of one true model, and the misfit of standardized models to them."""

    def __init__(
        self,
        acquisition: settings.Acquisition,
        library: Library,
        truth: str,
        replicate: int,
        seed: int,
    ):
        self.forward: Helmholtz = operator(acquisition)
        self.truth, self.center, self.scale = (
            library.truths(replicate)[truth],
            library.center,
            library.scale,
        )
        rng = generator(seed, "inversion", "observed", truth, replicate)
        self.observed, self.sd = observe(self.forward, self.truth, acquisition.noise, rng)
        self.basis = velocity.basis(self.forward.n)
        # what the grid can carry, and what is a model at all; beyond, the gradient is masked
        self.slowest = 0.999 / (LEAST * self.forward.frequency * self.forward.spacing) ** 2

    def misfit(self, z: np.ndarray) -> tuple[float, np.ndarray, float]:
        """Misfit over the noise floor, gradient of Φ per standard deviation (d,), and share of
        cells clipped.
        """
        n = self.forward.n
        m = velocity.slowness(self.center + self.scale * z, n)
        clipped = (m <= velocity.CLIP) | (m > self.slowest)
        value, slope = self.forward.misfit(np.minimum(m, self.slowest), self.observed, self.sd)
        gradient = self.scale * (self.basis.T @ np.where(clipped, 0.0, slope).ravel())
        return value / (self.observed.size / 2), gradient, float(clipped.mean())

    def error(self, coordinates: np.ndarray) -> float:
        """Velocity error of a model (d,), root mean square, km/s."""
        off = velocity.velocity(coordinates, self.forward.n) - velocity.velocity(
            self.truth, self.forward.n
        )
        return float(np.sqrt((off**2).mean()))


def sample(
    prior: str,
    options: settings.Waveform,
    library: Library,
    noise: Schedule,
    weights: Path | None,
    seed: int,
    threads: int = 1,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The tables Samples and Descents of one prior.

    Start noise is the same for every prior, condition by condition, so that comparisons are paired.
    """
    from joblib import Parallel, delayed

    trained = networks.load(weights, library, noise) if weights else None
    samples, descents, dimension = [], [], library.pool.shape[1]
    todo = [
        (c, r)
        for c in conditions(prior, options.guidance)
        for r in range(options.networks.replicates)
    ]
    with Parallel(n_jobs=threads) as pool:
        for condition, replicate in track(todo, f"{prior} prior"):
            problem = Problem(options.acquisition, library, condition.truth, replicate, seed)
            about = {"prior": prior, **condition._asdict(), "replicate": replicate}
            rng = generator(seed, "inversion", "start", condition.truth, replicate)
            start = torch.tensor(
                rng.normal(size=(_number(prior, condition, replicate, options), dimension))
            )
            path, clipped = [], []

            def gradient(points: Tensor, problem=problem, clipped=clipped) -> tuple[Tensor, Tensor]:
                values, slopes, shares = zip(
                    *pool(delayed(problem.misfit)(z) for z in points.numpy()), strict=True
                )
                clipped.append(shares)
                return torch.tensor(values), torch.tensor(np.array(slopes))

            z = diffusion.guided(
                _denoiser(prior, condition.examples, replicate, options, library, noise, trained),
                start,
                noise,
                gradient,
                step=condition.step,
                normalized=options.guidance.normalized,
                full_jacobian=options.guidance.full_jacobian,
                watch=lambda t, clean, misfits, path=path: path.append((t, float(misfits.mean()))),
            )
            share = np.array(clipped).max()
            if share > 0:
                log.info(
                    "%s, replicate %d: up to %.1f %% of cells were clipped",
                    condition,
                    replicate,
                    100 * share,
                )
            found = library.center + library.scale * z.numpy()
            rows = {
                "sample": range(len(found)),
                "misfit": [problem.misfit(one)[0] for one in z.numpy()],
                "error": [problem.error(one) for one in found],
                "clipped": np.array(clipped).mean(0),
                "coordinates": list(found),
            }
            samples.append(pd.DataFrame(about | rows))
            descents.append(pd.DataFrame([about | {"t": t, "misfit": value} for t, value in path]))
    return pd.concat(samples, ignore_index=True), pd.concat(descents, ignore_index=True)


def _number(prior: str, condition: Condition, replicate: int, options: settings.Waveform) -> int:
    """Samples of one condition and training set."""
    guidance = options.guidance
    first = (prior, condition.truth, condition.step, replicate) == (
        "noise",
        INSIDE,
        guidance.steps[0],
        0,
    )
    return max(guidance.samples, guidance.shown) if first else guidance.samples


def _denoiser(
    prior: str,
    examples: int,
    replicate: int,
    options: settings.Waveform,
    library: Library,
    noise: Schedule,
    trained: networks.Trained | None,
) -> Denoiser:
    if trained is not None:
        network = getattr(options.networks, prior)
        return trained.denoiser(
            network, trained.members.index((network.steps, examples, replicate))
        )
    if prior == "memorized":
        return diffusion.memorized(
            torch.tensor(library.standard(library.train[replicate, :examples])), noise
        )
    if prior == "gaussian":
        return networks.gaussian(library, noise)
    one = torch.ones(library.pool.shape[1], dtype=torch.float64)
    return diffusion.gaussian(torch.zeros_like(one), torch.diag(one), noise)


def scores(samples: pd.DataFrame, options: settings.Waveform, library: Library) -> pd.DataFrame:
    """The table Scores: how near every sample is to its replicate's training models, for every size
    of the set.
    """
    rows = []
    names = ["prior", "examples", "truth", "step", "replicate", "sample"]
    for row in samples.itertuples():
        for number in options.guidance.sizes:
            known = library.train[row.replicate, :number]
            published, pair = ratios(row.coordinates[None], known, options.models.neighbors)
            nearest = int(np.linalg.norm(known - row.coordinates, axis=1).argmin())
            key = [getattr(row, name) for name in names]
            rows.append((*key, number, float(published[0]), float(pair[0]), nearest))
    return pd.DataFrame(rows, columns=[*names, "against", "ratio", "pair", "nearest"])


def lookups(options: settings.Waveform, library: Library, seed: int) -> pd.DataFrame:
    """The table Lookups: the exact posterior of the smallest memorized prior; example −1 is the
    constant background.
    """
    rows, number = [], options.guidance.sizes[0]
    background = np.zeros(library.pool.shape[1])
    for truth in (INSIDE, OUTSIDE, EXAMPLE):
        for replicate in range(options.networks.replicates):
            problem = Problem(options.acquisition, library, truth, replicate, seed)
            known = library.train[replicate, :number]
            fits = np.array([problem.misfit(z)[0] for z in library.standard(known)])
            weights = posterior.empirical(-fits * problem.observed.size)
            rows += [
                (
                    truth,
                    replicate,
                    example,
                    float(weights[example]),
                    float(fits[example]),
                    problem.error(model),
                )
                for example, model in enumerate(known)
            ]
            fit = problem.misfit(library.standard(background))[0]
            rows.append((truth, replicate, -1, 0.0, fit, problem.error(background)))
    return pd.DataFrame(
        rows, columns=["truth", "replicate", "example", "weight", "misfit", "error"]
    )
