"""Strength, growing and small memories, cross-fitting, memorization scores, a spurious feature."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from rote.papers.resmem import methods
from rote.papers.resmem.figures.methods import ROWS, draw_method, task_title
from rote.papers.resmem.measures import Tables, deepest_features, largest_memory, of_arm, of_task
from rote.plotting import (
    FAINT,
    INK,
    PALETTE,
    beside,
    categories,
    label_ends,
    legend_below,
    measured_ticks,
    panels,
    points,
    shade,
)


def strength(tables: Tables) -> Canvas:
    """How much of the residual to add: the smallest base of each task, and its deepest features."""
    sweeps = tables["sweeps"]
    sweeps = sweeps[sweeps["setting"] == "strength"]
    canvas, axes = panels(1, 1, height=2.8, wide=True)
    ax = axes[0, 0]
    looks = ((PALETTE[4], "o"), (PALETTE[5], "s"), (PALETTE[9], "v"), (PALETTE[7], "^"))
    for number, task in enumerate(dict.fromkeys(sweeps["task"])):
        color, marker = looks[number % len(looks)]
        rows = largest_memory(deepest_features(of_arm(of_task(sweeps, task))))
        label = f"{task_title(task)}: {rows['label'].iloc[0]}"
        style = {"color": color, "marker": marker, "label": label}
        points(ax, rows, "value", "accuracy", line=True, **style)
    ax.axvline(1, color=FAINT, linewidth=0.8)
    ax.set(xlabel="strength α", ylabel="test accuracy")
    label_ends(ax)
    return canvas


def growth(tables: Tables) -> Canvas:
    """A frozen base with a growing memory, and a memory on a budget."""
    rows = tables["growth"]
    canvas, axes = panels(1, 2, height=2.5)
    growing, budget = axes[0]
    _memories(growing, rows, ["unseen rows", "training rows"])
    _memories(budget, rows, ["largest residuals", "random rows", "training rows"])
    growing.set_title("a  Memory grows, base stays")
    budget.set_title("b  A budget")
    growing.set_xscale("log")
    measured_ticks(growing.xaxis, rows.loc[rows["kind"] == "unseen rows", "rows"])
    legend_below(canvas)
    return canvas


def _memories(ax: Axes, rows: pd.DataFrame, kinds: list[str]) -> None:
    """Accuracy by rows remembered, for kinds of memories."""
    for kind, shift in zip(kinds, beside(len(kinds)), strict=True):
        style = ROWS[kind].marks(shift=shift)
        points(ax, rows[rows["kind"] == kind], "rows", "accuracy", **style)
    base = rows.loc[rows["kind"] == "none", "accuracy"].mean()
    ax.axhline(base, color=INK, linestyle="--", linewidth=1, label="base alone")
    ax.set(xlabel="rows remembered", ylabel="test accuracy")


def crossfit(tables: Tables) -> Canvas:
    """Residuals of a base that fits its training set."""
    rows = tables["crossfit"]
    canvas, axes = panels(1, 1, height=2.5)
    ax = axes[0, 0]
    names = []
    for tuned, words in ((False, "T = 1"), (True, "T tuned")):
        for residuals in ("in-sample", "cross-fitted"):
            accuracy = rows.loc[
                (rows["residuals"] == residuals) & (rows["tuned"] == tuned), "resmem"
            ]
            position = len(names)
            ax.plot(np.full(len(accuracy), position), accuracy, "o", color=PALETTE[0], alpha=0.6)
            ax.plot(position, accuracy.mean(), "_", color=INK, markersize=18)
            names.append(f"{residuals}\n{words}")
    ax.axhline(rows["base"].mean(), color=INK, linestyle="--", linewidth=1, label="base alone")
    categories(ax.xaxis, names)
    ax.set(ylabel="test accuracy", xlim=(-0.5, len(names) - 0.5))
    legend_below(canvas)
    return canvas


def memorization(tables: Tables) -> Canvas:
    """Memorization scores by width, what ResMem stores, and where it helps."""
    rows = tables["memorization"]
    widths = sorted(rows["units"].unique())
    canvas, axes = panels(1, 3, height=2.4)
    density, stored, gained = axes[0]
    bins = np.linspace(-0.5, 1, 40)
    shifts = beside(len(widths), 2)
    for units, color, shift in zip(widths, shade(len(widths)), shifts, strict=True):
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
        style = {"color": color, "shift": shift, "line": True}
        points(stored, means, "tenth", "score", label=f"{units} units", **style)
    scores = rows.pivot(index=["replicate", "example"], columns="units", values="score")
    rise = (scores[widths[-1]] - scores[widths[0]]).rename("rise").dropna()
    middle = rows[rows["units"] == widths[len(widths) // 2]]
    gain = middle.set_index(["replicate", "example"])["gain"]
    pairs = pd.concat([rise, gain], axis=1).dropna().reset_index()
    points(gained, _by_tenth(pairs, "rise", "gain"), "tenth", "gain", color=PALETTE[0], marker="D")
    gained.axhline(0, color=FAINT, linewidth=0.8)
    density.set(title="a  Memorization score", xlabel="score", ylabel="density")
    stored.set(
        title="b  By what ResMem stores", xlabel="tenth of 1 − p(label)", ylabel="mean score"
    )
    gained.set(
        title="c  Where a memory helps",
        xlabel="tenth of the rise with width",
        ylabel="gain of ResMem (accuracy)",
    )
    legend_below(canvas)
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
    canvas, axes = panels(1, 2, height=2.5)
    for ax, column, title in (
        (axes[0, 0], "conflicting", "a  Where it conflicts"),
        (axes[0, 1], "agreeing", "b  Where it agrees"),
    ):
        shifts = beside(len(SPURIOUS_METHODS), 5)
        for method, shift in zip(SPURIOUS_METHODS, shifts, strict=True):
            of_method = rows[rows["method"] == method]
            draw_method(ax, of_method, "examples", method, column, shift=shift)
        ax.set(xscale="log", xlabel="training rows", ylabel="test accuracy", title=title)
        measured_ticks(ax.xaxis, rows["examples"])
    legend_below(canvas)
    return canvas
