"""E where the signal reaches the nonlinearity: s = μᵀWμ/√p is not small.

A kernel entry is f(±(s + σ_K δ_i + σ_Q ε_j) + w_ij), where δ and ε are a token's components along
Wμ and Wᵀμ. Its mean is a matrix of finite rank in Hermite polynomials of δ (keys) and ε (queries)
times the labels; the linear ones lie in the tokens, the others are directions of their own beside
the bulk of the model (`fixed_point`). The noise around it depends on δ and ε, too, which adds to
the self-energy along the same directions. First order in w beside the mean; f is odd. Right to a
tenth where the ridge is of order 1; as γ → 0 and s ≥ 2 the error is smaller than this says, by up
to half.
"""

import math
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from rote.core.errors import InputError
from rote.theory.attention import fixed_point
from rote.theory.attention.activation import Activation, expect, named
from rote.theory.attention.arguments import C_RANGE, GAMMA_RANGE, count, positive, within
from rote.theory.attention.fixed_point import S, U, W
from rote.theory.attention.memorization import (
    Directions,
    Vectors,
    certified,
    kron_eye,
    memorization_error,
    scaled,
)

ORDER = 4  # of the polynomials; the next two change E by less than 0.1 %
_DIRECTIONS = 2 * ORDER  # labels, two per order from the second on, norms of tokens
_REACH = np.linspace(-8, 8, 2001)  # of w, for the noise at one mean
_DENSITY = np.exp(-(_REACH**2) / 2) / np.exp(-(_REACH**2) / 2).sum()
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(24)
_EYE = np.eye(ORDER + 1)


class _Geometry(NamedTuple):
    """Signal and weights, seen from the scores."""

    basis: Directions
    s: float
    key: np.ndarray  # unit vector along Wμ, (r,)
    query: np.ndarray  # along Wᵀμ
    spread_key: float  # of the scores along it, ‖Wμ‖/√p
    spread_query: float
    spread: float  # of w
    overlap: float  # keyᵀ W query
    p: int

    @property
    def total(self) -> float:
        """Standard deviation of a score around ±s."""
        return math.hypot(self.spread, self.spread_key, self.spread_query)


class _Mean(NamedTuple):
    """The kernel's mean in polynomials of keys and queries, and what is left of it."""

    table: np.ndarray  # (ORDER + 1, ORDER + 1), keys by queries
    slope: float  # E f', the coefficient of w
    curvature: float  # E f''
    rest: float  # variance of the noise


class _Blocks(NamedTuple):
    """A 3 × 3 pencil on finitely many directions of labels (q) and tokens (r)."""

    inner: np.ndarray  # tokens by tokens, (..., 3r, 3r)
    left: np.ndarray  # tokens by labels, (..., 3r, 3q)
    right: np.ndarray  # labels by tokens, (..., 3q, 3r)
    outer: np.ndarray  # labels by labels, (..., 3q, 3q)


def strong_signal_error(
    gamma: ArrayLike,
    c: float,
    f: Activation | str,
    p: int,
    vectors: Vectors,
) -> np.ndarray:
    """E(γ) at finite p with a signal that reaches an odd nonlinearity.

    Args:
        gamma: ridge γ > 0, any shape.
        c: dimensions per token p/n > 0.
        f: an odd nonlinearity.
        p: dimension of a token.
        vectors: signal and spike.

    Raises:
        InputError: naming the argument and its range.
    """
    gamma = positive("gamma", gamma)
    c = float(within("c", positive("c", c), C_RANGE))
    p = count("p", p)
    if not isinstance(vectors, Vectors):
        raise InputError(f"vectors must be `Vectors`, given {vectors!r}")
    f = named(f)
    basis = vectors.coordinates()
    if not basis.mu.any():
        return memorization_error(gamma, c, f, vectors).error
    at = _geometry(basis, p)
    mean = _mean(f, at)
    unit = mean.slope**2 + mean.rest
    if not unit > 1e-24:
        raise InputError("f is constant around the signal: attention then sees nothing")
    size = math.sqrt(unit)
    diagonal = -mean.table[0, 0] / (math.sqrt(p) * size)  # what its removal takes from the mean
    heads = fixed_point.head(c, mean.slope / size, mean.rest / unit, diagonal)
    ridge = within("gamma / (variance of f)", gamma.ravel() / unit, GAMMA_RANGE)
    root = fixed_point.solve(ridge, heads)
    fixed = _kernel_blocks(mean, at, math.sqrt(p) / (c * size))
    noise = _noise_blocks(f, mean, at)
    slopes = (_slope(x, heads, fixed, noise) for x in (root, root.rough))
    return certified(*(-(ridge**2) * slope for slope in slopes)).reshape(gamma.shape)


