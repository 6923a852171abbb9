"""Nonlinear attention at finite size: kernels, solvers, cautions, trained heads, real tokens."""

import tracemalloc
import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from rote import train
from rote.core import tables
from rote.core.errors import InputError
from rote.core.seeds import generator
from rote.models import pretrained
from rote.papers import attention as paper
from rote.papers.attention import (
    beyond,
    embeddings,
    experiments,
    heads,
    schema,
    settings,
    simulation,
    theory_claims,
    trained,
)
from rote.papers.attention.heads import Spike, U, V
from rote.papers.attention.simulation import AttentionHead
from rote.synth import tokens
from rote.theory import attention

GAMMA = np.geomspace(1e-4, 10, 9)


TANH = AttentionHead("tanh")


def simulate(head, gamma=(1.0,), n=64, p=64, **options):
    return paper.simulate(gamma, n, p, head, generator(0, "x"), **options)


def context(n=40, p=60, seed=0, **options):
    return tokens.draw(n, p, generator(seed, "test attention"), **options)


def dense_kernel(X, f, spike):
    """K by its definition."""
    p = len(X)
    t = X.T @ (np.eye(p) + np.outer(spike.key, spike.query)) @ X / np.sqrt(p)
    np.fill_diagonal(t, 0)
    K = (f(t) - attention.moments(f).a0) / np.sqrt(p)
    np.fill_diagonal(K, 0)
    return K


def test_contexts_have_the_stated_signal_labels_and_noise():
    drawn = context(mu=[3.0, 4.0])
    assert drawn.X.shape == (60, 40)
    assert drawn.y.sum() == 0
    aligned = drawn.X[:2] @ drawn.y / 40
    np.testing.assert_allclose(aligned, [3, 4], atol=4 / np.sqrt(40))
    assert context(balance=0.5).y.mean() == 0.5
    assert (context(balance=1).y == 1).all()
    assert set(np.unique(context(noise=tokens.rademacher).X)) == {-1.0, 1.0}
    student = tokens.draw(300, 300, generator(0, "x"), noise=tokens.student(7)).X
    assert student.var() == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda: context(n=1), "n and p must be at least 2"),
        (lambda: context(balance=2.0), r"balance must be in \[-1, 1\]"),
        (lambda: context(mu=np.ones(61)), "mu must be a vector of at most p = 60"),
        (lambda: context(mu=[np.nan]), "mu must be a vector"),
        (lambda: tokens.student(2.0), "degrees must be > 2"),
        (lambda: simulate(TANH, [0.0]), "gamma must be finite and > 0"),
        (lambda: simulate(AttentionHead("exp_c", diag="keep")), "at most linearly"),
        (lambda: simulate(TANH, mu=[1.0], trace=True), "needs mu = 0"),
        (
            lambda: simulate(AttentionHead("tanh", Spike(np.ones(65), None))),
            "w_key must be a vector",
        ),
    ],
)
def test_contexts_refuse_impossible_settings(call, expected):
    with pytest.raises(InputError, match=expected):
        call()


@pytest.mark.parametrize("f", attention.ACTIVATIONS)
def test_features_are_those_of_the_whole_kernel(f, monkeypatch):
    monkeypatch.setattr(simulation, "BLOCK", 16)  # three blocks, the last one short
    drawn = context(mu=U)
    spike = simulation.padded_spike(Spike(V + 0.3, U - 0.1), 60)
    A, largest = simulation.features(drawn.X, simulation.entrywise(f, 60), spike)
    expected = drawn.X @ dense_kernel(drawn.X, attention.ACTIVATIONS[f], spike)
    np.testing.assert_allclose(A, expected, atol=1e-10 * max(1, np.abs(expected).max()))
    W = np.eye(60) + np.outer(spike.key, spike.query)
    t = drawn.X.T @ W @ drawn.X / np.sqrt(60)
    np.fill_diagonal(t, 0)
    assert largest == pytest.approx(np.abs(t).max())


