"""Claims beyond the paper: memories that grow, cross-fitting, scores, a spurious feature."""

from itertools import pairwise

import numpy as np
import pandas as pd

from rote.ledger import Sample
from rote.papers.resmem.measures import Tables

MEMORY_SIZES = (1000, 4000, 16_000)
SCORED_UNITS = (4, 16, 64)


def _grown(tables: Tables, kind: str, size: int) -> np.ndarray:
    """Accuracy of a kind of memory of some size, by replicate."""
    rows = tables["growth"]
    rows = rows[(rows["kind"] == kind) & (rows["rows"] == size)]
    if rows.empty:
        raise KeyError(f"{kind}, {size}")
    return rows.sort_values("replicate")["accuracy"].to_numpy()


def _paired(first: np.ndarray, second: np.ndarray) -> Sample:
    """Two arms in points of accuracy, (replicates, 2)."""
    return Sample(100 * np.stack([first, second], axis=1))


def growth_rises(tables: Tables) -> dict[str, Sample]:
    """Accuracy at one size of the memory and at the next smaller, unseen rows, points."""
    accuracy = {size: _grown(tables, "unseen rows", size) for size in MEMORY_SIZES}
    return {
        f"{small} to {large}": _paired(accuracy[large], accuracy[small])
        for small, large in pairwise(MEMORY_SIZES)
    }


def unseen_rows(tables: Tables) -> Sample:
    """Unseen rows and as many of the base's own, points."""
    return _paired(_grown(tables, "unseen rows", 1000), _grown(tables, "training rows", 1000))


def budget(tables: Tables) -> dict[str, Sample]:
    """Rows of the largest residuals and as many at random, by share of the base's own, points."""
    growth = tables["growth"]
    sizes = sorted(growth.loc[growth["kind"] == "random rows", "rows"].unique())
    return {
        f"{size} rows": _paired(
            _grown(tables, "largest residuals", size), _grown(tables, "random rows", size)
        )
        for size in sizes
    }


def _crossfit(tables: Tables, tuned: bool) -> Sample:
    rows = tables["crossfit"]
    rows = rows[rows["tuned"] == tuned]
    accuracy = rows.pivot(index="replicate", columns="residuals", values="resmem")
    return _paired(accuracy["cross-fitted"].to_numpy(), accuracy["in-sample"].to_numpy())


def crossfit(tables: Tables) -> Sample:
    """Cross-fitted and in-sample residuals at T = 1, points."""
    return _crossfit(tables, False)


def crossfit_tuned(tables: Tables) -> Sample:
    """The same with T tuned."""
    return _crossfit(tables, True)


def _correlations(tables: Tables, column: str, units: int) -> np.ndarray:
    """Rank correlation of a column with the memorization score, by replicate."""
    rows = tables["memorization"]
    rows = rows[rows["units"] == units]
    if rows.empty:
        raise KeyError(f"{units} units")
    return np.array(
        [group[column].corr(group["score"], "spearman") for _, group in rows.groupby("replicate")]
    )


def stored_is_memorized(tables: Tables) -> dict[str, Sample]:
    """Rank correlation of what ResMem stores and the memorization score."""
    return {
        f"{units} units": Sample(_correlations(tables, "weight", units)) for units in SCORED_UNITS
    }


def rare_is_memorized(tables: Tables) -> dict[str, Sample]:
    """Rank correlation of a subpopulation's frequency and the memorization score."""
    return {
        f"{units} units": Sample(_correlations(tables, "frequency", units))
        for units in SCORED_UNITS
    }


def rising_scores(tables: Tables) -> Sample:
    """Rank correlation over images: the score's rise from 4 to 64 units, a memory's gain at 16."""
    correlations = []
    for _, rows in tables["memorization"].groupby("replicate"):
        scores = rows.pivot(index="example", columns="units", values="score")
        if not {4, 64} <= set(scores.columns):
            raise KeyError("4 and 64 units")
        gain = rows[rows["units"] == 16].set_index("example")["gain"]
        pairs = pd.concat([scores[64] - scores[4], gain], axis=1).dropna()
        correlations.append(pairs.iloc[:, 0].corr(pairs.iloc[:, 1], "spearman"))
    return Sample(np.array(correlations))


def _spurious(tables: Tables, method: str, column: str = "conflicting") -> dict[int, np.ndarray]:
    """Accuracy of a method by training rows, (replicates,) each."""
    rows = tables["spurious"]
    rows = rows[rows["method"] == method].sort_values("replicate")
    return {n: group[column].to_numpy() for n, group in rows.groupby("examples")}


def _spurious_gain(tables: Tables, method: str) -> dict[str, Sample]:
    """A method and the linear base where the spurious feature conflicts, points."""
    return _pairs(_spurious(tables, method), _spurious(tables, "base"))


def _pairs(first: dict[int, np.ndarray], second: dict[int, np.ndarray]) -> dict[str, Sample]:
    """Two arms by training rows, (replicates, 2) each."""
    return {f"n = {n}": _paired(first[n], second[n]) for n in first}


def spurious_memory(tables: Tables) -> dict[str, Sample]:
    """ResMem and the linear base where the spurious feature conflicts, points."""
    return _spurious_gain(tables, "base, ResMem")


def spurious_aware(tables: Tables) -> dict[str, Sample]:
    """Memorization-aware training and the base where it conflicts, points."""
    return _spurious_gain(tables, "aware")


def spurious_left(tables: Tables) -> dict[str, Sample]:
    """ResMem's accuracy where it agrees and where it conflicts, points."""
    method = "base, ResMem"
    return _pairs(_spurious(tables, method, "agreeing"), _spurious(tables, method))
