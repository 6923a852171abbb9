"""`rote`: one command per verb of every paper, and the verbs that serve all papers.

`rote <paper> <verb>` is what the rules call and what people type; it needs no Snakemake. A paper's
commands are loaded only when asked for.
"""

import gc
import logging
import os
import sys
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer
import typer.core

from rote.core import job
from rote.core.errors import InputError
from rote.core.papers import load as load_paper
from rote.core.papers import names as paper_names

log = logging.getLogger("rote")
GROUPS = {"ngrams": "rote.ngrams.cli"}  # commands of capabilities, loaded when asked for


class _Papers(typer.core.TyperGroup):
    """The commands of this module, one group per paper, and those of `GROUPS`."""

    def list_commands(self, ctx: typer.Context) -> list[str]:
        return [*super().list_commands(ctx), *GROUPS, *paper_names()]

    def get_command(self, ctx: typer.Context, name: str):
        if name in GROUPS:
            return typer.main.get_command(import_module(GROUPS[name]).app)
        if name in paper_names():
            return typer.main.get_command(load_paper(name, "cli").app)
        return super().get_command(ctx, name)

    def resolve_command(self, ctx: typer.Context, args: list[str]):
        known = self.list_commands(ctx)
        if args and args[0] not in known:
            near = get_close_matches(args[0], known, 1)
            hint = f" Did you mean '{near[0]}'?" if near else ""
            ctx.fail(f"No such command or paper '{args[0]}'.{hint} Known: {', '.join(known)}.")
        return super().resolve_command(ctx, args)


app = typer.Typer(
    cls=_Papers,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
    add_completion=False,
    help="Re-derive what seven papers claim about memorization and generalization. "
    "`rote <paper> --help` lists a paper's verbs.",
)
config_app = typer.Typer(no_args_is_help=True, help="Check, show or regenerate the configuration.")
report_app = typer.Typer(no_args_is_help=True, help="Notebooks and pages of the report.")
app.add_typer(config_app, name="config")
app.add_typer(report_app, name="report")

ConfigFile = Annotated[
    Path | None, typer.Option("--config", help="Config file or overlay; default: all defaults.")
]
RunJson = Annotated[
    str, typer.Option("--run", help="The run's own keys as JSON (run, scale, seed, papers, ...).")
]
Log = Annotated[bool, typer.Option("--verbose", "-v", help="Also show debug lines.")]


@app.callback()
def _options(verbose: Log = False) -> None:
    job.configure_log(verbose)


@config_app.command("check")
def config_check(path: Annotated[Path, typer.Argument(help="Config file or overlay.")]) -> None:
    """Check a config file: every wrong key is named, with what is allowed and the nearest valid
    key.
    """
    from rote.run import config

    settings = config.load(path)
    typer.echo(
        f"{path}: fine (run {settings.run!r}, scale {settings.scale!r}, papers "
        f"{', '.join(settings.papers)})"
    )


@config_app.command("show")
def config_show(path: ConfigFile = None) -> None:
    """Print the complete configuration that a file stands for, defaults filled in."""
    import yaml

    from rote.run import config

    typer.echo(yaml.safe_dump(config.load(path).model_dump(), sort_keys=False, width=110), nl=False)


@config_app.command("write")
def config_write(
    root: Annotated[Path, typer.Option(help="Root of the repository.")] = Path("."),
) -> None:
    """Regenerate the files that the config and table models describe: config/*.yaml and
    workflow/schemas/*.json.
    """
    from rote.core import tables
    from rote.report import generated

    for name, text in generated.files().items():
        with tables.atomic(root / name) as temporary:
            temporary.write_text(text)
        typer.echo(name)


@app.command()
def doctor() -> None:
    """Look at this machine: versions, disk, memory, devices, Slurm; and say what to do about what
    is missing.
    """
    from rote.report import start

    marks = {"fine": "ok     ", "note": "note   ", "problem": "PROBLEM"}
    problems = 0
    for finding in start.examine(Path(".")):
        typer.echo(
            f"{marks[finding.state]}  {finding.what}"
            + (f"\n         {finding.advice}" if finding.advice else "")
        )
        problems += finding.state == "problem"
    if problems:
        raise InputError(f"{problems} of these need something done first")


@app.command()
def init(
    name: Annotated[
        str, typer.Argument(help="Name of the study: of its run, and of the file <name>.yaml.")
    ],
) -> None:
    """Write a small config of your own, with comments."""
    from rote.report import start

    path = Path(f"{name}.yaml")
    start.new_config(name, path)
    typer.echo(f"{path}: edit it, then snakemake --cores all --configfile {path}")


