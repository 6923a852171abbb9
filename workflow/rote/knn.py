"""Nearest neighbors under a short name: `rote.neighbors`."""

from rote.neighbors import Datastore, Engine, Neighbors, merged, scale, search, weights

__all__ = ["Datastore", "Engine", "Neighbors", "merged", "scale", "search", "weights"]
