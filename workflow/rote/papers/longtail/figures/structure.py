"""Figures beyond the paper's networks: degrees of structure, influence, wrong labels, scenes."""

from matplotlib.figure import Figure as Canvas

from rote.papers.longtail.architectures import LEAKY, MIXING, REFERENCE, UNSHARED, WIDE
from rote.papers.longtail.dataset import GLYPHS_HEAD, HALVES, WITHOUT_GLYPHS, WRONG
from rote.papers.longtail.figures.style import (
    COMPARED,
    DECAYED,
    DIGITS,
    GLYPH_PAIRS,
    MEMORIZED,
    RARE,
    TRAINED_SLOTS,
    UNSEEN,
    Tables,
)
from rote.plotting import (
    beside,
    categories,
    legend_below,
    log_ticks,
    measured_ticks,
    panels,
    points,
    spread,
    theory,
)
from rote.synth import scenes, triples


def degrees(tables: Tables) -> Canvas:
    """Loss on pairs of one-off symbols as networks lose their structure by degrees."""
    table = tables["network"]
    table = table[(table["training_set"] == GLYPHS_HEAD.name) & (table["weight_decay"] == 0)]
    order = [REFERENCE, "linear", "two-layer", WIDE, UNSHARED, "concat", MIXING]
    order = [name for name in order if name in set(table["architecture"])]
    leaks = {name: leak for leak, name in LEAKY.items()}
    canvas, axes = panels(1, 2, height=2.6, sharey=True)
    kinds, leaky = axes[0]
    for (evaluation_set, look), shift in zip(
        (
            (triples.TWO_GLYPHS, GLYPH_PAIRS),
            (triples.TWO_GLYPHS_TRAINED_SLOTS, TRAINED_SLOTS),
            (triples.IN_DISTRIBUTION, DIGITS),
        ),
        beside(3, 5),
        strict=True,
    ):
        rows = table[table["evaluation_set"] == evaluation_set.name]
        style = look.marks(shift=shift)
        named = rows[rows["architecture"].isin(order)]
        named = named.assign(x=named["architecture"].map(order.index))
        points(kinds, named, "x", "mse", **style)
        mixed = rows[rows["architecture"].isin(list(leaks))]
        mixed = mixed.assign(leak=mixed["architecture"].map(leaks))
        points(leaky, mixed, "leak", "mse", line=True, **style)
    categories(kinds.xaxis, [name.replace("-", "-\n") for name in order])
    kinds.tick_params(axis="x", labelsize=6)
    kinds.set(title="a  Kinds of encoders and heads", ylabel="MSE (label²)", yscale="log")
    leaky.set(
        title="b  Sum network that sees others, too",
        xlabel="ρ, weight of the other images in each slot",
    )
    log_ticks(kinds.yaxis)
    legend_below(canvas)
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
    canvas, axes = panels(1, 1, height=3.2, wide=True)
    ax = axes[0, 0]
    for evaluation_set, look in (
        (triples.THREE_NINES, UNSEEN._replace(label="unseen digit, three times")),
        (triples.ONE_NINE, UNSEEN._replace(label="unseen digit, once", marker="x")),
        (triples.TWO_GLYPHS, GLYPH_PAIRS),
        (triples.RARE_DIGITS, RARE._replace(label="rare digits (5-8)")),
        (triples.HEAD_DIGITS, DIGITS),
    ):
        rows = table[table["evaluation_set"] == evaluation_set.name]
        points(ax, rows, "influence", "mse", line=True, **look.marks())
    top = ax.secondary_xaxis("top")
    top.set_xticks(influence.to_numpy(), [f"{decay:g}" for decay in influence.index], fontsize=7)
    top.set_xlabel("weight decay", fontsize=8)
    ax.set(
        xlabel="influence: loss on a one-off triple left out, minus trained on (label²)",
        ylabel="MSE (label²)",
        yscale="log",
    )
    log_ticks(ax.yaxis)
    legend_below(canvas)
    return canvas


def wrong_labels(tables: Tables) -> Canvas:
    """Loss on pairs of one-off symbols against how many of their labels are wrong."""
    table = tables["network"]
    pairs = table["evaluation_set"] == triples.TWO_GLYPHS.name
    table = table[(table["architecture"] == REFERENCE) & pairs]
    counts = {GLYPHS_HEAD.name: 0} | {training.name: count for count, training in WRONG.items()}
    chosen = tables["decays"].query("chosen and architecture == @REFERENCE")["weight_decay"]
    canvas, axes = panels(1, 1, height=2.8)
    ax = axes[0, 0]
    rows = table[table["training_set"].isin(list(counts))]
    rows = rows.assign(wrong=rows["training_set"].map(counts))
    styles = {0.0: ("no weight decay: memorized", MEMORIZED, "o")}
    styles |= {decay: (f"weight decay {decay:g}", DECAYED, "s") for decay in chosen}
    shifts = beside(len(styles))
    for shift, (decay, (label, color, marker)) in zip(shifts, styles.items(), strict=True):
        fits = rows[rows["weight_decay"] == decay]
        style = {"color": color, "marker": marker, "shift": shift}
        points(ax, fits, "wrong", "mse", label=label, **style)
    without = spread(table[table["training_set"] == WITHOUT_GLYPHS.name], "nines", "mse")
    theory(ax, [0, 8], [without["mean"].item()] * 2, label="never trained on the symbols")
    ax.set(xlabel="wrong labels among ten one-off symbols", ylabel="MSE on pairs (label²)")
    ax.set_yscale("log")
    ax.set_xticks(sorted(counts.values()))
    log_ticks(ax.yaxis)
    legend_below(canvas, 2)
    return canvas


def sizes(tables: Tables) -> Canvas:
    """Loss on pairs of one-off symbols at several widths and lengths of training."""
    table = tables["sizes"]
    table = table[table["evaluation_set"] == triples.TWO_GLYPHS.name]
    usual = table.groupby(["width", "epochs"]).size().reset_index()
    width = usual["width"].mode().iloc[0]
    epochs = usual["epochs"].mode().iloc[0]
    canvas, axes = panels(1, 2, height=2.4, sharey=True)
    contents = (
        ("width", table[table["epochs"] == epochs], f"a  Width, {epochs} epochs"),
        ("epochs", table[table["width"] == width], f"b  Length, width {width}"),
    )
    for ax, (column, rows, title) in zip(axes[0], contents, strict=True):
        for look in COMPARED.values():
            label = f"{look.label} network"
            of_network = rows[rows["architecture"] == look.label]
            points(ax, of_network, column, "mse", **look.marks(label=label))
        ax.set(title=title, xscale="log", yscale="log", xlabel=column)
        measured_ticks(ax.xaxis, rows[column])
    axes[0, 0].set_ylabel("MSE on pairs (label²)")
    log_ticks(axes[0, 0].yaxis)
    legend_below(canvas)
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
    canvas, axes = panels(1, 1, height=2.6, wide=True)
    ax = axes[0, 0]
    for shift, look in zip(beside(2, 10), COMPARED.values(), strict=True):
        losses = rows[rows["architecture"] == look.label]
        style = look.marks(label=f"{look.label} network", shift=shift)
        points(ax, losses, "x", "mse", **style)
    categories(ax.xaxis, list(labels.values()))
    ax.set(ylabel="MSE (value²)", yscale="log", xlim=(-0.5, len(labels) - 0.5))
    log_ticks(ax.yaxis)
    legend_below(canvas)
    return canvas
