"""What a process takes from its machine and user: a home, temporary files, a name, a terminal."""

import os
import pwd
import stat
import sys
import tempfile
from functools import cache
from io import TextIOWrapper
from pathlib import Path

from rote.core.errors import InputError

STYLE = os.environ.get("MATPLOTLIBRC", "")  # a user's, which `prepare` leaves aside


def prepare() -> None:
    """Let libraries work for users without a home, a name or a terminal that knows all letters.

    A user's settings of matplotlib are left aside: its notebooks show figures as ours are drawn.
    Where the home cannot be written, matplotlib's caches go to `private`; numba's go there by
    themselves. Letters that the terminal lacks are written as `\\u2013`; streams that are closed,
    as services may start a command, lead nowhere.
    """
    # in this order each gets its own number, which no other file may have: libraries write to 2
    for name, flags, mode in (
        ("stdin", os.O_RDONLY, "r"),
        ("stdout", os.O_WRONLY, "w"),
        ("stderr", os.O_WRONLY, "w"),
    ):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, flags), mode, encoding="utf-8"))
    # figures are files in a style of their own, whatever a user's matplotlibrc or shell says
    os.environ.pop("MPLBACKEND", None)
    os.environ["MATPLOTLIBRC"] = os.devnull
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        pwd.getpwuid(os.getuid())
    except KeyError:  # a container's user: torch asks for the name
        os.environ.setdefault("USER", f"user{os.getuid()}")
    if home() is not None:
        return
    try:
        folder = private()
    except InputError:
        return  # who needs a temporary file says so
    os.environ.setdefault("MPLCONFIGDIR", str(folder / "matplotlib"))
    if not os.path.isdir(os.path.expanduser("~")):
        os.environ["HOME"] = str(folder)


def prepare_caches() -> None:
    """Let Snakemake work without a home: its cache goes to .snakemake/cache, as `make` puts it."""
    if home() is None:
        os.environ.setdefault("XDG_CACHE_HOME", str(Path(".snakemake", "cache").absolute()))


def home() -> Path | None:
    """The user's home, or None if there is none in which files can be written."""
    folder = Path(os.path.expanduser("~"))  # as it is without HOME and an entry for the user
    return folder if folder.is_absolute() and writable(folder) else None


@cache
def private() -> Path:
    """A folder that only this user can enter, below the folder for temporary files.

    The same one for every process of the user, unless someone else holds its name: then one of this
    process alone.

    Raises:
        InputError: if no temporary file can be written anywhere.
    """
    try:
        folder = Path(tempfile.gettempdir()) / f"rote-{os.getuid()}"
        folder.mkdir(mode=0o700, exist_ok=True)
        status = folder.lstat()
        ours = status.st_uid == os.getuid() and not stat.S_IMODE(status.st_mode) & 0o077
        if stat.S_ISDIR(status.st_mode) and ours and writable(folder):
            return folder
        return Path(tempfile.mkdtemp(prefix="rote-"))
    except OSError as error:
        raise InputError(
            f"no temporary file can be written ({error.strerror}); "
            "set TMPDIR to a folder with free space that you may write to"
        ) from error


def writable(folder: Path) -> bool:
    """Whether a file with something in it can be written in a folder."""
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"rote" * 1024)
    except OSError:
        return False
    return True
