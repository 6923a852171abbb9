"""Figures: the house style, primitives that the papers share, drawing a paper's to files.

Theory is a line, simulation a marker with its 95 % interval. Colours mean the same thing in every
figure of a paper.
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
from rote.plotting.primitives import (
    categories,
    heat,
    legend_below,
    log_ticks,
    nearest,
    panels,
    points,
    shade,
    spread,
    theory,
    whiskers,
)
from rote.plotting.style import FAINT, INK, PALETTE, house_style

__all__ = [
    "FAINT",
    "INK",
    "PALETTE",
    "Canvas",
    "categories",
    "draw",
    "drawing",
    "heat",
    "house_style",
    "legend_below",
    "log_ticks",
    "nearest",
    "panels",
    "points",
    "render",
    "shade",
    "spread",
    "theory",
    "whiskers",
]
