"""`rote longtail <verb>`: the steps of the long-tail composition paper, from files to files."""

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from rote.core import tables
from rote.core.job import Job, track
from rote.core.verbs import Checkpoints, CheckpointSteps, table, verb
from rote.papers.longtail import schema, settings
from rote.papers.longtail.architectures import ARCHITECTURES

app = typer.Typer(
    name="longtail",
    no_args_is_help=True,
    add_completion=False,
    help="Long-tail composition (Zhou, Ma, Ge; arXiv 2510.16322).",
)
Images = table("Read: the images.")
HeldOut = Annotated[int, typer.Option(help="Images per class kept for tests alone.", min=3)]


@verb(app, settings.LongtailLinear)
def solve_linear(
    run: Job,
    sets: table("Write: index sets per training matrix."),
    sweep: table("Write: errors and losses per fit."),
    ranks: table("Write: seen and recovered features by rank."),
    shrinkage: table("Write: ridge coefficients against how often a feature occurs."),
):
    """Min-norm and ridge on power-law features, all exponents, noise levels and penalties."""
    from rote.papers.longtail import linear

    result = linear.sweep(run.settings, run.seed, partial(track, description="training sets"))
    tables.write(sets, result.sets, schema.LinearSets, run.provenance())
    tables.write(sweep, result.sweep, schema.LinearSweep, run.provenance())
    tables.write(ranks, result.ranks, schema.LinearRanks, run.provenance())
    tables.write(shrinkage, result.shrinkage, schema.LinearShrinkage, run.provenance())


@verb(app, settings.LongtailScaling)
def solve_scaling(run: Job, out: table("Write: risk against the number of rows.")):
    """Min-norm risk against the number of training rows."""
    from rote.papers.longtail import linear

    frame = linear.scaling(run.settings, run.seed, partial(track, description="training sets"))
    tables.write(out, frame, schema.Scaling, run.provenance())


@verb(app, settings.LongtailInterpolators)
def solve_interpolators(run: Job, out: table("Write: losses per predictor.")):
    """Linear interpolators, kernels, mixtures of both, and a non-additive truth."""
    from rote.papers.longtail import interpolators

    frame = interpolators.compare(run.settings, run.seed, partial(track, description="replicates"))
    tables.write(out, frame, schema.Interpolators, run.provenance())


@verb(app, settings.LongtailInfluence)
def solve_influence(
    run: Job,
    influence: table("Write: hat diagonals."),
    leave_one_out: table("Write: leave-one-out residuals."),
    descent: table("Write: gradient descent over time."),
):
    """How far each row is memorized: hat diagonal, leave-one-out residual, gradient descent."""
    from rote.papers.longtail import linear

    result = linear.influence(run.settings, run.seed, partial(track, description="replicates"))
    tables.write(influence, result.hat_diagonals, schema.HatDiagonals, run.provenance())
    tables.write(leave_one_out, result.leave_one_out, schema.LeaveOneOut, run.provenance())
    tables.write(descent, result.descent, schema.Descent, run.provenance())


@verb(app, settings.LongtailImages)
def synthesize_images(
    run: Job,
    out: table("Write: digit images and glyphs."),
    replicates: Annotated[int, typer.Option(help="Sets of ten glyphs.", min=1)] = 4,
):
    """Load the digit images and draw (or load) ten one-off glyphs per replicate."""
    from rote.papers.longtail import dataset

    frame = dataset.synthesize_images(run.settings, replicates, run.seed)
    tables.write(out, frame, schema.ImageBank, run.provenance())


@verb(app, settings.LongtailNetwork)
def synthesize_triples(
    run: Job, images: Images, out: table("Write: the triples."), held_out: HeldOut = 50
):
    """Triples of the network track: rare-digit sweep, glyphs, every test set."""
    from rote.papers.longtail import dataset

    drawing = dataset.network_track(run.settings, held_out)
    frame = dataset.synthesize_triples(tables.read(images), drawing, run.seed)
    tables.write(out, frame, schema.Triples, run.provenance())


@verb(app, settings.LongtailNetwork)
def train_network(
    run: Job,
    architecture: Annotated[str, typer.Option(help=f"One of {', '.join(ARCHITECTURES)}.")],
    images: Images,
    triples: table("Read: the triples."),
    out: table("Write: losses of every trained network."),
    checkpoints: Checkpoints = None,
    checkpoint_steps: CheckpointSteps = 500,
):
    """Train one architecture on every training set, weight decay and replicate, in one program."""
    from rote.papers.longtail import network

    network.check_architecture(run.settings, architecture)
    folder = checkpoints and checkpoints / f"longtail-{run.code or 'by-hand'}"
    execution = network.Execution(run.device, folder, checkpoint_steps)
    data = tables.read(images), tables.read(triples)
    frame = network.train_networks(run.settings, architecture, *data, run.seed, execution)
    tables.write(out, frame, schema.NetworkLosses, run.provenance())
    if folder:
        tables.drop(folder, f"{architecture}-*.pt")


@verb(app, settings.LongtailNetwork)
def train_sizes(
    run: Job,
    images: Images,
    triples: table("Read: the triples."),
    out: table("Write: losses per width and number of epochs."),
):
    """Train the sum and the cross-channel network at several widths and for several lengths."""
    from rote.papers.longtail import network, sizes

    data = tables.read(images), tables.read(triples)
    frame = sizes.train(run.settings, *data, run.seed, network.Execution(run.device))
    tables.write(out, frame, schema.SizeLosses, run.provenance())


@verb(app, settings.LongtailScenes)
def train_scenes(run: Job, out: table("Write: losses per architecture and set of scenes.")):
    """Train networks on scenes of objects with rare shapes and rare colours."""
    from rote.papers.longtail import scenes

    frame = scenes.compare(run.settings, run.seed, run.device)
    tables.write(out, frame, schema.SceneLosses, run.provenance())


@verb(app)
def evaluate_networks(
    run: Job,
    losses: Annotated[
        list[Path], typer.Option(help="Read: losses of one architecture; repeat for each.")
    ],
    out: table("Write: all losses in one table."),
    decays: table("Write: each weight decay by the rule for what is not memorized."),
):
    """Put the architectures' losses into one table, and judge their weight decays."""
    import pandas as pd

    from rote.papers.longtail import decay

    frame = pd.concat([tables.read(path) for path in losses], ignore_index=True)
    tables.write(out, frame, schema.NetworkLosses, run.provenance())
    tables.write(decays, decay.summary(frame), schema.Decays, run.provenance())


@verb(app, settings.LongtailKernel)
def synthesize_kernel_triples(
    run: Job,
    images: Images,
    out: table("Write: the triples."),
    zipf: Annotated[float, typer.Option(help="Zipf exponent of the base digits.", min=0)] = 2.0,
    held_out: HeldOut = 50,
):
    """Triples of the kernel track: glyphs and every test set."""
    from rote.papers.longtail import dataset

    drawing = dataset.kernel_track(run.settings, zipf, held_out)
    frame = dataset.synthesize_triples(tables.read(images), drawing, run.seed)
    tables.write(out, frame, schema.Triples, run.provenance())


@verb(app, settings.LongtailKernel)
def fit_kernel(
    run: Job,
    images: Images,
    triples: table("Read: the kernel track's triples."),
    out: table("Write: losses per kernel."),
):
    """Kernel ridge regression with shared, slot-wise, monolithic and mixed kernels."""
    from rote.papers.longtail import kernel

    data = tables.read(images), tables.read(triples)
    frame = kernel.evaluate(run.settings, *data, partial(track, description="replicates"))
    tables.write(out, frame, schema.KernelLosses, run.provenance())
