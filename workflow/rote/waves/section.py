"""The Helmholtz equation on a rectangular section, at one frequency: data and gradient.

As `rote.waves.helmholtz`, for grids of any shape, sources and receivers in any cells, and a free
surface. Axes x, depth; km, s, km/s; point sources of unit strength. At a free surface the field
vanishes half a cell above the first row of cells; no absorbing layer lies there.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from scipy import sparse

from rote.core import reals
from rote.core.errors import InputError
from rote.core.fields import WIDTH, check, check_types
from rote.waves import limits, multifrontal
from rote.waves.helmholtz import MIN_CELLS_PER_WAVELENGTH

FASTEST = 1e9  # km/s; velocities above it are refused
_NUMBERS = {
    "layer": limits.CELLS,
    **dict.fromkeys(("spacing", "damping", "frequency"), limits.SCALE),
}


class SectionGrid(NamedTuple):
    """What does not depend on the model, on the grid with its absorbing layer; cells x slow."""

    shape: tuple[int, int]
    above: int  # cells of the layer above the first row; 0 below a free surface
    stretch: np.ndarray  # s_x s_z, (cells,) complex
    laplacian: sparse.csr_array  # symmetric, (cells, cells) complex, 1/km²


@dataclass(frozen=True, eq=False)
class RectangularHelmholtz:
    """One frequency of an acquisition on a rectangular grid."""

    shape: tuple[int, int]  # cells along x and along depth
    spacing: float  # km
    frequency: float  # Hz
    sources: np.ndarray  # cells (x, depth), (sources, 2)
    receivers: np.ndarray  # cells (x, depth), (receivers, 2)
    layer: int = 10  # cells of the absorbing layer
    damping: float = 100.0  # its largest damping, 1/s
    free_surface: bool = False

    def __post_init__(self):
        check_types({"free_surface": bool}, vars(self))
        for name, number in check(_NUMBERS, vars(self)).items():
            object.__setattr__(self, name, number)
        cells = reals.whole("shape", self.shape).tolist()
        if len(cells) != 2 or min(cells) < 2 or max(cells) > 100_000:
            raise InputError(
                f"shape must be two numbers of cells from 2 to 100,000, given {self.shape}"
            )
        shape = (cells[0], cells[1])
        object.__setattr__(self, "shape", shape)
        for name in ("source", "receiver"):
            given = getattr(self, f"{name}s")
            object.__setattr__(self, f"{name}s", limits.positions(name, given, shape))

    @property
    def omega(self) -> float:
        """Angular frequency, rad/s."""
        return 2 * np.pi * self.frequency

    def _line(self, cells: int, before: int) -> tuple[sparse.dia_array, np.ndarray]:
        """Second difference along an axis, scaled to be symmetric, and its stretching factors."""
        p = self.layer
        depth = np.zeros(before + cells + p)
        rising = (p - np.arange(p)) / p
        depth[:before] = rising[:before]
        depth[len(depth) - p :] = rising[::-1]
        s = 1 + 1j * self.damping * depth**2 / self.omega
        half = np.concatenate([[s[0]], (s[:-1] + s[1:]) / 2, [s[-1]]])
        inverse = 1 / (half * self.spacing**2)
        middle = -(inverse[:-1] + inverse[1:])
        return sparse.diags_array([inverse[1:-1], middle, inverse[1:-1]], offsets=[-1, 0, 1]), s

    @cached_property
    def _grid(self) -> SectionGrid:
        above = 0 if self.free_surface else self.layer
        along_x, s_x = self._line(self.shape[0], self.layer)
        along_z, s_z = self._line(self.shape[1], above)
        if self.free_surface:
            # the field vanishes half a cell above the first row, not a whole one: its value there
            # is the first row's with the other sign
            corner = sparse.coo_array(
                ([-1 / (s_z[0] * self.spacing**2)], ([0], [0])), shape=along_z.shape
            )
            along_z = along_z + corner
        laplacian = sparse.kron(along_x, sparse.diags_array(s_z)) + sparse.kron(
            sparse.diags_array(s_x), along_z
        )
        return SectionGrid(
            shape=(len(s_x), len(s_z)),
            above=above,
            stretch=np.outer(s_x, s_z).ravel(),
            laplacian=laplacian.tocsr(),
        )

    @cached_property
    def _plan(self) -> multifrontal.Plan:
        return multifrontal.plan(*self._grid.shape, self._grid.laplacian)

    @cached_property
    def _spare_arrays(self) -> list:
        return []

    def _cells(self, positions: np.ndarray) -> np.ndarray:
        """Numbers of cells (x, depth) on the grid with its layer."""
        x, depth = np.asarray(positions, int).T
        return (self.layer + x) * self._grid.shape[1] + self._grid.above + depth

    def check(self, velocity: np.ndarray) -> np.ndarray:
        """The velocity as float64, checked.

        Args:
            velocity: (cells in x, cells in depth), km/s.

        Raises:
            InputError: for another shape, values that are not in (0, 1e9], and fewer than 6 cells
                per shortest wavelength; below 10 a warning.
        """
        v = reals.array("velocity", velocity)
        if v.shape != self.shape:
            raise InputError(f"velocity has shape {v.shape}, the grid is {self.shape}")
        if not ((v > 0) & (v <= FASTEST)).all():
            raise InputError(
                f"velocity must be positive and at most {FASTEST:g} km/s in every cell"
            )
        limits.check_cells(float(v.min()), self.frequency, self.spacing, MIN_CELLS_PER_WAVELENGTH)
        return v

    def factor(self, velocity: np.ndarray) -> multifrontal.Factor:
        """Sparse LDLᵀ of the operator, on the grid with its layer.

        Args:
            velocity: (cells in x, cells in depth), km/s.

        Raises:
            InputError: see `check`.
        """
        grid = self._grid
        around = ((self.layer,) * 2, (grid.above, self.layer))
        slowness = np.pad(self.check(velocity) ** -2, around, mode="edge").ravel()
        diagonal = grid.laplacian.diagonal() + self.omega**2 * slowness * grid.stretch
        return multifrontal.Factor(self._plan, grid.laplacian, diagonal, self._spare_arrays)

    def _fields(self, factor: multifrontal.Factor) -> np.ndarray:
        sources = self._cells(self.sources)
        return factor.solve(sources, np.eye(len(sources)) / self.spacing**2)

    def data(self, velocity: np.ndarray) -> np.ndarray:
        """Recorded fields of unit point sources, (sources, receivers) complex.

        Args:
            velocity: (cells in x, cells in depth), km/s.

        Raises:
            InputError: see `check`.
        """
        return self._fields(self.factor(velocity))[self._cells(self.receivers)].T

    def misfit(
        self, velocity: np.ndarray, observed: np.ndarray, noise_sd: float
    ) -> tuple[float, np.ndarray]:
        """Φ = Σ |d − d_obs|² / (2 σ_d²) and its gradient by the adjoint.

        Args:
            velocity: (cells in x, cells in depth), km/s.
            observed: (sources, receivers) complex.
            noise_sd: σ_d > 0, of the complex datum.

        Returns:
            Φ, and its gradient (cells in x, cells in depth) per km/s.

        Raises:
            InputError: see `check`; also for data of another shape, without imaginary part or not
                finite, for a noise_sd outside [1e-150, 1e150], and a misfit or gradient above
                1e308.
        """
        noise_sd = reals.number("noise_sd", noise_sd, WIDTH)
        observed = limits.data(observed, (len(self.sources), len(self.receivers)))
        grid = self._grid
        factor = self.factor(velocity)
        fields = self._fields(factor)
        receivers = self._cells(self.receivers)
        residuals = fields[receivers].T - observed
        adjoint = factor.solve(receivers, residuals.conj().T)
        product = np.einsum("cs,cs->c", fields, adjoint)
        of_slowness = self._folded(-(self.omega**2) * (grid.stretch * product).real)
        gradient = -2 * of_slowness / np.asarray(velocity, float) ** 3
        return limits.misfit(residuals, gradient, noise_sd)

    def _folded(self, padded: np.ndarray) -> np.ndarray:
        """Transpose of edge padding: what fell on padded cells belongs to the edge cells."""
        p, above = self.layer, self._grid.above
        grid = padded.reshape(self._grid.shape).copy()
        grid[p] += grid[:p].sum(0)
        grid[-p - 1] += grid[-p:].sum(0)
        grid = grid[p:-p]
        grid[:, above] += grid[:, :above].sum(1)
        grid[:, -p - 1] += grid[:, -p:].sum(1)
        return grid[:, above:-p]
