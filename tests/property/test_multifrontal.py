"""The multifrontal LDLᵀ on grids of every shape; and where a pivot vanishes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rote.waves import multifrontal
from scipy import sparse


def stencil(width: int, height: int, rng: np.random.Generator) -> sparse.csr_array:
    """Random symmetric couplings of a grid's neighbors, and a random complex diagonal."""
    cells = np.arange(width * height).reshape(width, height)
    ends = np.concatenate(
        [
            np.stack([cells[1:], cells[:-1]]).reshape(2, -1),
            np.stack([cells[:, 1:], cells[:, :-1]]).reshape(2, -1),
        ],
        axis=1,
    )
    values = rng.normal(size=ends.shape[1]) + 1j * rng.normal(size=ends.shape[1])
    below = sparse.coo_array((values, ends), shape=(cells.size, cells.size))
    diagonal = 4 * (rng.normal(size=cells.size) + 1j * rng.normal(size=cells.size))
    return (below + below.T + sparse.diags_array(diagonal)).tocsr()


sides = st.integers(1, 23)


@given(st.integers(0, 2**32 - 1), sides, sides, st.integers(1, 35), st.integers(1, 40))
def test_solve_leaves_no_residual(seed, width, height, count, sources):
    """With sources in a few cells only: subtrees without one are left out."""
    rng = np.random.default_rng(seed)
    matrix, right = stencil(width, height, rng), np.zeros((width * height, count), complex)
    cells = rng.permutation(width * height)[:sources]
    right[cells] = rng.normal(size=(len(cells), count)) + 1j * rng.normal(size=(len(cells), count))
    plan = multifrontal.plan(width, height, matrix)
    solution = multifrontal.Factor(plan, matrix, matrix.diagonal()).solve(cells, right[cells])
    scale = sparse.linalg.norm(matrix) * np.linalg.norm(solution) + np.linalg.norm(right)
    assert np.linalg.norm(matrix @ solution - right) <= 1e-9 * scale


@given(sides, sides)
def test_plan_eliminates_every_cell_once_and_boundaries_later(width, height):
    plan = multifrontal.plan(width, height, stencil(width, height, np.random.default_rng(0)))
    assert sorted(plan.order) == list(range(width * height))
    assert plan.pivots.sum() == width * height
    for t, (first, pivots) in enumerate(zip(plan.first, plan.pivots, strict=True)):
        part = slice(plan.boundary_start[t], plan.boundary_start[t + 1])
        assert (plan.boundary[part] >= first + pivots).all()
        assert (np.diff(plan.boundary[part]) > 0).all()
        # so that what lies above the diagonal stays above it
        assert (np.diff(plan.parent_row[part]) > 0).all()


def test_factor_with_another_diagonal_uses_the_same_plan():
    rng = np.random.default_rng(1)
    matrix, right = stencil(30, 20, rng), rng.normal(size=(600, 3))
    plan = multifrontal.plan(30, 20, matrix)
    diagonal = 10 + rng.normal(size=600) + 1j
    solution = multifrontal.Factor(plan, matrix, diagonal).solve(np.arange(600), right)
    changed = matrix + sparse.diags_array(diagonal - matrix.diagonal())
    np.testing.assert_allclose(changed @ solution, right, atol=1e-12)


def test_solve_exchanges_a_vanishing_pivot(caplog):
    """The very first pivot is zero: the matrix is regular, but has no LDLᵀ without exchanges."""
    matrix = stencil(12, 12, np.random.default_rng(2)).tolil()
    plan = multifrontal.plan(12, 12, matrix.tocsr())
    matrix[plan.order[0], plan.order[0]] = 0
    matrix, right = matrix.tocsr(), np.ones((144, 2))
    with caplog.at_level("INFO", "rote"):
        solution = multifrontal.Factor(plan, matrix, matrix.diagonal()).solve(np.arange(144), right)
    assert "pivots exchanged" in caplog.text
    np.testing.assert_allclose(matrix @ solution, right, atol=1e-10)


def test_flops_grow_with_the_cube_of_the_side():
    """George (1973): n³ for the factor, n² log n for a solution; row by row it would be n⁴, n³."""
    small, large = (
        multifrontal.plan(n, n, stencil(n, n, np.random.default_rng(3))).flops for n in (60, 120)
    )
    assert large[0] < 2**3.3 * small[0]
    assert large[1] < 2**2.5 * small[1]
    assert large[0] < 8 * 120**4 / 2 / 5
    assert large[1] < 8 * 2 * 120**3 / 3


@pytest.mark.parametrize("count", [1, 16, 17])
def test_solve_columns_do_not_depend_on_their_neighbors(count):
    rng = np.random.default_rng(4)
    matrix, right = stencil(9, 14, rng), rng.normal(size=(30, 40))
    cells = np.arange(30, 60)
    factor = multifrontal.Factor(multifrontal.plan(9, 14, matrix), matrix, matrix.diagonal())
    np.testing.assert_array_equal(
        factor.solve(cells, right)[:, :count], factor.solve(cells, right[:, :count])
    )


def test_factor_in_use_keeps_its_arrays():
    rng = np.random.default_rng(5)
    spare = []
    matrix, right = stencil(11, 7, rng), rng.normal(size=(77, 2))
    cells = np.arange(77)
    plan = multifrontal.plan(11, 7, matrix)
    first = multifrontal.Factor(plan, matrix, matrix.diagonal(), spare)
    before = first.solve(cells, right)
    second = multifrontal.Factor(plan, matrix, matrix.diagonal() + 3, spare)
    second.solve(cells, right)
    np.testing.assert_array_equal(first.solve(cells, right), before)
    del second
    assert len(spare) == 1
    multifrontal.Factor(plan, matrix, matrix.diagonal() + 5, spare)
    np.testing.assert_array_equal(first.solve(cells, right), before)
