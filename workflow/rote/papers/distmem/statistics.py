"""What the claims measure: functions from tables to replicate values.

A replicate is a generated corpus. C1 to C18 label the claims.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import spearmanr

from rote.ledger import Sample
from rote.papers.distmem import estimators, variants
from rote.papers.distmem.families import LLAMA, NEOX, NetworkFamily
from rote.papers.distmem.schema import WHOLE_OUTPUT
from rote.papers.distmem.sources import generated
from rote.papers.distmem.tasks import (
    FACTS,
    HEAD,
    MIDDLE,
    REASONING,
    TAIL,
    TASKS,
    TRANSLATION,
    GeneratedTask,
    RankGroup,
)
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

Tables = Mapping[str, pd.DataFrame]


# ---- reading the tables


def ladder(tables: Tables, family: NetworkFamily = NEOX) -> list[str]:
    """Networks of a family by size. Raises KeyError if the run holds none."""
    rows = generated(tables["memorization"])
    rows = rows[rows["family"] == family.name].drop_duplicates("model").sort_values("size")
    if rows.empty:
        raise KeyError(f"networks {family.name}")
    return rows["model"].tolist()


def rho(
    tables: Tables, task: GeneratedTask, model: str, *, column: str = "rho", **conditions: Any
) -> pd.Series:
    """A column of the table MemorizationByVariant, by corpus.

    Args:
        tables: of the run, by name.
        task: whose n-grams are correlated.
        model: name of the network.
        column: that is returned.
        conditions: values of other columns; by default the paper's definition, the task's first n,
            and the trained network.

    Raises:
        KeyError: if the run does not hold it.
    """
    defaults = {
        "task": task.name,
        "model": model,
        "n": task.n,
        "variant": variants.PAPER.name,
        "snapshot": 1.0,
    }
    conditions = defaults | conditions
    rows = generated(tables["memorization"])
    for name, value in conditions.items():
        rows = rows[rows[name] == value]
    if rows.empty:
        raise KeyError(f"memorization of {conditions}")
    return rows.set_index("source")[column].sort_index()


def _change(
    tables: Tables, task: GeneratedTask, family: NetworkFamily = NEOX, **conditions: Any
) -> pd.Series:
    """ρ (or another column) of the largest network minus that of the smallest."""
    names = ladder(tables, family)
    largest = rho(tables, task, names[-1], **conditions)
    return largest - rho(tables, task, names[0], **conditions)


def _largest(tables: Tables) -> str:
    return ladder(tables)[-1]


def _smallest(tables: Tables) -> str:
    return ladder(tables)[0]


def _of_model(tables: Tables, table: str, model: str, task: GeneratedTask) -> pd.DataFrame:
    """Rows of a network and a task. Raises KeyError if there are none."""
    rows = generated(tables[table])
    rows = rows[(rows["model"] == model) & (rows["task"] == task.name)]
    if rows.empty:
        raise KeyError(f"{table} of {model} at {task.name}")
    return rows


def _sample(values: pd.Series) -> Sample:
    return Sample(values.to_numpy())


def _spearman_by_source(rows: pd.DataFrame, first: str, second: str) -> Sample:
    """Spearman of two columns by corpus; NaN where one of them is constant."""
    values = []
    for _, group in rows.groupby("source"):
        varies = group[first].nunique() > 1 and group[second].nunique() > 1
        values.append(spearmanr(group[first], group[second]).statistic if varies else np.nan)
    return Sample(np.array(values))


# ---- memorization by task and size


def facts_strongest(tables: Tables) -> Sample:
    """C1: ρ of facts minus the larger of translation's and reasoning's, largest network."""
    model = _largest(tables)
    others = np.maximum(rho(tables, TRANSLATION, model), rho(tables, REASONING, model))
    return _sample(rho(tables, FACTS, model) - others)


def facts_rise(tables: Tables) -> Sample:
    """C2: ρ of facts, largest minus smallest network."""
    return _sample(_change(tables, FACTS))


def facts_rise_in_order(tables: Tables) -> Sample:
    """C2: rank correlation of ρ with size."""
    values = np.stack([rho(tables, FACTS, name).to_numpy() for name in ladder(tables)])
    ranks = range(len(values))
    orders = [spearmanr(ranks, of_corpus).statistic for of_corpus in values.T]
    return Sample(np.round(orders, 12))  # 0.8 of four ranks comes out a last bit below 0.8


def facts_level(tables: Tables) -> Sample:
    """C3: ρ of facts, largest network."""
    return _sample(rho(tables, FACTS, _largest(tables)))


def translation_level(tables: Tables) -> Sample:
    """C4: |ρ| of translation, largest network."""
    return _sample(rho(tables, TRANSLATION, _largest(tables)).abs())


def translation_flat(tables: Tables) -> Sample:
    """C4: ρ of translation, largest minus smallest network."""
    return _sample(_change(tables, TRANSLATION))


def reasoning_drop(tables: Tables) -> Sample:
    """C5: ρ of reasoning, smallest minus largest network."""
    return _sample(-_change(tables, REASONING))


def reasoning_distance(tables: Tables) -> Sample:
    """C5: Kendall distance of reasoning, largest minus smallest network."""
    return _sample(_change(tables, REASONING, column="distance"))


def beats_infinity(tables: Tables) -> dict[str, Sample]:
    """C6: ρ of the task-gram minus that of the ∞-gram, on the facts that both have a value for."""
    samples = {}
    for model in ladder(tables)[-2:]:
        task_gram = rho(tables, FACTS, model, variant=variants.SHARED.name)
        samples[model] = _sample(
            task_gram - rho(tables, FACTS, model, variant=variants.INFINITY.name)
        )
    return samples


def infinity_falls(tables: Tables) -> Sample:
    """C6: ρ of the ∞-gram, largest minus smallest network."""
    return _sample(_change(tables, FACTS, variant=variants.INFINITY.name))


def short_grams(tables: Tables) -> dict[str, Sample]:
    """C7: ρ of facts with n = 3 minus n = 5."""
    short, long = FACTS.lengths
    samples = {}
    for model in ladder(tables)[-2:]:
        difference = rho(tables, FACTS, model, n=short) - rho(tables, FACTS, model, n=long)
        samples[model] = _sample(difference)
    return samples


def unsaturated(tables: Tables) -> dict[str, Sample]:
    """C18: |ρ| on pairs with a log-probability below −0.05, largest network."""
    model = _largest(tables)
    return {
        task.name: _sample(rho(tables, task, model, variant=variants.UNSATURATED.name).abs())
        for task in (TRANSLATION, REASONING)
    }


def second_family(tables: Tables) -> Sample:
    """C16: ρ of facts, larger minus smaller LLaMA-type network."""
    return _sample(_change(tables, FACTS, LLAMA))


def training_raises(tables: Tables) -> Sample:
    """ρ of facts after training minus at its first snapshot, largest network."""
    model = _largest(tables)
    rows = generated(tables["memorization"])
    first = rows.loc[rows["model"] == model, "snapshot"].min()
    if first == 1.0:
        raise KeyError("an earlier snapshot")
    return _sample(rho(tables, FACTS, model) - rho(tables, FACTS, model, snapshot=first))


# ---- performance and new pairs


def count_quintiles(tables: Tables) -> Sample:
    """C8: exact match of facts in the top fifth by pair count minus the bottom, largest network."""

    def gap(rows: pd.DataFrame) -> float:
        fifth = pd.qcut(rows["pair_documents"].rank(method="first"), 5, labels=False)
        return rows["correct"][fifth == 4].mean() - rows["correct"][fifth == 0].mean()

    rows = _of_model(tables, "performance", _largest(tables), FACTS)
    return Sample(np.array([gap(group) for _, group in rows.groupby("source")]))


def _count_correct(tables: Tables, model: str) -> Sample:
    """0 for a network that knows nothing (or everything): it follows no count."""
    rows = _of_model(tables, "performance", model, FACTS)
    return Sample(np.nan_to_num(_spearman_by_source(rows, "pair_documents", "correct").values))


def count_performance(tables: Tables) -> Sample:
    """C8: Spearman of pair count and exact match, largest network."""
    return _count_correct(tables, _largest(tables))


def count_performance_small(tables: Tables) -> Sample:
    """C8: the same of the smallest network (0 where it knows nothing)."""
    return _count_correct(tables, _smallest(tables))


def _novel_correct(tables: Tables, model: str) -> pd.Series:
    rows = _of_model(tables, "novel", model, TRANSLATION)
    return rows.set_index("source")["novel_correct"].sort_index()


def novel_smallest(tables: Tables) -> Sample:
    """C9: new true pairs that the smallest network generates."""
    return _sample(_novel_correct(tables, _smallest(tables)))


def novel_largest(tables: Tables) -> Sample:
    """C9: new true pairs that the largest network generates."""
    return _sample(_novel_correct(tables, _largest(tables)))


def novel_rise(tables: Tables) -> Sample:
    """C9: the difference of the two."""
    largest = _novel_correct(tables, _largest(tables))
    return _sample(largest - _novel_correct(tables, _smallest(tables)))


# ---- influence


def _influence(tables: Tables) -> pd.DataFrame:
    """Means over examples by task and corpus, largest network traced."""
    rows = tables["influence"]
    largest = rows.sort_values("size")["model"].iloc[-1]
    means = rows[rows["model"] == largest].groupby(["task", "source"])
    return means[["pair", "output_only", "pair_cosine", "output_only_cosine"]].mean()


def _influence_gap(tables: Tables, pair: str, output_only: str) -> dict[str, Sample]:
    means = _influence(tables)
    gap = means[pair] - means[output_only]
    tasks = gap.index.get_level_values("task")
    return {
        task.name: _sample(gap[task.name]) for task in (FACTS, TRANSLATION) if task.name in tasks
    }


def pair_documents(tables: Tables) -> dict[str, Sample]:
    """C10: mean influence of pair documents over that of output-only documents."""
    return _influence_gap(tables, "pair", "output_only")


def pair_cosines(tables: Tables) -> dict[str, Sample]:
    """The same of the gradients' cosines."""
    return _influence_gap(tables, "pair_cosine", "output_only_cosine")


