"""The ladder: language models of several sizes, trained for one epoch on the generated corpora.

The corpora's networks of one size are stacked. Each is saved as a folder that transformers loads,
at several shares of its training.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from rote import ngrams, train
from rote.core import tables
from rote.core.errors import InputError
from rote.core.job import Job
from rote.core.seeds import generator
from rote.core.verbs import resumable
from rote.models import lm, rotary
from rote.papers.distmem.families import Rung
from rote.papers.distmem.settings import DistmemLadder
from rote.synth.pretraining import SEPARATOR

RATE_FLOOR = 0.1  # of the peak, at the end of the cosine
BETAS = (0.9, 0.95)
WEIGHT_DECAY = 0.01
MAX_GRADIENT = 1.0


class TrainingCorpus(NamedTuple):
    """A generated corpus as a network reads it.

    Attributes:
        name: of the corpus.
        folder: its files.
        examples: the table TaskExamples.
        words: the vocabulary; token 0 separates documents.
        stream: (tokens,) ids.
    """

    name: str
    folder: Path
    examples: pd.DataFrame
    words: list[str]
    stream: np.ndarray


class LadderTraining(NamedTuple):
    """Where a training runs, and where it saves its state.

    Attributes:
        checkpoint: file to save to and to resume from; None: none.
        checkpoint_steps: steps between two savings.
    """

    device: str = "cpu"
    checkpoint: Path | None = None
    checkpoint_steps: int = 500


class TrainedStack(NamedTuple):
    """Networks of one size, one per stream of tokens.

    Attributes:
        stack: what they are.
        snapshots: their parameters after each share of the training.
    """

    stack: lm.LanguageStack
    snapshots: dict[float, lm.Parameters]


@contextmanager
def saved(
    run: Job, name: str, checkpoints: Path | None, checkpoint_steps: int
) -> Iterator[LadderTraining]:
    """A training of a job, with a checkpoint that is removed once the result is written.

    Args:
        run: the job, whose code, settings and seed a checkpoint must match.
        name: what is trained, in the name of the folder.
        checkpoints: folder of all checkpoints; None: none.
        checkpoint_steps: steps between two savings.
    """
    with resumable(run, checkpoints, f"distmem-{name}") as folder:
        file = folder and folder / f"{run.seed}.pt"
        yield LadderTraining(run.device, file, checkpoint_steps)


def read(folders: Sequence[Path]) -> list[TrainingCorpus]:
    """Generated corpora, their vocabularies made equally long so that networks can be stacked."""
    corpora = []
    for folder in folders:
        corpus = ngrams.Corpus.open(folder / "tokens")
        examples = tables.read(folder / "examples.parquet")
        words = vocabulary(corpus, examples)
        corpora.append(
            TrainingCorpus(
                name=folder.name,
                folder=folder,
                examples=examples,
                words=words,
                stream=stream(corpus),
            )
        )
    size = max(len(corpus.words) for corpus in corpora)
    return [corpus._replace(words=padded(corpus.words, size)) for corpus in corpora]


def vocabulary(corpus: ngrams.Corpus, examples: pd.DataFrame) -> list[str]:
    """The separator, the corpus's words in its own order, and words that only examples use.

    Args:
        corpus: in tokens.
        examples: the table TaskExamples.
    """
    columns = [examples["instruction"], examples["input"], examples["output"]]
    example_words: set[str] = set()
    for text in pd.concat([*columns, examples["choices"].explode().dropna()]):
        example_words.update(text.replace("{input}", " ").split())
    return [SEPARATOR, *corpus.words, *sorted(example_words - set(corpus.words))]


def padded(words: Sequence[str], size: int) -> list[str]:
    """A vocabulary made longer by words that never occur."""
    return [*words, *(f"<unused{number}>" for number in range(size - len(words)))]


def stream(corpus: ngrams.Corpus) -> np.ndarray:
    """A corpus as one sequence of token ids, (tokens,); token 0 follows each document."""
    parts = []
    for shard in corpus.shards:
        tokens = np.zeros(len(shard.tokens) + shard.documents, np.int64)
        separators = np.repeat(np.arange(shard.documents), np.diff(shard.offsets))
        tokens[np.arange(len(shard.tokens)) + separators] = shard.tokens.astype(np.int64) + 1
        parts.append(tokens)
    return np.concatenate(parts)


def initialization(seed: int, rung: Rung, *corpus: int | str) -> np.random.Generator:
    """The random stream of a network's initial weights, by number of its corpus."""
    return generator(seed, "distmem", "weights", rung.name, *corpus)


