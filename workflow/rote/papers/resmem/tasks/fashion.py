"""Little data of Fashion-MNIST, a negative control."""

from typing import ClassVar

import numpy as np

from rote.core.errors import InputError
from rote.core.section import Section, key
from rote.papers.resmem.task import (
    BaseArm,
    ResmemTask,
    Rng,
    TaskData,
    TaskWork,
    TrainingRecipe,
    Units,
    cut,
    first_layer_work,
)

PIXELS = 784
CLASSES = 10


class ResmemFashion(Section):
    """Little data of Fashion-MNIST, a negative control: no gain is claimed; needs the files."""

    root: str = key(
        "",
        "Folder with (or for) its idx files, or its sheet of samples; "
        "without it this part is left out",
        source=True,
    )
    download: bool = key(False, "Let torchvision download the idx files into `root`")
    units: list[Units] = key([0, 32], "Hidden units; 0 is a linear base", min_length=1)
    train: int = key(500, "Training images", ge=20)
    valid: int = key(200, "Validation images", ge=20)
    test: int = key(200, "Test images", ge=20)
    steps: int = key(1000, "Training steps", ge=10)
    batch: int = key(100, "Batch size", ge=1)
    learning_rate: float = key(0.01, "Peak of the learning rate", gt=0)
    replicates: int = key(10, "Splits and networks", ge=2)

    SCALES: ClassVar = {
        "smoke": {"units": [0], "steps": 100, "replicates": 2},
        "paper": {"root": "data/fashion-mnist", "download": True, "valid": 1000, "test": 10_000},
    }


def load(options: ResmemFashion, rng: Rng) -> TaskData:
    """Another split in every replicate. Raises InputError for too few images."""
    from rote.data import images

    files = images.fashion(options.root, download=options.download)
    count = options.train + options.valid + options.test
    if len(files.labels) < count:
        raise InputError(
            f"{options.root}: {len(files.labels)} images, resmem.fashion.train, "
            f"valid and test ask for {count}"
        )
    order = rng.permutation(len(files.labels))[:count]
    x = (files.pixels[order].reshape(count, -1) / files.largest).astype(np.float32)
    y = files.labels[order].astype(np.int64)
    return cut(x, y, options.train, options.valid, CLASSES)


def arms(options: ResmemFashion) -> list[BaseArm]:
    """Perceptrons by their units."""
    return [BaseArm(("units",), units=units, examples=options.train) for units in options.units]


def recipe(options: ResmemFashion) -> TrainingRecipe:
    """As many steps as the config says."""
    return TrainingRecipe(options.steps, options.batch, options.learning_rate)


def work(options: ResmemFashion) -> TaskWork:
    """Products of the first layer."""
    return first_layer_work(options, PIXELS, CLASSES)


TASK = ResmemTask(
    name="fashion",
    title="Fashion-MNIST",
    settings=ResmemFashion,
    work=work,
    needs="root",
    rank=7,
    load=load,
    arms=arms,
    recipe=recipe,
)
