"""What the claims measure: functions from tables to replicate values."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from rote.ledger import Sample, ratio
from rote.papers.chain.figures import base_width

Tables = Mapping[str, pd.DataFrame]


def _worlds(tables: Tables) -> dict[str, str]:
    """Worlds with more facts than fit, and what the ledger calls them."""
    rows = tables["accuracy"].drop_duplicates("world")
    above = rows[~(rows["load"] <= 1)]
    if above.empty:
        raise KeyError("a load above 1")
    return {
        world: "own text" if np.isnan(load) else f"load {load:g}"
        for world, load in zip(above["world"], above["load"], strict=True)
    }


def _values(tables: Tables, world: str, variant: str, memory: str, column: str) -> np.ndarray:
    """One number per replicate, in their order."""
    rows = tables["accuracy"]
    rows = rows[
        (rows["world"] == world) & (rows["variant"] == variant) & (rows["memory"] == memory)
    ]
    if rows.empty:
        raise KeyError(f"{world}, {variant}, {memory}")
    return rows.sort_values("replicate")[column].to_numpy()


def _differences(
    tables: Tables, one: tuple[str, str], other: tuple[str, str], column: str = "facts"
) -> dict[str, Sample]:
    found = {}
    for world, name in _worlds(tables).items():
        values = _values(tables, world, *one, column) - _values(tables, world, *other, column)
        if np.isnan(values).all():
            raise KeyError(f"{column}, {name}")
        found[name] = Sample(values)
    return found


def prune_helps(tables: Tables) -> dict[str, Sample]:
    """Fact accuracy pruned by loss minus unpruned, no memory, loads above 1."""
    return _differences(tables, ("loss", "nothing"), ("none", "nothing"))


def prune_beats_random(tables: Tables) -> dict[str, Sample]:
    """Fact accuracy pruned by loss minus pruned at random to the same size."""
    return _differences(tables, ("loss", "nothing"), ("random", "nothing"))


def memory_recovers(tables: Tables) -> dict[str, Sample]:
    """Accuracy on pruned-away facts, with a memory of them minus without."""
    return _differences(tables, ("loss", "pruned"), ("loss", "nothing"), "pruned")


def memory_keeps_rules(tables: Tables) -> dict[str, Sample]:
    """Held-out rule accuracy, with that memory minus without."""
    return _differences(tables, ("loss", "pruned"), ("loss", "nothing"), "rules")


def division_of_labour(tables: Tables) -> dict[str, Sample]:
    """Fact accuracy at equal memory: pruned network and pruned facts, minus unpruned network and
    random statements.
    """
    return _differences(tables, ("loss", "pruned"), ("none", "random"))


def _rho(tables: Tables, world: str, variant: str, facts: bool) -> pd.Series:
    rows = tables["spearman"]
    rows = rows[
        (rows["world"] == world)
        & (rows["variant"] == variant)
        & (rows["width"] == base_width(tables))
    ]
    rows = rows[(rows["kind"] == "fact") == facts]
    if rows.empty:
        raise KeyError(
            f"Spearman correlations of {'facts' if facts else 'rules'}, {world}, {variant}"
        )
    return rows.groupby("replicate")["rho"].mean().sort_index()


def facts_follow_counts(tables: Tables) -> dict[str, Sample]:
    """Spearman on facts minus that on rules (mean of both rules), unpruned."""
    return {
        name: Sample(
            (_rho(tables, world, "none", True) - _rho(tables, world, "none", False))
            .dropna()
            .to_numpy()
        )
        for world, name in _worlds(tables).items()
    }


def flattening_breaks_counts(tables: Tables) -> dict[str, Sample]:
    """Spearman on facts with counts of the full corpus, unpruned minus pruned by loss."""
    return {
        name: Sample(
            (_rho(tables, world, "none", True) - _rho(tables, world, "loss", True))
            .dropna()
            .to_numpy()
        )
        for world, name in _worlds(tables).items()
    }


def beyond_capacity(tables: Tables) -> dict[str, Sample]:
    """Bits recalled by weights and memory on the facts tested, over the most that weights alone
    hold of all facts.
    """
    rows = tables["networks"]
    rows = rows[rows["width"] == base_width(tables)]
    most = (
        rows.groupby(["world", "variant", "replicate"])["stored"]
        .sum()
        .groupby("replicate")
        .max()
        .sort_index()
    )
    return {
        name: Sample(
            np.column_stack(
                [_values(tables, world, "loss", "pruned", "recalled"), most.to_numpy()]
            ),
            ratio,
        )
        for world, name in _worlds(tables).items()
    }


def nothing_to_prune(tables: Tables) -> dict[str, Sample]:
    """Fact accuracy pruned by loss minus unpruned at loads of at most a half."""
    rows = tables["accuracy"]
    below = rows.loc[rows["load"] <= 0.5, ["world", "load"]].drop_duplicates()
    if below.empty:
        raise KeyError("a load of at most 0.5")
    return {
        f"load {row.load:g}": Sample(
            _values(tables, row.world, "loss", "nothing", "facts")
            - _values(tables, row.world, "none", "nothing", "facts")
        )
        for row in below.itertuples()
    }


def flattening_alone(tables: Tables) -> Sample:
    """Fact accuracy chosen by loss minus chosen at random, both flattened."""
    rows = tables["networks"]
    rows = rows[rows["width"] == base_width(tables)]
    flat = rows[rows["variant"] == "flat"].sort_values("replicate")
    if flat.empty:
        raise KeyError("the corpus that is flattened but chosen at random")
    loss = rows[(rows["variant"] == "loss") & (rows["world"] == flat["world"].iloc[0])].sort_values(
        "replicate"
    )
    return Sample(loss["facts"].to_numpy() - flat["facts"].to_numpy())
