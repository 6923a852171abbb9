"""Figures of the linear track: from result tables to figures, no computation beyond means."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure as Canvas

from rote.papers.longtail.interpolators import (
    LINEAR_INTERPOLATORS,
    LINEAR_OTHERS,
    OTHER_INTERPOLATORS,
)
from rote.papers.longtail.linear import ood
from rote.plotting import (
    FAINT,
    INK,
    PALETTE,
    legend_below,
    log_ticks,
    nearest,
    panels,
    points,
    shade,
    spread,
    theory,
    whiskers,
)

Tables = Mapping[str, pd.DataFrame]
FRESH = {"label": "fresh data, IND", "color": PALETTE[0], "marker": "o"}
PAIRS = {"label": r"one-off pairs, OOD$_2$", "color": PALETTE[3], "marker": "s"}


def linear_risk(tables: Tables) -> Canvas:
    """Figure 1: errors and losses of min-norm against the decay of the frequencies."""
    sweep, sets = tables["linear_sweep"], tables["linear_sets"]
    sweep = sweep[(sweep["lam"] == 0) & (sweep["sigma"] <= 0.2)].reset_index(drop=True)
    sweep["ood_alone"] = ood(sweep, sets, "alone", 2)
    sweep["ood_once"] = ood(sweep, sets, "once", 2)
    canvas, axes = panels(1, 4, width=2.9)
    contents = [
        ("error_rare", "a  Seen rare features", "mean |Δ|"),
        ("error_common", "b  Common features", "mean |Δ|"),
        ("ind", "c  Fresh data", "IND"),
        ("ood_alone", "d  Rare pairs forced together", r"OOD$_2$"),
    ]
    sigmas = sorted(sweep["sigma"].unique())
    for ax, (value, title, axis_label) in zip(axes[0], contents, strict=True):
        for number, (sigma, color) in enumerate(zip(sigmas, shade(len(sigmas)), strict=True)):
            rows = sweep[sweep["sigma"] == sigma]
            # open and ever smaller, so that curves that coincide are all seen
            style = {"marker": "osD^v"[number % 5], "markerfacecolor": "none"}
            style |= {"markersize": 7 - number, "color": color}
            points(ax, rows, "alpha", value, label=f"σ = {sigma:g}", **style)
        ax.set(title=title, ylabel=axis_label, xlabel="α, decay of the frequencies", ylim=(0, None))
    axes[0, 0].legend()
    forced = axes[0, -1]
    rows = sweep[sweep["sigma"] == sigmas[0]]
    label = f"pool: once, σ = {sigmas[0]:g}"
    points(forced, rows, "alpha", "ood_once", label=label, color=FAINT, marker="s")
    for left, right in ((0, 1), (2, 3)):  # the same quantity
        top = max(axes[0, left].get_ylim()[1], axes[0, right].get_ylim()[1])
        for ax in axes[0, [left, right]]:
            ax.set_ylim(0, top)
    handles, labels = forced.get_legend_handles_labels()
    forced.legend(handles[-1:], labels[-1:])
    return canvas


def ridge(tables: Tables) -> Canvas:
    """A1: fresh-data and combination loss against the ridge penalty, one panel per noise level."""
    sweep = tables["linear_sweep"]
    alpha = nearest(sweep["alpha"], 2.0)
    sweep = sweep[sweep["alpha"] == alpha].reset_index(drop=True)
    sweep["ood_once"] = ood(sweep, tables["linear_sets"], "once", 2)
    sigmas = [sigma for sigma in sorted(sweep["sigma"].unique()) if sigma > 0]
    canvas, axes = panels(1, len(sigmas), width=2.4, sharex=True, sharey=True)
    smallest = sweep.loc[sweep["lam"] > 0, "lam"].min()
    for ax, sigma in zip(axes[0], sigmas, strict=True):
        rows = sweep[sweep["sigma"] == sigma]
        points(ax, rows, "lam", "ind", **FRESH)
        points(ax, rows, "lam", "ood_once", **PAIRS)
        beta2 = tables["linear_sets"].query("alpha == @alpha")["once_beta2"].mean()
        ax.axvline(sigma**2 / beta2, color=INK, linestyle="--", linewidth=1, label="σ² / mean β*²")
        ax.set(title=f"σ = {sigma:g}", xlabel="ridge penalty λ", yscale="log")
        ax.set_xscale("symlog", linthresh=smallest)
        ax.set_xticks([0, 0.1, 10, 1000], ["0", "0.1", "10", "1000"])
        ax.minorticks_off()
    log_ticks(axes[0, 0].yaxis)
    axes[0, 0].set_ylabel("loss")
    legend_below(canvas, 3, *axes[0, 0].get_legend_handles_labels())
    return canvas


def shrinkage(tables: Tables) -> Canvas:
    """A2: a ridge coefficient against how often its feature occurs."""
    table = tables["linear_shrinkage"]
    table = table[table["alpha"] == nearest(table["alpha"], 2.0)]
    lams = [lam for lam in (0.0, 0.3, 3.0, 30.0, 300.0) if lam in set(table["lam"])]
    canvas, axes = panels(1, 1, width=4.4, height=3)
    ax = axes[0, 0]
    counts = np.geomspace(1, table["count_mean"].max(), 200)
    for lam, color in zip(lams, shade(len(lams)), strict=True):
        rows = table[table["lam"] == lam]
        rows = rows.assign(count=rows.groupby("count_low")["count_mean"].transform("mean"))
        theory(ax, counts, counts / (counts + lam), label=None, color=color, linestyle="-")
        points(ax, rows, "count", "ratio", color=color, line=False, label=f"λ = {lam:g}")
    ax.set(
        xscale="log",
        xlabel="rows with the feature, m",
        ylabel="estimate / truth",
        title="Ridge shrinks by m/(m+λ)",
    )
    canvas.legend(
        title="points: fit\nlines: theory",
        title_fontsize=8,
        alignment="left",
        loc="outside right center",
    )
    return canvas


def ranks(tables: Tables) -> Canvas:
    """A3: which features are seen and recovered, by frequency rank."""
    table = tables["linear_ranks"]
    table = table.assign(rank=np.sqrt((table["rank_low"] + 1.0) * table["rank_high"]))
    alphas = [alpha for alpha in (1.0, 1.5, 2.0, 3.0) if alpha in set(table["alpha"])]
    canvas, axes = panels(1, len(alphas), width=2.6, sharey=True)
    recovered = {"label": "recovered exactly", "color": PALETTE[2], "marker": "s"}
    for ax, alpha in zip(axes[0], alphas, strict=True):
        rows = table[table["alpha"] == alpha]
        expected = rows.groupby("rank")["expected"].mean()
        theory(ax, expected.index, expected, label=r"theory, $1-(1-p_i)^n$")
        points(ax, rows, "rank", "seen", label="seen in training", color=PALETTE[0], line=False)
        points(ax, rows, "rank", "recovered", line=False, **recovered)
        ax.set(xscale="log", title=f"α = {alpha:g}", xlabel="frequency rank")
    axes[0, 0].set_ylabel("share of features")
    legend_below(canvas, 3, *axes[0, 0].get_legend_handles_labels())
    return canvas


def scaling(tables: Tables) -> Canvas:
    """A4: min-norm loss against the number of training rows."""
    table = tables["scaling"]
    decays = sorted(table["decay"].unique())
    canvas, axes = panels(1, len(decays), width=3.2, height=2.8, sharey=True)
    alphas = sorted(table["alpha"].unique())
    for ax, decay in zip(axes[0], decays, strict=True):
        for alpha, color in zip(alphas, shade(len(alphas)), strict=True):
            rows = table[(table["alpha"] == alpha) & (table["decay"] == decay)]
            points(ax, rows, "rows", "ind", label=f"α = {alpha:g}", color=color, line=False)
            means = rows.groupby("rows")["ind"].mean()
            x = means.index.to_numpy(float)
            exponent = -(1 - 1 / alpha) - 2 * decay / alpha
            scale = np.exp(np.log(means).mean() - exponent * np.log(x).mean())
            theory(ax, x, scale * x**exponent, label=None, color=color, linestyle="-")
        ax.set(
            xscale="log",
            yscale="log",
            title=f"β* = i$^{{-{decay:g}}}$" if decay else "β* = 1",
            xlabel="training rows n",
        )
        ax.set_xticks(sorted(table["rows"].unique()))
        ax.xaxis.set_major_formatter("{x:.0f}")
        ax.minorticks_off()
        log_ticks(ax.yaxis)
    axes[0, 0].set_ylabel("IND, σ = 0")
    handles = axes[0, 0].get_legend_handles_labels()
    canvas.legend(
        *handles,
        title="lines:\npredicted slope",
        title_fontsize=8,
        alignment="left",
        loc="outside right center",
    )
    return canvas


def interpolators(tables: Tables) -> Canvas:
    """A5: which predictors lose on rare combinations more than on fresh data."""
    table = tables["interpolators"]
    order = [*LINEAR_INTERPOLATORS, *LINEAR_OTHERS, *OTHER_INTERPOLATORS]
    canvas, axes = panels(1, 1, width=5.2, height=3.4)
    ax = axes[0, 0]
    table = table[table["estimator"].isin(order)]
    pool = table["pool"].mean()  # of once ∩ F-hat, on average
    for value, style in (("ind", FRESH), ("ood2", PAIRS)):
        rows = spread(table, "estimator", value).set_index("estimator").loc[order]
        ax.errorbar(rows["mean"], range(len(order)), xerr=whiskers(rows), linestyle="none", **style)
    ax.axhline(len(LINEAR_INTERPOLATORS) - 0.5, color=FAINT, linewidth=0.8, linestyle=":")
    ax.set_yticks(range(len(order)), order)
    ax.invert_yaxis()
    ax.set(
        xscale="log",
        xlabel=f"loss, σ = 0; pairs of {pool:.0f} features",
        title="Above the line: linear interpolators",
    )
    ax.legend(loc="upper right")
    return canvas


def early_stopping(tables: Tables) -> Canvas:
    """Gradient descent memorizes one-off rows late, and as predicted."""
    table = tables["descent"]
    table = table.assign(ood2=table["ind"] + 2 * table["forced_once_alone"])
    canvas, axes = panels(1, 2, width=3.4, height=2.7)
    recovery, loss = axes[0]
    expected = table.groupby("step")["expected"].mean()
    theory(recovery, expected.index, expected, label=r"theory, $1-e^{-t/L}$")
    style = {"label": "one-off coefficients", "color": PALETTE[3], "markersize": 3}
    points(recovery, table, "step", "recovery", line=False, **style)
    recovery.set(title="a  Recovery", xlabel="gradient steps t", ylabel="estimate / truth")
    points(loss, table, "step", "ood2", markersize=3, **PAIRS)
    points(loss, table, "step", "ind", markersize=3, **FRESH)
    loss.set(title="b  Loss", xlabel="gradient steps t", ylabel="loss, σ = 0", yscale="log")
    log_ticks(loss.yaxis)
    for ax in axes[0]:
        ax.set_xscale("log")
        ax.legend()
    return canvas


def leave_one_out(tables: Tables) -> Canvas:
    """What a row's label would have been predicted as without it: closed form against refitting."""
    table = tables["leave_one_out"]
    canvas, axes = panels(1, 2, width=3.2, height=2.9)
    exactness, memorized = axes[0]
    limit = 1.05 * table[["residual", "refit"]].abs().max().max()
    for once, color, label in (
        (False, PALETTE[0], "other rows"),
        (True, PALETTE[3], "rows with a one-off feature"),
    ):
        rows = table[table["once"] == once]
        style = {"color": color, "alpha": 0.5, "markersize": 3, "markeredgewidth": 0}
        exactness.plot(rows["refit"], rows["residual"], "o", label=label, **style)
        train_error = rows["train_error"].clip(lower=1e-16)
        memorized.plot(train_error, rows["residual"].abs(), "o", **style)
    diagonal = np.array([-limit, limit])
    theory(exactness, diagonal, diagonal, label=None)
    exactness.set(
        title="a  Closed form is exact",
        xlabel="residual by refitting",
        ylabel="closed-form residual",
    )
    exactness.legend(fontsize=7)
    memorized.set(
        xscale="log",
        title="b  Memorized: no training error",
        xlabel="|training error|",
        ylabel="|leave-one-out residual|",
    )
    return canvas
