"""`rote distmem trace`: the pairs of a question, their documents, and the model's probability."""

import json

import numpy as np
import pandas as pd
import pytest
from rote import ngrams
from rote.cli import app
from rote.core.errors import InputError
from rote.papers.distmem import scoring, tracing
from typer.testing import CliRunner

TEXTS = [
    "The red kite eats small mice, they say.",
    "At night small mice hide from the red kite.",
    "The red kite is a bird <b>of prey</b>.",
    "Small mice eat cheese.",
    "red kite " * 12 + "small mice",
]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> ngrams.Corpus:
    return ngrams.tokenize(TEXTS, tmp_path_factory.mktemp("trace") / "corpus")


def traced(corpus, **limits) -> pd.DataFrame:
    examples = tracing.Question("red kite", "small mice").examples()
    options = tracing.options("2")
    return tracing.trace(corpus, examples, options, limits=tracing.TraceLimits(**limits))


def test_trace_finds_every_document_and_counts_exactly(corpus):
    rows = traced(corpus, documents=99)
    assert set(rows["input_gram"]) == {"red kite"}
    assert rows["document"].tolist() == [0, 1, 4]
    assert (rows["pair_documents"] == 3).all()
    occurrences = sum(text.lower().count("red kite") for text in TEXTS)
    assert (rows["first_occurrences"] == occurrences).all()
    np.testing.assert_allclose(rows["ratio"], np.log(3 / occurrences))
    assert rows["logprob"].isna().all()
    assert traced(corpus, documents=1)["document"].tolist() == [0]
    assert rows["snippet"][0] == "the [red kite] eats [small mice] they say"
    assert rows["snippet"][1] == "at night [small mice] hide from the [red kite]"
    assert rows["snippet"][2].endswith("[small mice]")
    assert "…" in rows["snippet"][2]


def test_trace_tells_of_a_pair_that_no_document_holds(corpus):
    examples = tracing.Question("red kite", "blue whale").examples()
    rows = tracing.trace(corpus, examples, tracing.options("2"))
    assert rows[["pair_documents", "document"]].values.tolist() == [[0, -1]]
    assert rows["ratio"].isna().all()
    assert tracing.summary(rows) == ["red kite | blue whale: 0 documents, log P –, of the model –"]


def test_trace_holds_the_probability_that_scoring_gives(corpus, small_lm):
    model = scoring.load(str(small_lm), "cpu")
    examples = tracing.Question("red kite", "small mice", "what eats {input} ?").examples()
    rows = tracing.trace(corpus, examples, tracing.options("2"), model)
    score = scoring.score(model, examples).iloc[0]
    assert rows["logprob"].iloc[0] == pytest.approx(sum(score["logprobs"]))


def test_trace_command_writes_a_page_a_table_or_lines(tmp_path, corpus):
    (tmp_path / "q.jsonl").write_text(json.dumps({"x": "red kite", "y": "a bird"}) + "\n")
    base = ["distmem", "trace", "--corpus", str(corpus.folder), "--n", "2"]
    one = [*base, "--question", "red kite", "--answer", "small mice"]
    result = CliRunner().invoke(app, one)
    assert result.exit_code == 0
    assert "red kite | small mice: 3 documents" in result.output
    page, sheet = tmp_path / "trace.html", tmp_path / "trace.csv"
    file = [*base, "--questions", str(tmp_path / "q.jsonl"), "--out"]
    assert CliRunner().invoke(app, [*file, str(page)]).exit_code == 0
    text = page.read_text()
    assert "<mark>red kite</mark>" in text
    assert "<b>" not in text.split("</style>")[1].replace("<body>", "")
    assert CliRunner().invoke(app, [*file, str(sheet)]).exit_code == 0
    assert "red kite" in sheet.read_text()


@pytest.mark.parametrize(
    ("given", "lengths", "message"),
    [
        ({}, "3", "give --question and --answer, or --questions"),
        ({"input": "x"}, "3", "give --question and --answer, or --questions"),
        ({"input": "x", "output": "y", "file": "z"}, "3", "give --question and --answer"),
        ({"input": "?", "output": "!"}, "3", "no pair of n-grams"),
        ({"input": "x", "output": "y"}, "0", "--n must be whole numbers from 1 on"),
        ({"input": "x", "output": "y"}, "two", "--n must be whole numbers from 1 on"),
    ],
)
def test_trace_names_bad_questions(corpus, given, lengths, message):
    with pytest.raises(InputError, match=message):
        tracing.trace(corpus, tracing.Question(**given).examples(), tracing.options(lengths))
