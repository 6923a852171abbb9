"""Models as folders: their own heads, precision, limits, tokenizers, damage."""

import json
import os
import pickle
import shutil
import struct
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from conftest import examples_of
from rote import ngrams, train
from rote.core.errors import InputError
from rote.data.images import torchvision
from rote.models import pretrained
from rote.papers.distmem import scoring
from rote.readers import weights

SIZES = {
    "vocab_size": 50,
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "max_position_embeddings": 32,
    "bos_token_id": None,
    "eos_token_id": None,
    "pad_token_id": None,
}
HEADS = {
    "Llama": {},
    "Mistral": {},
    "Qwen2": {"tie_word_embeddings": True},
    "GPTNeoX": {"use_parallel_residual": False},
    "Phi": {},
    "GPTJ": {"n_embd": 16, "n_layer": 1, "n_head": 2, "rotary_dim": 4},
    "Granite": {"logits_scaling": 8.0, "embedding_multiplier": 3.0, "residual_multiplier": 0.5},
    "Cohere": {"logit_scale": 0.0625},
    "Gemma2": {"final_logit_softcapping": 0.5, "head_dim": 8},
}


REFUSED = {"Gemma2": "soft cap", "Phi": "its head has a bias", "GPTJ": "its head has a bias"}


def saved(folder, kind, dtype=torch.float32, head="CausalLM", **options):
    torchvision()
    import transformers

    torch.manual_seed(0)
    config = getattr(transformers, f"{kind}Config")(**SIZES | options)
    model = getattr(transformers, f"{kind}For{head}")(config)
    with torch.no_grad():
        for value in model.parameters():
            value.normal_(0, 0.5)
    model.to(dtype).save_pretrained(folder)
    return model


@pytest.mark.parametrize("kind", HEADS)
def test_a_stack_gives_the_models_own_logits_or_refuses(tmp_path, kind):
    model = saved(tmp_path, kind, **HEADS[kind]).eval()
    tokens = torch.arange(20).reshape(1, 2, 10)
    if kind in REFUSED:
        with pytest.raises(InputError, match=REFUSED[kind]):
            pretrained.stack(str(tmp_path), 1)
        return
    stack = pretrained.stack(str(tmp_path), 1)
    with torch.no_grad():
        expected = model(tokens[0]).logits.log_softmax(-1)
        measured = stack.forward(stack.parameters, tokens)[0].log_softmax(-1)
    torch.testing.assert_close(measured, expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize("scale", [1e-3, 1.0])
def test_a_soft_cap_is_refused_however_small_the_logits(tmp_path, scale):
    """Near zero a cap changes nothing; training leads away from there."""
    model = saved(tmp_path, "Gemma2", final_logit_softcapping=30.0, head_dim=8)
    with torch.no_grad():
        for value in model.parameters():
            value.mul_(scale)
    model.save_pretrained(tmp_path)
    with pytest.raises(InputError, match="soft cap"):
        pretrained.stack(str(tmp_path), 1)


@pytest.mark.parametrize("kind", ["Bert", "Electra"])
def test_encoders_are_no_causal_models(tmp_path, kind):
    saved(tmp_path, kind, head="MaskedLM")
    with pytest.raises(InputError, match="is not causal: what it says of a token depends on later"):
        pretrained.causal(str(tmp_path))
    assert pretrained.encoder(str(tmp_path)) is not None


def test_models_from_text_to_text_are_refused(tmp_path):
    import transformers

    sizes = {"vocab_size": 50, "d_model": 16, "d_ff": 32, "num_layers": 1, "num_heads": 2}
    config = transformers.T5Config(d_kv=8, **sizes)
    transformers.T5ForConditionalGeneration(config).save_pretrained(tmp_path)
    with pytest.raises(InputError, match="cannot be loaded: Unrecognized configuration"):
        pretrained.causal(str(tmp_path))


def test_what_is_trained_has_master_weights_of_32_bits(tmp_path):
    saved(tmp_path, "Llama", torch.bfloat16)
    stack = pretrained.stack(str(tmp_path), 2)
    assert {value.dtype for value in stack.parameters.values()} == {torch.float32}
    before = {name: value.clone() for name, value in stack.parameters.items()}
    tokens = torch.arange(20).reshape(1, 2, 10).repeat(2, 1, 1)

    def loss(p, step):
        logits = stack.forward(p, tokens)[:, :, :-1]
        return -logits.log_softmax(-1).gather(-1, tokens[:, :, 1:, None]).mean((1, 2, 3))

    optimizer = train.AdamW(steps=3, learning_rate=1e-5)
    after = train.fit(stack.parameters, loss, optimizer, label="three steps")
    moved = [(after[name] != value).float().mean() for name, value in before.items()]
    assert min(moved[1:]) > 0.9  # of the embeddings only the tokens that occur


def test_weights_without_a_tokenizer_are_refused(tmp_path):
    saved(tmp_path, "Llama")
    with pytest.raises(InputError, match="tokenizer"):
        pretrained.tokenizer(str(tmp_path))
    (tmp_path / "a.txt").write_text("red kite")
    analyser = ngrams.Analyser("token", tokenizer=str(tmp_path))
    with pytest.raises(InputError, match="tokenizer"):
        ngrams.tokenize(tmp_path / "a.txt", tmp_path / "out", analyser)


def test_models_that_lack_weights_are_refused(tmp_path):
    from safetensors.torch import load_file, save_file

    saved(tmp_path, "Llama")
    stored = load_file(tmp_path / "model.safetensors")
    stored.pop("model.layers.0.mlp.up_proj.weight")
    save_file(stored, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(InputError, match=r"no weights for 1 of its parameters.*up_proj"):
        pretrained.causal(str(tmp_path))


POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "tokenizer.json"])
@pytest.mark.parametrize("content", [POINTER, b"", b"{", b"\0" * 200])
def test_damaged_folders_end_in_one_line(small_lm, tmp_path, name, content):
    folder = tmp_path / "model"
    shutil.copytree(small_lm, folder)
    (folder / name).write_bytes(content)
    read = pretrained.tokenizer if name == "tokenizer.json" else pretrained.causal
    expected = "pointer of Git LFS" if content == POINTER else "cannot be loaded"
    with pytest.raises(InputError, match=expected) as raised:
        read(str(folder))
    assert "\n" not in str(raised.value)


