"""Claims about full waveform inversion without networks: operators, rates, closed forms."""

import numpy as np

from rote.papers.inversion.schema import FRESH
from rote.papers.inversion.statistics.selection import (
    Tables,
    Values,
    by_replicate,
    by_size,
    columns,
    select,
)

CERTAIN = 0.999  # weight from which on one example is the posterior

# ---- operators


def _check(tables: Tables, name: str) -> Values:
    """Values of one check by condition."""
    rows = select(tables, "operators", check=name)
    return {row.condition: np.array([row.value]) for row in rows.itertuples()}


def helmholtz_order(tables: Tables) -> Values:
    """Ratio of the errors at one grid and at one twice as fine."""
    return _check(tables, "order")


def deepwave_layers(tables: Tables) -> np.ndarray:
    """Relative difference of traces to those of a larger domain, deepwave with 10 cells."""
    return _check(tables, "layers")["deepwave"]


def leapfrog_layers(tables: Tables) -> np.ndarray:
    """The same of the reference propagator with 20 cells."""
    return _check(tables, "layers")["leapfrog"]


def propagators(tables: Tables) -> Values:
    """Relative difference of deepwave's and the reference propagator's traces."""
    return _check(tables, "propagators")


# ---- the published rate of models that nothing memorized


def _fresh(tables: Tables, column: str, size: int) -> np.ndarray:
    """A rate of fresh draws of the generator, by replicate."""
    rows = select(tables, "rates", set=FRESH, examples=size)
    return by_replicate(rows, column)


def rate_null_small(tables: Tables) -> np.ndarray:
    """Share of fresh draws below the published threshold, N = 50."""
    return _fresh(tables, "ratio_rate", 50)


def rate_null_large(tables: Tables) -> np.ndarray:
    """The same, N = 1000."""
    return _fresh(tables, "ratio_rate", 1000)


def rate_null_trend(tables: Tables) -> np.ndarray:
    """The shares at N = 50 and at N = 1000, (replicates, 2)."""
    return columns(_fresh(tables, "ratio_rate", 50), _fresh(tables, "ratio_rate", 1000))


def pair_null(tables: Tables) -> Values:
    """Shares of fresh draws below the published threshold and with d₁/d₂ < 1/3, by N."""
    return {
        f"N = {size}": columns(
            _fresh(tables, "ratio_rate", size), _fresh(tables, "pair_rate", size)
        )
        for size in by_size(tables, "rates")
    }


# ---- the linearized posterior


def _linearized(tables: Tables, sigma: float, column: str) -> np.ndarray:
    """A column at one width, by replicate; width 0 is the lookup limit."""
    return by_replicate(select(tables, "linearized", sigma=sigma), column)


def one_atom(tables: Tables) -> np.ndarray:
    """Whether the largest lookup weight exceeds 0.999, 0 or 1 per replicate."""
    return (_linearized(tables, 0.0, "weight") > CERTAIN).astype(float)


def atom_misfit(tables: Tables) -> np.ndarray:
    """Misfit of the example that the lookup chooses, over the noise floor."""
    return _linearized(tables, 0.0, "misfit")


def tight_proposal(tables: Tables) -> np.ndarray:
    """Effective sample size of the best component as a proposal, σ = 0.01."""
    return _linearized(tables, 0.01, "effective")


def tight_shift(tables: Tables) -> np.ndarray:
    """Its shift over the spacing of the examples."""
    return _linearized(tables, 0.01, "shift") / _linearized(tables, 0.01, "spacing")


def released_misfit(tables: Tables) -> np.ndarray:
    """Misfit over the noise floor at σ = 0.1 over that at 0.01."""
    return _linearized(tables, 0.1, "misfit") / _linearized(tables, 0.01, "misfit")


def released_proposal(tables: Tables) -> np.ndarray:
    """Effective sample size at σ = 0.1."""
    return _linearized(tables, 0.1, "effective")


# ---- noise schedules


def _schedule(tables: Tables, schedule: str, quantity: str) -> np.ndarray:
    rows = select(tables, "schedules", schedule=schedule, quantity=quantity)
    return by_replicate(rows, "value")


def terminal_paper(tables: Tables) -> np.ndarray:
    """Variance along the leading direction, published schedule, exact Gaussian denoiser."""
    return _schedule(tables, "paper", "variance")


def terminal_zero(tables: Tables) -> np.ndarray:
    """The same with a schedule that ends in noise."""
    return _schedule(tables, "zero_snr", "variance")


def exact_sampler(tables: Tables) -> Values:
    """Total variation of sample frequencies and lookup weights, schedule that ends in noise."""
    return {
        "four effective examples": _schedule(tables, "zero_snr", "exact"),
        "likelihoods as they are": _schedule(tables, "zero_snr", "lookup"),
    }


def exact_sampler_paper(tables: Tables) -> np.ndarray:
    """The same with four effective examples, published schedule."""
    return _schedule(tables, "paper", "exact")
