"""What tasks share whose bases are networks that are already trained, and taken as they are."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeVar

from rote.core.job import track
from rote.papers.resmem.task import SPLITS, Arrays, BaseArm, TaskData, TaskWork

Item = TypeVar("Item")


def arms(models: Sequence[str], weights: Mapping[str, float], examples: int) -> list[BaseArm]:
    """One arm per network.

    Args:
        models: names of the networks.
        weights: how large each is, roughly, by name.
        examples: rows that a memory may hold.
    """
    return [
        BaseArm(("model",), model=model, weights=weights[model], examples=examples)
        for model in models
    ]


def bases(models: Sequence[str], arrays_of: Callable[[str], Arrays]) -> Arrays:
    """What is stored of every network, by its arm's key and the array's name.

    Args:
        models: names of the networks.
        arrays_of: from a name to the arrays that are stored of that network.
    """
    arrays = {}
    for model in models:
        arm = BaseArm(("model",), model=model)
        for name, value in arrays_of(model).items():
            arrays[f"{arm.key}/{name}"] = value
    return arrays


def batches(items: Sequence[Item], size: int, label: str) -> Iterator[Sequence[Item]]:
    """Parts of up to `size` items, one after the other.

    Args:
        items: what a network is applied to.
        size: items of a part.
        label: names the work in progress lines.
    """
    for start in track(range(0, len(items), size), label):
        yield items[start : start + size]


def by_split(
    samples: Sequence[TaskData], arrays_of: Callable[[TaskData, str], Arrays]
) -> list[dict[str, Arrays]]:
    """What `ResmemTask.embed` returns: arrays by replicate and split.

    Args:
        samples: the data of each replicate.
        arrays_of: from the data of a replicate and the name of a split to its `logits` and `last`.
    """
    replicates = []
    for data in samples:
        replicates.append({split: arrays_of(data, split) for split in SPLITS})
    return replicates


def work(weights: Sequence[float], rows: int) -> TaskWork:
    """Nothing is trained; a forward pass takes two operations per weight.

    Args:
        weights: how large each network is, in multiply-adds per row.
        rows: that every network embeds.
    """
    total = len(weights) * rows
    mean = sum(weights) / len(weights)
    return TaskWork(training=0.0, rows=total, forward=2 * mean * total)
