"""Beyond the paper's setting. Every function returns E over γ,
some with what is left of it as γ → 0.

Unbalanced labels, softmax, random dense weights, several heads, anisotropic tokens.
The ledger says what was checked against simulation.

Where the fixed point has another shape (`pencils`) its roots are decimal (`path`): E is right to
all digits of a double however small γ is, and so is what γ adds to its limit.
"""

import math
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from rote.core.errors import InputError
from rote.theory.attention import fixed_point, path, pencils
from rote.theory.attention.activation import (
    Activation,
    Coefficients,
    Nonlinearity,
    expect,
    moments,
    named,
)
from rote.theory.attention.arguments import (
    C_RANGE,
    GAMMA_RANGE,
    as_vector,
    both_or_none,
    count,
    number,
    one_length,
    positive,
    within,
)
from rote.theory.attention.fixed_point import S, U
from rote.theory.attention.memorization import (
    ACCURACY,
    ROUNDING,
    SAFETY,
    Directions,
    Vectors,
    certified,
    kron_eye,
    psi,
    scaled,
)

_RANK = 1e-12  # of the noise of heads, relative: below it they have no noise of their own


class VariantError(NamedTuple):
    """E over γ, and what γ adds to its limit; NaN where the root was not found."""

    error: np.ndarray  # in [0, 1]
    # error − its limit as γ → 0 without a signal, to which it adds no cancellation
    excess: np.ndarray
    bound: np.ndarray  # of the error of `excess`, absolute


def unbalanced_error(
    gamma: ArrayLike,
    c: float,
    f: Nonlinearity | Coefficients,
    balance: float,
    p: int,
    vectors: Vectors = Vectors(),
) -> np.ndarray:
    """E(γ) for labels with mean `balance` and Gaussian tokens; f is not centered.

    The constant and the norm fluctuations of the kernel become visible.

    Args:
        gamma: ridge γ > 0, any shape.
        c: dimensions per token p/n > 0.
        f: a nonlinearity or its coefficients, as in `memorization_error`.
        balance: ȳ in [−1, 1].
        p: dimension; f with a0 ≠ 0 adds a spike a0 n/√p along the constant vector.
        vectors: signal and spike.

    Raises:
        InputError: naming the argument and its range.
    """
    gamma = positive("gamma", gamma)
    c = float(within("c", positive("c", c), C_RANGE))
    p = count("p", p)
    balance = number("balance", balance, -1, 1)
    moment = moments(f)
    basis = vectors.coordinates()
    unit = moment.nu
    heads = fixed_point.head(c, moment.a1 / np.sqrt(unit), moment.noise / unit, 0.0)
    ridge = within("gamma / (variance of f)", gamma.ravel() / unit, GAMMA_RANGE)
    root = fixed_point.solve(ridge, heads)
    # basis: constant, norm fluctuations, labels orthogonal to the constant
    spike = np.zeros((3, 3))
    spike[0, 1] = spike[1, 0] = moment.a2 / c
    spike[0, 0] = moment.a0 * np.sqrt(p) / c
    label = np.array([balance, 0.0, np.sqrt(1 - balance**2)])
    errors = [
        _unbalanced(x, heads, basis, spike / np.sqrt(unit), label) for x in (root, root.rough)
    ]
    return certified(*(ridge**2 * error for error in errors)).reshape(gamma.shape)


def _unbalanced(
    root: fixed_point.Root | fixed_point.FixedPoint,
    heads: fixed_point.Head,
    basis: Directions,
    spike: np.ndarray,
    label: np.ndarray,
) -> np.ndarray:
    """−dφ/dγ of one head, (γ,), from the 9 × 9 block of h and three directions of labels."""
    h, dh, size = scaled(root)
    along, dalong = (x[0] for x in psi(h, dh, size, heads, basis))
    h, dh = h[0], dh[0]
    size = size[0]
    outer = np.outer(label, label)
    block = np.zeros((len(h), 3, 3, 3, 3))
    both = (size[:, U] * size[:, S])[:, None, None]
    block[:, U, :, S, :] = both * spike.T
    block[:, S, :, U, :] = -both * spike
    added = _kron(along, outer) + block.reshape(-1, 9, 9)
    wide, dwide = kron_eye(h, 3), kron_eye(dh, 3)
    left = np.linalg.inv(np.eye(9) + wide @ added)
    R = left @ wide
    dR = left @ dwide @ np.linalg.inv(np.eye(9) + added @ wide) - R @ _kron(dalong, outer) @ R
    slope = np.einsum("k,nkl,l->n", label, dR[:, :3, :3], label) * size[:, U] ** 2
    return np.where(np.isfinite(root.gap[0]), -slope, np.nan)


