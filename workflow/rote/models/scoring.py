"""The loss of texts under a causal language model."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
import torch

from rote.core import fields
from rote.core.errors import InputError
from rote.data.corpora import Document
from rote.models import pretrained


class Score(NamedTuple):
    """What a model says of one text."""

    id: str
    loss: float  # nats, summed over the tokens after the first
    tokens: int  # that the loss is of
    bits: float  # the loss in bits
    text: str


def scored(
    model: str, documents: Iterable[Document], *, batch: int = 16, device: str = "cpu"
) -> Iterator[Score]:
    """The loss of every text, in the order given.

    The first token is scored only if the tokenizer has a token for the beginning of a text, which
    then stands before it. A text of more tokens than the model reads is scored in windows, each of
    which begins anew.

    Args:
        model: folder or hub id of a causal language model with its tokenizer.
        documents: texts with ids.
        batch: texts at one time, ≥ 1.
        device: where the model lies.

    Raises:
        InputError: for a model or tokenizer that is not there, an empty text, naming it, or no
            text at all.
    """
    fields.check({"batch": fields.SIZE}, {"batch": batch})
    tokenizer = pretrained.tokenizer(model, fast=False)
    body = pretrained.causal(model).to(device)
    length = pretrained.context(body)
    begin = [] if tokenizer.bos_token_id is None else [tokenizer.bos_token_id]
    documents = iter(documents)
    count = 0
    while part := list(islice(documents, batch)):
        windows = []
        owners = []
        for row, document in enumerate(part):
            token_ids = tokenizer(document.text, add_special_tokens=False)["input_ids"]
            step = length - len(begin)
            pieces = [token_ids[at : at + step] for at in range(0, len(token_ids), step)]
            pieces = [begin + piece for piece in pieces if len(begin + piece) > 1]
            if not pieces:
                raise InputError(f"text {document.id} has no token that a loss is of; leave it out")
            windows += pieces
            owners += [row] * len(pieces)
        losses = np.zeros(len(part))
        tokens = np.zeros(len(part), int)
        for first in range(0, len(windows), batch):
            of = owners[first : first + batch]
            piece_losses, piece_tokens = _losses(body, windows[first : first + batch], device)
            np.add.at(losses, of, piece_losses)
            np.add.at(tokens, of, piece_tokens)
        for document, loss, size in zip(part, losses, tokens, strict=True):
            bits = float(loss) / float(np.log(2))
            yield Score(document.id, float(loss), int(size), bits, document.text)
        count += len(part)
    if not count:
        raise InputError("there are no texts to score")


def _losses(body: Any, windows: list[list[int]], device: str) -> tuple[np.ndarray, np.ndarray]:
    """Loss in nats of each window, summed over its tokens after the first, and their number."""
    sizes = np.array([len(window) for window in windows])
    token_ids = torch.zeros(len(windows), int(sizes.max()), dtype=torch.long)
    for row, window in enumerate(windows):
        token_ids[row, : len(window)] = torch.tensor(window)
    token_ids = token_ids.to(device)
    present = torch.arange(token_ids.shape[1], device=device) < torch.tensor(
        sizes, device=device
    ).unsqueeze(1)
    with torch.no_grad():
        logits = body(input_ids=token_ids, attention_mask=present.long(), use_cache=False).logits
    # in 64 bits: a sum over thousands of tokens, compared between texts
    logprobs = logits[:, :-1].double().log_softmax(-1)
    of_tokens = -logprobs.gather(2, token_ids[:, 1:, None])[..., 0]
    return (of_tokens * present[:, 1:]).sum(1).cpu().numpy(), sizes - 1
