"""Rules and facts, theory: golden values, quadrature, invariances, limits, refusals."""

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from rote.papers.raf.golden import GOLDEN
from rote.theory import raf
from rote.theory.raf import newton
from rote.theory.raf.margins import State
from scipy import integrate, special, stats

from tests.extremes.raf_reference import HARD, Point, errors

ORDER = [  # m, q, V of the golden rows
    (0.42065096, 0.29558040, 0.41421356),
    (0.60688529, 0.47628205, 45.911615),
    (0.39655288, 0.26025545, 1.0911903),
    (0.27181327, 0.48751070, 5.7416574),
    (0.64505899, 0.72029339, 0.49542827),
    (1.93990502, 4.75833464, 0.98134965),
    (0.54795560, 0.49216366, 1.2313286),
    (0.68721257, 0.65409233, 1.0505905),
    (0.74156083, 0.70238067, np.inf),
    (0.75598280, 2.43354647, 36.364199),
    (0.78385602, 0.68494375, 1.9300138),
]


@pytest.mark.parametrize(("point", "order"), list(zip(GOLDEN, ORDER, strict=True)))
@pytest.mark.parametrize("closed_form", [True, False])
def test_solve_matches_golden_values(point, order, closed_form):
    learner = raf.Learner(point.mu1, point.mustar)
    solver = raf.Solver(closed_form=closed_form)
    s = raf.solve(point.loss, point.alpha, point.eps, point.lam, learner, solver)
    assert s.converged
    errors = (float(s.e_gen), float(s.e_mem))
    assert errors == pytest.approx((point.e_gen, point.e_mem), abs=1e-8)
    assert (float(s.m), float(s.q), float(s.v)) == pytest.approx(order, rel=1e-6)


@pytest.mark.parametrize(
    ("loss", "alpha", "kappa", "eps", "lam", "mu", "e_gen", "e_mem"),
    [
        ("square", 2, 1.5, 0.1, 0.5, (0.8, 0.6), 0.33883914, 0.13355992),
        ("hinge", 2, 1.5, 0.1, 0.5, (0.8, 0.6), 0.33929315, 0.19657966),
        ("square", 4, 8, 0.1, 0.1, raf.KERNELS["sign"].geometry, 0.24735604, 6.2822e-5),
        ("hinge", 4, 8, 0.1, 0.1, raf.KERNELS["sign"].geometry, 0.23587264, 0.0017558571),
    ],
)
def test_solve_matches_golden_values_of_random_features(
    loss, alpha, kappa, eps, lam, mu, e_gen, e_mem
):
    s = raf.solve(loss, alpha, eps, lam, raf.Learner(*mu, kappa))
    assert (float(s.e_gen), float(s.e_mem)) == pytest.approx((e_gen, e_mem), abs=1e-6)


points = st.fixed_dictionaries(
    {
        "alpha": st.floats(0.2, 20),
        "eps": st.floats(0, 0.95),
        "lam": st.floats(1e-2, 10),
        "learner": st.floats(0, 80).map(raf.Learner.at_angle),
    }
)


@settings(max_examples=40, deadline=None)
@given(points)
def test_hinge_hats_are_their_integrals(point):
    """Panels over the output against adaptive quadrature over the fields, at the solution."""
    s = raf.solve("hinge", **point)
    assert s.converged
    alpha, eps = point["alpha"], point["eps"]
    lam = point["lam"]
    m, q = float(s.m), float(s.q)
    V = float(s.v)
    rest = q - m**2
    state = State._make(np.array([x]) for x in (alpha, eps, lam, m / (1 - eps), rest, lam * V))
    mt, qt, vt = (float(x[0]) for x in raf.LOSSES["hinge"].hats(state))
    beta, sigma = m / np.sqrt(rest), np.sqrt(rest / q)

    def slope(zeta):
        return np.clip((1 - np.sqrt(q) * zeta) / V, 0, 1)

    def density(z):
        return stats.norm.pdf(z) * (2 * (1 - eps) * special.ndtr(beta * z) + eps)

    kinks = sorted([max((1 - V) / np.sqrt(q), -20), min(1 / np.sqrt(q), 20)])

    def quad(f):
        return integrate.quad(f, -20, 20, points=kinks, limit=400, epsabs=1e-12)[0]

    assert qt * lam**2 == pytest.approx(
        alpha * quad(lambda z: density(z) * slope(z) ** 2), rel=1e-6, abs=1e-10
    )
    inside = integrate.quad(density, *kinks, epsabs=1e-13)[0]
    assert vt * lam == pytest.approx(alpha * inside / V, rel=1e-6, abs=1e-10)
    teacher = quad(lambda z: stats.norm.pdf(z, scale=sigma) * slope(z))
    assert mt * lam == pytest.approx(
        2 * alpha * (1 - eps) / np.sqrt(2 * np.pi) * teacher, rel=1e-6, abs=1e-10
    )


