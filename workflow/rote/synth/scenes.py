"""Scenes of objects with attributes: shape, colour, size, position (after CLEVR, small and flat).

A scene is a row of cells with one object each. An object's value is the number of its shape plus
that of its colour; size and position are free. Frequencies of shapes and colours have a long tail:
common ones follow a Zipf law, each rare one is in exactly one training scene. A test scene may hold
two objects that were each seen once, or one object that joins a rare shape with a rare colour,
which no object of the training set did.
"""

from typing import NamedTuple

import numpy as np

from rote.core.errors import InputError

SLOTS = 3  # objects of a scene
COMMON = 4  # shapes, and colours, that occur often: numbers 0-3
RARE = 3  # shapes, and colours, that occur once: numbers 4-6
SMALLEST = 8  # pixels of a cell's side
# names of sets of scenes, in tables
FRESH = "fresh"
PAIRS = "rare-objects"
JOINS = "rare-attributes"
TRAIN, ROWS = "train", "one-off-scenes"

COLOURS = np.array(
    [
        [0.9, 0.1, 0.1],
        [0.1, 0.7, 0.1],
        [0.2, 0.3, 1.0],
        [0.9, 0.9, 0.9],
        [0.9, 0.8, 0.1],
        [0.7, 0.1, 0.8],
        [0.1, 0.8, 0.8],
    ]
)


class Objects(NamedTuple):
    """Attributes of objects, arrays of one shape."""

    shape: np.ndarray  # number of the shape, 0-6
    colour: np.ndarray  # number of the colour, 0-6
    size: np.ndarray  # radius as a share of the cell, 0.25-0.4
    x: np.ndarray  # centre, as a share of the cell off its middle
    y: np.ndarray

    @property
    def value(self) -> np.ndarray:
        """What an object adds to a scene's target."""
        return self.shape + self.colour

    def at(self, index) -> "Objects":
        """Those objects that an index of the arrays names."""
        return Objects(*(attribute[index] for attribute in self))


def render(objects: Objects, side: int) -> np.ndarray:
    """Objects on black cells: (..., 3, side, side) float32 in [0, 1], red first.

    Args:
        objects: attributes of any shape (...).
        side: of a cell, pixels.

    Raises:
        InputError: for cells of less than 8 pixels, or attributes that do not exist.
    """
    if side < SMALLEST:
        raise InputError(f"side must be at least {SMALLEST} pixels, given {side}")
    for name, numbers in (("shape", objects.shape), ("colour", objects.colour)):
        if numbers.min() < 0 or numbers.max() >= COMMON + RARE:
            raise InputError(f"{name} must be 0-{COMMON + RARE - 1}, given {numbers.max()}")
    axis = (np.arange(side) + 0.5) / side - 0.5
    radius = objects.size[..., None, None]
    x = (axis - objects.x[..., None, None]) / radius
    y = (axis[:, None] - objects.y[..., None, None]) / radius
    ink = np.zeros(np.broadcast(x, y).shape, bool)
    for number, inside in enumerate(_shapes(x, y)):
        ink |= inside & (objects.shape == number)[..., None, None]
    colours = COLOURS[objects.colour][..., None, None]
    return (ink[..., None, :, :] * colours).astype(np.float32)


def _shapes(x: np.ndarray, y: np.ndarray) -> list[np.ndarray]:
    """Where each shape of radius 1 is, at coordinates in radii."""
    distance = np.hypot(x, y)
    wide, high = np.abs(x), np.abs(y)
    square = np.maximum(wide, high) < 0.9
    return [
        distance < 1,  # disc
        square,
        (high < 0.9) & (wide < (y + 0.9) / 1.8),  # triangle
        square & (np.minimum(wide, high) < 0.35),  # cross
        (distance < 1) & (distance > 0.55),  # ring
        (np.abs(wide - high) < 0.35) & square,  # saltire
        square & (high > 0.4),  # two bars
    ]


