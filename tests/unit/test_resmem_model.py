"""ResMem for any model: scikit-learn's checks, torch modules, tuning, files; datastores."""

import logging
import subprocess
import sys
import warnings

import numpy as np
import pytest
import torch
from rote import knn, resmem
from rote.core.errors import InputError
from rote.resmem import ResMemClassifier, ResMemRegressor
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neighbors import KNeighborsRegressor
from sklearn.utils.estimator_checks import check_estimator

RNG = np.random.default_rng(0)
X, Q = RNG.normal(size=(120, 5)), RNG.normal(size=(30, 5))
Y = (X[:, 0] + X[:, 1] ** 2 > 0.5).astype(int) + (X[:, 2] > 1)


@pytest.mark.parametrize(
    "model", [ResMemClassifier(), ResMemRegressor()], ids=lambda model: type(model).__name__
)
def test_resmem_passes_the_checks_of_scikit_learn(model):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the checks themselves warn
        checks = check_estimator(model, on_fail=None)
    assert len(checks) > 40
    assert [check["check_name"] for check in checks if check["status"] == "failed"] == []


def test_base_is_used_as_it_is_if_fitted_and_cloned_if_fresh():
    fitted, fresh = LogisticRegression().fit(X, Y), LogisticRegression()
    before = fitted.coef_.copy()
    assert ResMemClassifier(fitted).fit(X[:50], Y[:50]).base_ is fitted
    np.testing.assert_array_equal(fitted.coef_, before)
    model = ResMemClassifier(fresh).fit(X, Y)
    assert model.base_ is not fresh
    assert not hasattr(fresh, "coef_")


def test_scores_agree_with_an_example_by_hand():
    base = LogisticRegression().fit(X, Y)
    model = ResMemClassifier(base, k=7, bandwidth=0.6, temperature=1.3).fit(X, Y)
    distances = np.linalg.norm(Q[:, None] - X, axis=-1)
    rows = distances.argsort(1)[:, :7]
    others = np.linalg.norm(X[:, None] - X, axis=-1) + np.diag(np.full(len(X), np.inf))
    assert model.scale_ == pytest.approx(np.median(others.min(1)))
    assert model.bandwidth_ == pytest.approx(0.6 * model.scale_)
    w = np.exp(-np.take_along_axis(distances, rows, 1) / model.bandwidth_)
    w /= w.sum(1, keepdims=True)

    def p(x):
        z = np.exp(base.predict_log_proba(x) / 1.3)
        return z / z.sum(1, keepdims=True)

    expected = p(Q) + np.einsum("mk,mkc->mc", w, (np.eye(3)[Y] - p(X))[rows])
    np.testing.assert_allclose(model.decision_function(Q), expected, atol=1e-5)
    clipped = np.maximum(expected, 1e-6)
    np.testing.assert_allclose(
        model.predict_proba(Q), clipped / clipped.sum(1, keepdims=True), atol=1e-5
    )


def test_regression_without_a_base_is_soft_knn():
    class Nothing(Ridge):
        def predict(self, x):
            return np.zeros(len(x))

    y = np.sin(X[:, 0])
    model = ResMemRegressor(Nothing().fit(X, y), k=5, bandwidth=np.inf).fit(X, y)  # I6
    np.testing.assert_allclose(
        model.predict(Q), KNeighborsRegressor(5).fit(X, y).predict(Q), atol=1e-6
    )


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.features = torch.nn.Sequential(
            torch.nn.Linear(64, 8), torch.nn.BatchNorm1d(8), torch.nn.ReLU()
        )
        self.drop = torch.nn.Dropout(0.5)
        self.head = torch.nn.Linear(8, 10)

    def forward(self, x):
        return self.head(self.drop(self.features(x)))


