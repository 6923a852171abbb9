"""Acoustic shots in the time domain: by deepwave, and by a plain torch reference propagator.

m u_tt = Δu − f(t) δ_s / h² for the squared slowness m = 1/v², a Ricker wavelet f and h the
spacing. Conventions are those of `rote.waves`: axes x, depth; km, s, km/s; sources in one cell have
the strength of a point source. With û(ω) = ∫ u(t) exp(iωt) dt this is the equation of
`rote.waves.helmholtz` times f̂(ω).

deepwave accepts zero and negative velocities without a word; this module refuses them, and sources
and receivers outside the grid and time steps that the scheme cannot take.
"""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from rote.core import fields, reals
from rote.core.errors import InputError
from rote.waves import limits

BAND = 2.5  # highest frequency of a Ricker wavelet over its peak; above it lies a thousandth
# Of the shortest wavelength, that of the band's end in the slowest cell. With fewer than the first
# number, traces are more wrong than right after 50 cells (`domains` has the numbers): refused.
MIN_CELLS_PER_WAVELENGTH = 2.5
_SILENT = 4.0  # π f (delay − t) before which a Ricker wavelet is below 1e-5 of its peak


class Survey(NamedTuple):
    """An acquisition: grid, time steps, wavelet, cells (x, depth) of sources and receivers.

    The absorbing layer lies outside the grid; sources and receivers lie inside.
    """

    spacing: float  # km
    step: float  # s
    samples: int
    frequency: float  # Hz, peak of the Ricker wavelet
    sources: np.ndarray  # (shots, 2) whole numbers
    receivers: np.ndarray  # (receivers, 2) whole numbers, the same for every shot
    layer: int = 10  # cells of the absorbing layer
    delay: float = 0.15  # s
    fastest: float = 4.2  # km/s, so that the time step does not depend on the model


def ricker(survey: Survey) -> Tensor:
    """The Ricker wavelet of a survey, (samples,) float32, without unit.

    Args:
        survey: the acquisition.

    Raises:
        InputError: for numbers of the survey that `check` refuses.
    """
    survey = _with_plain_numbers(survey)
    t = torch.arange(survey.samples, dtype=torch.float64) * survey.step - survey.delay
    a = (np.pi * survey.frequency * t) ** 2
    return ((1 - 2 * a) * torch.exp(-a)).float()


def check(velocity: Tensor, survey: Survey) -> Tensor:
    """The velocity as a float32 tensor, checked against the survey.

    Args:
        velocity: (cells in x, cells in depth), in km/s.
        survey: the acquisition.

    Returns:
        (cells in x, cells in depth) float32, in km/s.

    Raises:
        InputError: with what is wrong: numbers of the survey that are not in [1e-9, 1e9] (a delay
            may be 0), a time step longer than half the shortest period of the wavelet, traces that
            end before it begins; shape, velocities that are not positive and finite or exceed
            `survey.fastest`, positions that are no whole numbers, lie outside the grid or are
            repeated, fewer than `MIN_CELLS_PER_WAVELENGTH` cells per shortest wavelength.
    """
    return _checked(velocity, survey)[0]


def _checked(velocity: Tensor, survey: Survey) -> tuple[Tensor, Survey]:
    """The velocity as float32, and the survey with plain numbers and 64-bit positions."""
    survey = _with_plain_numbers(survey)
    given = velocity if isinstance(velocity, Tensor) else reals.array("velocity", velocity).copy()
    v = torch.as_tensor(given)
    if v.is_complex() or v.is_meta or v.layout is not torch.strided:
        raise InputError(f"velocity must be a dense array of real numbers, given {v.dtype}")
    v = v.float()
    if v.ndim != 2:
        raise InputError(
            f"velocity must be (cells in x, cells in depth), its shape is {tuple(v.shape)}"
        )
    values = v.detach()
    invalid = ~(torch.isfinite(values) & (values > 0))
    if bool(invalid.any()):
        cell = tuple(invalid.nonzero()[0].tolist())
        raise InputError(
            "velocity must be positive and finite: "
            f"{int(invalid.sum())} cells are not, first {cell}: {values[cell]}"
        )
    shape = (v.shape[0], v.shape[1])
    survey = survey._replace(
        sources=limits.positions("source", survey.sources, shape),
        receivers=limits.positions("receiver", survey.receivers, shape),
    )
    if float(values.max()) > float(np.float32(survey.fastest)):
        raise InputError(
            f"velocity reaches {float(values.max()):g} km/s, "
            f"above the survey's fastest of {survey.fastest:g}"
        )
    slowest, highest = float(values.min()), BAND * survey.frequency
    limits.check_cells(slowest, highest, survey.spacing, MIN_CELLS_PER_WAVELENGTH)
    return v, survey


_NUMBERS = {
    **dict.fromkeys(("spacing", "step", "frequency", "fastest"), limits.SCALE),
    "samples": fields.whole(1, 10**8),
    "layer": limits.CELLS,
    "delay": fields.FieldRange("in [0, 1e9]", lambda value: 0 <= value <= 1e9),
}


