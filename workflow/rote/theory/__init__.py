"""Fixed points, closed forms and limits that the papers' figures and claims rest on.

`raf` (rules and facts), `attention` (nonlinear attention), `minnorm` (min-norm regression),
`posterior` (memorized priors), `capacity` (facts that fit), `lookup` (nearest residuals).
"""

from rote.core import extras

extras.require("rote.theory")

from importlib import import_module
from types import ModuleType

__all__ = ["attention", "capacity", "lookup", "minnorm", "posterior", "raf"]


def __getattr__(name: str) -> ModuleType:
    """A module of this package, imported when it is first used."""
    if name in __all__:
        return import_module(f"rote.theory.{name}")
    raise AttributeError(f"rote.theory has no attribute {name!r}; it has {', '.join(__all__)}")
