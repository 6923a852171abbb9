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
    margin: float = 0.0  # share of the side that is empty at each edge


@dataclass(frozen=True)
class GlyphSource:
    """A set of one-off symbols."""

    name: str  # in the settings
    # (folder, whether to download, sheet, generator) -> (glyphs, side, side) uint8
    draw: Callable[[str, bool, Any, np.random.Generator], np.ndarray]
    files: str = ""  # what the folder must hold; "" needs no folder


def _digits(root: str, download: bool) -> Any:
    from rote.data import images

    return images.digits()


def _mnist(root: str, download: bool) -> Any:
    from rote.data import images

    return images.mnist(root, download=download)


def _mnist_sample(root: str, download: bool) -> Any:
    from rote.data import images

    return images.load_mnist_sample()


def _drawn(root: str, download: bool, sheet: Any, rng: np.random.Generator) -> np.ndarray:
    from rote.synth import triples

    return triples.draw_glyphs(sheet, rng)


def _omniglot(root: str, download: bool, sheet: Any, rng: np.random.Generator) -> np.ndarray:
    """Characters on the gray scale of the digits."""
    from rote.data import images
    from rote.synth import triples

    glyphs = images.omniglot(root, triples.GLYPHS, sheet.side, rng, download=download)
    return (glyphs.astype(float) * sheet.ink / 255).round().astype(np.uint8)


DIGITS = {
    source.name: source
    for source in (
        DigitSource("digits", _digits),
        DigitSource("mnist-sample", _mnist_sample, margin=1 / 7),
        DigitSource("mnist", _mnist, files="the MNIST files", margin=1 / 7),
    )
}
GLYPHS = {
    source.name: source
    for source in (
        GlyphSource("drawn", _drawn),
        GlyphSource("omniglot", _omniglot, files="Omniglot"),
    )
}
