"""Accuracy against load, frequency and size; what counts say; and what bytes buy."""

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure as Canvas

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

Tables = Mapping[str, pd.DataFrame]
# (corpus, memory): name, colour, marker, line
LOOKS = {
    ("none", "nothing"): ("unpruned", INK, "o", "-"),
    ("random", "nothing"): ("pruned at random", PALETTE[2], "s", "-"),
    ("loss", "nothing"): ("pruned by loss", PALETTE[0], "D", "-"),
    ("loss", "pruned"): ("pruned by loss, memory of what was pruned", PALETTE[0], "D", ":"),
    ("none", "random"): ("unpruned, memory as large of random statements", INK, "o", ":"),
}
CORPORA = {
    "none": ("unpruned", INK),
    "loss": ("pruned by loss", PALETTE[0]),
    "random": ("random", PALETTE[2]),
    "flat": ("random, flattened", PALETTE[1]),
}


def _cell(rows: pd.DataFrame, variant: str, memory: str) -> pd.DataFrame:
    return rows[(rows["variant"] == variant) & (rows["memory"] == memory)]


def _axis(rows: pd.DataFrame) -> pd.DataFrame:
    """Load as the horizontal axis; a text of the user's has none and stands at 1."""
    return rows.assign(x=rows["load"].fillna(1.0))


def capacity(tables: Tables) -> float:
    """What the weights hold at most: the largest information gain of networks of the base width, in
    bits.
    """
    rows = tables["networks"]
    rows = rows[rows["width"] == base_width(tables)]
    return float(rows.groupby(["world", "variant"])["stored"].mean().max())


def base_width(tables: Tables) -> int:
    """The width at which every corpus has networks."""
    rows = tables["networks"]
    return int(rows.loc[rows["variant"] == "random", "width"].iloc[0])


def load(tables: Tables) -> Canvas:
    """C1: fact accuracy against load."""
    rows = _axis(tables["accuracy"])
    canvas, axes = panels(1, 1, width=5.4, height=3.6)
    ax = axes[0, 0]
    for (variant, memory), (name, color, marker, style) in LOOKS.items():
        points(
            ax,
            _cell(rows, variant, memory),
            "x",
            "facts",
            label=name,
            color=color,
            marker=marker,
            linestyle=style,
        )
    known = tables["facts"]
    there = (
        known[known["count"] > 0]
        .groupby(["world", "replicate"])["bits"]
        .sum()
        .groupby("world")
        .mean()
    )
    at = rows.groupby("world")["x"].first()
    limit = (capacity(tables) / there).clip(upper=1).reindex(at.index)
    order = at.to_numpy().argsort()
    theory(ax, at.to_numpy()[order], limit.to_numpy()[order], "limit of the weights", color=FAINT)
    ax.set(
        xscale="log",
        ylim=(0, 1.04),
        xlabel="load: information of all facts / nominal capacity",
        ylabel="accuracy over facts",
    )
    log_ticks(ax.xaxis)
    legend_below(canvas, 2, *ax.get_legend_handles_labels(), fontsize=7)
    return canvas


def deciles(tables: Tables) -> Canvas:
    """C2: fact accuracy by frequency, at every load above 1."""
    rows, loads = (
        tables["deciles"],
        _axis(tables["accuracy"]).groupby("world")["x"].first().sort_values(),
    )
    shown = [world for world, value in loads.items() if value > 1] or list(loads.index[-1:])
    canvas, axes = panels(1, len(shown), width=max(3.6, 5.4 / len(shown)), height=3.1, sharey=True)
    for ax, world in zip(axes[0], shown, strict=True):
        some = rows[rows["world"] == world]
        for (variant, memory), (name, color, marker, style) in LOOKS.items():
            points(
                ax,
                _cell(some, variant, memory),
                "decile",
                "accuracy",
                label=name,
                color=color,
                marker=marker,
                linestyle=style,
            )
        ax.set(
            title=_title(world),
            xlabel="tenth of the facts, rarest first",
            xticks=range(1, 11),
            ylim=(-0.02, 1.04),
        )
    axes[0, 0].set_ylabel("accuracy")
    legend_below(canvas, 2, *axes[0, 0].get_legend_handles_labels(), fontsize=7)
    return canvas


def _title(world: str) -> str:
    return "own text" if world == "own" else world.replace("-", " ")


