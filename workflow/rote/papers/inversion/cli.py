"""`rote inversion <verb>`: stylized problems, operators, what a published rate measures, linearized posteriors."""

from pathlib import Path
from typing import Annotated

import typer

from rote import tables
from rote.job import Job
from rote.papers.inversion import schema, settings
from rote.verbs import table, verb

app = typer.Typer(
    name="inversion",
    no_args_is_help=True,
    add_completion=False,
    help="Memorization in learned priors for inverse problems (Siahkoohi, Sabeddu; 2026).",
)

Tables = Annotated[Path, typer.Option(help="Write: a folder of tables.", metavar="DIR")]


@verb(app, settings.Stylized)
def solve_stylized(run: Job, out: Tables):
    """Posteriors of the stylized problems: exact, linearized, and by how many examples they are shared."""
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
    """Check the forward operators: convergence, adjoint, Jacobian, absorbing layers, published models."""
    from rote.papers.inversion import fwi

    tables.write(out, fwi.checks(run.settings, run.seed), schema.Operators, run.provenance())


@verb(app, settings.Models)
def evaluate_rates(run: Job, rates: table("Write: rates."), ratios: table("Write: every ratio.")):
    """What the published memorization rate says of models that no network made."""
    from rote.papers.inversion import fwi

    frames = fwi.rates(run.settings, run.seed)
    for out, frame, model in zip((rates, ratios), frames, (schema.Rates, schema.Ratios), strict=True):
        tables.write(out, frame, model, run.provenance())


@verb(app, settings.Settings)
def solve_linearized(run: Job, out: table("Write: one row per width.")):
    """The posterior of full waveform inversion, linearized at every training example."""
    from rote.papers.inversion import fwi

    frame = fwi.linearized(run.settings.acquisition, run.settings.models, run.seed)
    tables.write(out, frame, schema.Linearized, run.provenance())


@verb(app, settings.Settings)
def simulate_schedules(run: Job, out: table("Write: one row per schedule and quantity.")):
    """Samples of closed-form denoisers under the published noise schedule and one that ends in noise."""
    from rote.papers.inversion import fwi

    frame = fwi.schedules(run.settings.diffusion, run.settings.models, run.seed)
    tables.write(out, frame, schema.Schedules, run.provenance())
