"""Corpora as they lie on disks: names, links, packing, encodings, damage, identities."""

import bz2
import gzip
import io
import json
import logging
import lzma
import os
import socket
import struct
import zlib
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rote import cli as commands
from rote import ngrams
from rote.core.errors import InputError
from rote.data import corpora
from rote.readers import table
from typer.testing import CliRunner


def line(text: str) -> bytes:
    return json.dumps({"text": text}).encode() + b"\n"


def windowed(content: bytes, log: int) -> bytes:
    """Packed as `zstd --long=LOG` does: the reader may have to look far back."""
    from zstandard import ZstdCompressionParameters, ZstdCompressor

    parameters = ZstdCompressionParameters.from_level(
        1, window_log=log, enable_ldm=True, write_content_size=False
    )
    stream = io.BytesIO()
    with ZstdCompressor(compression_params=parameters).stream_writer(stream, closefd=False) as file:
        file.write(content)
    return stream.getvalue()


SKIPPABLE = b"\x5f\x2a\x4d\x18\4\0\0\0note"


def texts(source, **options) -> list[str]:
    return [document.text for document in corpora.documents(source, **options)]


READ = {
    "upper case": ({"A.TXT": b"kite"}, ["kite"]),
    "mixed case, packed": ({"a.JsonL.GZ": gzip.compress(line("kite"))}, ["kite"]),
    "upper case Zstandard": ({"a.JSONL.ZST": windowed(line("kite"), 20)}, ["kite"]),
    "notes of a Mac": ({"._b.txt": b"\0\5\26\7", "b.txt": b"kite"}, ["kite"]),
    "a hidden folder": ({".git/c.txt": b"no", ".cache/d/e.txt": b"no", "f.txt": b"yes"}, ["yes"]),
    "what a packer leaves": ({"__MACOSX/g.txt": b"no", "g.txt": b"yes"}, ["yes"]),
    "window of 29 bits": ({"a.jsonl.zst": windowed(line("far"), 29)}, ["far"]),
    "window of 31 bits": ({"a.txt.zst": windowed(b"far", 31)}, ["far"]),
    "UTF-16, little": ({"a.txt": "\ufeffrote Milane".encode("utf-16-le")}, ["rote Milane"]),
    "UTF-16, big": ({"a.txt": "\ufeffGr\u00fc\u00dfe".encode("utf-16-be")}, ["Gr\u00fc\u00dfe"]),
    "UTF-32": ({"a.txt": "kite".encode("utf-32")}, ["kite"]),
    "UTF-16 lines": (
        {"a.jsonl": (line("a") + line("b")).decode().encode("utf-16")},
        ["a", "b"],
    ),
    "packed UTF-16": ({"a.txt.gz": gzip.compress("kite".encode("utf-16"))}, ["kite"]),
    "a byte order mark": ({"a.txt": b"\xef\xbb\xbfkite"}, ["kite"]),
    "breaks of Unicode": ({"a.jsonl": '{"text": "a\u2028b\x85c"}\n'.encode()}, ["a\u2028b\x85c"]),
    "half of a pair": ({"a.jsonl": b'{"text": "a \\ud83d b"}\n'}, ["a \ufffd b"]),
    "what may be skipped in zstd": (
        {"a.txt.zst": SKIPPABLE + windowed(b"kite", 20) + SKIPPABLE},
        ["kite"],
    ),
    "two gzips, padded": (
        {"a.jsonl.gz": gzip.compress(line("a")) + gzip.compress(line("b")) + bytes(512)},
        ["a", "b"],
    ),
    "a folder named as a file": ({"a.txt/b.txt": b"kite"}, ["kite"]),
    "names of all kinds": (
        dict.fromkeys(("a b.txt", "a\nb.txt", "[x].txt", "*.txt", "�.txt"), b"kite"),
        ["kite"] * 5,
    ),
    "a whole pair": ({"a.jsonl": b'{"text": "\\ud83d\\ude00"}\n'}, ["\U0001f600"]),
}


