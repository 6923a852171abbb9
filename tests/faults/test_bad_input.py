"""Bad input: one line that names file, key or value; exit status not 0; nothing half-written."""

import gzip
import json
import re
import struct
import tracemalloc
import zipfile

import numpy as np
import pandas as pd
import pytest
import yaml
from conftest import write_idx
from hypothesis import given, settings
from hypothesis import strategies as st
from rote import cli as commands
from rote import ledger as ledgers
from rote.core import tables
from rote.core.errors import InputError
from rote.data import corpora
from rote.data import images as data
from rote.ngrams import tokenizing
from rote.papers.longtail import schema
from rote.run import config
from typer.testing import CliRunner


def refuse(tmp_path, *arguments: str, expected: str) -> None:
    """The command fails with one readable error and leaves no file behind."""
    before = sorted(tmp_path.rglob("*"))
    done = CliRunner().invoke(commands.app, [str(part) for part in arguments])
    assert done.exit_code != 0
    if isinstance(done.exception, SystemExit):  # typer's own: a box with the option's name
        output = done.output
    else:
        assert isinstance(done.exception, (InputError, ArithmeticError, MemoryError, OSError)), (
            repr(done.exception)
        )
        output = commands._one_line(done.exception)
    assert re.search(expected, " ".join(output.replace("│", " ").split())), output
    assert sorted(tmp_path.rglob("*")) == before


# ---- configs

CONFIGS = [
    ("runn: x", "runn: no such key; did you mean 'run'"),
    ("run: ''", "run"),
    ("run: ../elsewhere", "run: .*'../elsewhere'"),
    ("run: a/b", "run: .*'a/b'"),
    ("run: .hidden", "run"),
    ("seed: -1", "seed: .*-1"),
    ("seed: one", "seed: .*'one'"),
    ("seed: 1.5", "seed: .*1.5"),
    ("scale: huge", "scale: .*smoke, laptop, full, paper"),
    ("papers: []", "papers"),
    ("papers: [longtial]", "unknown paper 'longtial'; did you mean 'longtail'"),
    ("papers: [longtail, longtail]", "a paper is listed twice"),
    ("strict: maybe", "strict: .*'maybe'"),
    ("longtail: 3", "longtail"),
    ("longtail: {linear: {n: 0}}", "longtail.linear.n: .*0"),
    ("longtail: {linear: {n: .inf}}", "longtail.linear.n"),
    ("longtail: {linear: {alphas: []}}", "longtail.linear.alphas"),
    ("longtail: {linear: {alphas: [-1]}}", "longtail.linear.alphas"),
    ("longtail: {linear: {sigmas: [.nan]}}", "longtail.linear.sigmas"),
    ("longtail: {images: {source: mnist}}", "source is mnist, so `root` must name"),
    ("longtail: {network: {weight_decays: [1, 7]}}", "weight_decays must hold 0.0"),
    ("raf: {real: {source: cifar10}}", "source is cifar10, so `root` must name"),
    (
        "distmem: {ladder: {neox: {rates: [0.1]}}}",
        "rates must hold one learning rate for each of sizes",
    ),
    (
        "distmem: {pythia: {corpus: x}}",
        "corpus is given, so `models` and `tasks` must be given too",
    ),
    ("inversion: {waveform: {guidance: {steps: [0.5, 0.1]}}}", "steps must rise"),
    ("chain: {corpus: x}", "corpus is given, so `facts` must name"),
    ("cramless: {text: {small: [1, 2]}}", "cramless.text.small"),
    ("- a\n- b", "expected keys and values, found list"),
    ("# nothing but a comment\n", "holds no key; write one, e.g. run: mine"),
    ("a: [1", "is not valid YAML"),
    ("a: !!python/object/apply:os.system ['touch hacked']", "is not valid YAML"),
    ("\ttab: 1", "is not valid YAML"),
]


