"""Training of stacked models: one loop, schedules, the order of examples, checkpoints."""

from rote.core import extras

extras.require("rote.train")

from rote.train.graphs import captured
from rote.train.loop import (
    SGD,
    AdamW,
    Checkpoint,
    EpochSampler,
    Parameters,
    Saving,
    cosine,
    fit,
    keep_freed_memory,
    steps_down,
)

__all__ = [
    "SGD",
    "AdamW",
    "Checkpoint",
    "EpochSampler",
    "Parameters",
    "Saving",
    "captured",
    "cosine",
    "fit",
    "keep_freed_memory",
    "steps_down",
]
