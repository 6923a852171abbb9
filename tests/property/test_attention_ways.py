"""Fixed points of heads by way of double precision: the end is the same to the last digit."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from rote.theory.attention import path, variants

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
