"""The claims that theory alone decides: one function each, under the claim's name.

Each returns the claim's statistic under every condition. The labels C1 to C10 are those of
`statistics`.
"""

from itertools import combinations, pairwise, product

import numpy as np
import pandas as pd

from rote.core import tables
from rote.ledger import TheoryClaims
from rote.papers.attention import schema
from rote.papers.attention.golden import GOLDEN, GOLDEN_RIDGE
from rote.papers.attention.heads import (
    SPIKES,
    STRUCTURES,
    Structure,
    U,
    aligned_spike,
    error,
    tanh_lookalikes,
)
from rote.theory import attention
from rote.theory.attention import variants
from rote.theory.attention.activation import Nonlinearity

THEORY = TheoryClaims()
Numbers = dict[str, float]  # condition -> statistic
ORDER = ("aligned", "query only", "none", "key only", "anti")  # spikes by their error
ALIGNED = STRUCTURES["aligned"]


def checks() -> pd.DataFrame:
    """Every claim under every condition: the table AttentionChecks."""
    return tables.frame(schema.AttentionChecks, THEORY.rows())


def crossings(gamma: np.ndarray, gap: np.ndarray) -> np.ndarray:
    """Where a gap (γ,) changes sign, by interpolation in log γ."""
    index = np.flatnonzero(np.sign(gap[:-1]) * np.sign(gap[1:]) < 0)
    fraction = gap[index] / (gap[index] - gap[index + 1])
    return np.exp(np.log(gamma[index]) + fraction * np.diff(np.log(gamma))[index])


def gap(
    gamma: np.ndarray, c: float, f: Nonlinearity = "tanh", structure: Structure = Structure()
) -> np.ndarray:
    """E of attention minus that of ridge regression on the raw tokens, (γ,).

    Args:
        gamma: ridge γ > 0, (γ,); the same for both.
        c: dimensions per token p/n.
        f: nonlinearity.
        structure: signal and spike.
    """
    return error(gamma, c, f, structure).error - attention.ridge_error(gamma, c, structure.mu2)


# ---- the equations


@THEORY.claim
def reference() -> Numbers:
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


@THEORY.claim
def linear_limit() -> Numbers:
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


@THEORY.claim
def complex_step() -> Numbers:
    """Largest |difference| of E by a complex step and by a linear solve."""
    gamma = np.geomspace(1e-4, 1e3, 141)[60:]
    one = variants.heads_error(gamma, 4.0, ["tanh"], mu=2 * U, w_keys=[U], w_queries=[U])
    return {"one head": np.abs(one - error(gamma, 4.0, "tanh", ALIGNED).error).max()}


# ---- C1-C4: random inputs


@THEORY.claim
def worse_on_noise() -> Numbers:
    """C1: smallest gap to ridge regression over γ, c = 4."""
    return {"c = 4": gap(np.geomspace(1e-4, 1e3, 141), 4.0).min()}


def _flips() -> np.ndarray:
    gamma = np.geomspace(1e-4, 1e3, 141)
    return crossings(gamma, gap(gamma, 0.25))


@THEORY.claim
def flip_count() -> Numbers:
    """C2: how often the gap changes sign over γ, c = 1/4."""
    return {"c = 0.25": len(_flips())}


@THEORY.claim
def flip_at() -> Numbers:
    """C2: γ at which it does."""
    return {"c = 0.25": _flips()[0]}


@THEORY.claim
def equal_power() -> Numbers:
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


SMALL_RIDGES = np.array([1e-7, 1e-6])  # ridges at which an exponent is read off
OVERCOMPLETE = (1.5, 2.0, 4.0, 8.0)  # p/n


def _exponent(errors: np.ndarray) -> float:
    return np.log(errors[1] / errors[0]) / np.log(10)


@THEORY.claim
def ridgeless_exponent() -> Numbers:
    """C4: log-log slope of E as γ → 0 at the c where it is furthest from 1/2."""
    values = {}
    for f in ("linear", "tanh", "relu_c", "sign", "cubic", "exp_c", "exp_clip", "cos_c"):
        slopes = [_exponent(error(SMALL_RIDGES, c, f).error) for c in OVERCOMPLETE]
        values[f] = max(slopes, key=lambda slope: abs(slope - 0.5))
    return values


