"""Causal language models, taken, not trained, on your own text: next tokens and hidden states.

A vocabulary has tens of thousands of tokens, and logits of all of them for every remembered
position would fill disks. The most frequent tokens are classes and all others together are one more
class, whose probability is the sum of theirs: exact at temperature 1.
"""

import hashlib
from functools import cache, partial
from typing import Any, ClassVar, NamedTuple

import numpy as np

from rote.core.errors import InputError
from rote.core.job import track
from rote.core.section import Section, key
from rote.papers.resmem import pretrained_bases
from rote.papers.resmem.task import (
    SPLITS,
    Arrays,
    BaseArm,
    ResmemTask,
    Rng,
    TaskData,
    TaskSplit,
    TaskWork,
    last_layer,
)

PROBABILITY_FLOOR = 1e-30
# how large the models of the Pythia suite are (Biderman et al. 2023, by their names)
WEIGHTS = {
    "EleutherAI/pythia-14m": 14e6,
    "EleutherAI/pythia-31m": 31e6,
    "EleutherAI/pythia-70m": 70e6,
    "EleutherAI/pythia-160m": 160e6,
    "EleutherAI/pythia-410m": 410e6,
    "EleutherAI/pythia-1b": 1e9,
    "EleutherAI/pythia-1.4b": 1.4e9,
    "EleutherAI/pythia-2.8b": 2.8e9,
    "EleutherAI/pythia-6.9b": 6.9e9,
    "EleutherAI/pythia-12b": 12e9,
}
UNKNOWN_WEIGHTS = 1e9  # of a model that is not among them


class ResmemLanguage(Section):
    """Next tokens of a text of your own under causal language models that are already trained."""

    corpus: str = key(
        "",
        "File, folder or glob of text, JSON lines or Parquet, "
        "hf: or stream:<data set>; without: left out",
        source=True,
    )
    column: str = key("text", "Column or key that holds the text")
    documents: int = key(20_000, "Documents read, at most", ge=10)
    models: list[str] = key(
        ["EleutherAI/pythia-70m", "EleutherAI/pythia-410m"],
        "Hugging Face ids or folders; one vocabulary",
        min_length=1,
        source=True,
    )
    tokenizer: str = key("", "Tokenizer; by default that of the first model", source=True)
    context: int = key(256, "Tokens of a piece of text", ge=2)
    vocabulary: int = key(2000, "Most frequent tokens, told apart; the others are one class", ge=2)
    train: int = key(200_000, "Positions remembered", ge=20)
    valid: int = key(2000, "Validation positions", ge=20)
    test: int = key(5000, "Test positions", ge=20)
    batch: int = key(16, "Pieces at a time", ge=1)
    replicates: int = key(3, "Ways to split the documents", ge=2)

    SCALES: ClassVar = {"paper": {"corpus": "hf:Salesforce/wikitext#wikitext-103-raw-v1"}}


# ---- data


class TokenPieces(NamedTuple):
    """A tokenized text, cut where documents end and where the context is full."""

    tokens: list[np.ndarray]  # of every piece
    documents: np.ndarray  # (pieces,) number of its document


@cache
def pieces(corpus: str, column: str, limit: int, tokenizer: str, context: int) -> TokenPieces:
    """The first `limit` documents in pieces of up to `context` tokens, without those of one token.

    Args:
        corpus: file, folder, glob or data set, see `rote.data.corpora`.
        column: that holds the text.
        limit: documents read, at most.
        tokenizer: Hugging Face id or folder.
        context: tokens of a piece, at most.

    Raises:
        InputError: for a corpus or a tokenizer that cannot be read.
    """
    from rote.data import corpora
    from rote.models import pretrained

    encode = pretrained.tokenizer(tokenizer, fast=False)
    tokens: list[np.ndarray] = []
    documents: list[int] = []
    reading = track(corpora.documents(corpus, column), "tokens", total=limit)
    for number, document in enumerate(reading):
        if number == limit:
            break
        ids = np.array(encode(document.text, add_special_tokens=False)["input_ids"], np.int64)
        cuts = [ids[start : start + context] for start in range(0, len(ids) - 1, context)]
        tokens += [piece for piece in cuts if len(piece) > 1]
        documents += [number] * (len(tokens) - len(documents))
    return TokenPieces(tokens, np.array(documents, np.int64))


