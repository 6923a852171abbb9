"""Rules and facts over the whole domain: random points against mpmath, a number at each."""

import time
from dataclasses import replace

import numpy as np
import pytest
from rote.theory import raf

from tests.extremes import raf_reference
from tests.extremes.raf_reference import HARD, Point, errors, random_points

pytestmark = pytest.mark.extremes

LOSSES = ["square", "hinge", "logistic"]


def solved(loss, seed, size, low, features):
    alpha, eps, lam, gamma, kappa = random_points(seed, size, low, features)
    return raf.solve(loss, alpha, eps, lam, raf.Learner.at_angle(gamma, kappa))


@pytest.mark.parametrize("features", [False, True], ids=["kernel", "random features"])
@pytest.mark.parametrize("loss", LOSSES)
def test_solve_has_a_number_everywhere_within_50_sweeps(loss, features):
    s = solved(loss, 1, 3000, -6, features)
    assert s.converged.all()
    assert s.iterations.max() <= 50
    for values in (s.e_gen, s.e_mem, s.m, s.q, s.v):
        assert np.isfinite(values).all()
    assert (s.e_gen <= 0.5).all()


@pytest.mark.parametrize("features", [False, True], ids=["kernel", "random features"])
@pytest.mark.parametrize("loss", LOSSES)
def test_solve_has_a_number_at_tiny_ridges_too(loss, features):
    """Of 126,000 points 3 are marked: linear, nearly without facts, where rounding decides."""
    size = 3000 if loss == "logistic" else 30_000
    alpha, eps, lam, gamma, kappa = random_points(2, size, -16, features)
    s = raf.solve(loss, alpha, eps, lam, raf.Learner.at_angle(gamma, kappa))
    lost = ~s.converged
    assert lost.mean() <= 1e-4
    assert (lost <= ((gamma == 0) & (eps < 1e-10) & (lam < 1e-11) & (alpha > 1e5))).all()
    assert s.iterations.max() <= 50
    np.testing.assert_array_equal(np.isfinite(s.e_gen), s.converged)


@pytest.mark.parametrize("point", [point for point in HARD if point[0] == "hinge"][::2])
def test_solve_agrees_with_mpmath_at_hard_points(point, monkeypatch):
    """Responses of 1e15 and more: at 45 digits, which the quadratures of the reference need."""
    loss, alpha, eps, lam, gamma, kappa = point
    s = raf.solve(loss, alpha, eps, lam, raf.Learner.at_angle(gamma, kappa))
    mu1, mustar = np.cos(np.radians(gamma)), np.sin(np.radians(gamma))
    monkeypatch.setattr(raf_reference, "DIGITS", 45)
    exact = Point(loss, alpha, eps, lam / mu1**2, (mustar / mu1) ** 2, kappa)
    e_gen, e_mem = errors(exact, s.m, s.e_gen, s.v)
    assert float(s.e_gen / e_gen) == pytest.approx(1, abs=1e-8)
    assert float(s.e_mem) == pytest.approx(float(e_mem), rel=1e-8, abs=1e-290)


@pytest.mark.parametrize("features", [False, True], ids=["kernel", "random features"])
@pytest.mark.parametrize(
    ("loss", "size", "low"), [("square", 60, -12), ("hinge", 15, -12), ("logistic", 4, -9)]
)
def test_solve_agrees_with_mpmath(loss, size, low, features):
    alpha, eps, lam, gamma, kappa = random_points(3, size, low, features)
    s = raf.solve(loss, alpha, eps, lam, raf.Learner.at_angle(gamma, kappa))
    mu1, mustar = np.cos(np.radians(gamma)), np.sin(np.radians(gamma))
    compared = np.flatnonzero((eps < 1) & s.converged)
    assert len(compared) > size / 2
    for i in compared:
        width = None if kappa is None else kappa[i]
        tail = (mustar[i] / mu1[i]) ** 2
        point = Point(loss, alpha[i], eps[i], lam[i] / mu1[i] ** 2, tail, width)
        e_gen, e_mem = errors(point, s.m[i], s.e_gen[i], s.v[i])
        assert float(s.e_gen[i] / e_gen) == pytest.approx(1, abs=1e-8), point
        assert float(s.e_mem[i]) == pytest.approx(float(e_mem), rel=1e-8, abs=1e-290), point


