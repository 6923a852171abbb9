"""Memorization by task, size and definition (Fig. 3, 4 and 6), in our reconstruction and ours."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from rote.papers.distmem import variants
from rote.papers.distmem.families import FAMILIES, NEOX
from rote.papers.distmem.figures.common import (
    COLOR,
    RHO,
    SIZE,
    Tables,
    null_lines,
    of_ladder,
    rho_axes,
    rho_line,
    select,
    size_axis,
    title,
    trained,
    zero_line,
)
from rote.papers.distmem.settings import STUDIES
from rote.papers.distmem.sources import generated
from rote.papers.distmem.statistics import ladder
from rote.papers.distmem.tasks import (
    FACTS,
    KNOWN_STEPS,
    PRINCIPAL,
    RANK_GROUPS,
    REASONING,
    TAIL,
    TRANSLATION,
)
from rote.plotting import (
    FAINT,
    INK,
    PALETTE,
    categories,
    legend_below,
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
    variants.ALIGNED,
    variants.CLEAN,
    variants.UNSATURATED,
    variants.PARTIAL,
    variants.SHUFFLED,
)

PRETRAINED_LINES = ((variants.PAPER, "-"), (variants.INFINITY, "--"), (variants.SHUFFLED, ":"))


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
    """Distributional memorization against network size (Fig. 4), with its nulls."""
    canvas, axes = panels(2, 3, width=3.5, height=2.8)
    rows = of_ladder(tables)
    cells = ((FACTS, axes[0, 0], "a"), (TRANSLATION, axes[1, 0], "d"), (REASONING, axes[1, 1], "e"))
    for task, ax, letter in cells:
        infinity = trained(rows, task, variant=variants.INFINITY.name)
        unsaturated = trained(rows, task, variant=variants.UNSATURATED.name)
        null_lines(ax, rows, task)
        rho_line(ax, unsaturated, "shorter n, not yet sure", color=PALETTE[4], marker="D")
        rho_line(ax, infinity, variants.INFINITY.label, color=INK, marker="^")
        rho_line(ax, trained(rows, task, n=task.lengths[1]), "longer n", color=PALETTE[3])
        rho_line(ax, trained(rows, task), "shorter n", color=PALETTE[0], marker="s")
        shorter, longer = task.lengths
        rho_axes(ax, f"{letter}  {task.label.capitalize()}, n = {shorter} and {longer}")
    explained = {}
    for _, ax, _ in cells:
        handles, labels = ax.get_legend_handles_labels()
        explained |= dict(zip(labels, handles, strict=True))
    ax = axes[0, 1]
    for group, color in zip(RANK_GROUPS, shade(len(RANK_GROUPS)), strict=True):
        of_group = trained(rows, FACTS, variant=group.name)
        rho_line(ax, of_group, group.label, color=color)
    rho_axes(ax, f"b  Facts by frequency, n = {FACTS.n}", loc="best")
    _novel_panel(axes[0, 2], of_ladder(tables, "novel"))
    _distance_panel(axes[1, 2], rows)
    legend_below(canvas, 3, [*explained.values()], [*explained], fontsize=8)
    return canvas


def _novel_panel(ax: Axes, rows: pd.DataFrame) -> None:
    """Aligned pairs in no document that networks generate, as a share of those there are."""
    rows = select(rows, TRANSLATION)
    share = rows["novel_right"] / rows["novel_in_reference"].where(rows["novel_in_reference"] > 0)
    rows = rows.assign(share=share).dropna(subset=["share"])
    if len(rows):
        points(ax, rows, "size", "share", color=COLOR[TRANSLATION.name])
    ax.set(title="c  New aligned pairs written", ylabel="share of the references'", ylim=(0, 1.05))
    size_axis(ax)


def _distance_panel(ax: Axes, rows: pd.DataFrame) -> None:
    """The Kendall distance, also of the longer n-grams and of the infinity-gram."""
    for task in (REASONING, FACTS):
        color = COLOR[task.name]
        label = f"{task.label}, n = {task.n}"
        points(ax, trained(rows, task), "size", "distance", color=color, label=label)
        longer = trained(rows, task, n=task.lengths[1])
        label = f"{task.label}, n = {task.lengths[1]}"
        points(ax, longer, "size", "distance", color=color, label=label, linestyle="--")
        infinity = trained(rows, task, variant=variants.INFINITY.name)
        label = f"{task.label}, {variants.INFINITY.label}"
        points(ax, infinity, "size", "distance", color=color, label=label, linestyle=":")
    ax.axhline(0.5, color=FAINT, linewidth=0.8)
    ax.set(title="f  Kendall distance", ylabel="(1 − τ) / 2", ylim=(0, 1))
    size_axis(ax)
    ax.legend(fontsize=6, ncols=2)


def overlap(tables: Tables) -> Canvas:
    """Sums whose steps stand in the corpus beside sums whose steps are held out."""
    canvas, axes = panels(1, 3, width=3.3, height=2.9)
    rows = of_ladder(tables)
    styles = ((KNOWN_STEPS, "steps in the corpus", "o"), (REASONING, "steps held out", "s"))
    answers = of_ladder(tables, "performance")
    exact = answers.assign(correct=answers["correct"].astype(float))
    exact = exact.groupby(["task", "size", "source"])["correct"].mean().reset_index()
    for task, label, marker in styles:
        style = {"color": COLOR[task.name], "marker": marker}
        for ax, n in zip(axes[0], task.lengths, strict=False):
            rho_line(ax, trained(rows, task, n=n), label, **style)
            shuffled = trained(rows, task, n=n, variant=variants.SHUFFLED.name)
            rho_line(ax, shuffled, f"{label}: counts shuffled", **(style | {"linestyle": ":"}))
        points(axes[0, 2], select(exact, task), "size", "correct", label=label, **style)
    for ax, letter, n in zip(axes[0], "ab", REASONING.lengths, strict=False):
        rho_axes(ax, f"{letter}  Sums, n = {n}")
    axes[0, 2].set(title="c  Sums solved", ylabel="exact match", ylim=(-0.03, 1.03))
    size_axis(axes[0, 2])
    legend_below(canvas, 4, *axes[0, 0].get_legend_handles_labels(), fontsize=8)
    return canvas


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
        rho_axes(ax, title(letter, task, task.n), loc="best")
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
    for ax, task in zip(axes[0], PRINCIPAL, strict=True):
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
    null_lines(axes[0, 2], rows[rows["family"] == NEOX.name], FACTS)
    for family, (color, marker) in zip(FAMILIES.values(), FAMILY_STYLES, strict=True):
        of_family = trained(rows, FACTS, family=family.name)
        rho_line(axes[0, 2], of_family, family.label, color=color, marker=marker)
    rho_axes(axes[0, 2], "c  Two families, facts", loc="upper left", fontsize=None)
    return canvas


def pretrained(tables: Tables) -> Canvas:
    """Pretrained models on their corpora by size; without a study, one generated corpus so."""
    rows = tables["memorization"]
    of_studies = rows[rows["source"].isin(STUDIES)]
    if of_studies.empty:
        of_studies = of_ladder(tables)
        of_studies = of_studies[of_studies["source"] == of_studies["source"].min()]
    rows = of_studies[of_studies["snapshot"] == 1.0]
    tasks = sorted(set(zip(rows["source"], rows["task"], strict=True)))
    canvas, axes = panels(1, len(tasks), width=3.0, height=3.0)
    explained = {}
    for ax, (source, task) in zip(axes[0], tasks, strict=True):
        of_task = rows[(rows["source"] == source) & (rows["task"] == task)]
        styles = (("shorter n", PALETTE[0]), ("longer n", PALETTE[3]))
        for n, (name, color) in zip(sorted(of_task["n"].unique()), styles, strict=False):
            for variant, line in PRETRAINED_LINES:
                of_line = of_task[(of_task["n"] == n) & (of_task["variant"] == variant.name)]
                _study_line(ax, of_line, f"{name}, {variant.label}", color=color, linestyle=line)
        rho_axes(ax, f"{source}: {task.replace('_', ' ')}")
        handles, labels = ax.get_legend_handles_labels()
        explained |= dict(zip(labels, handles, strict=True))
    legend_below(canvas, 3, [*explained.values()], [*explained], fontsize=8)
    return canvas


def _study_line(ax: Axes, rows: pd.DataFrame, label: str, **options: Any) -> None:
    """ρ with its interval over examples, filled where that does not hold 0: significant."""
    rows = rows.dropna(subset=["rho"]).sort_values("size")
    if rows.empty:
        return
    ends = np.array([rows["rho"] - rows["low"], rows["high"] - rows["rho"]])
    lengths = np.maximum(np.nan_to_num(ends), 0)
    ax.errorbar(rows["size"], rows["rho"], yerr=lengths, marker="", label=label, **options)
    is_significant = (rows["low"] > 0) | (rows["high"] < 0)
    for part, fill in ((rows[is_significant], options["color"]), (rows[~is_significant], "white")):
        edge = options["color"]
        ax.plot(part["size"], part["rho"], "o", markerfacecolor=fill, markeredgecolor=edge)
