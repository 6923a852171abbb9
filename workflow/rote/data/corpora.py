"""Text corpora, read by document: files, folders, globs of Parquet, JSON lines and plain text.

Nothing is held but the document (JSON lines, Parquet: the batch of rows) that is being read. Read
strictly, what cannot be read is an error that names file and line. Read leniently, it becomes an
empty document and is counted, so that documents keep their numbers.
"""

import fnmatch
import glob
import io
import logging
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import chain, islice, takewhile
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from rote.core import extras
from rote.core.errors import DamagedFile, InputError
from rote.core.files import (
    first_line,
    has_suffix,
    of_formats,
    one_line,
    refuse_pointer,
    skipped,
    under,
)
from rote.data import hub
from rote.readers import text as reader

log = logging.getLogger("rote")

# not .json: data sets keep notes in it
JSON_LINES = (".jsonl", ".jsonl.gz", ".json.gz", ".jsonl.zst", ".json.zst")
SUFFIXES = (".parquet", *JSON_LINES, ".txt", ".txt.gz", ".txt.zst")
HUB = "hf:"  # prefix of a data set of the Hugging Face hub
STREAM = "stream:"  # prefix of one that is read off the network
Source = str | Path | Iterable[str | Mapping[str, Any]]
MAX_BYTES = 2**30  # of a document: an unpacked bomb is refused before it fills the memory


class Document(NamedTuple):
    """One document of a corpus."""

    id: str  # the file's path within the corpus and the document's number there
    text: str


class _Reading(NamedTuple):
    """How files are read: the options of `documents`."""

    column: str
    split: str
    strict: bool
    errors: str
    problems: Counter[str]

    def replaced(self) -> None:
        """Count bytes that were no text."""
        self.problems["bytes replaced"] += 1

    def skip(self, kind: str, message: str) -> str:
        """The text for what cannot be read: an error if strict, else empty, and counted."""
        if self.strict:
            raise InputError(message)
        if not self.problems[kind]:
            log.warning("%s (skipped; the first of this kind)", message)
        self.problems[kind] += 1
        return ""


class CorpusFile(NamedTuple):
    """A file of a corpus."""

    path: Path
    name: str  # its path within the corpus


def files(source: str | Path) -> list[Path]:
    """The files of a corpus in a fixed order.

    Args:
        source: a file, a folder (searched in depth, through links, without hidden names), a glob,
            or `hf:<data set>`: files of the Hugging Face hub are fetched (a broken download goes on
            where it stopped), or taken from its cache; `hf:<data set>#<part>` takes only those with
            `part` in their path. Upper and lower case of a name's ending are the same.

    Raises:
        InputError: if there is no file, saying what was looked for where; for a file whose name
            says no known format; for a link that leads nowhere; for a stream, which has no files.
    """
    return [file.path for file in _files(source)]


def _files(source: str | Path) -> list[CorpusFile]:
    text = str(source)
    if text.startswith(STREAM):
        raise InputError(
            f"corpus {text}: a stream has no files; "
            f"name it with {HUB}, or give a file, folder or glob"
        )
    if text.startswith(HUB):
        name, _, part = text.removeprefix(HUB).partition("#")
        listed = [file for file in _files(_download(name)) if part in file.name]
        if not listed:
            raise InputError(f"corpus {text}: no file of {name} has {part!r} in its path")
        return listed
    listed = _at(text)
    if not listed:
        raise InputError(
            f"corpus {text}: no file there; give a file, folder or glob of {', '.join(SUFFIXES)}, "
            f"or {HUB}<data set>"
        )
    for file in listed:
        if not has_suffix(file.path, SUFFIXES):
            raise InputError(
                f"corpus file {file.path}: its name must end in one of {', '.join(SUFFIXES)}"
            )
    if twice := _repeated([file.path for file in listed]):
        log.warning("corpus %s: by links %s once more: each counts as often", text, skipped(twice))
    return listed


def _repeated(paths: list[Path]) -> list[Path]:
    """Those that are an earlier file under another name."""
    seen: set[tuple[int, int]] = set()
    again = []
    for path in paths:
        with suppress(OSError):  # whoever reads it says so
            status = path.stat()
            if (status.st_dev, status.st_ino) in seen:
                again.append(path)
            seen.add((status.st_dev, status.st_ino))
    return again


