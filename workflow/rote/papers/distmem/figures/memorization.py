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
    LONGER,
    RHO,
    SIZE,
    Series,
    Tables,
    nulls,
    of_ladder,
    rho_axes,
    rho_by_size,
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
    at_row,
    beside,
    categories,
    legend_below,
    log_ticks,
    measured_ticks,
    panels,
    points,
    shade,
)

N_BINS = 5  # of pair counts, equally full
FAMILY_STYLES = ({"marker": "o"}, {"marker": "p", "markerfacecolor": "white"})
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

PRETRAINED_MARKERS = ((variants.PAPER, "o"), (variants.INFINITY, "^"), (variants.SHUFFLED, "v"))


def performance(tables: Tables) -> Canvas:
    """Task performance against the documents that hold an example's pairs (Fig. 3)."""
    canvas, axes = panels(1, 4, height=2.5)
    rows = of_ladder(tables, "performance")
    names = ladder(tables)
    rare = select(rows, FACTS, group=TAIL.name)
    _performance_panel(axes[0, 0], select(rows, FACTS), "correct", names)
    _performance_panel(axes[0, 1], select(rows, TRANSLATION), "correct", names)
    _performance_panel(axes[0, 2], select(rows, REASONING), "correct", names)
    axes[0, 3].axhline(0.25, color=FAINT, linewidth=0.8, linestyle=":")
    _performance_panel(axes[0, 3], rare, "choice_correct", names)
    titles = ("a  Facts", "b  Translation", "c  Reasoning", "d  Rare facts: 1 of 4")
    for ax, words in zip(axes[0], titles, strict=True):
        ax.set_title(words, fontsize=7)
    axes[0, 0].set_ylabel("share right (d: by choice)")
    legend_below(canvas, title=SIZE)
    return canvas


def _performance_panel(ax: Axes, rows: pd.DataFrame, column: str, names: list[str]) -> None:
    """One line per network over bins of the pair count."""
    edges = np.unique(np.quantile(rows["pair_documents"], np.linspace(0, 1, N_BINS + 1)))
    number = np.searchsorted(edges, rows["pair_documents"], side="right") - 1
    number = np.clip(number, 0, max(len(edges) - 2, 0))
    median = rows.groupby(number)["pair_documents"].median()
    bins = pd.Series(number, rows.index).map(median) + 1
    rows = rows.assign(value=rows[column].astype(float), bin=bins)
    looks = zip(names, shade(len(names)), beside(len(names), 3), strict=True)
    for name, color, shift in looks:
        of_model = rows[rows["model"] == name]
        means = of_model.groupby(["bin", "source"])["value"].mean().reset_index()
        label = f"{of_model['size'].iloc[0]:,}"
        points(ax, means, "bin", "value", color=color, label=label, shift=shift)
    ax.set(xscale="log", xlabel="pair documents + 1", ylim=(-0.03, 1.03))
    log_ticks(ax.xaxis)


def memorization(tables: Tables) -> Canvas:
    """Distributional memorization against network size (Fig. 4), with its nulls."""
    canvas, axes = panels(2, 3, height=2.4)
    rows = of_ladder(tables)
    cells = ((FACTS, axes[0, 0], "a"), (TRANSLATION, axes[1, 0], "d"), (REASONING, axes[1, 1], "e"))
    for task, ax, letter in cells:
        infinity = trained(rows, task, variant=variants.INFINITY.name)
        unsaturated = trained(rows, task, variant=variants.UNSATURATED.name)
        style, (shorter, longer) = {"color": COLOR[task.name]}, task.lengths
        unsure = style | LONGER | {"marker": "D"}
        shown = [
            Series(trained(rows, task), f"{task.label}, n = {shorter}", style),
            Series(trained(rows, task, n=longer), f"{task.label}, n = {longer}", style | LONGER),
            Series(unsaturated, f"{task.label}, n = {shorter}, not yet sure", unsure),
            Series(infinity, variants.INFINITY.label, {"color": INK, "marker": "^"}),
            *nulls(rows, task),
        ]
        rho_by_size(ax, shown)
        rho_axes(ax, f"{letter}  {task.label.capitalize()}")
    ax = axes[0, 1]
    groups = [
        Series(trained(rows, FACTS, variant=group.name), f"{group.label} facts", {"color": color})
        for group, color in zip(RANK_GROUPS, shade(len(RANK_GROUPS)), strict=True)
    ]
    rho_by_size(ax, groups)
    rho_axes(ax, f"b  By frequency, n = {FACTS.n}")
    _novel_panel(axes[0, 2], of_ladder(tables, "novel"))
    _distance_panel(axes[1, 2], rows)
    legend_below(canvas, 4)
    return canvas


