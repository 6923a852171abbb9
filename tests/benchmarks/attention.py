"""Nonlinear attention: a γ path against single points, one reduction against an inverse per γ."""

import numpy as np
from rote.core.seeds import generator
from rote.papers.attention import simulation
from rote.synth import tokens
from rote.theory import attention

from tests.benchmarks.case import Case, Growth, Work

GAMMAS = np.geomspace(1e-5, 1e3, 37)
C = 4.0


def _point(gamma: float, a1: float, nu: float) -> float:
    """E at one γ: damped iteration from diag(1/γ, 1, 1), then a linear solve for the derivative."""
    alpha, tau = a1 / C, (nu - a1**2) / C
    kappa = -a1
    D = np.array([[gamma, kappa, 0], [-kappa, 0, 1], [0, -1, 0]])
    P = np.array([[0.0, 1, 0], [-1, 0, 0], [0, 0, 0]])
    T = np.array([[0, alpha, 0], [-alpha, 0, 0], [0, 0, 1]])
    h = np.diag([1 / gamma, 1, 1])
    for _ in range(200_000):
        new = (
            h + np.linalg.inv(D + tau * P @ h @ P.T + C * T @ np.linalg.inv(np.eye(3) + h @ T))
        ) / 2
        change = np.abs(new - h).max() / (1 + np.abs(new).max())
        h = new
        if change < 1e-12:
            break
    S = T @ np.linalg.inv(np.eye(3) + h @ T)
    matrix = np.eye(9) + np.kron(h, h.T) @ (tau * np.kron(P, P) - C * np.kron(S, S.T))
    right = -np.outer(h[:, 0], h[0])
    return -(gamma**2) * np.linalg.solve(matrix, right.ravel())[0]


def attention_path():
    """Attention theory over 37 ridges: one continuation path / damped iteration point by point"""
    return _points(GAMMAS)


def attention_points():
    """The same over 100 ridges"""
    return _points(np.geomspace(1e-5, 1e3, 100))


def _points(gammas: np.ndarray) -> Case:
    a1, nu = attention.coefficients("tanh")

    def solve():
        return attention.memorization_error(gammas, C, "tanh")

    def loop():
        return [_point(gamma, a1, nu) for gamma in gammas]

    np.testing.assert_allclose(solve().error, loop(), rtol=1e-6, atol=1e-10)
    note = (
        "matrices of 3 x 3: the interpreter's time, not the arithmetic's; points share every step"
    )
    return Case(solve, loop, bar=10.0, note=note)


def attention_simulation():
    """Attention errors at 37 ridges, n = 1024, p = 2048:
    one tridiagonal reduction / one dense inverse per ridge
    """
    n, p = 1024, 2048
    context = tokens.draw(n, p, generator(1, "bench", "attention"), mu=[1.0])
    A, _ = simulation.features(context.X, simulation.entrywise("tanh", p))
    gram = A.T @ A / n  # of both: what is compared is what follows it

    def ours() -> np.ndarray:
        solved = simulation.shifted_solves(np.tril(gram), context.y, GAMMAS, rotate_back=False)
        return GAMMAS**2 * (solved**2).sum(axis=0) / n

    def inverse(gamma: float) -> float:
        solved = np.linalg.inv(gram + gamma * np.eye(n)) @ context.y
        return gamma**2 * solved @ solved / n

    def peer() -> list[float]:
        return [inverse(gamma) for gamma in GAMMAS[::6]]

    np.testing.assert_allclose(ours()[::6], peer(), atol=1e-9)
    return Case(
        ours,
        peer,
        scale=len(GAMMAS) / len(GAMMAS[::6]),
        bar=10.0,
        threads=True,
        flops=4 / 3 * n**3,
        dtype="f8",
        note="half of a tridiagonal reduction are products of a matrix "
        "and a vector, which wait for memory",
    )


def _reduction(n: int) -> Work:
    context = tokens.draw(n, 2 * n, generator(1, "bench", "attention", n), mu=[1.0])
    A, _ = simulation.features(context.X, simulation.entrywise("tanh", 2 * n))
    gram = np.tril(A.T @ A / n)
    return lambda: simulation.shifted_solves(gram, context.y, GAMMAS, rotate_back=False)


def _path(points: int) -> Work:
    gammas = np.geomspace(1e-5, 1e3, points)
    return lambda: attention.memorization_error(gammas, C, "tanh")


COMPARISONS = [attention_path, attention_points, attention_simulation]
GROWTH = [
    Growth("attention theory", "ridges", (37, 148, 592, 2368), _path),
    Growth("attention at 37 ridges, p = 2n", "tokens n", (256, 512, 1024, 2048), _reduction),
]
