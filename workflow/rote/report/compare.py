"""Two runs side by side: tables cell by cell within tolerances between machines, and claims."""

from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pydantic import BaseModel

from rote import ledger
from rote.core import tables
from rote.core.errors import InputError
from rote.core.papers import load as load_paper
from rote.core.papers import names as paper_names

# what a column of two runs is to each other, best first
VERDICTS = (
    "equal",
    "within tolerance",
    "other settings",
    "beyond tolerance",
    "other rows",
    "only in one",
)
FAILED = VERDICTS[3:]
_EMPTY = "empty list"  # in its position


class ColumnComparison(BaseModel):
    """One row of `cells`: a column of a table in both runs."""

    paper: str
    table: str
    column: str
    cells: int
    differing: int
    # largest difference, as a share of the column's largest magnitude; 1 for what is no number
    largest: float
    tolerance: float
    verdict: str


def cells(a: Path, b: Path) -> pd.DataFrame:
    """Every column of every table of the papers, in two runs: fields of `ColumnComparison`.

    Rows are matched by the table's key. Numbers are within tolerance if they differ by no more than
    the table's `RTOL` times the column's largest magnitude; texts, counts and truth values must be
    equal. Tables that were made with other settings or another seed are not compared.

    Args:
        a, b: results/<run> of both.

    Returns:
        One row per column. A table that is in one run only, was made with other settings or has
        other rows has one row, with the column `all`.

    Raises:
        InputError: if neither run has a table of a paper, or a table is not whole.
    """
    rows: list[ColumnComparison] = []
    for paper in paper_names():
        for name, model in load_paper(paper, "schema").TABLES.items():
            paths = [run / paper / f"{name}.parquet" for run in (a, b)]
            present = [path.exists() for path in paths]
            if any(present):
                rows += _table(paper, name, model, paths, present)
    if not rows:
        raise InputError(f"{a} and {b} hold no tables of a paper")
    return pd.DataFrame([row.model_dump() for row in rows])


def ledgers(a: Path, b: Path) -> pd.DataFrame:
    """Claims of two runs side by side: ledger columns with the suffixes _a and _b, and `agree`.

    Claims agree if their verdicts are the same, or one of both did not run.

    Args:
        a, b: results/<run> of both, with their claims.parquet.

    Returns:
        One row per claim and condition of either run. Columns claim, condition, agree, paper, says,
        and value, low, high, verdict, criterion, unit with each suffix.

    Raises:
        InputError: if a run has no whole ledger.
    """
    both = [tables.read(run / "claims.parquet") for run in (a, b)]
    sentences = pd.concat(both).drop_duplicates("claim").set_index("claim")[["paper", "says"]]
    measured = ["value", "low", "high", "verdict", "criterion", "unit"]
    sides = [frame.set_index(["claim", "condition"])[measured] for frame in both]
    joined = sides[0].join(sides[1], how="outer", suffixes=("_a", "_b"), sort=False).reset_index()
    for side in ("a", "b"):
        joined[f"verdict_{side}"] = joined[f"verdict_{side}"].fillna("not run")
        for text in ("criterion", "unit"):
            joined[f"{text}_{side}"] = joined[f"{text}_{side}"].fillna("")
    ran = (joined["verdict_a"] != "not run") & (joined["verdict_b"] != "not run")
    joined["agree"] = ~ran | (joined["verdict_a"] == joined["verdict_b"])
    return joined.join(sentences, on="claim")


def summary(columns: pd.DataFrame) -> pd.DataFrame:
    """The rows of `cells` by table: its worst column."""
    worst = columns.assign(rank=columns["verdict"].map(VERDICTS.index)).sort_values(
        ["rank", "largest"], kind="stable"
    )
    last = worst.groupby(["paper", "table"], sort=False).tail(1).drop(columns="rank")
    totals = columns.groupby(["paper", "table"])[["cells", "differing"]].sum()
    return (
        last.drop(columns=["cells", "differing"]).join(totals, on=["paper", "table"]).sort_index()
    )


