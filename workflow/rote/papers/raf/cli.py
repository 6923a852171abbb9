"""`rote raf <verb>`: the Rules-and-Facts model, and its theory as an instrument."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from rote.core import exports, tables, verbs
from rote.core.job import Job
from rote.core.verbs import Checkpoints, CheckpointSteps, resumable, table, verb
from rote.papers.raf import schema, settings

app = typer.Typer(
    name="raf",
    no_args_is_help=True,
    add_completion=False,
    help="Rules and facts (Farné, Boncoraglio, Zdeborová; arXiv 2603.25579).",
)


Inputs = Annotated[
    str,
    typer.Option(
        help="Covariance of the inputs: power:EXPONENT, power:EXPONENT:NUMBER, or a table with a "
        "column eigenvalue; default: isotropic.",
        metavar="SPECTRUM",
    ),
]


@app.command()
def solve(
    loss: Annotated[str, typer.Option(help="square, hinge or logistic.")],
    alpha: Annotated[float, typer.Option(help="Samples per dimension, > 0.")],
    eps: Annotated[float, typer.Option(help="Fraction of facts, in [0, 1].")],
    lam: Annotated[float, typer.Option(help="Ridge, ≥ 0; 0 is the interpolator.")],
    gamma: Annotated[
        float | None, typer.Option(help="Kernel angle in degrees, [0, 90); default: linear.")
    ] = None,
    mu1: Annotated[float | None, typer.Option(help="Linear part, instead of --gamma.")] = None,
    mustar: Annotated[
        float | None, typer.Option(help="Norm of the rest, instead of --gamma.")
    ] = None,
    kernel: Annotated[
        str | None, typer.Option(help="Named kernel: erf, relu, sign, rbf, cubic or rbf:ETA.")
    ] = None,
    kappa: Annotated[
        float | None, typer.Option(help="Random features per dimension; default: the kernel limit.")
    ] = None,
    weight: Annotated[
        float, typer.Option(help="Of a fact in the loss, or how often it is stated.")
    ] = 1.0,
    inputs: Inputs = "",
) -> None:
    """Print the theory's answer for one point: both errors, order parameters, convergence."""
    from rote.papers.raf import point

    learner = point.learner(gamma, mu1, mustar, kernel, kappa)
    result = point.solve(loss, alpha, eps, lam, replace(learner, weight=weight), inputs)
    typer.echo(result)
    if not result.converged:
        raise typer.Exit(1)


AXIS = "A number, low:high:count, low:high:count:log, or several with commas between."
Losses = Annotated[str, typer.Option(help="square, hinge, logistic; several with commas between.")]
Alpha = Annotated[str, typer.Option(help=f"Samples per dimension, > 0. {AXIS}", metavar="AXIS")]
Fraction = Annotated[str, typer.Option(help="Fraction of facts, in [0, 1].", metavar="AXIS")]
Gammas = Annotated[
    str | None, typer.Option(help="Kernel angles in degrees, [0, 90).", metavar="AXIS")
]
Linear = Annotated[str | None, typer.Option(help="Linear parts μ1.", metavar="AXIS")]
Rest = Annotated[str | None, typer.Option(help="Norms of the rest μ⋆.", metavar="AXIS")]
Kernels = Annotated[
    str | None,
    typer.Option(
        help="erf, relu, sign, rbf, cubic, rbf:ETA or module:function of cosines; several with "
        "commas between."
    ),
]
Widths = Annotated[
    str | None,
    typer.Option(help="Random features per dimension; default: the kernel limit.", metavar="AXIS"),
]
Weights = Annotated[
    str | None,
    typer.Option(help="Of a fact in the loss, or how often it is stated.", metavar="AXIS"),
]
Out = Annotated[
    Path | None,
    verbs.result("Write: the table (.parquet, .csv, .json); default: print CSV."),
]
Picture = Annotated[
    Path | None,
    verbs.result("Write: a figure of one or two axes that vary.", exports.PICTURES, "a figure"),
]
Forget = Annotated[str, typer.Option(help="Largest E_mem allowed, in [0, 1].", metavar="AXIS")]


