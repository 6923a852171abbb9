"""Token files that others wrote: flat ones, Megatron's, infini-gram's, saved data sets.

A file's tokens are mapped, never copied. What is read of it says where they lie, and where each
document begins.
"""

import json
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from rote.core.errors import InputError
from rote.core.files import has_suffix, one_line, refuse_lost_link, refuse_pointer, under

_MAGIC = b"MMIDIDX\x00\x00"
_MEGATRON_TYPES = {1: np.uint8, 4: np.int32, 5: np.int64, 8: np.uint16}
_HEADER = struct.Struct("<9sQBQQ")
_SEPARATORS = (1, 2, 4)  # bytes of a token of infini-gram: as many of 0xff begin each document
_BLOCK = 2**24  # tokens looked through at a time
_PROBE = 2**16  # tokens by which a flat file's type is judged
# signed integers are read as unsigned ones of the same bytes: token ids are not negative
_UNSIGNED = {1: np.uint8, 2: np.uint16, 4: np.uint32, 8: np.uint64}


class Part(NamedTuple):
    """Tokens of whole documents in a row in a file.

    Attributes:
        file: that holds them.
        first_byte: at which they begin.
        dtype: of one token.
        offsets: (documents + 1,) from 0 to the tokens.
        largest: bound of ids that are not negative, where the file's type has a sign.
    """

    file: Path
    first_byte: int
    dtype: np.dtype
    offsets: np.ndarray
    largest: int = 2**32 - 1

    @property
    def tokens(self) -> np.ndarray:
        """(tokens,), mapped."""
        size = int(self.offsets[-1])
        if not size:
            return np.empty(0, self.dtype)
        return np.memmap(self.file, self.dtype, "r", self.first_byte, (size,))

    def types(self) -> int:
        """One more than the largest id.

        Raises:
            InputError: for ids outside [0, 2^32).
        """
        tokens, largest = self.tokens, -1
        for first in range(0, len(tokens), _BLOCK):
            largest = max(largest, int(tokens[first : first + _BLOCK].max()))
        if largest > self.largest:
            raise InputError(
                f"{self.file}: token ids must lie in [0, 2^32), it holds {largest} or a negative "
                "one; check the type of its tokens"
            )
        return largest + 1


class Layout(NamedTuple):
    """What files of tokens do not say of themselves.

    Attributes:
        end: id of the token that ends a document, where no index says it; −1: none.
        dtype: of one token in a flat file without a header.
        column: token column of a data set.
    """

    end: int = -1
    dtype: str = "uint16"
    column: str = "input_ids"


@dataclass(frozen=True)
class Format:
    """A way in which others store tokens.

    Attributes:
        name: in options.
        files: those that a path holds, none if it is of another format.
        parts: of a file.
    """

    name: str
    files: Callable[[Path], list[Path]]
    parts: Callable[[Path, Layout], Iterator[Part]]


def read(form: str, file: Path, layout: Layout) -> list[tuple[Part, int]]:
    """The parts of a file, each with one more than its largest id.

    Args:
        form: name of one of `FORMATS`.
        file: one of those that the format found.
        layout: what the file does not say of itself.

    Raises:
        InputError: for a file that is missing, not whole, a pointer of Git LFS, or of tokens that
            are no whole numbers in [0, 2^32).
    """
    refuse_pointer(file)
    with one_line(file, "is no whole file of tokens", "fetch it again"):
        return [(part, part.types()) for part in FORMATS[form].parts(file, layout)]


def _signed(dtype: np.dtype) -> int:
    """Largest id of a type."""
    return min(2**32, 2 ** (8 * dtype.itemsize - (dtype.kind == "i"))) - 1


def _by_end(tokens: np.ndarray, end: int) -> np.ndarray:
    """Bounds of the documents of a stream: each ends behind its end token; without one, one."""
    bounds = [np.zeros(1, np.int64)]
    for first in range(0, len(tokens) if end >= 0 else 0, _BLOCK):
        ends = np.flatnonzero(tokens[first : first + _BLOCK] == end)
        bounds.append(ends + first + 1)
    offsets = np.concatenate(bounds)
    return offsets if offsets[-1] == len(tokens) else np.append(offsets, len(tokens))