def test_features_do_not_exchange_key_and_query():
    """Rows of K are keys: its transpose swaps the two weights."""
    drawn = context(mu=2 * U)
    tanh = attention.ACTIVATIONS["tanh"]
    spike = simulation.padded_spike(Spike(U, V), 60)
    kernel = dense_kernel(drawn.X, tanh, spike)
    exchanged = dense_kernel(drawn.X, tanh, Spike(spike.query, spike.key))
    np.testing.assert_allclose(kernel.T, exchanged, atol=1e-12)
    A, _ = simulation.features(drawn.X, simulation.entrywise("tanh", 60), spike)
    np.testing.assert_allclose(A, drawn.X @ kernel, atol=1e-11)


@pytest.mark.parametrize("f", attention.ACTIVATIONS)
@pytest.mark.parametrize("shape", [(40, 60), (60, 40), (50, 50), (49, 50), (20, 300)])
@pytest.mark.parametrize("spike", [Spike(), Spike(V + 0.3, U - 0.1)])
@pytest.mark.parametrize("trace", [False, True])
def test_training_errors_are_those_of_the_features(f, shape, spike, trace):
    """However they are made: for p > n they come from XᵀX alone."""
    n, p = shape
    drawn = context(n, p, mu=None if trace else U)
    padded = simulation.padded_spike(spike, p)
    kernel = simulation.entrywise(f, p)
    errors, largest = simulation.training_errors(drawn, kernel, GAMMA, padded, trace=trace)
    A, expected = simulation.features(drawn.X, kernel, padded)
    assert largest == pytest.approx(expected, rel=1e-12)
    for error, M in zip(errors, (A, drawn.X), strict=True):
        expected = simulation.probe_errors(M, drawn.y, GAMMA, trace)
        np.testing.assert_allclose(error, expected, rtol=1e-7, atol=1e-13)


def test_softmax_columns_are_distributions_over_keys():
    drawn = context()
    for masked in (True, False):
        identity = np.eye(60)
        A, _ = simulation.features(drawn.X, simulation.softmax(0.5, masked))
        t = 0.5 * drawn.X.T @ drawn.X / np.sqrt(60)
        if masked:
            np.fill_diagonal(t, -np.inf)
        K = np.exp(t) / np.exp(t).sum(axis=0)
        np.testing.assert_allclose(A, identity @ drawn.X @ K, atol=1e-12)


def test_plain_softmax_is_the_identity():
    """Every token's largest product is with itself, √p above the others."""
    drawn = context(n=128, p=1024)
    A, _ = simulation.features(drawn.X, simulation.softmax(1.0, masked=False))
    np.testing.assert_allclose(A, drawn.X, atol=1e-6)
    errors = [simulation.probe_errors(M, drawn.y, GAMMA) for M in (A, drawn.X)]
    np.testing.assert_allclose(*errors, atol=1e-6)


def resolvent(A, gamma):
    n = A.shape[1]
    return np.linalg.inv(A.T @ A / n + gamma * np.eye(n))


@pytest.mark.parametrize("shape", [(40, 60), (60, 40), (50, 50), (40, 2)])
def test_probe_errors_are_those_of_the_solve_and_of_the_resolvent(shape):
    n, p = shape
    drawn = context(n, p, mu=[1.0])
    for A in (np.asfortranarray(drawn.X), np.ascontiguousarray(drawn.X)):
        errors = simulation.probe_errors(A, drawn.y, GAMMA)
        averaged = simulation.probe_errors(A, drawn.y, GAMMA, trace=True)
        for gamma, error, mean in zip(GAMMA, errors, averaged, strict=True):
            w = np.linalg.solve(A @ A.T + n * gamma * np.eye(p), A @ drawn.y)
            assert error == pytest.approx(((drawn.y - A.T @ w) ** 2).mean(), rel=1e-8)
            Q = resolvent(A, gamma)
            assert error == pytest.approx(gamma**2 * (Q @ drawn.y) @ (Q @ drawn.y) / n, rel=1e-6)
            # E = -γ² d(yᵀQy)/dγ/n; a public summary prints the prefactor γ/(2n)
            step = 1e-4 * gamma
            above, below = (resolvent(A, gamma + shift) for shift in (step, -step))
            slope = drawn.y @ (above - below) @ drawn.y / (2 * step)
            assert error == pytest.approx(-(gamma**2) * slope / n, rel=1e-5)
            assert mean == pytest.approx(gamma**2 * np.trace(Q @ Q) / n, rel=1e-6)


