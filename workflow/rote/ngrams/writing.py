"""Writing a corpus folder: shards of tokens, words and the manifest."""

import json
import os
import shutil
import tempfile
from array import array
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from rote.core import tables
from rote.core.errors import InputError
from rote.ngrams.analyser import VERSION, Analyser

FORMAT = 1
FLUSH = 2**20  # tokens in memory before they are written


class Vocabulary(dict):
    """Words numbered in order of appearance."""

    def __missing__(self, word: str) -> int:
        number = len(self)
        self[word] = number
        return number


class ShardWriter:
    """Appends documents to shards."""

    def __init__(self, folder: Path, shard_tokens: int):
        self.folder, self.limit = folder, shard_tokens
        self.shards: list[dict[str, Any]] = []
        self.max_id = -1
        self.empty = self.documents = 0  # without tokens, and all
        self._start(np.uint16)

    def __enter__(self) -> "ShardWriter":
        return self

    def __exit__(self, *_) -> None:
        self.file.close()

    def _start(self, dtype: type) -> None:
        self.dtype = dtype
        self.buffer = array("I")
        self.offsets = array("q", [0])
        self.file = (self.folder / f"tokens-{len(self.shards):05d}.bin").open("wb")

    def add(self, ids: Sequence[int]) -> None:
        """Append a document."""
        top = max(ids, default=-1)
        self.max_id = max(self.max_id, top)
        self.empty += not ids
        self.documents += 1
        if top >= 2**16 and self.dtype is np.uint16:
            self._close_shard(np.uint32)
        self.buffer.extend(ids)
        self.offsets.append(self.offsets[-1] + len(ids))
        if len(self.buffer) >= FLUSH:
            self._flush()
        if self.offsets[-1] >= self.limit:
            self._close_shard(self.dtype)

    def _flush(self) -> None:
        dtype = np.dtype(self.dtype).newbyteorder("<")
        np.frombuffer(self.buffer, np.uint32).astype(dtype).tofile(self.file)
        self.buffer = array("I")

    def _close_shard(self, following: type | None) -> None:
        if len(self.offsets) > 1 or following is None:
            self._flush()
            np.frombuffer(self.offsets, np.int64).tofile(
                self.folder / f"offsets-{len(self.shards):05d}.bin"
            )
            entry = {
                "dtype": np.dtype(self.dtype).name,
                "tokens": self.offsets[-1],
                "documents": len(self.offsets) - 1,
            }
            self.shards.append(entry)
        self.file.close()
        if following is not None:
            self._start(following)

    def close(self) -> list[dict[str, Any]]:
        """The shards' entries in the manifest."""
        if len(self.offsets) > 1 or not self.shards:
            self._close_shard(None)
        else:
            self.file.close()
            (self.folder / f"tokens-{len(self.shards):05d}.bin").unlink()
        return self.shards


@contextmanager
def new_folder(out: str | Path) -> Iterator[Path]:
    """A folder that appears under its name, or where its link leads, once it is whole.

    Args:
        out: folder that does not exist yet, or is empty; ~ is the home folder.

    Raises:
        InputError: if it exists and is not an empty folder.
    """
    out = Path(out).expanduser()
    out = out.resolve() if out.is_symlink() else out
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{out} exists already; choose another folder or remove it")
    out.parent.mkdir(parents=True, exist_ok=True)
    tables.sweep_siblings(out)
    temporary = Path(
        tempfile.mkdtemp(dir=out.parent, prefix=tables.temporary_prefix(out.name), suffix=".tmp")
    )
    try:
        with tables.full_disk_named(out):
            yield temporary
        temporary.chmod(0o777 & ~tables.umask())
        if out.exists():
            out.rmdir()
        os.replace(temporary, out)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write_words(folder: Path, words: Sequence[str]) -> None:
    """What the ids stand for, one per line.

    Args:
        folder: of the corpus.
        words: by id.

    Raises:
        InputError: for a word with a line break.
    """
    for number, word in enumerate(words):
        if "\n" in word:
            raise InputError(f"word {number}, {word!r}, holds a line break; words lie in lines")
    (folder / "words.txt").write_text("".join(f"{word}\n" for word in words), "utf-8", newline="")


def write_manifest(
    folder: Path, analyser: Analyser, totals: dict[str, Any], shards: list[dict[str, Any]]
) -> None:
    """What makes the folder a corpus, written last.

    Args:
        folder: of the corpus.
        analyser: from text to its units.
        totals: empty documents, types, problems, duplicates, digest of the texts.
        shards: entries of `ShardWriter.close`.
    """
    manifest = {
        "format": FORMAT,
        "analyser_version": VERSION,
        "analyser": analyser._asdict(),
        "tokens": sum(shard["tokens"] for shard in shards),
        "documents": sum(shard["documents"] for shard in shards),
        **totals,
        "shards": [{"number": number, **shard} for number, shard in enumerate(shards)],
    }
    (folder / "corpus.json").write_text(json.dumps(manifest, indent=1) + "\n", "utf-8")
