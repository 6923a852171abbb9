"""What can be said of a drawn figure by looking at its artists."""

import re
from collections.abc import Iterator
from itertools import chain, combinations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure as Canvas
from matplotlib.lines import Line2D
from matplotlib.text import Text
from rote.plotting.style import DIMENSIONLESS, ONE_COLUMN, TWO_COLUMNS

NOT_DRAWN = ("", "None", None, " ")


def visible(canvas: Canvas) -> list[Axes]:
    """Axes with data that are shown, insets left out."""
    return [ax for ax in canvas.axes if ax.get_visible() and ax.has_data()]


def problems(canvas: Canvas) -> list[str]:
    """Everything in a figure that breaks a rule; draws it."""
    canvas.draw_without_rendering()
    checks = (_width, _legends, _labels, _words, _joined, _hidden, _outside)
    return list(chain.from_iterable(check(canvas) for check in checks))


def colours(canvas: Canvas) -> Iterator[tuple[str, str]]:
    """Labels with the colours that they are drawn in."""
    for ax in canvas.axes:
        for handle, label in zip(*ax.get_legend_handles_labels(), strict=True):
            first = handle[0] if isinstance(handle, ErrorbarContainer) else handle
            if isinstance(first, Line2D):
                yield label, to_hex(first.get_color())


def _width(canvas: Canvas) -> Iterator[str]:
    if canvas.get_figwidth() not in (ONE_COLUMN, TWO_COLUMNS):
        yield f"is {canvas.get_figwidth():g} inches wide"


def _legends(canvas: Canvas) -> Iterator[str]:
    for ax in canvas.axes:
        if ax.get_legend():
            yield "has a legend in a panel"
    for legend in canvas.legends:
        box = legend.get_window_extent()
        if any(box.overlaps(ax.get_window_extent()) for ax in visible(canvas)):
            yield "has a legend over a panel"
        if box.x0 < -1 or box.x1 > canvas.bbox.x1 + 1 or box.y0 < -1:
            yield "has a legend that is cut off"


def _labels(canvas: Canvas) -> Iterator[str]:
    """Axes without a label of their own or of those that they share it with; missing units."""
    for ax in visible(canvas):
        if ax.get_label() == "<colorbar>":
            yield from _unit(ax.get_ylabel() or ax.get_xlabel())
            continue
        for name, siblings in (("x", ax.get_shared_x_axes()), ("y", ax.get_shared_y_axes())):
            group = [one for one in siblings.get_siblings(ax) if one.get_visible()]
            group += _in_line(canvas, ax, name)
            labels = {getattr(one, f"get_{name}label")() for one in group} - {""}
            axis = getattr(ax, f"{name}axis")
            words = [text.get_text() for text in axis.get_ticklabels()]
            if any(re.search("[A-Za-z]{2}", word) for word in words) or not len(
                axis.get_majorticklocs()
            ):
                continue  # names, or nothing, along this axis
            if not labels and any(words):
                yield f"has a panel {ax.get_title(loc='left')!r} without a label along {name}"
            for label in labels:
                yield from _unit(label)


def _in_line(canvas: Canvas, ax: Axes, name: str) -> list[Axes]:
    """Panels left of this one (y) or below (x): the outermost bears the label."""
    ends = ("y0", "y1") if name == "y" else ("x0", "x1")
    edges = np.array([_edges(one, ends) for one in visible(canvas)])
    beside = np.isclose(edges, _edges(ax, ends), atol=0.03).all(1)
    return [one for one, is_beside in zip(visible(canvas), beside, strict=True) if is_beside]


def _edges(ax: Axes, ends: tuple[str, str]) -> list[float]:
    return [getattr(ax.get_position(), end) for end in ends]


def _unit(label: str) -> Iterator[str]:
    words = label.replace("\n", " ")
    has_unit = re.search(r"\(.+\)", words) or "$" in words
    if not has_unit and not any(quantity in words for quantity in DIMENSIONLESS):
        yield f"has the label {words!r} without a unit"


def _words(canvas: Canvas) -> Iterator[str]:
    """Raw names: an underscore outside of mathematics."""
    for text in canvas.findobj(Text):
        words = re.sub(r"\$.*?\$", "", text.get_text())
        if text.get_visible() and "_" in words:
            yield f"says {words!r}"


def _joined(canvas: Canvas) -> Iterator[str]:
    """Markers that a line joins: nothing was measured between them."""
    for ax in visible(canvas):
        for line in ax.lines:
            is_line = line.get_linestyle() not in NOT_DRAWN
            if is_line and line.get_marker() not in NOT_DRAWN and len(line.get_xdata()) > 1:
                yield f"joins the points of {line.get_label()!r}"


def _hidden(canvas: Canvas) -> Iterator[str]:
    """Series that lie under others of their panel, mark for mark."""
    for ax in visible(canvas):
        drawn = [one for one in ax.containers if isinstance(one, ErrorbarContainer)]
        for first, second in combinations(drawn, 2):
            places = [
                np.round(one[0].get_transform().transform(one[0].get_xydata()))
                for one in (first, second)
            ]
            same = places[0].shape == places[1].shape and len(places[0]) > 1
            faces = {to_hex(one[0].get_markerfacecolor()) for one in (first, second)}
            if same and len(faces) > 1 and np.allclose(*places, atol=1):
                yield f"hides {first.get_label()!r} under {second.get_label()!r}"


def _places(series: ErrorbarContainer) -> np.ndarray:
    """Where its markers are, pixels."""
    return series[0].get_transform().transform(series[0].get_xydata())


def _outside(canvas: Canvas) -> Iterator[str]:
    """Words that leave the figure."""
    width, height = canvas.bbox.x1, canvas.bbox.y1
    for ax in visible(canvas):
        for text in (ax.title, ax._left_title, ax.xaxis.label, ax.yaxis.label, *ax.texts):
            if not text.get_visible() or not text.get_text():
                continue
            box = text.get_window_extent()
            if box.x0 < -2 or box.x1 > width + 2 or box.y0 < -2 or box.y1 > height + 2:
                yield f"cuts {text.get_text()!r} off"
