"""Task-gram model of counts; distributional memorization: how well it ranks model probabilities.

Definitions are the paper's (section 2, Eq. 1-4); the alternatives are what its released code does,
or our own remedies.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from rote.core.errors import InputError

MIN_POINTS = 10  # that a correlation needs
MIN_SPREAD = 1e-9  # standard deviation of residual ranks over their number: less is rounding
DENOMINATORS = ("occurrences", "documents")
Counts = Mapping[str, Any] | pd.DataFrame


class Correlation(NamedTuple):
    """Spearman's ρ of two columns."""

    rho: float  # NaN where `reason` says why
    low: float  # 95 % interval by bootstrap over groups, NaN without resamples
    high: float
    distance: float  # normalised Kendall distance (1 − τ_b) / 2, NaN if not asked for
    reason: str  # too_few_pairs, constant_counts, constant_logprobs, or empty


class TaskGramMemorization(NamedTuple):
    """Mem_n and what was left out on the way to it."""

    rho: float  # Spearman; NaN where `reason` says why
    low: float  # 95 % interval by bootstrap over examples
    high: float
    distance: float  # normalised Kendall distance (1 − τ_b) / 2
    points: int  # pairs (or keys) that the correlation is over
    examples: int
    dropped_zero_input: int  # C(s_x) = 0: the ratio is undefined
    dropped_zero_pair: int  # C(s_x, s_y) = 0: its logarithm is
    dropped_logprob: int  # the model's log-probability is NaN or infinite
    above_one: float  # share of ratios above 1, possible where pairs are counted by documents
    reason: str  # too_few_pairs, constant_counts, constant_logprobs, or empty


@dataclass(frozen=True)
class PointUnit:
    """What one point of the correlation is.

    Attributes:
        name: in `Measure`.
        needs_keys: points are means over the pairs of one key.
    """

    name: str
    needs_keys: bool = False


_UNITS = (PointUnit("pair"), PointUnit("key", needs_keys=True))
UNITS: dict[str, PointUnit] = {unit.name: unit for unit in _UNITS}


@dataclass(frozen=True)
class Measure:
    """How memorization is measured; the defaults are the paper's Def. 3.

    Attributes:
        unit: `pair`, or `key`: one point per (example, s_y), the mean over its s_x (the released
            code).
        denominator: C(s_x) by `occurrences` or `documents`.
        smoothing: κ of (C(s_x, s_y) + κ df(s_y)/N) / (C(s_x) + κ), our remedy for the selection
            that dropping pairs without a document makes. None: pairs with a count of zero are
            dropped.
        documents: N, for smoothing.
        resamples: of the bootstrap over examples; ranks are those of the whole sample.
        seed: of the bootstrap.
        kendall: compute Kendall's distance as well, which takes longest.

    Raises:
        InputError: for an unknown unit or denominator, or smoothing without a κ > 0 and N.
    """

    unit: str = "pair"
    denominator: str = "occurrences"
    smoothing: float | None = None
    documents: int | None = None
    resamples: int = 999
    seed: int = 0
    kendall: bool = True

    def __post_init__(self):
        if self.unit not in UNITS:
            raise InputError(f"unit must be one of {', '.join(UNITS)}, given {self.unit!r}")
        if self.denominator not in DENOMINATORS:
            raise InputError(
                f"denominator must be one of {', '.join(DENOMINATORS)}, given {self.denominator!r}"
            )
        if self.smoothing is not None and not (self.smoothing > 0 and self.documents):
            raise InputError(
                "smoothing needs κ > 0 and the number of documents, "
                f"given {self.smoothing} and {self.documents}"
            )


PAPER = Measure()


def ratio_log(counts: Counts, measure: Measure = PAPER) -> np.ndarray:
    """log P_{n,D}(s_y | s_x) = log C(s_x, s_y) − log C(s_x); −inf or NaN where a count is zero.

    Args:
        counts: columns pair_documents, first_occurrences or first_documents, and for smoothing
            second_documents.
        measure: its denominator and smoothing.
    """
    pair = np.asarray(counts["pair_documents"], float)
    single = np.asarray(counts[f"first_{measure.denominator}"], float)
    if measure.smoothing is not None:
        second = np.asarray(counts["second_documents"], float)
        pair = pair + measure.smoothing * second / measure.documents
        single = single + measure.smoothing
    with np.errstate(divide="ignore", invalid="ignore"):
        # not log − log: 1/4 and 2/8 are ties, and only their quotients are surely equal
        return np.log(pair / single)


