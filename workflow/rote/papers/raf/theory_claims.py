"""The claims that theory alone decides: one function each, under the claim's name.

Each returns the claim's statistic under every condition. The labels 4.4 to 4.19 are those of
`statistics`.
"""

from functools import cache
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import special

from rote.core import tables
from rote.ledger import TheoryClaims
from rote.papers.raf import schema, settings
from rote.papers.raf.curves import ALPHA, LOSSES, ridges
from rote.papers.raf.golden import GOLDEN
from rote.theory import raf

EPS = 0.1
FRACTIONS = (0.1, 0.3)  # of facts, in the checks on large α
ALPHAS = (0.5, 2.0, 8.0)
THEORY = TheoryClaims()
Numbers = dict[str, float]  # condition -> statistic


def checks(options: settings.RafTheory) -> pd.DataFrame:
    """Every claim under every condition: the table RafChecks."""
    return tables.frame(schema.RafChecks, THEORY.rows(options))


# ---- 4.4: the optimal ridge

LEARNERS = {"linear": (1.0, 0.0), "ReLU": raf.KERNELS["relu"].geometry}  # (μ1, μ⋆)
STEPS = 20  # of the grid on either side of the closed form


@cache
def _around_optimum(learner: str, alpha: float) -> np.ndarray:
    """E_gen of the iterated solution on a grid of λ around the closed form, (2 STEPS + 1,)."""
    mu1, mustar = LEARNERS[learner]
    lams = raf.optimal_ridge(EPS, mu1, mustar) * np.exp(np.linspace(-0.2, 0.2, 2 * STEPS + 1))
    return raf.solve(
        "square",
        alpha,
        EPS,
        lams,
        mu1=mu1,
        mustar=mustar,
        closed_form=False,
        tolerance=1e-13,
    ).e_gen


@THEORY.claim
def lambda_opt() -> Numbers:
    """4.4: grid steps between λ_opt and the argmin of the iterated solution."""
    values = {}
    for learner in LEARNERS:
        for alpha in ALPHAS:
            steps = abs(int(np.argmin(_around_optimum(learner, alpha))) - STEPS)
            values[f"{learner}, alpha = {alpha:g}"] = steps
    return values


@THEORY.claim
def lambda_opt_value() -> Numbers:
    """4.4: |E_gen iterated − closed form| at λ_opt."""
    values = {}
    for learner, (mu1, mustar) in LEARNERS.items():
        lam = float(raf.optimal_ridge(EPS, mu1, mustar))
        for alpha in ALPHAS:
            closed = raf.solve("square", alpha, EPS, lam, mu1=mu1, mustar=mustar).e_gen
            distance = abs(_around_optimum(learner, alpha)[STEPS] - closed)
            values[f"{learner}, alpha = {alpha:g}"] = distance
    return values


# ---- 4.5: the interpolator at the optimal angle


def _interpolator(alpha: float) -> raf.Solution:
    return raf.solve("square", alpha, EPS, 0.0, gamma=float(raf.optimal_angle(EPS)))


@THEORY.claim
def gamma_opt_gen() -> Numbers:
    """4.5: E_gen of the interpolator at γ_opt minus the square-loss optimum."""
    values = {}
    for alpha in ALPHAS:
        B = alpha + np.pi / (2 * (1 - EPS) ** 2)
        optimum = np.arccos(np.sqrt(2 * alpha / (B + np.sqrt(B**2 - 4 * alpha)))) / np.pi
        values[f"alpha = {alpha:g}"] = _interpolator(alpha).e_gen - optimum
    return values


@THEORY.claim
def gamma_opt_mem() -> Numbers:
    """4.5: E_mem there."""
    return {f"alpha = {alpha:g}": _interpolator(alpha).e_mem for alpha in ALPHAS}


# ---- 4.6: a linear learner beyond its capacity


def _linear_path(loss: str, options: settings.RafTheory) -> raf.Solution:
    return raf.solve(loss, ALPHA, EPS, ridges(options), gamma=0.0, tolerance=1e-8)


@THEORY.claim_at
def linear_tradeoff(options: settings.RafTheory) -> Numbers:
    """4.6: smallest E_mem of a linear learner over λ, α = 4, ε = 0.1."""
    return {loss: np.nanmin(_linear_path(loss, options).e_mem) for loss in LOSSES}


@THEORY.claim_at
def linear_tradeoff_at_best(options: settings.RafTheory) -> Numbers:
    """4.6: its E_mem at the λ that generalizes best."""
    values = {}
    for loss in LOSSES:
        path = _linear_path(loss, options)
        values[loss] = path.e_mem[np.nanargmin(path.e_gen)]
    return values


# ---- 4.7: what hinge gains, and pays


def _best_at_45(loss: str, options: settings.RafTheory) -> tuple[float, float]:
    """E_gen and E_mem at the best ridge, γ = 45°."""
    path = raf.solve(loss, ALPHA, EPS, ridges(options), gamma=45.0)
    best = np.nanargmin(path.e_gen)
    return path.e_gen[best], path.e_mem[best]


@THEORY.claim_at
def hinge_tradeoff(options: settings.RafTheory) -> Numbers:
    """4.7: best E_gen of square minus that of hinge, α = 4, ε = 0.1, γ = 45°."""
    square, hinge = (_best_at_45(loss, options)[0] for loss in LOSSES)
    return {"": square - hinge}


@THEORY.claim_at
def hinge_tradeoff_memory(options: settings.RafTheory) -> Numbers:
    """4.7: E_mem of hinge at its best λ."""
    return {"": _best_at_45("hinge", options)[1]}


