"""What the papers' figures share: panels, points with intervals, theory lines, heat maps, axes."""

from collections.abc import Sequence

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from rote.ledger.intervals import interval
from rote.plotting.style import INK


def panels(
    rows: int, columns: int, *, width: float = 3.1, height: float = 2.5, **options
) -> tuple[Canvas, np.ndarray]:
    """A grid of axes sized per panel.

    Args:
        rows, columns: of the grid.
        width, height: of one panel, inches.
        **options: of `matplotlib.pyplot.subplots`.

    Returns:
        The figure and its axes, (rows, columns).
    """
    return plt.subplots(
        rows, columns, figsize=(width * columns, height * rows), squeeze=False, **options
    )


def legend_below(
    canvas: Canvas, columns: int, handles: Sequence, labels: Sequence[str], **options
) -> None:
    """One legend below all panels, in `columns` or as many as the figure is wide enough for.

    Args:
        canvas: the figure.
        columns: most columns of the legend.
        handles: what is explained, as matplotlib's artists.
        labels: one per handle.
        **options: of `Figure.legend`.
    """
    for ncols in range(columns, 0, -1):
        legend = canvas.legend(handles, labels, loc="outside lower center", ncols=ncols, **options)
        if ncols == 1 or legend.get_window_extent().width <= canvas.bbox.width:
            return
        legend.remove()


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
    line: bool = True,
    **options,
) -> None:
    """Replicate means at each x with 95 % intervals.

    Args:
        axes: to draw on.
        frame: long table, one row per replicate.
        x: column of the places.
        value: column that is averaged, see `spread`.
        line: connect the points.
        **options: of `Axes.errorbar`: label, color, marker and so on.
    """
    table = spread(frame, x, value)
    axes.errorbar(
        table[x],
        table["mean"],
        yerr=whiskers(table),
        linewidth=1.0,
        elinewidth=1.0,
        **{"marker": "o", "linestyle": "-" if line else "none", **options},
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


def log_ticks(axis: Axis) -> None:
    """Label a log axis with plain numbers.

    Ticks are powers of ten; on axes that span less than a factor of 60 also 2 and 5 times these, on
    those of less than 10 also 3 times. Axes that go below 1e-3 or above 1e5 stay with the labels of
    matplotlib.

    Args:
        axis: log axis of a panel whose data or limits are set already.
    """
    low, high = axis.get_view_interval()
    if high / low < 10:  # the locator would label every other number
        steps = np.outer(10.0 ** np.arange(-9, 10), [1, 2, 3, 5]).ravel()
        inside = steps[(low <= steps) & (steps <= high)].tolist()
        axis.set_major_locator(FixedLocator(inside) if len(inside) > 1 else MaxNLocator(4))
    else:
        axis.set_major_locator(LogLocator(subs=(1, 2, 5) if high / low < 60 else (1,)))
    if low >= 1e-3 and high <= 1e5:
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def categories(axis: Axis, names: Sequence[object]) -> None:
    """Name the positions 0, 1, ... of a categorical axis, and take away its grid.

    Args:
        axis: x or y axis of a panel.
        names: one per position.
    """
    axis.set_ticks(range(len(names)), [str(name) for name in names])
    axis.grid(False)
