"""ResMem's claims: their statistics on small tables, where they are true and where false."""

from itertools import product

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT
from rote.ledger import Sample, audit, criterion, evaluate, load
from rote.ledger.intervals import interval
from rote.ledger.nulls import apply
from rote.papers.resmem import evaluation, linear, nulls, sections, statistics, tasks, training
from rote.papers.resmem.measures import FLIPS
from rote.papers.resmem.settings import Settings
from rote.papers.resmem.statistics.samples import change, pooled_difference, resplit, trained
from rote.papers.resmem.task import INPUTS, LAST, MAP, MemorySpec
from rote.papers.resmem.tasks.digits import ResmemDigits
from rote.theory import lookup
from scipy import stats

CLAIMS = {claim.id: claim for claim in load(ROOT / "workflow/claims/resmem.yaml")}
REPLICATES = 8
NOISE = np.linspace(-0.004, 0.004, REPLICATES)


def false(name, null, tables):
    """Tables of a claim's null, moved by the claim's tolerance where that is what it takes."""
    tolerance = criterion(CLAIMS[f"resmem.{name}"].criterion_at("full")).tolerance
    return apply(null, tables, np.random.default_rng(0), tolerance)


def verdicts(name, tables):
    """The verdict of a claim by condition."""
    ledger = evaluate([CLAIMS[f"resmem.{name}"]], tables)
    return ledger.set_index("condition")["verdict"].to_dict()


# ---- the linear model


def risks(norms=(0.0, 0.5), dimensions=(3, 5, 8)):
    """Risks as the closed forms say, with some scatter."""
    rows = []
    sizes = (300, 1000, 3000, 30_000)
    for d, norm, n, replicate in product(dimensions, norms, sizes, range(REPLICATES)):
        scatter = 1 + NOISE[replicate] * np.log10(n)
        risk = {
            "base": lookup.plateau(d, norm) * scatter,
            "nearest": float(lookup.leading(n, d, 0.0)) * scatter,
            "resmem": float(lookup.leading(n, d, norm)) * scatter * (1 + 0.01 * NOISE[replicate]),
        }
        about = {"dimension": d, "norm": norm, "examples": n, "replicate": replicate}
        rows.append(about | risk)
    return {"risks": pd.DataFrame(rows)}


def test_ratio_to_the_nearest_label_leaves_out_a_base_of_norm_zero():
    tables = risks()
    assert set(verdicts("over_nearest", tables)) == {"L = 0.5, n = 3,000", "L = 0.5, n = 30,000"}
    assert set(verdicts("over_nearest", tables).values()) == {"reproduced"}
    wrong = false("over_nearest", nulls.risk_off, tables)
    assert set(verdicts("over_nearest", wrong).values()) == {"contradicted"}


def test_resmem_is_the_nearest_label_under_a_base_of_norm_zero():
    options = sections.ResmemTheory(
        dimensions=[3, 5], sizes=[30, 100, 300, 1000], norms=[0.0, 0.5], replicates=2, test=200
    )
    rows = linear.risks(options, 1).query("norm == 0")
    assert len(rows) == 2
    np.testing.assert_array_equal(rows["resmem"], rows["nearest"])


@pytest.mark.parametrize(
    ("name", "null"),
    [
        ("plateau", nulls.base_learns_all),
        ("plateau", nulls.plateau_off),
        ("base_slope", nulls.base_learns_all),
        ("base_slope", nulls.base_falls),
        ("rate", nulls.slower_rate),
        ("rate", nulls.rate_off),
        ("leading_low", nulls.risk_off),
        ("leading_five", nulls.risk_off),
        ("leading_eight", nulls.risk_off),
    ],
)
def test_claims_on_risks_follow_the_closed_forms(name, null):
    tables = risks(norms=(0.5,))
    assert set(verdicts(name, tables).values()) == {"reproduced"}
    assert set(verdicts(name, false(name, null, tables)).values()) == {"contradicted"}


