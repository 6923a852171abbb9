"""Long-tail composition: closed forms of the linear track against simulation, and claims."""

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT
from rote import ledger as ledgers
from rote.core import tables
from rote.core.seeds import generator
from rote.papers.longtail import interpolators, linear, schema, settings
from rote.synth import features
from rote.theory import minnorm

CLAIMS = {claim.id: claim for claim in ledgers.load(ROOT / "workflow/claims/longtail.yaml")}
SMALL = settings.LongtailLinear(
    n=120, d=400, alphas=[1.5, 2.0], sigmas=[0.0, 0.3], lams=[0.0, 1.0], replicates=3
)


@pytest.fixture(scope="module")
def linear_tables():
    result = linear.sweep(SMALL, 7)._asdict()
    return {f"linear_{name}": frame for name, frame in result.items()}


def one_problem(alpha=1.5):
    return linear.problem(SMALL, alpha, generator(7, "test", 0))


# ---- linear track


def test_linear_tables_obey_their_models(linear_tables):
    for name, frame in linear_tables.items():
        tables.check(frame, schema.TABLES[name])


def test_sweep_equals_one_lstsq_per_fit():
    """Seen columns, one eigh and two right-hand sides against dense lstsq for every σ and λ."""
    rng = generator(7, "longtail", "linear", 0, 0)
    p = features.frequencies(SMALL.d, SMALL.s, SMALL.alphas[0])
    X = features.draw(p, SMALL.n, rng).toarray()
    noise = rng.normal(size=SMALL.n)
    beta = np.arange(1, SMALL.d + 1) ** -0.1
    sweep = linear.sweep(SMALL, 7).sweep
    for sigma in SMALL.sigmas:
        for lam in SMALL.lams:
            y = X @ beta + sigma * noise
            if lam:
                padded = np.vstack([X, np.sqrt(lam) * np.eye(SMALL.d)])
                fit = np.linalg.lstsq(padded, np.r_[y, np.zeros(SMALL.d)])[0]
            else:
                fit = np.linalg.lstsq(X, y, rcond=1e-10)[0]
            row = sweep.query("alpha == 1.5 and replicate == 0 and sigma == @sigma and lam == @lam")
            assert row["ind"].item() == pytest.approx(p @ (fit - beta) ** 2, abs=1e-8)


@pytest.mark.parametrize("alpha", [1.0, 1.5, 3.0])
def test_features_are_unseen_as_often_as_the_binomial_law_has_it(alpha):
    """So that the unseen part of IND has the mean Σ p_i β*_i² (1 - p_i)^n, whatever the fit."""
    rng = generator(7, "test", f"{alpha:g}")
    p = features.frequencies(SMALL.d, SMALL.s, alpha)
    beta = linear.true_coefficients(SMALL.d, SMALL.decay)
    unseen = []
    for _ in range(400):
        X = features.draw(p, SMALL.n, rng)
        unseen.append(np.bincount(X.indices, minlength=SMALL.d) == 0)
    unseen = np.array(unseen, float)
    expected = (1 - p) ** SMALL.n
    lost = unseen @ (p * beta**2)
    error = lost.std(ddof=1) / np.sqrt(len(lost))
    assert abs(lost.mean() - expected @ (p * beta**2)) < 4 * error
    for ranks in (slice(0, 33), slice(33, 100), slice(100, None)):
        tolerance = 4 * np.sqrt(np.sum(expected[ranks] * (1 - expected[ranks])) / len(unseen))
        assert abs(unseen[:, ranks].sum(1).mean() - expected[ranks].sum()) <= tolerance + 1e-9


def test_ind_and_ood_are_the_expected_losses():
    """Closed forms against Monte-Carlo rows, for a fit with errors everywhere."""
    problem = one_problem()
    rng = generator(8, "test")
    y = problem.y0 + 0.3 * rng.normal(size=120)
    estimate = np.zeros(400)
    estimate[problem.seen] = minnorm.coefficients(problem.spectrum, y, 0.5)
    delta = estimate - problem.beta
    p = problem.p
    pool = problem.seen[problem.alone]
    rows = features.draw(p, 200_000, rng)
    ind = p @ delta**2
    for t, expected in ((0, ind), (2, ind + 2 * np.mean((1 - p[pool]) * delta[pool] ** 2))):
        errors = (features.force(rows, pool, t, rng) @ delta) ** 2
        assert abs(errors.mean() - expected) < 5 * errors.std() / np.sqrt(len(errors))


