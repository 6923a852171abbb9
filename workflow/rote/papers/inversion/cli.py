"""`rote inversion <verb>`: stylized problems, operators, published rates, trained priors, posterior
sampling.
"""

from pathlib import Path
from typing import Annotated

import pandas as pd
import typer

from rote.core import tables
from rote.core.errors import InputError
from rote.core.job import Job
from rote.core.verbs import table, verb
from rote.papers.inversion import schema, settings

app = typer.Typer(
    name="inversion",
    no_args_is_help=True,
    add_completion=False,
    help="Memorization in learned priors for inverse problems (Siahkoohi, Sabeddu; 2026).",
)

Models = Annotated[Path, typer.Option(help="Read: velocity models.", metavar="PARQUET")]
Tables = Annotated[Path, typer.Option(help="Write: a folder of tables.", metavar="DIR")]


@verb(app, settings.Stylized)
def solve_stylized(run: Job, out: Tables):
    """Posteriors of the stylized problems: exact, linearized, and by how many examples they are
    shared.
    """
    from rote.papers.inversion import stylized

    for name in ("measure", "densities", "planes", "components"):
        file = "stylized" if name == "measure" else name
        frame = getattr(stylized, name)(run.settings)
        tables.write(out / f"{file}.parquet", frame, schema.TABLES[file], run.provenance())


@verb(app, settings.Stylized)
def simulate_sampling(run: Job, out: table("Write: means by every method.")):
    """Sample the stylized posteriors by importance sampling and Markov chains, beside quadrature."""
    from rote.papers.inversion import stylized

    tables.write(out, stylized.sample(run.settings, run.seed), schema.Sampling, run.provenance())


@verb(app, settings.Acquisition)
def solve_operators(run: Job, out: table("Write: one row per check.")):
    """Check the forward operators: convergence, adjoint, Jacobian, absorbing layers, published
    models.
    """
    from rote.papers.inversion import fwi

    tables.write(out, fwi.checks(run.settings, run.seed), schema.Operators, run.provenance())


@verb(app, settings.Models)
def synthesize_models(run: Job, out: table("Write: one row per velocity model.")):
    """Draw velocity models: training sets, held-out draws, a pool, and truths."""
    from rote.papers.inversion import library

    tables.write(out, library.synthesize(run.settings), schema.Library, run.provenance())


@verb(app, settings.Models)
def evaluate_rates(
    run: Job, models: Models, rates: table("Write: rates."), ratios: table("Write: every ratio.")
):
    """What the published memorization rate says of models that no network made."""
    from rote.papers.inversion import fwi, library

    frames = fwi.rates(run.settings, library.read(tables.read(models)), run.seed)
    for out, frame, model in zip(
        (rates, ratios), frames, (schema.Rates, schema.Ratios), strict=True
    ):
        tables.write(out, frame, model, run.provenance())


@verb(app, settings.Acquisition)
def solve_linearized(run: Job, models: Models, out: table("Write: one row per width.")):
    """The posterior of full waveform inversion, linearized at every training example."""
    from rote.papers.inversion import fwi, library

    frame = fwi.linearized(run.settings, library.read(tables.read(models)), run.seed)
    tables.write(out, frame, schema.Linearized, run.provenance())


@verb(app, settings.Diffusion)
def simulate_schedules(
    run: Job, models: Models, out: table("Write: one row per schedule and quantity.")
):
    """Samples of closed-form denoisers under the published noise schedule and one that ends in
    noise.
    """
    from rote.papers.inversion import fwi, library

    frame = fwi.schedules(run.settings, library.read(tables.read(models)), run.seed)
    tables.write(out, frame, schema.Schedules, run.provenance())


