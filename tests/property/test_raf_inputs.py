"""Rules and facts on inputs of a covariance: other equations, limits, simulations, refusals."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from conftest import call
from hypothesis import given, settings
from hypothesis import strategies as st
from rote.core.errors import InputError
from rote.papers.raf import inputs
from rote.papers.raf.simulation import KernelModel, RafProblem, RandomFeatures, simulate
from rote.theory import raf
from scipy import optimize

spectra = st.lists(st.floats(-4, 0), min_size=12, max_size=40).map(
    lambda logarithms: raf.eigenvalues(np.r_[10.0 ** np.array(logarithms), np.ones(12)])
)
points = st.fixed_dictionaries(
    {"alpha": st.floats(0.1, 30), "eps": st.floats(0, 0.99), "lam": st.floats(1e-4, 10)}
)
angles = st.floats(0, 80)


def ridge_errors(alpha, eps, lam, learner, spectrum):
    """Ridge regression by scalar equations: V first, then q, linear in itself."""
    lam, tail = lam / learner.mu1**2, (learner.mustar / learner.mu1) ** 2

    def gains(V):
        return spectrum / (lam + alpha / (1 + V) * spectrum)

    def gap(log_v):
        V = np.exp(log_v)
        return np.log(gains(V).mean() + tail / lam) - log_v

    V = np.exp(optimize.brentq(gap, -60, 60, xtol=1e-14))
    c = (1 - eps) * np.sqrt(2 / np.pi)
    hat_m, gain = alpha * c / (1 + V), gains(V)
    m = hat_m * (spectrum * gain).mean()
    # q = signal + response · (1 − 2cm + q)
    response = alpha / (1 + V) ** 2 * (gain**2).mean()
    q = (hat_m**2 * (spectrum * gain**2).mean() + response * (1 - 2 * c * m)) / (1 - response)
    return np.arccos(m / np.sqrt(q)) / np.pi, V


@settings(max_examples=40, deadline=None)
@given(points, angles, spectra)
def test_ridge_regression_is_that_of_scalar_equations(point, angle, spectrum):
    learner = raf.Learner.at_angle(angle)
    s = raf.solve("square", **point, learner=replace(learner, eigenvalues=spectrum))
    e_gen, V = ridge_errors(**point, learner=learner, spectrum=spectrum)
    assert s.converged
    assert float(s.v) == pytest.approx(V, rel=1e-9)
    assert float(s.e_gen) == pytest.approx(e_gen, rel=1e-6, abs=1e-9)


@settings(max_examples=25, deadline=None)
@given(points, angles, spectra, st.sampled_from(sorted(raf.LOSSES)), st.floats(-8, 8))
def test_units_and_order_of_eigenvalues_do_not_matter(point, angle, spectrum, loss, unit):
    learner = raf.Learner.at_angle(angle)
    given = raf.solve(loss, **point, learner=replace(learner, eigenvalues=spectrum))
    other = raf.solve(
        loss, **point, learner=replace(learner, eigenvalues=10**unit * spectrum[::-1])
    )
    assert given.converged
    assert given.iterations <= 50
    np.testing.assert_allclose(given[:5], other[:5], rtol=1e-7, atol=1e-12)
    assert given.e_gen >= raf.bayes_optimal(point["alpha"], point["eps"], spectrum) * (1 - 1e-6)


@pytest.mark.parametrize("loss", sorted(raf.LOSSES))
def test_equal_eigenvalues_are_isotropic_inputs(loss):
    grid = np.meshgrid([0.1, 2.0, 30.0], [0.0, 0.2, 1.0], [1e-6, 0.1, 10.0])
    isotropic = raf.solve(loss, *grid)
    equal = raf.solve(loss, *grid, raf.Learner(eigenvalues=np.full(25, 7.0)))
    np.testing.assert_allclose(equal.e_gen, isotropic.e_gen, rtol=1e-8)
    np.testing.assert_allclose(equal.e_mem, isotropic.e_mem, rtol=1e-8, atol=1e-300)
    np.testing.assert_allclose(
        raf.bayes_optimal(*grid[:2], np.ones(10)), raf.bayes_optimal(*grid[:2]), rtol=1e-12
    )


def test_directions_without_variance_are_as_if_they_were_not_there():
    """d/2 directions of variance ~0: α per remaining direction doubles, as does their variance."""
    half = np.r_[np.full(200, 1.0), np.full(200, 1e-9)]
    some = raf.solve("hinge", 2.0, 0.1, 0.3, raf.Learner(eigenvalues=half))
    few = raf.solve("hinge", 4.0, 0.1, 0.3)
    assert float(some.e_gen) == pytest.approx(float(few.e_gen), rel=1e-6)
    assert float(some.e_mem) == pytest.approx(float(few.e_mem), rel=1e-6)


@pytest.mark.parametrize("loss", ["square", "hinge"])
@pytest.mark.parametrize("learner", [KernelModel(), KernelModel(0.8, 0.6)])
def test_theory_predicts_simulations(loss, learner):
    problem = RafProblem(loss, 2.0, 0.2, 0.5, 250, "power:0.7")
    theory, isotropic = learner.theory(problem), learner.theory(problem._replace(inputs=""))
    errors = [simulate(learner, problem, np.random.default_rng(seed)) for seed in range(30)]
    for name, slack in (("e_gen", 0.003), ("e_mem", 0.006)):
        values = np.array([getattr(error, name) for error in errors])
        off = abs(values.mean() - getattr(theory, name))
        assert off < 4 * values.std(ddof=1) / np.sqrt(len(values)) + slack
        assert off < abs(values.mean() - getattr(isotropic, name))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([], "shape"),
        (np.ones((5, 5)), "shape"),
        ([1.0] * 30 + [0.0], "> 0"),
        ([1.0] * 30 + [-1.0], "> 0"),
        ([1.0] * 30 + [np.nan], "> 0"),
        ([1.0] * 30 + [np.inf], "> 0"),
        ([1.0, 1.0, 1.0], "one direction holds 33% of the variance"),
        (np.r_[np.ones(30), 5.0], "one direction holds 14% of the variance"),
        (np.r_[np.ones(30), 1e-13], "at least 1e-12 of their mean"),
        (["a"] * 30, "eigenvalues"),
    ],
)
def test_other_eigenvalues_are_refused(values, message):
    for refuse in (
        lambda: raf.eigenvalues(values),
        lambda: raf.Learner(eigenvalues=values),
        lambda: raf.bayes_optimal(2.0, 0.1, values),
    ):
        with pytest.raises(InputError, match=message) as refused:
            refuse()
        assert "eigenvalues" in str(refused.value)


def test_features_do_not_know_a_covariance():
    match = "eigenvalues are not known to random features"
    with pytest.raises(InputError, match=match):
        raf.Learner(0.8, 0.6, 2.0, eigenvalues=np.ones(20))
    with pytest.raises(InputError, match=match):
        raf.memory_width("square", 1.0, 0.1, raf.Learner(0.8, 0.6, eigenvalues=np.ones(20)))
    problem = RafProblem("square", 2.0, 0.2, 0.5, 100, "power:0.5")
    with pytest.raises(InputError, match="inputs of a covariance are simulated for linear"):
        simulate(RandomFeatures(2.0), problem, np.random.default_rng(0))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("power", "--inputs must be power:EXPONENT"),
        ("power:", "--inputs must be power:EXPONENT"),
        ("power:a", "--inputs must be power:EXPONENT"),
        ("power:1:2:3", "--inputs must be power:EXPONENT"),
        ("power:-1", "exponent"),
        ("power:nan", "exponent"),
        ("power:3", "of the variance"),
        ("power:0.5:0", "number"),
        ("power:0.5:9000000", "number"),
        ("missing.csv", "missing.csv"),
    ],
)
def test_other_inputs_are_refused_in_one_line(text, message, capsys, monkeypatch):
    args = ["raf", "solve", "--loss", "square", "--alpha", "2", "--eps", "0.1", "--lam", "0.1"]
    code, _, error = call(capsys, monkeypatch, *args, "--inputs", text)
    assert code == 1
    assert message in error
    assert error.count("\n") == 1


def test_eigenvalues_are_read_from_tables(tmp_path):
    path = tmp_path / "covariance.csv"
    pd.DataFrame({"eigenvalue": np.arange(1, 101)}).to_csv(path, index=False)
    np.testing.assert_allclose(inputs.eigenvalues(str(path)), np.arange(1, 101) / 50.5)
    with pytest.raises(InputError, match="100 directions, but d is 200"):
        inputs.eigenvalues(str(path), 200)
    pd.DataFrame({"values": [1.0]}).to_csv(path, index=False)
    with pytest.raises(InputError, match="no column 'eigenvalue'; it has values"):
        inputs.eigenvalues(str(path))
    pd.DataFrame({"eigenvalue": ["x"] * 20}).to_csv(path, index=False)
    with pytest.raises(InputError, match="must hold numbers"):
        inputs.eigenvalues(str(path))


def test_grid_takes_inputs(tmp_path, capsys, monkeypatch):
    grid = ["raf", "grid", "--eps", "0.1", "--loss", "square", "--inputs", "power:0.8"]
    out = tmp_path / "grid.csv"
    words = ["--alpha", "1,2", "--lam", "0.1", "--out", str(out)]
    assert call(capsys, monkeypatch, *grid, *words)[0] == 0
    frame = pd.read_csv(out)
    learner = raf.Learner(eigenvalues=raf.power_law(0.8, 400))
    expected = raf.solve("square", [1.0, 2.0], 0.1, 0.1, learner)
    np.testing.assert_allclose(frame["e_gen"], expected.e_gen)
    assert (frame["e_bayes"] <= frame["e_gen"]).all()
    words = ["--alpha", "2", "--lam", "best", "--out", str(out)]
    assert call(capsys, monkeypatch, *grid, *words)[0] == 0
    best = pd.read_csv(out)["e_gen"].item()
    ridges = np.geomspace(1e-3, 1e2, 200)
    others = raf.solve("square", 2.0, 0.1, ridges, learner).e_gen
    assert others.min() * (1 - 1e-3) < best <= others.min()
