"""At which ridge is attention compared with ridge regression on the raw tokens?

The same number is another penalty where features have another size. Two standards take that out:
features of equal power, and probes with equally many degrees of freedom.
"""

import numpy as np
from numpy.typing import ArrayLike

from rote.core.errors import InputError
from rote.theory.attention.activation import Coefficients, Nonlinearity, moments
from rote.theory.attention.arguments import positive
from rote.theory.attention.memorization import equal_power, memorization_error

STANDARDS = ("ridge", "power", "freedom")
_POINTS = 160  # of the curve of degrees of freedom that is inverted
_CORRECTIONS = 3


def matched_ridge(
    gamma: ArrayLike, c: ArrayLike, f: Nonlinearity | Coefficients, standard: str
) -> np.ndarray:
    """The ridge of attention that stands for a ridge γ of the regression on the raw tokens.

    Args:
        gamma: γ > 0 on the raw tokens.
        c: dimensions per token p/n > 0; broadcasts with `gamma`.
        f: a nonlinearity or its coefficients.
        standard: "ridge", the same number; "power", the same share of the mean squared feature;
            "freedom", equally many degrees of freedom tr A(AᵀA + nγ)⁻¹Aᵀ, without a signal.

    Returns:
        Of the broadcast shape.

    Raises:
        InputError: for another standard, or a degree of freedom that no ridge gives.
    """
    gamma, c = np.broadcast_arrays(positive("gamma", gamma), positive("c", c))
    if standard not in STANDARDS:
        raise InputError(f"standard must be one of {', '.join(STANDARDS)}, given {standard!r}")
    if standard == "ridge":
        return gamma.copy()
    if standard == "power":
        return equal_power(c, f) * gamma
    matched = np.empty(gamma.shape)
    for ratio in np.unique(c):
        mask = c == ratio
        matched[mask] = _equal_freedom(gamma[mask], float(ratio), f)
    return matched


def _equal_freedom(gamma: np.ndarray, c: float, f: Nonlinearity | Coefficients) -> np.ndarray:
    target = _of_share(_ridge_share(gamma, c), c)
    power = float(equal_power(c, f)) * gamma
    nu = moments(f).nu  # the fixed point has a range of γ/ν
    ends = max(power.min() * 1e-5, 1e-17 * nu), min(power.max() * 1e3, 1e11 * nu)
    grid = np.geomspace(*ends, _POINTS)
    values = _of_share(_share(grid, c, f), c)
    usable = np.isfinite(values)
    from scipy.interpolate import PchipInterpolator  # a quarter of a second, for this alone

    grid, values = np.log(grid[usable]), values[usable]
    rising = np.r_[True, np.diff(np.maximum.accumulate(values)) > 0]
    curve = PchipInterpolator(grid[rising], values[rising])
    inverse = PchipInterpolator(values[rising], grid[rising], extrapolate=False)
    x = inverse(target)
    if np.isnan(x).any():
        raise InputError("gamma: no ridge of attention has as many degrees of freedom")
    slope = curve.derivative()
    for _ in range(_CORRECTIONS):
        x = x - (_of_share(_share(np.exp(x), c, f), c) - target) / slope(x)
    return np.exp(x)


def _share(gamma: np.ndarray, c: float, f: Nonlinearity | Coefficients) -> np.ndarray:
    """γ tr Q/n, what is left of the degrees of freedom, of attention."""
    return gamma * memorization_error(gamma, c, f).h_uu


def _ridge_share(gamma: np.ndarray, c: float) -> np.ndarray:
    """The same of ridge regression: γg with γg² + (γ + c − 1)g − 1 = 0."""
    b = gamma + c - 1
    root = np.sqrt(b**2 + 4 * gamma)
    return gamma * np.where(b > 0, 2 / (np.maximum(b, 0) + root), (root - b) / (2 * gamma))


def _of_share(share: np.ndarray, c: float) -> np.ndarray:
    """A coordinate that rises from −∞ to ∞ with the ridge."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.log(share - max(0.0, 1 - c)) - np.log1p(-share)
