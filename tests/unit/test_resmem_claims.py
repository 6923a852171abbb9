"""ResMem's claims: their statistics on small tables, where they are true and where false."""

from itertools import product

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT
from rote.ledger import Sample, evaluate, load
from rote.ledger.intervals import interval
from rote.papers.resmem import evaluation, linear, nulls, sections, statistics, tasks, training
from rote.papers.resmem.measures import FLIPS
from rote.papers.resmem.settings import Settings
from rote.papers.resmem.statistics.samples import pooled_difference, resplit
from rote.papers.resmem.task import INPUTS, LAST, MAP, MemorySpec
from rote.papers.resmem.tasks.digits import ResmemDigits
from rote.theory import lookup
from scipy import stats

CLAIMS = {claim.id: claim for claim in load(ROOT / "workflow/claims/resmem.yaml")}
REPLICATES = 8
NOISE = np.linspace(-0.004, 0.004, REPLICATES)


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
            "resmem": float(lookup.leading(n, d, norm)) * scatter**2,
        }
        about = {"dimension": d, "norm": norm, "examples": n, "replicate": replicate}
        rows.append(about | risk)
    return {"risks": pd.DataFrame(rows)}


def test_ratio_to_the_nearest_label_leaves_out_a_base_of_norm_zero():
    tables = risks()
    assert set(verdicts("over_nearest", tables)) == {"L = 0.5, n = 3,000", "L = 0.5, n = 30,000"}
    assert set(verdicts("over_nearest", tables).values()) == {"reproduced"}
    wrong = nulls.over_nearest_off(tables)
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
        ("base_slope", nulls.base_learns_all),
        ("rate", nulls.slower_rate),
        ("leading_low", nulls.leading_low_off),
        ("leading_five", nulls.leading_five_off),
        ("leading_eight", nulls.leading_eight_off),
    ],
)
def test_claims_on_risks_follow_the_closed_forms(name, null):
    tables = risks(norms=(0.5,))
    assert set(verdicts(name, tables).values()) == {"reproduced"}
    assert "contradicted" in verdicts(name, null(tables)).values()


def test_plateau_is_judged_at_every_dimension_and_large_size():
    conditions = verdicts("plateau", risks(norms=(0.5,)))
    assert len(conditions) == 3 * 3
    assert "d = 8, n = 1,000" in conditions


def test_bound_is_judged_over_all_norms_and_fails_for_a_risk_that_does_not_fall():
    conditions = verdicts("below_bound", risks(dimensions=(1, 3)))
    assert set(conditions) == {f"d = {d}, L = {norm}" for d, norm in product((1, 3), ("0", "0.5"))}
    assert set(conditions.values()) == {"reproduced"}
    flat = nulls.memory_adds_nothing(risks(dimensions=(1, 3)))
    assert verdicts("below_bound", flat)["d = 1, L = 0.5"] == "contradicted"


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
    assert set(verdicts("noise_cost", nulls.noise_averaged(tables)).values()) == {"contradicted"}


# ---- tasks


def memories(name, features, accuracies):
    """Tables of one task's memories: `accuracies(arm)` gives base, kNN and ResMem."""
    task = tasks.get(name)
    rows, flips = [], []
    for arm, replicate in product(task.arms(getattr(Settings(), name)), range(REPLICATES)):
        memory = MemorySpec(arm, features, arm.examples, replicate).columns(task)
        values = dict(zip(("base", "knn", "resmem"), accuracies(arm), strict=True))
        values["resmem"] += NOISE[replicate]
        rows.append(memory | values | {"pool": 2000})
        for reference, partition in FLIPS.items():
            gain = values["resmem"] - values[reference]
            for part, share in (("fixed", max(gain, 0) + 0.01), ("broken", max(-gain, 0) + 0.01)):
                flips.append(memory | {"partition": partition, "part": part, "share": share})
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
    difference = pooled_difference(Sample(np.ones(3), 4.0), Sample(np.ones(3), 9.0), factor=0.5)
    assert difference.shared_variance == pytest.approx((2 + 1.5) ** 2)
    np.testing.assert_allclose(difference.values, 0.5)


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


