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
    Look,
    at_most,
    at_row,
    beside,
    categories,
    label_ends,
    legend_below,
    log_ticks,
    measured_ticks,
    named,
    panels,
    points,
    shade,
    spread,
    theory,
    whiskers,
)
from rote.theory import capacity

LOOKS = {
    scheme.name: Look(scheme.label, color, marker)
    for scheme, color, marker in (
        (STANDARD, PALETTE[3], "o"),
        (AUTOMATIC, PALETTE[0], "s"),
        (AUTOMATIC_FLAT, PALETTE[2], "D"),
        (AUTOMATIC_EPOCH, PALETTE[9], "v"),
        (HIGH, FAINT, "^"),
        (LOW, PALETTE[1], "<"),
        (LOW_FLAT, PALETTE[4], ">"),
        (OFFLINE_RANDOM, PALETTE[7], "X"),
        (OFFLINE_LOSS, PALETTE[5], "P"),
        (OFFLINE_FLAT, PALETTE[6], "h"),
        (OFFLINE_AUTOMATIC, PALETTE[8], "d"),
        (OFFLINE_FREQUENT, INK, "*"),
    )
}
CAPACITY = "capacity"
COMPARED = (STANDARD, AUTOMATIC)
AT_EVERY_SIZE = (STANDARD, AUTOMATIC, AUTOMATIC_EPOCH, OFFLINE_RANDOM)
MAX_LOSS = 20  # nats; the histogram of losses ends here


def _compare(
    ax: Axes, runs: pd.DataFrame, x: str, value: str, schemes: Iterable[Scheme] = COMPARED
) -> None:
    """Standard training against automatic selection, or other schemes, where they were run."""
    measured = [scheme for scheme in schemes if scheme.name in set(runs["scheme"])]
    for scheme, shift in zip(measured, beside(len(measured)), strict=True):
        rows = runs[runs["scheme"] == scheme.name]
        points(ax, rows, x, value, **LOOKS[scheme.name].marks(shift=shift))


def _given_axis(ax: Axes, runs: pd.DataFrame) -> None:
    """Numbers of facts along x, with ticks where networks were trained."""
    ax.set(xscale="log", xlabel="facts given")
    measured_ticks(ax.xaxis, runs["facts"])


def cramming(tables: Tables) -> Canvas:
    """Facts recited against facts given."""
    canvas, axes = panels(1, 2, height=2.9)
    runs = base_runs(tables)
    runs = runs[runs["exponent"] == 0]
    runs = runs.assign(share=runs["recited"] / runs["present"])
    n = np.geomspace(runs["facts"].min(), runs["facts"].max(), 200)
    fits, bits = float(np.mean(capacity_in_facts(tables))), runs["bits"].iloc[0]
    limit = capacity.accuracy_limit(n, bits, fits * bits)
    whole = capacity.whole_facts(n, bits, fits * bits)
    evenly = capacity.spread_accuracy(fits * bits / n, bits)
    titles = {"recited": ("a", "facts recited", n), "share": ("b", "share of facts recited", 1.0)}
    for ax, (column, (letter, label, scale)) in zip(axes[0], titles.items(), strict=True):
        theory(ax, n, scale * limit, label="limit of rate and distortion", linestyle="-")
        theory(ax, n, scale * whole, label="whole facts", linestyle="--")
        theory(ax, n, scale * evenly, label="spread evenly", linestyle=":")
        _compare(ax, runs, "facts", column, AT_EVERY_SIZE)
        named(ax, fits, CAPACITY)
        ax.set(title=letter, ylabel=label, ylim=(0, None))
        _given_axis(ax, runs)
    legend_below(canvas, 4)
    return canvas


def bits(tables: Tables) -> Canvas:
    """Bits per parameter, stored and in recited facts."""
    canvas, axes = panels(1, 2, height=2.5, sharey=True)
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
        theory(ax, n, n * bits_per_fact / parameters, label="all there is to know")
        _compare(ax, runs, "facts", column)
        ax.set(title=title, ylim=(0, 1.25 * runs["all"].max()))
        _given_axis(ax, runs)
    axes[0, 0].set_ylabel("stored (bits per parameter)")
    legend_below(canvas)
    return canvas


