"""Corpora that others have tokenized, counted where they lie: their tokens are never copied.

What is written is a corpus folder without tokens: the manifest says in which file and at which byte
the tokens of each shard begin, and beside it lie the bounds of every document (8 bytes each).

* `megatron`: `.bin` and `.idx` of Megatron and GPT-NeoX, as the Pile of Pythia.
* `memmap`: flat files of uint16 or uint32 (tokengrams, nanoGPT, `.npy` of OLMo), documents by an
  end-of-document token, which stays the last token of its document.
* `infini-gram`: shard folders of its index, `tokenized.<k>` and `offset.<k>`.
* `datasets`: a token column of a data set that Hugging Face `datasets` saved to disk.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from rote.core.errors import InputError
from rote.ngrams.analyser import Analyser
from rote.ngrams.corpus import Corpus
from rote.ngrams.writing import new_folder, write_manifest
from rote.readers import tokens


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
        form = next((name for name in tokens.FORMATS if is_indexed(location, (name,))), "")
    files = tokens.FORMATS[form].files(location) if form in tokens.FORMATS else []
    if not files:
        raise InputError(
            f"{path}: holds no tokens of a known format ({', '.join(tokens.FORMATS)}); "
            "name one, or tokenize texts"
        )
    layout = tokens.Layout(options.end, options.dtype, options.column)
    entries: list[dict[str, Any]] = []
    empty, types = 0, 0
    with new_folder(out) as folder:
        for part, of_part in chain.from_iterable(tokens.read(form, file, layout) for file in files):
            part.offsets.astype("<i8").tofile(folder / f"offsets-{len(entries):05d}.bin")
            empty += int((np.diff(part.offsets) == 0).sum())
            types = max(types, of_part)
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


def is_indexed(path: Path, forms: Sequence[str] = tuple(tokens.FORMATS)) -> bool:
    """Whether a path holds tokens of one of these formats."""
    return any(tokens.FORMATS[form].files(path) for form in forms)
