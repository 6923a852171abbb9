"""The paper's result tables."""

from enum import StrEnum

from rote.core.tables import Table, column

_LOST = "the fixed point did not converge"
_NONE = "not part of this row"


class Objective(StrEnum):
    """What a head was trained on, and where it is evaluated."""

    THEORY = "theory"  # E in the limit
    FRESH = "fresh"  # new contexts each step; evaluated on others
    SAME = "same"  # one context, evaluated there
    ELSEWHERE = "same, elsewhere"  # one context, evaluated on others


class AttentionCurves(Table):
    """One point of a theory curve."""

    KEY = ("figure", "panel", "series", "x", "gamma")
    figure: str = column("figure it belongs to")
    panel: str = column("panel within the figure")
    series: str = column("curve within the panel")
    x: float = column("abscissa")
    gamma: float = column("ridge")
    error: float = column(
        "memorization error of attention, or of ridge regression on raw tokens", nan=_LOST
    )
    converged: bool = column("small residual and the right branch")


class PhaseMap(Table):
    """Attention against ridge regression at one point of the phase map."""

    KEY = ("setting", "f", "c", "gamma")
    setting: str = column("signal and spike")
    f: str = column("nonlinearity")
    c: float = column("dimensions per token p/n")
    gamma: float = column("ridge, the same for both")
    attention: float = column("memorization error of attention", nan=_LOST)
    ridge: float = column("memorization error of ridge regression on raw tokens")


class AttentionChecks(Table):
    """The number of a claim that theory alone decides, under one condition."""

    KEY = ("check", "condition")
    check: str = column("the claim, without the paper's prefix")
    condition: str = column("setting within the claim, empty if there is only one")
    value: float = column("the statistic of the claim")


class AttentionSimulations(Table):
    """Training errors of one context at one ridge, with the theory for the same parameters."""

    KEY = ("figure", "panel", "series", "x", "gamma", "n", "replicate")
    figure: str = column("figure or test it belongs to")
    panel: str = column("panel within the figure")
    series: str = column("series within the panel")
    x: float = column("abscissa")
    gamma: float = column("ridge")
    f: str = column("nonlinearity")
    n: int = column("tokens")
    p: int = column("dimension of a token")
    mu2: float = column("||μ||²")
    replicate: int = column("replicate")
    error: float = column("memorization error of attention")
    ridge: float = column(
        "memorization error of ridge regression on the same context's raw tokens", nan=_NONE
    )
    theory: float = column("theory for attention", nan="the theory has no value here")
    ridge_theory: float = column("theory for ridge regression", nan=_NONE)


class KernelSpectrum(Table):
    """Eigenvalues of the attention kernel: share per bin, and the limiting density."""

    KEY = ("f", "c", "low")
    f: str = column("nonlinearity")
    c: float = column("dimensions per token p/n")
    low: float = column("lower edge")
    high: float = column("upper edge")
    simulated: float = column("density of the eigenvalues of one kernel")
    theory: float = column("limiting density, mean over the bin")


class TrainedTable(Table):
    """A head during training."""

    KEY = ("objective", "gamma", "replicate", "step")
    objective: str = column(
        "theory: descent on the limit; fresh: on new contexts each step; same: on one context"
    )
    gamma: float = column("ridge of training and evaluation")
    replicate: int = column("replicate")
    step: int = column("training step", "steps")
    key: float = column("cosine of w_K with the signal")
    query: float = column("cosine of w_Q with the signal")
    error: float = column("memorization error on held-out contexts (theory: in the limit)")
    ridge: float = column("memorization error of ridge regression there")


class EmbeddingsTable(Table):
    """Real inputs as tokens at one ridge."""

    KEY = ("f", "labels", "gamma", "replicate")
    f: str = column("nonlinearity")
    labels: str = column("random: average over random labels; real: the inputs' own")
    gamma: float = column("ridge")
    replicate: int = column("replicate")
    error: float = column("memorization error of attention")
    ridge: float = column("memorization error of ridge regression on the raw tokens")
    isotropic: float = column("theory for isotropic tokens of the same size and mean power")
    anisotropic: float = column(
        "theory with the measured covariance spectrum", nan="it did not converge"
    )


class HeadsTable(Table):
    """A head of a language model on its activations, at one ridge; averages over random labels."""

    KEY = ("f", "order", "layer", "head", "gamma", "replicate")
    f: str = column("nonlinearity, or softmax")
    order: int = column("of the polynomial in the scores that is not taken as noise")
    layer: int = column("layer, from 0")
    head: int = column("head of the layer, from 0")
    gamma: float = column("ridge; entries of the tokens have mean square 1")
    replicate: int = column("model with an initialization of its own, or context")
    error: float = column("memorization error of attention")
    ridge: float = column("memorization error of ridge regression on the same activations")
    theory: float = column(
        "theory with the head's activations and scores, the rest noise", nan="it was not solved"
    )
    noise: float = column("memorization error with drawn noise in place of the rest")
    isotropic: float = column("theory for tokens and f alone, W = I", nan=_LOST)


TABLES: dict[str, type[Table]] = {
    "curves": AttentionCurves,
    "phase": PhaseMap,
    "checks": AttentionChecks,
    "simulations": AttentionSimulations,
    "variants": AttentionSimulations,
    "spectrum": KernelSpectrum,
    "trained": TrainedTable,
    "embeddings": EmbeddingsTable,
    "heads": HeadsTable,
}
