"""The ledger file of a run: evaluate every paper's claims, show them, insist on them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from rote.core import tables
from rote.core.errors import InputError
from rote.core.job import Job
from rote.core.papers import about
from rote.ledger import claims, verdicts

COLORS = {"reproduced": "green", "contradicted": "red", "inconclusive": "yellow", "not run": "dim"}


def write(work: Job, run: Mapping[str, Any], claims_dir: Path, results: Path, out: Path) -> None:
    """Evaluate the claims of every paper of a run on its tables, and write the ledger.

    Claims are those of `<claims_dir>/<paper>.yaml`, tables `<results>/<paper>/*.parquet`.

    Args:
        work: the running job, for the provenance.
        run: the keys scale, papers, seed, bootstrap_resamples.
        claims_dir: folder of the claims files.
        results: results/<run>.
        out: Parquet file of the ledger.

    Raises:
        ConfigError: for a claims file that is missing or malformed, or an unknown statistic.
        InputError: for a column that a statistic looks up and a table lacks.
    """
    rows = []
    for paper in run["papers"]:
        rows.append(
            verdicts.evaluate(
                claims_dir / f"{paper}.yaml",
                tables.Folder(results / paper),
                scale=run["scale"],
                resamples=run["bootstrap_resamples"],
                seed=run["seed"],
            )
        )
    frame = pd.concat(rows, ignore_index=True)
    tables.write(out, frame, verdicts.Ledger, work.provenance())


def show(path: Path) -> None:
    """Print a ledger: one line per claim, the worst condition shown."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    frame = verdicts.summary(tables.read(path))
    counts = frame["verdict"].value_counts()
    tally = ", ".join(f"{counts[v]} {v}" for v in claims.VERDICTS if v in counts)
    table = Table(title=f"{path}: {tally}", title_justify="left")
    for name in ("claim", "measured [95 % interval]", "criterion", "paper", "verdict"):
        table.add_column(
            name.replace("[", r"\["), no_wrap=name in ("claim", "verdict"), overflow="fold"
        )
    for row in frame.itertuples():
        condition = f" ({row.condition})" if row.condition else ""
        color = COLORS[row.verdict]
        verdict = f"[{color}]{row.verdict}[/{color}]"
        table.add_row(
            row.claim + condition,
            escape(measured(row)),
            escape(row.criterion),
            row.paper_value,
            verdict,
        )
    Console(width=max(Console().width, 150)).print(table)


def markdown(path: Path) -> str:
    """A ledger as Markdown tables: verdicts per paper, then every claim by its worst condition."""
    frame = verdicts.summary(tables.read(path))
    lines = [
        f"| paper | claims | {' | '.join(claims.VERDICTS)} |",
        "|---" * (len(claims.VERDICTS) + 2) + "|",
    ]
    for paper, rows in frame.groupby("paper", sort=False):
        counts = [str((rows["verdict"] == verdict).sum()) for verdict in claims.VERDICTS]
        lines.append(f"| {about(paper).short} | {len(rows)} | {' | '.join(counts)} |")
    lines += ["", "<details><summary>Every claim</summary>", ""]
    lines += [
        "| claim | measured [95 % interval] | criterion | paper | verdict |",
        "|---" * 5 + "|",
    ]
    for row in frame.itertuples():
        condition = f" ({row.condition})" if row.condition else ""
        cells = [row.says + condition, measured(row), row.criterion, row.paper_value, row.verdict]
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join([*lines, "", "</details>"])


def measured(row: Any) -> str:
    """`0.123 [0.1, 0.15] unit` for a ledger row, as `DataFrame.itertuples` gives it."""
    if pd.isna(row.value):
        return "–"
    unit = f" {row.unit}" if row.unit else ""
    return f"{number(row.value)} [{number(row.low)}, {number(row.high)}]{unit}"


def number(value: float) -> str:
    """Three significant digits, without noise: 0.123, 12.3, 1.2e-09."""
    if pd.isna(value):
        return "–"
    return "0" if value == 0 else f"{value:.3g}"


def require_all(path: Path) -> None:
    """Raise InputError naming every judged claim that is not reproduced."""
    frame = verdicts.summary(tables.read(path))
    judged = frame[frame["criterion"] != ""]
    failed = judged[judged["verdict"] != "reproduced"]
    if len(failed):
        listed = ", ".join(f"{row.claim} ({row.verdict})" for row in failed.itertuples())
        raise InputError(
            f"strict: {len(failed)} of {len(judged)} judged claims are not reproduced: {listed}"
        )
