"""ResMem within scikit-learn: bases of every kind, clones, searches, weights, choices."""

import pickle
import time
import warnings

import joblib
import numpy as np
import pandas as pd
import pytest
import torch
from rote import resmem
from rote.core.errors import InputError
from rote.resmem import ResMemClassifier, ResMemRegressor
from scipy import sparse
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression, Ridge, RidgeClassifier
from sklearn.model_selection import GridSearchCV, cross_val_predict
from sklearn.multioutput import MultiOutputClassifier
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import SVC
from sklearn.utils.estimator_checks import check_estimator

RNG = np.random.default_rng(0)
X, Q = RNG.normal(size=(200, 5)), RNG.normal(size=(60, 5))
Y = (X[:, 0] + X[:, 1] ** 2 > 0.5).astype(int) + (X[:, 2] > 1)
YQ = (Q[:, 0] + Q[:, 1] ** 2 > 0.5).astype(int) + (Q[:, 2] > 1)
FRAME = pd.DataFrame({"size": X[:, 0], "place": np.where(X[:, 1] > 0, "Bern", "Thun")})


@pytest.mark.parametrize(
    "model",
    [ResMemClassifier(LogisticRegression()), ResMemRegressor(Ridge())],
    ids=lambda model: type(model).__name__,
)
def test_resmem_on_a_base_that_is_given_passes_the_checks_of_scikit_learn(model):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the checks themselves warn
        checks = check_estimator(model, on_fail=None)
    assert len(checks) > 40
    assert [check["check_name"] for check in checks if check["status"] == "failed"] == []


# ---- bases of every kind


def table_base():
    columns = make_column_transformer((OneHotEncoder(), ["place"]), ("passthrough", ["size"]))
    return make_pipeline(columns, LogisticRegression())


def test_tables_reach_the_base_as_it_was_fitted_on_them():
    base = table_base().fit(FRAME, Y)
    for embed in (None, "columntransformer", lambda frame: frame[["size"]].to_numpy()):
        model = ResMemClassifier(base, embed, k=3).fit(FRAME, Y)
        assert model.memory_.dimension == (1 if callable(embed) else 3)
        assert model.feature_names_in_.tolist() == ["size", "place"]
        assert model.predict(FRAME).shape == (200,)
    fresh = ResMemClassifier(table_base().set_output(transform="default"), k=3).fit(FRAME, Y)
    np.testing.assert_array_equal(
        fresh.predict(FRAME), model.set_params(embed=None).fit(FRAME, Y).predict(FRAME)
    )


def test_pipelines_that_give_tables_are_read():
    scaled = make_pipeline(StandardScaler().set_output(transform="pandas"), LogisticRegression())
    frame = pd.DataFrame(X, columns=list("abcde"))
    model = ResMemClassifier(scaled, k=5).fit(frame, Y)
    z = StandardScaler().fit_transform(X)
    np.testing.assert_allclose(model.memory_.embeddings, z, atol=1e-6)
    plain = ResMemClassifier(LogisticRegression(), k=5).fit(z, Y)
    expected = plain.predict_proba(StandardScaler().fit(X).transform(Q))
    np.testing.assert_allclose(
        model.predict_proba(pd.DataFrame(Q, columns=list("abcde"))), expected, atol=1e-6
    )


def test_missing_values_sparse_and_images_reach_a_base_that_takes_them():
    holes = X.copy()
    holes[::7, 0] = np.nan
    trees = HistGradientBoostingClassifier(max_iter=5).fit(holes, Y)
    with pytest.raises(InputError, match="hold NaN or infinite values in 29 rows, first in row 0"):
        ResMemClassifier(trees).fit(holes, Y)
    filled = ResMemClassifier(trees, np.nan_to_num).fit(holes, Y)
    assert filled.predict(holes).shape == (200,)
    thin = sparse.csr_array(np.where(X > 1, X, 0))
    base = LogisticRegression().fit(thin, Y)
    dense = ResMemClassifier(LogisticRegression().fit(thin.toarray(), Y)).fit(thin.toarray(), Y)
    np.testing.assert_allclose(
        ResMemClassifier(base).fit(thin, Y).predict_proba(thin),
        dense.predict_proba(thin.toarray()),
        atol=1e-4,
    )
    images = X.reshape(200, 5, 1).astype(np.float32)
    net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(5, 3))
    assert ResMemClassifier(net).fit(images, Y).memory_.dimension == 5


