"""Choosing inside training: of each candidate batch the examples with the lowest loss."""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from rote.core import fields, reals
from rote.core.errors import InputError
from rote.core.registry import registered
from rote.prune.schemes import SCORED

_SHARE = fields.FieldRange("in (0, 1]", lambda value: 0 < value <= 1)


@dataclass(frozen=True)
class Controller:
    """How the share of the candidates that is admitted follows what the model knows.

    A candidate is known if its loss is below `known`. Where more than min(`ceiling`, `pace` ×
    progress of the training) of the admitted candidates are known, the share grows by `speed` /
    steps, else it shrinks by as much, within [`min_share`, 1]. Rates are per training, so the
    course of the share is the same over any number of steps. Ours; the values were chosen on facts
    of 13 bits at width 24.

    Args:
        known: nats per example, > 0.
        pace: known share that is asked per share of the training done, > 0.
        ceiling: largest known share that is asked, in (0, 1].
        speed: what the share can move by over a whole training, > 0.
        min_share: smallest share that is admitted, in (0, 1].
        flat: nats per example, ≥ 0, below which flattening schemes do not train on it.
        steps: of the training, ≥ 1: how often the share is moved.
        max_trained: candidates that are trained on at most, ≥ 1: of more admitted ones the first in
            the order given, which is random in an epoch; None: all.

    Raises:
        InputError: naming the field and its range.
    """

    known: float = 1.5
    pace: float = 1.0
    ceiling: float = 0.97
    speed: float = 3.0
    min_share: float = 0.06
    flat: float = 0.3
    steps: int = 1000
    max_trained: int | None = None

    def __post_init__(self) -> None:
        ranges = dict.fromkeys(("known", "pace", "speed"), fields.POSITIVE)
        ranges |= {"ceiling": _SHARE, "min_share": _SHARE, "flat": fields.NOT_NEGATIVE}
        ranges["steps"] = fields.SIZE
        if self.max_trained is not None:
            ranges["max_trained"] = fields.SIZE
        fields.check(ranges, vars(self))

    def moved(self, share: Tensor, known_share: Tensor, progress: float) -> Tensor:
        """The share of the next step, (models,)."""
        grows = known_share > min(self.ceiling, self.pace * progress)
        change = torch.where(grows, self.speed / self.steps, -self.speed / self.steps)
        return (share + change).clamp(self.min_share, 1.0)


class Choice(NamedTuple):
    """What to train on at one step, for stacked models."""

    chosen: Tensor  # (models, trained) positions in the candidate batch, lowest loss first
    weights: Tensor  # (models, trained) 1 to train on, 0 for padding
    share: Tensor  # (models,) the share admitted at the next step


def choose(
    losses: Tensor,
    share: Tensor,
    progress: float,
    *,
    scheme: str,
    controller: Controller = Controller(),
    ids: Tensor | None = None,
) -> Choice:
    """Admit candidates by their losses, the lowest first.

    * low: a fixed share of them; high: as large a share of those with the highest losses.
    * auto: a share that the controller moves, see `Controller`. The admitted set contracts until
      the model can know it, and grows again when it does; neither the number of facts, nor the
      capacity, nor a frequency is used.
    * low-flat, auto-flat: admitted candidates with a loss below `controller.flat` are not trained
      on, which flattens frequencies.

    Args:
        losses: (models, candidates) nats, without gradient.
        share: (models,) in (0, 1], of the candidates.
        progress: of the training, in [0, 1].
        scheme: one of `rote.prune.ONLINE` that scores candidates.
        controller: thresholds, rates and steps.
        ids: (models, candidates) ≥ 0, what each candidate is a copy of: shares are then of distinct
            examples, so that frequent ones do not stand for all; None: no two are the same.

    Raises:
        InputError: for an unknown scheme, losses that are no tensor (models, candidates) and shares
            (models,), ids of another shape, or a progress out of range.
        FloatingPointError: naming model and candidate whose loss is not finite.
    """
    rule = registered(SCORED, scheme, "scheme")
    _check(losses, share)
    reals.number("progress", progress, fields.UNIT)
    if not bool(torch.isfinite(losses).all()):
        model, position = (~torch.isfinite(losses)).nonzero()[0].tolist()
        value = float(losses[model, position])
        raise FloatingPointError(f"loss of candidate {position} of model {model} is {value}")
    ordered, order = losses.sort(dim=1, stable=True, descending=rule.highest)
    parts = _parts(losses, ids).gather(1, order)  # of distinct examples
    n_admitted = (share * parts.sum(1)).round().clamp(min=1)
    admitted = parts.cumsum(1) - parts / 2 < n_admitted[:, None]
    if rule.controlled:
        known_share = (parts * (admitted & (ordered < controller.known))).sum(1) / n_admitted
        share = controller.moved(share, known_share, progress)
    trained = admitted & (ordered >= controller.flat) if rule.flat else admitted
    if controller.max_trained is not None:
        trained = _first(trained, order, controller.max_trained)
    width = int(trained.sum(1).max().clamp(min=1))
    # those trained on to the front, still by their losses
    front = trained.logical_not().long().sort(dim=1, stable=True)[1][:, :width]
    return Choice(order.gather(1, front), trained.gather(1, front).to(losses.dtype), share)


