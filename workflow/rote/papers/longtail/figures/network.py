"""Figures of the network and kernel tracks, and those that join them with the linear one."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from rote.papers.longtail import interpolators, kernel
from rote.papers.longtail.architectures import ARCHITECTURES, REFERENCE
from rote.papers.longtail.dataset import GLYPHS, GLYPHS_HEAD, SWEEP
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
from rote.synth import triples

Tables = Mapping[str, pd.DataFrame]
COLORS = dict(zip(ARCHITECTURES, (PALETTE[i] for i in (0, 2, 9, 3, 1)), strict=True))
MARKERS = dict(zip(ARCHITECTURES, "osDv^", strict=True))
PAIRS = {"label": "two one-off symbols", "color": PALETTE[3], "marker": "s"}
FRESH = {"label": "fresh common digits", "color": PALETTE[0], "marker": "o"}
GLYPH_ROWS = {"label": "their training rows", "color": PALETTE[1], "marker": "o"}


def rare_digit(tables: Tables) -> Canvas:
    """Figure 2: loss against the number of training triples with a 9."""
    table = tables["network"]
    table = table[table["training_set"] == SWEEP]
    counts = sorted(table["nines"].unique())
    table = table.assign(x=table["nines"].map(counts.index))
    canvas, axes = panels(1, 4, width=2.9)
    titles = {
        triples.ONE_NINE.name: "a  One 9 per test triple",
        triples.TWO_NINES.name: "b  Two 9s",
        triples.THREE_NINES.name: "c  Three 9s",
        triples.TWO_TRAINED_NINES.name: "d  Two trained 9s, new pairs",
    }
    for ax, (evaluation_set, title) in zip(axes[0], titles.items(), strict=True):
        for name in table["architecture"].unique():
            rows = table[(table["architecture"] == name) & _measured(table, evaluation_set)]
            memorized = rows[rows["weight_decay"] == 0]
            decayed = rows[rows["weight_decay"] > 0]
            style = {"color": COLORS[name], "marker": MARKERS[name]}
            points(ax, memorized, "x", "mse", label=name, **style)
            if len(decayed):
                style["marker"] = "x"
                points(ax, decayed, "x", "mse", label=f"{name}, weight decay", **style)
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
    table = table[table["training_set"] == GLYPHS_HEAD.name]
    decay = table.loc[table["architecture"] != REFERENCE, "weight_decay"].max()
    names = [name for name in ARCHITECTURES if name in set(table["architecture"])]
    table = table.assign(x=table["architecture"].map(names.index))
    canvas, axes = panels(1, 2, width=4.2, height=2.9)
    test, training = axes[0]
    _with_and_without_decay(test, table[_measured(table, triples.TWO_GLYPHS.name)], decay)
    _published(test, names)
    test.axhline(17, color=FAINT, linewidth=0.9, linestyle=":")
    test.text(-0.45, 18, "best constant", fontsize=7.5, color=FAINT, va="bottom", ha="left")
    test.set(title="a  Test: two one-off symbols together", ylabel="MSE (label²)")
    _with_and_without_decay(training, table[_measured(table, triples.TRAIN.name)], decay)
    training.set(title="b  Training")
    for ax in axes[0]:
        ax.set(yscale="log", xlim=(-0.55, len(names) - 0.45))
        categories(ax.xaxis, [name.replace("-", "-\n") for name in names])
        log_ticks(ax.yaxis)
    legend_below(canvas, 3, *test.get_legend_handles_labels())
    return canvas


def _with_and_without_decay(ax: Axes, table: pd.DataFrame, decay: float) -> None:
    """Replicates and their means, the two weight decays side by side."""
    for offset, weight_decay, color, label in (
        (-0.16, 0.0, PALETTE[0], "no weight decay: memorized"),
        (0.16, decay, PALETTE[3], "weight decay: not memorized"),
    ):
        rows = table[table["weight_decay"] == weight_decay]
        rows = rows.assign(x=rows["x"] + offset)
        dots = {"color": color, "alpha": 0.35, "markersize": 3, "markeredgewidth": 0}
        ax.plot(rows["x"], rows["mse"], "o", **dots)
        points(ax, rows, "x", "mse", color=color, line=False, label=label, markersize=5.5)


def _published(ax: Axes, names: list[str]) -> None:
    """Table 1's losses, left and right of ours."""
    x = []
    losses = []
    for position, name in enumerate(names):
        published = ARCHITECTURES[name].published
        if published is not None:
            x += [position - 0.32, position + 0.32]
            losses += [published.memorized, published.decayed]
    ax.plot(x, losses, "x", color=INK, markersize=5, label="paper (MNIST, ResNet-18)")


