"""`rote`: one command per verb of every paper, and the verbs that serve all papers.

`rote <paper> <verb>` is what the rules call and what people type; it needs no Snakemake. A paper's
commands are loaded only when asked for. A verb here reads its inputs, calls the module that does
the work, and prints or writes the result.
"""

import gc
import logging
import os
import re
import sys
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer
import typer.core

from rote.core import environment, exports, job, runs
from rote.core.errors import InputError
from rote.core.papers import about
from rote.core.papers import load as load_paper
from rote.core.papers import names as paper_names
from rote.core.section import nearest
from rote.core.verbs import PaperName, RunFolder, known_paper, result
from rote.report import tools_cli

log = logging.getLogger("rote")
_INTERRUPTED = 130  # exit code of what Ctrl-C ends
# groups of commands that are loaded when asked for: their modules, and what the list says of them
GROUPS = {
    "claims": ("rote.report.claims_cli", "List and judge claims, or audit the evidence."),
    "config": ("rote.report.config_cli", "Check, show or regenerate the configuration."),
    "invert": ("rote.invert.cli", "Invert a velocity model of your own under a prior."),
    "memorized": ("rote.invert.memorized_cli", "Is a set of samples memorized?"),
    "ngrams": ("rote.ngrams.cli", "Count n-grams and n-gram pairs in your own texts."),
    "report": ("rote.report.cli", "The pages of the report."),
}


class _LazyGroup(typer.core.TyperGroup):
    """The commands of this module, one group per paper, and those of `GROUPS`."""

    lists = False  # whether the commands are only listed

    def format_help(self, ctx: typer.Context, formatter: Any) -> None:
        self.lists = True
        super().format_help(ctx, formatter)

    def list_commands(self, ctx: typer.Context) -> list[str]:
        return [*super().list_commands(ctx), *GROUPS, *paper_names()]

    def get_command(self, ctx: typer.Context, name: str):
        if self.lists and name in GROUPS:
            return typer.core.TyperGroup(name=name, help=GROUPS[name][1])
        if self.lists and name in paper_names():
            return typer.core.TyperGroup(name=name, help=f"{about(name).title}.")
        if name in GROUPS:
            return typer.main.get_command(import_module(GROUPS[name][0]).app)
        if name in paper_names():
            return typer.main.get_command(load_paper(name, "cli").app)
        return super().get_command(ctx, name)

    def resolve_command(self, ctx: typer.Context, args: list[str]):
        commands = self.list_commands(ctx)
        if args and args[0] not in commands:
            hint = _sentence(nearest(args[0], commands))
            ctx.fail(f"No such command or paper '{args[0]}'.{hint} Known: {', '.join(commands)}.")
        name, command, rest = super().resolve_command(ctx, args)
        exports.keep_apart(command)
        return name, command, rest

    def invoke(self, ctx: typer.Context) -> Any:
        try:
            return super().invoke(ctx)
        except typer.BadParameter as error:  # of an enumeration: the nearest word, and pydantic's
            error.message = error.message.removeprefix("Value error, ")
            if choice := re.fullmatch(r"'(.*)' is not one of (.*)\.", error.message):
                error.message += _sentence(nearest(choice[1], re.findall("'(.*?)'", choice[2])))
            raise


def _sentence(hint: str) -> str:
    """A hint behind the end of another sentence; "" for none."""
    return f" {hint[0].upper()}{hint[1:].rstrip()}" if hint else ""


app = typer.Typer(
    cls=_LazyGroup,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
    help="Re-derive what seven papers claim about memorization and generalization. "
    "`rote <paper> --help` lists a paper's verbs.",
    epilog="Exit codes: 0 done; 1 something that you can put right, or a check that failed; "
    "2 a wrong option; 130 interrupted.",
)
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Also show debug lines.")]


def _print_version(given: bool) -> None:
    if given:
        from rote import __version__

        typer.echo(f"rote {__version__}")
        raise typer.Exit


Version = Annotated[
    bool,
    typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True),
]


@app.callback()
def _options(verbose: Verbose = False, version: Version = False) -> None:
    job.configure_log(verbose)


# ---- the ledger


@app.command("ledger")
def show_ledger(
    path: Annotated[
        Path,
        typer.Argument(
            help="A run: its name or folder; or a ledger, results/<run>/claims.parquet.",
            metavar="RUN",
            callback=runs.ledger,
            autocompletion=runs.names,
        ),
    ],
    strict: Annotated[
        bool, typer.Option(help="Exit with 1 unless every claim is reproduced.")
    ] = False,
    markdown: Annotated[bool, typer.Option(help="Print Markdown tables.")] = False,
) -> None:
    """Print a ledger as a table; with --strict, fail unless every judged claim is reproduced."""
    from rote.ledger import ledger, text

    if markdown:
        frame = ledger.read(path)
        typer.echo(f"{text.counts(frame, 'paper')}\n\n{text.claims(frame)}")
    else:
        ledger.show(path)
    if strict:
        ledger.require_all(path)


