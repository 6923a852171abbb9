"""Config section of the Rules-and-Facts paper."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from rote.core.section import PaperSection, Section, key, left_out

Positive = Annotated[float, Field(gt=0)]
NonNegative = Annotated[float, Field(ge=0)]
Fraction = Annotated[float, Field(gt=0, le=1)]


class RafTheory(Section):
    """Theory curves and phase diagrams: how fine their grids are."""

    eps: float = key(0.1, "Fraction of facts in the figures", gt=0, lt=1)
    curve: int = key(81, "Points of a curve", ge=8)
    penalties: int = key(121, "Ridge penalties over which a best one is searched", ge=8)
    phase: int = key(80, "Points per side of a phase diagram", ge=8)

    SCALES: ClassVar = {
        "smoke": {"curve": 9, "penalties": 25, "phase": 8},
        "paper": {"curve": 321, "penalties": 521, "phase": 300},
    }


class RafSimulation(Section):
    """Finite-size simulation: verification rows and the figures' markers, each with fresh data."""

    size: float = key(1.0, "Factor on the dimension d of every row (200-500 at 1)", gt=0)
    replicates: int = key(130, "Training sets per verification row", ge=2)
    marker_replicates: int = key(6, "Training sets per marker of a figure", ge=2)
    extensions: bool = key(
        False, "Also interpolators, other activations, and widths around kappa_c"
    )

    SCALES: ClassVar = {
        "smoke": {"size": 0.3, "replicates": 2, "marker_replicates": 2, "extensions": True},
        "full": {"replicates": 200, "marker_replicates": 20, "extensions": True},
        "paper": {"size": 3.0, "replicates": 400, "marker_replicates": 50, "extensions": True},
    }


class RafUniversality(Section):
    """True kernels against the model with the same mu_1 and mu_star, on the same data."""

    d: int = key(400, "Dimension", ge=2)
    alpha: float = key(2.0, "Samples per dimension", gt=0)
    eps: float = key(0.1, "Fraction of facts", gt=0, le=1)
    lam: float = key(0.2, "Ridge", gt=0)
    test_rows: int = key(1500, "Fresh inputs, the same for kernel and model", ge=100)
    replicates: int = key(12, "Training sets per kernel and loss", ge=2)

    SCALES: ClassVar = {
        "smoke": {"d": 60, "replicates": 3, "test_rows": 1000},
        "full": {"replicates": 48},
        "paper": {"d": 1000, "replicates": 100},
    }


class RafSeparability(Section):
    """Share of linearly separable training sets around the capacity."""

    d: int = key(120, "Dimension", ge=2)
    eps: float = key(0.2, "Fraction of facts", gt=0, le=1)
    alphas: list[Positive] = key([2.6, 2.8, 3.0, 3.2, 3.4], "Samples per dimension", min_length=2)
    replicates: int = key(10, "Training sets, nested over alpha", ge=2)

    SCALES: ClassVar = {
        "smoke": {"d": 30, "replicates": 6},
        "full": {"replicates": 40},
        "paper": {"d": 400, "replicates": 200},
    }


class RafReal(Section):
    """Real images: a binary rule on two groups of classes, random labels on a third."""

    source: Literal["digits", "mnist-sample", "mnist", "cifar10"] = key(
        "digits",
        "digits: parity of scanned digits 0-7, facts are 8s and 9s; mnist-sample, mnist: one digit "
        "or another (`pair`), facts are a third; cifar10: cat or dog, facts are automobiles",
        source=True,
    )
    root: str = key("", "Folder with (or for) the files of mnist or cifar10", source=True)
    download: bool = key(False, "Let torchvision download them into root")
    pair: list[Annotated[int, Field(ge=0, le=9)]] = key(
        [3, 5], "Digits that the rule tells apart; only for MNIST", min_length=2, max_length=2
    )
    fact: int = key(1, "Digit whose images are facts; only for MNIST", ge=0, le=9)
    rules: int = key(800, "Training images with a rule label, half of either class", ge=10)
    facts: int = key(100, "Training images with a random label", ge=1)
    valid: int = key(100, "Images of the rule to choose ridges by", ge=10)
    tests: int = key(500, "Test images; of the official test set where there is one", ge=10)
    etas: list[Positive] = key(
        [0.03, 0.1, 0.3, 1.0, 3.0, 10.0], "eta of exp(-eta D^2 / median D^2)", min_length=1
    )
    penalties: int = key(31, "Ridge penalties, log-spaced over 1e-6 ... 1e2", ge=3)
    svm: list[Positive] = key(
        [1.0], "Penalties of SVMs beside ridge regression, at eta >= 1", min_length=1
    )
    replicates: int = key(10, "Random choices of images and labels", ge=2)

    SCALES: ClassVar = {
        "smoke": {
            "rules": 300,
            "facts": 40,
            "valid": 60,
            "tests": 200,
            "etas": [0.03, 1.0],
            "penalties": 9,
            "replicates": 5,
        },
        "full": {"penalties": 61, "svm": [0.1, 1.0, 10.0]},
        "paper": {
            "svm": [1.0],
            "source": "cifar10",
            "root": "data/cifar10",
            "download": True,
            "rules": 9000,
            "facts": 1000,
            "valid": 1000,
            "tests": 2000,
        },
    }

    @model_validator(mode="after")
    def _root(self):
        if self.source in ("mnist", "cifar10") and not self.root:
            raise ValueError(
                f"source is {self.source}, so `root` must name the folder with (or for) its files"
            )
        if len({*self.pair, self.fact}) < 3:
            raise ValueError(
                f"pair and fact must be three different digits, given {self.pair} and {self.fact}"
            )
        return self


class RafTwoLayer(Section):
    """Two-layer ReLU networks trained on rules and facts (our extension)."""

    d: int = key(50, "Dimension", ge=2)
    eps: float = key(0.1, "Fraction of facts", gt=0, le=1)
    alphas: list[Positive] = key([2.0, 4.0, 8.0, 16.0], "Samples per dimension", min_length=2)
    widths: list[Annotated[int, Field(ge=1)]] = key([32, 128], "Hidden units", min_length=1)
    scales: list[Positive] = key([0.1, 1.0], "Scale of the initial weights", min_length=1)
    weight_decays: list[NonNegative] = key(
        [0.0, 1e-3], "Coupled L2 penalty on the mean loss", min_length=1
    )
    steps: int = key(1500, "Full-batch Adam steps", ge=1)
    learning_rate: float = key(3e-3, "Peak of the cosine schedule", gt=0)
    replicates: int = key(8, "Training sets and initializations", ge=2)

    SCALES: ClassVar = {
        "smoke": {"d": 20, "alphas": [2.0, 4.0], "widths": [16], "steps": 50, "replicates": 2},
        "paper": {
            "d": 300,
            "alphas": [2.0, 4.0, 8.0, 16.0, 32.0, 64.0],
            "widths": [128, 512, 2048],
            "steps": 20_000,
            "replicates": 8,
        },
    }


class Settings(PaperSection):
    """The Rules-and-Facts model for simultaneous generalization
    and memorization in neural networks
    """

    leave_out: list[str] = left_out("two_layer")
    theory: RafTheory = key(RafTheory)
    simulation: RafSimulation = key(RafSimulation)
    universality: RafUniversality = key(RafUniversality)
    separability: RafSeparability = key(RafSeparability)
    real: RafReal = key(RafReal)
    two_layer: RafTwoLayer = key(RafTwoLayer)

    SCALES: ClassVar = {"full": {"leave_out": []}}
