"""Two runs side by side: their tables cell by cell, within the tolerances between machines, and
their claims.
"""

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


class Column(BaseModel):
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


def folder(run: str | Path) -> Path:
    """`results/<run>` from a path or a run's name. Raises InputError if neither is a folder."""
    for path in (Path(run), Path("results") / run):
        if path.is_dir():
            return path
    raise InputError(f"{run} is neither a folder nor a run in results/; runs here: {_runs()}")


def cells(a: Path, b: Path) -> pd.DataFrame:
    """Every column of every table of the papers, in two runs: the fields of `Column`.

    Rows are matched by the table's key. Numbers are within tolerance if they differ by no more than
    the table's `RTOL` times the column's largest magnitude; texts, counts and truth values must be
    equal. Tables that were made with other settings or another seed are not compared.

    Args:
        a, b: results/<run> of both.
    """
    found: list[Column] = []
    for paper in paper_names():
        for name, model in load_paper(paper, "schema").TABLES.items():
            paths = [run / paper / f"{name}.parquet" for run in (a, b)]
            present = [path.exists() for path in paths]
            if any(present):
                found += _table(paper, name, model, paths, present)
    if not found:
        raise InputError(f"{a} and {b} hold no tables of a paper")
    return pd.DataFrame([row.model_dump() for row in found])


def ledgers(a: Path, b: Path) -> pd.DataFrame:
    """Claims of two runs side by side: ledger columns with the suffixes _a and _b, and `agree`.

    Claims agree if their verdicts are the same, or one of both did not run.
    """
    both = [tables.read(run / "claims.parquet") for run in (a, b)]
    known = pd.concat(both).drop_duplicates("claim").set_index("claim")[["paper", "says"]]
    measured = ["value", "low", "high", "verdict", "criterion", "unit"]
    sides = [frame.set_index(["claim", "condition"])[measured] for frame in both]
    joined = sides[0].join(sides[1], how="outer", suffixes=("_a", "_b"), sort=False).reset_index()
    for side in ("a", "b"):
        joined[f"verdict_{side}"] = joined[f"verdict_{side}"].fillna("not run")
        for text in ("criterion", "unit"):
            joined[f"{text}_{side}"] = joined[f"{text}_{side}"].fillna("")
    ran = (joined["verdict_a"] != "not run") & (joined["verdict_b"] != "not run")
    joined["agree"] = ~ran | (joined["verdict_a"] == joined["verdict_b"])
    return joined.join(known, on="claim")


def summary(found: pd.DataFrame) -> pd.DataFrame:
    """`cells` by table: its worst column."""
    worst = found.assign(rank=found["verdict"].map(VERDICTS.index)).sort_values(
        ["rank", "largest"], kind="stable"
    )
    last = worst.groupby(["paper", "table"], sort=False).tail(1).drop(columns="rank")
    totals = found.groupby(["paper", "table"])[["cells", "differing"]].sum()
    return (
        last.drop(columns=["cells", "differing"]).join(totals, on=["paper", "table"]).sort_index()
    )


def page(a: Path, b: Path, out: Path) -> None:
    """An HTML page with the claims of both runs side by side, and how their tables compare."""
    from rote.report.html import render

    side = ledgers(a, b)
    rows: list[tuple[str, list[Any]]] = [
        (claim, list(group.itertuples())) for claim, group in side.groupby("claim", sort=False)
    ]
    rows.sort(key=lambda item: all(row.agree for row in item[1]))  # what differs comes first
    tally = pd.crosstab(side["verdict_a"], side["verdict_b"])
    order = [
        verdict for verdict in ledger.VERDICTS if verdict in set(tally.index) | set(tally.columns)
    ]
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
        temporary.write_text(text)


def _table(
    paper: str, name: str, model: type[tables.Table], paths: list[Path], present: list[bool]
) -> list[Column]:
    def column(label: str, **values: Any) -> Column:
        defaults = {"cells": 0, "differing": 0, "largest": 0.0, "tolerance": model.RTOL}
        return Column(paper=paper, table=name, column=label, **(defaults | values))

    if not all(present):
        return [column("all", verdict="only in one")]
    records = [tables.provenance(path) for path in paths]
    if records[0] and records[0].get("data_sha256") == records[1].get("data_sha256"):
        size = records[0]["rows"]
        return [column(label, cells=size, verdict="equal") for label in model.model_fields]
    if any(records[0].get(name) != records[1].get(name) for name in ("settings", "seed")):
        return [column("all", verdict="other settings")]
    frames = [tables.read(path) for path in paths]
    if model.KEY:
        frames = [frame.set_index(list(model.KEY)).sort_index() for frame in frames]
    if len(frames[0]) != len(frames[1]) or not frames[0].index.equals(frames[1].index):
        return [column("all", cells=max(map(len, frames)), verdict="other rows")]
    return [
        column(
            label,
            cells=len(frames[0]),
            **_difference(frames[0][label], frames[1][label], model.RTOL),
        )
        for label in frames[0].columns
    ]


def _difference(a: pd.Series, b: pd.Series, tolerance: float) -> dict[str, Any]:
    """How two columns differ."""
    if a.dtype.kind != "f":
        differing = sum(
            list(x) != list(y) if np.ndim(x) else x != y for x, y in zip(a, b, strict=True)
        )
        return {
            "differing": differing,
            "largest": float(differing > 0),
            "verdict": "equal" if not differing else "beyond tolerance",
        }
    x, y = a.to_numpy(float), b.to_numpy(float)
    same = (x == y) | (np.isnan(x) & np.isnan(y))
    if same.all():
        return {"verdict": "equal"}
    scale = max(np.nanmax(np.abs(x), initial=0.0), np.nanmax(np.abs(y), initial=0.0))
    gap = np.abs(x - y)[~same]
    largest = 1.0 if np.isnan(gap).any() else float(gap.max() / scale)
    within = largest <= tolerance
    return {
        "differing": int((~same).sum()),
        "largest": largest,
        "verdict": "within tolerance" if within else "beyond tolerance",
    }


def _runs() -> str:
    root = Path("results")
    return (
        ", ".join(sorted(path.name for path in root.iterdir() if path.is_dir()))
        if root.is_dir()
        else "none"
    )
