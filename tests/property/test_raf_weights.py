"""Rules and facts with a weight on facts: integrals, limits, simulations, refusals."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rote.core.errors import InputError
from rote.papers.raf import instruments, solvers
from rote.papers.raf.simulation import KernelModel, RafProblem, RandomFeatures, simulate
from rote.theory import raf
from scipy import integrate, optimize, special, stats

points = st.fixed_dictionaries(
    {
        "alpha": st.floats(0.2, 20),
        "eps": st.floats(0.01, 1),
        "lam": st.floats(1e-2, 10),
    }
)
learners = st.builds(
    lambda angle, weight: replace(raf.Learner.at_angle(angle), weight=weight),
    st.floats(0, 80),
    st.floats(0.05, 100),
)


def output(loss, field, V):
    """The proximal point of a margin loss: f + V ℓ'(f) = field."""
    if loss == "square":
        return (field + V) / (1 + V)
    if loss == "hinge":
        return max(field, min(field + V, 1.0))

    def gap(f):
        return f - V * special.expit(-f) - field

    return optimize.brentq(gap, field, field + V)


def expectation(loss, V, kinks, density):
    """E[(f − field)²/V²] and its field-weighted E[(f − field)/V] under a density of the margin."""

    def force(field):
        return (output(loss, field, V) - field) / V

    def quad(function):
        return integrate.quad(function, -14, 14, points=kinks, limit=300, epsabs=1e-11)[0]

    return quad(lambda z: density(z)[0] * force(density(z)[1]) ** 2), quad(
        lambda z: density(z)[2] * force(density(z)[1])
    )


@settings(max_examples=12, deadline=None)
@given(points, learners, st.sampled_from(sorted(raf.LOSSES)))
def test_hats_are_their_integrals(point, learner, loss):
    """At the solution of a kernel: m and q − m² from m̂ and q̂ by adaptive quadrature."""
    s = raf.solve(loss, **point, learner=learner)
    assert s.converged
    alpha, eps, lam = point["alpha"], point["eps"], point["lam"]
    m, q, V = float(s.m), float(s.q), float(s.v)
    root, sigma = np.sqrt(q), np.sqrt(q - m**2)

    def rules(z):
        mass = 2 * stats.norm.pdf(z) * special.ndtr(m / sigma * z)
        return mass, root * z, 0.0

    def facts(z):
        return stats.norm.pdf(z), root * z, 0.0

    def towards(z):  # Gaussian of width σ: what the teacher's sign adds
        return 0.0, sigma * z, stats.norm.pdf(z)

    def kinks(V, scale):
        return sorted({min(max(x / scale, -13.9), 13.9) for x in (1 - V, 1.0)})

    weight = float(learner.weight)
    of_rules = expectation(loss, V, kinks(V, root), rules)[0]
    of_facts = expectation(loss, weight * V, kinks(weight * V, root), facts)[0]
    pull = expectation(loss, V, kinks(V, sigma), towards)[1]
    q_hat = alpha * ((1 - eps) * of_rules + eps * weight**2 * of_facts)
    m_hat = 2 * alpha * (1 - eps) / np.sqrt(2 * np.pi) * pull
    mustar = float(learner.mustar)
    response = V - mustar**2 / lam  # of the linear part
    assert m == pytest.approx(response * m_hat, rel=1e-6, abs=1e-9)
    assert q - m**2 == pytest.approx(response**2 * q_hat, rel=1e-6)
    lost = special.erfc(weight * V * raf.LOSSES[loss].slope / np.sqrt(2 * q)) / 2
    assert float(s.e_mem) == pytest.approx(lost, rel=1e-9)


@settings(max_examples=20, deadline=None)
@given(points, st.floats(0, 80), st.sampled_from(["square", "hinge"]))
def test_a_weight_of_one_changes_nothing(point, angle, loss):
    for learner in (raf.Learner.at_angle(angle), raf.Learner.at_angle(angle + 1, 2.0)):
        plain = raf.solve(loss, **point, learner=learner)
        nearly = raf.solve(loss, **point, learner=replace(learner, weight=1 + 1e-13))
        assert float(nearly.e_gen) == pytest.approx(float(plain.e_gen), rel=1e-8)
        assert float(nearly.e_mem) == pytest.approx(float(plain.e_mem), rel=1e-8, abs=1e-14)


