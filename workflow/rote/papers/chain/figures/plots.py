"""Accuracy against load, frequency and size; what counts say; and what bytes buy."""

from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.lines import Line2D

from rote.papers.chain.plan import CONTENTS, VARIANTS, world_title
from rote.papers.chain.results import Tables, base_networks, cell, loads
from rote.plotting import (
    FAINT,
    INK,
    PALETTE,
    categories,
    legend_below,
    log_ticks,
    panels,
    points,
    spread,
    theory,
)

COLORS = {"none": INK, "loss": PALETTE[0], "random": PALETTE[2], "flat": PALETTE[1]}
MARKERS = {"nothing": "o", "kept": "v", "pruned": "D", "all": "s", "random": "X"}


class Look(NamedTuple):
    """How a network with a memory is drawn."""

    variant: str  # corpus
    memory: str  # what it holds
    label: str
    marker: str
    linestyle: str = "-"

    def draw(self, ax: Axes, rows: pd.DataFrame, x: str, value: str, **options) -> None:
        """Mean and interval at each x.

        Args:
            ax: axes to draw on.
            rows: of a table with the columns variant, memory and replicate.
            x: column of the horizontal axis.
            value: column that is averaged.
            **options: replace the look's color, marker or line style (`rote.plotting.points`).
        """
        rows = cell(rows, self.variant, self.memory)
        style = {"color": COLORS[self.variant], "marker": self.marker, "linestyle": self.linestyle}
        points(ax, rows, x, value, label=self.label, **(style | options))


LOOKS = (
    Look("none", "nothing", "unpruned", "o"),
    Look("random", "nothing", "pruned at random", "s"),
    Look("loss", "nothing", "pruned by loss", "D"),
    Look(
        variant="loss",
        memory="pruned",
        label="pruned by loss, memory of what was pruned",
        marker="D",
        linestyle=":",
    ),
    Look(
        variant="none",
        memory="random",
        label="unpruned, memory as large of random statements",
        marker="o",
        linestyle=":",
    ),
)


def _axis(rows: pd.DataFrame) -> pd.DataFrame:
    """Load as the horizontal axis x; a text of the user's has none and stands at 1."""
    return rows.assign(x=rows["load"].fillna(1.0))


def _crowded(positions: pd.Series) -> list:
    """Index of the positions above 1, or of the largest."""
    return list(positions.index[positions > 1]) or list(positions.index[-1:])


def load(tables: Tables) -> Canvas:
    """C1: fact accuracy against load."""
    rows = _axis(tables["accuracy"])
    canvas, axes = panels(1, 1, width=5.4, height=3.6)
    ax = axes[0, 0]
    for look in LOOKS:
        look.draw(ax, rows, "x", "facts")
    positions = rows.groupby("world")["x"].first().sort_values()
    limit = _limit_of_weights(tables).reindex(positions.index)
    theory(ax, positions.to_numpy(), limit.to_numpy(), "limit of the weights", color=FAINT)
    ax.set(xlabel="load: information of all facts / nominal capacity", xscale="log")
    ax.set(ylabel="accuracy over facts", ylim=(0, 1.04))
    log_ticks(ax.xaxis)
    legend_below(canvas, 2, *ax.get_legend_handles_labels(), fontsize=7)
    return canvas


def _limit_of_weights(tables: Tables) -> pd.Series:
    """By world: the most that weights can hold of the facts that its corpus states, at most 1.

    The largest information gain of networks of the base width, over the information of those facts.
    """
    stored = base_networks(tables).groupby(["world", "variant"])["stored"].mean().max()
    facts = tables["facts"]
    present = facts[facts["count"] > 0]
    bits = present.groupby(["world", "replicate"])["bits"].sum().groupby("world").mean()
    return (stored / bits).clip(upper=1)


def deciles(tables: Tables) -> Canvas:
    """C2: fact accuracy by frequency, at every load above 1."""
    rows, by_world = tables["deciles"], loads(tables)
    shown = _crowded(by_world.fillna(1.0).sort_values())
    canvas, axes = panels(1, len(shown), width=max(3.6, 5.4 / len(shown)), height=3.1, sharey=True)
    for ax, world in zip(axes[0], shown, strict=True):
        for look in LOOKS:
            look.draw(ax, rows[rows["world"] == world], "decile", "accuracy")
        ax.set(title=world_title(by_world[world]), xlabel="tenth of the facts, rarest first")
        ax.set(xticks=range(1, 11), ylim=(-0.02, 1.04))
    axes[0, 0].set_ylabel("accuracy")
    legend_below(canvas, 2, *axes[0, 0].get_legend_handles_labels(), fontsize=7)
    return canvas


def rules(tables: Tables) -> Canvas:
    """C3: accuracy on held-out rule items."""
    rows, by_world = tables["rules"], loads(tables)
    if rows.empty:
        return _no_rules()
    kinds = list(dict.fromkeys(rows["rule"]))[::-1]
    worlds = list(dict.fromkeys(rows["world"]))
    canvas, axes = panels(1, len(kinds), width=3.6, height=3.0, sharey=True)
    for ax, kind in zip(axes[0], kinds, strict=True):
        of_kind = rows[rows["rule"] == kind]
        for number, look in enumerate(LOOKS):
            shifted = of_kind.assign(x=of_kind["world"].map(worlds.index) + 0.14 * (number - 2))
            face = COLORS[look.variant] if CONTENTS[look.memory].empty else "white"
            look.draw(ax, shifted, "x", "accuracy", linestyle="none", markerfacecolor=face)
        categories(ax.xaxis, [world_title(by_world[world]) for world in worlds])
        ax.set(title=kind, ylim=(-0.02, 1.06))
    axes[0, 0].set_ylabel("accuracy on held-out items")
    legend_below(canvas, 2, *axes[0, 0].get_legend_handles_labels(), fontsize=7)
    return canvas


