"""Functions that users name on a command line, as module:function."""

import importlib
import sys
from collections.abc import Callable
from pathlib import Path

from rote.core.errors import InputError


def of_user(text: str, option: str) -> Callable:
    """The function that a text names.

    The working directory is searched first, so that `mine.py` there is the module `mine`.

    Args:
        text: module:function, e.g. "mine:kernel".
        option: that it was given to, for the error.

    Raises:
        InputError: for a text of another form, a module that cannot be imported, or a name that is
            no function there.
    """
    module, colon, name = text.partition(":")
    if not (module and colon and name):
        raise InputError(f"{option} must be a known name or module:function, given {text!r}")
    folder = str(Path.cwd())
    sys.path.insert(0, folder)
    try:
        owner = importlib.import_module(module)
    except Exception as error:
        raise InputError(f"{option}: module {module!r} cannot be imported: {error}") from error
    finally:
        sys.path.remove(folder)
    function = getattr(owner, name, None)
    if not callable(function):
        raise InputError(f"{option}: module {module!r} has no function {name!r}")
    return function
