"""GPT-NeoX and LLaMA decoders, many stacked into one program, with the parameter names of
transformers.

A trained model is therefore a folder that transformers loads (`save`), and its logits are the same
there.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from rote.models import attention
from rote.models.norms import layer_norm
from rote.models.products import bmm
from rote.models.stack import LanguageStack, Parameters, Transformer, stacked

_PARTIAL = 0.25  # share of a GPT-NeoX head that is rotated
_THETA = 10_000.0


def shapes(
    architecture: str, vocabulary: int, width: int, layers: int
) -> dict[str, tuple[int, ...]]:
    """Shapes of one model's parameters, by transformers' names."""
    if architecture == "gpt_neox":
        found = {"gpt_neox.embed_in.weight": (vocabulary, width)}
        for layer in range(layers):
            name = f"gpt_neox.layers.{layer}."
            for norm in ("input_layernorm", "post_attention_layernorm"):
                found |= {f"{name}{norm}.weight": (width,), f"{name}{norm}.bias": (width,)}
            linears = {
                "attention.query_key_value": (3 * width, width),
                "attention.dense": (width, width),
            }
            linears |= {
                "mlp.dense_h_to_4h": (4 * width, width),
                "mlp.dense_4h_to_h": (width, 4 * width),
            }
            for linear, shape in linears.items():
                found |= {f"{name}{linear}.weight": shape, f"{name}{linear}.bias": shape[:1]}
        found |= {
            "gpt_neox.final_layer_norm.weight": (width,),
            "gpt_neox.final_layer_norm.bias": (width,),
        }
        return found | {"embed_out.weight": (vocabulary, width)}
    hidden, found = _hidden(width), {"model.embed_tokens.weight": (vocabulary, width)}
    for layer in range(layers):
        name = f"model.layers.{layer}."
        found |= {f"{name}self_attn.{part}_proj.weight": (width, width) for part in "qkvo"}
        found |= {f"{name}mlp.{part}_proj.weight": (hidden, width) for part in ("gate", "up")}
        found |= {
            f"{name}mlp.down_proj.weight": (width, hidden),
            f"{name}input_layernorm.weight": (width,),
        }
        found |= {f"{name}post_attention_layernorm.weight": (width,)}
    return found | {"model.norm.weight": (width,), "lm_head.weight": (vocabulary, width)}


def build(
    transformer: Transformer, rngs: Sequence[np.random.Generator], device: str = "cpu"
) -> LanguageStack:
    """One model per generator, stacked: weights N(0, 0.02²), biases 0, norms 1.

    Args:
        architecture: gpt_neox (a quarter of each head rotated, parallel residual, biases, hidden
            layer 4 × width) or llama (whole heads rotated, RMS norm, SwiGLU with a hidden layer of
            8/3 × width); both untied.
    """
    architecture, vocabulary, _, width, layers, heads = transformer
    parameters = {}
    for name, shape in shapes(architecture, vocabulary, width, layers).items():
        if len(shape) == 2:
            value = np.stack([rng.normal(scale=0.02, size=shape) for rng in rngs])
        else:
            value = np.full((len(rngs), *shape), 0.0 if name.endswith("bias") else 1.0)
        parameters[name] = torch.tensor(value, dtype=torch.float32, device=device)
    body = _neox if architecture == "gpt_neox" else _llama
    rotated = width // heads if architecture == "llama" else int(width // heads * _PARTIAL)

    def features(p: Parameters, tokens: Tensor, first: int = 0) -> Tensor:
        models, batch, T = tokens.shape
        shift = torch.arange(models, device=tokens.device).view(-1, 1, 1) * vocabulary
        table = p[
            "gpt_neox.embed_in.weight"
            if architecture == "gpt_neox"
            else "model.embed_tokens.weight"
        ]
        x = F.embedding(tokens + shift, table.reshape(models * vocabulary, width)).view(
            models, batch * T, width
        )
        x = body(p, x, _rotation(T, rotated, tokens.device), (models, batch, T, heads), layers)
        return x.view(models, batch, T, width)[:, :, first:]

    head = "embed_out.weight" if architecture == "gpt_neox" else "lm_head.weight"
    return stacked(parameters, features, lambda p: p[head])


def _neox(p: Parameters, x: Tensor, rotation, shape, layers: int) -> Tensor:
    models, batch, T, heads = shape

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


def _llama(p: Parameters, x: Tensor, rotation, shape, layers: int) -> Tensor:
    models, batch, T, heads = shape

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
        x = x + linear(
            attention.causal(q, k, v, rotation).reshape(x.shape), f"{name}self_attn.o_proj"
        )
        h = norm(x, f"{name}post_attention_layernorm")
        gated = F.silu(linear(h, f"{name}mlp.gate_proj")) * linear(h, f"{name}mlp.up_proj")
        x = x + linear(gated, f"{name}mlp.down_proj")
    return norm(x, "model.norm")


def _rotation(T: int, rotated: int, device) -> tuple[Tensor, Tensor]:
    frequencies = _THETA ** (
        -torch.arange(0, rotated, 2, device=device, dtype=torch.float32) / max(rotated, 1)
    )
    angles = torch.arange(T, device=device, dtype=torch.float32)[:, None] * frequencies
    angles = torch.cat([angles, angles], -1)
    return angles.cos(), angles.sin()


def _hidden(width: int) -> int:
    return -(-8 * width // 3 // 8) * 8


def save(
    folder: Path,
    architecture: str,
    parameters: Parameters,
    heads: int,
    *,
    length: int,
    tokenizer: Any = None,
) -> None:
    """Write one model (parameters without the leading axis) as a folder that transformers loads.

    Args:
        length: longest input, for its config.
        tokenizer: of the `tokenizers` library, whose token 0 separates documents.
    """
    from safetensors.torch import save_file

    vocabulary, width = next(iter(parameters.values())).shape
    layers = 1 + max(int(name.split(".")[2]) for name in parameters if ".layers." in name)
    about = {
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
    }
    if architecture == "gpt_neox":
        about |= {
            "architectures": ["GPTNeoXForCausalLM"],
            "intermediate_size": 4 * width,
            "hidden_act": "gelu",
            "use_parallel_residual": True,
            "rotary_pct": _PARTIAL,
            "layer_norm_eps": 1e-5,
        }
    else:
        about |= {
            "architectures": ["LlamaForCausalLM"],
            "intermediate_size": _hidden(width),
            "hidden_act": "silu",
            "num_key_value_heads": heads,
            "rms_norm_eps": 1e-6,
        }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(about, indent=1) + "\n")
    whole = {name: value.detach().cpu().contiguous() for name, value in parameters.items()}
    save_file(whole, folder / "model.safetensors", metadata={"format": "pt"})
    if tokenizer is not None:
        tokenizer.save(str(folder / "tokenizer.json"))
        named = {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "eos_token": tokenizer.id_to_token(0),
        }
        named |= {"bos_token": tokenizer.id_to_token(0), "pad_token": tokenizer.id_to_token(0)}
        (folder / "tokenizer_config.json").write_text(json.dumps(named, indent=1) + "\n")
