"""`rote inversion <verb>`: stylized problems, operators, published rates, priors, posteriors."""

from pathlib import Path
from typing import Annotated

import pandas as pd
import typer

from rote.core import tables
from rote.core.errors import InputError
from rote.core.job import Job
from rote.core.registry import registered
from rote.core.verbs import Checkpoints, CheckpointSteps, resumable, table, verb
from rote.papers.inversion import priors, schema, settings

app = typer.Typer(
    name="inversion",
    no_args_is_help=True,
    add_completion=False,
    help="Memorization in learned priors for inverse problems (Siahkoohi, Sabeddu; 2026).",
)

Models = Annotated[Path, typer.Option(help="Read: velocity models.", metavar="PARQUET")]
OutputFolder = Annotated[Path, typer.Option(help="Write: a folder of tables.", metavar="DIR")]
PREDICTIONS = ", ".join(priors.PREDICTIONS)
PRIORS = ", ".join(priors.PRIORS)


def _write(run: Job, path: Path, name: str, frame: pd.DataFrame) -> None:
    tables.write(path, frame, schema.TABLES[name], run.provenance())


@verb(app, settings.InversionStylized)
def solve_stylized(run: Job, out: OutputFolder):
    """Posteriors of the stylized problems: exact, linearized, and the examples that share them."""
    from rote.papers.inversion import stylized

    for name, frame in stylized.solve(run.settings).items():
        _write(run, out / f"{name}.parquet", name, frame)


@verb(app, settings.InversionStylized)
def simulate_sampling(run: Job, out: table("Write: means by every method.")):
    """Means of the stylized posteriors by importance sampling, chains and quadrature."""
    from rote.papers.inversion import stylized

    _write(run, out, "sampling", stylized.sample(run.settings, run.seed))


@verb(app, settings.InversionAcquisition)
def solve_operators(run: Job, out: table("Write: one row per check.")):
    """Check the forward operators: order of convergence, absorbing layers, propagators."""
    from rote.papers.inversion import operators

    _write(run, out, "operators", operators.checks())


@verb(app, settings.InversionModels)
def synthesize_models(run: Job, out: table("Write: one row per velocity model.")):
    """Draw velocity models: training sets, held-out draws, a pool, and truths."""
    from rote.papers.inversion import library

    _write(run, out, "library", library.synthesize(run.settings))


@verb(app, settings.InversionModels)
def evaluate_rates(
    run: Job, models: Models, rates: table("Write: rates."), ratios: table("Write: every ratio.")
):
    """What the published memorization rate says of models that no network made."""
    from rote.papers.inversion import library
    from rote.papers.inversion import rates as published

    frames = published.rates(run.settings, library.read(tables.read(models)), run.seed)
    _write(run, rates, "rates", frames[0])
    _write(run, ratios, "ratios", frames[1])


@verb(app, settings.InversionAcquisition)
def solve_linearized(run: Job, models: Models, out: table("Write: one row per width.")):
    """The posterior of full waveform inversion, linearized at every training example."""
    from rote.papers.inversion import library, linearized

    frame = linearized.linearized(run.settings, library.read(tables.read(models)), run.seed)
    _write(run, out, "linearized", frame)


@verb(app, settings.InversionWaveform)
def simulate_schedules(
    run: Job, models: Models, out: table("Write: one row per schedule and quantity.")
):
    """Samples of closed-form denoisers under every noise schedule."""
    from rote.papers.inversion import library, schedules

    frame = schedules.effects(run.settings, library.read(tables.read(models)), run.seed)
    _write(run, out, "schedules", frame)


