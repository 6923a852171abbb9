"""The Helmholtz equation in two dimensions with absorbing layers: data, gradient and Jacobian from
one factorization.

(ω² m + Δ_PML) u = δ_s / h² for the squared slowness m on an n × n grid, five-point stencil,
perfectly matched layers with Dirichlet values outside. Rows are scaled by the stretching factors,
which makes the matrix symmetric, so that one sparse LDLᵀ serves sources, adjoint and Jacobian.
(Setting of Siahkoohi and Sabeddu 2026; the folding of padded cells in the gradient is our
correction of their code.)
"""

import logging
from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np
from scipy import sparse

from rote.core.errors import InputError
from rote.waves import multifrontal

log = logging.getLogger("rote")
LEAST = 6.0  # cells per shortest wavelength; fewer are refused
ENOUGH = 10.0  # with fewer, waves are noticeably too slow: said once per acquisition


@dataclass(frozen=True)
class Helmholtz:
    """An acquisition: grid, absorbing layer, frequency, sources and receivers.

    Sources lie in row `margin` below the top, receivers in row `margin` above the bottom
    (transmission), both spread evenly from column `margin` to n − 1 − `margin`.
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
        for name in ("n", "spacing", "layer", "damping", "frequency", "sources", "receivers"):
            if not (np.isfinite(getattr(self, name)) and getattr(self, name) > 0):
                raise InputError(f"{name} must be positive and finite, given {getattr(self, name)}")
        if not 0 <= self.margin < self.n / 2:
            raise InputError(
                f"margin must lie in [0, n/2) = [0, {self.n / 2:g}) cells, given {self.margin}"
            )
        for name in ("sources", "receivers"):
            if len(np.unique(self._columns(getattr(self, name)))) < getattr(self, name):
                room = self.n - 2 * self.margin
                raise InputError(
                    f"{getattr(self, name)} {name} do not fit into {room} columns: two would "
                    "coincide"
                )

    @property
    def omega(self) -> float:
        """Angular frequency, rad/s."""
        return 2 * np.pi * self.frequency

    def _columns(self, count: int) -> np.ndarray:
        return np.linspace(self.margin, self.n - 1 - self.margin, count).astype(int)

    @cached_property
    def _parts(self):
        """Stretching product s_x s_z, the symmetric Laplacian, places of sources and receivers, on
        the padded grid.
        """
        size, p, h = self.n + 2 * self.layer, self.layer, self.spacing
        depth = np.zeros(size)
        depth[:p] = depth[::-1][:p] = (p - np.arange(p)) / p
        s = 1 + 1j * self.damping * depth**2 / self.omega
        half = np.concatenate(
            [[s[0]], (s[:-1] + s[1:]) / 2, [s[-1]]]
        )  # between cells, and at the rim
        inverse = 1 / (half * h**2)
        line = sparse.diags_array(
            [inverse[1:-1], -(inverse[:-1] + inverse[1:]), inverse[1:-1]], offsets=[-1, 0, 1]
        )
        stretch = sparse.diags_array(s)
        laplacian = (sparse.kron(line, stretch) + sparse.kron(stretch, line)).tocsr()
        rows = p + self.margin, p + self.n - 1 - self.margin
        places = [
            (p + self._columns(count)) * size + row
            for count, row in zip((self.sources, self.receivers), rows, strict=True)
        ]
        return np.outer(s, s).ravel(), laplacian, *places

    def check(self, slowness: np.ndarray) -> np.ndarray:
        """The squared slowness (s²/km²) as float64 (n, n). Raises InputError with the numbers that
        are wrong.
        """
        m = np.asarray(slowness, float)
        if m.shape != (self.n, self.n):
            raise InputError(
                f"squared slowness has shape {m.shape}, the grid is ({self.n}, {self.n})"
            )
        bad = ~(np.isfinite(m) & (m > 0))
        if bad.any():
            first = tuple(np.argwhere(bad)[0].tolist())
            raise InputError(
                f"squared slowness must be positive and finite: {int(bad.sum())} cells are not, "
                f"first {first}: {m[first]}"
            )
        points = 1 / (np.sqrt(m.max()) * self.frequency * self.spacing)
        if points < LEAST:
            raise InputError(
                f"{points:.1f} cells per shortest wavelength ({1 / np.sqrt(m.max()):.3g} km/s, "
                f"{self.frequency:g} Hz, "
                f"{self.spacing:g} km): at least {LEAST:g} are needed; refine the grid or lower "
                "the frequency"
            )
        if points < ENOUGH:
            _coarse(self.frequency, self.spacing)
        return m

    @cached_property
    def _plan(self) -> multifrontal.Plan:
        size = self.n + 2 * self.layer
        return multifrontal.plan(size, size, self._parts[1])

    @cached_property
    def _room(self) -> list:
        return []

    def factor(self, slowness: np.ndarray) -> multifrontal.Factor:
        """Sparse LDLᵀ of the operator at a squared slowness (n, n)."""
        stretch, laplacian, *_ = self._parts
        padded = np.pad(self.check(slowness), self.layer, mode="edge").ravel()
        diagonal = laplacian.diagonal() + self.omega**2 * padded * stretch
        return multifrontal.Factor(self._plan, laplacian, diagonal, self._room)

    def _fields(self, factor: multifrontal.Factor, places: np.ndarray) -> np.ndarray:
        """Fields of a source δ / h² at each place, (cells, places)."""
        return factor.solve(places, np.eye(len(places)) / self.spacing**2)

    def data(self, slowness: np.ndarray) -> np.ndarray:
        """Recorded fields d_sr, (sources, receivers) complex."""
        *_, sources, receivers = self._parts
        return self._fields(self.factor(slowness), sources)[receivers].T

    def field(self, slowness: np.ndarray, place: tuple[int, int]) -> np.ndarray:
        """Field of a point source in one cell (x, depth), (n, n) complex."""
        p, size = self.layer, self.n + 2 * self.layer
        whole = self._fields(
            self.factor(slowness), np.array([(p + place[0]) * size + p + place[1]])
        )
        return whole[:, 0].reshape(size, size)[p:-p, p:-p]

    def misfit(
        self, slowness: np.ndarray, observed: np.ndarray, noise_sd: float
    ) -> tuple[float, np.ndarray]:
        """Φ = Σ |d − d_obs|² / (2 σ_d²) and its gradient by the adjoint, (n, n), per s²/km²."""
        stretch, _, sources, receivers = self._parts
        factor = self.factor(slowness)
        fields = self._fields(factor, sources)
        residuals = fields[receivers].T - self._like(observed)
        adjoint = factor.solve(receivers, residuals.conj().T / noise_sd**2)
        padded = -(self.omega**2) * (stretch * np.einsum("cs,cs->c", fields, adjoint)).real
        return float((np.abs(residuals) ** 2).sum() / (2 * noise_sd**2)), self._folded(padded)

    def jacobian(self, slowness: np.ndarray, basis: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Data, and their derivatives along the columns of a basis of the squared slowness.

        Args:
            basis: (n · n, d).

        Returns:
            (sources, receivers) and (sources, receivers, d), complex.
        """
        stretch, _, sources, receivers = self._parts
        factor = self.factor(slowness)
        fields, adjoint = self._fields(factor, sources), self._fields(factor, receivers)
        padded = np.pad(
            basis.reshape(self.n, self.n, -1), [(self.layer,) * 2] * 2 + [(0, 0)], mode="edge"
        )
        padded = padded.reshape(factor.shape[0], -1)
        weighted = (
            -((self.omega * self.spacing) ** 2) * stretch[:, None] * fields
        )  # the adjoint is that of h⁻² too
        # real and imaginary parts side by side, so that the product with the real basis is a real
        # one
        parts = [(adjoint * weighted[:, [s]]).view(float).T @ padded for s in range(len(sources))]
        return fields[receivers].T, np.stack([part[::2] + 1j * part[1::2] for part in parts])

    def _folded(self, padded: np.ndarray) -> np.ndarray:
        """Transpose of edge padding: what fell on padded cells belongs to the edge cells."""
        p, grid = self.layer, padded.reshape(self.n + 2 * self.layer, -1)
        for _ in range(2):
            grid[p] += grid[:p].sum(0)
            grid[-p - 1] += grid[-p:].sum(0)
            grid = grid[p:-p].T.copy()
        return grid

    def _like(self, observed: np.ndarray) -> np.ndarray:
        observed = np.asarray(observed)
        if observed.shape != (self.sources, self.receivers) or not np.iscomplexobj(observed):
            raise InputError(
                f"data must be complex of shape ({self.sources}, {self.receivers}), given "
                f"{observed.dtype} "
                f"{observed.shape}"
            )
        return observed


@cache
def _coarse(frequency: float, spacing: float) -> None:
    log.warning(
        "%g Hz, %g km: fewer than %g cells per shortest wavelength distort waves",
        frequency,
        spacing,
        ENOUGH,
    )
