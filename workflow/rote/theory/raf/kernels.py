"""Dot-product kernels K(x, x') = h(x·x'/d) and activations, and their geometry (μ1, μ⋆)."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy import special

from rote.core import fields, reals
from rote.core.errors import InputError
from rote.theory.attention.activation import moments


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


def _cubic(t: np.ndarray) -> np.ndarray:
    return 0.64 * t + 0.36 * t**3


_ETA = fields.FieldRange("between 1e-6 and 100", lambda value: 1e-6 <= value <= 100)


def rbf(eta: float) -> DotProductKernel:
    """exp(−η||x − x'||²/2d), for inputs of norm √d: η scales the median squared distance 2d.

    Args:
        eta: η, between 1e-6 and 100.

    Raises:
        InputError: for η outside its range.
    """
    eta = reals.number("eta", eta, _ETA)
    rest = np.exp(-eta) * (np.expm1(eta) - eta) if eta > 0.1 else _small_rest(eta)
    return DotProductKernel(
        lambda t: np.exp(-eta * (1 - t)), np.sqrt(eta * np.exp(-eta)), np.sqrt(rest)
    )


def _small_rest(eta: float) -> float:
    """1 − e^−η (1 + η), without cancellation at small η."""
    return float(special.gammainc(2, eta))


KERNELS: dict[str, DotProductKernel] = {
    "erf": DotProductKernel(
        _erf, np.sqrt(4 / (3 * np.pi)), np.sqrt(2 / np.pi * np.arcsin(2 / 3) - 4 / (3 * np.pi))
    ),
    "relu": DotProductKernel(_relu, 0.5, np.sqrt(0.25 - 1 / (2 * np.pi))),
    "sign": DotProductKernel(_sign, np.sqrt(2 / np.pi), np.sqrt(1 - 2 / np.pi)),
    "rbf": rbf(1.0),
    "cubic": DotProductKernel(_cubic, 0.8, 0.6),
}


ACTIVATIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {  # of random features
    "sign": lambda z: np.where(z >= 0, 1.0, -1.0),
    "erf": special.erf,
    "relu": lambda z: np.maximum(z, 0.0),
}
_HALF_WIDTH = 0.25  # of the interval around 0 on which h is interpolated
_SMOOTH = 1e-8  # by which an interpolation may miss h


def named(name: str) -> DotProductKernel:
    """A kernel by its name.

    Args:
        name: erf, relu, sign, rbf or cubic; rbf:ETA is the RBF kernel with that η.

    Raises:
        InputError: for an unknown kernel, or η that is no number in its range.
    """
    fields.check_types({"kernel": str}, {"kernel": name})
    if name in KERNELS:
        return KERNELS[name]
    family, colon, eta = name.partition(":")
    if family == "rbf" and colon:
        try:
            number = float(eta)
        except ValueError:
            number = np.nan
        if not _ETA.holds(number):
            raise InputError(f"kernel rbf:ETA needs a number {_ETA.words} as ETA, given {name!r}")
        return rbf(number)
    raise InputError(f"kernel must be one of {', '.join(KERNELS)} or rbf:ETA, given {name!r}")


def of_function(h: Callable[[np.ndarray], np.ndarray]) -> DotProductKernel:
    """The geometry of any dot-product kernel.

    h'(0) is that of h's interpolation at Chebyshev points around 0.

    Args:
        h: of cosines in [−1, 1], vectorized; smooth around 0.

    Raises:
        InputError: for a function that is not vectorized or finite, has a kink at 0, or that no
            kernel has (h'(0) ≤ 0, or less on the diagonal than its linear part).
    """
    with np.errstate(all="ignore"):
        try:
            ends = np.asarray(h(np.array([0.0, 1.0])), float)
            slope, misfit = _slope(h)
        except Exception as error:
            raise InputError(f"h cannot be applied to an array of cosines: {error}") from error
    if ends.shape != (2,) or not np.isfinite([*ends, slope]).all():
        raise InputError("h must map an array of cosines in [-1, 1] to finite numbers of its shape")
    rest = ends[1] - ends[0] - slope
    if not misfit < _SMOOTH * max(abs(slope), abs(ends[1])):
        raise InputError("h is not smooth around 0, where its slope is the kernel's linear part")
    if slope <= 1e-12 * abs(ends[1]) or rest < -_SMOOTH * ends[1]:
        raise InputError(
            f"h is no positive kernel with a linear part: h'(0) = {slope:g}, "
            f"h(1) − h(0) − h'(0) = {rest:g}; the first must be > 0, the second ≥ 0"
        )
    return DotProductKernel(h, float(np.sqrt(slope)), float(np.sqrt(max(rest, 0.0))))


def _slope(h: Callable[[np.ndarray], np.ndarray]) -> tuple[float, float]:
    """h'(0) by interpolation, and by how much that misses h between its points."""
    fit = np.polynomial.Chebyshev.interpolate(h, 16, domain=[-_HALF_WIDTH, _HALF_WIDTH])
    between = _HALF_WIDTH * np.linspace(-0.97, 0.97, 24)
    return float(fit.deriv()(0.0)), float(np.abs(fit(between) - h(between)).max())


class FeatureGeometry(NamedTuple):
    """What an activation of random features enters by."""

    mean: float  # μ0; harmless where labels are balanced
    mu1: float
    mustar: float


def of_activation(activation: Callable[[np.ndarray], np.ndarray]) -> FeatureGeometry:
    """μ0 = E σ(z), μ1 = E zσ(z) and μ⋆, the norm of the rest, under z ~ N(0, 1).

    Args:
        activation: σ, vectorized, finite on [−8, 8].

    Raises:
        InputError: as `rote.theory.attention.moments`; for an activation without a linear part.
    """
    moment = moments(activation)
    if abs(moment.a1) < 1e-9 * np.sqrt(moment.nu):
        raise InputError("the activation has no linear part: E zσ(z) = 0, so no rule is learnt")
    return FeatureGeometry(moment.a0, moment.a1, float(np.sqrt(moment.noise)))
