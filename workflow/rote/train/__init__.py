"""Training of stacked models: one loop, schedules, the order of examples, checkpoints."""

from rote.core import extras

extras.require("rote.train")

from rote.train.loop import (
    AdamW,
    Checkpoint,
    EpochSampler,
    Parameters,
    Saving,
    cosine,
    fit,
    keep_freed_memory,
)

__all__ = [
    "AdamW",
    "Checkpoint",
    "EpochSampler",
    "Parameters",
    "Saving",
    "cosine",
    "fit",
    "keep_freed_memory",
]
