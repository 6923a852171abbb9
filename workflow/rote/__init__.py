"""rote: what seven papers claim about memorization and generalization, re-derived and checked.

What users import: `rote.ngrams`, `rote.knn`, `rote.resmem`, `rote.prune`, `rote.theory` (with
`raf`, `attention`, `minnorm`, `posterior`, `capacity`, `lookup`), `rote.waves` and `rote.invert`;
for papers of their own also `rote.ledger`, `rote.plotting`, `rote.train`, `rote.models`,
`rote.synth` and `rote.data`.
"""

from importlib import import_module
from importlib.metadata import version
from types import ModuleType

__version__ = version("rote")
__all__ = [
    "data",
    "invert",
    "knn",
    "ledger",
    "models",
    "ngrams",
    "plotting",
    "prune",
    "resmem",
    "synth",
    "theory",
    "train",
    "waves",
]


def __getattr__(name: str) -> ModuleType:
    """A public module, imported when it is first used."""
    if name in __all__:
        return import_module(f"rote.{name}")
    raise AttributeError(f"module 'rote' has no attribute {name!r}; it has {', '.join(__all__)}")