@app.command("new-paper")
def new_paper(
    name: Annotated[str, typer.Argument(help="Its short name, in lower case.")],
    title: Annotated[str, typer.Option(help="Its title.")] = "A new paper",
    root: Annotated[Path, typer.Option(help="Root of the repository.")] = Path("."),
) -> None:
    """Write the files of a new paper, from settings to notebook; its smoke run passes at once."""
    from rote.report import start

    for path in start.new_paper(name, title, root):
        typer.echo(path)
    typer.echo(
        "Next: rote config write, then snakemake --cores all --configfile config/smoke.yaml -- "
        f"{name}"
    )


@app.command()
def draw(
    paper: Annotated[str, typer.Option(help="Paper whose figures to draw.")],
    results: Annotated[Path, typer.Option(help="Folder with the paper's tables.", metavar="DIR")],
    out: Annotated[Path, typer.Option(help="Folder for the figures (PNG and PDF).", metavar="DIR")],
    figure: Annotated[
        list[str] | None, typer.Option(help="Draw only this figure; may be repeated.")
    ] = None,
) -> None:
    """Draw a paper's figures from its tables, as PNG and PDF."""
    from rote import plotting

    with job.start(f"draw {paper}"):
        plotting.draw(paper, results, out, figure)


@app.command()
def claims(
    about: RunJson,
    results: Annotated[
        Path,
        typer.Option(help="results/<run>, with one folder of tables per paper.", metavar="DIR"),
    ],
    out: Annotated[Path, typer.Option(help="Write: the ledger.", metavar="PARQUET")],
    folder: Annotated[
        Path, typer.Option("--claims", help="Folder with <paper>.yaml.", metavar="DIR")
    ] = Path("workflow/claims"),
    code: Annotated[str, typer.Option(help="Digest of the code, for the provenance.")] = "",
) -> None:
    """Evaluate the claims of every paper of a run and write the ledger."""
    from rote.ledger import ledger

    run = _run(about)
    with job.start("claims", seed=run["seed"], code=code) as work:
        ledger.write(work, run, folder, results, out)


@app.command()
def prune(
    losses: Annotated[
        Path, typer.Option(help="Table with columns id, loss and perhaps count (Parquet or CSV).")
    ],
    out: Annotated[
        Path,
        typer.Option(help="Write: the kept rows, copies to use as `count`.", metavar="PARQUET"),
    ],
    keep: Annotated[
        float | None,
        typer.Option(help="Share of the examples to keep, in (0, 1]; default: automatic."),
    ] = None,
    scheme: Annotated[str, typer.Option(help="none, random, loss or loss-flat.")] = "loss",
    seed: Annotated[int, typer.Option(help="Seed for ties and random choices.", min=0)] = 1,
) -> None:
    """Prune any data set by the losses of a trained model: fewer examples, and with loss-flat
    flatter frequencies.
    """
    import pandas as pd

    from rote import prune as pruning
    from rote.core import tables

    with job.start("prune", seed=seed):
        try:
            frame = pd.read_csv(losses) if losses.suffix == ".csv" else tables.read(losses)
        except ValueError as error:
            raise InputError(f"{losses} cannot be read as a table: {error}") from error
        kept = pruning.table(frame, keep, scheme=scheme, seed=seed, where=str(losses))
        with tables.atomic(out) as temporary:
            kept.to_parquet(temporary, index=False)
        log.info("kept %d of %d examples: %s", len(kept), len(frame), out)


@app.command("ledger")
def show_ledger(
    path: Annotated[Path, typer.Argument(help="A ledger, results/<run>/claims.parquet.")],
    strict: Annotated[
        bool, typer.Option(help="Exit with 1 unless every claim is reproduced.")
    ] = False,
    markdown: Annotated[bool, typer.Option(help="Print Markdown tables.")] = False,
) -> None:
    """Print a ledger as a table; with --strict, fail unless every judged claim is reproduced."""
    from rote.ledger import ledger

    if markdown:
        typer.echo(ledger.markdown(path))
    else:
        ledger.show(path)
    if strict:
        ledger.require_all(path)


