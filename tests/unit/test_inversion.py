"""Memorized priors: the stylized problems, what the published ratio is, the linearized inversion."""

import numpy as np
import pytest
from rote.papers import inversion
from rote.papers.inversion import fwi, library, nearness, settings, stylized
from rote.synth import velocity
from rote.waves import acoustic

SMALL = settings.Stylized(**settings.Stylized.SCALES["smoke"])


def test_jacobians_are_those_of_the_forward_operators():
    x, step = np.random.default_rng(0).normal(size=(6, 2)), 1e-6
    for problem in stylized.problems():
        points = x[:, : problem.train.shape[1]]
        for axis, e in enumerate(np.eye(points.shape[1])):
            slope = (problem.forward(points + step * e) - problem.forward(points - step * e)) / (
                2 * step
            )
            np.testing.assert_allclose(problem.jacobian(points)[..., axis], slope, atol=1e-6)


def test_the_linear_control_is_exact_and_the_others_converge():
    table = stylized.measure(SMALL).set_index(["problem", "quantity", "sigma"])["value"]
    wide = [
        sigma for sigma in SMALL.widths if sigma >= 0.1
    ]  # narrower ones need a finer grid in two dimensions
    assert max(table["linear", "distance", sigma] for sigma in wide) < 1e-6
    for problem in ("cubic", "bent"):
        values = [table[problem, "distance", sigma] for sigma in wide]
        assert values == sorted(values, reverse=True)
    assert table["cubic", "distance_without", 0.5] > 1.4 * table["cubic", "distance", 0.5]
    assert table["cubic", "shift_error", 0.05] < 0.01


def test_three_ways_to_the_same_mean():
    rows = stylized.sample(SMALL, 1)
    exact = rows[rows["method"] == "grid"].set_index(
        ["problem", "sigma", "replicate", "coordinate"]
    )["mean"]
    for method in ("importance", "chains"):
        some = rows[rows["method"] == method].set_index(
            ["problem", "sigma", "replicate", "coordinate"]
        )
        z = (some["mean"] - exact) / some["error"]
        assert z.abs().max() < 5, method
        assert 0.4 < z.std() < 2, method  # the standard errors are neither too small nor too large
        assert (some["effective"] > 50).all()


def test_split_r_hat():
    rng = np.random.default_rng(1)
    same = rng.normal(size=(400, 8))
    assert stylized.split_r(same) == pytest.approx(1, abs=0.02)
    assert stylized.split_r(same + np.arange(8)) > 1.5
    assert (
        stylized.split_r(same + np.linspace(0, 3, 400)[:, None]) > 1.2
    )  # drifting chains disagree with themselves
    assert stylized.split_r(np.ones((10, 3))) == 1.0


def test_the_published_ratio_by_hand():
    train = np.array([[0.0], [1.0], [3.0], [7.0]])
    published, pair = nearness.ratios(np.array([[0.4], [7.0]]), train, neighbors=3)
    np.testing.assert_allclose(published, [0.4 / np.mean([0.6, 2.6]), 0 / np.mean([4, 6])])
    np.testing.assert_allclose(pair, [0.4 / 0.6, 0.0])
    alone, _ = nearness.ratios(train, train, neighbors=50, leave_out=True)
    np.testing.assert_allclose(alone[0], 1 / np.mean([3, 7]))
    _, twice = nearness.ratios(np.zeros((1, 1)), np.zeros((3, 1)), neighbors=3)
    assert twice.tolist() == [1.0]  # repeated examples: no nearest one stands out


def test_fresh_draws_count_as_memorized():
    options = settings.Models(sizes=[20, 200], held_out=200, pool=200, replicates=2)
    table = fwi.rates(options, library.read(library.synthesize(options)), 1)[0]
    fresh = table[table["set"] == "fresh draws"].groupby("examples")["ratio_rate"].min()
    assert fresh[20] > 0.5
    assert fresh[200] > 0.1
    assert (table["pair_rate"] == 0).all()


def test_the_linearized_inversion_follows_the_lookup_as_components_shrink():
    acquisition = settings.Acquisition(**settings.Acquisition.SCALES["smoke"])
    models = library.read(library.synthesize(settings.Models(**settings.Models.SCALES["smoke"])))
    table = fwi.linearized(acquisition, models, 1)
    for _, rows in table.groupby("replicate"):
        rows = rows.set_index("sigma")
        assert rows.loc[0.003, "example"] == rows.loc[0.0, "example"]
        assert rows.loc[0.003, "misfit"] == pytest.approx(rows.loc[0.0, "misfit"], rel=0.05)
        assert rows.loc[1.0, "misfit"] < rows.loc[0.0, "misfit"]
        assert rows["shift"].is_monotonic_increasing


def test_shots_have_a_public_name():
    assert inversion.simulate_shots is acoustic.shots
    with pytest.raises(AttributeError):
        inversion.nothing  # noqa: B018
    assert library.mean_of_three(velocity.project(velocity.fields(30, 42)))[0] == pytest.approx(
        -1.34423, abs=1e-4
    )
