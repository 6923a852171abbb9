"""The linear model: a toy, risks, rates, label noise."""

from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure as Canvas

from rote.papers.resmem import methods
from rote.papers.resmem.figures.methods import STYLES, draw_method
from rote.papers.resmem.measures import Tables, main_risks, risk_slopes
from rote.plotting import (
    FAINT,
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
from rote.theory import lookup


class ToyPanel(NamedTuple):
    """A panel of the toy problem: a curve, what fits it, and points of it."""

    title: str
    curve: str  # columns of the table
    fit: str
    dots: str | None
    curve_label: str
    fit_label: str
    top: float  # of the y axis


TOY_PANELS = (
    ToyPanel(
        title="a  Base",
        curve="target",
        fit="base",
        dots=None,
        curve_label="target",
        fit_label="cubic",
        top=2.2,
    ),
    ToyPanel(
        title="b  Residuals",
        curve="residual",
        fit="remembered",
        dots="residual",
        curve_label="residual",
        fit_label="5-NN of residuals",
        top=1.1,
    ),
    ToyPanel(
        title="c  Sum",
        curve="target",
        fit="resmem",
        dots=None,
        curve_label="target",
        fit_label="ResMem",
        top=2.2,
    ),
)


def toy(tables: Tables) -> Canvas:
    """A cubic, its residuals, and what neighbors remember of them (the paper's illustration)."""
    rows = tables["toy"]
    grid = rows[rows["points"] == "grid"]
    training = rows[rows["points"] == "training"]
    canvas, axes = panels(1, 3, height=2.3, sharex=True)
    for ax, panel in zip(axes[0], TOY_PANELS, strict=True):
        title = panel.title
        color = INK if panel.fit == "base" else PALETTE[0]
        ax.plot(grid["x"], grid[panel.curve], color=FAINT, linewidth=2, label=panel.curve_label)
        ax.plot(grid["x"], grid[panel.fit], color=color, linewidth=1, label=panel.fit_label)
        if panel.dots:
            dots = training[panel.dots]
            ax.plot(training["x"], dots, ".", color=INK, markersize=2.5, label="of training points")
        else:
            error = float(((grid[panel.fit] - grid["target"]) ** 2).mean())
            title += f", error {error:.4f}"
        ax.set(title=title, xlabel="input x", ylim=(None, panel.top))
    axes[0, 0].set_ylabel("output y")
    legend_below(canvas)
    return canvas


def risk(tables: Tables) -> Canvas:
    """Test risk in the linear model against the number of training points."""
    risks = main_risks(tables)
    norm = float(risks["norm"].iloc[0])
    dimensions = sorted(risks["dimension"].unique())
    canvas, axes, strips = compared(1, len(dimensions), height=3.0)
    for ax, strip, d in zip(axes[0], strips[0], dimensions, strict=True):
        rows = risks[risks["dimension"] == d]
        for method in (methods.BASE, methods.NEAREST, methods.RESMEM):
            draw_method(ax, rows, "examples", method, markersize=2.5)
        n = np.geomspace(rows["examples"].min(), rows["examples"].max(), 40)
        plateau = lookup.plateau(d, norm)
        theory(ax, n, np.full(len(n), plateau), "plateau", linestyle=":")
        theory(ax, n, lookup.leading(n, d, norm), "leading term", color=PALETTE[0])
        bound = lookup.bound(n, d, norm)
        scaled = bound * float(plateau) / bound[0]
        theory(ax, n, scaled, "published bound, scaled", color=FAINT)
        leading = lookup.leading(rows["examples"].to_numpy(float), d, norm)
        rows = rows.assign(leading=leading)
        look = STYLES[methods.RESMEM].marks(markersize=2.5, relative=True)
        residuals(strip, rows, "examples", methods.RESMEM, "leading", **look)
        strip.set(xlabel="training points n", ylabel="")
        ax.set(xscale="log", yscale="log", title=f"d = {d}")
        log_ticks(ax.yaxis)
    axes[0, 0].set_ylabel("test risk")
    strips[0, 0].set_ylabel("off leading\nterm (%)", fontsize=7)
    legend_below(canvas)
    return canvas


def slopes(tables: Tables) -> Canvas:
    """How fast ResMem's risk falls, and what part of it the base takes off."""
    canvas, ((ax, gain),), ((off_rate, off_gain),) = compared(1, 2, height=3.0)
    rates = risk_slopes(tables)
    look = STYLES[methods.RESMEM].marks()
    d = np.linspace(rates["dimension"].min(), rates["dimension"].max(), 50)
    theory(ax, d, -2 / d, "−2/d")
    theory(ax, d, -1 / d, "−1/d, published bound", color=FAINT)
    points(ax, rates, "dimension", "resmem", **look)
    rates = rates.assign(predicted=-2 / rates["dimension"])
    residuals(off_rate, rates, "dimension", "resmem", "predicted", **look)
    ax.set(ylabel="log-log slope", title="a  Rate")
    off_rate.set_xlabel("dimension d")
    measured_ticks(off_rate.xaxis, rates["dimension"])
    rows = tables["risks"]
    rows = rows[(rows["dimension"] == 3) & (rows["examples"] <= 30_000)]
    rows = rows[rows["examples"] == rows["examples"].max()]
    rows = rows.assign(ratio=rows["resmem"] / rows["nearest"])
    norm = np.linspace(0, 1, 50)
    rows = rows.assign(predicted=(1 - rows["norm"]) ** 2)
    theory(gain, norm, (1 - norm) ** 2, "(1 − L)²", linestyle=":")
    points(gain, rows, "norm", "ratio", **look)
    residuals(off_gain, rows, "norm", "ratio", "predicted", **look)
    gain.set(ylabel="ResMem / nearest neighbor", title="b  Gain over kNN alone, d = 3")
    off_gain.set_xlabel("norm L of the base")
    measured_ticks(off_gain.xaxis, rows["norm"])
    legend_below(canvas)
    return canvas


def noise(tables: Tables) -> Canvas:
    """Label noise in the linear model."""
    risks = tables["noisy"]
    sizes = sorted(risks["examples"].unique())
    taus = sorted(risks["noise"].unique())
    canvas, axes = panels(1, len(sizes), height=2.5, sharey=True)
    for ax, n in zip(axes[0], sizes, strict=True):
        rows = risks[risks["examples"] == n]
        averaged = rows[rows["k"] > 0]
        colors, shifts = shade(len(taus)), beside(len(taus), 1.5)
        for tau, color, shift in zip(taus, colors, shifts, strict=True):
            series = averaged[averaged["noise"] == tau]
            style = {"color": color, "shift": shift, "markersize": 2.5}
            points(ax, series, "k", "risk", label=f"τ = {tau:g}", **style)
            if tau:
                k = np.sort(series["k"].unique())
                theory(ax, k, tau**2 / k, None, color=color, linestyle=":")
        base = rows.loc[rows["k"] == 0, "risk"].mean()
        ax.axhline(base, color=INK, linestyle="--", linewidth=1, label="base alone")
        ax.set(xscale="log", yscale="log", xlabel="neighbors k", title=f"n = {n:,}")
        measured_ticks(ax.xaxis, averaged["k"])
    axes[0, 0].set_ylabel("test risk")
    theory(axes[0, 0], [], [], "τ²/k", color=INK, linestyle=":")
    legend_below(canvas, 8)
    return canvas
