"""How each method is drawn, everywhere alike."""

import pandas as pd
from matplotlib.axes import Axes

from rote.papers.resmem import methods, tasks
from rote.plotting import FAINT, INK, PALETTE, Look, points

STYLES = {
    name: Look(methods.LABELS[name], color, marker)
    for name, color, marker in (
        (methods.BASE, INK, "o"),
        (methods.KNN, PALETTE[2], "s"),
        (methods.RESMEM, PALETTE[0], "D"),
        (methods.INTERPOLATION, PALETTE[1], "^"),
        (methods.NEAREST, PALETTE[2], "s"),
        (methods.CLIPPED, PALETTE[0], "D"),
        (methods.BASE_RESMEM, PALETTE[0], "D"),
        (methods.AWARE, PALETTE[3], "o"),
        (methods.AWARE_RESMEM, PALETTE[3], "D"),
    )
}
TUNED = (methods.BASE, methods.KNN, methods.RESMEM, methods.INTERPOLATION)  # tuned alike
# rows that a memory holds
ROWS = {
    "unseen rows": Look("rows that the base never saw", PALETTE[4], "P"),
    "training rows": Look("training rows", PALETTE[5], "X"),
    "largest residuals": Look("rows of the largest residuals", PALETTE[9], "v"),
    "random rows": Look("random training rows", FAINT, "<"),
}


def draw_method(
    ax: Axes, rows: pd.DataFrame, x: str, method: str, value: str = "", **options
) -> None:
    """Points of a method with their intervals.

    Args:
        ax: where.
        rows: a row per point and replicate.
        x: column of the horizontal axis.
        method: one of STYLES.
        value: column of the values; that of the method's name by default.
        **options: of `rote.plotting.points`.
    """
    points(ax, rows, x, value or method, **STYLES[method].marks(**options))


def task_title(name: str) -> str:
    """A task in words."""
    task = tasks.registry().get(name)
    return task.title if task else name
