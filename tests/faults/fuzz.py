"""Coverage-guided fuzzing of the readers by atheris: `make fuzz`.

Any exception but InputError is a finding.

python tests/faults/fuzz.py -max_total_time=60
"""

import gzip
import logging
import sys
import tempfile
from functools import partial
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["rote"]):
    from rote.core import tables
    from rote.core.errors import InputError
    from rote.data import corpora
    from rote.data import images as data
    from rote.run import config

FOLDER = Path(tempfile.mkdtemp(prefix="rote-fuzz-"))


def lengths(path: Path, **options) -> list[int]:
    """Of the texts of all documents: each is read to its end."""
    return [len(document.text) for document in corpora.documents(path, **options)]


READERS = [
    (".idx", data.read_idx),
    (".idx.gz", data.read_idx),
    *((kind, lengths) for kind in corpora.SUFFIXES),
    (".jsonl", partial(lengths, strict=False)),
    (".txt", partial(lengths, split="blank", errors="replace")),
    (".yaml", config.load),
    (".parquet", tables.read),
]


def one(content: bytes) -> None:
    """The first byte chooses the reader, the rest is the file."""
    if not content:
        return
    suffix, read = READERS[content[0] % len(READERS)]
    path = FOLDER / f"input{suffix}"
    path.write_bytes(content[1:])
    try:
        read(path)
    except InputError as error:
        if path.name not in str(error):
            raise AssertionError(f"the error does not name the file: {error}") from error


def seeds() -> Path:
    """A folder with one whole file per reader to begin with."""
    import io

    import pandas as pd
    from zstandard import ZstdCompressor

    sheet = io.BytesIO()
    pd.DataFrame({"text": ["a", "b"]}).to_parquet(sheet)
    idx = b"\0\0\x08\x03\0\0\0\1\0\0\0\2\0\0\0\2abcd"
    lines = b'{"text": "a b"}\n{"text": "c"}\n'
    folder = FOLDER / "seeds"
    folder.mkdir()
    for number, (suffix, _) in enumerate(READERS):
        content = {".idx": idx, ".yaml": b"run: x\nseed: 2\n", ".parquet": sheet.getvalue()}.get(
            suffix, lines
        )
        content = idx if suffix == ".idx.gz" else content
        if suffix.endswith(".gz"):
            content = gzip.compress(content)
        if suffix.endswith(".zst"):
            content = ZstdCompressor().compress(content)
        (folder / str(number)).write_bytes(bytes([number]) + content)
    return folder


if __name__ == "__main__":
    logging.disable(logging.WARNING)  # what is skipped leniently is told in the log
    atheris.Setup([*sys.argv, str(seeds())], one)
    atheris.Fuzz()
