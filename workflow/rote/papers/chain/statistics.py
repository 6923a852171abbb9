"""What the claims measure: functions from tables to replicate values."""

import numpy as np
import pandas as pd

from rote.ledger import Sample, ratio
from rote.papers.chain.plan import MemoryCell, world_title
from rote.papers.chain.results import Tables, base_networks, base_width, cell, loads

CROWDED_LOAD = 1.0  # above it the facts are more than fit
SPARSE_LOAD = 0.5  # up to it all facts fit
UNPRUNED = MemoryCell("none", "nothing")
UNPRUNED_AND_RANDOM = MemoryCell("none", "random")
RANDOM = MemoryCell("random", "nothing")
PRUNED = MemoryCell("loss", "nothing")
PRUNED_AND_MEMORY = MemoryCell("loss", "pruned")


def _crowded_worlds(tables: Tables) -> dict[str, str]:
    """Worlds with more facts than fit, and what the ledger calls them."""
    by_world = loads(tables)
    crowded = by_world[~(by_world <= CROWDED_LOAD)]
    if crowded.empty:
        raise KeyError(f"a load above {CROWDED_LOAD:g}")
    return {world: world_title(load) for world, load in crowded.items()}


def _values(tables: Tables, world: str, of: MemoryCell, column: str) -> np.ndarray:
    """One number per replicate, in their order."""
    rows = tables["accuracy"]
    rows = cell(rows[rows["world"] == world], *of)
    if rows.empty:
        raise KeyError(f"{world}, {of.variant}, {of.content}")
    return rows.sort_values("replicate")[column].to_numpy()


def _differences(
    tables: Tables, minuend: MemoryCell, subtrahend: MemoryCell, column: str = "facts"
) -> dict[str, Sample]:
    samples = {}
    for world, title in _crowded_worlds(tables).items():
        values = _values(tables, world, minuend, column)
        values = values - _values(tables, world, subtrahend, column)
        if np.isnan(values).all():
            raise KeyError(f"{column}, {title}")
        samples[title] = Sample(values)
    return samples


def prune_helps(tables: Tables) -> dict[str, Sample]:
    """Fact accuracy pruned by loss minus unpruned, no memory, loads above 1."""
    return _differences(tables, PRUNED, UNPRUNED)


def prune_beats_random(tables: Tables) -> dict[str, Sample]:
    """Fact accuracy pruned by loss minus pruned at random to the same size."""
    return _differences(tables, PRUNED, RANDOM)


def flattening_alone(tables: Tables) -> Sample:
    """Fact accuracy chosen by loss minus chosen at random, both flattened."""
    rows = base_networks(tables)
    flat = rows[rows["variant"] == "flat"].sort_values("replicate")
    if flat.empty:
        raise KeyError("the corpus that is flattened but chosen at random")
    by_loss = rows[(rows["variant"] == "loss") & (rows["world"] == flat["world"].iloc[0])]
    by_loss = by_loss.sort_values("replicate")
    return Sample(by_loss["facts"].to_numpy() - flat["facts"].to_numpy())


def memory_recovers(tables: Tables) -> dict[str, Sample]:
    """Accuracy on pruned-away facts, with a memory of them minus without."""
    return _differences(tables, PRUNED_AND_MEMORY, PRUNED, "pruned_facts")


def memory_keeps_rules(tables: Tables) -> dict[str, Sample]:
    """Held-out rule accuracy, with that memory minus without."""
    return _differences(tables, PRUNED_AND_MEMORY, PRUNED, "rules")


def division_of_labour(tables: Tables) -> dict[str, Sample]:
    """Fact accuracy that divided labour gains at equal memory.

    Pruned network and pruned facts, minus unpruned network and random statements.
    """
    return _differences(tables, PRUNED_AND_MEMORY, UNPRUNED_AND_RANDOM)


def facts_follow_counts(tables: Tables) -> dict[str, Sample]:
    """Spearman on facts minus that on rules (mean of both rules), unpruned."""
    samples = {}
    for world, title in _crowded_worlds(tables).items():
        of_facts = _rho(tables, world, "none", of_facts=True)
        of_rules = _rho(tables, world, "none", of_facts=False)
        samples[title] = Sample((of_facts - of_rules).dropna().to_numpy())
    return samples


def flattening_breaks_counts(tables: Tables) -> dict[str, Sample]:
    """Spearman on facts with counts of the full corpus, unpruned minus pruned by loss."""
    samples = {}
    for world, title in _crowded_worlds(tables).items():
        unpruned = _rho(tables, world, "none", of_facts=True)
        pruned = _rho(tables, world, "loss", of_facts=True)
        samples[title] = Sample((unpruned - pruned).dropna().to_numpy())
    return samples


def _rho(tables: Tables, world: str, variant: str, *, of_facts: bool) -> pd.Series:
    """Spearman correlation by replicate, mean over kinds."""
    rows = tables["spearman"]
    rows = rows[(rows["world"] == world) & (rows["variant"] == variant)]
    rows = rows[rows["width"] == base_width(tables)]
    rows = rows[(rows["kind"] == "fact") == of_facts]
    if rows.empty:
        kind = "facts" if of_facts else "rules"
        raise KeyError(f"Spearman correlations of {kind}, {world}, {variant}")
    return rows.groupby("replicate")["rho"].mean().sort_index()


def beyond_capacity(tables: Tables) -> dict[str, Sample]:
    """Bits that weights and memory recall, over the most that weights alone hold.

    Recalled on the facts tested, held of all facts.
    """
    stored = base_networks(tables).groupby(["replicate", "world", "variant"])["stored"].sum()
    limit = stored.groupby("replicate").max().sort_index().to_numpy()
    samples = {}
    for world, title in _crowded_worlds(tables).items():
        recalled = _values(tables, world, PRUNED_AND_MEMORY, "recalled")
        samples[title] = Sample(np.column_stack([recalled, limit]), ratio)
    return samples


def nothing_to_prune(tables: Tables) -> dict[str, Sample]:
    """Fact accuracy pruned by loss minus unpruned at loads of at most a half."""
    by_world = loads(tables)
    sparse = by_world[by_world <= SPARSE_LOAD]
    if sparse.empty:
        raise KeyError(f"a load of at most {SPARSE_LOAD:g}")
    samples = {}
    for world, load in sparse.items():
        pruned = _values(tables, world, PRUNED, "facts")
        samples[world_title(load)] = Sample(pruned - _values(tables, world, UNPRUNED, "facts"))
    return samples