def test_plateau_is_judged_at_every_dimension_and_large_size():
    conditions = verdicts("plateau", risks(norms=(0.5,)))
    assert len(conditions) == 3 * 3
    assert "d = 8, n = 1,000" in conditions


def test_risk_that_does_not_fall_is_slower_than_the_bound_at_every_dimension():
    tables = risks(norms=(0.5,))
    assert verdicts("falls_as_bound", tables) == dict.fromkeys(
        ("d = 3", "d = 5", "d = 8"), "reproduced"
    )
    flat = nulls.memory_adds_nothing(tables)
    assert set(verdicts("falls_as_bound", flat).values()) == {"contradicted"}


def test_cost_of_noise_is_judged_at_every_noise_and_large_size():
    rows = []
    cells = product((300, 3000, 30_000), (0.0, 0.1, 1.0), (0, 1, 3), range(REPLICATES))
    for n, tau, k, replicate in cells:
        risk = 0.01 + (tau**2 / k if k else 0.1) * (1 + NOISE[replicate])
        about = {"examples": n, "noise": tau, "k": k, "replicate": replicate}
        rows.append(about | {"risk": risk})
    tables = {"noisy": pd.DataFrame(rows)}
    assert len(verdicts("noise_cost", tables)) == 4
    assert set(verdicts("noise_cost", tables).values()) == {"reproduced"}
    for null in (nulls.noise_averaged, nulls.cost_off):
        wrong = false("noise_cost", null, tables)
        assert set(verdicts("noise_cost", wrong).values()) == {"contradicted"}


def test_risks_are_compared_with_a_base_that_has_learnt_something():
    """One neighbor costs the noise, a hundred a hundredth of it; the base has 0.15."""
    rows = []
    for tau, k, replicate in product((0.3, 0.5), (0, 1, 100), range(REPLICATES)):
        risk = (0.002 + tau**2 / k if k else 0.15) * (1 + NOISE[replicate] * (1 + k))
        about = {"examples": 30_000, "noise": tau, "k": k, "replicate": replicate}
        rows.append(about | {"risk": risk})
    tables = {"noisy": pd.DataFrame(rows)}
    for name in ("crossover_below", "crossover_above", "averaging"):
        assert set(verdicts(name, tables).values()) == {"reproduced"}
        assert set(verdicts(name, nulls.base_predicts_zero(tables)).values()) == {"not run"}


# ---- tasks


def memories(name, features, accuracies):
    """Tables of one task's memories: `accuracies(arm)` gives base, kNN and ResMem."""
    task = tasks.get(name)
    rows, flips = [], []
    arms = enumerate(task.arms(getattr(Settings(), name)))
    for (number, arm), replicate in product(arms, range(REPLICATES)):
        memory = MemorySpec(arm, features, arm.examples, replicate).columns(task)
        values = dict(zip(("base", "knn", "resmem"), accuracies(arm), strict=True))
        values["resmem"] += NOISE[(replicate - 3 * number) % REPLICATES]
        rows.append(memory | values | {"pool": 2000})
        for reference, partition in FLIPS.items():
            gain = values["resmem"] - values[reference]
            for part, share in (("fixed", max(gain, 0) + 0.01), ("broken", max(-gain, 0) + 0.01)):
                flips.append(
                    memory | values | {"partition": partition, "part": part, "share": share}
                )
    return {"accuracy": pd.DataFrame(rows), "parts": pd.DataFrame(flips)}


def test_shared_test_examples_widen_the_interval_of_a_gain():
    tables = memories("digits", INPUTS, lambda arm: (0.9, 0.95, 0.95))
    sample = statistics.digits_linear(tables)
    fixed, broken = 0.06 + NOISE, 0.01
    # the gain of one example is +1, -1 or 0
    variance = (fixed + broken - (fixed - broken) ** 2).mean() / 2000
    assert sample.shared_variance == pytest.approx(1e4 * variance)
    shared, alone = interval(sample), interval(sample.values)
    assert shared.high - shared.low > alone.high - alone.low
    assert set(verdicts("digits_linear", tables).values()) == {"reproduced"}
    assert set(verdicts("digits_linear", nulls.no_gain(tables)).values()) == {"inconclusive"}


