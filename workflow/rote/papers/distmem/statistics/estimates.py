"""The measure itself: thresholds, the selection of pairs, simpler estimates."""

import pandas as pd

from rote.papers.distmem import alternatives, estimators, variants
from rote.papers.distmem.sources import generated
from rote.papers.distmem.statistics.reading import Tables, change, largest, rho, smallest
from rote.papers.distmem.tasks import FACTS, PRINCIPAL, TRANSLATION


def threshold_stable(tables: Tables) -> dict[str, pd.Series]:
    """C12: the rise of C2 with only a share of the pairs, those of highest cosine."""
    rows = generated(tables["memorization"])
    shares = sorted(
        rows.loc[rows["variant"] == variants.COSINE.name, "parameter"].unique(), reverse=True
    )
    return {
        f"share {share:g}": change(tables, FACTS, variant=variants.COSINE.name, parameter=share)
        for share in shares
    }


def _bias(tables: Tables, column: str) -> pd.Series:
    rows = generated(tables["bias"])
    n = TRANSLATION.lengths[1]
    rows = rows[(rows["task"] == TRANSLATION.name) & (rows["n"] == n)]
    if rows.empty:
        raise KeyError(f"pairs of translation, n = {n}")
    return rows[column]


def selection_bias(tables: Tables) -> pd.Series:
    """C13: Spearman(log P, log C(s_x)) of translation 3-grams, pairs without a document dropped."""
    return _bias(tables, "filtered")


def selection_bias_smoothed(tables: Tables) -> pd.Series:
    """C13: the same, smoothed, over all pairs."""
    return _bias(tables, "smoothed")


def partial_correlation(tables: Tables) -> pd.Series:
    """ρ of facts given the counts of pair and answer, largest network: what the ratio adds."""
    return rho(tables, FACTS, largest(tables), variant=variants.PARTIAL.name)


def _estimates(tables: Tables, model: str, column: str) -> pd.DataFrame:
    """A column of the table Estimators by corpus and estimate."""
    rows = generated(tables["estimators"])
    rows = rows[rows["model"] == model]
    return rows.pivot(index="source", columns="estimator", values=column)


def smoothing_helps(tables: Tables) -> pd.Series:
    """C14: ρ of facts given the answer, smoothed minus plain task-gram, largest network.

    A network that knows no fact, but which answers are frequent, gains nothing.
    """
    given = _estimates(tables, largest(tables), "given_answer")
    return given[estimators.TASK_GRAM_SMOOTHED.name] - given[estimators.TASK_GRAM.name]


def simpler_estimates(tables: Tables) -> dict[str, pd.Series]:
    """The same of a plain estimate minus the task-gram ratio."""
    given = _estimates(tables, largest(tables), "given_answer")
    task_gram = given[estimators.TASK_GRAM.name]
    plain = (estimators.NAME_AND_ANSWER, estimators.BM25)
    return {estimator.label: given[estimator.name] - task_gram for estimator in plain}


def beats_alternatives(tables: Tables) -> dict[str, pd.Series]:
    """ρ of the task-gram minus that of BM25, LSA and the encoder, same pairs, largest network."""
    rows = generated(tables["alternatives"])
    rows = rows[rows["model"] == largest(tables)]
    rhos = rows.pivot(index="source", columns=["task", "estimator"], values="rho")
    samples = {}
    for task in PRINCIPAL:
        for other in alternatives.OTHERS:
            gap = rhos[task.name, alternatives.TASK_GRAM.name] - rhos[task.name, other.name]
            samples[f"{task.label}, {other.label}"] = gap
    return samples


def smallest_is_unigram(tables: Tables) -> pd.Series:
    """ρ of the answer's count with the smallest network's log-probabilities of the facts."""
    return _estimates(tables, smallest(tables), "rho")[estimators.ANSWER.name]