def _at(text: str) -> list[CorpusFile]:
    """The file, or those of the folder or glob, at a path."""
    try:
        path = Path(text).expanduser()
        is_folder, is_there = path.is_dir(), path.exists()
    except (OSError, RuntimeError) as error:  # a name too long, a folder closed to this user
        raise InputError(f"corpus {text}: {first_line(error)}; check the path") from error
    if not text.strip():  # which is no name of the folder where one is
        return []
    if is_folder:
        return _in_folder(path)
    if is_there:
        return [_named(path, path.parent)]
    return _matching(path)


def _named(path: Path, folder: Path) -> CorpusFile:
    """A file, named by its path within a folder; bytes that are no UTF-8 are escaped."""
    name = os.fsencode(path.relative_to(folder))
    return CorpusFile(path, name.decode(errors="backslashreplace"))


def _in_folder(folder: Path) -> list[CorpusFile]:
    """Its files of known formats; the others are named in the log."""
    return [_named(path, folder) for path in of_formats(folder, SUFFIXES)]


def _matching(pattern: Path) -> list[CorpusFile]:
    """What a glob matches: files, and those of folders unless it goes into folders itself."""
    fixed = Path(*takewhile(lambda part: not glob.has_magic(part), pattern.parts))
    if "**" in pattern.parts:
        return _deep(fixed, pattern.parts[len(fixed.parts) :])
    by_path: dict[Path, None] = {}
    for match in sorted(map(Path, glob.glob(str(pattern), recursive=True))):
        if not match.is_dir():
            by_path[match] = None
        else:
            by_path |= dict.fromkeys(file.path for file in _in_folder(match))
    return [_named(path, fixed) for path in by_path]


def _deep(folder: Path, parts: tuple[str, ...]) -> list[CorpusFile]:
    """The files below a folder that a glob with ** matches, each once where links go in circles."""
    paths = under(folder) if folder.is_dir() else ()
    return [_named(path, folder) for path in paths if _fits(path.relative_to(folder).parts, parts)]


def _fits(parts: tuple[str, ...], pattern: tuple[str, ...]) -> bool:
    """Whether the parts of a path match those of a glob, ** any number of them."""
    if not pattern:
        return not parts
    if pattern[0] == "**":
        return any(_fits(parts[number:], pattern[1:]) for number in range(len(parts) + 1))
    return (
        bool(parts) and fnmatch.fnmatchcase(parts[0], pattern[0]) and _fits(parts[1:], pattern[1:])
    )


def sources(given: Source | Iterable[Path]) -> list[Source]:
    """What a corpus is read from, one after another.

    Args:
        given: a source, as `documents` takes it, or paths of several.
    """
    if isinstance(given, (str, Path)):
        return [given]
    items: Iterator[Any] = iter(given)
    first = list(islice(items, 1))
    if first and isinstance(first[0], Path):
        return [*first, *items]
    return [chain(first, items)]


def name_of(source: Source) -> str:
    """What a source is called in messages."""
    return str(source) if isinstance(source, (str, Path)) else "the texts given"


def documents(
    source: Source,
    column: str = "text",
    *,
    split: str = "file",
    strict: bool = True,
    errors: str | None = None,
    problems: Counter[str] | None = None,
) -> Iterator[Document]:
    """Every document: a row (Parquet), a line's object (JSON lines), or a piece of a text file.

    `stream:<data set>` reads a Hugging Face data set (or a folder that `datasets` can load) row by
    row off the network, without a copy on the disk; `stream:<data set>#<configuration>/<split>`
    names its parts, by default the split train.

    Args:
        source: as for `files`, or a stream; or texts themselves: an iterable of strings, or of
            rows that hold one under `column`, as a `datasets.Dataset`.
        column: column or key that holds the text.
        split: what a document of a text file is: the whole `file`, a `line`, or what `blank` lines
            separate.
        strict: False counts what cannot be read in `problems` and gives an empty document in its
            place; of a truncated file what comes before the cut is read.
        errors: `strict` or `replace` (by U+FFFD) for bytes that are not UTF-8; default: as `strict`
            says.
        problems: counts of what could not be read, by kind, or had bytes replaced; added to.

    Yields:
        Documents, in the order of the files.

    Raises:
        InputError: if strict, naming file and line for what cannot be read. Strict or not: as
            `files`; for a line, or a text file that is one document, of more than `MAX_BYTES`; for
            bytes that are not UTF-8 where `errors` is strict; for a stream that breaks; for an
            unknown `split` or `errors`.
    """
    if split not in SPLITS:
        raise InputError(f"split must be one of {', '.join(SPLITS)}, given {split!r}")
    errors = errors or ("strict" if strict else "replace")
    if errors not in ("strict", "replace"):
        raise InputError(f"errors must be strict or replace, given {errors!r}")
    reading = _Reading(
        column=column,
        split=split,
        strict=strict,
        errors=errors,
        problems=Counter() if problems is None else problems,
    )
    if not isinstance(source, (str, Path)):
        yield from _texts(source, reading)
        return
    if str(source).startswith(STREAM):
        yield from _stream(str(source), reading)
        return
    for file in _files(source):
        for number, text in enumerate(_read(file.path, reading)):
            yield Document(f"{file.name}:{number}", text)


