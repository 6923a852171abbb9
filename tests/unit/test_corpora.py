"""Corpora: every format gives the same documents; what cannot be read is named with its line."""

import gzip
import json

import pandas as pd
import pytest
from rote.core.errors import InputError
from rote.data import corpora

TEXTS = ["Grüße aus Bern.", "two\nlines", "x"]


def lines(texts=TEXTS, key="text"):
    return "".join(json.dumps({key: text}) + "\n" for text in texts).encode()


@pytest.fixture
def corpus(tmp_path):
    (tmp_path / "a.jsonl").write_bytes(lines())
    (tmp_path / "b.jsonl.gz").write_bytes(gzip.compress(lines()))
    pd.DataFrame({"text": TEXTS, "n": [1, 2, 3]}).to_parquet(tmp_path / "c.parquet")
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "d.txt").write_text(TEXTS[1])
    (tmp_path / "deep" / "e.txt.gz").write_bytes(gzip.compress(TEXTS[0].encode()))
    (tmp_path / "notes.md").write_text("not part of it")
    return tmp_path


def test_documents_agree_in_every_format_and_folders_are_read_in_order(corpus):
    for name in ("a.jsonl", "b.jsonl.gz", "c.parquet"):
        documents = list(corpora.documents(corpus / name))
        assert [document.text for document in documents] == TEXTS
        assert [document.id for document in documents] == [
            f"{name}:{number}" for number in range(3)
        ]
    everything = [document.text for document in corpora.documents(corpus)]
    assert everything == TEXTS * 3 + [TEXTS[1], TEXTS[0]]
    assert [document.text for document in corpora.documents(f"{corpus}/**/*.txt*")] == [
        TEXTS[1],
        TEXTS[0],
    ]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl", b'{"text": "fine"}\n{"text": \n', r"a\.jsonl, line 2: not JSON"),
        (
            "a.jsonl",
            b'{"text": "fine"}\n{"body": "x"}\n',
            r"a\.jsonl, line 2: no text under the key 'text' \(it has body\)",
        ),
        ("a.jsonl", b'["text"]\n', r"line 1: no text under the key 'text' \(it has list\)"),
        ("a.jsonl", b'{"text": "\xff"}\n', r"a\.jsonl, line 1: not UTF-8 at byte 10"),
        ("a.txt", b"ok \xfe", r"a\.txt: not UTF-8 at byte 3"),
        ("a.jsonl.gz", gzip.compress(lines())[:-9], r"a\.jsonl\.gz is not a whole gzip file"),
        ("a.txt.gz", b"plain", r"a\.txt\.gz is not a whole gzip file"),
        ("a.parquet", b"PAR1", r"a\.parquet is not a whole Parquet file"),
        ("a.docx", b"", r"a\.docx: its name must end in one of \.parquet"),
    ],
)
def test_documents_name_what_cannot_be_read(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message):
        list(corpora.documents(tmp_path / name))


def test_documents_name_missing_files_and_columns(tmp_path):
    with pytest.raises(InputError, match="no file there"):
        list(corpora.documents(tmp_path / "nothing*"))
    pd.DataFrame({"body": ["x"]}).to_parquet(tmp_path / "a.parquet")
    with pytest.raises(InputError, match="has no column 'text', but body"):
        list(corpora.documents(tmp_path / "a.parquet"))
    pd.DataFrame({"text": ["x", None]}).to_parquet(tmp_path / "b.parquet")
    with pytest.raises(InputError, match="row 1: 'text' is not text but NoneType"):
        list(corpora.documents(tmp_path / "b.parquet"))
    assert next(corpora.documents(tmp_path / "a.parquet", column="body")).text == "x"


def test_files_of_a_data_set_out_of_reach_say_what_to_give_instead(monkeypatch):
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(
        InputError,
        match=r"data set 'nobody/nothing' cannot be fetched.*give a file, folder or glob",
    ):
        corpora.files("hf:nobody/nothing")


def test_stream_of_a_data_set_is_read_row_by_row(tmp_path):
    (tmp_path / "train.jsonl").write_bytes(lines())
    (tmp_path / "test.jsonl").write_bytes(lines(["held out"]))
    documents = list(corpora.documents(f"stream:{tmp_path}"))
    assert [document.text for document in documents] == TEXTS
    assert documents[2].id == f"{tmp_path}:2"
    assert [document.text for document in corpora.documents(f"stream:{tmp_path}#test")] == [
        "held out"
    ]
    with pytest.raises(InputError, match=r"row 0: no text under the key 'body' \(it has text\)"):
        list(corpora.documents(f"stream:{tmp_path}", column="body"))
    with pytest.raises(
        InputError, match=r"cannot be streamed: Bad split: dev.*give a file, folder or glob"
    ):
        list(corpora.documents(f"stream:{tmp_path}#dev"))
    with pytest.raises(InputError, match="a stream has no files"):
        corpora.files(f"stream:{tmp_path}")
