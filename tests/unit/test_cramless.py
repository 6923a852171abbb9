"""Facts and the networks that cram them: data, order, training, resume, tables, statistics."""

import numpy as np
import pandas as pd
import pytest
import torch
from rote import train
from rote.core import tables
from rote.core.errors import InputError
from rote.core.seeds import generator
from rote.models import lm
from rote.papers.cramless import arms, experiment, schema, settings, statistics
from rote.synth import facts as synth

SMALL = settings.Settings(
    facts=settings.Facts(
        uniform=[40, 60, 120, 160], skewed=80, copies=200, exponents=[1.0], replicates=2
    ),
    training=settings.Training(
        width=8, ladder=[12], pruned_ladder=[12], steps=20, batch=32, candidates=64, longer=2
    ),
)


def rng(*key):
    return generator(0, "test facts", *key)


def test_facts_are_what_they_say():
    made = synth.make(500, rng(), exponent=1.0, copies=4000)
    assert len({tuple(key) for key in made.keys}) == 500
    assert made.bits == pytest.approx(2 * np.log2(100))
    assert made.counts.sum() == 4000
    assert (np.diff(made.frequencies) < 0).all()
    assert made.frequencies.sum() == pytest.approx(1)
    expected = 4000 * made.frequencies
    chi = ((made.counts - expected) ** 2 / expected).sum()
    assert abs(chi - 499) < 6 * np.sqrt(2 * 499)
    values = made.values - made.key_symbols
    assert values.min() >= 0
    assert values.max() < 100
    about = made.metadata()
    assert about["bits"] == pytest.approx((made.counts > 0).sum() * made.bits)
    assert about["copies"] == 4000
    uniform = synth.make(50, rng("u"), value_symbols=10, value_tokens=4)
    assert uniform.bits == pytest.approx(4 * np.log2(10))
    assert (uniform.counts == 1).all()


def test_values_are_uniform_and_independent_of_keys():
    made = synth.make(9000, rng("big"))
    counts = np.bincount((made.values - made.key_symbols).ravel(), minlength=100)
    assert abs(((counts - 180) ** 2 / 180).sum() - 99) < 6 * np.sqrt(2 * 99)
    assert abs(np.corrcoef(made.keys[:, 0], made.values[:, 0])[0, 1]) < 0.05


def test_sentences_hold_each_copy_once_and_nothing_more():
    made = synth.make(30, rng("text"), exponent=1.0, copies=100)
    frame = synth.sentences(made, rng("order"))
    np.testing.assert_array_equal(np.bincount(frame["fact"], minlength=30), made.counts)
    for row in frame.itertuples():
        assert synth.key_text(made, row.fact) in row.text
        assert synth.value_text(made, row.fact) in row.text
    keys = {synth.key_text(made, row) for row in range(30)}
    assert len(keys) == 30
    assert all(len(synth.value_text(made, row)) == 4 for row in range(30))


def test_names_of_keys_are_distinct():
    made = synth.make(96 * 96, rng("all"))
    assert len({synth.key_text(made, row) for row in range(96 * 96)}) == 96 * 96


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ({"n_facts": 0}, "n_facts must be at least 1"),
        ({"n_facts": 10, "key_symbols": 3, "key_tokens": 2}, "3 symbols in 2 tokens give 9"),
        ({"n_facts": 10, "value_symbols": 1}, "value_symbols must be at least 2"),
        ({"n_facts": 10, "exponent": -1.0}, "exponent must be finite and ≥ 0"),
        ({"n_facts": 10, "copies": 0}, "copies must be at least 1"),
    ],
)
def test_impossible_facts_are_refused(options, wanted):
    with pytest.raises(InputError, match=wanted):
        synth.make(rng=rng(), **options)


def test_templates_must_name_key_and_value():
    with pytest.raises(InputError, match=r"must name \{key\} and \{value\}"):
        synth.sentences(synth.make(3, rng()), rng(), ["{key} is known."])
    with pytest.raises(InputError, match="templates is empty"):
        synth.sentences(synth.make(3, rng()), rng(), [])


def test_every_position_of_an_order_can_be_asked_for():
    order = train.EpochSampler(np.array([2, 0, 3]), 1, "test order")
    whole = np.concatenate([order.take(at, 1) for at in range(15)])
    np.testing.assert_array_equal(order.take(0, 15), whole)
    np.testing.assert_array_equal(order.take(4, 7), whole[4:11])
    for epoch in range(3):
        assert sorted(whole[5 * epoch : 5 * epoch + 5]) == [0, 0, 2, 2, 2]


@pytest.fixture(scope="module")
def known():
    return experiment.synthesize(SMALL.facts, 1)


def arm_of(scheme: str, data: str = "power 1") -> arms.Arm:
    return next(
        a
        for a in arms.arms(SMALL.facts, SMALL.training)
        if a.scheme == scheme and a.data.name == data
    )


def test_facts_survive_their_table(known):
    tables.check(known, schema.FactsTable)
    data = arm_of("none").data
    for read, made in zip(
        experiment.read(SMALL.facts, known, data),
        (experiment.make(SMALL.facts, data, r, 1) for r in range(2)),
        strict=True,
    ):
        np.testing.assert_array_equal(read.tokens, made.tokens)
        np.testing.assert_array_equal(read.counts, made.counts)
    with pytest.raises(InputError, match="hold no data set 'uniform 7'"):
        experiment.read(SMALL.facts, known, arms.Data("uniform 7", 7, 0.0, None))


