"""`rote claims`: list claims, judge them, and ask what their verdicts rest on."""

from pathlib import Path
from typing import Annotated

import typer

from rote.core import job, runs
from rote.core.errors import InputError
from rote.core.papers import names as paper_names
from rote.core.section import Scale
from rote.core.verbs import RunFolder, RunOption, result

app = typer.Typer(
    no_args_is_help=True,
    help="List claims, judge one or all of a paper or a run, or audit the evidence.",
)

ClaimsFolder = Annotated[
    Path, typer.Option("--claims", help="Folder with <paper>.yaml.", metavar="DIR")
]
ScaleOption = Annotated[
    Scale | None, typer.Option(help="Scale whose criterion counts; default: that of the run.")
]


@app.command("evaluate")
def claims_evaluate(
    claims: Annotated[Path, typer.Option(help="The paper's claims file.", metavar="YAML")],
    scale: Annotated[Scale, typer.Option(help="Whose criteria count.")],
    folder: Annotated[
        Path, typer.Option("--tables", help="Folder of the paper's tables.", metavar="DIR")
    ],
    out: Annotated[Path, typer.Option(help="Write: the paper's ledger.", metavar="PARQUET")],
    finding: Annotated[
        Path, typer.Option(help="Write: what the ledger says in one line.", metavar="TXT")
    ],
    basis: Annotated[
        Path,
        typer.Option(help="Write: replicates, tables and code of each claim.", metavar="JSON"),
    ],
    seed: Annotated[int, typer.Option(help="Of the run, for the provenance.")] = 1,
    code: Annotated[str, typer.Option(help="Digest of the code, for the provenance.")] = "",
) -> None:
    """Judge the claims of one paper and write its ledger."""
    from rote.core import tables
    from rote.ledger import ledger, text
    from rote.report import replicates

    with job.start(f"claims {claims.stem}", seed=seed, code=code) as work:
        frame = ledger.write(work, claims, scale, folder, out)
        replicates.write(claims, scale, folder, basis)
        with tables.atomic(finding) as temporary:
            temporary.write_text(text.finding(frame) + "\n", "utf-8")


@app.command("join")
def claims_join(
    results: Annotated[
        Path, typer.Option(help="results/<run>, with claims/<paper>.parquet.", metavar="DIR")
    ],
    papers: Annotated[
        list[str], typer.Option("--paper", help="A paper of the run; may be repeated.")
    ],
    out: Annotated[Path, typer.Option(help="Write: the ledger of the run.", metavar="PARQUET")],
    seed: Annotated[int, typer.Option(help="Of the run, for the provenance.")] = 1,
    code: Annotated[str, typer.Option(help="Digest of the code, for the provenance.")] = "",
) -> None:
    """Join the papers' ledgers into that of the run."""
    from rote import ledger
    from rote.core import tables

    with job.start("claims", seed=seed, code=code) as work:
        tables.write(out, ledger.join(results, papers), ledger.Ledger, work.provenance())


@app.command("run")
def claims_run(
    claim: Annotated[
        str,
        typer.Argument(
            help="Its id, <paper>.<claim>.", metavar="ID", autocompletion=runs.complete_claims
        ),
    ],
    results: RunOption = Path("results/laptop"),
    scale: ScaleOption = None,
    folder: ClaimsFolder = Path("workflow/claims"),
) -> None:
    """Judge one claim from a run's tables: values, intervals, verdicts, and where it is defined."""
    from rote.report import claim as claims

    claims.show(claims.find(claim, folder), runs.folder(results), scale)


@app.command("list")
def claims_list(
    paper: Annotated[
        str | None, typer.Argument(help="Only this paper's.", autocompletion=paper_names)
    ] = None,
    folder: ClaimsFolder = Path("workflow/claims"),
) -> None:
    """List the ids of all claims, or of one paper's, each with its sentence."""
    from rote.report import claim as claims

    for definition in claims.load([paper] if paper else paper_names(), folder).values():
        typer.echo(f"{definition.claim.id}  {definition.claim.says}")


@app.command("audit")
def claims_audit(
    results: RunFolder,
    scale: ScaleOption = None,
    min_replicates: Annotated[
        int | None,
        typer.Option(help="Replicates that a verdict needs, instead of each claim's own minimum."),
    ] = None,
    folder: ClaimsFolder = Path("workflow/claims"),
) -> None:
    """Judge every claim on tables as they look if it is false; exit with 1 if one still passes."""
    from rote.report import evidence

    audited = evidence.audit(results, folder, scale, min_replicates)
    evidence.show_audit(audited)
    if audited["passes"].any():
        raise InputError("audit: a claim that its null fulfils says nothing; see the list above")


@app.command("coverage")
def claims_coverage(
    draws: Annotated[int, typer.Option(help="Samples for each number.", min=100)] = 2000,
    seed: Annotated[int, typer.Option(help="Of the draws.")] = 0,
    out: Annotated[Path | None, result("Write: the numbers behind it.")] = None,
) -> None:
    """Measure how often the ledger's 95 % intervals hold the truth, by method and distribution."""
    from rote.core import tables
    from rote.ledger import coverage

    measured = coverage.measure(draws=draws, seed=seed)
    typer.echo(coverage.markdown(measured))
    if out:
        tables.export(out, measured)


@app.command("stability")
def claims_stability(
    ledgers: Annotated[
        list[Path],
        typer.Argument(
            help="Runs with different seeds: names, folders, or ledgers (.parquet, .csv).",
            metavar="RUN...",
            callback=lambda paths: list(map(runs.ledger, paths)),
            autocompletion=runs.names,
        ),
    ],
) -> None:
    """Show which verdicts move between runs that differ in their seed."""
    from rote.report import evidence, published

    frames = list(map(published.read, ledgers))
    evidence.show_stability(evidence.stability(frames, list(map(str, ledgers))))


@app.command("publish")
def claims_publish(
    results: RunFolder,
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
