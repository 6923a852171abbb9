"""From texts to a corpus folder: documents are split into units, numbered, written in shards."""

import hashlib
from array import array
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rote.core.errors import InputError
from rote.data import corpora
from rote.ngrams.analyser import Analyser
from rote.ngrams.corpus import Corpus, new_folder, write_manifest, write_words
from rote.ngrams.options import CorpusOptions, Progress

_FLUSH = 2**20  # tokens in memory before they are written


def tokenize(
    texts: corpora.Source | Iterable[Path],
    out: str | Path,
    analyser: Analyser = Analyser(),
    options: CorpusOptions = CorpusOptions(),
    progress: Progress | None = None,
) -> Corpus:
    """Tokenize texts into a corpus folder; nothing is left there if it fails.

    Documents keep their number in the source: what cannot be read, and with `distinct` every
    repetition, becomes a document without tokens.

    Args:
        texts: a string or a path names a file, folder, glob, hf: or stream:<data set>, see
            `rote.data.corpora`; several paths name several. An iterable of strings holds the texts
            themselves; one of rows, as a `datasets.Dataset`, holds them under `options.column`.
        out: folder that does not exist yet.
        analyser: from text to its units.
        options: which documents the corpus holds, and in what pieces.
        progress: called with the tokens written so far, now and then.

    Returns:
        The corpus.

    Raises:
        InputError: as `rote.data.corpora.documents`; for an analyser that `Analyser.check` refuses,
            no document with a unit, or an `out` that exists and is not an empty folder.
    """
    sources = corpora.sources(texts)
    split_units = analyser.check().splitter()
    words = _Vocabulary()
    problems: Counter[str] = Counter()
    seen: set[bytes] = set()
    digest = hashlib.sha256()
    total = 0
    duplicates = 0
    with new_folder(Path(out)) as folder, _ShardWriter(folder, options.shard_tokens) as writer:
        for source in sources:
            for document in corpora.documents(
                source,
                options.column,
                split=options.split,
                strict=options.strict,
                errors=options.errors,
                problems=problems,
            ):
                content = document.text.encode("utf-8", "surrogatepass")
                digest.update(len(content).to_bytes(8, "little") + content)
                units = split_units(document.text)
                if options.distinct and content:
                    key = hashlib.blake2b(content, digest_size=16).digest()
                    if key in seen:
                        duplicates += 1
                        units = []
                    seen.add(key)
                writer.add(units if analyser.gives_ids else [words[unit] for unit in units])
                total += len(units)
                if progress:
                    progress(total)
        if not total:
            raise InputError(
                f"no {analyser.unit} in {', '.join(map(corpora.name_of, sources))} "
                f"({_irregular(problems)}); check the corpus, its column and the tokenizer"
            )
        shards = writer.close()
        if not analyser.gives_ids:
            write_words(folder, list(words))
        totals = {
            "empty": writer.empty,
            "types": writer.max_id + 1 if analyser.gives_ids else len(words),
            "problems": dict(sorted(problems.items())),
            "duplicates": duplicates,
            "text_sha256": digest.hexdigest(),
        }
        write_manifest(folder, analyser, totals, shards)
    return Corpus.open(out)


def _irregular(problems: Counter[str]) -> str:
    """What could not be read, in words: `3 not JSON`; `nothing was skipped`."""
    return ", ".join(f"{n} {kind}" for kind, n in sorted(problems.items())) or "nothing was skipped"


class _Vocabulary(dict):
    """Words numbered in order of appearance."""

    def __missing__(self, word: str) -> int:
        number = len(self)
        self[word] = number
        return number


class _ShardWriter:
    """Appends documents to shards."""

    def __init__(self, folder: Path, shard_tokens: int):
        self.folder, self.limit = folder, shard_tokens
        self.shards: list[dict[str, Any]] = []
        self.max_id = -1
        self.empty = self.documents = 0  # without tokens, and all
        self._start(np.uint16)

    def __enter__(self) -> "_ShardWriter":
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
        if len(self.buffer) >= _FLUSH:
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
