"""Layer normalization of narrow rows on a CPU, four times as fast as torch's calls per row."""

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from rote.core.compiled import kernel

EPS = 1e-5
f32 = np.float32
_JIT = {"error_model": "numpy", "fastmath": {"contract", "reassoc"}}


def layer_norm(x: Tensor) -> Tensor:
    """Rows less their mean, over their standard deviation, without scale and shift.

    On a CPU in single precision differentiable once; elsewhere, and inside `torch.func`, it is
    torch's.

    Args:
        x: (..., d).

    Returns:
        (..., d).
    """
    if x.is_cpu and x.dtype == torch.float32 and not torch._C._are_functorch_transforms_active():
        return _LayerNorm.apply(x)
    return F.layer_norm(x, x.shape[-1:], eps=EPS)


class _LayerNorm(torch.autograd.Function):
    @staticmethod
    def forward(context, x: Tensor) -> Tensor:
        normed, scales = torch.empty(x.shape), torch.empty(x.shape[:-1])
        _normalize(_rows(x), _rows(normed), scales.view(-1).numpy())
        context.save_for_backward(normed, scales)
        return normed

    @staticmethod
    @once_differentiable
    def backward(context, gradient: Tensor) -> Tensor:
        normed, scales = context.saved_tensors
        of_x = torch.empty(gradient.shape)
        _gradient(_rows(gradient), _rows(normed), scales.view(-1).numpy(), _rows(of_x))
        return of_x


def _rows(x: Tensor) -> np.ndarray:
    return x.detach().contiguous().view(-1, x.shape[-1]).numpy()


@kernel(**_JIT)
def _normalize(x, normed, scales):
    """Write the normalized rows of x (rows, d), and one over each row's standard deviation."""
    rows, d = x.shape
    share = f32(1 / d)
    for i in range(rows):
        mean, square = f32(0), f32(0)
        for c in range(d):
            mean += x[i, c]
        mean *= share
        for c in range(d):
            square += (x[i, c] - mean) ** 2
        scales[i] = f32(1) / np.sqrt(square * share + f32(EPS))
        for c in range(d):
            normed[i, c] = (x[i, c] - mean) * scales[i]


@kernel(**_JIT)
def _gradient(gradient, normed, scales, of_x):
    """Write the gradient with respect to x, from that of the normalized rows."""
    rows, d = gradient.shape
    share = f32(1 / d)
    for i in range(rows):
        mean, along = f32(0), f32(0)
        for c in range(d):
            mean += gradient[i, c]
            along += gradient[i, c] * normed[i, c]
        mean, along = mean * share, along * share
        for c in range(d):
            of_x[i, c] = (gradient[i, c] - mean - normed[i, c] * along) * scales[i]
