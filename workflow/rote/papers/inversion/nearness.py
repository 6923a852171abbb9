"""How near models are to a training set."""

import numpy as np

from rote.core.errors import InputError


def ratios(
    models: np.ndarray, train: np.ndarray, neighbors: int, leave_out: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """The published ratio d₁ / mean(d₂ ... d_k) and d₁/d₂ to the training set, per model.

    Args:
        leave_out: the models are the training set; each is compared with the others.

    Raises:
        InputError: with fewer than two training models to compare with.
    """
    if len(train) - leave_out < 2:
        raise InputError(
            "ratios of distances need at least 2 training models to compare with, there are "
            f"{len(train)}"
        )
    distances = np.stack([np.linalg.norm(train - model, axis=1) for model in models])
    distances = np.sort(distances, axis=1)[:, 1 if leave_out else 0 :]
    k = min(neighbors, len(train) - leave_out)
    rest = distances[:, 1:k].mean(1)
    second = distances[:, 1]

    def over(below: np.ndarray) -> np.ndarray:  # repeated examples: no nearest one stands out
        return np.where(below > 0, distances[:, 0] / np.where(below > 0, below, 1), 1.0)

    return over(rest), over(second)


def apart(published: np.ndarray, nearest: np.ndarray, most: int = 3) -> list[int]:
    """Models with the smallest ratios and distinct nearest training models; fewer than `most` if
    there are fewer.
    """
    found: dict[int, int] = {}
    for number in np.argsort(published, kind="stable"):
        found.setdefault(int(nearest[number]), int(number))
    return list(found.values())[:most]
