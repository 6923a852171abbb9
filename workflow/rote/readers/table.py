"""Tables that users give: CSV, TSV, JSON lines (plain or packed) and Parquet. Text stays text.

Nothing is guessed from what a text looks like: 00012, 1984, null and NA in a CSV file are words.
"""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq

from rote.core.errors import DamagedFile, InputError
from rote.core.files import has_suffix, one_line
from rote.readers import text

_PROBLEM = "cannot be read as a table"
_PACKED = ("", ".gz", ".zst")
_SEPARATORS = {".csv": ",", ".tsv": "\t"}
SUFFIXES = (".csv", ".tsv", ".jsonl", ".parquet")


def read(path: str | Path) -> pd.DataFrame:
    """A table.

    Args:
        path: of a .csv, .tsv or .jsonl file (perhaps .gz or .zst), or of a .parquet file.

    Returns:
        Of CSV, every column as text, "" where a row has none; of JSON lines and Parquet, the values
        that are there.

    Raises:
        InputError: for another name, a missing file, one that is not whole, or rows that do not fit
            the columns, naming file and line.
    """
    path = Path(path)
    if has_suffix(path, (".parquet",)):
        with one_line(path, _PROBLEM, "fetch or write it again"):
            return pq.ParquetFile(path).read().to_pandas()
    for suffix, separator in _SEPARATORS.items():
        if has_suffix(path, _names(suffix)):
            return _separated(path, separator)
    if has_suffix(path, _names(".jsonl")):
        with _as_table(path):
            lines = [row for _, row in text.objects(path)]
        # as objects first: beside a missing value, a whole number would become another
        return pd.DataFrame(lines, dtype=object).infer_objects()
    raise InputError(f"{path}: a table must be a file of {', '.join(SUFFIXES)}")


def rows(path: Path, batch: int = 1024) -> Iterator[dict[str, Any]]:
    """The rows of a Parquet file, read in parts.

    Args:
        path: of the file.
        batch: rows of a part.

    Raises:
        InputError: for a missing file or one that is not whole.
    """
    with one_line(path, "is not a whole Parquet file", "fetch it again"):
        for part in pq.ParquetFile(path).iter_batches(batch):
            yield from part.to_pylist()


def _names(suffix: str) -> tuple[str, ...]:
    return tuple(suffix + packed for packed in _PACKED)


def _separated(path: Path, separator: str) -> pd.DataFrame:
    cure = "give every row the columns of the first line"
    try:
        with (
            text.opened(path) as stream,
            one_line(path, _PROBLEM, cure),
            warnings.catch_warnings(),
        ):
            warnings.simplefilter("error", pd.errors.ParserWarning)  # rows longer than the header
            content = io.TextIOWrapper(stream, encoding="utf-8-sig", newline="")  # type: ignore
            return pd.read_csv(content, sep=separator, dtype=str, na_filter=False, index_col=False)
    except DamagedFile:
        _refuse_undecodable(path)
        raise


@contextmanager
def _as_table(path: Path) -> Iterator[None]:
    """Say of a text's fault that the file is no table."""
    try:
        yield
    except InputError as error:
        fault = str(error).removeprefix(str(path)).removeprefix(" cannot be read:").lstrip(", ")
        raise InputError(f"{path} {_PROBLEM}: {fault}") from error


def _refuse_undecodable(path: Path) -> None:
    """Raise InputError naming the line that is no UTF-8, if one is."""
    with _as_table(path), text.opened(path) as stream:
        for number, line in enumerate(text.broken_lines(path, stream), 1):
            text.decoded(line, f"{path}, line {number}")


def whole_numbers(values: pd.Series) -> pd.Series:
    """A column of texts as whole numbers where each is written as one is: 00012 stays text.

    Args:
        values: the column.
    """
    if not len(values) or not all(isinstance(one, str) for one in values):
        return values
    try:
        numbers = [int(one) for one in values]
    except ValueError:
        return values
    exact = [str(number) for number in numbers] == values.tolist()
    return pd.Series(numbers, values.index) if exact and max(map(abs, numbers)) < 2**63 else values


def texts(values: pd.Series, where: str) -> list[str]:
    """A column of texts; whole numbers, which JSON and Parquet may hold in place of 1984, as such.

    Args:
        values: the column.
        where: file and column, for the error.

    Raises:
        InputError: naming the first row that holds no text.
    """
    return [as_text(one, f"{where}, row {row}") for row, one in enumerate(values.tolist())]


def as_text(one: Any, where: str) -> str:
    """A text, or a whole number as the text that it is.

    Args:
        one: the value.
        where: file and row, for the error.

    Raises:
        InputError: for any other value.
    """
    if isinstance(one, str):
        return one
    if isinstance(one, int) and not isinstance(one, bool):
        return str(one)
    kind = "nothing" if one is None or one != one else f"{type(one).__name__} {one!r:.40}"
    raise InputError(f"{where}: must be text, it holds {kind}; put it in quotes")
