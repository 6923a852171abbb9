"""The networks of Figure 2 and Table 1, registered once for rules, claims and figures."""

from dataclasses import dataclass
from typing import NamedTuple


class PublishedLosses(NamedTuple):
    """Losses of Table 1 (MNIST, Omniglot, ResNet-18), without weight decay and with 0.5."""

    memorized: float  # test loss on pairs of one-off symbols
    decayed: float
    training: float  # training loss
    training_decayed: float


BACKBONES = ("mlp", "resnet18")  # encoders of images, by their names in `rote.models.slots`


@dataclass(frozen=True)
class Architecture:
    """How a network joins three images (`rote.models.slots` builds it by its name)."""

    name: str
    compositional: bool = False  # encodes each image alone; else it mixes them in its first layer
    additive: bool = False  # its output is a weighted sum of what the encoder says of each image
    reference: bool = False  # also trained on every training set
    published: PublishedLosses | None = None
    backbones: tuple[str, ...] = ("mlp",)  # encoders that it exists for
    degree: bool = False  # between the paper's: trained on one-off symbols without decay alone
    leak: float | None = None  # how much of the other images its encoder sees beside each image


ARCHITECTURES = {
    architecture.name: architecture
    for architecture in (
        Architecture(
            "sum",
            compositional=True,
            additive=True,
            reference=True,
            published=PublishedLosses(0.1760, 2.8744, 0.0004, 0.0245),
            backbones=BACKBONES,
            leak=0.0,
        ),
        Architecture(
            "linear",
            compositional=True,
            additive=True,
            published=PublishedLosses(0.1662, 1.5539, 0.0004, 0.0505),
            backbones=BACKBONES,
        ),
        Architecture(
            "two-layer",
            compositional=True,
            published=PublishedLosses(0.1351, 0.6447, 0.0010, 0.0264),
            backbones=BACKBONES,
        ),
        Architecture(
            "cross-channel",
            published=PublishedLosses(22.9671, 23.6506, 0.0023, 0.0375),
            backbones=BACKBONES,
        ),
        Architecture("concat"),
        Architecture("wide-codes", compositional=True, degree=True),
        Architecture("unshared", compositional=True, additive=True, degree=True),
        Architecture("leaky-0.1", degree=True, leak=0.1),
        Architecture("leaky-0.3", degree=True, leak=0.3),
        Architecture("leaky-1", degree=True, leak=1.0),
    )
}
REFERENCE = next(name for name, network in ARCHITECTURES.items() if network.reference)
MIXING = "cross-channel"  # the paper's network that mixes the images
UNSHARED = "unshared"  # an encoder for every slot
WIDE = "wide-codes"  # a head on many numbers per image
LEAKY = {network.leak: name for name, network in ARCHITECTURES.items() if network.leak is not None}