def test_variance_of_a_gain_is_that_of_its_examples():
    """Where all replicates are tested on one set, as drawn anew."""
    rng = np.random.default_rng(0)
    examples = 400
    changes = rng.choice([1, -1, 0], p=[0.1, 0.03, 0.87], size=(3000, examples))
    fixed, broken = (changes == 1).mean(1), (changes == -1).mean(1)
    bound = (fixed + broken - (fixed - broken) ** 2).mean() / examples
    assert changes.mean(1).var() == pytest.approx(bound, rel=0.1)


def test_difference_of_gains_has_at_most_the_sum_of_their_deviations():
    difference = pooled_difference(Sample(np.full(3, 1.5), 4.0), Sample(np.ones(3), 9.0))
    assert difference.shared_variance == pytest.approx((2 + 3) ** 2)
    np.testing.assert_allclose(difference.values, 0.5)


def test_gain_that_is_a_loss_exceeds_no_other():
    np.testing.assert_array_equal(change(np.array([3.0, -1.0]), np.array([1.0, -5.0])), [2, -1])


@pytest.mark.parametrize("replicates", [8, 10, 20])
def test_interval_of_splits_is_no_narrower_than_the_corrected_t_test(replicates):
    values = np.random.default_rng(replicates).normal(size=replicates)
    estimate = interval(resplit(values, 0.125))
    corrected = np.sqrt(values.var(ddof=1) * (1 / replicates + 0.125))
    half = stats.t.ppf(0.975, replicates - 1) * corrected
    assert (estimate.high - estimate.low) / 2 >= half


def test_pool_counts_every_test_example_once():
    options = ResmemDigits(replicates=3)
    task = tasks.get("digits")
    datasets = training.samples(task, options, 1)
    pool = evaluation.distinct_queries(datasets)
    assert 497 < pool < 3 * 497
    assert evaluation.distinct_queries([datasets[0], datasets[0]]) == 497


def test_large_base_gains_less_than_half_of_what_the_linear_one_does():
    def accuracies(arm):
        return (0.9, 0.94, 0.94) if arm.units == 0 else (0.97, 0.97, 0.97)

    of_pixels = memories("digits", INPUTS, accuracies)
    of_layer = memories("digits", LAST, accuracies)
    tables = {name: pd.concat([of_pixels[name], of_layer[name]]) for name in of_pixels}
    assert set(verdicts("digits_large", tables).values()) == {"reproduced"}
    assert set(verdicts("digits_large", nulls.large_base_gains(tables)).values()) != {"reproduced"}
    assert set(verdicts("digits_small", tables).values()) == {"inconclusive"}


def test_one_neighbor_is_compared_with_the_base_and_with_itself_without_noise():
    tables = memories("digits", INPUTS, lambda arm: (0.8, 0.85, 0.85))
    rows = tables["accuracy"]
    change = np.where(rows["noise"] > 0, -0.2, 0.02) * rows["resmem"]
    sweeps = rows.assign(setting="k", value=1.0, accuracy=rows["base"] + change)
    tables = tables | {"sweeps": sweeps.drop(columns=["base", "knn", "resmem"])}
    conditions = verdicts("digits_one_neighbor", tables)
    assert set(conditions) == {f"noise {noise}" for noise in (0.1, 0.2, 0.4, 0.6, 0.8)}
    assert set(conditions.values()) == {"reproduced"}
    tuned = nulls.one_neighbor_tuned(tables)
    assert set(verdicts("digits_one_neighbor", tuned).values()) == {"contradicted"}
    for null in (nulls.one_neighbor_at_chance, nulls.base_at_chance):
        assert "reproduced" not in verdicts("digits_one_neighbor", null(tables)).values()


