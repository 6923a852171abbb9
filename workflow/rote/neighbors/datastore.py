"""Nearest neighbors: exact on FAISS or torch, approximate by IVF or HNSW; soft kNN weights and
residuals.

Embeddings are centered before anything else: the matrix-product formula of distances loses its
digits where vectors are long against their differences. Distances of the neighbors found are then
computed anew by explicit differences, so every engine gives the same numbers for the same
neighbors.
"""

import json
from collections.abc import Iterable, Sequence
from copy import copy
from pathlib import Path
from typing import Literal, NamedTuple, get_args

import numpy as np
from numba import njit

from rote.core.errors import InputError
from rote.core.tables import atomic
from rote.neighbors import cells

Engine = Literal["exact", "torch", "ivf", "hnsw"]
ROWS = 65_536  # rows added, or held on a device, at a time
QUERIES = 1024  # queries answered at a time on a device


class Neighbors(NamedTuple):
    """Neighbors of some queries, nearest first; equal distances by row number."""

    distances: np.ndarray  # (queries, k) float32, Euclidean; infinite where there is no neighbor
    rows: np.ndarray  # (queries, k) int64; -1 where there is no neighbor

    def first(self, k: int) -> "Neighbors":
        """The k nearest of them."""
        return Neighbors(self.distances[:, :k], self.rows[:, :k])


