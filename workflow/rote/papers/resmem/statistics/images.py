"""Claims about images: digits and label noise, the long tail, coarse and fine classes."""

from itertools import pairwise
from typing import Any

import numpy as np

from rote.ledger import Sample
from rote.papers.resmem.measures import FLIPS, Tables, of_task
from rote.papers.resmem.statistics.samples import (
    arm_rows,
    change,
    gain,
    pooled_difference,
    pooled_gain,
    trained,
    useful,
)
from rote.papers.resmem.task import INPUTS, LAST, FeatureLayer

TAIL_SIZES = (1000, 4000, 16_000)
FINE_WIDTHS = (2, 4, 8)
HALF = 0.5  # share of errors in the right coarse class; at random it is 4 of 99


def _digits(tables: Tables, features: FeatureLayer, units: int, noise: float = 0.0) -> Sample:
    return pooled_gain(tables, "digits", features, units=units, noise=noise)


def digits_linear(tables: Tables) -> Sample:
    """Gain over a linear base, memory of the pixels."""
    return _digits(tables, INPUTS, 0)


def digits_small(tables: Tables) -> dict[str, Sample]:
    """Gain with 3, 4 and 8 hidden units, memory of the hidden layer."""
    return {f"{units} units": _digits(tables, LAST, units) for units in (3, 4, 8)}


def digits_large(tables: Tables) -> Sample:
    """Half the linear base's gain, memory of pixels, minus that with 64 units, hidden layer."""
    linear = _digits(tables, INPUTS, 0)
    half = Sample(linear.values / 2, (linear.shared_variance or 0.0) / 4)
    return pooled_difference(half, _digits(tables, LAST, 64))


def _digits_noises(tables: Tables) -> list[float]:
    noises = of_task(tables["accuracy"], "digits")["noise"]
    return sorted(noises[noises > 0].unique())


def digits_noise(tables: Tables) -> dict[str, Sample]:
    """Gain under label noise, linear base."""
    return {
        f"noise {noise:g}": _digits(tables, INPUTS, 0, noise) for noise in _digits_noises(tables)
    }


def digits_one_neighbor(tables: Tables) -> dict[str, Sample]:
    """What one neighbor at T = 1 changes under label noise, at least 0.1, points of accuracy.

    Or, where that is larger, by how much it exceeds what one neighbor changes without noise: a
    memory that spoils answers anyway is no harm of noise. Of trained bases.
    """
    clean = _one_neighbor(tables, 0.0)
    samples = {}
    for noise in _digits_noises(tables):
        changed = _one_neighbor(tables, noise)
        values = np.maximum(changed.values, changed.values - clean.values)
        samples[f"noise {noise:g}"] = Sample(values, changed.shared_variance)
    return samples


def _one_neighbor(tables: Tables, noise: float) -> Sample:
    """Accuracy with one neighbor at T = 1 minus the linear base's, points.

    Shared test examples add at most the sum of the variances of both accuracies, where answers that
    are right are not negatively related.
    """
    base = arm_rows(tables, "accuracy", "digits", INPUTS, units=0, noise=noise)
    base = base.sort_values("replicate")
    rows = arm_rows(tables, "sweeps", "digits", INPUTS, units=0, noise=noise)
    rows = rows[(rows["setting"] == "k") & (rows["value"] == 1)].sort_values("replicate")
    accuracies = np.stack([rows["accuracy"].to_numpy(), base["base"].to_numpy()], axis=1)
    mean = accuracies.mean(0)
    variance = float((mean * (1 - mean)).sum()) / base["pool"].iloc[0]
    points = 100 * (accuracies[:, 0] - accuracies[:, 1])
    return Sample(np.where(trained(base), points, np.nan), 1e4 * variance)


def _tail(tables: Tables, examples: int) -> np.ndarray:
    return gain(arm_rows(tables, "accuracy", "longtail", LAST, units=16, examples=examples))


