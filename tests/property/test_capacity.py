"""How many facts fit: closed forms against brute force, bounds, limits, refusals."""

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rote.core.errors import InputError
from rote.theory import capacity
from scipy import optimize


def blahut_arimoto(values: int, slope: float) -> tuple[float, float]:
    """Accuracy and rate in bits on the rate-distortion curve of `values` equally likely values.

    Nothing but the alternating minimization, from a lopsided start (Blahut 1972).
    """
    source = np.full(values, 1 / values)
    output = np.random.default_rng(0).dirichlet(np.ones(values))
    weight = np.exp(-slope * (1 - np.eye(values)))
    for _ in range(2000):
        channel = output * weight
        channel /= channel.sum(1, keepdims=True)
        output = source @ channel
    rate = (source[:, None] * channel * np.log2(channel / output)).sum()
    return float(np.trace(channel) / values), float(rate)


@pytest.mark.parametrize("values", [2, 3, 10, 60])
@pytest.mark.parametrize("slope", [2.0, 4.0, 6.0, 9.0])
def test_limit_is_the_rate_distortion_function(values, slope):
    accuracy, bits = blahut_arimoto(values, slope)
    assert capacity.rate(accuracy, np.log2(values)) == pytest.approx(bits, rel=1e-6)
    limit = capacity.accuracy_limit(7, np.log2(values), 7 * bits)
    assert limit == pytest.approx(accuracy, rel=1e-6)


def exact_rate(q: mpmath.mpf, bits: mpmath.mpf) -> mpmath.mpf:
    m = mpmath.mpf(2) ** bits
    right = q * mpmath.log(q * m, 2) if q else 0
    return right + (1 - q) * mpmath.log((1 - q) / (1 - 1 / m), 2)


@settings(max_examples=60)
@given(st.floats(-2, 3), st.floats(-14, 0))
def test_limit_has_its_stated_accuracy(log_bits, log_share):
    """By the rate in 400 digits on both sides of the limit."""
    bits = 10**log_bits
    rate = bits * 10**log_share
    q = float(capacity.accuracy_limit(1, bits, rate))
    assert 2.0**-bits <= q <= 1
    with mpmath.workdps(400):
        guess = mpmath.mpf(2) ** -mpmath.mpf(bits)
        below = max(guess, mpmath.mpf(q) * (1 - mpmath.mpf(10) ** -9))
        assert exact_rate(below, mpmath.mpf(bits)) <= rate
        above = mpmath.mpf(q) * (1 + mpmath.mpf(10) ** -9)
        assert above >= 1 or exact_rate(above, mpmath.mpf(bits)) >= rate


def test_limit_of_equal_facts():
    bits = np.log2(1e4)
    assert capacity.accuracy_limit(3200, bits, 1150 * bits) == pytest.approx(0.4337, abs=5e-5)
    np.testing.assert_allclose(capacity.whole_facts(3200, bits, 1150 * bits), 1150 / 3200)
    np.testing.assert_array_equal(capacity.accuracy_limit([500, 1000], 10.0, 10_000.0), 1)
    assert capacity.accuracy_limit(10, 5.0, 0.0) == 2.0**-5  # a guess
    n = np.geomspace(1000, 1e6, 50)
    assert (capacity.accuracy_limit(n, 10.0, 1e4) >= capacity.whole_facts(n, 10.0, 1e4)).all()


@given(st.integers(1, 50), st.floats(0.5, 200), st.floats(0, 1))
def test_limit_of_equal_facts_is_that_of_equal_frequencies(n, bits, share):
    plain = capacity.accuracy_limit(n, bits, share * n * bits)
    weighted = capacity.accuracy_limit(n, bits, share * n * bits, np.ones(n))
    assert float(weighted) == pytest.approx(float(plain), rel=1e-8)


def test_rate_is_zero_for_a_guess_and_all_bits_for_certainty():
    for bits in (1.0, 13.29, 60.0):
        assert capacity.rate(2.0**-bits, bits) == 0
        assert capacity.rate(0.0, bits) == 0  # worse than guessing costs nothing
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


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.floats(-300, 0), min_size=1, max_size=6),
    st.floats(-2, 3),
    st.floats(-7, 0),
    st.booleans(),
)
def test_water_filling_spends_the_capacity_at_any_frequencies(powers, log_bits, share, absent):
    """Rates in 400 digits; frequencies that differ by 300 orders of magnitude."""
    p, bits = 10.0 ** np.array(powers), 10**log_bits
    p = np.append(p, 0.0) if absent else p
    budget = bits * len(p) * 10**share
    q = capacity.water_filling(p, bits, budget)
    with mpmath.workdps(400):
        spent = sum(exact_rate(mpmath.mpf(float(x)), mpmath.mpf(bits)) for x in q if x < 1)
        spent = float(spent) + bits * (q == 1).sum()
    assert spent == pytest.approx(min(budget, bits * len(p)), rel=1e-8)
    order = np.argsort(p)
    assert (np.diff(q[order]) >= -1e-12).all()


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
        ((5, 0.0, 1.0), r"bits_per_fact must be finite and in \(0, 1000\]"),
        ((5, 1001.0, 1.0), r"bits_per_fact must be finite and in \(0, 1000\]"),
        (([2, 3], 1.0, 1.0, [1.0, 1.0]), "n_facts must be one number where frequencies"),
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


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: capacity.rate(1.5, 3.0), r"accuracy must be finite and in \[0, 1\]"),
        (lambda: capacity.rate(0.5, -1.0), r"bits must be finite and in \(0, 1000\]"),
        (lambda: capacity.water_filling([0.5, np.nan], 3.0, 1.0), "frequencies must be finite"),
        (lambda: capacity.water_filling([0.0], 3.0, 1.0), "not all 0"),
        (lambda: capacity.water_filling([1.0], 3.0, -1.0), "capacity must be finite and ≥ 0"),
        (lambda: capacity.whole_facts(0, 3.0, 1.0), "n_facts must be finite and ≥ 1"),
        (lambda: capacity.spread_accuracy(1.0, 0.0), "bits must be finite"),
        (lambda: capacity.spread_accuracy(np.nan, 3.0), "bits_available must be finite"),
    ],
)
def test_capacity_refuses_what_is_outside_its_domain(call, message):
    with pytest.raises(InputError, match=message):
        call()
