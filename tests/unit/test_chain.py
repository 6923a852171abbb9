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
    modulus=5,
    max_test_items=10,
    loads=[0.5, 2.0],
    replicates=2,
)
SMALL = settings.Settings(
    world=TINY,
    network=settings.ChainNetwork(
        width=8, ladder=[], ladder_load=2.0, layers=1, heads=1, steps=30, scoring_steps=30, batch=32
    ),
)


def replicate(load: float = 2.0, options: settings.ChainWorld = TINY) -> WorldReplicate:
    return generated.generate(options, load, 600, 1, 0)


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
    assert {line["part"] for line in held_out} == {"valid", "test"}
    assert not shown & {line["text"] for line in held_out}
    for kind in generated.RULES:  # every part of a held-out item was shown at its place
        of_kind = [line["text"].split() for line in world.documents if line["kind"] == kind]
        words_at = [set(words) for words in zip(*of_kind, strict=True)]
        for line in held_out:
            if line["kind"] == kind:
                words = zip(line["text"].split(), words_at, strict=True)
                assert all(word in shown_words for word, shown_words in words)
    about_facts = [line for line in world.probes if line["fact_id"] >= 0]
    assert len(about_facts) == len(generated.TEMPLATES) * len(world.facts)


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
    assert len(set(meaning.values())) == len(meaning)


def test_n_facts_follows_from_the_load_or_refuses_it():
    bits = 2 * np.log2(64)
    assert generated.n_facts(settings.ChainWorld(), 2.0, 10_000) == round(2 * 0.4 * 10_000 / bits)
    with pytest.raises(
        InputError,
        match=r"load 2 of networks with 1,000,000 parameters needs .* 20 subjects and 15",
    ):
        generated.n_facts(TINY, 2.0, 10**6)


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
        ({"network": {"ladder": [8], "ladder_load": 3.0}}, "ladder_load must be among world.loads"),
        ({"world": {"loads": [2.0, 1.0]}}, "loads must be ascending"),
        ({"max_statements": 0}, "max_statements"),
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


def pruned(losses: np.ndarray, world: WorldReplicate) -> dict[str, list]:
    rng = generator(1, "chain", "prune", "test")
    return pruning.choose(losses, world.facts, world.documents, 2, rng)


def test_choose_keeps_facts_of_low_loss_flattened_and_random_corpora_as_large():
    world = replicate()
    low_loss = world.facts["fact"] % 2 == 0
    losses = np.where(low_loss, 0.01, world.facts["bits"].iloc[0] * np.log(2))
    corpora = pruned(losses, world)
    counts = documents.statement_counts(corpora["loss"])
    expected = world.facts.loc[low_loss & (world.facts["count"] > 0), "fact"]
    assert set(counts) == set(expected)
    assert max(counts.values()) == 2
    assert [line for line in corpora["loss"] if line["fact_id"] < 0] == [
        line for line in world.documents if line["fact_id"] < 0
    ]
    sizes = {name: len(lines) for name, lines in corpora.items()}
    assert sizes["random"] == sizes["flat"] == sizes["loss"] < len(world.documents)
    assert max(documents.statement_counts(corpora["flat"]).values()) <= 2
    assert max(documents.statement_counts(corpora["random"]).values()) > 2


def test_choose_prunes_nothing_where_all_facts_fit():
    world = replicate(0.5)
    corpora = pruned(np.full(len(world.facts), 0.01), world)
    assert all(lines == world.documents for lines in corpora.values())


def test_choose_never_takes_facts_that_never_occur_nor_reads_their_losses():
    world = replicate()
    losses = np.full(len(world.facts), 4.0)
    losses[world.facts["count"] == 0] = np.nan
    corpora = pruned(losses, world)
    present = world.facts.loc[world.facts["count"] > 0, "fact"]
    assert set(documents.statement_counts(corpora["loss"])) <= set(present)


def test_choose_keeps_one_of_facts_alone_and_fit_refuses_an_empty_corpus():
    world = replicate()
    facts_only = [line for line in world.documents if line["fact_id"] >= 0]
    nothing_known = np.full(len(world.facts), world.facts["bits"].iloc[0] * np.log(2))
    corpora = pruned(nothing_known, world._replace(documents=facts_only))
    counts = documents.statement_counts(corpora["loss"])
    assert len(counts) == 1  # a selection keeps one at least
    assert len(corpora["random"]) == len(corpora["loss"])
    coded = sequences.encode(world.documents[:3], tiny_tokenizer(), 0)
    with pytest.raises(InputError, match="the corpus of loss 0 is empty"):
        networks.fit(None, {"loss 0": coded.pick(np.arange(0))}, SMALL, 1, ChainJob(1))


# ---- what a run consists of


def test_ladder_does_without_the_random_corpus_and_its_world_has_the_ablation():
    options = SMALL.model_copy(
        update={"network": SMALL.network.model_copy(update={"ladder": [4, 8, 12]})}
    )
    names = [stack.name for stack in plan.stacks(options)]
    assert names == ["load-0.5-8", "load-2-8", "load-2-4", "load-2-12"]
    assert plan.variants_of(options, "load-0.5", 8) == ["none", "random", "loss"]
    assert plan.variants_of(options, "load-2", 8) == ["none", "random", "loss", "flat"]
    assert plan.variants_of(options, "load-2", 4) == ["none", "loss"]


# ---- networks


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> WorldFolder:
    folder = tmp_path_factory.mktemp("chain")
    worlds.synthesize(SMALL, 1, folder)
    return worlds.open_world(folder / "load-2")


def test_world_folder_says_what_it_holds(world):
    about = json.loads((world.folder / "world.json").read_text())
    assert about["documents"] == [len(world.corpus(r)) for r in (0, 1)]
    assert about["tokens"][0] == sum(len(line["text"].split()) for line in world.corpus(0))
    assert about["facts_present"][1] == int((world.facts(1)["count"] > 0).sum())
    first, second = world.facts(0), world.facts(1)
    assert first["value"].tolist() != second["value"].tolist()  # replicates are different worlds


def test_corpus_file_is_the_worlds_or_a_pruned_one(world, tmp_path):
    assert documents.read(world.corpus_file("none", 0, tmp_path)) == world.corpus(0)
    assert world.corpus_file("loss", 1, tmp_path) == tmp_path / "loss-1.jsonl"
    with pytest.raises(InputError, match="variant must be one of none, random, loss, flat"):
        world.corpus_file("other", 0, tmp_path)


def small_stack(world: WorldFolder):
    shape = NetworkShape(world.vocabulary, world.length, 8)
    return networks.build(SMALL, shape, ["a", "b"], 1)


def test_predict_gives_the_cross_entropies_of_the_answers(world):
    lines = world.encode(world.probes(0))
    stack = small_stack(world)
    row = 7
    answers = networks.predict(stack, stack.parameters, 1, lines)
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


def test_fit_teaches_all_variants_the_facts_where_all_fit():
    """Far below a load of 1 corpora are one, and networks of other seeds agree within noise."""
    options = SMALL.model_copy(
        update={"network": SMALL.network.model_copy(update={"width": 16, "batch": 64})}
    )
    world = replicate(0.5)
    tokenizer = tiny_tokenizer()
    corpora = {
        name: sequences.encode(lines, tokenizer, 0)
        for name, lines in pruned(np.full(len(world.facts), 0.01), world).items()
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
