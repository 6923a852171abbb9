"""Claims of long-tail composition: each on a world in which it is true and on one where it is not.

The worlds are small tables made by hand. Claims that no data can refute are not here: they are
tests of `test_longtail` and `test_longtail_networks`.
"""

from itertools import product

import numpy as np
import pandas as pd
import pytest
from longtail_worlds import CLAIMS, REPLICATES, RNG, chosen, network_world, scattered, verdict
from rote import ledger as ledgers
from rote.papers.longtail import nulls
from rote.papers.longtail.interpolators import MIXTURE

# ---- linear track


def linear_world(coefficient=0.62, error=1.0, pool_error=0.7):
    """Sweep at α = 2 and 1.5: min-norm errs by the noise, the largest penalty by the coefficient.

    Args:
        coefficient: rms coefficient of features that occur once.
        error: squared error of min-norm on isolated features that occur once, in σ².
        pool_error: the same for all isolated features.
    """
    rows = []
    for alpha, replicate, sigma in product((1.5, 2.0), REPLICATES, (0.0, 0.05, 0.2, 0.5, 1.0)):
        key = {"alpha": alpha, "replicate": replicate, "sigma": sigma}
        memorized = {"lam": 0.0, "once_alone_mse": scattered(error) * sigma**2}
        memorized |= {"forced_alone": scattered(pool_error) * sigma**2}
        memorized |= {"forced_once_alone": scattered(error) * sigma**2}
        ridge = {"lam": 1000.0, "forced_once_alone": scattered(coefficient**2)}
        rows += [key | memorized, key | ridge]
    sets = pd.DataFrame(product((1.5, 2.0), REPLICATES), columns=["alpha", "replicate"])
    return {"linear_sets": sets.assign(once_alone=40), "linear_sweep": pd.DataFrame(rows)}


@pytest.mark.parametrize(
    ("coefficient", "error", "judged"),
    [
        (0.62, 1.0, "reproduced"),
        (0.1, 1.0, "contradicted"),  # truth of a faster decay: memorizing hurts at sigma = 0.2
        (2.0, 1.0, "contradicted"),  # large coefficients: memorizing still helps at sigma = 1
        (0.62, 4.0, "contradicted"),  # a fit that errs by more than the noise
    ],
)
def test_harm_threshold_depends_on_the_coefficients(coefficient, error, judged):
    assert verdict("harm_threshold", linear_world(coefficient, error)) == judged


def test_harm_threshold_needs_a_difference_between_fits():
    world = nulls.memorization_exchanged(linear_world())
    assert verdict("harm_threshold", world) == "inconclusive"


@pytest.mark.parametrize(("error", "judged"), [(1.0, "reproduced"), (1.5, "contradicted")])
def test_once_error_is_judged_as_an_equivalence(error, judged):
    assert verdict("once_error_is_noise", linear_world(error=error)) == judged


@pytest.mark.parametrize(("error", "judged"), [(0.7, "reproduced"), (2.0, "contradicted")])
def test_combination_bound_is_the_error_of_all_isolated_features(error, judged):
    assert verdict("combination_bound", linear_world(pool_error=error)) == judged


def sweep_of(column, values):
    """A min-norm sweep of one column: (α, σ) -> mean."""
    rows = [
        {"alpha": alpha, "sigma": sigma, "replicate": r, "lam": 0.0, column: scattered(value)}
        for ((alpha, sigma), value), r in product(values.items(), REPLICATES)
    ]
    return {"linear_sweep": pd.DataFrame(rows)}


@pytest.mark.parametrize(("loud", "judged"), [(4.0, "reproduced"), (1.5, "contradicted")])
def test_error_proportional_to_noise_sees_errors_that_do_not_grow(loud, judged):
    world = sweep_of("error_rare", {(1.0, 0.05): 0.1, (1.0, 0.2): 0.1 * loud})
    assert verdict("error_proportional_to_noise", world) == judged


def test_noise_curves_overlap_in_both_directions():
    rows = sweep_of("ind", {(2.0, 0.0): 1.0})["linear_sweep"]
    shrunk = rows.assign(lam=1000.0, ind=10.0)
    for change, judged in ((0.01, "reproduced"), (0.1, "contradicted"), (-0.1, "contradicted")):
        factor = 1 + change * (1 + 0.1 * RNG.normal(size=len(rows)))
        noisy = rows.assign(sigma=0.05, ind=rows["ind"] * factor)
        fits = [rows, noisy, shrunk, shrunk.assign(sigma=0.05)]
        world = {"linear_sweep": pd.concat(fits)}
        assert verdict("noise_curves_overlap", world) == judged
    # what learns nothing from labels does not see their noise
    assert verdict("noise_curves_overlap", nulls.nothing_learnt(world)) == "not run"


