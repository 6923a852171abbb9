"""Figures of trained priors, and of posterior samples under every prior."""

from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from rote.papers.inversion.figures.style import PRIORS as LOOKS
from rote.papers.inversion.figures.style import Tables, published, stacked
from rote.papers.inversion.library import (
    EXAMPLE,
    INSIDE,
    OUTSIDE,
    TRUE_EXAMPLE,
    mean_of_three,
)
from rote.papers.inversion.priors import LABELS, LOOKUP, PREDICTIONS, PRIORS
from rote.papers.inversion.schema import BACKGROUND_EXAMPLE
from rote.plotting import (
    FAINT,
    INK,
    beside,
    legend_below,
    log_ticks,
    measured_ticks,
    panels,
    points,
    shade,
)
from rote.synth import velocity

CELLS = 64  # along each axis of a drawn velocity model
SIDE = 2000  # m
LAYERED_CELL = 20.0  # m, of the time domain
VELOCITIES = (1.8, 2.2)  # km/s, range of colours


def image(
    ax: Axes,
    model: np.ndarray,
    limits: tuple[float, float],
    side: float = SIDE,
    cmap: str = "viridis",
):
    """Draw a model (x, depth) with axes in metres; returns the image, for a colour bar.

    Args:
        ax: axes to draw on.
        model: km/s, (cells along x, cells along depth).
        limits: first and last value of the colour range, km/s.
        side: length of an axis, m.
        cmap: name of matplotlib's colour map.
    """
    picture = ax.imshow(
        model.T,
        extent=(0, side, side, 0),
        vmin=limits[0],
        vmax=limits[1],
        cmap=cmap,
        rasterized=True,
    )
    ax.grid(False)
    ax.set_xticks([0, side / 2, side])
    ax.set_yticks([0, side / 2, side])
    ax.tick_params(labelsize=7)
    return picture


# ---- trained priors


def transition(tables: Tables) -> Canvas:
    """From how many examples on trained priors no longer memorize."""
    rows = tables["networks"]
    rows = rows.assign(gap=rows["held_out_loss"] / rows["train_loss"])
    canvas, axes = panels(2, 2, height=2.1)
    in_full = rows.groupby("prior")["steps"].transform("max") == rows["steps"]
    series = [
        (rows[in_full & (rows["prior"] == prior)], LOOKS[prior].marks())
        for prior in ("memorized", "clean", "noise", "gaussian")
    ]
    brief = {"label": "network, clean, briefly trained", "markerfacecolor": "white"}
    series.insert(2, (rows[~in_full], LOOKS["clean"].marks(**brief)))
    null = {"label": "held-out draws", "color": FAINT, "marker": "_"}
    shifts = beside(len(series) + 1, 3.5)
    measures = (
        ("pair_rate", "share of samples", "a  d₁/d₂ < 1/3"),
        ("calibrated_rate", "share of samples", "b  Below 1 % of held-out"),
        ("ratio_rate", "share of samples", "c  Published rate"),
        ("gap", "loss, held-out / training", "d  Loss gap"),
    )
    for ax, (column, label, title) in zip(axes.flat, measures, strict=True):
        for (of_series, style), shift in zip(series, shifts, strict=False):
            points(ax, of_series, "examples", column, shift=shift, **style)
        ax.set(xscale="log", xlabel="training models N", ylabel=label, title=title)
        measured_ticks(ax.xaxis, rows["examples"])
    for ax in axes.flat[:3]:
        ax.set_ylim(-0.04, 1.06)
    axes[1, 1].set_yscale("log")
    of_null = rows[rows["prior"] == "gaussian"]
    points(axes[1, 0], of_null, "examples", "null_rate", shift=shifts[-1], **null)
    legend_below(canvas)
    return canvas


