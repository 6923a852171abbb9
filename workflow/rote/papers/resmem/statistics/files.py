"""Claims about tasks that need files: MNIST, Fashion-MNIST, CIFAR-100."""

from typing import Any

import numpy as np

from rote.ledger import Sample
from rote.papers.resmem.measures import Tables
from rote.papers.resmem.statistics.samples import arm_rows, gain
from rote.papers.resmem.task import INPUTS, LAST, MAP, FeatureLayer


def _mnist(
    tables: Tables, features: FeatureLayer, reference: str = "base", **fields: Any
) -> np.ndarray:
    return gain(arm_rows(tables, "accuracy", "mnist", features, **fields), reference)


def mnist_gain(tables: Tables) -> dict[str, Sample]:
    """Gain by width, memory of the feature map."""
    return {f"width {width}": Sample(_mnist(tables, MAP, width=width)) for width in (1, 2)}


def mnist_falls(tables: Tables) -> dict[str, Sample]:
    """Gain at one width, or depth, minus that at the next larger, memory of the feature map."""
    samples = {}
    for field, small, large in (("width", 1, 2), ("width", 2, 4), ("depth", 14, 20)):
        gains = [_mnist(tables, MAP, **{field: value}) for value in (small, large)]
        samples[f"{field} {small} to {field} {large}"] = Sample(gains[0] - gains[1])
    return samples


def mnist_rises(tables: Tables) -> Sample:
    """Gain at 7,000 images minus that at 250, width 1, memory of the last layer."""
    return Sample(_mnist(tables, LAST, width=1) - _mnist(tables, LAST, width=1, examples=250))


def mnist_pixels(tables: Tables) -> dict[str, Sample]:
    """Gain over the memory alone, both of the pixels."""
    return {
        f"width {width}": Sample(_mnist(tables, INPUTS, reference="knn", width=width))
        for width in (1, 2, 4)
    }


def fashion_control(tables: Tables) -> dict[str, Sample]:
    """Gain by base, memory of the inputs or the last layer: a negative control."""
    linear = arm_rows(tables, "accuracy", "fashion", INPUTS, units=0)
    perceptron = arm_rows(tables, "accuracy", "fashion", LAST, units=32)
    return {"linear": Sample(gain(linear)), "32 units": Sample(gain(perceptron))}


def _cifar(tables: Tables, depth: int) -> np.ndarray:
    return gain(arm_rows(tables, "accuracy", "cifar", LAST, depth=depth))


def cifar_gain(tables: Tables) -> Sample:
    """Gain at depth 8."""
    return Sample(_cifar(tables, 8))


def cifar_falls(tables: Tables) -> Sample:
    """Gain at depth 8 minus that at depth 56."""
    return Sample(_cifar(tables, 8) - _cifar(tables, 56))
