"""The velocity models of one run: training sets, held-out draws, a pool for the coordinates, and
truths.
"""

import logging
from typing import NamedTuple

import numpy as np
import pandas as pd

from rote.core.errors import InputError
from rote.papers.inversion import settings
from rote.synth import velocity

log = logging.getLogger("rote")
TRAINING, HELD_OUT, POOL, TARGET = (
    42,
    43,
    44,
    777,
)  # seeds; those of the published data but for the pool's
THREE = (9, 8, 24)  # examples whose mean is the published true model
TRAINED = 9  # the example that is a true model itself
STRIDE = 1000  # between the seeds of one replicate and the next


class Library(NamedTuple):
    """Coordinates of velocity models; every prior sees them standardized by the pool, so that runs
    are paired.
    """

    train: np.ndarray  # (replicates, N, d); the first set is the published one
    held_out: np.ndarray  # (replicates, H, d)
    target: np.ndarray  # (replicates, d), draws for a truth outside the training set
    pool: np.ndarray  # (pool, d)

    @property
    def center(self) -> np.ndarray:
        """Mean of the pool, (d,)."""
        return self.pool.mean(0)

    @property
    def scale(self) -> np.ndarray:
        """Standard deviation of the pool, (d,)."""
        return spread(self.pool)

    def standard(self, coordinates: np.ndarray) -> np.ndarray:
        """In standard deviations of the pool."""
        return (coordinates - self.center) / self.scale

    def truths(self, replicate: int) -> dict[str, np.ndarray]:
        """True models by name: within the hull of every training set, outside it, and an example."""
        train = self.train[replicate]
        return {
            "mean of three": mean_of_three(train),
            "held-out": self.target[replicate],
            "example": train[TRAINED % len(train)],
        }


def mean_of_three(train: np.ndarray) -> np.ndarray:
    """The published true model, (d,)."""
    return train[[n % len(train) for n in THREE]].mean(0)


def spread(coordinates: np.ndarray) -> np.ndarray:
    """Standard deviation of each coordinate, (d,). Raises InputError if one is constant, as it
    cannot be scaled.
    """
    found = coordinates.std(0, ddof=1)
    flat = np.flatnonzero(found < 1e-8 * found.max())
    if len(flat):
        raise InputError(
            f"coordinate {flat[0]} is constant over {len(coordinates)} models: it cannot be "
            "standardized"
        )
    return found


def synthesize(options: settings.Models) -> pd.DataFrame:
    """The table Library."""
    number = range(options.replicates)
    sets = [
        ("training", r, velocity.fields(max(options.sizes), TRAINING + STRIDE * r)) for r in number
    ]
    sets += [
        ("held-out", r, velocity.fields(options.held_out, HELD_OUT + STRIDE * r)) for r in number
    ]
    sets += [("target", r, velocity.fields(1, TARGET + STRIDE * r)) for r in number]
    sets += [("pool", 0, velocity.fields(options.pool, POOL))]
    parts = []
    for kind, replicate, fields in sets:
        coordinates = velocity.project(fields)
        about = {"set": kind, "replicate": replicate, "model": range(len(fields))}
        parts.append(pd.DataFrame(about | {"coordinates": list(coordinates)}))
    return pd.concat(parts, ignore_index=True)


def read(frame: pd.DataFrame) -> Library:
    """The models of a table Library."""
    sets = {}
    for kind, rows in frame.sort_values(["set", "replicate", "model"]).groupby("set"):
        coordinates = np.stack(rows["coordinates"].to_list())
        sets[kind] = coordinates.reshape(rows["replicate"].nunique(), -1, coordinates.shape[1])
    for replicate, train in enumerate(sets["training"]):
        repeated = len(train) - len(np.unique(train, axis=0))
        if (
            repeated
        ):  # the two nearest models of a sample can then be the same: no ratio calls it memorized
            log.warning(
                "training set %d holds %d model%s more than once",
                replicate,
                repeated,
                "s"[: repeated > 1],
            )
    return Library(sets["training"], sets["held-out"], sets["target"][:, 0], sets["pool"][0])
