"""`rote resmem <verb>`: linear theory; base, embedding, residuals, evaluation of every task."""

from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import typer

from rote.core import tables
from rote.core.arrays import load, save
from rote.core.job import Job
from rote.core.verbs import Checkpoints, CheckpointSteps, resumable, table, verb
from rote.papers.resmem import schema, sections, settings, tasks
from rote.papers.resmem.task import ResmemTask, TrainingRun

app = typer.Typer(
    name="resmem",
    no_args_is_help=True,
    add_completion=False,
    help="ResMem: learn what you can and memorize the rest (Yang et al., 2023).",
)

Task = Annotated[str, typer.Option(help="A task, a section of the settings: digits, text, ...")]
Tasks = Annotated[list[str], typer.Option(help="Tasks that were run.")]
Folder = Annotated[Path, typer.Option(help="Write: a folder of tables.", metavar="DIR")]
Bases = Annotated[Path, typer.Option(help="Trained bases.", metavar="SAFETENSORS")]
Embeddings = Annotated[Path, typer.Option(help="Logits and embeddings.", metavar="SAFETENSORS")]
Residuals = Annotated[Path, typer.Option(help="Neighbors of every query.", metavar="SAFETENSORS")]
ChoicesFolder = Annotated[
    Path, typer.Option(help="Folder with <task>.parquet, the settings chosen.", metavar="DIR")
]
Evaluations = Annotated[
    Path, typer.Option(help="Folder with a folder of tables per task.", metavar="DIR")
]


@verb(app, sections.ResmemTheory)
def solve_linear(
    run: Job,
    risks: table("Write: risks without noise."),
    noisy: table("Write: risks under noise."),
    toy: table("Write: the toy problem."),
):
    """The linear model: base, nearest neighbor and ResMem; label noise; a toy in one dimension."""
    from rote.papers.resmem import linear

    frame = linear.risks(run.settings, run.seed)
    tables.write(risks, frame, schema.ResmemRisks, run.provenance())
    frame = linear.noisy_risks(run.settings, run.seed)
    tables.write(noisy, frame, schema.ResmemNoisyRisks, run.provenance())
    tables.write(toy, linear.toy(run.seed), schema.ResmemToy, run.provenance())


@verb(app, settings.Settings)
def train_base(
    run: Job,
    task: Task,
    out: Bases,
    checkpoints: Checkpoints = None,
    checkpoint_steps: CheckpointSteps = 500,
):
    """Train a task's bases, the replicates of each as one stack."""
    from rote.papers.resmem import training

    selected, options = _selected(run, task)
    with resumable(run, checkpoints, f"resmem-{task}") as folder:
        where = TrainingRun(run.seed, run.device, folder, checkpoint_steps)
        save(out, selected.steps_or(training).bases(selected, options, where))


@verb(app, settings.Settings)
def embed(run: Job, task: Task, bases: Bases, out: Embeddings):
    """Logits and embeddings of training, validation and test inputs under every base."""
    from rote.papers.resmem import embedding

    selected, options = _selected(run, task)
    steps = selected.steps_or(embedding)
    save(out, steps.embeddings(selected, options, load(bases), run.seed, run.device))


@verb(app, settings.Settings)
def fit_residuals(
    run: Job,
    task: Task,
    embeddings: Embeddings,
    out: Residuals,
    choices: table("Write: settings chosen."),
):
    """Find every query's neighbors per memory; tune ResMem, memory alone and interpolation."""
    from rote.papers.resmem import residuals

    selected, options = _selected(run, task)
    arrays, frame = selected.steps_or(residuals).neighbors(
        selected, options, run.settings.memory, load(embeddings), run.seed, run.device
    )
    save(out, arrays)
    tables.write(choices, frame, schema.ResmemChoices, run.provenance())


@verb(app, settings.Settings)
def evaluate(
    run: Job,
    task: Task,
    embeddings: Embeddings,
    residuals: Residuals,
    choices: table("Read: settings chosen."),
    out: Folder,
):
    """Accuracies, sweeps, calibration and parts of one task (of regression: errors), test data."""
    from rote.papers.resmem import evaluation

    selected, options = _selected(run, task)
    frames = selected.steps_or(evaluation).evaluate(
        selected, options, load(embeddings), load(residuals), tables.read(choices), run.seed
    )
    for name, frame in frames.items():
        tables.write(out / f"{name}.parquet", frame, schema.TABLES[name], run.provenance())


@verb(app)
def evaluate_tasks(
    run: Job, task: Tasks, choices: ChoicesFolder, evaluations: Evaluations, out: Folder
):
    """Put the tasks together."""
    for name in task:
        tasks.get(name)  # or the error that names the tasks
    files: dict[str, list[Path]] = {"choices": [choices / f"{name}.parquet" for name in task]}
    for name in task:
        for path in sorted((evaluations / name).glob("*.parquet")):
            files.setdefault(path.stem, []).append(path)
    for name, paths in files.items():
        frame = pd.concat([tables.read(path) for path in paths], ignore_index=True)
        tables.write(out / f"{name}.parquet", frame, schema.TABLES[name], run.provenance())


@verb(app, settings.Settings)
def evaluate_growth(
    run: Job,
    bases: Bases,
    embeddings: Embeddings,
    growth: table("Write: growing memories and budgets."),
    crossfit: table("Write: cross-fitted residuals."),
):
    """A memory that grows, one on a budget, and residuals of bases that did not see the row."""
    from rote.papers.resmem import extensions

    options, arrays = run.settings.longtail, load(embeddings)
    frame = extensions.growth(options, load(bases), arrays, run.seed)
    tables.write(growth, frame, schema.ResmemGrowth, run.provenance())
    frame = extensions.crossfit(options, arrays, run.seed)
    tables.write(crossfit, frame, schema.ResmemCrossFit, run.provenance())


@verb(app, settings.Settings)
def evaluate_memorization(run: Job, out: table("Write: one row per training image and width.")):
    """Memorization scores by training on random parts, what ResMem stores, and what it adds."""
    from rote.papers.resmem import extensions

    frame = extensions.memorization(run.settings.scores, run.settings.longtail, run.seed)
    tables.write(out, frame, schema.ResmemMemorization, run.provenance())


@verb(app, sections.ResmemSpurious)
def train_spurious(run: Job, out: table("Write: one row per method and data set.")):
    """A spurious feature: linear base, its memory, memorization-aware training."""
    from rote.papers.resmem import spurious

    frame = spurious.accuracies(run.settings, run.seed)
    tables.write(out, frame, schema.ResmemSpuriousAccuracy, run.provenance())


def _selected(run: Job, name: str) -> tuple[ResmemTask, Any]:
    """The task that an option names, and its section of the settings."""
    task = tasks.get(name)
    return task, getattr(run.settings, name)
