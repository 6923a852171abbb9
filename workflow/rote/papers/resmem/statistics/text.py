"""Claims about next characters."""

from itertools import pairwise

import numpy as np
import pandas as pd

from rote.ledger import Sample
from rote.papers.resmem.measures import Tables, largest_memory, of_task
from rote.papers.resmem.methods import CLIPPED, HALF_AND_HALF
from rote.papers.resmem.statistics.samples import (
    arm_rows,
    change,
    gain,
    resplit,
    useful,
)
from rote.papers.resmem.task import LAST
from rote.papers.resmem.tasks.text import TASK

UNITS = (16, 64)
LARGE_MEMORY = 20_000  # positions from which a memory is large
TEXT_ROWS = 80_000


def _sizes(tables: Tables) -> list[int]:
    """Positions remembered by the large memories."""
    rows = of_task(tables["accuracy"], TASK.name)["rows"]
    sizes = sorted(rows[rows >= LARGE_MEMORY].unique())
    if not sizes:
        raise KeyError(f"{LARGE_MEMORY:,} positions")
    return sizes


def _remembering(arm: pd.DataFrame, rows: int) -> pd.DataFrame:
    arm = arm[arm["rows"] == rows]
    if arm.empty:
        raise KeyError(f"{rows:,} positions")
    return arm


def _gain(tables: Tables, units: int, rows: int) -> np.ndarray:
    """Points that ResMem gains, (replicates,)."""
    arm = arm_rows(tables, "accuracy", TASK.name, LAST, units=units)
    return gain(_remembering(arm, rows))


def text_gain(tables: Tables) -> dict[str, Sample]:
    """Gain on next characters, 16 units, by positions remembered."""
    return {
        f"{rows:,} positions": resplit(_gain(tables, 16, rows), TASK.split_ratio)
        for rows in _sizes(tables)
    }


def text_rises(tables: Tables) -> dict[str, Sample]:
    """By how much the gain of one memory exceeds that of the next smaller."""
    samples = {}
    for few, many in pairwise(_sizes(tables)):
        for units in UNITS:
            rise = change(_gain(tables, units, many), _gain(tables, units, few))
            samples[f"{units} units, {few:,} to {many:,}"] = resplit(rise, TASK.split_ratio)
    return samples


def text_falls(tables: Tables) -> Sample:
    """By how much the gain of 16 units exceeds that of 64, 80,000 positions."""
    small, large = (_gain(tables, units, TEXT_ROWS) for units in UNITS)
    return resplit(change(small, large), TASK.split_ratio)


def text_nll(tables: Tables) -> Sample:
    """Negative log-probability of clipped scores minus that of the half-and-half mixture.

    16 units, the largest memory, where it helps a trained base.
    """
    rows = largest_memory(arm_rows(tables, "calibration", TASK.name, LAST, units=16))
    nll = rows.pivot(index="replicate", columns="method", values="nll")
    excess = (nll[CLIPPED] - nll[HALF_AND_HALF]).to_numpy()
    helped = useful(largest_memory(arm_rows(tables, "accuracy", TASK.name, LAST, units=16)))
    return resplit(np.where(helped, excess, np.nan), TASK.split_ratio)
