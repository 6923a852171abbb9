"""Figures of the paper: theory as lines, simulated contexts as markers."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.colors import SymLogNorm
from matplotlib.figure import Figure as Canvas

from rote.papers.attention import curves
from rote.papers.attention.statistics import MIN_EIGENVALUES
from rote.plotting import (
    FAINT,
    INK,
    PALETTE,
    legend_below,
    log_ticks,
    panels,
    points,
    spread,
    theory,
    whiskers,
)

Tables = Mapping[str, pd.DataFrame]
FUNCTION_ORDER = (
    "linear",
    "tanh",
    "relu_c",
    "sign",
    "cubic",
    "exp_clip",
    "exp_c",
    "cos_c",
    "quad",
)
FUNCTION_COLOR = dict(zip(FUNCTION_ORDER, [*PALETTE[:7], PALETTE[8], PALETTE[9]], strict=True))
SERIES_COLOR = {
    curves.RIDGE: INK,
    "tanh": PALETTE[0],
    "tanh, aligned": PALETTE[3],
    "exp_clip, aligned": PALETTE[1],
    "linear, aligned": PALETTE[2],
}
GAMMA, ERROR = "ridge γ", "memorization error E"


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


def _baseline(tables: Tables, lines: dict[str, SimulatedMarkers | None], width: int = 3) -> Canvas:
    """E against ridge, dimension and signal, per series with its markers.

    Hollow ones are made of fewer than ten eigenvalues.
    """
    canvas, axes = panels(1, width, width=3.2, height=2.9)
    for ax, (panel, labels) in zip(axes[0], BASELINE_PANELS.items(), strict=False):
        rows, dots = _curve(tables, "baseline", panel), _dots(tables, "baseline", panel)
        for series, markers in lines.items():
            line = rows[rows["series"] == series].sort_values("x")
            color = SERIES_COLOR[series]
            style = "--" if series == curves.RIDGE else "-"
            theory(ax, line["x"], line["error"], label=series, color=color, linestyle=style)
            if markers is not None:
                simulated = dots[dots["series"] == markers.series]
                few = simulated["n"] * simulated[markers.theory] < MIN_EIGENVALUES
                for rows_, face in ((simulated[~few], color), (simulated[few], "white")):
                    style = {"color": color, "markerfacecolor": face}
                    points(ax, rows_, "x", markers.column, line=False, **style)
        ax.set(title=labels.title, xlabel=labels.xlabel)
    ridge, dimension = axes[0, :2]
    ridge.set(xscale="log", yscale="log", ylabel=ERROR)
    dimension.set_yscale("log")
    dimension.set_xscale("log", base=2)
    dimension.set_ylim(bottom=1e-12)
    dimension.axvline(1, color=FAINT, linewidth=0.8)
    dimension.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    legend_below(canvas, 5, *ridge.get_legend_handles_labels())
    return canvas


def baseline(tables: Tables) -> Canvas:
    """Fig. 1: ridge regression on the raw tokens."""
    return _baseline(tables, {curves.RIDGE: SimulatedMarkers("tanh", "ridge", "ridge_theory")})


def attention(tables: Tables) -> Canvas:
    """Fig. 2: the same with attention."""
    lines: dict[str, SimulatedMarkers | None] = dict.fromkeys(SERIES_COLOR)
    for series in ("tanh", "tanh, aligned"):
        lines[series] = SimulatedMarkers(series, "error", "theory")
    canvas = _baseline(tables, lines, width=4)
    _gaps(canvas.axes[3], tables)
    return canvas


def _gaps(ax: Axes, tables: Tables) -> None:
    """E of attention minus that of ridge regression over the ridge."""
    rows, dots = _curve(tables, "baseline", "ridge"), _dots(tables, "baseline", "ridge")
    base = rows[rows["series"] == curves.RIDGE].sort_values("x")
    for series, color in SERIES_COLOR.items():
        line = rows[rows["series"] == series].sort_values("x")
        if series != curves.RIDGE:
            gap = line["error"].to_numpy() - base["error"].to_numpy()
            theory(ax, line["x"], gap, label=None, color=color, linestyle="-")
        simulated = dots[dots["series"] == series]
        if len(simulated):
            simulated = simulated.assign(gap=simulated["error"] - simulated["ridge"])
            points(ax, simulated, "x", "gap", color=color, line=False)
    ax.axhline(0, color=INK, linewidth=0.8)
    ax.set(title="d  Gap at equal ridge", xscale="log", xlabel=GAMMA)
    ax.set_ylabel("E(attention) − E(ridge)")


STRUCTURE_TITLES = {
    "no signal": "a  No signal",
    "signal": "b  Signal",
    "aligned": "c  Signal, aligned weights",
}
STRUCTURE_COLOR = {"no signal": INK, "signal": PALETTE[0], "aligned": PALETTE[3]}


def nonlinearity(tables: Tables) -> Canvas:
    """Fig. 3: which nonlinearity memorizes."""
    canvas, axes = panels(2, 2, width=3.7, height=2.7)
    *grid, last = axes.ravel()
    for ax, (panel, title) in zip(grid, STRUCTURE_TITLES.items(), strict=True):
        lines, dots = _curve(tables, "nonlinearity", panel), _dots(tables, "nonlinearity", panel)
        rows = lines[lines["series"] == curves.RIDGE]
        theory(ax, rows["x"], rows["error"], label="ridge on tokens")
        for f, color in FUNCTION_COLOR.items():
            rows = lines[lines["series"] == f]
            theory(ax, rows["x"], rows["error"], label=f, color=color, linestyle="-")
            simulated = dots[dots["series"] == f]
            points(ax, simulated, "x", "error", color=color, line=False, markersize=3)
        ax.set(
            title=title, xscale="log", yscale="log", xlabel=GAMMA, ylabel=ERROR, ylim=(3e-3, 1.2)
        )
        log_ticks(ax.yaxis)
    lines, dots = _curve(tables, "linear part", ""), _dots(tables, "linear part", "")
    for name, color in STRUCTURE_COLOR.items():
        rows = lines[lines["series"] == name]
        theory(last, rows["x"], rows["error"], label=None, color=color, linestyle="-")
        simulated = dots[dots["series"] == name]
        points(last, simulated, "x", "error", color=color, line=False, label=name)
    last.set(
        title="d  Its linear part, ν = 1",
        xlabel=r"linear coefficient $a_1$",
        ylabel=f"{ERROR} (γ = 1)",
    )
    last.legend()
    legend_below(canvas, 5, *axes[0, 0].get_legend_handles_labels())
    return canvas


ALIGNMENT_PANELS = {
    "strength": AttentionPanel("a  Strength of an aligned spike", "strength ω"),
    "angle": AttentionPanel("b  Angle of both weights", "angle to the signal (degrees)"),
    "key angle": AttentionPanel("c  Angle of the key alone", "angle to the signal (degrees)"),
}


def alignment(tables: Tables) -> Canvas:
    """Fig. 4: weights along the signal."""
    canvas, axes = panels(1, 3, width=3.2, height=2.8, sharey=True)
    for ax, (panel, labels) in zip(axes[0], ALIGNMENT_PANELS.items(), strict=True):
        lines, dots = _curve(tables, "alignment", panel), _dots(tables, "alignment", panel)
        for gamma, color in zip(curves.ALIGNMENT_RIDGES, (PALETTE[0], PALETTE[3]), strict=True):
            series, baseline_series = curves.at_ridge(gamma), curves.ridge_at(gamma)
            rows = lines[lines["series"] == series].sort_values("x")
            base = lines[lines["series"] == baseline_series].sort_values("x")
            label = f"attention, {series}"
            theory(ax, rows["x"], rows["error"], label=label, color=color, linestyle="-")
            theory(ax, base["x"], base["error"], label=baseline_series, color=color)
            simulated = dots[np.isclose(dots["gamma"], gamma)]
            points(ax, simulated, "x", "error", color=color, line=False)
        ax.set(title=labels.title, xlabel=labels.xlabel)
    for ax in axes[0, 1:]:
        ax.set_xticks([0, 45, 90, 135, 180])
    axes[0, 0].set_ylabel(ERROR)
    legend_below(canvas, 4, *axes[0, 0].get_legend_handles_labels())
    return canvas


def spectrum(tables: Tables) -> Canvas:
    """Fig. 5: eigenvalues of the attention kernel."""
    table = tables["spectrum"]
    groups = list(table.groupby(["c", "f"], sort=False))
    canvas, axes = panels(2, 3, width=2.9, height=2.3)
    for ax, ((c, f), rows) in zip(axes.ravel(), sorted(groups, key=lambda g: g[0][0]), strict=True):
        ax.bar(
            rows["low"],
            rows["simulated"],
            rows["high"] - rows["low"],
            align="edge",
            color=PALETTE[0],
            alpha=0.45,
        )
        theory(ax, (rows["low"] + rows["high"]) / 2, rows["theory"], label=None)
        ax.set(title=f"{f}, p/n = {c:g}", xlabel="eigenvalue of K", ylabel="density")
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
    canvas, axes = panels(
        len(settings), len(functions), width=2.5, height=2.2, sharex=True, sharey=True
    )
    for row, setting in enumerate(settings):
        for column, f in enumerate(functions):
            ax = axes[row, column]
            mesh = _diverging(ax, table[(table["setting"] == setting) & (table["f"] == f)])
            ax.set_title(f"{f}, {setting}")
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
    canvas, axes = panels(1, len(curves.POWER_RATIOS), width=3.1, height=2.7, sharey=True)
    for ax, c in zip(axes[0], curves.POWER_RATIOS, strict=True):
        rows = _curve(tables, "power", curves.at_ratio(c))
        base = rows[rows["series"] == curves.RIDGE]
        for f, color in zip(curves.MAPPED, PALETTE, strict=False):
            line = rows[rows["series"] == f]
            gap = line["error"].to_numpy() - base["error"].to_numpy()
            theory(ax, line["x"], gap, label=f, color=color, linestyle="-")
        ax.axhline(0, color=INK, linewidth=0.8)
        ax.set(title=f"p/n = {c:g}", xscale="log", xlabel="ridge γ of the raw tokens")
    axes[0, 0].set_ylabel("E(attention at ϱγ) − E(ridge at γ)")
    axes[0, 0].legend()
    return canvas


def verification(tables: Tables) -> Canvas:
    """Theory against simulation."""
    table = tables["simulations"]
    canvas, axes = panels(1, 2, width=3.7, height=3.3)
    titles = {"limit": "a  Without signal", "signal": "b  With signal"}
    for ax, (figure, title) in zip(axes[0], titles.items(), strict=True):
        rows = table[table["figure"] == figure]
        for f, color in FUNCTION_COLOR.items():
            compared = rows[rows["f"] == f].assign(
                point=lambda r: r.groupby(["panel", "gamma", "n"]).ngroup()
            )
            if compared.empty:
                continue
            means = spread(compared, "point", "error").merge(
                compared.groupby("point")["theory"].first(), on="point"
            )
            ax.errorbar(
                means["theory"],
                means["mean"],
                whiskers(means),
                fmt="o",
                color=color,
                label=f,
                markersize=3,
            )
        ends = np.array([rows["theory"].min() * 0.8, 1])
        theory(ax, ends, ends, label=None)
        ax.set(title=title, xscale="log", yscale="log", xlabel="theory", ylabel="simulation")
        ax.legend(fontsize=7)
    return canvas
