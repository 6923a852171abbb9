"""The papers, one package each. A folder put here is a paper: nothing else needs to name it.

A paper's package holds `settings.py` (its config section), `schema.py` (its tables), `cli.py` (its verbs),
`figures.py` and `statistics.py` (what its claims measure). Its `__init__.py` says what the paper is: `ABOUT`.
"""

import pkgutil
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType

from rote.errors import InputError


@dataclass(frozen=True)
class About:
    """What the report says of a paper."""

    short: str  # how the report's tables call it
    title: str
    authors: str
    reference: str
    url: str  # empty if none is known
    question: str
    leads: bool = False  # named before all others: what the report opens with


def names() -> list[str]:
    """Papers that are installed: those that lead, then the others, in alphabetical order."""
    found = sorted(module.name for module in pkgutil.iter_modules(__path__) if module.ispkg)
    return sorted(found, key=lambda name: not import_module(f"{__name__}.{name}").ABOUT.leads)


def load(paper: str, module: str) -> ModuleType:
    """`rote.papers.<paper>.<module>`. Raises InputError for an unknown paper."""
    if paper not in names():
        raise InputError(f"unknown paper {paper!r}; known papers: {', '.join(names())}")
    return import_module(f"rote.papers.{paper}.{module}" if module else f"rote.papers.{paper}")


def about(paper: str) -> About:
    return load(paper, "").ABOUT
