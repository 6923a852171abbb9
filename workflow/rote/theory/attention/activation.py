"""Entrywise nonlinearities of the attention kernel, and their Gaussian moments."""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from rote.core.errors import InputError

_REACH = 12.0  # the Gaussian weight is below 1e-31 outside
_NODES = np.polynomial.legendre.leggauss(60)


class Coefficients(NamedTuple):
    """Moments of f under ξ ~ N(0, 1), in orthonormal Hermite polynomials."""

    a0: float  # E f
    a1: float  # E ξ f, the linear part
    a2: float  # E (ξ² − 1) f / √2
    nu: float  # Var f

    @property
    def noise(self) -> float:
        """Variance of what is not linear, ν − a1² ≥ 0."""
        return max(self.nu - self.a1**2, 0.0)


class Activation(NamedTuple):
    """A nonlinearity with what quadrature must know of it."""

    function: Callable[[np.ndarray], np.ndarray]
    kinks: tuple[float, ...] = ()  # where f or its slope jumps

    def __call__(self, t: ArrayLike) -> np.ndarray:
        return self.function(np.asarray(t, float))


def _linear(t: np.ndarray) -> np.ndarray:
    return t * 1.0


def _centered_relu(t: np.ndarray) -> np.ndarray:
    return np.maximum(t, 0) - 1 / math.sqrt(2 * math.pi)


def _cubic(t: np.ndarray) -> np.ndarray:
    return t + (t * t * t - 3 * t) / math.sqrt(6)


def _centered_exp(t: np.ndarray) -> np.ndarray:
    return np.exp(t) - math.exp(0.5)


def clipped_exp(t: np.ndarray) -> np.ndarray:
    """min(e^t, 5), not centered: its mean is 1.4705262812252.

    Args:
        t: of any shape.

    Returns:
        Values in (0, 5], of the shape of `t`.
    """
    return np.minimum(np.exp(np.minimum(t, 2.0)), 5.0)


def _centered_clipped_exp(t: np.ndarray) -> np.ndarray:
    return clipped_exp(t) - 1.4705262812252


def _centered_cos(t: np.ndarray) -> np.ndarray:
    return np.cos(t) - math.exp(-0.5)


def _quadratic(t: np.ndarray) -> np.ndarray:
    return (t * t - 1) / math.sqrt(2)


ACTIVATIONS: dict[str, Activation] = {
    "linear": Activation(_linear),
    "tanh": Activation(np.tanh),
    "relu_c": Activation(_centered_relu, (0.0,)),
    "sign": Activation(np.sign, (0.0,)),
    "cubic": Activation(_cubic),
    "exp_c": Activation(_centered_exp),
    "exp_clip": Activation(_centered_clipped_exp, (math.log(5),)),
    "cos_c": Activation(_centered_cos),
    "quad": Activation(_quadratic),
}

Nonlinearity = str | Activation | Callable[[np.ndarray], np.ndarray]


def named(f: Nonlinearity) -> Activation:
    """The activation for a name or a vectorized function of one array.

    Functions whose value or slope jumps must come as `Activation(function, kinks)`.

    Args:
        f: a name of `ACTIVATIONS`, an `Activation`, or a vectorized function, finite on [−8, 8].

    Returns:
        The `Activation`; a bare function has no kinks.

    Raises:
        InputError: for an unknown name, or a function that does not map a probe grid to finite
            numbers of its shape.
    """
    if isinstance(f, str):
        if f not in ACTIVATIONS:
            raise InputError(
                f"f must be one of {', '.join(ACTIVATIONS)} or a function, given {f!r}"
            )
        return ACTIVATIONS[f]
    f = f if isinstance(f, Activation) else Activation(f)
    probe = np.linspace(-8, 8, 161)
    try:
        values = np.asarray(f(probe), float)
    except Exception as error:
        raise InputError(f"f cannot be applied to an array of numbers: {error}") from error
    if values.shape != probe.shape:
        raise InputError(f"f must be vectorized: it maps shape {probe.shape} to {values.shape}")
    if not np.isfinite(values).all():
        raise InputError(
            f"f is not finite at {probe[~np.isfinite(values)][0]:g}; it must be on [-8, 8]"
        )
    return f


def expect(integrand: Callable[[np.ndarray], np.ndarray], kinks: tuple[float, ...] = ()) -> float:
    """E integrand(ξ), ξ ~ N(0, 1), to about 1e-15.

    Gauss-Legendre on panels of length ≤ 2 with edges on the kinks.

    Args:
        integrand: vectorized, (nodes,) -> (nodes,).
        kinks: where it or its slope jumps.
    """
    edges = np.unique([*np.arange(-_REACH, _REACH + 1, 2), *(k for k in kinks if abs(k) < _REACH)])
    half = np.diff(edges)[:, None] / 2
    t = (edges[:-1, None] + half) + half * _NODES[0]
    weights = half * _NODES[1] * np.exp(-(t**2) / 2) / math.sqrt(2 * math.pi)
    return float((np.asarray(integrand(t.ravel()), float) * weights.ravel()).sum())