# ---- the first minutes


@app.command("power")
def show_power(
    results: RunFolder,
    folder: Annotated[
        Path, typer.Option("--claims", help="Folder with <paper>.yaml.", metavar="DIR")
    ] = Path("workflow/claims"),
    out: Annotated[Path | None, result("Write: all claims.")] = None,
) -> None:
    """Replicates that each claim of a run needs for a verdict, and the time of the jobs behind."""
    from rote.core import tables
    from rote.report import evidence

    frame = evidence.power(results, folder)
    evidence.show_power(frame)
    if out:
        tables.export(out, frame)


@app.command()
def doctor() -> None:
    """Look at this machine (versions, disk, devices, home, ...): what is missing, and cures."""
    from rote.report import start

    problems = 0
    for finding in start.examine(Path(".")):
        typer.echo(str(finding))
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
        "Next: rote config write, "
        f"then snakemake --cores all --configfile config/smoke.yaml -- {name}"
    )


@app.command()
def draw(
    paper: Annotated[
        str,
        typer.Option(
            help="Paper whose figures to draw.",
            callback=known_paper,
            autocompletion=paper_names,
        ),
    ],
    results: Annotated[
        str,
        typer.Option(
            help="A run, or the folder with the paper's tables.",
            metavar="RUN",
            autocompletion=runs.names,
        ),
    ],
    out: Annotated[Path, typer.Option(help="Write: the figures, into a folder.", metavar="DIR")],
    figure: Annotated[
        list[str] | None,
        typer.Option(
            help="Draw only this figure; may be repeated.",
            autocompletion=runs.complete_drawings,
        ),
    ] = None,
    pdf: Annotated[bool, typer.Option(help="Draw PDF beside PNG.")] = True,
) -> None:
    """Draw a paper's figures from its tables, as PNG and PDF."""
    from rote import plotting

    with job.start(f"draw {paper}"):
        plotting.draw(paper, runs.of_paper(results, paper), out, figure, pdf=pdf)


@app.command("figures")
def show_figures(
    results: RunFolder,
    name: Annotated[
        str | None,
        typer.Argument(
            help="A figure, <paper>.<figure>, or a paper; default: all.",
            autocompletion=runs.complete_figures,
        ),
    ] = None,
    view: Annotated[bool, typer.Option("--open", help="Open them in the system's viewer.")] = False,
) -> None:
    """Print where a run's figures are, one path per line; PDF files lie beside the PNG files."""
    for path in runs.figures(results, name):
        typer.echo(path)
        if view:
            typer.launch(str(path))


# ---- any data set


app.registered_commands += tools_cli.app.registered_commands


# ---- a run: before, and after


@app.command()
def plan(
    configfile: Annotated[
        Path | None,
        typer.Option(help="Config file, e.g. config/paper.yaml; default: the laptop scale."),
    ] = None,
    device_tflops: Annotated[
        float | None,
        typer.Option(help="What a device sustains in these jobs, in 1e12 operations/s.", min=1e-3),
    ] = None,
    rules: Annotated[
        bool, typer.Option("--rules", help="One line per rule instead of one per paper.")
    ] = False,
    nodes: Annotated[
        list[str], typer.Option(help="Simulate it on N nodes, or N:cores,devices,GB; repeatable.")
    ] = [],  # noqa: B006
    refit: Annotated[
        bool,
        typer.Option("--refit", help="First fit the model to the smoke and laptop runs here."),
    ] = False,
) -> None:
    """Say what a run will cost: jobs, hours on cores and devices, memory, disk, per paper."""
    from rote.run import config, costs, machine
    from rote.run import nodes as cluster

    if refit:
        typer.echo(f"{costs.MEASURED}: {costs.refit()} measured jobs")
        unit = machine.loaded_unit_seconds(len(os.sched_getaffinity(0)))
        typer.echo(f"machine.REFERENCE_S of this machine: {unit:.4f}")
    flops = device_tflops * 1e12 if device_tflops else costs.FLOPS
    clusters = list(map(cluster.read, nodes))
    costs.show(config.load(configfile), configfile, flops, by_rule=rules, clusters=clusters)


