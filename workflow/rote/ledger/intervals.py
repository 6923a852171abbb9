"""Intervals of the ledger: estimates over replicates with what they leave uncertain."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from scipy import special, stats

from rote.core.errors import InputError


class Sample(NamedTuple):
    """What a statistic returns when a plain array of replicate values is not enough."""

    values: Any  # (replicates,) or (replicates, quantities); NaN rows are dropped and not counted
    # mean quantities (..., quantities) -> (...); None takes the first quantity
    of_means: Callable[[np.ndarray], np.ndarray] | None = None


class Estimate(NamedTuple):
    """An estimate over replicates with its interval; a NaN interval says that there is none."""

    value: float
    low: float
    high: float
    replicates: int  # that have a value


def ratio(means: np.ndarray) -> np.ndarray:
    """Ratio of the first mean quantity to the second, for `Sample.of_means`.

    Args:
        means: (..., quantities).

    Returns:
        (...), NaN where the second quantity is 0.
    """
    denominator = means[..., 1]
    safe = np.where(denominator == 0, 1.0, denominator)
    return np.where(denominator == 0, np.nan, means[..., 0] / safe)


def interval(
    sample: Sample | Any, kind: str = "mean", resamples: int = 9999, seed: int = 0
) -> Estimate:
    """Estimate and 95 % interval of a sample over its replicates.

    `mean` and `median` use the expanded percentile bootstrap over replicates (Hesterberg, What
    Teachers Should Know About the Bootstrap, 2015): the percentiles are widened as Student's t
    widens the normal interval, which a plain percentile interval misses for few replicates. `every`
    is the range of the replicates. Replicates with a NaN quantity are dropped first.

    Args:
        sample: a `Sample`, or an array of replicate values.
        kind: mean, median or every.
        resamples: of the bootstrap.
        seed: of the bootstrap.

    Returns:
        The estimate. Its interval is NaN for the mean or median of one replicate, and where no
        resample has a value; the range of one replicate is that replicate.

    Raises:
        InputError: if no replicate has a value.
    """
    sample = sample if isinstance(sample, Sample) else Sample(sample)
    values = np.asarray(sample.values, dtype=float)
    if values.ndim == 1:
        values = values[:, None]
    values = values[~np.isnan(values).any(axis=1)]
    n = len(values)
    if n == 0:
        raise InputError("No replicate has a value: the run's settings leave nothing to measure.")
    of_means = sample.of_means or (lambda means: means[..., 0])
    if kind == "every":
        replicates = np.asarray(of_means(values), float)
        return Estimate(
            float(replicates.mean()), float(replicates.min()), float(replicates.max()), n
        )
    center = np.mean if kind == "mean" else np.median
    value = float(of_means(center(values, axis=0)))
    no_interval = Estimate(value, math.nan, math.nan, n)
    if n < 2:
        return no_interval
    picks = np.random.default_rng(seed).integers(n, size=(resamples, n))
    boot = np.asarray(of_means(center(values[picks], axis=1)), float)
    tail = special.ndtr(-math.sqrt(n / (n - 1)) * stats.t.ppf(0.975, n - 1))
    if np.isnan(boot).all():
        return no_interval
    low, high = np.nanquantile(boot, [tail, 1 - tail])
    return Estimate(value, float(low), float(high), n)
