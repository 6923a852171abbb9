"""Whatever is given, public functions give finite numbers or refuse with an `InputError`.

Warnings are errors here, as everywhere in the tests.
"""

from datetime import date
from decimal import Decimal
from fractions import Fraction
from functools import partial
from itertools import chain
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from rote import knn, ngrams, prune, train
from rote.core.errors import InputError
from rote.models import diffusion
from rote.ngrams import files
from rote.prune import online
from rote.synth import velocity
from rote.theory import capacity, minnorm, posterior
from rote.waves import acoustic, helmholtz, multifrontal
from scipy import sparse

MASKED = np.ma.masked_array([1.0, 2.0, 3.0], [False, True, False])
ODD = [
    np.nan,
    np.inf,
    -np.inf,
    -1,
    1.5,
    2.0,
    10**400,
    2**63,
    -(2**63) - 1,
    5e-324,
    1e308,
    np.longdouble("1e4000"),
    np.int8(100),
    True,
    1j,
    Decimal(1),
    Fraction(1, 3),
    date(2020, 1, 1),
    np.datetime64("2020-01-01"),
    np.timedelta64(3, "s"),
    "x",
    "\ud800",
    b"x",
    None,
    pd.NA,
    object(),
    Path("x"),
    {1: 2},
    {1},
    [],
    [[1.0, np.nan]],
    [1, [2, 3]],
    [None, None],
    ["a"],
    MASKED,
    np.ma.masked,
    np.empty((0, 3)),
    np.ones((2, 2, 2)),
    np.array(2.0),
    np.array(["a"]),
    np.array([1, None], object),
    np.zeros(2, "i4,f4"),
    np.ones((2, 2), complex),
    pd.Series([1.0, np.nan]),
    sparse.eye_array(3).tocsr(),
    torch.full((2,), torch.nan),
    torch.ones(2, requires_grad=True),
    torch.ones(2, dtype=torch.bfloat16),
    torch.ones(2, device="meta"),
    torch.eye(3).to_sparse(),
]
X = np.random.default_rng(0).normal(size=(5, 3))
Y, PLANE = X[:, 0], np.eye(2)
FACTORS = minnorm.factorize(X)
DATA = posterior.Observation(np.ones(2), 0.1)
MIXTURE = posterior.mixture(PLANE, 0.5, PLANE, DATA)
SCHEDULE = diffusion.schedule("paper", 20)
POINTS = torch.eye(2, dtype=torch.float64)
DENOISER = diffusion.memorized(POINTS, SCHEDULE)
GAUSSIAN = diffusion.gaussian(torch.zeros(2), POINTS, SCHEDULE)
SIZES = diffusion.DiffusionArchitecture(2, 8, 1, 4)
SURVEY = acoustic.Survey(0.02, 1e-3, 5, 2.5, np.array([[3, 3]]), np.array([[8, 8]]))
VELOCITY = np.full((20, 20), 2.0)
NUMBERS = {"n": 24, "spacing": 0.02, "layer": 5, "damping": 50.0, "frequency": 2.5}
NUMBERS |= {"sources": 2, "receivers": 3, "margin": 2}
GRID = helmholtz.Helmholtz(**NUMBERS)
SLOWNESS = np.full((24, 24), 0.25)
STENCIL = sparse.csr_array(np.diag(np.full(6, 4.0)))
PLAN = multifrontal.plan(2, 3, STENCIL)
FACTOR = multifrontal.Factor(PLAN, STENCIL, np.ones(6, complex))
STORE = knn.Datastore(X)
FACTS = {"n_facts": 10, "bits_per_fact": 3.0, "capacity_bits": 5.0}
TOKENS = {"tokens": np.array([0, 1, 0, 2]), "offsets": np.array([0, 2, 4])}
ORDER = ngrams.suffix_array(**TOKENS, types=3)
WEIGHTS = {"w": torch.ones(2, 3)}


def square(parameters, step):
    w = parameters["w"]
    return (w**2).reshape(len(w), -1).sum(1)


def trained(**changes):
    """A short training, of other arguments of `AdamW` or of `fit`."""
    names = ("steps", "learning_rate", "schedule", "betas", "weight_decay", "clip")
    settings = {"steps": 2, "learning_rate": 0.1}
    settings |= {name: changes.pop(name) for name in names if name in changes}
    given = {"parameters": WEIGHTS, "loss": square, "optimizer": train.AdamW(**settings)}
    return train.fit(**(given | changes))


def pulled(x):
    return x[:, 0] ** 2, x


