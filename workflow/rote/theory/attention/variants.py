"""Beyond the paper's setting: unbalanced labels, softmax, random dense weights, several heads,
anisotropic tokens, strong signals. Every function returns E over γ; what was checked against
simulation says the ledger.

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
from rote.theory.attention.memorization import directions, positive, psi, signal

_STEP = 1e-30  # relative; a complex step has no cancellation


def unbalanced_error(
    gamma: ArrayLike,
    c: float,
    f: Nonlinearity | Coefficients,
    balance: float,
    p: int,
    *,
    mu: ArrayLike | None = None,
    w_key: ArrayLike | None = None,
    w_query: ArrayLike | None = None,
    kurtosis: float = 3.0,
    centered: bool = False,
) -> np.ndarray:
    """E(γ) for labels with mean `balance`: the constant and the norm fluctuations of the kernel
    become visible.

    Args:
        balance: ȳ in [−1, 1].
        p: dimension; an uncentered f adds a spike a0 n/√p along the constant vector.
        kurtosis: of the token noise.
        centered: whether a0 was subtracted from f.
    """
    gamma = positive("gamma", gamma)
    if not -1 <= balance <= 1:
        raise InputError(f"balance must be in [-1, 1], given {balance}")
    found = moments(f)
    basis = directions(mu, w_key, w_query)
    heads = fixed_point.head(c, found.a1, found.nu, 0.0)
    root = fixed_point.solve(gamma.ravel(), heads)
    h, dh = root.h[0], root.dh[0]
    along, dalong = (x[0] for x in psi(root.h, root.dh, heads, basis))
    spike = np.zeros(
        (3, 3)
    )  # basis: constant, norm fluctuations, labels orthogonal to the constant
    spike[0, 0] = 0.0 if centered else found.a0 * np.sqrt(p) / c
    spike[0, 1] = spike[1, 0] = found.a2 / c * np.sqrt((kurtosis - 1) / 2)
    label = np.array([balance, 0.0, np.sqrt(1 - balance**2)])
    outer = np.outer(label, label)
    block = np.zeros((3, 3, 3, 3))
    block[U, :, S, :], block[S, :, U, :] = spike.T, -spike

    def wide(x, y):
        return np.einsum("...ij,kl->...ikjl", x, y).reshape(*x.shape[:-2], 9, 9)

    inverse = np.linalg.inv(h)
    R = np.linalg.inv(wide(inverse, np.eye(3)) + block.reshape(9, 9) + wide(along, outer))
    dR = -R @ (wide(-inverse @ dh @ inverse, np.eye(3)) + wide(dalong, outer)) @ R
    return (
        -(gamma.ravel() ** 2) * np.einsum("k,...kl,l->...", label, dR[:, :3, :3], label)
    ).reshape(gamma.shape)


class Softmax(NamedTuple):
    """Column softmax as an entrywise nonlinearity: its moments, and the factor between the two
    ridges.
    """

    coefficients: Coefficients
    ridge: float  # softmax attention at γ is the nonlinearity at γ · ridge


def softmax(beta: float, n: int, p: int) -> Softmax:
    """Masked softmax of β XᵀWX/√p over the keys: its sum concentrates, which leaves exp(βt) up to a
    factor.
    """
    if not beta > 0:
        raise InputError(f"beta must be > 0, given {beta}")
    grown = np.exp(beta**2 / 2)
    found = Coefficients(
        0.0, beta * grown, beta**2 * grown / np.sqrt(2), np.exp(2 * beta**2) - np.exp(beta**2)
    )
    return Softmax(found, float((n * grown / np.sqrt(p)) ** 2))


def dense_error(
    gamma: ArrayLike,
    c: float,
    f: Nonlinearity | Coefficients,
    *,
    mu: ArrayLike | None = None,
    w_key: ArrayLike | None = None,
    w_query: ArrayLike | None = None,
) -> np.ndarray:
    """E(γ) of an untrained dense head, W i.i.d. N(0, 1/p) plus the spike, diagonal kept."""
    found, basis = moments(f), directions(mu, w_key, w_query)
    alpha, tau = found.a1 / c, found.noise / c
    T0 = np.diag([0.0, 0.0, 1.0]).astype(complex)

    def spread(x: np.ndarray) -> np.ndarray:  # diag(x_ss, x_uu, 0)
        out = np.zeros_like(x)
        out[..., U, U], out[..., S, S] = x[..., S, S], x[..., U, U]
        return out

    def step(state: np.ndarray, D: np.ndarray) -> np.ndarray:
        h, sigma = state
        R = h @ np.linalg.inv(np.eye(3) + (T0 + sigma) @ h)
        T = T0 + sigma
        new = np.linalg.inv(D + tau * spread(h) + c * T @ np.linalg.inv(np.eye(3) + h @ T))
        return np.stack([new, alpha**2 * spread(R)])

    def finish(state: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        h, sigma = state
        r = len(basis.mu)
        spike = np.zeros((3, r, 3, r))
        spike[U, :, S, :] = alpha * np.outer(basis.w_query, basis.w_key)
        spike[S, :, U, :] = -alpha * np.outer(basis.w_key, basis.w_query)
        return h, _wide(T0 + sigma, r) + spike.reshape(3 * r, 3 * r)

    def start(D):
        return np.stack([_start(D), np.zeros_like(D)])

    return _error(gamma, _pencil([0.0]), start, step, finish, basis.mu)


def heads_error(
    gamma: ArrayLike,
    c: float,
    functions: Sequence[Nonlinearity],
    *,
    mu: ArrayLike | None = None,
    w_keys: Sequence[ArrayLike | None],
    w_queries: Sequence[ArrayLike | None],
) -> np.ndarray:
    """E(γ) of several heads whose outputs are stacked before one probe."""
    H = len(functions)
    if not H == len(w_keys) == len(w_queries) > 0:
        raise InputError("functions, w_keys and w_queries must have one entry per head")
    found = [moments(f) for f in functions]
    # one basis for the signal and all spikes, heads side by side
    vectors = [
        np.zeros(1) if v is None else np.asarray(v, float) for v in (mu, *w_keys, *w_queries)
    ]
    length = max(len(v) for v in vectors)
    stacked = np.stack(
        [np.resize(v, length) if len(v) == length else np.zeros(length) for v in vectors]
    )
    _, values, axes = np.linalg.svd(stacked, full_matrices=False)
    inside = stacked @ axes[: max(int((values > 1e-12 * max(values.max(), 1e-300)).sum()), 1)].T
    m, keys, queries = inside[0], inside[1 : 1 + H], inside[1 + H :]
    k, r = 1 + 2 * H, len(m)
    T, T_W = np.zeros((k, k), complex), np.zeros((k, r, k, r), complex)
    P = np.zeros((H, k, k))
    for i, moment in enumerate(found):
        s, w, alpha = 1 + 2 * i, 2 + 2 * i, moment.a1 / c
        T[U, s], T[s, U], T[w, w] = alpha, -alpha, 1
        P[i, U, s], P[i, s, U] = 1, -1
        mixing = np.eye(r) + np.outer(keys[i], queries[i])
        T_W[U, :, s, :], T_W[s, :, U, :], T_W[w, :, w, :] = (
            alpha * mixing.T,
            -alpha * mixing,
            np.eye(r),
        )
    tau = (
        np.array([[_shared_noise(functions[i], functions[j]) for j in range(H)] for i in range(H)])
        / c
    )

    def step(h: np.ndarray, D: np.ndarray) -> np.ndarray:
        noise = np.einsum("ij,iab,...bc,jdc->...ad", tau, P, h, P)
        return np.linalg.inv(D + noise + c * T @ np.linalg.inv(np.eye(k) + h @ T))

    def finish(h):
        return (h, T_W.reshape(k * r, k * r))

    return _error(gamma, _pencil([-moment.a1 for moment in found]), _start, step, finish, m)


def _shared_noise(f: Nonlinearity, g: Nonlinearity) -> float:
    """Covariance of the nonlinear parts of two heads that see the same tokens."""
    f, g = named(f), named(g)
    first, second = moments(f), moments(g)
    both = expect(lambda t: (f(t) - first.a0) * (g(t) - second.a0), (*f.kinks, *g.kinks))
    return both - first.a1 * second.a1


def anisotropic_error(
    gamma: ArrayLike, n: int, spectrum: ArrayLike, f: Activation | str
) -> np.ndarray:
    """E(γ) for pure-noise tokens with covariance diag(spectrum), (p,).

    Fails where a few directions dominate (a power law with exponent near 1); the ledger shows
    where.
    """
    values = positive("spectrum", spectrum)
    p, trace = len(values), values.mean()
    width = np.sqrt((values**2).mean())  # of a kernel entry
    found = moments(f, width)
    a1 = found.a1 / width
    c = p / n
    alpha, tau = a1 / c, max(found.nu - (a1 * width) ** 2, 0.0) / c
    T = np.array([[0, alpha, 0], [-alpha, 0, 0], [0, 0, 1]], complex)
    # many equal directions would be many equal terms: quantiles of the spectrum, exact in the mean
    # of each
    groups = np.array_split(np.sort(values), min(p, 128))
    levels, weights = np.array([g.mean() for g in groups]), np.array([len(g) / n for g in groups])

    def step(h: np.ndarray, D: np.ndarray) -> np.ndarray:
        inner = np.linalg.inv(np.eye(3) + levels[:, None, None] * (h @ T)[..., None, :, :])
        bulk = np.einsum("k,...kij->...ij", weights * levels, T @ inner)
        noise = tau * fixed_point.P @ h @ fixed_point.P.T
        return np.linalg.inv(D + noise + bulk)

    return _error(gamma, _pencil([-a1 * trace]), _start, step, lambda h: (h, None), np.zeros(1))


def strong_signal_error(
    gamma: ArrayLike,
    c: float,
    f: Activation | str,
    p: int,
    *,
    mu: ArrayLike,
    w_key: ArrayLike | None = None,
    w_query: ArrayLike | None = None,
) -> np.ndarray:
    """E(γ) with the first-order effect of a signal that reaches the nonlinearity (heuristic, odd
    f).

    Kernel entries are f(±s + vξ) with s = μᵀWμ/√p: the moments of f are taken there, and what f
    makes of ±s beyond its linear part becomes a spike along the labels.
    """
    gamma = positive("gamma", gamma)
    f, basis = named(f), directions(mu, w_key, w_query)
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
# ----------------------------------------------------------------------------------------


def _pencil(kappas: Sequence[float]) -> np.ndarray:
    """D without γ for heads with these κ: rows u, then s, w per head."""
    D = np.zeros((1 + 2 * len(kappas), 1 + 2 * len(kappas)), complex)
    for i, kappa in enumerate(kappas):
        s, w = 1 + 2 * i, 2 + 2 * i
        D[U, s], D[s, U], D[s, w], D[w, s] = kappa, -kappa, 1, -1
    return D


def _start(D: np.ndarray) -> np.ndarray:
    h = np.broadcast_to(np.eye(D.shape[-1], dtype=complex), D.shape).copy()
    h[..., U, U] = 1 / D[..., U, U]
    return h


def _wide(x: np.ndarray, r: int) -> np.ndarray:
    """x ⊗ I_r."""
    k = x.shape[-1]
    return np.einsum("...ij,kl->...ikjl", x, np.eye(r)).reshape(*x.shape[:-2], k * r, k * r)


def _error(
    gamma: ArrayLike,
    D: np.ndarray,
    start: Callable,
    step: Callable,
    finish: Callable,
    m: np.ndarray,
    max_iter: int = 20_000,
) -> np.ndarray:
    """Iterate state ← (state + step)/2 at γ(1 + iε), then E = −γ² Im φ/(γε). NaN where it did not
    converge.

    Args:
        start: D(γ) -> state; step: (state, D(γ)) -> state; finish: state -> (h, T_W or None without
            a signal).
        m: (r,) signal.
    """
    gamma = positive("gamma", gamma)
    flat = gamma.ravel()
    here = np.broadcast_to(D, (len(flat), *D.shape)).copy()
    here[:, U, U] += flat * (1 + 1j * _STEP)
    state = start(here)
    for _ in range(max_iter):
        new = (state + step(state, here)) / 2
        real, tiny = np.abs((new - state).real), np.abs((new - state).imag)
        scale = np.abs(new.real).max(axis=(-2, -1)), np.abs(new.imag).max(axis=(-2, -1)) + 1e-300
        error = np.maximum(real.max(axis=(-2, -1)) / scale[0], tiny.max(axis=(-2, -1)) / scale[1])
        state = new
        if error.max() < 1e-12:
            break
    h, T_W = finish(state)
    inverse = np.linalg.inv(h)
    if T_W is not None and m.any():
        M = np.kron(np.eye(h.shape[-1]), m[:, None])
        S_W = T_W @ np.linalg.inv(np.eye(T_W.shape[-1]) + _wide(h, len(m)) @ T_W)
        inverse = inverse + M.T @ S_W @ M
    phi = np.linalg.inv(inverse)[..., U, U]
    error = np.broadcast_to(error.reshape(-1, len(flat)).max(axis=0), flat.shape)
    return np.where(error < 1e-8, -flat * phi.imag / _STEP, np.nan).reshape(gamma.shape)
