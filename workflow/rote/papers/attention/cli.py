"""`rote attention <verb>`: nonlinear attention, and one point of its theory on the spot."""

from pathlib import Path
from typing import Annotated

import typer

from rote.core import tables
from rote.core.job import Job
from rote.core.verbs import table, verb
from rote.papers.attention import schema, settings

app = typer.Typer(
    name="attention",
    no_args_is_help=True,
    add_completion=False,
    help="In-context memorization of nonlinear attention "
    "(Liao, Liu, Hou, Zou, Ling; arXiv 2506.18656).",
)

Angle = Annotated[
    float | None,
    typer.Option(help="Angle of this unit weight to the signal, degrees; default: none."),
]


@app.command()
def solve(
    f: Annotated[
        str,
        typer.Option(help="Nonlinearity: linear, tanh, relu_c, sign, cubic, exp_c, exp_clip, ..."),
    ],
    c: Annotated[float, typer.Option(help="Dimensions per token p/n, > 0.")],
    gamma: Annotated[float, typer.Option(help="Ridge, > 0.")],
    signal: Annotated[float, typer.Option(help="||μ||², ≥ 0.", min=0)] = 0.0,
    key: Angle = None,
    query: Angle = None,
    diag: Annotated[
        str, typer.Option(help="Diagonal of the kernel: zero, keep, or the number lim f(√p)/√p.")
    ] = "zero",
) -> None:
    """Print the theory's answer for one point: attention, ridge regression, and convergence."""
    import math

    from rote.papers.attention.heads import spike_at
    from rote.theory import attention

    solution = attention.memorization_error(
        gamma,
        c,
        f,
        mu=[math.sqrt(signal), 0, 0],
        w_key=None if key is None else spike_at(key).key,
        w_query=None if query is None else spike_at(query).query,
        diag=diag if diag in ("zero", "keep") else _number("diag", diag),
    )
    steps, residual = int(solution.iterations), float(solution.residual)
    if not solution.converged:
        typer.echo(f"did not converge: residual {residual:.1e} after {steps} steps")
        raise typer.Exit(1)
    ridge = float(attention.ridge_error(gamma, c, signal))
    numbers = {
        "memorization error": float(solution.error),
        "ridge on raw tokens": ridge,
        "gap": float(solution.error) - ridge,
        "trace of resolvent": float(solution.h_uu),
        "a0": solution.coefficients.a0,
        "a1": solution.coefficients.a1,
        "ν": solution.coefficients.nu,
    }
    for name, value in numbers.items():
        typer.echo(f"{name:22}{value:.10g}")
    typer.echo(f"{'steps, residual':22}{steps}, {residual:.1e}")


def _number(name: str, text: str) -> float:
    from rote.core.errors import InputError

    try:
        return float(text)
    except ValueError:
        raise InputError(f"--{name} must be zero, keep or a number, given {text!r}") from None


@verb(app, settings.AttentionTheory)
def solve_curves(
    run: Job,
    curves: table("Write: theory curves."),
    phase: table("Write: attention against ridge regression over f, p/n and ridge."),
    checks: table("Write: numbers theory decides."),
    sweep_gamma: Annotated[
        float, typer.Option(help="Ridge of the sweeps over dimension and signal.")
    ] = 1e-5,
):
    """Every theory curve, the phase map, and the claims that theory alone decides."""
    from rote.papers.attention import checks as theory_checks
    from rote.papers.attention import curves as theory_curves

    frame = theory_curves.curves(run.settings, sweep_gamma)
    tables.write(curves, frame, schema.AttentionCurves, run.provenance())
    tables.write(phase, theory_curves.phase(run.settings), schema.PhaseMap, run.provenance())
    tables.write(checks, theory_checks.checks(), schema.AttentionChecks, run.provenance())


@verb(app, settings.AttentionSimulation)
def simulate_contexts(run: Job, out: table("Write: training errors on simulated contexts.")):
    """Contexts of the paper's model, with the theory beside each."""
    from rote.papers.attention import experiments

    frame = experiments.contexts(run.settings, run.seed)
    tables.write(out, frame, schema.AttentionSimulations, run.provenance())


@verb(app, settings.AttentionSimulation)
def simulate_variants(
    run: Job,
    out: table("Write: training errors beyond the paper's model."),
    spectrum: table("Write: eigenvalues of the kernel."),
    algebra: table("Write: three ways to one error."),
):
    """Beyond the paper's model; the kernel's spectrum; the algebra behind E."""
    from rote.papers.attention import beyond, experiments

    frame = beyond.contexts(run.settings, run.seed)
    tables.write(out, frame, schema.AttentionSimulations, run.provenance())
    frame = experiments.spectrum(run.settings, run.seed)
    tables.write(spectrum, frame, schema.KernelSpectrum, run.provenance())
    frame = experiments.algebra(run.settings, run.seed)
    tables.write(algebra, frame, schema.Algebra, run.provenance())


@verb(app, settings.AttentionTrained)
def train_heads(
    run: Job,
    out: table("Write: heads during training."),
    checkpoints: Annotated[
        Path | None, typer.Option(help="Folder for checkpoints.", metavar="DIR")
    ] = None,
    checkpoint_steps: Annotated[int, typer.Option(help="Steps between checkpoints.", min=1)] = 500,
):
    """Attention weights learnt by descent on the theory, on fresh contexts, on one context."""
    from rote.papers.attention import trained

    folder = checkpoints and checkpoints / f"attention-{run.code or 'by-hand'}-{run.digest}"
    frame = trained.sweep(
        run.settings,
        run.seed,
        device=run.device,
        checkpoints=folder,
        checkpoint_steps=checkpoint_steps,
    )
    tables.write(out, frame, schema.TrainedTable, run.provenance())
    if folder:
        tables.drop(folder, "heads-*.pt")


@verb(app, settings.AttentionEmbeddings)
def fit_embeddings(run: Job, out: table("Write: errors on real inputs.")):
    """Scanned digits, or the token embeddings of a language model, as tokens."""
    from rote.papers.attention import embeddings

    frame = embeddings.sweep(run.settings, run.seed)
    tables.write(out, frame, schema.EmbeddingsTable, run.provenance())
