"""The chain: its worlds, pruning, and networks."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from rote.core.errors import ConfigError, InputError
from rote.core.seeds import generator
from rote.papers.chain import (
    documents,
    generated,
    networks,
    plan,
    pruning,
    sequences,
    settings,
    training,
    worlds,
)
from rote.papers.chain.documents import WorldReplicate
from rote.papers.chain.networks import ChainJob, NetworkShape
from rote.papers.chain.worlds import WorldFolder
from rote.run.config import validate

TINY = settings.ChainWorld(
    subjects=20,
    relations=15,
    value_symbols=8,
    copies=4,
    lexicon=4,
    phrase=2,
    numbers=8,
    modulus=3,
    tuning_items=2,
    test_items=3,
    facts=[20, 80],
    replicates=2,
)
SMALL = settings.Settings(
    world=TINY,
    network=settings.ChainNetwork(
        widths=[8], larger=[], layers=1, heads=1, steps=[10, 30], batch=32
    ),
)


def replicate(n_facts: int = 80) -> WorldReplicate:
    return generated.generate(TINY, n_facts, 1, 0)


def tiny_tokenizer():
    return sequences.word_level(generated.words(TINY).all)


# ---- the world


@given(st.integers(1, 12_000))
def test_names_are_distinct(count):
    assert len(set(generated.names(count))) == count


def test_words_are_tokens_of_their_own():
    words = generated.words(settings.ChainWorld()).all
    assert len(set(words)) == len(words)


def test_world_states_facts_as_often_as_they_count():
    world = replicate()
    stated = pd.Series(
        [line["fact_id"] for line in world.documents if line["fact_id"] >= 0]
    ).value_counts()
    counts = world.facts.set_index("fact")["count"]
    assert stated.sum() == counts.sum() == 4 * len(world.facts)
    assert (stated == counts[stated.index]).all()
    assert (counts == 0).any()  # a power law leaves some out
    for line in world.documents[:50]:
        start, end = line["answer"]
        if line["fact_id"] >= 0:
            row = world.facts.loc[line["fact_id"]]
            assert line["text"][start:end] == row["value"]
            assert row["key"] in line["text"]
            assert line["statements"] == [[line["fact_id"], start, end]]


def test_probes_about_rules_are_held_out_of_the_documents():
    world = replicate()
    shown = {line["text"] for line in world.documents}
    held_out = [line for line in world.probes if line["fact_id"] < 0]
    assert {line["kind"] for line in held_out} == set(generated.RULES)
    assert {line["part"] for line in held_out} == {"tuning", "test"}
    sizes = pd.Series([line["kind"] + line["part"] for line in held_out]).value_counts()
    assert set(sizes) == {2, 3}
    assert not shown & {line["text"] for line in held_out}
    for kind in generated.RULES:  # every part of a held-out item was shown at its place
        of_kind = [line["text"].split() for line in world.documents if line["kind"] == kind]
        words_at = [set(words) for words in zip(*of_kind, strict=True)]
        for line in held_out:
            if line["kind"] == kind:
                words = zip(line["text"].split(), words_at, strict=True)
                assert all(word in shown_words for word, shown_words in words)


def test_facts_are_asked_as_stated_and_in_words_that_the_text_never_has():
    world = replicate()
    shown = {line["text"] for line in world.documents}
    used = {(line["fact_id"], line["template"]) for line in world.documents}
    by_part = {"statement": [], "paraphrase": []}
    for line in world.probes:
        if line["fact_id"] >= 0:
            by_part[line["part"]].append(line)
    present = world.facts.loc[world.facts["count"] > 0, "fact"]
    for lines in by_part.values():
        assert sorted(line["fact_id"] for line in lines) == present.tolist()
    assert all(line["text"] in shown for line in by_part["statement"])
    assert not any(line["text"] in shown for line in by_part["paraphrase"])
    # in the words of a paraphrase other facts are stated
    assert {template for _, template in used} >= set(range(len(generated.TEMPLATES)))


def test_words_of_phrases_follow_a_power_law():
    options = TINY.model_copy(update={"word_exponent": 1.5, "copies": 60})
    world = generated.generate(options, 80, 1, 0)
    words = [line["text"].split()[1] for line in world.documents if line["kind"] == "translation"]
    counts = pd.Series(words).value_counts()
    assert counts.max() > 2 * counts.min()


def test_documents_translate_by_one_lexicon_and_add_correctly():
    meaning = {}
    for line in replicate().documents:
        words = line["text"].split()
        if line["kind"] == "translation":
            at = words.index(">")
            for source, target in zip(words[1:at], words[at + 1 :][::-1], strict=True):
                assert meaning.setdefault(source, target) == target
        if line["kind"] == "arithmetic":
            *addends, sign, total = words[1:]
            assert (len(addends), sign) == (2, ">")
            assert sum(int(word[1:]) for word in addends) % TINY.modulus == int(total[1:])
            assert total[0] == "s"
    assert len(set(meaning.values())) == len(meaning)


def test_world_files_are_whole_or_named(tmp_path):
    documents.write(tmp_path / "a.jsonl", [{"text": "Grüße"}, {"text": "b"}])
    assert documents.read(tmp_path / "a.jsonl")[0]["text"] == "Grüße"
    (tmp_path / "a.jsonl").write_text('{"text": "a"}\n{"te')
    with pytest.raises(InputError, match=r"a\.jsonl, line 2 is damaged"):
        documents.read(tmp_path / "a.jsonl")
    with pytest.raises(InputError, match="holds no world"):
        worlds.open_world(tmp_path)


def test_encode_marks_answers_where_their_tokens_are_predicted():
    lines = replicate().probes
    tokenizer = tiny_tokenizer()
    coded = sequences.encode(lines, tokenizer, 0)
    for row in (0, 5, len(lines) - 1):
        start, end = lines[row]["answer"]
        expected = tokenizer.encode(lines[row]["text"][start:end]).ids
        present = coded.mask[row] > 0
        assert coded.targets[row, present].tolist() == expected
        assert coded.tokens[row, coded.positions[row, present] + 1].tolist() == expected
    text = sequences.encode([{"text": "is the : say", "answer": None}], tokenizer, 0)
    assert text.positions.tolist() == [[0, 1, 2, 3]]
    assert text.targets.tolist() == [[2, 3, 4, 5]]
    with pytest.raises(InputError, match="no token of these lines is an answer"):
        sequences.encode([{"text": "is the", "answer": [90, 91]}], tokenizer, 0)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"corpus": "a.txt"}, "`facts` must name the table"),
        ({"network": {"steps": [8, 4]}}, "steps must be ascending"),
        ({"world": {"facts": [20, 10]}}, "facts must be ascending"),
        ({"world": {"facts": [10**6]}}, "32 subjects and 32 relations make 1,024 keys"),
        ({"world": {"modulus": 60}}, "modulus must be below numbers"),
        ({"max_statements": 0}, "max_statements"),
        ({"network": {"heads": 3}}, "heads must divide every width, given 3 heads and width 8"),
        ({"memory": {"part": 0}}, "part"),
    ],
)
def test_settings_name_bad_values(values, message):
    with pytest.raises(ConfigError, match=message):
        validate(settings.Settings, values, "config")


def test_distinct_statements_hold_each_statement_once():
    lines = replicate().documents
    statements = documents.distinct_statements(lines)
    assert len({line["text"] for line in statements}) == len(statements) < len(lines)


# ---- pruning


def pruned(losses: np.ndarray, world: WorldReplicate) -> dict[str, np.ndarray]:
    rng = generator(1, "chain", "prune", "test")
    return pruning.choose(losses, world.facts, world.documents, 2, rng)


def stated(numbers: np.ndarray, world: WorldReplicate) -> dict[int, int]:
    return documents.statement_counts(world.documents[number] for number in numbers)


def test_choose_keeps_facts_of_low_loss_flattened_and_as_many_random_ones():
    world = replicate()
    low_loss = world.facts["fact"] % 2 == 0
    losses = np.where(low_loss, 0.01, world.facts["bits"].iloc[0] * np.log(2))
    corpora = pruned(losses, world)
    counts = stated(corpora["loss"], world)
    expected = world.facts.loc[low_loss & (world.facts["count"] > 0), "fact"]
    assert set(counts) == set(expected)
    assert max(counts.values()) == 2
    for numbers in corpora.values():
        others = [number for number in numbers if world.documents[number]["fact_id"] < 0]
        assert len(others) == sum(line["fact_id"] < 0 for line in world.documents)
    at_random, flat = (stated(corpora[name], world) for name in ("random", "flat"))
    assert set(at_random) == set(flat) != set(counts)
    assert len(flat) == len(counts)
    every = world.facts.set_index("fact")["count"]
    assert all(every[fact] == count for fact, count in at_random.items())
    assert all(min(2, every[fact]) == count for fact, count in flat.items())


def test_choose_prunes_nothing_where_all_facts_fit():
    world = replicate(20)
    corpora = pruned(np.full(len(world.facts), 0.01), world)
    assert all(len(numbers) == len(world.documents) for numbers in corpora.values())


def test_choose_never_takes_facts_that_never_occur_nor_reads_their_losses():
    world = replicate()
    losses = np.full(len(world.facts), 4.0)
    losses[world.facts["count"] == 0] = np.nan
    corpora = pruned(losses, world)
    present = world.facts.loc[world.facts["count"] > 0, "fact"]
    assert set(stated(corpora["loss"], world)) <= set(present)


def test_choose_keeps_one_of_facts_alone_and_fit_refuses_an_empty_corpus():
    world = replicate()
    facts_only = [line for line in world.documents if line["fact_id"] >= 0]
    nothing_known = np.full(len(world.facts), world.facts["bits"].iloc[0] * np.log(2))
    world = world._replace(documents=facts_only)
    corpora = pruned(nothing_known, world)
    assert len(stated(corpora["loss"], world)) == 1  # a selection keeps one at least
    assert len(stated(corpora["random"], world)) == 1
    coded = sequences.encode(world.documents[:3], tiny_tokenizer(), 0)
    with pytest.raises(InputError, match="the corpus of loss 0 is empty"):
        networks.fit(None, {"loss 0": coded.pick(np.arange(0))}, SMALL, 1, ChainJob(1))


def test_as_many_facts_fit_as_the_information_stored_makes():
    bits = 10.0
    known, half, unknown = 0.01, 5 * np.log(2), 20.0
    assert pruning.n_fitting(np.array([known, half, half, unknown]), bits) == 2
    assert pruning.n_fitting(np.full(5, unknown), bits) == 1
    assert pruning.n_fitting(np.full(5, known), bits) == 5


def test_fact_losses_are_means_over_the_questions_that_count():
    losses = pruning.fact_losses(np.array([1.0, 3.0, 5.0]), np.array([0, 0, -1]), 2)
    assert losses[0] == 2
    assert np.isnan(losses[1])


# ---- what a run consists of


def test_controls_are_made_for_the_memories_networks_and_larger_ones_see_everything():
    network = SMALL.network.model_copy(update={"widths": [8, 12], "larger": [16]})
    options = SMALL.model_copy(update={"network": network})
    pruned = [stack.name for stack in plan.pruned_stacks(options)]
    assert pruned == ["facts-20-8", "facts-80-8", "facts-20-12", "facts-80-12"]
    assert [stack.name for stack in plan.stacks(options)][4:] == ["facts-80-16"]
    assert plan.steps_of(options, 12) == [10, 30]
    assert plan.steps_of(options, 16) == [30]
    assert plan.pruned_variants(options, 8, 10) == ["loss"]
    assert plan.pruned_variants(options, 8, 30) == ["loss", "early", "random", "flat"]
    assert plan.pruned_variants(options, 12, 30) == ["loss", "early"]


# ---- networks


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> WorldFolder:
    folder = tmp_path_factory.mktemp("chain")
    worlds.synthesize(SMALL, 1, folder)
    return worlds.open_world(folder / "facts-80")


def test_world_folder_says_what_it_holds(world):
    about = json.loads((world.folder / "world.json").read_text())
    assert about["documents"] == [len(world.corpus(r)) for r in (0, 1)]
    assert about["tokens"][0] == sum(len(line["text"].split()) for line in world.corpus(0))
    assert about["facts_present"][1] == int((world.facts(1)["count"] > 0).sum())
    first, second = world.facts(0), world.facts(1)
    assert first["value"].tolist() != second["value"].tolist()  # replicates are different worlds


def small_stack(world: WorldFolder):
    shape = NetworkShape(world.vocabulary, world.length, 8)
    return networks.build(SMALL, shape, ["a", "b"], 1)


def test_predict_gives_the_cross_entropies_of_the_answers(world):
    lines = world.encode(world.probes(0))
    stack = small_stack(world)
    row = 7
    answers = networks.predict(stack, stack.parameters, 1, lines, with_features=True)
    assert not networks.predict(stack, stack.parameters, 1, lines).features.size
    network = {name: value[1:2] for name, value in stack.parameters.items()}
    with torch.no_grad():
        token_ids = torch.tensor(lines.tokens[:, :-1].astype(np.int64))[None]
        log_probabilities = stack.forward(network, token_ids)[0].log_softmax(-1)[row]
    present = lines.mask[row] > 0
    positions = lines.positions[row][present]
    targets = lines.targets[row][present]
    expected = -float(log_probabilities[positions, targets].sum())
    assert answers.losses[row] == pytest.approx(expected, rel=1e-4)
    assert answers.features.shape == (int(lines.mask.sum()), 8)


def test_fit_resumes_to_the_same_weights(world, tmp_path, monkeypatch):
    corpora = {name: world.encode(world.corpus(r)) for r, name in enumerate(("a", "b"))}

    def fitted(**checkpoint):
        return networks.fit(small_stack(world), corpora, SMALL, 12, ChainJob(1, **checkpoint))

    uninterrupted = fitted()
    real = torch.autograd.grad
    calls = []

    def killed(*args, **kwargs):
        calls.append(1)
        if len(calls) == 8:
            raise KeyboardInterrupt
        return real(*args, **kwargs)

    monkeypatch.setattr(torch.autograd, "grad", killed)
    checkpoint = {"checkpoint": tmp_path / "c.pt", "checkpoint_steps": 5}
    with pytest.raises(KeyboardInterrupt):
        fitted(**checkpoint)
    monkeypatch.setattr(torch.autograd, "grad", real)
    resumed = fitted(**checkpoint)
    assert all(torch.equal(uninterrupted[name], resumed[name]) for name in uninterrupted)


def test_networks_are_the_same_however_many_are_trained_together(world):
    """Training one after another needs the memory of one alone."""
    arrays = []
    for stacked in (1, 64):
        network = SMALL.network.model_copy(update={"steps": [4, 8], "stacked": stacked})
        options = SMALL.model_copy(update={"network": network})
        arrays.append(training.train_unpruned(options, world, 8, ChainJob(1)))
    one, all_together = arrays
    assert one.keys() == all_together.keys()
    for name, values in one.items():
        if not name.endswith("exact"):
            assert np.allclose(values, all_together[name], atol=1e-4), name


def test_fit_teaches_all_variants_the_facts_where_all_fit():
    """Far below a load of 1 corpora are one, and networks of other seeds agree within noise."""
    options = SMALL.model_copy(update={"network": SMALL.network.model_copy(update={"batch": 64})})
    world = replicate(20)
    tokenizer = tiny_tokenizer()
    everything = sequences.encode(world.documents, tokenizer, 0)
    corpora = {
        name: everything.pick(numbers)
        for name, numbers in pruned(np.full(len(world.facts), 0.01), world).items()
    }
    length = corpora["loss"].tokens.shape[1]
    shape = NetworkShape(tokenizer.get_vocab_size(), length, 16)
    stack = networks.build(options, shape, list(corpora), 1)
    weights = networks.fit(stack, corpora, options, 150, ChainJob(1))
    statements = sequences.encode(documents.distinct_statements(world.documents), tokenizer, 0)
    accuracy = [
        networks.predict(stack, weights, number, statements).exact.mean()
        for number in range(len(corpora))
    ]
    assert min(accuracy) > 0.9
    assert np.ptp(accuracy) < 0.1
