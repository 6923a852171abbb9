"""The paper's result tables."""

from rote.core.tables import Table, column


class Toy(Table):
    """One point of the toy problem in one dimension."""

    KEY = ("points", "x")
    points: str = column("training or grid")
    x: float = column("input")
    target: float = column("target")
    base: float = column("cubic least squares")
    residual: float = column("target minus base")
    remembered: float = column("kNN average of the training residuals")
    resmem: float = column("base plus remembered residual")


class Risks(Table):
    """Test risks in the linear model, without noise."""

    KEY = ("dimension", "norm", "examples", "replicate")
    dimension: int = column("dimension d")
    norm: float = column("largest norm L of the base")
    examples: int = column("training points n")
    replicate: int = column("data set")
    base: float = column("mean squared error of the base")
    nearest: float = column("of the nearest training label")
    resmem: float = column("of the base plus the nearest residual")


class Noisy(Table):
    """Test risk in the linear model under label noise, three dimensions."""

    KEY = ("examples", "noise", "k", "replicate")
    examples: int = column("training points n")
    noise: float = column("standard deviation of the label noise, tau")
    k: int = column("neighbors averaged; 0 is the base")
    replicate: int = column("data set")
    risk: float = column("mean squared error against the noiseless target")


class Regression(Table):
    """Test errors of regression on one data set or split."""

    KEY = ("data", "replicate")
    data: str = column("Friedman or diabetes")
    replicate: int = column("data set or split")
    base: float = column("mean squared error over the variance, ridge regression")
    knn: float = column("the same of the memory alone")
    resmem: float = column("the same of ResMem")


class Choices(Table):
    """Settings tuned on validation data for one memory; a bandwidth of -1 stands for infinity."""

    KEY = ("task", "arm", "features", "rows", "replicate")
    task: str = column("task")
    arm: str = column("base")
    features: str = column("embedding: last (layer), map (last feature map) or inputs")
    rows: int = column("rows remembered")
    replicate: int = column("replicate")
    k: int = column("neighbors of ResMem; 0 is no memory")
    bandwidth: float = column("bandwidth of ResMem")
    temperature: float = column("temperature of ResMem")
    unit: float = column(
        "median distance of a validation query to its nearest neighbor, where it is not 0"
    )
    knn_k: int = column("neighbors of the memory alone")
    knn_bandwidth: float = column("its bandwidth")
    mix_k: int = column("neighbors of the mixture")
    mix_bandwidth: float = column("its bandwidth")
    mix: float = column("its weight of the memory, lambda")
    recall: float = column(
        "share of the true neighbors that the engine finds, k = 50; 1 for exact engines"
    )


class Accuracy(Table):
    """Test accuracies with one memory."""

    KEY = ("task", "arm", "features", "rows", "replicate")
    task: str = column("task")
    arm: str = column("base")
    features: str = column("embedding that the memory is built on")
    rows: int = column("rows remembered")
    replicate: int = column("replicate")
    noise: float = column("share of training labels drawn anew")
    train: float = column("training accuracy of the base")
    base: float = column("test accuracy of the base")
    knn: float = column("of the memory alone, tuned")
    resmem: float = column("of ResMem, tuned")
    mix: float = column("of the kNN-LM mixture, tuned")


class Sweeps(Table):
    """Test accuracy of ResMem over one setting."""

    KEY = ("task", "arm", "features", "rows", "replicate", "over", "value")
    task: str = column("task")
    arm: str = column("base")
    features: str = column("embedding")
    rows: int = column("rows remembered")
    replicate: int = column("replicate")
    over: str = column("strength (of the tuned setting) or k (at T = 1 and the starting bandwidth)")
    value: float = column("its value")
    accuracy: float = column("test accuracy")


class Calibration(Table):
    """How well probabilities say what will be."""

    KEY = ("task", "arm", "features", "rows", "replicate", "method")
    task: str = column("task")
    arm: str = column("base")
    features: str = column("embedding")
    rows: int = column("rows remembered")
    replicate: int = column("replicate")
    method: str = column("how probabilities are made")
    accuracy: float = column("test accuracy")
    nll: float = column("mean negative log-probability", "nats")
    ece: float = column("expected calibration error, 15 bins")
    brier: float = column("Brier score")


class Parts(Table):
    """Accuracies on a part of the test set."""

    KEY = ("task", "arm", "features", "rows", "replicate", "by", "part")
    task: str = column("task")
    arm: str = column("base")
    features: str = column("embedding")
    rows: int = column("rows remembered")
    replicate: int = column("replicate")
    by: str = column(
        "confidence (quarters), frequency (tenths), half (of the frequency), flips or coarse"
    )
    part: str = column("number of the part, from the lowest; fixed, broken or wrong")
    share: float = column("its share of the test set; of coarse: share in the right coarse class")
    base: float = column("accuracy of the base there")
    knn: float = column("of the memory alone")
    resmem: float = column("of ResMem")


class Grid(Table):
    """Test accuracy at one point of the grid; -1 stands for infinity."""

    KEY = ("task", "arm", "features", "rows", "replicate", "k", "bandwidth", "temperature")
    task: str = column("task")
    arm: str = column("base")
    features: str = column("embedding")
    rows: int = column("rows remembered")
    replicate: int = column("replicate")
    k: int = column("neighbors")
    bandwidth: float = column("bandwidth over the median distance to the nearest neighbor")
    temperature: float = column("temperature")
    accuracy: float = column("test accuracy")


class Growth(Table):
    """Test accuracy of the long tail's smallest base by what its memory holds."""

    KEY = ("kind", "rows", "replicate")
    kind: str = column("none, own rows, unseen rows, largest residuals or random rows")
    rows: int = column("rows remembered")
    replicate: int = column("replicate")
    accuracy: float = column("test accuracy")


class CrossFit(Table):
    """A base that fits its training set, with residuals of its own or of bases that did not see the
    row.
    """

    KEY = ("residuals", "tuned", "replicate")
    residuals: str = column("in-sample or cross-fitted")
    tuned: bool = column("whether the temperature was tuned; else it is 1")
    replicate: int = column("replicate")
    train: float = column("training accuracy of the base")
    base: float = column("test accuracy of the base")
    resmem: float = column("of ResMem")
    temperature: float = column("temperature chosen")


class Memorization(Table):
    """One training image under bases of one width."""

    KEY = ("units", "replicate", "example")
    units: int = column("hidden units")
    replicate: int = column("data set")
    example: int = column("training image")
    score: float = column("memorization score")
    weight: float = column("1 - p(label) under networks that saw it: what ResMem stores")
    gain: float = column(
        "how often a memory corrects it minus how often it spoils it, networks that did not see it"
    )
    frequency: int = column("training images of its subpopulation")


class Spurious(Table):
    """Accuracies where a spurious feature agrees with the label and where it conflicts."""

    KEY = ("method", "examples", "replicate")
    method: str = column("base, kNN, aware (memorization-aware training), or ResMem on one of them")
    examples: int = column("training rows")
    replicate: int = column("data set")
    agreeing: float = column("accuracy where it agrees")
    conflicting: float = column("accuracy where it conflicts")


TABLES: dict[str, type[Table]] = {
    "toy": Toy,
    "risks": Risks,
    "noisy": Noisy,
    "regression": Regression,
    "choices": Choices,
    "accuracy": Accuracy,
    "sweeps": Sweeps,
    "calibration": Calibration,
    "parts": Parts,
    "grid": Grid,
    "growth": Growth,
    "crossfit": CrossFit,
    "memorization": Memorization,
    "spurious": Spurious,
}
