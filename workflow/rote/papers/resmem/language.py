"""Causal language models that are taken, not trained, on a text of your own: next tokens and hidden
states.

A vocabulary has tens of thousands of tokens, and logits of all of them for every remembered
position would fill disks. The most frequent tokens are told apart and the others are one class,
whose probability is the sum of theirs: exact at temperature 1.
"""

import hashlib
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from rote.core.errors import InputError
from rote.core.job import track
from rote.data import corpora
from rote.models import pretrained
from rote.papers.resmem import settings

if TYPE_CHECKING:
    from rote.papers.resmem.datasets import Split


class Pieces(NamedTuple):
    """A tokenized text, cut where documents end and where the context is full."""

    tokens: list[np.ndarray]  # of every piece
    documents: np.ndarray  # (pieces,) number of its document


@cache
def pieces(corpus: str, column: str, limit: int, tokenizer: str, context: int) -> Pieces:
    """The first `limit` documents of a corpus in pieces of up to `context` tokens, those of one
    token left out.

    Raises:
        InputError: for a corpus or a tokenizer that cannot be read.
    """
    encode = pretrained.tokenizer(tokenizer, fast=False)
    found, numbers = [], []
    for number, document in enumerate(
        track(corpora.documents(corpus, column), "tokens", total=limit)
    ):
        if number == limit:
            break
        ids = np.array(encode(document.text, add_special_tokens=False)["input_ids"], np.int64)
        cut = [ids[at : at + context] for at in range(0, len(ids) - 1, context)]
        found += [piece for piece in cut if len(piece) > 1]
        numbers += [number] * (len(found) - len(numbers))
    return Pieces(found, np.array(numbers, np.int64))


def _pieces(options: settings.Language) -> Pieces:
    tokenizer = options.tokenizer or options.models[0]
    return pieces(options.corpus, options.column, options.documents, tokenizer, options.context)


def draw(options: settings.Language, rng: np.random.Generator) -> "tuple[list[Split], np.ndarray]":
    """Positions to remember, to tune on and to test on, of documents apart from each other.

    Returns:
        Splits, whose inputs are (piece, position) of the token to predict, (n, 2), and labels its
        class; and the tokens that are told apart, by class: the most frequent ones among the
        training labels. One more class holds the rest.

    Raises:
        InputError: for a corpus with too few documents or positions.
    """
    from rote.papers.resmem.datasets import Split

    text = _pieces(options)
    documents = np.unique(text.documents)
    if len(documents) < 10:
        raise InputError(
            f"resmem.language.corpus {options.corpus}: {len(documents)} documents of two tokens "
            "or more, at least 10 "
            "are needed to have training, validation and test documents apart"
        )
    tenth = len(documents) // 10
    test, valid, train = np.split(rng.permutation(documents), [tenth, 2 * tenth])
    chosen = []
    for name, some, count in (
        ("train", train, options.train),
        ("valid", valid, options.valid),
        ("test", test, options.test),
    ):
        numbers = np.flatnonzero(np.isin(text.documents, some))
        sizes = np.array([len(text.tokens[number]) - 1 for number in numbers])
        total = int(sizes.sum())
        if total < count:
            raise InputError(
                f"resmem.language.corpus {options.corpus}: {total:,} positions in the {name} "
                "documents, "
                f"resmem.language.{name} asks for {count:,}"
            )
        flat = np.sort(rng.choice(total, count, replace=False))
        ends = np.cumsum(sizes)
        which = np.searchsorted(ends, flat, side="right")
        chosen.append(np.column_stack([numbers[which], flat - (ends - sizes)[which] + 1]))
    wanted = [np.array([text.tokens[piece][at] for piece, at in some]) for some in chosen]
    tokens, counts = np.unique(wanted[0], return_counts=True)
    known = tokens[np.argsort(-counts, kind="stable")][: options.vocabulary]
    place = {int(token): number for number, token in enumerate(known)}
    labels = [np.array([place.get(int(token), len(known)) for token in some]) for some in wanted]
    return [Split(x, y, y) for x, y in zip(chosen, labels, strict=True)], known


