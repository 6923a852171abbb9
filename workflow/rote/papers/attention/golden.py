"""Values of an independent implementation of the equations, to 8 digits."""

from typing import NamedTuple

import numpy as np

from rote.papers.attention.heads import SPIKES, U, V


class GoldenHead(NamedTuple):
    """Attention at one ridge."""

    f: str
    c: float  # dimensions per token
    mu: np.ndarray  # (3,), as the weights
    w_key: np.ndarray
    w_query: np.ndarray
    gamma: float  # ridge
    diag: str
    error: float
    h_uu: float  # trace of the resolvent


class GoldenRidge(NamedTuple):
    """Ridge regression on the raw tokens."""

    c: float
    mu2: float
    gamma: float
    error: float


ZERO = np.zeros(3)
KEY, QUERY = SPIKES["mixed"]
GOLDEN = [  # f, c, μ, w_K, w_Q, γ, diagonal, E, h_uu
    GoldenHead("tanh", 4, ZERO, ZERO, ZERO, 1e-2, "zero", 0.08106308, 15.61588362),
    GoldenHead("tanh", 4, 2 * U, ZERO, ZERO, 1, "zero", 0.22905133, 0.78691926),
    GoldenHead("tanh", 4, 2 * U, U, U, 1, "zero", 0.15692846, 0.78691926),
    GoldenHead("tanh", 4, 2 * U, U, U, 1e-5, "zero", 0.00059428, 504.26863058),
    GoldenHead("tanh", 0.25, U, U, U, 1e-5, "zero", 0.37605715, 75001.00762593),
    GoldenHead("tanh", 0.25, U, U, U, 1, "zero", 0.41113793, 0.84953443),
    GoldenHead("exp_clip", 2, 1.4 * U, KEY, QUERY, 0.1, "zero", 0.06194675, 2.62943160),
    GoldenHead("linear", 0.5, ZERO, ZERO, ZERO, 0.1, "zero", 0.62668533, 6.80047838),
    GoldenHead("linear", 2, ZERO, ZERO, ZERO, 0.1, "keep", 0.16653120, 2.55735592),
    GoldenHead("relu_c", 1, U, U, -0.7 * U, 0.1, "zero", 0.39417032, 5.72956336),
    GoldenHead("cos_c", 4, 2 * U, U, U, 1, "zero", 0.75434316, 0.85810556),
    GoldenHead("sign", 0.5, np.sqrt(2) * U, V, V, 10, "zero", 0.34049677, 0.09042052),
]
GOLDEN_RIDGE = [  # c, ||μ||², γ, E
    GoldenRidge(4, 1, 1, 0.0476773308),
    GoldenRidge(4, 0, 0.1, 0.0013314104),
    GoldenRidge(0.25, 1, 1e-5, 0.3750000000),
    GoldenRidge(0.25, 1, 1, 0.4662217259),
    GoldenRidge(1, 1, 1e-5, 0.0007905704),
]