@app.command()
def plan(
    configfile: Annotated[
        Path | None,
        typer.Option(
            help="Config file of the run, e.g. config/paper.yaml; default: the laptop scale."
        ),
    ] = None,
    device_tflops: Annotated[
        float | None,
        typer.Option(
            help="What one of your devices sustains in these jobs, in 1e12 operations/s.", min=1e-3
        ),
    ] = None,
    rules: Annotated[
        bool, typer.Option("--rules", help="One line per rule instead of one per paper.")
    ] = False,
    refit: Annotated[
        bool,
        typer.Option(
            "--refit", help="First fit the model to the smoke and laptop runs that are in results/."
        ),
    ] = False,
) -> None:
    """Say what a run will cost before it starts: jobs, hours on cores and devices, memory, disk,
    per paper.
    """
    from rote.run import config, costs

    if refit:
        with_tables = costs.measure()
        with_tables.to_csv(costs.MEASURED, sep="\t", index=False, float_format="%.6g")
        typer.echo(f"{costs.MEASURED}: {len(with_tables)} measured jobs")
    costs.show(
        config.load(configfile), configfile, device_tflops and device_tflops * 1e12, by_rule=rules
    )


@app.command()
def profile(
    results: Annotated[
        Path, typer.Argument(help="results/<run> of a finished run.", metavar="DIR")
    ],
    cores: Annotated[
        int | None,
        typer.Option(help="Cores that the run had; default: those of this machine.", min=1),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Write: the chart (PNG, PDF or SVG); default: reports/<run>/profile.png."
        ),
    ] = None,
) -> None:
    """Where a run's time went: a Gantt chart, the critical path, idle cores, and what starting jobs
    costs.
    """
    from rote.run import profile as profiling

    found = profiling.read(results)
    profiling.show(found, cores or os.cpu_count() or 1)
    chart = out or Path("reports") / results.resolve().name / "profile.png"
    profiling.draw(found, chart)
    typer.echo(f"Chart: {chart}")


@app.command()
def verify(
    results: Annotated[Path, typer.Argument(help="results/<run>", metavar="DIR")],
    threads: Annotated[int, typer.Option(help="Files hashed at a time.", min=1)] = 1,
) -> None:
    """Hash a run's files again and say what changed, is missing, or was added since; exit with 1 if
    anything did.
    """
    from rote.run import manifest

    changes = manifest.verify(results, threads)
    for change in changes:
        typer.echo(f"{change.kind}: {change.path}: {change.message}")
    if changes:
        raise InputError(
            f"{results} is not as its run left it: {len(changes)} differences; to accept what is "
            "there: "
            f"snakemake --force {results / manifest.NAME}"
        )
    typer.echo(
        f"{results}: all {len(manifest.read(results)['files'])} files are as the run left them"
    )


@app.command()
def compare(
    a: Annotated[str, typer.Argument(help="A run: its name, or results/<run>.")],
    b: Annotated[str, typer.Argument(help="The other run.")],
    out: Annotated[
        Path | None,
        typer.Option(help="Write: a page with the claims side by side.", metavar="HTML"),
    ] = None,
    every: Annotated[
        bool,
        typer.Option("--every", help="Print every column that differs, not each table's worst."),
    ] = False,
    strict: Annotated[
        bool, typer.Option(help="Exit with 1 if a table differs beyond its tolerance.")
    ] = False,
) -> None:
    """Compare two runs: tables cell by cell, within the tolerances between machines, and claims
    side by side.
    """
    from rich.console import Console
    from rich.table import Table

    from rote.report import compare as comparison

    first, second = comparison.folder(a), comparison.folder(b)
    found = comparison.cells(first, second)
    shown = found[found["verdict"] != "equal"] if every else comparison.summary(found)
    printed = Table(title=f"{first} and {second}", title_justify="left")
    for name in ("table", "column", "cells", "differing", "difference", "tolerance", "verdict"):
        printed.add_column(name, overflow="fold")
    for row in shown.itertuples():
        size = f"{row.largest:.2g}" if row.differing else ""
        cells = (
            f"{row.paper}/{row.table}",
            row.column if row.differing else "",
            f"{row.cells:,}",
            f"{row.differing:,}",
        )
        printed.add_row(*cells, size, f"{row.tolerance:.2g}", row.verdict)
    console = Console(width=max(Console().width, 120))
    console.print(printed)
    counts = comparison.summary(found)["verdict"].value_counts()
    console.print(
        "Tables: " + ", ".join(f"{counts[v]} {v}" for v in comparison.VERDICTS if v in counts)
    )
    if all((run / "claims.parquet").exists() for run in (first, second)):
        side = comparison.ledgers(first, second)
        console.print(f"Claims: {int(side['agree'].sum())} of {len(side)} conditions agree")
        for row in side[~side["agree"]].itertuples():
            console.print(
                f"  {row.claim} ({row.condition}): {row.verdict_a}, {row.verdict_b}",
                highlight=False,
            )
    if out:
        comparison.page(first, second, out)
        console.print(f"Page: {out}")
    failed = comparison.summary(found)["verdict"].isin(comparison.FAILED)
    if strict and failed.any():
        raise InputError(
            f"{int(failed.sum())} of {len(failed)} tables differ beyond their tolerance; see above"
        )


