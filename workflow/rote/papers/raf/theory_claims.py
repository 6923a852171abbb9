"""The claims that theory alone decides: one function each, under the claim's name.

Each returns the claim's statistic under every condition. What it compares with a computation (a
formula, a learner) is an argument, so that its null can put another one in its place. The labels
4.4 to 4.19 are those of `statistics`.
"""

from collections.abc import Callable
from functools import cache
from itertools import product
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import optimize, special

from rote.core import tables
from rote.ledger import TheoryClaims
from rote.papers.raf import schema, settings
from rote.papers.raf.curves import ALPHA, LOSSES, ridges
from rote.papers.raf.golden import GOLDEN
from rote.theory import raf

EPS = 0.1
FRACTIONS = (0.1, 0.3)  # of facts, in the checks on large α
ALPHAS = (0.5, 2.0, 8.0)
COARSE = raf.Solver(tolerance=1e-8)
THEORY = TheoryClaims()
Numbers = dict[str, float]  # condition -> statistic
Formula = Callable[..., np.ndarray]


def checks(options: settings.RafTheory) -> pd.DataFrame:
    """Every claim under every condition: the table RafChecks."""
    return tables.frame(schema.RafChecks, THEORY.rows(options))


# ---- 4.4: the optimal ridge

LEARNERS = {"linear": raf.Learner(), "ReLU": raf.Learner.of_kernel("relu")}
STEPS = 20  # of the grid on either side of the closed form
STEP = 0.01  # of that grid, in ln λ


def _iterated(alpha: float, lams: np.ndarray, learner: raf.Learner) -> raf.Solution:
    """Square loss at ε = EPS without its closed form: the fixed point, iterated."""
    solver = raf.Solver(tolerance=1e-13, closed_form=False)
    return raf.solve("square", alpha, EPS, lams, learner, solver)


@THEORY.claim
def lambda_opt(ridge: Formula = raf.optimal_ridge) -> Numbers:
    """4.4: grid steps between λ_opt and the argmin of the iterated solution."""
    steps = STEP * np.arange(-STEPS, STEPS + 1)
    values = {}
    for name, learner in LEARNERS.items():
        lams = float(ridge(EPS, learner.mu1, learner.mustar)) * np.exp(steps)
        for alpha in ALPHAS:
            e_gen = _iterated(alpha, lams, learner).e_gen
            values[f"{name}, alpha = {alpha:g}"] = abs(int(np.argmin(e_gen)) - STEPS)
    return values


# ---- 4.5: the interpolator at the optimal angle

GAMMAS = np.linspace(1, 85, 169)  # degrees


@THEORY.claim_at
def gamma_opt_gen(options: settings.RafTheory, angle: Formula = raf.optimal_angle) -> Numbers:
    """4.5: E_gen of the interpolator at γ_opt minus the smallest over angles and ridges.

    Both are iterated; the grid holds interpolators, too.
    """
    lams = np.r_[0.0, ridges(options)]
    angles = raf.Learner.at_angle(GAMMAS[:, None])
    optimal = raf.Learner.at_angle(float(angle(EPS)))
    values = {}
    for alpha in ALPHAS:
        best = np.nanmin(_iterated(alpha, lams, angles).e_gen)
        interpolator = _iterated(alpha, np.array(0.0), optimal)
        values[f"alpha = {alpha:g}"] = float(interpolator.e_gen) - best
    return values


# ---- 4.6: a linear learner beyond its capacity


class LearnerAt(NamedTuple):
    """Where a path over ridges is taken."""

    alpha: float  # samples per dimension
    gamma: float  # kernel angle, degrees


KERNEL = LearnerAt(ALPHA, 45.0)
BEYOND = LearnerAt(ALPHA, 0.0)  # a linear learner at α = 4, beyond α_c = 3.81


def _path(loss: str, options: settings.RafTheory, where: LearnerAt) -> raf.Solution:
    learner = raf.Learner.at_angle(where.gamma)
    return raf.solve(loss, where.alpha, EPS, ridges(options), learner, COARSE)


@THEORY.claim_at
def linear_tradeoff(options: settings.RafTheory, where: LearnerAt = BEYOND) -> Numbers:
    """4.6: smallest E_mem of a linear learner over λ, α = 4, ε = 0.1."""
    return {loss: np.nanmin(_path(loss, options, where).e_mem) for loss in LOSSES}


