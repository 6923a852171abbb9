"""Beyond the paper's setting. Every function returns E over γ.

Unbalanced labels, softmax, random dense weights, several heads, anisotropic tokens, strong signals.
The ledger says what was checked against simulation.

Where the fixed point has another shape it is iterated at γ + iε: the imaginary part of the root is
the exact derivative in γ (complex step), so that no variant needs a linearization of its own.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from rote.core.errors import InputError
from rote.theory.attention import fixed_point
from rote.theory.attention.activation import (
    Activation,
    Coefficients,
    Nonlinearity,
    expect,
    moments,
    named,
)
from rote.theory.attention.fixed_point import S, U
from rote.theory.attention.memorization import Vectors, kron_eye, positive, psi, signal

_STEP = 1e-30  # relative; a complex step has no cancellation
_MAX_ITER = 20_000


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
    if not -1 <= balance <= 1:
        raise InputError(f"balance must be in [-1, 1], given {balance}")
    moment = moments(f)
    basis = vectors.coordinates()
    heads = fixed_point.head(c, moment.a1, moment.nu, 0.0)
    root = fixed_point.solve(gamma.ravel(), heads)
    h, dh = root.h[0], root.dh[0]
    along, dalong = (x[0] for x in psi(root.h, root.dh, heads, basis))
    # basis: constant, norm fluctuations, labels orthogonal to the constant
    spike = np.zeros((3, 3))
    spike[0, 0] = moment.a0 * np.sqrt(p) / c
    spike[0, 1] = moment.a2 / c
    spike[1, 0] = moment.a2 / c
    label = np.array([balance, 0.0, np.sqrt(1 - balance**2)])
    outer = np.outer(label, label)
    block = np.zeros((3, 3, 3, 3))
    block[U, :, S, :] = spike.T
    block[S, :, U, :] = -spike

    def with_labels(x: np.ndarray, y: np.ndarray) -> np.ndarray:  # x ⊗ 1 + y ⊗ labels
        return kron_eye(x, 3) + _kron(y, outer)

    inverse = np.linalg.inv(h)
    R = np.linalg.inv(with_labels(inverse, along) + block.reshape(9, 9))
    dR = -R @ with_labels(-inverse @ dh @ inverse, dalong) @ R
    slope = np.einsum("k,...kl,l->...", label, dR[:, :3, :3], label)
    return (-(gamma.ravel() ** 2) * slope).reshape(gamma.shape)


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
    if not beta > 0:
        raise InputError(f"beta must be > 0, given {beta}")
    mean_exponential = np.exp(beta**2 / 2)
    exponential = Coefficients(
        a0=0.0,
        a1=beta * mean_exponential,
        a2=beta**2 * mean_exponential / np.sqrt(2),
        nu=np.exp(2 * beta**2) - np.exp(beta**2),
    )
    return Softmax(exponential, float((n * mean_exponential / np.sqrt(p)) ** 2))


def dense_error(gamma: ArrayLike, c: float, f: Nonlinearity | Coefficients) -> np.ndarray:
    """E(γ) of an untrained dense head, W i.i.d. N(0, 1/p), diagonal kept, on tokens without signal.

    Args:
        gamma: ridge γ > 0, any shape.
        c: dimensions per token p/n > 0.
        f: a nonlinearity or its coefficients.
    """
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
        InputError: if there are not as many spikes as functions.
    """
    H = len(functions)
    if not H == len(w_keys) == len(w_queries) > 0:
        raise InputError("functions, w_keys and w_queries must have one entry per head")
    per_head = [moments(f) for f in functions]
    coordinates = _common_basis([mu, *w_keys, *w_queries])
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
        tau[i, j] = _shared_noise(functions[i], functions[j]) / c

    def step(h: np.ndarray, D: np.ndarray) -> np.ndarray:
        noise = np.einsum("ij,iab,...bc,jdc->...ad", tau, P, h, P)
        return np.linalg.inv(D + noise + c * T @ np.linalg.inv(np.eye(k) + h @ T))

    pencil = _pencil([-moment.a1 for moment in per_head])
    return _error(gamma, _FixedPoint(pencil, step), _Signal(m[0], T_W.reshape(k * r, k * r)))


