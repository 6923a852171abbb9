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
from rote.papers.inversion.library import Library, spread
from rote.theory import posterior

log = logging.getLogger("rote")
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


def effects(options: settings.InversionDiffusion, library: Library, seed: int) -> pd.DataFrame:
    """The table ScheduleEffects: one training set per replicate, every schedule, every quantity.

    * variance: along the leading direction, of samples of a Gaussian prior, over the prior's.
    * exact: total variation of the exact posterior sampler's frequencies and the lookup weights.
    """
    rows = []
    for replicate, train in enumerate(library.train):
        z = torch.tensor((train - train.mean(0)) / spread(train))
        examples = z[: options.examples]
        rng = generator(seed, "inversion", "schedules", replicate)
        log_weights = torch.tensor(rng.normal(scale=2.0, size=len(examples)))
        start = torch.tensor(rng.normal(size=(options.samples, z.shape[1])))
        for name in diffusion.SCHEDULES:
            schedule = diffusion.schedule(name, options.steps)
            quantities = {
                "variance": _variance(z, start, schedule),
                "exact": _exact(examples, log_weights, start, schedule),
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