@THEORY.claim_at
def linear_tradeoff_at_best(options: settings.RafTheory, where: LearnerAt = BEYOND) -> Numbers:
    """4.6: its E_mem at the λ that generalizes best."""
    values = {}
    for loss in LOSSES:
        path = _path(loss, options, where)
        values[loss] = path.e_mem[np.nanargmin(path.e_gen)]
    return values


def _memory_cost(loss: str, options: settings.RafTheory, where: LearnerAt) -> float:
    """E_gen at the λ that forgets least, minus that at the λ that generalizes best."""
    path = _path(loss, options, where)
    return float(path.e_gen[np.nanargmin(path.e_mem)] - np.nanmin(path.e_gen))


@THEORY.claim_at
def linear_tradeoff_cost(options: settings.RafTheory, where: LearnerAt = BEYOND) -> Numbers:
    """4.6: what the λ that forgets least costs it in E_gen, minus what it costs a kernel of 45°."""
    return {
        loss: _memory_cost(loss, options, where) - _memory_cost(loss, options, KERNEL)
        for loss in LOSSES
    }


# ---- 4.7: what hinge gains, and pays

AT_45 = raf.Learner.at_angle(45.0)


@THEORY.claim
def hinge_tradeoff(loss: str = "hinge") -> Numbers:
    """4.7: best E_gen of square minus that of hinge, α = 4, ε = 0.1, γ = 45°."""
    best = [raf.best_ridge(name, ALPHA, EPS, AT_45).e_gen for name in ("square", loss)]
    return {"": float(best[0] - best[1])}


@THEORY.claim
def hinge_tradeoff_memory(loss: str = "hinge") -> Numbers:
    """4.7: E_mem of hinge at its best λ minus that of square at its own."""
    best = [raf.best_ridge(name, ALPHA, EPS, AT_45).e_mem for name in (loss, "square")]
    return {"": float(best[0] - best[1])}


@THEORY.claim_at
def hinge_interpolator(options: settings.RafTheory, loss: str = "hinge") -> Numbers:
    """4.7b: best E_gen of square minus that of hinge where E_mem ≤ 1e-6, over angles and ridges."""
    lams = np.r_[0.0, ridges(options)]
    angles = raf.Learner.at_angle(GAMMAS[:, None])
    best = []
    for name in ("square", loss):
        s = raf.solve(name, ALPHA, EPS, lams, angles, COARSE)
        best.append(np.nanmin(np.where(s.e_mem <= 1e-6, s.e_gen, np.nan)))
    return {"": best[0] - best[1]}


# ---- the best learner that forgets no more than a share of the facts

SEARCHED = {1e-6: 0.15419, 1e-3: 0.15346, 0.01: 0.15081, 0.1: 0.14485, 1.0: 0.14455}  # E_gen


@THEORY.claim
def constrained_optimum(shares: tuple[float, ...] = tuple(SEARCHED)) -> Numbers:
    """6.1: best hinge E_gen over angles and ridges with E_mem up to a share, minus a search's.

    Args:
        shares: allowed in the place of each share.
    """
    best = raf.best_kernel("hinge", ALPHA, EPS, np.array(shares)).e_gen
    pairs = zip(SEARCHED.items(), best, strict=True)
    return {f"E_mem ≤ {share:g}": float(value) - other for (share, other), value in pairs}


def _price(loss: str) -> float:
    """E_gen of the best kernel that forgets nothing, minus that of the best of all."""
    remembering, free = raf.best_kernel(loss, ALPHA, EPS, np.array([1e-6, 1.0])).e_gen
    return float(remembering - free)


@THEORY.claim
def memory_price(loss: str = "hinge") -> Numbers:
    """What forgetting nothing costs the best hinge kernel in E_gen, minus what it costs square."""
    return {"": _price(loss) - _price("square")}


# ---- the width of random features

WIDE = 2.0 ** np.arange(-1, 7)  # features per dimension
SIGN = raf.Learner.of_kernel("sign")
NO_RIDGE = 1e-6


def _of_width(loss: str, alpha: float, widths: np.ndarray) -> raf.Optimum:
    """Sign features at the ridge that is best at each width."""
    return raf.best_ridge(loss, alpha, EPS, raf.Learner.of_kernel("sign", widths))


