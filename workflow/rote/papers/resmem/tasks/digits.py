"""Scikit-learn's digits: perceptrons of few units, and label noise."""

from typing import ClassVar

import numpy as np

from rote.core.section import Section, key
from rote.data.images import digits
from rote.papers.resmem.task import (
    INPUTS,
    BaseArm,
    Headline,
    NoiseShare,
    ResmemTask,
    Rng,
    SizeAxis,
    TaskData,
    TaskWork,
    TrainingRecipe,
    Units,
    cut,
    first_layer_work,
)

PIXELS = 64
CLASSES = 10


class ResmemDigits(Section):
    """Scikit-learn's digits: perceptrons of few units, and label noise."""

    units: list[Units] = key([0, 3, 4, 8, 32, 64], "Hidden units; 0 is a linear base", min_length=2)
    noises: list[NoiseShare] = key([0.1, 0.2, 0.4, 0.6, 0.8], "Label noise under a linear base")
    train: int = key(1000, "Training images", ge=100, le=1400)
    valid: int = key(300, "Validation images", ge=50, le=300)
    steps: int = key(1000, "Training steps", ge=10)
    batch: int = key(100, "Batch size", ge=1)
    learning_rate: float = key(0.01, "Peak of the learning rate", gt=0)
    replicates: int = key(8, "Splits and networks", ge=2)

    SCALES: ClassVar = {
        "smoke": {"units": [0, 8], "noises": [0.4], "steps": 100, "replicates": 2},
        "full": {"replicates": 16},
    }


def load(options: ResmemDigits, rng: Rng) -> TaskData:
    """1,797 images of 8 x 8 pixels; those not for training or validation are for testing."""
    images = digits()
    pixels = images.pixels.reshape(len(images.pixels), -1)
    order = rng.permutation(len(pixels))
    x = (pixels[order] / 16).astype(np.float32)
    return cut(x, images.labels[order].astype(np.int64), options.train, options.valid, CLASSES)


def arms(options: ResmemDigits) -> list[BaseArm]:
    """Perceptrons by their units, then linear bases by their label noise."""
    sizes = [BaseArm(("units",), units=units, examples=options.train) for units in options.units]
    noisy = [
        BaseArm(("units", "noise"), noise=noise, examples=options.train) for noise in options.noises
    ]
    return sizes + noisy


def recipe(options: ResmemDigits) -> TrainingRecipe:
    """As many steps as the config says."""
    return TrainingRecipe(options.steps, options.batch, options.learning_rate)


def work(options: ResmemDigits) -> TaskWork:
    """Products of the first layer."""
    return first_layer_work(options, PIXELS, CLASSES)


TASK = ResmemTask(
    name="digits",
    title="Digits",
    settings=ResmemDigits,
    work=work,
    rank=1,
    load=load,
    arms=arms,
    recipe=recipe,
    axis=SizeAxis("units", "hidden units", zero="linear"),
    headline=Headline(INPUTS, {"units": 0}),
)
