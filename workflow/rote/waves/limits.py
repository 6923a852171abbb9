"""What all propagators ask of an acquisition: its numbers, positions, data, and wavelengths."""

import logging
from functools import cache

import numpy as np

from rote.core import reals
from rote.core.errors import InputError
from rote.core.fields import FieldRange, whole

log = logging.getLogger("rote")
ACCURATE_CELLS = 10.0  # per shortest wavelength; with fewer, one warning per grid and frequency
LARGEST = 1e150  # of recorded data: squares must not overflow
SCALE = FieldRange("in [1e-9, 1e9]", lambda value: 1e-9 <= value <= 1e9)
CELLS = whole(1, 100_000)  # along an axis


def check_cells(slowest: float, highest: float, spacing: float, fewest: float) -> None:
    """Refuse, or warn of, too few cells per shortest wavelength.

    Args:
        slowest: velocity, km/s.
        highest: frequency, Hz.
        spacing: of the grid, km.
        fewest: cells per wavelength that are accepted.

    Raises:
        InputError: with the numbers.
    """
    cells = slowest / (highest * spacing)
    if cells < fewest:
        raise InputError(
            f"{cells:.1f} cells per shortest wavelength ({slowest:.3g} km/s, {highest:g} Hz, "
            f"{spacing:g} km): at least {fewest:g} are needed; refine the grid to at most "
            f"{0.999 * slowest / (highest * fewest):.3g} km, or lower the frequency"
        )
    if cells < ACCURATE_CELLS:
        _warn_of_coarse_grid(highest, spacing)


@cache
def _warn_of_coarse_grid(frequency: float, spacing: float) -> None:
    log.warning(
        "%g Hz, %g km: fewer than %g cells per shortest wavelength distort waves",
        frequency,
        spacing,
        ACCURATE_CELLS,
    )


def positions(name: str, given: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Cells (x, depth) of sources or receivers.

    Args:
        name: of one of them, for errors.
        given: (points, 2) whole numbers.
        shape: cells of the grid in x and depth.

    Returns:
        (points, 2) int64.

    Raises:
        InputError: for another shape, positions outside the grid or between cells, and two in one.
    """
    reals.finite(f"{name}s", given)
    cells = np.asarray(given)
    if cells.ndim != 2 or cells.shape[1] != 2 or not len(cells):
        raise InputError(
            f"{name}s must be at least one row of two cells (x, depth), their shape is "
            f"{cells.shape}"
        )
    if cells.dtype.kind not in "iu":
        raise InputError(
            f"{name}s must be whole numbers of cells, not {cells.dtype}, e.g. "
            f"{cells[0].tolist()}; round them to the cells that are meant"
        )
    outside = (cells < 0).any(1) | (cells >= np.array(shape)).any(1)
    if outside.any():
        first = cells[outside][0].tolist()
        raise InputError(
            f"{name} at (x, depth) = {first} cells lies outside the grid of {shape} cells, "
            "where the absorbing layer is"
        )
    if len(np.unique(cells, axis=0)) < len(cells):
        raise InputError(f"two {name}s stand in the same cell")
    return cells.astype(np.int64)


def data(observed: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Recorded fields of one frequency.

    Args:
        observed: what was given.
        shape: numbers of sources and receivers.

    Returns:
        (sources, receivers) complex.

    Raises:
        InputError: for another shape, data without an imaginary part, and such that are not finite
            or exceed 1e150.
    """
    values = reals.read("data", observed)
    if values.shape != shape or not np.iscomplexobj(values):
        raise InputError(
            f"data must be complex of shape ({shape[0]}, {shape[1]}), "
            f"given {values.dtype} {values.shape}"
        )
    within = (np.abs(values.real) <= LARGEST) & (np.abs(values.imag) <= LARGEST)
    if not within.all():
        first = tuple(np.argwhere(~within)[0].tolist())
        raise InputError(
            f"data must be finite and at most {LARGEST:g}, {first} (source, receiver) is not"
        )
    return values


def misfit(
    residuals: np.ndarray, gradient: np.ndarray, noise_sd: float
) -> tuple[float, np.ndarray]:
    """Σ |r|² / (2 σ_d²) and its gradient.

    Args:
        residuals: r, complex, any shape.
        gradient: that of Σ |r|² / 2, any shape.
        noise_sd: σ_d > 0, in units of the residuals.

    Returns:
        The misfit, and its gradient of the given shape.

    Raises:
        InputError: if either is above 1e308.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        value = float((np.abs(residuals) ** 2).sum() / (2 * noise_sd**2))
        gradient = gradient / noise_sd**2
    if not (np.isfinite(value) and np.isfinite(gradient).all()):
        raise InputError(
            f"residuals of up to {np.abs(residuals).max():g} with noise_sd {noise_sd:g} have a "
            "misfit or gradient above 1e308; use other units for both"
        )
    return value, gradient