def skewed(tables: Tables) -> Canvas:
    """Power-law frequencies: by scheme, and by exponent."""
    canvas, axes = panels(1, 3, height=2.7)
    runs = base_runs(tables)
    harmonic = runs[runs["data"] == base_network(tables).skewed]
    _by_scheme(axes[0, 0], harmonic, "recited")
    axes[0, 0].set(xlabel="facts recited", title="a")
    named(axes[0, 0], float(np.mean(capacity_in_facts(tables))), CAPACITY)
    _by_scheme(axes[0, 1], harmonic, "weighted", with_labels=False)
    axes[0, 1].set(xlabel="accuracy weighted by copies", title="b")
    ax = axes[0, 2]
    of_one_size = runs[runs["facts"] == harmonic["facts"].iloc[0]]
    skew = of_one_size[of_one_size["exponent"] > 0]
    _compare(ax, skew, "exponent", "recited")
    ax.set(xlabel="power-law exponent a", ylabel="facts recited", title="c", ylim=(0, None))
    measured_ticks(ax.xaxis, skew["exponent"])
    legend_below(canvas, 2, *ax.get_legend_handles_labels(), title="c")
    return canvas


def _by_scheme(ax: Axes, runs: pd.DataFrame, column: str, with_labels: bool = True) -> None:
    schemes = [scheme for name, scheme in SCHEMES.items() if name in set(runs["scheme"])][::-1]
    for row, scheme in enumerate(schemes):
        values = runs.loc[runs["scheme"] == scheme.name, column]
        at_row(ax, values, row, **LOOKS[scheme.name].marks(label=None))
    categories(ax.yaxis, [scheme.label if with_labels else "" for scheme in schemes])


def ranks(tables: Tables) -> Canvas:
    """Accuracy by frequency rank."""
    canvas, axes = panels(1, 1, height=3.0, wide=True)
    ax, base = axes[0, 0], base_network(tables)
    for scheme in (*COMPARED, OFFLINE_AUTOMATIC):
        rows = outcomes(tables, base.skewed, scheme)
        rank = _binned(rows["fact"] + 1, rows["fact"].max() + 1, 18)
        rows = rows.assign(rank=rank, accuracy=rows["recited"].astype(float))
        means = rows.groupby(["rank", "replicate"])["accuracy"].mean().reset_index()
        points(ax, means, "rank", "accuracy", line=True, **LOOKS[scheme.name].marks())
    optimum = _best_weighted_accuracy(tables)
    label = "best weighted accuracy at this capacity"
    theory(ax, np.arange(len(optimum)) + 1, optimum, label=label, linewidth=0.8)
    ax.set(xscale="log", xlabel="frequency rank", ylabel="share recited", ylim=(-0.03, 1.03))
    log_ticks(ax.xaxis)
    legend_below(canvas, 4)
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
    canvas, axes = panels(1, 2, height=2.4)
    titles = {base.crowded[0]: "a  Every fact once", base.skewed: "b  Power law"}
    guessing = tables["facts"]["bits"].iloc[0] * np.log(2)
    for ax, (data, title) in zip(axes[0], titles.items(), strict=True):
        for scheme in COMPARED:
            look = LOOKS[scheme.name]
            shape = {"bins": np.linspace(0, MAX_LOSS, 61), "density": True, "histtype": "step"}
            of_facts = outcomes(tables, data, scheme)["loss"].clip(upper=MAX_LOSS)
            ax.hist(of_facts, color=look.color, label=look.label, **shape)
        ax.axvline(guessing, color=INK, linestyle="--", linewidth=1, label="guessing")
        ax.set(title=title, xlabel="loss of a fact (nats)", ylabel="density", yscale="log")
        ticks = range(0, MAX_LOSS + 1, 5)
        ax.set_xticks(ticks, [*map(str, ticks[:-1]), f"≥ {MAX_LOSS}"])
    legend_below(canvas)
    return canvas


def shares(tables: Tables) -> Canvas:
    """The admitted share over time."""
    canvas, axes = panels(1, 1, height=2.6, wide=True)
    ax, runs = axes[0, 0], base_runs(tables)
    arms = runs[runs["scheme"] == AUTOMATIC.name].drop_duplicates("arm")
    uniform = arms[arms["exponent"] == 0].sort_values("facts")
    skew = arms[(arms["exponent"] > 0) & (arms["facts"] == arms["facts"].max())]
    for kind, style in ((uniform, "-"), (skew.sort_values("exponent"), "--")):
        for row, color in zip(kind.itertuples(), shade(len(kind)), strict=True):
            rows = tables["shares"][tables["shares"]["arm"] == row.arm]
            band = rows.groupby("step")["share"].agg(["mean", "min", "max"])
            label = f"power law, a = {row.exponent:g}"
            if not row.exponent:
                label = f"{row.facts:,} facts, once each"
            ax.plot(band.index, band["mean"], color=color, linestyle=style, label=label)
            edges = {"color": color, "alpha": 0.2, "linewidth": 0}
            ax.fill_between(band.index, band["min"], band["max"], **edges)
    ax.set(xlabel="steps of training", ylabel="admitted share ρ of the candidates")
    ax.set(ylim=(0, 1.05), xlim=(0, base_network(tables).steps))
    label_ends(ax)
    return canvas


