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
from typing import Any, NamedTuple

import numpy as np
from numba import njit

from rote.core.errors import InputError
from rote.core.tables import atomic
from rote.neighbors import cells
from rote.neighbors.engines import ENGINES, Engine

ROWS = 65_536  # rows added, or lying on a device, at a time
QUERIES = 1024  # queries answered at a time on a device


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
        self.device = device
        self.center = np.asarray(_mean(matrix) if center is None else center, np.float64)
        self.vectors = _centered(matrix, self.center)
        self._forget()

    def _forget(self) -> None:
        """Drop whatever was built over the rows so far."""
        self._index: Any = None  # of FAISS: ivf or hnsw
        self._cells: cells.Cells | None = None
        self._cells_considered = False  # cells were built, or a sample showed that they do not pay

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
        index = self._index
        self._forget()
        if self.engine == "hnsw" and index is not None:
            index.add(rows)
            self._index = index

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
        rows = np.ascontiguousarray(self._candidates(q, k + (not include_self)))
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
        exact._forget()
        true_rows = exact.search(queries, k).rows
        hits = [len(np.intersect1d(a, b)) for a, b in zip(rows, true_rows, strict=True)]
        return float(np.mean(hits) / true_rows.shape[1]) if true_rows.size else 1.0

    def _candidates(self, q: np.ndarray, k: int) -> np.ndarray:
        """Row numbers of the k nearest, (m, k) or some more, in no order that matters."""
        if self.engine == "torch":
            return _search_torch(q, self.vectors, k, self.device)
        if self.engine == "exact":
            self._consider_cells(q, k)
            if self._cells is not None and k <= len(self) // len(self._cells.centers):
                return cells.search(self._cells, self.vectors, q, k)
            return _faiss().knn(q, self.vectors, k)[1]
        if self._index is None:
            self._index = self._build_index()
        return self._index.search(q, k)[1]

    def _consider_cells(self, q: np.ndarray, k: int) -> None:
        """Build cells once so many queries come that they pay, unless a sample shows otherwise."""
        if self._cells_considered or not cells.is_worthwhile(len(self), len(q), k):
            return
        self._cells_considered = True
        centers = cells.choose_centers(self.vectors, q, k)
        if centers is not None:
            self._cells = cells.build(self.vectors, centers, _nearest_center)

    def _build_index(self) -> Any:
        """The approximate FAISS index over all rows."""
        faiss = _faiss()
        if self.engine == "hnsw":
            index = faiss.IndexHNSWFlat(self.dimension, 32)
            index.hnsw.efConstruction = 80
            index.hnsw.efSearch = self.probes
        else:
            lists = max(1, min(len(self), round(4 * np.sqrt(len(self)))))
            if len(self) < 39 * lists:  # fewer rows per list than its k-means wants to see
                lists = max(1, len(self) // 39)
            index = faiss.IndexIVFFlat(faiss.IndexFlatL2(self.dimension), self.dimension, lists)
            index.nprobe = min(self.probes, lists)
            index.train(self.vectors)
        for begin in range(0, len(self), ROWS):
            index.add(self.vectors[begin : begin + ROWS])
        return index

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
        index = folder / "index.faiss"
        if self.engine in ("ivf", "hnsw") and len(self):
            if self._index is None:
                self._index = self._build_index()
            with atomic(index) as path:
                _faiss().write_index(self._index, str(path))
        else:
            index.unlink(missing_ok=True)
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
            if (folder / "index.faiss").exists():
                store._index = _faiss().read_index(str(folder / "index.faiss"))
        except (OSError, ValueError, KeyError, TypeError, SafetensorError, RuntimeError) as error:
            raise InputError(
                f"{folder} holds no whole datastore ({error}); build it again"
            ) from error
        if store._index is not None and store._index.ntotal != len(store):
            raise InputError(
                f"{folder}: the index holds {store._index.ntotal} rows, "
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


def _faiss() -> Any:
    import faiss

    # below this many numbers per call FAISS leaves its matrix product for loops that are 13 to 22
    # times slower
    faiss.cvar.distance_compute_blas_threshold = 20
    return faiss


def _nearest_center(vectors: np.ndarray, centers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Squared distance and number of each row's nearest center, (n,) each."""
    squared, numbers = _faiss().knn(vectors, centers, 1)
    return squared[:, 0], numbers[:, 0]


def _search_torch(q: np.ndarray, vectors: np.ndarray, k: int, device: str) -> np.ndarray:
    """Candidates (m, k) by blocked matrix products and top-k on a device, in full float32."""
    import torch

    from rote.models.products import full_precision

    out = np.empty((len(q), k), np.int64)
    with full_precision():
        memory = torch.from_numpy(vectors).to(device)
        squares = memory.square().sum(1)
        for begin in range(0, len(q), QUERIES):
            block = torch.from_numpy(q[begin : begin + QUERIES]).to(device)
            out[begin : begin + QUERIES] = _top_rows(block, memory, squares, k).cpu().numpy()
    return out


def _top_rows(queries: Any, memory: Any, squares: Any, k: int) -> Any:
    """Row numbers (m, k) of the smallest |row|² − 2 q·row, part by part of the memory.

    Args:
        queries: tensor (m, d).
        memory: tensor (n, d), n ≥ k.
        squares: tensor (n,) |row|².
    """
    import torch

    def top(begin: int) -> tuple[Any, Any]:
        end = begin + ROWS
        part = torch.addmm(squares[begin:end], queries, memory[begin:end].T, alpha=-2)
        values, rows = part.topk(min(k, part.shape[1]), dim=1, largest=False)
        return values, rows + begin

    values, rows = top(0)
    for begin in range(ROWS, len(memory), ROWS):
        part_values, part_rows = top(begin)
        values = torch.cat([values, part_values], 1)
        rows = torch.cat([rows, part_rows], 1)
        values, order = values.topk(min(k, values.shape[1]), dim=1, largest=False)
        rows = rows.gather(1, order)
    return rows


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
