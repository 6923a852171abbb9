"""Claims about images: digits and label noise, the long tail, coarse and fine classes."""

from itertools import pairwise
from typing import Any

import numpy as np

from rote.ledger import Sample
from rote.papers.resmem.measures import FLIPS, Tables, of_task
from rote.papers.resmem.statistics.samples import (
    arm_rows,
    gain,
    pooled_difference,
    pooled_gain,
)
from rote.papers.resmem.task import INPUTS, LAST, FeatureLayer

TAIL_SIZES = (1000, 4000, 16_000)
FINE_WIDTHS = (2, 4, 8)


def _digits(tables: Tables, features: FeatureLayer, units: int, noise: float = 0.0) -> Sample:
    return pooled_gain(tables, "digits", features, units=units, noise=noise)


def digits_linear(tables: Tables) -> Sample:
    """Gain over a linear base, memory of the pixels."""
    return _digits(tables, INPUTS, 0)


def digits_small(tables: Tables) -> dict[str, Sample]:
    """Gain with 3, 4 and 8 hidden units, memory of the hidden layer."""
    return {f"{units} units": _digits(tables, LAST, units) for units in (3, 4, 8)}


def digits_large(tables: Tables) -> Sample:
    """Gain with 64 units, memory of the hidden layer, minus half the linear base's, of pixels."""
    return pooled_difference(_digits(tables, LAST, 64), _digits(tables, INPUTS, 0), factor=0.5)


def _digits_noises(tables: Tables) -> list[float]:
    noises = of_task(tables["accuracy"], "digits")["noise"]
    return sorted(noises[noises > 0].unique())


def digits_noise(tables: Tables) -> dict[str, Sample]:
    """Gain under label noise, linear base."""
    return {
        f"noise {noise:g}": _digits(tables, INPUTS, 0, noise) for noise in _digits_noises(tables)
    }


def digits_one_neighbor(tables: Tables) -> dict[str, Sample]:
    """Accuracy with one neighbor at T = 1 minus the base's, label noise of at least 0.1, points.

    Shared test examples add at most the sum of the variances of both accuracies, where answers that
    are right are not negatively related.
    """
    samples = {}
    for noise in _digits_noises(tables):
        base = arm_rows(tables, "accuracy", "digits", INPUTS, units=0, noise=noise)
        rows = arm_rows(tables, "sweeps", "digits", INPUTS, units=0, noise=noise)
        rows = rows[(rows["setting"] == "k") & (rows["value"] == 1)].sort_values("replicate")
        accuracies = np.stack(
            [rows["accuracy"].to_numpy(), base.sort_values("replicate")["base"].to_numpy()], axis=1
        )
        mean = accuracies.mean(0)
        variance = float((mean * (1 - mean)).sum()) / base["pool"].iloc[0]
        samples[f"noise {noise:g}"] = Sample(100 * accuracies, 1e4 * variance)
    return samples


def _tail(tables: Tables, examples: int) -> np.ndarray:
    return gain(arm_rows(tables, "accuracy", "longtail", LAST, units=16, examples=examples))


def tail_gain(tables: Tables) -> Sample:
    """Gain on the long tail at 4,000 images, memory of the hidden layer."""
    return Sample(_tail(tables, 4000))


def tail_rises(tables: Tables) -> dict[str, Sample]:
    """Gain at one training size minus that at the next smaller, long tail."""
    return {
        f"n = {small} to {large}": Sample(_tail(tables, large) - _tail(tables, small))
        for small, large in pairwise(TAIL_SIZES)
    }


def tail_is_rare(tables: Tables) -> Sample:
    """Gain on the rarer half minus that on the commoner, 4,000 images, memory of pixels, points."""
    rows = arm_rows(tables, "parts", "longtail", INPUTS, units=16, examples=4000)
    rows = rows[rows["partition"] == "half"].set_index(["part", "replicate"])
    gain = 100 * (rows["resmem"] - rows["base"])
    return Sample((gain["0"] - gain["1"]).to_numpy())


def _fine(tables: Tables, width: int, **fields: Any) -> np.ndarray:
    return gain(arm_rows(tables, "accuracy", "fine", LAST, width=width, **fields))


def fine_gain(tables: Tables) -> dict[str, Sample]:
    """Gain on coarse and fine classes by width, memory of the last layer."""
    return {f"width {width}": Sample(_fine(tables, width)) for width in FINE_WIDTHS}


def fine_falls(tables: Tables) -> dict[str, Sample]:
    """Gain at one width minus that at twice it."""
    return {
        f"width {narrow} to {wide}": Sample(_fine(tables, narrow) - _fine(tables, wide))
        for narrow, wide in pairwise(FINE_WIDTHS)
    }


def fine_rises(tables: Tables) -> Sample:
    """Gain at 8,000 images minus that at 3,000, width 4."""
    return Sample(_fine(tables, 4) - _fine(tables, 4, examples=3000))


def _coarse(tables: Tables, part: str, width: int) -> np.ndarray:
    rows = arm_rows(tables, "parts", "fine", LAST, width=width)
    rows = rows[(rows["partition"] == "coarse") & (rows["part"] == part)]
    return rows.sort_values("replicate")["share"].to_numpy()


def fixed_within(tables: Tables) -> dict[str, Sample]:
    """Share of the errors fixed that were in the right coarse class."""
    return {f"width {width}": Sample(_coarse(tables, "fixed", width)) for width in FINE_WIDTHS}


def no_preference(tables: Tables) -> dict[str, Sample]:
    """That share minus the share of all errors."""
    return {
        f"width {width}": Sample(_coarse(tables, "fixed", width) - _coarse(tables, "wrong", width))
        for width in FINE_WIDTHS
    }


def flips(tables: Tables) -> dict[str, Sample]:
    """Shares of errors fixed and of answers spoiled, coarse and fine classes, last layer."""
    samples = {}
    for width in FINE_WIDTHS:
        rows = arm_rows(tables, "parts", "fine", LAST, width=width)
        rows = rows[rows["partition"] == FLIPS["base"]]
        shares = rows.pivot(index="replicate", columns="part", values="share")
        samples[f"width {width}"] = Sample(shares[["fixed", "broken"]].to_numpy())
    return samples
