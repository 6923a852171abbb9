"""Corpora that others have tokenized, counted where they lie: their tokens are never copied.

What is written is a corpus folder without tokens: the manifest says in which file and at which byte
the tokens of each shard begin, and beside it lie the bounds of every document (8 bytes each).

* `megatron`: `.bin` and `.idx` of Megatron and GPT-NeoX, as the Pile of Pythia.
* `memmap`: flat files of uint16 or uint32 (tokengrams, nanoGPT, `.npy` of OLMo), documents by an
  end-of-document token, which stays the last token of its document.
* `infini-gram`: shard folders of its index, `tokenized.<k>` and `offset.<k>`.
* `datasets`: a token column of a data set that Hugging Face `datasets` saved to disk.
"""

import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from rote.core.errors import InputError
from rote.core.files import one_line
from rote.ngrams.analyser import Analyser
from rote.ngrams.corpus import Corpus
from rote.ngrams.writing import new_folder, write_manifest

_MAGIC = b"MMIDIDX\x00\x00"
_MEGATRON_TYPES = {1: np.uint8, 4: np.int32, 5: np.int64, 8: np.uint16}
_HEADER = struct.Struct("<9sQBQQ")
_SEPARATORS = {1: 2**8 - 1, 2: 2**16 - 1, 4: 2**32 - 1}  # of infini-gram, by bytes of a token
_BLOCK = 2**24  # tokens looked through at a time
# signed integers are read as unsigned ones of the same bytes: token ids are not negative
_UNSIGNED = {1: np.uint8, 2: np.uint16, 4: np.uint32, 8: np.uint64}


class TokenPart(NamedTuple):
    """Tokens of whole documents in a row in a file.

    Attributes:
        file: that holds them.
        first_byte: at which they begin.
        dtype: of one token.
        offsets: (documents + 1,) from 0 to the tokens.
    """

    file: Path
    first_byte: int
    dtype: np.dtype
    offsets: np.ndarray

    @property
    def tokens(self) -> np.ndarray:
        """(tokens,), mapped."""
        size = int(self.offsets[-1])
        if not size:
            return np.empty(0, self.dtype)
        return np.memmap(self.file, self.dtype, "r", self.first_byte, (size,))


@dataclass(frozen=True)
class IndexOptions:
    """What files of tokens do not say of themselves.

    Attributes:
        tokenizer: Hugging Face id or folder, by which n-grams are read from text; without one they
            are given as token ids.
        end: id of the token that ends a document, where no index says it; −1: none.
        dtype: of one token in a flat file without a header: `uint16` or `uint32`.
        column: token column of a data set.
    """

    tokenizer: str = ""
    end: int = -1
    dtype: str = "uint16"
    column: str = "input_ids"

    def __post_init__(self) -> None:
        if self.dtype not in ("uint16", "uint32"):
            raise InputError(f"dtype must be uint16 or uint32, given {self.dtype!r}")
        if not isinstance(self.end, int) or self.end < -1:
            raise InputError(f"end must be a token id, or -1 for none, given {self.end!r}")


@dataclass(frozen=True)
class TokenFormat:
    """A way in which others store tokens.

    Attributes:
        name: in options.
        is_at: whether a path holds it.
        parts: of a path.
    """

    name: str
    is_at: Callable[[Path], bool]
    parts: Callable[[Path, IndexOptions], Iterator[TokenPart]]


