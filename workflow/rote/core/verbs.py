"""How a paper declares a verb: a function of a running job and its own paths; the common options
come from here.

    @verb(app, settings.Linear)
    def solve_linear(run: Job, sweep: table("Write: ...")):
        frame = linear.sweep(run.settings, run.seed)
        tables.write(sweep, frame, schema.LinearSweep, run.provenance())

gives `rote longtail solve-linear --sweep ... --settings ... --seed ... --threads ... --gpus ...
--code ...`.
"""

import inspect
import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from rote.core import job
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


def table(what: str) -> Any:
    """The type of an option that names a table file to read or write."""
    return Annotated[Path, typer.Option(help=what, metavar="PARQUET")]


def verb(app: typer.Typer, section: type[Section] | None = None) -> Callable[[Callable], Callable]:
    """Register a function as a command of `app`, with the common options; it runs inside
    `rote.core.job.start`.

    Args:
        section: the config section that `--settings` holds, given to the function as
            `run.settings`.
    """
    common = {name: _COMMON[name] for name in _COMMON if section is not None or name != "settings"}

    def register(function: Callable) -> Callable:
        name = f"{app.info.name} {function.__name__.replace('_', '-')}"
        own = list(inspect.signature(function).parameters.values())[1:]
        extra = [
            inspect.Parameter(
                option, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation
            )
            for option, (annotation, default) in common.items()
        ]

        def command(**values: Any) -> None:
            given = {option: values.pop(option) for option in common}
            given["settings"] = parse(section, given["settings"]) if section else None
            with job.start(name, **given) as run:
                function(run, **values)

        keyword_only = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in own]
        command.__signature__ = inspect.Signature([*keyword_only, *extra])
        command.__annotations__ = {
            parameter.name: parameter.annotation for parameter in [*own, *extra]
        }
        command.__name__ = function.__name__
        command.__doc__ = _joined(inspect.getdoc(function) or "")
        app.command()(command)
        return function

    return register


def _joined(text: str) -> str:
    """A docstring with every paragraph on one line, as the help prints it."""
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in text.split("\n\n"))


def parse(section: type[Section], text: str) -> Any:
    """`--settings` as a checked section. Raises ConfigError naming each wrong key."""
    try:
        values = json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(f"--settings is not JSON: {error}; given {text[:80]!r}") from error
    return validate(section, values, "--settings")
