"""Theory: the curves and phase diagrams of the figures."""

from collections.abc import Mapping
from dataclasses import replace
from itertools import product
from typing import NamedTuple

import numpy as np
import pandas as pd

from rote.core import tables
from rote.papers.raf import schema, settings
from rote.theory import raf

Values = np.ndarray | float
ANGLES = (0.0, 15.0, 30.0, 44.1, 60.0, 75.0)
ALPHA = 4.0  # of the figures at one alpha
LOSSES = ("square", "hinge")  # whose curves are drawn

# ---- names of the series, in tables and legends

OPTIMAL_RIDGE = "square, λ_opt"
BAYES = "Bayes"


def best_ridge(loss: str) -> str:
    """At the ridge with the smallest E_gen."""
    return f"{loss}, best λ"


def no_ridge(loss: str) -> str:
    """In the limit of the interpolator."""
    return f"{loss}, λ → 0"


def at_ridge(loss: str, lam: float) -> str:
    """At one ridge."""
    return f"{loss}, λ = {lam:g}"


# ---- curves


class LearnerCurve(NamedTuple):
    """Points of a learner in the proportional limit; its parameters broadcast."""

    figure: str
    series: str
    loss: str
    alpha: Values
    eps: Values
    lam: Values
    gamma: Values = np.nan  # kernel angle; NaN for random features and their limit
    kappa: Values = np.nan  # NaN is the kernel limit
    weight: Values = 1.0  # of facts
    kernel: str | None = None  # instead of gamma

    def errors(self, point: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Columns of the table at these points."""
        kappa = None if np.isnan(point["kappa"]).all() else point["kappa"]
        if self.kernel:
            learner = raf.Learner.of_kernel(self.kernel, kappa)
        else:
            learner = raf.Learner.at_angle(point["gamma"], kappa)
        learner = replace(learner, weight=point["weight"])
        s = raf.solve(self.loss, point["alpha"], point["eps"], point["lam"], learner)
        return {"e_gen": s.e_gen, "e_mem": s.e_mem, "converged": s.converged}


class BayesCurve(NamedTuple):
    """Points of the Bayes-optimal learner of the rule."""

    figure: str
    alpha: Values
    eps: Values
    series: str = BAYES
    loss: str = "bayes"
    lam: Values = np.nan
    gamma: Values = np.nan
    kappa: Values = np.nan
    weight: Values = 1.0

    def errors(self, point: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Columns of the table at these points."""
        e_gen = raf.bayes_optimal(point["alpha"], point["eps"])
        return {"e_gen": e_gen, "e_mem": np.nan, "converged": ~np.isnan(e_gen)}


Curve = LearnerCurve | BayesCurve


def curves(options: settings.RafTheory) -> pd.DataFrame:
    """Every theory curve: the table RafCurves."""
    drawn = [
        *linear(options),
        *tradeoff(options),
        *angle(options),
        *optima(),
        *rates(options),
        *features(options),
        *phase_alpha(options),
        *phase_angle(options),
        *weights(options),
    ]
    return pd.concat([solve(curve) for curve in drawn], ignore_index=True)


def solve(curve: Curve) -> pd.DataFrame:
    """The rows of one curve."""
    names = ("alpha", "eps", "lam", "gamma", "kappa", "weight")
    arrays = np.broadcast_arrays(*(np.asarray(getattr(curve, name), float) for name in names))
    point = {name: array.ravel() for name, array in zip(names, arrays, strict=True)}
    labels = {"figure": curve.figure, "series": curve.series, "loss": curve.loss}
    return tables.frame(schema.RafCurves, {**labels, **point, **curve.errors(point)})


def linear(options: settings.RafTheory) -> list[Curve]:
    """F1: a linear learner against the number of samples."""
    eps = options.eps
    peaks = [1.0, float(raf.capacity(eps))]  # of the interpolators
    alphas = np.union1d(np.geomspace(0.1, 16, options.curve), peaks)
    shared = {"figure": "linear", "alpha": alphas, "eps": eps, "gamma": 0.0}
    optimal = raf.optimal_ridge(eps, 1, 0)
    best = best_lam("hinge", alphas, 0.0, options)
    return [
        LearnerCurve(series=no_ridge("square"), loss="square", lam=1e-6, **shared),
        LearnerCurve(series=OPTIMAL_RIDGE, loss="square", lam=optimal, **shared),
        LearnerCurve(series=no_ridge("hinge"), loss="hinge", lam=1e-4, **shared),
        LearnerCurve(series=best_ridge("hinge"), loss="hinge", lam=best, **shared),
        BayesCurve("linear", alphas, eps),
    ]


def tradeoff(options: settings.RafTheory) -> list[Curve]:
    """F2: the trade-off as λ varies, per kernel angle."""
    lams = np.geomspace(1e-5, 100, options.curve)
    return [
        LearnerCurve(
            figure="tradeoff",
            series=loss,
            loss=loss,
            alpha=ALPHA,
            eps=options.eps,
            lam=lams,
            gamma=gamma,
        )
        for gamma, loss in product(ANGLES, LOSSES)
    ]


def angle(options: settings.RafTheory) -> list[Curve]:
    """F3: the kernel angle."""
    eps = options.eps
    gammas = np.linspace(0, 85, options.curve)
    mu1, mustar = np.cos(np.radians(gammas)), np.sin(np.radians(gammas))
    lams = {
        "square": np.maximum(raf.optimal_ridge(eps, mu1, mustar), 1e-9),
        "hinge": best_lam("hinge", ALPHA, gammas, options),
    }
    best = [
        LearnerCurve(
            figure="angle",
            series=best_ridge(loss),
            loss=loss,
            alpha=ALPHA,
            eps=eps,
            lam=lam,
            gamma=gammas,
        )
        for loss, lam in lams.items()
    ]
    interpolators = [
        LearnerCurve(
            figure="angle",
            series=no_ridge(loss),
            loss=loss,
            alpha=ALPHA,
            eps=eps,
            lam=1e-4,
            gamma=gammas,
        )
        for loss in LOSSES
    ]
    return best + interpolators


def optima() -> list[Curve]:
    """F4: the angle of the best interpolator, on a grid, against the fraction of facts."""
    gammas = np.linspace(0, 89, 891)[1:]
    points: list[Curve] = []
    for eps in np.linspace(0, 0.9, 19):
        e_gen = raf.solve("square", ALPHA, eps, 0.0, raf.Learner.at_angle(gammas)).e_gen
        best = gammas[np.argmin(e_gen)]
        points.append(
            LearnerCurve(
                figure="optima",
                series="square",
                loss="square",
                alpha=ALPHA,
                eps=eps,
                lam=0.0,
                gamma=best,
            )
        )
    return points


class RateRegime(NamedTuple):
    """A learner of the figure on large alpha."""

    series: str
    loss: str
    lam: float
    gamma: float | None  # None: the optimal angle


REGIMES = (
    RateRegime("square, γ_opt, λ = 0", "square", 0.0, None),
    RateRegime("hinge, linear, λ = 1", "hinge", 1.0, 0.0),
    RateRegime("hinge, γ = 45°, λ = 0.1", "hinge", 0.1, 45.0),
    RateRegime("hinge, γ = 30°, λ = 1", "hinge", 1.0, 30.0),
)


def rates(options: settings.RafTheory) -> list[Curve]:
    """F5: large α."""
    eps = options.eps
    alphas = np.geomspace(1, 1e5, options.curve)
    drawn: list[Curve] = []
    for regime in REGIMES:
        gamma = float(raf.optimal_angle(eps)) if regime.gamma is None else regime.gamma
        drawn.append(
            LearnerCurve(
                figure="rates",
                series=regime.series,
                loss=regime.loss,
                alpha=alphas,
                eps=eps,
                lam=regime.lam,
                gamma=gamma,
            )
        )
    return [*drawn, BayesCurve("rates", alphas, eps)]


def features(options: settings.RafTheory) -> list[Curve]:
    """F6: random features of every width, and their limit."""
    kappas = np.geomspace(0.25, 1e4, options.curve)
    kappas = np.union1d(kappas, [2.0, 4.0])  # p = n
    drawn: list[Curve] = []
    for alpha, lam, loss in product((2.0, 4.0), (1e-4, 0.1, 1.0), LOSSES):
        finite = LearnerCurve(
            figure="features",
            series=at_ridge(loss, lam),
            loss=loss,
            alpha=alpha,
            eps=options.eps,
            lam=lam,
            kappa=kappas,
            kernel="sign",
        )
        limit = finite._replace(series=f"{finite.series}, kernel", kappa=np.nan)
        drawn += [finite, limit]
    return drawn


def phase_alpha(options: settings.RafTheory) -> list[Curve]:
    """F8a: a phase diagram over samples and facts."""
    alphas = np.geomspace(0.2, 20, options.phase)
    alpha, eps = np.meshgrid(alphas, np.linspace(0.01, 0.9, options.phase))
    return [
        LearnerCurve(
            figure="phase_alpha",
            series="linear hinge, λ = 0.001",
            loss="hinge",
            alpha=alpha,
            eps=eps,
            lam=1e-3,
            gamma=0.0,
        ),
        LearnerCurve(
            figure="phase_alpha",
            series="hinge, γ = 30°, λ = 1",
            loss="hinge",
            alpha=alpha,
            eps=eps,
            lam=1.0,
            gamma=30.0,
        ),
    ]


def phase_angle(options: settings.RafTheory) -> list[Curve]:
    """F8b: a phase diagram over kernel angle and ridge."""
    gammas = np.linspace(0, 85, options.phase)
    gamma, lam = np.meshgrid(gammas, np.geomspace(1e-3, 10, options.phase))
    return [
        LearnerCurve(
            figure="phase_angle",
            series=loss,
            loss=loss,
            alpha=ALPHA,
            eps=options.eps,
            lam=lam,
            gamma=gamma,
        )
        for loss in LOSSES
    ]


WEIGHTED_ANGLES = (0.0, 20.0, 45.0)
WEIGHTED_RIDGE = 0.5
WEIGHTS = (4.0, 16.0)  # that are simulated, too


def weighted(loss: str, gamma: float) -> str:
    """A learner whose facts are stated several times."""
    return f"{loss}, {gamma:g}°"


def weights(options: settings.RafTheory) -> list[Curve]:
    """Facts that are stated several times, at one ridge."""
    stated = np.union1d(np.geomspace(1, 64, options.curve), WEIGHTS)
    return [
        LearnerCurve(
            figure="weights",
            series=weighted(loss, gamma),
            loss=loss,
            alpha=ALPHA,
            eps=options.eps,
            lam=WEIGHTED_RIDGE,
            gamma=gamma,
            weight=stated,
        )
        for gamma, loss in product(WEIGHTED_ANGLES, LOSSES)
    ]


# ---- the best ridge


def best_lam(loss: str, alpha: Values, gamma: Values, options: settings.RafTheory) -> np.ndarray:
    """The λ of the smallest E_gen: the best of a grid, refined by a parabola in log λ.

    Args:
        loss: square or hinge.
        alpha, gamma: samples per dimension and kernel angle, which broadcast to (points,).
        options: ε and the grid.

    Returns:
        λ, (points,).
    """
    lams = ridges(options)
    alpha, gamma = np.broadcast_arrays(np.asarray(alpha, float), np.asarray(gamma, float))
    learner = raf.Learner.at_angle(gamma[:, None])
    e_gen = raf.solve(loss, alpha[:, None], options.eps, lams, learner).e_gen
    index = np.nanargmin(e_gen, axis=1)
    inner = np.clip(index, 1, len(lams) - 2)
    low, middle, high = (
        np.take_along_axis(e_gen, (inner + shift)[:, None], 1)[:, 0] for shift in (-1, 0, 1)
    )
    bend = low - 2 * middle + high
    convex = bend > 0
    shift = np.where(
        convex & (index == inner), (low - high) / (2 * np.where(convex, bend, 1.0)), 0.0
    )
    return lams[index] * (lams[1] / lams[0]) ** np.clip(shift, -0.5, 0.5)


def ridges(options: settings.RafTheory) -> np.ndarray:
    """The grid of λ over which a best one is searched."""
    return np.geomspace(1e-5, 10**1.5, options.penalties)
