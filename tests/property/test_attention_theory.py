"""Nonlinear attention, theory: golden values, limits, symmetries, derivatives, refusals."""

import mpmath as mp
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from rote.core.errors import InputError
from rote.papers.attention import point, simulation
from rote.papers.attention.golden import GOLDEN, GOLDEN_RIDGE
from rote.papers.attention.heads import (
    FUNCTIONS,
    SPIKES,
    STRUCTURES,
    Structure,
    tanh_lookalikes,
)
from rote.papers.attention.heads import error as head_error
from rote.synth import tokens
from rote.theory import attention
from rote.theory.attention import fixed_point, memorization, variants
from scipy import integrate

U, V, T = np.eye(3)


def _head(c: float, f: str) -> fixed_point.Head:
    """Constants of a head of a named function, zero diagonal."""
    moment = attention.moments(f)
    return fixed_point.head(c, moment.a1, moment.noise, 0.0)


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


@pytest.mark.parametrize("row", GOLDEN, ids=lambda row: f"{row.f}-{row.c}-{row.gamma}")
def test_memorization_error_matches_golden_values(row):
    vectors = attention.Vectors(row.mu, row.w_key, row.w_query)
    s = attention.memorization_error(row.gamma, row.c, row.f, vectors, row.diag)
    assert s.converged
    assert float(s.error) == pytest.approx(row.error, abs=6e-9)
    assert float(s.h_uu) == pytest.approx(row.h_uu, abs=6e-9)


def test_memorization_root_matches_golden_values():
    h = fixed_point.solve(np.array([1e-2]), _head(4.0, "tanh")).h[0, 0]
    expected = {
        (1, 1): 0.57010713,
        (2, 2): 0.28601310,
        (0, 1): 0.44738620,
        (0, 2): -0.55928274,
        (1, 2): -0.15615884,
    }
    for index, value in expected.items():
        assert h[index] == pytest.approx(value, abs=1e-8)
    assert h[1, 2] == pytest.approx(-1e-2 * h[0, 0], abs=1e-10)
    np.testing.assert_allclose(
        [h[1, 0], h[2, 0], h[2, 1]], [-h[0, 1], h[0, 2], -h[1, 2]], atol=1e-10
    )


@pytest.mark.parametrize(("c", "mu2", "gamma", "error"), GOLDEN_RIDGE)
def test_ridge_error_matches_golden_values(c, mu2, gamma, error):
    assert float(attention.ridge_error(gamma, c, mu2)) == pytest.approx(error, abs=1e-10)


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


heads = st.fixed_dictionaries(
    {
        "c": st.floats(0.05, 20),
        "a1": st.floats(0.01, 10),
        "excess": st.floats(1, 100),
        "sign": st.sampled_from([-1, 1]),
        "diagonal": st.booleans(),
    }
)
vectors = st.lists(st.floats(-1.5, 1.5), min_size=3, max_size=3).map(np.array)


@settings(max_examples=60, deadline=None)
@given(head=heads, mu=vectors, key=vectors, query=vectors)
def test_memorization_error_converges_within_the_unit_interval(head, mu, key, query):
    f = attention.Coefficients(
        0.0, head["sign"] * head["a1"], 0.0, head["a1"] ** 2 * head["excess"]
    )
    s = attention.memorization_error(
        np.geomspace(1e-6, 100, 9),
        head["c"],
        f,
        attention.Vectors(mu, key, query),
        diag=f.a1 if head["diagonal"] else 0.0,
    )
    assert s.converged.all()
    assert (s.error >= -1e-10).all()
    assert (s.error <= 1 + 1e-10).all()
    assert (np.diff(s.error) > -1e-9).all()  # more ridge, more error


