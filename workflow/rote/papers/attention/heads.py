"""What theory curves and simulated contexts share: signals, spikes, nonlinearities."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from rote.theory import attention
from rote.theory.attention import ACTIVATIONS, Activation, AttentionSolution, Coefficients, moments
from rote.theory.attention.activation import Nonlinearity

U, V, T = np.eye(3)  # along the signal, and two directions orthogonal to it


class Spike(NamedTuple):
    """The weights W = I + w_K w_Qᵀ of a head; none if either is None."""

    key: np.ndarray | None = None  # w_K, in the first directions of the token space
    query: np.ndarray | None = None  # w_Q


class Structure(NamedTuple):
    """What a context and a head have beyond noise."""

    mu2: float = 0.0  # ||μ||², along the first direction
    spike: Spike = Spike()

    @property
    def mu(self) -> np.ndarray:
        """The signal μ, (3,)."""
        return np.sqrt(self.mu2) * U

    @property
    def vectors(self) -> attention.Vectors:
        """Signal and spike, as the theory takes them."""
        return attention.Vectors(self.mu, *self.spike)


SPIKES: dict[str, Spike] = {
    "none": Spike(),
    "aligned": Spike(U, U),
    "orthogonal": Spike(V, V),
    "mixed": Spike(0.8 * U + 0.6 * V, 1.5 * (U + T) / np.sqrt(2)),
    "negative": Spike(U, -0.7 * U),
    "double": Spike(np.sqrt(2) * U, np.sqrt(2) * U),
    "anti": Spike(-U, U),
    "key only": Spike(U, V),
    "query only": Spike(V, U),
}
STRUCTURES: dict[str, Structure] = {
    "no signal": Structure(),
    "signal": Structure(4.0),
    "aligned": Structure(4.0, SPIKES["aligned"]),
}
FUNCTIONS = tuple(ACTIVATIONS)


HEAVY = ("cubic", "exp_c")  # they grow fast, so that their kernels converge slowly in n


def aligned_spike(omega: float) -> Spike:
    """Key and query along the signal, of strength ω."""
    return Spike(np.sqrt(omega) * U, np.sqrt(omega) * U)


def spike_at(degrees: float) -> Spike:
    """Key and query at an angle to the signal."""
    w = np.cos(np.radians(degrees)) * U + np.sin(np.radians(degrees)) * V
    return Spike(w, w)


def key_at(degrees: float) -> Spike:
    """The key at an angle to the signal, the query along it."""
    return Spike(spike_at(degrees).key, U)


def error(
    gamma: ArrayLike,
    c: ArrayLike,
    f: Nonlinearity | Coefficients,
    structure: Structure = Structure(),
) -> AttentionSolution:
    """The theory of a head: see `attention.memorization_error`.

    Args:
        gamma, c: ridge and p/n, which broadcast.
        f: nonlinearity or its coefficients.
        structure: signal and spike.
    """
    return attention.memorization_error(gamma, c, f, structure.vectors)


def with_linear_part(a1: float) -> Activation:
    """Unit variance, a1 of it linear, the rest quadratic."""
    rest = np.sqrt(1 - a1**2)
    return Activation(lambda t: a1 * t + rest * (t * t - 1) / np.sqrt(2))


def tanh_lookalikes() -> dict[str, Activation]:
    """Functions with the a1 and ν of tanh and nothing else in common."""
    tanh = moments("tanh")
    a, b = tanh.a1, np.sqrt(tanh.noise)
    median = 0.6744897501960817  # of |ξ|
    return {
        "tanh": ACTIVATIONS["tanh"],
        "quadratic": Activation(lambda t: a * t + b * (t * t - 1) / np.sqrt(2)),
        "cubic": Activation(lambda t: a * t + b * (t * t * t - 3 * t) / np.sqrt(6)),
        "step": Activation(lambda t: a * t + b * np.sign(np.abs(t) - median), (-median, median)),
    }
