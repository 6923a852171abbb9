"""The house style: colours that are colour-blind safe, type sizes, and what all figures share."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import matplotlib as mpl
from matplotlib.colors import to_rgb

# seaborn's "colorblind", without the seconds that importing seaborn takes
_COLORBLIND = "#0173B2 #DE8F05 #029E73 #D55E00 #CC78BC #CA9161 #FBAFE4 #949494 #ECE133 #56B4E9"
PALETTE = [to_rgb(color) for color in _COLORBLIND.split()]
INK, FAINT = "#222222", "#888888"
ONE_COLUMN, TWO_COLUMNS = 3.4, 7.0  # inches: widths of figures in a journal
STYLE = {
    "figure.dpi": 110,
    "savefig.dpi": 200,
    "figure.constrained_layout.use": True,
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#666666",
    "axes.labelcolor": INK,
    "axes.grid": True,
    "grid.color": "#e6e6e6",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "legend.frameon": False,
    "legend.fontsize": 7,
    "lines.linewidth": 1.2,
    "lines.markersize": 3.5,
    "pdf.fonttype": 42,
    "svg.hashsalt": "rote",
}

# pure numbers: the label of an axis names one of them, or ends in its unit in brackets
DIMENSIONLESS = (
    "W₁",
    "accuracy",
    "angle",
    "bandwidth",
    "components",
    "coordinate",
    "copies",
    "correlation",
    "cosine",
    "count",
    "decay",
    "density",
    "dimension",
    "distance",
    "documents",
    "eigenvalue",
    "epochs",
    "error",
    "estimate",
    "exponent",
    "facts",
    "fraction",
    "gain",
    "gradient",
    "images",
    "influence",
    "input",
    "label",
    "load",
    "loss",
    "match",
    "misfit",
    "models",
    "n-gram",
    "neighbor",
    "neighbors",
    "norm",
    "number",
    "occurrences",
    "output",
    "p/n",
    "parameters",
    "penalty",
    "phrase",
    "points",
    "positions",
    "precision",
    "quarter",
    "rank",
    "ratio",
    "recall",
    "recited",
    "refit",
    "residual",
    "ridge",
    "risk",
    "rows",
    "samples",
    "score",
    "share",
    "signal",
    "slope",
    "statements",
    "step",
    "steps",
    "strength",
    "tenth",
    "theory",
    "time",
    "triple",
    "units",
    "variation",
    "width",
    "ρ",
)


class Look(NamedTuple):
    """How one thing (a method, a loss, a prior) is drawn in every figure of a paper."""

    label: str  # in words, as legends name it
    color: object
    marker: str = "o"
    line: str = "-"  # of its theory

    def marks(self, **options) -> dict:
        """Options of `points`: label, color and marker, and those given here."""
        return {"label": self.label, "color": self.color, "marker": self.marker} | options

    def curve(self, **options) -> dict:
        """Options of `theory`: label, color and line style, and those given here."""
        return {"label": self.label, "color": self.color, "linestyle": self.line} | options


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
