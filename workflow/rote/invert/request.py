"""What `rote invert` was given, from files to files."""

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rote.core import extras
from rote.core.errors import InputError
from rote.invert import files, inversion, waveform
from rote.readers import model as models

log = logging.getLogger("rote")
SHORTEST = 0.1  # wavelengths that a model is long


@dataclass(frozen=True)
class Request:
    """The options of `rote invert`, by their names there."""

    model: Path
    spacing: float  # m
    out: Path
    training: Path | None
    prior: str
    frequencies: str
    geometry: str
    sources: int
    receivers: int
    source_table: Path | None
    receiver_table: Path | None
    axes: str
    unit: str
    key: str
    peak: float
    wavelet: Path | None
    wavelet_step: float
    step: float
    duration: float
    layer: int
    free_surface: bool
    noise: float
    same_grid: bool
    samples: int
    diffusion_steps: int
    data_step: float
    components: int
    training_steps: int
    background: float
    spread: float
    seed: int
    threads: int = 1


def acquisition(request: Request, shape: tuple[int, int]) -> waveform.Acquisition:
    """How the model is measured.

    Args:
        request: the options.
        shape: cells in x and depth.

    Raises:
        InputError: for frequencies that are no numbers, and tables or wavelets that cannot be read.
    """
    try:
        frequencies = tuple(float(word) for word in request.frequencies.replace(",", " ").split())
    except ValueError as error:
        raise InputError(f"--frequencies must be numbers in Hz, by commas ({error})") from error
    if request.frequencies and not frequencies:
        raise InputError(f"--frequencies must be numbers in Hz, given {request.frequencies!r}")
    spacing = request.spacing / 1000
    placed = waveform.geometry(request.geometry, shape, request.sources, request.receivers)
    if request.source_table:
        placed = placed._replace(sources=files.positions(request.source_table, spacing))
    if request.receiver_table:
        placed = placed._replace(receivers=files.positions(request.receiver_table, spacing))
    return waveform.Acquisition(
        spacing=spacing,
        geometry=placed,
        frequencies=frequencies,
        peak=request.peak,
        wavelet=models.read(request.wavelet) if request.wavelet else None,
        wavelet_step=request.wavelet_step,
        step=request.step,
        duration=request.duration,
        layer=request.layer,
        free_surface=request.free_surface,
        noise=request.noise,
    )


def _refuse_other_unit(name: str, true: np.ndarray, measured: waveform.Acquisition) -> None:
    """Raise InputError for a model that is nothing beside a wave: cells in km, or peaks in kHz."""
    length = max(true.shape) * measured.spacing
    highest = max(measured.frequencies, default=measured.peak)
    waves = length * highest / float(true.min())
    if waves < SHORTEST:
        raise InputError(
            f"{name} is {1000 * length:.3g} m long, {waves:.2g} wavelengths of {highest:g} Hz, at "
            f"least {SHORTEST:g} are needed; --spacing is in m, --frequencies and --peak in Hz"
        )


def run(request: Request) -> None:
    """Read, invert, write, and say what came out.

    Args:
        request: the options.

    Raises:
        InputError: for whatever of them is wrong, by name.
    """
    extras.require("rote.plotting")  # before hours of waves, not after
    values = models.read(request.model, request.key)
    true = files.velocities(values, request.axes, request.unit, str(request.model))
    if true.ndim != 2:
        raise InputError(f"{request.model} must hold one model of two axes, it has three axes")
    training: np.ndarray | None = None
    names: list[str] = []
    if request.training:
        training, names = files.training_set(
            request.training, request.axes, request.unit, request.key
        )
    options = inversion.Options(
        prior=request.prior,
        samples=request.samples,
        steps=request.diffusion_steps,
        data_step=request.data_step,
        components=request.components,
        training_steps=request.training_steps,
        background=request.background,
        spread=request.spread,
        seed=request.seed,
    )
    measured = acquisition(request, true.shape)
    _refuse_other_unit(str(request.model), true, measured)
    result = inversion.run(true, measured, options, training, same_grid=request.same_grid)
    if names:
        result.table["nearest_name"] = [names[number] for number in result.table["nearest"]]
        result.lookup["name"] = names
    written = files.write(request.out, result, request.axes)
    files.figure(request.out / "figure.png", true, result, request.spacing / 1000)
    print(files.report(result))
    log.info("wrote %s and figure.png to %s", ", ".join(p.name for p in written), request.out)
