"""Memorization by task, size and frequency: differences of ρ, one per corpus."""

import numpy as np
import pandas as pd

from rote.papers.distmem import variants
from rote.papers.distmem.families import LLAMA
from rote.papers.distmem.sources import generated
from rote.papers.distmem.statistics.reading import (
    Tables,
    beyond,
    change,
    change_beyond,
    ladder,
    largest,
    of_model,
    rho,
    spearman,
    where_answered,
)
from rote.papers.distmem.tasks import (
    FACTS,
    HEAD,
    KNOWN_STEPS,
    MIDDLE,
    REASONING,
    TAIL,
    TRANSLATION,
    RankGroup,
)

IN_ORDER = 0.8  # rank correlation of ρ with size from which networks count as ordered (C2)

# ---- by task and size


def facts_strongest(tables: Tables) -> pd.Series:
    """C1: ρ of facts minus the larger of translation's and reasoning's, largest network."""
    model = largest(tables)
    others = np.maximum(rho(tables, TRANSLATION, model), rho(tables, REASONING, model))
    return rho(tables, FACTS, model) - others


def facts_rise(tables: Tables) -> pd.Series:
    """C2: ρ of facts, largest minus smallest network."""
    return change(tables, FACTS)


def facts_rise_in_order(tables: Tables) -> np.ndarray:
    """C2: whether ρ of facts and size have a rank correlation of `IN_ORDER` or more, 0 or 1."""
    values = np.stack([rho(tables, FACTS, name).to_numpy() for name in ladder(tables)])
    ranks = range(len(values))
    orders = [spearman(ranks, of_corpus) for of_corpus in values.T]
    # 0.8 of four ranks comes out a last bit below 0.8
    return (np.round(orders, 12) >= IN_ORDER).astype(float)


def facts_level(tables: Tables) -> pd.Series:
    """C3: ρ of facts, largest network."""
    return rho(tables, FACTS, largest(tables))


def translation_level(tables: Tables) -> pd.Series:
    """C4: ρ of translation, largest network, where it translates."""
    model = largest(tables)
    return where_answered(tables, rho(tables, TRANSLATION, model), TRANSLATION, model)


def translation_flat(tables: Tables) -> pd.Series:
    """C4: ρ of translation, largest minus smallest network, where the largest translates."""
    return where_answered(tables, change(tables, TRANSLATION), TRANSLATION, largest(tables))


def beyond_shuffled(tables: Tables) -> dict[str, pd.Series]:
    """ρ of facts less that of counts shuffled within bins of frequency, two largest networks."""
    return {model: beyond(tables, FACTS, model) for model in ladder(tables)[-2:]}


def beyond_untrained(tables: Tables) -> dict[str, pd.Series]:
    """ρ of facts less that of the same network before training, two largest networks."""
    samples = {}
    for model in ladder(tables)[-2:]:
        samples[model] = rho(tables, FACTS, model) - rho(tables, FACTS, model, snapshot=0.0)
    return samples


def reasoning_drop(tables: Tables) -> pd.Series:
    """C5: ρ of reasoning beyond shuffled counts, smallest minus largest network, where it solves.

    The smallest network follows single counts; what it owes to them is taken off.
    """
    drop = -change_beyond(tables, REASONING)
    return where_answered(tables, drop, REASONING, largest(tables))


def reasoning_distance(tables: Tables) -> pd.Series:
    """C5: the same of the Kendall distance, largest minus smallest network."""
    rise = change_beyond(tables, REASONING, "distance")
    return where_answered(tables, rise, REASONING, largest(tables))


def clean_sums(tables: Tables) -> pd.Series:
    """ρ of sums whose steps stand in the corpus minus that of held-out ones, largest network."""
    model = largest(tables)
    return rho(tables, KNOWN_STEPS, model) - rho(tables, REASONING, model)


def clean_exact(tables: Tables) -> pd.Series:
    """Exact match of the first minus that of the second, largest network."""
    shares = []
    for task in (KNOWN_STEPS, REASONING):
        rows = of_model(tables, "performance", largest(tables), task)
        shares.append(rows.groupby("source")["correct"].mean())
    return shares[0] - shares[1]


