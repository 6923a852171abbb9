"""Files that a command writes: their formats, by suffix, and that they are none it reads."""

import functools
import glob
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rote.core import runs
from rote.core.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

FORMATS: dict[str, Callable[["pd.DataFrame", Path], object]] = {
    ".parquet": lambda frame, path: frame.to_parquet(path, index=False),
    ".csv": lambda frame, path: frame.to_csv(path, index=False),
    ".json": lambda frame, path: frame.to_json(
        path, orient="records", indent=1, double_precision=15
    ),
}


PICTURES = (".png", ".pdf", ".svg")
WRITES = "Write"  # how the help of an option begins that names what a command writes, as --out


def of(path: Path, suffixes: Iterable[str] = FORMATS, what: str = "a table") -> str:
    """The suffix of a file, if it is that of a format.

    Args:
        path: of the file to write.
        suffixes: of the formats.
        what: is written, for the error.

    Raises:
        InputError: for any other suffix, and for a folder.
    """
    suffix = path.suffix.lower()
    if suffix not in suffixes:
        raise InputError(f"{path}: {what} is written as {', '.join(suffixes)}; end its name so")
    if path.is_dir():
        raise InputError(f"{path} is a folder; give the name of a file")
    return suffix


def keep_apart(command: Any) -> None:
    """Let a command, or all of a group, refuse to write over what it reads, before it begins.

    What it writes are `--out` and options whose help begins with `Write`; other paths are read.

    Args:
        command: of typer, changed in place.
    """
    for inner in getattr(command, "commands", {}).values():
        keep_apart(inner)
    function = command.callback
    if function is None or hasattr(command, "commands"):
        return

    @functools.wraps(function)
    def apart(**values: Any) -> Any:
        _refuse_same(command.params, values)
        return function(**values)

    command.callback = apart


def _refuse_same(options: Iterable[Any], values: Mapping[str, Any]) -> None:
    """Raise InputError where a path to write is one that is read, lies in it, or is given twice."""
    written: dict[Path, str] = {}  # where it leads, and the option
    read: list[tuple[str, str]] = []
    for option in options:
        label = next((name for name in option.opts if name.startswith("--")), option.name)
        paths = list(_paths(values.get(option.name)))
        if option.name != "out" and not (getattr(option, "help", None) or "").startswith(WRITES):
            read += [(str(path), label) for path in paths]
            continue
        for path in paths:
            other = written.setdefault(Path(os.path.realpath(path)), label)
            if other != label:
                raise InputError(f"{other} and {label} both name {path}; give each its own")
    for path, label in written.items():
        for text, reader in read if path.exists() else ():
            sources = [Path(name) for name in (text, *glob.glob(text)) if os.path.exists(name)]
            if any(path.samefile(source) or _inside(path, source) for source in sources):
                raise InputError(
                    f"{label} {path} would write over what {reader} {text} reads; give another name"
                )


def _inside(path: Path, folder: Path) -> bool:
    """Whether a file lies in a folder that is read as a whole; a run's, or a paper's, is not."""
    if not (path.is_file() and folder.is_dir()):
        return False
    is_run = any((path / runs.CONFIG).exists() for path in (folder, folder.parent))
    return not is_run and path.is_relative_to(os.path.realpath(folder))


def _paths(value: Any) -> Iterator[Path]:
    """What may be paths in the value of an option."""
    if isinstance(value, str | Path):
        yield Path(value)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _paths(item)
