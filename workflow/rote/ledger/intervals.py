"""Intervals of the ledger: estimates over replicates with what they leave uncertain.

Each method is exact, or conservative, for the samples that it is declared for (`METHODS`); their
coverage is measured by `rote.ledger.coverage`. Where a method cannot give 95 %, it gives no
interval, and says why.
"""

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from scipy import special

from rote.core.errors import ConfigError, InputError
from rote.ledger.claims import Criterion

CONFIDENCE = 0.95
# spread below which values are one number computed several times, relative to their magnitude
SAME = 1e-12
_CLEAR = 0.999  # confidence at which a ratio's denominator must differ from 0
_UNDERFLOW = 1e-150  # spread whose square is no number
_SMALLEST_P = 1e-12


class NoValueError(InputError):
    """No replicate of a sample has a value."""


class Sample(NamedTuple):
    """What a statistic returns where a plain array of replicate values is not enough.

    Args:
        values: (replicates,) or (replicates, 2), as the claim's method asks; a replicate with NaN
            has no value and is not counted.
        shared_variance: variance that the mean has because all replicates share one test set (see
            `rote.ledger.test_set_variance`), in squared units of the values; None if they share
            none.
    """

    values: Any
    shared_variance: float | None = None


class Estimate(NamedTuple):
    """An estimate over replicates with its interval; a NaN interval says that there is none."""

    value: float
    low: float
    high: float
    replicates: int  # that have a value
    reason: str = ""  # why there is no interval


def _average(values: np.ndarray) -> float:
    return float(values.mean())


def _middle(values: np.ndarray) -> float:
    return float(np.median(values))


def _difference(values: np.ndarray) -> float:
    return float((values[:, 0] - values[:, 1]).mean())


def _spread_of_differences(values: np.ndarray) -> float:
    return float(np.ptp(values[:, 0] - values[:, 1]))


def _quotient(values: np.ndarray) -> float:
    a, b = values.mean(axis=0)
    return float(a / b) if b else math.nan


def _spread_of_ratios(values: np.ndarray) -> float:
    a, b = values.mean(axis=0)
    cross = values[:, 0] * b - values[:, 1] * a
    return float(np.ptp(cross) / max(abs(b), np.finfo(float).tiny))


class Method(NamedTuple):
    """A way from replicate values to an interval.

    `solve(values, confidence, shared_variance)` gives value, low, high; values are finite and at
    least `min_replicates`. `columns` is how many numbers each replicate gives.
    """

    solve: Callable[[np.ndarray, float, float], tuple[float, float, float]]
    columns: int
    min_replicates: int
    says: str
    declared: str  # for which samples
    center: Callable[[np.ndarray], float] = _average  # of too few replicates
    spread: Callable[[np.ndarray], float] = np.ptp  # 0 if all replicates give the same number
    takes_constants: bool = False  # there is an interval where they do


def test_set_variance(differences: Any) -> float:
    """Variance of a mean over replicates that comes from their one test set.

    Args:
        differences: (test examples,): each example's contribution (correct or not, or the
            difference of two arms), averaged over the replicates.

    Raises:
        InputError: for fewer than two examples.
    """
    values = np.asarray(differences, float).ravel()
    if len(values) < 2:
        raise InputError(f"test_set_variance: needs two test examples or more, got {len(values)}")
    return float(values.var(ddof=1) / len(values))


@lru_cache(maxsize=4096)
def _quantile(confidence: float, freedom: float) -> float:
    return float(special.stdtrit(freedom, (1 + confidence) / 2))


def _mean(values: np.ndarray, confidence: float, shared: float) -> tuple[float, float, float]:
    """Student's t; a shared test set adds its variance, degrees of freedom by Satterthwaite."""
    n = len(values)
    center = float(values.mean())
    variance = float(values.var(ddof=1)) / n
    freedom = (n - 1) * (1 + shared / variance) ** 2 if variance else math.inf
    half = _quantile(confidence, freedom) * math.sqrt(variance + shared)
    return center, center - half, center + half


def _paired(values: np.ndarray, confidence: float, shared: float) -> tuple[float, float, float]:
    return _mean(values[:, 0] - values[:, 1], confidence, shared)