def pairs(tables: Tables) -> Canvas:
    """Samples above their nearest training models (Figure 2)."""
    library = tables["library"]
    training = library[library["set"] == "training"]
    training = training.set_index(["replicate", "model"])["coordinates"]
    scored = tables["samples"].merge(tables["scores"])
    smallest = scored.loc[scored["examples"] > 0, "examples"].min()
    scored = published(
        scored[(scored["examples"] == smallest) & (scored["reference_examples"] == smallest)]
    )
    prior_samples = tables["prior_samples"]
    prior_samples = prior_samples[prior_samples["replicate"] == 0]
    canvas, axes = panels(4, 6, height=1.3, sharex=True, sharey=True)
    for name, lines in zip(PREDICTIONS, (axes[:2], axes[2:]), strict=True):
        of_posterior = scored[scored["prior"] == name].sort_values("ratio")
        of_posterior = of_posterior.drop_duplicates(["replicate", "nearest"])
        of_prior = prior_samples[prior_samples["prior"] == name]
        for first, kind, rows in ((0, "prior", of_prior), (3, "posterior", of_posterior)):
            for column, row in enumerate(rows.head(3).itertuples(), start=first):
                above, below = lines[:, column]
                nearest = training[row.replicate, row.nearest]
                mesh = image(
                    above, velocity.velocity(row.coordinates, CELLS), VELOCITIES, cmap="terrain"
                )
                image(below, velocity.velocity(nearest, CELLS), VELOCITIES, cmap="terrain")
                title = f"{PRIORS[name].label}: {kind}" if column == first else ""
                above.set_title(f"{title}\nr = {row.ratio:.2f}", fontsize=6.5)
        lines[0, 0].set_ylabel("sample\ndepth (m)", fontsize=7)
        lines[1, 0].set_ylabel("nearest model\ndepth (m)", fontsize=7)
    for ax in axes.flat:
        ax.set_visible(ax.has_data())
    for ax in axes[-1]:
        ax.set_xlabel("x (m)", fontsize=8)
    canvas.colorbar(mesh, ax=axes, label="velocity (km/s)", shrink=0.6, extend="both")
    return canvas


# ---- posteriors


class Spread(NamedTuple):
    """Mean, spread and error of posterior samples, of coordinates or cells."""

    mean: np.ndarray
    spread: np.ndarray  # standard deviation
    error: np.ndarray  # of the mean, absolute


def _spread(samples: np.ndarray, true: np.ndarray) -> Spread:
    mean = samples.mean(0)
    return Spread(mean, samples.std(0, ddof=1), np.abs(mean - true))


def posteriors(tables: Tables) -> Canvas:
    """Posterior mean, spread and error under networks trained on N models (Figure 3)."""
    rows = tables["samples"]
    rows = published(rows[rows["prior"] == "noise"])
    library = tables["library"]
    library = library[library["set"] == "training"]
    sets = {number: stacked(models) for number, models in library.groupby("replicate")}
    truths = {number: mean_of_three(models) for number, models in sets.items()}
    first = rows[rows["replicate"] == 0]
    by_size = {size: stacked(group) for size, group in first.groupby("examples")}
    canvas, axes = panels(4, len(by_size) + 1, height=1.7)
    true_model = velocity.velocity(truths[0], CELLS)
    maps = {size: _spread(velocity.velocity(z, CELLS), true_model) for size, z in by_size.items()}
    top = float(np.quantile(np.stack([of_cells.spread for of_cells in maps.values()]), 0.95))
    low, high = float(true_model.min()), float(true_model.max())
    limits = (low + 0.1 * (high - low), high - 0.1 * (high - low))  # as published
    mean_bar = image(axes[0, 0], true_model, limits, cmap="terrain")
    axes[0, 0].set(title="a  True model", xlabel="x (m)", ylabel="depth (m)")
    for column, (size, z) in enumerate(by_size.items(), start=1):
        image(axes[0, column], maps[size].mean, limits, cmap="terrain")
        spread_bar = image(axes[1, column], maps[size].spread, (0, top), cmap="magma")
        image(axes[2, column], maps[size].error, (0, top), cmap="magma")
        axes[2, column].set_xlabel("x (m)")
        letter = "b  " if column == 1 else ""
        axes[0, column].set_title(f"{letter}Mean of {len(z)}, N = {size}", fontsize=7)
        ax = axes[3, column]
        ax.plot(*sets[0][:size, :2].T, ".", color=FAINT, markersize=3, label="training")
        ax.plot(*z[:, :2].T, LOOKS["noise"].marker, color=LOOKS["noise"].color, label="posterior")
        ax.plot(*truths[0][:2], "*", color=INK, markersize=8, label="truth")
        ax.set(xlim=(-10, 10), ylim=(-10, 10), aspect="equal", xlabel="coordinate 1")
    axes[3, 1].set_ylabel("coordinate 2")
    for line, title in zip(axes[1:, 1], ("d  Spread", "f  Error", "h  Coordinates"), strict=True):
        line.set_title(title)
    canvas.colorbar(mean_bar, ax=axes[0, -1], label="v (km/s)", extend="both")
    canvas.colorbar(spread_bar, ax=axes[1, -1], label="v (km/s)", extend="max")
    canvas.colorbar(spread_bar, ax=axes[2, -1], label="v (km/s)", extend="max")
    for size, color in zip(by_size, shade(len(by_size)), strict=True):
        groups = rows[rows["examples"] == size].groupby("replicate")
        ensembles = {number: stacked(group) for number, group in groups}
        of_cells = [_of_cells(z, truths[number]) for number, z in ensembles.items()]
        of_coordinates = [_spread(z, truths[number]) for number, z in ensembles.items()]
        _calibration(axes[1, 0], of_cells, 30, color, f"N = {size}")
        _calibration(axes[2, 0], of_coordinates, 10, color, f"N = {size}")
    _diagonal(axes[1, 0], "c  Calibration of cells", "spread (km/s)")
    _diagonal(axes[2, 0], "e  Of coordinates", "spread (standard dev.)")
    _descent(axes[3, 0], published(tables["descents"]), list(by_size))
    legend_below(canvas)
    return canvas