def write(folder, files):
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


@pytest.mark.parametrize("case", READ)
def test_corpora_are_read_as_they_lie(tmp_path, case):
    files, expected = READ[case]
    read = list(corpora.documents(write(tmp_path, files)))
    assert [document.text for document in read] == expected
    # whatever is read can be written
    assert all((document.id + document.text).encode() for document in read)


def half(content: bytes) -> bytes:
    return content[: len(content) // 2]


MANY = b"".join(line(f"{n} {zlib.crc32(bytes([n % 256]))}") for n in range(3000))
FLIPPED = bytearray(gzip.compress(MANY))
FLIPPED[len(FLIPPED) // 2] ^= 255
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n"
WORDS = "\u043a\u0440\u0430\u0441\u043d\u044b\u0439 \u043a\u043e\u0440\u0448\u0443\u043d"
DEEP = b'{"text": "\\u0041", "x": %s%s}'
REFUSED = {
    "half of gzip": ("a.jsonl.gz", half(gzip.compress(MANY)), "not a whole gzip file"),
    "flipped in gzip": ("b.jsonl.gz", bytes(FLIPPED), "not a whole gzip file"),
    "half of zstd": ("c.jsonl.zst", half(windowed(MANY, 27)), "not a whole zstd file"),
    "no zstd": ("d.txt.zst", b"plain text", "not a whole zstd file"),
    "half of Parquet": ("e.parquet", b"PAR1" + bytes(90) + b"PAR1", "not a whole Parquet file"),
    "a pointer": ("f.jsonl", POINTER, "pointer of Git LFS"),
    "a pointer as text": ("g.txt", POINTER, "pointer of Git LFS"),
    "UTF-16 without a mark": ("h.txt", "red kites".encode("utf-16-le"), "without a byte order"),
    "Cyrillic without a mark": ("h.txt", WORDS.encode("utf-16-le"), "without a byte order"),
    "UTF-32 without a mark": ("h.txt", "red kites".encode("utf-32-be"), "without a byte order"),
    "gzip, then something": ("a.txt.gz", gzip.compress(b"kite") + b"more", "not a whole gzip"),
    "nothing in gzip": ("a.txt.gz", b"", "not a whole gzip file .it is empty"),
    "nothing in zstd": ("a.jsonl.zst", b"", "not a whole zstd file .it is empty"),
    "gzip by another name": ("a.jsonl", gzip.compress(line("x")), "name that ends in .gz"),
    "zstd by another name": ("a.txt", windowed(b"kite", 20), "name that ends in .zst"),
    "xz by another name": ("a.txt", lzma.compress(b"kite"), "packed by xz: unpack it"),
    "bzip2 by another name": ("a.txt", bz2.compress(b"kite"), "packed by bzip2: unpack it"),
    "Parquet by another name": ("a.jsonl", b"PAR1\x15\xff" + bytes(9), "ends in .parquet"),
    "deep": ("a.jsonl", DEEP % (b"[" * 9999, b"]" * 9999), "line 1: not JSON .nested too deeply"),
    "deep with an escape": ("a.jsonl", DEEP % (b"[" * 900, b"]" * 900), "nested too deeply"),
    "null": ("a.jsonl", b'{"text": null}', "NoneType under that key"),
    "a list": ("a.jsonl", b'[{"text": "x"}]', "it has list"),
    "odd UTF-16": ("i.txt", b"\xff\xfea", "not a whole text file"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_damage_is_named_strictly_and_counted_leniently(tmp_path, case, caplog):
    name, content, expected = REFUSED[case]
    write(tmp_path, {name: content, "z.txt": b"whole"})
    with pytest.raises(InputError, match=rf"{name}.*{expected}"):
        texts(tmp_path)
    problems = Counter()
    with caplog.at_level(logging.WARNING, "rote"):
        assert texts(tmp_path, strict=False, problems=problems)[-1] == "whole"
    assert sum(problems.values()) >= 1
    assert name in caplog.text or problems["bytes replaced"]


def test_links_are_followed_and_circles_are_not(tmp_path, caplog):
    outside = write(tmp_path / "outside", {"deep/x.txt": b"linked"})
    corpus = write(tmp_path / "corpus", {"a.txt": b"plain"})
    (corpus / "shards").symlink_to(outside)
    (corpus / "one.txt").symlink_to(outside / "deep/x.txt")
    (corpus / "circle").symlink_to(corpus)
    assert texts(corpus) == ["plain", "linked", "linked"]
    assert "by links 1 files (x.txt) once more: each counts as often" in caplog.text
    (corpus / "lost.txt").symlink_to(tmp_path / "nowhere")
    with pytest.raises(InputError, match=r"lost\.txt is a link that leads nowhere"):
        texts(corpus)


@pytest.mark.parametrize("pattern", ["**/*.txt", "**", "a/**/*.txt", "*/**/k*", "**/a/*.txt"])
def test_globs_in_depth_go_in_no_circles_and_to_no_hidden_name(tmp_path, pattern):
    corpus = write(tmp_path, {"a/k.txt": b"kite", "a/__MACOSX/m.txt": b"x", "a/._k.txt": b"x"})
    for name in ("one", "two"):  # two links: 2^40 paths within what a system follows
        (corpus / "a" / name).symlink_to(corpus)
    assert texts(corpus / pattern) == ["kite"]


def pipe(path):
    os.mkfifo(path)


def bound(path):
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))


def endless(path):
    path.symlink_to("/dev/zero")


@pytest.mark.parametrize("name", ["x.txt", "x.jsonl.gz", "x.jsonl.zst", "x.parquet"])
@pytest.mark.parametrize("make", [pipe, bound, endless])
def test_what_is_no_file_is_refused_and_in_a_folder_left_out(
    tmp_path, monkeypatch, make, name, caplog
):
    monkeypatch.chdir(tmp_path)  # names of sockets are short
    make(Path(name))
    write(tmp_path, {"a.txt": b"kite"})
    with pytest.raises(InputError, match="is a pipe, socket or device; give a file"):
        texts(name)
    assert texts(tmp_path) == ["kite"]
    assert f"{name} is a pipe, socket or device: it is skipped" in caplog.text


@pytest.mark.parametrize("source", ["", " ", "~no-such-user/x.txt", "a" * 300 + ".txt", "a\0b.txt"])
def test_paths_that_cannot_be_are_refused(source):
    with pytest.raises(InputError, match="corpus"):
        texts(source)


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()])
def test_texts_of_parquet_that_are_no_utf8_are_named_or_replaced(tmp_path, kind):
    size = "<2i" if kind == pa.string() else "<2q"
    buffers = [None, pa.py_buffer(struct.pack(size, 0, 5)), pa.py_buffer(b"gr\xfcn!")]
    column = pa.Array.from_buffers(kind, 1, buffers)
    pq.write_table(pa.table({"text": column}), tmp_path / "a.parquet")
    with pytest.raises(InputError, match=r"a\.parquet, row 0: not UTF-8 at byte 2"):
        texts(tmp_path)
    problems = Counter()
    assert texts(tmp_path, strict=False, problems=problems) == ["gr\ufffdn!"]
    assert problems == {"bytes replaced": 1}
    with pytest.raises(InputError, match=r"a\.parquet cannot be read as a table .*UTF8"):
        table.read(tmp_path / "a.parquet")


