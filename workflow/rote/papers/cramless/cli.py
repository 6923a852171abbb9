"""`rote cramless <verb>`: facts, their pruning, and networks trained on them."""

from pathlib import Path
from typing import Annotated

import pandas as pd
import typer

from rote.core import tables
from rote.core.job import Job
from rote.core.verbs import Checkpoints, CheckpointSteps, resumable, table, verb
from rote.papers.cramless import schema, settings
from rote.papers.cramless.arms import GROUPS, TEXT_SCHEMES, TEXT_SIZES, text_arm

app = typer.Typer(
    name="cramless",
    no_args_is_help=True,
    add_completion=False,
    help="Cram less to fit more (Ye, Feldman, Talwar; 2026).",
)

Folder = Annotated[Path, typer.Option(help="Folder for the group's tables.", metavar="DIR")]


@verb(app, settings.CramlessFacts)
def synthesize_facts(run: Job, out: table("Write: facts of every data set.")):
    """Semi-synthetic facts, uniform and by power law."""
    from rote.papers.cramless import data

    facts = data.synthesize(run.settings, run.seed)
    provenance = run.provenance() | {"information_bits": data.information(facts)}
    tables.write(out, facts, schema.FactSetRows, provenance)


@verb(app, settings.CramlessFacts)
def prune_facts(
    run: Job,
    trained: table("Read: what networks with standard training know."),
    runs: table("Read: one row per such network."),
    out: table("Write: copies of each fact that stay."),
):
    """Choose smaller data sets from the losses of networks that were trained on everything."""
    from rote.papers.cramless import pruning

    outcomes = tables.read(trained)
    frame = pruning.prune_offline(run.settings, outcomes, tables.read(runs), run.seed)
    tables.write(out, frame, schema.PrunedCounts, run.provenance())


@verb(app, settings.Settings)
def train_networks(
    run: Job,
    group: Annotated[str, typer.Option(help=f"Arms to train: {', '.join(GROUPS)}.")],
    facts: table("Read: facts."),
    out: Folder,
    pruned: Annotated[
        Path | None, typer.Option(help="Read: offline selections (group pruned).")
    ] = None,
    tuned: Annotated[
        Path | None, typer.Option(help="Read: runs of the group tuning (group ladder).")
    ] = None,
    checkpoints: Checkpoints = None,
    checkpoint_steps: CheckpointSteps = 500,
):
    """Train one group of arms, replicates stacked, and ask each network for every fact."""
    from rote.papers.cramless import training

    selections, rates = (tables.read(path) if path else None for path in (pruned, tuned))
    facts_table = tables.read(facts)
    with resumable(run, checkpoints, f"cramless-{group}") as folder:
        job = training.CramlessJob(run.seed, run.device, folder, checkpoint_steps)
        frames = training.train_group(group, run.settings, facts_table, selections, job, rates)
        for name, frame in frames._asdict().items():
            path = out / f"{name}_{group}.parquet"
            tables.write(path, frame, schema.TABLES[name], run.provenance())


@verb(app, settings.CramlessText)
def tokenize_text(
    run: Job,
    folder: Annotated[
        Path, typer.Option(help="Write: tokens, facts, phrasings, tokenizer.", metavar="DIR")
    ],
    annotations: table("Write: every mention of a fact."),
    counts: table("Write: mentions per fact."),
):
    """Find the facts of a table in a corpus, and write its tokens once for all trainings."""
    from rote.papers.cramless import corpus

    written = corpus.prepare(run.settings, run.seed, folder)
    tables.write(annotations, written.mentions, schema.Mentions, run.provenance())
    tables.write(counts, written.counts, schema.MentionCounts, run.provenance())


@verb(app, settings.CramlessText)
def train_text(
    run: Job,
    size: Annotated[str, typer.Option(help=f"{' or '.join(TEXT_SIZES)}.")],
    scheme: Annotated[str, typer.Option(help=f"One of {', '.join(TEXT_SCHEMES)}.")],
    folder: Annotated[Path, typer.Option(help="Read: the tokenized corpus.", metavar="DIR")],
    annotations: table("Read: mentions of facts."),
    out: table("Write: one row per replicate."),
    processes: Annotated[
        int, typer.Option(help="Processes to train with where there is no device.", min=1)
    ] = 1,
    checkpoints: Checkpoints = None,
    checkpoint_steps: CheckpointSteps = 500,
):
    """Train GPT-2 on an annotated corpus, with or without selection, on all leased devices."""
    from rote.papers.cramless import text

    arm = text_arm(size, scheme)
    devices = run.devices if run.device == "cuda" else []
    inputs = text.read_inputs(folder, tables.read(annotations))
    with resumable(run, checkpoints, f"cramless-text-{arm.name}") as states:
        workers = text.Processes(devices, processes, states, checkpoint_steps)
        frame = text.train_replicates(arm, run.settings, inputs, run.seed, workers)
        tables.write(out, frame, schema.TextRuns, run.provenance())


@verb(app)
def evaluate_text(
    run: Job,
    runs: Annotated[list[Path], typer.Option(help="Read: runs.")],
    out: table("Write: all."),
):
    """Put the text runs together."""
    frame = pd.concat([tables.read(path) for path in runs], ignore_index=True)
    tables.write(out, frame, schema.TextRuns, run.provenance())


@verb(app, settings.CramlessTraining)
def evaluate_networks(
    run: Job,
    groups: Annotated[Path, typer.Option(help="Folder with every group's tables.", metavar="DIR")],
    out: Annotated[Path, typer.Option(help="Write: a folder.", metavar="DIR")],
):
    """Put the groups' tables together: trained, runs, shares."""
    for name in schema.NETWORK_TABLES:
        files = [groups / f"{name}_{group}.parquet" for group in run.settings.groups]
        parts = [tables.read(file) for file in files]
        frame = pd.concat(parts, ignore_index=True)
        tables.write(out / f"{name}.parquet", frame, schema.TABLES[name], run.provenance())
