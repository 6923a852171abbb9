"""Strength, growing memories and small ones, cross-fitted residuals, memorization scores, a
spurious feature.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure as Canvas

from rote.papers.resmem.figures.methods import legend
from rote.plotting import (
    FAINT,
    INK,
    PALETTE,
    categories,
    log_ticks,
    panels,
    points,
    shade,
)

Tables = Mapping[str, pd.DataFrame]


def strength(tables: Tables) -> Canvas:
    """How much of the residual to add."""
    rows = tables["sweeps"]
    rows = rows[rows["over"] == "strength"]
    shown = [
        ("fine", "width 2", "last"),
        ("longtail", None, "last"),
        ("text", None, "last"),
        ("digits", "linear", "inputs"),
    ]
    canvas, axes = panels(1, 1, width=4.2, height=2.9)
    for (task, arm, kind), color in zip(shown, PALETTE, strict=False):
        some = rows[(rows["task"] == task) & (rows["features"] == kind)]
        arm = arm if arm in set(some["arm"]) else some["arm"].iloc[0]
        some = some[
            (some["arm"] == arm) & (some["rows"] == some.loc[some["arm"] == arm, "rows"].max())
        ]
        points(axes[0, 0], some, "value", "accuracy", color=color, label=f"{task}: {arm}")
    axes[0, 0].axvline(1, color=FAINT, linewidth=0.8)
    axes[0, 0].set(xlabel="strength α", ylabel="test accuracy")
    axes[0, 0].legend(fontsize=7)
    return canvas


def growth(tables: Tables) -> Canvas:
    """A frozen base with a growing memory, and a memory on a budget."""
    rows = tables["growth"]
    canvas, axes = panels(1, 2, width=3.4, height=2.7)
    base = rows.loc[rows["kind"] == "none", "accuracy"].mean()
    for ax, kinds, title in (
        (
            axes[0, 0],
            {"unseen rows": PALETTE[0], "own rows": PALETTE[3]},
            "a  Memory grows, base stays",
        ),
        (
            axes[0, 1],
            {"largest residuals": PALETTE[1], "random rows": PALETTE[2], "own rows": PALETTE[3]},
            "b  A budget",
        ),
    ):
        for kind, color in kinds.items():
            points(ax, rows[rows["kind"] == kind], "rows", "accuracy", color=color, label=kind)
        ax.axhline(base, color=INK, linestyle="--", linewidth=1, label="base")
        ax.set(title=title, xlabel="rows remembered", ylabel="test accuracy")
        ax.legend(fontsize=7)
    axes[0, 0].set_xscale("log")
    log_ticks(axes[0, 0].xaxis)
    return canvas


def crossfit(tables: Tables) -> Canvas:
    """Residuals of a base that fits its training set."""
    rows = tables["crossfit"]
    names = [
        ("in-sample", False),
        ("cross-fitted", False),
        ("in-sample", True),
        ("cross-fitted", True),
    ]
    canvas, axes = panels(1, 1, width=4.6, height=2.7)
    for place, (kind, tuned) in enumerate(names):
        some = rows[(rows["residuals"] == kind) & (rows["tuned"] == tuned)]
        axes[0, 0].plot(
            np.full(len(some), place),
            some["resmem"],
            "o",
            color=PALETTE[0 if kind == "in-sample" else 1],
        )
        axes[0, 0].plot(place, some["resmem"].mean(), "_", color=INK, markersize=18)
    axes[0, 0].axhline(rows["base"].mean(), color=INK, linestyle="--", linewidth=1, label="base")
    categories(
        axes[0, 0].xaxis, [f"{kind}\nT {'tuned' if tuned else '= 1'}" for kind, tuned in names]
    )
    axes[0, 0].set_ylabel("test accuracy")
    axes[0, 0].legend()
    return canvas


def memorization(tables: Tables) -> Canvas:
    """Memorization scores by width, what ResMem stores, and where it helps."""
    rows = tables["memorization"]
    widths = sorted(rows["units"].unique())
    canvas, axes = panels(1, 3, width=3.1, height=2.7)
    for units, color in zip(widths, shade(len(widths)), strict=True):
        some = rows[rows["units"] == units]
        axes[0, 0].hist(
            some["score"],
            np.linspace(-0.5, 1, 40),
            density=True,
            histtype="step",
            color=color,
            label=f"{units} units",
        )
        order = some["weight"].rank(pct=True)
        binned = (
            some.assign(tenth=np.ceil(10 * order).astype(int))
            .groupby(["tenth", "replicate"], as_index=False)["score"]
            .mean()
        )
        points(axes[0, 1], binned, "tenth", "score", color=color, label=f"{units} units")
    wide = rows.pivot(index=["replicate", "example"], columns="units", values="score")
    rise = (wide[widths[-1]] - wide[widths[0]]).rename("rise").dropna()
    middle = rows[rows["units"] == widths[len(widths) // 2]].set_index(["replicate", "example"])[
        "gain"
    ]
    both = pd.concat([rise, middle], axis=1).dropna().reset_index()
    both["tenth"] = np.ceil(10 * both["rise"].rank(pct=True)).astype(int)
    points(
        axes[0, 2],
        both.groupby(["tenth", "replicate"], as_index=False)["gain"].mean(),
        "tenth",
        "gain",
        color=PALETTE[0],
    )
    axes[0, 2].axhline(0, color=FAINT, linewidth=0.8)
    axes[0, 0].set(title="a  Memorization score", xlabel="score", ylabel="density")
    axes[0, 1].set(
        title="b  By what ResMem stores", xlabel="tenth of 1 − p(label)", ylabel="mean score"
    )
    axes[0, 2].set(
        title="c  Where a memory helps",
        xlabel="tenth of the score's rise with width",
        ylabel="gain",
    )
    axes[0, 0].legend(fontsize=7)
    return canvas


def spurious(tables: Tables) -> Canvas:
    """A spurious feature, a memory, and training that is aware of memorization."""
    rows = tables["spurious"]
    looks = {
        "base": (INK, "o", "-"),
        "kNN": (PALETTE[2], "s", "-"),
        "base, ResMem": (PALETTE[0], "D", "-"),
        "aware": (PALETTE[3], "o", "-"),
        "aware, ResMem": (PALETTE[3], "D", ":"),
    }
    canvas, axes = panels(1, 2, width=3.4, height=2.7)
    for ax, column, title in (
        (axes[0, 0], "conflicting", "a  Where it conflicts"),
        (axes[0, 1], "agreeing", "b  Where it agrees"),
    ):
        for method, (color, marker, style) in looks.items():
            points(
                ax,
                rows[rows["method"] == method],
                "examples",
                column,
                color=color,
                marker=marker,
                linestyle=style,
                label=method.replace("aware", "memorization-aware"),
            )
        ax.set(xscale="log", xlabel="training rows", ylabel="test accuracy", title=title)
        log_ticks(ax.xaxis)
    legend(canvas, axes[0, 0], 5)
    return canvas