def _put(frame: Any, out: Path | None, figure: Path | None, values: dict[str, str]) -> None:
    """Print or write a table, and draw it."""
    from rote.papers.raf import instruments

    if out:
        tables.export(out, frame)
        typer.echo(instruments.summary(frame, out))
    else:
        typer.echo(frame.to_csv(index=False), nl=False)
    if figure:
        from rote.plotting import maps

        maps.save(figure, frame, instruments.varying(frame), values, instruments.SERIES)


@app.command()
def grid(
    alpha: Alpha,
    eps: Fraction,
    lam: Annotated[str, typer.Option(help="Ridges, ≥ 0, or best: the one that generalizes best.")],
    loss: Losses = "square,hinge",
    gamma: Gammas = None,
    mu1: Linear = None,
    mustar: Rest = None,
    kernel: Kernels = None,
    kappa: Widths = None,
    weight: Weights = None,
    inputs: Inputs = "",
    out: Out = None,
    figure: Picture = None,
) -> None:
    """Solve the theory on a whole grid: both errors, order parameters, the Bayes-optimal error."""
    from rote.papers.raf import instruments

    learners = instruments.LearnerAxes(gamma, mu1, mustar, kernel, kappa, weight)
    frame = instruments.grid(loss, {"alpha": alpha, "eps": eps}, lam, learners, inputs=inputs)
    _put(frame, out, figure, instruments.ERRORS)


@app.command()
def optimum(
    alpha: Alpha,
    eps: Fraction,
    forget: Forget = "1",
    loss: Losses = "square,hinge",
    gamma: Gammas = None,
    mu1: Linear = None,
    mustar: Rest = None,
    kernel: Kernels = None,
    kappa: Widths = None,
    weight: Weights = None,
    out: Out = None,
    figure: Picture = None,
) -> None:
    """The best ridge of a kernel, or kernel and ridge, that forget at most a share of the facts."""
    from rote.papers.raf import instruments

    learners = instruments.LearnerAxes(gamma, mu1, mustar, kernel, kappa, weight)
    fixed = {"alpha": alpha, "eps": eps, "forget": forget}
    _put(instruments.optima(loss, fixed, learners), out, figure, instruments.ERRORS)


@app.command()
def capacity(
    alpha: Alpha,
    eps: Fraction,
    loss: Losses = "square,hinge",
    kernel: Annotated[str, typer.Option(help="Activations, by their kernels.")] = "sign",
    forget: Annotated[float, typer.Option(help="Share of the facts that may be lost.")] = 0.01,
    lam: Annotated[
        float | None, typer.Option(help="Ridge; default: the best one of every width.")
    ] = None,
    out: Out = None,
    figure: Picture = None,
) -> None:
    """How wide: features per dimension from which on facts are stored, and a linear capacity."""
    from rote.papers.raf import instruments

    frame = instruments.capacities(loss, {"alpha": alpha, "eps": eps}, kernel, forget, lam)
    _put(frame, out, figure, {"kappa_c": "features per dimension κ_c"})


@app.command()
def simulate(
    loss: Annotated[str, typer.Option(help="square, hinge or logistic.")],
    alpha: Annotated[float, typer.Option(help="Samples per dimension, > 0.")],
    eps: Annotated[float, typer.Option(help="Fraction of facts, in [0, 1].")],
    lam: Annotated[float, typer.Option(help="Ridge, ≥ 0; 0 is the interpolator.")],
    gamma: Annotated[float | None, typer.Option(help="Kernel angle in degrees.")] = None,
    kernel: Annotated[
        str | None, typer.Option(help="A kernel; of features, sign/erf/relu.")
    ] = None,
    true: Annotated[
        bool, typer.Option("--true", help="The kernel itself, no model of it.")
    ] = False,
    kappa: Annotated[float | None, typer.Option(help="Random features per dimension.")] = None,
    weight: Annotated[
        float, typer.Option(help="Of a fact in the loss, or how often it is stated.")
    ] = 1.0,
    inputs: Inputs = "",
    d: Annotated[int, typer.Option(help="Dimension.", min=2)] = 200,
    replicates: Annotated[int, typer.Option(help="Training sets.", min=1)] = 20,
    seed: Annotated[int, typer.Option(help="Seed of all random streams.", min=0)] = 1,
    out: Out = None,
) -> None:
    """Train a learner on fresh training sets, and say what theory predicts."""
    from rote.papers.raf import instruments
    from rote.papers.raf.simulation import RafProblem

    learner = instruments.SimulatedLearner(gamma, kernel, true, kappa, weight).resolved()
    problem = RafProblem(loss=loss, alpha=alpha, eps=eps, lam=lam, d=d, inputs=inputs)
    frame = instruments.simulated(learner, problem, replicates, seed)
    typer.echo(instruments.compared(frame))
    if out:
        tables.export(out, frame)


