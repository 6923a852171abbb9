"""`rote attention <verb>`: nonlinear attention, from parameters to files, and one point on the
spot.
"""

from pathlib import Path
from typing import Annotated

import typer

from rote.core import tables
from rote.core.job import Job, track
from rote.core.verbs import table, verb
from rote.papers.attention import schema, settings

app = typer.Typer(
    name="attention",
    no_args_is_help=True,
    add_completion=False,
    help="In-context memorization of nonlinear attention (Liao, Liu, Hou, Zou, Ling; arXiv "
    "2506.18656).",
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

    from rote.papers.attention.arms import both
    from rote.theory import attention

    found = attention.memorization_error(
        gamma,
        c,
        f,
        mu=[math.sqrt(signal), 0, 0],
        w_key=None if key is None else both(key)[0],
        w_query=None if query is None else both(query)[0],
        diag=diag if diag in ("zero", "keep") else _number("diag", diag),
    )
    if not found.converged:
        typer.echo(
            f"did not converge: residual {float(found.residual):.1e} after "
            f"{int(found.iterations)} steps"
        )
        raise typer.Exit(1)
    base = float(attention.ridge_error(gamma, c, signal))
    lines = {
        "memorization error": float(found.error),
        "ridge on raw tokens": base,
        "gap": float(found.error) - base,
        "trace of resolvent": float(found.h_uu),
        "a0": found.coefficients.a0,
        "a1": found.coefficients.a1,
        "ν": found.coefficients.nu,
    }
    for name, value in lines.items():
        typer.echo(f"{name:22}{value:.10g}")
    typer.echo(f"{'steps, residual':22}{int(found.iterations)}, {float(found.residual):.1e}")


def _number(name: str, text: str) -> float:
    from rote.core.errors import InputError

    try:
        return float(text)
    except ValueError:
        raise InputError(f"--{name} must be zero, keep or a number, given {text!r}") from None


@verb(app, settings.Theory)
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
    from rote.papers.attention import curves as theory

    tables.write(curves, theory.curves(run.settings, sweep_gamma), schema.Curves, run.provenance())
    tables.write(phase, theory.phase(run.settings), schema.Phase, run.provenance())
    tables.write(checks, theory.checks(), schema.Checks, run.provenance())


@verb(app, settings.Simulation)
def simulate_contexts(run: Job, out: table("Write: training errors on simulated contexts.")):
    """Contexts of the paper's model, with the theory beside each."""
    from rote.papers.attention import experiments

    frame = experiments.contexts(run.settings, run.seed, lambda units: track(units, "contexts"))
    tables.write(out, frame, schema.Simulations, run.provenance())


@verb(app, settings.Simulation)
def simulate_variants(
    run: Job,
    out: table("Write: training errors beyond the paper's model."),
    spectrum: table("Write: eigenvalues of the kernel."),
    algebra: table("Write: three ways to one error."),
):
    """Other labels, heads, weights, tokens and signals; the kernel's spectrum; the algebra behind
    E.
    """
    from rote.papers.attention import beyond, experiments

    tables.write(out, beyond.contexts(run.settings, run.seed), schema.Simulations, run.provenance())
    tables.write(
        spectrum, experiments.spectrum(run.settings, run.seed), schema.Spectrum, run.provenance()
    )
    tables.write(
        algebra, experiments.algebra(run.settings, run.seed), schema.Algebra, run.provenance()
    )


@verb(app, settings.Trained)
def train_heads(
    run: Job,
    out: table("Write: heads during training."),
    checkpoints: Annotated[
        Path | None, typer.Option(help="Folder for checkpoints.", metavar="DIR")
    ] = None,
    checkpoint_steps: Annotated[int, typer.Option(help="Steps between checkpoints.", min=1)] = 500,
):
    """Attention weights learnt by gradient descent: on the theory, on fresh contexts, on one
    context.
    """
    from rote.papers.attention import trained

    folder = checkpoints and checkpoints / f"attention-{run.code or 'by-hand'}-{run.digest}"
    frame = trained.sweep(
        run.settings, run.seed, device=run.device, checkpoints=folder, every=checkpoint_steps
    )
    tables.write(out, frame, schema.TrainedTable, run.provenance())
    if folder:
        tables.drop(folder, "heads-*.pt")


@verb(app, settings.Embeddings)
def fit_embeddings(run: Job, out: table("Write: errors on real inputs.")):
    """Scanned digits, or the token embeddings of a language model, as tokens."""
    from rote.papers.attention import embeddings

    frame = embeddings.sweep(run.settings, run.seed, lambda units: track(units, "contexts"))
    tables.write(out, frame, schema.EmbeddingsTable, run.provenance())
