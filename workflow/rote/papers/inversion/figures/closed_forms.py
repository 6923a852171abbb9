"""Figures of what needs no network: stylized problems, the published ratio, linearizations."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.lines import Line2D

from rote.invert.distances import PAIR_THRESHOLD, PUBLISHED_THRESHOLD
from rote.papers.inversion.figures.style import COLORS, Tables, published
from rote.papers.inversion.schema import FRESH, LEAVE_ONE_OUT, MEANS_OF_THREE, TRUE_MODEL
from rote.papers.inversion.statistics.posteriors import PUBLISHED_MEMORIZED, PUBLISHED_SAMPLES
from rote.papers.inversion.stylized import BENT, CUBIC
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

EXACT = PALETTE[3]
MIXTURE = INK
PRIOR = PALETTE[0]
LIKELIHOOD = PALETTE[1]
EXAMPLES = PALETTE[2]
SETS = {FRESH: PALETTE[0], LEAVE_ONE_OUT: PALETTE[2], MEANS_OF_THREE: PALETTE[1]}
SAMPLED = {"noise": "v", "gaussian": "D"}  # markers of posterior samples, by prior


def stylized(tables: Tables) -> Canvas:
    """Posterior, linearized posterior, prior and likelihood as the components shrink (Figure 1)."""
    lines = tables["densities"]
    planes = tables["planes"]
    widths = sorted(lines["sigma"].unique(), reverse=True)
    canvas, axes = panels(2, len(widths), width=3.1, height=2.7)
    for ax, sigma in zip(axes[0], widths, strict=True):
        _density(ax, lines[lines["sigma"] == sigma], sigma)
    axes[0, 0].set_ylabel("density")
    for ax, sigma in zip(axes[1], widths, strict=True):
        _plane(ax, planes[planes["sigma"] == sigma], zoom=sigma == widths[-1])
    axes[1, 0].set_ylabel("x₂")
    handles = {
        "exact posterior": Line2D([], [], color=EXACT, linewidth=6, alpha=0.5),
        "linearized": Line2D([], [], color=MIXTURE, linestyle=":"),
        "prior": Line2D([], [], color=PRIOR),
        "likelihood": Line2D([], [], color=LIKELIHOOD, linestyle="--"),
        "examples": Line2D([], [], color=EXAMPLES, marker="^", linestyle="none"),
        "truth": Line2D([], [], color=INK, marker="*", linestyle="none"),
    }
    legend_below(canvas, 6, list(handles.values()), list(handles))
    return canvas


def _density(ax: Axes, rows: pd.DataFrame, sigma: float) -> None:
    """The cubic problem at one width."""
    x = rows["x"]
    top = 1.15 * float(rows["exact"].max())
    if sigma > 0.1:
        top = min(2.2, top)
    train = CUBIC.train[:, 0]
    ax.fill_between(x, rows["exact"], color=EXACT, alpha=0.35, linewidth=0)
    theory(ax, x, rows["linearized"], None, color=MIXTURE)
    ax.plot(x, rows["prior"], color=PRIOR, linewidth=1)
    ax.plot(x, 0.8 * top * rows["likelihood"], color=LIKELIHOOD, linestyle="--", linewidth=1)
    ax.plot(train, np.zeros(len(train)), "^", color=EXAMPLES, clip_on=False, zorder=5)
    ax.set(title=f"σ = {sigma:g}", xlabel="x", xlim=(-2, 3), ylim=(0, top))


def _plane(ax: Axes, rows: pd.DataFrame, zoom: bool) -> None:
    """The bent problem at one width, on request with an inset around its first example."""
    names = ("exact", "linearized", "prior", "likelihood")
    grids = {name: rows.pivot(index="x2", columns="x1", values=name) for name in names}
    _shaded(ax, grids["exact"])
    _contours(ax, grids["prior"], PRIOR, "-")
    _contours(ax, grids["likelihood"], LIKELIHOOD, "--")
    _contours(ax, grids["linearized"], MIXTURE, ":")
    ax.plot(*BENT.train.T, "^", color=EXAMPLES)
    ax.plot(*BENT.truth, "*", color=INK, markersize=8)
    ax.set(xlabel="x₁", aspect="equal")
    ax.grid(False)
    if zoom:
        x, y = BENT.train[0]
        inset = ax.inset_axes((0.03, 0.03, 0.36, 0.36), xticks=[], yticks=[])
        _shaded(inset, grids["exact"])
        _contours(inset, grids["linearized"], MIXTURE, ":")
        inset.plot(x, y, "^", color=EXAMPLES)
        inset.set(xlim=(x - 0.12, x + 0.12), ylim=(y - 0.12, y + 0.12))
        inset.grid(False)
        ax.indicate_inset_zoom(inset, edgecolor=FAINT)


def _shaded(ax: Axes, grid: pd.DataFrame) -> None:
    ax.pcolormesh(grid.columns, grid.index, grid, cmap="Reds", vmin=0, vmax=1.3, rasterized=True)


def _contours(ax: Axes, grid: pd.DataFrame, color, style: str) -> None:
    ax.contour(
        grid.columns,
        grid.index,
        grid,
        levels=[0.1, 0.5],
        colors=[color],
        linestyles=style,
        linewidths=0.9,
    )


def convergence(tables: Tables) -> Canvas:
    """How fast closed forms become right, and where the posterior goes."""
    canvas, axes = panels(1, 3, width=3.3, height=2.9)
    rows = tables["stylized"]
    rows = rows[rows["sigma"] > 0]

    def line(ax: Axes, problem: str, quantity: str, **options) -> None:
        values = rows[(rows["problem"] == problem) & (rows["quantity"] == quantity)]
        values = values.sort_values("sigma")
        ax.plot(values["sigma"], values["value"], marker="o", **options)

    ax = axes[0, 0]
    for problem, color in (("cubic", PALETTE[0]), ("bent", PALETTE[1])):
        line(ax, problem, "distance", color=color, label=problem)
        without = {"linestyle": "--", "label": f"{problem}, no determinant"}
        line(ax, problem, "distance_without_determinant", color=color, **without)
    ax.set(yscale="log", ylabel="total variation", title="a  Linearized against exact")
    ax.legend(fontsize=7)
    ax = axes[0, 1]
    line(ax, "cubic", "transport", color=PALETTE[0])
    ax.axhline(np.sqrt(2 / np.pi), color=INK, linestyle="--", linewidth=1)
    ax.set(ylabel="W₁ / σ", title="b  Exact against lookup", ylim=(0, None))
    ax = axes[0, 2]
    for problem, color in (("bent", PALETTE[1]), ("linear", PALETTE[2])):
        line(ax, problem, "mean_distance", color=color, label=problem)
    ax.set(ylabel="distance to the truth", title="c  Posterior mean", ylim=(0, None))
    ax.legend()
    for ax in axes[0]:
        ax.set(xscale="log", xlabel="σ")
    return canvas


def components(tables: Tables) -> Canvas:
    """Effective components against width."""
    canvas, axes = panels(1, 1, width=4.6, height=3.1)
    ax = axes[0, 0]
    rows = tables["components"]
    sizes = sorted(rows["examples"].unique())
    for size, color in zip(sizes, shade(len(sizes)), strict=True):
        curve = rows[rows["examples"] == size].sort_values("sigma")
        ax.plot(curve["sigma"], curve["effective"], color=color, label=f"N = {size}")
        critical = curve["critical"].iloc[0]
        effective = np.interp(critical, curve["sigma"], curve["effective"])
        ax.plot(critical, effective, "o", color=color)
    ax.axvline(0.01, color=FAINT, linestyle=":", linewidth=1)
    ax.set(xscale="log", yscale="log", xlabel="σ", ylabel="effective components")
    log_ticks(ax.yaxis)
    ax.legend()
    return canvas


def _sampled(tables: Tables, prior: str, size: int) -> pd.DataFrame:
    """Scores of published posterior samples under a prior trained on N models or none."""
    rows = tables["scores"]
    rows = rows[(rows["prior"] == prior) & (rows["reference_examples"] == size)]
    return published(rows[rows["examples"].isin([0, size])])


def ratios(tables: Tables) -> Canvas:
    """The published ratio of models that nothing memorized."""
    rows = tables["ratios"]
    rows = rows[rows["replicate"] == 0]
    sizes = sorted(rows["examples"].unique())
    canvas, axes = panels(1, len(sizes), width=3.2, height=2.7, sharex=True)
    bins = np.linspace(0.2, 1.05, 35)
    for ax, size in zip(axes[0], sizes, strict=True):
        by_set = rows[rows["examples"] == size].set_index("set")["ratio"]
        look = {"density": True, "histtype": "step", "linewidth": 1.3}
        for name, color in SETS.items():
            ax.hist(by_set.loc[name], bins, color=color, label=name, **look)
        true = by_set.loc[[TRUE_MODEL]].iloc[0]
        ax.axvline(true, color=INK, linestyle=":", label=TRUE_MODEL)
        ax.axvspan(bins[0], PUBLISHED_THRESHOLD, color=PALETTE[3], alpha=0.08, linewidth=0)
        for height, (prior, marker) in zip((0.10, 0.04), SAMPLED.items(), strict=True):
            sampled = _sampled(tables, prior, size)["ratio"]
            ax.plot(
                sampled,
                np.full(len(sampled), height),
                marker,
                color=COLORS[prior],
                markersize=4,
                label=f"posterior, {prior}",
                transform=ax.get_xaxis_transform(),
                zorder=4,
            )
        ax.set(title=f"N = {size}", xlabel="d₁ / mean(d₂ … d_k)", xlim=(bins[0], bins[-1]))
    axes[0, 0].set_ylabel("density")
    legend_below(canvas, 6, *axes[0, 0].get_legend_handles_labels(), fontsize=7)
    return canvas


def rates(tables: Tables) -> Canvas:
    """The published rate and its nulls (Table 1)."""
    canvas, axes = panels(1, 2, width=3.7, height=3.0, sharey=True)
    rows = tables["rates"]
    sizes = sorted(tables["scores"]["reference_examples"].unique())
    measures = (
        ("ratio_rate", "ratio", PUBLISHED_THRESHOLD, "a  Published: ratio < 0.7"),
        ("pair_rate", "pair_ratio", PAIR_THRESHOLD, "b  d₁/d₂ < 1/3"),
    )
    for ax, (rate, ratio, threshold, title) in zip(axes[0], measures, strict=True):
        for name, color in SETS.items():
            points(ax, rows[rows["set"] == name], "examples", rate, color=color, label=name)
        for prior, marker in SAMPLED.items():
            samples = pd.concat([_sampled(tables, prior, size) for size in sizes])
            samples = samples.assign(called=samples[ratio] < threshold)
            shares = samples.groupby(["reference_examples", "replicate"], as_index=False)[
                "called"
            ].mean()
            look = {"color": COLORS[prior], "marker": marker, "linestyle": ":"}
            points(ax, shares, "reference_examples", "called", label=f"posterior, {prior}", **look)
        ax.set(xscale="log", xlabel="training models N", title=title, ylim=(-0.04, 1.06))
        log_ticks(ax.xaxis)
    sizes = [size for size in PUBLISHED_MEMORIZED if size in set(rows["examples"])]
    shares = [PUBLISHED_MEMORIZED[size] / PUBLISHED_SAMPLES for size in sizes]
    look = {"color": INK, "markersize": 9, "label": "published, trained networks"}
    axes[0, 0].plot(sizes, shares, "*", **look)
    axes[0, 0].set_ylabel("share called memorized")
    legend_below(canvas, 3, *axes[0, 0].get_legend_handles_labels(), fontsize=7)
    return canvas


def linearized(tables: Tables) -> Canvas:
    """Full waveform inversion, linearized at every example, against the components' width."""
    canvas, axes = panels(1, 3, width=3.2, height=2.8)
    rows = tables["linearized"]
    lookup = rows[rows["sigma"] == 0]
    example = rows["replicate"].map(lookup.set_index("replicate")["example"])
    rows = rows.assign(on_example=(rows["example"] == example).astype(float))
    columns = (
        ("misfit", "misfit / noise floor", "a  At the best component's mean"),
        ("error", "velocity error (km/s)", "b  Its error"),
        ("effective", "share", "c  As a proposal"),
    )
    positive = rows[rows["sigma"] > 0]
    for ax, (column, label, title) in zip(axes[0], columns, strict=True):
        points(ax, positive, "sigma", column, color=PALETTE[0], label="linearized")
        ax.set(xscale="log", xlabel="σ (standard deviations)", ylim=(0, None))
        ax.set(ylabel=label, title=title)
    for ax, (column, _, _) in zip(axes[0, :2], columns, strict=False):
        limit = lookup[column].mean()
        ax.axhline(limit, color=INK, linestyle="--", linewidth=1, label="lookup")
    look = {"color": PALETTE[1], "marker": "s", "linestyle": ":"}
    points(axes[0, 2], positive, "sigma", "on_example", label="on the lookup's example", **look)
    axes[0, 0].axhline(1, color=FAINT, linewidth=0.8)
    axes[0, 0].legend()
    axes[0, 2].legend(["effective draws", "on the lookup's example"], fontsize=7)
    return canvas


def schedules(tables: Tables) -> Canvas:
    """What a schedule that does not end in noise does to closed-form denoisers."""
    canvas, axes = panels(1, 2, width=3.4, height=2.6)
    rows = tables["schedules"]
    quantities = (
        ("variance", "variance ratio", "a  Gaussian prior, leading direction", 1.0),
        ("exact", "total variation", "b  Exact sampler against the lookup", 0.0),
    )
    drawn = (("paper", "published", PALETTE[3]), ("zero_snr", "ends in noise", PALETTE[0]))
    for ax, (quantity, label, title, ideal) in zip(axes[0], quantities, strict=True):
        for x, (name, _, color) in enumerate(drawn):
            values = rows[(rows["schedule"] == name) & (rows["quantity"] == quantity)]["value"]
            ax.plot(np.full(len(values), x), values, "o", color=color)
        ax.axhline(ideal, color=INK, linestyle="--", linewidth=1)
        ax.set_xticks(range(len(drawn)), [words for _, words, _ in drawn])
        ax.set(ylabel=label, title=title, xlim=(-0.5, 1.5), ylim=(-0.03, None))
    return canvas
