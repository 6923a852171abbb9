"""Nearest neighbors, soft weights and ResMem's identities against brute force."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rote import resmem
from rote.core.errors import InputError
from rote.neighbors import cells
from rote.neighbors import datastore as knn
from rote.neighbors import distances as measured
from rote.neighbors.methods import METHODS

seeds = st.integers(0, 2**32 - 1)


def brute(q: np.ndarray, x: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    distances = np.sqrt(((q[:, None].astype(np.float64) - x) ** 2).sum(-1))
    rows = np.argsort(distances, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(distances, rows, 1), rows


def as_far(q: np.ndarray, x: np.ndarray, rows: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Where rows of x are as far from the queries as others, to the rounding of float64."""
    q, x = q.astype(np.longdouble), x.astype(np.longdouble)
    a, b = (np.sqrt(((q[:, None] - x[picked]) ** 2).sum(-1)) for picked in (rows, others))
    return (a != b) & (np.abs(a - b) <= 4 * np.finfo(float).eps * a)


@given(
    seeds,
    st.integers(1, 60),
    st.integers(1, 6),
    st.integers(1, 80),
    st.sampled_from(["exact", "torch"]),
)
def test_search_equals_brute_force_and_k_is_at_most_the_rows(seed, n, d, k, engine):
    rng = np.random.default_rng(seed)
    x, q = rng.normal(size=(n, d)) + rng.normal(scale=100), rng.normal(size=(7, d))
    neighbors = knn.Datastore(x, engine=engine).search(q + x.mean(0), k)
    distances, _ = brute(q + x.mean(0), x, k)
    assert neighbors.rows.shape == (7, min(k, n))
    np.testing.assert_allclose(neighbors.distances, distances, rtol=1e-4, atol=1e-4)
    assert all(len(set(row)) == len(row) for row in neighbors.rows.tolist())


@given(seeds, st.integers(2, 40), st.integers(1, 50))
def test_search_excludes_the_row_itself_where_asked(seed, n, k):
    x = np.random.default_rng(seed).normal(size=(n, 3))
    neighbors = knn.Datastore(x).search(x, k, include_self=False)
    assert neighbors.rows.shape == (n, min(k, n - 1))
    assert (neighbors.rows != np.arange(n)[:, None]).all()
    assert (neighbors.rows >= 0).all()
    nearest = knn.Datastore(x).search(x, 1)
    assert nearest.rows[:, 0].tolist() == list(range(n))
    assert (nearest.distances == 0).all()  # exactly: differences, not the expanded square


@given(
    seeds,
    st.sampled_from([0.0, 0.01, 0.3, 1.0]),
    st.integers(1, 12),
    st.integers(1, 40),
    st.sampled_from(["", "twice", "outliers", "far"]),
)
@settings(max_examples=60)
def test_cells_change_no_answer(seed, noise, clusters, k, special):
    """Clusters of any tightness, repeated rows, outliers, data far from the origin."""
    rng = np.random.default_rng(seed)
    centers = rng.normal(size=(clusters, 5))
    x = centers[rng.integers(clusters, size=400)] + noise * rng.normal(size=(400, 5))
    q = centers[rng.integers(clusters, size=90)] + noise * rng.normal(size=(90, 5))
    if special == "twice":
        x[200:] = x[:200]
    elif special == "outliers":
        x[:3] *= 50
    elif special == "far":
        x, q = x + 1e3, q + 1e3
    x, q = x.astype(np.float32), q.astype(np.float32)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cells, "MIN_ROWS", 100)
        patch.setattr(cells, "BLOCK", 40)
        store = knn.Datastore(x)
        neighbors = store.search(q, k)
        assert store._method.considered_cells
        later = store.search(q, k)
    plain = knn.Datastore(x).search(q, k)
    np.testing.assert_array_equal(neighbors.distances, plain.distances)
    np.testing.assert_array_equal(neighbors.rows, plain.rows)
    np.testing.assert_array_equal(neighbors.distances, later.distances)
    distances, rows = brute(q, x, k)
    np.testing.assert_array_equal(neighbors.rows, rows)
    np.testing.assert_allclose(neighbors.distances, distances, rtol=1e-12)


