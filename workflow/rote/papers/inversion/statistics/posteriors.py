"""Claims about posterior samples: of full waveform inversion, and in the time domain."""

from itertools import product

import numpy as np
import pandas as pd

from rote.invert.distances import PAIR_THRESHOLD, PUBLISHED_THRESHOLD
from rote.papers.inversion.library import EXAMPLE, INSIDE, OUTSIDE, TRUE_EXAMPLE
from rote.papers.inversion.statistics.selection import (
    Tables,
    Values,
    select,
    superiority,
)

PUBLISHED_STEP = 0.07  # length of a data step
LARGE_STEP = 0.5
PUBLISHED_SAMPLES = 256  # read off published panels
PUBLISHED_MEMORIZED = {50: 256, 200: 146, 1000: 13}  # of them below the threshold, by N
PUBLISHED_WITHIN = {50: 0.05, 200: 0.2, 1000: 0.1}  # tolerances of their shares, by N
# priors that do not memorize, with the N of their networks (0: none) and of what samples are
# compared with
FREE = (
    ("clean", 1000, 1000),
    ("noise", 50, 50),
    ("noise", 1000, 1000),
    ("gaussian", 0, 1000),
    ("broad", 0, 1000),
)


def _mean(rows: pd.DataFrame, values: pd.Series) -> np.ndarray:
    """One value per training set: the mean over its samples."""
    return values.astype(float).groupby(rows["replicate"]).mean().to_numpy()


def _scores(
    tables: Tables, prior: str, size: int, truth: str, step: float = PUBLISHED_STEP
) -> pd.DataFrame:
    """Samples under a prior trained on N models (0: none), beside every training set."""
    return select(tables, "scores", prior=prior, examples=size, truth=truth, step=step)


def _pair_rate(rows: pd.DataFrame) -> np.ndarray:
    """Share of samples with d₁/d₂ < 1/3."""
    return _mean(rows, rows["pair_ratio"] < PAIR_THRESHOLD)


def _published_rate(rows: pd.DataFrame) -> np.ndarray:
    """Share of samples with the published ratio below its threshold."""
    return _mean(rows, rows["ratio"] < PUBLISHED_THRESHOLD)


def _compared_with(rows: pd.DataFrame, size: int) -> pd.DataFrame:
    """Samples beside the training set of one size."""
    return rows[rows["reference_examples"] == size]


def _collapsed(tables: Tables, prior: str, truth: str) -> np.ndarray:
    """Share of samples with d₁/d₂ < 1/3, prior of 50 models."""
    return _pair_rate(_compared_with(_scores(tables, prior, 50, truth), 50))


def sampling_collapse(tables: Tables) -> Values:
    """Share of posterior samples with d₁/d₂ < 1/3, priors that memorize 50 models."""
    return {
        f"{prior}, {truth}": _collapsed(tables, prior, truth)
        for prior, truth in product(("memorized", "clean"), (INSIDE, OUTSIDE))
    }


def sampling_free(tables: Tables) -> Values:
    """How often a sample is a training model under the memorized prior and not under a free one.

    Both start from the same noise and are drawn for the same data.
    """
    values = {}
    for (prior, size, reference), truth in product(FREE, (INSIDE, OUTSIDE)):
        free = _pair_rate(_compared_with(_scores(tables, prior, size, truth), reference))
        label = f"{prior}, N = {size}, {truth}" if size else f"{prior}, {truth}"
        values[label] = superiority(_collapsed(tables, "memorized", truth), free)
    return values


def _median(tables: Tables, prior: str, size: int, truth: str, column: str) -> np.ndarray:
    """The median over a training set's samples at the published step."""
    rows = select(tables, "samples", prior=prior, examples=size, truth=truth, step=PUBLISHED_STEP)
    return rows.groupby("replicate")[column].median().to_numpy()


def sampling_misfit(tables: Tables) -> np.ndarray:
    """Misfit over the floor, held-out truth: network of 50 models minus that of 1000."""
    large = _median(tables, "clean", 1000, OUTSIDE, "misfit")
    return _median(tables, "clean", 50, OUTSIDE, "misfit") - large


def sampling_error(tables: Tables) -> np.ndarray:
    """Velocity error, held-out truth: network of 50 models over that of 1000."""
    large = _median(tables, "clean", 1000, OUTSIDE, "error")
    return _median(tables, "clean", 50, OUTSIDE, "error") / large


