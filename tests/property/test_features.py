"""Power-law features: the law they are drawn from, and forced combinations."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rote.core.errors import InputError
from rote.core.seeds import generator
from rote.synth import features
from scipy import stats


@given(st.integers(1, 2000), st.floats(0.01, 100), st.floats(0, 5))
def test_frequencies_are_probabilities_in_order(d, s, alpha):
    p = features.frequencies(d, s, alpha)
    assert p.shape == (d,)
    assert ((p >= 0) & (p <= 1)).all()
    assert (np.diff(p) <= 0).all()
    assert p.sum() <= s * (1 + 1e-12)
    if p[0] < 1:
        assert p.sum() == pytest.approx(s)


@pytest.mark.parametrize(
    ("alpha", "total"),
    [
        (1, 5.00),
        (1.25, 4.81),
        (1.5, 4.07),
        (1.75, 3.45),
        (2, 2.96),
        (2.25, 2.58),
        (2.5, 2.27),
        (2.75, 2.03),
        (3, 1.84),
    ],
)
def test_clipped_mass_at_the_papers_size(alpha, total):
    assert features.frequencies(10_000, 5, alpha).sum() == pytest.approx(total, abs=0.005)


@pytest.mark.parametrize(
    ("d", "s", "alpha"),
    [
        (0, 1, 1),
        (1.5, 1, 1),
        (True, 1, 1),
        (3, 0, 1),
        (3, -1, 1),
        (3, np.nan, 1),
        (3, 1, -0.1),
        (3, 1, np.inf),
    ],
)
def test_frequencies_refuse_bad_arguments(d, s, alpha):
    with pytest.raises(InputError):
        features.frequencies(d, s, alpha)


def test_draws_follow_the_bernoulli_law():
    p = features.frequencies(20, 4.0, 1.2)
    n, draws = 50, 400
    rng = generator(0, "test")
    matrices = np.stack([features.draw(p, n, rng).toarray() for _ in range(draws)])  # (draws, n, d)
    assert set(np.unique(matrices)) <= {-1.0, 0.0, 1.0}
    share = (matrices != 0).mean(axis=(0, 1))
    error = np.sqrt(p * (1 - p) / (n * draws))
    np.testing.assert_array_less(np.abs(share - p), 5 * error + 1e-12)
    # counts of one feature are binomial, not only right on average
    counts = (matrices != 0).sum(axis=1)[:, 5]
    test = stats.kstest(counts + rng.random(draws), lambda x: _smooth_binomial(x, n, p[5]))
    assert test.pvalue > 1e-4
    assert abs(matrices.sum()) < 5 * np.sqrt((matrices != 0).sum())  # signs are fair
    pair = (matrices[..., 0] != 0) & (matrices[..., 3] != 0)  # features are independent
    assert abs(pair.mean() - p[0] * p[3]) < 5 * np.sqrt(p[0] * p[3] / (n * draws))


def _smooth_binomial(x, n, p):
    count = np.floor(x)
    return stats.binom.cdf(count - 1, n, p) + (x - count) * stats.binom.pmf(count, n, p)


@given(st.integers(0, 6), st.integers(0, 2**32 - 1))
def test_forced_features_are_distinct_signs_and_the_rest_is_untouched(t, seed):
    rng = np.random.default_rng(seed)
    X = features.draw(features.frequencies(30, 5.0, 1.0), 15, rng)
    pool = np.array([3, 8, 9, 15, 20, 29])
    forced = features.force(X, pool, t, rng).toarray()
    assert (np.abs(forced[:, pool]) == 1).sum(axis=1).min() >= t
    outside = np.setdiff1d(np.arange(30), pool)
    np.testing.assert_array_equal(forced[:, outside], X.toarray()[:, outside])
    assert set(np.unique(forced)) <= {-1.0, 0.0, 1.0}


def test_force_refuses_more_features_than_the_pool():
    X = features.draw(np.full(5, 0.5), 4, generator(0, "test"))
    with pytest.raises(InputError, match="cannot force 3 distinct features: the pool holds 2"):
        features.force(X, np.array([1, 2]), 3, generator(1, "test"))


def test_streams_are_named_not_ordered():
    first = generator(1, "longtail", "linear", 3).random(4)
    generator(1, "longtail", "other").random(100)
    np.testing.assert_array_equal(generator(1, "longtail", "linear", 3).random(4), first)
    assert not np.allclose(generator(2, "longtail", "linear", 3).random(4), first)
    assert not np.allclose(generator(1, "longtail", "linear", 4).random(4), first)
