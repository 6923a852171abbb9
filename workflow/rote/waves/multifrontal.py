"""Sparse complex symmetric LDLᵀ of a five-point stencil: nested dissection with dense fronts.

What is eliminated together, and the cells around it that it couples, is a front: a small dense
symmetric matrix, to which the children's Schur complements have been added (Duff and Reid 1983).
Real and imaginary parts lie apart, sixteen numbers each, so that every inner loop is a fixed number
of vector instructions, and four pivots, or four unknowns, are applied at a time.

Pivots are taken in order, as exchanges would not preserve the fronts: with a few cells per
wavelength that is harmless, and every solution's residual is checked; where a pivot nearly
vanishes, SuperLU factors the matrix again with exchanges.
"""

import logging
from typing import NamedTuple

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import SuperLU, splu

from rote.core import fields, reals
from rote.core.compiled import kernel, part
from rote.core.errors import InputError
from rote.waves.dissection import Dissection

log = logging.getLogger("rote")
LANES = 16  # real, and as many imaginary numbers, in one chunk of a row
UNROLL = 4  # pivots or unknowns that are applied at a time
MAX_RESIDUAL = 1e-10  # of a solution, relative to the right-hand side; above, pivots are exchanged
_JIT = {"error_model": "numpy", "fastmath": {"contract"}}


class Plan(NamedTuple):
    """The order of elimination of a grid, its fronts, and the layout of their numbers.

    A cell's position is its turn in the elimination.
    """

    order: np.ndarray  # (cells,) the cell at each position
    position: np.ndarray  # (cells,) the position of each cell
    first: np.ndarray  # (fronts,) position of a front's first pivot
    pivots: np.ndarray  # (fronts,) number of pivots
    boundary_start: np.ndarray  # (fronts + 1,) where each front's part of `boundary` begins
    boundary: np.ndarray  # positions that a front couples, ascending
    parent_row: np.ndarray  # their rows in the parent's front
    parent: np.ndarray  # (fronts,) -1 at the root
    # (fronts,) where a front is assembled: fronts of one depth follow each other in one slot
    scratch_start: np.ndarray
    factor_start: np.ndarray  # (fronts + 1,) where the rows of L begin
    coupling_start: np.ndarray  # (cells + 1,) where the couplings of each position begin
    coupling_column: np.ndarray  # columns of the couplings in their front
    coupling: np.ndarray  # the matrix's entries beside the diagonal, complex
    scratch_size: int  # numbers in all slots
    max_chunks: int  # of LANES in the widest front's row

    @property
    def flops(self) -> tuple[float, float]:
        """Real operations of a factorization, and of a solution for one dense right-hand side."""
        s = self.pivots.astype(float)
        b = np.diff(self.boundary_start).astype(float)
        factorization = float(8 * (s**3 / 6 + s**2 * b / 2 + s * b**2 / 2).sum())
        return factorization, float(8 * (s**2 + 2 * s * b).sum())


