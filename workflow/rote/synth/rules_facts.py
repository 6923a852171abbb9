"""Rules and facts (arXiv 2603.25579): Gaussian inputs, a teacher's signs, a share of coin flips."""

from typing import NamedTuple

import numpy as np

from rote.core.errors import InputError


class RulesFactsSample(NamedTuple):
    """n labelled inputs: rules, labelled by the teacher, and facts, labelled by coin flips."""

    X: np.ndarray  # (n, d)
    y: np.ndarray  # (n,) ±1
    facts: np.ndarray  # (n,) bool
    teacher: np.ndarray  # (d,), norm √d
    deviations: np.ndarray | float = 1.0  # of the inputs along their axes, (d,)


def draw(
    alpha: float,
    eps: float,
    d: int,
    rng: np.random.Generator,
    *,
    sphere: bool = False,
    eigenvalues: np.ndarray | None = None,
) -> RulesFactsSample:
    """n = round(αd) inputs with round(εn) facts; the teacher has norm √d exactly.

    Args:
        alpha: samples per dimension n/d, > 0.
        eps: fraction of facts, in [0, 1].
        d: dimension, at least 2.
        rng: source of all draws.
        sphere: put the inputs on ||x||² = d after labelling, which removes the kernel diagonal's
            fluctuation.
        eigenvalues: variances of the inputs along their axes, (d,); None: 1.

    Raises:
        InputError: for d < 2, α ≤ 0, ε outside [0, 1], n < 1, ε > 0 that rounds to no fact, or
            another number of eigenvalues.
    """
    if d < 2:
        raise InputError(f"d must be at least 2, given {d}")
    if not (np.isfinite(alpha) and alpha > 0):
        raise InputError(f"alpha must be finite and > 0, given {alpha}")
    if not 0 <= eps <= 1:
        raise InputError(f"eps must be in [0, 1], given {eps}")
    if eigenvalues is not None and np.shape(eigenvalues) != (d,):
        raise InputError(f"eigenvalues must be ({d},), given shape {np.shape(eigenvalues)}")
    n = round(alpha * d)
    count = round(eps * n)
    if n < 1:
        raise InputError(f"alpha d = {alpha * d:g} rounds to no training example; raise alpha or d")
    if eps > 0 and count == 0:
        raise InputError(f"eps n = {eps * n:g} rounds to no fact; raise eps, alpha or d")
    teacher = rng.normal(size=d)
    teacher *= np.sqrt(d) / np.linalg.norm(teacher)
    X = rng.normal(size=(n, d))
    deviations = 1.0 if eigenvalues is None else np.sqrt(eigenvalues)
    X *= deviations
    y = sign(X @ teacher)
    facts = np.arange(n) < count
    y[facts] = rng.choice([-1.0, 1.0], size=count)
    return RulesFactsSample(on_sphere(X) if sphere else X, y, facts, teacher, deviations)


def on_sphere(X: np.ndarray) -> np.ndarray:
    """Rows of X (n, d) scaled to ||x||² = d."""
    return X * (np.sqrt(X.shape[1]) / np.linalg.norm(X, axis=1, keepdims=True))


def sign(values: np.ndarray) -> np.ndarray:
    """±1 of every value, ties counted as +1."""
    return np.where(values >= 0, 1.0, -1.0)
