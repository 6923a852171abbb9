"""Waves: numbers of any type, grids of any size, against a dense solve of the same equation."""

from dataclasses import fields

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from rote.core.errors import InputError
from rote.waves import acoustic, helmholtz, multifrontal
from scipy import sparse

SURVEY = acoustic.Survey(
    spacing=0.02,
    step=0.001,
    samples=40,
    frequency=8.0,
    sources=np.array([[100, 12]]),
    receivers=np.array([[104, 14], [98, 3]]),
    delay=0.01,
)
SPEED = torch.full((120, 20), 2.0)


@pytest.mark.parametrize("kind", [np.int8, np.uint8, np.int32, np.uint64, list])
def test_positions_of_any_whole_type_are_the_same_cells(kind):
    """120 and the layer's 10 cells do not fit into 8 bits."""
    survey = SURVEY._replace(sources=SURVEY.sources + 19, receivers=SURVEY.receivers + 4)
    speed = torch.full((124, 40), 2.0)
    cells = {name: getattr(survey, name) for name in ("sources", "receivers")}
    if kind is list:
        given_cells = {name: value.tolist() for name, value in cells.items()}
    else:
        given_cells = {name: value.astype(kind) for name, value in cells.items()}
    same = survey._replace(**given_cells)
    torch.testing.assert_close(
        acoustic.leapfrog(speed, same), acoustic.leapfrog(speed, survey), rtol=0, atol=0
    )


def test_numbers_of_a_survey_of_any_type_are_the_same():
    small = {"samples": np.int8(40), "layer": np.int8(10), "delay": np.float32(0.015625)}
    plain = SURVEY._replace(samples=40, layer=10, delay=0.015625)
    traces = acoustic.leapfrog(SPEED, SURVEY._replace(**small))
    torch.testing.assert_close(traces, acoustic.leapfrog(SPEED, plain), rtol=0, atol=0)


def operator(n: int, layer: int, margin: int, **changes) -> helmholtz.Helmholtz:
    numbers = {"spacing": 0.02, "damping": 50.0, "frequency": 3.0, "sources": 1, "receivers": 1}
    return helmholtz.Helmholtz(n=n, layer=layer, margin=margin, **(numbers | changes))


def dense_data(one: helmholtz.Helmholtz, slowness: np.ndarray) -> np.ndarray:
    """Data by elimination of the whole matrix, written down entry by entry."""
    p, h, size = one.layer, one.spacing, one.n + 2 * one.layer
    omega = 2 * np.pi * one.frequency
    inside = np.clip(np.arange(size), p, p + one.n - 1)
    m = np.asarray(slowness, float)[np.ix_(inside - p, inside - p)]
    depth = np.abs(np.arange(size) - inside) / p
    s = 1 + 1j * one.damping * depth**2 / omega
    half = np.concatenate([s[:1], (s[1:] + s[:-1]) / 2, s[-1:]])
    matrix = np.zeros((size,) * 4, complex)
    for x, z in np.ndindex(size, size):
        matrix[x, z, x, z] += omega**2 * m[x, z] * s[x] * s[z]
        for dx, dz in ((-1, 0), (1, 0), (0, -1), (0, 1)):
            across = s[z] / half[x + (dx > 0)] if dx else s[x] / half[z + (dz > 0)]
            matrix[x, z, x, z] -= across / h**2
            if 0 <= x + dx < size and 0 <= z + dz < size:
                matrix[x, z, x + dx, z + dz] += across / h**2
    columns = {
        name: np.linspace(one.margin, one.n - 1 - one.margin, count).astype(int) + p
        for name, count in (("sources", one.sources), ("receivers", one.receivers))
    }
    right = np.zeros((size, size, one.sources))
    right[columns["sources"], p + one.margin, np.arange(one.sources)] = 1 / h**2
    solved = np.linalg.solve(matrix.reshape(size**2, -1), right.reshape(size**2, -1))
    fields_at = solved.reshape(size, size, -1)
    return fields_at[columns["receivers"], p + one.n - 1 - one.margin].T


@settings(max_examples=25, deadline=None)
@given(
    st.integers(1, 9),
    st.integers(1, 5),
    st.floats(0.01, 0.05),
    st.floats(0.1, 300),
    st.floats(0.1, 6),
    st.integers(0, 2**32 - 1),
)
def test_data_are_those_of_the_equation_on_any_grid(n, layer, spacing, damping, frequency, seed):
    one = operator(n, layer, 0, spacing=spacing, damping=damping, frequency=frequency, receivers=n)
    slowness = np.random.default_rng(seed).uniform(0.1, 0.25, (n, n))
    expected = dense_data(one, slowness)
    np.testing.assert_allclose(one.data(slowness), expected, rtol=1e-8, atol=1e-12)


def test_numbers_of_an_acquisition_of_any_type_are_the_same():
    plain = operator(40, 50, 2)
    small = operator(np.int8(40), np.int8(50), np.uint8(2), frequency=np.float32(3.0))
    for field in fields(plain):
        assert type(getattr(small, field.name)) is type(getattr(plain, field.name))
    slowness = np.full((40, 40), 0.25)
    np.testing.assert_array_equal(small.data(slowness), plain.data(slowness))


def test_a_misfit_that_is_no_number_is_refused():
    one = operator(24, 5, 2)
    with pytest.raises(InputError, match="misfit or gradient above 1e308"):
        one.misfit(np.full((24, 24), 0.25), np.full((1, 1), 1e100 + 0j), 1e-150)


def test_factors_refuse_what_is_no_stencil_or_no_cell():
    line = sparse.diags_array([np.ones(5), np.full(6, 4.0), np.ones(5)], offsets=[-1, 0, 1])
    with pytest.raises(InputError, match="neighbors of the grid alone"):
        multifrontal.plan(2, 3, line)  # cells 2 and 3 lie in different columns
    lopsided = sparse.csr_array(np.array([[4.0, 1.0], [2.0, 4.0]]))
    with pytest.raises(InputError, match="matrix must be symmetric"):
        multifrontal.plan(1, 2, lopsided)
    plan = multifrontal.plan(1, 6, line)
    factor = multifrontal.Factor(plan, line.tocsr(), np.full(6, 4.0))
    for cells in ([1, 1], [6], [-1], [0.0]):
        with pytest.raises(InputError, match="cells must be"):
            factor.solve(cells, np.ones((len(cells), 1)))
    with pytest.raises(InputError, match="no inverse"):
        multifrontal.Factor(plan, line.tocsr() * 0, np.zeros(6)).solve([0], np.ones((1, 1)))
    np.testing.assert_array_equal(factor.solve([0, 1], np.zeros((2, 3))), 0)
