"""Counts of pairs: the selection that dropping zeros makes, and engines that count."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from rote.papers.distmem import variants
from rote.papers.distmem.figures.common import (
    COLOR,
    Tables,
    of_ladder,
    rho_axes,
    rho_line,
    select,
    trained,
)
from rote.papers.distmem.sources import generated
from rote.papers.distmem.tasks import PRINCIPAL, TASKS
from rote.plotting import FAINT, INK, PALETTE, categories, panels, spread, whiskers


def bias(tables: Tables) -> Canvas:
    """Pairs in no document: how many are dropped, what this does, and what smoothing changes."""
    canvas, axes = panels(1, 3, width=3.3, height=3.0)
    groups = _groups(generated(tables["bias"]))
    names = list(groups)
    _dots(axes[0, 0], groups, "dropped", color=INK)
    _dots(axes[0, 1], groups, "filtered", color=PALETTE[3])
    _dots(axes[0, 1], groups, "smoothed", color=PALETTE[2])
    categories(axes[0, 0].yaxis, names)
    categories(axes[0, 1].yaxis, [""] * len(names))
    axes[0, 0].set(title="a  Pairs in no document", xlabel="share dropped", xlim=(-0.03, 1.03))
    axes[0, 1].axvline(0, color=FAINT, linewidth=0.8)
    axes[0, 1].set(title="b  P against the input's count", xlabel="Spearman(log P, log C(s_x))")
    axes[0, 1].legend(fontsize=7)
    ax = axes[0, 2]
    rows = of_ladder(tables)
    for task in PRINCIPAL:
        color = COLOR[task.name]
        smoothed = trained(rows, task, variant=variants.SMOOTHED.name)
        rho_line(ax, trained(rows, task), f"{task.label}, dropped", color=color)
        rho_line(ax, smoothed, f"{task.label}, smoothed", color=color, marker="s")
    rho_axes(ax, "c  Memorization either way", fontsize=6)
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


def _dots(ax: Axes, groups: dict[str, pd.DataFrame], column: str, color: str) -> None:
    """Mean and interval over corpora, one line per group."""
    for position, rows in enumerate(groups.values()):
        table = spread(rows, "n", column)
        if len(table):
            label = None if position else column
            xerr = whiskers(table)
            ax.errorbar(table["mean"], [position], xerr=xerr, fmt="o", color=color, label=label)


def engines(tables: Tables) -> Canvas:
    """Exact counting of pairs, and what cheaper estimates give for it."""
    rows = tables["engines"].iloc[::-1].reset_index(drop=True)
    canvas, axes = panels(1, 2, width=3.6, height=2.6, sharey=True)
    colors = rows["exact"].map({True: PALETTE[0], False: PALETTE[3]})
    axes[0, 0].barh(rows.index, rows["equal_share"], color=colors)
    axes[0, 0].set(xlabel="share of counts equal to brute force", xlim=(0, 1), title="a  Exactness")
    for row, color in zip(rows.itertuples(), colors, strict=True):
        axes[0, 1].plot([row.low, row.high], [row.Index, row.Index], color=color)
        axes[0, 1].plot(row.median, row.Index, "o", color=color)
    axes[0, 1].axvline(1, color=FAINT, linewidth=0.8)
    axes[0, 1].set(
        xlabel="count / documents that hold both", xscale="log", title="b  Median, 10 % to 90 %"
    )
    categories(axes[0, 0].yaxis, rows["engine"])
    return canvas
