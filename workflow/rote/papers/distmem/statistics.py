"""What the claims measure: functions from tables to replicate values. A replicate is a generated
corpus.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from scipy.stats import spearmanr

from rote.ledger import Sample

Tables = Mapping[str, pd.DataFrame]
MAIN = {"facts": 3, "translation": 2, "reasoning": 3}  # n of the headline figures, by task


def generated(table: pd.DataFrame) -> pd.DataFrame:
    """Rows of the generated corpora."""
    return table[table["source"].str.startswith("world")]


def ladder(tables: Tables, family: str = "neox") -> list[str]:
    """Networks of a family by size. Raises KeyError if the run holds none."""
    rows = generated(tables["memorization"])
    rows = rows[rows["model"].str.startswith(family)].drop_duplicates("model").sort_values("size")
    if rows.empty:
        raise KeyError(f"networks {family}")
    return rows["model"].tolist()


def rho(
    tables: Tables,
    task: str,
    n: int,
    model: str,
    variant: str = "paper",
    column: str = "rho",
    step: float = 1.0,
) -> pd.Series:
    """A column of the table Memorization, by corpus. Raises KeyError if the run does not hold it."""
    rows = generated(tables["memorization"])
    wanted = {"task": task, "n": n, "model": model, "variant": variant, "step": step}
    for name, value in wanted.items():
        rows = rows[rows[name] == value]
    if rows.empty:
        raise KeyError(f"memorization of {wanted}")
    return rows.set_index("source")[column].sort_index()


def _upper(tables: Tables) -> list[str]:
    """The two largest networks."""
    return ladder(tables)[-2:]


def facts_strongest(tables: Tables) -> Sample:
    """C1: ρ of facts minus the larger of translation's and reasoning's, largest network."""
    top = ladder(tables)[-1]
    others = np.maximum(rho(tables, "translation", 2, top), rho(tables, "reasoning", 3, top))
    return Sample((rho(tables, "facts", 3, top) - others).to_numpy())


def facts_rise(tables: Tables) -> Sample:
    """C2: ρ of facts, largest minus smallest network."""
    names = ladder(tables)
    return Sample(
        (rho(tables, "facts", 3, names[-1]) - rho(tables, "facts", 3, names[0])).to_numpy()
    )


def facts_rise_in_order(tables: Tables) -> Sample:
    """C2: rank correlation of ρ with size."""
    columns = np.stack([rho(tables, "facts", 3, name).to_numpy() for name in ladder(tables)])
    found = [spearmanr(range(len(columns)), column).statistic for column in columns.T]
    return Sample(np.round(found, 12))  # 0.8 of four ranks comes out a last bit below 0.8


def facts_level(tables: Tables) -> Sample:
    """C3: ρ of facts, largest network."""
    return Sample(rho(tables, "facts", 3, ladder(tables)[-1]).to_numpy())


def translation_level(tables: Tables) -> Sample:
    """C4: |ρ| of translation, largest network."""
    return Sample(rho(tables, "translation", 2, ladder(tables)[-1]).abs().to_numpy())


def translation_change(tables: Tables) -> Sample:
    """C4: ρ of translation, largest minus smallest network."""
    names = ladder(tables)
    return Sample(
        (
            rho(tables, "translation", 2, names[-1]) - rho(tables, "translation", 2, names[0])
        ).to_numpy()
    )


def reasoning_drop(tables: Tables) -> Sample:
    """C5: ρ of reasoning, smallest minus largest network."""
    names = ladder(tables)
    return Sample(
        (rho(tables, "reasoning", 3, names[0]) - rho(tables, "reasoning", 3, names[-1])).to_numpy()
    )


def reasoning_distance(tables: Tables) -> Sample:
    """C5: Kendall distance of reasoning, largest minus smallest network."""
    names = ladder(tables)
    first, last = (
        rho(tables, "reasoning", 3, name, column="distance") for name in (names[0], names[-1])
    )
    return Sample((last - first).to_numpy())


def beats_infinity(tables: Tables) -> dict[str, Sample]:
    """C6: ρ of the task-gram minus that of the ∞-gram, on the facts that both have a value for."""
    return {
        name: Sample(
            (
                rho(tables, "facts", 3, name, "shared") - rho(tables, "facts", 3, name, "infinity")
            ).to_numpy()
        )
        for name in _upper(tables)
    }


def infinity_falls(tables: Tables) -> Sample:
    """C6: ρ of the ∞-gram, largest minus smallest network."""
    names = ladder(tables)
    first, last = (rho(tables, "facts", 3, name, "infinity") for name in (names[0], names[-1]))
    return Sample((last - first).to_numpy())


def short_grams(tables: Tables) -> dict[str, Sample]:
    """C7: ρ of facts with n = 3 minus n = 5."""
    return {
        name: Sample((rho(tables, "facts", 3, name) - rho(tables, "facts", 5, name)).to_numpy())
        for name in _upper(tables)
    }


def _facts(tables: Tables, model: str) -> pd.DataFrame:
    rows = generated(tables["performance"])
    rows = rows[(rows["model"] == model) & (rows["task"] == "facts")]
    if rows.empty:
        raise KeyError(f"facts of {model}")
    return rows


def count_quintiles(tables: Tables) -> Sample:
    """C8: exact match of facts in the top fifth by pair count minus the bottom fifth, largest
    network.
    """

    def gap(rows: pd.DataFrame) -> float:
        fifth = pd.qcut(rows["pair_documents"].rank(method="first"), 5, labels=False)
        return rows["correct"][fifth == 4].mean() - rows["correct"][fifth == 0].mean()

    rows = _facts(tables, ladder(tables)[-1])
    return Sample(np.array([gap(group) for _, group in rows.groupby("source")]))


def _count_correct(tables: Tables, model: str) -> Sample:
    found = _by_source(_facts(tables, model), "pair_documents", "correct")
    return Sample(
        np.nan_to_num(found.values)
    )  # a network that knows nothing (or everything) follows no count


def count_performance(tables: Tables) -> Sample:
    """C8: Spearman of pair count and exact match, largest network."""
    return _count_correct(tables, ladder(tables)[-1])


def count_performance_small(tables: Tables) -> Sample:
    """C8: the same of the smallest network (0 where it knows nothing)."""
    return _count_correct(tables, ladder(tables)[0])


def _novel(tables: Tables, model: str) -> pd.Series:
    rows = generated(tables["novel"])
    rows = rows[(rows["model"] == model) & (rows["task"] == "translation")]
    if rows.empty:
        raise KeyError(f"translations of {model}")
    return rows.set_index("source")["novel_right"].sort_index()


def novel_first(tables: Tables) -> Sample:
    """C9: new true pairs that the smallest network writes."""
    return Sample(_novel(tables, ladder(tables)[0]).to_numpy())


def novel_last(tables: Tables) -> Sample:
    """C9: new true pairs that the largest network writes."""
    return Sample(_novel(tables, ladder(tables)[-1]).to_numpy())


def novel_rise(tables: Tables) -> Sample:
    """C9: the difference of the two."""
    names = ladder(tables)
    return Sample((_novel(tables, names[-1]) - _novel(tables, names[0])).to_numpy())


def _traced(tables: Tables) -> str:
    return tables["influence"].sort_values("size")["model"].iloc[-1]


def pair_documents(tables: Tables) -> dict[str, Sample]:
    """C10: mean influence of pair documents over that of output-only documents, largest network
    traced.
    """
    rows = tables["influence"]
    rows = rows[rows["model"] == _traced(tables)]
    means = rows.groupby(["task", "source"])[["pair", "output_only"]].mean()
    found = {}
    for task in ("facts", "translation"):
        if task in means.index.get_level_values(0):
            found[task] = Sample(
                (means.loc[task, "pair"] - means.loc[task, "output_only"]).to_numpy()
            )
    return found


def pair_cosines(tables: Tables) -> dict[str, Sample]:
    """The same of the gradients' cosines."""
    rows = tables["influence"]
    rows = rows[rows["model"] == _traced(tables)]
    means = rows.groupby(["task", "source"])[["pair_cosine", "output_only_cosine"]].mean()
    return {
        task: Sample(
            (means.loc[task, "pair_cosine"] - means.loc[task, "output_only_cosine"]).to_numpy()
        )
        for task in ("facts", "translation")
        if task in means.index.get_level_values(0)
    }