def weight_decay(tables: Tables) -> Canvas:
    """The sum network across weight decays: what each test set loses."""
    table = tables["network"]
    table = table[
        (table["architecture"] == REFERENCE) & (table["training_set"] == GLYPHS_HEAD.name)
    ]
    canvas, axes = panels(1, 1, width=4.4, height=3)
    ax = axes[0, 0]
    training = {"label": "training", "color": FAINT, "marker": "v"}
    for evaluation_set, style in (
        (triples.TWO_GLYPHS, PAIRS | {"marker": "o"}),
        (triples.GLYPH_ROWS, GLYPH_ROWS | {"marker": "s"}),
        (triples.IN_DISTRIBUTION, FRESH | {"marker": "D"}),
        (triples.TRAIN, training),
    ):
        rows = table[_measured(table, evaluation_set.name)]
        points(ax, rows, "weight_decay", "mse", **style)
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
    """A6: taking additive structure away in both tracks, and a truth that is not additive."""
    canvas, axes = panels(1, 3, width=3.0)
    features, images, truth = axes[0]
    table = tables["interpolators"]
    rows = table[table["estimator"] == interpolators.MIXTURE]
    points(features, rows, "parameter", "ood2", **(PAIRS | {"label": r"OOD$_2$"}))
    points(features, rows, "parameter", "ind", **(FRESH | {"label": "IND"}))
    features.set(
        title="a  Linear features",
        ylabel="loss, σ = 0",
        xlabel="ρ, share of the RBF kernel",
        yscale="log",
    )
    losses = tables["kernel"]
    losses = losses[losses["kernel"] == kernel.MIXTURE]
    for evaluation_set, style in ((triples.TWO_GLYPHS, PAIRS), (triples.IN_DISTRIBUTION, FRESH)):
        points(images, losses[_measured(losses, evaluation_set.name)], "rho", "mse", **style)
    images.set(
        title="b  Sums of three images",
        ylabel="MSE (label²)",
        xlabel="ρ, share of the monolithic kernel",
        yscale="log",
    )
    log_ticks(features.yaxis)
    log_ticks(images.yaxis)
    rows = table[table["estimator"] == interpolators.INTERACTION]
    rows = rows.assign(excess=rows["ood2"] - rows["ind"])
    gamma = np.linspace(0, rows["parameter"].max(), 50)
    theory(truth, gamma, gamma**2, label="γ²: the pair alone")
    points(truth, rows, "parameter", "excess", color=PALETTE[4], line=False, label="min-norm")
    truth.set(
        title="c  Non-additive truth",
        ylabel=r"OOD$_2$ − IND",
        xlabel="γ, strength of the pair term",
    )
    for ax in axes[0]:
        ax.legend()
    return canvas