def pieces_of(options: ResmemLanguage) -> TokenPieces:
    """The pieces of the config's corpus."""
    tokenizer = options.tokenizer or options.models[0]
    return pieces(options.corpus, options.column, options.documents, tokenizer, options.context)


def load(options: ResmemLanguage, rng: Rng) -> TaskData:
    """Positions to remember, to tune on and to test on, of documents apart from each other.

    Inputs are (piece, position) of the token to predict, (n, 2); classes are the tokens most
    frequent among the training targets, and one more for all others.

    Raises:
        InputError: for a corpus with too few documents or positions.
    """
    text = pieces_of(options)
    documents = np.unique(text.documents)
    if len(documents) < 10:
        raise InputError(
            f"resmem.language.corpus {options.corpus}: {len(documents)} documents of two tokens "
            "or more, at least 10 are needed to have training, validation and test documents apart"
        )
    tenth = len(documents) // 10
    test, valid, train = np.split(rng.permutation(documents), [tenth, 2 * tenth])
    positions = [
        _positions(options, "train", train, rng),
        _positions(options, "valid", valid, rng),
        _positions(options, "test", test, rng),
    ]
    targets = [_targets(text, rows) for rows in positions]
    tokens, counts = np.unique(targets[0], return_counts=True)
    frequent = tokens[np.argsort(-counts, kind="stable")][: options.vocabulary]
    classes = {int(token): number for number, token in enumerate(frequent)}
    splits = []
    for x, tokens_of_rows in zip(positions, targets, strict=True):
        y = np.array([classes.get(int(token), len(frequent)) for token in tokens_of_rows])
        splits.append(TaskSplit(x, y, y))
    return TaskData(*splits, len(frequent) + 1, tokens=frequent)


def _positions(options: ResmemLanguage, split: str, documents: np.ndarray, rng: Rng) -> np.ndarray:
    """Random positions of some documents but the first of each piece, (n, 2): piece, position."""
    text = pieces_of(options)
    count = getattr(options, split)
    numbers = np.flatnonzero(np.isin(text.documents, documents))
    sizes = np.array([len(text.tokens[number]) - 1 for number in numbers])
    total = int(sizes.sum())
    if total < count:
        raise InputError(
            f"resmem.language.corpus {options.corpus}: {total:,} positions "
            f"in the {split} documents, resmem.language.{split} asks for {count:,}"
        )
    flat = np.sort(rng.choice(total, count, replace=False))
    ends = np.cumsum(sizes)
    index = np.searchsorted(ends, flat, side="right")
    return np.column_stack([numbers[index], flat - (ends - sizes)[index] + 1])


def _targets(text: TokenPieces, positions: np.ndarray) -> np.ndarray:
    return np.array([text.tokens[piece][position] for piece, position in positions])


# ---- bases


def arms(options: ResmemLanguage) -> list[BaseArm]:
    """The models."""
    weights = {model: WEIGHTS.get(model, UNKNOWN_WEIGHTS) for model in options.models}
    return pretrained_bases.arms(options.models, weights, options.train)


def bases(options: ResmemLanguage) -> Arrays:
    """What identifies each model: its weights' SHA-256, so that later steps use the same ones."""
    from rote.models import pretrained

    def arrays_of(model: str) -> Arrays:
        return {"digest": _digest(pretrained.causal(model))}

    return pretrained_bases.bases(options.models, arrays_of)


def _digest(model: Any) -> np.ndarray:
    """SHA-256 of a model's weights, (32,) uint8."""
    import torch

    digest = hashlib.sha256()
    for name, value in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(value.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy())
    return np.frombuffer(digest.digest(), np.uint8).copy()


class _Target(NamedTuple):
    """Where the hidden state before a token goes."""

    replicate: int
    split: str
    row: int
    position: int  # in its piece, of the token before


