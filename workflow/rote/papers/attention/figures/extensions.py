"""Figures beyond the paper: strong signals, variants, trained heads, real inputs."""

from collections.abc import Mapping
from itertools import product

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from rote.papers.attention.schema import Objective
from rote.plotting import INK, PALETTE, legend_below, log_ticks, panels, points, theory

Tables = Mapping[str, pd.DataFrame]
GAMMA, ERROR = "ridge γ", "memorization error E"


def strong(tables: Tables) -> Canvas:
    """Signals that reach the nonlinearity."""
    table = tables["variants"]
    table = table[table["figure"] == "strong"].assign(ratio=lambda r: r["error"] / r["ridge"])
    canvas, axes = panels(1, 2, width=3.5, height=2.8, sharey=True)
    titles = {"none": "a  No spike", "aligned": "b  Aligned spike"}
    for ax, (panel, title) in zip(axes[0], titles.items(), strict=True):
        rows = table[table["panel"] == panel]
        linear, tanh = (rows[rows["f"] == f] for f in ("linear", "tanh"))
        points(ax, linear, "x", "ratio", color=PALETTE[2], label="linear, simulated", line=False)
        points(ax, tanh, "x", "ratio", color=PALETTE[0], label="tanh, simulated", line=False)
        line = tanh.groupby("x")[["theory", "ridge_theory"]].first()
        ratio = line["theory"] / line["ridge_theory"]
        theory(ax, line.index, ratio, label="tanh, corrected theory", color=PALETTE[0])
        ax.axhline(1, color=INK, linewidth=1, label="theory for weak signals")
        ax.set(title=title, xscale="log", yscale="log", xlabel=r"$s = \mu^\top W\mu/\sqrt{p}$")
        log_ticks(ax.xaxis)
        log_ticks(ax.yaxis)
    axes[0, 0].set_ylabel("E(attention) / E(ridge)")
    axes[0, 0].legend()
    return canvas


def variants(tables: Tables) -> Canvas:
    """Beyond the paper's model."""
    table = tables["variants"]
    table = table[table["figure"].isin(["variants", "noises"])]
    names = list(dict.fromkeys(table["panel"]))
    columns = 4
    canvas, axes = panels(-(-len(names) // columns), columns, width=2.4, height=2.1, sharex=True)
    for ax in axes.ravel()[len(names) :]:
        ax.set_visible(False)
    for ax, name in zip(axes.ravel(), names, strict=False):
        rows = table[table["panel"] == name].sort_values("gamma")
        line = rows.groupby("gamma")["theory"].first()
        theory(ax, line.index, line, label="theory")
        points(ax, rows, "gamma", "error", color=PALETTE[0], line=False, label="simulation")
        ax.set(title=name, xscale="log", ylim=(-0.03, 1.03))
        ax.title.set_fontsize(8)
        ax.tick_params(labelbottom=True)
        ax.set_xlabel(GAMMA)
    for ax in axes[:, 0]:
        ax.set_ylabel(ERROR)
    axes[0, 0].legend()
    return canvas


OBJECTIVE_TITLES = {
    Objective.THEORY: "a  Descent of the theory",
    Objective.FRESH: "b  Fresh contexts",
    Objective.SAME: "c  One context, itself",
    Objective.ELSEWHERE: "d  One context, others",
}


def trained(tables: Tables) -> Canvas:
    """Weights learnt by gradient descent."""
    table = tables["trained"]
    table = table.assign(at=table["step"] + 1, key=table["key"].abs(), query=table["query"].abs())
    gammas = sorted(table["gamma"].unique())
    colors = (PALETTE[0], PALETTE[3], PALETTE[2], PALETTE[4])
    canvas, axes = panels(
        2, len(OBJECTIVE_TITLES), width=2.5, height=2.3, sharex=True, sharey="row"
    )
    for (cosines, error), (objective, title) in zip(axes.T, OBJECTIVE_TITLES.items(), strict=True):
        rows = table[table["objective"] == objective.value]
        for gamma, color in zip(gammas, colors, strict=False):
            _trained_panels(cosines, error, rows[rows["gamma"] == gamma], color)
        cosines.set(title=title, xscale="log")
        error.set(xlabel="step + 1")
        log_ticks(error.xaxis)
    axes[0, 0].set_ylabel("|cosine| with the signal")
    axes[1, 0].set_ylabel(ERROR)
    handles, labels = [], []
    for ax in axes[:, 0]:
        ax_handles, ax_labels = ax.get_legend_handles_labels()
        handles += ax_handles
        labels += ax_labels
    legend_below(canvas, 4, handles, labels)
    return canvas


def _trained_panels(cosines: Axes, error: Axes, rows: pd.DataFrame, color: object) -> None:
    """The heads of one ridge during training: their cosines with the signal, their errors."""
    name = f"γ = {rows['gamma'].iloc[0]:g}"
    points(cosines, rows, "at", "query", color=color, label=f"query, {name}")
    points(cosines, rows, "at", "key", color=color, marker="s", label=f"key, {name}", alpha=0.5)
    points(error, rows, "at", "error", color=color, label=f"attention, {name}")
    theory(error, [1, rows["at"].max()], [rows["ridge"].mean()] * 2, f"ridge, {name}", color=color)


def embeddings(tables: Tables) -> Canvas:
    """Real inputs as tokens."""
    table = tables["embeddings"].assign(gap=lambda r: r["error"] - r["ridge"])
    labels = [name for name in ("random", "real") if name in set(table["labels"])]
    functions = list(dict.fromkeys(table["f"]))
    colors = dict(zip(functions, PALETTE, strict=False))
    canvas, axes = panels(1, len(labels) + 1, width=3.2, height=2.9)
    errors, *gaps = axes[0]
    for f, color in colors.items():
        rows = table[(table["labels"] == "random") & (table["f"] == f)]
        for kind, linestyle in (("isotropic", ":"), ("anisotropic", "--")):
            curve = rows.groupby("gamma")[kind].first()
            theory(errors, curve.index, curve, label=None, color=color, linestyle=linestyle)
        points(errors, rows, "gamma", "error", color=color, line=False, label=f)
    errors.plot([], [], color=INK, linestyle="--", label="theory, measured spectrum")
    errors.plot([], [], color=INK, linestyle=":", label="theory, isotropic")
    errors.set(title="a  Random labels", ylabel=ERROR)
    errors.legend(fontsize=7)
    for (ax, name), (f, color) in product(zip(gaps, labels, strict=True), colors.items()):
        rows = table[(table["labels"] == name) & (table["f"] == f)]
        points(ax, rows, "gamma", "gap", color=color, label=f)
    for ax, name, panel in zip(gaps, labels, "bc", strict=False):
        ax.axhline(0, color=INK, linewidth=0.8)
        ax.set(title=f"{panel}  Gap, {name} labels", ylabel="E(attention) − E(ridge)")
    for ax in axes[0]:
        ax.set(xscale="log", xlabel=GAMMA)
    return canvas
