"""Figures of the network and kernel tracks, and those that join them with the linear one."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from rote.papers.longtail import decay, interpolators, kernel
from rote.papers.longtail.architectures import ARCHITECTURES, REFERENCE
from rote.papers.longtail.dataset import GLYPHS, GLYPHS_HEAD, SWEEP
from rote.papers.longtail.figures.style import (
    COMMON,
    DECAYED,
    DIGITS,
    FRESH,
    GLYPH_PAIRS,
    KINDS,
    MEMORIZED,
    NETWORKS,
    PAIRS,
    RARE,
    ROWS,
    TRAINING,
    UNSEEN,
    Tables,
    draw_losses,
    measured,
)
from rote.papers.longtail.linear import ood
from rote.plotting import (
    FAINT,
    INK,
    PALETTE,
    beside,
    categories,
    legend_below,
    log_ticks,
    nearest,
    panels,
    points,
)
from rote.synth import triples


def rare_digit(tables: Tables) -> Canvas:
    """Figure 2: loss against the number of training triples with a 9."""
    table = tables["network"]
    table = table[table["training_set"] == SWEEP]
    counts = sorted(table["nines"].unique())
    table = table.assign(x=table["nines"].map(counts.index))
    canvas, axes = panels(2, 2, height=2.3, sharey=True)
    titles = {
        triples.ONE_NINE.name: "a  One 9 per test triple",
        triples.TWO_NINES.name: "b  Two 9s",
        triples.THREE_NINES.name: "c  Three 9s",
        triples.TWO_TRAINED_NINES.name: "d  Two trained 9s, new pairs",
    }
    names = list(table["architecture"].unique())
    shifts = dict(zip(names, beside(len(names), 4.5), strict=True))
    for ax, (evaluation_set, title) in zip(axes.flat, titles.items(), strict=True):
        for name in names:
            rows = table[(table["architecture"] == name) & measured(table, evaluation_set)]
            memorized = rows[rows["weight_decay"] == 0]
            decayed = rows[rows["weight_decay"] > 0]
            look = NETWORKS[name]._replace(label=f"{name} network")
            points(ax, memorized, "x", "mse", line=True, **look.marks(shift=shifts[name]))
            if len(decayed):
                style = look.marks(markerfacecolor="white", label=f"{look.label}, weight decay")
                points(ax, decayed, "x", "mse", line="--", shift=shifts[name] + 2.2, **style)
        ax.set(
            title=title,
            xlabel="training triples with a 9",
            yscale="log",
            xlim=(-0.4, len(counts) - 0.6),
        )
        categories(ax.xaxis, counts)
        log_ticks(ax.yaxis)
    for ax in axes[:, 0]:
        ax.set_ylabel("test MSE (label²)")
    legend_below(canvas, 4)
    return canvas


def isolation(tables: Tables) -> Canvas:
    """Table 1: pairs of one-off symbols, their training triples, and the training loss."""
    table, decays = tables["network"], tables["decays"]
    names = [name for name in KINDS if name in set(decays["architecture"])]
    table = table[(table["training_set"] == GLYPHS_HEAD.name) & table["architecture"].isin(names)]
    table = table.assign(x=table["architecture"].map(names.index))
    chosen = decays[decays["chosen"]].set_index("architecture")["weight_decay"]
    canvas, axes = panels(1, 3, height=3.0, sharey=True)
    contents = (
        (triples.TWO_GLYPHS, "a  Test: two one-off symbols", ("memorized", "decayed")),
        (triples.GLYPH_ROWS, "b  Training: one-off triples", None),
        (triples.TRAIN, "c  Training: all triples", ("training", "training_decayed")),
    )
    for ax, (evaluation_set, title, published) in zip(axes[0], contents, strict=True):
        rows = table[measured(table, evaluation_set.name)]
        memorized = rows[rows["weight_decay"] == 0]
        decayed = rows[rows["weight_decay"] == rows["architecture"].map(chosen)]
        _replicates(ax, memorized, -0.16, MEMORIZED, "no weight decay")
        _replicates(ax, decayed, 0.16, DECAYED, "decay chosen on training losses")
        if published:
            _published(ax, names, published)
        ax.set(title=title, yscale="log", xlim=(-0.55, len(names) - 0.45))
        categories(ax.xaxis, [_with_decay(name, chosen) for name in names])
        ax.tick_params(axis="x", labelsize=6)
    rule = {"color": FAINT, "linewidth": 0.9, "linestyle": ":"}
    rule["label"] = "rule: forgotten above (b), fitted below (c)"
    axes[0, 1].axhline(decay.FORGOTTEN, **rule)
    axes[0, 2].axhline(decay.FITTED, **rule)
    axes[0, 0].set_ylabel("MSE (label²)")
    log_ticks(axes[0, 0].yaxis)
    legend_below(canvas, 4)
    return canvas


def _with_decay(name: str, chosen: pd.Series) -> str:
    """The architecture, and the decay that counts as not memorized."""
    decay_of = f"decay {chosen[name]:g}" if name in chosen.index else "no decay\ndoes both"
    return f"{name.replace('-', '-' + chr(10))}\n{decay_of}"


def _replicates(ax: Axes, rows: pd.DataFrame, offset: float, color: str, label: str) -> None:
    """Replicates and their means, beside the place of their architecture."""
    if rows.empty:
        return
    rows = rows.assign(x=rows["x"] + offset)
    points(ax, rows, "x", "mse", color=color, label=label, markersize=4.5)


def _published(ax: Axes, names: list[str], fields: tuple[str, str]) -> None:
    """Table 1's losses at decay 0 and 0.5, left and right of ours."""
    known = [(x, ARCHITECTURES[name].published) for x, name in enumerate(names)]
    known = [(x, losses) for x, losses in known if losses is not None]
    labels = ("paper, decay 0 (MNIST, ResNet-18)", "paper, decay 0.5")
    styles = zip(fields, (-0.34, 0.34), (MEMORIZED, DECAYED), labels, strict=True)
    for field, offset, color, label in styles:
        x = [position + offset for position, _ in known]
        losses = [getattr(values, field) for _, values in known]
        ax.plot(x, losses, "x", color=color, markersize=5, markeredgewidth=1.4, label=label)


