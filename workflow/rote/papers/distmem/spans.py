"""Log-probabilities of n-grams from those of the tokens that cover them (Eq. 2)."""

from typing import NamedTuple

import numpy as np
import pandas as pd


class SpanLogprobs(NamedTuple):
    """Log-probabilities of output n-grams.

    Attributes:
        logprobs: (pairs,) nats; NaN where no token covers the n-gram or one has no finite
            log-probability.
        n_uncovered: pairs whose n-gram no token covers.
    """

    logprobs: np.ndarray
    n_uncovered: int


def span_logprobs(
    pairs: pd.DataFrame, scores: pd.DataFrame, *, to_end: bool = False, ignore_zero: bool = False
) -> SpanLogprobs:
    """log P_LLM(s_y | ...) of every pair: the sum over the tokens that overlap its output n-gram.

    Args:
        pairs: columns task, example, start, end (characters of the output).
        scores: rows of OutputScores of one model, true outputs only.
        to_end: sum from the n-gram's first token to the end of the output (the released code).
        ignore_zero: leave tokens of probability 0 (NaN) out of the sum, as Eq. 5 does for the
            infinity-gram; the n-gram has no value only if all its tokens have none.
    """
    examples = pd.MultiIndex.from_frame(scores[["task", "example"]])
    row = examples.get_indexer(pd.MultiIndex.from_frame(pairs[["task", "example"]]))
    sizes = scores["logprobs"].str.len().to_numpy()
    logprobs = np.concatenate(scores["logprobs"].to_list()).astype(float)
    starts = np.concatenate(scores["starts"].to_list()).astype(np.int64)
    ends = np.concatenate(scores["ends"].to_list()).astype(np.int64)
    # tokens of all examples on one line: an example's characters are shifted behind those of the
    # ones before it
    shift = 1 + max(int(ends.max(initial=0)), int(pairs["end"].max()))
    offsets = np.repeat(np.arange(len(scores)), sizes) * shift
    pair_starts = row * shift + pairs["start"].to_numpy()
    pair_ends = row * shift + pairs["end"].to_numpy()
    first = np.searchsorted(offsets + ends, pair_starts, side="right")
    stop = np.searchsorted(offsets + starts, pair_ends, side="left")
    if to_end:
        stop = np.where(stop > first, np.cumsum(sizes)[row], stop)
    n_uncovered = int((stop <= first).sum())
    stop = np.maximum(stop, first)
    is_finite = np.isfinite(logprobs)
    total = np.concatenate([[0.0], np.cumsum(np.where(is_finite, logprobs, 0.0))])
    count = np.concatenate([[0], np.cumsum(is_finite)])
    n_finite = count[stop] - count[first]
    is_valid = n_finite > 0
    if not ignore_zero:
        is_valid &= n_finite == stop - first
    return SpanLogprobs(np.where(is_valid, total[stop] - total[first], np.nan), n_uncovered)
