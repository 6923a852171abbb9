"""The primitives of figures: what they draw, and what they leave out."""

from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from figure_rules import problems
from matplotlib.container import ErrorbarContainer
from rote import plotting
from rote.plotting import layout


@pytest.fixture(autouse=True)
def style():
    with plotting.house_style():
        yield
    plt.close("all")


def frame(places: int, replicates: int) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    x = np.repeat(np.geomspace(1, 100, places), replicates)
    return pd.DataFrame({"x": x, "y": rng.normal(1, 0.1, len(x)), "theory": 1.0})


def joined(ax) -> list:
    return [line for line in ax.lines if line.get_linestyle() != "None" and len(line.get_xdata())]


def dots(ax) -> list:
    return [line for line in ax.lines if line.get_alpha() == 0.35]


@pytest.mark.parametrize(("replicates", "shown"), [(1, 0), (2, 1), (10, 1), (11, 0), (40, 0)])
def test_replicates_are_dots_where_they_are_at_most_ten(replicates, shown):
    _, axes = plotting.panels(1, 1)
    plotting.points(axes[0, 0], frame(3, replicates), "x", "y")
    assert len(dots(axes[0, 0])) == shown


@pytest.mark.parametrize(("places", "line", "lines"), [(5, True, 0), (6, True, 1), (9, False, 0)])
def test_few_places_are_not_joined(places, line, lines):
    _, axes = plotting.panels(1, 1)
    plotting.points(axes[0, 0], frame(places, 3), "x", "y", line=line)
    assert len(joined(axes[0, 0])) == lines


@pytest.mark.parametrize("scale", ["linear", "log"])
def test_series_side_by_side_are_as_far_apart_on_every_scale(scale):
    canvas, axes = plotting.panels(1, 1)
    ax = axes[0, 0]
    for shift in plotting.beside(2, 6):
        plotting.points(ax, frame(3, 4), "x", "y", shift=shift)
    ax.set_xscale(scale)
    canvas.draw_without_rendering()
    first, second = (
        one[0].get_transform().transform(one[0].get_xydata())
        for one in ax.containers
        if isinstance(one, ErrorbarContainer)
    )
    np.testing.assert_allclose(second[:, 0] - first[:, 0], 6 * canvas.dpi / 72, rtol=1e-6)
    low, high = ax.get_xlim()
    assert low < 1 < 100 < high < 300  # limits are those of the data


@pytest.mark.parametrize("relative", [False, True])
def test_residuals_are_simulation_minus_theory(relative):
    _, axes, strips = plotting.compared(1, 2)
    rows = frame(4, 12).assign(y=2.5, theory=2.0)
    plotting.residuals(strips[0, 0], rows, "x", "y", "theory", relative=relative, label="kept out")
    series = strips[0, 0].containers[0]
    np.testing.assert_allclose(series[0].get_ydata().astype(float), 25 if relative else 0.5)
    assert not strips[0, 0].get_legend_handles_labels()[1]
    assert axes.shape == strips.shape == (1, 2)
    axes[0, 0].set_xlim(2, 3)
    assert strips[0, 0].get_xlim() == (2, 3)


@pytest.mark.parametrize(
    ("columns", "wide", "inches"), [(1, None, 3.4), (3, None, 7), (1, True, 7)]
)
def test_figures_have_the_widths_of_journals(columns, wide, inches):
    canvas, _ = plotting.panels(2, columns, height=1.5, wide=wide)
    assert tuple(canvas.get_size_inches()) == (inches, 3.0)


@pytest.mark.parametrize("limit", [1e-8, 0.5])
def test_clipped_values_are_marked(limit):
    _, axes = plotting.panels(1, 1)
    plotting.at_most(axes[0, 0], [1.0, 2.0], limit, color="red")
    assert axes[0, 0].texts[0].get_text() == f"≤ {limit:g}"
    plotting.at_most(axes[0, 0], [], limit)
    assert len(axes[0, 0].texts) == 1


def test_ticks_stand_where_something_was_measured():
    canvas, axes = plotting.panels(1, 1)
    axes[0, 0].plot([100, 16_000], [1, 2])
    axes[0, 0].set_xscale("log")
    layout.measured_ticks(axes[0, 0].xaxis, [100, 800, 800, 16_000])
    canvas.draw_without_rendering()
    assert [text.get_text() for text in axes[0, 0].get_xticklabels()] == ["100", "800", "16k"]


def test_names_at_the_ends_of_lines_do_not_overlap():
    canvas, axes = plotting.panels(1, 1, wide=True)
    for number in range(5):
        axes[0, 0].plot([0, 1], [0, 1 + 0.001 * number], label=f"series {number}")
    plotting.label_ends(axes[0, 0])
    canvas.draw_without_rendering()
    boxes = [text.get_window_extent() for text in axes[0, 0].texts]
    boxes.sort(key=lambda box: box.y0)
    assert all(upper.y0 >= lower.y1 - 2 for lower, upper in pairwise(boxes))
    assert all(box.x0 >= axes[0, 0].bbox.x1 for box in boxes)


def good():
    canvas, axes = plotting.panels(1, 1)
    plotting.points(axes[0, 0], frame(4, 3), "x", "y", label="one")
    axes[0, 0].set(xlabel="width (km)", ylabel="accuracy")
    plotting.legend_below(canvas)
    return canvas


def wide(canvas):
    canvas.set_figwidth(5)


def legend(canvas):
    canvas.axes[0].legend()


def raw_name(canvas):
    canvas.axes[0].set_title("relu_c")


def bare_label(canvas):
    canvas.axes[0].set_ylabel("velocity")


def no_label(canvas):
    canvas.axes[0].set_xlabel("")


def join(canvas):
    canvas.axes[0].plot([1, 2], [1, 2], "o-")


def hide(canvas):
    plotting.points(canvas.axes[0], frame(4, 3), "x", "y", color="red")


@pytest.mark.parametrize("fault", [wide, legend, raw_name, bare_label, no_label, join, hide])
def test_the_rules_find_what_breaks_them(fault):
    canvas = good()
    assert problems(canvas) == []
    fault(canvas)
    assert problems(canvas)


def test_pdfs_hold_their_fonts_as_truetype(tmp_path):
    canvas = good()
    canvas.savefig(tmp_path / "figure.pdf")
    text = (tmp_path / "figure.pdf").read_bytes()
    assert b"/FontFile2" in text
    assert b"/Type3" not in text
