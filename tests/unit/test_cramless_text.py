"""Facts in natural text: annotation, blocks, probes, GPT-2 over processes, resumed, verbs."""

import shutil

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT, run
from rote import ledger as ledgers
from rote.core.errors import InputError
from rote.core.seeds import generator
from rote.data import statements, triples
from rote.data.corpora import Document
from rote.models import pretrained
from rote.papers.cramless import arms, corpus, probes, settings, statistics, text
from rote.synth import biographies

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


@pytest.fixture
def cities(tmp_path):
    (tmp_path / "facts.csv").write_text(
        "entity,relation,value,entity_aliases,value_aliases\n"
        "Paris,country,France,Lutetia|City of Light,\n"
        "Paris,river,Seine,Lutetia|City of Light,the Seine\n"
        "Paris,river,Marne,,\n"
        "Paris Hilton,country,America,,United States|USA\n"
        "New York,country,America,Big Apple,USA\n"
        "York,country,England,,\n"
    )
    return triples.read(tmp_path / "facts.csv")


@pytest.mark.parametrize(
    ("sentence", "stated_spans"),
    [
        ("Paris is in France.", [(0, "France")]),
        ("In Paris, France was loved.", [(0, "France")]),
        ("Paris Hilton loves France.", []),  # another entity, whose words are taken
        ("Paris Hilton of the USA", [(3, "USA")]),
        ("Paris Texas is not in France.", []),  # a longer name that the table does not know
        ("We saw Greater Paris and France.", []),
        ("Parisians love France.", []),
        ("The city of light lies in France on the Seine", [(0, "France"), (1, "Seine")]),
        ("New York is in America", [(4, "America")]),  # not York
        ("He left. York is England.", [(5, "England")]),
        ("Paris: Seine and Marne", [(1, "Seine"), (2, "Marne")]),
        ("lutetia was france", [(0, "france")]),
    ],
)
def test_entities_are_matched_longest_and_whole(cities, sentence, stated_spans):
    (annotated,) = triples.annotate([Document("d", sentence)], cities, 60)
    spans = {(fact, sentence[start:end]) for fact, start, end in annotated[1]}
    # Seine stands in "the Seine", too: the longer name begins a word before
    assert {(fact, value.removeprefix("the ")) for fact, value in spans} == set(stated_spans)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("entity,relation,value\n", "has no rows"),
        ("entity,value,value_aliases\nA,1,...\n", "row 0 has a name without a word"),
        ("entity,relation\nA,1\n", "lacks the columns value"),
    ],
)
def test_triples_refuse_bad_tables(tmp_path, content, message):
    (tmp_path / "facts.csv").write_text(content)
    with pytest.raises(InputError, match=message):
        triples.read(tmp_path / "facts.csv")
    with pytest.raises(InputError, match="cannot be read"):
        triples.read(tmp_path / "absent.csv")


def test_biographies_state_facts_in_the_phrasings_that_are_used():
    form = biographies.BiographyForm(people=20, values=10, documents=200, exponent=1.0)
    made = biographies.write(generator(0, "biographies"), form)
    assert made.triples["entity"].nunique() == 20
    assert len(made.triples) == 20 * len(biographies.PHRASINGS)
    for phrasings in biographies.PHRASINGS.values():
        unused = phrasings[-1].replace("{entity} ", "").replace(" {entity}", "")
        assert not any(unused in text for text in made.documents)
    facts = made.triples.assign(entity_aliases="", value_aliases="")
    documents = [Document(str(row), text) for row, text in enumerate(made.documents)]
    stated = list(triples.annotate(documents, facts, 60))
    assert all(len(spans) >= form.facts for _, spans in stated)
    with pytest.raises(InputError, match="values must be a whole number ≥ 2"):
        biographies.BiographyForm(values=1)


@pytest.mark.parametrize("n", [1, 2, 5, 100, 1025])
def test_draws_are_permutations_that_can_start_anywhere(n):
    sequence = corpus.draw(n, 3, 0, 3 * n)
    for epoch in range(3):
        assert sorted(sequence[epoch * n : (epoch + 1) * n]) == list(range(n))
    start = n // 2
    np.testing.assert_array_equal(corpus.draw(n, 3, start, 2 * n), sequence[start : start + 2 * n])


def test_draws_have_no_order():
    n = 20_000
    drawn = corpus.draw(n, 1, 0, n)
    for lag in (1, 2, 3):
        assert abs(np.corrcoef(drawn[:-lag], drawn[lag:])[0, 1]) < 5 / np.sqrt(n)
    assert abs(np.corrcoef(drawn, np.arange(n))[0, 1]) < 5 / np.sqrt(n)
    assert (drawn[:n] != corpus.draw(n, 1, n, n)).mean() > 0.99