@app.command()
def kernel(
    kernel: Annotated[
        str | None, typer.Option(help="A kernel's name, or module:function of cosines.")
    ] = None,
    activation: Annotated[
        str | None, typer.Option(help="sign, erf, relu, or module:function of one array.")
    ] = None,
    alpha: Annotated[float, typer.Option(help="Samples per dimension, > 0.")] = 4.0,
    eps: Annotated[float, typer.Option(help="Fraction of facts, in [0, 1).")] = 0.1,
) -> None:
    """μ1, μ⋆ and angle of a kernel or activation, and its best learners at alpha and eps."""
    from rote.papers.raf import instruments

    typer.echo(instruments.geometry(kernel, activation, alpha, eps))


@verb(app, settings.RafTheory)
def solve_curves(
    run: Job,
    curves: table("Write: theory curves."),
    checks: table("Write: numbers theory decides."),
):
    """Every theory curve and phase diagram, and the claims that theory alone decides."""
    from rote.papers.raf import curves as theory_curves
    from rote.papers.raf import theory_claims

    frame = theory_curves.curves(run.settings)
    tables.write(curves, frame, schema.RafCurves, run.provenance())
    frame = theory_claims.checks(run.settings)
    tables.write(checks, frame, schema.RafChecks, run.provenance())


Eps = Annotated[
    float, typer.Option(help="Fraction of facts in the figures' markers.", min=0, max=1)
]


@verb(app, settings.RafSimulation)
def simulate_learners(run: Job, out: table("Write: simulated learners."), eps: Eps = 0.1):
    """Linear, kernel and random-feature learners and message passing, each with its theory."""
    from rote.papers.raf import experiments

    frame = experiments.verify(run.settings, eps, run.seed)
    tables.write(out, frame, schema.RafSimulations, run.provenance())


@verb(app, settings.RafUniversality)
def simulate_kernels(run: Job, out: table("Write: true kernels and their models.")):
    """True kernels against the model with the same geometry."""
    from rote.papers.raf import experiments

    frame = experiments.universality(run.settings, run.seed)
    tables.write(out, frame, schema.UniversalityTable, run.provenance())


@verb(app, settings.RafSeparability)
def simulate_separability(run: Job, out: table("Write: which training sets are separable.")):
    """Linear feasibility of training sets around the capacity."""
    from rote.papers.raf import experiments

    frame = experiments.separability(run.settings, run.seed)
    tables.write(out, frame, schema.SeparabilityTable, run.provenance())


@verb(app, settings.RafReal)
def fit_images(
    run: Job,
    out: table("Write: errors per bandwidth and penalty."),
    images: table("Write: how often each test image is wrong."),
    svm: table("Write: SVMs beside ridge regression."),
):
    """Kernel ridge regression and SVMs on real images with a rule and facts."""
    from rote.papers.raf import real

    result = real.sweep(run.settings, run.seed)
    tables.write(out, result.errors, schema.RealTable, run.provenance())
    tables.write(images, result.images, schema.RealImages, run.provenance())
    tables.write(svm, result.svm, schema.RealSvm, run.provenance())


@verb(app, settings.RafTwoLayer)
def train_two_layer(
    run: Job,
    out: table("Write: errors of trained networks."),
    checkpoints: Checkpoints = None,
    checkpoint_steps: CheckpointSteps = 500,
):
    """Two-layer networks: sample size, width, initialization and weight decay, stacked."""
    from rote import train
    from rote.papers.raf import two_layer

    with resumable(run, checkpoints, "raf") as folder:
        saving = train.Saving(folder, checkpoint_steps)
        frame = two_layer.sweep(run.settings, run.seed, device=run.device, saving=saving)
        tables.write(out, frame, schema.TwoLayerTable, run.provenance())
