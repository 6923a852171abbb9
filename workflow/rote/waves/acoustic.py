"""Acoustic shots in the time domain: by deepwave, and by a plain torch reference propagator.

Velocities are (cells in depth, cells in x) in m/s. deepwave accepts zero and negative velocities
without a word; this module refuses them, and sources and receivers outside the grid and time steps
that the scheme cannot take.
"""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from rote.core.errors import InputError

MIN_CELLS_PER_WAVELENGTH = 6.0  # at the peak frequency; fewer are refused


class Survey(NamedTuple):
    """An acquisition: grid, time steps, wavelet, cells (depth, x) of sources and receivers."""

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
    """The Ricker wavelet of a survey, (samples,) float32, without unit.

    Args:
        survey: its samples, step, delay and frequency count.
    """
    t = torch.arange(survey.samples, dtype=torch.float64) * survey.step - survey.delay
    a = (np.pi * survey.frequency * t) ** 2
    return ((1 - 2 * a) * torch.exp(-a)).float()


def check(velocity: Tensor, survey: Survey) -> Tensor:
    """The velocity as a float32 tensor, checked against the survey.

    Args:
        velocity: (cells in depth, cells in x), in m/s.
        survey: grid, positions, frequency and fastest velocity.

    Returns:
        (cells in depth, cells in x) float32, in m/s.

    Raises:
        InputError: with the numbers that are wrong: shape, velocities that are not positive and
            finite or exceed `survey.fastest`, positions outside the grid or repeated, fewer than
            `MIN_CELLS_PER_WAVELENGTH` cells per wavelength.
    """
    v = torch.as_tensor(velocity).float()
    if v.ndim != 2:
        raise InputError(
            f"velocity must be (cells in depth, cells in x), its shape is {tuple(v.shape)}"
        )
    values = v.detach()
    invalid = ~(torch.isfinite(values) & (values > 0))
    if bool(invalid.any()):
        cell = tuple(invalid.nonzero()[0].tolist())
        raise InputError(
            "velocity must be positive and finite: "
            f"{int(invalid.sum())} cells are not, first {cell}: {values[cell]}"
        )
    for name, positions in (("source", survey.sources), ("receiver", survey.receivers)):
        _check_positions(name, np.asarray(positions), tuple(v.shape))
    if float(values.max()) > survey.fastest:
        raise InputError(
            f"velocity reaches {float(values.max()):g} m/s, "
            f"above the survey's fastest of {survey.fastest:g}"
        )
    slowest = float(values.min())
    cells = slowest / (survey.frequency * survey.spacing)
    if cells < MIN_CELLS_PER_WAVELENGTH:
        raise InputError(
            f"{cells:.1f} cells per wavelength at the peak frequency "
            f"({slowest:g} m/s, {survey.frequency:g} Hz, {survey.spacing:g} m): "
            f"at least {MIN_CELLS_PER_WAVELENGTH:g} are needed; "
            "refine the grid or lower the frequency"
        )
    return v


def _check_positions(name: str, positions: np.ndarray, shape: tuple[int, ...]) -> None:
    """Refuse positions (points, 2) outside a grid, and repeated ones."""
    outside = (positions < 0).any(1) | (positions >= np.array(shape)).any(1)
    if outside.any():
        first = positions[outside][0].tolist()
        raise InputError(
            f"{name} at (depth, x) = {first} cells lies outside the grid of {shape} cells"
        )
    if len(np.unique(positions, axis=0)) < len(positions):
        raise InputError(f"two {name}s stand in the same cell")


def shots(velocity: Tensor, survey: Survey) -> Tensor:
    """Recorded pressure of every shot by deepwave; differentiable in the velocity.

    Args:
        velocity: (cells in depth, cells in x), in m/s.
        survey: the acquisition.

    Returns:
        (shots, receivers, samples) float32.

    Raises:
        InputError: see `check`.
    """
    import deepwave

    v = check(velocity, survey)
    number = len(survey.sources)
    wavelet = ricker(survey).expand(number, 1, -1).contiguous()
    sources = torch.as_tensor(np.asarray(survey.sources))[:, None]
    receivers = torch.as_tensor(np.asarray(survey.receivers)).expand(number, -1, -1).contiguous()
    fields = deepwave.scalar(
        v,
        survey.spacing,
        survey.step,
        source_amplitudes=wavelet,
        source_locations=sources,
        receiver_locations=receivers,
        accuracy=4,
        pml_width=survey.layer,
        pml_freq=survey.frequency,
        max_vel=survey.fastest,
        model_gradient_sampling_interval=_gradient_interval(survey),
    )
    return fields.receivers["u"]