def facts_most_influenced(tables: Tables) -> Sample:
    """C10: influence of pair documents on facts minus the larger of the other tasks'."""
    rows = tables["influence"]
    rows = rows[rows["model"] == _traced(tables)]
    means = rows.groupby(["source", "task"])["pair"].mean().unstack()
    return Sample((means["facts"] - means.drop(columns="facts").max(axis=1)).to_numpy())


def head_over_middle(tables: Tables) -> dict[str, Sample]:
    """C11: ρ of the most frequent facts minus that of the middle ones."""
    return _groups(tables, "head", "mid")


def middle_over_tail(tables: Tables) -> dict[str, Sample]:
    """C11: ρ of the middle facts minus that of the rare ones."""
    return _groups(tables, "mid", "tail")


def head_over_tail(tables: Tables) -> dict[str, Sample]:
    """C11: ρ of the most frequent facts minus that of the rare ones."""
    return _groups(tables, "head", "tail")


def _groups(tables: Tables, first: str, second: str) -> dict[str, Sample]:
    return {
        name: Sample(
            (
                rho(tables, "facts", 3, name, first) - rho(tables, "facts", 3, name, second)
            ).to_numpy()
        )
        for name in _upper(tables)
    }


def rare_facts_rise(tables: Tables) -> Sample:
    """ρ of the rare facts, largest minus smallest network; the paper's MMLU falls instead."""
    names = ladder(tables)
    first, last = (rho(tables, "facts", 3, name, "tail") for name in (names[0], names[-1]))
    return Sample((last - first).to_numpy())


