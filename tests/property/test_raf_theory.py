"""Rules and facts, theory: golden values, quadrature, invariances, limits, refusals."""

import mpmath as mp
import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from rote.core.errors import InputError
from rote.papers.raf.golden import GOLDEN
from rote.papers.raf.point import learner as described
from rote.theory import raf
from rote.theory.raf.margins import State
from scipy import integrate, special, stats

from tests.extremes.raf_reference import Point, errors

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


@pytest.mark.parametrize(
    ("alpha", "eps", "overlap"),
    [
        (1, 0.2, 0.32162461),
        (4, 0.1, 0.82254343),
        (10, 0.2, 0.92996013),
        (4, 0, 0.90025731),
        (1000, 0.1, 0.99999562),
    ],
)
def test_bayes_matches_golden_values(alpha, eps, overlap):
    assert float(raf.bayes_overlap(alpha, eps)) == pytest.approx(overlap, abs=1e-8)


def test_capacity_matches_golden_values():
    eps = [0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1]
    expected = [8.5296, 6.7103, 4.8665, 3.8097, 2.9923, 2.6147, 2.2453, 2.0777, 2.0]
    np.testing.assert_allclose(raf.capacity(eps), expected, atol=6e-5)
    assert raf.capacity(0.0) == np.inf


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


@pytest.mark.parametrize("name", sorted(raf.KERNELS))
def test_kernel_geometry_is_that_of_its_function(name):
    h = raf.KERNELS[name].function
    step = 1e-5
    slope = (h(np.array(step)) - h(np.array(-step))) / (2 * step)
    mu1, mustar = raf.KERNELS[name].geometry
    assert mu1**2 == pytest.approx(float(slope), rel=1e-6)
    assert mustar**2 == pytest.approx(float(h(np.array(1.0)) - h(np.array(0.0)) - slope), rel=1e-6)


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


def test_solve_has_its_limits_at_extreme_parameters():
    assert float(raf.solve("hinge", 2, 1.0, 1).e_gen) == 0.5  # facts alone
    assert float(raf.solve("square", 1e-4, 0.1, 1).e_gen) == pytest.approx(0.49771, abs=1e-5)
    hebb = [raf.solve(loss, 4, 0.1, 1e6, raf.Learner(0.8, 0.6)) for loss in ("square", "hinge")]
    for s in hebb:
        assert (float(s.e_gen), float(s.e_mem)) == pytest.approx((0.1936, 0.3276), abs=1e-4)
    for loss in ("square", "hinge"):
        s = raf.solve(loss, 1e5, 0.1, 0.0, raf.Learner.at_angle(45))
        assert s.converged
        assert float(s.e_mem) == 0


def test_solve_marks_points_that_did_not_converge():
    s = raf.solve("hinge", 1e3, 0.0, 1e-6, solver=raf.Solver(max_iter=5))
    assert not s.converged
    assert np.isnan(s.e_gen)
    assert int(s.iterations) <= 5
    assert float(s.residual) > 0


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"loss": "huber"}, "loss must be one of square, hinge, logistic, given 'huber'"),
        ({"alpha": 0.0}, "alpha must be finite and > 0, given 0"),
        ({"alpha": [1.0, np.nan]}, "alpha must be finite"),
        ({"eps": 1.2}, r"eps must be finite and in \[0, 1\], given 1.2"),
        ({"lam": -0.1}, "lam must be finite and ≥ 0, given -0.1"),
        ({"mu1": 0.0, "mustar": 1.0}, "mu1 must be finite and non-zero .*E_gen = 1/2"),
        ({"mu1": 1.0, "mustar": -1.0}, "mustar must be finite and ≥ 0"),
        ({"gamma": 90.0}, r"gamma must be in \[0, 90\) degrees, given 90"),
        ({"gamma": 10.0, "mu1": 1.0}, "either gamma or mu1"),
        (
            {"lam": 0.0, "alpha": 4.0},
            r"alpha < 3.80969 for the hinge loss at eps = 0.1, given alpha = 4; use lam > 0",
        ),
        ({"loss": "square", "lam": 0.0, "alpha": 1.0}, "alpha < 1 for the square loss"),
        ({"loss": "logistic", "lam": 0.0, "gamma": 40.0}, "lam must be > 0 for the logistic loss"),
        ({"kappa": -1.0, "gamma": 40.0}, "kappa must be finite and > 0"),
        ({"kernel": "cosine"}, "kernel must be one of erf, relu, sign, rbf, cubic, given 'cosine'"),
        ({"kernel": "erf", "gamma": 10.0}, "give either kernel, or gamma"),
        ({"kappa": 2.0}, "mustar must be > 0 for random features"),
        ({"kappa": 2.0, "gamma": 40.0, "lam": 0.0}, "lam must be > 0 for random features"),
        ({"alpha": [1.0, 2.0], "lam": [1.0, 2.0, 3.0]}, "do not broadcast"),
    ],
)
def test_solve_refuses_by_parameter_and_range(arguments, expected):
    parameters = {"loss": "hinge", "alpha": 2.0, "eps": 0.1, "lam": 1.0} | arguments
    known = ("loss", "alpha", "eps", "lam")
    point = {name: parameters.pop(name) for name in known}
    with pytest.raises(InputError, match=expected):
        raf.solve(**point, learner=described(**parameters))


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"tolerance": 0.0}, "tolerance must be finite and > 0, given 0"),
        ({"tolerance": np.nan}, "tolerance must be finite"),
        ({"max_iter": 0}, "max_iter must be a whole number ≥ 1, given 0"),
        ({"max_iter": 2.5}, "max_iter must be a whole number ≥ 1, given 2.5"),
        ({"tolerance": "a"}, "tolerance must be finite and > 0, given 'a'"),
    ],
)
def test_solver_refuses_by_field_and_range(options, expected):
    with pytest.raises(InputError, match=expected):
        raf.Solver(**options)


