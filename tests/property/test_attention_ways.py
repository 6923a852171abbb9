"""Fixed points of heads by shorter ways: the end is the same to the last digit."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from rote.theory.attention import path, pencils, variants
from rote.theory.attention.decimals import exact

FUNCTIONS = ["tanh", "relu_c", "cubic", "exp_c"]
VECTORS = [[1.0, 0.0, 0.0], [0.5, 1.0, 0.0], [0.0, 0.3, 1.0], None]


def in_decimals(error, *arguments, **keywords):
    """An error function without double precision on the way."""

    def errors(system, gamma):
        return original(system._replace(in_floats=None), gamma)

    original = path.errors
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(path, "errors", errors)
        return error(*arguments, **keywords)


@settings(max_examples=12, deadline=None)
@given(
    c=st.floats(-2, 2).map(lambda x: 10**x),
    gamma=st.floats(-12, 2).map(lambda x: 10**x),
    functions=st.lists(st.sampled_from(FUNCTIONS), min_size=1, max_size=2, unique=True),
    spike=st.sampled_from(VECTORS),
)
@example(c=0.01, gamma=1e-12, functions=["tanh", "relu_c"], spike=VECTORS[1])
@example(c=100.0, gamma=1e-12, functions=["tanh"], spike=None)
def test_heads_are_the_same_by_way_of_double_precision(c, gamma, functions, spike):
    spikes = {"w_keys": [spike] * len(functions), "w_queries": [spike] * len(functions)}
    given_heads = {"mu": VECTORS[0], **spikes}
    fast = variants.heads_error(gamma, c, functions, **given_heads)
    slow = in_decimals(variants.heads_error, gamma, c, functions, **given_heads)
    assert fast.bound <= 1e-7 * abs(fast.excess)
    np.testing.assert_allclose(fast.excess, slow.excess, rtol=1e-12)


@settings(max_examples=8, deadline=None)
@given(
    c=st.floats(-2, 2).map(lambda x: 10**x),
    gamma=st.floats(-12, 2).map(lambda x: 10**x),
    f=st.sampled_from(FUNCTIONS),
)
def test_dense_heads_are_the_same_by_way_of_double_precision(c, gamma, f):
    fast = variants.dense_error(gamma, c, f)
    slow = in_decimals(variants.dense_error, gamma, c, f)
    assert fast.bound <= 1e-7 * abs(fast.excess)
    np.testing.assert_allclose(fast.excess, slow.excess, rtol=1e-12)


@settings(max_examples=8, deadline=None)
@given(
    p=st.integers(1, 300),
    ratio=st.floats(-2, 1.5).map(lambda x: 10**x),
    gamma=st.floats(-12, 2).map(lambda x: 10**x),
    spread=st.floats(0, 3),
    f=st.sampled_from(FUNCTIONS),
)
@example(p=3, ratio=0.01, gamma=1e-12, spread=1.0, f="tanh")
def test_anisotropic_tokens_are_the_same_by_way_of_double_precision(p, ratio, gamma, spread, f):
    spectrum = 10 ** (spread * np.linspace(0, 1, p))
    spectrum /= np.sqrt((spectrum**2).mean())
    n = max(1, round(p / ratio))
    fast = variants.anisotropic_error(gamma, n, spectrum, f)
    slow = in_decimals(variants.anisotropic_error, gamma, n, spectrum, f)
    assert fast.bound <= 1e-7 * abs(fast.excess)
    np.testing.assert_allclose(fast.excess, slow.excess, rtol=1e-12)


@settings(max_examples=50, deadline=None)
@given(heads=st.integers(1, 4), r=st.integers(1, 6), seed=st.integers(0, 10**6))
def test_a_signal_adds_what_the_pencil_on_its_whole_span_adds(heads, r, seed):
    rng = np.random.default_rng(seed)
    k = 1 + 2 * heads
    mu, slopes = rng.standard_normal(r), rng.standard_normal(heads)
    turn = np.linalg.qr(rng.standard_normal((heads, heads)))[0]
    spikes = rng.standard_normal((2, heads, r)) * (rng.random((heads, 1)) < 0.7)
    h = rng.standard_normal((k, k)) + 3 * np.eye(k)
    T = np.zeros((k, r, k, r))
    for j in range(heads):
        rows = (np.eye(r) + np.outer(spikes[0, i], spikes[1, i]) for i in range(heads))
        mixed = sum(turn[i, j] * slopes[i] * row for i, row in enumerate(rows))
        T[0, :, 1 + 2 * j], T[1 + 2 * j, :, 0], T[2 + 2 * j, :, 2 + 2 * j] = (
            mixed.T,
            -mixed,
            np.eye(r),
        )
    T, M = T.reshape(k * r, k * r), np.kron(np.eye(k), mu[:, None])
    whole = M.T @ T @ np.linalg.solve(np.eye(k * r) + np.kron(h, np.eye(r)) @ T, M)
    inner = pencils.Signal(mu, slopes, turn, spikes).inner(exact(h)).astype(float)
    np.testing.assert_allclose(inner, whole, rtol=1e-9, atol=1e-9 * np.abs(whole).max())