@pytest.mark.parametrize(("text", "expected"), CONFIGS, ids=[text[:40] for text, _ in CONFIGS])
def test_config_check_refuses_bad_configs(tmp_path, text, expected):
    path = tmp_path / "own.yaml"
    path.write_text(text)
    refuse(tmp_path, "config", "check", path, expected=expected)


def test_config_check_refuses_files_without_text(tmp_path):
    (tmp_path / "a.yaml").write_bytes(b"\xff\xfe\x00")
    refuse(tmp_path, "config", "check", tmp_path / "a.yaml", expected=r"a\.yaml is not valid YAML")
    refuse(
        tmp_path,
        "config",
        "check",
        tmp_path,
        expected="Is a directory; give the path of a YAML file",
    )
    refuse(
        tmp_path, "config", "check", tmp_path / "none.yaml", expected="No such file or directory"
    )


# ---- command lines

COMMANDS = [
    (["longtial"], "No such command or paper 'longtial'. Did you mean 'longtail'"),
    (["longtail", "solve"], "No such command 'solve'"),
    (["longtail", "solve-scaling"], "Missing option '--out'"),
    (
        ["longtail", "solve-scaling", "--out", "x.parquet", "--settings", "{"],
        "--settings is not JSON",
    ),
    (["longtail", "solve-scaling", "--out", "x.parquet", "--settings", "[]"], "--settings"),
    (["longtail", "solve-scaling", "--out", "x.parquet", "--settings", '{"rows": [1]}'], "rows"),
    (
        ["longtail", "solve-scaling", "--out", "x.parquet", "--seed", "-3"],
        "'--seed': Input should be greater than or equal to 0",
    ),
    (
        ["longtail", "solve-scaling", "--out", "x.parquet", "--threads", "0"],
        "'--threads': Input should be greater than or equal to 1",
    ),
    (["draw", "--paper", "nope", "--results", ".", "--out", "x"], "unknown paper 'nope'"),
    (
        ["draw", "--paper", "raf", "--results", ".", "--out", "x"],
        "needs ./curves.parquet.*; make it: snakemake",
    ),
    (["verify", "none"], "none is neither a folder nor a run"),
    (["verify", "."], "is not the folder of a run; runs in this folder: none"),
    (["compare", "none", "nothing"], "none is neither a folder nor a run"),
    (["ledger", "none.parquet"], "none.parquet is neither a folder nor a run"),
    (
        ["prune", "--losses", "none.parquet", "--out", "x.csv"],
        "none.parquet cannot be read: it does not exist",
    ),
    (["plan", "--device-tflops", "0"], "--device-tflops"),
    (
        ["ngrams", "count", "--corpus", "none", "--pairs", "p.parquet", "--out", "x.csv"],
        "none holds no corpus",
    ),
    (["ngrams", "tokenize", "none.txt", "--out", "x"], "corpus none.txt: no file there"),
    (
        ["ngrams", "tokenize", ".", "--out", "x", "--split", "page"],
        "'page' is not one of 'file', 'line', 'blank'",
    ),
    (["attention", "solve", "--f", "tanh", "--gamma", "-1", "--c", "2"], "gamma"),
    (
        [
            *("claims", "evaluate", "--scale", "full", "--tables", "."),
            *("--out", "x", "--finding", "y", "--basis", "z", "--claims", "none.yaml"),
        ],
        "claims file none.yaml: No such file",
    ),
]


@pytest.mark.parametrize(
    ("arguments", "expected"), COMMANDS, ids=[" ".join(part)[:50] for part, _ in COMMANDS]
)
def test_commands_refuse_bad_options(tmp_path, monkeypatch, arguments, expected):
    monkeypatch.chdir(tmp_path)
    refuse(tmp_path, *arguments, expected=expected)


# ---- data sets


def idx(shape, kind=8, content=b""):
    return struct.pack(f">HBB{len(shape)}I", 0, kind, len(shape), *shape) + content


