"""`rote chain <verb>`: from a corpus to pruned corpora, networks, memories, and what they know."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from rote.core import tables
from rote.core.arrays import load, save
from rote.core.job import Job
from rote.core.verbs import table, verb
from rote.papers.chain import schema, settings

app = typer.Typer(
    name="chain",
    no_args_is_help=True,
    add_completion=False,
    help="The chain: prune what the weights cannot hold, remember the rest (our own experiment).",
)

Worlds = Annotated[Path, typer.Option(help="Folder with a folder per world.", metavar="DIR")]
World = Annotated[Path, typer.Option(help="A world's folder.", metavar="DIR")]
Pruned = Annotated[
    Path, typer.Option(help="Folder with pruned corpora, a folder per world.", metavar="DIR")
]
Width = Annotated[
    int, typer.Option(help="Width of the networks; 0 is the model that the settings name.", min=0)
]
Arrays = Annotated[Path, typer.Option(metavar="SAFETENSORS")]
Folder = Annotated[Path, typer.Option(help="Write: a folder.", metavar="DIR")]
Checkpoints = Annotated[Path | None, typer.Option(help="Folder for checkpoints.", metavar="DIR")]
CheckpointSteps = Annotated[int, typer.Option(help="Steps between checkpoints.", min=1)]
Scores = Annotated[
    Path, typer.Option(help="Folder with <world>.parquet, the losses.", metavar="DIR")
]
EmbeddingsFolder = Annotated[
    Path, typer.Option(help="Folder with <world>-<width>.safetensors.", metavar="DIR")
]
ResidualsFolder = Annotated[
    Path, typer.Option(help="Folder with <world>.safetensors and .parquet.", metavar="DIR")
]


@verb(app, settings.Settings)
def synthesize_corpus(run: Job, out: Folder):
    """Facts and rules as text, at every load; or your own text and the facts in it."""
    from rote.papers.chain import worlds

    worlds.synthesize(run.settings, run.seed, out)


@verb(app, settings.Settings)
def train_scorer(
    run: Job,
    world: World,
    out: table("Write: losses."),
    checkpoints: Checkpoints = None,
    checkpoint_steps: CheckpointSteps = 500,
):
    """Losses of all facts under networks that are trained on the whole corpus."""
    from rote.papers.chain import networks, training, worlds

    folder = worlds.open_world(world)
    with _checkpoint(run, checkpoints, f"chain-score-{folder.name}") as file:
        job = networks.ChainJob(run.seed, run.device, file, checkpoint_steps)
        losses = training.score(run.settings, folder, job)
        tables.write(out, losses, schema.ScoringLosses, run.provenance())


@verb(app, settings.Settings)
def prune_corpus(
    run: Job,
    worlds: Worlds,
    scores: Scores,
    out: Folder,
    facts: table("Write: facts, and how often each corpus states them."),
    corpora: table("Write: sizes of all corpora."),
):
    """Choose what fits into the weights, by loss and at random, and flatten its frequencies."""
    from rote.papers.chain import pruning

    fact_rows, sizes = pruning.prune_corpora(run.settings, worlds, scores, run.seed, out)
    tables.write(facts, fact_rows, schema.ChainFacts, run.provenance())
    tables.write(corpora, sizes, schema.CorpusSizes, run.provenance())


@verb(app, settings.Settings)
def train_model(
    run: Job,
    world: World,
    pruned: Pruned,
    width: Width,
    out: Arrays,
    checkpoints: Checkpoints = None,
    checkpoint_steps: CheckpointSteps = 500,
):
    """Train a network per corpus and replicate, all with equally many steps, as one stack."""
    from rote.papers.chain import networks, training, worlds

    folder = worlds.open_world(world)
    with _checkpoint(run, checkpoints, f"chain-train-{folder.name}-{width}") as file:
        job = networks.ChainJob(run.seed, run.device, file, checkpoint_steps)
        save(out, training.train(run.settings, folder, pruned / folder.name, width, job))


@verb(app, settings.Settings)
def embed_corpus(run: Job, world: World, model: Arrays, width: Width, out: Arrays):
    """Hidden states that predict values, of every statement and of every question."""
    from rote.papers.chain import embeddings, worlds

    folder = worlds.open_world(world)
    weights = load(model)
    save(out, embeddings.embed(run.settings, folder, weights, width, run.seed, run.device))


@verb(app, settings.Settings)
def fit_residuals(
    run: Job,
    world: World,
    facts: table("Read: facts."),
    embeddings: Arrays,
    out: Arrays,
    choices: table("Write: settings chosen."),
):
    """Find the neighbors of all questions in every memory; tune k, bandwidth and temperature."""
    from rote.papers.chain import residuals, worlds
    from rote.papers.chain.embeddings import WorldEmbeddings

    folder, states = worlds.open_world(world), WorldEmbeddings(load(embeddings))
    fact_rows = tables.read(facts)
    arrays, chosen = residuals.fit(run.settings, folder, fact_rows, states, run.seed, run.device)
    save(out, arrays)
    tables.write(choices, chosen, schema.MemoryChoices, run.provenance())


@verb(app, settings.Settings)
def count_ngrams(run: Job, worlds: Worlds, pruned: Pruned, out: table("Write: pair counts.")):
    """Count keys with their values, and words with their translations, in all corpora."""
    from rote.papers.chain import counting

    counts = counting.count_pairs(run.settings, worlds, pruned)
    tables.write(out, counts, schema.ChainPairCounts, run.provenance())


@verb(app, settings.Settings)
def evaluate(
    run: Job,
    worlds: Worlds,
    embeddings: EmbeddingsFolder,
    residuals: ResidualsFolder,
    facts: table("Read: facts."),
    counts: table("Read: pair counts."),
    out: Folder,
):
    """What every network knows, alone and with its memories; whether it follows counts."""
    from rote.papers.chain import evaluation

    inputs = evaluation.EvaluationInputs(
        worlds=worlds,
        embeddings=embeddings,
        residuals=residuals,
        facts=tables.read(facts),
        counts=tables.read(counts),
    )
    frames = evaluation.evaluate(run.settings, inputs, run.seed)
    for name, frame in frames.items():
        tables.write(out / f"{name}.parquet", frame, schema.TABLES[name], run.provenance())


@contextmanager
def _checkpoint(run: Job, folder: Path | None, name: str) -> Iterator[Path | None]:
    """A file that only a run of the same code and settings goes on from; removed on success."""
    if folder is None:
        yield None
        return
    file = folder / f"{name}-{run.code or 'by-hand'}-{run.digest}" / f"{run.seed}.pt"
    yield file
    tables.drop(file.parent, "*.pt")
