"""Entrywise nonlinearities of the attention kernel, and their Gaussian moments."""

import math
from collections.abc import Callable
from fractions import Fraction
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from rote.core.errors import InputError
from rote.theory.attention import gaussian
from rote.theory.attention.arguments import count, number

ACCURACY = 1e-9  # of moments, relative to √ν and ν


class Coefficients(NamedTuple):
    """Moments of f under ξ ~ N(0, 1), in orthonormal Hermite polynomials."""

    a0: float  # E f
    a1: float  # E ξ f, the linear part
    a2: float  # E (ξ² − 1) f / √2
    nu: float  # Var f
    rest: float | None = None  # Var(f − a1 ξ), where it is known better than as ν − a1²
    error: float = 0.0  # of the quadrature, relative to √ν and ν; 0 of coefficients that were given

    @property
    def noise(self) -> float:
        """Variance of what is not linear, ν − a1² ≥ 0, without cancellation."""
        if self.rest is not None:
            return self.rest
        return max(float(Fraction(self.nu) - Fraction(self.a1) ** 2), 0.0)


class Activation(NamedTuple):
    """A nonlinearity with what quadrature must know of it."""

    function: Callable[[np.ndarray], np.ndarray]
    kinks: tuple[float, ...] = ()  # where f or its slope jumps, as far as it is known

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

    Jumps of value or slope are looked for; `Activation(function, kinks)` says where they are.

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
    """E integrand(ξ), ξ ~ N(0, 1), to about 1e-13 of E |integrand|.

    Args:
        integrand: vectorized, (nodes,) -> (nodes,).
        kinks: where it or its slope jumps, as far as it is known.

    Raises:
        InputError: as `gaussian.expectation`.
    """
    return float(gaussian.expectation(integrand, kinks).value[0])


def moments(f: Nonlinearity | Coefficients, scale: float = 1.0) -> Coefficients:
    """All moments of f(scale·ξ) that the theory needs; `Coefficients` pass through.

    Args:
        f: a nonlinearity, as in `named`, or its coefficients.
        scale: > 0, standard deviation of the argument of f.

    Raises:
        InputError: as `named`; for a constant f, one that grows or oscillates too fast, and for
            coefficients that no function has (ν < a1²).
    """
    if isinstance(f, Coefficients):
        return _possible(f)
    if not number("scale", scale, 0, 1e100) > 0:
        raise InputError(f"scale must be finite and > 0, given {scale}")
    return _measured(named(f), float(scale))


def _measured(f: Activation, scale: float) -> Coefficients:
    """Moments by quadrature: first of f, then of what the first leave of it."""
    kinks = tuple(k / scale for k in f.kinks)

    def hermite(t: np.ndarray) -> np.ndarray:
        values = f(scale * t)
        return np.stack([values, t * values, (t**2 - 1) * values / math.sqrt(2), values**2])

    first = _checked(hermite, kinks, f)
    a0, a1, a2, _ = map(float, first.value)

    def rest(t: np.ndarray) -> np.ndarray:
        centered = f(scale * t) - a0
        return np.stack([centered**2, (centered - a1 * t) ** 2])

    second = _checked(rest, kinks, f, offset=a0)
    nu, noise = map(float, second.value)
    if noise < 1e-28 * nu:  # rounding of a linear function
        noise = 0.0
    if nu <= 1e-24 * max(1.0, a0**2):
        raise InputError("f is constant: attention then sees nothing")
    size = max(nu, 1e-300)
    error = max(float(first.error[:3].max()) / math.sqrt(size), float(second.error.max()) / size)
    if error > ACCURACY:
        raise InputError(
            f"the moments of f are only known to {error:.1e}, not to {ACCURACY:g}: "
            "name its `kinks` in an `Activation`, subtract a large constant, or give `Coefficients`"
        )
    return _possible(Coefficients(a0, a1, a2, nu, noise, error))


def _checked(
    integrand: gaussian.Integrand, kinks: tuple[float, ...], f: Activation, offset: float = 0.0
) -> gaussian.Expectation:
    """An expectation; of a function that is not ours by panels with other edges too.

    A jump so near an edge that no node lies between them would not be seen: where two results
    differ, a third one decides.
    """
    first = gaussian.expectation(integrand, kinks, offset=offset)
    if f in ACTIVATIONS.values():
        return first
    others = [gaussian.expectation(integrand, kinks, offset=offset, shift=1)]
    if (np.abs(first.value - others[0].value) > 16 * (first.error + others[0].error)).any():
        others.append(gaussian.expectation(integrand, kinks, offset=offset, shift=2))
    low, *middle, high = np.sort([first.value, *(other.value for other in others)], axis=0)
    value = middle[0] if middle else first.value
    apart = np.minimum(value - low, high - value) if middle else high - low
    return gaussian.Expectation(value, np.maximum(first.error, apart))


def _possible(moment: Coefficients) -> Coefficients:
    """The same, if some function has these moments."""
    if not np.isfinite(moment[:4]).all():
        raise InputError(f"the moments of f must be finite, given {moment}")
    if not moment.nu > 1e-24:
        raise InputError("f is constant: attention then sees nothing")
    if moment.nu < moment.a1**2 * (1 - 1e-8):
        raise InputError(
            f"variance {moment.nu:g} of f "
            f"is below its linear part {moment.a1**2:g}: no function has that"
        )
    if moment.rest is not None and not 0 <= moment.rest <= moment.nu * (1 + 1e-8):
        raise InputError(f"rest must be in [0, ν = {moment.nu:g}], given {moment.rest}")
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
    """lim f(t)/t, if f(t)/t settles: over three windows of t, each 1,000 times further out."""
    if isinstance(f, Coefficients):
        raise InputError(
            "diag='keep' needs f itself, not its coefficients; give the number lim f(t)/t"
        )
    steps = np.linspace(0, 3, 64) + np.sqrt(2) / 7  # of no period
    t = 10 ** (np.array([[4.0], [7.0], [10.0]]) + steps)  # (windows, 64)
    with np.errstate(over="ignore", invalid="ignore"):
        slopes = np.asarray(named(f)(t.ravel()), float).reshape(t.shape) / t
        far = np.asarray(named(f)(np.array([1e9, 1e12])), float)
    if np.isfinite(slopes).all():
        spread = np.ptp(slopes, axis=1)
        size = np.abs(slopes).max(axis=1)
        if size[2] <= 0.5 * size[1] <= 0.25 * size[0] or size[2] < 1e-12:
            return 0.0
        if spread[2] <= 1e-7 * size[2] and spread[2] <= max(spread[1], 1e-12 * size[2]):
            return float(np.diff(far)[0] / (1e12 - 1e9))
    raise InputError(
        "diag='keep' needs an f that grows at most linearly and for which f(t)/t settles: "
        "f(√p)/√p has no limit; use diag='zero' or give the number"
    )


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
    if not isinstance(f, Coefficients):
        named(f)  # refuses what is no nonlinearity
    if not isinstance(diag, str):
        return number("diag, where it is not 'zero' or 'keep',", diag, -1e100, 1e100)
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
    n = count("n", n)
    moment = moments(f)
    added = 2 * moment.a1**2 / n
    return moment._replace(nu=moment.nu + added, rest=moment.noise + added)
