"""Beyond the paper's setting. Every function returns E over γ.

Unbalanced labels, softmax, random dense weights, several heads, anisotropic tokens, strong signals.
The ledger says what was checked against simulation.

Where the fixed point has another shape it is iterated at γ + iε: the imaginary part of the root is
the exact derivative in γ (complex step), so that no variant needs a linearization of its own.
"""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from rote.core.errors import InputError
from rote.theory.attention import fixed_point, gaussian
from rote.theory.attention.activation import (
    Activation,
    Coefficients,
    Nonlinearity,
    expect,
    moments,
    named,
)
from rote.theory.attention.arguments import (
    C_RANGE,
    GAMMA_RANGE,
    as_vector,
    both_or_none,
    one_length,
    positive,
    within,
)
from rote.theory.attention.fixed_point import S, U
from rote.theory.attention.memorization import (
    Directions,
    Vectors,
    certified,
    kron_eye,
    psi,
    scaled,
    signal,
)

_STEP = 1e-30  # relative; a complex step has no cancellation
_MAX_ITER = 20_000
_ACCURACY = 1e-8  # of the iteration, relative, of what is not returned as NaN


def unbalanced_error(
    gamma: ArrayLike,
    c: float,
    f: Nonlinearity | Coefficients,
    balance: float,
    p: int,
    vectors: Vectors = Vectors(),
) -> np.ndarray:
    """E(γ) for labels with mean `balance` and Gaussian tokens; f is not centered.

    The constant and the norm fluctuations of the kernel become visible.

    Args:
        gamma: ridge γ > 0, any shape.
        c: dimensions per token p/n > 0.
        f: a nonlinearity or its coefficients, as in `memorization_error`.
        balance: ȳ in [−1, 1].
        p: dimension; f with a0 ≠ 0 adds a spike a0 n/√p along the constant vector.
        vectors: signal and spike.

    Raises:
        InputError: naming the argument and its range.
    """
    gamma = positive("gamma", gamma)
    c = float(within("c", positive("c", c), C_RANGE))
    if not p >= 1:
        raise InputError(f"p must be at least 1, given {p}")
    if not -1 <= balance <= 1:
        raise InputError(f"balance must be in [-1, 1], given {balance}")
    moment = moments(f)
    basis = vectors.coordinates()
    unit = moment.nu
    heads = fixed_point.head(c, moment.a1 / np.sqrt(unit), moment.noise / unit, 0.0)
    ridge = within("gamma / (variance of f)", gamma.ravel() / unit, GAMMA_RANGE)
    root = fixed_point.solve(ridge, heads)
    # basis: constant, norm fluctuations, labels orthogonal to the constant
    spike = np.zeros((3, 3))
    spike[0, 1] = spike[1, 0] = moment.a2 / c
    spike[0, 0] = moment.a0 * np.sqrt(p) / c
    label = np.array([balance, 0.0, np.sqrt(1 - balance**2)])
    errors = [
        _unbalanced(x, heads, basis, spike / np.sqrt(unit), label) for x in (root, root.rough)
    ]
    return certified(*(ridge**2 * error for error in errors)).reshape(gamma.shape)


def _unbalanced(
    root: fixed_point.Root | fixed_point.FixedPoint,
    heads: fixed_point.Head,
    basis: Directions,
    spike: np.ndarray,
    label: np.ndarray,
) -> np.ndarray:
    """−dφ/dγ of one head, (γ,), from the 9 × 9 block of h and three directions of labels."""
    h, dh, size = scaled(root)
    along, dalong = (x[0] for x in psi(h, dh, size, heads, basis))
    h, dh = h[0], dh[0]
    size = size[0]
    outer = np.outer(label, label)
    block = np.zeros((len(h), 3, 3, 3, 3))
    both = (size[:, U] * size[:, S])[:, None, None]
    block[:, U, :, S, :] = both * spike.T
    block[:, S, :, U, :] = -both * spike
    added = _kron(along, outer) + block.reshape(-1, 9, 9)
    wide, dwide = kron_eye(h, 3), kron_eye(dh, 3)
    left = np.linalg.inv(np.eye(9) + wide @ added)
    R = left @ wide
    dR = left @ dwide @ np.linalg.inv(np.eye(9) + added @ wide) - R @ _kron(dalong, outer) @ R
    slope = np.einsum("k,nkl,l->n", label, dR[:, :3, :3], label) * size[:, U] ** 2
    return np.where(np.isfinite(root.gap[0]), -slope, np.nan)


