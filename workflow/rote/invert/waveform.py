"""Waves through a model of one's own: acquisition, noisy data, misfit and gradient.

Data come from a grid three times as fine as the one that is inverted on, so that the solver's own
errors are part of the problem. Axes x, depth; km, s, km/s, Hz.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from rote.core import fields, reals
from rote.core.errors import InputError
from rote.core.registry import registered
from rote.waves.section import RectangularHelmholtz

FINER = 3  # odd: a coarse cell's center is the center of a fine one


class SurveyGeometry(NamedTuple):
    """Cells (x, depth) of sources and receivers, each (points, 2) whole numbers."""

    sources: np.ndarray
    receivers: np.ndarray


def _row(shape: tuple[int, int], count: int, depth: int) -> np.ndarray:
    """Cells spread evenly along x at one depth; as many as fit, at most."""
    x = np.unique(np.linspace(1, shape[0] - 2, count).astype(int))
    return np.stack([x, np.full(len(x), depth)], axis=1)


# sources and receivers of a grid (cells in x, in depth), from how many of each
GEOMETRIES: dict[str, Callable[[tuple[int, int], int, int], SurveyGeometry]] = {
    "transmission": lambda shape, sources, receivers: SurveyGeometry(
        _row(shape, sources, 1), _row(shape, receivers, shape[1] - 2)
    ),
    "reflection": lambda shape, sources, receivers: SurveyGeometry(
        _row(shape, sources, 1), _row(shape, receivers, 2)
    ),
}


@dataclass(frozen=True)
class Acquisition:
    """How waves are sent through a model and recorded."""

    spacing: float  # km
    geometry: SurveyGeometry
    frequencies: tuple[float, ...] = ()  # Hz, of the frequency domain; empty for the time domain
    peak: float = 5.0  # Hz, of the Ricker wavelet
    wavelet: np.ndarray | None = None  # samples, instead of the Ricker wavelet
    wavelet_step: float = 0.0  # s between its samples
    step: float = 0.002  # s between samples of traces, time domain
    duration: float = 1.0  # s of traces, time domain
    layer: int = 10  # cells of the absorbing layer
    damping: float = 100.0  # its largest damping, 1/s, frequency domain
    free_surface: bool = False
    noise: float = 0.05  # standard deviation as a share of the largest datum

    def __post_init__(self):
        positive = ("spacing", "peak", "step", "duration", "damping", "noise")
        fields.check(dict.fromkeys(positive, fields.POSITIVE), vars(self))
        fields.check({"layer": fields.SIZE}, vars(self))
        fields.check_many({"frequencies": self.frequencies})
        for frequency in self.frequencies:
            fields.check({"frequencies": fields.POSITIVE}, {"frequencies": frequency})
        if not self.frequencies and (self.free_surface or self.wavelet is not None):
            raise InputError(
                "a free surface and a wavelet from a file belong to the frequency domain; name "
                "frequencies, or leave them out"
            )
        if self.wavelet is not None:
            self._check_wavelet(self.wavelet)

    def _check_wavelet(self, wavelet: np.ndarray) -> None:
        """Refuse samples of no wavelet, and a step between them that cannot carry a frequency."""
        shape = reals.finite("wavelet", wavelet).shape
        if max(shape, default=0) != np.prod(shape):
            raise InputError(f"a wavelet must be one row of samples, its shape is {shape}")
        if not self.wavelet_step:
            raise InputError("a wavelet from a file needs the time between its samples, in s")
        fields.check({"wavelet_step": fields.POSITIVE}, {"wavelet_step": self.wavelet_step})
        highest = max(self.frequencies)
        if 2 * highest * self.wavelet_step > 1:
            raise InputError(
                f"samples every {self.wavelet_step:g} s hold no {highest:g} Hz; use a wavelet with "
                f"a step of at most {1 / (2 * highest):.2g} s, or lower frequencies"
            )

    def finer(self) -> "Acquisition":
        """The same on a grid `FINER` times as fine."""
        moved = SurveyGeometry(*(FINER * np.asarray(cells) + FINER // 2 for cells in self.geometry))
        spacing, layer = self.spacing / FINER, self.layer * FINER
        return replace(self, spacing=spacing, layer=layer, geometry=moved)


def spectrum(acquisition: Acquisition) -> np.ndarray:
    """The wavelet's spectrum at the frequencies, over the largest of them, (frequencies,).

    Args:
        acquisition: in the frequency domain.

    Raises:
        InputError: for a wavelet without strength at any of them.
    """
    f = np.array(acquisition.frequencies)
    if acquisition.wavelet is None:
        square = (f / acquisition.peak) ** 2
        values = square * np.exp(1 - square) + 0j
    else:
        samples = reals.finite("wavelet", acquisition.wavelet).ravel()
        times = np.arange(len(samples)) * acquisition.wavelet_step
        values = np.exp(2j * np.pi * f[:, None] * times) @ samples
    largest = np.abs(values).max()
    if not largest > 0:
        raise InputError("the wavelet has no strength at the frequencies that are inverted")
    return values / largest


class Misfit(NamedTuple):
    """Misfit over the noise floor, 1 for the truth on average, and its gradient per km/s."""

    value: float
    gradient: np.ndarray  # (cells in x, cells in depth), of Φ itself


class FrequencyDomain:
    """Noisy data of several frequencies, and the misfit of models to them."""

    def __init__(self, acquisition: Acquisition, shape: tuple[int, int]):
        self.sections = [
            RectangularHelmholtz(
                shape=shape,
                spacing=acquisition.spacing,
                frequency=frequency,
                sources=acquisition.geometry.sources,
                receivers=acquisition.geometry.receivers,
                layer=acquisition.layer,
                damping=acquisition.damping,
                free_surface=acquisition.free_surface,
            )
            for frequency in acquisition.frequencies
        ]
        self.strengths = spectrum(acquisition)
        self.noise = acquisition.noise
        self.observed: list[np.ndarray] = []
        self.sd = 0.0

    def data(self, velocity: np.ndarray) -> list[np.ndarray]:
        """By frequency, (sources, receivers) complex."""
        pairs = zip(self.strengths, self.sections, strict=True)
        return [strength * section.data(velocity) for strength, section in pairs]

    def observe(self, clean: Any, rng: np.random.Generator) -> None:
        """Take data of the true model, and add noise.

        Args:
            clean: as `data`.
            rng: of the noise.
        """
        self.sd = self.noise * max(float(np.abs(part).max()) for part in clean)
        for part in clean:
            draw = rng.normal(size=part.shape) + 1j * rng.normal(size=part.shape)
            self.observed.append(part + self.sd * draw / np.sqrt(2))

    @property
    def floor(self) -> float:
        """Minus the log-likelihood of a misfit of one noise floor: of complex data their number."""
        used = zip(self.strengths, self.observed, strict=True)
        return float(sum(part.size for strength, part in used if strength))

    def check(self, velocity: np.ndarray) -> None:
        """Refuse a model that the grid cannot carry. Raises InputError."""
        max(self.sections, key=lambda section: section.frequency).check(velocity)

    def misfit(self, velocity: np.ndarray) -> Misfit:
        """Of a model (cells in x, cells in depth), km/s."""
        value, number = 0.0, 0
        gradient = np.zeros(velocity.shape)
        for strength, section, observed in zip(
            self.strengths, self.sections, self.observed, strict=True
        ):
            if strength == 0:
                continue
            # of unit sources: data and noise over the wavelet's strength
            part, slope = section.misfit(velocity, observed / strength, self.sd / abs(strength))
            value += part
            gradient += slope
            number += observed.size
        return Misfit(value / (number / 2), gradient)


class TimeDomain:
    """Noisy traces of shots, and the misfit of models to them."""

    def __init__(self, acquisition: Acquisition, shape: tuple[int, int], fastest: float):
        from rote.waves import acoustic

        self.survey = acoustic.Survey(
            spacing=acquisition.spacing,
            step=acquisition.step,
            samples=max(2, round(acquisition.duration / acquisition.step)),
            frequency=acquisition.peak,
            sources=acquisition.geometry.sources,
            receivers=acquisition.geometry.receivers,
            layer=acquisition.layer,
            delay=1.2 / acquisition.peak,
            fastest=fastest,
        )
        self.noise = acquisition.noise
        self.sd = 0.0

    def data(self, velocity: np.ndarray) -> np.ndarray:
        """Traces, (sources, receivers, samples)."""
        import torch

        from rote.waves import acoustic

        return acoustic.shots(torch.tensor(velocity), self.survey).numpy()

    def observe(self, clean: Any, rng: np.random.Generator) -> None:
        """Take traces of the true model, and add noise.

        Args:
            clean: as `data`.
            rng: of the noise.
        """
        self.sd = self.noise * float(np.abs(clean).max())
        self.observed = clean + self.sd * rng.normal(size=clean.shape)

    @property
    def floor(self) -> float:
        """Minus the log-likelihood of a misfit of one noise floor: half the number of data."""
        return self.observed.size / 2

    def check(self, velocity: np.ndarray) -> None:
        """Refuse a model that the grid cannot carry. Raises InputError."""
        from rote.waves import acoustic

        acoustic.check(velocity, self.survey)

    def misfit(self, velocity: np.ndarray) -> Misfit:
        """Of a model (cells in x, cells in depth), km/s."""
        import torch

        from rote.waves import acoustic

        v = torch.tensor(velocity, requires_grad=True)
        residuals = acoustic.shots(v, self.survey).double() - torch.tensor(self.observed)
        value = residuals.square().sum() / (2 * self.sd**2)
        (gradient,) = torch.autograd.grad(value, v)
        return Misfit(
            float(value.detach()) / (residuals.numel() / 2), gradient.numpy().astype(float)
        )


Problem = FrequencyDomain | TimeDomain


def _domain(acquisition: Acquisition, shape: tuple[int, int], fastest: float) -> Problem:
    if acquisition.frequencies:
        return FrequencyDomain(acquisition, shape)
    return TimeDomain(acquisition, shape, fastest)


def problem(
    acquisition: Acquisition,
    true: np.ndarray,
    rng: np.random.Generator,
    *,
    fastest: float,
    same_grid: bool = False,
) -> Problem:
    """A true model's noisy data, and the misfit of others to them.

    Args:
        acquisition: how it is measured.
        true: the true model, (cells in x, cells in depth), km/s.
        rng: of the noise.
        fastest: largest velocity of any model, km/s.
        same_grid: make data on the grid that is inverted on: what is known as an inverse crime.

    Raises:
        InputError: for positions outside the grid, a grid that is too coarse, and traces that end
            before a wave arrives.
    """
    inverted = _domain(acquisition, true.shape, fastest)
    if same_grid:
        source, model = inverted, true
    else:
        model = np.kron(true, np.ones((FINER, FINER)))
        source = _domain(acquisition.finer(), model.shape, fastest)
    clean = source.data(model)
    if not acquisition.frequencies:
        _refuse_silence(acquisition, float(true.max()))
    inverted.observe(clean, rng)
    return inverted


def _refuse_silence(acquisition: Acquisition, fastest: float) -> None:
    """Raise InputError for traces that end before the first wave arrives, at `fastest` km/s."""
    sources, receivers = (np.asarray(cells, float) for cells in acquisition.geometry)
    distances = np.linalg.norm(sources[:, None] - receivers, axis=-1)
    arrival = acquisition.spacing * float(distances.min()) / fastest
    if acquisition.duration <= arrival:
        raise InputError(
            f"no wave reaches a receiver within {acquisition.duration:g} s, the first one after "
            f"{arrival:.2g} s; record longer"
        )


def geometry(name: str, shape: tuple[int, int], sources: int, receivers: int) -> SurveyGeometry:
    """Sources and receivers by name.

    Args:
        name: of one of `GEOMETRIES`.
        shape: cells in x and depth.
        sources: how many, at least 1.
        receivers: how many, at least 1.

    Raises:
        InputError: for an unknown name, or numbers below 1.
    """
    counts = {"sources": sources, "receivers": receivers}
    fields.check(dict.fromkeys(counts, fields.SIZE), counts)
    return registered(GEOMETRIES, name, "geometry")(shape, sources, receivers)
