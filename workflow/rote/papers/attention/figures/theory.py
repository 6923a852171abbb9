"""Figures of the paper: theory as lines, simulated contexts as markers."""

from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.colors import SymLogNorm
from matplotlib.figure import Figure as Canvas

from rote.papers.attention import curves
from rote.papers.attention.figures.style import (
    ERROR,
    FUNCTIONS,
    GAMMA,
    GAP,
    RIDGE,
    SERIES,
    STRUCTURES,
    Tables,
    look_of,
)
from rote.papers.attention.statistics.samples import MIN_EIGENVALUES
from rote.plotting import (
    FAINT,
    INK,
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


def _curve(tables: Tables, figure: str, panel: str) -> pd.DataFrame:
    table = tables["curves"]
    return table[(table["figure"] == figure) & (table["panel"] == panel)]


def _dots(tables: Tables, figure: str, panel: str) -> pd.DataFrame:
    table = tables["simulations"]
    return table[(table["figure"] == figure) & (table["panel"] == panel)]


class AttentionPanel(NamedTuple):
    """A panel of a figure."""

    title: str
    xlabel: str


BASELINE_PANELS = {
    "ridge": AttentionPanel("a  Ridge", GAMMA),
    "dimension": AttentionPanel("b  Dimension", "dimensions per token p/n"),
    "signal": AttentionPanel("c  Signal", "signal ||μ||²"),
}


class SimulatedMarkers(NamedTuple):
    """What was simulated of a series."""

    series: str
    column: str
    theory: str  # column of its prediction


RIDGE_MARKERS = SimulatedMarkers("tanh", "ridge", "ridge_theory")


def _baseline_panel(
    panel: str, ax: Axes, strip: Axes, tables: Tables, lines: dict[str, SimulatedMarkers | None]
) -> None:
    """E of every series with its markers, and what is between them and theory.

    Hollow ones are made of fewer than ten eigenvalues.
    """
    labels = BASELINE_PANELS[panel]
    rows, dots = _curve(tables, "baseline", panel), _dots(tables, "baseline", panel)
    for series, markers in lines.items():
        look = SERIES[series]
        line = rows[rows["series"] == series].sort_values("x")
        theory(ax, line["x"], line["error"], **look.curve())
        if markers is not None:
            simulated = dots[dots["series"] == markers.series]
            few = simulated["n"] * simulated[markers.theory] < MIN_EIGENVALUES
            for of_kind, face in ((simulated[~few], look.color), (simulated[few], "white")):
                style = look.marks(markerfacecolor=face, label=None)
                points(ax, of_kind, "x", markers.column, **style)
            columns = (markers.column, markers.theory)
            residuals(strip, simulated[~few], "x", *columns, relative=True, **look.marks())
    ax.set(title=labels.title)
    strip.set_xlabel(labels.xlabel)
    if panel == "ridge":
        ax.set(xscale="log", yscale="log")
    if panel == "dimension":
        ax.set(xscale="log", yscale="log", ylim=(1e-12, None))
        ax.axvline(1, color=FAINT, linewidth=0.8)
        measured_ticks(strip.xaxis, [1 / 16, 1 / 4, 1, 4])


def baseline(tables: Tables) -> Canvas:
    """Fig. 1: ridge regression on the raw tokens."""
    canvas, axes, strips = compared(1, 3)
    for panel, ax, strip in zip(BASELINE_PANELS, axes[0], strips[0], strict=True):
        _baseline_panel(panel, ax, strip, tables, {curves.RIDGE: RIDGE_MARKERS})
    axes[0, 0].set_ylabel(ERROR)
    return canvas


def attention(tables: Tables) -> Canvas:
    """Fig. 2: the same with attention."""
    lines: dict[str, SimulatedMarkers | None] = dict.fromkeys(SERIES)
    for series in ("tanh", "tanh, aligned"):
        lines[series] = SimulatedMarkers(series, "error", "theory")
    canvas, axes, strips = compared(2, 2)
    for panel, ax, strip in zip(BASELINE_PANELS, axes.flat, strips.flat, strict=False):
        _baseline_panel(panel, ax, strip, tables, lines)
    for ax in axes.flat[:3]:
        ax.set_ylabel(ERROR)
    _gaps(axes[1, 1], strips[1, 1], tables)
    legend_below(canvas)
    return canvas


def _gaps(ax: Axes, strip: Axes, tables: Tables) -> None:
    """E of attention minus that of ridge regression over the ridge."""
    rows, dots = _curve(tables, "baseline", "ridge"), _dots(tables, "baseline", "ridge")
    base = rows[rows["series"] == curves.RIDGE].sort_values("x")
    for series, look in SERIES.items():
        line = rows[rows["series"] == series].sort_values("x")
        if series != curves.RIDGE:
            gap = line["error"].to_numpy() - base["error"].to_numpy()
            theory(ax, line["x"], gap, **look.curve(label=None))
        simulated = dots[dots["series"] == series]
        if len(simulated):
            expected = simulated["theory"] - simulated["ridge_theory"]
            gap = simulated["error"] - simulated["ridge"]
            simulated = simulated.assign(gap=gap, expected=expected)
            points(ax, simulated, "x", "gap", **look.marks(label=None))
            residuals(strip, simulated, "x", "gap", "expected", **look.marks())
    ax.axhline(0, color=INK, linewidth=0.8)
    ax.set(title="d  Gap at equal ridge", xscale="log", ylabel=GAP)
    strip.set_xlabel(GAMMA)


STRUCTURE_TITLES = {
    "no signal": "a  No signal",
    "signal": "b  Signal",
    "aligned": "c  Signal, aligned weights",
}


def nonlinearity(tables: Tables) -> Canvas:
    """Fig. 3: which nonlinearity memorizes."""
    canvas, axes, strips = compared(2, 2)
    shifts = dict(zip(FUNCTIONS, beside(len(FUNCTIONS), 1.2), strict=True))
    for ax, strip, (panel, title) in zip(
        axes.flat, strips.flat, STRUCTURE_TITLES.items(), strict=False
    ):
        lines, dots = _curve(tables, "nonlinearity", panel), _dots(tables, "nonlinearity", panel)
        rows = lines[lines["series"] == curves.RIDGE]
        theory(ax, rows["x"], rows["error"], **RIDGE.curve())
        for f, look in FUNCTIONS.items():
            rows = lines[lines["series"] == f]
            theory(ax, rows["x"], rows["error"], **look.curve(label=None))
            simulated = dots[dots["series"] == f]
            points(ax, simulated, "x", "error", **look.marks(markersize=3))
            style = look.marks(markersize=2.5, shift=shifts[f])
            residuals(strip, simulated, "x", "error", "theory", relative=True, **style)
        ax.set(title=title, xscale="log", yscale="log", ylabel=ERROR, ylim=(3e-3, 1.2))
        log_ticks(ax.yaxis)
        strip.set_xlabel(GAMMA)
    last, strip = axes[1, 1], strips[1, 1]
    lines, dots = _curve(tables, "linear part", ""), _dots(tables, "linear part", "")
    for (name, look), shift in zip(STRUCTURES.items(), beside(len(STRUCTURES)), strict=True):
        rows = lines[lines["series"] == name]
        theory(last, rows["x"], rows["error"], **look.curve(label=None))
        simulated = dots[dots["series"] == name]
        points(last, simulated, "x", "error", **look.marks())
        style = look.marks(shift=shift)
        residuals(strip, simulated, "x", "error", "theory", relative=True, **style)
    last.set(title="d  Its linear part, ν = 1", ylabel="E (γ = 1)")
    strip.set_xlabel(r"linear coefficient $a_1$")
    legend_below(canvas)
    return canvas


ALIGNMENT_PANELS = {
    "strength": AttentionPanel("a  Strength of an aligned spike", "strength ω"),
    "angle": AttentionPanel("b  Angle of both weights", "angle to the signal (degrees)"),
    "key angle": AttentionPanel("c  Angle of the key alone", "angle to the signal (degrees)"),
}


def alignment(tables: Tables) -> Canvas:
    """Fig. 4: weights along the signal."""
    canvas, axes, strips = compared(1, 3, sharey="row")
    colors = shade(len(curves.ALIGNMENT_RIDGES))
    for ax, strip, (panel, labels) in zip(
        axes[0], strips[0], ALIGNMENT_PANELS.items(), strict=True
    ):
        lines, dots = _curve(tables, "alignment", panel), _dots(tables, "alignment", panel)
        for gamma, color, shift in zip(curves.ALIGNMENT_RIDGES, colors, beside(2), strict=True):
            series, baseline_series = curves.at_ridge(gamma), curves.ridge_at(gamma)
            rows = lines[lines["series"] == series].sort_values("x")
            base = lines[lines["series"] == baseline_series].sort_values("x")
            label = f"attention, {series}"
            theory(ax, rows["x"], rows["error"], label=label, color=color, linestyle="-")
            theory(ax, base["x"], base["error"], label=baseline_series, color=color)
            simulated = dots[np.isclose(dots["gamma"], gamma)]
            points(ax, simulated, "x", "error", color=color)
            style = {"color": color, "shift": shift}
            residuals(strip, simulated, "x", "error", "theory", **style)
        ax.set(title=labels.title)
        strip.set_xlabel(labels.xlabel)
    for ax in axes[0, 1:]:
        ax.set_xticks([0, 45, 90, 135, 180])
    for strip in strips[0, 1:]:
        strip.set_ylabel("")
    axes[0, 0].set_ylabel(ERROR)
    legend_below(canvas)
    return canvas


def spectrum(tables: Tables) -> Canvas:
    """Fig. 5: eigenvalues of the attention kernel."""
    table = tables["spectrum"]
    groups = list(table.groupby(["c", "f"], sort=False))
    groups.sort(key=lambda group: group[0][0])
    canvas, axes, strips = compared(2, 3, height=2.2)
    for ax, strip, ((c, f), rows) in zip(axes.flat, strips.flat, groups, strict=True):
        look, width = look_of(f), rows["high"] - rows["low"]
        style = {"align": "edge", "color": look.color, "alpha": 0.45}
        ax.bar(rows["low"], rows["simulated"], width, **style)
        theory(ax, (rows["low"] + rows["high"]) / 2, rows["theory"], label=None)
        strip.bar(rows["low"], rows["simulated"] - rows["theory"], width, **style)
        strip.axhline(0, color=INK, linewidth=0.8)
        reach = 3 * (rows["simulated"] - rows["theory"]).abs().quantile(0.9)  # without an atom
        strip.set_ylim(-reach, reach)
        ax.set(title=f"{look.label}, p/n = {c:g}")
        if f == "linear" and c < 1:  # its eigenvalue −a1 is that of directions without tokens
            ax.annotate(
                f"atom at −1:\n{1 - c:g} of all", (-0.6, 0.8 * ax.get_ylim()[1]), fontsize=7
            )
    for strip in strips[-1]:
        strip.set_xlabel("eigenvalue of K")
    for ax, strip in zip(axes[:, 0], strips[:, 0], strict=True):
        ax.set_ylabel("density")
        strip.set_ylabel("sim. −\ntheory", fontsize=7)
    return canvas


def _diverging(ax: Axes, rows: pd.DataFrame) -> QuadMesh:
    gap = (rows["attention"] - rows["ridge"]).to_numpy()
    grid = rows.assign(gap=gap).pivot(index="gamma", columns="c", values="gap")
    norm = SymLogNorm(1e-3, vmin=-1, vmax=1)
    mesh = ax.pcolormesh(
        grid.columns, grid.index, grid, cmap="RdBu_r", norm=norm, shading="nearest", rasterized=True
    )
    if grid.to_numpy().min() < 0 < grid.to_numpy().max():
        ax.contour(grid.columns, grid.index, grid, levels=[0], colors=INK, linewidths=1)
    ax.set(xscale="log", yscale="log")
    ax.grid(False)
    return mesh


def phase(tables: Tables) -> Canvas:
    """Where attention memorizes better than ridge regression."""
    table = tables["phase"]
    functions, settings = table["f"].unique(), table["setting"].unique()
    canvas, axes = panels(len(settings), len(functions), height=1.6, sharex=True, sharey=True)
    for row, setting in enumerate(settings):
        for column, f in enumerate(functions):
            ax = axes[row, column]
            mesh = _diverging(ax, table[(table["setting"] == setting) & (table["f"] == f)])
            ax.set_title(f"{look_of(f).label}, {setting}", fontsize=7)
            if row == len(settings) - 1:
                ax.set_xlabel("p/n")
                log_ticks(ax.xaxis)
        axes[row, 0].set_ylabel(GAMMA)
    bar = canvas.colorbar(mesh, ax=axes, label="E(attention) − E(ridge)", shrink=0.6, aspect=30)
    bar.set_ticks([-1, -0.1, -0.01, 0, 0.01, 0.1, 1])
    bar.set_ticklabels(["−1", "−0.1", "−0.01", "0", "0.01", "0.1", "1"])
    return canvas


def power(tables: Tables) -> Canvas:
    """At equal feature power."""
    canvas, axes = panels(1, len(curves.POWER_RATIOS), height=2.2, sharey=True)
    for ax, c in zip(axes[0], curves.POWER_RATIOS, strict=True):
        rows = _curve(tables, "power", curves.at_ratio(c))
        base = rows[rows["series"] == curves.RIDGE]
        for f in curves.MAPPED:
            line = rows[rows["series"] == f]
            gap = line["error"].to_numpy() - base["error"].to_numpy()
            theory(ax, line["x"], gap, **look_of(f).curve())
        ax.axhline(0, color=INK, linewidth=0.8)
        ax.set(title=f"p/n = {c:g}", xscale="log", xlabel="ridge γ of the raw tokens")
    axes[0, 0].set_ylabel("E(attention at ϱγ)\n− E(ridge at γ)")
    legend_below(canvas)
    return canvas


def verification(tables: Tables) -> Canvas:
    """Theory against simulation."""
    table = tables["simulations"]
    canvas, axes, strips = compared(1, 2, height=3.4)
    titles = {"limit": "a  Without signal", "signal": "b  With signal"}
    for ax, strip, (figure, title) in zip(axes[0], strips[0], titles.items(), strict=True):
        rows = table[table["figure"] == figure]
        for f, look in FUNCTIONS.items():
            of_function = rows[rows["f"] == f]
            if len(of_function):
                points(ax, of_function, "theory", "error", **look.marks())
                columns = ("theory", "error", "theory")
                residuals(strip, of_function, *columns, relative=True, **look.marks())
        ends = np.array([rows["theory"].min() * 0.8, 1])
        theory(ax, ends, ends, label=None)
        ax.set(title=title, xscale="log", yscale="log")
        strip.set_xlabel("memorization error E, theory")
    axes[0, 0].set_ylabel(f"{ERROR}, simulation")
    legend_below(canvas)
    return canvas
