"""Causal attention of short sequences, many at a time, with rotary positions.

Libraries split the work by sequence, and one of ten tokens does not fill a vector. With 64 pairs of
sequence and head side by side, one in each lane, every operation is a fixed number of vector
instructions. In the kernels upper-case arrays are lanes, (rows, d, LANES) float32.
"""

from collections.abc import Callable
from functools import cache, wraps

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from rote.core.compiled import kernel, part

LANES = 64  # pairs of sequence and head that are worked on at a time
SHORT = 32  # longest sequence for these kernels; torch is as fast at twice that
FOUR = 4  # terms of a sum that are added at a time: the sum is loaded and stored once
f32 = np.float32
_JIT = {"error_model": "numpy", "fastmath": {"contract", "reassoc"}}
Rotation = tuple[Tensor, Tensor]  # cosines and sines, (length, rotated) each


def causal(q: Tensor, k: Tensor, v: Tensor, rotation: Rotation | None = None) -> Tensor:
    """softmax(q kᵀ/√d) v of every head, each query over its own position and those before it.

    Args:
        q: (sequences, rows, heads, d); the last row stands at the last position.
        k, v: (sequences, length, heads, d).
        rotation: turns the first coordinates of q and k by their position, halves paired (rotary
            embedding, Su et al. 2021).

    Returns:
        (sequences, rows, heads, d).
    """
    length, rows = k.shape[1], q.shape[1]
    d = q.shape[-1]
    if rotation is None:
        rotation = (q.new_ones(length, 0), q.new_zeros(length, 0))
    types = {(x.device.type, x.dtype) for x in (q, k, v)}
    if types == {("cpu", torch.float32)} and length <= SHORT and d % FOUR == 0:
        return _Causal.apply(q, k, v, *rotation)
    cos, sin = rotation
    q = _turned(q, cos[length - rows :], sin[length - rows :])
    k = _turned(k, cos, sin)
    q, k, v = (x.transpose(1, 2) for x in (q, k, v))
    square = rows == length
    mask = torch.ones(rows, length, dtype=torch.bool, device=q.device).tril(length - rows)
    output = F.scaled_dot_product_attention(
        q, k, v, attn_mask=None if square else mask, is_causal=square
    )
    return output.transpose(1, 2)


