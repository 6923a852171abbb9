"""The networks of Figure 2 and Table 1, registered once for rules, claims and figures."""

from dataclasses import dataclass
from typing import NamedTuple


class PublishedLosses(NamedTuple):
    """Test losses of Table 1 on pairs of one-off symbols (MNIST, Omniglot, ResNet-18)."""

    memorized: float  # without weight decay
    decayed: float  # with weight decay 0.5


BACKBONES = ("mlp", "resnet18")  # encoders of images, by their names in `rote.models.slots`


@dataclass(frozen=True)
class Architecture:
    """How a network joins three images (`rote.models.slots` builds it by its name)."""

    name: str
    compositional: bool = False  # encodes each image alone; else it mixes them in its first layer
    additive: bool = False  # its output is a weighted sum of what the encoder says of each image
    reference: bool = False  # also trained on every training set and with every weight decay
    published: PublishedLosses | None = None
    backbones: tuple[str, ...] = BACKBONES  # encoders that it exists for


ARCHITECTURES = {
    architecture.name: architecture
    for architecture in (
        Architecture(
            "sum",
            compositional=True,
            additive=True,
            reference=True,
            published=PublishedLosses(0.1760, 2.8744),
        ),
        Architecture(
            "linear",
            compositional=True,
            additive=True,
            published=PublishedLosses(0.1662, 1.5539),
        ),
        Architecture("two-layer", compositional=True, published=PublishedLosses(0.1351, 0.6447)),
        Architecture("cross-channel", published=PublishedLosses(22.9671, 23.6506)),
        Architecture("concat", backbones=("mlp",)),
    )
}
REFERENCE = next(name for name, network in ARCHITECTURES.items() if network.reference)
MIXING = "cross-channel"  # the paper's network that mixes the images