@pytest.mark.parametrize(
    ("recovered", "judged"), [(12, "reproduced"), (40, "contradicted"), (0, "inconclusive")]
)
def test_few_recovered_are_not_none(recovered, judged):
    rows = [
        {"alpha": 1.0, "replicate": r, "recovered": recovered * scattered(1), "seen_rare": 100}
        for r in REPLICATES
    ]
    assert verdict("few_recovered_slow", {"linear_sets": pd.DataFrame(rows)}) == judged


def ranks():
    """Shares of features seen and recovered at α = 1.5, and at α = 1, where few are recovered."""
    bins = {(33, 66): 0.9, (1040, 2080): 0.03}
    rows = []
    for alpha, recovered in ((1.0, 0.3), (1.5, 0.9)):
        for ((low, high), expected), r in product(bins.items(), REPLICATES):
            name = {"alpha": alpha, "replicate": r, "rank_low": low, "rank_high": high}
            seen = scattered(expected)
            shares = {"expected": expected, "seen": seen, "recovered": scattered(recovered) * seen}
            rows.append(name | shares)
    return {"linear_ranks": pd.DataFrame(rows)}


def test_recovery_by_rank_is_not_met_at_slow_decay():
    assert verdict("recovery_by_rank", ranks()) == "reproduced"
    ledger = ledgers.evaluate([CLAIMS["longtail.recovery_by_rank"]], nulls.ranks_slow(ranks()))
    assert ledger["verdict"].tolist() == ["contradicted"] * 2


def test_shrinkage_is_judged_where_it_can_be_told_from_none_and_from_all():
    lams = (0.01, 0.03, 1.0, 30.0, 1000.0)
    rows = []
    for r, lam in product(REPLICATES, lams):
        name = {"alpha": 2.0, "replicate": r, "lam": lam}
        rows.append(name | {"ratio": 1 / (1 + lam), "deviation": scattered(0.001)})
    world = {"linear_shrinkage": pd.DataFrame(rows)}
    claim = CLAIMS["longtail.ridge_shrinkage"]
    conditions = ledgers.evaluate([claim], world)["condition"].tolist()
    assert conditions == ["lambda = 0.03", "lambda = 1", "lambda = 30"]
    assert verdict("ridge_shrinkage", world) == "reproduced"
    audited = ledgers.audit([claim], world)
    assert not audited["passes"].any()
    assert set(audited["powerless"]) == {""}


def test_optimal_ridge_is_the_theory_to_a_factor_of_three():
    lams = [0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0]
    rows = [
        {
            "alpha": 2.0,
            "replicate": r,
            "sigma": sigma,
            "lam": lam,
            "ind": 1.0,
            "forced_once": scattered(1.0) * (1 + np.log(lam / (sigma**2 / 0.4)) ** 2),
        }
        for r, sigma, lam in product(REPLICATES, (0.1, 0.2, 0.5, 1.0), lams)
    ]
    sets = pd.DataFrame({"alpha": 2.0, "replicate": REPLICATES, "once": 40})
    sets = sets.assign(once_beta2=[scattered(0.4) for _ in REPLICATES])
    world = {"linear_sets": sets, "linear_sweep": pd.DataFrame(rows)}
    assert verdict("optimal_ridge", world) == "reproduced"
    assert verdict("optimal_ridge", nulls.coefficients_smaller(world)) == "contradicted"


def mixtures(losses):
    """OOD_2 along ρ."""
    rows = [
        {"estimator": MIXTURE, "parameter": rho, "replicate": r, "ood2": scattered(loss)}
        for (rho, loss), r in product(losses.items(), REPLICATES)
    ]
    return {"interpolators": pd.DataFrame(rows)}


