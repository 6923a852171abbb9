"""What networks know, and from where: influence (Fig. 5), wordings (Table 1), ablation."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from rote.papers.distmem.alternatives import OTHERS
from rote.papers.distmem.alternatives import TASK_GRAM as TASK_GRAM_OF_PAIRS
from rote.papers.distmem.estimators import (
    ANSWER,
    BM25,
    ESTIMATORS,
    NAME_AND_ANSWER,
    TASK_GRAM,
    TASK_GRAM_SMOOTHED,
)
from rote.papers.distmem.families import FAMILIES
from rote.papers.distmem.figures.common import (
    COLOR,
    RHO,
    SIZE,
    Series,
    Tables,
    of_ladder,
    rho_axes,
    rho_by_size,
    select,
    size_axis,
    title,
    zero_line,
)
from rote.papers.distmem.passages import COSINES, PRODUCTS
from rote.papers.distmem.sources import generated
from rote.papers.distmem.statistics import ablated, ablation_changes, ladder, recorrelated
from rote.papers.distmem.tasks import PRINCIPAL, TASKS
from rote.papers.distmem.treatments import DOSES, INJECTED, REMOVED, UNCHANGED, Treatment
from rote.plotting import (
    FAINT,
    INK,
    PALETTE,
    beside,
    categories,
    legend_below,
    log_ticks,
    panels,
    points,
    shade,
    spread,
    whiskers,
)

CONTRASTED = (ANSWER, TASK_GRAM, TASK_GRAM_SMOOTHED, NAME_AND_ANSWER, BM25)
_DRAWN = list(dict.fromkeys(one.name for one in (TASK_GRAM, *CONTRASTED, *OTHERS)))


def influence(tables: Tables) -> Canvas:
    """Influence of documents with the pair, with its output only, and matched ones (Fig. 5)."""
    canvas, axes = panels(2, 3, height=2.0)
    rows = tables["influence"]
    for letter, task, column in zip("abc", PRINCIPAL, axes.T, strict=True):
        products, cosines = column
        of_task = select(rows, task)
        _influence_lines(products, of_task, PRODUCTS)
        _influence_lines(cosines, of_task, COSINES)
        products.set(title=title(letter, task), xlabel="")
    axes[0, 0].set_ylabel("Σ gradient products")
    axes[1, 0].set_ylabel("mean cosine")
    legend_below(canvas, 3)
    return canvas


def _influence_lines(ax: Axes, rows: pd.DataFrame, columns: list[str]) -> None:
    colors = (PALETTE[4], PALETTE[5], PALETTE[9])
    labels = ("documents with the pair", "with its output only", "of those, matched in the prompt")
    for trained, suffix, step in ((True, "", 0), (False, ", before training", 2.5)):
        of_stage = rows[rows["trained"] == trained]
        means = of_stage.groupby(["size", "source"])[columns].mean().reset_index()
        styles = zip(columns, colors, labels, beside(len(columns), 5), strict=True)
        for column, color, label, shift in styles if len(means) else ():
            style = {"color": color, "shift": shift + step, "label": label + suffix}
            style |= {} if trained else {"markerfacecolor": "white"}
            points(ax, means, "size", column, **style)
    zero_line(ax)
    size_axis(ax)


def prompts(tables: Tables) -> Canvas:
    """Accuracy of other wordings against how common their 3-grams are (Table 1)."""
    canvas, axes = panels(1, 2, height=2.6)
    rows = generated(tables["prompts"])
    reworded = [task for task in TASKS.values() if task.wordings]
    for ax, task in zip(axes[0], reworded, strict=True):
        color = COLOR[task.name]
        styles = (("s", "white"), ("o", color))
        for name, (marker, face) in zip(ladder(tables)[-2:], styles, strict=True):
            of_model = select(rows, task, model=name)
            means = of_model.groupby("wording")[["mean_count", "accuracy"]].mean()
            ax.scatter(
                means["mean_count"] + 1,
                means["accuracy"],
                edgecolors=color,
                facecolors=face,
                marker=marker,
                s=16,
                label=f"{task.label}, {of_model['size'].iloc[0]:,} parameters",
            )
        ax.set(
            xscale="log",
            xlabel="occurrences of a prompt's 3-gram + 1",
            title=task.name.capitalize(),
            ylim=(-0.02, None),
        )
        log_ticks(ax.xaxis)
    axes[0, 0].set_ylabel("exact match")
    legend_below(canvas, 4)
    return canvas


def ablation(tables: Tables) -> Canvas:
    """Evidence moved to other subjects, removed and added: by dose, network and family."""
    canvas, axes = panels(1, 3, height=2.8)
    names = ablated(tables)
    rows = ablation_changes(tables)
    arms = [UNCHANGED, *DOSES, REMOVED]
    changes = rows.groupby(["source", "model", "treatment"])["relative"].mean().reset_index()
    rhos = recorrelated(tables)
    for number, (name, color) in enumerate(zip(names, shade(len(names)), strict=True)):
        shift = 0.12 * (number - (len(names) - 1) / 2)
        style = {"color": color, "label": _words(name), "marker": "p" if "llama" in name else "o"}
        _by_arm(axes[0, 0], changes[changes["model"] == name], arms, "relative", shift, style)
        _by_arm(axes[0, 1], rhos[rhos["model"] == name], arms, "after", shift, style)
        added = rows[(rows["model"] == name) & (rows["treatment"] == INJECTED.name)]
        added = added.assign(statements=added["documents_after"].clip(lower=1))
        options = {"color": color, "marker": style["marker"]}
        points(axes[0, 2], added, "statements", "relative", **options)
    before = rhos[rhos["model"] == names[-1]]
    style = {"color": FAINT, "marker": "x", "label": f"{_words(names[-1])}, not changed"}
    _by_arm(axes[0, 1], before, arms, "before", 0.3, style)
    style = {"color": INK, "marker": "+", "label": f"{_words(names[-1])}, with the changed ratios"}
    _by_arm(axes[0, 1], before, arms, "recounted", 0.4, style)
    noise = rows.groupby(["source", "model"])["noise"].mean().dropna().abs().max()
    axes[0, 0].axhspan(-noise, noise, color=FAINT, alpha=0.3, label="another initialization")
    for ax in axes[0, :2]:
        zero_line(ax)
        categories(ax.xaxis, ["0", *(f"{100 * dose.moved:g}" for dose in DOSES), "re-\nmoved"])
        ax.set(xlabel="documents moved (%)", xlim=(-0.6, len(arms) - 0.4))
    axes[0, 0].set(title="a  Log-probability", ylabel="change (nats)")
    axes[0, 1].set(title="b  Correlation", ylabel="ρ with the unchanged ratios")
    axes[0, 2].set(
        xscale="log",
        title="c  Statements added",
        xlabel="statements in the corpus",
        ylabel="change (nats)",
    )
    log_ticks(axes[0, 2].xaxis)
    zero_line(axes[0, 2])
    legend_below(canvas, 3)
    return canvas


def _words(name: str) -> str:
    """A network in words: its family and its width."""
    family, _, width = name.partition("-")
    return f"{FAMILIES[family].label}, width {width}"


def _by_arm(
    ax: Axes,
    rows: pd.DataFrame,
    arms: Sequence[Treatment],
    value: str,
    shift: float,
    style: Mapping[str, Any],
) -> None:
    """Mean and interval over corpora, arm by arm."""
    table = spread(rows, "treatment", value).set_index("treatment")
    table = table.reindex([arm.name for arm in arms])
    position = np.arange(len(arms)) + shift
    ax.errorbar(position, table["mean"], yerr=whiskers(table), linestyle="", **style)


def alternatives(tables: Tables) -> Canvas:
    """Other models of the corpus beside the task-gram, on every task."""
    canvas, axes = panels(1, 3, height=2.5)
    rows = of_ladder(tables, "alternatives")
    for letter, ax, task in zip("abc", axes[0], PRINCIPAL, strict=True):
        of_task = select(rows, task)
        series = [
            Series(of_task[of_task["estimator"] == one.name], one.label, _estimator(one.name))
            for one in (TASK_GRAM_OF_PAIRS, *OTHERS)
        ]
        rho_by_size(ax, series)
        rho_axes(ax, title(letter, task, task.n))
    if len(rows):
        legend_below(canvas, 4)
    return canvas


def estimators(tables: Tables) -> Canvas:
    """Simpler estimates of a fact from the corpus, beside the task-gram ratio."""
    rows = of_ladder(tables, "estimators")
    names = ladder(tables)
    means = rows.groupby(["estimator", "model"])["rho"].mean().unstack()
    means = means[names].sort_values(names[-1])
    canvas, axes = panels(1, 2, height=3.2, width_ratios=[1.15, 1])
    ax = axes[0, 0]
    ax.imshow(means.to_numpy(), cmap="RdBu_r", vmin=-1, vmax=1, aspect="auto", origin="lower")
    for (line, column), value in np.ndenumerate(means.to_numpy()):
        text = "–" if np.isnan(value) else f"{value:.2f}".replace("-", "−")
        color = "w" if abs(value) > 0.6 else INK
        ax.text(column, line, text, ha="center", va="center", fontsize=7, color=color)
    sizes = rows.drop_duplicates("model").set_index("model")["size"]
    categories(ax.xaxis, [f"{sizes[name] / 1000:.0f}k" for name in names])
    categories(ax.yaxis, [ESTIMATORS[name].label for name in means.index])
    ax.set(title="a  ρ with the log-probability of facts", xlabel=SIZE)
    ax = axes[0, 1]
    series = [
        Series(rows[rows["estimator"] == one.name], one.label, _estimator(one.name))
        for one in CONTRASTED
    ]
    rho_by_size(ax, series)
    zero_line(ax)
    ax.set(title="b  Five of them", ylabel=RHO)
    size_axis(ax)
    legend_below(canvas, 3)
    return canvas


def _estimator(name: str) -> dict[str, Any]:
    """How an estimate from the corpus is drawn, the same in all figures."""
    number = _DRAWN.index(name)
    colors = (INK, PALETTE[4], PALETTE[5], PALETTE[9], PALETTE[3], PALETTE[2], PALETTE[1])
    return {"color": colors[number], "marker": "osDv^PX"[number]}