def require_equal(columns: pd.DataFrame) -> None:
    """Raise InputError if a table of `cells` differs beyond its tolerance."""
    failed = summary(columns)["verdict"].isin(FAILED)
    if failed.any():
        raise InputError(
            f"{int(failed.sum())} of {len(failed)} tables differ beyond their tolerance; see above"
        )


def show(a: Path, b: Path, columns: pd.DataFrame, *, every: bool = False) -> None:
    """Print how the tables of two runs compare, and on which claims they disagree.

    Args:
        a, b: results/<run> of both; claims are compared if both have a claims.parquet.
        columns: what `cells` returned.
        every: print every column that differs instead of each table's worst.
    """
    from rich.console import Console

    worst = summary(columns)
    console = Console(width=max(Console().width, 120))
    console.print(_printed(columns[columns["verdict"] != "equal"] if every else worst, a, b))
    counts = worst["verdict"].value_counts()
    console.print("Tables: " + ", ".join(f"{counts[v]} {v}" for v in VERDICTS if v in counts))
    if not all((run / "claims.parquet").exists() for run in (a, b)):
        return
    side = ledgers(a, b)
    console.print(f"Claims: {int(side['agree'].sum())} of {len(side)} conditions agree")
    for row in side[~side["agree"]].itertuples():
        line = f"  {row.claim} ({row.condition}): {row.verdict_a}, {row.verdict_b}"
        console.print(line, highlight=False)


def _printed(columns: pd.DataFrame, a: Path, b: Path) -> Any:
    """Rows of `cells` as a printed table."""
    from rich.table import Table

    printed = Table(title=f"{a} and {b}", title_justify="left")
    for name in ("table", "column", "cells", "differing", "difference", "tolerance", "verdict"):
        printed.add_column(name, overflow="fold")
    for row in columns.itertuples():
        printed.add_row(
            f"{row.paper}/{row.table}",
            row.column if row.differing else "",
            f"{row.cells:,}",
            f"{row.differing:,}",
            f"{row.largest:.2g}" if row.differing else "",
            f"{row.tolerance:.2g}",
            row.verdict,
        )
    return printed


def page(a: Path, b: Path, out: Path) -> None:
    """An HTML page with the claims of both runs side by side, and how their tables compare.

    Args:
        a, b: results/<run> of both, with their claims.parquet.
        out: file of the page.

    Raises:
        InputError: if a run has no whole ledger, or neither has tables of a paper.
    """
    from rote.report.html import render

    side = ledgers(a, b)
    rows: list[tuple[str, list[Any]]] = []
    # claims on which the runs differ come first
    for _, claims in side.groupby(side.groupby("claim")["agree"].transform("all"), sort=True):
        for claim, group in claims.groupby("claim", sort=False):
            rows.append((claim, list(group.itertuples())))
    tally = pd.crosstab(side["verdict_a"], side["verdict_b"])
    occurring = {*tally.index, *tally.columns}
    order = [verdict for verdict in ledger.VERDICTS if verdict in occurring]
    text = render(
        "compare.html",
        a=a,
        b=b,
        rows=rows,
        tables=list(summary(cells(a, b)).itertuples()),
        tally=tally.reindex(index=order, columns=order, fill_value=0),
        order=order,
    )
    with tables.atomic(out) as temporary:
        temporary.write_text(text, "utf-8")


