"""The templates of the report's pages, and what they share: figures, ledger rows, intervals."""

import ast
import math
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jinja2
import pandas as pd
from markupsafe import Markup, escape

from rote.core import runs
from rote.core.papers import Figure
from rote.ledger import by_claim, criterion, text

# bytes: a figure's tables up to this size are copied beside it, larger ones linked in results/
COPIED = 2_000_000
_TEMPLATES = jinja2.Environment(
    loader=jinja2.PackageLoader("rote.report"), autoescape=True, undefined=jinja2.StrictUndefined
)
_PACKAGE = Path(__file__).parents[1]


def render(template: str, **values: Any) -> str:
    """A template of `rote/report/templates/` as text.

    Args:
        template: its file name.
        **values: what it names; one that is missing is an error.
    """
    return _TEMPLATES.get_template(template).render(**values)


def groups(frame: pd.DataFrame) -> list[tuple[str, list]]:
    """Ledger rows by claim, each claim's worst condition first, for `ledger.html`."""
    return [(claim, list(rows.itertuples())) for claim, rows in by_claim(frame)]


def drawn(results: Path, name: str) -> list[Path]:
    """The files of a figure: its PNG, and its PDF if the run draws them.

    Args:
        results: results/<run>/<paper>.
        name: of the figure.
    """
    paths = [results / "figures" / f"{name}{suffix}" for suffix in (".pdf", ".png")]
    return [path for path in paths if path.is_file()]


def figure_block(
    paper: str, results: Path, name: str, figure: Figure, quoted: pd.DataFrame | None = None
) -> Markup:
    """A figure with its caption, its measured values, and links to data, rule, code and command.

    Args:
        paper: name of its folder.
        results: results/<run>/<paper>.
        name: of the figure.
        figure: its tables, title and captions.
        quoted: ledger rows whose values the caption quotes.

    Returns:
        HTML.

    Raises:
        InputError: for an unknown paper.
        KeyError: for a figure that the paper does not have.
        FileNotFoundError: for a table of the figure that is not in `results`.
    """
    source, line = _drawn_by(paper, name, figure)
    inside = source.is_relative_to(_PACKAGE)
    file = source.relative_to(_PACKAGE.parents[1]) if inside else source.name
    folder = runs.RESULTS / results.parent.name / paper
    values = {
        "paper": paper,
        "name": name,
        "figure": figure,
        "files": [path.name for path in drawn(results, name)],
        "tables": [
            (
                table,
                table_link(paper, results, table),
                runs.again(folder / f"{table}.parquet", force=True),
            )
            for table in figure.tables
        ],
        "again": runs.again(folder / "figures" / f"{name}.png", force=True),
        "rule": f"{paper}_draw_figures",
        "code": f"{file}:{line}",
        "quoted": [] if quoted is None else list(quoted.itertuples()),
    }
    return Markup(render("figure.html", **values))


def _drawn_by(paper: str, name: str, figure: Figure) -> tuple[Path, int]:
    """The file and line of the function that draws a figure, which is read and not imported."""
    spec = find_spec(f"rote.papers.{paper}.figures.{figure.module}")
    source = Path(spec.origin if spec and spec.origin else "").resolve()
    functions = ast.parse(source.read_text("utf-8")).body
    lines = [node.lineno for node in functions if getattr(node, "name", None) == name]
    if not lines:
        raise KeyError(f"{source} has no function {name}, which would draw the figure")
    return source, lines[0]


def table_link(paper: str, results: Path, table: str) -> str:
    """Where a page finds a figure's table: a copy beside the figure, a large one in results/.

    Args:
        paper: name of its folder.
        results: results/<run>/<paper>.
        table: its name; `<results>/<table>.parquet` must be there.

    Returns:
        A path from the page; tables above `COPIED` bytes are large.
    """
    path = results / f"{table}.parquet"
    if path.stat().st_size <= COPIED:
        return f"files/{paper}/{path.name}"
    return f"../../results/{results.parent.name}/{paper}/{path.name}"


