"""The paper's result tables. NaN always means an empty set: never zero, never a mean of nothing."""

from rote.core.tables import Table, column
from rote.papers.longtail.architectures import ARCHITECTURES

_EMPTY = "the set is empty in this replicate"


class LinearSets(Table):
    """Index sets of one training matrix (from X alone), and what noiseless min-norm recovers."""

    KEY = ("alpha", "replicate")
    alpha: float = column("power-law exponent of the feature frequencies")
    replicate: int = column("replicate")
    seen_rare: int = column("rare features with m_i ≥ 1", "features")
    once: int = column("rare features with m_i = 1", "features")
    alone: int = column(
        "seen rare features that are the only rare one in some row (F-hat)", "features"
    )
    common_unidentifiable: int = column("common features not in the row space", "features")
    once_alone: int = column("once ∩ F-hat", "features")
    recovered: int = column("seen rare features with |Δ_i| < 1e-7 at σ = 0, λ = 0", "features")
    disagree: int = column("seen features where recovered and identifiable differ", "features")
    max_error_alone: float = column("max |Δ_i| over F-hat at σ = 0, λ = 0", nan=_EMPTY)
    once_beta2: float = column("mean β*_i² over once", nan=_EMPTY)


class LinearSweep(Table):
    """Errors and exact losses of one fit (min-norm at λ = 0, else ridge) on one training set."""

    KEY = ("alpha", "replicate", "sigma", "lam")
    alpha: float = column("power-law exponent of the feature frequencies")
    replicate: int = column("replicate")
    sigma: float = column("label noise, standard deviation; the same unit noise scaled")
    lam: float = column("ridge penalty of the unnormalized loss; 0 = min-norm")
    error_common: float = column("mean |Δ_i| over common features", nan=_EMPTY)
    error_rare: float = column("mean |Δ_i| over seen rare features", nan=_EMPTY)
    error_alone: float = column("mean |Δ_i| over F-hat", nan=_EMPTY)
    once_alone_mse: float = column("mean Δ_i² over once ∩ F-hat", nan=_EMPTY)
    ind: float = column("excess risk on fresh data, Σ p_i Δ_i²")
    ind_common: float = column("part of ind from common features")
    ind_recovered: float = column("part of ind from rare features that min-norm recovers")
    ind_unrecovered: float = column("part of ind from rare features seen but not recovered")
    ind_unseen: float = column("part of ind from features never seen")
    forced_once: float = column("(OOD_t - IND)/t for the pool once", nan=_EMPTY)
    forced_alone: float = column("(OOD_t - IND)/t for the pool F-hat", nan=_EMPTY)
    forced_once_alone: float = column("(OOD_t - IND)/t for the pool once ∩ F-hat", nan=_EMPTY)


class LinearRanks(Table):
    """Features of one training matrix, binned by frequency rank."""

    KEY = ("alpha", "replicate", "rank_low")
    alpha: float = column("power-law exponent")
    replicate: int = column("replicate")
    rank_low: int = column("first rank of the bin, exclusive", "rank")
    rank_high: int = column("last rank of the bin, inclusive", "rank")
    seen: float = column("share of the bin's features that occur in training")
    expected: float = column("mean of 1 - (1 - p_i)^n over the bin")
    recovered: float = column("share of the bin's features recovered exactly at σ = 0")


class LinearShrinkage(Table):
    """Noiseless ridge coefficients of common ∪ F-hat features, in octaves of their count m_i."""

    KEY = ("alpha", "replicate", "lam", "count_low")
    alpha: float = column("power-law exponent")
    replicate: int = column("replicate")
    lam: float = column("ridge penalty")
    count_low: int = column("the octave: count_low ≤ m_i < 2 count_low", "rows")
    count_mean: float = column("mean m_i in the octave", "rows")
    ratio: float = column("median over the octave of the estimate over the truth, β̂_i/β*_i")
    deviation: float = column(
        "median |β̂_i/β*_i - m_i/(m_i + λ)| over all features of the replicate, not the octave"
    )


class Scaling(Table):
    """Min-norm excess risk for one number of rows, σ = 0."""

    KEY = ("alpha", "decay", "rows", "replicate")
    alpha: float = column("power-law exponent")
    decay: float = column("exponent b of β*_i = i^-b")
    rows: int = column("training rows", "rows")
    replicate: int = column("replicate")
    ind: float = column("excess risk on fresh data")


class Interpolators(Table):
    """One predictor on one noiseless training set: loss on fresh data and on forced rare pairs."""

    KEY = ("estimator", "parameter", "replicate")
    estimator: str = column("predictor")
    parameter: float = column("rho for mixture, gamma for interaction, else 0")
    replicate: int = column("replicate")
    pool: int = column("features of once ∩ F-hat in this replicate", "features")
    ind: float = column("loss on fresh data (exact for linear predictors, else Monte-Carlo)")
    ood2: float = column(
        "loss with two forced features of once ∩ F-hat", nan="fewer than two such features"
    )


class HatDiagonals(Table):
    """How far rows with a once-seen feature follow their own label."""

    KEY = ("replicate", "lam")
    replicate: int = column("replicate")
    lam: float = column("ridge penalty")
    hat_once: float = column(
        "mean H_jj over rows that hold a once-seen rare feature", nan="no such row"
    )


