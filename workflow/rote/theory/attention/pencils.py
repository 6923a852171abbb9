"""The fixed points of several heads, of a dense one and of anisotropic tokens, for `path`.

With D the pencil at γ, N(h) what the noise of f adds and B(h) the spectrum of the tokens,

    h = (D + N(h) + B(h))⁻¹,    B = c S,  S = T(1 + hT)⁻¹  for tokens without a covariance.

Jacobians are products of double-precision matrices in a frame in which all are of order one.
"""

from decimal import Decimal
from functools import partial

import numpy as np

from rote.theory.attention import decimals
from rote.theory.attention.decimals import ONE, exact, eye, inverse
from rote.theory.attention.fixed_point import P, S, U
from rote.theory.attention.path import Frame, Image, System

_GROUPS = 64  # of eigenvalues on the way down


def _pencil(kappas: np.ndarray) -> np.ndarray:
    """D without γ for heads with these κ: rows u, then s, w per head; of decimals."""
    D = np.zeros((1 + 2 * len(kappas), 1 + 2 * len(kappas)))
    for i, kappa in enumerate(kappas):
        s, w = 1 + 2 * i, 2 + 2 * i
        D[U, s], D[s, U] = kappa, -kappa
        D[s, w], D[w, s] = 1, -1
    return exact(D)


def _at(pencil: np.ndarray, gamma: Decimal | float) -> np.ndarray:
    D = pencil.copy()
    D[U, U] += gamma
    return D


def _start(heads: int, spread: float, size: float, gamma: float) -> np.ndarray:
    """h where γ is large, (k, k): u hardly moves, s = XᵀX w/n is w times the spectrum's mean."""
    h = np.zeros((1 + 2 * heads, 1 + 2 * heads))
    h[U, U] = 1 / gamma
    for i in range(heads):
        s, w = 1 + 2 * i, 2 + 2 * i
        h[s, s], h[w, w] = spread, size**2 / gamma
        h[w, s], h[s, w] = 1, -1
    return h


def _top(slopes: np.ndarray, noise: float, kappas: np.ndarray, edge: float, c: float) -> float:
    """γ at which attention is a perturbation; `edge` is that of the tokens' spectrum."""
    size = np.abs(slopes).sum() * edge + np.abs(kappas).sum() + 2 * np.sqrt(noise)
    return 100 * max(1.0, float(size**2 * edge), 1 / c)


