"""Figures of the theory: lines, with simulations as markers where there are some."""

from collections.abc import Iterable
from itertools import product
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from rote.papers.raf import curves
from rote.papers.raf.figures.style import ANGLE, ERRORS, LOSSES, SAMPLES, Tables, words
from rote.plotting import (
    FAINT,
    INK,
    PALETTE,
    beside,
    compared,
    heat,
    legend_below,
    log_ticks,
    measured_ticks,
    named,
    panels,
    points,
    residuals,
    shade,
    theory,
)
from rote.plotting.maps import contours
from rote.theory import raf


class RafLine(NamedTuple):
    """A series of a figure, with its markers if it was simulated."""

    series: str
    color: object
    linestyle: str = "-"
    marker: str = "o"


def _of_loss(series: str, loss: str, linestyle: str = "-") -> RafLine:
    return RafLine(series, LOSSES[loss].color, linestyle, LOSSES[loss].marker)


BAYES = RafLine(curves.BAYES, INK, "--")


def _curve(tables: Tables, figure: str, series: str | None = None) -> pd.DataFrame:
    table = tables["curves"]
    table = table[table["figure"] == figure]
    return table if series is None else table[table["series"] == series]


def _markers(tables: Tables, figure: str, series: str) -> pd.DataFrame:
    table = tables["simulations"]
    return table[(table["figure"] == figure) & (table["series"] == series)]


def _draw(
    ax: Axes,
    strip: Axes,
    tables: Tables,
    lines: Iterable[RafLine],
    at: tuple[str, str, str],
    step: float = 0,
) -> None:
    """Theory and markers of every series that has them, and what is between them.

    Args:
        ax, strip: the panel, and the one below it with the differences.
        tables, lines: what is drawn, and how.
        at: figure, column along x and column along y.
        step: between the markers of series that would hide each other, 1/72 inch.
    """
    figure, x, value = at
    simulated = [line for line in lines if len(_markers(tables, figure, line.series))]
    names = [line.series for line in simulated]
    aside = dict(zip(names, beside(len(names), step), strict=True))
    shifts = dict(zip(names, beside(len(names)), strict=True))
    for series, color, linestyle, marker in lines:
        rows = _curve(tables, figure, series)
        if rows[value].notna().any():
            style = {"color": color, "linestyle": linestyle}
            theory(ax, rows[x], rows[value], label=words(series), **style)
        if series in shifts:
            dots = _markers(tables, figure, series).round({"gamma": 2})
            style = {"color": color, "marker": marker}
            points(ax, dots, x, value, shift=aside[series], **style)
            residuals(strip, dots, x, value, f"{value}_theory", shift=shifts[series], **style)


def linear(tables: Tables) -> Canvas:
    """F1: the linear learner against the number of samples."""
    canvas, axes, strips = compared(1, 2, height=2.9)
    lines = (
        _of_loss(curves.no_ridge("square"), "square", ":"),
        _of_loss(curves.OPTIMAL_RIDGE, "square"),
        _of_loss(curves.no_ridge("hinge"), "hinge", ":"),
        _of_loss(curves.best_ridge("hinge"), "hinge"),
        BAYES,
    )
    eps = _curve(tables, "linear")["eps"].iloc[0]
    for ax, strip, (value, label) in zip(axes[0], strips[0], ERRORS.items(), strict=True):
        _draw(ax, strip, tables, lines, ("linear", "alpha", value))
        named(ax, 1, "n = d")
        named(ax, float(raf.capacity(eps)), r"$\alpha_c$")
        ax.set(xscale="log", ylabel=label, ylim=(-0.01, 0.52))
        strip.set_xlabel(SAMPLES)
        log_ticks(strip.xaxis)
    legend_below(canvas)
    return canvas


