"""Moments, diagonals, ridge and densities: closed forms, integrals, what is refused."""

import mpmath as mp
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from rote.core.errors import InputError
from rote.papers.attention import simulation
from rote.papers.attention.heads import (
    STRUCTURES,
    tanh_lookalikes,
)
from rote.papers.attention.heads import error as head_error
from rote.synth import tokens
from rote.theory import attention
from rote.theory.attention import memorization
from scipy import integrate

MOMENTS = {  # name -> a1, a2, ν
    "linear": (1, 0, 1),
    "tanh": (0.605705509602, 0, 0.394294490398),
    "relu_c": (0.5, 0.282094791774, 0.340845056908),
    "sign": (0.797884560803, 0, 1),
    "cubic": (1, 0, 2),
    "exp_c": (1.648721270700, 1.165821990799, 4.670774270471),
    "exp_clip": (1.201724728969, 0.463477989214, 1.753398607284),
    "cos_c": (0, -0.428881942480, 0.199788200447),
    "quad": (0, 1, 1),
}


@pytest.mark.parametrize("name", attention.ACTIVATIONS)
def test_moments_have_their_closed_form_values(name):
    moment = attention.moments(name)
    assert (moment.a1, moment.a2, moment.nu) == pytest.approx(MOMENTS[name], abs=1e-11)
    assert moment.a0 == pytest.approx(0, abs=1e-11)
    assert attention.coefficients(name) == (moment.a1, moment.nu)


@settings(max_examples=30)
@given(c=st.floats(0.1, 10), gamma=st.floats(1e-4, 100), mu2=st.floats(0, 10))
@example(c=0.99999, gamma=0.5, mu2=0.0)
@example(c=1.0, gamma=1.0, mu2=0.0)
def test_ridge_error_is_an_integral_over_marchenko_pastur(c, gamma, mu2):
    """E = −γ² dφ/dγ with φ from the trace of the resolvent by quadrature."""
    a, b = (1 - np.sqrt(c)) ** 2, (1 + np.sqrt(c)) ** 2
    edge = np.geomspace(
        max(np.sqrt(a), 1e-8) / 10, 1, 20
    )  # near c = 1 the density turns within √a of its lower end

    def trace(z: float) -> float:  # lim tr (XᵀX/n + z)⁻¹/n without signal
        def inner(t):  # x = a + (b − a) sin² t/2, in this form for the sake of x near 0
            up, down = (b - a) * np.sin(t / 2) ** 2, (b - a) * np.cos(t / 2) ** 2
            return up * down / (2 * np.pi * (a + up) * (a + up + z))

        bulk = integrate.quad(inner, 0, np.pi, points=edge, epsabs=1e-12, epsrel=1e-11, limit=500)[
            0
        ]
        return max(0, 1 - c) / z + bulk

    def phi(z: float) -> float:
        g = trace(z)
        return 1 / (1 / g + mu2 / (1 + g))

    step = 1e-4 * gamma
    slope = (
        8 * (phi(gamma + step) - phi(gamma - step)) - phi(gamma + 2 * step) + phi(gamma - 2 * step)
    ) / (12 * step)
    assert float(attention.ridge_error(gamma, c, mu2)) == pytest.approx(
        -(gamma**2) * slope, rel=1e-6, abs=1e-9
    )


def test_moments_center_uncentered_functions_and_say_so():
    clip = attention.Activation(attention.clipped_exp, (np.log(5),))
    s = attention.memorization_error(0.1, 2.0, clip)
    assert s.coefficients.a0 == pytest.approx(1.470526281225, abs=1e-10)
    assert float(s.error) == pytest.approx(
        float(attention.memorization_error(0.1, 2.0, "exp_clip").error), rel=1e-9
    )


def test_diagonal_is_the_slope_of_f_at_infinity():
    assert attention.diagonal("linear", "keep") == 1.0
    assert attention.diagonal("tanh", "keep") == 0.0
    assert attention.diagonal("relu_c", "keep") == 1.0
    assert attention.diagonal("tanh", 0.25) == 0.25


