"""Claims beyond the paper: memories that grow, cross-fitting, scores, a spurious feature."""

from itertools import pairwise

import numpy as np
import pandas as pd

from rote.ledger import Sample
from rote.papers.resmem.measures import Tables
from rote.papers.resmem.methods import AWARE, BASE, BASE_RESMEM
from rote.papers.resmem.statistics.samples import LEARNT

MEMORY_SIZES = (1000, 4000, 16_000)
SCORED_UNITS = (4, 16, 64)
MENDED = 4.0  # points that a tuned memory gains at least, if the temperature mends it
MOSTLY = 0.75  # share of right answers halfway between random ones among two and none wrong


def _grown(tables: Tables, kind: str, size: int) -> np.ndarray:
    """Accuracy of a kind of memory of some size, by replicate."""
    rows = tables["growth"]
    rows = rows[(rows["kind"] == kind) & (rows["rows"] == size)]
    if rows.empty:
        raise KeyError(f"{kind}, {size}")
    return rows.sort_values("replicate")["accuracy"].to_numpy()


def _frozen(tables: Tables, first: np.ndarray, second: np.ndarray) -> Sample:
    """Two kinds of memory under the frozen base in points of accuracy, (replicates, 2).

    Without values where the base has learnt nothing: its accuracy is below `LEARNT`, or below half
    of that with as small a memory as there is of unseen rows.
    """
    base = _grown(tables, "none", 0)
    smallest = _grown(tables, "unseen rows", MEMORY_SIZES[0])
    learnt = (base > LEARNT) & (base >= smallest / 2)
    return Sample(np.where(learnt[:, None], _paired(first, second).values, np.nan))


def _paired(first: np.ndarray, second: np.ndarray) -> Sample:
    """Two arms in points of accuracy, (replicates, 2)."""
    return Sample(100 * np.stack([first, second], axis=1))


def growth_rises(tables: Tables) -> dict[str, Sample]:
    """Accuracy at one size of the memory and at the next smaller, unseen rows, points."""
    accuracy = {size: _grown(tables, "unseen rows", size) for size in MEMORY_SIZES}
    return {
        f"{small} to {large}": _frozen(tables, accuracy[large], accuracy[small])
        for small, large in pairwise(MEMORY_SIZES)
    }


def unseen_rows(tables: Tables) -> Sample:
    """Unseen rows and as many of the base's own, points."""
    unseen, seen = (_grown(tables, kind, 1000) for kind in ("unseen rows", "training rows"))
    return _frozen(tables, unseen, seen)


def budget(tables: Tables) -> dict[str, Sample]:
    """Rows of the largest residuals and as many at random, by share of the base's own, points."""
    growth = tables["growth"]
    sizes = sorted(growth.loc[growth["kind"] == "random rows", "rows"].unique())
    return {
        f"{size} rows": _frozen(
            tables, _grown(tables, "largest residuals", size), _grown(tables, "random rows", size)
        )
        for size in sizes
    }


def _crossfit(tables: Tables, tuned: bool) -> pd.DataFrame:
    """Points of accuracy with both kinds of residuals and of the base, by replicate."""
    rows = tables["crossfit"]
    rows = rows[rows["tuned"] == tuned]
    points = rows.pivot(index="replicate", columns="residuals", values="resmem")
    return 100 * points.assign(base=rows.groupby("replicate")["base"].mean())


def crossfit(tables: Tables) -> Sample:
    """Cross-fitted and in-sample residuals at T = 1, points."""
    points = _crossfit(tables, False)
    return Sample(points[["cross-fitted", "in-sample"]].to_numpy())


def crossfit_tuned(tables: Tables) -> Sample:
    """The same with T tuned, where both gain at least `MENDED` points."""
    points = _crossfit(tables, True)
    pairs = points[["cross-fitted", "in-sample"]].to_numpy()
    mended = pairs.min(axis=1) - points["base"].to_numpy() >= MENDED
    return Sample(np.where(mended[:, None], pairs, np.nan))


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
    """Points gained over the linear base where the spurious feature conflicts.

    At most the points by which the method is right on more than `MOSTLY` where it agrees: answers
    at random gain as well where the base is misled.
    """
    conflicting, base = (_spurious(tables, name) for name in (method, BASE))
    agreeing = _spurious(tables, method, "agreeing")
    return {
        f"n = {n}": Sample(100 * np.minimum(conflicting[n] - base[n], agreeing[n] - MOSTLY))
        for n in conflicting
    }


def spurious_memory(tables: Tables) -> dict[str, Sample]:
    """What ResMem gains over the linear base where the spurious feature conflicts, points."""
    return _spurious_gain(tables, BASE_RESMEM)


def spurious_aware(tables: Tables) -> dict[str, Sample]:
    """What memorization-aware training gains where it conflicts, points."""
    return _spurious_gain(tables, AWARE)


def spurious_left(tables: Tables) -> dict[str, Sample]:
    """Share of the gap between agreeing and conflicting rows that ResMem closes."""
    gaps = {}
    for method in (BASE, BASE_RESMEM):
        agreeing, conflicting = (_spurious(tables, method, c) for c in ("agreeing", "conflicting"))
        gaps[method] = {n: agreeing[n] - conflicting[n] for n in agreeing}
    return {f"n = {n}": Sample(1 - gaps[BASE_RESMEM][n] / gap) for n, gap in gaps[BASE].items()}
