"""Figures beyond the paper's networks: degrees of structure, influence, wrong labels, scenes."""

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure as Canvas

from rote.papers.longtail import scenes
from rote.papers.longtail.architectures import LEAKY, MIXING, REFERENCE, UNSHARED, WIDE
from rote.papers.longtail.dataset import GLYPHS_HEAD, HALVES, WITHOUT_GLYPHS, WRONG
from rote.plotting import (
    FAINT,
    PALETTE,
    categories,
    legend_below,
    log_ticks,
    panels,
    points,
    spread,
    theory,
)
from rote.synth import triples

Tables = Mapping[str, pd.DataFrame]
COLORS = {REFERENCE: PALETTE[0], MIXING: PALETTE[3]}
MARKERS = {REFERENCE: "o", MIXING: "s"}


def degrees(tables: Tables) -> Canvas:
    """Loss on pairs of one-off symbols as networks lose their structure by degrees."""
    table = tables["network"]
    table = table[(table["training_set"] == GLYPHS_HEAD.name) & (table["weight_decay"] == 0)]
    order = [REFERENCE, "linear", "two-layer", WIDE, UNSHARED, "concat", MIXING]
    order = [name for name in order if name in set(table["architecture"])]
    leaks = {name: leak for leak, name in LEAKY.items()}
    canvas, axes = panels(1, 2, width=4.8, height=3.0, sharey=True)
    kinds, leaky = axes[0]
    for evaluation_set, label, color, marker in (
        (triples.TWO_GLYPHS, "two one-off symbols, any slots", PALETTE[3], "s"),
        (triples.TWO_GLYPHS_TRAINED_SLOTS, "in their trained slots", PALETTE[1], "D"),
        (triples.IN_DISTRIBUTION, "fresh common digits", PALETTE[0], "o"),
    ):
        rows = table[table["evaluation_set"] == evaluation_set.name]
        style = {"label": label, "color": color, "marker": marker}
        named = rows[rows["architecture"].isin(order)]
        named = named.assign(x=named["architecture"].map(order.index))
        points(kinds, named, "x", "mse", line=False, **style)
        mixed = rows[rows["architecture"].isin(list(leaks))]
        mixed = mixed.assign(leak=mixed["architecture"].map(leaks))
        points(leaky, mixed, "leak", "mse", **style)
    categories(kinds.xaxis, [name.replace("-", "-\n") for name in order])
    kinds.set(title="a  Kinds of encoders and heads", ylabel="MSE (label²)", yscale="log")
    leaky.set(
        title="b  Sum network that sees others, too",
        xlabel="ρ, weight of the other images in each slot",
    )
    log_ticks(kinds.yaxis)
    legend_below(canvas, 3, *leaky.get_legend_handles_labels())
    return canvas


def network_influence(tables: Tables) -> Canvas:
    """Loss of each part of the test distribution against the measured influence of a triple."""
    table = tables["network"]
    table = table[table["architecture"] == REFERENCE]
    halves = table[table["training_set"].isin([half.name for half in HALVES])]
    wide = halves.pivot_table("mse", "weight_decay", "evaluation_set")
    left_out, trained = wide[triples.ROWS_LEFT_OUT.name], wide[triples.ROWS_TRAINED.name]
    influence = left_out - trained
    table = table[table["training_set"] == GLYPHS_HEAD.name]
    table = table.assign(influence=table["weight_decay"].map(influence))
    canvas, axes = panels(1, 1, width=5.0, height=3.4)
    ax = axes[0, 0]
    for evaluation_set, label, color, marker in (
        (triples.THREE_NINES, "unseen digit, three times", FAINT, "^"),
        (triples.ONE_NINE, "unseen digit, once", PALETTE[4], "v"),
        (triples.TWO_GLYPHS, "pairs of one-off symbols", PALETTE[3], "s"),
        (triples.RARE_DIGITS, "rare digits (5-8)", PALETTE[1], "D"),
        (triples.HEAD_DIGITS, "common digits (0, 1)", PALETTE[0], "o"),
    ):
        rows = table[table["evaluation_set"] == evaluation_set.name]
        points(ax, rows, "influence", "mse", label=label, color=color, marker=marker)
    top = ax.secondary_xaxis("top")
    top.set_xticks(influence.to_numpy(), [f"{decay:g}" for decay in influence.index], fontsize=7)
    top.set_xlabel("weight decay", fontsize=8)
    ax.set(
        xlabel="influence: loss on a one-off triple left out, minus trained on (label²)",
        ylabel="MSE (label²)",
        yscale="log",
    )
    log_ticks(ax.yaxis)
    legend_below(canvas, 3, *ax.get_legend_handles_labels())
    return canvas


