"""Pages made from the code as the documentation is built: configuration and command line."""

import inspect

import typer.main
from mkdocs.structure.files import File, Files
from rote import cli
from rote.report import generated


def on_files(files: Files, config) -> Files:
    """Add reference/config.md and reference/cli.md."""
    for place, text in {
        "reference/config.md": configuration(),
        "reference/cli.md": command_line(),
    }.items():
        files.append(File.generated(config, place, content=text))
    return files


def configuration() -> str:
    """config/README.md, which is generated from the config model."""
    return generated.files()["config/README.md"]


def command_line() -> str:
    """Every command with its options, from the CLI itself."""
    lines = [
        "# Command line",
        "",
        "Every rule calls one of these commands; all work without Snakemake.",
        "",
    ]
    root = typer.main.get_command(cli.app)
    context = root.make_context("rote", [], resilient_parsing=True)
    for name in root.list_commands(context):
        lines += _command(root.get_command(context, name), f"rote {name}", level=2)
    return "\n".join(lines) + "\n"


def _command(command, name: str, level: int) -> list[str]:
    lines = [f"{'#' * level} `{name}`", "", inspect.cleandoc(command.help or ""), ""]
    if hasattr(command, "commands"):
        for child in command.commands.values():
            lines += _command(child, f"{name} {child.name}", level + 1)
        return lines
    options = [p for p in command.params if p.name != "help"]
    if options:
        lines += ["| option | default | meaning |", "|---|---|---|"]
    for option in options:
        names = (
            ", ".join(f"`{spelling}`" for spelling in option.opts)
            if option.param_type_name == "option"
            else ""
        )
        names = names or f"`{option.name.upper()}`"
        default = (
            "required"
            if option.required
            else ""
            if option.default in (None, ())
            else f"`{option.default}`"
        )
        meaning = " ".join((getattr(option, "help", "") or "").split()).replace("|", "\\|")
        lines.append(f"| {names} | {default} | {meaning} |")
    return [*lines, ""]
