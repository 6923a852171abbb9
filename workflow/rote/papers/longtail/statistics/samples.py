"""Samples that several claims share."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from rote.ledger import Sample, ratio

Tables = Mapping[str, pd.DataFrame]


def ratio_of(above: np.ndarray, below: np.ndarray) -> Sample:
    """Ratio of two mean quantities, each (replicates,)."""
    return Sample(np.stack([above, below], 1), ratio)


def ratio_of_ratios(quantities: Sequence[np.ndarray]) -> Sample:
    """(a / b) / (c / d) of four mean quantities a, b, c, d, each (replicates,)."""
    return Sample(np.stack(list(quantities), 1), _double_ratio)


def _double_ratio(means: np.ndarray) -> np.ndarray:
    return (means[..., 0] / means[..., 1]) / (means[..., 2] / means[..., 3])


def smallest_rise(wide: pd.DataFrame) -> Sample:
    """The smallest rise between neighboring columns of mean quantities, (replicates, columns)."""
    return Sample(wide, lambda means: np.diff(means, axis=-1).min(axis=-1))