def threshold_stable(tables: Tables) -> dict[str, Sample]:
    """C12: the rise of C2 with only a share of the pairs kept by cosine."""
    names = ladder(tables)
    rows = generated(tables["memorization"])
    shares = sorted({name for name in rows["variant"] if name.startswith("keep ")}, reverse=True)
    return {
        share: Sample(
            (
                rho(tables, "facts", 3, names[-1], share) - rho(tables, "facts", 3, names[0], share)
            ).to_numpy()
        )
        for share in shares
    }


def _bias(tables: Tables, column: str) -> Sample:
    rows = generated(tables["bias"])
    rows = rows[(rows["task"] == "translation") & (rows["n"] == 3)]
    if rows.empty:
        raise KeyError("pairs of translation, n = 3")
    return Sample(rows[column].to_numpy())


def selection_bias(tables: Tables) -> Sample:
    """C13: Spearman(log P, log C(s_x)) of translation 3-grams, pairs without a document dropped."""
    return _bias(tables, "filtered")


def selection_bias_cured(tables: Tables) -> Sample:
    """C13: the same, smoothed, over all pairs."""
    return _bias(tables, "smoothed")


def smoothing_helps(tables: Tables) -> Sample:
    """C14: ρ of facts smoothed over all pairs, minus plain, largest network."""
    top = ladder(tables)[-1]
    return Sample(
        (rho(tables, "facts", 3, top, "smoothed") - rho(tables, "facts", 3, top)).to_numpy()
    )


def ablation_changes(tables: Tables) -> pd.DataFrame:
    """By corpus and fact: treatment, documents before and after, change of the log-probability of
    the true object.

    `base` is the ladder's network on the unchanged corpus with the same initialization; `again`
    another initialization.
    """
    ablation = tables["ablation"]
    base = generated(tables["performance"])
    base = base[(base["task"] == "facts") & (base["model"] == ablation["model"].iloc[0])]
    base = base.set_index(["source", "example"])["loss"].rename("base")
    changed = ablation[ablation["variant"] == "changed"].join(base, on=["source", "fact"])
    again = (
        ablation[ablation["variant"] == "again"]
        .set_index(["source", "fact"])["logprob"]
        .rename("again")
    )
    changed = changed.join(again, on=["source", "fact"])
    return changed.assign(
        change=changed["logprob"] + changed["base"], noise=changed["again"] + changed["base"]
    )


def _treatment(tables: Tables, name: str) -> Sample:
    means = ablation_changes(tables).groupby(["source", "treatment"])["change"].mean().unstack()
    return Sample((means[name] - means["kept"]).to_numpy())


def ablation_is_causal(tables: Tables) -> Sample:
    """C15: change of the log-probability of facts whose documents were removed, minus that of kept
    facts.
    """
    return _treatment(tables, "removed")


def pairs_are_what_counts(tables: Tables) -> Sample:
    """The same where mentions of the subject stay."""
    return _treatment(tables, "pairs")