@settings(max_examples=25, deadline=None)
@given(head=heads, mu=vectors, key=vectors, query=vectors, scale=st.floats(0.3, 3))
def test_memorization_error_is_invariant_under_rotation_sign_and_scale(head, mu, key, query, scale):
    a1, nu = head["a1"], head["a1"] ** 2 * head["excess"]
    gamma = np.geomspace(1e-2, 10, 4)
    c = head["c"]

    def error(a1, nu, d, gamma=gamma, turn=np.eye(3)):
        f = attention.Coefficients(0.0, a1, 0.0, nu)
        return attention.memorization_error(
            gamma, c, f, attention.Vectors(turn @ mu, turn @ key, turn @ query), float(d)
        ).error

    d = a1 if head["diagonal"] else 0.0
    base = error(a1, nu, d)
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]
    np.testing.assert_allclose(error(a1, nu, d, turn=turn), base, rtol=1e-7, atol=1e-10)
    np.testing.assert_allclose(error(-a1, nu, -d), base, rtol=1e-7, atol=1e-10)
    scaled = error(scale * a1, scale**2 * nu, scale * d, gamma=scale**2 * gamma)
    np.testing.assert_allclose(scaled, base, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize(
    ("f", "c"), [("tanh", 4.0), ("linear", 0.5), ("linear", 1.0), ("cos_c", 2.0), ("exp_c", 0.25)]
)
def test_derivative_is_a_central_difference(f, c):
    gamma = np.geomspace(1e-3, 10, 7)
    step = 1e-4
    head = _head(c, f)
    root = fixed_point.solve(gamma, head)
    high, low = (fixed_point.solve(gamma * factor, head).h for factor in (1 + step, 1 - step))
    numeric = (high - low) / (2 * step * gamma[:, None, None])
    scale = np.abs(root.dh).max(axis=(-2, -1), keepdims=True)
    np.testing.assert_allclose(root.dh / scale, numeric / scale, atol=1e-6)


def _matrices(c: float, f: str, gamma: float):
    """F of h = F(h), from the pencil's matrices."""
    moment = attention.moments(f)
    alpha, tau, kappa = moment.a1 / c, moment.noise / c, -moment.a1
    D = np.array([[gamma, kappa, 0], [-kappa, 0, 1], [0, -1, 0]])
    P = np.array([[0.0, 1, 0], [-1, 0, 0], [0, 0, 0]])
    T = np.array([[0, alpha, 0], [-alpha, 0, 0], [0, 0, 1]])

    def image(h: np.ndarray) -> np.ndarray:
        return np.linalg.inv(D + tau * P @ h @ P.T + c * T @ np.linalg.inv(np.eye(3) + h @ T))

    return image


@settings(max_examples=40, deadline=None)
@given(
    f=st.sampled_from(list(attention.ACTIVATIONS)),
    c=st.floats(0.05, 20),
    gamma=st.floats(-4, 2).map(lambda x: 10**x),
)
def test_root_is_the_accretive_fixed_point_of_the_matrices(f, c, gamma):
    """It satisfies h = F(h), its symmetric part is positive, and h_sw = −γ h_uu."""
    h = fixed_point.solve(np.array([gamma]), _head(c, f)).h[0, 0]
    size = np.sqrt(np.diag(h))
    np.testing.assert_allclose(
        _matrices(c, f, gamma)(h) / np.outer(size, size), h / np.outer(size, size), atol=1e-6
    )
    assert np.linalg.eigvalsh((h + h.T) / 2 / np.outer(size, size)).min() > -1e-9
    assert h[1, 2] == pytest.approx(-gamma * h[0, 0], rel=1e-12)


@pytest.mark.parametrize("c", [0.5, 1.0, 2.0])
def test_root_is_where_the_damped_iteration_ends(c):
    """Slow, but it cannot take a wrong turn: Newton on the matrices finds other roots too."""
    image = _matrices(c, "tanh", 0.05)
    h = np.diag([20.0, 1, 1])
    for _ in range(5000):
        h = (h + image(h)) / 2
    np.testing.assert_allclose(
        fixed_point.solve(np.array([0.05]), _head(c, "tanh")).h[0, 0], h, rtol=1e-9, atol=1e-9
    )


def test_memorization_error_marks_points_that_do_not_converge(monkeypatch):
    monkeypatch.setattr(fixed_point, "TOLERANCE", 0.0)
    s = attention.memorization_error(1.0, 2.0, "tanh")
    assert not s.converged
    assert np.isnan(s.error)
    assert np.isfinite(s.residual)


def test_memorization_error_approaches_its_limits_in_gamma():
    wide = np.array([1e3, 1e4])
    moment = attention.moments("tanh")
    scaled = (1 - attention.memorization_error(wide, 4.0, "tanh").error) * wide / 2
    np.testing.assert_allclose(scaled[1], moment.nu + moment.a1**2 / 4, rtol=1e-3)
    constants = {1.5: 0.8264, 2.0: 0.8065, 4.0: 0.7974, 8.0: 0.7963}
    for c, constant in constants.items():
        assert float(attention.memorization_error(1e-8, c, "tanh").error) / 1e-4 == pytest.approx(
            constant, abs=2e-4
        )
    linear = float(attention.memorization_error(1e-8, 4.0, "linear").error) / 1e-4
    assert linear == pytest.approx(0.5 * np.sqrt(1 - 1 / 16), rel=1e-3)
    assert float(attention.memorization_error(1e-7, 0.25, "tanh").error) == pytest.approx(
        0.75, abs=1e-4
    )
    assert float(attention.ridge_error(1e-9, 0.25, 1.0)) == pytest.approx(0.375, abs=1e-6)


def test_memorization_error_allows_a_key_opposed_to_its_query():
    """1 + w_Qᵀw_K = 0: nothing inverts W."""
    s = attention.memorization_error([0.1, 1.0], 4.0, "tanh", attention.Vectors(2 * U, -U, U))
    assert s.converged.all()
    assert s.error[1] == pytest.approx(0.65134, abs=6e-6)


def test_memorization_error_broadcasts_grids_as_single_points():
    gamma = np.array([[10.0, 0.01, 1.0]])
    c = np.array([[0.5], [4.0]])
    vectors = attention.Vectors(U, U, V)
    grid = attention.memorization_error(gamma, c, "exp_clip", vectors)
    assert grid.error.shape == (2, 3)
    for i, j in np.ndindex(2, 3):
        one = attention.memorization_error(gamma[0, j], c[i, 0], "exp_clip", vectors)
        assert grid.error[i, j] == pytest.approx(float(one.error), rel=1e-9)


def test_moments_center_uncentered_functions_and_say_so():
    clip = attention.Activation(attention.clipped_exp, (np.log(5),))
    s = attention.memorization_error(0.1, 2.0, clip)
    assert s.coefficients.a0 == pytest.approx(1.470526281225, abs=1e-10)
    assert float(s.error) == pytest.approx(
        float(attention.memorization_error(0.1, 2.0, "exp_clip").error), rel=1e-9
    )


@pytest.mark.parametrize(
    ("arguments", "options", "expected"),
    [
        ((0.0, 2.0, "tanh"), {}, "gamma must be finite and > 0, given 0"),
        ((np.nan, 2.0, "tanh"), {}, "gamma must be finite"),
        (([], 2.0, "tanh"), {}, "gamma is empty"),
        ((1.0, -1.0, "tanh"), {}, "c must be finite and > 0"),
        ((1.0, 2.0, "swish"), {}, "f must be one of linear, tanh"),
        ((1.0, 2.0, lambda t: 1.0), {}, "f must be vectorized"),
        ((1.0, 2.0, lambda t: np.log(t)), {}, "f is not finite at"),
        ((1.0, 2.0, lambda t: {}[0]), {}, "f cannot be applied"),
        ((1.0, 2.0, lambda t: 0 * t + 3), {}, "f is constant"),
        ((1.0, 2.0, "exp_c"), {"diag": "keep"}, "grows at most linearly"),
        ((1.0, 2.0, "cubic"), {"diag": "keep"}, "grows at most linearly"),
        ((1.0, 2.0, "tanh"), {"diag": "half"}, "diag must be 'zero', 'keep' or a number"),
        ((1.0, 2.0, "tanh"), {"diag": np.inf}, "diag, where it is not"),
    ],
)
def test_memorization_error_refuses_bad_arguments(arguments, options, expected):
    with np.errstate(all="ignore"), pytest.raises(InputError, match=expected):
        attention.memorization_error(*arguments, **options)


@pytest.mark.parametrize(
    ("vectors", "expected"),
    [
        ({"mu": [1, 2], "w_key": [1, 2, 3]}, r"one length, given \[2, 3\]"),
        ({"mu": [np.inf, 2]}, "mu must be a vector of finite numbers"),
        (
            {"w_query": [[1, 2]]},
            r"w_query must be a vector of finite numbers, given shape \(1, 2\)",
        ),
    ],
)
def test_vectors_refuse_what_has_no_common_space(vectors, expected):
    with pytest.raises(InputError, match=expected):
        attention.Vectors(**vectors)


def test_memorization_error_refuses_impossible_moments():
    """ν ≥ a1² for every function, up to rounding."""
    with pytest.raises(InputError, match=r"variance 0\.5 of f is below its linear part 1"):
        attention.memorization_error(1.0, 2.0, attention.Coefficients(0.0, 1.0, 0.0, 0.5))
    rounded = attention.memorization_error(
        1.0, 2.0, attention.Coefficients(0.0, 1.0, 0.0, 1 - 1e-12)
    )
    assert float(rounded.error) == pytest.approx(
        float(attention.memorization_error(1.0, 2.0, "linear").error), rel=1e-9
    )


def test_diagonal_is_the_slope_of_f_at_infinity():
    assert attention.diagonal("linear", "keep") == 1.0
    assert attention.diagonal("tanh", "keep") == 0.0
    assert attention.diagonal("relu_c", "keep") == 1.0
    assert attention.diagonal("tanh", 0.25) == 0.25


# ---- what does not matter


def test_an_orthogonal_spike_changes_nothing():
    gamma = np.geomspace(1e-4, 1e3, 29)
    for f in FUNCTIONS:
        none, orthogonal = (
            head_error(gamma, 4.0, f, Structure(4.0, SPIKES[spike])).error
            for spike in ("none", "orthogonal")
        )
        np.testing.assert_allclose(none, orthogonal, atol=1e-10)


def test_functions_with_the_moments_of_tanh_have_its_error():
    gamma = np.array([1.0, 10.0])
    for structure in STRUCTURES.values():
        tanh, *others = (
            head_error(gamma, 4.0, f, structure).error for f in tanh_lookalikes().values()
        )
        for error in others:
            np.testing.assert_allclose(error, tanh, atol=1e-12)


def test_functions_without_a_linear_part_see_no_structure():
    for f in ("cos_c", "quad"):
        noise = float(head_error(1.0, 4.0, f).error)
        for spike in SPIKES.values():
            structured = float(head_error(1.0, 4.0, f, Structure(4.0, spike)).error)
            assert structured == pytest.approx(noise, abs=1e-12)


# ---- variants

GAMMA = np.array([1e-2, 0.1, 1.0, 10.0])


def test_variants_reduce_to_the_model():
    mu, w = 2 * U, U
    vectors = attention.Vectors(mu, w, w)
    base = attention.memorization_error(GAMMA, 4.0, "tanh", vectors).error
    np.testing.assert_allclose(
        variants.heads_error(GAMMA, 4.0, ["tanh"], mu=mu, w_keys=[w], w_queries=[w]).error,
        base,
        rtol=1e-8,
    )
    np.testing.assert_allclose(
        variants.unbalanced_error(GAMMA, 4.0, "tanh", 0.0, 2048, vectors),
        base,
        rtol=1e-8,
    )
    noise = attention.memorization_error(GAMMA, 4.0, "tanh").error
    np.testing.assert_allclose(
        variants.anisotropic_error(GAMMA, 512, np.ones(2048), "tanh").error, noise, rtol=1e-8
    )
    weak = variants.strong_signal_error(GAMMA, 4.0, "tanh", 10**12, vectors)
    np.testing.assert_allclose(weak, base, rtol=1e-5)


@settings(max_examples=20, deadline=None)
@given(
    c=st.floats(-2, 2).map(lambda x: 10**x),
    gamma=st.floats(-12, 2).map(lambda x: 10**x),
    f=st.sampled_from(["tanh", "relu_c", "exp_clip", "cubic"]),
)
def test_heads_and_anisotropic_tokens_keep_what_gamma_adds(c, gamma, f):
    """E − max(0, 1 − c) of one head against the model, by 1/γ² smaller than E or not."""
    n = 1000
    p = max(1, round(c * n))
    model = attention.memorization_error(gamma, p / n, f)
    spikes = {"w_keys": [None], "w_queries": [None]}
    head = variants.heads_error(gamma, p / n, [f], **spikes)
    tokens = variants.anisotropic_error(gamma, n, np.ones(p), f)
    for result in (head, tokens):
        missed = abs(float(result.excess - model.excess))
        assert missed <= 2e-7 * float(model.excess)
        assert float(result.bound) <= 1e-7 * float(result.excess)


@settings(max_examples=10, deadline=None)
@given(c=st.floats(0.1, 10), gamma=st.floats(-12, 1).map(lambda x: 10**x))
def test_a_dense_head_without_linear_part_is_one_whose_diagonal_does_not_count(c, gamma):
    dense = variants.dense_error(gamma, c, "quad")
    model = attention.memorization_error(gamma, c, "quad")
    assert float(dense.excess) == pytest.approx(float(model.excess), rel=2e-7)


def test_every_eigenvalue_of_anisotropic_tokens_counts():
    """A spectrum of 512 levels against the iteration at γ(1 + iε), level by level."""
    spectrum = np.arange(1, 513) ** -0.5
    result = float(variants.anisotropic_error(1.0, 256, spectrum, "tanh").error)
    assert result == pytest.approx(_iterated(1.0, 256, spectrum), rel=1e-10)


def _iterated(gamma, n, spectrum):
    moment = attention.moments("tanh", np.sqrt((spectrum**2).mean()))
    c, a1 = len(spectrum) / n, moment.a1 / np.sqrt((spectrum**2).mean())
    T = np.array([[0, a1 / c, 0], [-a1 / c, 0, 0], [0, 0, 1]])
    P = np.array([[0.0, 1, 0], [-1, 0, 0], [0, 0, 0]])
    kappa = -a1 * spectrum.mean()
    D = np.array([[gamma * (1 + 1e-30j), kappa, 0], [-kappa, 0, 1], [0, -1, 0]])
    h = np.eye(3, dtype=complex)
    for _ in range(400):
        inner = np.linalg.inv(np.eye(3) + spectrum[:, None, None] * (h @ T))
        bulk = T @ (spectrum[:, None, None] * inner).sum(axis=0) / n
        h = (h + np.linalg.inv(D + moment.noise / c * P @ h @ P.T + bulk)) / 2
    return -gamma * h[0, 0].imag / 1e-30


def test_variants_have_their_measured_values():
    clip = attention.Activation(attention.clipped_exp, (np.log(5),))
    unbalanced = variants.unbalanced_error(GAMMA, 2.0, clip, 0.6, 1024)
    np.testing.assert_allclose(unbalanced, [0.0277, 0.0932, 0.2877, 0.5080], atol=6e-5)
    soft = variants.softmax(1.0, 512, 1024).coefficients
    np.testing.assert_allclose(
        attention.memorization_error(GAMMA, 2.0, soft).error,
        [0.0306, 0.0967, 0.2911, 0.6494],
        atol=6e-5,
    )
    two = {"mu": np.sqrt(2) * U, "w_keys": [U, V], "w_queries": [U, U + V]}
    stacked = variants.heads_error(GAMMA, 2.0, ["tanh", "relu_c"], **two).error
    np.testing.assert_allclose(stacked, [0.0025, 0.0500, 0.2101, 0.3929], atol=6e-5)
    strong = variants.strong_signal_error(1e-5, 0.25, "tanh", 256, attention.Vectors(4 * U))
    assert float(strong) == pytest.approx(0.0277, abs=6e-5)


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


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (
            lambda: variants.unbalanced_error(1.0, 2.0, "tanh", 2.0, 100),
            r"balance must be a number in \[-1, 1\]",
        ),
        (lambda: variants.softmax(0.0, 10, 10), "beta must be > 0"),
        (
            lambda: variants.heads_error(1.0, 2.0, ["tanh"], w_keys=[], w_queries=[]),
            "one entry per head",
        ),
        (
            lambda: variants.anisotropic_error(1.0, 10, [1.0, 0.0], "tanh"),
            "spectrum must be finite and > 0",
        ),
        (lambda: attention.ridge_error(1.0, 1.0, -1.0), "mu_norm2 must be finite and ≥ 0"),
    ],
)
def test_variants_refuse_bad_arguments(call, expected):
    with pytest.raises(InputError, match=expected):
        call()