@THEORY.claim
def ridgeless_exponent_ridge() -> Numbers:
    """C4: the same slope of ridge regression."""
    return {f"c = {c:g}": _exponent(attention.ridge_error(SMALL_RIDGES, c)) for c in OVERCOMPLETE}


# ---- C5-C7: alignment


def _with_spike(name: str) -> float:
    """E of tanh at c = 4, ||μ||² = 4, γ = 1."""
    return float(error(1.0, 4.0, "tanh", Structure(4.0, SPIKES[name])).error)


@THEORY.claim
def alignment_order() -> Numbers:
    """C5: smallest step of the order of the spikes by their errors."""
    return {"smallest step": min(_with_spike(b) - _with_spike(a) for a, b in pairwise(ORDER))}


@THEORY.claim
def orthogonal() -> Numbers:
    """C5: |E without a spike − with one orthogonal to the signal|."""
    return {"γ = 1": abs(_with_spike("none") - _with_spike("orthogonal"))}


FINE_RIDGES = np.geomspace(1e-4, 1e3, 701)
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
UNCLOSED = ((4, 4, 0), (4, 1, 0), (4, 1, 1), (2, 1, 0))  # c, ||μ||², ω


def _aligned_gap(c: float, mu2: float, omega: float) -> np.ndarray:
    return gap(FINE_RIDGES, c, "tanh", Structure(mu2, aligned_spike(omega)))


@THEORY.claim
def gap_crossing() -> Numbers:
    """C6: γ at which the gap first closes, over its prediction, minus 1."""
    values = {}
    for (c, mu2, omega), predicted in CROSSINGS.items():
        gammas = crossings(FINE_RIDGES, _aligned_gap(c, mu2, omega))
        ratio = gammas[0] / predicted - 1 if len(gammas) else np.inf
        values[f"c = {c:g}, ||μ||² = {mu2}, ω = {omega}"] = ratio
    return values


@THEORY.claim
def gap_never_closes() -> Numbers:
    """C6: smallest gap over γ where it never closes."""
    return {
        f"c = {c:g}, ||μ||² = {mu2}, ω = {omega}": _aligned_gap(c, mu2, omega).min()
        for c, mu2, omega in UNCLOSED
    }


def _ridgeless_gap(f: str, spike: str) -> float:
    """Gap at γ = 1e-5, c = 1/4, ||μ||² = 1."""
    structure = Structure(1.0, SPIKES[spike])
    return float(gap(1e-5, 0.25, f, structure))


@THEORY.claim
def ridgeless_gap() -> Numbers:
    """C7: smaller gap of those without a spike and with an aligned one."""
    return {
        f: min(_ridgeless_gap(f, "none"), _ridgeless_gap(f, "aligned"))
        for f in ("tanh", "exp_clip", "linear")
    }


@THEORY.claim
def ridgeless_gap_shrinks() -> Numbers:
    """C7: gap with an aligned spike over that without."""
    return {
        f: _ridgeless_gap(f, "aligned") / _ridgeless_gap(f, "none") for f in ("tanh", "exp_clip")
    }


# ---- C9, C10: what of f matters


@THEORY.claim
def lookalikes() -> Numbers:
    """C9: largest |difference| of E between functions with one a1 and ν."""
    gamma = np.array([1.0, 10.0])
    errors = [error(gamma, 4.0, f, ALIGNED).error for f in tanh_lookalikes().values()]
    return {"largest difference": max(np.abs(a - b).max() for a, b in combinations(errors, 2))}


@THEORY.claim
def structure_blind() -> Numbers:
    """C10: range of E of cos over signals and spikes."""
    errors = [
        error(1.0, 4.0, "cos_c", Structure(mu2, spike)).error
        for mu2, spike in product((0.0, 1.0, 4.0), SPIKES.values())
    ]
    return {"spread": np.ptp(errors)}


@THEORY.claim
def cosine_is_worse() -> Numbers:
    """C10: smallest E of cos minus E of tanh over γ, aligned."""
    gamma = np.geomspace(1e-4, 10, 41)
    cosine, tanh = (error(gamma, 4.0, f, ALIGNED).error for f in ("cos_c", "tanh"))
    return {"c = 4, aligned": (cosine - tanh).min()}
