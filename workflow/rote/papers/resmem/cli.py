"""`rote resmem <verb>`: the linear theory, and base, embedding, residuals and evaluation of every
task.
"""

from pathlib import Path
from typing import Annotated

import pandas as pd
import typer

from rote.core import tables
from rote.core.arrays import load, save
from rote.core.errors import InputError
from rote.core.job import Job
from rote.core.verbs import table, verb
from rote.papers.resmem import schema, settings

app = typer.Typer(
    name="resmem",
    no_args_is_help=True,
    add_completion=False,
    help="ResMem: learn what you can and memorize the rest (Yang et al., 2023).",
)

Task = Annotated[str, typer.Option(help="A task, a section of the settings: digits, text, ...")]
Folder = Annotated[Path, typer.Option(help="Write: a folder of tables.", metavar="DIR")]
Bases = Annotated[Path, typer.Option(help="Trained bases.", metavar="SAFETENSORS")]
Embeddings = Annotated[Path, typer.Option(help="Logits and embeddings.", metavar="SAFETENSORS")]
Residuals = Annotated[Path, typer.Option(help="Neighbors of every query.", metavar="SAFETENSORS")]


@verb(app, settings.Theory)
def solve_linear(
    run: Job,
    risks: table("Write: risks without noise."),
    noisy: table("Write: risks under noise."),
    toy: table("Write: the toy problem."),
):
    """The linear model: base, nearest neighbor and ResMem; label noise; a toy in one dimension."""
    from rote.papers.resmem import linear

    tables.write(risks, linear.risks(run.settings, run.seed), schema.Risks, run.provenance())
    tables.write(noisy, linear.noisy(run.settings, run.seed), schema.Noisy, run.provenance())
    tables.write(toy, linear.toy(run.seed), schema.Toy, run.provenance())


@verb(app, settings.Settings)
def train_base(
    run: Job,
    task: Task,
    out: Bases,
    checkpoints: Annotated[
        Path | None, typer.Option(help="Folder for checkpoints.", metavar="DIR")
    ] = None,
    checkpoint_steps: Annotated[int, typer.Option(help="Steps between checkpoints.", min=1)] = 500,
):
    """Train a task's bases, the replicates of each as one stack."""
    from rote.papers.resmem import datasets, language, pictures, regression, tasks

    options = _options(run, task)
    if task in ("pictures", "language"):  # taken as they are
        save(out, (pictures if task == "pictures" else language).bases(options))
        return
    if task == "regression":
        save(out, regression.bases(options, run.seed))
        return
    folder = checkpoints and checkpoints / f"resmem-{task}-{run.code or 'by-hand'}-{run.digest}"
    datas = [
        datasets.data(task, options, run.seed, replicate) for replicate in range(options.replicates)
    ]
    bases = {}
    for number, arm in enumerate(tasks.arms(task, options)):
        file = folder and folder / f"{number}.pt"
        _, weights = tasks.fit(
            task,
            arm,
            options,
            datas,
            run.seed,
            device=run.device,
            checkpoint=file,
            every=checkpoint_steps,
        )
        bases |= {f"{arm.name}/{name}": value.cpu().numpy() for name, value in weights.items()}
    save(out, bases)
    if folder:
        tables.drop(folder, "*.pt")


@verb(app, settings.Settings)
def embed(run: Job, task: Task, bases: Bases, out: Embeddings):
    """Logits and embeddings of training, validation and test inputs under every base."""
    from rote.papers.resmem import experiment, regression

    options, weights = _options(run, task), load(bases)
    if task == "regression":
        save(out, regression.embeddings(options, weights, run.seed))
    else:
        save(out, experiment.embeddings(task, options, weights, run.seed, run.device))


@verb(app, settings.Settings)
def fit_residuals(
    run: Job,
    task: Task,
    embeddings: Embeddings,
    out: Residuals,
    choices: table("Write: settings chosen."),
):
    """Find the neighbors of every query in every memory, and tune ResMem, the memory alone and
    their mixture.
    """
    from rote.papers.resmem import experiment, regression

    options, found, memory = _options(run, task), load(embeddings), run.settings.memory
    if task == "regression":
        near, chosen = regression.neighbors(options, memory, found, run.seed, run.device)
    else:
        near, chosen = experiment.neighbors(task, options, memory, found, run.seed, run.device)
    save(out, near)
    tables.write(choices, chosen, schema.Choices, run.provenance())


@verb(app, settings.Settings)
def evaluate(
    run: Job,
    task: Task,
    embeddings: Embeddings,
    residuals: Residuals,
    choices: table("Read: settings chosen."),
    out: Folder,
):
    """Accuracies, sweeps, calibration and parts of one task (of regression: errors), on test data."""
    from rote.papers.resmem import experiment, regression

    given = (_options(run, task), load(embeddings), load(residuals), tables.read(choices), run.seed)
    alone = task == "regression"
    frames = (
        {"regression": regression.evaluate(*given)} if alone else experiment.evaluate(task, *given)
    )
    for name, frame in frames.items():
        tables.write(out / f"{name}.parquet", frame, schema.TABLES[name], run.provenance())


@verb(app)
def evaluate_tasks(
    run: Job,
    task: Annotated[list[str], typer.Option(help="Tasks that were run.")],
    choices: Annotated[
        Path, typer.Option(help="Folder with <task>.parquet, the settings chosen.", metavar="DIR")
    ],
    evaluations: Annotated[
        Path, typer.Option(help="Folder with a folder of tables per task.", metavar="DIR")
    ],
    out: Folder,
):
    """Put the tasks together."""
    files: dict[str, list[Path]] = {"choices": [choices / f"{one}.parquet" for one in task]}
    for one in task:
        for path in sorted((evaluations / one).glob("*.parquet")):
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

    options, found = run.settings.longtail, load(embeddings)
    frame = extensions.growth(options, load(bases), found, run.seed)
    tables.write(growth, frame, schema.Growth, run.provenance())
    tables.write(
        crossfit, extensions.crossfit(options, found, run.seed), schema.CrossFit, run.provenance()
    )


@verb(app, settings.Settings)
def evaluate_memorization(run: Job, out: table("Write: one row per training image and width.")):
    """Memorization scores by training on random parts, what ResMem stores, and what it adds."""
    from rote.papers.resmem import extensions

    frame = extensions.memorization(run.settings.scores, run.settings.longtail, run.seed)
    tables.write(out, frame, schema.Memorization, run.provenance())


@verb(app, settings.Spurious)
def train_spurious(run: Job, out: table("Write: one row per method and data set.")):
    """A spurious feature: linear base, its memory, memorization-aware training."""
    from rote.papers.resmem import extensions

    tables.write(
        out, extensions.spurious(run.settings, run.seed), schema.Spurious, run.provenance()
    )


def _options(run: Job, task: str):
    from rote.papers.resmem import tasks

    known = (*tasks.TASKS, "regression")
    if task not in known:
        raise InputError(f"--task must be one of {', '.join(known)}, given {task!r}")
    return getattr(run.settings, task)
