"""Claims about next characters."""

import numpy as np
import pandas as pd

from rote.ledger import Sample
from rote.papers.resmem.measures import Tables
from rote.papers.resmem.statistics.samples import arm_rows, gain
from rote.papers.resmem.task import LAST

TEXT_ROWS = (20_000, 80_000)


def _text(tables: Tables, units: int, rows: int) -> np.ndarray:
    arm = arm_rows(tables, "accuracy", "text", LAST, units=units)
    return gain(_remembering(arm, rows))


def _remembering(arm: pd.DataFrame, rows: int) -> pd.DataFrame:
    arm = arm[arm["rows"] == rows]
    if arm.empty:
        raise KeyError(f"{rows:,} positions")
    return arm


def text_gain(tables: Tables) -> dict[str, Sample]:
    """Gain on next characters, 16 units, by positions remembered."""
    return {f"{rows:,} positions": Sample(_text(tables, 16, rows)) for rows in TEXT_ROWS}


def text_rises(tables: Tables) -> dict[str, Sample]:
    """Gain with 80,000 positions minus that with 20,000."""
    few, many = TEXT_ROWS
    return {
        f"{units} units": Sample(_text(tables, units, many) - _text(tables, units, few))
        for units in (16, 64)
    }


def text_falls(tables: Tables) -> Sample:
    """Gain of 16 units minus that of 64, 80,000 positions."""
    return Sample(_text(tables, 16, max(TEXT_ROWS)) - _text(tables, 64, max(TEXT_ROWS)))


def text_nll(tables: Tables) -> Sample:
    """Negative log-probability of clipped scores minus that of the half-and-half mixture.

    16 units, all positions.
    """
    arm = arm_rows(tables, "calibration", "text", LAST, units=16)
    rows = _remembering(arm, max(TEXT_ROWS))
    nll = rows.pivot(index="replicate", columns="method", values="nll")
    return Sample((nll["ResMem, clipped"] - nll["half and half"]).to_numpy())
