"""Figures of many samples per data set: ranks of the truth, spread and fit against N."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure as Canvas

from rote.papers.inversion.figures.style import PRIORS as LOOKS
from rote.papers.inversion.figures.style import Tables, published
from rote.papers.inversion.library import INSIDE, OUTSIDE
from rote.papers.inversion.priors import LABELS, PRIORS
from rote.papers.inversion.statistics import ensembles
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

BINS = 10
TRUTHS = {INSIDE: "truth within the hull", OUTSIDE: "truth held out"}
# ends of the published curves (Figure 3), by N: misfit over the floor; largest spread, km/s
PUBLISHED = {"misfit": {50: 2.7, 200: 1.8, 1000: 1.3}, "spread": {50: 0.065, 1000: 0.026}}


def calibration(tables: Tables) -> Canvas:
    """Rank histograms of guided samples, by prior and truth."""
    drawn = [name for name, prior in PRIORS.items() if prior.spreads]
    canvas, axes = panels(2, len(drawn), height=1.8, sharex=True, sharey=True)
    centers = (np.arange(BINS) + 0.5) / BINS
    sizes = sorted(size for size in tables["samples"]["examples"].unique() if size)
    colors = dict(zip(sizes, shade(len(sizes)), strict=True)) | {0: INK}
    letters = iter("abcdefgh")
    handles = {}
    for line, (truth, words) in zip(axes, TRUTHS.items(), strict=True):
        shares = ensembles.histograms(tables, truth, BINS)
        for ax, prior in zip(line, drawn, strict=True):
            for (name, size), share in sorted(shares.items()):
                if name != prior:
                    continue
                label = f"N = {size}" if size else "no training set"
                (handles[label],) = ax.step(centers, share, where="mid", color=colors[size])
            ax.axhline(1 / BINS, color=FAINT, linestyle="--", linewidth=0.8)
            ax.set_title(f"{next(letters)}  {LABELS[prior]}", fontsize=7)
        line[0].set_ylabel(f"{words}\nshare of coordinates", fontsize=8)
    for ax in axes[-1]:
        ax.set(xlabel="rank of the truth", xlim=(0, 1), ylim=(0, None))
    legend_below(canvas, 4, list(handles.values()), list(handles))
    return canvas


def _of_sizes(tables: Tables) -> pd.DataFrame:
    """Misfit, spread and error of the mean by network, N and data set; truth within the hull."""
    rows = published(tables["samples"])
    measured = []
    for prior in ("noise", "clean"):
        for size in sorted(rows.loc[rows["prior"] == prior, "examples"].unique()):
            values = {
                "misfit": ensembles.misfit(tables, prior, size),
                "spread": ensembles.mean_spread(tables, prior, size, INSIDE),
                "error": ensembles.error(tables, prior, size),
            }
            columns = {"prior": prior, "examples": size, "replicate": range(len(values["misfit"]))}
            measured.append(pd.DataFrame(columns | values))
    return pd.concat(measured, ignore_index=True)


def sizes(tables: Tables) -> Canvas:
    """Spread, misfit and error of posteriors against the number of training models."""
    canvas, axes = panels(1, 3, height=2.4)
    rows = _of_sizes(tables)
    columns = (
        ("spread", "spread (km/s)", "a  Spread"),
        ("misfit", "misfit / noise floor", "b  Misfit"),
        ("error", "error of the mean (km/s)", "c  Error"),
    )
    for ax, (column, label, title) in zip(axes[0], columns, strict=True):
        for prior, shift in zip(("noise", "clean"), beside(2), strict=True):
            look = LOOKS[prior].marks(shift=shift)
            points(ax, rows[rows["prior"] == prior], "examples", column, **look)
        if column in PUBLISHED:
            ax.plot(*zip(*PUBLISHED[column].items(), strict=True), "*", color=INK, markersize=9)
        ax.set(xscale="log", xlabel="training models N", ylabel=label, title=title)
        measured_ticks(ax.xaxis, rows["examples"])
    axes[0, 1].set_yscale("log")
    log_ticks(axes[0, 1].yaxis)
    axes[0, 1].plot([], [], "*", color=INK, markersize=9, label="published (a: its largest cells)")
    legend_below(canvas, 3)
    return canvas
