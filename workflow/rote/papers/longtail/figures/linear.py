"""Figures of the linear track: from result tables to figures, no computation beyond means."""

import numpy as np
from matplotlib.figure import Figure as Canvas

from rote.papers.longtail.figures.style import FRESH, PAIRS, RARE, ROWS, Tables
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
    at_row,
    beside,
    categories,
    compared,
    legend_below,
    log_ticks,
    measured_ticks,
    nearest,
    panels,
    points,
    residuals,
    shade,
    theory,
)

RESOLVED = 1e-12  # of a training error of order one; less is rounding


def linear_risk(tables: Tables) -> Canvas:
    """Figure 1: errors and losses of min-norm against the decay of the frequencies."""
    sweep, sets = tables["linear_sweep"], tables["linear_sets"]
    sweep = sweep[(sweep["lam"] == 0) & (sweep["sigma"] <= 0.2)].reset_index(drop=True)
    sweep["ood_alone"] = ood(sweep, sets, "alone", 2)
    sweep["ood_once"] = ood(sweep, sets, "once", 2)
    canvas, axes = panels(2, 2, height=2.1)
    contents = [
        ("error_rare", "a  Seen rare features", "mean absolute error"),
        ("error_common", "b  Common features", "mean absolute error"),
        ("ind", "c  Fresh data", "loss IND"),
        ("ood_alone", "d  Rare pairs forced together", r"OOD$_2$"),
    ]
    sigmas = sorted(sweep["sigma"].unique())
    shifts = beside(len(sigmas) + 1, 2.5)
    for ax, (value, title, axis_label) in zip(axes.flat, contents, strict=True):
        for number, (sigma, color) in enumerate(zip(sigmas, shade(len(sigmas)), strict=True)):
            rows = sweep[sweep["sigma"] == sigma]
            style = {"marker": "osD^v"[number % 5], "color": color, "shift": shifts[number]}
            points(ax, rows, "alpha", value, label=f"σ = {sigma:g}", line=True, **style)
        ax.set(title=title, ylabel=axis_label, xlabel="α, decay of the frequencies", ylim=(0, None))
        measured_ticks(ax.xaxis, sweep["alpha"])
    forced = axes[1, 1]
    rows = sweep[sweep["sigma"] == sigmas[0]]
    style = {"color": FAINT, "marker": "X", "shift": shifts[-1]}
    style["label"] = f"pool: once, σ = {sigmas[0]:g} (d)"
    points(forced, rows, "alpha", "ood_once", line=True, **style)
    for line in axes:  # the same quantity
        top = max(ax.get_ylim()[1] for ax in line)
        for ax in line:
            ax.set_ylim(0, top)
    legend_below(canvas)
    return canvas


def ridge(tables: Tables) -> Canvas:
    """A1: fresh-data and combination loss against the ridge penalty, one panel per noise level."""
    sweep = tables["linear_sweep"]
    alpha = nearest(sweep["alpha"], 2.0)
    sweep = sweep[sweep["alpha"] == alpha].reset_index(drop=True)
    sweep["ood_once"] = ood(sweep, tables["linear_sets"], "once", 2)
    sigmas = [sigma for sigma in sorted(sweep["sigma"].unique()) if sigma > 0]
    canvas, axes = panels(1, len(sigmas), height=2.3, sharex=True, sharey=True)
    smallest = sweep.loc[sweep["lam"] > 0, "lam"].min()
    for ax, sigma in zip(axes[0], sigmas, strict=True):
        rows = sweep[sweep["sigma"] == sigma]
        points(ax, rows, "lam", "ind", line=True, **FRESH.marks())
        points(ax, rows, "lam", "ood_once", line=True, **PAIRS.marks())
        beta2 = tables["linear_sets"].query("alpha == @alpha")["once_beta2"].mean()
        ax.axvline(sigma**2 / beta2, color=INK, linestyle="--", linewidth=1, label="σ² / mean β*²")
        ax.set(title=f"σ = {sigma:g}", xlabel="ridge penalty λ", yscale="log")
        ax.set_xscale("symlog", linthresh=smallest)
        ax.set_xticks([0, 0.1, 10, 1000], ["0", "0.1", "10", "1000"])
        ax.minorticks_off()
    log_ticks(axes[0, 0].yaxis)
    axes[0, 0].set_ylabel("loss")
    legend_below(canvas)
    return canvas