@pytest.fixture(scope="module")
def digits():
    x, y = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(x))
    x, y = (x[order] / 16).astype(np.float32), y[order]
    torch.manual_seed(0)
    net = Net()
    optimizer = torch.optim.Adam(net.parameters(), 0.01)
    for _ in range(60):
        loss = torch.nn.functional.cross_entropy(
            net(torch.tensor(x[:1000])), torch.tensor(y[:1000])
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return net, (x[:1000], y[:1000]), (x[1000:1300], y[1000:1300]), (x[1300:], y[1300:])


def test_classifier_improves_a_small_network_in_any_mode(digits):
    net, train, valid, test = digits
    net.train()
    model = ResMemClassifier(net, "features", k=10).fit(*train).tune(*valid)
    assert net.training  # put back
    with torch.no_grad():
        net.eval()
        base = (net(torch.tensor(test[0])).argmax(1).numpy() == test[1]).mean()
    assert (model.predict(test[0]) == test[1]).mean() > base + 0.02
    refitted = ResMemClassifier(net, "features", k=10).fit(*train)
    np.testing.assert_array_equal(refitted.logits_, model.logits_)
    assert model.memory_.dimension == 8
    pixels = ResMemClassifier(net, lambda x: x, k=10).fit(*train)
    assert pixels.memory_.dimension == 64


def test_tuning_may_choose_no_memory_and_reports_the_grid():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(300, 2))
    noise = rng.integers(2, size=300)
    sure = LogisticRegression().fit(x[:100], (x[:100, 0] > 0).astype(int))
    model = ResMemClassifier(sure, k=3).fit(x[:100], noise[:100])  # a memory of pure noise
    model.tune(x[100:], (x[100:, 0] > 0).astype(int), k=[1], bandwidth=[1.0], temperature=[1.0])
    assert len(model.tuning_) == 2
    assert model.k == 0
    np.testing.assert_array_equal(model.predict(x), sure.predict(x))
    y = x[:, 0] ** 2
    line = ResMemRegressor(Ridge().fit(x, y)).fit(x[:200], y[:200]).tune(x[200:], y[200:])
    assert line.k > 0
    assert ((line.predict(x[200:]) - y[200:]) ** 2).mean() < 0.2 * y.var()


@pytest.mark.parametrize("engine", ["exact", "ivf", "hnsw"])
def test_classifier_answers_the_same_once_saved_and_loaded(digits, engine, tmp_path):
    net, train, _, test = digits
    model = ResMemClassifier(net, "features", k=10, temperature=np.inf, engine=engine).fit(*train)
    model.save(tmp_path)
    assert not list(tmp_path.glob("*.pkl"))
    other = Net()
    loaded = ResMemClassifier.load(tmp_path, other, "features")
    np.testing.assert_allclose(
        loaded.predict_proba(test[0]), model.predict_proba(test[0]), atol=1e-6
    )
    with pytest.raises(InputError, match="holds a ResMemClassifier, not a ResMemRegressor"):
        ResMemRegressor.load(tmp_path, other)
    with pytest.raises(InputError, match="does not fit the module"):
        ResMemClassifier.load(tmp_path, torch.nn.Linear(3, 3))
    (tmp_path / "datastore.safetensors").write_bytes(b"short")
    with pytest.raises(InputError, match="no whole datastore"):
        ResMemClassifier.load(tmp_path, other, "features")
    with pytest.raises(InputError, match="no whole model"):
        ResMemClassifier.load(tmp_path / "nowhere", other)


def test_memory_that_grows_equals_one_that_was_whole(digits):
    net, train, _, test = digits
    whole = ResMemClassifier(net, "features", k=10, bandwidth=0.5).fit(*train)
    grown = ResMemClassifier(net, "features", k=10, bandwidth=0.5).fit(
        train[0][:300], train[1][:300]
    )
    scale = grown.scale_
    grown.partial_fit(train[0][300:600], train[1][300:600])
    assert grown.scale_ == scale != whole.scale_
    grown.add(train[0][600:], train[1][600:], rescale=True)
    assert grown.scale_ == whole.scale_
    np.testing.assert_allclose(
        grown.predict_proba(test[0]), whole.predict_proba(test[0]), atol=1e-5
    )


