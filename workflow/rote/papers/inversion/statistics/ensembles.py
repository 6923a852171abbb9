"""Claims about many posterior samples of one data set: spread, fit and calibration.

Samples of one data set share its truth and noise, so each data set gives one value: intervals over
data sets are those of clusters.
"""

from collections.abc import Callable
from itertools import pairwise, product

import numpy as np
import pandas as pd

from rote.papers.inversion.library import INSIDE, OUTSIDE, mean_of_three
from rote.papers.inversion.statistics.selection import Tables, Values, select
from rote.synth import velocity

PUBLISHED_STEP = 0.07  # length of a data step
CELLS = 40  # along each axis, of the velocity models behind spread and error
LEVELS = (0.5, 0.9)  # of intervals between samples

# ---- from tables


def _samples(tables: Tables, prior: str, size: int, truth: str) -> pd.DataFrame:
    return select(
        tables, "samples", prior=prior, examples=size, truth=truth, step=PUBLISHED_STEP
    ).sort_values(["replicate", "sample"])


def _ensembles(tables: Tables, prior: str, size: int, truth: str) -> dict[int, np.ndarray]:
    """Coordinates of the samples of every data set, (samples, d)."""
    rows = _samples(tables, prior, size, truth)
    return {
        int(replicate): np.stack(group["coordinates"].to_list())
        for replicate, group in rows.groupby("replicate")
    }


def _truths(tables: Tables, truth: str) -> dict[int, np.ndarray]:
    """Coordinates of the true model of every data set, (d,)."""
    name = {INSIDE: "training", OUTSIDE: "target"}[truth]
    models = tables["library"]
    truths = {}
    for replicate, rows in models[models["set"] == name].groupby("replicate"):
        coordinates = np.stack(rows.sort_values("model")["coordinates"].to_list())
        truths[int(replicate)] = mean_of_three(coordinates) if truth == INSIDE else coordinates[0]
    return truths


def _sizes(tables: Tables, prior: str) -> list[int]:
    """N of the priors that were sampled, rising."""
    rows = select(tables, "samples", prior=prior, truth=INSIDE, step=PUBLISHED_STEP)
    return sorted(int(size) for size in rows["examples"].unique())


# ---- what falls with the number of training models


def _falls(tables: Tables, measure: Callable[[int], np.ndarray]) -> Values:
    """A measure of noise-predicting networks at one N over that at the next smaller."""
    by_size = {size: measure(size) for size in _sizes(tables, "noise")}
    return {
        f"N = {small} to {large}": by_size[large] / by_size[small]
        for small, large in pairwise(by_size)
    }


def mean_spread(tables: Tables, prior: str, size: int, truth: str) -> np.ndarray:
    """Standard deviation of the velocity, root mean square over cells, by data set, km/s.

    Args:
        tables: samples.
        prior: its name.
        size: N of its training set; 0 without one.
        truth: name of the true model.
    """
    groups = _ensembles(tables, prior, size, truth).values()
    # mean squares: unbiased, however many samples from two on
    return np.array(
        [
            np.sqrt(velocity.velocity(z, CELLS).var(0, ddof=1).mean()) if len(z) > 1 else np.nan
            for z in groups
        ]
    )


def misfit(tables: Tables, prior: str, size: int) -> np.ndarray:
    """Median misfit over the noise floor, truth within the hull, by data set.

    Args:
        tables: samples.
        prior: its name.
        size: N of its training set.
    """
    return _samples(tables, prior, size, INSIDE).groupby("replicate")["misfit"].median().to_numpy()


def error(tables: Tables, prior: str, size: int) -> np.ndarray:
    """Velocity error of the posterior mean, root mean square over cells, by data set, km/s.

    Args:
        tables: samples and library; the truth lies within the hull.
        prior: its name.
        size: N of its training set.
    """
    truths = _truths(tables, INSIDE)
    errors = []
    for replicate, z in _ensembles(tables, prior, size, INSIDE).items():
        mean = velocity.velocity(z, CELLS).mean(0)
        errors.append(np.sqrt(((mean - velocity.velocity(truths[replicate], CELLS)) ** 2).mean()))
    return np.array(errors)


def spread_falls(tables: Tables) -> Values:
    """Spread of posterior samples at one N over that at the next smaller, noise networks."""
    return _falls(tables, lambda size: mean_spread(tables, "noise", size, INSIDE))


def misfit_falls(tables: Tables) -> Values:
    """The same of their misfit."""
    return _falls(tables, lambda size: misfit(tables, "noise", size))


def error_falls(tables: Tables) -> Values:
    """The same of the velocity error of their mean."""
    return _falls(tables, lambda size: error(tables, "noise", size))


