"""Is a set of samples memorized? Ratios of distances with their nulls, spread and coverage.

For images, velocity models, vectors: each array is a point, distances are Euclidean. No verdict
without a null: how often would examples that nothing generated be called memorized, each beside
all others?
"""

from typing import NamedTuple

import numpy as np
import pandas as pd

from rote.core import reals
from rote.core.errors import InputError
from rote.invert import distances

LEVEL = 0.01  # quantile of the null below which a sample is memorized
AXES = 10  # principal axes, at most, whose variances make the determinant
DRAWS = 200  # of sets of training examples, behind the nulls of spread and coverage


class Memorization(NamedTuple):
    """What samples are beside their training set."""

    samples: pd.DataFrame  # one row per sample: nearest, ratio, pair_ratio, memorized
    summary: pd.DataFrame  # one row per measure: measure, value, null_low, null_high


def measure(
    samples: np.ndarray,
    training: np.ndarray,
    held_out: np.ndarray | None = None,
    *,
    neighbors: int = 50,
    seed: int = 1,
) -> Memorization:
    """Samples beside the training set that they may have been copied from.

    * share with d1/d2 < 1/3: nearer to one example than a third of the way to the next; the null is
      the share of the reference set;
    * share below the 1 % quantile of the reference set's d1 / mean(d2 ... dk); its null is 0.01;
    * share with that ratio below 0.7, as published for velocity models; with that of the reference;
    * log determinant: mean logarithm of the samples' variances along the training set's principal
      axes (at most ten) over the training set's; its null are sets of as many examples;
    * coverage: share of the examples that are nearest to a sample; its null are sets of as many
      examples, each nearest to another one.

    Args:
        samples: (samples, ...), at least two.
        training: (N, ...) of the same shape each, at least three.
        held_out: (H, ...) as the training set but unseen; without them training examples are the
            reference, each beside all others.
        neighbors: k of the ratio; at most N are used.
        seed: of the draws behind the nulls.

    Returns:
        Rows per sample, and the measures with the 95 % range of their nulls.

    Raises:
        InputError: for values that are not finite, other shapes, or too few of them.
    """
    x, y = _points("samples", samples, 2), _points("training", training, 3)
    reference = None if held_out is None else _points("held_out", held_out, 2)
    for name, points in (("samples", x), ("held_out", reference)):
        if points is not None and points.shape[1] != y.shape[1]:
            raise InputError(
                f"{name} have {points.shape[1]} numbers each, training examples {y.shape[1]}"
            )
    if neighbors < 2:
        raise InputError(f"neighbors must be at least 2, given {neighbors}")
    ratios = distances.ratios(x, y, neighbors)
    null = (
        distances.ratios(y, y, neighbors, leave_one_out=True)
        if reference is None
        else distances.ratios(reference, y, neighbors)
    )
    limit = float(np.quantile(null.published, LEVEL))
    nearest = np.array([distances.nearest_model(point, y) for point in x])
    rows = pd.DataFrame(
        {
            "sample": range(len(x)),
            "nearest": nearest,
            "ratio": ratios.published,
            "pair_ratio": ratios.pair,
            "memorized": ratios.published < limit,
        }
    )
    rng = np.random.default_rng(seed)
    shares = (
        ("share with d1/d2 < 1/3", ratios.pair < distances.PAIR_THRESHOLD, null.pair),
        (
            "share with ratio < 0.7",
            ratios.published < distances.PUBLISHED_THRESHOLD,
            null.published,
        ),
    )
    thresholds = (distances.PAIR_THRESHOLD, distances.PUBLISHED_THRESHOLD)
    summary = [
        {"measure": "share below the 1 % quantile of the null", "value": rows["memorized"].mean()}
        | {"null_low": LEVEL, "null_high": LEVEL}
    ]
    for (name, called, of_null), threshold in zip(shares, thresholds, strict=True):
        rate = float((of_null < threshold).mean())
        values = {"value": float(called.mean()), "null_low": rate, "null_high": rate}
        summary.append({"measure": name} | values)
    summary.append({"measure": "log determinant"} | _determinant(x, y, rng))
    summary.append({"measure": "coverage"} | _coverage(nearest, y, len(x), rng))
    return Memorization(rows, pd.DataFrame(summary))


def _points(name: str, values: np.ndarray, minimum: int) -> np.ndarray:
    """Arrays as points, (arrays, numbers)."""
    points = reals.finite(name, values)
    if points.ndim < 2 or len(points) < minimum or not points[0].size:
        raise InputError(
            f"{name} must be arrays along the first axis, at least {minimum}, given shape "
            f"{points.shape}"
        )
    return points.reshape(len(points), -1)


def _range(values: list[float]) -> dict[str, float]:
    low, high = np.quantile(values, [0.025, 0.975], method="inverted_cdf")  # may be −∞
    return {"null_low": float(low), "null_high": float(high)}


def _drawn(examples: int, number: int, rng: np.random.Generator) -> np.ndarray:
    """Numbers of examples, each once if there are enough, (number,)."""
    return rng.choice(examples, number, replace=number > examples)


def _determinant(x: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> dict[str, float]:
    """Mean log ratio of variances along principal axes of the training set, and its null."""
    centered = y - y.mean(0)
    values, axes = np.linalg.svd(centered, full_matrices=False)[1:]
    count = min(AXES, len(x) - 1, len(y) - 1, int((values > 1e-10 * values[0]).sum()))
    if count < 1:
        raise InputError("training examples are all the same")
    projected = centered @ axes[:count].T
    of_training = np.linalg.slogdet(np.atleast_2d(np.cov(projected.T)))[1]

    def relative(points: np.ndarray) -> float:
        sign, logarithm = np.linalg.slogdet(np.atleast_2d(np.cov(points.T)))
        return float((logarithm - of_training) / count) if sign > 0 else -np.inf

    null = [relative(projected[_drawn(len(y), len(x), rng)]) for _ in range(DRAWS)]
    return {"value": relative((x - y.mean(0)) @ axes[:count].T)} | _range(null)


def _coverage(
    nearest: np.ndarray, y: np.ndarray, size: int, rng: np.random.Generator
) -> dict[str, float]:
    """Share of the examples that are nearest to a sample, and its null."""
    others = np.array(
        [distances.nearest_model(point, np.delete(y, n, axis=0)) for n, point in enumerate(y)]
    )
    others = others + (others >= np.arange(len(y)))  # their numbers with the point itself counted
    null = [len(np.unique(others[_drawn(len(y), size, rng)])) / len(y) for _ in range(DRAWS)]
    return {"value": len(np.unique(nearest)) / len(y)} | _range(null)