def _geometric(values: np.ndarray, confidence: float, shared: float) -> tuple[float, float, float]:
    if (values <= 0).any():
        raise InputError(f"a geometric mean needs values above 0, the smallest is {values.min()}")
    if shared:
        raise InputError("a geometric mean takes no shared_variance: give differences instead")
    center, low, high = _mean(np.log(values), confidence, 0.0)
    with np.errstate(over="ignore"):
        return math.exp(center), float(np.exp(low)), float(np.exp(high))


def _ratio(values: np.ndarray, confidence: float, shared: float) -> tuple[float, float, float]:
    """Fieller's interval; without bounds where the denominator is not clearly different from 0.

    Beside a denominator that is barely so, the interval's two tails are far from equal.
    """
    if shared:
        raise InputError("a ratio of means takes no shared_variance: give differences instead")
    n = len(values)
    a, b = (float(mean) for mean in values.mean(axis=0))
    (var_a, cov), (_, var_b) = np.cov(values.T) / n * _quantile(confidence, n - 1) ** 2
    clear = _quantile(max(confidence, _CLEAR), n - 1) / _quantile(confidence, n - 1)
    if b * b <= var_b * clear**2:
        return (a / b if b else math.nan), -math.inf, math.inf
    middle = a * b - cov
    root = math.sqrt(max(middle**2 - (b * b - var_b) * (a * a - var_a), 0.0))
    return a / b, (middle - root) / (b * b - var_b), (middle + root) / (b * b - var_b)


def _median(values: np.ndarray, confidence: float, shared: float) -> tuple[float, float, float]:
    """The narrowest pair of order statistics, as far from both ends, that covers enough."""
    from scipy import stats  # half a second that no other method needs

    if shared:
        raise InputError("a median takes no shared_variance")
    ordered = np.sort(values)
    n = len(ordered)
    # fewer than `rank` values lie below the median with a probability below the tail's
    rank = int(stats.binom.ppf((1 - confidence) / 2, n, 0.5))
    if rank == 0:
        return float(np.median(ordered)), -math.inf, math.inf
    return float(np.median(ordered)), float(ordered[rank - 1]), float(ordered[n - rank])


def _proportion(values: np.ndarray, confidence: float, shared: float) -> tuple[float, float, float]:
    """Clopper and Pearson's interval with one trial per replicate.

    A replicate of several draws counts as the share of its draws: a share in [0, 1] scatters no
    more than one 0/1 draw of the same mean, so the interval is conservative whatever the
    correlation within the replicate.
    """
    if shared:
        raise InputError("a proportion takes no shared_variance")
    if (values < 0).any() or (values > 1).any():
        raise InputError(f"a proportion needs values in [0, 1], got {values.min()}, {values.max()}")
    n = len(values)
    count = float(values.sum())
    tail = (1 - confidence) / 2
    low = 0.0 if count <= 0 else float(special.betaincinv(count, n - count + 1, tail))
    high = 1.0 if count >= n else float(special.betaincinv(count + 1, n - count, 1 - tail))
    return count / n, low, high


METHODS = {
    "mean": Method(
        _mean,
        1,
        2,
        "Student's t of the mean",
        "means of bell-shaped values, also heavy-tailed; from 5 replicates on of any without skew",
    ),
    "paired": Method(
        _paired,
        2,
        2,
        "Student's t of the mean difference of two arms that share their replicates",
        "bell-shaped differences, also heavy-tailed; from 5 replicates on any without skew",
        center=_difference,
        spread=_spread_of_differences,
    ),
    "geometric": Method(
        _geometric,
        1,
        2,
        "Student's t of the mean logarithm, given as the geometric mean",
        "positive values whose logarithms have no skew",
    ),
    "ratio": Method(
        _ratio,
        2,
        2,
        "Fieller's interval of the ratio of two means",
        "pairs without skew",
        center=_quotient,
        spread=_spread_of_ratios,
    ),
    "median": Method(
        _median,
        1,
        6,
        "order statistics around the median",
        "any values; from 6 replicates on",
        center=_middle,
    ),
    "proportion": Method(
        _proportion,
        1,
        2,
        "Clopper and Pearson's exact interval, one trial per replicate",
        "0 or 1 per replicate, or the share of several draws of one replicate",
        takes_constants=True,
    ),
}