@pytest.mark.parametrize("base", [SVC(), RidgeClassifier(), KNeighborsClassifier()])
def test_bases_without_probabilities_or_with_zeros_are_used(base):
    model = ResMemClassifier(base, k=5).fit(X, Y)
    assert np.isfinite(model.predict_proba(Q)).all()
    assert model.set_params(k=0).predict(Q).tolist() == base.fit(X, Y).predict(Q).tolist()


class Several(torch.nn.Module):
    """One layer used twice, and outputs of several kinds."""

    def __init__(self, outputs, kind):
        super().__init__()
        self.body = torch.nn.Linear(5, 5)
        self.head = torch.nn.Linear(5, outputs)
        self.spare = torch.nn.Linear(5, 5)
        self.kind = kind

    def forward(self, x):
        hidden = self.body(torch.relu(self.body(x)))
        logits = self.head(hidden)
        return {"tuple": (logits, hidden), "dict": {"hidden": hidden, "logits": logits}}.get(
            self.kind, logits.squeeze(1) if self.kind == "flat" else logits
        )


@pytest.mark.parametrize("kind", ["plain", "tuple", "dict"])
def test_modules_with_names_several_outputs_and_layers_used_twice(kind):
    torch.manual_seed(0)
    net, x = Several(3, kind), X.astype(np.float32)
    names = np.array(["crow", "kite", "owl"])
    model = ResMemClassifier(net, "body", k=5).fit(x, names[Y])
    with torch.no_grad():
        hidden = net.body(torch.relu(net.body(torch.tensor(x))))
    np.testing.assert_allclose(model.memory_.embeddings, hidden.numpy(), atol=1e-6)
    plain = ResMemClassifier(net, "body", k=5).fit(x, Y)
    assert model.predict(x).tolist() == names[plain.predict(x)].tolist()
    turned = ResMemClassifier(net, "body", k=5, classes=names[::-1]).fit(x, names[2 - Y])
    np.testing.assert_allclose(turned.predict_proba(x), plain.predict_proba(x))
    with pytest.raises(InputError, match="3 outputs for 2 labels; give classes"):
        ResMemClassifier(net).fit(x, names[(Y > 0).astype(int)])
    with pytest.raises(InputError, match="does not use"):
        ResMemClassifier(net, "spare").fit(x, Y)


@pytest.mark.parametrize("kind", ["plain", "flat"])
def test_one_logit_is_that_of_the_second_class(kind):
    torch.manual_seed(0)
    net, x = Several(1, kind), X.astype(np.float32)
    model = ResMemClassifier(net, k=0).fit(x, Y > 0)
    with torch.no_grad():
        expected = torch.sigmoid(net(torch.tensor(x))).numpy().ravel()
    np.testing.assert_allclose(model.predict_proba(x)[:, 1], expected, atol=1e-5)
    line = ResMemRegressor(net, k=0).fit(x, X[:, 0])
    assert line.predict(x).shape == (200,)


def test_one_class_gives_the_base_s_answer_and_says_so(caplog):
    model = ResMemClassifier().fit(X, np.full(200, "owl"))
    assert "all labels are the same" in caplog.text
    assert set(model.predict(Q)) == {"owl"}
    np.testing.assert_array_equal(model.predict_proba(Q), 1)
    fitted = LogisticRegression().fit(X, Y)
    ones = ResMemClassifier(fitted, k=3).fit(X[Y == 1], Y[Y == 1])
    assert ones.predict(Q).shape == (60,)


def test_rows_that_contradict_each_other_are_counted(caplog):
    x, y = np.concatenate([X, X[:3], X[:1]]), np.concatenate([Y, 2 - Y[:3], Y[:1]])
    differing = int((Y[:3] != 2 - Y[:3]).sum())
    with caplog.at_level("INFO", "rote"):
        model = ResMemClassifier().fit(x, y)
    expected = 2 * differing + (Y[0] != 2 - Y[0])  # the third copy of row 0 agrees with it
    assert model.conflicts_ == expected > 0
    assert f"{expected} remembered rows" in caplog.text
    assert ResMemRegressor().fit(X, Y).conflicts_ == 0


