"""Memorization by task, size and definition (Fig. 3, 4 and 6), in our reconstruction and ours."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from rote.papers.distmem import variants
from rote.papers.distmem.families import FAMILIES
from rote.papers.distmem.figures.common import (
    COLOR,
    RHO,
    SIZE,
    Tables,
    of_ladder,
    rho_axes,
    rho_line,
    select,
    size_axis,
    title,
    trained,
    zero_line,
)
from rote.papers.distmem.sources import generated
from rote.papers.distmem.statistics import ladder
from rote.papers.distmem.tasks import FACTS, RANK_GROUPS, REASONING, TAIL, TASKS, TRANSLATION
from rote.plotting import (
    FAINT,
    INK,
    PALETTE,
    categories,
    log_ticks,
    panels,
    points,
    shade,
    spread,
    whiskers,
)

N_BINS = 5  # of pair counts, equally full
FAMILY_STYLES = ((PALETTE[0], "o"), (PALETTE[3], "s"))
# one thing changed at a time, from top to bottom; then the windows
OPTIONS = (
    variants.PAPER,
    variants.KEY,
    variants.TO_END,
    variants.DOCUMENTS,
    variants.MINED,
    variants.SMOOTHED,
    variants.UNSATURATED,
    variants.PARTIAL,
)


def performance(tables: Tables) -> Canvas:
    """Task performance against the documents that hold an example's pairs (Fig. 3)."""
    canvas, axes = panels(1, 4, width=2.9, height=3.0)
    rows = of_ladder(tables, "performance")
    names = ladder(tables)
    rare = select(rows, FACTS, group=TAIL.name)
    _performance_panel(axes[0, 0], select(rows, FACTS), "correct", names)
    _performance_panel(axes[0, 1], select(rows, TRANSLATION), "correct", names)
    _performance_panel(axes[0, 2], select(rows, REASONING), "correct", names)
    axes[0, 3].axhline(0.25, color=FAINT, linewidth=0.8, linestyle=":")
    _performance_panel(axes[0, 3], rare, "choice_correct", names)
    axes[0, 0].set_title("a  Facts: exact match")
    axes[0, 1].set_title("b  Translation: exact")
    axes[0, 2].set_title("c  Reasoning: exact")
    axes[0, 3].set_title("d  Rare facts: choice of 4")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    canvas.legend(handles, labels, title=SIZE, loc="outside lower center", ncols=len(names))
    return canvas


def _performance_panel(ax: Axes, rows: pd.DataFrame, column: str, names: list[str]) -> None:
    """One line per network over bins of the pair count."""
    edges = np.unique(np.quantile(rows["pair_documents"], np.linspace(0, 1, N_BINS + 1)))
    number = np.searchsorted(edges, rows["pair_documents"], side="right") - 1
    number = np.clip(number, 0, max(len(edges) - 2, 0))
    median = rows.groupby(number)["pair_documents"].median()
    bins = pd.Series(number, rows.index).map(median) + 1
    rows = rows.assign(value=rows[column].astype(float), bin=bins)
    for name, color in zip(names, shade(len(names)), strict=True):
        of_model = rows[rows["model"] == name]
        means = of_model.groupby(["bin", "source"])["value"].mean().reset_index()
        label = f"{of_model['size'].iloc[0]:,}"
        points(ax, means, "bin", "value", color=color, label=label)
    ax.set(xscale="log", xlabel="pair documents + 1", ylim=(-0.03, 1.03))
    log_ticks(ax.xaxis)


def memorization(tables: Tables) -> Canvas:
    """Distributional memorization against network size (Fig. 4)."""
    canvas, axes = panels(2, 3, width=3.4, height=2.7)
    rows = of_ladder(tables)
    cells = (("a", FACTS, axes[0, 0]), ("d", TRANSLATION, axes[1, 0]), ("e", REASONING, axes[1, 1]))
    for letter, task, ax in cells:
        short, long = task.lengths
        color = COLOR[task.name]
        infinity = trained(rows, task, variant=variants.INFINITY.name)
        unsaturated = trained(rows, task, variant=variants.UNSATURATED.name)
        rho_line(ax, trained(rows, task), f"n = {short}", color=color)
        rho_line(ax, trained(rows, task, n=long), f"n = {long}", color=PALETTE[4], marker="s")
        rho_line(ax, infinity, variants.INFINITY.label, color=INK, marker="^")
        rho_line(ax, unsaturated, f"n = {short}, not yet sure", color=FAINT, marker="D")
        rho_axes(ax, title(letter, task))
    ax = axes[0, 1]
    for group, color in zip(RANK_GROUPS, shade(len(RANK_GROUPS)), strict=True):
        of_group = trained(rows, FACTS, variant=group.name)
        rho_line(ax, of_group, variants.VARIANTS[group.name].label, color=color)
    rho_axes(ax, f"b  Facts by frequency, n = {FACTS.n}")
    _novel_panel(axes[0, 2], of_ladder(tables, "novel"))
    ax = axes[1, 2]
    for task in (REASONING, FACTS):
        label = f"{task.name}, n = {task.n}"
        points(ax, trained(rows, task), "size", "distance", color=COLOR[task.name], label=label)
    ax.axhline(0.5, color=FAINT, linewidth=0.8)
    ax.set(title="f  Kendall distance", ylabel="(1 − τ) / 2")
    size_axis(ax)
    ax.legend(fontsize=7)
    return canvas