def _texts(rows: Iterable[str | Mapping[str, Any]], reading: _Reading) -> Iterator[Document]:
    """Texts in memory, or rows that hold them."""
    for number, row in enumerate(rows):
        text = row.get(reading.column) if isinstance(row, Mapping) else row
        if isinstance(text, str):
            _refuse_name(text, number)
        else:
            content = ", ".join(map(str, row)) if isinstance(row, Mapping) else type(row).__name__
            message = f"text {number}: no text under the key {reading.column!r} (it has {content})"
            text = reading.skip("no text", message)
        yield Document(f"text:{number}", reader.encodable(text))


def _refuse_name(text: str, number: int) -> None:
    """Raise InputError for what is the name of a source rather than a text."""
    is_name = text.startswith((HUB, STREAM)) or has_suffix(Path(text[-99:]), SUFFIXES)
    if is_name and len(text.split()) == 1:
        raise InputError(
            f"text {number} is {text!r}: strings in a list are texts; for files give one string, "
            "or pathlib.Path objects"
        )


def _read(file: Path, reading: _Reading) -> Iterator[str]:
    try:
        if has_suffix(file, (".parquet",)):
            yield from _parquet(file, reading)
            return
        with reader.opened(
            file, reading.replaced if reading.errors == "replace" else None
        ) as stream:
            read = _objects if has_suffix(file, JSON_LINES) else SPLITS[reading.split]
            yield from read(file, stream, reading)
    except DamagedFile as error:
        reading.skip("truncated file", f"corpus file {error}")


def _objects(file: Path, stream: io.BufferedIOBase, reading: _Reading) -> Iterator[str]:
    for number, line in enumerate(reader.broken_lines(file, stream, MAX_BYTES), 1):
        if line.strip() and line.strip() != reader.BOM:
            yield _object(file, number, line, reading)


def _whole(file: Path, stream: io.BufferedIOBase, reading: _Reading) -> Iterator[str]:
    content = stream.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise InputError(
            f"corpus file {file}: more than {MAX_BYTES:,} bytes as one document; "
            "split it by line or blank"
        )
    yield _decoded(file, "", content, reading)


def _by_line(file: Path, stream: io.BufferedIOBase, reading: _Reading) -> Iterator[str]:
    for number, line in enumerate(reader.broken_lines(file, stream, MAX_BYTES), 1):
        yield _decoded(file, f"line {number}", line, reading).rstrip("\r\n")


def _by_block(file: Path, stream: io.BufferedIOBase, reading: _Reading) -> Iterator[str]:
    block: list[str] = []  # lines of a document
    for number, line in enumerate(reader.broken_lines(file, stream, MAX_BYTES), 1):
        text = _decoded(file, f"line {number}", line, reading)
        if text.strip():
            block.append(text)
        elif block:
            yield "".join(block)
            block = []
    if block:
        yield "".join(block)


SPLITS = {"file": _whole, "line": _by_line, "blank": _by_block}  # of a text file, into documents


