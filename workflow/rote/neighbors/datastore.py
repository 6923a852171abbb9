"""Nearest neighbors: exact on FAISS or torch, approximate by IVF or HNSW; soft kNN weights.

An engine proposes candidates, some more than the neighbors, by products in float32. Their distances
are then taken in float64 from the embeddings as they were given, so every engine gives the same
numbers for the same neighbors. A query of an exact engine whose candidates may lack a neighbor, by
the bound of `rote.neighbors.distances`, is compared with every row.
"""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from rote.core import fields, reals
from rote.core.errors import InputError
from rote.core.files import one_line
from rote.core.tables import atomic
from rote.neighbors import distances as measured
from rote.neighbors.engines import ENGINES, Engine
from rote.neighbors.methods import METHODS, ROWS

LARGEST = 1e150  # of a coordinate: squares of differences must not overflow
_PROBES = fields.whole(1, 2**31 - 1)
_BANDWIDTH = fields.FieldRange("0, positive or infinite", lambda value: value >= 0)
SAMPLE = 1024  # rows whose median is the center


class Neighbors(NamedTuple):
    """Neighbors of some queries, nearest first; equal distances by row number."""

    distances: np.ndarray  # (queries, k) float64, Euclidean; infinite where there is no neighbor
    rows: np.ndarray  # (queries, k) int64; -1 where there is no neighbor

    def first(self, k: int) -> "Neighbors":
        """The k nearest of them, (queries, k), or all if there are fewer.

        Args:
            k: neighbors of each query.

        Raises:
            InputError: for k < 0.
        """
        k = fields.check({"k": fields.COUNT}, {"k": k})["k"]
        return Neighbors(self.distances[:, :k], self.rows[:, :k])


def _no_neighbors(queries: int) -> Neighbors:
    return Neighbors(np.empty((queries, 0)), np.empty((queries, 0), np.int64))