def test_resmem_names_bad_values():
    fitted = LogisticRegression().fit(X, Y)
    for bad, message in (
        ({"k": -1}, "k must be"),
        ({"k": 2.5}, "k must be a whole number"),
        ({"strength": np.nan}, "strength must be finite and ≥ 0"),
        ({"strength": -0.5}, "strength must be finite and ≥ 0"),
        ({"bandwidth": np.nan}, "bandwidth must be"),
        ({"temperature": 0.0}, "temperature must be positive"),
        ({"bandwidth": -1.0}, "bandwidth must be"),
        ({"engine": "tree"}, "engine must be one of"),
        (
            {"embed": "layer"},
            "or a step of a pipeline; the base is neither",
        ),
    ):
        with pytest.raises(InputError, match=message):
            ResMemClassifier(fitted, **bad).fit(X, Y)
    with pytest.raises(InputError, match="label 7 is not among"):
        ResMemClassifier(fitted).fit(X, np.where(Y == 2, 7, Y))
    with pytest.raises(InputError, match="no layer of the module; it has features"):
        ResMemClassifier(Net(), "nothing").fit(np.zeros((4, 64), np.float32), np.zeros(4, int))
    with pytest.raises(InputError, match="4 inputs, but 3 targets"):
        ResMemClassifier(Net()).fit(np.zeros((4, 64), np.float32), np.zeros(3, int))
    with pytest.raises(InputError, match="shape"):
        ResMemRegressor(Ridge().fit(X, X[:, :2])).fit(X, Y)


def test_memory_without_rows_leaves_the_base_and_says_so(caplog):
    net = Net().eval()
    model = ResMemClassifier(net, "features").fit(np.zeros((0, 64), np.float32), np.zeros(0, int))
    with caplog.at_level(logging.WARNING, "rote"):
        output = model.predict_proba(np.ones((2, 64), np.float32))
    assert "memory is empty" in caplog.text
    with torch.no_grad():
        expected = net(torch.ones(2, 64)).softmax(1).numpy()
    np.testing.assert_allclose(output, expected, atol=1e-5)
    fitted, line = LogisticRegression().fit(X, Y), Ridge().fit(X, X[:, :2])
    grown = ResMemClassifier(fitted).fit(X[:0], Y[:0])
    np.testing.assert_allclose(grown.predict_proba(Q), fitted.predict_proba(Q), atol=1e-5)
    grown.add(X, Y, rescale=True)
    whole = ResMemClassifier(fitted).fit(X, Y)
    np.testing.assert_allclose(grown.predict_proba(Q), whole.predict_proba(Q), atol=1e-5)
    empty = ResMemRegressor(line).fit(X[:0], X[:0, :2])
    np.testing.assert_allclose(empty.predict(Q), line.predict(Q))


# ---- datastores


