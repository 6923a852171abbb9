"""Influence of documents on test examples, beyond what it is before training.

Documents with the pair share words with the test example and look like its prompt; so gradients of
a network that knows nothing agree more for them, too. Each statistic compares with documents that
are matched in the prompt's words, and subtracts the network's value before training.
"""

import numpy as np
import pandas as pd

from rote.papers.distmem.passages import COSINES, PRODUCTS
from rote.papers.distmem.statistics.reading import Tables, where_answered
from rote.papers.distmem.tasks import FACTS, PRINCIPAL, TRANSLATION


def _means(tables: Tables, trained: bool) -> pd.DataFrame:
    """Means over examples by task and corpus, largest network traced."""
    rows = tables["influence"]
    rows = rows[(rows["model"] == _traced(tables)) & (rows["trained"] == trained)]
    return rows.groupby(["task", "source"])[[*PRODUCTS, *COSINES]].mean()


def _traced(tables: Tables) -> str:
    """The largest network traced."""
    return tables["influence"].sort_values("size")["model"].iloc[-1]


def _beyond_untrained(tables: Tables, columns: list[str]) -> dict[str, pd.Series]:
    """Share by which documents with the pair exceed matched ones, trained minus untrained.

    Args:
        tables: of the run, by name.
        columns: of documents by kind.

    Returns:
        By task, values by corpus; NaN where the network does not do the task.
    """
    pair, _, matched = columns
    excess = []
    for trained in (True, False):
        means = _means(tables, trained)
        excess.append((means[pair] - means[matched]) / means[matched].abs())
    beyond = excess[0] - excess[1]
    samples = {}
    for task in (FACTS, TRANSLATION):
        if task.name in beyond.index.get_level_values("task"):
            values = beyond[task.name]
            samples[task.name] = where_answered(tables, values, task, _traced(tables))
    return samples


def pair_documents(tables: Tables) -> dict[str, pd.Series]:
    """C10: relative excess of pair documents' influence over matched ones', see module."""
    return _beyond_untrained(tables, PRODUCTS)


def pair_cosines(tables: Tables) -> dict[str, pd.Series]:
    """The same of the gradients' cosines."""
    return _beyond_untrained(tables, COSINES)


def facts_most_influenced(tables: Tables) -> dict[str, pd.Series]:
    """C10: log of the ratio of influence on facts to that on another task, beyond untrained."""
    trained, untrained = [np.log(_means(tables, part)["pair"]) for part in (True, False)]
    beyond = (trained - untrained).unstack("task")
    return {
        task.name: beyond[FACTS.name] - beyond[task.name] for task in PRINCIPAL if task is not FACTS
    }