def facts_most_influenced(tables: Tables) -> Sample:
    """C10: influence of pair documents on facts minus the larger of the other tasks'."""
    means = _influence(tables)["pair"].unstack("task")
    return _sample(means[FACTS.name] - means.drop(columns=FACTS.name).max(axis=1))


# ---- frequency groups


def _group_gap(tables: Tables, first: RankGroup, second: RankGroup) -> dict[str, Sample]:
    samples = {}
    for model in ladder(tables)[-2:]:
        of_first = rho(tables, FACTS, model, variant=first.name)
        samples[model] = _sample(of_first - rho(tables, FACTS, model, variant=second.name))
    return samples


def head_over_middle(tables: Tables) -> dict[str, Sample]:
    """C11: ρ of the most frequent facts minus that of the middle ones."""
    return _group_gap(tables, HEAD, MIDDLE)


def middle_over_tail(tables: Tables) -> dict[str, Sample]:
    """C11: ρ of the middle facts minus that of the rare ones."""
    return _group_gap(tables, MIDDLE, TAIL)


def head_over_tail(tables: Tables) -> dict[str, Sample]:
    """C11: ρ of the most frequent facts minus that of the rare ones."""
    return _group_gap(tables, HEAD, TAIL)


def rare_facts_rise(tables: Tables) -> Sample:
    """ρ of the rare facts, largest minus smallest network; the paper's MMLU falls instead."""
    return _sample(_change(tables, FACTS, variant=TAIL.name))