@report_app.command("manifest")
def report_manifest(
    config: Annotated[str, typer.Option(help="The complete configuration as JSON.")],
    results: Annotated[Path, typer.Option(help="results/<run>", metavar="DIR")],
    snakefile: Annotated[
        Path, typer.Option(help="The workflow's entry file, copied beside the results.")
    ],
    records: Annotated[Path, typer.Option(help="Snakemake's records of outputs.")] = Path(
        ".snakemake/metadata"
    ),
    threads: Annotated[int, typer.Option(help="Files hashed at a time.", min=1)] = 1,
) -> None:
    """List every file of a run with digest, rule, inputs, settings and times: MANIFEST.json and an
    RO-Crate.
    """
    from rote.core import verbs
    from rote.run import config as configuration
    from rote.run import manifest

    with job.start("report manifest", threads=threads):
        values = verbs.parse(configuration.model(), config).model_dump(mode="json")
        manifest.write(results, values, snakefile, records, threads)


@report_app.command("devices")
def report_devices(
    out: Annotated[Path, typer.Option(help="Write: the measurements.", metavar="TSV")],
    threads: Annotated[int, typer.Option(help="Threads to compute with.", min=1)] = 1,
    gpus: Annotated[int, typer.Option(help="Devices to lease; 0 measures the CPU.", min=0)] = 0,
) -> None:
    """Measure what the device of a run does, and which share of its peak training and search reach."""
    import pandas as pd

    from rote.core import tables
    from rote.run import devices

    with (
        job.start("report devices", threads=threads, gpus=gpus) as work,
        tables.atomic(out) as temporary,
    ):
        frame = pd.DataFrame(devices.measure(work.device))
        frame.to_csv(temporary, sep="\t", index=False, float_format="%.4g")


@report_app.command("notebook")
def report_notebook(
    paper: Annotated[str, typer.Option(help="Paper.")],
    source: Annotated[Path, typer.Option(help="The parameterized notebook.")],
    results: Annotated[Path, typer.Option(help="results/<run>", metavar="DIR")],
    out: Annotated[Path, typer.Option(help="The executed notebook.")],
) -> None:
    """Execute a paper's notebook on a run's tables; the result is byte-stable."""
    from rote.report import notebook

    with job.start(f"notebook {paper}"):
        notebook.execute(source, out, {"run": results.name, "results": str(results)})


@report_app.command("page")
def report_page(
    paper: Annotated[str, typer.Option(help="Paper.")],
    notebook_path: Annotated[Path, typer.Option("--notebook", help="The executed notebook.")],
    out: Annotated[Path, typer.Option(help="The HTML page.")],
) -> None:
    """Turn an executed notebook into one self-contained HTML page."""
    from rote.report import pages

    with job.start(f"page {paper}"):
        pages.paper(paper, notebook_path, out)


@report_app.command("site")
def report_site(
    about: RunJson,
    results: Annotated[Path, typer.Option(help="results/<run>", metavar="DIR")],
    out: Annotated[Path, typer.Option(help="The report's folder, reports/<run>.", metavar="DIR")],
) -> None:
    """Write the pages that span the papers: overview, claims, figures, methods; and the files they
    link to.
    """
    from rote.report import pages

    with job.start("report site"):
        pages.site(_run(about), results, out)


def _run(text: str) -> dict:
    from rote.core import verbs
    from rote.run import config

    return verbs.parse(config.Run, text).model_dump()


def main() -> None:
    """Entry point: what a user can put right is one line on stderr and exit code 1; ROTE_DEBUG=1
    shows tracebacks.
    """
    gc.set_threshold(
        200_000, 20, 20
    )  # imports make much that stays: else a quarter of a start is looking for garbage
    try:
        app()
    except (InputError, ArithmeticError, MemoryError, OSError) as error:
        if os.environ.get("ROTE_DEBUG"):
            raise
        sys.exit(f"rote: error: {_one_line(error)}")


def _one_line(error: Exception) -> str:
    if isinstance(error, MemoryError):
        return (
            f"out of memory ({error}); lower the sizes in the config or run on a machine with more"
        )
    if isinstance(error, OSError):
        where = f" {error.filename}" if error.filename else ""
        return (
            f"{error.strerror or error}:{where}; free space or permission there is missing, or "
            "the path is wrong"
        )
    return str(error)


if __name__ == "__main__":
    main()
