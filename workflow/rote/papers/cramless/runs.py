"""Trained networks in the tables, as statistics and figures ask for them."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from rote.papers.cramless.arms import AUTOMATIC, SCORING_WORK, STANDARD, STANDARD_GROUP, Scheme

Tables = Mapping[str, pd.DataFrame]


class BaseNetwork(NamedTuple):
    """Width and steps of the base networks, and the data sets that the claims are about."""

    width: int
    steps: int
    small: str  # uniform: everything fits
    fits: str  # uniform: about what fits
    crowded: list[str]  # uniform: far more than fits, by size
    skewed: str  # power law of exponent 1


def base_network(tables: Tables) -> BaseNetwork:
    """What the group `standard` holds. Raises KeyError if a data set is missing."""
    runs = tables["runs"]
    standard = runs[runs["group"] == STANDARD_GROUP.name]
    uniform = standard[standard["exponent"] == 0].sort_values("facts")["data"].unique()
    skewed = standard.loc[standard["exponent"] == 1, "data"]
    if len(uniform) < 3 or skewed.empty:
        raise KeyError("three uniform data sets and a power law of exponent 1")
    return BaseNetwork(
        width=standard["width"].iloc[0],
        steps=standard["steps"].iloc[0],
        small=uniform[0],
        fits=uniform[1],
        crowded=list(uniform[2:][-2:]),
        skewed=skewed.iloc[0],
    )


def base_runs(tables: Tables) -> pd.DataFrame:
    """Runs of the base width and steps."""
    base, runs = base_network(tables), tables["runs"]
    return runs[(runs["width"] == base.width) & (runs["steps"] == base.steps)]


def select(
    tables: Tables, data: str, scheme: Scheme, *, width: int | None = None, longer: bool = False
) -> pd.DataFrame:
    """Runs of one arm, by replicate.

    Args:
        tables: of the run, by name.
        data: name of the data set.
        scheme: what the arm is trained on.
        width: None is that of the base networks.
        longer: those with more steps than the base networks.

    Raises:
        KeyError: if the run does not hold the arm.
    """
    base, runs = base_network(tables), tables["runs"]
    rows = runs[(runs["data"] == data) & (runs["scheme"] == scheme.name)]
    rows = rows[rows["width"] == (base.width if width is None else width)]
    rows = rows[rows["steps"] > base.steps] if longer else rows[rows["steps"] == base.steps]
    if rows.empty:
        raise KeyError(f"arm {data}, {scheme.name}, width {width}")
    return rows.sort_values("replicate").set_index("replicate")


def standard(tables: Tables, data: str, **options) -> pd.DataFrame:
    """`select` for standard training."""
    return select(tables, data, STANDARD, **options)


def automatic(tables: Tables, data: str, **options) -> pd.DataFrame:
    """`select` for automatic selection inside training."""
    return select(tables, data, AUTOMATIC, **options)


def outcomes(tables: Tables, data: str, scheme: Scheme) -> pd.DataFrame:
    """What the base networks of a scheme know of the facts that occur: rows of `trained`."""
    arm = select(tables, data, scheme)["arm"].iloc[0]
    rows = tables["trained"]
    return rows[(rows["arm"] == arm) & (rows["count"] > 0)]


def capacity_in_facts(tables: Tables, width: int | None = None) -> np.ndarray:
    """Facts that the measured capacity holds, C/H, (replicates,).

    The largest amount that standard training stores of any uniform data set.

    Args:
        width: None is that of the base networks.
    """
    base, runs = base_network(tables), tables["runs"]
    rows = runs[(runs["exponent"] == 0) & (runs["scheme"] == STANDARD.name)]
    rows = rows[rows["steps"] == base.steps]
    rows = rows[rows["width"] == (base.width if width is None else width)]
    if rows.empty:
        raise KeyError(f"uniform data sets at width {width}")
    return (rows["stored"] / rows["bits"]).groupby(rows["replicate"]).max().to_numpy()


def matched(tables: Tables) -> dict[str, str]:
    """Power laws of exponent 1 and uniform data sets with about as many distinct facts, by size.

    Returns:
        Name of the uniform data set whose number of facts is nearest, by name of the power law.
    """
    present = base_runs(tables)
    present = present[present["scheme"] == STANDARD.name].groupby(["exponent", "data"])["present"]
    sizes = np.log(present.mean())
    power_laws, uniform = sizes[1.0].sort_values(), sizes[0.0]
    return {name: (uniform - size).abs().idxmin() for name, size in power_laws.items()}


def work(runs: pd.DataFrame) -> pd.Series:
    """Work of runs in examples trained on; scoring a candidate is a third of that."""
    return runs["trained"] + SCORING_WORK * runs["scored"]
