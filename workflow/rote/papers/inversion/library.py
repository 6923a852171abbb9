"""The velocity models of one run: training sets, held-out draws, a pool, and true models."""

import logging
from typing import NamedTuple

import numpy as np
import pandas as pd

from rote.core import tables
from rote.core.errors import InputError
from rote.papers.inversion import schema, settings
from rote.synth import velocity

log = logging.getLogger("rote")
# seeds; those of the published data but for the pool's
TRAINING_SEED = 42
HELD_OUT_SEED = 43
POOL_SEED = 44
TARGET_SEED = 777
SEED_STRIDE = 1000  # between the seeds of one replicate and the next
AVERAGED = (9, 8, 24)  # training examples whose mean is the published true model
TRUE_EXAMPLE = 9  # the training example that is a true model itself
# names of true models: within the hull of every training set, outside it, and an example
INSIDE = "mean of three"
OUTSIDE = "held-out"
EXAMPLE = "example"


class Standardization(NamedTuple):
    """Mean and standard deviation that standardize coordinates, each (d,)."""

    center: np.ndarray
    scale: np.ndarray

    def standardize(self, coordinates: np.ndarray) -> np.ndarray:
        """Coordinates (..., d) in standard deviations."""
        return (coordinates - self.center) / self.scale

    def restore(self, standardized: np.ndarray) -> np.ndarray:
        """The inverse of `standardize`, (..., d)."""
        return self.center + self.scale * standardized


class Library(NamedTuple):
    """Karhunen-Loève coordinates of velocity models.

    Every prior sees them standardized by the pool, so that runs are paired, or by its own training
    set.
    """

    train: np.ndarray  # (replicates, N, d); the first set is the published one
    held_out: np.ndarray  # (replicates, H, d)
    target: np.ndarray  # (replicates, d), draws for a truth outside the training set
    pool: np.ndarray  # (pool, d)
    standardization: str = "pool"  # or "training", see `scaling`

    @property
    def center(self) -> np.ndarray:
        """Mean of the pool, (d,)."""
        return self.pool.mean(0)

    @property
    def scale(self) -> np.ndarray:
        """Standard deviation of the pool, (d,)."""
        return spread(self.pool)

    def standardize(self, coordinates: np.ndarray) -> np.ndarray:
        """Coordinates (..., d) in standard deviations of the pool."""
        return Standardization(self.center, self.scale).standardize(coordinates)

    def scaling(self, examples: int, replicate: int) -> Standardization:
        """What standardizes the coordinates of a prior.

        Args:
            examples: N of its training set; 0 for priors without one.
            replicate: of its training set.
        """
        if self.standardization == "pool" or not examples:
            return Standardization(self.center, self.scale)
        train = self.train[replicate, :examples]
        return Standardization(train.mean(0), spread(train))


# true models (d,) by name, from a library and a replicate
TRUTHS = {
    INSIDE: lambda library, replicate: mean_of_three(library.train[replicate]),
    OUTSIDE: lambda library, replicate: library.target[replicate],
    EXAMPLE: lambda library, replicate: library.train[replicate][
        TRUE_EXAMPLE % library.train.shape[1]
    ],
}


def mean_of_three(train: np.ndarray) -> np.ndarray:
    """The published true model, (d,), from a training set (N, d)."""
    return train[[number % len(train) for number in AVERAGED]].mean(0)


def spread(coordinates: np.ndarray) -> np.ndarray:
    """Standard deviation of each coordinate of models (models, d), (d,).

    Raises:
        InputError: if a coordinate is constant, as it cannot be scaled.
    """
    deviations = coordinates.std(0, ddof=1)
    constant = np.flatnonzero(deviations < 1e-8 * deviations.max())
    if len(constant):
        raise InputError(
            f"coordinate {constant[0]} is constant over {len(coordinates)} models: "
            "it cannot be standardized"
        )
    return deviations


def synthesize(options: settings.InversionModels) -> pd.DataFrame:
    """The table VelocityModels."""
    sets = []
    for name, number, seed in (
        ("training", max(options.sizes), TRAINING_SEED),
        ("held-out", options.held_out, HELD_OUT_SEED),
        ("target", 1, TARGET_SEED),
    ):
        for replicate in range(options.replicates):
            sets.append(_drawn(name, replicate, number, seed + SEED_STRIDE * replicate))
    sets.append(_drawn("pool", 0, options.pool, POOL_SEED))
    return pd.concat(sets, ignore_index=True)


def _drawn(name: str, replicate: int, number: int, seed: int) -> pd.DataFrame:
    columns = {
        "set": name,
        "replicate": replicate,
        "model": range(number),
        "coordinates": list(velocity.project(velocity.fields(number, seed))),
    }
    return tables.frame(schema.VelocityModels, columns)


def read(frame: pd.DataFrame, standardization: str = "pool") -> Library:
    """The models of a table VelocityModels, in whatever order its rows are.

    Args:
        frame: the table.
        standardization: pool or training, see `Library.scaling`.
    """
    sets = {}
    for name, rows in frame.sort_values(["set", "replicate", "model"]).groupby("set"):
        coordinates = np.stack(rows["coordinates"].to_list())
        sets[name] = coordinates.reshape(rows["replicate"].nunique(), -1, coordinates.shape[1])
    for replicate, train in enumerate(sets["training"]):
        repeated = len(train) - len(np.unique(train, axis=0))
        # the two nearest models of a sample can then be the same: no ratio calls it memorized
        if repeated:
            plural = "s" if repeated > 1 else ""
            log.warning(
                "training set %d holds %d model%s more than once", replicate, repeated, plural
            )
    target = sets["target"][:, 0]
    return Library(sets["training"], sets["held-out"], target, sets["pool"][0], standardization)
