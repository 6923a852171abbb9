"""What the published memorization rate says of models that nothing memorized."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from rote.core import tables
from rote.core.seeds import generator
from rote.invert import distances
from rote.papers.inversion import schema, settings
from rote.papers.inversion.library import Library, mean_of_three
from rote.papers.inversion.schema import FRESH, LEAVE_ONE_OUT, MEANS_OF_THREE, TRUE_MODEL

MEANS = 500  # means of three training models


class ScoredSet(NamedTuple):
    """Models that none can have memorized."""

    models: np.ndarray  # coordinates, (models, d)
    leave_one_out: bool = False  # training models: each is scored beside the others


def rates(
    options: settings.InversionModels, library: Library, seed: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The tables PublishedRates and PublishedRatios, for sets that none can have memorized."""
    shares = []
    ratios = []
    for replicate, (largest, fresh) in enumerate(zip(library.train, library.held_out, strict=True)):
        rng = generator(seed, "inversion", "rates", replicate)
        for size in options.sizes:
            train = largest[:size]
            sets = {
                FRESH: ScoredSet(fresh),
                LEAVE_ONE_OUT: ScoredSet(train, leave_one_out=True),
                MEANS_OF_THREE: ScoredSet(_means_of_three(train, rng)),
                TRUE_MODEL: ScoredSet(mean_of_three(largest)[None]),
            }
            for name, (models, leave_one_out) in sets.items():
                measured = distances.ratios(models, train, options.neighbors, leave_one_out)
                key = {"replicate": replicate, "examples": size, "set": name}
                published = measured.published
                rate = {
                    "ratio_rate": float((published < options.threshold).mean()),
                    "pair_rate": float((measured.pair < distances.PAIR_THRESHOLD).mean()),
                }
                shares.append(key | rate)
                columns = key | {"model": range(len(models)), "ratio": published}
                ratios.append(tables.frame(schema.PublishedRatios, columns))
    return tables.frame(schema.PublishedRates, shares), pd.concat(ratios, ignore_index=True)


def _means_of_three(train: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Means of three random training models, (MEANS, d)."""
    picks = [rng.choice(len(train), 3, replace=False) for _ in range(MEANS)]
    return np.stack([train[pick].mean(0) for pick in picks])
