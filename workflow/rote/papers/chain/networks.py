"""The networks of the chain: training them on a corpus, and their answers to lines."""

from collections.abc import Mapping
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
from rote.papers.chain.sequences import Sequences
from rote.papers.chain.settings import Settings

BLOCK = 4096  # lines of eight tokens that are evaluated at a time
NO_FEATURES = np.zeros((0, 0), np.float32)

Arrays = dict[str, np.ndarray]  # by name


class NetworkShape(NamedTuple):
    """The size of a network."""

    vocabulary: int
    length: int  # tokens of the longest text
    width: int


class ChainJob(NamedTuple):
    """Where and from which seed networks are trained."""

    seed: int
    device: str = "cpu"
    checkpoint: Path | None = None  # file; None writes none
    checkpoint_steps: int = 500

    def checkpointing(self, training: str) -> "ChainJob":
        """The same with a checkpoint of its own for one of several trainings."""
        if self.checkpoint is None:
            return self
        file = self.checkpoint
        return self._replace(checkpoint=file.with_name(f"{file.stem}-{training}{file.suffix}"))


def build(
    options: Settings, shape: NetworkShape, names: list[str], seed: int, device: str = "cpu"
) -> LanguageStack:
    """A stack of new networks, or of copies of the user's model, one per name.

    Args:
        options: config section of the chain.
        shape: sizes of a new network.
        names: of the networks, which seed their weights.
        seed: of the run.
        device: where the parameters lie.
    """
    if options.model:
        return pretrained.stack(options.model, len(names), device)
    network = options.network
    rngs = [generator(seed, "chain", "weights", shape.width, name) for name in names]
    transformer = lm.Transformer(network.architecture, *shape, network.layers, network.heads)
    return lm.build(transformer, rngs, device)


def fit(
    stack: LanguageStack,
    corpora: Mapping[str, Sequences],
    options: Settings,
    steps: int,
    job: ChainJob,
    title: str = "training",
) -> Parameters:
    """Train one network per corpus, as one stack, each on `steps` batches, epoch after epoch.

    The loss is the cross-entropy of the answers' tokens. A smaller corpus is repeated more often.

    Args:
        stack: untrained networks, one per corpus.
        corpora: by the names of the networks, which seed the order of their documents.
        options: config section of the chain.
        steps: batches that every network sees.
        job: seed, device and checkpoint.
        title: what the progress is labelled with.

    Returns:
        Weights (networks, ...) by name.

    Raises:
        InputError: for an empty corpus, by name.
    """
    network = options.network
    for name, corpus in corpora.items():
        if not len(corpus):
            raise InputError(f"the corpus of {name} is empty: pruning kept no document")
    examples = _joined(list(corpora.values()))
    first = int(examples.positions[examples.mask > 0].min())
    sizes = [len(corpus) for corpus in corpora.values()]
    starts = np.cumsum([0, *sizes[:-1]])
    orders = [
        train.EpochSampler(np.ones(len(corpus), int), job.seed, "chain", "order", name)
        for name, corpus in corpora.items()
    ]

    def loss(weights: Parameters, step: int) -> Tensor:
        begin = step * network.batch
        rows = np.stack([order.batch(begin, network.batch) for order in orders])
        batch = examples.pick(rows + starts[:, None])
        tokens, positions, targets = (
            torch.tensor(part.astype(np.int64), device=job.device) for part in batch[:3]
        )
        mask = torch.tensor(batch.mask, device=job.device)
        with torch.autocast(
            torch.device(job.device).type, torch.bfloat16, enabled=network.precision == "bf16"
        ):
            logits = _logits(stack, weights, tokens[..., :-1], positions, first)
        losses = lm.token_losses(logits, targets) * mask
        return losses.sum((1, 2)) / mask.sum((1, 2))

    return train.fit(
        stack.parameters,
        loss,
        train.AdamW(
            steps=steps,
            learning_rate=network.tuning_rate if options.model else network.learning_rate,
            schedule=train.cosine(steps, warmup=min(network.warmup, steps), floor=0.02),
            betas=(0.9, 0.98),
        ),
        checkpoint=train.Checkpoint(job.checkpoint, job.checkpoint_steps),
        label=title,
    )


