"""Result tables: a model per table, checked on write; Parquet files, whole or not there at all.

A table model is a pydantic class with one field per column (`column(...)`). It says the type, the
unit, and whether NaN may occur and what it then means. The same class gives the JSON Schema under
`workflow/schemas/`.
"""

import errno
import glob
import hashlib
import json
import os
import re
import shutil
import socket
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, get_args, get_origin

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, Field
from pydantic.fields import FieldInfo

from rote.core import exports, runs
from rote.core.errors import InputError
from rote.core.files import one_line
from rote.core.section import first_paragraph

_PROVENANCE = b"rote"
_TEMPORARY = ".tmp"
_HOST = re.sub(r"\W", "_", socket.gethostname())
_ARROW = {
    int: pa.int64(),
    float: pa.float64(),
    str: pa.string(),
    bool: pa.bool_(),
    bytes: pa.binary(),
}


class Table(BaseModel):
    """Base of all table models. The class docstring says what one row is."""

    model_config = ConfigDict(extra="forbid")
    # columns that together name a row; no two rows may share them
    KEY: ClassVar[tuple[str, ...]] = ()
    # whether there may be nothing to say; else no rows are an error
    MAY_BE_EMPTY: ClassVar[bool] = False
    # what machines may differ by, as a share of a column's largest magnitude
    RTOL: ClassVar[float] = 1e-6


def column(description: str, unit: str = "", nan: str = "", infinite: str = "") -> Any:
    """A column of a table model.

    Args:
        description: what it holds.
        unit: of its values; "" for none.
        nan: what NaN means; "" makes NaN an error.
        infinite: what ±∞ means; "" makes infinite values an error.

    Returns:
        A pydantic field.
    """
    meanings = {"unit": unit, "nan": nan, "infinite": infinite}
    stated: Any = {name: text for name, text in meanings.items() if text}
    return Field(description=description, json_schema_extra=stated or None)


def frame(
    model: type[Table], rows: Iterable[Mapping[str, Any]] | Mapping[str, Any]
) -> pd.DataFrame:
    """Rows of a table by the names of its columns, in the order of the model.

    Args:
        model: of the table.
        rows: mappings from every column to a value, one per row; or one mapping from every column
            to an array of values, all of one length (a scalar stands for all rows).

    Raises:
        InputError: for a column that is missing or that the model does not have.
    """
    columns = list(model.model_fields)
    if isinstance(rows, Mapping):
        _check_names(model, rows)
        return pd.DataFrame({name: rows[name] for name in columns})
    rows = list(rows)
    for row in rows:
        _check_names(model, row)
    return pd.DataFrame(rows, columns=columns)


def _check_names(model: type[Table], row: Mapping[str, Any]) -> None:
    if row.keys() == model.model_fields.keys():
        return
    missing = sorted(model.model_fields.keys() - row.keys())
    unknown = sorted(row.keys() - model.model_fields.keys())
    raise InputError(
        f"table {model.__name__}: a row lacks {missing} and has unknown {unknown}; "
        f"its columns are {list(model.model_fields)}"
    )


def arrow_schema(model: type[Table]) -> pa.Schema:
    """The Arrow schema of a table model, with units and meanings in the column metadata."""
    fields = []
    for name, field in model.model_fields.items():
        metadata = {"description": field.description, **_meanings(field)}
        fields.append(pa.field(name, _arrow_type(field), nullable=False, metadata=metadata))
    return pa.schema(fields, metadata={"table": model.__name__, "row": first_paragraph(model)})


def _meanings(field: FieldInfo) -> dict[str, Any]:
    """The unit of a column, what NaN and what infinity mean in it, where that is stated."""
    stated: Any = field.json_schema_extra  # a mapping, as `column` made it
    return dict(stated or {})


def _arrow_type(field: FieldInfo) -> pa.DataType:
    kind: Any = field.annotation
    if get_origin(kind) is list:
        return pa.list_(_ARROW[get_args(kind)[0]])
    return _ARROW[kind]


