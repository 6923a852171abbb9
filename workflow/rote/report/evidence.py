"""The evidence behind a run's verdicts: nulls, replicates needed and their cost, other seeds."""

from collections.abc import Iterable, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rote import ledger
from rote.core.errors import InputError
from rote.core.tables import Folder
from rote.ledger import Claim, verdicts
from rote.ledger.ledger import COLORS
from rote.ledger.ledger import read as run_ledger
from rote.ledger.power import needed
from rote.ledger.reading import StatisticTables
from rote.ledger.text import number
from rote.report import claim as claims
from rote.run import profile

# moves of a verdict from seed to seed, from harmless to grave
# columns of `power`
POWER = ["claim", "condition", "verdict", "margin", "replicates", "needed", "tables", "job_s"]
POWER += ["needed_s"]
MOVES = ("none", "to or from inconclusive", "reproduced and contradicted")


def audit(
    results: Path, folder: Path, scale: str | None = None, min_replicates: int | None = None
) -> pd.DataFrame:
    """Every claim of a run, judged on its tables and on those of its nulls.

    Args:
        results: results/<run>.
        folder: of the claims files.
        scale: whose criteria count, instead of the run's.
        min_replicates: replicates that a verdict needs, instead of each claim's own minimum.

    Returns:
        The rows of `rote.ledger.audit` for all papers of the run.

    Raises:
        InputError: if the run holds no tables.
        ConfigError: for a malformed claim.
    """
    run = claims.run_of(results, scale)
    frames = []
    for paper in run.papers:
        entries = ledger.load(folder / f"{paper}.yaml")
        tables = Folder(results / paper)
        frames.append(ledger.audit(entries, tables, scale=run.scale, min_replicates=min_replicates))
    return pd.concat(frames, ignore_index=True)


def show_audit(audited: pd.DataFrame) -> None:
    """Print what passes on a null, claims and conditions, and how many claims could be tried."""
    claims = audited.drop_duplicates("claim")
    judged = claims[claims["verdict"] != "not run"]
    passing = audited[audited["passes"]]
    if len(passing):
        _print(
            ("claim", "verdict", "on its null", "null"),
            passing[["claim", "verdict", "null_verdict", "null"]].to_numpy().tolist(),
        )
    powerless = audited[audited["powerless"] != ""]
    if len(powerless):
        _print(
            ("claim", "conditions that are reproduced on the null, too", "null"),
            powerless[["claim", "powerless", "null"]].to_numpy().tolist(),
        )
    print(
        f"{passing['claim'].nunique()} of {len(claims)} claims are reproduced on a null of theirs. "
        f"{len(judged)} have a verdict in this run; {len(claims) - len(judged)} were not run."
    )
    idle = audited.loc[audited["null_verdict"] == "no change", "claim"].unique()
    if len(idle):
        print(f"Here these nulls change no value, so that they decide nothing: {', '.join(idle)}")


def power(results: Path, folder: Path) -> pd.DataFrame:
    """Replicates that each statistical claim of a run needs, and what they cost.

    Args:
        results: results/<run>, with its claims.parquet.
        folder: of the claims files.

    Returns:
        One row per claim, by its condition that needs most: claim, condition, verdict, margin,
        replicates, needed (at least the claim's minimum), tables (that it reads), job_s (wall
        seconds of all jobs behind them, NaN where the run kept no times) and needed_s (the same at
        the replicates needed, as if all jobs grew with them). Claims without a spread are left out.

    Raises:
        InputError: if the run has no whole ledger.
        ConfigError: for a malformed claim.
    """
    frame = run_ledger(results)
    frame = frame[(frame["kind"] == "statistical") & frame["margin"].notna()]
    seconds = _seconds(results)
    definitions = claims.load(frame["paper"].unique(), folder)
    rows = []
    for name, conditions in frame.groupby("claim", sort=False):
        if name not in definitions:
            continue
        claim = definitions[str(name)].claim
        counts = [
            max(needed(row.margin, row.replicates), claim.min_replicates)
            for row in conditions.itertuples()
        ]
        row = conditions.iloc[int(np.argmax(counts))]
        reads = _reads(claim, results)
        cost = _cost(results, claim.paper, reads, seconds)
        rows.append(
            {
                **row[["claim", "condition", "verdict", "margin", "replicates"]].to_dict(),
                "needed": max(counts),
                "tables": ", ".join(reads),
                "job_s": cost,
                "needed_s": cost * max(counts) / row["replicates"],
            }
        )
    return pd.DataFrame(rows, columns=POWER)


