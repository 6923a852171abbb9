"""Acoustic shots in the time domain: on deepwave, and a plain torch propagator of our own as
reference.

Velocities are (cells in depth, cells in x) in m/s. deepwave accepts zero and negative velocities
without a word; here they are refused, as are sources and receivers outside the grid and time steps
that the scheme cannot take.
"""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from rote.core.errors import InputError

LEAST = 6.0  # cells per wavelength at the peak frequency; fewer are refused


class Survey(NamedTuple):
    """An acquisition: cells, time steps, wavelet, and where sources and receivers are (depth, x) in
    cells.
    """

    spacing: float  # m
    step: float  # s
    samples: int
    frequency: float  # Hz, peak of the Ricker wavelet
    sources: np.ndarray  # (shots, 2)
    receivers: np.ndarray  # (receivers, 2), the same for every shot
    layer: int = 10  # cells of the absorbing layer
    delay: float = 0.15  # s
    fastest: float = 4200.0  # m/s, so that the time step does not depend on the model


def ricker(survey: Survey) -> Tensor:
    """The wavelet, (samples,)."""
    t = torch.arange(survey.samples, dtype=torch.float64) * survey.step - survey.delay
    a = (np.pi * survey.frequency * t) ** 2
    return ((1 - 2 * a) * torch.exp(-a)).float()


def check(velocity: Tensor, survey: Survey) -> Tensor:
    """The velocity as a float32 tensor (depth, x).

    Raises:
        InputError: with the numbers that are wrong: velocities, positions, points per wavelength.
    """
    v = torch.as_tensor(velocity).float()
    if v.ndim != 2:
        raise InputError(
            f"velocity must be (cells in depth, cells in x), its shape is {tuple(v.shape)}"
        )
    seen = v.detach()
    bad = ~(torch.isfinite(seen) & (seen > 0))
    if bool(bad.any()):
        place = tuple(bad.nonzero()[0].tolist())
        raise InputError(
            f"velocity must be positive and finite: {int(bad.sum())} cells are not, first "
            f"{place}: {seen[place]}"
        )
    for name, places in (("source", survey.sources), ("receiver", survey.receivers)):
        places = np.asarray(places)
        outside = (places < 0).any(1) | (places >= np.array(v.shape)).any(1)
        if outside.any():
            first = places[outside][0].tolist()
            raise InputError(
                f"{name} at (depth, x) = {first} cells lies outside the grid of {tuple(v.shape)} "
                "cells"
            )
        if len(np.unique(places, axis=0)) < len(places):
            raise InputError(f"two {name}s stand in the same cell")
    if float(seen.max()) > survey.fastest:
        raise InputError(
            f"velocity reaches {float(seen.max()):g} m/s, above the survey's fastest of "
            f"{survey.fastest:g}"
        )
    slowest = float(seen.min())
    points = slowest / (survey.frequency * survey.spacing)
    if points < LEAST:
        raise InputError(
            f"{points:.1f} cells per wavelength at the peak frequency ({slowest:g} m/s, "
            f"{survey.frequency:g} Hz, "
            f"{survey.spacing:g} m): at least {LEAST:g} are needed; refine the grid or lower the "
            "frequency"
        )
    return v


def shots(velocity: Tensor, survey: Survey) -> Tensor:
    """Recorded pressure of every shot by deepwave, (shots, receivers, samples) float32;
    differentiable in the velocity.

    Raises:
        InputError: see `check`.
    """
    import deepwave

    v = check(velocity, survey)
    number = len(survey.sources)
    wavelet = ricker(survey).expand(number, 1, -1).contiguous()
    places = torch.as_tensor(np.asarray(survey.sources))[:, None]
    receivers = torch.as_tensor(np.asarray(survey.receivers)).expand(number, -1, -1).contiguous()
    found = deepwave.scalar(
        v,
        survey.spacing,
        survey.step,
        source_amplitudes=wavelet,
        source_locations=places,
        receiver_locations=receivers,
        accuracy=4,
        pml_width=survey.layer,
        pml_freq=survey.frequency,
        max_vel=survey.fastest,
        model_gradient_sampling_interval=_gradient_interval(survey),
    )
    return found.receivers["u"]


def _gradient_interval(survey: Survey) -> int:
    """Time steps between two samples of the gradient, which is a time integral of a product of two
    fields.

    The product's band ends at twice a Ricker's, six times its peak; at that Nyquist rate nothing is
    lost, and a gradient takes 0.5 to 0.7 of the time. A wavelet that starts abruptly has no such
    band. deepwave wants a divisor of the samples.
    """
    wavelet = ricker(survey)
    if float(wavelet[0].abs()) > 1e-3 * float(wavelet.abs().max()):
        return 1
    longest = max(1, int(1 / (12 * survey.frequency * survey.step)))
    return max(k for k in range(1, longest + 1) if survey.samples % k == 0)


