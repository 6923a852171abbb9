"""Distributional memorization: the generated world, its counts, estimators, changed evidence."""

import numpy as np
import pandas as pd
import pytest
from rote import ngrams
from rote.core.errors import InputError
from rote.ngrams import CorpusOptions
from rote.papers.distmem import (
    corpora,
    counting,
    estimators,
    evaluation,
    families,
    infinity,
    influence,
    mining,
    schema,
    settings,
    sources,
    tasks,
    treatments,
)
from rote.papers.distmem.measured import MeasuredCorpus
from rote.synth import pretraining

# ---- the generated world


@pytest.fixture(scope="module")
def generated() -> pretraining.PretrainingWorld:
    return pretraining.make(
        np.random.default_rng(5), tokens=150_000, entities=40, test_examples=50, mining_examples=200
    )


def test_world_has_the_statistics_that_it_claims(generated):
    documents = generated.documents
    facts = generated.facts
    shares = documents["kind"].value_counts(normalize=True)
    for kind, share in pretraining.SHARES.items():
        assert shares[kind] == pytest.approx(share, abs=0.02), kind
    stated = documents[documents["fact"] >= 0].merge(facts, on="fact")
    words = stated["text"].str.split()
    assert words.str[-1].isin(generated.words).all()
    true = (words.str[-1] == stated["object"]).groupby(stated["fact"]).agg(["mean", "size"])
    true = true.join(facts.set_index("fact")["fidelity"])
    frequent = true[true["size"] >= 50]
    variance = frequent["fidelity"] * (1 - frequent["fidelity"]) / frequent["size"]
    error = (frequent["mean"] - frequent["fidelity"]) / np.sqrt(variance)
    assert error.abs().max() < 4.5
    assert error.std() == pytest.approx(1, abs=0.5)
    frequency = (
        stated["fact"].value_counts(normalize=True).reindex(facts["fact"], fill_value=0).to_numpy()
    )
    np.testing.assert_allclose(
        frequency, facts["frequency"], atol=4.5 * np.sqrt(facts["frequency"].max() / len(stated))
    )


def test_world_keeps_its_tests_out_of_the_corpus(generated):
    texts = set(" ".join(generated.documents["text"]).split(" "))
    assert texts <= set(generated.words)
    text = "\n".join(generated.documents["text"])
    held_out = generated.tests[generated.tests["task"] != "facts"]
    assert not any(output in text for output in held_out["output"])
    sums = generated.tests[generated.tests["task"] == "reasoning"]
    for solution in sums["output"]:
        digits = [word for word in solution.split() if word.isdigit()]
        pairs = zip(digits[::2], digits[1::2], strict=True)
        x, y, z, repeated, w, u, answer = [int(ten + one) for ten, one in pairs]
        assert x + y == z == repeated
        assert z - w == u == answer
    examples = pd.concat([generated.tests, generated.mining])
    examples = examples[examples["task"] != "facts"]
    assert not examples.duplicated(["task", "input"]).any()


def test_world_translations_follow_the_lexicon(generated):
    lexicon = generated.lexicon.groupby("source")["target"].agg(set).to_dict()
    for row in generated.tests[generated.tests["task"] == "translation"].itertuples():
        pairs = pd.DataFrame({"input_gram": [row.input], "output_gram": [row.output]})
        assert mining.aligned(pairs, lexicon).all()


def test_world_is_its_seed():
    sizes = {"tokens": 5000, "entities": 10, "test_examples": 10, "mining_examples": 10}
    first, second = (pretraining.make(np.random.default_rng(1), **sizes) for _ in range(2))
    other = pretraining.make(np.random.default_rng(2), **sizes)
    pd.testing.assert_frame_equal(first.documents, second.documents)
    assert not first.documents.equals(other.documents)
    assert len(first.words) == len(other.words)
    with pytest.raises(InputError, match="too many"):
        pretraining.make(np.random.default_rng(1), **(sizes | {"entities": 10**6}))
    with pytest.raises(InputError, match="must be at least 1"):
        pretraining.make(np.random.default_rng(1), **(sizes | {"tokens": 0}))


@pytest.fixture(scope="module")
def corpus(generated, tmp_path_factory) -> ngrams.Corpus:
    folder = tmp_path_factory.mktemp("distmem")
    corpora.write(folder / "corpus.jsonl", generated.documents)
    return ngrams.tokenize(
        folder / "corpus.jsonl", folder / "words", options=CorpusOptions(strict=True)
    )