def _no_rules() -> Canvas:
    canvas, axes = panels(1, 1, width=3.6, height=1.2)
    words = "a text of facts alone: nothing to hold out"
    axes[0, 0].text(0.5, 0.5, words, ha="center", va="center")
    axes[0, 0].set_axis_off()
    return canvas


def counts(tables: Tables) -> Canvas:
    """C4: Spearman correlation of log-probabilities with log counts, by width."""
    rows = tables["spearman"]
    widths = rows.groupby("world")["width"].nunique()
    world = widths.idxmax() if len(widths) else ""
    rows = rows[rows["world"] == world]
    kinds = list(dict.fromkeys(rows["kind"])) or ["fact"]
    canvas, axes = panels(1, len(kinds), width=2.9, height=2.8, sharey=True)
    for ax, kind in zip(axes[0], kinds, strict=True):
        for variant in ("none", "loss"):
            drawn = rows[(rows["kind"] == kind) & (rows["variant"] == variant)]
            if len(drawn):
                label = VARIANTS[variant].label
                points(ax, drawn, "width", "rho", label=label, color=COLORS[variant])
        ax.axhline(0, color=FAINT, linewidth=0.8)
        title = "facts" if kind == "fact" else kind
        ax.set(title=title, xlabel="width of the network", ylim=(-1.05, 1.05))
        ax.set_xticks(sorted(rows["width"].unique()))
    axes[0, 0].set_ylabel("Spearman ρ")
    axes[0, 0].legend(loc="lower left")
    return canvas


def pareto(tables: Tables) -> Canvas:
    """C5: accuracy over all facts against bytes of weights and memory."""
    rows = _axis(tables["accuracy"])
    rows = rows.assign(kilobytes=(rows["weights_bytes"] + rows["memory_bytes"]) / 1000)
    positions = pd.Series(np.sort(rows["x"].unique()))
    shown = positions[_crowded(positions)]
    canvas, axes = panels(1, len(shown), width=max(3.7, 6.4 / len(shown)), height=3.1, sharey=True)
    for ax, position in zip(axes[0], shown, strict=True):
        cells = rows[rows["x"] == position].groupby(["variant", "memory"], sort=False)
        for (variant, memory), group in cells:
            interval = spread(group.assign(all=0), "all", "facts").iloc[0]
            color, x = COLORS[variant], group["kilobytes"].mean()
            if not VARIANTS[variant].ablation:
                ax.plot([x, x], [interval["low"], interval["high"]], color=color)
                ax.plot(x, interval["mean"], MARKERS[memory], color=color, markersize=6)
        front = cells[["kilobytes", "facts"]].mean()
        front = front.sort_values(["kilobytes", "facts"], ascending=[True, False])
        front = front[front["facts"].cummax() == front["facts"]]
        ax.step(*front.to_numpy().T, where="post", color=FAINT, linewidth=0.8, zorder=0)
        ax.set(xscale="log", xlabel="kilobytes of weights and memory", ylim=(0, 1.04))
        ax.set_title(f"load {position:g}")
        log_ticks(ax.xaxis)
    axes[0, 0].set_ylabel("accuracy over facts")
    handles = _pareto_legend()
    legend_below(canvas, 3, handles, [handle.get_label() for handle in handles], fontsize=7)
    return canvas


def _pareto_legend() -> list[Line2D]:
    handles = [
        Line2D([], [], linestyle="none", marker=MARKERS[name], color=FAINT, label=content.label)
        for name, content in CONTENTS.items()
    ]
    handles += [
        Line2D([], [], color=COLORS[name], label=VARIANTS[name].label)
        for name in ("none", "loss", "random")
    ]
    return [*handles, Line2D([], [], color=FAINT, linewidth=0.8, label="Pareto front")]


def flattening(tables: Tables) -> Canvas:
    """C6, an ablation: choice by loss and flattening apart."""
    networks, sizes = base_networks(tables), tables["corpora"]
    worlds = networks.loc[networks["variant"] == "flat", "world"].unique()
    networks = networks[networks["world"].isin(worlds)]
    sizes = sizes[sizes["world"].isin(worlds)]
    order = [name for name in COLORS if name in set(networks["variant"])][::-1]
    canvas, axes = panels(1, 2, width=3.4, height=2.8, sharey=True)
    _by_variant(axes[0, 0], networks, order)
    axes[0, 0].set(title="a  Networks alone", xlabel="accuracy over facts")
    _by_variant(axes[0, 1], sizes, order)
    axes[0, 1].set(title="b  What the corpora state", xlabel="facts in the corpus")
    categories(axes[0, 0].yaxis, [VARIANTS[name].label for name in order])
    return canvas


def _by_variant(ax: Axes, rows: pd.DataFrame, order: list[str]) -> None:
    """Mean and interval of the column facts, a row per corpus."""
    for row, variant in enumerate(order):
        for interval in spread(rows[rows["variant"] == variant], "variant", "facts").itertuples():
            ax.plot([interval.low, interval.high], [row, row], color=COLORS[variant])
            ax.plot(interval.mean, row, "o", color=COLORS[variant])
    ax.set(xlim=(0, None), ylim=(-0.6, len(order) - 0.4))
