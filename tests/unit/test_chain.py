"""The chain: its world, pruning, memories, edge cases, and the whole road on a text and a model of
one's own.
"""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from rote.core import tables
from rote.core.errors import ConfigError, InputError
from rote.papers.chain import (
    evaluation,
    experiment,
    figures,
    memory,
    networks,
    pruning,
    sequences,
    settings,
    statistics,
    world,
)
from rote.papers.chain.cli import app
from rote.papers.chain.memory import Rows
from rote.plotting import render
from rote.resmem import Setting
from rote.run.config import validate
from typer.testing import CliRunner

TINY = settings.World(
    subjects=20,
    relations=15,
    value_symbols=8,
    copies=4,
    lexicon=4,
    phrase=2,
    modulus=5,
    tests=10,
    loads=[0.5, 2.0],
    replicates=2,
)
SMALL = settings.Settings(
    world=TINY,
    network=settings.Network(
        width=8, ladder=[], ladder_load=2.0, layers=1, heads=1, steps=30, scoring_steps=30, batch=32
    ),
)


def made(load: float = 2.0, options: settings.World = TINY) -> world.Made:
    return world.make(options, load, 600, 1, 0)


# ---- the world
# -------------------------------------------------------------------------------------------------------


@given(st.integers(1, 12_000))
def test_names_are_distinct(count):
    assert len(set(world.names(count))) == count


def test_every_word_is_a_token_of_its_own():
    words = world.words(settings.World()).all
    assert len(set(words)) == len(words)


def test_facts_are_stated_as_often_as_they_count():
    one = made()
    stated = pd.Series(
        [line["fact_id"] for line in one.documents if line["fact_id"] >= 0]
    ).value_counts()
    counts = one.facts.set_index("fact")["count"]
    assert stated.sum() == counts.sum() == 4 * len(one.facts)
    assert (stated == counts[stated.index]).all()
    assert (counts == 0).any()  # a power law leaves some out
    for line in one.documents[:50]:
        start, end = line["answer"]
        if line["fact_id"] >= 0:
            row = one.facts.loc[line["fact_id"]]
            assert line["text"][start:end] == row["value"]
            assert row["key"] in line["text"]
            assert line["statements"] == [[line["fact_id"], start, end]]


def test_what_is_asked_was_held_out():
    one = made()
    shown = {line["text"] for line in one.documents}
    held = [line for line in one.probes if line["fact_id"] < 0]
    assert {line["kind"] for line in held} == set(world.RULES)
    assert {line["part"] for line in held} == {"valid", "test"}
    assert not shown & {line["text"] for line in held}
    for kind in world.RULES:  # every part of a held-out item was shown at its place
        seen = [
            set(words)
            for words in zip(
                *(x["text"].split() for x in one.documents if x["kind"] == kind), strict=True
            )
        ]
        for line in held:
            if line["kind"] == kind:
                assert all(
                    word in some for word, some in zip(line["text"].split(), seen, strict=True)
                )
    asked = [line for line in one.probes if line["fact_id"] >= 0]
    assert len(asked) == len(world.TEMPLATES) * len(one.facts)
    assert all(line["stated"] == (line["text"] in shown) for line in asked)


def test_translations_follow_one_lexicon_and_sums_are_sums():
    meaning = {}
    for line in made().documents:
        words = line["text"].split()
        if line["kind"] == "translation":
            at = words.index(">")
            for source, target in zip(words[1:at], words[at + 1 :][::-1], strict=True):
                assert meaning.setdefault(source, target) == target
        if line["kind"] == "arithmetic":
            a, b, _, c = (int(word[1:]) if word != ">" else 0 for word in words[1:])
            assert (a + b) % TINY.modulus == c
    assert len(set(meaning.values())) == len(meaning)


def test_a_load_is_a_number_of_facts():
    bits = 2 * np.log2(64)
    assert world.size(settings.World(), 2.0, 10_000) == round(2 * 0.4 * 10_000 / bits)
    with pytest.raises(
        InputError,
        match=r"load 2 of networks with 1,000,000 parameters needs .* 20 subjects and 15",
    ):
        world.size(TINY, 2.0, 10**6)