def memorization(
    counts: Counts,
    logprobs: Sequence[float] | np.ndarray,
    measure: Measure = PAPER,
    *,
    examples: Sequence[Any] | np.ndarray | None = None,
    keys: Sequence[Any] | np.ndarray | None = None,
) -> TaskGramMemorization:
    """Mem_n (Def. 3): Spearman's ρ of log P_{n,D}(s_y | s_x) with log P_LLM(s_y | s_x).

    Args:
        counts: per pair, see `ratio_log`.
        logprobs: per pair, the model's log-probability of s_y.
        measure: how it is measured.
        examples: per pair, the test example it comes from; the interval resamples these. Default:
            each pair its own.
        keys: per pair, what names its s_y within the example; needed for unit `key`.

    Raises:
        InputError: for columns of different lengths, or unit `key` without keys.
    """
    score = ratio_log(counts, measure)
    logprobs = np.asarray(logprobs, float)
    groups = np.arange(len(score)) if examples is None else np.asarray(examples)
    if not len(score) == len(logprobs) == len(groups):
        raise InputError(
            f"{len(score)} pairs, {len(logprobs)} log-probabilities "
            f"and {len(groups)} examples: must agree"
        )
    unit = UNITS[measure.unit]
    if unit.needs_keys and keys is None:
        raise InputError(f"unit {unit.name} needs `keys`, which name each pair's output n-gram")
    drops_zeros = measure.smoothing is None
    single = np.asarray(counts[f"first_{measure.denominator}"], float)
    no_input = (single == 0) & drops_zeros
    no_pair = ~no_input & (np.asarray(counts["pair_documents"], float) == 0) & drops_zeros
    unscored = ~np.isfinite(logprobs)
    valid = ~(no_input | no_pair | unscored) & np.isfinite(score)
    points = pd.DataFrame({"group": groups[valid], "x": score[valid], "y": logprobs[valid]})
    above_one = float((points["x"] > 0).mean()) if len(points) else 0.0
    if unit.needs_keys:
        points = points.assign(key=np.asarray(keys)[valid])
        points = points.groupby(["group", "key"], sort=False).mean().reset_index()
    x, y = points["x"].to_numpy(), points["y"].to_numpy()
    result = correlation(x, y, points["group"].to_numpy(), measure)
    return TaskGramMemorization(
        **result._asdict(),
        points=len(points),
        examples=points["group"].nunique(),
        dropped_zero_input=int(no_input.sum()),
        dropped_zero_pair=int(no_pair.sum()),
        dropped_logprob=int(unscored.sum()),
        above_one=above_one,
    )


def correlation(
    x: np.ndarray, y: np.ndarray, groups: np.ndarray | None = None, measure: Measure = PAPER
) -> Correlation:
    """Spearman's ρ of x and y, or why there is none.

    Args:
        x, y: (points,) corpus and model.
        groups: (points,) what the bootstrap draws; default: each point its own.
        measure: its resamples, seed and kendall.
    """
    if len(x) < MIN_POINTS:
        return undefined("too_few_pairs")
    if np.ptp(x) == 0:
        return undefined("constant_counts")
    if np.ptp(y) == 0:
        return undefined("constant_logprobs")
    from scipy import stats  # here: figures and statistics, which import this module, start without

    rank_x, rank_y = stats.rankdata(x), stats.rankdata(y)
    rho = float(stats.pearsonr(rank_x, rank_y).statistic)
    tau = stats.kendalltau(x, y).statistic if measure.kendall else math.nan
    low, high = math.nan, math.nan
    if measure.resamples:
        groups = np.arange(len(x)) if groups is None else groups
        low, high = _interval(rank_x, rank_y, groups, measure)
    return Correlation(rho=rho, low=low, high=high, distance=float((1 - tau) / 2), reason="")


def undefined(reason: str) -> Correlation:
    """No correlation, and why."""
    return Correlation(rho=math.nan, low=math.nan, high=math.nan, distance=math.nan, reason=reason)


def _interval(
    rank_x: np.ndarray, rank_y: np.ndarray, groups: np.ndarray, measure: Measure
) -> tuple[float, float]:
    """95 % interval of the correlation of the ranks, by bootstrap over groups.

    A resample's correlation follows from sums over its groups: n, Σa, Σb, Σa², Σb², Σab.
    """
    group = np.unique(groups, return_inverse=True)[1]
    size = int(group.max()) + 1
    moments = [np.ones_like(rank_x), rank_x, rank_y, rank_x**2, rank_y**2, rank_x * rank_y]
    sums = np.stack([np.bincount(group, moment, size) for moment in moments], axis=1)
    weights = _resamples(measure.seed, size, measure.resamples)
    n, a, b, aa, bb, ab = (weights @ sums).T
    with np.errstate(divide="ignore", invalid="ignore"):
        resampled = (n * ab - a * b) / np.sqrt((n * aa - a * a) * (n * bb - b * b))
    if not np.isfinite(resampled).any():
        return math.nan, math.nan
    low, high = np.nanquantile(resampled, [0.025, 0.975])
    return float(low), float(high)


@lru_cache(maxsize=8)
def _resamples(seed: int, size: int, number: int) -> np.ndarray:
    """How often each of `size` groups is drawn, (number, size): the same for every model."""
    rng = np.random.default_rng(seed)
    return rng.multinomial(size, np.full(size, 1 / size), number)


def partial(x: np.ndarray, y: np.ndarray, controls: np.ndarray) -> float:
    """Spearman's partial correlation: ranks of the controls are regressed out of those of x and y.

    Args:
        x, y: (points,).
        controls: (points, k).

    Returns:
        NaN for fewer than ten points, or where nothing is left of x or y.
    """
    if len(x) < MIN_POINTS:
        return math.nan
    from scipy import stats

    ranks = stats.rankdata(np.column_stack([x, y, controls]), axis=0)
    design = np.column_stack([np.ones(len(x)), ranks[:, 2:]])
    fitted = design @ np.linalg.lstsq(design, ranks[:, :2], rcond=None)[0]
    residuals = ranks[:, :2] - fitted
    spread = residuals.std(axis=0)
    if (spread < MIN_SPREAD * len(x)).any():
        return math.nan
    return float((residuals[:, 0] * residuals[:, 1]).mean() / spread.prod())