def gains_of(name, features, gain, base=0.5):
    """Tables of a task whose memory gains `gain(arm)`; the memory alone is 0.05 worse."""
    return memories(name, features, lambda arm: (base, base + gain(arm) - 0.05, base + gain(arm)))


def narrower_gains(arm):
    """Gains that fall with width and depth, and rise with the training set."""
    return 0.5 - 0.1 * np.log2(arm.width) - arm.depth / 60 + arm.examples / 5e4


@pytest.mark.parametrize(
    ("name", "task", "features", "conditions"),
    [
        ("mnist_thinnest", "mnist", MAP, 1),
        ("mnist_gain", "mnist", MAP, 1),
        ("mnist_falls", "mnist", MAP, 4),
        ("mnist_rises", "mnist", LAST, 1),
        ("mnist_pixels", "mnist", INPUTS, 3),
        ("fine_gain", "fine", LAST, 3),
        ("fine_falls", "fine", LAST, 2),
        ("fine_rises", "fine", LAST, 1),
        ("tail_rises", "longtail", LAST, 2),
    ],
)
def test_gains_are_those_of_trained_bases_with_memories_that_help(name, task, features, conditions):
    def gain(arm):
        return narrower_gains(arm) if arm.width else 0.1 + arm.examples / 1e5

    tables = gains_of(task, features, gain)
    reproduced = verdicts(name, tables)
    assert len(reproduced) == conditions
    assert set(reproduced.values()) == {"reproduced"}
    audited = audit([CLAIMS[f"resmem.{name}"]], tables)
    assert len(audited) == 4
    assert audited.loc[audited["passes"], "null"].tolist() == []
    assert set(audited["powerless"]) == {""}


@pytest.mark.parametrize("name", ["mnist_widest", "digits_linear", "digits_noise"])
def test_base_at_chance_leaves_no_value_where_the_memory_answers(name):
    features = MAP if name.startswith("mnist") else INPUTS
    tables = gains_of(name.split("_")[0], features, lambda arm: 0.1)
    assert set(verdicts(name, tables).values()) == {"reproduced"}
    assert set(verdicts(name, nulls.base_at_chance(tables)).values()) == {"not run"}


def test_base_is_trained_if_it_knows_more_than_a_constant_and_half_of_the_memory():
    rows = pd.DataFrame({"replicate": range(3), "base": [0.2, 0.3, 0.6], "knn": [0.2, 0.7, 0.9]})
    assert trained(rows).tolist() == [False, False, True]


def test_resmem_that_ties_with_knn_is_not_better_than_both():
    tables = memories("mnist", INPUTS, lambda arm: (0.7, 0.8, 0.8))
    assert verdicts("mnist_pixels", tables) == dict.fromkeys(
        ("width 1", "width 2", "width 4"), "inconclusive"
    )


def test_control_needs_a_memory_that_changes_answers():
    tables = gains_of("fashion", INPUTS, lambda arm: 0.01)
    last = gains_of("fashion", LAST, lambda arm: 0.01)
    both = {name: pd.concat([tables[name], last[name]]) for name in tables}
    assert set(verdicts("fashion_control", both).values()) == {"reproduced"}
    for null in (nulls.resmem_off, nulls.memory_ignored, nulls.all_at_chance):
        wrong = false("fashion_control", null, both)
        assert "reproduced" not in verdicts("fashion_control", wrong).values()


def test_errors_are_fixed_more_often_than_answers_spoiled_by_trained_bases():
    tables = gains_of("fine", LAST, lambda arm: 0.1)
    assert set(verdicts("flips", tables).values()) == {"reproduced"}
    for null in (nulls.flips, nulls.base_at_chance, nulls.memory_ignored, nulls.resmem_at_chance):
        assert "reproduced" not in verdicts("flips", null(tables)).values()