def test_files_of_a_world_are_whole_or_named(tmp_path):
    world.write(tmp_path / "a.jsonl", [{"text": "Grüße"}, {"text": "b"}])
    assert world.read(tmp_path / "a.jsonl")[0]["text"] == "Grüße"
    (tmp_path / "a.jsonl").write_text('{"text": "a"}\n{"te')
    with pytest.raises(InputError, match=r"a\.jsonl, line 2 is damaged"):
        world.read(tmp_path / "a.jsonl")
    with pytest.raises(InputError, match="holds no world"):
        experiment.open_world(tmp_path)


def test_answers_are_where_their_tokens_are_predicted():
    lines = made().probes
    tokenizer = sequences.word_level(world.words(TINY))
    coded = sequences.encode(lines, tokenizer, 0)
    for row in (0, 5, len(lines) - 1):
        start, end = lines[row]["answer"]
        wanted = tokenizer.encode(lines[row]["text"][start:end]).ids
        there = coded.mask[row] > 0
        assert coded.targets[row, there].tolist() == wanted
        assert coded.tokens[row, coded.places[row, there] + 1].tolist() == wanted
    whole = sequences.encode([{"text": "is the : say", "answer": None}], tokenizer, 0)
    assert whole.places.tolist() == [[0, 1, 2, 3]]
    assert whole.targets.tolist() == [[2, 3, 4, 5]]
    with pytest.raises(InputError, match="no token of these lines is an answer"):
        sequences.encode([{"text": "is the", "answer": [90, 91]}], tokenizer, 0)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"corpus": "a.txt"}, "`facts` must name the table"),
        ({"network": {"ladder_load": 3.0}}, "ladder_load must be among world.loads"),
        ({"world": {"loads": [2.0, 1.0]}}, "loads must be ascending"),
        ({"flat": 0}, "flat"),
    ],
)
def test_bad_settings_are_named(values, message):
    with pytest.raises(ConfigError, match=message):
        validate(settings.Settings, values, "config")


# ---- pruning
# ---------------------------------------------------------------------------------------------------------


def chosen(losses: np.ndarray, one: world.Made, flat: int = 2) -> dict[str, list]:
    return pruning.choose(losses, one.facts, one.documents, flat, 1, "test")


def test_what_has_low_loss_stays_flattened_and_random_corpora_are_as_large():
    one = made()
    bits, known = one.facts["bits"].iloc[0], one.facts["fact"] % 2 == 0
    losses = np.where(known, 0.01, bits * np.log(2))
    found = chosen(losses, one)
    kept, others = (
        pruning.kept_facts(found["loss"]),
        one.facts.loc[known & (one.facts["count"] > 0), "fact"],
    )
    assert set(kept) == set(others)
    assert max(kept.values()) == 2
    assert [line for line in found["loss"] if line["fact_id"] < 0] == [
        x for x in one.documents if x["fact_id"] < 0
    ]
    assert len(found["random"]) == len(found["flat"]) == len(found["loss"]) < len(one.documents)
    assert max(pruning.kept_facts(found["flat"]).values()) <= 2
    assert max(pruning.kept_facts(found["random"]).values()) > 2


def test_where_all_facts_fit_nothing_is_pruned():
    one = made(0.5)
    found = chosen(np.full(len(one.facts), 0.01), one)
    assert all(documents == one.documents for documents in found.values())


def test_a_fact_that_never_occurs_is_never_kept_and_its_loss_never_asked_for():
    one = made()
    losses = np.full(len(one.facts), 4.0)
    losses[one.facts["count"] == 0] = np.nan
    found = chosen(losses, one)
    assert set(pruning.kept_facts(found["loss"])) <= set(
        one.facts.loc[one.facts["count"] > 0, "fact"]
    )


