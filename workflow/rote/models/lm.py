"""Small language models, many stacked into one program: a fast decoder, GPT-NeoX, LLaMA, GPT-2.

A stack's parameters carry a leading `models` axis, and `forward(parameters, tokens)` maps (models,
batch, length) token ids to logits (models, batch, length, vocabulary); with `first` and `low` only
of positions and token ids from there on, which is all that the loss of a fact's value needs.
"""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from rote.core.errors import InputError
from rote.core.registry import registered
from rote.data.images import torchvision
from rote.models import attention, rotary
from rote.models.norms import layer_norm
from rote.models.products import bmm
from rote.models.stack import LanguageStack, Parameters, Transformer, stacked

Generators = Sequence[np.random.Generator]


def build(transformer: Transformer, rngs: Generators, device: str = "cpu") -> LanguageStack:
    """One model per generator, stacked.

    Args:
        transformer: architecture and sizes; the hidden layers are 4 × width, llama's 8/3 × width.
        rngs: generators of the models' initial weights.
        device: where the parameters lie.

    Raises:
        InputError: for an unknown architecture or a width that the heads do not divide.
    """
    make = registered(ARCHITECTURES, transformer.architecture, "architecture")
    if transformer.width % transformer.heads:
        raise InputError(
            f"width = {transformer.width} must be a multiple of heads = {transformer.heads}"
        )
    return make(transformer, rngs, device)