# ---- outside the comfortable range


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
@given(head=heads, mu=vectors, key=vectors, query=vectors, gamma=st.floats(-12, 2))
def test_bounds_are_small_and_part_of_converged(head, mu, key, query, gamma):
    f = attention.Coefficients(0.0, head["a1"], 0.0, head["a1"] ** 2 * head["excess"])
    s = attention.memorization_error(
        10**gamma, head["c"], f, attention.Vectors(mu, key, query), diag=head["a1"]
    )
    assert s.converged
    assert 0 <= s.bound <= 1e-7 * s.error
    assert s.error == pytest.approx(max(0, 1 - head["c"]) + s.excess, rel=1e-14, abs=1e-14)


def test_bounds_that_are_not_met_are_not_converged(monkeypatch):
    monkeypatch.setattr(memorization, "ACCURACY", 1e-12)
    solution = attention.memorization_error(1.0, 2.0, "tanh")
    assert not solution.converged
    assert np.isnan([solution.error, solution.excess, solution.h_uu]).all()


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


@settings(max_examples=15, deadline=None)
@given(size=st.floats(0.2, 3), length=st.integers(1, 5))
def test_heads_error_takes_vectors_of_one_length_only(size, length):
    """A signal of another length than the spikes is refused, and of the same length counts."""
    spikes = {"w_keys": [size * U], "w_queries": [size * U]}
    expected = attention.memorization_error(
        1.0, 4.0, "tanh", attention.Vectors(2 * U, size * U, size * U)
    ).error
    one = variants.heads_error(1.0, 4.0, ["tanh"], mu=2 * U, **spikes).error
    assert float(one) == pytest.approx(float(expected), rel=1e-8)
    if length != 3:
        with pytest.raises(InputError, match=r"must have one length"):
            variants.heads_error(1.0, 4.0, ["tanh"], mu=np.full(length, 2.0), **spikes)


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda: attention.Vectors(U, w_key=U), "w_key is given without w_query"),
        (lambda: attention.Vectors(U, w_query=U), "w_query is given without w_key"),
        (
            lambda: variants.heads_error(1.0, 2.0, ["tanh"], w_keys=[U], w_queries=[None]),
            r"w_keys\[0\] is given without w_queries\[0\]",
        ),
        (lambda: point.solve("tanh", 2.0, 1.0, point.PointHead(1.0, key=0.0)), "--key is given"),
        (lambda: attention.memorization_error(1.0, 1e4, "tanh"), r"c must be in \[0.001, 1000\]"),
        (lambda: attention.memorization_error(1e-20, 1.0, "tanh"), r"gamma / .* must be in"),
        (lambda: attention.moments("tanh", -1.0), r"scale must be a number in \[0"),
    ],
)
def test_attention_refuses_what_is_outside_its_domain(call, expected):
    with pytest.raises(InputError, match=expected):
        call()


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