def ladder(tables: Tables) -> Canvas:
    """Network sizes, each at its own learning rate."""
    canvas, axes = panels(1, 3, height=2.5)
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
            ax.axhline(facts, color=LOOKS[AUTOMATIC.name].color, linewidth=0.8, linestyle=":")
        ax.set(title=title, ylim=(0, None))
        _size_axis(ax, of_data)
    axes[0, 0].set_ylabel("facts recited")
    ax = axes[0, 2]
    uniform = runs[(runs["exponent"] == 0) & (runs["scheme"] == STANDARD.name)]
    uniform = uniform.assign(c=uniform["stored"] / uniform["parameters"])
    lengths = sorted(uniform["steps"].unique())
    for steps, color, shift in zip(lengths, shade(len(lengths)), beside(len(lengths)), strict=True):
        of_steps = uniform[uniform["steps"] == steps]
        measured = of_steps.groupby(["parameters", "replicate"])["c"].max().reset_index()
        style = {"color": color, "marker": LOOKS[STANDARD.name].marker, "shift": shift}
        points(ax, measured, "parameters", "c", label=f"{steps:,} steps", **style)
    ax.set(title="c  Capacity", ylabel="stored (bits per parameter)", ylim=(0, None))
    _size_axis(ax, uniform)
    legend_below(canvas)
    return canvas


def _size_axis(ax: Axes, rows: pd.DataFrame) -> None:
    """Numbers of parameters along x, with ticks where networks were trained."""
    ax.set(xscale="log", xlabel="parameters")
    measured_ticks(ax.xaxis, rows["parameters"], 4)


def compute(tables: Tables) -> Canvas:
    """What selection costs."""
    canvas, axes = panels(1, 2, height=2.9, sharey=True)
    base, runs = base_network(tables), tables["runs"]
    rows = runs[(runs["data"] == base.skewed) & (runs["width"] == base.width)]
    rows = rows.assign(work=trained_runs.work(rows) / 1000, trained=rows["trained"] / 1000)
    labels = {
        "trained": "examples trained on (thousands)",
        "work": "the same, and a third of those only scored (thousands)",
    }
    for ax, (column, label) in zip(axes[0], labels.items(), strict=True):
        for (scheme, steps), group in rows.groupby(["scheme", "steps"]):
            look, longer = LOOKS[scheme], steps != base.steps
            style = look.marks(linestyle="none")
            if longer:
                times = f"{look.label}, {steps / base.steps:g} × the steps"
                style |= {"label": times, "markerfacecolor": "white"}
            table = spread(group, "scheme", "recited")
            ax.errorbar([group[column].mean()], table["mean"], whiskers(table), **style)
        ax.set(xlabel=label, xscale="log")
        log_ticks(ax.xaxis)
    axes[0, 0].set_ylabel("facts recited")
    legend_below(canvas, 4)
    return canvas


def flattening(tables: Tables) -> Canvas:
    """How often a fact is trained on."""
    canvas, axes = panels(1, 1, height=2.9, wide=True)
    ax, base = axes[0, 0], base_network(tables)
    drawn = (*COMPARED, AUTOMATIC_FLAT, LOW_FLAT, OFFLINE_AUTOMATIC)
    for scheme, shift in zip(drawn, beside(len(drawn), 2.5), strict=True):
        rows = outcomes(tables, base.skewed, scheme)
        rows = rows.assign(copies=_binned(rows["count"], rows["count"].max() + 1, 14))
        means = rows.groupby(["copies", "replicate"])["seen"].mean().reset_index()
        look = LOOKS[scheme.name]
        style = look.marks(shift=shift)
        points(ax, means[means["seen"] > 0], "copies", "seen", line=True, **style)
        never = means.groupby("copies")["seen"].max()
        at_most(ax, list(never.index[never == 0]), 1, color=look.color)
    ax.set(xscale="log", yscale="log", xlabel="copies in the data", ylabel="times trained on")
    log_ticks(ax.xaxis)
    legend_below(canvas, 5)
    return canvas
