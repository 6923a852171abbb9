"""The house style: colours that are colour-blind safe, type sizes, and what all figures share."""

from collections.abc import Iterator
from contextlib import contextmanager

import matplotlib as mpl
from matplotlib.colors import to_rgb

# seaborn's "colorblind", without the seconds that importing seaborn takes
_COLORBLIND = "#0173B2 #DE8F05 #029E73 #D55E00 #CC78BC #CA9161 #FBAFE4 #949494 #ECE133 #56B4E9"
PALETTE = [to_rgb(color) for color in _COLORBLIND.split()]
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


@contextmanager
def house_style() -> Iterator[None]:
    """The house style over matplotlib's defaults, whatever a user's matplotlibrc says.

    Whoever draws a figure saves it within the same context: resolution and fonts of a file are
    settings of the moment it is written.
    """
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(STYLE)
        yield