def test_a_corpus_of_facts_alone_and_one_whose_facts_are_all_gone():
    one = made()
    facts_only = one._replace(documents=[line for line in one.documents if line["fact_id"] >= 0])
    nothing_known = np.full(len(one.facts), one.facts["bits"].iloc[0] * np.log(2))
    found = chosen(nothing_known, facts_only)
    assert len(pruning.kept_facts(found["loss"])) == 1  # the least that a selection keeps
    assert len(found["random"]) == len(found["loss"])
    coded = sequences.encode(one.documents[:3], sequences.word_level(world.words(TINY)), 0)
    with pytest.raises(InputError, match="the corpus of loss 0 is empty"):
        networks.fit(None, [coded.pick(np.arange(0))], ["loss 0"], SMALL, 1, 1)


# ---- networks
# --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def here(tmp_path_factory) -> experiment.World:
    folder = tmp_path_factory.mktemp("chain")
    experiment.synthesize(SMALL, 1, folder)
    return experiment.open_world(folder / "load-2")


def test_a_world_says_what_it_holds(here):
    about = json.loads((here.folder / "world.json").read_text())
    assert about["documents"] == [len(here.lines("corpus", r)) for r in (0, 1)]
    assert about["tokens"][0] == sum(len(line["text"].split()) for line in here.lines("corpus", 0))
    assert about["facts_present"][1] == int((here.facts(1)["count"] > 0).sum())
    assert (
        here.facts(0)["value"].tolist() != here.facts(1)["value"].tolist()
    )  # replicates are worlds of their own


def test_losses_are_cross_entropies_of_the_answers(here):
    lines = here.encode(here.lines("probes", 0))
    stack = networks.build(SMALL, here.vocabulary, here.length, 8, ["a", "b"], 1)
    found = networks.ask(stack, stack.parameters, 1, lines)
    one = {name: value[1:2] for name, value in stack.parameters.items()}
    with torch.no_grad():
        logits = stack.forward(one, torch.tensor(lines.tokens[:, :-1].astype(np.int64))[None])[0]
    chances, at = logits.log_softmax(-1), 7
    wanted = sum(
        -float(chances[at, place, target])
        for place, target, there in zip(
            lines.places[at], lines.targets[at], lines.mask[at], strict=True
        )
        if there
    )
    assert found.losses[at] == pytest.approx(wanted, rel=1e-4)
    assert found.features.shape == (int(lines.mask.sum()), 8)


def test_interrupted_training_gives_the_same_weights(here, tmp_path, monkeypatch):
    corpora = [here.encode(here.lines("corpus", r)) for r in (0, 1)]
    names = ["a", "b"]

    def fitted(**options):
        stack = networks.build(SMALL, here.vocabulary, here.length, 8, names, 1)
        return networks.fit(stack, corpora, names, SMALL, 12, 1, **options)

    whole, real = fitted(), torch.autograd.grad
    calls = []

    def killed(*args, **kwargs):
        calls.append(1)
        if len(calls) == 8:
            raise KeyboardInterrupt
        return real(*args, **kwargs)

    monkeypatch.setattr(torch.autograd, "grad", killed)
    with pytest.raises(KeyboardInterrupt):
        fitted(checkpoint=tmp_path / "c.pt", every=5)
    monkeypatch.setattr(torch.autograd, "grad", real)
    again = fitted(checkpoint=tmp_path / "c.pt", every=5)
    assert all(torch.equal(whole[name], again[name]) for name in whole)


def test_where_all_facts_fit_all_variants_know_them():
    """Far below the load of 1 the corpora are one, and networks of other seeds agree within noise."""
    options = SMALL.model_copy(
        update={"network": SMALL.network.model_copy(update={"width": 16, "batch": 64})}
    )
    one = made(0.5)
    tokenizer = sequences.word_level(world.words(TINY))
    corpora = chosen(np.full(len(one.facts), 0.01), one)
    names = list(corpora)
    coded = [sequences.encode(corpora[name], tokenizer, 0) for name in names]
    stack = networks.build(
        options, tokenizer.get_vocab_size(), coded[0].tokens.shape[1], 16, names, 1
    )
    weights = networks.fit(stack, coded, names, options, 150, 1)
    stated = sequences.encode(world.statements(one.documents), tokenizer, 0)
    accuracy = [
        networks.ask(stack, weights, number, stated).exact.mean() for number in range(len(names))
    ]
    assert min(accuracy) > 0.9
    assert np.ptp(accuracy) < 0.1