def test_documents_of_equal_names_have_ids_of_their_own(tmp_path):
    files = {f"{part}/shard.jsonl": line("a") + line("b") for part in ("x", "y/x", "y")}
    write(tmp_path / "corpus", files)
    for source in (tmp_path / "corpus", tmp_path / "corpus" / "**" / "*.jsonl"):
        names = [document.id for document in corpora.documents(source)]
        assert len(set(names)) == 6
        assert names[0] == "x/shard.jsonl:0"
    assert len({document.id for document in corpora.documents(tmp_path / "corpus" / "*")}) == 6
    # where the corpus lies does not matter
    moved = (tmp_path / "corpus").rename(tmp_path / "elsewhere")
    assert [document.id for document in corpora.documents(moved)] == names


def test_what_is_skipped_is_said(tmp_path, caplog):
    write(tmp_path, {"a.txt": b"kite", "b.csv": b"x", "README": b"x"})
    with caplog.at_level(logging.WARNING, "rote"):
        assert texts(tmp_path) == ["kite"]
    assert "2 files" in caplog.text
    assert "b.csv" in caplog.text


@pytest.mark.parametrize("content", [b"", b"\n\n", b"... !?", b"   "])
def test_a_corpus_of_nothing_is_an_error(tmp_path, content):
    write(tmp_path, {"a.txt": content})
    with pytest.raises(InputError, match=r"no word in .*a\.txt"):
        ngrams.tokenize(tmp_path / "a.txt", tmp_path / "out")
    assert not (tmp_path / "out").exists()
    (tmp_path / "none.jsonl").write_bytes(b"\n")
    with pytest.raises(InputError, match=r"no word in .*none\.jsonl"):
        ngrams.tokenize(tmp_path / "none.jsonl", tmp_path / "out")
    arguments = ["ngrams", "tokenize", str(tmp_path / "a.txt"), "--out", str(tmp_path / "out")]
    assert CliRunner().invoke(commands.app, arguments).exit_code != 0


