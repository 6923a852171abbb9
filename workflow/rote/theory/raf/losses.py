"""The losses: what the fixed point must know of each.

ζ = yω/√q has the density p(ζ) = (1 − ε) 2φ(ζ)Φ(βζ) + εφ(ζ), a skew normal for rules and a normal
for facts. The hats of the square loss are sums; those of margin losses are integrals (`margins`).
"""

import math
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np

from rote.theory.raf.hinge import hinge_sweep
from rote.theory.raf.limits import capacity
from rote.theory.raf.logistic import logistic_nodes
from rote.theory.raf.margins import State, integrals


class Hats(NamedTuple):
    """Hatted order parameters in powers of λ, (points,) each: finite as λ → 0."""

    m: np.ndarray  # m̂/λ
    q: np.ndarray  # q̂/λ²
    v: np.ndarray  # V̂/λ


class OrderParameters(NamedTuple):
    """Order parameters of the output on a fresh input, (points,) each."""

    m: np.ndarray  # covariance with the teacher
    q: np.ndarray  # variance
    rest: np.ndarray  # q − m², which keeps its digits as E_gen → 0
    v: np.ndarray  # response V; infinite at λ = 0


class RafLoss(NamedTuple):
    """A loss ℓ(y, f)."""

    slope: float  # |ℓ'(0)|
    # (order, state) -> hats, pull and derivatives, as of `margins.hats`
    sweep: Callable[[int, State], np.ndarray]
    orders: tuple[int, int]  # of the quadrature, and of its check
    margin: Callable[[np.ndarray], np.ndarray]  # V -> about that of an interpolated sample
    # of (α, ε, λ, μ1, μ⋆), in the kernel limit; None where there is no closed form
    closed_form: Callable[..., OrderParameters] | None
    # ε -> α below which a linear learner interpolates; None without a minimizer at λ = 0
    interpolable: Callable[[np.ndarray], np.ndarray] | None

    def hats(self, s: State) -> Hats:
        """m̂/λ, q̂/λ² and V̂/λ at given order parameters.

        Args:
            s: the points.
        """
        m, q, v = self.sweep(self.orders[1], s)[:3]
        return Hats((1 - s.eps) * m, q, v)


_MEAN = math.sqrt(2 / math.pi)  # E|x| of a standard normal


def _square_sweep(order: int, s: State) -> np.ndarray:
    """The hats of the square loss, their pull and derivatives; there is no quadrature."""
    c = (1 - s.eps) * _MEAN
    width = s.lam + s.v
    noise = (s.m - c) ** 2 + (1 - c**2) + s.rest  # E(y − f)²
    m, v = s.alpha * _MEAN / width, s.alpha / width
    q = s.alpha * noise / width**2
    pull = s.alpha * (_MEAN / s.unit - 1) / width
    zero = np.zeros_like(m)
    by_m = [zero, 2 * s.alpha * s.m * (s.m - c) / width**2, zero]
    by_rest = [zero, s.alpha * s.rest / width**2, zero]
    share = s.v / width
    by_v = [-m * share, -2 * q * share, -v * share]
    return np.stack([m, q, v, pull, *by_m, *by_rest, *by_v])


def _square_closed_form(alpha, eps, lam, mu1, mustar) -> OrderParameters:
    """Kernel ridge regression: all depends on Λ = (λ + μ⋆²)/μ1², but V also on λ alone."""
    c = (1 - eps) * _MEAN
    tail, bare = (mustar / mu1) ** 2, lam / mu1**2
    ridge = bare + tail
    root = np.sqrt(((1 - alpha) + ridge) ** 2 + 4 * ridge * alpha)  # √(b² − 4α)
    s = ((1 + alpha + ridge) + root) / 2
    # s² − α = s(s − α/s) = s · root cancels nothing
    spread = s * root
    m = alpha * c / s
    rest = alpha * ((s - alpha * c**2) ** 2 + alpha**2 * c**2 * (1 - c**2)) / (s**2 * spread)
    # s − α − Λ: the response of the linear part, times λ/μ1²
    gap = (1 - alpha) - ridge
    high = gap >= 0
    linear = np.where(high, (gap + root) / 2, 2 * ridge / np.where(high, 1, root - gap))
    with np.errstate(divide="ignore"):
        V = np.where(lam > 0, (linear + tail) / np.where(lam > 0, bare, 1.0), np.inf)
    return OrderParameters(m, m**2 + rest, rest, V)


_MIN_SHARE = 2.0**-53  # share of rules at ε = 1, where their pull keeps a limit


def weighted(loss: RafLoss, weight: float) -> RafLoss:
    """The loss with its terms for facts multiplied by a weight.

    All hats are sums over rules and facts. For facts the density of yω is φ, and ρℓ at λ is ℓ at
    λ/ρ in powers of λ.

    Args:
        loss: of LOSSES.
        weight: ρ > 0.
    """

    def sweep(order: int, s: State) -> np.ndarray:
        of_all = 1 - s.eps
        share = np.maximum(of_all, _MIN_SHARE)
        m, one = share * s.unit, np.ones_like(s.eps)
        q = m**2 + s.rest
        rules = loss.sweep(order, State(s.alpha, 0 * one, s.lam, m, s.rest, s.v))
        facts = loss.sweep(order, State(s.alpha, one, s.lam / weight, one, q, s.v))
        of_rules, of_facts = rules[4:].reshape(3, 3, -1), facts[4:].reshape(3, 3, -1)
        # the state of facts has m = 0 and σ² = q: by log m, log σ² and log v
        by_q = of_facts[1]
        moved = np.stack([2 * m**2 / q * by_q, s.rest / q * by_q, of_facts[2]])
        by_x = of_all * of_rules + s.eps * moved
        by_x[:, 0] = of_rules[:, 0]
        hats = of_all * rules[:3] + s.eps * facts[:3]
        hats[0] = rules[0]  # over 1 − ε; facts do not pull towards the teacher
        pull = share * rules[3] + (share - of_all) * rules[2] - s.eps * facts[2]
        return np.concatenate([hats, pull[None], by_x.reshape(9, -1)])

    return loss._replace(slope=weight * loss.slope, sweep=sweep, closed_form=None)


LOSSES: dict[str, RafLoss] = {
    "square": RafLoss(1.0, _square_sweep, (1, 1), np.ones_like, _square_closed_form, np.ones_like),
    "hinge": RafLoss(1.0, hinge_sweep, (16, 22), np.ones_like, None, capacity),
    "logistic": RafLoss(0.5, partial(integrals, logistic_nodes), (16, 22), np.log1p, None, None),
}