def guided(**changes):
    """Guidance by a quadratic misfit, of other arguments of `DataStep` or of `guided`."""
    step = {"length": 0.1}
    step |= {name: changes.pop(name) for name in diffusion.DataStep._fields if name in changes}
    given = {"denoiser": DENOISER, "start": POINTS, "schedule": SCHEDULE, "gradient": pulled}
    return diffusion.guided(**({"data_step": diffusion.DataStep(**step)} | given | changes))


def of_survey(function):
    return lambda **changes: function(VELOCITY, SURVEY._replace(**changes))


def of_sizes(**changes):
    return diffusion.initial(SIZES._replace(**changes), [np.random.default_rng(0)])


KERNELS = [
    (capacity.accuracy_limit, FACTS),
    (partial(capacity.accuracy_limit, 3, 3.0, 5.0), {"frequencies": [1.0, 2, 3]}),
    (capacity.whole_facts, FACTS),
    (capacity.water_filling, {"frequencies": [1.0, 2], "bits": 3.0, "capacity": 2.0}),
    (capacity.rate, {"accuracy": 0.5, "bits": 3.0}),
    (capacity.spread_accuracy, {"bits_available": 1.0, "bits": 3.0}),
    (minnorm.factorize, {"X": X}),
    (minnorm.fit, {"X": X, "y": Y, "lam": 0.0}),
    (minnorm.identifiable, {"X": X, "tolerance": 1e-8}),
    (minnorm.coefficients, {"spectrum": FACTORS, "y": Y, "lam": 0.1}),
    (minnorm.hat_diagonal, {"spectrum": FACTORS, "lam": 0.1}),
    (minnorm.row_space, {"spectrum": FACTORS}),
    (minnorm.leave_one_out, {"spectrum": FACTORS, "X": X, "y": Y}),
    (minnorm.descent, {"spectrum": FACTORS, "y": Y, "steps": np.array([1, 2])}),
    (posterior.Observation, {"y": np.ones(2), "noise_sd": 0.1}),
    (
        posterior.mixture,
        {"train": PLANE, "sigma": 0.5, "forward": PLANE, "observation": DATA, "determinant": True},
    ),
    (partial(posterior.mixture, PLANE, 0.5, lambda x: x, DATA), {"jacobian": None}),
    (posterior.empirical, {"log_likelihood": np.zeros(3)}),
    (posterior.effective, {"weights": np.ones(2) / 2}),
    (posterior.denoise, {"x": PLANE, "train": PLANE, "sigma": 0.5, "chunk": 100}),
    (partial(posterior.denoise, PLANE, PLANE, 0.5), {"log_weights": np.zeros(2)}),
    (posterior.score, {"x": PLANE, "train": PLANE, "sigma": 0.5}),
    (MIXTURE.log_density, {"x": PLANE}),
    (partial(MIXTURE.sample, 3), {"rng": np.random.default_rng(0)}),
    (knn.Datastore, {"embeddings": X, "engine": "exact", "probes": 4}),
    (
        lambda **given: knn.Datastore(X, engine="torch", **given).search(X, 2),
        {"device": "cpu"},
    ),
    (
        lambda engine="hnsw", **given: knn.Datastore(X, engine=engine, **given).search(X, 2),
        {"probes": 4, "engine": "ivf"},
    ),
    (STORE.search, {"queries": X, "k": 2, "include_self": False}),
    (STORE.recall, {"queries": X, "k": 2}),
    (STORE.search(X, 3).first, {"k": 2}),
    (knn.search, {"parts": [X], "queries": X, "k": 2, "device": "cpu"}),
    (lambda part: knn.search([X, part], X, 2), {"part": X}),
    (knn.merged, {"parts": [STORE.search(X, 2)], "k": 2}),
    (lambda part: knn.merged([part], 2), {"part": STORE.search(X, 2)}),
    (knn.weights, {"distances": np.ones((2, 2)), "bandwidth": 1.0}),
    (knn.scale, {"distances": np.ones((2, 2))}),
    (knn.Datastore.load, {"folder": "nowhere"}),
    (acoustic.check, {"velocity": VELOCITY, "survey": SURVEY}),
    (of_survey(acoustic.check), SURVEY._asdict()),
    (of_survey(acoustic.leapfrog), SURVEY._asdict()),
    (lambda **changes: helmholtz.Helmholtz(**(NUMBERS | changes)).data(SLOWNESS), NUMBERS),
    (GRID.data, {"slowness": SLOWNESS}),
    (GRID.field, {"slowness": SLOWNESS, "cell": (3, 4)}),
    (partial(GRID.misfit, SLOWNESS), {"observed": np.ones((2, 3), complex), "noise_sd": 1.0}),
    (partial(GRID.jacobian, SLOWNESS), {"basis": np.ones((576, 1))}),
    (multifrontal.plan, {"width": 2, "height": 3, "matrix": STENCIL}),
    (multifrontal.Factor, {"plan": PLAN, "matrix": STENCIL, "diagonal": np.ones(6, complex)}),
    (FACTOR.solve, {"cells": np.array([0]), "right": np.ones((1, 1))}),
    (partial(velocity.layered, n=8), {"rng": np.random.default_rng(0)}),
    (partial(velocity.fields, 1), {"seed": 0, "hermitian": False}),
    (partial(velocity.slowness, n=8), {"coordinates": np.zeros(100)}),
    (velocity.project, {"squared_slowness": np.ones((1, 8, 8))}),
    (lambda **given: len(ngrams.grams(**given)), {"units": ["a", "b"], "n": 1}),
    (ngrams.suffix_array, TOKENS | {"types": 3}),
    (ngrams.bounds, TOKENS | {"suffixes": ORDER, "pattern": np.array([0])}),
    (ngrams.CorpusOptions, {"split": "file", "strict": False, "errors": None, "shard_tokens": 9}),
    (prune.select, {"losses": [0.1, 0.2], "keep": 0.5, "scheme": "loss", "counts": [1, 2]}),
    (partial(prune.select, [0.1], 0.5, scheme="loss"), {"rng": None}),
    (prune.automatic, {"losses": [0.1, 3.0], "counts": [1, 2], "ignorance": 2.0}),
    (
        partial(prune.table, scheme="loss"),
        {"frame": pd.DataFrame({"id": [1], "loss": [0.1]}), "keep": 0.5, "seed": 0},
    ),
    (
        partial(prune.explained, pd.DataFrame({"id": [1], "loss": [0.1]}), scheme="loss"),
        {"keep": 0.5, "where": "losses", "each_once": True},
    ),
    (prune.with_chance, {"frame": pd.DataFrame({"id": [1]}), "chance": 0.5}),
    (prune.near_duplicates, {"texts": ["a b c", "a b c"], "overlap": 0.8}),
    (
        partial(online.choose, scheme="auto"),
        {"losses": torch.ones(1, 4), "share": torch.ones(1), "progress": 0.5},
    ),
    (partial(diffusion.linear, 5), {"first": 0.01, "last": 0.1}),
    (partial(diffusion.schedule, steps=20), {"name": "paper"}),
    (diffusion.memorized, {"train": POINTS, "schedule": SCHEDULE, "log_weights": None}),
    (diffusion.gaussian, {"mean": torch.zeros(2), "covariance": POINTS, "schedule": SCHEDULE}),
    (DENOISER, {"z": POINTS, "t": 3}),
    (GAUSSIAN, {"z": POINTS, "t": 3}),
    (of_sizes, {"blocks": 1, "embedding": 4}),
    (partial(diffusion.initial, SIZES), {"rngs": [np.random.default_rng(0)], "device": "cpu"}),
    (diffusion.ddim, {"denoiser": DENOISER, "start": POINTS, "schedule": SCHEDULE}),
    (guided, {"length": 0.1, "scaling": "unit", "full_jacobian": False}),
    (guided, {"denoiser": DENOISER, "start": POINTS, "gradient": pulled, "watch": None}),
    (guided, {"schedule": SCHEDULE, "data_step": diffusion.DataStep(0.1)}),
    (partial(diffusion.noise_to_clean, schedule=SCHEDULE), {"predict": DENOISER}),
    (trained, {"learning_rate": 0.1, "schedule": None, "betas": (0.9, 0.99), "clip": None}),
    (trained, {"weight_decay": torch.ones(2), "parameters": WEIGHTS, "loss": square}),
    (trained, {"optimizer": train.AdamW(2, 0.1), "buffers": None}),
    (trained, {"checkpoint": train.Checkpoint()}),
    (lambda given: trained(parameters={"w": given}), {"given": torch.ones(2, 3)}),
    (
        lambda given: trained(loss=lambda p, t: square(p, t) if isinstance(given, dict) else given),
        {"given": {}},
    ),
    (train.cosine, {"steps": 3, "warmup": 0, "floor": 0.0}),
    (train.Checkpoint, {"path": None, "steps": 3}),
    (train.EpochSampler, {"counts": np.ones(3, int), "seed": 0}),
    (train.EpochSampler(np.ones(3, int), 0).batch, {"start": 0, "count": 2}),
]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpora") / "c"
    return ngrams.tokenize(["a b c a b", "b c", "d e a"], folder)


