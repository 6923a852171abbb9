"""What networks know, and from where: influence (Fig. 5), wordings (Table 1), ablation."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

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
    select,
    size_axis,
    title,
    zero_line,
)
from rote.papers.distmem.sources import generated
from rote.papers.distmem.statistics import ablation_changes, ladder
from rote.papers.distmem.tasks import TASKS
from rote.papers.distmem.treatments import INJECTED, REMOVALS, TREATMENTS, UNCHANGED
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
    """Influence of documents with the pair and with its output only (Fig. 5)."""
    canvas, axes = panels(2, 3, width=3.2, height=2.5)
    rows = tables["influence"]
    for letter, task, column in zip("abc", TASKS.values(), axes.T, strict=True):
        products, cosines = column
        of_task = select(rows, task)
        _influence_lines(products, of_task, "pair", "output_only")
        _influence_lines(cosines, of_task, "pair_cosine", "output_only_cosine")
        products.set(title=title(letter, task), xlabel="")
    axes[0, 0].set_ylabel("Σ gradient products")
    axes[1, 0].set_ylabel("mean cosine")
    legend_below(canvas, 2, *axes[0, 0].get_legend_handles_labels())
    return canvas


def _influence_lines(ax: Axes, rows: pd.DataFrame, pair: str, output_only: str) -> None:
    styles = (
        (pair, PALETTE[2], "documents with the pair"),
        (output_only, PALETTE[0], "with its output only"),
    )
    for trained, suffix, line in ((True, "", "-"), (False, ", before training", ":")):
        of_stage = rows[rows["trained"] == trained]
        means = of_stage.groupby(["size", "source"])[[pair, output_only]].mean().reset_index()
        for column, color, label in styles if len(means) else ():
            points(ax, means, "size", column, color=color, label=label + suffix, linestyle=line)
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
    """Evidence removed and added."""
    canvas, axes = panels(1, 3, width=3.3, height=2.9)
    rows = ablation_changes(tables)
    _treatment_panel(axes[0, 0], rows)
    removals = rows[rows["treatment"].isin(REMOVALS)]
    removed = removals["documents_before"] - removals["documents_after"] + 1
    ax = axes[0, 1]
    ax.scatter(removed, removals["change"], s=10, color=PALETTE[3], alpha=0.6, linewidths=0)
    zero_line(ax)
    ax.set(
        xscale="log",
        title="b  Documents removed",
        xlabel="documents removed + 1",
        ylabel="change (nats)",
    )
    log_ticks(ax.xaxis)
    added = rows[rows["treatment"] == INJECTED.name]
    statements = added["documents_after"].clip(lower=1)
    means = added["logprob"].groupby(added["documents_after"]).mean()
    ax = axes[0, 2]
    color = PALETTE[2]
    ax.scatter(statements, added["logprob"], s=14, color=color, linewidths=0, label="one fact")
    ax.plot(means.index.to_numpy().clip(min=1), means, color=INK, linewidth=1, label="mean")
    ax.set(
        xscale="log",
        title="c  True statements added",
        xlabel="statements",
        ylabel="log-probability (nats)",
    )
    log_ticks(ax.xaxis)
    ax.legend()
    return canvas


def _treatment_panel(ax: Axes, rows: pd.DataFrame) -> None:
    """Mean change by treatment, from the bottom: noise, unchanged facts, what was removed."""
    means = rows.groupby(["source", "treatment"])["change"].mean().reset_index()
    noise = rows.groupby("source")["noise"].mean().reset_index(name="change")
    rows_shown = [("unchanged, other initialization", noise.assign(treatment="noise"), FAINT)]
    for treatment in (UNCHANGED, *(TREATMENTS[name] for name in reversed(REMOVALS))):
        of_treatment = means[means["treatment"] == treatment.name]
        rows_shown.append((treatment.label, of_treatment, PALETTE[3]))
    for position, (_, changes, color) in enumerate(rows_shown):
        table = spread(changes, "treatment", "change")
        ax.errorbar(table["mean"], [position], xerr=whiskers(table), fmt="o", color=color)
    ax.axvline(0, color=FAINT, linewidth=0.8)
    categories(ax.yaxis, [label for label, _, _ in rows_shown])
    ax.set(title="a  Change of log-probability", xlabel="nats")


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
