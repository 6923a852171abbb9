"""Figures of the experiments: simulations, real images, trained networks."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from rote.papers.raf.figures.style import ERRORS, LOSSES, SAMPLES, Tables
from rote.papers.raf.real import BEST, MAX_E_MEM, REMEMBERING, chosen
from rote.plotting import (
    INK,
    PALETTE,
    beside,
    categories,
    compared,
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
from rote.theory import raf


def real(tables: Tables) -> Canvas:
    """F7: the trade-off on real images."""
    table = tables["real"]
    canvas, ((sweep, cost, lost),) = panels(1, 3, height=2.6)
    etas = sorted(table["eta"].unique())
    for eta, color in zip(etas, shade(len(etas)), strict=True):
        means = table[table["eta"] == eta].groupby("lam")[["e_gen", "e_mem"]].mean()
        sweep.plot(means["e_gen"], means["e_mem"], "-", color=color, linewidth=0.6, alpha=0.5)
        style = {"color": color, "label": f"η = {eta:g}", "markersize": 2.5}
        sweep.plot(means["e_gen"], means["e_mem"], "o", **style)
        _lost_facts(lost, table[table["eta"] == eta], color)
        machines = tables["real_svm"]
        machines = machines[machines["eta"] == eta]
        style = {"marker": "s", "markerfacecolor": "white", "markersize": 3.5}
        points(lost, machines, "lam", "e_mem", color=color, **style)
        means = machines.groupby("lam")[["e_gen", "e_mem"]].mean()
        sweep.plot(means["e_gen"], means["e_mem"], color=color, linestyle="none", **style)
    remembering = f"best with ≤ {100 * MAX_E_MEM:g} % of facts lost"
    for penalty, label, color, marker, shift in (
        (BEST, "best ridge", PALETTE[4], "^", -2),
        (REMEMBERING, remembering, PALETTE[1], "v", 2),
    ):
        rows = _chosen(table, penalty)
        style = {"color": color, "label": label, "marker": marker, "shift": shift}
        points(cost, rows, "eta", "e_gen", **style)
    low = table["e_gen"].min()
    sweep.set(xlabel="test error", ylabel="memorization error", title="a  Sweep over λ")
    sweep.set_xlim(max(low - 0.001, 0), 0.03)
    cost.set(xscale="log", xlabel="η (small: near linear)", title="b  What memory costs")
    cost.set_ylabel("test error")
    measured_ticks(cost.xaxis, etas)
    legend_below(canvas)
    return canvas


def _lost_facts(ax: Axes, rows: pd.DataFrame, color: object) -> None:
    """Facts lost at every ridge, by theory and measured."""
    means = rows.groupby("lam")[["e_mem", "e_mem_theory"]].mean()
    theory(ax, means.index, means["e_mem_theory"], label=None, color=color, linestyle="-")
    points(ax, rows, "lam", "e_mem", color=color, markersize=2.5)
    ax.set(xscale="log", xlabel="ridge λ", ylabel="memorization error", title="c  Facts lost")


def _chosen(table: pd.DataFrame, penalty: str) -> pd.DataFrame:
    """Test errors at the ridge that other images choose, at every bandwidth."""
    parts = []
    for _, ridges in table.groupby("eta"):
        index = chosen(ridges)
        if penalty in index:
            lam = np.sort(ridges["lam"].unique())[index[penalty]]
            parts.append(ridges[ridges["lam"] == lam])
    return pd.concat(parts) if parts else table.iloc[:0]


def verification(tables: Tables) -> Canvas:
    """Theory against simulation for every verification row."""
    table = tables["simulations"]
    table = table[table["figure"].isin(["verification", "bayes"])]
    canvas, axes, strips = compared(1, 2, height=3.4)
    for ax, strip, (value, label) in zip(axes[0], strips[0], ERRORS.items(), strict=True):
        predicted = f"{value}_theory"
        for loss, look in LOSSES.items():
            rows = table[(table["loss"] == loss) & table[value].notna()]
            if len(rows):
                points(ax, rows, predicted, value, **look.marks())
                residuals(strip, rows, predicted, value, predicted, **look.marks())
        ends = np.array([table[predicted].min(), table[predicted].max()])
        theory(ax, ends, ends, label=None)
        ax.set(ylabel=f"{label}, sim.")
        strip.set_xlabel(f"{label}, theory")
    legend_below(canvas)
    return canvas


def kernels(tables: Tables) -> Canvas:
    """True kernels minus their equivalent models, and separability around the capacity."""
    canvas, ((difference, capacity),) = panels(1, 2, height=2.3)
    table = tables["universality"].copy()
    table["difference"] = table["e_gen_true"] - table["e_gen_model"]
    names = {"cubic": "cubic", "erf": "erf", "rbf": "RBF", "relu": "ReLU"}
    names = {name: names.get(name, name) for name in sorted(table["kernel"].unique())}
    for shift, loss in zip(beside(2, 8), ("square", "hinge"), strict=True):
        rows = table[table["loss"] == loss]
        rows = rows.assign(x=rows["kernel"].map(list(names).index))
        points(difference, rows, "x", "difference", **LOSSES[loss].marks(shift=shift))
    difference.axhline(0, color=INK, linewidth=0.8)
    categories(difference.xaxis, list(names.values()))
    difference.set(title="a  Universality", ylabel="generalization error,\ntrue kernel − model")
    difference.set_xlim(-0.5, len(names) - 0.5)
    table = tables["separability"].astype({"separable": float})
    style = {"color": PALETTE[2], "marker": "D", "label": "linear programmes"}
    points(capacity, table, "alpha", "separable", **style)
    named(capacity, table["capacity"].iloc[0], r"theory, $\alpha_c$")
    capacity.set(xlabel=SAMPLES, ylabel="share separable", ylim=(-0.03, 1.03))
    capacity.set_title("b  Capacity")
    measured_ticks(capacity.xaxis, table["alpha"])
    legend_below(canvas)
    return canvas


SCHEMES = ((PALETTE[2], "D"), (PALETTE[1], "^"), (PALETTE[4], "v"), (PALETTE[9], "P"))


def two_layer(tables: Tables) -> Canvas:
    """Trained two-layer networks: does feature learning change the exponent?"""
    table = tables["two_layer"]
    canvas, axes = panels(1, 2, height=2.5)
    widest = table[table["width"] == table["width"].max()]
    groups = list(widest.groupby(["scale", "weight_decay"]))
    shifts = beside(len(groups))
    for ax, (value, label) in zip(axes[0], ERRORS.items(), strict=True):
        for number, ((scale, decay), rows) in enumerate(groups):
            color, marker = SCHEMES[number % len(SCHEMES)]
            style = {"color": color, "marker": marker, "shift": shifts[number]}
            name = f"network, init {scale:g}, decay {decay:g}"
            points(ax, rows, "alpha", value, label=name, **style)
        ax.set(xscale="log", xlabel=SAMPLES, ylabel=label)
        measured_ticks(ax.xaxis, table["alpha"])
    alphas = np.geomspace(table["alpha"].min(), table["alpha"].max(), 50)
    _reference_lines(axes[0, 0], alphas)
    axes[0, 0].set_yscale("log")
    log_ticks(axes[0, 0].yaxis)
    legend_below(canvas, 3)
    return canvas


def _reference_lines(ax: Axes, alphas: np.ndarray, eps: float = 0.1) -> None:
    learner = raf.Learner.at_angle(float(raf.optimal_angle(eps)))
    best = raf.solve("square", alphas, eps, 0.0, learner).e_gen
    look = LOSSES["square"].curve(label="best ridge regression (slope → −1/2)")
    theory(ax, alphas, best, **look)
    theory(ax, alphas, raf.bayes_optimal(alphas, eps), label="Bayes (slope → −1)")
