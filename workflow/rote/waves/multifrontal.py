"""Sparse complex symmetric LDLᵀ of a five-point stencil: nested dissection, and dense fronts in
registers' width.

A rectangle of cells is cut by its middle line, its halves likewise, down to a few cells; a line is
eliminated after both sides of it (George 1973). What is eliminated together, and the cells around
it that it couples, is a front: a small dense symmetric matrix, to which the children's Schur
complements have been added (Duff and Reid 1983). Real and imaginary parts lie apart, sixteen
numbers each, so that every inner loop is a fixed number of vector instructions, and four pivots, or
four unknowns, are applied at a time.

Pivots are taken in order, as no exchange would keep the fronts: with a few cells per wavelength
that is harmless, and every solution's residual is looked at; where a pivot nearly vanishes, SuperLU
does it again with exchanges.
"""

import logging
from typing import NamedTuple

import numpy as np
from numba import njit
from scipy import sparse
from scipy.sparse.linalg import splu

log = logging.getLogger("rote")
LEAF = 12  # cells that are eliminated together without a further cut
LANES = 16  # numbers that are worked on at a time
FOUR = 4  # pivots or unknowns that are applied at a time
RESIDUAL = 1e-10  # of a solution, relative to the right-hand side, above which pivots are exchanged
_JIT = {"cache": True, "error_model": "numpy", "fastmath": {"contract"}}


class Plan(NamedTuple):
    """The order of elimination of a grid, its fronts, and where their numbers go. A place is a
    cell's turn.
    """

    order: np.ndarray  # (cells,) the cell at each place
    place: np.ndarray  # (cells,) and the place of each cell
    first: np.ndarray  # (fronts,) place of a front's first pivot
    pivots: np.ndarray  # (fronts,)
    starts: np.ndarray  # (fronts + 1,) where each front's boundary begins in `boundary`
    boundary: np.ndarray  # places that a front couples, ascending
    above: np.ndarray  # their rows in the parent's front
    parent: np.ndarray  # (fronts,) -1 at the root
    slot: (
        np.ndarray
    )  # (fronts,) where a front is put together: fronts of one depth follow each other in one slot
    kept: np.ndarray  # (fronts + 1,) where the rows of L begin
    entries: np.ndarray  # (cells + 1,) where the couplings of each place begin
    column: np.ndarray  # columns of the couplings in their front
    coupling: np.ndarray  # the matrix's entries beside the diagonal, complex
    scratch: int  # numbers in all slots
    chunks: int  # of LANES in the widest front's row

    @property
    def flops(self) -> tuple[float, float]:
        """Real operations of a factorization, and of a solution for one right-hand side without
        zeros.
        """
        s, b = self.pivots.astype(float), np.diff(self.starts).astype(float)
        return float(8 * (s**3 / 6 + s**2 * b / 2 + s * b**2 / 2).sum()), float(
            8 * (s**2 + 2 * s * b).sum()
        )


