"""What the claims measure: functions from tables to replicate values."""

import numpy as np
import pandas as pd

from rote.ledger import Sample, ratio
from rote.papers.cramless.arms import (
    AUTOMATIC,
    AUTOMATIC_FLAT,
    LARGE_STANDARD,
    LOW,
    LOW_FLAT,
    OFFLINE_AUTOMATIC,
    OFFLINE_FLAT,
    OFFLINE_RANDOM,
    SMALL_AUTOMATIC,
    SMALL_STANDARD,
    STANDARD,
    Scheme,
    TextArm,
)
from rote.papers.cramless.runs import (
    Tables,
    automatic,
    base_network,
    capacity_in_facts,
    outcomes,
    select,
    standard,
    work,
)

MIN_SLOPE_FACTS = 3  # recited facts that a slope needs


def _difference(a: pd.DataFrame, b: pd.DataFrame, column: str = "recited") -> Sample:
    return Sample((a[column] - b[column]).to_numpy(float))


def _ratio(a: pd.DataFrame, b: pd.DataFrame, column: str = "recited") -> Sample:
    return Sample(np.column_stack([a[column], b[column]]).astype(float), ratio)


def _share_of_capacity(tables: Tables, runs: pd.DataFrame) -> Sample:
    columns = [runs["recited"], capacity_in_facts(tables)]
    return Sample(np.column_stack(columns).astype(float), ratio)


def capacity(tables: Tables) -> dict[str, Sample]:
    """Measured capacity c per network size, in bits per parameter.

    The most that standard training stores of any uniform data set.
    """
    runs = tables["runs"]
    widths = runs.loc[(runs["exponent"] == 0) & (runs["scheme"] == STANDARD.name), "width"].unique()
    conditions = {}
    for width in sorted(widths):
        size = int(runs.loc[runs["width"] == width, "parameters"].iloc[0])
        bits = capacity_in_facts(tables, width) * runs["bits"].iloc[0]
        conditions[f"{size} parameters"] = Sample(bits / size)
    return conditions


def cramming_hurts(tables: Tables) -> Sample:
    """Facts recited of far too many, minus of about as many as fit; standard training."""
    base = base_network(tables)
    return _difference(standard(tables, base.crowded), standard(tables, base.fits))


def standard_misses_limit(tables: Tables) -> Sample:
    """Facts recited with standard training over C/H, too many facts."""
    return _share_of_capacity(tables, standard(tables, base_network(tables).crowded))


def selection_reaches_limit(tables: Tables) -> Sample:
    """Facts recited with automatic selection over C/H, too many facts."""
    return _share_of_capacity(tables, automatic(tables, base_network(tables).crowded))


def gain_uniform(tables: Tables) -> Sample:
    """Facts recited with automatic selection over standard training, too many facts."""
    crowded = base_network(tables).crowded
    return _ratio(automatic(tables, crowded), standard(tables, crowded))


def same_bits(tables: Tables) -> Sample:
    """Bits stored by standard training over bits stored with automatic selection."""
    crowded = base_network(tables).crowded
    return _ratio(standard(tables, crowded), automatic(tables, crowded), "stored")


def no_harm(tables: Tables) -> Sample:
    """Accuracy with automatic selection minus standard training where everything fits."""
    small = base_network(tables).small
    selected, unselected = automatic(tables, small), standard(tables, small)
    accuracies = selected["recited"] / selected["present"]
    return Sample((accuracies - unselected["recited"] / unselected["present"]).to_numpy())


# ---- power-law frequencies


def skew_hurts(tables: Tables) -> Sample:
    """Facts recited under a power law over facts recited of a uniform set that about fits."""
    base = base_network(tables)
    return _ratio(standard(tables, base.skewed), standard(tables, base.fits))


def skew_at_equal_facts(tables: Tables) -> Sample:
    """Facts recited under a power law over those of about as many distinct facts, each once."""
    base = base_network(tables)
    return _ratio(standard(tables, base.skewed), standard(tables, base.crowded))


def gain_powerlaw(tables: Tables) -> Sample:
    """Facts recited with automatic selection over standard training, exponent 1."""
    skewed = base_network(tables).skewed
    return _ratio(automatic(tables, skewed), standard(tables, skewed))


def gain_by_exponent(tables: Tables) -> dict[str, Sample]:
    """The same per power-law exponent."""
    runs = tables["runs"]
    names = sorted(runs.loc[runs["exponent"] > 0, "data"].unique())
    return {name: _ratio(automatic(tables, name), standard(tables, name)) for name in names}


def weighted_gain(tables: Tables) -> Sample:
    """Accuracy weighted by copies with automatic selection minus standard training, exponent 1."""
    skewed = base_network(tables).skewed
    return _difference(automatic(tables, skewed), standard(tables, skewed), "weighted")


