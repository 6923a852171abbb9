"""The templates of the report's pages, and what they share: figures, ledger rows, intervals."""

import ast
import base64
import struct
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple
from urllib.parse import urlencode

import jinja2
import pandas as pd
from markupsafe import Markup

from rote.core import runs
from rote.core.papers import Figure
from rote.ledger import by_claim, text
from rote.report import pictures
from rote.report.replicates import NOTHING, Basis

# bytes: a figure's tables up to this size are copied beside it, of larger ones the size is named
COPIED = 2_000_000
# width over height from which on a figure is not shrunk to a phone's width
_WIDE = 1.5
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


class Row(NamedTuple):
    """A claim for `ledger.html`."""

    claim: str
    worst: Any  # the row of its worst condition
    conditions: list[Any]  # all its rows, the worst first
    basis: Basis
    reach: float  # of the pictures of its conditions


def ledger_rows(frame: pd.DataFrame, bases: Mapping[str, Basis]) -> list[Row]:
    """Ledger rows by claim, each claim's worst condition first, for `ledger.html`.

    Args:
        frame: the ledger.
        bases: what verdicts rest on, by claim; those of some claims may be missing.
    """
    rows = []
    for claim, conditions in by_claim(frame):
        basis = bases.get(claim, NOTHING)
        listed = list(conditions.itertuples())
        reach = pictures.reach(listed, basis.values)
        rows.append(Row(claim, listed[0], listed, basis, reach))
    return rows


def filtered(**chosen: str) -> str:
    """The address of the claims page with only some claims shown.

    Args:
        **chosen: values of its filters: paper, verdict, origin, kind, text.
    """
    return f"claims.html?{urlencode(chosen)}"


def drawn(results: Path, name: str) -> list[Path]:
    """The files of a figure: its PNG, and its PDF if the run draws them.

    Args:
        results: results/<run>/<paper>, or the copies beside a report, files/<paper>.
        name: of the figure.
    """
    paths = []
    for suffix in (".pdf", ".png"):
        places = (results / "figures" / f"{name}{suffix}", results / f"{name}{suffix}")
        paths += [path for path in places if path.is_file()][:1]
    return paths


def figure_block(
    run: str,
    results: Path,
    name: str,
    figure: Figure,
    quoted: Sequence[Any] = (),
    picture: bytes = b"",
) -> Markup:
    """A figure with its caption, its measured values, and links to data, rule, code and command.

    Args:
        run: its name, for the commands.
        results: results/<run>/<paper>, or the copies beside a report, files/<paper>.
        name: of the figure.
        figure: its tables, title and captions.
        quoted: ledger rows whose values the caption quotes.
        picture: a PNG to show; by default the file beside the page.

    Returns:
        HTML.

    Raises:
        InputError: for an unknown paper.
        KeyError: for a figure that the paper does not have.
        FileNotFoundError: for a table of the figure that is not in `results`.
    """
    paper = results.name
    source, line = _drawn_by(paper, name, figure)
    inside = source.is_relative_to(_PACKAGE)
    file = source.relative_to(_PACKAGE.parents[1]) if inside else source.name
    folder = runs.RESULTS / run / paper
    paths = drawn(results, name)
    pngs = [path.read_bytes() for path in paths if path.suffix == ".png"]
    width, height = png_size(picture or b"".join(pngs))
    values = {
        "paper": paper,
        "name": name,
        "figure": figure,
        "files": [(path.name, size(path)) for path in paths],
        "tables": [_table(results / f"{table}.parquet", folder) for table in figure.tables],
        "again": runs.again(folder / "figures" / f"{name}.png", force=True),
        "rule": f"{paper}_draw_figures",
        "code": f"{file}:{line}",
        "quoted": quoted,
        "source": embedded(picture) if picture else f"files/{paper}/{name}.png",
        "width": width,
        "height": height,
        "wide": width > _WIDE * height,
    }
    return Markup(render("figure.html", **values))


def png_size(content: bytes) -> tuple[int, int]:
    """Width and height of a PNG in pixels, from its header; zeros if it is none."""
    if content[:8] != b"\x89PNG\r\n\x1a\n" or len(content) < 24:
        return 0, 0
    return struct.unpack(">II", content[16:24])


def embedded(picture: bytes) -> str:
    """A PNG as an address that holds it."""
    return f"data:image/png;base64,{base64.b64encode(picture).decode()}"


def size(path: Path) -> str:
    """The size of a file for a reader: 12 kB or 3.4 MB."""
    n_bytes = path.stat().st_size
    return f"{n_bytes / 1e6:.1f} MB" if n_bytes >= 1e6 else f"{max(n_bytes / 1e3, 1):.0f} kB"


def _table(path: Path, folder: Path) -> dict[str, str]:
    """A figure's table: what it is called, where it is, how large, and what makes it."""
    return {
        "name": path.stem,
        "link": table_link(path),
        "file": str(folder / path.name),
        "size": size(path),
        "again": runs.again(folder / path.name, force=True),
    }


def _drawn_by(paper: str, name: str, figure: Figure) -> tuple[Path, int]:
    """The file and line of the function that draws a figure, which is read and not imported."""
    spec = find_spec(f"rote.papers.{paper}.figures.{figure.module}")
    source = Path(spec.origin if spec and spec.origin else "").resolve()
    functions = ast.parse(source.read_text("utf-8")).body
    lines = [node.lineno for node in functions if getattr(node, "name", None) == name]
    if not lines:
        raise KeyError(f"{source} has no function {name}, which would draw the figure")
    return source, lines[0]


def table_link(path: Path) -> str:
    """Where a page finds the copy of a figure's table; "" for a large one, which has no copy.

    Args:
        path: results/<run>/<paper>/<table>.parquet, which must be there; above `COPIED` bytes it
            is large.
    """
    if path.stat().st_size > COPIED:
        return ""
    return f"files/{path.parent.name}/{path.name}"


def _side(row: Any, side: str) -> str:
    """What one of two runs measured, from a row of `rote.report.compare.ledgers`."""
    columns = ("value", "low", "high", "unit")
    values = {name: getattr(row, f"{name}_{side}") for name in columns}
    return text.measured(SimpleNamespace(**values))


def _classed(verdict: str) -> Markup:
    """A verdict in its colour."""
    return Markup('<span class="{}">{}</span>').format(verdict.replace(" ", "-"), verdict)


_TEMPLATES.filters |= {
    "measured": text.measured,
    "number": text.number,
    "side": _side,
    "interval": pictures.interval,
    "bar": pictures.bar,
    "verdict": _classed,
}
_TEMPLATES.globals |= {"filtered": filtered}