def plan(width: int, height: int, matrix: sparse.sparray) -> Plan:
    """Nested dissection of a (width, height) grid, cells numbered row by row.

    Args:
        matrix: (width · height)², symmetric, coupling each cell to its four neighbors at most.
            Only its entries beside the diagonal are taken: the diagonal is given to each
            factorization.
    """
    place = np.full((width, height), -1)
    order, fronts = [], []  # of a front: first, pivots, boundary as cells, parent, depth

    def cut(x0: int, x1: int, z0: int, z1: int, depth: int) -> int:
        columns, rows = np.arange(x0, x1), np.arange(z0, z1)
        if len(columns) * len(rows) <= LEAF:
            parts, (xs, zs) = [], (columns, rows)
        elif len(columns) >= len(rows):
            middle = (x0 + x1) // 2
            parts, (xs, zs) = [(x0, middle, z0, z1), (middle + 1, x1, z0, z1)], ([middle], rows)
        else:
            middle = (z0 + z1) // 2
            parts, (xs, zs) = [(x0, x1, z0, middle), (x0, x1, middle + 1, z1)], (columns, [middle])
        children = [
            cut(*part, depth + 1) for part in parts if part[0] < part[1] and part[2] < part[3]
        ]
        cells = np.ix_(xs, zs)
        first = sum(map(len, order))
        order.append(np.arange(width * height).reshape(width, height)[cells].ravel())
        place[cells] = first + np.arange(len(order[-1])).reshape(len(xs), len(zs))
        around = [(x, rows) for x in (x0 - 1, x1) if 0 <= x < width]
        around += [(columns, z) for z in (z0 - 1, z1) if 0 <= z < height]
        fronts.append([first, len(order[-1]), around, -1, depth])
        for child in children:
            fronts[child][3] = len(fronts) - 1
        return len(fronts) - 1

    cut(0, width, 0, height, 0)
    first, pivots, around, parent, depth = zip(*fronts, strict=True)
    first, pivots, parent, depth = map(np.array, (first, pivots, parent, depth))
    order = np.concatenate(order)
    boundaries = [
        np.sort(np.concatenate([place[cells] for cells in each] or [np.empty(0, int)]))
        for each in around
    ]

    def row(front: int, places: np.ndarray) -> np.ndarray:
        own = places - first[front]
        return np.where(
            own < pivots[front], own, pivots[front] + np.searchsorted(boundaries[front], places)
        )

    starts = np.concatenate([[0], np.cumsum([len(boundary) for boundary in boundaries])])
    sizes = pivots + np.diff(starts)
    chunks = -(-sizes // LANES)
    room = np.zeros(depth.max() + 2, int)
    np.maximum.at(room, depth + 1, sizes * chunks * 2 * LANES)
    upper = sparse.triu(sparse.csr_array(matrix)[order][:, order], 1).tocsr()
    front_of = np.repeat(np.arange(len(first)), pivots)
    columns = [
        row(front_of[p], upper.indices[upper.indptr[p] : upper.indptr[p + 1]])
        for p in range(len(order))
    ]
    return Plan(
        order=order,
        place=place.ravel(),
        first=first,
        pivots=pivots,
        starts=starts,
        boundary=np.concatenate(boundaries),
        above=np.concatenate([row(up, of) for up, of in zip(parent, boundaries, strict=True)]),
        parent=parent,
        slot=np.cumsum(room)[depth],
        kept=np.concatenate([[0], np.cumsum(pivots * chunks * 2 * LANES)]),
        entries=upper.indptr.astype(int),
        column=np.concatenate(columns),
        coupling=upper.data.astype(complex),
        scratch=int(room.sum()),
        chunks=int(chunks.max()),
    )


class Factor:
    """LDLᵀ of a planned matrix with another diagonal.

    Args:
        plan: of `matrix`.
        matrix: (cells, cells) sparse, symmetric.
        diagonal: (cells,) complex, in place of the matrix's own.
        room: arrays of factors that are no more, to be used again: fresh pages, which the system
            has to clear, cost as much as the elimination.
    """

    def __init__(
        self, plan: Plan, matrix: sparse.sparray, diagonal: np.ndarray, room: list | None = None
    ):
        self.plan, self.matrix, self.shape = plan, matrix, matrix.shape
        self._change = diagonal - matrix.diagonal()
        self._room = [] if room is None else room
        arrays = np.empty(plan.kept[-1]), np.empty((len(diagonal), 2 * LANES))
        self._rows, self._x = self._room.pop() if self._room else arrays
        self._inverse = _eliminate(plan, diagonal[plan.order], self._rows)
        self._exchanging = None  # SuperLU, once a pivot was too small

    def __del__(self):
        self._room.append((self._rows, self._x))

    def solve(self, cells: np.ndarray, right: np.ndarray) -> np.ndarray:
        """Solutions, (cells, k) complex.

        Args:
            cells: (p,) those where right-hand sides are not zero.
            right: (p, k) their values there.
        """
        if self._exchanging is None:
            right = np.ascontiguousarray(right, complex)
            solution = np.empty((self.shape[0], right.shape[1]), complex)
            _solve(
                self.plan,
                self._rows,
                self._inverse,
                self.plan.place[cells],
                right,
                self._x,
                solution,
            )
            residual = self.matrix @ solution[:, 0] + self._change * solution[:, 0]
            residual[cells] -= right[:, 0]
            if np.linalg.norm(residual) <= RESIDUAL * np.linalg.norm(right[:, 0]):
                return solution
            log.info(
                "a pivot nearly vanishes: this operator is factored again, with pivots exchanged"
            )
            self._exchanging = self._superlu()
        whole = np.zeros((self.shape[0], right.shape[1]), complex)
        whole[cells] = right
        return self._exchanging.solve(whole)

    def _superlu(self):
        matrix = self.matrix + sparse.diags_array(self._change)
        # without SymmetricMode this order is 10 to 100 times slower; panels of 2 take 0.8 of the
        # default's time
        return splu(
            matrix.tocsc(),
            permc_spec="MMD_AT_PLUS_A",
            diag_pivot_thresh=0.1,
            panel_size=2,
            options={"SymmetricMode": True},
        )


@njit(inline="always")
def _less_one(row, source, a, b):
    """row -= (a + ib) source, both of LANES real and LANES imaginary numbers."""
    for r in range(LANES):
        row[r] -= a * source[r] - b * source[r + LANES]
        row[r + LANES] -= a * source[r + LANES] + b * source[r]


@njit(inline="always")
def _less_four(row, four, entries):
    """row -= Σ of four such products (real parts of the entries first): the row is loaded and
    stored once.
    """
    a, b, c, d, ai, bi, ci, di = entries
    for r in range(LANES):
        i = r + LANES
        row[r] -= (
            a * four[0, r]
            - ai * four[0, i]
            + b * four[1, r]
            - bi * four[1, i]
            + c * four[2, r]
            - ci * four[2, i]
            + d * four[3, r]
            - di * four[3, i]
        )
        row[i] -= (
            a * four[0, i]
            + ai * four[0, r]
            + b * four[1, i]
            + bi * four[1, r]
            + c * four[2, i]
            + ci * four[2, r]
            + d * four[3, i]
            + di * four[3, r]
        )


@njit(inline="always")
def _column(rows, k, last, j):
    """Entries (k to k + 3, j); past the last row there is nothing to be applied, whatever is read."""
    c, r = j // LANES, j % LANES
    k1, k2, k3 = min(k + 1, last), min(k + 2, last), min(k + 3, last)
    i = r + LANES
    return (
        rows[k, c, r],
        rows[k1, c, r],
        rows[k2, c, r],
        rows[k3, c, r],
        rows[k, c, i],
        rows[k1, c, i],
        rows[k2, c, i],
        rows[k3, c, i],
    )


@njit(inline="always")
def _row(rows, k, j, last):
    """Entries (k, j to j + 3), likewise."""
    j1, j2, j3 = min(j + 1, last), min(j + 2, last), min(j + 3, last)
    return (
        rows[k, j // LANES, j % LANES],
        rows[k, j1 // LANES, j1 % LANES],
        rows[k, j2 // LANES, j2 % LANES],
        rows[k, j3 // LANES, j3 % LANES],
        rows[k, j // LANES, j % LANES + LANES],
        rows[k, j1 // LANES, j1 % LANES + LANES],
        rows[k, j2 // LANES, j2 % LANES + LANES],
        rows[k, j3 // LANES, j3 % LANES + LANES],
    )


@njit(inline="always")
def _add(row, j, value):
    row[j // LANES, j % LANES] += value.real
    row[j // LANES, j % LANES + LANES] += value.imag


@njit(inline="always")
def _entry(row, j):
    return complex(row[j // LANES, j % LANES], row[j // LANES, j % LANES + LANES])


@njit(inline="always")
def _front(plan, t, scratch):
    """A front as rows of chunks, each LANES real and LANES imaginary numbers; above the diagonal
    only.
    """
    size = plan.pivots[t] + plan.starts[t + 1] - plan.starts[t]
    chunks = (size + LANES - 1) // LANES
    start = plan.slot[t]
    return scratch[start : start + size * chunks * 2 * LANES].reshape(size, chunks, 2 * LANES)


@njit(inline="always")
def _kept(plan, t, numbers):
    """Its rows of L, one per pivot, likewise."""
    return numbers[plan.kept[t] : plan.kept[t + 1]].reshape(plan.pivots[t], -1, 2 * LANES)


@njit(**_JIT)
def _eliminate(plan, diagonal, kept):
    """1/D by place; `kept` gets the columns of L, as rows."""
    inverse = np.empty(len(diagonal), np.complex128)
    scratch = np.zeros(plan.scratch)
    panel = np.empty((plan.chunks, FOUR, 2 * LANES))
    for t in range(len(plan.first)):
        front, rows, first, pivots = (
            _front(plan, t, scratch),
            _kept(plan, t, kept),
            plan.first[t],
            plan.pivots[t],
        )
        size, chunks, _ = front.shape
        for k in range(pivots):
            _add(front[k], k, diagonal[first + k])
            for e in range(plan.entries[first + k], plan.entries[first + k + 1]):
                _add(front[k], plan.column[e], plan.coupling[e])
        for k in range(0, pivots, FOUR):
            end, chunk = min(k + FOUR, pivots), k // LANES
            for p in range(FOUR):
                if k + p >= end:
                    panel[chunk:chunks, p] = 0
                    continue
                i = k + p
                pivot = _entry(front[i], i)
                square = (
                    pivot.real**2 + pivot.imag**2
                )  # by hand: zero becomes nan instead of an error
                d = complex(pivot.real / square, -pivot.imag / square)
                inverse[first + i] = d
                for q in range(i + 1, end):
                    part = d * _entry(front[i], q)
                    for c in range(chunk, chunks):
                        _less_one(front[q, c], front[i, c], part.real, part.imag)
                for c in range(chunk, chunks):
                    panel[c, p] = front[i, c]
                    for r in range(LANES):
                        rows[i, c, r] = d.real * front[i, c, r] - d.imag * front[i, c, r + LANES]
                        rows[i, c, r + LANES] = (
                            d.real * front[i, c, r + LANES] + d.imag * front[i, c, r]
                        )
            for j in range(end, size):
                entries = _column(rows, k, pivots - 1, j)
                for c in range(j // LANES, chunks):
                    _less_four(front[j, c], panel[c], entries)
        if plan.parent[t] >= 0:
            up, above = (
                _front(plan, plan.parent[t], scratch),
                plan.above[plan.starts[t] : plan.starts[t + 1]],
            )
            for i in range(size - pivots):
                for j in range(i, size - pivots):
                    _add(up[above[i]], above[j], _entry(front[pivots + i], pivots + j))
        front[:] = 0
    return inverse


@njit(**_JIT)
def _substitute(plan, kept, inverse, x, alive):
    """Overwrite x (cells, 2 LANES), by place, with the solutions; `alive` marks places that are not
    zero: the way up from them alone is walked."""
    four = np.empty((FOUR, 2 * LANES))
    for t in range(len(plan.first)):
        first, pivots = plan.first[t], plan.pivots[t]
        if not alive[first : first + pivots].any():
            continue
        rows, boundary = _kept(plan, t, kept), plan.boundary[plan.starts[t] : plan.starts[t + 1]]
        for place in boundary:
            alive[place] = True
        for k in range(0, pivots, FOUR):
            end = min(k + FOUR, pivots)
            four[end - k :] = 0
            for i in range(k, end):
                four[i - k] = x[first + i]
                for q in range(i + 1, end):
                    part = _entry(rows[i], q)
                    _less_one(x[first + q], four[i - k], part.real, part.imag)
            for j in range(end, pivots + len(boundary)):
                place = first + j if j < pivots else boundary[j - pivots]
                _less_four(x[place], four, _column(rows, k, pivots - 1, j))
    for t in range(len(plan.first) - 1, -1, -1):
        first, pivots = plan.first[t], plan.pivots[t]
        rows, boundary = _kept(plan, t, kept), plan.boundary[plan.starts[t] : plan.starts[t + 1]]
        size = pivots + len(boundary)
        for k in range(first, first + pivots):
            d = inverse[k]
            for r in range(LANES):
                x[k, r], x[k, r + LANES] = (
                    d.real * x[k, r] - d.imag * x[k, r + LANES],
                    d.real * x[k, r + LANES] + d.imag * x[k, r],
                )
        for j in range(pivots, size, FOUR):
            end = min(j + FOUR, size)
            four[end - j :] = 0
            for q in range(j, end):
                four[q - j] = x[boundary[q - pivots]]
            for i in range(pivots):
                _less_four(x[first + i], four, _row(rows, i, j, size - 1))
        for j in range((pivots - 1) // FOUR * FOUR, -1, -FOUR):
            end = min(j + FOUR, pivots)
            four[end - j :] = 0
            for q in range(end - 1, j - 1, -1):
                four[q - j] = x[first + q]
                for i in range(j, q):
                    part = _entry(rows[i], q)
                    _less_one(x[first + i], four[q - j], part.real, part.imag)
            for i in range(j):
                _less_four(x[first + i], four, _row(rows, i, j, size - 1))


@njit(**_JIT)
def _solve(plan, kept, inverse, places, right, x, solution):
    """LANES right-hand sides at a time: put at their places, solved, and taken to the cells."""
    alive = np.empty(len(solution), np.bool_)
    for start in range(0, right.shape[1], LANES):
        width = min(LANES, right.shape[1] - start)
        x[:], alive[:] = 0, False
        for i in range(len(places)):
            alive[places[i]] = True
            for r in range(width):
                value = right[i, start + r]
                x[places[i], r] += value.real
                x[places[i], r + LANES] += value.imag
        _substitute(plan, kept, inverse, x, alive)
        for place in range(len(x)):
            for r in range(width):
                solution[plan.order[place], start + r] = complex(x[place, r], x[place, r + LANES])