# ---- memories
# --------------------------------------------------------------------------------------------------------


def toy(rng: np.random.Generator, n: int, d: int = 5, tokens: int = 7) -> tuple[Rows, np.ndarray]:
    rows = Rows(
        rng.normal(size=(n, d)).astype(np.float32), rng.integers(tokens, size=n), np.arange(n)
    )
    return rows, (0.1 * rng.normal(size=(tokens, d))).astype(np.float32)


def test_one_neighbor_gives_back_what_was_stored():
    rows, head = toy(np.random.default_rng(0), 40)
    near = memory.neighbors(settings.Memory(), rows, rows)
    alone = memory.answers(None, None, head, rows, 40, Setting(0, np.inf, 1.0))
    both = memory.answers(near, rows, head, rows, 40, Setting(1, np.inf, 1.0))
    assert alone.exact.mean() < 0.5
    assert both.exact.all()
    assert (both.losses < 1e-4).all()


def test_a_memory_with_fewer_entries_than_neighbors_and_an_empty_one():
    rng = np.random.default_rng(1)
    few, head = toy(rng, 3)
    queries, _ = toy(rng, 20)
    near = memory.neighbors(settings.Memory(), few, queries)
    assert near.rows.shape == (20, 3)
    both = memory.answers(near, few, head, queries, 20, Setting(20, 1.0, 1.0))
    assert np.isfinite(both.losses).all()
    setting = memory.tune(settings.Memory(), near, few, head, queries, np.arange(20), np.arange(0))
    assert setting.k in (0, 1, 3)
    nothing = Rows(*(part[:0] for part in few))
    near = memory.neighbors(settings.Memory(), nothing, queries)
    assert (
        memory.tune(settings.Memory(), near, nothing, head, queries, np.arange(20), np.arange(0)).k
        == 0
    )


def test_identical_hidden_states_share_the_vote():
    head = np.zeros((4, 2), np.float32)
    rows = Rows(np.ones((4, 2), np.float32), np.array([1, 1, 1, 2]), np.arange(4))
    query = Rows(np.ones((1, 2), np.float32), np.array([1]), np.zeros(1, int))
    near = memory.neighbors(settings.Memory(), rows, query)
    found = memory.answers(near, rows, head, query, 1, Setting(4, 0.0, 1.0))
    assert found.exact.all()
    assert found.losses[0] == pytest.approx(-np.log(0.75), abs=1e-4)  # uniform base, three of four


def test_no_memory_is_chosen_where_a_memory_only_harms():
    rng = np.random.default_rng(2)
    wrong, _ = toy(rng, 60)
    head = np.eye(7, 5, dtype=np.float32) * 30
    queries = Rows(np.eye(5, dtype=np.float32)[np.arange(50) % 5], np.arange(50) % 5, np.arange(50))
    wrong = wrong._replace(features=queries.features[np.arange(60) % 50], targets=np.full(60, 6))
    near = memory.neighbors(settings.Memory(), wrong, queries)
    assert (
        memory.tune(settings.Memory(), near, wrong, head, queries, np.arange(50), np.arange(0)).k
        == 0
    )


def test_what_each_memory_holds():
    facts = np.array([0, 0, 1, 2, 3, 3])
    kept = {"none": {0, 1, 2, 3}, "random": {0, 3}, "loss": {0, 1}}
    rng = np.random.default_rng(0)
    assert memory.held("kept", facts, kept, "loss", rng).tolist() == [
        True,
        True,
        True,
        False,
        False,
        False,
    ]
    assert memory.held("pruned", facts, kept, "loss", rng).tolist() == [
        False,
        False,
        False,
        True,
        True,
        True,
    ]
    assert memory.held("pruned", facts, kept, "random", rng).tolist() == [
        False,
        False,
        True,
        True,
        False,
        False,
    ]
    assert memory.held("random", facts, kept, "none", rng).sum() == 3
    assert memory.held("all", facts, kept, "none", rng).all()