def tradeoff(tables: Tables) -> Canvas:
    """F2: both errors as the ridge varies, one curve per kernel angle."""
    canvas, axes = panels(1, 2, height=2.7, sharey=True)
    table = _curve(tables, "tradeoff")
    angles = sorted(table["gamma"].unique())
    bayes = float(raf.bayes_optimal(table["alpha"].iloc[0], table["eps"].iloc[0]))
    for ax, loss in zip(axes[0], curves.LOSSES, strict=True):
        dots = _markers(tables, "angle", curves.best_ridge(loss))
        for gamma, color in zip(angles, shade(len(angles)), strict=True):
            rows = table[(table["loss"] == loss) & (table["gamma"] == gamma)].sort_values("lam")
            label = f"{gamma:g}°"
            theory(ax, rows["e_gen"], rows["e_mem"], label=label, color=color, linestyle="-")
            _towards_larger(ax, rows, color)
            for _, replicates in dots[np.isclose(dots["gamma"], gamma, atol=1)].groupby("row"):
                errors = replicates[["e_gen", "e_mem"]]
                means, reach = errors.mean(), 1.96 * errors.sem()
                marker = LOSSES[loss].marker
                ax.errorbar(*means, reach["e_mem"], reach["e_gen"], marker, color=color)
        ax.axvline(bayes, color=INK, linestyle="--", linewidth=1)
        ax.set(title=f"{loss} loss", xlabel="generalization error", xlim=(bayes - 0.01, 0.26))
    axes[0, 0].set_ylabel("memorization error")
    canvas.legend(
        *axes[0, 0].get_legend_handles_labels(), title="kernel\nangle γ", loc="outside right center"
    )
    return canvas


def _towards_larger(ax: Axes, rows: pd.DataFrame, color: object) -> None:
    """An arrow along a curve, where λ is about 1, towards larger λ."""
    ends = rows[rows["lam"] >= 1].head(2)[["e_gen", "e_mem"]].to_numpy()
    if len(ends) == 2:
        style = {"arrowstyle": "->", "color": color, "linewidth": 1.2}
        ax.annotate("", ends[1], ends[0], arrowprops=style)


def angle(tables: Tables) -> Canvas:
    """F3: both errors against the kernel angle."""
    canvas, axes, strips = compared(1, 2, height=2.9)
    lines = []
    for loss in curves.LOSSES:
        lines.append(_of_loss(curves.best_ridge(loss), loss))
        lines.append(_of_loss(curves.no_ridge(loss), loss, ":"))
    first = _curve(tables, "angle").iloc[0]
    bayes = float(raf.bayes_optimal(first["alpha"], first["eps"]))
    for ax, strip, (value, label) in zip(axes[0], strips[0], ERRORS.items(), strict=True):
        _draw(ax, strip, tables, lines, ("angle", "gamma", value), step=2.5)
        named(ax, float(raf.optimal_angle(first["eps"])), "optimal angle")
        ax.set(ylabel=label)
        strip.set_xlabel(ANGLE)
    style = {"color": INK, "linestyle": "--", "linewidth": 1}
    axes[0, 0].axhline(bayes, label=words(curves.BAYES), **style)
    axes[0, 0].set_ylim(bayes - 0.005, 0.25)
    legend_below(canvas)
    return canvas


KERNELS = {
    "linear": (1.0, 0.0),
    "erf": raf.KERNELS["erf"].geometry,
    "ReLU": raf.KERNELS["relu"].geometry,
    "sign": raf.KERNELS["sign"].geometry,
}
KERNEL_COLORS = dict(zip(KERNELS, (INK, PALETTE[2], PALETTE[1], PALETTE[4]), strict=True))


def optima(tables: Tables) -> Canvas:
    """F4: the optimal angle and ridge against the fraction of facts."""
    canvas, ((left, off, right),) = panels(1, 3, height=2.3)
    eps = np.linspace(0, 0.9, 200)
    formula = r"$\cos\gamma = (1-\epsilon)\sqrt{2/\pi}$"
    theory(left, eps, raf.optimal_angle(eps), label=formula, color=LOSSES["square"].color)
    rows = _curve(tables, "optima")
    look = {"color": LOSSES["square"].color, "label": "best angle on a grid"}
    left.plot(rows["eps"], rows["gamma"], "o", markersize=3, **look)
    left.set(ylabel="optimal angle (degrees)", title="a  Interpolator")
    off.plot(rows["eps"], rows["gamma"] - raf.optimal_angle(rows["eps"]), "o", **look)
    off.axhline(0, color=INK, linewidth=0.8)
    off.set(ylabel="grid − formula (degrees)", title="b  The same, difference")
    for name, geometry in KERNELS.items():
        ridge = raf.optimal_ridge(eps, *geometry)
        style = {"label": f"{name} kernel", "linestyle": "-"}
        theory(right, eps, ridge, color=KERNEL_COLORS[name], **style)
    style = {"yscale": "log", "ylim": (0.03, 200)}
    right.set(ylabel="optimal ridge λ", title="c  Ridge regression", **style)
    log_ticks(right.yaxis)
    for ax in (left, off, right):
        ax.set_xlabel("fraction of facts ε")
    legend_below(canvas)
    return canvas