def _kron(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """x ⊗ y of (..., 3, 3) and (3, 3)."""
    return np.einsum("...ij,kl->...ikjl", x, y).reshape(*x.shape[:-2], 9, 9)


class Softmax(NamedTuple):
    """Column softmax as an entrywise nonlinearity."""

    coefficients: Coefficients
    ridge: float  # softmax attention at γ is the nonlinearity at γ · ridge


def softmax(beta: float, n: int, p: int) -> Softmax:
    """Masked softmax of β XᵀWX/√p over the keys, as an entrywise nonlinearity.

    Its sum concentrates, which leaves exp(βt) up to a factor.

    Args:
        beta: inverse temperature, > 0.
        n, p: tokens and their dimension.

    Raises:
        InputError: for a temperature outside its range.
    """
    if not number("beta", beta, 0, 10) > 0:
        raise InputError(f"beta must be > 0 and at most 10, given {beta}")
    n, p = count("n", n), count("p", p)
    mean_exponential = np.exp(beta**2 / 2)
    square = float(np.exp(beta**2))
    exponential = Coefficients(
        a0=0.0,
        a1=beta * mean_exponential,
        a2=beta**2 * mean_exponential / np.sqrt(2),
        nu=square * np.expm1(beta**2),
        rest=square * float(_second_remainder(beta**2)),
    )
    return Softmax(exponential, float((n * mean_exponential / np.sqrt(p)) ** 2))


def _second_remainder(x: float) -> float:
    """e^x − 1 − x, also for small x."""
    if x > 0.5:
        return math.expm1(x) - x
    return sum(x**k / math.factorial(k) for k in range(2, 20))


def dense_error(gamma: ArrayLike, c: float, f: Nonlinearity | Coefficients) -> VariantError:
    """E(γ) of an untrained dense head, W i.i.d. N(0, 1/p), diagonal kept, on tokens without signal.

    Args:
        gamma: ridge γ > 0, any shape.
        c: dimensions per token p/n > 0.
        f: a nonlinearity or its coefficients.

    Raises:
        InputError: naming the argument and its range.
    """
    c = float(within("c", positive("c", c), C_RANGE))
    moment = moments(f)
    unit = moment.nu
    system = pencils.dense(c, moment.a1 / math.sqrt(unit), moment.noise / unit)
    return _solved(gamma, system, unit, Fraction(c))


def heads_error(
    gamma: ArrayLike,
    c: float,
    functions: Sequence[Nonlinearity],
    *,
    mu: ArrayLike | None = None,
    w_keys: Sequence[ArrayLike | None],
    w_queries: Sequence[ArrayLike | None],
) -> VariantError:
    """E(γ) of several heads whose outputs are stacked before one probe.

    Args:
        gamma: ridge γ > 0, any shape.
        c: dimensions per token p/n > 0.
        functions: nonlinearity of each head.
        mu: signal; None is zero.
        w_keys, w_queries: spike of each head; None is zero.

    Raises:
        InputError: if there are not as many spikes as functions, for vectors of different lengths,
            and for a key without its query.
    """
    c = float(within("c", positive("c", c), C_RANGE))
    sequences = {"functions": functions, "w_keys": w_keys, "w_queries": w_queries}
    for name, given in sequences.items():
        if not isinstance(given, Sequence) or isinstance(given, str):
            raise InputError(f"{name} must have one entry per head, given {given!r}")
    H = len(functions)
    if not H == len(w_keys) == len(w_queries) > 0:
        raise InputError("functions, w_keys and w_queries must have one entry per head")
    activations = [named(f) for f in functions]
    per_head = [moments(f) for f in activations]
    for i, pair in enumerate(zip(w_keys, w_queries, strict=True)):
        both_or_none(f"w_keys[{i}]", f"w_queries[{i}]", *pair)
    keyed = {f"w_keys[{i}]": key for i, key in enumerate(w_keys)}
    queried = {f"w_queries[{i}]": query for i, query in enumerate(w_queries)}
    coordinates = _common_basis({"mu": mu, **keyed, **queried})
    m, keys, queries = np.split(coordinates, [1, 1 + H])
    unit = sum(moment.nu for moment in per_head)
    slopes = np.array([moment.a1 for moment in per_head]) / math.sqrt(unit)
    noise = np.empty((H, H))
    for i, j in np.ndindex(H, H):
        shared = _shared_noise(activations[i], activations[j], per_head[i], per_head[j])
        noise[i, j] = shared / unit
    signal = None
    turn, active = _independent(slopes, noise)
    if m.any():
        signal = pencils.Signal(m[0], slopes / c, turn, np.stack([keys, queries]))
    slopes, noise = (slopes @ turn)[:active], (turn.T @ noise @ turn)[:active, :active]
    system = pencils.heads(c, slopes, noise / c, signal)
    return _solved(gamma, system, unit, Fraction(c) * active)


def _independent(slopes: np.ndarray, noise: np.ndarray) -> tuple[np.ndarray, int]:
    """A rotation (heads, heads) of the features, and how many of the new heads see anything.

    The sum of all heads' kernels does not change where heads are rotated into each other. Those
    whose noise is one head's, or that have none, become one head, and others with neither slope
    nor noise: such heads only see a spike.
    """
    size = np.sqrt(np.maximum(noise.diagonal(), 1e-300))
    values, vectors = np.linalg.eigh(noise / np.outer(size, size))
    quiet = values <= _RANK
    silent = vectors[:, quiet] / size[:, None]  # combinations of heads that have no noise
    silent = np.linalg.qr(silent / np.maximum(np.linalg.norm(silent, axis=0), 1e-300))[0]
    along = silent.T @ slopes
    some = np.linalg.norm(along) > _RANK * np.linalg.norm(slopes)
    active = int((~quiet).sum()) + int(some)
    if active == len(slopes):
        return np.eye(len(slopes)), active
    others = np.linalg.svd(silent, full_matrices=True)[0][:, silent.shape[1] :]
    if some:  # the one with all their slope first
        silent = silent @ np.linalg.svd(along[:, None], full_matrices=True)[0]
    return np.concatenate([others, silent], axis=1), active


def _common_basis(vectors: dict[str, ArrayLike | None]) -> np.ndarray:
    """Coordinates (vectors, rank) in a basis of their span; None is zero.

    Raises:
        InputError: naming a vector that is not one of finite numbers, or their different lengths.
    """
    arrays = {name: as_vector(name, v) for name, v in vectors.items() if v is not None}
    zero = np.zeros(one_length(arrays))
    stacked = np.stack([arrays.get(name, zero) for name in vectors])
    _, values, axes = np.linalg.svd(stacked, full_matrices=False)
    rank = int((values > 1e-12 * max(values.max(), 1e-300)).sum())
    return stacked @ axes[: max(rank, 1)].T


def _shared_noise(f: Activation, g: Activation, first: Coefficients, second: Coefficients) -> float:
    """Covariance of the nonlinear parts of two heads that see the same tokens."""
    if f == g or min(first.noise, second.noise) == 0:
        return min(first.noise, second.noise)

    def product(t: np.ndarray) -> np.ndarray:
        return (f(t) - first.a0 - first.a1 * t) * (g(t) - second.a0 - second.a1 * t)

    return expect(product, (*f.kinks, *g.kinks))


def anisotropic_error(
    gamma: ArrayLike, n: int, spectrum: ArrayLike, f: Activation | str
) -> VariantError:
    """E(γ) for pure-noise tokens with covariance diag(spectrum).

    Fails where a few directions dominate (a power law with exponent near 1); the ledger shows
    where.

    Args:
        gamma: ridge γ > 0, any shape.
        n: tokens.
        spectrum: eigenvalues > 0 of the covariance, (p,).
        f: a nonlinearity.

    Raises:
        InputError: naming the argument and its range.
    """
    values = positive("spectrum", spectrum)
    if values.ndim != 1:
        raise InputError(f"spectrum must be a vector, given shape {values.shape}")
    n = count("n", n)
    within("len(spectrum)/n", np.asarray(len(values) / n), C_RANGE)
    mean = values.mean()
    width = np.sqrt((values**2).mean())  # of a kernel entry
    moment = moments(named(f), width)
    unit = moment.nu
    slope = moment.a1 / width * mean / math.sqrt(unit)
    levels, counts = np.unique(values / mean, return_counts=True)
    system = pencils.anisotropic(levels, counts, n, slope, moment.noise / unit)
    return _solved(gamma, system, unit * mean, Fraction(len(values), n))


def _solved(gamma: ArrayLike, system: path.System, unit: float, rank: Fraction) -> VariantError:
    """E where γ is in units of `unit` and features fill `rank` of the tokens as γ → 0."""
    gamma = positive("gamma", gamma)
    ridge = within("gamma / (variance of the features)", gamma.ravel() / unit, GAMMA_RANGE)
    values = path.errors(system, ridge)
    error = np.array([float(value.error) for value in values])
    limit = max(Fraction(0), 1 - rank)
    excess = np.array([_beyond(value.error, limit) for value in values])
    doubt = np.array([value.doubt for value in values])
    with np.errstate(invalid="ignore"):
        bound = SAFETY * doubt * np.abs(error) + ROUNDING * np.abs(excess)
        right = bound <= ACCURACY * np.abs(excess)
    numbers = (np.where(right, error, np.nan), np.where(right, excess, np.nan), bound)
    return VariantError._make(number.reshape(gamma.shape) for number in numbers)


def _beyond(error: Decimal, limit: Fraction) -> float:
    return float(Fraction(error) - limit) if error.is_finite() else math.nan
