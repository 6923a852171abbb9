"""The numbers that theory alone decides: one function per check.

Each returns the statistic of a claim under every condition. The labels C1 to C10 are those of
`statistics`.
"""

from collections.abc import Callable
from itertools import combinations, pairwise, product
from typing import NamedTuple

import numpy as np
import pandas as pd

from rote.core import tables
from rote.papers.attention import schema
from rote.papers.attention.heads import (
    SPIKES,
    STRUCTURES,
    Structure,
    U,
    V,
    aligned_spike,
    error,
    lookalikes,
)
from rote.theory import attention
from rote.theory.attention import variants
from rote.theory.attention.activation import Nonlinearity

Values = dict[str, float]  # condition -> statistic
ORDER = ("aligned", "query only", "none", "key only", "anti")  # spikes by their error
ALIGNED = STRUCTURES["aligned"]


def checks() -> pd.DataFrame:
    """Every check under every condition: the table AttentionChecks."""
    rows = []
    for name, check in CHECKS.items():
        for condition, value in check().items():
            rows.append({"check": name, "condition": condition, "value": float(value)})
    return tables.frame(schema.AttentionChecks, rows)


def crossings(gamma: np.ndarray, gap: np.ndarray) -> np.ndarray:
    """Where a gap (γ,) changes sign, by interpolation in log γ."""
    index = np.flatnonzero(np.sign(gap[:-1]) * np.sign(gap[1:]) < 0)
    fraction = gap[index] / (gap[index] - gap[index + 1])
    return np.exp(np.log(gamma[index]) + fraction * np.diff(np.log(gamma))[index])


def gap(
    gamma: np.ndarray, c: float, f: Nonlinearity = "tanh", structure: Structure = Structure()
) -> np.ndarray:
    """E of attention minus that of ridge regression on the raw tokens, (γ,)."""
    return error(gamma, c, f, structure).error - attention.ridge_error(gamma, c, structure.mu2)


# ---- the equations


class GoldenHead(NamedTuple):
    """A value of an independent implementation."""

    f: str
    c: float
    mu: np.ndarray
    w_key: np.ndarray
    w_query: np.ndarray
    gamma: float
    diag: str
    error: float
    h_uu: float


class GoldenRidge(NamedTuple):
    """The same for ridge regression on the raw tokens."""

    c: float
    mu2: float
    gamma: float
    error: float


