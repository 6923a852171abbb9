"""E for tokens of several classes: x = mean of its class + noise, a label ±1 for every class.

The signal μyᵀ of the model becomes M Yᵀ, with the classes' indicators in place of the labels: H =
(h⁻¹ ⊗ I + Ψ)⁻¹ has a block per pair of classes, and φ is its form in the labels.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from rote.core import reals
from rote.core.errors import InputError
from rote.theory.attention import fixed_point
from rote.theory.attention.activation import Coefficients, Nonlinearity, moments
from rote.theory.attention.arguments import (
    C_RANGE,
    GAMMA_RANGE,
    as_vector,
    both_or_none,
    positive,
    within,
)
from rote.theory.attention.fixed_point import S, U, W
from rote.theory.attention.memorization import certified, kron_eye, scaled

_ZERO = 1e-9  # relative, of what has to vanish


@dataclass(frozen=True, eq=False)
class Classes:
    """Means, labels and shares of classes.

    Attributes:
        means: (classes, r), in any basis of a space that holds them and the weights.
        labels: (classes,), ±1.
        shares: (classes,) of the tokens, > 0; None for equal ones.

    Means and labels average to zero over all tokens: otherwise the constant vector, along which the
    kernel has spikes of its own, would be seen.

    Raises:
        InputError: naming what has another shape or does not average to zero.
    """

    means: ArrayLike
    labels: ArrayLike
    shares: ArrayLike | None = None

    def __post_init__(self) -> None:
        means, labels = reals.finite("means", self.means), reals.finite("labels", self.labels)
        if means.ndim != 2 or len(means) < 2:
            raise InputError(f"means must be (classes, r), two at least, given {means.shape}")
        if labels.shape != (len(means),) or not (np.abs(labels) == 1).all():
            raise InputError(f"labels must be ±1 for each of {len(means)} classes")
        shares = self.weights()
        if shares.shape != (len(means),) or abs(shares.sum() - 1) > _ZERO:
            raise InputError(f"shares must be {len(means)} numbers > 0 of sum 1")
        size = max(1.0, float(np.abs(means).max()))
        if abs(shares @ labels) > _ZERO or np.abs(shares @ means).max() > _ZERO * size:
            raise InputError("labels and means must average to 0 over the tokens")

    def weights(self) -> np.ndarray:
        """Share of every class."""
        count = len(np.asarray(self.means))
        return np.full(count, 1 / count) if self.shares is None else positive("shares", self.shares)


def classes_error(
    gamma: ArrayLike,
    c: float,
    f: Nonlinearity | Coefficients,
    classes: Classes,
    w_key: ArrayLike | None = None,
    w_query: ArrayLike | None = None,
) -> np.ndarray:
    """E(γ) of one head on tokens of several classes, n, p → ∞ with p/n → c.

    Args:
        gamma: ridge γ > 0, any shape.
        c: dimensions per token p/n > 0.
        f: a nonlinearity or its coefficients.
        classes: means of length r, labels and shares.
        w_key, w_query: spike, (r,) each; None is none.

    Raises:
        InputError: naming the argument and its range.
    """
    gamma = positive("gamma", gamma)
    c = float(within("c", positive("c", c), C_RANGE))
    if not isinstance(classes, Classes):
        raise InputError(f"classes must be `Classes`, given {classes!r:.60}")
    moment = moments(f)
    unit = moment.nu
    shares, means = classes.weights(), np.asarray(classes.means, float)
    r = means.shape[1]
    weights = np.eye(r) + _spike(w_key, w_query, r)
    heads = fixed_point.head(c, moment.a1 / np.sqrt(unit), moment.noise / unit, 0.0)
    ridge = within("gamma / (variance of f)", gamma.ravel() / unit, GAMMA_RANGE)
    root = fixed_point.solve(ridge, heads)
    T = np.zeros((3, r, 3, r))
    T[U, :, S, :] = heads.alpha[0] * weights.T
    T[S, :, U, :] = -heads.alpha[0] * weights
    T[W, :, W, :] = np.eye(r)
    M = np.kron(np.eye(3), (means * np.sqrt(shares)[:, None]).T)  # (3r, 3 classes)
    label = np.asarray(classes.labels, float) * np.sqrt(shares)
    slopes = (_slope(x, T.reshape(3 * r, 3 * r), M, label) for x in (root, root.rough))
    return certified(*(-(ridge**2) * slope for slope in slopes)).reshape(gamma.shape)


def _spike(w_key: ArrayLike | None, w_query: ArrayLike | None, r: int) -> np.ndarray:
    """w_K w_Qᵀ, (r, r)."""
    both_or_none("w_key", "w_query", w_key, w_query)
    if w_key is None or w_query is None:
        return np.zeros((r, r))
    key, query = as_vector("w_key", w_key), as_vector("w_query", w_query)
    if not len(key) == len(query) == r:
        raise InputError(f"w_key and w_query must have the length {r} of the means")
    return np.outer(key, query)


def _slope(
    root: fixed_point.Root | fixed_point.FixedPoint, T: np.ndarray, M: np.ndarray, label: np.ndarray
) -> np.ndarray:
    """dφ/dγ of one head, (γ,)."""
    h, dh, size = (x[0] for x in scaled(root))
    r, k = len(T) // 3, len(label)
    tokens, indicators = np.repeat(size, r, axis=1), np.repeat(size, k, axis=1)
    T = T * tokens[:, :, None] * tokens[:, None, :]
    M = M * indicators[:, None, :] / tokens[:, :, None]  # the same scaling on both sides of S
    with np.errstate(all="ignore"):
        inner = T @ np.linalg.inv(np.eye(3 * r) + kron_eye(h, r) @ T)
        left = np.swapaxes(M, 1, 2) @ inner
        psi, dpsi = left @ M, -(left @ kron_eye(dh, r) @ inner @ M)
        wide, dwide = kron_eye(h, k), kron_eye(dh, k)
        before = np.linalg.inv(np.eye(3 * k) + wide @ psi)
        R = before @ wide
        dR = before @ dwide @ np.linalg.inv(np.eye(3 * k) + psi @ wide) - R @ dpsi @ R
    slope = np.einsum("k,nkl,l->n", label, dR[:, :k, :k], label) * size[:, U] ** 2
    return np.where(np.isfinite(root.gap[0]), slope, np.nan)
