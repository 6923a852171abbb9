"""How many facts fit: closed forms against brute force, bounds, limits, refusals."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rote.core.errors import InputError
from rote.theory import capacity
from scipy import optimize


def test_uniform_limit_is_whole_facts():
    np.testing.assert_allclose(
        capacity.accuracy_limit([500, 1000, 4000], 10.0, 10_000.0), [1, 1, 0.25]
    )
    assert capacity.accuracy_limit(10, 5.0, 0.0) == 0


def test_rate_is_zero_for_a_guess_and_all_bits_for_certainty():
    for bits in (1.0, 13.29, 60.0):
        assert capacity.rate(2.0**-bits, bits) == pytest.approx(0, abs=1e-9)
        assert capacity.rate(1.0, bits) == pytest.approx(bits)


@settings(max_examples=30, deadline=None)
@given(
    weights=st.lists(st.floats(0.01, 1), min_size=2, max_size=5),
    bits=st.floats(2, 14),
    share=st.floats(0.05, 0.95),
)
def test_water_filling_is_the_best_use_of_the_capacity(weights, bits, share):
    """Against a generic constrained optimizer."""
    p = np.array(weights) / sum(weights)
    budget = share * bits * len(p)
    q = capacity.water_filling(p, bits, budget)
    assert capacity.rate(q, bits).sum() == pytest.approx(budget, rel=1e-6)
    best = 0.0
    for start in (
        np.full(len(p), 0.5),
        np.clip(q + 0.05, 2.0**-bits, 1 - 1e-6),
        np.linspace(0.9, 0.1, len(p)),
    ):
        optimum = optimize.minimize(
            lambda x: -p @ x,
            start,
            bounds=[(2.0**-bits, 1 - 1e-9)] * len(p),
            constraints={"type": "ineq", "fun": lambda x: budget - capacity.rate(x, bits).sum()},
            method="SLSQP",
        )
        if optimum.success and capacity.rate(optimum.x, bits).sum() <= budget * (1 + 1e-6):
            best = max(best, -optimum.fun)
    assert p @ q >= best - 1e-4
    assert float(capacity.accuracy_limit(len(p), bits, budget, p)) == pytest.approx(p @ q)


def test_water_filling_prefers_the_frequent():
    p = np.arange(1, 101) ** -1.0
    q = capacity.water_filling(p / p.sum(), 13.0, 13.0 * 30)
    assert (np.diff(q) <= 1e-12).all()
    assert q[0] > 0.999
    assert q[-1] < 0.1
    assert (capacity.water_filling(p / p.sum(), 13.0, 13.0 * 100) == 1).all()
    np.testing.assert_allclose(capacity.water_filling(p / p.sum(), 13.0, 0.0), 2.0**-13)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, 1.0, 1.0), "n_facts must be finite and ≥ 1"),
        ((5, 0.0, 1.0), "bits_per_fact must be finite and > 0"),
        ((5, 1.0, -1.0), "capacity_bits must be finite and ≥ 0"),
        ((5, np.nan, 1.0), "bits_per_fact"),
        ((3, 1.0, 1.0, [1.0, 2.0]), "frequencies must be 3 nonnegative"),
        ((2, 1.0, 1.0, [0.0, 0.0]), "frequencies must be"),
        ((2, 1.0, 1.0, [-1.0, 2.0]), "frequencies must be"),
    ],
)
def test_accuracy_limit_refuses_bad_arguments(arguments, message):
    with pytest.raises(InputError, match=message):
        capacity.accuracy_limit(*arguments)