IDX = [
    (b"", "not an idx file"),
    (b"\0\0\x08", "not an idx file"),
    (b"\x1f\x8b\x08", "not an idx file"),
    (idx((3, 2, 2), 13, b"0" * 12), "not an idx file of bytes"),
    (idx((3, 2, 2))[:9], "its header alone needs 16"),
    (idx((3, 2, 2), content=b"0" * 11), "is truncated: 27 bytes, its header says 28"),
    (idx((3, 2, 2), content=b"0" * 13), "is too long: more than the 28 bytes that its header says"),
    (idx((2**31, 2**31, 2**31)), "more than 8,589,934,592 are not read"),
]


@pytest.mark.parametrize(("content", "expected"), IDX)
@pytest.mark.parametrize("compressed", [False, True])
def test_read_idx_refuses_damaged_files(tmp_path, content, expected, compressed):
    path = tmp_path / ("t10k-images-idx3-ubyte" + ".gz" * compressed)
    path.write_bytes(gzip.compress(content) if compressed else content)
    with pytest.raises(InputError, match=rf"t10k-images.* {expected}|t10k-images.*{expected}"):
        data.read_idx(path)


def test_read_idx_refuses_a_gzip_bomb_unread(tmp_path):
    """A bomb: 200 MB of zeros.

    What is read is bounded by what the header promises, and what may be promised, too.
    """
    path = tmp_path / "bomb.gz"
    with gzip.open(path, "wb", compresslevel=1) as stream:
        stream.write(idx((2, 2, 2)))
        for _ in range(200):
            stream.write(bytes(2**20))
    tracemalloc.start()
    with pytest.raises(InputError, match=r"bomb\.gz is too long"):
        data.read_idx(path)
    assert tracemalloc.get_traced_memory()[1] < 2**22
    tracemalloc.stop()


@pytest.mark.parametrize("name", ["a.jsonl.gz", "a.txt.gz", "a.jsonl.zst"])
def test_documents_refuse_a_compressed_bomb(tmp_path, monkeypatch, name):
    import zstandard

    monkeypatch.setattr(corpora, "MAX_BYTES", 10_000)
    packed = gzip.compress if name.endswith("gz") else zstandard.ZstdCompressor().compress
    (tmp_path / name).write_bytes(
        packed(b'{"text": "short"}\n{"text": "' + b"a" * 10_000_000 + b'"}\n')
    )
    where = "as one document" if name.startswith("a.txt") else "line 2: more than 10,000 bytes"
    for strict in (True, False):
        with pytest.raises(InputError, match=f"{re.escape(name)}.*{where}|{where}"):
            list(corpora.documents(tmp_path / name, strict=strict))


def test_mnist_refuses_wrong_labels(tmp_path):
    write_idx(tmp_path / "t10k-images-idx3-ubyte", np.zeros((4, 28, 28)))
    write_idx(tmp_path / "t10k-labels-idx1-ubyte", np.full(4, 12))
    with pytest.raises(InputError, match="labels must be 0-9, found 12"):
        data.mnist(tmp_path)


CORPORA = [
    ("a.jsonl", b"", "empty"),
    ("a.txt", b"", "empty"),
    ("a.jsonl", b"nonsense", "line 1: not JSON"),
    ("a.jsonl", b'{"text": null}', "line 1: no text under the key 'text'"),
    ("a.jsonl", b'{"text": "a"}\n{"text": "\xff"}', "line 2: not UTF-8 at byte 10"),
    ("a.jsonl", b'{"text": "' + b"[" * 10 + b'"}\n' + b"[" * 100_000, "line 2: not JSON"),
    ("a.jsonl.gz", gzip.compress(b'{"text": "a"}' * 100)[:40], "is not a whole gzip file"),
    ("a.jsonl.zst", b"(\xb5/\xfd", "is not a whole zstd file"),
    ("a.parquet", b"PAR1PAR1", "is not a whole Parquet file"),
    ("a.csv", b"text\n", "its name must end in one of"),
]