def test_regression_is_better_than_ridge_and_than_knn():
    rows = [
        {"data": "Friedman", "replicate": r, "base": 0.27, "knn": 0.2, "resmem": 0.15 + noise}
        for r, noise in enumerate(NOISE)
    ]
    tables = {"regression": pd.DataFrame(rows)}
    assert set(verdicts("regression_better", tables).values()) == {"reproduced"}
    for null in (
        nulls.regression_no_gain,
        nulls.ridge_predicts_the_mean,
        nulls.knn_predicts_the_mean,
    ):
        assert set(verdicts("regression_better", null(tables)).values()) == {"inconclusive"}


def compared(gain):
    """Tables of twelve data sets on which ResMem is `gain` better than the better of both."""
    accuracy = []
    for task in tasks.registry().values():
        if task.headline:
            arms = task.arms(task.settings())
            fields = dict(task.headline.fields) if task.name != "digits" else {"units": 0}
            selected = arms
            for field, value in fields.items():
                selected = [arm for arm in selected if getattr(arm, field) == value]
            first = selected if task.name == "digits" else selected[:1]
            for arm, replicate in product([arms[0], *first], range(REPLICATES)):
                memory = MemorySpec(arm, task.headline.features, arm.examples, replicate)
                values = {"base": 0.6, "knn": 0.7, "resmem": 0.7 + gain + NOISE[replicate] / 10}
                accuracy.append(
                    memory.columns(task) | values | {"best": 0.7 + gain, "pool": 10_000}
                )
    frame = pd.DataFrame(accuracy).drop_duplicates(["task", "arm", "replicate"])
    errors = []
    names = ("Friedman", "Friedman 2", "Friedman 3", "diabetes")
    for name, replicate in product(names, range(REPLICATES)):
        resmem = 0.3 - gain - NOISE[replicate] / 10
        values = {"base": 0.4, "knn": 0.3, "resmem": resmem, "best": 0.3 - gain}
        errors.append({"data": name, "replicate": replicate} | values)
    return {"accuracy": frame, "regression": pd.DataFrame(errors)}


@pytest.mark.parametrize("name", ["over_both", "near_best", "mean_over_knn"])
def test_family_is_judged_on_twelve_data_sets(name):
    reproduced = verdicts(name, compared(0.01))
    assert len(reproduced) == (1 if name == "mean_over_knn" else 12)
    assert set(reproduced.values()) == {"reproduced"}
    audited = audit([CLAIMS[f"resmem.{name}"]], compared(0.01))
    assert len(audited) == 2
    assert audited.loc[audited["passes"], "null"].tolist() == []
    if name == "mean_over_knn":
        few = compared(0.01)
        few["accuracy"] = few["accuracy"].query("task == 'digits'")
        assert set(verdicts(name, few).values()) == {"not run"}


def test_whole_residuals_are_compared_with_every_strength_of_a_memory_that_helps():
    task = tasks.get("fine")
    tables = gains_of("fine", LAST, lambda arm: 0.1)
    arm = task.arms(Settings().fine)[0]
    rows = []
    for replicate, strength in product(range(REPLICATES), (0.25, 0.5, 1.0, 1.5)):
        memory = MemorySpec(arm, LAST, arm.examples, replicate).columns(task)
        accuracy = 0.5 + strength / 100 + NOISE[replicate] * strength
        rows.append(memory | {"setting": "strength", "value": strength, "accuracy": accuracy})
    tables = tables | {"sweeps": pd.DataFrame(rows)}
    assert verdicts("full_strength", tables) == {
        "fine, strength 0.5": "reproduced",
        "fine, strength 1.5": "reproduced",
    }
    worse = false("full_strength", nulls.whole_residuals_worse, tables)
    assert "reproduced" not in verdicts("full_strength", worse).values()
    for null in (nulls.memory_ignored, nulls.base_at_chance):
        assert set(verdicts("full_strength", null(tables)).values()) == {"not run"}


