"""The paper's figures, in our reconstruction: its own could not be read."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from rote.papers.cramless.statistics import SCORING, base, limit, select
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

Tables = Mapping[str, pd.DataFrame]
COLOR = {
    "none": PALETTE[3],
    "auto": PALETTE[0],
    "auto-flat": PALETTE[2],
    "low": PALETTE[1],
    "low-flat": PALETTE[4],
}
COLOR |= {"offline random": PALETTE[7], "offline loss": PALETTE[5], "offline loss-flat": PALETTE[6]}
COLOR |= {"offline automatic": PALETTE[9], "offline frequent": INK}
NAMES = {
    "none": "standard training",
    "auto": "automatic selection",
    "auto-flat": "automatic, flattened",
    "low": "fixed share of lowest loss",
    "low-flat": "fixed share, flattened",
    "offline random": "random facts",
    "offline loss": "facts of lowest loss",
    "offline loss-flat": "lowest loss, flattened",
    "offline automatic": "lowest loss, each once",
    "offline frequent": "most frequent facts (oracle)",
}


def _base_runs(tables: Tables) -> pd.DataFrame:
    about, runs = base(tables), tables["runs"]
    return runs[(runs["width"] == about["width"]) & (runs["steps"] == about["steps"])]


def _uniform(tables: Tables, ax: Axes, column: str, schemes: tuple[str, ...]) -> pd.DataFrame:
    runs = _base_runs(tables)
    runs = runs[runs["exponent"] == 0]
    for scheme in schemes:
        rows = runs[runs["scheme"] == scheme]
        if len(rows):
            points(ax, rows, "facts", column, color=COLOR[scheme], label=NAMES[scheme])
    return runs


def cramming(tables: Tables) -> Canvas:
    """Facts recited against facts given."""
    canvas, axes = panels(1, 2, width=3.8, height=3.1)
    ax = axes[0, 0]
    runs = _uniform(tables, ax, "recited", ("none", "auto"))
    n = np.geomspace(runs["facts"].min(), runs["facts"].max(), 200)
    fits, bits = float(np.mean(limit(tables))), runs["bits"].iloc[0]
    theory(ax, n, n * capacity.accuracy_limit(n, bits, fits * bits), label="limit: whole facts")
    theory(
        ax,
        n,
        n * capacity.spread_accuracy(fits * bits / n, bits),
        label="spread evenly",
        linestyle=":",
    )
    ax.axvline(fits, color=FAINT, linewidth=0.8)
    ax.set(
        xscale="log",
        xlabel="facts given",
        ylabel="facts recited",
        title="a  Every fact once",
        ylim=(0, None),
    )
    log_ticks(ax.xaxis)
    legend_below(canvas, 3, *ax.get_legend_handles_labels(), fontsize=7)
    ax = axes[0, 1]
    for scheme in ("none", "auto"):
        rows = _base_runs(tables)
        rows = rows[(rows["scheme"] == scheme) & (rows["exponent"] == 0)]
        points(
            ax,
            rows.assign(share=rows["recited"] / rows["present"]),
            "facts",
            "share",
            color=COLOR[scheme],
        )
    theory(ax, n, capacity.accuracy_limit(n, bits, fits * bits))
    ax.set(
        xscale="log", xlabel="facts given", ylabel="fact accuracy", title="b  The same as a share"
    )
    log_ticks(ax.xaxis)
    return canvas


def bits(tables: Tables) -> Canvas:
    """Bits per parameter, stored and in recited facts."""
    canvas, axes = panels(1, 2, width=3.6, height=2.9, sharey=True)
    runs = _base_runs(tables)
    runs = runs[runs["exponent"] == 0].assign(
        all=lambda r: r["stored"] / r["parameters"],
        exact=lambda r: r["recited"] * r["bits"] / r["parameters"],
    )
    for ax, (column, title) in zip(
        axes[0], (("all", "a  Stored"), ("exact", "b  In recited facts")), strict=True
    ):
        for scheme in ("none", "auto"):
            rows = runs[runs["scheme"] == scheme]
            points(ax, rows, "facts", column, color=COLOR[scheme], label=NAMES[scheme])
        n = np.geomspace(runs["facts"].min(), runs["facts"].max(), 200)
        theory(
            ax,
            n,
            n * runs["bits"].iloc[0] / runs["parameters"].iloc[0],
            label="all there is to know",
        )
        ax.set(xscale="log", xlabel="facts given", title=title, ylim=(0, 1.25 * runs["all"].max()))
        log_ticks(ax.xaxis)
    axes[0, 0].set_ylabel("bits per parameter")
    axes[0, 0].legend()
    return canvas


def skewed(tables: Tables) -> Canvas:
    """Power-law frequencies: by scheme, and by exponent."""
    canvas, axes = panels(1, 3, width=3.3, height=3.1)
    runs = _base_runs(tables)
    one = runs[runs["data"] == base(tables)["skewed"]]
    schemes = [scheme for scheme in NAMES if scheme in set(one["scheme"])][::-1]
    for ax, (column, label) in zip(
        axes[0, :2],
        (("recited", "facts recited"), ("weighted", "accuracy weighted by copies")),
        strict=True,
    ):
        for place, scheme in enumerate(schemes):
            table = spread(one[one["scheme"] == scheme], "scheme", column)
            ax.errorbar(table["mean"], [place], xerr=whiskers(table), fmt="o", color=COLOR[scheme])
        categories(
            ax.yaxis,
            [NAMES[scheme] for scheme in schemes] if column == "recited" else [""] * len(schemes),
        )
        ax.set(
            xlabel=label,
            title="a  Exponent 1" if column == "recited" else "b  Exponent 1, weighted",
        )
    axes[0, 0].axvline(float(np.mean(limit(tables))), color=INK, linestyle="--", linewidth=1)
    ax = axes[0, 2]
    for scheme in ("none", "auto"):
        points(
            ax,
            runs[(runs["scheme"] == scheme) & (runs["exponent"] > 0)],
            "exponent",
            "recited",
            color=COLOR[scheme],
            label=NAMES[scheme],
        )
    ax.set(
        xlabel="power-law exponent a",
        ylabel="facts recited",
        title="c  By exponent",
        ylim=(0, None),
    )
    ax.legend()
    return canvas


def ranks(tables: Tables) -> Canvas:
    """Accuracy by frequency rank."""
    canvas, axes = panels(1, 1, width=5, height=3.1)
    ax, trained = axes[0, 0], tables["trained"]
    about = base(tables)
    for scheme in ("none", "auto", "offline automatic"):
        arm = select(tables, about["skewed"], scheme)["arm"].iloc[0]
        rows = trained[(trained["arm"] == arm) & (trained["count"] > 0)]
        edges = np.unique(np.geomspace(1, rows["fact"].max() + 1, 18).astype(int))
        place = np.searchsorted(edges, rows["fact"] + 1, side="right")
        rows = rows.assign(
            rank=edges[np.minimum(place, len(edges)) - 1], known=rows["recited"].astype(float)
        )
        means = rows.groupby(["rank", "replicate"])["known"].mean().reset_index()
        points(ax, means, "rank", "known", color=COLOR[scheme], label=NAMES[scheme])
    facts = tables["facts"]
    facts = facts[(facts["data"] == about["skewed"]) & (facts["replicate"] == 0)].sort_values(
        "fact"
    )
    counts, H = facts["count"].to_numpy(float), facts["bits"].iloc[0]
    optimum = capacity.water_filling(counts / counts.sum(), H, float(np.mean(limit(tables))) * H)
    width = max(len(optimum) // 60, 1)
    smooth = np.convolve(
        np.where(counts > 0, optimum, np.nan_to_num(optimum)), np.ones(width) / width, "valid"
    )
    theory(ax, np.arange(len(smooth)) + 1, smooth, label="best weighted accuracy at this capacity")
    ax.set(xscale="log", xlabel="frequency rank", ylabel="share recited", ylim=(-0.03, 1.03))
    log_ticks(ax.xaxis)
    ax.legend()
    return canvas


def losses(tables: Tables) -> Canvas:
    """Losses of single facts."""
    about = base(tables)
    canvas, axes = panels(1, 2, width=3.6, height=2.8)
    for ax, (data, title) in zip(
        axes[0],
        ((about["crowded"], "a  Every fact once"), (about["skewed"], "b  Power law")),
        strict=True,
    ):
        for scheme in ("none", "auto"):
            arm = select(tables, data, scheme)["arm"].iloc[0]
            rows = tables["trained"]
            rows = rows[(rows["arm"] == arm) & (rows["count"] > 0)]
            ax.hist(
                rows["loss"].clip(upper=20),
                bins=np.linspace(0, 20, 61),
                density=True,
                histtype="stepfilled",
                color=COLOR[scheme],
                alpha=0.5,
                label=NAMES[scheme],
            )
        ax.axvline(
            tables["facts"]["bits"].iloc[0] * np.log(2),
            color=INK,
            linestyle="--",
            linewidth=1,
            label="guessing",
        )
        ax.set(
            title=title,
            xlabel="loss of a fact (nats, 20 = 20 and more)",
            ylabel="density",
            yscale="log",
        )
    axes[0, 0].legend()
    return canvas


def shares(tables: Tables) -> Canvas:
    """The admitted share over time."""
    canvas, axes = panels(1, 1, width=5, height=2.9)
    ax, about, runs = axes[0, 0], base(tables), _base_runs(tables)
    runs = runs[runs["scheme"] == "auto"].drop_duplicates("arm")
    colors = dict(
        zip(runs["arm"], [*PALETTE[:3], PALETTE[4], PALETTE[7], PALETTE[8]], strict=False)
    )
    for arm, color in colors.items():
        rows = tables["shares"]
        means = rows[rows["arm"] == arm].groupby("step")["share"].agg(["mean", "min", "max"])
        ax.plot(
            means.index, means["mean"], color=color, label=runs.set_index("arm").loc[arm, "data"]
        )
        ax.fill_between(
            means.index, means["min"], means["max"], color=color, alpha=0.2, linewidth=0
        )
    ax.set(
        xlabel="step",
        ylabel="admitted share ρ of the candidates",
        ylim=(0, 1.05),
        xlim=(0, about["steps"]),
    )
    canvas.legend(*ax.get_legend_handles_labels(), loc="outside right center")
    return canvas


def ladder(tables: Tables) -> Canvas:
    """Network sizes."""
    canvas, axes = panels(1, 2, width=3.7, height=3)
    about, runs = base(tables), tables["runs"]
    runs = runs[runs["steps"] == about["steps"]]
    for scheme in ("none", "auto"):
        rows = runs[(runs["data"] == about["skewed"]) & (runs["scheme"] == scheme)]
        points(axes[0, 0], rows, "parameters", "recited", color=COLOR[scheme], label=NAMES[scheme])
    ours = select(tables, about["skewed"], "auto")["recited"].mean()
    axes[0, 0].axhline(ours, color=COLOR["auto"], linewidth=0.8, linestyle=":")
    axes[0, 0].set(
        xlabel="parameters", ylabel="facts recited", title="a  Power law", ylim=(0, None)
    )
    axes[0, 0].legend()
    rows = runs[(runs["exponent"] == 0) & (runs["scheme"] == "none")]
    rows = (
        rows.assign(c=rows["stored"] / rows["parameters"])
        .groupby(["parameters", "replicate"])["c"]
        .max()
    )
    points(axes[0, 1], rows.reset_index(), "parameters", "c", color=INK)
    axes[0, 1].set(
        xlabel="parameters", ylabel="bits stored per parameter", title="b  Measured capacity c"
    )
    axes[0, 1].set_ylim(0, None)
    return canvas


def compute(tables: Tables) -> Canvas:
    """What selection costs."""
    canvas, axes = panels(1, 2, width=3.8, height=3, sharey=True)
    about, runs = base(tables), tables["runs"]
    rows = runs[(runs["data"] == about["skewed"]) & (runs["width"] == about["width"])]
    rows = rows.assign(
        work=(rows["trained"] + SCORING * rows["scored"]) / 1000, trained=rows["trained"] / 1000
    )
    for ax, (column, label) in zip(
        axes[0],
        (
            ("trained", "thousand examples trained on"),
            ("work", "the same + a third of those only scored"),
        ),
        strict=True,
    ):
        for (scheme, steps), group in rows.groupby(["scheme", "steps"]):
            more = "" if steps == about["steps"] else f", {steps / about['steps']:g} x the steps"
            table = spread(group, "scheme", "recited")
            marker = "o" if steps == about["steps"] else "s"
            ax.errorbar(
                [group[column].mean()],
                table["mean"],
                whiskers(table),
                fmt=marker,
                color=COLOR[scheme],
                label=NAMES[scheme] + more,
            )
        ax.set(xlabel=label, xscale="log")
        log_ticks(ax.xaxis)
    axes[0, 0].set_ylabel("facts recited")
    legend_below(canvas, 3, *axes[0, 0].get_legend_handles_labels(), fontsize=7)
    return canvas


def flattening(tables: Tables) -> Canvas:
    """How often a fact is trained on."""
    canvas, axes = panels(1, 1, width=4.8, height=3.1)
    ax, about, trained = axes[0, 0], base(tables), tables["trained"]
    for scheme in ("none", "auto", "auto-flat", "low-flat", "offline automatic"):
        arm = select(tables, about["skewed"], scheme)["arm"].iloc[0]
        rows = trained[(trained["arm"] == arm) & (trained["count"] > 0)]
        edges = np.unique(np.geomspace(1, rows["count"].max() + 1, 14).astype(int))
        rows = rows.assign(copies=edges[np.searchsorted(edges, rows["count"], side="right") - 1])
        means = rows.groupby(["copies", "replicate"])["seen"].mean().reset_index()
        points(
            ax, means[means["seen"] > 0], "copies", "seen", color=COLOR[scheme], label=NAMES[scheme]
        )
    ax.set(xscale="log", yscale="log", xlabel="copies in the data", ylabel="times trained on")
    log_ticks(ax.xaxis)
    ax.legend()
    return canvas
