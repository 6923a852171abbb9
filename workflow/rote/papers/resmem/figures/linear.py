"""The linear model: a toy, risks, rates, label noise."""

from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure as Canvas

from rote.papers.resmem import methods
from rote.papers.resmem.figures.methods import draw_method, legend
from rote.papers.resmem.measures import Tables, main_risks, risk_slopes
from rote.plotting import (
    FAINT,
    INK,
    PALETTE,
    log_ticks,
    panels,
    points,
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
    canvas, axes = panels(1, 3, width=3.1, height=2.5, sharex=True)
    for ax, panel in zip(axes[0], TOY_PANELS, strict=True):
        title = panel.title
        ax.plot(grid["x"], grid[panel.curve], color=FAINT, linewidth=1, label=panel.curve_label)
        ax.plot(grid["x"], grid[panel.fit], color=PALETTE[0], label=panel.fit_label)
        if panel.dots:
            dots = training[panel.dots]
            ax.plot(training["x"], dots, ".", color=INK, markersize=3, label="training residuals")
        else:
            error = float(((grid[panel.fit] - grid["target"]) ** 2).mean())
            title += f", error {error:.4f}"
        ax.set(title=title, xlabel="x", ylim=(None, panel.top))
        ax.legend(fontsize=6.5, loc="upper right")
    axes[0, 0].set_ylabel("y")
    return canvas


def risk(tables: Tables) -> Canvas:
    """Test risk in the linear model against the number of training points."""
    risks = main_risks(tables)
    norm = float(risks["norm"].iloc[0])
    dimensions = sorted(risks["dimension"].unique())
    canvas, axes = panels(1, len(dimensions), width=2.4, height=2.6)
    for ax, d in zip(axes[0], dimensions, strict=True):
        rows = risks[risks["dimension"] == d]
        for method in (methods.BASE, methods.NEAREST, methods.RESMEM):
            draw_method(ax, rows, "examples", method, line=False)
        n = np.geomspace(rows["examples"].min(), rows["examples"].max(), 40)
        plateau = lookup.plateau(d, norm)
        theory(ax, n, np.full(len(n), plateau), "plateau", linestyle=":")
        theory(ax, n, lookup.leading(n, d, norm), "leading term", color=PALETTE[0])
        bound = lookup.bound(n, d, norm)
        scaled = bound * float(plateau) / bound[0]
        theory(ax, n, scaled, "published bound, scaled", color=FAINT)
        ax.set(xscale="log", yscale="log", xlabel="training points n", title=f"d = {d}")
        log_ticks(ax.yaxis)
    axes[0, 0].set_ylabel("test risk")
    legend(canvas, axes[0, 0], 6)
    return canvas


def slopes(tables: Tables) -> Canvas:
    """How fast ResMem's risk falls, and what part of it the base takes off."""
    canvas, axes = panels(1, 2, width=3.4, height=2.7)
    rates = risk_slopes(tables)
    ax = axes[0, 0]
    d = np.linspace(rates["dimension"].min(), rates["dimension"].max(), 50)
    theory(ax, d, -2 / d, "−2/d")
    theory(ax, d, -1 / d, "−1/d, published bound", color=FAINT)
    points(ax, rates, "dimension", "resmem", label="ResMem", color=PALETTE[0], line=False)
    ax.set(xlabel="dimension d", ylabel="log-log slope", title="a  Rate")
    ax.legend()
    rows = tables["risks"]
    rows = rows[(rows["dimension"] == 3) & (rows["examples"] <= 30_000)]
    rows = rows[rows["examples"] == rows["examples"].max()]
    rows = rows.assign(ratio=rows["resmem"] / rows["nearest"])
    norm = np.linspace(0, 1, 50)
    ax = axes[0, 1]
    theory(ax, norm, (1 - norm) ** 2, "(1 − L)²")
    points(ax, rows, "norm", "ratio", label="d = 3", color=PALETTE[0], line=False)
    ax.set(
        xlabel="norm L of the base",
        ylabel="ResMem / nearest neighbor",
        title="b  Gain over kNN alone",
    )
    ax.legend()
    return canvas


def noise(tables: Tables) -> Canvas:
    """Label noise in the linear model."""
    risks = tables["noisy"]
    sizes = sorted(risks["examples"].unique())
    taus = sorted(risks["noise"].unique())
    canvas, axes = panels(1, len(sizes), width=2.9, height=2.6, sharey=True)
    for ax, n in zip(axes[0], sizes, strict=True):
        rows = risks[risks["examples"] == n]
        averaged = rows[rows["k"] > 0]
        for tau, color in zip(taus, shade(len(taus)), strict=True):
            series = averaged[averaged["noise"] == tau]
            points(ax, series, "k", "risk", color=color, label=f"τ = {tau:g}")
            if tau:
                k = np.sort(series["k"].unique())
                theory(ax, k, tau**2 / k, None, color=color, linestyle=":")
        base = rows.loc[rows["k"] == 0, "risk"].mean()
        ax.axhline(base, color=INK, linestyle="--", linewidth=1, label="base")
        ax.set(xscale="log", yscale="log", xlabel="neighbors k", title=f"n = {n}")
        log_ticks(ax.xaxis)
    axes[0, 0].set_ylabel("test risk")
    theory(axes[0, 0], [], [], "τ²/k", color=INK, linestyle=":")
    legend(canvas, axes[0, 0], 8)
    return canvas
