"""The networks of the chain: training them on a corpus, and what they make of a line."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from rote import train
from rote.core.errors import InputError
from rote.core.seeds import generator
from rote.models import lm, pretrained
from rote.models.products import bmm
from rote.models.stack import LanguageStack, Parameters
from rote.papers.chain import settings
from rote.papers.chain.sequences import Sequences


def build(
    options: settings.Settings,
    vocabulary: int,
    length: int,
    width: int,
    names: list[str],
    seed: int,
    device: str = "cpu",
) -> LanguageStack:
    """A stack of new networks, or of copies of the user's model, one per name."""
    if options.model:
        return pretrained.stack(options.model, len(names), device)
    network = options.network
    rngs = [generator(seed, "chain", "weights", width, name) for name in names]
    transformer = lm.Transformer(
        network.architecture, vocabulary, length, width, network.layers, network.heads
    )
    return lm.build(transformer, rngs, device)


def parameters(options: settings.Settings, vocabulary: int, length: int, width: int) -> int:
    """Parameters of one network."""
    return build(options, vocabulary, length, width, ["counted"], 0).size


def fit(
    stack: LanguageStack,
    corpora: list[Sequences],
    names: list[str],
    options: settings.Settings,
    steps: int,
    seed: int,
    *,
    device: str = "cpu",
    checkpoint: Path | None = None,
    every: int = 500,
    what: str = "training",
) -> Parameters:
    """Train one network per corpus, as one stack, each on `steps` batches of its own corpus, epoch
    after epoch.

    The loss is the cross-entropy of the answers' tokens. A smaller corpus is repeated more often.

    Args:
        names: of the networks, which seed the order of their documents.

    Raises:
        InputError: for an empty corpus, by name.
    """
    network = options.network
    for name, some in zip(names, corpora, strict=True):
        if not len(some):
            raise InputError(f"the corpus of {name} is empty: pruning kept no document")
    length, answers = (
        max(c.tokens.shape[1] for c in corpora),
        max(c.places.shape[1] for c in corpora),
    )
    first = min(int(c.places[c.mask > 0].min()) for c in corpora)
    orders = [
        train.EpochSampler(np.ones(len(some), int), seed, "chain", "order", name)
        for name, some in zip(names, corpora, strict=True)
    ]
    batch = network.batch

    def loss(weights: Parameters, step: int) -> Tensor:
        picked = [
            some.pick(order.take(step * batch, batch))
            for some, order in zip(corpora, orders, strict=True)
        ]
        tokens = _stacked([p.tokens for p in picked], length, device)
        places, targets, mask = (
            _stacked([getattr(p, part) for p in picked], answers, device)
            for part in ("places", "targets", "mask")
        )
        with torch.autocast(
            torch.device(device).type, torch.bfloat16, enabled=network.precision == "bf16"
        ):
            logits = _logits(stack, weights, tokens[..., :-1], places, first)
        losses = lm.token_losses(logits, targets) * mask
        return losses.sum((1, 2)) / mask.sum((1, 2))

    rate = network.tuning_rate if options.model else network.learning_rate
    return train.fit(
        stack.parameters,
        loss,
        steps=steps,
        learning_rate=rate,
        schedule=train.cosine(steps, warmup=min(network.warmup, steps), floor=0.02),
        betas=(0.9, 0.98),
        checkpoint=checkpoint,
        checkpoint_steps=every,
        label=what,
    )


class Outcome(NamedTuple):
    """What one network makes of lines."""

    losses: np.ndarray  # (n,) nats of the whole answer
    exact: np.ndarray  # (n,) bool: greedy decoding gives it
    rights: np.ndarray  # (n,) share of its tokens that are the likeliest ones
    features: (
        np.ndarray
    )  # (tokens of answers, d) float32: hidden states that predict them, line after line


def ask(
    stack: LanguageStack,
    weights: Parameters,
    number: int,
    lines: Sequences,
    *,
    block: int = 4096,
) -> Outcome:
    """What the number-th network of a stack makes of lines."""
    one = {name: value[number : number + 1] for name, value in weights.items()}
    device = next(iter(one.values())).device
    head = stack.head(one)[0]
    parts: list[tuple[np.ndarray, ...]] = []
    rows = max(1, block // max(1, lines.tokens.shape[1] // 8))
    with torch.no_grad():
        for begin in range(0, len(lines), rows):
            some = lines.pick(slice(begin, begin + rows))
            tokens = torch.tensor(some.tokens.astype(np.int64), device=device)[None]
            hidden = stack.features(one, tokens[..., :-1])[0]
            mask = torch.tensor(some.mask > 0, device=device)
            row, answer = mask.nonzero(as_tuple=True)
            places = torch.tensor(some.places.astype(np.int64), device=device)[row, answer]
            targets = torch.tensor(some.targets.astype(np.int64), device=device)[row, answer]
            states = hidden[row, places].float()
            chances = (states @ head.float().T).log_softmax(-1)
            losses = -chances.gather(1, targets[:, None])[:, 0]
            right = chances.argmax(1) == targets
            n = torch.zeros(len(some), device=device)
            total = n.index_add(0, row, losses)
            hits = n.index_add(0, row, right.float())
            parts.append(tuple(value.cpu().numpy() for value in (total, hits, mask.sum(1), states)))
    losses, hits, counts, features = (np.concatenate(part) for part in zip(*parts, strict=True))
    return Outcome(losses.astype(float), hits == counts, hits / np.maximum(counts, 1), features)


def _logits(
    stack: LanguageStack, weights: Parameters, tokens: Tensor, places: Tensor, first: int
) -> Tensor:
    """Logits at the answers only, (models, batch, answers, vocabulary)."""
    hidden = stack.features(weights, tokens, first)
    at = (places - first).clamp(min=0)[..., None].expand(-1, -1, -1, hidden.shape[-1])
    states = hidden.gather(2, at)
    models, batch, answers, d = states.shape
    return bmm(states.view(models, -1, d), stack.head(weights).mT).view(models, batch, answers, -1)


def _stacked(parts: list[np.ndarray], width: int, device: str) -> Tensor:
    """(models, batch, width): padded on the right with zeros; floats stay floats, the rest are
    token ids.
    """
    found = np.zeros((len(parts), len(parts[0]), width), parts[0].dtype)
    for number, part in enumerate(parts):
        found[number, :, : part.shape[1]] = part
    return torch.tensor(found if found.dtype.kind == "f" else found.astype(np.int64), device=device)