def check(frame: pd.DataFrame, model: type[Table]) -> pa.Table:
    """`frame` as an Arrow table that obeys `model`.

    Args:
        frame: the rows; its columns are those of the model, in its order.
        model: of the table.

    Returns:
        The rows, with `arrow_schema(model)` as their schema.

    Raises:
        InputError: for missing or extra columns or another order of them, wrong types, NaN or
            infinity where the model has no meaning for it, values missing in other columns, no
            rows unless the model's `MAY_BE_EMPTY`, or two rows with the same `KEY`.
    """
    name = model.__name__
    fields = model.model_fields
    if list(frame.columns) != list(fields):
        missing = sorted(set(fields) - set(frame.columns))
        extra = sorted(set(frame.columns) - set(fields))
        fault = f"missing {missing}, unexpected {extra}" if missing or extra else "wrong order"
        raise InputError(
            f"table {name}: columns do not match its model ({fault}); it has {list(fields)}"
        )
    if frame.empty and not model.MAY_BE_EMPTY:
        raise InputError(f"table {name}: no rows; an empty result is never written")
    for label, field in fields.items():
        if field.annotation is float:
            _check_numbers(f"table {name}: column {label!r}", frame[label], _meanings(field))
        elif frame[label].isna().any():
            raise InputError(f"table {name}: column {label!r} holds missing values")
    if model.KEY and (twice := frame.duplicated(list(model.KEY))).any():
        first = frame.loc[twice, list(model.KEY)].iloc[0].to_dict()
        raise InputError(f"table {name}: {int(twice.sum())} rows repeat their key, first {first}")
    try:
        schema = arrow_schema(model)
        # column by column: pandas' own conversion would make NaN, which has a meaning here, null
        values = {
            f.name: frame[f.name].tolist() if pa.types.is_list(f.type) else frame[f.name].to_numpy()
            for f in schema
        }
        arrays = [pa.array(values[field.name], field.type, from_pandas=False) for field in schema]
        return pa.Table.from_arrays(arrays, schema=schema)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as error:
        raise InputError(f"table {name}: {error}") from error


def _check_numbers(column_name: str, column: pd.Series, meanings: Mapping[str, Any]) -> None:
    try:
        numbers = column.to_numpy(float)
    except (TypeError, ValueError) as error:
        raise InputError(f"{column_name} must hold numbers ({error})") from error
    infinite = int(np.isinf(numbers).sum())
    if infinite and "infinite" not in meanings:
        raise InputError(f"{column_name} holds {infinite} infinite values")
    missing = int(np.isnan(numbers).sum())
    if missing and "nan" not in meanings:
        raise InputError(f"{column_name} holds {missing} NaN values")


def write(
    path: str | Path, frame: pd.DataFrame, model: type[Table], provenance: Mapping[str, Any]
) -> None:
    """Check `frame` and write it as Parquet, with its provenance in the file's metadata.

    The digest and the number of rows of the data are added to the provenance. Same data give the
    same `data_sha256`; times and hosts live in the metadata only.

    Args:
        path: of the file; its folder is made if it is missing.
        frame: the rows.
        model: of the table.
        provenance: who made it and from what, see `rote.core.job.Job.provenance`; fit for JSON.

    Raises:
        InputError: see `check`.
    """
    table = check(frame, model)
    record = {**provenance, "data_sha256": digest(table), "rows": table.num_rows}
    write_with_metadata(path, table, {_PROVENANCE: record})


def write_with_metadata(path: str | Path, table: pa.Table, records: Mapping[bytes, Any]) -> None:
    """Write a Parquet file, whole or not at all, with more metadata than its schema has.

    Args:
        path: of the file; its folder is made if it is missing.
        table: its rows.
        records: by their keys in the metadata; fit for JSON.
    """
    texts = {key: json.dumps(record, sort_keys=True) for key, record in records.items()}
    metadata = {**(table.schema.metadata or {}), **texts}
    with atomic(path) as temporary:
        pq.write_table(table.replace_schema_metadata(metadata), temporary, compression="zstd")


def export(path: Path, frame: pd.DataFrame) -> None:
    """Write a table for a user, whole or not at all, in the format that the suffix says.

    Args:
        path: of a .parquet, .csv or .json file.
        frame: the table.

    Raises:
        InputError: for any other suffix.
    """
    write_as = exports.FORMATS[exports.of(path)]
    with atomic(path) as temporary:
        write_as(frame, temporary)


def read(path: str | Path) -> pd.DataFrame:
    """Read a table.

    Raises:
        InputError: naming the file, if it is missing, truncated or not Parquet.
    """
    with _named(path):
        return pq.ParquetFile(path).read().to_pandas()


