"""The search engines, registered under their names: what each builds over the rows, and its search.

Every method returns candidates only; a datastore takes their distances anew, and where an exact
method may have missed a row, those to all rows.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from rote.core.tables import atomic
from rote.neighbors import cells
from rote.neighbors.engines import Engine

ROWS = 65_536  # rows added, or lying on a device, at a time
QUERIES = 1024  # queries answered at a time on a device
# candidates above k: products round, and the order of near ties is decided by differences
MARGIN = 16


class Candidates(NamedTuple):
    """Rows that may be the nearest."""

    rows: np.ndarray  # (m, k) or some more, int64, in no order; -1: no row
    # (m,) squared distance, as products in float32 give it, that no other row is below;
    # None: an approximate method, which does not know
    floor: np.ndarray | None


class SearchMethod(Protocol):
    """One way to search the rows of one datastore, with what it has built over them."""

    def candidates(self, vectors: np.ndarray, q: np.ndarray, k: int) -> Candidates:
        """The k nearest rows in float32, and some more.

        Args:
            vectors: (n, d) float32, the rows.
            q: (m, d) float32.
            k: neighbors of each query, 1 ≤ k ≤ n.
        """

    def extend(self, rows: np.ndarray) -> None:
        """Take rows in that were appended to the datastore, or drop what was built before.

        Args:
            rows: (m, d) float32.
        """

    def save(self, vectors: np.ndarray, file: Path) -> None:
        """Write what was built, or remove the file of an earlier save if there is nothing.

        Args:
            vectors: (n, d) float32, the rows.
            file: to write.
        """

    def load(self, file: Path) -> int | None:
        """Read what `save` wrote.

        Args:
            file: that may be missing.

        Returns:
            Number of rows in it; None if there is nothing.
        """


class Exact:
    """Brute force on FAISS, or cells where they pay.

    Args:
        probes, device: as of all methods; of no use here.
    """

    def __init__(self, probes: int = 1, device: str = "cpu"):
        self.cells: cells.Cells | None = None
        self.considered_cells = False  # they were built, or a sample showed that they do not pay

    def candidates(self, vectors: np.ndarray, q: np.ndarray, k: int) -> Candidates:
        """See `SearchMethod`."""
        self._consider_cells(vectors, q, k)
        if self.cells is not None and k <= len(vectors) // len(self.cells.centers):
            return Candidates(*cells.search(self.cells, vectors, q, k, _width(vectors, k)))
        squares, rows = _faiss().knn(q, vectors, _width(vectors, k))
        return Candidates(rows, squares[:, -1].astype(np.float64))

    def _consider_cells(self, vectors: np.ndarray, q: np.ndarray, k: int) -> None:
        """Build cells once so many queries come that they pay, unless a sample shows otherwise."""
        if self.considered_cells or not cells.is_worthwhile(len(vectors), len(q), k):
            return
        self.considered_cells = True
        centers = cells.choose_centers(vectors, q, k)
        if centers is not None:
            self.cells = cells.build(vectors, centers, _nearest_center)

    def extend(self, rows: np.ndarray) -> None:
        """See `SearchMethod`."""
        self.cells = None
        self.considered_cells = False

    def save(self, vectors: np.ndarray, file: Path) -> None:
        """See `SearchMethod`."""
        file.unlink(missing_ok=True)

    def load(self, file: Path) -> int | None:
        """See `SearchMethod`."""
        return None


class OnDevice:
    """Brute force by torch on a device.

    Args:
        probes: as of all methods; of no use here.
        device: of torch.
    """

    def __init__(self, probes: int = 1, device: str = "cpu"):
        from rote.models.devices import check_device

        check_device(device)
        self.device = device

    def candidates(self, vectors: np.ndarray, q: np.ndarray, k: int) -> Candidates:
        """See `SearchMethod`."""
        rows, floor = _search_torch(q, vectors, _width(vectors, k), self.device)
        return Candidates(rows, floor)

    def extend(self, rows: np.ndarray) -> None:
        """See `SearchMethod`."""

    def save(self, vectors: np.ndarray, file: Path) -> None:
        """See `SearchMethod`."""
        file.unlink(missing_ok=True)

    def load(self, file: Path) -> int | None:
        """See `SearchMethod`."""
        return None


class InvertedLists:
    """Approximate: the rows of the nearest of about 4 √n lists, on FAISS.

    Args:
        probes: lists that are searched.
        device: as of all methods; of no use here.
    """

    def __init__(self, probes: int, device: str = "cpu"):
        self.probes = probes
        self.index: Any = None  # of FAISS, once it is built

    def candidates(self, vectors: np.ndarray, q: np.ndarray, k: int) -> Candidates:
        """See `SearchMethod`."""
        return Candidates(self._built(vectors).search(q, _width(vectors, k))[1], None)

    def _built(self, vectors: np.ndarray) -> Any:
        """The index over all rows."""
        if self.index is None:
            index = self._empty(vectors)
            for begin in range(0, len(vectors), ROWS):
                index.add(vectors[begin : begin + ROWS])
            self.index = index
        return self.index

    def _empty(self, vectors: np.ndarray) -> Any:
        """A trained index without rows."""
        faiss = _faiss()
        n, dimension = vectors.shape
        lists = max(1, min(n, round(4 * np.sqrt(n))))
        if n < 39 * lists:  # fewer rows per list than its k-means wants to see
            lists = max(1, n // 39)
        index = faiss.IndexIVFFlat(faiss.IndexFlatL2(dimension), dimension, lists)
        index.nprobe = min(self.probes, lists)
        index.train(vectors)
        return index

    def extend(self, rows: np.ndarray) -> None:
        """See `SearchMethod`."""
        self.index = None

    def save(self, vectors: np.ndarray, file: Path) -> None:
        """See `SearchMethod`."""
        if not len(vectors):
            file.unlink(missing_ok=True)
            return
        with atomic(file) as path:
            _faiss().write_index(self._built(vectors), str(path))

    def load(self, file: Path) -> int | None:
        """See `SearchMethod`."""
        if not file.exists():
            return None
        self.index = _faiss().read_index(str(file))
        return self.index.ntotal


class SmallWorld(InvertedLists):
    """Approximate: a graph of near rows (HNSW) on FAISS, which takes in new rows as they come.

    Args:
        probes: candidates in its queue.
        device: as of all methods; of no use here.
    """

    def _empty(self, vectors: np.ndarray) -> Any:
        index = _faiss().IndexHNSWFlat(vectors.shape[1], 32)
        index.hnsw.efConstruction = 80
        index.hnsw.efSearch = self.probes
        return index

    def extend(self, rows: np.ndarray) -> None:
        """See `SearchMethod`."""
        if self.index is not None:
            self.index.add(rows)


METHODS: Mapping[Engine, Callable[..., SearchMethod]] = {
    "exact": Exact,
    "torch": OnDevice,
    "ivf": InvertedLists,
    "hnsw": SmallWorld,
}


def _faiss() -> Any:
    import faiss

    # below this many numbers per call FAISS leaves its matrix product for loops that are 13 to 22
    # times slower
    faiss.cvar.distance_compute_blas_threshold = 20
    return faiss


def _width(vectors: np.ndarray, k: int) -> int:
    """Number of candidates of k neighbors."""
    return min(len(vectors), k + MARGIN)


def _nearest_center(vectors: np.ndarray, centers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Squared distance and number of each row's nearest center, (n,) each."""
    squared, numbers = _faiss().knn(vectors, centers, 1)
    return squared[:, 0], numbers[:, 0]


def _search_torch(
    q: np.ndarray, vectors: np.ndarray, k: int, device: str
) -> tuple[np.ndarray, np.ndarray]:
    """Candidates (m, k) by blocked products and top-k on a device, in full float32; their floor."""
    import torch

    from rote.models.products import full_precision

    out = np.empty((len(q), k), np.int64)
    floor = np.empty(len(q))
    with full_precision():
        memory = torch.from_numpy(vectors).to(device)
        squares = memory.square().sum(1)
        for begin in range(0, len(q), QUERIES):
            block = torch.from_numpy(q[begin : begin + QUERIES]).to(device)
            values, rows = _top_rows(block, memory, squares, k)
            out[begin : begin + QUERIES] = rows.cpu().numpy()
            floor[begin : begin + QUERIES] = values.amax(1).cpu().numpy()
    return out, floor + np.einsum("md,md->m", q, q, dtype=np.float64)


def _top_rows(queries: Any, memory: Any, squares: Any, k: int) -> tuple[Any, Any]:
    """The smallest |row|² − 2 q·row and their row numbers, (m, k) each, part by part of the memory.

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
    return values, rows
