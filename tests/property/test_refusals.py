"""Public functions refuse what is no number, not finite or of another kind."""

from functools import partial

import numpy as np
import pandas as pd
import pytest
import torch
from rote import knn, ngrams, prune, train
from rote.core.errors import InputError
from rote.models import diffusion
from rote.prune import online
from rote.theory import attention, capacity, minnorm, posterior, raf
from rote.theory.attention import variants
from rote.theory.attention.strong import strong_signal_error
from rote.waves import acoustic, helmholtz

BAD = [np.nan, -np.inf, "x", None, [[1.0, np.nan]]]
HEAD = {"functions": ["tanh"], "w_keys": [None], "w_queries": [None]}
POINT = {"gamma": 1.0, "c": 2.0, "f": "tanh"}
CALLS = {
    attention.memorization_error: POINT,
    attention.ridge_error: {"gamma": 1.0, "c": 2.0, "mu_norm2": 0.0},
    attention.equal_power: {"c": 2.0, "f": "tanh"},
    attention.kernel_density: {"x": 0.0, "c": 2.0, "f": "tanh"},
    attention.finite_size: {"f": "tanh", "n": 10},
    attention.moments: {"f": "tanh", "scale": 1.0},
    variants.unbalanced_error: {**POINT, "balance": 0.1, "p": 10},
    variants.softmax: {"beta": 1.0, "n": 10, "p": 10},
    variants.dense_error: POINT,
    variants.heads_error: {"gamma": 1.0, "c": 2.0, **HEAD},
    variants.anisotropic_error: {"gamma": 1.0, "n": 10, "spectrum": np.ones(5), "f": "tanh"},
    strong_signal_error: {**POINT, "p": 10, "vectors": attention.Vectors([1.0])},
    raf.solve: {"loss": "hinge", "alpha": 1.0, "eps": 0.1, "lam": 1.0},
    raf.bayes_optimal: {"alpha": 1.0, "eps": 0.1},
    raf.bayes_rate: {"eps": 0.1},
    raf.capacity: {"eps": 0.1},
    raf.hinge_limit: {"eps": 0.1, "v_star": 1.0},
    raf.optimal_angle: {"eps": 0.1},
    raf.square_rate: {"eps": 0.1},
    minnorm.factorize: {"X": np.eye(3)},
}


@pytest.mark.parametrize("function", CALLS, ids=lambda function: function.__name__)
def test_every_argument_is_checked(function):
    arguments = CALLS[function]
    function(**arguments)
    for name in arguments:
        for value in BAD:
            with pytest.raises(InputError):
                function(**{**arguments, name: value})


NO_NUMBERS = ["x", 1j, [1, [2, 3]], object(), torch.full((2,), torch.nan)]
X = np.random.default_rng(0).normal(size=(5, 3))
Y, PLANE = X[:, 0], np.eye(2)
FACTORS = minnorm.factorize(X)
DATA = posterior.Observation(np.ones(2), 0.1)
MIXTURE = posterior.mixture(PLANE, 0.5, PLANE, DATA)
STORE = knn.Datastore(X)
SCHEDULE = diffusion.schedule("paper", 20)
POINTS = torch.eye(2, dtype=torch.float64)
DENOISER = diffusion.memorized(POINTS, SCHEDULE)
SURVEY = acoustic.Survey(0.02, 1e-3, 5, 2.5, np.array([[3, 3]]), np.array([[8, 8]]))
VELOCITY = np.full((20, 20), 2.0)
NUMBERS = {"n": 24, "spacing": 0.02, "layer": 5, "damping": 50.0, "frequency": 2.5}
GRID = helmholtz.Helmholtz(**NUMBERS, sources=2, receivers=3, margin=2)
SLOWNESS = np.full((24, 24), 0.25)
TOKENS = {"tokens": np.array([0, 1, 0, 2]), "offsets": np.array([0, 2, 4]), "types": 3}
FACTS = {"n_facts": 10, "bits_per_fact": 3.0, "capacity_bits": 5.0}
SIZES = diffusion.DiffusionArchitecture(2, 8, 1, 4)
TABLE = pd.DataFrame({"id": [1], "loss": [0.1]})
CANDIDATES = {"losses": torch.ones(1, 4), "share": torch.ones(1), "progress": 0.5}


def guided(**step):
    """Guidance by a quadratic misfit."""
    data_step = diffusion.DataStep(**step)
    return diffusion.guided(DENOISER, POINTS, SCHEDULE, lambda x: (x[:, 0] ** 2, x), data_step)


