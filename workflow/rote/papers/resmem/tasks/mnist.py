"""The 10,000 test images of MNIST under CIFAR's residual network."""

from dataclasses import replace
from typing import ClassVar

import numpy as np

from rote.core.errors import InputError
from rote.core.section import Section, key
from rote.papers.resmem.task import (
    INPUTS,
    LAST,
    MAP,
    BaseArm,
    Depth,
    FeatureLayer,
    ImageShape,
    ResmemTask,
    Rng,
    Size,
    SizeAxis,
    TaskData,
    TaskSplit,
    TaskWork,
    TrainingRecipe,
    Width,
    residual,
    residual_products,
)

SHAPE = ImageShape(channels=1, side=14)
CLASSES = 10
IMAGES = 10_000
SHALLOWEST = 8  # the depth of the networks that are varied otherwise
MEAN = 0.1307  # of the pixels of all MNIST
SPREAD = 0.3081


class ResmemMnist(Section):
    """MNIST's 10,000 test images at 14 x 14 pixels, CIFAR's residual network; needs the files."""

    root: str = key(
        "", "Folder with (or for) MNIST's idx files; without it this part is left out", source=True
    )
    download: bool = key(False, "Let torchvision download them into `root`")
    widths: list[Width] = key([1, 2, 4], "Widths of the first stage, depth 8", min_length=1)
    depths: list[Depth] = key([14, 20], "Further depths, at the smallest width")
    sizes: list[Size] = key([250, 1000, 3000], "Further training sizes, at the smallest width")
    train: int = key(7000, "Training images", ge=100, le=7000)
    valid: int = key(1000, "Validation images", ge=50, le=1000)
    test: int = key(2000, "Test images", ge=50, le=2000)
    images_seen: int = key(35_000, "Images seen in training, repetitions counted", ge=100)
    batch: int = key(128, "Batch size", ge=2)
    learning_rate: float = key(0.06, "Peak of the learning rate", gt=0)
    replicates: int = key(8, "Networks; the split is the same", ge=2)

    SCALES: ClassVar = {
        "smoke": {
            "widths": [1],
            "depths": [],
            "sizes": [],
            "train": 500,
            "valid": 200,
            "test": 300,
            "images_seen": 1000,
            "replicates": 2,
        },
        "paper": {"root": "data/mnist", "download": True},
    }


def load(options: ResmemMnist, rng: Rng) -> TaskData:
    """The split is that of the specification, the same in every replicate.

    Raises:
        InputError: for files that hold other images.
    """
    from rote.data import images

    files = images.mnist(options.root, download=options.download)
    pixels = files.pixels[-IMAGES:]
    y = files.labels[-IMAGES:].astype(np.int64)
    if len(y) < IMAGES or pixels.shape[1] != 2 * SHAPE.side:
        raise InputError(
            f"{options.root}: 10,000 images of 28 x 28 pixels are needed, found {pixels.shape}"
        )
    scaled = (pixels / 255 - MEAN) / SPREAD
    halved = scaled.reshape(-1, SHAPE.side, 2, SHAPE.side, 2).mean((2, 4))
    x = halved.reshape(IMAGES, -1).astype(np.float32)
    order = np.random.default_rng(0).permutation(IMAGES)
    parts = (
        order[3000 : 3000 + options.train],
        order[2000 : 2000 + options.valid],
        order[: options.test],
    )
    return TaskData(*(TaskSplit(x[rows], y[rows], y[rows]) for rows in parts), CLASSES)


def arms(options: ResmemMnist) -> list[BaseArm]:
    """Networks by width, by depth, and by the size of the training set."""
    first = BaseArm(("width",), width=options.widths[0], depth=SHALLOWEST, examples=options.train)
    return [
        *(replace(first, width=width) for width in options.widths),
        *(replace(first, varied=("depth",), depth=depth) for depth in options.depths),
        *(replace(first, varied=("examples",), examples=size) for size in options.sizes),
    ]


def recipe(options: ResmemMnist) -> TrainingRecipe:
    """As many images seen by every arm."""
    steps = max(1, options.images_seen // options.batch)
    return TrainingRecipe(steps, options.batch, options.learning_rate, decay=0.05)


def work(options: ResmemMnist) -> TaskWork:
    """Products of all networks."""
    networks = arms(options)
    products = sum(residual_products(arm.depth, arm.width, SHAPE.side) for arm in networks)
    return TaskWork(
        training=products * options.replicates * options.images_seen,
        rows=len(networks) * options.replicates * options.train,
    )


def features(arm: BaseArm) -> list[FeatureLayer]:
    """The pooled last layer, the feature map under it, and the pixels."""
    return [LAST, MAP, INPUTS]


TASK = ResmemTask(
    name="mnist",
    title="MNIST-10k",
    settings=ResmemMnist,
    work=work,
    needs="root",
    rank=6,
    load=load,
    arms=arms,
    recipe=recipe,
    build=residual(SHAPE),
    features=features,
    axis=SizeAxis("width", "width"),
)
