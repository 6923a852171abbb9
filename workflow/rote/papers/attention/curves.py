"""Theory: the curves of the figures, and the phase map."""

from itertools import chain, product
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from rote.core import tables
from rote.papers.attention import schema, settings
from rote.papers.attention.heads import (
    FUNCTIONS,
    SPIKES,
    STRUCTURES,
    Structure,
    aligned_spike,
    error,
    key_at,
    spike_at,
    with_linear_part,
)
from rote.theory import attention
from rote.theory.attention.activation import Nonlinearity

ALIGNMENT_RIDGES = (1.0, 31.6)
MAPPED = ("linear", "tanh", "exp_clip", "cos_c")  # nonlinearities of phase map and equal power
POWER_RATIOS = (0.25, 1.1, 4.0)  # p/n of the figure at equal power
RIDGE = "ridge"  # the series of ridge regression on raw tokens


def at_ridge(gamma: float) -> str:
    """The series of attention at one γ."""
    return f"γ = {gamma:g}"


def ridge_at(gamma: float) -> str:
    """The series of ridge regression at one γ."""
    return f"ridge, γ = {gamma:g}"


def at_ratio(c: float) -> str:
    """The panel of one p/n."""
    return f"c = {c:g}"


class HeadCurve(NamedTuple):
    """A curve of attention; x, gamma and c broadcast."""

    figure: str
    panel: str
    series: str
    x: ArrayLike
    gamma: ArrayLike
    c: ArrayLike
    structure: Structure = Structure()
    f: Nonlinearity = "tanh"

    def errors(self, gamma: np.ndarray, c: np.ndarray) -> dict[str, np.ndarray]:
        """Columns of the table at these points."""
        s = error(gamma, c, self.f, self.structure)
        return {"error": s.error, "converged": s.converged}


class RidgeCurve(NamedTuple):
    """A curve of ridge regression on the raw tokens; x, gamma and c broadcast."""

    figure: str
    panel: str
    series: str
    x: ArrayLike
    gamma: ArrayLike
    c: ArrayLike
    structure: Structure = Structure()

    def errors(self, gamma: np.ndarray, c: np.ndarray) -> dict[str, np.ndarray]:
        """Columns of the table at these points."""
        values = attention.ridge_error(gamma, c, self.structure.mu2)
        return {"error": values, "converged": np.isfinite(values)}


AttentionCurve = HeadCurve | RidgeCurve


def curves(options: settings.AttentionTheory, sweep_gamma: float) -> pd.DataFrame:
    """Every theory curve: the table AttentionCurves.

    Args:
        options: points of a curve.
        sweep_gamma: ridge of the sweeps over dimension and signal.
    """
    figures = (
        baseline(options.curve, sweep_gamma),
        nonlinearity(options.curve),
        alignment(),
        power(options.curve),
    )
    drawn = chain.from_iterable(figures)
    return pd.concat([solve(curve) for curve in drawn], ignore_index=True)


def solve(curve: AttentionCurve) -> pd.DataFrame:
    """The rows of one curve."""
    arrays = [np.atleast_1d(np.asarray(v, float)) for v in (curve.x, curve.gamma, curve.c)]
    x, gamma, c = np.broadcast_arrays(*arrays)
    labels = {"figure": curve.figure, "panel": curve.panel, "series": curve.series}
    columns = {**labels, "x": x, "gamma": gamma, **curve.errors(gamma, c)}
    return tables.frame(schema.AttentionCurves, columns)


class BaselineSeries(NamedTuple):
    """A head of Figures 1 and 2; None is ridge regression."""

    f: str | None
    spike: str


BASELINE = {
    RIDGE: BaselineSeries(None, "none"),
    "tanh": BaselineSeries("tanh", "none"),
    "tanh, aligned": BaselineSeries("tanh", "aligned"),
    "exp_clip, aligned": BaselineSeries("exp_clip", "aligned"),
    "linear, aligned": BaselineSeries("linear", "aligned"),
}


class BaselineSweep(NamedTuple):
    """A panel of Figures 1 and 2; x, gamma and c broadcast."""

    panel: str
    x: ArrayLike
    gamma: ArrayLike
    c: ArrayLike
    mu2: float


