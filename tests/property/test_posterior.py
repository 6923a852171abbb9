"""Posteriors under memorized priors: closed forms against densities, gradients, brute force."""

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rote.core.errors import InputError
from rote.theory import posterior
from rote.theory.posterior import Observation
from scipy import stats
from scipy.special import logsumexp

seeds = st.integers(0, 2**32 - 1)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=50), st.floats(-1e5, 1e5))
def test_empirical_weights_are_a_softmax(values, shift):
    weights = posterior.empirical(np.array(values))
    assert weights.sum() == pytest.approx(1)
    np.testing.assert_allclose(weights, np.exp(np.array(values) - logsumexp(values)), atol=1e-12)
    np.testing.assert_allclose(posterior.empirical(np.array(values) + shift), weights, atol=1e-6)
    assert 1 - 1e-9 <= posterior.effective(weights) <= len(values) + 1e-9


def cubic(x: np.ndarray) -> np.ndarray:
    """A forward operator that is not linear."""
    return x + 0.3 * x**3


def test_empirical_weights_of_many_examples_far_from_zero():
    values = -1e7 + np.random.default_rng(0).normal(size=50_000)
    weights = posterior.empirical(values)
    np.testing.assert_allclose(weights, posterior.empirical(values + 1e7), rtol=1e-6)
    assert posterior.empirical(np.array([-np.inf, 0.0])).tolist() == [0, 1]


@pytest.mark.parametrize("values", [[], [np.nan, 0], [np.inf, 0], [-np.inf, -np.inf]])
def test_empirical_refuses_meaningless_log_likelihoods(values):
    with pytest.raises(InputError, match="log_likelihood"):
        posterior.empirical(np.array(values))


@given(
    seeds,
    st.integers(1, 4),
    st.integers(1, 6),
    st.integers(1, 5),
    st.floats(0.05, 2),
    st.floats(0.05, 2),
)
def test_mixture_is_exact_for_a_linear_operator(seed, d, m, n, sigma, gamma):
    """p(x | y) ∝ Σ N(x; x_n, σ²) N(y; A x, γ²) at any point, weights ∝ N(y; A x_n, S)."""
    rng = np.random.default_rng(seed)
    train = rng.normal(size=(n, d))
    A = rng.normal(size=(m, d))
    y = rng.normal(size=m)
    mixture = posterior.mixture(train, sigma, A, Observation(y, gamma))
    S = gamma**2 * np.eye(m) + sigma**2 * A @ A.T
    logs = np.array([stats.multivariate_normal(A @ x, S).logpdf(y) for x in train])
    np.testing.assert_allclose(mixture.weights, posterior.empirical(logs), atol=1e-8)
    points = rng.normal(size=(7, d))
    prior = logsumexp(
        [stats.multivariate_normal(x, sigma**2 * np.eye(d)).logpdf(points) for x in train], axis=0
    )
    joint = prior - 0.5 * ((y - points @ A.T) ** 2).sum(1) / gamma**2
    difference = mixture.log_density(points) - joint
    np.testing.assert_allclose(difference, difference[0], atol=1e-6)


def test_log_density_far_away_is_that_of_a_component_of_vanishing_weight():
    train, y = np.array([[0.0], [2.0]]), np.zeros(1)
    narrow = posterior.mixture(train, 0.05, np.eye(1), Observation(y, 0.05))
    assert narrow.weights[1] == pytest.approx(np.exp(-400), rel=1e-9)
    sharper = posterior.mixture(train, 0.03, np.eye(1), Observation(y, 0.03))
    assert sharper.weights[1] == 0  # e^-1111
    far = np.array([[3.0]])
    expected = stats.norm(1.0, 0.03 / np.sqrt(2)).logpdf(3.0) - 2**2 / (4 * 0.03**2)
    np.testing.assert_allclose(sharper.log_density(far), expected, rtol=1e-9)