def wrong_labels(tables: Tables) -> Canvas:
    """Loss on pairs of one-off symbols against how many of their labels are wrong."""
    table = tables["network"]
    pairs = table["evaluation_set"] == triples.TWO_GLYPHS.name
    table = table[(table["architecture"] == REFERENCE) & pairs]
    counts = {GLYPHS_HEAD.name: 0} | {training.name: count for count, training in WRONG.items()}
    chosen = tables["decays"].query("chosen and architecture == @REFERENCE")["weight_decay"]
    canvas, axes = panels(1, 1, width=4.6, height=3.0)
    ax = axes[0, 0]
    rows = table[table["training_set"].isin(list(counts))]
    rows = rows.assign(wrong=rows["training_set"].map(counts))
    styles = {0.0: ("no weight decay: memorized", PALETTE[0], "o")}
    styles |= {decay: (f"weight decay {decay:g}", PALETTE[3], "s") for decay in chosen}
    for decay, (label, color, marker) in styles.items():
        fits = rows[rows["weight_decay"] == decay]
        points(ax, fits, "wrong", "mse", label=label, color=color, marker=marker)
    without = spread(table[table["training_set"] == WITHOUT_GLYPHS.name], "nines", "mse")
    theory(ax, [0, 8], [without["mean"].item()] * 2, label="never trained on the symbols")
    ax.set(xlabel="wrong labels among ten one-off symbols", ylabel="MSE on pairs (label²)")
    ax.set_yscale("log")
    ax.set_xticks(sorted(counts.values()))
    log_ticks(ax.yaxis)
    ax.legend()
    return canvas


def sizes(tables: Tables) -> Canvas:
    """Loss on pairs of one-off symbols at several widths and lengths of training."""
    table = tables["sizes"]
    table = table[table["evaluation_set"] == triples.TWO_GLYPHS.name]
    usual = table.groupby(["width", "epochs"]).size().reset_index()
    width = usual["width"].mode().iloc[0]
    epochs = usual["epochs"].mode().iloc[0]
    canvas, axes = panels(1, 2, width=3.3, height=2.8, sharey=True)
    contents = (
        ("width", table[table["epochs"] == epochs], f"a  Width, {epochs} epochs"),
        ("epochs", table[table["width"] == width], f"b  Length, width {width}"),
    )
    for ax, (column, rows, title) in zip(axes[0], contents, strict=True):
        for name in (REFERENCE, MIXING):
            style = {"label": name, "color": COLORS[name], "marker": MARKERS[name]}
            points(ax, rows[rows["architecture"] == name], column, "mse", **style)
        ticks = sorted(rows[column].unique())
        ax.set(title=title, xscale="log", yscale="log", xlabel=column)
        ax.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        ax.minorticks_off()
    axes[0, 0].set_ylabel("MSE on pairs (label²)")
    log_ticks(axes[0, 0].yaxis)
    axes[0, 0].legend()
    return canvas


def attributes(tables: Tables) -> Canvas:
    """Combinations across objects of a scene and within one, by architecture."""
    table = tables["scenes"]
    labels = {
        scenes.ROWS: "trained\none-offs",
        scenes.FRESH: "fresh\nscenes",
        scenes.PAIRS: "two rare\nobjects",
        scenes.JOINS: "rare shape in\nrare colour",
    }
    rows = table[table["evaluation_set"].isin(list(labels))]
    rows = rows.assign(x=rows["evaluation_set"].map(list(labels).index))
    canvas, axes = panels(1, 1, width=4.6, height=3.0)
    ax = axes[0, 0]
    for offset, name in ((-0.1, REFERENCE), (0.1, MIXING)):
        losses = rows[rows["architecture"] == name]
        losses = losses.assign(x=losses["x"] + offset)
        style = {"label": name, "color": COLORS[name], "marker": MARKERS[name]}
        points(ax, losses, "x", "mse", line=False, **style)
    categories(ax.xaxis, list(labels.values()))
    ax.set(ylabel="MSE (value²)", yscale="log", xlim=(-0.5, len(labels) - 0.5))
    log_ticks(ax.yaxis)
    ax.legend()
    return canvas
