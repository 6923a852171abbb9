"""Stacked language models: each model is itself, causal, and the one that transformers makes."""

import numpy as np
import pytest
import torch
from rote.core.errors import InputError
from rote.models import lm, slots


def rngs(count=3):
    return [np.random.default_rng(seed) for seed in range(count)]


@pytest.mark.parametrize("architecture", lm.ARCHITECTURES)
def test_stack_models_are_independent_and_causal(architecture):
    stack = lm.build(lm.Transformer(architecture, 40, 7, 16, 2, 2), rngs())
    assert stack.size == sum(value[0].numel() for value in stack.parameters.values())
    tokens = torch.randint(0, 40, (3, 5, 7), generator=torch.Generator().manual_seed(0))
    logits = stack.forward(stack.parameters, tokens)
    assert logits.shape == (3, 5, 7, 40)
    for model in range(3):
        alone = {name: value[model : model + 1] for name, value in stack.parameters.items()}
        # its forward takes stacks of one
        single = lm.build(lm.Transformer(architecture, 40, 7, 16, 2, 2), rngs(1))
        output = single.forward(alone, tokens[model : model + 1])
        torch.testing.assert_close(output[0], logits[model], atol=1e-5, rtol=1e-5)
    later = tokens.clone()
    later[:, :, 4] = 1
    torch.testing.assert_close(
        stack.forward(stack.parameters, later)[:, :, :4], logits[:, :, :4], atol=1e-5, rtol=1e-5
    )
    torch.testing.assert_close(
        stack.forward(stack.parameters, tokens, 3, 30), logits[:, :, 3:, 30:], atol=1e-5, rtol=1e-5
    )


@pytest.mark.parametrize("architecture", ["gpt2", "gpt_neox"])
def test_stack_computes_what_transformers_computes(architecture):
    from rote.data.images import torchvision

    torchvision()
    from transformers import AutoModelForCausalLM, GPT2Config, GPTNeoXConfig

    stack = lm.build(lm.Transformer(architecture, 40, 7, 16, 2, 2), rngs(2))
    if architecture == "gpt2":
        config = GPT2Config(vocab_size=40, n_positions=7, n_embd=16, n_layer=2, n_head=2)
    else:
        config = GPTNeoXConfig(
            vocab_size=40,
            max_position_embeddings=7,
            hidden_size=16,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=64,
            tie_word_embeddings=False,
        )
    model = AutoModelForCausalLM.from_config(config).eval()
    tokens = torch.randint(0, 40, (2, 3, 7), generator=torch.Generator().manual_seed(1))
    for number in range(2):
        # files call GPT-NeoX's head embed_out, the module lm_head
        weights = {
            name.replace("embed_out", "lm_head"): value[number]
            for name, value in stack.parameters.items()
        }
        model.load_state_dict(weights, strict=False)
        model.tie_weights()
        with torch.no_grad():
            expected = model(tokens[number]).logits
        torch.testing.assert_close(
            stack.forward(stack.parameters, tokens)[number], expected, atol=1e-5, rtol=1e-4
        )


def test_losses_are_summed_over_value_tokens():
    logits = torch.randn(2, 3, 2, 5, generator=torch.Generator().manual_seed(0))
    tokens = torch.tensor([[[10, 14], [11, 12], [13, 13]]] * 2)
    losses = lm.value_losses(logits, tokens, 10)
    logs = logits.log_softmax(-1)
    assert losses[1, 2].item() == pytest.approx(
        -(logs[1, 2, 0, 3] + logs[1, 2, 1, 3]).item(), rel=1e-5
    )


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        (("bert", 40, 7, 16, 1, 2), "architecture must be one of decoder, gpt2, gpt_neox, llama"),
        (("decoder", 40, 7, 16, 1, 3), "width = 16 must be a multiple of heads = 3"),
    ],
)
def test_stack_names_unusable_architectures(sizes, message):
    with pytest.raises(InputError, match=message):
        lm.build(lm.Transformer(*sizes), rngs(1))


@pytest.mark.parametrize(
    ("backbone", "architecture", "message"),
    [
        (
            "mlp",
            "mean",
            "architecture must be one of sum, linear, two-layer, cross-channel, concat",
        ),
        ("conv", "sum", "backbone must be one of mlp, resnet18, given 'conv'"),
        ("resnet18", "concat", "architecture 'concat' exists for backbone mlp only"),
    ],
)
def test_slots_name_unusable_networks(backbone, architecture, message):
    with pytest.raises(InputError, match=message):
        slots.build(backbone, architecture, slots.Sizes(64), rngs(1))
