"""Domains of `rote.waves`."""

from rote.core.domains import Domain

_SURVEY = (
    "velocities in (0, fastest] km/s; spacing, step, frequency, fastest in [1e-9, 1e9]; whole "
    "cells inside the grid; 2.5 cells or more per shortest wavelength (2.5 times the peak "
    "frequency, the slowest cell), a warning below 10; step at most half the shortest period, "
    "traces that reach the wavelet"
)
_MODEL = (
    "squared slowness > 0 of shape (n, n); 6 cells or more per shortest wavelength, a warning "
    "below 10"
)
_ERROR = (
    "of second order in the spacing: within 24 cells of a source 70 % off at 6 cells per shortest "
    "wavelength, 28 % at 8, 8 % at 12, 1.2 % at 24. What the layer sends back comes on top: "
    "e^(−2 damping layer spacing/(3 v)), and more where damping exceeds 2π frequency times layer"
)
_GRID = (
    "numbers of the acquisition in [1e-9, 1e9], whole where they count; no two receivers in one "
    "column"
)
DOMAINS = [
    Domain(
        "rote.waves.acoustic.shots",
        _SURVEY,
        "after 50 cells, at the worst step, 64 % at 2.5 cells per shortest wavelength, 15 % at "
        "3.8, 3.4 % at 6, 0.9 % at 10; a layer of 10 cells sends back less than 1 %",
        "the exact trace of a homogeneous medium, at steps from 0.1 to 0.57 h/v; `leapfrog`; "
        "wider domains; central differences for the gradient",
        "48 × 48 cells, 400 samples, 4 shots: 0.06 s with its gradient",
    ),
    Domain(
        "rote.waves.acoustic.leapfrog",
        f"{_SURVEY}; step at most 2/√(32 v²/(3 h²) + ζ²), ζ the strongest damping",
        "after 50 cells, at the longest step, 64 % at 2.5 cells per shortest wavelength, 22 % at "
        "3.8, 7.5 % at 6, 2 % at 10, as `shots` up to 0.4 h/v; a layer of 20 cells sends back less "
        "than 1 %; fields never grow",
        "3,000 steps of random sizes that it takes, velocities that differ fourfold between cells; "
        "the exact trace; the frequency domain; `shots`",
        "more than 20 times `shots`",
    ),
    Domain(
        "rote.waves.acoustic.ricker",
        "any survey that `check` takes",
        "single precision",
        "share of the power above the band",
        "an exponential per sample",
    ),
    Domain(
        "rote.waves.acoustic.check",
        _SURVEY,
        "every wrong argument by name",
        "each refusal",
        "a look at every cell",
    ),
    Domain(
        "rote.waves.helmholtz.Helmholtz.data",
        f"{_GRID}; {_MODEL}",
        _ERROR,
        "the exact field of a homogeneous medium; the time domain",
        "64 × 64 cells and a layer of 10: 9 ms, 128 × 128 and 21: 50 ms",
    ),
    Domain(
        "rote.waves.helmholtz.Helmholtz.field",
        f"{_MODEL}; a whole cell in [0, n)²",
        _ERROR,
        "the exact field of a homogeneous medium",
        "as `data`",
    ),
    Domain(
        "rote.waves.helmholtz.Helmholtz.misfit",
        f"{_MODEL}; complex data of at most 1e150; noise_sd in [1e-150, 1e150]; a misfit and "
        "gradient below 1e308",
        "that of `data`; its gradient is that of the discrete misfit",
        "central differences; the Jacobian",
        "twice the solves of `data`",
    ),
    Domain(
        "rote.waves.helmholtz.Helmholtz.jacobian",
        f"{_MODEL}; a finite basis (n², d)",
        "that of `data`; the derivatives are those of the discrete data",
        "central differences; the gradient",
        "`data`, and a product of (receivers, cells) with (cells, d) per source",
    ),
    Domain(
        "rote.waves.section.RectangularHelmholtz.data",
        "velocity in (0, 1e9] km/s of the grid's shape; sources and receivers in different cells; "
        f"{_MODEL}",
        _ERROR,
        "the square operator; the exact field of a source and its image below a free surface",
        "as that of a square with as many cells",
    ),
    Domain(
        "rote.waves.section.RectangularHelmholtz.misfit",
        "as `data`; complex data of at most 1e150; noise_sd in [1e-150, 1e150]; a misfit and "
        "gradient below 1e308",
        "that of `data`; its gradient is that of the discrete misfit",
        "the square operator; central differences, also of cells at the rim",
        "twice the solves of `data`",
    ),
    Domain(
        "rote.waves.multifrontal.plan",
        "the symmetric five-point stencil of a rectangle of cells",
        "exact: which cells are eliminated in which order",
        "the factor that follows",
        "once per grid",
    ),
    Domain(
        "rote.waves.multifrontal.Factor.solve",
        "symmetric complex matrices of a plan that have an inverse, finite values in different "
        "cells; where a pivot vanishes, sparse LU takes over",
        "residual of 1e-9 relative",
        "products with the matrix, on grids of every shape",
        "n² log n per right-hand side on n × n cells; the factor n³",
    ),
]
