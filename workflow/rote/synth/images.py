"""Generated images, stand-ins of our own: a long tail of subpopulations, fine in coarse classes."""

from itertools import product
from typing import NamedTuple

import numpy as np
from scipy.ndimage import gaussian_filter


class GeneratedImages(NamedTuple):
    """Labelled images that a generator drew."""

    pixels: np.ndarray  # (images, channels · side²) float32
    labels: np.ndarray  # (images,) int64 classes
    groups: np.ndarray  # (images,) int64: subpopulation (long tail) or coarse class


def patterns(
    rng: np.random.Generator, number: int, channels: int, side: int, smooth: float
) -> np.ndarray:
    """Smooth random patterns of unit standard deviation, (number, channels, side, side).

    Args:
        rng: source of all draws.
        number: of patterns.
        channels: per pattern.
        side: height and width, pixels.
        smooth: standard deviation of the Gaussian filter, pixels; it wraps around the edges.

    Returns:
        (number, channels, side, side) float64.
    """
    noise = rng.normal(size=(number, channels, side, side))
    smoothed = gaussian_filter(noise, (0, 0, smooth, smooth), mode="wrap")
    return smoothed / smoothed.std((2, 3), keepdims=True)


def _shifted(rng: np.random.Generator, images: np.ndarray, mirror: bool = False) -> np.ndarray:
    """Every image rolled by −1 to 1 pixels along each axis, and mirrored at random if `mirror`."""
    moves = rng.integers(-1, 2, size=(len(images), 2))
    shifted = np.empty_like(images)
    for shift in product((-1, 0, 1), (-1, 0, 1)):
        chosen = (moves == shift).all(1)
        shifted[chosen] = np.roll(images[chosen], shift, (2, 3))
    if mirror:
        chosen = rng.random(len(shifted)) < 0.5
        shifted[chosen] = shifted[chosen][..., ::-1]
    return shifted


class LongTailImages:
    """20 classes of 30 subpopulations, frequency 1/rank within a class, 12 × 12 pixels.

    An image is the look of a class, 1.6 times a pattern of its subpopulation, and noise of 0.7. The
    20 rarest subpopulations of each class have the look of a random class: only the pattern of the
    subpopulation tells the class.
    """

    CLASSES = 20
    SUBPOPULATIONS = 30  # of a class
    LOOKALIKES = 20  # the rarest subpopulations of a class, which look like any class
    SIDE = 12
    CHANNELS = 1

    def __init__(self, rng: np.random.Generator):
        subpopulations = (self.CLASSES, self.SUBPOPULATIONS)
        class_looks = patterns(rng, self.CLASSES, 1, self.SIDE, 1.5)
        details = patterns(rng, self.CLASSES * self.SUBPOPULATIONS, 1, self.SIDE, 1.5)
        look = np.broadcast_to(np.arange(self.CLASSES)[:, None], subpopulations).copy()
        rarest = rng.integers(self.CLASSES, size=(self.CLASSES, self.LOOKALIKES))
        look[:, -self.LOOKALIKES :] = rarest
        self.means = class_looks[look.ravel()] + 1.6 * details
        frequency = 1 / np.arange(1, self.SUBPOPULATIONS + 1)
        self.frequency = frequency / frequency.sum()

    def draw(self, rng: np.random.Generator, number: int) -> GeneratedImages:
        """Independent images; the group is class · 30 + rank of the subpopulation, from 0.

        Args:
            rng: source of all draws.
            number: of images.

        Returns:
            Pixels (number, 12²), labels and groups (number,).
        """
        labels = rng.integers(self.CLASSES, size=number)
        ranks = rng.choice(self.SUBPOPULATIONS, number, p=self.frequency)
        groups = labels * self.SUBPOPULATIONS + ranks
        images = _shifted(rng, self.means[groups])
        images = images + 0.7 * rng.normal(size=images.shape)
        return GeneratedImages((images / 2).reshape(number, -1).astype(np.float32), labels, groups)


class CoarseFineImages:
    """100 fine classes in 20 coarse ones, with modes, 3 × 16 × 16 pixels: a stand-in for CIFAR-100.

    An image is a coarse look, 0.7 times a fine one, 0.9 times one of 12 modes of the class, and
    noise of 1.2.
    """

    COARSE = 20
    CLASSES = 100
    MODES = 12  # of a class
    SIDE = 16
    CHANNELS = 3

    def __init__(self, rng: np.random.Generator):
        coarse = patterns(rng, self.COARSE, 3, self.SIDE, 2.5)
        fine = patterns(rng, self.CLASSES, 3, self.SIDE, 1.2)
        self.looks = np.repeat(coarse, self.CLASSES // self.COARSE, axis=0) + 0.7 * fine
        self.modes = patterns(rng, self.CLASSES * self.MODES, 3, self.SIDE, 1.2)

    def draw(self, rng: np.random.Generator, number: int) -> GeneratedImages:
        """Independent images; the group is the coarse class.

        Args:
            rng: source of all draws.
            number: of images.

        Returns:
            Pixels (number, 3 · 16²), labels and groups (number,).
        """
        labels = rng.integers(self.CLASSES, size=number)
        modes = labels * self.MODES + rng.integers(self.MODES, size=number)
        images = _shifted(rng, self.looks[labels] + 0.9 * self.modes[modes], mirror=True)
        images = images + 1.2 * rng.normal(size=images.shape)
        groups = labels // (self.CLASSES // self.COARSE)
        return GeneratedImages(
            (images / 1.4).reshape(number, -1).astype(np.float32), labels, groups
        )
