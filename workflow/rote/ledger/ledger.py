"""The ledger file of a run: evaluate every paper's claims, show them, insist on them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from rote.core import tables
from rote.core.errors import InputError
from rote.core.job import Job
from rote.ledger import text, verdicts

COLORS = {"reproduced": "green", "contradicted": "red", "inconclusive": "yellow", "not run": "dim"}


def write(work: Job, run: Mapping[str, Any], claims_dir: Path, results: Path, out: Path) -> None:
    """Evaluate the claims of every paper of a run on its tables, and write the ledger.

    Claims are those of `<claims_dir>/<paper>.yaml`, tables `<results>/<paper>/*.parquet`.

    Args:
        work: the running job, for the provenance.
        run: the keys scale and papers.
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
            )
        )
    frame = pd.concat(rows, ignore_index=True)
    tables.write(out, frame, verdicts.Ledger, work.provenance())


def read(path: Path) -> pd.DataFrame:
    """The ledger of a run.

    Args:
        path: results/<run>/claims.parquet, or its folder.

    Raises:
        InputError: naming the file, if it is missing, not whole, or no ledger of this version.
    """
    path = path if path.suffix else path / "claims.parquet"
    frame = tables.read(path)
    if missing := [name for name in verdicts.Ledger.model_fields if name not in frame]:
        raise InputError(
            f"{path} is no ledger of this version of rote: it lacks {', '.join(missing)}; "
            f"make it anew: snakemake --cores all --force -- {path}"
        )
    return frame


def show(path: Path) -> None:
    """Print a ledger: one line per claim, the worst condition shown."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    frame = verdicts.summary(read(path))
    title = f"{path}: {text.headline(frame)}\n{text.chance(frame)}".replace("*", "")
    table = Table(title=title, title_justify="left")
    for name in ("claim", "kind", "measured [95 % interval]", "criterion", "paper", "verdict"):
        table.add_column(
            name.replace("[", r"\["), no_wrap=name in ("claim", "verdict"), overflow="fold"
        )
    for row in frame.itertuples():
        condition = f" ({row.condition})" if row.condition else ""
        color = COLORS[row.verdict]
        verdict = f"[{color}]{row.verdict}[/{color}]"
        table.add_row(
            row.claim + condition,
            row.kind,
            escape(text.measured(row)),
            escape(row.criterion),
            row.paper_value,
            verdict,
        )
    Console(width=max(Console().width, 150)).print(table)


def require_all(path: Path) -> None:
    """Raise InputError naming every judged claim that is not reproduced, or if none is judged."""
    frame = verdicts.summary(read(path))
    judged = frame[frame["criterion"] != ""]
    if judged.empty:
        raise InputError("strict: no claim is judged at this scale; use laptop, full or paper")
    failed = judged[judged["verdict"] != "reproduced"]
    if len(failed):
        listed = ", ".join(f"{row.claim} ({row.verdict})" for row in failed.itertuples())
        raise InputError(
            f"strict: {len(failed)} of {len(judged)} judged claims are not reproduced: {listed}"
        )
