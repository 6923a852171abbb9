"""Products of stacked matrices: on a CPU by NumPy's BLAS, which uses the full width of its vectors.

Torch's own (MKL) keeps to half of it on AMD's processors, and is slow for matrices of one column.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor


def bmm(a: Tensor, b: Tensor, bias: Tensor | None = None) -> Tensor:
    """a @ b + bias, with gradients, also inside `torch.func`.

    Args:
        a: (models, ..., rows, k).
        b: (models, ..., k, columns).
        bias: (models, 1, columns), if these are stacks of matrices.

    Returns:
        (models, ..., rows, columns).
    """
    plain = not (torch.is_autocast_enabled("cpu") or torch._C._are_functorch_transforms_active())
    if plain and a.is_cpu and a.dtype in (torch.float32, torch.float64):
        return _Product.apply(a, b, bias)
    return a @ b if bias is None else torch.baddbmm(bias, a, b)


@contextmanager
def full_precision() -> Iterator[None]:
    """float32 keeps its 24 bits on devices, where torch lets convolutions use TF32's 11."""
    backends = (torch.backends.cuda.matmul, torch.backends.cudnn)
    before = [backend.allow_tf32 for backend in backends]
    try:
        for backend in backends:
            backend.allow_tf32 = False
        yield
    finally:
        for backend, allowed in zip(backends, before, strict=True):
            backend.allow_tf32 = allowed


def multiply(a: Tensor, b: Tensor) -> Tensor:
    """a @ b on the CPU, outside of autograd.

    Args:
        a: (models, ..., rows, k).
        b: (models, ..., k, columns).

    Returns:
        (models, ..., rows, columns), of the dtype of `a`.
    """
    if a.shape[-1] == 1:
        return a * b
    a, b = _for_blas(a), _for_blas(b)
    product = torch.empty(*a.shape[:-1], b.shape[-1], dtype=a.dtype)
    np.matmul(a.numpy(), b.numpy(), out=product.numpy())
    return product


def _for_blas(a: Tensor) -> Tensor:
    """`a`, or a copy where NumPy would not use BLAS for the strides of its rows and columns."""
    row, column = a.stride()[-2:]
    rows, columns = a.shape[-2:]
    plain = (column == 1 and row >= columns) or (row == 1 and column >= rows)
    return (a if plain else a.contiguous()).detach()


class _Product(torch.autograd.Function):
    # without `setup_context`, which `torch.func` would need: with it each call inspects the
    # signature, for 20 µs
    @staticmethod
    def forward(context, a: Tensor, b: Tensor, bias: Tensor | None) -> Tensor:
        context.save_for_backward(a, b)
        product = multiply(a, b)
        return product if bias is None else product.add_(bias)

    @staticmethod
    def backward(context, gradient: Tensor) -> tuple[Tensor | None, ...]:
        a, b = context.saved_tensors
        of_a, of_b, of_bias = context.needs_input_grad
        return (
            bmm(gradient, b.mT) if of_a else None,
            bmm(a.mT, gradient) if of_b else None,
            gradient.sum(1, keepdim=True) if of_bias else None,
        )