def _turned(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """The first coordinates of x (sequences, rows, heads, d) turned; cos, sin: (rows, rotated)."""
    rotated = cos.shape[-1]
    if rotated == 0:
        return x
    cos, sin = cos[:, None], sin[:, None]
    part = x[..., :rotated]
    half = rotated // 2
    part = part * cos + torch.cat([-part[..., half:], part[..., :half]], -1) * sin
    return torch.cat([part, x[..., rotated:]], -1)


class _Causal(torch.autograd.Function):
    @staticmethod
    def forward(context, q: Tensor, k: Tensor, v: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        arrays = [x.detach().numpy() for x in (q, k, v, cos, sin)]
        output = torch.empty(q.shape, dtype=q.dtype)
        _forward(*arrays, output.numpy())
        context.save_for_backward(q, k, v, cos, sin)
        return output

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(context, gradient: Tensor):
        arrays = [x.detach().numpy() for x in context.saved_tensors]
        gradients = [torch.empty(x.shape, dtype=x.dtype) for x in context.saved_tensors[:3]]
        outputs = [x.numpy() for x in gradients]
        _backward(*arrays, gradient.contiguous().numpy(), *outputs)
        return *gradients, None, None


def _compiled(contiguous: int) -> Callable[[Callable], Callable]:
    """Compile a kernel on its first call, once for all strides: each set of them takes seconds.

    Args:
        contiguous: number of the kernel's contiguous arrays, after q, k, v, cos and sin.
    """
    types = ["f4[:,:,:,:]"] * 3 + ["f4[:,:]"] * 2 + ["f4[:,:,:,::1]"] * contiguous
    signature = f"void({', '.join(types)})"

    def decorate(function: Callable) -> Callable:
        compiled = cache(lambda: kernel(signature, **_JIT)(function))
        return wraps(function)(lambda *arrays: compiled()(*arrays))

    return decorate


@part
def _load(x, start, lanes):
    """lanes[i, c, lane] = x[sequence, i, head, c]; the lanes after the last pair are zero."""
    sequences, rows, heads, d = x.shape
    for lane in range(LANES):
        n = start + lane
        if n < sequences * heads:
            for i in range(rows):
                for c in range(d):
                    lanes[i, c, lane] = x[n // heads, i, n % heads, c]
        else:
            lanes[:, :, lane] = 0


@part
def _store(lanes, start, x):
    """The inverse of `_load`."""
    sequences, rows, heads, d = x.shape
    for lane in range(min(LANES, sequences * heads - start)):
        n = start + lane
        for i in range(rows):
            for c in range(d):
                x[n // heads, i, n % heads, c] = lanes[i, c, lane]


@part
def _turn(lanes, rows, cos, sin, first, direction):
    """Rotate by position, or back again with direction −1."""
    half = cos.shape[1] // 2
    for i in range(rows):
        for c in range(half):
            a, b = cos[first + i, c], direction * sin[first + i, c]
            e, f = cos[first + i, c + half], direction * sin[first + i, c + half]
            for lane in range(LANES):
                x, y = lanes[i, c, lane], lanes[i, c + half, lane]
                if direction > 0:
                    lanes[i, c, lane], lanes[i, c + half, lane] = x * a - y * b, y * e + x * f
                else:
                    lanes[i, c, lane], lanes[i, c + half, lane] = x * a - y * f, y * e + x * b


@part
def _fill(q, k, v, cos, sin, start, Q, K, V):
    """Queries, keys and values of the pairs from `start` on, turned by their position."""
    _load(q, start, Q)
    _load(k, start, K)
    _load(v, start, V)
    _turn(Q, q.shape[1], cos, sin, k.shape[1] - q.shape[1], 1)
    _turn(K, k.shape[1], cos, sin, 0, 1)


@part
def _add(total, a0, a1, a2, a3, b0, b1, b2, b3):
    """total += a0 b0 + ... + a3 b3, lane by lane."""
    for lane in range(LANES):
        total[lane] += (
            a0[lane] * b0[lane] + a1[lane] * b1[lane] + a2[lane] * b2[lane] + a3[lane] * b3[lane]
        )


@part
def _products(row, others, n, d, out):
    """out[j] = row · others[j] for j < n."""
    for j in range(n):
        out[j] = 0
        for c in range(0, d, FOUR):
            a, b = row[c : c + FOUR], others[j, c : c + FOUR]
            _add(out[j], a[0], a[1], a[2], a[3], b[0], b[1], b[2], b[3])


@part
def _weighted(weights, rows, begin, end, d, out):
    """out = Σ weights[j] rows[j] over begin ≤ j < end, both multiples of four."""
    for c in range(d):
        out[c] = 0
        for j in range(begin, end, FOUR):
            w = weights[j : j + FOUR]
            _add(
                out[c],
                w[0],
                w[1],
                w[2],
                w[3],
                rows[j, c],
                rows[j + 1, c],
                rows[j + 2, c],
                rows[j + 3, c],
            )


@part
def _exp(x):
    """e^x to a relative error of 1e-7 for −87 ≤ x ≤ 0, e^−87 below; a loop of it vectorizes."""
    x = max(x, f32(-87.0))
    # x is not positive: this rounds to the nearest
    exponent = np.int32(x * f32(1.4426950408889634) - f32(0.5))
    # the remainder, ln 2 in two parts
    r = x - f32(exponent) * f32(0.693145751953125) - f32(exponent) * f32(1.428606765330187e-06)
    tail = f32(1 / 24) + r * (f32(1 / 120) + r * (f32(1 / 720) + r * f32(1 / 5040)))
    series = f32(1) + r * (f32(1) + r * (f32(0.5) + r * (f32(1 / 6) + r * tail)))
    return series * np.int32((exponent + 127) << 23).view(f32)  # times 2^exponent, from its bits


@part
def _softmax(scores, n, scale, highest, total):
    """In place over scores[:n], lane by lane; zero up to the next multiple of four.

    Args:
        scores: (up, LANES).
        highest, total: (LANES,) buffers.
    """
    highest[:] = scores[0]
    for j in range(1, n):
        for lane in range(LANES):
            highest[lane] = max(highest[lane], scores[j, lane])
    total[:] = 0
    for j in range(n):
        for lane in range(LANES):
            scores[j, lane] = _exp((scores[j, lane] - highest[lane]) * scale)
            total[lane] += scores[j, lane]
    for lane in range(LANES):
        total[lane] = f32(1) / total[lane]
    for j in range(n):
        for lane in range(LANES):
            scores[j, lane] *= total[lane]
    scores[n : -(-n // FOUR) * FOUR] = 0


@_compiled(contiguous=1)
def _forward(q, k, v, cos, sin, out):
    """Attention of all pairs of sequence and head, LANES at a time; `out` is shaped as q."""
    sequences, rows, heads, d = q.shape
    length = k.shape[1]
    first = length - rows
    up = -(-length // FOUR) * FOUR
    scale = f32(1 / np.sqrt(d))
    Q, A = np.empty((rows, d, LANES), f32), np.empty((rows, d, LANES), f32)
    K, V = np.zeros((up, d, LANES), f32), np.zeros((up, d, LANES), f32)
    P = np.empty((up, LANES), f32)
    highest, total = np.empty(LANES, f32), np.empty(LANES, f32)
    for start in range(0, sequences * heads, LANES):
        _fill(q, k, v, cos, sin, start, Q, K, V)
        for i in range(rows):
            n = first + i + 1
            _products(Q[i], K, n, d, P)
            _softmax(P, n, scale, highest, total)
            _weighted(P, V, 0, n, d, A[i])
        _store(A, start, out)


@_compiled(contiguous=4)
def _backward(q, k, v, cos, sin, gradient, of_q, of_k, of_v):
    """Gradients with respect to q, k and v, from that of the output, LANES pairs at a time."""
    sequences, rows, heads, d = q.shape
    length = k.shape[1]
    first = length - rows
    up, over = -(-length // FOUR) * FOUR, -(-rows // FOUR) * FOUR
    scale = f32(1 / np.sqrt(d))
    Q, G = np.zeros((over, d, LANES), f32), np.zeros((over, d, LANES), f32)
    K, V = np.zeros((up, d, LANES), f32), np.zeros((up, d, LANES), f32)
    dQ = np.empty((rows, d, LANES), f32)
    dK, dV = np.empty((length, d, LANES), f32), np.empty((length, d, LANES), f32)
    # softmax and the gradient of its scores:
    # by query for the queries' gradient, by key for the others
    P, S = np.empty((up, LANES), f32), np.empty((up, LANES), f32)
    by_key, of_scores = np.zeros((length, over, LANES), f32), np.zeros((length, over, LANES), f32)
    highest, total = np.empty(LANES, f32), np.empty(LANES, f32)
    for start in range(0, sequences * heads, LANES):
        _fill(q, k, v, cos, sin, start, Q, K, V)
        _load(gradient, start, G)
        for i in range(rows):
            n = first + i + 1
            _products(Q[i], K, n, d, P)
            _softmax(P, n, scale, highest, total)
            _products(G[i], V, n, d, S)
            total[:] = 0
            for j in range(n):
                for lane in range(LANES):
                    total[lane] += P[j, lane] * S[j, lane]
            for j in range(n):
                for lane in range(LANES):
                    S[j, lane] = P[j, lane] * (S[j, lane] - total[lane]) * scale
                by_key[j, i] = P[j]
                of_scores[j, i] = S[j]
            S[n : -(-n // FOUR) * FOUR] = 0
            _weighted(S, K, 0, n, d, dQ[i])
        for j in range(length):
            # queries before the key do not see it: zero there
            begin = max(j - first, 0) // FOUR * FOUR
            _weighted(of_scores[j], Q, begin, rows, d, dK[j])
            _weighted(by_key[j], G, begin, rows, d, dV[j])
        _turn(dQ, rows, cos, sin, first, -1)
        _turn(dK, length, cos, sin, 0, -1)
        _store(dQ, start, of_q)
        _store(dK, start, of_k)
        _store(dV, start, of_v)
