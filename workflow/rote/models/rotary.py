"""GPT-NeoX and LLaMA decoders, many stacked into one program, with transformers' parameter names.

A trained model is therefore a folder that transformers loads (`save`), and its logits are the same
there.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from rote.core.registry import registered
from rote.models import attention
from rote.models.norms import layer_norm
from rote.models.products import bmm
from rote.models.stack import LanguageStack, Parameters, Transformer, stacked

_THETA = 10_000.0  # base of the rotation's frequencies
Shapes = dict[str, tuple[int, ...]]  # of one model's parameters, by name


class _Layout(NamedTuple):
    """How the rows of x (models, batch · length, width) are read."""

    models: int
    batch: int
    length: int
    heads: int


class _Family(NamedTuple):
    """One architecture, in the names of transformers."""

    embedding: str
    layers: str  # prefix of the layers' parameters
    final_norm: tuple[str, ...]
    head: str
    rotated: float  # share of each attention head
    layer_shapes: Callable[[int], Shapes]  # width -> shapes, names without the prefix
    body: Callable[[Parameters, Tensor, attention.Rotation, _Layout, int], Tensor]
    config: Callable[[int, int], dict[str, Any]]  # (width, heads) -> entries of config.json


def build(
    transformer: Transformer, rngs: Sequence[np.random.Generator], device: str = "cpu"
) -> LanguageStack:
    """One model per generator, stacked: weights N(0, 0.02²), biases 0, norms 1.

    Args:
        transformer: gpt_neox (a quarter of each head rotated, parallel residual, biases, hidden
            layer 4 × width) or llama (whole heads rotated, RMS norm, SwiGLU with a hidden layer of
            8/3 × width); both untied, and neither needs the length.
        rngs: generators of the models' initial weights.
        device: where the parameters lie.
    """
    _, vocabulary, _, width, layers, heads = transformer
    family = registered(FAMILIES, transformer.architecture, "architecture")
    parameters = {}
    for name, shape in _shapes(family, vocabulary, width, layers).items():
        if len(shape) == 2:
            value = np.stack([rng.normal(scale=0.02, size=shape) for rng in rngs])
        else:
            value = np.full((len(rngs), *shape), 0.0 if name.endswith("bias") else 1.0)
        parameters[name] = torch.tensor(value, dtype=torch.float32, device=device)
    rotated = int(width // heads * family.rotated)

    def features(p: Parameters, tokens: Tensor, first: int = 0) -> Tensor:
        models, batch, T = tokens.shape
        shift = torch.arange(models, device=tokens.device).view(-1, 1, 1) * vocabulary
        table = p[family.embedding].reshape(models * vocabulary, width)
        x = F.embedding(tokens + shift, table).view(models, batch * T, width)
        rotation = _rotation(T, rotated, tokens.device)
        x = family.body(p, x, rotation, _Layout(models, batch, T, heads), layers)
        return x.view(models, batch, T, width)[:, :, first:]

    return stacked(parameters, features, lambda p: p[family.head])


def _shapes(family: _Family, vocabulary: int, width: int, layers: int) -> Shapes:
    shapes: Shapes = {family.embedding: (vocabulary, width)}
    for layer in range(layers):
        for name, shape in family.layer_shapes(width).items():
            shapes[f"{family.layers}.{layer}.{name}"] = shape
    for name in family.final_norm:
        shapes[name] = (width,)
    shapes[family.head] = (vocabulary, width)
    return shapes


def _rotation(T: int, rotated: int, device: torch.device) -> attention.Rotation:
    frequencies = _THETA ** (
        -torch.arange(0, rotated, 2, device=device, dtype=torch.float32) / max(rotated, 1)
    )
    angles = torch.arange(T, device=device, dtype=torch.float32)[:, None] * frequencies
    angles = torch.cat([angles, angles], -1)
    return angles.cos(), angles.sin()


# ---- GPT-NeoX


def _neox_layer(width: int) -> Shapes:
    shapes: Shapes = {}
    for norm in ("input_layernorm", "post_attention_layernorm"):
        shapes |= {f"{norm}.weight": (width,), f"{norm}.bias": (width,)}
    linears = {
        "attention.query_key_value": (3 * width, width),
        "attention.dense": (width, width),
        "mlp.dense_h_to_4h": (4 * width, width),
        "mlp.dense_4h_to_h": (width, 4 * width),
    }
    for linear, shape in linears.items():
        shapes |= {f"{linear}.weight": shape, f"{linear}.bias": shape[:1]}
    return shapes


def _neox(
    p: Parameters, x: Tensor, rotation: attention.Rotation, layout: _Layout, layers: int
) -> Tensor:
    models, batch, T, heads = layout

    def linear(h: Tensor, name: str) -> Tensor:
        return bmm(h, p[f"{name}.weight"].mT, p[f"{name}.bias"][:, None])

    def norm(h: Tensor, name: str) -> Tensor:
        return torch.addcmul(
            p[f"{name}.bias"][:, None], layer_norm(h), p[f"{name}.weight"][:, None]
        )

    for layer in range(layers):
        name = f"gpt_neox.layers.{layer}."
        h = linear(norm(x, f"{name}input_layernorm"), f"{name}attention.query_key_value")
        q, k, v = h.view(models * batch, T, heads, 3, -1).unbind(3)
        a = linear(attention.causal(q, k, v, rotation).reshape(x.shape), f"{name}attention.dense")
        h = linear(norm(x, f"{name}post_attention_layernorm"), f"{name}mlp.dense_h_to_4h")
        x = x + a + linear(F.gelu(h), f"{name}mlp.dense_4h_to_h")
    return norm(x, "gpt_neox.final_layer_norm")


def _neox_config(width: int, heads: int) -> dict[str, Any]:
    return {
        "architectures": ["GPTNeoXForCausalLM"],
        "intermediate_size": 4 * width,
        "hidden_act": "gelu",
        "use_parallel_residual": True,
        "rotary_pct": FAMILIES["gpt_neox"].rotated,
        "layer_norm_eps": 1e-5,
    }


# ---- LLaMA


def _hidden(width: int) -> int:
    """8/3 × width, rounded up to a multiple of 8."""
    return -(-8 * width // 3 // 8) * 8


def _llama_layer(width: int) -> Shapes:
    hidden = _hidden(width)
    shapes: Shapes = {f"self_attn.{part}_proj.weight": (width, width) for part in "qkvo"}
    shapes |= {f"mlp.{part}_proj.weight": (hidden, width) for part in ("gate", "up")}
    shapes["mlp.down_proj.weight"] = (width, hidden)
    for norm in ("input_layernorm", "post_attention_layernorm"):
        shapes[f"{norm}.weight"] = (width,)
    return shapes


def _llama(
    p: Parameters, x: Tensor, rotation: attention.Rotation, layout: _Layout, layers: int
) -> Tensor:
    models, batch, T, heads = layout

    def linear(h: Tensor, name: str) -> Tensor:
        return bmm(h, p[f"{name}.weight"].mT)

    def norm(h: Tensor, name: str) -> Tensor:
        return F.rms_norm(h, h.shape[-1:], eps=1e-6) * p[f"{name}.weight"][:, None]

    for layer in range(layers):
        name = f"model.layers.{layer}."
        h = norm(x, f"{name}input_layernorm")
        q, k, v = (
            linear(h, f"{name}self_attn.{part}_proj").view(models * batch, T, heads, -1)
            for part in "qkv"
        )
        a = attention.causal(q, k, v, rotation).reshape(x.shape)
        x = x + linear(a, f"{name}self_attn.o_proj")
        h = norm(x, f"{name}post_attention_layernorm")
        gated = F.silu(linear(h, f"{name}mlp.gate_proj")) * linear(h, f"{name}mlp.up_proj")
        x = x + linear(gated, f"{name}mlp.down_proj")
    return norm(x, "model.norm")


def _llama_config(width: int, heads: int) -> dict[str, Any]:
    return {
        "architectures": ["LlamaForCausalLM"],
        "intermediate_size": _hidden(width),
        "hidden_act": "silu",
        "num_key_value_heads": heads,
        "rms_norm_eps": 1e-6,
    }


FAMILIES = {
    "gpt_neox": _Family(
        embedding="gpt_neox.embed_in.weight",
        layers="gpt_neox.layers",
        final_norm=("gpt_neox.final_layer_norm.weight", "gpt_neox.final_layer_norm.bias"),
        head="embed_out.weight",
        rotated=0.25,
        layer_shapes=_neox_layer,
        body=_neox,
        config=_neox_config,
    ),
    "llama": _Family(
        embedding="model.embed_tokens.weight",
        layers="model.layers",
        final_norm=("model.norm.weight",),
        head="lm_head.weight",
        rotated=1.0,
        layer_shapes=_llama_layer,
        body=_llama,
        config=_llama_config,
    ),
}


# ---- files


def save(
    folder: Path,
    architecture: str,
    parameters: Parameters,
    heads: int,
    *,
    length: int,
    tokenizer: Any = None,
) -> None:
    """Write one model as a folder that transformers loads.

    Args:
        folder: made if it does not exist.
        architecture: gpt_neox or llama.
        parameters: of one model, without the leading axis.
        heads: of its attention.
        length: longest input, for its config.
        tokenizer: of the `tokenizers` library, whose token 0 separates documents.
    """
    from safetensors.torch import save_file

    family = registered(FAMILIES, architecture, "architecture")
    vocabulary, width = parameters[family.embedding].shape
    layers = 1 + max(int(name.split(".")[2]) for name in parameters if ".layers." in name)
    config = {
        "model_type": architecture,
        "vocab_size": vocabulary,
        "hidden_size": width,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "max_position_embeddings": length,
        "bos_token_id": 0,
        "eos_token_id": 0,
        "pad_token_id": 0,
        "tie_word_embeddings": False,
        "torch_dtype": "float32",
        **family.config(width, heads),
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n", "utf-8")
    weights = {name: value.detach().cpu().contiguous() for name, value in parameters.items()}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    if tokenizer is not None:
        tokenizer.save(str(folder / "tokenizer.json"))
        separator = tokenizer.id_to_token(0)
        options = {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "eos_token": separator,
            "bos_token": separator,
            "pad_token": separator,
        }
        (folder / "tokenizer_config.json").write_text(json.dumps(options, indent=1) + "\n", "utf-8")
