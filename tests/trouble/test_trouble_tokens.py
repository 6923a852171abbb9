"""Token files that others wrote, and pointers in place of files, in every folder that is opened."""

import json
import shutil
import struct
from pathlib import Path

import numpy as np
import pytest
from rote import knn, ngrams
from rote.core.errors import InputError
from rote.readers import tokens

from tests.trouble.formats import arrow, numbers

LFS = b"version https://git-lfs.github.com/spec/v1\r\noid sha256:4d7a\r\nsize 12345\r\n"
ANNEX = b"/annex/objects/SHA256E-s12345--4d7a.bin\n"
CURES = {LFS: "git lfs pull", ANNEX: "git annex get ."}
TWO = np.array([[1, 2, 3], [4, 5, 6]])


def megatron(sequences: np.ndarray, dtype: str, code: int) -> tuple[bytes, bytes]:
    """Index and tokens of sequences that are a document each."""
    count, length = sequences.shape
    starts = np.arange(count, dtype="<i8") * length * np.dtype(dtype).itemsize
    header = struct.pack("<9sQBQQ", b"MMIDIDX\0\0", 1, code, count, count + 1)
    sizes, documents = np.full(count, length, "<i4"), np.arange(count + 1, dtype="<i8")
    index = header + sizes.tobytes() + starts.tobytes() + documents.tobytes()
    return index, sequences.astype(dtype).tobytes()