@verb(app, settings.InversionNetworks)
def train_networks(
    run: Job,
    prediction: Annotated[str, typer.Option(help=f"What networks predict: {PREDICTIONS}.")],
    models: Models,
    out: Annotated[Path, typer.Option(help="Write: the networks.", metavar="SAFETENSORS")],
    steps: Annotated[int, typer.Option(help="Diffusion steps.", min=10)] = 200,
    schedule: Annotated[str, typer.Option(help="Noise schedule: paper or zero_snr.")] = "paper",
    checkpoints: Checkpoints = None,
    checkpoint_steps: CheckpointSteps = 500,
):
    """Train score networks on training sets of every size, as one stack."""
    from rote.papers.inversion import library, networks, schedules

    kind = registered(priors.PREDICTIONS, prediction, "--prediction")
    velocity_models = library.read(tables.read(models), run.settings.standardization)
    noise = schedules.for_training(schedule, steps)
    with resumable(run, checkpoints, f"inversion-{prediction}") as folder:
        placement = networks.Placement(run.device, folder, checkpoint_steps)
        trained = networks.fit(kind, run.settings, velocity_models, noise, run.seed, placement)
        networks.save(out, trained, velocity_models)


@verb(app, settings.InversionWaveform)
def evaluate_networks(
    run: Job,
    networks: Annotated[
        list[Path], typer.Option(help="Read: the networks.", metavar="SAFETENSORS")
    ],
    models: Models,
    out: table("Write: one row per prior and training set."),
    samples: table("Write: samples nearest to different training models."),
):
    """Which trained priors memorize, beside closed forms that do and that cannot."""
    from rote.papers.inversion import library, memorization

    velocity_models = library.read(tables.read(models), run.settings.networks.standardization)
    scores, nearest = memorization.evaluate(networks, run.settings, velocity_models, run.seed)
    _write(run, out, "networks", scores)
    _write(run, samples, "prior_samples", nearest)


@verb(app, settings.InversionWaveform)
def simulate_posteriors(
    run: Job,
    prior: Annotated[str, typer.Option(help=f"One of {PRIORS}.")],
    models: Models,
    samples: table("Write: one row per sample."),
    descents: table("Write: misfits on the way."),
    networks: Annotated[
        Path | None, typer.Option(help="Read: networks, for priors that have them.")
    ] = None,
):
    """Sample the posterior of full waveform inversion under one prior, by guided diffusion."""
    from rote.papers.inversion import guidance, library

    chosen = registered(priors.PRIORS, prior, "--prior")
    if (networks is not None) != (chosen.prediction is not None):
        trained = [name for name, entry in priors.PRIORS.items() if entry.prediction]
        raise InputError(
            f"--networks belongs to the priors {' and '.join(trained)} alone, --prior is {prior}"
        )
    velocity_models = library.read(tables.read(models), run.settings.networks.standardization)
    frames = guidance.sample(chosen, run.settings, velocity_models, networks, run.seed, run.threads)
    _write(run, samples, "samples", frames[0])
    _write(run, descents, "descents", frames[1])


@verb(app, settings.InversionWaveform)
def evaluate_posteriors(
    run: Job,
    parts: Annotated[
        Path, typer.Option(help="Folder with samples and descents of every prior.", metavar="DIR")
    ],
    models: Models,
    out: OutputFolder,
):
    """Put the priors together: samples beside training models, and the exact posterior."""
    from rote.papers.inversion import guidance, library, yardsticks

    velocity_models = library.read(tables.read(models), run.settings.networks.standardization)
    frames = {}
    for name in ("samples", "descents"):
        of_priors = [tables.read(parts / f"{name}_{prior}.parquet") for prior in priors.PRIORS]
        frames[name] = pd.concat(of_priors, ignore_index=True)
    frames["samples"] = yardsticks.join(frames["samples"], run.settings, velocity_models, run.seed)
    frames["scores"] = guidance.scores(frames["samples"], run.settings, velocity_models)
    frames["lookups"] = guidance.lookups(run.settings, velocity_models, run.seed)
    for name, frame in frames.items():
        _write(run, out / f"{name}.parquet", name, frame)


@verb(app, settings.InversionTimeDomain)
def simulate_time_domain(run: Job, out: table("Write: one row per model.")):
    """The same with acoustic shots: layered models, a memorized and a broad prior."""
    from rote.papers.inversion import time_domain

    _write(run, out, "time_domain", time_domain.sample(run.settings, run.seed))
