"""What networks answer, by the counts of the corpus, and what they write by themselves."""

import numpy as np
import pandas as pd

from rote.papers.distmem.sources import generated
from rote.papers.distmem.statistics.reading import (
    Tables,
    largest,
    of_model,
    smallest,
    spearman_by_source,
)
from rote.papers.distmem.tasks import FACTS, REASONING, TRANSLATION, GeneratedTask


def count_quintiles(tables: Tables) -> np.ndarray:
    """C8: exact match of facts in the top fifth by pair count minus the bottom, largest network."""

    def gap(rows: pd.DataFrame) -> float:
        fifth = pd.qcut(rows["pair_documents"].rank(method="first"), 5, labels=False)
        return rows["correct"][fifth == 4].mean() - rows["correct"][fifth == 0].mean()

    rows = of_model(tables, "performance", largest(tables), FACTS)
    return np.array([gap(group) for _, group in rows.groupby("source")])


def _count_correct(tables: Tables, model: str) -> np.ndarray:
    """0 for a network that knows nothing (or everything): it follows no count."""
    rows = of_model(tables, "performance", model, FACTS)
    return np.nan_to_num(spearman_by_source(rows, "pair_documents", "correct"))


def count_performance(tables: Tables) -> np.ndarray:
    """C8: Spearman of pair count and exact match of facts, largest network."""
    return _count_correct(tables, largest(tables))


def count_performance_rise(tables: Tables) -> np.ndarray:
    """C8: the same, largest minus smallest network (0 where one knows nothing)."""
    return _count_correct(tables, largest(tables)) - _count_correct(tables, smallest(tables))


def _novel_share(tables: Tables, model: str) -> pd.Series:
    """NaN where no aligned pair of a reference is new to the corpus."""
    rows = of_model(tables, "novel", model, TRANSLATION).set_index("source").sort_index()
    return rows["novel_right"] / rows["novel_in_reference"].where(rows["novel_in_reference"] > 0)


def novel_largest(tables: Tables) -> pd.Series:
    """C9: share of the references' new aligned pairs that the largest network generates."""
    return _novel_share(tables, largest(tables))


def novel_rise(tables: Tables) -> pd.Series:
    """C9: the same, largest minus smallest network."""
    return _novel_share(tables, largest(tables)) - _novel_share(tables, smallest(tables))


def _wordings(tables: Tables, task: GeneratedTask) -> np.ndarray:
    """Spearman of a wording's mean 3-gram count and its accuracy, largest network, (corpora,)."""
    rows = generated(tables["prompts"])
    rows = rows[(rows["model"] == largest(tables)) & (rows["task"] == task.name)]
    return spearman_by_source(rows, "mean_count", "accuracy")


def prompt_counts(tables: Tables) -> np.ndarray:
    """Table 1: Spearman of a wording's mean 3-gram count and its accuracy at facts."""
    return _wordings(tables, FACTS)


def prompt_counts_reasoning(tables: Tables) -> np.ndarray:
    """Table 1: the same at reasoning."""
    return _wordings(tables, REASONING)