@pytest.fixture(scope="module")
def options():
    return settings.CramlessText(
        corpus="generated",
        people=12,
        values=8,
        documents=150,
        context=16,
        small=[1, 2, 16],
        large=[1, 2, 32],
        steps=24,
        batch=16,
        candidates=32,
        device_batch=5,
        warmup=2,
        small_rate=0.01,
        large_rate=0.01,
        precision="float32",
        devices=1,
        replicates=2,
    )


@pytest.fixture(scope="module")
def inputs(tmp_path_factory, options):
    folder = tmp_path_factory.mktemp("text")
    written = corpus.prepare(options, 1, folder)
    return text.read_inputs(folder, written.mentions)


def test_blocks_hold_the_corpus_and_mark_the_tokens_of_values(inputs, options):
    tokenizer = pretrained.tokenizer(inputs.tokenizer)
    blocks = corpus.opened(inputs.tokens, inputs.mentions, len(tokenizer), options.context)
    assert blocks.tokens.dtype == np.uint16
    every = np.arange(blocks.blocks)
    rows = blocks.rows(every)
    np.testing.assert_array_equal(rows.ravel(), blocks.tokens[: rows.size])
    marks = blocks.marks(every)
    np.testing.assert_array_equal((marks > 0).any(1), blocks.states_facts)
    for block in every:
        of_block = blocks.facts[blocks.first[block] : blocks.first[block + 1]]
        assert marks[block].max() == len(of_block)
        for number, fact in enumerate(of_block):
            marked = tokenizer.decode(rows[block][marks[block] == number + 1])
            assert marked == inputs.facts["value"][fact]
    with pytest.raises(InputError, match="less than one block"):
        corpus.opened(inputs.tokens, inputs.mentions, len(tokenizer), 10**9)


def test_probes_know_which_phrasings_were_seen(inputs, options):
    queries = probes.probes(inputs.facts, inputs.phrasings, inputs.mentions, inputs.facts.index)
    texts = pd.read_parquet(inputs.tokens.parent / corpus.FACTS)  # what was tokenized
    assert len(texts) == len(inputs.facts)
    made = biographies.write(
        generator(1, "cramless", "biographies"),
        biographies.BiographyForm(
            people=options.people, values=options.values, documents=options.documents
        ),
    )
    whole = "\n".join(made.documents)
    for probe in queries:
        assert probe.value not in probe.prompt
        stated = f"{probe.prompt} {probe.value}." in whole
        assert (probe.kind == probes.STATED) == stated
    new = {probe.phrasing for probe in queries if probe.kind == probes.NEW}
    last = inputs.phrasings.groupby("relation").tail(1).index
    assert set(last) <= new


def test_recall_counts_any_right_value_and_averages_phrasings():
    queries = [
        probes.Probe(0, 0, "new", "a", "x"),
        probes.Probe(0, 0, "new", "a", "y"),  # another name of the value
        probes.Probe(0, 1, "new", "b", "x"),
        probes.Probe(1, 0, "new", "c", "z"),
        probes.Probe(1, 2, "stated", "c", "z"),
    ]
    answers = [
        probes.Answer(*pair) for pair in ((False, 3), (True, 1), (False, 5), (True, 0), (False, 2))
    ]
    rows = probes.recall(queries, answers).set_index("kind")
    assert rows.loc["new"].tolist() == [2, 1.5, 1.5]
    assert rows.loc["stated"].tolist() == [1, 0.0, 2.0]


def fitted(inputs, options, *, online="auto", processes=1, **checkpoints):
    tokenizer = pretrained.tokenizer(inputs.tokenizer)
    blocks = corpus.opened(inputs.tokens, inputs.mentions, len(tokenizer), options.context)
    occurring = np.unique(blocks.facts)
    queries = probes.probes(inputs.facts, inputs.phrasings, inputs.mentions, occurring)
    training = text.TextTraining(
        tokens=inputs.tokens,
        mentions=inputs.mentions,
        probes=queries,
        tokenizer=inputs.tokenizer,
        shape=tuple(options.small),
        online=online,
        steps=options.steps,
        rate=options.small_rate,
        options=options,
        seed=1,
        **checkpoints,
    )
    return text.fit(training, processes=processes)


def test_text_fit_learns_facts(inputs, options):
    longer = options.model_copy(update={"steps": 600, "small": [1, 2, 48]})
    outcome = fitted(inputs, longer, online="")
    assert outcome.losses[-1] < 0.5 * outcome.losses[0]
    recall = outcome.recall.set_index("kind")
    assert recall.loc["stated", "recited"] > 0.7 * recall.loc["stated", "facts"]
    assert outcome.trained == 600 * 16
    assert outcome.scored == 0


