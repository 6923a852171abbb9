"""Figures beyond the paper: strong signals, variants, trained heads, real inputs."""

from itertools import product

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from rote.papers.attention.figures.style import ERROR, FUNCTIONS, GAMMA, GAP, Tables, look_of
from rote.papers.attention.schema import Objective
from rote.plotting import (
    INK,
    PALETTE,
    beside,
    compared,
    legend_below,
    log_ticks,
    measured_ticks,
    panels,
    points,
    residuals,
    shade,
    theory,
)


def strong(tables: Tables) -> Canvas:
    """Signals that reach the nonlinearity."""
    table = tables["variants"]
    table = table[table["figure"] == "strong"]
    table = table[table["gamma"] == table["gamma"].min()].assign(
        ratio=lambda rows: rows["error"] / rows["ridge"],
        corrected=lambda rows: rows["theory"] / rows["ridge_theory"],
    )
    canvas, axes, strips = compared(1, 2, sharey="row")
    titles = {"none": "a  No spike", "aligned": "b  Aligned spike"}
    for ax, strip, (panel, title) in zip(axes[0], strips[0], titles.items(), strict=True):
        rows = table[table["panel"] == panel]
        linear, tanh = (rows[rows["f"] == f] for f in ("linear", "tanh"))
        line = tanh.groupby("x")["corrected"].first()
        style = {"label": "tanh, theory of strong signals", "linestyle": "--"}
        theory(ax, line.index, line, color=FUNCTIONS["tanh"].color, **style)
        ax.axhline(1, color=INK, linewidth=1, label="theory for weak signals")
        points(ax, linear, "x", "ratio", **FUNCTIONS["linear"].marks())
        points(ax, tanh, "x", "ratio", **FUNCTIONS["tanh"].marks())
        residuals(strip, tanh, "x", "ratio", "corrected", **FUNCTIONS["tanh"].marks())
        ax.set(title=title, xscale="log", yscale="log")
        strip.set_xlabel(r"$s = \mu^\top W\mu/\sqrt{p}$")
        measured_ticks(strip.xaxis, rows["x"])
        log_ticks(ax.yaxis)
    strips[0, 1].set_ylabel("")
    axes[0, 0].set_ylabel("E(attention) / E(ridge)")
    legend_below(canvas)
    return canvas


def _at_points(ax: Axes, values: pd.Series, **options) -> None:
    """Theory at the places of simulations alone: a bar each, no line between them."""
    style = {"marker": "_", "markersize": 9, "markeredgewidth": 1.2, "linestyle": "none"}
    ax.plot(values.index, values, **({"color": INK} | style | options))


