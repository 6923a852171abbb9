"""Min-norm and ridge regression with condition numbers to 1e15 against arithmetic of 80 digits."""

import mpmath as mp
import numpy as np
import pytest
from rote.core.errors import InputError
from rote.theory import minnorm

pytestmark = pytest.mark.extremes


def _exact(X: np.ndarray, y: np.ndarray, lam: float) -> np.ndarray:
    """Coefficients of a design of full rank."""
    mp.mp.dps = 80
    A, b = mp.matrix(X.tolist()), mp.matrix(y.tolist())
    n, d = X.shape
    if lam > 0 or n >= d:
        beta = mp.lu_solve(A.T * A + mp.mpf(lam) * mp.eye(d), A.T * b)
    else:
        beta = A.T * mp.lu_solve(A * A.T, b)
    return np.array([float(value) for value in beta])


def _graded(rng: np.random.Generator, n: int, d: int, condition: float) -> np.ndarray:
    left, values, right = np.linalg.svd(rng.normal(size=(n, d)), full_matrices=False)
    return left * np.geomspace(1, 1 / condition, len(values)) @ right


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("kind", ["columns", "graded", "both"])
def test_fit_is_right_or_refused(kind, seed):
    rng = np.random.default_rng(seed)
    refused = 0
    for _ in range(60):
        n, d = (int(value) for value in rng.integers(1, 9, 2))
        condition = 10 ** rng.uniform(0, 15 if kind != "both" else 7)
        X = rng.normal(size=(n, d)) if kind == "columns" else _graded(rng, n, d, condition)
        if kind != "graded":
            X = X * 10 ** rng.uniform(-15, 15, d)
        y = rng.normal(size=n) * 10 ** rng.uniform(-10, 10)
        lam = float(rng.choice([0.0, 0.0, 10 ** rng.uniform(-20, 3)]))
        try:
            beta = minnorm.fit(X, y, lam)
        except InputError:
            refused += 1
            continue
        exact = _exact(X, y, lam)
        lengths = np.linalg.norm(X, axis=0) if n >= d else np.ones(d)
        missed = np.linalg.norm((beta - exact) * lengths)
        assert missed <= 1e-6 * np.linalg.norm(exact * lengths), (X, y, lam)
    assert refused <= {"columns": 1, "graded": 20, "both": 8}[kind]


@pytest.mark.parametrize("seed", range(5))
def test_identifiable_does_not_depend_on_the_scale_of_columns(seed):
    rng = np.random.default_rng(seed)
    for _ in range(40):
        n, d = (int(value) for value in rng.integers(1, 12, 2))
        X = rng.choice([-1.0, 0.0, 1.0], p=[0.2, 0.6, 0.2], size=(n, d))
        scaled = X * 2.0 ** rng.integers(-50, 50, d)
        np.testing.assert_array_equal(minnorm.identifiable(scaled), minnorm.identifiable(X))
