"""Tokenizing and counting small texts: units, bad input, files of counts, commands."""

import gzip
import json
import logging
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from rote import ngrams
from rote.core.errors import InputError
from rote.ngrams import Analyser, CorpusOptions, ScanOptions, files
from typer.testing import CliRunner

TEXTS = [
    "The Red Kite, a bird of prey.",
    "A red kite! A red kite?",
    "",
    "No bird here: red.",
    "kite",
]


@pytest.fixture
def corpus(tmp_path) -> ngrams.Corpus:
    source = tmp_path / "texts.jsonl"
    source.write_text("".join(json.dumps({"text": text}) + "\n" for text in TEXTS))
    return ngrams.tokenize(source, tmp_path / "corpus")


def test_count_agrees_by_text_and_by_id(corpus):
    assert ngrams.count(
        corpus, ["red kite", "RED", "a red kite", "kite a", "unseen kite"]
    ).tolist() == [3, 4, 2, 2, 0]
    assert ngrams.count(corpus, ["red kite", "bird"], statistic="documents").tolist() == [2, 2]
    pairs = [("red kite", "bird"), ("bird", "red"), ("red kite", "unseen"), ("kite", "kite")]
    assert ngrams.count_pairs(corpus, pairs).tolist() == [1, 2, 0, 3]
    ids = [tuple(corpus.ids(first)) for first, _ in pairs]
    assert (
        ngrams.count(corpus, ids).tolist()
        == ngrams.count(corpus, [first for first, _ in pairs]).tolist()
    )
    assert ngrams.count_pairs(corpus, [("red kite", "a")], window=1).tolist() == [2]
    assert ngrams.count_pairs(corpus, [("red kite", "a")], window=2).tolist() == [3]
    postings = ngrams.postings(corpus, ["red", "bird", "unseen"])
    assert [documents.tolist() for documents in postings] == [[0, 1, 3], [0, 3], []]
    assert ngrams.postings(corpus, ["a red"], stop_words=["a"])[0].tolist() == [0, 1, 3]
    assert ngrams.count(corpus, []).tolist() == []
    assert ngrams.count_pairs(corpus, []).tolist() == []


def test_ngram_never_crosses_documents(corpus):
    assert ngrams.count(corpus, ["kite no", "prey a"]).tolist() == [0, 0]


@pytest.mark.parametrize(
    ("analyser", "text", "units"),
    [
        (
            Analyser(),
            "Don’t stop – it's «fine», U.S.-made_ x2",
            ["don’t", "stop", "it's", "fine", "u", "s", "made", "x2"],
        ),
        (Analyser(case=True), "Straße STRASSE", ["Straße", "STRASSE"]),
        (Analyser(), "Straße STRASSE", ["strasse", "strasse"]),
        (Analyser(), "cafe\u0301 café", ["café", "café"]),  # decomposed and composed
        (Analyser(), "हिन्दी में", ["हिन्दी", "में"]),  # marks belong to their letters
        (Analyser(), "שלום, עולם", ["שלום", "עולם"]),
        (Analyser("character"), "日本 語。a", ["日", "本", "語", "a"]),
        (Analyser("whitespace"), " a : B\r\nc\x00d ", ["a", ":", "B", "c\x00d"]),
        (Analyser(), "a\x00b\ufeffc", ["a", "b", "c"]),
        (Analyser(stop_words=("The", "of")), "The end OF it", ["end", "it"]),
        (Analyser(), "?!", []),
    ],
)
def test_analyser_splits_text_into_units(analyser, text, units):
    assert analyser.splitter()(text) == units


