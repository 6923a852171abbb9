"""A figure of any grid: lines over one axis, heat maps with contours over two."""

from collections.abc import Mapping
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import MaxNLocator

from rote.core import exports
from rote.core.errors import InputError
from rote.core.tables import atomic
from rote.plotting.layout import legend_below, panels
from rote.plotting.primitives import heat, shade, theory
from rote.plotting.style import house_style

_STYLES = ("-", "--", ":", "-.")
_LINES = 8  # series that one panel can show


def save(
    path: Path, frame: pd.DataFrame, axes: list[str], values: Mapping[str, str], series: str
) -> None:
    """Draw a grid and write the figure.

    Args:
        path: ends in .png, .pdf or .svg.
        frame: one row per point and series.
        axes: columns that vary. The first is drawn along x; a second one, if it has more than
            eight values, along y.
        values: columns that are drawn, with their labels.
        series: column with the names of what is compared.

    Raises:
        InputError: for another ending, or another number of axes than one or two.
    """
    exports.of(path, exports.PICTURES, "a figure")
    if len(axes) not in (1, 2):
        raise InputError(
            f"a figure needs one or two axes that vary, given {', '.join(axes) or 'none'}"
        )
    flat = len(axes) == 1 or frame[axes[1]].nunique() <= _LINES
    with house_style():
        canvas = (_lines if flat else _maps)(frame, axes, values, series)
        with atomic(path) as temporary:
            canvas.savefig(temporary, format=path.suffix[1:].lower())
    plt.close(canvas)


def _lines(frame: pd.DataFrame, axes: list[str], values: Mapping[str, str], series: str) -> Canvas:
    """One panel per value; a color per value of the second axis, a line style per series."""
    canvas, grid = panels(1, len(values), height=2.8)
    names = list(frame[series].unique())
    groups = list(frame.groupby(axes[1:] or [series], sort=False))
    for ax, (value, label) in zip(grid[0], values.items(), strict=True):
        for ((number, *_), rows), color in zip(groups, shade(len(groups)), strict=True):
            for name, part in rows.groupby(series, sort=False):
                text = f"{name}, {axes[1]} = {number:g}" if axes[1:] else name
                style = _STYLES[names.index(name) % len(_STYLES)]
                theory(ax, part[axes[0]], part[value], label=text, color=color, linestyle=style)
        ax.set(xlabel=axes[0], ylabel=label)
        if logarithmic(frame[axes[0]]):
            ax.set_xscale("log")
    legend_below(canvas, 3)
    return canvas


def _maps(frame: pd.DataFrame, axes: list[str], values: Mapping[str, str], series: str) -> Canvas:
    """One row per series, one column per value."""
    names = list(frame[series].unique())
    canvas, grid = panels(len(names), len(values), height=2.7)
    for row, name in zip(grid, names, strict=True):
        rows = frame[frame[series] == name]
        for ax, (value, label) in zip(row, values.items(), strict=True):
            wide = rows.pivot(index=axes[1], columns=axes[0], values=value)
            heat(ax, wide, label=label)
            contours(ax, wide)
            ax.set(xlabel=axes[0], ylabel=axes[1], title=name)
            if logarithmic(frame[axes[0]]):
                ax.set_xscale("log")
            if logarithmic(frame[axes[1]]):
                ax.set_yscale("log")
    return canvas


def contours(axes: Axes, grid: pd.DataFrame, count: int = 5) -> None:
    """White lines of equal value with their numbers, over a heat map.

    Args:
        axes: that hold the map.
        grid: as of `heat`.
        count: about how many values.
    """
    finite = grid.to_numpy(float)
    finite = finite[np.isfinite(finite)]
    if min(grid.shape) < 2 or not len(finite) or np.ptp(finite) == 0:
        return
    levels = MaxNLocator(count).tick_values(finite.min(), finite.max())
    margin = 0.01 * np.ptp(finite)  # at the ends of the range lines show rounding
    levels = levels[(levels > finite.min() + margin) & (levels < finite.max() - margin)]
    lines = axes.contour(
        grid.columns, grid.index, grid, levels, colors="white", linewidths=0.7, alpha=0.8
    )
    axes.clabel(lines, fontsize=6, fmt="%.3g")


def logarithmic(values: pd.Series) -> bool:
    """Whether an axis is better drawn in the logarithm: its steps grow with its values.

    Args:
        values: numbers of the axis, repeated or not.
    """
    grid = np.unique(values)
    if len(grid) < 3 or grid[0] <= 0:
        return False
    return bool(grid[-1] / grid[0] > 20 and np.ptp(np.diff(grid)) > 0.5 * np.diff(grid).mean())
