"""Generated images: a long tail of subpopulations, and fine classes within coarse ones. Stand-ins
of our own.
"""

from typing import NamedTuple

import numpy as np
from scipy.ndimage import gaussian_filter


class Images(NamedTuple):
    """Labelled images."""

    pixels: np.ndarray  # (images, channels · side²) float32
    labels: np.ndarray  # (images,) int64
    groups: np.ndarray  # (images,) int64: subpopulation (long tail) or coarse class


def patterns(
    rng: np.random.Generator, number: int, channels: int, side: int, smooth: float
) -> np.ndarray:
    """Smooth random patterns of unit standard deviation, (number, channels, side, side)."""
    noise = rng.normal(size=(number, channels, side, side))
    found = gaussian_filter(noise, (0, 0, smooth, smooth), mode="wrap")
    return found / found.std((2, 3), keepdims=True)


def _shifted(rng: np.random.Generator, images: np.ndarray, mirror: bool = False) -> np.ndarray:
    """Every image rolled by −1 to 1 pixels along each axis, and mirrored at random if asked."""
    moves = rng.integers(-1, 2, size=(len(images), 2))
    out = np.empty_like(images)
    for down in (-1, 0, 1):
        for right in (-1, 0, 1):
            some = (moves == (down, right)).all(1)
            out[some] = np.roll(images[some], (down, right), (2, 3))
    if mirror:
        some = rng.random(len(out)) < 0.5
        out[some] = out[some][..., ::-1]
    return out


class LongTail:
    """20 classes of 30 subpopulations, frequency 1/rank within a class, 12 × 12 pixels.

    An image is the look of a class, 1.6 times a pattern of its subpopulation, and noise of 0.7. The
    20 rarest subpopulations of each class wear the look of a random class: only their own pattern
    tells.
    """

    CLASSES, PARTS, SIDE, CHANNELS = 20, 30, 12, 1

    def __init__(self, rng: np.random.Generator):
        looks = patterns(rng, self.CLASSES, 1, self.SIDE, 1.5)
        own = patterns(rng, self.CLASSES * self.PARTS, 1, self.SIDE, 1.5)
        worn = np.repeat(np.arange(self.CLASSES), self.PARTS).reshape(self.CLASSES, self.PARTS)
        worn[:, self.PARTS - 20 :] = rng.integers(self.CLASSES, size=(self.CLASSES, 20))
        self.means = looks[worn.ravel()] + 1.6 * own
        frequency = 1 / np.arange(1, self.PARTS + 1)
        self.frequency = frequency / frequency.sum()

    def draw(self, rng: np.random.Generator, number: int) -> Images:
        """Images; the group is class · 30 + rank of the subpopulation, from 0."""
        labels = rng.integers(self.CLASSES, size=number)
        groups = labels * self.PARTS + rng.choice(self.PARTS, number, p=self.frequency)
        images = _shifted(rng, self.means[groups]) + 0.7 * rng.normal(
            size=(number, 1, self.SIDE, self.SIDE)
        )
        return Images((images / 2).reshape(number, -1).astype(np.float32), labels, groups)


class CoarseFine:
    """100 fine classes in 20 coarse ones, with modes, 3 × 16 × 16 pixels: a stand-in for CIFAR-100.

    An image is a coarse look, 0.7 times a fine one, 0.9 times one of 12 modes of the class, and
    noise of 1.2.
    """

    COARSE, CLASSES, MODES, SIDE, CHANNELS = 20, 100, 12, 16, 3

    def __init__(self, rng: np.random.Generator):
        coarse = patterns(rng, self.COARSE, 3, self.SIDE, 2.5)
        fine = patterns(rng, self.CLASSES, 3, self.SIDE, 1.2)
        self.looks = np.repeat(coarse, self.CLASSES // self.COARSE, axis=0) + 0.7 * fine
        self.modes = patterns(rng, self.CLASSES * self.MODES, 3, self.SIDE, 1.2)

    def draw(self, rng: np.random.Generator, number: int) -> Images:
        """Images; the group is the coarse class."""
        labels = rng.integers(self.CLASSES, size=number)
        modes = labels * self.MODES + rng.integers(self.MODES, size=number)
        images = _shifted(rng, self.looks[labels] + 0.9 * self.modes[modes], mirror=True)
        images = images + 1.2 * rng.normal(size=images.shape)
        groups = labels // (self.CLASSES // self.COARSE)
        return Images((images / 1.4).reshape(number, -1).astype(np.float32), labels, groups)
