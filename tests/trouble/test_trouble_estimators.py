"""Estimators over what users have: tied weights, class names, tables, texts."""

import numpy as np
import pandas as pd
import pytest
import torch
from rote.core.errors import InputError
from rote.resmem import ResMemClassifier, ResMemRegressor
from sklearn.base import BaseEstimator, ClassifierMixin

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 4)).astype(np.float32)
NAMES = np.array(["kite", "crow", "owl"])[(X[:, 0] > 0).astype(int) + (X[:, 1] > 0.5)]
TEXTS = [f"{name} number {n % 5}" for n, name in enumerate(NAMES)]


class Tied(torch.nn.Module):
    """Two names of one weight, as language models have."""

    def __init__(self):
        super().__init__()
        self.first = torch.nn.Linear(4, 4, bias=False)
        self.second = torch.nn.Linear(4, 4, bias=False)
        self.second.weight = self.first.weight
        self.head = torch.nn.Linear(4, 3)

    def forward(self, x):
        return self.head(self.second(torch.relu(self.first(x))))


DAYS = np.array(["2024-01-01", "2024-02-29"], "datetime64[D]")[(X[:, 0] > 0).astype(int)]
ODD = np.array(["a\nb", "\u2028\0", "\ud800"], object)[(X[:, 0] > 0).astype(int) + (X[:, 1] > 0)]


@pytest.mark.parametrize(
    "labels",
    [NAMES, NAMES.astype(object), (X[:, 0] > 0).astype(int), X[:, 0] > 0, DAYS, ODD],
    ids=["names", "objects", "numbers", "truths", "days", "odd names"],
)
def test_classes_of_any_kind_are_saved(tmp_path, labels):
    model = ResMemClassifier(k=3).fit(X, labels)
    model.save(tmp_path / "m")
    again = ResMemClassifier.load(tmp_path / "m", model.base_)
    assert again.classes_.tolist() == model.classes_.tolist()
    assert again.classes_.dtype == model.classes_.dtype
    assert again.predict(X).tolist() == model.predict(X).tolist()


def test_models_lie_in_folders_and_are_no_pointers(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    model = ResMemClassifier(k=3).fit(X, NAMES)
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="is a file; give a folder"):
        model.save(tmp_path / "file")
    model.save("~/m")
    assert len(ResMemClassifier.load("~/m", model.base_).labels_) == len(X)
    (tmp_path / "m/targets.safetensors").write_text("version https://git-lfs.github.com/spec/v1\n")
    with pytest.raises(InputError, match="pointer of Git LFS"):
        ResMemClassifier.load("~/m", model.base_)


def test_tied_weights_are_saved(tmp_path):
    torch.manual_seed(0)
    model = ResMemClassifier(Tied(), k=3).fit(X, RNG.integers(0, 3, len(X)))
    model.save(tmp_path / "m")
    other = ResMemClassifier.load(tmp_path / "m", Tied())
    np.testing.assert_array_equal(other.predict_proba(X), model.predict_proba(X))


def test_a_folder_is_whole_or_no_model(tmp_path, monkeypatch):
    model = ResMemClassifier(k=3).fit(X, NAMES)
    model.save(tmp_path / "m")
    monkeypatch.setattr("safetensors.numpy.save_file", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        model.save(tmp_path / "m")
    with pytest.raises(InputError, match="holds no whole model"):
        ResMemClassifier.load(tmp_path / "m", model.base_)


def of_tables():
    from sklearn.compose import make_column_transformer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    frame = pd.DataFrame({"size": X[:, 0], "place": ["Bern", "Thun"] * 30})
    columns = make_column_transformer((OneHotEncoder(), ["place"]), ("passthrough", ["size"]))
    return make_pipeline(columns, LogisticRegression()), frame


def of_texts():
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    return make_pipeline(TfidfVectorizer(), LogisticRegression()), TEXTS


@pytest.mark.parametrize("make", [of_tables, of_texts])
def test_bases_read_tables_and_texts(tmp_path, make):
    base, inputs = make()
    model = ResMemClassifier(base, k=2).fit(inputs, NAMES)
    assert (model.predict(inputs) == NAMES).mean() > 0.8
    model.add(inputs[:3], NAMES[:3])
    model.save(tmp_path / "m")
    again = ResMemClassifier.load(tmp_path / "m", model.base_)
    assert again.predict(inputs).tolist() == model.predict(inputs).tolist()


def test_regressors_read_texts():
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.linear_model import Ridge
    from sklearn.pipeline import make_pipeline

    base = make_pipeline(CountVectorizer(), Ridge(100.0))
    plain = base.fit(TEXTS, X[:, 0]).predict(TEXTS)
    fitted = ResMemRegressor(base, k=3).fit(np.array(TEXTS), X[:, 0]).predict(np.array(TEXTS))
    assert ((fitted - X[:, 0]) ** 2).mean() < ((plain - X[:, 0]) ** 2).mean()


def test_inputs_without_numbers_need_an_embedding():
    class Constant(ClassifierMixin, BaseEstimator):
        classes_ = np.unique(NAMES)
        fitted_ = True

        def fit(self, X, y):
            return self

        def predict_proba(self, X):
            return np.full((len(X), 3), 1 / 3)

        def __sklearn_is_fitted__(self):
            return True

    with pytest.raises(InputError, match="give embed"):
        ResMemClassifier(Constant()).fit(TEXTS, NAMES)
    embedded = ResMemClassifier(Constant(), embed=lambda texts: np.array([[len(t)] for t in texts]))
    assert len(embedded.fit(TEXTS, NAMES).predict(TEXTS)) == len(TEXTS)
