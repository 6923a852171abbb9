"""Parts of stacks of small networks against torch's own: products, short attention, norms."""

from collections.abc import Callable, Sequence

import torch
from rote import train
from rote.models import attention, norms, products
from torch import Tensor
from torch.nn import functional as F

from tests.benchmarks.case import Case, Growth, Work

ROUNDS = 50
# the chain's: 12 networks, 256 facts of 8 tokens, 2 heads of width 8
SEQUENCES = 3072
LENGTH = 8
HEADS = 2
WIDTH = 8


def _with_gradients(function: Callable[..., Tensor], inputs: Sequence[Tensor]) -> Work:
    """The function and its gradients in all inputs."""
    leaves = [x.detach().clone().requires_grad_() for x in inputs]
    weights = torch.randn(function(*leaves).shape, generator=torch.Generator().manual_seed(1))

    def work() -> list[Tensor]:
        output = function(*leaves)
        return [output, *torch.autograd.grad(output, leaves, weights)]

    return work


def _case(
    ours: Callable[..., Tensor], peer: Callable[..., Tensor], inputs: Sequence[Tensor], **more
) -> Case:
    works = [_with_gradients(function, inputs) for function in (ours, peer)]
    for output, expected in zip(works[0](), works[1](), strict=True):
        torch.testing.assert_close(output, expected, atol=1e-3, rtol=1e-4)
    train.keep_freed_memory()  # as in every training: both ways reuse the memory of the call before
    more |= {name: ROUNDS * more[name] for name in ("flops", "moved") if name in more}
    return Case(*(_often(work) for work in works), repeats=9, **more)


def _often(work: Work) -> Work:
    """A call takes a millisecond: too short for the clock."""

    def rounds() -> None:
        for _ in range(ROUNDS):
            work()

    return rounds


def _drawn(*shapes: Sequence[int]) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(shape, generator=generator) for shape in shapes]


def stacked_products():
    """36 products of 192 x 64 and 64 x 96, and their gradients: by NumPy's BLAS / torch.bmm"""
    return _case(
        products.bmm,
        torch.bmm,
        _drawn((36, 192, 64), (36, 64, 96)),
        flops=3 * 2 * 36 * 192 * 64 * 96,
    )


def short_attention():
    """Causal attention of 3,072 sequences of 8 tokens, 2 heads of width 8:
    lanes / scaled_dot_product_attention
    """

    def peer(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        q, k, v = (x.transpose(1, 2) for x in (q, k, v))
        return F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2)

    pairs = SEQUENCES * HEADS * LENGTH * (LENGTH + 1) // 2
    inputs = _drawn(*[(SEQUENCES, LENGTH, HEADS, WIDTH)] * 3)
    note = "transposing into lanes and back moves as many numbers as there are products"
    return _case(attention.causal, peer, inputs, flops=7 * 2 * pairs * WIDTH, note=note)


def narrow_norms():
    """Layer normalization of 24,576 rows of 16: ours / torch.nn.functional.layer_norm"""
    inputs = _drawn((12, 2048, 16))
    return _case(
        norms.layer_norm, lambda x: F.layer_norm(x, (16,)), inputs, moved=5 * inputs[0].nbytes
    )


def _attention(sequences: int) -> Work:
    return _with_gradients(attention.causal, _drawn(*[(sequences, LENGTH, HEADS, WIDTH)] * 3))


COMPARISONS = [stacked_products, short_attention, narrow_norms]
GROWTH = [
    Growth(
        "attention of short sequences",
        "sequences of 8 tokens",
        (768, 3072, 12_288, 49_152),
        _attention,
    )
]
