"""`rote chain <verb>`: from a corpus to pruned corpora, networks, memories, and what they know
together.
"""

import tempfile
from pathlib import Path
from typing import Annotated

import pandas as pd
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
Every = Annotated[int, typer.Option(help="Steps between checkpoints.", min=1)]


@verb(app, settings.Settings)
def synthesize_corpus(run: Job, out: Folder):
    """Facts and rules as text, at every load; or your own text and the facts in it."""
    from rote.papers.chain import experiment

    experiment.synthesize(run.settings, run.seed, out)


@verb(app, settings.Settings)
def train_scorer(
    run: Job,
    world: World,
    out: table("Write: losses."),
    checkpoints: Checkpoints = None,
    checkpoint_steps: Every = 500,
):
    """Losses of all facts under networks that are trained on the whole corpus."""
    from rote.papers.chain import experiment

    here = experiment.open_world(world)
    file = _checkpoint(run, checkpoints, f"chain-score-{here.name}")
    frame = experiment.score(run.settings, here, run.seed, run.device, file, checkpoint_steps)
    tables.write(out, frame, schema.Scores, run.provenance())
    _drop(file)


@verb(app, settings.Settings)
def prune_corpus(
    run: Job,
    worlds: Worlds,
    scores: Annotated[
        Path, typer.Option(help="Folder with <world>.parquet, the losses.", metavar="DIR")
    ],
    out: Folder,
    facts: table("Write: facts, and how often each corpus states them."),
    corpora: table("Write: sizes of all corpora."),
):
    """Choose what fits into the weights, by loss and at random, and flatten its frequencies."""
    from rote.papers.chain import experiment

    found = []
    for name in experiment.worlds(run.settings):
        here, losses = experiment.open_world(worlds / name), tables.read(scores / f"{name}.parquet")
        found.append(experiment.prune(run.settings, here, losses, run.seed, out / name))
    for frames, path, model in zip(
        zip(*found, strict=True), (facts, corpora), (schema.FactsTable, schema.Corpora), strict=True
    ):
        tables.write(path, pd.concat(frames, ignore_index=True), model, run.provenance())


@verb(app, settings.Settings)
def train_model(
    run: Job,
    world: World,
    pruned: Pruned,
    width: Width,
    out: Arrays,
    checkpoints: Checkpoints = None,
    checkpoint_steps: Every = 500,
):
    """Train a network per corpus and replicate, all with equally many steps, as one stack."""
    from rote.papers.chain import experiment

    here = experiment.open_world(world)
    file = _checkpoint(run, checkpoints, f"chain-train-{here.name}-{width}")
    weights = experiment.train(
        run.settings, here, pruned / here.name, width, run.seed, run.device, file, checkpoint_steps
    )
    save(out, weights)
    _drop(file)


@verb(app, settings.Settings)
def embed_corpus(run: Job, world: World, model: Arrays, width: Width, out: Arrays):
    """Hidden states that predict values, of every statement and of everything that is asked."""
    from rote.papers.chain import experiment

    here = experiment.open_world(world)
    save(out, experiment.embed(run.settings, here, load(model), width, run.seed, run.device))


@verb(app, settings.Settings)
def fit_residuals(
    run: Job,
    world: World,
    facts: table("Read: facts."),
    embeddings: Arrays,
    out: Arrays,
    choices: table("Write: settings chosen."),
):
    """Find the neighbors of every question in every memory, and tune k, bandwidth and temperature."""
    from rote.papers.chain import evaluation, experiment

    here = experiment.open_world(world)
    near, chosen = evaluation.fit_residuals(
        run.settings, here, tables.read(facts), load(embeddings), run.seed, run.device
    )
    save(out, near)
    tables.write(choices, chosen, schema.Choices, run.provenance())


@verb(app, settings.Settings)
def count_ngrams(run: Job, worlds: Worlds, pruned: Pruned, out: table("Write: pair counts.")):
    """Count keys with their values, and words with their translations, in the full and the pruned
    corpora.
    """
    from rote.papers.chain import evaluation, experiment

    with tempfile.TemporaryDirectory(prefix="rote-chain-") as scratch:
        frames = [
            evaluation.count(
                run.settings, experiment.open_world(worlds / name), pruned / name, Path(scratch)
            )
            for name in experiment.worlds(run.settings)
        ]
    tables.write(out, pd.concat(frames, ignore_index=True), schema.Counts, run.provenance())


@verb(app, settings.Settings)
def evaluate(
    run: Job,
    worlds: Worlds,
    embeddings: Annotated[
        Path, typer.Option(help="Folder with <world>-<width>.safetensors.", metavar="DIR")
    ],
    residuals: Annotated[
        Path, typer.Option(help="Folder with <world>.safetensors and .parquet.", metavar="DIR")
    ],
    facts: table("Read: facts."),
    counts: table("Read: pair counts."),
    out: Folder,
):
    """What every network knows, alone and with its memories; whether it follows counts."""
    from rote.papers.chain import evaluation, experiment

    known, counted = tables.read(facts), tables.read(counts)
    parts: dict[str, list[pd.DataFrame]] = {}
    first = {}
    for name, width in experiment.networks_of(run.settings):
        here, found = (
            experiment.open_world(worlds / name),
            load(embeddings / f"{name}-{width}.safetensors"),
        )
        of_world = counted[counted["world"] == name]
        networks, spearman = evaluation.evaluate_width(run.settings, here, found, width, of_world)
        parts.setdefault("networks", []).append(networks)
        parts.setdefault("spearman", []).append(spearman)
        if name in first:
            continue
        first[name] = width
        chosen = tables.read(residuals / f"{name}.parquet")
        near = load(residuals / f"{name}.safetensors")
        done = evaluation.evaluate_memories(
            run.settings, here, known, found, near, chosen, run.seed
        )
        for table_name, frame in done.items():
            parts.setdefault(table_name, []).append(frame)
    for table_name, frames in parts.items():
        whole = pd.concat(frames, ignore_index=True)
        tables.write(
            out / f"{table_name}.parquet", whole, schema.TABLES[table_name], run.provenance()
        )


def _checkpoint(run: Job, folder: Path | None, name: str) -> Path | None:
    return folder and folder / f"{name}-{run.code or 'by-hand'}-{run.digest}" / f"{run.seed}.pt"


def _drop(file: Path | None) -> None:
    if file:
        tables.drop(file.parent, "*.pt")
