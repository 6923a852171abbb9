"""Inputs of a covariance: its eigenvalues, which are all that both errors depend on."""

import numpy as np

from rote.core import fields, reals
from rote.core.errors import InputError

LARGEST_SHARE = 0.1  # of the variance in one direction: beyond, sums over directions have no limit
_SMALLEST = 1e-12  # of the mean
_LARGEST_NUMBER = 1_000_000


def power_law(exponent: float, number: int) -> np.ndarray:
    """Eigenvalues λ_i ∝ i^−exponent of mean 1, (number,), largest first.

    Args:
        exponent: ≥ 0; 0 is isotropic.
        number: of directions, 1 to 1,000,000.

    Raises:
        InputError: naming the argument, or if one direction holds more than a tenth of the variance
            or less than 1e-12 of the mean.
    """
    fields.check(
        {"exponent": fields.NOT_NEGATIVE, "number": fields.SIZE},
        {"exponent": exponent, "number": number},
    )
    if number > _LARGEST_NUMBER:
        raise InputError(f"number must be at most {_LARGEST_NUMBER:,}, given {number:,}")
    return eigenvalues(np.arange(1, number + 1) ** -float(exponent))


def eigenvalues(values: np.ndarray) -> np.ndarray:
    """Eigenvalues over their mean, (k,).

    Args:
        values: of the inputs' covariance, (k,), finite and > 0, in any unit.

    Raises:
        InputError: for another shape or other values; if one direction holds more than a tenth of
            the variance, where no theory of many directions holds, or less than 1e-12 of the mean.
    """
    values = reals.array("eigenvalues", values)
    if values.ndim != 1 or not 1 <= len(values) <= _LARGEST_NUMBER:
        raise InputError(
            f"eigenvalues must be (k,), k from 1 to {_LARGEST_NUMBER:,}, given shape {values.shape}"
        )
    if not (np.isfinite(values) & (values > 0)).all():
        raise InputError("eigenvalues must be finite and > 0; leave out what has no variance")
    values = values / values.max()
    share = 1 / values.sum()
    if share > LARGEST_SHARE:
        raise InputError(
            f"eigenvalues: one direction holds {share:.0%} of the variance, at most "
            f"{LARGEST_SHARE:.0%} is allowed: the theory is that of many directions"
        )
    values = values / values.mean()
    if values.min() < _SMALLEST:
        raise InputError(
            f"eigenvalues must be at least {_SMALLEST:g} of their mean, given {values.min():.2g}"
        )
    return values
