"""Reading the tables: networks by size, and their values by corpus."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from rote.papers.distmem import variants
from rote.papers.distmem.families import NEOX, NetworkFamily
from rote.papers.distmem.sources import generated
from rote.papers.distmem.tasks import GeneratedTask

Tables = Mapping[str, pd.DataFrame]
# share of a task's test examples below which a network does not do the task (ours)
ANSWERED = 0.1


def ladder(tables: Tables, family: NetworkFamily = NEOX) -> list[str]:
    """Networks of a family by size. Raises KeyError if the run holds none."""
    rows = generated(tables["memorization"])
    rows = rows[rows["family"] == family.name].drop_duplicates("model").sort_values("size")
    if rows.empty:
        raise KeyError(f"networks {family.name}")
    return rows["model"].tolist()


def largest(tables: Tables) -> str:
    """The largest GPT-NeoX network."""
    return ladder(tables)[-1]


def smallest(tables: Tables) -> str:
    """The smallest GPT-NeoX network."""
    return ladder(tables)[0]


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


def change(
    tables: Tables, task: GeneratedTask, family: NetworkFamily = NEOX, **conditions: Any
) -> pd.Series:
    """ρ (or another column) of the largest network minus that of the smallest, by corpus."""
    names = ladder(tables, family)
    of_largest = rho(tables, task, names[-1], **conditions)
    return of_largest - rho(tables, task, names[0], **conditions)


def beyond(
    tables: Tables, task: GeneratedTask, model: str, *, column: str = "rho", **conditions: Any
) -> pd.Series:
    """ρ (or another column) less that of counts shuffled within bins of the single counts.

    What a network that knows only how frequent n-grams are reaches as well is taken off.

    Args:
        tables, task, model, column, conditions: see `rho`; not the variant.
    """
    measured = rho(tables, task, model, column=column, **conditions)
    shuffled = rho(
        tables, task, model, column=column, **(conditions | {"variant": variants.SHUFFLED.name})
    )
    return measured - shuffled


def change_beyond(tables: Tables, task: GeneratedTask, column: str = "rho") -> pd.Series:
    """`beyond` of the largest network minus that of the smallest, by corpus."""
    names = ladder(tables)
    of_largest = beyond(tables, task, names[-1], column=column)
    return of_largest - beyond(tables, task, names[0], column=column)


def of_model(tables: Tables, table: str, model: str, task: GeneratedTask) -> pd.DataFrame:
    """Rows of a network and a task. Raises KeyError if there are none."""
    rows = generated(tables[table])
    rows = rows[(rows["model"] == model) & (rows["task"] == task.name)]
    if rows.empty:
        raise KeyError(f"{table} of {model} at {task.name}")
    return rows


def where_answered(tables: Tables, values: pd.Series, task: GeneratedTask, model: str) -> pd.Series:
    """Values of the corpora in which a network does a task at all; NaN for the others.

    Args:
        tables: of the run, by name.
        values: by corpus.
        task: of which the network answers at least the share `ANSWERED` of the test examples.
        model: name of the network.
    """
    answered = of_model(tables, "performance", model, task).groupby("source")["correct"].mean()
    return values.where(answered.reindex(values.index) >= ANSWERED)


def spearman(x: Any, y: Any) -> float:
    """Spearman's rank correlation of two sequences."""
    from scipy.stats import spearmanr  # here: figures, which import this module, start without

    return spearmanr(x, y).statistic


def spearman_by_source(rows: pd.DataFrame, first: str, second: str) -> np.ndarray:
    """Spearman of two columns by corpus, (corpora,); NaN where one of them is constant."""
    values = []
    for _, group in rows.groupby("source"):
        group = group[[first, second]].dropna()
        varies = group[first].nunique() > 1 and group[second].nunique() > 1
        values.append(spearman(group[first], group[second]) if varies else np.nan)
    return np.array(values)