def baseline(points: int, sweep_gamma: float) -> list[AttentionCurve]:
    """Fig. 1 and 2: against ridge, dimension, signal."""
    ridges = np.geomspace(1e-6, 1e3, points)
    ratios = np.geomspace(1 / 16, 4, points)
    sweeps = [
        BaselineSweep(panel="ridge", x=ridges, gamma=ridges, c=4.0, mu2=1.0),
        BaselineSweep(panel="dimension", x=ratios, gamma=sweep_gamma, c=ratios, mu2=1.0),
    ]
    for mu2 in [0.0, *np.geomspace(0.1, 16, points)]:
        sweeps.append(
            BaselineSweep(panel="signal", x=mu2, gamma=sweep_gamma, c=0.25, mu2=float(mu2))
        )
    drawn: list[AttentionCurve] = []
    for (series, (f, spike)), sweep in product(BASELINE.items(), sweeps):
        axes = {"x": sweep.x, "gamma": sweep.gamma, "c": sweep.c}
        structure = Structure(sweep.mu2, SPIKES[spike])
        ridge = RidgeCurve("baseline", sweep.panel, series, **axes, structure=structure)
        drawn.append(ridge if f is None else HeadCurve(**ridge._asdict(), f=f))
    return drawn


def nonlinearity(points: int) -> list[AttentionCurve]:
    """Fig. 3: which nonlinearity."""
    ridges = np.geomspace(1e-3, 1e2, points)
    axes = {"x": ridges, "gamma": ridges, "c": 4.0}
    drawn: list[AttentionCurve] = []
    for panel, structure in STRUCTURES.items():
        ridge = RidgeCurve("nonlinearity", panel, RIDGE, **axes, structure=structure)
        drawn.append(ridge)
        drawn += [HeadCurve(**ridge._replace(series=f)._asdict(), f=f) for f in FUNCTIONS]
        for a1 in np.linspace(0, 1, 21):
            f = with_linear_part(float(a1))
            drawn.append(
                HeadCurve(
                    figure="linear part",
                    panel="",
                    series=panel,
                    x=a1,
                    gamma=1.0,
                    c=4.0,
                    structure=structure,
                    f=f,
                )
            )
    return drawn


def alignment() -> list[AttentionCurve]:
    """Fig. 4: weights along the signal."""
    panels = {
        "strength": (aligned_spike, np.linspace(0, 8, 33)),
        "angle": (spike_at, np.linspace(0, 180, 37)),
        "key angle": (key_at, np.linspace(0, 180, 37)),
    }
    drawn: list[AttentionCurve] = []
    for gamma, (panel, (spike, xs)) in product(ALIGNMENT_RIDGES, panels.items()):
        for x in xs:
            structure = Structure(4.0, spike(x))
            ridge = RidgeCurve(
                figure="alignment",
                panel=panel,
                series=ridge_at(gamma),
                x=x,
                gamma=gamma,
                c=4.0,
                structure=structure,
            )
            drawn.append(ridge)
            drawn.append(HeadCurve(**ridge._replace(series=at_ridge(gamma))._asdict()))
    return drawn


def power(points: int) -> list[AttentionCurve]:
    """At equal feature power, without signal."""
    ridges = np.geomspace(1e-3, 1e2, points)
    drawn: list[AttentionCurve] = []
    for c in POWER_RATIOS:
        ridge = RidgeCurve(
            figure="power", panel=at_ratio(c), series=RIDGE, x=ridges, gamma=ridges, c=c
        )
        drawn.append(ridge)
        for f in MAPPED:
            scaled = ridge._replace(series=f, gamma=attention.equal_power(c, f) * ridges)
            drawn.append(HeadCurve(**scaled._asdict(), f=f))
    return drawn


def phase(options: settings.AttentionTheory) -> pd.DataFrame:
    """Attention and ridge regression over f × c × γ and every structure: the table PhaseMap."""
    ratios = np.geomspace(0.1, 10, options.phase)
    ridges = np.geomspace(1e-4, 1e3, options.phase)
    c, gamma = np.meshgrid(ratios, ridges, indexing="ij")
    parts = []
    for (setting, structure), f in product(STRUCTURES.items(), MAPPED):
        columns = {
            "setting": setting,
            "f": f,
            "c": c.ravel(),
            "gamma": gamma.ravel(),
            "attention": error(gamma, c, f, structure).error.ravel(),
            "ridge": attention.ridge_error(gamma, c, structure.mu2).ravel(),
        }
        parts.append(tables.frame(schema.PhaseMap, columns))
    return pd.concat(parts, ignore_index=True)
