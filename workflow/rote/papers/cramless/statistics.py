"""What the claims measure: functions from tables to replicate values."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from rote.ledger import Sample, ratio

Tables = Mapping[str, pd.DataFrame]
SCORING = (
    1 / 3
    # work of scoring a candidate, in training steps on one example (forward against forward and
    # backward)
)


def base(tables: Tables) -> pd.Series:
    """Width and steps of the base networks, and the data sets that the claims are about."""
    runs = tables["runs"]
    standard = runs[runs["group"] == "standard"]
    uniform = sorted(standard.loc[standard["exponent"] == 0, "facts"].unique())
    return pd.Series(
        {
            "width": standard["width"].iloc[0],
            "steps": standard["steps"].iloc[0],
            "small": f"uniform {uniform[0]}",
            "fits": f"uniform {uniform[1]}",
            "crowded": f"uniform {uniform[-2]}",
            "largest": f"uniform {uniform[-1]}",
            "skewed": "power 1",
        }
    )


def select(
    tables: Tables, data: str, scheme: str, width: int | None = None, longer: bool = False
) -> pd.DataFrame:
    """Runs of one arm, by replicate. Raises KeyError if the run does not hold it."""
    about, runs = base(tables), tables["runs"]
    rows = runs[(runs["data"] == data) & (runs["scheme"] == scheme)]
    rows = rows[rows["width"] == (about["width"] if width is None else width)]
    rows = rows[rows["steps"] > about["steps"]] if longer else rows[rows["steps"] == about["steps"]]
    if rows.empty:
        raise KeyError(f"arm {data}, {scheme}, width {width}")
    return rows.sort_values("replicate").set_index("replicate")


def _difference(a: pd.DataFrame, b: pd.DataFrame, column: str = "recited") -> Sample:
    return Sample((a[column] - b[column]).to_numpy(float))


def _ratio(a: pd.DataFrame, b: pd.DataFrame, column: str = "recited") -> Sample:
    return Sample(np.column_stack([a[column], b[column]]).astype(float), ratio)


def capacity(tables: Tables) -> dict[str, Sample]:
    """Measured capacity c: the most bits per parameter that standard training stores of any uniform
    data set.
    """
    runs = tables["runs"]
    widths = runs.loc[(runs["exponent"] == 0) & (runs["scheme"] == "none"), "width"].unique()
    conditions = {}
    for width in sorted(widths):
        size = int(runs.loc[runs["width"] == width, "parameters"].iloc[0])
        conditions[f"{size} parameters"] = Sample(
            limit(tables, width) * runs["bits"].iloc[0] / size
        )
    return conditions


def limit(tables: Tables, width: int | None = None) -> np.ndarray:
    """Facts that the measured capacity holds, C/H, per replicate: the plateau over the uniform data
    sets.
    """
    about, runs = base(tables), tables["runs"]
    rows = runs[
        (runs["exponent"] == 0) & (runs["scheme"] == "none") & (runs["steps"] == about["steps"])
    ]
    rows = rows[rows["width"] == (about["width"] if width is None else width)]
    if rows.empty:
        raise KeyError(f"uniform data sets at width {width}")
    return (rows["stored"] / rows["bits"]).groupby(rows["replicate"]).max().to_numpy()


def cramming_hurts(tables: Tables) -> Sample:
    """Facts recited of far too many, minus facts recited of about as many as fit; standard
    training.
    """
    about = base(tables)
    return _difference(
        select(tables, about["crowded"], "none"), select(tables, about["fits"], "none")
    )


def same_bits(tables: Tables) -> Sample:
    """Bits stored by standard training over bits stored with automatic selection."""
    about = base(tables)
    return _ratio(
        select(tables, about["crowded"], "none"), select(tables, about["crowded"], "auto"), "stored"
    )


def selection_reaches_limit(tables: Tables) -> Sample:
    """Facts recited with automatic selection over C/H."""
    recited = select(tables, base(tables)["crowded"], "auto")["recited"]
    return Sample(np.column_stack([recited, limit(tables)]).astype(float), ratio)


def standard_misses_limit(tables: Tables) -> Sample:
    """The same with standard training."""
    recited = select(tables, base(tables)["crowded"], "none")["recited"]
    return Sample(np.column_stack([recited, limit(tables)]).astype(float), ratio)


def gain_uniform(tables: Tables) -> Sample:
    """Facts recited with automatic selection over standard training, too many facts."""
    about = base(tables)
    return _ratio(
        select(tables, about["crowded"], "auto"), select(tables, about["crowded"], "none")
    )


def skew_hurts(tables: Tables) -> Sample:
    """Share of C/H that standard training recites under a power law, over that of as many facts as
    fit, each once.
    """
    about = base(tables)
    return _ratio(select(tables, about["skewed"], "none"), select(tables, about["fits"], "none"))


def skew_at_equal_facts(tables: Tables) -> Sample:
    """Facts recited under a power law over facts recited of about as many distinct facts, each
    once.
    """
    about = base(tables)
    return _ratio(select(tables, about["skewed"], "none"), select(tables, about["crowded"], "none"))


def gain_powerlaw(tables: Tables) -> dict[str, Sample]:
    """Facts recited with automatic selection over standard training, per power-law exponent."""
    runs = tables["runs"]
    names = runs.loc[runs["exponent"] > 0, "data"].unique()
    return {
        name: _ratio(select(tables, name, "auto"), select(tables, name, "none"))
        for name in sorted(names)
    }


def gain_at_one(tables: Tables) -> Sample:
    """The same for exponent 1."""
    return gain_powerlaw(tables)["power 1"]


def weighted_gain(tables: Tables) -> Sample:
    """Accuracy weighted by copies with automatic selection minus standard training, exponent 1."""
    about = base(tables)
    return _difference(
        select(tables, about["skewed"], "auto"), select(tables, about["skewed"], "none"), "weighted"
    )


def beats_larger(tables: Tables) -> dict[str, Sample]:
    """Facts recited by the base network on pruned data minus the next larger one on everything,
    exponent 1.
    """
    return _against_larger(tables, "offline automatic")


def beats_larger_online(tables: Tables) -> dict[str, Sample]:
    """The same with selection inside training."""
    return _against_larger(tables, "auto")


def _against_larger(tables: Tables, scheme: str) -> dict[str, Sample]:
    about, runs = base(tables), tables["runs"]
    larger = runs.loc[runs["width"] > about["width"], "width"]
    if larger.empty:
        raise KeyError("a network larger than the base")
    ours, other = (
        select(tables, about["skewed"], scheme),
        select(tables, about["skewed"], "none", larger.min()),
    )
    factor = other["parameters"].iloc[0] / ours["parameters"].iloc[0]
    return {f"{factor:.1f} times the parameters": _difference(ours, other)}


def beats_longer(tables: Tables) -> Sample:
    """Facts recited with selection minus standard training for several times the steps, exponent 1."""
    about = base(tables)
    return _difference(
        select(tables, about["skewed"], "auto"),
        select(tables, about["skewed"], "none", longer=True),
    )


def longer_is_more_work(tables: Tables) -> Sample:
    """Work of the run with selection over that longer run: examples trained on plus a third of
    those only scored.
    """
    about = base(tables)
    work = [
        (rows["trained"] + SCORING * rows["scored"]).to_numpy()
        for rows in (
            select(tables, about["skewed"], "auto"),
            select(tables, about["skewed"], "none", longer=True),
        )
    ]
    return Sample(np.column_stack(work), ratio)


def fewer_tokens(tables: Tables) -> dict[str, Sample]:
    """Examples with a gradient, selection over standard training at equal updates."""
    about = base(tables)
    crowded = _ratio(
        select(tables, about["crowded"], "auto"),
        select(tables, about["crowded"], "none"),
        "trained",
    )
    return {"uniform, auto": crowded}


def no_harm(tables: Tables) -> Sample:
    """Accuracy with automatic selection minus standard training where everything fits."""
    about = base(tables)
    ours, theirs = (select(tables, about["small"], scheme) for scheme in ("auto", "none"))
    return Sample(
        (ours["recited"] / ours["present"] - theirs["recited"] / theirs["present"]).to_numpy()
    )


def controller(tables: Tables) -> dict[str, Sample]:
    """Facts recited with a controlled share minus a fixed one, exponent 1."""
    name = base(tables)["skewed"]
    pairs = {"auto − low": ("auto", "low"), "auto-flat − low-flat": ("auto-flat", "low-flat")}
    return {
        label: _difference(select(tables, name, a), select(tables, name, b))
        for label, (a, b) in pairs.items()
    }


def random_is_not_enough(tables: Tables) -> dict[str, Sample]:
    """Facts recited with automatic selection minus a random subset of as many facts as fit,
    exponent 1.
    """
    return _against_random(tables, "recited")


def random_weighted(tables: Tables) -> dict[str, Sample]:
    """The same for accuracy weighted by copies."""
    return _against_random(tables, "weighted")


def _against_random(tables: Tables, column: str) -> dict[str, Sample]:
    name = base(tables)["skewed"]
    random = select(tables, name, "offline random")
    schemes = {"inside training": "auto", "offline": "offline automatic"}
    return {
        label: _difference(select(tables, name, s), random, column) for label, s in schemes.items()
    }


def fewer_facts_help(tables: Tables) -> Sample:
    """Facts recited after offline selection over standard training on everything, exponent 1."""
    name = base(tables)["skewed"]
    return _ratio(select(tables, name, "offline automatic"), select(tables, name, "none"))


def text_gain(tables: Tables) -> Sample:
    """Facts of natural text recited by the small GPT-2 with selection over without."""
    return _text(tables, ("small", "auto"), ("small", "none"))


def text_against_larger(tables: Tables) -> Sample:
    """The same over the large GPT-2 without selection."""
    return _text(tables, ("small", "auto"), ("large", "none"))


def _text(tables: Tables, ours: tuple[str, str], theirs: tuple[str, str]) -> Sample:
    wide = tables["text_runs"].pivot(
        index="replicate", columns=["size", "scheme"], values="recited"
    )
    return Sample(wide[[ours, theirs]].to_numpy(float), ratio)


def flattening(tables: Tables) -> dict[str, Sample]:
    """Slope of log examples trained on against log copies, recited facts; selection minus standard,
    exponent 1.
    """
    name = base(tables)["skewed"]
    standard = _slopes(tables, select(tables, name, "none")["arm"].iloc[0])
    return {
        scheme: Sample(_slopes(tables, select(tables, name, scheme)["arm"].iloc[0]) - standard)
        for scheme in ("auto-flat", "low-flat", "offline loss-flat")
    }


def _slopes(tables: Tables, arm: str) -> np.ndarray:
    rows = tables["trained"]
    rows = rows[(rows["arm"] == arm) & (rows["count"] > 0) & (rows["seen"] > 0)]
    found = []
    for _, group in rows.groupby("replicate"):
        known = group[group["recited"]]
        few = len(known) < 3 or known["count"].nunique() < 2
        found.append(
            np.nan if few else np.polyfit(np.log(known["count"]), np.log(known["seen"]), 1)[0]
        )
    return np.array(found)
