"""The settings that theory curves and simulated contexts share: signals, spikes, look-alike
nonlinearities.
"""

import numpy as np

from rote.theory.attention import ACTIVATIONS, Activation, moments

U, V, T = np.eye(3)
Spike = tuple[
    np.ndarray | None, np.ndarray | None
]  # w_K, w_Q in the basis (signal, two directions orthogonal to it)
SPIKES: dict[str, Spike] = {
    "none": (None, None),
    "aligned": (U, U),
    "orthogonal": (V, V),
    "mixed": (0.8 * U + 0.6 * V, 1.5 * (U + T) / np.sqrt(2)),
    "negative": (U, -0.7 * U),
    "double": (np.sqrt(2) * U, np.sqrt(2) * U),
    "anti": (-U, U),
    "key only": (U, V),
    "query only": (V, U),
}
FUNCTIONS = tuple(ACTIVATIONS)
HEAVY = ("cubic", "exp_c")  # their kernels converge slowly in n


def strength(omega: float) -> Spike:
    """Aligned spike of strength ω."""
    return np.sqrt(omega) * U, np.sqrt(omega) * U


def both(degrees: float) -> Spike:
    """Key and query at an angle to the signal."""
    w = np.cos(np.radians(degrees)) * U + np.sin(np.radians(degrees)) * V
    return w, w


def key_angle(degrees: float) -> Spike:
    """The key at an angle to the signal, the query along it."""
    return np.cos(np.radians(degrees)) * U + np.sin(np.radians(degrees)) * V, U


def linear_share(a1: float) -> Activation:
    """Unit variance, a1 of it linear, the rest quadratic."""
    rest = np.sqrt(1 - a1**2)
    return Activation(lambda t: a1 * t + rest * (t * t - 1) / np.sqrt(2))


def lookalikes() -> dict[str, Activation]:
    """Functions with the a1 and ν of tanh and nothing else in common."""
    found = moments("tanh")
    a, b, median = found.a1, np.sqrt(found.noise), 0.6744897501960817
    return {
        "tanh": ACTIVATIONS["tanh"],
        "quadratic": Activation(lambda t: a * t + b * (t * t - 1) / np.sqrt(2)),
        "cubic": Activation(lambda t: a * t + b * (t * t * t - 3 * t) / np.sqrt(6)),
        "step": Activation(lambda t: a * t + b * np.sign(np.abs(t) - median), (-median, median)),
    }
