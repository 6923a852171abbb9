"""Text files: plain or packed (.gz, .zst), UTF-8 or, by its byte order mark, UTF-16 or UTF-32.

Lines end in \\n (or \\r\\n); no other character of Unicode breaks them.
"""

import codecs
import gzip
import io
import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rote.core import extras
from rote.core.errors import DamagedFile, InputError
from rote.core.files import has_suffix, one_line, refuse_pointer

MAX_BYTES = 2**30  # of a line, and of a text in memory
BOM = codecs.BOM_UTF8
_WINDOW = 2**31  # bytes that zstd may look back: public corpora are packed with --long=31
_KINDS = {".zst": "zstd", ".gz": "gzip"}
_PROBE = 4096  # bytes by which a text's encoding is known
_CONTROL = bytes(range(9))  # characters that no text has, but half of UTF-16 and more of UTF-32
# how packed files begin, and what they are
_PACKED = (
    (b"\x1f\x8b", "packed by gzip: give it a name that ends in .gz"),
    (b"\x28\xb5\x2f\xfd", "packed by zstd: give it a name that ends in .zst"),
    (b"\xfd7zXZ\0", "packed by xz: unpack it"),
    (b"BZh", "packed by bzip2: unpack it"),
    (b"PK\3\4", "packed by zip: unpack it"),
    (b"PAR1", "a Parquet file: give it a name that ends in .parquet"),
)
_SURROGATE = re.compile("[\ud800-\udfff]")
# the longer marks first: that of UTF-32 begins as that of UTF-16
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


@contextmanager
def opened(path: Path, replaced: Callable[[], None] | None = None) -> Iterator[io.BufferedIOBase]:
    """A file's text as UTF-8 bytes, unpacked and recoded as they are read.

    Args:
        path: of the file; .gz and .zst (in any case) say that it is packed.
        replaced: called once if what is no text in UTF-16 or UTF-32 was replaced by U+FFFD; None
            makes that an error.

    Yields:
        A stream of UTF-8 bytes; a file without a byte order mark is given as it is.

    Raises:
        InputError: if it cannot be opened.
        DamagedFile: if it is a pointer of Git LFS, packed and not whole, packed otherwise than its
            name says, or UTF-16 or UTF-32 without a mark; in place of what else is raised while it
            is open.
    """
    kind = next((kind for suffix, kind in _KINDS.items() if has_suffix(path, (suffix,))), "text")
    refuse_pointer(path)
    with one_line(path, f"is not a whole {kind} file", "fetch it again"), _unpacked(path) as stream:
        yield _as_utf8(path, stream, replaced)


def _unpacked(path: Path) -> io.BufferedReader:
    if has_suffix(path, tuple(_KINDS)) and not path.stat().st_size:
        raise EOFError("it is empty")
    if has_suffix(path, (".gz",)):
        return io.BufferedReader(gzip.open(path, "rb"), 2**20)  # type: ignore[arg-type]
    if has_suffix(path, (".zst",)):
        return io.BufferedReader(_Zstandard(path), 2**20)
    return path.open("rb")


def _as_utf8(
    path: Path, stream: io.BufferedReader, replaced: Callable[[], None] | None
) -> io.BufferedIOBase:
    start = stream.peek(_PROBE)[:_PROBE]
    for mark, encoding in _MARKS:
        if start.startswith(mark):
            stream.read(len(mark))
            return io.BufferedReader(_Recoded(stream, encoding, replaced), 2**16)
    for mark, cure in _PACKED:
        if start.startswith(mark) and not (mark.isalnum() and start.isascii()):
            raise DamagedFile(f"{path} is no text, but {cure}")
    start = start.rstrip(b"\0")  # what a crash leaves at the end of a text
    control = len(start) - len(start.translate(None, _CONTROL))
    if len(start) > 4 and control > 0.3 * len(start):
        raise DamagedFile(
            f"{path} looks like UTF-16 or UTF-32 without a byte order mark, or holds no text; "
            "save it as UTF-8"
        )
    return stream


