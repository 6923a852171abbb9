"""What the rules' work grows with, for `rote plan`: leading orders, see `rote.run.costs`."""

from rote.core.work import Wildcards
from rote.papers.longtail.architectures import ARCHITECTURES
from rote.papers.longtail.settings import Settings

# multiply-adds of an image's way through an encoder: two hidden layers of 96 on 8 x 8 pixels (9.4
# times as many inputs on 28 x 28), or ResNet-18's published 1.8e9 on 224 x 224 scaled to 28 x 28
ENCODERS = {"mlp": 64 * 96 + 96 * 96, "resnet18": 1.8e9 * (28 / 224) ** 2}


def _networks(s: Settings, where: Wildcards) -> float:
    """Three images per triple, forward and backward (3 times forward), for every network."""
    options = s.network
    networks = 2 * len(options.rare_counts)
    if ARCHITECTURES[where["architecture"]].reference:
        networks += len(options.weight_decays)
    triples = networks * options.replicates * options.n * options.epochs
    return 2 * 3 * 3 * ENCODERS[options.backbone] * triples


WORK = {
    "solve_linear": lambda s, w: (
        len(s.linear.alphas) * s.linear.replicates * s.linear.n**2 * (s.linear.n + s.linear.d)
    ),
    "train_network": _networks,
    "fit_kernel": lambda s, w: (
        s.kernel.replicates * s.kernel.n**2 * (s.kernel.n + 3 * s.kernel.test_rows)
    ),
    "synthesize_triples": lambda s, w: (
        s.network.replicates * len(s.network.rare_counts) * s.network.n
    ),
}
