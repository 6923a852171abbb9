"""Logits and embeddings of a task's rows under its bases."""

from typing import Any

import numpy as np
import torch

from rote.core.job import track
from rote.models.classifiers import Parameters, Stack
from rote.papers.resmem import training
from rote.papers.resmem.task import SPLITS, Arrays, BaseArm, ResmemTask, TaskData, array_key


def embeddings(
    task: ResmemTask, options: Any, bases: Arrays, seed: int, device: str = "cpu"
) -> Arrays:
    """Logits and embeddings of every split under every base, by `array_key`.

    Args:
        task: whose bases and data they are of.
        options: its config section.
        bases: weights by arm and name, see `training.bases`.
        seed: of the run.
        device: where networks run.
    """
    arrays: Arrays = {}
    datasets = training.samples(task, options, seed)
    for arm in track(task.distinct_arms(options), f"{task.name}: embeddings"):
        weights = weights_of(arm, bases, device)
        if task.embed:
            replicates = task.embed(options, arm, weights, datasets, device)
        else:
            replicates = embed_splits(task, arm, options, datasets, weights)
        for replicate, splits in enumerate(replicates):
            for split, kinds in splits.items():
                for kind, value in kinds.items():
                    arrays[array_key(arm, replicate, split, kind)] = value
    return arrays


def weights_of(arm: BaseArm, bases: Arrays, device: str = "cpu") -> Parameters:
    """An arm's weights out of those of all arms."""
    prefix = f"{arm.key}/"
    return {
        name.removeprefix(prefix): torch.tensor(value).to(device)
        for name, value in bases.items()
        if name.startswith(prefix)
    }


def embed(
    stack: Stack, weights: Parameters, number: int, x: np.ndarray, batch: int = 1000
) -> Arrays:
    """Logits and embeddings of a network, (n, ...), evaluation mode: `logits`, `last`, maybe `map`.

    Args:
        stack: the networks, one per replicate.
        weights: parameters and running statistics of all networks.
        number: of the network in the stack.
        x: inputs, (n, ...).
        batch: inputs at a time.
    """
    state = {name: value[[number]] for name, value in weights.items()}
    device = next(iter(state.values())).device
    parts: dict[str, list[np.ndarray]] = {}
    with torch.no_grad():
        for start in range(0, len(x), batch):
            inputs = torch.tensor(x[start : start + batch])[None].to(device)
            logits, embeddings = stack.forward(state, inputs, False)
            for name, value in {"logits": logits, **embeddings}.items():
                parts.setdefault(name, []).append(value[0].cpu().numpy())
    return {name: np.concatenate(arrays) for name, arrays in parts.items()}


def embed_splits(
    task: ResmemTask, arm: BaseArm, options: Any, samples: list[TaskData], weights: Parameters
) -> list[dict[str, Arrays]]:
    """Logits and the features of an arm that was trained, by replicate and split.

    Args:
        task: the arm's.
        arm: the base.
        options: the task's config section.
        samples: the data of each replicate.
        weights: parameters and running statistics, a network per replicate.
    """
    stack = training.untrained(task, arm, options, samples, 0)
    kinds = {"logits", *(layer.name for layer in task.features(arm))}
    replicates = []
    for number, data in enumerate(samples):
        splits = {}
        for split in SPLITS:
            arrays = embed(stack, weights, number, data.split(split, arm.examples).x)
            splits[split] = {kind: value for kind, value in arrays.items() if kind in kinds}
        replicates.append(splits)
    return replicates
