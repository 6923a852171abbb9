"""Checks of the forward operators, one function each, registered in `CHECKS`."""

from functools import cache
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from scipy.special import hankel1
from torch import Tensor

from rote.core import tables
from rote.papers.inversion import schema
from rote.synth import velocity
from rote.waves import acoustic
from rote.waves.helmholtz import Helmholtz

SURVEY = acoustic.Survey(
    spacing=0.02,
    step=0.002,
    samples=250,
    frequency=8.0,
    sources=np.array([[12, 1], [36, 1]]),
    receivers=np.array([[x, 1] for x in range(2, 46, 4)]),
)
THICK = SURVEY._replace(layer=20)  # of the reference propagator
Values = dict[str, float]  # by condition


def checks() -> pd.DataFrame:
    """The table OperatorChecks: every check of `CHECKS` under its conditions."""
    rows = []
    for name, check in CHECKS.items():
        for condition, value in check().items():
            rows.append({"check": name, "condition": condition, "value": float(value)})
    return tables.frame(schema.OperatorChecks, rows)


# ---- frequency domain


def order() -> Values:
    """Error against the exact field of a homogeneous medium, over that at twice as many cells."""
    return {
        f"{n} to {2 * n} cells": _homogeneous_error(n) / _homogeneous_error(2 * n) for n in (48, 64)
    }


def _homogeneous_error(n: int) -> float:
    """Relative error of the field of a point source in a homogeneous medium, 2 km/s and 6 Hz."""
    forward = Helmholtz(
        n=n,
        spacing=2 / n,
        layer=n // 6,
        damping=100.0,
        frequency=6.0,
        sources=1,
        receivers=2,
        margin=n // 2 - 1,
    )
    field = forward.field(np.full((n, n), 1 / 4), (n // 2, n // 2))
    x = (np.arange(n) - n // 2) * forward.spacing
    distance = np.hypot(x[:, None], x)
    exact = -0.25j * hankel1(0, forward.omega * np.where(distance > 0, distance, 1) / 2)
    # away from the source and from the rim
    compared = (distance > 0.3) & (np.abs(x)[:, None] < 0.8) & (np.abs(x) < 0.8)
    return float(np.linalg.norm((field - exact)[compared]) / np.linalg.norm(exact[compared]))


# ---- time domain


class _Traces(NamedTuple):
    """Traces of one layered model; wide ones from a domain so large that nothing comes back."""

    deepwave: Tensor
    wide_deepwave: Tensor
    leapfrog: Tensor
    wide_leapfrog: Tensor


def _model() -> Tensor:
    return torch.tensor(velocity.layered(np.random.default_rng(3)), dtype=torch.float32)


@cache
def _traces() -> _Traces:
    model = _model()

    def widened(cells: int) -> tuple[Tensor, acoustic.Survey]:
        wide = torch.nn.functional.pad(model[None, None], (cells,) * 4, mode="replicate")[0, 0]
        sources = SURVEY.sources + cells
        receivers = SURVEY.receivers + cells
        return wide, SURVEY._replace(sources=sources, receivers=receivers)

    return _Traces(
        deepwave=acoustic.shots(model, SURVEY),
        wide_deepwave=acoustic.shots(*widened(120)),
        leapfrog=acoustic.leapfrog(model, THICK),
        wide_leapfrog=acoustic.leapfrog(*widened(60)),
    )


def _difference(traces: Tensor, reference: Tensor) -> float:
    return float((traces - reference).norm() / reference.norm())


def layers() -> Values:
    """Relative difference of traces to those of a wide domain, by propagator."""
    traces = _traces()
    return {
        "deepwave": _difference(traces.deepwave, traces.wide_deepwave),
        "leapfrog": _difference(traces.leapfrog, traces.wide_leapfrog),
    }


def propagators() -> Values:
    """Relative difference of the two propagators' traces in wide domains."""
    traces = _traces()
    return {"leapfrog and deepwave": _difference(traces.wide_leapfrog, traces.wide_deepwave)}


# ---- what the checks are compared with where they fail


def halved_layers() -> Values:
    """Relative difference of traces that absorbing layers of half as many cells make."""
    model = _model()
    arms = {"deepwave": (acoustic.shots, SURVEY), "leapfrog": (acoustic.leapfrog, THICK)}
    values = {}
    for name, (shoot, survey) in arms.items():
        halved = shoot(model, survey._replace(layer=survey.layer // 2))
        values[name] = _difference(halved, shoot(model, survey))
    return values


def slower() -> Values:
    """Relative difference of traces that velocities 0.01 % lower make."""
    model = _model()
    reference = acoustic.shots(model, SURVEY)
    return {"leapfrog and deepwave": _difference(acoustic.shots(0.9999 * model, SURVEY), reference)}


CHECKS = {
    "order": order,
    "layers": layers,
    "propagators": propagators,
}