def halving(tables: Tables) -> Sample:
    """The same where every second document was removed."""
    return _treatment(tables, "halved")


def dose_response(tables: Tables) -> Sample:
    """C15: Spearman(−change, log(1 + documents removed)) over the facts that lost some."""
    rows = ablation_changes(tables)
    rows = rows[rows["treatment"].isin(["removed", "pairs", "halved"])]
    lost = np.log1p(rows["before"] - rows["after"])
    return _by_source(rows.assign(lost=lost, loss=-rows["change"]), "loss", "lost")


def injection(tables: Tables) -> Sample:
    """Spearman of the log-probability with the number of true statements put in."""
    rows = ablation_changes(tables)
    return _by_source(rows[rows["treatment"] == "injected"], "logprob", "after")


def _by_source(rows: pd.DataFrame, first: str, second: str) -> Sample:
    """Spearman of two columns by corpus; NaN where one of them is constant."""
    values = []
    for _, group in rows.groupby("source"):
        varies = group[first].nunique() > 1 and group[second].nunique() > 1
        values.append(spearmanr(group[first], group[second]).statistic if varies else np.nan)
    return Sample(np.array(values))


def second_family(tables: Tables) -> Sample:
    """C16: ρ of facts, larger minus smaller LLaMA-type network."""
    names = ladder(tables, "llama")
    return Sample(
        (rho(tables, "facts", 3, names[-1]) - rho(tables, "facts", 3, names[0])).to_numpy()
    )


def counts_exact(tables: Tables) -> dict[str, Sample]:
    """C17: share of the pair counts that equal brute force, by engine."""
    return {
        row.engine: Sample(np.full(2, row.equal))
        for row in tables["engines"].itertuples()
        if row.exact
    }


def unsaturated(tables: Tables) -> dict[str, Sample]:
    """C18: |ρ| on pairs with a log-probability below −0.05, largest network."""
    top = ladder(tables)[-1]
    return {
        task: Sample(rho(tables, task, MAIN[task], top, "unsaturated").abs().to_numpy())
        for task in ("translation", "reasoning")
    }


def simpler_estimates(tables: Tables) -> dict[str, Sample]:
    """ρ of a plain estimate minus that of the task-gram ratio, facts, largest network."""
    rows = generated(tables["estimators"])
    table = rows[rows["model"] == ladder(tables)[-1]].pivot(
        index="source", columns="estimator", values="rho"
    )
    plain = ("documents with name and answer", "BM25")
    return {name: Sample((table[name] - table["task-gram"]).to_numpy()) for name in plain}


def smallest_is_unigram(tables: Tables) -> Sample:
    """ρ of the answer's own count with the smallest network's log-probabilities of the facts."""
    rows = generated(tables["estimators"])
    rows = rows[(rows["model"] == ladder(tables)[0]) & (rows["estimator"] == "answer alone")]
    return Sample(rows["rho"].to_numpy())


def partial_correlation(tables: Tables) -> Sample:
    """ρ of facts given the counts of answer and question, largest network."""
    return Sample(rho(tables, "facts", 3, ladder(tables)[-1], "partial").to_numpy())


def no_leak(tables: Tables) -> dict[str, Sample]:
    """Whole test outputs that occur in the corpus, by task; facts' answers do."""
    rows = generated(tables["audit"])
    rows = rows[(rows["n"] == 0) & rows["task"].isin(["translation", "reasoning"])]
    return {
        task: Sample(group["overlapping"].to_numpy(float)) for task, group in rows.groupby("task")
    }


def training_raises(tables: Tables) -> Sample:
    """ρ of facts after training minus at its first snapshot, largest network."""
    top = ladder(tables)[-1]
    rows = generated(tables["memorization"])
    first = rows.loc[rows["model"] == top, "step"].min()
    if first == 1.0:
        raise KeyError("an earlier snapshot")
    return Sample(
        (rho(tables, "facts", 3, top) - rho(tables, "facts", 3, top, step=first)).to_numpy()
    )


def prompt_counts(tables: Tables) -> dict[str, Sample]:
    """Spearman of a wording's mean 3-gram count and its accuracy, largest network."""
    rows = generated(tables["prompts"])
    rows = rows[rows["model"] == ladder(tables)[-1]]
    return {task: _by_source(some, "mean_count", "accuracy") for task, some in rows.groupby("task")}
