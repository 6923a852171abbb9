"""Figures of the theory: lines, with simulations as markers where there are some."""

from collections.abc import Iterable, Mapping
from itertools import product
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from rote.papers.raf import curves
from rote.plotting import (
    FAINT,
    INK,
    PALETTE,
    heat,
    legend_below,
    log_ticks,
    panels,
    points,
    shade,
    theory,
)
from rote.plotting.maps import contours
from rote.theory import raf

Tables = Mapping[str, pd.DataFrame]
COLOR = {"square": PALETTE[0], "hinge": PALETTE[3]}
ERRORS = {"e_gen": "generalization error", "e_mem": "memorization error"}


class RafLine(NamedTuple):
    """A series of a figure, with its markers if it was simulated."""

    series: str
    color: object
    linestyle: str = "-"


def _curve(tables: Tables, figure: str, series: str | None = None) -> pd.DataFrame:
    table = tables["curves"]
    table = table[table["figure"] == figure]
    return table if series is None else table[table["series"] == series]


def _markers(tables: Tables, figure: str, series: str) -> pd.DataFrame:
    table = tables["simulations"]
    return table[(table["figure"] == figure) & (table["series"] == series)]


def _draw(
    ax: Axes, tables: Tables, figure: str, lines: Iterable[RafLine], x: str, value: str
) -> None:
    """Theory and markers of every series that has them."""
    for series, color, linestyle in lines:
        rows = _curve(tables, figure, series)
        if rows[value].notna().any():
            theory(ax, rows[x], rows[value], label=series, color=color, linestyle=linestyle)
        dots = _markers(tables, figure, series)
        if len(dots):
            points(ax, dots.round({"gamma": 2}), x, value, color=color, line=False)


def linear(tables: Tables) -> Canvas:
    """F1: the linear learner against the number of samples."""
    canvas, axes = panels(1, 2, width=4, height=3)
    lines = (
        RafLine(curves.no_ridge("square"), COLOR["square"], ":"),
        RafLine(curves.OPTIMAL_RIDGE, COLOR["square"]),
        RafLine(curves.no_ridge("hinge"), COLOR["hinge"], ":"),
        RafLine(curves.best_ridge("hinge"), COLOR["hinge"]),
        RafLine(curves.BAYES, INK, "--"),
    )
    eps = _curve(tables, "linear")["eps"].iloc[0]
    limits = {"n = d": 1, r"$\alpha_c$": float(raf.capacity(eps))}
    for ax, (value, label) in zip(axes[0], ERRORS.items(), strict=True):
        _draw(ax, tables, "linear", lines, "alpha", value)
        for name, x in limits.items():
            ax.axvline(x, color=FAINT, linewidth=0.8)
            ax.annotate(
                name,
                (x, 1),
                xycoords=("data", "axes fraction"),
                fontsize=7.5,
                color=FAINT,
                va="bottom",
                ha="center",
            )
        ax.set(
            xscale="log", xlabel=r"samples per dimension $\alpha$", ylabel=label, ylim=(-0.01, 0.52)
        )
        log_ticks(ax.xaxis)
    legend_below(canvas, 5, *axes[0, 0].get_legend_handles_labels())
    return canvas


def tradeoff(tables: Tables) -> Canvas:
    """F2: both errors as the ridge varies, one curve per kernel angle."""
    canvas, axes = panels(1, 2, width=3.6, height=3, sharey=True)
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
                ax.errorbar(*means, reach["e_mem"], reach["e_gen"], "o", color=color)
        ax.axvline(bayes, color=INK, linestyle="--", linewidth=1)
        ax.set(title=loss, xlabel="generalization error", xlim=(bayes - 0.01, 0.26))
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
    canvas, axes = panels(1, 2, width=3.8, height=3)
    lines = []
    for loss in curves.LOSSES:
        lines.append(RafLine(curves.best_ridge(loss), COLOR[loss]))
        lines.append(RafLine(curves.no_ridge(loss), COLOR[loss], ":"))
    first = _curve(tables, "angle").iloc[0]
    bayes = float(raf.bayes_optimal(first["alpha"], first["eps"]))
    for ax, (value, label) in zip(axes[0], ERRORS.items(), strict=True):
        _draw(ax, tables, "angle", lines, "gamma", value)
        ax.axvline(float(raf.optimal_angle(first["eps"])), color=FAINT, linewidth=0.8)
        ax.set(xlabel="kernel angle γ (degrees)", ylabel=label)
    axes[0, 0].axhline(bayes, color=INK, linestyle="--", linewidth=1, label="Bayes")
    axes[0, 0].set_ylim(bayes - 0.005, 0.25)
    legend_below(canvas, 5, *axes[0, 0].get_legend_handles_labels())
    return canvas