def test_audit_counts_outputs_in_the_corpus_and_held_out_ones_are_in_none(generated, corpus):
    examples = generated.tests.assign(part="test")
    measured = MeasuredCorpus("world0", corpus, examples, *[None] * 4)
    rows = evaluation.audit(measured, settings.DistmemAnalysis())
    whole = rows[rows["n"] == schema.WHOLE_OUTPUT].set_index("task")
    for task in tasks.TASKS.values():
        row = whole.loc[task.name]
        # answers of facts are words of the corpus
        assert row["overlapping"] == (0 if task.is_held_out else row["examples"]), task.name


def test_count_agrees_with_brute_force(generated, corpus):
    options = settings.DistmemAnalysis()
    pairs = mining.candidates(generated.tests, options)
    pairs = (
        pairs.groupby(["task", "n"], group_keys=False)
        .sample(25, random_state=0)
        .reset_index(drop=True)
    )
    result = counting.count(corpus, pairs, options)
    texts = [corpus.split(text) for text in generated.documents["text"]]

    def positions(text, gram):
        return [i for i in range(len(text) - len(gram) + 1) if text[i : i + len(gram)] == gram]

    for row, counts in zip(pairs.itertuples(), result.itertuples(), strict=True):
        stop = options.stop_words if row.n <= options.stop_words_up_to else []
        input_gram, output_gram = row.input_gram.split(), row.output_gram.split()
        pair_documents = 0
        occurrences = 0
        in_window = 0
        for text in texts:
            remaining = [i for i, word in enumerate(text) if word not in stop]
            remaining_words = [text[i] for i in remaining]
            input_positions = [remaining[i] for i in positions(remaining_words, input_gram)]
            output_positions = positions(text, output_gram)
            pair_documents += bool(input_positions) and bool(output_positions)
            occurrences += len(input_positions)
            for begin in input_positions:
                in_window += any(abs(begin - end) <= options.windows[0] for end in output_positions)
        assert counts.pair_documents == pair_documents
        assert counts.first_occurrences == occurrences
        assert counts.window_occurrences[0] == in_window


def test_infinity_scores_are_the_log_probabilities_of_the_model(generated, corpus, tmp_path):
    examples = generated.tests.groupby("task").head(3)
    corpora.write(tmp_path / "corpus.jsonl", generated.documents)
    tokens = ngrams.tokenize(
        tmp_path / "corpus.jsonl", tmp_path / "tokens", analyser=ngrams.Analyser("whitespace")
    )
    scores = infinity.scores(tokens, examples, settings.DistmemAnalysis(context=6))
    model = ngrams.InfinityGram(tokens)
    for row, scored in zip(examples.itertuples(), scores.itertuples(), strict=True):
        before = tasks.prompt(row.instruction, row.input).split()
        output = row.output.split()
        text = before + output
        for token, value in enumerate(scored.logprobs):
            position = len(before) + token
            context = " ".join(text[max(position - 6, 0) : position])
            chance = model.probability(context, text[position])
            assert np.isnan(value) if chance == 0 else value == pytest.approx(np.log(chance))
        assert [row.output[a:b] for a, b in zip(scored.starts, scored.ends, strict=True)] == output


def test_bm25_agrees_with_the_score_by_hand(tmp_path):
    texts = ["a b c x", "a a b x y", "c c c y", "x", "b z z z z z", "a b x x x"]
    (tmp_path / "t.txt").write_text("\n".join(texts))
    corpus = ngrams.tokenize(
        tmp_path / "t.txt", tmp_path / "c", options=CorpusOptions(split="line")
    )
    measured = MeasuredCorpus("t", corpus, *[None] * 5)
    questions = estimators.FactQuestions(
        measured, settings.DistmemAnalysis(dimensions=2), ["a b"], ["x"], pd.DataFrame()
    )
    split = [text.split() for text in texts]
    mean = np.mean([len(text) for text in split])
    total = 0.0
    for text in split:
        if "x" in text:
            for word in ("a", "b"):
                df = sum(word in other for other in split)
                idf = np.log(1 + (6 - df + 0.5) / (df + 0.5))
                norm = 1.5 * (0.25 + 0.75 * len(text) / mean)
                total += idf * text.count(word) * 2.5 / (text.count(word) + norm)
    assert estimators.bm25(questions)[0] == pytest.approx(np.log(total))
    assert np.isfinite(estimators.embedding_density(questions)).all()


