"""What a noise schedule does to samples of closed-form denoisers."""

import logging

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from rote.core import tables
from rote.core.seeds import generator
from rote.models import diffusion
from rote.papers.inversion import schema, settings
from rote.papers.inversion.acquisition import observe, operator
from rote.papers.inversion.library import Library, mean_of_three, spread
from rote.synth import velocity
from rote.theory import posterior

log = logging.getLogger("rote")
EFFECTIVE = 4.0  # examples that share the posterior that tests the exact sampler
MAX_TERMINAL_SIGNAL = 1e-3  # ᾱ at the end of a schedule that ends in noise


def for_training(name: str, steps: int) -> diffusion.Schedule:
    """A schedule by name; warns if it does not end in noise. Raises InputError for other names."""
    schedule = diffusion.schedule(name, steps)
    terminal = float(schedule.alpha_bar[-1])
    if terminal > MAX_TERMINAL_SIGNAL:
        log.warning(
            "schedule %s ends at a signal of %.3g, not in noise: "
            "samples start from what no network saw",
            name,
            terminal,
        )
    return schedule


def effects(options: settings.InversionWaveform, library: Library, seed: int) -> pd.DataFrame:
    """The table ScheduleEffects: one training set per replicate, every schedule, every quantity.

    * variance: along the leading direction, of samples of a Gaussian prior, over the prior's.
    * exact: total variation of the exact posterior sampler's frequencies and the lookup weights,
      likelihoods of full waveform inversion tempered so that `EFFECTIVE` examples share the
      posterior.
    * lookup: the same with the likelihoods as they are, which leave about one example.
    """
    rows = []
    sampling = options.diffusion
    for replicate, train in enumerate(library.train):
        z = torch.tensor((train - train.mean(0)) / spread(train))
        examples = z[: sampling.examples]
        log_weights = log_likelihoods(
            options.acquisition, library, replicate, seed, sampling.examples
        )
        rng = generator(seed, "inversion", "schedules", replicate)
        start = torch.tensor(rng.normal(size=(sampling.samples, z.shape[1])))
        for name in diffusion.SCHEDULES:
            schedule = diffusion.schedule(name, sampling.steps)
            tempered = torch.tensor(temper(log_weights, EFFECTIVE))
            quantities = {
                "variance": _variance(z, start, schedule),
                "exact": _exact(examples, tempered, start, schedule),
                "lookup": _exact(examples, torch.tensor(log_weights), start, schedule),
            }
            for quantity, value in quantities.items():
                rows.append(
                    {
                        "replicate": replicate,
                        "schedule": name,
                        "quantity": quantity,
                        "value": value,
                    }
                )
    return tables.frame(schema.ScheduleEffects, rows)


def log_likelihoods(
    options: settings.InversionAcquisition,
    library: Library,
    replicate: int,
    seed: int,
    examples: int,
) -> np.ndarray:
    """Log-likelihoods of the first training models by full waveform inversion, (examples,).

    Args:
        options: the acquisition.
        library: the velocity models; the truth is the mean of three training models.
        replicate: number of the training set.
        seed: of the data noise.
        examples: training models, from the first on.
    """
    forward = operator(options)
    train = library.train[replicate]
    rng = generator(seed, "inversion", "likelihoods", replicate)
    observed, sd = observe(forward, mean_of_three(train), options.noise, rng)
    data = [forward.data(velocity.slowness(model, forward.n)) for model in train[:examples]]
    # of complex noise with variance sd², half of it in each part
    return np.array([-(np.abs(d - observed) ** 2).sum() / sd**2 for d in data])


def temper(log_weights: np.ndarray, effective: float) -> np.ndarray:
    """Log-weights over the temperature at which this many examples are effective, exp of entropy.

    Args:
        log_weights: (N,), finite.
        effective: number of examples; as many as there are, at most, and at least those that share
            the largest weight.
    """
    centered = log_weights - log_weights.max()
    low, high = -15.0, 15.0  # logarithms of the temperature
    for _ in range(80):
        middle = (low + high) / 2
        weights = posterior.empirical(centered / np.exp(middle))
        low, high = (middle, high) if posterior.effective(weights) < effective else (low, middle)
    return centered / np.exp(high)


def _variance(z: Tensor, start: Tensor, schedule: diffusion.Schedule) -> float:
    covariance = torch.cov(z.T)
    leading = torch.linalg.eigh(covariance)[1][:, -1]
    samples = diffusion.ddim(diffusion.gaussian(z.mean(0), covariance, schedule), start, schedule)
    return float((samples @ leading).var()) / float(leading @ covariance @ leading)


def _exact(
    examples: Tensor, log_weights: Tensor, start: Tensor, schedule: diffusion.Schedule
) -> float:
    denoiser = diffusion.memorized(examples, schedule, log_weights)
    samples = diffusion.ddim(denoiser, start, schedule)
    nearest = torch.cdist(samples, examples).argmin(1).numpy()
    frequencies = np.bincount(nearest, minlength=len(examples)) / len(samples)
    weights = posterior.empirical(log_weights.numpy())
    return 0.5 * float(np.abs(frequencies - weights).sum())
