"""Networks trained again on changed corpora: what the facts' documents were worth.

Removing the documents of a fact makes its object rarer, too. A network that knows only which
objects are frequent then loses as much on every fact with that object; so each change is taken
relative to that of unchanged facts with the same object.
"""

import numpy as np
import pandas as pd

from rote.papers.distmem.statistics.reading import Tables, of_model, spearman_by_source
from rote.papers.distmem.tasks import FACTS
from rote.papers.distmem.treatments import (
    CHANGED,
    HALVED,
    INJECTED,
    PAIRS,
    REINITIALIZED,
    REMOVALS,
    REMOVED,
    UNCHANGED,
    Treatment,
)


def ablation_changes(tables: Tables) -> pd.DataFrame:
    """By corpus and fact: treatment, documents before and after, change of the log-probability.

    Returns:
        Rows of the changed corpora; `change` against the ladder's network on the unchanged corpus
        with the same initialization, and `noise`, that of another initialization.
    """
    rows = tables["ablation"]
    base = of_model(tables, "performance", rows["model"].iloc[0], FACTS)
    base = base.set_index(["source", "example"])["loss"].rename("base")
    reinitialized = rows[rows["variant"] == REINITIALIZED].set_index(["source", "fact"])["logprob"]
    changed = rows[rows["variant"] == CHANGED].join(base, on=["source", "fact"])
    changed = changed.join(reinitialized.rename("reinitialized"), on=["source", "fact"])
    return changed.assign(
        change=changed["logprob"] + changed["base"],
        noise=changed["reinitialized"] + changed["base"],
    )


def _relative(tables: Tables, column: str) -> pd.DataFrame:
    """`ablation_changes` with `relative`: a column minus the mean change of unchanged facts.

    Args:
        tables: of the run, by name.
        column: of `ablation_changes`: `change`, or `logprob` where the level counts.

    Returns:
        Rows of facts for which the corpus has an unchanged fact with the same object.
    """
    objects = tables["facts"].set_index(["source", "fact"])["object"]
    rows = ablation_changes(tables).join(objects, on=["source", "fact"])
    unchanged = rows[rows["treatment"] == UNCHANGED.name]
    controls = unchanged.groupby(["source", "object"])["change"].mean().rename("control")
    rows = rows.join(controls, on=["source", "object"])
    return rows.assign(relative=rows[column] - rows["control"]).dropna(subset=["relative"])


def _treatment_effect(tables: Tables, treatment: Treatment) -> pd.Series:
    rows = _relative(tables, "change")
    return rows[rows["treatment"] == treatment.name].groupby("source")["relative"].mean()


def ablation_is_causal(tables: Tables) -> pd.Series:
    """C15: change of the log-probability of facts without documents, relative, see module."""
    return _treatment_effect(tables, REMOVED)


def pair_removal(tables: Tables) -> pd.Series:
    """The same where mentions of the subject stay."""
    return _treatment_effect(tables, PAIRS)


def halving(tables: Tables) -> pd.Series:
    """The same where every second document was removed."""
    return _treatment_effect(tables, HALVED)


def dose_response(tables: Tables) -> np.ndarray:
    """C15: Spearman(−relative change, log(1 + documents removed)) over the facts that lost some."""
    rows = _relative(tables, "change")
    rows = rows[rows["treatment"].isin(REMOVALS)]
    removed = np.log1p(rows["documents_before"] - rows["documents_after"])
    rows = rows.assign(removed=removed, drop=-rows["relative"])
    return spearman_by_source(rows, "drop", "removed")


def injection(tables: Tables) -> np.ndarray:
    """Spearman of the number of true statements added with the log-probability, relative."""
    rows = _relative(tables, "logprob")
    rows = rows[rows["treatment"] == INJECTED.name]
    return spearman_by_source(rows, "relative", "documents_after")