def test_analyser_splits_corpus_and_query_alike(tmp_path):
    """Composed, folded, or bytes that are not UTF-8: the query is analysed as the corpus was."""
    (tmp_path / "a.txt").write_bytes("CAFE\u0301 in Straße ".encode() + b"caf\xe9 \xff bar")
    corpus = ngrams.tokenize(tmp_path / "a.txt", tmp_path / "c")
    assert ngrams.count(corpus, ["café in", "IN STRASSE", b"caf\xe9", "caf bar"]).tolist() == [
        1,
        1,
        1,
        1,
    ]
    assert corpus.manifest["problems"] == {"bytes replaced": 1}


def test_tokenize_counts_bad_documents_and_keeps_their_number(tmp_path, caplog):
    lines = [
        b'{"text": "fine one"}',
        b"",
        b"{broken",
        b'{"body": "x"}',
        b'{"text": null}',
        b'{"text": "caf\xff two"}',
    ]
    (tmp_path / "a.jsonl").write_bytes(b"\xef\xbb\xbf" + b"\r\n".join(lines))
    (tmp_path / "b.jsonl.gz").write_bytes(gzip.compress(b'{"text": "zipped"}\n' * 2000)[:-9])
    pd.DataFrame({"text": ["row", None]}).to_parquet(tmp_path / "c.parquet")
    pd.DataFrame({"body": ["row"]}).to_parquet(tmp_path / "d.parquet")
    (tmp_path / "e.txt").write_bytes(b"")
    with caplog.at_level(logging.WARNING, "rote"):
        corpus = ngrams.tokenize(tmp_path, tmp_path / "out" / "c")
    assert corpus.manifest["problems"] == {
        "bytes replaced": 1,
        "missing column": 1,
        "no text": 3,
        "not JSON": 1,
        "truncated file": 1,
    }
    assert "a.jsonl, line 3: not JSON" in caplog.text
    assert ngrams.postings(corpus, ["two"])[0].tolist() == [4]
    assert ngrams.count(corpus, ["fine one", "row"]).tolist() == [1, 1]
    with pytest.raises(InputError, match=r"a\.jsonl, line 3: not JSON"):
        ngrams.tokenize(tmp_path, tmp_path / "strict", options=CorpusOptions(strict=True))
    with pytest.raises(InputError, match=r"a\.jsonl, line 6: not UTF-8"):
        ngrams.tokenize(tmp_path, tmp_path / "strict", options=CorpusOptions(errors="strict"))
    assert not (tmp_path / "strict").exists()
    assert not list(tmp_path.glob(".strict*"))


def test_tokenize_notices_truncated_zstd(tmp_path):
    import zstandard

    whole = zstandard.compress(b'{"text": "a b"}\n' * 5000) + zstandard.compress(
        b'{"text": "last"}\n'
    )
    (tmp_path / "a.jsonl.zst").write_bytes(whole)
    corpus = ngrams.tokenize(
        tmp_path / "a.jsonl.zst", tmp_path / "c", options=CorpusOptions(strict=True)
    )
    assert ngrams.count(corpus, ["a b", "last"]).tolist() == [5000, 1]
    for cut in (len(whole) - 3, len(whole) - 30, 10):
        (tmp_path / "b.jsonl.zst").write_bytes(whole[:cut])
        with pytest.raises(InputError, match=r"b\.jsonl\.zst is not a whole zstd file"):
            ngrams.tokenize(
                tmp_path / "b.jsonl.zst", tmp_path / "d", options=CorpusOptions(strict=True)
            )
    (tmp_path / "b.jsonl.zst").write_bytes(b"plain text")
    with pytest.raises(InputError, match=r"b\.jsonl\.zst is not a whole zstd file"):
        ngrams.tokenize(
            tmp_path / "b.jsonl.zst", tmp_path / "d", options=CorpusOptions(strict=True)
        )


@pytest.mark.parametrize(("split", "number"), [("file", 1), ("line", 4), ("blank", 2)])
def test_text_file_holds_its_documents(tmp_path, split, number):
    (tmp_path / "a.txt").write_text("one two\nthree\n\nfour\n")
    corpus = ngrams.tokenize(tmp_path / "a.txt", tmp_path / "c", options=CorpusOptions(split=split))
    assert corpus.documents == number
    assert ngrams.count(corpus, ["two three"]).tolist() == [split != "line"]


