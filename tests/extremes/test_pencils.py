"""Heads, dense heads and anisotropic tokens at random extremes against Newton in 90 digits."""

from time import process_time

import mpmath as mp
import numpy as np
import pytest
from rote.theory.attention import path, pencils

from tests.extremes import pencil_reference

pytestmark = pytest.mark.extremes
POINTS = 25  # per kind and seed


def _draw(kind: str, rng: np.random.Generator) -> tuple:
    """A system, its reference and the limit of E; noise down to 1e-10 of ν, and none."""
    c = float(rng.choice([10 ** rng.uniform(-2, 2), 1.0, 0.25, 0.5, 1 + 1e-9]))
    noise = float(10 ** rng.uniform(-10, 0)) if kind == "heads" or rng.random() < 0.8 else 0.0
    slope = float(rng.choice([-1, 1]) * np.sqrt(max(1 - noise, 0)))
    if rng.random() < 0.1:
        slope, noise = 0.0, 1.0
    if kind == "dense":
        arguments = (c, slope, noise)
        limit = max(mp.mpf(0), 1 - mp.mpf(c))
        return pencils.dense(*arguments), pencil_reference.dense(*arguments), limit
    if kind == "heads":
        mixed = rng.normal(size=(2, 2))
        tau = mixed @ mixed.T * noise / c
        slopes = slope * rng.normal(size=2)
        system = pencils.heads(c, slopes, tau, None)
        limit = max(mp.mpf(0), 1 - 2 * mp.mpf(c))
        return system, pencil_reference.heads(c, slopes, tau.tolist()), limit
    levels = np.unique(10 ** rng.uniform(-3, 1, int(rng.integers(1, 6))))
    counts = rng.integers(1, 9, len(levels))
    n = max(1, int(counts.sum() / c))
    weights = [mp.mpf(int(count)) / n for count in counts]
    reference = pencil_reference.anisotropic([mp.mpf(x) for x in levels], weights, slope, noise)
    system = pencils.anisotropic(levels, counts, n, slope, noise)
    return system, reference, max(mp.mpf(0), 1 - mp.fsum(weights))


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("kind", ["heads", "dense", "anisotropic"])
def test_error_is_right_at_any_ridge(kind, seed):
    rng = np.random.default_rng(seed)
    for _ in range(POINTS):
        with mp.workdps(pencil_reference.DIGITS):
            system, reference, limit = _draw(kind, rng)
            gamma = float(10 ** rng.uniform(-12, 2))
            begun = process_time()
            (result,) = path.errors(system, np.array([gamma]))
            assert process_time() - begun < 3
            exact, moved = pencil_reference.error(reference, gamma, result.state)
            assert moved < 1e-9
            assert abs(mp.mpf(str(result.error)) - exact) <= 1e-9 * (exact - limit)
