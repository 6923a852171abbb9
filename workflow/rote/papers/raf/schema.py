"""The paper's result tables."""

from rote.core.tables import Table, column

_LOST = "the fixed point did not converge"
_NONE = "not a parameter of this learner"


class RafCurves(Table):
    """One point of a theory curve or phase diagram."""

    KEY = ("figure", "series", "alpha", "eps", "lam", "gamma", "kappa", "weight")
    figure: str = column("figure it belongs to")
    series: str = column("curve within the figure")
    loss: str = column("square, hinge or bayes")
    alpha: float = column("samples per dimension n/d")
    eps: float = column("fraction of facts")
    lam: float = column("ridge", nan=_NONE)
    gamma: float = column("kernel angle", "degrees", nan=_NONE)
    kappa: float = column("features per dimension p/d", nan=_NONE)
    weight: float = column("of a fact in the sum of losses, where a rule has 1")
    e_gen: float = column("generalization error", nan=_LOST)
    e_mem: float = column(
        "memorization error", nan="the fixed point did not converge, or Bayes (facts not modelled)"
    )
    converged: bool = column("whether the fixed point converged")


class RafChecks(Table):
    """The number of a claim that theory alone decides, under one condition."""

    KEY = ("check", "condition")
    check: str = column("the claim, without the paper's prefix")
    condition: str = column("setting within the claim, empty if there is only one")
    value: float = column("the statistic of the claim")


class RafSimulations(Table):
    """One learner trained on one fresh training set, with the theory for the same parameters."""

    KEY = ("figure", "series", "row", "replicate")
    figure: str = column(
        "verification, bayes, interpolators, activations, structured, width, weights, or that of "
        "a marker"
    )
    series: str = column("series within the figure, or the learner")
    row: int = column("row within the figure")
    loss: str = column("square, hinge, logistic or bayes")
    alpha: float = column("samples per dimension")
    eps: float = column("fraction of facts")
    lam: float = column("ridge", nan=_NONE)
    gamma: float = column("kernel angle", "degrees", nan=_NONE)
    kappa: float = column("features per dimension", nan=_NONE)
    weight: float = column("how often a fact is stated")
    d: int = column("dimension")
    inputs: str = column("their covariance: isotropic if empty, or power:EXPONENT")
    replicate: int = column("replicate")
    e_gen: float = column("generalization error")
    e_mem: float = column("memorization error", nan="Bayes: facts are not modelled")
    e_rule: float = column("share of training rules not reproduced", nan="Bayes")
    e_gen_theory: float = column("generalization error, theory")
    e_mem_theory: float = column("memorization error, theory", nan="Bayes")
    e_rule_theory: float = column("share of training rules, theory", nan="Bayes")


class UniversalityTable(Table):
    """A true kernel and the equivalent model, same training set and same fresh inputs."""

    KEY = ("kernel", "loss", "replicate")
    kernel: str = column("dot-product kernel")
    loss: str = column("square or hinge")
    replicate: int = column("replicate")
    e_gen_true: float = column("generalization error of the true kernel")
    e_gen_model: float = column("generalization error of the model with its mu_1 and mu_star")
    e_mem_true: float = column("memorization error of the true kernel")
    e_mem_model: float = column("memorization error of the model")


class SeparabilityTable(Table):
    """Whether one training set is linearly separable."""

    KEY = ("alpha", "replicate")
    alpha: float = column("samples per dimension")
    replicate: int = column("replicate")
    separable: bool = column("a separating direction exists")
    threshold: float = column(
        "alpha at which the replicate's growing training set stops being separable"
    )
    capacity: float = column("alpha_c from theory")


class RealTable(Table):
    """Kernel ridge regression on real images at one bandwidth and penalty."""

    KEY = ("eta", "lam", "replicate")
    eta: float = column("eta of exp(-eta D² / median D²)")
    lam: float = column("ridge")
    replicate: int = column("replicate")
    e_valid: float = column("error on the images that ridges are chosen by")
    e_gen: float = column("error on test images")
    e_mem: float = column("share of training facts not reproduced")
    alpha: float = column("training images over their effective dimension")
    e_mem_theory: float = column("the same by theory, with mu_1 and mu_star of the kernel")


class RealImages(Table):
    """How often one test image is classified wrongly, over the replicates that test it."""

    KEY = ("image", "eta", "penalty")
    image: int = column("number of the image among those of the rule")
    eta: float = column("eta of exp(-eta D² / median D²)")
    penalty: str = column(
        "best: the ridge with the smallest error on the images to choose by; "
        "remembering: the same among those that lose 1 % of the facts at most"
    )
    tests: int = column("replicates that test the image and have such a ridge")
    wrong: int = column("of those, how many classify it wrongly")


class RealSvm(Table):
    """An SVM and ridge regression with the same kernel and penalty on real images."""

    KEY = ("eta", "lam", "replicate")
    eta: float = column("eta of exp(-eta D² / median D²)")
    lam: float = column("penalty; the SVM's box is 1/lam")
    replicate: int = column("replicate")
    e_gen: float = column("error of the SVM on test images")
    e_mem: float = column("share of training facts that the SVM does not reproduce")
    ridge_e_mem: float = column("share of training facts that ridge regression does not reproduce")


class TwoLayerTable(Table):
    """One trained two-layer network."""

    KEY = ("alpha", "width", "scale", "weight_decay", "replicate")
    alpha: float = column("samples per dimension")
    width: int = column("hidden units", "units")
    scale: float = column("scale of the initial weights")
    weight_decay: float = column("L2 penalty")
    replicate: int = column("replicate")
    e_gen: float = column("generalization error on fresh inputs")
    e_mem: float = column("memorization error")
    e_gen_hinge: float = column(
        "generalization error of a linear hinge learner at its best ridge, theory"
    )


TABLES: dict[str, type[Table]] = {
    "curves": RafCurves,
    "checks": RafChecks,
    "simulations": RafSimulations,
    "universality": UniversalityTable,
    "separability": SeparabilityTable,
    "real": RealTable,
    "real_images": RealImages,
    "real_svm": RealSvm,
    "two_layer": TwoLayerTable,
}
