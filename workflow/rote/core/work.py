"""Units of the work of a rule, for the papers' cost formulas (`rote plan`)."""

from collections.abc import Mapping

Wildcards = Mapping[str, str]  # of a job, by name


def transformer(layers: int, width: int, vocabulary: int) -> float:
    """Weights of a transformer that a token meets: 12 width² a layer, and the output's matrix.

    Args:
        layers: number of layers.
        width: of the residual stream.
        vocabulary: token ids.
    """
    return 12 * layers * width**2 + vocabulary * width