def shrinkage(tables: Tables) -> Canvas:
    """A2: a ridge coefficient against how often its feature occurs."""
    table = tables["linear_shrinkage"]
    table = table[table["alpha"] == nearest(table["alpha"], 2.0)]
    lams = [lam for lam in (0.0, 0.3, 3.0, 30.0, 300.0) if lam in set(table["lam"])]
    canvas, ((ax,),), ((strip,),) = compared(1, 1, height=3.2)
    counts = np.geomspace(1, table["count_mean"].max(), 200)
    for lam, color in zip(lams, shade(len(lams)), strict=True):
        rows = table[table["lam"] == lam]
        rows = rows.assign(count=rows.groupby("count_low")["count_mean"].transform("mean"))
        theory(ax, counts, counts / (counts + lam), label=None, color=color, linestyle="-")
        rows = rows.assign(predicted=rows["count"] / (rows["count"] + lam))
        points(ax, rows, "count", "ratio", color=color, label=f"λ = {lam:g}")
        residuals(strip, rows, "count", "ratio", "predicted", color=color)
    ax.set(xscale="log", ylabel="estimate / truth", title="Ridge shrinks by m/(m+λ)")
    strip.set_xlabel("rows with the feature, m")
    log_ticks(strip.xaxis)
    legend_below(canvas, 5)
    return canvas


def ranks(tables: Tables) -> Canvas:
    """A3: which features are seen and recovered, by frequency rank."""
    table = tables["linear_ranks"]
    table = table.assign(rank=np.sqrt((table["rank_low"] + 1.0) * table["rank_high"]))
    alphas = [alpha for alpha in (1.0, 1.5, 2.0, 3.0) if alpha in set(table["alpha"])]
    canvas, axes, strips = compared(1, len(alphas), sharey="row")
    left, right = beside(2)
    seen = {"label": "seen in training", "color": PALETTE[2], "marker": "<", "shift": left}
    recovered = ROWS.marks(label="recovered exactly", shift=right)
    for ax, strip, alpha in zip(axes[0], strips[0], alphas, strict=True):
        rows = table[table["alpha"] == alpha]
        expected = rows.groupby("rank")["expected"].mean()
        theory(ax, expected.index, expected, label=r"theory, $1-(1-p_i)^n$")
        points(ax, rows, "rank", "seen", **seen)
        points(ax, rows, "rank", "recovered", **recovered)
        residuals(strip, rows, "rank", "seen", "expected", **seen)
        strip.set(xlabel="frequency rank", ylabel="")
        ax.set(xscale="log", title=f"α = {alpha:g}")
    axes[0, 0].set_ylabel("share of features")
    strips[0, 0].set_ylabel("seen −\ntheory", fontsize=7)
    legend_below(canvas)
    return canvas


def scaling(tables: Tables) -> Canvas:
    """A4: min-norm loss against the number of training rows."""
    table = tables["scaling"]
    decays = sorted(table["decay"].unique())
    canvas, axes, strips = compared(1, len(decays), height=3.2, sharey="row")
    alphas = sorted(table["alpha"].unique())
    for ax, strip, decay in zip(axes[0], strips[0], decays, strict=True):
        for alpha, color, shift in zip(
            alphas, shade(len(alphas)), beside(len(alphas)), strict=True
        ):
            rows = table[(table["alpha"] == alpha) & (table["decay"] == decay)]
            points(ax, rows, "rows", "ind", label=f"α = {alpha:g}", color=color)
            means = rows.groupby("rows")["ind"].mean()
            x = means.index.to_numpy(float)
            exponent = -(1 - 1 / alpha) - 2 * decay / alpha
            scale = np.exp(np.log(means).mean() - exponent * np.log(x).mean())
            theory(ax, x, scale * x**exponent, label=None, color=color, linestyle="-")
            rows = rows.assign(predicted=scale * rows["rows"].astype(float) ** exponent)
            style = {"color": color, "shift": shift, "relative": True}
            residuals(strip, rows, "rows", "ind", "predicted", **style)
        title = f"β* = i$^{{-{decay:g}}}$" if decay else "β* = 1"
        ax.set(xscale="log", yscale="log", title=title)
        strip.set_xlabel("training rows n")
        measured_ticks(strip.xaxis, table["rows"])
        log_ticks(ax.yaxis)
    for strip in strips[0, 1:]:
        strip.set_ylabel("")
    axes[0, 0].set_ylabel("loss IND, σ = 0")
    legend_below(canvas, title="lines: predicted slope")
    return canvas


