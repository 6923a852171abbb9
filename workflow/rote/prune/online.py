"""Choosing inside training: of each candidate batch the examples with the lowest loss."""

from typing import NamedTuple

import torch
from torch import Tensor

from rote.core import fields, reals
from rote.core.errors import InputError
from rote.core.registry import registered
from rote.prune.schemes import ONLINE

KNOWN_LOSS = 0.5  # nats; below it an example counts as known
FLAT_LOSS = 0.05  # nats; below it flat schemes do not train on an example
RATE = 0.003  # what the admitted share moves by at one step
PACE = 1.2  # the known share asked of the admitted candidates is PACE · progress,
CEILING = 0.97  # at most this
MIN_SHARE = 0.03


class Choice(NamedTuple):
    """What to train on at one step, for stacked models."""

    chosen: Tensor  # (models, admitted) positions in the candidate batch, lowest loss first
    weights: Tensor  # (models, admitted) 1 to train on, 0 for padding and for what is known already
    share: Tensor  # (models,) the share admitted at the next step


def choose(
    losses: Tensor, share: Tensor, progress: float, *, scheme: str, min_admitted: int = 64
) -> Choice:
    """Admit the candidates with the lowest losses.

    * low: a fixed share of them.
    * auto: the share of the admitted candidates that are known (loss below `KNOWN_LOSS`) is
      compared with min(CEILING, PACE · progress). Above it the admitted share grows by `RATE`, else
      it shrinks. So the admitted set contracts until the model can know it, and grows again when it
      does; neither the number of facts, nor the capacity, nor a frequency is used.
    * low-flat, auto-flat: admitted candidates with a loss below `FLAT_LOSS` are not trained on,
      which flattens frequencies.

    Args:
        losses: (models, candidates) nats, without gradient.
        share: (models,) in (0, 1], of the candidates.
        progress: of the training, in [0, 1].
        scheme: one of `rote.prune.ONLINE`.
        min_admitted: candidates that are admitted whatever the share (or all, if fewer).

    Raises:
        InputError: for an unknown scheme, losses that are no tensor (models, candidates) and shares
            (models,) or a progress out of range.
        FloatingPointError: naming model and candidate whose loss is not finite.
    """
    rule = registered(ONLINE, scheme, "scheme")
    _check(losses, share)
    reals.number("progress", progress, fields.UNIT)
    fields.check({"min_admitted": fields.SIZE}, {"min_admitted": min_admitted})
    if not bool(torch.isfinite(losses).all()):
        model, position = (~torch.isfinite(losses)).nonzero()[0].tolist()
        value = float(losses[model, position])
        raise FloatingPointError(f"loss of candidate {position} of model {model} is {value}")
    candidates = losses.shape[1]
    ordered, order = losses.sort(dim=1, stable=True)
    n_admitted = (share * candidates).round()
    n_admitted = n_admitted.clamp(min=min(min_admitted, candidates), max=candidates).long()
    width = int(n_admitted.max())
    ordered = ordered[:, :width]
    admitted = torch.arange(width, device=losses.device) < n_admitted[:, None]
    weights = admitted.to(losses.dtype)
    if rule.controlled:
        known_share = ((ordered < KNOWN_LOSS) & admitted).sum(1) / n_admitted
        grows = known_share > min(CEILING, PACE * progress)
        share = (share + torch.where(grows, RATE, -RATE)).clamp(MIN_SHARE, 1.0)
    if rule.flat:
        weights = weights * (ordered >= FLAT_LOSS)
    return Choice(order[:, :width], weights, share)


def _check(losses: Tensor, share: Tensor) -> None:
    if not isinstance(losses, Tensor) or losses.ndim != 2 or not losses.numel():
        raise InputError("losses must be a tensor (models, candidates), not empty")
    if not isinstance(share, Tensor) or share.shape != losses.shape[:1]:
        raise InputError(f"share must be a tensor of shape ({len(losses)},), given {share!r}")
    if not bool(((share > 0) & (share <= 1)).all()):
        raise InputError(f"share must be in (0, 1], given {share.tolist()}")
