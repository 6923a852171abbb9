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
from scipy.linalg import solve_triangular
from scipy.special import logsumexp

from rote.core import fields, reals
from rote.core.errors import InputError
from rote.theory.squares import exact_squares

CHUNK = 2**24  # numbers in memory at a time, by default
CONDITION = 1e9  # largest σ‖J‖/γ of a linearized posterior, for weights right to 1e-6
_EASY = 1e2  # up to which that square costs no digit of those that are stated
_MILD = 1e3  # up to which the square of a condition number costs six digits and no more
_PLAIN = 2000.0  # |x − x_n|²/2σ² above which rivals need more digits than float64 has
_RIVAL = 45.0  # in logarithms: weights below e^-45 change nothing
_STEP = 2e-3  # of central differences, relative to the coordinate and at least this
_SMOOTH = 1e-6  # how far the differences at two steps may differ, relative to the Jacobian


@dataclass(frozen=True, eq=False)
class Observation:
    """Data and the level of their noise, y = F(x) + N(0, γ²).

    Attributes:
        y: (m,) data, real (stack the parts of complex ones).
        noise_sd: γ in [1e-150, 1e150], standard deviation of the noise.

    Raises:
        InputError: naming what is complex, not finite or out of range.
    """

    y: np.ndarray
    noise_sd: float

    def __post_init__(self) -> None:
        y = reals.finite("y", self.y)
        if y.ndim != 1 or not len(y):
            raise InputError(f"y must have shape (m,) with m ≥ 1, given {y.shape}")
        reals.number("noise_sd", self.noise_sd, fields.WIDTH)


class Mixture(NamedTuple):
    """A Gaussian mixture: the posterior under a smoothed empirical prior."""

    # (N,), of weights that sum to 1; logarithms, as far from all others one of e^-1000 counts
    log_weights: np.ndarray
    means: np.ndarray  # (N, d)
    roots: np.ndarray  # (N, d, d) upper triangular, RᵀR the inverse covariance

    @property
    def covariances(self) -> np.ndarray:
        """Covariances of the components, (N, d, d)."""
        inverse = np.stack([solve_triangular(root, np.eye(len(root))) for root in self.roots])
        return inverse @ np.swapaxes(inverse, 1, 2)

    def log_density(self, x: np.ndarray) -> np.ndarray:
        """log p(x) at every point, (points,).

        Args:
            x: (points, d), or one point (d,).

        Raises:
            InputError: for points of another dimension, and what is no finite number.
        """
        x = _examples("x", x)
        if x.shape[1] != self.means.shape[1]:
            raise InputError(f"x has {x.shape[1]} coordinates, the mixture {self.means.shape[1]}")
        parts = np.empty((len(self.means), len(x)))
        for n, (mean, root) in enumerate(zip(self.means, self.roots, strict=True)):
            with np.errstate(over="ignore"):  # beyond e^-1e308: −inf
                squares = (((x - mean) @ root.T) ** 2).sum(1)
            parts[n] = (
                -0.5 * squares
                + np.log(np.abs(np.diag(root))).sum()
                - 0.5 * x.shape[1] * np.log(2 * np.pi)
            )
        return logsumexp(parts + self.log_weights[:, None], axis=0)

    def sample(self, number: int, rng: np.random.Generator) -> np.ndarray:
        """Independent draws, (number, d).

        Args:
            number: of draws.
            rng: source of all draws.

        Raises:
            InputError: for a number that is no whole number ≥ 0, and a source that is none.
        """
        fields.check_types({"rng": np.random.Generator}, {"rng": rng})
        fields.check({"number": fields.COUNT}, {"number": number})
        chosen = rng.choice(len(self.means), number, p=self.weights)
        draws = rng.normal(size=(number, self.means.shape[1]))
        for n in np.unique(chosen):
            mine = chosen == n
            draws[mine] = draws[mine] @ _covariance_root(self.roots[n]).T
        return self.means[chosen] + draws

    @property
    def weights(self) -> np.ndarray:
        """Weights of the components, (N,), sum to 1."""
        return empirical(self.log_weights)

    @property
    def mean(self) -> np.ndarray:
        """Mean of the mixture, (d,)."""
        return self.weights @ self.means


