"""Distributional memorization: the generated world, networks and their scores, estimators, a whole
study.
"""

import numpy as np
import pandas as pd
import pytest
from rote import ngrams
from rote.core.errors import InputError
from rote.papers.distmem import (
    ablation,
    estimators,
    evaluation,
    influence,
    mining,
    settings,
    tasks,
    world,
)
from rote.synth import pretraining

# ---- the generated world
# ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def made() -> pretraining.World:
    return pretraining.make(
        np.random.default_rng(5), tokens=150_000, entities=40, test_examples=50, mining_examples=200
    )


def test_the_world_has_the_statistics_that_it_claims(made):
    documents, facts = made.documents, made.facts
    shares = documents["kind"].value_counts(normalize=True)
    for kind, share in pretraining.SHARES.items():
        assert shares[kind] == pytest.approx(share, abs=0.02), kind
    stated = documents[documents["fact"] >= 0].merge(facts, on="fact")
    words = stated["text"].str.split()
    assert words.str[-1].isin(made.words).all()
    true = (words.str[-1] == stated["object"]).groupby(stated["fact"]).agg(["mean", "size"])
    true = true.join(facts.set_index("fact")["fidelity"])
    often = true[true["size"] >= 50]
    error = (often["mean"] - often["fidelity"]) / np.sqrt(
        often["fidelity"] * (1 - often["fidelity"]) / often["size"]
    )
    assert error.abs().max() < 4.5
    assert error.std() == pytest.approx(1, abs=0.5)
    frequency = (
        stated["fact"].value_counts(normalize=True).reindex(facts["fact"], fill_value=0).to_numpy()
    )
    np.testing.assert_allclose(
        frequency, facts["frequency"], atol=4.5 * np.sqrt(facts["frequency"].max() / len(stated))
    )


def test_tests_are_kept_out_of_the_corpus(made):
    texts = set(" ".join(made.documents["text"]).split(" "))
    assert texts <= set(made.words)
    whole = "\n".join(made.documents["text"])
    held_out = made.tests[made.tests["task"] != "facts"]
    assert not any(output in whole for output in held_out["output"])
    sums = made.tests[made.tests["task"] == "reasoning"]
    for text in sums["output"]:
        numbers = [
            int(a + b)
            for a, b in zip(*[iter([t for t in text.split() if t.isdigit()])] * 2, strict=True)
        ]
        x, y, z, again, w, u, answer = numbers
        assert x + y == z == again
        assert z - w == u == answer
    pairs = pd.concat([made.tests, made.mining])
    pairs = pairs[pairs["task"] != "facts"]
    assert not pairs.duplicated(["task", "input"]).any()


def test_translations_follow_the_lexicon(made):
    lexicon = made.aligned.groupby("source")["target"].agg(set).to_dict()
    for row in made.tests[made.tests["task"] == "translation"].itertuples():
        pairs = pd.DataFrame({"input_gram": [row.input], "output_gram": [row.output]})
        assert mining.aligned(pairs, lexicon).all()


def test_a_world_is_its_seed():
    sizes = {"tokens": 5000, "entities": 10, "test_examples": 10, "mining_examples": 10}
    first, again = (pretraining.make(np.random.default_rng(1), **sizes) for _ in range(2))
    other = pretraining.make(np.random.default_rng(2), **sizes)
    pd.testing.assert_frame_equal(first.documents, again.documents)
    assert not first.documents.equals(other.documents)
    assert len(first.words) == len(other.words)
    with pytest.raises(InputError, match="too many"):
        pretraining.make(np.random.default_rng(1), **(sizes | {"entities": 10**6}))
    with pytest.raises(InputError, match="must be at least 1"):
        pretraining.make(np.random.default_rng(1), **(sizes | {"tokens": 0}))


@pytest.fixture(scope="module")
def corpus(made, tmp_path_factory) -> ngrams.Corpus:
    folder = tmp_path_factory.mktemp("distmem")
    world.write_corpus(folder / "corpus.jsonl", made.documents)
    return ngrams.tokenize(folder / "corpus.jsonl", folder / "words", strict=True)


def test_counts_of_pairs_by_brute_force(made, corpus):
    options = settings.Analysis()
    pairs = mining.candidates(made.tests, options)
    pairs = (
        pairs.groupby(["task", "n"], group_keys=False)
        .sample(25, random_state=0)
        .reset_index(drop=True)
    )
    found = evaluation.count(corpus, pairs, options)
    texts = [corpus.split(text) for text in made.documents["text"]]

    def places(text, gram):
        return [at for at in range(len(text) - len(gram) + 1) if text[at : at + len(gram)] == gram]

    for row, counts in zip(pairs.itertuples(), found.itertuples(), strict=True):
        stop = options.stop_words if row.n <= options.stop_words_up_to else []
        first, second = row.input_gram.split(), row.output_gram.split()
        both = occurrences = near = 0
        for text in texts:
            kept = [at for at, word in enumerate(text) if word not in stop]
            left = [kept[at] for at in places([text[at] for at in kept], first)]
            right = places(text, second)
            both += bool(left) and bool(right)
            occurrences += len(left)
            near += sum(any(abs(a - b) <= options.windows[0] for b in right) for a in left)
        assert (counts.pair_documents, counts.first_occurrences, counts.near[0]) == (
            both,
            occurrences,
            near,
        )


