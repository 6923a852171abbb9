"""Claims about trained priors: from how many models on does a network no longer memorize?"""

from itertools import pairwise

import numpy as np

from rote.ledger import Sample
from rote.papers.inversion.statistics.selection import Tables, by_replicate, by_size, select


def _scores(tables: Tables, prior: str, size: int, column: str, brief: bool = False) -> np.ndarray:
    """A column of the networks trained in full (or briefly) on N models, by replicate."""
    durations = sorted(select(tables, "networks", prior=prior)["steps"].unique())
    if brief and len(durations) < 2:
        raise KeyError(f"networks: briefly trained {prior}")
    steps = durations[0] if brief else durations[-1]
    rows = select(tables, "networks", prior=prior, steps=steps, examples=size)
    return by_replicate(rows, column)


def _by_size(tables: Tables, prior: str, column: str) -> dict[int, np.ndarray]:
    return {size: _scores(tables, prior, size, column) for size in by_size(tables, "networks")}


def _labelled(values: dict[int, np.ndarray]) -> dict[str, Sample]:
    return {f"N = {size}": Sample(value) for size, value in values.items()}


def transition_small(tables: Tables) -> Sample:
    """Share of samples with d₁/d₂ < 1/3, N = 50, networks that predict the clean point."""
    return Sample(_scores(tables, "clean", 50, "pair_rate"))


def transition_large(tables: Tables) -> dict[str, Sample]:
    """The same for N = 500 and 1000."""
    return _labelled({size: _scores(tables, "clean", size, "pair_rate") for size in (500, 1000)})


def transition_noise(tables: Tables) -> dict[str, Sample]:
    """The same for networks that predict the noise, every N."""
    return _labelled(_by_size(tables, "noise", "pair_rate"))


def transition_falls(tables: Tables) -> dict[str, Sample]:
    """Share at one N minus that at the next larger, clean networks."""
    rates = _by_size(tables, "clean", "pair_rate")
    return {
        f"N = {size} to {larger}": Sample(rates[size] - rates[larger])
        for size, larger in pairwise(rates)
    }


def transition_moves(tables: Tables) -> Sample:
    """Share at N = 100 after all steps minus that after a quarter of them, clean networks."""
    brief = _scores(tables, "clean", 100, "pair_rate", brief=True)
    return Sample(_scores(tables, "clean", 100, "pair_rate") - brief)


def calibrated_null(tables: Tables) -> dict[str, Sample]:
    """Share of the Gaussian prior's samples below the 1 % quantile of held-out draws, by N."""
    return _labelled(_by_size(tables, "gaussian", "calibrated_rate"))


def calibrated_clean(tables: Tables) -> Sample:
    """The same of clean networks at N = 200, where the strict ratio sees little."""
    return Sample(_scores(tables, "clean", 200, "calibrated_rate"))


def published_noise(tables: Tables) -> dict[str, Sample]:
    """Published rate of networks that predict the noise minus that of held-out draws, by N."""
    rates = _by_size(tables, "noise", "ratio_rate")
    nulls = _by_size(tables, "noise", "null_rate")
    return _labelled({size: rates[size] - nulls[size] for size in rates})


def _gap(tables: Tables, prior: str, size: int) -> Sample:
    """Held-out over training loss."""
    held_out = _scores(tables, prior, size, "held_out_loss")
    return Sample(held_out / _scores(tables, prior, size, "train_loss"))


def loss_gap_small(tables: Tables) -> dict[str, Sample]:
    """Held-out over training loss, N = 50, by what networks predict."""
    return {f"{prior} prediction": _gap(tables, prior, 50) for prior in ("clean", "noise")}


def loss_gap_large(tables: Tables) -> dict[str, Sample]:
    """The same, N = 1000."""
    return {f"{prior} prediction": _gap(tables, prior, 1000) for prior in ("clean", "noise")}


def loss_gap_closed(tables: Tables) -> Sample:
    """The same of the closed form of 50 examples."""
    return _gap(tables, "memorized", 50)
