"""How each method is drawn, everywhere alike."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from rote.plotting import INK, PALETTE, legend_below

METHODS = {
    "base": (INK, "o"),
    "knn": (PALETTE[2], "s"),
    "resmem": (PALETTE[0], "D"),
    "mix": (PALETTE[1], "^"),
}
NAMES = {"base": "base", "knn": "kNN alone", "resmem": "ResMem", "mix": "kNN-LM mix"}


def legend(canvas: Canvas, ax: Axes, columns: int = 4) -> None:
    """One legend below all panels."""
    legend_below(canvas, columns, *ax.get_legend_handles_labels(), fontsize=7)