def absolute(folder, small_lm, length=12):
    """A model with learned places of few tokens, which has none for what is longer."""
    import transformers

    tokenizer = pretrained.tokenizer(str(small_lm))
    config = transformers.GPT2Config(
        vocab_size=len(tokenizer), n_positions=length, n_embd=16, n_layer=1, n_head=2
    )
    torch.manual_seed(0)
    transformers.GPT2LMHeadModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


def test_prompts_longer_than_the_context_are_cut_and_outputs_refused(small_lm, tmp_path):
    model = scoring.load(absolute(tmp_path, small_lm), "cpu")
    prompt = "the red kite is a bird of prey " * 4
    scores = scoring.score(
        model, examples_of((prompt, "kite"), ("a", "red kite")), generated_tasks=["t"]
    )
    assert scores["truncated"].gt(0).tolist() == [True, False]
    assert np.isfinite(np.concatenate(scores["logprobs"].tolist())).all()
    with pytest.raises(InputError, match="does not fit into the model's context of 12"):
        scoring.score(model, examples_of(("a", prompt)))


def test_longer_texts_than_a_stack_reads_are_refused(small_lm, tmp_path):
    stack = pretrained.stack(absolute(tmp_path, small_lm), 1)
    with pytest.raises(InputError, match="reads 12 tokens at most, given 13"):
        stack.features(stack.parameters, torch.zeros(1, 1, 13, dtype=torch.long))


def test_the_context_is_read_whatever_its_name_in_the_config(tmp_path):
    sizes = {"d_model": 16, "n_heads": 2, "n_layers": 1, "max_seq_len": 12}
    sizes["max_position_embeddings"] = None
    folder = tmp_path / "Mpt"
    model = saved(folder, "Mpt", **sizes)
    assert pretrained.context(model) == 12
    stack = pretrained.stack(str(folder), 1)
    with pytest.raises(InputError, match="reads 12 tokens at most, given 13"):
        stack.features(stack.parameters, torch.zeros(1, 1, 13, dtype=torch.long))


