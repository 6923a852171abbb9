"""Files of users: which of them a folder holds, and one line for whatever a damaged one raises."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rote.core.errors import DamagedFile, InputError

log = logging.getLogger("rote")
# how files begin that stand for others which were not fetched: whose they are, and the cure
_POINTERS = {
    b"version https://git-lfs.github.com/spec/": ("Git LFS", "git lfs pull"),
    b"/annex/objects/": ("git-annex", "git annex get ."),
}
_SYSTEM_FOLDERS = {"__MACOSX", "@eaDir", "$RECYCLE.BIN"}  # which packers and servers leave


def is_hidden(path: Path) -> bool:
    """Whether a name is none that a user gave: it begins with a dot, or is a system's folder."""
    return path.name.startswith(".") or path.name in _SYSTEM_FOLDERS


def under(folder: Path, *, hidden: bool = False) -> Iterator[Path]:
    """The files below a folder in a fixed order, in depth, through links; each path begins with it.

    Args:
        folder: to search.
        hidden: also files and folders that `is_hidden`.

    Yields:
        Files. A link back to a folder around it is not followed; pipes, sockets and devices are
        left out, and named in the log.

    Raises:
        InputError: for a folder that cannot be listed, or a link that leads nowhere.
    """
    yield from _under(folder, hidden, (folder.resolve(),))


def _under(folder: Path, hidden: bool, around: tuple[Path, ...]) -> Iterator[Path]:
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        raise InputError(f"folder {folder} cannot be listed: {error.strerror or error}") from error
    for path in entries:
        if is_hidden(path) and not hidden:
            continue
        refuse_lost_link(path)
        if path.is_dir():
            real = path.resolve()
            if real not in around:
                yield from _under(path, hidden, (*around, real))
        elif path.is_file():
            yield path
        else:
            log.warning("%s is a pipe, socket or device: it is skipped", path)


def refuse_lost_link(path: Path) -> None:
    """Raise InputError for a link that leads nowhere, as to a disk that is not mounted."""
    if path.is_symlink() and not path.exists():
        raise InputError(f"{path} is a link that leads nowhere; mend or remove it")


def has_suffix(path: Path, suffixes: tuple[str, ...]) -> bool:
    """Whether a file's name ends in one of some suffixes, in whatever case."""
    return path.name.lower().endswith(suffixes)


def of_formats(folder: Path, suffixes: tuple[str, ...]) -> list[Path]:
    """The files below a folder, as `under`, whose names end in one of some suffixes.

    The others are named in the log.

    Args:
        folder: to search.
        suffixes: in small letters.

    Raises:
        InputError: as `under`.
    """
    paths = list(under(folder))
    others = [path for path in paths if not has_suffix(path, suffixes)]
    if others:
        names, known = skipped(others), ", ".join(suffixes)
        log.warning("%s: %s skipped: their names end in none of %s", folder, names, known)
    return [path for path in paths if has_suffix(path, suffixes)]


def skipped(paths: list[Path], limit: int = 3) -> str:
    """How many files are left out, and the first names: `2 files (a.csv, b.md)`."""
    names = ", ".join(path.name for path in paths[:limit])
    return f"{len(paths)} files ({names}{', ...' if len(paths) > limit else ''})"


def refuse_pointer(path: Path) -> None:
    """Raise DamagedFile if a file is what Git LFS or git-annex leaves in place of one."""
    try:
        if not path.is_file():  # to open a pipe is to wait for who writes to it
            return
        with path.open("rb") as file:
            start = file.read(max(map(len, _POINTERS)))
    except OSError:
        return  # whoever reads the file says so
    for mark, (program, cure) in _POINTERS.items():
        if start.startswith(mark):
            raise DamagedFile(
                f"{path} is a pointer of {program}, not the file; run where it comes from: {cure}"
            )


def refuse_pointers(folder: Path) -> None:
    """Raise DamagedFile if a file below a folder is a pointer; of a file as `refuse_pointer`."""
    for path in under(folder) if folder.is_dir() else (folder,):
        refuse_pointer(path)


def first_line(error: BaseException, longest: int = 200) -> str:
    """What an exception says, on one line; its type where it says nothing."""
    first, *rest = (str(error).strip() or type(error).__name__).splitlines()
    if first.rstrip().endswith(":") and rest:  # a title
        first = f"{first} {rest[0]}"
    words = " ".join(first.split())
    return words if len(words) <= longest else words[:longest] + " ..."


@contextmanager
def one_line(path: str | Path, problem: str, cure: str) -> Iterator[None]:
    """Turn whatever reading a file raises into one line that names it and says what to do.

    Args:
        path: of the file.
        problem: what to say of a damaged one: `is not a whole Parquet file`.
        cure: what to do if it is damaged: `fetch it again`.

    Raises:
        InputError: as it is, and for a file that is missing, closed to this user, a folder, a
            pipe, a socket, a device, or too large for the memory.
        DamagedFile: in place of any other exception.
    """
    path = Path(path)
    if os.path.exists(path) and not (path.is_file() or path.is_dir()):
        raise InputError(f"{path} is a pipe, socket or device; give a file")
    try:
        yield
    except InputError:
        raise
    except FileNotFoundError as error:
        if path.is_dir():
            refuse_pointers(path)
            raise DamagedFile(f"{path} {problem} ({first_line(error)}); {cure}") from error
        fault = problem if problem.startswith("holds") else "cannot be read"
        raise InputError(f"{path} {fault}: it does not exist; check its name") from error
    except IsADirectoryError as error:
        raise InputError(f"{path} cannot be read: Is a directory; give a file") from error
    except PermissionError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}; change its mode") from error
    except MemoryError as error:
        raise InputError(
            f"{path} {problem}, or needs more memory than there is ({first_line(error)}); {cure}"
        ) from error
    except Exception as error:  # the libraries below raise whatever damage leads them to
        refuse_pointers(path)
        raise DamagedFile(f"{path} {problem} ({first_line(error)}); {cure}") from error
