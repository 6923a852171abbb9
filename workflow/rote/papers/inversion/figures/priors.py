"""Figures of trained priors and of posterior samples under memorized, trained, Gaussian and broad
ones.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from rote.plotting import FAINT, INK, PALETTE, legend_below, log_ticks, panels, points, shade
from rote.synth import velocity

Tables = Mapping[str, pd.DataFrame]
CELLS = 64  # along each axis of a drawn velocity model
SIDE = 2000  # m
COLORS = {
    "memorized": PALETTE[3],
    "closed form": PALETTE[3],
    "clean": PALETTE[1],
    "noise": PALETTE[4],
    "gaussian": INK,
    "broad": FAINT,
}
NAMES = {
    "clean": "network, clean",
    "noise": "network, noise",
    "memorized": "memorized",
    "gaussian": "Gaussian",
    "broad": "broad",
}
INSIDE, OUTSIDE = "mean of three", "held-out"


def image(
    ax: Axes,
    model: np.ndarray,
    limits: tuple[float, float],
    side: float = SIDE,
    cmap: str = "viridis",
):
    """A model (x, depth) with axes in metres."""
    found = ax.imshow(
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
    return found


def transition(tables: Tables) -> Canvas:
    """From how many examples on trained priors no longer memorize."""
    rows = tables["networks"]
    canvas, axes = panels(1, 4, width=2.9, height=2.8)
    full = rows.groupby("prediction")["steps"].transform("max") == rows["steps"]
    lines = [
        ("network, clean", rows[full & (rows["prediction"] == "clean")], PALETTE[1], "-"),
        (
            "the same, briefly trained",
            rows[~full & (rows["prediction"] == "clean")],
            PALETTE[1],
            ":",
        ),
        ("network, noise", rows[full & (rows["prediction"] == "noise")], PALETTE[4], "-"),
        ("closed form", rows[rows["prediction"] == "closed form"], PALETTE[3], "-"),
        ("Gaussian", rows[rows["prediction"] == "gaussian"], INK, "-"),
    ]
    shown = (
        ("pair_rate", "share of samples", "a  d₁/d₂ < 1/3"),
        ("calibrated_rate", "share of samples", "b  Below 1 % of held-out"),
        ("ratio_rate", "share of samples", "c  Published rate"),
    )
    for ax, (column, label, title) in zip(axes[0], shown, strict=False):
        for name, some, color, style in lines:
            points(ax, some, "examples", column, color=color, label=name, linestyle=style)
        ax.set(
            xscale="log", xlabel="training models N", ylabel=label, title=title, ylim=(-0.04, 1.06)
        )
        log_ticks(ax.xaxis)
    null = rows[rows["prediction"] == "gaussian"]
    points(
        axes[0, 2],
        null,
        "examples",
        "null_rate",
        color=FAINT,
        label="held-out draws",
        linestyle="--",
    )
    ax = axes[0, 3]
    for name, some, color, style in lines:
        gap = some.assign(gap=some["held_out_loss"] / some["train_loss"])
        points(ax, gap, "examples", "gap", color=color, label=name, linestyle=style)
    ax.set(
        xscale="log",
        yscale="log",
        xlabel="training models N",
        ylabel="held-out / training",
        title="d  Loss gap",
    )
    log_ticks(ax.xaxis)
    legend_below(canvas, 6, *axes[0, 2].get_legend_handles_labels(), fontsize=7)
    return canvas


def pairs(tables: Tables) -> Canvas:
    """Samples above their nearest training models (Figure 2)."""
    known = tables["library"]
    known = known[known["set"] == "training"].set_index(["replicate", "model"])["coordinates"]
    prior, samples = tables["prior_samples"], tables["samples"].merge(tables["scores"])
    smallest = samples.loc[samples["examples"] > 0, "examples"].min()
    samples = samples[(samples["examples"] == smallest) & (samples["against"] == smallest)]
    samples = samples[(samples["truth"] == INSIDE) & (samples["step"] == samples["step"].min())]
    canvas, axes = panels(4, 6, width=1.5, height=1.6, sharex=True, sharey=True)
    for name, lines in (("clean", axes[:2]), ("noise", axes[2:])):
        of_prior = prior[(prior["prediction"] == name) & (prior["replicate"] == 0)]
        some = (
            samples[samples["prior"] == name]
            .sort_values("ratio")
            .drop_duplicates(["replicate", "nearest"])
        )
        for first, kind, rows in ((0, "prior", of_prior), (3, "posterior", some)):
            for column, row in enumerate(rows.head(3).itertuples(), start=first):
                mesh = image(
                    lines[0, column], velocity.velocity(row.coordinates, CELLS), (1.8, 2.2)
                )
                image(
                    lines[1, column],
                    velocity.velocity(known[row.replicate, row.nearest], CELLS),
                    (1.8, 2.2),
                )
                about = f"{NAMES[name]}: {kind}\n" if column == first else "\n"
                lines[0, column].set_title(f"{about}r = {row.ratio:.2f}", fontsize=7.5)
        lines[0, 0].set_ylabel("sample\ndepth (m)", fontsize=8)
        lines[1, 0].set_ylabel("nearest model\ndepth (m)", fontsize=8)
    for ax in axes.flat:
        ax.set_visible(ax.has_data())
    for ax in axes[-1]:
        ax.set_xlabel("x (m)", fontsize=8)
    canvas.colorbar(mesh, ax=axes, label="velocity (km/s)", shrink=0.6, extend="both")
    return canvas


def _published(tables: Tables, prior: str) -> pd.DataFrame:
    """Samples of a prior at the published step, truth within the hull, of the first training set."""
    rows = tables["samples"]
    rows = rows[(rows["prior"] == prior) & (rows["truth"] == INSIDE) & (rows["replicate"] == 0)]
    return rows[rows["step"] == rows["step"].min()]


def posteriors(tables: Tables) -> Canvas:
    """Posterior mean, spread and error under networks trained on more and more models (Figure 3)."""
    rows = _published(tables, "noise")
    library = tables["library"]
    training = np.stack(
        library[(library["set"] == "training") & (library["replicate"] == 0)][
            "coordinates"
        ].to_list()
    )
    true = training[[n % len(training) for n in (9, 8, 24)]].mean(0)
    exact = velocity.velocity(true, CELLS)
    sizes = sorted(rows["examples"].unique())
    canvas, axes = panels(4, len(sizes) + 1, width=2.2, height=1.95)
    found = {
        n: velocity.velocity(np.stack(some["coordinates"].to_list()), CELLS)
        for n, some in rows.groupby("examples")
    }
    spreads = {n: models.std(0, ddof=1) for n, models in found.items()}
    top = float(np.quantile(np.stack(list(spreads.values())), 0.95))
    limits = (float(exact.min()) - 0.05, float(exact.max()) + 0.05)
    mean_bar = image(axes[0, 0], exact, limits)
    axes[0, 0].set(title="true model", ylabel="depth (m)", xlabel="x (m)")
    for column, number in enumerate(sizes, start=1):
        models = found[number]
        image(axes[0, column], models.mean(0), limits)
        spread_bar = image(axes[1, column], spreads[number], (0, top), cmap="magma")
        image(axes[2, column], np.abs(models.mean(0) - exact), (0, top), cmap="magma")
        axes[0, column].set_title(f"mean of {len(models)}, N = {number}")
        axes[1, column].set_title("spread")
        axes[2, column].set_title("error of the mean")
        ax = axes[3, column]
        z = np.stack(rows[rows["examples"] == number]["coordinates"].to_list())
        ax.plot(*training[:number, :2].T, ".", color=FAINT, markersize=3, label="training")
        ax.plot(*z[:, :2].T, "o", color=COLORS["noise"], label="posterior")
        ax.plot(*true[:2], "*", color=PALETTE[3], markersize=9, label="truth")
        ax.set(
            xlim=(-10, 10),
            ylim=(-10, 10),
            xlabel="coordinate 1",
            title="Coordinates",
            aspect="equal",
        )
    canvas.colorbar(mean_bar, ax=axes[0, -1], label="km/s")
    canvas.colorbar(spread_bar, ax=axes[1, -1], label="km/s", extend="max")
    canvas.colorbar(spread_bar, ax=axes[2, -1], label="km/s", extend="max")
    for number, color in zip(sizes, shade(len(sizes)), strict=True):
        models, z = (
            found[number],
            np.stack(rows[rows["examples"] == number]["coordinates"].to_list()),
        )
        label = f"N = {number}"
        _calibration(
            axes[1, 0],
            spreads[number].ravel(),
            np.abs(models.mean(0) - exact).ravel(),
            30,
            color,
            label,
        )
        _calibration(axes[2, 0], z.std(0, ddof=1), np.abs(z.mean(0) - true), 10, color, label)
    for ax, title, unit in (
        (axes[1, 0], "Calibration", "km/s"),
        (axes[2, 0], "Calibration (KL)", ""),
    ):
        high = max(ax.get_xlim()[1], ax.get_ylim()[1])
        ax.plot([0, high], [0, high], color=INK, linestyle="--", linewidth=0.8)
        ax.set(
            title=title,
            xlabel=f"spread {unit and f'({unit})'}",
            ylabel="error",
            xlim=(0, None),
            ylim=(0, None),
        )
    axes[1, 0].legend(fontsize=6)
    axes[3, 0].axis("off")
    axes[3, 0].legend(*axes[3, 1].get_legend_handles_labels(), loc="center")
    return canvas


def _calibration(
    ax: Axes, spread: np.ndarray, error: np.ndarray, bins: int, color, label: str
) -> None:
    """Mean error against mean spread in bins of equal count."""
    order = np.argsort(spread, kind="stable")
    parts = np.array_split(order, bins)
    ax.plot(
        [spread[p].mean() for p in parts],
        [error[p].mean() for p in parts],
        "o-",
        color=color,
        markersize=2.5,
        linewidth=0.8,
        label=label,
    )


def descents(tables: Tables) -> Canvas:
    """Misfit along the way to posterior samples (Figure 3)."""
    rows = tables["descents"]
    rows = rows[(rows["truth"] == INSIDE) & (rows["step"] == rows["step"].min())]
    shown = ("noise", "clean", "memorized", "gaussian")
    canvas, axes = panels(1, len(shown), width=2.6, height=2.6, sharey=True)
    every = sorted(rows.loc[rows["examples"] > 0, "examples"].unique())
    colors = dict(zip(every, shade(len(every)), strict=True)) | {0: INK}
    for ax, prior in zip(axes[0], shown, strict=True):
        for number, some in rows[rows["prior"] == prior].groupby("examples"):
            for _, one in some.groupby("replicate"):
                ax.plot(one["t"], one["misfit"], color=colors[number], linewidth=0.7)
            ax.plot(
                [], [], color=colors[number], label=f"N = {number}" if number else "no training set"
            )
        ax.axhline(1, color=FAINT, linestyle="--", linewidth=0.8)
        ax.set(yscale="log", xlabel="t", title=NAMES[prior])
        ax.invert_xaxis()
        ax.legend(fontsize=7)
    axes[0, 0].set_ylabel("misfit / noise floor")
    return canvas


def outcomes(tables: Tables) -> Canvas:
    """Misfit and velocity error by prior and truth."""
    rows, lookups = tables["samples"], tables["lookups"]
    rows = rows[rows["step"] == rows["step"].min()]
    top = lookups.loc[lookups.groupby(["truth", "replicate"])["weight"].idxmax()]
    groups = {"background, 2 km/s": lookups[lookups["example"] == -1], "exact lookup": top}
    for (prior, number), some in rows.groupby(["prior", "examples"], sort=False):
        groups[f"{NAMES[prior]}, N = {number}" if number else NAMES[prior]] = some
    canvas, axes = panels(1, 2, width=4.2, height=3.6, sharey=True)
    for ax, (column, label) in zip(
        axes[0],
        (("misfit", "misfit / noise floor"), ("error", "velocity error (km/s)")),
        strict=True,
    ):
        for place, some in enumerate(groups.values()):
            for shift, truth, color in ((0.15, INSIDE, PALETTE[0]), (-0.15, OUTSIDE, PALETTE[1])):
                values = some.loc[some["truth"] == truth, column]
                ax.plot(
                    values,
                    np.full(len(values), place + shift),
                    "o",
                    color=color,
                    markersize=3.5,
                    alpha=0.8,
                    label=f"truth: {truth}" if place == 0 else None,
                )
                if len(values):
                    ax.plot(
                        np.median(values),
                        place + shift,
                        "|",
                        color=color,
                        markersize=11,
                        markeredgewidth=2,
                    )
        ax.set(
            xlabel=label,
            xscale="log" if column == "misfit" else "linear",
            ylim=(len(groups) - 0.5, -0.5),
        )
        ax.set_yticks(range(len(groups)), list(groups))
    axes[0, 0].axvline(1, color=FAINT, linestyle="--", linewidth=0.8)
    log_ticks(axes[0, 0].xaxis)
    axes[0, 1].set_xlim(0, None)
    legend_below(canvas, 2, *axes[0, 0].get_legend_handles_labels())
    return canvas


def steps(tables: Tables) -> Canvas:
    """What the length of a data step decides."""
    rows, scores = tables["samples"], tables["scores"]
    canvas, axes = panels(1, 3, width=3.0, height=2.7)
    kinds = (
        ("memorized", "example", PALETTE[3], "memorized, truth: its example"),
        ("memorized", INSIDE, PALETTE[1], "memorized, truth: mean of three"),
        ("gaussian", INSIDE, INK, "Gaussian, truth: mean of three"),
    )
    for prior, truth, color, label in kinds:
        some = rows[(rows["prior"] == prior) & (rows["truth"] == truth)]
        some = some[some["examples"] == some["examples"].min()]
        for ax, column in ((axes[0, 1], "misfit"), (axes[0, 2], "error")):
            middle = some.groupby(["step", "replicate"], as_index=False)[column].median()
            points(ax, middle, "step", column, color=color, label=label)
    own = scores[(scores["truth"] == "example") & (scores["against"] == scores["against"].min())]
    own = (
        own.assign(there=own["nearest"] == 9)
        .groupby(["step", "replicate"], as_index=False)["there"]
        .mean()
    )
    points(axes[0, 0], own, "step", "there", color=PALETTE[3])
    axes[0, 0].set(ylabel="share of samples", title="a  On the true example", ylim=(-0.04, 1.06))
    axes[0, 1].set(ylabel="misfit / noise floor", title="b  Misfit", yscale="log")
    axes[0, 1].axhline(1, color=FAINT, linestyle="--", linewidth=0.8)
    axes[0, 2].set(ylabel="velocity error (km/s)", title="c  Error", ylim=(0, None))
    for ax in axes[0]:
        ax.set(xscale="log", xlabel="data step (standard deviations)")
        log_ticks(ax.xaxis)
    legend_below(canvas, 3, *axes[0, 1].get_legend_handles_labels(), fontsize=7)
    return canvas


def time_domain(tables: Tables) -> Canvas:
    """Layered models from acoustic shots."""
    rows = tables["time_domain"]
    rows = rows[rows["sample"] == 0]
    shown = ("truth", "lookup", "memorized", "broad")
    replicates = sorted(rows["replicate"].unique())[:3]
    canvas, axes = panels(
        len(replicates), len(shown), width=2.0, height=1.9, sharex=True, sharey=True
    )
    side = 20.0 * int(np.sqrt(len(rows["velocity"].iloc[0])))
    for line, replicate in zip(axes, replicates, strict=True):
        for ax, prior in zip(line, shown, strict=True):
            row = rows[(rows["prior"] == prior) & (rows["replicate"] == replicate)].iloc[0]
            n = int(np.sqrt(len(row["velocity"])))
            mesh = image(ax, row["velocity"].reshape(n, n).T / 1000, (1.4, 3.6), side)
            about = (
                ""
                if prior == "truth"
                else f"\n{row['error']:.0f} m/s off, misfit {row['misfit']:.1f}"
            )
            ax.set_title(f"{prior}{about}", fontsize=8)
        line[0].set_ylabel("depth (m)")
    for ax in axes[-1]:
        ax.set_xlabel("x (m)")
    canvas.colorbar(mesh, ax=axes, label="velocity (km/s)", shrink=0.7, extend="both")
    return canvas
