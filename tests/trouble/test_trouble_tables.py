"""Tables of users: text stays text, in every format."""

import json

import numpy as np
import pandas as pd
import pytest
from rote import cli as commands
from rote.core.errors import InputError
from rote.data import statements
from rote.ngrams import files
from rote.papers.chain import documents
from rote.papers.distmem import corpora as generated
from rote.readers import table
from typer.testing import CliRunner

WORDS = ["00012", "1984", "007", "null", "NA", "nan", "None", "1e5", "True", "-0", "1_000"]


@pytest.mark.parametrize("name", ["t.csv", "T.CSV", "t.tsv", "t.jsonl", "t.parquet", "t.csv.gz"])
def test_words_that_look_like_something_else_stay_words(tmp_path, name):
    frame = pd.DataFrame({"entity": WORDS, "value": WORDS[::-1]})
    path = tmp_path / name
    if ".jsonl" in name:
        frame.to_json(path, orient="records", lines=True)
    elif name.endswith("parquet"):
        frame.to_parquet(path)
    else:
        frame.to_csv(path, index=False, sep="\t" if "tsv" in name else ",")
    read = statements.read_facts(path)
    assert read["entity"].tolist() == WORDS
    assert read["value"].tolist() == WORDS[::-1]
    assert files.read_pairs(path).frame["entity"].tolist() == WORDS


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_tables_of_spreadsheets_are_read(tmp_path, encoding):
    path = tmp_path / "facts.csv"
    path.write_bytes("entity,value\r\nBern,\u00c4re\r\n".encode(encoding))
    assert statements.read_facts(path).to_numpy().tolist() == [["Bern", "\u00c4re"]]


def test_ids_of_pruned_examples_stay_as_they_are(tmp_path):
    (tmp_path / "l.csv").write_text("id,loss,note\n00012,0.5,NA\n12,0.25,007\nnull,3,x\n")
    arguments = ["prune", "--losses", tmp_path / "l.csv", "--out", tmp_path / "o.parquet"]
    done = CliRunner().invoke(commands.app, [*map(str, arguments), "--scheme", "none"])
    assert done.exit_code == 0, done.exception
    pruned = pd.read_parquet(tmp_path / "o.parquet")
    assert pruned["id"].tolist() == ["00012", "12", "null"]
    assert pruned["note"].tolist() == ["NA", "007", "x"]
    assert pruned["loss"].tolist() == [0.5, 0.25, 3.0]


def test_numbers_of_json_stand_for_the_text_that_they_are(tmp_path):
    rows = [{"first": 1984, "second": [3, 4]}, {"first": "007", "second": "null"}]
    (tmp_path / "p.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n")
    pairs = files.read_pairs(tmp_path / "p.jsonl").frame
    assert pairs["first"].tolist() == ["1984", "007"]
    assert pairs["second"].tolist() == [[3, 4], "null"]


@pytest.mark.parametrize("bad", [None, 0.5, True, {"a": 1}])
def test_what_is_no_text_is_named(tmp_path, bad):
    rows = [{"first": "a", "second": "b"}, {"first": "c", "second": bad}]
    (tmp_path / "p.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n")
    with pytest.raises(InputError, match=r"p\.jsonl, second, row 1: must be text"):
        files.read_pairs(tmp_path / "p.jsonl")


REFUSED = {
    "longer rows": ("t.csv", b"a,b\n1,2\n1,2,3\n", "line 3"),
    "rows all longer": ("t.csv", b"a,b\n1,2,3\n1,2,3\n", "cannot be read as a table"),
    "an open quote": ("t.csv", b'a,b\n"1,2\n', "cannot be read as a table"),
    "nothing": ("t.csv", b"", "cannot be read as a table"),
    "another encoding": (
        "t.csv",
        "a,b\nGr\u00fcn,x\n".encode("latin-1"),
        "line 2: not UTF-8 at byte 2",
    ),
    "another format": ("t.xlsx", b"PK", r"must be a file of \.csv"),
    "no object": ("t.jsonl", b"[1, 2]\n", "line 1: not an object"),
    "no JSON": ("t.jsonl", b'{"a": 1}\n{"a": \n', "line 2: not JSON"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_tables_that_do_not_fit_are_refused(tmp_path, case):
    name, content, expected = REFUSED[case]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=rf"{name}.*{expected}"):
        table.read(tmp_path / name)


BREAKS = "a\u2028b\u2029c\x85d\x0be\x0cf\x1cg\rh\ni"


def test_breaks_within_a_text_do_not_break_our_own_lines(tmp_path):
    line = {"id": 0, "text": BREAKS, "answer": [0, 1]}
    documents.write(tmp_path / "d.jsonl", [line, line])
    assert documents.read(tmp_path / "d.jsonl") == [line, line]
    row = {"kind": "fact", "fact": 1, "entity": BREAKS, "text": BREAKS}
    generated.write(tmp_path / "g.jsonl", pd.DataFrame([row]))
    assert generated.read(tmp_path / "g.jsonl")["text"].tolist() == [BREAKS]


def test_words_of_a_corpus_lie_in_lines(tmp_path):
    from rote import ngrams

    words = ["a\u2028b", "c\x85", "d\r"]
    corpus = ngrams.Corpus.from_tokens(tmp_path / "c", np.arange(3), [0, 3], words=words)
    assert corpus.words == words
    with pytest.raises(InputError, match=r"word 1, 'b\\nc', holds a line break"):
        ngrams.Corpus.from_tokens(tmp_path / "d", np.arange(2), [0, 2], words=["a", "b\nc"])