def rates(tables: Tables) -> Canvas:
    """F5: the generalization error for large samples."""
    canvas, ((left, scaled, right),) = panels(1, 3, height=2.4)
    colors = (PALETTE[0], PALETTE[1], PALETTE[3], PALETTE[4])
    lines = [
        RafLine(regime.series, color) for regime, color in zip(curves.REGIMES, colors, strict=True)
    ]
    for series, color, linestyle, _ in [*lines, BAYES]:
        rows = _curve(tables, "rates", series)
        alpha, e_gen = rows["alpha"].to_numpy(), rows["e_gen"].to_numpy()
        style = {"color": color, "linestyle": linestyle}
        theory(left, alpha, e_gen, label=words(series), **style)
        theory(scaled, alpha, np.sqrt(alpha) * e_gen, label=None, **style)
        slope = np.gradient(np.log(e_gen), np.log(alpha))
        theory(right, alpha, slope, label=None, **style)
    for power in (-0.5, -1.0):
        right.axhline(power, color=FAINT, linewidth=0.8, linestyle=":")
        guide = 0.6 * alpha**power
        theory(left, alpha, guide, label=None, color=FAINT, linewidth=0.8, linestyle=":")
    x_axis = {"xscale": "log", "xlabel": SAMPLES}
    left.set(yscale="log", ylabel="generalization error", title="a  Error", **x_axis)
    scaled.set(ylabel=r"$\sqrt{\alpha}\, E_\mathrm{gen}$", title="b  Prefactor", **x_axis)
    scaled.set_ylim(0, 0.6)
    right.set(ylabel="local slope", title="c  Exponent", ylim=(-1.15, 0), **x_axis)
    legend_below(canvas, 3)
    return canvas


FEATURE_LINES = {"square": "-", "hinge": "--"}


def features(tables: Tables) -> Canvas:
    """F6: random features of finite width."""
    canvas, axes, strips = compared(2, 2, height=2.5)
    table = _curve(tables, "features")
    alphas = sorted(table["alpha"].unique())
    for column, alpha in enumerate(alphas):
        rows = table[(table["alpha"] == alpha) & table["kappa"].notna()].sort_values("kappa")
        for number, (value, label) in enumerate(ERRORS.items()):
            ax, strip = axes[number, column], strips[number, column]
            for loss, shift in zip(FEATURE_LINES, beside(2), strict=True):
                of_loss = rows[rows["loss"] == loss]
                _features_panel(ax, strip, tables, of_loss, (loss, value, shift))
            limits = table[(table["alpha"] == alpha) & table["kappa"].isna()]
            _kernel_limits(ax, limits, value, rows["kappa"].max())
            ax.axvline(alpha, color=FAINT, linewidth=0.8)
            ax.set(xscale="log", ylabel=label if column == 0 else "")
            strip.set_xlabel("features per dimension κ")
            if not strip.lines:  # nothing was simulated
                strip.set_visible(False)
                ax.tick_params(labelbottom=True)
        axes[0, column].set_title(f"{'ab'[column]}  α = {alpha:g} (line: p = n)")
    legend_below(canvas, 3)
    return canvas


def weights(tables: Tables) -> Canvas:
    """Both errors against how often every fact is stated."""
    canvas, axes, strips = compared(1, 2, height=2.9)
    angles = curves.WEIGHTED_ANGLES
    lines = [
        RafLine(curves.weighted(loss, gamma), color, FEATURE_LINES[loss], LOSSES[loss].marker)
        for (gamma, color), loss in product(
            zip(angles, shade(len(angles)), strict=True), FEATURE_LINES
        )
    ]
    for column, (value, label) in enumerate(ERRORS.items()):
        ax, strip = axes[0, column], strips[0, column]
        _draw(ax, strip, tables, lines, ("weights", "weight", value))
        ax.set(xscale="log", ylabel=label)
        strip.set_xlabel("times that a fact is stated")
        measured_ticks(strip.xaxis, [1, 4, 16, 64])
    legend_below(canvas, 3)
    return canvas


