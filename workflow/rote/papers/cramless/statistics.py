"""What the claims measure: functions from tables to replicate values."""

from collections.abc import Callable, Iterable

import numpy as np
import pandas as pd

from rote.papers.cramless.arms import (
    AUTOMATIC,
    AUTOMATIC_FLAT,
    LARGE_STANDARD,
    LONGER_GROUP,
    LOW,
    LOW_FLAT,
    OFFLINE_AUTOMATIC,
    OFFLINE_RANDOM,
    SMALL_AUTOMATIC,
    SMALL_LONGER,
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
    compute_curve,
    interpolated,
    inverted,
    limit_in_facts,
    matched,
    outcomes,
    select,
    size_curve,
    standard,
    uniform,
    weighted_limits,
    work,
)

MIN_SLOPE_FACTS = 3  # recited facts that a slope needs
PUBLISHED_FACTOR = 10  # between the networks of the abstract
MOST_STORED = 0.8  # of the bits given, from which on a network may hold more than it was given
LEAST_STORED = 0.5  # bits per parameter from which on standard training stores anything
NO_HARM = 0.995  # of the facts of standard training that selection must recite at least

Values = np.ndarray  # (replicates,), or (replicates, 2) where a claim compares two arms
ByCondition = dict[str, Values]


def _pair(a: pd.DataFrame, b: pd.DataFrame, column: str = "recited") -> Values:
    """One column of two arms, (replicates, 2)."""
    return np.column_stack([a[column], b[column]]).astype(float)


def _crowded(tables: Tables) -> dict[str, str]:
    """Uniform data sets with far more facts than fit, by what the ledger calls them."""
    return {f"{name.split()[-1]} facts": name for name in base_network(tables).crowded}


def capacity(tables: Tables) -> ByCondition:
    """Measured capacity c per network size, in bits per parameter, (replicates,) each.

    The most that standard training stores of any uniform data set. Sizes that store nearly all that
    they are given are left out: they might hold more.
    """
    runs = tables["runs"]
    widths = runs.loc[(runs["exponent"] == 0) & (runs["scheme"] == STANDARD.name), "width"].unique()
    conditions = {}
    for width in sorted(widths):
        if _holds_all(tables, width):
            continue
        size = int(runs.loc[runs["width"] == width, "parameters"].iloc[0])
        bits = capacity_in_facts(tables, width) * runs["bits"].iloc[0]
        conditions[f"{size} parameters"] = bits / size
    return conditions


def _holds_all(tables: Tables, width: int) -> bool:
    """Whether networks of a width store nearly all bits of the largest uniform data set given."""
    runs = tables["runs"]
    rows = runs[(runs["exponent"] == 0) & (runs["scheme"] == STANDARD.name)]
    rows = rows[rows["width"] == width]
    rows = rows[rows["present"] == rows["present"].max()]
    return bool((rows["stored"] / (rows["present"] * rows["bits"])).mean() > MOST_STORED)


def cramming_hurts(tables: Tables) -> ByCondition:
    """Facts recited of far too many, and the most of any smaller data set; standard training."""
    conditions = {}
    for title, name in _crowded(tables).items():
        rows = standard(tables, name)
        sizes = uniform(tables)
        best = _best(tables, sizes[: sizes.index(name)])
        conditions[title] = np.column_stack([rows["recited"], best]).astype(float)
    return conditions


def standard_misses_limit(tables: Tables) -> ByCondition:
    """Capacity, and bits of the facts that standard training recites of far too many.

    Both in bits per parameter, (replicates, 2).
    """
    conditions = {}
    for title, name in _crowded(tables).items():
        runs = standard(tables, name)
        per_fact = (runs["bits"] / runs["parameters"]).to_numpy()
        facts = np.column_stack([capacity_in_facts(tables), runs["recited"]])
        conditions[title] = facts * per_fact[:, None]
    return conditions


def selection_reaches_limit(tables: Tables) -> ByCondition:
    """Facts recited with automatic selection, and the capacity C/H in facts; too many facts."""
    limit = capacity_in_facts(tables)
    return {
        title: np.column_stack([automatic(tables, name)["recited"], limit]).astype(float)
        for title, name in _crowded(tables).items()
    }