@pytest.mark.parametrize("f", ["linear", "tanh"])
@pytest.mark.parametrize("spike", [False, True])
def test_heads_that_are_one_head_are_that_head(f, spike):
    """Features of two equal heads are those of one, √2 times as large."""
    pair = ([1.0, -0.5], [0.3, 1.0]) if spike else (None, None)
    mu = [2.0, 0.0] if spike else None
    spikes = {"w_keys": [pair[0]] * 2, "w_queries": [pair[1]] * 2}
    gamma = np.array([1e-9, 1e-3, 1.0])
    two = variants.heads_error(gamma, 0.5, [f, f], mu=mu, **spikes)
    one = attention.memorization_error(gamma / 2, 0.5, f, attention.Vectors(mu, *pair))
    np.testing.assert_allclose(two.excess, one.excess, rtol=1e-9)


def test_heads_without_noise_of_their_own_are_the_limit_of_heads_with_little():
    spikes = {"w_keys": [[1.0, 0], [0, 1.0]], "w_queries": [[1.0, 0], [1.0, 1.0]]}
    arguments = {"mu": [2.0, 0.5], **spikes}
    linear = variants.heads_error(1.0, 0.5, ["linear", "linear"], **arguments).error
    gaps = []
    for size in (1e-2, 1e-3):
        functions = [
            lambda t, size=size: t + size * (t**2 - 1),
            lambda t, size=size: t + size * (t**3 - 3 * t),
        ]
        gaps.append(float(linear - variants.heads_error(1.0, 0.5, functions, **arguments).error))
    assert gaps[1] == pytest.approx(gaps[0] / 100, rel=0.01)  # of second order in the size
    assert 0 < gaps[1] < 1e-5