def _with_plain_numbers(survey: Survey) -> Survey:
    fields.check_types({"survey": Survey}, {"survey": survey})
    survey = survey._replace(**fields.check(_NUMBERS, survey._asdict()))
    longest = 1 / (2 * BAND * survey.frequency)
    if survey.step > longest:
        raise InputError(
            f"step {survey.step:g} s is too long for a wavelet of {survey.frequency:g} Hz, "
            f"whose band ends at {BAND * survey.frequency:g} Hz; use at most {longest:.2g} s"
        )
    end = (survey.samples - 1) * survey.step
    early = _SILENT / (np.pi * survey.frequency)  # s before its peak
    if survey.delay - early > end:
        raise InputError(
            f"a wavelet of {survey.frequency:g} Hz with its peak at a delay of {survey.delay:g} s "
            f"does not begin within the {end:g} s of the traces; use a shorter delay, or more "
            "samples"
        )
    return survey


def shots(velocity: Tensor, survey: Survey) -> Tensor:
    """Recorded pressure of every shot by deepwave; differentiable in the velocity.

    Args:
        velocity: (cells in x, cells in depth), in km/s.
        survey: the acquisition.

    Returns:
        (shots, receivers, samples) float32.

    Raises:
        InputError: see `check`.
    """
    import deepwave

    v, survey = _checked(velocity, survey)
    number = len(survey.sources)
    wavelet = (ricker(survey) / survey.spacing**2).expand(number, 1, -1).contiguous()
    sources = torch.as_tensor(survey.sources)[:, None]
    receivers = torch.as_tensor(survey.receivers).expand(number, -1, -1).contiguous()
    propagated = deepwave.scalar(
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
    return propagated.receivers["u"]


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

        u_tt + (ζ_x + ζ_z) u_t + ζ_x ζ_z u = v² (Δu − f + ∂_x ψ_x + ∂_z ψ_z)
        ψ_x,t = −ζ_x ψ_x + (ζ_z − ζ_x) ∂_x u, and ψ_z likewise.

    With v² inside ψ fields grow where the velocity varies along a layer.

    Args:
        velocity: (cells in x, cells in depth), in km/s.
        survey: the acquisition.

    Returns:
        (shots, receivers, samples) float64.

    Raises:
        InputError: see `check`; also for a time step above the scheme's limit.
    """
    v, survey = _checked(velocity, survey)
    v = v.double()
    h = survey.spacing
    dt = survey.step
    p = survey.layer
    strongest = _strongest_damping(survey)
    _check_time_step(float(v.detach().max()), strongest, survey)
    width, depth = (size + 2 * p for size in v.shape)
    squared = torch.nn.functional.pad(v[None, None], (p,) * 4, mode="replicate")[0, 0] ** 2

    def damping(size: int) -> Tensor:
        line = torch.zeros(size, dtype=torch.float64)
        inside = (p - torch.arange(p, dtype=torch.float64)) / p
        line[:p], line[-p:] = inside**2, inside.flip(0) ** 2
        return line * strongest

    zeta_x, zeta_z = damping(width)[:, None], damping(depth)[None]
    both = zeta_x + zeta_z
    amplitudes = ricker(survey).double() / h**2
    number = len(survey.sources)
    source_rows, source_columns = torch.as_tensor(survey.sources.T + p)
    receiver_rows, receiver_columns = torch.as_tensor(survey.receivers.T + p)
    u, before = torch.zeros(2, number, width, depth, dtype=torch.float64)
    psi_x, psi_z = torch.zeros(2, number, width, depth, dtype=torch.float64)
    shot = torch.arange(number)
    recorded = []

    def slope_x(field: Tensor) -> Tensor:
        """Centered first difference along x."""
        padded = torch.nn.functional.pad(field, (0, 0, 1, 1))
        return (padded[:, 2:] - padded[:, :-2]) / (2 * h)

    def slope_z(field: Tensor) -> Tensor:
        """Centered first difference along depth."""
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
            squared * (laplacian(u) - force + slope_x(psi_x) + slope_z(psi_z)) - zeta_z * zeta_x * u
        )
        after = (2 * u - (1 - both * dt / 2) * before + dt**2 * push) / (1 + both * dt / 2)
        psi_x = ((1 - zeta_x * dt / 2) * psi_x + dt * (zeta_z - zeta_x) * slope_x(u)) / (
            1 + zeta_x * dt / 2
        )
        psi_z = ((1 - zeta_z * dt / 2) * psi_z + dt * (zeta_x - zeta_z) * slope_z(u)) / (
            1 + zeta_z * dt / 2
        )
        u, before = after, u
    return torch.stack(recorded, dim=-1)


def _strongest_damping(survey: Survey) -> float:
    """ζ at the rim, 1/s: a wave that crosses the layer and comes back keeps 1e-4."""
    return 3 * survey.fastest * np.log(1e4) / (2 * survey.layer * survey.spacing)


def _check_time_step(fastest: float, damping: float, survey: Survey) -> None:
    """Refuse time steps at which fields could grow.

    Leapfrog needs dt² λ ≤ 4. The largest λ of −v² Δ is 32 v²/(3 h²), of 16/3 along each axis; in
    the corners of the absorbing layer ζ_x ζ_z comes on top. (Our bound: it lies 1 to 10 % below the
    step at which fields begin to grow.)
    """
    grid = np.sqrt(32 / 3) * fastest / survey.spacing
    longest = 2 / np.hypot(grid, damping)
    if survey.step > longest:
        raise InputError(
            f"step {survey.step:g} s is too long at {fastest:g} km/s, {survey.spacing:g} km and "
            f"{survey.layer} cells of absorbing layer: fields could grow; use at most "
            f"{0.999 * longest:.3g} s"
        )
