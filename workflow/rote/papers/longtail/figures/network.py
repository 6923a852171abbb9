"""Figures of the network and kernel tracks, and those that join them with the linear one."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure as Canvas

from rote.papers.longtail.linear import ood
from rote.plotting import (
    FAINT,
    INK,
    PALETTE,
    categories,
    legend_below,
    log_ticks,
    nearest,
    panels,
    points,
    theory,
)

Tables = Mapping[str, pd.DataFrame]
COLORS = dict(
    zip(
        ("sum", "linear", "two-layer", "cross-channel", "concat"),
        (PALETTE[i] for i in (0, 2, 9, 3, 1)),
        strict=True,
    )
)
MARKERS = dict(zip(COLORS, "osDv^", strict=True))
TABLE_1 = {  # published test losses, weight decay 0 and 0.5
    "sum": (0.1760, 2.8744),
    "linear": (0.1662, 1.5539),
    "two-layer": (0.1351, 0.6447),
    "cross-channel": (22.9671, 23.6506),
}


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
                points(
                    ax,
                    decayed,
                    "x",
                    "mse",
                    label=f"{name}, weight decay",
                    color=COLORS[name],
                    marker="x",
                )
        ax.set(
            title=title,
            xlabel="training triples with a 9",
            yscale="log",
            xlim=(-0.4, len(counts) - 0.6),
        )
        categories(ax.xaxis, counts)
        log_ticks(ax.yaxis)
    axes[0, 0].set_ylabel("test MSE (label²)")
    legend_below(canvas, 6, *axes[0, 0].get_legend_handles_labels())
    return canvas


def isolation(tables: Tables) -> Canvas:
    """Table 1: loss on pairs of symbols that each occurred once, with and without weight decay."""
    table = tables["network"]
    table = table[
        (table["dataset"] == "glyphs-head") & table["evaluated"].isin(["gl2_any", "train"])
    ]
    decayed = table.loc[table["architecture"] != "sum", "weight_decay"].max()
    table = table[table["weight_decay"].isin([0.0, decayed])]
    names = [name for name in COLORS if name in set(table["architecture"])]
    canvas, axes = panels(1, 2, width=4.2, height=2.9)
    for ax, (test, title) in zip(
        axes[0],
        {"gl2_any": "a  Test: two one-off symbols together", "train": "b  Training"}.items(),
        strict=True,
    ):
        for offset, decay, color, label in (
            (-0.16, 0.0, PALETTE[0], "no weight decay: memorized"),
            (0.16, decayed, PALETTE[3], "weight decay: not memorized"),
        ):
            rows = table[(table["evaluated"] == test) & (table["weight_decay"] == decay)]
            rows = rows.assign(x=rows["architecture"].map(names.index) + offset)
            ax.plot(
                rows["x"],
                rows["mse"],
                "o",
                color=color,
                alpha=0.35,
                markersize=3,
                markeredgewidth=0,
            )
            points(ax, rows, "x", "mse", color=color, line=False, label=label, markersize=5.5)
        if test == "gl2_any":
            published = [
                (names.index(n) + o, v)
                for n in names
                if n in TABLE_1
                for o, v in zip((-0.32, 0.32), TABLE_1[n], strict=True)
            ]
            ax.plot(
                *zip(*published, strict=True),
                "x",
                color=INK,
                markersize=5,
                label="paper (MNIST, ResNet-18)",
            )
            ax.axhline(17, color=FAINT, linewidth=0.9, linestyle=":")
            ax.text(-0.45, 18, "best constant", fontsize=7.5, color=FAINT, va="bottom", ha="left")
        ax.set(title=title, yscale="log", xlim=(-0.55, len(names) - 0.45))
        categories(ax.xaxis, [name.replace("-", "-\n") for name in names])
        log_ticks(ax.yaxis)
    axes[0, 0].set_ylabel("MSE (label²)")
    legend_below(canvas, 3, *axes[0, 0].get_legend_handles_labels())
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
        points(
            ax,
            table[table["evaluated"] == test],
            "weight_decay",
            "mse",
            label=label,
            color=color,
            marker=marker,
        )
    ax.set(
        xlabel="decoupled weight decay",
        ylabel="MSE (label²)",
        yscale="log",
        title="Weight decay, sum network",
    )
    log_ticks(ax.yaxis)
    ax.legend()
    return canvas


def structure(tables: Tables) -> Canvas:
    """A6: taking additive structure away, in the linear and the kernel track, and a non-additive
    truth.
    """
    canvas, axes = panels(1, 3, width=3.0)
    table = tables["interpolators"]
    rows = table[table["estimator"] == "mixture"]
    points(axes[0, 0], rows, "parameter", "ood2", color=PALETTE[3], marker="s", label=r"OOD$_2$")
    points(axes[0, 0], rows, "parameter", "ind", color=PALETTE[0], label="IND")
    axes[0, 0].set(
        title="a  Linear features",
        ylabel="loss, σ = 0",
        xlabel="ρ, share of the RBF kernel",
        yscale="log",
    )
    log_ticks(axes[0, 0].yaxis)
    axes[0, 0].legend()
    kernel = tables["kernel"]
    kernel = kernel[kernel["kernel"] == "mixture"]
    for test, label, color, marker in (
        ("gl2_any", "two one-off symbols", PALETTE[3], "s"),
        ("id", "fresh common digits", PALETTE[0], "o"),
    ):
        points(
            axes[0, 1],
            kernel[kernel["evaluated"] == test],
            "rho",
            "mse",
            label=label,
            color=color,
            marker=marker,
        )
    axes[0, 1].set(
        title="b  Sums of three images",
        ylabel="MSE (label²)",
        xlabel="ρ, share of the monolithic kernel",
        yscale="log",
    )
    log_ticks(axes[0, 1].yaxis)
    axes[0, 1].legend()
    rows = table[table["estimator"] == "interaction"]
    rows = rows.assign(excess=rows["ood2"] - rows["ind"])
    gamma = np.linspace(0, rows["parameter"].max(), 50)
    theory(axes[0, 2], gamma, gamma**2, label="γ²: the pair alone")
    points(axes[0, 2], rows, "parameter", "excess", color=PALETTE[4], line=False, label="min-norm")
    axes[0, 2].set(
        title="c  Non-additive truth",
        ylabel=r"OOD$_2$ − IND",
        xlabel="γ, strength of the pair term",
    )
    axes[0, 2].legend()
    return canvas


def companions(tables: Tables) -> Canvas:
    """A7: what a one-off symbol shares its training triple with decides whether it composes."""
    network, kernel = tables["network"], tables["kernel"]
    network = network[(network["architecture"] == "sum") & (network["weight_decay"] == 0)]
    kernel = kernel[(kernel["kernel"] == "shared") & (kernel["lam"] == kernel["lam"].min())]
    names = {
        "glyphs-head": "common\n(0, 1)",
        "glyphs-zipf": "as drawn\n(Zipf)",
        "glyphs-tail": "rare\n(7, 8)",
    }
    canvas, axes = panels(1, 2, width=3.2, sharey=True)
    for ax, table, title in zip(
        axes[0], (network, kernel), ("a  Sum network", "b  Shared kernel"), strict=True
    ):
        for test, label, color, marker in (
            ("gl2_any", "two one-off symbols", PALETTE[3], "s"),
            ("gl_train", "their training rows", PALETTE[1], "o"),
        ):
            rows = table[(table["evaluated"] == test) & table["dataset"].isin(list(names))]
            rows = rows.assign(
                x=rows["dataset"].map(list(names).index), mse=rows["mse"].clip(lower=1e-8)
            )
            points(ax, rows, "x", "mse", label=label, color=color, marker=marker, line=False)
        ax.set(
            title=title, yscale="log", xlabel="companions in the training triple", xlim=(-0.4, 2.4)
        )
        categories(ax.xaxis, list(names.values()))
    axes[0, 0].set_ylabel("MSE (label²)")
    axes[0, 1].legend(loc="center right")
    return canvas


def memorization(tables: Tables) -> Canvas:
    """A8: loss of each part of the test distribution against how far one-off rows are memorized."""
    canvas, axes = panels(1, 2, width=3.8, height=2.9)
    sweep = tables["linear_sweep"]
    alpha = nearest(sweep["alpha"], 2.0)
    sweep = sweep[
        (sweep["alpha"] == alpha) & (sweep["sigma"] == nearest(sweep["sigma"], 0.05))
    ].reset_index(drop=True)
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
