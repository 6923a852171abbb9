"""Accuracies of the tasks: by size, settings, frequency and confidence; text; calibration."""

from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from rote.papers.resmem import methods, tasks
from rote.papers.resmem.figures.methods import STYLES, TUNED, draw_method, task_title
from rote.papers.resmem.measures import Tables, of_arm, of_task, series
from rote.papers.resmem.task import FEATURES, INPUTS, LAST, SizeAxis
from rote.plotting import (
    FAINT,
    INK,
    PALETTE,
    at_row,
    beside,
    categories,
    heat,
    legend_below,
    measured_ticks,
    panels,
    points,
    shade,
)


def size(tables: Tables) -> Canvas:
    """Accuracy by size of the base and of the training set, every method."""
    accuracy = tables["accuracy"]
    present = set(accuracy["task"])
    drawn = [task for task in tasks.registry().values() if task.axis and task.name in present]
    canvas, axes = panels(2, len(drawn), height=2.2, sharey="col")
    for column, task in enumerate(drawn):
        rows = series(of_task(accuracy, task.name), task.axis.column)
        features = [kind for kind in FEATURES if kind in set(rows["features"])]
        ends = dict.fromkeys([features[0], features[-1]])  # the last layer, and the richest
        for ax, kind in zip(axes[:, column], ends, strict=False):
            _by_size(ax, rows[rows["features"] == kind], task.axis)
            ax.set_title(f"{task.title}:\n{FEATURES[kind].label}", fontsize=7)
    for ax in axes[:, 0]:
        ax.set_ylabel("test accuracy")
    for ax in axes.flat:
        ax.set_visible(ax.has_data())
    legend_below(canvas)
    return canvas


def _by_size(ax: Axes, rows: pd.DataFrame, axis: SizeAxis) -> None:
    """Every method at the sizes that were run, side by side so that none hides another."""
    sizes = sorted(rows[axis.column].unique())
    placed = rows.assign(place=rows[axis.column].map(sizes.index))
    for method, shift in zip(TUNED, beside(len(TUNED), 5), strict=True):
        draw_method(ax, placed, "place", method, shift=shift)
    ax.set_xlabel(axis.label)
    names = [f"{value:,}" if value else axis.zero or "0" for value in sizes]
    ax.set_xticks(range(len(sizes)), names, fontsize=6.5)
    ax.minorticks_off()
    ax.set_xlim(-0.5, len(sizes) - 0.5)


def regression(tables: Tables) -> Canvas:
    """Errors of base, memory alone and ResMem on every data set, side by side."""
    rows = tables["regression"]
    names = list(dict.fromkeys(rows["data"]))
    canvas, axes = panels(1, 1, height=2.6)
    ax = axes[0, 0]
    compared = (methods.BASE, methods.KNN, methods.RESMEM)
    placed = rows.assign(place=rows["data"].map(names.index))
    for method, shift in zip(compared, beside(3, 10), strict=True):
        draw_method(ax, placed, "place", method, shift=shift)
    categories(ax.xaxis, names)
    ax.set(ylim=(0, None), ylabel="mean squared error / variance", xlim=(-0.5, len(names) - 0.5))
    legend_below(canvas)
    return canvas


def examples(tables: Tables) -> Canvas:
    """Gain over the base, and over the memory alone."""
    rows = tables["accuracy"]
    rows = rows[rows["noise"] == 0]
    rows = rows.assign(
        over_base=100 * (rows["resmem"] - rows["base"]),
        over_knn=100 * (rows["resmem"] - rows["knn"]),
    )
    canvas, (over_base, over_knn) = _by_memory(rows, ("over_base", "over_knn"))
    over_base.set_title("a  ResMem − base")
    over_knn.set_title("b  ResMem − kNN alone")
    for ax in (over_base, over_knn):
        ax.axvline(0, color=FAINT, linewidth=0.8)
        ax.set_xlabel("points of accuracy")
    return canvas


def chosen(tables: Tables) -> Canvas:
    """Neighbors that validation data choose, and how many of them the search finds."""
    rows = tables["choices"]
    canvas, (neighbors, recall) = _by_memory(rows[rows["noise"] == 0], ("k", "recall"))
    neighbors.set(title="a  Neighbors chosen", xlabel="neighbors k; 0 is no memory")
    recall.set(title="b  Neighbors that the search finds", xlabel="recall", xlim=(None, 1.02))
    return canvas


def _by_memory(rows: pd.DataFrame, columns: tuple[str, str]) -> tuple[Canvas, list[Axes]]:
    """Mean and interval of a column per panel, a line per memory."""
    groups = [group for _, group in rows.groupby(["task", "arm", "features", "rows"], sort=False)]
    groups.reverse()
    canvas, axes = panels(1, len(columns), height=0.8 + 0.15 * len(groups), sharey=True)
    for ax, column in zip(axes[0], columns, strict=True):
        for position, group in enumerate(groups):
            look = STYLES[methods.RESMEM].marks(label=None, markersize=3)
            at_row(ax, group[column], position, **look)
        ax.set_ylim(-0.6, len(groups) - 0.4)
    categories(axes[0, 0].yaxis, [_memory_label(group.iloc[0]) for group in groups])
    axes[0, 0].tick_params(axis="y", labelsize=6.5)
    return canvas, list(axes[0])