@verb(app, settings.Networks)
def train_networks(
    run: Job,
    prediction: Annotated[str, typer.Option(help="What the networks predict: clean or noise.")],
    models: Models,
    out: Annotated[Path, typer.Option(help="Write: the networks.", metavar="SAFETENSORS")],
    steps: Annotated[int, typer.Option(help="Diffusion steps.", min=10)] = 200,
    schedule: Annotated[str, typer.Option(help="Noise schedule: paper or zero_snr.")] = "paper",
    checkpoints: Annotated[
        Path | None, typer.Option(help="Folder for checkpoints.", metavar="DIR")
    ] = None,
    checkpoint_steps: Annotated[int, typer.Option(help="Steps between checkpoints.", min=1)] = 500,
):
    """Train score networks on training sets of every size, as one stack."""
    from rote.papers.inversion import fwi, library, networks

    if prediction not in networks.PREDICTIONS:
        raise InputError(
            f"--prediction must be {' or '.join(networks.PREDICTIONS)}, given {prediction!r}"
        )
    folder = (
        checkpoints and checkpoints / f"inversion-{prediction}-{run.code or 'by-hand'}-{run.digest}"
    )
    known, noise = library.read(tables.read(models)), fwi.schedule(schedule, steps, warn=True)
    trained = networks.fit(
        prediction,
        run.settings,
        known,
        noise,
        run.seed,
        device=run.device,
        checkpoints=folder,
        every=checkpoint_steps,
    )
    networks.save(out, trained, known)
    if folder:
        tables.drop(folder, "*.pt")


@verb(app, settings.Waveform)
def evaluate_networks(
    run: Job,
    networks: Annotated[
        list[Path], typer.Option(help="Read: the networks.", metavar="SAFETENSORS")
    ],
    models: Models,
    out: table("Write: one row per network and training set."),
    samples: table("Write: samples nearest to different training models."),
):
    """Which trained priors memorize, beside closed forms that do and that cannot."""
    from rote.papers.inversion import fwi, library
    from rote.papers.inversion.networks import evaluate

    options = run.settings
    noise = fwi.schedule(options.diffusion.schedule, options.diffusion.steps)
    frames = evaluate(networks, options, library.read(tables.read(models)), noise, run.seed)
    for path, frame, model in zip(
        (out, samples), frames, (schema.Networks, schema.PriorSamples), strict=True
    ):
        tables.write(path, frame, model, run.provenance())


@verb(app, settings.Waveform)
def simulate_posteriors(
    run: Job,
    prior: Annotated[str, typer.Option(help="memorized, clean, noise, gaussian or broad.")],
    models: Models,
    samples: table("Write: one row per sample."),
    descents: table("Write: misfits on the way."),
    networks: Annotated[
        Path | None, typer.Option(help="Read: networks, for clean and noise.")
    ] = None,
):
    """Sample the posterior of full waveform inversion under one prior by diffusion posterior
    sampling.
    """
    from rote.papers.inversion import fwi, guidance, library

    if prior not in guidance.PRIORS:
        raise InputError(f"--prior must be one of {', '.join(guidance.PRIORS)}, given {prior!r}")
    if (networks is not None) != (prior in guidance.TRAINED):
        raise InputError(
            f"--networks belongs to the priors {' and '.join(guidance.TRAINED)} alone, --prior is "
            f"{prior}"
        )
    options, known = run.settings, library.read(tables.read(models))
    noise = fwi.schedule(options.diffusion.schedule, options.diffusion.steps)
    frames = guidance.sample(prior, options, known, noise, networks, run.seed, run.threads)
    for out, frame, model in zip(
        (samples, descents), frames, (schema.Samples, schema.Descents), strict=True
    ):
        tables.write(out, frame, model, run.provenance())


@verb(app, settings.Waveform)
def evaluate_posteriors(
    run: Job,
    parts: Annotated[
        Path, typer.Option(help="Folder with samples and descents of every prior.", metavar="DIR")
    ],
    models: Models,
    out: Tables,
):
    """Put the priors together: how near samples are to training models, and the exact posterior
    beside them.
    """
    from rote.papers.inversion import guidance, library

    options, known = run.settings, library.read(tables.read(models))
    for name in ("samples", "descents"):
        frames = [tables.read(parts / f"{name}_{prior}.parquet") for prior in guidance.PRIORS]
        tables.write(
            out / f"{name}.parquet",
            pd.concat(frames, ignore_index=True),
            schema.TABLES[name],
            run.provenance(),
        )
    scores = guidance.scores(tables.read(out / "samples.parquet"), options, known)
    tables.write(out / "scores.parquet", scores, schema.Scores, run.provenance())
    lookups = guidance.lookups(options, known, run.seed)
    tables.write(out / "lookups.parquet", lookups, schema.Lookups, run.provenance())


@verb(app, settings.TimeDomain)
def simulate_time_domain(run: Job, out: table("Write: one row per model.")):
    """The same with acoustic shots: layered models, a memorized and a broad prior."""
    from rote.papers.inversion import time_domain

    tables.write(
        out, time_domain.sample(run.settings, run.seed), schema.TimeDomain, run.provenance()
    )
