"""Claims about tasks that need files: MNIST, Fashion-MNIST, CIFAR-100."""

from itertools import product
from typing import Any

from rote.ledger import Sample
from rote.papers.resmem.measures import Tables
from rote.papers.resmem.statistics.samples import pooled_difference, pooled_gain
from rote.papers.resmem.task import INPUTS, LAST, MAP, FeatureLayer

METHODS = {"base": "the base", "knn": "kNN"}  # that ResMem is compared with


def _mnist(
    tables: Tables, features: FeatureLayer, reference: str = "base", **fields: Any
) -> Sample:
    return pooled_gain(tables, "mnist", features, reference, **fields)


def mnist_thinnest(tables: Tables) -> Sample:
    """Gain at width 1, memory of the feature map."""
    return _mnist(tables, MAP, width=1)


def mnist_gain(tables: Tables) -> Sample:
    """The same at width 2."""
    return _mnist(tables, MAP, width=2)


def mnist_widest(tables: Tables) -> Sample:
    """The same at width 4."""
    return _mnist(tables, MAP, width=4)


def mnist_falls(tables: Tables) -> dict[str, Sample]:
    """Gain at one width, or depth, minus that at the next larger, memory of the feature map."""
    steps = {
        "width": [(1, 2), (2, 4)],
        "depth": [(8, 14), (14, 20)],
    }
    samples = {}
    for field, pairs in steps.items():
        for small, large in pairs:
            gains = [_mnist(tables, MAP, **{field: value}) for value in (small, large)]
            samples[f"{field} {small} to {field} {large}"] = pooled_difference(*gains)
    return samples


def mnist_rises(tables: Tables) -> Sample:
    """Gain at 7,000 images minus that at 250, width 1, memory of the last layer."""
    whole = _mnist(tables, LAST, width=1)
    return pooled_difference(whole, _mnist(tables, LAST, width=1, examples=250))


def mnist_pixels(tables: Tables) -> dict[str, Sample]:
    """Gain over the base and over the memory alone, memory of the pixels."""
    samples = {}
    for width, (reference, name) in product((1, 2, 4), METHODS.items()):
        samples[f"width {width}, over {name}"] = _mnist(tables, INPUTS, reference, width=width)
    return samples


def fashion_control(tables: Tables) -> dict[str, Sample]:
    """Gain by base, memory of the inputs or the last layer: a negative control."""
    return {
        "linear": pooled_gain(tables, "fashion", INPUTS, units=0),
        "32 units": pooled_gain(tables, "fashion", LAST, units=32),
    }


def _cifar(tables: Tables, depth: int) -> Sample:
    return pooled_gain(tables, "cifar", LAST, depth=depth)


def cifar_gain(tables: Tables) -> Sample:
    """Gain at depth 8."""
    return _cifar(tables, 8)


def cifar_falls(tables: Tables) -> Sample:
    """Gain at depth 8 minus that at depth 56."""
    return pooled_difference(_cifar(tables, 8), _cifar(tables, 56))
