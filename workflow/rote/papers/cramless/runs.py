"""Trained networks in the tables, as statistics and figures ask for them."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from rote.papers.cramless.arms import (
    AUTOMATIC,
    LADDER_GROUP,
    SCORING_WORK,
    STANDARD,
    STANDARD_GROUP,
    TUNING_GROUP,
    Scheme,
)
from rote.theory import capacity

Tables = Mapping[str, pd.DataFrame]


class BaseNetwork(NamedTuple):
    """Width and steps of the base networks, and the data sets that the claims are about."""

    width: int
    steps: int
    small: str  # uniform: everything fits
    crowded: list[str]  # uniform: far more than fits, by size
    skewed: str  # power law of exponent 1


def base_network(tables: Tables) -> BaseNetwork:
    """What the group `standard` holds. Raises KeyError if a data set is missing."""
    runs = tables["runs"]
    standard = runs[runs["group"] == STANDARD_GROUP.name]
    names = uniform(tables)
    skewed = standard.loc[standard["exponent"] == 1, "data"]
    if len(names) < 3 or skewed.empty:
        raise KeyError("three uniform data sets and a power law of exponent 1")
    return BaseNetwork(
        width=standard["width"].iloc[0],
        steps=standard["steps"].iloc[0],
        small=names[0],
        crowded=names[2:][-2:],
        skewed=skewed.iloc[0],
    )


def uniform(tables: Tables) -> list[str]:
    """Uniform data sets of standard training, by size."""
    runs = tables["runs"]
    rows = runs[(runs["group"] == STANDARD_GROUP.name) & (runs["exponent"] == 0)]
    return list(rows.sort_values("facts")["data"].unique())


def base_runs(tables: Tables) -> pd.DataFrame:
    """Runs of the base width and steps, at the settings' learning rate."""
    base, runs = base_network(tables), tables["runs"]
    runs = runs[~runs["group"].isin([LADDER_GROUP.name, TUNING_GROUP.name])]
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
        longer: those with the most steps, more than the base networks.

    Raises:
        KeyError: if the run does not hold the arm.
    """
    base, runs = base_network(tables), tables["runs"]
    width = base.width if width is None else width
    rows = runs[(runs["data"] == data) & (runs["scheme"] == scheme.name)]
    rows = rows[(rows["width"] == width) & (rows["group"] != TUNING_GROUP.name)]
    if width == base.width:
        rows = rows[rows["group"] != LADDER_GROUP.name]
    steps = rows["steps"].max() if longer else base.steps
    rows = rows[(rows["steps"] == steps) & ((rows["steps"] > base.steps) == longer)]
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


def limit_in_facts(tables: Tables, data: str) -> np.ndarray:
    """Most facts of a data set that the measured capacity recites, (replicates,): its limit.

    That of rate and distortion, see `rote.theory.capacity`: more than C/H where facts are many.
    """
    rows = standard(tables, data)
    bits, present = float(rows["bits"].iloc[0]), rows["present"].to_numpy(float)
    available = capacity_in_facts(tables) * bits
    return present * capacity.accuracy_limit(present, bits, available)


def weighted_limits(tables: Tables, data: str) -> np.ndarray:
    """Highest accuracy weighted by copies at the measured capacity, (replicates,)."""
    rows = standard(tables, data)
    trained = tables["trained"]
    trained = trained[trained["arm"] == rows["arm"].iloc[0]]
    bits = float(rows["bits"].iloc[0])
    limits = []
    for replicate, fits in zip(rows.index, capacity_in_facts(tables), strict=True):
        counts = trained.loc[trained["replicate"] == replicate, "count"].to_numpy(float)
        counts = counts[counts > 0]
        limits.append(float(capacity.accuracy_limit(len(counts), bits, fits * bits, counts)))
    return np.array(limits)


# ---- curves of standard training


def compute_curve(tables: Tables, data: str) -> pd.DataFrame:
    """Most facts that standard training recites by its examples: rows replicates, columns examples.

    Of the base network, over the lengths of training; a longer one counts as no worse.

    Raises:
        KeyError: if there is no longer training on the data set.
    """
    base, runs = base_network(tables), tables["runs"]
    rows = runs[(runs["data"] == data) & (runs["scheme"] == STANDARD.name)]
    rows = rows[(rows["width"] == base.width) & (rows["steps"] >= base.steps)]
    rows = rows[~rows["group"].isin([LADDER_GROUP.name, TUNING_GROUP.name])]
    curve = rows.pivot(index="replicate", columns="trained", values="recited")
    if curve.shape[1] < 2:
        raise KeyError(f"longer standard training on {data}")
    return curve.cummax(axis=1)


def size_curve(tables: Tables, data: str) -> pd.DataFrame:
    """Most facts that standard training recites by parameters: rows replicates, columns sizes.

    Each size at its own learning rate; a larger network counts as no worse.

    Raises:
        KeyError: if there are no networks of several sizes on the data set.
    """
    runs = tables["runs"]
    rows = runs[(runs["group"] == LADDER_GROUP.name) & (runs["data"] == data)]
    rows = rows[rows["scheme"] == STANDARD.name]
    curve = rows.pivot(index="replicate", columns="parameters", values="recited")
    if curve.shape[1] < 2:
        raise KeyError(f"networks of several sizes on {data}")
    return curve.cummax(axis=1)


def interpolated(curve: pd.DataFrame, at: pd.Series) -> np.ndarray:
    """Facts on a curve by replicate, linear in the logarithm of its columns, (replicates,).

    Below the first column it is the first value, beyond the last one the last.
    """
    places = np.log(curve.columns.to_numpy(float))
    target = np.log(at.loc[curve.index].to_numpy(float))
    rows = zip(target, curve.to_numpy(float), strict=True)
    return np.array([np.interp(position, places, facts) for position, facts in rows])


def inverted(curve: pd.DataFrame, facts: pd.Series) -> np.ndarray:
    """Smallest column at which a curve reaches so many facts, by replicate, (replicates,).

    Linear between columns in their logarithm; the first or the last column where it is reached
    there already, or never.
    """
    places = np.log(curve.columns.to_numpy(float))
    result = []
    for reached, target in zip(curve.to_numpy(float), facts.loc[curve.index], strict=True):
        after = int(np.searchsorted(reached, target))  # first column with at least as many
        if after in (0, len(reached)):
            result.append(places[min(after, len(reached) - 1)])
            continue
        part = (target - reached[after - 1]) / (reached[after] - reached[after - 1])
        result.append(places[after - 1] + part * (places[after] - places[after - 1]))
    return np.exp(result)


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
