"""Beyond the model of attention: variants, strong signals, several classes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rote.core.errors import InputError
from rote.papers.attention import simulation
from rote.papers.attention.heads import (
    SPIKES,
    Spike,
    Structure,
)
from rote.theory import attention
from rote.theory.attention import variants
from rote.theory.attention.classes import Classes, classes_error
from rote.theory.attention.strong import strong_signal_error

U, V = np.eye(3)[:2]


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
    weak = strong_signal_error(GAMMA, 4.0, "tanh", 10**12, vectors)
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


@pytest.mark.parametrize("gamma", [1e-5, 1.0])
@pytest.mark.parametrize("spike", ["none", "aligned", "key only"])
def test_strong_signals_that_are_weak_are_the_model(spike, gamma):
    structure = Structure(1.0, SPIKES[spike])
    for f in ("tanh", "sign", "linear"):
        strong = strong_signal_error(gamma, 2.0, f, 10**9, structure.vectors)
        plain = attention.memorization_error(gamma, 2.0, f, structure.vectors).error
        assert float(strong) == pytest.approx(float(plain), rel=1e-3)


@pytest.mark.parametrize(
    ("p", "mu2", "spike", "gamma", "simulated"),
    [  # means of four to forty contexts, n = 4p
        (256, 16, "none", 1e-5, 0.0296),
        (512, 22.63, "none", 1e-5, 0.02246),
        (512, 11.31, "aligned", 1e-5, 0.03296),
        (128, 22.63, "none", 1.0, 0.00745),
        (128, 33.94, "none", 1.0, 0.00103),
        (128, 11.31, "aligned", 1.0, 0.01351),
        (128, 16.97, "aligned", 1.0, 0.00245),
    ],
)
def test_strong_signals_are_predicted_to_a_tenth(p, mu2, spike, gamma, simulated):
    vectors = Structure(mu2, SPIKES[spike]).vectors
    predicted = float(strong_signal_error(gamma, 0.25, "tanh", p, vectors))
    assert predicted == pytest.approx(simulated, rel=0.12)


FOUR = Classes([[1.5, 0, 0], [0, 1, 0.5], [-0.5, -1, 0], [-1, 0, -0.5]], [1, -1, 1, -1])


@pytest.mark.parametrize("copies", [1, 3])
@pytest.mark.parametrize("c", [0.5, 4.0])
def test_two_classes_are_the_model_however_they_are_split(c, copies):
    vectors = attention.Vectors([2.0, 0], [0.4, 1], [1, 0.3])
    classes = Classes([[2.0, 0]] * copies + [[-2.0, 0]], [1] * copies + [-1], _shares(copies))
    errors = classes_error(GAMMA, c, "tanh", classes, vectors.w_key, vectors.w_query)
    model = attention.memorization_error(GAMMA, c, "tanh", vectors).error
    np.testing.assert_allclose(errors, model, rtol=1e-6)


def _shares(copies):
    """Half of the tokens in the first classes."""
    return [0.5 / copies] * copies + [0.5]


def test_four_classes_are_predicted():
    n, p, gamma = 400, 800, np.array([0.1, 1.0])
    key, query = np.array([1, 0, 0.5]), np.array([0, 1.0, 0])
    spike = simulation.padded_spike(Spike(key, query), p)
    errors = []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        numbers = rng.permutation(np.repeat(np.arange(4), n // 4))
        X = rng.normal(size=(p, n))
        X[:3] += np.asarray(FOUR.means)[numbers].T
        A, _ = simulation.features(X, simulation.entrywise("tanh", p), spike)
        labels = np.asarray(FOUR.labels, float)[numbers]
        errors.append(simulation.probe_errors(A, labels, gamma))
    predicted = classes_error(gamma, 2.0, "tanh", FOUR, key, query)
    assert predicted == pytest.approx(np.mean(errors, axis=0), abs=0.02)


def test_classes_are_checked():
    for arguments, words in (
        (([[1.0, 0], [0, 1]], [1, -1]), "must average to 0"),
        (([[1.0], [-1]], [1, 1]), "must average to 0"),
        (([[1.0], [-1]], [1, 0]), "labels must be ±1"),
        (([1.0, -1], [1, -1]), "means must be"),
        (([[1.0], [-1]], [1, -1], [0.5, 0.6]), "shares must be 2 numbers"),
    ):
        with pytest.raises(InputError, match=words):
            Classes(*arguments)
    with pytest.raises(InputError, match="must have the length 3"):
        classes_error(1.0, 1.0, "tanh", FOUR, [1.0], [1.0])
    with pytest.raises(InputError, match="classes must be `Classes`"):
        classes_error(1.0, 1.0, "tanh", "four")
