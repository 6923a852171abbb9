"""Tokenized corpora: flat token files, mapped into memory, with the bounds of every document.

A corpus is a folder: `corpus.json` (analyser, totals, shards), `words.txt` (what the ids stand for,
one per line) and per shard a flat file of token ids (uint16, or uint32 from the first id on that
needs it) and one of document offsets (int64). A document lies in one shard, so document counts are
sums over shards.
"""

import hashlib
import json
import mmap
from collections.abc import Callable, Collection, Mapping, Sequence, Set
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from rote.core import fields, reals
from rote.core.errors import InputError
from rote.core.files import one_line, refuse_pointer
from rote.ngrams.analyser import VERSION, Analyser
from rote.ngrams.writing import (
    FORMAT,
    new_folder,
    write_manifest,
    write_words,
)

NGram = str | bytes | Sequence[int]  # text, which a corpus's analyser splits, or token ids
NOTHING: tuple = ()


class Shard(NamedTuple):
    """Part of a corpus: whole documents."""

    tokens: np.ndarray  # (T,) uint16 or uint32, mapped
    offsets: np.ndarray  # (D + 1,) int64, mapped: document d is tokens[offsets[d] : offsets[d + 1]]

    @property
    def documents(self) -> int:
        """Number of documents."""
        return len(self.offsets) - 1

    def release(self) -> None:
        """Let the kernel drop the pages read so far, which would count as this process's memory."""
        for mapped in self:
            base: Any = mapped
            while isinstance(base, np.ndarray):
                base = base.base
            if isinstance(base, memoryview):  # of a file: an empty one is not mapped
                file: Any = base.obj
                file.madvise(mmap.MADV_DONTNEED)


