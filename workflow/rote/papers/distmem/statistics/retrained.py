"""Networks trained again on changed corpora: what the facts' documents were worth.

Arms are drawn within blocks of similarly frequent facts, and moved answers stay in the corpus; so
an arm differs from the unchanged facts of its block in nothing but its documents, and each change
is taken relative to theirs.
"""

import numpy as np
import pandas as pd

from rote.papers.distmem.sources import generated
from rote.papers.distmem.statistics.reading import Tables, spearman, spearman_by_source
from rote.papers.distmem.tasks import FACTS
from rote.papers.distmem.treatments import (
    ALL,
    CHANGED,
    DOSES,
    HALF,
    INJECTED,
    QUARTER,
    REINITIALIZED,
    REMOVED,
    UNCHANGED,
    Treatment,
)

MIN_FACTS = 10  # that a correlation needs


def ablation_changes(tables: Tables) -> pd.DataFrame:
    """By corpus, network and fact: arm, documents before and after, change of the log-probability.

    Returns:
        Rows of the changed corpora; `change` against the ladder's network on the unchanged corpus
        with the same initialization, `noise`, that of another initialization, and `relative`,
        the change minus the mean change of the unchanged facts of its block.
    """
    rows = tables["ablation"]
    base = generated(tables["performance"])
    base = base[base["task"] == FACTS.name].set_index(["source", "model", "example"])["loss"]
    keys = ["source", "model", "fact"]
    reinitialized = rows[rows["variant"] == REINITIALIZED].set_index(keys)["logprob"]
    changed = rows[rows["variant"] == CHANGED].join(base.rename("base"), on=keys)
    changed = changed.join(reinitialized.rename("reinitialized"), on=keys)
    changed = changed.assign(
        change=changed["logprob"] + changed["base"],
        noise=changed["reinitialized"] + changed["base"],
    )
    unchanged = changed[changed["treatment"] == UNCHANGED.name]
    blocks = ["source", "model", "block"]
    controls = unchanged.groupby(blocks)["change"].mean().rename("control")
    changed = changed.join(controls, on=blocks)
    return changed.assign(relative=changed["change"] - changed["control"])


def ablated(tables: Tables) -> list[str]:
    """Names of the networks trained again, by size."""
    sizes = generated(tables["performance"]).drop_duplicates("model").set_index("model")["size"]
    return sorted(tables["ablation"]["model"].unique(), key=sizes.get)


def effect(tables: Tables, treatment: Treatment) -> dict[str, pd.Series]:
    """Mean relative change of an arm, by network and corpus."""
    rows = ablation_changes(tables)
    rows = rows[rows["treatment"] == treatment.name]
    means = rows.groupby(["model", "source"])["relative"].mean()
    return {model: means[model] for model in ablated(tables)}


def moving_all(tables: Tables) -> dict[str, pd.Series]:
    """C15: relative change of facts all of whose documents were moved."""
    return effect(tables, ALL)


def moving_half(tables: Tables) -> dict[str, pd.Series]:
    """The same of half of the documents."""
    return effect(tables, HALF)


def moving_quarter(tables: Tables) -> dict[str, pd.Series]:
    """The same of a quarter."""
    return effect(tables, QUARTER)


def removal_beyond_moving(tables: Tables) -> dict[str, pd.Series]:
    """Relative change where documents and answers are removed minus that where they are moved."""
    removed, moved = effect(tables, REMOVED), effect(tables, ALL)
    return {model: removed[model] - moved[model] for model in removed}


def dose_response(tables: Tables) -> dict[str, np.ndarray]:
    """C15: Spearman(share of the documents moved, −relative change) over facts, by network."""
    rows = ablation_changes(tables)
    doses = {treatment.name: treatment.moved for treatment in (UNCHANGED, *DOSES)}
    rows = rows.assign(dose=rows["treatment"].map(doses), drop=-rows["relative"])
    rows = rows.dropna(subset=["dose"])
    return {
        model: spearman_by_source(rows[rows["model"] == model], "dose", "drop")
        for model in ablated(tables)
    }


def recorrelated(tables: Tables) -> pd.DataFrame:
    """Correlation of the facts' ratios with the log-probabilities, before and after the change.

    Returns:
        Columns source, model, treatment, and of Spearman's rho with the ratio in the unchanged
        corpus: `before` of the ladder's network, `after` of the one trained again; `recounted`,
        of the latter with the ratio in the changed corpus. NaN of fewer than ten facts.
    """
    rows = ablation_changes(tables)
    rows = rows[(rows["pairs_before"] > 0) & (rows["inputs_before"] > 0)]
    rows = rows.assign(ratio=rows["pairs_before"] / rows["inputs_before"], first=-rows["base"])
    results = []
    for (source, model, treatment), arm in rows.groupby(["source", "model", "treatment"]):
        remaining = arm[(arm["pairs_after"] > 0) & (arm["inputs_after"] > 0)]
        row = {
            "source": source,
            "model": model,
            "treatment": treatment,
            "before": _spearman(arm["ratio"], arm["first"]),
            "after": _spearman(arm["ratio"], arm["logprob"]),
            "recounted": _spearman(
                remaining["pairs_after"] / remaining["inputs_after"], remaining["logprob"]
            ),
        }
        results.append(row)
    return pd.DataFrame(results)


def _spearman(first: pd.Series, second: pd.Series) -> float:
    varies = first.nunique() > 1 and second.nunique() > 1
    return spearman(first, second) if varies and len(first) >= MIN_FACTS else np.nan


def correlation_falls(tables: Tables) -> dict[str, pd.Series]:
    """Change of rho where all documents were moved minus that of unchanged facts, by network."""
    rows = recorrelated(tables)
    change = (rows["after"] - rows["before"]).rename("change")
    table = rows.assign(change=change).pivot(
        index=["model", "source"], columns="treatment", values="change"
    )
    table = table.reindex(columns=[ALL.name, UNCHANGED.name])
    falls = table[ALL.name] - table[UNCHANGED.name]
    return {model: falls[model] for model in ablated(tables)}


def injection(tables: Tables) -> dict[str, np.ndarray]:
    """Spearman of the true statements there are with the relative change, by network."""
    rows = ablation_changes(tables)
    rows = rows[rows["treatment"] == INJECTED.name]
    return {
        model: spearman_by_source(rows[rows["model"] == model], "relative", "documents_after")
        for model in ablated(tables)
    }