# ---- the measure itself


def threshold_stable(tables: Tables) -> dict[str, Sample]:
    """C12: the rise of C2 with only a share of the pairs, those of highest cosine."""
    rows = generated(tables["memorization"])
    shares = sorted(
        rows.loc[rows["variant"] == variants.COSINE.name, "parameter"].unique(), reverse=True
    )
    return {
        f"share {share:g}": _sample(
            _change(tables, FACTS, variant=variants.COSINE.name, parameter=share)
        )
        for share in shares
    }


def _bias(tables: Tables, column: str) -> Sample:
    rows = generated(tables["bias"])
    n = TRANSLATION.lengths[1]
    rows = rows[(rows["task"] == TRANSLATION.name) & (rows["n"] == n)]
    if rows.empty:
        raise KeyError(f"pairs of translation, n = {n}")
    return _sample(rows[column])


def selection_bias(tables: Tables) -> Sample:
    """C13: Spearman(log P, log C(s_x)) of translation 3-grams, pairs without a document dropped."""
    return _bias(tables, "filtered")


def selection_bias_smoothed(tables: Tables) -> Sample:
    """C13: the same, smoothed, over all pairs."""
    return _bias(tables, "smoothed")


def smoothing_helps(tables: Tables) -> Sample:
    """C14: ρ of facts smoothed over all pairs, minus plain, largest network."""
    model = _largest(tables)
    return _sample(
        rho(tables, FACTS, model, variant=variants.SMOOTHED.name) - rho(tables, FACTS, model)
    )


def partial_correlation(tables: Tables) -> Sample:
    """ρ of facts given the counts of answer and question, largest network."""
    return _sample(rho(tables, FACTS, _largest(tables), variant=variants.PARTIAL.name))