def leapfrog(velocity: Tensor, survey: Survey) -> Tensor:
    """The same by a propagator of our own in plain torch, the reference: leapfrog in time, fourth
    order in space, absorbing layers, in double precision; (shots, receivers, samples) float64.

    u_tt + (ζ_x + ζ_z) u_t + ζ_x ζ_z u = v² (Δu − f) + ∂_x ψ_x + ∂_z ψ_z, ψ_x,t = −ζ_x ψ_x + v² (ζ_z
    − ζ_x) ∂_x u, and ψ_z likewise.

    Raises:
        InputError: see `check`; also for a time step above the scheme's limit.
    """
    v = check(velocity, survey).double()
    h, dt, p = survey.spacing, survey.step, survey.layer
    fastest, limit = float(v.detach().max()), np.sqrt(3) / 2
    courant = dt * fastest * np.sqrt(2) / h
    if courant > limit:
        raise InputError(
            f"time step {dt:g} s is too long: v dt sqrt(2)/h = {courant:.3f} exceeds {limit:.3f} "
            "at "
            f"{fastest:g} m/s and {h:g} m; use at most {dt * limit / courant:.2g} s"
        )
    depth, width = (size + 2 * p for size in v.shape)
    squared = torch.nn.functional.pad(v[None, None], (p,) * 4, mode="replicate")[0, 0] ** 2

    def damping(size: int) -> Tensor:
        line = torch.zeros(size, dtype=torch.float64)
        inside = (p - torch.arange(p, dtype=torch.float64)) / p
        line[:p], line[-p:] = inside**2, inside.flip(0) ** 2
        return line * 3 * survey.fastest * np.log(1e4) / (2 * p * h)

    zeta_z, zeta_x = damping(depth)[:, None], damping(width)[None]
    both = zeta_z + zeta_x
    amplitudes = ricker(survey).double()
    number = len(survey.sources)
    rows, columns = (torch.as_tensor(np.asarray(survey.sources)[:, axis] + p) for axis in range(2))
    to_rows, to_columns = (
        torch.as_tensor(np.asarray(survey.receivers)[:, axis] + p) for axis in range(2)
    )
    u, before = torch.zeros(2, number, depth, width, dtype=torch.float64)
    psi_z, psi_x = torch.zeros(2, number, depth, width, dtype=torch.float64)
    shot, recorded = torch.arange(number), []

    def along(field: Tensor, axis: int) -> Tensor:
        """Centered first difference."""
        padded = torch.nn.functional.pad(field, (0, 0, 1, 1) if axis == 1 else (1, 1))
        ahead, behind = (
            (padded[:, 2:], padded[:, :-2]) if axis == 1 else (padded[..., 2:], padded[..., :-2])
        )
        return (ahead - behind) / (2 * h)

    def laplacian(field: Tensor) -> Tensor:
        padded = torch.nn.functional.pad(field, (2,) * 4)
        middle = padded[:, 2:-2, 2:-2]
        near = (
            padded[:, 1:-3, 2:-2]
            + padded[:, 3:-1, 2:-2]
            + padded[:, 2:-2, 1:-3]
            + padded[:, 2:-2, 3:-1]
        )
        far = (
            padded[:, :-4, 2:-2] + padded[:, 4:, 2:-2] + padded[:, 2:-2, :-4] + padded[:, 2:-2, 4:]
        )
        return (-5 * middle + 4 / 3 * near - far / 12) / h**2

    for sample in range(survey.samples):
        recorded.append(u[:, to_rows, to_columns])
        force = torch.zeros_like(u).index_put((shot, rows, columns), amplitudes[sample])
        push = (
            squared * (laplacian(u) - force)
            + along(psi_x, 2)
            + along(psi_z, 1)
            - zeta_z * zeta_x * u
        )
        after = (2 * u - (1 - both * dt / 2) * before + dt**2 * push) / (1 + both * dt / 2)
        psi_x = ((1 - zeta_x * dt / 2) * psi_x + dt * squared * (zeta_z - zeta_x) * along(u, 2)) / (
            1 + zeta_x * dt / 2
        )
        psi_z = ((1 - zeta_z * dt / 2) * psi_z + dt * squared * (zeta_x - zeta_z) * along(u, 1)) / (
            1 + zeta_z * dt / 2
        )
        u, before = after, u
    return torch.stack(recorded, dim=-1)
