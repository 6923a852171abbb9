"""Which priors memorize: their samples and losses, beside closed forms that do and that cannot."""

from collections.abc import Iterator
from functools import cache
from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch

from rote.core import tables
from rote.core.seeds import generator
from rote.invert import distances
from rote.models import diffusion
from rote.models.diffusion import Denoiser, Schedule
from rote.papers.inversion import schema, settings
from rote.papers.inversion.library import Library
from rote.papers.inversion.networks import load
from rote.papers.inversion.priors import GAUSSIAN, MEMORIZED, NOISE, PRIORS, Prediction, PriorInputs

LOSS_POINTS = 64  # noisy points per diffusion time behind a denoising loss


class ScoredPrior(NamedTuple):
    """A prior's samples and denoising losses, with the training set that it is scored against."""

    prior: str
    steps: int  # of its training; 0 without
    examples: int
    replicate: int
    samples: np.ndarray  # coordinates, (samples, d)
    train_loss: float
    held_out_loss: float


def evaluate(
    files: list[Path], options: settings.InversionWaveform, library: Library, seed: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The tables PriorScores and PriorSamples.

    The first says what samples of each prior are, and how well it denoises what it saw and what it
    did not; the second holds samples of networks nearest to different examples of the smallest
    sets. Beside the networks: the closed form of the smallest training sets, and the Gaussian of
    the pool, which saw none of the examples.

    Args:
        files: of networks, see `networks.save`.
        options: the config section.
        library: the velocity models.
        seed: of start noise, and of the points behind the losses.
    """
    noise = options.diffusion
    schedule = diffusion.schedule(noise.schedule, noise.steps)
    neighbors = options.models.neighbors

    @cache
    def null_ratios(examples: int, replicate: int) -> np.ndarray:
        train = library.train[replicate, :examples]
        return distances.ratios(library.held_out[replicate], train, neighbors).published

    scores = []
    nearest = []
    scored = [
        *_networks(files, options.networks, library, schedule, seed),
        *_closed_forms(options.networks, library, schedule, seed),
    ]
    for prior in scored:
        train = library.train[prior.replicate, : prior.examples]
        ratios = distances.ratios(prior.samples, train, neighbors)
        null = null_ratios(prior.examples, prior.replicate)
        scores.append(_score(prior, ratios, null, options.models.threshold))
        if _is_listed(prior, options.networks):
            nearest += _nearest(prior, ratios.published, train)
    return tables.frame(schema.PriorScores, scores), tables.frame(schema.PriorSamples, nearest)


def _score(
    prior: ScoredPrior, ratios: distances.Ratios, null: np.ndarray, threshold: float
) -> dict[str, object]:
    """A row of PriorScores."""
    return {
        "prior": prior.prior,
        "steps": prior.steps,
        "examples": prior.examples,
        "replicate": prior.replicate,
        "pair_rate": float((ratios.pair < distances.PAIR_THRESHOLD).mean()),
        "calibrated_rate": float((ratios.published < float(np.quantile(null, 0.01))).mean()),
        "ratio_rate": float((ratios.published < threshold).mean()),
        "null_rate": float((null < threshold).mean()),
        "train_loss": prior.train_loss,
        "held_out_loss": prior.held_out_loss,
    }


def _is_listed(prior: ScoredPrior, options: settings.InversionNetworks) -> bool:
    """Whether it is a network trained in full on the smallest set."""
    prediction = PRIORS[prior.prior].prediction
    if prediction is None:
        return False
    return (prior.steps, prior.examples) == (prediction.options(options).steps, min(options.sizes))


def _nearest(
    prior: ScoredPrior, published: np.ndarray, train: np.ndarray
) -> list[dict[str, object]]:
    """Rows of PriorSamples."""
    nearest = np.array([distances.nearest_model(model, train) for model in prior.samples])
    return [
        {
            "prior": prior.prior,
            "examples": prior.examples,
            "replicate": prior.replicate,
            "rank": rank,
            "ratio": float(published[sample]),
            "nearest": int(nearest[sample]),
            "coordinates": prior.samples[sample],
        }
        for rank, sample in enumerate(distances.distinct(published, nearest))
    ]


def _networks(
    files: list[Path],
    options: settings.InversionNetworks,
    library: Library,
    schedule: Schedule,
    seed: int,
) -> Iterator[ScoredPrior]:
    """Every network of these files."""
    for file in files:
        trained = load(file, library, schedule)
        prediction = trained.prediction
        denoiser = trained.denoiser()
        rng = generator(seed, "inversion", "prior samples", prediction.name)
        shape = (len(trained.members), options.samples, library.pool.shape[1])
        start = torch.tensor(rng.normal(size=shape))
        standardized = diffusion.ddim(denoiser, start, schedule).numpy()
        samples = []
        train = []
        held_out = []
        for member, z in zip(trained.members, standardized, strict=True):
            scaling = library.scaling(member.examples, member.replicate)
            samples.append(scaling.restore(z))
            train.append(scaling.standardize(library.train[member.replicate, : member.examples]))
            held_out.append(scaling.standardize(library.held_out[member.replicate]))
        train_loss = _losses(denoiser, train, prediction, schedule, rng)
        held_out_loss = _losses(denoiser, held_out, prediction, schedule, rng)
        for number, member in enumerate(trained.members):
            losses = float(train_loss[number]), float(held_out_loss[number])
            yield ScoredPrior(prediction.name, *member, samples[number], *losses)


def _closed_forms(
    options: settings.InversionNetworks, library: Library, schedule: Schedule, seed: int
) -> Iterator[ScoredPrior]:
    """The closed form of the smallest sets, and a Gaussian scored against sets of every size."""
    inputs = PriorInputs(library, schedule)
    smallest = min(options.sizes)
    largest = max(options.sizes)
    forms = (
        (MEMORIZED, "closed form", smallest, [smallest]),
        (GAUSSIAN, "gaussian", largest, options.sizes),
    )
    for replicate, (prior, stream, examples, sizes) in product(range(options.replicates), forms):
        denoiser = prior.denoiser(inputs, examples, replicate)
        rng = generator(seed, "inversion", "prior samples", stream, replicate)
        start = torch.tensor(rng.normal(size=(options.samples, library.pool.shape[1])))
        scaling = library.scaling(examples if prior is MEMORIZED else 0, replicate)
        samples = scaling.restore(diffusion.ddim(denoiser, start, schedule).numpy())
        scored = (library.train[replicate, :examples], library.held_out[replicate])
        losses = [
            float(_losses(_stacked(denoiser), [z], NOISE, schedule, rng)[0])
            for z in map(scaling.standardize, scored)
        ]
        for size in sizes:
            yield ScoredPrior(prior.name, 0, size, replicate, samples, *losses)


def _stacked(denoiser: Denoiser) -> Denoiser:
    """A denoiser as a stack of one."""
    return lambda z, t: denoiser(z[0], t)[None]


def _losses(
    denoiser: Denoiser,
    sets: list[np.ndarray],
    prediction: Prediction,
    schedule: Schedule,
    rng: np.random.Generator,
) -> np.ndarray:
    """Denoising loss of stacked priors, the mean over all diffusion times, (priors,).

    Args:
        denoiser: on points (priors, points, d).
        sets: the standardized models of each prior, (models, d).
        prediction: what the loss is of: the clean point or the noise.
        schedule: of the noise.
        rng: for models and noise.
    """
    z = [torch.tensor(models) for models in sets]
    total = torch.zeros(len(sets), dtype=torch.float64)
    for t in range(schedule.steps):
        clean = torch.stack(
            [models[torch.tensor(rng.integers(len(models), size=LOSS_POINTS))] for models in z]
        )
        noise = torch.tensor(rng.normal(size=clean.shape))
        alpha_bar = schedule.alpha_bar[t]
        noisy = alpha_bar.sqrt() * clean + (1 - alpha_bar).sqrt() * noise
        square = (denoiser(noisy, t) - clean).square().sum(-1).mean(-1)
        total += prediction.loss(square, alpha_bar)
    return (total / schedule.steps).numpy()
