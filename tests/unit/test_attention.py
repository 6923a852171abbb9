"""Nonlinear attention at finite size: kernels by brute force, solvers, cautions, trained heads,
real tokens.
"""

import tracemalloc
import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from rote.core import tables
from rote.core.errors import InputError
from rote.core.seeds import generator
from rote.models import pretrained
from rote.papers import attention as paper
from rote.papers.attention import (
    arms,
    beyond,
    curves,
    embeddings,
    experiments,
    schema,
    settings,
    simulation,
    statistics,
    trained,
)
from rote.synth import tokens
from rote.theory import attention

U, V, T = np.eye(3)
GAMMA = np.geomspace(1e-4, 10, 9)


def context(n=40, p=60, seed=0, **options):
    return tokens.draw(n, p, generator(seed, "test attention"), **options)


def dense_kernel(X, f, key, query):
    """K by its definition."""
    p = len(X)
    t = X.T @ (np.eye(p) + np.outer(key, query)) @ X / np.sqrt(p)
    np.fill_diagonal(t, 0)
    K = (f(t) - attention.moments(f).a0) / np.sqrt(p)
    np.fill_diagonal(K, 0)
    return K


def test_contexts_are_what_they_say():
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
    ("call", "wanted"),
    [
        (lambda: context(n=1), "n and p must be at least 2"),
        (lambda: context(balance=2.0), r"balance must be in \[-1, 1\]"),
        (lambda: context(mu=np.ones(61)), "mu must be a vector of at most p = 60"),
        (lambda: context(mu=[np.nan]), "mu must be a vector"),
        (lambda: tokens.student(2.0), "degrees must be > 2"),
        (
            lambda: paper.simulate([0.0], 64, 64, "tanh", generator(0, "x")),
            "gamma must be finite and > 0",
        ),
        (
            lambda: paper.simulate([1.0], 64, 64, "exp_c", generator(0, "x"), diag="keep"),
            "at most linearly",
        ),
        (
            lambda: paper.simulate([1.0], 64, 64, "tanh", generator(0, "x"), mu=[1.0], trace=True),
            "needs mu = 0",
        ),
        (
            lambda: paper.simulate([1.0], 64, 64, "tanh", generator(0, "x"), w_key=np.ones(65)),
            "w_key must be a vector",
        ),
    ],
)
def test_bad_contexts_are_refused(call, wanted):
    with pytest.raises(InputError, match=wanted):
        call()


@pytest.mark.parametrize("f", attention.ACTIVATIONS)
def test_features_are_those_of_the_whole_kernel(f, monkeypatch):
    monkeypatch.setattr(simulation, "BLOCK", 16)  # three blocks, the last one short
    drawn, (key, query) = context(mu=U), (V + 0.3, U - 0.1)
    key, query = (simulation.padded("w", w, 60) for w in (key, query))
    A, largest = simulation.features(drawn.X, simulation.entrywise(f, 60), key, query)
    wanted = drawn.X @ dense_kernel(drawn.X, attention.ACTIVATIONS[f], key, query)
    np.testing.assert_allclose(A, wanted, atol=1e-10 * max(1, np.abs(wanted).max()))
    t = drawn.X.T @ (np.eye(60) + np.outer(key, query)) @ drawn.X / np.sqrt(60)
    np.fill_diagonal(t, 0)
    assert largest == pytest.approx(np.abs(t).max())


def test_key_and_query_are_not_exchanged():
    """Rows of K are keys: its transpose swaps the two weights."""
    drawn = context(mu=2 * U)
    u, v = (simulation.padded("w", w, 60) for w in (U, V))
    kernel = dense_kernel(drawn.X, attention.ACTIVATIONS["tanh"], u, v)
    np.testing.assert_allclose(
        kernel.T, dense_kernel(drawn.X, attention.ACTIVATIONS["tanh"], v, u), atol=1e-12
    )
    A, _ = simulation.features(drawn.X, simulation.entrywise("tanh", 60), u, v)
    np.testing.assert_allclose(A, drawn.X @ kernel, atol=1e-11)


@pytest.mark.parametrize("f", attention.ACTIVATIONS)
@pytest.mark.parametrize("shape", [(40, 60), (60, 40), (50, 50), (49, 50), (20, 300)])
@pytest.mark.parametrize("spike", [(None, None), (V + 0.3, U - 0.1)])
@pytest.mark.parametrize("trace", [False, True])
def test_training_errors_are_those_of_the_features(f, shape, spike, trace):
    """However they are made: for p > n they come from XᵀX alone."""
    n, p = shape
    drawn = context(n, p, mu=None if trace else U)
    vectors = [None if w is None else simulation.padded("w", w, p) for w in spike]
    kernel = simulation.entrywise(f, p)
    found, largest = simulation.training_errors(
        drawn.X, drawn.y, kernel, GAMMA, *vectors, trace=trace
    )
    A, wanted = simulation.features(drawn.X, kernel, *vectors)
    assert largest == pytest.approx(wanted, rel=1e-12)
    for error, M in zip(found, (A, drawn.X), strict=True):
        np.testing.assert_allclose(
            error, simulation.errors(M, drawn.y, GAMMA, trace), rtol=1e-7, atol=1e-13
        )


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


