"""Memorized priors: stylized problems, the published ratio, the linearized inversion."""

import numpy as np
import pytest
from rote.invert import distances
from rote.papers import inversion
from rote.papers.inversion import library, linearized, rates, schema, settings, stylized
from rote.synth import velocity
from rote.waves import acoustic

SMALL = settings.InversionStylized(**settings.InversionStylized.SCALES["smoke"])


def test_stylized_jacobians_match_central_differences():
    x = np.random.default_rng(0).normal(size=(6, 2))
    step = 1e-6
    for problem in stylized.PROBLEMS:
        points = x[:, : problem.dimension]
        for axis, e in enumerate(np.eye(problem.dimension)):
            ahead = problem.forward(points + step * e)
            slope = (ahead - problem.forward(points - step * e)) / (2 * step)
            np.testing.assert_allclose(problem.jacobian(points)[..., axis], slope, atol=1e-6)


def test_measures_are_exact_for_the_linear_control_and_converge_for_others():
    table = stylized.measures(SMALL).set_index(["problem", "quantity", "sigma"])["value"]
    # narrower ones need a finer grid in two dimensions
    wide = [sigma for sigma in SMALL.widths if sigma >= 0.1]
    assert max(table["linear", "distance", sigma] for sigma in wide) < 1e-12
    for problem in ("cubic", "bent"):
        values = [table[problem, "distance", sigma] for sigma in wide]
        assert values == sorted(values, reverse=True)
    without = table["cubic", "distance_without_determinant", 0.5]
    assert without > 1.4 * table["cubic", "distance", 0.5]
    assert table["cubic", "shift_error", 0.05] < 0.01


def test_published_seed_gives_the_published_true_model():
    """The first coefficients, as printed."""
    coordinates = velocity.project(velocity.fields(30, library.TRAINING_SEED))
    true = library.mean_of_three(coordinates)
    np.testing.assert_allclose(true[:3], [-1.34423, -2.95381, 2.80749], atol=1e-5)


def test_sample_agrees_with_quadrature_by_every_method():
    key = ["problem", "sigma", "replicate", "coordinate"]
    rows = stylized.sample(SMALL, 1)
    exact = rows[rows["method"] == "grid"].set_index(key)["mean"]
    for method in ("importance", "chains"):
        sampled = rows[rows["method"] == method].set_index(key)
        z = (sampled["mean"] - exact) / sampled["error"]
        assert z.abs().max() < 5, method
        assert 0.4 < z.std() < 2, method  # the standard errors are neither too small nor too large
        assert (sampled["error"] < 0.1).all(), method  # of posteriors about 1 wide: 100 draws


def test_split_r_tells_agreeing_chains_from_others():
    rng = np.random.default_rng(1)
    same = rng.normal(size=(400, 8))
    assert stylized.split_r(same) == pytest.approx(1, abs=0.02)
    assert stylized.split_r(same + np.arange(8)) > 1.5
    # drifting chains disagree with themselves
    assert stylized.split_r(same + np.linspace(0, 3, 400)[:, None]) > 1.2
    assert stylized.split_r(np.ones((10, 3))) == 1.0


def test_ratios_match_those_by_hand():
    train = np.array([[0.0], [1.0], [3.0], [7.0]])
    ratios = distances.ratios(np.array([[0.4], [7.0]]), train, neighbors=3)
    expected = [0.4 / np.mean([0.6, 2.6]), 0 / np.mean([4, 6])]
    np.testing.assert_allclose(ratios.published, expected)
    np.testing.assert_allclose(ratios.pair, [0.4 / 0.6, 0.0])
    among_others = distances.ratios(train, train, neighbors=50, leave_one_out=True)
    np.testing.assert_allclose(among_others.published[0], 1 / np.mean([3, 7]))
    repeated = distances.ratios(np.zeros((1, 1)), np.zeros((3, 1)), neighbors=3)
    assert repeated.pair.tolist() == [1.0]  # no nearest one stands out


def test_rates_call_fresh_draws_memorized():
    options = settings.InversionModels(sizes=[20, 200], held_out=200, pool=200, replicates=2)
    table = rates.rates(options, library.read(library.synthesize(options)), 1)[0]
    fresh = table[table["set"] == schema.FRESH].groupby("examples")["ratio_rate"].min()
    assert fresh[20] > 0.5
    assert fresh[200] > 0.1
    assert (table["pair_rate"] == 0).all()


def test_linearized_posterior_follows_the_lookup_as_components_shrink():
    acquisition = settings.InversionAcquisition(**settings.InversionAcquisition.SCALES["smoke"])
    options = settings.InversionModels(**settings.InversionModels.SCALES["smoke"])
    models = library.read(library.synthesize(options))
    table = linearized.linearized(acquisition, models, 1)
    for _, rows in table.groupby("replicate"):
        rows = rows.set_index("sigma")
        assert rows.loc[0.003, "example"] == rows.loc[0.0, "example"]
        assert rows.loc[0.003, "misfit"] == pytest.approx(rows.loc[0.0, "misfit"], rel=0.05)
        assert rows.loc[1.0, "misfit"] < rows.loc[0.0, "misfit"]
        assert rows["shift"].is_monotonic_increasing


def test_package_names_shots_and_nothing_else():
    assert inversion.simulate_shots is acoustic.shots
    with pytest.raises(AttributeError):
        inversion.nothing  # noqa: B018
    first = library.mean_of_three(velocity.project(velocity.fields(30, 42)))[0]
    assert first == pytest.approx(-1.34423, abs=1e-4)