@pytest.mark.parametrize("plain", ["keep", "score"])
def test_selection_drops_blocks_and_scores_those_that_state_facts(inputs, options, plain):
    few = options.model_copy(
        update={"plain": plain, "plain_share": 0.25, "batch": 32, "speed": 30.0, "steps": 12}
    )
    outcome = fitted(inputs, few)
    assert outcome.trained < 12 * 32
    tokenizer = pretrained.tokenizer(inputs.tokenizer)
    blocks = corpus.opened(inputs.tokens, inputs.mentions, len(tokenizer), few.context)
    drawn = corpus.draw(blocks.blocks, 1, 32, 11 * 32)
    facts = int(blocks.states_facts[drawn].sum())
    assert outcome.scored == (len(drawn) if plain == "score" else facts)


def test_text_fit_in_two_processes_follows_the_curve_of_one(inputs, options):
    one, two = fitted(inputs, options), fitted(inputs, options, processes=2)
    np.testing.assert_allclose(two.losses, one.losses, rtol=1e-4)
    assert (two.trained, two.scored) == (one.trained, one.scored)
    assert two.recall["recited"].tolist() == one.recall["recited"].tolist()
    np.testing.assert_allclose(two.recall["loss"], one.recall["loss"], rtol=1e-3)


def test_text_fit_resumes_bit_for_bit(inputs, options, tmp_path, monkeypatch):
    uninterrupted = fitted(inputs, options)
    file = tmp_path / "text.pt"
    original = text._losses
    calls = []

    def stops(*arguments):
        calls.append(1)
        if len(calls) == 30:
            raise KeyboardInterrupt
        return original(*arguments)

    monkeypatch.setattr(text, "_losses", stops)
    with pytest.raises(KeyboardInterrupt):
        fitted(inputs, options, checkpoint=file, checkpoint_steps=4)
    monkeypatch.setattr(text, "_losses", original)
    assert file.exists()
    resumed = fitted(inputs, options, checkpoint=file, checkpoint_steps=100)
    np.testing.assert_array_equal(resumed.losses, uninterrupted.losses)
    pd.testing.assert_frame_equal(resumed.recall, uninterrupted.recall)


@pytest.mark.filterwarnings("ignore::DeprecationWarning:torch.*")
@pytest.mark.skipif(not shutil.which("g++"), reason="torch.compile needs a C++ compiler")
def test_text_fit_compiled_follows_the_curve_of_a_plain_network(inputs, options):
    short = options.model_copy(update={"steps": 5, "small": [1, 2, 16]})
    compiled = fitted(inputs, short.model_copy(update={"compile": True}), online="")
    plain = fitted(inputs, short, online="")
    np.testing.assert_allclose(compiled.losses, plain.losses, rtol=1e-3)


def test_longer_training_takes_at_least_the_work_of_selection(options):
    longer, selected = arms.SMALL_LONGER, arms.SMALL_AUTOMATIC
    unselected = round(options.unselected_share * options.steps)
    work = options.steps * options.batch  # trained on at most
    work += (options.steps - unselected) * options.candidates * arms.SCORING_WORK
    assert longer.steps(options) * options.batch >= work
    assert selected.steps(options) == options.steps
    assert longer.name == "small_none-longer"


def test_text_commands_run_the_experiment(options, tmp_path):
    json_settings = ("--settings", options.model_dump_json())
    annotations, counts = tmp_path / "annotations.parquet", tmp_path / "counts.parquet"
    folder = ("--folder", str(tmp_path / "text"))
    written = ("--annotations", str(annotations), "--counts", str(counts))
    run(ROOT, "rote", "cramless", "tokenize-text", *folder, *written, *json_settings)
    table = pd.read_parquet(counts)
    assert table["mentions"].sum() == len(pd.read_parquet(annotations))
    run_options = []
    for arm in (arms.SMALL_STANDARD, arms.SMALL_AUTOMATIC):
        size, scheme = arm.columns
        part = str(tmp_path / f"{arm.name}.parquet")
        run_options += ["--runs", part]
        which = ("--size", size, "--scheme", scheme, "--annotations", str(annotations))
        run(ROOT, "rote", "cramless", "train-text", *which, *folder, "--out", part, *json_settings)
    joined = tmp_path / "runs.parquet"
    run(ROOT, "rote", "cramless", "evaluate-text", *run_options, "--out", str(joined))
    runs = pd.read_parquet(joined)
    assert len(runs) == 2 * 2 * len(probes.KINDS)
    runs["recited"] = np.where(runs["scheme"] == "auto", 6.0, 3.0)
    gains = statistics.text_gain({"text_runs": runs})
    assert set(gains) == {f"{kind} phrasings" for kind in probes.KINDS}
    assert ledgers.interval(gains["new phrasings"], "ratio").value == 2.0


def test_tokenizer_says_what_to_give_where_it_is_absent():
    with pytest.raises(InputError, match="give a folder with tokenizer"):
        pretrained.tokenizer("nowhere/at-all", offline=True)
    with pytest.raises(ValueError, match="`facts` must name the table"):
        settings.CramlessText(corpus="somewhere")
    with pytest.raises(InputError, match="size must be small or large"):
        arms.text_arm("medium", "none")
