"""`rote chain <verb>`: from a corpus to pruned corpora, networks, memories, and what they know."""

from pathlib import Path
from typing import Annotated

import typer

from rote.core import tables
from rote.core.arrays import load, save
from rote.core.job import Job
from rote.core.verbs import Checkpoints, CheckpointSteps, resumable, table, verb
from rote.papers.chain import schema, settings

app = typer.Typer(
    name="chain",
    no_args_is_help=True,
    add_completion=False,
    help="The chain: prune what the weights cannot hold, remember the rest (our own experiment).",
)

Worlds = Annotated[Path, typer.Option(help="Folder with a folder per world.", metavar="DIR")]
World = Annotated[Path, typer.Option(help="A world's folder.", metavar="DIR")]
Width = Annotated[
    int, typer.Option(help="Width of the networks; 0 is the model that the settings name.", min=0)
]
Arrays = Annotated[Path, typer.Option(metavar="SAFETENSORS")]
Folder = Annotated[Path, typer.Option(help="Write: a folder.", metavar="DIR")]
Networks = Annotated[
    Path, typer.Option(help="Folder with <world>-<width>.safetensors.", metavar="DIR")
]
ByWorld = Annotated[
    Path, typer.Option(help="Folder with files that are called after worlds.", metavar="DIR")
]


@verb(app, settings.Settings)
def synthesize_corpus(run: Job, out: Folder):
    """Facts and rules as text, in worlds of every size; or your own text and the facts in it."""
    from rote.papers.chain import worlds

    worlds.synthesize(run.settings, run.seed, out)


@verb(app, settings.Settings)
def train_scorer(
    run: Job,
    world: World,
    width: Width,
    out: Arrays,
    checkpoints: Checkpoints = None,
    checkpoint_steps: CheckpointSteps = 500,
):
    """Train networks on everything, for every number of steps: their losses prune the corpus."""
    from rote.papers.chain import networks, training, worlds

    folder = worlds.open_world(world)
    with resumable(run, checkpoints, f"chain-score-{folder.name}-{width}") as states:
        file = states and states / f"{run.seed}.pt"
        job = networks.ChainJob(run.seed, run.device, file, checkpoint_steps)
        save(out, training.train_unpruned(run.settings, folder, width, job))


@verb(app, settings.Settings)
def prune_corpus(
    run: Job,
    worlds: Worlds,
    unpruned: Networks,
    out: Folder,
    facts: table("Write: facts, and how often each corpus states them."),
    corpora: table("Write: sizes of all corpora."),
):
    """Choose what fits into the weights, by loss and at random, and flatten its frequencies."""
    from rote.papers.chain import pruning

    pruned = pruning.prune_corpora(run.settings, worlds, unpruned, run.seed)
    for name, of_stack in pruned.items():
        save(out / f"{name}.safetensors", of_stack.rows)
    fact_rows, sizes = pruning.joined(pruned)
    tables.write(facts, fact_rows, schema.ChainFacts, run.provenance())
    tables.write(corpora, sizes, schema.CorpusSizes, run.provenance())


@verb(app, settings.Settings)
def train_model(
    run: Job,
    world: World,
    pruned: Arrays,
    width: Width,
    out: Arrays,
    checkpoints: Checkpoints = None,
    checkpoint_steps: CheckpointSteps = 500,
):
    """Train a network per pruned corpus and replicate, for as many steps, as one stack."""
    from rote.papers.chain import networks, training, worlds

    folder = worlds.open_world(world)
    with resumable(run, checkpoints, f"chain-train-{folder.name}-{width}") as states:
        file = states and states / f"{run.seed}.pt"
        job = networks.ChainJob(run.seed, run.device, file, checkpoint_steps)
        save(out, training.train_pruned(run.settings, folder, load(pruned), width, job))


@verb(app, settings.Settings)
def fit_residuals(
    run: Job,
    world: World,
    facts: table("Read: facts."),
    unpruned: Arrays,
    pruned: Arrays,
    out: Arrays,
    choices: table("Write: settings chosen."),
):
    """Embed statements in parts, tune every memory's k, bandwidth and reach, and ask it."""
    from rote.papers.chain import networks, residuals, worlds
    from rote.papers.chain.training import Trained

    trained = {"unpruned": Trained(load(unpruned)), "pruned": Trained(load(pruned))}
    folder, job = worlds.open_world(world), networks.ChainJob(run.seed, run.device)
    arrays, chosen = residuals.fit(run.settings, folder, tables.read(facts), trained, job)
    save(out, arrays)
    tables.write(choices, chosen, schema.MemoryChoices, run.provenance())


@verb(app, settings.Settings)
def count_ngrams(run: Job, worlds: Worlds, out: table("Write: pair counts.")):
    """Count keys with their values, and words with their translations, in all corpora."""
    from rote.papers.chain import counting

    counts = counting.count_pairs(run.settings, worlds)
    tables.write(out, counts, schema.ChainPairCounts, run.provenance())


@verb(app, settings.Settings)
def evaluate(
    run: Job,
    worlds: Worlds,
    unpruned: Networks,
    models: Networks,
    residuals: ByWorld,
    facts: table("Read: facts."),
    counts: table("Read: pair counts."),
    out: Folder,
):
    """What every network knows, alone and with its memories; whether it follows counts."""
    from rote.papers.chain import evaluation

    folders = (worlds, unpruned, models, residuals)
    inputs = evaluation.EvaluationInputs(*folders, tables.read(facts), tables.read(counts))
    frames = evaluation.evaluate(run.settings, inputs, run.seed)
    for name, frame in frames.items():
        tables.write(out / f"{name}.parquet", frame, schema.TABLES[name], run.provenance())