def _novel_panel(ax: Axes, rows: pd.DataFrame) -> None:
    """Pairs in no document that networks generate."""
    rows = select(rows, TRANSLATION)
    if len(rows):
        color = COLOR[TRANSLATION.name]
        label = "correct: in the true translation"
        points(ax, rows, "size", "novel_correct", color=color, label=label)
        points(ax, rows, "size", "novel", color=FAINT, marker="s", label="all")
        ax.legend(fontsize=7)
    ax.set(title="c  Translation: new pairs", ylabel="pairs in no document", ylim=(0, None))
    size_axis(ax)


def thresholds(tables: Tables) -> Canvas:
    """Does the threshold of mining matter? (Fig. 6), and what cosines select."""
    canvas, axes = panels(1, 3, width=3.2, height=2.9)
    rows = of_ladder(tables)
    shares = sorted(
        rows.loc[rows["variant"] == variants.COSINE.name, "parameter"].unique(), reverse=True
    )
    colors = shade(len(shares) + 1)
    for ax, letter, task in ((axes[0, 0], "a", FACTS), (axes[0, 1], "b", TRANSLATION)):
        rho_line(ax, trained(rows, task), "all pairs", color=colors[0])
        for share, color in zip(shares, colors[1:], strict=True):
            selected = trained(rows, task, variant=variants.COSINE.name, parameter=share)
            rho_line(ax, selected, f"{100 * share:g} % kept", color=color)
        aligned = trained(rows, task, variant=variants.ALIGNED.name)
        rho_line(ax, aligned, variants.ALIGNED.label, color=INK, marker="s")
        rho_axes(ax, title(letter, task, task.n))
    ax = axes[0, 2]
    mining = generated(tables["mining"])
    mining = mining[mining["n"] == TRANSLATION.n]
    for column, color in (("precision", PALETTE[0]), ("recall", PALETTE[3])):
        points(ax, mining, "share", column, color=color, label=column)
    ax.set(
        title="c  True translations among pairs", xlabel="share of the pairs kept", ylim=(0, 1.05)
    )
    ax.legend()
    return canvas


def options(tables: Tables) -> Canvas:
    """What the choices in the definition change: unit, span, denominator, window, controls."""
    canvas, axes = panels(1, 3, width=3.2, height=3.6, sharey=True)
    rows = of_ladder(tables)
    rows = rows[rows["model"] == ladder(tables)[-1]]
    windows = sorted(rows.loc[rows["variant"] == variants.WINDOW.name, "parameter"].unique())
    labels = [variant.label for variant in OPTIONS]
    labels += [variants.WINDOW.label.format(window) for window in windows]
    for ax, task in zip(axes[0], TASKS.values(), strict=True):
        choices = [trained(rows, task, variant=option.name) for option in OPTIONS]
        choices += [
            trained(rows, task, variant=variants.WINDOW.name, parameter=window)
            for window in windows
        ]
        for position, of_choice in enumerate(reversed(choices)):
            table = spread(of_choice, "variant", "rho")
            if len(table):
                color = INK if (table["variant"] == variants.PAPER.name).all() else COLOR[task.name]
                xerr = whiskers(table)
                ax.errorbar(table["mean"], [position], xerr=xerr, fmt="o", color=color)
        ax.axvline(0, color=FAINT, linewidth=0.8)
        ax.set(title=f"{task.name.capitalize()}, n = {task.n}", xlabel=RHO)
    categories(axes[0, 0].yaxis, labels[::-1])
    return canvas


def dynamics(tables: Tables) -> Canvas:
    """Memorization during training, and of the second family."""
    canvas, axes = panels(1, 3, width=3.2, height=2.9)
    rows = of_ladder(tables)
    names = ladder(tables)
    for ax, letter, task in ((axes[0, 0], "a", FACTS), (axes[0, 1], "b", TRANSLATION)):
        of_task = select(rows, task, variant=variants.PAPER.name, n=task.n)
        for name, color in zip(names, shade(len(names)), strict=True):
            of_model = of_task[of_task["model"] == name]
            if of_model["rho"].notna().any():
                label = f"{of_model['size'].iloc[0]:,}"
                points(ax, of_model, "snapshot", "rho", color=color, label=label)
        zero_line(ax)
        ax.set(title=title(letter, task, task.n), xlabel="share of the training", ylabel=RHO)
    axes[0, 0].legend(title=SIZE, fontsize=7)
    rows = generated(tables["memorization"])
    for family, (color, marker) in zip(FAMILIES.values(), FAMILY_STYLES, strict=True):
        of_family = trained(rows, FACTS, family=family.name)
        rho_line(axes[0, 2], of_family, family.label, color=color, marker=marker)
    rho_axes(axes[0, 2], "c  Two families, facts", loc="upper left", fontsize=None)
    return canvas
