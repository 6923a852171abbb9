"""Tables of users: text stays text, in every format."""

import gzip
import io
import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from rote import cli as commands
from rote.core.errors import InputError
from rote.data import statements
from rote.ngrams import files
from rote.papers.chain import documents
from rote.papers.distmem import corpora as generated
from rote.papers.distmem import task_files
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


def test_what_pandas_had_as_an_index_is_a_column(tmp_path):
    frame = pd.DataFrame({"entity": WORDS, "value": pd.Categorical(WORDS[::-1])})
    frame.set_index("entity").to_parquet(tmp_path / "t.parquet")
    assert statements.read_facts(tmp_path / "t.parquet").to_numpy().tolist() == [
        list(row) for row in zip(WORDS, WORDS[::-1], strict=True)
    ]


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
    "a key twice": (
        "t.jsonl",
        b'{"a": 1, "a": 2}\n',
        "line 1: .*the key 'a' twice",
    ),
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


H = b"entity,value\n"
ODD = {
    "semicolons": ("t.csv", b"entity;value\na;b\n", "line 1: its columns are separated by ';'"),
    "tabs in CSV": ("t.csv", b"entity\tvalue\na\tb\n", "separated by '.t'; separate them by ','"),
    "commas in TSV": ("t.tsv", b"entity,value\na,b\n", "separated by ','; separate them by '.t'"),
    "sep=": ("t.csv", b"sep=;\nentity;value\n", "line 1: its columns are separated by ';'"),
    "one name twice": ("t.csv", b"entity,value,value\na,b,c\n", "two columns are named 'value'"),
    "more values": ("t.csv", H + b"a,b\nc,d,e\n", "line 3: 3 values where the first line names 2"),
    "an open quote": ("t.csv", H + b'"a,b\nc,d\n', "line 3: unexpected end of data"),
    "half a quote": ("t.csv", H + b'"a"x,b\n', "line 2: ',' expected after '\"'"),
    "a carriage return": ("t.csv", H + b"a\rx,b\n", "line 2: a carriage return ends no line"),
    "old line ends": ("t.csv", b"entity,value\ra,b\r", "line 1: a carriage return ends no line"),
    "NUL": ("t.csv", H + b"a\0,b\n", "line 2: it holds NUL"),
    "a crash's end": ("t.csv", H + b"a,b\n" + bytes(99), "line 3: it holds NUL"),
    "Latin-1": ("t.csv", H + "gr\u00fcn,b\n".encode("latin-1"), "line 2: not UTF-8 at byte 2"),
    "nothing": ("t.csv", b"", "line 1: it is empty"),
    "a workbook": ("t.csv", b"PK\3\4" + bytes(99), "packed by zip: unpack it"),
    "packed": ("t.csv", gzip.compress(H), "packed by gzip: give it a name that ends in .gz"),
    "a list": ("t.jsonl", b"[1, 2]\n", "line 1: not an object but list"),
    "no number": ("t.jsonl", b'{"entity": "a", "value": NaN}\n', "row 0: must be text"),
    "a fraction": ("t.jsonl", b'{"entity": "a", "value": 1.0}\n', "holds float 1.0"),
    "a truth": ("t.jsonl", b'{"entity": "a", "value": true}\n', "holds bool True"),
    "a key less": ("t.jsonl", b'{"entity": "a", "value": "b"}\n{"entity": "c"}\n', "row 1: must"),
    "another name": ("t.xlsx", b"PK\3\4", "a table must be a file of .csv"),
}


@pytest.mark.parametrize("case", ODD)
def test_tables_of_another_form_are_told_their_line_and_what_to_do(tmp_path, case):
    name, content, expected = ODD[case]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError) as raised:
        statements.read_facts(tmp_path / name)
    assert name in str(raised.value)
    assert expected.replace(".t'", "\\t'") in str(raised.value)


