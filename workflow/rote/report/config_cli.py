"""`rote config`: check, show or regenerate the configuration."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    no_args_is_help=True,
    help="Check, show or regenerate the configuration.\n\n"
    "One key for one run: snakemake --cores all --config longtail='{network: {replicates: 8}}' "
    "(Snakemake refuses dots in names there). In a file, dots work: longtail.network.replicates: 8",
)

ConfigFile = Annotated[
    Path | None, typer.Option("--configfile", help="Config file or overlay; default: all defaults.")
]


@app.command("check")
def config_check(path: Annotated[Path, typer.Argument(help="Config file or overlay.")]) -> None:
    """Check a config file: every wrong key is named, with what is allowed and the nearest key."""
    from rote.run import config

    settings = config.load(path)
    typer.echo(
        f"{path}: fine "
        f"(run {settings.run!r}, scale {settings.scale!r}, papers {', '.join(settings.papers)})"
    )


@app.command("show")
def config_show(
    key: Annotated[
        str | None,
        typer.Argument(
            help="A key or section, e.g. longtail.network.replicates; default: the whole config.",
            metavar="[KEY.PATH]",
        ),
    ] = None,
    path: ConfigFile = None,
) -> None:
    """Print a configuration with defaults filled in, or one key or section with what it means."""
    import yaml

    from rote.run import config

    settings = config.load(path)
    if key is None:
        text = yaml.safe_dump(settings.model_dump(), sort_keys=False, width=110)
    else:
        from rote.report import generated

        text = generated.describe(settings, key)
    typer.echo(text, nl=False)


@app.command("write")
def config_write(
    root: Annotated[Path, typer.Option(help="Root of the repository.")] = Path("."),
) -> None:
    """Regenerate config/*.yaml and workflow/schemas/*.json from the config and table models."""
    from rote.core import tables
    from rote.report import generated

    generated.require_repository(root)
    for name, text in generated.files().items():
        with tables.atomic(root / name) as temporary:
            temporary.write_text(text, "utf-8")
        typer.echo(name)