def reaches_rate_limit(tables: Tables) -> ByCondition:
    """Facts recited with automatic selection, and the limit of rate and distortion."""
    return {
        title: np.column_stack([automatic(tables, name)["recited"], limit_in_facts(tables, name)])
        for title, name in _crowded(tables).items()
    }


def reaches_weighted_limit(tables: Tables) -> ByCondition:
    """Accuracy weighted by copies with automatic selection, and its limit, by exponent."""
    return {
        title: np.column_stack([automatic(tables, name)["weighted"], weighted_limits(tables, name)])
        for title, name in _power_laws(tables).items()
    }


def gain_uniform(tables: Tables) -> ByCondition:
    """Facts recited with automatic selection, and with standard training; too many facts."""
    return _selected_and_standard(tables, "recited")


def same_bits(tables: Tables) -> ByCondition:
    """Bits stored by standard training, and with automatic selection; too many facts.

    NaN where standard training stores less than half a bit per parameter: as much as nothing.
    """
    conditions = {}
    for title, name in _crowded(tables).items():
        runs = standard(tables, name)
        pair = _pair(runs, automatic(tables, name), "stored")
        little = runs["stored"] / runs["parameters"] < LEAST_STORED
        conditions[title] = np.where(little.to_numpy()[:, None], np.nan, pair)
    return conditions


def fewer_tokens(tables: Tables) -> ByCondition:
    """Whether selection recites more and trains on no more examples than standard training, 0 or 1.

    At equal updates, per data set. Counted are examples with a gradient.
    """
    examples = _selected_and_standard(tables, "trained")
    facts = _selected_and_standard(tables, "recited")
    return {
        title: ((of[:, 0] <= of[:, 1]) & (facts[title][:, 0] > facts[title][:, 1])).astype(float)
        for title, of in examples.items()
    }


def _selected_and_standard(tables: Tables, column: str) -> ByCondition:
    """A column with automatic selection and with standard training of far too many facts."""
    return {
        title: _pair(automatic(tables, name), standard(tables, name), column)
        for title, name in _crowded(tables).items()
    }


def no_harm(tables: Tables) -> Values:
    """Whether selection recites 0.995 as many facts as standard training where all fit, 0 or 1.

    Where standard training recites nothing, selection does harm.
    """
    small = base_network(tables).small
    selected, unselected = automatic(tables, small)["recited"], standard(tables, small)["recited"]
    return ((selected >= NO_HARM * unselected) & (unselected > 0)).to_numpy(float)


# ---- power-law frequencies


def skew_hurts(tables: Tables) -> Values:
    """Gap of the best over sizes of the data to the limit: power laws, and uniform data sets.

    As shares of C/H, standard training. Power laws of exponent 1, and uniform data sets with about
    as many distinct facts each.
    """
    pairs = matched(tables)
    limit = capacity_in_facts(tables)
    gaps = [1 - _best(tables, names) / limit for names in (pairs.keys(), pairs.values())]
    return np.column_stack(gaps).astype(float)


def skew_near_capacity(tables: Tables) -> ByCondition:
    """Facts recited of a power law with about C/H facts, and of as many uniform ones."""
    pairs = matched(tables)
    fits = capacity_in_facts(tables).mean()
    present = {name: standard(tables, name)["present"].mean() for name in pairs}
    name = min(present, key=lambda data: abs(np.log(present[data] / fits)))
    pair = _pair(standard(tables, name), standard(tables, pairs[name]))
    return {f"{present[name]:.0f} facts": pair}


def _best(tables: Tables, names: Iterable[str]) -> pd.Series:
    """Most facts that standard training recites of any of the data sets, by replicate."""
    return pd.concat([standard(tables, name)["recited"] for name in names], axis=1).max(axis=1)


def skew_at_equal_facts(tables: Tables) -> Values:
    """Facts recited of the largest power law, and of as many distinct facts, each once."""
    skewed = base_network(tables).skewed
    return _pair(standard(tables, skewed), standard(tables, matched(tables)[skewed]))


def gain_powerlaw(tables: Tables) -> Values:
    """Facts recited with automatic selection, and with standard training, exponent 1."""
    skewed = base_network(tables).skewed
    return _pair(automatic(tables, skewed), standard(tables, skewed))


