"""What figures draw: points with intervals and replicates, theory, residuals, heat maps."""

from collections.abc import Sequence
from typing import Any

import matplotlib

matplotlib.use("agg")
import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import ScaledTranslation

from rote.ledger.intervals import interval
from rote.plotting.style import INK

MOST_DOTS = 10  # replicates at one place that are drawn as dots, too
FEWEST_JOINED = 6  # places that a line may join: between fewer of them nothing was measured


def spread(frame: pd.DataFrame, by: str, value: str) -> pd.DataFrame:
    """Mean and 95 % interval (Student's t) of `value` per group.

    Args:
        frame: long table; rows where `value` is NaN are dropped.
        by: column that groups.
        value: column that is averaged.

    Returns:
        Columns by, mean, low, high. Where replicates leave no interval,
        low = high = mean.
    """
    rows = []
    for key, group in frame.dropna(subset=[value]).groupby(by)[value]:
        estimate = interval(group.to_numpy())
        bare = bool(estimate.reason)
        rows.append(
            {
                by: key,
                "mean": estimate.value,
                "low": estimate.value if bare else estimate.low,
                "high": estimate.value if bare else estimate.high,
            }
        )
    return pd.DataFrame(rows, columns=[by, "mean", "low", "high"])


def points(
    axes: Axes,
    frame: pd.DataFrame,
    x: str,
    value: str,
    *,
    line: bool | str = False,
    shift: float = 0.0,
    **options,
) -> None:
    """Replicate means at each x with 95 % intervals, over the replicates where they are few.

    At most ten replicates at a place are drawn as dots.

    Args:
        axes: to draw on.
        frame: long table, one row per replicate.
        x: column of the places.
        value: column that is averaged, see `spread`.
        line: join the means faintly, as a guide for the eye, in this style; between fewer than six
            places nothing is joined.
        shift: to the right, 1/72 inch, on axes of any scale, so that series do not hide each other;
            see `beside`.
        **options: of `Axes.errorbar`: label, color, marker and so on.
    """
    table = spread(frame, x, value)
    moved = axes.transData
    if shift:
        moved = moved + ScaledTranslation(shift / 72, 0, axes.figure.dpi_scale_trans)
    look: dict[str, Any] = {"marker": "o", "color": INK} | options
    drawn: list[Artist] = []
    single = frame.dropna(subset=[value])
    of_place = single.groupby(x)[value].size()
    if 1 < of_place.max() <= MOST_DOTS:
        dots = {"color": look["color"], "alpha": 0.35, "markersize": 1.8, "markeredgewidth": 0}
        drawn += axes.plot(single[x], single[value], "o", zorder=1.5, **dots)
    if line and len(table) >= FEWEST_JOINED:
        guide = {"color": look["color"], "linewidth": 0.7, "alpha": 0.5, "zorder": 1.4}
        guide["linestyle"] = "-" if line is True else line
        drawn += axes.plot(table[x], table["mean"], **guide)
    look = {"linestyle": "none", "elinewidth": 0.9, **look}
    mean, caps, bars = axes.errorbar(table[x], table["mean"], yerr=whiskers(table), **look)
    drawn += [mean, *caps, *bars]
    for artist in drawn:  # after all have set the limits of the axes, in data
        artist.set_transform(moved)


def at_row(axes: Axes, values: Sequence[float], row: float, **options) -> None:
    """Replicates, their mean and 95 % interval along a row; at most ten are drawn as dots.

    Args:
        axes: to draw on.
        values: one per replicate; NaN is dropped.
        row: its height.
        **options: of `Axes.errorbar`: label, color, marker.
    """
    column = pd.Series(values, dtype=float).dropna()
    table = spread(pd.DataFrame({"row": row, "value": column}), "row", "value")
    look: dict[str, Any] = {"marker": "o", "color": INK, "linestyle": "none"}
    look |= {"elinewidth": 0.9} | options
    if 1 < len(column) <= MOST_DOTS:
        dots: dict[str, Any] = {"color": look["color"], "alpha": 0.4, "markersize": 2}
        dots |= {"markeredgewidth": 0}
        axes.plot(column, np.full(len(column), row), "o", zorder=1.5, **dots)
    axes.errorbar(table["mean"], table["row"], xerr=whiskers(table), **look)