def test_mixture_without_determinant_has_the_same_weights_only_for_equal_jacobians():
    rng = np.random.default_rng(1)
    train = rng.normal(size=(5, 2))
    A = rng.normal(size=(3, 2))
    y = rng.normal(size=3)
    data = Observation(y, 0.3)
    linear = [
        posterior.mixture(train, 0.5, A, data, determinant=flag).weights for flag in (True, False)
    ]
    np.testing.assert_allclose(*linear, atol=1e-12)

    origin = Observation(np.zeros(2), 0.3)
    bent = [
        posterior.mixture(train, 0.5, cubic, origin, determinant=flag).weights
        for flag in (True, False)
    ]
    assert np.abs(bent[0] - bent[1]).max() > 1e-3


def test_mixture_jacobians_by_torch_match_those_by_hand():
    train = np.random.default_rng(2).normal(size=(6, 2))

    def jacobian(x):
        return np.stack([np.diag(1 + 0.9 * point**2) for point in x])

    origin = Observation(np.zeros(2), 0.3)
    by_torch = posterior.mixture(train, 0.4, cubic, origin)
    by_hand = posterior.mixture(train, 0.4, cubic, origin, jacobian=jacobian)
    for result, expected in zip(by_torch, by_hand, strict=True):
        np.testing.assert_allclose(result, expected, rtol=1e-12)


def test_sample_has_the_mean_and_covariance_of_the_mixture():
    rng = np.random.default_rng(3)
    train, A = rng.normal(size=(4, 2)), rng.normal(size=(3, 2))
    mixture = posterior.mixture(train, 0.7, A, Observation(rng.normal(size=3), 1.0))
    draws = mixture.sample(200_000, rng)
    np.testing.assert_allclose(draws.mean(0), mixture.mean, atol=0.02)
    spread = mixture.means - mixture.mean
    covariance = np.einsum(
        "n,nij->ij", mixture.weights, mixture.covariances + spread[:, :, None] * spread[:, None]
    )
    np.testing.assert_allclose(np.cov(draws.T), covariance, atol=0.02)


@given(
    seeds,
    st.integers(1, 5),
    st.integers(1, 40),
    st.integers(1, 9),
    st.floats(0.05, 3),
    st.integers(1, 60),
)
def test_denoise_in_chunks_is_denoise_at_once(seed, d, n, points, sigma, chunk):
    rng = np.random.default_rng(seed)
    train = rng.normal(size=(n, d))
    x = rng.normal(size=(points, d))
    logs = rng.normal(size=n)
    denoised = posterior.denoise(x, train, sigma, log_weights=logs, chunk=chunk)
    weights = posterior.empirical(-0.5 * ((x[:, None] - train) ** 2).sum(-1) / sigma**2 + logs)
    np.testing.assert_allclose(denoised, weights @ train, atol=1e-10)


def exact_denoised(x, train, sigma, log_weights):
    """One point's denoised in 80 digits."""
    with mp.workdps(80):
        point, rows = mp.matrix(x.tolist()), [mp.matrix(row) for row in train.tolist()]
        logs = [
            mp.mpf(weight) - mp.norm(point - row) ** 2 / (2 * mp.mpf(sigma) ** 2)
            for row, weight in zip(rows, log_weights.tolist(), strict=True)
        ]
        weights = [mp.exp(value - max(logs)) for value in logs]
        mean = mp.zeros(len(x), 1)
        for row, weight in zip(rows, weights, strict=True):
            mean += row * weight / mp.fsum(weights)
        return np.array(mean.tolist(), float)[:, 0]


@given(
    seeds,
    st.sampled_from(["middle", "far", "near", "anywhere"]),
    st.floats(-9.5, 1),
    st.integers(-330, 330),
    st.integers(1, 6),
    st.sampled_from([1, 7, 2**20]),
)
def test_denoise_is_right_where_distances_round(seed, kind, exponent, power, d, chunk):
    """Between two examples, or far from all, weights hang on differences of large squares."""
    rng, unit = np.random.default_rng(seed), 2.0**power
    sigma = 10**exponent
    train = rng.normal(size=(5, d))
    x = rng.normal(size=d)
    if kind == "middle":
        apart = train[0] - train[1]
        x = train[:2].mean(0) + apart * rng.normal() * sigma**2 / (apart @ apart)
    elif kind == "far":
        x[0], train[:, 0] = 10.0 ** rng.uniform(0, 9.5 + exponent), 0
    elif kind == "near":
        train = train[0] + sigma * rng.normal(size=(5, d))
    logs = rng.normal(size=5)
    denoised = posterior.denoise(
        x[None] * unit, train * unit, sigma * unit, log_weights=logs, chunk=chunk
    )
    exact = exact_denoised(x, train, sigma, logs)
    np.testing.assert_allclose(denoised[0] / unit, exact, rtol=0, atol=1e-12 * abs(train).max())


