"""The theory of nonlinear attention by Newton on its 3 × 3 matrices, in arithmetic of 60 digits."""

import mpmath as mp
import numpy as np

DIGITS = 60


def _vector(matrix: mp.matrix) -> mp.matrix:
    return mp.matrix(list(matrix))


def _square(vector: mp.matrix) -> mp.matrix:
    matrix = mp.zeros(3)
    for i, value in enumerate(vector):
        matrix[i // 3, i % 3] = value
    return matrix


def _kron(h: mp.matrix, r: int) -> mp.matrix:
    wide = mp.zeros(3 * r)
    for i in range(3):
        for j in range(3):
            for k in range(r):
                wide[i * r + k, j * r + k] = h[i, j]
    return wide


def error(c, a1, noise, d, gamma, start, vectors=None) -> mp.mpf:
    """E of one head.

    Args:
        c, a1, noise, d, gamma: as floats, taken as exact.
        start: h near the root, (3, 3).
        vectors: signal and both sides of the spike, (3, r); None for no signal.
    """
    mp.mp.dps = DIGITS
    c, a1, noise, d, gamma = map(mp.mpf, (c, a1, noise, d, gamma))
    alpha, tau = a1 / c, noise / c
    kappa = d - a1
    D = mp.matrix([[gamma, kappa, 0], [-kappa, 0, 1], [0, -1, 0]])
    P = mp.matrix([[0, 1, 0], [-1, 0, 0], [0, 0, 0]])
    T = mp.matrix([[0, alpha, 0], [-alpha, 0, 0], [0, 0, 1]])
    h = mp.matrix(np.asarray(start).tolist())

    def linear(F: mp.matrix, S: mp.matrix) -> mp.matrix:
        """Matrix of δ ↦ δ + F (τPδPᵀ − cSδS) F."""
        matrix = mp.eye(9)
        for column in range(9):
            unit = mp.zeros(9, 1)
            unit[column] = 1
            delta = _square(unit)
            image = F * (tau * P * delta * P.T - c * S * delta * S) * F
            for row in range(9):
                matrix[row, column] += image[row // 3, row % 3]
        return matrix

    for _ in range(60):
        S = T * (mp.eye(3) + h * T) ** -1
        F = (D + tau * P * h * P.T + c * S) ** -1
        step = _square(mp.lu_solve(linear(F, S), _vector(F - h)))
        h += step
        sizes = [mp.sqrt(abs(h[i, i])) for i in range(3)]
        entries = np.ndindex(3, 3)
        moved = max(abs(step[i, j]) / (sizes[i] * sizes[j]) for i, j in entries)
        if moved < mp.mpf(10) ** (-DIGITS // 2):
            break
    else:
        raise ArithmeticError("the reference did not converge")
    S = T * (mp.eye(3) + h * T) ** -1
    first = mp.diag([1, 0, 0])
    dh = _square(mp.lu_solve(linear(h, S), _vector(-h * first * h)))
    if vectors is None:
        return -(gamma**2) * dh[0, 0]
    m, key, query = (mp.matrix(v.tolist()) for v in vectors)
    r = len(m)
    mixing = mp.eye(r) + key * query.T
    T_W = mp.zeros(3 * r)
    M = mp.zeros(3 * r, 3)
    for i in range(r):
        for j in range(r):
            T_W[i, r + j] = alpha * mixing[j, i]
            T_W[r + i, j] = -alpha * mixing[i, j]
        T_W[2 * r + i, 2 * r + i] = 1
        for direction in range(3):
            M[direction * r + i, direction] = m[i]
    S_W = T_W * (mp.eye(3 * r) + _kron(h, r) * T_W) ** -1
    psi, dpsi = M.T * S_W * M, -(M.T * S_W * _kron(dh, r) * S_W * M)
    inverse = h**-1
    H = (inverse + psi) ** -1
    dH = H * (inverse * dh * inverse - dpsi) * H
    return -(gamma**2) * dH[0, 0]