ZERO = np.zeros(3)
MIXED = SPIKES["mixed"]
GOLDEN = [
    GoldenHead(
        f="tanh",
        c=4,
        mu=ZERO,
        w_key=ZERO,
        w_query=ZERO,
        gamma=1e-2,
        diag="zero",
        error=0.08106308,
        h_uu=15.61588362,
    ),
    GoldenHead(
        f="tanh",
        c=4,
        mu=2 * U,
        w_key=ZERO,
        w_query=ZERO,
        gamma=1,
        diag="zero",
        error=0.22905133,
        h_uu=0.78691926,
    ),
    GoldenHead(
        f="tanh",
        c=4,
        mu=2 * U,
        w_key=U,
        w_query=U,
        gamma=1,
        diag="zero",
        error=0.15692846,
        h_uu=0.78691926,
    ),
    GoldenHead(
        f="tanh",
        c=4,
        mu=2 * U,
        w_key=U,
        w_query=U,
        gamma=1e-5,
        diag="zero",
        error=0.00059428,
        h_uu=504.26863058,
    ),
    GoldenHead(
        f="tanh",
        c=0.25,
        mu=U,
        w_key=U,
        w_query=U,
        gamma=1e-5,
        diag="zero",
        error=0.37605715,
        h_uu=75001.00762593,
    ),
    GoldenHead(
        f="tanh",
        c=0.25,
        mu=U,
        w_key=U,
        w_query=U,
        gamma=1,
        diag="zero",
        error=0.41113793,
        h_uu=0.84953443,
    ),
    GoldenHead(
        f="exp_clip",
        c=2,
        mu=1.4 * U,
        w_key=MIXED[0],
        w_query=MIXED[1],
        gamma=0.1,
        diag="zero",
        error=0.06194675,
        h_uu=2.62943160,
    ),
    GoldenHead(
        f="linear",
        c=0.5,
        mu=ZERO,
        w_key=ZERO,
        w_query=ZERO,
        gamma=0.1,
        diag="zero",
        error=0.62668533,
        h_uu=6.80047838,
    ),
    GoldenHead(
        f="linear",
        c=2,
        mu=ZERO,
        w_key=ZERO,
        w_query=ZERO,
        gamma=0.1,
        diag="keep",
        error=0.16653120,
        h_uu=2.55735592,
    ),
    GoldenHead(
        f="relu_c",
        c=1,
        mu=U,
        w_key=U,
        w_query=-0.7 * U,
        gamma=0.1,
        diag="zero",
        error=0.39417032,
        h_uu=5.72956336,
    ),
    GoldenHead(
        f="cos_c",
        c=4,
        mu=2 * U,
        w_key=U,
        w_query=U,
        gamma=1,
        diag="zero",
        error=0.75434316,
        h_uu=0.85810556,
    ),
    GoldenHead(
        f="sign",
        c=0.5,
        mu=np.sqrt(2) * U,
        w_key=V,
        w_query=V,
        gamma=10,
        diag="zero",
        error=0.34049677,
        h_uu=0.09042052,
    ),
]
GOLDEN_RIDGE = [
    GoldenRidge(4, 1, 1, 0.0476773308),
    GoldenRidge(4, 0, 0.1, 0.0013314104),
    GoldenRidge(0.25, 1, 1e-5, 0.3750000000),
    GoldenRidge(0.25, 1, 1, 0.4662217259),
    GoldenRidge(1, 1, 1e-5, 0.0007905704),
]


def reference() -> Values:
    """Largest distance of E and h_uu from the golden values."""
    values = {}
    for row in GOLDEN:
        vectors = {"mu": row.mu, "w_key": row.w_key, "w_query": row.w_query}
        s = attention.memorization_error(row.gamma, row.c, row.f, diag=row.diag, **vectors)
        distance = abs(float(s.error) - row.error)
        trace_distance = abs(float(s.h_uu) - row.h_uu) / max(1.0, row.h_uu)
        count = sum(vector.any() for vector in vectors.values())
        name = f"{row.f}, c = {row.c:g}, γ = {row.gamma:g}, {count} vectors"
        values[name] = max(distance, trace_distance)
    for golden in GOLDEN_RIDGE:
        name = f"ridge, c = {golden.c:g}, ||μ||² = {golden.mu2:g}, γ = {golden.gamma:g}"
        ridge = float(attention.ridge_error(golden.gamma, golden.c, golden.mu2))
        values[name] = abs(ridge - golden.error)
    return values


def linear_limit() -> Values:
    """|E − an integral over the Marchenko–Pastur law|, linear attention on noise."""
    values = {}
    for c, gamma in product((0.25, 0.5, 1.0, 2.0, 4.0), (1e-3, 1.0)):
        distance = abs(float(error(gamma, c, "linear").error) - _linear_attention(gamma, c))
        values[f"c = {c:g}, γ = {gamma:g}"] = distance
    return values


def _linear_attention(gamma: float, c: float) -> float:
    """E of f(t) = t with zero diagonal on noise, straight from the Marchenko–Pastur law."""
    count = 20_000
    a, b = (1 - np.sqrt(c)) ** 2, (1 + np.sqrt(c)) ** 2
    # x = middle − half cos(angle): periodic, so midpoints converge fast
    angle = np.pi * (np.arange(count) + 0.5) / count
    half = (b - a) / 2
    x = (a + b) / 2 - half * np.cos(angle)
    density = half * np.sin(angle) / (2 * np.pi * x) * half * np.sin(angle) * np.pi / count
    return max(0.0, 1 - c) + float(((gamma / (gamma + (x / c - 1) ** 2 * x)) ** 2 * density).sum())


