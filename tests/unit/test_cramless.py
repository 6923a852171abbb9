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
from rote.papers.cramless import arms, data, pruning, runs, schema, settings, statistics, training
from rote.synth import facts as synth

SMALL = settings.Settings(
    facts=settings.CramlessFacts(
        uniform=[40, 60, 120, 160],
        skewed=80,
        copies=200,
        smaller=[50],
        exponents=[1.0],
        replicates=2,
    ),
    training=settings.CramlessTraining(
        width=8, ladder=[12], pruned_ladder=[12], steps=20, batch=32, candidates=64, longer=[2]
    ),
)


def rng(*key):
    return generator(0, "test facts", *key)


def test_make_gives_facts_with_the_stated_keys_counts_and_bits():
    facts = synth.make(500, rng(), exponent=1.0, copies=4000)
    assert len({tuple(key) for key in facts.keys}) == 500
    assert facts.bits == pytest.approx(2 * np.log2(100))
    assert facts.counts.sum() == 4000
    assert (np.diff(facts.frequencies) < 0).all()
    assert facts.frequencies.sum() == pytest.approx(1)
    expected = 4000 * facts.frequencies
    chi = ((facts.counts - expected) ** 2 / expected).sum()
    assert abs(chi - 499) < 6 * np.sqrt(2 * 499)
    values = facts.values - facts.key_symbols
    assert values.min() >= 0
    assert values.max() < 100
    uniform = synth.make(50, rng("u"), synth.FactForm(value_symbols=10, value_tokens=4))
    assert uniform.bits == pytest.approx(4 * np.log2(10))
    assert (uniform.counts == 1).all()


def test_fact_values_are_uniform_and_independent_of_keys():
    facts = synth.make(9000, rng("big"))
    counts = np.bincount((facts.values - facts.key_symbols).ravel(), minlength=100)
    assert abs(((counts - 180) ** 2 / 180).sum() - 99) < 6 * np.sqrt(2 * 99)
    assert abs(np.corrcoef(facts.keys[:, 0], facts.values[:, 0])[0, 1]) < 0.05


def test_sentences_hold_each_copy_once_and_nothing_more():
    facts = synth.make(30, rng("text"), exponent=1.0, copies=100)
    frame = synth.sentences(facts, rng("order"))
    np.testing.assert_array_equal(np.bincount(frame["fact"], minlength=30), facts.counts)
    for row in frame.itertuples():
        assert synth.key_text(facts, row.fact) in row.text
        assert synth.value_text(facts, row.fact) in row.text
    keys = {synth.key_text(facts, row) for row in range(30)}
    assert len(keys) == 30
    assert all(len(synth.value_text(facts, row)) == 4 for row in range(30))


def test_key_text_is_distinct_for_every_key():
    facts = synth.make(96 * 96, rng("all"))
    assert len({synth.key_text(facts, row) for row in range(96 * 96)}) == 96 * 96


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_facts": 0}, "n_facts must be at least 1"),
        ({"n_facts": 10, "form": synth.FactForm(3, 2)}, "3 symbols in 2 tokens give 9"),
        ({"n_facts": 10, "exponent": -1.0}, "exponent must be finite and ≥ 0"),
        ({"n_facts": 10, "copies": 0}, "copies must be at least 1"),
    ],
)
def test_make_refuses_impossible_facts(options, message):
    with pytest.raises(InputError, match=message):
        synth.make(rng=rng(), **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"value_symbols": 1}, "value_symbols must be a whole number ≥ 2, given 1"),
        ({"key_tokens": 0}, "key_tokens must be a whole number ≥ 1, given 0"),
        ({"key_symbols": float("nan")}, "key_symbols must be a whole number ≥ 1, given nan"),
        ({"value_tokens": "2"}, "value_tokens must be a whole number ≥ 1, given '2'"),
    ],
)
def test_fact_form_refuses_empty_keys_and_values(options, message):
    with pytest.raises(InputError, match=message):
        synth.FactForm(**options)


def test_sentences_refuse_templates_without_key_and_value():
    with pytest.raises(InputError, match=r"must name \{key\} and \{value\}"):
        synth.sentences(synth.make(3, rng()), rng(), ["{key} is known."])
    with pytest.raises(InputError, match="templates is empty"):
        synth.sentences(synth.make(3, rng()), rng(), [])


def test_epoch_sampler_can_start_at_every_position():
    order = train.EpochSampler(np.array([2, 0, 3]), 1, "test order")
    examples = np.concatenate([order.batch(at, 1) for at in range(15)])
    np.testing.assert_array_equal(order.batch(0, 15), examples)
    np.testing.assert_array_equal(order.batch(4, 7), examples[4:11])
    for epoch in range(3):
        assert sorted(examples[5 * epoch : 5 * epoch + 5]) == [0, 0, 2, 2, 2]


@pytest.fixture(scope="module")
def fact_sets():
    return data.synthesize(SMALL.facts, 1)