def _novel_panel(ax: Axes, rows: pd.DataFrame) -> None:
    """Aligned pairs in no document that networks generate, as a share of those there are."""
    rows = select(rows, TRANSLATION)
    share = rows["novel_right"] / rows["novel_in_reference"].where(rows["novel_in_reference"] > 0)
    rows = rows.assign(share=share).dropna(subset=["share"])
    if len(rows):
        points(ax, rows, "size", "share", color=COLOR[TRANSLATION.name])
    ax.set(title="c  New pairs written", ylabel="share of the references'", ylim=(0, 1.05))
    size_axis(ax)


def _distance_panel(ax: Axes, rows: pd.DataFrame) -> None:
    """The Kendall distance, also of the longer n-grams and of the infinity-gram."""
    for task, (first, second, third) in ((REASONING, (-8, -5, -2)), (FACTS, (2, 5, 8))):
        style = {"color": COLOR[task.name]}
        label = f"{task.label}, n = {task.n}"
        points(ax, trained(rows, task), "size", "distance", label=label, shift=first, **style)
        longer = trained(rows, task, n=task.lengths[1])
        label = f"{task.label}, n = {task.lengths[1]}"
        points(ax, longer, "size", "distance", label=label, shift=second, **style, **LONGER)
        infinity = trained(rows, task, variant=variants.INFINITY.name)
        style |= {"marker": "^", "label": f"{task.label}, {variants.INFINITY.label}"}
        points(ax, infinity, "size", "distance", shift=third, **style)
    ax.axhline(0.5, color=FAINT, linewidth=0.8)
    ax.set(title="f  Kendall distance", ylabel="(1 − τ) / 2", ylim=(0, 1))
    size_axis(ax)


def overlap(tables: Tables) -> Canvas:
    """Sums whose steps stand in the corpus beside sums whose steps are held out."""
    canvas, axes = panels(1, 3, height=2.6)
    rows = of_ladder(tables)
    styles = ((KNOWN_STEPS, "steps in the corpus", "o"), (REASONING, "steps held out", "s"))
    answers = of_ladder(tables, "performance")
    exact = answers.assign(correct=answers["correct"].astype(float))
    exact = exact.groupby(["task", "size", "source"])["correct"].mean().reset_index()
    for number, (ax, letter) in enumerate(zip(axes[0], "ab", strict=False)):
        series = []
        for task, label, marker in styles:
            n, style = task.lengths[number], {"color": COLOR[task.name], "marker": marker}
            shuffled = trained(rows, task, n=n, variant=variants.SHUFFLED.name)
            hollow = style | {"markerfacecolor": "white"}
            series.append(Series(trained(rows, task, n=n), label, style))
            series.append(Series(shuffled, f"{label}: counts shuffled", hollow))
        rho_by_size(ax, series)
        rho_axes(ax, f"{letter}  Sums, n = {REASONING.lengths[number]}")
    for (task, label, marker), shift in zip(styles, beside(2), strict=True):
        style = {"color": COLOR[task.name], "marker": marker, "label": label, "shift": shift}
        points(axes[0, 2], select(exact, task), "size", "correct", **style)
    axes[0, 2].set(title="c  Sums solved", ylabel="exact match", ylim=(-0.03, 1.03))
    size_axis(axes[0, 2])
    legend_below(canvas, 4)
    return canvas


def thresholds(tables: Tables) -> Canvas:
    """Does the threshold of mining matter? (Fig. 6), and what cosines select."""
    canvas, axes = panels(1, 3, height=2.7)
    rows = of_ladder(tables)
    shares = sorted(
        rows.loc[rows["variant"] == variants.COSINE.name, "parameter"].unique(), reverse=True
    )
    colors = shade(len(shares) + 1)
    for ax, letter, task in ((axes[0, 0], "a", FACTS), (axes[0, 1], "b", TRANSLATION)):
        series = [Series(trained(rows, task), "all pairs", {"color": colors[0]})]
        for share, color in zip(shares, colors[1:], strict=True):
            selected = trained(rows, task, variant=variants.COSINE.name, parameter=share)
            series.append(Series(selected, f"{100 * share:g} % kept", {"color": color}))
        aligned = trained(rows, task, variant=variants.ALIGNED.name)
        series.append(Series(aligned, variants.ALIGNED.label, {"color": INK, "marker": "P"}))
        rho_by_size(ax, series)
        rho_axes(ax, title(letter, task, task.n))
    ax = axes[0, 2]
    mining = generated(tables["mining"])
    mining = mining[mining["n"] == TRANSLATION.n]
    for column, face in (("precision", INK), ("recall", "white")):
        style = {"marker": "D", "markerfacecolor": face, "label": f"{column} (c)"}
        points(ax, mining, "share", column, **style)
    ax.set(title="c  True translations", xlabel="share of the pairs kept", ylim=(0, 1.05))
    ax.set_ylabel("precision, recall")
    measured_ticks(ax.xaxis, mining["share"])
    legend_below(canvas)
    return canvas


