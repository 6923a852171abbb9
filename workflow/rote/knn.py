"""Nearest neighbors under their public name: what `rote.neighbors` exports."""

from rote.core import extras

extras.require("rote.knn")

from typing import TYPE_CHECKING, Any

from rote import neighbors
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
    """As in `rote.neighbors`: loaded on first use."""
    return getattr(neighbors, name)