@pytest.mark.parametrize("given", ["a", [[1.0], [1.0, 2.0]], {}])
def test_learner_refuses_what_is_no_number(given):
    with pytest.raises(InputError, match=r"mu1 must be (an array of )?real numbers"):
        raf.Learner(mu1=given)


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


def states(size: int, seed: int) -> State:
    """Random states around what solutions look like."""
    rng = np.random.default_rng(seed)
    alpha, V = 10 ** rng.uniform(-3, 5, size), 10 ** rng.uniform(-4, 6, size)
    sigma = np.sqrt(alpha) * np.minimum(V, np.log1p(V)) * 10 ** rng.uniform(0, 2, size)
    unit, lam = sigma * 10 ** rng.uniform(-2, 3, size), 10 ** rng.uniform(-6, 3, size)
    return State(alpha, rng.uniform(0, 0.9, size), lam, unit, sigma**2, lam * V)


@pytest.mark.parametrize("loss", ["square", "hinge", "logistic"])
def test_derivatives_of_hats_are_their_differences(loss):
    s = states(300, 0)
    sweep = raf.LOSSES[loss].sweep
    values = sweep(22, s)
    for row, name in enumerate(("unit", "rest", "v")):
        up, down = (
            sweep(22, s._replace(**{name: getattr(s, name) * np.exp(sign * 1e-5)}))[:3]
            for sign in (1, -1)
        )
        differences = (up - down) / 2e-5
        derivatives = values[4 + 3 * row : 7 + 3 * row]
        error = np.abs(derivatives - differences)
        # V̂ below 1e-9 of λ says nothing
        known = values[:3] > np.array([[0], [0], [1e-9]])
        assert (error[known] / values[:3][known]).max() < 1e-5


