"""Posteriors under memorized priors: the training set reweighted, or a mixture around it.

x_n are training examples, y = F(x) + N(0, γ²) the data. The empirical prior gives a lookup; a
diffusion model at noise level σ that reached its optimum is the mixture (1/N) Σ N(x_n, σ²), and
with F linearized at every example its posterior is a Gaussian mixture again. (Siahkoohi and Sabeddu
2026; the determinant in the weights is our correction.)
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.special import logsumexp

from rote.core.errors import InputError

CHUNK = 2**24  # numbers in memory at a time, by default


@dataclass(frozen=True, eq=False)
class Observation:
    """Data and the level of their noise, y = F(x) + N(0, γ²).

    Attributes:
        y: (m,) data, real (stack the parts of complex ones).
        noise_sd: γ > 0, standard deviation of the noise.

    Raises:
        InputError: naming what is complex, not finite or not positive.
    """

    y: np.ndarray
    noise_sd: float

    def __post_init__(self) -> None:
        y = _finite("y", np.asarray(self.y))
        if not (np.isfinite(self.noise_sd) and self.noise_sd > 0):
            raise InputError(f"noise_sd must be positive and finite, given {self.noise_sd}")
        if np.iscomplexobj(y):
            raise InputError(
                "y is complex: stack its real and imaginary parts, here and in the forward operator"
            )


class Mixture(NamedTuple):
    """A Gaussian mixture: the posterior under a smoothed empirical prior."""

    # (N,), of weights that sum to 1; logarithms, as far from all others one of e^-1000 counts
    log_weights: np.ndarray
    means: np.ndarray  # (N, d)
    covariances: np.ndarray  # (N, d, d)

    def log_density(self, x: np.ndarray) -> np.ndarray:
        """log p(x) at every point, (points,).

        Args:
            x: (points, d), or one point (d,).
        """
        x = np.atleast_2d(x)
        parts = np.empty((len(self.means), len(x)))
        for n, (mean, covariance) in enumerate(zip(self.means, self.covariances, strict=True)):
            factor = np.linalg.cholesky(covariance)
            white = np.linalg.solve(factor, (x - mean).T)
            parts[n] = (
                -0.5 * (white**2).sum(0)
                - np.log(np.diag(factor)).sum()
                - 0.5 * x.shape[1] * np.log(2 * np.pi)
            )
        return logsumexp(parts + self.log_weights[:, None], axis=0)

    def sample(self, number: int, rng: np.random.Generator) -> np.ndarray:
        """Independent draws, (number, d).

        Args:
            number: of draws.
            rng: source of all draws.
        """
        chosen = rng.choice(len(self.means), number, p=self.weights)
        noise = rng.normal(size=(number, self.means.shape[1]))
        factors = np.linalg.cholesky(self.covariances)
        return self.means[chosen] + np.einsum("nij,nj->ni", factors[chosen], noise)

    @property
    def weights(self) -> np.ndarray:
        """Weights of the components, (N,), sum to 1."""
        return empirical(self.log_weights)

    @property
    def mean(self) -> np.ndarray:
        """Mean of the mixture, (d,)."""
        return self.weights @ self.means


def empirical(log_likelihood: np.ndarray) -> np.ndarray:
    """Posterior weights of the training examples, softmax of log p(y | x_n) over the last axis.

    Args:
        log_likelihood: (..., N), up to a constant.

    Returns:
        (..., N), sums 1.

    Raises:
        InputError: for NaN, +inf, no examples, or only −inf.
    """
    values = np.asarray(log_likelihood, float)
    if values.ndim == 0 or values.shape[-1] == 0:
        raise InputError("log_likelihood must have one value per training example, it has none")
    if np.isnan(values).any() or (values == np.inf).any():
        raise InputError(
            "log_likelihood holds NaN or +inf; check the forward operator and the noise level"
        )
    top = values.max(axis=-1, keepdims=True)
    if (top == -np.inf).any():
        raise InputError(
            "log_likelihood is −inf for every training example: none explains the data at all"
        )
    weights = np.exp(values - top)
    return weights / weights.sum(axis=-1, keepdims=True)


def effective(weights: np.ndarray) -> np.ndarray:
    """Effective number of components, exp of the entropy of the weights, over the last axis.

    Args:
        weights: (..., N), ≥ 0, sums 1.

    Returns:
        (...), in [1, N].
    """
    weights = np.asarray(weights, float)
    safe = np.where(weights > 0, weights, 1.0)
    return np.exp(-(weights * np.log(safe)).sum(axis=-1))


def mixture(
    train: np.ndarray,
    sigma: float,
    forward: np.ndarray | Callable[[np.ndarray], np.ndarray],
    observation: Observation,
    *,
    jacobian: Callable[[np.ndarray], np.ndarray] | None = None,
    determinant: bool = True,
) -> Mixture:
    """Posterior under the prior (1/N) Σ N(x_n, σ²), linearized at every example.

    Exact for a linear operator. With B_n = J_nᵀJ_n, g_n = J_nᵀ r_n, r_n = y − F(x_n):

        Σ_n = (σ⁻² + γ⁻² B_n)⁻¹
        μ_n = x_n + γ⁻² Σ_n g_n
        log w_n = −½ r_nᵀ S_n⁻¹ r_n − ½ log |S_n|, S_n = γ² + σ² J_n J_nᵀ

    all by one Cholesky factor of size d per example.

    Args:
        train: (N, d) examples.
        sigma: σ, width of the components.
        forward: a matrix (m, d), or a function from (N, d) points to (N, m) data.
        observation: data (m,) and the level of their noise.
        jacobian: from (N, d) points to (N, m, d); needed for a function that torch cannot
            differentiate. By default a function of torch tensors is differentiated, all examples in
            one batch.
        determinant: False leaves |S_n| out of the weights, as the published code does; right only
            if all J_n agree.

    Raises:
        InputError: naming what is not positive, not finite, or of the wrong shape.
    """
    train = _finite("train", np.atleast_2d(np.asarray(train, float)))
    y, noise_sd = np.asarray(observation.y), observation.noise_sd
    if not (np.isfinite(sigma) and sigma > 0):
        raise InputError(f"sigma must be positive and finite, given {sigma}")
    data, jacobians = _linearized(train, forward, jacobian)
    if data.shape != (len(train), len(y)):
        raise InputError(f"y has {y.shape[0]} values, the forward operator gives {data.shape[1]}")
    d, m = train.shape[1], len(y)
    residuals = y - data
    means = np.empty_like(train)
    covariances = np.empty((len(train), d, d))
    logs = np.empty(len(train))
    for n, (r, J) in enumerate(zip(residuals, jacobians, strict=True)):
        B, g = J.T @ J, J.T @ r
        factor = cho_factor(np.eye(d) / sigma**2 + B / noise_sd**2, lower=True)
        covariances[n] = cho_solve(factor, np.eye(d))
        shift = cho_solve(factor, g) / noise_sd**2
        means[n] = train[n] + shift
        logs[n] = -0.5 * (r @ r - g @ shift) / noise_sd**2
        if determinant:  # |S| = γ^2m |I + (σ²/γ²) B|
            logs[n] -= np.log(np.diag(factor[0])).sum() + d * np.log(sigma) + m * np.log(noise_sd)
    empirical(logs)  # refuses data that no example explains
    return Mixture(logs - logsumexp(logs), means, covariances)


def denoise(
    x: np.ndarray,
    train: np.ndarray,
    sigma: float,
    *,
    log_weights: np.ndarray | None = None,
    chunk: int = CHUNK,
) -> np.ndarray:
    """Best denoiser of the smoothed empirical prior, D_σ(x) = Σ_n π_n(x) x_n, in bounded memory.

    Args:
        x: (points, d).
        train: (N, d).
        sigma: σ > 0.
        log_weights: (N,) log prior weights of the examples; equal by default. With log-likelihoods
            this is the denoiser of the posterior.
        chunk: numbers in memory at a time.

    Returns:
        (points, d).

    Raises:
        InputError: for σ that is not positive or dimensions that do not agree.
    """
    x, train = np.atleast_2d(np.asarray(x, float)), np.atleast_2d(np.asarray(train, float))
    if not (np.isfinite(sigma) and sigma > 0):
        raise InputError(f"sigma must be positive and finite, given {sigma}")
    if x.shape[1] != train.shape[1]:
        raise InputError(f"x has {x.shape[1]} coordinates, train has {train.shape[1]}")
    denoised = np.empty((len(x), train.shape[1]))
    batch_size = max(1, min(len(x), chunk // max(train.shape[1], 1) // 64))
    for start in range(0, len(x), batch_size):
        batch = x[start : start + batch_size]
        block_size = max(1, chunk // (len(batch) * train.shape[1]))
        top = np.full(len(batch), -np.inf)
        total = np.zeros(len(batch))
        mean = np.zeros_like(batch)
        # softmax over blocks of examples: rescaled when a larger exponent comes
        for first in range(0, len(train), block_size):
            block = train[first : first + block_size]
            logs = -0.5 * ((batch[:, None] - block) ** 2).sum(-1) / sigma**2
            if log_weights is not None:
                logs = logs + log_weights[first : first + block_size]
            higher = np.maximum(top, logs.max(1))
            safe = np.where(np.isfinite(higher), higher, 0.0)
            scale = np.exp(np.where(np.isfinite(top), top - safe, -np.inf))
            weights = np.exp(logs - safe[:, None])
            total = total * scale + weights.sum(1)
            mean = mean * scale[:, None] + weights @ block
            top = higher
        denoised[start : start + batch_size] = mean / total[:, None]
    return denoised


def score(x: np.ndarray, train: np.ndarray, sigma: float) -> np.ndarray:
    """∇ log p^σ(x) = (D_σ(x) − x) / σ² of the smoothed empirical prior, (points, d).

    Args:
        x: (points, d).
        train: (N, d).
        sigma: σ > 0.

    Raises:
        InputError: see `denoise`.
    """
    return (denoise(x, train, sigma) - np.atleast_2d(x)) / sigma**2


def _linearized(train, forward, jacobian) -> tuple[np.ndarray, np.ndarray]:
    """Data (N, m) and Jacobians (N, m, d) at every example."""
    if not callable(forward):
        matrix = _finite("forward", np.atleast_2d(np.asarray(forward, float)))
        if matrix.shape[1] != train.shape[1]:
            raise InputError(
                f"forward has {matrix.shape[1]} columns, train has {train.shape[1]} coordinates"
            )
        return train @ matrix.T, np.broadcast_to(matrix, (len(train), *matrix.shape))
    if jacobian is not None:
        data = _finite("forward(train)", np.asarray(forward(train)))
        return data, _finite("jacobian", np.asarray(jacobian(train)))
    import torch

    points = torch.tensor(train)
    try:
        data = forward(points)
        # row by row in reverse mode, all examples in one batch: forward mode would import a
        # deprecated part of torch
        rows = torch.func.vmap(torch.func.jacrev(lambda point: forward(point[None])[0]))(points)
    except (TypeError, RuntimeError, AttributeError) as error:
        raise InputError(
            f"forward cannot be differentiated by torch ({error}); give its `jacobian`"
        ) from error
    return _finite("forward(train)", data.numpy()), _finite("jacobian", rows.numpy())


def _finite(name: str, values: np.ndarray) -> np.ndarray:
    if not np.isfinite(values).all():
        raise InputError(
            f"{name} holds {int((~np.isfinite(values)).sum())} values that are NaN or infinite"
        )
    return values
