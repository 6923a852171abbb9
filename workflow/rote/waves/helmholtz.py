"""The Helmholtz equation in two dimensions: data, gradient and Jacobian from one factorization.

(ω² m + Δ_PML) u = δ_s / h² for the squared slowness m on an n × n grid, five-point stencil,
perfectly matched layers with Dirichlet values outside. Rows are scaled by the stretching factors,
which makes the matrix symmetric, so that one sparse LDLᵀ serves sources, adjoint and Jacobian.
Conventions are those of `rote.waves`: axes x, depth; km, s, km/s; point sources of unit strength.
(Setting of Siahkoohi and Sabeddu 2026; the folding of padded cells in the gradient is our
correction of their code.)
"""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from scipy import sparse

from rote.core import reals
from rote.core.errors import InputError
from rote.core.fields import WIDTH, check, whole
from rote.waves import limits, multifrontal

MIN_CELLS_PER_WAVELENGTH = 6.0  # of the shortest wavelength; fewer are refused
_NUMBERS = {
    **dict.fromkeys(("n", "layer", "sources", "receivers"), limits.CELLS),
    **dict.fromkeys(("spacing", "damping", "frequency"), limits.SCALE),
    "margin": whole(0),
}


class PaddedGrid(NamedTuple):
    """What does not depend on the model, on the grid with its absorbing layer; cells x slow."""

    stretch: np.ndarray  # s_x s_z, (cells,) complex
    laplacian: sparse.csr_array  # symmetric, (cells, cells) complex, 1/km²
    sources: np.ndarray  # cells of the sources, (sources,)
    receivers: np.ndarray  # cells of the receivers, (receivers,)