def test_one_neighbor_is_compared_with_the_base_of_its_replicate():
    tables = memories("digits", INPUTS, lambda arm: (0.8, 0.85, 0.85))
    rows = tables["accuracy"]
    sweeps = rows.assign(setting="k", value=1.0, accuracy=rows["base"] - 0.2 * rows["resmem"])
    worse = {"sweeps": sweeps.drop(columns=["base", "knn", "resmem"])}
    conditions = verdicts("digits_one_neighbor", tables | worse)
    assert set(conditions) == {f"noise {noise}" for noise in (0.1, 0.2, 0.4, 0.6, 0.8)}
    assert set(conditions.values()) == {"reproduced"}
    tuned = nulls.one_neighbor_tuned(tables | worse)
    assert set(verdicts("digits_one_neighbor", tuned).values()) == {"contradicted"}


def test_gain_falls_with_every_step_of_width_and_depth():
    gains = {("width", 1): 0.3, ("width", 2): 0.2, ("width", 4): 0.1}

    def accuracies(arm):
        gain = gains.get(("width", arm.width), 0.0) - (arm.depth - 8) / 100
        return 0.6, 0.6, 0.6 + gain

    tables = memories("mnist", MAP, accuracies)
    conditions = verdicts("mnist_falls", tables)
    assert set(conditions) == {
        "width 1 to width 2",
        "width 2 to width 4",
        "depth 8 to depth 14",
        "depth 14 to depth 20",
    }
    assert conditions["width 1 to width 2"] == "reproduced"
    assert "reproduced" not in verdicts("mnist_thinnest", nulls.no_gain(tables)).values()


def test_pixels_are_compared_with_base_and_with_knn():
    tables = memories("mnist", INPUTS, lambda arm: (0.7, 0.8, 0.8))
    conditions = verdicts("mnist_pixels", tables)
    assert conditions["width 1, over the base"] == "reproduced"
    assert conditions["width 1, over kNN"] == "inconclusive"


def test_whole_residuals_are_compared_with_every_strength():
    task = tasks.get("fine")
    arm = task.arms(Settings().fine)[0]
    rows = []
    for replicate, strength in product(range(REPLICATES), (0.25, 0.5, 1.0, 1.5)):
        memory = MemorySpec(arm, LAST, arm.examples, replicate).columns(task)
        accuracy = 0.5 + strength / 100 + NOISE[replicate] * strength
        rows.append(memory | {"setting": "strength", "value": strength, "accuracy": accuracy})
    tables = {"sweeps": pd.DataFrame(rows)}
    assert verdicts("full_strength", tables) == {
        "fine, strength 0.5": "reproduced",
        "fine, strength 1.5": "reproduced",
    }
    worse = nulls.whole_residuals_worse(tables)
    assert set(verdicts("full_strength", worse).values()) == {"contradicted"}


def test_spurious_feature_is_judged_at_every_size():
    rows = []
    for method, n, replicate in product(("base", "base, ResMem"), (500, 4000), range(REPLICATES)):
        conflicting = 0.3 + 0.1 * (method != "base") + NOISE[replicate] * (method != "base")
        about = {"method": method, "examples": n, "replicate": replicate}
        rows.append(about | {"agreeing": 0.9, "conflicting": conflicting})
    tables = {"spurious": pd.DataFrame(rows)}
    for name, null in (
        ("spurious_memory", nulls.spurious_memory),
        ("spurious_left", nulls.spurious_rows),
    ):
        assert verdicts(name, tables) == {"n = 500": "reproduced", "n = 4000": "reproduced"}
        assert set(verdicts(name, null(tables)).values()) == {"inconclusive"}


def test_coarse_classes_at_random_contradict_that_errors_lie_within_them():
    task = tasks.get("fine")
    rows = []
    for arm, replicate in product(task.arms(Settings().fine), range(REPLICATES)):
        memory = MemorySpec(arm, LAST, arm.examples, replicate).columns(task)
        for part in ("fixed", "wrong"):
            share = 0.7 + NOISE[replicate] * (part == "fixed")
            rows.append(memory | {"partition": "coarse", "part": part, "share": share})
    tables = {"parts": pd.DataFrame(rows)}
    for name in ("fixed_within", "no_preference"):
        assert set(verdicts(name, tables).values()) == {"reproduced"}
    random = nulls.coarse_at_random(tables)
    assert set(verdicts("fixed_within", random).values()) == {"contradicted"}
    preferred = nulls.fine_confusions_preferred(tables)
    assert set(verdicts("no_preference", preferred).values()) == {"contradicted"}