def test_denoise_of_repeated_examples_far_away_is_their_mean():
    train = np.repeat([[0.0, 1.0], [0.0, -1.0], [1e3, 0.0]], 400, axis=0)
    denoised = posterior.denoise([[-1.0, 0.0]], train, 1e-6)
    np.testing.assert_allclose(denoised, [[0.0, 0.0]], atol=1e-15)


def test_score_is_the_gradient_of_the_log_density():
    rng = np.random.default_rng(4)
    train = rng.normal(size=(6, 3))
    x = rng.normal(size=(5, 3))
    sigma = 0.5
    step = 1e-5

    def log_density(points):
        return logsumexp(-0.5 * ((points[:, None] - train) ** 2).sum(-1) / sigma**2, axis=1)

    slopes = [
        (log_density(x + step * e) - log_density(x - step * e)) / (2 * step) for e in np.eye(3)
    ]
    np.testing.assert_allclose(
        posterior.score(x, train, sigma), np.stack(slopes, axis=1), atol=1e-7
    )


MIXTURE = {
    "train": np.ones((4, 2)),
    "sigma": 0.5,
    "forward": np.ones((3, 2)),
    "observation": Observation(np.zeros(3), 0.3),
}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sigma": 0.0}, r"sigma must be in \[1e-150, 1e150\], given 0.0"),
        (
            {"observation": Observation(np.zeros(4), 0.3)},
            "y has 4 values, the forward operator gives 3",
        ),
        ({"forward": np.zeros((3, 5))}, "forward has 5 columns, train has 2 coordinates"),
    ],
)
def test_mixture_names_bad_input(changes, message):
    with pytest.raises(InputError, match=message):
        posterior.mixture(**(MIXTURE | changes))


@given(seeds, st.floats(-8, 0).map(lambda x: 10**x), st.integers(1, 3), st.integers(1, 4))
def test_mixture_weights_do_not_cancel_at_small_noise(seed, gamma, d, m):
    """log w = −½ rᵀS⁻¹r − ½ log |S| by elimination in 60 digits."""
    rng = np.random.default_rng(seed)
    train, J = rng.normal(size=(4, d)), rng.normal(size=(m, d))
    y = J @ rng.normal(size=d)
    sigma = 0.3
    mixture = posterior.mixture(train, sigma, J, Observation(y, gamma))
    mp.mp.dps = 60
    A = mp.matrix(J.tolist())
    S = mp.mpf(gamma) ** 2 * mp.eye(m) + mp.mpf(sigma) ** 2 * A * A.T
    logs = []
    for r in y - train @ J.T:
        right = mp.matrix(r.tolist())
        logs.append(-(right.T * mp.lu_solve(S, right))[0] / 2)
    top = max(logs)
    total = mp.log(sum(mp.exp(log - top) for log in logs)) + top
    expected = np.array([float(log - total) for log in logs])
    reached = expected > -50
    # data are only known to rounding: beside noise of 1e-8 that is all that is felt
    scale = 1e-13 / gamma**2 if m > d else 1e-7
    np.testing.assert_allclose(
        mixture.log_weights[reached], expected[reached], rtol=1e-6, atol=max(scale, 1e-7)
    )