def _geometry(basis: Directions, p: int) -> _Geometry:
    key, query = basis.W @ basis.mu, basis.W.T @ basis.mu
    lengths = np.linalg.norm(key), np.linalg.norm(query)
    key, query = key / max(lengths[0], 1e-300), query / max(lengths[1], 1e-300)
    spiked = 2 * basis.w_key @ basis.w_query
    spiked += (basis.w_key @ basis.w_key) * (basis.w_query @ basis.w_query)
    return _Geometry(
        basis=basis,
        s=float(basis.mu @ basis.W @ basis.mu) / math.sqrt(p),
        key=key,
        query=query,
        spread_key=float(lengths[0]) / math.sqrt(p),
        spread_query=float(lengths[1]) / math.sqrt(p),
        spread=math.sqrt(1 + float(spiked) / p),
        overlap=float(key @ basis.W @ query),
        p=p,
    )


def _hermite(x: np.ndarray, order: int) -> np.ndarray:
    """Orthonormal Hermite polynomials, (order + 1, ...)."""
    values = [np.ones_like(x), x]
    for k in range(1, order):
        values.append((x * values[k] - math.sqrt(k) * values[k - 1]) / math.sqrt(k + 1))
    return np.stack(values[: order + 1])


def _moment(k: int, f: Activation, s: float, width: float, t: np.ndarray) -> np.ndarray:
    """Integrand of the k-th Hermite coefficient of f(s + width t)."""
    return _hermite(t, max(k, 1))[k] * f(s + width * t)


def _mean(f: Activation, at: _Geometry) -> _Mean:
    """Coefficients of E[f | δ, ε]; along (key, query) w itself is δε overlap/√p."""
    width, p = at.total, at.p
    kinks = tuple((kink - at.s) / width for kink in f.kinks)
    moment = [expect(partial(_moment, k, f, at.s, width), kinks) for k in range(2 * ORDER + 4)]
    of_f, of_slope = np.zeros((ORDER + 1,) * 2), np.zeros((ORDER + 2,) * 2)
    key, query = at.spread_key / width, at.spread_query / width
    for k, j in np.ndindex(of_slope.shape):
        factor = key**k * query**j * math.sqrt(math.comb(k + j, k))
        of_slope[k, j] = moment[k + j + 1] * math.sqrt(k + j + 1) / width * factor
        if max(k, j) <= ORDER:
            of_f[k, j] = moment[k + j] * factor
    times_x = np.diag(np.sqrt(np.arange(1, ORDER + 2)), 1)
    times_x = times_x + times_x.T
    table = of_f + at.overlap / math.sqrt(p) * (times_x @ of_slope @ times_x)[:-1, :-1]
    variance = expect(lambda t: (f(at.s + width * t) - moment[0]) ** 2, kinks)
    slope = moment[1] / width
    rest = variance - slope**2 * (at.spread**2 - at.overlap**2 / p)
    rest -= (table**2).sum() - table[0, 0] ** 2
    rest = rest if rest > 1e-9 * variance else 0.0
    return _Mean(table, slope, moment[2] * math.sqrt(2) / width**2, rest)