@settings(max_examples=30, deadline=None)
@given(points, st.floats(0.2, 5), st.sampled_from(["square", "hinge"]))
def test_solve_is_invariant_under_a_common_scale_of_kernel_and_ridge(point, c, loss):
    base = raf.solve(loss, **point)
    learner = raf.Learner(c * point["learner"].mu1, c * point["learner"].mustar)
    scaled = raf.solve(loss, point["alpha"], point["eps"], c**2 * point["lam"], learner)
    assert float(base.e_gen) == pytest.approx(float(scaled.e_gen), abs=1e-8)
    assert float(base.e_mem) == pytest.approx(float(scaled.e_mem), abs=1e-8)


@settings(max_examples=30, deadline=None)
@given(points)
def test_solve_in_closed_form_is_the_fixed_point(point):
    closed = raf.solve("square", **point)
    iterated = raf.solve("square", **point, solver=raf.Solver(1e-13, closed_form=False))
    for field in ("e_gen", "e_mem", "m", "q", "v"):
        assert float(getattr(closed, field)) == pytest.approx(
            float(getattr(iterated, field)), rel=1e-8, abs=1e-10
        )


@settings(max_examples=30, deadline=None)
@given(points, st.sampled_from(["square", "hinge", "logistic"]))
def test_solve_errors_lie_between_bayes_and_chance(point, loss):
    s = raf.solve(loss, **point)
    assert s.converged
    assert raf.bayes_optimal(point["alpha"], point["eps"]) - 1e-9 <= s.e_gen <= 0.5 + 1e-12
    assert 0 <= s.e_mem <= 0.5


def test_solve_converges_for_the_logistic_loss_at_small_ridge():
    """Where the proximal operator is steep (V ~ 1/λ), Newton from a bad start cycled and the sweeps
    never settled.
    """
    alpha = np.array(
        [4.700174312242756, 2.289044923930428, 0.33954337584157984, 1.8239202423604945]
    )
    eps = np.array([0.0, 0.48656497494584827, 0.21133072619179225, 0.8775580895064221])
    lam = np.array([0.01, 0.017958782953151387, 0.017832858834268935, 0.010435913875820308])
    gamma = np.array(
        [8.939825224243538, 18.106643823542736, 15.301341247043743, 0.3057700639325527]
    )
    s = raf.solve(
        "logistic", alpha, eps, lam, raf.Learner.at_angle(gamma), raf.Solver(max_iter=1000)
    )
    assert s.converged.all()
    assert (s.e_gen > raf.bayes_optimal(alpha, eps)).all()


def test_solve_on_grids_agrees_with_single_points():
    alpha, lam = np.array([0.5, 4.0]), np.array([[0.1], [1.0], [3.0]])
    grid = raf.solve("hinge", alpha, 0.1, lam, raf.Learner.at_angle(40.0))
    assert grid.e_gen.shape == grid.converged.shape == (3, 2)
    for i, j in np.ndindex(3, 2):
        alone = raf.solve("hinge", alpha[j], 0.1, lam[i, 0], raf.Learner.at_angle(40.0))
        assert float(alone.e_gen) == pytest.approx(grid.e_gen[i, j], abs=1e-13)
        assert int(alone.iterations) == grid.iterations[i, j]


def test_solve_of_wide_features_is_the_kernel():
    mu1, mustar = raf.KERNELS["sign"].geometry
    for loss in raf.LOSSES:
        wide, kernel = (
            raf.solve(loss, 2.0, 0.1, 0.1, raf.Learner(mu1, mustar, k)) for k in (1e5, None)
        )
        assert float(wide.e_gen) == pytest.approx(float(kernel.e_gen), abs=1e-4)