@given(seeds, st.integers(1, 3), st.integers(1, 4))
def test_numpy_operators_are_differentiated_by_differences(seed, d, n):
    rng = np.random.default_rng(seed)
    train, A = 2 * rng.normal(size=(n, d)), rng.normal(size=(3, d))

    def operator(x: np.ndarray) -> np.ndarray:
        return np.sin(np.asarray(x) @ A.T) + np.asarray(x).sum(1, keepdims=True) ** 2

    def jacobian(x: np.ndarray) -> np.ndarray:
        return np.cos(x @ A.T)[:, :, None] * A + 2 * x.sum(1)[:, None, None]

    data = Observation(rng.normal(size=3), 0.5)
    by_hand = posterior.mixture(train, 0.4, operator, data, jacobian=jacobian)
    by_differences = posterior.mixture(train, 0.4, operator, data)
    np.testing.assert_allclose(by_differences.means, by_hand.means, rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(
        by_differences.covariances, by_hand.covariances, rtol=1e-5, atol=1e-8
    )
    np.testing.assert_allclose(by_differences.weights, by_hand.weights, atol=1e-6)


@given(seeds, st.floats(-8, 0).map(lambda x: 10**x))
def test_densities_and_draws_hold_at_small_noise(seed, gamma):
    """A line across the plane: the density along it and across it, and draws of that spread."""
    rng = np.random.default_rng(seed)
    J = np.array([[0.6, 0.8]])
    mixture = posterior.mixture(np.zeros((1, 2)), 1.0, J, Observation(np.zeros(1), gamma))
    across = gamma / np.sqrt(1 + gamma**2)
    point = np.array([[0.8, -0.6]]) + 2 * across * J
    expected = stats.norm.logpdf(1.0) + stats.norm(0, across).logpdf(2 * across)
    np.testing.assert_allclose(mixture.log_density(point), expected, rtol=1e-6)
    draws = mixture.sample(500, rng) @ J[0]
    assert 0.8 < draws.std() / across < 1.2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train": np.zeros((0, 2))}, r"x|train must have shape"),
        ({"train": np.zeros((2, 2, 2))}, r"train must have shape \(N, d\)"),
        ({"forward": np.ones((3, 2), complex)}, "forward is complex: give real"),
        ({"forward": lambda x: np.asarray(x)[:, 0]}, "must map points"),
        ({"forward": lambda x: np.asarray(x).sum(1, keepdims=True) + 0j}, "is complex"),
        ({"forward": lambda x: 1 / 0}, r"forward fails on NumPy arrays of shape \(4, 2\)"),
        (
            {"forward": lambda x: np.ones((4, 3)), "jacobian": lambda x: 1 / 0},
            r"jacobian fails on NumPy arrays of shape \(4, 2\)",
        ),
        ({"forward": lambda x: np.sign(np.asarray(x) - 1.001).sum(1, keepdims=True)}, "smooth"),
        ({"observation": Observation(np.zeros(3), 1e-12)}, "rounding would decide"),
        (
            {"jacobian": lambda x: np.zeros((4, 2, 2)), "forward": lambda x: np.ones((4, 3))},
            r"must have shape \(4, 3, 2\)",
        ),
    ],
)
def test_mixture_refuses_what_it_cannot_linearize(changes, message):
    with pytest.raises(InputError, match=message):
        posterior.mixture(**(MIXTURE | changes))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train": np.zeros((0, 2))}, "train must have shape"),
        ({"log_weights": np.full(3, -np.inf)}, "log_weights is −inf for every"),
        ({"train": np.full((3, 2), 1e308), "x": np.full((1, 2), 1e308), "sigma": 1e150}, "1e308"),
        ({"log_weights": np.zeros(2)}, r"log_weights must have shape \(3,\)"),
        ({"log_weights": np.array([0, np.nan, 0])}, "NaN"),
        ({"sigma": 1e-150, "x": np.full((1, 2), 1e10)}, "infinitely far"),
        ({"x": np.zeros((2, 3))}, "x has 3 coordinates"),
        ({"x": np.array([[np.nan, 0.0]])}, "x must be finite, given nan: 1 of 2 values"),
    ],
)
def test_denoise_refuses_what_has_no_mean(changes, message):
    arguments = {"x": np.zeros((2, 2)), "train": np.ones((3, 2)), "sigma": 0.5}
    with pytest.raises(InputError, match=message):
        posterior.denoise(**(arguments | changes))


@pytest.mark.parametrize("weights", [[0.5, 0.4], [1.5, -0.5], [np.nan, 1.0]])
def test_effective_refuses_what_are_no_weights(weights):
    with pytest.raises(InputError, match="weights"):
        posterior.effective(np.array(weights))


