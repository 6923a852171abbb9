"""Tables that users give: CSV, TSV, JSON lines (plain or packed) and Parquet. Text stays text.

Nothing is guessed from what a text looks like: 00012, 1984, null and NA in a CSV file are words.
"""

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq

from rote.core.errors import InputError
from rote.core.files import has_suffix, one_line
from rote.readers import text

_PROBLEM = "cannot be read as a table"
_PACKED = ("", ".gz", ".zst")
# what the library says of one within a line, and what it means
_CARRIAGE_RETURN = (
    "new-line character seen in unquoted field - "
    "do you need to open the file in universal-newline mode?",
    "a carriage return ends no line; save it with other line ends, or put quotes around the value",
)
_SEPARATORS = {".csv": ",", ".tsv": "\t"}
MAX_BYTES = 2**32  # of a table, unpacked: it is read into the memory
SUFFIXES = (".csv", ".tsv", ".jsonl", ".parquet")


def read(path: str | Path) -> pd.DataFrame:
    """A table.

    Args:
        path: of a .csv, .tsv or .jsonl file (perhaps .gz or .zst), or of a .parquet file.

    Returns:
        Of CSV, every column as text, "" where a row has none; of JSON lines and Parquet, the values
        that are there: whole numbers stay such beside missing ones.

    Raises:
        InputError: for another name, a missing file, one that is not whole, more than `MAX_BYTES`,
            columns of one name, or rows that do not fit the columns, naming file and line.
    """
    path = Path(path)
    if has_suffix(path, (".parquet",)):
        return _parquet(path)
    for suffix, separator in _SEPARATORS.items():
        if has_suffix(path, _names(suffix)):
            return _separated(path, separator)
    if has_suffix(path, _names(".jsonl")):
        with _as_table(path):
            lines = [row for _, row in text.objects(path, MAX_BYTES)]
        frame = pd.DataFrame(lines, dtype=object)
        # beside a missing value a whole number would become a fraction, perhaps another number
        whole = [name for name in frame if frame[name].notna().all()]
        return frame.astype(frame[whole].infer_objects().dtypes)
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


def _parquet(path: Path) -> pd.DataFrame:
    with one_line(path, _PROBLEM, "fetch or write it again"):
        file = pq.ParquetFile(path)
        groups = map(file.metadata.row_group, range(file.metadata.num_row_groups))
        size = sum(group.total_byte_size for group in groups)
        # equal values take no bytes in the file, but their places in memory
        if max(size, 8 * file.metadata.num_rows * file.metadata.num_columns) > MAX_BYTES:
            raise InputError(f"{path}: more than {MAX_BYTES:,} bytes are not read; split it")
        table = file.read()
        table.validate(full=True)  # that texts are UTF-8
        frame = table.to_pandas(integer_object_nulls=True)
    # columns that pandas had as an index when it wrote the file
    return frame.reset_index([name for name in frame.index.names if name is not None])


def _separated(path: Path, separator: str) -> pd.DataFrame:
    """The table of a CSV or TSV file. Lines end in \n: within a cell only if it is quoted."""
    csv.field_size_limit(text.MAX_BYTES)
    number = [0]  # number of the line that was read last
    with _as_table(path), one_line(path, _PROBLEM, "write it again"):
        lines = _placed(text.lines(path, MAX_BYTES), number)
        records = csv.reader(lines, delimiter=separator, strict=True)
        try:
            columns = next(records, [])
            _check_columns(columns, separator)
            rows = [_fitted(row, columns) for row in records if row]
        except (csv.Error, ValueError) as error:
            if isinstance(error, InputError):
                raise
            fault = str(error).replace(*_CARRIAGE_RETURN)
            raise InputError(f"{path}, line {max(1, number[0])}: {fault}") from error
    return pd.DataFrame(rows, columns=columns, dtype=str)


def _placed(lines: Iterator[tuple[int, str]], number: list[int]) -> Iterator[str]:
    """The lines alone; the last one's in `number`."""
    for number[0], line in lines:
        if "\0" in line:
            raise ValueError("it holds NUL characters; write the table again")
        yield line


def _check_columns(columns: list[str], separator: str) -> None:
    """Raise ValueError for a first line that names no columns, or one twice."""
    if not columns:
        raise ValueError("it is empty; the first line names the columns")
    other = next((mark for mark in ",;\t" if mark != separator and mark in columns[0]), None)
    if len(columns) == 1 and other:
        raise ValueError(f"its columns are separated by {other!r}; separate them by {separator!r}")
    twice = next((name for name in columns if columns.count(name) > 1), None)
    if twice is not None:
        raise ValueError(f"two columns are named {twice!r}; name each once")


def _fitted(row: list[str], columns: list[str]) -> list[str]:
    """A row with "" for what it lacks. Raises ValueError if it is longer than the columns."""
    if len(row) > len(columns):
        raise ValueError(
            f"{len(row)} values where the first line names {len(columns)}; "
            "give every row the columns of the first line, and quotes to commas within a value"
        )
    return row + [""] * (len(columns) - len(row))


@contextmanager
def _as_table(path: Path) -> Iterator[None]:
    """Say of a text's fault that the file is no table."""
    try:
        yield
    except InputError as error:
        fault = str(error).removeprefix(str(path)).removeprefix(" cannot be read:").lstrip(", ")
        raise InputError(f"{path} {_PROBLEM}: {fault}") from error


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
    if one is None or one != one:
        raise InputError(
            f"{where}: must be text, it holds nothing; put one there or leave the row out"
        )
    kind = f"{type(one).__name__} {one!r:.40}"
    raise InputError(f"{where}: must be text, it holds {kind}; put it in quotes")
