"""Claims about tasks that need files: MNIST, Fashion-MNIST, CIFAR-100."""

from typing import Any

import numpy as np

from rote.ledger import Sample
from rote.papers.resmem.measures import FLIPS, Tables
from rote.papers.resmem.statistics.samples import arm_rows, pooled_difference, pooled_gain
from rote.papers.resmem.task import INPUTS, LAST, MAP, FeatureLayer

CHANGED = 0.01  # share of test images whose answer a memory changes at least, if it does anything


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
    """By how much the gain at one width, or depth, exceeds that at the next larger.

    Memory of the feature map.
    """
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
    """By how much the gain at all images exceeds that at 250: width 1, last layer."""
    whole = _mnist(tables, LAST, width=1)
    return pooled_difference(whole, _mnist(tables, LAST, width=1, examples=250))


def mnist_pixels(tables: Tables) -> dict[str, Sample]:
    """Gain over the better of base and memory alone, memory of the pixels.

    Shared test examples add the variance of the gain over the one for which it is larger.
    """
    samples = {}
    for width in (1, 2, 4):
        gains = [_mnist(tables, INPUTS, method, width=width) for method in ("base", "knn")]
        values = np.minimum(*(gain.values for gain in gains))
        variance = max(gain.shared_variance or 0.0 for gain in gains)
        samples[f"width {width}"] = Sample(values, variance)
    return samples


def fashion_control(tables: Tables) -> dict[str, Sample]:
    """Gain by base, memory of the inputs or the last layer: a negative control.

    Without values where less than `CHANGED` of all answers change: no gain is no surprise there.
    """
    arms = {"linear": (INPUTS, 0), "32 units": (LAST, 32)}
    samples = {}
    for name, (features, units) in arms.items():
        sample = pooled_gain(tables, "fashion", features, units=units)
        parts = arm_rows(tables, "parts", "fashion", features, units=units)
        changed = parts[parts["partition"] == FLIPS["base"]].groupby("replicate")["share"].sum()
        if changed.mean() < CHANGED:
            sample = sample._replace(values=np.full(len(sample.values), np.nan))
        samples[name] = sample
    return samples


def _cifar(tables: Tables, depth: int) -> Sample:
    return pooled_gain(tables, "cifar", LAST, depth=depth)


def cifar_gain(tables: Tables) -> Sample:
    """Gain at depth 8."""
    return _cifar(tables, 8)


def cifar_falls(tables: Tables) -> Sample:
    """By how much the gain at depth 8 exceeds that at depth 56."""
    return pooled_difference(_cifar(tables, 8), _cifar(tables, 56))