def _label_directions(at: _Geometry) -> tuple[np.ndarray, np.ndarray]:
    """Polynomials of keys and of queries, times the labels, in one basis: (ORDER + 1, q) each.

    Those of degree 1 lie in the tokens and are zero.
    """
    angle = float(at.key @ at.query)
    keys, queries = np.zeros((2, ORDER + 1, _DIRECTIONS))
    keys[0, 0] = queries[0, 0] = 1
    for k in range(2, ORDER + 1):
        keys[k, 2 * k - 3] = 1
        queries[k, 2 * k - 3] = angle**k
        queries[k, 2 * k - 2] = math.sqrt(max(1 - angle ** (2 * k), 0))
    return keys, queries


def _blocks(kernel: list[np.ndarray], gram: list[np.ndarray]) -> _Blocks:
    """The pencil of a kernel and of XᵀX: Kᵀ in (u, s), −K in (s, u), XᵀX in (w, w).

    Args:
        kernel: tokens by tokens, tokens by labels, labels by tokens, labels by labels.
        gram: the same of XᵀX.
    """
    inner, left, right, outer = kernel
    transposed = [inner.T, right.T, left.T, outer.T]
    parts = []
    for forward, backward, both in zip(kernel, transposed, gram, strict=True):
        rows, columns = forward.shape
        block = np.zeros((3, rows, 3, columns))
        block[U, :, S, :] = backward
        block[S, :, U, :] = -forward
        block[W, :, W, :] = both
        parts.append(block.reshape(3 * rows, 3 * columns))
    return _Blocks(*parts)


def _kernel_blocks(mean: _Mean, at: _Geometry, gain: float) -> _Blocks:
    """What is structured in K and XᵀX, with K's coefficients times `gain`."""
    basis, root = at.basis, math.sqrt(at.p)
    keys, queries = _label_directions(at)
    outer = gain * keys.T @ mean.table @ queries
    left = gain * np.outer(at.key, mean.table[1] @ queries)
    right = gain * np.outer(keys.T @ mean.table[:, 1], at.query)
    # the part of w along (key, query) is in the table already
    linear = gain / root * mean.slope
    inner = linear * basis.W
    inner += (gain * mean.table[1, 1] - linear * at.overlap) * np.outer(at.key, at.query)
    bent = gain / root * mean.curvature
    left[:, 0] += bent * at.spread_query * (basis.W @ at.query - at.overlap * at.key)
    right[0] += bent * at.spread_key * (basis.W.T @ at.key - at.overlap * at.query)
    # norms of tokens, through the square of w
    outer[0, -1] = outer[-1, 0] = bent / math.sqrt(2) * at.spread**2
    r = len(basis.mu)
    signal = np.zeros((r, _DIRECTIONS))
    signal[:, 0] = basis.mu
    gram = [np.eye(r), signal, signal.T, signal.T @ signal]
    return _blocks([inner, left, right, outer], gram)


class _Noise(NamedTuple):
    """Excess of the noise over its mean along keys (in s) and queries (in u)."""

    keys: tuple[np.ndarray, np.ndarray, np.ndarray]  # as of `_Blocks`: inner, left, outer
    queries: tuple[np.ndarray, np.ndarray, np.ndarray]