def beside(count: int, step: float = 4.0) -> list[float]:
    """Shifts of `count` series around their common place, 1/72 inch; see `points`.

    Args:
        count: of the series.
        step: between neighbors, 1/72 inch.
    """
    return [step * (number - (count - 1) / 2) for number in range(count)]


def residuals(
    axes: Axes,
    frame: pd.DataFrame,
    x: str,
    value: str,
    predicted: str,
    *,
    relative: bool = False,
    **options,
) -> None:
    """Simulation minus theory with its interval, around a line at zero.

    Args:
        axes: to draw on, below the panel with both; see `compared`.
        frame: long table, one row per replicate.
        x: column of the places.
        value, predicted: columns with what was simulated and what theory says.
        relative: in percent of what theory says.
        **options: of `points`; the label is left out.
    """
    off = frame[value] - frame[predicted]
    if relative:
        off = 100 * off / frame[predicted]
    if not axes.lines:
        axes.axhline(0, color=INK, linewidth=0.8)
        axes.set_ylabel("off theory\n(%)" if relative else "sim. −\ntheory", fontsize=7)
        axes.yaxis.set_major_locator(MaxNLocator(3, symmetric=True))
    points(axes, frame.assign(off=off), x, "off", **(options | {"label": None}))


def at_most(axes: Axes, x: Sequence, floor: float, **options) -> None:
    """Values that lie at or below what can be resolved: arrows down, and "≤ floor" beside them.

    Args:
        axes: to draw on.
        x: places of these values.
        floor: what is resolved, on the y axis.
        **options: of `Axes.plot`: label, color.
    """
    if not len(x):
        return
    style: dict[str, Any] = {"marker": r"$\downarrow$", "linestyle": "none", "markersize": 6}
    style |= options
    axes.plot(x, np.full(len(x), floor), **style)
    axes.annotate(
        f"≤ {floor:g}",
        (max(x), floor),
        xytext=(4, 0),
        textcoords="offset points",
        fontsize=6.5,
        color=options.get("color", INK),
        va="center",
    )


def whiskers(table: pd.DataFrame) -> np.ndarray:
    """Lengths of the intervals of `spread` below and above the mean, (2, rows), for `errorbar`."""
    return np.maximum([table["mean"] - table["low"], table["high"] - table["mean"]], 0)


def theory(
    axes: Axes, x: np.ndarray, y: np.ndarray, label: str | None = "theory", **options
) -> None:
    """A theory curve: dashed, over the points.

    Args:
        axes: to draw on.
        x, y: (points,) of the curve.
        label: for the legend; None leaves it out.
        **options: of `Axes.plot`.
    """
    axes.plot(
        x,
        y,
        **{
            "color": INK,
            "linewidth": 1.2,
            "linestyle": "--",
            "zorder": 3,
            "label": label,
            **options,
        },
    )


def shade(count: int) -> list:
    """`count` ordered colours, dark to light, for an ordered parameter."""
    colormap = matplotlib.colormaps["viridis"]
    return [colormap(number / (count + 2))[:3] for number in range(1, count + 1)]


def nearest(values: pd.Series, target: float) -> float:
    """The value of a grid nearest to the one that the paper's figure uses.

    Args:
        values: column with the grid's values, repeated or not.
        target: the value of the paper's figure.
    """
    grid = np.unique(values)
    return float(grid[np.abs(grid - target).argmin()])


def heat(
    axes: Axes,
    grid: pd.DataFrame,
    *,
    label: str | None = None,
    limits: tuple[float | None, float | None] = (None, None),
) -> None:
    """A heat map of a full grid.

    Args:
        axes: to draw on; a color bar goes beside them.
        grid: what is drawn: columns along x, index along y, as of `DataFrame.pivot`.
        label: of the color bar; None leaves it out.
        limits: of the color scale; None takes those of the data.
    """
    mesh = axes.pcolormesh(
        grid.columns,
        grid.index,
        grid,
        cmap="viridis",
        vmin=limits[0],
        vmax=limits[1],
        shading="nearest",
        rasterized=True,
    )
    axes.grid(False)
    if label:
        axes.figure.colorbar(mesh, ax=axes, label=label)
