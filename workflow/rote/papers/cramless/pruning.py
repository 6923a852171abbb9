"""Offline pruning: data sets chosen from the losses of networks that were trained on everything."""

from collections.abc import Iterable

import numpy as np
import pandas as pd

from rote import prune
from rote.core import tables
from rote.core.seeds import generator
from rote.papers.cramless import schema
from rote.papers.cramless.arms import (
    OFFLINE_RANDOM,
    OFFLINE_SELECTIONS,
    STANDARD,
    FactArm,
    OfflineSelection,
)
from rote.papers.cramless.settings import CramlessFacts


def prune_offline(
    options: CramlessFacts, outcomes: pd.DataFrame, runs: pd.DataFrame, seed: int
) -> pd.DataFrame:
    """Selections from the data set of exponent 1, by every rule: the table PrunedCounts.

    From uniform data sets random ones alone, which are the control at every size. All rules keep as
    many facts as `rote.prune.automatic` says that the networks hold.

    Args:
        options: tokens and symbols of a value, which give its entropy.
        outcomes: table FactOutcomes of networks with standard training.
        runs: table NetworkRuns of the same networks.
        seed: of the run, for selections at random.
    """
    standard = runs[(runs["scheme"] == STANDARD.name) & (runs["exponent"].isin([0.0, 1.0]))]
    parts = []
    for arm, of_arm in standard.groupby("arm", sort=False):
        selections = OFFLINE_SELECTIONS if of_arm["exponent"].iloc[0] else (OFFLINE_RANDOM.offline,)
        rows = outcomes[outcomes["arm"] == arm]
        parts += _selected(options, rows, of_arm["data"].iloc[0], selections, seed)
    return pd.concat(parts, ignore_index=True)


def _selected(
    options: CramlessFacts,
    outcomes: pd.DataFrame,
    data: str,
    selections: Iterable[OfflineSelection],
    seed: int,
) -> list[pd.DataFrame]:
    """Rows of PrunedCounts of one data set, a frame per replicate and selection."""
    bits = options.value_tokens * np.log2(options.value_symbols)
    parts = []
    for replicate, group in outcomes.groupby("replicate"):
        facts = group.sort_values("fact")
        counts = facts["count"].to_numpy()
        fitting = prune.automatic(
            facts["loss"].to_numpy(), counts=counts, ignorance=bits * np.log(2)
        )
        share = fitting / (counts > 0).sum()
        for selection in selections:
            rng = generator(seed, "cramless", "prune", data, selection.name, int(replicate))
            columns = {
                "data": data,
                "scheme": selection.name,
                "replicate": replicate,
                "fact": facts["fact"].to_numpy(),
                "count": _select(selection, facts, share, rng),
            }
            parts.append(tables.frame(schema.PrunedCounts, columns))
    return parts


def _select(
    selection: OfflineSelection, facts: pd.DataFrame, share: float, rng: np.random.Generator
) -> np.ndarray:
    """Copies of each fact that stay, (N,)."""
    counts = facts["count"].to_numpy()
    scores = -counts.astype(float) if selection.by_frequency else facts["loss"].to_numpy()
    copies = prune.select(scores, share, scheme=selection.scheme, counts=counts, rng=rng)
    return np.minimum(copies, 1) if selection.each_once else copies


def counts_of(pruned: pd.DataFrame, arm: FactArm) -> list[np.ndarray]:
    """Copies of each fact to train on, (N,) per replicate, from the table PrunedCounts."""
    selection = arm.scheme.offline.name
    rows = pruned[(pruned["data"] == arm.data.name) & (pruned["scheme"] == selection)]
    return [group.sort_values("fact")["count"].to_numpy() for _, group in rows.groupby("replicate")]
