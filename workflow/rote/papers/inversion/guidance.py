"""Diffusion posterior sampling of full waveform inversion, under every prior."""

import logging
from collections.abc import Callable, Iterable
from itertools import product
from pathlib import Path
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
from rote.models.diffusion import Denoiser
from rote.papers.inversion import networks, schema, settings
from rote.papers.inversion.acquisition import observe, operator
from rote.papers.inversion.library import TRUTHS, Library
from rote.papers.inversion.priors import Condition, Prior, PriorInputs
from rote.synth import velocity
from rote.theory import posterior
from rote.waves.helmholtz import MIN_CELLS_PER_WAVELENGTH, Helmholtz

log = logging.getLogger("rote")


class WaveformMisfit(NamedTuple):
    """Misfit over the noise floor, its gradient, and the share of cells clipped."""

    value: float
    gradient: np.ndarray  # of Φ per standard deviation, (d,)
    clipped: float


class WaveformProblem:
    """Noisy data of one true model, and the misfit of standardized models to them."""

    def __init__(
        self,
        options: settings.InversionAcquisition,
        library: Library,
        truth: str,
        replicate: int,
        seed: int,
        examples: int = 0,
    ):
        self.forward: Helmholtz = operator(options)
        self.true = TRUTHS[truth](library, replicate)
        self.scaling = library.scaling(examples, replicate)
        rng = generator(seed, "inversion", "observed", truth, replicate)
        self.observed, self.sd = observe(self.forward, self.true, options.noise, rng)
        self.basis = velocity.basis(self.forward.n)
        # what the grid can carry; beyond, models are clipped and the gradient is masked
        coarsest = MIN_CELLS_PER_WAVELENGTH * self.forward.frequency * self.forward.spacing
        self.max_squared_slowness = 0.999 / coarsest**2

    def coordinates(self, z: np.ndarray) -> np.ndarray:
        """Coordinates (..., d) of standardized models."""
        return self.scaling.restore(z)

    def misfit(self, z: np.ndarray) -> WaveformMisfit:
        """Of a standardized model (d,)."""
        m = velocity.slowness(self.coordinates(z), self.forward.n)
        clipped = (m <= velocity.MIN_SQUARED_SLOWNESS) | (m > self.max_squared_slowness)
        value, slope = self.forward.misfit(
            np.minimum(m, self.max_squared_slowness), self.observed, self.sd
        )
        gradient = self.scaling.scale * (self.basis.T @ np.where(clipped, 0.0, slope).ravel())
        return WaveformMisfit(value / (self.observed.size / 2), gradient, float(clipped.mean()))

    def error(self, coordinates: np.ndarray) -> float:
        """Velocity error of a model (d,), root mean square, km/s."""
        n = self.forward.n
        difference = velocity.velocity(coordinates, n) - velocity.velocity(self.true, n)
        return float(np.sqrt((difference**2).mean()))


# ---- samples


class GuidanceRun(NamedTuple):
    """What the samples of every condition of one prior share."""

    prior: Prior
    options: settings.InversionWaveform
    inputs: PriorInputs
    seed: int

    def number(self, condition: Condition) -> int:
        """Samples per training set: more where they tell spread and calibration."""
        options = self.options.guidance
        if self.prior.spreads and condition.step == options.steps[0]:
            return max(options.samples, options.ensemble)
        return options.samples

    def denoiser(self, condition: Condition, number: int) -> Denoiser:
        """Of all training sets at once: the points of one set, `number` of them, follow another."""
        replicates = range(self.options.networks.replicates)
        parts = [self.prior.denoiser(self.inputs, condition.examples, r) for r in replicates]

        def denoise(z: Tensor, t: int) -> Tensor:
            split = z.split(number)
            return torch.cat([part(points, t) for part, points in zip(parts, split, strict=True)])

        return denoise


class GuidedSamples(NamedTuple):
    """Posterior samples under one condition, with what was seen on the way."""

    z: np.ndarray  # standardized, (replicates, samples, d)
    path: list[tuple[int, np.ndarray]]  # diffusion time t, each replicate's mean misfit before
    clipped: float  # largest share of cells clipped at one step