def test_names_of_special_tokens_in_a_text_are_text(small_lm, tmp_path, caplog):
    (tmp_path / "a.jsonl").write_text(json.dumps({"text": "red<end>kite"}) + "\n")
    analyser = ngrams.Analyser("token", tokenizer=str(small_lm))
    corpus = ngrams.tokenize(tmp_path / "a.jsonl", tmp_path / "c", analyser)
    tokenizer = pretrained.tokenizer(str(small_lm))
    ids = corpus.document(0).tolist()
    assert tokenizer.eos_token_id not in ids
    assert tokenizer.decode(ids) == "red<end>kite"
    assert caplog.text.count("'<end>', the name of a special token") == 1


def test_half_of_a_surrogate_pair_reaches_no_tokenizer(small_lm, tmp_path):
    (tmp_path / "a.jsonl").write_text('{"text": "red \\ud800 kite"}\n')
    analyser = ngrams.Analyser("token", tokenizer=str(small_lm))
    assert ngrams.tokenize(tmp_path / "a.jsonl", tmp_path / "c", analyser).tokens > 2


def test_pairs_of_a_tokenizers_corpus_count_with_and_without_a_space(small_lm, tmp_path):
    (tmp_path / "a.txt").write_text("Bern is a bird of prey\nkite: Bern")
    analyser = ngrams.Analyser("token", tokenizer=str(small_lm))
    corpus = ngrams.tokenize(tmp_path / "a.txt", tmp_path / "c", analyser)
    counts = ngrams.count(corpus, ["Bern", " Bern", "bird of", "prey"]).tolist()
    assert counts == [2, 2, 1, 1]


@pytest.mark.parametrize("content", [POINTER, b"", b"x" * 99])
def test_checkpoints_that_are_damaged_begin_anew(tmp_path, content, caplog):
    path = tmp_path / "c.pt"
    path.write_bytes(content)
    assert not weights.resume(path, dict)
    assert "starting from step 0" in caplog.text


def test_checkpoints_of_another_network_begin_anew(tmp_path, caplog):
    torch.save({"a": 1}, tmp_path / "c.pt")
    assert not weights.resume(tmp_path / "c.pt", lambda saved: saved["state"])
    assert "starting from step 0" in caplog.text


@pytest.mark.parametrize("name", ["state_dict", "model_state_dict", "model"])
def test_weights_are_taken_from_what_trainers_save(tmp_path, name):
    state = {"a": torch.ones(2)}
    torch.save({name: state, "epoch": 3}, tmp_path / "w.PTH")
    assert weights.read(tmp_path / "w.PTH").keys() == {"a"}


class Code:
    """What runs a command where it is unpickled."""

    def __reduce__(self):
        return (os.system, ("touch code-ran",))


NO_WEIGHTS = {
    "a number": {"epoch": 3},
    "nothing": {},
    "numbers as names": {1: torch.ones(1)},
    "a module": torch.nn.Linear(2, 2),
    "arrays": {"a": np.ones(2)},
    "code": {"a": Code()},
}


@pytest.mark.parametrize("case", NO_WEIGHTS)
def test_what_holds_no_weights_is_named_and_never_run(tmp_path, monkeypatch, case):
    monkeypatch.chdir(tmp_path)
    torch.save(NO_WEIGHTS[case], "n.pth")
    with pytest.raises(
        InputError, match=r"n\.pth holds no weights.*save a state dict there"
    ) as raised:
        weights.read(Path("n.pth"))
    assert "weights_only" not in str(raised.value)
    assert not Path("code-ran").exists()


LENGTHS = (0, 1, 9, 10**8, 2**63, 2**64 - 1)


@pytest.mark.parametrize("length", LENGTHS)
def test_headers_of_another_length_are_damage(tmp_path, length):
    path = tmp_path / "a.safetensors"
    safetensors.torch.save_file({"a": torch.ones(9)}, path)
    path.write_bytes(struct.pack("<Q", length) + path.read_bytes()[8:])
    with pytest.raises(InputError, match=r"a\.safetensors holds no weights"):
        weights.read(path)


@pytest.mark.parametrize(
    "content", [b"<!DOCTYPE html>", b"GGUF" + bytes(50), pickle.dumps({"a": 1})]
)
def test_other_files_than_torchs_are_named(tmp_path, content):
    (tmp_path / "a.pth").write_bytes(content)
    with pytest.raises(InputError, match=r"a\.pth holds no weights: it is no file of torch.save"):
        weights.read(tmp_path / "a.pth")