def _common_basis(vectors: Sequence[ArrayLike | None]) -> np.ndarray:
    """Coordinates (vectors, rank) in a basis of their span; None and shorter ones are zero."""
    arrays = [np.zeros(1) if v is None else np.asarray(v, float) for v in vectors]
    length = max(len(v) for v in arrays)
    stacked = np.stack([v if len(v) == length else np.zeros(length) for v in arrays])
    _, values, axes = np.linalg.svd(stacked, full_matrices=False)
    rank = int((values > 1e-12 * max(values.max(), 1e-300)).sum())
    return stacked @ axes[: max(rank, 1)].T


def _shared_noise(f: Nonlinearity, g: Nonlinearity) -> float:
    """Covariance of the nonlinear parts of two heads that see the same tokens."""
    f, g = named(f), named(g)
    first, second = moments(f), moments(g)
    covariance = expect(lambda t: (f(t) - first.a0) * (g(t) - second.a0), (*f.kinks, *g.kinks))
    return covariance - first.a1 * second.a1


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
    alpha, tau = a1 / c, max(moment.nu - (a1 * width) ** 2, 0.0) / c
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
    f, basis = named(f), vectors.coordinates()
    Wm, mW = basis.W @ basis.mu, basis.W.T @ basis.mu
    key2, query2 = basis.w_key @ basis.w_key, basis.w_query @ basis.w_query
    v = np.sqrt(1 + (Wm @ Wm + mW @ mW + 2 * basis.w_key @ basis.w_query + key2 * query2) / p)
    reach = basis.mu @ Wm
    s = reach / np.sqrt(p)
    kinks = tuple((k - s) / v for k in f.kinks)
    b = expect(lambda t: f(s + v * t), kinks)
    a1 = expect(lambda t: t * f(s + v * t), kinks) / v
    rest = expect(lambda t: (f(s + v * t) - b) ** 2, kinks) - (a1 * v) ** 2
    heads = fixed_point.head(c, a1, a1**2 + max(rest, 0.0), 0.0)
    root = fixed_point.solve(gamma.ravel(), heads)
    spike = b * np.sqrt(p) / c - a1 * reach / c
    slope = signal(root.h, root.dh, heads, basis, block=spike * fixed_point.P)[1]
    return (-(gamma.ravel() ** 2) * slope[0]).reshape(gamma.shape)


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
    for _ in range(_MAX_ITER):
        new = (state + system.step(state, D)) / 2
        change = _relative((new - state).real, new.real)
        error = np.maximum(change, _relative((new - state).imag, new.imag, 1e-300))
        state = new
        if error.max() < 1e-12:
            break
    h = system.h(state)
    inverse = np.linalg.inv(h)
    if signal is not None and signal.mu.any():
        M = np.kron(np.eye(h.shape[-1]), signal.mu[:, None])
        wide = np.eye(len(signal.T)) + kron_eye(h, len(signal.mu)) @ signal.T
        inverse = inverse + M.T @ (signal.T @ np.linalg.inv(wide)) @ M
    phi = np.linalg.inv(inverse)[..., U, U]
    error = np.broadcast_to(error.reshape(-1, len(flat)).max(axis=0), flat.shape)
    return np.where(error < 1e-8, -flat * phi.imag / _STEP, np.nan).reshape(gamma.shape)


def _relative(change: np.ndarray, value: np.ndarray, floor: float = 0.0) -> np.ndarray:
    """Largest change of an entry, relative to the largest entry, per matrix."""
    return np.abs(change).max(axis=(-2, -1)) / (np.abs(value).max(axis=(-2, -1)) + floor)