class Corpus:
    """A tokenized corpus, mapped into memory: opened by `Corpus.open`, written by `tokenize`
    or, for tokens of others, by `index_tokens`.

    Args:
        folder: where it lies.
        manifest: what corpus.json says.

    Attributes:
        folder: where it lies.
        manifest: what corpus.json says.
        analyser: from text to its units.
        tokens, documents, types: their numbers; token ids lie in [0, types).
        shards: its parts.
    """

    def __init__(self, folder: Path, manifest: dict[str, Any]):
        self.folder = folder
        self.manifest = manifest
        options = manifest["analyser"]
        self.analyser = Analyser(**options | {"stop_words": tuple(options["stop_words"])})
        self.tokens: int = manifest["tokens"]
        self.documents: int = manifest["documents"]
        self.types: int = manifest["types"]
        self._files: dict[Path, np.ndarray] = {}
        self.shards = [self._map(entry) for entry in manifest["shards"]]

    @classmethod
    def open(cls, path: str | Path) -> "Corpus":
        """Open the corpus in a folder.

        Args:
            path: folder with corpus.json; ~ is the home folder.

        Raises:
            InputError: if there is none, its files do not fit its manifest, or it holds no token.
        """
        fields.check_types({"path": fields.PATH}, {"path": path})
        folder = Path(path).expanduser()
        file, again = folder / "corpus.json", "tokenize the corpus again"
        try:
            with one_line(file, "is not JSON", again):
                manifest = json.loads(file.read_bytes())
        except InputError as error:
            if not isinstance(error.__cause__, (FileNotFoundError, NotADirectoryError)):
                raise
            raise InputError(
                f"{folder} holds no corpus (no corpus.json); "
                f"make one: rote ngrams tokenize TEXTS --out {folder}"
            ) from error
        if not isinstance(manifest, dict) or (
            (manifest.get("format"), manifest.get("analyser_version")) != (FORMAT, VERSION)
        ):
            raise InputError(f"{file} is of another version; {again}")
        with one_line(file, "is damaged", again):
            corpus = cls(folder, manifest)
        if not corpus.tokens:
            raise InputError(f"the corpus {folder} holds no token; tokenize its texts again")
        return corpus

    @classmethod
    def from_tokens(
        cls,
        out: str | Path,
        tokens: np.ndarray,
        offsets: np.ndarray,
        *,
        words: Sequence[str] | None = None,
    ) -> "Corpus":
        """Store a stream of token ids as a corpus of one shard.

        Args:
            out: folder that does not exist yet.
            tokens: (T,) ids ≥ 0.
            offsets: (D + 1,) from 0 to T, not falling: where each document begins.
            words: what the ids stand for; without it n-grams are given as ids.

        Returns:
            The corpus.

        Raises:
            InputError: for no token, what is not a row of whole numbers, offsets that do not rise
                from 0 to T, ids out of [0, 2^32), fewer words than ids, or an `out` that exists and
                is not an empty folder.
        """
        tokens, offsets = reals.whole("tokens", tokens), reals.whole("offsets", offsets)
        offsets = offsets.astype(np.int64)
        if not len(tokens):
            raise InputError("tokens must hold at least one token, given none")
        if (
            len(offsets) < 1
            or offsets[0] != 0
            or offsets[-1] != len(tokens)
            or (np.diff(offsets) < 0).any()
        ):
            raise InputError(f"offsets must rise from 0 to the number of tokens, {len(tokens)}")
        types = int(tokens.max()) + 1
        if int(tokens.min()) < 0 or types > 2**32:
            raise InputError(
                f"token ids must lie in [0, 2^32), found {tokens.min()} to {tokens.max()}"
            )
        if words is not None:
            fields.check_many({"words": words})
            words = list(words)
            if not all(isinstance(word, str) for word in words):
                raise InputError("words must be texts")
            if len(words) < types:
                raise InputError(f"{len(words)} words for token ids up to {types - 1}")
        with new_folder(out) as folder:
            dtype = np.dtype(np.uint16 if types <= 2**16 else np.uint32)
            tokens.astype(dtype.newbyteorder("<"), copy=False).tofile(folder / "tokens-00000.bin")
            offsets.astype("<i8", copy=False).tofile(folder / "offsets-00000.bin")
            if words is not None:
                write_words(folder, words)
            shard = {"dtype": dtype.name, "tokens": len(tokens), "documents": len(offsets) - 1}
            totals = {
                "empty": int((np.diff(offsets) == 0).sum()),
                "types": types if words is None else len(words),
                "problems": {},
                "duplicates": 0,
                "text_sha256": "",
            }
            write_manifest(folder, Analyser(unit="whitespace"), totals, [shard])
        return cls.open(out)

    def _map(self, entry: dict[str, Any]) -> Shard:
        name = f"{entry['number']:05d}.bin"
        dtype = np.dtype(entry["dtype"]).newbyteorder("<")
        if "file" in entry:  # others tokenized them: they lie where they were
            tokens = self._within(Path(entry["file"]), dtype, entry["tokens"], entry["first_byte"])
        else:
            tokens = map_file(self.folder / f"tokens-{name}", dtype, entry["tokens"])
        offsets = map_file(self.folder / f"offsets-{name}", np.dtype("<i8"), entry["documents"] + 1)
        return Shard(tokens, offsets)

    def _within(self, path: Path, dtype: np.dtype, size: int, first_byte: int) -> np.ndarray:
        """Tokens within a file, which is mapped once, however many shards lie in it."""
        if path not in self._files:
            if not path.is_file():
                raise InputError(f"{path} is missing, whose tokens {self.folder} indexes")
            self._files[path] = map_file(path, np.dtype(np.uint8), path.stat().st_size)
        end = first_byte + size * dtype.itemsize
        if end > len(self._files[path]):
            raise InputError(f"{path} is shorter than when {self.folder} indexed it; index again")
        return self._files[path][first_byte:end].view(dtype)

    @cached_property
    def words(self) -> list[str] | None:
        """What the ids stand for; None for a corpus of bare ids."""
        path = self.folder / "words.txt"
        if not path.is_file():
            return None
        refuse_pointer(path)
        with one_line(path, "is damaged", "tokenize the corpus again"):
            words = path.read_bytes().decode().split("\n")[:-1]
            if len(words) != self.types:
                raise ValueError(f"{len(words)} words instead of {self.types}")
            return words

    @cached_property
    def _ids(self) -> dict[str, int]:
        return {word: number for number, word in enumerate(self.words or [])}

    @cached_property
    def split(self) -> Callable[[str], list]:
        """From text to units, by the corpus's own analyser."""
        return self.analyser.splitter()

    @cached_property
    def _unknown_id(self) -> int | None:
        return self.analyser.unknown_id()

    @property
    def summary(self) -> str:
        """Its size in words: `2 documents, 9 tokens, 7 types, 1 shards`."""
        size = f"{self.documents} documents, {self.tokens} tokens, {self.types} types"
        return f"{size}, {len(self.shards)} shards"

    @property
    def irregular(self) -> dict[str, int]:
        """Documents that could not be read, hold no token or repeat another; no zeros."""
        numbers = {
            **self.manifest["problems"],
            "without tokens": self.manifest["empty"],
            "repeated": self.manifest["duplicates"],
        }
        return {kind: number for kind, number in numbers.items() if number}

    @property
    def digest(self) -> str:
        """Names the corpus: a digest of its manifest."""
        return hashlib.sha256(json.dumps(self.manifest, sort_keys=True).encode()).hexdigest()[:16]

    def ids(self, ngram: NGram, leave_out: Collection[str | int] = NOTHING) -> tuple[int, ...]:
        """Token ids of an n-gram; −1 is a word that the corpus lacks, or no token at all.

        Args:
            ngram: text, which the corpus's own analyser splits, or ids.
            leave_out: units (words, or ids) that are left out.

        Returns:
            One id per remaining unit, at least one.

        Raises:
            InputError: for text that holds no unit, no ids, ids that are no whole numbers ≥ 0,
                nothing but what is left out, or text where the corpus has no words.
        """
        if leave_out is not NOTHING and not isinstance(leave_out, (set, frozenset)):
            fields.check_many({"leave_out": leave_out})
            try:
                leave_out = frozenset(leave_out)
            except TypeError as error:
                raise InputError(f"leave_out must be words or ids: {error}") from error
        ngram = read_ngram(ngram)
        if not isinstance(ngram, str):
            ids = ngram
            try:
                if set(map(type, ngram)) != {int}:
                    is_real = not any(isinstance(number, complex) for number in ngram)
                    ids = tuple(map(int, ngram)) if is_real else ()
                sound = ids == ngram and min(ids, default=-1) >= 0
            except _NO_IDS:
                sound = False
            if not sound:
                raise InputError(f"n-gram {ngram!r}: must be text, or token ids ≥ 0")
            if not leave_out:
                return ids
            return self._nonempty(ngram, [number for number in ids if number not in leave_out])
        units = self._nonempty(ngram, [unit for unit in self.split(ngram) if unit not in leave_out])
        if self.analyser.gives_ids:
            return tuple(-1 if unit == self._unknown_id else unit for unit in units)
        if self.words is None:
            raise InputError(
                f"n-gram {ngram!r}: {self.folder} has no words, "
                "so n-grams must be given as token ids"
            )
        return tuple(self._ids.get(unit, -1) for unit in units)

    def forms(
        self, ngram: NGram, leave_out: Collection[str | int] = NOTHING
    ) -> list[tuple[int, ...]]:
        """`ids` of an n-gram, once or twice: tokens of a text depend on the space before it.

        Args:
            ngram, leave_out: see `ids`.

        Returns:
            Distinct sequences of ids. For text in a corpus of a tokenizer's tokens those of the
            text without and with a space before it.

        Raises:
            InputError: as `ids`.
        """
        ngram = read_ngram(ngram)
        if not (isinstance(ngram, str) and self.analyser.gives_ids):
            return [self.ids(ngram, leave_out)]
        bare = ngram.lstrip() or ngram
        return list(dict.fromkeys(self.ids(text, leave_out) for text in (bare, f" {bare}")))

    def _nonempty(self, ngram: NGram, units: list) -> tuple:
        if not units:
            raise InputError(f"n-gram {ngram!r}: no {self.analyser.unit} in it")
        return tuple(units)

    def document(self, number: int) -> np.ndarray:
        """Token ids of a document, (tokens,) uint16 or uint32, mapped.

        Args:
            number: of the document in the corpus, from 0.

        Raises:
            InputError: if there is none of this number.
        """
        at = fields.check({"number": fields.COUNT}, {"number": number})["number"]
        for shard in self.shards:
            if at < shard.documents:
                return shard.tokens[shard.offsets[at] : shard.offsets[at + 1]]
            at -= shard.documents
        raise InputError(f"{self.folder} has {self.documents} documents, there is no {number}")


