"""Text corpora: files, folders and globs of Parquet, JSON lines and plain text, read document by
document.

Nothing is held but the document (JSON lines, Parquet: the batch of rows) that is being read. Read
strictly, what cannot be read is an error that names file and line. Read leniently, it becomes an
empty document and is counted, so that documents keep their numbers.
"""

import glob
import gzip
import io
import json
import logging
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from rote.core.errors import InputError

log = logging.getLogger("rote")

LINES = (
    ".jsonl",
    ".jsonl.gz",
    ".json.gz",
    ".jsonl.zst",
    ".json.zst",
)  # not .json: data sets keep notes in it
KINDS = (".parquet", *LINES, ".txt", ".txt.gz", ".txt.zst")
STREAM = "stream:"
LONGEST = 2**30  # bytes of a document: an unpacked bomb is refused before it fills the memory
SPLITS = ("file", "line", "blank")
BOM = b"\xef\xbb\xbf"


class Document(NamedTuple):
    """One document; its id is the file's name and its number there."""

    id: str
    text: str


class _Reading(NamedTuple):
    """How files are read."""

    column: str
    split: str
    strict: bool
    errors: str
    problems: Counter

    def skip(self, kind: str, message: str) -> str:
        """What cannot be read: an error if strict, else counted and an empty document."""
        if self.strict:
            raise InputError(message)
        if not self.problems[kind]:
            log.warning("%s (skipped; the first of this kind)", message)
        self.problems[kind] += 1
        return ""


def files(source: str | Path) -> list[Path]:
    """The files of a corpus in a fixed order: a file, a folder (searched in depth), a glob, or
    `hf:<data set>`.

    A Hugging Face data set's files are fetched (a broken download goes on where it stopped), or
    taken from the hub's cache; `hf:<data set>#<part>` takes only those with `part` in their path.

    Raises:
        InputError: saying what was looked for where.
    """
    text = str(source)
    if text.startswith(STREAM):
        raise InputError(
            f"corpus {text}: a stream has no files; name it with hf:, or give a file, folder or "
            "glob"
        )
    if text.startswith("hf:"):
        name, _, part = text[3:].partition("#")
        folder = _download(name)
        found = [file for file in files(folder) if part in str(file.relative_to(folder))]
        if not found:
            raise InputError(f"corpus {text}: no file of {name} has {part!r} in its path")
        return found
    path = Path(text).expanduser()
    if path.is_dir():
        found = sorted(
            file for file in path.rglob("*") if file.is_file() and file.name.endswith(KINDS)
        )
    elif path.is_file():
        found = [path]
    else:
        found = sorted(map(Path, glob.glob(str(path), recursive=True)))
    if not found:
        raise InputError(
            f"corpus {text}: no file there; give a file, folder or glob of {', '.join(KINDS)}, or "
            "hf:<data set>"
        )
    for file in found:
        if not file.name.endswith(KINDS):
            raise InputError(f"corpus file {file}: its name must end in one of {', '.join(KINDS)}")
    return found


def documents(
    source: str | Path,
    column: str = "text",
    *,
    split: str = "file",
    strict: bool = True,
    errors: str | None = None,
    problems: Counter | None = None,
) -> Iterator[Document]:
    """Every document: a row (Parquet), a line's object (JSON lines), or a piece of a text file.

    `stream:<data set>` reads a Hugging Face data set (or a folder that `datasets` can load) row by
    row off the network, without a copy on the disk; `stream:<data set>#<configuration>/<split>`
    names its parts, by default the split train.

    Args:
        column: column or key that holds the text.
        split: what a document of a text file is: the whole `file`, a `line`, or what `blank` lines
            separate.
        strict: False counts what cannot be read in `problems` and gives an empty document in its
            place; of a truncated file what comes before the cut is read.
        errors: `strict` or `replace` (by U+FFFD) for bytes that are not UTF-8; default: as `strict`
            says.
        problems: counts of what could not be read, by kind, or had bytes replaced.

    Raises:
        InputError: naming file and line for what cannot be read.
    """
    if split not in SPLITS:
        raise InputError(f"split must be one of {', '.join(SPLITS)}, given {split!r}")
    errors = errors or ("strict" if strict else "replace")
    if errors not in ("strict", "replace"):
        raise InputError(f"errors must be strict or replace, given {errors!r}")
    reading = _Reading(column, split, strict, errors, Counter() if problems is None else problems)
    if str(source).startswith(STREAM):
        yield from _stream(str(source), reading)
        return
    for file in files(source):
        for number, text in enumerate(_read(file, reading)):
            yield Document(f"{file.name}:{number}", text)


