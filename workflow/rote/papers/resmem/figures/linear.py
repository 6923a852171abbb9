"""The linear model: a toy, risks, rates, label noise."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure as Canvas

from rote.papers.resmem.figures.methods import legend
from rote.plotting import (
    FAINT,
    INK,
    PALETTE,
    log_ticks,
    panels,
    points,
    shade,
    theory,
)
from rote.theory import lookup

Tables = Mapping[str, pd.DataFrame]


def toy(tables: Tables) -> Canvas:
    """A cubic, its residuals, and what neighbors remember of them (the paper's illustration)."""
    rows = tables["toy"]
    grid, seen = (rows[rows["points"] == kind] for kind in ("grid", "training"))
    canvas, axes = panels(1, 3, width=3.1, height=2.5, sharex=True)

    def error(column: str) -> str:
        return f"{float(((grid[column] - grid['target']) ** 2).mean()):.4f}"

    shown = (
        ("a  Base", "target", "base", None),
        ("b  Residuals", "residual", "remembered", "residual"),
        ("c  Sum", "target", "resmem", None),
    )
    for ax, (title, wanted, found, dots) in zip(axes[0], shown, strict=True):
        ax.plot(
            grid["x"],
            grid[wanted],
            color=FAINT,
            linewidth=1,
            label="target" if dots is None else "residual",
        )
        ax.plot(
            grid["x"],
            grid[found],
            color=PALETTE[0],
            label={"base": "cubic", "remembered": "5-NN of residuals"}.get(found, "ResMem"),
        )
        if dots:
            ax.plot(seen["x"], seen[dots], ".", color=INK, markersize=3, label="training residuals")
        ax.set(
            title=title + ("" if dots else f", error {error(found)}"),
            xlabel="x",
            ylim=(None, 2.2 if not dots else 1.1),
        )
        ax.legend(fontsize=6.5, loc="upper right")
    axes[0, 0].set_ylabel("y")
    return canvas


def _risks(tables: Tables) -> pd.DataFrame:
    rows = tables["risks"]
    return rows[rows["norm"] == rows["norm"].mode().iloc[0]]


def risk(tables: Tables) -> Canvas:
    """Test risk in the linear model against the number of training points."""
    rows = _risks(tables)
    norm, dimensions = float(rows["norm"].iloc[0]), sorted(rows["dimension"].unique())
    canvas, axes = panels(1, len(dimensions), width=2.4, height=2.6)
    for ax, d in zip(axes[0], dimensions, strict=True):
        some = rows[rows["dimension"] == d]
        n = np.geomspace(some["examples"].min(), some["examples"].max(), 40)
        for column, label, color, marker in (
            ("base", "base", INK, "o"),
            ("nearest", "nearest neighbor", PALETTE[2], "s"),
            ("resmem", "ResMem", PALETTE[0], "D"),
        ):
            points(
                ax, some, "examples", column, label=label, color=color, marker=marker, line=False
            )
        theory(ax, n, np.full(len(n), lookup.plateau(d, norm)), "plateau", linestyle=":")
        theory(ax, n, lookup.leading(n, d, norm), "leading term", color=PALETTE[0])
        bound = lookup.bound(n, d, norm)
        theory(
            ax,
            n,
            bound * float(lookup.plateau(d, norm)) / bound[0],
            "published bound, scaled",
            color=FAINT,
        )
        ax.set(xscale="log", yscale="log", xlabel="training points n", title=f"d = {d}")
        log_ticks(ax.yaxis)
    axes[0, 0].set_ylabel("test risk")
    legend(canvas, axes[0, 0], 6)
    return canvas


def slope(tables: Tables) -> pd.DataFrame:
    """Log-log slope of each risk over n ≥ 300, per dimension and replicate."""
    rows, out = _risks(tables), []
    for (d, replicate), some in rows[rows["examples"] >= 300].groupby(["dimension", "replicate"]):
        n = np.log(some["examples"])
        out.append(
            (
                d,
                replicate,
                *(np.polyfit(n, np.log(some[c]), 1)[0] for c in ("base", "nearest", "resmem")),
            )
        )
    return pd.DataFrame(out, columns=["dimension", "replicate", "base", "nearest", "resmem"])


def slopes(tables: Tables) -> Canvas:
    """How fast ResMem's risk falls, and what part of it the base takes off."""
    canvas, axes = panels(1, 2, width=3.4, height=2.7)
    found, ax = slope(tables), axes[0, 0]
    d = np.linspace(found["dimension"].min(), found["dimension"].max(), 50)
    theory(ax, d, -2 / d, "−2/d")
    theory(ax, d, -1 / d, "−1/d, published bound", color=FAINT)
    points(ax, found, "dimension", "resmem", label="ResMem", color=PALETTE[0], line=False)
    ax.set(xlabel="dimension d", ylabel="log-log slope", title="a  Rate")
    ax.legend()
    ax, rows = axes[0, 1], tables["risks"]
    rows = rows[(rows["dimension"] == 3) & (rows["examples"] <= 30_000)]
    rows = rows[rows["examples"] == rows["examples"].max()]
    rows = rows.assign(ratio=rows["resmem"] / rows["nearest"])
    norm = np.linspace(0, 1, 50)
    theory(ax, norm, (1 - norm) ** 2, "(1 − L)²")
    points(ax, rows, "norm", "ratio", label="d = 3", color=PALETTE[0], line=False)
    ax.set(
        xlabel="norm L of the base",
        ylabel="ResMem / nearest neighbor",
        title="b  Gain over kNN alone",
    )
    ax.legend()
    return canvas


def noise(tables: Tables) -> Canvas:
    """Label noise in the linear model."""
    rows = tables["noisy"]
    sizes, taus = sorted(rows["examples"].unique()), sorted(rows["noise"].unique())
    canvas, axes = panels(1, len(sizes), width=2.9, height=2.6, sharey=True)
    for ax, n in zip(axes[0], sizes, strict=True):
        for tau, color in zip(taus, shade(len(taus)), strict=True):
            some = rows[(rows["examples"] == n) & (rows["noise"] == tau)]
            points(ax, some[some["k"] > 0], "k", "risk", color=color, label=f"τ = {tau:g}")
        base = rows[(rows["examples"] == n) & (rows["k"] == 0)]["risk"].mean()
        ax.axhline(base, color=INK, linestyle="--", linewidth=1, label="base")
        ax.set(xscale="log", yscale="log", xlabel="neighbors k", title=f"n = {n}")
        log_ticks(ax.xaxis)
    axes[0, 0].set_ylabel("test risk")
    legend(canvas, axes[0, 0], 7)
    return canvas