def _decoder(transformer: Transformer, rngs: Generators, device: str) -> LanguageStack:
    """Pre-LayerNorm without affine parts, no biases, learned positions, tied embedding.

    Weights N(0, 1/fan-in), projections back to the residual stream over √(2 layers), embeddings
    N(0, 0.02²).
    """
    _, vocabulary, length, width, layers, heads = transformer
    back = 1 / np.sqrt(2 * layers)
    # shape and standard deviation of each parameter
    initial = {"tokens": ((vocabulary, width), 0.02), "positions": ((length, width), 0.02)}
    for layer in range(layers):
        initial |= {
            f"{layer}.query": ((width, width), width**-0.5),
            f"{layer}.key_value": ((width, 2 * width), width**-0.5),
            f"{layer}.out": ((width, width), back * width**-0.5),
            f"{layer}.up": ((width, 4 * width), width**-0.5),
            f"{layer}.down": ((4 * width, width), back * (4 * width) ** -0.5),
        }
    parameters = {}
    for name, (shape, scale) in initial.items():
        value = np.stack([rng.normal(scale=scale, size=shape) for rng in rngs])
        parameters[name] = torch.tensor(value, dtype=torch.float32, device=device)

    def features(p: Parameters, tokens: Tensor, first: int = 0) -> Tensor:
        models, batch, T = tokens.shape
        # one lookup for all models: token ids shifted into the stacked table
        shift = torch.arange(models, device=tokens.device).view(-1, 1, 1) * vocabulary
        x = F.embedding(tokens + shift, p["tokens"].reshape(models * vocabulary, width))
        x = (x + p["positions"][:, None, :T]).view(models, batch * T, width)
        at = 0  # first position in x
        for layer in range(layers):
            # after the last layer only positions from `first` on are read: earlier ones need keys
            # and values alone
            start = first if layer == layers - 1 else 0
            h = layer_norm(x)
            k, v = (
                bmm(h, p[f"{layer}.key_value"])
                .view(models * batch, T, 2, heads, width // heads)
                .unbind(2)
            )
            if start > at:
                x = x.view(models, batch, T, width)[:, :, start:].reshape(models, -1, width)
                h = h.view(models, batch, T, width)[:, :, start:].reshape(models, -1, width)
                at = start
            rows = T - at
            q = bmm(h, p[f"{layer}.query"]).view(models * batch, rows, heads, width // heads)
            x = x + bmm(
                attention.causal(q, k, v).reshape(models, batch * rows, width), p[f"{layer}.out"]
            )
            h = F.gelu(bmm(layer_norm(x), p[f"{layer}.up"]))
            x = x + bmm(h, p[f"{layer}.down"])
        return layer_norm(x).view(models, batch, T - at, width)

    return stacked(parameters, features, lambda p: p["tokens"])


def _gpt2(transformer: Transformer, rngs: Generators, device: str) -> LanguageStack:
    """GPT-2 from its transformers config, stacked by vmap over one module's functional form."""
    torchvision()  # beside a CPU build of torch, parts of transformers fail to import without it
    from transformers import AutoModelForCausalLM, GPT2Config

    config = GPT2Config(
        vocab_size=transformer.vocabulary,
        n_positions=transformer.length,
        n_embd=transformer.width,
        n_layer=transformer.layers,
        n_head=transformer.heads,
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        attn_implementation="eager",
        bos_token_id=0,
        eos_token_id=0,
    )
    models = []
    for rng in rngs:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(rng.integers(2**63)))
            models.append(AutoModelForCausalLM.from_config(config))
    parameters, buffers = torch.func.stack_module_state(models)
    parameters = {name: value.detach().to(device) for name, value in parameters.items()}
    buffers = {name: value.to(device) for name, value in buffers.items()}
    body = models[0].transformer.to(device).requires_grad_(False)
    buffers = {name.removeprefix("transformer."): value for name, value in buffers.items()}

    def hidden_states(p: Parameters, b: Parameters, tokens: Tensor) -> Tensor:
        # an explicit mask: the module would look at data to build one, which vmap forbids
        T = tokens.shape[-1]
        mask = torch.full((1, 1, T, T), torch.finfo(torch.float32).min, device=tokens.device)
        inputs = {
            "input_ids": tokens,
            "attention_mask": mask.triu(1),
            "position_ids": torch.arange(T, device=tokens.device)[None],
            "use_cache": False,
        }
        return torch.func.functional_call(body, (p, b), (), inputs).last_hidden_state

    def features(p: Parameters, tokens: Tensor, first: int = 0) -> Tensor:
        # the last of equal names is the tied head
        inner = {
            name.removeprefix("transformer."): value
            for name, value in p.items()
            if name != "lm_head.weight"
        }
        return torch.func.vmap(hidden_states)(inner, buffers, tokens)[:, :, first:]

    return stacked(parameters, features, lambda p: p["transformer.wte.weight"])


ARCHITECTURES: dict[str, Callable[[Transformer, Generators, str], LanguageStack]] = {
    "decoder": _decoder,
    "gpt2": _gpt2,
    "gpt_neox": rotary.build,
    "llama": rotary.build,
}


def value_losses(logits: Tensor, tokens: Tensor, first_value: int) -> Tensor:
    """Loss of every example, summed over its value tokens.

    Args:
        logits: (models, batch, value tokens, value symbols): predictions of the value tokens, over
            value symbols only.
        tokens: (models, batch, value tokens) their ids.
        first_value: id of the first value symbol.

    Returns:
        (models, batch), nats.
    """
    models, batch, count, symbols = logits.shape
    flat = F.cross_entropy(
        logits.float().reshape(-1, symbols), (tokens - first_value).reshape(-1), reduction="none"
    )
    return flat.view(models, batch, count).sum(-1)


def token_losses(logits: Tensor, targets: Tensor) -> Tensor:
    """Cross-entropy of every token; differentiable once.

    Softmax, loss and gradient share one buffer: half the time of `F.cross_entropy` on a CPU.

    Args:
        logits: (..., vocabulary).
        targets: (...) token ids.

    Returns:
        (...) float32, nats.
    """
    return _CrossEntropy.apply(logits, targets)


class _CrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(context, logits: Tensor, targets: Tensor) -> Tensor:
        logits, highest = logits.float(), logits.amax(-1, keepdim=True).float()
        probabilities = (logits - highest).exp_()
        total = probabilities.sum(-1, keepdim=True)
        losses = (total.log() + highest - logits.gather(-1, targets[..., None])).squeeze(-1)
        context.save_for_backward(probabilities.div_(total), targets)
        return losses

    @staticmethod
    def backward(context, weights: Tensor) -> tuple[Tensor, None]:
        probabilities, targets = context.saved_tensors
        gradient = probabilities.mul_(weights[..., None])
        return gradient.scatter_add_(-1, targets[..., None], -weights[..., None]), None
