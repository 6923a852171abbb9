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
    zero_line,
)
from rote.papers.distmem.influence import COSINES, PRODUCTS
from rote.papers.distmem.sources import generated
from rote.papers.distmem.statistics import ablated, ablation_changes, ladder, recorrelated
from rote.papers.distmem.tasks import PRINCIPAL, TASKS
from rote.papers.distmem.treatments import DOSES, INJECTED, REMOVED, UNCHANGED, Treatment
from rote.plotting import (
    FAINT,
    INK,
    PALETTE,
    categories,
    legend_below,
    log_ticks,
    panels,
    points,
    spread,
    whiskers,
)

CONTRASTED = (ANSWER, TASK_GRAM, TASK_GRAM_SMOOTHED, NAME_AND_ANSWER, BM25)


def influence(tables: Tables) -> Canvas:
    """Influence of documents with the pair, with its output only, and matched ones (Fig. 5)."""
    canvas, axes = panels(2, 3, width=3.2, height=2.5)
    rows = tables["influence"]
    for letter, task, column in zip("abc", PRINCIPAL, axes.T, strict=True):
        products, cosines = column
        of_task = select(rows, task)
        _influence_lines(products, of_task, PRODUCTS)
        _influence_lines(cosines, of_task, COSINES)
        products.set(title=title(letter, task), xlabel="")
    axes[0, 0].set_ylabel("Σ gradient products")
    axes[1, 0].set_ylabel("mean cosine")
    legend_below(canvas, 3, *axes[0, 0].get_legend_handles_labels())
    return canvas


def _influence_lines(ax: Axes, rows: pd.DataFrame, columns: list[str]) -> None:
    colors = (PALETTE[2], PALETTE[0], PALETTE[3])
    labels = ("documents with the pair", "with its output only", "of those, matched in the prompt")
    for trained, suffix, line in ((True, "", "-"), (False, ", before training", ":")):
        of_stage = rows[rows["trained"] == trained]
        means = of_stage.groupby(["size", "source"])[columns].mean().reset_index()
        styles = zip(columns, colors, labels, (0.93, 1.0, 1.07), strict=True)
        for column, color, label, beside in styles if len(means) else ():
            shifted = means.assign(size=means["size"] * beside * (1.0 if trained else 1.02))
            points(ax, shifted, "size", column, color=color, label=label + suffix, linestyle=line)
    zero_line(ax)
    size_axis(ax)


def prompts(tables: Tables) -> Canvas:
    """Accuracy of other wordings against how common their 3-grams are (Table 1)."""
    canvas, axes = panels(1, 2, width=3.8, height=3.0)
    rows = generated(tables["prompts"])
    reworded = [task for task in TASKS.values() if task.wordings]
    for ax, task in zip(axes[0], reworded, strict=True):
        styles = ((PALETTE[7], "s"), (COLOR[task.name], "o"))
        for name, (color, marker) in zip(ladder(tables)[-2:], styles, strict=True):
            of_model = select(rows, task, model=name)
            means = of_model.groupby("wording")[["mean_count", "accuracy"]].mean()
            ax.scatter(
                means["mean_count"] + 1,
                means["accuracy"],
                color=color,
                marker=marker,
                s=26,
                label=f"{of_model['size'].iloc[0]:,} parameters",
            )
        ax.set(
            xscale="log",
            xlabel="mean occurrences of the prompt's 3-grams + 1",
            title=task.name.capitalize(),
            ylim=(-0.02, None),
        )
        log_ticks(ax.xaxis)
        ax.legend()
    axes[0, 0].set_ylabel("exact match")
    return canvas


