"""Figures of what needs no network: stylized problems, the published ratio and its nulls,
linearized posteriors.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.lines import Line2D

from rote.papers.inversion.stylized import problems
from rote.plotting import (
    FAINT,
    INK,
    PALETTE,
    legend_below,
    log_ticks,
    panels,
    points,
    shade,
    theory,
)

Tables = Mapping[str, pd.DataFrame]
EXACT, MIXTURE, PRIOR, LIKELIHOOD, EXAMPLES = PALETTE[3], INK, PALETTE[0], PALETTE[1], PALETTE[2]
SETS = {
    "fresh draws": PALETTE[0],
    "leave-one-out": PALETTE[2],
    "means of three": PALETTE[1],
}
SAMPLED = {"noise": {"color": PALETTE[4], "marker": "v"}, "gaussian": {"color": INK, "marker": "D"}}
PUBLISHED = {
    50: 256 / 256,
    200: 146 / 256,
    1000: 13 / 256,
}  # posterior samples, read off published panels


def stylized(tables: Tables) -> Canvas:
    """Posterior, linearized posterior, prior and likelihood as the components shrink (Figure 1)."""
    lines, planes = tables["densities"], tables["planes"]
    widths = sorted(lines["sigma"].unique(), reverse=True)
    canvas, axes = panels(2, len(widths), width=3.1, height=2.7)
    cubic, bent = problems()[:2]
    for ax, sigma in zip(axes[0], widths, strict=True):
        rows = lines[lines["sigma"] == sigma]
        ax.fill_between(rows["x"], rows["exact"], color=EXACT, alpha=0.35, linewidth=0)
        theory(ax, rows["x"], rows["linearized"], None, color=MIXTURE)
        ax.plot(rows["x"], rows["prior"], color=PRIOR, linewidth=1)
        top = (
            min(2.2, 1.15 * float(rows["exact"].max()))
            if sigma > 0.1
            else 1.15 * float(rows["exact"].max())
        )
        ax.plot(
            rows["x"], 0.8 * top * rows["likelihood"], color=LIKELIHOOD, linestyle="--", linewidth=1
        )
        ax.plot(
            cubic.train[:, 0],
            np.zeros(len(cubic.train)),
            "^",
            color=EXAMPLES,
            clip_on=False,
            zorder=5,
        )
        ax.set(title=f"σ = {sigma:g}", xlabel="x", xlim=(-2, 3), ylim=(0, top))
    axes[0, 0].set_ylabel("density")
    for ax, sigma in zip(axes[1], widths, strict=True):
        rows = planes[planes["sigma"] == sigma]
        grids = {
            name: rows.pivot(index="x2", columns="x1", values=name) for name in rows.columns[3:]
        }
        x, y = grids["exact"].columns, grids["exact"].index
        ax.pcolormesh(x, y, grids["exact"], cmap="Reds", vmin=0, vmax=1.3, rasterized=True)
        for name, color, style in (
            ("prior", PRIOR, "-"),
            ("likelihood", LIKELIHOOD, "--"),
            ("linearized", MIXTURE, ":"),
        ):
            ax.contour(
                x,
                y,
                grids[name],
                levels=[0.1, 0.5],
                colors=[color],
                linestyles=style,
                linewidths=0.9,
            )
        ax.plot(*bent.train.T, "^", color=EXAMPLES)
        ax.plot(*bent.truth, "*", color=INK, markersize=8)
        ax.set(xlabel="x₁", aspect="equal")
        ax.grid(False)
        if sigma == widths[-1]:
            _zoomed(ax, x, y, grids, bent.train[0])
    axes[1, 0].set_ylabel("x₂")
    handles = [
        Line2D([], [], color=EXACT, linewidth=6, alpha=0.5),
        Line2D([], [], color=MIXTURE, linestyle=":"),
        Line2D([], [], color=PRIOR),
        Line2D([], [], color=LIKELIHOOD, linestyle="--"),
        Line2D([], [], color=EXAMPLES, marker="^", linestyle="none"),
        Line2D([], [], color=INK, marker="*", linestyle="none"),
    ]
    names = ["exact posterior", "linearized", "prior", "likelihood", "examples", "truth"]
    legend_below(canvas, 6, handles, names)
    return canvas


def _zoomed(
    ax: Axes, x: pd.Index, y: pd.Index, grids: dict[str, pd.DataFrame], center: np.ndarray
) -> None:
    """An inset of half-width 0.12 around an example."""
    inset = ax.inset_axes((0.03, 0.03, 0.36, 0.36), xticks=[], yticks=[])
    inset.pcolormesh(x, y, grids["exact"], cmap="Reds", vmin=0, vmax=1.3, rasterized=True)
    inset.contour(
        x,
        y,
        grids["linearized"],
        levels=[0.1, 0.5],
        colors=[MIXTURE],
        linestyles=":",
        linewidths=0.9,
    )
    inset.plot(*center, "^", color=EXAMPLES)
    inset.set(xlim=(center[0] - 0.12, center[0] + 0.12), ylim=(center[1] - 0.12, center[1] + 0.12))
    inset.grid(False)
    ax.indicate_inset_zoom(inset, edgecolor=FAINT)


def convergence(tables: Tables) -> Canvas:
    """How fast closed forms become right, and where the posterior goes."""
    canvas, axes = panels(1, 3, width=3.3, height=2.9)
    rows = tables["stylized"]
    rows = rows[rows["sigma"] > 0]

    def line(ax, problem: str, quantity: str, **options) -> None:
        some = rows[(rows["problem"] == problem) & (rows["quantity"] == quantity)].sort_values(
            "sigma"
        )
        ax.plot(some["sigma"], some["value"], marker="o", **options)

    ax = axes[0, 0]
    for problem, color in (("cubic", PALETTE[0]), ("bent", PALETTE[1])):
        line(ax, problem, "distance", color=color, label=f"{problem}")
        line(
            ax,
            problem,
            "distance_without",
            color=color,
            linestyle="--",
            label=f"{problem}, no determinant",
        )
    ax.set(
        xscale="log",
        yscale="log",
        xlabel="σ",
        ylabel="total variation",
        title="a  Linearized against exact",
    )
    ax.legend(fontsize=7)
    ax = axes[0, 1]
    line(ax, "cubic", "transport", color=PALETTE[0])
    ax.axhline(np.sqrt(2 / np.pi), color=INK, linestyle="--", linewidth=1)
    ax.set(
        xscale="log", xlabel="σ", ylabel="W₁ / σ", title="b  Exact against lookup", ylim=(0, None)
    )
    ax = axes[0, 2]
    for problem, color in (("bent", PALETTE[1]), ("linear", PALETTE[2])):
        line(ax, problem, "mean_distance", color=color, label=problem)
    ax.set(
        xscale="log",
        xlabel="σ",
        ylabel="distance to the truth",
        title="c  Posterior mean",
        ylim=(0, None),
    )
    ax.legend()
    return canvas


def components(tables: Tables) -> Canvas:
    """Effective components against width."""
    canvas, axes = panels(1, 1, width=4.6, height=3.1)
    ax, rows = axes[0, 0], tables["components"]
    numbers = sorted(rows["examples"].unique())
    for number, color in zip(numbers, shade(len(numbers)), strict=True):
        some = rows[rows["examples"] == number].sort_values("sigma")
        ax.plot(some["sigma"], some["effective"], color=color, label=f"N = {number}")
        critical = some["critical"].iloc[0]
        ax.plot(critical, np.interp(critical, some["sigma"], some["effective"]), "o", color=color)
    ax.axvline(0.01, color=FAINT, linestyle=":", linewidth=1)
    ax.set(xscale="log", yscale="log", xlabel="σ", ylabel="effective components")
    log_ticks(ax.yaxis)
    ax.legend()
    return canvas


def sampled(tables: Tables, prior: str, number: int) -> pd.DataFrame:
    """Scores of posterior samples at the published step, the truth within the hull of the training
    models.
    """
    rows = tables["scores"]
    rows = rows[
        (rows["prior"] == prior) & (rows["against"] == number) & rows["examples"].isin([0, number])
    ]
    return rows[(rows["truth"] == "mean of three") & (rows["step"] == rows["step"].min())]


def ratios(tables: Tables) -> Canvas:
    """The published ratio of models that nothing memorized."""
    rows = tables["ratios"]
    rows = rows[rows["replicate"] == 0]
    numbers = sorted(rows["examples"].unique())
    canvas, axes = panels(1, len(numbers), width=3.2, height=2.7, sharex=True)
    bins = np.linspace(0.2, 1.05, 35)
    for ax, number in zip(axes[0], numbers, strict=True):
        some = rows[rows["examples"] == number]
        for name, color in SETS.items():
            values = some.loc[some["set"] == name, "ratio"]
            ax.hist(
                values, bins, density=True, histtype="step", color=color, label=name, linewidth=1.3
            )
        ax.axvline(
            some.loc[some["set"] == "the true model", "ratio"].iloc[0],
            color=INK,
            linestyle=":",
            label="the true model",
        )
        ax.axvspan(bins[0], 0.7, color=PALETTE[3], alpha=0.08, linewidth=0)
        for height, (prior, look) in zip((0.10, 0.04), SAMPLED.items(), strict=True):
            drawn = sampled(tables, prior, number)["ratio"]
            ax.plot(
                drawn,
                np.full(len(drawn), height),
                linestyle="none",
                markersize=4,
                label=f"posterior, {prior}",
                transform=ax.get_xaxis_transform(),
                zorder=4,
                **look,
            )
        ax.set(title=f"N = {number}", xlabel="d₁ / mean(d₂ … d_k)", xlim=(bins[0], bins[-1]))
    axes[0, 0].set_ylabel("density")
    legend_below(canvas, 6, *axes[0, 0].get_legend_handles_labels(), fontsize=7)
    return canvas


def rates(tables: Tables) -> Canvas:
    """The published rate and its nulls (Table 1)."""
    canvas, axes = panels(1, 2, width=3.7, height=3.0, sharey=True)
    rows = tables["rates"]
    for ax, column, title in (
        (axes[0, 0], "ratio_rate", "a  Published: ratio < 0.7"),
        (axes[0, 1], "pair_rate", "b  d₁/d₂ < 1/3"),
    ):
        for name, color in SETS.items():
            points(ax, rows[rows["set"] == name], "examples", column, color=color, label=name)
        for prior, look in SAMPLED.items():
            parts = [
                sampled(tables, prior, number)
                for number in sorted(tables["scores"]["against"].unique())
            ]
            drawn = pd.concat(parts)
            drawn = drawn.assign(
                called=(drawn["ratio"] < 0.7) if column == "ratio_rate" else drawn["pair"] < 1 / 3
            )
            shares = drawn.groupby(["against", "replicate"], as_index=False)["called"].mean()
            points(
                ax, shares, "against", "called", label=f"posterior, {prior}", linestyle=":", **look
            )
        ax.set(xscale="log", xlabel="training models N", title=title, ylim=(-0.04, 1.06))
        log_ticks(ax.xaxis)
    known = {n: rate for n, rate in PUBLISHED.items() if n in set(rows["examples"])}
    axes[0, 0].plot(
        list(known),
        list(known.values()),
        "*",
        color=INK,
        markersize=9,
        label="published, trained networks",
    )
    axes[0, 0].set_ylabel("share called memorized")
    legend_below(canvas, 3, *axes[0, 0].get_legend_handles_labels(), fontsize=7)
    return canvas


def linearized(tables: Tables) -> Canvas:
    """Full waveform inversion: the posterior linearized at every example, against the width of its
    components.
    """
    canvas, axes = panels(1, 3, width=3.2, height=2.8)
    rows = tables["linearized"]
    shown = (
        ("misfit", "misfit / noise floor", "a  At the best component's mean"),
        ("error", "velocity error (km/s)", "b  Its error"),
        ("effective", "effective share of draws", "c  As a proposal"),
    )
    for ax, (column, label, title) in zip(axes[0], shown, strict=True):
        points(ax, rows[rows["sigma"] > 0], "sigma", column, color=PALETTE[0], label="linearized")
        if column != "effective":
            lookup = rows[rows["sigma"] == 0]
            ax.axhline(
                lookup[column].mean(), color=INK, linestyle="--", linewidth=1, label="lookup"
            )
        ax.set(
            xscale="log",
            xlabel="σ (standard deviations)",
            ylabel=label,
            title=title,
            ylim=(0, None),
        )
    axes[0, 0].axhline(1, color=FAINT, linewidth=0.8)
    axes[0, 0].legend()
    return canvas


def schedules(tables: Tables) -> Canvas:
    """What a schedule that does not end in noise does to closed-form denoisers."""
    canvas, axes = panels(1, 2, width=3.4, height=2.6)
    rows = tables["schedules"]
    shown = (
        ("variance", "variance ratio", "a  Gaussian prior, leading direction", 1.0),
        ("exact", "total variation", "b  Exact sampler against the lookup", 0.0),
    )
    for ax, (quantity, label, title, wanted) in zip(axes[0], shown, strict=True):
        for place, (name, color) in enumerate((("paper", PALETTE[3]), ("zero_snr", PALETTE[0]))):
            values = rows[(rows["schedule"] == name) & (rows["quantity"] == quantity)]["value"]
            ax.plot(np.full(len(values), place), values, "o", color=color)
        ax.axhline(wanted, color=INK, linestyle="--", linewidth=1)
        ax.set_xticks([0, 1], ["published", "ends in noise"])
        ax.set(ylabel=label, title=title, xlim=(-0.5, 1.5), ylim=(-0.03, None))
    return canvas