@THEORY.claim
def width_helps_both(widths: np.ndarray = WIDE) -> Numbers:
    """Largest ratio of either error from a width to twice that, at the best ridge of each."""
    values = {}
    for loss, alpha in product(LOSSES, ALPHAS):
        best = _of_width(loss, alpha, widths)
        for name, errors in (("E_gen", best.e_gen), ("E_mem", best.e_mem)):
            felt = errors[:-1] > 1e-3  # of what is forgotten already nothing is left
            ratios = (errors[1:] / errors[:-1])[felt]
            values[f"{name}, {loss}, alpha = {alpha:g}"] = float(ratios.max())
    return values


@THEORY.claim
def width_of_memory(lam: float | None = None) -> Numbers:
    """κ_c/α at twice the α over that at α, square loss at its best ridge."""
    alphas = np.array([1.0, 2.0, 4.0])
    per_sample = raf.memory_width("square", alphas, EPS, SIGN, lam=lam) / alphas
    ratios = per_sample[1:] / per_sample[:-1]
    return {f"alpha = {a:g} to {2 * a:g}": r for a, r in zip(alphas, ratios, strict=False)}


@THEORY.claim
def width_of_hinge(loss: str = "hinge") -> Numbers:
    """κ_c of hinge over that of square loss, without a ridge."""
    alphas = np.array([1.0, 2.0, 4.0])
    widths = [raf.memory_width(x, alphas, EPS, SIGN, lam=NO_RIDGE) for x in (loss, "square")]
    return {f"alpha = {a:g}": r for a, r in zip(alphas, widths[0] / widths[1], strict=True)}


@THEORY.claim
def width_is_not_enough(loss: str = "hinge") -> Numbers:
    """E_mem of hinge at its best ridge in the kernel limit: no width forgets less."""
    best = raf.best_ridge(loss, np.array([2.0, 4.0, 8.0]), EPS, SIGN)
    return {f"alpha = {a:g}": e for a, e in zip((2.0, 4.0, 8.0), best.e_mem, strict=True)}


# ---- the bandwidth of the RBF kernel


def best_bandwidth(eps: float) -> float:
    """η with (e^η − 1 − η)/η = tan² γ_opt."""
    tangent = np.tan(np.radians(float(raf.optimal_angle(eps)))) ** 2
    return float(optimize.brentq(lambda eta: (np.expm1(eta) - eta) / eta - tangent, 1e-3, 20))


@THEORY.claim
def rbf_bandwidth(bandwidth: Callable[[float], float] = best_bandwidth) -> Numbers:
    """Grid steps between the closed-form η and the best interpolator's, square loss."""
    steps = STEP * np.arange(-STEPS, STEPS + 1)
    values = {}
    for eps, alpha in product((0.1, 0.2, 0.3), ALPHAS):
        kernels = [raf.rbf(eta).geometry for eta in bandwidth(eps) * np.exp(steps)]
        solver = raf.Solver(tolerance=1e-13, closed_form=False)
        learner = raf.Learner(*np.transpose(kernels))
        e_gen = raf.solve("square", alpha, eps, 0.0, learner, solver).e_gen
        values[f"eps = {eps:g}, alpha = {alpha:g}"] = abs(int(np.argmin(e_gen)) - STEPS)
    return values


# ---- 4.8-4.12: large α


class LargeRegime(NamedTuple):
    """A learner as α grows."""

    lam: float
    gamma: float
    v_star: float  # μ⋆²/λ


REGIMES = {
    "45°, λ = 0": LargeRegime(0.0, 45.0, np.inf),
    "45°, λ = 0.5": LargeRegime(0.5, 45.0, 1.0),
    "30°, λ = 0.75": LargeRegime(0.75, 30.0, 1 / 3),
    "linear, λ = 1": LargeRegime(1.0, 0.0, 0.0),
}
# regimes with an E_mem that tends neither to 0 nor to 1/2
FORGETTING = {name: regime for name, regime in REGIMES.items() if 0 < regime.v_star < np.inf}
LARGE = np.array([1e4, 1e5])


@cache
def _large(loss: str, eps: float, regime: LargeRegime) -> raf.Solution:
    """The iterated solution at the α of LARGE."""
    learner = raf.Learner.at_angle(regime.gamma)
    return raf.solve(loss, LARGE, eps, regime.lam, learner, raf.Solver(closed_form=False))


@THEORY.claim
def rate_square(rate: Formula = raf.square_rate) -> Numbers:
    """4.8: √α E_gen over its limit, minus 1."""
    values = {}
    for eps in FRACTIONS:
        for name, regime in REGIMES.items():
            scaled = np.sqrt(LARGE) * _large("square", eps, regime).e_gen
            for alpha, value in zip(LARGE, scaled / float(rate(eps)) - 1, strict=True):
                values[f"{name}, eps = {eps:g}, alpha = {alpha:g}"] = value
    return values


