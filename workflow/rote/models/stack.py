"""Stacks: many networks of one architecture, their parameters on a leading `models` axis."""

from collections.abc import Callable
from typing import Any, NamedTuple

from torch import Tensor

from rote.models.products import bmm

Parameters = dict[str, Tensor]  # by name, each (models, ...)


class Transformer(NamedTuple):
    """Architecture and sizes of a decoder."""

    architecture: str  # decoder, gpt2, gpt_neox or llama
    vocabulary: int  # token ids
    length: int  # tokens of the longest input
    width: int  # of the residual stream; a multiple of `heads`
    layers: int
    heads: int


class Stack(NamedTuple):
    """Stacked networks of one architecture.

    `forward(parameters, x, training)` takes inputs x (models, batch, ...) and returns what the
    function that built the stack documents. While training it updates the buffers in place.
    """

    parameters: Parameters
    buffers: Parameters  # running statistics of batch normalization
    forward: Callable[[Parameters, Tensor, bool], Any]


class LanguageStack(NamedTuple):
    """Stacked language models of one architecture; tokens are (models, batch, length) int64 ids."""

    parameters: Parameters
    # (parameters, tokens, first=0, low=0) -> logits of the positions from `first` and the token ids
    # from `low` on, (models, batch, length - first, vocabulary - low)
    forward: Callable[..., Tensor]
    size: int  # parameters of one model
    # (parameters, tokens, first=0) -> what the head reads, (models, batch, length - first, d)
    features: Callable[..., Tensor]
    # parameters -> (models, vocabulary, d): logits are features · headᵀ
    head: Callable[[Parameters], Tensor]


def stacked(
    parameters: Parameters, features: Callable[..., Tensor], head: Callable[[Parameters], Tensor]
) -> LanguageStack:
    """A stack from what its head reads, and the head's weights.

    Args:
        parameters: of the models, each (models, ...).
        features: see `LanguageStack`.
        head: see `LanguageStack`.

    Returns:
        The stack, its `forward` being their product.
    """

    def forward(p: Parameters, tokens: Tensor, first: int = 0, low: int = 0) -> Tensor:
        hidden = features(p, tokens, first)
        weights = head(p)[:, low:]
        models, batch, length, d = hidden.shape
        return bmm(hidden.reshape(models, -1, d), weights.mT).view(models, batch, length, -1)

    size = sum(value[0].numel() for value in parameters.values())
    return LanguageStack(
        parameters=parameters, forward=forward, size=size, features=features, head=head
    )