def moments(f: Nonlinearity | Coefficients, scale: float = 1.0) -> Coefficients:
    """All moments of f(scale·ξ) that the theory needs; `Coefficients` pass through.

    Args:
        f: a nonlinearity, as in `named`, or its coefficients.
        scale: > 0, standard deviation of the argument of f.

    Raises:
        InputError: as `named`; for a constant f, and for coefficients that no function has (ν <
            a1²).
    """
    if isinstance(f, Coefficients):
        return _possible(f)
    f = named(f)
    kinks = tuple(k / scale for k in f.kinks)
    a0 = expect(lambda t: f(scale * t), kinks)
    a1 = expect(lambda t: t * f(scale * t), kinks)
    a2 = expect(lambda t: (t**2 - 1) * f(scale * t), kinks) / math.sqrt(2)
    nu = expect(lambda t: (f(scale * t) - a0) ** 2, kinks)
    return _possible(Coefficients(a0, a1, a2, nu))


def _possible(moment: Coefficients) -> Coefficients:
    """The same, if some function has these moments."""
    if not np.isfinite(moment).all():
        raise InputError(f"the moments of f must be finite, given {moment}")
    if not moment.nu > 1e-24:
        raise InputError("f is constant: attention then sees nothing")
    if moment.nu < moment.a1**2 * (1 - 1e-8):
        raise InputError(
            f"variance {moment.nu:g} of f "
            f"is below its linear part {moment.a1**2:g}: no function has that"
        )
    return moment


def coefficients(f: Nonlinearity | Coefficients) -> tuple[float, float]:
    """(a1, ν) of f: its linear coefficient E[ξ f(ξ)] and its variance, under ξ ~ N(0, 1).

    Args:
        f: a nonlinearity, as in `named`, or its coefficients.

    Raises:
        InputError: as `moments`.
    """
    moment = moments(f)
    return moment.a1, moment.nu


class KernelDiagonal(NamedTuple):
    """What becomes of the diagonal of the kernel."""

    limit: Callable[[Nonlinearity | Coefficients], float]  # f -> lim f(√p)/√p, which it adds
    zeroed: bool


def _no_limit(f: Nonlinearity | Coefficients) -> float:
    return 0.0


def _slope_at_infinity(f: Nonlinearity | Coefficients) -> float:
    if isinstance(f, Coefficients):
        raise InputError(
            "diag='keep' needs f itself, not its coefficients; give the number lim f(t)/t"
        )
    large = np.array([1e6, 1e8, 1e10])
    with np.errstate(over="ignore", invalid="ignore"):
        slopes = np.diff(named(f)(large)) / np.diff(large)
    if not np.isfinite(slopes).all() or abs(slopes[1]) > 2 * abs(slopes[0]) + 1e-5:
        raise InputError(
            "diag='keep' needs an f that grows at most linearly: "
            "f(√p)/√p has no limit; use diag='zero'"
        )
    return float(slopes[1]) if abs(slopes[1]) > 0.5 * abs(slopes[0]) else 0.0


DIAGONALS: dict[str, KernelDiagonal] = {
    "zero": KernelDiagonal(_no_limit, zeroed=True),
    "keep": KernelDiagonal(_slope_at_infinity, zeroed=False),
}


def diagonal(f: Nonlinearity | Coefficients, diag: str | float) -> float:
    """d, the limit of f(√p)/√p that the diagonal of the kernel adds.

    Args:
        f: a nonlinearity, as in `named`, or its coefficients.
        diag: a name of `DIAGONALS`, "zero" (no diagonal, d = 0) or "keep" (d is measured on f), or
            the number d.

    Raises:
        InputError: for another name, and for a kept diagonal of a function that grows faster than
            linearly.
    """
    if not isinstance(diag, str):
        if not math.isfinite(diag):
            raise InputError(f"diag must be 'zero', 'keep' or a finite number, given {diag}")
        return float(diag)
    if diag not in DIAGONALS:
        raise InputError(f"diag must be 'zero', 'keep' or a number, given {diag!r}")
    return DIAGONALS[diag].limit(f)


def finite_size(f: Nonlinearity | Coefficients, n: int) -> Coefficients:
    """f's moments at n Gaussian tokens: the missing diagonal adds noise, ν + 2 a1²/n.

    (√(2/p) is the fluctuation of ||x||²/p, and τ = (ν − a1²)/c grows by 2 a1²/p.) Vanishes in the
    limit.

    Args:
        f: a nonlinearity, as in `named`, or its coefficients.
        n: number of tokens.

    Returns:
        The coefficients, `nu` alone changed.

    Raises:
        InputError: as `moments`.
    """
    moment = moments(f)
    return moment._replace(nu=moment.nu + 2 * moment.a1**2 / n)