def lines(file: Path) -> Iterator[bytes]:
    """The lines of a text or JSON-lines file, decompressed. Raises InputError if it is cut short."""
    from zstandard import ZstdError

    try:
        with _opened(file) as stream:
            yield from _lines(file, stream)
    except (EOFError, gzip.BadGzipFile, ZstdError) as error:
        raise InputError(
            f"{file} is not a whole compressed file ({error}); fetch it again"
        ) from error


def _read(file: Path, reading: _Reading) -> Iterator[str]:
    if file.name.endswith(".parquet"):
        yield from _parquet(file, reading)
        return
    from zstandard import ZstdError

    try:
        with _opened(file) as stream:
            yield from (
                _objects(file, stream, reading)
                if file.name.endswith(LINES)
                else _pieces(file, stream, reading)
            )
    except (EOFError, gzip.BadGzipFile, ZstdError) as error:
        kind = "gzip" if file.suffix == ".gz" else "zstd"
        reading.skip(
            "truncated file",
            f"corpus file {file} is not a whole {kind} file ({error}); fetch it again",
        )


def _opened(file: Path) -> io.BufferedIOBase:
    """A file's bytes, decompressed as they are read."""
    if file.suffix == ".gz":
        return gzip.open(file, "rb")
    if file.suffix == ".zst":
        return io.BufferedReader(_Zstandard(file), 2**20)
    return file.open("rb")


class _Zstandard(io.RawIOBase):
    """A zstd file's bytes. Unlike the library's own reader it says so when the file ends within a
    frame.
    """

    def __init__(self, file: Path):
        from zstandard import ZstdDecompressor

        self._start_frame = lambda: ZstdDecompressor().decompressobj()
        self._file = file.open("rb")
        self._frame, self._compressed, self._ready = None, b"", memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        while not self._ready:
            data = self._compressed or self._file.read(2**16)
            if not data:
                if self._frame is not None:
                    raise EOFError("it ends within a frame")
                return 0
            self._frame = self._frame or self._start_frame()
            self._ready = memoryview(self._frame.decompress(data))
            self._compressed = self._frame.unused_data if self._frame.eof else b""
            if self._frame.eof:
                self._frame = None
        size = min(len(buffer), len(self._ready))
        buffer[:size] = self._ready[:size]
        self._ready = self._ready[size:]
        return size

    def close(self) -> None:
        self._file.close()
        super().close()


def _objects(file: Path, stream: io.BufferedIOBase, reading: _Reading) -> Iterator[str]:
    for number, line in enumerate(_lines(file, stream), 1):
        if line.strip() and line.strip() != BOM:
            yield _object(file, number, line, reading)


def _lines(file: Path, stream: io.BufferedIOBase) -> Iterator[bytes]:
    """The lines of a stream, none longer than a document may be."""
    number = 0
    while line := stream.readline(LONGEST + 1):
        number += 1
        if len(line) > LONGEST:
            raise InputError(
                f"corpus file {file}, line {number}: more than {LONGEST:,} bytes; is it a text?"
            )
        yield line


