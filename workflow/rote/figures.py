"""The house style, the primitives that the papers' figures share, and drawing a paper's figures to files.

Theory is a line, simulation a marker with its 95 % interval. Colours are colour-blind safe and mean the same thing in
every figure of a paper.
"""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd

matplotlib.use("agg")
import matplotlib.pyplot as plt
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from rote.claims import interval
from rote.errors import InputError
from rote.papers import load as load_paper
from rote.tables import atomic

log = logging.getLogger("rote")
PALETTE = sns.color_palette("colorblind")
INK, FAINT = "#222222", "#888888"
STYLE = {
    "figure.dpi": 110,
    "savefig.dpi": 200,
    "figure.constrained_layout.use": True,
    "font.size": 9,
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#666666",
    "axes.labelcolor": INK,
    "axes.grid": True,
    "grid.color": "#e6e6e6",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "lines.linewidth": 1.4,
    "lines.markersize": 4,
    "pdf.fonttype": 42,
    "svg.hashsalt": "rote",
}


@dataclass(frozen=True)
class Figure:
    """A figure of a paper: how to draw it, what it needs, and what the report says beside it."""

    draw: Callable[[Mapping[str, pd.DataFrame]], Canvas]
    tables: tuple[str, ...]
    title: str
    caption: str  # what is drawn
    paper_shows: str  # what the paper shows, in words
    origin: str  # paper, reconstruction or extension


def draw(paper: str, results: Path, out: Path, only: Iterable[str] | None = None) -> list[Path]:
    """Draw a paper's figures from `results/<table>.parquet` into `out/<figure>.png` and `.pdf`; returns the files.

    The files are byte-stable: same tables, same bytes.

    Raises:
        InputError: for an unknown figure or a missing table.
    """
    from rote.ledger import Folder

    figures: Mapping[str, Figure] = load_paper(paper, "figures").FIGURES
    names = list(only) if only else list(figures)
    for name in names:
        if name not in figures:
            raise InputError(f"{paper} has no figure {name!r}; its figures are {', '.join(figures)}")
    tables, written = Folder(results), []
    for name in names:
        missing = [table for table in figures[name].tables if table not in tables]
        if missing:
            paths = [f"{results}/{table}.parquet" for table in missing]
            raise InputError(f"figure {name} needs {', '.join(paths)}; make it: snakemake {paths[0]}")
        canvas = render(figures[name], tables)
        for suffix, metadata in ((".png", {"Software": None}), (".pdf", {"CreationDate": None, "Producer": None})):
            with atomic(out / f"{name}{suffix}") as temporary:
                canvas.savefig(temporary, format=suffix[1:], metadata=metadata)
            canvas.set_layout_engine(None)  # laid out once: the second file keeps the places
            written.append(out / f"{name}{suffix}")
        _warn_of_cut_legends(canvas, name)
        plt.close(canvas)
    return written


def _warn_of_cut_legends(canvas: Canvas, name: str) -> None:
    """Say in the log if a legend of the figure does not fit into it (tests read the log)."""
    for legend in canvas.legends:
        box = legend.get_window_extent()
        if box.x0 < 0 or box.y0 < 0 or box.x1 > canvas.bbox.x1 or box.y1 > canvas.bbox.y1:
            log.warning("figure %s: its legend is larger than the figure", name)


def render(figure: Figure, tables: Mapping[str, pd.DataFrame]) -> Canvas:
    """Draw one figure in the house style."""
    with plt.rc_context(STYLE):
        return figure.draw(tables)


# ---- primitives --------------------------------------------------------------------------------------------------


def panels(rows: int, columns: int, *, width: float = 3.1, height: float = 2.5, **options) -> tuple[Canvas, np.ndarray]:
    """A grid of axes sized per panel, (rows, columns)."""
    return plt.subplots(rows, columns, figsize=(width * columns, height * rows), squeeze=False, **options)


