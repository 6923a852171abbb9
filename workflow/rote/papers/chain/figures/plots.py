"""Networks beside memories: accuracies, what bytes and training buy, rules and counts."""

from typing import NamedTuple

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from rote.papers.chain.plan import (
    ALL,
    BY_LOSS,
    CONTENTS,
    EARLY,
    LOOKUPS,
    NOTHING,
    PRUNED,
    UNPRUNED,
    VARIANTS,
    WITH_MEMORIES,
)
from rote.papers.chain.results import (
    Tables,
    base_loads,
    base_width,
    cell,
    width_title,
    world_title,
)
from rote.plotting import (
    FAINT,
    INK,
    PALETTE,
    beside,
    categories,
    legend_below,
    log_ticks,
    panels,
    points,
    spread,
)

COLORS = {"none": INK, "loss": PALETTE[0], "random": PALETTE[2], "flat": PALETTE[1]}
COLORS["early"] = PALETTE[5]
MARKERS = {"nothing": "o", "pruned": "D", "random": "X", "unknown": "^", "all": "s"}
LOOKUP_COLORS = {"knn": PALETTE[3], "dictionary": PALETTE[4]}


class NetworkLook(NamedTuple):
    """How a network with a memory is drawn."""

    variant: str  # corpus
    memory: str  # what it holds
    label: str

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
        style = {"color": COLORS[self.variant], "marker": MARKERS[self.memory]}
        points(ax, rows, x, value, label=self.label, **(style | options))


LOOKS = (
    NetworkLook("none", "nothing", "unpruned"),
    NetworkLook("loss", "nothing", "pruned by loss"),
    NetworkLook("loss", "pruned", "pruned by loss, memory of what was pruned"),
    NetworkLook("none", "pruned", "unpruned, the same memory"),
)


def _shown(tables: Tables) -> list[str]:
    """Worlds with loads above 1, or that of the largest."""
    by_world = base_loads(tables)
    return list(by_world.index[by_world > 1]) or list(by_world.index[-1:])


def _title(tables: Tables, world: str) -> str:
    return f"{world_title(world)}, load {base_loads(tables)[world]:.3g}"


def arms(tables: Tables) -> Canvas:
    """C3: accuracy over facts of every network beside every memory."""
    worlds = list(base_loads(tables).index)
    canvas, axes = panels(1, len(worlds), height=3.2, wide=True, sharey=True, sharex=True)
    names = WITH_MEMORIES[::-1]
    for ax, world in zip(axes[0], worlds, strict=True):
        rows = tables["accuracy"]
        rows = rows[(rows["world"] == world) & (rows["bits"] == 32)]
        for number, content in enumerate(CONTENTS.values()):
            for row, variant in enumerate(names):
                of_cell = cell(rows, variant, content.name)
                for interval in spread(of_cell, "memory", "facts").itertuples():
                    y = row + 0.16 * (2 - number)
                    ax.plot([interval.low, interval.high], [y, y], color=INK)
                    style = {"color": INK, "marker": MARKERS[content.name]}
                    ax.plot(interval.mean, y, linestyle="none", label=content.label, **style)
        _lookup_lines(ax, tables["lookups"], world)
        ax.set(title=_title(tables, world), xlabel="accuracy over facts", xlim=(-0.02, 1.04))
    categories(axes[0, 0].yaxis, [VARIANTS[name].label for name in names])
    legend_below(canvas, 3)
    return canvas


def _lookup_lines(ax: Axes, lookups: pd.DataFrame, world: str) -> None:
    """Accuracies of all statements without a network."""
    for method, lookup in LOOKUPS.items():
        rows = lookups[(lookups["world"] == world) & (lookups["method"] == method)]
        known = rows.loc[rows["memory"] == "all", "facts"].mean()
        ax.axvline(known, color=LOOKUP_COLORS[method], linestyle="--", label=lookup.label)