def index_tokens(
    path: str | Path,
    out: str | Path,
    options: IndexOptions = IndexOptions(),
    *,
    form: str | None = None,
) -> Corpus:
    """A corpus of tokens that lie elsewhere, opened as any other.

    Args:
        path: of a .bin with its .idx, a flat file, a folder of these, of an infini-gram index or of
            a saved data set.
        out: folder that does not exist yet; the files at `path` must stay as they are.
        options: what the files do not say of themselves.
        form: name of the format; None: what the path looks like.

    Returns:
        The corpus.

    Raises:
        InputError: for a path that holds no known format, a damaged index, tokens that are no whole
            numbers ≥ 0, or an `out` that exists.
    """
    location = Path(path).expanduser().absolute()
    if form is None:
        form = next((known.name for known in FORMATS.values() if known.is_at(location)), None)
    if form not in FORMATS:
        raise InputError(
            f"{path}: holds no tokens of a known format ({', '.join(FORMATS)}); "
            "name one, or tokenize texts"
        )
    entries: list[dict[str, Any]] = []
    empty, types = 0, 0
    with new_folder(out) as folder:
        for number, part in enumerate(FORMATS[form].parts(location, options)):
            part.offsets.astype("<i8").tofile(folder / f"offsets-{number:05d}.bin")
            empty += int((np.diff(part.offsets) == 0).sum())
            types = max(types, _types(part))
            entry = {"file": str(part.file), "first_byte": int(part.first_byte)}
            entry |= {"dtype": part.dtype.name, "tokens": int(part.offsets[-1])}
            entries.append(entry | {"documents": len(part.offsets) - 1})
        if not sum(entry["tokens"] for entry in entries):
            raise InputError(f"{path}: holds no token")
        analyser = Analyser("token", tokenizer=options.tokenizer)
        if not options.tokenizer:
            analyser = Analyser("whitespace")
        totals = {"empty": empty, "types": types, "problems": {}, "duplicates": 0}
        write_manifest(folder, analyser, totals | {"text_sha256": ""}, entries)
    return Corpus.open(out)


def _types(part: TokenPart) -> int:
    """One more than the largest id. Raises InputError for ids that were negative."""
    largest = -1
    tokens = part.tokens
    for first in range(0, len(tokens), _BLOCK):
        largest = max(largest, int(tokens[first : first + _BLOCK].max()))
    if largest >= 2**32 or (part.dtype == np.uint32 and largest >= 2**31 and part.first_byte):
        raise InputError(f"{part.file}: token ids must lie in [0, 2^32), found {largest}")
    return largest + 1


def _by_end(tokens: np.ndarray, end: int) -> np.ndarray:
    """Bounds of the documents of a stream: each ends behind its end token; without one, one."""
    bounds = [np.zeros(1, np.int64)]
    for first in range(0, len(tokens) if end >= 0 else 0, _BLOCK):
        ends = np.flatnonzero(tokens[first : first + _BLOCK] == end)
        bounds.append(ends + first + 1)
    offsets = np.concatenate(bounds)
    return offsets if offsets[-1] == len(tokens) else np.append(offsets, len(tokens))


def _split_by_end(part: TokenPart, end: int) -> np.ndarray:
    """Bounds by both: those that an index gives, and end tokens within them."""
    return np.union1d(part.offsets, _by_end(part.tokens, end)) if end >= 0 else part.offsets


# ---- formats


def _is_megatron(path: Path) -> bool:
    return bool(_beside(path, ".idx"))


def _beside(path: Path, suffix: str) -> list[Path]:
    """Files with an ending: the path with it, or all in a folder."""
    if path.is_dir():
        return sorted(path.glob(f"*{suffix}"))
    candidates = [path.with_suffix(suffix), path.with_name(path.name + suffix)]
    return [file for file in candidates if file.is_file()][:1]


def _megatron(path: Path, options: IndexOptions) -> Iterator[TokenPart]:
    for index in _beside(path, ".idx"):
        with one_line(index, "is no index of Megatron", "check the file"):
            content = np.memmap(index, np.uint8, "r")
            magic, version, code, sequences, bounds = _HEADER.unpack(
                content[: _HEADER.size].tobytes()
            )
        if (magic, version) != (_MAGIC, 1) or code not in _MEGATRON_TYPES:
            raise InputError(f"{index}: is no index of Megatron, version 1, of whole numbers")
        first = _HEADER.size
        sizes = np.frombuffer(content, "<i4", sequences, first)
        pointers = np.frombuffer(content, "<i8", sequences, first + 4 * sequences)
        documents = np.frombuffer(content, "<i8", bounds, first + 12 * sequences)
        dtype = np.dtype(_UNSIGNED[np.dtype(_MEGATRON_TYPES[code]).itemsize])
        ends = np.cumsum(sizes, dtype=np.int64)
        starts = np.append(0, ends)
        if sequences and not np.array_equal(pointers, starts[:-1] * dtype.itemsize):
            raise InputError(f"{index}: its sequences do not lie one behind the other")
        offsets = starts[documents] if bounds else starts
        offsets = np.union1d(offsets, starts[[0, -1]])
        part = TokenPart(index.with_suffix(".bin"), 0, dtype, offsets)
        if not part.file.is_file():
            raise InputError(f"{part.file} is missing, which {index.name} belongs to")
        yield part._replace(offsets=_split_by_end(part, options.end))


