"""Fixed points of several heads, dense heads and anisotropic tokens by Newton in mpmath.

Textbook forms with matrix inverses, Jacobians by differences. The start is a root that is claimed:
where it is none Newton moves away from it, and the accretive root is unique.
"""

import itertools

import mpmath as mp

DIGITS = 90


def heads(c, slopes, tau):
    """Φ of heads without a signal; slopes a1, covariances of their noise over c."""
    H = len(slopes)
    k = 1 + 2 * H
    T, P = mp.zeros(k), []
    for i, slope in enumerate(slopes):
        s, w = 1 + 2 * i, 2 + 2 * i
        T[0, s], T[s, 0], T[w, w] = mp.mpf(slope) / c, -mp.mpf(slope) / c, 1
        P.append(mp.zeros(k))
        P[i][0, s], P[i][s, 0] = 1, -1

    def image(h, gamma):
        D = _pencil([-mp.mpf(slope) for slope in slopes], gamma)
        D += mp.mpf(c) * T * (mp.eye(k) + h * T) ** -1
        for i in range(H):
            for j in range(H):
                D += mp.mpf(tau[i][j]) * P[i] * h * P[j].T
        return D**-1

    return k, image


def dense(c, slope, noise):
    """Φ of a dense head; what W adds to T stands behind h on the diagonal."""

    def image(x, gamma):
        h, u, s = x[:3, :3], x[3, 3], x[4, 4]
        square = (mp.mpf(slope) / c) ** 2
        T = mp.diag([u, s, 1])
        R = (mp.eye(3) + h * T) ** -1 * h
        D = _pencil([mp.mpf(0)], gamma) + mp.mpf(c) * T * (mp.eye(3) + h * T) ** -1
        D[0, 0] += mp.mpf(noise) / c * h[1, 1]
        D[1, 1] += mp.mpf(noise) / c * h[0, 0]
        new = mp.zeros(5)
        new[:3, :3] = D**-1
        new[3, 3], new[4, 4] = square * R[1, 1], square * R[0, 0]
        return new

    return 5, image


def anisotropic(levels, weights, slope, noise):
    """Φ of a head on tokens with these eigenvalues and their shares over n."""
    c = mp.fsum(weights)
    trace = mp.fdot(levels, weights) / c
    alpha = mp.mpf(slope) / c
    T = mp.matrix([[0, alpha, 0], [-alpha, 0, 0], [0, 0, 1]])
    P = mp.matrix([[0, 1, 0], [-1, 0, 0], [0, 0, 0]])

    def image(h, gamma):
        D = _pencil([-slope * trace], gamma) + noise / c * P * h * P.T
        for level, weight in zip(levels, weights, strict=True):
            D += weight * level * T * (mp.eye(3) + level * h * T) ** -1
        return D**-1

    return 3, image


def _pencil(kappas, gamma):
    D = mp.zeros(1 + 2 * len(kappas))
    D[0, 0] = gamma
    for i, kappa in enumerate(kappas):
        s, w = 1 + 2 * i, 2 + 2 * i
        D[0, s], D[s, 0], D[s, w], D[w, s] = kappa, -kappa, 1, -1
    return D


def error(system, gamma, root):
    """E = −γ² dh_uu/dγ, and how far Newton moved from a root that is claimed, relative.

    Args:
        system: of this module.
        gamma: ridge.
        root: the unknowns in their order, of decimals.
    """
    with mp.workdps(DIGITS):
        k, image = system
        gamma = mp.mpf(gamma)
        start = mp.zeros(k)
        size = int(len(root) ** 0.5)
        for i, value in enumerate(root[: size * size]):
            start[i // size, i % size] = mp.mpf(str(value))
        for i, value in enumerate(root[size * size :]):
            start[size + i, size + i] = mp.mpf(str(value))
        solve = _newton(image, start, gamma)
        root = _settled(image, solve, start, gamma)
        moved = max(abs(root[i, i] / start[i, i] - 1) for i in range(k) if start[i, i] != 0)
        step = mp.mpf(10) ** -36
        ahead = _settled(image, solve, root, gamma * (1 + step))
        return -gamma * (ahead[0, 0] - root[0, 0]) / step, moved


def _settled(image, solve, h, gamma):
    """The root near h, by steps with one Jacobian."""
    for _ in range(40):
        step = solve(image(h, gamma) - h)
        h = h + step
        if all(abs(step[i, i]) <= mp.mpf(10) ** -75 * abs(h[i, i]) for i in range(h.rows)):
            return h
    raise ArithmeticError("the reference did not converge")


def _newton(image, h, gamma):
    """Step of Newton for a gap, with the Jacobian at h."""
    k = h.rows
    size = [mp.sqrt(abs(h[i, i])) or mp.mpf(1) for i in range(k)]
    places = list(itertools.product(range(k), repeat=2))
    new = image(h, gamma)
    jacobian = mp.eye(k * k)
    small = mp.mpf(10) ** -40
    for column, (i, j) in enumerate(places):
        moved = h.copy()
        moved[i, j] += small * size[i] * size[j]
        change = (image(moved, gamma) - new) / small
        for row, (a, b) in enumerate(places):
            jacobian[row, column] -= change[a, b] / (size[a] * size[b])
    left = jacobian**-1

    def solve(gap):
        scaled = left * mp.matrix([gap[i, j] / (size[i] * size[j]) for i, j in places])
        step = mp.zeros(k)
        for value, (i, j) in zip(scaled, places, strict=True):
            step[i, j] = value * size[i] * size[j]
        return step

    return solve
