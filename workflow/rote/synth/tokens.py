"""Contexts of labelled tokens (arXiv 2506.18656): a signal along the labels, in noise."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from rote.core.errors import InputError

Noise = Callable[[np.random.Generator, tuple[int, int]], np.ndarray]


class Context(NamedTuple):
    """Tokens x = yμ + z with their labels."""

    X: np.ndarray  # (p, n)
    y: np.ndarray  # (n,) ±1


def normal(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """Gaussian noise of unit variance, float64 of the given shape.

    Args:
        rng: source of all draws.
        shape: (p, n), dimensions and tokens.
    """
    return rng.standard_normal(shape)


def rademacher(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """Fair signs ±1, float64 of the given shape.

    Args:
        rng: source of all draws.
        shape: (p, n), dimensions and tokens.
    """
    return rng.choice([-1.0, 1.0], size=shape)


def student(degrees: float) -> Noise:
    """Student noise scaled to unit variance.

    Raises:
        InputError: where the variance is infinite (degrees ≤ 2).
    """
    if not degrees > 2:
        raise InputError(f"degrees must be > 2 for noise of finite variance, given {degrees}")

    def noise(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
        return rng.standard_t(degrees, shape) * np.sqrt((degrees - 2) / degrees)

    return noise


def anisotropic(scales: np.ndarray) -> Noise:
    """Gaussian noise with its own variance in each direction.

    Args:
        scales: (p,) standard deviations.
    """

    def noise(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
        return rng.standard_normal(shape) * scales[:, None]

    return noise


def draw(
    n: int,
    p: int,
    rng: np.random.Generator,
    *,
    mu: ArrayLike | None = None,
    balance: float = 0.0,
    noise: Noise = normal,
) -> Context:
    """One context of n tokens x = yμ + z of dimension p.

    Args:
        n, p: tokens and dimensions, both at least 2.
        rng: source of all draws.
        mu: signal, (k,) with k ≤ p: its coordinates in the first k directions.
        balance: mean label, in [−1, 1], up to rounding to whole tokens; 0 with an even n is
            exactly balanced, which the theory needs.
        noise: z; of unit variance in the theory, else see `anisotropic`.

    Returns:
        Tokens (p, n) and labels (n,), in random order.

    Raises:
        InputError: for n, p, mu or balance out of their ranges, naming the argument.
    """
    if n < 2 or p < 2:
        raise InputError(f"n and p must be at least 2, given n = {n}, p = {p}")
    if not -1 <= balance <= 1:
        raise InputError(f"balance must be in [-1, 1], given {balance}")
    mu = np.zeros(1) if mu is None else np.atleast_1d(np.asarray(mu, float))
    if mu.ndim != 1 or len(mu) > p or not np.isfinite(mu).all():
        raise InputError(
            f"mu must be a vector of at most p = {p} finite numbers, given shape {mu.shape}"
        )
    y = np.ones(n)
    y[: round(n * (1 - balance) / 2)] = -1
    rng.shuffle(y)
    X = noise(rng, (p, n))
    X[: len(mu)] += mu[:, None] * y
    return Context(X, y)
