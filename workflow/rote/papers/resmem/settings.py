"""Config section of "ResMem: learn what you can and memorize the rest"."""

from typing import Annotated, ClassVar

from pydantic import Field

from rote.core.section import Section, key
from rote.neighbors import Engine

Size = Annotated[int, Field(ge=20)]
Units = Annotated[int, Field(ge=0)]


class Theory(Section):
    """The linear model: a base of limited norm, and the residual of the nearest training point."""

    dimensions: list[Annotated[int, Field(ge=1)]] = key(
        [1, 2, 3, 5, 8], "Dimensions d", min_length=2
    )
    norm: float = key(0.5, "Largest norm L of the base; the target has norm 1", gt=0, lt=1)
    norms: list[Annotated[float, Field(ge=0, lt=1)]] = key(
        [0.0, 0.3, 0.5, 0.7, 0.9], "Norms at the largest size, in three dimensions", min_length=2
    )
    sizes: list[Size] = key(
        [30, 100, 300, 1000, 3000, 10_000, 30_000, 100_000], "Training sizes n", min_length=4
    )
    noises: list[Annotated[float, Field(ge=0)]] = key(
        [0, 0.1, 0.2, 0.3, 0.5, 1.0], "Label noise tau"
    )
    neighbors: list[Annotated[int, Field(ge=1)]] = key(
        [1, 3, 10, 30, 100], "Neighbors averaged under noise"
    )
    test: int = key(4000, "Test points", ge=100)
    replicates: int = key(8, "Data sets", ge=2)

    SCALES: ClassVar = {
        "smoke": {
            "dimensions": [1, 3],
            "sizes": [30, 100, 300, 1000],
            "test": 500,
            "replicates": 2,
        },
        "paper": {"replicates": 20},
    }


class Digits(Section):
    """Scikit-learn's digits: perceptrons of few units, and label noise."""

    units: list[Units] = key([0, 3, 4, 8, 32, 64], "Hidden units; 0 is a linear base", min_length=2)
    noises: list[Annotated[float, Field(ge=0, lt=1)]] = key(
        [0.1, 0.2, 0.4, 0.6, 0.8], "Label noise under a linear base"
    )
    train: int = key(1000, "Training images", ge=100, le=1400)
    valid: int = key(300, "Validation images", ge=50, le=300)
    steps: int = key(1000, "Training steps", ge=10)
    batch: int = key(100, "Batch size", ge=1)
    learning_rate: float = key(0.01, "Peak of the learning rate", gt=0)
    replicates: int = key(5, "Splits and networks", ge=2)

    SCALES: ClassVar = {"smoke": {"units": [0, 8], "noises": [0.4], "steps": 100, "replicates": 2}}


class LongTail(Section):
    """Generated images with a long tail of subpopulations."""

    units: int = key(16, "Hidden units of the small base", ge=1)
    large: int = key(64, "Those of a base that fits its training set", ge=1)
    sizes: list[Size] = key([1000, 4000, 16_000], "Training images", min_length=2)
    valid: int = key(1000, "Validation images", ge=50)
    test: int = key(4000, "Test images", ge=100)
    grown: list[Size] = key(
        [1000, 4000, 16_000], "Rows of a memory of images that the base did not see"
    )
    folds: int = key(5, "Folds of cross-fitted residuals", ge=2)
    epochs: int = key(30, "Training epochs, at the middle size; as many steps at the others", ge=1)
    batch: int = key(100, "Batch size", ge=1)
    learning_rate: float = key(0.01, "Peak of the learning rate", gt=0)
    replicates: int = key(3, "Generators, data sets and networks", ge=2)

    SCALES: ClassVar = {
        "smoke": {
            "sizes": [500, 1000],
            "grown": [500, 1000],
            "test": 500,
            "valid": 300,
            "epochs": 4,
            "replicates": 2,
        },
        "paper": {"replicates": 10},
    }


class CoarseFine(Section):
    """Generated images of fine classes in coarse ones, under CIFAR's residual network."""

    depth: int = key(8, "Depth of the network", ge=8)
    widths: list[Annotated[int, Field(ge=1)]] = key(
        [2, 4, 8], "Widths of its first stage", min_length=1
    )
    train: int = key(8000, "Training images", ge=100)
    small: int = key(
        3000, "Training images of a smaller set, for the middle width, with as many steps", ge=100
    )
    valid: int = key(1000, "Validation images", ge=50)
    test: int = key(2000, "Test images", ge=100)
    epochs: int = key(6, "Training epochs", ge=1)
    batch: int = key(128, "Batch size", ge=2)
    learning_rate: float = key(0.01, "Peak of the learning rate", gt=0)
    replicates: int = key(3, "Generators, data sets and networks", ge=2)

    SCALES: ClassVar = {
        "smoke": {
            "widths": [1, 2],
            "train": 800,
            "small": 400,
            "valid": 200,
            "test": 300,
            "epochs": 1,
            "replicates": 2,
        },
        "paper": {"replicates": 10},
    }


