"""A folder of the user's own for what may be lost, wherever the machine lets one be."""

import os
import stat
import tempfile
from functools import cache
from pathlib import Path

from rote.core.errors import InputError


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
        found = folder.lstat()
        ours = found.st_uid == os.getuid() and not stat.S_IMODE(found.st_mode) & 0o077
        if stat.S_ISDIR(found.st_mode) and ours and writable(folder):
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
            file.write(b"rote")
    except OSError:
        return False
    return True
