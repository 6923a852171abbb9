"""Named dot-product kernels K(x, x') = h(x·x'/d) and their geometry (μ1, μ⋆)."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np


class DotProductKernel(NamedTuple):
    """A kernel h(x·x'/d) with h'(0) = μ1² and h(1) − h(0) − h'(0) = μ⋆²."""

    function: Callable[[np.ndarray], np.ndarray]  # h, of cosines in [-1, 1]
    mu1: float  # linear part
    mustar: float  # norm of the rest

    @property
    def geometry(self) -> tuple[float, float]:
        """(μ1, μ⋆)."""
        return self.mu1, self.mustar


def _erf(t: np.ndarray) -> np.ndarray:
    return 2 / np.pi * np.arcsin(2 * t / 3)


def _relu(t: np.ndarray) -> np.ndarray:
    return (np.sqrt(np.maximum(1 - t**2, 0)) + t * (np.pi - np.arccos(t))) / (2 * np.pi)


def _sign(t: np.ndarray) -> np.ndarray:
    return 2 / np.pi * np.arcsin(t)


def _rbf(t: np.ndarray) -> np.ndarray:
    return np.exp(-(1 - t))


def _cubic(t: np.ndarray) -> np.ndarray:
    return 0.64 * t + 0.36 * t**3


KERNELS: dict[str, DotProductKernel] = {
    "erf": DotProductKernel(
        _erf, np.sqrt(4 / (3 * np.pi)), np.sqrt(2 / np.pi * np.arcsin(2 / 3) - 4 / (3 * np.pi))
    ),
    "relu": DotProductKernel(_relu, 0.5, np.sqrt(0.25 - 1 / (2 * np.pi))),
    "sign": DotProductKernel(_sign, np.sqrt(2 / np.pi), np.sqrt(1 - 2 / np.pi)),
    "rbf": DotProductKernel(_rbf, np.exp(-0.5), np.sqrt(1 - 2 / np.e)),
    "cubic": DotProductKernel(_cubic, 0.8, 0.6),
}