@pytest.mark.parametrize("shape", [(40, 60), (60, 40), (50, 50), (40, 2)])
def test_errors_are_those_of_the_probe_and_of_the_resolvent(shape):
    n, p = shape
    drawn = context(n, p, mu=[1.0])
    for A in (np.asfortranarray(drawn.X), np.ascontiguousarray(drawn.X)):
        found = simulation.errors(A, drawn.y, GAMMA)
        averaged = simulation.errors(A, drawn.y, GAMMA, trace=True)
        for gamma, error, mean in zip(GAMMA, found, averaged, strict=True):
            w = np.linalg.solve(A @ A.T + n * gamma * np.eye(p), A @ drawn.y)
            assert error == pytest.approx(((drawn.y - A.T @ w) ** 2).mean(), rel=1e-8)
            Q = np.linalg.inv(A.T @ A / n + gamma * np.eye(n))
            assert error == pytest.approx(gamma**2 * (Q @ drawn.y) @ (Q @ drawn.y) / n, rel=1e-6)
            assert mean == pytest.approx(gamma**2 * np.trace(Q @ Q) / n, rel=1e-6)


def test_shifted_solves_are_solves():
    rng = np.random.default_rng(0)
    for m in (1, 2, 3, 30):
        B = rng.normal(size=(m, m + 2))
        S, b, shifts = B @ B.T, rng.normal(size=m), np.array([1e-3, 1.0, 50.0])
        wanted = np.stack([np.linalg.solve(S + s * np.eye(m), b) for s in shifts], axis=1)
        np.testing.assert_allclose(
            simulation.shifted_solves(np.tril(S), b, shifts), wanted, rtol=1e-8
        )
        short = simulation.shifted_solves(np.tril(S), b, shifts, rotate_back=False)
        np.testing.assert_allclose(
            np.linalg.norm(short, axis=0), np.linalg.norm(wanted, axis=0), rtol=1e-8
        )


@pytest.mark.parametrize("spike", ["none", "aligned", "key only"])
@pytest.mark.parametrize("f", ["tanh", "sign"])
def test_simulation_meets_theory(f, spike):
    """Twelve fresh contexts: within four standard errors and the finite-size slack."""
    key, query = arms.SPIKES[spike]
    options = {"mu": U, "w_key": key, "w_query": query}
    gamma = np.array([0.1, 1.0])
    found = np.stack(
        [
            paper.simulate(gamma, 256, 512, f, generator(3, f, spike, i), **options).attention
            for i in range(12)
        ]
    )
    theory = attention.memorization_error(gamma, 2.0, f, **options).error
    slack = 4 * found.std(axis=0, ddof=1) / np.sqrt(12) + 1 / 256 + 0.01 * theory
    assert (np.abs(found.mean(axis=0) - theory) < slack).all()


def test_same_stream_same_errors():
    a, b = (paper.simulate([1.0], 64, 96, "tanh", generator(7, "same"), mu=[1.0]) for _ in range(2))
    np.testing.assert_array_equal(a.attention, b.attention)
    np.testing.assert_array_equal(a.ridge, b.ridge)


@pytest.mark.parametrize(
    ("gamma", "n", "p", "options", "wanted"),
    [
        (1e-9, 64, 64, {}, "below 1e-8"),
        (1.0, 20, 64, {}, "both ≥ 50"),
        (1.0, 64, 64, {"mu": [2.0]}, r"μᵀWμ/√p = 0\.50 is above 0\.12"),
        (1.0, 64, 64, {"w_key": [1.0], "w_query": [1.0]}, r"is above √p/10 = 0\.8"),
    ],
)
def test_settings_outside_the_theory_are_warned_of(gamma, n, p, options, wanted):
    with pytest.warns(UserWarning, match=wanted):
        paper.simulate([gamma], n, p, "tanh", generator(0, "warn"), **options)