class Datastore:
    """Embeddings that can be searched and added to.

    Exact engines give the neighbors of a brute-force search in float64, equal distances by row
    number, for any coordinates up to 1e150 in size; differences below 1e-154 may count as none.
    Where neighbors are very close against the distance to most rows, or very many are equally far,
    float32 cannot tell them apart, and a search takes as long as brute force in float64.

    Args:
        embeddings: (n, d), finite; n may be 0. Floats and whole numbers of up to 16 bits are
            compared as they are, others as float64. A matrix of float32 or float64 is not copied,
            so it must not be changed while it is searched.
        engine: exact (FAISS, brute force), torch (the same on a device), ivf or hnsw (approximate).
        probes: ivf: lists that are searched, of about 4 √n; hnsw: candidates in its queue.
        device: of the torch engine.

    Attributes:
        embeddings: (n, d) float32 or float64.
        vectors: (n, d) float32, the embeddings less the center, times `factor`: what engines see.
        center: (d,) float64, in the middle of the embeddings.
        factor: 1, or a power of 2 where float32 could not hold the squares.

    Raises:
        InputError: for an unknown engine, probes < 1, a device that is not there, no matrix or one
            without columns, or rows that are not finite or exceed 1e150, naming them.
    """

    def __init__(
        self,
        embeddings: np.ndarray,
        *,
        engine: Engine = "exact",
        probes: int = 64,
        device: str = "cpu",
    ):
        if not isinstance(engine, str) or engine not in ENGINES:
            raise InputError(f"engine must be one of {', '.join(ENGINES)}, given {engine!r}")
        self.engine: Engine = engine
        self.probes = fields.check({"probes": _PROBES}, {"probes": probes})["probes"]
        self._method = METHODS[engine](self.probes, device)
        self._set(_matrix("embeddings", embeddings))

    def _set(self, embeddings: np.ndarray) -> None:
        """Begin with these rows: they say where the center is, and the factor."""
        self.embeddings = embeddings
        self.center = _middle(embeddings)
        self.factor = 1.0
        self.vectors = self._placed(embeddings)
        if self.vectors.size and not 2.0**-30 < _size(self.vectors) < 2.0**40:
            self.factor = _factor(embeddings, self.center)
            self.vectors = self._placed(embeddings)

    def _placed(self, values: np.ndarray) -> np.ndarray:
        """What engines see of these rows, by parts: no second copy in double precision."""
        out = np.empty(values.shape, np.float32)
        with np.errstate(over="ignore"):  # clipped below
            for begin in range(0, len(values), ROWS):
                part = values[begin : begin + ROWS] - self.center
                out[begin : begin + ROWS] = part if self.factor == 1 else part * self.factor
        end = np.float32(measured.FURTHEST)
        return np.clip(out, -end, end, out=out) if out.size and _size(out) > end else out

    def __len__(self) -> int:
        return len(self.embeddings)

    @property
    def dimension(self) -> int:
        """Coordinates of an embedding."""
        return self.embeddings.shape[1]

    def add(self, embeddings: np.ndarray) -> None:
        """Append rows, numbered on. The center stays, which changes no distance.

        The first rows of an empty datastore set its center. The index of an ivf engine is built
        anew when it is next searched.

        Args:
            embeddings: (m, d), finite.

        Raises:
            InputError: for another dimension, or values that are not finite or exceed 1e150.
        """
        matrix = self._checked(embeddings, "embeddings")
        if not len(self):
            self._set(matrix)
            self._method.extend(self.vectors)
            return
        rows = self._placed(matrix)
        self.embeddings = np.concatenate([self.embeddings, matrix])
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
            InputError: for k < 1, another dimension, values that are not finite, and more queries
                than rows where each is a row.
        """
        k = fields.check({"k": fields.SIZE}, {"k": k})["k"]
        fields.check_types({"include_self": bool}, {"include_self": include_self})
        q = self._checked(queries, "queries")
        if not include_self and len(q) > len(self):
            raise InputError(
                f"include_self=False takes query i for row i: {len(q)} queries, {len(self)} rows"
            )
        k = min(k, len(self) - (not include_self))
        if k < 1:
            return _no_neighbors(len(q))
        placed, q = self._placed(q), q.astype(np.float64)
        rows, floor = self._method.candidates(self.vectors, placed, k + (not include_self))
        distances, rows = measured.refine(q, self.embeddings, rows, not include_self)
        distances, rows = distances[:, :k], rows[:, :k]
        if floor is not None and len(q) and rows.shape[1] < len(self):
            self._complete(q, placed, floor, Neighbors(distances, rows), include_self)
        return Neighbors(distances, rows)

    def _complete(
        self,
        q: np.ndarray,
        placed: np.ndarray,
        floor: np.ndarray,
        neighbors: Neighbors,
        include_self: bool,
    ) -> None:
        """Search by brute force, in place, where rows that are no candidates may be nearer."""
        kth = neighbors.distances[:, -1]
        lengths = np.sqrt(np.einsum("md,md->m", placed, placed, dtype=np.float64))
        needed = measured.least_computed(kth * self.factor, lengths, self.dimension)
        open_ = np.flatnonzero(~(floor > needed))
        excluded = np.full(len(open_), -1) if include_self else open_
        k = neighbors.rows.shape[1]
        neighbors.distances[open_], neighbors.rows[open_] = measured.brute_force(
            q[open_], self.embeddings, k, excluded
        )

    def recall(self, queries: np.ndarray, k: int) -> float:
        """Share of the true k nearest rows that this engine returns, in [0, 1].

        The true ones are those of brute force in float64.

        Args:
            queries: (m, d).
            k: neighbors of each query.

        Returns:
            The mean over queries; 1 if there are no neighbors to return.

        Raises:
            InputError: as `search`.
        """
        rows = self.search(queries, k).rows
        if not rows.size:
            return 1.0
        q = self._checked(queries, "queries").astype(np.float64)
        nothing = np.full(len(q), -1)
        _, true_rows = measured.brute_force(q, self.embeddings, rows.shape[1], nothing)
        hits = [len(np.intersect1d(a, b)) for a, b in zip(rows, true_rows, strict=True)]
        return float(np.mean(hits) / true_rows.shape[1])

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
        """Write embeddings (safetensors), settings (JSON) and the index of ivf or hnsw (FAISS).

        An index that was not built yet is built first.

        Args:
            folder: where they go; made if it is missing.
        """
        from safetensors.numpy import save_file

        fields.check_types({"folder": fields.PATH}, {"folder": folder})
        folder = Path(folder).expanduser()
        with atomic(folder / "datastore.safetensors") as path:
            save_file({"embeddings": self.embeddings, "center": self.center}, path)
        self._method.save(self.vectors, folder / "index.faiss")
        with atomic(folder / "datastore.json") as path:
            options = {"engine": self.engine, "probes": self.probes, "factor": self.factor}
            path.write_text(json.dumps(options) + "\n", "utf-8")

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
        from safetensors.numpy import load_file

        fields.check_types({"folder": fields.PATH}, {"folder": folder})
        folder = Path(folder).expanduser()
        with one_line(folder, "holds no whole datastore", "build it again"):
            options = json.loads((folder / "datastore.json").read_text("utf-8"))
            arrays = load_file(folder / "datastore.safetensors")
            factor = float(options.pop("factor"))
            store = cls(arrays["embeddings"][:0], **options, device=device)
            store.embeddings = _matrix("embeddings", arrays["embeddings"])
            store.center, store.factor = arrays["center"], factor
            store.vectors = store._placed(store.embeddings)
            n_indexed = store._method.load(folder / "index.faiss")
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
    fields.check_many({"parts": parts})
    q = _matrix("queries", queries)
    engine: Engine = "exact" if str(device) == "cpu" else "torch"
    neighbors, first_row = _no_neighbors(len(q)), 0
    for part in parts:
        store = Datastore(part, engine=engine, device=device)
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

    Raises:
        InputError: for k < 1, no parts, parts that are no neighbors, and parts of different numbers
            of queries.
    """
    k = fields.check({"k": fields.SIZE}, {"k": k})["k"]
    if not isinstance(parts, Sequence) or not all(map(_are_neighbors, parts)):
        raise InputError("parts must be a list of `Neighbors`, as `search` returns")
    sizes = sorted({len(part.rows) for part in parts})
    if len(sizes) != 1:
        raise InputError(f"parts must hold neighbors of the same queries, given {sizes} queries")
    distances = np.concatenate([part.distances for part in parts], axis=1)
    rows = np.concatenate([part.rows for part in parts], axis=1)
    order = np.lexsort((np.where(rows < 0, np.iinfo(np.int64).max, rows), distances), axis=1)[:, :k]
    return Neighbors(np.take_along_axis(distances, order, 1), np.take_along_axis(rows, order, 1))