def run_arm(known, scheme, **options):
    arm = arm_of(scheme)
    sets = experiment.read(SMALL.facts, known, arm.data)
    return experiment.train_arm(
        arm, sets, [made.counts for made in sets], SMALL.training, 1, **options
    )


@pytest.mark.parametrize("scheme", ["none", "auto", "auto-flat", "low", "low-flat"])
def test_training_makes_its_tables(known, scheme):
    for frame, model in zip(
        run_arm(known, scheme), (schema.Trained, schema.Runs, schema.Shares), strict=True
    ):
        tables.check(frame.reset_index(drop=True), model)


@pytest.mark.parametrize("scheme", ["none", "auto"])
def test_interrupted_training_gives_the_same_tables(known, scheme, tmp_path, monkeypatch):
    whole, file = run_arm(known, scheme), tmp_path / "arm.pt"
    real, calls = lm.value_losses, []

    def stops(*arguments):
        calls.append(1)
        if len(calls) == 18:
            raise KeyboardInterrupt
        return real(*arguments)

    monkeypatch.setattr(lm, "value_losses", stops)
    with pytest.raises(KeyboardInterrupt):
        run_arm(known, scheme, checkpoint=file, every=5)
    monkeypatch.setattr(lm, "value_losses", real)
    assert file.exists()
    for a, b in zip(run_arm(known, scheme, checkpoint=file, every=5), whole, strict=True):
        pd.testing.assert_frame_equal(a, b)


def test_a_loss_that_is_no_number_stops_with_step_and_fact(known, monkeypatch):
    real, calls = lm.value_losses, []

    def breaks(*arguments):
        calls.append(1)
        found = real(*arguments).clone()
        if len(calls) == 7:  # two steps without selection, then two evaluations per step
            found[1, 3] = float("nan")
        return found

    monkeypatch.setattr(lm, "value_losses", breaks)
    with pytest.raises(
        FloatingPointError, match=r"power 1, auto.*loss of fact \d+ of replicate 1 is nan at step 4"
    ):
        run_arm(known, "auto")


def test_a_network_with_room_learns_everything_and_the_controller_lets_it():
    facts = settings.Facts(
        uniform=[20, 30, 40], skewed=30, copies=60, exponents=[1.0], replicates=2
    )
    training = settings.Training(width=16, steps=400, batch=64, candidates=64, warmup=20)
    data = arms.data_sets(facts)[0]
    sets = [experiment.make(facts, data, r, 1) for r in range(2)]
    for scheme in ("none", "auto"):
        arm = arms.Arm("test", data, scheme, 16, 400)
        _, runs, shares = experiment.train_arm(
            arm, sets, [made.counts for made in sets], training, 1
        )
        assert (runs["recited"] == 20).all()
        assert shares.groupby("replicate")["share"].last().tolist() == pytest.approx([1.0, 1.0])


def test_recited_means_greedy_decoding_gives_the_value():
    made = synth.make(50, rng("greedy"), value_symbols=4, value_tokens=3)
    transformer = lm.Transformer("decoder", made.vocabulary, 4, 8, 1, 1)
    stack = lm.build(transformer, [np.random.default_rng(0)])
    table = torch.tensor(made.tokens)[None]
    _, recited = experiment.evaluate(stack, stack.parameters, table, 1, made.key_symbols, block=16)
    for row in range(50):
        tokens = list(made.keys[row])
        for _ in range(3):
            logits = stack.forward(stack.parameters, torch.tensor([[tokens]]))[
                0, 0, -1, made.key_symbols :
            ]
            tokens.append(made.key_symbols + int(logits.argmax()))
        assert recited[0, row] == (tokens[2:] == list(made.values[row]))


def test_offline_selections_are_as_large_as_what_fits(known):
    trained = run_arm(known, "none")[0]
    pruned = experiment.prune_offline(SMALL.facts, trained, 1)
    tables.check(pruned, schema.Pruned)
    kept = pruned[pruned["count"] > 0].groupby(["data", "replicate", "scheme"]).size().unstack()
    for _, sizes in kept.iterrows():
        assert sizes.dropna().nunique() == 1
    flat = pruned[(pruned["scheme"] == "automatic") & (pruned["count"] > 0)]
    assert (flat["count"] == 1).all()
    counts = experiment.counts_of(pruned, arm_of("offline random"))
    assert len(counts) == 2


def test_schedule_rises_and_falls():
    factor = train.cosine(100, warmup=10, floor=0.02)
    rates = [factor(step) for step in range(100)]
    assert rates[0] == pytest.approx(0.1, rel=0.01)
    assert max(rates) == pytest.approx(1, abs=0.05)
    assert rates[-1] == pytest.approx(0.02, abs=0.001)


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        ({"uniform": [3, 2, 5]}, "uniform must be ascending"),
        ({"exponents": [0.5]}, "exponents must hold 1.0"),
        ({"uniform": [2, 3]}, "at least 3"),
    ],
)
def test_unusable_settings_are_refused(values, wanted):
    with pytest.raises(ValueError, match=wanted):
        settings.Facts(**values)


def test_statistics_name_the_arms_they_miss(known):
    runs = run_arm(known, "none")[1].assign(group="standard")
    more = runs.assign(data="uniform 40", exponent=0.0, facts=40)
    again = runs.assign(data="uniform 60", exponent=0.0, facts=60)
    held = {"runs": pd.concat([runs, more, again])}
    assert statistics.base(held)["crowded"] == "uniform 40"
    with pytest.raises(KeyError, match="arm power 1, auto"):
        statistics.gain_at_one(held)