@settings(max_examples=20, deadline=None)
@given(
    st.floats(0.2, 20), st.floats(0.01, 0.9), st.floats(0, 80), st.sampled_from(list(raf.LOSSES))
)
def test_facts_of_no_weight_are_no_samples(alpha, eps, angle, loss):
    learner = replace(raf.Learner.at_angle(angle), weight=1e-6)
    light = raf.solve(loss, alpha, eps, 1.0, learner)
    without = raf.solve(loss, alpha * (1 - eps), 0.0, 1.0, raf.Learner.at_angle(angle))
    assert float(light.e_gen) == pytest.approx(float(without.e_gen), abs=1e-4)


def test_weights_broadcast_with_the_points():
    weights = np.array([[0.5], [1.0], [8.0]])
    s = raf.solve("hinge", [2.0, 4.0], 0.1, 0.3, raf.Learner(1.0, 0.4, weight=weights))
    assert s.e_gen.shape == (3, 2)
    assert (np.diff(s.e_mem, axis=0) < 0).all()  # heavier facts are remembered
    assert (np.diff(s.e_gen, axis=0) > 0).all()  # at the expense of the rule
    for i, weight in enumerate(weights[:, 0]):
        alone = raf.solve("hinge", 4.0, 0.1, 0.3, raf.Learner(1.0, 0.4, weight=weight))
        assert s.e_gen[i, 1] == alone.e_gen


@pytest.mark.parametrize(
    ("alpha", "eps", "lam", "gamma", "kappa", "weight"),
    [
        (13.134453, 0.442991, 1.0682e-4, 0.0, None, 100.0),
        (31.796545, 0.125173, 0.228664, 0.0, None, 1000.0),
        (2635.787, 0.644008, 0.156271, 13.497735, 10.272491, 1000.0),
        (876857.66, 0.854497, 3.16785e-9, 9.813021, 30162.194, 1e-5),
    ],
)
def test_points_that_no_start_reaches_are_reached_along_weights(
    alpha, eps, lam, gamma, kappa, weight
):
    learner = replace(raf.Learner.at_angle(gamma, kappa), weight=weight)
    s = raf.solve("hinge", alpha, eps, lam, learner)
    assert s.converged
    assert s.iterations <= 50
    # the same root as that of points nearby
    beside = raf.solve("hinge", alpha * np.array([0.999, 1.001]), eps, lam, learner)
    assert beside.converged.all()
    assert beside.e_mem.min() < s.e_mem < beside.e_mem.max()


def test_an_interpolator_does_not_depend_on_weights():
    for loss in ("square", "hinge"):
        a, b = (raf.solve(loss, 4.0, 0.1, 0.0, raf.Learner(0.8, 0.6, weight=w)) for w in (1, 9))
        assert a.e_gen == b.e_gen


@pytest.mark.parametrize(
    ("learner", "problem"),
    [
        (KernelModel(weight=4.0), RafProblem("square", 2.0, 0.2, 0.3, 200)),
        (KernelModel(0.8, 0.6, 0.3), RafProblem("square", 3.0, 0.2, 0.5, 150)),
        (KernelModel(weight=3.0), RafProblem("hinge", 4.0, 0.2, 0.5, 100)),
        (KernelModel(0.8, 0.6, 5.0), RafProblem("hinge", 3.0, 0.2, 1.0, 100)),
        (KernelModel(weight=3.0), RafProblem("logistic", 4.0, 0.2, 0.5, 100)),
        (RandomFeatures(1.5, "sign", 4.0), RafProblem("hinge", 2.0, 0.2, 0.3, 100)),
    ],
)
def test_theory_is_what_simulations_approach(learner, problem):
    theory = learner.theory(problem)
    errors = [simulate(learner, problem, np.random.default_rng(r)) for r in range(24)]
    mean, error = np.mean(errors, axis=0), np.std(errors, axis=0, ddof=1) / np.sqrt(24)
    np.testing.assert_array_less(np.abs(mean - theory), 4 * error + 0.01)


