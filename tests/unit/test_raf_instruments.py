"""The theory of rules and facts as an instrument: grids, optima, widths, kernels, simulations."""

import json

import numpy as np
import pandas as pd
import pytest
from rote.core import exports, tables
from rote.core.errors import InputError
from rote.core.functions import of_user
from rote.papers.raf import instruments
from rote.papers.raf.instruments import LearnerAxes, SimulatedLearner
from rote.papers.raf.simulation import KernelModel, RafProblem, RandomFeatures, simulate
from rote.plotting import maps
from rote.theory import axes, raf


def test_axes_are_numbers_and_ranges():
    np.testing.assert_allclose(axes.parse("--x", "3,1:2:3,1:100:3:log"), [3, 1, 1.5, 2, 1, 10, 100])
    point = axes.points({"a": np.arange(2.0), "b": np.arange(3.0)})
    assert point["a"].tolist() == [0, 0, 0, 1, 1, 1]
    for text in ("1:2", "x", "0:1:5:log", "1:2:0", "1:2:3:lin", ""):
        with pytest.raises(InputError, match="--x"):
            axes.parse("--x", text)
    with pytest.raises(InputError, match="at most 4,000,000"):
        axes.points({"a": np.zeros(3000), "b": np.zeros(3000)})


def test_grid_has_a_row_per_point_with_the_numbers_of_the_solver():
    frame = instruments.grid(
        "square,hinge", {"alpha": "1:4:4", "eps": "0.1"}, "0.1,1", LearnerAxes(gamma="0,45")
    )
    assert len(frame) == 2 * 4 * 2 * 2
    row = frame[(frame["loss"] == "hinge") & (frame["alpha"] == 4) & (frame["gamma"] > 1)].iloc[0]
    s = raf.solve("hinge", 4.0, 0.1, row["lam"], raf.Learner.at_angle(45.0))
    assert row["e_gen"] == pytest.approx(float(s.e_gen), rel=1e-9)
    assert row["e_bayes"] == pytest.approx(float(raf.bayes_optimal(4.0, 0.1)), rel=1e-12)
    assert instruments.varying(frame) == ["alpha", "lam", "gamma"]


def test_best_ridge_is_the_closed_form_of_the_square_loss():
    learner = raf.Learner.at_angle(np.array([0.0, 20.0, 60.0]))
    best = raf.best_ridge("square", 4.0, 0.1, learner)
    optimal = raf.optimal_ridge(0.1, learner.mu1, learner.mustar)
    np.testing.assert_allclose(best.lam, optimal, rtol=1e-4)
    assert best.lam[2] == 0.0
    none = raf.best_ridge("square", 4.0, 0.1, forget=0.01)  # linear, beyond its capacity
    assert np.isnan(none.e_gen)
    assert np.isnan(none.gamma)


def test_a_bound_on_memory_is_met_and_costs_as_little_as_a_fine_grid_says():
    best = raf.best_ridge("hinge", 4.0, 0.1, raf.Learner.at_angle(30.0), 0.01)
    lams = np.geomspace(1e-3, 10, 4001)
    path = raf.solve("hinge", 4.0, 0.1, lams, raf.Learner.at_angle(30.0))
    grid = path.e_gen[path.e_mem <= 0.01].min()
    assert best.e_mem <= 0.01
    assert grid - 1e-4 < best.e_gen <= grid + 1e-9
    for forget in (-0.1, 1.1, np.nan):
        with pytest.raises(InputError, match=r"forget must be in \[0, 1\]"):
            raf.best_ridge("hinge", 4.0, 0.1, forget=forget)


def test_memory_width_separates_widths_that_forget_from_those_that_do_not():
    learner = raf.Learner.of_kernel("sign")
    width = float(raf.memory_width("square", 2.0, 0.1, learner, 0.01, lam=1e-3))
    for factor, forgets in ((0.99, True), (1.01, False)):
        features = raf.Learner.of_kernel("sign", factor * width)
        assert (raf.solve("square", 2.0, 0.1, 1e-3, features).e_mem > 0.01) == forgets
    assert np.isinf(raf.memory_width("square", 4.0, 0.1, learner, 0.01, lam=10.0))


@pytest.mark.parametrize("name", ["erf", "relu", "sign", "rbf", "cubic", "rbf:0.2"])
def test_geometry_of_a_function_is_that_of_the_named_kernel(name):
    known = raf.named(name)
    np.testing.assert_allclose(raf.of_function(known.function).geometry, known.geometry, atol=1e-10)


@pytest.mark.parametrize("name", ["erf", "relu", "sign"])
def test_geometry_of_an_activation_is_that_of_its_kernel(name):
    measured = raf.of_activation(raf.ACTIVATIONS[name])
    np.testing.assert_allclose(measured[1:], raf.named(name).geometry, atol=1e-9)