class Text(Section):
    """Next characters of Python's own help topics, from the eight before."""

    units: list[Annotated[int, Field(ge=1)]] = key(
        [16, 64], "Units of both hidden layers", min_length=1
    )
    memories: list[Size] = key([20_000, 80_000], "Positions remembered", min_length=2)
    context: int = key(8, "Characters that the network sees", ge=1)
    embedding: int = key(12, "Size of a character's embedding", ge=1)
    unseen: int = key(
        16,
        "A test position counts if as many characters before it are not in the training text",
        ge=1,
    )
    valid: int = key(1000, "Validation positions", ge=50)
    test: int = key(2000, "Test positions", ge=100)
    steps: int = key(3000, "Training steps", ge=10)
    batch: int = key(256, "Batch size", ge=1)
    learning_rate: float = key(0.005, "Peak of the learning rate", gt=0)
    replicates: int = key(3, "Splits by topic, and networks", ge=2)

    SCALES: ClassVar = {
        "smoke": {
            "units": [16],
            "memories": [2000, 8000],
            "valid": 200,
            "test": 300,
            "steps": 100,
            "replicates": 2,
        },
        "paper": {"memories": [20_000, 80_000, 300_000], "replicates": 10},
    }


class Regression(Section):
    """Friedman's function and the diabetes data under ridge regression."""

    train: int = key(4000, "Training rows of Friedman's function", ge=50)
    test: int = key(2000, "Test rows", ge=50)
    replicates: int = key(10, "Data sets, or splits", ge=2)

    SCALES: ClassVar = {"smoke": {"train": 300, "test": 300, "replicates": 3}}


class Mnist(Section):
    """The 10,000 test images of MNIST at 14 x 14 pixels under CIFAR's residual network; needs the
    files.
    """

    root: str = key("", "Folder with (or for) MNIST's idx files; without it this part is left out")
    download: bool = key(False, "Let torchvision download them into `root`")
    widths: list[Annotated[int, Field(ge=1)]] = key(
        [1, 2, 4], "Widths of the first stage, depth 8", min_length=1
    )
    depths: list[Annotated[int, Field(ge=8)]] = key(
        [14, 20], "Further depths, at the smallest width"
    )
    sizes: list[Size] = key([250, 1000, 3000], "Further training sizes, at the smallest width")
    train: int = key(7000, "Training images", ge=100, le=7000)
    valid: int = key(1000, "Validation images", ge=50, le=1000)
    test: int = key(2000, "Test images", ge=50, le=2000)
    seen: int = key(35_000, "Images seen in training, repetitions counted", ge=100)
    batch: int = key(128, "Batch size", ge=2)
    learning_rate: float = key(0.06, "Peak of the learning rate", gt=0)
    replicates: int = key(3, "Networks; the split is the same", ge=2)

    SCALES: ClassVar = {
        "smoke": {
            "widths": [1],
            "depths": [],
            "sizes": [],
            "train": 500,
            "valid": 200,
            "test": 300,
            "seen": 1000,
            "replicates": 2,
        },
        "paper": {"root": "data/mnist", "download": True},
    }


class Cifar(Section):
    """CIFAR-100 under its residual networks, the paper's own setting; needs the files, and a GPU."""

    root: str = key("", "Folder with (or for) CIFAR-100; without it this part is left out")
    download: bool = key(False, "Let torchvision download it into `root`")
    depths: list[Annotated[int, Field(ge=8)]] = key(
        [8, 14, 20, 32, 44, 56], "Depths of the network", min_length=1
    )
    width: int = key(16, "Width of its first stage", ge=1)
    train: int = key(45_000, "Training images", ge=50)
    valid: int = key(5000, "Validation images, of the training part", ge=20)
    epochs: int = key(200, "Training epochs", ge=1)
    batch: int = key(128, "Batch size", ge=2)
    learning_rate: float = key(0.01, "Peak of the learning rate", gt=0)
    replicates: int = key(3, "Networks; the split is the same", ge=2)

    SCALES: ClassVar = {"paper": {"root": "data/cifar-100", "download": True}}


class Fashion(Section):
    """Little data of Fashion-MNIST, a negative control: no help of a memory is claimed; needs the
    files.
    """

    root: str = key(
        "",
        "Folder with (or for) its idx files, or its sheet of samples; without it this part is "
        "left out",
    )
    download: bool = key(False, "Let torchvision download the idx files into `root`")
    units: list[Units] = key([0, 32], "Hidden units; 0 is a linear base", min_length=1)
    train: int = key(500, "Training images", ge=20)
    valid: int = key(200, "Validation images", ge=20)
    test: int = key(200, "Test images", ge=20)
    steps: int = key(1000, "Training steps", ge=10)
    batch: int = key(100, "Batch size", ge=1)
    learning_rate: float = key(0.01, "Peak of the learning rate", gt=0)
    replicates: int = key(10, "Splits and networks", ge=2)

    SCALES: ClassVar = {
        "smoke": {"units": [0], "steps": 100, "replicates": 2},
        "paper": {"root": "data/fashion-mnist", "download": True, "valid": 1000, "test": 10_000},
    }