def test_tokenize_keeps_repeated_documents(tmp_path):
    (tmp_path / "a.txt").write_text("a b\na b\nc\na b\n")
    every = ngrams.tokenize(tmp_path / "a.txt", tmp_path / "c", options=CorpusOptions(split="line"))
    once = ngrams.tokenize(
        tmp_path / "a.txt", tmp_path / "d", options=CorpusOptions(split="line", distinct=True)
    )
    assert ngrams.count_pairs(every, [("a", "b")]).tolist() == [3]
    assert ngrams.count_pairs(once, [("a", "b")]).tolist() == [1]
    assert once.manifest["duplicates"] == 2
    assert ngrams.postings(once, ["c"])[0].tolist() == [2]  # numbers are those of the source


def test_tokenize_reads_a_very_long_line(tmp_path):
    (tmp_path / "a.txt").write_text("kite red " * 600_000)
    corpus = ngrams.tokenize(
        tmp_path / "a.txt", tmp_path / "c", options=CorpusOptions(split="line")
    )
    assert ngrams.count(corpus, ["red kite", "kite red"]).tolist() == [599_999, 600_000]


def test_corpus_of_more_than_65535_types_has_wider_ids(tmp_path):
    """The first shard stays narrow; counts go over both."""
    words = [f"w{number}" for number in range(70_000)]
    (tmp_path / "a.txt").write_text(
        "\n".join(" ".join(words[at : at + 1000]) for at in range(0, 70_000, 1000))
    )
    corpus = ngrams.tokenize(
        tmp_path / "a.txt", tmp_path / "c", options=CorpusOptions(split="line")
    )
    assert [shard.tokens.dtype.name for shard in corpus.shards] == ["uint16", "uint32"]
    grams = ["w5 w6", "w69998 w69999", "w999 w1000", "w65536"]
    assert ngrams.count(corpus, grams).tolist() == [1, 1, 0, 1]
    assert ngrams.count_pairs(corpus, [("w69000", "w69999"), ("w1", "w69999")]).tolist() == [1, 0]


def test_token_units_are_the_models_own(tmp_path):
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    inner = Tokenizer(models.WordLevel({"a": 0, "b": 1, "?": 2, "[U]": 3}, unk_token="[U]"))
    inner.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(tokenizer_object=inner, unk_token="[U]").save_pretrained(
        tmp_path / "tokenizer"
    )
    (tmp_path / "a.txt").write_text("a b? a")
    analyser = Analyser("token", tokenizer=str(tmp_path / "tokenizer"))
    corpus = ngrams.tokenize(tmp_path / "a.txt", tmp_path / "c", analyser=analyser)
    assert corpus.document(0).tolist() == [0, 1, 2, 0]
    assert ngrams.count(corpus, ["b?", (2, 0), "B"]).tolist() == [1, 1, 0]