def frozen_base(base=0.4):
    """Accuracies under a frozen base: memories of unseen rows of three sizes, one of its own."""
    accuracies = {
        ("none", 0): base,
        ("training rows", 1000): 0.5,
        ("unseen rows", 1000): 0.55,
        ("unseen rows", 4000): 0.65,
        ("unseen rows", 16_000): 0.75,
    }
    rows = []
    for (kind, size), replicate in product(accuracies, range(REPLICATES)):
        scattered = accuracies[kind, size] + NOISE[replicate] * (size / 16_000 + len(kind) / 100)
        about = {"kind": kind, "rows": size, "replicate": replicate}
        rows.append(about | {"accuracy": scattered})
    return {"growth": pd.DataFrame(rows)}


@pytest.mark.parametrize("name", ["growth_rises", "unseen_rows"])
def test_growing_memory_is_judged_under_a_base_that_has_learnt_something(name):
    tables = frozen_base()
    assert set(verdicts(name, tables).values()) == {"reproduced"}
    audited = audit([CLAIMS[f"resmem.{name}"]], tables)
    assert not audited["passes"].any()
    assert set(audited["powerless"]) == {""}
    assert set(verdicts(name, frozen_base(base=0.1)).values()) == {"not run"}


def test_tuned_temperature_is_judged_where_both_residuals_gain():
    rows = []
    for kind, tuned, replicate in product(
        ("in-sample", "cross-fitted"), (False, True), range(REPLICATES)
    ):
        gain = 0.15 if tuned or kind == "cross-fitted" else 0.0
        gain += NOISE[replicate] * (kind == "in-sample")
        about = {"residuals": kind, "tuned": tuned, "replicate": replicate}
        rows.append(about | {"base": 0.5, "resmem": 0.5 + gain})
    tables = {"crossfit": pd.DataFrame(rows)}
    for name in ("crossfit", "crossfit_tuned"):
        assert set(verdicts(name, tables).values()) == {"reproduced"}
        assert not audit([CLAIMS[f"resmem.{name}"]], tables)["passes"].any()


def test_spurious_feature_is_judged_at_every_size():
    rows = []
    methods = {"base": 0.3, "base_resmem": 0.4, "aware": 0.4}
    for method, n, replicate in product(methods, (500, 4000), range(REPLICATES)):
        conflicting = methods[method] + NOISE[replicate] * (method != "base")
        about = {"method": method, "examples": n, "replicate": replicate}
        rows.append(about | {"agreeing": 0.9, "conflicting": conflicting})
    tables = {"spurious": pd.DataFrame(rows)}
    for name in ("spurious_memory", "spurious_left", "spurious_aware"):
        assert verdicts(name, tables) == {"n = 500": "reproduced", "n = 4000": "reproduced"}
        audited = audit([CLAIMS[f"resmem.{name}"]], tables)
        assert not audited["passes"].any()
        assert set(audited["powerless"]) == {""}


def test_coarse_classes_at_random_contradict_that_errors_lie_within_them():
    task = tasks.get("fine")
    rows = []
    for arm, replicate in product(task.arms(Settings().fine), range(REPLICATES)):
        memory = MemorySpec(arm, LAST, arm.examples, replicate).columns(task)
        for part in ("fixed", "wrong"):
            share = 0.7 + NOISE[replicate] * (part == "fixed")
            rows.append(memory | {"partition": "coarse", "part": part, "share": share})
    flips = gains_of("fine", LAST, lambda arm: 0.1)
    tables = flips | {"parts": pd.concat([flips["parts"], pd.DataFrame(rows)])}
    for name in ("fixed_within", "no_preference"):
        assert set(verdicts(name, tables).values()) == {"reproduced"}
        for null in (nulls.base_at_chance, nulls.memory_ignored, nulls.resmem_at_chance):
            assert set(verdicts(name, null(tables)).values()) == {"not run"}
    random = nulls.coarse_at_random(tables)
    assert set(verdicts("fixed_within", random).values()) == {"contradicted"}
    assert set(verdicts("no_preference", random).values()) == {"not run"}
    preferred = false("no_preference", nulls.fine_confusions_preferred, tables)
    assert set(verdicts("no_preference", preferred).values()) == {"contradicted"}