def _is_memmap(path: Path) -> bool:
    files = _flat(path)
    return bool(files) and all(file.is_file() for file in files)


def _flat(path: Path) -> list[Path]:
    if path.is_dir():
        return sorted([*path.glob("*.npy"), *path.glob("*.bin")])
    return [path] if path.suffix in (".npy", ".bin") else []


def _memmap(path: Path, options: IndexOptions) -> Iterator[TokenPart]:
    for file in _flat(path) or [path]:
        dtype, first = np.dtype(options.dtype).newbyteorder("<"), 0
        with file.open("rb") as content:
            has_header = content.read(6) == b"\x93NUMPY"
        if has_header:
            array = np.load(file, mmap_mode="r")
            if array.ndim != 1 or array.dtype.kind not in "iu":
                raise InputError(f"{file}: must hold one row of whole numbers")
            dtype, first = np.dtype(_UNSIGNED[array.dtype.itemsize]), int(array.offset)
        size, rest = divmod(file.stat().st_size - first, dtype.itemsize)
        if rest:
            raise InputError(f"{file}: its bytes are no whole number of {dtype.name}")
        part = TokenPart(file, first, dtype, np.array([0, size]))
        yield part._replace(offsets=_by_end(part.tokens, options.end))


def _is_infinigram(path: Path) -> bool:
    return path.is_dir() and (path / "tokenized.0").is_file()


def _infinigram(path: Path, options: IndexOptions) -> Iterator[TokenPart]:
    number = 0
    while (file := path / f"tokenized.{number}").is_file():
        bounds = path / f"offset.{number}"
        if not bounds.is_file():
            raise InputError(f"{bounds} is missing, which {file.name} belongs to")
        starts = np.fromfile(bounds, "<u8").astype(np.int64)
        size = file.stat().st_size
        width = _width(file)
        offsets = np.append(starts, size)
        if (offsets % width).any() or (np.diff(offsets) < 0).any() or offsets[0]:
            raise InputError(f"{bounds}: its offsets do not rise from 0 within {file.name}")
        yield TokenPart(file, 0, np.dtype(_UNSIGNED[width]), offsets // width)
        number += 1


def _width(file: Path) -> int:
    """Bytes of a token: the separator that begins every document is as many times 0xff."""
    with file.open("rb") as content:
        first = content.read(4)
    width = len(first) - len(first.lstrip(b"\xff"))
    if width not in _SEPARATORS:
        raise InputError(f"{file}: no separator of documents begins it")
    return width


def _is_datasets(path: Path) -> bool:
    return path.is_dir() and any(path.glob("*.arrow"))


def _datasets(path: Path, options: IndexOptions) -> Iterator[TokenPart]:
    import pyarrow as pa

    for file in sorted(path.glob("*.arrow")):
        with pa.memory_map(str(file)) as mapped:
            whole = mapped.read_buffer(mapped.size())
            for batch in pa.ipc.open_stream(whole):
                if options.column not in batch.schema.names:
                    names = ", ".join(batch.schema.names)
                    raise InputError(f"{file}: no column {options.column!r}; it has {names}")
                lists = batch.column(options.column)
                if not hasattr(lists, "offsets") or not pa.types.is_integer(lists.type.value_type):
                    raise InputError(f"{file}, {options.column}: must hold lists of token ids")
                if lists.null_count or lists.values.null_count:
                    raise InputError(f"{file}, {options.column}: holds rows without tokens (null)")
                offsets = lists.offsets.to_numpy().astype(np.int64)
                values = lists.values
                width = values.type.bit_width // 8
                buffer = values.buffers()[1]
                first = buffer.address - whole.address if buffer is not None else 0
                first += (values.offset + int(offsets[0])) * width
                dtype = np.dtype(_UNSIGNED[width])
                yield TokenPart(file, first, dtype, offsets - offsets[0])


# the most particular first
FORMATS: dict[str, TokenFormat] = {
    form.name: form
    for form in (
        TokenFormat("infini-gram", _is_infinigram, _infinigram),
        TokenFormat("datasets", _is_datasets, _datasets),
        TokenFormat("megatron", _is_megatron, _megatron),
        TokenFormat("memmap", _is_memmap, _memmap),
    )
}


def is_indexed(path: Path, forms: Sequence[str] = tuple(FORMATS)) -> bool:
    """Whether a path holds tokens of one of these formats."""
    return any(FORMATS[form].is_at(path) for form in forms)