def beats_infinity(tables: Tables) -> dict[str, pd.Series]:
    """C6: ρ of the task-gram minus that of the ∞-gram, on the facts that both have a value for."""
    samples = {}
    for model in ladder(tables)[-2:]:
        task_gram = rho(tables, FACTS, model, variant=variants.SHARED.name)
        samples[model] = task_gram - rho(tables, FACTS, model, variant=variants.INFINITY.name)
    return samples


def infinity_falls(tables: Tables) -> pd.Series:
    """C6: ρ of the ∞-gram, largest minus smallest network."""
    return change(tables, FACTS, variant=variants.INFINITY.name)


def short_grams(tables: Tables) -> dict[str, pd.Series]:
    """C7: ρ of facts with n = 3 minus n = 5."""
    short, long = FACTS.lengths
    samples = {}
    for model in ladder(tables)[-2:]:
        samples[model] = rho(tables, FACTS, model, n=short) - rho(tables, FACTS, model, n=long)
    return samples


def unsaturated(tables: Tables) -> dict[str, pd.Series]:
    """C18: ρ on pairs with a log-probability below −0.05, largest network, where it answers."""
    model = largest(tables)
    samples = {}
    for task in (TRANSLATION, REASONING):
        values = rho(tables, task, model, variant=variants.UNSATURATED.name)
        samples[task.name] = where_answered(tables, values, task, model)
    return samples


def families_agree(tables: Tables) -> dict[str, pd.Series]:
    """C16: ρ of facts, LLaMA-type minus GPT-NeoX, at every width that both have and answer at."""
    of_llama = {name.rpartition("-")[2]: name for name in ladder(tables, LLAMA)}
    samples = {}
    for name in ladder(tables):
        width = name.rpartition("-")[2]
        if width in of_llama:
            other = of_llama[width]
            gap = rho(tables, FACTS, other) - rho(tables, FACTS, name)
            for model in (name, other):
                gap = where_answered(tables, gap, FACTS, model)
            samples[f"width {width}"] = gap
    return samples


def second_family(tables: Tables) -> pd.Series:
    """C16: ρ of facts, larger minus smaller LLaMA-type network."""
    return change(tables, FACTS, LLAMA)


def training_raises(tables: Tables) -> pd.Series:
    """ρ of facts after training minus at its first snapshot, largest network."""
    model = largest(tables)
    first = first_snapshot(tables)
    return rho(tables, FACTS, model) - rho(tables, FACTS, model, snapshot=first)


def first_snapshot(tables: Tables) -> float:
    """Share of the training at its first snapshot. Raises KeyError if there is only the last."""
    shares = generated(tables["memorization"])["snapshot"]
    between = shares[(shares > 0) & (shares < 1)]
    if between.empty:
        raise KeyError("an earlier snapshot")
    return float(between.min())


# ---- by frequency


def _group_gap(tables: Tables, first: RankGroup, second: RankGroup) -> dict[str, pd.Series]:
    samples = {}
    for model in ladder(tables)[-2:]:
        of_first = rho(tables, FACTS, model, variant=first.name)
        samples[model] = of_first - rho(tables, FACTS, model, variant=second.name)
    return samples


def head_over_middle(tables: Tables) -> dict[str, pd.Series]:
    """C11: ρ of the most frequent facts minus that of the middle ones."""
    return _group_gap(tables, HEAD, MIDDLE)


def middle_over_tail(tables: Tables) -> dict[str, pd.Series]:
    """C11: ρ of the middle facts minus that of the rare ones."""
    return _group_gap(tables, MIDDLE, TAIL)


def head_over_tail(tables: Tables) -> dict[str, pd.Series]:
    """C11: ρ of the most frequent facts minus that of the rare ones."""
    return _group_gap(tables, HEAD, TAIL)


def rare_facts_rise(tables: Tables) -> pd.Series:
    """ρ of the rare facts, largest minus smallest network; the paper's MMLU falls instead."""
    return change(tables, FACTS, variant=TAIL.name)
