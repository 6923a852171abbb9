"""Posteriors under memorized priors: closed forms against direct densities, gradients and brute
force.
"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rote.core.errors import InputError
from rote.theory import posterior
from scipy import stats
from scipy.special import logsumexp

seeds = st.integers(0, 2**32 - 1)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=50), st.floats(-1e5, 1e5))
def test_lookup_weights_are_a_softmax(values, shift):
    weights = posterior.empirical(np.array(values))
    assert weights.sum() == pytest.approx(1)
    np.testing.assert_allclose(weights, np.exp(np.array(values) - logsumexp(values)), atol=1e-12)
    np.testing.assert_allclose(posterior.empirical(np.array(values) + shift), weights, atol=1e-6)
    assert 1 - 1e-9 <= posterior.effective(weights) <= len(values) + 1e-9


def test_weights_of_tens_of_thousands_of_examples_far_from_zero():
    values = -1e7 + np.random.default_rng(0).normal(size=50_000)
    weights = posterior.empirical(values)
    np.testing.assert_allclose(weights, posterior.empirical(values + 1e7), rtol=1e-6)
    assert posterior.empirical(np.array([-np.inf, 0.0])).tolist() == [0, 1]


@pytest.mark.parametrize("values", [[], [np.nan, 0], [np.inf, 0], [-np.inf, -np.inf]])
def test_weights_that_mean_nothing_are_refused(values):
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
def test_a_linear_operator_gives_the_exact_mixture(seed, d, m, n, sigma, gamma):
    """p(x | y) ∝ Σ N(x; x_n, σ²) N(y; A x, γ²): densities agree at any point, weights with those of
    N(y; A x_n, S).
    """
    rng = np.random.default_rng(seed)
    train, A, y = rng.normal(size=(n, d)), rng.normal(size=(m, d)), rng.normal(size=m)
    found = posterior.mixture(train, sigma, A, y, gamma)
    S = gamma**2 * np.eye(m) + sigma**2 * A @ A.T
    logs = np.array([stats.multivariate_normal(A @ x, S).logpdf(y) for x in train])
    np.testing.assert_allclose(found.weights, posterior.empirical(logs), atol=1e-8)
    points = rng.normal(size=(7, d))
    prior = logsumexp(
        [stats.multivariate_normal(x, sigma**2 * np.eye(d)).logpdf(points) for x in train], axis=0
    )
    joint = prior - 0.5 * ((y - points @ A.T) ** 2).sum(1) / gamma**2
    difference = found.log_density(points) - joint
    np.testing.assert_allclose(difference, difference[0], atol=1e-6)


def test_far_from_all_others_a_component_of_vanishing_weight_is_the_density():
    found = posterior.mixture(np.array([[0.0], [2.0]]), 0.05, np.eye(1), np.zeros(1), 0.05)
    assert found.weights[1] == pytest.approx(np.exp(-400), rel=1e-9)
    sharper = posterior.mixture(np.array([[0.0], [2.0]]), 0.03, np.eye(1), np.zeros(1), 0.03)
    assert sharper.weights[1] == 0  # e^-1111
    far = np.array([[3.0]])
    wanted = stats.norm(1.0, 0.03 / np.sqrt(2)).logpdf(3.0) - 2**2 / (4 * 0.03**2)
    np.testing.assert_allclose(sharper.log_density(far), wanted, rtol=1e-9)


def test_without_the_determinant_only_equal_jacobians_give_the_same_weights():
    rng = np.random.default_rng(1)
    train, A, y = rng.normal(size=(5, 2)), rng.normal(size=(3, 2)), rng.normal(size=3)
    linear = [
        posterior.mixture(train, 0.5, A, y, 0.3, determinant=flag).weights for flag in (True, False)
    ]
    np.testing.assert_allclose(*linear, atol=1e-12)

    def cubic(x):
        return x + 0.3 * x**3

    bent = [
        posterior.mixture(train, 0.5, cubic, np.zeros(2), 0.3, determinant=flag).weights
        for flag in (True, False)
    ]
    assert np.abs(bent[0] - bent[1]).max() > 1e-3


def test_jacobians_by_torch_are_those_given():
    train = np.random.default_rng(2).normal(size=(6, 2))

    def forward(x):
        return x + 0.3 * x**3

    def jacobian(x):
        return np.stack([np.diag(1 + 0.9 * point**2) for point in x])

    ours = posterior.mixture(train, 0.4, forward, np.zeros(2), 0.3)
    given_ = posterior.mixture(train, 0.4, forward, np.zeros(2), 0.3, jacobian=jacobian)
    for one, other in zip(ours, given_, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12)


def test_draws_have_the_mean_and_covariance_of_the_mixture():
    rng = np.random.default_rng(3)
    train, A = rng.normal(size=(4, 2)), rng.normal(size=(3, 2))
    found = posterior.mixture(train, 0.7, A, rng.normal(size=3), 1.0)
    draws = found.sample(200_000, rng)
    np.testing.assert_allclose(draws.mean(0), found.mean, atol=0.02)
    spread = found.means - found.mean
    covariance = np.einsum(
        "n,nij->ij", found.weights, found.covariances + spread[:, :, None] * spread[:, None]
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
def test_the_denoiser_in_parts_is_the_whole_one(seed, d, n, points, sigma, chunk):
    rng = np.random.default_rng(seed)
    train, x, logs = rng.normal(size=(n, d)), rng.normal(size=(points, d)), rng.normal(size=n)
    found = posterior.denoise(x, train, sigma, log_weights=logs, chunk=chunk)
    weights = posterior.empirical(-0.5 * ((x[:, None] - train) ** 2).sum(-1) / sigma**2 + logs)
    np.testing.assert_allclose(found, weights @ train, atol=1e-10)


def test_the_score_is_the_gradient_of_the_log_density():
    rng = np.random.default_rng(4)
    train, x, sigma, step = rng.normal(size=(6, 3)), rng.normal(size=(5, 3)), 0.5, 1e-5

    def log_density(points):
        return logsumexp(-0.5 * ((points[:, None] - train) ** 2).sum(-1) / sigma**2, axis=1)

    slopes = [
        (log_density(x + step * e) - log_density(x - step * e)) / (2 * step) for e in np.eye(3)
    ]
    np.testing.assert_allclose(
        posterior.score(x, train, sigma), np.stack(slopes, axis=1), atol=1e-7
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sigma": 0.0}, "sigma must be positive and finite, given 0.0"),
        ({"noise_sd": np.nan}, "noise_sd must be positive and finite"),
        ({"y": np.zeros(4)}, "y has 4 values, the forward operator gives 3"),
        ({"y": np.zeros(3, complex)}, "y is complex"),
        ({"y": np.array([0, np.inf, 0])}, "y holds 1 values that are NaN or infinite"),
        ({"forward": np.zeros((3, 5))}, "forward has 5 columns, train has 2 coordinates"),
        ({"forward": lambda x: np.asarray(x).astype(float) ** 2}, "give its `jacobian`"),
    ],
)
def test_bad_input_is_named(changes, message):
    arguments = {
        "train": np.ones((4, 2)),
        "sigma": 0.5,
        "forward": np.ones((3, 2)),
        "y": np.zeros(3),
        "noise_sd": 0.3,
    }
    with pytest.raises(InputError, match=message):
        posterior.mixture(**(arguments | changes))
