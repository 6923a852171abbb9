"""The paper's figures and our additions: functions from result tables to figures, no computation beyond means."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure as Canvas

from rote.figures import (
    FAINT,
    INK,
    PALETTE,
    Figure,
    categories,
    log_ticks,
    panels,
    points,
    shade,
    spread,
    theory,
    whiskers,
)
from rote.papers.longtail.linear import ood

Tables = Mapping[str, pd.DataFrame]
COLORS = dict(
    zip(("sum", "linear", "two-layer", "cross-channel", "concat"), (PALETTE[i] for i in (0, 2, 9, 3, 1)), strict=True)
)
MARKERS = dict(zip(COLORS, "osDv^", strict=True))
TABLE_1 = {  # published test losses, weight decay 0 and 0.5
    "sum": (0.1760, 2.8744),
    "linear": (0.1662, 1.5539),
    "two-layer": (0.1351, 0.6447),
    "cross-channel": (22.9671, 23.6506),
}


def linear_risk(tables: Tables) -> Canvas:
    """Figure 1: errors and losses of min-norm against the decay of the frequencies."""
    sweep, sets = tables["linear_sweep"], tables["linear_sets"]
    sweep = sweep[(sweep["lam"] == 0) & (sweep["sigma"] <= 0.2)].reset_index(drop=True)
    sweep["ood_alone"] = ood(sweep, sets, "alone", 2).to_numpy()
    sweep["ood_once"] = ood(sweep, sets, "once", 2).to_numpy()
    canvas, axes = panels(1, 4, width=2.9)
    contents = [
        ("error_rare", "a  Seen rare features", "mean |Δ|"),
        ("error_common", "b  Common features", "mean |Δ|"),
        ("ind", "c  Fresh data", "IND"),
        ("ood_alone", "d  Rare pairs forced together", r"OOD$_2$"),
    ]
    sigmas = sorted(sweep["sigma"].unique())
    for ax, (value, title, label) in zip(axes[0], contents, strict=True):
        for sigma, color in zip(sigmas, shade(len(sigmas)), strict=True):
            points(ax, sweep[sweep["sigma"] == sigma], "alpha", value, label=f"σ = {sigma:g}", color=color)
        if value == "ood_alone":
            once = sweep[sweep["sigma"] == sigmas[0]]
            points(ax, once, "alpha", "ood_once", label=f"pool: once, σ = {sigmas[0]:g}", color=FAINT, marker="s")
        ax.set(title=title, ylabel=label, xlabel="α, decay of the frequencies", ylim=(0, None))
    axes[0, 0].legend()
    handles, labels = axes[0, 3].get_legend_handles_labels()
    axes[0, 3].legend(handles[-1:], labels[-1:])
    return canvas


def rare_digit(tables: Tables) -> Canvas:
    """Figure 2: loss against the number of training triples with a 9."""
    table = tables["network"]
    table = table[table["dataset"].str.startswith("nines-")]
    table = table.assign(count=table["dataset"].str.removeprefix("nines-").astype(int))
    counts = sorted(table["count"].unique())
    table["x"] = table["count"].map(counts.index)
    canvas, axes = panels(1, 4, width=2.9)
    titles = {
        "nine1": "a  One 9 per test triple",
        "nine2": "b  Two 9s",
        "nine3": "c  Three 9s",
        "seen9x2": "d  Two trained 9s, new pairs",
    }
    for ax, (test, title) in zip(axes[0], titles.items(), strict=True):
        for name in table["architecture"].unique():
            rows = table[(table["architecture"] == name) & (table["evaluated"] == test)]
            memorized, decayed = rows[rows["weight_decay"] == 0], rows[rows["weight_decay"] > 0]
            points(ax, memorized, "x", "mse", label=name, color=COLORS[name], marker=MARKERS[name])
            if len(decayed):
                points(ax, decayed, "x", "mse", label=f"{name}, weight decay", color=COLORS[name], marker="x")
        ax.set(title=title, xlabel="training triples with a 9", yscale="log", xlim=(-0.4, len(counts) - 0.6))
        categories(ax.xaxis, counts)
        log_ticks(ax.yaxis)
    axes[0, 0].set_ylabel("test MSE (label²)")
    axes[0, 0].legend()
    return canvas


def isolation(tables: Tables) -> Canvas:
    """Table 1: loss on pairs of symbols that each occurred once, with and without weight decay."""
    table = tables["network"]
    table = table[(table["dataset"] == "glyphs-head") & table["evaluated"].isin(["gl2_any", "train"])]
    decayed = table.loc[table["architecture"] != "sum", "weight_decay"].max()
    table = table[table["weight_decay"].isin([0.0, decayed])]
    names = [name for name in COLORS if name in set(table["architecture"])]
    canvas, axes = panels(1, 2, width=4.2, height=2.9)
    for ax, (test, title) in zip(
        axes[0], {"gl2_any": "a  Test: two one-off symbols together", "train": "b  Training"}.items(), strict=True
    ):
        for offset, decay, color, label in (
            (-0.16, 0.0, PALETTE[0], "no weight decay: memorized"),
            (0.16, decayed, PALETTE[3], "weight decay: not memorized"),
        ):
            rows = table[(table["evaluated"] == test) & (table["weight_decay"] == decay)]
            rows = rows.assign(x=rows["architecture"].map(names.index) + offset)
            ax.plot(rows["x"], rows["mse"], "o", color=color, alpha=0.35, markersize=3, markeredgewidth=0)
            points(ax, rows, "x", "mse", color=color, line=False, label=label, markersize=5.5)
        if test == "gl2_any":
            published = [
                (names.index(n) + o, v)
                for n in names
                if n in TABLE_1
                for o, v in zip((-0.32, 0.32), TABLE_1[n], strict=True)
            ]
            ax.plot(*zip(*published, strict=True), "x", color=INK, markersize=5, label="paper (MNIST, ResNet-18)")
            ax.axhline(17, color=FAINT, linewidth=0.9, linestyle=":")
            ax.text(-0.45, 18, "best constant", fontsize=7.5, color=FAINT, va="bottom", ha="left")
        ax.set(title=title, yscale="log", xlim=(-0.55, len(names) - 0.45))
        categories(ax.xaxis, [name.replace("-", "-\n") for name in names])
        log_ticks(ax.yaxis)
    axes[0, 0].set_ylabel("MSE (label²)")
    canvas.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return canvas


def weight_decay(tables: Tables) -> Canvas:
    """The sum network across weight decays: what each test set loses."""
    table = tables["network"]
    table = table[(table["architecture"] == "sum") & (table["dataset"] == "glyphs-head")]
    canvas, axes = panels(1, 1, width=4.4, height=3)
    ax = axes[0, 0]
    names = {
        "gl2_any": "two one-off symbols",
        "gl_train": "their training rows",
        "id": "fresh common digits",
        "train": "training",
    }
    for (test, label), color, marker in zip(
        names.items(), (PALETTE[3], PALETTE[1], PALETTE[0], FAINT), "osDv", strict=True
    ):
        points(ax, table[table["evaluated"] == test], "weight_decay", "mse", label=label, color=color, marker=marker)
    ax.set(xlabel="decoupled weight decay", ylabel="MSE (label²)", yscale="log", title="Weight decay, sum network")
    log_ticks(ax.yaxis)
    ax.legend()
    return canvas


def ridge(tables: Tables) -> Canvas:
    """A1: fresh-data and combination loss against the ridge penalty, one panel per noise level."""
    sweep = tables["linear_sweep"]
    alpha = nearest(sweep["alpha"], 2.0)
    sweep = sweep[sweep["alpha"] == alpha].reset_index(drop=True)
    sweep["ood_once"] = ood(sweep, tables["linear_sets"], "once", 2).to_numpy()
    sigmas = [sigma for sigma in sorted(sweep["sigma"].unique()) if sigma > 0]
    canvas, axes = panels(1, len(sigmas), width=2.4, sharex=True)
    smallest = sweep.loc[sweep["lam"] > 0, "lam"].min()
    for ax, sigma in zip(axes[0], sigmas, strict=True):
        rows = sweep[sweep["sigma"] == sigma]
        points(ax, rows, "lam", "ind", label="fresh data, IND", color=PALETTE[0])
        points(ax, rows, "lam", "ood_once", label=r"one-off pairs, OOD$_2$", color=PALETTE[3], marker="s")
        beta2 = tables["linear_sets"].query("alpha == @alpha")["once_beta2"].mean()
        ax.axvline(sigma**2 / beta2, color=INK, linestyle="--", linewidth=1, label="σ² / mean β*²")
        ax.set(title=f"σ = {sigma:g}", xlabel="ridge penalty λ", yscale="log")
        ax.set_xscale("symlog", linthresh=smallest)
        ax.set_xticks([0, 0.1, 10, 1000], ["0", "0.1", "10", "1000"])
        ax.minorticks_off()
        log_ticks(ax.yaxis)
    axes[0, 0].set_ylabel("loss")
    canvas.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return canvas


def shrinkage(tables: Tables) -> Canvas:
    """A2: a ridge coefficient against how often its feature occurs."""
    table = tables["linear_shrinkage"]
    table = table[table["alpha"] == nearest(table["alpha"], 2.0)]
    chosen = [lam for lam in (0.0, 0.3, 3.0, 30.0, 300.0) if lam in set(table["lam"])]
    canvas, axes = panels(1, 1, width=4.4, height=3)
    ax = axes[0, 0]
    counts = np.geomspace(1, table["count_mean"].max(), 200)
    for lam, color in zip(chosen, shade(len(chosen)), strict=True):
        rows = table[table["lam"] == lam]
        middle = rows.groupby("count_low")["count_mean"].transform("mean")
        theory(ax, counts, counts / (counts + lam), label=None, color=color, linestyle="-")
        points(ax, rows.assign(middle=middle), "middle", "ratio", color=color, line=False, label=f"λ = {lam:g}")
    ax.set(xscale="log", xlabel="rows with the feature, m", ylabel="estimate / truth", title="Ridge shrinks by m/(m+λ)")
    canvas.legend(title="points: fit\nlines: theory", title_fontsize=8, alignment="left", loc="outside right center")
    return canvas


def ranks(tables: Tables) -> Canvas:
    """A3: which features are seen and recovered, by frequency rank."""
    table = tables["linear_ranks"]
    chosen = [alpha for alpha in (1.0, 1.5, 2.0, 3.0) if alpha in set(table["alpha"])]
    canvas, axes = panels(1, len(chosen), width=2.6, sharey=True)
    for ax, alpha in zip(axes[0], chosen, strict=True):
        rows = table[table["alpha"] == alpha].assign(rank=lambda t: np.sqrt((t["rank_low"] + 1.0) * t["rank_high"]))
        expected = rows.groupby("rank")["expected"].mean()
        theory(ax, expected.index, expected, label=r"theory, $1-(1-p_i)^n$")
        points(ax, rows, "rank", "seen", label="seen in training", color=PALETTE[0], line=False)
        points(ax, rows, "rank", "recovered", label="recovered exactly", color=PALETTE[2], marker="s", line=False)
        ax.set(xscale="log", title=f"α = {alpha:g}", xlabel="frequency rank")
    axes[0, 0].set_ylabel("share of features")
    canvas.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
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
            middle = np.exp(np.log(means).mean() - exponent * np.log(x).mean())
            theory(ax, x, middle * x**exponent, label=None, color=color, linestyle="-")
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
        *handles, title="lines:\npredicted slope", title_fontsize=8, alignment="left", loc="outside right center"
    )
    return canvas


def interpolators(tables: Tables) -> Canvas:
    """A5: which predictors lose on rare combinations more than on fresh data."""
    table = tables["interpolators"]
    order = [
        "min-l2", "min-l2 + null", "weighted, g = 1", "weighted, g = -1", "min-l1",
        "ridge 1", "ridge 10", "common only", "polynomial", "RBF", "1-NN",
    ]  # fmt: skip
    order = [name for name in order if name in set(table["estimator"])]
    canvas, axes = panels(1, 1, width=5.2, height=3.4)
    ax = axes[0, 0]
    for value, label, color, marker in (
        ("ind", "fresh data, IND", PALETTE[0], "o"),
        ("ood2", r"one-off pairs, OOD$_2$", PALETTE[3], "s"),
    ):
        rows = spread(table[table["estimator"].isin(order)], "estimator", value).set_index("estimator").loc[order]
        ax.errorbar(rows["mean"], range(len(order)), xerr=whiskers(rows), fmt=marker, color=color, label=label)
    ax.axhline(order.index("min-l1") + 0.5, color=FAINT, linewidth=0.8, linestyle=":")
    ax.set_yticks(range(len(order)), order)
    ax.invert_yaxis()
    ax.set(xscale="log", xlabel="loss, σ = 0", title="Linear interpolators (above the line) compose")
    ax.legend(loc="upper right")
    return canvas


def structure(tables: Tables) -> Canvas:
    """A6: taking additive structure away, in the linear and the kernel track, and a non-additive truth."""
    canvas, axes = panels(1, 3, width=3.0)
    table = tables["interpolators"]
    rows = table[table["estimator"] == "mixture"]
    points(axes[0, 0], rows, "parameter", "ood2", color=PALETTE[3], marker="s", label=r"OOD$_2$")
    points(axes[0, 0], rows, "parameter", "ind", color=PALETTE[0], label="IND")
    axes[0, 0].set(title="a  Linear features", ylabel="loss, σ = 0", xlabel="ρ, share of the RBF kernel", yscale="log")
    log_ticks(axes[0, 0].yaxis)
    axes[0, 0].legend()
    kernel = tables["kernel"]
    kernel = kernel[kernel["kernel"] == "mixture"]
    for test, label, color, marker in (
        ("gl2_any", "two one-off symbols", PALETTE[3], "s"),
        ("id", "fresh common digits", PALETTE[0], "o"),
    ):
        points(axes[0, 1], kernel[kernel["evaluated"] == test], "rho", "mse", label=label, color=color, marker=marker)
    axes[0, 1].set(
        title="b  Sums of three images", ylabel="MSE (label²)", xlabel="ρ, share of the monolithic kernel", yscale="log"
    )
    log_ticks(axes[0, 1].yaxis)
    axes[0, 1].legend()
    rows = table[table["estimator"] == "interaction"]
    rows = rows.assign(excess=rows["ood2"] - rows["ind"])
    gamma = np.linspace(0, rows["parameter"].max(), 50)
    theory(axes[0, 2], gamma, gamma**2, label="γ²: the pair alone")
    points(axes[0, 2], rows, "parameter", "excess", color=PALETTE[4], line=False, label="min-norm")
    axes[0, 2].set(title="c  Non-additive truth", ylabel=r"OOD$_2$ − IND", xlabel="γ, strength of the pair term")
    axes[0, 2].legend()
    return canvas


def companions(tables: Tables) -> Canvas:
    """A7: what a one-off symbol shares its training triple with decides whether it composes."""
    network, kernel = tables["network"], tables["kernel"]
    network = network[(network["architecture"] == "sum") & (network["weight_decay"] == 0)]
    kernel = kernel[(kernel["kernel"] == "shared") & (kernel["lam"] == kernel["lam"].min())]
    names = {"glyphs-head": "common\n(0, 1)", "glyphs-zipf": "as drawn\n(Zipf)", "glyphs-tail": "rare\n(7, 8)"}
    canvas, axes = panels(1, 2, width=3.2, sharey=True)
    for ax, table, title in zip(axes[0], (network, kernel), ("a  Sum network", "b  Shared kernel"), strict=True):
        for test, label, color, marker in (
            ("gl2_any", "two one-off symbols", PALETTE[3], "s"),
            ("gl_train", "their training rows", PALETTE[1], "o"),
        ):
            rows = table[(table["evaluated"] == test) & table["dataset"].isin(list(names))]
            rows = rows.assign(x=rows["dataset"].map(list(names).index), mse=rows["mse"].clip(lower=1e-8))
            points(ax, rows, "x", "mse", label=label, color=color, marker=marker, line=False)
        ax.set(title=title, yscale="log", xlabel="companions in the training triple", xlim=(-0.4, 2.4))
        categories(ax.xaxis, list(names.values()))
    axes[0, 0].set_ylabel("MSE (label²)")
    axes[0, 1].legend(loc="center right")
    return canvas


def memorization(tables: Tables) -> Canvas:
    """A8: loss of each part of the test distribution against how far one-off rows are memorized."""
    canvas, axes = panels(1, 2, width=3.8, height=2.9)
    sweep = tables["linear_sweep"]
    alpha = nearest(sweep["alpha"], 2.0)
    sweep = sweep[(sweep["alpha"] == alpha) & (sweep["sigma"] == nearest(sweep["sigma"], 0.05))].reset_index(drop=True)
    sweep["ood2"] = ood(sweep, tables["linear_sets"], "once", 2).to_numpy()
    sweep["score"] = (1 / (1 + sweep["lam"])).round(6)
    sweep["ind_rare"] = sweep["ind_recovered"] + sweep["ind_unrecovered"]
    for value, label, color, marker in (
        ("ood2", "one-off pairs", PALETTE[3], "s"),
        ("ind", "fresh data", PALETTE[0], "o"),
        ("ind_rare", "its rare part", PALETTE[1], "D"),
        ("ind_common", "its common part", PALETTE[2], "v"),
        ("ind_unseen", "its unseen part", FAINT, "^"),
    ):
        points(axes[0, 0], sweep, "score", value, label=label, color=color, marker=marker)
    axes[0, 0].set(
        title=f"a  Linear, α = {alpha:g}, σ = 0.05",
        xlabel="1/(1+λ), hat diagonal of a one-off row",
        ylabel="loss",
        yscale="log",
    )
    axes[0, 0].legend(fontsize=7)
    kernel = tables["kernel"]
    kernel = kernel[(kernel["kernel"] == "shared") & (kernel["dataset"] == "glyphs-head")]
    kernel = kernel.assign(score=kernel.groupby("lam")["hat_rare"].transform("mean"))
    for test, label, color, marker in (
        ("gl2_any", "two one-off symbols", PALETTE[3], "s"),
        ("id", "fresh common digits", PALETTE[0], "o"),
        ("gl_train", "one-off training rows", PALETTE[1], "D"),
    ):
        rows = kernel[kernel["evaluated"] == test].assign(mse=lambda t: t["mse"].clip(lower=1e-6))
        points(axes[0, 1], rows, "score", "mse", label=label, color=color, marker=marker)
    axes[0, 1].set(
        title="b  Shared kernel on images",
        xlabel="mean hat diagonal of the one-off rows",
        ylabel="MSE (label²)",
        yscale="log",
        ylim=(1e-2, None),
    )
    axes[0, 1].legend(fontsize=7, loc="lower left")
    return canvas


def early_stopping(tables: Tables) -> Canvas:
    """Gradient descent memorizes one-off rows late, and as predicted."""
    table = tables["descent"]
    canvas, axes = panels(1, 2, width=3.4, height=2.7)
    expected = table.groupby("step")["expected"].mean()
    theory(axes[0, 0], expected.index, expected, label=r"theory, $1-e^{-t/L}$")
    points(
        axes[0, 0], table, "step", "recovery", color=PALETTE[3], line=False, label="one-off coefficients", markersize=3
    )
    axes[0, 0].set(xscale="log", xlabel="gradient steps t", ylabel="estimate / truth", title="a  Recovery")
    axes[0, 0].legend()
    table = table.assign(ood2=table["ind"] + 2 * table["forced_once_alone"])
    points(
        axes[0, 1], table, "step", "ood2", color=PALETTE[3], marker="s", label=r"one-off pairs, OOD$_2$", markersize=3
    )
    points(axes[0, 1], table, "step", "ind", color=PALETTE[0], label="fresh data, IND", markersize=3)
    axes[0, 1].set(xscale="log", yscale="log", xlabel="gradient steps t", ylabel="loss, σ = 0", title="b  Loss")
    log_ticks(axes[0, 1].yaxis)
    axes[0, 1].legend()
    return canvas


def leave_one_out(tables: Tables) -> Canvas:
    """What a row's label would have been predicted as without it: closed form against refitting."""
    table = tables["leave_one_out"]
    canvas, axes = panels(1, 2, width=3.2, height=2.9)
    limit = 1.05 * table[["residual", "refit"]].abs().max().max()
    for once, color, label in ((False, PALETTE[0], "other rows"), (True, PALETTE[3], "rows with a one-off feature")):
        rows = table[table["once"] == once]
        axes[0, 0].plot(
            rows["refit"], rows["residual"], "o", color=color, label=label, alpha=0.5, markersize=3, markeredgewidth=0
        )
        axes[0, 1].plot(
            rows["train_error"].clip(lower=1e-16),
            rows["residual"].abs(),
            "o",
            color=color,
            alpha=0.5,
            markersize=3,
            markeredgewidth=0,
        )
    theory(axes[0, 0], np.array([-limit, limit]), np.array([-limit, limit]), label=None)
    axes[0, 0].set(title="a  Closed form is exact", xlabel="residual by refitting", ylabel="closed-form residual")
    axes[0, 0].legend(fontsize=7)
    axes[0, 1].set(
        xscale="log",
        title="b  Memorized: no training error",
        xlabel="|training error|",
        ylabel="|leave-one-out residual|",
    )
    return canvas


