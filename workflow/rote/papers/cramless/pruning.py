"""Offline pruning: data sets chosen from the losses of networks that were trained on everything."""

import numpy as np
import pandas as pd

from rote import prune
from rote.core import tables
from rote.core.seeds import generator
from rote.papers.cramless import schema
from rote.papers.cramless.arms import OFFLINE_SELECTIONS, STANDARD, FactArm, OfflineSelection
from rote.papers.cramless.settings import CramlessFacts


def prune_offline(
    options: CramlessFacts, outcomes: pd.DataFrame, runs: pd.DataFrame, seed: int
) -> pd.DataFrame:
    """Selections from the data set of exponent 1, by every rule: the table PrunedCounts.

    All rules keep as many facts as `rote.prune.automatic` says that the networks hold.

    Args:
        options: tokens and symbols of a value, which give its entropy.
        outcomes: table FactOutcomes of networks with standard training.
        runs: table NetworkRuns of the same networks.
        seed: of the run, for selections at random.
    """
    trained = runs[(runs["exponent"] == 1.0) & (runs["scheme"] == STANDARD.name)].iloc[0]
    rows = outcomes[outcomes["arm"] == trained["arm"]]
    bits = options.value_tokens * np.log2(options.value_symbols)
    parts = []
    for replicate, group in rows.groupby("replicate"):
        facts = group.sort_values("fact")
        counts = facts["count"].to_numpy()
        fitting = prune.automatic(
            facts["loss"].to_numpy(), counts=counts, ignorance=bits * np.log(2)
        )
        share = fitting / (counts > 0).sum()
        for selection in OFFLINE_SELECTIONS:
            rng = generator(
                seed, "cramless", "prune", trained["data"], selection.name, int(replicate)
            )
            columns = {
                "data": trained["data"],
                "scheme": selection.name,
                "replicate": replicate,
                "fact": facts["fact"].to_numpy(),
                "count": _select(selection, facts, share, rng),
            }
            parts.append(tables.frame(schema.PrunedCounts, columns))
    return pd.concat(parts, ignore_index=True)


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
