"""`rote claims`: list claims, judge them, and ask what their verdicts rest on."""

from pathlib import Path
from typing import Annotated

import typer

from rote.core import job
from rote.core.errors import InputError
from rote.core.papers import names as paper_names

app = typer.Typer(
    no_args_is_help=True,
    help="List claims, judge one of them, evaluate all of a run, or audit the evidence.",
)

ClaimsFolder = Annotated[
    Path, typer.Option("--claims", help="Folder with <paper>.yaml.", metavar="DIR")
]
ResultsOption = Annotated[Path, typer.Option("--results", help="results/<run>", metavar="DIR")]
Scale = Annotated[
    str | None, typer.Option(help="Scale whose criterion counts; default: that of the run.")
]


@app.command("evaluate")
def claims_evaluate(
    about: Annotated[
        str,
        typer.Option("--run", help="The run's own keys as JSON (run, scale, seed, papers, ...)."),
    ],
    results: Annotated[
        Path,
        typer.Option(help="results/<run>, with one folder of tables per paper.", metavar="DIR"),
    ],
    out: Annotated[Path, typer.Option(help="Write: the ledger.", metavar="PARQUET")],
    folder: ClaimsFolder = Path("workflow/claims"),
    code: Annotated[str, typer.Option(help="Digest of the code, for the provenance.")] = "",
) -> None:
    """Evaluate the claims of every paper of a run and write the ledger."""
    from rote.core import verbs
    from rote.ledger import ledger
    from rote.run import config

    run = verbs.parse(config.Run, about).model_dump()
    with job.start("claims", seed=run["seed"], code=code) as work:
        ledger.write(work, run, folder, results, out)


@app.command("run")
def claims_run(
    claim: Annotated[str, typer.Argument(help="Its id, <paper>.<claim>.", metavar="ID")],
    results: Annotated[Path, typer.Option(help="results/<run>", metavar="DIR")] = Path(
        "results/laptop"
    ),
    scale: Annotated[
        str | None, typer.Option(help="Scale whose criterion counts; default: that of the run.")
    ] = None,
    folder: ClaimsFolder = Path("workflow/claims"),
) -> None:
    """Judge one claim from a run's tables: values, intervals, verdicts, and where it is defined."""
    from rote.report import claim as claims

    claims.show(claims.find(claim, folder), results, scale)


@app.command("list")
def claims_list(
    paper: Annotated[str | None, typer.Argument(help="Only this paper's.")] = None,
    folder: ClaimsFolder = Path("workflow/claims"),
) -> None:
    """List the ids of all claims, or of one paper's, each with its sentence."""
    from rote.report import claim as claims

    for definition in claims.load([paper] if paper else paper_names(), folder).values():
        typer.echo(f"{definition.claim.id}  {definition.claim.says}")


@app.command("audit")
def claims_audit(
    results: Annotated[Path, typer.Argument(help="results/<run>", metavar="RESULTS")],
    scale: Scale = None,
    least: Annotated[
        int | None,
        typer.Option(help="Replicates that a verdict needs, instead of each claim's own minimum."),
    ] = None,
    folder: ClaimsFolder = Path("workflow/claims"),
) -> None:
    """Judge every claim on tables as they look if it is false; exit with 1 if one still passes."""
    from rote.report import evidence

    audited = evidence.audit(results, folder, scale, least)
    evidence.show_audit(audited)
    if audited["passes"].any():
        raise InputError("audit: a claim that its null fulfils says nothing; see the list above")


@app.command("coverage")
def claims_coverage(
    draws: Annotated[int, typer.Option(help="Samples for each number.", min=100)] = 2000,
    seed: Annotated[int, typer.Option(help="Of the draws.")] = 0,
    out: Annotated[
        Path | None, typer.Option(help="Write: the numbers behind it.", metavar="CSV")
    ] = None,
) -> None:
    """Measure how often the ledger's 95 % intervals hold the truth, by method and distribution."""
    from rote.core import tables
    from rote.ledger import coverage

    measured = coverage.measure(draws=draws, seed=seed)
    typer.echo(coverage.markdown(measured))
    if out:
        with tables.atomic(out) as temporary:
            measured.to_csv(temporary, index=False)


@app.command("stability")
def claims_stability(
    runs: Annotated[
        list[Path],
        typer.Argument(help="Ledgers of runs with different seeds (.parquet or published .csv)."),
    ],
) -> None:
    """Show which verdicts move between runs that differ in their seed."""
    from rote.report import evidence, published

    ledgers = [published.read(path) for path in runs]
    evidence.show_stability(evidence.stability(ledgers, [str(path) for path in runs]))


@app.command("publish")
def claims_publish(
    results: Annotated[Path, typer.Argument(help="results/<run>", metavar="RESULTS")],
    name: Annotated[
        str, typer.Option(help="Of the file in docs/published/; `ledger` is the one quoted.")
    ] = "ledger",
    root: Annotated[Path, typer.Option(help="Root of the repository.")] = Path("."),
) -> None:
    """Keep a run's ledger in the repository, and take the numbers in README and docs from it."""
    from rote.report import published

    typer.echo(published.keep(results / "claims.parquet", name, root))
    for path in published.fill(root):
        typer.echo(path)


@app.command("fill")
def claims_fill(
    root: Annotated[Path, typer.Option(help="Root of the repository.")] = Path("."),
) -> None:
    """Take the numbers in README and docs from the published ledger."""
    from rote.report import published

    for path in published.fill(root):
        typer.echo(path)