def _times(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Matrix of X ↦ left X right, X row by row: their Kronecker product, faster than `np.kron`."""
    size = len(left) ** 2
    return (left[:, None, :, None] * right.T[None, :, None, :]).reshape(size, size)


def _slope(
    new: np.ndarray, P_all: np.ndarray, tau: np.ndarray, gamma: Decimal | float, frame: Frame
) -> tuple[np.ndarray, np.ndarray]:
    """What noise and γ do to Φ, (k², k²) and γ ∂Φ/∂γ, (k²,), in a frame.

    Args:
        new: Φ of h, (k, k).
        P_all, tau: N(h) = Σ τ_ij P_i h P_jᵀ; (m, k, k) of decimals and (m, m) floats.
        gamma: γ.
        frame: near h.
    """
    F, k = frame.h(new), len(new)
    turned = frame.inverse_h(P_all)
    noise = np.einsum("ij,iab,jdc->adbc", tau, turned, turned).reshape(k * k, k * k)
    by_gamma = -float(gamma) * np.outer(frame.column(new[:, U]), frame.column(new[U]))
    return -_times(F, F) @ noise, by_gamma.ravel()


# ---- several heads


def heads(c: float, slopes: np.ndarray, tau: np.ndarray, signal: "Signal | None") -> System:
    """Heads that see the same tokens, their diagonals zero.

    Args:
        c: p/n.
        slopes: a1 of every head, (heads,); no two independent heads without noise.
        tau: covariance of their noise over c, (heads, heads).
        signal: of the tokens, of these heads and perhaps of some without slope and noise; None for
            none.
    """
    H = len(slopes)
    k = 1 + 2 * H
    T, P_all = np.zeros((k, k)), np.zeros((H, k, k))
    for i, slope in enumerate(slopes):
        s, w = 1 + 2 * i, 2 + 2 * i
        T[U, s], T[s, U] = slope / c, -slope / c
        T[w, w] = 1
        P_all[i, U, s], P_all[i, s, U] = 1, -1
    pencil = _pencil(-np.asarray(slopes, float))
    in_decimals = exact(tau), exact(T), exact(P_all), Decimal(c), pencil, eye(k)
    in_floats = tau, T, P_all, c, pencil.astype(float), np.eye(k)

    def image(state: np.ndarray, gamma: Decimal | float, constants: tuple = in_decimals) -> Image:
        noise, T, P_all, share, pencil, one = constants
        h = state.reshape(k, k)
        bulk = T @ inverse(one + h @ T)
        new = inverse(_at(pencil, gamma) + _heads_noise(h, noise) + share * bulk)

        def by(frame: Frame) -> tuple[np.ndarray, np.ndarray]:
            by_noise, by_gamma = _slope(new, P_all, tau, gamma, frame)
            by_bulk = _times(frame.left(new @ bulk), frame.right(bulk @ new))
            return by_noise + float(c) * by_bulk, by_gamma

        return Image(new.ravel(), by)

    edge = (1 + np.sqrt(c)) ** 2
    top = _top(np.asarray(slopes) / c, float(np.abs(tau).sum()), np.asarray(slopes), edge, c)
    size = np.abs(slopes).sum() * (1 + 1 / c) + np.sqrt(np.abs(tau).sum())
    return System(
        k,
        image,
        image,
        lambda gamma: _start(H, c, size, gamma).ravel(),
        top,
        partial(_overlap, k=k, signal=signal, c=c),
        partial(image, constants=in_floats),
    )


def _heads_noise(h: np.ndarray, tau: np.ndarray) -> np.ndarray:
    """Σ τ_ij P_i h P_jᵀ, P_i = E(u, s_i) − E(s_i, u)."""
    s = slice(1, None, 2)
    out = np.zeros_like(h)
    out[U, U] = (tau * h[s, s]).sum()
    out[U, s] = -(h[s, U] @ tau)
    out[s, U] = -(tau @ h[U, s])
    out[s, s] = tau * h[U, U]
    return out


class Signal:
    """What a signal adds to h⁻¹ of heads with spikes: on its span they act as T = T₀ ⊗ 1 + A Cᵀ.

    A and C hold two columns e ⊗ v per spike: all that is factored has the size of h or of these.
    """

    def __init__(
        self, mu: np.ndarray, slopes: np.ndarray, turn: np.ndarray, spikes: np.ndarray
    ) -> None:
        """The pencil, exact.

        Args:
            mu: (r,).
            slopes: a1/c of every head, (heads,).
            turn: rotation of the heads into those that the pencil is of, (heads, heads).
            spikes: w_K and w_Q of every head, (2, heads, r).
        """
        self.size = 1 + 2 * len(slopes)
        T = np.zeros((self.size, self.size))
        T[U, 1::2], T[1::2, U] = slopes @ turn, -slopes @ turn
        T[range(2, self.size, 2), range(2, self.size, 2)] = 1
        keys, queries = spikes[:, spikes.any(axis=2).all(axis=0)]
        at_u, at_s = np.zeros((2, len(keys), self.size))
        at_u[:, U] = 1
        at_s[:, 1::2] = (slopes[:, None] * turn)[spikes.any(axis=2).all(axis=0)]
        self.T, mu = exact(T), exact(mu)
        self.left, self.right = exact(np.append(at_u, -at_s, 0)), exact(np.append(at_s, at_u, 0))
        left, right = exact(np.append(queries, keys, 0)), exact(np.append(keys, queries, 0))
        self.mixed, self.power = right @ left.T, mu @ mu
        self.from_left, self.from_right = left @ mu, right @ mu

    def inner(self, h: np.ndarray) -> np.ndarray:
        """Mᵀ S_W M with M = 1 ⊗ μ and S_W = T(1 + hT)⁻¹, (k, k).

        Args:
            h: (k, k) of decimals.
        """
        one = eye(self.size)
        outer = inverse(one + h @ self.T)
        plain = self.power * (self.T @ outer)
        if not len(self.left):
            return plain
        left, right = inverse(one + self.T @ h) @ self.left.T, self.right @ outer
        middle = eye(len(self.left)) + self.mixed * (self.right @ h @ left)
        return plain + (left * self.from_left) @ decimals.solve(
            middle, self.from_right[:, None] * right
        )


def _overlap(state: np.ndarray, k: int, signal: Signal | None, c: float = 0.0) -> Decimal:
    """φ = lim yᵀQy/n; heads without slope and noise have h = ((c, −1), (1, 0)) in s and w."""
    h = state[: k * k].reshape(k, k)
    if signal is None:
        return h[U, U]
    whole = eye(signal.size)
    whole[:k, :k] = h
    for s in range(k, signal.size, 2):
        whole[s : s + 2, s : s + 2] = exact(np.array([[c, -1.0], [1.0, 0.0]]))
    h = whole
    first = eye(signal.size)[:, :1]
    return decimals.solve(inverse(h) + signal.inner(h), first)[U, 0]


# ---- a dense head


def dense(c: float, slope: float, noise: float) -> System:
    """A head with weights W of N(0, 1/p), its diagonal kept.

    The unknowns are h and what W adds to T on its diagonal, in u and s.

    Args:
        c: p/n.
        slope: a1.
        noise: ν − a1².
    """
    pencil, P_all = _pencil(np.zeros(1)), np.zeros((2, 3, 3))
    P_all[0, U, S] = P_all[1, S, U] = 1  # of diag(x_ss, x_uu, 0)
    shared = noise / c * np.eye(2)
    numbers = noise / c, c, slope / c
    in_decimals = *map(Decimal, numbers), pencil, exact(P_all), eye(3)
    in_floats = *numbers, pencil.astype(float), P_all, np.eye(3)

    def image(state: np.ndarray, gamma: Decimal | float, constants: tuple = in_decimals) -> Image:
        tau, share, ratio, pencil, P_all, one = constants
        square = ratio**2
        h, added = state[:9].reshape(3, 3), state[9:]
        T = np.diag(np.append(added, one[0, 0]))
        right = inverse(one + h @ T)
        bulk, inside = T @ right, right @ h
        spread = np.zeros_like(h)
        spread[U, U], spread[S, S] = h[S, S], h[U, U]
        new = inverse(_at(pencil, gamma) + tau * spread + share * bulk)
        both = np.array([square * inside[S, S], square * inside[U, U]], state.dtype)

        def by(frame: Frame) -> tuple[np.ndarray, np.ndarray]:
            by_noise, by_gamma = _slope(new, P_all, shared, gamma, frame)
            # dS = K dT L − S dh S and dR = L dh K − R dT R with L = (1 + hT)⁻¹, K = (1 + Th)⁻¹
            left = inverse(one + T @ h)
            columns, rows = new @ left, right @ new
            others = [(U, S), (S, U)]  # the diagonal of T, and that of R which it follows
            by_T = [np.outer(frame.column(columns[:, i]), frame.column(rows[i])) for i, _ in others]
            of_h = [np.outer(frame.row(right[j]), frame.row(left[:, j])) for _, j in others]
            to, fro = np.ix_([S, U], [U, S]), np.ix_([U, S], [S, U])
            of_T = (inside[to] * inside[fro].T).astype(float)
            size = frame.others
            by_state = np.zeros((11, 11))
            by_state[:9, :9] = by_noise
            by_state[:9, :9] += float(c) * _times(frame.left(new @ bulk), frame.right(bulk @ new))
            by_state[:9, 9:] = -float(c) * np.stack(by_T).reshape(2, 9).T * size
            by_state[9:, :9] = float(square) * np.stack(of_h).reshape(2, 9) / size[:, None]
            by_state[9:, 9:] = -float(square) * of_T * size / size[:, None]
            return by_state, np.append(by_gamma, [0.0, 0.0])

        return Image(np.concatenate([new.ravel(), both]), by)

    edge = (1 + np.sqrt(c)) ** 2
    size = abs(slope) * (1 + 1 / c) + np.sqrt(noise / c)

    def start(gamma: float) -> np.ndarray:
        added = (slope / c) ** 2 * np.array([c, 1 / gamma])
        return np.append(_start(1, c, size, gamma), added)

    top = _top(np.array([slope / c]), noise / c, np.zeros(1), edge, c)
    value = partial(_overlap, k=3, signal=None)
    return System(3, image, image, start, top, value, partial(image, constants=in_floats))


# ---- anisotropic tokens


def anisotropic(
    levels: np.ndarray, counts: np.ndarray, n: int, slope: float, noise: float
) -> System:
    """A head on noise of a given covariance, its diagonal zero.

    Args:
        levels: distinct eigenvalues of the covariance, (levels,).
        counts: dimensions with each, (levels,).
        n: tokens.
        slope: a1.
        noise: ν − a1².
    """
    c = counts.sum() / n
    mean = counts @ levels / counts.sum()
    T = np.array([[0, slope / c, 0], [-slope / c, 0, 0], [0, 0, 1]])
    shared = np.array([[noise / c]])
    numbers = T, noise / c, P, _pencil(np.array([-slope * mean]))
    groups = _few(levels, counts)
    in_floats = *numbers[:3], numbers[3].astype(float), *groups, _Spectra
    constants = exact(T), Decimal(noise / c), exact(P), numbers[3]
    in_decimals = *constants, exact(levels), exact(counts), _Spectral
    few = *constants, *map(exact, groups), _Spectral

    def image(state: np.ndarray, gamma: Decimal | float, constants: tuple = in_decimals) -> Image:
        T, tau, P, pencil, at, share, kind = constants
        h = state.reshape(3, 3)
        spectral = kind(T, h @ T, at)
        bulk = spectral.sum(share) / n
        new = inverse(_at(pencil, gamma) + tau * (P @ h @ P.T) + bulk)

        def by(frame: Frame) -> tuple[np.ndarray, np.ndarray]:
            by_noise, by_gamma = _slope(new, P[None], shared, gamma, frame)
            return by_noise + spectral.slope(new, share, frame) / n, by_gamma

        return Image(new.ravel(), by)

    edge = float(levels.max()) * (1 + np.sqrt(c)) ** 2
    size = abs(slope) * mean * (1 + 1 / c) + np.sqrt(noise / c)
    top = _top(np.array([slope / c]), noise / c, np.array([slope * mean]), edge, c)
    return System(
        3,
        image,
        partial(image, constants=few),
        lambda gamma: _start(1, c * mean, size, gamma).ravel(),
        top,
        partial(_overlap, k=3, signal=None),
        partial(image, constants=in_floats),
    )


def _few(levels: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """At most `_GROUPS` levels near all of them, and their weights."""
    position = np.log(levels / levels.min())
    index = np.floor(position / max(position.max(), 1e-300) * (_GROUPS - 1)).astype(int)
    total = np.bincount(index, weights, _GROUPS)
    mean = np.bincount(index, weights * levels, _GROUPS)[total > 0] / total[total > 0]
    return (levels, weights) if len(levels) <= _GROUPS else (mean, total[total > 0])


class _Spectral:
    """T(1 + lM)⁻¹ at every level l, for 3 × 3 M, by the characteristic polynomial of M.

    T(1 + lM)⁻¹ = (C₀ + l C₁ + l² C₂)/det(1 + lM): its sums are sums of quotients.
    """

    def __init__(self, T: np.ndarray, M: np.ndarray, levels: np.ndarray) -> None:
        square, trace = M @ M, M.trace()
        second = (trace * trace - square.trace()) / 2
        adjugate = square - trace * M + second * eye(3)
        determinant = M[0] @ adjugate[:, 0]
        self.parts = [T, T @ (trace * eye(3) - M), T @ adjugate]
        self.levels = levels
        self.below = ((determinant * levels + second) * levels + trace) * levels + ONE

    def sum(self, weights: np.ndarray) -> np.ndarray:
        """Σ w l T(1 + lM)⁻¹, (3, 3)."""
        term = weights * self.levels / self.below
        total = term.sum() * self.parts[0]
        for part in self.parts[1:]:
            term = term * self.levels
            total = total + term.sum() * part
        return total

    def slope(self, new: np.ndarray, weights: np.ndarray, frame: Frame) -> np.ndarray:
        """Σ w l² (X ↦ F G X G F) with F = Φ and G = T(1 + lM)⁻¹, (9, 9), in a frame."""
        term = weights * (self.levels / self.below) ** 2
        sums = [term.sum()]
        for _ in range(4):
            term = term * self.levels
            sums.append(term.sum())
        # decimal until all is summed: the parts cancel
        left, right = frame.both_sides(new, self.parts)
        moments = np.array(sums, object)[np.add.outer(np.arange(3), np.arange(3))]
        gram = (left.T @ (moments @ right)).reshape(3, 3, 3, 3)
        return gram.transpose(0, 3, 1, 2).reshape(9, 9).astype(float)


class _Spectra:
    """The same in double precision, where the polynomial would cancel: a matrix per level."""

    def __init__(self, T: np.ndarray, M: np.ndarray, levels: np.ndarray) -> None:
        self.each = T @ np.linalg.inv(np.eye(3) + levels[:, None, None] * M)
        self.levels = levels

    def sum(self, weights: np.ndarray) -> np.ndarray:
        """As `_Spectral.sum`."""
        return np.tensordot(weights * self.levels, self.each, 1)

    def slope(self, new: np.ndarray, weights: np.ndarray, frame: Frame) -> np.ndarray:
        """As `_Spectral.slope`."""
        left, right = frame.left(new @ self.each), frame.right(self.each @ new)
        share = (weights * self.levels**2)[:, None]
        gram = (left.reshape(-1, 9).T @ (share * right.reshape(-1, 9))).reshape(3, 3, 3, 3)
        return gram.transpose(0, 3, 1, 2).reshape(9, 9)