def test_solve_approaches_the_hebb_rule_without_a_jump():
    lam = np.geomspace(50, 5e5, 60)
    s = raf.solve("hinge", 4.0, 0.1, lam)
    assert s.converged.all()
    assert np.abs(np.diff(s.e_gen)).max() < 2e-4
    assert float(s.e_gen[-1]) == pytest.approx(
        float(raf.solve("square", 4.0, 0.1, 5e5).e_gen), abs=1e-4
    )  # Hebb


@pytest.mark.parametrize(
    ("kernel", "lam", "e_mem", "interpolator"),
    [
        ("erf", 0.35849, 0.2744, 0.16112),
        ("relu", 0.14397, 0.0528, 0.15885),
        ("sign", 0.23457, 3.1e-4, 0.15798),
        ("rbf", 0.08129, 7e-12, 0.15767),
    ],
)
def test_named_kernels_match_golden_values_at_their_best_ridge(kernel, lam, e_mem, interpolator):
    assert float(raf.optimal_ridge(0.1, *raf.KERNELS[kernel].geometry)) == pytest.approx(
        lam, abs=1e-5
    )
    learner = raf.Learner.of_kernel(kernel)
    s = raf.solve("square", 4.0, 0.1, lam, learner)
    assert float(s.e_gen) == pytest.approx(0.15751, abs=1e-5)
    assert float(s.e_mem) == pytest.approx(e_mem, rel=0.02)
    assert float(raf.solve("square", 4.0, 0.1, 0.0, learner).e_gen) == pytest.approx(
        interpolator, abs=1e-5
    )


@pytest.mark.parametrize("loss", ["square", "hinge"])
def test_solve_converges_at_peaks_of_random_features_down_to_tiny_ridges(loss):
    kappa = np.array([0.5, 1.0, 2.0, 4.0])  # p = d, p = n, ...
    s = raf.solve(loss, 2.0, 0.1, 1e-6, raf.Learner.of_kernel("sign", kappa))
    assert s.converged.all()
    assert (s.e_gen < 0.5).all()


def test_solve_marks_points_that_did_not_converge():
    s = raf.solve("hinge", 1e3, 0.0, 1e-6, solver=raf.Solver(max_iter=5))
    assert not s.converged
    assert np.isnan(s.e_gen)
    assert int(s.iterations) <= 5
    assert float(s.residual) > 0


def test_solve_accepts_the_hard_margin_just_below_capacity():
    assert raf.solve("hinge", 3.0, 0.1, 0.0).converged
    assert raf.solve("square", 0.9, 0.1, 0.0).converged


@pytest.mark.parametrize(
    "learner",
    [raf.Learner.at_angle(45.0), raf.Learner(), raf.Learner.of_kernel("sign", 4.0)],
    ids=["kernel", "linear", "random features"],
)
def test_solve_converges_on_a_fine_hinge_grid(learner):
    """200 x 200 points, down to tiny ridges: kernel, linear (slow around the capacity), random
    features.
    """
    alpha, lam = np.geomspace(0.1, 32, 200)[:, None], np.geomspace(1e-4, 10, 200)
    s = raf.solve("hinge", alpha, 0.1, lam, learner)
    assert s.converged.all()
    assert (s.residual < 1e-10).all()
    assert np.isfinite(s.e_gen).all()


@pytest.mark.parametrize(
    ("loss", "alpha", "eps", "lam", "gamma", "e_gen", "e_mem"),
    [
        ("logistic", 100, 0, 0.01, 0, 0.00779993, 0.49437136),
        ("logistic", 10, 0.001, 1e-4, 0, 0.05661126, 0.04691718),
        ("hinge", 50, 0.9, 1, 0, 0.33729653, 0.44888326),
        ("hinge", 100, 0.9, 1, 45, 0.28260129, 0.10876945),
        ("square", 1, 0.1, 1e-16, 0, 0.49995355, 0),
    ],
)
def test_solve_matches_reference_values(loss, alpha, eps, lam, gamma, e_gen, e_mem):
    s = raf.solve(loss, alpha, eps, lam, raf.Learner.at_angle(gamma))
    assert s.converged
    assert (float(s.e_gen), float(s.e_mem)) == pytest.approx((e_gen, e_mem), abs=6e-9)