def counts_exact(tables: Tables) -> dict[str, Sample]:
    """C17: share of the pair counts that equal brute force, by engine."""
    rows = tables["engines"]
    return {
        row.engine: Sample(np.full(2, row.equal_share)) for row in rows[rows["exact"]].itertuples()
    }


def no_leak(tables: Tables) -> dict[str, Sample]:
    """Whole test outputs that occur in the corpus, by task; facts' answers do."""
    held_out = [task.name for task in TASKS.values() if task.is_held_out]
    rows = generated(tables["audit"])
    rows = rows[(rows["n"] == WHOLE_OUTPUT) & rows["task"].isin(held_out)]
    return {task: _sample(group["overlapping"] * 1.0) for task, group in rows.groupby("task")}


def prompt_counts(tables: Tables) -> dict[str, Sample]:
    """Spearman of a wording's mean 3-gram count and its accuracy, largest network."""
    rows = generated(tables["prompts"])
    rows = rows[rows["model"] == _largest(tables)]
    return {
        task: _spearman_by_source(group, "mean_count", "accuracy")
        for task, group in rows.groupby("task")
    }


# ---- simpler estimates


def _estimates(tables: Tables, model: str) -> pd.DataFrame:
    """ρ by corpus and estimate."""
    rows = generated(tables["estimators"])
    rows = rows[rows["model"] == model]
    return rows.pivot(index="source", columns="estimator", values="rho")


def simpler_estimates(tables: Tables) -> dict[str, Sample]:
    """ρ of a plain estimate minus that of the task-gram ratio, facts, largest network."""
    estimates = _estimates(tables, _largest(tables))
    task_gram = estimates[estimators.TASK_GRAM.name]
    plain = (estimators.NAME_AND_ANSWER, estimators.BM25)
    return {estimator.label: _sample(estimates[estimator.name] - task_gram) for estimator in plain}


def smallest_is_unigram(tables: Tables) -> Sample:
    """ρ of the answer's own count with the smallest network's log-probabilities of the facts."""
    return _sample(_estimates(tables, _smallest(tables))[estimators.ANSWER.name])


# ---- ablation


def ablation_changes(tables: Tables) -> pd.DataFrame:
    """By corpus and fact: treatment, documents before and after, change of the log-probability.

    Returns:
        Rows of the changed corpora; `change` against the ladder's network on the unchanged corpus
        with the same initialization, and `noise`, that of another initialization.
    """
    rows = tables["ablation"]
    base = _of_model(tables, "performance", rows["model"].iloc[0], FACTS)
    base = base.set_index(["source", "example"])["loss"].rename("base")
    reinitialized = rows[rows["variant"] == REINITIALIZED].set_index(["source", "fact"])["logprob"]
    changed = rows[rows["variant"] == CHANGED].join(base, on=["source", "fact"])
    changed = changed.join(reinitialized.rename("reinitialized"), on=["source", "fact"])
    return changed.assign(
        change=changed["logprob"] + changed["base"],
        noise=changed["reinitialized"] + changed["base"],
    )


def _treatment_effect(tables: Tables, treatment: Treatment) -> Sample:
    means = ablation_changes(tables).groupby(["source", "treatment"])["change"].mean().unstack()
    return _sample(means[treatment.name] - means[UNCHANGED.name])


def ablation_is_causal(tables: Tables) -> Sample:
    """C15: change of the log-probability of facts without documents, minus unchanged ones."""
    return _treatment_effect(tables, REMOVED)


def pair_removal(tables: Tables) -> Sample:
    """The same where mentions of the subject stay."""
    return _treatment_effect(tables, PAIRS)


def halving(tables: Tables) -> Sample:
    """The same where every second document was removed."""
    return _treatment_effect(tables, HALVED)


def dose_response(tables: Tables) -> Sample:
    """C15: Spearman(−change, log(1 + documents removed)) over the facts that lost some."""
    rows = ablation_changes(tables)
    rows = rows[rows["treatment"].isin(REMOVALS)]
    removed = np.log1p(rows["documents_before"] - rows["documents_after"])
    rows = rows.assign(removed=removed, drop=-rows["change"])
    return _spearman_by_source(rows, "drop", "removed")


def injection(tables: Tables) -> Sample:
    """Spearman of the log-probability with the number of true statements added."""
    rows = ablation_changes(tables)
    rows = rows[rows["treatment"] == INJECTED.name]
    return _spearman_by_source(rows, "logprob", "documents_after")