def _split_by_end(part: Part, end: int) -> np.ndarray:
    """Bounds by both: those that an index gives, and end tokens within them."""
    return np.union1d(part.offsets, _by_end(part.tokens, end)) if end >= 0 else part.offsets


def _below(path: Path, suffixes: tuple[str, ...]) -> list[Path]:
    """Files with some endings in a folder, in depth and through links; or the path, if it is one.

    Raises:
        InputError: for a link that leads nowhere.
    """
    refuse_lost_link(path)
    if path.is_dir():
        return [file for file in under(path) if has_suffix(file, suffixes)]
    return [path] if path.is_file() and has_suffix(path, suffixes) else []


def _beside(path: Path, suffix: str) -> Path | None:
    """The file of the same name with another ending, or one more or less, in any case."""
    names = {path.with_suffix(suffix).name.lower(), path.name.lower() + suffix}
    if path.stem.lower().endswith(suffix):
        names = {path.stem.lower()}
    beside = sorted(path.parent.iterdir()) if path.parent.is_dir() else []
    return next((file for file in beside if file.name.lower() in names), None)


# ---- formats


def _megatron_files(path: Path) -> list[Path]:
    if path.is_dir() or has_suffix(path, (".idx",)):
        return _below(path, (".idx",))
    index = _beside(path, ".idx")
    return [index] if index else []


def _megatron(index: Path, layout: Layout) -> Iterator[Part]:
    content = np.memmap(index, np.uint8, "r")
    header = content[: _HEADER.size].tobytes()
    magic, version, code, sequences, bounds = _HEADER.unpack(header.ljust(_HEADER.size, b"\0"))
    if (magic, version) != (_MAGIC, 1) or code not in _MEGATRON_TYPES:
        raise InputError(f"{index}: is no index of Megatron, version 1, of whole numbers")
    first = _HEADER.size
    sizes = np.frombuffer(content, "<i4", sequences, first)
    pointers = np.frombuffer(content, "<i8", sequences, first + 4 * sequences)
    documents = np.frombuffer(content, "<i8", bounds, first + 12 * sequences)
    stored = np.dtype(_MEGATRON_TYPES[code])
    dtype = np.dtype(_UNSIGNED[stored.itemsize])
    starts = np.append(0, np.cumsum(sizes, dtype=np.int64))
    if (sizes < 0).any() or not np.array_equal(pointers, starts[:-1] * dtype.itemsize):
        raise InputError(f"{index}: its sequences do not lie one behind the other")
    offsets = starts[documents] if bounds else starts
    offsets = np.union1d(offsets, starts[[0, -1]])
    file = _beside(index, ".bin")
    if file is None:
        raise InputError(f"{index.with_suffix('.bin')} is missing, which {index.name} belongs to")
    refuse_pointer(file)
    if file.stat().st_size < offsets[-1] * dtype.itemsize:
        raise InputError(f"{file} is shorter than {index.name} says; fetch it again")
    part = Part(file, 0, dtype, offsets, _signed(stored))
    yield part._replace(offsets=_split_by_end(part, layout.end))


def _flat(path: Path) -> list[Path]:
    return _below(path, (".npy", ".bin"))


def _memmap(file: Path, layout: Layout) -> Iterator[Part]:
    stored, first = np.dtype(layout.dtype).newbyteorder("<"), 0
    with file.open("rb") as content:
        has_header = content.read(6) == b"\x93NUMPY"
    if has_header:
        array = np.load(file, mmap_mode="r")
        if array.ndim != 1 or array.dtype.kind not in "iu":
            raise InputError(f"{file}: must hold one row of whole numbers")
        stored, first = array.dtype, int(array.offset)
    if stored.newbyteorder("<") != stored:
        raise InputError(f"{file}: its numbers are big-endian; save them as little-endian ones")
    size, rest = divmod(file.stat().st_size - first, stored.itemsize)
    if rest:
        raise InputError(f"{file}: its bytes are no whole number of {stored.name}")
    dtype = np.dtype(_UNSIGNED[stored.itemsize])
    part = Part(file, first, dtype, np.array([0, size]), _signed(stored))
    if not has_header:
        _refuse_other_width(part)
    yield part._replace(offsets=_by_end(part.tokens, layout.end))


