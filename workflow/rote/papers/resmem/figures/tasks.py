"""Accuracies of the tasks: by size, settings, frequency and confidence; text; calibration."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure as Canvas

from rote.papers.resmem.figures.methods import METHODS, NAMES, legend
from rote.plotting import (
    FAINT,
    INK,
    PALETTE,
    categories,
    heat,
    log_ticks,
    panels,
    points,
    shade,
    spread,
)

Tables = Mapping[str, pd.DataFrame]
TASKS = {
    "digits": "Digits, hidden units",
    "longtail": "Long tail, training images",
    "fine": "Coarse and fine, width",
    "mnist": "MNIST-10k, width",
    "cifar": "CIFAR-100, depth",
}


def _series(task: str, rows: pd.DataFrame) -> pd.DataFrame:
    """The arms of a task along one axis: hidden units, training images, or width; others left out."""
    if task == "digits":
        rows = rows[rows["noise"] == 0]
        x = rows["arm"].map(lambda arm: 0 if arm == "linear" else int(arm.split()[0]))
    elif task == "longtail":
        first = rows["arm"].iloc[0].split(",")[0]
        rows = rows[rows["arm"].str.startswith(first)]
        x = rows["rows"]
    else:
        rows = rows[rows["arm"].str.fullmatch(r"depth \d+" if task == "cifar" else r"width \d+")]
        x = rows["arm"].str.split().str[1].astype(int)
    return rows.assign(x=x)


def size(tables: Tables) -> Canvas:
    """Accuracy by size of the base and of the training set, every method."""
    rows = tables["accuracy"]
    shown = [task for task in TASKS if task in set(rows["task"])]
    canvas, axes = panels(2, len(shown), width=2.7, height=2.4, sharey="col")
    for column, task in enumerate(shown):
        some = _series(task, rows[rows["task"] == task])
        kinds = [kind for kind in ("last", "map", "inputs") if kind in set(some["features"])]
        for ax, kind in zip(axes[:, column], kinds[:: max(1, len(kinds) - 1)][:2], strict=False):
            part = some[some["features"] == kind] if kind in kinds else some
            for method, (color, marker) in METHODS.items():
                points(ax, part, "x", method, color=color, marker=marker, label=NAMES[method])
            what = {"last": "last layer", "map": "feature map", "inputs": "inputs"}[kind]
            ax.set(title=f"{TASKS[task].split(',')[0]}: {what}", xlabel=TASKS[task].split(", ")[1])
            ax.set_xscale(
                "symlog" if task == "digits" else "log",
                **({"linthresh": 2} if task == "digits" else {}),
            )
            if task != "digits":
                log_ticks(ax.xaxis)
            else:
                units = sorted(part["x"].unique())
                ax.set_xticks(units, ["linear" if u == 0 else str(u) for u in units], fontsize=6.5)
                ax.minorticks_off()
    for ax in axes[:, 0]:
        ax.set_ylabel("test accuracy")
    for ax in axes.flat:
        ax.set_visible(ax.has_data())
    legend(canvas, axes[0, 0])
    return canvas


def examples(tables: Tables) -> Canvas:
    """Gain over the base, and over the memory alone."""
    rows = tables["accuracy"]
    rows = rows[rows["noise"] == 0]
    found = rows.assign(
        over_base=100 * (rows["resmem"] - rows["base"]),
        over_knn=100 * (rows["resmem"] - rows["knn"]),
    )
    keys = ["task", "arm", "features", "rows"]
    groups = [(key, some) for key, some in found.groupby(keys, sort=False)][::-1]
    canvas, axes = panels(1, 2, width=3.9, height=0.8 + 0.17 * len(groups), sharey=True)
    for ax, column, title in (
        (axes[0, 0], "over_base", "a  ResMem − base"),
        (axes[0, 1], "over_knn", "b  ResMem − kNN alone"),
    ):
        for place, (_, some) in enumerate(groups):
            table = spread(some.assign(all=0), "all", column).iloc[0]
            ax.plot([table["low"], table["high"]], [place, place], color=PALETTE[0])
            ax.plot(table["mean"], place, "o", color=PALETTE[0])
        ax.axvline(0, color=FAINT, linewidth=0.8)
        ax.set(title=title, xlabel="points of accuracy", ylim=(-0.6, len(groups) - 0.4))
    names = [
        f"{task}: {arm}{f', {rows_:,} rows' if task == 'text' else ''}, {kind}"
        for (task, arm, kind, rows_), _ in groups
    ]
    categories(axes[0, 0].yaxis, names)
    axes[0, 0].tick_params(axis="y", labelsize=6.5)
    return canvas


def grid(tables: Tables) -> Canvas:
    """Accuracy of ResMem over neighbors, bandwidth and temperature."""
    rows = tables["grid"]
    some = rows[(rows["task"] == "fine") & (rows["features"] == "last")]
    some = some[some["arm"] == sorted(some["arm"].unique())[0]]
    temperatures = [t for t in sorted(some["temperature"].unique()) if t > 0] + [-1.0]
    canvas, axes = panels(1, len(temperatures), width=2.1, height=2.3, sharey=True)
    mean = some.groupby(["temperature", "k", "bandwidth"], as_index=False)["accuracy"].mean()
    limits = (float(mean["accuracy"].min()), float(mean["accuracy"].max()))
    ks, widths = (
        sorted(mean["k"].unique()),
        [b for b in sorted(mean["bandwidth"].unique()) if b > 0] + [-1.0],
    )
    mean["row"], mean["column"] = mean["k"].map(ks.index), mean["bandwidth"].map(widths.index)
    for ax, temperature in zip(axes[0], temperatures, strict=True):
        last = temperature == temperatures[-1]
        heat(
            canvas,
            ax,
            mean[mean["temperature"] == temperature],
            "column",
            "row",
            "accuracy",
            "test accuracy" if last else None,
            limits,
        )
        categories(ax.xaxis, ["∞" if w < 0 else f"{w:g}" for w in widths])
        ax.set(title=f"T = {'∞' if temperature < 0 else f'{temperature:g}'}", xlabel="bandwidth")
    categories(axes[0, 0].yaxis, ks)
    axes[0, 0].set_ylabel("neighbors k")
    return canvas


def labels(tables: Tables) -> Canvas:
    """Label noise on digits under a linear base."""
    rows, sweeps = tables["accuracy"], tables["sweeps"]
    rows = rows[(rows["task"] == "digits") & rows["arm"].str.startswith("linear")]
    known = rows.drop_duplicates("arm").set_index("arm")["noise"]
    canvas, axes = panels(1, 2, width=3.4, height=2.8, sharey=True)
    for method, (color, marker) in METHODS.items():
        points(axes[0, 0], rows, "noise", method, color=color, marker=marker, label=NAMES[method])
    sweeps = sweeps[
        (sweeps["task"] == "digits") & sweeps["arm"].isin(known.index) & (sweeps["over"] == "k")
    ]
    sweeps = sweeps.assign(noise=sweeps["arm"].map(known))
    ks = sorted(sweeps["value"].unique())
    for k, color in zip(ks, shade(len(ks)), strict=True):
        points(
            axes[0, 1],
            sweeps[sweeps["value"] == k],
            "noise",
            "accuracy",
            color=color,
            label=f"k = {k:g}",
        )
    points(axes[0, 1], rows, "noise", "base", color=INK, label="base", linestyle="--")
    for ax, title in (
        (axes[0, 0], "a  Tuned on clean images"),
        (axes[0, 1], "b  ResMem at fixed k, T = 1"),
    ):
        ax.set(xlabel="share of labels drawn anew", title=title)
        ax.legend(fontsize=7)
    axes[0, 0].set_ylabel("test accuracy")
    return canvas


def frequency(tables: Tables) -> Canvas:
    """The long tail: accuracy by how often a subpopulation was in training."""
    rows = tables["parts"]
    rows = rows[(rows["task"] == "longtail") & (rows["by"] == "frequency")]
    middle = sorted(rows["rows"].unique())[len(rows["rows"].unique()) // 2]
    rows = rows[rows["rows"] == middle]
    canvas, axes = panels(1, 2, width=3.4, height=2.7, sharey=True)
    for ax, kind in zip(axes[0], ("last", "inputs"), strict=True):
        some = rows[rows["features"] == kind].assign(tenth=lambda r: r["part"].astype(int) + 1)
        for method in ("base", "knn", "resmem"):
            color, marker = METHODS[method]
            points(ax, some, "tenth", method, color=color, marker=marker, label=NAMES[method])
        what = "last layer" if kind == "last" else "inputs"
        ax.set(
            title=f"n = {middle}, memory of the {what}",
            xlabel="tenth of the test set, rarest first",
        )
    axes[0, 0].set_ylabel("test accuracy")
    axes[0, 0].legend()
    return canvas


def helps(tables: Tables) -> Canvas:
    """Where the memory helps: by confidence of the base, by what it flips, and within coarse
    classes.
    """
    rows = tables["parts"]
    rows = rows[(rows["task"] == "fine") & (rows["features"] == "last")]
    arms = [arm for arm in dict.fromkeys(rows["arm"]) if "," not in arm]
    canvas, axes = panels(1, 3, width=3.1, height=2.7)
    ax, smallest = axes[0, 0], rows[(rows["arm"] == arms[0]) & (rows["by"] == "confidence")]
    smallest = smallest.assign(quarter=smallest["part"].astype(int) + 1)
    for method in ("base", "knn", "resmem"):
        color, marker = METHODS[method]
        points(ax, smallest, "quarter", method, color=color, marker=marker, label=NAMES[method])
    ax.set(
        title=f"a  By confidence, {arms[0]}",
        xlabel="quarter of the base's confidence",
        ylabel="test accuracy",
    )
    ax.legend()
    for ax, by, parts, title, label in (
        (axes[0, 1], "flips", ("fixed", "broken"), "b  Flips", "share of the test set"),
        (axes[0, 2], "coarse", ("fixed", "wrong"), "c  Coarse class right already", "share"),
    ):
        for part, color in zip(
            parts, (PALETTE[0], PALETTE[3] if by == "flips" else INK), strict=True
        ):
            some = rows[(rows["by"] == by) & (rows["part"] == part) & rows["arm"].isin(arms)]
            some = some.assign(place=some["arm"].map(arms.index))
            name = {
                "wrong": "all errors of the base",
                "fixed": "errors that ResMem fixes",
                "broken": "it breaks",
            }[part]
            points(ax, some, "place", "share", color=color, label=name)
        categories(ax.xaxis, arms)
        ax.set(title=title, ylabel=label, ylim=(0, None))
        ax.legend(fontsize=7)
    return canvas


def text(tables: Tables) -> Canvas:
    """Next characters: accuracy and log-probability by memory size."""
    rows, calibrated = tables["accuracy"], tables["calibration"]
    rows, calibrated = rows[rows["task"] == "text"], calibrated[calibrated["task"] == "text"]
    arms = list(dict.fromkeys(rows["arm"]))
    canvas, axes = panels(2, len(arms), width=3.3, height=2.3, sharex=True, sharey="row")
    methods = {"base": "base", "kNN": "knn", "ResMem, clipped": "resmem", "kNN-LM": "mix"}
    for column, arm in enumerate(arms):
        for method, (color, marker) in METHODS.items():
            points(
                axes[0, column],
                rows[rows["arm"] == arm],
                "rows",
                method,
                color=color,
                marker=marker,
                label=NAMES[method],
            )
        for name, method in methods.items():
            color, marker = METHODS[method]
            some = calibrated[(calibrated["arm"] == arm) & (calibrated["method"] == name)]
            if method != "knn":  # most characters have no vote at all
                points(
                    axes[1, column],
                    some,
                    "rows",
                    "nll",
                    color=color,
                    marker=marker,
                    label=NAMES[method],
                )
        axes[0, column].set(title=f"Hidden layers of {arm}", xscale="log")
        axes[1, column].set(xlabel="positions remembered", xscale="log")
        log_ticks(axes[1, column].xaxis)
    axes[0, 0].set_ylabel("accuracy")
    axes[1, 0].set_ylabel("negative log-prob. (nats)")
    legend(canvas, axes[0, 0])
    return canvas


def calibration(tables: Tables) -> Canvas:
    """How well probabilities made of scores say what will be."""
    rows = tables["calibration"]
    rows = rows[(rows["task"] == "fine") & (rows["features"] == "last")]
    rows = rows[rows["arm"] == rows["arm"].iloc[0]]
    methods = list(dict.fromkeys(rows["method"]))[::-1]
    canvas, axes = panels(1, 4, width=2.1, height=2.5, sharey=True)
    shown = (
        ("accuracy", "accuracy"),
        ("nll", "neg. log-prob. (nats)"),
        ("ece", "calibration error"),
        ("brier", "Brier score"),
    )
    for ax, (column, label) in zip(axes[0], shown, strict=True):
        for place, method in enumerate(methods):
            values = rows.loc[rows["method"] == method, column]
            ax.plot(values, np.full(len(values), place), "o", color=PALETTE[0], markersize=3)
            ax.plot(values.mean(), place, "|", color=INK, markersize=11, markeredgewidth=2)
        ax.set(xlabel=label)
    categories(axes[0, 0].yaxis, methods)
    return canvas