# ---- clones, searches, wrappers


def test_clones_keep_a_fitted_base_and_not_a_fresh_one():
    fitted, fresh = LogisticRegression().fit(X, Y), LogisticRegression()
    net = torch.nn.Linear(5, 3)
    assert clone(ResMemClassifier(fitted)).base is fitted
    assert clone(ResMemClassifier(net)).base is net
    assert clone(ResMemClassifier(fresh)).base is not fresh
    frozen = FrozenEstimator(fitted)
    np.testing.assert_allclose(
        ResMemClassifier(frozen).fit(X, Y).predict_proba(Q),
        ResMemClassifier(fitted).fit(X, Y).predict_proba(Q),
    )
    with pytest.raises(InputError, match="base__C is a parameter of a base that is used as it is"):
        ResMemClassifier(fitted).set_params(base__C=3.0)
    assert ResMemClassifier(fresh).set_params(base__C=3.0).base.C == 3


def test_a_search_fits_no_base_that_is_given_fitted():
    class Counting(LogisticRegression):
        fits = 0

        def fit(self, *args, **kwargs):
            type(self).fits += 1
            return super().fit(*args, **kwargs)

    base = Counting().fit(X, Y)
    grid = {"k": [0, 3, 10], "bandwidth": [0.5, np.inf], "strength": [0.5, 1.0]}
    search = GridSearchCV(ResMemClassifier(base), grid, cv=3).fit(X, Y)
    assert Counting.fits == 1
    assert search.best_score_ >= search.cv_results_["mean_test_score"][0]
    inner = GridSearchCV(ResMemClassifier(Counting()), {"base__C": [0.1, 1.0]}, cv=2).fit(X, Y)
    assert Counting.fits == 1 + 2 * 2 + 1
    assert set(inner.best_params_) == {"base__C"}


def test_resmem_works_within_pipelines_cross_validation_calibration_and_joblib(tmp_path):
    scaled = make_pipeline(StandardScaler(), ResMemClassifier(k=5))
    unseen = cross_val_predict(scaled, X, Y, cv=3, method="predict_proba")
    np.testing.assert_allclose(unseen.sum(1), 1)
    model = ResMemClassifier(LogisticRegression().fit(X, Y), k=5).fit(X, Y)
    for calibrated in (
        CalibratedClassifierCV(FrozenEstimator(model), cv=2).fit(Q, YQ),
        CalibratedClassifierCV(ResMemClassifier(k=5), cv=3).fit(X, Y),
    ):
        np.testing.assert_allclose(calibrated.predict_proba(Q).sum(1), 1)
    joblib.dump(model, tmp_path / "model.joblib")
    for copy in (joblib.load(tmp_path / "model.joblib"), pickle.loads(pickle.dumps(model))):
        np.testing.assert_array_equal(copy.predict_proba(Q), model.predict_proba(Q))
    both = MultiOutputClassifier(ResMemClassifier(k=3)).fit(X, np.column_stack([Y > 0, Y]))
    assert both.predict(Q).shape == (60, 2)


def test_parameters_set_after_fit_hold_where_they_need_no_new_memory():
    model = ResMemClassifier(k=9).fit(X, Y)
    for parameters in ({"bandwidth": 0.2}, {"temperature": 3.0}, {"strength": 0.3}, {"k": 2}):
        fresh = ResMemClassifier(**(model.get_params() | parameters)).fit(X, Y)
        np.testing.assert_array_equal(
            model.set_params(**parameters).predict_proba(Q), fresh.predict_proba(Q)
        )
    before = model.predict_proba(Q)
    model.set_params(embed=lambda x: x[:, :1])  # from the next fit on
    np.testing.assert_array_equal(model.predict_proba(Q), before)


