"""Nonlinear attention at random extremes against arithmetic of 60 digits."""

from time import process_time

import mpmath as mp
import numpy as np
import pytest
from rote.theory import attention
from rote.theory.attention import fixed_point

from tests.extremes.attention_reference import error

pytestmark = pytest.mark.extremes
POINTS = 60  # per seed


def _draw(rng: np.random.Generator) -> dict:
    """Constants of a head: c in [.01, 100], often at 1; noise from none to a hundred times a1²."""
    c = float(10 ** rng.uniform(-2, 2))
    if rng.random() < 0.3:
        c = float(rng.choice([1.0, 0.25, 10 ** rng.uniform(-0.02, 0.02), 1 + 1e-9]))
    a1 = float(rng.choice([-1, 1, 0], p=[0.4, 0.4, 0.2]) * 10 ** rng.uniform(-1, 1))
    noise = float(10 ** rng.uniform(-14, 2)) if rng.random() < 0.7 else 0.0
    if a1 == 0:
        noise = max(noise, 0.1)
    d = float(rng.choice([0.0, 0.0, a1, -a1, 5.0]))
    return {"c": c, "a1": a1, "noise": noise, "d": d, "gamma": float(10 ** rng.uniform(-12, 2))}


@pytest.mark.parametrize("seed", range(5))
def test_error_is_right_to_its_bound_anywhere(seed):
    rng = np.random.default_rng(seed)
    for _ in range(POINTS):
        head = _draw(rng)
        c, a1, noise, d, gamma = head.values()
        f = attention.Coefficients(0.0, a1, 0.0, a1**2 + noise, rest=noise)
        vectors = rng.normal(size=(3, 3)) * 10 ** rng.uniform(-1, 1, size=(3, 1))
        if rng.random() < 0.3:
            vectors[1:] = 0
        begun = process_time()
        plain = attention.memorization_error(gamma, c, f, diag=d)
        assert process_time() - begun < 0.5
        with_signal = attention.memorization_error(gamma, c, f, attention.Vectors(*vectors), d)
        assert plain.converged, head
        assert with_signal.converged, head
        unit = f.nu
        root = fixed_point.solve(
            np.array([gamma / unit]),
            fixed_point.head(c, a1 / np.sqrt(unit), noise / unit, d / np.sqrt(unit)),
        ).h[0, 0]
        # u is 1/√ν of what it is in units of f, s and w as they are
        start = root * np.outer([unit**-0.5, 1, 1], [unit**-0.5, 1, 1])
        exact = error(c, a1, noise, d, gamma, start)
        excess = exact - max(mp.mpf(0), 1 - mp.mpf(c))
        assert abs(mp.mpf(float(plain.excess)) - excess) <= float(plain.bound), head
        assert abs(mp.mpf(float(plain.excess)) - excess) <= 1e-6 * excess, head
        exact = error(c, a1, noise, d, gamma, start, vectors)
        missed = abs(mp.mpf(float(with_signal.error)) - exact)
        assert missed <= float(with_signal.bound) + 1e-15, head
        assert missed <= 1e-6 * exact, head


@pytest.mark.parametrize("f", attention.ACTIVATIONS)
def test_grids_hold_no_unflagged_number(f):
    gamma, c = np.geomspace(1e-12, 1e2, 29), np.geomspace(0.01, 100, 9)[:, None]
    solution = attention.memorization_error(gamma, c, f)
    assert solution.converged.all()
    assert (solution.bound <= 1e-7 * solution.excess).all()
    assert (np.diff(solution.error, axis=1) >= -1e-15).all()