def show_power(frame: pd.DataFrame) -> None:
    """Print `power`: the claims that need more replicates than they have, the costliest first."""
    short = frame[frame["needed"] > frame["replicates"]].sort_values("needed", ascending=False)
    rows = []
    for row in short.itertuples():
        condition = f" ({row.condition})" if row.condition else ""
        cells = [row.claim + condition, row.verdict, f"{row.margin:.2f}", str(row.replicates)]
        rows.append([*cells, number(row.needed), number(row.job_s), number(row.needed_s)])
    header = ("claim", "verdict", "margin", "replicates", "needed", "job s", "needed s")
    _print(header, rows)
    print(f"{len(frame) - len(short)} of {len(frame)} statistical claims have replicates enough.")


def _reads(claim: Claim, results: Path) -> list[str]:
    """Names of the tables that a claim's statistic reads."""
    given = StatisticTables(Folder(results / claim.paper))
    verdicts.samples(claim, given)
    return sorted(given.read)


def _seconds(results: Path) -> pd.DataFrame | None:
    """The run's jobs with their times, None if it kept none."""
    try:
        return profile.read(results).jobs
    except InputError:
        return None


def _cost(results: Path, paper: str, names: Iterable[str], jobs: pd.DataFrame | None) -> float:
    """Wall seconds of the jobs behind tables, with all that they need."""
    if jobs is None:
        return float("nan")
    home = Path("results", results.name, paper)
    behind = profile.behind(jobs, [str(home / f"{name}.parquet") for name in names])
    return float((behind["end"] - behind["begin"]).sum())


def stability(ledgers: Sequence[pd.DataFrame], names: Sequence[str] = ()) -> pd.DataFrame:
    """How each claim's verdict moves between runs with different seeds.

    Args:
        ledgers: one per run, the first is the one that is shown.
        names: of the ledgers, for errors; their numbers by default.

    Returns:
        One row per claim that at least two runs judged: claim, kind, verdicts (one per run, in
        order, joined by " / "), move (one of `MOVES`).

    Raises:
        InputError: for fewer than two ledgers, or two that are the same.
    """
    if len(ledgers) < 2:
        raise InputError("stability: needs the ledgers of two runs or more")
    names = names or [f"ledger {number}" for number in range(1, len(ledgers) + 1)]
    for (a, first), (b, second) in combinations(zip(names, ledgers, strict=True), 2):
        if _same(first, second):
            raise InputError(
                f"stability: {a} and {b} hold the same values; name runs that differ in their seed"
            )
    columns = [ledger.summary(frame).set_index("claim")["verdict"] for frame in ledgers]
    kinds = ledger.summary(ledgers[0]).set_index("claim")["kind"]
    rows = []
    for name, outcomes in pd.concat(columns, axis=1).fillna("not run").iterrows():
        judged = set(outcomes) - {"not run"}
        if (outcomes != "not run").sum() < 2:
            continue
        grave = {"reproduced", "contradicted"} <= judged
        move = MOVES[2] if grave else MOVES[min(len(judged) - 1, 1)]
        row = {"claim": name, "kind": kinds.get(name, ""), "verdicts": " / ".join(outcomes)}
        rows.append(row | {"move": move})
    return pd.DataFrame(rows, columns=["claim", "kind", "verdicts", "move"])


def _same(first: pd.DataFrame, second: pd.DataFrame) -> bool:
    """Whether two ledgers hold the same values, up to the digits that a kept one has."""
    keys = ["claim", "condition"]
    a, b = (frame.set_index(keys)[["value", "low", "high"]] for frame in (first, second))
    return a.index.equals(b.index) and np.allclose(a, b, rtol=1e-5, atol=0, equal_nan=True)


def show_stability(frame: pd.DataFrame) -> None:
    """Print `stability`: the claims that move, and how many do not."""
    moved = frame[frame["move"] != MOVES[0]]
    if len(moved):
        _print(tuple(moved.columns), moved.to_numpy().tolist())
    print(stability_sentence(frame))


def stability_sentence(frame: pd.DataFrame) -> str:
    """How many verdicts move, and how, in one sentence."""
    counts = frame["move"].value_counts()
    return (
        f"Of {len(frame)} claims that were judged with several seeds, {counts.get(MOVES[2], 0)} "
        f"move between reproduced and contradicted, and {counts.get(MOVES[1], 0)} "
        f"({counts.get(MOVES[1], 0) / max(len(frame), 1):.1%}) to or from inconclusive."
    )


def _print(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    printed = Table(box=None)
    for name in header:
        printed.add_column(name, overflow="fold")
    for row in rows:
        cells = [escape(str(cell)) for cell in row]
        printed.add_row(*(f"[{COLORS[c]}]{c}[/]" if c in COLORS else c for c in cells))
    console = Console()
    console = Console(width=max(console.width, 130))
    console.print(printed)