def test_functions_with_the_moments_of_tanh_have_its_error():
    gamma = np.array([1.0, 10.0])
    for structure in STRUCTURES.values():
        tanh, *others = (
            head_error(gamma, 4.0, f, structure).error for f in tanh_lookalikes().values()
        )
        for error in others:
            np.testing.assert_allclose(error, tanh, atol=1e-12)


@settings(max_examples=100, deadline=None)
@given(
    c=st.floats(-3, 3).map(lambda x: 10**x),
    noise=st.sampled_from([0.0, 1.0]) | st.floats(-14, 0).map(lambda x: 10**x),
    nu=st.floats(-3, 3).map(lambda x: 10**x),
    position=st.floats(-1.5, 1.5),
)
def test_kernel_density_is_that_of_the_cubic_in_sixty_digits(c, noise, nu, position):
    a1 = np.sqrt(nu * (1 - noise))
    f = attention.Coefficients(0.0, a1, 0.0, a1**2 + nu * noise, rest=nu * noise)
    center, spread = a1 / c, 2 * np.sqrt(f.noise / c) + 2 * a1 / np.sqrt(c)
    x = center + position * spread
    with mp.workdps(60):
        a, N, z, C = mp.mpf(a1), mp.mpf(f.noise) / c, mp.mpf(x), mp.mpf(c)
        roots = mp.polyroots(
            [C, a + z * C, z * a + a * a + N * C, N * a], maxsteps=500, extraprec=500
        )
        expected = max((float((1 / w).imag / mp.pi) for w in roots if abs(w) > 1e-40), default=0)
    result = float(memorization.kernel_density(x, c, f))
    highest = 1 / np.sqrt(f.nu / c)
    # at an edge the density is that of x moved by its rounding
    assert result == pytest.approx(expected, rel=1e-7, abs=1e-7 * highest)


def test_kernel_density_has_mass_one_and_the_power_of_the_kernel():
    x = np.linspace(-6, 12, 400_001)
    for f in ("tanh", "cos_c"):
        density = memorization.kernel_density(x, 4.0, f)
        assert np.trapezoid(density, x) == pytest.approx(1, abs=1e-6)
        power = attention.moments(f).nu / 4  # E tr K²/n = ν n/p
        assert np.trapezoid(density * x**2, x) == pytest.approx(power, rel=1e-6)


@settings(max_examples=25, deadline=None)
@given(c=st.floats(0.05, 20), gamma=st.floats(-12, 2).map(lambda x: 10**x))
@example(c=0.5, gamma=1e-8)
@example(c=0.5, gamma=1e-12)
@example(c=1.0, gamma=1e-12)
def test_excess_of_linear_attention_is_an_integral_over_marchenko_pastur(c, gamma):
    """∫ (γ/(γ + (x/c − 1)² x))² dρ, by quadrature around x = c in units of the peak's width."""
    solution = attention.memorization_error(gamma, c, "linear")
    low, high = (1 - np.sqrt(c)) ** 2, (1 + np.sqrt(c)) ** 2
    from_edge = (high - low) * np.geomspace(1e-26, 0.1, 90)
    from_peak = np.sqrt(gamma * c) * np.geomspace(0.1, 1e9, 60)
    marks = np.r_[c, c - from_peak, c + from_peak, low + from_edge, high - from_edge]
    marks = np.unique([low, *marks[(marks > low) & (marks < high)], high])
    position, weight = np.polynomial.legendre.leggauss(30)
    half = np.diff(marks)[:, None] / 2
    x = marks[:-1, None] + half * (1 + position)
    density = np.sqrt(np.maximum((high - x) * (x - low), 0)) / (2 * np.pi * x)
    values = density * (gamma / (gamma + (x / c - 1) ** 2 * x)) ** 2
    assert solution.converged
    assert float(solution.excess) == pytest.approx((half * weight * values).sum(), rel=1e-6)


@settings(max_examples=40, deadline=None)
@given(rate=st.floats(0.1, 8))
def test_moments_of_exponentials_have_their_closed_form(rate):
    moment = attention.moments(lambda t: np.exp(rate * t))
    mean = np.exp(rate**2 / 2)
    assert moment.a0 == pytest.approx(mean, rel=1e-11)
    assert moment.a1 == pytest.approx(rate * mean, rel=1e-11)
    assert moment.nu == pytest.approx(mean**2 * np.expm1(rate**2), rel=1e-10)


