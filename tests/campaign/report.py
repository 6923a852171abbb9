"""A campaign as Markdown."""

from typing import Any

TRAININGS = (
    "| training | type | steps | steps/s | units/s | TFLOP/s | share of peak | of the largest "
    "product | loss, first and last |\n|---|---|---|---|---|---|---|---|---|"
)
STATISTICS = "| part | statistic | of | by replicate |\n|---|---|---|---|"


def markdown(report: dict[str, Any]) -> str:
    """Trainings, statistics, and how the parts ended."""
    facts = ", ".join(f"{key} {value}" for key, value in report["machine"].items())
    lines = [f"# {report['machine']['device']}", "", facts, ""]
    rows = []
    for part in report["parts"]:
        rows += [(part["part"], row) for row in part["rows"]]
    trainings = [row for _, row in rows if row["kind"] == "training"]
    if trainings:
        lines += [TRAININGS, *map(_training, trainings), ""]
        lines += ["Peaks: " + "; ".join(sorted(set(map(_peak, trainings)))) + ".", ""]
    listed = [_statistic(part, row) for part, row in rows if row["kind"] == "statistic"]
    if listed:
        lines += [STATISTICS, *listed, ""]
    lines += ["| part | ended | seconds |\n|---|---|---|"]
    for part in report["parts"]:
        lines.append(f"| {part['part']} | {part['state']} | {part['seconds']:.0f} |")
    return "\n".join(lines) + "\n"


def number(value: float | None, form: str = ".3g") -> str:
    """Three figures; a dash for what was not measured."""
    return "–" if value is None else format(value, form)


def _training(row: dict[str, Any]) -> str:
    share = number(row["share"], ".1%")
    if row["bar"] is not None:
        share += f" (bar {row['bar']:.0%})"
    cells = [
        row["name"],
        row["dtype"],
        f"{row['steps']:,}",
        number(row["steps_per_s"]),
        f"{number(row['units_per_s'], ',.0f')} {row['unit']}",
        number(row["tflops"]),
        share,
        number(row["share_of_product"], ".1%"),
        f"{number(row['first_loss'])}, {number(row['last_loss'])}",
    ]
    return "| " + " | ".join(cells) + " |"


def _peak(row: dict[str, Any]) -> str:
    return (
        f"{row['dtype']} {row['peak_tflops']:.3g} TFLOP/s ({row['peak_is']}), "
        f"largest product {row['product_tflops']:.3g}"
    )


def _statistic(part: str, row: dict[str, Any]) -> str:
    values = row["values"] if isinstance(row["values"], list) else [row["values"]]
    shown = "; ".join(map(_value, values))
    return f"| {part} | {row['name']} | {row['condition']} | {shown} |"


def _value(value: Any) -> str:
    """A replicate's value, or its two that are compared."""
    numbers = value if isinstance(value, list) else [value]
    return " and ".join(number(x, ",.4g") for x in numbers)
