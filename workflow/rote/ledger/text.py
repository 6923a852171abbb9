"""A ledger in words: measured values, sentences, and tables in Markdown."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from rote.core.papers import about
from rote.ledger import verdicts
from rote.ledger.claims import VERDICTS

_TITLE = 30  # characters of a paper's short title in a list of findings


def measured(row: Any) -> str:
    """`0.123 [0.1, 0.15] unit` for a ledger row, as `DataFrame.itertuples` gives it.

    Without an interval (numerical claims) it is `0.123 unit`.
    """
    if pd.isna(row.value):
        return "–"
    interval = "" if pd.isna(row.low) else f" [{number(row.low)}, {number(row.high)}]"
    unit = f" {row.unit}" if row.unit else ""
    return f"{number(row.value)}{interval}{unit}"


def number(value: float) -> str:
    """Three significant digits, without noise: 0.123, 12.3, 1.2e-09."""
    if pd.isna(value):
        return "–"
    if np.isinf(value):
        return "∞" if value > 0 else "−∞"
    return "0" if value == 0 else f"{value:.3g}"


def headline(ledger: pd.DataFrame) -> str:
    """How many of the papers' own claims are reproduced, in one sentence."""
    table = verdicts.counts(ledger, "origin")
    if "paper" not in table.index:
        return "No claim of a paper is in this ledger."
    row = table.loc["paper"]
    others = [f"{row[verdict]} {verdict}" for verdict in VERDICTS[1:] if row[verdict]]
    rest = f"; {', '.join(others)}" if others else ""
    return (
        f"Of the {row['claims']} claims that are the papers' own, "
        f"**{row['reproduced']} are reproduced**{rest}."
    )


def finding(ledger: pd.DataFrame) -> str:
    """What a paper's ledger says in one line: its own claims first, then all, by verdict."""
    paper = f"{about(ledger['paper'].iloc[0]).short}:"
    claims = verdicts.summary(ledger)
    of_paper = claims[claims["origin"] == "paper"]
    first = f"own claims {len(of_paper)}: {_tally(of_paper)}" if len(of_paper) else "no own claims"
    line = f"{paper:<{_TITLE}}{first}; all {len(claims)}: {_tally(claims)}"
    where = [f"{count} judged at {scale}" for scale, count in judged_elsewhere(ledger).items()]
    return f"{line} ({', '.join(where)})" if where else line


def _tally(claims: pd.DataFrame) -> str:
    """`3 reproduced, 1 inconclusive`, of rows with a verdict each."""
    numbers = claims["verdict"].value_counts()
    return ", ".join(f"{numbers[name]} {name}" for name in VERDICTS if name in numbers)


def judged_elsewhere(ledger: pd.DataFrame) -> dict[str, int]:
    """Claims that are not judged at the run's scale, by the smallest scale at which they are."""
    claims = ledger[ledger["criterion"] == ""].drop_duplicates("claim")
    return claims["scales"].str.split(", ").str[0].value_counts(sort=False).to_dict()


def elsewhere(ledger: pd.DataFrame) -> str:
    """How many claims a run does not judge, and where they are judged; "" if it judges all."""
    numbers = judged_elsewhere(ledger)
    if not numbers:
        return ""
    where = ", ".join(f"{scale} ({count})" for scale, count in numbers.items())
    total = sum(numbers.values())
    claims = "claim is" if total == 1 else "claims are"
    return f"{total} {claims} not judged at this scale. Judged at: {where}."


def chance(ledger: pd.DataFrame) -> str:
    """What chance alone would give, and what stays after Holm's correction, in one sentence."""
    claims = verdicts.summary(ledger)
    judged = claims[(claims["kind"] == "statistical") & (claims["verdict"] != "not run")]
    reproduced = judged[judged["verdict"] == "reproduced"]
    return (
        f"Of {len(judged)} statistical claims with a verdict, chance alone would give at most "
        f"{verdicts.expected_by_chance(ledger):.1f} *reproduced*; of the {len(reproduced)} that "
        f"are, {int(reproduced['holm'].sum())} stay so by Holm's correction within their paper."
    )


def counts(ledger: pd.DataFrame, by: str) -> str:
    """Claims by verdict for each value of a column, as a Markdown table.

    Args:
        ledger: with the columns of `rote.ledger.Ledger`.
        by: origin, kind or paper.
    """
    rows = []
    for name, row in verdicts.counts(ledger, by).iterrows():
        title = about(str(name)).short if by == "paper" else str(name)
        rows.append([title, row["claims"], *(row[verdict] for verdict in VERDICTS)])
    return table([by, "claims", *VERDICTS], rows)


def claims(ledger: pd.DataFrame) -> str:
    """Every claim by its worst condition, as a Markdown table that unfolds."""
    rows = []
    for row in verdicts.summary(ledger).itertuples():
        condition = f" ({row.condition})" if row.condition else ""
        cells = [row.says + condition, row.kind, measured(row), row.criterion]
        rows.append([*cells, row.paper_value, row.verdict])
    body = table(["claim", "kind", "measured", "criterion", "paper", "verdict"], rows)
    return f"<details><summary>Every claim</summary>\n\n{body}\n\n</details>"


def bar(claims: pd.DataFrame, width: int = 12) -> str:
    """Verdicts as a bar of letters: █ reproduced, ▓ contradicted, ▒ inconclusive, ░ not run.

    Args:
        claims: one row each, as of `verdicts.summary`.
        width: letters in all; a verdict that occurs has at least one.
    """
    numbers = claims["verdict"].value_counts()
    letters = ""
    for verdict, letter in zip(VERDICTS, "█▓▒░", strict=True):
        share = numbers.get(verdict, 0) / len(claims)
        letters += letter * max(round(width * share), int(share > 0))
    return f"`{letters}`"


def contradicted(ledger: pd.DataFrame) -> str:
    """Claims that do not hold, with what was measured instead, as a Markdown table."""
    failed = verdicts.summary(ledger).query("verdict == 'contradicted'")
    rows = []
    for row in failed.itertuples():
        condition = f" ({row.condition})" if row.condition else ""
        rows.append([row.says + condition, measured(row), row.criterion, row.origin])
    return table(["claim", "measured", "criterion", "origin"], rows)


def revised(ledger: pd.DataFrame) -> str:
    """Criteria that are weaker than the paper's or were changed, with why, as a Markdown table."""
    changed = ledger[ledger["revised"] != ""].drop_duplicates("claim")
    rows = [[row.claim, row.criterion, row.revised] for row in changed.itertuples()]
    return table(["claim", "criterion", "why"], rows)


def table(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A Markdown table.

    Args:
        header: titles of the columns.
        rows: cells, as many as titles each.
    """
    lines = ["| " + " | ".join(header) + " |", "|---" * len(header) + "|"]
    for row in rows:
        cells = [str(cell).replace("|", "\\|") for cell in row]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)
