"""Causal attention of transformers' models by one fused kernel, compiled or not.

Left to itself, transformers hands a compiled model an explicit mask, with which torch cannot use
its flash kernel.
"""

from typing import Any

from torch import Tensor
from torch.nn import functional as F

from rote.data.images import torchvision

NAME = "rote_causal"


def register() -> str:
    """Make the kernel known to transformers.

    Returns:
        Its name, for the `attn_implementation` of a config. For whole sequences, without a cache
        and padded at their ends alone.
    """
    torchvision()  # beside a CPU build of torch, parts of transformers fail to import without it
    from transformers import AttentionInterface, AttentionMaskInterface

    AttentionInterface.register(NAME, _attention)
    AttentionMaskInterface.register(NAME, _no_mask)
    return NAME


def _attention(
    module: Any, query: Tensor, key: Tensor, value: Tensor, mask: None, **options: Any
) -> tuple[Tensor, None]:
    """(batch, heads, length, d) each -> (batch, length, heads, d), and no weights."""
    output = F.scaled_dot_product_attention(
        query, key, value, is_causal=True, scale=options.get("scaling")
    )
    return output.transpose(1, 2), None


def _no_mask(*arguments: Any, **options: Any) -> None:
    """The kernel knows that it is causal."""
