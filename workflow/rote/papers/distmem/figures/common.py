"""What several of the paper's figures are drawn with."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from rote.papers.distmem import variants
from rote.papers.distmem.sources import generated
from rote.papers.distmem.statistics import ladder
from rote.papers.distmem.tasks import FACTS, KNOWN_STEPS, REASONING, TRANSLATION, GeneratedTask
from rote.plotting import FAINT, PALETTE, beside, measured_ticks, points

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
    """Sizes of networks along x, with ticks where they were trained."""
    ax.set(xscale="log", xlabel=SIZE)
    drawn = [container[0].get_xdata() for container in ax.containers]
    if drawn:
        measured_ticks(ax.xaxis, np.concatenate(drawn), 5)


def zero_line(ax: Axes) -> None:
    """No correlation."""
    ax.axhline(0, color=FAINT, linewidth=0.8)


class Series(NamedTuple):
    """ρ of networks, and how it is drawn."""

    rows: pd.DataFrame
    label: str
    style: Mapping[str, Any]  # options of `points`


LONGER = {"marker": "s", "markerfacecolor": "white"}  # n-grams, in the colour of the task


def rho_by_size(ax: Axes, series: Sequence[Series]) -> None:
    """ρ by size, series side by side; those without any are left out."""
    some = [one for one in series if one.rows["rho"].notna().any()]
    for one, shift in zip(some, beside(len(some), 3.5), strict=True):
        points(ax, one.rows, "size", "rho", label=one.label, shift=shift, **one.style)


def nulls(rows: pd.DataFrame, task: GeneratedTask, **conditions: Any) -> list[Series]:
    """The nulls beside ρ by size: before training, and of counts shuffled within bins."""
    before = trained(rows, task, snapshot=0.0, **conditions)
    shuffled = trained(rows, task, variant=variants.SHUFFLED.name, **conditions)
    return [
        Series(before, "before training", {"color": FAINT, "marker": "x"}),
        Series(shuffled, variants.SHUFFLED.label, {"color": FAINT, "marker": "v"}),
    ]


def rho_axes(ax: Axes, heading: str) -> None:
    """Finish axes of ρ by size."""
    zero_line(ax)
    low, high = ax.get_ylim()
    ax.set(title=heading, ylabel=RHO, ylim=(max(low, -1.05), min(high, 1.05)))
    size_axis(ax)