def complex_step() -> Values:
    """Largest |difference| of E by a complex step and by a linear solve."""
    gamma = np.geomspace(1e-4, 1e3, 141)[60:]
    one = variants.heads_error(gamma, 4.0, ["tanh"], mu=2 * U, w_keys=[U], w_queries=[U])
    return {"one head": np.abs(one - error(gamma, 4.0, "tanh", ALIGNED).error).max()}


# ---- C1-C4: random inputs


def worse_on_noise() -> Values:
    """C1: smallest gap to ridge regression over γ, c = 4."""
    return {"c = 4": gap(np.geomspace(1e-4, 1e3, 141), 4.0).min()}


def _flips() -> np.ndarray:
    gamma = np.geomspace(1e-4, 1e3, 141)
    return crossings(gamma, gap(gamma, 0.25))


def flip_count() -> Values:
    """C2: how often the gap changes sign over γ, c = 1/4."""
    return {"c = 0.25": len(_flips())}


def flip_at() -> Values:
    """C2: γ at which it does."""
    return {"c = 0.25": _flips()[0]}


def worse_at_equal_power() -> Values:
    """C3: smallest gap at equal feature power over c and γ."""
    gamma = np.geomspace(1e-4, 1e3, 29)
    values = {}
    for f in ("linear", "tanh", "relu_c", "sign", "cubic", "exp_clip", "cos_c"):
        smallest = np.inf
        for c in (0.1, 0.25, 0.5, 0.9, 1.1, 2.0, 4.0, 10.0):
            scaled = error(attention.equal_power(c, f) * gamma, c, f).error
            smallest = min(smallest, (scaled - attention.ridge_error(gamma, c)).min())
        values[f] = smallest
    return values


SMALL = np.array([1e-7, 1e-6])  # ridges at which an exponent is read off
OVERCOMPLETE = (1.5, 2.0, 4.0, 8.0)  # p/n


def _exponent(errors: np.ndarray) -> float:
    return np.log(errors[1] / errors[0]) / np.log(10)


def ridgeless_exponent() -> Values:
    """C4: log-log slope of E as γ → 0 at the c where it is furthest from 1/2."""
    values = {}
    for f in ("linear", "tanh", "relu_c", "sign", "cubic", "exp_c", "exp_clip", "cos_c"):
        slopes = [_exponent(error(SMALL, c, f).error) for c in OVERCOMPLETE]
        values[f] = max(slopes, key=lambda slope: abs(slope - 0.5))
    return values


def ridgeless_exponent_ridge() -> Values:
    """C4: the same slope of ridge regression."""
    return {f"c = {c:g}": _exponent(attention.ridge_error(SMALL, c)) for c in OVERCOMPLETE}


# ---- C5-C7: alignment


def _with_spike(name: str) -> float:
    """E of tanh at c = 4, ||μ||² = 4, γ = 1."""
    return float(error(1.0, 4.0, "tanh", Structure(4.0, SPIKES[name])).error)


def alignment_order() -> Values:
    """C5: smallest step of the order of the spikes by their errors."""
    return {"smallest step": min(_with_spike(b) - _with_spike(a) for a, b in pairwise(ORDER))}


def orthogonal_spike() -> Values:
    """C5: |E without a spike − with one orthogonal to the signal|."""
    return {"γ = 1": abs(_with_spike("none") - _with_spike("orthogonal"))}


FINE = np.geomspace(1e-4, 1e3, 701)
CROSSINGS = {  # c, ||μ||², ω -> γ at which the gap of tanh closes
    (4, 4, 1): 7.077,
    (4, 4, 4): 4.890,
    (4, 1, 4): 17.92,
    (2, 1, 1): 14.18,
    (2, 1, 4): 4.987,
    (0.25, 1, 0): 0.414,
    (0.25, 1, 1): 0.315,
    (0.25, 1, 4): 0.292,
}
NEVER = ((4, 4, 0), (4, 1, 0), (4, 1, 1), (2, 1, 0))  # c, ||μ||², ω