def _refuse_other_width(part: Part) -> None:
    """Raise InputError for numbers that are plainly of 32 bits, read as of 16, or the reverse."""
    some = part.tokens[:_PROBE]
    lower, upper = some[: len(some) // 2 * 2].reshape(-1, 2).T
    if len(lower) < 32:
        return
    other = ""
    if part.dtype == np.uint16 and upper.max() < 16 <= np.median(lower):
        other = "uint32"
    if part.dtype == np.uint32 and np.median(some) >= 2**24:
        other = "uint16"
    if other:
        raise InputError(f"{part.file}: its numbers look like {other}; give that as dtype")


def _infinigram_files(path: Path) -> list[Path]:
    files: list[Path] = []
    while (file := path / f"tokenized.{len(files)}").is_file():
        files.append(file)
    return files


def _infinigram(file: Path, layout: Layout) -> Iterator[Part]:
    bounds = file.with_name(file.name.replace("tokenized.", "offset."))
    if not bounds.is_file():
        raise InputError(f"{bounds} is missing, which {file.name} belongs to")
    refuse_pointer(bounds)
    starts = np.frombuffer(bounds.read_bytes(), "<u8").astype(np.int64)
    size, width = file.stat().st_size, _width(file)
    offsets = np.append(starts, size)
    if (offsets % width).any() or (np.diff(offsets) < 0).any() or offsets[0]:
        raise InputError(f"{bounds}: its offsets do not rise from 0 within {file.name}")
    yield Part(file, 0, np.dtype(_UNSIGNED[width]), offsets // width)


def _width(file: Path) -> int:
    """Bytes of a token: the separator that begins every document is as many times 0xff."""
    with file.open("rb") as content:
        first = content.read(4)
    width = len(first) - len(first.lstrip(b"\xff"))
    if width not in _SEPARATORS:
        raise InputError(f"{file}: no separator of documents begins it")
    return width


def _dataset_files(path: Path) -> list[Path]:
    """Of a saved data set those that its state names: what lies beside them is its cache."""
    state = path / "state.json"
    if not state.is_file():
        return [file for file in _below(path, (".arrow",)) if path.is_dir()]
    refuse_pointer(state)
    with one_line(state, "is not that of a saved data set", "save it again"):
        names = [str(entry["filename"]) for entry in json.loads(state.read_bytes())["_data_files"]]
    for name in names:
        if not (path / name).is_file():
            raise InputError(f"{path / name} is missing, which {state} names; save it again")
    return [path / name for name in names]


def _datasets(file: Path, layout: Layout) -> Iterator[Part]:
    import pyarrow as pa

    column = layout.column
    with pa.memory_map(str(file)) as mapped:
        whole = mapped.read_buffer(mapped.size())
        for batch in pa.ipc.open_stream(whole):
            if column not in batch.schema.names:
                names = ", ".join(batch.schema.names)
                raise InputError(f"{file}: no column {column!r}; it has {names}")
            batch.validate(full=True)
            lists = batch.column(column)
            if not hasattr(lists, "offsets") or not pa.types.is_integer(lists.type.value_type):
                raise InputError(f"{file}, {column}: must hold lists of token ids")
            if lists.null_count or lists.values.null_count:
                raise InputError(f"{file}, {column}: holds rows without tokens (null)")
            offsets = lists.offsets.to_numpy().astype(np.int64)
            values = lists.values
            stored = np.dtype(values.type.to_pandas_dtype())
            buffer = values.buffers()[1]
            first = buffer.address - whole.address if buffer is not None else 0
            first += (values.offset + int(offsets[0])) * stored.itemsize
            if not 0 <= first <= mapped.size():
                raise InputError(f"{file}: its columns are packed; save it without compression")
            dtype = np.dtype(_UNSIGNED[stored.itemsize])
            yield Part(file, first, dtype, offsets - offsets[0], _signed(stored))


# the most particular first
FORMATS: dict[str, Format] = {
    form.name: form
    for form in (
        Format("infini-gram", _infinigram_files, _infinigram),
        Format("datasets", _dataset_files, _datasets),
        Format("megatron", _megatron_files, _megatron),
        Format("memmap", _flat, _memmap),
    )
}