def rows_of(kind: str, rng: np.random.Generator, n: int, d: int, scale: float) -> np.ndarray:
    """Rows of which float32, or one center, says little."""
    x = rng.normal(size=(n, d))
    if kind == "two clusters":
        return x + scale * np.sign(rng.normal(size=(n, 1)))
    if kind == "outlier":
        x[rng.integers(n)] = scale
    elif kind == "coded":  # missing values, as some files write them
        x[rng.random((n, d)) < 0.05] = scale
    elif kind == "repeated":
        return scale * x[rng.integers(3, size=n)]
    elif kind == "whole numbers":
        return scale * rng.integers(-2, 3, (n, d))
    elif kind == "line":
        return scale * np.linspace(0, 1, n)[:, None] ** 8 * np.ones(d)
    return x


KINDS = ["two clusters", "outlier", "coded", "repeated", "whole numbers", "line"]
scales = st.integers(-20, 50).map(lambda exponent: 2.0**exponent)


@given(
    seeds,
    st.sampled_from(KINDS),
    scales,
    st.integers(1, 30),
    st.sampled_from(["exact", "torch"]),
    st.sampled_from([np.float32, np.float64]),
    st.booleans(),
)
@settings(max_examples=60)
def test_exact_engines_are_brute_force_in_float64(
    seed, kind, scale, k, engine, dtype, include_self
):
    rng = np.random.default_rng(seed)
    x = rows_of(kind, rng, 120, 4, scale).astype(dtype)
    store = knn.Datastore(x, engine=engine)
    neighbors = store.search(x, k, include_self=include_self)
    distances, rows = brute(x, x, len(x))
    if not include_self:
        others = rows != np.arange(len(x))[:, None]
        distances = distances[others].reshape(len(x), -1)
        rows = rows[others].reshape(len(x), -1)
    np.testing.assert_allclose(neighbors.distances, distances[:, :k], rtol=1e-12)
    same = neighbors.rows == rows[:, :k]
    assert (same | as_far(x, x, neighbors.rows, rows[:, :k])).all()
    assert store.recall(x, k) == 1


@given(seeds, st.sampled_from(KINDS), scales, st.integers(1, 30), st.integers(1, 12))
def test_ties_are_the_same_for_all_parts_batches_and_engines(seed, kind, scale, k, parts):
    rng = np.random.default_rng(seed)
    x = rows_of(kind, rng, 90, 3, scale)
    q = x[rng.permutation(90)[:20]]
    whole = knn.Datastore(x).search(q, k)
    for batch in (1, 7):
        pieces = [knn.Datastore(x).search(q[at : at + batch], k) for at in range(0, 20, batch)]
        np.testing.assert_array_equal(np.concatenate([p.rows for p in pieces]), whole.rows)
    np.testing.assert_array_equal(knn.Datastore(x, engine="torch").search(q, k).rows, whole.rows)
    in_parts = knn.search(np.array_split(x, parts), q, k)
    np.testing.assert_array_equal(in_parts.rows, whole.rows)
    np.testing.assert_array_equal(in_parts.distances, whole.distances)


def test_one_row_far_away_changes_no_other_neighbor():
    """Nor does it hide the memory: at 1e19 the squares of float32 overflow."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(500, 10))
    for scale in (1e7, 1e19, 1e40, 1e150):
        far = np.concatenate([x, np.full((1, 10), scale)])
        neighbors = knn.Datastore(far).search(far, 3)
        np.testing.assert_array_equal(neighbors.rows[:500], knn.Datastore(x).search(x, 3).rows)
        assert neighbors.rows[500, 0] == 500
        assert knn.Datastore(x).search(far[500:], 1).rows[0, 0] >= 0
        store = knn.Datastore(x)
        store.add(far[500:])
        np.testing.assert_array_equal(store.search(far, 3).rows, neighbors.rows)
    with pytest.raises(InputError, match="1 rows hold NaN, infinite values or some above 1e"):
        knn.Datastore(np.array([[1e151], [0.0]]))


@pytest.mark.parametrize("engine", knn.ENGINES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_no_engine_loses_the_rows_beside_one_far_away(engine, dtype):
    """What an approximate engine finds among 2,000 rows, it finds beside one at any distance."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2000, 4)).astype(dtype)
    plain = knn.Datastore(x, engine=engine).recall(x[:100], 5)
    assert plain > 0.9
    for scale in (1e7, 1e19, 3e38, 1e150):
        if scale > float(np.finfo(dtype).max):
            continue
        x[7] = scale
        assert knn.Datastore(x, engine=engine).recall(x[8:108], 5) > plain - 0.05
    x[:] = x[7]  # all in one place at the end of the range
    assert (knn.Datastore(x, engine=engine).search(x[:3], 5).distances == 0).all()


