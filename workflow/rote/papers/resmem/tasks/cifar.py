"""CIFAR-100 under its residual networks, the paper's own setting."""

from typing import ClassVar

import numpy as np

from rote.core.errors import InputError
from rote.core.section import Section, key
from rote.papers.resmem.task import (
    LAST,
    MAP,
    BaseArm,
    Depth,
    FeatureLayer,
    ImageShape,
    ResmemTask,
    Rng,
    SizeAxis,
    TaskData,
    TaskSplit,
    TaskWork,
    TrainingRecipe,
    residual,
    residual_products,
)

SHAPE = ImageShape(channels=3, side=32)
CLASSES = 100
MEAN = (0.5071, 0.4865, 0.4409)  # of its channels, as everyone has them
SPREAD = (0.2673, 0.2564, 0.2762)


class ResmemCifar(Section):
    """CIFAR-100 under its residual networks, the paper's own setting; needs the files and a GPU."""

    root: str = key(
        "", "Folder with (or for) CIFAR-100; without it this part is left out", source=True
    )
    download: bool = key(False, "Let torchvision download it into `root`")
    depths: list[Depth] = key([8, 14, 20, 32, 44, 56], "Depths of the network", min_length=1)
    width: int = key(16, "Width of its first stage", ge=1)
    train: int = key(45_000, "Training images", ge=50)
    valid: int = key(5000, "Validation images, of the training part", ge=20)
    epochs: int = key(200, "Training epochs", ge=1)
    batch: int = key(128, "Batch size", ge=2)
    learning_rate: float = key(
        0.1, "Learning rate, cut to a tenth at half and three quarters of the steps", gt=0
    )
    replicates: int = key(8, "Networks; the split is the same", ge=2)

    SCALES: ClassVar = {"paper": {"root": "data/cifar-100", "download": True}}


def load(options: ResmemCifar, rng: Rng) -> TaskData:
    """The published test set; validation is of the training part. The same in every replicate.

    Raises:
        InputError: for more images than there are.
    """
    from rote.data import images

    files = images.cifar100(options.root, download=options.download)
    first_test = len(files.labels) - len(files.labels) // 6  # a sixth of the images
    if first_test < options.train + options.valid:
        raise InputError(
            f"{options.root}: {first_test} images are not for testing, "
            f"resmem.cifar.train and valid ask for {options.train} + {options.valid}"
        )
    order = np.random.default_rng(0).permutation(first_test)
    train, valid, _ = np.split(order, [options.train, options.train + options.valid])
    parts = (train, valid, np.arange(first_test, len(files.labels)))
    return TaskData(*(_split(files.pixels[rows], files.labels[rows]) for rows in parts), CLASSES)


def _split(pixels: np.ndarray, labels: np.ndarray) -> TaskSplit:
    """Standardized pixels (n, channels · side²) and labels of some images."""
    mean = np.array(MEAN, np.float32)[:, None, None]
    spread = np.array(SPREAD, np.float32)[:, None, None]
    x = (pixels.astype(np.float32) / 255 - mean) / spread
    y = labels.astype(np.int64)
    return TaskSplit(x.reshape(len(x), -1), y, y)


def arms(options: ResmemCifar) -> list[BaseArm]:
    """Networks by depth."""
    return [
        BaseArm(("depth",), depth=depth, width=options.width, examples=options.train)
        for depth in options.depths
    ]


def recipe(options: ResmemCifar) -> TrainingRecipe:
    """The published one: SGD with momentum, images that are cropped and mirrored."""
    steps = options.epochs * max(1, options.train // options.batch)
    return TrainingRecipe(
        steps,
        options.batch,
        options.learning_rate,
        decay=5e-4,
        sgd=True,
        stepwise=True,
        crops=SHAPE,
    )


def work(options: ResmemCifar) -> TaskWork:
    """Products of all networks."""
    products = sum(residual_products(depth, options.width, SHAPE.side) for depth in options.depths)
    rows = len(options.depths) * options.replicates * options.train
    return TaskWork(
        training=products * options.replicates * options.epochs * options.train,
        rows=rows,
        forward=2 * rows * products / len(options.depths),
    )


def features(arm: BaseArm) -> list[FeatureLayer]:
    """The pooled last layer, and the feature map under it."""
    return [LAST, MAP]


TASK = ResmemTask(
    name="cifar",
    title="CIFAR-100",
    settings=ResmemCifar,
    work=work,
    needs="root",
    rank=8,
    load=load,
    arms=arms,
    recipe=recipe,
    build=residual(SHAPE),
    features=features,
    axis=SizeAxis("depth", "depth"),
)