def _are_neighbors(part: object) -> bool:
    return (
        isinstance(part, Neighbors)
        and np.ndim(part.rows) == 2
        and (np.shape(part.rows) == np.shape(part.distances))
    )


def weights(distances: np.ndarray, bandwidth: float) -> np.ndarray:
    """Soft kNN weights exp(−d/σ), each row summing to 1; neighbors that are not there get 0.

    The row's smallest distance is subtracted first, which changes no weight and never gives 0/0. σ
    = 0 puts equal weight on the neighbors at the smallest distance; σ = ∞ on all.

    Args:
        distances: (queries, k) Euclidean, not squared; infinite or NaN where there is no neighbor.
        bandwidth: σ ≥ 0, in units of distance.

    Returns:
        (queries, k) float64.

    Raises:
        InputError: for distances that are no matrix of numbers, and a negative or NaN bandwidth.
    """
    bandwidth = reals.number("bandwidth", bandwidth, _BANDWIDTH)
    distances = _distances(distances)
    exists = np.isfinite(distances)
    if not distances.shape[1]:
        return distances
    nearest = np.where(exists, distances, np.inf).min(1, keepdims=True)
    with np.errstate(over="ignore", invalid="ignore"):  # further than any number; where is none
        excess = np.where(exists, distances - nearest, np.inf)
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

    Raises:
        InputError: for distances that are no matrix of numbers.
    """
    first = _distances(distances)[:, :1].ravel()
    first = first[np.isfinite(first) & (first > 0)]
    return float(np.median(first)) if len(first) else 1.0


def _distances(values: np.ndarray) -> np.ndarray:
    distances = reals.array("distances", values)
    if distances.ndim != 2:
        raise InputError(f"distances must be a matrix (queries, k), given shape {distances.shape}")
    return distances


def _matrix(name: str, values: np.ndarray) -> np.ndarray:
    """A finite matrix, (n, d ≥ 1) float32 or float64. Raises InputError."""
    matrix = reals.read(name, values)
    if matrix.ndim != 2 or matrix.shape[1] < 1 or matrix.dtype.kind not in "fiub":
        raise InputError(
            f"{name} must be a matrix (rows, coordinates) of numbers, "
            f"given {matrix.dtype} {matrix.shape}"
        )
    whole = np.can_cast(matrix.dtype, np.float32)
    with np.errstate(over="ignore"):  # of long doubles: infinite, refused below
        matrix = np.ascontiguousarray(matrix, np.float32 if whole else np.float64)
    # NaN is within nothing
    if matrix.size and not -LARGEST <= float(matrix.min()) <= float(matrix.max()) <= LARGEST:
        bad = np.flatnonzero(~(np.abs(matrix.astype(np.float64)) <= LARGEST).all(1)).tolist()
        first = ", ".join(map(str, bad[:5])) + (", ..." if len(bad) > 5 else "")
        raise InputError(
            f"{name}: {len(bad)} rows hold NaN, infinite values or some above {LARGEST:g}: {first}"
        )
    return matrix


def _middle(matrix: np.ndarray) -> np.ndarray:
    """Median of some rows, (d,) float64: outliers do not move it; 0 if there are none."""
    # in double precision: the mean of the two in the middle may be above what float32 holds
    sample = matrix[:: max(1, len(matrix) // SAMPLE)].astype(np.float64)
    return np.median(sample, 0) if len(matrix) else np.zeros(matrix.shape[1])


def _size(vectors: np.ndarray) -> float:
    """The largest coordinate, whatever its sign."""
    return max(float(vectors.max()), -float(vectors.min()))


def _factor(matrix: np.ndarray, center: np.ndarray) -> float:
    """The power of 2 that brings most rows less the center to about 1; outliers do not move it."""
    sizes = np.abs(matrix[:: max(1, len(matrix) // SAMPLE)] - center).max(1)
    if not sizes.any():  # all of the sample in one place
        sizes = np.maximum(matrix.max(0) - center, center - matrix.min(0))
    size = float(np.median(sizes[sizes > 0])) if sizes.any() else 1.0
    return 2.0 ** min(1000, -int(np.floor(np.log2(size))))
