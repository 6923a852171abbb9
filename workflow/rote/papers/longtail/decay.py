"""Which weight decay counts as "not memorized": a rule on training data alone, per architecture.

Networks on one-off symbols beside common digits are trained with every decay. One does not memorize
if the loss on the ten triples with a symbol stays above 0.5 label² in training, and still fits the
bulk if its whole training loss stays below 0.5. Both are medians over replicates. Where several
decays do both, the one is chosen whose nearer bound is farther away; where none does, none is.
"""

from collections.abc import Hashable

import numpy as np
import pandas as pd

from rote.core import tables
from rote.papers.longtail import schema
from rote.papers.longtail.dataset import GLYPHS_HEAD
from rote.synth import triples

FORGOTTEN = 0.5  # label²: training loss of one-off triples above which they are not memorized
FITTED = 0.5  # label²: training loss below which the bulk is fitted


def summary(losses: pd.DataFrame) -> pd.DataFrame:
    """Every architecture and weight decay by the rule: the table Decays.

    Args:
        losses: the table NetworkLosses.
    """
    columns = {triples.GLYPH_ROWS.name: "one_off", triples.TRAIN.name: "training"}
    rows = losses[
        (losses["training_set"] == GLYPHS_HEAD.name) & losses["evaluation_set"].isin(list(columns))
    ]
    key = ["architecture", "weight_decay"]
    wide = rows.pivot_table("mse", key, "evaluation_set", aggfunc="median").rename(columns=columns)
    wide["replicates"] = rows.groupby(key)["replicate"].nunique()
    wide["forgotten"] = wide["one_off"] > FORGOTTEN
    wide["fitted"] = wide["training"] < FITTED
    wide["chosen"] = False
    for _, group in wide.groupby("architecture"):
        best = _best(group)
        if best is not None:
            wide.loc[[best], "chosen"] = True
    return tables.frame(schema.Decays, wide.reset_index().to_dict("series"))


def chosen(losses: pd.DataFrame, architecture: str) -> float | None:
    """The weight decay that counts as not memorized, None where no decay does.

    Args:
        losses: the table NetworkLosses.
        architecture: trained on one-off symbols with several decays.
    """
    rows = summary(losses[losses["architecture"] == architecture])
    obeying = rows.loc[rows["chosen"], "weight_decay"]
    return float(obeying.iloc[0]) if len(obeying) else None


def cross_fitted(losses: pd.DataFrame, architecture: str) -> dict[int, float]:
    """For each replicate, the decay that replicates of the other parity choose.

    So that the rule is judged on networks that had no part in it.

    Args:
        losses: the table NetworkLosses.
        architecture: trained on one-off symbols with several decays.

    Returns:
        Replicate -> decay; NaN where the others choose none.
    """
    rows = losses[losses["architecture"] == architecture]
    parity = rows["replicate"] % 2
    by_others = {side: chosen(rows[parity != side], architecture) for side in (0, 1)}
    decays = {}
    for replicate in sorted(rows["replicate"].unique()):
        decay = by_others[replicate % 2]
        decays[int(replicate)] = np.nan if decay is None else decay
    return decays


def _best(group: pd.DataFrame) -> Hashable | None:
    """The row of the decay that obeys the rule by the widest margin."""
    decays = group.index.get_level_values("weight_decay")
    obeying = group[group["forgotten"] & group["fitted"] & (decays > 0)]
    if obeying.empty:
        return None
    margin = np.minimum(obeying["one_off"] / FORGOTTEN, FITTED / obeying["training"])
    return margin.idxmax()
