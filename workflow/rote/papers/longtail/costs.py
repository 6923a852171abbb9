"""What the rules' work grows with, for `rote plan`: leading orders, see `rote.run.costs`."""

from rote.core.work import Wildcards
from rote.papers.longtail.architectures import ARCHITECTURES
from rote.papers.longtail.settings import Settings

# multiply-adds of an image's way through an encoder: the perceptron's two hidden layers of 96, or
# ResNet-18's published 1.8e9 on 224 x 224 scaled to 28 x 28
RESNET = 1.8e9 * (28 / 224) ** 2
SIDES = {"digits": 8, "mnist-sample": 28, "mnist": 28}


def _encoder(s: Settings) -> float:
    if s.network.backbone != "mlp":
        return RESNET
    side = SIDES[s.images.source]
    while side > s.images.max_side:
        side //= 2
    return side**2 * 96 + 96 * 96


def _stacks(s: Settings, architecture: str) -> int:
    """Training sets and weight decays of an architecture, each with all replicates."""
    options = s.network
    if ARCHITECTURES[architecture].degree:
        return 1
    stacks = len(options.rare_counts) + len(options.weight_decays)
    if ARCHITECTURES[architecture].reference:
        stacks += 3
        if options.extensions:
            stacks += len(options.rare_counts) + 4 + 2 * len(options.weight_decays)
    return stacks + options.extensions


def _networks(s: Settings, where: Wildcards) -> float:
    """Three images per triple, forward and backward (3 times forward), for every network."""
    options = s.network
    triples = _stacks(s, where["architecture"]) * options.replicates * options.n * options.epochs
    return 2 * 3 * 3 * _encoder(s) * triples


def _sizes(s: Settings, where: Wildcards) -> float:
    """Two architectures at every width and number of epochs."""
    options = s.network
    epochs = sum(options.widths) / 96 * options.epochs + sum(options.lengths)
    return 2 * 3 * 3 * _encoder(s) * 2 * options.replicates * options.n * epochs


def _scenes(s: Settings, where: Wildcards) -> float:
    """Coloured cells in place of gray images."""
    options = s.scenes
    scenes = options.replicates * options.n * options.epochs * len(options.architectures)
    return 2 * 3 * 3 * (3 * options.side**2 * 96 + 96 * 96) * scenes


WORK = {
    "solve_linear": lambda s, w: (
        len(s.linear.alphas) * s.linear.replicates * s.linear.n**2 * (s.linear.n + s.linear.d)
    ),
    "train_network": _networks,
    "train_sizes": _sizes,
    "train_scenes": _scenes,
    "fit_kernel": lambda s, w: (
        s.kernel.replicates * s.kernel.n**2 * (s.kernel.n + 3 * s.kernel.test_rows)
    ),
    "synthesize_triples": lambda s, w: (
        s.network.replicates * len(s.network.rare_counts) * s.network.n
    ),
}