def _kron(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """x ⊗ y of (..., 3, 3) and (3, 3)."""
    return np.einsum("...ij,kl->...ikjl", x, y).reshape(*x.shape[:-2], 9, 9)


class Softmax(NamedTuple):
    """Column softmax as an entrywise nonlinearity."""

    coefficients: Coefficients
    ridge: float  # softmax attention at γ is the nonlinearity at γ · ridge


def softmax(beta: float, n: int, p: int) -> Softmax:
    """Masked softmax of β XᵀWX/√p over the keys, as an entrywise nonlinearity.

    Its sum concentrates, which leaves exp(βt) up to a factor.

    Args:
        beta: inverse temperature, > 0.
        n, p: tokens and their dimension.

    Raises:
        InputError: for a temperature outside its range.
    """
    if not 0 < beta <= 10:
        raise InputError(f"beta must be > 0 and at most 10, given {beta}")
    if not min(n, p) >= 1:
        raise InputError(f"n and p must be at least 1, given {n} and {p}")
    mean_exponential = np.exp(beta**2 / 2)
    square = float(np.exp(beta**2))
    exponential = Coefficients(
        a0=0.0,
        a1=beta * mean_exponential,
        a2=beta**2 * mean_exponential / np.sqrt(2),
        nu=square * np.expm1(beta**2),
        rest=square * float(_second_remainder(beta**2)),
    )
    return Softmax(exponential, float((n * mean_exponential / np.sqrt(p)) ** 2))


def _second_remainder(x: float) -> float:
    """e^x − 1 − x, also for small x."""
    if x > 0.5:
        return math.expm1(x) - x
    return sum(x**k / math.factorial(k) for k in range(2, 20))


def dense_error(gamma: ArrayLike, c: float, f: Nonlinearity | Coefficients) -> np.ndarray:
    """E(γ) of an untrained dense head, W i.i.d. N(0, 1/p), diagonal kept, on tokens without signal.

    Args:
        gamma: ridge γ > 0, any shape.
        c: dimensions per token p/n > 0.
        f: a nonlinearity or its coefficients.
    """
    c = float(within("c", positive("c", c), C_RANGE))
    moment = moments(f)
    alpha, tau = moment.a1 / c, moment.noise / c
    T0 = np.diag([0.0, 0.0, 1.0]).astype(complex)

    def spread(x: np.ndarray) -> np.ndarray:
        """diag(x_ss, x_uu, 0)."""
        out = np.zeros_like(x)
        out[..., U, U] = x[..., S, S]
        out[..., S, S] = x[..., U, U]
        return out

    def start(D: np.ndarray) -> np.ndarray:
        return np.stack([_start(D), np.zeros_like(D)])

    def step(state: np.ndarray, D: np.ndarray) -> np.ndarray:
        h, sigma = state
        T = T0 + sigma
        R = h @ np.linalg.inv(np.eye(3) + T @ h)
        new = np.linalg.inv(D + tau * spread(h) + c * T @ np.linalg.inv(np.eye(3) + h @ T))
        return np.stack([new, alpha**2 * spread(R)])

    return _error(gamma, _FixedPoint(_pencil([0.0]), step, start=start, h=lambda state: state[0]))


def heads_error(
    gamma: ArrayLike,
    c: float,
    functions: Sequence[Nonlinearity],
    *,
    mu: ArrayLike | None = None,
    w_keys: Sequence[ArrayLike | None],
    w_queries: Sequence[ArrayLike | None],
) -> np.ndarray:
    """E(γ) of several heads whose outputs are stacked before one probe.

    Args:
        gamma: ridge γ > 0, any shape.
        c: dimensions per token p/n > 0.
        functions: nonlinearity of each head.
        mu: signal; None is zero.
        w_keys, w_queries: spike of each head; None is zero.

    Raises:
        InputError: if there are not as many spikes as functions, for vectors of different lengths,
            and for a key without its query.
    """
    c = float(within("c", positive("c", c), C_RANGE))
    H = len(functions)
    if not H == len(w_keys) == len(w_queries) > 0:
        raise InputError("functions, w_keys and w_queries must have one entry per head")
    activations = [named(f) for f in functions]
    per_head = [moments(f) for f in activations]
    for i, pair in enumerate(zip(w_keys, w_queries, strict=True)):
        both_or_none(f"w_keys[{i}]", f"w_queries[{i}]", *pair)
    keyed = {f"w_keys[{i}]": key for i, key in enumerate(w_keys)}
    queried = {f"w_queries[{i}]": query for i, query in enumerate(w_queries)}
    coordinates = _common_basis({"mu": mu, **keyed, **queried})
    m, keys, queries = np.split(coordinates, [1, 1 + H])
    k, r = 1 + 2 * H, coordinates.shape[1]
    T = np.zeros((k, k), complex)
    T_W = np.zeros((k, r, k, r), complex)
    P = np.zeros((H, k, k))
    for i, moment in enumerate(per_head):
        s, w = 1 + 2 * i, 2 + 2 * i
        alpha = moment.a1 / c
        mixing = np.eye(r) + np.outer(keys[i], queries[i])
        T[U, s], T[s, U] = alpha, -alpha
        T[w, w] = 1
        P[i, U, s], P[i, s, U] = 1, -1
        T_W[U, :, s, :] = alpha * mixing.T
        T_W[s, :, U, :] = -alpha * mixing
        T_W[w, :, w, :] = np.eye(r)
    tau = np.empty((H, H))
    for i, j in np.ndindex(H, H):
        shared = _shared_noise(activations[i], activations[j], per_head[i], per_head[j])
        tau[i, j] = shared / c

    def step(h: np.ndarray, D: np.ndarray) -> np.ndarray:
        noise = np.einsum("ij,iab,...bc,jdc->...ad", tau, P, h, P)
        return np.linalg.inv(D + noise + c * T @ np.linalg.inv(np.eye(k) + h @ T))

    pencil = _pencil([-moment.a1 for moment in per_head])
    return _error(gamma, _FixedPoint(pencil, step), _Signal(m[0], T_W.reshape(k * r, k * r)))


def _common_basis(vectors: dict[str, ArrayLike | None]) -> np.ndarray:
    """Coordinates (vectors, rank) in a basis of their span; None is zero.

    Raises:
        InputError: naming a vector that is not one of finite numbers, or their different lengths.
    """
    arrays = {name: as_vector(name, v) for name, v in vectors.items() if v is not None}
    zero = np.zeros(one_length(arrays))
    stacked = np.stack([arrays.get(name, zero) for name in vectors])
    _, values, axes = np.linalg.svd(stacked, full_matrices=False)
    rank = int((values > 1e-12 * max(values.max(), 1e-300)).sum())
    return stacked @ axes[: max(rank, 1)].T


def _shared_noise(f: Activation, g: Activation, first: Coefficients, second: Coefficients) -> float:
    """Covariance of the nonlinear parts of two heads that see the same tokens."""

    def product(t: np.ndarray) -> np.ndarray:
        return (f(t) - first.a0 - first.a1 * t) * (g(t) - second.a0 - second.a1 * t)

    return expect(product, (*f.kinks, *g.kinks))


def anisotropic_error(
    gamma: ArrayLike, n: int, spectrum: ArrayLike, f: Activation | str
) -> np.ndarray:
    """E(γ) for pure-noise tokens with covariance diag(spectrum).

    Fails where a few directions dominate (a power law with exponent near 1); the ledger shows
    where.

    Args:
        gamma: ridge γ > 0, any shape.
        n: tokens.
        spectrum: eigenvalues > 0 of the covariance, (p,).
        f: a nonlinearity.
    """
    values = positive("spectrum", spectrum)
    p, trace = len(values), values.mean()
    width = np.sqrt((values**2).mean())  # of a kernel entry
    moment = moments(f, width)
    a1 = moment.a1 / width
    c = p / n
    alpha, tau = a1 / c, moment.noise / c
    T = np.array([[0, alpha, 0], [-alpha, 0, 0], [0, 0, 1]], complex)
    # many equal directions would be many equal terms: quantiles of the spectrum, exact in the mean
    # of each
    groups = np.array_split(np.sort(values), min(p, 128))
    levels = np.array([group.mean() for group in groups])
    weights = np.array([len(group) / n for group in groups])

    def step(h: np.ndarray, D: np.ndarray) -> np.ndarray:
        inner = np.linalg.inv(np.eye(3) + levels[:, None, None] * (h @ T)[..., None, :, :])
        bulk = np.einsum("k,...kij->...ij", weights * levels, T @ inner)
        noise = tau * fixed_point.P @ h @ fixed_point.P.T
        return np.linalg.inv(D + noise + bulk)

    return _error(gamma, _FixedPoint(_pencil([-a1 * trace]), step))


def strong_signal_error(
    gamma: ArrayLike,
    c: float,
    f: Activation | str,
    p: int,
    vectors: Vectors,
) -> np.ndarray:
    """E(γ) with the first-order effect of a signal that reaches an odd nonlinearity: a heuristic.

    Args:
        gamma: ridge γ > 0, any shape.
        c: dimensions per token p/n > 0.
        f: an odd nonlinearity.
        p: dimension of a token.
        vectors: signal and spike.

    Kernel entries are f(±s + vξ) with s = μᵀWμ/√p: the moments of f are taken there, and what f
    makes of ±s beyond its linear part becomes a spike along the labels.
    """
    gamma = positive("gamma", gamma)
    c = float(within("c", positive("c", c), C_RANGE))
    if not p >= 1:
        raise InputError(f"p must be at least 1, given {p}")
    f, basis = named(f), vectors.coordinates()
    Wm, mW = basis.W @ basis.mu, basis.W.T @ basis.mu
    key2, query2 = basis.w_key @ basis.w_key, basis.w_query @ basis.w_query
    v = np.sqrt(1 + (Wm @ Wm + mW @ mW + 2 * basis.w_key @ basis.w_query + key2 * query2) / p)
    reach = basis.mu @ Wm
    s = reach / np.sqrt(p)
    kinks = tuple((k - s) / v for k in f.kinks)
    b = expect(lambda t: f(s + v * t), kinks)
    a1 = expect(lambda t: t * f(s + v * t), kinks) / v

    def remainders(t: np.ndarray) -> np.ndarray:
        centered = f(s + v * t) - b
        return np.stack([centered**2, (centered - a1 * v * t) ** 2])

    variance, rest = gaussian.expectation(remainders, kinks, offset=b).value
    rest = float(rest) if rest > 1e-28 * variance else 0.0
    unit = a1**2 + rest
    if not unit > 1e-24:
        raise InputError("f is constant around the signal: attention then sees nothing")
    heads = fixed_point.head(c, a1 / np.sqrt(unit), rest / unit, 0.0)
    ridge = within("gamma / (variance of f)", gamma.ravel() / unit, GAMMA_RANGE)
    root = fixed_point.solve(ridge, heads)
    spike = (b * np.sqrt(p) / c - a1 * reach / c) / np.sqrt(unit) * fixed_point.P
    slopes = (signal(x, heads, basis, block=spike)[1][0] for x in (root, root.rough))
    return certified(*(-(ridge**2) * slope for slope in slopes)).reshape(gamma.shape)


# ---- the shared iteration


def _pencil(kappas: Sequence[float]) -> np.ndarray:
    """D without γ for heads with these κ: rows u, then s, w per head."""
    D = np.zeros((1 + 2 * len(kappas), 1 + 2 * len(kappas)), complex)
    for i, kappa in enumerate(kappas):
        s, w = 1 + 2 * i, 2 + 2 * i
        D[U, s], D[s, U] = kappa, -kappa
        D[s, w], D[w, s] = 1, -1
    return D


def _start(D: np.ndarray) -> np.ndarray:
    h = np.broadcast_to(np.eye(D.shape[-1], dtype=complex), D.shape).copy()
    h[..., U, U] = 1 / D[..., U, U]
    return h


def _unchanged(state: np.ndarray) -> np.ndarray:
    return state


class _FixedPoint(NamedTuple):
    """An iteration of states that hold h (γ, k, k)."""

    pencil: np.ndarray  # D without γ, (k, k)
    step: Callable[[np.ndarray, np.ndarray], np.ndarray]  # state, D (γ, k, k) -> state
    start: Callable[[np.ndarray], np.ndarray] = _start  # D (γ, k, k) -> state
    h: Callable[[np.ndarray], np.ndarray] = _unchanged  # state -> h


class _Signal(NamedTuple):
    """A signal of r coordinates, and how the pencil acts on its span."""

    mu: np.ndarray  # (r,)
    T: np.ndarray  # (kr, kr)


def _error(gamma: ArrayLike, system: _FixedPoint, signal: _Signal | None = None) -> np.ndarray:
    """Iterate state ← (state + step)/2 at γ(1 + iε), then E = −γ² Im φ/(γε).

    NaN where it did not converge.
    """
    gamma = positive("gamma", gamma)
    flat = gamma.ravel()
    D = np.broadcast_to(system.pencil, (len(flat), *system.pencil.shape)).copy()
    D[:, U, U] += flat * (1 + 1j * _STEP)
    state = system.start(D)
    before = np.full(len(flat), np.inf)
    for _ in range(_MAX_ITER):
        new = (state + system.step(state, D)) / 2
        change = _relative((new - state).real, new.real)
        change = np.maximum(change, _relative((new - state).imag, new.imag, 1e-300))
        change = change.reshape(-1, len(flat)).max(axis=0)
        # of a series of changes that go on to shrink by this factor
        shrinking = np.clip(change / np.maximum(before, 1e-300), 0.5, 1 - 1e-6)
        error = change / (1 - shrinking)
        before, state = change, new
        if error.max() < 1e-11:
            break
    h = system.h(state)
    inverse = np.linalg.inv(h)
    if signal is not None and signal.mu.any():
        M = np.kron(np.eye(h.shape[-1]), signal.mu[:, None])
        wide = np.eye(len(signal.T)) + kron_eye(h, len(signal.mu)) @ signal.T
        inverse = inverse + M.T @ (signal.T @ np.linalg.inv(wide)) @ M
    phi = np.linalg.inv(inverse)[..., U, U]
    return np.where(error < _ACCURACY, -flat * phi.imag / _STEP, np.nan).reshape(gamma.shape)


def _relative(change: np.ndarray, value: np.ndarray, floor: float = 0.0) -> np.ndarray:
    """Largest change of an entry, relative to the largest entry, per matrix."""
    return np.abs(change).max(axis=(-2, -1)) / (np.abs(value).max(axis=(-2, -1)) + floor)
