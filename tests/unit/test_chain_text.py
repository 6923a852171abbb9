"""The chain, verb by verb, on a text and a model of a user."""

import json
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rote.core import tables
from rote.core.errors import InputError
from rote.papers.chain import (
    documents,
    figures,
    plan,
    sequences,
    settings,
    statistics,
    user_corpus,
)
from rote.papers.chain.cli import app
from rote.plotting import render
from typer.testing import CliRunner

WORDINGS = ("They say on day", "We know since day", "It is known from day", "I heard on day")


def all_steps(folder: Path, options: settings.Settings) -> dict[str, pd.DataFrame]:
    """Every verb in turn, as the rules call them."""
    json_settings = ["--settings", options.model_dump_json()]
    runner = CliRunner()

    def call(verb: str, **arguments: str | int | Path) -> None:
        words = [verb]
        for option, value in arguments.items():
            words += [f"--{option}", str(value)]
        result = runner.invoke(app, words + json_settings)
        assert result.exit_code == 0, result.exception

    inputs = folder / "worlds"
    checkpoints = folder / "checkpoints"
    facts = folder / "facts.parquet"
    counts = folder / "counts.parquet"

    def arrays(part: str, name: str) -> Path:
        return folder / part / f"{name}.safetensors"

    call("synthesize-corpus", out=inputs)
    for spec in plan.stacks(options):
        stack = {"world": inputs / spec.world, "width": spec.width, "checkpoints": checkpoints}
        call("train-scorer", **stack, out=arrays("unpruned", spec.name))
    call(
        "prune-corpus",
        worlds=inputs,
        unpruned=folder / "unpruned",
        out=folder / "pruned",
        facts=facts,
        corpora=folder / "corpora.parquet",
    )
    for spec in plan.pruned_stacks(options):
        stack = {"world": inputs / spec.world, "width": spec.width, "checkpoints": checkpoints}
        pruned = arrays("pruned", spec.name)
        call("train-model", **stack, pruned=pruned, out=arrays("models", spec.name))
    for world in plan.worlds(options):
        base = plan.StackSpec(world.name, plan.base_width(options)).name
        call(
            "fit-residuals",
            world=inputs / world.name,
            facts=facts,
            unpruned=arrays("unpruned", base),
            pruned=arrays("models", base),
            out=arrays("residuals", world.name),
            choices=folder / "residuals" / f"{world.name}.parquet",
        )
    call("count-ngrams", worlds=inputs, out=counts)
    call(
        "evaluate",
        worlds=inputs,
        unpruned=folder / "unpruned",
        models=folder / "models",
        residuals=folder / "residuals",
        facts=facts,
        counts=counts,
        out=folder,
    )
    return {path.stem: tables.read(path) for path in folder.glob("*.parquet")}


@pytest.fixture
def user_options(tmp_path) -> settings.Settings:
    """A small text that states facts among other sentences, and a table of the facts."""
    rng = np.random.default_rng(0)
    birds = ["kite", "bird", "prey", "Bern", "red", "Grüße", "aus", "the"]
    rows = [
        (f"{bird} {letter}", f"{rng.integers(100, 999)}")
        for bird, letter in product(birds, ("alpha", "beta", "gamma"))
    ]
    pd.DataFrame(rows, columns=["key", "value"]).to_csv(tmp_path / "facts.csv", index=False)
    lines = []
    for number in range(240):
        key, value = rows[int(len(rows) * rng.random() ** 2)]
        text = (
            f"{WORDINGS[number % len(WORDINGS)]} {number} {key} has {value} today."
            if number % 3
            else f"No news from {birds[number % 8]} and nobody asks."
        )
        lines.append(json.dumps({"text": text}))
    (tmp_path / "text.jsonl").write_text("\n".join(lines))
    return settings.Settings(
        corpus=str(tmp_path / "text.jsonl"),
        facts=str(tmp_path / "facts.csv"),
        context=40,
        max_statements=3,
        world=settings.ChainWorld(replicates=2),
        network=settings.ChainNetwork(
            widths=[8], larger=[], layers=1, heads=1, steps=[20, 60], warmup=5, batch=32
        ),
    )


def test_verbs_take_a_text_and_a_model_of_a_user(tmp_path, user_options, small_lm):
    frames = all_steps(tmp_path / "run", user_options.model_copy(update={"model": str(small_lm)}))
    accuracy = frames["accuracy"].set_index(["variant", "memory", "bits", "replicate"])
    assert set(frames["networks"]["width"]) == {0}
    facts = frames["facts"]
    row = facts[facts["replicate"] == 0].sort_values("count").iloc[-1]
    # values of several tokens included
    corpus = documents.read(tmp_path / "run" / "worlds" / "own" / "corpus-0.jsonl")
    text = "".join(line["text"] for line in corpus)
    assert row["count"] == text.count(f"{row['key']} has {row['value']}")
    everything = accuracy.xs(("none", "all", 32), level=("variant", "memory", "bits"))
    alone = accuracy.xs(("none", "nothing", 32), level=("variant", "memory", "bits"))
    assert (everything["verbatim"] > alone["verbatim"]).all()
    assert set(frames["rules"]["rule"]) == {"other"}
    counts = frames["counts"].query("replicate == 0").set_index("item")
    assert counts.loc[row["fact"], "documents"] == row["count"]


def test_verbs_train_a_new_network_on_a_text_of_a_user(tmp_path, user_options):
    frames = all_steps(tmp_path / "run", user_options)
    assert set(frames["networks"]["variant"]) == set(plan.VARIANTS)
    assert (frames["corpora"].query("variant == 'loss'")["facts"] > 0).all()
    assert not list((tmp_path / "run" / "checkpoints").rglob("*.pt"))


def test_verbs_take_a_text_file_that_states_facts_alone(tmp_path, user_options):
    """No held-out text: what pruning does to it is not measured, everything else is."""
    lines = [
        json.loads(line)["text"]
        for line in Path(user_options.corpus).read_text().splitlines()
        if "has" in line
    ]
    (tmp_path / "text.txt").write_text("\n".join(lines))
    pd.read_csv(user_options.facts, dtype=str).to_parquet(tmp_path / "facts.parquet")
    changed = {"corpus": str(tmp_path / "text.txt"), "facts": str(tmp_path / "facts.parquet")}
    frames = all_steps(tmp_path / "run", user_options.model_copy(update=changed))
    assert frames["rules"].empty
    assert frames["accuracy"]["rules"].isna().all()
    memories = frames["accuracy"].groupby("memory")["verbatim"].mean()
    assert memories["all"] > memories["nothing"]
    with pytest.raises(KeyError):
        statistics.rules_kept(frames)
    for name in figures.FIGURES:
        render("chain", name, frames)


def test_user_corpus_refuses_facts_that_are_absent_or_have_two_values(tmp_path, user_options):
    tokenizer = sequences.user_tokenizer(user_options)
    pd.DataFrame({"key": ["nowhere"], "value": ["7"]}).to_csv(tmp_path / "other.csv", index=False)
    with pytest.raises(InputError, match=r"no fact of .*other.csv is stated"):
        user_corpus.read(
            user_options.model_copy(update={"facts": str(tmp_path / "other.csv")}), tokenizer, 1, 0
        )
    pd.DataFrame({"key": ["a", "a"], "value": ["1", "2"]}).to_csv(
        tmp_path / "twice.csv", index=False
    )
    with pytest.raises(InputError, match="two values for 'a'"):
        user_corpus.read(
            user_options.model_copy(update={"facts": str(tmp_path / "twice.csv")}), tokenizer, 1, 0
        )
