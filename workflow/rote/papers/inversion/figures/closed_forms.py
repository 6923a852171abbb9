"""Figures of what needs no network: stylized problems, the published ratio, linearizations."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.lines import Line2D

from rote.invert.distances import PAIR_THRESHOLD, PUBLISHED_THRESHOLD
from rote.papers.inversion.figures.style import PRIORS, PROBLEMS, SETS, Tables, published
from rote.papers.inversion.priors import LOOKUP
from rote.papers.inversion.schema import TRUE_MODEL
from rote.papers.inversion.statistics.posteriors import PUBLISHED_MEMORIZED, PUBLISHED_SAMPLES
from rote.papers.inversion.stylized import BENT, CUBIC
from rote.plotting import (
    FAINT,
    INK,
    PALETTE,
    beside,
    label_ends,
    legend_below,
    log_ticks,
    measured_ticks,
    named,
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
SAMPLED = ("noise", "gaussian")  # priors whose posterior samples are judged, too


def stylized(tables: Tables) -> Canvas:
    """Posterior, linearized posterior, prior and likelihood as the components shrink (Figure 1)."""
    lines = tables["densities"]
    planes = tables["planes"]
    widths = sorted(lines["sigma"].unique(), reverse=True)
    canvas, axes = panels(2, len(widths), height=2.2)
    for ax, sigma in zip(axes[0], widths, strict=True):
        _density(ax, lines[lines["sigma"] == sigma], sigma)
    axes[0, 0].set_ylabel("density")
    for ax, sigma in zip(axes[1], widths, strict=True):
        _plane(ax, planes[planes["sigma"] == sigma], zoom=sigma == widths[-1])
    axes[1, 0].set_ylabel("coordinate x₂")
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
    ax.set(title=f"σ = {sigma:g}", xlabel="coordinate x", xlim=(-2, 3), ylim=(0, top))


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
    ax.set(xlabel="coordinate x₁", aspect="equal")
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
    canvas, axes = panels(1, 3, height=2.5)
    rows = tables["stylized"]
    rows = rows[rows["sigma"] > 0]

    def draw(ax: Axes, problem: str, quantity: str, **options) -> None:
        values = rows[(rows["problem"] == problem) & (rows["quantity"] == quantity)]
        points(ax, values, "sigma", "value", line=True, **PROBLEMS[problem].marks(**options))

    ax = axes[0, 0]
    for problem in ("cubic", "bent"):
        draw(ax, problem, "distance", shift=-2)
        without = {"markerfacecolor": "white", "label": f"{problem}, no determinant", "shift": 2}
        draw(ax, problem, "distance_without_determinant", **without)
    ax.set(yscale="log", ylabel="total variation", title="a  Linearized against exact")
    ax = axes[0, 1]
    draw(ax, "cubic", "transport")
    limit = {"color": INK, "linestyle": "--", "linewidth": 1, "label": "limit, √(2/π)"}
    ax.axhline(np.sqrt(2 / np.pi), **limit)
    ax.set(ylabel="W₁ / σ", title="b  Exact against lookup", ylim=(0, None))
    ax = axes[0, 2]
    for problem in ("bent", "linear"):
        draw(ax, problem, "mean_distance")
    ax.set(ylabel="distance to the truth", title="c  Posterior mean", ylim=(0, None))
    for ax in axes[0]:
        ax.set(xscale="log", xlabel="width σ of the components")
    legend_below(canvas)
    return canvas


def components(tables: Tables) -> Canvas:
    """Effective components against width."""
    canvas, axes = panels(1, 1, height=2.6)
    ax = axes[0, 0]
    rows = tables["components"]
    sizes = sorted(rows["examples"].unique())
    for size, color in zip(sizes, shade(len(sizes)), strict=True):
        curve = rows[rows["examples"] == size].sort_values("sigma")
        ax.plot(curve["sigma"], curve["effective"], color=color, label=f"N = {size}")
        critical = curve["critical"].iloc[0]
        effective = np.interp(critical, curve["sigma"], curve["effective"])
        ax.plot(critical, effective, "o", color=color)
    named(ax, 0.01, "last noise level")
    ax.set(xscale="log", yscale="log", ylabel="effective components")
    ax.set_xlabel("width σ of the components")
    log_ticks(ax.yaxis)
    label_ends(ax)
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
    canvas, axes = panels(1, len(sizes), height=2.5, sharex=True)
    bins = np.linspace(0.2, 1.05, 35)
    for ax, size in zip(axes[0], sizes, strict=True):
        by_set = rows[rows["examples"] == size].set_index("set")["ratio"]
        look = {"density": True, "histtype": "step", "linewidth": 1.3}
        for name, of_set in SETS.items():
            ax.hist(by_set.loc[name], bins, color=of_set.color, label=of_set.label, **look)
        true = by_set.loc[[TRUE_MODEL]].iloc[0]
        ax.axvline(true, color=INK, linestyle=":", label=TRUE_MODEL)
        ax.axvspan(bins[0], PUBLISHED_THRESHOLD, color=PALETTE[3], alpha=0.08, linewidth=0)
        for height, prior in zip((0.10, 0.04), SAMPLED, strict=True):
            sampled = _sampled(tables, prior, size)["ratio"]
            ax.plot(
                sampled,
                np.full(len(sampled), height),
                PRIORS[prior].marker,
                color=PRIORS[prior].color,
                markersize=3.5,
                alpha=0.7,
                label=f"posterior, {PRIORS[prior].label}",
                transform=ax.get_xaxis_transform(),
                zorder=4,
            )
        ax.set(title=f"N = {size}", xlabel="d₁ / mean(d₂ … dₖ)", xlim=(bins[0], bins[-1]))
    axes[0, 0].set_ylabel("density")
    legend_below(canvas)
    return canvas


def rates(tables: Tables) -> Canvas:
    """The published rate and its nulls (Table 1)."""
    canvas, axes = panels(1, 2, height=2.7, sharey=True)
    rows = tables["rates"]
    sizes = sorted(tables["scores"]["reference_examples"].unique())
    measures = (
        ("ratio_rate", "ratio", PUBLISHED_THRESHOLD, "a  Published: ratio < 0.7"),
        ("pair_rate", "pair_ratio", PAIR_THRESHOLD, "b  d₁/d₂ < 1/3"),
    )
    for ax, (rate, ratio, threshold, title) in zip(axes[0], measures, strict=True):
        shifts = beside(len(SETS) + len(SAMPLED), 3.5)
        for (name, look), shift in zip(SETS.items(), shifts, strict=False):
            points(ax, rows[rows["set"] == name], "examples", rate, **look.marks(shift=shift))
        for prior, shift in zip(SAMPLED, shifts[len(SETS) :], strict=True):
            samples = pd.concat([_sampled(tables, prior, size) for size in sizes])
            samples = samples.assign(called=samples[ratio] < threshold)
            shares = samples.groupby(["reference_examples", "replicate"], as_index=False)[
                "called"
            ].mean()
            label = f"posterior, {PRIORS[prior].label}"
            style = PRIORS[prior].marks(label=label, markerfacecolor="white", shift=shift)
            points(ax, shares, "reference_examples", "called", **style)
        ax.set(xscale="log", xlabel="training models N", title=title, ylim=(-0.04, 1.06))
        measured_ticks(ax.xaxis, rows["examples"])
    sizes = [size for size in PUBLISHED_MEMORIZED if size in set(rows["examples"])]
    shares = [PUBLISHED_MEMORIZED[size] / PUBLISHED_SAMPLES for size in sizes]
    look = {"color": INK, "markersize": 9, "label": "published, trained networks"}
    axes[0, 0].plot(sizes, shares, "*", **look)
    axes[0, 0].set_ylabel("share called memorized")
    legend_below(canvas, 3)
    return canvas


def linearized(tables: Tables) -> Canvas:
    """Full waveform inversion, linearized at every example, against the components' width."""
    canvas, axes = panels(1, 3, height=2.5)
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
        points(ax, positive, "sigma", column, color=MIXTURE, label="linearized", shift=-2)
        ax.set(xscale="log", xlabel="σ (standard deviations)", ylim=(0, None))
        measured_ticks(ax.xaxis, positive["sigma"], 4)
        ax.set(ylabel=label, title=title)
    for ax, (column, _, _) in zip(axes[0, :2], columns, strict=False):
        limit = lookup[column].mean()
        look = {"color": PRIORS[LOOKUP].color, "label": PRIORS[LOOKUP].label}
        ax.axhline(limit, linestyle="--", linewidth=1, **look)
    look = {"color": EXAMPLES, "marker": "^", "label": "on the lookup's example (c)", "shift": 2}
    points(axes[0, 2], positive, "sigma", "on_example", **look)
    axes[0, 0].axhline(1, color=FAINT, linewidth=0.8)
    axes[0, 2].set(ylabel="effective share of draws", ylim=(-0.03, 1.03))
    legend_below(canvas)
    return canvas


def schedules(tables: Tables) -> Canvas:
    """What a schedule that does not end in noise does to closed-form denoisers."""
    canvas, axes = panels(1, 2, height=2.3)
    rows = tables["schedules"]
    quantities = (
        ("variance", "variance ratio", "a  Gaussian prior, leading direction", 1.0),
        ("exact", "total variation", "b  Exact sampler against the lookup", 0.0),
    )
    drawn = (("paper", "published"), ("zero_snr", "ends in noise"))
    for ax, (quantity, label, title, ideal) in zip(axes[0], quantities, strict=True):
        for x, (name, _) in enumerate(drawn):
            values = rows[(rows["schedule"] == name) & (rows["quantity"] == quantity)]["value"]
            ax.plot(np.full(len(values), x), values, "o", color=INK, alpha=0.5)
        ax.axhline(ideal, color=INK, linestyle="--", linewidth=1)
        ax.set_xticks(range(len(drawn)), [words for _, words in drawn])
        ax.set(ylabel=label, title=title, xlim=(-0.5, 1.5), ylim=(-0.03, None))
    return canvas