def _memory_label(row: pd.Series) -> str:
    """A memory in words; its rows if they are not those that the base was trained on."""
    size = "" if row["rows"] == row["examples"] else f", {row['rows']:,} rows"
    return f"{task_title(row['task'])}: {row['label']}{size}, {FEATURES[row['features']].label}"


def grid(tables: Tables) -> Canvas:
    """Accuracy of ResMem over neighbors, bandwidth and temperature."""
    rows = of_arm(of_task(tables["grid"], "fine"))
    rows = rows[rows["features"] == LAST.name]
    mean = rows.groupby(["temperature", "k", "bandwidth"], as_index=False)["accuracy"].mean()
    temperatures = sorted(mean["temperature"].unique())
    ks = sorted(mean["k"].unique())
    bandwidths = sorted(mean["bandwidth"].unique())
    mean["row"] = mean["k"].map(ks.index)
    mean["column"] = mean["bandwidth"].map(bandwidths.index)
    limits = (float(mean["accuracy"].min()), float(mean["accuracy"].max()))
    canvas, axes = panels(1, len(temperatures), height=2.0, sharey=True)
    for ax, temperature in zip(axes[0], temperatures, strict=True):
        cells = mean[mean["temperature"] == temperature]
        label = "test accuracy" if temperature == temperatures[-1] else None
        grid = cells.pivot(index="row", columns="column", values="accuracy")
        heat(ax, grid, label=label, limits=limits)
        categories(ax.xaxis, [_number(bandwidth) for bandwidth in bandwidths])
        ax.set(title=f"T = {_number(temperature)}", xlabel="bandwidth")
    categories(axes[0, 0].yaxis, ks)
    axes[0, 0].set_ylabel("neighbors k")
    return canvas


def _number(value: float) -> str:
    return "∞" if np.isinf(value) else f"{value:g}"


def labels(tables: Tables) -> Canvas:
    """Label noise on digits under a linear base."""
    rows = of_task(tables["accuracy"], "digits")
    rows = rows[rows["units"] == 0]
    sweeps = of_task(tables["sweeps"], "digits")
    sweeps = sweeps[(sweeps["units"] == 0) & (sweeps["setting"] == "k")]
    canvas, axes = panels(1, 2, height=2.5, sharey=True)
    tuned, plain = axes[0]
    for method, shift in zip(TUNED, beside(len(TUNED)), strict=True):
        draw_method(tuned, rows, "noise", method, line=True, shift=shift)
    ks = sorted(sweeps["value"].unique())
    shifts = beside(len(ks) + 1, 3)
    for k, color, shift in zip(ks, shade(len(ks)), shifts, strict=False):
        swept = sweeps[sweeps["value"] == k]
        style = {"color": color, "label": f"ResMem, k = {k:g}", "shift": shift}
        points(plain, swept, "noise", "accuracy", line=True, **style)
    draw_method(plain, rows, "noise", methods.BASE, line=True, shift=shifts[-1])
    tuned.set_title("a  Tuned on clean images")
    plain.set_title("b  ResMem at fixed k, T = 1")
    for ax in axes[0]:
        ax.set_xlabel("share of labels drawn anew")
        measured_ticks(ax.xaxis, rows["noise"])
    legend_below(canvas)
    tuned.set_ylabel("test accuracy")
    return canvas