@pytest.mark.parametrize("name", interpolators.LINEAR_INTERPOLATORS)
def test_linear_interpolators_fit_every_row_and_compose(name):
    """What min-norm recovers, every linear interpolator does: pairs lose what fresh data lose."""
    problem = one_problem(2.0)
    fit = interpolators.LINEAR_INTERPOLATORS[name]
    estimate = fit(problem, generator(0, "test"))
    np.testing.assert_allclose(problem.X @ estimate, problem.y0, atol=1e-8)
    errors = (estimate - problem.beta_seen)[problem.once_alone]
    assert len(errors) > 2
    np.testing.assert_allclose(errors, 0, atol=1e-7)


def test_losses_exist_for_every_predictor():
    options = settings.LongtailInterpolators(n=120, d=400, test_rows=20, replicates=2)
    frame = interpolators.compare(options, 7)
    tables.check(frame, schema.Interpolators)
    names = {*interpolators.LINEAR_INTERPOLATORS, *interpolators.LINEAR_OTHERS}
    names |= {*interpolators.OTHER_INTERPOLATORS}
    assert set(frame["estimator"]) == names | {interpolators.MIXTURE, interpolators.INTERACTION}
    wide = frame.pivot(index="replicate", columns=["estimator", "parameter"], values="ood2")
    # without interaction the truth is additive; with RBF alone the mixture is the RBF kernel
    np.testing.assert_allclose(wide[interpolators.INTERACTION, 0.0], wide["min-l2", 0.0])
    np.testing.assert_allclose(wide[interpolators.MIXTURE, 1.0], wide["RBF", 0.0])


def test_interaction_losses_are_the_expected_losses():
    problem = one_problem(2.0)
    rng = generator(9, "test")
    gamma = 0.7
    options = settings.LongtailInterpolators(n=120, d=400, gammas=[gamma])
    (losses,) = interpolators.interaction_losses(options, problem)
    assert losses["ood2"] - losses["ind"] > 0.95 * gamma**2  # the pair is never predicted
    rare = problem.X[:, problem.rare]
    pairs = (rare.sum(axis=1) ** 2 - abs(rare).sum(axis=1)) / 2
    delta = -problem.beta
    delta[problem.seen] += minnorm.coefficients(problem.spectrum, problem.y0 + gamma * pairs)
    rows = features.draw(problem.p, 300_000, rng)
    forced = features.force(rows, problem.seen[problem.once_alone], 2, rng)
    for expected, X in ((losses["ind"], rows), (losses["ood2"], forced)):
        tail = X[:, problem.k :]
        products = (tail.sum(axis=1) ** 2 - abs(tail).sum(axis=1)) / 2
        errors = (X @ delta - gamma * products) ** 2
        assert abs(errors.mean() - expected) < 5 * errors.std() / np.sqrt(len(errors))


def test_index_sets_come_from_the_matrix_alone():
    problem = one_problem()
    X = np.zeros((120, 400))
    X[:, problem.seen] = problem.X.toarray()
    counts = (X != 0).sum(axis=0)
    rare = np.arange(400) >= problem.k
    assert problem.k == np.sum(120 * problem.p >= 10)
    np.testing.assert_array_equal(problem.seen, np.flatnonzero(counts))
    np.testing.assert_array_equal(problem.once, (rare & (counts == 1))[problem.seen])
    alone = np.zeros(400, bool)
    for row in X != 0:
        if (row & rare).sum() == 1:
            alone |= row & rare
    np.testing.assert_array_equal(problem.alone, alone[problem.seen])


def test_linear_fit_recovers_isolated_features_where_common_ones_are_determined(linear_tables):
    sets = linear_tables["linear_sets"]
    assert sets.loc[sets["common_unidentifiable"] == 0, "max_error_alone"].max() < 1e-9
    assert (sets["disagree"] == 0).all()


def test_ind_is_the_sum_of_its_parts(linear_tables):
    sweep = linear_tables["linear_sweep"]
    parts = sweep[["ind_common", "ind_recovered", "ind_unrecovered", "ind_unseen"]].sum(axis=1)
    np.testing.assert_allclose(parts, sweep["ind"], rtol=1e-10)


