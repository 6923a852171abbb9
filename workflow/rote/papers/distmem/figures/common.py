"""What several of the paper's figures are drawn with."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
from matplotlib.axes import Axes

from rote.papers.distmem import variants
from rote.papers.distmem.sources import generated
from rote.papers.distmem.statistics import ladder
from rote.papers.distmem.tasks import FACTS, KNOWN_STEPS, REASONING, TRANSLATION, GeneratedTask
from rote.plotting import FAINT, PALETTE, log_ticks, points

Tables = Mapping[str, pd.DataFrame]
COLOR = {
    FACTS.name: PALETTE[0],
    TRANSLATION.name: PALETTE[1],
    REASONING.name: PALETTE[2],
    KNOWN_STEPS.name: PALETTE[3],
}
SIZE = "parameters"
RHO = "Spearman's ρ"


def title(letter: str, task: GeneratedTask, n: int | None = None) -> str:
    """`a  Facts` or `a  Facts, n = 3`."""
    name = task.label.capitalize()
    return f"{letter}  {name}" if n is None else f"{letter}  {name}, n = {n}"


def of_ladder(tables: Tables, name: str = "memorization") -> pd.DataFrame:
    """Rows of the GPT-NeoX ladder on generated corpora."""
    rows = generated(tables[name])
    return rows[rows["model"].isin(ladder(tables))]


def select(rows: pd.DataFrame, task: GeneratedTask, **conditions: Any) -> pd.DataFrame:
    """Rows of a task whose columns have these values."""
    rows = rows[rows["task"] == task.name]
    for name, value in conditions.items():
        rows = rows[rows[name] == value]
    return rows


def trained(rows: pd.DataFrame, task: GeneratedTask, **conditions: Any) -> pd.DataFrame:
    """Rows of trained networks on a task, by default the paper's definition at its first n."""
    defaults = {"n": task.n, "variant": variants.PAPER.name, "snapshot": 1.0}
    return select(rows, task, **(defaults | conditions))


def size_axis(ax: Axes) -> None:
    """Sizes of networks along x."""
    ax.set(xscale="log", xlabel=SIZE)
    log_ticks(ax.xaxis)


def zero_line(ax: Axes) -> None:
    """No correlation."""
    ax.axhline(0, color=FAINT, linewidth=0.8)


def rho_line(ax: Axes, rows: pd.DataFrame, label: str, **options: Any) -> None:
    """ρ by size; nothing if there is none."""
    if rows["rho"].notna().any():
        points(ax, rows, "size", "rho", label=label, **options)


def null_lines(ax: Axes, rows: pd.DataFrame, task: GeneratedTask, **conditions: Any) -> None:
    """The nulls beside ρ by size: before training, and of counts shuffled within bins."""
    before = trained(rows, task, snapshot=0.0, **conditions)
    shuffled = trained(rows, task, variant=variants.SHUFFLED.name, **conditions)
    rho_line(ax, before, "before training", color=FAINT, marker="x", linestyle=":")
    rho_line(ax, shuffled, variants.SHUFFLED.label, color=FAINT, marker="v", linestyle="--")


def rho_axes(ax: Axes, heading: str, **legend: Any) -> None:
    """Finish axes of ρ by size."""
    zero_line(ax)
    low, high = ax.get_ylim()
    ax.set(title=heading, ylabel=RHO, ylim=(max(low, -1.05), min(high, 1.05)))
    size_axis(ax)
    if legend:
        ax.legend(**({"fontsize": 7} | legend))
