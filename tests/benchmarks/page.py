"""The page of a benchmark run: bars, ratios with drawn intervals, rooflines, growth."""

import textwrap
from pathlib import Path
from typing import Any

import jinja2
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axis import Axis
from matplotlib.ticker import (
    EngFormatter,
    Formatter,
    FuncFormatter,
    LogLocator,
    NullFormatter,
    NullLocator,
)
from rote.core import tables
from rote.plotting import FAINT, PALETTE, house_style, panels

from tests.benchmarks.case import exponent, extrapolated

_PAGES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
)


_PAGES.filters["figures"] = lambda value: figures(value)


def write(
    out: Path,
    machine: dict[str, str],
    peak: dict[str, float],
    rows: pd.DataFrame,
    growth: pd.DataFrame,
    facts: list[dict[str, Any]],
) -> None:
    """index.html and growth.png in `out`."""
    fits = exponents(growth)
    if len(growth):
        draw(growth, fits, out / "growth.png")
    span = (rows["ratio_low"].min(), rows["ratio_high"].max()) if len(rows) else (1, 1)
    shown = [row | {"picture": picture(row, *span)} for row in rows.to_dict("records")]
    text = _PAGES.get_template("page.html").render(
        machine=machine,
        peak=peak,
        rows=shown,
        fits=fits.to_dict("records") if len(fits) else [],
        facts=facts,
    )
    with tables.atomic(out / "index.html") as path:
        path.write_text(text)


def figures(value: float) -> str:
    """Three figures: 0.912, 12.3, 1,830."""
    return f"{float(f'{value:.3g}'):,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def exponents(growth: pd.DataFrame) -> pd.DataFrame:
    """Per kernel: exponents of time and memory in the size, seconds at its goal; with intervals."""
    fits = []
    for kernel, rows in growth.groupby("kernel", sort=False) if len(growth) else ():
        fit = {"kernel": kernel, "unit": rows["unit"].iloc[0], "sizes": rows["size"].tolist()}
        fit["time"] = exponent(rows["size"], rows["seconds"])
        goal = int(rows["goal"].iloc[0])
        fit["goal"] = goal
        fit["there"] = extrapolated(rows["size"], rows["seconds"], goal) if goal else ()
        big = rows[rows["memory_mb"] > 1]  # below a MiB the allocator decides
        fit["memory"] = exponent(big["size"], big["memory_mb"])
        fits.append(fit)
    return pd.DataFrame(fits)


def draw(growth: pd.DataFrame, fits: pd.DataFrame, path: Path) -> None:
    """Time and memory against size, one panel per kernel, on logarithmic axes."""
    columns = 4
    with house_style():
        canvas, axes = panels(-(-len(fits) // columns), columns, height=1.8)
        for ax in axes.flat[len(fits) :]:
            ax.remove()
        for ax, fit in zip(axes.flat, fits.itertuples(), strict=False):
            rows = growth[growth["kernel"] == fit.kernel]
            ax.loglog(rows["size"], rows["seconds"], "o-", color=PALETTE[0])
            ax.set(xlabel=fit.unit, ylabel="CPU seconds")
            slope, low, high = fit.time
            name = textwrap.fill(fit.kernel, 34)
            ax.set_title(f"{name}\nexponent {slope:.2f} [{low:.2f}, {high:.2f}]", fontsize=7.5)
            if (rows["memory_mb"] > 1).any():
                right = ax.twinx()
                right.loglog(
                    rows["size"],
                    rows["memory_mb"].clip(lower=1),
                    "s:",
                    color=PALETTE[1],
                    markersize=3,
                )
                right.set_ylabel("added MiB", color=PALETTE[1])
                right.grid(False)
                right.spines["right"].set_visible(True)
                _mark(right.yaxis)
            _mark(ax.xaxis, EngFormatter(sep=""))
            _mark(ax.yaxis)
            ax.grid(color=FAINT, alpha=0.2)
        with tables.atomic(path) as temporary:
            canvas.savefig(temporary, format="png")
        plt.close(canvas)


def _mark(axis: Axis, numbers: Formatter | None = None) -> None:
    """At least a decade of a logarithmic axis, with two numbers or more on it."""
    low, high = axis.get_view_interval()
    middle = np.sqrt(low * high)
    reach = max(np.sqrt(high / low), 10**0.5)
    limit = axis.axes.set_xlim if axis.axis_name == "x" else axis.axes.set_ylim
    limit(middle / reach, middle * reach)
    axis.set_major_locator(
        LogLocator(subs=(1, 2, 5) if reach < 10**0.7 else (1, 3) if reach < 10 else (1,))
    )
    axis.set_major_formatter(numbers or FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())
    axis.set_minor_locator(NullLocator())


def picture(
    row: dict[str, Any], low: float, high: float, width: int = 160, height: int = 16
) -> str:
    """A ratio with its interval on a logarithmic axis as SVG; a tick at 1 and one at the bar."""
    left, right = np.log(min(low, 0.8)), np.log(max(high, 1.25))

    def x(value: float) -> float:
        return float((np.log(value) - left) / (right - left) * (width - 8) + 4)

    y = height / 2
    parts = [f'<line x1="{x(1):.1f}" x2="{x(1):.1f}" y1="0" y2="{height}" class="one"/>']
    if row["bar"] == row["bar"]:
        parts.append(
            f'<line x1="{x(row["bar"]):.1f}" x2="{x(row["bar"]):.1f}" '
            f'y1="0" y2="{height}" class="bar"/>'
        )
    parts.append(
        f'<line x1="{x(row["ratio_low"]):.1f}" x2="{x(row["ratio_high"]):.1f}" '
        f'y1="{y}" y2="{y}" class="reach"/>'
    )
    parts.append(f'<circle cx="{x(row["ratio"]):.1f}" cy="{y}" r="3.5"/>')
    label = f"{row['ratio']:.3g} times"
    return (
        f'<svg width="{width}" height="{height}" role="img" '
        f'aria-label="{label}">{"".join(parts)}</svg>'
    )
