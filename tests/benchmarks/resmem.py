"""Memories: our search against FAISS, fit and predict against scikit-learn; see `longtail.py`."""

import subprocess
import sys
import time

import numpy as np
from rote import knn, resmem

from tests.benchmarks.case import Case, Growth, Work

ROWS = 50_000
DIMENSION = 64
QUERIES = 1000
CLASSES = 100
K = 50


def _case(rows: int = ROWS, queries: int = QUERIES, spread: float = 1.0):
    """Embeddings, queries like them, labels and logits; clustered, or with `spread` 0 not."""
    rng = np.random.default_rng(0)
    centers = spread * rng.normal(size=(CLASSES, 16)) @ rng.normal(size=(16, DIMENSION))
    labels = rng.integers(CLASSES, size=rows)
    x = (centers[labels] + rng.normal(size=(rows, DIMENSION))).astype(np.float32)
    q = (
        centers[rng.integers(CLASSES, size=queries)] + rng.normal(size=(queries, DIMENSION))
    ).astype(np.float32)
    return (
        x,
        q,
        labels,
        rng.normal(size=(rows, CLASSES)).astype(np.float32),
        rng.normal(size=(queries, CLASSES)),
    )


def _against_faiss(spread: float) -> Case:
    import faiss

    x, q, *_ = _case(spread=spread)
    store = knn.Datastore(x)
    faiss.cvar.distance_compute_blas_threshold = 20
    faiss.omp_set_num_threads(1)
    index = faiss.IndexFlatL2(DIMENSION)
    index.add(store.vectors)
    centered = (q - store.center).astype(np.float32)
    same = np.sort(store.search(q, K).rows) == np.sort(index.search(centered, K)[1])
    assert same.mean() > 0.9999  # near ties at the k-th place
    return Case(
        lambda: store.search(q, K),
        lambda: index.search(centered, K),
        repeats=15,
        bar=0.95,
        threads=True,
        flops=2.0 * QUERIES * ROWS * DIMENSION,
        moved=8.0 * QUERIES * ROWS,
    )


def search():
    """1,000 queries against 50,000 x 64, not clustered, k = 50:
    our exact search / FAISS itself, threshold set
    """
    note = "the products take a third; the rest is FAISS's scan of every distance for the best k"
    return _against_faiss(0.0)._replace(note=note)


def search_clustered():
    """The same, 100 clusters: our exact search, which leaves cells out / FAISS directly"""
    note = (
        "more than the roofline of brute force: "
        "by the triangle inequality most distances are not taken"
    )
    return _against_faiss(1.0)._replace(note=note)


def _against_scikit_learn(queries: int) -> Case:
    from sklearn.neighbors import KNeighborsRegressor

    x, q, labels, logits, query_logits = _case(queries=queries)

    def ours() -> np.ndarray:
        neighbors = knn.Datastore(x).search(q, K)
        return resmem.scores(neighbors, labels, logits, query_logits, resmem.Setting(K, 1.0, 1.0))

    def reference() -> np.ndarray:
        model = KNeighborsRegressor(
            K, algorithm="brute", weights=lambda d: np.exp(-(d - d.min(1, keepdims=True)))
        )
        return resmem.softmax(query_logits) + model.fit(
            x, resmem.residuals(labels, logits)
        ).predict(q)

    # which of two rows is the last neighbor is decided by rounding, once in a million
    assert np.isclose(ours(), reference(), atol=1e-3).mean() > 1 - 1e-5
    return Case(
        ours,
        reference,
        bar=5.0,
        threads=True,
        flops=2.0 * queries * ROWS * DIMENSION,
        moved=8.0 * queries * ROWS,
    )


def against_scikit_learn():
    """Residuals, 50,000 x 64, 100 classes, 10,000 queries (as CIFAR-100):
    fit and predict / KNeighborsRegressor
    """
    note = "one fit, ten thousand predictions; cells leave most distances out"
    return _against_scikit_learn(10_000)._replace(note=note, repeats=5)


def against_scikit_learn_few():
    """The same, 1,000 queries: fit and predict / KNeighborsRegressor"""
    note = "so few queries hardly repay the cells, whose building is a third of ours"
    return _against_scikit_learn(1000)._replace(note=note, bar=0.0)


def fit_estimator():
    """`fit` of the classifier on 50,000 x 64, 10 classes, base and memory with its scale /
    the base alone, scikit-learn's logistic regression
    """
    from sklearn.linear_model import LogisticRegression

    x, _, labels, *_ = _case()
    y = labels % 10
    base = LogisticRegression(max_iter=1000)

    def ours() -> resmem.ResMemClassifier:
        return resmem.ResMemClassifier(base, k=K).fit(x, y)

    def peer() -> LogisticRegression:
        return LogisticRegression(max_iter=1000).fit(x, y)

    np.testing.assert_allclose(ours().base_.coef_, peer().coef_, rtol=1e-6, atol=1e-9)
    return Case(ours, peer, repeats=5, note="below 1: what a memory adds to fitting a base")


def against_boosting():
    """Residuals of 50,000 x 64, 10 classes: memory of them, fit and 1,000 predictions /
    scikit-learn's HistGradientBoostingRegressor on each class's residuals, another predictor
    """
    from sklearn.ensemble import HistGradientBoostingRegressor

    x, q, labels, logits, query_logits = _case()
    labels, logits, query_logits = labels % 10, logits[:, :10], query_logits[:, :10]
    targets = resmem.residuals(labels, logits)

    def ours() -> np.ndarray:
        neighbors = knn.Datastore(x).search(q, K)
        return resmem.scores(neighbors, labels, logits, query_logits, resmem.Setting(K, 1.0, 1.0))

    def peer() -> np.ndarray:
        model = HistGradientBoostingRegressor(max_iter=20, early_stopping=False, random_state=0)
        return model.fit(x, targets[:, 0]).predict(q)

    assert ours().shape == (QUERIES, 10)
    return Case(ours, peer, scale=10, repeats=2, note="20 trees for each of ten classes")


