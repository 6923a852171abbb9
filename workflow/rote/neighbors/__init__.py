"""Nearest neighbors: datastores that are searched exactly or approximately, kernel weights of the
neighbors.
"""

from rote.neighbors.datastore import Datastore, Engine, Neighbors, merged, scale, search, weights

__all__ = ["Datastore", "Engine", "Neighbors", "merged", "scale", "search", "weights"]
