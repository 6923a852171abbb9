"""Causal attention of short sequences, many at a time, with rotary positions.

Libraries split the work by sequence, and one of ten tokens does not fill a vector. Here 64 pairs of
sequence and head lie side by side, one in each lane, so that every operation is a fixed number of
vector instructions.
"""

from collections.abc import Callable
from functools import cache

import numpy as np
import torch
from numba import njit
from torch import Tensor
from torch.nn import functional as F

LANES = 64  # pairs of sequence and head that are worked on at a time
SHORT = 32  # longest sequence that is; torch is as fast at twice that
FOUR = 4  # terms of a sum that are added at a time: the sum is loaded and stored once
f32 = np.float32
_JIT = {"cache": True, "error_model": "numpy", "fastmath": {"contract", "reassoc"}}
Rotation = tuple[Tensor, Tensor]  # cosines and sines, (length, rotated) each


def causal(q: Tensor, k: Tensor, v: Tensor, rotation: Rotation | None = None) -> Tensor:
    """softmax(q kᵀ/√d) v of every head, each query over its own position and those before it.

    Args:
        q: (sequences, rows, heads, d); the last row stands at the last position.
        k, v: (sequences, length, heads, d).
        rotation: turns the first numbers of q and k by their position (rotary embedding), halves
            paired.

    Returns:
        (sequences, rows, heads, d).
    """
    length, rows, d = k.shape[1], q.shape[1], q.shape[-1]
    if rotation is None:
        rotation = (q.new_ones(length, 0), q.new_zeros(length, 0))
    kinds = {(x.device.type, x.dtype) for x in (q, k, v)}
    if kinds == {("cpu", torch.float32)} and length <= SHORT and d % FOUR == 0:
        return _Causal.apply(q, k, v, *rotation)
    cos, sin = rotation
    q, k = _turned(q, cos[length - rows :], sin[length - rows :]), _turned(k, cos, sin)
    q, k, v = (x.transpose(1, 2) for x in (q, k, v))
    mask = torch.ones(rows, length, dtype=torch.bool, device=q.device).tril(length - rows)
    whole = rows == length
    found = F.scaled_dot_product_attention(
        q, k, v, attn_mask=None if whole else mask, is_causal=whole
    )
    return found.transpose(1, 2)