@pytest.mark.parametrize(
    ("y", "noise_sd", "message"),
    [
        (np.zeros(3), np.nan, r"noise_sd must be in \[1e-150, 1e150\]"),
        (np.zeros(3), 0.0, r"noise_sd must be in \[1e-150, 1e150\], given 0.0"),
        (np.zeros((3, 1)), 0.3, r"y must have shape"),
        (np.zeros(3, complex), 0.3, "y is complex"),
        (np.array([0, np.inf, 0]), 0.3, "y must be finite, given inf: 1 of 3 values"),
    ],
)
def test_observation_names_bad_input(y, noise_sd, message):
    with pytest.raises(InputError, match=message):
        Observation(y, noise_sd)


@given(st.integers(-450, 450), st.integers(0, 2**32 - 1))
def test_scores_and_denoisers_do_not_depend_on_units(power, seed):
    rng, unit = np.random.default_rng(seed), 2.0**power
    x, train = rng.normal(size=(3, 2)), rng.normal(size=(4, 2))
    denoised = posterior.denoise(x * unit, train * unit, 0.5 * unit)
    np.testing.assert_array_equal(denoised, posterior.denoise(x, train, 0.5) * unit)
    scores = posterior.score(x * unit, train * unit, 0.5 * unit)
    np.testing.assert_allclose(scores * unit, posterior.score(x, train, 0.5), rtol=1e-12)


@given(seeds, st.integers(-145, 145), st.integers(-145, 145), st.floats(-6, 8))
def test_mixture_does_not_depend_on_units(seed, of_x, of_y, exponent):
    """Squares of J, σ and γ themselves may be above or below what floats hold."""
    rng, x_unit, y_unit = np.random.default_rng(seed), 2.0 ** (3 * of_x), 2.0 ** (3 * of_y)
    train, J = rng.normal(size=(3, 2)), 10**exponent * rng.normal(size=(2, 2))
    y = J @ rng.normal(size=2) + rng.normal(size=2)
    plain = posterior.mixture(train, 1.0, J, Observation(y, 1.0))
    with np.errstate(over="ignore"):
        scaled = J * y_unit / x_unit, y * y_unit
    if not all(np.isfinite(values).all() and abs(values).min() > 1e-300 for values in scaled):
        return
    data = Observation(scaled[1], y_unit)
    mixture = posterior.mixture(train * x_unit, x_unit, scaled[0], data)
    np.testing.assert_allclose(mixture.log_weights, plain.log_weights, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(mixture.means / x_unit, plain.means, rtol=1e-12, atol=1e-12)


@given(seeds, st.floats(0, 3))
def test_mixture_means_keep_their_digits_where_cholesky_squares_the_condition(seed, exponent):
    rng = np.random.default_rng(seed)
    train, J, y = rng.normal(size=(2, 3)), rng.normal(size=(3, 3)), rng.normal(size=3)
    gamma = 10**-exponent
    mixture = posterior.mixture(train, 1.0, J, Observation(y, gamma))
    with mp.workdps(40):
        A = mp.matrix(J.tolist())
        S = mp.mpf(gamma) ** 2 * mp.eye(3) + A * A.T
        for x, mean in zip(train, mixture.means, strict=True):
            point = mp.matrix(x.tolist())
            exact = point + A.T * mp.lu_solve(S, mp.matrix(y.tolist()) - A * point)
            size = max(1, np.abs(mean).max(), np.abs(x).max())
            assert max(abs(float(exact[i] - mean[i])) for i in range(3)) < 1e-12 * size


@pytest.mark.parametrize("width", [5e-324, 1e-151, 1e151, 1e308])
def test_widths_that_cannot_be_squared_are_refused(width):
    data = posterior.Observation(np.ones(2), 1.0)
    for call in (
        lambda: posterior.score(np.eye(2), np.eye(2), width),
        lambda: posterior.denoise(np.eye(2), np.eye(2), width),
        lambda: posterior.mixture(np.eye(2), width, np.eye(2), data),
        lambda: posterior.Observation(np.ones(2), width),
    ):
        with pytest.raises(InputError, match=r"must be in \[1e-150, 1e150\]"):
            call()