class Pictures(Section):
    """Folders of pictures, as ImageNet's, under networks that are already trained."""

    root: str = key(
        "", "Folder with train/<class>/ and val/<class>/; without it this part is left out"
    )
    weights: str = key(
        "", "Folder with <model>.safetensors or .pth; without it torchvision fetches its own"
    )
    models: list[str] = key(
        ["mobilenet_v2", "resnet50"], "Networks, by torchvision's names", min_length=1
    )
    train: int = key(200_000, "Training pictures remembered, at most", ge=2)
    side: int = key(224, "Side of a picture", unit="pixels", ge=32)
    batch: int = key(64, "Pictures at a time", ge=1)
    replicates: int = key(2, "Ways to halve the validation pictures into tuning and test", ge=2)


class Language(Section):
    """Next tokens of a text of your own under causal language models that are already trained."""

    corpus: str = key(
        "",
        "File, folder or glob of text, JSON lines or Parquet, hf: or stream:<data set>; without: "
        "left out",
    )
    column: str = key("text", "Column or key that holds the text")
    documents: int = key(20_000, "Documents read, at most", ge=10)
    models: list[str] = key(
        ["EleutherAI/pythia-70m", "EleutherAI/pythia-410m"],
        "Hugging Face ids or folders; one vocabulary",
        min_length=1,
    )
    tokenizer: str = key("", "Tokenizer; by default that of the first model")
    context: int = key(256, "Tokens of a piece of text", ge=2)
    vocabulary: int = key(2000, "Most frequent tokens, told apart; the others are one class", ge=2)
    train: int = key(200_000, "Positions remembered", ge=20)
    valid: int = key(2000, "Validation positions", ge=20)
    test: int = key(5000, "Test positions", ge=20)
    batch: int = key(16, "Pieces at a time", ge=1)
    replicates: int = key(3, "Ways to split the documents", ge=2)

    SCALES: ClassVar = {"paper": {"corpus": "hf:Salesforce/wikitext#wikitext-103-raw-v1"}}


class Spurious(Section):
    """A linear base with a spurious feature that agrees with the label in most training rows."""

    agreement: float = key(0.95, "Share of training rows in which it agrees", gt=0.5, lt=1)
    sizes: list[Size] = key([500, 4000, 16_000], "Training rows", min_length=2)
    core: int = key(20, "Features that carry the label", ge=1)
    modes: int = key(
        10, "Modes of a class in them, so that a linear base cannot read them all", ge=1
    )
    signal: float = key(
        0.7, "Spread of the modes in each feature, in standard deviations of the noise", gt=0
    )
    spurious: float = key(
        3.0, "Distance of the classes along the spurious feature, in the same unit", gt=0
    )
    test: int = key(2000, "Test rows, half of them conflicting", ge=100)
    steps: int = key(300, "Training steps, on all rows", ge=10)
    replicates: int = key(4, "Data sets", ge=2)

    SCALES: ClassVar = {"smoke": {"sizes": [300, 600], "test": 600, "steps": 60, "replicates": 2}}


class Scores(Section):
    """Memorization scores by training on random parts: what a base memorizes, and what its memory
    adds.
    """

    units: list[Annotated[int, Field(ge=1)]] = key([4, 16, 64], "Hidden units", min_length=2)
    networks: int = key(20, "Networks per width", ge=4)
    share: float = key(0.7, "Share of the rows that each is trained on", gt=0.1, lt=0.95)
    train: int = key(1000, "Training images, of the long tail", ge=50)
    replicates: int = key(3, "Data sets", ge=2)

    SCALES: ClassVar = {"smoke": {"units": [4, 16], "networks": 4, "train": 200, "replicates": 2}}


class Memory(Section):
    """How memories are searched."""

    engine: Engine = key(
        "exact", "exact (FAISS), torch (the same on a device), ivf or hnsw (approximate)"
    )
    probes: int = key(64, "ivf: lists searched; hnsw: candidates held", ge=1)
    part: int = key(
        1_000_000,
        "exact, torch: rows held at a time; larger memories are searched part by part",
        ge=1,
    )
    checked: int = key(200, "Validation queries that recall is measured on", ge=10)


class Settings(Section):
    """ResMem: learn what you can and memorize the rest"""

    memory: Memory = key(Memory)
    theory: Theory = key(Theory)
    digits: Digits = key(Digits)
    longtail: LongTail = key(LongTail)
    fine: CoarseFine = key(CoarseFine)
    text: Text = key(Text)
    mnist: Mnist = key(Mnist)
    cifar: Cifar = key(Cifar)
    fashion: Fashion = key(Fashion)
    pictures: Pictures = key(Pictures)
    language: Language = key(Language)
    regression: Regression = key(Regression)
    spurious: Spurious = key(Spurious)
    scores: Scores = key(Scores)
