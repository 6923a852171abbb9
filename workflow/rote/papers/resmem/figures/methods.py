"""How each method is drawn, everywhere alike."""

from typing import NamedTuple

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from rote.plotting import INK, PALETTE, legend_below, points


class MethodStyle(NamedTuple):
    """How a method is called and drawn."""

    name: str
    color: object
    marker: str
    linestyle: str = "-"


METHODS = {
    "base": MethodStyle("base", INK, "o"),
    "knn": MethodStyle("kNN alone", PALETTE[2], "s"),
    "resmem": MethodStyle("ResMem", PALETTE[0], "D"),
    "interpolation": MethodStyle("kNN-LM interpolation", PALETTE[1], "^"),
}


def draw_method(
    ax: Axes, rows: pd.DataFrame, x: str, method: str, value: str | None = None
) -> None:
    """Points of a method with their intervals.

    Args:
        ax: where.
        rows: a row per point and replicate.
        x: column of the horizontal axis.
        method: one of METHODS.
        value: column of the values; that of the method's name by default.
    """
    style = METHODS[method]
    points(ax, rows, x, value or method, color=style.color, marker=style.marker, label=style.name)


def legend(canvas: Canvas, ax: Axes, columns: int = 4) -> None:
    """One legend below all panels."""
    legend_below(canvas, columns, *ax.get_legend_handles_labels(), fontsize=7)