def _hinge_e_gen(eps: float, regime: LargeRegime) -> np.ndarray:
    return _large("hinge", eps, regime).e_gen


@THEORY.claim
def rate_hinge(e_gen: Formula = _hinge_e_gen) -> Numbers:
    """4.9: log-log slope of E_gen between α = 1e4 and 1e5."""
    values = {}
    for eps in FRACTIONS:
        for name, regime in REGIMES.items():
            slope = np.diff(np.log(e_gen(eps, regime)))[0] / np.diff(np.log(LARGE))[0]
            values[f"{name}, eps = {eps:g}"] = slope
    return values


RARE = 0.01  # fraction of facts
WITH_RIDGE = {name: regime for name, regime in REGIMES.items() if regime.lam > 0}


def _slope(loss: str, eps: float, regime: LargeRegime, alphas: np.ndarray) -> float:
    """Log-log slope of E_gen between two α."""
    learner = raf.Learner.at_angle(regime.gamma)
    e_gen = raf.solve(loss, alphas, eps, regime.lam, learner).e_gen
    return float(np.diff(np.log(e_gen))[0] / np.diff(np.log(alphas))[0])


@THEORY.claim
def rate_hinge_rare(eps: float = RARE) -> Numbers:
    """Log-log slope of E_gen between α = 1e4 and 1e5 where facts are rare."""
    return {name: _slope("hinge", eps, regime, LARGE) for name, regime in WITH_RIDGE.items()}


@THEORY.claim
def rate_hinge_late(alphas: np.ndarray = 1e3 * LARGE) -> Numbers:
    """The same between α = 1e7 and 1e8."""
    return {name: _slope("hinge", RARE, regime, alphas) for name, regime in WITH_RIDGE.items()}


@THEORY.claim
def rate_hinge_without_facts(eps: float = 0.0) -> Numbers:
    """The same without facts, between α = 1e5 and 1e6."""
    return {name: _slope("hinge", eps, r, 10 * LARGE) for name, r in WITH_RIDGE.items()}


def _crossover(eps: float, regime: LargeRegime, slope: float = -0.55) -> float:
    """log α at which the local slope of E_gen rises through a value."""
    alphas = np.geomspace(1e2, 1e8, 73)
    learner = raf.Learner.at_angle(regime.gamma)
    e_gen = raf.solve("hinge", alphas, eps, regime.lam, learner).e_gen
    slopes = np.gradient(np.log(e_gen), np.log(alphas))
    last = int(np.flatnonzero(slopes < slope).max())
    share = (slope - slopes[last]) / (slopes[last + 1] - slopes[last])
    return float(np.log(alphas[last]) + share * np.log(alphas[1] / alphas[0]))


@THEORY.claim
def rate_crossover() -> Numbers:
    """b with α ∝ ε^−b where the rate of hinge turns from −2/3 to −1/2."""
    values = {}
    for name, regime in WITH_RIDGE.items():
        ends = [_crossover(eps, regime) for eps in (1e-3, 1e-4)]
        values[name] = (ends[1] - ends[0]) / np.log(10)
    return values


GROWTHS = (-0.5, 0.5, 1.0)  # a of λ = λ₁ α^a


def _scaled(loss: str, regime: LargeRegime, growth: float) -> float:
    """Log-log slope of E_gen between α = 1e4 and 1e5 where λ grows as α^a."""
    lam = (regime.lam or 1.0) * (LARGE / LARGE[0]) ** growth
    e_gen = raf.solve(loss, LARGE, EPS, lam, raf.Learner.at_angle(regime.gamma)).e_gen
    return float(np.diff(np.log(e_gen))[0] / np.diff(np.log(LARGE))[0])


LINEAR_RIDGE = REGIMES["linear, λ = 1"]
KERNELS = {name: regime for name, regime in WITH_RIDGE.items() if regime.gamma > 0}


@THEORY.claim
def rate_scaled_ridge() -> Numbers:
    """Log-log slope of E_gen where λ grows as a power of α, square loss and linear hinge."""
    values = {}
    for growth in GROWTHS:
        values[f"hinge, linear, a = {growth:g}"] = _scaled("hinge", LINEAR_RIDGE, growth)
        for name, regime in REGIMES.items():
            values[f"square, {name}, a = {growth:g}"] = _scaled("square", regime, growth)
    return values


