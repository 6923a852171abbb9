"""A small language model that a run trains itself, so that there are heads to read."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from rote import train
from rote.core.seeds import generator
from rote.models import lm, pretrained, rotary
from rote.models.stack import Parameters
from rote.papers.attention.settings import AttentionHeads
from rote.synth import biographies

ARCHITECTURE = "gpt_neox"
BATCH = 8  # windows per step
RATE = 3e-3  # peak
END = "<end>"  # of a document


class BiographyWindows(NamedTuple):
    """Token ids of generated biographies."""

    windows: np.ndarray  # (windows, length)
    words: int  # size of the vocabulary


def corpus(options: AttentionHeads, seed: int) -> BiographyWindows:
    """Biographies of made-up people as windows of words.

    Args:
        options: length of a window.
        seed: of the run.
    """
    form = biographies.BiographyForm(people=200, values=100, documents=options.documents)
    written = biographies.write(generator(seed, "attention", "biographies"), form)
    text = f" {END} ".join(written.documents).replace(".", " .")
    words, ids = np.unique(text.split(), return_inverse=True)
    count = len(ids) // options.length
    return BiographyWindows(ids[: count * options.length].reshape(count, -1), len(words))


def trained(
    options: AttentionHeads,
    seed: int,
    text: BiographyWindows,
    saving: train.Saving,
    device: str = "cpu",
) -> Parameters:
    """Weights of GPT-NeoX decoders, (replicates, ...) by name, from initializations of their own.

    Args:
        options: sizes and steps.
        seed: of the run.
        text: what they read; each in an order of its own.
        saving: where and how often the state of training is saved.
        device: where they are trained.
    """
    replicates = range(options.replicates)
    shape = (text.words, options.length, options.width, options.layers, options.heads)
    rngs = [generator(seed, "attention", "language model", number) for number in replicates]
    stack = lm.build(lm.Transformer(ARCHITECTURE, *shape), rngs, device)
    orders = []
    for number in replicates:
        counts = np.ones(len(text.windows), int)
        orders.append(train.EpochSampler(counts, seed, "attention", "windows", number))
    data = torch.tensor(text.windows, device=device)

    def loss(parameters: Parameters, step: int) -> Tensor:
        batch = np.stack([order.batch(step * BATCH, BATCH) for order in orders])
        tokens = data[torch.as_tensor(batch, device=device)]
        logits = stack.forward(parameters, tokens[..., :-1])
        return lm.token_losses(logits, tokens[..., 1:]).mean((1, 2))

    steps = options.steps
    schedule = train.cosine(steps, warmup=min(20, steps), floor=0.1)
    return train.fit(
        stack.parameters,
        loss,
        train.AdamW(steps, RATE, schedule, betas=(0.9, 0.95), clip=1.0),
        checkpoint=saving.file(f"language-models-{seed}-{steps}.pt"),
        label=f"language models: {options.replicates}",
    )


@contextmanager
def loaded(options: AttentionHeads, parameters: Parameters, number: int) -> Iterator[Any]:
    """One of the models, written and read as any folder of a user's is.

    Args:
        options: heads of a layer, length of a window.
        parameters: of all models.
        number: of one of them.
    """
    with TemporaryDirectory() as folder:
        weights = {name: value[number] for name, value in parameters.items()}
        rotary.save(Path(folder), ARCHITECTURE, weights, options.heads, length=options.length)
        yield pretrained.causal(folder, offline=True)
