"""Result tables: a model per table, checked on write; Parquet files that appear whole or not at all.

A table model is a pydantic class with one field per column (`column(...)`). It says the type, the unit, and whether
NaN may occur and what it then means. The same class gives the JSON Schema under `workflow/schemas/`.
"""

import hashlib
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, get_args, get_origin

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, Field

from rote.errors import InputError

_PROVENANCE = b"rote"
_ARROW = {int: pa.int64(), float: pa.float64(), str: pa.string(), bool: pa.bool_()}


class Table(BaseModel):
    """Base of all table models. The class docstring says what one row is."""

    model_config = ConfigDict(extra="forbid")
    KEY: ClassVar[tuple[str, ...]] = ()  # columns that together name a row; no two rows may share them
    MAY_BE_EMPTY: ClassVar[bool] = False  # whether there may be nothing to say; else no rows are an error


def column(description: str, unit: str = "", nan: str = "") -> Any:
    """A column: what it holds, its unit ("" = none), and what NaN means ("" = NaN is an error)."""
    return Field(description=description, json_schema_extra={"unit": unit, "nan": nan})


def arrow_schema(model: type[Table]) -> pa.Schema:
    """The Arrow schema of a table model, with units and meanings in the column metadata."""
    fields = []
    for name, field in model.model_fields.items():
        kind = field.annotation
        kind = pa.list_(_ARROW[get_args(kind)[0]]) if get_origin(kind) is list else _ARROW[kind]
        about = {"description": field.description, **field.json_schema_extra}
        fields.append(pa.field(name, kind, nullable=False, metadata={k: v for k, v in about.items() if v}))
    return pa.schema(fields, metadata={"table": model.__name__, "row": model.__doc__ or ""})


def check(frame: pd.DataFrame, model: type[Table]) -> pa.Table:
    """`frame` as an Arrow table that obeys `model`.

    Raises:
        InputError: for missing or extra columns, wrong types, NaN where the model has no meaning for it, infinite
            values, an empty frame, or two rows with the same `KEY`.
    """
    name, fields = model.__name__, model.model_fields
    if list(frame.columns) != list(fields):
        missing, extra = set(fields) - set(frame.columns), set(frame.columns) - set(fields)
        what = f"missing {sorted(missing)}, unexpected {sorted(extra)}" if missing or extra else "wrong order"
        raise InputError(f"table {name}: columns do not match its model ({what}); it has {list(fields)}")
    if frame.empty and not model.MAY_BE_EMPTY:
        raise InputError(f"table {name}: no rows; an empty result is never written")
    for label, field in fields.items():
        values = frame[label]
        if field.annotation is float:
            try:
                values = values.to_numpy(float)
            except (TypeError, ValueError) as error:
                raise InputError(f"table {name}: column {label!r} must hold numbers ({error})") from error
            if np.isinf(values).any():
                raise InputError(f"table {name}: column {label!r} holds {int(np.isinf(values).sum())} infinite values")
            if np.isnan(values).any() and not field.json_schema_extra["nan"]:
                raise InputError(f"table {name}: column {label!r} holds {int(np.isnan(values).sum())} NaN values")
        elif values.isna().any():
            raise InputError(f"table {name}: column {label!r} holds missing values")
    if model.KEY and (twice := frame.duplicated(list(model.KEY))).any():
        first = frame.loc[twice, list(model.KEY)].iloc[0].to_dict()
        raise InputError(f"table {name}: {int(twice.sum())} rows repeat their key, first {first}")
    try:
        schema = arrow_schema(model)
        # column by column: pandas' own conversion would turn NaN, which has a meaning here, into null
        values = {
            f.name: frame[f.name].tolist() if pa.types.is_list(f.type) else frame[f.name].to_numpy() for f in schema
        }
        arrays = [pa.array(values[field.name], field.type, from_pandas=False) for field in schema]
        return pa.Table.from_arrays(arrays, schema=schema)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as error:
        raise InputError(f"table {name}: {error}") from error


def write(path: str | Path, frame: pd.DataFrame, model: type[Table], provenance: Mapping[str, Any]) -> None:
    """Check `frame` and write it as Parquet, with `provenance` and the digest of the data in the file's metadata.

    Same data give the same `data_sha256`; times and hosts live in the metadata only.
    """
    table = check(frame, model)
    record = {**provenance, "data_sha256": digest(table), "rows": table.num_rows}
    metadata = {**table.schema.metadata, _PROVENANCE: json.dumps(record, sort_keys=True)}
    with atomic(path) as temporary:
        pq.write_table(table.replace_schema_metadata(metadata), temporary, compression="zstd")


def read(path: str | Path) -> pd.DataFrame:
    """Read a table. Raises InputError naming the file if it is missing, truncated or not Parquet."""
    try:
        return pq.read_table(path).to_pandas()
    except FileNotFoundError as error:
        raise InputError(f"table {path} does not exist; run the rule that makes it: snakemake {path}") from error
    except pa.ArrowInvalid as error:
        raise InputError(f"table {path} is not a whole Parquet file ({error}); delete it and run again") from error


def provenance(path: str | Path) -> dict[str, Any]:
    """The provenance record that `write` put into a table file (`{}` if there is none)."""
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
    """A temporary path beside `path`; on success synced to disk and renamed over it, on failure removed."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}.", suffix=f".tmp{path.suffix}")
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with open(temporary, "rb") as whole:
            os.fsync(whole.fileno())
        temporary.chmod(0o666 & ~_umask())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def drop(folder: Path, pattern: str) -> None:
    """Remove the checkpoints of a finished job, and their folder once it is empty."""
    for path in folder.glob(pattern):
        path.unlink()
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()


def json_schema(models: Mapping[str, type[Table]]) -> str:
    """JSON Schema of one row of each table, for `workflow/schemas/`."""
    return json.dumps({name: model.model_json_schema() for name, model in models.items()}, indent=1) + "\n"


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