def frequency(tables: Tables) -> Canvas:
    """The long tail: accuracy by how often a subpopulation was in training."""
    parts = of_task(tables["parts"], "longtail")
    parts = parts[parts["partition"] == "frequency"]
    sizes = sorted(parts["rows"].unique())
    middle = sizes[len(sizes) // 2]
    parts = parts[parts["rows"] == middle]
    parts = parts.assign(tenth=parts["part"].astype(int) + 1)
    canvas, axes = panels(1, 2, height=2.5, sharey=True)
    for ax, layer in zip(axes[0], (LAST, INPUTS), strict=True):
        for method, shift in zip(("base", "knn", "resmem"), (0, -2, 2), strict=True):
            of_layer = parts[parts["features"] == layer.name]
            draw_method(ax, of_layer, "tenth", method, line=True, shift=shift)
        ax.set(
            title=f"n = {middle:,}, memory of the {layer.label}",
            xlabel="tenth of the test set, rarest first",
        )
    axes[0, 0].set_ylabel("test accuracy")
    legend_below(canvas)
    return canvas


class ShareLine(NamedTuple):
    """One share of the test set, over the bases."""

    part: str
    label: str
    color: object


def helps(tables: Tables) -> Canvas:
    """Where the memory helps: by confidence of the base, by what it flips, by coarse class."""
    parts = of_task(tables["parts"], "fine")
    parts = series(parts[parts["features"] == LAST.name], "width")
    canvas, axes = panels(1, 3, height=2.5)
    by_confidence, flips, coarse = axes[0]
    smallest = of_arm(parts)
    quarters = smallest[smallest["partition"] == "confidence"]
    quarters = quarters.assign(quarter=quarters["part"].astype(int) + 1)
    for method, shift in zip(("base", "knn", "resmem"), beside(3, 5), strict=True):
        draw_method(by_confidence, quarters, "quarter", method, shift=shift)
    measured_ticks(by_confidence.xaxis, quarters["quarter"])
    by_confidence.set(
        title=f"a  By confidence, {smallest['label'].iloc[0]}",
        xlabel="quarter of the base's confidence",
        ylabel="test accuracy",
    )
    fixed = ShareLine("fixed", "errors that ResMem fixes", PALETTE[0])
    _shares(
        flips,
        parts[parts["partition"] == "flips"],
        [fixed, ShareLine("broken", "answers that it spoils", PALETTE[3])],
    )
    flips.set(title="b  Flips", ylabel="share of the test set")
    wrong = ShareLine("wrong", "all errors of the base", INK)
    _shares(coarse, parts[parts["partition"] == "coarse"], [fixed, wrong])
    coarse.set(title="c  Coarse class right", ylabel="share of these errors")
    legend_below(canvas)
    return canvas


def _shares(ax: Axes, parts: pd.DataFrame, lines: list[ShareLine]) -> None:
    """Shares of the test set over the bases, which are named at the axis."""
    widths = list(dict.fromkeys(parts["width"]))
    parts = parts.assign(position=parts["width"].map(widths.index))
    for line, shift in zip(lines, beside(len(lines), 6), strict=True):
        rows = parts[parts["part"] == line.part]
        style = {"color": line.color, "label": line.label, "shift": shift}
        points(ax, rows, "position", "share", **style)
    categories(ax.xaxis, list(dict.fromkeys(parts["label"])))
    ax.set(ylim=(0, None), xlim=(-0.5, len(widths) - 0.5))


# of the table of calibrations; most characters have no vote at all of the memory alone
TEXT_METHODS = (methods.BASE, methods.CLIPPED, methods.INTERPOLATION)


def text(tables: Tables) -> Canvas:
    """Next characters: accuracy and log-probability by memory size."""
    accuracy = of_task(tables["accuracy"], "text")
    calibrated = of_task(tables["calibration"], "text")
    sizes = list(dict.fromkeys(accuracy["units"]))
    canvas, axes = panels(2, len(sizes), height=2.0, sharex=True, sharey="row")
    for (above, below), units in zip(axes.T, sizes, strict=True):
        rows = of_arm(accuracy, units=units)
        shifts = dict(zip((*TUNED, methods.CLIPPED), (*beside(4, 6), 3), strict=True))
        for method in TUNED:
            draw_method(above, rows, "rows", method, shift=shifts[method])
        losses = of_arm(calibrated, units=units)
        for method in TEXT_METHODS:
            of_method = losses[losses["method"] == method]
            draw_method(below, of_method, "rows", method, "nll", shift=shifts[method])
        above.set(title=f"Hidden layers of {rows['label'].iloc[0]}", xscale="log")
        below.set(xlabel="positions remembered", xscale="log")
        measured_ticks(below.xaxis, rows["rows"])
    axes[0, 0].set_ylabel("accuracy")
    axes[1, 0].set_ylabel("neg. log-prob. (nats)")
    legend_below(canvas)
    return canvas


CALIBRATION_LABELS = {
    "accuracy": "accuracy",
    "nll": "neg. log-prob. (nats)",
    "ece": "calibration error",
    "brier": "Brier score",
}


def calibration(tables: Tables) -> Canvas:
    """How well probabilities made of scores say what will be."""
    rows = of_arm(of_task(tables["calibration"], "fine"))
    rows = rows[rows["features"] == LAST.name]
    present = list(dict.fromkeys(rows["method"]))[::-1]
    canvas, axes = panels(1, len(CALIBRATION_LABELS), height=2.3, sharey=True)
    for ax, (column, label) in zip(axes[0], CALIBRATION_LABELS.items(), strict=True):
        for position, method in enumerate(present):
            values = rows.loc[rows["method"] == method, column]
            ax.plot(values, np.full(len(values), position), "o", color=PALETTE[0], markersize=3)
            ax.plot(values.mean(), position, "|", color=INK, markersize=11, markeredgewidth=2)
        ax.set(xlabel=label)
    categories(axes[0, 0].yaxis, [methods.LABELS[method] for method in present])
    return canvas
