"""The paper's figures: what each needs, shows, and is drawn by."""

from rote.core.papers import Figure

NO_VALUES = "The paper's values could not be read; our data stand in for its own."

FIGURES: dict[str, Figure] = {
    "toy": Figure(
        module="linear",
        tables=("toy",),
        title="A base, its residuals, and a memory of them",
        caption="A cubic fitted to 200 points, the average of its residuals over the 5 nearest "
        "points, "
        "and the sum; errors are mean squares on a grid.",
        paper_shows="A three-panel illustration of the same kind.",
        origin="reconstruction",
    ),
    "risk": Figure(
        module="linear",
        tables=("risks",),
        title="The linear model",
        caption="Test risk of a base of norm at most L, of the nearest label, and of ResMem; "
        "mean and 95 % interval over data sets. Dashed: leading term, derived here. "
        "The published bound is scaled to the plateau at the left.",
        paper_shows="The base's risk stays above zero, ResMem's falls to zero; as a bound.",
        origin="reconstruction",
    ),
    "slopes": Figure(
        module="linear",
        tables=("risks",),
        title="Rates in the linear model",
        caption="a: log-log slope of ResMem's risk over n ≥ 300. "
        "b: its risk over that of the nearest label, largest size.",
        paper_shows="Its bound falls with exponent 1/d.",
        origin="extension",
    ),
    "noise": Figure(
        module="linear",
        tables=("noisy",),
        title="Label noise in the linear model",
        caption="Three dimensions: risk of ResMem that averages k residuals, "
        "by the standard deviation τ of the label noise. Dotted: τ²/k, what noise adds.",
        paper_shows="Not shown there as far as known.",
        origin="extension",
    ),
    "size": Figure(
        module="tasks",
        tables=("accuracy",),
        title="Accuracy by size of the base",
        caption="Test accuracy of the base, of its memory alone, of ResMem and of the kNN-LM "
        "mixture, "
        "each tuned on validation data; memories of the last layer (above) and of feature map "
        "or inputs (below). Mean and 95 % interval over replicates.",
        paper_shows=f"Accuracy of base and ResMem over the depth of CIFAR networks. {NO_VALUES}",
        origin="reconstruction",
    ),
    "regression": Figure(
        module="tasks",
        tables=("regression",),
        title="Regression",
        caption="Test error over the variance, of ridge regression, of its memory alone and of "
        "ResMem, tuned on validation data. Mean and 95 % interval over data sets or splits.",
        paper_shows="Not shown there as far as known.",
        origin="extension",
    ),
    "examples": Figure(
        module="tasks",
        tables=("accuracy",),
        title="What ResMem gains, over the base and over kNN alone",
        caption="Difference of test accuracies, mean and 95 % interval over replicates. "
        "A gain over the base need not be one over the memory alone.",
        paper_shows=f"Gains over the base. {NO_VALUES}",
        origin="reconstruction",
    ),
    "chosen": Figure(
        module="tasks",
        tables=("choices",),
        title="What validation data choose, and what the search misses",
        caption="Number of neighbors tuned on validation data, and the share of the 50 nearest "
        "that the search finds: 1 for exact engines; what an approximate one misses, "
        "accuracies miss too. Mean and 95 % interval over replicates.",
        paper_shows="Not shown there as far as known.",
        origin="extension",
    ),
    "grid": Figure(
        module="tasks",
        tables=("grid",),
        parts=("fine",),
        title="Neighbors, bandwidth, temperature",
        caption="Test accuracy of ResMem, coarse and fine classes, smallest network; bandwidth "
        "σ in units of the median distance to the nearest neighbor. T = ∞ is the memory alone.",
        paper_shows="Not shown there as far as known.",
        origin="extension",
    ),
    "labels": Figure(
        module="tasks",
        tables=("accuracy", "sweeps"),
        parts=("digits",),
        title="Label noise",
        caption="Digits under a linear base, training labels partly drawn anew. "
        "a: tuned on clean validation images. b: at fixed numbers of neighbors.",
        paper_shows=f"Perhaps shown there. {NO_VALUES}",
        origin="reconstruction",
    ),
    "frequency": Figure(
        module="tasks",
        tables=("parts",),
        parts=("longtail",),
        title="The long tail",
        caption="Test accuracy by the training frequency "
        "of a test image's subpopulation, generated images.",
        paper_shows="Not shown there as far as known.",
        origin="extension",
    ),
    "helps": Figure(
        module="tasks",
        tables=("parts",),
        parts=("fine",),
        title="Where a memory helps",
        caption="Generated coarse and fine classes, memory of the last layer. a: by the base's "
        "confidence. "
        "b: errors fixed and answers spoiled. "
        "c: how many of the fixed errors, and of all errors, were in the right coarse class.",
        paper_shows="It shows single images that ResMem corrects.",
        origin="extension",
    ),
    "text": Figure(
        module="tasks",
        tables=("accuracy", "calibration"),
        parts=("text",),
        title="Next characters",
        caption="Python's help topics, test positions whose last 16 characters do not occur "
        "in the training text; accuracy and negative log-probability by positions remembered.",
        paper_shows=f"Accuracy of an autoregressive language model. {NO_VALUES}",
        origin="reconstruction",
    ),
    "strength": Figure(
        module="extensions",
        tables=("sweeps",),
        title="How much of the residual to add",
        caption="Test accuracy of p + α r̂ at the tuned k and bandwidth, T = 1. α = 1: the paper's.",
        paper_shows="Not shown there as far as known.",
        origin="extension",
    ),
    "calibration": Figure(
        module="tasks",
        tables=("calibration",),
        parts=("fine",),
        title="Probabilities from scores",
        caption="Coarse and fine classes, smallest network, last layer: ways to turn scores into "
        "probabilities, dots are replicates.",
        paper_shows="Not shown there as far as known.",
        origin="extension",
    ),
    "growth": Figure(
        module="extensions",
        tables=("growth",),
        title="Growing memories, and small ones",
        caption="Long tail, base trained once on the smallest set. a: rows of images "
        "that the base never saw. b: own rows, those with the largest residuals or random ones.",
        paper_shows="Not shown there as far as known.",
        origin="extension",
    ),
    "crossfit": Figure(
        module="extensions",
        tables=("crossfit",),
        title="A base that fits its training set",
        caption="Long tail, 64 units: residuals of the base itself, and of bases that did not see "
        "the row; "
        "dots are replicates, bars means.",
        paper_shows="Not shown there as far as known.",
        origin="extension",
    ),
    "memorization": Figure(
        module="extensions",
        tables=("memorization",),
        title="Memorization scores",
        caption="Long tail, networks on random parts of the training set. a: scores by width. "
        "b: mean score by what ResMem stores. c: how much a memory corrects images "
        "that its base did not see, by how the score changes with width.",
        paper_shows="A question of a later paper (What do larger image classifiers memorise?), on "
        "our data.",
        origin="extension",
    ),
    "spurious": Figure(
        module="extensions",
        tables=("spurious",),
        title="A spurious feature",
        caption="Linear base, a feature that agrees with the label in 95 % of training rows "
        "at laptop scale; test rows where it conflicts and where it agrees. "
        "Memorization-aware training as reconstructed.",
        paper_shows="A question of a later paper (The pitfalls of memorization), on our data.",
        origin="extension",
    ),
}
