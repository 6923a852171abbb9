"""Named dot-product kernels and their geometry (μ1, μ⋆)."""

from collections.abc import Callable

import numpy as np

KERNELS: dict[str, Callable[[np.ndarray], np.ndarray]] = {  # h(t) of K(x, x') = h(x·x'/d)
    "erf": lambda t: 2 / np.pi * np.arcsin(2 * t / 3),
    "relu": lambda t: (np.sqrt(np.maximum(1 - t**2, 0)) + t * (np.pi - np.arccos(t))) / (2 * np.pi),
    "sign": lambda t: 2 / np.pi * np.arcsin(t),
    "rbf": lambda t: np.exp(-(1 - t)),
    "cubic": lambda t: 0.64 * t + 0.36 * t**3,
}
GEOMETRY = {  # (μ1, μ⋆): h'(0) = μ1², h(1) − h(0) − h'(0) = μ⋆²
    "erf": (np.sqrt(4 / (3 * np.pi)), np.sqrt(2 / np.pi * np.arcsin(2 / 3) - 4 / (3 * np.pi))),
    "relu": (0.5, np.sqrt(0.25 - 1 / (2 * np.pi))),
    "sign": (np.sqrt(2 / np.pi), np.sqrt(1 - 2 / np.pi)),
    "rbf": (np.exp(-0.5), np.sqrt(1 - 2 / np.e)),
    "cubic": (0.8, 0.6),
}