wide = st.fixed_dictionaries(
    {
        "alpha": st.floats(-4, 6).map(lambda x: 10.0**x),
        "eps": st.one_of(st.floats(0, 1), st.floats(-12, 0).map(lambda x: 10.0**x)),
        "lam": st.floats(-6, 6).map(lambda x: 10.0**x),
    }
)


@settings(max_examples=60, deadline=None)
@example({"alpha": 0.01, "eps": 0.9999999838852333, "lam": 10.0}, 0.0, "hinge")
@given(wide, st.floats(0, 89.9), st.sampled_from(sorted(raf.LOSSES)))
def test_solve_of_kernels_has_a_number_everywhere(point, gamma, loss):
    s = raf.solve(loss, **point, learner=raf.Learner.at_angle(gamma))
    assert s.converged
    assert int(s.iterations) <= 50
    bayes = float(raf.bayes_optimal(point["alpha"], point["eps"]))
    assert bayes * (1 - 1e-8) <= float(s.e_gen) <= 0.5
    assert 0 <= float(s.e_mem) <= 0.5


@settings(max_examples=60, deadline=None)
@given(
    wide,
    st.floats(0.1, 89.9),
    st.floats(-2, 8).map(lambda x: 10.0**x),
    st.sampled_from(sorted(raf.LOSSES)),
)
def test_solve_of_features_has_a_number_everywhere(point, gamma, kappa, loss):
    s = raf.solve(loss, **point, learner=raf.Learner.at_angle(gamma, kappa))
    assert s.converged
    assert int(s.iterations) <= 50
    bayes = float(raf.bayes_optimal(point["alpha"], point["eps"]))
    assert bayes * (1 - 1e-8) <= float(s.e_gen) <= 0.5


@settings(max_examples=4, deadline=None)
@given(wide, st.floats(0, 80), st.sampled_from(["square", "hinge"]))
def test_solve_agrees_with_a_newton_step_of_the_textbook_equations(point, gamma, loss):
    assume(point["eps"] < 1)
    s = raf.solve(loss, **point, learner=raf.Learner.at_angle(gamma))
    mu1, mustar = np.cos(np.radians(gamma)), np.sin(np.radians(gamma))
    ridge, tail = point["lam"] / mu1**2, (mustar / mu1) ** 2
    textbook = Point(loss, point["alpha"], point["eps"], ridge, tail, None)
    e_gen, e_mem = errors(textbook, s.m, s.e_gen, s.v)
    assert float(s.e_gen / e_gen) == pytest.approx(1, abs=1e-9)
    assert float(s.e_mem) == pytest.approx(float(e_mem), rel=1e-9, abs=1e-290)


@pytest.mark.parametrize(("loss", "alpha", "eps", "lam", "gamma", "kappa"), HARD)
def test_points_that_no_start_leads_to_are_reached_along_larger_ridges(
    loss, alpha, eps, lam, gamma, kappa
):
    s = raf.solve(loss, alpha, eps, lam, raf.Learner.at_angle(gamma, kappa))
    close = raf.solve(loss, alpha, eps, 1.01 * lam, raf.Learner.at_angle(gamma, kappa))
    assert s.converged
    assert s.iterations <= 50
    assert float(s.e_gen) == pytest.approx(float(close.e_gen), rel=1e-2)


@pytest.mark.parametrize("loss", ["hinge", "logistic"])
def test_the_way_along_larger_ridges_ends_where_the_usual_starts_do(loss, monkeypatch):
    alpha, eps, lam = np.geomspace(0.01, 1e4, 12)[:, None], [0.001, 0.3, 0.9], 1e-10
    learner = raf.Learner.at_angle(30.0, 2.0)
    usual = raf.solve(loss, alpha, eps, lam, learner)
    monkeypatch.setattr(newton, "_TRIED", 1)
    along = raf.solve(loss, alpha, eps, lam, learner)
    assert along.converged.all()
    assert (along.iterations > usual.iterations).mean() > 0.9
    np.testing.assert_allclose(along.e_gen, usual.e_gen, rtol=1e-9)