def _pieces(file: Path, stream: io.BufferedIOBase, reading: _Reading) -> Iterator[str]:
    if reading.split == "file":
        content = stream.read(LONGEST + 1)
        if len(content) > LONGEST:
            raise InputError(
                f"corpus file {file}: more than {LONGEST:,} bytes as one document; split it by "
                "line or blank"
            )
        yield _decoded(file, None, content, reading)
        return
    held: list[str] = []
    for number, line in enumerate(_lines(file, stream), 1):
        text = _decoded(file, number, line, reading)
        if reading.split == "line":
            yield text.rstrip("\r\n")
        elif text.strip():
            held.append(text)
        elif held:
            yield "".join(held)
            held = []
    if held:
        yield "".join(held)


def _parquet(file: Path, reading: _Reading) -> Iterator[str]:
    try:
        table = pq.ParquetFile(file)
        if reading.column not in table.schema_arrow.names:
            has = ", ".join(table.schema_arrow.names)
            reading.skip(
                "missing column", f"corpus file {file} has no column {reading.column!r}, but {has}"
            )
            return
        row = 0
        for batch in table.iter_batches(columns=[reading.column]):
            for value in batch.column(0).to_pylist():
                if not isinstance(value, str):
                    kind = type(value).__name__
                    message = (
                        f"corpus file {file}, row {row}: {reading.column!r} is not text but {kind}"
                    )
                    value = reading.skip("no text", message)
                yield value
                row += 1
    except (pa.ArrowInvalid, OSError) as error:
        reading.skip("truncated file", f"corpus file {file} is not a whole Parquet file ({error})")


def _object(file: Path, number: int, line: bytes, reading: _Reading) -> str:
    where = f"corpus file {file}, line {number}"
    try:
        value = json.loads(_decoded(file, number, line, reading))
    except (json.JSONDecodeError, RecursionError) as error:
        return reading.skip("not JSON", f"{where}: not JSON ({error})")
    if not isinstance(value, dict) or not isinstance(value.get(reading.column), str):
        held = ", ".join(value) if isinstance(value, dict) else type(value).__name__
        return reading.skip(
            "no text", f"{where}: no text under the key {reading.column!r} (it has {held})"
        )
    return value[reading.column]


def _stream(source: str, reading: _Reading) -> Iterator[Document]:
    """Rows of a data set that `datasets` streams."""
    import datasets

    name, _, part = source.removeprefix(STREAM).partition("#")
    configuration, _, split = part.rpartition("/")
    try:
        rows = datasets.load_dataset(
            name, configuration or None, split=split or "train", streaming=True
        )
        for number, row in enumerate(rows):
            text = row.get(reading.column)
            if not isinstance(text, str):
                held = (
                    ", ".join(row)
                    if reading.column not in row
                    else f"{type(text).__name__} under that key"
                )
                message = (
                    f"corpus {source}, row {number}: no text under the key "
                    f"{reading.column!r} (it has {held})"
                )
                text = reading.skip("no text", message)
            yield Document(f"{name}:{number}", text)
    except InputError:
        raise
    except (datasets.exceptions.DatasetsError, OSError, ValueError) as error:
        first = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise InputError(
            f"corpus {source} cannot be streamed: {first}; give a file, folder or glob of its "
            "files instead"
        ) from error


def _decoded(file: Path, number: int | None, content: bytes, reading: _Reading) -> str:
    if number in (None, 1):
        content = content.removeprefix(BOM)
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        if reading.errors == "strict":
            where = f", line {number}" if number else ""
            raise InputError(
                f"corpus file {file}{where}: not UTF-8 at byte {error.start}"
            ) from error
        reading.problems["bytes replaced"] += 1
        return content.decode(errors="replace")


def _download(name: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        return Path(
            snapshot_download(
                name, repo_type="dataset", allow_patterns=[f"*{kind}" for kind in KINDS]
            )
        )
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError, ValueError) as error:
        first = str(error).strip().splitlines()[0]
        raise InputError(
            f"data set {name!r} cannot be fetched: {first}; give a file, folder or glob of its "
            "files instead"
        ) from error
