"""Claims beyond the paper: memories that grow, cross-fitting, scores, a spurious feature."""

from itertools import pairwise

import numpy as np
import pandas as pd

from rote.ledger import Sample
from rote.papers.resmem.measures import Tables

MEMORY_SIZES = (1000, 4000, 16_000)
SCORED_UNITS = (16, 64)
SPURIOUS_SIZES = (4000, 16_000)


def _grown(tables: Tables, kind: str, size: int) -> np.ndarray:
    """Accuracy of a kind of memory of some size, by replicate."""
    rows = tables["growth"]
    rows = rows[(rows["kind"] == kind) & (rows["rows"] == size)]
    if rows.empty:
        raise KeyError(f"{kind}, {size}")
    return rows.sort_values("replicate")["accuracy"].to_numpy()


def growth_rises(tables: Tables) -> dict[str, Sample]:
    """Accuracy at one size of the memory minus that at the next smaller, unseen rows, points."""
    accuracy = {size: _grown(tables, "unseen rows", size) for size in MEMORY_SIZES}
    return {
        f"{small} to {large}": Sample(100 * (accuracy[large] - accuracy[small]))
        for small, large in pairwise(MEMORY_SIZES)
    }


def unseen_rows(tables: Tables) -> Sample:
    """Unseen rows minus as many of the base's own, points."""
    trained = _grown(tables, "training rows", 1000)
    return Sample(100 * (_grown(tables, "unseen rows", 1000) - trained))


def budget(tables: Tables) -> Sample:
    """Half the rows by largest residual minus half at random, points."""
    random = _grown(tables, "random rows", 500)
    return Sample(100 * (_grown(tables, "largest residuals", 500) - random))


def _crossfit(tables: Tables, tuned: bool) -> np.ndarray:
    rows = tables["crossfit"]
    rows = rows[rows["tuned"] == tuned]
    accuracy = rows.pivot(index="replicate", columns="residuals", values="resmem")
    return 100 * (accuracy["cross-fitted"] - accuracy["in-sample"]).to_numpy()


def crossfit(tables: Tables) -> Sample:
    """Cross-fitted minus in-sample residuals at T = 1, points."""
    return Sample(_crossfit(tables, False))


def crossfit_tuned(tables: Tables) -> Sample:
    """The same with T tuned."""
    return Sample(_crossfit(tables, True))


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


def _spurious(
    tables: Tables, method: str, examples: int, column: str = "conflicting"
) -> np.ndarray:
    """Accuracy of a method, points, by replicate."""
    rows = tables["spurious"]
    rows = rows[(rows["method"] == method) & (rows["examples"] == examples)]
    if rows.empty:
        raise KeyError(f"{method}, n = {examples}")
    return 100 * rows.sort_values("replicate")[column].to_numpy()


def _spurious_gain(tables: Tables, method: str) -> dict[str, Sample]:
    """Gain of a method over the linear base where the spurious feature conflicts, points."""
    return {
        f"n = {n}": Sample(_spurious(tables, method, n) - _spurious(tables, "base", n))
        for n in SPURIOUS_SIZES
    }


def spurious_memory(tables: Tables) -> dict[str, Sample]:
    """Gain of ResMem over the linear base where the spurious feature conflicts, points."""
    return _spurious_gain(tables, "base, ResMem")


def spurious_aware(tables: Tables) -> dict[str, Sample]:
    """Gain of memorization-aware training over the base where it conflicts, points."""
    return _spurious_gain(tables, "aware")


def spurious_left(tables: Tables) -> dict[str, Sample]:
    """Accuracy of ResMem where it agrees minus where it conflicts, points."""
    method = "base, ResMem"
    return {
        f"n = {n}": Sample(_spurious(tables, method, n, "agreeing") - _spurious(tables, method, n))
        for n in SPURIOUS_SIZES
    }