class Datastore:
    """Embeddings that can be searched and added to.

    Args:
        embeddings: (n, d), finite; n may be 0.
        engine: exact (FAISS, brute force), torch (the same on a device), ivf or hnsw (approximate).
        probes: ivf: lists that are searched, of about 4 √n; hnsw: candidates that are held.
        device: of the torch engine.
        center: (d,) point that is subtracted before distances are taken; default: the mean.

    Raises:
        InputError: for embeddings that are not a finite matrix, naming the first rows that are not.
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
        if engine not in get_args(Engine):
            raise InputError(
                f"engine must be one of {', '.join(get_args(Engine))}, given {engine!r}"
            )
        if probes < 1:
            raise InputError(f"probes must be at least 1, given {probes}")
        found = _matrix("embeddings", embeddings)
        self.engine, self.probes, self.device = engine, probes, device
        if center is None:
            center = found.mean(0, dtype=np.float64) if len(found) else np.zeros(found.shape[1])
        self.center = np.asarray(center, np.float64)
        self.vectors = _centered(found, self.center)
        self._index = None
        self._cells: cells.Cells | Literal[False] | None = (
            None  # False: a look at the rows said that they do not pay
        )

    def __len__(self) -> int:
        return len(self.vectors)

    @property
    def dimension(self) -> int:
        """Coordinates of an embedding."""
        return self.vectors.shape[1]

    def add(self, embeddings: np.ndarray) -> None:
        """Append rows; they get the next numbers. The center stays, which changes no distance."""
        found = self._like(embeddings, "embeddings")
        if not len(self):
            self.center = found.mean(0, dtype=np.float64) if len(found) else self.center
        new = _centered(found, self.center)
        self.vectors, self._cells = np.concatenate([self.vectors, new]), None
        if self.engine == "hnsw" and self._index is not None:
            self._index.add(new)
        else:
            self._index = None

    def search(self, queries: np.ndarray, k: int, *, include_self: bool = True) -> Neighbors:
        """The k nearest rows of each query; k above the number of rows gives them all.

        Args:
            queries: (m, d).
            include_self: False if query i is row i of the datastore and must not find itself.

        Raises:
            InputError: for k < 1, another dimension, or values that are not finite.
        """
        if k < 1:
            raise InputError(f"k must be at least 1, given {k}")
        q = _centered(self._like(queries, "queries"), self.center)
        k = min(k, len(self) - (not include_self))
        if k < 1:
            return Neighbors(np.empty((len(q), 0), np.float32), np.empty((len(q), 0), np.int64))
        rows = np.ascontiguousarray(self._candidates(q, k + (not include_self)))
        distances = np.empty(rows.shape, np.float32)
        _refine(q, self.vectors, rows, distances, not include_self)
        return Neighbors(distances[:, :k], rows[:, :k])

    def recall(self, queries: np.ndarray, k: int) -> float:
        """Share of the true k nearest rows that this engine finds."""
        found = self.search(queries, k).rows
        exact = copy(self)
        exact.engine, exact._index, exact._cells = "exact", None, None
        true = exact.search(queries, k).rows
        hits = [len(np.intersect1d(a, b)) for a, b in zip(found, true, strict=True)]
        return float(np.mean(hits) / true.shape[1]) if true.size else 1.0

    def _candidates(self, q: np.ndarray, k: int) -> np.ndarray:
        """Row numbers of the k nearest, (m, k) or some more, in no order that matters."""
        if self.engine == "torch":
            return _torch(q, self.vectors, k, self.device)
        faiss = _faiss()
        if self.engine == "exact":
            if self._cells is None and cells.worth_a_look(len(self), len(q), k):
                chosen = cells.centers(self.vectors, q, k)
                self._cells = chosen is not None and cells.build(self.vectors, chosen, _nearest)
            if self._cells and k <= len(self) // len(self._cells.centers):
                return cells.search(self._cells, self.vectors, q, k)
            return faiss.knn(q, self.vectors, k)[1]
        if self._index is None:
            self._index = self._built(faiss)
        return self._index.search(q, k)[1]

    def _built(self, faiss):
        """The approximate index over all rows."""
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

    def _like(self, values: np.ndarray, name: str) -> np.ndarray:
        found = _matrix(name, values)
        if found.shape[1] != self.dimension:
            raise InputError(
                f"{name} have {found.shape[1]} coordinates, the datastore has {self.dimension}"
            )
        return found

    # ---- files
    # -------------------------------------------------------------------------------------------------------

    def save(self, folder: str | Path) -> None:
        """Write vectors (safetensors), what they are (JSON), and a built approximate index (FAISS)."""
        from safetensors.numpy import save_file

        folder = Path(folder)
        with atomic(folder / "datastore.safetensors") as path:
            save_file({"vectors": self.vectors, "center": self.center}, path)
        index = folder / "index.faiss"
        if self.engine in ("ivf", "hnsw") and len(self):
            if self._index is None:
                self._index = self._built(_faiss())
            with atomic(index) as path:
                _faiss().write_index(self._index, str(path))
        else:
            index.unlink(missing_ok=True)
        with atomic(folder / "datastore.json") as path:
            path.write_text(json.dumps({"engine": self.engine, "probes": self.probes}) + "\n")

    @classmethod
    def load(cls, folder: str | Path, *, device: str = "cpu") -> "Datastore":
        """A saved datastore. Raises InputError if it is not whole."""
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        folder, store = Path(folder), cls.__new__(cls)
        try:
            about, arrays = (
                json.loads((folder / "datastore.json").read_text()),
                load_file(folder / "datastore.safetensors"),
            )
            store.engine, store.probes, store.device = about["engine"], about["probes"], device
            store._index = store._cells = None
            store.vectors, store.center = arrays["vectors"], arrays["center"]
            if (folder / "index.faiss").exists():
                store._index = _faiss().read_index(str(folder / "index.faiss"))
        except (OSError, ValueError, KeyError, SafetensorError, RuntimeError) as error:
            raise InputError(
                f"{folder} holds no whole datastore ({error}); build it again"
            ) from error
        if store._index is not None and store._index.ntotal != len(store):
            raise InputError(
                f"{folder}: the index holds {store._index.ntotal} rows, the datastore "
                f"{len(store)}; build it again"
            )
        return store


def search(
    parts: Iterable[np.ndarray], queries: np.ndarray, k: int, *, device: str = "cpu"
) -> Neighbors:
    """The k nearest of rows that come in parts, of which one is held at a time; exact, and the same
    for every way to cut the rows. Rows are numbered through all parts.

    Args:
        parts: matrices (rows, d), e.g. read from files one after another.
        queries: (m, d).
        device: `cpu` searches with FAISS, another with torch.

    Raises:
        InputError: as `Datastore`.
    """
    q, first = _matrix("queries", queries), 0
    # one center for all parts, that no cut changes: float32 differences depend on it in their last
    # digits
    center = q.mean(0, dtype=np.float64) if len(q) else np.zeros(q.shape[1])
    found = Neighbors(np.empty((len(q), 0), np.float32), np.empty((len(q), 0), np.int64))
    for part in parts:
        store = Datastore(
            part, engine="exact" if device == "cpu" else "torch", device=device, center=center
        )
        near = store.search(q, k)
        found = merged(
            [found, near._replace(rows=np.where(near.rows < 0, -1, near.rows + first))], k
        )
        first += len(store)
    return found


def merged(found: Sequence[Neighbors], k: int) -> Neighbors:
    """The k nearest among neighbors of the same queries that were found apart; equal distances by
    row number.
    """
    distances = np.concatenate([near.distances for near in found], axis=1)
    rows = np.concatenate([near.rows for near in found], axis=1)
    order = np.lexsort((np.where(rows < 0, np.iinfo(np.int64).max, rows), distances), axis=1)[:, :k]
    return Neighbors(np.take_along_axis(distances, order, 1), np.take_along_axis(rows, order, 1))


def weights(distances: np.ndarray, bandwidth: float) -> np.ndarray:
    """Soft kNN weights exp(−d/σ), each row summing to 1, (queries, k); neighbors that are not
    there get 0.

    The row's smallest distance is subtracted first, which changes no weight and never gives 0/0. σ
    = 0 puts equal weight on the neighbors at the smallest distance; σ = ∞ on all.

    Args:
        distances: (queries, k) Euclidean, not squared; infinite where there is no neighbor.
        bandwidth: σ ≥ 0, in units of distance.

    Raises:
        InputError: for a negative or NaN bandwidth.
    """
    if not bandwidth >= 0:
        raise InputError(f"bandwidth must be 0, positive or infinite, given {bandwidth}")
    distances = np.asarray(distances, np.float64)
    there = np.isfinite(distances)
    if not distances.shape[1]:
        return distances
    nearest = distances.min(1, keepdims=True)
    beyond = np.where(there, distances - np.where(np.isfinite(nearest), nearest, 0), np.inf)
    if bandwidth == 0:
        found = beyond == 0
    elif np.isinf(bandwidth):
        found = there
    else:
        with np.errstate(over="ignore"):  # far against the bandwidth: no weight
            found = np.exp(-beyond / bandwidth)
    total = found.sum(1, keepdims=True)
    return np.divide(found, total, out=np.zeros_like(distances), where=total > 0)


def scale(distances: np.ndarray) -> float:
    """A bandwidth to start from: the median distance to the nearest neighbor among those that are
    not 0.

    Repeated embeddings make the plain median exactly 0.
    """
    first = np.asarray(distances)[:, :1].ravel()
    first = first[np.isfinite(first) & (first > 0)]
    return float(np.median(first)) if len(first) else 1.0


def _matrix(name: str, values: np.ndarray) -> np.ndarray:
    """A finite matrix of floats. Raises InputError."""
    found = np.asarray(values)
    if found.ndim != 2 or found.dtype.kind not in "fiub":
        raise InputError(
            f"{name} must be a matrix (rows, coordinates) of numbers, given {found.dtype} "
            f"{found.shape}"
        )
    if found.dtype.kind == "f":
        bad = [
            begin + row
            for begin in range(0, len(found), ROWS)
            for row in np.flatnonzero(~np.isfinite(found[begin : begin + ROWS]).all(1))
        ]
        if bad:
            first = ", ".join(str(row) for row in bad[:5]) + (", ..." if len(bad) > 5 else "")
            raise InputError(f"{name}: {len(bad)} rows hold NaN or infinite values: {first}")
    return found


def _centered(values: np.ndarray, center: np.ndarray) -> np.ndarray:
    """values − center as float32, by parts: no second copy in double precision."""
    out = np.empty(values.shape, np.float32)
    for begin in range(0, len(values), ROWS):
        out[begin : begin + ROWS] = values[begin : begin + ROWS] - center
    return out


def _faiss():
    import faiss

    # below this many numbers per call FAISS leaves its matrix product for loops that are 13 to 22
    # times slower
    faiss.cvar.distance_compute_blas_threshold = 20
    return faiss


def _nearest(vectors: np.ndarray, centers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Squared distance and number of each row's nearest center."""
    squared, numbers = _faiss().knn(vectors, centers, 1)
    return squared[:, 0], numbers[:, 0]


