"""Ratios of distances to a training set: when is a model called memorized?"""

from typing import NamedTuple

import numpy as np

from rote.core.errors import InputError

PAIR_THRESHOLD = 1 / 3  # of d₁/d₂
PUBLISHED_THRESHOLD = 0.7  # of d₁ / mean(d₂ ... d_k), as published


class Ratios(NamedTuple):
    """Distances of models to their nearest training models, d₁ ≤ d₂ ≤ ..., over one another."""

    published: np.ndarray  # d₁ / mean(d₂ ... d_k), (models,)
    pair: np.ndarray  # d₁/d₂, (models,)


def ratios(
    models: np.ndarray, train: np.ndarray, neighbors: int, leave_one_out: bool = False
) -> Ratios:
    """The published and the strict ratio of models to a training set.

    Repeated training models give 1: no nearest one stands out.

    Args:
        models: (models, d).
        train: (N, d).
        neighbors: k, at most N are used.
        leave_one_out: the models are the training set; each is compared with the others.

    Raises:
        InputError: with fewer than two training models to compare with.
    """
    if len(train) - leave_one_out < 2:
        raise InputError(
            "ratios of distances need at least 2 training models to compare with, "
            f"there are {len(train)}"
        )
    distances = np.stack([np.linalg.norm(train - model, axis=1) for model in models])
    distances = np.sort(distances, axis=1)[:, 1 if leave_one_out else 0 :]
    k = min(neighbors, len(train) - leave_one_out)
    nearest = distances[:, 0]
    return Ratios(_over(nearest, distances[:, 1:k].mean(1)), _over(nearest, distances[:, 1]))


def _over(nearest: np.ndarray, reference: np.ndarray) -> np.ndarray:
    positive = reference > 0
    return np.where(positive, nearest / np.where(positive, reference, 1), 1.0)


def nearest_model(model: np.ndarray, train: np.ndarray) -> int:
    """Number of the training model (N, d) nearest to a model (d,)."""
    return int(np.linalg.norm(train - model, axis=1).argmin())


def distinct(published: np.ndarray, nearest: np.ndarray, number: int = 3) -> list[int]:
    """Models with the smallest ratios and different nearest training models, at most `number`.

    Args:
        published: ratios, (models,).
        nearest: nearest training models, (models,).
        number: of models; there may be fewer.
    """
    best: dict[int, int] = {}
    for model in np.argsort(published, kind="stable"):
        best.setdefault(int(nearest[model]), int(model))
    return list(best.values())[:number]
