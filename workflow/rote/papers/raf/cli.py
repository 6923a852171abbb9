"""`rote raf <verb>`: the Rules-and-Facts model, and one point of its theory on the spot."""

from pathlib import Path
from typing import Annotated

import typer

from rote.core import tables
from rote.core.job import Job
from rote.core.verbs import table, verb
from rote.papers.raf import schema, settings

app = typer.Typer(
    name="raf",
    no_args_is_help=True,
    add_completion=False,
    help="Rules and facts (Farné, Boncoraglio, Zdeborová; arXiv 2603.25579).",
)


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
        str | None, typer.Option(help="Named kernel: erf, relu, sign, rbf or cubic.")
    ] = None,
    kappa: Annotated[
        float | None, typer.Option(help="Random features per dimension; default: the kernel limit.")
    ] = None,
) -> None:
    """Print the theory's answer for one point: both errors, order parameters, convergence."""
    from rote.papers.raf import point

    learner = point.learner(gamma, mu1, mustar, kernel, kappa)
    result = point.solve(loss, alpha, eps, lam, learner)
    typer.echo(result)
    if not result.converged:
        raise typer.Exit(1)


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
):
    """Kernel ridge regression on real images with a rule and facts."""
    from rote.papers.raf import real

    result = real.sweep(run.settings, run.seed)
    tables.write(out, result.errors, schema.RealTable, run.provenance())
    tables.write(images, result.images, schema.RealImages, run.provenance())


@verb(app, settings.RafTwoLayer)
def train_two_layer(
    run: Job,
    out: table("Write: errors of trained networks."),
    checkpoints: Annotated[
        Path | None, typer.Option(help="Folder for checkpoints.", metavar="DIR")
    ] = None,
    checkpoint_steps: Annotated[int, typer.Option(help="Steps between checkpoints.", min=1)] = 500,
):
    """Two-layer networks: sample size, width, initialization and weight decay, stacked."""
    from rote import train
    from rote.papers.raf import two_layer

    folder = checkpoints and checkpoints / f"raf-{run.code or 'by-hand'}-{run.digest}"
    saving = train.Saving(folder, checkpoint_steps)
    frame = two_layer.sweep(run.settings, run.seed, device=run.device, saving=saving)
    tables.write(out, frame, schema.TwoLayerTable, run.provenance())
    if folder:
        tables.drop(folder, "two-layer-*.pt")
