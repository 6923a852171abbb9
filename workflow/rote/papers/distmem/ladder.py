"""The ladder: language models of several sizes, trained for one epoch on the generated corpora.

The corpora's networks of one size are stacked. Each is kept as a folder that transformers loads, at
several shares of its training.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from rote import ngrams, train
from rote.core.errors import InputError
from rote.core.seeds import generator
from rote.models import lm, rotary
from rote.papers.distmem import settings
from rote.synth.pretraining import SEPARATOR

FLOOR, BETAS, DECAY, CLIP = 0.1, (0.9, 0.95), 0.01, 1.0


class Network(NamedTuple):
    """One rung."""

    name: str
    architecture: str
    width: int
    layers: int
    heads: int
    rate: float


def networks(options: settings.Ladder) -> list[Network]:
    """Every rung: GPT-NeoX by size, then LLaMA-type ones."""
    found = []
    families = (
        ("gpt_neox", "neox", options.sizes, options.rates),
        ("llama", "llama", options.second, options.second_rates),
    )
    for architecture, short, sizes, rates in families:
        found += [
            Network(f"{short}-{s[0]}", architecture, *s, rate)
            for s, rate in zip(sizes, rates, strict=True)
        ]
    return found


def network(options: settings.Ladder, name: str) -> Network:
    """A rung by name. Raises InputError naming those that there are."""
    every = {rung.name: rung for rung in networks(options)}
    if name not in every:
        raise InputError(f"--network must be one of {', '.join(every)}, given {name!r}")
    return every[name]


def vocabulary(corpus: ngrams.Corpus, examples: pd.DataFrame) -> list[str]:
    """The separator, the corpus's words in its own order, and words that only examples use."""
    known = set(corpus.words)
    texts = [
        *examples["instruction"],
        *examples["input"],
        *examples["output"],
        *examples["choices"].explode().dropna(),
    ]
    others = sorted(
        {word for text in texts for word in text.replace("{input}", " ").split()} - known
    )
    return [SEPARATOR, *corpus.words, *others]


def padded(vocabularies: Sequence[list[str]]) -> list[list[str]]:
    """Vocabularies made equally long by words that never occur, so that their networks can be
    stacked.
    """
    size = max(map(len, vocabularies))
    return [
        [*words, *(f"<unused{number}>" for number in range(size - len(words)))]
        for words in vocabularies
    ]


def stream(corpus: ngrams.Corpus) -> np.ndarray:
    """A corpus as one sequence of token ids, each document followed by the separator, which is
    token 0.
    """
    parts = []
    for shard in corpus.shards:
        tokens = np.zeros(len(shard.tokens) + shard.documents, np.int64)
        places = np.arange(len(shard.tokens)) + np.repeat(
            np.arange(shard.documents), np.diff(shard.offsets)
        )
        tokens[places] = shard.tokens.astype(np.int64) + 1
        parts.append(tokens)
    return np.concatenate(parts)


def fit(
    rung: Network,
    streams: Sequence[np.ndarray],
    vocabulary: int,
    options: settings.Ladder,
    rngs: Sequence[np.random.Generator],
    *,
    device: str = "cpu",
    checkpoint: Path | None = None,
    every: int = 500,
) -> tuple[lm.LanguageStack, dict[float, lm.Parameters]]:
    """Train one network per stream, stacked, for one epoch of packed sequences.

    Args:
        streams: token ids per model; all are cut to the shortest.

    Returns:
        The stack, and its parameters after each share of the training in `options.snapshots`.

    Raises:
        InputError: if the streams are shorter than one step.
    """
    transformer = lm.Transformer(
        rung.architecture, vocabulary, options.length, rung.width, rung.layers, rung.heads
    )
    stack = lm.build(transformer, rngs, device)
    span = options.batch * options.length
    steps = (min(map(len, streams)) - 1) // span
    if steps < 1:
        raise InputError(
            f"a corpus of {min(map(len, streams))} tokens is shorter than one step of {span}; "
            "raise tokens"
        )
    data = torch.tensor(np.stack([tokens[: steps * span + 1] for tokens in streams]), device=device)
    models = len(streams)
    kept_at = {max(1, round(share * steps)): share for share in options.snapshots if share < 1}
    buffers = {
        f"{share} {name}": torch.zeros_like(value)
        for share in kept_at.values()
        for name, value in stack.parameters.items()
    }

    def loss(parameters: lm.Parameters, step: int) -> Tensor:
        if step in kept_at:
            for name, value in parameters.items():
                buffers[f"{kept_at[step]} {name}"].copy_(value.detach())
        tokens = data[:, step * span : (step + 1) * span + 1]
        logits = stack.forward(
            parameters, tokens[:, :-1].reshape(models, options.batch, options.length)
        )
        return lm.token_losses(logits.view(models, span, -1), tokens[:, 1:]).mean(1)

    trained = train.fit(
        stack.parameters,
        loss,
        steps=steps,
        learning_rate=rung.rate,
        schedule=train.cosine(steps, warmup=options.warmup, floor=FLOOR),
        betas=BETAS,
        weight_decay=torch.full((models,), DECAY),
        clip=CLIP,
        buffers=buffers,
        checkpoint=checkpoint,
        checkpoint_steps=every,
        label=rung.name,
    )
    snapshots = {
        share: {name: buffers[f"{share} {name}"] for name in stack.parameters}
        for share in sorted(kept_at.values())
    }
    return stack, snapshots | {1.0: trained}


def save(
    folder: Path,
    rung: Network,
    parameters: lm.Parameters,
    model: int,
    words: Sequence[str],
    length: int,
) -> None:
    """Write one model of a stack as a folder that transformers loads, tokenizer included."""
    one = {name: value[model] for name, value in parameters.items()}
    rotary.save(
        folder, rung.architecture, one, rung.heads, length=length, tokenizer=tokenizer(words)
    )


def tokenizer(words: Sequence[str]):
    """A tokenizer (of the `tokenizers` library) for words between spaces."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    found = Tokenizer(
        models.WordLevel({word: number for number, word in enumerate(words)}, unk_token=words[0])
    )
    found.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return found


def weights(seed: int, rung: Network, world: int, *what: str) -> np.random.Generator:
    """The stream of a network's initialization."""
    return generator(seed, "distmem", "weights", rung.name, world, *what)
