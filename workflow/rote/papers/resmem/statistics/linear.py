"""Claims about the linear model: plateau, rates, leading terms, label noise."""

import numpy as np
import pandas as pd

from rote.ledger import Sample
from rote.papers.resmem.measures import Tables, main_risks, risk_slopes
from rote.theory import lookup

LOW_DIMENSIONS = 3  # up to which risks meet their leading term
NOISY_EXAMPLES = 30_000


def plateau(tables: Tables) -> dict[str, Sample]:
    """Risk of the base over its limit, largest n."""
    samples = {}
    for dimension, rows in main_risks(tables).groupby("dimension"):
        rows = rows[rows["examples"] == rows["examples"].max()]
        limit = lookup.plateau(dimension, float(rows["norm"].iloc[0]))
        samples[f"d = {dimension}"] = Sample(rows["base"].to_numpy() / limit)
    return samples


def base_slope(tables: Tables) -> dict[str, Sample]:
    """Log-log slope of the base's risk, n ≥ 300."""
    return {
        f"d = {dimension}": Sample(rows["base"].to_numpy())
        for dimension, rows in risk_slopes(tables).groupby("dimension")
    }


def rate(tables: Tables) -> dict[str, Sample]:
    """Log-log slope of ResMem's risk minus −2/d, n ≥ 300."""
    return {
        f"d = {dimension}": Sample(rows["resmem"].to_numpy() + 2 / dimension)
        for dimension, rows in risk_slopes(tables).groupby("dimension")
    }


def leading_low(tables: Tables) -> dict[str, Sample]:
    """ResMem's risk over its leading term, largest n, d ≤ 3."""
    rows = main_risks(tables)
    return _leading(rows[rows["dimension"] <= LOW_DIMENSIONS])


def leading_high(tables: Tables) -> dict[str, Sample]:
    """The same for d > 3."""
    rows = main_risks(tables)
    rows = rows[rows["dimension"] > LOW_DIMENSIONS]
    if rows.empty:
        raise KeyError("dimensions above 3")
    return _leading(rows)


def _leading(risks: pd.DataFrame) -> dict[str, Sample]:
    samples = {}
    for dimension, rows in risks.groupby("dimension"):
        rows = rows[rows["examples"] == rows["examples"].max()]
        norm = float(rows["norm"].iloc[0])
        leading = lookup.leading(rows["examples"].to_numpy(), dimension, norm)
        samples[f"d = {dimension}"] = Sample(rows["resmem"].to_numpy() / leading)
    return samples


def over_nearest(tables: Tables) -> dict[str, Sample]:
    """ResMem's risk over that of the nearest label, over (1 − L)², three dimensions, n ≥ 3000."""
    rows = tables["risks"]
    rows = rows[(rows["dimension"] == 3) & (rows["examples"] >= 3000)]
    if rows.empty:
        raise KeyError("n of at least 3000 in three dimensions")
    varied = rows["norm"] != rows["norm"].mode().iloc[0]
    rows = rows[rows["examples"] == rows.loc[varied, "examples"].max()]
    ratio = rows["resmem"] / rows["nearest"] / (1 - rows["norm"]) ** 2
    return {
        f"L = {norm:g}": Sample(ratio[rows["norm"] == norm].to_numpy())
        for norm in sorted(rows["norm"].unique())
    }


def below_bound(tables: Tables) -> dict[str, Sample]:
    """Largest ratio of ResMem's risk to the published bound without its constant, by dimension."""
    samples = {}
    for dimension, rows in main_risks(tables).groupby("dimension"):
        norm = float(rows["norm"].iloc[0])
        bound = lookup.bound(rows["examples"].to_numpy(), dimension, norm)
        ratio = (rows["resmem"] / bound).groupby(rows["replicate"]).max()
        samples[f"d = {dimension}"] = Sample(ratio.to_numpy())
    return samples


def _noisy(tables: Tables, tau: float, k: int) -> np.ndarray:
    """Risks at n = 30,000, by replicate; k = 0 is the base."""
    rows = tables["noisy"]
    rows = rows[rows["examples"] == NOISY_EXAMPLES]
    rows = rows[np.isclose(rows["noise"], tau) & (rows["k"] == k)]
    if rows.empty:
        raise KeyError(f"n = {NOISY_EXAMPLES}, tau = {tau:g}, k = {k}")
    return rows.sort_values("replicate")["risk"].to_numpy()


def noise_cost(tables: Tables) -> dict[str, Sample]:
    """(Risk at noise τ − risk without) / τ², one neighbor, n = 30,000."""
    return {
        f"tau = {tau:g}": Sample((_noisy(tables, tau, 1) - _noisy(tables, 0, 1)) / tau**2)
        for tau in (0.2, 0.3, 0.5)
    }


def crossover_below(tables: Tables) -> Sample:
    """Risk with one neighbor over the base's, τ = 0.3, n = 30,000."""
    return Sample(_noisy(tables, 0.3, 1) / _noisy(tables, 0.3, 0))


def crossover_above(tables: Tables) -> Sample:
    """The same at τ = 0.5."""
    return Sample(_noisy(tables, 0.5, 1) / _noisy(tables, 0.5, 0))


def averaging(tables: Tables) -> Sample:
    """The same with 100 neighbors."""
    return Sample(_noisy(tables, 0.5, 100) / _noisy(tables, 0.5, 0))
