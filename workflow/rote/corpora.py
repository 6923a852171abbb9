"""Text corpora: files, folders and globs of Parquet, JSON lines and plain text, read document by document."""

import glob
import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from rote.errors import InputError

KINDS = (".parquet", ".jsonl", ".jsonl.gz", ".txt", ".txt.gz")


class Document(NamedTuple):
    """One document; its id is the file's name and its number there."""

    id: str
    text: str


def files(source: str | Path) -> list[Path]:
    """The files of a corpus in a fixed order: a file, a folder (searched in depth), a glob, or `hf:<data set>`.

    A Hugging Face data set's Parquet files are fetched, or taken from the hub's cache.

    Raises:
        InputError: saying what was looked for where.
    """
    text = str(source)
    if text.startswith("hf:"):
        return files(_download(text[3:]))
    path = Path(text).expanduser()
    if path.is_dir():
        found = sorted(file for file in path.rglob("*") if file.is_file() and file.name.endswith(KINDS))
    elif path.is_file():
        found = [path]
    else:
        found = sorted(map(Path, glob.glob(str(path), recursive=True)))
    if not found:
        raise InputError(
            f"corpus {text}: no file there; give a file, folder or glob of {', '.join(KINDS)}, or hf:<data set>"
        )
    for file in found:
        if not file.name.endswith(KINDS):
            raise InputError(f"corpus file {file}: its name must end in one of {', '.join(KINDS)}")
    return found


def documents(source: str | Path, column: str = "text") -> Iterator[Document]:
    """Every document: a row (Parquet), a line's object (JSON lines), or a whole file (text).

    Args:
        column: column or key that holds the text.

    Raises:
        InputError: naming file and line for what cannot be read.
    """
    for file in files(source):
        for number, text in enumerate(_read(file, column)):
            yield Document(f"{file.name}:{number}", text)


def _read(file: Path, column: str) -> Iterator[str]:
    if file.name.endswith(".parquet"):
        yield from _parquet(file, column)
        return
    reader = gzip.open if file.suffix == ".gz" else open
    try:
        with reader(file, "rb") as stream:
            if ".jsonl" in file.name:
                for number, line in enumerate(stream, 1):
                    if line.strip():
                        yield _object(file, number, line, column)
            else:
                yield _decoded(file, None, stream.read())
    except (EOFError, gzip.BadGzipFile) as error:
        raise InputError(f"corpus file {file} is not a whole gzip file ({error}); fetch it again") from error


def _parquet(file: Path, column: str) -> Iterator[str]:
    try:
        table = pq.ParquetFile(file)
        if column not in table.schema_arrow.names:
            raise InputError(f"corpus file {file} has no column {column!r}, but {', '.join(table.schema_arrow.names)}")
        for batch in table.iter_batches(columns=[column]):
            for number, value in enumerate(batch.column(0).to_pylist()):
                if not isinstance(value, str):
                    raise InputError(
                        f"corpus file {file}, row {number}: {column!r} is not text but {type(value).__name__}"
                    )
                yield value
    except pa.ArrowInvalid as error:
        raise InputError(f"corpus file {file} is not a whole Parquet file ({error})") from error


def _object(file: Path, number: int, line: bytes, column: str) -> str:
    try:
        value = json.loads(_decoded(file, number, line))
    except json.JSONDecodeError as error:
        raise InputError(f"corpus file {file}, line {number}: not JSON ({error})") from error
    if not isinstance(value, dict) or not isinstance(value.get(column), str):
        held = ", ".join(value) if isinstance(value, dict) else type(value).__name__
        raise InputError(f"corpus file {file}, line {number}: no text under the key {column!r} (it has {held})")
    return value[column]


def _decoded(file: Path, number: int | None, content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        where = f", line {number}" if number else ""
        raise InputError(f"corpus file {file}{where}: not UTF-8 at byte {error.start}") from error


def _download(name: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(name, repo_type="dataset", allow_patterns="*.parquet"))
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError, ValueError) as error:
        first = str(error).strip().splitlines()[0]
        raise InputError(
            f"data set {name!r} cannot be fetched: {first}; give a file, folder or glob of its Parquet files instead"
        ) from error