def test_functions_that_no_kernel_has_are_refused():
    for h, message in (
        (lambda t: t + np.maximum(t, 0), "not smooth"),
        (lambda t: -t, "no positive kernel"),
        (lambda t: t**2, "no positive kernel"),
        (lambda t: 1.0, "array of cosines"),
    ):
        with pytest.raises(InputError, match=message):
            raf.of_function(h)
    with pytest.raises(InputError, match="no linear part"):
        raf.of_activation(np.cos)
    with pytest.raises(InputError, match="kernel must be one of erf"):
        raf.named("gauss")
    for eta in ("wide", "0", "101", "1e-7", "nan", ""):
        with pytest.raises(InputError, match="between 1e-6 and 100 as ETA, given 'rbf:" + eta):
            raf.named(f"rbf:{eta}")


def test_function_of_a_module_in_the_working_directory(tmp_path, monkeypatch):
    (tmp_path / "kernels_of_mine.py").write_text("def h(t):\n    return 0.7 * t + 0.3 * t**5\n")
    monkeypatch.chdir(tmp_path)
    mu1, mustar = instruments.kernel("kernels_of_mine:h").geometry
    assert (mu1**2, mustar**2) == pytest.approx((0.7, 0.3))
    assert "33.2109" in instruments.geometry("kernels_of_mine:h", None, 4.0, 0.1)
    for text in ("h", "kernels_of_mine:g", "no_such_module:h"):
        with pytest.raises(InputError, match="--kernel"):
            of_user(text, "--kernel")
    with pytest.raises(InputError, match="--activation"):
        of_user("h", "--activation")


def test_rule_error_is_that_of_simulated_training_sets():
    problem = RafProblem(loss="square", alpha=2.0, eps=0.1, lam=1.0, d=200)
    learner = KernelModel()
    lost = [simulate(learner, problem, np.random.default_rng(i)).e_rule for i in range(20)]
    assert learner.theory(problem).e_rule == pytest.approx(0.0332, abs=1e-4)
    assert abs(np.mean(lost) - 0.0332) < 4 * np.std(lost) / np.sqrt(20)


@pytest.mark.parametrize("loss", ["square", "hinge"])
@pytest.mark.parametrize("learner", [KernelModel(0.8, 0.6), RandomFeatures(6.0, "erf")])
def test_interpolators_are_the_limit_of_small_ridges(loss, learner):
    errors = []
    for lam in (0.0, 1e-5):
        problem = RafProblem(loss=loss, alpha=2.0, eps=0.2, lam=lam, d=40)
        errors.append(simulate(learner, problem, np.random.default_rng(5)))
    assert errors[0].e_mem == errors[0].e_rule == 0
    assert errors[0].e_gen == pytest.approx(errors[1].e_gen, abs=2e-3)


def test_hard_margin_needs_separable_data():
    problem = RafProblem(loss="hinge", alpha=8.0, eps=0.5, lam=0.0, d=20)
    with pytest.raises(InputError, match="data that the learner separates"):
        simulate(KernelModel(), problem, np.random.default_rng(0))


def test_simulation_says_its_theory_beside_it():
    learner = SimulatedLearner(kernel="relu").resolved()
    problem = RafProblem(loss="square", alpha=2.0, eps=0.1, lam=0.2, d=60)
    frame = instruments.simulated(learner, problem, 4, 1)
    assert frame["e_gen_theory"].nunique() == 1
    assert "memorization error" in instruments.compared(frame)
    with pytest.raises(InputError, match="activation must be one of"):
        SimulatedLearner(kernel="cubic", kappa=2.0).resolved()


def test_tables_are_written_by_the_ending_of_their_name(tmp_path):
    frame = instruments.grid(
        "square", {"alpha": "1:4:9:log", "eps": "0:0.4:9"}, "best", LearnerAxes()
    )
    for suffix in exports.FORMATS:
        tables.export(tmp_path / f"grid{suffix}", frame)
    columns = json.loads((tmp_path / "grid.json").read_text())[0].keys()
    assert list(columns) == list(frame.columns)
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "grid.parquet"), frame)
    with pytest.raises(InputError, match=r"written as \.parquet"):
        tables.export(tmp_path / "grid.xlsx", frame)
    maps.save(tmp_path / "grid.png", frame, ["alpha", "eps"], instruments.ERRORS, "learner")
    assert (tmp_path / "grid.png").stat().st_size > 10_000
    with pytest.raises(InputError, match="one or two axes"):
        maps.save(tmp_path / "grid.png", frame, [], instruments.ERRORS, "learner")
    with pytest.raises(InputError, match=r"a figure is written as \.png"):
        maps.save(tmp_path / "grid.txt", frame, ["alpha"], instruments.ERRORS, "learner")


def test_optimum_over_angles_has_the_values_of_an_independent_search():
    frame = instruments.optima(
        "hinge", {"alpha": "4", "eps": "0.1", "forget": "1e-6,1"}, LearnerAxes()
    )
    np.testing.assert_allclose(frame["e_gen"], [0.15419, 0.14455], atol=2e-5)
    np.testing.assert_allclose(frame["gamma"], [39.0, 25.3], atol=0.1)