def test_shifted_solves_equal_dense_solves():
    rng = np.random.default_rng(0)
    for m in (1, 2, 3, 30):
        B = rng.normal(size=(m, m + 2))
        S = B @ B.T
        b = rng.normal(size=m)
        shifts = np.array([1e-3, 1.0, 50.0])
        expected = np.stack([np.linalg.solve(S + s * np.eye(m), b) for s in shifts], axis=1)
        np.testing.assert_allclose(
            simulation.shifted_solves(np.tril(S), b, shifts), expected, rtol=1e-8
        )
        short = simulation.shifted_solves(np.tril(S), b, shifts, rotate_back=False)
        np.testing.assert_allclose(
            np.linalg.norm(short, axis=0), np.linalg.norm(expected, axis=0), rtol=1e-8
        )


@pytest.mark.parametrize("spike", ["none", "aligned", "key only"])
@pytest.mark.parametrize("f", ["tanh", "sign"])
def test_simulate_meets_theory(f, spike):
    """Twelve fresh contexts: within four standard errors and the finite-size slack."""
    structure = heads.Structure(1.0, heads.SPIKES[spike])
    head = AttentionHead(f, structure.spike)
    gamma = np.array([0.1, 1.0])
    errors = []
    for number in range(12):
        rng = generator(3, f, spike, number)
        errors.append(paper.simulate(gamma, 256, 512, head, rng, mu=structure.mu).attention)
    theory = heads.error(gamma, 2.0, f, structure).error
    standard_error = np.std(errors, axis=0, ddof=1) / np.sqrt(12)
    slack = 4 * standard_error + 1 / 256 + 0.01 * theory
    assert (np.abs(np.mean(errors, axis=0) - theory) < slack).all()


def test_simulate_gives_the_same_errors_for_the_same_stream():
    first, second = (simulate(TANH, p=96, mu=[1.0]) for _ in range(2))
    np.testing.assert_array_equal(first.attention, second.attention)
    np.testing.assert_array_equal(first.ridge, second.ridge)


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda: simulate(TANH, [1e-9]), "below 1e-8"),
        (lambda: simulate(TANH, n=20), "both ≥ 50"),
        (lambda: simulate(TANH, mu=[2.0]), r"μᵀWμ/√p = 0\.50 is above 0\.12"),
        (
            lambda: simulate(AttentionHead("tanh", Spike(np.ones(1), np.ones(1)))),
            r"is above √p/10 = 0\.8",
        ),
    ],
)
def test_simulate_warns_of_settings_outside_the_theory(call, expected):
    with pytest.warns(UserWarning, match=expected):
        call()