def train_rung(
    rung: Rung,
    corpora: Sequence[TrainingCorpus],
    options: DistmemLadder,
    seed: int,
    training: LadderTraining,
) -> TrainedStack:
    """Train a network of one size on every generated corpus, stacked.

    Args:
        rung: size of the network.
        corpora: of `read`.
        options: of the training.
        seed: of the initial weights.
        training: where it runs and saves its state.
    """
    rngs = [initialization(seed, rung, number) for number in range(len(corpora))]
    streams = [corpus.stream for corpus in corpora]
    return fit(rung, streams, len(corpora[0].words), options, rngs, training)


def fit(
    rung: Rung,
    streams: Sequence[np.ndarray],
    n_words: int,
    options: DistmemLadder,
    rngs: Sequence[np.random.Generator],
    training: LadderTraining = LadderTraining(),
) -> TrainedStack:
    """Train one network per stream, stacked, for one epoch of packed sequences.

    Args:
        rung: size of the networks, and peak learning rate.
        streams: token ids per model; all are cut to the shortest.
        n_words: size of the vocabulary.
        options: of the training.
        rngs: of the initial weights, per model.
        training: where it runs and saves its state.

    Returns:
        The networks after each share of the training in `options.snapshots`.

    Raises:
        InputError: if the streams are shorter than one step.
    """
    transformer = lm.Transformer(
        rung.family.architecture,
        vocabulary=n_words,
        length=options.length,
        width=rung.width,
        layers=rung.layers,
        heads=rung.heads,
    )
    stack = lm.build(transformer, rngs, training.device)
    models = len(streams)
    shortest = min(map(len, streams))
    step_tokens = options.batch * options.length
    steps = (shortest - 1) // step_tokens
    if steps < 1:
        raise InputError(
            f"a corpus of {shortest} tokens is shorter than one step of {step_tokens}; raise tokens"
        )
    trimmed = np.stack([tokens[: steps * step_tokens + 1] for tokens in streams])
    data = torch.tensor(trimmed, device=training.device)
    snapshot_steps = {
        max(int(share > 0), round(share * steps)): share for share in options.snapshots if share < 1
    }
    buffers = {}
    for share in snapshot_steps.values():
        for name, value in stack.parameters.items():
            buffers[_buffer(share, name)] = torch.zeros_like(value)

    def loss(parameters: lm.Parameters, step: int) -> Tensor:
        if step in snapshot_steps:
            for name, value in parameters.items():
                buffers[_buffer(snapshot_steps[step], name)].copy_(value.detach())
        tokens = data[:, step * step_tokens : (step + 1) * step_tokens + 1]
        inputs = tokens[:, :-1].reshape(models, options.batch, options.length)
        logits = stack.forward(parameters, inputs)
        return lm.token_losses(logits.view(models, step_tokens, -1), tokens[:, 1:]).mean(1)

    trained = train.fit(
        stack.parameters,
        loss,
        train.AdamW(
            steps=steps,
            learning_rate=rung.learning_rate,
            schedule=train.cosine(steps, warmup=options.warmup, floor=RATE_FLOOR),
            betas=BETAS,
            weight_decay=torch.full((models,), WEIGHT_DECAY),
            clip=MAX_GRADIENT,
        ),
        buffers=buffers,
        checkpoint=train.Checkpoint(training.checkpoint, training.checkpoint_steps),
        label=rung.name,
    )
    snapshots = {}
    for share in sorted(snapshot_steps.values()):
        snapshots[share] = {name: buffers[_buffer(share, name)] for name in stack.parameters}
    return TrainedStack(stack, snapshots | {1.0: trained})


def _buffer(share: float, parameter: str) -> str:
    return f"{share} {parameter}"


def snapshot_path(corpus: str, share: float) -> Path:
    """Where the network of a corpus lies within the folder of its size: <corpus>/<share>."""
    return Path(corpus) / f"{share:g}"


def save(
    folder: Path, rung: Rung, trained: TrainedStack, corpora: Sequence[TrainingCorpus], length: int
) -> None:
    """Write the networks of one size, at every snapshot, as folders that transformers loads.

    Args:
        folder: of this size, see `snapshot_path`.
        rung: size of the networks.
        trained: one network per corpus.
        corpora: in the order of the networks.
        length: of the longest input.
    """
    for share, parameters in trained.snapshots.items():
        for model, corpus in enumerate(corpora):
            rotary.save(
                folder / snapshot_path(corpus.name, share),
                rung.family.architecture,
                {name: value[model] for name, value in parameters.items()},
                rung.heads,
                length=length,
                tokenizer=tokenizer(corpus.words),
            )


def tokenizer(words: Sequence[str]):
    """A tokenizer (of the `tokenizers` library) for words between spaces."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    number = {word: i for i, word in enumerate(words)}
    result = Tokenizer(models.WordLevel(number, unk_token=words[0]))
    result.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return result
