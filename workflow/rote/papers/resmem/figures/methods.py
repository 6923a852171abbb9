"""How each method is drawn, everywhere alike."""

from typing import NamedTuple

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from rote.papers.resmem import methods
from rote.plotting import INK, PALETTE, legend_below, points


class MethodStyle(NamedTuple):
    """How a method is drawn."""

    color: object
    marker: str
    linestyle: str = "-"


STYLES = {
    methods.BASE: MethodStyle(INK, "o"),
    methods.KNN: MethodStyle(PALETTE[2], "s"),
    methods.RESMEM: MethodStyle(PALETTE[0], "D"),
    methods.INTERPOLATION: MethodStyle(PALETTE[1], "^"),
    methods.NEAREST: MethodStyle(PALETTE[2], "s"),
    methods.CLIPPED: MethodStyle(PALETTE[0], "D"),
    methods.BASE_RESMEM: MethodStyle(PALETTE[0], "D"),
    methods.AWARE: MethodStyle(PALETTE[3], "o"),
    methods.AWARE_RESMEM: MethodStyle(PALETTE[3], "D", ":"),
}
TUNED = (methods.BASE, methods.KNN, methods.RESMEM, methods.INTERPOLATION)  # tuned alike


def draw_method(
    ax: Axes, rows: pd.DataFrame, x: str, method: str, value: str = "", *, line: bool = True
) -> None:
    """Points of a method with their intervals.

    Args:
        ax: where.
        rows: a row per point and replicate.
        x: column of the horizontal axis.
        method: one of STYLES.
        value: column of the values; that of the method's name by default.
        line: whether points are joined.
    """
    style = STYLES[method]
    drawn = style._asdict() | ({} if line else {"linestyle": "none"})
    points(ax, rows, x, value or method, label=methods.LABELS[method], **drawn)


def legend(canvas: Canvas, ax: Axes, columns: int = 4) -> None:
    """One legend below all panels."""
    legend_below(canvas, columns, *ax.get_legend_handles_labels(), fontsize=7)
