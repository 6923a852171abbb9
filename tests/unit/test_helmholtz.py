"""The Helmholtz operator: exact solution, adjoint, Jacobian, bad acquisitions; velocity models."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rote.core.errors import InputError
from rote.synth import velocity
from rote.waves.helmholtz import Helmholtz
from scipy.special import hankel1

SMALL = Helmholtz(
    n=24, spacing=2 / 24, layer=8, damping=100.0, frequency=3.0, sources=3, receivers=9, margin=1
)


@pytest.fixture(scope="module")
def models():
    return velocity.slowness(velocity.project(velocity.fields(3, 42)), SMALL.n)


def test_factor_is_of_a_symmetric_matrix_and_solves_it(models):
    laplacian = SMALL._grid.laplacian
    assert abs(laplacian - laplacian.T).max() < 1e-10
    factor = SMALL.factor(models[0])
    a, b = np.random.default_rng(0).normal(size=(2, factor.shape[0], 1))
    everywhere = np.arange(len(a))
    # one factor serves forward and adjoint
    assert a.T @ factor.solve(everywhere, b) == pytest.approx(b.T @ factor.solve(everywhere, a))


@pytest.mark.parametrize(("cells", "bar"), [(6.01, 0.7), (8, 0.29), (12, 0.085), (24, 0.013)])
@pytest.mark.parametrize(("layer", "damping"), [(10, 5.0), (20, 20.0)])
def test_fields_near_a_source_are_exact_to_the_stated_accuracy(cells, bar, layer, damping):
    """Homogeneous medium, 6 to 24 cells from the source; damping in units of 2π frequency."""
    n, spacing, frequency = 60, 0.02, 2.0 / (cells * 0.02)
    operator = Helmholtz(
        n=n,
        spacing=spacing,
        layer=layer,
        damping=damping * 2 * np.pi * frequency,
        frequency=frequency,
        sources=1,
        receivers=1,
        margin=1,
    )
    field = operator.field(np.full((n, n), 0.25), (30, 30))
    x = (np.arange(n) - 30) * spacing
    distance = np.hypot(x[:, None], x)
    ring = (distance > 6 * spacing) & (distance < 24 * spacing)
    exact = -0.25j * hankel1(0, operator.omega * distance[ring] / 2)
    assert np.linalg.norm(field[ring] - exact) < bar * np.linalg.norm(exact)


def test_data_error_falls_with_the_square_of_the_spacing():
    """Homogeneous medium: u = −i/4 H0(ω r / v) away from the source and the rim."""
    errors = []
    for n in (64, 128):
        operator = Helmholtz(
            n=n,
            spacing=2 / n,
            layer=n // 6,
            damping=100.0,
            frequency=6.0,
            sources=1,
            receivers=2,
            margin=n // 2 - 1,
        )
        factor = operator.factor(np.full((n, n), 1 / 2.0**2))
        size = n + 2 * operator.layer
        p = operator.layer
        source = (p + n // 2) * size + p + n // 2
        field = operator._fields(factor, np.array([source]))[:, 0].reshape(size, size)[p:-p, p:-p]
        x = (np.arange(n) - n // 2) * operator.spacing
        distance = np.hypot(x[:, None], x)
        exact = -0.25j * hankel1(0, operator.omega * np.where(distance > 0, distance, 1) / 2.0)
        compared = (distance > 0.3) & (np.abs(x)[:, None] < 0.8) & (np.abs(x) < 0.8)
        errors.append(np.linalg.norm((field - exact)[compared]) / np.linalg.norm(exact[compared]))
    assert 3 < errors[0] / errors[1] < 5


def test_misfit_gradient_matches_central_differences(models):
    observed = SMALL.data(models[1])
    rng = np.random.default_rng(1)
    scale = 0.05 * np.abs(observed).max()
    _, gradient = SMALL.misfit(models[0], observed, scale)
    for direction in rng.normal(size=(3, SMALL.n, SMALL.n)):
        step = 1e-7
        ahead, behind = (
            SMALL.misfit(models[0] + sign * step * direction, observed, scale)[0]
            for sign in (1, -1)
        )
        assert (gradient * direction).sum() == pytest.approx(
            (ahead - behind) / (2 * step), rel=1e-4
        )
    corner = np.zeros_like(gradient)
    corner[0, 0] = 1  # its padded copies count: without folding them back the edges would be wrong
    ahead, behind = (
        SMALL.misfit(models[0] + sign * 1e-6 * corner, observed, scale)[0] for sign in (1, -1)
    )
    assert gradient[0, 0] == pytest.approx((ahead - behind) / 2e-6, rel=1e-3)


def test_jacobian_matches_central_differences_and_gives_the_gradient(models):
    basis = velocity.basis(SMALL.n)
    data, jacobian = SMALL.jacobian(models[0], basis)
    np.testing.assert_allclose(data, SMALL.data(models[0]), atol=1e-12)
    direction = np.random.default_rng(2).normal(size=basis.shape[1])
    change = (basis @ direction).reshape(SMALL.n, SMALL.n)
    slope = (SMALL.data(models[0] + 1e-6 * change) - SMALL.data(models[0] - 1e-6 * change)) / 2e-6
    assert np.linalg.norm(jacobian @ direction - slope) < 1e-5 * np.linalg.norm(slope)
    observed = SMALL.data(models[1])
    _, gradient = SMALL.misfit(models[0], observed, 0.1)
    by_jacobian = np.einsum("srk,sr->k", jacobian, (data - observed).conj()).real / 0.1**2
    np.testing.assert_allclose(by_jacobian, basis.T @ gradient.ravel(), rtol=1e-8)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (np.ones((5, 5)), r"shape \(5, 5\), the grid is \(24, 24\)"),
        (np.zeros((24, 24)), "576 cells are not"),
        (np.full((24, 24), np.nan), "576 cells are not"),
        (-np.ones((24, 24)), "must be positive and finite"),
        (np.full((24, 24), 4.0), r"2\.0 cells per shortest wavelength \(0\.5 km/s"),
    ],
)
def test_data_refuses_impossible_models_with_their_numbers(model, message):
    with pytest.raises(InputError, match=message):
        SMALL.data(model)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"frequency": 0.0}, "frequency must be in .1e-9, 1e9., given 0"),
        ({"margin": 12}, r"margin must lie in \[0, n/2\)"),
        ({"receivers": 40}, "40 receivers do not fit into 22 columns"),
        ({"spacing": 0.0}, "spacing must be in .1e-9, 1e9., given 0"),
        ({"spacing": -0.1}, "spacing must be in .1e-9, 1e9., given -0.1"),
        ({"damping": np.nan}, "damping must be in .1e-9, 1e9., given nan"),
        ({"n": 24.5}, "n must be a whole number ≥ 1 and ≤ 100000, given 24.5"),
        ({"margin": 0.5}, "margin must be a whole number ≥ 0"),
    ],
)
def test_helmholtz_refuses_impossible_acquisitions(changes, message):
    with pytest.raises(InputError, match=message):
        replace(SMALL, **changes)


def test_misfit_refuses_real_data(models):
    with pytest.raises(InputError, match=r"must be complex of shape \(3, 9\)"):
        SMALL.misfit(models[0], np.zeros((3, 9)), 0.1)


@pytest.mark.parametrize("noise_sd", [0.0, -1.0, np.nan, np.inf])
def test_misfit_refuses_noise_that_is_none(models, noise_sd):
    with pytest.raises(InputError, match=r"noise_sd must be in \[1e-150, 1e150\]"):
        SMALL.misfit(models[0], np.zeros((3, 9), complex), noise_sd)


def test_data_cells_and_bases_that_are_none_are_refused(models):
    data = np.zeros((3, 9), complex)
    data[1, 4] = np.nan
    with pytest.raises(InputError, match=r"data must be finite and at most 1e\+150, \(1, 4\)"):
        SMALL.misfit(models[0], data, 0.1)
    for cell in ((-1, 3), (24, 3), (2.5, 3)):
        with pytest.raises(InputError, match=r"whole numbers in \[0, 24\).*absorbing layer"):
            SMALL.field(models[0], cell)
    for basis in (np.zeros((5, 2)), np.full((576, 1), np.inf), np.zeros(576)):
        with pytest.raises(InputError, match=r"basis must be finite and of shape \(576, d\)"):
            SMALL.jacobian(models[0], basis)


def test_fields_give_the_published_velocity_models():
    """Seed 42 gives the published training coefficients; the first of many are the few."""
    few, many = velocity.fields(3, 42), velocity.fields(60, 42)
    np.testing.assert_array_equal(few, many[:3])
    coordinates = velocity.project(many)
    np.testing.assert_allclose(coordinates[0, :4], [-3.667, 1.522, 1.531, 1.774], atol=6e-4)
    truth = coordinates[[9, 8, 24]].mean(0)
    np.testing.assert_allclose(truth[:3], [-1.34423, -2.95381, 2.80749], atol=1e-4)
    assert np.linalg.norm(truth) == pytest.approx(10.774, abs=1e-3)
    model = velocity.velocity(truth, 200)
    assert (model.min(), model.max()) == (
        pytest.approx(1.878, abs=1e-3),
        pytest.approx(2.121, abs=1e-3),
    )
    of_fifty = velocity.velocity(coordinates[:50], 64)
    assert of_fifty.min() == pytest.approx(1.59, abs=0.01)
    assert of_fifty.max() == pytest.approx(2.61, abs=0.01)


def test_fields_are_point_symmetric_and_too_smooth_unless_hermitian():
    field = velocity.fields(200, 1)
    turned = np.roll(field[:, ::-1, ::-1], (1, 1), axis=(1, 2))
    np.testing.assert_allclose(field, turned, atol=1e-12)
    nominal = (1 / velocity.SLOWEST**2 - 1 / velocity.FASTEST**2) / 6
    assert field.std() / nominal == pytest.approx(2**-0.5, rel=0.05)
    cured = velocity.fields(200, 1, hermitian=True)
    assert np.abs(cured - np.roll(cured[:, ::-1, ::-1], (1, 1), axis=(1, 2))).max() > 0.01
    assert cured.std() / nominal == pytest.approx(1, rel=0.05)


def test_project_inverts_slowness():
    z = np.random.default_rng(0).normal(size=(4, velocity.MODES**2))
    np.testing.assert_allclose(velocity.project(velocity.slowness(z, 64)), z, atol=1e-8)
    assert velocity.slowness(1e4 * z, 16).min() == velocity.MIN_SQUARED_SLOWNESS
    with pytest.raises(InputError, match=r"shape \(..., 100\), given \(4, 7\)"):
        velocity.slowness(z[:, :7], 16)


def test_layered_models_get_faster_with_depth():
    models = np.stack([velocity.layered(np.random.default_rng(seed)) for seed in range(40)])
    assert (models >= 1).all()
    assert models.max() <= 4
    assert (models[..., -1].mean(1) > models[..., 0].mean(1)).mean() > 0.8
    with pytest.raises(InputError, match="n must be a whole number ≥ 1"):
        velocity.layered(np.random.default_rng(0), 0)


@given(st.integers(0, 2**32 - 1), st.sampled_from([16, 48, 100]))
def test_layers_never_cross(seed, n):
    """Down every column, layers come in one order."""
    model = velocity.layered(np.random.default_rng(seed), n)
    below = set()
    for column in model:
        order = column[np.r_[True, np.diff(column) != 0]].tolist()
        assert len(set(order)) == len(order)  # no layer twice
        below |= set(combinations(order, 2))
    assert not {(b, a) for a, b in below} & below
    assert len(np.unique(model)) <= 6