def test_infinity_gram_as_a_model(made, corpus, tmp_path):
    asked = made.tests.groupby("task").head(3)
    world.write_corpus(tmp_path / "corpus.jsonl", made.documents)
    tokens = ngrams.tokenize(
        tmp_path / "corpus.jsonl", tmp_path / "tokens", analyser=ngrams.Analyser("whitespace")
    )
    scores = evaluation.infinity_scores(tokens, asked, 6)
    model = ngrams.InfinityGram(tokens)
    for row, scored in zip(asked.itertuples(), scores.itertuples(), strict=True):
        before, output = tasks.prompt(row.instruction, row.input).split(), row.output.split()
        text = before + output
        for at, value in enumerate(scored.logprobs):
            place = len(before) + at
            chance = model.probability(" ".join(text[max(place - 6, 0) : place]), text[place])
            assert np.isnan(value) if chance == 0 else value == pytest.approx(np.log(chance))
        assert [row.output[a:b] for a, b in zip(scored.starts, scored.ends, strict=True)] == output


def test_bm25_and_density_by_hand(tmp_path):
    texts = ["a b c x", "a a b x y", "c c c y", "x", "b z z z z z", "a b x x x"]
    (tmp_path / "t.txt").write_text("\n".join(texts))
    corpus = ngrams.tokenize(tmp_path / "t.txt", tmp_path / "c", split="line")
    found = estimators._retrieved(corpus, ["a b"], ["x"], 2)["BM25"][0]
    split = [text.split() for text in texts]
    mean, total = np.mean([len(text) for text in split]), 0.0
    for text in split:
        if "x" in text:
            for word in ("a", "b"):
                df = sum(word in other for other in split)
                idf = np.log(1 + (6 - df + 0.5) / (df + 0.5))
                total += (
                    idf
                    * text.count(word)
                    * 2.5
                    / (text.count(word) + 1.5 * (0.25 + 0.75 * len(text) / mean))
                )
    assert found == pytest.approx(np.log(total))


def test_evidence_is_changed_in_place(made):
    facts = made.facts.assign(documents=0)
    treated = ablation.treatments(facts, 10)
    assert treated.value_counts()[["removed", "pairs", "halved", "injected"]].tolist() == [
        8,
        8,
        8,
        8,
    ]
    texts, after = ablation.change(made.documents, facts, treated, np.random.default_rng(0))
    before = made.documents
    assert [text.count(" ") for text in texts] == before["text"].str.count(" ").tolist()
    of_fact = before["fact"].map(treated).fillna("kept")
    changed = np.array(texts) != before["text"].to_numpy()
    assert not changed[(of_fact == "kept") & (before["kind"] != "mention")].any()
    entities = facts.merge(treated.rename("treatment"), left_on="fact", right_index=True)
    removed = set(entities.loc[entities["treatment"] == "removed", "subject"])
    text_of = "\n".join(texts)
    fact_of = made.facts.set_index("fact")
    for fact, name in treated.items():
        subject, relation = fact_of.loc[fact, ["subject", "relation"]]
        statements = sum(subject in text and relation in text for text in texts)
        other = made.facts[(made.facts["subject"] == subject) & (made.facts["fact"] != fact)]
        if name in ("removed", "pairs") and subject not in set(other["subject"]):
            assert statements == 0
        assert name != "injected" or after[fact] <= max(ablation.DOSES)
    assert removed
    assert text_of.count("\n") == len(before) - 1


def test_fewer_documents_are_all_used_and_none_skips_the_item(made, corpus):
    options, limits = settings.Analysis(), settings.Influence(items=5, documents=10**6)
    examples = made.tests.assign(part="test")
    pairs = mining.candidates(examples[examples["task"] == "facts"], options)
    pairs = pairs[pairs["n"] == 3].reset_index(drop=True)
    pairs = pairs.join(evaluation.count(corpus, pairs, options))
    texts, rng = made.documents["text"].tolist(), np.random.default_rng(0)
    items = influence.choose(corpus, texts, examples, pairs, options, limits, rng)
    assert 0 < len(items) <= 5
    for item in items:
        row = pairs[pairs["example"] == item.example].iloc[0]
        assert len(item.with_pair) == len(item.output_only)
        assert len(item.with_pair) <= row["pair_documents"]
        for text, (begin, end) in (*item.with_pair, *item.output_only):
            assert text[begin:end] == row["output_gram"]
            assert text.endswith(row["output_gram"])
    nothing = pairs.assign(pair_documents=0)
    assert influence.choose(corpus, texts, examples, nothing, options, limits, rng) == []