def test_bandwidth_is_in_units_of_the_memory():
    small = ResMemClassifier(k=9, bandwidth=0.7, embed=lambda x: 1e-3 * x).fit(X, Y)
    large = ResMemClassifier(k=9, bandwidth=0.7, embed=lambda x: 1e3 * x).fit(X, Y)
    np.testing.assert_allclose(small.predict_proba(Q), large.predict_proba(Q), atol=1e-6)


def test_fit_measures_the_scale_on_a_sample():
    x = np.random.default_rng(0).normal(size=(20_000, 16)).astype(np.float32)
    y = (x[:, 0] > 0).astype(int)
    base = LogisticRegression().fit(x, y)
    start = time.process_time()
    model = ResMemClassifier(base).fit(x, y)
    assert time.process_time() - start < 2  # all pairs take longer
    nearest = model.memory_.search(x[:500], 2).distances[:, 1]
    assert model.scale_ == pytest.approx(np.median(nearest), rel=0.1)


# ---- sample weights


@pytest.mark.parametrize("kind", ["classes", "numbers"])
def test_whole_weights_are_repeated_rows_and_zero_is_none(kind):
    weights = RNG.integers(0, 4, 200)
    targets = Y if kind == "classes" else np.column_stack([X[:, 0] ** 2, X[:, 1]])
    make = ResMemClassifier if kind == "classes" else ResMemRegressor
    base = (LogisticRegression() if kind == "classes" else Ridge()).fit(X, targets)
    model = make(base, k=12, bandwidth=0.8, temperature=1.5)
    answer = "predict_proba" if kind == "classes" else "predict"
    weighted = getattr(model.fit(X, targets, sample_weight=weights), answer)(Q)
    assert len(model.memory_) == (weights > 0).sum()
    again = clone(model).fit(X[:0], targets[:0]).add(X, targets, weights, rescale=True)
    np.testing.assert_allclose(getattr(again, answer)(Q), weighted)
    rows = np.repeat(np.arange(200), weights)
    repeated = getattr(clone(model).fit(X[rows], targets[rows]), answer)(Q)
    np.testing.assert_allclose(weighted, repeated, atol=1e-6)


def test_small_weights_take_more_neighbors_and_bad_ones_are_refused():
    model = ResMemClassifier(k=5, bandwidth=np.inf, temperature=np.inf)
    light = model.fit(X, Y, sample_weight=np.full(200, 0.25)).predict_proba(Q)
    plain = ResMemClassifier(k=20, bandwidth=np.inf, temperature=np.inf).fit(X, Y)
    np.testing.assert_allclose(light, plain.predict_proba(Q))
    with pytest.raises(ValueError, match="Negative values"):
        model.fit(X, Y, sample_weight=np.full(200, -1.0))
    with pytest.raises(InputError, match="takes no sample_weight"):
        ResMemClassifier(KNeighborsClassifier()).fit(X, Y, sample_weight=np.ones(200))


# ---- the family and its choice


def test_family_has_the_base_at_one_end_and_the_memory_alone_at_the_other():
    base = LogisticRegression().fit(X, Y)
    model = ResMemClassifier(base, k=7, bandwidth=np.inf, temperature=np.inf).fit(X, Y)
    # I3: probabilities of a vote, but for the floor of clipped ones
    votes = KNeighborsClassifier(7).fit(X, Y).predict_proba(Q)
    np.testing.assert_allclose(model.predict_proba(Q), votes, atol=1e-5)
    model.set_params(temperature=1.0, k=0)
    np.testing.assert_allclose(model.predict_proba(Q), base.predict_proba(Q), atol=1e-5)
    y = np.sin(2 * X[:, :2])
    line = ResMemRegressor(k=7, bandwidth=np.inf, temperature=np.inf).fit(X, y)
    np.testing.assert_allclose(line.predict(Q), KNeighborsRegressor(7).fit(X, y).predict(Q))
    line.set_params(k=0)
    np.testing.assert_allclose(line.predict(Q), Ridge().fit(X, y).predict(Q))