@pytest.mark.parametrize(
    ("losses", "judged"),
    [
        ({0.0: 1, 0.5: 2, 1.0: 20}, "reproduced"),
        ({0.0: 1, 0.5: 0.5, 1.0: 20}, "contradicted"),  # one step falls
        ({0.0: 1, 0.5: 1, 1.0: 20}, "inconclusive"),
    ],
)
def test_structure_is_judged_at_every_step(losses, judged):
    assert verdict("partial_structure_monotone", mixtures(losses)) == judged


def test_structure_that_is_undone_in_every_second_replicate_has_no_step():
    world = nulls.structure_undone(mixtures({0.0: 1, 0.5: 2, 1.0: 20}))
    ledger = ledgers.evaluate([CLAIMS["longtail.partial_structure_monotone"]], world)
    assert set(ledger["verdict"]) == {"inconclusive"}


def test_descent_with_another_rate_is_not_the_theory():
    steps = np.array([1, 10, 100])
    rows = []
    for r, step in product(REPLICATES, steps):
        expected = -np.expm1(-step / 20)
        recovery = expected + 0.001 * RNG.normal()
        rows.append({"replicate": r, "step": step, "expected": expected, "recovery": recovery})
    world = {"descent": pd.DataFrame(rows)}
    assert verdict("early_stopping", world) == "reproduced"
    assert verdict("early_stopping", nulls.descent_twice_as_fast(world)) == "contradicted"


# ---- networks and kernels


def with_and_without_decay(pairs, training):
    """Losses of the cross-channel network without and with decay, on glyph pairs and training."""
    losses = {}
    for decay, pair_loss, fresh in zip((0.0, 3.0), pairs, training, strict=True):
        key = ("cross-channel", "glyphs-head", decay)
        losses[*key, "two-glyphs-any-slot", 0] = pair_loss
        losses[*key, "in-distribution", 0] = fresh
    return network_world(losses) | chosen("cross-channel")


@pytest.mark.parametrize(
    ("pairs", "training", "judged"),
    [
        ((23, 30), (1.5, 1.6), "reproduced"),
        ((23, 70), (1.5, 1.6), "contradicted"),
        ((88, 88), (7, 7), "not run"),  # networks that learnt nothing
    ],
)
def test_decay_no_rescue_is_no_claim_of_untrained_networks(pairs, training, judged):
    assert verdict("decay_no_rescue", with_and_without_decay(pairs, training)) == judged


@pytest.mark.parametrize(
    ("losses", "judged"),
    [((120, 100, 15), "reproduced"), ((120, 130, 15), "contradicted")],
)
def test_rare_count_is_judged_at_every_step(losses, judged):
    counts = zip((0, 4, 64), losses, strict=True)
    world = {("sum", "nines", 0.0, "two-nines", count): loss for count, loss in counts}
    assert verdict("rare_count_helps", network_world(world)) == judged


@pytest.mark.parametrize(
    ("without", "trained", "fresh", "judged"),
    [
        (18, 0.2, 0.5, "reproduced"),
        (88, 88, 7, "not run"),  # networks that learnt nothing
        (88, 0.2, 7, "not run"),  # only those without the rows learnt nothing
        (2, 0.2, 0.5, "contradicted"),
    ],
)
def test_rows_carry_what_is_lost_without_them(without, trained, fresh, judged):
    sets = {"no-glyphs": without, "glyphs-head": trained}
    world = {("sum", name, 0.0, "two-glyphs-any-slot", 0): loss for name, loss in sets.items()}
    world["sum", "no-glyphs", 0.0, "in-distribution", 0] = fresh
    assert verdict("rows_carry_combinations", network_world(world)) == judged


def compared(training_set, evaluation_set, nines=0, fresh=1.0):
    """The cross-channel network loses 100 times what the sum network does."""
    world = {
        ("sum", training_set, 0.0, evaluation_set, nines): 0.2,
        ("cross-channel", training_set, 0.0, evaluation_set, nines): 20,
        ("sum", training_set, 0.0, "in-distribution", nines): 0.5,
        ("cross-channel", training_set, 0.0, "in-distribution", nines): fresh,
    }
    return network_world(world)


@pytest.mark.parametrize(
    ("name", "where"),
    [
        ("monolithic_fails", ("glyphs-head", "two-glyphs-any-slot")),
        ("rare_count_architecture", ("nines", "two-nines", 16)),
        ("new_pairs", ("nines", "two-trained-nines", 16)),
    ],
)
def test_networks_that_lose_more_have_learnt_to_add_digits(name, where):
    world = compared(*where)
    assert verdict(name, world) == "reproduced"
    audited = ledgers.audit([CLAIMS[f"longtail.{name}"]], world)
    assert not audited["passes"].any()
    assert verdict(name, compared(*where, fresh=7.0)) == "not run"


