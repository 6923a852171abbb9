"""Pages made from the code as the documentation is built: configuration, commands, modules."""

import inspect
import re
from importlib import import_module
from pathlib import Path
from types import ModuleType

import typer.main
from mkdocs.structure.files import File, Files
from rote import __all__ as MODULES
from rote import cli
from rote.core import extras
from rote.report import generated

EXAMPLES = Path(__file__).with_name("examples")
OUTPUT = "# > "  # before what an example prints


def on_files(files: Files, config) -> Files:
    """Add the pages of the reference."""
    for place, text in {
        "reference/config.md": configuration(),
        "reference/cli.md": command_line(),
        "reference/api.md": modules(),
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
        "Every rule calls one of these commands; all work without Snakemake. Where a command takes",
        "a run, its name (`laptop`) or its folder (`results/laptop`) will do. Tables are written",
        "as Parquet, CSV or JSON, as the name's end says.",
        "",
        "`rote --install-completion` lets the shell complete commands, choices, and names of runs,",
        "papers, figures and claims.",
        "",
        "| exit code | meaning |",
        "|---|---|",
        "| 0 | done |",
        "| 1 | something that you can put right, in one line; or a check that failed |",
        "| 2 | a wrong option or argument |",
        "| 130 | interrupted; the same command goes on |",
        "",
    ]
    root = typer.main.get_command(cli.app)
    context = root.make_context("rote", [], resilient_parsing=True)
    for name in root.list_commands(context):
        lines += _command(root.get_command(context, name), f"rote {name}", level=2)
    return "\n".join(lines) + "\n"


def _command(command, name: str, level: int) -> list[str]:
    lines = [f"{'#' * level} `{name}`", "", _escaped(inspect.cleandoc(command.help or "")), ""]
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
        lines.append(f"| {names} | {default} | {_escaped(meaning)} |")
    return [*lines, ""]


def _escaped(text: str) -> str:
    """Text whose `<run>` a page shows instead of taking it for a tag."""
    return re.sub(r"<(?=\w+>|data set>)", "&lt;", text)


def modules() -> str:
    """Every public module: its extra, an example with its output, functions and classes."""
    lines = ["# Python modules", "", "What `import rote` offers, with one example each.", ""]
    for name in MODULES:
        module = import_module(f"rote.{name}")
        lines += [f"## `rote.{name}`", "", *_installed_by(f"rote.{name}")]
        lines += ["```text", inspect.cleandoc(module.__doc__ or ""), "```", ""]
        lines += example(name)
        for path, part in _parts(module, f"rote.{name}"):
            lines += _members(path, part)
    return "\n".join(lines) + "\n"


def example(name: str) -> list[str]:
    """The example of a module and what it prints, as lines of Markdown."""
    lines = (EXAMPLES / f"{name}.py").read_text("utf-8").splitlines()
    code = [line for line in lines if not line.startswith(OUTPUT.strip())]
    printed = [line.removeprefix(OUTPUT) for line in lines if line.startswith(OUTPUT.strip())]
    return ["```python", *code, "```", "", "```text", *printed, "```", ""]


def _installed_by(name: str) -> list[str]:
    extra = extras.NEEDS[name][0] if name in extras.NEEDS else ""
    package = f"rote[{extra}]" if extra else "rote"
    return [f"Comes with `pip install '{package}'`.", ""]


def _parts(module: ModuleType, path: str) -> list[tuple[str, ModuleType]]:
    """A module and those that it offers in turn."""
    parts = [(path, module)]
    for name in getattr(module, "__all__", ()):
        inner = getattr(module, name, None) or import_module(f"{path}.{name}")
        if inspect.ismodule(inner):
            parts.append((f"{path}.{name}", inner))
    return parts


def _members(path: str, module: ModuleType) -> list[str]:
    """Signature and docstring of a module's public functions and classes."""
    lines = [f"### `{path}`", ""]
    listed = [name for name in getattr(module, "__all__", ()) if not _is_module(module, name)]
    names = listed or [name for name, value in vars(module).items() if _is_ours(value, module)]
    for name in names:
        value = getattr(module, name)
        if not (inspect.isfunction(value) or inspect.isclass(value)):
            continue
        doc = inspect.cleandoc(value.__doc__ or "")
        first, _, rest = doc.partition("\n\n")
        lines += [f"#### `{name}{_signature(value)}`", "", _escaped(" ".join(first.split())), ""]
        if rest:
            lines += ["```text", rest, "```", ""]
    return lines if len(lines) > 2 else []


def _signature(value) -> str:
    try:
        names = inspect.signature(value).parameters
    except (TypeError, ValueError):
        return ""
    return f"({', '.join(names)})"


def _is_module(module: ModuleType, name: str) -> bool:
    return inspect.ismodule(getattr(module, name, None)) or not hasattr(module, name)


def _is_ours(value, module: ModuleType) -> bool:
    """Whether a module defines a public function or class itself."""
    named = inspect.isfunction(value) or inspect.isclass(value)
    return named and value.__module__ == module.__name__ and not value.__name__.startswith("_")
