"""Drawing the figures of a paper from its tables, to files or for a notebook."""

import logging
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure as Canvas

from rote.core import runs
from rote.core.errors import InputError
from rote.core.papers import Figure
from rote.core.papers import load as load_paper
from rote.core.section import nearest
from rote.core.tables import Folder, atomic
from rote.plotting.style import house_style

log = logging.getLogger("rote")
# of each file, without what differs between two drawings of one figure
_METADATA: dict[str, dict[str, None]] = {
    ".png": {"Software": None},
    ".pdf": {"CreationDate": None, "Producer": None},
}


def draw(
    paper: str, results: Path, out: Path, only: Iterable[str] | None = None, *, pdf: bool = True
) -> list[Path]:
    """Draw a paper's figures from `results/<table>.parquet` into `out/<figure>.png`, and `.pdf`.

    The files are byte-stable: same tables, same bytes.

    Args:
        paper: name of its folder.
        results: results/<run>/<paper>.
        out: folder of the figures; made if it is missing.
        only: names of figures; None or none of them draws all.
        pdf: write a PDF of each, too.

    Returns:
        The files that were written.

    Raises:
        InputError: for an unknown paper or figure, or a missing table.
    """
    figures: Mapping[str, Figure] = load_paper(paper, "figures").FIGURES
    names = list(only) if only else list(figures)
    for name in names:
        if name not in figures:
            raise InputError(
                f"{paper} has no figure {name!r}; {nearest(name, figures)}"
                f"its figures are {', '.join(figures)}"
            )
    tables, written = Folder(results), []
    for name in names:
        missing = [table for table in figures[name].tables if table not in tables]
        if missing:
            paths = [f"{results}/{table}.parquet" for table in missing]
            raise InputError(
                f"figure {name} needs {', '.join(paths)}; make it: {runs.again(paths[0])}"
            )
        with house_style():
            canvas = drawing(paper, name)(tables)
            written += _saved(canvas, out / name, _METADATA if pdf else [".png"])
        _warn_of_cut_legends(canvas, name)
        plt.close(canvas)
    return written


def _saved(canvas: Canvas, path: Path, suffixes: Iterable[str]) -> list[Path]:
    """The files of a figure, by its path without an ending."""
    _lay_out(canvas)  # once: the second file has the same places
    written = []
    for suffix in suffixes:
        with atomic(path.with_name(path.name + suffix)) as temporary:
            canvas.savefig(temporary, format=suffix[1:], metadata=_METADATA[suffix])
        written.append(path.with_name(path.name + suffix))
    return written


def _lay_out(canvas: Canvas) -> None:
    """Give all of a figure its place, which it keeps: else `savefig` draws it twice."""
    if engine := canvas.get_layout_engine():
        before = canvas.dpi
        canvas.set_dpi(matplotlib.rcParams["savefig.dpi"])
        engine.execute(canvas)
        canvas.set_layout_engine("none")
        canvas.set_dpi(before)


def _warn_of_cut_legends(canvas: Canvas, name: str) -> None:
    """Say in the log if a legend of the figure does not fit into it (tests read the log)."""
    for legend in canvas.legends:
        box = legend.get_window_extent()
        if box.x0 < 0 or box.y0 < 0 or box.x1 > canvas.bbox.x1 or box.y1 > canvas.bbox.y1:
            log.warning("figure %s: its legend is larger than the figure", name)


def drawing(paper: str, name: str) -> Callable[[Mapping[str, pd.DataFrame]], Canvas]:
    """The function that draws a figure: it bears the figure's name, in the figure's module.

    Args:
        paper: name of its folder.
        name: of one of its `FIGURES`.

    Returns:
        From the tables by name to the figure.

    Raises:
        InputError: for an unknown paper.
        KeyError: for a figure that the paper does not have.
    """
    figures: Mapping[str, Figure] = load_paper(paper, "figures").FIGURES
    return getattr(load_paper(paper, f"figures.{figures[name].module}"), name)


def render(paper: str, name: str, tables: Mapping[str, pd.DataFrame]) -> Canvas:
    """Draw one figure in the house style.

    Args:
        paper: name of its folder.
        name: of one of its `FIGURES`.
        tables: by name, e.g. a `rote.core.tables.Folder`.

    Returns:
        The figure, open in pyplot.

    Raises:
        InputError: for an unknown paper.
        KeyError: for a figure that the paper does not have, or a table that is not there.
    """
    with house_style():
        return drawing(paper, name)(tables)