def of_corpus(corpus, tmp_path_factory):
    """Functions of a corpus, and arguments of theirs that they take."""
    counted = ngrams.queries(corpus, pairs=[("a b", "c")], singles=["a"])
    model = ngrams.InfinityGram(corpus)

    def scanned(**options):
        return ngrams.scan(corpus, counted, options=ngrams.ScanOptions(**options))

    def analysed(**fields):
        folder = tmp_path_factory.mktemp("corpora")
        return ngrams.tokenize(["a b"], folder, ngrams.Analyser(**fields)).tokens

    def stored(**given):
        return ngrams.Corpus.from_tokens(tmp_path_factory.mktemp("corpora"), **given).tokens

    def tokenized(**given):
        folder = tmp_path_factory.mktemp("corpora")
        return ngrams.tokenize(**({"texts": ["a"], "out": folder} | given)).tokens

    common = {"threads": 1, "progress": None}
    return [
        (ngrams.count, {"corpus": corpus, "ngrams": ["a b"], "statistic": "documents", **common}),
        (partial(ngrams.count, corpus, ["a"]), {"stop_words": ()}),
        (lambda one: ngrams.count(corpus, [one]), {"one": "a"}),
        (ngrams.count_pairs, {"corpus": corpus, "pairs": [("a b", "c")], "window": 3, **common}),
        (partial(ngrams.count_pairs, corpus, [("a", "b")]), {"stop_words": ((), ())}),
        (lambda one: ngrams.count_pairs(corpus, [one]), {"one": ("a", "b")}),
        (partial(ngrams.postings, corpus), {"ngrams": ["a"], "stop_words": (), "progress": None}),
        (partial(ngrams.queries, corpus), {"pairs": [("a", "b")], "singles": ["a"]}),
        (ngrams.scan, {"corpus": corpus, "queries": counted, "window": 2}),
        (partial(ngrams.scan, corpus, counted), {"options": ngrams.ScanOptions()}),
        (scanned, {"shards": [0], **common}),
        (ngrams.table, {"corpus": corpus, "n": 2, "min_count": 1}),
        (ngrams.table(corpus, 2).top, {"number": 1}),
        (ngrams.InfinityGram, {"corpus": corpus, "shards": 0}),
        (model.count, {"ngram": "a"}),
        (model.probability, {"context": "a", "token": "b"}),
        (model.continuation_ids, {"context": [0], "token": 1}),
        (corpus.ids, {"ngram": "a", "leave_out": ()}),
        (corpus.forms, {"ngram": "a", "leave_out": ()}),
        (corpus.document, {"number": 0}),
        (ngrams.Corpus.open, {"path": corpus.folder}),
        (files.count_table, {"corpus": corpus, "firsts": ["a"], "seconds": ["b"], "window": None}),
        (analysed, {"unit": "word", "case": False, "stop_words": ("x",), "tokenizer": ""}),
        (ngrams.Analyser().normal, {"text": "a"}),
        (ngrams.Analyser().spans, {"text": "a"}),
        (stored, {"tokens": np.array([0, 1]), "offsets": np.array([0, 2]), "words": ["a", "b"]}),
        (tokenized, {"texts": ["a b"], "analyser": ngrams.Analyser(), "progress": None}),
        (tokenized, {"options": ngrams.CorpusOptions()}),
    ]


