"""How figures are laid out: panels in the widths of journals, legends beside data, ticks."""

from collections.abc import Iterable, Sequence
from typing import Any

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import (
    FixedLocator,
    FuncFormatter,
    LogLocator,
    MaxNLocator,
    NullFormatter,
    NullLocator,
)

from rote.plotting.style import FAINT, ONE_COLUMN, TWO_COLUMNS


def panels(
    rows: int, columns: int, *, height: float = 1.9, wide: bool | None = None, **options
) -> tuple[Canvas, np.ndarray]:
    """A grid of axes, as wide as one column of a journal or two.

    Args:
        rows, columns: of the grid.
        height: of one row, inches.
        wide: whether it takes two columns (7 inches) or one (3.4); None: two, unless the grid has
            a single column.
        **options: of `matplotlib.pyplot.subplots`.

    Returns:
        The figure and its axes, (rows, columns).
    """
    width = TWO_COLUMNS if (columns > 1 if wide is None else wide) else ONE_COLUMN
    return plt.subplots(rows, columns, figsize=(width, height * rows), squeeze=False, **options)


def compared(
    rows: int, columns: int, *, height: float = 2.6, **options
) -> tuple[Canvas, np.ndarray, np.ndarray]:
    """Panels of theory and simulation, each over a strip for what is between them.

    Args:
        rows, columns: of the panels.
        height: of a panel with its strip, inches.
        **options: of `panels`.

    Returns:
        The figure, the panels and their strips, both (rows, columns). A strip has the x axis of
        its panel and bears its label; see `rote.plotting.residuals`.
    """
    ratios = [3, 1.1] * rows
    canvas, axes = panels(2 * rows, columns, height=height / 2, height_ratios=ratios, **options)
    upper, lower = axes[::2], axes[1::2]
    for panel, strip in zip(upper.flat, lower.flat, strict=True):
        strip.sharex(panel)
        panel.tick_params(labelbottom=False)
    return canvas, upper, lower


def explained(axes: Iterable[Axes]) -> tuple[list, list[str]]:
    """Handles and labels of several axes, each label once.

    Args:
        axes: of one figure.
    """
    by_label: dict[str, object] = {}
    for ax in axes:
        for handle, label in zip(*ax.get_legend_handles_labels(), strict=True):
            by_label.setdefault(label, handle)
    return list(by_label.values()), list(by_label)


def legend_below(
    canvas: Canvas,
    columns: int = 6,
    handles: Sequence | None = None,
    labels: Sequence[str] = (),
    **options,
) -> None:
    """One legend below all panels, in `columns` or as many as the figure is wide enough for.

    Args:
        canvas: the figure.
        columns: most columns of the legend.
        handles: what is explained, as matplotlib's artists; None: what has a label, once.
        labels: one per handle.
        **options: of `Figure.legend`.
    """
    if handles is None:
        handles, labels = explained(canvas.axes)
    for ncols in range(min(columns, max(len(handles), 1)), 0, -1):
        legend = canvas.legend(handles, labels, loc="outside lower center", ncols=ncols, **options)
        if ncols == 1 or legend.get_window_extent().width <= canvas.bbox.width:
            return
        legend.remove()


def label_ends(axes: Axes, *, fontsize: float = 7.0) -> None:
    """Name every series at the right end of its line, in its colour, instead of in a legend.

    Args:
        axes: whose scales and limits are set already.
        fontsize: of the names.
    """
    ends = []
    line: Any  # a line, by either way of drawing it
    for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
        line = handle[0] if isinstance(handle, ErrorbarContainer) else handle
        data = np.column_stack([line.get_xdata(), line.get_ydata()]).astype(float)
        data = data[np.isfinite(data).all(1)]
        if len(data):
            last = axes.transData.transform(data[data[:, 0].argmax()])
            ends.append((axes.transAxes.inverted().transform(last)[1], label, line.get_color()))
    ends.sort(key=lambda end: end[0])
    tall = axes.get_window_extent().height / axes.figure.dpi  # inches
    heights = _apart([end[0] for end in ends], 1.2 * fontsize / 72 / tall)
    for height, (_, label, color) in zip(heights, ends, strict=True):
        axes.annotate(
            label,
            (1.02, height),
            xycoords="axes fraction",
            va="center",
            color=color,
            fontsize=fontsize,
            annotation_clip=False,
        )


