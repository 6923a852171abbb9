"""What both propagators ask of the numbers of an acquisition, and of cells per wavelength."""

import logging
from functools import cache

from rote.core.errors import InputError
from rote.core.fields import FieldRange, whole

log = logging.getLogger("rote")
ACCURATE_CELLS = 10.0  # per shortest wavelength; with fewer, one warning per grid and frequency
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
            f"{spacing:g} km): at least {fewest:g} are needed; refine the grid or lower the "
            "frequency"
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
