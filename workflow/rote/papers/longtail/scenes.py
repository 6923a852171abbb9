"""Scenes of objects with attributes: does what composes across objects compose within one?

The sum and the cross-channel network of the network track see three coloured objects (rote.synth.
scenes) and predict the sum of their values. Two rare objects in one scene are a combination across
encoders; a rare shape in a rare colour is one within an encoder. Ours, not the paper's.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch

from rote import train
from rote.core import tables
from rote.core.seeds import generator
from rote.models import slots
from rote.papers.longtail import schema, settings
from rote.synth import scenes

EVALUATION_ROWS = 250  # scenes that pass through a stack at once


class SceneSet(NamedTuple):
    """Scenes of every replicate, with their targets."""

    pixels: torch.Tensor  # (replicates, n, 3, inputs)
    targets: torch.Tensor  # (replicates, n)


def compare(options: settings.LongtailScenes, seed: int, device: str = "cpu") -> pd.DataFrame:
    """Losses of every architecture on combinations across and within objects: SceneLosses.

    Args:
        options: sizes, frequencies, schedule.
        seed: of all random streams.
        device: of the training.
    """
    sets = scene_sets(options, seed, device)
    records: list[dict[str, Any]] = []
    for architecture in options.architectures:
        records += _losses(options, architecture, sets, seed)
    return tables.frame(schema.SceneLosses, records)


def scene_sets(
    options: settings.LongtailScenes, seed: int, device: str = "cpu"
) -> dict[str, SceneSet]:
    """The training set and every test set, by name, for all replicates.

    Args:
        options: sizes and frequencies.
        seed: of all random streams.
        device: of the pixels.
    """
    drawn: dict[str, list[scenes.Objects]] = {}
    for replicate in range(options.replicates):
        rng = generator(seed, "longtail", "scenes", replicate)
        rare = scenes.rarities(rng)
        training = scenes.training(options.n, options.zipf, rare, rng)
        rows = training.at(slice(-len(rare.objects.shape), None))
        replicate_sets = {
            scenes.TRAIN: training,
            scenes.ROWS: rows,
            scenes.FRESH: scenes.common(options.test_rows, options.zipf, rng),
            scenes.PAIRS: scenes.pairs(options.test_rows, rare, rng),
            scenes.JOINS: scenes.joins(options.test_rows, rare, rng),
        }
        for name, objects in replicate_sets.items():
            drawn.setdefault(name, []).append(objects)
    return {name: _tensors(parts, options.side, device) for name, parts in drawn.items()}


def _tensors(parts: list[scenes.Objects], side: int, device: str) -> SceneSet:
    pixels = np.stack([scenes.render(objects, side) for objects in parts])
    targets = np.stack([objects.value.sum(1) for objects in parts]).astype(np.float32)
    flat = pixels.reshape(*pixels.shape[:3], -1)
    # black cells and full colours: about mean 0 and deviation 1
    return SceneSet(
        torch.tensor((flat - 0.1) / 0.25, device=device), torch.tensor(targets, device=device)
    )


def _losses(
    options: settings.LongtailScenes, architecture: str, sets: dict[str, SceneSet], seed: int
) -> Iterator[dict[str, Any]]:
    """One network per replicate, trained as one stack and measured on every set."""
    training = sets[scenes.TRAIN]
    replicates = range(options.replicates)
    device = training.pixels.device
    rngs = [generator(seed, "longtail", "scene-init", architecture, r) for r in replicates]
    network = slots.build("mlp", architecture, slots.Sizes(training.pixels.shape[-1]), rngs)
    initial = {name: value.to(device) for name, value in network.parameters.items()}
    samplers = [
        train.EpochSampler(np.ones(options.n, int), seed, "longtail", "scene-order", r)
        for r in replicates
    ]
    model = torch.arange(options.replicates, device=device)[:, None]

    def loss(parameters: dict[str, torch.Tensor], step: int) -> torch.Tensor:  # (models,)
        start = step * options.batch
        rows = np.stack([sampler.batch(start, options.batch) for sampler in samplers])
        picked = torch.tensor(rows, device=device)
        output = network.forward(parameters, training.pixels[model, picked], True)
        return ((output - training.targets[model, picked]) ** 2).mean(1)

    steps = -(-options.epochs * options.n // options.batch)
    optimizer = train.AdamW(steps=steps, learning_rate=options.learning_rate)
    trained = train.fit(initial, loss, optimizer, label=f"scenes, {architecture}")
    for name, scene_set in sets.items():
        for replicate, mse in enumerate(_errors(network, trained, scene_set)):
            yield {
                "architecture": architecture,
                "replicate": replicate,
                "evaluation_set": name,
                "mse": mse,
            }


@torch.no_grad()
def _errors(
    network: slots.Stack, parameters: dict[str, torch.Tensor], scene_set: SceneSet
) -> list[float]:
    """Mean squared error of every network on its scenes, (replicates,)."""
    n = scene_set.targets.shape[1]
    total = torch.zeros(len(scene_set.targets), dtype=torch.float64, device=scene_set.pixels.device)
    for start in range(0, n, EVALUATION_ROWS):
        part = slice(start, start + EVALUATION_ROWS)
        output = network.forward(parameters, scene_set.pixels[:, part], False)
        total += ((output - scene_set.targets[:, part]) ** 2).sum(1, dtype=torch.float64)
    return (total / n).tolist()