def weight_decay(tables: Tables) -> Canvas:
    """Every architecture across weight decays: what each set loses, and which decay is chosen."""
    table, decays = tables["network"], tables["decays"]
    table = table[table["training_set"] == GLYPHS_HEAD.name]
    names = [name for name in KINDS if name in set(decays["architecture"])]
    canvas, axes = panels(1, len(names), height=2.6, sharey=True)
    for ax, name in zip(axes[0], names, strict=True):
        losses = table[table["architecture"] == name]
        for evaluation_set, style in (
            (triples.TWO_GLYPHS, GLYPH_PAIRS),
            (triples.GLYPH_ROWS, ROWS),
            (triples.IN_DISTRIBUTION, DIGITS),
            (triples.TRAIN, TRAINING),
        ):
            rows = losses[measured(losses, evaluation_set.name)]
            draw_losses(ax, rows, "weight_decay", style, line=True)
        ax.axhline(decay.FORGOTTEN, color=FAINT, linewidth=0.9, linestyle=":")
        chosen = decays[(decays["architecture"] == name) & decays["chosen"]]["weight_decay"]
        for value in chosen:
            ax.axvline(value, color=INK, linestyle="--", linewidth=1, label="chosen decay")
        ax.set(xlabel="weight decay", yscale="log")
        ax.set_title(f"{name}: none chosen" if chosen.empty else name, fontsize=7)
    axes[0, 0].set_ylabel("MSE (label²)")
    log_ticks(axes[0, 0].yaxis)
    legend_below(canvas, 5)
    return canvas


