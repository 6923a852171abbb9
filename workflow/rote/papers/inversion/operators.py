"""Checks of the forward operators, one function each, registered in `CHECKS`."""

from functools import cache
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from scipy.special import hankel1
from torch import Tensor

from rote.core import tables
from rote.core.seeds import generator
from rote.papers.inversion import schema, settings
from rote.papers.inversion.acquisition import operator
from rote.papers.inversion.library import TRAINING_SEED, mean_of_three
from rote.synth import velocity
from rote.waves import acoustic
from rote.waves.helmholtz import Helmholtz

DIFFERENCE = 1e-4  # step of central differences
DIRECTIONS = 4  # random directions of derivatives
PUBLISHED = (-1.34423, -2.95381, 2.80749)  # first coefficients of the published true model
SURVEY = acoustic.Survey(
    spacing=20.0,
    step=0.002,
    samples=250,
    frequency=8.0,
    sources=np.array([[1, 12], [1, 36]]),
    receivers=np.array([[1, x] for x in range(2, 46, 4)]),
)
Values = dict[str, float]  # by condition


def checks(options: settings.InversionAcquisition, seed: int) -> pd.DataFrame:
    """The table OperatorChecks: every check of `CHECKS` under its conditions."""
    rows = []
    for name, check in CHECKS.items():
        for condition, value in check(options, seed).items():
            rows.append({"check": name, "condition": condition, "value": float(value)})
    return tables.frame(schema.OperatorChecks, rows)


# ---- frequency domain


def order(options: settings.InversionAcquisition, seed: int) -> Values:
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


class _Derivatives(NamedTuple):
    """Where derivatives are checked, and along what."""

    forward: Helmholtz
    start: np.ndarray  # squared slowness, (n, n)
    observed: np.ndarray  # data of another model
    noise_sd: float
    basis: np.ndarray  # (n · n, d)
    directions: np.ndarray  # in coordinates, (DIRECTIONS, d)

    def changes(self) -> list[np.ndarray]:
        """The directions in squared slowness, each (n, n)."""
        return [(self.basis @ direction).reshape(self.start.shape) for direction in self.directions]


def _derivatives(options: settings.InversionAcquisition, seed: int) -> _Derivatives:
    forward = operator(options)
    start, true = velocity.slowness(_training()[:2], options.n)
    observed = forward.data(true)
    basis = velocity.basis(options.n)
    rng = generator(seed, "inversion", "checks")
    directions = rng.normal(size=(DIRECTIONS, basis.shape[1]))
    noise_sd = options.noise * np.abs(observed).max()
    return _Derivatives(
        forward=forward,
        start=start,
        observed=observed,
        noise_sd=noise_sd,
        basis=basis,
        directions=directions,
    )


@cache
def _training() -> np.ndarray:
    """Coordinates of the first published training models, (30, d)."""
    return velocity.project(velocity.fields(30, TRAINING_SEED))


def adjoint(options: settings.InversionAcquisition, seed: int) -> Values:
    """Relative error of the gradient of the misfit, against central differences."""
    at = _derivatives(options, seed)
    _, gradient = at.forward.misfit(at.start, at.observed, at.noise_sd)
    errors = {}
    for number, change in enumerate(at.changes()):
        ahead, behind = (
            at.forward.misfit(at.start + sign * DIFFERENCE * change, at.observed, at.noise_sd)[0]
            for sign in (1, -1)
        )
        slope = (ahead - behind) / (2 * DIFFERENCE)
        errors[f"direction {number}"] = abs((gradient * change).sum() - slope) / abs(slope)
    return errors


def jacobian(options: settings.InversionAcquisition, seed: int) -> Values:
    """Relative error of the Jacobian of the data, against central differences."""
    at = _derivatives(options, seed)
    _, derivatives = at.forward.jacobian(at.start, at.basis)
    errors = {}
    for number, change in enumerate(at.changes()):
        ahead, behind = (at.forward.data(at.start + sign * DIFFERENCE * change) for sign in (1, -1))
        slope = (ahead - behind) / (2 * DIFFERENCE)
        error = np.linalg.norm(derivatives @ at.directions[number] - slope)
        errors[f"direction {number}"] = error / np.linalg.norm(slope)
    return errors


# ---- time domain


class _Traces(NamedTuple):
    """Traces of one layered model; wide ones from a domain so large that nothing comes back."""

    deepwave: Tensor
    wide_deepwave: Tensor
    leapfrog: Tensor
    wide_leapfrog: Tensor


@cache
def _traces() -> _Traces:
    model = torch.tensor(velocity.layered(np.random.default_rng(3)), dtype=torch.float32)

    def widened(cells: int) -> tuple[Tensor, acoustic.Survey]:
        wide = torch.nn.functional.pad(model[None, None], (cells,) * 4, mode="replicate")[0, 0]
        sources = SURVEY.sources + cells
        receivers = SURVEY.receivers + cells
        return wide, SURVEY._replace(sources=sources, receivers=receivers)

    return _Traces(
        deepwave=acoustic.shots(model, SURVEY),
        wide_deepwave=acoustic.shots(*widened(120)),
        leapfrog=acoustic.leapfrog(model, SURVEY._replace(layer=20)),
        wide_leapfrog=acoustic.leapfrog(*widened(60)),
    )


def _difference(traces: Tensor, reference: Tensor) -> float:
    return float((traces - reference).norm() / reference.norm())


def layers(options: settings.InversionAcquisition, seed: int) -> Values:
    """Relative difference of traces to those of a wide domain, by propagator."""
    traces = _traces()
    return {
        "deepwave": _difference(traces.deepwave, traces.wide_deepwave),
        "leapfrog": _difference(traces.leapfrog, traces.wide_leapfrog),
    }


def propagators(options: settings.InversionAcquisition, seed: int) -> Values:
    """Relative difference of the two propagators' traces in wide domains."""
    traces = _traces()
    return {"leapfrog and deepwave": _difference(traces.wide_leapfrog, traces.wide_deepwave)}


# ---- data


def published(options: settings.InversionAcquisition, seed: int) -> Values:
    """Difference of regenerated and published coefficients of the true model, absolute."""
    true = mean_of_three(_training())
    return {
        f"coefficient {number}": abs(true[number] - value) for number, value in enumerate(PUBLISHED)
    }


CHECKS = {
    "order": order,
    "adjoint": adjoint,
    "jacobian": jacobian,
    "layers": layers,
    "propagators": propagators,
    "published": published,
}