def arm_of(scheme: str, data_set: str = "power 1") -> arms.FactArm:
    for group in arms.GROUPS:
        for arm in arms.arms_of(group, SMALL.facts, SMALL.training):
            if (arm.scheme.name, arm.data.name) == (scheme, data_set):
                return arm
    raise LookupError(scheme)


def test_arms_cover_every_scheme_and_have_names_of_their_own():
    group_arms = []
    for group in arms.GROUPS:
        group_arms += arms.arms_of(group, SMALL.facts, SMALL.training)
    assert {arm.scheme.name for arm in group_arms} == set(arms.SCHEMES)
    assert len({arm.name for arm in group_arms}) == len(group_arms)


def test_arms_refuse_unknown_groups_and_schemes_with_what_is_allowed():
    with pytest.raises(InputError, match=r"--group must be one of standard, .*given 'best'"):
        arms.arms_of("best", SMALL.facts, SMALL.training)
    with pytest.raises(
        InputError, match="--size must be small or large, --scheme one of none, auto"
    ):
        arms.text_arm("small", "low")


def test_train_group_needs_the_table_of_the_pruned_group(fact_sets):
    with pytest.raises(InputError, match="--group pruned needs --pruned"):
        training.train_group("pruned", SMALL, fact_sets, None, training.CramlessJob(1))
    with pytest.raises(InputError, match="--group ladder needs --tuned, the runs of"):
        training.train_group("ladder", SMALL, fact_sets, None, training.CramlessJob(1))


def test_best_rate_of_a_width_stores_the_most_bits():
    rows = [(8, 0.1, 10), (8, 0.2, 30), (8, 0.2, 10), (8, 0.1, 20), (12, 0.1, 9), (12, 0.2, 1)]
    tuned = pd.DataFrame(rows, columns=["width", "learning_rate", "stored"])
    assert training.best_rates(tuned) == {8: 0.2, 12: 0.1}


def test_ladder_takes_its_rates_and_holds_the_base_width():
    group = arms.arms_of("ladder", SMALL.facts, SMALL.training, {8: 0.3, 12: 0.4})
    rates = {arm.width: arm.rate for arm in group if arm.scheme is arms.STANDARD}
    assert rates == {8: 0.3, 12: 0.4}
    assert {arm.width for arm in group if arm.scheme is arms.AUTOMATIC} == {12}
    with pytest.raises(ValueError, match="it must hold tuning"):
        settings.CramlessTraining(groups=["standard", "ladder"])


def test_draws_by_weight_are_as_frequent_as_the_weights():
    weights = torch.tensor([[0.0, 1.0, 3.0, 0.0, 4.0, 0.0]])
    rng = np.random.default_rng(0)
    places = torch.tensor(rng.random((1, 8000)))
    counts = torch.bincount(training._by_weight(weights, places)[0], minlength=6)
    assert counts.tolist() == [0, 1000, 3000, 0, 4000, 0]  # one draw per part of the sum
    edges = torch.tensor([[0.0, np.nextafter(1.0, 0.0)]], dtype=torch.float64)
    assert training._by_weight(weights, edges).tolist() == [[1, 4]]


def test_fact_sets_survive_their_table(fact_sets):
    tables.check(fact_sets, schema.FactSetRows)
    data_set = arm_of("none").data
    for reread, facts in zip(
        data.read(SMALL.facts, fact_sets, data_set),
        (data.make(SMALL.facts, data_set, r, 1) for r in range(2)),
        strict=True,
    ):
        np.testing.assert_array_equal(reread.tokens, facts.tokens)
        np.testing.assert_array_equal(reread.counts, facts.counts)
    with pytest.raises(InputError, match="hold no data set 'uniform 7'"):
        data.read(SMALL.facts, fact_sets, arms.FactDataSet("uniform 7", 7, 0.0, None))


def run_arm(fact_sets, scheme, **options):
    arm = arm_of(scheme)
    replicates = data.read(SMALL.facts, fact_sets, arm.data)
    job = training.CramlessJob(1, **options)
    return training.train_arm(arm, replicates, None, SMALL.training, job)


@pytest.mark.parametrize(
    "scheme", ["none", "auto", "auto-flat", "auto-epoch", "low", "low-flat", "high"]
)
def test_train_arm_makes_its_tables(fact_sets, scheme):
    for name, frame in run_arm(fact_sets, scheme)._asdict().items():
        tables.check(frame.reset_index(drop=True), schema.TABLES[name])


@pytest.mark.parametrize("scheme", ["none", "auto", "auto-epoch"])
def test_train_arm_resumes_to_the_same_tables(fact_sets, scheme, tmp_path, monkeypatch):
    uninterrupted = run_arm(fact_sets, scheme)
    value_losses = lm.value_losses
    calls = []

    def stops(*arguments):
        calls.append(1)
        if len(calls) == 18:
            raise KeyboardInterrupt
        return value_losses(*arguments)

    monkeypatch.setattr(lm, "value_losses", stops)
    checkpoints = {"checkpoints": tmp_path, "checkpoint_steps": 5}
    with pytest.raises(KeyboardInterrupt):
        run_arm(fact_sets, scheme, **checkpoints)
    monkeypatch.setattr(lm, "value_losses", value_losses)
    assert len(list(tmp_path.glob("*.pt"))) == 1
    for a, b in zip(run_arm(fact_sets, scheme, **checkpoints), uninterrupted, strict=True):
        pd.testing.assert_frame_equal(a, b)