def optima(tables: Tables) -> Canvas:
    """F4: the optimal angle and ridge against the fraction of facts."""
    canvas, ((left, right),) = panels(1, 2, width=3.6, height=2.8)
    eps = np.linspace(0, 0.9, 200)
    formula = r"$\cos\gamma = (1-\epsilon)\sqrt{2/\pi}$"
    theory(left, eps, raf.optimal_angle(eps), label=formula, linestyle="-")
    rows = _curve(tables, "optima")
    left.plot(rows["eps"], rows["gamma"], "o", color=COLOR["square"], label="best angle on a grid")
    left.set(
        xlabel="fraction of facts ε", ylabel="optimal angle (degrees)", title="a  Interpolator"
    )
    left.legend()
    kernels = {
        "linear": (1.0, 0.0),
        "erf": raf.KERNELS["erf"].geometry,
        "ReLU": raf.KERNELS["relu"].geometry,
        "sign": raf.KERNELS["sign"].geometry,
    }
    for (name, geometry), color in zip(kernels.items(), shade(len(kernels)), strict=True):
        ridge = raf.optimal_ridge(eps, *geometry)
        theory(right, eps, ridge, label=name, color=color, linestyle="-")
    right.set(
        xlabel="fraction of facts ε",
        ylabel="optimal ridge λ",
        title="b  Ridge regression",
        yscale="log",
        ylim=(0.03, 200),
    )
    log_ticks(right.yaxis)
    right.legend()
    return canvas


def rates(tables: Tables) -> Canvas:
    """F5: the generalization error for large samples."""
    canvas, ((left, scaled, right),) = panels(1, 3, width=3.2, height=2.9)
    colors = (PALETTE[0], PALETTE[1], PALETTE[3], PALETTE[4])
    lines = [
        RafLine(regime.series, color) for regime, color in zip(curves.REGIMES, colors, strict=True)
    ]
    for series, color, linestyle in [*lines, RafLine(curves.BAYES, INK, "--")]:
        rows = _curve(tables, "rates", series)
        alpha, e_gen = rows["alpha"].to_numpy(), rows["e_gen"].to_numpy()
        style = {"color": color, "linestyle": linestyle}
        theory(left, alpha, e_gen, label=series, **style)
        theory(scaled, alpha, np.sqrt(alpha) * e_gen, label=None, **style)
        slope = np.gradient(np.log(e_gen), np.log(alpha))
        theory(right, alpha, slope, label=None, **style)
    for power in (-0.5, -1.0):
        right.axhline(power, color=FAINT, linewidth=0.8, linestyle=":")
        guide = 0.6 * alpha**power
        theory(left, alpha, guide, label=None, color=FAINT, linewidth=0.8, linestyle=":")
    x_axis = {"xscale": "log", "xlabel": r"$\alpha$"}
    left.set(yscale="log", ylabel="generalization error", title="a  Error", **x_axis)
    scaled.set(ylabel=r"$\sqrt{\alpha}\, E_\mathrm{gen}$", title="b  Prefactor", **x_axis)
    scaled.set_ylim(0, 0.6)
    right.set(ylabel="local slope", title="c  Exponent", ylim=(-1.15, 0), **x_axis)
    legend_below(canvas, 3, *left.get_legend_handles_labels())
    return canvas


class LossStyle(NamedTuple):
    """How a loss is drawn among random features."""

    linestyle: str
    marker: str