def companions(tables: Tables) -> Canvas:
    """A7: what a one-off symbol shares its training triple with decides whether it composes."""
    network = tables["network"]
    network = network[(network["architecture"] == REFERENCE) & (network["weight_decay"] == 0)]
    losses = tables["kernel"]
    shared = losses["kernel"] == kernel.SHARED.name
    losses = losses[shared & (losses["lam"] == losses["lam"].min())]
    labels = {
        GLYPHS[triples.HEAD].name: "common\n(0, 1)",
        GLYPHS[triples.ZIPF].name: "as drawn\n(Zipf)",
        GLYPHS[triples.TAIL].name: "rare\n(7, 8)",
    }
    canvas, axes = panels(1, 2, width=3.2, sharey=True)
    contents = ((network, "a  Sum network"), (losses, "b  Shared kernel"))
    for ax, (table, title) in zip(axes[0], contents, strict=True):
        table = table[table["training_set"].isin(list(labels))]
        table = table.assign(
            x=table["training_set"].map(list(labels).index), mse=table["mse"].clip(lower=1e-8)
        )
        for evaluation_set, style in (
            (triples.TWO_GLYPHS, PAIRS),
            (triples.GLYPH_ROWS, GLYPH_ROWS),
        ):
            rows = table[_measured(table, evaluation_set.name)]
            points(ax, rows, "x", "mse", line=False, **style)
        ax.set(
            title=title, yscale="log", xlabel="companions in the training triple", xlim=(-0.4, 2.4)
        )
        categories(ax.xaxis, list(labels.values()))
    axes[0, 0].set_ylabel("MSE (label²)")
    axes[0, 1].legend(loc="center right")
    return canvas


def memorization(tables: Tables) -> Canvas:
    """A8: loss of each part of the test distribution against how far one-off rows are memorized."""
    canvas, axes = panels(1, 2, width=3.8, height=2.9)
    _linear_memorization(axes[0, 0], tables)
    _kernel_memorization(axes[0, 1], tables)
    return canvas


def _linear_memorization(ax: Axes, tables: Tables) -> None:
    sweep = tables["linear_sweep"]
    alpha = nearest(sweep["alpha"], 2.0)
    sigma = nearest(sweep["sigma"], 0.05)
    sweep = sweep[(sweep["alpha"] == alpha) & (sweep["sigma"] == sigma)]
    sweep = sweep.assign(
        ood2=ood(sweep, tables["linear_sets"], "once", 2),
        hat=(1 / (1 + sweep["lam"])).round(6),
        ind_rare=sweep["ind_recovered"] + sweep["ind_unrecovered"],
    )
    for value, label, color, marker in (
        ("ood2", "one-off pairs", PALETTE[3], "s"),
        ("ind", "fresh data", PALETTE[0], "o"),
        ("ind_rare", "its rare part", PALETTE[1], "D"),
        ("ind_common", "its common part", PALETTE[2], "v"),
        ("ind_unseen", "its unseen part", FAINT, "^"),
    ):
        points(ax, sweep, "hat", value, label=label, color=color, marker=marker)
    ax.set(
        title=f"a  Linear, α = {alpha:g}, σ = 0.05",
        xlabel="1/(1+λ), hat diagonal of a one-off row",
        ylabel="loss",
        yscale="log",
    )
    ax.legend(fontsize=7)


def _kernel_memorization(ax: Axes, tables: Tables) -> None:
    table = tables["kernel"]
    shared = table["kernel"] == kernel.SHARED.name
    table = table[shared & (table["training_set"] == GLYPHS_HEAD.name)]
    table = table.assign(
        hat=table.groupby("lam")["hat_glyphs"].transform("mean"), mse=table["mse"].clip(lower=1e-6)
    )
    glyph_rows = {"label": "one-off training rows", "color": PALETTE[1], "marker": "D"}
    for evaluation_set, style in (
        (triples.TWO_GLYPHS, PAIRS),
        (triples.IN_DISTRIBUTION, FRESH),
        (triples.GLYPH_ROWS, glyph_rows),
    ):
        points(ax, table[_measured(table, evaluation_set.name)], "hat", "mse", **style)
    ax.set(
        title="b  Shared kernel on images",
        xlabel="mean hat diagonal of the one-off rows",
        ylabel="MSE (label²)",
        yscale="log",
        ylim=(1e-2, None),
    )
    ax.legend(fontsize=7, loc="lower left")


def _measured(table: pd.DataFrame, evaluation_set: str) -> pd.Series:
    """Rows whose loss was measured on one set."""
    return table["evaluation_set"] == evaluation_set
