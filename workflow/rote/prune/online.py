"""Choosing inside training: from each candidate batch the examples with the lowest loss, their
share controlled.
"""

from typing import NamedTuple

import torch
from torch import Tensor

SCHEMES = ("low", "low-flat", "auto", "auto-flat")


class Choice(NamedTuple):
    """What to train on at one step, for stacked models."""

    chosen: Tensor  # (models, kept) positions in the candidate batch
    weights: Tensor  # (models, kept) 1 to train on, 0 for padding and for what is known already
    share: Tensor  # (models,) the share admitted at the next step


def choose(
    losses: Tensor,
    share: Tensor,
    progress: float,
    *,
    scheme: str,
    known: float = 0.5,
    flat_below: float = 0.05,
    rate: float = 0.003,
    ceiling: float = 0.97,
    pace: float = 1.2,
    floor: float = 0.03,
    least: int = 64,
) -> Choice:
    """Admit the lowest share of the candidates' losses; `auto` moves the share until the model can
    know them.

    `auto`: the share of admitted candidates that are known (loss below `known`) is compared with
    min(ceiling, pace · progress). Above it the share grows by `rate`, else it shrinks. So the
    admitted set contracts until it fits and grows again when it does; neither the number of facts,
    nor the capacity, nor a frequency is used.
    `flat`: admitted candidates with a loss below `flat_below` are not trained on, which flattens
        frequencies.

    Args:
        losses: (models, candidates), without gradient.
        share: (models,) in (0, 1].
        progress: of the training, in [0, 1].
        least: admitted candidates at least (or all, if fewer).

    Raises:
        FloatingPointError: naming model and candidates whose loss is not finite.
    """
    if not bool(torch.isfinite(losses).all()):
        model, at = (~torch.isfinite(losses)).nonzero()[0].tolist()
        raise FloatingPointError(
            f"loss of candidate {at} of model {model} is {float(losses[model, at])}"
        )
    candidates = losses.shape[1]
    ordered, order = losses.sort(dim=1, stable=True)
    kept = (
        (share * candidates).round().clamp(min=min(least, candidates), max=candidates).long()
    )  # (models,)
    most = int(kept.max())
    ordered, admitted = ordered[:, :most], torch.arange(most, device=losses.device) < kept[:, None]
    weights = admitted.to(losses.dtype)
    if scheme.startswith("auto"):
        knows = ((ordered < known) & admitted).sum(1) / kept
        grows = knows > min(ceiling, pace * progress)
        share = (share + torch.where(grows, rate, -rate)).clamp(floor, 1.0)
    if scheme.endswith("flat"):
        weights = weights * (ordered >= flat_below)
    return Choice(order[:, :most], weights, share)
