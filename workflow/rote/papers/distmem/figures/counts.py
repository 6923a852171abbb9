"""Counts of pairs: the selection that dropping zeros makes, and engines that count."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from rote.papers.distmem import variants
from rote.papers.distmem.figures.common import (
    COLOR,
    LONGER,
    Series,
    Tables,
    of_ladder,
    rho_axes,
    rho_by_size,
    select,
    trained,
)
from rote.papers.distmem.sources import generated
from rote.papers.distmem.tasks import PRINCIPAL, TASKS
from rote.plotting import FAINT, INK, at_row, categories, legend_below, panels


def bias(tables: Tables) -> Canvas:
    """Pairs in no document: how many are dropped, what this does, and what smoothing changes."""
    canvas, axes = panels(1, 3, height=2.7)
    groups = _groups(generated(tables["bias"]))
    names = list(groups)
    _dots(axes[0, 0], groups, "dropped", "white")
    _dots(axes[0, 1], groups, "filtered", "white")
    _dots(axes[0, 1], groups, "smoothed", INK)
    categories(axes[0, 0].yaxis, names)
    categories(axes[0, 1].yaxis, [""] * len(names))
    axes[0, 0].set(title="a  Pairs in no document", xlabel="share dropped", xlim=(-0.03, 1.03))
    axes[0, 1].axvline(0, color=FAINT, linewidth=0.8)
    axes[0, 1].set(title="b  Ratio against count", xlabel="ρ(ratio P, input's count)")
    ax = axes[0, 2]
    rows = of_ladder(tables)
    series = []
    for task in PRINCIPAL:
        style = {"color": COLOR[task.name]}
        smoothed = trained(rows, task, variant=variants.SMOOTHED.name)
        dropped = style | LONGER | {"marker": "o"}
        series.append(Series(trained(rows, task), f"{task.label}, zeros dropped", dropped))
        series.append(Series(smoothed, f"{task.label}, smoothed", style))
    rho_by_size(ax, series)
    rho_axes(ax, "c  Memorization")
    legend_below(canvas, 5)
    return canvas


def _groups(rows: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Rows by task and n, by label, from the bottom."""
    groups = {}
    for task in reversed(TASKS.values()):
        for n in reversed(task.lengths):
            group = select(rows, task, n=n)
            if len(group):
                groups[f"{task.label}, n = {n}"] = group
    return groups


COLUMNS = {"dropped": "share dropped (a)", "filtered": "zeros dropped"}
COLUMNS["smoothed"] = "smoothed"


def _dots(ax: Axes, groups: dict[str, pd.DataFrame], column: str, face: str) -> None:
    """Mean and interval over corpora, one line per group."""
    for position, rows in enumerate(groups.values()):
        label = None if position else COLUMNS[column]
        at_row(ax, rows[column], position, markerfacecolor=face, label=label)


def engines(tables: Tables) -> Canvas:
    """Exact counting of pairs, and what cheaper estimates give for it."""
    rows = tables["engines"].iloc[::-1].reset_index(drop=True)
    canvas, axes = panels(1, 2, height=2.4, sharey=True)
    colors = rows["exact"].map({True: INK, False: FAINT})
    axes[0, 0].barh(rows.index, rows["equal_share"], color=colors)
    axes[0, 0].set(
        xlabel="share equal to brute force",
        xlim=(0, 1),
        title="a  Exactness (dark: exact)",
    )
    for row, color in zip(rows.itertuples(), colors, strict=True):
        axes[0, 1].plot([row.low, row.high], [row.Index, row.Index], color=color)
        axes[0, 1].plot(row.median, row.Index, "o", color=color)
    axes[0, 1].axvline(1, color=FAINT, linewidth=0.8)
    axes[0, 1].set(
        xlabel="count / documents that hold both", xscale="log", title="b  Median, 10 % to 90 %"
    )
    categories(axes[0, 0].yaxis, rows["engine"])
    return canvas
