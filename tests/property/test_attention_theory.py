"""Nonlinear attention, theory: golden values, limits, symmetries, derivatives, refusals."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rote.core.errors import InputError
from rote.papers.attention import point
from rote.papers.attention.golden import GOLDEN, GOLDEN_RIDGE
from rote.papers.attention.heads import (
    FUNCTIONS,
    SPIKES,
    Structure,
)
from rote.papers.attention.heads import error as head_error
from rote.theory import attention
from rote.theory.attention import fixed_point, memorization, variants

U, V, T = np.eye(3)


def _head(c: float, f: str) -> fixed_point.Head:
    """Constants of a head of a named function, zero diagonal."""
    moment = attention.moments(f)
    return fixed_point.head(c, moment.a1, moment.noise, 0.0)


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


def test_an_orthogonal_spike_changes_nothing():
    gamma = np.geomspace(1e-4, 1e3, 29)
    for f in FUNCTIONS:
        none, orthogonal = (
            head_error(gamma, 4.0, f, Structure(4.0, SPIKES[spike])).error
            for spike in ("none", "orthogonal")
        )
        np.testing.assert_allclose(none, orthogonal, atol=1e-10)


def test_functions_without_a_linear_part_see_no_structure():
    for f in ("cos_c", "quad"):
        noise = float(head_error(1.0, 4.0, f).error)
        for spike in SPIKES.values():
            structured = float(head_error(1.0, 4.0, f, Structure(4.0, spike)).error)
            assert structured == pytest.approx(noise, abs=1e-12)


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
