"""The selection schemes by name: what each does to a data set or to a candidate batch."""

from typing import NamedTuple


class OfflineScheme(NamedTuple):
    """How a data set is chosen from the losses of a trained model."""

    prunes: bool = True  # False keeps everything
    by_loss: bool = True  # the lowest losses stay; False: a random subset
    flat: bool = False  # copies are capped at one number


class OnlineScheme(NamedTuple):
    """How candidates are chosen inside training."""

    controlled: bool  # the admitted share follows what the model knows; False: it is fixed
    flat: bool  # admitted candidates that are known already are not trained on
    highest: bool = False  # candidates of the highest loss are admitted instead of the lowest
    scores: bool = True  # False: whole examples are admitted by their last losses, none is scored


OFFLINE = {
    "none": OfflineScheme(prunes=False),
    "random": OfflineScheme(by_loss=False),
    "loss": OfflineScheme(),
    "loss-flat": OfflineScheme(flat=True),
}
ONLINE = {
    "low": OnlineScheme(controlled=False, flat=False),
    "high": OnlineScheme(controlled=False, flat=False, highest=True),
    "low-flat": OnlineScheme(controlled=False, flat=True),
    "auto": OnlineScheme(controlled=True, flat=False),
    "auto-flat": OnlineScheme(controlled=True, flat=True),
    "auto-epoch": OnlineScheme(controlled=True, flat=False, scores=False),
}
SCORED = {name: scheme for name, scheme in ONLINE.items() if scheme.scores}