def interpolators(tables: Tables) -> Canvas:
    """A5: which predictors lose on rare combinations more than on fresh data."""
    table = tables["interpolators"]
    order = [*LINEAR_INTERPOLATORS, *LINEAR_OTHERS, *OTHER_INTERPOLATORS]
    canvas, axes = panels(1, 1, height=3.4, wide=True)
    ax = axes[0, 0]
    table = table[table["estimator"].isin(order)]
    pool = table["pool"].mean()  # of once ∩ F-hat, on average
    for value, look, beneath in (("ind", FRESH, -0.15), ("ood2", PAIRS, 0.15)):
        for number, name in enumerate(order):
            values = table.loc[table["estimator"] == name, value]
            label = None if number else look.label
            at_row(ax, values, number + beneath, **look.marks(label=label))
    ax.axhline(len(LINEAR_INTERPOLATORS) - 0.5, color=FAINT, linewidth=0.8, linestyle=":")
    categories(ax.yaxis, order)
    ax.invert_yaxis()
    ax.set(
        xscale="log",
        xlabel=f"loss, σ = 0; pairs of {pool:.0f} features",
        title="Above the line: linear interpolators",
    )
    legend_below(canvas)
    return canvas


def early_stopping(tables: Tables) -> Canvas:
    """Gradient descent memorizes one-off rows late, and as predicted."""
    table = tables["descent"]
    table = table.assign(ood2=table["ind"] + 2 * table["forced_once_alone"])
    canvas, ((recovery, loss),), ((strip, below),) = compared(1, 2, height=3.0)
    expected = table.groupby("step")["expected"].mean()
    theory(recovery, expected.index, expected, label=r"theory, $1-e^{-t/L}$")
    style = ROWS.marks(label="one-off coefficients", markersize=2.5)
    points(recovery, table, "step", "recovery", **style)
    residuals(strip, table, "step", "recovery", "expected", **style)
    recovery.set(title="a  Recovery", ylabel="estimate / truth", xscale="log")
    strip.set_xlabel("gradient steps t")
    points(loss, table, "step", "ood2", line=True, **PAIRS.marks(markersize=2.5))
    points(loss, table, "step", "ind", line=True, **FRESH.marks(markersize=2.5))
    loss.set(title="b  Loss", xlabel="gradient steps t", ylabel="loss, σ = 0", yscale="log")
    loss.set_xscale("log")
    loss.tick_params(labelbottom=True)
    log_ticks(loss.yaxis)
    below.set_visible(False)
    legend_below(canvas)
    return canvas


def leave_one_out(tables: Tables) -> Canvas:
    """What a row's label would have been predicted as without it: closed form against refitting."""
    table = tables["leave_one_out"]
    canvas, ((exactness, off, memorized),) = panels(1, 3, height=2.4)
    limit = 1.05 * table[["residual", "refit"]].abs().max().max()
    for once, look in (
        (False, RARE._replace(label="other rows", color=PALETTE[0], marker="o")),
        (True, ROWS._replace(label="rows with a one-off feature")),
    ):
        rows = table[table["once"] == once]
        style = look.marks(linestyle="none", alpha=0.5, markersize=2.5, markeredgewidth=0)
        exactness.plot(rows["refit"], rows["residual"], **style)
        off.plot(rows["refit"], rows["residual"] - rows["refit"], **style)
        resolved = rows[rows["train_error"] > RESOLVED]
        memorized.plot(resolved["train_error"], resolved["residual"].abs(), **style)
        floor = rows[rows["train_error"] <= RESOLVED]
        at_rounding = np.full(len(floor), RESOLVED)
        memorized.plot(at_rounding, floor["residual"].abs(), **style)
    diagonal = np.array([-limit, limit])
    theory(exactness, diagonal, diagonal, label=None)
    off.axhline(0, color=INK, linewidth=0.8)
    exactness.set(title="a  Closed form", ylabel="closed-form residual")
    off.set(title="b  Its error", ylabel="closed form − refit")
    for ax in (exactness, off):
        ax.set_xlabel("residual by refitting")
    memorized.set(xscale="log", title="c  Memorized", xlabel="|training error|")
    memorized.set(ylabel="|leave-one-out residual|", xlim=(RESOLVED / 5, None))
    memorized.set_xticks([RESOLVED, 1e-8, 1e-4, 1], [f"≤ {RESOLVED:g}", "1e-8", "1e-4", "1"])
    legend_below(canvas)
    return canvas