def put(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def read(form: str, path: Path) -> list[list[int]]:
    """The documents of a path."""
    documents = []
    for file in tokens.FORMATS[form].files(path):
        for part, _ in tokens.read(form, file, tokens.Layout()):
            ids = part.tokens
            bounds = zip(part.offsets[:-1], part.offsets[1:], strict=True)
            documents += [ids[first:after].tolist() for first, after in bounds]
    return documents


INDEX, IDS = megatron(TWO, "<u2", 8)
STATE = json.dumps({"_data_files": [{"filename": "data-0.arrow"}]}).encode()
READ = {
    "capitals": ("megatron", {"PILE.IDX": INDEX, "PILE.BIN": IDS}),
    "index of a .bin": ("megatron", {"a.bin.idx": INDEX, "a.bin": IDS}),
    "hidden": ("megatron", {"a.idx": INDEX, "a.bin": IDS, "._a.idx": b"x", ".git/b.idx": b"x"}),
    "folders": ("megatron", {"one/a.idx": INDEX, "one/a.bin": IDS}),
    "flat": ("memmap", {"b/.c.bin": b"x", "b/A.BIN": IDS[:6], "b/c/d.bin": IDS[6:], "e.md": b""}),
    "whole numbers of 64 bits": ("memmap", {"a.npy": numbers(TWO[0]), "b.npy": numbers(TWO[1])}),
    "the cache of a data set": (
        "datasets",
        {"state.json": STATE, "data-0.arrow": arrow(TWO), "cache-1.arrow": arrow(TWO + 9)},
    ),
}


@pytest.mark.parametrize("case", READ)
def test_tokens_are_read_wherever_they_lie(tmp_path, case):
    form, files = READ[case]
    put(tmp_path / "real", files)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert read(form, tmp_path / "link") == TWO.tolist()


MANY = np.random.default_rng(0).integers(0, 100_000, 200)
WIDE = np.ones((9, 900), int)
NEGATIVE = megatron(-TWO, "<i4", 4)
LATE = struct.pack("<9sQBQQ", b"MMIDIDX\0\0", 1, 8, 2**60, 2)
SHORT = "is shorter than a.idx says"
REFUSED = {
    "big-endian": ("memmap", {"a.npy": numbers(TWO[0].astype(">u2"))}, "big-endian"),
    "negative": ("memmap", {"a.npy": numbers(-TWO[0].astype(np.int16))}, "negative one"),
    "fractions": ("memmap", {"a.npy": numbers(TWO[0] / 2)}, "whole numbers"),
    "negative, indexed": ("megatron", {"a.idx": NEGATIVE[0], "a.bin": NEGATIVE[1]}, "negative one"),
    "of 32 bits": ("memmap", {"a.bin": MANY.astype("<u4").tobytes()}, "look like uint32"),
    "cut index": ("megatron", {"a.idx": INDEX[:50], "a.bin": IDS}, "no whole file of tokens"),
    "empty index": ("megatron", {"a.idx": b"", "a.bin": IDS}, "no whole file of tokens"),
    "sequences without end": ("megatron", {"a.idx": LATE, "a.bin": IDS}, "no whole file of tokens"),
    "cut tokens": ("megatron", {"a.idx": INDEX, "a.bin": IDS[:-1]}, SHORT),
    "offsets of 9 bytes": (
        "infini-gram",
        {"tokenized.0": b"\xff\xff\1\0", "offset.0": bytes(9)},
        "no whole file of tokens",
    ),
    "packed columns": (
        "datasets",
        {"a.arrow": arrow(WIDE, "zstd")},
        "are packed",
    ),
    "negative, in a column": ("datasets", {"a.arrow": arrow(-TWO)}, "negative one"),
    "lost part": ("datasets", {"state.json": STATE}, "data-0.arrow is missing"),
    "damaged state": ("datasets", {"state.json": b"{", "a.arrow": b""}, "saved data set"),
}


def test_numbers_of_16_bits_are_not_read_as_32(tmp_path):
    MANY.astype("<u2").tofile(tmp_path / "a.bin")
    with pytest.raises(InputError, match="look like uint16"):
        tokens.read("memmap", tmp_path / "a.bin", tokens.Layout(dtype="uint32"))


@pytest.mark.parametrize("case", REFUSED)
def test_tokens_that_are_none_are_one_line(tmp_path, case):
    form, files, message = REFUSED[case]
    with pytest.raises(InputError, match=message) as raised:
        read(form, put(tmp_path, files))
    assert "\n" not in str(raised.value)


STANDING = {  # files of each format, the last of them a pointer
    "memmap": {"a.bin": b""},
    "megatron": {"a.bin": IDS, "a.idx": b""},
    "megatron, tokens": {"a.idx": INDEX, "a.bin": b""},
    "infini-gram": {"offset.0": bytes(8), "tokenized.0": b""},
    "infini-gram, offsets": {"tokenized.0": b"\xff\xff\1\0", "offset.0": b""},
    "datasets": {"a.arrow": b""},
    "datasets, state": {"state.json": b""},
}


@pytest.mark.parametrize("pointer", CURES)
@pytest.mark.parametrize("case", STANDING)
def test_pointers_are_no_tokens(tmp_path, case, pointer):
    """One of an even number of bytes was a corpus of 65 tokens."""
    put(tmp_path, STANDING[case] | {list(STANDING[case])[-1]: pointer + b"\n" * (len(pointer) % 2)})
    with pytest.raises(InputError, match=CURES[pointer]):
        read(case.partition(",")[0], tmp_path)


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> Path:
    """A corpus, and a datastore of vectors."""
    folder = tmp_path_factory.mktemp("folders")
    (folder / "texts.txt").write_text("the red kite of Bern\n" * 20, "utf-8")
    ngrams.tokenize(folder / "texts.txt", folder / "corpus")
    knn.Datastore(np.eye(9, 4, dtype=np.float32)).save(folder / "datastore")
    return folder


OPEN = {
    "corpus": lambda folder: ngrams.Corpus.open(folder).ids("red kite"),
    "datastore": knn.Datastore.load,
}


@pytest.mark.parametrize("name", OPEN)
def test_pointers_in_folders_of_rote_are_called_so(tmp_path, folders, name):
    """As of data sets that others share: to make them again is no cure."""
    for file in sorted((folders / name).iterdir()):
        shutil.copytree(folders / name, tmp_path / file.name)
        (tmp_path / file.name / file.name).write_bytes(LFS)
        with pytest.raises(InputError, match=rf"{file.name} is a pointer of Git LFS"):
            OPEN[name](tmp_path / file.name)


def test_words_that_are_too_few_are_no_words(tmp_path, folders):
    shutil.copytree(folders / "corpus", tmp_path / "corpus")
    (tmp_path / "corpus" / "words.txt").write_text("the\nred\n", "utf-8")
    with pytest.raises(InputError, match="2 words instead of 5"):
        ngrams.Corpus.open(tmp_path / "corpus").ids("red kite")