def test_stop_words_leave_queries_even_if_the_corpus_lacks_them(corpus):
    pairs = [("red unseen kite", "bird")]
    assert ngrams.count_pairs(corpus, pairs).tolist() == [0]
    assert ngrams.count_pairs(corpus, pairs, stop_words=(["unseen"], ())).tolist() == [1]
    with pytest.raises(InputError, match=r"pair 0: n-gram 'red': no word in it"):
        ngrams.count_pairs(corpus, [("red", "bird")], stop_words=(["red"], ()))
    with pytest.raises(InputError, match=r"stop word 'red kite': must be one word"):
        ngrams.count_pairs(corpus, pairs, stop_words=(["red kite"], ()))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda c: ngrams.count(c, ["red", "?!"]), r"n-gram 1: n-gram '\?!': no word in it"),
        (
            lambda c: ngrams.count(c, [(0, -2)]),
            r"n-gram 0: n-gram \(0, -2\): must be text, or token ids ≥ 0",
        ),
        (lambda c: ngrams.count(c, [(0.5,)]), "must be text, or token ids ≥ 0"),
        (lambda c: ngrams.count(c, [3]), "n-gram 0: n-gram 3: must be text, or token ids"),
        (
            lambda c: ngrams.count_pairs(c, [("a", "b", "c")]),
            r"pair 0: \('a', 'b', 'c'\) is not two n-grams",
        ),
        (
            lambda c: ngrams.count_pairs(c, [("a", "red")], window=-1),
            "window must be a whole number ≥ 0, given -1",
        ),
        (
            lambda c: ngrams.count(c, ["a"], statistic="lines"),
            "statistic must be occurrences or documents, given 'lines'",
        ),
        (
            lambda c: ngrams.InfinityGram(c).probability("a", "red kite"),
            "token 'red kite' must be one word",
        ),
        (lambda c: CorpusOptions(split="page"), "split must be one of file, line, blank, given"),
        (lambda c: CorpusOptions(errors="ignore"), "errors must be strict or replace"),
        (lambda c: CorpusOptions(strict=True, errors="replace"), "errors must not be replace"),
        (lambda c: CorpusOptions(column=""), "column must name the column or key"),
        (
            lambda c: CorpusOptions(shard_tokens=0),
            "shard_tokens must be a whole number ≥ 1, given 0",
        ),
        (lambda c: CorpusOptions(shard_tokens=float("nan")), "shard_tokens must be a whole number"),
        (lambda c: CorpusOptions(column=-1), "column must be text, given -1"),
        (lambda c: CorpusOptions(strict="x"), "strict must be true or false, given 'x'"),
        (lambda c: ScanOptions(progress="x"), "progress must be a function, given 'x'"),
        (lambda c: ScanOptions(threads=0), "threads must be a whole number ≥ 1, given 0"),
        (lambda c: ScanOptions([2, -1]), "shard must be a whole number ≥ 0, given -1"),
        (lambda c: ngrams.table(c, 0), "n must be a whole number ≥ 1 and ≤ 1048576, given 0"),
        (
            lambda c: ngrams.scan(c, ngrams.queries(c), options=ScanOptions([3])),
            "shard 3 does not exist",
        ),
        (lambda c: ngrams.Corpus.open(c.folder.parent), r"holds no corpus \(no corpus\.json\)"),
        (
            lambda c: ngrams.tokenize(c.folder.parent / "texts.jsonl", c.folder),
            "corpus exists already",
        ),
        (
            lambda c: ngrams.tokenize("x.txt", "y", analyser=Analyser("line")),
            "unit must be one of word, whitespace",
        ),
        (
            lambda c: ngrams.tokenize("x.txt", "y", analyser=Analyser("token")),
            "a tokenizer belongs to unit token",
        ),
    ],
)
def test_ngrams_name_bad_input(corpus, call, message):
    with pytest.raises(InputError, match=message):
        call(corpus)


def test_corpus_refuses_to_open_damaged_files(corpus):
    tokens = corpus.folder / "tokens-00000.bin"
    tokens.write_bytes(tokens.read_bytes()[:-2])
    with pytest.raises(InputError, match=r"tokens-00000\.bin has 34 bytes instead of 36"):
        ngrams.Corpus.open(corpus.folder)
    tokens.unlink()
    with pytest.raises(InputError, match=r"tokens-00000\.bin is missing"):
        ngrams.Corpus.open(corpus.folder)
    (corpus.folder / "corpus.json").write_text("{")
    with pytest.raises(InputError, match=r"corpus\.json is not JSON"):
        ngrams.Corpus.open(corpus.folder)