def _of_cells(z: np.ndarray, true: np.ndarray) -> Spread:
    return _spread(velocity.velocity(z, CELLS), velocity.velocity(true, CELLS))


def _descent(ax: Axes, rows: pd.DataFrame, sizes: list[int]) -> None:
    """Mean misfit of all data sets on the way, by N."""
    rows = rows[rows["prior"] == "noise"]
    for size, color in zip(sizes, shade(len(sizes)), strict=True):
        path = rows[rows["examples"] == size].groupby("t")["misfit"].mean()
        ax.plot(path.index, path, color=color)
    ax.axhline(1, color=FAINT, linestyle="--", linewidth=0.8)
    ax.set(yscale="log", xlabel="time t", ylabel="misfit / floor", title="g  Descent")
    log_ticks(ax.yaxis)
    ax.invert_xaxis()


def _calibration(ax: Axes, sets: list[Spread], bins: int, color, label: str) -> None:
    """Mean error against mean spread in bins of equal count, of all data sets."""
    spread = np.concatenate([of.spread.ravel() for of in sets])
    error = np.concatenate([of.error.ravel() for of in sets])
    parts = np.array_split(np.argsort(spread, kind="stable"), bins)
    x = [spread[part].mean() for part in parts]
    y = [error[part].mean() for part in parts]
    ax.plot(x, y, "o", color=color, markersize=2.5, label=label)


def _diagonal(ax: Axes, title: str, xlabel: str) -> None:
    """Where error is as large as spread."""
    high = max(ax.get_xlim()[1], ax.get_ylim()[1])
    ax.plot([0, high], [0, high], color=INK, linestyle="--", linewidth=0.8)
    ax.set(title=title, xlabel=xlabel, ylabel="error", xlim=(0, None), ylim=(0, None))


def descents(tables: Tables) -> Canvas:
    """Misfit along the way to posterior samples (Figure 3)."""
    rows = published(tables["descents"])
    drawn = ("noise", "clean", "memorized", "gaussian")
    canvas, axes = panels(1, len(drawn), height=2.3, sharey=True)
    sizes = sorted(rows.loc[rows["examples"] > 0, "examples"].unique())
    colors = dict(zip(sizes, shade(len(sizes)), strict=True)) | {0: INK}
    for ax, prior in zip(axes[0], drawn, strict=True):
        for size, group in rows[rows["prior"] == prior].groupby("examples"):
            for _, path in group.groupby("replicate"):
                ax.plot(path["t"], path["misfit"], color=colors[size], linewidth=0.7)
            ax.plot([], [], color=colors[size], label=f"N = {size}" if size else "no training set")
        ax.axhline(1, color=FAINT, linestyle="--", linewidth=0.8)
        ax.set(yscale="log", xlabel="time t")
        ax.set_title(PRIORS[prior].label, fontsize=7)
        ax.invert_xaxis()
    axes[0, 0].set_ylabel("misfit / noise floor")
    legend_below(canvas)
    return canvas


def outcomes(tables: Tables) -> Canvas:
    """Misfit and velocity error by prior and truth."""
    lookups = tables["lookups"]
    samples = tables["samples"]
    samples = samples[samples["step"] == samples["step"].min()]
    top = lookups.loc[lookups.groupby(["truth", "replicate"])["weight"].idxmax()]
    background = lookups[lookups["example"] == BACKGROUND_EXAMPLE]
    groups = {"background, 2 km/s": background, LABELS[LOOKUP]: top}
    drawn = samples[samples["prior"] != LOOKUP]  # the example with the weight, above
    for (prior, size), rows in drawn.groupby(["prior", "examples"], sort=False):
        label = LABELS[prior]
        groups[f"{label}, N = {size}" if size else label] = rows
    canvas, axes = panels(1, 2, height=3.4, sharey=True)
    columns = (("misfit", "misfit / noise floor"), ("error", "velocity error (km/s)"))
    for ax, (column, label) in zip(axes[0], columns, strict=True):
        for height, rows in enumerate(groups.values()):
            for shift, truth, face in ((0.15, INSIDE, INK), (-0.15, OUTSIDE, "white")):
                values = rows.loc[rows["truth"] == truth, column]
                _strip(ax, values, height + shift, face, None if height else f"truth: {truth}")
        ax.set(xlabel=label, ylim=(len(groups) - 0.5, -0.5))
        ax.set_yticks(range(len(groups)), list(groups))
    axes[0, 0].set_xscale("log")
    axes[0, 0].axvline(1, color=FAINT, linestyle="--", linewidth=0.8)
    log_ticks(axes[0, 0].xaxis)
    axes[0, 1].set_xlim(0, None)
    legend_below(canvas)
    return canvas