def _aligned_gap(c: float, mu2: float, omega: float) -> np.ndarray:
    return gap(FINE, c, "tanh", Structure(mu2, aligned_spike(omega)))


def gap_crossing() -> Values:
    """C6: γ at which the gap first closes, over its prediction, minus 1."""
    values = {}
    for (c, mu2, omega), predicted in CROSSINGS.items():
        gammas = crossings(FINE, _aligned_gap(c, mu2, omega))
        ratio = gammas[0] / predicted - 1 if len(gammas) else np.inf
        values[f"c = {c:g}, ||μ||² = {mu2}, ω = {omega}"] = ratio
    return values


def gap_never_closes() -> Values:
    """C6: smallest gap over γ where it never closes."""
    return {
        f"c = {c:g}, ||μ||² = {mu2}, ω = {omega}": _aligned_gap(c, mu2, omega).min()
        for c, mu2, omega in NEVER
    }


def _ridgeless_gap(f: str, spike: str) -> float:
    """Gap at γ = 1e-5, c = 1/4, ||μ||² = 1."""
    structure = Structure(1.0, SPIKES[spike])
    return float(gap(1e-5, 0.25, f, structure))


def ridgeless_gap() -> Values:
    """C7: smaller gap of those without a spike and with an aligned one."""
    return {
        f: min(_ridgeless_gap(f, "none"), _ridgeless_gap(f, "aligned"))
        for f in ("tanh", "exp_clip", "linear")
    }


def ridgeless_gap_shrinks() -> Values:
    """C7: gap with an aligned spike over that without."""
    return {
        f: _ridgeless_gap(f, "aligned") / _ridgeless_gap(f, "none") for f in ("tanh", "exp_clip")
    }


# ---- C9, C10: what of f matters


def lookalikes_distance() -> Values:
    """C9: largest |difference| of E between functions with one a1 and ν."""
    gamma = np.array([1.0, 10.0])
    errors = [error(gamma, 4.0, f, ALIGNED).error for f in lookalikes().values()]
    return {"largest difference": max(np.abs(a - b).max() for a, b in combinations(errors, 2))}


def structure_blind() -> Values:
    """C10: range of E of cos over signals and spikes."""
    errors = [
        error(1.0, 4.0, "cos_c", Structure(mu2, spike)).error
        for mu2, spike in product((0.0, 1.0, 4.0), SPIKES.values())
    ]
    return {"spread": np.ptp(errors)}


def cosine_is_worse() -> Values:
    """C10: smallest E of cos minus E of tanh over γ, aligned."""
    gamma = np.geomspace(1e-4, 10, 41)
    cosine, tanh = (error(gamma, 4.0, f, ALIGNED).error for f in ("cos_c", "tanh"))
    return {"c = 4, aligned": (cosine - tanh).min()}


CHECKS: dict[str, Callable[[], Values]] = {
    "reference": reference,
    "linear_limit": linear_limit,
    "complex_step": complex_step,
    "worse_on_noise": worse_on_noise,
    "flip_count": flip_count,
    "flip_at": flip_at,
    "worse_at_equal_power": worse_at_equal_power,
    "ridgeless_exponent": ridgeless_exponent,
    "ridgeless_exponent_ridge": ridgeless_exponent_ridge,
    "alignment_order": alignment_order,
    "orthogonal_spike": orthogonal_spike,
    "gap_crossing": gap_crossing,
    "gap_never_closes": gap_never_closes,
    "ridgeless_gap": ridgeless_gap,
    "ridgeless_gap_shrinks": ridgeless_gap_shrinks,
    "lookalikes": lookalikes_distance,
    "structure_blind": structure_blind,
    "cosine_is_worse": cosine_is_worse,
}