@pytest.mark.parametrize(("loss", "size"), [("square", 40), ("hinge", 12), ("logistic", 3)])
def test_solve_with_weights_agrees_with_mpmath(loss, size):
    alpha, eps, lam, gamma, _ = random_points(5, size)
    weight = 10 ** np.random.default_rng(5).uniform(-6, 3, size)
    learner = replace(raf.Learner.at_angle(gamma), weight=weight)
    s = raf.solve(loss, alpha, eps, lam, learner)
    mu1, mustar = learner.mu1, learner.mustar
    compared = np.flatnonzero((eps < 1) & s.converged)
    assert len(compared) > size / 2
    for i in compared:
        tail = (mustar[i] / mu1[i]) ** 2
        point = Point(loss, alpha[i], eps[i], lam[i] / mu1[i] ** 2, tail, None, weight[i])
        e_gen, e_mem = errors(point, s.m[i], s.e_gen[i], s.v[i])
        assert float(s.e_gen[i] / e_gen) == pytest.approx(1, abs=1e-8), point
        assert float(s.e_mem[i]) == pytest.approx(float(e_mem), rel=1e-8, abs=1e-290), point


@pytest.mark.parametrize("features", [False, True], ids=["kernel", "random features"])
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("low", [-6, -16])
def test_solve_has_a_number_at_all_weights(loss, features, low):
    size = 3000 if low == -6 or loss != "logistic" else 500
    alpha, eps, lam, gamma, kappa = random_points(6, size, low, features)
    weight = 10 ** np.random.default_rng(6).integers(-6, 4, size).astype(float)
    learner = replace(raf.Learner.at_angle(gamma, kappa), weight=weight)
    s = raf.solve(loss, alpha, eps, lam, learner)
    assert s.converged.all()
    assert s.iterations.max() <= 50


def test_solve_of_the_hard_margin_converges_wherever_data_are_separable():
    rng = np.random.default_rng(4)
    eps = 10 ** rng.uniform(-8, 0, 1000)
    alpha = np.minimum(raf.capacity(eps) * rng.uniform(0.001, 0.95, 1000), 1e6)
    linear = raf.solve("hinge", alpha, eps, 0.0)
    assert linear.converged.all()
    gamma = rng.uniform(1, 89, 1000)
    kernel = raf.solve(
        "hinge", 10 ** rng.uniform(-4, 6, 1000), eps, 0.0, raf.Learner.at_angle(gamma)
    )
    assert kernel.converged.all()
    assert (kernel.e_mem == 0).all()


@pytest.mark.parametrize("gamma", [0.0, 30.0])
def test_solve_of_a_hinge_map_takes_less_than_two_seconds(gamma):
    alpha, eps = np.geomspace(0.1, 100, 100)[:, None], np.linspace(0, 1, 100)
    begin = time.process_time()
    s = raf.solve("hinge", alpha, eps, 1.0, raf.Learner.at_angle(gamma))
    assert time.process_time() - begin < 2
    assert s.converged.all()


def spectrum(seed, number=24):
    """Random eigenvalues over up to eight decades, none with more than a tenth of the variance."""
    rng = np.random.default_rng(seed)
    values = 10 ** rng.uniform(-rng.uniform(0, 8), 0, number)
    values[:12] = values.max()
    return raf.eigenvalues(values)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("loss", LOSSES)
def test_structured_inputs_have_a_number_everywhere_within_50_sweeps(loss, seed):
    alpha, eps, lam, gamma, _ = random_points(seed, 1000)
    learner = raf.Learner.at_angle(gamma)
    s = raf.solve(loss, alpha, eps, lam, replace(learner, eigenvalues=spectrum(seed)))
    assert s.converged.all()
    assert s.iterations.max() <= 50
    assert (s.e_gen <= 0.5).all()


@pytest.mark.parametrize(
    ("loss", "size", "low"), [("square", 30, -12), ("hinge", 10, -12), ("logistic", 3, -9)]
)
def test_structured_inputs_agree_with_mpmath(loss, size, low):
    alpha, eps, lam, gamma, _ = random_points(5, size, low)
    mu1, mustar = np.cos(np.radians(gamma)), np.sin(np.radians(gamma))
    for i in np.flatnonzero(eps < 1):
        eigenvalues = spectrum(i)
        learner = raf.Learner(mu1[i], mustar[i], eigenvalues=eigenvalues)
        s = raf.solve(loss, alpha[i], eps[i], lam[i], learner)
        assert s.converged
        exact = Point(
            loss,
            alpha[i],
            eps[i],
            lam[i] / mu1[i] ** 2,
            (mustar[i] / mu1[i]) ** 2,
            None,
            eigenvalues=tuple(eigenvalues),
        )
        e_gen, e_mem = errors(exact, s.m, s.e_gen, s.v)
        assert float(s.e_gen / e_gen) == pytest.approx(1, abs=1e-8)
        assert float(s.e_mem) == pytest.approx(float(e_mem), rel=1e-8, abs=1e-290)
