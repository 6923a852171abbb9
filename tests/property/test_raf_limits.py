"""Bayes-optimal errors, limits, kernels and integrals of rules and facts; what is refused."""

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rote.core.errors import InputError
from rote.papers.raf.point import learner as described
from rote.theory import raf
from rote.theory.raf.margins import State


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


@pytest.mark.parametrize("name", sorted(raf.KERNELS))
def test_kernel_geometry_is_that_of_its_function(name):
    h = raf.KERNELS[name].function
    step = 1e-5
    slope = (h(np.array(step)) - h(np.array(-step))) / (2 * step)
    mu1, mustar = raf.KERNELS[name].geometry
    assert mu1**2 == pytest.approx(float(slope), rel=1e-6)
    assert mustar**2 == pytest.approx(float(h(np.array(1.0)) - h(np.array(0.0)) - slope), rel=1e-6)


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
        (
            {"kernel": "cosine"},
            "kernel must be one of erf, relu, sign, rbf, cubic or rbf:ETA, given 'cosine'",
        ),
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
    with pytest.raises(InputError, match=r"mu1 must be (an array of|real) numbers"):
        raf.Learner(mu1=given)


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
