"""The paper's result tables."""

from rote.core.tables import Table, column


class ResmemToy(Table):
    """One point of the toy problem in one dimension."""

    KEY = ("points", "x")
    points: str = column("training or grid")
    x: float = column("input")
    target: float = column("target")
    base: float = column("cubic least squares")
    residual: float = column("target minus base")
    remembered: float = column("kNN average of the training residuals")
    resmem: float = column("base plus remembered residual")


class ResmemRisks(Table):
    """Test risks in the linear model, without noise."""

    KEY = ("dimension", "norm", "examples", "replicate")
    dimension: int = column("dimension d")
    norm: float = column("largest norm L of the base")
    examples: int = column("training points n")
    replicate: int = column("data set")
    base: float = column("mean squared error of the base")
    nearest: float = column("of the nearest training label")
    resmem: float = column("of the base plus the nearest residual")


class ResmemNoisyRisks(Table):
    """Test risk in the linear model under label noise, three dimensions."""

    KEY = ("examples", "noise", "k", "replicate")
    examples: int = column("training points n")
    noise: float = column("standard deviation of the label noise, tau")
    k: int = column("neighbors averaged; 0 is the base")
    replicate: int = column("data set")
    risk: float = column("mean squared error against the noiseless target")


class ResmemRegressionErrors(Table):
    """Test errors of regression on one data set or split."""

    KEY = ("data", "replicate")
    data: str = column("Friedman, Friedman 2, Friedman 3 or diabetes")
    replicate: int = column("data set or split")
    base: float = column("mean squared error over the variance, ridge regression")
    knn: float = column("the same of the memory alone")
    resmem: float = column("the same of ResMem")
    best: float = column("the same of the setting that is best on the other half of the test rows")


MEMORY = ("task", "arm", "features", "rows", "replicate")  # what tells memories apart


class OfMemory(Table):
    """What one memory is: the columns that begin every table of memories."""

    KEY = MEMORY
    task: str = column("task")
    arm: str = column("base: the key of its random streams and of its arrays in files")
    label: str = column("base, in words, for display")
    units: int = column("hidden units of a layer of the base; 0 if it is linear or no perceptron")
    width: int = column("width of its first stage; 0 if it is no residual network")
    depth: int = column("depth of it; 0 if it is no residual network")
    examples: int = column("training examples")
    noise: float = column("share of training labels drawn anew")
    features: str = column("embedding: last (layer), map (last feature map) or inputs")
    rows: int = column("rows remembered")
    replicate: int = column("replicate")


class ResmemChoices(OfMemory):
    """Settings tuned on validation data for one memory."""

    k: int = column("neighbors of ResMem; 0 is no memory")
    bandwidth: float = column("bandwidth of ResMem", infinite="all neighbors weigh the same")
    temperature: float = column("temperature of ResMem", infinite="the memory alone")
    median_distance: float = column(
        "median distance of a validation query to its nearest neighbor, where it is not 0"
    )
    knn_k: int = column("neighbors of the memory alone")
    knn_bandwidth: float = column("its bandwidth", infinite="all neighbors weigh the same")
    interpolation_k: int = column("neighbors of the interpolation of kNN-LM")
    interpolation_bandwidth: float = column(
        "its bandwidth", infinite="all neighbors weigh the same"
    )
    interpolation_weight: float = column("its weight of the memory, lambda")
    recall: float = column(
        "share of the true neighbors that the engine finds, k = 50; 1 for exact engines"
    )


class ResmemAccuracy(OfMemory):
    """Test accuracies with one memory."""

    base: float = column("test accuracy of the base")
    knn: float = column("of the memory alone, tuned")
    resmem: float = column("of ResMem, tuned")
    interpolation: float = column("of the interpolation of kNN-LM, tuned")
    best: float = column(
        "of the setting of ResMem's family that is best on the other half of the test examples"
    )
    pool: int = column("test examples of all replicates together, each counted once")


class ResmemSweeps(OfMemory):
    """Test accuracy of ResMem over one setting."""

    KEY = (*MEMORY, "setting", "value")
    setting: str = column(
        "strength (at the tuned k and bandwidth) or k (at the starting bandwidth); T = 1"
    )
    value: float = column("its value")
    accuracy: float = column("test accuracy")


class ResmemCalibration(OfMemory):
    """How well probabilities say what will be."""

    KEY = (*MEMORY, "method")
    method: str = column("how probabilities are made, a key of rote.papers.resmem.methods")
    accuracy: float = column("test accuracy")
    nll: float = column("mean negative log-probability", "nats")
    ece: float = column("expected calibration error, 15 bins")
    brier: float = column("Brier score")


class ResmemParts(OfMemory):
    """Accuracies on a part of the test set."""

    KEY = (*MEMORY, "partition", "part")
    partition: str = column(
        "confidence (quarters), frequency (tenths), half (of the frequency), flips (of the base's "
        "answers), flips of kNN or coarse"
    )
    part: str = column("number of the part, from the lowest; fixed, broken or wrong")
    share: float = column("its share of the test set; of coarse: share in the right coarse class")
    base: float = column("accuracy of the base there")
    knn: float = column("of the memory alone")
    resmem: float = column("of ResMem")


class ResmemGrid(OfMemory):
    """Test accuracy at one point of the grid."""

    KEY = (*MEMORY, "k", "bandwidth", "temperature")
    k: int = column("neighbors")
    bandwidth: float = column(
        "bandwidth over the median distance to the nearest neighbor",
        infinite="all neighbors weigh the same",
    )
    temperature: float = column("temperature", infinite="the memory alone")
    accuracy: float = column("test accuracy")


class ResmemGrowth(Table):
    """Test accuracy of the long tail's smallest base by what its memory holds."""

    KEY = ("kind", "rows", "replicate")
    kind: str = column("none, training rows, unseen rows, largest residuals or random rows")
    rows: int = column("rows remembered")
    replicate: int = column("replicate")
    accuracy: float = column("test accuracy")


class ResmemCrossFit(Table):
    """A base that fits its training set, with residuals of its own or of bases without the row."""

    KEY = ("residuals", "tuned", "replicate")
    residuals: str = column("in-sample or cross-fitted")
    tuned: bool = column("whether the temperature was tuned; else it is 1")
    replicate: int = column("replicate")
    base: float = column("test accuracy of the base")
    resmem: float = column("of ResMem")
    temperature: float = column("temperature chosen", infinite="the memory alone")


class ResmemMemorization(Table):
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


class ResmemSpuriousAccuracy(Table):
    """Accuracies where a spurious feature agrees with the label and where it conflicts."""

    KEY = ("method", "examples", "replicate")
    method: str = column(
        "base, knn, aware (memorization-aware training), base_resmem or aware_resmem"
    )
    examples: int = column("training rows")
    replicate: int = column("data set")
    agreeing: float = column("accuracy where it agrees")
    conflicting: float = column("accuracy where it conflicts")


# those that tasks fill, each its own rows
TASK_TABLES: dict[str, type[Table]] = {
    "regression": ResmemRegressionErrors,
    "choices": ResmemChoices,
    "accuracy": ResmemAccuracy,
    "sweeps": ResmemSweeps,
    "calibration": ResmemCalibration,
    "parts": ResmemParts,
    "grid": ResmemGrid,
}
TABLES: dict[str, type[Table]] = {
    "toy": ResmemToy,
    "risks": ResmemRisks,
    "noisy": ResmemNoisyRisks,
    **TASK_TABLES,
    "growth": ResmemGrowth,
    "crossfit": ResmemCrossFit,
    "memorization": ResmemMemorization,
    "spurious": ResmemSpuriousAccuracy,
}