def test_train_arm_stops_at_a_loss_that_is_no_number_with_step_and_fact(fact_sets, monkeypatch):
    value_losses = lm.value_losses
    calls = []

    def breaks(*arguments):
        calls.append(1)
        losses = value_losses(*arguments).clone()
        if len(calls) == 7:  # two steps without selection, then two evaluations per step
            losses[1, 3] = float("nan")
        return losses

    monkeypatch.setattr(lm, "value_losses", breaks)
    with pytest.raises(
        FloatingPointError, match=r"power 1, auto.*loss of fact \d+ of replicate 1 is nan at step 4"
    ):
        run_arm(fact_sets, "auto")


def test_train_arm_learns_all_facts_that_fit_with_and_without_selection():
    facts = settings.CramlessFacts(
        uniform=[20, 30, 40], skewed=30, copies=60, exponents=[1.0], replicates=2
    )
    options = settings.CramlessTraining(width=16, steps=400, batch=64, candidates=64, warmup=20)
    data_set = arms.data_sets(facts)[0]
    replicates = [data.make(facts, data_set, r, 1) for r in range(2)]
    for scheme in (arms.STANDARD, arms.AUTOMATIC, arms.AUTOMATIC_EPOCH):
        arm = arms.FactArm("test", data_set, scheme, 16, 400)
        result = training.train_arm(arm, replicates, None, options, training.CramlessJob(1))
        assert (result.runs["recited"] == 20).all()
        last_shares = result.shares.groupby("replicate")["share"].last()
        assert last_shares.tolist() == pytest.approx([1.0, 1.0])


def test_evaluate_calls_recited_what_greedy_decoding_gives():
    facts = synth.make(50, rng("greedy"), synth.FactForm(value_symbols=4, value_tokens=3))
    stack = lm.build(
        lm.Transformer("decoder", facts.vocabulary, 4, 8, 1, 1), [np.random.default_rng(0)]
    )
    questions = training.FactTokens(torch.tensor(facts.tokens)[None], 1, facts.key_symbols)
    _, recited = training.evaluate(stack, stack.parameters, questions, block=16)
    for row in range(50):
        tokens = list(facts.keys[row])
        for _ in range(3):
            logits = stack.forward(stack.parameters, torch.tensor([[tokens]]))[
                0, 0, -1, facts.key_symbols :
            ]
            tokens.append(facts.key_symbols + int(logits.argmax()))
        assert recited[0, row] == (tokens[2:] == list(facts.values[row]))


def test_prune_offline_selects_as_many_facts_as_fit(fact_sets):
    result = run_arm(fact_sets, "none")
    pruned = pruning.prune_offline(SMALL.facts, result.trained, result.runs, 1)
    tables.check(pruned, schema.PrunedCounts)
    chosen = pruned[pruned["count"] > 0].groupby(["data", "replicate", "scheme"]).size().unstack()
    for _, sizes in chosen.iterrows():
        assert sizes.dropna().nunique() == 1
    automatic = pruned[(pruned["scheme"] == "automatic") & (pruned["count"] > 0)]
    assert (automatic["count"] == 1).all()
    uniform = result.runs.assign(exponent=0.0, data="uniform 80")
    random = pruning.prune_offline(SMALL.facts, result.trained, uniform, 1)
    assert set(random["scheme"]) == {"random"}
    counts = pruning.counts_of(pruned, arm_of("offline random"))
    assert len(counts) == 2


def test_cosine_schedule_rises_and_falls():
    factor = train.cosine(100, warmup=10, floor=0.02)
    rates = [factor(step) for step in range(100)]
    assert rates[0] == pytest.approx(0.1, rel=0.01)
    assert max(rates) == pytest.approx(1, abs=0.05)
    assert rates[-1] == pytest.approx(0.02, abs=0.001)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"uniform": [3, 2, 5]}, "uniform must be ascending"),
        ({"exponents": [0.5]}, "exponents must hold 1.0"),
        ({"uniform": [2, 3]}, "at least 3"),
    ],
)
def test_fact_settings_refuse_unusable_values(values, message):
    with pytest.raises(ValueError, match=message):
        settings.CramlessFacts(**values)


def test_statistics_name_the_arms_they_miss(fact_sets):
    skewed = run_arm(fact_sets, "none").runs.assign(group="standard")
    uniform = [
        skewed.assign(data=f"uniform {facts}", exponent=0.0, facts=facts) for facts in (40, 60, 120)
    ]
    frames = {"runs": pd.concat([skewed, *uniform])}
    assert runs.base_network(frames).crowded == ["uniform 120"]
    with pytest.raises(KeyError, match="arm power 1, auto"):
        statistics.gain_powerlaw(frames)