def nearest(values: pd.Series, wanted: float) -> float:
    """The value of a grid nearest to the one that the paper's figure uses."""
    grid = np.unique(values)
    return float(grid[np.abs(grid - wanted).argmin()])


FIGURES: dict[str, Figure] = {
    "linear_risk": Figure(
        linear_risk,
        ("linear_sweep", "linear_sets"),
        "Min-norm regression on power-law features (Figure 1)",
        "Mean over replicates with 95 % intervals. Rare pairs: two features of F-hat (rare features that are alone in "
        "some row) forced to be non-zero; grey: two features seen exactly once.",
        "Error of seen rare features proportional to the noise; common features learnt well unless α is near 1; loss "
        "on fresh data and on rare combinations low for large α, nearly the same for σ = 0 and 0.05, rising at α = 1.",
        "paper",
    ),
    "rare_digit": Figure(
        rare_digit,
        ("network",),
        "More examples of a rare digit (Figure 2)",
        "Test loss against the number of training triples that hold a 9. a-c: 9s from held-out images; d: two 9s whose "
        "images were trained on, in triples that were not. No weight decay, but for the crosses.",
        "The three networks that encode each image alone have low loss on triples with 9s, the cross-channel network a "
        "far higher one; the loss falls as the rare digit gets more frequent.",
        "paper",
    ),
    "isolation": Figure(
        isolation,
        ("network",),
        "Memorization isolated (Table 1)",
        "Ten symbols, each in exactly one training triple; tested on triples with two of them. Small dots are "
        "replicates, crosses the published values for MNIST, Omniglot and ResNet-18.",
        "Without weight decay, networks that encode each image alone reach a loss below 0.2 on two one-off symbols, "
        "and 5 to 16 times more with it; the cross-channel network stays at 23, worse than the best constant.",
        "paper",
    ),
    "weight_decay": Figure(
        weight_decay,
        ("network",),
        "The whole range of weight decays",
        "The sum network on four sets. Stronger decay first unlearns the one-off rows, then their combinations, last "
        "the common digits.",
        "Two decays only, 0 and 0.5.",
        "reconstruction",
    ),
    "ridge": Figure(
        ridge,
        ("linear_sweep", "linear_sets"),
        "Ridge, the linear counterpart of weight decay",
        "Loss against the penalty for each noise level. Dashed: the predicted best penalty for one-off features.",
        "Not in the paper.",
        "extension",
    ),
    "shrinkage": Figure(
        shrinkage,
        ("linear_shrinkage",),
        "Why ridge forgets the rare",
        "Noiseless ridge coefficients of common and isolated rare features, in octaves of their count.",
        "Not in the paper.",
        "extension",
    ),
    "ranks": Figure(
        ranks,
        ("linear_ranks",),
        "Which features are seen, and which recovered",
        "Share of the features of each rank bin that occur in training, and that min-norm recovers exactly at σ = 0.",
        "States that most seen rare features are recovered unless the decay is slow.",
        "reconstruction",
    ),
    "scaling": Figure(
        scaling,
        ("scaling",),
        "How the loss falls with data",
        "Min-norm loss without noise. Lines have the predicted exponent -(1 - 1/α) - 2b/α and the measured mean.",
        "A bound of order s (log² d / (n s))^(1 - 1/α) on the noiseless loss.",
        "reconstruction",
    ),
    "interpolators": Figure(
        interpolators,
        ("interpolators",),
        "Any linear interpolator composes, others do not",
        "Loss on fresh data and on pairs of one-off features, α = 2, no noise.",
        "Min-norm only.",
        "extension",
    ),
    "structure": Figure(
        structure,
        ("interpolators", "kernel"),
        "Taking structure away",
        "a, b: kernels mixed from an additive and a monolithic part; every training row is fitted exactly at every ρ. "
        "c: min-norm when the truth holds products of rare features.",
        "Compares compositional with mixing architectures, nothing in between.",
        "extension",
    ),
    "companions": Figure(
        companions,
        ("network", "kernel"),
        "Credit assignment",
        "One-off symbols trained beside common, usual or rare digits. All rows are fitted, but beside rare digits the "
        "credit is shared out wrongly.",
        "The theory needs rows with at most one rare feature; not tested on networks.",
        "extension",
    ),
    "memorization": Figure(
        memorization,
        ("linear_sweep", "linear_sets", "kernel"),
        "Degrees of memorization",
        "Loss of each part of the test distribution against how far one-off rows are memorized.",
        "Memorization on or off.",
        "extension",
    ),
    "early_stopping": Figure(
        early_stopping,
        ("descent",),
        "Early stopping forgets the rare, too",
        "Gradient descent from zero, step 1/L with L the largest eigenvalue of XᵀX, without noise.",
        "Gradient descent from zero as the reason for min-norm.",
        "extension",
    ),
    "leave_one_out": Figure(
        leave_one_out,
        ("leave_one_out",),
        "Leave-one-out influence in closed form",
        "Residual of a row under the min-norm fit to all others. Rows with a one-off feature are fitted exactly, and "
        "missed by about their coefficient once left out.",
        "Not in the paper; a reviewer asked for influence.",
        "extension",
    ),
}