def test_matrices_without_columns_and_masked_values_are_refused():
    x = np.eye(3)
    for engine in knn.ENGINES:
        with pytest.raises(InputError, match="embeddings must be a matrix"):
            knn.Datastore(x[:, :0], engine=engine)
    with pytest.raises(InputError, match="embeddings holds masked values"):
        knn.Datastore(np.ma.masked_array(x, x > 0))
    with pytest.raises(InputError, match="queries holds masked values"):
        knn.Datastore(x).search(np.ma.masked_array(x, x > 0), 1)
    with pytest.raises(InputError, match="4 queries, 3 rows"):
        knn.Datastore(x).search(np.ones((4, 3)), 1, include_self=False)


def test_cells_of_far_clusters_are_brute_force(monkeypatch):
    monkeypatch.setattr(cells, "MIN_ROWS", 100)
    rng = np.random.default_rng(0)
    for scale in (1e2, 1e4, 1e6):
        x = rng.normal(size=(1000, 10)) + scale * rng.integers(-5, 6, (1000, 1))
        store = knn.Datastore(x)
        neighbors = store.search(x, 10)
        assert store._method.cells is not None
        np.testing.assert_array_equal(neighbors.rows, brute(x, x, 10)[1])


@given(seeds, st.integers(1, 5000), st.floats(-3, 3))
def test_products_in_float32_are_within_their_bound(seed, d, exponent):
    """Against the same numbers in float64; the bound never says that a near row is far."""
    rng = np.random.default_rng(seed)
    q = rng.normal(size=d)
    x = (q * 10**exponent + rng.normal(size=(20, d))) * rng.choice([0.1, 1, 10], size=(20, 1))
    q32, x32 = q.astype(np.float32), x.astype(np.float32)
    computed = (q32 @ q32 - 2 * (x32 @ q32) + np.einsum("nd,nd->n", x32, x32)).astype(float)
    distances = np.linalg.norm(x - q, axis=1)
    lengths = np.full(20, np.linalg.norm(q32.astype(float)))
    assert (computed <= measured.least_computed(distances, lengths, d)).all()


def test_every_engine_has_a_search_method():
    assert tuple(METHODS) == knn.ENGINES


def test_cells_are_used_where_rows_are_clustered_and_only_there(monkeypatch):
    rng = np.random.default_rng(0)
    monkeypatch.setattr(cells, "MIN_ROWS", 100)
    centers = 20 * rng.normal(size=(8, 16))
    for spread, used in ((1.0, True), (200.0, False)):
        x = (centers[rng.integers(8, size=2000)] + spread * rng.normal(size=(2000, 16))).astype(
            np.float32
        )
        store = knn.Datastore(x)
        store.search(x[:20], 5)
        assert not store._method.considered_cells  # too few queries to pay for cells
        store.search(x[:400], 5)
        assert (store._method.cells is not None) is used
        store.add(x[:10])
        assert store._method.cells is None  # built anew when they pay again
        assert not store._method.considered_cells
        nearest = store.search(x[:400], 1, include_self=False)
        assert (nearest.rows[:, 0] != np.arange(400)).all()


@given(seeds, st.floats(-1e4, 1e4))
def test_search_ignores_a_common_shift(seed, shift):
    rng = np.random.default_rng(seed)
    x, q = rng.normal(size=(200, 8)), rng.normal(size=(20, 8))
    plain, moved = knn.Datastore(x).search(q, 5), knn.Datastore(x + shift).search(q + shift, 5)
    np.testing.assert_array_equal(plain.rows, moved.rows)
    np.testing.assert_allclose(plain.distances, moved.distances, rtol=1e-5)


@given(seeds, st.integers(0, 30), st.integers(1, 30))
def test_add_equals_building_anew(seed, first, second):
    rng = np.random.default_rng(seed)
    x, q = rng.normal(size=(first + second, 4)), rng.normal(size=(6, 4))
    store = knn.Datastore(x[:first])
    store.add(x[first:])
    whole = knn.Datastore(x).search(q, 9)
    np.testing.assert_array_equal(store.search(q, 9).rows, whole.rows)
    np.testing.assert_allclose(store.search(q, 9).distances, whole.distances, rtol=1e-5, atol=1e-6)


distances = st.lists(st.floats(0, 1e6, width=32), min_size=1, max_size=12)


