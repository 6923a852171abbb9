"""E of a head on given tokens, whose kernel is a given matrix plus independent noise.

For a head of a real model on its activations nothing is drawn but the noise that stands for what
is not linear in the scores. With A = XK/√n, its mean A₀ = X L/√n, C = I + δ̃T and D = I + δΓ,

    Q̄ = (γC + A₀ᵀD⁻¹A₀)⁻¹,   Q̃ = (γD + A₀C⁻¹A₀ᵀ)⁻¹,   δ = tr(TQ̄)/n,   δ̃ = tr(ΓQ̃)/n,

where T holds the noise of every query and Γ = XXᵀ (the equivalent of an information plus noise
matrix with a separable profile: Hachem, Loubaton, Najim 2007). Tokens enter through the row space
of X, in whose basis Γ is diagonal.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from rote.core import reals
from rote.core.errors import InputError
from rote.theory.attention.arguments import positive

TOLERANCE = 1e-8  # relative, of the traces
STEPS = 100
LONGEST = 3.0  # step of a trace's logarithm
_RANK = 1e-10  # singular values of the tokens, relative to the largest, that count


class _Equivalent(NamedTuple):
    """The resolvents at one γ and pair of traces, squared where only squares count."""

    Q: np.ndarray  # Q̄, (n, n)
    B: np.ndarray  # C⁻¹A₀ᵀQ̃ = Q̄A₀ᵀD⁻¹, (n, r)
    traces: np.ndarray  # δ and δ̃ that they give
    jacobian: np.ndarray  # of those in (δ, δ̃)
    slope: np.ndarray  # of those in γ


class _Given(NamedTuple):
    """A head on given tokens, in the basis of the tokens' row space."""

    A: np.ndarray  # A₀, (r, n)
    spectrum: np.ndarray  # Γ, (r,)
    noise: np.ndarray  # T, (n,)


def given_error(
    gamma: ArrayLike,
    X: np.ndarray,
    linear: np.ndarray,
    noise: ArrayLike,
    y: np.ndarray | None = None,
) -> np.ndarray:
    """E(γ) of the probe on X K, where K is `linear` plus independent noise of mean 0.

    Args:
        gamma: ridge γ > 0, any shape.
        X: tokens, (p, n), one column per token.
        linear: mean of the kernel, (n, n); rows are keys, columns queries.
        noise: variance ≥ 0 of the kernel's entries, a number, or one per query, (n,).
        y: labels, (n,); None averages over random ones.

    Returns:
        E, of the shape of `gamma`; NaN where the equations were not solved.

    Raises:
        InputError: naming an argument of another shape, or that is not finite.
    """
    gamma = positive("gamma", gamma)
    head = _given(X, linear, noise)
    labels = None if y is None else _labels(y, len(head.noise))
    errors = [_error(ridge, head, labels) for ridge in gamma.ravel()]
    return np.array(errors).reshape(gamma.shape)


def _given(X: np.ndarray, linear: np.ndarray, noise: ArrayLike) -> _Given:
    X, linear = reals.finite("X", X), reals.finite("linear", linear)
    if X.ndim != 2 or not X.any():
        raise InputError(f"X must be a matrix (p, n) of tokens, not all 0, given shape {X.shape}")
    n = X.shape[1]
    if linear.shape != (n, n):
        raise InputError(f"linear must have shape ({n}, {n}), given {linear.shape}")
    variances = reals.finite("noise", noise)
    if variances.shape not in ((), (n,)) or (variances < 0).any():
        raise InputError(f"noise must be one number ≥ 0 or ({n},) of them, given {noise!r:.60}")
    _, values, rows = np.linalg.svd(X, full_matrices=False)
    counts = values > _RANK * values[0]
    mean = (values[counts, None] * rows[counts]) @ linear / np.sqrt(n)
    return _Given(mean, values[counts] ** 2, np.broadcast_to(variances, n))


def _labels(y: np.ndarray, n: int) -> np.ndarray:
    y = reals.finite("y", y)
    if y.shape != (n,):
        raise InputError(f"y must have shape ({n},), given {y.shape}")
    return y


def _error(gamma: float, head: _Given, y: np.ndarray | None) -> float:
    """E = −γ² d(yᵀQ̄y/n)/dγ at one γ."""
    traces = _solved(gamma, head)
    if traces is None:
        return np.nan
    at = _equivalent(gamma, traces, head)
    change, mirrored = np.linalg.solve(np.eye(2) - at.jacobian, at.slope)  # dδ/dγ, dδ̃/dγ
    columns = 1 + traces[1] * head.noise + gamma * mirrored * head.noise
    n = len(head.noise)
    if y is None:
        squares, mixed = (at.Q**2).sum(axis=0), (at.B**2).sum(axis=0)
    else:
        squares, mixed = (at.Q @ y) ** 2, (y @ at.B) ** 2
    return float(gamma**2 * (squares @ columns - change * (mixed @ head.spectrum)) / n)


def _solved(gamma: float, head: _Given) -> np.ndarray | None:
    """δ and δ̃ by Newton in their logarithms, from above."""
    n = len(head.noise)
    traces = np.array([head.noise.sum(), head.spectrum.sum()]) / (n * gamma)
    if not head.noise.any():
        return traces  # δ = 0, and δ̃ is multiplied by no noise
    for _ in range(STEPS):
        at = _equivalent(gamma, traces, head)
        relative = at.jacobian * traces / at.traces[:, None]
        step = np.linalg.solve(np.eye(2) - relative, np.log(at.traces / traces))
        traces = traces * np.exp(np.clip(step, -LONGEST, LONGEST))
        if np.abs(step).max() < TOLERANCE:
            return traces
    return None


def _equivalent(gamma: float, traces: np.ndarray, head: _Given) -> _Equivalent:
    A, spectrum, noise = head
    n = len(noise)
    C, D = 1 + traces[1] * noise, 1 + traces[0] * spectrum
    inverse = (A / C) @ A.T
    inverse[np.diag_indices_from(inverse)] += gamma * D
    mirrored = np.linalg.inv(inverse)  # Q̃
    B = (A / C).T @ mirrored
    Q = (A / D[:, None]).T @ A
    Q[np.diag_indices(n)] += gamma * C
    Q = np.linalg.inv(Q)
    squares, other = Q**2, mirrored**2
    mixed = noise @ B**2 @ spectrum / n
    rows, columns = noise @ squares, spectrum @ other
    jacobian = np.array([[mixed, -gamma * (rows @ noise) / n], [0.0, mixed]])
    jacobian[1, 0] = -gamma * (columns @ spectrum) / n
    return _Equivalent(
        Q=Q,
        B=B,
        traces=np.array([noise @ np.diagonal(Q), spectrum @ np.diagonal(mirrored)]) / n,
        jacobian=jacobian,
        slope=-np.array([rows @ C, columns @ D]) / n,
    )
