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
    mining,
    overlap,
    passages,
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


def test_steps_of_tested_sums_are_in_no_document(generated):
    """The gate: no eight words of a solution are in the corpus; of known steps nearly all are."""
    grams = set()
    for text in generated.documents["text"]:
        grams.update(ngrams.grams(text.replace(".", "").split(), 8))

    def overlaps(output):
        return any(gram in grams for gram in ngrams.grams(output.replace(".", "").split(), 8))

    solutions = generated.tests.groupby("task")["output"]
    assert not any(map(overlaps, solutions.get_group("reasoning")))
    known = [overlaps(output) for output in solutions.get_group("known_steps")]
    assert np.mean(known) > 0.7
    # every word of a solution occurs: only the steps are new
    words = set(" ".join(generated.documents["text"]).split())
    assert set(" ".join(solutions.get_group("reasoning")).split()) <= words


@pytest.fixture(scope="module")
def overlaps(generated, corpus):
    return overlap.of_examples(corpus, generated.tests.assign(part="test"))


def test_audit_counts_outputs_that_are_long_enough(overlaps):
    rows = overlap.audit("world0", overlaps).set_index(["task", "n"])
    whole = rows.xs(schema.WHOLE_OUTPUT, level="n")
    for task in tasks.TASKS.values():
        row = whole.loc[task.name]
        # answers of facts are words of the corpus
        assert row["overlapping"] == (0 if task.is_held_out else row["examples"]), task.name
    # one word, five words: there are no eight to share
    assert rows.loc[[("facts", 8), ("translation", 8)], "long_enough"].tolist() == [0, 0]
    assert rows.loc[[("facts", 8), ("translation", 8)], "overlapping"].tolist() == [0, 0]
    assert rows.loc[("reasoning", 8), "long_enough"] == rows.loc[("reasoning", 8), "examples"]
    assert rows.loc[("reasoning", 8), "overlapping"] == 0
    assert rows.loc[("known_steps", 8), "overlapping"] > 0


def test_audit_stops_where_what_is_held_out_leaks(generated, corpus, overlaps):
    examples = generated.tests.assign(part="test")
    measured = MeasuredCorpus("w", corpus, examples, *[None] * 2, generated.facts, None, overlaps)
    options = settings.DistmemAnalysis()
    assert len(evaluation.audit(measured, options)) == 12
    is_eight = (overlaps["task"] == "reasoning") & (overlaps["n"] == 8)
    leaking = overlaps.assign(overlapping=overlaps["overlapping"].mask(is_eight, 1.0))
    with pytest.raises(InputError, match="25 of 25 test outputs of reasoning share 8 words"):
        evaluation.audit(measured._replace(overlaps=leaking), options)
    # a corpus of one's own is audited, not refused
    of_a_user = measured._replace(overlaps=leaking, facts=None)
    assert evaluation.audit(of_a_user, options)["overlapping"].max() > 0


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


@pytest.fixture(scope="module")
def stated(generated):
    """Facts with their documents."""
    counts = generated.documents["fact"].value_counts()
    return generated.facts.assign(documents=generated.facts["fact"].map(counts).fillna(0))


def test_arms_are_alike_in_documents_and_rank(stated):
    """Over many draws no arm holds more frequent facts than another."""
    means = []
    for seed in range(200):
        assigned = treatments.assign(stated, 10, np.random.default_rng(seed))
        documents = np.log1p(stated.set_index("fact")["documents"])
        means.append(documents.groupby(assigned["treatment"]).mean())
    means = pd.DataFrame(means)
    sizes = treatments.assign(stated, 10, np.random.default_rng(0))["treatment"].value_counts()
    assert (sizes[list(treatments.TREATMENTS)] == 8).all()
    assert means.mean().max() - means.mean().min() < 0.02
    # in a single draw as well: arms differ by less than facts of a block do
    assert (means.max(axis=1) - means.min(axis=1)).quantile(0.9) < 0.6
    with pytest.raises(InputError, match="every must be at least 10, twice the treatments"):
        treatments.assign(stated, 9, np.random.default_rng(0))