NOTHING = {
    "no token": ([], [0]),
    "documents without tokens": (np.array([], np.uint16), [0, 0, 0]),
    "halves": ([0.5, 1.0], [0, 2]),
    "not a number": ([float("nan"), 1.0], [0, 2]),
    "texts": (["red", "kite"], [0, 2]),
    "truths": ([True, False], [0, 2]),
    "a table": ([[1, 2]], [0, 2]),
    "offsets between tokens": ([1, 2], [0, 0.5, 2]),
    "one number": (3, [0, 1]),
}


@pytest.mark.parametrize("case", NOTHING)
def test_a_corpus_of_no_tokens_or_of_what_are_none_is_refused(tmp_path, case):
    tokens, offsets = NOTHING[case]
    with pytest.raises(InputError, match=r"(tokens|offsets) must (be|hold)"):
        ngrams.Corpus.from_tokens(tmp_path / "c", tokens, offsets)
    assert not (tmp_path / "c").exists()


@pytest.mark.parametrize("source", [[], [""], ["...", "!?"], [{"text": " "}], ["", "\u200b"]])
def test_texts_and_rows_of_nothing_are_no_corpus(tmp_path, source):
    with pytest.raises(InputError, match="no word in"):
        ngrams.tokenize(source, tmp_path / "c")
    assert not (tmp_path / "c").exists()


def test_a_folder_that_says_it_holds_nothing_is_refused(tmp_path):
    corpus = ngrams.Corpus.from_tokens(tmp_path / "c", [4, 2], [0, 2])
    assert corpus.document(0).tolist() == [4, 2]
    manifest = json.loads((tmp_path / "c/corpus.json").read_text())
    manifest |= {"tokens": 0, "documents": 0, "shards": []}
    (tmp_path / "c/corpus.json").write_text(json.dumps(manifest))
    with pytest.raises(InputError, match="holds no token; tokenize its texts again"):
        ngrams.Corpus.open(tmp_path / "c")


def test_a_corpus_is_written_to_where_a_link_or_the_home_folder_leads(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "scratch").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "scratch")
    (tmp_path / "later").symlink_to(tmp_path / "disk")
    for name in ("link", "later", "~/home"):
        out = name if "~" in name else tmp_path / name
        assert ngrams.tokenize(["red kite"], out).tokens == 2
    assert all((tmp_path / n / "corpus.json").is_file() for n in ("scratch", "disk", "home"))
    assert (tmp_path / "link").is_symlink()
