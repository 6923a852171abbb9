"""The paper's figures, in our reconstruction: its own could not be read."""

from collections.abc import Iterable

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from rote.papers.cramless import runs as trained_runs
from rote.papers.cramless.arms import (
    AUTOMATIC,
    AUTOMATIC_EPOCH,
    AUTOMATIC_FLAT,
    HIGH,
    LADDER_GROUP,
    LOW,
    LOW_FLAT,
    OFFLINE_AUTOMATIC,
    OFFLINE_FLAT,
    OFFLINE_FREQUENT,
    OFFLINE_LOSS,
    OFFLINE_RANDOM,
    SCHEMES,
    STANDARD,
    Scheme,
)
from rote.papers.cramless.runs import Tables, base_network, base_runs, capacity_in_facts, outcomes
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
    whiskers,
)
from rote.theory import capacity

COLORS = {
    STANDARD.name: PALETTE[3],
    AUTOMATIC.name: PALETTE[0],
    AUTOMATIC_FLAT.name: PALETTE[2],
    AUTOMATIC_EPOCH.name: PALETTE[9],
    HIGH.name: FAINT,
    LOW.name: PALETTE[1],
    LOW_FLAT.name: PALETTE[4],
    OFFLINE_RANDOM.name: PALETTE[7],
    OFFLINE_LOSS.name: PALETTE[5],
    OFFLINE_FLAT.name: PALETTE[6],
    OFFLINE_AUTOMATIC.name: PALETTE[8],
    OFFLINE_FREQUENT.name: INK,
}
ARM_COLORS = [*PALETTE[:3], PALETTE[4], PALETTE[7], PALETTE[8]]  # of data sets over time
COMPARED = (STANDARD, AUTOMATIC)
AT_EVERY_SIZE = (STANDARD, AUTOMATIC, AUTOMATIC_EPOCH, OFFLINE_RANDOM)
MAX_LOSS = 20  # nats; the histogram of losses ends here


def _look(scheme: Scheme) -> dict:
    return {"color": COLORS[scheme.name], "label": scheme.label}


def _compare(
    ax: Axes, runs: pd.DataFrame, x: str, value: str, schemes: Iterable[Scheme] = COMPARED
) -> None:
    """Standard training against automatic selection, or other schemes; through measured points."""
    for scheme in schemes:
        rows = runs[runs["scheme"] == scheme.name]
        if len(rows):
            points(ax, rows, x, value, **_look(scheme))


def cramming(tables: Tables) -> Canvas:
    """Facts recited against facts given."""
    canvas, axes = panels(1, 2, width=3.8, height=3.1)
    runs = base_runs(tables)
    runs = runs[runs["exponent"] == 0]
    runs = runs.assign(share=runs["recited"] / runs["present"])
    n = np.geomspace(runs["facts"].min(), runs["facts"].max(), 200)
    fits, bits = float(np.mean(capacity_in_facts(tables))), runs["bits"].iloc[0]
    limit = capacity.accuracy_limit(n, bits, fits * bits)
    whole = capacity.whole_facts(n, bits, fits * bits)
    evenly = capacity.spread_accuracy(fits * bits / n, bits)
    ax = axes[0, 0]
    _compare(ax, runs, "facts", "recited", AT_EVERY_SIZE)
    theory(ax, n, n * limit, label="limit")
    theory(ax, n, n * whole, label="whole facts", linestyle="--")
    theory(ax, n, n * evenly, label="spread evenly", linestyle=":")
    ax.axvline(fits, color=FAINT, linewidth=0.8)
    ax.set(title="a  Every fact once", ylabel="facts recited", ylim=(0, None))
    ax.set(xscale="log", xlabel="facts given")
    log_ticks(ax.xaxis)
    legend_below(canvas, 4, *ax.get_legend_handles_labels(), fontsize=7)
    ax = axes[0, 1]
    _compare(ax, runs, "facts", "share", AT_EVERY_SIZE)
    theory(ax, n, limit)
    theory(ax, n, whole, linestyle="--")
    ax.set(title="b  The same as a share", ylabel="fact accuracy")
    ax.set(xscale="log", xlabel="facts given")
    log_ticks(ax.xaxis)
    return canvas


def bits(tables: Tables) -> Canvas:
    """Bits per parameter, stored and in recited facts."""
    canvas, axes = panels(1, 2, width=3.6, height=2.9, sharey=True)
    runs = base_runs(tables)
    runs = runs[runs["exponent"] == 0]
    bits_per_fact, parameters = runs["bits"].iloc[0], runs["parameters"].iloc[0]
    runs = runs.assign(
        all=runs["stored"] / runs["parameters"],
        exact=runs["recited"] * runs["bits"] / runs["parameters"],
    )
    n = np.geomspace(runs["facts"].min(), runs["facts"].max(), 200)
    titles = {"all": "a  Stored", "exact": "b  In recited facts"}
    for ax, (column, title) in zip(axes[0], titles.items(), strict=True):
        _compare(ax, runs, "facts", column)
        theory(ax, n, n * bits_per_fact / parameters, label="all there is to know")
        ax.set(xscale="log", xlabel="facts given", title=title, ylim=(0, 1.25 * runs["all"].max()))
        log_ticks(ax.xaxis)
    axes[0, 0].set_ylabel("bits per parameter")
    axes[0, 0].legend()
    return canvas


