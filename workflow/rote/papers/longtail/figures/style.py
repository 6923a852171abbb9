"""What the paper's figures share: how test sets, architectures and weight decay are drawn."""

from collections.abc import Mapping

import pandas as pd
from matplotlib.axes import Axes

from rote.papers.longtail.architectures import ARCHITECTURES, MIXING, REFERENCE
from rote.plotting import FAINT, INK, PALETTE, Look, at_most, points

Tables = Mapping[str, pd.DataFrame]
# parts of the test distribution, in every track
FRESH = Look("fresh data, IND", PALETTE[0], "o")
PAIRS = Look(r"one-off pairs, OOD$_2$", PALETTE[3], "s")
GLYPH_PAIRS = PAIRS._replace(label="two one-off symbols")
TRAINED_SLOTS = Look("in their trained slots", PALETTE[5], "P")
DIGITS = FRESH._replace(label="fresh common digits")
ROWS = Look("one-off training rows", PALETTE[1], "D")
TRAINING = Look("all training rows", FAINT, "v")
RARE = Look("rare part of fresh data", PALETTE[4], "^")
COMMON = Look("common part of fresh data", PALETTE[2], "<")
UNSEEN = Look("unseen part of fresh data", PALETTE[7], "X")
# networks
KINDS = [name for name, network in ARCHITECTURES.items() if not network.degree]
NETWORKS = {
    name: Look(name, color, marker)
    for name, color, marker in zip(
        KINDS,
        (INK, PALETTE[2], PALETTE[9], PALETTE[1], PALETTE[5]),
        ("o", "s", "D", "v", "^"),
        strict=True,
    )
}
COMPARED = {name: NETWORKS[name] for name in (REFERENCE, MIXING)}
FLOOR = 1e-8  # a loss of labels² below this is rounding
# with and without weight decay
MEMORIZED, DECAYED = PALETTE[0], PALETTE[3]


def measured(table: pd.DataFrame, evaluation_set: str) -> pd.Series:
    """Rows whose loss was measured on one set."""
    return table["evaluation_set"] == evaluation_set


def draw_losses(ax: Axes, rows: pd.DataFrame, x: str, look: Look, **options) -> None:
    """Losses by x; where their mean is rounding, what they are at most.

    Args:
        ax: axes to draw on.
        rows: of a table with the column mse.
        x: column of the horizontal axis.
        look: of the test set.
        **options: of `points`.
    """
    mean = rows.groupby(x)["mse"].transform("mean")
    resolved = rows[(mean > FLOOR) & (rows["mse"] > FLOOR / 10)]
    points(ax, resolved, x, "mse", **look.marks(**options))
    at_most(ax, sorted(rows.loc[mean <= FLOOR, x].unique()), FLOOR, color=look.color)
    ax.set_yscale("log")