def test_treatments_change_evidence_in_place(generated):
    facts = generated.facts.assign(documents=0)
    treatment = treatments.assign(facts, 10)
    counts = treatment.value_counts()
    assert counts[["removed", "pairs", "halved", "injected"]].tolist() == [8, 8, 8, 8]
    before = generated.documents
    texts, documents = treatments.change(before, facts, treatment, np.random.default_rng(0))
    assert [text.count(" ") for text in texts] == before["text"].str.count(" ").tolist()
    of_document = before["fact"].map(treatment).fillna("unchanged")
    changed = np.array(texts) != before["text"].to_numpy()
    assert not changed[(of_document == "unchanged") & (before["kind"] != "mention")].any()
    stating = before.loc[before["fact"] >= 0, "fact"].value_counts()
    rows = generated.facts.set_index("fact")
    for fact, name in treatment.items():
        subject, relation = rows.loc[fact, ["subject", "relation"]]
        statements = sum(subject in text and relation in text for text in texts)
        other = generated.facts[
            (generated.facts["subject"] == subject) & (generated.facts["fact"] != fact)
        ]
        if name in ("removed", "pairs") and subject not in set(other["subject"]):
            assert statements == 0
        assert name != "injected" or documents[fact] <= max(treatments.DOSES)
        assert name != "halved" or documents[fact] == stating.get(fact, 0) // 2
        assert name != "unchanged" or documents[fact] == stating.get(fact, 0)
    assert "\n".join(texts).count("\n") == len(before) - 1


def test_influence_uses_all_of_few_documents_and_skips_examples_without_any(generated, corpus):
    options = settings.DistmemAnalysis()
    limits = settings.DistmemInfluence(items=5, documents=10**6)
    examples = generated.tests.assign(part="test")
    pairs = mining.candidates(examples[examples["task"] == "facts"], options)
    pairs = pairs[pairs["n"] == 3].reset_index(drop=True)
    pairs = pairs.join(counting.count(corpus, pairs, options))
    texts = generated.documents["text"].tolist()
    rng = np.random.default_rng(0)
    traced = influence.TracedCorpus("world0", corpus, texts, examples, pairs)
    chosen = influence.choose(traced, options, limits, rng)
    assert 0 < len(chosen) <= 5
    for example in chosen:
        row = pairs[pairs["example"] == example.example].iloc[0]
        assert len(example.with_pair) == len(example.output_only)
        assert len(example.with_pair) <= row["pair_documents"]
        for text, (begin, end) in (*example.with_pair, *example.output_only):
            assert text[begin:end] == row["output_gram"]
            assert text.endswith(row["output_gram"])
    without = traced._replace(pairs=pairs.assign(pair_documents=0))
    assert influence.choose(without, options, limits, rng) == []


# ---- registries


def test_families_have_sections_and_corpora_have_names():
    options = settings.Settings()
    assert set(families.FAMILIES) <= set(settings.DistmemLadder.model_fields)
    with pytest.raises(InputError, match=r"--family must be one of neox, llama, given 'gpt'"):
        families.family("gpt")
    worlds = [f"world{number}" for number in range(options.world.replicates)]
    assert list(sources.sources(options)) == worlds
    study = settings.DistmemPythia(corpus="x", models=["m"], tasks={"t": "t.jsonl"}, parts=3)
    corpora = sources.sources(options.model_copy(update={"pythia": study}))
    assert corpora["pythia"].scores == ("model0",)
    assert corpora["pythia"].n_parts == 3
    rows = pd.DataFrame({"source": list(corpora)})
    assert sources.generated(rows)["source"].tolist() == worlds


def test_rank_groups_cover_the_facts_of_ranked_tasks(generated):
    measured = MeasuredCorpus("world0", *[None] * 4, generated.facts, None)
    groups = pd.Series(measured.rank_groups("facts"))
    assert groups.value_counts()[["head", "mid", "tail"]].tolist() == [20, 28, 32]
    assert measured.rank_groups("translation") == {}


@pytest.mark.parametrize(
    ("model", "prefix"),
    [
        ("intfloat/e5-base-v2", "query: "),
        ("models/Multilingual-E5-large", "query: "),
        ("sentence-transformers/all-MiniLM-L6-v2", ""),
    ],
)
def test_encoders_get_the_prefix_of_their_family(model, prefix):
    assert mining.encoder_family(model).prefix == prefix
