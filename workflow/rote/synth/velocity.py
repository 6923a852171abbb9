"""Velocity models: Gaussian random fields in Karhunen-Loève coordinates, and layered models.

The random fields of squared slowness are those of Siahkoohi and Sabeddu (2026), quirks included:
their Fourier noise is real and not Hermitian, so every field is point symmetric and its standard
deviation is 1/√2 of the nominal one (`hermitian` takes that away); and the basis has no constant
mode.
"""

from functools import cache

import numpy as np

from rote.core import fields as ranges
from rote.core import reals
from rote.core.errors import InputError

GRID = 64  # cells along each axis on which the fields are drawn
MODES = 10  # Karhunen-Loève indices along each axis
ALPHA = 3.0  # smoothness of the fields' covariance
TAU = 5.0  # its inverse length
SLOWEST = 1.5  # km/s, nominal lower bound of the fields
FASTEST = 3.0  # km/s, nominal upper bound
BACKGROUND = 2.0  # km/s, the velocity at coordinates 0
AMPLITUDE = 0.02  # s²/km², of the coordinates
MIN_SQUARED_SLOWNESS = 1e-6  # s²/km², at which models are clipped


def fields(number: int, seed: int, *, hermitian: bool = False) -> np.ndarray:
    """Gaussian random fields of squared slowness, (number, GRID, GRID) in s²/km²; axes x, depth.

    Args:
        number: of fields, at least 1; the first ones are the same for any number.
        seed: of numpy's legacy generator, which defines the published data.
        hermitian: pair the Fourier noise, so that fields are not point symmetric and have their
            nominal variance.

    Returns:
        (number, GRID, GRID) float64; not clipped, so a value may lie beyond the nominal bounds.

    Raises:
        InputError: for a number below 1, and a seed that is none.
    """
    ranges.check(
        {"number": ranges.SIZE, "seed": ranges.whole(0, 2**32 - 1)},
        {"number": number, "seed": seed},
    )
    ranges.check_types({"hermitian": bool}, {"hermitian": hermitian})
    n = GRID
    k = np.fft.fftfreq(n, 1 / n)
    square = k[:, None] ** 2 + k**2
    amplitude = (
        n**2 * np.sqrt(2) * TAU ** (ALPHA - 1) * (4 * np.pi**2 * square + TAU**2) ** (-ALPHA / 2)
    )
    amplitude[0, 0] = 0
    noise = np.random.RandomState(seed).randn(number, n, n)
    low, high = 1 / FASTEST**2, 1 / SLOWEST**2
    nominal = np.sqrt((amplitude**2 / n**4).sum())
    spectrum = np.fft.fft2(noise) / n if hermitian else noise
    return np.fft.ifft2(amplitude * spectrum).real * (high - low) / 6 / nominal + (high + low) / 2


def basis(n: int) -> np.ndarray:
    """G, (n · n, MODES²): squared slowness in s²/km² per coordinate on n × n cells, x slow.

    Args:
        n: cells along each axis.

    Raises:
        InputError: for n below 1.
    """
    return _basis(**ranges.check({"n": ranges.SIZE}, {"n": n}))


@cache
def _basis(n: int) -> np.ndarray:
    index = np.arange(1, MODES + 1) + 0.5
    center = (np.arange(n) + 0.5) / n
    waves = np.cos(np.pi * index[:, None] * center)
    weight = (np.pi**2 * (index[:, None] ** 2 + index**2)) ** -0.55
    modes = 2 * weight[:, :, None, None] * waves[:, None, :, None] * waves[None, :, None, :]
    return AMPLITUDE * modes.reshape(MODES**2, n * n).T


def project(squared_slowness: np.ndarray) -> np.ndarray:
    """Least-squares coordinates (number, d) of fields (number, n, n) in s²/km²; d = MODES².

    Args:
        squared_slowness: (number, n, n).

    Raises:
        InputError: for another shape, and values that are not finite.
    """
    squared_slowness = reals.finite("squared_slowness", squared_slowness)
    if squared_slowness.ndim != 3 or len(set(squared_slowness.shape[1:])) > 1:
        raise InputError(
            f"squared_slowness must have shape (number, n, n), given {squared_slowness.shape}"
        )
    number, n = squared_slowness.shape[:2]
    anomalies = squared_slowness.reshape(number, -1) - 1 / BACKGROUND**2
    return np.linalg.lstsq(basis(n), anomalies.T, rcond=None)[0].T


def slowness(coordinates: np.ndarray, n: int) -> np.ndarray:
    """Squared slowness of coordinates on n × n cells, clipped at `MIN_SQUARED_SLOWNESS`.

    Args:
        coordinates: (..., d), d = MODES².
        n: cells along each axis.

    Returns:
        (..., n, n) in s²/km²; axes x, depth.

    Raises:
        InputError: for another number of coordinates, some that are not finite, and n below 1.
    """
    coordinates = reals.finite("coordinates", coordinates)
    modes = basis(n)
    if coordinates.shape[-1:] != (modes.shape[1],):
        raise InputError(
            f"coordinates must have shape (..., {modes.shape[1]}), given {coordinates.shape}"
        )
    squared_slowness = 1 / BACKGROUND**2 + coordinates @ modes.T
    return np.maximum(squared_slowness, MIN_SQUARED_SLOWNESS).reshape(*coordinates.shape[:-1], n, n)


def velocity(coordinates: np.ndarray, n: int) -> np.ndarray:
    """Velocity of coordinates on n × n cells, (..., n, n) in km/s; axes x, depth.

    Args:
        coordinates: (..., d), d = MODES².
        n: cells along each axis.

    Raises:
        InputError: as `slowness`.
    """
    return slowness(coordinates, n) ** -0.5


def layered(rng: np.random.Generator, n: int = 48) -> np.ndarray:
    """One layered model with dipping, undulating interfaces, (n, n) in km/s; axes x, depth.

    Depths are those of a 48-cell model and scale with n. All interfaces dip alike and none cross:
    one that would undulate above the last follows it.

    Args:
        rng: source of all draws.
        n: cells along each axis, at least 1.

    Returns:
        (n, n) float64, at most 4 km/s.

    Raises:
        InputError: for n below 1, and a source that is none.
    """
    ranges.check_types({"rng": np.random.Generator}, {"rng": rng})
    ranges.check({"n": ranges.SIZE}, {"n": n})
    scale = n / 48
    model = np.full((n, n), rng.uniform(1.5, 1.9))
    x, depth = np.arange(n)[:, None] / n, np.arange(n)
    dip = rng.uniform(-6, 6)
    above = np.full((n, 1), -np.inf)
    for top in np.sort(rng.uniform(8, 44, rng.integers(3, 6))):
        wave = rng.uniform(0, 3)
        periods = rng.uniform(0.5, 1.5)
        phase = rng.uniform(0, 2 * np.pi)
        step = rng.uniform(0.1, 0.65) * (-0.5 if rng.random() < 0.15 else 1.0)
        interface = scale * (top + dip * (x - 0.5) + wave * np.sin(2 * np.pi * periods * x + phase))
        above = np.maximum(above, interface)
        model = np.where(depth >= above, model + step, model)
    return np.minimum(model, 4.0)
