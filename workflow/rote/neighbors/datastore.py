"""Nearest neighbors: exact on FAISS or torch, approximate by IVF or HNSW; soft kNN weights.

Embeddings are centered before anything else: the matrix-product formula of distances loses its
digits where vectors are long against their differences. Distances of the candidates are then
computed anew by explicit differences, so every engine gives the same numbers for the same
neighbors.
"""

import json
from collections.abc import Iterable, Sequence
from copy import copy
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numba import njit

from rote.core.errors import InputError
from rote.core.tables import atomic
from rote.neighbors.engines import ENGINES, Engine
from rote.neighbors.methods import METHODS, ROWS


class Neighbors(NamedTuple):
    """Neighbors of some queries, nearest first; equal distances by row number."""

    distances: np.ndarray  # (queries, k) float32, Euclidean; infinite where there is no neighbor
    rows: np.ndarray  # (queries, k) int64; -1 where there is no neighbor

    def first(self, k: int) -> "Neighbors":
        """The k nearest of them, (queries, k), or all if there are fewer.

        Args:
            k: neighbors of each query.
        """
        return Neighbors(self.distances[:, :k], self.rows[:, :k])


def _no_neighbors(queries: int) -> Neighbors:
    return Neighbors(np.empty((queries, 0), np.float32), np.empty((queries, 0), np.int64))


class Datastore:
    """Embeddings that can be searched and added to.

    Args:
        embeddings: (n, d), finite; n may be 0.
        engine: exact (FAISS, brute force), torch (the same on a device), ivf or hnsw (approximate).
        probes: ivf: lists that are searched, of about 4 √n; hnsw: candidates in its queue.
        device: of the torch engine.
        center: (d,) point that is subtracted before distances are taken; default: the mean.

    Attributes:
        vectors: (n, d) float32, the embeddings less the center.
        center: (d,) float64.

    Raises:
        InputError: for an unknown engine, probes < 1, no matrix, or non-finite rows, naming them.
    """

    def __init__(
        self,
        embeddings: np.ndarray,
        *,
        engine: Engine = "exact",
        probes: int = 64,
        device: str = "cpu",
        center: np.ndarray | None = None,
    ):
        if engine not in ENGINES:
            raise InputError(f"engine must be one of {', '.join(ENGINES)}, given {engine!r}")
        if probes < 1:
            raise InputError(f"probes must be at least 1, given {probes}")
        matrix = _matrix("embeddings", embeddings)
        self.engine: Engine = engine
        self.probes = probes
        self._method = METHODS[engine](probes, device)
        self.center = np.asarray(_mean(matrix) if center is None else center, np.float64)
        self.vectors = _centered(matrix, self.center)

    def __len__(self) -> int:
        return len(self.vectors)

    @property
    def dimension(self) -> int:
        """Coordinates of an embedding."""
        return self.vectors.shape[1]

    def add(self, embeddings: np.ndarray) -> None:
        """Append rows, numbered on. The center stays, which changes no distance.

        The first rows of an empty datastore set its center. The index of an ivf engine is built
        anew when it is next searched.

        Args:
            embeddings: (m, d), finite.

        Raises:
            InputError: for another dimension, or values that are not finite.
        """
        matrix = self._checked(embeddings, "embeddings")
        if not len(self) and len(matrix):
            self.center = _mean(matrix)
        rows = _centered(matrix, self.center)
        self.vectors = np.concatenate([self.vectors, rows])
        self._method.extend(rows)

    def search(self, queries: np.ndarray, k: int, *, include_self: bool = True) -> Neighbors:
        """The k nearest rows of each query; k above the number of rows gives them all.

        Args:
            queries: (m, d).
            k: neighbors of each query.
            include_self: False if query i is row i of the datastore and no neighbor of itself.

        Returns:
            Neighbors (m, min(k, n)); without self at most n − 1 of each query.

        Raises:
            InputError: for k < 1, another dimension, or values that are not finite.
        """
        if k < 1:
            raise InputError(f"k must be at least 1, given {k}")
        q = _centered(self._checked(queries, "queries"), self.center)
        k = min(k, len(self) - (not include_self))
        if k < 1:
            return _no_neighbors(len(q))
        rows = self._method.candidates(self.vectors, q, k + (not include_self))
        rows = np.ascontiguousarray(rows)
        distances = np.empty(rows.shape, np.float32)
        _refine(q, self.vectors, rows, distances, not include_self)
        return Neighbors(distances[:, :k], rows[:, :k])

    def recall(self, queries: np.ndarray, k: int) -> float:
        """Share of the true k nearest rows that this engine returns, in [0, 1].

        Args:
            queries: (m, d).
            k: neighbors of each query.

        Returns:
            The mean over queries; 1 if there are no neighbors to return.

        Raises:
            InputError: as `search`.
        """
        rows = self.search(queries, k).rows
        exact = copy(self)
        exact.engine = "exact"
        exact._method = METHODS["exact"]()
        true_rows = exact.search(queries, k).rows
        hits = [len(np.intersect1d(a, b)) for a, b in zip(rows, true_rows, strict=True)]
        return float(np.mean(hits) / true_rows.shape[1]) if true_rows.size else 1.0

    def _checked(self, values: np.ndarray, name: str) -> np.ndarray:
        """A finite matrix of the datastore's dimension. Raises InputError."""
        matrix = _matrix(name, values)
        if matrix.shape[1] != self.dimension:
            raise InputError(
                f"{name} have {matrix.shape[1]} coordinates, the datastore has {self.dimension}"
            )
        return matrix

    # ---- files

    def save(self, folder: str | Path) -> None:
        """Write vectors (safetensors), settings (JSON) and the index of ivf or hnsw (FAISS).

        An index that was not built yet is built first.

        Args:
            folder: where they go; made if it is missing.
        """
        from safetensors.numpy import save_file

        folder = Path(folder)
        with atomic(folder / "datastore.safetensors") as path:
            save_file({"vectors": self.vectors, "center": self.center}, path)
        self._method.save(self.vectors, folder / "index.faiss")
        with atomic(folder / "datastore.json") as path:
            path.write_text(json.dumps({"engine": self.engine, "probes": self.probes}) + "\n")

    @classmethod
    def load(cls, folder: str | Path, *, device: str = "cpu") -> "Datastore":
        """Read a datastore that `save` wrote.

        Args:
            folder: that `save` wrote to.
            device: of the torch engine.

        Returns:
            The datastore with its engine, probes and center.

        Raises:
            InputError: if it is missing or not whole.
        """
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        folder = Path(folder)
        try:
            options = json.loads((folder / "datastore.json").read_text())
            arrays = load_file(folder / "datastore.safetensors")
            vectors = arrays["vectors"]
            store = cls(vectors[:0], **options, device=device, center=arrays["center"])
            store.vectors = vectors
            n_indexed = store._method.load(folder / "index.faiss")
        except (OSError, ValueError, KeyError, TypeError, SafetensorError, RuntimeError) as error:
            raise InputError(
                f"{folder} holds no whole datastore ({error}); build it again"
            ) from error
        if n_indexed is not None and n_indexed != len(store):
            raise InputError(
                f"{folder}: the index holds {n_indexed} rows, "
                f"the datastore {len(store)}; build it again"
            )
        return store


