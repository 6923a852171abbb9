"""`rote attention <verb>`: nonlinear attention, and its theory as an instrument."""

from pathlib import Path
from typing import Annotated, Any

import typer

from rote.core import exports, tables, verbs
from rote.core.job import Job
from rote.core.verbs import Checkpoints, CheckpointSteps, resumable, table, verb
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
        typer.Option(
            help="linear, tanh, relu_c, sign, cubic, exp_c, exp_clip, cos_c, quad, or "
            "module:function of one array."
        ),
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
    from rote.papers.attention import point

    result = point.solve(f, c, gamma, point.PointHead(signal, key, query, diag))
    typer.echo(result)
    if not result.converged:
        raise typer.Exit(1)


AXIS = "A number, low:high:count, low:high:count:log, or several with commas between."
Functions = Annotated[
    str,
    typer.Option(
        help="linear, tanh, relu_c, sign, cubic, exp_c, exp_clip, cos_c, quad, or module:function "
        "of one array; several with commas between."
    ),
]
Ridges = Annotated[str, typer.Option(help=f"Ridges, > 0. {AXIS}", metavar="AXIS")]
Signals = Annotated[str, typer.Option(help="||μ||², ≥ 0.", metavar="AXIS")]
Spikes = Annotated[
    str,
    typer.Option(
        help="none, aligned, orthogonal, mixed, negative, double, anti, key only, query only."
    ),
]
Strength = Annotated[str, typer.Option(help="Factor ω on w_K w_Qᵀ, ≥ 0.", metavar="AXIS")]
Weight = Annotated[
    str | None,
    typer.Option(help="This weight instead of --spike; its first coordinate is along the signal."),
]
Out = Annotated[
    Path | None,
    verbs.result("Write: the table (.parquet, .csv, .json); default: print CSV."),
]
Picture = Annotated[
    Path | None,
    verbs.result("Write: a figure of one or two axes that vary.", exports.PICTURES, "a figure"),
]


@app.command()
def grid(
    f: Functions,
    c: Annotated[str, typer.Option(help=f"Dimensions per token p/n, > 0. {AXIS}", metavar="AXIS")],
    gamma: Ridges,
    signal: Signals = "0",
    spike: Spikes = "none",
    omega: Strength = "1",
    w_key: Weight = None,
    w_query: Weight = None,
    standard: Annotated[
        str,
        typer.Option(help="Ridge of attention: the same (ridge), at equal power, or freedom."),
    ] = "ridge",
    n: Annotated[int, typer.Option(help="Tokens, for moments at finite size; 0: none.")] = 0,
    out: Out = None,
    figure: Picture = None,
) -> None:
    """Solve the theory on a whole grid: attention, ridge regression on the raw tokens, the gap."""
    from rote.papers.attention import instruments

    heads = instruments.HeadAxes(signal, spike, omega, w_key, w_query)
    frame = instruments.grid(f, {"gamma": gamma, "c": c}, heads, standard, n)
    _put(frame, out, figure)


def _put(frame: Any, out: Path | None, figure: Path | None) -> None:
    """Print or write a table, and draw it."""
    from rote.papers.attention import instruments

    if out:
        tables.export(out, frame)
        typer.echo(instruments.summary(frame, out))
    else:
        typer.echo(frame.to_csv(index=False), nl=False)
    if figure:
        from rote.plotting import maps

        names = instruments.varying(frame)
        maps.save(figure, frame, names, instruments.ERRORS, instruments.SERIES)


@app.command()
def simulate(
    f: Functions,
    n: Annotated[int, typer.Option(help="Tokens.", min=8)],
    p: Annotated[int, typer.Option(help="Dimension of a token.", min=2)],
    gamma: Ridges,
    signal: Signals = "0",
    spike: Spikes = "none",
    omega: Strength = "1",
    w_key: Weight = None,
    w_query: Weight = None,
    replicates: Annotated[int, typer.Option(help="Contexts.", min=2)] = 8,
    seed: Annotated[int, typer.Option(help="Seed of all random streams.", min=0)] = 1,
    out: Out = None,
) -> None:
    """Draw contexts, and say what theory predicts of attention and of ridge regression."""
    from rote.papers.attention import instruments

    heads = instruments.HeadAxes(signal, spike, omega, w_key, w_query)
    size = instruments.ContextSize(n, p, replicates)
    frame = instruments.simulated(f, gamma, heads, size, seed)
    typer.echo(instruments.compared(frame))
    if out:
        tables.export(out, frame)