@pytest.mark.parametrize("loss", ["hinge", "logistic"])
def test_hats_hold_under_a_finer_quadrature(loss):
    s = states(300, 1)
    coarse, fine = (raf.LOSSES[loss].sweep(order, s)[:3] for order in (16, 40))
    np.testing.assert_allclose(coarse[:2], fine[:2], rtol=1e-9)
    np.testing.assert_allclose(coarse[2], fine[2], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("alpha", [1e8, 1e10, 1e60])
@pytest.mark.parametrize("eps", [0.0, 0.1, 0.5, 0.9])
def test_bayes_has_its_rate_at_any_large_alpha(alpha, eps):
    rate = float(raf.bayes_rate(eps))
    assert alpha * float(raf.bayes_optimal(alpha, eps)) == pytest.approx(rate, rel=1e-9)
    if eps == 0.1:
        assert rate == pytest.approx(0.66596972, abs=5e-9)


@pytest.mark.parametrize(
    ("alpha", "eps"),
    [(1e-9, 0.3), (1e-3, 1 - 1e-9), (0.5, 0.0), (3.0, 1e-12), (40.0, 1e-5), (1e4, 0.6)],
)
def test_bayes_is_the_fixed_point_of_its_integral(alpha, eps):
    """In mpmath, without the scaling by exp(q u²/2)."""
    overlap, e_gen = float(raf.bayes_overlap(alpha, eps)), float(raf.bayes_optimal(alpha, eps))
    with mp.workdps(20):
        h = 1 / mp.tan(mp.pi * mp.mpf(e_gen)) ** 2
        if overlap < 0.5:
            h = mp.mpf(overlap) / (1 - mp.mpf(overlap))
        q = h / (1 + h)

        def integrand(u):
            return mp.exp(-(1 + q) * u * u / 2) / (eps + (1 - eps) * mp.erfc(-u * mp.sqrt(q / 2)))

        integral = mp.quad(integrand, [-11, -7, -5, -3.5, -2, 0, 3, 11])
        right = 4 * (1 - mp.mpf(eps)) ** 2 * alpha / (2 * mp.pi) ** 1.5 * mp.sqrt(1 + h) * integral
    assert float(right / h) == pytest.approx(1, abs=1e-11)


@given(st.floats(-300, -0.005).map(lambda x: 10.0**x))
def test_capacity_is_the_minimum_that_defines_it(eps):
    with mp.workdps(30 + int(-np.log10(eps))):
        e = mp.mpf(eps)
        alpha = 1 / mp.mpf(float(raf.capacity(eps)))
        angle = (mp.pi * alpha - e * mp.pi / 2) / (1 - e) if eps < 1 else mp.pi / 2
        t = mp.cot(angle)
        right = (1 + t * t) * mp.acot(t) - t if t else mp.pi / 2
        wrong = (1 + t * t) * (mp.pi / 2 + mp.atan(t)) + t
        value = ((1 - e / 2) * right + e / 2 * wrong) / mp.pi
    assert float(value / alpha) == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("lam", [1e-16, 1e-8, 1.0, 1e8, 1e12, 1e16])
@pytest.mark.parametrize("alpha", [1e-6, 1 - 1e-9, 1.0, 1 + 1e-9, 4.0, 1e8])
@pytest.mark.parametrize("mustar", [0.0, 1e-5, 1.0])
def test_square_loss_is_its_closed_form_in_mpmath(alpha, lam, mustar):
    with mp.workdps(60):
        a, ridge = mp.mpf(alpha), mp.mpf(lam) + mp.mpf(mustar) ** 2
        c = mp.mpf(0.9) * mp.sqrt(2 / mp.pi)
        b = 1 + a + ridge
        root = mp.sqrt(b * b - 4 * a)
        s = (b + root) / 2
        m, V = a * c / s, (s - a) / mp.mpf(lam) - 1
        q = (a * a * c * c + a - 2 * a * a * c * c / s) / (s * s - a)
        e_gen = mp.acos(m / mp.sqrt(q)) / mp.pi
        e_mem = mp.erfc(V / mp.sqrt(2 * q)) / 2
    s = raf.solve("square", alpha, 0.1, lam, raf.Learner(1.0, mustar))
    expected = [float(x) for x in (m, q, V, e_gen)]
    assert [float(x) for x in (s.m, s.q, s.v, s.e_gen)] == pytest.approx(expected, rel=2e-9)
    assert float(s.e_mem) == pytest.approx(float(e_mem), rel=1e-8, abs=1e-290)


def test_solve_takes_back_what_beats_bayes(monkeypatch):
    """A closed form that is wrong is not called a solution."""

    square = raf.LOSSES["square"]

    def wrong(*arguments):
        order = square.closed_form(*arguments)
        return order._replace(rest=order.rest / 100)

    monkeypatch.setitem(raf.LOSSES, "square", square._replace(closed_form=wrong))
    s = raf.solve("square", [1.0, 4.0], 0.1, 0.5)
    assert not s.converged.any()
    assert np.isnan(s.e_gen).all()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"alpha": 1e11}, r"alpha must be between 1e-08 and 1e\+08"),
        ({"lam": 1e-20}, r"lam/mu1², where it is not 0, must be between 1e-16 and 1e\+16"),
        ({"mu1": 1e-9}, r"lam/mu1², where it is not 0, must be between 1e-16 and 1e\+16"),
        ({"mustar": 1e7}, r"mustar/mu1 must be between 0 and 1e\+06"),
        ({"mu1": 1e-200}, r"mu1 must be between 1e-100 and 1e\+100"),
        ({"gamma": 30.0, "kappa": 1e-5}, r"kappa must be between 0.0001 and 1e\+10, given 1e-05"),
    ],
)
def test_solve_refuses_what_was_not_checked(arguments, expected):
    parameters = {"alpha": 2.0, "lam": 1.0} | arguments
    point = {name: parameters.pop(name) for name in ("alpha", "lam")}
    with pytest.raises(InputError, match=expected):
        raf.solve("hinge", **point, eps=0.1, learner=described(**parameters))


