"""Claims about trained priors: from how many models on does a network no longer memorize?"""

from itertools import pairwise

import numpy as np

from rote.papers.inversion.statistics.selection import (
    Tables,
    Values,
    by_replicate,
    by_size,
    columns,
    select,
    superiority,
)

SMALL = 50
LARGE = 1000
# numbers of models between which the share of memorized samples is neither 1 nor 0 throughout
FALLING = (50, 100, 200, 500)


def _scores(tables: Tables, prior: str, size: int, column: str, brief: bool = False) -> np.ndarray:
    """A column of the networks trained in full (or briefly) on N models, by replicate."""
    durations = sorted(select(tables, "networks", prior=prior)["steps"].unique())
    if brief and len(durations) < 2:
        raise KeyError(f"networks: briefly trained {prior}")
    steps = durations[0] if brief else durations[-1]
    rows = select(tables, "networks", prior=prior, steps=steps, examples=size)
    return by_replicate(rows, column)


def transition_small(tables: Tables) -> np.ndarray:
    """Share of samples with d₁/d₂ < 1/3, N = 50, networks that predict the clean point."""
    return _scores(tables, "clean", SMALL, "pair_rate")


def transition_large(tables: Tables) -> Values:
    """How often a sample is memorized at N = 50 and not at N = 500 or 1000, clean networks."""
    small = _scores(tables, "clean", SMALL, "pair_rate")
    return {
        f"N = {size}": superiority(small, _scores(tables, "clean", size, "pair_rate"))
        for size in (500, LARGE)
    }


def transition_noise(tables: Tables) -> Values:
    """How often a sample is memorized by a clean network and not by one that predicts noise."""
    return {
        f"N = {size}": superiority(
            _scores(tables, "clean", size, "pair_rate"), _scores(tables, "noise", size, "pair_rate")
        )
        for size in (SMALL, 100)
    }


def transition_falls(tables: Tables) -> Values:
    """Shares at one N and at the next larger, clean networks, (replicates, 2)."""
    rates = {size: _scores(tables, "clean", size, "pair_rate") for size in FALLING}
    return {
        f"N = {size} to {larger}": columns(rates[size], rates[larger])
        for size, larger in pairwise(rates)
    }


def transition_moves(tables: Tables) -> np.ndarray:
    """Shares at N = 100 after all steps and after a quarter of them, clean networks."""
    brief = _scores(tables, "clean", 100, "pair_rate", brief=True)
    return columns(_scores(tables, "clean", 100, "pair_rate"), brief)


def calibrated_null(tables: Tables) -> Values:
    """Share of the Gaussian prior's samples below the 1 % quantile of held-out draws, by N."""
    return {
        f"N = {size}": _scores(tables, "gaussian", size, "calibrated_rate")
        for size in by_size(tables, "networks")
    }


def calibrated_clean(tables: Tables) -> np.ndarray:
    """The same of clean networks at N = 200, where the strict ratio sees little."""
    return _scores(tables, "clean", 200, "calibrated_rate")


def published_noise(tables: Tables) -> np.ndarray:
    """Published rates at N = 50 of networks that predict noise and of held-out draws."""
    rates = _scores(tables, "noise", SMALL, "ratio_rate")
    return columns(rates, _scores(tables, "noise", SMALL, "null_rate"))


def published_noise_trend(tables: Tables) -> np.ndarray:
    """Fall of the published rate from N = 50 to 1000, networks and held-out draws."""
    falls = []
    for column in ("ratio_rate", "null_rate"):
        small = _scores(tables, "noise", SMALL, column)
        falls.append(small - _scores(tables, "noise", LARGE, column))
    return columns(*falls)


def _gap(tables: Tables, prior: str, size: int) -> np.ndarray:
    """Held-out over training loss."""
    held_out = _scores(tables, prior, size, "held_out_loss")
    return held_out / _scores(tables, prior, size, "train_loss")


def loss_gap_small(tables: Tables) -> np.ndarray:
    """Held-out over training loss, N = 50, of networks that memorize: clean ones."""
    return _gap(tables, "clean", SMALL)


def loss_gap_free(tables: Tables) -> np.ndarray:
    """The same of networks that predict noise, which overfit without memorizing."""
    return _gap(tables, "noise", SMALL)


def loss_unmemorized(tables: Tables) -> np.ndarray:
    """Training loss of noise networks over that of the optimum, which memorizes, N = 50."""
    trained = _scores(tables, "noise", SMALL, "train_loss")
    return trained / _scores(tables, "memorized", SMALL, "train_loss")


def loss_gap_large(tables: Tables) -> Values:
    """The same at N = 1000 over that at N = 50."""
    return {
        f"{prior} prediction": _gap(tables, prior, LARGE) / _gap(tables, prior, SMALL)
        for prior in ("clean", "noise")
    }


def loss_gap_closed(tables: Tables) -> np.ndarray:
    """Held-out over training loss of the closed form of 50 examples."""
    return _gap(tables, "memorized", SMALL)