def numbers(result):
    """The numbers of a result, however they are nested; of objects none."""
    if isinstance(result, torch.Tensor) and not result.is_meta:
        return [result.detach().double().numpy().ravel()]
    if isinstance(result, np.ndarray) and result.dtype.kind in "iufc":
        return [result.ravel()]
    if isinstance(result, float):
        return [np.array([result])]
    inner = result.values() if isinstance(result, dict) else result
    if not isinstance(inner, (tuple, list, type({}.values()))):
        return []
    return list(chain.from_iterable(map(numbers, inner)))


def check(function, arguments):
    accepted = []
    for name in arguments:
        for odd in ODD:
            try:
                result = function(**{**arguments, name: odd})
            except (InputError, FloatingPointError):  # the latter where a training diverges
                continue
            for array in numbers(result):
                assert np.isfinite(array).all(), (name, odd, result)
            accepted.append((name, repr(odd)[:20]))
    return accepted


@pytest.mark.parametrize(("function", "arguments"), KERNELS)
def test_odd_arguments_give_finite_numbers_or_are_refused(function, arguments):
    refused = len(ODD) * len(arguments) - len(check(function, arguments))
    assert refused > len(ODD) * len(arguments) / 3


def test_odd_arguments_of_ngrams_are_right_or_refused(corpus, tmp_path_factory):
    for function, arguments in of_corpus(corpus, tmp_path_factory):
        refused = len(ODD) * len(arguments) - len(check(function, arguments))
        assert refused > len(ODD) * len(arguments) / 3