def test_statements_are_remembered_once_each():
    lines = made().documents
    found = world.statements(lines)
    assert len({line["text"] for line in found}) == len(found) < len(lines)


def test_correlations_follow_counts_by_hand():
    columns = {"fact": [0, 0, 1, 2, 3, -1], "loss": [1.0, 3.0, 1.0, 4.0, 0.0, 1.0]}
    columns |= {"kind": ["fact"] * 5 + ["translation"], "part": ["probe"] * 5 + ["test"]}
    asked = pd.DataFrame(columns)
    counts = pd.DataFrame({"kind": "fact", "item": [0, 1, 2, 3], "both": [5, 9, 1, 0], "total": 20})
    found = list(evaluation._spearman(asked, counts, {0, 1, 2, 3}))
    assert found == [
        ("fact", pytest.approx(1.0), 3)
    ]  # fact 3 is never stated; one translation is no correlation


# ---- the whole road
# --------------------------------------------------------------------------------------------------


def road(folder: Path, options: settings.Settings) -> dict[str, pd.DataFrame]:
    """Every verb in turn, as the rules call them."""
    given, run = ["--settings", options.model_dump_json()], CliRunner()

    def call(verb: str, *arguments: str | Path) -> None:
        done = run.invoke(app, [verb, *map(str, arguments), *given])
        assert done.exit_code == 0, done.exception

    call("synthesize-corpus", "--out", folder / "worlds")
    for name in experiment.worlds(options):
        call(
            "train-scorer",
            "--world",
            folder / "worlds" / name,
            "--out",
            folder / "scores" / f"{name}.parquet",
            "--checkpoints",
            folder / "checkpoints",
        )
    call(
        "prune-corpus",
        "--worlds",
        folder / "worlds",
        "--scores",
        folder / "scores",
        "--out",
        folder / "pruned",
        "--facts",
        folder / "facts.parquet",
        "--corpora",
        folder / "corpora.parquet",
    )
    for name, width in experiment.networks_of(options):
        model, states = (
            folder / kind / f"{name}-{width}.safetensors" for kind in ("models", "embeddings")
        )
        at = ("--world", folder / "worlds" / name, "--width", width)
        call(
            "train-model",
            *at,
            "--pruned",
            folder / "pruned",
            "--out",
            model,
            "--checkpoints",
            folder / "checkpoints",
        )
        call("embed-corpus", *at, "--model", model, "--out", states)
        if width in (0, options.network.width):
            call(
                "fit-residuals",
                "--world",
                folder / "worlds" / name,
                "--facts",
                folder / "facts.parquet",
                "--embeddings",
                states,
                "--out",
                folder / "residuals" / f"{name}.safetensors",
                "--choices",
                folder / "residuals" / f"{name}.parquet",
            )
    call(
        "count-ngrams",
        "--worlds",
        folder / "worlds",
        "--pruned",
        folder / "pruned",
        "--out",
        folder / "counts.parquet",
    )
    call(
        "evaluate",
        "--worlds",
        folder / "worlds",
        "--embeddings",
        folder / "embeddings",
        "--residuals",
        folder / "residuals",
        "--facts",
        folder / "facts.parquet",
        "--counts",
        folder / "counts.parquet",
        "--out",
        folder,
    )
    return {path.stem: tables.read(path) for path in folder.glob("*.parquet")}