def skewed(tables: Tables) -> Canvas:
    """Power-law frequencies: by scheme, and by exponent."""
    canvas, axes = panels(1, 3, width=3.3, height=3.1)
    runs = base_runs(tables)
    harmonic = runs[runs["data"] == base_network(tables).skewed]
    _by_scheme(axes[0, 0], harmonic, "recited")
    axes[0, 0].set(xlabel="facts recited", title="a  Exponent 1")
    axes[0, 0].axvline(
        float(np.mean(capacity_in_facts(tables))), color=INK, linestyle="--", linewidth=1
    )
    _by_scheme(axes[0, 1], harmonic, "weighted", with_labels=False)
    axes[0, 1].set(xlabel="accuracy weighted by copies", title="b  Exponent 1, weighted")
    ax = axes[0, 2]
    of_one_size = runs[runs["facts"] == harmonic["facts"].iloc[0]]
    _compare(ax, of_one_size[of_one_size["exponent"] > 0], "exponent", "recited")
    ax.set(xlabel="power-law exponent a", ylabel="facts recited", title="c  By exponent")
    ax.set_ylim(0, None)
    ax.legend()
    return canvas


def _by_scheme(ax: Axes, runs: pd.DataFrame, column: str, with_labels: bool = True) -> None:
    schemes = [scheme for name, scheme in SCHEMES.items() if name in set(runs["scheme"])][::-1]
    for row, scheme in enumerate(schemes):
        table = spread(runs[runs["scheme"] == scheme.name], "scheme", column)
        color = COLORS[scheme.name]
        ax.errorbar(table["mean"], [row], xerr=whiskers(table), fmt="o", color=color)
    categories(ax.yaxis, [scheme.label if with_labels else "" for scheme in schemes])


def ranks(tables: Tables) -> Canvas:
    """Accuracy by frequency rank."""
    canvas, axes = panels(1, 1, width=5, height=3.1)
    ax, base = axes[0, 0], base_network(tables)
    for scheme in (*COMPARED, OFFLINE_AUTOMATIC):
        rows = outcomes(tables, base.skewed, scheme)
        rank = _binned(rows["fact"] + 1, rows["fact"].max() + 1, 18)
        rows = rows.assign(rank=rank, accuracy=rows["recited"].astype(float))
        means = rows.groupby(["rank", "replicate"])["accuracy"].mean().reset_index()
        points(ax, means, "rank", "accuracy", **_look(scheme))
    optimum = _best_weighted_accuracy(tables)
    theory(
        ax, np.arange(len(optimum)) + 1, optimum, label="best weighted accuracy at this capacity"
    )
    ax.set(xscale="log", xlabel="frequency rank", ylabel="share recited", ylim=(-0.03, 1.03))
    log_ticks(ax.xaxis)
    ax.legend()
    return canvas


def _binned(values: pd.Series, upper: int, n_edges: int) -> np.ndarray:
    """The lower edges of the geometric bins between 1 and `upper` that values lie in."""
    edges = np.unique(np.geomspace(1, upper, n_edges).astype(int))
    return edges[np.searchsorted(edges, values, side="right") - 1]