def interval(row: Any) -> Markup:
    """A ledger row as a small picture: criterion (a band), 95 % interval, value, paper's value."""
    if pd.isna(row.value):
        return Markup("")
    low = row.low if math.isfinite(row.low) else row.value
    high = row.high if math.isfinite(row.high) else row.value
    bounds = criterion(row.criterion) if row.criterion else None
    published = _number(row.paper_value)
    marks = [low, high, row.value]
    if bounds:
        marks += filter(math.isfinite, (bounds.low, bounds.high))
    if published is not None:
        marks.append(published)
    left, right = min(marks), max(marks)
    pad = 0.12 * (right - left) or 0.5 * abs(left) or 1.0
    left -= pad
    right += pad

    def x(value: float) -> float:
        return round(4 + 152 * (min(max(value, left), right) - left) / (right - left), 1)

    parts = [
        Markup('<line x1="4" x2="156" y1="11" y2="11" stroke="currentColor" stroke-opacity=".25"/>')
    ]
    if bounds:
        begin, end = x(bounds.low), x(bounds.high)
        parts.append(
            Markup(
                '<rect x="{}" y="3" width="{}" height="16" fill="#009e73" fill-opacity=".22"/>'
            ).format(begin, round(max(end - begin, 1), 1))
        )
    parts.append(
        Markup(
            '<line x1="{}" x2="{}" y1="11" y2="11" stroke="currentColor" stroke-width="2.5"/>'
        ).format(x(low), x(high))
    )
    parts.append(
        Markup('<circle cx="{}" cy="11" r="3.6" fill="currentColor"/>').format(x(row.value))
    )
    label = text.number(row.value)
    if not pd.isna(row.low):
        label += f", interval {text.number(row.low)} to {text.number(row.high)}"
    label += f"; criterion {row.criterion}" if row.criterion else ""
    if published is not None:
        diamond = Markup(
            '<path d="M{} 4l4 7-4 7-4-7z" fill="none" stroke="#d55e00" stroke-width="1.6"/>'
        )
        parts.append(diamond.format(x(published)))
        label += f"; the paper: {text.number(published)}"
    return Markup(
        '<svg class="interval" width="160" height="22" viewBox="0 0 160 22" '
        'role="img" aria-label="{}">{}</svg>'
    ).format(label, Markup("").join(parts))


def bar(counts: dict[str, int], verdicts: tuple[str, ...]) -> Markup:
    """Verdict counts of a paper as one bar, an SVG of 200 × 16 pixels.

    Args:
        counts: number of claims by verdict.
        verdicts: all verdicts, in the order of the bar's parts.
    """
    total = max(sum(counts.values()), 1)
    rectangle = Markup('<rect class="bar-{}" x="{}" y="2" width="{}" height="12"/>')
    parts = []
    x = 0.0
    for verdict in verdicts:
        width = 200 * counts.get(verdict, 0) / total
        if width:
            kind = verdict.replace(" ", "-")
            parts.append(rectangle.format(kind, round(x, 1), round(width, 1)))
        x += width
    label = ", ".join(f"{counts[verdict]} {verdict}" for verdict in verdicts if counts.get(verdict))
    frame = Markup(
        '<svg class="bar" width="200" height="16" viewBox="0 0 200 16" '
        'preserveAspectRatio="none" role="img" aria-label="{}">{}</svg>'
    )
    return frame.format(label, Markup("").join(parts))


def _number(published: str) -> float | None:
    """The paper's value as a number, where it is one."""
    try:
        return float(published)
    except ValueError:
        return None


def _side(row: Any, side: str) -> str:
    """What one of two runs measured, from a row of `rote.report.compare.ledgers`."""
    columns = ("value", "low", "high", "unit")
    values = {name: getattr(row, f"{name}_{side}") for name in columns}
    return text.measured(SimpleNamespace(**values))


_TEMPLATES.filters |= {
    "measured": text.measured,
    "side": _side,
    "interval": interval,
    "bar": bar,
    "escape": escape,
}