@pytest.fixture
def own(tmp_path) -> settings.Settings:
    """A small text that states facts among other sentences, and a table of the facts."""
    rng = np.random.default_rng(0)
    birds = ["kite", "bird", "prey", "Bern", "red", "Grüße", "aus", "the"]
    rows = [
        (f"{a} {b}", f"{rng.integers(100, 999)}") for a in birds for b in ("alpha", "beta", "gamma")
    ]
    pd.DataFrame(rows, columns=["key", "value"]).to_csv(tmp_path / "facts.csv", index=False)
    lines = []
    for number in range(240):
        key, value = rows[int(len(rows) * rng.random() ** 2)]
        text = (
            f"They say {key} has {value} today."
            if number % 3
            else f"No news from {birds[number % 8]} and nobody asks."
        )
        lines.append(json.dumps({"text": text}))
    (tmp_path / "text.jsonl").write_text("\n".join(lines))
    return settings.Settings(
        corpus=str(tmp_path / "text.jsonl"),
        facts=str(tmp_path / "facts.csv"),
        context=40,
        flat=3,
        world=TINY,
        network=SMALL.network.model_copy(update={"steps": 60, "scoring_steps": 20, "warmup": 5}),
    )


def test_a_text_and_a_model_of_ones_own(tmp_path, own, small_lm):
    found = road(tmp_path / "run", own.model_copy(update={"model": str(small_lm)}))
    accuracy = found["accuracy"].set_index(["variant", "memory", "replicate"])
    assert set(found["networks"]["width"]) == {0}
    assert np.isnan(accuracy["load"]).all()
    facts = found["facts"]
    text = Path(own.corpus).read_text()
    row = facts[facts["replicate"] == 0].sort_values("count").iloc[-1]
    assert row["count"] == text.count(
        f"{row['key']} has {row['value']}"
    )  # values of several tokens included
    everything = accuracy.xs(("none", "all"), level=("variant", "memory"))
    alone = accuracy.xs(("none", "nothing"), level=("variant", "memory"))
    assert (everything["facts"] > alone["facts"]).all()
    assert set(found["rules"]["rule"]) == {"other"}
    counts = found["counts"].query("corpus == 'none' and replicate == 0").set_index("item")
    assert counts.loc[row["fact"], "both"] == row["count"]


def test_a_text_of_ones_own_under_a_new_network(tmp_path, own):
    found = road(tmp_path / "run", own)
    assert set(found["networks"]["variant"]) == {"none", "random", "loss", "flat"}
    assert (found["corpora"].query("variant == 'loss'")["documents"] > 0).all()
    assert not list((tmp_path / "run" / "checkpoints").rglob("*.pt"))


def test_lines_of_a_text_file_that_states_facts_alone(tmp_path, own):
    """No held-out text: what pruning does to it is not measured, everything else is."""
    lines = [
        json.loads(line)["text"]
        for line in Path(own.corpus).read_text().splitlines()
        if "has" in line
    ]
    (tmp_path / "text.txt").write_text("\n".join(lines))
    pd.read_csv(own.facts, dtype=str).to_parquet(tmp_path / "facts.parquet")
    changed = {"corpus": str(tmp_path / "text.txt"), "facts": str(tmp_path / "facts.parquet")}
    found = road(tmp_path / "run", own.model_copy(update=changed))
    assert found["rules"].empty
    assert found["accuracy"]["rules"].isna().all()
    memories = found["accuracy"].groupby("memory")["facts"].mean()
    assert memories["all"] > memories["nothing"]
    with pytest.raises(KeyError, match="rules, own text"):
        statistics.memory_keeps_rules(found)
    assert set(statistics.prune_helps(found)) == {"own text"}
    for name in figures.FIGURES:
        render("chain", name, found)


def test_what_a_text_of_ones_own_must_have(tmp_path, own):
    from rote.papers.chain import own as module

    tokenizer = sequences.tokenizer_of(own)
    pd.DataFrame({"key": ["nowhere"], "value": ["7"]}).to_csv(tmp_path / "other.csv", index=False)
    with pytest.raises(InputError, match=r"no fact of .*other.csv is stated"):
        module.make(own.model_copy(update={"facts": str(tmp_path / "other.csv")}), tokenizer, 1, 0)
    pd.DataFrame({"key": ["a", "a"], "value": ["1", "2"]}).to_csv(
        tmp_path / "twice.csv", index=False
    )
    with pytest.raises(InputError, match="two values for 'a'"):
        module.make(own.model_copy(update={"facts": str(tmp_path / "twice.csv")}), tokenizer, 1, 0)