@pytest.mark.parametrize(
    ("name", "content", "expected"), CORPORA, ids=[f"{n}-{w[:20]}" for n, _, w in CORPORA]
)
def test_documents_refuse_damaged_corpora(tmp_path, name, content, expected):
    path = tmp_path / name
    path.write_bytes(content)
    # nothing there is no error of the reader, but what counts it must not invent documents
    if expected == "empty":
        assert sum(len(document.text) for document in corpora.documents(path)) == 0
        return
    with pytest.raises(InputError, match=re.escape(name) + ".*" + expected):
        list(corpora.documents(path))
    refuse(
        tmp_path,
        "ngrams",
        "tokenize",
        path,
        "--strict",
        "--out",
        tmp_path / "out",
        expected=expected,
    )


def test_tokenize_accepts_one_line_long_lines_and_repetitions(tmp_path):
    (tmp_path / "one.txt").write_text("one line")
    (tmp_path / "long.jsonl").write_text(json.dumps({"text": "word " * 2_000_000}) + "\n")
    (tmp_path / "twice.jsonl").write_text('{"text": "same thing"}\n' * 3)
    assert tokenizing.tokenize(tmp_path / "one.txt", tmp_path / "a").tokens == 2
    assert tokenizing.tokenize(tmp_path / "long.jsonl", tmp_path / "b").tokens == 2_000_000
    distinct = tokenizing.CorpusOptions(distinct=True)
    once = tokenizing.tokenize(tmp_path / "twice.jsonl", tmp_path / "c", options=distinct)
    assert once.tokens == 2


def test_unpack_keeps_zip_entries_inside_the_folder(tmp_path):
    archive = tmp_path / "set" / "evil.zip"
    archive.parent.mkdir()
    with zipfile.ZipFile(archive, "w") as files:
        files.writestr("../../outside.txt", "x")
        files.writestr("images_background/inside.txt", "x")
    from rote.data import download

    unpacked = tmp_path / "set" / "images_background"
    archive = download.Archive([], archive, "", unpacked)
    download._unpack(data.torchvision().datasets, archive)
    assert (tmp_path / "set/images_background/inside.txt").exists()
    assert not (tmp_path / "outside.txt").exists()
    assert not (tmp_path.parent / "outside.txt").exists()


# ---- claims and tables

CLAIM = {
    "id": "longtail.x",
    "says": "x",
    "source": "x",
    "paper_value": None,
    "origin": "paper",
    "kind": "statistical",
    "statistic": "unseen_mass",
    "replicates": ["data"],
    "interval": "mean",
    "null": "no_null",
    "passes": "> 0",
}
CLAIMS = [
    ("a: [1", "not valid YAML|YAML"),
    ("{}", "list"),
    ([CLAIM | {"passes": "about 3"}], "cannot read criterion 'about 3'"),
    ([CLAIM | {"passes": "in [2, 1]"}], "cannot read criterion"),
    ([CLAIM | {"origin": "hearsay"}], "origin"),
    ([CLAIM | {"id": "Longtail"}], "id"),
    ([CLAIM | {"id": "raf.x"}], "raf"),
    ([CLAIM, CLAIM], "twice|repeat"),
    ([CLAIM | {"extra": 1}], "extra"),
    ([{k: v for k, v in CLAIM.items() if k != "says"}], "says"),
    ([CLAIM | {"statistic": "nowhere"}], "nowhere"),
    ([CLAIM | {"kind": "identity"}], "kind"),
    ([CLAIM | {"kind": "numerical"}], "a numerical claim has no 'interval'"),
    ([CLAIM | {"interval": "bootstrap"}], "interval: .*mean, paired"),
    ([{k: v for k, v in CLAIM.items() if k != "null"}], "null"),
    ([CLAIM | {"replicates": ["seeds"]}], "replicates"),
]


@pytest.mark.parametrize(
    ("content", "expected"), CLAIMS, ids=[str(expected) for _, expected in CLAIMS]
)
def test_evaluate_refuses_malformed_claims(tmp_path, content, expected):
    path = tmp_path / "longtail.yaml"
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    with pytest.raises(InputError, match=rf"(?s)longtail\.yaml.*({expected})"):
        ledgers.evaluate(path, {}, scale="laptop")


