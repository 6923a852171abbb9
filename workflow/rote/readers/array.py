"""Arrays that users give: idx files, plain or packed, and rows of bytes."""

import gzip
import math
import struct
from pathlib import Path

import numpy as np

from rote.core.errors import InputError
from rote.core.files import has_suffix, one_line, refuse_pointer

_IDX_UNSIGNED_BYTES = 8  # the type code of an idx file of bytes
_MAX_BYTES = 2**33  # that a file may unpack to


def read_idx(path: str | Path) -> np.ndarray:
    """Read an idx file of bytes, plain or gzipped.

    Returns:
        Of the shape that its header says, one to four axes, uint8.

    Raises:
        InputError: if the file cannot be read, is damaged, is no idx file of bytes, or is shorter
            or longer than its header says.
    """
    path = Path(path)
    refuse_pointer(path)
    packed = has_suffix(path, (".gz",))
    with (
        one_line(path, "is truncated or damaged", "fetch it again"),
        gzip.open(path) if packed else open(path, "rb") as stream,
    ):
        content = stream.read(20)
        if _is_idx(content) and len(content) >= _header_bytes(content):
            # no more than the header says, and a byte to notice more by
            content += stream.read(min(_idx_bytes(content), _MAX_BYTES) + 1)
    if not _is_idx(content):
        raise InputError(f"{path} is not an idx file of bytes (its header is {content[:4]!r})")
    header = _header_bytes(content)
    if len(content) < header:
        raise InputError(
            f"{path} is truncated: {len(content)} bytes, its header alone needs {header}"
        )
    size = _idx_bytes(content)
    if size > _MAX_BYTES:
        raise InputError(
            f"{path}: its header says {size:,} bytes; more than {_MAX_BYTES:,} are not read"
        )
    if len(content) < size:
        raise InputError(
            f"{path} is truncated: {len(content)} bytes, its header says {size}; fetch it again"
        )
    if len(content) > size:
        raise InputError(
            f"{path} is too long: more than the {size} bytes that its header says; fetch it again"
        )
    return np.frombuffer(content, np.uint8, offset=header).reshape(_idx_shape(content))


def _is_idx(content: bytes) -> bool:
    """Whether a file begins as an idx file of bytes: two zeros, the type, the number of axes."""
    return (
        len(content) >= 4
        and content[:2] == b"\0\0"
        and content[2] == _IDX_UNSIGNED_BYTES
        and 1 <= content[3] <= 4
    )


def _header_bytes(content: bytes) -> int:
    return 4 + 4 * content[3]


def _idx_shape(content: bytes) -> tuple[int, ...]:
    return struct.unpack(f">{content[3]}I", content[4 : _header_bytes(content)])


def _idx_bytes(content: bytes) -> int:
    """Bytes of a whole idx file of bytes, by its header."""
    return _header_bytes(content) + math.prod(_idx_shape(content))


def read_rows(path: Path, size: int) -> np.ndarray:
    """Rows of bytes without a header.

    Args:
        path: of the file.
        size: bytes of a row.

    Returns:
        (rows, size) uint8, at least one row.

    Raises:
        InputError: if the file cannot be read, or holds no whole number of rows.
    """
    refuse_pointer(path)
    with one_line(path, "is not a whole file", "fetch it again"):
        content = np.fromfile(path, np.uint8)
    if not len(content) or len(content) % size:
        raise InputError(
            f"{path} is truncated: {len(content)} bytes is no multiple of {size:,}; fetch it again"
        )
    return content.reshape(-1, size)