def test_one_standard_error_takes_an_end_that_rows_cannot_tell_from_the_best():
    losses = np.zeros((4, 100))
    losses[0, :40] = 1  # an end that is worse
    losses[1, 2:13] = 1  # an end that differs from the best on five rows
    losses[2, :10] = losses[3, :12] = 1
    grid = [resmem.Setting(*point) for point in ((0, 1, 1), (5, 1, np.inf), (5, 1, 1), (3, 1, 1))]
    assert resmem.ends(grid) == [0, 1]
    assert resmem.select(losses, [0, 1]) == 1
    assert resmem.select(losses, [0, 1], rule="best") == 2
    difference = losses[0] - losses[2]
    assert difference.mean() > difference.std(ddof=1) / 10
    assert resmem.select(losses, [0]) == 2  # told apart from it
    assert resmem.select(losses) == 2
    assert resmem.select(losses[:, 2:3], [0, 1]) == 0  # one row: the first of equal ones
    for bad in (losses[:0], losses[0]):
        with pytest.raises(InputError, match="must be a matrix"):
            resmem.select(bad)
    with pytest.raises(InputError, match="numbers of the 4 settings"):
        resmem.select(losses, [4])
    with pytest.raises(InputError, match="rule must be one of one_se, best"):
        resmem.select(losses, rule="median")


def test_the_rule_loses_less_against_the_better_end_than_the_best_of_many():
    rng = np.random.default_rng(0)
    lost = {"one_se": [], "best": []}
    for _ in range(200):
        true = np.r_[0.2, 0.3, np.full(150, 0.22)]  # ends, and settings that are somewhat worse
        losses = rng.random((152, 200)) < true[:, None]
        for rule, values in lost.items():
            values.append(true[resmem.select(losses, [0, 1], rule=rule)] - 0.2)
    # settings here err independently of each other, so that the best of 150 is mostly luck
    assert np.mean(lost["one_se"]) < 0.8 * np.mean(lost["best"])


@pytest.mark.parametrize("measure", ["accuracy", "log_loss"])
def test_tuning_reports_losses_and_keeps_the_strength(measure):
    model = ResMemClassifier(LogisticRegression().fit(X, Y), strength=0.8).fit(X, Y)
    model.tune(Q, YQ, k=[3, 10], bandwidth=[1.0], temperature=[1.0, np.inf], measure=measure)
    assert model.strength == 0.8
    assert len(model.tuning_) == 5
    point, loss = model.tuning_[3]
    model.set_params(k=point.k, bandwidth=point.bandwidth, temperature=point.temperature)
    wrong = (model.predict(Q) != YQ).mean()
    surprise = -np.log(model.predict_proba(Q)[np.arange(60), YQ]).mean()
    assert loss == pytest.approx(wrong if measure == "accuracy" else surprise, abs=1e-4)
    model.tune(Q, YQ, k=[3], bandwidth=[1.0], temperature=[1.0], strength=[0.5, 1.0], rule="best")
    assert [point.strength for point, _ in model.tuning_] == [1.0, 0.5, 1.0]
    for options, message in (
        ({"k": [0]}, "k must be at least 1"),
        ({"measure": "f1"}, "measure must be one of accuracy, log_loss"),
        ({"rule": "median"}, "rule must be one of"),
        ({"folds": 3}, "give an unfitted base"),
    ):
        with pytest.raises(InputError, match=message):
            model.tune(Q, YQ, **options)


def test_cross_fitting_judges_every_row_without_its_part():
    model = ResMemClassifier(LogisticRegression(), k=5)
    model.tune(X, Y, folds=4, k=[1, 5, 20], bandwidth=[1.0, np.inf], rule="best")
    assert not hasattr(model, "memory_")
    unseen = np.empty(200, int)
    for train, test in model._parts(4).split(X, Y):
        unseen[test] = clone(model).fit(X[train], Y[train]).predict(X[test])
    loss = dict(model.tuning_)[
        resmem.Setting(model.k, model.bandwidth if model.k else np.inf, model.temperature)
    ]
    assert loss == pytest.approx((unseen != Y).mean(), abs=0.006)  # ties in float32
    line = ResMemRegressor().tune(X, X[:, 0] ** 2, folds=3)
    assert line.fit(X, X[:, 0] ** 2).score(Q, Q[:, 0] ** 2) > 0.4
