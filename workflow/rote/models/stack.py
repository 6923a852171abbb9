"""What a stack of language models is."""

from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor

from rote.models.products import bmm

Parameters = dict[str, Tensor]


class Stack(NamedTuple):
    """Stacked language models of one architecture."""

    parameters: Parameters  # each (models, ...)
    forward: Callable[..., Tensor]  # (parameters, tokens, first=0, low=0) -> logits
    size: int  # parameters of one model
    features: Callable[
        ..., Tensor
    ]  # (parameters, tokens, first=0) -> what the head reads, (models, batch, length, d)
    head: Callable[
        [Parameters], Tensor
    ]  # parameters -> (models, vocabulary, d): logits are features · headᵀ


def stacked(
    parameters: Parameters, features: Callable[..., Tensor], head: Callable[[Parameters], Tensor]
) -> Stack:
    """A stack from what its head reads, and the head's weights."""

    def forward(p: Parameters, tokens: Tensor, first: int = 0, low: int = 0) -> Tensor:
        found, weights = features(p, tokens, first), head(p)[:, low:]
        models, batch, length, d = found.shape
        return bmm(found.reshape(models, -1, d), weights.mT).view(models, batch, length, -1)

    return Stack(
        parameters, forward, sum(value[0].numel() for value in parameters.values()), features, head
    )