def against_compiled():
    """The same search by brute force: our exact search / torch.compile of products and topk"""
    import torch

    x, q, *_ = _case()
    store = knn.Datastore(x)
    rows, queries = torch.from_numpy(x), torch.from_numpy(q)
    squares = (rows**2).sum(1)

    @torch.compile
    def nearest(queries: torch.Tensor) -> torch.Tensor:
        return (squares - 2 * queries @ rows.T).topk(K, largest=False).indices

    same = np.sort(store.search(q, K).rows) == np.sort(nearest(queries).numpy())
    assert same.mean() > 0.999  # in single precision, ties as they come
    return Case(lambda: store.search(q, K), lambda: nearest(queries), threads=True)


def against_torch():
    """The same: our exact search / torch.cdist and topk"""
    import torch

    x, q, *_ = _case()
    store = knn.Datastore(x)
    rows, queries = torch.from_numpy(x), torch.from_numpy(q)

    def reference() -> torch.Tensor:
        return torch.cdist(queries, rows).topk(K, largest=False).indices

    same = np.sort(store.search(q, K).rows) == np.sort(reference().numpy())
    assert same.mean() > 0.999  # it does not order ties, nor center what it subtracts
    return Case(lambda: store.search(q, K), reference, threads=True)


def _recall(rows: np.ndarray, exact: np.ndarray) -> float:
    """Share of the true neighbors among those that an approximate search finds."""
    return float(np.mean([len(np.intersect1d(a, b)) / K for a, b in zip(exact, rows, strict=True)]))


def against_pynndescent():
    """The same, with building: our exact search / pynndescent, approximate (recall above 0.9)"""
    import pynndescent

    x, q, *_ = _case()

    def ours() -> np.ndarray:
        return knn.Datastore(x).search(q, K).rows

    def reference() -> np.ndarray:
        return pynndescent.NNDescent(x, n_neighbors=30, n_jobs=1, random_state=0).query(q, K)[0]

    assert _recall(reference(), ours()) > 0.9  # compiles, too
    return Case(ours, reference, repeats=2)


def against_hnsw():
    """The same, with building:
    our exact search / HNSW of FAISS, 32 links, approximate (recall above 0.9)
    """
    import faiss

    x, q, *_ = _case()

    def ours() -> np.ndarray:
        return knn.Datastore(x).search(q, K).rows

    def reference() -> np.ndarray:
        index = faiss.IndexHNSWFlat(DIMENSION, 32)
        index.hnsw.efSearch = 128
        index.add(x)
        return index.search(q, K)[1]

    assert _recall(reference(), ours()) > 0.9
    return Case(ours, reference, repeats=2)


def grid() -> list[dict[str, object]]:
    """CPU seconds of 176 settings for 1,000 queries, 100 classes, after one search at k = 100."""
    x, q, labels, logits, query_logits = _case()
    neighbors = knn.Datastore(x).search(q, 100)
    median_distance = knn.scale(neighbors.distances)
    settings = resmem.settings([median_distance * factor for factor in resmem.BANDWIDTH_GRID])
    begin = time.process_time()
    resmem.sweep(
        neighbors, labels, logits, query_logits, settings, lambda scores: scores.max((1, 2))
    )
    return [
        {"comparison": f"{len(settings)} settings", "cpu_s": round(time.process_time() - begin, 2)}
    ]


def throughput() -> list[dict[str, object]]:
    """Exact queries per second against 100,000 x 64."""
    x, q, *_ = _case(100_000)
    store = knn.Datastore(x)
    store.search(q, K)
    begin = time.process_time()
    store.search(q, K)
    return [
        {
            "comparison": "queries per CPU second, 100,000 x 64",
            "value": round(QUERIES / (time.process_time() - begin)),
        }
    ]


def memory() -> list[dict[str, object]]:
    """Peak memory that building and searching 1 M x 64 adds, over that of the embeddings."""
    program = (
        "import numpy as np\nfrom rote import knn\n"
        "def peak(): return int(next(l.split()[1] for l in open('/proc/self/status') if "
        "l.startswith('VmHWM')))\n"
        "rng = np.random.default_rng(0)\n"
        "x = np.empty((1_000_000, 64), np.float32)\n"
        "for at in range(0, 1_000_000, 10_000): x[at:at + 10_000] = rng.normal(size=(10_000, 64))\n"
        "knn.Datastore(x[:20]).search(x[:20], 5)\n"
        "alone = peak()\n"
        "knn.Datastore(x).search(x[:1000], 50)\n"
        "print((peak() - alone) * 1024 / x.nbytes)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    )
    return [
        {
            "comparison": "memory added by 1 M x 64, over the embeddings",
            "value": round(float(done.stdout), 2),
        }
    ]


def _search(rows: int) -> Work:
    x, q, *_ = _case(rows, spread=0.0)
    store = knn.Datastore(x)
    return lambda: store.search(q, K)


COMPARISONS = [
    search,
    search_clustered,
    against_scikit_learn,
    against_scikit_learn_few,
    against_torch,
    against_compiled,
    against_boosting,
    fit_estimator,
    against_hnsw,
    against_pynndescent,
]
MEASURES = [grid, throughput, memory]
GROWTH = [
    Growth(
        "exact search, 1,000 queries, not clustered",
        "rows",
        (12_500, 25_000, 50_000, 100_000, 200_000),
        _search,
    )
]
