"""What a base installation lacks: the extra that a public module needs, in one line.

`pip install rote` brings tables, settings and the command; what else a module imports comes with an
extra of its own, as pyproject.toml declares.
"""

from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

# by public module: its extra, and what it imports of that
NEEDS = {
    "rote.invert": ("waves", ("numba", "scipy", "torch")),
    "rote.knn": ("resmem", ("numba",)),
    "rote.ledger": ("pipeline", ("scipy",)),
    "rote.models": ("pipeline", ("torch",)),
    "rote.ngrams": ("ngrams", ("numba", "regex")),
    "rote.plotting": ("pipeline", ("matplotlib",)),
    "rote.resmem": ("resmem", ("numba", "scipy", "sklearn")),
    "rote.synth": ("pipeline", ("scipy",)),
    "rote.theory": ("theory", ("scipy",)),
    "rote.train": ("pipeline", ("torch",)),
    "rote.waves": ("waves", ("numba", "scipy", "torch")),
}


def require(module: str) -> None:
    """Check that what a public module imports is installed.

    Args:
        module: its name, one of `NEEDS`.

    Raises:
        ModuleNotFoundError: naming what is missing and the extra that brings it.
    """
    extra, packages = NEEDS[module]
    missing = [package for package in packages if find_spec(package) is None]
    if missing:
        raise _missing(module, missing, extra)


def load(package: str, extra: str, purpose: str) -> ModuleType:
    """Import a package that only some uses of a module need.

    Args:
        package: name to import.
        extra: that brings it.
        purpose: what needs it, for the error.

    Raises:
        ModuleNotFoundError: naming the extra, if the package is not installed.
    """
    if find_spec(package.partition(".")[0]) is None:
        raise _missing(purpose, [package], extra)
    return import_module(package)


def _missing(purpose: str, packages: list[str], extra: str) -> ModuleNotFoundError:
    return ModuleNotFoundError(
        f"{purpose} needs {', '.join(packages)}: pip install 'rote[{extra}]'", name=packages[0]
    )