@pytest.mark.parametrize(
    ("function", "arguments", "expected"),
    [
        (raf.bayes_optimal, (1e101, 0.1), r"alpha must be between 1e-100 and 1e\+100"),
        (raf.bayes_optimal, (np.nan, 0.1), "alpha must be finite"),
        (raf.bayes_overlap, (1.0, -0.1), r"eps must be finite and in \[0, 1\]"),
        (raf.bayes_rate, (1.0,), r"eps must be in \[0, 1\), given 1"),
        (raf.capacity, (1.1,), r"eps must be finite and in \[0, 1\]"),
        (raf.optimal_ridge, (0.1, 0.0, 1.0), "mu1 must be finite and non-zero"),
        (raf.optimal_ridge, (0.1, 1.0, -1.0), "mustar must be finite and ≥ 0"),
        (raf.hinge_limit, (0.0, 1.0), r"eps must be in \(0, 1\)"),
        (raf.hinge_limit, (1e-13, 1.0), "eps must be between 1e-12"),
        (raf.hinge_limit, (0.1, np.nan), "v_star must be ≥ 0, given nan"),
        (raf.hinge_limit, (0.1, 1e-9), r"v_star must be between 1e-06 and 1e\+08"),
    ],
)
def test_limits_refuse_by_argument_and_range(function, arguments, expected):
    with pytest.raises(InputError, match=expected):
        function(*arguments)


@pytest.mark.parametrize("eps", [1e-12, 1e-4, 0.1, 0.9, 1 - 1e-6])
@pytest.mark.parametrize("v_star", [0.0, 1e-6, 0.3, 1.0, 30.0, 1e8, np.inf])
def test_hinge_limit_balances_its_force(eps, v_star):
    """E[±|u| F(±M|u|)] = 0 at M, in mpmath."""
    limit = raf.hinge_limit(eps, v_star)
    with mp.workdps(30):
        M, e = mp.mpf(limit.overlap), mp.mpf(eps)

        def force(z):
            if v_star == 0:
                return mp.mpf(z < 1)
            low = max(1 - z, mp.mpf(0))
            return low if np.isinf(v_star) else min(low / mp.mpf(v_star), mp.mpf(1))

        corners = [1 / M, (1 - v_star) / M if v_star < 1 else (v_star - 1) / M]
        edges = sorted({mp.mpf(0), mp.mpf(12), *(x for x in corners if 0 < x < 12)})
        right = mp.quad(lambda u: u * force(M * u) * mp.npdf(u), edges) * (1 - e / 2)
        wrong = mp.quad(lambda u: u * force(-M * u) * mp.npdf(u), edges) * e / 2
    assert float(right / wrong) == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize(
    ("loss", "alpha", "eps", "lam", "gamma", "kappa"),
    [
        ("hinge", 0.1525481660434933, 0.45706, 2.942887639999284e-16, 63.9974, 0.0613),
        ("hinge", 25180.69320346647, 6.17483924638838e-08, 3.5321378e-09, 0.1, 10085104.18),
        ("logistic", 2.00657388722971, 0.634242684191032, 4.875180021556966e-15, 0.0, None),
        ("logistic", 5.109834943888261, 5.013804595e-09, 4.4632391347e-16, 28.208071, 1.48286781),
    ],
)
def test_points_that_no_start_leads_to_start_again_from_larger_ridges(
    loss, alpha, eps, lam, gamma, kappa
):
    patient = raf.Solver(max_iter=250)
    s = raf.solve(loss, alpha, eps, lam, raf.Learner.at_angle(gamma, kappa), patient)
    close = raf.solve(loss, alpha, eps, 1.01 * lam, raf.Learner.at_angle(gamma, kappa), patient)
    assert s.converged
    assert float(s.e_gen) == pytest.approx(float(close.e_gen), rel=1e-2)
