"""The acquisition of the config: its forward operator, and noisy data."""

import numpy as np

from rote.papers.inversion import settings
from rote.synth import velocity
from rote.waves.helmholtz import Helmholtz


def operator(options: settings.InversionAcquisition) -> Helmholtz:
    """The Helmholtz operator of the config."""
    return Helmholtz(
        n=options.n,
        spacing=options.side / options.n,
        layer=options.layer,
        damping=options.damping,
        frequency=options.frequency,
        sources=options.sources,
        receivers=options.receivers,
        margin=options.margin,
    )


def observe(
    forward: Helmholtz, coordinates: np.ndarray, noise: float, rng: np.random.Generator
) -> tuple[np.ndarray, float]:
    """Noisy data of a model.

    Args:
        forward: the operator.
        coordinates: of the model, (d,).
        noise: standard deviation as a share of the largest datum.
        rng: for the noise.

    Returns:
        Data (sources, receivers) complex, and the noise's standard deviation (of the complex
        datum).
    """
    clean = forward.data(velocity.slowness(coordinates, forward.n))
    sd = noise * float(np.abs(clean).max())
    noise_draw = rng.normal(size=clean.shape) + 1j * rng.normal(size=clean.shape)
    return clean + sd * noise_draw / np.sqrt(2), sd