class NetworkAnswers(NamedTuple):
    """A network's answers to n lines."""

    losses: np.ndarray  # (n,) nats of the whole answer
    exact: np.ndarray  # (n,) bool: greedy decoding gives it
    token_accuracy: np.ndarray  # (n,) share of the answer's tokens that are right
    # (answer tokens, d) float32: hidden states that predict them, line by line; or (0, d)
    features: np.ndarray


def predict(
    stack: LanguageStack,
    weights: Parameters,
    number: int,
    lines: Sequences,
    *,
    with_features: bool = False,
) -> NetworkAnswers:
    """The answers of one network of a stack.

    Args:
        stack: the networks.
        weights: (networks, ...) by name.
        number: of the network in the stack.
        lines: token ids, and the positions of the answers in them.
        with_features: whether the hidden states of all answers are returned, too.
    """
    network = {name: value[number : number + 1] for name, value in weights.items()}
    head = stack.head(network)[0]
    parts = []
    rows = max(1, BLOCK // max(1, lines.tokens.shape[1] // 8))
    with torch.no_grad():
        for begin in range(0, len(lines), rows):
            block = lines.pick(slice(begin, begin + rows))
            answers = _answers(stack, network, head, block)
            parts.append(answers if with_features else answers._replace(features=NO_FEATURES))
    return NetworkAnswers(*(np.concatenate(part) for part in zip(*parts, strict=True)))


def _answers(
    stack: LanguageStack, network: Parameters, head: Tensor, lines: Sequences
) -> NetworkAnswers:
    device = head.device
    tokens = torch.tensor(lines.tokens.astype(np.int64), device=device)[None]
    hidden = stack.features(network, tokens[..., :-1])[0]
    mask = torch.tensor(lines.mask > 0, device=device)
    row, answer = mask.nonzero(as_tuple=True)
    positions = torch.tensor(lines.positions.astype(np.int64), device=device)[row, answer]
    targets = torch.tensor(lines.targets.astype(np.int64), device=device)[row, answer]
    states = hidden[row, positions].float()
    log_probabilities = (states @ head.float().T).log_softmax(-1)
    token_losses = -log_probabilities.gather(1, targets[:, None])[:, 0]
    correct = log_probabilities.argmax(1) == targets
    zeros = torch.zeros(len(lines), device=device)
    n_correct = zeros.index_add(0, row, correct.float())
    return NetworkAnswers(
        losses=zeros.index_add(0, row, token_losses).double().cpu().numpy(),
        exact=(n_correct == mask.sum(1)).cpu().numpy(),
        token_accuracy=(n_correct / mask.sum(1).clamp(min=1)).cpu().numpy(),
        features=states.cpu().numpy(),
    )


def _logits(
    stack: LanguageStack, weights: Parameters, tokens: Tensor, positions: Tensor, first: int
) -> Tensor:
    """Logits at the answers only, (models, batch, answers, vocabulary)."""
    hidden = stack.features(weights, tokens, first)
    indices = (positions - first).clamp(min=0)[..., None].expand(-1, -1, -1, hidden.shape[-1])
    states = hidden.gather(2, indices)
    models, batch, answers, d = states.shape
    return bmm(states.view(models, -1, d), stack.head(weights).mT).view(models, batch, answers, -1)


def _joined(corpora: list[Sequences]) -> Sequences:
    """Corpora one after another, padded to the same length and number of answers."""
    return Sequences(*(_rows(list(parts)) for parts in zip(*corpora, strict=True)))


def _rows(parts: list[np.ndarray]) -> np.ndarray:
    """Rows of all parts, zeros on the right."""
    width = max(part.shape[1] for part in parts)
    return np.concatenate([np.pad(part, ((0, 0), (0, width - part.shape[1]))) for part in parts])