def _turned(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """The first numbers of x (sequences, rows, heads, d) turned by their position; cos and sin are
    (rows, rotated).
    """
    rotated = cos.shape[-1]
    if rotated == 0:
        return x
    cos, sin, part = cos[:, None], sin[:, None], x[..., :rotated]
    half = rotated // 2
    part = part * cos + torch.cat([-part[..., half:], part[..., :half]], -1) * sin
    return torch.cat([part, x[..., rotated:]], -1)


class _Causal(torch.autograd.Function):
    @staticmethod
    def forward(context, q: Tensor, k: Tensor, v: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        arrays = [x.detach().numpy() for x in (q, k, v, cos, sin)]
        found = torch.empty(q.shape, dtype=q.dtype)
        _lanes(_forward, 1)(*arrays, found.numpy())
        context.save_for_backward(q, k, v, cos, sin)
        return found

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(context, gradient: Tensor):
        arrays = [x.detach().numpy() for x in context.saved_tensors]
        found = [torch.empty(x.shape, dtype=x.dtype) for x in context.saved_tensors[:3]]
        _lanes(_backward, 4)(*arrays, gradient.contiguous().numpy(), *(x.numpy() for x in found))
        return *found, None, None


@cache
def _lanes(function: Callable, others: int) -> Callable:
    """`function` of q, k, v, cos, sin and contiguous arrays, compiled once for all strides: each
    set takes seconds.
    """
    x, table, other = "f4[:,:,:,:]", "f4[:,:]", "f4[:,:,:,::1]"
    return njit(f"void({', '.join([x, x, x, table, table, *[other] * others])})", **_JIT)(function)


@njit(inline="always")
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


@njit(inline="always")
def _store(lanes, start, x):
    sequences, rows, heads, d = x.shape
    for lane in range(min(LANES, sequences * heads - start)):
        n = start + lane
        for i in range(rows):
            for c in range(d):
                x[n // heads, i, n % heads, c] = lanes[i, c, lane]


@njit(inline="always")
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


@njit(inline="always")
def _fill(q, k, v, cos, sin, start, Q, K, V):
    """Queries, keys and values of the pairs from `start` on, turned by their position."""
    _load(q, start, Q)
    _load(k, start, K)
    _load(v, start, V)
    _turn(Q, q.shape[1], cos, sin, k.shape[1] - q.shape[1], 1)
    _turn(K, k.shape[1], cos, sin, 0, 1)


@njit(inline="always")
def _add(total, a0, a1, a2, a3, b0, b1, b2, b3):
    """total += a0 b0 + ... + a3 b3, lane by lane."""
    for lane in range(LANES):
        total[lane] += (
            a0[lane] * b0[lane] + a1[lane] * b1[lane] + a2[lane] * b2[lane] + a3[lane] * b3[lane]
        )


@njit(inline="always")
def _products(row, others, n, d, found):
    """found[j] = row · others[j] for j < n."""
    for j in range(n):
        found[j] = 0
        for c in range(0, d, FOUR):
            a, b = row[c : c + FOUR], others[j, c : c + FOUR]
            _add(found[j], a[0], a[1], a[2], a[3], b[0], b[1], b[2], b[3])


@njit(inline="always")
def _weighted(weights, rows, begin, end, d, found):
    """found = Σ weights[j] rows[j] over begin ≤ j < end, both multiples of four."""
    for c in range(d):
        found[c] = 0
        for j in range(begin, end, FOUR):
            w = weights[j : j + FOUR]
            _add(
                found[c],
                w[0],
                w[1],
                w[2],
                w[3],
                rows[j, c],
                rows[j + 1, c],
                rows[j + 2, c],
                rows[j + 3, c],
            )


@njit(inline="always")
def _exp(x):
    """e^x in single precision, relative error 1e-7, for −87 ≤ x ≤ 0; below that e^−87. In a loop it
    fills vectors.
    """
    x = max(x, f32(-87.0))
    whole = np.int32(
        x * f32(1.4426950408889634) - f32(0.5)
    )  # x is not positive: this rounds to the nearest
    r = x - f32(whole) * f32(0.693145751953125) - f32(whole) * f32(1.428606765330187e-06)
    tail = f32(1 / 24) + r * (f32(1 / 120) + r * (f32(1 / 720) + r * f32(1 / 5040)))
    found = f32(1) + r * (f32(1) + r * (f32(0.5) + r * (f32(1 / 6) + r * tail)))
    return found * np.int32((whole + 127) << 23).view(f32)  # times 2^whole, from its bits


@njit(inline="always")
def _softmax(scores, n, scale, highest, total):
    """In place over scores[:n], lane by lane; zero up to the next multiple of four."""
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


def _forward(q, k, v, cos, sin, out):
    sequences, rows, heads, d = q.shape
    length = k.shape[1]
    first, up = length - rows, -(-length // FOUR) * FOUR
    scale = f32(1 / np.sqrt(d))
    Q, A = np.empty((rows, d, LANES), f32), np.empty((rows, d, LANES), f32)
    K, V = np.zeros((up, d, LANES), f32), np.zeros((up, d, LANES), f32)
    P, highest, total = np.empty((up, LANES), f32), np.empty(LANES, f32), np.empty(LANES, f32)
    for start in range(0, sequences * heads, LANES):
        _fill(q, k, v, cos, sin, start, Q, K, V)
        for i in range(rows):
            n = first + i + 1
            _products(Q[i], K, n, d, P)
            _softmax(P, n, scale, highest, total)
            _weighted(P, V, 0, n, d, A[i])
        _store(A, start, out)


def _backward(q, k, v, cos, sin, gradient, of_q, of_k, of_v):
    sequences, rows, heads, d = q.shape
    length = k.shape[1]
    first, up, over = length - rows, -(-length // FOUR) * FOUR, -(-rows // FOUR) * FOUR
    scale = f32(1 / np.sqrt(d))
    Q, G = np.zeros((over, d, LANES), f32), np.zeros((over, d, LANES), f32)
    K, V = np.zeros((up, d, LANES), f32), np.zeros((up, d, LANES), f32)
    dQ = np.empty((rows, d, LANES), f32)
    dK, dV = np.empty((length, d, LANES), f32), np.empty((length, d, LANES), f32)
    # softmax and the gradient of its scores: by query for the queries' gradient, by key for the
    # others
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
            begin = (
                max(j - first, 0) // FOUR * FOUR
            )  # queries before the key do not see it: zero there
            _weighted(of_scores[j], Q, begin, rows, d, dK[j])
            _weighted(by_key[j], G, begin, rows, d, dV[j])
        _turn(dQ, rows, cos, sin, first, -1)
        _turn(dK, length, cos, sin, 0, -1)
        _store(dQ, start, of_q)
        _store(dK, start, of_k)
        _store(dV, start, of_v)
