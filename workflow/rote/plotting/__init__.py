"""Figures: the house style, primitives that the papers share, drawing a paper's to files.

Theory is a line, simulation a marker with its 95 % interval and, where there are at most ten, its
replicates as dots. A colour and a marker mean the same thing in every figure of a paper (`Look`).
Figures are 3.4 or 7 inches wide, for one column of a journal or two; nothing but theory is a line
through places that were not measured, and no legend lies over data.
"""

from rote.core import extras
from rote.core.errors import InputError
from rote.core.files import first_line

extras.require("rote.plotting")
try:
    import matplotlib  # noqa: F401
except (ValueError, OSError) as error:  # also of encodings
    raise InputError(
        f"matplotlib does not start ({first_line(error)}); mend or remove the file matplotlibrc of "
        "this folder or of your home, and unset MPLBACKEND"
    ) from error

from rote.plotting.figures import Canvas, draw, drawing, render
from rote.plotting.layout import (
    categories,
    compared,
    explained,
    label_ends,
    legend_below,
    log_ticks,
    measured_ticks,
    named,
    panels,
    plain,
)
from rote.plotting.primitives import (
    at_most,
    at_row,
    beside,
    heat,
    nearest,
    points,
    residuals,
    shade,
    spread,
    theory,
    whiskers,
)
from rote.plotting.style import FAINT, INK, PALETTE, Look, house_style

__all__ = [
    "FAINT",
    "INK",
    "PALETTE",
    "Canvas",
    "Look",
    "at_most",
    "at_row",
    "beside",
    "categories",
    "compared",
    "draw",
    "drawing",
    "explained",
    "heat",
    "house_style",
    "label_ends",
    "legend_below",
    "log_ticks",
    "measured_ticks",
    "named",
    "nearest",
    "panels",
    "plain",
    "points",
    "render",
    "residuals",
    "shade",
    "spread",
    "theory",
    "whiskers",
]