def options(tables: Tables) -> Canvas:
    """What the choices in the definition change: unit, span, denominator, window, controls."""
    canvas, axes = panels(1, 3, height=3.4, sharey=True)
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
            if of_choice["rho"].notna().any():
                is_paper = (of_choice["variant"] == variants.PAPER.name).all()
                at_row(ax, of_choice["rho"], position, color=INK if is_paper else COLOR[task.name])
        ax.axvline(0, color=FAINT, linewidth=0.8)
        ax.set(title=f"{task.name.capitalize()}, n = {task.n}", xlabel=RHO)
    categories(axes[0, 0].yaxis, labels[::-1])
    return canvas


def dynamics(tables: Tables) -> Canvas:
    """Memorization during training, and of the second family."""
    canvas, axes = panels(1, 3, height=2.6)
    rows = of_ladder(tables)
    names = ladder(tables)
    for ax, letter, task in ((axes[0, 0], "a", FACTS), (axes[0, 1], "b", TRANSLATION)):
        of_task = select(rows, task, variant=variants.PAPER.name, n=task.n)
        looks = zip(names, shade(len(names)), beside(len(names), 3), strict=True)
        for name, color, shift in looks:
            of_model = of_task[of_task["model"] == name]
            if of_model["rho"].notna().any():
                label = f"{of_model['size'].iloc[0]:,} {SIZE}"
                points(ax, of_model, "snapshot", "rho", color=color, label=label, shift=shift)
        measured_ticks(ax.xaxis, of_task["snapshot"])
        zero_line(ax)
        ax.set(title=title(letter, task, task.n), xlabel="share of the training", ylabel=RHO)
    rows = generated(tables["memorization"])
    series = nulls(rows[rows["family"] == NEOX.name], FACTS)
    for family, style in zip(FAMILIES.values(), FAMILY_STYLES, strict=True):
        of_family = trained(rows, FACTS, family=family.name)
        style = {"color": COLOR[FACTS.name]} | style
        series.append(Series(of_family, family.label, style))
    rho_by_size(axes[0, 2], series)
    rho_axes(axes[0, 2], "c  Two families, facts")
    legend_below(canvas, 4)
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
    canvas, axes = panels(1, len(tasks), height=2.7)
    for ax, (source, task) in zip(axes[0], tasks, strict=True):
        of_task = rows[(rows["source"] == source) & (rows["task"] == task)]
        styles = zip(("shorter n", "longer n"), shade(2), (0.96, 1.04), strict=True)
        for n, (name, color, aside) in zip(sorted(of_task["n"].unique()), styles, strict=False):
            for variant, marker in PRETRAINED_MARKERS:
                of_line = of_task[(of_task["n"] == n) & (of_task["variant"] == variant.name)]
                of_line = of_line.assign(place=of_line["size"] * aside)
                style = {"color": color, "marker": marker}
                _study(ax, of_line, f"{name}, {variant.label}", **style)
        words = source.replace("world", "corpus "), task.replace("_", " ")
        rho_axes(ax, ":\n".join(words))
        measured_ticks(ax.xaxis, of_task["size"], 4)
    legend_below(canvas, 3)
    return canvas


def _study(ax: Axes, rows: pd.DataFrame, label: str, **options: Any) -> None:
    """ρ with its interval over examples, filled where that does not hold 0: significant."""
    rows = rows.dropna(subset=["rho"]).sort_values("size")
    if rows.empty:
        return
    ends = np.array([rows["rho"] - rows["low"], rows["high"] - rows["rho"]])
    lengths = np.maximum(np.nan_to_num(ends), 0)
    bars = {"linestyle": "none", "label": label, "color": options["color"]}
    ax.errorbar(rows["place"], rows["rho"], yerr=lengths, **bars, marker=options["marker"])
    is_significant = (rows["low"] > 0) | (rows["high"] < 0)
    for part, fill in ((rows[is_significant], options["color"]), (rows[~is_significant], "white")):
        style = {"markerfacecolor": fill, "markeredgecolor": options["color"]}
        ax.plot(part["place"], part["rho"], options["marker"], **style)