def gain_by_exponent(tables: Tables) -> ByCondition:
    """The same per power-law exponent."""
    return {
        title: _pair(automatic(tables, name), standard(tables, name))
        for title, name in _power_laws(tables).items()
    }


def _power_laws(tables: Tables) -> dict[str, str]:
    """Power laws with automatic selection, by what the ledger calls them."""
    runs = tables["runs"]
    sets = runs[(runs["exponent"] > 0) & (runs["scheme"] == AUTOMATIC.name)]
    names = dict(zip(sets["exponent"], sets["data"], strict=True))
    return {f"exponent {exponent:g}": name for exponent, name in sorted(names.items())}


def gain_equal_examples(tables: Tables) -> ByCondition:
    """Facts recited with automatic selection, and by standard training on as many examples."""
    return _gain_at_equal(tables, lambda runs: runs["trained"])


def gain_equal_work(tables: Tables) -> ByCondition:
    """The same with standard training that takes as much work, scoring included."""
    return _gain_at_equal(tables, work)


def _gain_at_equal(tables: Tables, spent: Callable[[pd.DataFrame], pd.Series]) -> ByCondition:
    """Standard training is read off its curve over lengths; no less than the shortest."""
    sets = {**_crowded(tables), **_power_laws(tables)}
    longer = set(tables["runs"].loc[tables["runs"]["group"] == LONGER_GROUP.name, "data"])
    conditions = {}
    for title, name in sets.items():
        if name in longer:
            selected = automatic(tables, name)
            unselected = interpolated(compute_curve(tables, name), spent(selected))
            conditions[title] = np.column_stack([selected["recited"], unselected])
    if not conditions:
        raise KeyError("longer standard training")
    return conditions


def weighted_gain(tables: Tables) -> Values:
    """Accuracy weighted by copies with automatic selection, and standard training, exponent 1."""
    skewed = base_network(tables).skewed
    return _pair(automatic(tables, skewed), standard(tables, skewed), "weighted")


def flattening(tables: Tables) -> ByCondition:
    """Slope of log examples trained on against log copies: selection, and standard training.

    Over recited facts, at exponent 1, for the selections inside training that flatten.
    """
    reference = _slopes(tables, STANDARD)
    return {
        scheme.label: np.column_stack([_slopes(tables, scheme), reference])
        for scheme in (AUTOMATIC_FLAT, LOW_FLAT)
    }


def _slopes(tables: Tables, scheme: Scheme) -> np.ndarray:
    rows = outcomes(tables, base_network(tables).skewed, scheme)
    rows = rows[rows["seen"] > 0]
    return np.array([_slope(group[group["recited"]]) for _, group in rows.groupby("replicate")])


def _slope(recited: pd.DataFrame) -> float:
    if len(recited) < MIN_SLOPE_FACTS or recited["count"].nunique() < 2:
        return np.nan
    return np.polyfit(np.log(recited["count"]), np.log(recited["seen"]), 1)[0]


def controller(tables: Tables) -> ByCondition:
    """Facts recited with a controlled share, and with a fixed one, exponent 1."""
    skewed = base_network(tables).skewed
    pairs = {"not flattened": (AUTOMATIC, LOW), "flattened": (AUTOMATIC_FLAT, LOW_FLAT)}
    return {
        title: _pair(select(tables, skewed, controlled), select(tables, skewed, fixed))
        for title, (controlled, fixed) in pairs.items()
    }


# ---- offline pruning


def fewer_facts_help(tables: Tables) -> Values:
    """Facts recited after offline selection, and by standard training on all, exponent 1."""
    skewed = base_network(tables).skewed
    return _pair(select(tables, skewed, OFFLINE_AUTOMATIC), standard(tables, skewed))


def random_is_not_enough(tables: Tables) -> ByCondition:
    """Facts recited at exponent 1: automatic selection, and a random subset of as many as fit."""
    return _against_random(tables, "recited")


def random_weighted(tables: Tables) -> ByCondition:
    """The same for accuracy weighted by copies."""
    return _against_random(tables, "weighted")


