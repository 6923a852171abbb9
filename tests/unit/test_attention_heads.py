"""Heads on their activations: the theory of given tokens, and what is read of a model."""

from pathlib import Path

import numpy as np
import pytest
from rote.core.errors import InputError
from rote.models import heads as readings
from rote.models import pretrained
from rote.papers.attention import folder_heads, language_model, real_heads, settings, simulation
from rote.papers.attention.folder_heads import FolderHeads
from rote.theory import attention
from rote.theory.attention import variants
from typer.testing import CliRunner

SIZES = settings.AttentionHeads(**settings.AttentionHeads.SCALES["smoke"])


def given(p, n, seed=0):
    """Tokens, the linear part of a random dense head of tanh, and the variance of the rest."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(p, n))
    scores = X.T @ (rng.normal(size=(p, p)) / np.sqrt(p)) @ X / np.sqrt(p)
    moment = attention.moments("tanh")
    return X, moment.a1 * scores / np.sqrt(p), moment.noise / p


@pytest.mark.parametrize(("p", "n"), [(100, 250), (250, 100)])
def test_equivalent_is_that_of_random_heads(p, n):
    gamma = np.array([0.01, 0.1, 1.0, 10.0])
    errors = attention.given_error(gamma, *given(p, n))
    np.testing.assert_allclose(errors, variants.dense_error(gamma, p / n, "tanh").error, atol=0.01)


@pytest.mark.parametrize("labels", [False, True])
@pytest.mark.parametrize(("p", "n"), [(60, 150), (150, 60), (80, 80)])
def test_equivalent_predicts_drawn_noise_of_every_query(p, n, labels):
    X, linear, noise = given(p, n)
    rng = np.random.default_rng(1)
    variances = noise * rng.uniform(0, 4, n)
    y = np.where(X[0] > 0, 1.0, -1.0) if labels else np.zeros(n)
    gamma = np.array([0.01, 0.1, 1.0, 10.0])
    drawn = []
    for _ in range(20):
        K = linear + rng.normal(size=(n, n)) * np.sqrt(variances)
        drawn.append(simulation.probe_errors(X @ K, y, gamma, trace=not labels))
    spread = np.std(drawn, axis=0) / np.sqrt(20)
    errors = attention.given_error(gamma, X, linear, variances, y if labels else None)
    assert (np.abs(np.mean(drawn, axis=0) - errors) < 4 * spread + 2e-3).all()


def test_equivalent_without_noise_is_the_head_itself():
    X, linear, _ = given(50, 90)
    gamma = np.geomspace(1e-6, 1e4, 6)
    y = np.where(X[0] > 0, 1.0, -1.0)
    measured = simulation.probe_errors(X @ linear, y, gamma)
    np.testing.assert_allclose(attention.given_error(gamma, X, linear, 0.0, y), measured, rtol=1e-6)


def test_equivalent_is_solved_at_extremes_and_scales():
    X, linear, noise = given(40, 60)
    gamma = np.geomspace(1e-10, 1e8, 7)
    errors = attention.given_error(gamma, X, linear, noise)
    assert np.isfinite(errors).all()
    assert (np.diff(errors) >= -1e-9).all()
    scaled = attention.given_error(9 * gamma, 3 * X, linear, noise)
    np.testing.assert_allclose(scaled, errors, rtol=1e-6)
    assert np.isfinite(attention.given_error(gamma, X, linear, 1e4)).all()


def test_equivalent_refuses_other_shapes():
    X, linear, noise = given(10, 20)
    for changed, words in (
        ({"X": X[0]}, "X must be a matrix"),
        ({"linear": linear[:5]}, r"linear must have shape \(20, 20\)"),
        ({"noise": -1.0}, "noise must be one number ≥ 0"),
        ({"y": np.ones(3)}, r"y must have shape \(20,\)"),
        ({"gamma": 0.0}, "gamma must be finite and > 0"),
    ):
        arguments = {"gamma": 1.0, "X": X, "linear": linear, "noise": noise} | changed
        with pytest.raises(InputError, match=words):
            attention.given_error(**arguments)


def small_model(folder: Path, architecture: str):
    """A random GPT-2, GPT-NeoX or LLaMA of transformers."""
    pretrained.torchvision()
    import torch
    import transformers

    torch.manual_seed(0)
    sizes = {"vocab_size": 40, "bos_token_id": 0, "eos_token_id": 0}
    sizes |= {"num_attention_heads": 4, "hidden_size": 32, "num_hidden_layers": 2}
    config = transformers.AutoConfig.for_model(
        architecture, **sizes, max_position_embeddings=16, attn_implementation="eager"
    )
    if architecture == "gpt_neox":
        config.intermediate_size = 64
    model = transformers.AutoModelForCausalLM.from_config(config).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    model.save_pretrained(folder)
    return model


@pytest.mark.parametrize("architecture", ["gpt2", "gpt_neox", "llama"])
def test_readings_are_the_weights_times_the_inputs(tmp_path, architecture):
    import torch

    body = small_model(tmp_path, architecture)
    windows = np.random.default_rng(0).integers(40, size=(3, 8))
    rows = np.array([20, 1, 9, 5])  # through windows, in no order
    layers = readings.read(body, windows, rows)
    assert [reading.layer for reading in layers] == [0, 1]
    with torch.no_grad():
        hidden = body(torch.tensor(windows), output_hidden_states=True).hidden_states[1]
    x = hidden.reshape(-1, 32)[rows].double()
    state = {name: value.double() for name, value in body.state_dict().items()}
    if architecture == "gpt2":
        names = ("transformer.h.1.ln_1", "transformer.h.1.attn.c_attn")
        x = torch.nn.functional.layer_norm(
            x, (32,), state[f"{names[0]}.weight"], state[f"{names[0]}.bias"]
        )
        made = x @ state[f"{names[1]}.weight"] + state[f"{names[1]}.bias"]
        queries, keys = (part.view(4, 4, 8).permute(1, 2, 0) for part in made.split(32, 1)[:2])
    elif architecture == "gpt_neox":
        names = ("gpt_neox.layers.1.input_layernorm", "gpt_neox.layers.1.attention.query_key_value")
        x = torch.nn.functional.layer_norm(
            x, (32,), state[f"{names[0]}.weight"], state[f"{names[0]}.bias"]
        )
        made = x @ state[f"{names[1]}.weight"].T + state[f"{names[1]}.bias"]
        queries, keys, _ = made.view(4, 4, 3, 8).permute(2, 1, 3, 0)
    else:
        names = ("model.layers.1.input_layernorm", "model.layers.1.self_attn")
        x = torch.nn.functional.rms_norm(x, (32,), state[f"{names[0]}.weight"], 1e-6)
        queries, keys = (
            (x @ state[f"{names[1]}.{part}_proj.weight"].T).view(4, 4, 8).permute(1, 2, 0)
            for part in "qk"
        )
    np.testing.assert_allclose(layers[1].inputs, x.T, atol=1e-4)
    np.testing.assert_allclose(layers[1].queries, queries, atol=1e-3)
    np.testing.assert_allclose(layers[1].keys, keys, atol=1e-3)


def test_readings_refuse_long_windows_and_other_architectures(tmp_path):
    body = small_model(tmp_path, "gpt2")
    with pytest.raises(InputError, match="use at most 16"):
        readings.read(body, np.zeros((1, 17), int), np.array([0]))
    body.config.model_type = "bert"
    with pytest.raises(InputError, match="must be one of gpt2, gpt_neox, llama, given 'bert'"):
        readings.read(body, np.zeros((1, 4), int), np.array([0]))


def test_a_context_has_distinct_words_and_no_first_position():
    windows = np.random.default_rng(0).integers(30, size=(20, 10))
    rows = real_heads.choose(windows, 25, np.random.default_rng(1))
    assert len(set(windows.ravel()[rows])) == 25
    assert (rows % 10 > 0).all()
    with pytest.raises(InputError, match="use fewer tokens or a longer text"):
        real_heads.choose(windows, 31, np.random.default_rng(1))


def test_decomposition_of_polynomials_leaves_nothing():
    scores = np.random.default_rng(0).normal(size=(40, 40))
    kernel = (scores**2 - 3 * scores + 1) * (1 - np.eye(40))
    head = real_heads.HeadKernel(scores, kernel)
    assert real_heads.decompose(head, 2).noise.max() < 1e-20
    linear = real_heads.decompose(head, 1)
    column = np.delete(np.arange(40), 3)
    fit = np.polyval(np.polyfit(scores[column, 3], kernel[column, 3], 1), scores[column, 3])
    np.testing.assert_allclose(linear.mean[column, 3], fit)
    rest = ((kernel[column, 3] - fit) ** 2).mean()
    assert linear.noise[3] == pytest.approx(rest)


def test_random_heads_of_many_dimensions_are_as_predicted():
    rng = np.random.default_rng(0)
    inputs, d, n = rng.normal(size=(100, 200)), 100, 200
    weights = rng.normal(size=(2, 1, d, 100)) / 10
    reading = readings.HeadReadings(0, inputs, weights[0] @ inputs, weights[1] @ inputs)
    grid = real_heads.HeadGrid(np.array([0.01, 0.1, 1.0]), {"tanh": "tanh"}, [1], n)
    frame = real_heads.measure([reading], grid, rng)
    np.testing.assert_allclose(frame["error"], frame["theory"], atol=0.01)
    np.testing.assert_allclose(frame["noise"], frame["theory"], atol=0.01)


def test_command_reads_a_folder(tmp_path):
    from rote.models import rotary
    from rote.papers.attention.cli import app
    from tokenizers import Tokenizer, models, pre_tokenizers

    text = language_model.corpus(SIZES, 1)
    weights = language_model.trained(SIZES, 1, text, language_model.train.Saving())
    vocabulary = {f"w{number}": number for number in range(text.words)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="w0"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    first = {name: value[0] for name, value in weights.items()}
    rotary.save(tmp_path / "model", "gpt_neox", first, SIZES.heads, length=16, tokenizer=tokenizer)
    words = " ".join(f"w{number}" for number in text.windows.ravel())
    (tmp_path / "text.txt").write_text(words)
    arguments = [str(tmp_path / "model"), "--text", str(tmp_path / "text.txt"), "--n", "24"]
    arguments += ["--out", str(tmp_path / "heads.csv"), "--figure", str(tmp_path / "heads.png")]
    done = CliRunner().invoke(app, ["heads", *arguments])
    assert done.exit_code == 0, done.output
    assert "|E - theory|" in done.output
    assert (tmp_path / "heads.png").stat().st_size > 10_000
    assert len((tmp_path / "heads.csv").read_text().splitlines()) == 1 + 2 * 2 * 2 * 2 * 3


def test_options_of_the_command_are_checked():
    for changed, words in (
        ({"gamma": "0,1"}, "--gamma must be > 0"),
        ({"order": "1,2.5"}, "--order must be of 1 ... 9"),
        ({"tokens": 4}, "--n must be at least the order"),
        ({"functions": "sinus"}, "f must be one of"),
    ):
        with pytest.raises(InputError, match=words):
            FolderHeads("model", "text", **changed).grid()
    assert folder_heads.FolderHeads("model", "text").grid().orders == [1, 3]