def tail_gain(tables: Tables) -> Sample:
    """Gain on the long tail at 4,000 images, memory of the hidden layer."""
    return Sample(_tail(tables, 4000))


def tail_rises(tables: Tables) -> dict[str, Sample]:
    """By how much the gain at one training size exceeds that at the next smaller, long tail."""
    return {
        f"n = {small} to {large}": Sample(change(_tail(tables, large), _tail(tables, small)))
        for small, large in pairwise(TAIL_SIZES)
    }


def tail_is_rare(tables: Tables) -> Sample:
    """By how much the gain on the rarer half exceeds that on the commoner, points.

    4,000 images, memory of the pixels, trained bases.
    """
    arm = {"features": INPUTS, "units": 16, "examples": 4000}
    rows = arm_rows(tables, "parts", "longtail", **arm)
    rows = rows[rows["partition"] == "half"]
    points = rows.assign(gain=100 * (rows["resmem"] - rows["base"]))
    halves = points.pivot(index="replicate", columns="part", values="gain")
    values = change(halves["0"].to_numpy(), halves["1"].to_numpy())
    learnt = trained(arm_rows(tables, "accuracy", "longtail", **arm))
    return Sample(np.where(learnt, values, np.nan))


def _fine(tables: Tables, width: int, **fields: Any) -> np.ndarray:
    return gain(arm_rows(tables, "accuracy", "fine", LAST, width=width, **fields))


def fine_gain(tables: Tables) -> dict[str, Sample]:
    """Gain on coarse and fine classes by width, memory of the last layer."""
    return {f"width {width}": Sample(_fine(tables, width)) for width in FINE_WIDTHS}


def fine_falls(tables: Tables) -> dict[str, Sample]:
    """By how much the gain at one width exceeds that at twice it."""
    return {
        f"width {narrow} to {wide}": Sample(change(_fine(tables, narrow), _fine(tables, wide)))
        for narrow, wide in pairwise(FINE_WIDTHS)
    }


def fine_rises(tables: Tables) -> Sample:
    """By how much the gain at 8,000 images exceeds that at 3,000, width 4."""
    return Sample(change(_fine(tables, 4), _fine(tables, 4, examples=3000)))


def _coarse(tables: Tables, part: str, width: int) -> np.ndarray:
    """Share of errors in the right coarse class, where a memory helps a trained base."""
    rows = arm_rows(tables, "parts", "fine", LAST, width=width)
    rows = rows[(rows["partition"] == "coarse") & (rows["part"] == part)]
    shares = rows.sort_values("replicate")["share"].to_numpy()
    helped = useful(arm_rows(tables, "accuracy", "fine", LAST, width=width))
    return np.where(helped, shares, np.nan)


def fixed_within(tables: Tables) -> dict[str, Sample]:
    """Share of the errors fixed that were in the right coarse class."""
    return {f"width {width}": Sample(_coarse(tables, "fixed", width)) for width in FINE_WIDTHS}


def no_preference(tables: Tables) -> dict[str, Sample]:
    """That share minus the share of all errors, where that is more than a half."""
    samples = {}
    for width in FINE_WIDTHS:
        wrong = _coarse(tables, "wrong", width)
        difference = _coarse(tables, "fixed", width) - wrong
        samples[f"width {width}"] = Sample(np.where(wrong > HALF, difference, np.nan))
    return samples


def flips(tables: Tables) -> dict[str, Sample]:
    """Shares of errors fixed and of answers spoiled, coarse and fine classes, last layer.

    Of trained bases.
    """
    samples = {}
    for width in FINE_WIDTHS:
        rows = arm_rows(tables, "parts", "fine", LAST, width=width)
        rows = rows[rows["partition"] == FLIPS["base"]]
        shares = rows.pivot(index="replicate", columns="part", values="share")
        learnt = trained(arm_rows(tables, "accuracy", "fine", LAST, width=width))
        pairs = shares[["fixed", "broken"]].to_numpy()
        samples[f"width {width}"] = Sample(np.where(learnt[:, None], pairs, np.nan))
    return samples