def broad_fits(tables: Tables) -> Values:
    """Misfit over the floor under priors that saw no example, truth within the hull."""
    return {prior: _median(tables, prior, 0, INSIDE, "misfit") for prior in ("gaussian", "broad")}


def _memorized(tables: Tables, truth: str, step: float) -> pd.DataFrame:
    """Samples under the closed form of 50 models, beside these."""
    return _compared_with(_scores(tables, "memorized", 50, truth, step), 50)


def top_examples(lookups: pd.DataFrame, truth: str) -> pd.Series:
    """The example with the exact posterior's largest weight, by replicate."""
    rows = lookups[lookups["truth"] == truth]
    top = rows.loc[rows.groupby("replicate")["weight"].idxmax()]
    return top.set_index("replicate")["example"]


def not_bayes(tables: Tables) -> Values:
    """Share of samples under the memorized prior on another example than the lookup's.

    They are training models (d₁/d₂ < 1/3), but not the one with the exact posterior's weight. By
    length of a data step.
    """
    example = top_examples(select(tables, "lookups", truth=INSIDE), INSIDE)
    shares = {}
    for step in (PUBLISHED_STEP, LARGE_STEP):
        rows = _memorized(tables, INSIDE, step)
        elsewhere = rows["nearest"] != rows["replicate"].map(example)
        shares[f"step {step:g}"] = _mean(rows, elsewhere & (rows["pair_ratio"] < PAIR_THRESHOLD))
    return shares


def _on_true_example(tables: Tables, step: float) -> np.ndarray:
    """Share of samples under the memorized prior on the example that is the truth."""
    rows = _memorized(tables, EXAMPLE, step)
    return _mean(rows, rows["nearest"] == TRUE_EXAMPLE)


def step_large(tables: Tables) -> np.ndarray:
    """Share of samples on the example that is the truth, step 0.5."""
    return _on_true_example(tables, LARGE_STEP)


def step_decides(tables: Tables) -> np.ndarray:
    """How often the true example is found with step 0.5 and not with step 0.07."""
    return superiority(
        _on_true_example(tables, LARGE_STEP), _on_true_example(tables, PUBLISHED_STEP)
    )


def sampled_rate_trend(tables: Tables) -> np.ndarray:
    """How often a Gaussian prior's sample is called memorized against 50 models and not 1000."""
    rows = _scores(tables, "gaussian", 0, INSIDE)
    small, large = (_published_rate(_compared_with(rows, size)) for size in (50, 1000))
    return superiority(small, large)


def published_rate(tables: Tables) -> Values:
    """Published rate under noise networks, minus the published value, over the tolerance at N."""
    differences = {}
    for size, memorized in PUBLISHED_MEMORIZED.items():
        rows = _compared_with(_scores(tables, "noise", size, INSIDE), size)
        off = _published_rate(rows) - memorized / PUBLISHED_SAMPLES
        differences[f"N = {size}"] = off / PUBLISHED_WITHIN[size]
    return differences


# ---- time domain


def _layered(tables: Tables, prior: str, column: str, statistic: str) -> np.ndarray:
    """A statistic over each replicate's samples."""
    rows = select(tables, "time_domain", prior=prior)
    return rows.groupby("replicate")[column].agg(statistic).to_numpy()


def layered_collapse(tables: Tables) -> np.ndarray:
    """Largest d₁/d₂ of a replicate's samples under the memorized prior."""
    return _layered(tables, "memorized", "pair_ratio", "max")


def layered_free(tables: Tables) -> np.ndarray:
    """Smallest d₁/d₂ under the broad prior over the largest under the memorized one."""
    return _layered(tables, "broad", "pair_ratio", "min") / layered_collapse(tables)


def layered_misfit(tables: Tables) -> np.ndarray:
    """Misfit, memorized over broad."""
    broad = _layered(tables, "broad", "misfit", "median")
    return _layered(tables, "memorized", "misfit", "median") / broad


def layered_error(tables: Tables) -> np.ndarray:
    """Velocity error, memorized over broad."""
    broad = _layered(tables, "broad", "error", "median")
    return _layered(tables, "memorized", "error", "median") / broad