@settings(max_examples=25, deadline=None)
@given(rate=st.floats(0.1, 2000))
def test_moments_of_oscillations_have_their_closed_form(rate):
    moment = attention.moments(lambda t: np.cos(rate * t))
    variance = (1 + np.exp(-2 * rate**2)) / 2 - np.exp(-(rate**2))
    assert moment.nu == pytest.approx(variance, rel=1e-9)
    assert moment.error < 1e-9


@settings(max_examples=40, deadline=None)
@given(kink=st.floats(-4, 4))
def test_moments_need_no_declaration_of_kinks(kink):
    hinge = attention.moments(lambda t: np.maximum(t - kink, 0))
    density = np.exp(-(kink**2) / 2) / np.sqrt(2 * np.pi)
    tail = integrate.quad(lambda t: np.exp(-(t**2) / 2) / np.sqrt(2 * np.pi), kink, 30)[0]
    assert hinge.a0 == pytest.approx(density - kink * tail, rel=1e-7, abs=1e-12)
    assert hinge.a1 == pytest.approx(tail, rel=1e-7)
    step = attention.moments(lambda t: np.where(t > kink, 1.0, 0.0))
    assert step.a1 == pytest.approx(density, rel=1e-11)
    assert step.noise == pytest.approx(tail * (1 - tail) - density**2, rel=1e-6)


@pytest.mark.parametrize(
    ("f", "expected"),
    [
        (lambda t: np.exp(30 * t), "grows too fast"),
        (lambda t: np.exp(t**2 / 3), "grows too fast|not finite"),
        (lambda t: np.cos(1e6 * t), "cannot be averaged"),
        (lambda t: 1e12 + t, "only known to|cannot be averaged|f is constant"),
    ],
)
def test_moments_refuse_what_they_cannot_average(f, expected):
    with pytest.raises(InputError, match=expected):
        attention.moments(f)


@pytest.mark.parametrize(
    ("f", "limit"),
    [
        (lambda t: 3 * t + np.sin(t), 3.0),
        (lambda t: np.abs(t) - 2 * t, -1.0),
        (lambda t: np.sqrt(np.abs(t)), 0.0),
        (np.cos, 0.0),
    ],
)
def test_diagonal_keeps_functions_whose_slope_settles(f, limit):
    assert attention.diagonal(f, "keep") == pytest.approx(limit, abs=1e-8)


@pytest.mark.parametrize(
    "f",
    [
        lambda t: t * np.log(np.abs(t) + 1),
        lambda t: t * np.sin(t),
        lambda t: t * np.cos(np.log(np.abs(t) + 1)),
        lambda t: t / np.log(np.abs(t) + 2),
        lambda t: np.abs(t) ** 1.1,
        np.exp,
    ],
)
def test_diagonal_refuses_functions_whose_slope_does_not_settle(f):
    with np.errstate(all="ignore"), pytest.raises(InputError, match="f\\(t\\)/t settles"):
        attention.diagonal(f, "keep")


@settings(max_examples=10, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1), gamma=st.floats(-6, -2), f=st.sampled_from(["exp_c", "tanh"])
)
def test_twin_tokens_leave_what_their_labels_disagree_on(seed, gamma, f):
    """Twins have equal features: as γ → 0 the error is the share of pairs of unequal labels."""
    rng = np.random.default_rng(seed)
    n, p = 64, 128
    X = np.repeat(rng.normal(size=(p, n // 2)), 2, axis=1)
    y = rng.permutation(np.repeat([1.0, -1.0], n // 2))
    disagree = float((y[::2] != y[1::2]).mean())
    kernel = simulation.entrywise(f, p)
    errors, _ = simulation.training_errors(tokens.Context(X, y), kernel, np.array([10**gamma]))
    assert errors.attention[0] >= disagree * (1 - 1e-9)
    if f == "exp_c":
        assert errors.attention[0] == pytest.approx(disagree, abs=1e-6)
