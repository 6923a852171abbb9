"""Claims about the linear model: plateau, rates, leading terms, label noise."""

import numpy as np
import pandas as pd

from rote.ledger import Sample
from rote.papers.resmem.measures import Tables, main_risks, risk_slopes
from rote.theory import lookup

LOW_DIMENSIONS = 3  # up to which risks meet their leading term
PLATEAU_EXAMPLES = 1000  # from which the base's risk is at its limit
ASYMPTOTIC_EXAMPLES = 3000  # from which ratios of risks are at theirs
NOISY_EXAMPLES = 30_000


def plateau(tables: Tables) -> dict[str, Sample]:
    """Risk of the base over its limit, n ≥ 1000, by dimension and n."""
    rows = main_risks(tables)
    samples = {}
    for (dimension, n), group in _from(rows, PLATEAU_EXAMPLES).groupby(["dimension", "examples"]):
        limit = lookup.plateau(dimension, float(group["norm"].iloc[0]))
        samples[f"d = {dimension}, n = {n:,}"] = Sample(group["base"].to_numpy() / limit)
    return samples


def _from(rows: pd.DataFrame, min_examples: int) -> pd.DataFrame:
    """Rows of problems with at least so many training points."""
    rows = rows[rows["examples"] >= min_examples]
    if rows.empty:
        raise KeyError(f"n of at least {min_examples:,}")
    return rows


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


def leading_five(tables: Tables) -> dict[str, Sample]:
    """The same for d = 5."""
    return _leading(_of_dimension(tables, 5))


def leading_eight(tables: Tables) -> dict[str, Sample]:
    """The same for d = 8."""
    return _leading(_of_dimension(tables, 8))


def _of_dimension(tables: Tables, dimension: int) -> pd.DataFrame:
    rows = main_risks(tables)
    rows = rows[rows["dimension"] == dimension]
    if rows.empty:
        raise KeyError(f"{dimension} dimensions")
    return rows


def _leading(risks: pd.DataFrame) -> dict[str, Sample]:
    samples = {}
    for dimension, rows in risks.groupby("dimension"):
        rows = rows[rows["examples"] == rows["examples"].max()]
        norm = float(rows["norm"].iloc[0])
        leading = lookup.leading(rows["examples"].to_numpy(), dimension, norm)
        samples[f"d = {dimension}"] = Sample(rows["resmem"].to_numpy() / leading)
    return samples


def over_nearest(tables: Tables) -> dict[str, Sample]:
    """ResMem's risk over that of the nearest label, over (1 − L)², three dimensions, n ≥ 3000.

    Without L = 0, where ResMem is the nearest label.
    """
    rows = tables["risks"]
    rows = _from(rows[(rows["dimension"] == 3) & (rows["norm"] > 0)], ASYMPTOTIC_EXAMPLES)
    ratio = rows["resmem"] / rows["nearest"] / (1 - rows["norm"]) ** 2
    return {
        f"L = {norm:g}, n = {n:,}": Sample(group.to_numpy())
        for (norm, n), group in ratio.groupby([rows["norm"], rows["examples"]])
    }


def falls_as_bound(tables: Tables) -> dict[str, Sample]:
    """Ratio of ResMem's risk to the published bound: at the largest n over at the smallest."""
    samples = {}
    for dimension, rows in main_risks(tables).groupby("dimension"):
        norm = float(rows["norm"].iloc[0])
        bound = lookup.bound(rows["examples"].to_numpy(), dimension, norm)
        ratios = rows.assign(ratio=rows["resmem"] / bound)
        wide = ratios.pivot(index="replicate", columns="examples", values="ratio")
        values = wide[wide.columns.max()] / wide[wide.columns.min()]
        samples[f"d = {dimension}"] = Sample(values.to_numpy())
    return samples


def _noisy(tables: Tables, tau: float, k: int, n: int = NOISY_EXAMPLES) -> np.ndarray:
    """Risks at n training points, by replicate; k = 0 is the base."""
    rows = tables["noisy"]
    rows = rows[rows["examples"] == n]
    rows = rows[np.isclose(rows["noise"], tau) & (rows["k"] == k)]
    if rows.empty:
        raise KeyError(f"n = {n}, tau = {tau:g}, k = {k}")
    return rows.sort_values("replicate")["risk"].to_numpy()


def noise_cost(tables: Tables) -> dict[str, Sample]:
    """(Risk at noise τ − risk without) / τ², one neighbor, n ≥ 3000, every τ above 0."""
    rows = _from(tables["noisy"], ASYMPTOTIC_EXAMPLES)
    cells = rows.loc[rows["noise"] > 0, ["noise", "examples"]].drop_duplicates()
    samples = {}
    for tau, n in cells.itertuples(index=False):
        excess = _noisy(tables, tau, 1, n) - _noisy(tables, 0, 1, n)
        samples[f"tau = {tau:g}, n = {n:,}"] = Sample(excess / tau**2)
    return samples


def crossover_below(tables: Tables) -> Sample:
    """Risk with one neighbor over the base's, τ = 0.3, n = 30,000."""
    return _over_base(tables, 0.3, 1)


def crossover_above(tables: Tables) -> Sample:
    """The same at τ = 0.5."""
    return _over_base(tables, 0.5, 1)


def averaging(tables: Tables) -> Sample:
    """The same with 100 neighbors."""
    return _over_base(tables, 0.5, 100)


def _over_base(tables: Tables, tau: float, k: int) -> Sample:
    """Risk with k neighbors over the base's, where that is below half the risk of predicting zero.

    Under a base that predicts zero ResMem is the memory alone.
    """
    base = _noisy(tables, tau, 0)
    ratio = _noisy(tables, tau, k) / base
    return Sample(np.where(base < lookup.plateau(3, 0.0) / 2, ratio, np.nan))