def _apart(heights: list[float], gap: float) -> list[float]:
    """Ascending heights, moved as little as needed to be `gap` apart."""
    moved = np.array(heights)
    for _ in range(200):
        short = gap - np.diff(moved)
        if not (short > 1e-9).any():
            break
        for number in np.flatnonzero(short > 1e-9):
            push = max(gap - (moved[number + 1] - moved[number]), 0) / 2
            moved[number] -= push
            moved[number + 1] += push
    return moved.tolist()


def named(axes: Axes, x: float, name: str) -> None:
    """A thin vertical line with its name above the panel.

    Args:
        axes: to draw on; without a title.
        x: its place.
        name: what is there.
    """
    axes.axvline(x, color=FAINT, linewidth=0.8)
    axes.annotate(
        name,
        (x, 1),
        xycoords=("data", "axes fraction"),
        va="bottom",
        ha="center",
        fontsize=6.5,
        color=FAINT,
    )


def measured_ticks(axis: Axis, values: Sequence, numbers: int = 6) -> None:
    """Ticks where something was measured, in plain numbers.

    Args:
        axis: of any scale, which is set before.
        values: the places, repeated or not.
        numbers: if there are more places, every second (third, ...) has a number; so has none that
            would touch the one before it.
    """
    places = np.unique(np.asarray(values, float))
    named_ones = _readable(axis, places[:: -(-len(places) // numbers)])
    axis.set_major_locator(FixedLocator(named_ones.tolist()))
    axis.set_minor_locator(
        FixedLocator(places.tolist()) if len(places) > numbers else NullLocator()
    )
    axis.set_major_formatter(FuncFormatter(lambda value, _: plain(value)))
    axis.set_minor_formatter(NullFormatter())


def _readable(axis: Axis, places: np.ndarray, nearest: float = 0.08) -> np.ndarray:
    """Places that are at least this share of their range from the one before them."""
    at = axis.get_transform().transform(places)
    chosen = [0]
    for number in range(1, len(places)):
        if at[number] - at[chosen[-1]] >= nearest * (at[-1] - at[0]):
            chosen.append(number)
    return places[chosen] if len(places) else places


def plain(value: float) -> str:
    """A number as ticks show it: 250, 1k, 16k, 1.5M.

    Args:
        value: the number.
    """
    for size, suffix in ((1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.3g}{suffix}"
    return f"{value:.3g}".replace("-", "−")


def log_ticks(axis: Axis) -> None:
    """Label a log axis with plain numbers.

    Ticks are powers of ten; on axes that span less than a factor of 60 also 2 and 5 times these, on
    those of less than 10 also 3 times. Axes that go below 1e-3 or above 1e5 stay with the labels of
    matplotlib.

    Args:
        axis: log axis of a panel whose data or limits are set already.
    """
    low, high = axis.get_view_interval()
    if high / low < 10:  # the locator would label every other number
        steps = np.outer(10.0 ** np.arange(-9, 10), [1, 2, 3, 5]).ravel()
        inside = steps[(low <= steps) & (steps <= high)].tolist()
        axis.set_major_locator(FixedLocator(inside) if len(inside) > 1 else MaxNLocator(4))
    else:
        axis.set_major_locator(LogLocator(subs=(1, 2, 5) if high / low < 60 else (1,)))
    if low >= 1e-3 and high <= 1e5:
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def categories(axis: Axis, names: Sequence[object]) -> None:
    """Name the positions 0, 1, ... of a categorical axis, and take away its grid.

    Args:
        axis: x or y axis of a panel.
        names: one per position.
    """
    axis.set_ticks(range(len(names)), [str(name) for name in names])
    axis.grid(False)
