"""The registry of papers: a folder under `rote/papers` is a paper; nothing else need name it.

A paper's package holds `settings.py` (its config section), `schema.py` (its tables), `cli.py` (its
verbs), `figures.py` and `statistics.py` (what its claims measure). Its `__init__.py` says what the
paper is: `ABOUT`.
"""

import pkgutil
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
from typing import Any

from rote.core.errors import InputError
from rote.core.section import nearest


@dataclass(frozen=True)
class About:
    """What the report says of a paper."""

    short: str  # how the report's tables call it
    title: str
    authors: str
    reference: str
    url: str  # empty if none is known
    question: str
    finding: str = ""  # the claim that the README quotes; by default the first that is reproduced
    leads: bool = False  # named before all others: what the report opens with


@dataclass(frozen=True)
class Figure:
    """A figure of a paper: what draws it, what it needs, and what the report says beside it.

    The function that draws it has the figure's name and stands in `figures/<module>.py` of its
    paper. A registry of figures imports none of them, so that listing figures costs nothing.
    """

    module: str
    tables: tuple[str, ...]
    title: str
    caption: str  # what is drawn
    paper_shows: str  # what the paper shows, in words
    origin: str  # paper, reconstruction or extension
    # what it shows of these tables: names among those that `parts()` of its section gives
    parts: tuple[str, ...] = ()


def names() -> list[str]:
    """Papers that are installed: those that lead, then the others, in alphabetical order."""
    folders = pkgutil.iter_modules(import_module("rote.papers").__path__)
    papers = sorted(module.name for module in folders if module.ispkg)
    return sorted(papers, key=lambda name: not import_module(f"rote.papers.{name}").ABOUT.leads)


def load(paper: str, module: str) -> ModuleType:
    """Import `rote.papers.<paper>.<module>`.

    Args:
        paper: name of its folder.
        module: name of the module; "" is the paper's package itself.

    Returns:
        The module.

    Raises:
        InputError: for an unknown paper.
    """
    if paper not in names():
        hint = nearest(paper, names())
        raise InputError(f"unknown paper {paper!r}; {hint}known papers: {', '.join(names())}")
    return import_module(f"rote.papers.{paper}.{module}" if module else f"rote.papers.{paper}")


def about(paper: str) -> About:
    """What the report says of a paper. Raises InputError for an unknown paper."""
    return load(paper, "").ABOUT


def table_names(paper: str, settings: Any) -> list[str]:
    """Tables that a paper makes under these settings of its own.

    All of its registry `schema.TABLES` without those that the key `leave_out` names. A schema may
    have a function `made(settings)` that says which of the registry there can be: some experiments
    need a corpus or a data set that a run may not have.

    Args:
        paper: name of its folder.
        settings: its section of the config.

    Raises:
        InputError: for an unknown paper.
    """
    schema = load(paper, "schema")
    possible = schema.made(settings) if hasattr(schema, "made") else schema.TABLES
    return [name for name in possible if name not in settings.leave_out]


def figure_names(paper: str, settings: Any) -> list[str]:
    """Figures that a paper draws under these settings: those that nothing is left out of.

    Args:
        paper: name of its folder.
        settings: its section of the config.

    Raises:
        InputError: for an unknown paper.
    """
    figures: dict[str, Figure] = load(paper, "figures").FIGURES
    left_out = set(settings.leave_out)
    parts = set(settings.parts())
    return [
        name
        for name, figure in figures.items()
        if left_out.isdisjoint(figure.tables) and parts >= set(figure.parts)
    ]
