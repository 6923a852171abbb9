"""What a stack of language models is."""

from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor

Parameters = dict[str, Tensor]


class Stack(NamedTuple):
    """Stacked language models of one architecture."""

    parameters: Parameters  # each (models, ...)
    forward: Callable[..., Tensor]  # (parameters, tokens, first=0, low=0) -> logits
    size: int  # parameters of one model