def free(shape: np.ndarray, colour: np.ndarray, rng: np.random.Generator) -> Objects:
    """Objects with these shapes and colours, and any size and position.

    Args:
        shape: numbers of shapes.
        colour: numbers of colours, of the same form.
        rng: source of all draws.
    """
    size = rng.uniform(0.25, 0.4, shape.shape)
    room = 0.5 - size
    x, y = (rng.uniform(-1, 1, shape.shape) * room for _ in range(2))
    return Objects(shape, colour, size, x, y)


def common(n: int, zipf: float, rng: np.random.Generator) -> Objects:
    """n scenes of objects with common attributes, drawn by a Zipf law: attributes (n, 3).

    Args:
        n: scenes.
        zipf: exponent of the frequencies of shapes and of colours, (number + 1)^-zipf.
        rng: source of all draws.
    """
    weights = np.arange(1, COMMON + 1, dtype=float) ** -zipf
    shape, colour = (rng.choice(COMMON, (n, SLOTS), p=weights / weights.sum()) for _ in range(2))
    return free(shape, colour, rng)


class Rarities(NamedTuple):
    """Objects that training holds once each: first those of a rare shape, then of a rare colour."""

    objects: Objects  # (6,)

    @property
    def joined(self) -> Objects:
        """Every rare shape in every rare colour, as large and where the shape was: (9,)."""
        shapes = np.repeat(np.arange(RARE), RARE)
        colours = self.objects.colour[RARE:][np.tile(np.arange(RARE), RARE)]
        return self.objects.at(shapes)._replace(colour=colours)


def rarities(rng: np.random.Generator) -> Rarities:
    """The objects with a rare attribute; their other attribute is the most common one.

    Args:
        rng: source of all draws.
    """
    numbers = np.arange(COMMON, COMMON + RARE)
    none = np.zeros(RARE, int)
    shape, colour = np.r_[numbers, none], np.r_[none, numbers]
    return Rarities(free(shape, colour, rng))


def training(n: int, zipf: float, rare: Rarities, rng: np.random.Generator) -> Objects:
    """n training scenes; each of the last six holds one object with a rare attribute.

    The objects beside it have the two most common shapes and colours.

    Args:
        n: scenes, more than six.
        zipf: exponent of the common attributes.
        rare: the objects with a rare attribute.
        rng: source of all draws.

    Raises:
        InputError: for six scenes or fewer.
    """
    count = len(rare.objects.shape)
    if n <= count:
        raise InputError(f"n must exceed the {count} scenes with a rare attribute, given {n}")
    bulk = common(n - count, zipf, rng)
    beside = free(rng.integers(2, size=(count, SLOTS)), rng.integers(2, size=(count, SLOTS)), rng)
    slots = rng.integers(SLOTS, size=count)
    rows = _placed(beside, rare.objects, slots)
    return Objects(*(np.concatenate(pair) for pair in zip(bulk, rows, strict=True)))


def pairs(n: int, rare: Rarities, rng: np.random.Generator) -> Objects:
    """n scenes with two different objects of the training set that were in one scene each.

    One has a rare shape, the other a rare colour, in any two slots, as in training.

    Args:
        n: scenes.
        rare: the objects with a rare attribute.
        rng: source of all draws.
    """
    scenes = common(n, 0.0, rng)
    slots = rng.random((n, SLOTS)).argsort(axis=1)
    for column, first in enumerate((0, RARE)):
        chosen = rare.objects.at(first + rng.integers(RARE, size=n))
        scenes = _placed(scenes, chosen, slots[:, column])
    return scenes


def joins(n: int, rare: Rarities, rng: np.random.Generator) -> Objects:
    """n scenes with one object that has a rare shape and a rare colour.

    Args:
        n: scenes.
        rare: the objects with a rare attribute.
        rng: source of all draws.
    """
    chosen = rare.joined.at(rng.integers(RARE**2, size=n))
    return _placed(common(n, 0.0, rng), chosen, rng.integers(SLOTS, size=n))


def _placed(scenes: Objects, objects: Objects, slots: np.ndarray) -> Objects:
    """Scenes (n, 3) with one object (n,) put into a slot of each."""
    rows = np.arange(len(slots))
    placed = []
    for attribute, value in zip(scenes, objects, strict=True):
        changed = attribute.copy()
        changed[rows, slots] = value
        placed.append(changed)
    return Objects(*placed)
