"""The claims that theory alone decides: one function each, under the claim's name.

Each returns the claim's statistic under every condition. The labels C1 to C10 are those of
`statistics`.
"""

from collections.abc import Callable
from itertools import pairwise, product

import numpy as np
import pandas as pd

from rote.core import tables
from rote.ledger import TheoryClaims
from rote.papers.attention import schema
from rote.papers.attention.golden import GOLDEN, GOLDEN_RIDGE
from rote.papers.attention.heads import (
    FUNCTIONS,
    SPIKES,
    STRUCTURES,
    Structure,
    aligned_spike,
    error,
)
from rote.theory import attention
from rote.theory.attention.activation import Nonlinearity

THEORY = TheoryClaims()
Numbers = dict[str, float]  # condition -> statistic
ORDER = ("aligned", "query only", "none", "key only", "anti")  # spikes by their error
ALIGNED = STRUCTURES["aligned"]
RIDGES = np.geomspace(1e-4, 1e3, 141)


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


def golden_distances(prefactor: Callable[[float], float]) -> Numbers:
    """Largest distance of E and h_uu from the golden values.

    Args:
        prefactor: what multiplies φ' in E = -prefactor φ', a function of γ; γ² by the algebra.
    """
    values = {}
    for row in GOLDEN:
        vectors = attention.Vectors(row.mu, row.w_key, row.w_query)
        s = attention.memorization_error(row.gamma, row.c, row.f, vectors, row.diag)
        solved = float(s.error) * prefactor(row.gamma) / row.gamma**2
        trace_distance = abs(float(s.h_uu) - row.h_uu) / max(1.0, row.h_uu)
        count = sum(vector.any() for vector in (row.mu, row.w_key, row.w_query))
        name = f"{row.f}, c = {row.c:g}, γ = {row.gamma:g}, {count} vectors"
        values[name] = max(abs(solved - row.error), trace_distance)
    for golden in GOLDEN_RIDGE:
        name = f"ridge, c = {golden.c:g}, ||μ||² = {golden.mu2:g}, γ = {golden.gamma:g}"
        ridge = float(attention.ridge_error(golden.gamma, golden.c, golden.mu2))
        solved = ridge * prefactor(golden.gamma) / golden.gamma**2
        values[name] = abs(solved - golden.error)
    return values


@THEORY.claim
def reference() -> Numbers:
    """Largest distance of E and h_uu from the golden values."""
    return golden_distances(lambda gamma: gamma**2)


# ---- C1-C4: random inputs


@THEORY.claim
def worse_on_noise() -> Numbers:
    """C1: smallest gap to ridge regression over γ, tanh, c = 4."""
    return {"tanh, c = 4": float(gap(RIDGES, 4.0).min())}


def flips(c: float) -> np.ndarray:
    """C2: γ at which the gap of tanh on noise changes sign, (changes,)."""
    return crossings(RIDGES, gap(RIDGES, c))


@THEORY.claim
def flip_count() -> Numbers:
    """C2: how often the gap changes sign over γ, c = 1/4."""
    return {"c = 0.25": len(flips(0.25))}


@THEORY.claim
def flip_at() -> Numbers:
    """C2: γ at which it does."""
    return {"c = 0.25": float(flips(0.25)[0])}


@THEORY.claim
def equal_power() -> Numbers:
    """C3: smallest gap at equal feature power over c and γ, every nonlinearity.

    Both errors have the same limits as γ → 0 (for c < 1) and γ → ∞.
    """
    gamma = np.geomspace(0.1, 10, 29)
    values = {}
    for f in FUNCTIONS:
        smallest = np.inf
        for c in (0.1, 0.25, 0.5, 0.9, 1.1, 2.0, 4.0, 10.0):
            scaled = error(attention.equal_power(c, f) * gamma, c, f).error
            smallest = min(smallest, (scaled - attention.ridge_error(gamma, c)).min())
        values[f] = smallest
    return values


SMALL_RIDGES = np.array([1e-7, 1e-6])  # ridges at which an exponent is read off
OVERCOMPLETE = (1.5, 2.0, 4.0, 8.0)  # p/n


def _exponent(errors: np.ndarray) -> float:
    return float(np.log(errors[1] / errors[0]) / np.log(10))


@THEORY.claim
def ridgeless_exponent() -> Numbers:
    """C4: log-log slope of E as γ → 0 on noise, every nonlinearity."""
    return {
        f"{f}, c = {c:g}": _exponent(error(SMALL_RIDGES, c, f).error)
        for f, c in product(FUNCTIONS, OVERCOMPLETE)
    }


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
    """C5: steps of the order of the spikes by their errors."""
    return {f"{b} − {a}": _with_spike(b) - _with_spike(a) for a, b in pairwise(ORDER)}


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


def _aligned_gap(f: str, c: float, mu2: float, omega: float) -> np.ndarray:
    return gap(FINE_RIDGES, c, f, Structure(mu2, aligned_spike(omega)))


def crossing_distances(f: str) -> Numbers:
    """C6: γ at which the gap of f first closes, over its prediction for tanh, minus 1."""
    values = {}
    for (c, mu2, omega), predicted in CROSSINGS.items():
        gammas = crossings(FINE_RIDGES, _aligned_gap(f, c, mu2, omega))
        distance = float(gammas[0]) / predicted - 1 if len(gammas) else np.inf
        values[f"c = {c:g}, ||μ||² = {mu2}, ω = {omega}"] = distance
    return values