def test_a_weighted_row_is_a_row_as_often():
    rng = np.random.default_rng(0)
    rows, weight = rng.normal(size=(40, 12)), rng.integers(1, 4, 40)
    repeated = np.repeat(rows, weight, axis=0)
    w = solvers.huberized(repeated, 0.7, 0.2)
    gap = 1 - rows @ w
    # the envelope of a repeated row is that of each copy: slope and curvature are ρ times as large
    force = weight * np.clip(gap / 0.2, 0, 1)
    np.testing.assert_allclose(0.7 * w, rows.T @ force, atol=1e-9)
    weighted = solvers.huberized(rows, 0.7, 0.2, weight=weight)
    force = np.clip((1 - rows @ weighted) / 0.2, 0, weight)
    np.testing.assert_allclose(0.7 * weighted, rows.T @ force, atol=1e-9)


@pytest.mark.parametrize("weight", [0.0, -1.0, np.nan, np.inf, 1e7, "two"])
def test_no_other_weights(weight):
    with pytest.raises(InputError, match="weight"):
        raf.solve("square", 2.0, 0.1, 0.3, raf.Learner(weight=weight))


def test_a_fact_is_not_stated_half_a_time():
    problem = RafProblem("hinge", 4.0, 0.2, 0.5, 40)
    with pytest.raises(InputError, match="weight of facts must be a whole number"):
        simulate(KernelModel(weight=1.5), problem, np.random.default_rng(0))


def test_grids_and_optima_take_weights():
    learners = instruments.LearnerAxes(gamma="0,45", weight="1,4")
    frame = instruments.grid("hinge", {"alpha": "4", "eps": "0.1"}, "0.5", learners)
    assert frame["weight"].tolist() == [1, 4, 1, 4] or frame["weight"].nunique() == 2
    assert "weight" in instruments.varying(frame)
    fixed = {"alpha": "4", "eps": "0.1", "forget": "0.01"}
    linear = instruments.LearnerAxes(mu1="1", weight="1,16")
    best = instruments.optima("hinge", fixed, linear).set_index("weight")
    assert np.isnan(best.loc[1.0, "e_gen"])  # beyond the capacity of a linear learner
    assert best.loc[16.0, "e_mem"] <= 0.01
    chosen = instruments.optima("square", fixed, instruments.LearnerAxes(weight="2"))
    assert chosen["weight"].item() == 2


@settings(max_examples=60, deadline=None)
@given(
    st.floats(-3, 3).map(lambda x: 10**x),
    st.floats(-3, 3).map(lambda x: 10**x),
    st.floats(-6, 3).map(lambda x: 10**x),
    st.floats(0, 80),
    st.sampled_from(sorted(raf.LOSSES)),
)
def test_facts_alone_of_any_weight_are_those_of_another_ridge(alpha, ridge, weight, angle, loss):
    learner = raf.Learner.at_angle(angle)
    plain = raf.solve(loss, alpha, 1.0, ridge, learner)
    weighed = raf.solve(loss, alpha, 1.0, ridge * weight, replace(learner, weight=weight))
    assert float(weighed.e_mem) == pytest.approx(float(plain.e_mem), rel=1e-8, abs=1e-200)
    assert float(weighed.e_gen) == pytest.approx(0.5, rel=1e-8)


@pytest.mark.parametrize(
    ("call", "argument"),
    [
        (lambda: raf.best_ridge("square", [1.0, 2.0], [0.1, 0.2, 0.3]), "alpha, eps"),
        (lambda: raf.best_ridge("square", "x", 0.1), "alpha"),
        (lambda: raf.best_ridge("square", 2.0, 0.1, forget="x"), "forget"),
        (lambda: raf.best_kernel("square", [1.0, 2.0], [0.1, 0.2, 0.3]), "alpha, eps"),
        (lambda: raf.best_kernel("square", 2.0, 0.1, weight=[1.0, 2.0]), "weight"),
        (lambda: raf.memory_width("square", 2.0, 0.1, raf.Learner(0.8, 0.6), np.nan), "forget"),
        (lambda: raf.memory_width("square", 2.0, 0.1, raf.Learner(0.8, 0.6), 2.0), "forget"),
        (lambda: raf.memory_width("square", [1, 2], [0.1] * 3, raf.Learner(0.8, 0.6)), "alpha"),
        (lambda: raf.solve("square", 2.0, 0.1, 0.3, "linear"), "learner"),
        (lambda: raf.rule_error("cubic", raf.solve("square", 2.0, 0.1, 0.3)), "loss"),
    ],
)
def test_what_optima_do_not_take_is_named(call, argument):
    with pytest.raises(InputError, match=argument):
        call()