def _best_weighted_accuracy(tables: Tables) -> np.ndarray:
    """Accuracy by rank at the optimum for weighted accuracy, a moving average."""
    facts = tables["facts"]
    facts = facts[(facts["data"] == base_network(tables).skewed) & (facts["replicate"] == 0)]
    counts = facts.sort_values("fact")["count"].to_numpy(float)
    bits_per_fact = facts["bits"].iloc[0]
    available = float(np.mean(capacity_in_facts(tables))) * bits_per_fact
    optimum = capacity.water_filling(counts / counts.sum(), bits_per_fact, available)
    width = max(len(optimum) // 60, 1)
    return np.convolve(optimum, np.ones(width) / width, "valid")


def losses(tables: Tables) -> Canvas:
    """Losses of single facts."""
    base = base_network(tables)
    canvas, axes = panels(1, 2, width=3.6, height=2.8)
    titles = {base.crowded[0]: "a  Every fact once", base.skewed: "b  Power law"}
    guessing = tables["facts"]["bits"].iloc[0] * np.log(2)
    for ax, (data, title) in zip(axes[0], titles.items(), strict=True):
        for scheme in COMPARED:
            ax.hist(
                outcomes(tables, data, scheme)["loss"].clip(upper=MAX_LOSS),
                bins=np.linspace(0, MAX_LOSS, 61),
                density=True,
                histtype="stepfilled",
                alpha=0.5,
                **_look(scheme),
            )
        ax.axvline(guessing, color=INK, linestyle="--", linewidth=1, label="guessing")
        label = f"loss of a fact (nats, {MAX_LOSS} = {MAX_LOSS} and more)"
        ax.set(title=title, xlabel=label, ylabel="density", yscale="log")
    axes[0, 0].legend()
    return canvas


def shares(tables: Tables) -> Canvas:
    """The admitted share over time."""
    canvas, axes = panels(1, 1, width=5, height=2.9)
    ax, runs = axes[0, 0], base_runs(tables)
    arms = runs[runs["scheme"] == AUTOMATIC.name].drop_duplicates("arm")
    for row, color in zip(arms.itertuples(), ARM_COLORS, strict=False):
        rows = tables["shares"][tables["shares"]["arm"] == row.arm]
        band = rows.groupby("step")["share"].agg(["mean", "min", "max"])
        ax.plot(band.index, band["mean"], color=color, label=row.data)
        ax.fill_between(band.index, band["min"], band["max"], color=color, alpha=0.2, linewidth=0)
    ax.set(xlabel="step", ylabel="admitted share ρ of the candidates")
    ax.set(ylim=(0, 1.05), xlim=(0, base_network(tables).steps))
    canvas.legend(*ax.get_legend_handles_labels(), loc="outside right center")
    return canvas


def ladder(tables: Tables) -> Canvas:
    """Network sizes, each at its own learning rate."""
    canvas, axes = panels(1, 3, width=3.3, height=3)
    base, runs = base_network(tables), tables["runs"]
    of_ladder = runs["group"] == LADDER_GROUP.name
    selected = runs["scheme"] == AUTOMATIC.name
    rows = runs[(runs["steps"] == base.steps) & (of_ladder | selected)]
    titles = {base.skewed: "a  Power law", base.crowded[-1]: "b  Every fact once"}
    for ax, (data, title) in zip(axes[0], titles.items(), strict=False):
        of_data = rows[rows["data"] == data]
        _compare(ax, of_data, "parameters", "recited")
        chosen = of_data[of_data["scheme"] == AUTOMATIC.name]
        for facts in chosen.groupby("width")["recited"].mean():
            ax.axhline(facts, color=COLORS[AUTOMATIC.name], linewidth=0.8, linestyle=":")
        ax.set(xscale="log", xlabel="parameters", title=title, ylim=(0, None))
        log_ticks(ax.xaxis)
    axes[0, 0].set_ylabel("facts recited")
    axes[0, 0].legend()
    ax = axes[0, 2]
    uniform = runs[(runs["exponent"] == 0) & (runs["scheme"] == STANDARD.name)]
    uniform = uniform.assign(c=uniform["stored"] / uniform["parameters"])
    lengths = sorted(uniform["steps"].unique())
    for steps, color in zip(lengths, (FAINT, INK, *PALETTE), strict=False):
        of_steps = uniform[uniform["steps"] == steps]
        measured = of_steps.groupby(["parameters", "replicate"])["c"].max().reset_index()
        points(ax, measured, "parameters", "c", color=color, label=f"{steps} steps")
    ax.set(xscale="log", xlabel="parameters", title="c  Bits stored per parameter")
    log_ticks(ax.xaxis)
    ax.set_ylim(0, None)
    ax.legend()
    return canvas


def compute(tables: Tables) -> Canvas:
    """What selection costs."""
    canvas, axes = panels(1, 2, width=3.8, height=3, sharey=True)
    base, runs = base_network(tables), tables["runs"]
    rows = runs[(runs["data"] == base.skewed) & (runs["width"] == base.width)]
    rows = rows.assign(work=trained_runs.work(rows) / 1000, trained=rows["trained"] / 1000)
    labels = {
        "trained": "thousand examples trained on",
        "work": "the same + a third of those only scored",
    }
    for ax, (column, label) in zip(axes[0], labels.items(), strict=True):
        for (scheme, steps), group in rows.groupby(["scheme", "steps"]):
            longer = steps != base.steps
            suffix = f", {steps / base.steps:g} x the steps" if longer else ""
            table = spread(group, "scheme", "recited")
            ax.errorbar(
                [group[column].mean()],
                table["mean"],
                whiskers(table),
                fmt="s" if longer else "o",
                color=COLORS[scheme],
                label=SCHEMES[scheme].label + suffix,
            )
        ax.set(xlabel=label, xscale="log")
        log_ticks(ax.xaxis)
    axes[0, 0].set_ylabel("facts recited")
    legend_below(canvas, 4, *axes[0, 0].get_legend_handles_labels(), fontsize=7)
    return canvas


def flattening(tables: Tables) -> Canvas:
    """How often a fact is trained on."""
    canvas, axes = panels(1, 1, width=4.8, height=3.1)
    ax, base = axes[0, 0], base_network(tables)
    for scheme in (*COMPARED, AUTOMATIC_FLAT, LOW_FLAT, OFFLINE_AUTOMATIC):
        rows = outcomes(tables, base.skewed, scheme)
        rows = rows.assign(copies=_binned(rows["count"], rows["count"].max() + 1, 14))
        means = rows.groupby(["copies", "replicate"])["seen"].mean().reset_index()
        points(ax, means[means["seen"] > 0], "copies", "seen", **_look(scheme))
    ax.set(xscale="log", yscale="log", xlabel="copies in the data", ylabel="times trained on")
    log_ticks(ax.xaxis)
    ax.legend()
    return canvas