def test_infinity_gram_backs_off_to_the_longest_context_that_occurs(corpus):
    model = ngrams.InfinityGram(corpus)
    assert model.continuation("the red", "kite") == (1, 1, 2)
    assert model.continuation("unseen red", "kite") == (3, 4, 1)
    assert model.continuation("unseen", "kite") == (4, corpus.tokens, 0)
    assert model.continuation("", "unseen").probability == 0.0
    assert (corpus.folder / "suffixes-00000.bin").is_file()


# ---- shards and files of counts


@pytest.fixture
def sharded(tmp_path):
    source = tmp_path / "texts.jsonl"
    source.write_text("".join(json.dumps({"text": text}) + "\n" for text in TEXTS))
    return ngrams.tokenize(source, tmp_path / "sharded", options=CorpusOptions(shard_tokens=4))


def test_counts_are_sums_over_shards(corpus, sharded):
    assert len(sharded.shards) == 4
    pairs = [("red kite", "bird"), ("a", "red"), ("none", "red")]
    np.testing.assert_array_equal(
        ngrams.count_pairs(sharded, pairs), ngrams.count_pairs(corpus, pairs)
    )
    queries = ngrams.queries(sharded, pairs=pairs)
    whole = ngrams.scan(sharded, queries)
    parts = [ngrams.scan(sharded, queries, options=ScanOptions([i])) for i in range(4)]
    for total, *summands in zip(whole, *parts, strict=True):
        np.testing.assert_array_equal(total, sum(summands))
    model, plain = ngrams.InfinityGram(sharded), ngrams.InfinityGram(corpus)
    assert model.continuation("x red", "kite") == plain.continuation("x red", "kite")
    sums, counts = (
        dict(zip(map(tuple, table.ngrams), table.counts, strict=True))
        for table in (ngrams.table(sharded, 2), ngrams.table(corpus, 2))
    )
    assert sums == counts


def test_add_up_sums_parts_and_refuses_what_does_not_belong_together(tmp_path, sharded):
    firsts, seconds = ["red kite", "a", "none"], ["bird", "red", "red"]
    whole = files.count_table(sharded, firsts, seconds)
    paths = []
    for part in range(2):
        options = ScanOptions(files.shards_of(sharded, (part, 2)))
        counts, origin = files.count_table(sharded, firsts, seconds, options=options)
        paths.append(tmp_path / f"part{part}.parquet")
        frame = pd.DataFrame({"first": firsts}).join(counts)
        files.write_counts(paths[-1], files.PairCounts(frame, origin))
    total = files.add_up(paths)
    pd.testing.assert_frame_equal(total.frame[files.COUNTED], whole.frame)
    assert total.origin == whole.origin
    with pytest.raises(InputError, match="shard 1 is in none of the parts"):
        files.add_up(paths[:1])
    with pytest.raises(InputError, match="counts shard 0 once more"):
        files.add_up([paths[0], paths[0]])
    other = files.count_table(sharded, firsts, seconds[::-1], options=ScanOptions([1, 3]))
    files.write_counts(tmp_path / "other.parquet", other)
    with pytest.raises(InputError, match=r"other\.parquet was counted with other pairs"):
        files.add_up([paths[0], tmp_path / "other.parquet"])
    pd.DataFrame({"x": [1]}).to_parquet(tmp_path / "x.parquet")
    with pytest.raises(InputError, match="holds no counts"):
        files.add_up([tmp_path / "x.parquet"])
    with pytest.raises(InputError, match="part 2 of 2 does not exist"):
        files.shards_of(sharded, (2, 2))


def call(*arguments) -> str:
    from rote.cli import app

    done = CliRunner().invoke(app, ["ngrams", *map(str, arguments)])
    if done.exception:
        raise done.exception
    return done.output


