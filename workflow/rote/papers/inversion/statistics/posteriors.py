"""Claims about posterior samples: of full waveform inversion, and in the time domain."""

import numpy as np
import pandas as pd

from rote.ledger import Sample
from rote.papers.inversion.distances import PAIR_THRESHOLD, PUBLISHED_THRESHOLD
from rote.papers.inversion.library import EXAMPLE, INSIDE, OUTSIDE, TRUE_EXAMPLE
from rote.papers.inversion.statistics.selection import Tables, select

PUBLISHED_STEP = 0.07  # length of a data step
LARGE_STEP = 0.5
PUBLISHED_SAMPLES = 256  # read off published panels
PUBLISHED_MEMORIZED = {50: 256, 200: 146, 1000: 13}  # of them below the threshold, by N


def _mean(rows: pd.DataFrame, values: pd.Series) -> np.ndarray:
    """One value per training set: the mean over its samples."""
    return values.astype(float).groupby(rows["replicate"]).mean().to_numpy()


def _scores(
    tables: Tables, prior: str, size: int, truth: str, step: float = PUBLISHED_STEP
) -> pd.DataFrame:
    """Samples under a prior trained on N models (0: none), beside every training set."""
    return select(tables, "scores", prior=prior, examples=size, truth=truth, step=step)


def _pair_rate(rows: pd.DataFrame) -> Sample:
    """Share of samples with d₁/d₂ < 1/3."""
    return Sample(_mean(rows, rows["pair_ratio"] < PAIR_THRESHOLD))


def _published_rate(rows: pd.DataFrame) -> np.ndarray:
    """Share of samples with the published ratio below its threshold."""
    return _mean(rows, rows["ratio"] < PUBLISHED_THRESHOLD)


def _compared_with(rows: pd.DataFrame, size: int) -> pd.DataFrame:
    """Samples beside the training set of one size."""
    return rows[rows["reference_examples"] == size]


def sampling_collapse(tables: Tables) -> dict[str, Sample]:
    """Share of posterior samples with d₁/d₂ < 1/3, priors that memorize 50 models."""
    samples = {}
    for prior in ("memorized", "clean"):
        for truth in (INSIDE, OUTSIDE):
            rows = _compared_with(_scores(tables, prior, 50, truth), 50)
            samples[f"{prior}, {truth}"] = _pair_rate(rows)
    return samples


def sampling_free(tables: Tables) -> dict[str, Sample]:
    """The same for priors that do not memorize, against all models."""
    samples = {}
    for prior, size in (("clean", 1000), ("noise", 50), ("noise", 1000)):
        rows = _compared_with(_scores(tables, prior, size, INSIDE), size)
        samples[f"{prior}, N = {size}"] = _pair_rate(rows)
    for prior in ("gaussian", "broad"):
        samples[prior] = _pair_rate(_compared_with(_scores(tables, prior, 0, INSIDE), 1000))
    return samples


def _median(tables: Tables, prior: str, size: int, truth: str, column: str) -> np.ndarray:
    """The median over a training set's samples at the published step."""
    rows = select(tables, "samples", prior=prior, examples=size, truth=truth, step=PUBLISHED_STEP)
    return rows.groupby("replicate")[column].median().to_numpy()


def sampling_misfit(tables: Tables) -> Sample:
    """Misfit over the floor, held-out truth: network of 50 models minus that of 1000."""
    large = _median(tables, "clean", 1000, OUTSIDE, "misfit")
    return Sample(_median(tables, "clean", 50, OUTSIDE, "misfit") - large)


def sampling_error(tables: Tables) -> Sample:
    """Velocity error, held-out truth: network of 50 models over that of 1000."""
    large = _median(tables, "clean", 1000, OUTSIDE, "error")
    return Sample(_median(tables, "clean", 50, OUTSIDE, "error") / large)


def broad_fits(tables: Tables) -> dict[str, Sample]:
    """Misfit over the floor under priors that saw no example, truth within the hull."""
    return {
        prior: Sample(_median(tables, prior, 0, INSIDE, "misfit"))
        for prior in ("gaussian", "broad")
    }


def _memorized(tables: Tables, truth: str, step: float) -> pd.DataFrame:
    """Samples under the closed form of 50 models, beside these."""
    return _compared_with(_scores(tables, "memorized", 50, truth, step), 50)


def not_bayes(tables: Tables) -> dict[str, Sample]:
    """Share of samples under the memorized prior on the example with the exact posterior's weight.

    By length of a data step.
    """
    lookups = select(tables, "lookups", truth=INSIDE)
    top = lookups.loc[lookups.groupby("replicate")["weight"].idxmax()]
    example = top.set_index("replicate")["example"]
    samples = {}
    for step in (PUBLISHED_STEP, LARGE_STEP):
        rows = _memorized(tables, INSIDE, step)
        on_it = rows["nearest"] == rows["replicate"].map(example)
        samples[f"step {step:g}"] = Sample(_mean(rows, on_it))
    return samples


def _on_true_example(tables: Tables, step: float) -> Sample:
    """Share of samples under the memorized prior on the example that is the truth."""
    rows = _memorized(tables, EXAMPLE, step)
    return Sample(_mean(rows, rows["nearest"] == TRUE_EXAMPLE))


def step_small(tables: Tables) -> Sample:
    """Share of samples on the example that is the truth, step 0.07."""
    return _on_true_example(tables, PUBLISHED_STEP)


def step_large(tables: Tables) -> Sample:
    """The same, step 0.5."""
    return _on_true_example(tables, LARGE_STEP)


def sampled_rate_trend(tables: Tables) -> Sample:
    """Published rate under the Gaussian prior, against 50 models minus against 1000."""
    rows = _scores(tables, "gaussian", 0, INSIDE)
    return Sample(
        _published_rate(_compared_with(rows, 50)) - _published_rate(_compared_with(rows, 1000))
    )


def published_rate(tables: Tables) -> dict[str, Sample]:
    """Published rate of posterior samples under noise networks, minus the published value."""
    samples = {}
    for size, memorized in PUBLISHED_MEMORIZED.items():
        rows = _compared_with(_scores(tables, "noise", size, INSIDE), size)
        samples[f"N = {size}"] = Sample(_published_rate(rows) - memorized / PUBLISHED_SAMPLES)
    return samples


# ---- time domain


def _layered(tables: Tables, prior: str, column: str, statistic: str) -> np.ndarray:
    """A statistic over each replicate's samples."""
    rows = select(tables, "time_domain", prior=prior)
    return rows.groupby("replicate")[column].agg(statistic).to_numpy()


def layered_collapse(tables: Tables) -> Sample:
    """Largest d₁/d₂ of a replicate's samples under the memorized prior."""
    return Sample(_layered(tables, "memorized", "pair_ratio", "max"))


def layered_free(tables: Tables) -> Sample:
    """Smallest d₁/d₂ of a replicate's samples under the broad prior."""
    return Sample(_layered(tables, "broad", "pair_ratio", "min"))


def layered_misfit(tables: Tables) -> Sample:
    """Misfit, memorized over broad."""
    broad = _layered(tables, "broad", "misfit", "median")
    return Sample(_layered(tables, "memorized", "misfit", "median") / broad)


def layered_error(tables: Tables) -> Sample:
    """Velocity error, memorized over broad."""
    broad = _layered(tables, "broad", "error", "median")
    return Sample(_layered(tables, "memorized", "error", "median") / broad)