def search(
    parts: Iterable[np.ndarray], queries: np.ndarray, k: int, *, device: str = "cpu"
) -> Neighbors:
    """The k nearest of rows that come in parts, one in memory at a time.

    Exact, and the same for every way to cut the rows. Rows are numbered through all parts.

    Args:
        parts: matrices (rows, d), e.g. read from files one after another.
        queries: (m, d).
        k: neighbors of each query.
        device: `cpu` searches with FAISS, another with torch.

    Returns:
        Neighbors (m, min(k, rows of all parts)).

    Raises:
        InputError: as `Datastore` and `Datastore.search`, of the queries or a part.
    """
    q = _matrix("queries", queries)
    # one center for all parts, that no cut changes:
    # float32 differences depend on it in their last digits
    center = _mean(q)
    engine: Engine = "exact" if device == "cpu" else "torch"
    neighbors, first_row = _no_neighbors(len(q)), 0
    for part in parts:
        store = Datastore(part, engine=engine, device=device, center=center)
        distances, rows = store.search(q, k)
        rows = np.where(rows < 0, -1, rows + first_row)
        neighbors = merged([neighbors, Neighbors(distances, rows)], k)
        first_row += len(store)
    return neighbors


def merged(parts: Sequence[Neighbors], k: int) -> Neighbors:
    """The k nearest among neighbors of the same queries from separate searches.

    Args:
        parts: neighbors of the same m queries, their rows numbered through.
        k: neighbors of each query.

    Returns:
        Neighbors (m, k), or fewer if the parts have fewer; equal distances by row number.
    """
    distances = np.concatenate([part.distances for part in parts], axis=1)
    rows = np.concatenate([part.rows for part in parts], axis=1)
    order = np.lexsort((np.where(rows < 0, np.iinfo(np.int64).max, rows), distances), axis=1)[:, :k]
    return Neighbors(np.take_along_axis(distances, order, 1), np.take_along_axis(rows, order, 1))


