"""The domain table: where each public function is right, how right, how known, what it costs.

A package lists its functions as `DOMAINS` in a module whose name ends with `domains`.
"""

import pkgutil
from collections.abc import Sequence
from importlib import import_module
from typing import NamedTuple

import rote


class Domain(NamedTuple):
    """What one public function promises."""

    function: str  # its dotted name, as users import it
    arguments: str  # the domain; outside it the function refuses, unless it says otherwise
    accuracy: str  # of the results over the whole domain
    checked: str  # against what
    cost: str  # on one core


def collect() -> list[Domain]:
    """The entries of all packages of rote, by function."""
    entries: list[Domain] = []
    for module in pkgutil.walk_packages(rote.__path__, "rote."):
        if module.name.endswith("domains") and module.name != __name__:
            entries += import_module(module.name).DOMAINS
    return sorted(entries)


def page(entries: Sequence[Domain]) -> str:
    """The table as Markdown, a section per module.

    Args:
        entries: of `collect`, sorted by function.
    """
    lines: list[str] = []
    section = ""
    for entry in entries:
        package = ".".join(entry.function.split(".")[: 3 if ".theory." in entry.function else 2])
        if package != section:
            section = package
            lines += [f"\n## `{package}`\n", "| function | domain | accuracy | checked | cost |"]
            lines.append("|---|---|---|---|---|")
        name = entry.function.removeprefix(f"{package}.")
        cells = [f"`{name}`", *(cell.replace("|", "\\|") for cell in entry[1:])]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"