def structure(tables: Tables) -> Canvas:
    """A6: taking additive structure away in both tracks, and a truth that is not additive."""
    canvas, axes = panels(1, 3, height=2.4)
    features, images, truth = axes[0]
    table = tables["interpolators"]
    rows = table[table["estimator"] == interpolators.MIXTURE]
    points(features, rows, "parameter", "ood2", line=True, **PAIRS.marks())
    points(features, rows, "parameter", "ind", line=True, **FRESH.marks())
    features.set(
        title="a  Linear features",
        ylabel="loss, σ = 0",
        xlabel="ρ, share of the RBF kernel",
        yscale="log",
    )
    losses = tables["kernel"]
    losses = losses[losses["kernel"] == kernel.MIXTURE]
    drawn = ((triples.TWO_GLYPHS, GLYPH_PAIRS), (triples.IN_DISTRIBUTION, DIGITS))
    for evaluation_set, look in drawn:
        of_set = losses[measured(losses, evaluation_set.name)]
        points(images, of_set, "rho", "mse", line=True, **look.marks())
    images.set(
        title="b  Sums of three images",
        ylabel="MSE (label²)",
        xlabel="ρ, share of the monolithic kernel",
        yscale="log",
    )
    log_ticks(features.yaxis)
    log_ticks(images.yaxis)
    rows = table[table["estimator"] == interpolators.INTERACTION]
    rows = rows.assign(excess=rows["ood2"] - rows["ind"], pair=rows["parameter"] ** 2)
    rows = rows.assign(off=rows["excess"] - rows["pair"])
    style = {"color": PALETTE[5], "marker": "P", "label": "min-norm minus the pair alone"}
    points(truth, rows, "parameter", "off", **style)
    truth.axhline(0, color=INK, linewidth=0.8)
    truth.set(title="c  Non-additive truth", ylabel=r"OOD$_2$ − IND − γ²")
    truth.set_xlabel("γ, strength of the pair term")
    legend_below(canvas)
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
    canvas, axes = panels(1, 2, height=2.4, sharey=True)
    contents = ((network, "a  Sum network"), (losses, "b  Shared kernel"))
    for ax, (table, title) in zip(axes[0], contents, strict=True):
        table = table[table["training_set"].isin(list(labels))]
        table = table.assign(x=table["training_set"].map(list(labels).index))
        for evaluation_set, look in (
            (triples.TWO_GLYPHS, GLYPH_PAIRS),
            (triples.GLYPH_ROWS, ROWS),
        ):
            rows = table[measured(table, evaluation_set.name)]
            draw_losses(ax, rows, "x", look)
        ax.set(
            title=title, yscale="log", xlabel="companions in the training triple", xlim=(-0.4, 2.4)
        )
        categories(ax.xaxis, list(labels.values()))
    axes[0, 0].set_ylabel("MSE (label²)")
    log_ticks(axes[0, 0].yaxis)
    legend_below(canvas)
    return canvas


def memorization(tables: Tables) -> Canvas:
    """A8: loss of each part of the test distribution against how far one-off rows are memorized."""
    canvas, axes = panels(1, 2, height=2.6)
    _linear_memorization(axes[0, 0], tables)
    _kernel_memorization(axes[0, 1], tables)
    legend_below(canvas, 4)
    return canvas


def _linear_memorization(ax: Axes, tables: Tables) -> None:
    """The hat diagonal is measured (`influence`), on training sets of the same law."""
    hats = tables["influence"].groupby("lam")["hat_once"].mean()
    sweep = tables["linear_sweep"]
    alpha = nearest(sweep["alpha"], 2.0)
    sigma = nearest(sweep["sigma"], 0.05)
    sweep = sweep[(sweep["alpha"] == alpha) & (sweep["sigma"] == sigma)]
    sweep = sweep[sweep["lam"].isin(hats.index)]
    sweep = sweep.assign(
        ood2=ood(sweep, tables["linear_sets"], "once", 2),
        hat=sweep["lam"].map(hats),
        ind_rare=sweep["ind_recovered"] + sweep["ind_unrecovered"],
    )
    for value, look in (
        ("ood2", PAIRS),
        ("ind", FRESH),
        ("ind_rare", RARE),
        ("ind_common", COMMON),
        ("ind_unseen", UNSEEN),
    ):
        points(ax, sweep, "hat", value, line=True, **look.marks())
    ax.set(
        title=f"a  Linear, α = {alpha:g}, σ = {sigma:g}",
        xlabel="mean hat diagonal of one-off rows",
        ylabel="loss",
        yscale="log",
    )
    log_ticks(ax.yaxis)


def _kernel_memorization(ax: Axes, tables: Tables) -> None:
    table = tables["kernel"]
    shared = table["kernel"] == kernel.SHARED.name
    table = table[shared & (table["training_set"] == GLYPHS_HEAD.name)]
    table = table.assign(hat=table.groupby("lam")["hat_glyphs"].transform("mean"))
    for evaluation_set, look in (
        (triples.TWO_GLYPHS, GLYPH_PAIRS),
        (triples.IN_DISTRIBUTION, DIGITS),
        (triples.GLYPH_ROWS, ROWS),
    ):
        of_set = table[measured(table, evaluation_set.name)]
        draw_losses(ax, of_set, "hat", look, line=True)
    ax.set(
        title="b  Shared kernel on images",
        xlabel="mean hat diagonal of the one-off rows",
        ylabel="MSE (label²)",
        yscale="log",
    )
    log_ticks(ax.yaxis)
