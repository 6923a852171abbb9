"""Figures of the network and kernel tracks, and those that join them with the linear one."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from rote.papers.longtail import decay, interpolators, kernel
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
PAPERS = [name for name, network in ARCHITECTURES.items() if not network.degree]
COLORS = dict(zip(PAPERS, (PALETTE[i] for i in (0, 2, 9, 3, 1)), strict=True))
MARKERS = dict(zip(PAPERS, "osDv^", strict=True))
PAIRS = {"label": "two one-off symbols", "color": PALETTE[3], "marker": "s"}
FRESH = {"label": "fresh common digits", "color": PALETTE[0], "marker": "o"}
GLYPH_ROWS = {"label": "their training rows", "color": PALETTE[1], "marker": "o"}


def rare_digit(tables: Tables) -> Canvas:
    """Figure 2: loss against the number of training triples with a 9."""
    table = tables["network"]
    table = table[table["training_set"] == SWEEP]
    counts = sorted(table["nines"].unique())
    table = table.assign(x=table["nines"].map(counts.index))
    canvas, axes = panels(1, 4, width=2.9, sharey=True)
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
                style |= {"marker": "x", "linestyle": "--"}
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
    """Table 1: pairs of one-off symbols, their training triples, and the training loss."""
    table, decays = tables["network"], tables["decays"]
    names = [name for name in PAPERS if name in set(decays["architecture"])]
    table = table[(table["training_set"] == GLYPHS_HEAD.name) & table["architecture"].isin(names)]
    table = table.assign(x=table["architecture"].map(names.index))
    chosen = decays[decays["chosen"]].set_index("architecture")["weight_decay"]
    canvas, axes = panels(1, 3, width=3.6, height=3.1, sharey=True)
    contents = (
        (triples.TWO_GLYPHS, "a  Test: two one-off symbols", ("memorized", "decayed")),
        (triples.GLYPH_ROWS, "b  Training: one-off triples", None),
        (triples.TRAIN, "c  Training: all triples", ("training", "training_decayed")),
    )
    for ax, (evaluation_set, title, published) in zip(axes[0], contents, strict=True):
        rows = table[_measured(table, evaluation_set.name)]
        memorized = rows[rows["weight_decay"] == 0]
        decayed = rows[rows["weight_decay"] == rows["architecture"].map(chosen)]
        _replicates(ax, memorized, -0.16, PALETTE[0], "no weight decay")
        _replicates(ax, decayed, 0.16, PALETTE[3], "decay chosen on training losses")
        if published:
            _published(ax, names, published)
        ax.set(title=title, yscale="log", xlim=(-0.55, len(names) - 0.45))
        categories(ax.xaxis, [_with_decay(name, chosen) for name in names])
    for ax in axes[0, 1:]:
        ax.axhline(decay.FORGOTTEN, color=FAINT, linewidth=0.9, linestyle=":")
    axes[0, 1].text(-0.5, decay.FORGOTTEN * 1.15, "rule: forgotten above", fontsize=7, color=FAINT)
    axes[0, 2].text(-0.5, decay.FITTED * 1.15, "rule: fitted below", fontsize=7, color=FAINT)
    axes[0, 0].set_ylabel("MSE (label²)")
    log_ticks(axes[0, 0].yaxis)
    legend_below(canvas, 4, *axes[0, 0].get_legend_handles_labels())
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
    dots = {"color": color, "alpha": 0.35, "markersize": 3, "markeredgewidth": 0}
    ax.plot(rows["x"], rows["mse"], "o", **dots)
    points(ax, rows, "x", "mse", color=color, line=False, label=label, markersize=5.5)


def _published(ax: Axes, names: list[str], fields: tuple[str, str]) -> None:
    """Table 1's losses at decay 0 and 0.5, left and right of ours."""
    known = [(x, ARCHITECTURES[name].published) for x, name in enumerate(names)]
    known = [(x, losses) for x, losses in known if losses is not None]
    labels = ("paper, decay 0 (MNIST, ResNet-18)", "paper, decay 0.5")
    styles = zip(fields, (-0.34, 0.34), (PALETTE[0], PALETTE[3]), labels, strict=True)
    for field, offset, color, label in styles:
        x = [position + offset for position, _ in known]
        losses = [getattr(values, field) for _, values in known]
        ax.plot(x, losses, "x", color=color, markersize=5, markeredgewidth=1.4, label=label)


