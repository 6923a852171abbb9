"""What a statistic reads: tables by name, and columns that are not there, named with their file."""

import traceback
from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from rote.core.errors import InputError
from rote.core.papers import load as load_paper
from rote.core.tables import Folder
from rote.ledger.claims import Claim


class StatisticTables(Mapping):
    """Result tables that remember which of them a statistic has read.

    Args:
        tables: result tables by name.
    """

    def __init__(self, tables: Mapping[str, pd.DataFrame]):
        self._tables = tables
        self.read: dict[str, pd.DataFrame] = {}

    def __getitem__(self, name: str) -> pd.DataFrame:
        self.read[name] = self._tables[name]
        return self.read[name]

    def __contains__(self, name: object) -> bool:
        return name in self._tables

    def __iter__(self) -> Iterator[str]:
        return iter(self._tables)

    def __len__(self) -> int:
        return len(self._tables)

    def location(self, name: str) -> str:
        """The file of a table, or its name where it lies in memory."""
        folder = self._tables.folder if isinstance(self._tables, Folder) else None
        return str(folder / f"{name}.parquet") if folder else name


def is_lookup(error: KeyError | AttributeError) -> bool:
    """Whether pandas raised an error because a frame, or a row of one, lacks a name.

    A KeyError of any other origin is a statistic's word that the run's settings left something out,
    or that a table does not exist.
    """
    if isinstance(error, AttributeError):
        # rows of DataFrame.itertuples are named tuples of the class Pandas
        is_row = type(error.obj).__name__ == "Pandas"
        return is_row or isinstance(error.obj, (pd.DataFrame, pd.Series))
    *_, (innermost, _) = traceback.walk_tb(error.__traceback__)
    return str(innermost.f_globals.get("__name__")).startswith("pandas.")


def unknown_column(
    error: KeyError | AttributeError, claim: Claim, tables: StatisticTables
) -> InputError:
    """The error to raise where a statistic looks up a column that no table has.

    Args:
        error: of pandas, see `is_lookup`.
        claim: whose statistic raised it.
        tables: that the statistic was given.

    Returns:
        It names the statistic, the column, and files and columns of the tables: those that lack
        columns of their model, as tables of another version do; if there are none, all that were
        read.
    """
    models = load_paper(claim.paper, "schema").TABLES
    lacking = []
    for name, frame in tables.read.items():
        columns = models[name].model_fields if name in models else ()
        missing = [column for column in columns if column not in frame]
        if missing:
            where = f"table {tables.location(name)} lacks {', '.join(missing)}"
            lacking.append(f"{where}; it has {', '.join(map(str, frame.columns))}")
    if lacking:
        cause = f"{'. '.join(lacking)}. Make it with this version of rote"
    else:
        shown = [_columns(tables.location(name), frame) for name, frame in tables.read.items()]
        cause = f"no table that it reads has it. {'. '.join(shown)}"
    return InputError(
        f"claim {claim.id}: statistic {claim.statistic} looks up {_key(error)}: {cause}"
    )


def _columns(location: str, frame: pd.DataFrame) -> str:
    return f"Table {location} has {', '.join(map(str, frame.columns))}"


def _key(error: KeyError | AttributeError) -> Any:
    """What was looked up: a name, or what pandas says of several."""
    return repr(error.name) if isinstance(error, AttributeError) else error