def _covariance_root(root: np.ndarray) -> np.ndarray:
    """The lower Cholesky factor of (RᵀR)⁻¹, without forming it."""
    upper = np.asarray(np.linalg.qr(solve_triangular(root, np.eye(len(root))).T, mode="r"))
    return (upper * np.where(np.diag(upper) < 0, -1.0, 1.0)[:, None]).T


def empirical(log_likelihood: np.ndarray) -> np.ndarray:
    """Posterior weights of the training examples, softmax of log p(y | x_n) over the last axis.

    Args:
        log_likelihood: (..., N), up to a constant.

    Returns:
        (..., N), sums 1.

    Raises:
        InputError: for NaN, +inf, no examples, or only −inf.
    """
    return _softmax("log_likelihood", reals.array("log_likelihood", log_likelihood))


def _softmax(name: str, logs: np.ndarray) -> np.ndarray:
    """Weights over the last axis, of logarithms that the argument `name` holds or leads to."""
    if logs.ndim == 0 or logs.shape[-1] == 0:
        raise InputError(f"{name} must have one value per training example, it has none")
    if np.isnan(logs).any() or (logs == np.inf).any():
        raise InputError(
            f"{name} holds NaN or +inf; check the forward operator and the noise level"
        )
    top = logs.max(axis=-1, keepdims=True)
    if (top == -np.inf).any():
        raise InputError(
            f"{name} is −inf for every training example: none explains the data at all"
        )
    with np.errstate(over="ignore"):
        weights = np.exp(logs - top)
    return weights / weights.sum(axis=-1, keepdims=True)