def _strip(ax: Axes, values: pd.Series, height: float, face: str, label: str | None) -> None:
    """Values as dots on a line, and their median as a bar."""
    heights = np.full(len(values), height)
    look = {"color": INK, "markerfacecolor": face, "markeredgewidth": 0.6}
    ax.plot(values, heights, "o", markersize=3, alpha=0.7, label=label, **look)
    if len(values):
        ax.plot(np.median(values), height, "|", color=INK, markersize=9, markeredgewidth=1.5)


def steps(tables: Tables) -> Canvas:
    """What the length of a data step decides."""
    samples = tables["samples"]
    scores = tables["scores"]
    canvas, axes = panels(1, 3, height=2.4)
    series = (
        ("memorized", EXAMPLE, -4, None, "memorized, truth: its example"),
        ("memorized", INSIDE, 0, "white", "memorized, truth: mean of three"),
        ("gaussian", INSIDE, 4, "white", "Gaussian, truth: mean of three"),
    )
    for prior, truth, shift, face, label in series:
        rows = samples[(samples["prior"] == prior) & (samples["truth"] == truth)]
        rows = rows[rows["examples"] == rows["examples"].min()]
        for ax, column in ((axes[0, 1], "misfit"), (axes[0, 2], "error")):
            medians = rows.groupby(["step", "replicate"], as_index=False)[column].median()
            style = LOOKS[prior].marks(label=label, shift=shift)
            style |= {"markerfacecolor": face or style["color"]}
            points(ax, medians, "step", column, **style)
    scores = scores[
        (scores["truth"] == EXAMPLE)
        & (scores["reference_examples"] == scores["reference_examples"].min())
    ]
    scores = scores.assign(on_truth=scores["nearest"] == TRUE_EXAMPLE)
    shares = scores.groupby(["step", "replicate"], as_index=False)["on_truth"].mean()
    points(axes[0, 0], shares, "step", "on_truth", **LOOKS["memorized"].marks(label=None))
    axes[0, 0].set(ylabel="share of samples", title="a  On the true example", ylim=(-0.04, 1.06))
    axes[0, 1].set(ylabel="misfit / noise floor", title="b  Misfit", yscale="log")
    axes[0, 1].axhline(1, color=FAINT, linestyle="--", linewidth=0.8)
    axes[0, 2].set(ylabel="velocity error (km/s)", title="c  Error", ylim=(0, None))
    for ax in axes[0]:
        ax.set(xscale="log", xlabel="data step (standard dev.)")
        measured_ticks(ax.xaxis, samples["step"])
    log_ticks(axes[0, 1].yaxis)
    legend_below(canvas, 3)
    return canvas


NAMES = {"truth": "truth", "lookup": "lookup", "broad": "broad prior"}
NAMES["memorized"] = "memorized prior"


def time_domain(tables: Tables) -> Canvas:
    """Layered models from acoustic shots."""
    rows = tables["time_domain"]
    rows = rows[rows["sample"] == 0].set_index(["prior", "replicate"])
    estimates = ("lookup", "memorized", "broad")
    drawn = ("truth", *estimates)
    replicates = sorted(rows.index.unique("replicate"))[:3]
    canvas, axes = panels(len(replicates), len(drawn), height=1.75, sharex=True, sharey=True)
    n = int(np.sqrt(len(rows["velocity"].iloc[0])))
    for line, replicate in zip(axes, replicates, strict=True):
        for ax, prior in zip(line, drawn, strict=True):
            row = rows.loc[(prior, replicate)]
            model = row["velocity"].reshape(n, n).T / 1000
            mesh = image(ax, model, (1.4, 3.6), LAYERED_CELL * n)
            title = NAMES.get(prior, prior)
            if prior in estimates:
                title += f"\n{row['error']:.0f} m/s off, misfit {row['misfit']:.1f}"
            ax.set_title(title, fontsize=7)
        line[0].set_ylabel("depth (m)")
    for ax in axes[-1]:
        ax.set_xlabel("x (m)")
    canvas.colorbar(mesh, ax=axes, label="velocity (km/s)", shrink=0.7, extend="both")
    return canvas
