"""ResMem in a linear problem: a base of limited norm plus the nearest training point's residual.

x is uniform on the ball of radius √d in d dimensions, y = ⟨θ*, x⟩ with ‖θ*‖ = 1; the base is least
squares with ‖θ‖ ≤ L < 1. (Yang et al. 2023, section 4, as reconstructed; the leading terms are
ours.)
"""

from math import gamma

import numpy as np

from rote.core.errors import InputError


def plateau(d: int, norm: float) -> float:
    """Test risk of the base for n → ∞, (1 − L)² d/(d + 2), with L = `norm`.

    Args:
        d: dimension of the inputs.
        norm: L in [0, 1), bound on the norm of the base's coefficients.
    """
    return (1 - norm) ** 2 * d / (d + 2)


def leading(n: np.ndarray, d: int, norm: float) -> np.ndarray:
    """Leading term of ResMem's risk, (1 − L)² Γ(1 + 2/d) n^(−2/d), of the shape of `n` (ours).

    With L = 0 it is that of the nearest neighbor alone. The error at x is ⟨θ_n − θ*, x − x'⟩ with
    x' the nearest training point, θ_n → L θ*, and the squared distance to it has mean
    d · Γ(1 + 2/d) n^(−2/d) away from the boundary.

    Args:
        n: numbers of training points, any shape.
        d: dimension of the inputs.
        norm: L in [0, 1), bound on the norm of the base's coefficients.
    """
    return (1 - norm) ** 2 * gamma(1 + 2 / d) * np.asarray(n, float) ** (-2 / d)


def bound(n: np.ndarray, d: int, norm: float) -> np.ndarray:
    """The published bound without its constant, of the shape of `n` (Yang et al. 2023, section 4).

    d² L² n^(−2/3) + d² (1 − L)² (log(n^(1/d))/n)^(1/d), as reconstructed.

    Args:
        n: numbers of training points, any shape.
        d: dimension of the inputs.
        norm: L in [0, 1), bound on the norm of the base's coefficients.
    """
    n = np.asarray(n, float)
    return d**2 * norm**2 * n ** (-2 / 3) + d**2 * (1 - norm) ** 2 * (np.log(n) / d / n) ** (1 / d)


def ball(rng: np.random.Generator, n: int, d: int) -> np.ndarray:
    """Uniform points of the ball of radius √d, (n, d).

    Args:
        rng: source of all draws.
        n: number of points.
        d: dimension.
    """
    directions = rng.normal(size=(n, d))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    return np.sqrt(d) * rng.random((n, 1)) ** (1 / d) * directions


def constrained(x: np.ndarray, y: np.ndarray, norm: float) -> np.ndarray:
    """argmin of the mean squared error over ‖θ‖ ≤ L, (d,).

    Inside the ball it is least squares, else (S + λI)⁻¹ b with λ > 0 such that ‖θ‖ = L, by
    bisection.

    Args:
        x: (n, d).
        y: (n,).
        norm: L.

    Raises:
        InputError: for a norm that is negative.
    """
    if not norm >= 0:
        raise InputError(f"norm must be at least 0, given {norm}")
    if norm == 0:
        return np.zeros(x.shape[1])
    values, vectors = np.linalg.eigh(x.T @ x / len(x))
    b = vectors.T @ (x.T @ y / len(x))
    free = np.divide(b, values, out=np.zeros_like(b), where=values > 1e-12 * values.max())
    if np.linalg.norm(free) <= norm:
        return vectors @ free
    low, high = 0.0, 1.0
    while np.linalg.norm(b / (values + high)) > norm:
        high *= 2
    for _ in range(200):
        middle = (low + high) / 2
        if np.linalg.norm(b / (values + middle)) > norm:
            low = middle
        else:
            high = middle
    return vectors @ (b / (values + high))