def decayed(pairs, fresh):
    """The sum network on pairs and on fresh data, without and with decay."""
    losses = {}
    sets = {"two-glyphs-any-slot": pairs, "in-distribution": fresh}
    for name, values in sets.items():
        for decay, loss in zip((0.0, 3.0), values, strict=True):
            losses["sum", "glyphs-head", decay, name, 0] = loss
    return network_world(losses) | chosen("sum")


@pytest.mark.parametrize(
    ("pairs", "fresh", "judged"),
    [
        ((0.2, 4), (0.5, 0.7), "reproduced"),
        ((0.2, 90), (0.5, 7), "not run"),  # decay leaves nothing at all
    ],
)
def test_decay_is_judged_on_networks_that_still_add_digits(pairs, fresh, judged):
    for name in ("decay_destroys", "decay_is_selective"):
        world = decayed(pairs, fresh)
        assert verdict(name, world) == judged
        if judged == "reproduced":
            audited = ledgers.audit([CLAIMS[f"longtail.{name}"]], world)
            assert not audited["passes"].any()


@pytest.mark.parametrize(("fresh", "judged"), [(0.5, "reproduced"), (7, "not run")])
def test_companions_are_judged_on_networks_that_add_digits(fresh, judged):
    world = {
        ("sum", "glyphs-tail", 0.0, "two-glyphs-any-slot", 0): 15,
        ("sum", "glyphs-head", 0.0, "two-glyphs-any-slot", 0): 0.2,
        ("sum", "glyphs-tail", 0.0, "in-distribution", 0): fresh,
    }
    assert verdict("credit_assignment", network_world(world)) == judged


def kernel_world(losses):
    """(kernel, penalty, evaluation set) -> mean loss."""
    rows = [
        {
            "kernel": name,
            "rho": 0.0,
            "lam": lam,
            "training_set": "glyphs-head",
            "evaluation_set": evaluation_set,
            "replicate": r,
            "mse": scattered(loss),
        }
        for ((name, lam, evaluation_set), loss), r in product(losses.items(), REPLICATES)
    ]
    return {"kernel": pd.DataFrame(rows)}


PAIRS, TRAINED_SLOTS = "two-glyphs-any-slot", "two-glyphs-trained-slots"
FRESH = "in-distribution"


@pytest.mark.parametrize(
    ("shared", "monolithic", "memory", "structure"),
    [
        ((0.3, 13), (84, 84), "reproduced", "reproduced"),
        ((0.3, 0.3), (84, 84), "contradicted", "reproduced"),  # ridge costs nothing
        ((88, 88), (88, 88), "not run", "not run"),  # a constant
    ],
)
def test_kernels_are_judged_by_what_memory_and_structure_add(shared, monolithic, memory, structure):
    losses = {}
    for name, values in (("shared", shared), ("monolithic", monolithic)):
        for lam, value in zip((1e-6, 0.3), values, strict=True):
            losses[name, lam, PAIRS] = value
            losses[name, lam, FRESH] = 7.0 if shared == (88, 88) else 1.0
    world = kernel_world(losses)
    assert verdict("kernel_needs_memory", world) == memory
    assert verdict("kernel_needs_structure", world) == structure


@pytest.mark.parametrize(
    ("anywhere", "judged"), [(30, "reproduced"), (1.2, "contradicted"), (5, "contradicted")]
)
def test_slots_are_judged_by_the_loss_that_other_slots_add(anywhere, judged):
    losses = {
        ("slot-wise", 1e-6, PAIRS): anywhere,
        ("slot-wise", 1e-6, TRAINED_SLOTS): 1.2,
        ("monolithic", 1e-6, PAIRS): 84,
    }
    assert verdict("kernel_slot_elsewhere", kernel_world(losses)) == judged


def test_no_claim_of_decay_where_none_forgets_and_fits():
    """The row says so: no value, instead of a ratio of 1 of the wrong decay."""
    world = decayed((0.2, 4), (0.5, 0.7)) | chosen("sum", None)
    for name in ("decay_destroys", "decay_is_selective"):
        assert verdict(name, world) == "not run"
