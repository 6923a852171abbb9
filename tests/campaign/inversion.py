"""Memorized priors: the published noise network, 51 million parameters, on velocity models."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from rote.invert import distances
from rote.models import diffusion
from rote.papers.inversion import library, networks, settings
from rote.papers.inversion.priors import NOISE

from tests.campaign.record import Clock, Setting, Work, statistic, steps_within, trained


def measure(setting: Setting) -> Iterator[dict[str, Any]]:
    """A stack over two training sets of each size; the share of samples that are memorized."""
    models, options = _options(setting)
    media = library.read(library.synthesize(models), options.standardization)
    schedule = diffusion.schedule("paper", 20 if setting.toy else 200)

    def fit(steps: int) -> networks.TrainedNetworks:
        noise = options.noise.model_copy(update={"steps": steps})
        given = options.model_copy(update={"noise": noise})
        return networks.fit(NOISE, given, media, schedule, 1, networks.Placement(setting.device))

    with Clock(setting, "score networks").running() as clock:
        fit(12 if setting.toy else 60)
        steps = steps_within(clock, 0.6 * setting.seconds, options.noise.steps, 10)
        stack = fit(min(steps, 20) if setting.toy else steps)
    parameters = sum(value[0].numel() for value in stack.parameters.values())
    points = len(stack.members) * options.noise.batch
    work = Work(
        name=f"{len(stack.members)} score networks of {parameters / 1e6:.1f} M parameters",
        flops=6.0 * parameters * points,
        dtype=torch.float32,
        units=points,
        unit="points",
    )
    yield trained(setting, clock, work)
    rates = _memorized(setting, stack, media, options.samples, models.neighbors)
    for examples in options.sizes:
        chosen = [m.examples == examples for m in stack.members]
        yield statistic("memorized samples, share", f"N = {examples}", rates[chosen])


def _memorized(
    setting: Setting,
    stack: networks.TrainedNetworks,
    media: library.Library,
    samples: int,
    neighbors: int,
) -> np.ndarray:
    """Share of each network's samples with d₁/d₂ < 1/3, (members,)."""
    rng = np.random.default_rng(1)
    start = torch.tensor(rng.normal(size=(len(stack.members), samples, media.pool.shape[1])))
    z = diffusion.ddim(stack.denoiser(), start.to(setting.device), stack.schedule).cpu().numpy()
    rates = []
    for member, points in zip(stack.members, z, strict=True):
        drawn = media.scaling(member.examples, member.replicate).restore(points)
        train = media.train[member.replicate, : member.examples]
        pairs = distances.ratios(drawn, train, neighbors).pair
        rates.append(float((pairs < distances.PAIR_THRESHOLD).mean()))
    return np.array(rates)


def _options(setting: Setting) -> tuple[settings.InversionModels, settings.InversionNetworks]:
    if setting.toy:
        models = settings.InversionModels(
            sizes=[10, 30], held_out=20, pool=200, neighbors=5, replicates=2
        )
        noise = settings.InversionNoiseNetwork(width=16, blocks=1, embedding=8, batch=8)
        return models, settings.InversionNetworks(
            sizes=[10, 30], replicates=2, samples=10, standardization="training", noise=noise
        )
    models = settings.InversionModels(sizes=[50, 1000], held_out=20, pool=1000, replicates=2)
    published = settings.InversionNoiseNetwork.SCALES["paper"]
    return models, settings.InversionNetworks(
        sizes=[50, 1000],
        replicates=2,
        samples=256,
        standardization="training",
        noise=settings.InversionNoiseNetwork(**published),
    )