class _Recoded(io.RawIOBase):
    """UTF-16 or UTF-32 as UTF-8."""

    def __init__(
        self, stream: io.BufferedReader, encoding: str, replaced: Callable[[], None] | None
    ):
        self._stream = stream
        self._replaced = replaced
        self._decoder = codecs.getincrementaldecoder(encoding)("replace" if replaced else "strict")
        self._ready = b""
        self._ended = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._ready and not self._ended:
            data = self._stream.read(2**16)
            self._ended = not data
            text = self._decoder.decode(data, final=self._ended)
            if self._replaced and "\ufffd" in text:
                self._replaced()
                self._replaced = None
            self._ready = text.encode()
        size = min(len(buffer), len(self._ready))
        buffer[:size] = self._ready[:size]
        self._ready = self._ready[size:]
        return size


class _Zstandard(io.RawIOBase):
    """A zstd file's bytes. Unlike the library's reader it fails if the file ends within a frame."""

    def __init__(self, path: Path):
        unpacker = extras.load("zstandard", "ngrams", "a file packed by zstd").ZstdDecompressor

        self._start_frame = lambda: unpacker(max_window_size=_WINDOW).decompressobj()
        self._file = path.open("rb")
        self._frame: Any = None
        self._compressed = b""
        self._ready = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
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


def broken_lines(path: Path, stream: io.BufferedIOBase, limit: int = MAX_BYTES) -> Iterator[bytes]:
    """The lines of a stream that `opened` gave, each with its line break.

    Args:
        path: of the file, for errors.
        stream: of UTF-8 bytes.
        limit: bytes of a line.

    Raises:
        InputError: naming the line that is longer.
    """
    number = 0
    while line := stream.readline(limit + 1):
        number += 1
        if len(line) > limit:
            raise InputError(f"{path}, line {number}: more than {limit:,} bytes; is it a text?")
        yield line


def decoded(content: bytes, where: str) -> str:
    """UTF-8 as text.

    Args:
        content: bytes without a byte order mark.
        where: file and line, for the error.

    Raises:
        InputError: naming the byte that is no UTF-8.
    """
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise InputError(f"{where}: not UTF-8 at byte {error.start}; save it as UTF-8") from error


def encodable(text: str) -> str:
    """`text` with U+FFFD in place of halves of surrogate pairs, which no file can hold."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return _SURROGATE.sub("\ufffd", text)
    return text


def value(line: str, *, distinct: bool = False) -> Any:
    """A JSON value whose texts can all be written to a file, see `encodable`.

    Args:
        line: its text.
        distinct: refuse an object that has a key twice, of which the last would be read.

    Raises:
        ValueError: if it is no JSON, nested too deeply, or has a key twice.
    """
    try:
        read = json.loads(line, object_pairs_hook=_distinct if distinct else None)
        # only an escape can stand for half a pair: UTF-8 cannot
        return _encodable_value(read) if "\\u" in line else read
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of its keys and values."""
    read = dict(pairs)
    if len(read) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"it has the key {twice!r} twice")
    return read


def _encodable_value(read: Any) -> Any:
    if isinstance(read, str):
        return encodable(read)
    if isinstance(read, list):
        return [_encodable_value(part) for part in read]
    if isinstance(read, dict):
        return {encodable(name): _encodable_value(part) for name, part in read.items()}
    return read


def lines(path: Path, limit: int | None = None) -> Iterator[tuple[int, str]]:
    """The lines of a file, each with its number and line break.

    Args:
        path: of the file.
        limit: bytes of the text, unpacked; None is none.

    Raises:
        InputError: as `opened` and `broken_lines`; for a line that is no UTF-8, a text of more
            bytes.
    """
    size = 0
    with opened(path) as stream:
        for number, line in enumerate(broken_lines(path, stream), 1):
            size += len(line)
            if limit is not None and size > limit:
                raise InputError(f"{path}: more than {limit:,} bytes are not read; split it")
            content = line.removeprefix(BOM) if number == 1 else line
            yield number, decoded(content, f"{path}, line {number}")


def objects(path: Path, limit: int | None = None) -> Iterator[tuple[int, dict[str, Any]]]:
    """The objects of a JSON-lines file, each with the number of its line; empty lines are none.

    Args:
        path: of the file.
        limit: bytes of the text, unpacked; None is none.

    Raises:
        InputError: as `lines`; for a line that is no JSON or no object, or has a key twice.
    """
    for number, line in lines(path, limit):
        if not line.strip():
            continue
        where = f"{path}, line {number}"
        try:
            read = value(line, distinct=True)
        except ValueError as error:
            raise InputError(f"{where}: not JSON ({error})") from error
        if not isinstance(read, dict):
            raise InputError(f"{where}: not an object but {type(read).__name__}")
        yield number, read
