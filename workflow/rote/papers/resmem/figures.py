"""The paper's experiments on data that need no download, and ours; base, memory alone, ResMem and kNN-LM throughout."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from rote.figures import (
    FAINT,
    INK,
    PALETTE,
    Figure,
    categories,
    heat,
    log_ticks,
    panels,
    points,
    shade,
    spread,
    theory,
)  # fmt: skip
from rote.theory import lookup

Tables = Mapping[str, pd.DataFrame]
METHODS = {"base": (INK, "o"), "knn": (PALETTE[2], "s"), "resmem": (PALETTE[0], "D"), "mix": (PALETTE[1], "^")}
NAMES = {"base": "base", "knn": "kNN alone", "resmem": "ResMem", "mix": "kNN-LM mix"}
TASKS = {"digits": "Digits, hidden units", "longtail": "Long tail, training images", "fine": "Coarse and fine, width",
         "mnist": "MNIST-10k, width", "cifar": "CIFAR-100, depth"}  # fmt: skip


def _legend(canvas: Canvas, ax: Axes, columns: int = 4) -> None:
    canvas.legend(*ax.get_legend_handles_labels(), loc="outside lower center", ncols=columns, fontsize=7)


def toy(tables: Tables) -> Canvas:
    """A cubic, its residuals, and what neighbours remember of them (the paper's illustration)."""
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
        ax.plot(grid["x"], grid[wanted], color=FAINT, linewidth=1, label="target" if dots is None else "residual")
        ax.plot(
            grid["x"],
            grid[found],
            color=PALETTE[0],
            label={"base": "cubic", "remembered": "5-NN of residuals"}.get(found, "ResMem"),
        )
        if dots:
            ax.plot(seen["x"], seen[dots], ".", color=INK, markersize=3, label="training residuals")
        ax.set(
            title=title + ("" if dots else f", error {error(found)}"), xlabel="x", ylim=(None, 2.2 if not dots else 1.1)
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
            ("base", "base", INK, "o"), ("nearest", "nearest neighbour", PALETTE[2], "s"),
            ("resmem", "ResMem", PALETTE[0], "D"),
        ):  # fmt: skip
            points(ax, some, "examples", column, label=label, color=color, marker=marker, line=False)
        theory(ax, n, np.full(len(n), lookup.plateau(d, norm)), "plateau", linestyle=":")
        theory(ax, n, lookup.leading(n, d, norm), "leading term", color=PALETTE[0])
        bound = lookup.bound(n, d, norm)
        theory(ax, n, bound * float(lookup.plateau(d, norm)) / bound[0], "published bound, scaled", color=FAINT)
        ax.set(xscale="log", yscale="log", xlabel="training points n", title=f"d = {d}")
        log_ticks(ax.yaxis)
    axes[0, 0].set_ylabel("test risk")
    _legend(canvas, axes[0, 0], 6)
    return canvas


def slope(tables: Tables) -> pd.DataFrame:
    """Log-log slope of each risk over n ≥ 300, per dimension and replicate."""
    rows, out = _risks(tables), []
    for (d, replicate), some in rows[rows["examples"] >= 300].groupby(["dimension", "replicate"]):
        n = np.log(some["examples"])
        out.append((d, replicate, *(np.polyfit(n, np.log(some[c]), 1)[0] for c in ("base", "nearest", "resmem"))))
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
    ax.set(xlabel="norm L of the base", ylabel="ResMem / nearest neighbour", title="b  Gain over kNN alone")
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
        ax.set(xscale="log", yscale="log", xlabel="neighbours k", title=f"n = {n}")
        log_ticks(ax.xaxis)
    axes[0, 0].set_ylabel("test risk")
    _legend(canvas, axes[0, 0], 7)
    return canvas


def _series(task: str, rows: pd.DataFrame) -> pd.DataFrame:
    """The arms of a task along one axis: hidden units, training images, or width; others left out."""
    if task == "digits":
        rows = rows[rows["noise"] == 0]
        x = rows["arm"].map(lambda arm: 0 if arm == "linear" else int(arm.split()[0]))
    elif task == "longtail":
        first = rows["arm"].iloc[0].split(",")[0]
        rows = rows[rows["arm"].str.startswith(first)]
        x = rows["rows"]
    else:
        rows = rows[rows["arm"].str.fullmatch(r"depth \d+" if task == "cifar" else r"width \d+")]
        x = rows["arm"].str.split().str[1].astype(int)
    return rows.assign(x=x)


def size(tables: Tables) -> Canvas:
    """Accuracy by size of the base and of the training set, every method."""
    rows = tables["accuracy"]
    shown = [task for task in TASKS if task in set(rows["task"])]
    canvas, axes = panels(2, len(shown), width=2.7, height=2.4, sharey="col")
    for column, task in enumerate(shown):
        some = _series(task, rows[rows["task"] == task])
        kinds = [kind for kind in ("last", "map", "inputs") if kind in set(some["features"])]
        for ax, kind in zip(axes[:, column], kinds[:: max(1, len(kinds) - 1)][:2], strict=False):
            part = some[some["features"] == kind] if kind in kinds else some
            for method, (color, marker) in METHODS.items():
                points(ax, part, "x", method, color=color, marker=marker, label=NAMES[method])
            what = {"last": "last layer", "map": "feature map", "inputs": "inputs"}[kind]
            ax.set(title=f"{TASKS[task].split(',')[0]}: {what}", xlabel=TASKS[task].split(", ")[1])
            ax.set_xscale("symlog" if task == "digits" else "log", **({"linthresh": 2} if task == "digits" else {}))
            if task != "digits":
                log_ticks(ax.xaxis)
            else:
                units = sorted(part["x"].unique())
                ax.set_xticks(units, ["linear" if u == 0 else str(u) for u in units], fontsize=6.5)
                ax.minorticks_off()
    for ax in axes[:, 0]:
        ax.set_ylabel("test accuracy")
    for ax in axes.flat:
        ax.set_visible(ax.has_data())
    _legend(canvas, axes[0, 0])
    return canvas


def examples(tables: Tables) -> Canvas:
    """Gain over the base, and over the memory alone."""
    rows = tables["accuracy"]
    rows = rows[rows["noise"] == 0]
    found = rows.assign(over_base=100 * (rows["resmem"] - rows["base"]), over_knn=100 * (rows["resmem"] - rows["knn"]))
    keys = ["task", "arm", "features", "rows"]
    groups = [(key, some) for key, some in found.groupby(keys, sort=False)][::-1]
    canvas, axes = panels(1, 2, width=3.9, height=0.8 + 0.17 * len(groups), sharey=True)
    for ax, column, title in (
        (axes[0, 0], "over_base", "a  ResMem − base"), (axes[0, 1], "over_knn", "b  ResMem − kNN alone"),
    ):  # fmt: skip
        for place, (_, some) in enumerate(groups):
            table = spread(some.assign(all=0), "all", column).iloc[0]
            ax.plot([table["low"], table["high"]], [place, place], color=PALETTE[0])
            ax.plot(table["mean"], place, "o", color=PALETTE[0])
        ax.axvline(0, color=FAINT, linewidth=0.8)
        ax.set(title=title, xlabel="points of accuracy", ylim=(-0.6, len(groups) - 0.4))
    names = [
        f"{task}: {arm}{f', {rows_:,} rows' if task == 'text' else ''}, {kind}"
        for (task, arm, kind, rows_), _ in groups
    ]
    categories(axes[0, 0].yaxis, names)
    axes[0, 0].tick_params(axis="y", labelsize=6.5)
    return canvas


def grid(tables: Tables) -> Canvas:
    """Accuracy of ResMem over neighbours, bandwidth and temperature."""
    rows = tables["grid"]
    some = rows[(rows["task"] == "fine") & (rows["features"] == "last")]
    some = some[some["arm"] == sorted(some["arm"].unique())[0]]
    temperatures = [t for t in sorted(some["temperature"].unique()) if t > 0] + [-1.0]
    canvas, axes = panels(1, len(temperatures), width=2.1, height=2.3, sharey=True)
    mean = some.groupby(["temperature", "k", "bandwidth"], as_index=False)["accuracy"].mean()
    limits = (float(mean["accuracy"].min()), float(mean["accuracy"].max()))
    ks, widths = sorted(mean["k"].unique()), [b for b in sorted(mean["bandwidth"].unique()) if b > 0] + [-1.0]
    mean["row"], mean["column"] = mean["k"].map(ks.index), mean["bandwidth"].map(widths.index)
    for ax, temperature in zip(axes[0], temperatures, strict=True):
        last = temperature == temperatures[-1]
        heat(canvas, ax, mean[mean["temperature"] == temperature], "column", "row", "accuracy",
             "test accuracy" if last else None, limits)  # fmt: skip
        categories(ax.xaxis, ["∞" if w < 0 else f"{w:g}" for w in widths])
        ax.set(title=f"T = {'∞' if temperature < 0 else f'{temperature:g}'}", xlabel="bandwidth")
    categories(axes[0, 0].yaxis, ks)
    axes[0, 0].set_ylabel("neighbours k")
    return canvas


def labels(tables: Tables) -> Canvas:
    """Label noise on digits under a linear base."""
    rows, sweeps = tables["accuracy"], tables["sweeps"]
    rows = rows[(rows["task"] == "digits") & rows["arm"].str.startswith("linear")]
    known = rows.drop_duplicates("arm").set_index("arm")["noise"]
    canvas, axes = panels(1, 2, width=3.4, height=2.8, sharey=True)
    for method, (color, marker) in METHODS.items():
        points(axes[0, 0], rows, "noise", method, color=color, marker=marker, label=NAMES[method])
    sweeps = sweeps[(sweeps["task"] == "digits") & sweeps["arm"].isin(known.index) & (sweeps["over"] == "k")]
    sweeps = sweeps.assign(noise=sweeps["arm"].map(known))
    ks = sorted(sweeps["value"].unique())
    for k, color in zip(ks, shade(len(ks)), strict=True):
        points(axes[0, 1], sweeps[sweeps["value"] == k], "noise", "accuracy", color=color, label=f"k = {k:g}")
    points(axes[0, 1], rows, "noise", "base", color=INK, label="base", linestyle="--")
    for ax, title in ((axes[0, 0], "a  Tuned on clean images"), (axes[0, 1], "b  ResMem at fixed k, T = 1")):
        ax.set(xlabel="share of labels drawn anew", title=title)
        ax.legend(fontsize=7)
    axes[0, 0].set_ylabel("test accuracy")
    return canvas


def frequency(tables: Tables) -> Canvas:
    """The long tail: accuracy by how often a subpopulation was in training."""
    rows = tables["parts"]
    rows = rows[(rows["task"] == "longtail") & (rows["by"] == "frequency")]
    middle = sorted(rows["rows"].unique())[len(rows["rows"].unique()) // 2]
    rows = rows[rows["rows"] == middle]
    canvas, axes = panels(1, 2, width=3.4, height=2.7, sharey=True)
    for ax, kind in zip(axes[0], ("last", "inputs"), strict=True):
        some = rows[rows["features"] == kind].assign(tenth=lambda r: r["part"].astype(int) + 1)
        for method in ("base", "knn", "resmem"):
            color, marker = METHODS[method]
            points(ax, some, "tenth", method, color=color, marker=marker, label=NAMES[method])
        what = "last layer" if kind == "last" else "inputs"
        ax.set(title=f"n = {middle}, memory of the {what}", xlabel="tenth of the test set, rarest first")
    axes[0, 0].set_ylabel("test accuracy")
    axes[0, 0].legend()
    return canvas


def helps(tables: Tables) -> Canvas:
    """Where the memory helps: by confidence of the base, by what it flips, and within coarse classes."""
    rows = tables["parts"]
    rows = rows[(rows["task"] == "fine") & (rows["features"] == "last")]
    arms = [arm for arm in dict.fromkeys(rows["arm"]) if "," not in arm]
    canvas, axes = panels(1, 3, width=3.1, height=2.7)
    ax, smallest = axes[0, 0], rows[(rows["arm"] == arms[0]) & (rows["by"] == "confidence")]
    smallest = smallest.assign(quarter=smallest["part"].astype(int) + 1)
    for method in ("base", "knn", "resmem"):
        color, marker = METHODS[method]
        points(ax, smallest, "quarter", method, color=color, marker=marker, label=NAMES[method])
    ax.set(title=f"a  By confidence, {arms[0]}", xlabel="quarter of the base's confidence", ylabel="test accuracy")
    ax.legend()
    for ax, by, parts, title, label in (
        (axes[0, 1], "flips", ("fixed", "broken"), "b  Flips", "share of the test set"),
        (axes[0, 2], "coarse", ("fixed", "wrong"), "c  Coarse class right already", "share"),
    ):
        for part, color in zip(parts, (PALETTE[0], PALETTE[3] if by == "flips" else INK), strict=True):
            some = rows[(rows["by"] == by) & (rows["part"] == part) & rows["arm"].isin(arms)]
            some = some.assign(place=some["arm"].map(arms.index))
            name = {"wrong": "all errors of the base", "fixed": "errors that ResMem fixes", "broken": "it breaks"}[part]
            points(ax, some, "place", "share", color=color, label=name)
        categories(ax.xaxis, arms)
        ax.set(title=title, ylabel=label, ylim=(0, None))
        ax.legend(fontsize=7)
    return canvas


def text(tables: Tables) -> Canvas:
    """Next characters: accuracy and log-probability by memory size."""
    rows, calibrated = tables["accuracy"], tables["calibration"]
    rows, calibrated = rows[rows["task"] == "text"], calibrated[calibrated["task"] == "text"]
    arms = list(dict.fromkeys(rows["arm"]))
    canvas, axes = panels(2, len(arms), width=3.3, height=2.3, sharex=True, sharey="row")
    methods = {"base": "base", "kNN": "knn", "ResMem, clipped": "resmem", "kNN-LM": "mix"}
    for column, arm in enumerate(arms):
        for method, (color, marker) in METHODS.items():
            points(
                axes[0, column],
                rows[rows["arm"] == arm],
                "rows",
                method,
                color=color,
                marker=marker,
                label=NAMES[method],
            )
        for name, method in methods.items():
            color, marker = METHODS[method]
            some = calibrated[(calibrated["arm"] == arm) & (calibrated["method"] == name)]
            if method != "knn":  # most characters have no vote at all
                points(axes[1, column], some, "rows", "nll", color=color, marker=marker, label=NAMES[method])
        axes[0, column].set(title=f"Hidden layers of {arm}", xscale="log")
        axes[1, column].set(xlabel="positions remembered", xscale="log")
        log_ticks(axes[1, column].xaxis)
    axes[0, 0].set_ylabel("accuracy")
    axes[1, 0].set_ylabel("negative log-prob. (nats)")
    _legend(canvas, axes[0, 0])
    return canvas


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
        some = some[(some["arm"] == arm) & (some["rows"] == some.loc[some["arm"] == arm, "rows"].max())]
        points(axes[0, 0], some, "value", "accuracy", color=color, label=f"{task}: {arm}")
    axes[0, 0].axvline(1, color=FAINT, linewidth=0.8)
    axes[0, 0].set(xlabel="strength α", ylabel="test accuracy")
    axes[0, 0].legend(fontsize=7)
    return canvas


def calibration(tables: Tables) -> Canvas:
    """How well probabilities made of scores say what will be."""
    rows = tables["calibration"]
    rows = rows[(rows["task"] == "fine") & (rows["features"] == "last")]
    rows = rows[rows["arm"] == rows["arm"].iloc[0]]
    methods = list(dict.fromkeys(rows["method"]))[::-1]
    canvas, axes = panels(1, 4, width=2.1, height=2.5, sharey=True)
    shown = (
        ("accuracy", "accuracy"),
        ("nll", "neg. log-prob. (nats)"),
        ("ece", "calibration error"),
        ("brier", "Brier score"),
    )
    for ax, (column, label) in zip(axes[0], shown, strict=True):
        for place, method in enumerate(methods):
            values = rows.loc[rows["method"] == method, column]
            ax.plot(values, np.full(len(values), place), "o", color=PALETTE[0], markersize=3)
            ax.plot(values.mean(), place, "|", color=INK, markersize=11, markeredgewidth=2)
        ax.set(xlabel=label)
    categories(axes[0, 0].yaxis, methods)
    return canvas


def growth(tables: Tables) -> Canvas:
    """A frozen base with a growing memory, and a memory on a budget."""
    rows = tables["growth"]
    canvas, axes = panels(1, 2, width=3.4, height=2.7)
    base = rows.loc[rows["kind"] == "none", "accuracy"].mean()
    for ax, kinds, title in (
        (axes[0, 0], {"unseen rows": PALETTE[0], "own rows": PALETTE[3]}, "a  Memory grows, base stays"),
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
    names = [("in-sample", False), ("cross-fitted", False), ("in-sample", True), ("cross-fitted", True)]
    canvas, axes = panels(1, 1, width=4.6, height=2.7)
    for place, (kind, tuned) in enumerate(names):
        some = rows[(rows["residuals"] == kind) & (rows["tuned"] == tuned)]
        axes[0, 0].plot(np.full(len(some), place), some["resmem"], "o", color=PALETTE[0 if kind == "in-sample" else 1])
        axes[0, 0].plot(place, some["resmem"].mean(), "_", color=INK, markersize=18)
    axes[0, 0].axhline(rows["base"].mean(), color=INK, linestyle="--", linewidth=1, label="base")
    categories(axes[0, 0].xaxis, [f"{kind}\nT {'tuned' if tuned else '= 1'}" for kind, tuned in names])
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
            some["score"], np.linspace(-0.5, 1, 40), density=True, histtype="step", color=color, label=f"{units} units"
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
    middle = rows[rows["units"] == widths[len(widths) // 2]].set_index(["replicate", "example"])["gain"]
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
    axes[0, 1].set(title="b  By what ResMem stores", xlabel="tenth of 1 − p(label)", ylabel="mean score")
    axes[0, 2].set(title="c  Where a memory helps", xlabel="tenth of the score's rise with width", ylabel="gain")
    axes[0, 0].legend(fontsize=7)
    return canvas


def spurious(tables: Tables) -> Canvas:
    """A spurious feature, a memory, and training that is aware of memorization."""
    rows = tables["spurious"]
    looks = {"base": (INK, "o", "-"), "kNN": (PALETTE[2], "s", "-"), "base, ResMem": (PALETTE[0], "D", "-"),
             "aware": (PALETTE[3], "o", "-"), "aware, ResMem": (PALETTE[3], "D", ":")}  # fmt: skip
    canvas, axes = panels(1, 2, width=3.4, height=2.7)
    for ax, column, title in (
        (axes[0, 0], "conflicting", "a  Where it conflicts"), (axes[0, 1], "agreeing", "b  Where it agrees"),
    ):  # fmt: skip
        for method, (color, marker, style) in looks.items():
            points(ax, rows[rows["method"] == method], "examples", column, color=color, marker=marker, linestyle=style,
                   label=method.replace("aware", "memorization-aware"))  # fmt: skip
        ax.set(xscale="log", xlabel="training rows", ylabel="test accuracy", title=title)
        log_ticks(ax.xaxis)
    _legend(canvas, axes[0, 0], 5)
    return canvas


NO_VALUES = "The paper's values could not be read; our data stand in for its own."
FIGURES: dict[str, Figure] = {
    "toy": Figure(toy, ("toy",), "A base, its residuals, and a memory of them",
        "A cubic fitted to 200 points, the average of its residuals over the 5 nearest points, and the sum; errors are "
        "mean squares on a grid.", "A three-panel illustration of the same kind.", "reconstruction"),
    "risk": Figure(risk, ("risks",), "The linear model",
        "Test risk of a base of norm at most L, of the nearest label, and of ResMem; mean and 95 % interval over data "
        "sets. Dashed: leading term, derived here. The published bound is scaled to the plateau at the left.",
        "The base's risk stays above zero, ResMem's falls to zero; as a bound.", "reconstruction"),
    "slopes": Figure(slopes, ("risks",), "Rates in the linear model",
        "a: log-log slope of ResMem's risk over n ≥ 300. b: its risk over that of the nearest label, largest size.",
        "Its bound falls with exponent 1/d; the risk itself with 2/d.", "extension"),
    "noise": Figure(noise, ("noisy",), "Label noise in the linear model",
        "Three dimensions: risk of ResMem that averages k residuals, by the standard deviation τ of the label noise.",
        "Not shown there as far as known.", "extension"),
    "size": Figure(size, ("accuracy",), "Accuracy by size of the base",
        "Test accuracy of the base, of its memory alone, of ResMem and of the kNN-LM mixture, each tuned on validation "
        "data; memories of the last layer (above) and of feature map or inputs (below). Mean and 95 % interval over "
        "replicates.", f"Accuracy of base and ResMem over the depth of CIFAR networks. {NO_VALUES}", "reconstruction"),
    "examples": Figure(examples, ("accuracy",), "What ResMem gains, over the base and over kNN alone",
        "Difference of test accuracies, mean and 95 % interval over replicates. A gain over the base is not one over "
        "the memory alone.", f"Gains over the base. {NO_VALUES}", "reconstruction"),
    "grid": Figure(grid, ("grid",), "Neighbours, bandwidth, temperature",
        "Test accuracy of ResMem, coarse and fine classes, smallest network; bandwidth in units of the median distance "
        "to the nearest neighbour. T = ∞ is the memory alone.", "Not shown there as far as known.", "extension"),
    "labels": Figure(labels, ("accuracy", "sweeps"), "Label noise",
        "Digits under a linear base, training labels partly drawn anew. a: tuned on clean validation images. b: at "
        "fixed numbers of neighbours.", f"Perhaps shown there. {NO_VALUES}", "reconstruction"),
    "frequency": Figure(frequency, ("parts",), "The long tail",
        "Test accuracy by the training frequency of a test image's subpopulation, generated images.",
        "Not shown there as far as known.", "extension"),
    "helps": Figure(helps, ("parts",), "Where a memory helps",
        "Generated coarse and fine classes, memory of the last layer. a: by the base's confidence. b: errors fixed and "
        "answers spoiled. c: how many of the fixed errors, and of all errors, were in the right coarse class.",
        "It shows single images that ResMem corrects.", "extension"),
    "text": Figure(text, ("accuracy", "calibration"), "Next characters",
        "Python's help topics, test positions whose last 16 characters do not occur in the training text; accuracy and "
        "negative log-probability by positions remembered.",
        f"Accuracy of an autoregressive language model. {NO_VALUES}", "reconstruction"),
    "strength": Figure(strength, ("sweeps",), "How much of the residual to add",
        "Test accuracy of p + α r̂ at the tuned setting; α = 1 is the paper's.", "Not shown there as far as known.",
        "extension"),
    "calibration": Figure(calibration, ("calibration",), "Probabilities from scores",
        "Coarse and fine classes, smallest network, last layer: ways to turn scores into probabilities, dots are "
        "replicates.", "Not shown there as far as known.", "extension"),
    "growth": Figure(growth, ("growth",), "Growing memories, and small ones",
        "Long tail, base trained once on the smallest set. a: rows of images that the base never saw. b: own rows, "
        "those with the largest residuals or random ones.", "Not shown there as far as known.", "extension"),
    "crossfit": Figure(crossfit, ("crossfit",), "A base that fits its training set",
        "Long tail, 64 units: residuals of the base itself, and of bases that did not see the row; dots are "
        "replicates, bars means.", "Not shown there as far as known.", "extension"),
    "memorization": Figure(memorization, ("memorization",), "Memorization scores",
        "Long tail, networks on random parts of the training set. a: scores by width. b: mean score by what ResMem "
        "stores. c: how much a memory corrects images that its base did not see, by how the score changes with width.",
        "A question of a later paper (What do larger image classifiers memorise?), on our data.", "extension"),
    "spurious": Figure(spurious, ("spurious",), "A spurious feature",
        "Linear base, a feature that agrees with the label in 95 % of training rows at laptop scale; test rows where "
        "it conflicts and where it agrees. Memorization-aware training as reconstructed.",
        "A question of a later paper (The pitfalls of memorization), on our data.", "extension"),
}  # fmt: skip