def flattening(tables: Tables) -> dict[str, Sample]:
    """Slope of log examples trained on against log copies: selection minus standard.

    Over recited facts, at exponent 1.
    """
    reference = _slopes(tables, STANDARD)
    schemes = (AUTOMATIC_FLAT, LOW_FLAT, OFFLINE_FLAT)
    return {scheme.name: Sample(_slopes(tables, scheme) - reference) for scheme in schemes}


def _slopes(tables: Tables, scheme: Scheme) -> np.ndarray:
    rows = outcomes(tables, base_network(tables).skewed, scheme)
    rows = rows[rows["seen"] > 0]
    return np.array([_slope(group[group["recited"]]) for _, group in rows.groupby("replicate")])


def _slope(recited: pd.DataFrame) -> float:
    if len(recited) < MIN_SLOPE_FACTS or recited["count"].nunique() < 2:
        return np.nan
    return np.polyfit(np.log(recited["count"]), np.log(recited["seen"]), 1)[0]


def controller(tables: Tables) -> dict[str, Sample]:
    """Facts recited with a controlled share minus a fixed one, exponent 1."""
    skewed = base_network(tables).skewed
    pairs = [(AUTOMATIC, LOW), (AUTOMATIC_FLAT, LOW_FLAT)]
    return {
        f"{controlled.name} − {fixed.name}": _difference(
            select(tables, skewed, controlled), select(tables, skewed, fixed)
        )
        for controlled, fixed in pairs
    }


# ---- offline pruning


def fewer_facts_help(tables: Tables) -> Sample:
    """Facts recited after offline selection over standard training on everything, exponent 1."""
    skewed = base_network(tables).skewed
    return _ratio(select(tables, skewed, OFFLINE_AUTOMATIC), standard(tables, skewed))


def random_is_not_enough(tables: Tables) -> dict[str, Sample]:
    """Facts recited at exponent 1: automatic selection minus a random subset of as many as fit."""
    return _against_random(tables, "recited")


def random_weighted(tables: Tables) -> dict[str, Sample]:
    """The same for accuracy weighted by copies."""
    return _against_random(tables, "weighted")


def _against_random(tables: Tables, column: str) -> dict[str, Sample]:
    skewed = base_network(tables).skewed
    random = select(tables, skewed, OFFLINE_RANDOM)
    schemes = {"inside training": AUTOMATIC, "offline": OFFLINE_AUTOMATIC}
    return {
        condition: _difference(select(tables, skewed, scheme), random, column)
        for condition, scheme in schemes.items()
    }


# ---- larger networks and longer training


def beats_larger(tables: Tables) -> dict[str, Sample]:
    """Facts recited at exponent 1: the base on pruned data minus the next larger on everything."""
    return _against_larger(tables, OFFLINE_AUTOMATIC)


def beats_larger_online(tables: Tables) -> dict[str, Sample]:
    """The same with selection inside training."""
    return _against_larger(tables, AUTOMATIC)


def _against_larger(tables: Tables, scheme: Scheme) -> dict[str, Sample]:
    base, runs = base_network(tables), tables["runs"]
    widths = runs.loc[runs["width"] > base.width, "width"]
    if widths.empty:
        raise KeyError("a network larger than the base")
    selected = select(tables, base.skewed, scheme)
    larger = standard(tables, base.skewed, width=widths.min())
    factor = larger["parameters"].iloc[0] / selected["parameters"].iloc[0]
    return {f"{factor:.1f} times the parameters": _difference(selected, larger)}


def beats_longer(tables: Tables) -> Sample:
    """Facts recited with selection minus standard training for several times the steps."""
    skewed = base_network(tables).skewed
    return _difference(automatic(tables, skewed), standard(tables, skewed, longer=True))


def longer_is_more_work(tables: Tables) -> Sample:
    """Work of the run with selection over that longer run."""
    skewed = base_network(tables).skewed
    columns = [work(automatic(tables, skewed)), work(standard(tables, skewed, longer=True))]
    return Sample(np.column_stack(columns), ratio)


def fewer_tokens(tables: Tables) -> dict[str, Sample]:
    """Examples with a gradient, selection over standard training at equal updates."""
    crowded = base_network(tables).crowded
    pair = automatic(tables, crowded), standard(tables, crowded)
    return {"uniform, auto": _ratio(*pair, "trained")}


# ---- natural text


def text_gain(tables: Tables) -> Sample:
    """Facts of natural text recited by the small GPT-2 with selection over without."""
    return _text_ratio(tables, SMALL_AUTOMATIC, SMALL_STANDARD)


def text_against_larger(tables: Tables) -> Sample:
    """The same over the large GPT-2 without selection."""
    return _text_ratio(tables, SMALL_AUTOMATIC, LARGE_STANDARD)


def _text_ratio(tables: Tables, numerator: TextArm, denominator: TextArm) -> Sample:
    """Ratio of recited facts of two arms."""
    runs = tables["text_runs"]
    by_arm = runs.pivot(index="replicate", columns=["size", "scheme"], values="recited")
    return Sample(by_arm[[numerator.columns, denominator.columns]].to_numpy(float), ratio)