def frontiers(tables: Tables) -> Canvas:
    """C4: accuracy over facts against bytes, and against operations of training."""
    world = base_loads(tables).index[-1]
    canvas, axes = panels(1, 2, height=3.6, sharey=True)
    networks = tables["networks"]
    networks = networks[networks["world"] == world]
    networks = networks.assign(operations=networks["operations"] / 1e9)
    longest = networks[networks["steps"] == networks["steps"].max()]
    larger = longest[(longest["variant"] == "none") & (longest["width"] != base_width(tables))]
    _by_bytes(axes[0, 0], tables, world, larger)
    for (width, variant), rows in networks.groupby(["width", "variant"]):
        if variant in (UNPRUNED.name, BY_LOSS.name, EARLY.name):
            marker = "o" if width == base_width(tables) else "P"
            label = f"{VARIANTS[variant].label}, {width_title(width)}"
            style = {"marker": marker, "color": COLORS[variant], "label": label}
            points(axes[0, 1], rows, "operations", "facts", **style)
    _with_memory(axes[0, 1], tables, longest[longest["width"] == base_width(tables)])
    axes[0, 0].set(
        title=f"a  Bytes ({_title(tables, world)})", xlabel="size (kilobytes)", xscale="log"
    )
    axes[0, 1].set(title="b  Training", xlabel="operations / 10⁹", xscale="log", ylim=(-0.03, 1.06))
    axes[0, 0].set_ylabel("accuracy over facts")
    for ax in axes[0]:
        log_ticks(ax.xaxis)
    legend_below(canvas, 3, fontsize=6.5)
    return canvas


def _with_memory(ax: Axes, tables: Tables, networks: pd.DataFrame) -> None:
    """The networks beside the memory of what was pruned, which asks for no training."""
    rows = tables["accuracy"]
    for variant in (UNPRUNED.name, BY_LOSS.name):
        of_cell = cell(rows[rows["world"] == networks["world"].iloc[0]], variant, PRUNED.name)
        operations = networks.loc[networks["variant"] == variant, "operations"].mean()
        style = {"color": COLORS[variant], "marker": MARKERS[PRUNED.name]}
        points(ax, of_cell.assign(x=operations), "x", "facts", **style)


def _by_bytes(ax: Axes, tables: Tables, world: str, larger: pd.DataFrame) -> None:
    rows = tables["accuracy"]
    rows = rows[(rows["world"] == world) & rows["variant"].isin([UNPRUNED.name, BY_LOSS.name])]
    rows = rows[rows["memory"].isin([NOTHING.name, PRUNED.name, ALL.name])]
    rows = rows.assign(kilobytes=(rows["weights_bytes"] + rows["memory_bytes"]) / 1000)
    for (variant, memory, bits), of_cell in rows.groupby(["variant", "memory", "bits"], sort=False):
        style = {"color": COLORS[variant], "marker": MARKERS[memory]}
        face = COLORS[variant] if bits == 32 else "white"
        label = f"{VARIANTS[variant].label}, {CONTENTS[memory].label}" if bits == 32 else None
        at_mean = of_cell.assign(kilobytes=of_cell["kilobytes"].mean())
        points(ax, at_mean, "kilobytes", "facts", label=label, markerfacecolor=face, **style)
    for width, of_width in larger.groupby("width"):
        sized = of_width.assign(kilobytes=4 * of_width["parameters"] / 1000)
        points(ax, sized, "kilobytes", "facts", label=width_title(width), color=INK, marker="P")
    lookups = tables["lookups"]
    lookups = lookups[(lookups["world"] == world) & (lookups["memory"] == "all")]
    for method, of_method in lookups.groupby("method"):
        sized = of_method.assign(kilobytes=of_method["memory_bytes"].mean() / 1000)
        style = {"color": LOOKUP_COLORS[method], "marker": "*", "label": LOOKUPS[method].label}
        points(ax, sized, "kilobytes", "facts", **style)