def _kernel_limits(ax: Axes, limits: pd.DataFrame, value: str, widest: float) -> None:
    """A mark at the right end for the kernel limit of every ridge and loss."""
    for loss, rows in limits.groupby("loss"):
        rows = rows.sort_values("lam")
        marker = {"square": "_", "hinge": "x"}[str(loss)]
        for level, color in zip(rows[value], shade(len(rows)), strict=True):
            ax.plot(2 * widest, level, marker, color=color, markersize=6)


def _features_panel(
    ax: Axes, strip: Axes, tables: Tables, rows: pd.DataFrame, at: tuple[str, str, float]
) -> None:
    """One loss at one α: a line per ridge, with markers where it was simulated."""
    loss, value, shift = at
    groups = list(rows.groupby("series", sort=False))
    groups.sort(key=lambda group: group[1]["lam"].iloc[0])
    for (series, line), color in zip(groups, shade(len(groups)), strict=True):
        style = {"color": color, "linestyle": FEATURE_LINES[loss]}
        theory(ax, line["kappa"], line[value], label=words(str(series)), **style)
        dots = _markers(tables, "features", str(series))
        dots = dots[dots["alpha"] == line["alpha"].iloc[0]]
        if len(dots):
            style = {"color": color, "marker": LOSSES[loss].marker}
            points(ax, dots, "kappa", value, **style)
            residuals(strip, dots, "kappa", value, f"{value}_theory", shift=shift, **style)


def phases(tables: Tables) -> Canvas:
    """F8a: both errors over samples and facts."""
    canvas, axes = panels(2, 2, height=2.4)
    table = _curve(tables, "phase_alpha")
    for row, series in enumerate(table["series"].unique()):
        rows = table[table["series"] == series]
        eps = np.sort(rows["eps"].unique())
        for ax, (value, label) in zip(axes[row], ERRORS.items(), strict=True):
            grid = rows.pivot(index="eps", columns="alpha", values=value)
            heat(ax, grid, label=label, limits=(0, 0.5))
            contours(ax, grid)
            if (rows["gamma"] == 0).all():  # a linear learner
                ax.plot(raf.capacity(eps), eps, color="white", linewidth=1.5)
            ax.set(
                xscale="log",
                xlabel=SAMPLES,
                title=series,
                xlim=rows["alpha"].agg(["min", "max"]),
            )
            ax.set_ylabel("fraction of facts ε")
            log_ticks(ax.xaxis)
    return canvas


BOTH = "both good"


def phase_angle(tables: Tables) -> Canvas:
    """F8b: both errors over kernel angle and ridge, and where both are near their best."""
    canvas, axes = panels(2, 3, height=2.0)
    table = _curve(tables, "phase_angle")
    for row, loss in enumerate(curves.LOSSES):
        rows = table[table["loss"] == loss].copy()
        rows["both"] = (
            (rows["e_gen"] <= 1.05 * rows["e_gen"].min()) & (rows["e_mem"] <= 0.05)
        ).astype(float)
        contents = {
            "e_gen": ("generalization error", (None, 0.25)),
            "e_mem": ("memorization error", (0, 0.5)),
        }
        for ax, (value, (label, limits)) in zip(axes[row], contents.items(), strict=False):
            grid = rows.pivot(index="lam", columns="gamma", values=value)
            heat(ax, grid, label=label, limits=limits)
            contours(ax, grid)
        both = rows.pivot(index="lam", columns="gamma", values="both")
        heat(axes[row, 2], both, limits=(0, 1))
        for ax, title in zip(axes[row], ("rule", "facts", BOTH), strict=True):
            ax.axvline(
                float(raf.optimal_angle(rows["eps"].iloc[0])),
                color="white",
                linewidth=1,
                linestyle="--",
            )
            ax.set(yscale="log", xlabel=ANGLE)
            ax.set_title(f"{loss}: {title}", fontsize=7)
        axes[row, 0].set_ylabel("ridge λ")
    return canvas
