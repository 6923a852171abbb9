"""Declaring a verb: a function of a running job and its own paths; common options come from here.

    @verb(app, settings.Linear)
    def solve_linear(run: Job, sweep: table("Write: ...")):
        frame = linear.sweep(run.settings, run.seed)
        tables.write(sweep, frame, schema.LinearSweep, run.provenance())

gives `rote longtail solve-linear --sweep ... --settings ... --seed ... --threads ... --gpus ...
--code ...`.
"""

import inspect
import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from rote.core import exports, job, papers, runs
from rote.core.errors import InputError
from rote.core.section import Section, validate

_COMMON: dict[str, tuple[Any, Any]] = {
    "settings": (
        Annotated[
            str, typer.Option(help="The config section as JSON; keys left out take defaults.")
        ],
        "{}",
    ),
    "seed": (Annotated[int, typer.Option(help="Seed of all random streams.", min=0)], 1),
    "threads": (Annotated[int, typer.Option(help="Threads to compute with.", min=1)], 1),
    "gpus": (
        Annotated[int, typer.Option(help="Devices to lease; 0 computes on the CPU.", min=0)],
        0,
    ),
    "code": (
        Annotated[str, typer.Option(help="Digest of the verb's code, for the provenance.")],
        "",
    ),
}


def known_paper(name: str | None) -> str | None:
    """The name of a paper, as it is; raises InputError, which names the papers, for another."""
    if name is not None:
        papers.about(name)
    return name


PaperName = Annotated[
    str,
    typer.Argument(
        help="A paper.", callback=known_paper, autocompletion=papers.names, is_eager=True
    ),
]
# A run, by name or folder: as an argument commands get the folder, as an option what was given.
RunFolder = Annotated[
    Path,
    typer.Argument(
        help="A run: its name, or results/<run>.",
        metavar="RUN",
        callback=runs.folder,
        autocompletion=runs.names,
    ),
]
RunOption = Annotated[
    Path,
    typer.Option(
        "--results",
        help="A run: its name, or results/<run>.",
        metavar="RUN",
        autocompletion=runs.names,
    ),
]


# Options of verbs that train.
Checkpoints = Annotated[
    Path | None,
    typer.Option(help="Folder for checkpoints; a killed run resumes from there.", metavar="DIR"),
]
CheckpointSteps = Annotated[int, typer.Option(help="Steps between checkpoints.", min=1)]


@contextmanager
def resumable(run: job.Job, checkpoints: Path | None, name: str) -> Iterator[Path | None]:
    """The folder of a job's checkpoints, which are removed when the block ends without an error.

    Only a job of the same code and settings goes on from them.

    Args:
        run: the job.
        checkpoints: folder of all jobs' checkpoints; None: none, here and in the block.
        name: what is trained.
    """
    from rote.core import tables  # here: `rote --help` takes no pandas

    folder = checkpoints and checkpoints / f"{name}-{run.code or 'by-hand'}-{run.digest}"
    yield folder
    if folder:
        tables.drop(folder, "*.pt")


def result(
    description: str, suffixes: Iterable[str] = exports.FORMATS, what: str = "a table"
) -> Any:
    """An option that names a file to write for a user, in the format that its suffix says.

    Another suffix is refused before anything is computed.

    Args:
        description: what it holds, beginning with "Write".
        suffixes: of the formats.
        what: is written, for the error.
    """

    def checked(path: Path | None) -> Path | None:
        if path is not None:
            exports.of(path, suffixes, what)
        return path

    return typer.Option(help=description, metavar="|".join(suffixes), callback=checked)


def table(description: str) -> Any:
    """The type of an option that names a table file to read, or to write as Parquet."""

    def checked(path: Path) -> Path:
        exports.of(path, [".parquet"], "this table")
        return path

    is_written = description.startswith(exports.WRITES)
    callback = checked if is_written else None
    return Annotated[Path, typer.Option(help=description, metavar="PARQUET", callback=callback)]


def verb(app: typer.Typer, section: type[Section] | None = None) -> Callable[[Callable], Callable]:
    """Register a function as a command, with the common options; it runs in `rote.core.job.start`.

    Args:
        app: the paper's commands.
        section: the config section that `--settings` holds, given to the function as
            `run.settings`; None leaves the option out.

    Returns:
        A decorator of a function whose first parameter is the running job and whose others are its
        options. The function itself stays as it is.
    """
    common = dict(_COMMON)
    if section is None:
        del common["settings"]

    def register(function: Callable) -> Callable:
        name = f"{app.info.name} {function.__name__.replace('_', '-')}"
        parameters = list(inspect.signature(function).parameters.values())[1:]
        for option, (annotation, default) in common.items():
            kind = inspect.Parameter.KEYWORD_ONLY
            parameters.append(
                inspect.Parameter(option, kind, default=default, annotation=annotation)
            )

        def command(**values: Any) -> None:
            options = {option: values.pop(option) for option in common}
            options["settings"] = parse(section, options["settings"]) if section else None
            with job.start(name, **options) as run:
                function(run, **values)

        keyword_only = [parameter.replace(kind=parameter.KEYWORD_ONLY) for parameter in parameters]
        described: Any = command  # a function that says what it takes
        described.__signature__ = inspect.Signature(keyword_only)
        described.__annotations__ = {item.name: item.annotation for item in parameters}
        described.__name__ = function.__name__
        described.__doc__ = one_line_paragraphs(function.__doc__ or "")
        app.command()(command)
        return function

    return register


def one_line_paragraphs(text: str) -> str:
    """A docstring with each paragraph on one line: a terminal breaks lines where it needs to."""
    paragraphs = inspect.cleandoc(text).split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


def parse(section: type[Section], text: str) -> Any:
    """`--settings` as a checked section.

    Args:
        section: the model.
        text: its values as JSON.

    Returns:
        An instance of `section`.

    Raises:
        InputError: for text that is not JSON.
        ConfigError: naming each wrong key.
    """
    try:
        values = json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(f"--settings is not JSON: {error}; given {text[:80]!r}") from error
    return validate(section, values, "--settings")
