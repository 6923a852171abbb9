"""The task-gram model of counts, and distributional memorization: how well it ranks a model's
probabilities.

Definitions are the paper's (section 2, Eq. 1-4); the alternatives are what its released code does,
or our own remedies.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from rote.core.errors import InputError

FEWEST = 10  # points that a correlation needs
UNITS, DENOMINATORS = ("pair", "key"), ("occurrences", "documents")


class Memorization(NamedTuple):
    """Mem_n and what was left out on the way to it."""

    rho: float  # Spearman; NaN where `reason` says why
    low: float  # 95 % interval by bootstrap over examples
    high: float
    p: float  # of independent pairs: pairs of one example are not, so read the interval instead
    distance: float  # normalised Kendall distance (1 − τ_b) / 2
    points: int  # pairs (or keys) that the correlation is over
    examples: int
    dropped_zero_input: int  # C(s_x) = 0: the ratio is undefined
    dropped_zero_pair: int  # C(s_x, s_y) = 0: its logarithm is
    dropped_logprob: int  # the model's log-probability is NaN or infinite
    above_one: float  # share of ratios above 1, possible where pairs are counted by documents
    reason: str  # too_few_pairs, constant_counts, constant_logprobs, or empty


def ratio_log(
    counts: Mapping[str, Any] | pd.DataFrame,
    *,
    denominator: str = "occurrences",
    smoothing: float | None = None,
    documents: int | None = None,
) -> np.ndarray:
    """log P_{n,D}(s_y | s_x) = log C(s_x, s_y) − log C(s_x); −inf or NaN where a count is zero.

    Args:
        counts: columns pair_documents, first_occurrences or first_documents, and for smoothing
            second_documents.
        denominator: C(s_x) by `occurrences` (the paper's) or `documents`.
        smoothing: κ of (C(s_x, s_y) + κ df(s_y)/N) / (C(s_x) + κ), our remedy for the selection
            that dropping pairs without a document makes.
        documents: N, for smoothing.

    Raises:
        InputError: for an unknown denominator, or smoothing without a κ > 0 and N.
    """
    if denominator not in DENOMINATORS:
        raise InputError(
            f"denominator must be one of {', '.join(DENOMINATORS)}, given {denominator!r}"
        )
    pair = np.asarray(counts["pair_documents"], float)
    single = np.asarray(counts[f"first_{denominator}"], float)
    if smoothing is not None:
        if not (smoothing > 0 and documents):
            raise InputError(
                f"smoothing needs κ > 0 and the number of documents, given {smoothing} and "
                f"{documents}"
            )
        pair = pair + smoothing * np.asarray(counts["second_documents"], float) / documents
        single = single + smoothing
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.log(
            pair / single
        )  # 1/4 and 2/8 are ties: their quotients are equal; log 1 − log 4 may differ


def memorization(
    counts: Mapping[str, Any] | pd.DataFrame,
    logprobs: Sequence[float] | np.ndarray,
    *,
    examples: Sequence[Any] | None = None,
    keys: Sequence[Any] | None = None,
    unit: str = "pair",
    denominator: str = "occurrences",
    smoothing: float | None = None,
    documents: int | None = None,
    resamples: int = 999,
    seed: int = 0,
    kendall: bool = True,
) -> Memorization:
    """Mem_n (Def. 3): Spearman's ρ of log P_{n,D}(s_y | s_x) with log P_LLM(s_y | s_x), and
    Kendall's distance.

    Args:
        counts: per pair, see `ratio_log`.
        logprobs: per pair, the model's log-probability of s_y.
        examples: per pair, the test example it comes from; the interval resamples these. Default:
            each pair its own.
        keys: per pair, what names its s_y within the example; needed for unit `key`.
        unit: `pair` (the paper's definition), or `key`: one point per (example, s_y), the mean over
            its s_x (the released code).
        denominator, smoothing, documents: see `ratio_log`. Without smoothing, pairs with a count of
            zero are dropped, as in the paper; with it they stay.
        resamples, seed: of the bootstrap over examples. Ranks are those of the whole sample.
        kendall: compute Kendall's distance as well, which takes longest.

    Raises:
        InputError: for columns of different lengths or an unknown unit.
    """
    if unit not in UNITS:
        raise InputError(f"unit must be one of {', '.join(UNITS)}, given {unit!r}")
    score = ratio_log(counts, denominator=denominator, smoothing=smoothing, documents=documents)
    logprobs = np.asarray(logprobs, float)
    groups = np.arange(len(score)) if examples is None else np.asarray(examples)
    if not len(score) == len(logprobs) == len(groups):
        raise InputError(
            f"{len(score)} pairs, {len(logprobs)} log-probabilities and {len(groups)} examples: "
            "must agree"
        )
    single = np.asarray(counts[f"first_{denominator}"], float)
    no_input = (single == 0) & (smoothing is None)
    no_pair = ~no_input & (np.asarray(counts["pair_documents"], float) == 0) & (smoothing is None)
    unscored = ~np.isfinite(logprobs)
    kept = ~(no_input | no_pair | unscored) & np.isfinite(score)
    x, y, groups, above = score[kept], logprobs[kept], groups[kept], score[kept] > 0
    if unit == "key":
        if keys is None:
            raise InputError("unit key needs `keys`, which name each pair's output n-gram")
        frame = pd.DataFrame({"group": groups, "key": np.asarray(keys)[kept], "x": x, "y": y})
        means = frame.groupby(["group", "key"], sort=False).mean().reset_index()
        x, y, groups = (means[name].to_numpy() for name in ("x", "y", "group"))
    rho, low, high, p, distance, reason = correlation(
        x, y, groups, resamples=resamples, seed=seed, kendall=kendall
    )
    return Memorization(
        rho,
        low,
        high,
        p,
        distance,
        len(x),
        len(np.unique(groups)),
        int(no_input.sum()),
        int(no_pair.sum()),
        int(unscored.sum()),
        float(above.mean()) if len(above) else 0.0,
        reason,
    )


def correlation(
    x: np.ndarray,
    y: np.ndarray,
    groups: np.ndarray | None = None,
    *,
    resamples: int = 999,
    seed: int = 0,
    kendall: bool = True,
) -> tuple[float, float, float, float, float, str]:
    """Spearman's ρ, its 95 % interval over groups, p, Kendall's distance, and why they are NaN if
    they are.
    """
    nothing = (math.nan,) * 5
    if len(x) < FEWEST:
        return *nothing, "too_few_pairs"
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        return *nothing, "constant_counts" if np.ptp(x) == 0 else "constant_logprobs"
    rank_x, rank_y = stats.rankdata(x), stats.rankdata(y)
    rho, p = stats.pearsonr(rank_x, rank_y)
    tau = stats.kendalltau(x, y).statistic if kendall else math.nan
    low = high = math.nan
    if resamples:
        group = np.unique(np.arange(len(x)) if groups is None else groups, return_inverse=True)[1]
        number = int(group.max()) + 1
        moments = np.stack(
            [np.ones_like(rank_x), rank_x, rank_y, rank_x**2, rank_y**2, rank_x * rank_y]
        )
        sums = np.stack(
            [np.bincount(group, moment, number) for moment in moments], axis=1
        )  # (groups, 6)
        weights = np.random.default_rng(seed).multinomial(
            number, np.full(number, 1 / number), resamples
        )
        n, a, b, aa, bb, ab = (weights @ sums).T
        with np.errstate(divide="ignore", invalid="ignore"):
            boot = (n * ab - a * b) / np.sqrt((n * aa - a * a) * (n * bb - b * b))
        low, high = (
            np.nanquantile(boot, [0.025, 0.975])
            if np.isfinite(boot).any()
            else (math.nan, math.nan)
        )
    return float(rho), float(low), float(high), float(p), float((1 - tau) / 2), ""


def partial(x: np.ndarray, y: np.ndarray, controls: np.ndarray) -> float:
    """Spearman's partial correlation: ranks of x and y with the ranks of the controls (rows, k)
    regressed out.

    NaN for fewer than ten points, or where nothing is left of x or y.
    """
    if len(x) < FEWEST:
        return math.nan
    ranks = stats.rankdata(np.column_stack([x, y, controls]), axis=0)
    given = np.column_stack([np.ones(len(x)), ranks[:, 2:]])
    left = ranks[:, :2] - given @ np.linalg.lstsq(given, ranks[:, :2], rcond=None)[0]
    spread = left.std(axis=0)
    if (spread < 1e-9 * len(x)).any():
        return math.nan
    return float((left[:, 0] * left[:, 1]).mean() / spread.prod())