def test_ood_is_affine_in_t_and_undefined_beyond_the_pool(linear_tables):
    sweep, sets = linear_tables["linear_sweep"], linear_tables["linear_sets"]
    two, four = (linear.ood(sweep, sets, "alone", t) for t in (2, 4))
    np.testing.assert_allclose(four - sweep["ind"], 2 * (two - sweep["ind"]))
    assert linear.ood(sweep, sets, "alone", 400).isna().all()


def test_empty_sets_have_nan_never_zero():
    fits = {"sigmas": [0.0], "lams": [0.0], "replicates": 2}
    no_common = settings.LongtailLinear(n=5, d=50, alphas=[1.0], **fits)
    assert linear.problem(no_common, 1.0, generator(0, "test")).k == 0
    sets, sweep, *_ = linear.sweep(no_common, 0)
    assert (sets["common_unidentifiable"] == 0).all()
    assert sweep["error_common"].isna().all()
    all_common = settings.LongtailLinear(
        n=50, d=3, alphas=[0.0], sigmas=[0.0], lams=[0.0], replicates=2
    )
    sets, sweep, *_ = linear.sweep(all_common, 0)
    assert sweep[["error_rare", "forced_once", "once_alone_mse"]].isna().all().all()
    assert sets["max_error_alone"].isna().all()
    for frame, model in ((sets, schema.LinearSets), (sweep, schema.LinearSweep)):
        tables.check(frame, model)


def test_sweep_keeps_its_values_where_an_alpha_is_added():
    more = SMALL.model_copy(update={"alphas": [*SMALL.alphas, 3.0]})
    before, after = linear.sweep(SMALL, 7).sweep, linear.sweep(more, 7).sweep
    pd.testing.assert_frame_equal(before, after[after["alpha"] <= 2].reset_index(drop=True))


def test_leave_one_out_table_holds_memorized_and_other_rows():
    options = settings.LongtailInfluence(n=120, d=400, replicates=2, refits=8)
    _, rows, descent = linear.influence(options, 3)
    np.testing.assert_allclose(rows["residual"], rows["refit"], atol=1e-6)
    assert set(rows["once"]) == {True, False}
    memorized = rows[rows["hat"] > 1 - 1e-9]
    assert (memorized["train_error"] < 1e-9).all()
    last = descent[descent["step"] == descent["step"].max()]
    assert (last["distance"] < 1e-2).all()


def test_error_of_isolated_features_is_proportional_to_noise(linear_tables):
    """Min-norm is linear in the labels, and recovers isolated features without noise."""
    options = SMALL.model_copy(update={"sigmas": [0.0, 0.1, 0.4]})
    sets, sweep, *_ = linear.sweep(options, 7)
    determined = sets.loc[sets["common_unidentifiable"] == 0, ["alpha", "replicate"]]
    fits = sweep[sweep["lam"] == 0].merge(determined, on=["alpha", "replicate"])
    wide = fits.pivot(index=["alpha", "replicate"], columns="sigma", values="error_alone")
    assert len(wide) > 2
    np.testing.assert_allclose(wide[0.4], 4 * wide[0.1], rtol=1e-6)


def test_descent_ends_at_min_norm():
    options = settings.LongtailInfluence(n=120, d=400, replicates=2, refits=0, max_steps=10**7)
    descent = linear.influence(options, 3).descent
    distance = descent.pivot(index="replicate", columns="step", values="distance")
    assert (distance.iloc[:, 0] > 0.1).all()
    assert (distance.iloc[:, -1] < 1e-6).all()


# ---- claims


def test_statistics_mark_a_missing_setting_as_not_run(linear_tables):
    for name in ("slow_decay_hurts", "optimal_ridge", "composes", "scaling_exponent"):
        ledger = ledgers.evaluate([CLAIMS[f"longtail.{name}"]], linear_tables)
        assert set(ledger["verdict"]) == {"not run"}, name


def test_interpolators_without_one_off_features_have_nan_and_a_count_of_zero():
    options = settings.LongtailInterpolators(
        n=60, d=4, alpha=0.0, test_rows=20, replicates=2, rhos=[0.0, 1.0], gammas=[0.0, 1.0]
    )
    frame = interpolators.compare(options, 7)
    tables.check(frame, schema.Interpolators)
    assert (frame["pool"] == 0).all()
    assert frame["ood2"].isna().all()
    assert frame["ind"].notna().all()
