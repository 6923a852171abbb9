"""Small pictures of the report: a claim's interval over its criterion, verdicts as a bar."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd
from markupsafe import Markup

from rote.ledger import Criterion, criterion, text

DOTS = 60  # of more replicates every k-th in order of size is drawn
# pixels: of a picture, its middle, and what is drawn to either side of that
_WIDTH = 168
_MIDDLE = 84
_ARM = 76
_FAR = (
    4.0  # replicates and published values farther off, in units of all else, are drawn at the edge
)


def center(rule: Criterion | None) -> float:
    """What stands in the middle of a picture: a criterion's bound, of two the middle, or zero."""
    if rule is None:
        return 0.0
    if math.isfinite(rule.low) and math.isfinite(rule.high):
        return (rule.low + rule.high) / 2
    return rule.low if math.isfinite(rule.low) else rule.high


def reach(rows: Iterable[Any], values: Mapping[str, Sequence[float]]) -> float:
    """How far the pictures of a claim's conditions reach from their middle, in its unit.

    All conditions of a claim are drawn to one scale.

    Args:
        rows: of the ledger, one per condition.
        values: of the replicates, by condition.
    """
    inner, outer = [0.0], [0.0]
    for row in rows:
        rule = _rule(row)
        middle = center(rule)
        if rule and math.isfinite(rule.low) and math.isfinite(rule.high):
            inner.append(0.75 * (rule.high - rule.low))
        marks = filter(math.isfinite, (row.value, row.low, row.high))
        inner += [abs(mark - middle) for mark in marks]
        outer += [abs(dot - middle) for dot in shown(values.get(row.condition, ()))]
        if (paper := _number(row.paper_value)) is not None:
            outer.append(abs(paper - middle))
    largest = max(inner)
    return 1.06 * max(largest, *(mark for mark in outer if mark <= _FAR * largest)) or 1.0


def shown(values: Sequence[float]) -> list[float]:
    """The replicates that are drawn: all, or of more than `DOTS` every k-th in order of size."""
    step = -(-len(values) // DOTS) or 1
    return sorted(values)[::step] if step > 1 else list(values)


def interval(row: Any, values: Sequence[float] = (), arm: float | None = None) -> Markup:
    """A ledger row as a small picture, with the criterion's bound in its middle.

    The criterion is a band, the 95 % interval a line, replicates are dots above it, the paper's
    value a diamond; a dashed line is zero where that is in reach.

    Args:
        row: of the ledger, as `DataFrame.itertuples` gives it.
        values: of the replicates.
        arm: as `reach` gives it for all conditions of the claim; by default for this one.

    Returns:
        An SVG; nothing for a row without a value.
    """
    if pd.isna(row.value):
        return Markup("")
    rule = _rule(row)
    middle = center(rule)
    scale = _ARM / (arm or reach([row], {row.condition: values}))

    def x(value: float) -> float:
        return round(_MIDDLE + min(max(scale * (value - middle), -_ARM), _ARM), 1)

    parts = [_line(_MIDDLE - _ARM, _MIDDLE + _ARM, 'stroke-opacity=".25"')]
    if rule:
        parts.append(_BAND.format(x(rule.low), round(max(x(rule.high) - x(rule.low), 1), 1)))
    if middle and scale * abs(middle) <= _ARM:
        parts.append(_ZERO.format(x(0)))
    dots = [f"M{x(value)} {4 + 1.5 * (index % 3)}h0" for index, value in enumerate(shown(values))]
    if dots:
        parts.append(_DOTS.format("".join(dots)))
    ends = [row.value if pd.isna(end) else end for end in (row.low, row.high)]
    parts += [_line(*map(x, ends), 'stroke-width="2.5"'), _VALUE.format(x(row.value))]
    published = _number(row.paper_value)
    if published is not None:
        parts.append(_DIAMOND.format(x(published)))
    return _FRAME.format(_WIDTH, _WIDTH, _described(row, published), Markup("").join(parts))


_FRAME = Markup(
    '<svg class="interval" width="{}" height="24" viewBox="0 0 {} 24" role="img" '
    'aria-label="{}">{}</svg>'
)
_BAND = Markup(
    '<rect x="{}" y="1" width="{}" height="22" fill="#009e73" fill-opacity=".22" stroke="#009e73" '
    'stroke-opacity=".6" stroke-width=".7"/>'
)
_ZERO = Markup(
    '<path class="zero" d="M{} 1v22" stroke="currentColor" stroke-width="1" stroke-opacity=".6" '
    'stroke-dasharray="2 2"/>'
)
_DOTS = Markup('<path class="replicates" d="{}"/>')
_VALUE = Markup('<circle cx="{}" cy="15" r="3.4" fill="currentColor"/>')
_DIAMOND = Markup('<path d="M{} 8l4 7-4 7-4-7z" fill="none" stroke="#d55e00" stroke-width="1.6"/>')


def _line(begin: float, end: float, style: str) -> Markup:
    line = Markup('<line x1="{}" x2="{}" y1="15" y2="15" stroke="currentColor" {}/>')
    return line.format(begin, end, Markup(style))


def _described(row: Any, published: float | None) -> str:
    """A picture in words, for readers who do not see it."""
    label = text.number(row.value)
    if not pd.isna(row.low):
        label += f", interval {text.number(row.low)} to {text.number(row.high)}"
    label += f"; criterion {row.criterion}" if row.criterion else ""
    return label + (f"; the paper: {text.number(published)}" if published is not None else "")


def bar(counts: Mapping[str, int], verdicts: tuple[str, ...]) -> Markup:
    """Verdict counts of a paper as one bar, an SVG of 200 × 16 pixels.

    Args:
        counts: number of claims by verdict.
        verdicts: all verdicts, in the order of the bar's parts.
    """
    total = max(sum(counts.values()), 1)
    rectangle = Markup('<rect class="bar-{}" x="{}" y="2" width="{}" height="12"/>')
    parts = []
    x = 0.0
    for verdict in verdicts:
        width = 200 * counts.get(verdict, 0) / total
        if width:
            kind = verdict.replace(" ", "-")
            parts.append(rectangle.format(kind, round(x, 1), round(width, 1)))
        x += width
    label = ", ".join(f"{counts[verdict]} {verdict}" for verdict in verdicts if counts.get(verdict))
    frame = Markup(
        '<svg class="bar" width="200" height="16" viewBox="0 0 200 16" '
        'preserveAspectRatio="none" role="img" aria-label="{}">{}</svg>'
    )
    return frame.format(label, Markup("").join(parts))


def _rule(row: Any) -> Criterion | None:
    return criterion(row.criterion) if row.criterion else None


def _number(published: str) -> float | None:
    """The paper's value as a number, where it is one."""
    try:
        return float(published)
    except ValueError:
        return None
