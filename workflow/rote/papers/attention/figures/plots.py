"""The paper's figures (Fig. 1 with its settings, the others in our reconstruction) and our
additions.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.colors import SymLogNorm
from matplotlib.figure import Figure as Canvas

from rote.plotting import (
    FAINT,
    INK,
    PALETTE,
    legend_below,
    log_ticks,
    panels,
    points,
    spread,
    theory,
    whiskers,
)

Tables = Mapping[str, pd.DataFrame]
FUNCTIONS = ("linear", "tanh", "relu_c", "sign", "cubic", "exp_clip", "exp_c", "cos_c", "quad")
COLOR = {"ridge": INK, "tanh": PALETTE[0], "tanh, aligned": PALETTE[3]}
COLOR |= {"exp_clip, aligned": PALETTE[1], "linear, aligned": PALETTE[2]}
GAMMA, ERROR = "ridge γ", "memorization error E"


def _curve(tables: Tables, figure: str, panel: str) -> pd.DataFrame:
    table = tables["curves"]
    return table[(table["figure"] == figure) & (table["panel"] == panel)]


def _dots(tables: Tables, figure: str, panel: str) -> pd.DataFrame:
    table = tables["simulations"]
    return table[(table["figure"] == figure) & (table["panel"] == panel)]


def _three(tables: Tables, series: tuple[str, ...], dotted: dict[str, tuple[str, str]]) -> Canvas:
    """E against ridge, dimension and signal; `dotted`: series -> (simulated series, column)."""
    canvas, axes = panels(1, 3, width=3.2, height=2.9)
    titles = {"ridge": "a  Ridge", "dimension": "b  Dimension", "signal": "c  Signal"}
    labels = {"ridge": GAMMA, "dimension": "dimensions per token p/n", "signal": "signal ||μ||²"}
    for ax, (panel, title) in zip(axes[0], titles.items(), strict=True):
        lines, dots = _curve(tables, "baseline", panel), _dots(tables, "baseline", panel)
        for name in series:
            rows = lines[lines["series"] == name].sort_values("x")
            style = "--" if name == "ridge" else "-"
            theory(ax, rows["x"], rows["error"], label=name, color=COLOR[name], linestyle=style)
            if name in dotted:
                simulated, column = dotted[name]
                points(
                    ax,
                    dots[dots["series"] == simulated],
                    "x",
                    column,
                    color=COLOR[name],
                    line=False,
                )
        ax.set(title=title, xlabel=labels[panel], yscale="log" if panel != "signal" else "linear")
        if panel == "ridge":
            ax.set(xscale="log", ylabel=ERROR)
        elif panel == "dimension":
            ax.set_xscale("log", base=2)
            ax.set_ylim(bottom=1e-12)
            ax.axvline(1, color=FAINT, linewidth=0.8)
            ax.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    legend_below(canvas, 5, *axes[0, 0].get_legend_handles_labels())
    return canvas


def baseline(tables: Tables) -> Canvas:
    """Fig. 1: ridge regression on the raw tokens."""
    return _three(tables, ("ridge",), {"ridge": ("tanh", "ridge")})


def attention(tables: Tables) -> Canvas:
    """Fig. 2: the same with attention."""
    dotted = {"tanh": ("tanh", "error"), "tanh, aligned": ("tanh, aligned", "error")}
    return _three(tables, tuple(COLOR), dotted)


def nonlinearity(tables: Tables) -> Canvas:
    """Fig. 3: which nonlinearity memorizes."""
    canvas, axes = panels(2, 2, width=3.7, height=2.7)
    colors = dict(zip(FUNCTIONS, [*PALETTE[:7], PALETTE[8], PALETTE[9]], strict=True))
    titles = {
        "no signal": "a  No signal",
        "signal": "b  Signal",
        "aligned": "c  Signal, aligned weights",
    }
    for ax, (panel, title) in zip(axes.ravel(), titles.items(), strict=False):
        lines, dots = _curve(tables, "nonlinearity", panel), _dots(tables, "nonlinearity", panel)
        rows = lines[lines["series"] == "ridge"]
        theory(ax, rows["x"], rows["error"], label="ridge on tokens")
        for f in FUNCTIONS:
            rows = lines[lines["series"] == f]
            theory(ax, rows["x"], rows["error"], label=f, color=colors[f], linestyle="-")
            points(
                ax,
                dots[dots["series"] == f],
                "x",
                "error",
                color=colors[f],
                line=False,
                markersize=3,
            )
        ax.set(
            title=title, xscale="log", yscale="log", xlabel=GAMMA, ylabel=ERROR, ylim=(3e-3, 1.2)
        )
        log_ticks(ax.yaxis)
    ax = axes[1, 1]
    for name, color in zip(
        ("no signal", "signal", "aligned"), (INK, PALETTE[0], PALETTE[3]), strict=True
    ):
        rows = _curve(tables, "linear part", "")
        rows = rows[rows["series"] == name]
        theory(ax, rows["x"], rows["error"], label=None, color=color, linestyle="-")
        dots = _dots(tables, "linear part", "")
        points(ax, dots[dots["series"] == name], "x", "error", color=color, line=False, label=name)
    ax.set(
        title="d  Its linear part, ν = 1",
        xlabel=r"linear coefficient $a_1$",
        ylabel=f"{ERROR} (γ = 1)",
    )
    ax.legend()
    legend_below(canvas, 5, *axes[0, 0].get_legend_handles_labels())
    return canvas


def alignment(tables: Tables) -> Canvas:
    """Fig. 4: weights along the signal."""
    canvas, axes = panels(1, 3, width=3.2, height=2.8, sharey=True)
    titles = {
        "strength": ("a  Strength of an aligned spike", "strength ω"),
        "angle": ("b  Angle of both weights", "angle to the signal (degrees)"),
        "key angle": ("c  Angle of the key alone", "angle to the signal (degrees)"),
    }
    for ax, (panel, (title, label)) in zip(axes[0], titles.items(), strict=True):
        lines, dots = _curve(tables, "alignment", panel), _dots(tables, "alignment", panel)
        names = [name for name in lines["series"].unique() if not name.startswith("ridge")]
        for name, color in zip(names, (PALETTE[0], PALETTE[3]), strict=True):
            rows, base = (
                lines[lines["series"] == s].sort_values("x") for s in (name, f"ridge, {name}")
            )
            theory(
                ax, rows["x"], rows["error"], label=f"attention, {name}", color=color, linestyle="-"
            )
            theory(ax, base["x"], base["error"], label=f"ridge, {name}", color=color)
            here = dots[np.isclose(dots["gamma"], rows["gamma"].iloc[0])]
            points(ax, here, "x", "error", color=color, line=False)
        ax.set(title=title, xlabel=label)
        if "angle" in panel:
            ax.set_xticks([0, 45, 90, 135, 180])
    axes[0, 0].set_ylabel(ERROR)
    legend_below(canvas, 4, *axes[0, 0].get_legend_handles_labels())
    return canvas


def spectrum(tables: Tables) -> Canvas:
    """Fig. 5: eigenvalues of the attention kernel."""
    table = tables["spectrum"]
    groups = list(table.groupby(["c", "f"], sort=False))
    canvas, axes = panels(2, 3, width=2.9, height=2.3)
    for ax, ((c, f), rows) in zip(axes.ravel(), sorted(groups, key=lambda g: g[0][0]), strict=True):
        ax.bar(
            rows["low"],
            rows["simulated"],
            rows["high"] - rows["low"],
            align="edge",
            color=PALETTE[0],
            alpha=0.45,
        )
        theory(ax, (rows["low"] + rows["high"]) / 2, rows["theory"], label=None)
        ax.set(title=f"{f}, p/n = {c:g}", xlabel="eigenvalue of K", ylabel="density")
    return canvas


def _diverging(ax: Axes, rows: pd.DataFrame) -> QuadMesh:
    gap = (rows["attention"] - rows["ridge"]).to_numpy()
    grid = rows.assign(gap=gap).pivot(index="gamma", columns="c", values="gap")
    norm = SymLogNorm(1e-3, vmin=-1, vmax=1)
    mesh = ax.pcolormesh(
        grid.columns, grid.index, grid, cmap="RdBu_r", norm=norm, shading="nearest", rasterized=True
    )
    if grid.to_numpy().min() < 0 < grid.to_numpy().max():
        ax.contour(grid.columns, grid.index, grid, levels=[0], colors=INK, linewidths=1)
    ax.set(xscale="log", yscale="log")
    ax.grid(False)
    return mesh


def phase(tables: Tables) -> Canvas:
    """Where attention memorizes better than ridge regression."""
    table = tables["phase"]
    functions, settings = table["f"].unique(), table["setting"].unique()
    canvas, axes = panels(
        len(settings), len(functions), width=2.5, height=2.2, sharex=True, sharey=True
    )
    for row, setting in enumerate(settings):
        for column, f in enumerate(functions):
            ax = axes[row, column]
            mesh = _diverging(ax, table[(table["setting"] == setting) & (table["f"] == f)])
            ax.set_title(f"{f}, {setting}")
            if row == len(settings) - 1:
                ax.set_xlabel("p/n")
                log_ticks(ax.xaxis)
        axes[row, 0].set_ylabel(GAMMA)
    bar = canvas.colorbar(mesh, ax=axes, label="E(attention) − E(ridge)", shrink=0.6, aspect=30)
    bar.set_ticks([-1, -0.1, -0.01, 0, 0.01, 0.1, 1])
    bar.set_ticklabels(["−1", "−0.1", "−0.01", "0", "0.01", "0.1", "1"])
    return canvas


def power(tables: Tables) -> Canvas:
    """At equal feature power."""
    table = tables["curves"]
    table = table[table["figure"] == "power"]
    names = list(table["panel"].unique())
    canvas, axes = panels(1, len(names), width=3.1, height=2.7, sharey=True)
    for ax, panel in zip(axes[0], names, strict=True):
        rows = table[table["panel"] == panel]
        base = rows[rows["series"] == "ridge"]
        series = [name for name in rows["series"].unique() if name != "ridge"]
        for name, color in zip(series, PALETTE, strict=False):
            here = rows[rows["series"] == name]
            gap = here["error"].to_numpy() - base["error"].to_numpy()
            theory(ax, here["x"], gap, label=name, color=color, linestyle="-")
        ax.axhline(0, color=INK, linewidth=0.8)
        ax.set(title=f"p/n{panel[1:]}", xscale="log", xlabel="ridge γ of the raw tokens")
    axes[0, 0].set_ylabel("E(attention at ϱγ) − E(ridge at γ)")
    axes[0, 0].legend()
    return canvas


def verification(tables: Tables) -> Canvas:
    """Theory against simulation."""
    table = tables["simulations"]
    canvas, axes = panels(1, 2, width=3.7, height=3.3)
    titles = {"limit": "a  Without signal", "signal": "b  With signal"}
    for ax, (figure, title) in zip(axes[0], titles.items(), strict=True):
        rows = table[table["figure"] == figure]
        for f, color in zip(FUNCTIONS, [*PALETTE[:7], PALETTE[8], PALETTE[9]], strict=True):
            here = rows[rows["f"] == f].assign(
                point=lambda r: r.groupby(["panel", "gamma", "n"]).ngroup()
            )
            if here.empty:
                continue
            means = spread(here, "point", "error").merge(
                here.groupby("point")["theory"].first(), on="point"
            )
            ax.errorbar(
                means["theory"],
                means["mean"],
                whiskers(means),
                fmt="o",
                color=color,
                label=f,
                markersize=3,
            )
        ends = np.array([rows["theory"].min() * 0.8, 1])
        theory(ax, ends, ends, label=None)
        ax.set(title=title, xscale="log", yscale="log", xlabel="theory", ylabel="simulation")
        ax.legend(fontsize=7)
    return canvas


def strong(tables: Tables) -> Canvas:
    """Signals that reach the nonlinearity."""
    table = tables["variants"]
    table = table[table["figure"] == "strong"].assign(ratio=lambda r: r["error"] / r["ridge"])
    canvas, axes = panels(1, 2, width=3.5, height=2.8, sharey=True)
    for ax, (panel, title) in zip(
        axes[0], (("none", "a  No spike"), ("aligned", "b  Aligned spike")), strict=True
    ):
        for f, color in (("linear", PALETTE[2]), ("tanh", PALETTE[0])):
            rows = table[(table["panel"] == panel) & (table["f"] == f)]
            points(ax, rows, "x", "ratio", color=color, label=f"{f}, simulated", line=False)
            if f == "tanh":
                line = rows.groupby("x")[["theory", "ridge_theory"]].first()
                theory(
                    ax,
                    line.index,
                    line["theory"] / line["ridge_theory"],
                    label="tanh, corrected theory",
                    color=color,
                )
        ax.axhline(1, color=INK, linewidth=1, label="theory for weak signals")
        ax.set(title=title, xscale="log", yscale="log", xlabel=r"$s = \mu^\top W\mu/\sqrt{p}$")
        log_ticks(ax.xaxis)
        log_ticks(ax.yaxis)
    axes[0, 0].set_ylabel("E(attention) / E(ridge)")
    axes[0, 0].legend()
    return canvas


def variants(tables: Tables) -> Canvas:
    """Beyond the paper's model."""
    table = tables["variants"]
    table = table[table["figure"].isin(["variants", "noises"])]
    names = list(dict.fromkeys(table["panel"]))
    columns = 4
    canvas, axes = panels(-(-len(names) // columns), columns, width=2.4, height=2.1, sharex=True)
    for ax in axes.ravel()[len(names) :]:
        ax.set_visible(False)
    for ax, name in zip(axes.ravel(), names, strict=False):
        rows = table[table["panel"] == name].sort_values("gamma")
        line = rows.groupby("gamma")["theory"].first()
        theory(ax, line.index, line, label="theory")
        points(ax, rows, "gamma", "error", color=PALETTE[0], line=False, label="simulation")
        ax.set(title=name, xscale="log", ylim=(-0.03, 1.03))
        ax.title.set_fontsize(8)
        ax.tick_params(labelbottom=True)
        ax.set_xlabel(GAMMA)
    for ax in axes[:, 0]:
        ax.set_ylabel(ERROR)
    axes[0, 0].legend()
    return canvas


def trained(tables: Tables) -> Canvas:
    """Weights learnt by gradient descent."""
    table = tables["trained"].assign(at=lambda r: r["step"] + 1)
    gammas = sorted(table["gamma"].unique())
    titles = {
        "theory": "a  Descent of the theory",
        "fresh": "b  Fresh contexts",
        "same": "c  One context, itself",
        "same, elsewhere": "d  One context, others",
    }
    canvas, axes = panels(2, len(titles), width=2.5, height=2.3, sharex=True, sharey="row")
    for column, (objective, title) in enumerate(titles.items()):
        rows = table[table["objective"] == objective]
        for gamma, color in zip(
            gammas, (PALETTE[0], PALETTE[3], PALETTE[2], PALETTE[4]), strict=False
        ):
            here = rows[rows["gamma"] == gamma]
            here = here.assign(key=here["key"].abs(), query=here["query"].abs())
            label = f"γ = {gamma:g}"
            points(axes[0, column], here, "at", "query", color=color, label=f"query, {label}")
            points(
                axes[0, column],
                here,
                "at",
                "key",
                color=color,
                marker="s",
                label=f"key, {label}",
                alpha=0.5,
            )
            points(axes[1, column], here, "at", "error", color=color, label=f"attention, {label}")
            theory(
                axes[1, column],
                [1, here["at"].max()],
                [here["ridge"].mean()] * 2,
                f"ridge, {label}",
                color=color,
            )
        axes[0, column].set(title=title, xscale="log")
        axes[1, column].set(xlabel="step + 1")
        log_ticks(axes[1, column].xaxis)
    axes[0, 0].set_ylabel("|cosine| with the signal")
    axes[1, 0].set_ylabel(ERROR)
    entries = [
        entry for ax in axes[:, 0] for entry in zip(*ax.get_legend_handles_labels(), strict=True)
    ]
    legend_below(canvas, 4, *zip(*entries, strict=True))
    return canvas


def embeddings(tables: Tables) -> Canvas:
    """Real inputs as tokens."""
    table = tables["embeddings"]
    labels = [name for name in ("random", "real") if name in set(table["labels"])]
    functions = list(dict.fromkeys(table["f"]))
    canvas, axes = panels(1, len(labels) + 1, width=3.2, height=2.9)
    random = table[table["labels"] == "random"]
    for f, color in zip(functions, PALETTE, strict=False):
        rows = random[random["f"] == f]
        for kind, line in (("isotropic", ":"), ("anisotropic", "--")):
            curve = rows.groupby("gamma")[kind].first()
            theory(axes[0, 0], curve.index, curve, label=None, color=color, linestyle=line)
        points(axes[0, 0], rows, "gamma", "error", color=color, line=False, label=f)
        for ax, name in zip(axes[0, 1:], labels, strict=True):
            here = table[(table["labels"] == name) & (table["f"] == f)]
            points(
                ax,
                here.assign(gap=here["error"] - here["ridge"]),
                "gamma",
                "gap",
                color=color,
                label=f,
            )
    axes[0, 0].plot([], [], color=INK, linestyle="--", label="theory, measured spectrum")
    axes[0, 0].plot([], [], color=INK, linestyle=":", label="theory, isotropic")
    axes[0, 0].set(title="a  Random labels", ylabel=ERROR)
    axes[0, 0].legend(fontsize=7)
    for ax, name, letter in zip(axes[0, 1:], labels, "bc", strict=False):
        ax.axhline(0, color=INK, linewidth=0.8)
        ax.set(title=f"{letter}  Gap, {name} labels", ylabel="E(attention) − E(ridge)")
    for ax in axes[0]:
        ax.set(xscale="log", xlabel=GAMMA)
    return canvas