def _torch(q: np.ndarray, vectors: np.ndarray, k: int, device: str) -> np.ndarray:
    """Candidates by blocked matrix products and top-k on a device, in full float32."""
    import torch

    from rote.models.products import full_precision

    out = np.empty((len(q), k), np.int64)
    with full_precision():
        memory = torch.from_numpy(vectors).to(device)
        squares = memory.square().sum(1)
        for begin in range(0, len(q), QUERIES):
            some = torch.from_numpy(q[begin : begin + QUERIES]).to(device)
            best = rows = None
            for at in range(0, len(memory), ROWS):
                part = torch.addmm(
                    squares[at : at + ROWS], some, memory[at : at + ROWS].T, alpha=-2
                )
                near, where = part.topk(min(k, part.shape[1]), dim=1, largest=False)
                where = where + at
                if best is not None:
                    near, where = torch.cat([best, near], 1), torch.cat([rows, where], 1)
                    near, order = near.topk(min(k, near.shape[1]), dim=1, largest=False)
                    where = where.gather(1, order)
                best, rows = near, where
            out[begin : begin + QUERIES] = rows.cpu().numpy()
    return out


@njit(cache=True, fastmath={"reassoc", "contract"})
def _refine(q, vectors, rows, distances, exclude_self):
    """Distances by explicit differences, and rows in their order; ties by row number. -1 last, at
    infinity.
    """
    for i in range(rows.shape[0]):
        for j in range(rows.shape[1]):
            row = rows[i, j]
            if row < 0 or (exclude_self and row == i):
                rows[i, j], distances[i, j] = -1, np.inf
                continue
            total = np.float32(0)
            for c in range(q.shape[1]):
                off = q[i, c] - vectors[row, c]
                total += off * off
            distances[i, j] = np.sqrt(total)
        for j in range(1, rows.shape[1]):  # nearly sorted already
            d, row, at = distances[i, j], rows[i, j], j
            while at > 0 and (
                distances[i, at - 1] > d
                or (
                    distances[i, at - 1] == d
                    and (rows[i, at - 1] < 0 or (row >= 0 and rows[i, at - 1] > row))
                )
            ):
                distances[i, at], rows[i, at] = distances[i, at - 1], rows[i, at - 1]
                at -= 1
            distances[i, at], rows[i, at] = d, row
