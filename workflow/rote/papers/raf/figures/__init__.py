"""The paper's figures: what each needs, shows, and is drawn by."""

from rote.core.papers import Figure

FIGURES: dict[str, Figure] = {
    "linear": Figure(
        "theory",
        ("curves", "simulations"),
        "A linear learner trades the rule for the facts",
        "Lines: theory; dots: simulation with 95 % intervals. "
        "Left of the vertical lines all facts can be stored.",
        "A linear learner faces a trade-off between generalization and memorization.",
        "reconstruction",
    ),
    "tradeoff": Figure(
        "theory",
        ("curves", "simulations"),
        "Kernels can do both",
        "Both errors as the ridge varies, one curve per kernel angle; "
        "dashed: Bayes-optimal error of the rule.",
        "An overparametrized kernel learns the rule and stores the facts at once.",
        "reconstruction",
    ),
    "angle": Figure(
        "theory",
        ("curves", "simulations"),
        "The kernel's geometry splits the capacity",
        "Best ridge and no ridge against the kernel angle; "
        "vertical: the optimal angle of the square loss.",
        "Regularization and kernel geometry control the allocation, "
        "with a closed-form optimum for square loss.",
        "reconstruction",
    ),
    "optima": Figure(
        "theory",
        ("curves",),
        "Optimal angle and ridge in closed form",
        "More facts ask for a more nonlinear kernel, or more ridge.",
        "A closed form for the optimal ridge of kernel ridge regression.",
        "reconstruction",
    ),
    "rates": Figure(
        "theory",
        ("curves",),
        "How fast the rule is learnt",
        "Theory up to 100,000 samples per dimension.",
        "Kernel ridge regression has rate α^-1/2, Bayes α^-1; for hinge α^-1/2 is conjectured.",
        "reconstruction",
    ),
    "features": Figure(
        "theory",
        ("curves", "simulations"),
        "Random features of finite width",
        "Sign features; solid: square, dashed: hinge; dots and squares: simulation.",
        "The same analysis at finite width.",
        "reconstruction",
    ),
    "real": Figure(
        "experiments",
        ("real",),
        "Rules and facts on real images",
        "Kernel ridge regression on scanned digits: parity is the rule, "
        "randomly labelled 8s and 9s are the facts.",
        "CIFAR-10, cats against dogs with automobiles as facts; "
        "its settings are blank in the released code.",
        "reconstruction",
    ),
    "phases": Figure(
        "theory",
        ("curves",),
        "Phase diagram over samples and facts",
        "White: capacity of a linear learner.",
        "Not in the paper.",
        "extension",
    ),
    "phase_angle": Figure(
        "theory",
        ("curves",),
        "Phase diagram over kernel angle and ridge",
        "α = 4. Dashed: optimal angle of the square loss. "
        "Right: both errors near their best at once.",
        "Not in the paper.",
        "extension",
    ),
    "verification": Figure(
        "experiments",
        ("simulations",),
        "Theory against simulation",
        "Every verification row, fresh data in each; bars are 95 % intervals.",
        "Agreement, by its figures.",
        "reconstruction",
    ),
    "kernels": Figure(
        "experiments",
        ("universality", "separability"),
        "Universality and capacity",
        "a: true dot-product kernels against the Gaussian model, same data. "
        "b: linear feasibility of training sets.",
        "Uses Gaussian equivalence throughout.",
        "extension",
    ),
    "two_layer": Figure(
        "experiments",
        ("two_layer",),
        "Trained two-layer networks",
        "The widest networks, against the best ridge regression and the Bayes-optimal rule.",
        "Leaves open whether two-layer networks reach rate α^-1 with full memory.",
        "extension",
    ),
}