@dataclass(frozen=True)
class Helmholtz:
    """An acquisition: grid, absorbing layer, frequency, sources and receivers.

    Numbers of cells, sources and receivers are whole. Sources lie in row `margin` below the top,
    receivers in row `margin` above the bottom (transmission), both spread evenly from column
    `margin` to n − 1 − `margin`.
    """

    n: int  # cells along x and along depth
    spacing: float  # km
    layer: int  # cells of the absorbing layer, on all sides
    damping: float  # its largest damping, 1/s
    frequency: float  # Hz
    sources: int
    receivers: int
    margin: int  # cells

    def __post_init__(self):
        for name, number in check(_NUMBERS, vars(self)).items():
            object.__setattr__(self, name, number)
        if not self.margin < self.n / 2:
            raise InputError(
                f"margin must lie in [0, n/2) = [0, {self.n / 2:g}) cells, given {self.margin}"
            )
        for name in ("sources", "receivers"):
            count, columns = getattr(self, name), self.n - 2 * self.margin
            if count > columns or len(np.unique(self._columns(count))) < count:
                raise InputError(
                    f"{count} {name} do not fit into {columns} columns: two would coincide"
                )

    @property
    def omega(self) -> float:
        """Angular frequency, rad/s."""
        return 2 * np.pi * self.frequency

    def _columns(self, count: int) -> np.ndarray:
        return np.linspace(self.margin, self.n - 1 - self.margin, count).astype(int)

    @cached_property
    def _grid(self) -> PaddedGrid:
        size = self.n + 2 * self.layer
        p = self.layer
        depth = np.zeros(size)
        depth[:p] = (p - np.arange(p)) / p
        depth[size - p :] = depth[:p][::-1]
        s = 1 + 1j * self.damping * depth**2 / self.omega
        # between cells, and at the rim
        half = np.concatenate([[s[0]], (s[:-1] + s[1:]) / 2, [s[-1]]])
        inverse = 1 / (half * self.spacing**2)
        line = sparse.diags_array(
            [inverse[1:-1], -(inverse[:-1] + inverse[1:]), inverse[1:-1]], offsets=[-1, 0, 1]
        )
        stretch = sparse.diags_array(s)
        laplacian = (sparse.kron(line, stretch) + sparse.kron(stretch, line)).tocsr()
        top = p + self.margin
        bottom = p + self.n - 1 - self.margin
        return PaddedGrid(
            stretch=np.outer(s, s).ravel(),
            laplacian=laplacian,
            sources=(p + self._columns(self.sources)) * size + top,
            receivers=(p + self._columns(self.receivers)) * size + bottom,
        )

    def check(self, slowness: np.ndarray) -> np.ndarray:
        """The squared slowness as float64 (n, n), in s²/km²; axes x, depth.

        Args:
            slowness: squared slowness, (n, n) in s²/km²; axes x, depth.

        Raises:
            InputError: with the numbers that are wrong: shape, values that are not positive and
                finite, fewer than `MIN_CELLS_PER_WAVELENGTH` cells per shortest wavelength.
        """
        m = reals.array("squared slowness", slowness)
        if m.shape != (self.n, self.n):
            raise InputError(
                f"squared slowness has shape {m.shape}, the grid is ({self.n}, {self.n})"
            )
        invalid = ~(np.isfinite(m) & (m > 0))
        if invalid.any():
            first = tuple(np.argwhere(invalid)[0].tolist())
            raise InputError(
                "squared slowness must be positive and finite: "
                f"{int(invalid.sum())} cells are not, first {first}: {m[first]}"
            )
        slowest = float(1 / np.sqrt(m.max()))
        limits.check_cells(slowest, self.frequency, self.spacing, MIN_CELLS_PER_WAVELENGTH)
        return m

    @cached_property
    def _plan(self) -> multifrontal.Plan:
        size = self.n + 2 * self.layer
        return multifrontal.plan(size, size, self._grid.laplacian)

    @cached_property
    def _spare_arrays(self) -> list:
        return []

    def factor(self, slowness: np.ndarray) -> multifrontal.Factor:
        """Sparse LDLᵀ of the operator at a squared slowness, on the grid with its absorbing layer.

        Args:
            slowness: squared slowness, (n, n) in s²/km²; axes x, depth.

        Raises:
            InputError: see `check`.
        """
        grid = self._grid
        padded = np.pad(self.check(slowness), self.layer, mode="edge").ravel()
        diagonal = grid.laplacian.diagonal() + self.omega**2 * padded * grid.stretch
        return multifrontal.Factor(self._plan, grid.laplacian, diagonal, self._spare_arrays)

    def _fields(self, factor: multifrontal.Factor, cells: np.ndarray) -> np.ndarray:
        """Fields of a source δ / h² in each of these cells of the padded grid, (cells, sources)."""
        return factor.solve(cells, np.eye(len(cells)) / self.spacing**2)

    def data(self, slowness: np.ndarray) -> np.ndarray:
        """Recorded fields d_sr of a squared slowness, (sources, receivers) complex.

        Args:
            slowness: (n, n) in s²/km²; axes x, depth.

        Raises:
            InputError: see `check`.
        """
        fields = self._fields(self.factor(slowness), self._grid.sources)
        return fields[self._grid.receivers].T

    def field(self, slowness: np.ndarray, cell: tuple[int, int]) -> np.ndarray:
        """Field of a point source in one cell, (n, n) complex; axes x, depth.

        Args:
            slowness: squared slowness, (n, n) in s²/km²; axes x, depth.
            cell: (x, depth) of the source, whole numbers in [0, n).

        Raises:
            InputError: see `check`; also for a cell outside the grid or between cells.
        """
        at = reals.array("cell", cell)
        if at.shape != (2,) or not ((at >= 0) & (at < self.n) & (at == np.floor(at))).all():
            raise InputError(
                f"cell must be two whole numbers in [0, {self.n}), given {cell}: outside "
                "is the absorbing layer"
            )
        p = self.layer
        size = self.n + 2 * p
        source = np.array([(p + int(at[0])) * size + p + int(at[1])])
        field = self._fields(self.factor(slowness), source)
        return field[:, 0].reshape(size, size)[p:-p, p:-p]

    def misfit(
        self, slowness: np.ndarray, observed: np.ndarray, noise_sd: float
    ) -> tuple[float, np.ndarray]:
        """Φ = Σ |d − d_obs|² / (2 σ_d²) and its gradient by the adjoint.

        Args:
            slowness: squared slowness, (n, n) in s²/km²; axes x, depth.
            observed: (sources, receivers) complex.
            noise_sd: σ_d > 0.

        Returns:
            Φ, and its gradient (n, n) per s²/km².

        Raises:
            InputError: see `check`; also for data of another shape, without imaginary part or not
                finite, a noise_sd outside [1e-150, 1e150], and a misfit or gradient above 1e308.
        """
        noise_sd = reals.number("noise_sd", noise_sd, WIDTH)
        observed = limits.data(observed, (self.sources, self.receivers))
        grid = self._grid
        factor = self.factor(slowness)
        fields = self._fields(factor, grid.sources)
        residuals = fields[grid.receivers].T - observed
        adjoint = factor.solve(grid.receivers, residuals.conj().T)
        padded = -(self.omega**2) * (grid.stretch * np.einsum("cs,cs->c", fields, adjoint)).real
        return limits.misfit(residuals, self._folded(padded), noise_sd)

    def jacobian(self, slowness: np.ndarray, basis: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Data, and their derivatives along the columns of a basis of the squared slowness.

        Args:
            slowness: squared slowness, (n, n) in s²/km²; axes x, depth.
            basis: (n · n, d), in s²/km² per coordinate; cells x slow.

        Returns:
            (sources, receivers) and (sources, receivers, d), complex.

        Raises:
            InputError: see `check`; also for a basis of another shape or that is not finite.
        """
        basis = reals.array("basis", basis)
        if basis.ndim != 2 or len(basis) != self.n**2 or not np.isfinite(basis).all():
            raise InputError(
                f"basis must be finite and of shape ({self.n**2}, d), given shape {basis.shape}"
            )
        grid = self._grid
        factor = self.factor(slowness)
        fields = self._fields(factor, grid.sources)
        adjoint = self._fields(factor, grid.receivers)
        padded = np.pad(
            basis.reshape(self.n, self.n, -1), [(self.layer,) * 2] * 2 + [(0, 0)], mode="edge"
        )
        padded = padded.reshape(factor.shape[0], -1)
        # the adjoint is that of h⁻² too
        weighted = -((self.omega * self.spacing) ** 2) * grid.stretch[:, None] * fields
        # real and imaginary parts side by side: the product with the real basis is a real one
        parts = [
            (adjoint * weighted[:, [source]]).view(float).T @ padded
            for source in range(self.sources)
        ]
        return fields[grid.receivers].T, np.stack([part[::2] + 1j * part[1::2] for part in parts])

    def _folded(self, padded: np.ndarray) -> np.ndarray:
        """Transpose of edge padding: what fell on padded cells belongs to the edge cells."""
        p = self.layer
        grid = padded.reshape(self.n + 2 * p, -1)
        for _ in range(2):
            grid[p] += grid[:p].sum(0)
            grid[-p - 1] += grid[-p:].sum(0)
            grid = grid[p:-p].T.copy()
        return grid
