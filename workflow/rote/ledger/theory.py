"""Claims that theory alone decides: one function each computes a claim's numbers.

A paper declares its functions in a registry. One rule computes them all into the paper's table
`checks`, whose rows are the claims' statistics.
"""

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any

import pandas as pd

from rote.ledger.intervals import Sample

Numbers = Mapping[str, float]  # condition -> statistic
Tables = Mapping[str, pd.DataFrame]
TABLE = "checks"  # its columns: check (name of the claim), condition, value


class TheoryClaims:
    """The claims of a paper that theory alone decides, by their ids without the paper's prefix.

    A function has the name of its claim and returns the claim's number under every condition.
    """

    def __init__(self) -> None:
        self._functions: dict[str, Callable[..., Numbers]] = {}
        self._of_settings: set[str] = set()

    def claim(self, function: Callable[[], Numbers]) -> Callable[[], Numbers]:
        """Register a function of nothing; returned as it is. A decorator."""
        self._functions[function.__name__] = function
        return function

    def claim_at(self, function: Callable[[Any], Numbers]) -> Callable[[Any], Numbers]:
        """Register a function of the paper's settings of theory; returned as it is. A decorator."""
        self._functions[function.__name__] = function
        self._of_settings.add(function.__name__)
        return function

    def names(self) -> list[str]:
        """The claims, in the order in which they were declared."""
        return list(self._functions)

    def rows(self, options: Any = None) -> list[dict[str, Any]]:
        """Compute every claim under every condition: rows of the table `checks`.

        Args:
            options: settings for the functions that depend on them.
        """
        rows = []
        for name, function in self._functions.items():
            numbers = function(options) if name in self._of_settings else function()
            for condition, value in numbers.items():
                rows.append({"check": name, "condition": condition, "value": float(value)})
        return rows

    def statistic(self, name: str) -> Callable[[Tables], dict[str, Sample]]:
        """The statistic of a claim: its rows of the table `checks`, one value per condition.

        As the attribute lookup of a module of statistics (`__getattr__`) it makes every claim that
        is declared a statistic there.

        Args:
            name: of the claim, without the paper's prefix.

        Raises:
            AttributeError: if no claim has this name.
        """
        if name not in self._functions:
            raise AttributeError(f"theory decides no claim {name!r}")

        @wraps(self._functions[name])
        def read(tables: Tables) -> dict[str, Sample]:
            table = tables[TABLE]
            rows = table[table["check"] == name]
            return {row.condition: Sample([row.value]) for row in rows.itertuples()}

        return read