CELLS = {
    "quotes": (H + b'"a ""q"" x","b,\n\nc"\n', [['a "q" x', "b,\n\nc"]]),
    "quotes within": (H + b'a "q" x,b\n', [['a "q" x', "b"]]),
    "line ends of Windows": (b"entity,value\r\na,b\r\n", [["a", "b"]]),
    "words": (
        H + b"inf,True\n2020-01-02,007\n1e5,-inf\n",
        [["inf", "True"], ["2020-01-02", "007"], ["1e5", "-inf"]],
    ),
    "empty lines": (H + b"\na,b\n\n", [["a", "b"]]),
    "a value less": (H + b"a\n", [["a", ""]]),
    "breaks of Unicode": (H + "a\u2028b,c\x85d\n".encode(), [["a\u2028b", "c\x85d"]]),
    "long": (H + b"a," + b"b" * 200_000, [["a", "b" * 200_000]]),
}


@pytest.mark.parametrize("case", CELLS)
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_cells_are_read_as_they_are_written(tmp_path, case, pack):
    content, expected = CELLS[case]
    path = tmp_path / ("t.csv" if pack is bytes else "t.csv.gz")
    path.write_bytes(pack(content))
    assert table.read(path).to_numpy().tolist() == expected


@pytest.mark.parametrize("name", ["t.jsonl", "t.parquet"])
def test_whole_numbers_stay_so_beside_missing_ones(tmp_path, name):
    large = 2**53 + 1
    if name == "t.jsonl":
        (tmp_path / name).write_text(f'{{"a": {large}, "b": 1}}\n{{"a": null, "b": 2}}\n')
    else:
        column = pa.array([large, None])
        pq.write_table(pa.table({"a": column, "b": [1, 2]}), tmp_path / name)
    read = table.read(tmp_path / name)
    assert read["a"].tolist() == [large, None]
    assert read["b"].sum() == 3


BOMBS = {
    "t.csv.gz": lambda: gzip.compress(H + b"a,b\n" * 999),
    "t.csv": lambda: H + b"a,b\n" * 999,
    "t.jsonl.gz": lambda: gzip.compress(b'{"entity": "a", "value": "b"}\n' * 99),
    "t.jsonl.zst": lambda: zstandard.compress(b'{"entity": "a", "value": "b"}\n' * 99),
    "t.parquet": lambda: written(pa.table({"entity": ["a"] * 999, "value": ["b"] * 999})),
}


def written(content: pa.Table) -> bytes:
    stream = io.BytesIO()
    pq.write_table(content, stream)
    return stream.getvalue()


@pytest.mark.parametrize("name", BOMBS)
def test_tables_that_unpack_to_more_than_is_read_are_refused(tmp_path, monkeypatch, name):
    monkeypatch.setattr(table, "MAX_BYTES", 1000)
    (tmp_path / name).write_bytes(BOMBS[name]())
    with pytest.raises(InputError, match=r"more than 1,000 bytes are not read"):
        table.read(tmp_path / name)


TASKS = {
    "no list": ('"choices": "abc"', "choices must be a list, it holds str"),
    "a choice less": ('"choices": [null, "y"]', "choices: must be text, it holds nothing"),
    "a fraction": ('"choices": [0.5, "y"]', "choices: must be text, it holds float"),
}


@pytest.mark.parametrize("case", TASKS)
def test_choices_are_lists_of_texts(tmp_path, case):
    words, expected = TASKS[case]
    (tmp_path / "t.jsonl").write_text(f'{{"x": "x", "y": "y", {words}}}\n')
    with pytest.raises(InputError, match=rf"line 1.*{expected}"):
        task_files.read("t", str(tmp_path / "t.jsonl"), "test")


@pytest.mark.parametrize("answer", ['""', '"AB"', "-1", "2", '"C"'])
def test_answers_are_one_of_the_choices(tmp_path, answer):
    row = f'{{"question": "q", "choices": ["a", "b"], "answer": {answer}}}\n'
    (tmp_path / "t.jsonl").write_text(row)
    with pytest.raises(InputError, match=r"line 1: not of the form that its keys promise"):
        task_files.read("t", str(tmp_path / "t.jsonl"), "test")
