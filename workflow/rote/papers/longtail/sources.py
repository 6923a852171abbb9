"""Where digits and one-off glyphs come from, registered once for settings and data.

Sources load what they need when they are called, so that listing them costs nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class DigitSource:
    """A set of labelled digits."""

    name: str  # in the settings
    load: Callable[[str, bool], Any]  # (folder, whether to download) -> rote.data.images.Images
    files: str = ""  # what the folder must hold; "" needs no folder


@dataclass(frozen=True)
class GlyphSource:
    """A set of one-off symbols."""

    name: str  # in the settings
    # (folder, whether to download, side, full ink, generator) -> (glyphs, side, side) uint8
    draw: Callable[[str, bool, int, int, np.random.Generator], np.ndarray]
    files: str = ""  # what the folder must hold; "" needs no folder


def _digits(root: str, download: bool) -> Any:
    from rote.data import images

    return images.digits()


def _mnist(root: str, download: bool) -> Any:
    from rote.data import images

    return images.mnist(root, download=download)


def _drawn(root: str, download: bool, side: int, ink: int, rng: np.random.Generator) -> np.ndarray:
    from rote.synth import triples

    return triples.draw_glyphs(side, ink, rng)


def _omniglot(
    root: str, download: bool, side: int, ink: int, rng: np.random.Generator
) -> np.ndarray:
    """Characters on the gray scale of the digits."""
    from rote.data import images
    from rote.synth import triples

    glyphs = images.omniglot(root, triples.GLYPHS, side, rng, download=download)
    return (glyphs.astype(float) * ink / 255).round().astype(np.uint8)


DIGITS = {
    source.name: source
    for source in (
        DigitSource("digits", _digits),
        DigitSource("mnist", _mnist, files="the MNIST files"),
    )
}
GLYPHS = {
    source.name: source
    for source in (
        GlyphSource("drawn", _drawn),
        GlyphSource("omniglot", _omniglot, files="Omniglot"),
    )
}
