"""The paper's figures, in our reconstruction (its curves are not tabulated), and ours."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from rote.papers.distmem.statistics import MAIN, ablation_changes, generated, ladder
from rote.plotting import (
    FAINT,
    INK,
    PALETTE,
    categories,
    legend_below,
    log_ticks,
    panels,
    points,
    shade,
    spread,
    whiskers,
)

Tables = Mapping[str, pd.DataFrame]
COLOR = {"facts": PALETTE[0], "translation": PALETTE[1], "reasoning": PALETTE[2]}
LENGTHS = {"facts": (3, 5), "translation": (2, 3), "reasoning": (3, 5)}
SIZE = "parameters"


def _ladder(tables: Tables, name: str = "memorization") -> pd.DataFrame:
    """Rows of the GPT-NeoX ladder on generated corpora."""
    rows = generated(tables[name])
    return rows[rows["model"].isin(ladder(tables))]


def _size(ax: Axes) -> None:
    ax.set(xscale="log", xlabel=SIZE)
    log_ticks(ax.xaxis)


def _zero(ax: Axes) -> None:
    ax.axhline(0, color=FAINT, linewidth=0.8)


def _rho(
    ax: Axes, rows: pd.DataFrame, task: str, variant: str, n: int, label: str, **options
) -> None:
    some = rows[
        (rows["task"] == task)
        & (rows["variant"] == variant)
        & (rows["n"] == n)
        & (rows["step"] == 1.0)
    ]
    if some["rho"].notna().any():
        points(ax, some, "size", "rho", label=label, **options)


def performance(tables: Tables) -> Canvas:
    """Task performance against the documents that hold an example's pairs, one line per network
    (Fig. 3).
    """
    canvas, axes = panels(1, 4, width=2.9, height=3.0)
    rows, names = _ladder(tables, "performance"), ladder(tables)
    shown = [
        ("facts", "correct", "a  Facts: exact match"),
        ("translation", "correct", "b  Translation: exact"),
        ("reasoning", "correct", "c  Reasoning: exact"),
        ("facts", "choice_correct", "d  Rare facts: choice of 4"),
    ]
    for ax, (task, column, title) in zip(axes[0], shown, strict=True):
        some = rows[rows["task"] == task]
        if column == "choice_correct":
            some = some[some["group"] == "tail"]
            ax.axhline(0.25, color=FAINT, linewidth=0.8, linestyle=":")
        some = some.assign(value=some[column].astype(float))
        edges = np.unique(np.quantile(some["pair_documents"], np.linspace(0, 1, 6)))
        place = np.clip(
            np.searchsorted(edges, some["pair_documents"], side="right") - 1,
            0,
            max(len(edges) - 2, 0),
        )
        middle = some.groupby(place)["pair_documents"].median()
        some = some.assign(bin=pd.Series(place, some.index).map(middle) + 1)
        for name, color in zip(names, shade(len(names)), strict=True):
            means = (
                some[some["model"] == name].groupby(["bin", "source"])["value"].mean().reset_index()
            )
            size = rows.loc[rows["model"] == name, "size"].iloc[0]
            points(ax, means, "bin", "value", color=color, label=f"{size:,}")
        ax.set(xscale="log", xlabel="pair documents + 1", title=title, ylim=(-0.03, 1.03))
        log_ticks(ax.xaxis)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    canvas.legend(handles, labels, title=SIZE, loc="outside lower center", ncols=len(names))
    return canvas


def memorization(tables: Tables) -> Canvas:
    """Distributional memorization against network size (Fig. 4)."""
    canvas, axes = panels(2, 3, width=3.4, height=2.7)
    rows = _ladder(tables)
    panels_of = {"facts": axes[0, 0], "translation": axes[1, 0], "reasoning": axes[1, 1]}
    titles = {"facts": "a  Facts", "translation": "d  Translation", "reasoning": "e  Reasoning"}
    for task, ax in panels_of.items():
        short, long = LENGTHS[task]
        _rho(ax, rows, task, "paper", short, f"n = {short}", color=COLOR[task])
        _rho(ax, rows, task, "paper", long, f"n = {long}", color=PALETTE[4], marker="s")
        _rho(ax, rows, task, "infinity", short, "∞-gram", color=INK, marker="^")
        _rho(
            ax,
            rows,
            task,
            "unsaturated",
            short,
            f"n = {short}, not yet sure",
            color=FAINT,
            marker="D",
        )
        _zero(ax)
        ax.set(title=titles[task], ylabel="Spearman's ρ")
        _size(ax)
        ax.legend(fontsize=7)
    ax = axes[0, 1]
    for group, color in zip(("head", "mid", "tail"), shade(3), strict=True):
        name = {"head": "frequent", "mid": "middling", "tail": "rare"}[group]
        _rho(ax, rows, "facts", group, 3, f"{name} facts", color=color)
    _zero(ax)
    ax.set(title="b  Facts by frequency, n = 3", ylabel="Spearman's ρ")
    _size(ax)
    ax.legend(fontsize=7)
    ax = axes[0, 2]
    novel = _ladder(tables, "novel")
    novel = novel[novel["task"] == "translation"]
    if len(novel):
        points(
            ax,
            novel,
            "size",
            "novel_right",
            color=COLOR["translation"],
            label="right: in the true translation",
        )
        points(ax, novel, "size", "novel", color=FAINT, marker="s", label="all")
        ax.legend(fontsize=7)
    ax.set(title="c  Translation: new pairs written", ylabel="pairs in no document", ylim=(0, None))
    _size(ax)
    ax = axes[1, 2]
    for task in ("reasoning", "facts"):
        some = rows[
            (rows["task"] == task)
            & (rows["variant"] == "paper")
            & (rows["n"] == 3)
            & (rows["step"] == 1.0)
        ]
        points(ax, some, "size", "distance", color=COLOR[task], label=f"{task}, n = 3")
    ax.axhline(0.5, color=FAINT, linewidth=0.8)
    ax.set(title="f  Kendall distance", ylabel="(1 − τ) / 2")
    _size(ax)
    ax.legend(fontsize=7)
    return canvas


def influence(tables: Tables) -> Canvas:
    """Influence of documents with the pair and with its output only (Fig. 5)."""
    canvas, axes = panels(2, 3, width=3.2, height=2.5)
    rows = tables["influence"]
    kinds = (
        ("pair", "documents with the pair", PALETTE[2]),
        ("output_only", "with its output only", PALETTE[0]),
    )
    for column, task in enumerate(("facts", "translation", "reasoning")):
        some = rows[rows["task"] == task]
        for line, suffix in enumerate(("", "_cosine")):
            ax = axes[line, column]
            for name, label, color in kinds:
                means = some.groupby(["size", "source"])[name + suffix].mean().reset_index()
                if len(means):
                    points(ax, means, "size", name + suffix, color=color, label=label)
            _zero(ax)
            _size(ax)
            if not line:
                ax.set(title=f"{'abc'[column]}  {task.capitalize()}", xlabel="")
    axes[0, 0].set_ylabel("Σ gradient products")
    axes[1, 0].set_ylabel("mean cosine")
    legend_below(canvas, 2, *axes[0, 0].get_legend_handles_labels())
    return canvas


def thresholds(tables: Tables) -> Canvas:
    """Does the threshold of mining matter? (Fig. 6), and what cosines find."""
    canvas, axes = panels(1, 3, width=3.2, height=2.9)
    rows = _ladder(tables)
    kept = sorted({name for name in rows["variant"] if name.startswith("keep ")}, reverse=True)
    for ax, task, title in (
        (axes[0, 0], "facts", "a  Facts, n = 3"),
        (axes[0, 1], "translation", "b  Translation, n = 2"),
    ):
        for name, color in zip(("paper", *kept), shade(len(kept) + 1), strict=True):
            label = "all pairs" if name == "paper" else f"{100 * float(name.split()[1]):g} % kept"
            _rho(ax, rows, task, name, MAIN[task], label, color=color)
        _zero(ax)
        ax.set(title=title, ylabel="Spearman's ρ")
        _size(ax)
        ax.legend(fontsize=7)
    _rho(
        axes[0, 1],
        rows,
        "translation",
        "aligned",
        MAIN["translation"],
        "true translations",
        color=INK,
        marker="s",
    )
    axes[0, 1].legend(fontsize=7)
    ax, mined = axes[0, 2], generated(tables["mining"])
    mined = mined[mined["n"] == MAIN["translation"]]
    for column, color in (("precision", PALETTE[0]), ("recall", PALETTE[3])):
        points(ax, mined, "keep", column, color=color, label=column)
    ax.set(
        title="c  True translations among pairs", xlabel="share of the pairs kept", ylim=(0, 1.05)
    )
    ax.legend()
    return canvas


def prompts(tables: Tables) -> Canvas:
    """Accuracy of other wordings against how common their 3-grams are (Table 1)."""
    canvas, axes = panels(1, 2, width=3.8, height=3.0)
    rows = generated(tables["prompts"])
    names = ladder(tables)[-2:]
    for ax, task in zip(axes[0], ("facts", "reasoning"), strict=True):
        for name, color, marker in zip(names, (PALETTE[7], COLOR[task]), "so", strict=True):
            some = rows[(rows["model"] == name) & (rows["task"] == task)]
            means = some.groupby("prompt")[["mean_count", "accuracy"]].mean()
            ax.scatter(
                means["mean_count"] + 1,
                means["accuracy"],
                color=color,
                marker=marker,
                s=26,
                label=f"{some['size'].iloc[0]:,} parameters",
            )
        ax.set(
            xscale="log",
            xlabel="mean occurrences of the prompt's 3-grams + 1",
            title=task.capitalize(),
            ylim=(-0.02, None),
        )
        log_ticks(ax.xaxis)
        ax.legend()
    axes[0, 0].set_ylabel("exact match")
    return canvas


def bias(tables: Tables) -> Canvas:
    """Pairs in no document: how many are dropped, what this does, and what smoothing changes."""
    canvas, axes = panels(1, 3, width=3.3, height=3.0)
    rows = generated(tables["bias"]).assign(
        panel=lambda r: r["task"] + ", n = " + r["n"].astype(str)
    )
    order = [f"{task}, n = {n}" for task in LENGTHS for n in LENGTHS[task]][::-1]
    order = [name for name in order if name in set(rows["panel"])]
    for ax, columns in ((axes[0, 0], ("dropped",)), (axes[0, 1], ("filtered", "smoothed"))):
        for column in columns:
            for place, name in enumerate(order):
                table = spread(rows[rows["panel"] == name], "panel", column)
                if len(table):
                    color = (
                        PALETTE[2]
                        if column == "smoothed"
                        else PALETTE[3]
                        if column == "filtered"
                        else INK
                    )
                    label = column if place == 0 and len(columns) > 1 else None
                    ax.errorbar(
                        table["mean"],
                        [place],
                        xerr=whiskers(table),
                        fmt="o",
                        color=color,
                        label=label,
                    )
        categories(ax.yaxis, order if columns == ("dropped",) else [""] * len(order))
    axes[0, 0].set(title="a  Pairs in no document", xlabel="share dropped", xlim=(-0.03, 1.03))
    axes[0, 1].axvline(0, color=FAINT, linewidth=0.8)
    axes[0, 1].set(title="b  P against the input's count", xlabel="Spearman(log P, log C(s_x))")
    axes[0, 1].legend(fontsize=7)
    ax, every = axes[0, 2], _ladder(tables)
    for task in LENGTHS:
        _rho(ax, every, task, "paper", MAIN[task], f"{task}, dropped", color=COLOR[task])
        _rho(
            ax,
            every,
            task,
            "smoothed",
            MAIN[task],
            f"{task}, smoothed",
            color=COLOR[task],
            marker="s",
        )
    _zero(ax)
    ax.set(title="c  Memorization either way", ylabel="Spearman's ρ")
    _size(ax)
    ax.legend(fontsize=6)
    return canvas


def ablation(tables: Tables) -> Canvas:
    """Evidence taken away and put in."""
    canvas, axes = panels(1, 3, width=3.3, height=2.9)
    rows = ablation_changes(tables)
    ax = axes[0, 0]
    order = ["removed", "pairs", "halved", "kept", "again"][::-1]
    names = {
        "removed": "documents and mentions removed",
        "pairs": "documents removed",
        "halved": "half removed",
        "kept": "kept",
        "again": "unchanged, other initialization",
    }
    means = rows.groupby(["source", "treatment"])["change"].mean().reset_index()
    noise = rows.groupby("source")["noise"].mean().reset_index().assign(treatment="again")
    means = pd.concat([means, noise.rename(columns={"noise": "change"})])
    for place, name in enumerate(order):
        table = spread(means[means["treatment"] == name], "treatment", "change")
        ax.errorbar(
            table["mean"],
            [place],
            xerr=whiskers(table),
            fmt="o",
            color=FAINT if name == "again" else PALETTE[3],
        )
    ax.axvline(0, color=FAINT, linewidth=0.8)
    categories(ax.yaxis, [names[name] for name in order])
    ax.set(title="a  Change of log-probability", xlabel="nats")
    ax = axes[0, 1]
    lost = rows[rows["treatment"].isin(["removed", "pairs", "halved"])]
    lost = lost.assign(removed=lost["before"] - lost["after"])
    ax.scatter(lost["removed"] + 1, lost["change"], s=10, color=PALETTE[3], alpha=0.6, linewidths=0)
    ax.axhline(0, color=FAINT, linewidth=0.8)
    ax.set(
        xscale="log",
        title="b  Documents removed",
        xlabel="documents removed + 1",
        ylabel="change (nats)",
    )
    log_ticks(ax.xaxis)
    ax = axes[0, 2]
    put = rows[rows["treatment"] == "injected"]
    ax.scatter(
        put["after"].clip(lower=1),
        put["logprob"],
        s=14,
        color=PALETTE[2],
        linewidths=0,
        label="one fact",
    )
    means = put.groupby("after")["logprob"].mean()
    ax.plot(means.index.to_numpy().clip(min=1), means, color=INK, linewidth=1, label="mean")
    ax.set(
        xscale="log",
        title="c  True statements put in",
        xlabel="statements",
        ylabel="log-probability (nats)",
    )
    log_ticks(ax.xaxis)
    ax.legend()
    return canvas


def estimators(tables: Tables) -> Canvas:
    """Simpler estimates of a fact from the corpus, beside the task-gram ratio."""
    rows = _ladder(tables, "estimators")
    names = ladder(tables)
    table = (
        rows.groupby(["estimator", "model"])["rho"].mean().unstack()[names].sort_values(names[-1])
    )
    canvas, axes = panels(1, 2, width=4.3, height=3.6, width_ratios=[1.15, 1])
    ax = axes[0, 0]
    ax.imshow(table.to_numpy(), cmap="RdBu_r", vmin=-1, vmax=1, aspect="auto", origin="lower")
    for (line, column), value in np.ndenumerate(table.to_numpy()):
        shown = "–" if np.isnan(value) else f"{value:.2f}".replace("-", "−")
        ax.text(
            column,
            line,
            shown,
            ha="center",
            va="center",
            fontsize=7,
            color="w" if abs(value) > 0.6 else INK,
        )
    sizes = rows.drop_duplicates("model").set_index("model")["size"]
    categories(ax.xaxis, [f"{sizes[name] / 1000:.0f}k" for name in names])
    categories(ax.yaxis, list(table.index))
    ax.set(title="a  ρ with the log-probability of facts", xlabel=SIZE)
    ax = axes[0, 1]
    shown = [
        "answer alone",
        "task-gram",
        "task-gram, smoothed",
        "documents with name and answer",
        "BM25",
    ]
    for name, color in zip(shown, PALETTE, strict=False):
        points(ax, rows[rows["estimator"] == name], "size", "rho", color=color, label=name)
    _zero(ax)
    ax.set(title="b  Five of them", ylabel="Spearman's ρ")
    _size(ax)
    legend_below(canvas, 3, *ax.get_legend_handles_labels(), fontsize=7)
    return canvas


def engines(tables: Tables) -> Canvas:
    """Exact counting of pairs, and what cheaper estimates give for it."""
    rows = tables["engines"].iloc[::-1].reset_index(drop=True)
    canvas, axes = panels(1, 2, width=3.6, height=2.6, sharey=True)
    colors = [PALETTE[0] if exact else PALETTE[3] for exact in rows["exact"]]
    axes[0, 0].barh(rows.index, rows["equal"], color=colors)
    axes[0, 0].set(xlabel="share of counts equal to brute force", xlim=(0, 1), title="a  Exactness")
    for place, (row, color) in enumerate(zip(rows.itertuples(), colors, strict=True)):
        axes[0, 1].plot([row.low, row.high], [place, place], color=color)
        axes[0, 1].plot(row.ratio, place, "o", color=color)
    axes[0, 1].axvline(1, color=FAINT, linewidth=0.8)
    axes[0, 1].set(
        xlabel="count / documents that hold both", xscale="log", title="b  Median, 10 % to 90 %"
    )
    categories(axes[0, 0].yaxis, rows["engine"])
    return canvas


def options(tables: Tables) -> Canvas:
    """What the choices in the definition change: unit, span, denominator, window, controls."""
    canvas, axes = panels(1, 3, width=3.2, height=3.6, sharey=True)
    rows = _ladder(tables)
    rows = rows[rows["model"] == ladder(tables)[-1]]
    windows = sorted(
        (name for name in set(rows["variant"]) if name.startswith("window")),
        key=lambda w: int(w.split()[1]),
    )
    order = [
        "paper",
        "key",
        "to_end",
        "documents",
        "mined",
        "smoothed",
        "unsaturated",
        "partial",
        *windows,
    ][::-1]
    names = {
        "paper": "as defined",
        "key": "one point per output n-gram",
        "to_end": "score to the end of the text",
        "documents": "input counted in documents",
        "mined": "pairs of the mining data only",
        "smoothed": "smoothed, all pairs",
        "unsaturated": "not yet sure only",
        "partial": "given both single counts",
    }
    for ax, task in zip(axes[0], LENGTHS, strict=True):
        some = rows[(rows["task"] == task) & (rows["n"] == MAIN[task]) & (rows["step"] == 1.0)]
        for place, name in enumerate(order):
            table = spread(some[some["variant"] == name], "variant", "rho")
            if len(table):
                color = INK if name == "paper" else COLOR[task]
                ax.errorbar(table["mean"], [place], xerr=whiskers(table), fmt="o", color=color)
        ax.axvline(0, color=FAINT, linewidth=0.8)
        ax.set(title=f"{task.capitalize()}, n = {MAIN[task]}", xlabel="Spearman's ρ")
    labels = [names.get(name, f"within {name.split()[-1]} words") for name in order]
    categories(axes[0, 0].yaxis, labels)
    return canvas


def dynamics(tables: Tables) -> Canvas:
    """Memorization during training, and of the second family."""
    canvas, axes = panels(1, 3, width=3.2, height=2.9)
    rows, names = _ladder(tables), ladder(tables)
    for ax, task in ((axes[0, 0], "facts"), (axes[0, 1], "translation")):
        some = rows[
            (rows["task"] == task) & (rows["variant"] == "paper") & (rows["n"] == MAIN[task])
        ]
        for name, color in zip(names, shade(len(names)), strict=True):
            one = some[some["model"] == name]
            if one["rho"].notna().any():
                points(ax, one, "step", "rho", color=color, label=f"{one['size'].iloc[0]:,}")
        _zero(ax)
        ax.set(
            title=f"{'a' if task == 'facts' else 'b'}  {task.capitalize()}, n = {MAIN[task]}",
            xlabel="share of the training",
            ylabel="Spearman's ρ",
        )
    axes[0, 0].legend(title=SIZE, fontsize=7)
    ax, every = axes[0, 2], generated(tables["memorization"])
    for family, color, marker in (("neox", PALETTE[0], "o"), ("llama", PALETTE[3], "s")):
        some = every[every["model"].str.startswith(family)]
        _rho(
            ax,
            some,
            "facts",
            "paper",
            3,
            {"neox": "GPT-NeoX", "llama": "LLaMA"}[family],
            color=color,
            marker=marker,
        )
    _zero(ax)
    ax.set(title="c  Two families, facts", ylabel="Spearman's ρ")
    _size(ax)
    ax.legend(loc="upper left")
    return canvas


_PAPER = ("memorization", "performance", "novel")