@contextmanager
def _named(path: str | Path) -> Iterator[None]:
    """One line for a table that is missing or damaged, with the command that makes it."""
    if not Path(path).exists():
        raise InputError(
            f"table {path} does not exist; run the rule that makes it: {runs.again(path)}"
        )
    cure = f"make it anew: {runs.again(path, force=True)}"
    with one_line(path, "is not a whole Parquet file", cure):
        yield


class Folder(Mapping):
    """The tables of a folder by name, read when asked for."""

    def __init__(self, folder: Path):
        self.folder = folder
        self._read: dict[str, pd.DataFrame] = {}

    def __getitem__(self, name: str) -> pd.DataFrame:
        if name not in self._read:
            path = self.folder / f"{name}.parquet"
            if not path.exists():
                raise KeyError(name)
            self._read[name] = read(path)
        return self._read[name]

    def __contains__(self, name: object) -> bool:
        return name in self._read or (self.folder / f"{name}.parquet").exists()

    def __iter__(self):
        return iter(sorted(path.stem for path in self.folder.glob("*.parquet")))

    def __len__(self) -> int:
        return len(list(iter(self)))


def provenance(path: str | Path) -> dict[str, Any]:
    """The provenance record that `write` put into a table file (`{}` if there is none).

    Raises:
        InputError: as `read`.
    """
    with _named(path):
        metadata = pq.read_schema(path).metadata or {}
        return json.loads(metadata.get(_PROVENANCE, b"{}"))


def digest(table: pa.Table) -> str:
    """SHA-256 of the data alone: column names, types and values, not the file's metadata."""
    bare = pa.schema([pa.field(field.name, field.type, field.nullable) for field in table.schema])
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, bare) as stream:
        stream.write_table(table.combine_chunks().cast(bare))
    return hashlib.sha256(sink.getvalue()).hexdigest()


@contextmanager
def atomic(path: str | Path) -> Iterator[Path]:
    """A temporary path beside `path`; on success synced and renamed over it, on failure removed.

    What killed processes left of the same file is removed first.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    sweep_siblings(path)
    handle, name = tempfile.mkstemp(
        dir=path.parent, prefix=temporary_prefix(path.stem), suffix=_TEMPORARY + path.suffix
    )
    os.close(handle)
    temporary = Path(name)
    try:
        with full_disk_named(path):
            yield temporary
        with open(temporary, "rb") as whole:
            os.fsync(whole.fileno())
        temporary.chmod(0o666 & ~umask())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def full_disk_named(path: Path) -> Iterator[None]:
    """Turn whatever a writer raises while the disk of `path` is full into OSError ENOSPC."""
    try:
        yield
    except Exception as error:
        # also from Rust, which knows no OSError
        names_it = os.strerror(errno.ENOSPC) in str(error)
        if names_it or shutil.disk_usage(path.parent).free < 2**16:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path)) from error
        raise


def temporary_prefix(stem: str) -> str:
    """How the name of a temporary file begins: it says which process of which machine writes it."""
    return f".{stem}.{_HOST}-{os.getpid()}-"


def sweep_siblings(path: Path) -> None:
    """Remove what killed processes left beside `path` when they wrote it."""
    for stray in path.parent.glob(f".{glob.escape(path.stem)}.*{_TEMPORARY}*"):
        _remove_if_stray(stray)


def sweep(folder: str | Path) -> list[Path]:
    """Remove temporary files and folders whose process is gone; other machines' are left alone."""
    return [
        path for path in sorted(Path(folder).rglob(f".*{_TEMPORARY}*")) if _remove_if_stray(path)
    ]


def _remove_if_stray(path: Path) -> bool:
    writer = re.search(rf"\.(\w+)-(\d+)-\w+{re.escape(_TEMPORARY)}", path.name)
    if not writer or writer[1] != _HOST or _alive(int(writer[2])):
        return False
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
    return True


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def drop(folder: Path, pattern: str) -> None:
    """Remove the checkpoints of a finished job, and their folder once it is empty.

    Args:
        folder: of the checkpoints; may be missing.
        pattern: glob of their names.
    """
    for path in folder.glob(pattern):
        path.unlink()
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()


def umask() -> int:
    """The permissions that new files of this process do not get."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