def interval(
    sample: Sample | Any, method: str = "mean", confidence: float = CONFIDENCE
) -> Estimate:
    """Estimate and interval of a sample over its replicates.

    Args:
        sample: a `Sample`, or an array of replicate values; two columns for `paired` and `ratio`.
        method: one of `METHODS`.
        confidence: of the interval, between 0 and 1.

    Returns:
        The estimate; without an interval, and with the reason, where there are too few replicates
        or where they all give the same number.

    Raises:
        InputError: for an unknown method, values that it cannot take, or no value at all.
        ConfigError: for values of another shape.
    """
    if method not in METHODS:
        raise InputError(f"method: unknown {method!r}; allowed: {', '.join(METHODS)}")
    if not 0 < confidence < 1:
        raise InputError(f"confidence: {confidence} is not between 0 and 1")
    chosen = METHODS[method]
    values, shared = _values(sample, method, chosen.columns)
    n = len(values)
    if n < chosen.min_replicates:
        reason = f"{n} replicates; {method} needs {chosen.min_replicates}."
        return Estimate(chosen.center(values), math.nan, math.nan, n, reason)
    value, low, high = chosen.solve(values, confidence, shared)
    if not chosen.takes_constants and not shared and _one_number(values, chosen):
        reason = f"All {n} replicates give the same number: they leave no spread to judge by."
        return Estimate(value, math.nan, math.nan, n, reason)
    return Estimate(value, low, high, n)


def _values(sample: Sample | Any, method: str, columns: int) -> tuple[np.ndarray, float]:
    """Replicates that have a value, and the variance that they share.

    Raises:
        NoValueError: if no replicate has a value.
        InputError: for infinite values.
        ConfigError: for values of another shape.
    """
    sample = sample if isinstance(sample, Sample) else Sample(sample)
    values = np.asarray(sample.values, dtype=float)
    shape = "(replicates,)" if columns == 1 else f"(replicates, {columns})"
    if columns == 1 and values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim != min(columns, 2) or (columns > 1 and values.shape[1] != columns):
        raise ConfigError(f"values: {method} takes {shape}, got {values.shape}")
    missing = np.isnan(values) if columns == 1 else np.isnan(values).any(axis=1)
    values = values[~missing]
    if len(values) == 0:
        raise NoValueError("No replicate has a value: the run's settings leave nothing to measure.")
    if np.isinf(values).any():
        raise InputError("values: an infinite value has no interval")
    shared = sample.shared_variance or 0.0
    if not 0 <= shared < math.inf:
        raise InputError(f"shared_variance: {shared} is not a variance")
    return values, shared


def _one_number(values: np.ndarray, method: Method) -> bool:
    """Whether the replicates differ by rounding alone."""
    return bool(method.spread(values) <= SAME * np.abs(values).max() + _UNDERFLOW)


def p_value(sample: Sample | Any, method: str, rule: Criterion) -> float:
    """One-sided p-value that a sample gives against a criterion not being met.

    The tail left out by the widest interval that still lies inside the criterion; so a claim is
    reproduced exactly where this is at most 2.5 %.

    Args:
        sample: see `interval`.
        method: one of `METHODS`.
        rule: the criterion.

    Returns:
        Between 1e-12 and 0.5; 1 where not even the estimate lies inside, or without an interval.
    """
    estimate = interval(sample, method)
    if estimate.reason or not rule.holds(estimate.value):
        return 1.0

    def outside(log_tail: float) -> float:
        widened = interval(sample, method, 1 - 2 * 10**log_tail)
        return -1.0 if rule.verdict(widened.low, widened.high) == "reproduced" else 1.0

    smallest = math.log10(_SMALLEST_P)
    largest = math.log10(0.499)
    if outside(smallest) < 0:
        return _SMALLEST_P
    if outside(largest) > 0:
        return 0.5
    from scipy import optimize

    return 10 ** optimize.bisect(outside, smallest, largest, xtol=1e-4)