@THEORY.claim_at
def hinge_interpolator(options: settings.RafTheory) -> Numbers:
    """4.7b: the same gain among learners without memory error, over angles and ridges."""
    gammas = np.linspace(1, 85, 169)[:, None]
    lams = np.r_[0.0, ridges(options)]
    best = []
    for loss in LOSSES:
        s = raf.solve(loss, ALPHA, EPS, lams, gamma=gammas, tolerance=1e-8)
        best.append(np.nanmin(np.where(s.e_mem <= 1e-6, s.e_gen, np.nan)))
    square, hinge = best
    return {"": square - hinge}


# ---- 4.8-4.12: large α


class HingeRegime(NamedTuple):
    """A hinge learner as α grows."""

    lam: float
    gamma: float
    v_star: float  # μ⋆²/λ


HINGE_REGIMES = {
    "hard margin, 45°": HingeRegime(0.0, 45.0, np.inf),
    "45°, λ = 0.5": HingeRegime(0.5, 45.0, 1.0),
    "30°, λ = 0.75": HingeRegime(0.75, 30.0, 1 / 3),
    "linear, λ = 1": HingeRegime(1.0, 0.0, 0.0),
}


@cache
def _large_hinge(eps: float, regime: HingeRegime) -> raf.Solution:
    """At α = 1e4 and 1e5."""
    return raf.solve("hinge", np.array([1e4, 1e5]), eps, regime.lam, gamma=regime.gamma)


@THEORY.claim
def rate_square() -> Numbers:
    """4.8: √α E_gen at α = 1e5 over its limit, minus 1."""
    values = {}
    for eps in FRACTIONS:
        s = raf.solve("square", 1e5, eps, 0.0, gamma=float(raf.optimal_angle(eps)))
        values[f"eps = {eps:g}"] = s.e_gen * np.sqrt(1e5) / raf.square_rate(eps) - 1
    return values


@THEORY.claim
def rate_hinge() -> Numbers:
    """4.9: log-log slope of E_gen between α = 1e4 and 1e5."""
    values = {}
    for eps in FRACTIONS:
        for name, regime in HINGE_REGIMES.items():
            e_gen = _large_hinge(eps, regime).e_gen
            values[f"{name}, eps = {eps:g}"] = np.diff(np.log(e_gen))[0] / np.log(10)
    return values


@THEORY.claim
def rate_hinge_prefactor() -> Numbers:
    """4.10: √α E_gen at α = 1e5 over the derived prefactor, minus 1."""
    values = {}
    for eps in FRACTIONS:
        for name, regime in HINGE_REGIMES.items():
            rate = _large_hinge(eps, regime).e_gen[1] * np.sqrt(1e5)
            limit = raf.hinge_limit(eps, regime.v_star).rate
            values[f"{name}, eps = {eps:g}"] = rate / limit - 1
    return values


@THEORY.claim
def rate_bayes() -> Numbers:
    """4.11: α E_gen at α = 1e4 over its limit, minus 1."""
    values = {}
    for eps in FRACTIONS:
        rate = raf.bayes_optimal(1e4, eps) * 1e4
        values[f"eps = {eps:g}"] = rate / raf.bayes_rate(eps) - 1
    return values


@THEORY.claim
def memory_limit() -> Numbers:
    """4.12: E_mem at α = 1e5 minus its limit, where that is neither 0 nor 1/2."""
    values = {}
    for eps in FRACTIONS:
        for name, regime in HINGE_REGIMES.items():
            if 0 < regime.v_star < np.inf:
                limit = raf.hinge_limit(eps, regime.v_star).e_mem
                e_mem = _large_hinge(eps, regime).e_mem[1]
                values[f"hinge, {name}, eps = {eps:g}"] = e_mem - limit
        c = (1 - eps) * np.sqrt(2 / np.pi)
        s = raf.solve("square", 1e5, eps, 0.5, mu1=0.8, mustar=0.6)
        limit = special.erfc(0.36 / (0.5 * c * np.sqrt(2))) / 2
        values[f"square, eps = {eps:g}"] = s.e_mem - limit
    return values


# ---- 4.15-4.19


@THEORY.claim
def features_limit() -> Numbers:
    """4.15: |E_gen at κ = 1e4 − kernel limit|."""
    values = {}
    for loss in LOSSES:
        wide, limit = (
            raf.solve(loss, ALPHA, EPS, 0.1, kernel="sign", kappa=kappa).e_gen
            for kappa in (1e4, None)
        )
        values[loss] = abs(wide - limit)
    return values


@THEORY.claim
def bayes_bound() -> Numbers:
    """4.17: smallest E_gen − E_Bayes over a grid of α, ε, λ and γ."""
    alpha = np.geomspace(0.1, 100, 31)[:, None, None, None]
    eps = np.array([0.05, 0.1, 0.3, 0.6])[:, None, None]
    gamma = np.linspace(0, 75, 7)[:, None]
    lams = np.geomspace(1e-3, 10, 9)
    bayes = raf.bayes_optimal(alpha, eps)
    values = {}
    for loss in LOSSES:
        e_gen = raf.solve(loss, alpha, eps, lams, gamma=gamma, tolerance=1e-8).e_gen
        values[loss] = np.nanmin(e_gen - bayes)
    return values


@THEORY.claim
def reference() -> Numbers:
    """4.19: larger distance of the two errors from the golden values."""
    values = {}
    for number, row in enumerate(GOLDEN):
        s = raf.solve(row.loss, row.alpha, row.eps, row.lam, mu1=row.mu1, mustar=row.mustar)
        distance = max(abs(s.e_gen - row.e_gen), abs(s.e_mem - row.e_mem))
        values[f"{row.loss} {number}"] = distance
    return values