def test_parallel_tokens_are_warned_of():
    def twins(rng, shape):
        half = rng.normal(size=(shape[0], shape[1] // 2))
        return np.concatenate([half, half], axis=1)

    with pytest.warns(UserWarning, match="parallel tokens"):
        paper.simulate([1.0], 64, 128, "tanh", generator(0, "twins"), noise=twins)


def test_memory_is_a_few_arrays_of_the_tokens():
    """At 512 x 512 an array is 2 MB: the whole point takes less than seven, so 4096 x 4096 takes
    less than 1 GiB.
    """
    drawn = context(512, 512)
    tracemalloc.start()
    A, _ = simulation.features(drawn.X, simulation.entrywise("tanh", 512))
    simulation.errors(A, drawn.y, GAMMA)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 7 * 512 * 512 * 8


def test_finite_size_moments_vanish_in_the_limit():
    assert attention.finite_size("linear", 1024).nu == pytest.approx(1 + 2 / 1024)
    corrected = curves.error(1e-2, 0.5, attention.finite_size("linear", 1024)).error
    assert float(corrected) == pytest.approx(0.5328, abs=1e-4)


# ---- trained heads
# -----------------------------------------------------------------------------------------------


def test_stacked_errors_are_those_of_the_simulation():
    drawn, w = context(24, 48, mu=[2.0]), generator(0, "w").normal(size=(2, 48))
    X, y = torch.tensor(drawn.X)[None, None], torch.tensor(drawn.y)[None, None]
    found = trained.errors(X, y, torch.tensor([0.5], dtype=torch.float64), torch.tensor(w)[None])
    unit = w / np.linalg.norm(w, axis=1, keepdims=True)
    A, _ = simulation.features(drawn.X, simulation.entrywise("tanh", 48), *unit)
    assert float(found) == pytest.approx(
        simulation.errors(A, drawn.y, np.array([0.5]))[0], rel=1e-9
    )
    raw = trained.errors(X, y, torch.tensor([0.5], dtype=torch.float64), None)
    assert float(raw) == pytest.approx(
        simulation.errors(drawn.X, drawn.y, np.array([0.5]))[0], rel=1e-9
    )


SMALL = settings.Trained(tokens=24, p=32, steps=12, contexts=2, held_out=2, replicates=2)


def test_interrupted_training_gives_the_same_heads(tmp_path, monkeypatch):
    whole = trained.on_contexts(SMALL, 1, True, "cpu", None, 500)
    file, real = tmp_path / "heads.pt", trained.errors
    calls = []

    def stops(*arguments):
        calls.append(1)
        if len(calls) == 9:
            raise KeyboardInterrupt
        return real(*arguments)

    monkeypatch.setattr(trained, "errors", stops)
    with pytest.raises(KeyboardInterrupt):
        trained.on_contexts(SMALL, 1, True, "cpu", file, 5)
    monkeypatch.setattr(trained, "errors", real)
    assert file.exists()
    pd.testing.assert_frame_equal(trained.on_contexts(SMALL, 1, True, "cpu", file, 5), whole)


# ---- real tokens
# -------------------------------------------------------------------------------------------------


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
    options = settings.Embeddings(
        source="model", model=str(small_model), tokens=128, replicates=2, functions=["tanh"]
    )
    frame = embeddings.sweep(options, 1)
    tables.check(frame, schema.EmbeddingsTable)
    assert set(frame["labels"]) == {"random"}
    # independent initial weights are isotropic tokens, up to their finite number
    assert (frame["error"] - frame["isotropic"]).abs().max() < 0.06


def test_absent_models_say_what_to_put_where(tmp_path):
    with pytest.raises(
        InputError, match=r"nowhere/at/all.*give a folder that save_pretrained wrote"
    ):
        pretrained.token_embeddings("nowhere/at/all", offline=True)
    with pytest.raises(InputError, match=r"has no config\.json"):
        pretrained.token_embeddings(str(tmp_path))
    with pytest.raises(ValueError, match="must name a Hugging Face id"):
        settings.Embeddings(source="model")
    with pytest.raises(InputError, match="asks for 5000 tokens, digits has 1797"):
        embeddings.sweep(settings.Embeddings(tokens=5000), 1)


# ---- tables and statistics
# ---------------------------------------------------------------------------------------


def test_every_verb_makes_its_table():
    small = settings.Settings(
        **{
            part: getattr(settings.Settings(), part).SCALES["smoke"]
            for part in settings.Settings.model_fields
        }
    )
    made = {
        "curves": curves.curves(small.theory, 1e-5),
        "phase": curves.phase(small.theory),
        "simulations": experiments.contexts(small.simulation, 1),
        "variants": beyond.contexts(small.simulation, 1),
        "spectrum": experiments.spectrum(small.simulation, 1),
        "algebra": experiments.algebra(small.simulation, 1),
        "trained": trained.sweep(small.trained, 1),
        "embeddings": embeddings.sweep(small.embeddings, 1),
    }
    for name, frame in made.items():
        tables.check(frame, schema.TABLES[name])


def test_excess_counts_what_is_beyond_the_slack():
    rows = pd.DataFrame(
        {
            "figure": "signal",
            "panel": "a",
            "series": "f",
            "x": 1.0,
            "gamma": 1.0,
            "n": 1000,
            "error": [0.5, 0.52],
            "theory": 0.4,
            "slack": 0.01,
        }
    )
    (sample,) = statistics._excess(rows).values()
    assert sample.values[0] == pytest.approx(0.11 - 3 * 0.01 - 0.01 - 0.004)
    assert statistics._excess(rows.assign(theory=1e-3)) == {}  # n E < 10: not tested


def test_crossings_are_interpolated():
    gamma = np.geomspace(0.01, 100, 9)
    np.testing.assert_allclose(curves.crossings(gamma, np.log(gamma / 3)), [3.0], rtol=1e-9)
    assert len(curves.crossings(gamma, gamma)) == 0


def test_rows_draw_from_streams_of_their_own():
    rows = experiments.rows(settings.Simulation())
    keys = [(row.figure, row.panel, row.series, str((row.x, row.n))) for row in rows]
    assert len(set(keys)) == len(keys)


def test_warnings_do_not_reach_the_experiments():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        beyond._strong(settings.Simulation(tokens=64, replicates=2), 1)