def effective(weights: np.ndarray) -> np.ndarray:
    """Effective number of components, exp of the entropy of the weights, over the last axis.

    Args:
        weights: (..., N), ≥ 0, sums 1.

    Returns:
        (...), in [1, N].

    Raises:
        InputError: for weights that are negative, not finite, or do not sum to 1.
    """
    weights = reals.finite("weights", weights)
    if (
        not weights.ndim
        or (weights < 0).any()
        or not np.allclose(weights.sum(axis=-1), 1, atol=1e-6)
    ):
        raise InputError("weights must be ≥ 0 and sum to 1 over the last axis")
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

    by one triangular factor per example, in units of σ and γ: Cholesky, or QR of (σ J_n/γ, 1) where
    that would lose digits. With δ_n = μ_n − x_n the quadratic form is
    |r_n − J_n δ_n|²/γ² + |δ_n|²/σ², a sum of squares at its minimum: nothing cancels at small γ.
    Accurate to about 1e-15 σ‖J‖/γ; `CONDITION` is the largest such ratio.

    Args:
        train: (N, d) examples.
        sigma: σ in [1e-150, 1e150], width of the components.
        forward: a real matrix (m, d), or a function from (N, d) points to (N, m) real data.
        observation: data (m,) and the level of their noise.
        jacobian: from (N, d) points to (N, m, d). By default a function of torch tensors is
            differentiated, all examples in one batch, and a function of NumPy arrays by central
            differences of fourth order, at two steps that have to agree.
        determinant: False leaves |S_n| out of the weights, as the published code does; right only
            if all J_n agree.

    Raises:
        InputError: naming what is not positive, not finite, complex or of the wrong shape; for σ‖J‖
            above `CONDITION` γ, and a function that is not smooth on the scale of its steps.
    """
    train = _examples("train", train)
    types = {"observation": Observation, "determinant": bool}
    fields.check_types(types, {"observation": observation, "determinant": determinant})
    if jacobian is not None:
        fields.check_types({"jacobian": Callable}, {"jacobian": jacobian})
    y = reals.array("y", observation.y)
    noise_sd = reals.number("noise_sd", observation.noise_sd, fields.WIDTH)
    sigma = reals.number("sigma", sigma, fields.WIDTH)
    d, m = train.shape[1], len(y)
    data, jacobians = _linearized(train, forward, jacobian)
    if data.shape[1] != m:
        raise InputError(f"y has {m} values, the forward operator gives {data.shape[1]}")
    if jacobians.shape != (len(train), m, d):
        raise InputError(
            f"jacobian(train) must have shape {(len(train), m, d)}, given {jacobians.shape}"
        )
    residuals = y - data
    means = np.empty_like(train)
    roots = np.empty((len(train), d, d))
    logs = np.empty(len(train))
    for n, (r, J) in enumerate(zip(residuals, jacobians, strict=True)):
        # in units of the noise and of σ: no square of J itself, which may be above or below floats
        with np.errstate(over="ignore"):
            A, s = J * (sigma / noise_sd), r / noise_sd
            condition = float(np.linalg.norm(A))
        if not condition <= CONDITION:
            raise InputError(
                f"sigma ‖J‖ / noise_sd is {condition:.1e} at example {n}, above {CONDITION:g}: "
                "rounding would decide; use a smaller sigma or a larger noise_sd"
            )
        root, shift = _solved(A, s, condition)
        roots[n], means[n] = root / sigma, train[n] + sigma * shift
        with np.errstate(over="ignore", invalid="ignore"):  # an example that explains nothing
            missed = s - A @ shift
            logs[n] = -0.5 * (missed @ missed + shift @ shift)
        if determinant:  # |S| = γ^2m |R|²
            logs[n] -= np.log(np.abs(np.diag(root))).sum() + m * np.log(noise_sd)
    empirical(logs)  # refuses data that no example explains
    return Mixture(logs - logsumexp(logs), means, roots)


def _solved(A: np.ndarray, s: np.ndarray, condition: float) -> tuple[np.ndarray, np.ndarray]:
    """R with RᵀR = AᵀA + 1, and the minimum of |s − Aδ|² + |δ|²."""
    m, d = A.shape
    if condition < _MILD:
        root = np.linalg.cholesky(np.eye(d) + A.T @ A).T
        shift = np.zeros(d)
        with np.errstate(over="ignore", invalid="ignore"):
            # the second time for the digits that the square of A loses
            for _ in range(1 if condition < _EASY else 2):
                slope = A.T @ (s - A @ shift) - shift
                along = solve_triangular(root, slope, trans="T", check_finite=False)
                shift = shift + solve_triangular(root, along, check_finite=False)
        return root, shift
    stacked = np.zeros((m + d, d + 1))
    stacked[:m, :d] = A
    stacked[:m, d] = s
    stacked[m:, :d] = np.eye(d)
    factor = np.asarray(np.linalg.qr(stacked, mode="r"))
    return factor[:d, :d], solve_triangular(factor[:d, :d], factor[:d, d], check_finite=False)


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
        sigma: σ in [1e-150, 1e150].
        log_weights: (N,) log prior weights of the examples; equal by default. With log-likelihoods
            this is the denoiser of the posterior.
        chunk: numbers in memory at a time.

    Returns:
        (points, d).

    Raises:
        InputError: for σ out of range, dimensions that do not agree, no examples, weights
            of the wrong shape, NaN or all −inf, and points that are infinitely far from every
            example in units of σ.
    """
    x, train = _examples("x", x), _examples("train", train)
    sigma = reals.number("sigma", sigma, fields.WIDTH)
    chunk = fields.check({"chunk": fields.SIZE}, {"chunk": chunk})["chunk"]
    if x.shape[1] != train.shape[1]:
        raise InputError(f"x has {x.shape[1]} coordinates, train has {train.shape[1]}")
    logs = np.zeros(len(train))
    if log_weights is not None:
        logs = reals.array("log_weights", log_weights)
        if logs.shape != (len(train),):
            raise InputError(f"log_weights must have shape ({len(train)},), given {logs.shape}")
        _softmax("log_weights", logs)  # refuses NaN and all −inf
    denoised = np.empty((len(x), train.shape[1]))
    batch_size = max(1, min(len(x), chunk // train.shape[1] // 64))
    with np.errstate(over="ignore", invalid="ignore"):  # too far away: refused below
        for start in range(0, len(x), batch_size):
            batch = slice(start, start + batch_size)
            denoised[batch] = _means(x[batch], train, sigma, logs, chunk)
    if not np.isfinite(denoised).all():
        raise InputError(
            "a point of x is infinitely far from every example of positive weight in units of "
            f"sigma = {sigma:g}, or an example is near 1e308; use a larger sigma, or smaller units"
        )
    return denoised


def _means(
    x: np.ndarray, train: np.ndarray, sigma: float, log_weights: np.ndarray, chunk: int
) -> np.ndarray:
    """D_σ at some points (points, d); NaN or infinite where it is lost."""
    block_size = max(1, chunk // (len(x) * train.shape[1]))
    top = np.full(len(x), -np.inf)
    total, rivals = np.zeros((2, len(x)))
    mean = np.zeros_like(x)
    # softmax over blocks of examples: rescaled when a larger exponent comes
    for first in range(0, len(train), block_size):
        block = train[first : first + block_size]
        logs = -0.5 * (((x[:, None] - block) / sigma) ** 2).sum(-1)
        logs += log_weights[first : first + block_size]
        higher = np.maximum(top, logs.max(1))
        safe = np.where(np.isfinite(higher), higher, 0.0)
        scale = np.exp(np.where(np.isfinite(top), top - safe, -np.inf))
        weights = np.exp(logs - safe[:, None])
        total = total * scale + weights.sum(1)
        mean = mean * scale[:, None] + weights @ block
        far = log_weights.max() - safe
        if (far > _PLAIN).any():
            lowest = safe - _margin(far, train.shape[1])
            rivals = rivals * (top >= lowest) + (logs >= lowest[:, None]).sum(1)
        top = higher
    mean /= np.where(np.isfinite(top), total, np.nan)[:, None]
    for i in np.flatnonzero((far > _PLAIN) & (rivals > 1) & np.isfinite(top)):
        mean[i] = _sharp_mean(x[i], train, sigma, log_weights, chunk)
    return mean


def _margin(far: np.ndarray, dimension: int) -> np.ndarray:
    """How far logarithms of −far may be apart for rounding, or the mean, to tell them apart."""
    return _RIVAL + 2.0**-50 * (dimension + 8) * (far + _RIVAL)


def _sharp_mean(
    x: np.ndarray, train: np.ndarray, sigma: float, log_weights: np.ndarray, chunk: int
) -> np.ndarray:
    """D_σ at one point (d,) from which squared distances differ by little more than they round."""
    size = max(1, chunk // len(x))
    blocks = [slice(first, first + size) for first in range(0, len(train), size)]
    plain = [(((x - train[block]) / sigma) ** 2).sum(1) for block in blocks]
    logs = log_weights - 0.5 * np.concatenate(plain)
    lowest = logs.max() - _margin(log_weights.max() - logs.max(), len(x))
    rows = np.flatnonzero(logs >= lowest)
    unit = 2.0 ** np.floor(np.log2(sigma))
    parts = [rows[first : first + size] for first in range(0, len(rows), size)]
    squares, rests = np.concatenate([exact_squares(x, train[part], unit) for part in parts], axis=1)
    further = (squares - squares[0]) + (rests - rests[0])
    logs = log_weights[rows] - log_weights[rows[0]] - 0.5 * further / (sigma / unit) ** 2
    weights = np.zeros(len(train))
    weights[rows] = _softmax("log_weights", logs)
    return weights @ train


def score(x: np.ndarray, train: np.ndarray, sigma: float) -> np.ndarray:
    """∇ log p^σ(x) = (D_σ(x) − x) / σ² of the smoothed empirical prior, (points, d).

    Args:
        x: (points, d).
        train: (N, d).
        sigma: σ in [1e-150, 1e150].

    Raises:
        InputError: see `denoise`; also for scores above 1e308.
    """
    with np.errstate(over="ignore"):
        scores = (denoise(x, train, sigma) - _examples("x", x)) / float(sigma) ** 2
    if not np.isfinite(scores).all():
        raise InputError(f"x has scores above 1e308 at sigma = {sigma:g}; use a larger sigma")
    return scores


def _linearized(train, forward, jacobian) -> tuple[np.ndarray, np.ndarray]:
    """Data (N, m) and Jacobians (N, m, d) at every example."""
    if not callable(forward):
        matrix = np.atleast_2d(reals.finite("forward", forward))
        if matrix.ndim != 2 or matrix.shape[1] != train.shape[1]:
            raise InputError(
                f"forward has {matrix.shape[-1]} columns, train has {train.shape[1]} coordinates"
            )
        with np.errstate(over="ignore"):
            data = _data(train @ matrix.T, train)
        return data, np.broadcast_to(matrix, (len(train), *matrix.shape))
    if jacobian is not None:
        data = _data(_called("forward", forward, train), train)
        return data, reals.finite("jacobian(train)", _called("jacobian", jacobian, train))
    rows = _by_torch(forward, train)
    if rows is not None:
        return rows
    return _data(_called("forward", forward, train), train), _by_differences(forward, train)


def _data(values, train: np.ndarray) -> np.ndarray:
    data = reals.finite("forward(train)", values)
    if data.ndim != 2 or len(data) != len(train):
        raise InputError(
            f"forward must map points {train.shape} to data ({len(train)}, m), given {data.shape}"
        )
    return data


def _called(name: str, function, points: np.ndarray):
    """function(points) of NumPy arrays, with one error for whatever goes wrong inside."""
    try:
        return function(points.copy())
    except Exception as error:
        raise InputError(
            f"{name} fails on NumPy arrays of shape {points.shape}: {error}"
        ) from error


def _by_torch(forward, train: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """Data and Jacobians of a function of torch tensors, None if it is none."""
    import torch

    points = torch.tensor(train)
    try:
        data = forward(points)
        if not isinstance(data, torch.Tensor):
            return None
        values = _data(data.detach().numpy(), train)
        # row by row in reverse mode, all examples in one batch: forward mode would import a
        # deprecated part of torch
        rows = torch.func.vmap(torch.func.jacrev(lambda point: forward(point[None])[0]))(points)
        return values, reals.finite("jacobian", rows.detach().numpy())
    except InputError:
        raise
    except Exception:  # of whatever a function of NumPy arrays makes of a tensor
        return None


def _by_differences(forward, train: np.ndarray) -> np.ndarray:
    """Jacobians (N, m, d) by central differences of fourth order, at two steps."""
    columns = []
    for i in range(train.shape[1]):
        step = _STEP * np.maximum(np.abs(train[:, i]), 1.0)
        values = {}
        for share in (-2.0, -1.0, -0.5, 0.5, 1.0, 2.0):
            moved = train.copy()
            moved[:, i] += share * step
            values[share] = _data(_called("forward", forward, moved), train)
        slopes = [
            (8 * (values[h] - values[-h]) - (values[2 * h] - values[-2 * h]))
            / (12 * h * step[:, None])
            for h in (1.0, 0.5)
        ]
        columns.append(slopes)
    wide, narrow = (np.stack(slopes, axis=-1) for slopes in zip(*columns, strict=True))
    if np.abs(wide - narrow).max() > _SMOOTH * max(np.abs(narrow).max(), 1e-300):
        raise InputError(
            "forward is not smooth on the scale of differences of its coordinates "
            f"({_STEP:g} of each, at least {_STEP:g}); give its `jacobian`"
        )
    return narrow


def _examples(name: str, values) -> np.ndarray:
    """Points (N, d), N ≥ 1; one point (d,) counts as N = 1."""
    points = np.atleast_2d(reals.finite(name, values))
    if points.ndim != 2 or 0 in points.shape:
        raise InputError(f"{name} must have shape (N, d) with N, d ≥ 1, given {points.shape}")
    return points