def features(tables: Tables) -> Canvas:
    """F6: random features of finite width."""
    canvas, axes = panels(2, 2, width=3.6, height=2.5, sharex=True)
    styles = {"square": LossStyle("-", "o"), "hinge": LossStyle("--", "s")}
    table = _curve(tables, "features")
    alphas = sorted(table["alpha"].unique())
    for column, alpha in enumerate(alphas):
        rows = table[(table["alpha"] == alpha) & table["kappa"].notna()].sort_values("kappa")
        for ax, (value, label) in zip(axes[:, column], ERRORS.items(), strict=True):
            for loss, style in styles.items():
                _features_panel(ax, tables, rows[rows["loss"] == loss], value, style)
            limits = table[(table["alpha"] == alpha) & table["kappa"].isna()]
            _kernel_limits(ax, limits, value, rows["kappa"].max())
            ax.axvline(alpha, color=FAINT, linewidth=0.8)
            ax.set(xscale="log", ylabel=label if column == 0 else "")
        axes[0, column].set_title(f"α = {alpha:g} (line: p = n)")
        axes[1, column].set_xlabel("features per dimension κ")
    legend_below(canvas, 3, *axes[0, 0].get_legend_handles_labels())
    return canvas


def weights(tables: Tables) -> Canvas:
    """Both errors against how often every fact is stated."""
    canvas, axes = panels(1, 2, width=3.6, height=2.8)
    styles = {"square": LossStyle("-", "o"), "hinge": LossStyle("--", "s")}
    colors = dict(zip(curves.WEIGHTED_ANGLES, shade(len(curves.WEIGHTED_ANGLES)), strict=True))
    for ax, (value, label) in zip(axes[0], ERRORS.items(), strict=True):
        for gamma, (loss, style) in product(curves.WEIGHTED_ANGLES, styles.items()):
            series, color = curves.weighted(loss, gamma), colors[gamma]
            rows = _curve(tables, "weights", series)
            theory(
                ax,
                rows["weight"],
                rows[value],
                label=series,
                color=color,
                linestyle=style.linestyle,
            )
            dots = _markers(tables, "weights", series)
            if len(dots):
                points(ax, dots, "weight", value, color=color, line=False, marker=style.marker)
        ax.set(xscale="log", xlabel="times that a fact is stated", ylabel=label)
        ax.set_xticks([1, 4, 16, 64], ["1", "4", "16", "64"])
        ax.minorticks_off()
    legend_below(canvas, 3, *axes[0, 0].get_legend_handles_labels())
    return canvas


def _kernel_limits(ax: Axes, limits: pd.DataFrame, value: str, widest: float) -> None:
    """A mark at the right end for the kernel limit of every ridge and loss."""
    for loss, rows in limits.groupby("loss"):
        rows = rows.sort_values("lam")
        marker = {"square": "_", "hinge": "x"}[loss]
        for level, color in zip(rows[value], shade(len(rows)), strict=True):
            ax.plot(2 * widest, level, marker, color=color, markersize=6)


def _features_panel(
    ax: Axes, tables: Tables, rows: pd.DataFrame, value: str, style: LossStyle
) -> None:
    """One loss at one α: a line per ridge, with markers where it was simulated."""
    groups = list(rows.groupby("series", sort=False))
    groups.sort(key=lambda group: group[1]["lam"].iloc[0])
    for (series, line), color in zip(groups, shade(len(groups)), strict=True):
        theory(ax, line["kappa"], line[value], label=series, color=color, linestyle=style.linestyle)
        dots = _markers(tables, "features", series)
        dots = dots[dots["alpha"] == line["alpha"].iloc[0]]
        if len(dots):
            points(ax, dots, "kappa", value, color=color, line=False, marker=style.marker)


def phases(tables: Tables) -> Canvas:
    """F8a: both errors over samples and facts."""
    canvas, axes = panels(2, 2, width=3.7, height=2.8)
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
                xlabel=r"samples per dimension $\alpha$",
                title=series,
                xlim=rows["alpha"].agg(["min", "max"]),
            )
            ax.set_ylabel("fraction of facts ε")
            log_ticks(ax.xaxis)
    return canvas


BOTH = "E_gen within 5 %,\nE_mem ≤ 0.05"


def phase_angle(tables: Tables) -> Canvas:
    """F8b: both errors over kernel angle and ridge, and where both are near their best."""
    canvas, axes = panels(2, 3, width=3.2, height=2.7)
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
            ax.set(yscale="log", xlabel="kernel angle γ (degrees)", title=f"{loss}: {title}")
            ax.title.set_fontsize(9)
        axes[row, 0].set_ylabel("ridge λ")
    return canvas