def deciles(tables: Tables) -> Canvas:
    """C5: fact accuracy by frequency, at every load above 1."""
    rows, shown = tables["deciles"], _shown(tables)
    canvas, axes = panels(1, len(shown), height=2.8, wide=True, sharey=True)
    for ax, world in zip(axes[0], shown, strict=True):
        for look, shift in zip(LOOKS, beside(len(LOOKS), 3), strict=True):
            of_world = rows[rows["world"] == world]
            look.draw(ax, of_world, "decile", "accuracy", shift=shift, line=True)
        ax.set(title=_title(tables, world), xlabel="tenth of the facts, rarest first")
        ax.set(xticks=range(1, 11), ylim=(-0.02, 1.04))
    axes[0, 0].set_ylabel("accuracy over facts")
    legend_below(canvas, 2)
    return canvas


def rules(tables: Tables) -> Canvas:
    """C6: accuracy on held-out rule items, and what other text loses to memories."""
    rows = tables["rules"]
    if rows.empty:
        return _no_rules()
    worlds = list(base_loads(tables).index)
    kinds = list(dict.fromkeys(rows["rule"]))[::-1]
    canvas, axes = panels(1, len(kinds) + 1, height=2.6)
    for ax, kind in zip(axes[0], kinds, strict=False):
        _by_world(ax, rows[rows["rule"] == kind], worlds, "accuracy", LOOKS)
        ax.set(title=kind, ylim=(-0.02, 1.06))
    accuracy = tables["accuracy"]
    accuracy = accuracy[accuracy["bits"] == 32]
    keys = ["world", "variant", "replicate"]
    alone = accuracy[accuracy["memory"] == "nothing"].set_index(keys)["other_loss"]
    joined = accuracy.join(alone.rename("alone"), on=keys)
    joined = joined.assign(ratio=joined["other_loss"] / joined["alone"])
    with_memory = [look for look in LOOKS if not CONTENTS[look.memory].empty]
    _by_world(axes[0, -1], joined, worlds, "ratio", with_memory)
    axes[0, -1].axhline(1.01, color=FAINT, linewidth=0.8)
    axes[0, -1].set(title="other text", ylabel="loss with memory / alone")
    axes[0, 0].set_ylabel("accuracy on held-out items")
    legend_below(canvas, 2)
    return canvas


def _by_world(
    ax: Axes, rows: pd.DataFrame, worlds: list[str], value: str, looks: tuple | list
) -> None:
    middle = (len(looks) - 1) / 2
    for number, look in enumerate(looks):
        shifted = rows.assign(x=rows["world"].map(worlds.index) + 0.14 * (number - middle))
        look.draw(ax, shifted, "x", value)
    categories(ax.xaxis, [world_title(world) for world in worlds])


def _no_rules() -> Canvas:
    canvas, axes = panels(1, 1, height=1.2)
    words = "a text of facts alone: nothing to hold out"
    axes[0, 0].text(0.5, 0.5, words, ha="center", va="center")
    axes[0, 0].set_axis_off()
    return canvas


def counts(tables: Tables) -> Canvas:
    """C7: Spearman correlation of log-probabilities with log counts, by load."""
    rows = tables["spearman"]
    rows = rows[rows["width"] == base_width(tables)]
    kinds = list(dict.fromkeys(rows["kind"])) or ["fact"]
    worlds = list(base_loads(tables).index)
    canvas, axes = panels(1, len(kinds), height=2.5, sharey=True)
    for ax, kind in zip(axes[0], kinds, strict=True):
        for variant, shift in zip((UNPRUNED.name, BY_LOSS.name), beside(2, 6), strict=True):
            drawn = rows[(rows["kind"] == kind) & (rows["variant"] == variant)]
            if len(drawn):
                at_world = drawn.assign(x=drawn["world"].map(worlds.index))
                label = VARIANTS[variant].label
                style = {"color": COLORS[variant], "label": label, "shift": shift}
                points(ax, at_world, "x", "rho", **style)
        ax.axhline(0, color=FAINT, linewidth=0.8)
        ax.set(title="facts" if kind == "fact" else kind, ylim=(-1.05, 1.05))
        categories(ax.xaxis, [world_title(world) for world in worlds])
    axes[0, 0].set_ylabel("Spearman ρ")
    legend_below(canvas)
    return canvas