def _table(
    paper: str, name: str, model: type[tables.Table], paths: list[Path], present: list[bool]
) -> list[ColumnComparison]:
    def column(label: str, **values: Any) -> ColumnComparison:
        defaults = {"cells": 0, "differing": 0, "largest": 0.0, "tolerance": model.RTOL}
        return ColumnComparison(paper=paper, table=name, column=label, **(defaults | values))

    if not all(present):
        return [column("all", verdict="only in one")]
    records = [tables.provenance(path) for path in paths]
    if records[0] and records[0].get("data_sha256") == records[1].get("data_sha256"):
        size = records[0]["rows"]
        return [column(label, cells=size, verdict="equal") for label in model.model_fields]
    if any(records[0].get(name) != records[1].get(name) for name in ("settings", "seed")):
        return [column("all", verdict="other settings")]
    frames = [tables.read(path) for path in paths]
    if any(not set(model.KEY) <= set(frame.columns) for frame in frames):
        return [column("all", cells=max(map(len, frames)), verdict="only in one")]
    if model.KEY:
        frames = [frame.set_index(list(model.KEY)).sort_index() for frame in frames]
    if len(frames[0]) != len(frames[1]) or not frames[0].index.equals(frames[1].index):
        return [column("all", cells=max(map(len, frames)), verdict="other rows")]
    comparisons = []
    for label in dict.fromkeys([*frames[0].columns, *frames[1].columns]):
        if label in frames[0] and label in frames[1]:
            difference = _difference(frames[0][label], frames[1][label], model.RTOL)
        else:
            difference = {"verdict": "only in one"}
        comparisons.append(column(label, cells=len(frames[0]), **difference))
    return comparisons


def _difference(a: pd.Series, b: pd.Series, tolerance: float) -> dict[str, Any]:
    """How two columns differ: numbers, also in lists, within the tolerance; the rest as it is."""
    if a.dtype.kind == "f":
        x, y = a.to_numpy(float), b.to_numpy(float)
        return _apart(x, y, np.arange(len(x)), tolerance)
    cells = [(_leaves(x), _leaves(y)) for x, y in zip(a, b, strict=True)]
    numbers = _numbers(cells)
    if numbers is not None:
        return _apart(*numbers, tolerance)
    differing = sum(x != y for x, y in cells)
    return {
        "differing": differing,
        "largest": float(differing > 0),
        "verdict": "equal" if not differing else "beyond tolerance",
    }


def _leaves(cell: Any, *position: int) -> list[tuple[Any, ...]]:
    """What stands in a cell: (places in its lists from the outermost, value) of every entry."""
    if not isinstance(cell, (np.ndarray, list, tuple)):
        return [(*position, float(cell) if isinstance(cell, np.floating) else cell)]
    if len(cell) == 0:
        return [(*position, _EMPTY)]
    leaves = []
    for number, part in enumerate(cell):
        leaves += _leaves(part, *position, number)
    return leaves


def _numbers(cells: list[tuple[list, list]]) -> tuple[np.ndarray, ...] | None:
    """The numbers of both runs and the row of each, if lists have them in the same positions."""
    numbers: list[tuple[float, float, int]] = []
    for row, pair in enumerate(cells):
        for one, other in zip_longest(*pair):
            if one is None or other is None or one[:-1] != other[:-1]:
                return None
            if not (isinstance(one[-1], float) and isinstance(other[-1], float)):
                if one[-1] != other[-1] or one[-1] != _EMPTY:
                    return None
                continue
            numbers.append((one[-1], other[-1], row))
    x, y = np.array(numbers, float).reshape(-1, 3).T[:2]
    return x, y, np.array([row for _, _, row in numbers], int)


def _apart(x: np.ndarray, y: np.ndarray, rows: np.ndarray, tolerance: float) -> dict[str, Any]:
    """How numbers of two runs differ.

    Args:
        x, y: (n,) of either run.
        rows: (n,) the cell of each number.
        tolerance: share of the largest magnitude.
    """
    same = (x == y) | (np.isnan(x) & np.isnan(y))
    if same.all():
        return {"verdict": "equal"}
    finite = np.isfinite(x) & np.isfinite(y)
    scale = np.abs(np.concatenate([x[finite], y[finite]])).max(initial=0.0)
    # a number against NaN or infinity differs by all there is
    apart = (~same & ~finite).any()
    largest = 1.0 if apart else float(np.abs(x[finite] - y[finite]).max() / scale)
    within = largest <= tolerance
    return {
        "differing": len(np.unique(rows[~same])),
        "largest": largest,
        "verdict": "within tolerance" if within else "beyond tolerance",
    }