def test_moved_statements_leave_every_answer_at_its_place(generated, stated):
    before = generated.documents
    assigned = treatments.assign(stated, 10, np.random.default_rng(0))
    moving = assigned["treatment"].where(
        assigned["treatment"].isin([dose.name for dose in treatments.DOSES]), "unchanged"
    )
    texts, states = treatments.change(before, stated, moving, np.random.default_rng(1))
    assert [text.count(" ") for text in texts] == before["text"].str.count(" ").tolist()
    words, unmoved = pd.Series(texts).str.split(), before["text"].str.split()
    assert (words.str[-1] == unmoved.str[-1]).all()
    subjects = set(" ".join(stated["subject"]).split())
    for new, old in zip(words, unmoved, strict=True):
        assert [w for w in new if w not in subjects] == [w for w in old if w not in subjects]
    stating = before.loc[before["fact"] >= 0, "fact"].value_counts()
    remaining = pd.Series(states[states >= 0]).value_counts()
    shares = {dose.name: dose.moved for dose in treatments.DOSES}
    questions = set(zip(stated["subject"], stated["relation"], strict=True))
    for fact, name in assigned["treatment"].items():
        size = stating.get(fact, 0)
        expected = size - round(shares.get(name, 0) * size)
        assert remaining.get(fact, 0) == expected
    for number in np.flatnonzero((states < 0) & (before["fact"] >= 0)):
        relation = stated.set_index("fact").loc[before["fact"][number], "relation"]
        subject = next(s for s in stated["subject"] if s in texts[number])
        assert (subject, relation) not in questions


def test_removed_and_added_statements_keep_the_length(generated, stated):
    assigned = treatments.assign(stated, 10, np.random.default_rng(0))
    texts, states = treatments.change(
        generated.documents, stated, assigned["treatment"], np.random.default_rng(1)
    )
    before = generated.documents
    assert [text.count(" ") for text in texts] == before["text"].str.count(" ").tolist()
    removed = assigned.index[assigned["treatment"] == treatments.REMOVED.name]
    assert not np.isin(states, removed).any()
    injected = assigned.index[assigned["treatment"] == treatments.INJECTED.name]
    counts = pd.Series(states[np.isin(states, injected)]).value_counts()
    assert counts.min() == 1
    assert counts.max() > 16
    rows = stated.set_index("fact")
    for number in np.flatnonzero(np.isin(states, injected)):
        assert rows.loc[states[number], "object"] in texts[number].split()


def test_evidence_is_what_is_counted(generated, stated, corpus):
    """The counts of a changed corpus are made as those of the table of pairs are."""
    options = settings.DistmemAnalysis()
    questions = generated.tests[generated.tests["task"] == "facts"]
    pairs = mining.candidates(questions, options)
    pairs = pairs[pairs["n"] == 3].drop_duplicates("example").reset_index(drop=True)
    counts = counting.count(corpus, pairs, options).set_index(pairs["example"])
    documents = generated.documents
    stop = options.stop_words
    result = treatments.evidence(
        documents["text"].tolist(), documents["fact"].to_numpy(), stated, stop
    )
    expected = counts.loc[stated["fact"]]
    np.testing.assert_array_equal(result.pairs, expected["pair_documents"])
    np.testing.assert_array_equal(result.inputs, expected["first_documents"])
    np.testing.assert_array_equal(result.documents, stated["documents"])


@pytest.fixture(scope="module")
def traced(generated, corpus):
    options = settings.DistmemAnalysis()
    examples = generated.tests.assign(part="test")
    pairs = mining.candidates(examples[examples["task"] != "known_steps"], options)
    pairs = pairs[pairs["n"] == pairs.groupby("task")["n"].transform("min")]
    pairs = pairs[pairs["example"] < 20].reset_index(drop=True)
    pairs = pairs.join(counting.count(corpus, pairs, options))
    lexicon = generated.lexicon.groupby("source")["target"].agg(set).to_dict()
    texts = generated.documents["text"].tolist()
    return passages.TracedCorpus("world0", corpus, texts, examples, pairs, lexicon)