def _gradient_interval(survey: Survey) -> int:
    """Time steps between two samples of the gradient, a time integral of a product of two fields.

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
    """The same by a reference propagator in plain torch, in double precision.

    Leapfrog in time, fourth order in space, absorbing layers:

        u_tt + (ζ_x + ζ_z) u_t + ζ_x ζ_z u = v² (Δu − f) + ∂_x ψ_x + ∂_z ψ_z
        ψ_x,t = −ζ_x ψ_x + v² (ζ_z − ζ_x) ∂_x u, and ψ_z likewise.

    Args:
        velocity: (cells in depth, cells in x), in m/s.
        survey: the acquisition.

    Returns:
        (shots, receivers, samples) float64.

    Raises:
        InputError: see `check`; also for a time step above the scheme's limit.
    """
    v = check(velocity, survey).double()
    h = survey.spacing
    dt = survey.step
    p = survey.layer
    fastest = float(v.detach().max())
    limit = np.sqrt(3) / 2
    courant = dt * fastest * np.sqrt(2) / h
    if courant > limit:
        raise InputError(
            f"time step {dt:g} s is too long: v dt sqrt(2)/h = {courant:.3f} exceeds "
            f"{limit:.3f} at {fastest:g} m/s and {h:g} m; use at most {dt * limit / courant:.2g} s"
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
    source_rows, source_columns = torch.as_tensor(np.asarray(survey.sources).T + p)
    receiver_rows, receiver_columns = torch.as_tensor(np.asarray(survey.receivers).T + p)
    u, before = torch.zeros(2, number, depth, width, dtype=torch.float64)
    psi_z, psi_x = torch.zeros(2, number, depth, width, dtype=torch.float64)
    shot = torch.arange(number)
    recorded = []

    def slope_z(field: Tensor) -> Tensor:
        """Centered first difference along depth."""
        padded = torch.nn.functional.pad(field, (0, 0, 1, 1))
        return (padded[:, 2:] - padded[:, :-2]) / (2 * h)

    def slope_x(field: Tensor) -> Tensor:
        """Centered first difference along x."""
        padded = torch.nn.functional.pad(field, (1, 1))
        return (padded[..., 2:] - padded[..., :-2]) / (2 * h)

    def laplacian(field: Tensor) -> Tensor:
        padded = torch.nn.functional.pad(field, (2,) * 4)
        middle = padded[:, 2:-2, 2:-2]
        adjacent = (
            padded[:, 1:-3, 2:-2]
            + padded[:, 3:-1, 2:-2]
            + padded[:, 2:-2, 1:-3]
            + padded[:, 2:-2, 3:-1]
        )
        second = (
            padded[:, :-4, 2:-2] + padded[:, 4:, 2:-2] + padded[:, 2:-2, :-4] + padded[:, 2:-2, 4:]
        )
        return (-5 * middle + 4 / 3 * adjacent - second / 12) / h**2

    for sample in range(survey.samples):
        recorded.append(u[:, receiver_rows, receiver_columns])
        force = torch.zeros_like(u).index_put(
            (shot, source_rows, source_columns), amplitudes[sample]
        )
        push = (
            squared * (laplacian(u) - force) + slope_x(psi_x) + slope_z(psi_z) - zeta_z * zeta_x * u
        )
        after = (2 * u - (1 - both * dt / 2) * before + dt**2 * push) / (1 + both * dt / 2)
        psi_x = ((1 - zeta_x * dt / 2) * psi_x + dt * squared * (zeta_z - zeta_x) * slope_x(u)) / (
            1 + zeta_x * dt / 2
        )
        psi_z = ((1 - zeta_z * dt / 2) * psi_z + dt * squared * (zeta_x - zeta_z) * slope_z(u)) / (
            1 + zeta_z * dt / 2
        )
        u, before = after, u
    return torch.stack(recorded, dim=-1)