def sample(
    prior: Prior,
    options: settings.InversionWaveform,
    library: Library,
    weights: Path | None,
    seed: int,
    threads: int = 1,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The tables PosteriorSamples and MisfitDescents of one prior.

    All samples of a condition, of every training set and its data, go their way together. Start
    noise is the same for every prior, condition by condition, so that comparisons are paired.

    Args:
        prior: an entry of `priors.PRIORS`.
        options: the config section.
        library: the velocity models.
        weights: file of its networks, for priors that have them.
        seed: of noise and start noise.
        threads: that share the samples of a condition.
    """
    from joblib import Parallel, delayed

    schedule = diffusion.schedule(options.diffusion.schedule, options.diffusion.steps)
    trained = networks.load(weights, library, schedule) if weights else None
    run = GuidanceRun(prior, options, PriorInputs(library, schedule, trained), seed)
    conditions = prior.conditions(options.guidance)
    replicates = range(options.networks.replicates)
    samples = []
    descents = []
    with Parallel(n_jobs=threads) as pool:

        def misfits(tasks: Iterable[tuple[WaveformProblem, np.ndarray]]) -> list[WaveformMisfit]:
            return pool(delayed(problem.misfit)(z) for problem, z in tasks)

        for condition in track(conditions, f"{prior.name} prior"):
            problems = [
                WaveformProblem(
                    options.acquisition, library, condition.truth, r, seed, condition.examples
                )
                for r in replicates
            ]
            drawn = _draw(run, problems, condition, misfits)
            if drawn.clipped > 0:
                percent = 100 * drawn.clipped
                log.info("%s: up to %.1f %% of cells were clipped", condition, percent)
            for replicate, (problem, z) in enumerate(zip(problems, drawn.z, strict=True)):
                key = {"prior": prior.name, **condition._asdict(), "replicate": replicate}
                samples.append(sample_rows(problem, z, key))
                descents += [
                    key | {"t": t, "misfit": float(means[replicate])} for t, means in drawn.path
                ]
    frame = pd.concat(samples, ignore_index=True)
    return frame, tables.frame(schema.MisfitDescents, descents)


def sample_rows(problem: WaveformProblem, z: np.ndarray, key: dict[str, object]) -> pd.DataFrame:
    """Rows of PosteriorSamples.

    Args:
        problem: whose data the samples fit.
        z: standardized models, (samples, d).
        key: prior, examples, truth, step and replicate of all of them.
    """
    coordinates = problem.coordinates(z)
    columns = {
        "sample": range(len(z)),
        "misfit": [problem.misfit(model).value for model in z],
        "error": [problem.error(model) for model in coordinates],
        "coordinates": list(coordinates),
    }
    return tables.frame(schema.PosteriorSamples, key | columns)


def _draw(
    run: GuidanceRun,
    problems: list[WaveformProblem],
    condition: Condition,
    misfits: Callable[[Iterable[tuple[WaveformProblem, np.ndarray]]], list[WaveformMisfit]],
) -> GuidedSamples:
    number = run.number(condition)
    size = (number, run.inputs.library.pool.shape[1])
    streams = [("inversion", "start", condition.truth, r) for r in range(len(problems))]
    starts = [generator(run.seed, *stream).normal(size=size) for stream in streams]
    path: list[tuple[int, np.ndarray]] = []
    clipped: list[float] = []

    def gradient(points: Tensor) -> tuple[Tensor, Tensor]:
        repeated = np.repeat(np.arange(len(problems)), number)
        results = misfits((problems[r], z) for r, z in zip(repeated, points.numpy(), strict=True))
        clipped.extend(result.clipped for result in results)
        slopes = np.array([result.gradient for result in results])
        values = torch.tensor([result.value for result in results], dtype=torch.float64)
        return values, torch.tensor(slopes)

    guidance = run.options.guidance
    z = diffusion.guided(
        run.denoiser(condition, number),
        torch.tensor(np.concatenate(starts)),
        run.inputs.schedule,
        gradient,
        diffusion.DataStep(condition.step, guidance.scaling, guidance.full_jacobian),
        watch=lambda t, clean, values: path.append((t, values.reshape(-1, number).mean(1).numpy())),
    )
    return GuidedSamples(z.numpy().reshape(len(problems), *size), path, max(clipped))


# ---- what they are beside the training models and the exact posterior


def scores(
    samples: pd.DataFrame, options: settings.InversionWaveform, library: Library
) -> pd.DataFrame:
    """The table PosteriorScores: every sample beside its replicate's training models.

    Args:
        samples: the table PosteriorSamples.
        options: the config section; training sets of every size in `guidance.sizes`.
        library: the velocity models.
    """
    rows = []
    for row in samples.itertuples():
        key = {name: getattr(row, name) for name in schema.PosteriorSamples.KEY}
        for size in options.guidance.sizes:
            train = library.train[row.replicate, :size]
            ratios = distances.ratios(row.coordinates[None], train, options.models.neighbors)
            score = {
                "reference_examples": size,
                "ratio": float(ratios.published[0]),
                "pair_ratio": float(ratios.pair[0]),
                "nearest": distances.nearest_model(row.coordinates, train),
            }
            rows.append(key | score)
    return tables.frame(schema.PosteriorScores, rows)


def lookups(options: settings.InversionWaveform, library: Library, seed: int) -> pd.DataFrame:
    """The table LookupWeights: the exact posterior of the smallest memorized prior.

    Its example −1 is the constant background, with weight 0.

    Args:
        options: the config section; the prior holds the first `guidance.sizes[0]` models.
        library: the velocity models.
        seed: of the data noise, as in `sample`.
    """
    rows = []
    background = np.zeros(library.pool.shape[1])
    for truth, replicate in product(TRUTHS, range(options.networks.replicates)):
        problem = WaveformProblem(options.acquisition, library, truth, replicate, seed)
        train = library.train[replicate, : options.guidance.sizes[0]]
        models = np.concatenate([train, background[None]])
        misfits = np.array([problem.misfit(z).value for z in library.standardize(models)])
        weights = posterior.empirical(-misfits[:-1] * problem.observed.size)
        columns = {
            "truth": truth,
            "replicate": replicate,
            "example": [*range(len(train)), schema.BACKGROUND_EXAMPLE],
            "weight": [*weights, 0.0],
            "misfit": misfits,
            "error": [problem.error(model) for model in models],
        }
        rows.append(tables.frame(schema.LookupWeights, columns))
    return pd.concat(rows, ignore_index=True)