# what goes wrong as whatever a user gives is read as ids
_NO_IDS = (TypeError, ValueError, OverflowError, RuntimeError, np.ma.MaskError)


def read_ngram(ngram: NGram) -> str | tuple:
    """An n-gram as text or as a tuple of what it holds.

    Args:
        ngram: text, or a sequence of ids, which are not looked at.

    Raises:
        InputError: for what is no text and has no order.
    """
    if isinstance(ngram, (str, tuple)):
        return ngram
    if isinstance(ngram, bytes):
        return ngram.decode(errors="replace")
    try:
        if not isinstance(ngram, (Set, Mapping)):
            return tuple(ngram)
    except _NO_IDS:
        pass
    raise InputError(f"n-gram {fields.shown(ngram)}: must be text, or token ids ≥ 0")


def map_file(path: Path, dtype: np.dtype, size: int) -> np.ndarray:
    """A file of a corpus, mapped into memory.

    Args:
        path: of the file: numbers and nothing else.
        dtype: of the numbers.
        size: how many there are.

    Returns:
        (size,) of `dtype`, read-only.

    Raises:
        InputError: if the file is missing or has another size.
    """
    expected = size * dtype.itemsize
    try:
        actual = path.stat().st_size
    except FileNotFoundError as error:
        raise InputError(f"corpus file {path} is missing; tokenize the corpus again") from error
    if actual != expected:
        refuse_pointer(path)
        raise InputError(
            f"corpus file {path} has {actual} bytes instead of {expected}; tokenize again"
        )
    if size == 0:
        return np.empty(0, dtype)
    with path.open("rb") as file:
        return np.frombuffer(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), dtype)