def _against_random(tables: Tables, column: str) -> ByCondition:
    skewed = base_network(tables).skewed
    random = select(tables, skewed, OFFLINE_RANDOM)
    schemes = {"inside training": AUTOMATIC, "offline": OFFLINE_AUTOMATIC}
    return {
        condition: _pair(select(tables, skewed, scheme), random, column)
        for condition, scheme in schemes.items()
    }


# ---- larger networks and longer training


def beats_larger(tables: Tables) -> ByCondition:
    """Facts recited at exponent 1: base network on pruned data, next larger one on everything."""
    return _against_larger(tables, OFFLINE_AUTOMATIC)


def beats_larger_online(tables: Tables) -> ByCondition:
    """The same with selection inside training."""
    return _against_larger(tables, AUTOMATIC)


def _against_larger(tables: Tables, scheme: Scheme) -> ByCondition:
    base, larger = base_network(tables), next_larger(tables)
    selected = select(tables, base.skewed, scheme)
    factor = larger["parameters"].iloc[0] / selected["parameters"].iloc[0]
    return {f"{factor:.1f} times the parameters": _pair(selected, larger)}


def next_larger(tables: Tables) -> pd.DataFrame:
    """Standard training of the next larger network of the ladder at exponent 1, by replicate.

    Raises:
        KeyError: if the ladder has no network larger than the base.
    """
    base, runs = base_network(tables), tables["runs"]
    widths = runs.loc[runs["width"] > base.width, "width"]
    if widths.empty:
        raise KeyError("a network larger than the base")
    return standard(tables, base.skewed, width=widths.min())


def equivalent_size(tables: Tables) -> ByCondition:
    """Parameters with which standard training recites as many, over those of the network.

    Of networks with automatic selection; the standard curve over sizes, each at its own learning
    rate, is read backwards. Where it never recites as many, the largest size counts.
    """
    base = base_network(tables)
    conditions = {}
    for title, name in {**_last_crowded(tables), "exponent 1": base.skewed}.items():
        curve = size_curve(tables, name)
        for width in _selected_widths(tables, name):
            selected = automatic(tables, name, width=width)
            size = int(selected["parameters"].iloc[0])
            if curve.columns.max() < PUBLISHED_FACTOR * size:
                continue  # the curve ends before it could say so
            ratio = inverted(curve, selected["recited"]) / size
            conditions[f"{title}, {size} parameters"] = ratio
    return conditions


def _last_crowded(tables: Tables) -> dict[str, str]:
    return dict(list(_crowded(tables).items())[-1:])


def _selected_widths(tables: Tables, data: str) -> list[int]:
    """Widths that are trained with automatic selection on a data set."""
    runs = tables["runs"]
    rows = runs[(runs["data"] == data) & (runs["scheme"] == AUTOMATIC.name)]
    return sorted(rows["width"].unique())


def beats_longer(tables: Tables) -> ByCondition:
    """Facts recited with selection, and by standard training for several times the steps."""
    base = base_network(tables)
    longer = standard(tables, base.skewed, longer=True)
    times = longer["steps"].iloc[0] / base.steps
    return {f"{times:g} times the steps": _pair(automatic(tables, base.skewed), longer)}


# ---- natural text


def text_gain(tables: Tables) -> ByCondition:
    """Facts of natural text recited by the small GPT-2 with selection, and without, by phrasing."""
    return _text_pairs(tables, SMALL_AUTOMATIC, SMALL_STANDARD)


def text_gain_equal_work(tables: Tables) -> ByCondition:
    """The same, and without selection for at least as much work."""
    return _text_pairs(tables, SMALL_AUTOMATIC, SMALL_LONGER)


def text_against_larger(tables: Tables) -> ByCondition:
    """The same, and by the large GPT-2 without selection."""
    return _text_pairs(tables, SMALL_AUTOMATIC, LARGE_STANDARD)


def _text_pairs(tables: Tables, a: TextArm, b: TextArm) -> ByCondition:
    """Recited facts of two arms, (replicates, 2), by kind of phrasing."""
    conditions = {}
    for kind, runs in tables["text_runs"].groupby("kind", sort=False):
        by_arm = runs.pivot(index="replicate", columns=["size", "scheme"], values="recited")
        conditions[f"{kind} phrasings"] = by_arm[[a.columns, b.columns]].to_numpy(float)
    return conditions
