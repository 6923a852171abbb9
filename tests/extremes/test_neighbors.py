"""Neighbors at scales from 1e-15 to 1e15, against brute force in NumPy's long double."""

import numpy as np
import pytest
from rote import knn
from rote.neighbors import cells

pytestmark = pytest.mark.extremes
DRAWS = 300


def draw(rng: np.random.Generator) -> np.ndarray:
    """Clusters, outliers and repeated rows, each at a log-uniform scale of its own."""
    n, d = int(rng.integers(20, 400)), int(rng.integers(1, 40))
    scale, spread, far = 10.0 ** rng.uniform(-15, 15, 3)
    centers = scale * rng.normal(size=(int(rng.integers(1, 12)), d))
    x = centers[rng.integers(len(centers), size=n)] + spread * rng.normal(size=(n, d))
    x[rng.random(n) < rng.choice([0, 0.02, 0.3])] *= far
    copied = rng.random(n) < rng.choice([0, 0.5])
    x[copied] = x[rng.integers(5, size=copied.sum())]
    return x.astype(rng.choice([np.float32, np.float64]))


@pytest.mark.parametrize("engine", ["exact", "torch"])
def test_no_neighbor_is_missed_at_any_scale(engine, monkeypatch):
    monkeypatch.setattr(cells, "MIN_ROWS", 150)
    rng = np.random.default_rng(1)
    for _ in range(DRAWS):
        x = draw(rng)
        k = int(rng.integers(1, 30))
        neighbors = knn.Datastore(x, engine=engine).search(x, k)
        long = x.astype(np.longdouble)
        distances = np.stack([np.sqrt(((long - row) ** 2).sum(1)) for row in long])
        nearest = np.sort(distances, axis=1)[:, :k]
        np.testing.assert_allclose(neighbors.distances, nearest.astype(float), rtol=1e-13)
        chosen = np.take_along_axis(distances, neighbors.rows, 1)
        np.testing.assert_allclose(chosen.astype(float), nearest.astype(float), rtol=1e-13)
        equal = np.diff(neighbors.distances, axis=1) == 0
        assert (np.diff(neighbors.rows, axis=1)[equal] > 0).all()