def test_ngrams_command_writes_its_counts(tmp_path):
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.txt").write_text("\n".join(TEXTS))
    call(
        "tokenize",
        tmp_path / "texts",
        "--out",
        tmp_path / "c",
        "--split",
        "line",
        "--shard-tokens",
        5,
    )
    pairs = pd.DataFrame(
        {"first": ["red kite", "the bird"], "second": ["bird", "red"], "name": ["x", "y"]}
    )
    pairs.to_parquet(tmp_path / "pairs.parquet")
    options = ("--corpus", tmp_path / "c", "--pairs", tmp_path / "pairs.parquet")
    call(
        "count",
        *options,
        "--out",
        tmp_path / "counts.parquet",
        "--first-stop-words",
        "the",
        "--threads",
        2,
    )
    counts = pd.read_parquet(tmp_path / "counts.parquet")
    assert counts["pair_documents"].tolist() == [1, 2]
    assert counts["name"].tolist() == ["x", "y"]
    assert counts["first_occurrences"].tolist() == [3, 2]
    for part in range(2):
        call(
            "count",
            *options,
            "--out",
            tmp_path / f"{part}.parquet",
            "--first-stop-words",
            "the",
            "--part",
            f"{part}/2",
        )
    call("sum", tmp_path / "0.parquet", tmp_path / "1.parquet", "--out", tmp_path / "sum.parquet")
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "sum.parquet"), counts)
    call("table", "--corpus", tmp_path / "c", "--n", 2, "--out", tmp_path / "table.parquet")
    assert pd.read_parquet(tmp_path / "table.parquet").iloc[0].tolist() == ["red kite", 3]
    assert call("probability", "--corpus", tmp_path / "c", "the red", "kite").startswith(
        "1 (1 of 1, context of 2)"
    )
    with pytest.raises(InputError, match=r"--part must be i/k"):
        call("count", *options, "--out", tmp_path / "o.parquet", "--part", "2")
    pd.DataFrame({"a": ["x"]}).to_csv(tmp_path / "bad.csv", index=False)
    with pytest.raises(InputError, match=r"bad\.csv: needs the columns first and second"):
        call(
            "count",
            "--corpus",
            tmp_path / "c",
            "--pairs",
            tmp_path / "bad.csv",
            "--out",
            tmp_path / "o.parquet",
        )
    assert not (tmp_path / "o.parquet").exists()


def test_count_command_accepts_token_ids(tmp_path, corpus):
    frame = pd.DataFrame({"x": [list(corpus.ids("red kite"))], "y": [list(corpus.ids("bird"))]})
    frame.to_parquet(tmp_path / "pairs.parquet")
    call(
        "count",
        "--corpus",
        corpus.folder,
        "--pairs",
        tmp_path / "pairs.parquet",
        "--out",
        tmp_path / "o.parquet",
    )
    assert pd.read_parquet(tmp_path / "o.parquet")["pair_documents"].tolist() == [1]


def test_count_pairs_memory_does_not_grow_with_the_corpus(tmp_path):
    """A corpus four times as long has the same peak to within a few blocks, far below its size."""
    program = (
        "import sys\n"
        "from rote import ngrams\n"
        "corpus = ngrams.Corpus.open(sys.argv[1])\n"
        "pairs = [((i, i + 1), (i + 2,)) for i in range(500)]\n"
        "ngrams.count_pairs(corpus, pairs)\n"
        "print(next(line.split()[1] for line in open('/proc/self/status') if "
        "line.startswith('VmHWM')))\n"
    )
    peaks = []
    for name, size in (("warm", 10**5), ("short", 10**7), ("long", 4 * 10**7)):
        rng = np.random.default_rng(1)
        tokens = rng.integers(0, 600, size).astype(np.uint16)
        ngrams.Corpus.from_tokens(tmp_path / name, tokens, np.append(np.arange(0, size, 200), size))
        done = subprocess.run(
            [sys.executable, "-c", program, str(tmp_path / name)],
            capture_output=True,
            text=True,
            check=True,
        )
        peaks.append(int(done.stdout.split()[0]))
    assert peaks[2] - peaks[1] < 20_000  # KiB; the longer corpus is 60,000 KiB longer
