"""Facts in natural text: annotation, blocks, GPT-2 over one and two processes, resumed, verbs."""

import shutil

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT, run
from rote import ledger as ledgers
from rote.core.errors import InputError
from rote.core.seeds import generator
from rote.data import statements
from rote.data.corpora import Document
from rote.models import pretrained
from rote.papers.cramless import settings, statistics, text
from rote.synth import facts as synth

FACTS = pd.DataFrame({"entity": ["Ada Lovelace", "Bern"], "value": ["1815", "the Aare"]})


def test_annotate_finds_the_mentions_found_by_hand():
    documents = [
        Document(
            "a", "ADA Lovelace (born 1815) was not Ada Byron 1815. Bern lies on the Aare; Bern."
        ),
        # before, and too far behind
        Document("b", "In 1815 came Ada Lovelace. Bern" + " x" * 200 + " the Aare"),
        Document("c", "Bern, on the\nAare"),
    ]
    mentions = statements.annotate(documents, FACTS, window=40)
    spans = [
        (row.document, row.fact, documents["abc".index(row.document)].text[row.start : row.end])
        for row in mentions.itertuples()
    ]
    assert spans == [("a", 0, "1815"), ("a", 1, "the Aare"), ("c", 1, "the\nAare")]
    assert statements.annotate(documents[:0], FACTS, 40).empty


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("entity,value\nA,1\nA,2\n", "two values for 'A'"),
        ("entity,value\n", "has no rows"),
        ("entity,value\nA,...\n", "row 0 has an entity or value without a word"),
        ("name,value\nA,1\n", "lacks the columns entity"),
    ],
)
def test_read_facts_refuses_bad_tables(tmp_path, content, message):
    (tmp_path / "facts.csv").write_text(content)
    with pytest.raises(InputError, match=message):
        statements.read_facts(tmp_path / "facts.csv")
    with pytest.raises(InputError, match="cannot be read"):
        statements.read_facts(tmp_path / "absent.csv")


@pytest.fixture(scope="module")
def material(tmp_path_factory):
    """A small corpus of sentences about generated facts, their table, and a tokenizer of words."""
    from rote.data.images import torchvision

    torchvision()
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("text")
    form = synth.FactForm(value_symbols=20)
    facts = synth.make(12, generator(0, "text facts"), form, exponent=1.0, copies=120)
    sentences = synth.sentences(facts, generator(0, "sentences"))["text"]
    sentences.to_frame("text").to_parquet(folder / "corpus.parquet")
    names = {
        "entity": [synth.key_text(facts, row) for row in range(12)],
        "value": [synth.value_text(facts, row) for row in range(12)],
    }
    pd.DataFrame(names).to_csv(folder / "facts.csv", index=False)
    whitespace = pre_tokenizers.Whitespace()
    words = set()
    for line in sentences:
        words.update(word for word, _ in whitespace.pre_tokenize_str(line))
    numbers = {word: number for number, word in enumerate(["[UNK]", *sorted(words)])}
    raw = Tokenizer(models.WordLevel(numbers, "[UNK]"))
    raw.pre_tokenizer = whitespace
    PreTrainedTokenizerFast(tokenizer_object=raw, unk_token="[UNK]").save_pretrained(
        folder / "tokenizer"
    )
    return folder


@pytest.fixture(scope="module")
def options(material):
    return settings.CramlessText(
        corpus=str(material / "corpus.parquet"),
        facts=str(material / "facts.csv"),
        tokenizer=str(material / "tokenizer"),
        context=16,
        small=[1, 2, 16],
        large=[1, 2, 32],
        steps=24,
        batch=16,
        candidates=32,
        device_batch=5,
        warmup=2,
        learning_rate=0.01,
        precision="float32",
        devices=1,
        replicates=2,
    )


@pytest.fixture(scope="module")
def blocks(material, options):
    from rote.data import corpora

    documents = list(corpora.documents(options.corpus))
    mentions = statements.annotate(documents, statements.read_facts(options.facts), options.window)
    assert mentions["document"].nunique() == len(documents)  # every sentence states its fact
    tokenizer = pretrained.tokenizer(options.tokenizer)
    return text.cut_blocks(documents, mentions, tokenizer, options.context), len(tokenizer)


def test_blocks_mark_the_tokens_of_values(blocks, options):
    data, _ = blocks
    tokenizer = pretrained.tokenizer(options.tokenizer)
    facts = statements.read_facts(options.facts)
    for row in range(len(data.tokens)):
        (fact,) = np.unique(data.values[row][data.values[row] > 0])
        marked = tokenizer.decode(data.tokens[row][data.values[row] > 0])
        assert marked.replace(" ", "") == facts["value"][fact - 1]