@THEORY.claim
def rate_scaled_ridge_kernel() -> Numbers:
    """The same of hinge kernels, whose V⋆ moves from one limit to another."""
    return {
        f"{name}, a = {growth:g}": _scaled("hinge", regime, growth)
        for (name, regime), growth in product(KERNELS.items(), GROWTHS)
    }


@THEORY.claim
def rate_hinge_prefactor(limit: Callable[..., raf.HingeLimit] = raf.hinge_limit) -> Numbers:
    """4.10: √α E_gen at α = 1e5 over the derived prefactor, minus 1."""
    values = {}
    for eps in FRACTIONS:
        for name, regime in REGIMES.items():
            rate = np.sqrt(LARGE[1]) * _hinge_e_gen(eps, regime)[1]
            values[f"{name}, eps = {eps:g}"] = rate / limit(eps, regime.v_star).rate - 1
    return values


@THEORY.claim
def rate_bayes(rate: Formula = raf.bayes_rate) -> Numbers:
    """4.11: α E_gen over its limit, minus 1."""
    values = {}
    for eps in FRACTIONS:
        scaled = LARGE * raf.bayes_optimal(LARGE, eps)
        for alpha, value in zip(LARGE, scaled / float(rate(eps)) - 1, strict=True):
            values[f"eps = {eps:g}, alpha = {alpha:g}"] = value
    return values


def memory_limits(eps: float, v_star: float) -> dict[str, float]:
    """lim E_mem as α → ∞ at V⋆ = μ⋆²/λ, by loss.

    Args:
        eps: fraction of facts.
        v_star: V⋆ > 0.
    """
    c = (1 - eps) * np.sqrt(2 / np.pi)
    return {
        "hinge": raf.hinge_limit(eps, v_star).e_mem,
        "square": special.erfc(v_star / (c * np.sqrt(2))) / 2,
    }


@THEORY.claim
def memory_limit(limits: Callable[[float, float], dict[str, float]] = memory_limits) -> Numbers:
    """4.12: E_mem at α = 1e5 minus its limit, where that is neither 0 nor 1/2."""
    values = {}
    for eps in FRACTIONS:
        for name, regime in FORGETTING.items():
            for loss, limit in limits(eps, regime.v_star).items():
                e_mem = _large(loss, eps, regime).e_mem[1]
                values[f"{loss}, {name}, eps = {eps:g}"] = e_mem - limit
    return values


# ---- 4.15-4.19


@THEORY.claim
def features_limit(kappa: float = 1e4) -> Numbers:
    """4.15: |E_gen at κ = 1e4 − kernel limit|."""
    values = {}
    for loss in LOSSES:
        wide, limit = (
            raf.solve(loss, ALPHA, EPS, 0.1, raf.Learner.of_kernel("sign", features)).e_gen
            for features in (kappa, None)
        )
        values[loss] = abs(float(wide) - float(limit))
    return values


@cache
def _over_the_grid(loss: str) -> np.ndarray:
    """E_gen over a grid of α, ε, γ and λ."""
    lams = np.geomspace(1e-3, 10, 9)
    angles = raf.Learner.at_angle(np.linspace(0, 75, 7)[:, None])
    return raf.solve(loss, _GRID_ALPHA, _GRID_EPS, lams, angles, COARSE).e_gen


_GRID_ALPHA = np.geomspace(0.1, 100, 31)[:, None, None, None]
_GRID_EPS = np.array([0.05, 0.1, 0.3, 0.6])[:, None, None]


@THEORY.claim
def bayes_bound(bound: Formula = raf.bayes_optimal) -> Numbers:
    """4.17: smallest E_gen − E_Bayes over a grid of α, ε, λ and γ."""
    bayes = bound(_GRID_ALPHA, _GRID_EPS)
    return {loss: np.nanmin(_over_the_grid(loss) - bayes) for loss in LOSSES}


@THEORY.claim
def reference(solve: Callable[..., raf.Solution] = raf.solve) -> Numbers:
    """4.19: larger distance of the two errors from the golden values."""
    values = {}
    for number, row in enumerate(GOLDEN):
        s = solve(row.loss, row.alpha, row.eps, row.lam, raf.Learner(row.mu1, row.mustar))
        distance = max(abs(s.e_gen - row.e_gen), abs(s.e_mem - row.e_mem))
        values[f"{row.loss} {number}"] = float(distance)
    return values