def rules(tables: Tables) -> Canvas:
    """C3: accuracy on held-out rule items."""
    rows = tables["rules"]
    if rows.empty:
        canvas, axes = panels(1, 1, width=3.6, height=1.2)
        axes[0, 0].text(
            0.5, 0.5, "a text of facts alone: nothing to hold out", ha="center", va="center"
        )
        axes[0, 0].set_axis_off()
        return canvas
    kinds = list(dict.fromkeys(rows["rule"]))[::-1]
    worlds = list(dict.fromkeys(rows["world"]))
    canvas, axes = panels(1, len(kinds), width=3.6, height=3.0, sharey=True)
    for ax, kind in zip(axes[0], kinds, strict=True):
        for number, ((variant, memory), (name, color, marker, _)) in enumerate(LOOKS.items()):
            some = _cell(rows[rows["rule"] == kind], variant, memory)
            some = some.assign(x=some["world"].map(worlds.index) + 0.14 * (number - 2))
            face = color if memory == "nothing" else "white"
            points(
                ax,
                some,
                "x",
                "accuracy",
                label=name,
                color=color,
                marker=marker,
                line=False,
                markerfacecolor=face,
            )
        categories(ax.xaxis, [_title(world) for world in worlds])
        ax.set(title=kind, ylim=(-0.02, 1.06))
    axes[0, 0].set_ylabel("accuracy on held-out items")
    legend_below(canvas, 2, *axes[0, 0].get_legend_handles_labels(), fontsize=7)
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
        for variant, (name, color) in CORPORA.items():
            some = rows[(rows["kind"] == kind) & (rows["variant"] == variant)]
            if variant in ("none", "loss") and len(some):
                points(ax, some, "width", "rho", label=name, color=color)
        ax.axhline(0, color=FAINT, linewidth=0.8)
        ax.set(
            title={"fact": "facts"}.get(kind, kind),
            xlabel="width of the network",
            ylim=(-1.05, 1.05),
        )
        ax.set_xticks(sorted(rows["width"].unique()))
    axes[0, 0].set_ylabel("Spearman ρ")
    axes[0, 0].legend(loc="lower left")
    return canvas


def pareto(tables: Tables) -> Canvas:
    """C5: accuracy over all facts against bytes of weights and memory."""
    rows = _axis(tables["accuracy"])
    shown = sorted(value for value in rows["x"].unique() if value > 1) or [rows["x"].max()]
    canvas, axes = panels(1, len(shown), width=max(3.7, 6.4 / len(shown)), height=3.1, sharey=True)
    names = {
        "nothing": "no memory",
        "kept": "memory of kept statements",
        "pruned": "of pruned ones",
        "all": "of all",
        "random": "of random ones, as many as pruned",
    }
    markers = {"nothing": "o", "kept": "v", "pruned": "D", "all": "s", "random": "X"}
    for ax, value in zip(axes[0], shown, strict=True):
        some = rows[rows["x"] == value].assign(
            bytes=lambda r: (r["weights_bytes"] + r["memory_bytes"]) / 1000
        )
        table = some.groupby(["variant", "memory"], sort=False, as_index=False)[
            ["bytes", "facts"]
        ].mean()
        for (variant, memory), group in some.groupby(["variant", "memory"], sort=False):
            if variant in ("none", "random", "loss"):
                spot = spread(group.assign(all=0), "all", "facts").iloc[0]
                color, x = CORPORA[variant][1], group["bytes"].mean()
                ax.plot([x, x], [spot["low"], spot["high"]], color=color)
                ax.plot(x, spot["mean"], markers[memory], color=color, markersize=6)
        front = table.sort_values(["bytes", "facts"], ascending=[True, False])
        front = front[front["facts"].cummax() == front["facts"]]
        ax.step(front["bytes"], front["facts"], where="post", color=FAINT, linewidth=0.8, zorder=0)
        ax.set(
            xscale="log",
            xlabel="kilobytes of weights and memory",
            ylim=(0, 1.04),
            title=f"load {value:g}",
        )
        log_ticks(ax.xaxis)
    axes[0, 0].set_ylabel("accuracy over facts")
    handles = [
        axes[0, 0].plot([], [], markers[m], color=FAINT, label=label)[0]
        for m, label in names.items()
    ]
    handles += [
        axes[0, 0].plot([], [], "-", color=color, label=name)[0]
        for variant, (name, color) in CORPORA.items()
        if variant != "flat"
    ]
    handles.append(
        axes[0, 0].plot([], [], "-", color=FAINT, linewidth=0.8, label="Pareto front")[0]
    )
    legend_below(canvas, 3, handles, [handle.get_label() for handle in handles], fontsize=7)
    return canvas


def flattening(tables: Tables) -> Canvas:
    """C6, an ablation: choice by loss and flattening apart."""
    rows, sizes = tables["networks"], tables["corpora"]
    rows = rows[rows["world"].isin(rows.loc[rows["variant"] == "flat", "world"])]
    rows = rows[rows["width"] == base_width(tables)]
    order = [name for name in CORPORA if name in set(rows["variant"])]
    canvas, axes = panels(1, 2, width=3.4, height=2.8, sharey=True)
    sizes = sizes[sizes["world"].isin(rows["world"])]
    for ax, frame, column, label in (
        (axes[0, 0], rows, "facts", "accuracy over facts"),
        (axes[0, 1], sizes, "facts", "facts in the corpus"),
    ):
        for place, variant in enumerate(order[::-1]):
            spot = spread(frame[frame["variant"] == variant].assign(all=0), "all", column)
            if len(spot):
                color = CORPORA[variant][1]
                ax.plot([spot["low"].iloc[0], spot["high"].iloc[0]], [place, place], color=color)
                ax.plot(spot["mean"].iloc[0], place, "o", color=color)
        ax.set(xlabel=label, xlim=(0, None), ylim=(-0.6, len(order) - 0.4))
    categories(axes[0, 0].yaxis, [CORPORA[variant][0] for variant in order[::-1]])
    axes[0, 0].set_title("a  Networks alone")
    axes[0, 1].set_title("b  What the corpora state")
    return canvas


OURS = "Our own experiment: no paper shows it."