def _parquet(file: Path, reading: _Reading) -> Iterator[str]:
    refuse_pointer(file)
    with one_line(file, "is not a whole Parquet file", "fetch it again"):
        table = pq.ParquetFile(file)
        if reading.column not in table.schema_arrow.names:
            columns = ", ".join(table.schema_arrow.names)
            message = f"corpus file {file} has no column {reading.column!r}, but {columns}"
            reading.skip("missing column", message)
            return
        row = 0
        for batch in table.iter_batches(columns=[reading.column]):
            for value in _bytes_of_texts(batch.column(0)).to_pylist():
                yield _cell(file, row, value, reading)
                row += 1


def _bytes_of_texts(column: pa.Array) -> pa.Array:
    """Texts as bytes: a writer may have put there what is no UTF-8."""
    kind = column.type
    is_text = pa.types.is_string(kind) or pa.types.is_large_string(kind)
    return column.cast(pa.large_binary()) if is_text else column


def _cell(file: Path, row: int, value: Any, reading: _Reading) -> str:
    """A row's text."""
    if isinstance(value, bytes):
        return _decoded(file, f"row {row}", value, reading)
    if isinstance(value, str):
        return value
    kind = type(value).__name__
    message = f"corpus file {file}, row {row}: {reading.column!r} is not text but {kind}"
    return reading.skip("no text", message)


def _object(file: Path, number: int, line: bytes, reading: _Reading) -> str:
    where = f"corpus file {file}, line {number}"
    try:
        value = reader.value(_decoded(file, f"line {number}", line, reading))
    except InputError:
        raise
    except ValueError as error:
        return reading.skip("not JSON", f"{where}: not JSON ({error})")
    if not isinstance(value, dict) or not isinstance(value.get(reading.column), str):
        content = ", ".join(value) if isinstance(value, dict) else type(value).__name__
        if isinstance(value, dict) and reading.column in value:
            content = f"{type(value[reading.column]).__name__} under that key"
        return reading.skip(
            "no text", f"{where}: no text under the key {reading.column!r} (it has {content})"
        )
    return value[reading.column]


def _stream(source: str, reading: _Reading) -> Iterator[Document]:
    """Rows of a data set that `datasets` streams."""
    datasets = extras.load("datasets", "hub", "reading a data set of the hub")

    name, _, part = source.removeprefix(STREAM).partition("#")
    configuration, _, split = part.rpartition("/")
    if not (Path(name).is_dir() or hub.answers()):
        raise InputError(
            f"corpus {source} cannot be streamed: there is no folder {name}, and the hub does not "
            "answer; give a file, folder or glob of its files instead"
        )
    try:
        rows = datasets.load_dataset(
            name, configuration or None, split=split or "train", streaming=True
        )
        for number, row in enumerate(rows):
            text = row.get(reading.column)
            if not isinstance(text, str):
                content = ", ".join(row)
                if reading.column in row:
                    content = f"{type(text).__name__} under that key"
                message = (
                    f"corpus {source}, row {number}: "
                    f"no text under the key {reading.column!r} (it has {content})"
                )
                text = reading.skip("no text", message)
            yield Document(f"{name}:{number}", reader.encodable(text))
    except InputError:
        raise
    except Exception as error:  # of the library, the network, or the files' formats
        raise InputError(
            f"corpus {source} cannot be streamed: {first_line(error)}; "
            "give a file, folder or glob of its files instead"
        ) from error


def _decoded(file: Path, position: str, content: bytes, reading: _Reading) -> str:
    if position in ("", "line 1"):
        content = content.removeprefix(reader.BOM)
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        if reading.errors == "strict":
            where = f"corpus file {file}, {position}" if position else f"corpus file {file}"
            raise InputError(
                f"{where}: not UTF-8 at byte {error.start}; save it as UTF-8"
            ) from error
        reading.replaced()
        return content.decode(errors="replace")


def _download(name: str) -> Path:
    library = extras.load("huggingface_hub", "hub", "fetching a data set of the hub")

    try:
        patterns = [f"*{suffix}" for suffix in SUFFIXES]
        options = {"allow_patterns": patterns, "local_files_only": not hub.answers()}
        return Path(library.snapshot_download(name, repo_type="dataset", **options))
    except Exception as error:  # of the library or the network
        raise InputError(
            f"data set {name!r} cannot be fetched: {hub.fault(name, error)}; "
            "give a file, folder or glob of its files instead"
        ) from error