def _parts(losses: Tensor, ids: Tensor | None) -> Tensor:
    """One over how many candidates are the same example, (models, candidates)."""
    if ids is None:
        return torch.ones_like(losses)
    if not isinstance(ids, Tensor) or ids.shape != losses.shape:
        raise InputError(f"ids must be a tensor of shape {tuple(losses.shape)}")
    size = int(ids.max()) + 1
    copies = torch.zeros(len(losses), size, device=losses.device, dtype=losses.dtype)
    copies.scatter_add_(1, ids, torch.ones_like(losses))
    return 1 / copies.gather(1, ids)


def _first(chosen: Tensor, order: Tensor, max_trained: int) -> Tensor:
    """The first `max_trained` of the chosen ones in the order before sorting."""
    in_turn = torch.zeros_like(chosen).scatter(1, order, chosen)
    in_turn &= in_turn.cumsum(1) <= max_trained
    return in_turn.gather(1, order)


def admit(
    losses: Tensor,
    copies: Tensor,
    share: Tensor,
    progress: float,
    controller: Controller = Controller(),
) -> tuple[Tensor, Tensor]:
    """Admit whole examples by the loss that each had when it was last trained on.

    No candidate is scored: the next examples are drawn from the admitted ones, in proportion to
    their copies. The controller is that of `choose`; its shares are of examples, not of copies.

    Args:
        losses: (models, N) nats; infinite where an example was never seen.
        copies: (models, N) ≥ 0, not all 0.
        share: (models,) in (0, 1].
        progress: of the training, in [0, 1].
        controller: thresholds and rates; its steps are calls of a whole training.

    Returns:
        (models, N) copies of the admitted examples, 0 for others, and (models,) the next share.

    Raises:
        InputError: for tensors of other shapes, or a share or progress out of range.
    """
    _check(losses, share)
    if not isinstance(copies, Tensor) or copies.shape != losses.shape:
        raise InputError(f"copies must be a tensor of shape {tuple(losses.shape)}")
    reals.number("progress", progress, fields.UNIT)
    ordered, order = losses.sort(dim=1, stable=True)
    ordered_copies = copies.gather(1, order).to(share.dtype)
    present = ordered_copies > 0
    n_admitted = (share * present.sum(1)).round().clamp(min=1)
    admitted = present & (present.cumsum(1) <= n_admitted[:, None])
    known_share = (admitted & (ordered < controller.known)).sum(1) / n_admitted
    weights = torch.zeros_like(ordered_copies).scatter_(1, order, admitted * ordered_copies)
    return weights, controller.moved(share, known_share, progress)


def _check(losses: Tensor, share: Tensor) -> None:
    if not isinstance(losses, Tensor) or losses.ndim != 2 or not losses.numel():
        raise InputError("losses must be a tensor (models, candidates), not empty")
    if not isinstance(share, Tensor) or share.shape != losses.shape[:1]:
        raise InputError(f"share must be a tensor of shape ({len(losses)},), given {share!r}")
    if not bool(((share > 0) & (share <= 1)).all()):
        raise InputError(f"share must be in (0, 1], given {share.tolist()}")
