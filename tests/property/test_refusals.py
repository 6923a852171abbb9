"""Public functions of the theories refuse what is no number, not finite or of another kind."""

import numpy as np
import pytest
from rote.core.errors import InputError
from rote.theory import attention, minnorm, raf
from rote.theory.attention import variants

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
    variants.strong_signal_error: {**POINT, "p": 10, "vectors": attention.Vectors([1.0])},
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
