"""Nearest neighbors: datastores with exact or approximate search, weights of the neighbors."""

from typing import TYPE_CHECKING, Any

from rote.neighbors.engines import ENGINES, Engine

if TYPE_CHECKING:
    from rote.neighbors.datastore import Datastore, Neighbors, merged, scale, search, weights

__all__ = [
    "ENGINES",
    "Datastore",
    "Engine",
    "Neighbors",
    "merged",
    "scale",
    "search",
    "weights",
]


def __getattr__(name: str) -> Any:
    """The datastore brings NumPy and numba, which settings that only name an engine do not need."""
    if name in __all__:
        from rote.neighbors import datastore

        return getattr(datastore, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
