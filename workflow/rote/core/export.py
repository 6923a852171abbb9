"""Tables for users: Parquet, CSV or JSON by the ending of the file's name."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd

from rote.core import tables
from rote.core.errors import InputError

_WRITERS: dict[str, Callable[[pd.DataFrame, Path], None]] = {
    ".parquet": lambda frame, path: frame.to_parquet(path, index=False),
    ".csv": lambda frame, path: frame.to_csv(path, index=False),
    ".json": lambda frame, path: frame.to_json(path, orient="records", double_precision=15),
}
SUFFIXES = tuple(_WRITERS)


def check_name(path: Path) -> None:
    """Refuse a name that says no format, before anything is computed.

    Raises:
        InputError: naming the endings.
    """
    if path.suffix.lower() not in _WRITERS:
        raise InputError(f"{path}: the name must end in {', '.join(SUFFIXES)}")


def write(path: Path, frame: pd.DataFrame) -> None:
    """Write a table whole or not at all; in JSON, a list of rows in which null is no number.

    Args:
        path: ends in .parquet, .csv or .json.
        frame: the rows.

    Raises:
        InputError: for another ending.
    """
    check_name(path)
    with tables.atomic(path) as temporary:
        _WRITERS[path.suffix.lower()](frame, temporary)