def bases(options: settings.Language) -> dict[str, np.ndarray]:
    """What identifies each model: the SHA-256 of its weights, so that later steps use the same
    ones.
    """
    return {f"{model}/digest": _digest(pretrained.causal(model)) for model in options.models}


def embed(
    options: settings.Language,
    name: str,
    weights: dict[str, Any],
    rngs: list[np.random.Generator],
    device: str = "cpu",
) -> list[dict[str, dict[str, np.ndarray]]]:
    """Per generator and split: `logits` (n, classes) and `last`, the hidden state that the head
    reads, (n, d).

    Raises:
        InputError: for a model that is not the one the bases file names, or whose vocabulary is too
            small.
    """
    import torch

    model = pretrained.causal(name)
    if not np.array_equal(_digest(model), np.asarray(weights["digest"])):
        raise InputError(
            f"model {name!r} is not the one that train-base saw: its weights have changed; run it "
            "again"
        )
    model.to(device)
    text, drawn = _pieces(options), [draw(options, rng) for rng in rngs]
    size = model.get_output_embeddings().weight.shape[0]
    most = max(int(piece.max()) for piece in text.tokens)
    if most >= size:
        raise InputError(
            f"model {name!r} knows {size} tokens, but the tokenizer gives number {most}; set "
            "tokenizer"
        )
    width = model.get_output_embeddings().weight.shape[1]
    out = [
        {
            split: {
                "logits": np.empty((len(part.y), len(known) + 1), np.float32),
                "last": np.empty((len(part.y), width), np.float32),
            }
            for split, part in zip(("train", "valid", "test"), splits, strict=True)
        }
        for splits, known in drawn
    ]
    wanted: dict[int, list[tuple[int, str, int, int]]] = {}
    for replicate, (splits, _) in enumerate(drawn):
        for split, part in zip(("train", "valid", "test"), splits, strict=True):
            for row, (piece, at) in enumerate(part.x.tolist()):
                wanted.setdefault(piece, []).append((replicate, split, row, at - 1))
    order = sorted(wanted, key=lambda piece: len(text.tokens[piece]))
    with torch.inference_mode():
        for begin in track(range(0, len(order), options.batch), f"{name}: hidden states"):
            batch = order[begin : begin + options.batch]
            tokens = torch.nn.utils.rnn.pad_sequence(
                [torch.tensor(text.tokens[piece]) for piece in batch], True
            )
            mask = (
                torch.arange(tokens.shape[1])
                < torch.tensor([len(text.tokens[piece]) for piece in batch])[:, None]
            )
            found = model(
                tokens.to(device), attention_mask=mask.to(device).long(), output_hidden_states=True
            )
            states, logits = found.hidden_states[-1], found.logits
            for number, piece in enumerate(batch):
                places = [at for *_, at in wanted[piece]]
                last = states[number, places].float().cpu().numpy()
                chances = logits[number, places].float().log_softmax(-1).cpu().numpy()
                for (replicate, split, row, _), state, line in zip(
                    wanted[piece], last, chances, strict=True
                ):
                    out[replicate][split]["last"][row] = state
                    out[replicate][split]["logits"][row] = _merged(line, drawn[replicate][1])
    return out


def _merged(chances: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Log-probabilities of the tokens told apart, and of all others together."""
    kept = chances[known]
    rest = 1 - np.exp(kept, dtype=np.float64).sum()
    return np.append(kept, np.log(max(rest, 1e-30))).astype(np.float32)


def _digest(model: Any) -> np.ndarray:
    """SHA-256 of a model's weights, (32,) uint8."""
    import torch

    found = hashlib.sha256()
    for name, value in sorted(model.state_dict().items()):
        found.update(name.encode())
        found.update(value.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy())
    return np.frombuffer(found.digest(), np.uint8).copy()