@given(distances, st.one_of(st.just(0.0), st.just(np.inf), st.floats(1e-300, 1e6)))
def test_weights_sum_to_one_and_fall_with_distance(values, bandwidth):
    row = np.sort(np.array([values]))
    w = knn.weights(row, bandwidth)
    assert w.sum() == pytest.approx(1)
    assert (np.diff(w[0]) <= 1e-15).all()
    if bandwidth == 0:
        np.testing.assert_allclose(w[0], (row[0] == row[0].min()) / (row[0] == row[0].min()).sum())
    whole = np.round(row)  # only differences count
    np.testing.assert_allclose(
        knn.weights(whole + 7, bandwidth), knn.weights(whole, bandwidth), atol=1e-9
    )


def test_weights_leave_out_neighbors_that_are_not_there():
    far = np.array([[1.0, 2.0, np.inf], [np.inf, np.inf, np.inf], [1e300, 1e300, np.inf]])
    np.testing.assert_allclose(knn.weights(far, 1.0)[0], [np.e / (np.e + 1), 1 / (np.e + 1), 0])
    assert (knn.weights(far, 1.0)[1] == 0).all()
    # far from everything: no 0/0
    np.testing.assert_allclose(knn.weights(far, 1.0)[2], [0.5, 0.5, 0])
    np.testing.assert_allclose(knn.weights(far, np.inf)[0], [0.5, 0.5, 0])
    # NaN is none, and leaves the others their weights, however far they are
    gone = np.array([[1e5, 1e5 + 1, np.nan], [-1.7e308, 1.7e308, np.nan]])
    for bandwidth in (1.0, 0.0):
        np.testing.assert_array_equal(
            knn.weights(gone, bandwidth)[:, :2], knn.weights(gone[:, :2], bandwidth)
        )
    assert (knn.weights(gone, 1.0).sum(1) == 1).all()
    for bad in (-1.0, np.nan):
        with pytest.raises(InputError, match="bandwidth"):
            knn.weights(far, bad)


def test_merged_refuses_what_does_not_belong_together():
    two, three = (knn.Datastore(np.eye(3)).search(np.zeros((m, 3)), 2) for m in (2, 3))
    with pytest.raises(InputError, match=r"parts must hold .* same queries, given \[2, 3\]"):
        knn.merged([two, three], 1)
    with pytest.raises(InputError, match="parts must hold"):
        knn.merged([], 1)
    with pytest.raises(InputError, match="k must be a whole number ≥ 1"):
        knn.merged([two], 0)


def test_starting_bandwidth_leaves_repeated_rows_out():
    assert knn.scale(np.array([[0.0], [0.0], [0.0], [2.0], [4.0]])) == 3.0
    assert knn.scale(np.zeros((3, 1))) == 1.0
    assert knn.scale(np.empty((3, 0))) == 1.0


# ---- identities


def case(seed: int, n: int = 40, classes: int = 4, queries: int = 9):
    rng = np.random.default_rng(seed)
    x, q = rng.normal(size=(n, 3)), rng.normal(size=(queries, 3))
    labels, logits = rng.integers(classes, size=n), rng.normal(scale=2, size=(n, classes))
    return x, q, labels, logits, rng.normal(scale=2, size=(queries, classes))


options = st.tuples(
    st.integers(1, 60),
    st.sampled_from([0.0, 0.1, 1.0, np.inf]),
    st.sampled_from([0.5, 1.0, 3.0, np.inf]),
)


@given(seeds, options, st.floats(0, 2))
def test_scores_are_base_plus_vote_minus_the_bases_own_vote(seed, option, strength):
    k, bandwidth, temperature = option
    x, q, labels, logits, query_logits = case(seed)
    neighbors = knn.Datastore(x).search(q, k)
    s = resmem.scores(neighbors, labels, logits, query_logits, resmem.Setting(*option, strength))
    np.testing.assert_allclose(s.sum(1), 1, atol=1e-9)  # I1
    if strength <= 1:
        assert s.min() >= -1 - 1e-9
        assert s.max() <= 2 + 1e-9
    w = knn.weights(neighbors.distances, bandwidth)
    base_vote = np.einsum("mk,mkc->mc", w, resmem.softmax(logits, temperature)[neighbors.rows])
    base = resmem.softmax(query_logits, temperature)
    voted = resmem.vote(w, labels[neighbors.rows], 4)
    np.testing.assert_allclose(s, base + strength * (voted - base_vote), atol=1e-9)  # I2
    if np.isinf(temperature) and strength == 1:
        np.testing.assert_allclose(s, voted, atol=1e-9)  # I3: the soft kNN classifier