def test_engine_names_load_no_numerical_library():
    program = (
        "import sys\nfrom rote.knn import Engine\n"
        "print(sorted({'numpy', 'numba', 'faiss', 'torch'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stderr
    assert all(hasattr(knn, name) for name in knn.__all__)


def test_datastore_refuses_values_that_are_not_finite_by_row():
    x = np.zeros((6, 2))
    x[[1, 4]] = np.nan, np.inf
    with pytest.raises(InputError, match=r"embeddings: 2 rows hold NaN.* above 1e\+150: 1, 4"):
        knn.Datastore(x)
    store = knn.Datastore(np.eye(3))
    with pytest.raises(InputError, match=r"queries: 1 rows hold NaN.*: 0"):
        store.search(np.full((1, 3), np.nan), 1)
    with pytest.raises(InputError, match="queries have 2 coordinates, the datastore has 3"):
        store.search(np.zeros((1, 2)), 1)
    with pytest.raises(InputError, match="k must be a whole number ≥ 1"):
        store.search(np.zeros((1, 3)), 0)
    with pytest.raises(InputError, match="must be a matrix"):
        knn.Datastore(np.zeros(3))


def test_datastore_converts_number_types_and_memory_orders():
    x = np.random.default_rng(0).integers(0, 9, (40, 3))
    expected = knn.Datastore(x.astype(np.float64)).search(x[:5], 4)
    for other in (x, np.asfortranarray(x.astype(np.float32)), x[::-1][::-1].astype(np.float16)):
        np.testing.assert_array_equal(
            knn.Datastore(other).search(x[:5], 4).distances, expected.distances
        )


def test_search_gives_repeated_rows_in_their_order_and_needs_k_of_their_number():
    x = np.repeat([[0.0, 0.0], [5.0, 5.0]], [3, 2], axis=0)
    assert knn.Datastore(x).search(np.zeros((1, 2)), 5).rows.tolist() == [[0, 1, 2, 3, 4]]
    labels, logits = np.array([0, 1, 1, 0, 0]), np.zeros((5, 2))
    neighbors = knn.Datastore(x).search(x[:1], 3)
    s = resmem.scores(neighbors, labels, logits, logits[:1], resmem.Setting(3, 0.0, 1.0))
    np.testing.assert_allclose(s, [[1 / 3, 2 / 3]])


@pytest.mark.parametrize(("engine", "probes"), [("ivf", 64), ("ivf", 10_000), ("hnsw", 64)])
def test_approximate_engines_find_nearly_all_and_know_how_many(engine, probes):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(100, 16))[rng.integers(100, size=5000)] + 0.3 * rng.normal(size=(5000, 16))
    store = knn.Datastore(x, engine=engine, probes=probes)
    recall = store.recall(x[:200] + 0.1, 20)
    assert recall > 0.9
    if probes == 10_000:
        assert recall == 1.0  # every list was searched
    neighbors = store.search(x[:3], 5)
    assert neighbors.rows[:, 0].tolist() == [0, 1, 2]
    assert (np.diff(neighbors.distances, axis=1) >= 0).all()
    store.add(x[:10] + 100.0)
    assert store.search(x[:1] + 100.0, 1).rows[0, 0] == 5000
    assert knn.Datastore(x[:3], engine=engine).search(x[:1], 50).rows.shape == (1, 3)


def test_approximate_engine_that_finds_too_few_says_so_by_infinite_distances():
    centers = np.repeat([[0.0, 0.0], [100.0, 100.0]], 200, axis=0)
    x = centers + np.random.default_rng(0).normal(size=(400, 2))
    neighbors = knn.Datastore(x, engine="ivf", probes=1).search(np.zeros((1, 2)), 300)
    missing = neighbors.rows[0] < 0
    assert missing.any()
    assert np.isinf(neighbors.distances[0, missing]).all()
    w = knn.weights(neighbors.distances, 1.0)
    assert w[0, missing].sum() == 0
    assert w.sum() == pytest.approx(1)


def test_softmax_holds_at_its_ends():
    z = np.array([[0.0, 1000.0], [-1000.0, 0.0]])
    np.testing.assert_allclose(resmem.softmax(z, np.inf), 0.5)
    np.testing.assert_allclose(resmem.softmax(z, 1e-3), [[0, 1], [0, 1]])
    np.testing.assert_allclose(resmem.softmax(np.zeros((3, 1))), 1)  # one class
    assert (resmem.residuals(np.zeros(3, int), np.zeros((3, 1))) == 0).all()
    for bad in (0.0, -1.0, np.nan):
        with pytest.raises(InputError, match="temperature"):
            resmem.softmax(z, bad)


@pytest.mark.parametrize(
    ("point", "message"),
    [
        ((2.5, 1.0, 1.0), "k must be a whole number ≥ 0, given 2.5"),
        ((-1, 1.0, 1.0), "k must be a whole number ≥ 0, given -1"),
        ((1, -1, 1.0), r"bandwidth must be ≥ 0 \(or infinite\), given -1"),
        ((1, np.nan, 1.0), r"bandwidth must be ≥ 0 \(or infinite\), given nan"),
        ((1, 1.0, 0), r"temperature must be positive \(or infinite\), given 0"),
        ((1, 1.0, np.nan), r"temperature must be positive \(or infinite\), given nan"),
        ((1, 1.0, "a"), r"temperature must be positive \(or infinite\), given 'a'"),
    ],
)
def test_setting_refuses_by_field_and_range(point, message):
    assert resmem.Setting(np.int64(0), np.inf, np.float32(1)).k == 0
    with pytest.raises(InputError, match=message):
        resmem.Setting(*point)
