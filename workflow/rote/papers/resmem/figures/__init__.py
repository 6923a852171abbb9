"""The paper's figures: what each needs, shows, and is drawn by."""

from rote.core.papers import Figure

NO_VALUES = "The paper's values could not be read; our data stand in for its own."

FIGURES: dict[str, Figure] = {
    "toy": Figure(
        "linear",
        ("toy",),
        "A base, its residuals, and a memory of them",
        "A cubic fitted to 200 points, the average of its residuals over the 5 nearest points, "
        "and the sum; errors are mean squares on a grid.",
        "A three-panel illustration of the same kind.",
        "reconstruction",
    ),
    "risk": Figure(
        "linear",
        ("risks",),
        "The linear model",
        "Test risk of a base of norm at most L, of the nearest label, and of ResMem; "
        "mean and 95 % interval over data sets. Dashed: leading term, derived here. "
        "The published bound is scaled to the plateau at the left.",
        "The base's risk stays above zero, ResMem's falls to zero; as a bound.",
        "reconstruction",
    ),
    "slopes": Figure(
        "linear",
        ("risks",),
        "Rates in the linear model",
        "a: log-log slope of ResMem's risk over n ≥ 300. "
        "b: its risk over that of the nearest label, largest size.",
        "Its bound falls with exponent 1/d; the risk itself with 2/d.",
        "extension",
    ),
    "noise": Figure(
        "linear",
        ("noisy",),
        "Label noise in the linear model",
        "Three dimensions: risk of ResMem that averages k residuals, "
        "by the standard deviation τ of the label noise.",
        "Not shown there as far as known.",
        "extension",
    ),
    "size": Figure(
        "tasks",
        ("accuracy",),
        "Accuracy by size of the base",
        "Test accuracy of the base, of its memory alone, of ResMem and of the kNN-LM mixture, "
        "each tuned on validation data; memories of the last layer (above) and of feature map "
        "or inputs (below). Mean and 95 % interval over replicates.",
        f"Accuracy of base and ResMem over the depth of CIFAR networks. {NO_VALUES}",
        "reconstruction",
    ),
    "examples": Figure(
        "tasks",
        ("accuracy",),
        "What ResMem gains, over the base and over kNN alone",
        "Difference of test accuracies, mean and 95 % interval over replicates. "
        "A gain over the base is not one over the memory alone.",
        f"Gains over the base. {NO_VALUES}",
        "reconstruction",
    ),
    "grid": Figure(
        "tasks",
        ("grid",),
        "Neighbors, bandwidth, temperature",
        "Test accuracy of ResMem, coarse and fine classes, smallest network; bandwidth in units "
        "of the median distance to the nearest neighbor. T = ∞ is the memory alone.",
        "Not shown there as far as known.",
        "extension",
    ),
    "labels": Figure(
        "tasks",
        ("accuracy", "sweeps"),
        "Label noise",
        "Digits under a linear base, training labels partly drawn anew. "
        "a: tuned on clean validation images. b: at fixed numbers of neighbors.",
        f"Perhaps shown there. {NO_VALUES}",
        "reconstruction",
    ),
    "frequency": Figure(
        "tasks",
        ("parts",),
        "The long tail",
        "Test accuracy by the training frequency "
        "of a test image's subpopulation, generated images.",
        "Not shown there as far as known.",
        "extension",
    ),
    "helps": Figure(
        "tasks",
        ("parts",),
        "Where a memory helps",
        "Generated coarse and fine classes, memory of the last layer. a: by the base's confidence. "
        "b: errors fixed and answers spoiled. "
        "c: how many of the fixed errors, and of all errors, were in the right coarse class.",
        "It shows single images that ResMem corrects.",
        "extension",
    ),
    "text": Figure(
        "tasks",
        ("accuracy", "calibration"),
        "Next characters",
        "Python's help topics, test positions whose last 16 characters do not occur "
        "in the training text; accuracy and negative log-probability by positions remembered.",
        f"Accuracy of an autoregressive language model. {NO_VALUES}",
        "reconstruction",
    ),
    "strength": Figure(
        "extensions",
        ("sweeps",),
        "How much of the residual to add",
        "Test accuracy of p + α r̂ at the tuned setting; α = 1 is the paper's.",
        "Not shown there as far as known.",
        "extension",
    ),
    "calibration": Figure(
        "tasks",
        ("calibration",),
        "Probabilities from scores",
        "Coarse and fine classes, smallest network, last layer: ways to turn scores into "
        "probabilities, dots are replicates.",
        "Not shown there as far as known.",
        "extension",
    ),
    "growth": Figure(
        "extensions",
        ("growth",),
        "Growing memories, and small ones",
        "Long tail, base trained once on the smallest set. a: rows of images "
        "that the base never saw. b: own rows, those with the largest residuals or random ones.",
        "Not shown there as far as known.",
        "extension",
    ),
    "crossfit": Figure(
        "extensions",
        ("crossfit",),
        "A base that fits its training set",
        "Long tail, 64 units: residuals of the base itself, and of bases that did not see the row; "
        "dots are replicates, bars means.",
        "Not shown there as far as known.",
        "extension",
    ),
    "memorization": Figure(
        "extensions",
        ("memorization",),
        "Memorization scores",
        "Long tail, networks on random parts of the training set. a: scores by width. "
        "b: mean score by what ResMem stores. c: how much a memory corrects images "
        "that its base did not see, by how the score changes with width.",
        "A question of a later paper (What do larger image classifiers memorise?), on our data.",
        "extension",
    ),
    "spurious": Figure(
        "extensions",
        ("spurious",),
        "A spurious feature",
        "Linear base, a feature that agrees with the label in 95 % of training rows "
        "at laptop scale; test rows where it conflicts and where it agrees. "
        "Memorization-aware training as reconstructed.",
        "A question of a later paper (The pitfalls of memorization), on our data.",
        "extension",
    ),
}
