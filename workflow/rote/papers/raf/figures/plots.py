"""The paper's figures (our reconstruction of their content) and our additions: theory lines,
simulation markers.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from rote.plotting import (
    FAINT,
    INK,
    PALETTE,
    heat,
    legend_below,
    log_ticks,
    panels,
    points,
    shade,
    spread,
    theory,
    whiskers,
)
from rote.theory import raf

Tables = Mapping[str, pd.DataFrame]
COLOR = {"square": PALETTE[0], "hinge": PALETTE[3], "Bayes": INK}
ERRORS = {"e_gen": "generalization error", "e_mem": "memorization error"}


def _curve(tables: Tables, figure: str, series: str | None = None) -> pd.DataFrame:
    table = tables["curves"]
    table = table[table["figure"] == figure]
    return table if series is None else table[table["series"] == series]


def _markers(tables: Tables, label: str, series: str) -> pd.DataFrame:
    table = tables["simulations"]
    return table[(table["label"] == label) & (table["series"] == series)]


def linear(tables: Tables) -> Canvas:
    """F1: the linear learner against the number of samples."""
    canvas, axes = panels(1, 2, width=4, height=3)
    styles = {
        "square, λ → 0": (COLOR["square"], ":"),
        "square, λ_opt": (COLOR["square"], "-"),
        "hinge, λ → 0": (COLOR["hinge"], ":"),
        "hinge, best λ": (COLOR["hinge"], "-"),
        "Bayes": (INK, "--"),
    }
    eps = _curve(tables, "linear")["eps"].iloc[0]
    for ax, (value, label) in zip(axes[0], ERRORS.items(), strict=True):
        for series, (color, line) in styles.items():
            rows = _curve(tables, "linear", series)
            if not rows[value].isna().all():
                theory(ax, rows["alpha"], rows[value], label=series, color=color, linestyle=line)
            dots = _markers(tables, "linear", series)
            if len(dots):
                points(ax, dots, "alpha", value, color=color, line=False)
        for x, text in ((1, "n = d"), (float(raf.capacity(eps)), r"$\alpha_c$")):
            ax.axvline(x, color=FAINT, linewidth=0.8)
            ax.annotate(
                text,
                (x, 1),
                xycoords=("data", "axes fraction"),
                fontsize=7.5,
                color=FAINT,
                va="bottom",
                ha="center",
            )
        ax.set(
            xscale="log", xlabel=r"samples per dimension $\alpha$", ylabel=label, ylim=(-0.01, 0.52)
        )
        log_ticks(ax.xaxis)
    legend_below(canvas, 5, *axes[0, 0].get_legend_handles_labels())
    return canvas


def tradeoff(tables: Tables) -> Canvas:
    """F2: both errors as the ridge varies, one curve per kernel angle."""
    canvas, axes = panels(1, 2, width=3.6, height=3, sharey=True)
    table = _curve(tables, "tradeoff")
    angles = sorted(table["gamma"].unique())
    bayes = float(raf.bayes_optimal(table["alpha"].iloc[0], table["eps"].iloc[0]))
    for ax, loss in zip(axes[0], ("square", "hinge"), strict=True):
        for gamma, color in zip(angles, shade(len(angles)), strict=True):
            rows = table[(table["loss"] == loss) & (table["gamma"] == gamma)].sort_values("lam")
            theory(
                ax, rows["e_gen"], rows["e_mem"], label=f"{gamma:g}°", color=color, linestyle="-"
            )
            dots = tables["simulations"]
            dots = dots[
                (dots["label"] == "angle")
                & (dots["loss"] == loss)
                & np.isclose(dots["gamma"], gamma, atol=1)
            ]
            for _, group in dots.groupby("row"):
                means = group[["e_gen", "e_mem"]].mean()
                errors = 1.96 * group[["e_gen", "e_mem"]].sem()
                ax.errorbar(
                    means["e_gen"],
                    means["e_mem"],
                    errors["e_mem"],
                    errors["e_gen"],
                    "o",
                    color=color,
                )
        ax.axvline(bayes, color=INK, linestyle="--", linewidth=1)
        ax.set(title=loss, xlabel="generalization error", xlim=(bayes - 0.01, 0.26))
    axes[0, 0].set_ylabel("memorization error")
    canvas.legend(
        *axes[0, 0].get_legend_handles_labels(), title="kernel\nangle γ", loc="outside right center"
    )
    return canvas


def angle(tables: Tables) -> Canvas:
    """F3: both errors against the kernel angle."""
    canvas, axes = panels(1, 2, width=3.8, height=3)
    eps = _curve(tables, "angle")["eps"].iloc[0]
    bayes = float(raf.bayes_optimal(_curve(tables, "angle")["alpha"].iloc[0], eps))
    for ax, (value, label) in zip(axes[0], ERRORS.items(), strict=True):
        for loss in ("square", "hinge"):
            for series, line in ((f"{loss}, best λ", "-"), (f"{loss}, λ → 0", ":")):
                rows = _curve(tables, "angle", series)
                theory(
                    ax, rows["gamma"], rows[value], label=series, color=COLOR[loss], linestyle=line
                )
            dots = _markers(tables, "angle", f"{loss}, best λ")
            points(
                ax,
                dots.assign(gamma=dots["gamma"].round(2)),
                "gamma",
                value,
                color=COLOR[loss],
                line=False,
            )
        ax.axvline(float(raf.optimal_angle(eps)), color=FAINT, linewidth=0.8)
        ax.set(xlabel="kernel angle γ (degrees)", ylabel=label)
    axes[0, 0].axhline(bayes, color=INK, linestyle="--", linewidth=1, label="Bayes")
    axes[0, 0].set_ylim(bayes - 0.005, 0.25)
    legend_below(canvas, 5, *axes[0, 0].get_legend_handles_labels())
    return canvas


def optima(tables: Tables) -> Canvas:
    """F4: the optimal angle and ridge against the fraction of facts."""
    canvas, axes = panels(1, 2, width=3.6, height=2.8)
    eps = np.linspace(0, 0.9, 200)
    theory(
        axes[0, 0],
        eps,
        raf.optimal_angle(eps),
        label=r"$\cos\gamma = (1-\epsilon)\sqrt{2/\pi}$",
        linestyle="-",
    )
    rows = _curve(tables, "optima")
    axes[0, 0].plot(
        rows["eps"], rows["gamma"], "o", color=COLOR["square"], label="best angle on a grid"
    )
    axes[0, 0].set(
        xlabel="fraction of facts ε", ylabel="optimal angle (degrees)", title="a  Interpolator"
    )
    axes[0, 0].legend()
    kernels = {
        "linear": (1.0, 0.0),
        "erf": (0.65147, 0.200364),
        "ReLU": (0.5, 0.301405),
        "sign": (0.797885, 0.60281),
    }
    for (name, (mu1, mustar)), color in zip(kernels.items(), shade(4), strict=True):
        theory(
            axes[0, 1],
            eps,
            raf.optimal_ridge(eps, mu1, mustar),
            label=name,
            color=color,
            linestyle="-",
        )
    axes[0, 1].set(
        xlabel="fraction of facts ε",
        ylabel="optimal ridge λ",
        title="b  Ridge regression",
        yscale="log",
        ylim=(0.03, 200),
    )
    log_ticks(axes[0, 1].yaxis)
    axes[0, 1].legend()
    return canvas


def rates(tables: Tables) -> Canvas:
    """F5: the generalization error for large samples."""
    canvas, axes = panels(1, 2, width=3.8, height=3)
    table = _curve(tables, "rates")
    colors = dict(
        zip(
            table["series"].unique(),
            (PALETTE[0], PALETTE[1], PALETTE[3], PALETTE[4], INK),
            strict=True,
        )
    )
    for series, color in colors.items():
        rows = table[table["series"] == series]
        line = "--" if series == "Bayes" else "-"
        theory(axes[0, 0], rows["alpha"], rows["e_gen"], label=series, color=color, linestyle=line)
        slope = np.gradient(np.log(rows["e_gen"].to_numpy()), np.log(rows["alpha"].to_numpy()))
        theory(axes[0, 1], rows["alpha"], slope, label=None, color=color, linestyle=line)
    for power in (-0.5, -1.0):
        axes[0, 1].axhline(power, color=FAINT, linewidth=0.8, linestyle=":")
    axes[0, 0].set(
        xscale="log",
        yscale="log",
        xlabel=r"$\alpha$",
        ylabel="generalization error",
        title="a  Error",
    )
    axes[0, 1].set(
        xscale="log", xlabel=r"$\alpha$", ylabel="local slope", title="b  Exponent", ylim=(-1.15, 0)
    )
    legend_below(canvas, 3, *axes[0, 0].get_legend_handles_labels())
    return canvas


def features(tables: Tables) -> Canvas:
    """F6: random features of finite width."""
    canvas, axes = panels(2, 2, width=3.6, height=2.5, sharex=True)
    table = _curve(tables, "features")
    lams = sorted(table["lam"].unique())
    for column, alpha in enumerate(sorted(table["alpha"].unique())):
        for ax, (value, label) in zip(axes[:, column], ERRORS.items(), strict=True):
            for loss, line in (("square", "-"), ("hinge", "--")):
                for lam, color in zip(lams, shade(len(lams)), strict=True):
                    rows = table[
                        (table["alpha"] == alpha) & (table["loss"] == loss) & (table["lam"] == lam)
                    ]
                    wide = rows[rows["kappa"].notna()].sort_values("kappa")
                    theory(
                        ax,
                        wide["kappa"],
                        wide[value],
                        label=f"{loss}, λ = {lam:g}",
                        color=color,
                        linestyle=line,
                    )
                    if lam == 0.1:
                        dots = _markers(tables, "features", f"{loss}, λ = 0.1")
                        dots = dots[dots["alpha"] == alpha]
                        marker = "o" if loss == "square" else "s"
                        if len(dots):
                            points(ax, dots, "kappa", value, color=color, line=False, marker=marker)
            ax.axvline(alpha, color=FAINT, linewidth=0.8)
            ax.set(xscale="log", ylabel=label if column == 0 else "")
        axes[0, column].set_title(f"α = {alpha:g} (line: p = n)")
        axes[1, column].set_xlabel("features per dimension κ")
    legend_below(canvas, 3, *axes[0, 0].get_legend_handles_labels())
    return canvas


def real(tables: Tables) -> Canvas:
    """F7: the trade-off on real images."""
    table = tables["real"]
    canvas, axes = panels(1, 2, width=3.8, height=3)
    etas = sorted(table["eta"].unique())
    for eta, color in zip(etas, shade(len(etas)), strict=True):
        means = table[table["eta"] == eta].groupby("lam")[["e_gen", "e_mem"]].mean()
        axes[0, 0].plot(
            means["e_gen"],
            means["e_mem"],
            "-o",
            color=color,
            label=f"η = {eta:g}",
            markersize=2.5,
            linewidth=1,
        )
        best = []
        for _, rows in table[table["eta"] == eta].groupby("replicate"):
            best.append((eta, rows["e_gen"].min(), rows.loc[rows["e_mem"] <= 0.01, "e_gen"].min()))
        frame = pd.DataFrame(best, columns=["eta", "any", "kept"])
        points(
            axes[0, 1],
            frame,
            "eta",
            "any",
            color=PALETTE[0],
            label="best" if eta == etas[0] else None,
        )
        label = "best with ≤ 1 % of facts lost" if eta == etas[0] else None
        points(axes[0, 1], frame, "eta", "kept", color=PALETTE[3], marker="s", label=label)
    low = table["e_gen"].min()
    axes[0, 0].set(
        xlabel="test error",
        ylabel="memorization error",
        title="a  Sweep over λ",
        xlim=(max(low - 0.001, 0), 0.03),
    )
    axes[0, 0].legend(fontsize=7)
    axes[0, 1].set(
        xscale="log",
        xlabel="η (small: near linear)",
        ylabel="test error",
        title="b  What memory costs",
    )
    axes[0, 1].legend()
    return canvas


def phases(tables: Tables) -> Canvas:
    """F8a: both errors over samples and facts."""
    canvas, axes = panels(2, 2, width=3.7, height=2.8)
    table = _curve(tables, "phase_alpha")
    for row, series in enumerate(table["series"].unique()):
        rows = table[table["series"] == series]
        eps = np.sort(rows["eps"].unique())
        for ax, (value, label) in zip(axes[row], ERRORS.items(), strict=True):
            heat(canvas, ax, rows, "alpha", "eps", value, label, limits=(0, 0.5))
            if "linear" in series:
                ax.plot(raf.capacity(eps), eps, color="white", linewidth=1.5)
            ax.set(
                xscale="log",
                xlabel=r"samples per dimension $\alpha$",
                title=series,
                xlim=rows["alpha"].agg(["min", "max"]),
            )
            ax.set_ylabel("fraction of facts ε")
            log_ticks(ax.xaxis)
    return canvas


def phase_angle(tables: Tables) -> Canvas:
    """F8b: both errors over kernel angle and ridge, and where both are near their best."""
    canvas, axes = panels(2, 3, width=3.2, height=2.7)
    table = _curve(tables, "phase_angle")
    for row, loss in enumerate(("square", "hinge")):
        rows = table[table["loss"] == loss].copy()
        rows["both"] = (
            (rows["e_gen"] <= 1.05 * rows["e_gen"].min()) & (rows["e_mem"] <= 0.05)
        ).astype(float)
        contents = {
            "e_gen": ("generalization error", (None, 0.25)),
            "e_mem": ("memorization error", (0, 0.5)),
        }
        for ax, (value, (label, limits)) in zip(axes[row], contents.items(), strict=False):
            heat(canvas, ax, rows, "gamma", "lam", value, label, limits=limits)
        heat(canvas, axes[row, 2], rows, "gamma", "lam", "both", None, limits=(0, 1))
        for ax, title in zip(axes[row], ("rule", "facts", "both within 5 %"), strict=True):
            ax.axvline(
                float(raf.optimal_angle(rows["eps"].iloc[0])),
                color="white",
                linewidth=1,
                linestyle="--",
            )
            ax.set(yscale="log", xlabel="kernel angle γ (degrees)", title=f"{loss}: {title}")
        axes[row, 0].set_ylabel("ridge λ")
    return canvas


def verification(tables: Tables) -> Canvas:
    """Theory against simulation for every verification row."""
    table = tables["simulations"]
    table = table[table["label"].isin(["verification", "bayes"])]
    canvas, axes = panels(1, 2, width=3.6, height=3.2)
    for ax, (value, label) in zip(axes[0], ERRORS.items(), strict=True):
        for loss, color in zip(("square", "hinge", "logistic", "bayes"), (0, 3, 2, 7), strict=True):
            rows = table[(table["loss"] == loss) & table[value].notna()]
            if rows.empty:
                continue
            means = spread(rows, "row", value).merge(
                rows.groupby("row")[f"{value}_theory"].first(), on="row"
            )
            ax.errorbar(
                means[f"{value}_theory"],
                means["mean"],
                whiskers(means),
                fmt="o",
                color=PALETTE[color],
                label=loss,
            )
        ends = np.array([table[f"{value}_theory"].min(), table[f"{value}_theory"].max()])
        theory(ax, ends, ends, label=None)
        ax.set(xlabel="theory", ylabel="simulation", title=label)
    axes[0, 0].legend()
    return canvas


def kernels(tables: Tables) -> Canvas:
    """True kernels minus their equivalent models, and separability around the capacity."""
    canvas, axes = panels(1, 2, width=3.8, height=2.8)
    table = tables["universality"].copy()
    table["difference"] = table["e_gen_true"] - table["e_gen_model"]
    names = sorted(table["kernel"].unique())
    for offset, loss in ((-0.12, "square"), (0.12, "hinge")):
        rows = table[table["loss"] == loss]
        rows = rows.assign(x=rows["kernel"].map(names.index) + offset)
        points(axes[0, 0], rows, "x", "difference", color=COLOR[loss], label=loss, line=False)
    axes[0, 0].axhline(0, color=INK, linewidth=1, linestyle="--")
    axes[0, 0].set_xticks(range(len(names)), names)
    axes[0, 0].set(title="a  Universality", ylabel="E_gen, true kernel − model")
    axes[0, 0].legend(loc="upper left")
    table = tables["separability"].astype({"separable": float})
    points(axes[0, 1], table, "alpha", "separable", color=PALETTE[2])
    axes[0, 1].axvline(
        table["capacity"].iloc[0],
        color=INK,
        linestyle="--",
        linewidth=1,
        label=r"theory, $\alpha_c$",
    )
    axes[0, 1].set(
        title="b  Capacity", xlabel=r"samples per dimension $\alpha$", ylabel="share separable"
    )
    axes[0, 1].legend()
    return canvas


def two_layer(tables: Tables) -> Canvas:
    """Trained two-layer networks: does feature learning change the exponent?"""
    table = tables["two_layer"]
    canvas, axes = panels(1, 2, width=3.8, height=3)
    widest = table[table["width"] == table["width"].max()]
    groups = list(widest.groupby(["scale", "weight_decay"]))
    for ax, (value, label) in zip(axes[0], ERRORS.items(), strict=True):
        for ((scale, decay), rows), color in zip(groups, shade(len(groups)), strict=True):
            points(ax, rows, "alpha", value, color=color, label=f"init {scale:g}, decay {decay:g}")
        ax.set(xscale="log", xlabel=r"samples per dimension $\alpha$", ylabel=label)
        log_ticks(ax.xaxis)
    alphas = np.geomspace(table["alpha"].min(), table["alpha"].max(), 50)
    _reference_lines(axes[0, 0], alphas)
    axes[0, 0].set_yscale("log")
    log_ticks(axes[0, 0].yaxis)
    legend_below(canvas, 3, *axes[0, 0].get_legend_handles_labels())
    return canvas


def _reference_lines(ax: Axes, alphas: np.ndarray, eps: float = 0.1) -> None:
    best = raf.solve("square", alphas, eps, 0.0, gamma=float(raf.optimal_angle(eps))).e_gen
    theory(ax, alphas, best, label="best ridge (slope → −1/2)", linestyle=":")
    theory(ax, alphas, raf.bayes_optimal(alphas, eps), label="Bayes (slope → −1)")