def variants(tables: Tables) -> Canvas:
    """Beyond the paper's model."""
    table = tables["variants"]
    table = table[table["figure"].isin(["variants", "noises"])]
    names = list(dict.fromkeys(table["panel"]))
    columns = 4
    canvas, axes, strips = compared(-(-len(names) // columns), columns, height=2.1)
    for ax, strip, name in zip(axes.flat, strips.flat, names, strict=False):
        rows = table[table["panel"] == name].sort_values("gamma")
        _at_points(ax, rows.groupby("gamma")["theory"].first(), label="its own theory")
        points(ax, rows, "gamma", "error", color=PALETTE[0], label="simulation")
        residuals(strip, rows, "gamma", "error", "theory", color=PALETTE[0])
        ax.set_title(name.replace(", ", ",\n"), fontsize=7)
        ax.set(xscale="log", ylim=(-0.05, 1.05))
        strip.set_xlabel(GAMMA)
    for strip in strips[:, 1:].flat:
        strip.set_ylabel("")
    for ax in axes[:, 0]:
        ax.set_ylabel(ERROR)
    for ax in [*axes.flat[len(names) :], *strips.flat[len(names) :]]:
        ax.set_visible(False)
    legend_below(canvas)
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
    colors = shade(len(gammas))
    canvas, axes = panels(2, len(OBJECTIVE_TITLES), height=1.7, sharex=True, sharey="row")
    for (cosines, error), (objective, title) in zip(axes.T, OBJECTIVE_TITLES.items(), strict=True):
        rows = table[table["objective"] == objective.value]
        for gamma, color in zip(gammas, colors, strict=True):
            _trained_panels(cosines, error, rows[rows["gamma"] == gamma], color)
        cosines.set(xscale="log")
        cosines.set_title(title, fontsize=7)
        error.set(xlabel="step + 1")
        log_ticks(error.xaxis)
    axes[0, 0].set_ylabel("|cosine| with the signal")
    axes[1, 0].set_ylabel(ERROR)
    legend_below(canvas, 4)
    return canvas


def _trained_panels(cosines: Axes, error: Axes, rows: pd.DataFrame, color: object) -> None:
    """The heads of one ridge during training: their cosines with the signal, their errors."""
    name = f"γ = {rows['gamma'].iloc[0]:g}"
    query, key = {"color": color, "shift": -1.5}, {"color": color, "shift": 1.5, "marker": "s"}
    points(cosines, rows, "at", "query", label=f"query, {name}", line=True, **query)
    points(cosines, rows, "at", "key", label=f"key, {name}", markerfacecolor="white", **key)
    points(error, rows, "at", "error", color=color, label=f"attention, {name}", line=True)
    theory(error, [1, rows["at"].max()], [rows["ridge"].mean()] * 2, f"ridge, {name}", color=color)


def embeddings(tables: Tables) -> Canvas:
    """Real inputs as tokens."""
    table = tables["embeddings"].assign(gap=lambda r: r["error"] - r["ridge"])
    labels = [name for name in ("random", "real") if name in set(table["labels"])]
    looks = {f: look_of(f) for f in dict.fromkeys(table["f"])}
    shifts = dict(zip(looks, beside(len(looks)), strict=True))
    canvas, ((errors, off), gaps) = panels(2, 2, height=2.2)
    for f, look in looks.items():
        rows = table[(table["labels"] == "random") & (table["f"] == f)]
        expected = rows.groupby("gamma")["anisotropic"].first()
        _at_points(errors, expected, color=look.color)
        points(errors, rows, "gamma", "error", **look.marks(shift=shifts[f]))
        style = look.marks(shift=shifts[f], label=None)
        residuals(off, rows, "gamma", "error", "anisotropic", **style)
        style |= {"markerfacecolor": "white"}
        residuals(off, rows, "gamma", "error", "isotropic", **style)
    _at_points(errors, expected.iloc[:0], label="theory, measured spectrum")
    off.errorbar([], [], fmt="o", color=INK, label="against theory, measured spectrum")
    style = {"color": INK, "markerfacecolor": "white", "label": "against theory, isotropic"}
    off.errorbar([], [], fmt="o", **style)
    errors.set(title="a  Random labels", ylabel=ERROR)
    off.set(title="b  Its distance from theory")
    for (ax, name), (f, look) in product(zip(gaps, labels, strict=False), looks.items()):
        rows = table[(table["labels"] == name) & (table["f"] == f)]
        points(ax, rows, "gamma", "gap", **look.marks(shift=shifts[f]))
    for ax, name, panel in zip(gaps, labels, "cd", strict=False):
        ax.axhline(0, color=INK, linewidth=0.8)
        ax.set(title=f"{panel}  Gap, {name} labels", ylabel=GAP)
    for ax in (errors, off, *gaps):
        ax.set(xscale="log", xlabel=GAMMA)
        measured_ticks(ax.xaxis, table["gamma"])
        ax.set_visible(ax.has_data())
    legend_below(canvas, 4)
    return canvas


def heads(tables: Tables) -> Canvas:
    """Heads of language models: measured against predicted errors."""
    table = tables["heads"]
    functions, gammas = list(dict.fromkeys(table["f"])), sorted(table["gamma"].unique())
    canvas, axes = panels(1, len(functions), height=2.8, sharey=True)
    for ax, f, panel in zip(axes[0], functions, "abcdefgh", strict=False):
        rows = table[table["f"] == f]
        low = rows[["error", "theory", "isotropic"]].min().min()
        ax.plot([low, 1], [low, 1], color=INK, linewidth=0.8, label="as predicted")
        first = rows[rows["order"] == rows["order"].min()]
        ax.plot(first["isotropic"], first["error"], **_DOT, color="0.75", label="size and f alone")
        for gamma, color in zip(gammas, shade(len(gammas)), strict=True):
            _predicted(ax, rows[rows["gamma"] == gamma], color)
        ax.set(
            title=f"{panel}  {look_of(f).label}",
            xlabel="predicted error E",
            xlim=(low - 0.02, 1.02),
        )
    axes[0, 0].set_ylabel("measured error E")
    legend_below(canvas, 4)
    return canvas


_DOT = {"linestyle": "none", "marker": "o", "markersize": 2.5, "markeredgewidth": 0.7}


def _predicted(ax: Axes, rows: pd.DataFrame, color: object) -> None:
    """Heads at one ridge: filled at the lowest order, hollow at higher ones."""
    name = f"γ = {rows['gamma'].iloc[0]:g}"
    for order, part in rows.groupby("order"):
        fill = color if order == rows["order"].min() else "white"
        style = _DOT | {"color": color, "markerfacecolor": fill}
        ax.plot(part["theory"], part["error"], **style, label=f"order {order}, {name}")