@THEORY.claim
def gap_crossing() -> Numbers:
    """C6: γ at which the gap first closes, over its prediction, minus 1."""
    return crossing_distances("tanh")


@THEORY.claim
def gap_stays_open() -> Numbers:
    """C6: smallest gap over γ at the four settings whose prediction is that it never closes."""
    return {
        f"c = {c:g}, ||μ||² = {mu2}, ω = {omega}": float(_aligned_gap("tanh", c, mu2, omega).min())
        for c, mu2, omega in UNCLOSED
    }


RIDGELESS_SIGNALS = (0.5, 1.0, 2.0, 4.0, 16.0)  # ||μ||², as in the paper's Figure 1c


def _ridgeless_gaps(f: str, spike: str) -> np.ndarray:
    """E / E(ridge) − 1 at γ = 1e-5, c = 1/4, over the signals, (signals,)."""
    structures = [Structure(mu2, SPIKES[spike]) for mu2 in RIDGELESS_SIGNALS]
    gaps = [float(gap(1e-5, 0.25, f, structure)) for structure in structures]
    return gaps / attention.ridge_error(1e-5, 0.25, np.array(RIDGELESS_SIGNALS))


@THEORY.claim
def ridgeless_gap() -> Numbers:
    """C7: smallest E / E(ridge) − 1 over the signals, no spike and an aligned one.

    Every function but the linear one, whose error is that of ridge regression here.
    """
    return {
        f"{f}, {spike}": float(_ridgeless_gaps(f, spike).min())
        for f, spike in product(FUNCTIONS, ("none", "aligned"))
        if f != "linear"
    }


def gap_shares(spike: str) -> Numbers:
    """C7: largest share of the gap that a spike leaves over the signals.

    For every nonlinear function with a linear part.

    Args:
        spike: its name.
    """
    values = {}
    for f in FUNCTIONS:
        if f != "linear" and abs(attention.moments(f).a1) > 1e-6:
            left = _ridgeless_gaps(f, spike) / _ridgeless_gaps(f, "none")
            values[f] = float(left.max())
    return values


@THEORY.claim
def ridgeless_gap_shrinks() -> Numbers:
    """C7: largest gap with an aligned spike over that without."""
    return gap_shares("aligned")


# ---- both findings by every standard of comparison: equal ridge, power, degrees of freedom

ALONE = Structure(8.0)  # a signal without a spike
COMPARED = ("tanh", "relu_c", "sign", "exp_clip")
STANDARD_RIDGES = np.geomspace(0.1, 100, 16)
ORDINARY = (0.5, 1.1, 4.0)  # p/n


def matched_gap(
    gamma: np.ndarray, c: float, f: Nonlinearity, structure: Structure, standard: str
) -> np.ndarray:
    """The gap where attention has the ridge that a standard gives it, (γ,).

    Args:
        gamma: ridge on the raw tokens, (γ,).
        c, f, structure: as of `gap`.
        standard: of `attention.STANDARDS`.
    """
    matched = attention.matched_ridge(gamma, c, f, standard)
    return error(matched, c, f, structure).error - attention.ridge_error(gamma, c, structure.mu2)


@THEORY.claim
def structure_reverses(structure: Structure = ALONE) -> Numbers:
    """Smallest gap over γ by every standard, a signal without a spike, c = 4."""
    values = {}
    for standard, f in product(attention.STANDARDS, COMPARED):
        gaps = matched_gap(STANDARD_RIDGES, 4.0, f, structure, standard)
        values[f"{f}, equal {standard}"] = float(gaps.min())
    return values


@THEORY.claim
def equal_freedom() -> Numbers:
    """C3: smallest gap on noise at equal degrees of freedom over γ and p/n."""
    gamma = np.geomspace(0.1, 10, 9)
    values = {}
    for f, c in product(COMPARED, ORDINARY):
        gaps = matched_gap(gamma, c, f, Structure(), "freedom")
        values[f"{f}, c = {c:g}"] = float(gaps.min())
    return values


@THEORY.claim
def structure_opens(mu2: float = 0.5) -> Numbers:
    """Gap with a signal minus that on noise, both over E(ridge), c = 1/4, γ = 1e-5."""
    values = {}
    for f in COMPARED:
        gaps = []
        for structure in (Structure(mu2), Structure()):
            ridge = attention.ridge_error(1e-5, 0.25, structure.mu2)
            gaps.append(float(gap(1e-5, 0.25, f, structure) / ridge))
        values[f] = gaps[0] - gaps[1]
    return values


# ---- C10: what of f matters


@THEORY.claim
def cosine_is_worse() -> Numbers:
    """C10: smallest E of cos minus E of tanh over γ ≤ 10, c = 4; also beyond that on noise."""
    gamma = np.geomspace(1e-4, 10, 41)
    gaps = {}
    for name, structure in STRUCTURES.items():
        gaps[name] = error(gamma, 4.0, "cos_c", structure).error
        gaps[name] = gaps[name] - error(gamma, 4.0, "tanh", structure).error
    values = {}
    for name in ("signal", "aligned"):
        values[name] = float(gaps[name].min())
        values[f"{name}, beyond noise"] = float((gaps[name] - gaps["no signal"]).min())
    return values
