"""Where pruning helps: its gain over load and steps, and what the weights hold."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from rote.papers.chain import results
from rote.papers.chain.plan import BY_LOSS, EARLY, UNPRUNED
from rote.papers.chain.results import Tables, gains, loads, sign_change, world_title
from rote.plotting import (
    FAINT,
    INK,
    beside,
    legend_below,
    log_ticks,
    panels,
    points,
    shade,
    spread,
    theory,
)

MARKERS = ("o", "s", "D", "^")


def helps(tables: Tables) -> Canvas:
    """C1: the gain of pruning over steps and load, and where its sign changes."""
    arms = {"by losses after the fewest steps": EARLY, "by losses after as many steps": BY_LOSS}
    canvas, axes = panels(2, 2, height=2.4)
    for number, (title, variant) in enumerate(arms.items()):
        rows = gains(tables, variant.name)
        _map(axes[number, 0], rows)
        _lines(axes[number, 1], rows)
        axes[number, 0].set_title(f"{'ac'[number]}  Pruned {title}:\nblue helps", fontsize=7)
        axes[number, 1].set_title(f"{'bd'[number]}  The same with intervals", fontsize=7)
    for ax in axes.flat:
        _step_axis(ax, tables)
    legend_below(canvas, 3)
    return canvas


def _step_axis(ax: Axes, tables: Tables) -> None:
    """Numbers of steps, with ticks where networks were trained."""
    steps = sorted(tables["networks"]["steps"].unique())
    ax.set(xscale="log", xlabel="steps of training", xlim=(steps[0] / 1.15, steps[-1] * 1.15))
    ax.set_xticks(steps, labels=[f"{number:,}" for number in steps])
    ax.minorticks_off()


def _map(ax: Axes, rows: pd.DataFrame) -> None:
    limit = max(rows.groupby(["load", "steps"])["gain"].mean().abs().max(), 0.01)
    style = {"cmap": "RdBu", "vmin": -limit, "vmax": limit, "s": 70, "zorder": 2}
    for number, width in enumerate(sorted(rows["width"].unique())):
        marker = MARKERS[number % len(MARKERS)]
        for load, of_load in rows[rows["width"] == width].groupby("load"):
            table = spread(of_load, "steps", "gain")
            decided = (table["low"] > 0) | (table["high"] < 0)
            edges = np.where(decided, INK, FAINT)
            at_load = np.full(len(table), load)
            drawn = ax.scatter(
                table["steps"], at_load, c=table["mean"], marker=marker, edgecolors=edges, **style
            )
            for _, row in table[~decided].iterrows():
                ax.plot(row["steps"], load, marker, color="white", markersize=4, zorder=3)
            _crossing(ax, table, float(load))
    ax.figure.colorbar(drawn, ax=ax, label="accuracy that pruning adds")
    ax.set(ylabel="load", yscale="log")
    log_ticks(ax.yaxis)


def _crossing(ax: Axes, table: pd.DataFrame, load: float) -> None:
    """Where the sign changes from help to harm, between where the interval's ends do."""
    steps = table["steps"].to_numpy(float)
    at = [sign_change(steps, table[name].to_numpy()) for name in ("low", "mean", "high")]
    if steps[0] < at[1] < np.inf:
        ends = np.clip([at[0], at[2]], steps[0], steps[-1])
        ax.plot(ends, [load, load], color=INK, linewidth=1.5, zorder=1)
        ax.plot(at[1], load, "x", color=INK, markersize=8, zorder=4)


def _lines(ax: Axes, rows: pd.DataFrame) -> None:
    widths = sorted(rows["width"].unique())
    stacks = rows.groupby(["width", "world"])["load"].first().sort_values()
    colors = shade(len(stacks))
    shifts = beside(len(stacks))
    for color, shift, ((width, world), load) in zip(colors, shifts, stacks.items(), strict=True):
        of_stack = rows[(rows["width"] == width) & (rows["world"] == world)]
        label = f"{world_title(str(world))}, load {load:.3g}"
        label += f", {results.width_title(width)}" if len(widths) > 1 else ""
        marker = MARKERS[widths.index(width) % len(MARKERS)]
        style = {"color": color, "marker": marker, "shift": shift}
        points(ax, of_stack, "steps", "gain", label=label, **style)
    ax.axhline(0, color=FAINT, linewidth=0.8)
    ax.set_ylabel("accuracy that pruning adds")


def _per_parameter(tables: Tables) -> pd.DataFrame:
    """Unpruned networks with their bits per parameter, and the plateau's, by width."""
    rows = tables["networks"]
    rows = rows[rows["variant"] == UNPRUNED.name]
    limit = rows["width"].map(results.plateau(tables))
    return rows.assign(bits=rows["stored"] / rows["parameters"], limit=limit / rows["parameters"])


def plateau(tables: Tables) -> Canvas:
    """C2: bits per parameter of unpruned networks by steps, a panel per width."""
    rows = _per_parameter(tables)
    lengths = rows.groupby("width")["steps"].nunique()
    widths = list(lengths.index[lengths > 1]) or list(lengths.index[:1])
    by_load = loads(tables)
    canvas, axes = panels(1, len(widths), height=2.8, wide=True, sharey=True)
    for ax, width in zip(axes[0], widths, strict=True):
        of_width = rows[rows["width"] == width]
        worlds = by_load[by_load["width"] == width]
        looks = zip(shade(len(worlds)), beside(len(worlds)), worlds.itertuples(), strict=True)
        for color, shift, row in looks:
            label = f"{world_title(row.world)}, load {row.load:.3g}"
            of_world = of_width[of_width["world"] == row.world]
            points(ax, of_world, "steps", "bits", label=label, color=color, shift=shift)
        steps = np.sort(of_width["steps"].unique())
        theory(
            ax, steps, np.full(len(steps), of_width["limit"].iloc[0]), "most stored", color=FAINT
        )
        ax.set(title=results.width_title(width), ylim=(0, None))
        _step_axis(ax, tables)
    axes[0, 0].set_ylabel("stored (bits per parameter)")
    legend_below(canvas, 3)
    return canvas