def test_influence_is_over_all_pairs_that_belong_together(traced):
    options = settings.DistmemAnalysis()
    limits = settings.DistmemInfluence(items=3, documents=4)
    chosen = passages.choose(traced, options, limits, np.random.default_rng(0))
    assert {example.task for example in chosen} == {"facts", "translation", "reasoning"}
    usable = traced.pairs[traced.pairs["pair_documents"] > 0]
    usable = usable[usable["pair_documents"] < usable["second_documents"]]
    for example in chosen:
        rows = usable[(usable["task"] == example.task) & (usable["example"] == example.example)]
        if example.task == "translation":
            rows = rows[mining.aligned(rows, traced.lexicon)]
        assert example.pairs == len(rows)
        for gram in example.grams:
            for kind in passages.KINDS:
                documents, weights = gram.documents[kind]
                assert len(documents) == len(weights)
                assert sum(weights) == pytest.approx(gram.pairs)
                for text, (begin, end) in documents:
                    words = traced.corpus.split(text[begin:end])
                    assert " ".join(words) in set(rows["output_gram"])
                    assert text.endswith(text[begin:end])


def test_matched_documents_hold_the_words_of_the_prompt(traced):
    """Documents with the pair look like the question; so must those that they are compared with."""
    options = settings.DistmemAnalysis()
    limits = settings.DistmemInfluence(items=20, documents=8)
    chosen = passages.choose(traced, options, limits, np.random.default_rng(0))
    shares = {kind: [] for kind in passages.KINDS}
    for example in (one for one in chosen if one.task == "facts"):
        for gram in example.grams:
            for kind, (documents, _) in gram.documents.items():
                shares[kind] += ["question" in text.split() for text, _ in documents]
    means = {kind: np.mean(values) for kind, values in shares.items()}
    assert abs(means["matched"] - means["pair"]) < 0.03
    assert abs(means["output_only"] - means["pair"]) > abs(means["matched"] - means["pair"])


def test_influence_uses_all_of_few_documents_and_skips_examples_without_any(traced):
    options = settings.DistmemAnalysis()
    limits = settings.DistmemInfluence(items=5, documents=10**6)
    chosen = passages.choose(traced, options, limits, np.random.default_rng(0))
    for example in (one for one in chosen if one.task == "facts"):
        row = traced.pairs[
            (traced.pairs["task"] == "facts") & (traced.pairs["example"] == example.example)
        ].iloc[0]
        other = row["second_documents"] - row["pair_documents"]
        assert example.documents == min(row["pair_documents"], other)
    without = traced._replace(pairs=traced.pairs.assign(pair_documents=0))
    assert passages.choose(without, options, limits, np.random.default_rng(0)) == []


# ---- what networks write


def test_new_pairs_that_do_not_belong_together_are_not_right(generated, corpus):
    """A perfect translator writes the aligned new pairs of the references, no pair besides."""
    examples = generated.tests[generated.tests["task"] == "translation"].assign(part="test")
    options = settings.DistmemAnalysis()
    pairs = mining.candidates(examples, options)
    pairs = pairs.join(counting.count(corpus, pairs, options))
    lexicon = generated.lexicon.groupby("source")["target"].agg(set).to_dict()
    base = {"size": 1, "task": "translation", "wording": 0, "choice": -1, "snapshot": 1.0}
    perfect = examples[["example"]].assign(model="a", generated=examples["output"], **base)
    reversed_words = examples["output"].str.split().str[::-1].str.join(" ")
    wrong = examples[["example"]].assign(model="b", generated=reversed_words, **base)
    scores = pd.concat([perfect, wrong])
    measured = MeasuredCorpus("w", corpus, examples, pairs, scores, generated.facts, lexicon)
    result = evaluation.novel(measured, options).set_index("model")
    two = pairs[pairs["n"] == 2]
    is_new = two["pair_documents"] == 0
    new_aligned = (is_new & mining.aligned(two, lexicon)).sum()
    assert result.loc["a", "novel"] == is_new.sum()
    assert result.loc["a", "novel_right"] == result.loc["a", "novel_in_reference"] == new_aligned
    assert 0 < new_aligned < 0.2 * is_new.sum()
    assert result.loc["b", "novel_right"] <= 0.1 * new_aligned


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