def _noise_blocks(f: Activation, mean: _Mean, at: _Geometry) -> _Noise:
    """How the noise's variance depends on δ and on ε, over its mean."""
    weights = _WEIGHTS / _WEIGHTS.sum()
    m = at.s + at.spread_key * _NODES[:, None] + at.spread_query * _NODES
    values = f(m[..., None] + at.spread * _REACH)  # (keys, queries, w)
    center = values @ _DENSITY
    slope = values @ (_DENSITY * _REACH)
    variance = values**2 @ _DENSITY - center**2
    variance += mean.slope * at.spread * (mean.slope * at.spread - 2 * slope)
    total = weights @ variance @ weights
    if total <= 0:
        variance, total = np.ones_like(variance), 1.0
    polynomials = _hermite(_NODES, ORDER) * np.sqrt(weights)
    sides = []
    directions = zip((variance @ weights, weights @ variance), (at.key, at.query), strict=True)
    for (profile, along), labels in zip(directions, _label_directions(at), strict=True):
        excess = (polynomials * profile / total) @ polynomials.T - _EYE
        inner = excess[1, 1] * np.outer(along, along)
        left = np.outer(along, excess[1] @ labels)
        sides.append((inner, left, labels.T @ excess @ labels))
    return _Noise(*sides)


def _self_energy(noise: _Noise, h: np.ndarray, tau: float) -> _Blocks:
    """τ times the excess: h_uu in (s, s), h_ss in (u, u); h is (γ, 3, 3)."""
    parts = []
    for of_keys, of_queries in zip(noise.keys, noise.queries, strict=True):
        rows, columns = of_keys.shape
        block = np.zeros((len(h), 3, rows, 3, columns))
        block[:, S, :, S, :] = tau * h[:, U, U, None, None] * of_keys
        block[:, U, :, U, :] = tau * h[:, S, S, None, None] * of_queries
        parts.append(block.reshape(len(h), 3 * rows, 3 * columns))
    inner, left, outer = parts
    return _Blocks(inner, left, np.swapaxes(left, 1, 2), outer)


def _sized(blocks: _Blocks, size: np.ndarray) -> _Blocks:
    """The blocks between scaled directions, (γ, ...); size is (γ, 3)."""
    tokens, labels = (
        np.repeat(size, blocks.inner.shape[-1] // 3, axis=1),
        np.repeat(size, _DIRECTIONS, axis=1),
    )
    sides = ((tokens, tokens), (tokens, labels), (labels, tokens), (labels, labels))
    return _Blocks(
        *(
            block * rows[:, :, None] * columns[:, None, :]
            for block, (rows, columns) in zip(blocks, sides, strict=True)
        )
    )


def _slope(
    root: fixed_point.Root | fixed_point.FixedPoint,
    heads: fixed_point.Head,
    fixed: _Blocks,
    noise: _Noise,
) -> np.ndarray:
    """dφ/dγ, (γ,): tokens leave Ψ = outer − right h (1 + inner h)⁻¹ left along the labels."""
    h, dh, size = (x[0] for x in scaled(root))
    both = size[:, :, None] * size[:, None, :]
    tau = float(heads.tau[0])
    moved = _self_energy(noise, h * both, tau)
    at = _sized(_Blocks(*(a + b for a, b in zip(fixed, moved, strict=True))), size)
    change = _sized(_self_energy(noise, dh * both, tau), size)
    r = fixed.inner.shape[0] // 3
    tokens, dtokens = kron_eye(h, r), kron_eye(dh, r)
    eye = np.eye(3 * r)
    with np.errstate(all="ignore"):
        after = np.linalg.inv(eye + at.inner @ tokens)
        middle = tokens @ after
        dmiddle = np.linalg.inv(eye + tokens @ at.inner) @ dtokens @ after
        dmiddle -= middle @ change.inner @ middle
        psi = at.outer - at.right @ middle @ at.left
        dpsi = change.outer - at.right @ dmiddle @ at.left
        dpsi -= change.right @ middle @ at.left + at.right @ middle @ change.left
        labels, dlabels = kron_eye(h, _DIRECTIONS), kron_eye(dh, _DIRECTIONS)
        eye = np.eye(3 * _DIRECTIONS)
        before = np.linalg.inv(eye + labels @ psi)
        R = before @ labels
        dR = before @ dlabels @ np.linalg.inv(eye + psi @ labels) - R @ dpsi @ R
    return np.where(np.isfinite(root.gap[0]), dR[:, 0, 0] * size[:, U] ** 2, np.nan)
