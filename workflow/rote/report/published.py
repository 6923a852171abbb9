"""The published ledger: kept in the repository, and the only source of numbers in README and docs.

Text between `<!--rote ...-->` and `<!--/-->` is written by `fill`, from what the first marker asks:

    <!--rote chain.pruned_gain [load 2] value-->0.137<!--/-->    a claim, its condition, a field
    <!--rote counts origin-->...<!--/-->                         verdicts by origin, kind or paper

Without a condition the worst one is meant. Fields of a claim are those of `FIELDS`; whole tables
are those of `TABLES`.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from rote import ledger
from rote.core import tables
from rote.core.errors import InputError
from rote.core.papers import about
from rote.core.papers import names as paper_names
from rote.ledger import coverage, text
from rote.ledger.ledger import read as run_ledger
from rote.ledger.text import measured, number
from rote.report import evidence

FOLDER = Path("docs/published")
QUOTED = "ledger"
# how CSV writes a number that there is none of
_MISSING = {name: [""] for name in ("value", "low", "high", "margin", "p")}
_MARKER = re.compile(r"(<!--rote ([^>]*?)-->)(.*?)(<!--/-->)", re.S)
_CLAIM = re.compile(r"([a-z0-9_]+\.[a-z0-9_]+)(?: \[(.*)\])? (\w+)")

FIELDS: dict[str, Callable[[Any], str]] = {
    "value": lambda row: number(row.value),
    "percent": lambda row: f"{100 * row.value:.0f} %",
    "points": lambda row: f"{100 * row.value:.1f} points",
    "measured": measured,
    "interval": lambda row: f"{number(row.low)} to {number(row.high)}",
    "verdict": lambda row: row.verdict,
    "criterion": lambda row: row.criterion,
    "replicates": lambda row: str(row.replicates),
    "paper": lambda row: row.paper_value,
}


def keep(path: Path, name: str, root: Path = Path(".")) -> Path:
    """Write a run's ledger as CSV to docs/published/, where text quotes it from.

    Args:
        path: results/<run>/claims.parquet.
        name: of the file, without suffix; `ledger` is the one that is quoted.
        root: of the repository.

    Raises:
        InputError: if the run has no whole ledger, the name is none for a file, or `root` is no
            repository.
    """
    _require_repository(root)
    if not re.fullmatch(r"[\w.-]+", name):
        raise InputError(f"name: {name!r} is no name for a file; use letters, digits, -, _ and .")
    frame = run_ledger(path)
    out = root / FOLDER / f"{name}.csv"
    with tables.atomic(out) as temporary:
        frame.to_csv(temporary, index=False, float_format="%.6g")
    return out


def read(path: Path) -> pd.DataFrame:
    """A ledger, of a run (.parquet) or kept (.csv).

    Raises:
        InputError: naming the file, if it is no ledger.
    """
    if path.suffix != ".csv":
        return run_ledger(path)
    if not path.is_file():
        raise InputError(f"ledger {path} does not exist; `rote claims publish` writes it")
    frame = pd.read_csv(
        path,
        dtype=dict.fromkeys(_texts(), str),
        keep_default_na=False,
        na_values=_MISSING,
    )
    if missing := [name for name in ledger.Ledger.model_fields if name not in frame]:
        raise InputError(f"{path} is no ledger of this version: it lacks {', '.join(missing)}")
    return frame


def _texts() -> Iterator[str]:
    """Columns of a ledger that hold text."""
    for name, field in ledger.Ledger.model_fields.items():
        if field.annotation is str:
            yield name


def fill(root: Path = Path(".")) -> list[Path]:
    """Write the numbers of the published ledger into README and docs.

    Args:
        root: of the repository.

    Returns:
        The files whose text changed.

    Raises:
        InputError: for a marker that asks for what the ledger does not have, naming the file, or a
            `root` that is no repository.
    """
    _require_repository(root)
    changed = []
    for path in [root / "README.md", *sorted((root / "docs").glob("*.md"))]:
        old = path.read_text("utf-8")
        new = filled(old, root, str(path))
        if new != old:
            with tables.atomic(path) as temporary:
                temporary.write_text(new, "utf-8")
            changed.append(path)
    return changed


def _require_repository(root: Path) -> None:
    """Raise InputError unless a folder has the text that quotes the ledger."""
    if not (root / "README.md").is_file() or not (root / "docs").is_dir():
        raise InputError(
            f"root {root}: no README.md and docs/ are there; name the root of a repository of rote"
        )


def filled(markdown: str, root: Path, where: str) -> str:
    """Text with what its markers ask for.

    Args:
        markdown: with markers.
        root: of the repository.
        where: the file's name, for errors.

    Raises:
        InputError: for a marker that cannot be answered.
    """

    def answer(match: re.Match) -> str:
        try:
            return f"{match[1]}{_answer(match[2].strip(), root)}{match[4]}"
        except InputError as error:
            raise InputError(f"{where}: marker {match[2]!r}: {error}") from error

    if markdown.count("<!--rote ") != len(_MARKER.findall(markdown)):
        raise InputError(f"{where}: a marker is not closed by <!--/-->")
    return _MARKER.sub(answer, markdown)


def _answer(request: str, root: Path) -> str:
    frame = read(root / FOLDER / f"{QUOTED}.csv")
    if request in TABLES:
        return f"\n{TABLES[request](frame, root)}\n"
    match = _CLAIM.fullmatch(request)
    if not match:
        raise InputError(f"write '<claim> [<condition>] <field>' or one of {', '.join(TABLES)}")
    return FIELDS[_known(match[3], FIELDS, "field")](_row(frame, match[1], match[2]))


def _row(frame: pd.DataFrame, claim: str, condition: str | None) -> Any:
    """The ledger row of a claim, of its worst condition if none is given."""
    rows = frame[frame["claim"] == _known(claim, frame["claim"].unique(), "claim")]
    if condition is None:
        rows = ledger.summary(rows)
    else:
        known = _known(condition, rows["condition"].unique(), "condition")
        rows = rows[rows["condition"] == known]
    return next(rows.itertuples())


def _known(name: str, names: Any, role: str) -> str:
    if name not in names:
        raise InputError(f"no {role} {name!r}; there are {', '.join(map(str, names))[:400]}")
    return name


def _stability(frame: pd.DataFrame, root: Path) -> str:
    others = sorted((root / FOLDER).glob("seed-*.csv"))
    if not others:
        return "Runs with other seeds are not kept here."
    names = [QUOTED, *(path.stem for path in others)]
    moves = evidence.stability([frame, *(read(path) for path in others)], names)
    lines = [evidence.stability_sentence(moves)]
    moved = moves[moves["move"] != evidence.MOVES[0]]
    if len(moved):
        lines += ["", "| claim | kind | verdicts |", "|---|---|---|"]
    for row in moved.itertuples():
        lines.append(f"| {row.claim} | {row.kind} | {row.verdicts} |")
    return "\n".join(lines)


def _changed(frame: pd.DataFrame, root: Path) -> str:
    """How the claims of the repository differ from those of the ledger: by other criteria or words,
    added or withdrawn since."""
    judged = frame.drop_duplicates("claim").set_index("claim")
    entries = _entries(judged["paper"].unique(), root)
    both = [judged.loc[name] for name in judged.index.intersection(list(entries))]
    counts = {
        "judged by other criteria now": sum(
            row.criterion not in ("", *_criteria(entries[row.name])) for row in both
        ),
        "worded anew": sum(row.says != entries[row.name].says for row in both),
        "added": len(entries.keys() - set(judged.index)),
        "withdrawn": len(set(judged.index) - entries.keys()),
    }
    changes = [f"{count} {what}" for what, count in counts.items() if count]
    if not changes:
        return "That run was judged by the claims and criteria that the repository has."
    listed = ", ".join(changes)
    return f"Since that run claims have changed: {listed}. Its rows here are as it left them."


def _entries(papers: Iterable[str], root: Path) -> dict[str, ledger.Claim]:
    """The claims that the repository has of these papers."""
    entries = {}
    for paper in papers:
        listed = ledger.load(root / "workflow/claims" / f"{paper}.yaml")
        entries |= {entry.id: entry for entry in listed}
    return entries


def _criteria(entry: ledger.Claim) -> list[str]:
    return [entry.criterion_at(scale) for scale in entry.scales]


def _coverage(frame: pd.DataFrame, root: Path) -> str:
    return coverage.markdown(pd.read_csv(root / FOLDER / "coverage.csv"))


def _findings(frame: pd.DataFrame, root: Path) -> str:
    """A line per paper: one of its claims, what was measured, and a bar of all verdicts."""
    claims = ledger.summary(frame)
    rows = []
    for paper in paper_names():
        of_paper = claims[claims["paper"] == paper]
        if about(paper).leads or of_paper.empty:
            continue
        row = _finding(of_paper, about(paper).finding)
        number_of = f"{text.bar(of_paper)} {(of_paper['verdict'] == 'reproduced').sum()}"
        title = f"[{about(paper).short}](docs/paper-{paper}.md)"
        says = f"{row.says} ({row.verdict})"
        rows.append([title, says, measured(row), f"{number_of} of {len(of_paper)}"])
    return text.table(["paper", "a claim of it", "measured", "all claims"], rows)


def _finding(claims: pd.DataFrame, name: str) -> Any:
    """The claim of this name, or else the first that is reproduced, or the first."""
    for chosen in (claims["claim"] == name, claims["verdict"] == "reproduced"):
        if chosen.any():
            return next(claims[chosen].itertuples())
    return next(claims.itertuples())


def _verdicts(paper: str) -> Callable[[pd.DataFrame, Path], str]:
    """What holds of a paper, and what does not."""

    def answer(frame: pd.DataFrame, root: Path) -> str:
        claims = ledger.summary(frame[frame["paper"] == paper])
        if claims.empty:
            return "The kept run has no claim of this paper."
        numbers = claims["verdict"].value_counts().to_dict()
        listed = ", ".join(f"{count} {verdict}" for verdict, count in numbers.items())
        lines = [f"{text.bar(claims)} {len(claims)} claims: {listed}."]
        if (claims["verdict"] == "contradicted").any():
            lines += [
                "",
                "What does not hold:",
                "",
                text.contradicted(frame[frame["paper"] == paper]),
            ]
        return "\n".join(lines)

    return answer


TABLES: dict[str, Callable[[pd.DataFrame, Path], str]] = {
    "headline": lambda frame, root: text.headline(frame),
    "counts origin": lambda frame, root: text.counts(frame, "origin"),
    "counts kind": lambda frame, root: text.counts(frame, "kind"),
    "counts paper": lambda frame, root: text.counts(frame, "paper"),
    "claims": lambda frame, root: text.claims(frame),
    "contradicted": lambda frame, root: text.contradicted(frame),
    "revised": lambda frame, root: text.revised(frame),
    "chance": lambda frame, root: text.chance(frame),
    "changed": _changed,
    "findings": _findings,
    **{f"verdicts {paper}": _verdicts(paper) for paper in paper_names()},
    "stability": _stability,
    "coverage": _coverage,
}