@app.command()
def heads(
    model: Annotated[
        str, typer.Argument(help="Folder of a GPT-2, GPT-NeoX (Pythia) or LLaMA model, or hub id.")
    ],
    text: Annotated[str, typer.Option(help="What it reads: file, folder or glob of text.")],
    f: Functions = "tanh,softmax",
    gamma: Ridges = "0.01,0.1,1",
    n: Annotated[
        int, typer.Option(help="Tokens of a context, all of different words.", min=8)
    ] = 128,
    contexts: Annotated[int, typer.Option(help="Contexts.", min=1)] = 2,
    order: Annotated[str, typer.Option(help="Orders of scores that are not noise.")] = "1,3",
    window: Annotated[int, typer.Option(help="Tokens that are read at once.", min=2)] = 128,
    seed: Annotated[int, typer.Option(help="Seed of all random streams.", min=0)] = 1,
    out: Out = None,
    figure: Picture = None,
) -> None:
    """Read a language model's heads: memorization error of each, predicted and measured."""
    from rote.papers.attention import folder_heads

    options = folder_heads.FolderHeads(model, text, f, gamma, order, n)
    frame = folder_heads.read(options, contexts, window, seed)
    typer.echo(folder_heads.summary(frame))
    if out:
        tables.export(out, frame)
    if figure:
        folder_heads.draw(figure, frame)


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
    from rote.papers.attention import curves as theory_curves
    from rote.papers.attention import theory_claims

    frame = theory_curves.curves(run.settings, sweep_gamma)
    tables.write(curves, frame, schema.AttentionCurves, run.provenance())
    tables.write(phase, theory_curves.phase(run.settings), schema.PhaseMap, run.provenance())
    tables.write(checks, theory_claims.checks(), schema.AttentionChecks, run.provenance())


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
):
    """Beyond the paper's model; the kernel's spectrum."""
    from rote.papers.attention import beyond, experiments

    frame = beyond.contexts(run.settings, run.seed)
    tables.write(out, frame, schema.AttentionSimulations, run.provenance())
    frame = experiments.spectrum(run.settings, run.seed)
    tables.write(spectrum, frame, schema.KernelSpectrum, run.provenance())


@verb(app, settings.AttentionTrained)
def train_heads(
    run: Job,
    out: table("Write: heads during training."),
    checkpoints: Checkpoints = None,
    checkpoint_steps: CheckpointSteps = 500,
):
    """Attention weights learnt by descent on the theory, on fresh contexts, on one context."""
    from rote import train
    from rote.papers.attention import trained

    with resumable(run, checkpoints, "attention-heads") as folder:
        saving = train.Saving(folder, checkpoint_steps)
        frame = trained.sweep(run.settings, run.seed, device=run.device, saving=saving)
        tables.write(out, frame, schema.TrainedTable, run.provenance())


@verb(app, settings.AttentionHeads)
def evaluate_heads(
    run: Job,
    out: table("Write: heads of language models on their activations."),
    checkpoints: Checkpoints = None,
    checkpoint_steps: CheckpointSteps = 500,
):
    """Heads of small language models, trained for it: errors, predicted and measured."""
    from rote import train
    from rote.papers.attention import real_heads

    with resumable(run, checkpoints, "attention-language-models") as folder:
        saving = train.Saving(folder, checkpoint_steps)
        frame = real_heads.sweep(run.settings, run.seed, device=run.device, saving=saving)
        tables.write(out, frame, schema.HeadsTable, run.provenance())


@verb(app, settings.AttentionEmbeddings)
def fit_embeddings(run: Job, out: table("Write: errors on real inputs.")):
    """Scanned digits, or the token embeddings of a language model, as tokens."""
    from rote.papers.attention import embeddings

    frame = embeddings.sweep(run.settings, run.seed)
    tables.write(out, frame, schema.EmbeddingsTable, run.provenance())
