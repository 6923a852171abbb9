"""Claims about full waveform inversion without networks: operators, rates, closed forms."""

import numpy as np

from rote.ledger import Sample
from rote.papers.inversion.schema import FRESH
from rote.papers.inversion.statistics.selection import (
    Tables,
    by_replicate,
    by_size,
    exactly,
    select,
)

# ---- operators


def _check(tables: Tables, name: str) -> dict[str, Sample]:
    """Values of one check by condition."""
    rows = select(tables, "operators", check=name)
    return {row.condition: exactly(row.value) for row in rows.itertuples()}


def helmholtz_order(tables: Tables) -> dict[str, Sample]:
    """Ratio of the errors at one grid and at one twice as fine."""
    return _check(tables, "order")


def adjoint(tables: Tables) -> dict[str, Sample]:
    """Relative error of the gradient."""
    return _check(tables, "adjoint")


def jacobian(tables: Tables) -> dict[str, Sample]:
    """Relative error of the Jacobian."""
    return _check(tables, "jacobian")


def deepwave_layers(tables: Tables) -> Sample:
    """Relative difference of traces to those of a larger domain, deepwave with 10 cells."""
    return _check(tables, "layers")["deepwave"]


def leapfrog_layers(tables: Tables) -> Sample:
    """The same of the reference propagator with 20 cells."""
    return _check(tables, "layers")["leapfrog"]


def propagators(tables: Tables) -> dict[str, Sample]:
    """Relative difference of deepwave's and the reference propagator's traces."""
    return _check(tables, "propagators")


def data_regenerated(tables: Tables) -> dict[str, Sample]:
    """Difference of regenerated and published coefficients."""
    return _check(tables, "published")


# ---- the published rate of models that nothing memorized


def _fresh(tables: Tables, column: str, size: int) -> np.ndarray:
    """A rate of fresh draws of the generator, by replicate."""
    rows = select(tables, "rates", set=FRESH, examples=size)
    return by_replicate(rows, column)


def rate_null_small(tables: Tables) -> Sample:
    """Share of fresh draws below the published threshold, N = 50."""
    return Sample(_fresh(tables, "ratio_rate", 50))


def rate_null_large(tables: Tables) -> Sample:
    """The same, N = 1000."""
    return Sample(_fresh(tables, "ratio_rate", 1000))


def rate_null_trend(tables: Tables) -> Sample:
    """The first minus the second."""
    return Sample(_fresh(tables, "ratio_rate", 50) - _fresh(tables, "ratio_rate", 1000))


def pair_null(tables: Tables) -> dict[str, Sample]:
    """Share of fresh draws with d₁/d₂ below 1/3, by N."""
    return {
        f"N = {size}": Sample(_fresh(tables, "pair_rate", size))
        for size in by_size(tables, "rates")
    }


# ---- the linearized posterior


def _linearized(tables: Tables, sigma: float, column: str) -> np.ndarray:
    """A column at one width, by replicate; width 0 is the lookup limit."""
    return by_replicate(select(tables, "linearized", sigma=sigma), column)


def one_atom(tables: Tables) -> Sample:
    """Largest lookup weight."""
    return Sample(_linearized(tables, 0.0, "weight"))


def atom_misfit(tables: Tables) -> Sample:
    """Misfit of the example that the lookup chooses, over the noise floor."""
    return Sample(_linearized(tables, 0.0, "misfit"))


def tight_proposal(tables: Tables) -> Sample:
    """Effective sample size of the best component as a proposal, σ = 0.01."""
    return Sample(_linearized(tables, 0.01, "effective"))


def tight_shift(tables: Tables) -> Sample:
    """Its shift over the spacing of the examples."""
    return Sample(_linearized(tables, 0.01, "shift") / _linearized(tables, 0.01, "spacing"))


def released_misfit(tables: Tables) -> Sample:
    """Misfit over the noise floor at σ = 0.1 over that at 0.01."""
    return Sample(_linearized(tables, 0.1, "misfit") / _linearized(tables, 0.01, "misfit"))


def released_proposal(tables: Tables) -> Sample:
    """Effective sample size at σ = 0.1."""
    return Sample(_linearized(tables, 0.1, "effective"))


# ---- noise schedules


def _schedule(tables: Tables, schedule: str, quantity: str) -> Sample:
    rows = select(tables, "schedules", schedule=schedule, quantity=quantity)
    return Sample(by_replicate(rows, "value"))


def terminal_paper(tables: Tables) -> Sample:
    """Variance along the leading direction, published schedule, exact Gaussian denoiser."""
    return _schedule(tables, "paper", "variance")


def terminal_zero(tables: Tables) -> Sample:
    """The same with a schedule that ends in noise."""
    return _schedule(tables, "zero_snr", "variance")


def closed_form_prior(tables: Tables) -> dict[str, Sample]:
    """Largest distance of a sample of the memorized prior to its examples, by schedule."""
    return {name: _schedule(tables, name, "collapse") for name in ("paper", "zero_snr")}


def exact_sampler(tables: Tables) -> Sample:
    """Total variation of sample frequencies and lookup weights, schedule that ends in noise."""
    return _schedule(tables, "zero_snr", "exact")


def exact_sampler_paper(tables: Tables) -> Sample:
    """The same, published schedule."""
    return _schedule(tables, "paper", "exact")