def frame():
    names = schema.Scaling.model_fields
    return pd.DataFrame(
        {name: [0] if field.annotation is int else [0.5] for name, field in names.items()}
    )


TABLES = [
    (lambda f: f.drop(columns="ind"), "missing \\['ind'\\]"),
    (lambda f: f.assign(more=1), "unexpected \\['more'\\]"),
    (lambda f: f[f.columns[::-1]], "wrong order"),
    (lambda f: f.iloc[:0], "no rows; an empty result is never written"),
    (lambda f: f.assign(ind=np.nan), "column 'ind' holds 1 NaN"),
    (lambda f: f.assign(ind=np.inf), "column 'ind' holds 1 infinite"),
    (lambda f: f.assign(ind="a"), "column 'ind' must hold numbers"),
    (lambda f: pd.concat([f, f], ignore_index=True), "1 rows repeat their key"),
]


@pytest.mark.parametrize(("change", "expected"), TABLES)
def test_write_refuses_frames_that_break_the_model(tmp_path, change, expected):
    with pytest.raises(InputError, match=f"table Scaling: .*{expected}"):
        tables.write(tmp_path / "t.parquet", change(frame()), schema.Scaling, {})
    assert list(tmp_path.iterdir()) == []


LOSSES = [
    ("id,loss\n1,nan\n", "loss"),
    ("id,loss\n1,inf\n", "loss"),
    ("id,loss\n1,0.1\n1,0.2\n", "id"),
    ("id,value\n1,0.1\n", "loss"),
    ("id,loss\n", "no|empty"),
    ("id,loss,count\n1,0.5,-2\n", "count"),
]


@pytest.mark.parametrize(("content", "expected"), LOSSES)
def test_prune_refuses_bad_losses(tmp_path, content, expected):
    (tmp_path / "losses.csv").write_text(content)
    refuse(
        tmp_path,
        "prune",
        "--losses",
        tmp_path / "losses.csv",
        "--out",
        tmp_path / "x.parquet",
        expected=rf"losses\.csv.*({expected})",
    )


# ---- fuzzing


def error_of(call) -> str | None:
    """What a call says is wrong with its input; any other exception is a failure of the test."""
    try:
        call()
    except InputError as error:
        return str(error)
    return None


@given(st.binary(max_size=200), st.sampled_from(["", ".gz"]))
@settings(max_examples=300)
def test_read_idx_survives_any_bytes(tmp_path_factory, content, suffix):
    path = tmp_path_factory.getbasetemp() / f"fuzz-idx{suffix}"
    path.write_bytes(content)
    output = error_of(lambda: data.read_idx(path))
    assert output is None or path.name in output


@given(st.binary(max_size=300), st.sampled_from(corpora.SUFFIXES), st.booleans())
@settings(max_examples=400)
def test_documents_survive_any_bytes(tmp_path_factory, content, kind, strict):
    """Strictly: documents or one error that names the file. Leniently: never an error."""
    path = tmp_path_factory.getbasetemp() / f"fuzz-corpus{kind}"
    path.write_bytes(content)
    output = error_of(
        lambda: [len(document.text) for document in corpora.documents(path, strict=strict)]
    )
    assert output is None or (strict and path.name in output)


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10)
KEYS = st.sampled_from(
    [*config.model().model_fields, "linear", "network", "n", "theory", "x"]
) | st.text(max_size=5)


@given(
    st.recursive(
        SCALARS,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
        max_leaves=12,
    )
)
@settings(max_examples=100)  # `make fuzz` tries more
def test_config_survives_any_values(tmp_path_factory, values):
    path = tmp_path_factory.getbasetemp() / "fuzz.yaml"
    path.write_text(yaml.safe_dump(values, allow_unicode=True))
    output = error_of(lambda: config.load(path))
    assert output is None or "fuzz.yaml" in output


@given(st.binary(max_size=400))
@settings(max_examples=200)
def test_read_table_survives_any_bytes(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "fuzz.parquet"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"fuzz\.parquet"):
        tables.read(path)