def fitted(blocks, options, *, online="auto", processes=1, **checkpoints):
    data, vocabulary = blocks
    training = text.TextTraining(
        data, tuple(options.small), online, vocabulary, options, 1, **checkpoints
    )
    return text.fit(training, processes=processes)


def test_text_fit_learns_facts(blocks, options):
    longer = options.model_copy(update={"steps": 250, "small": [1, 2, 48]})
    outcome = fitted(blocks, longer, online="")
    assert outcome.losses[-1] < 0.5 * outcome.losses[0]
    assert outcome.recited.mean() > 0.7
    assert outcome.trained == 250 * 16
    assert outcome.scored == 0


def test_text_fit_in_two_processes_follows_the_curve_of_one(blocks, options, tmp_path):
    one, two = fitted(blocks, options), fitted(blocks, options, processes=2)
    np.testing.assert_allclose(two.losses, one.losses, rtol=1e-4)
    assert (two.trained, two.scored) == (one.trained, one.scored)
    np.testing.assert_array_equal(two.recited, one.recited)


def test_text_fit_resumes_with_another_number_of_processes(blocks, options, tmp_path, monkeypatch):
    uninterrupted = fitted(blocks, options)
    file = tmp_path / "text.pt"
    original = text._losses
    calls = []

    def stops(*arguments):
        calls.append(1)
        if len(calls) == 60:
            raise KeyboardInterrupt
        return original(*arguments)

    monkeypatch.setattr(text, "_losses", stops)
    with pytest.raises(KeyboardInterrupt):
        fitted(blocks, options, checkpoint=file, checkpoint_steps=4)
    monkeypatch.setattr(text, "_losses", original)
    assert file.exists()
    resumed = fitted(blocks, options, checkpoint=file, checkpoint_steps=100)
    np.testing.assert_array_equal(resumed.losses, uninterrupted.losses)
    resumed_by_two = fitted(blocks, options, checkpoint=file, checkpoint_steps=100, processes=2)
    np.testing.assert_allclose(resumed_by_two.losses, uninterrupted.losses, rtol=1e-4)


@pytest.mark.filterwarnings("ignore::DeprecationWarning:torch.*")
@pytest.mark.skipif(not shutil.which("g++"), reason="torch.compile needs a C++ compiler")
def test_text_fit_compiled_follows_the_curve_of_a_plain_network(blocks, options):
    short = options.model_copy(update={"steps": 5, "small": [1, 2, 16]})
    compiled = fitted(blocks, short.model_copy(update={"compile": True}), online="")
    plain = fitted(blocks, short, online="")
    np.testing.assert_allclose(compiled.losses, plain.losses, rtol=1e-3)


def test_text_commands_run_the_experiment(material, options, tmp_path):
    json_settings = ("--settings", options.model_dump_json())
    annotations = tmp_path / "annotations.parquet"
    counts = tmp_path / "counts.parquet"
    run(
        ROOT,
        "rote",
        "cramless",
        "count-facts",
        "--annotations",
        str(annotations),
        "--counts",
        str(counts),
        *json_settings,
    )
    table = pd.read_parquet(counts)
    assert table["mentions"].sum() == 120
    run_options = []
    for size, scheme in (("small", "none"), ("small", "auto"), ("large", "none")):
        part = str(tmp_path / f"{size}-{scheme}.parquet")
        run_options += ["--runs", part]
        run(
            ROOT,
            "rote",
            "cramless",
            "train-text",
            "--size",
            size,
            "--scheme",
            scheme,
            "--annotations",
            str(annotations),
            "--out",
            part,
            *json_settings,
        )
    joined = tmp_path / "runs.parquet"
    run(
        ROOT,
        "rote",
        "cramless",
        "evaluate-text",
        *run_options,
        "--out",
        str(joined),
    )
    runs = pd.read_parquet(joined)
    assert len(runs) == 6
    runs["recited"] = [3, 4, 6, 8, 2, 4]  # two replicates of small none, small auto, large none
    gains = statistics.text_gain({"text_runs": runs})
    assert gains.tolist() == [[6, 3], [8, 4]]
    assert ledgers.interval(gains, "ratio").value == 2.0
    without_facts = options.model_copy(update={"facts": str(material / "none.csv")})
    process = run(
        ROOT,
        "rote",
        "cramless",
        "count-facts",
        "--annotations",
        str(annotations),
        "--counts",
        str(counts),
        "--settings",
        without_facts.model_dump_json(),
        check=False,
    )
    assert process.returncode == 1
    assert "none.csv cannot be read" in process.stderr


def test_tokenizer_says_what_to_give_where_it_is_absent():
    with pytest.raises(InputError, match="give a folder with tokenizer"):
        pretrained.tokenizer("nowhere/at-all", offline=True)
    with pytest.raises(ValueError, match="`facts` must name the table"):
        settings.CramlessText(corpus="somewhere")