class LeaveOneOut(Table):
    """One training row: its leave-one-out residual in closed form and by refitting, min-norm."""

    KEY = ("replicate", "row")
    replicate: int = column("replicate")
    row: int = column("training row")
    once: bool = column("the row holds a once-seen rare feature")
    hat: float = column("H_jj")
    train_error: float = column("|residual| in training")
    residual: float = column("leave-one-out residual, closed form")
    refit: float = column("leave-one-out residual, by refitting")


class Descent(Table):
    """Gradient descent from zero at one step count, σ = 0."""

    KEY = ("replicate", "step")
    replicate: int = column("replicate")
    step: int = column("gradient steps", "steps")
    expected: float = column("1 - exp(-t/λ_max), the theory's recovery of a once-seen feature")
    recovery: float = column("mean β̂_i/β*_i over once ∩ F-hat", nan=_EMPTY)
    distance: float = column("||β_t - min-norm||₂")
    ind: float = column("excess risk on fresh data")
    forced_once_alone: float = column("(OOD_t - IND)/t for the pool once ∩ F-hat", nan=_EMPTY)


class ImageBank(Table):
    """One image: a digit of the data set or a one-off glyph."""

    KEY = ("image",)
    image: int = column("image id")
    kind: str = column("digit or glyph")
    replicate: int = column("replicate a glyph belongs to; -1 for digits")
    label: int = column("label, 0-9")
    side: int = column("height = width", "pixels")
    pixels: bytes = column(
        "gray values, a byte each, row by row; 0 is background", "0-16 for digits, else 0-255"
    )


class Triples(Table):
    """Three images and the sum of their labels."""

    KEY = ("replicate", "training_set", "nines", "evaluation_set", "row")
    replicate: int = column("replicate")
    training_set: str = column("training set that the row belongs to, or any: it serves all")
    nines: int = column("training triples of the set nines that hold a 9, else 0", "triples")
    evaluation_set: str = column("train: a row to train on; else the test set")
    row: int = column("row within the data set")
    image_0: int = column("image id in slot 0")
    image_1: int = column("image id in slot 1")
    image_2: int = column("image id in slot 2")
    target: float = column("sum of the three labels")


class NetworkLosses(Table):
    """One trained network on one data set."""

    KEY = ("architecture", "training_set", "nines", "weight_decay", "replicate", "evaluation_set")
    architecture: str = column(f"one of {', '.join(ARCHITECTURES)}")
    training_set: str = column(
        "nines (the rare-digit sweep), ten-digits, glyphs beside head, zipf or tail companions, "
        "no-glyphs, a half of the glyphs, or glyphs of which 2 or 8 have wrong labels"
    )
    nines: int = column("training triples of the set nines that hold a 9, else 0", "triples")
    weight_decay: float = column("decoupled weight decay")
    replicate: int = column("replicate")
    evaluation_set: str = column("data set on which the loss was measured")
    mse: float = column("mean squared error", "label²")


class SizeLosses(Table):
    """One network of some width and length of training, on one-off symbols without decay."""

    KEY = ("architecture", "width", "epochs", "replicate", "evaluation_set")
    architecture: str = column("sum or cross-channel")
    width: int = column("hidden width of the sum network; the other has as many parameters")
    epochs: int = column("passes over the training triples")
    replicate: int = column("replicate")
    evaluation_set: str = column("data set on which the loss was measured")
    mse: float = column("mean squared error", "label²")


class SceneLosses(Table):
    """One network on scenes of objects with attributes, on one set of scenes."""

    KEY = ("architecture", "replicate", "evaluation_set")
    architecture: str = column("sees each object alone (sum), or all at once")
    replicate: int = column("replicate")
    evaluation_set: str = column(
        "train, one-off-scenes (with a rare attribute), fresh, rare-objects (two in a scene), or "
        "rare-attributes (two in an object)"
    )
    mse: float = column("mean squared error", "value²")


class Decays(Table):
    """One weight decay by the rule for "not memorized", on training data (`decay`)."""

    KEY = ("architecture", "weight_decay")
    architecture: str = column("trained on one-off symbols beside common digits")
    weight_decay: float = column("decoupled weight decay")
    replicates: int = column("networks")
    one_off: float = column("median training loss of the ten triples with a symbol", "label²")
    training: float = column("median training loss of all triples", "label²")
    forgotten: bool = column("one_off is above 0.5: not memorized")
    fitted: bool = column("training is below 0.5")
    chosen: bool = column("the decay that counts as not memorized; no row if none is both")


class KernelLosses(Table):
    """One kernel ridge fit on one data set."""

    KEY = ("kernel", "rho", "training_set", "lam", "replicate", "evaluation_set")
    kernel: str = column("shared, slot-wise, monolithic or mixture")
    rho: float = column("share of the monolithic kernel")
    training_set: str = column("training set: glyphs beside head, zipf or tail companions")
    lam: float = column("ridge penalty")
    replicate: int = column("replicate")
    evaluation_set: str = column("data set on which the loss was measured")
    mse: float = column("mean squared error", "label²")
    hat_glyphs: float = column("mean H_jj over the glyph rows: how far they are memorized")


TABLES: dict[str, type[Table]] = {
    "linear_sets": LinearSets,
    "linear_sweep": LinearSweep,
    "linear_ranks": LinearRanks,
    "linear_shrinkage": LinearShrinkage,
    "scaling": Scaling,
    "interpolators": Interpolators,
    "influence": HatDiagonals,
    "leave_one_out": LeaveOneOut,
    "descent": Descent,
    "network": NetworkLosses,
    "decays": Decays,
    "sizes": SizeLosses,
    "scenes": SceneLosses,
    "kernel": KernelLosses,
}