@app.command()
def profile(
    results: RunFolder,
    cores: Annotated[
        int | None,
        typer.Option(help="Cores that the run had; default: those of this machine.", min=1),
    ] = None,
    out: Annotated[
        Path | None,
        result(
            "Write: the chart; default: reports/<run>/profile.png.", exports.PICTURES, "a chart"
        ),
    ] = None,
) -> None:
    """Where a run's time went: Gantt chart, critical path, idle cores, what starting jobs costs."""
    from rote.run import profile as profiling

    run_profile = profiling.read(results)
    profiling.show(run_profile, cores or len(os.sched_getaffinity(0)))
    chart = out or Path("reports") / results.resolve().name / "profile.png"
    profiling.draw(run_profile, chart)
    typer.echo(f"Chart: {chart}")


@app.command()
def notebook(
    paper: PaperName,
    run: Annotated[
        Path,
        typer.Option(
            help="A run: its name, or results/<run>.",
            metavar="RUN",
            callback=runs.folder,
            autocompletion=runs.names,
        ),
    ] = Path("laptop"),
) -> None:
    """Open a paper's notebook in JupyterLab on a run, to change it and see figures change."""
    from rote.report import lab

    path = lab.prepare(paper, run, Path("."))
    typer.echo(f"{path}: it is yours; its first cell names the run")
    lab.launch(path)


@app.command()
def verify(
    results: RunFolder,
    threads: Annotated[int, typer.Option(help="Files hashed at a time.", min=1)] = 1,
) -> None:
    """Hash a run's files again: what changed, is missing, or was added; exit with 1 if any did."""
    from rote.run import manifest

    changes = manifest.verify(results, threads)
    for change in changes:
        typer.echo(f"{change.kind}: {change.path}: {change.message}")
    if changes:
        raise InputError(
            f"{results} is not as its run left it: {len(changes)} differences; "
            f"to accept what is there: {runs.again(results / manifest.NAME, force=True)}"
        )
    n_files = len(manifest.read(results)["files"])
    typer.echo(f"{results}: all {n_files} files are as the run left them")


@app.command()
def compare(
    first: RunFolder,
    second: RunFolder,
    out: Annotated[
        Path | None,
        result("Write: a page with the claims side by side.", [".html"], "a page"),
    ] = None,
    every: Annotated[
        bool,
        typer.Option("--every", help="Print every column that differs, not each table's worst."),
    ] = False,
    strict: Annotated[
        bool, typer.Option(help="Exit with 1 if a table differs beyond its tolerance.")
    ] = False,
) -> None:
    """Compare two runs: tables cell by cell, within tolerances between machines, and claims."""
    from rote.report import compare as comparison

    columns = comparison.cells(first, second)
    comparison.show(first, second, columns, every=every)
    if out:
        comparison.page(first, second, out)
        typer.echo(f"Page: {out}")
    if strict:
        comparison.require_equal(columns)


def main() -> None:
    """Entry point: what a user can put right is one line on stderr and exit code 1.

    `rote A + B` runs B after A in the same process, which starts once. ROTE_DEBUG=1 shows
    tracebacks.
    """
    # imports make many objects that stay: else a quarter of a start is looking for garbage
    gc.set_threshold(200_000, 20, 20)
    environment.prepare()
    try:
        for command in in_turn(sys.argv[1:]):
            _run(command)
    except (InputError, ArithmeticError, MemoryError, ModuleNotFoundError, OSError) as error:
        if os.environ.get("ROTE_DEBUG"):
            raise
        sys.exit(f"rote: error: {_one_line(error)}")
    except KeyboardInterrupt:
        print("rote: interrupted; run the same command again", file=sys.stderr)
        sys.exit(_INTERRUPTED)


def in_turn(words: list[str]) -> list[list[str]]:
    """The commands that stand between `+`.

    Args:
        words: of a command line, without the program's name.

    Returns:
        The words of each command, in order; at least one command.
    """
    commands: list[list[str]] = [[]]
    for word in words:
        if word == "+":
            commands.append([])
        else:
            commands[-1].append(word)
    return commands


def _run(command: list[str]) -> None:
    """Run one command; whatever ends badly ends the process."""
    try:
        app(command)
    except SystemExit as end:
        if end.code == _INTERRUPTED:
            raise KeyboardInterrupt from end
        if end.code:
            raise


def _one_line(error: Exception) -> str:
    if isinstance(error, MemoryError):
        advice = "lower the sizes in the config or run on a machine with more"
        return f"out of memory ({error}); {advice}"
    if isinstance(error, OSError):
        where = f" {error.filename}" if error.filename else ""
        advice = "free space or permission there is missing, or the path is wrong"
        return f"{error.strerror or error}:{where}; {advice}"
    if isinstance(error, ModuleNotFoundError) and "pip install" not in str(error):
        return f"this command needs {error.name}: pip install 'rote[pipeline]'"
    return str(error)


if __name__ == "__main__":
    main()