KERNELS = [
    (capacity.accuracy_limit, FACTS),
    (partial(capacity.accuracy_limit, 3, 3.0, 5.0), {"frequencies": [1.0, 2, 3]}),
    (capacity.whole_facts, FACTS),
    (capacity.water_filling, {"frequencies": [1.0, 2], "bits": 3.0, "capacity": 2.0}),
    (capacity.rate, {"accuracy": 0.5, "bits": 3.0}),
    (capacity.spread_accuracy, {"bits_available": 1.0, "bits": 3.0}),
    (minnorm.fit, {"X": X, "y": Y, "lam": 0.0}),
    (minnorm.identifiable, {"X": X, "tolerance": 1e-8}),
    (minnorm.coefficients, {"spectrum": FACTORS, "y": Y, "lam": 0.1}),
    (minnorm.hat_diagonal, {"spectrum": FACTORS, "lam": 0.1}),
    (minnorm.row_space, {"spectrum": FACTORS}),
    (minnorm.leave_one_out, {"spectrum": FACTORS, "X": X, "y": Y}),
    (minnorm.descent, {"spectrum": FACTORS, "y": Y, "steps": np.array([1, 2])}),
    (posterior.Observation, {"y": np.ones(2), "noise_sd": 0.1}),
    (posterior.mixture, {"train": PLANE, "sigma": 0.5, "forward": PLANE, "observation": DATA}),
    (posterior.empirical, {"log_likelihood": np.zeros(3)}),
    (posterior.effective, {"weights": np.ones(2) / 2}),
    (posterior.denoise, {"x": PLANE, "train": PLANE, "sigma": 0.5, "chunk": 100}),
    (partial(posterior.denoise, PLANE, PLANE, 0.5), {"log_weights": np.zeros(2)}),
    (posterior.score, {"x": PLANE, "train": PLANE, "sigma": 0.5}),
    (MIXTURE.log_density, {"x": PLANE}),
    (MIXTURE.sample, {"number": 3, "rng": np.random.default_rng(0)}),
    (knn.weights, {"distances": np.ones((2, 2)), "bandwidth": 1.0}),
    (knn.scale, {"distances": np.ones((2, 2))}),
    (knn.search, {"parts": [X], "queries": X, "k": 2}),
    (knn.merged, {"parts": [STORE.search(X, 2)], "k": 2}),
    (STORE.search, {"queries": X, "k": 2, "include_self": True}),
    (knn.Datastore, {"embeddings": X, "engine": "exact", "probes": 4}),
    (attention.diagonal, {"f": "tanh", "diag": 0.5}),
    (acoustic.check, {"velocity": VELOCITY, "survey": SURVEY}),
    (lambda **changes: acoustic.check(VELOCITY, SURVEY._replace(**changes)), SURVEY._asdict()),
    (partial(helmholtz.Helmholtz, sources=2, receivers=3, margin=2), NUMBERS),
    (GRID.data, {"slowness": SLOWNESS}),
    (GRID.field, {"slowness": SLOWNESS, "cell": (3, 4)}),
    (partial(GRID.misfit, SLOWNESS), {"observed": np.ones((2, 3), complex), "noise_sd": 1.0}),
    (partial(GRID.jacobian, SLOWNESS), {"basis": np.ones((576, 1))}),
    (partial(ngrams.grams, ["a", "b"]), {"n": 1}),
    (ngrams.suffix_array, TOKENS),
    (prune.select, {"losses": [0.1, 0.2], "keep": 0.5, "scheme": "loss", "counts": [1, 2]}),
    (prune.automatic, {"losses": [0.1, 3.0], "counts": [1, 2], "ignorance": 2.0}),
    (
        partial(prune.table, scheme="loss"),
        {"frame": TABLE, "keep": 0.5},
    ),
    (
        partial(online.choose, scheme="auto", controller=online.Controller(steps=10)),
        CANDIDATES,
    ),
    (diffusion.linear, {"steps": 5, "first": 0.01, "last": 0.1}),
    (diffusion.schedule, {"name": "paper", "steps": 20}),
    (diffusion.memorized, {"train": POINTS, "schedule": SCHEDULE}),
    (diffusion.gaussian, {"mean": torch.zeros(2), "covariance": POINTS, "schedule": SCHEDULE}),
    (diffusion.network, {"sizes": SIZES}),
    (diffusion.ddim, {"denoiser": DENOISER, "start": POINTS, "schedule": SCHEDULE}),
    (
        guided,
        {"length": 0.1, "scaling": "unit", "full_jacobian": False},
    ),
    (
        train.AdamW,
        {"steps": 3, "learning_rate": 0.1, "betas": (0.9, 0.99)},
    ),
    (train.cosine, {"steps": 3, "warmup": 0, "floor": 0.0}),
    (partial(train.EpochSampler, seed=0), {"counts": np.ones(3, int)}),
    (train.EpochSampler(np.ones(3, int), 0).batch, {"start": 0, "count": 2}),
]


@pytest.mark.parametrize(("function", "arguments"), KERNELS)
def test_what_is_no_number_of_a_kernel_is_refused(function, arguments):
    function(**arguments)
    for name in arguments:
        for value in NO_NUMBERS:
            with pytest.raises(InputError):
                function(**{**arguments, name: value})
