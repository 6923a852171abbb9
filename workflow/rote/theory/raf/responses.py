"""From hatted to plain order parameters: what the ridge and the spectrum of the features do.

μ1 = 1 here: a learner is its own with kernel over μ1² and ridge over μ1². Nothing cancels; every
form is finite at 0 and holds for complex arguments, so that one imaginary step differentiates it.
"""

from typing import NamedTuple

import numpy as np

_STEP = 1e-40
_CHUNK = 1 << 20  # eigenvalues times points at a time


class Spectrum(NamedTuple):
    """Learners with μ1 = 1, (points,) each, and the inputs of all of them."""

    tail: np.ndarray  # μ⋆²/μ1²
    inverse_width: np.ndarray  # d/p; 0 in the kernel limit
    eigenvalues: np.ndarray | None = None  # (k,) of the inputs' covariance, mean 1; None: all 1


def response(hats: np.ndarray, eps: np.ndarray, learner: Spectrum) -> np.ndarray:
    """Order parameters of the output, (3, points): m over 1 − ε, q − m² and λV.

    Args:
        hats: m̂/λ over 1 − ε, q̂/λ² and V̂/λ, (3, points), real or complex.
        eps: fraction of facts, (points,).
        learner: (points,).
    """
    if learner.eigenvalues is not None:
        return slopes(hats, eps, learner)[0]
    m, q, v = hats
    t, g = learner.tail, learner.inverse_width
    b = 1 + t * g * v
    y = v / b  # one over the argument of the Stieltjes transform
    root = np.sqrt(g)
    delta = np.sqrt(1 + (1 - root) ** 2 * y) * np.sqrt(1 + (1 + root) ** 2 * y)
    upper = 1 + (1 + g) * y + delta
    h = 2 / upper
    bend = ((1 - g) ** 2 * y + 2 * (1 + g)) / (delta * (delta + 1))
    # bend − h and 1 − g h y, without their cancellation
    flat = (1 - g) ** 2 * y + (1 + g)
    excess = flat + (g - 1) * delta
    narrow = g < 1
    excess = np.where(narrow, 4 * g / np.where(narrow, flat + (1 - g) * delta, 1), excess)
    excess = excess / (delta * upper)
    side = 1 + (1 - g) * y
    minus = side.real < 0
    lower = np.where(minus, 4 * g * y / np.where(minus, delta - side, 1), side + delta)
    share = lower / upper
    square = ((1 - eps) * m) ** 2
    rest = square * h * excess + q * h * bend + t * g * q * h / delta
    rest = rest + t * (t * g * q * lower**2 / (2 * upper * delta) + (square + q) * g * h / delta)
    return np.stack([m * h / b, rest / b**2, (h + t * share) / b])


def slopes(hats: np.ndarray, eps: np.ndarray, learner: Spectrum) -> tuple[np.ndarray, np.ndarray]:
    """The response and its derivatives by the three hats, (3, points) and (3, 3, points).

    Args:
        hats, eps, learner: as of `response`.

    Returns:
        Order parameters, and [k] their derivatives by hat k.
    """
    if learner.eigenvalues is not None:
        return _structured_slopes(hats, eps, learner)
    if not learner.inverse_width.any():
        return _kernel_slopes(hats, learner)
    values, derivatives = hats.astype(complex), []
    for k in range(3):
        moved = hats.astype(complex)
        moved[k] += 1j * _STEP
        values = response(moved, eps, learner)
        derivatives.append(values.imag / _STEP)
    return values.real, np.stack(derivatives)


def _kernel_slopes(hats: np.ndarray, learner: Spectrum) -> tuple[np.ndarray, np.ndarray]:
    m, q, v = hats
    gain, zero = 1 / (1 + v), np.zeros_like(v)
    values = np.stack([m * gain, q * gain**2, gain + learner.tail])
    by_v = [-m * gain**2, -2 * q * gain**3, -(gain**2)]
    rows = [[gain, zero, zero], [zero, gain**2, zero], by_v]
    return values, np.stack([np.stack(row) for row in rows])


class Moments(NamedTuple):
    """Of s = λ/(1 + vλ) over the eigenvalues λ of the inputs, (points,) each."""

    mean: np.ndarray
    square: np.ndarray
    cube: np.ndarray
    gain: np.ndarray  # of s under weights λ, as the rest below
    gain_square: np.ndarray
    spread: np.ndarray  # variance
    skew: np.ndarray  # covariance with s²


def moments(v: np.ndarray, eigenvalues: np.ndarray) -> Moments:
    """The moments at every v.

    Args:
        v: V̂/λ ≥ 0, (points,).
        eigenvalues: of the inputs' covariance, (k,), mean 1.
    """
    parts = []
    for begin in range(0, len(v), max(_CHUNK // len(eigenvalues), 1)):
        part = v[begin : begin + max(_CHUNK // len(eigenvalues), 1)]
        parts.append(np.stack(_of_part(part, eigenvalues[:, None])))
    return Moments._make(np.concatenate(parts, axis=1))


def _of_part(v: np.ndarray, eigenvalues: np.ndarray) -> Moments:
    """Deviations of s are those of vs = 1 − u, u = 1/(1 + vλ), where these are the smaller ones."""
    u = 1 / (1 + v * eigenvalues)
    s = eigenvalues * u
    large = v > 1
    small_part = np.where(large, -u, s)
    scale = np.where(large, v, 1.0)
    gain, gain_square = (eigenvalues * s).mean(0), (eigenvalues * s**2).mean(0)
    deviation = (small_part - (eigenvalues * small_part).mean(0)) / scale
    return Moments(
        mean=s.mean(0),
        square=(s**2).mean(0),
        cube=(s**3).mean(0),
        gain=gain,
        gain_square=gain_square,
        spread=(eigenvalues * deviation**2).mean(0),
        skew=(eigenvalues * deviation * s**2).mean(0),
    )


def _structured_slopes(
    hats: np.ndarray, eps: np.ndarray, learner: Spectrum
) -> tuple[np.ndarray, np.ndarray]:
    """Kernel machines on inputs of a covariance: every direction has a gain of its own."""
    m, q, v = hats
    of = moments(v, np.asarray(learner.eigenvalues))
    square, zero = ((1 - eps) * m) ** 2, np.zeros_like(v)
    values = np.stack([m * of.gain, square * of.spread + q * of.square, of.mean + learner.tail])
    by_m = [of.gain, 2 * (1 - eps) ** 2 * m * of.spread, zero]
    by_v = [-m * of.gain_square, -2 * (square * of.skew + q * of.cube), -of.square]
    rows = [by_m, [zero, of.square, zero], by_v]
    return values, np.stack([np.stack(row) for row in rows])


def complement(hats: np.ndarray, learner: Spectrum) -> tuple[np.ndarray, np.ndarray]:
    """m/m̂ in powers of λ, and one less its product with V̂/λ, without cancellation.

    Args:
        hats, learner: as of `response`.

    Returns:
        Gain and complement, (points,) each.
    """
    if learner.eigenvalues is not None:
        of = moments(hats[2], learner.eigenvalues)
        return of.gain, of.mean
    t, g = learner.tail, learner.inverse_width
    b = 1 + t * g * hats[2]
    y = hats[2] / b
    root = np.sqrt(g)
    delta = np.sqrt(1 + (1 - root) ** 2 * y) * np.sqrt(1 + (1 + root) ** 2 * y)
    upper = 1 + (1 + g) * y + delta
    side = 1 + (g - 1) * y
    minus = side < 0
    lower = np.where(minus, 4 * y / np.where(minus, delta - side, 1), side + delta)
    return 2 / upper / b, lower / upper