def plan(width: int, height: int, matrix: sparse.sparray) -> Plan:
    """Nested dissection of a (width, height) grid, cells numbered row by row.

    Args:
        width: cells along the slow axis.
        height: cells along the fast axis.
        matrix: (width · height)², symmetric, coupling each cell to its four neighbors at most.
            Only its entries beside the diagonal are taken: every factorization has a diagonal of
            its own.

    Raises:
        InputError: for a width or height below 1, and a matrix that is no such stencil.
    """
    sides = {"width": width, "height": height}
    width, height = fields.check(dict.fromkeys(sides, fields.SIZE), sides).values()
    _check_stencil(width, height, matrix)
    dissection = Dissection(width, height)
    fronts = dissection.fronts
    first = np.array([front.first for front in fronts])
    pivots = np.array([front.pivots for front in fronts])
    parent = np.array([front.parent for front in fronts])
    depth = np.array([front.depth for front in fronts])
    order = np.concatenate(dissection.order)
    boundaries = [dissection.boundary(front) for front in fronts]

    def row(front: int, positions: np.ndarray) -> np.ndarray:
        """Rows of positions in a front: its pivots, then its boundary."""
        pivot = positions - first[front]
        beyond = pivots[front] + np.searchsorted(boundaries[front], positions)
        return np.where(pivot < pivots[front], pivot, beyond)

    boundary_start = np.concatenate([[0], np.cumsum([len(boundary) for boundary in boundaries])])
    sizes = pivots + np.diff(boundary_start)
    chunks = -(-sizes // LANES)
    slots = np.zeros(depth.max() + 2, int)
    np.maximum.at(slots, depth + 1, sizes * chunks * 2 * LANES)
    upper = sparse.triu(sparse.csr_array(matrix)[order][:, order], 1).tocsr()
    front_of = np.repeat(np.arange(len(fronts)), pivots)
    coupling_columns = [
        row(front_of[p], upper.indices[upper.indptr[p] : upper.indptr[p + 1]])
        for p in range(len(order))
    ]
    parent_rows = [row(up, boundary) for up, boundary in zip(parent, boundaries, strict=True)]
    return Plan(
        order=order,
        position=dissection.position.ravel(),
        first=first,
        pivots=pivots,
        boundary_start=boundary_start,
        boundary=np.concatenate(boundaries),
        parent_row=np.concatenate(parent_rows),
        parent=parent,
        scratch_start=np.cumsum(slots)[depth],
        factor_start=np.concatenate([[0], np.cumsum(pivots * chunks * 2 * LANES)]),
        coupling_start=upper.indptr.astype(int),
        coupling_column=np.concatenate(coupling_columns),
        coupling=upper.data.astype(complex),
        scratch_size=int(slots.sum()),
        max_chunks=int(chunks.max()),
    )


def _check_stencil(width: int, height: int, matrix: sparse.sparray) -> None:
    """Refuse a matrix that is not symmetric or couples more than neighbors."""
    cells = width * height
    if not sparse.issparse(matrix) or matrix.shape != (cells, cells):
        raise InputError(f"matrix must be sparse of shape ({cells}, {cells})")
    entries = sparse.coo_array(matrix)
    x, z = (np.abs(np.subtract(*np.divmod(entries.coords, height)[axis])) for axis in (0, 1))
    if entries.nnz and (x + z).max() > 1:
        raise InputError("matrix must couple neighbors of the grid alone")
    if (abs(matrix - matrix.T)).sum() > 0:
        raise InputError("matrix must be symmetric")


class Factor:
    """LDLᵀ of a planned matrix with another diagonal.

    Args:
        plan: of `matrix`.
        matrix: (cells, cells) sparse, symmetric.
        diagonal: (cells,) complex, in place of the matrix's diagonal.
        spare: arrays of deleted factors, to be used again: fresh pages, which the system has to
            clear, cost as much as the elimination. A factor puts its arrays back when deleted.

    Raises:
        InputError: for a diagonal that is not finite or of another size.
    """

    def __init__(
        self, plan: Plan, matrix: sparse.sparray, diagonal: np.ndarray, spare: list | None = None
    ):
        fields.check_types({"plan": Plan}, {"plan": plan})
        if not sparse.issparse(matrix) or matrix.shape != (len(plan.order),) * 2:
            raise InputError(f"matrix must be the sparse one of the plan, given {type(matrix)}")
        diagonal = reals.read("diagonal", diagonal)
        if diagonal.shape != plan.order.shape or not np.isfinite(diagonal).all():
            raise InputError(f"diagonal must be finite and of shape {plan.order.shape}")
        self.plan = plan
        self.matrix = matrix
        self.shape = matrix.shape
        self._change = diagonal - matrix.diagonal()
        self._spare = [] if spare is None else spare
        arrays = np.empty(plan.factor_start[-1]), np.empty((len(diagonal), 2 * LANES))
        reused: tuple[np.ndarray, np.ndarray] = self._spare.pop() if self._spare else arrays
        self._rows, self._x = reused
        self._inverse = _eliminate(plan, diagonal[plan.order], self._rows)
        self._exchanging: SuperLU | None = None  # once a pivot was too small

    def __del__(self):
        if hasattr(self, "_inverse"):
            self._spare.append((self._rows, self._x))

    def solve(self, cells: np.ndarray, right: np.ndarray) -> np.ndarray:
        """Solutions, (cells, k) complex.

        Args:
            cells: (p,) those where right-hand sides are not zero.
            right: (p, k) their values in these cells.

        Raises:
            InputError: for cells that do not exist or come twice, values that are not finite or of
                another shape, and a singular matrix.
        """
        cells, right = self._checked(cells, right)
        if self._exchanging is None:
            solution = np.empty((self.shape[0], right.shape[1]), complex)
            _solve(
                self.plan,
                self._rows,
                self._inverse,
                self.plan.position[cells],
                right,
                self._x,
                solution,
            )
            lengths = np.linalg.norm(right, axis=0)
            largest = int(lengths.argmax()) if lengths.size else 0
            if not lengths.any():
                return solution
            one = solution[:, largest]
            residual = self.matrix @ one + self._change * one
            residual[cells] -= right[:, largest]
            if np.linalg.norm(residual) <= MAX_RESIDUAL * lengths[largest]:
                return solution
            log.info(
                "a pivot nearly vanishes: this operator is factored again, with pivots exchanged"
            )
            self._exchanging = self._superlu()
        dense = np.zeros((self.shape[0], right.shape[1]), complex)
        dense[cells] = right
        return self._exchanging.solve(dense)

    def _checked(self, cells: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        cells, right = reals.whole("cells", cells), reals.read("right", right)
        inside = ((cells >= 0) & (cells < self.shape[0])).all()
        if not inside or len(np.unique(cells)) < len(cells):
            raise InputError(f"cells must be different ones in [0, {self.shape[0]})")
        if right.dtype.kind not in "biufc" or right.ndim != 2 or len(right) != len(cells):
            raise InputError(
                f"right must be numbers of shape ({len(cells)}, k), given {right.shape}"
            )
        if not np.isfinite(right).all():
            raise InputError("right must be finite, it holds NaN or infinite values")
        return cells, np.ascontiguousarray(right, complex)

    def _superlu(self) -> SuperLU:
        matrix = self.matrix + sparse.diags_array(self._change)
        # without SymmetricMode this order is 10 to 100 times slower; panels of 2: 0.8 of the time
        try:
            return splu(
                matrix.tocsc(),
                permc_spec="MMD_AT_PLUS_A",
                diag_pivot_thresh=0.1,
                panel_size=2,
                options={"SymmetricMode": True},
            )
        except RuntimeError as error:
            raise InputError(f"the operator has no inverse: {error}") from error


@part
def _subtract_one(row, source, a, b):
    """row -= (a + ib) source, both of LANES real and LANES imaginary numbers."""
    for r in range(LANES):
        row[r] -= a * source[r] - b * source[r + LANES]
        row[r + LANES] -= a * source[r + LANES] + b * source[r]


@part
def _subtract_four(row, four, entries):
    """row -= Σ of four such products; the row is loaded and stored once.

    `entries` holds four real parts, then four imaginary parts.
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


@part
def _column(rows, k, last, j):
    """Entries (k to k + 3, j); past the last row any value does, as it multiplies zeros."""
    c = j // LANES
    r = j % LANES
    i = r + LANES
    k1 = min(k + 1, last)
    k2 = min(k + 2, last)
    k3 = min(k + 3, last)
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


@part
def _row(rows, k, j, last):
    """Entries (k, j to j + 3), likewise."""
    j1 = min(j + 1, last)
    j2 = min(j + 2, last)
    j3 = min(j + 3, last)
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


@part
def _add(row, j, value):
    row[j // LANES, j % LANES] += value.real
    row[j // LANES, j % LANES + LANES] += value.imag


@part
def _entry(row, j):
    return complex(row[j // LANES, j % LANES], row[j // LANES, j % LANES + LANES])


@part
def _front(plan, t, scratch):
    """A front's upper triangle as rows of chunks: LANES real, then LANES imaginary numbers."""
    size = plan.pivots[t] + plan.boundary_start[t + 1] - plan.boundary_start[t]
    chunks = (size + LANES - 1) // LANES
    start = plan.scratch_start[t]
    return scratch[start : start + size * chunks * 2 * LANES].reshape(size, chunks, 2 * LANES)


@part
def _factor_rows(plan, t, factor):
    """A front's rows of L, one per pivot, likewise."""
    numbers = factor[plan.factor_start[t] : plan.factor_start[t + 1]]
    return numbers.reshape(plan.pivots[t], -1, 2 * LANES)


@kernel(**_JIT)
def _eliminate(plan, diagonal, factor):
    """1/D by position; `factor` gets the columns of L, as rows."""
    inverse = np.empty(len(diagonal), np.complex128)
    scratch = np.zeros(plan.scratch_size)
    panel = np.empty((plan.max_chunks, UNROLL, 2 * LANES))
    for t in range(len(plan.first)):
        front = _front(plan, t, scratch)
        rows = _factor_rows(plan, t, factor)
        first = plan.first[t]
        pivots = plan.pivots[t]
        size, chunks, _ = front.shape
        for k in range(pivots):
            _add(front[k], k, diagonal[first + k])
            for e in range(plan.coupling_start[first + k], plan.coupling_start[first + k + 1]):
                _add(front[k], plan.coupling_column[e], plan.coupling[e])
        for k in range(0, pivots, UNROLL):
            end = min(k + UNROLL, pivots)
            chunk = k // LANES
            for p in range(UNROLL):
                if k + p >= end:
                    panel[chunk:chunks, p] = 0
                    continue
                i = k + p
                pivot = _entry(front[i], i)
                # by hand: zero becomes nan instead of an error
                square = pivot.real**2 + pivot.imag**2
                d = complex(pivot.real / square, -pivot.imag / square)
                inverse[first + i] = d
                for q in range(i + 1, end):
                    part = d * _entry(front[i], q)
                    for c in range(chunk, chunks):
                        _subtract_one(front[q, c], front[i, c], part.real, part.imag)
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
                    _subtract_four(front[j, c], panel[c], entries)
        if plan.parent[t] >= 0:
            parent = _front(plan, plan.parent[t], scratch)
            row = plan.parent_row[plan.boundary_start[t] : plan.boundary_start[t + 1]]
            for i in range(size - pivots):
                for j in range(i, size - pivots):
                    _add(parent[row[i]], row[j], _entry(front[pivots + i], pivots + j))
        front[:] = 0
    return inverse


@part
def _substitute(plan, factor, inverse, x, alive):
    """Overwrite x (cells, 2 LANES), by position, with the solutions.

    `alive` marks positions that are not zero: only the fronts above them are visited on the way up.
    """
    four = np.empty((UNROLL, 2 * LANES))
    for t in range(len(plan.first)):
        first, pivots = plan.first[t], plan.pivots[t]
        if not alive[first : first + pivots].any():
            continue
        rows = _factor_rows(plan, t, factor)
        boundary = plan.boundary[plan.boundary_start[t] : plan.boundary_start[t + 1]]
        for position in boundary:
            alive[position] = True
        for k in range(0, pivots, UNROLL):
            end = min(k + UNROLL, pivots)
            four[end - k :] = 0
            for i in range(k, end):
                four[i - k] = x[first + i]
                for q in range(i + 1, end):
                    part = _entry(rows[i], q)
                    _subtract_one(x[first + q], four[i - k], part.real, part.imag)
            for j in range(end, pivots + len(boundary)):
                position = first + j if j < pivots else boundary[j - pivots]
                _subtract_four(x[position], four, _column(rows, k, pivots - 1, j))
    for t in range(len(plan.first) - 1, -1, -1):
        first, pivots = plan.first[t], plan.pivots[t]
        rows = _factor_rows(plan, t, factor)
        boundary = plan.boundary[plan.boundary_start[t] : plan.boundary_start[t + 1]]
        size = pivots + len(boundary)
        for k in range(first, first + pivots):
            d = inverse[k]
            for r in range(LANES):
                x[k, r], x[k, r + LANES] = (
                    d.real * x[k, r] - d.imag * x[k, r + LANES],
                    d.real * x[k, r + LANES] + d.imag * x[k, r],
                )
        for j in range(pivots, size, UNROLL):
            end = min(j + UNROLL, size)
            four[end - j :] = 0
            for q in range(j, end):
                four[q - j] = x[boundary[q - pivots]]
            for i in range(pivots):
                _subtract_four(x[first + i], four, _row(rows, i, j, size - 1))
        for j in range((pivots - 1) // UNROLL * UNROLL, -1, -UNROLL):
            end = min(j + UNROLL, pivots)
            four[end - j :] = 0
            for q in range(end - 1, j - 1, -1):
                four[q - j] = x[first + q]
                for i in range(j, q):
                    part = _entry(rows[i], q)
                    _subtract_one(x[first + i], four[q - j], part.real, part.imag)
            for i in range(j):
                _subtract_four(x[first + i], four, _row(rows, i, j, size - 1))


@kernel(**_JIT)
def _solve(plan, factor, inverse, positions, right, x, solution):
    """LANES right-hand sides at a time: put at their positions, solved, and taken to the cells."""
    alive = np.empty(len(solution), np.bool_)
    for start in range(0, right.shape[1], LANES):
        width = min(LANES, right.shape[1] - start)
        x[:] = 0
        alive[:] = False
        for i in range(len(positions)):
            alive[positions[i]] = True
            for r in range(width):
                value = right[i, start + r]
                x[positions[i], r] += value.real
                x[positions[i], r + LANES] += value.imag
        _substitute(plan, factor, inverse, x, alive)
        for position in range(len(x)):
            cell = plan.order[position]
            for r in range(width):
                solution[cell, start + r] = complex(x[position, r], x[position, r + LANES])
