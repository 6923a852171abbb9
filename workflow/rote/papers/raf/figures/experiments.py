"""Figures of the experiments: simulations, real images, trained networks."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from rote.papers.raf.real import BEST, MAX_E_MEM, REMEMBERING, chosen
from rote.plotting import (
    INK,
    PALETTE,
    legend_below,
    log_ticks,
    panels,
    points,
    shade,
    spread,
    theory,
    whiskers,
)
from rote.theory import raf

Tables = Mapping[str, pd.DataFrame]
COLOR = {
    "square": PALETTE[0],
    "hinge": PALETTE[3],
    "logistic": PALETTE[2],
    "bayes": PALETTE[7],
}
ERRORS = {"e_gen": "generalization error", "e_mem": "memorization error"}


def real(tables: Tables) -> Canvas:
    """F7: the trade-off on real images."""
    table = tables["real"]
    canvas, axes = panels(1, 3, width=3.3, height=3)
    etas = sorted(table["eta"].unique())
    for eta, color in zip(etas, shade(len(etas)), strict=True):
        means = table[table["eta"] == eta].groupby("lam")[["e_gen", "e_mem"]].mean()
        axes[0, 0].plot(
            means["e_gen"],
            means["e_mem"],
            "-o",
            color=color,
            label=f"η = {eta:g}",
            markersize=2.5,
            linewidth=1,
        )
        _lost_facts(axes[0, 2], table[table["eta"] == eta], color)
    for penalty, label, color, marker in (
        (BEST, "best", PALETTE[0], "o"),
        (REMEMBERING, f"best with ≤ {100 * MAX_E_MEM:g} % of facts lost", PALETTE[3], "s"),
    ):
        rows = _chosen(table, penalty)
        style = {"color": color, "label": label, "marker": marker}
        points(axes[0, 1], rows, "eta", "e_gen", line=False, **style)
    low = table["e_gen"].min()
    axes[0, 0].set(
        xlabel="test error",
        ylabel="memorization error",
        title="a  Sweep over λ",
        xlim=(max(low - 0.001, 0), 0.03),
    )
    axes[0, 0].legend(fontsize=7)
    axes[0, 1].set(
        xscale="log",
        xlabel="η (small: near linear)",
        ylabel="test error",
        title="b  What memory costs",
    )
    axes[0, 1].legend()
    return canvas


def _lost_facts(ax: Axes, rows: pd.DataFrame, color: object) -> None:
    """Facts lost at every ridge, by theory and measured."""
    means = rows.groupby("lam")[["e_mem", "e_mem_theory"]].mean()
    theory(ax, means.index, means["e_mem_theory"], color=color, linestyle="-")
    points(ax, rows, "lam", "e_mem", color=color, line=False, markersize=2.5)
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
    canvas, axes = panels(1, 2, width=3.6, height=3.2)
    for ax, (value, label) in zip(axes[0], ERRORS.items(), strict=True):
        predicted = f"{value}_theory"
        for loss, color in COLOR.items():
            rows = table[(table["loss"] == loss) & table[value].notna()]
            if rows.empty:
                continue
            means = spread(rows, "row", value).merge(
                rows.groupby("row")[predicted].first(), on="row"
            )
            ax.errorbar(
                means[predicted], means["mean"], whiskers(means), fmt="o", color=color, label=loss
            )
        ends = np.array([table[predicted].min(), table[predicted].max()])
        theory(ax, ends, ends, label=None)
        ax.set(xlabel="theory", ylabel="simulation", title=label)
    axes[0, 0].legend()
    return canvas


def kernels(tables: Tables) -> Canvas:
    """True kernels minus their equivalent models, and separability around the capacity."""
    canvas, axes = panels(1, 2, width=3.8, height=2.8)
    table = tables["universality"].copy()
    table["difference"] = table["e_gen_true"] - table["e_gen_model"]
    names = sorted(table["kernel"].unique())
    for offset, loss in ((-0.12, "square"), (0.12, "hinge")):
        rows = table[table["loss"] == loss]
        rows = rows.assign(x=rows["kernel"].map(names.index) + offset)
        points(axes[0, 0], rows, "x", "difference", color=COLOR[loss], label=loss, line=False)
    axes[0, 0].axhline(0, color=INK, linewidth=1, linestyle="--")
    axes[0, 0].set_xticks(range(len(names)), names)
    axes[0, 0].set(title="a  Universality", ylabel="E_gen, true kernel − model")
    axes[0, 0].legend(loc="upper left")
    table = tables["separability"].astype({"separable": float})
    points(axes[0, 1], table, "alpha", "separable", color=PALETTE[2])
    axes[0, 1].axvline(
        table["capacity"].iloc[0],
        color=INK,
        linestyle="--",
        linewidth=1,
        label=r"theory, $\alpha_c$",
    )
    axes[0, 1].set(
        title="b  Capacity", xlabel=r"samples per dimension $\alpha$", ylabel="share separable"
    )
    axes[0, 1].legend()
    return canvas


def two_layer(tables: Tables) -> Canvas:
    """Trained two-layer networks: does feature learning change the exponent?"""
    table = tables["two_layer"]
    canvas, axes = panels(1, 2, width=3.8, height=3)
    widest = table[table["width"] == table["width"].max()]
    groups = list(widest.groupby(["scale", "weight_decay"]))
    for ax, (value, label) in zip(axes[0], ERRORS.items(), strict=True):
        for ((scale, decay), rows), color in zip(groups, shade(len(groups)), strict=True):
            points(ax, rows, "alpha", value, color=color, label=f"init {scale:g}, decay {decay:g}")
        ax.set(xscale="log", xlabel=r"samples per dimension $\alpha$", ylabel=label)
        log_ticks(ax.xaxis)
    alphas = np.geomspace(table["alpha"].min(), table["alpha"].max(), 50)
    _reference_lines(axes[0, 0], alphas)
    axes[0, 0].set_yscale("log")
    log_ticks(axes[0, 0].yaxis)
    legend_below(canvas, 3, *axes[0, 0].get_legend_handles_labels())
    return canvas


def _reference_lines(ax: Axes, alphas: np.ndarray, eps: float = 0.1) -> None:
    learner = raf.Learner.at_angle(float(raf.optimal_angle(eps)))
    best = raf.solve("square", alphas, eps, 0.0, learner).e_gen
    theory(ax, alphas, best, label="best ridge (slope → −1/2)", linestyle=":")
    theory(ax, alphas, raf.bayes_optimal(alphas, eps), label="Bayes (slope → −1)")