def weight_decay(tables: Tables) -> Canvas:
    """Every architecture across weight decays: what each set loses, and which decay is chosen."""
    table, decays = tables["network"], tables["decays"]
    table = table[table["training_set"] == GLYPHS_HEAD.name]
    names = [name for name in PAPERS if name in set(decays["architecture"])]
    canvas, axes = panels(1, len(names), width=2.3, height=2.8, sharey=True)
    training = {"label": "all training triples", "color": FAINT, "marker": "v"}
    for ax, name in zip(axes[0], names, strict=True):
        losses = table[table["architecture"] == name]
        for evaluation_set, style in (
            (triples.TWO_GLYPHS, PAIRS),
            (triples.GLYPH_ROWS, GLYPH_ROWS),
            (triples.IN_DISTRIBUTION, FRESH | {"marker": "D"}),
            (triples.TRAIN, training),
        ):
            rows = losses[_measured(losses, evaluation_set.name)]
            points(ax, rows, "weight_decay", "mse", **style)
        ax.axhline(decay.FORGOTTEN, color=FAINT, linewidth=0.9, linestyle=":")
        chosen = decays[(decays["architecture"] == name) & decays["chosen"]]["weight_decay"]
        for value in chosen:
            ax.axvline(value, color=INK, linestyle="--", linewidth=1, label="chosen decay")
        ax.set(xlabel="weight decay", yscale="log", title=name)
        if chosen.empty:
            ax.set_title(f"{name}: none chosen")
    axes[0, 0].set_ylabel("MSE (label²)")
    log_ticks(axes[0, 0].yaxis)
    handles = {}
    for ax in axes[0]:
        handles |= dict(zip(*ax.get_legend_handles_labels()[::-1], strict=True))
    legend_below(canvas, 5, list(handles.values()), list(handles))
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
        table = table.assign(x=table["training_set"].map(list(labels).index))
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
    log_ticks(axes[0, 0].yaxis)
    legend_below(canvas, 2, *axes[0, 1].get_legend_handles_labels())
    return canvas


def memorization(tables: Tables) -> Canvas:
    """A8: loss of each part of the test distribution against how far one-off rows are memorized."""
    canvas, axes = panels(1, 2, width=3.8, height=2.9)
    _linear_memorization(axes[0, 0], tables)
    _kernel_memorization(axes[0, 1], tables)
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
    for value, label, color, marker in (
        ("ood2", "one-off pairs", PALETTE[3], "s"),
        ("ind", "fresh data", PALETTE[0], "o"),
        ("ind_rare", "its rare part", PALETTE[1], "D"),
        ("ind_common", "its common part", PALETTE[2], "v"),
        ("ind_unseen", "its unseen part", FAINT, "^"),
    ):
        points(ax, sweep, "hat", value, label=label, color=color, marker=marker)
    ax.set(
        title=f"a  Linear, α = {alpha:g}, σ = {sigma:g}",
        xlabel="mean hat diagonal of one-off rows",
        ylabel="loss",
        yscale="log",
    )
    ax.legend(fontsize=7)


def _kernel_memorization(ax: Axes, tables: Tables) -> None:
    table = tables["kernel"]
    shared = table["kernel"] == kernel.SHARED.name
    table = table[shared & (table["training_set"] == GLYPHS_HEAD.name)]
    table = table.assign(hat=table.groupby("lam")["hat_glyphs"].transform("mean"))
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
    )
    log_ticks(ax.yaxis)
    ax.legend(fontsize=7, loc="lower left")


def _measured(table: pd.DataFrame, evaluation_set: str) -> pd.Series:
    """Rows whose loss was measured on one set."""
    return table["evaluation_set"] == evaluation_set
