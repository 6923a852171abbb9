"""Corpora as they lie on disks: names, links, packing, encodings, damage, identities."""

import gzip
import io
import json
import logging
import zlib
from collections import Counter

import pytest
from rote import cli as commands
from rote import ngrams
from rote.core.errors import InputError
from rote.data import corpora
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
    read = texts(write(tmp_path, files))
    assert read == expected
    assert "".join(read).encode()  # whatever is read can be written


def half(content: bytes) -> bytes:
    return content[: len(content) // 2]


MANY = b"".join(line(f"{n} {zlib.crc32(bytes([n % 256]))}") for n in range(3000))
FLIPPED = bytearray(gzip.compress(MANY))
FLIPPED[len(FLIPPED) // 2] ^= 255
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n"
REFUSED = {
    "half of gzip": ("a.jsonl.gz", half(gzip.compress(MANY)), "not a whole gzip file"),
    "flipped in gzip": ("b.jsonl.gz", bytes(FLIPPED), "not a whole gzip file"),
    "half of zstd": ("c.jsonl.zst", half(windowed(MANY, 27)), "not a whole zstd file"),
    "no zstd": ("d.txt.zst", b"plain text", "not a whole zstd file"),
    "half of Parquet": ("e.parquet", b"PAR1" + bytes(90) + b"PAR1", "not a whole Parquet file"),
    "a pointer": ("f.jsonl", POINTER, "pointer of Git LFS"),
    "a pointer as text": ("g.txt", POINTER, "pointer of Git LFS"),
    "UTF-16 without a mark": ("h.txt", "red kites".encode("utf-16-le"), "without a byte order"),
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


def test_links_are_followed_and_circles_are_not(tmp_path):
    outside = write(tmp_path / "outside", {"deep/x.txt": b"linked"})
    corpus = write(tmp_path / "corpus", {"a.txt": b"plain"})
    (corpus / "shards").symlink_to(outside)
    (corpus / "one.txt").symlink_to(outside / "deep/x.txt")
    (corpus / "circle").symlink_to(corpus)
    assert texts(corpus) == ["plain", "linked", "linked"]
    (corpus / "lost.txt").symlink_to(tmp_path / "nowhere")
    with pytest.raises(InputError, match=r"lost\.txt is a link that leads nowhere"):
        texts(corpus)


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
        ngrams.tokenize(
            tmp_path / "a.txt", tmp_path / "out", options=ngrams.CorpusOptions(filled=True)
        )
    assert not (tmp_path / "out").exists()
    (tmp_path / "none.jsonl").write_bytes(b"\n")
    with pytest.raises(InputError, match=r"no word in .*none\.jsonl"):
        ngrams.tokenize(tmp_path / "none.jsonl", tmp_path / "out")
    arguments = ["ngrams", "tokenize", str(tmp_path / "a.txt"), "--out", str(tmp_path / "out")]
    assert CliRunner().invoke(commands.app, arguments).exit_code != 0