def test_simulate_warns_of_parallel_tokens():
    def twins(rng, shape):
        half = rng.normal(size=(shape[0], shape[1] // 2))
        return np.concatenate([half, half], axis=1)

    with pytest.warns(UserWarning, match="parallel tokens"):
        simulate(TANH, p=128, noise=twins)


def test_features_take_the_memory_of_a_few_arrays_of_the_tokens():
    """Less than seven arrays: at 4096 x 4096, 1 GiB."""
    drawn = context(512, 512)
    tracemalloc.start()
    A, _ = simulation.features(drawn.X, simulation.entrywise("tanh", 512))
    simulation.probe_errors(A, drawn.y, GAMMA)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 7 * 512 * 512 * 8


def test_finite_size_moments_vanish_in_the_limit():
    assert attention.finite_size("linear", 1024).nu == pytest.approx(1 + 2 / 1024)
    corrected = heads.error(1e-2, 0.5, attention.finite_size("linear", 1024)).error
    assert float(corrected) == pytest.approx(0.5328, abs=1e-4)


# ---- trained heads


def test_trained_errors_are_those_of_the_simulation():
    drawn = context(24, 48, mu=[2.0])
    w = generator(0, "w").normal(size=(2, 48))
    X = torch.tensor(drawn.X)[None, None]
    y = torch.tensor(drawn.y)[None, None]
    gamma = np.array([0.5])
    error = trained.errors(X, y, torch.tensor(gamma), torch.tensor(w)[None])
    unit = Spike(*(w / np.linalg.norm(w, axis=1, keepdims=True)))
    A, _ = simulation.features(drawn.X, simulation.entrywise("tanh", 48), unit)
    expected = simulation.probe_errors(A, drawn.y, gamma)[0]
    assert float(error) == pytest.approx(expected, rel=1e-9)
    ridge = trained.errors(X, y, torch.tensor(gamma), None)
    expected = simulation.probe_errors(drawn.X, drawn.y, gamma)[0]
    assert float(ridge) == pytest.approx(expected, rel=1e-9)


SMALL = settings.AttentionTrained(tokens=24, p=32, steps=12, contexts=2, held_out=2, replicates=2)


def test_head_training_resumes_to_the_same_heads(tmp_path, monkeypatch):
    uninterrupted = trained.on_contexts(SMALL, 1, schema.Objective.FRESH)
    saving = train.Saving(tmp_path, 5)
    real = trained.errors
    calls = []

    def stops(*arguments):
        calls.append(1)
        if len(calls) == 9:
            raise KeyboardInterrupt
        return real(*arguments)

    monkeypatch.setattr(trained, "errors", stops)
    with pytest.raises(KeyboardInterrupt):
        trained.on_contexts(SMALL, 1, schema.Objective.FRESH, saving=saving)
    monkeypatch.setattr(trained, "errors", real)
    assert list(tmp_path.glob("heads-*.pt"))
    resumed = trained.on_contexts(SMALL, 1, schema.Objective.FRESH, saving=saving)
    pd.testing.assert_frame_equal(resumed, uninterrupted)


# ---- real tokens


@pytest.fixture(scope="module")
def small_model(tmp_path_factory):
    """A small GPT-NeoX, saved as users save models."""
    from rote.data.images import torchvision

    torchvision()
    from transformers import GPTNeoXConfig, GPTNeoXForCausalLM

    torch.manual_seed(0)
    config = GPTNeoXConfig(
        vocab_size=300,
        hidden_size=64,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=64,
    )
    folder = tmp_path_factory.mktemp("neox")
    GPTNeoXForCausalLM(config).save_pretrained(folder)
    return folder


def test_embeddings_of_a_saved_model_are_tokens(small_model):
    rows = pretrained.token_embeddings(str(small_model))
    assert rows.shape == (300, 64)
    options = settings.AttentionEmbeddings(
        source="model", model=str(small_model), tokens=128, replicates=2, functions=["tanh"]
    )
    frame = embeddings.sweep(options, 1)
    tables.check(frame, schema.EmbeddingsTable)
    assert set(frame["labels"]) == {"random"}
    # independent initial weights are isotropic tokens, up to their finite number
    assert (frame["error"] - frame["isotropic"]).abs().max() < 0.06


def test_embeddings_say_what_to_give_where_a_model_is_absent(tmp_path):
    with pytest.raises(
        InputError, match=r"nowhere/at/all.*give a folder that save_pretrained wrote"
    ):
        pretrained.token_embeddings("nowhere/at/all", offline=True)
    with pytest.raises(InputError, match=r"has no config\.json"):
        pretrained.token_embeddings(str(tmp_path))
    with pytest.raises(ValueError, match="must name a Hugging Face id"):
        settings.AttentionEmbeddings(source="model")
    with pytest.raises(InputError, match="asks for 5000 tokens, digits has 1797"):
        embeddings.sweep(settings.AttentionEmbeddings(tokens=5000), 1)


def test_crossings_are_interpolated():
    gamma = np.geomspace(0.01, 100, 9)
    np.testing.assert_allclose(theory_claims.crossings(gamma, np.log(gamma / 3)), [3.0], rtol=1e-9)
    assert len(theory_claims.crossings(gamma, gamma)) == 0


def test_experiment_rows_draw_from_streams_of_their_own():
    rows = experiments.rows(settings.AttentionSimulation())
    keys = [(row.figure, row.panel, row.series, str((row.x, row.n))) for row in rows]
    assert len(set(keys)) == len(keys)


def test_strong_experiment_gives_no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        beyond._strong(settings.AttentionSimulation(tokens=64, replicates=2), 1)
