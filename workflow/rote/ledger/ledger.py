"""The ledgers of a run: judge a paper's claims, join the papers, show them, insist on them."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from rote.core import runs, tables
from rote.core.errors import InputError
from rote.core.job import Job
from rote.ledger import text, verdicts

COLORS = {"reproduced": "green", "contradicted": "red", "inconclusive": "yellow", "not run": "dim"}


# of a paper's ledger: digests of the tables that it was judged on, in its provenance
_JUDGED = "tables"


def of_paper(results: Path, paper: str) -> Path:
    """Where a paper's ledger lies: results/<run>/claims/<paper>.parquet."""
    return results / "claims" / f"{paper}.parquet"


def write(work: Job, claims: Path, scale: str, folder: Path, out: Path) -> pd.DataFrame:
    """Judge the claims of a paper on its tables, and write its ledger.

    Args:
        work: the running job, for the provenance.
        claims: the claims file.
        scale: whose criteria count.
        folder: of the paper's tables, results/<run>/<paper>.
        out: Parquet file of the ledger.

    Returns:
        The ledger.

    Raises:
        ConfigError: for a claims file that is missing or malformed, or an unknown statistic.
        InputError: for a column that a statistic looks up and a table lacks.
    """
    given = tables.Folder(folder)
    frame = verdicts.evaluate(claims, given, scale=scale)
    judged = {name: _digest(folder / f"{name}.parquet") for name in given}
    tables.write(out, frame, verdicts.Ledger, work.provenance() | {_JUDGED: judged})
    return frame


def is_current(results: Path, paper: str) -> bool:
    """Whether a paper is judged, and its tables are those that it was judged on.

    Args:
        results: results/<run>.
        paper: name of its folder.
    """
    path = of_paper(results, paper)
    if not path.is_file():
        return False
    judged = tables.provenance(path).get(_JUDGED, {})
    now = {name: _digest(results / paper / f"{name}.parquet") for name in judged}
    return bool(judged) and now == judged


def _digest(path: Path) -> str:
    """Digest of a table's data as its provenance says; "" if the table is missing."""
    return tables.provenance(path).get("data_sha256", "unknown") if path.is_file() else ""


def join(results: Path, papers: Sequence[str]) -> pd.DataFrame:
    """The ledger of several papers, from that of each: Holm's correction stays within a paper.

    Args:
        results: results/<run>.
        papers: at least one, each with a ledger.

    Raises:
        InputError: naming the ledger that is missing or not whole.
    """
    return pd.concat([read(of_paper(results, paper)) for paper in papers], ignore_index=True)


def read(path: Path) -> pd.DataFrame:
    """The ledger of a run.

    Args:
        path: results/<run>/claims.parquet, or its folder, or the ledger of one paper.

    Raises:
        InputError: naming the file, if it is missing, not whole, or no ledger of this version.
    """
    path = path if path.suffix and not path.is_dir() else path / "claims.parquet"
    frame = tables.read(path)
    if missing := [name for name in verdicts.Ledger.model_fields if name not in frame]:
        raise InputError(
            f"{path} is no ledger of this version of rote: it lacks {', '.join(missing)}; "
            f"make it anew: {runs.again(path, force=True)}"
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