def embed(
    options: ResmemLanguage,
    arm: BaseArm,
    weights: dict[str, Any],
    samples: list[TaskData],
    device: str = "cpu",
) -> list[dict[str, Arrays]]:
    """Every piece once, whatever the replicates need of it.

    Args:
        options: the task's config section.
        arm: the model.
        weights: `digest` of the model's weights.
        samples: the data of each replicate.
        device: where the model runs.

    Returns:
        Per replicate and split: `logits` (n, classes), log-probabilities, and `last`, the hidden
        state that the head reads, (n, d), float32.

    Raises:
        InputError: for a model that is not the one the bases file names, or whose vocabulary is too
            small.
    """
    import torch

    model = _checked(options, arm, weights).to(device)
    text = pieces_of(options)
    width = model.get_output_embeddings().weight.shape[1]
    arrays = pretrained_bases.by_split(samples, partial(_unfilled, width))
    targets = _targets_by_piece(samples)
    order = sorted(targets, key=lambda piece: len(text.tokens[piece]))
    with torch.inference_mode():
        for batch in pretrained_bases.batches(order, options.batch, f"{arm.label}: hidden states"):
            result = _forward(model, [text.tokens[piece] for piece in batch], device)
            for number, piece in enumerate(batch):
                positions = [target.position for target in targets[piece]]
                states = result.hidden_states[-1][number, positions].float().cpu().numpy()
                log_probabilities = result.logits[number, positions].float().log_softmax(-1)
                rows = zip(targets[piece], states, log_probabilities.cpu().numpy(), strict=True)
                for target, state, line in rows:
                    part = arrays[target.replicate][target.split]
                    part["last"][target.row] = state
                    part["logits"][target.row] = _merged(line, samples[target.replicate].tokens)
    return arrays


def _checked(options: ResmemLanguage, arm: BaseArm, weights: dict[str, Any]) -> Any:
    """The arm's model, if its weights and its vocabulary are as they must be."""
    from rote.models import pretrained

    model = pretrained.causal(arm.model)
    if not np.array_equal(_digest(model), np.asarray(weights["digest"])):
        raise InputError(
            f"model {arm.model!r} is not the one that train-base saw: its weights have changed; "
            "run it again"
        )
    size = model.get_output_embeddings().weight.shape[0]
    largest = max(int(tokens.max()) for tokens in pieces_of(options).tokens)
    if largest >= size:
        raise InputError(
            f"model {arm.model!r} knows {size} tokens, "
            f"but the tokenizer gives number {largest}; set tokenizer"
        )
    longest = max(map(len, pieces_of(options).tokens))
    if longest > pretrained.context(model):
        raise InputError(
            f"model {arm.model!r} reads {pretrained.context(model)} tokens at most, "
            f"but pieces have {longest}; lower resmem.language.context"
        )
    return model


def _forward(model: Any, pieces: list[np.ndarray], device: str) -> Any:
    """What the model returns of pieces of text, padded to the longest."""
    import torch

    tokens = [torch.tensor(ids) for ids in pieces]
    lengths = torch.tensor([len(ids) for ids in tokens])
    padded = torch.nn.utils.rnn.pad_sequence(tokens, True)
    mask = torch.arange(padded.shape[1]) < lengths[:, None]
    return model(
        padded.to(device), attention_mask=mask.to(device).long(), output_hidden_states=True
    )


def _unfilled(width: int, data: TaskData, split: str) -> Arrays:
    """Arrays that `embed` fills for one split of a replicate."""
    rows = len(data.split(split).y)
    return {
        "logits": np.empty((rows, data.classes), np.float32),
        "last": np.empty((rows, width), np.float32),
    }


def _targets_by_piece(samples: list[TaskData]) -> dict[int, list[_Target]]:
    targets: dict[int, list[_Target]] = {}
    for replicate, data in enumerate(samples):
        for split in SPLITS:
            for row, (piece, position) in enumerate(data.split(split).x.tolist()):
                targets.setdefault(piece, []).append(_Target(replicate, split, row, position - 1))
    return targets


def _merged(log_probabilities: np.ndarray, tokens: np.ndarray) -> np.ndarray:
    """Log-probabilities of the tokens that are classes, and of all others together."""
    frequent = log_probabilities[tokens]
    rest = 1 - np.exp(frequent, dtype=np.float64).sum()
    return np.append(frequent, np.log(max(rest, PROBABILITY_FLOOR))).astype(np.float32)


# ---- costs


def work(options: ResmemLanguage) -> TaskWork:
    """A forward pass of every model over the positions of every replicate."""
    return pretrained_bases.work(
        [arm.weights for arm in arms(options)], options.replicates * options.train
    )


TASK = ResmemTask(
    name="language",
    title="Language models",
    settings=ResmemLanguage,
    work=work,
    needs="corpus",
    rank=10,
    load=load,
    arms=arms,
    bases=bases,
    embed=embed,
    features=last_layer,
)