# ---- beside posteriors without diffusion


def guidance_fits(tables: Tables) -> Values:
    """Median misfit of guided samples over that of randomized maximum likelihood, by truth.

    Both under the Gaussian of the pool, for the same data.
    """
    ratios = {}
    for truth in (INSIDE, OUTSIDE):
        guided, exact = (
            _samples(tables, prior, 0, truth).groupby("replicate")["misfit"].median().to_numpy()
            for prior in ("gaussian", "rml")
        )
        ratios[truth] = guided / exact
    return ratios


def guidance_spreads(tables: Tables) -> Values:
    """Mean velocity spread of guided samples over that of randomized maximum likelihood."""
    ratios = {}
    for truth in (INSIDE, OUTSIDE):
        guided, exact = (mean_spread(tables, prior, 0, truth) for prior in ("gaussian", "rml"))
        ratios[truth] = guided / exact
    return ratios


# ---- calibration


def covered(ranks: np.ndarray, samples: int, level: float) -> np.ndarray:
    """Share of each rank's cell that lies in the central interval of a level, (...,).

    A rank r among S samples stands for the cell [r, r + 1] / (S + 1) of probability; cells that
    the interval cuts count in part. Of a calibrated posterior the mean is the level, for every S.

    Args:
        ranks: number of samples below the truth, 0 to S.
        samples: S.
        level: probability of the central interval, in (0, 1).
    """
    low, high = (1 - level) / 2 * (samples + 1), (1 + level) / 2 * (samples + 1)
    return np.clip(np.minimum(ranks + 1, high) - np.maximum(ranks, low), 0, 1)


def _ranks(tables: Tables, prior: str, size: int, truth: str) -> list[tuple[np.ndarray, int]]:
    """Ranks of the true coordinates among the samples, and how many there are, by data set."""
    truths = _truths(tables, truth)
    return [
        ((z < truths[replicate]).sum(0), len(z))
        for replicate, z in _ensembles(tables, prior, size, truth).items()
    ]


def _coverage(tables: Tables, prior: str, size: int, truth: str, level: float) -> np.ndarray:
    """Share of coordinates that the central interval of a level covers, by data set."""
    ranked = _ranks(tables, prior, size, truth)
    return np.array([covered(ranks, samples, level).mean() for ranks, samples in ranked])


def overdispersed(tables: Tables) -> Values:
    """Share of coordinates within 50 % intervals of noise networks, truth within the hull."""
    return {
        f"N = {size}": _coverage(tables, "noise", size, INSIDE, 0.5)
        for size in _sizes(tables, "noise")
    }


def coverage_held_out(tables: Tables) -> Values:
    """Share of coordinates covered minus the level, Gaussian prior, held-out truth."""
    return {
        f"{100 * level:g} % intervals": _coverage(tables, "gaussian", 0, OUTSIDE, level) - level
        for level in LEVELS
    }


def ranks_narrow(tables: Tables) -> Values:
    """Mean squared rank from the middle over that of flat histograms, held-out truth.

    Below 1 the truth lies in the middle of samples that spread too far, above 1 beyond samples
    that spread too little.
    """
    values = {}
    largest = _sizes(tables, "noise")[-1]
    for prior, size in (("noise", largest), ("gaussian", 0)):
        ranked = _ranks(tables, prior, size, OUTSIDE)
        squares = []
        for ranks, samples in ranked:
            flat = np.arange(samples + 1) - samples / 2
            squares.append(((ranks - samples / 2) ** 2).mean() / (flat**2).mean())
        values[f"{prior}, N = {size}" if size else prior] = np.array(squares)
    return values


def histograms(tables: Tables, truth: str, bins: int = 10) -> dict[tuple[str, int], np.ndarray]:
    """Rank histograms by prior and N, all data sets and coordinates together, shares (bins,).

    Args:
        tables: samples and library.
        truth: name of the true model.
        bins: of equal probability; ranks between two of them count in both, in part.
    """
    keys = select(tables, "samples", truth=truth, step=PUBLISHED_STEP)
    shares = {}
    for prior, size in product(*(keys[column].unique() for column in ("prior", "examples"))):
        if not ((keys["prior"] == prior) & (keys["examples"] == size)).any():
            continue
        total = np.zeros(bins)
        for ranks, samples in _ranks(tables, prior, int(size), truth):
            edges = np.linspace(0, samples + 1, bins + 1)
            overlap = np.minimum(ranks[:, None] + 1, edges[1:]) - np.maximum(
                ranks[:, None], edges[:-1]
            )
            total += np.clip(overlap, 0, 1).sum(0)
        shares[str(prior), int(size)] = total / total.sum()
    return shares