def weights(distances: np.ndarray, bandwidth: float) -> np.ndarray:
    """Soft kNN weights exp(−d/σ), each row summing to 1; neighbors that are not there get 0.

    The row's smallest distance is subtracted first, which changes no weight and never gives 0/0. σ
    = 0 puts equal weight on the neighbors at the smallest distance; σ = ∞ on all.

    Args:
        distances: (queries, k) Euclidean, not squared; infinite where there is no neighbor.
        bandwidth: σ ≥ 0, in units of distance.

    Returns:
        (queries, k) float64.

    Raises:
        InputError: for a negative or NaN bandwidth.
    """
    if not bandwidth >= 0:
        raise InputError(f"bandwidth must be 0, positive or infinite, given {bandwidth}")
    distances = np.asarray(distances, np.float64)
    exists = np.isfinite(distances)
    if not distances.shape[1]:
        return distances
    nearest = distances.min(1, keepdims=True)
    excess = np.where(exists, distances - np.where(np.isfinite(nearest), nearest, 0), np.inf)
    if bandwidth == 0:
        kernel = excess == 0
    elif np.isinf(bandwidth):
        kernel = exists
    else:
        with np.errstate(over="ignore"):  # far against the bandwidth: no weight
            kernel = np.exp(-excess / bandwidth)
    total = kernel.sum(1, keepdims=True)
    return np.divide(kernel, total, out=np.zeros_like(distances), where=total > 0)


def scale(distances: np.ndarray) -> float:
    """A bandwidth to start from: the median non-zero distance to the nearest neighbor.

    Repeated embeddings make the plain median exactly 0.

    Args:
        distances: (queries, k), nearest first; infinite where there is no neighbor.

    Returns:
        The median, in units of distance; 1 if all are 0 or there are none.
    """
    first = np.asarray(distances)[:, :1].ravel()
    first = first[np.isfinite(first) & (first > 0)]
    return float(np.median(first)) if len(first) else 1.0


def _matrix(name: str, values: np.ndarray) -> np.ndarray:
    """A finite matrix of numbers. Raises InputError."""
    matrix = np.asarray(values)
    if matrix.ndim != 2 or matrix.dtype.kind not in "fiub":
        raise InputError(
            f"{name} must be a matrix (rows, coordinates) of numbers, "
            f"given {matrix.dtype} {matrix.shape}"
        )
    if matrix.dtype.kind == "f":
        bad: list[int] = []
        for begin in range(0, len(matrix), ROWS):
            finite = np.isfinite(matrix[begin : begin + ROWS]).all(1)
            bad += (begin + np.flatnonzero(~finite)).tolist()
        if bad:
            first = ", ".join(map(str, bad[:5])) + (", ..." if len(bad) > 5 else "")
            raise InputError(f"{name}: {len(bad)} rows hold NaN or infinite values: {first}")
    return matrix


def _mean(matrix: np.ndarray) -> np.ndarray:
    """Mean row (d,) float64; 0 if there are none."""
    return matrix.mean(0, dtype=np.float64) if len(matrix) else np.zeros(matrix.shape[1])


def _centered(values: np.ndarray, center: np.ndarray) -> np.ndarray:
    """values − center as float32, by parts: no second copy in double precision."""
    out = np.empty(values.shape, np.float32)
    for begin in range(0, len(values), ROWS):
        out[begin : begin + ROWS] = values[begin : begin + ROWS] - center
    return out


@njit(cache=True, fastmath={"reassoc", "contract"})
def _refine(q, vectors, rows, distances, exclude_self):
    """Distances by explicit differences, and rows in their order; ties by row number.

    Missing rows (-1) come last, at an infinite distance.
    """
    for i in range(rows.shape[0]):
        for j in range(rows.shape[1]):
            row = rows[i, j]
            if row < 0 or (exclude_self and row == i):
                rows[i, j], distances[i, j] = -1, np.inf
                continue
            total = np.float32(0)
            for c in range(q.shape[1]):
                difference = q[i, c] - vectors[row, c]
                total += difference * difference
            distances[i, j] = np.sqrt(total)
        for j in range(1, rows.shape[1]):  # insertion sort: nearly sorted already
            distance, row = distances[i, j], rows[i, j]
            at = j
            while at > 0 and (
                distances[i, at - 1] > distance
                or (
                    distances[i, at - 1] == distance
                    and (rows[i, at - 1] < 0 or (row >= 0 and rows[i, at - 1] > row))
                )
            ):
                distances[i, at], rows[i, at] = distances[i, at - 1], rows[i, at - 1]
                at -= 1
            distances[i, at], rows[i, at] = distance, row