@given(seeds)
def test_scores_of_one_neighbor_fit_the_training_set_for_any_base(seed):
    x, _, labels, logits, _ = case(seed)
    one = resmem.Setting(1, 1.0, 1.0)
    s = resmem.scores(knn.Datastore(x).search(x, 1), labels, logits, logits, one)
    assert (s.argmax(1) == labels).all()  # I4
    np.testing.assert_allclose(s, np.eye(4)[labels], atol=1e-9)


@given(seeds)
def test_scores_of_all_neighbors_without_bandwidth_add_the_mean_residual(seed):
    x, q, labels, logits, query_logits = case(seed)
    every = resmem.Setting(len(x), np.inf, 1.0)
    s = resmem.scores(knn.Datastore(x).search(q, len(x)), labels, logits, query_logits, every)
    # I5
    mean = resmem.residuals(labels, logits).mean(0)
    np.testing.assert_allclose(
        s - resmem.softmax(query_logits), np.broadcast_to(mean, s.shape), atol=1e-9
    )


@given(seeds)
def test_sweep_equals_every_setting_by_itself(seed):
    x, q, labels, logits, query_logits = case(seed)
    neighbors = knn.Datastore(x).search(q, 20)
    grid = resmem.settings([0.0, 0.5, np.inf], [1, 3, 20, 50], [0.7, 1.0, np.inf])
    seen = []
    out = resmem.sweep(
        neighbors, labels, logits, query_logits, grid, lambda s: seen.append(s) or s.max((1, 2))
    )
    for setting, value in zip(grid, out, strict=True):
        expected = resmem.scores(neighbors, labels, logits, query_logits, setting)
        assert value == pytest.approx(expected.max(), abs=1e-5)


@given(seeds, st.integers(1, 6))
def test_probabilities_keep_the_order_of_the_largest(seed, classes):
    s = np.random.default_rng(seed).normal(size=(20, classes))
    s += (1 - s.sum(1, keepdims=True)) / classes
    for p in (resmem.probabilities(s), resmem.simplex(s)):
        np.testing.assert_allclose(p.sum(1), 1)
        assert (p >= 0).all()
        np.testing.assert_array_equal(p.argmax(1), s.argmax(1))
    inside = resmem.softmax(s)
    np.testing.assert_allclose(resmem.simplex(inside), inside, atol=1e-12)  # a projection


@given(st.integers(0, 10**6), st.integers(1, 40), st.integers(1, 12), st.sampled_from([1, 2, 16]))
def test_datastore_in_parts_gives_one_answer(seed, n, k, parts):
    rng = np.random.default_rng(seed)
    x, q = rng.integers(-3, 4, (n, 3)).astype(np.float32) / 3, rng.normal(size=(5, 3))
    x = np.concatenate([x, x[: n // 2]])  # ties between parts, too
    whole = knn.search([x], q, k)
    in_parts = knn.search(np.array_split(x, parts), q, k)
    np.testing.assert_array_equal(in_parts.rows, whole.rows)
    np.testing.assert_array_equal(in_parts.distances, whole.distances)
    distances = np.linalg.norm(q[:, None] - x, axis=2)
    np.testing.assert_allclose(in_parts.distances, np.sort(distances, axis=1)[:, :k], atol=1e-5)


@pytest.mark.parametrize("engine", ["exact", "torch"])
def test_regression_with_coded_missing_values_is_that_of_brute_force(engine):
    """Friedman's function, a value of 5 % of the rows coded 1e6."""
    rng = np.random.default_rng(0)
    x = rng.random((2500, 10))
    y = 10 * np.sin(np.pi * x[:, 0] * x[:, 1]) + 20 * (x[:, 2] - 0.5) ** 2
    y += 10 * x[:, 3] + 5 * x[:, 4] + rng.normal(size=len(x))
    coded = np.flatnonzero(rng.random(len(x)) < 0.05)
    x[coded, rng.integers(10, size=len(coded))] = 1e6
    neighbors = knn.Datastore(x[:2000], engine=engine).search(x[2000:], 10)
    distances, rows = brute(x[2000:], x[:2000], 10)
    np.testing.assert_array_equal(neighbors.rows, rows)
    np.testing.assert_allclose(neighbors.distances, distances, rtol=1e-12)
    missed = y[2000:] - y[neighbors.rows].mean(1)
    assert (missed**2).mean() / y[2000:].var() < 0.35
