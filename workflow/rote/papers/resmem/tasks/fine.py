"""Generated images of fine classes in coarse ones, under CIFAR's residual network."""

from typing import ClassVar

import numpy as np

from rote.core.section import Section, key
from rote.papers.resmem.task import (
    LAST,
    MAP,
    BaseArm,
    FeatureLayer,
    Headline,
    ImageShape,
    ResmemTask,
    Rng,
    SizeAxis,
    TaskData,
    TaskSplit,
    TaskWork,
    TrainingRecipe,
    Width,
    residual,
    residual_products,
)

SHAPE = ImageShape(channels=3, side=16)
FINE_PER_COARSE = 5


class ResmemFine(Section):
    """Generated images of fine classes in coarse ones, under CIFAR's residual network."""

    depth: int = key(8, "Depth of the network", ge=8)
    widths: list[Width] = key([2, 4, 8], "Widths of its first stage", min_length=1)
    train: int = key(8000, "Training images", ge=100)
    small: int = key(
        3000, "Training images of a smaller set, for the middle width, with as many steps", ge=100
    )
    valid: int = key(1000, "Validation images", ge=50)
    test: int = key(2000, "Test images", ge=100)
    epochs: int = key(6, "Training epochs", ge=1)
    batch: int = key(128, "Batch size", ge=2)
    learning_rate: float = key(0.01, "Peak of the learning rate", gt=0)
    replicates: int = key(8, "Generators, data sets and networks", ge=2)

    SCALES: ClassVar = {
        "smoke": {
            "widths": [1, 2],
            "train": 800,
            "small": 400,
            "valid": 200,
            "test": 300,
            "epochs": 1,
            "replicates": 2,
        },
        "paper": {"replicates": 10},
        "full": {"replicates": 12},  # not all networks of width 2 learn
    }


def load(options: ResmemFine, rng: Rng) -> TaskData:
    """Images of one generator."""
    from rote.synth.images import CoarseFineImages

    source = CoarseFineImages(rng)
    counts = (max(options.train, options.small), options.valid, options.test)
    return TaskData(*(TaskSplit(*source.draw(rng, count)) for count in counts), source.CLASSES)


def coarse(classes: np.ndarray) -> np.ndarray:
    """The coarse class of each fine one."""
    return classes // FINE_PER_COARSE


def _middle_width(options: ResmemFine) -> int:
    return options.widths[len(options.widths) // 2]


def arms(options: ResmemFine) -> list[BaseArm]:
    """Networks by width, and the middle one on fewer images."""
    by_width = [
        BaseArm(("width",), depth=options.depth, width=width, examples=options.train)
        for width in options.widths
    ]
    fewer = BaseArm(
        ("width", "examples"),
        depth=options.depth,
        width=_middle_width(options),
        examples=options.small,
    )
    return [*by_width, fewer]


def recipe(options: ResmemFine) -> TrainingRecipe:
    """Epochs of the larger training set."""
    steps = max(1, options.epochs * (options.train // options.batch))
    return TrainingRecipe(steps, options.batch, options.learning_rate, decay=0.05)


def work(options: ResmemFine) -> TaskWork:
    """Products of the networks."""
    widths = [*options.widths, _middle_width(options)]
    products = sum(residual_products(options.depth, width, SHAPE.side) for width in widths)
    return TaskWork(
        training=products * options.replicates * options.epochs * options.train,
        rows=len(options.widths) * options.replicates * options.train,
    )


def features(arm: BaseArm) -> list[FeatureLayer]:
    """The pooled last layer, and the feature map under it."""
    return [LAST, MAP]


TASK = ResmemTask(
    name="fine",
    title="Coarse and fine",
    settings=ResmemFine,
    work=work,
    rank=3,
    load=load,
    arms=arms,
    recipe=recipe,
    build=residual(SHAPE),
    features=features,
    axis=SizeAxis("width", "width"),
    headline=Headline(LAST, {"width": 2}),
    coarse=coarse,
)
