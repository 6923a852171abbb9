"""Strength, growing and small memories, cross-fitting, memorization scores, a spurious feature."""

from itertools import cycle

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from rote.papers.resmem import methods
from rote.papers.resmem.figures.methods import draw_method, legend
from rote.papers.resmem.measures import Tables, deepest_features, largest_memory, of_arm, of_task
from rote.plotting import (
    FAINT,
    INK,
    PALETTE,
    categories,
    log_ticks,
    panels,
    points,
    shade,
)


def strength(tables: Tables) -> Canvas:
    """How much of the residual to add: the smallest base of each task, and its deepest features."""
    sweeps = tables["sweeps"]
    sweeps = sweeps[sweeps["setting"] == "strength"]
    canvas, axes = panels(1, 1, width=4.2, height=2.9)
    ax = axes[0, 0]
    for task, color in zip(dict.fromkeys(sweeps["task"]), cycle(PALETTE), strict=False):
        rows = largest_memory(deepest_features(of_arm(of_task(sweeps, task))))
        label = f"{task}: {rows['label'].iloc[0]}"
        points(ax, rows, "value", "accuracy", color=color, label=label)
    ax.axvline(1, color=FAINT, linewidth=0.8)
    ax.set(xlabel="strength α", ylabel="test accuracy")
    legend(canvas, ax, 2)
    return canvas


def growth(tables: Tables) -> Canvas:
    """A frozen base with a growing memory, and a memory on a budget."""
    rows = tables["growth"]
    canvas, axes = panels(1, 2, width=3.4, height=2.7)
    growing, budget = axes[0]
    _memories(growing, rows, {"unseen rows": PALETTE[0], "training rows": PALETTE[3]})
    _memories(
        budget,
        rows,
        {"largest residuals": PALETTE[1], "random rows": PALETTE[2], "training rows": PALETTE[3]},
    )
    growing.set_title("a  Memory grows, base stays")
    budget.set_title("b  A budget")
    growing.set_xscale("log")
    log_ticks(growing.xaxis)
    return canvas


def _memories(ax: Axes, rows: pd.DataFrame, colors: dict[str, object]) -> None:
    """Accuracy by rows remembered, for kinds of memories."""
    for kind, color in colors.items():
        points(ax, rows[rows["kind"] == kind], "rows", "accuracy", color=color, label=kind)
    base = rows.loc[rows["kind"] == "none", "accuracy"].mean()
    ax.axhline(base, color=INK, linestyle="--", linewidth=1, label="base")
    ax.set(xlabel="rows remembered", ylabel="test accuracy")
    ax.legend(fontsize=7)


def crossfit(tables: Tables) -> Canvas:
    """Residuals of a base that fits its training set."""
    rows = tables["crossfit"]
    canvas, axes = panels(1, 1, width=4.6, height=2.7)
    ax = axes[0, 0]
    colors = {"in-sample": PALETTE[0], "cross-fitted": PALETTE[1]}
    names = []
    for tuned, words in ((False, "T = 1"), (True, "T tuned")):
        for residuals, color in colors.items():
            accuracy = rows.loc[
                (rows["residuals"] == residuals) & (rows["tuned"] == tuned), "resmem"
            ]
            position = len(names)
            ax.plot(np.full(len(accuracy), position), accuracy, "o", color=color)
            ax.plot(position, accuracy.mean(), "_", color=INK, markersize=18)
            names.append(f"{residuals}\n{words}")
    ax.axhline(rows["base"].mean(), color=INK, linestyle="--", linewidth=1, label="base")
    categories(ax.xaxis, names)
    ax.set_ylabel("test accuracy")
    ax.legend()
    return canvas


def memorization(tables: Tables) -> Canvas:
    """Memorization scores by width, what ResMem stores, and where it helps."""
    rows = tables["memorization"]
    widths = sorted(rows["units"].unique())
    canvas, axes = panels(1, 3, width=3.1, height=2.7)
    density, stored, gained = axes[0]
    bins = np.linspace(-0.5, 1, 40)
    for units, color in zip(widths, shade(len(widths)), strict=True):
        group = rows[rows["units"] == units]
        density.hist(
            group["score"],
            bins,
            density=True,
            histtype="step",
            color=color,
            label=f"{units} units",
        )
        means = _by_tenth(group, "weight", "score")
        points(stored, means, "tenth", "score", color=color, label=f"{units} units")
    scores = rows.pivot(index=["replicate", "example"], columns="units", values="score")
    rise = (scores[widths[-1]] - scores[widths[0]]).rename("rise").dropna()
    middle = rows[rows["units"] == widths[len(widths) // 2]]
    gain = middle.set_index(["replicate", "example"])["gain"]
    pairs = pd.concat([rise, gain], axis=1).dropna().reset_index()
    points(gained, _by_tenth(pairs, "rise", "gain"), "tenth", "gain", color=PALETTE[0])
    gained.axhline(0, color=FAINT, linewidth=0.8)
    density.set(title="a  Memorization score", xlabel="score", ylabel="density")
    stored.set(
        title="b  By what ResMem stores", xlabel="tenth of 1 − p(label)", ylabel="mean score"
    )
    gained.set(
        title="c  Where a memory helps",
        xlabel="tenth of the score's rise with width",
        ylabel="gain",
    )
    density.legend(fontsize=7)
    return canvas


def _by_tenth(rows: pd.DataFrame, column: str, value: str) -> pd.DataFrame:
    """Mean value by tenth of a column, over all replicates, and replicate."""
    tenth = np.ceil(10 * rows[column].rank(pct=True)).astype(int)
    return rows.assign(tenth=tenth).groupby(["tenth", "replicate"], as_index=False)[value].mean()


SPURIOUS_METHODS = (
    methods.BASE,
    methods.KNN,
    methods.BASE_RESMEM,
    methods.AWARE,
    methods.AWARE_RESMEM,
)


def spurious(tables: Tables) -> Canvas:
    """A spurious feature, a memory, and training that is aware of memorization."""
    rows = tables["spurious"]
    canvas, axes = panels(1, 2, width=3.4, height=2.7)
    for ax, column, title in (
        (axes[0, 0], "conflicting", "a  Where it conflicts"),
        (axes[0, 1], "agreeing", "b  Where it agrees"),
    ):
        for method in SPURIOUS_METHODS:
            draw_method(ax, rows[rows["method"] == method], "examples", method, column)
        ax.set(xscale="log", xlabel="training rows", ylabel="test accuracy", title=title)
        log_ticks(ax.xaxis)
    legend(canvas, axes[0, 0], 5)
    return canvas
