"""Posterior samples of a model of one's own by guided diffusion, and what they are worth."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch

from rote.core import fields
from rote.core.errors import InputError
from rote.core.job import track
from rote.core.registry import registered
from rote.core.seeds import generator
from rote.invert import distances, priors, waveform
from rote.models import diffusion
from rote.theory import posterior

# what a prior is, and whether it needs a training set
PRIORS = {"memorized": True, "gaussian": True, "network": True, "broad": False}


@dataclass(frozen=True)
class Options:
    """How the posterior is sampled."""

    prior: str = "broad"  # of `PRIORS`
    samples: int = 8
    steps: int = 200  # of diffusion
    data_step: float = 0.07  # length of a data step per √(d/100), standard deviations
    components: int = 40  # principal components of a training set, at most
    training_steps: int = 3000  # of a network
    background: float = 0.0  # km/s, of the broad prior; 0 takes the true model's mean
    spread: float = 0.2  # km/s, of the broad prior
    seed: int = 1

    def __post_init__(self):
        registered(PRIORS, self.prior, "prior")
        sizes = dict.fromkeys(("samples", "components"), fields.SIZE)
        counts = dict.fromkeys(("steps", "training_steps"), fields.whole(10))
        positive = dict.fromkeys(("data_step", "spread"), fields.POSITIVE)
        not_negative = {"background": fields.NOT_NEGATIVE}
        fields.check(sizes | counts | positive | not_negative, vars(self))


class Inversion(NamedTuple):
    """Posterior samples, with what is known of them."""

    samples: np.ndarray  # (samples, cells in x, cells in depth), km/s
    mean: np.ndarray  # (cells in x, cells in depth), km/s
    spread: np.ndarray  # standard deviation of a cell, km/s; NaN of one sample
    table: pd.DataFrame  # one row per sample: misfit, error, nearest, ratio, pair_ratio, ...
    lookup: pd.DataFrame  # one row per training model: misfit, error, weight; empty without any


def run(
    true: np.ndarray,
    acquisition: waveform.Acquisition,
    options: Options = Options(),
    training: np.ndarray | None = None,
    *,
    same_grid: bool = False,
) -> Inversion:
    """Invert noisy data of a true model under a prior.

    Args:
        true: the true model, (cells in x, cells in depth), km/s.
        acquisition: how it is measured.
        options: of prior and sampling.
        training: models of the prior, (N, cells in x, cells in depth), km/s; samples are compared
            with them under every prior.
        same_grid: make data on the grid that is inverted on.

    Returns:
        Samples, their statistics, and the exact posterior over the training set.

    Raises:
        InputError: for a prior whose training set is missing, models of other shapes, velocities
            that are not positive, positions outside the grid, and a grid that is too coarse.
    """
    true = _velocities("the true model", true, 2)
    if training is not None:
        training = _velocities("the training models", training, 3)
        if training.shape[1:] != true.shape:
            raise InputError(
                f"training models have {training.shape[1:]} cells, the true model {true.shape}"
            )
    elif PRIORS[options.prior]:
        raise InputError(
            f"prior {options.prior} needs training models; give some, or take the prior broad"
        )
    limits = _limits(true, training)
    problem = waveform.problem(
        acquisition,
        true,
        generator(options.seed, "invert", "noise"),
        fastest=limits[1],
        same_grid=same_grid,
    )
    problem.check(np.full(true.shape, limits[0]))
    schedule = diffusion.schedule("zero_snr", options.steps)
    coordinates, denoiser = _prior(true, training, options, limits, schedule)
    z = _sample(problem, coordinates, denoiser, schedule, options)
    models = coordinates.velocity(z)
    spread = models.std(0, ddof=1) if len(models) > 1 else np.full(true.shape, np.nan)
    return Inversion(
        samples=models,
        mean=models.mean(0),
        spread=spread,
        table=_table(models, true, training, problem),
        lookup=_lookup(true, training, problem),
    )


def _velocities(name: str, values: np.ndarray, axes: int) -> np.ndarray:
    v = np.asarray(values, float)
    if v.ndim != axes or not v.size:
        raise InputError(f"{name} must have {axes} axes, given shape {v.shape}")
    if not (np.isfinite(v) & (v > 0)).all():
        raise InputError(f"{name} must have positive and finite velocities in every cell")
    return v


def _limits(true: np.ndarray, training: np.ndarray | None) -> tuple[float, float]:
    """Velocities to which models are clipped: a tenth beyond what is known, km/s."""
    known = [true] if training is None else [true, training]
    return 0.9 * min(float(v.min()) for v in known), 1.1 * max(float(v.max()) for v in known)


def _prior(true, training, options: Options, limits, schedule):
    """Coordinates, and the denoiser of a prior in them."""
    if options.prior == "broad":
        background = options.background or float(true.mean())
        coordinates = priors.broad(true.shape, background, options.spread, limits)
    else:
        coordinates, z = priors.of_training(training, options.components, limits)
        if options.prior == "memorized":
            return coordinates, diffusion.memorized(torch.tensor(z), schedule)
        if options.prior == "network":
            trained = priors.network(z, schedule, options.training_steps, options.seed)
            return coordinates, trained
    d = len(coordinates.axes)
    zero = torch.zeros(d, dtype=torch.float64)
    return coordinates, diffusion.gaussian(zero, torch.diag(zero + 1), schedule)


def _sample(problem, coordinates: priors.Coordinates, denoiser, schedule, options: Options):
    """Guided samples, (samples, d): all of them go their way together."""
    d = len(coordinates.axes)
    rng = generator(options.seed, "invert", "start")
    start = torch.tensor(rng.normal(size=(options.samples, d)))
    steps = iter(track(list(range(schedule.steps)), f"{options.prior} prior"))

    def gradient(points):
        next(steps, None)
        values, slopes = [], []
        for z in points.numpy():
            misfit = problem.misfit(coordinates.velocity(z))
            values.append(misfit.value)
            slopes.append(coordinates.gradient(z, misfit.gradient))
        return torch.tensor(values), torch.tensor(np.array(slopes))

    length = options.data_step * np.sqrt(d / 100) * 200 / schedule.steps
    data_step = diffusion.DataStep(float(length))
    return diffusion.guided(denoiser, start, schedule, gradient, data_step).numpy()


def _error(model: np.ndarray, true: np.ndarray) -> float:
    """Velocity error, root mean square, km/s."""
    return float(np.sqrt(((model - true) ** 2).mean()))


def _table(models, true, training, problem) -> pd.DataFrame:
    """What samples are worth, and how near they are to training models."""
    table = pd.DataFrame(
        {
            "sample": range(len(models)),
            "misfit": [problem.misfit(model).value for model in models],
            "error": [_error(model, true) for model in models],
        }
    )
    if training is None or len(training) < 3:
        return table
    flat = training.reshape(len(training), -1)
    points = models.reshape(len(models), -1)
    ratios = distances.ratios(points, flat, 50)
    null = distances.ratios(flat, flat, 50, leave_one_out=True)
    below = [(null.published <= ratio).mean() for ratio in ratios.published]
    return table.assign(
        nearest=[distances.nearest_model(point, flat) for point in points],
        ratio=ratios.published,
        pair_ratio=ratios.pair,
        null_share=below,
        memorized=ratios.pair < distances.PAIR_THRESHOLD,
        null_rate=float((null.pair < distances.PAIR_THRESHOLD).mean()),
    )


def _lookup(true, training, problem) -> pd.DataFrame:
    """The exact posterior of the empirical prior: misfit and weight of every training model."""
    if training is None:
        return pd.DataFrame({"model": [], "misfit": [], "error": [], "weight": []})
    misfits = np.array([problem.misfit(model).value for model in training])
    return pd.DataFrame(
        {
            "model": range(len(training)),
            "misfit": misfits,
            "error": [_error(model, true) for model in training],
            "weight": posterior.empirical(-misfits * problem.floor),
        }
    )