def ablation(tables: Tables) -> Canvas:
    """Evidence moved to other subjects, removed and added: by dose, network and family."""
    canvas, axes = panels(1, 3, width=3.6, height=3.1)
    names = ablated(tables)
    rows = ablation_changes(tables)
    arms = [UNCHANGED, *DOSES, REMOVED]
    changes = rows.groupby(["source", "model", "treatment"])["relative"].mean().reset_index()
    rhos = recorrelated(tables)
    for number, (name, color) in enumerate(zip(names, PALETTE, strict=False)):
        shift = 0.12 * (number - (len(names) - 1) / 2)
        style = {"color": color, "label": name, "marker": "s" if "llama" in name else "o"}
        _by_arm(axes[0, 0], changes[changes["model"] == name], arms, "relative", shift, style)
        _by_arm(axes[0, 1], rhos[rhos["model"] == name], arms, "after", shift, style)
        added = rows[(rows["model"] == name) & (rows["treatment"] == INJECTED.name)]
        added = added.assign(statements=added["documents_after"].clip(lower=1))
        options = {"line": False, "color": color, "marker": style["marker"]}
        points(axes[0, 2], added, "statements", "relative", **options)
    before = rhos[rhos["model"] == names[-1]]
    style = {"color": FAINT, "marker": "x", "label": f"{names[-1]}, not changed"}
    _by_arm(axes[0, 1], before, arms, "before", 0.3, style)
    style = {"color": INK, "marker": "+", "label": f"{names[-1]}, with the changed ratios"}
    _by_arm(axes[0, 1], before, arms, "recounted", 0.4, style)
    noise = rows.groupby(["source", "model"])["noise"].mean().dropna().abs().max()
    axes[0, 0].axhspan(-noise, noise, color=FAINT, alpha=0.3, label="another initialization")
    for ax in axes[0, :2]:
        zero_line(ax)
        categories(ax.xaxis, ["0 %", *(f"{100 * dose.moved:g} %" for dose in DOSES), "removed"])
        ax.set(xlabel="documents moved to other subjects", xlim=(-0.6, len(arms) - 0.4))
    axes[0, 0].set(title="a  Log-probability of the fact", ylabel="change against unchanged (nats)")
    axes[0, 1].set(title="b  Correlation, recomputed", ylabel="ρ with the unchanged ratios")
    axes[0, 2].set(
        xscale="log",
        title="c  True statements added",
        xlabel="statements in the corpus",
        ylabel="change against unchanged (nats)",
    )
    log_ticks(axes[0, 2].xaxis)
    zero_line(axes[0, 2])
    handles, labels = axes[0, 0].get_legend_handles_labels()
    more = axes[0, 1].get_legend_handles_labels()
    legend_below(canvas, 4, [*handles, *more[0][-2:]], [*labels, *more[1][-2:]], fontsize=8)
    return canvas


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
    canvas, axes = panels(1, 3, width=3.3, height=2.9)
    rows = of_ladder(tables, "alternatives")
    for letter, ax, task in zip("abc", axes[0], PRINCIPAL, strict=True):
        of_task = select(rows, task)
        for number, (one, color) in enumerate(
            zip((TASK_GRAM_OF_PAIRS, *OTHERS), PALETTE, strict=False)
        ):
            of_one = of_task[of_task["estimator"] == one.name]
            shifted = of_one.assign(size=of_one["size"] * (0.94 + 0.04 * number))
            rho_line(ax, shifted, one.label, color=color)
        rho_axes(ax, title(letter, task, task.n))
    if len(rows):
        legend_below(canvas, 4, *axes[0, 0].get_legend_handles_labels())
    return canvas


def estimators(tables: Tables) -> Canvas:
    """Simpler estimates of a fact from the corpus, beside the task-gram ratio."""
    rows = of_ladder(tables, "estimators")
    names = ladder(tables)
    means = rows.groupby(["estimator", "model"])["rho"].mean().unstack()
    means = means[names].sort_values(names[-1])
    canvas, axes = panels(1, 2, width=4.3, height=3.6, width_ratios=[1.15, 1])
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
    for estimator, color in zip(CONTRASTED, PALETTE, strict=False):
        of_estimator = rows[rows["estimator"] == estimator.name]
        points(ax, of_estimator, "size", "rho", color=color, label=estimator.label)
    zero_line(ax)
    ax.set(title="b  Five of them", ylabel=RHO)
    size_axis(ax)
    legend_below(canvas, 3, *ax.get_legend_handles_labels(), fontsize=7)
    return canvas
