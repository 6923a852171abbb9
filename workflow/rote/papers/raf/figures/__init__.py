"""The paper's figures: what each needs, shows, and is drawn by."""

from rote.core.papers import Figure

FIGURES: dict[str, Figure] = {
    "linear": Figure(
        module="theory",
        tables=("curves", "simulations"),
        title="A linear learner's two errors",
        caption="Lines: theory; markers: simulation with 95 % intervals; below: simulation minus "
        "theory. "
        "Vertical: n = d, and the capacity α_c of a linear learner.",
        paper_shows="A linear learner faces a trade-off between generalization and memorization.",
        origin="reconstruction",
    ),
    "tradeoff": Figure(
        module="theory",
        tables=("curves", "simulations"),
        title="Both errors as the ridge varies",
        caption="One curve per kernel angle, each over ridges; markers: simulations at the best "
        "ridge (minus theory: next figure); arrows, at λ = 1, point to larger "
        "ridges; dashed: Bayes-optimal error of the rule.",
        paper_shows="An overparametrized kernel learns the rule and stores the facts at once.",
        origin="reconstruction",
    ),
    "angle": Figure(
        module="theory",
        tables=("curves", "simulations"),
        title="Both errors against the kernel angle",
        caption="Best ridge and no ridge against the kernel angle; "
        "vertical: the optimal angle of the square loss.",
        paper_shows="Regularization and kernel geometry control the allocation, "
        "with a closed-form optimum for square loss.",
        origin="reconstruction",
    ),
    "optima": Figure(
        module="theory",
        tables=("curves",),
        title="Optimal angle and ridge in closed form",
        caption="Lines: closed forms; dots: the best interpolator's angle on a grid, and (b) minus "
        "its closed form.",
        paper_shows="A closed form for the optimal ridge of kernel ridge regression.",
        origin="reconstruction",
    ),
    "rates": Figure(
        module="theory",
        tables=("curves",),
        title="How fast the rule is learnt",
        caption="Theory up to 100,000 samples per dimension; dotted: α^-1/2 and α^-1.",
        paper_shows="Kernel ridge regression has rate α^-1/2, Bayes α^-1; for hinge α^-1/2 is "
        "conjectured.",
        origin="reconstruction",
    ),
    "features": Figure(
        module="theory",
        tables=("curves", "simulations"),
        title="Random features of finite width",
        caption="Sign features; solid: square, dashed: hinge; dots and squares: simulation. "
        "Bars and crosses at the right end: their kernel limits.",
        paper_shows="The same analysis at finite width.",
        origin="reconstruction",
    ),
    "weights": Figure(
        module="theory",
        tables=("curves", "simulations"),
        title="Facts that are stated several times",
        caption="Both errors against how often every fact is stated, or its weight in the loss; "
        "kernel angles 0° (linear), 20° and 45°, λ = 0.5. Solid: square, dashed: hinge; dots and "
        "squares: simulation with 95 % intervals.",
        paper_shows="Not in the paper.",
        origin="extension",
    ),
    "real": Figure(
        module="experiments",
        tables=("real", "real_svm"),
        title="Rules and facts on real images",
        caption="Kernel ridge regression on scanned digits: parity is the rule, "
        "randomly labelled 8s and 9s are the facts. Ridges in b are chosen by other images. "
        "c: dots, measured with 95 % intervals; lines, theory for the images' effective dimension; "
        "squares, an SVM with the same kernel and penalty.",
        paper_shows="CIFAR-10, cats against dogs with automobiles as facts; "
        "its settings are blank in the released code.",
        origin="reconstruction",
    ),
    "phases": Figure(
        module="theory",
        tables=("curves",),
        title="Phase diagram over samples and facts",
        caption="White: capacity of a linear learner.",
        paper_shows="Not in the paper.",
        origin="extension",
    ),
    "phase_angle": Figure(
        module="theory",
        tables=("curves",),
        title="Phase diagram over kernel angle and ridge",
        caption="α = 4. Dashed: optimal angle of the square loss. "
        "Right, yellow: generalization error within 5 % of the best one, memorization error at "
        "most 0.05.",
        paper_shows="Not in the paper.",
        origin="extension",
    ),
    "verification": Figure(
        module="experiments",
        tables=("simulations",),
        title="Theory against simulation",
        caption="Every verification row, fresh data in each; bars are 95 % intervals. Below: "
        "simulation minus theory.",
        paper_shows="Agreement, by its figures.",
        origin="reconstruction",
    ),
    "kernels": Figure(
        module="experiments",
        tables=("universality", "separability"),
        title="Universality and capacity",
        caption="a: true dot-product kernels against the Gaussian model, same data. "
        "b: linear feasibility of training sets.",
        paper_shows="Uses Gaussian equivalence throughout.",
        origin="extension",
    ),
    "two_layer": Figure(
        module="experiments",
        tables=("two_layer",),
        title="Trained two-layer networks",
        caption="The widest networks, against the best ridge regression and the Bayes-optimal "
        "rule.",
        paper_shows="Leaves open whether two-layer networks reach rate α^-1 with full memory.",
        origin="extension",
    ),
}