def legend_below(canvas: Canvas, columns: int, handles: Sequence, labels: Sequence[str], **options) -> None:
    """One legend below all panels, in `columns` or as many as the figure is wide enough for."""
    for ncols in range(columns, 0, -1):
        legend = canvas.legend(handles, labels, loc="outside lower center", ncols=ncols, **options)
        if ncols == 1 or legend.get_window_extent(canvas.canvas.get_renderer()).width <= canvas.bbox.width:
            return
        legend.remove()


def spread(frame: pd.DataFrame, by: str, value: str, resamples: int = 1999) -> pd.DataFrame:
    """Mean and 95 % interval of `value` per group, the ledger's bootstrap; columns by, mean, low, high.

    NaN rows are dropped. A group of one replicate has no interval (low = high = mean).
    """
    rows = []
    for key, group in frame.dropna(subset=[value]).groupby(by)[value]:
        mean, low, high, n = interval(group.to_numpy(), resamples=resamples)
        rows.append((key, mean, low if n > 1 else mean, high if n > 1 else mean))
    return pd.DataFrame(rows, columns=[by, "mean", "low", "high"])


def points(
    axes: Axes,
    frame: pd.DataFrame,
    x: str,
    value: str,
    *,
    label: str | None = None,
    color=None,
    marker: str = "o",
    line: bool = True,
    **options,
) -> None:
    """Replicate means at each x with 95 % intervals."""
    table = spread(frame, x, value)
    axes.errorbar(
        table[x],
        table["mean"],
        yerr=whiskers(table),
        marker=marker,
        linewidth=1.0,
        elinewidth=1.0,
        label=label,
        color=color,
        **{"linestyle": "-" if line else "none", **options},
    )


def whiskers(table: pd.DataFrame) -> np.ndarray:
    """Lengths of the intervals of `spread` below and above the mean, (2, rows), for `errorbar`."""
    return np.maximum([table["mean"] - table["low"], table["high"] - table["mean"]], 0)


def theory(axes: Axes, x: np.ndarray, y: np.ndarray, label: str | None = "theory", **options) -> None:
    """A theory curve."""
    axes.plot(x, y, **{"color": INK, "linewidth": 1.2, "linestyle": "--", "zorder": 3, "label": label, **options})


def shade(count: int) -> list:
    """`count` ordered colours, dark to light, for an ordered parameter."""
    return sns.color_palette("viridis", count + 1)[:count]


def nearest(values: pd.Series, wanted: float) -> float:
    """The value of a grid nearest to the one that the paper's figure uses."""
    grid = np.unique(values)
    return float(grid[np.abs(grid - wanted).argmin()])


def heat(
    canvas: Canvas,
    axes: Axes,
    frame: pd.DataFrame,
    x: str,
    y: str,
    value: str,
    label: str | None,
    limits: tuple[float | None, float | None] = (None, None),
) -> None:
    """A heat map of `value` over a full grid of x and y; `label` names its colour bar, None leaves it out."""
    grid = frame.pivot(index=y, columns=x, values=value)
    mesh = axes.pcolormesh(
        grid.columns,
        grid.index,
        grid,
        cmap="viridis",
        vmin=limits[0],
        vmax=limits[1],
        shading="nearest",
        rasterized=True,
    )
    axes.grid(False)
    if label:
        canvas.colorbar(mesh, ax=axes, label=label)


def log_ticks(axis: Axis) -> None:
    """Label a log axis with plain numbers: powers of ten; within a decade and a half 2 and 5; within one 3."""
    low, high = axis.get_view_interval()
    if high / low < 10:  # the locator would label every other number
        steps = [step * 10.0**power for power in range(-9, 10) for step in (1, 2, 3, 5)]
        inside = [step for step in steps if low <= step <= high]
        axis.set_major_locator(FixedLocator(inside) if len(inside) > 1 else MaxNLocator(4))
    else:
        axis.set_major_locator(LogLocator(subs=(1, 2, 5) if high / low < 60 else (1,)))
    if low >= 1e-3 and high <= 1e5:
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def categories(axis: Axis, names: Sequence[object]) -> None:
    """Name the positions 0, 1, ... of a categorical axis."""
    axis.set_ticks(range(len(names)), [str(name) for name in names])
    axis.grid(False)
