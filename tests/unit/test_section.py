"""The Helmholtz operator on rectangles: beside the square one, images, differences, bad input."""

from dataclasses import replace

import numpy as np
import pytest
from rote.core.errors import InputError
from rote.waves.helmholtz import Helmholtz
from rote.waves.section import RectangularHelmholtz
from scipy.special import hankel1

SMALL = RectangularHelmholtz(
    shape=(30, 20),
    spacing=0.05,
    frequency=3.0,
    sources=np.array([[4, 1], [20, 3]]),
    receivers=np.array([[2, 2], [15, 17], [28, 9]]),
    layer=8,
)


def model(shape: tuple[int, int]) -> np.ndarray:
    rng = np.random.default_rng(0)
    return 2.0 + 0.2 * rng.random(shape)


def test_data_and_gradient_are_those_of_the_square_operator():
    square = Helmholtz(
        n=24, spacing=0.05, layer=8, damping=100.0, frequency=3.0, sources=3, receivers=5, margin=1
    )
    section = replace(
        SMALL,
        shape=(24, 24),
        sources=np.stack([square._columns(3), np.full(3, 1)], axis=1),
        receivers=np.stack([square._columns(5), np.full(5, 22)], axis=1),
    )
    v = model((24, 24))
    observed = square.data(np.full((24, 24), 0.25))
    np.testing.assert_allclose(section.data(v), square.data(v**-2), rtol=1e-9)
    value, gradient = section.misfit(v, observed, 0.1)
    expected, of_slowness = square.misfit(v**-2, observed, 0.1)
    assert value == pytest.approx(expected)
    np.testing.assert_allclose(gradient, -2 * of_slowness / v**3, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("free_surface", [False, True])
def test_gradient_matches_central_differences(free_surface):
    section = replace(SMALL, free_surface=free_surface)
    v = model(SMALL.shape)
    observed = section.data(np.full(SMALL.shape, 2.1))
    _, gradient = section.misfit(v, observed, 0.05)
    rng = np.random.default_rng(1)
    directions = [rng.normal(size=SMALL.shape) for _ in range(2)]
    rim = np.zeros(SMALL.shape)
    rim[0] = rim[:, -1] = rim[:, 0] = 1  # where cells are padded
    for direction in (*directions, rim):
        ahead, behind = (
            section.misfit(v + sign * 1e-5 * direction, observed, 0.05)[0] for sign in (1, -1)
        )
        slope = (ahead - behind) / 2e-5
        assert (gradient * direction).sum() == pytest.approx(slope, rel=1e-5)


def test_field_below_a_free_surface_is_that_of_a_source_and_its_image():
    """Homogeneous half-space: u = −i/4 (H0(ω r / v) − H0(ω r' / v)), r' from the mirror image."""
    errors = []
    for cells in (48, 96):
        h = 2 / cells
        depth = cells // 4
        x = np.arange(cells // 8, 7 * cells // 8, cells // 8)
        receivers = np.stack([x, np.full(len(x), cells // 2)], axis=1)
        source = np.array([[cells // 2, depth]])
        section = RectangularHelmholtz(
            shape=(cells, 3 * cells // 4),
            spacing=h,
            frequency=4.0,
            sources=source,
            receivers=receivers,
            layer=cells // 4,
            free_surface=True,
        )
        data = section.data(np.full(section.shape, 2.0))[0]
        k = section.omega / 2.0
        along = h * (x - cells // 2)
        direct = np.hypot(along, h * (cells // 2 - depth))
        mirrored = np.hypot(along, h * (cells // 2 + depth + 1))
        exact = -0.25j * (hankel1(0, k * direct) - hankel1(0, k * mirrored))
        errors.append(np.linalg.norm(data - exact) / np.linalg.norm(exact))
    assert errors[1] < 0.06
    assert 2.5 < errors[0] / errors[1] < 6


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sources": np.array([[30, 1]])}, r"source at .* \[30, 1\] cells lies outside the grid"),
        ({"receivers": np.array([[1, 1.5]])}, "receivers must be whole numbers of cells"),
        ({"receivers": np.array([[1, 1], [1, 1]])}, "two receivers stand in the same cell"),
        ({"free_surface": "no"}, "free_surface must be true or false"),
        ({"shape": (30.5, 20)}, "shape must be a vector of whole numbers"),
        ({"shape": 30}, "shape must be a vector of whole numbers"),
        ({"layer": 10**7}, "layer must be a whole number"),
        ({"shape": (30, 1)}, "shape must be two numbers"),
        ({"spacing": 0.0}, "spacing"),
    ],
)
def test_acquisitions_that_cannot_be_are_refused(change, message):
    with pytest.raises(InputError, match=message):
        replace(SMALL, **change)


def test_models_that_the_grid_cannot_carry_are_refused():
    with pytest.raises(InputError, match=r"refine the grid to at most 0\.02 km"):
        replace(SMALL, frequency=10.0).data(np.full(SMALL.shape, 1.2))
    for value in (0, -1, np.nan, np.inf, 1e10):
        with pytest.raises(InputError, match="velocity must be positive and at most 1e"):
            SMALL.data(np.full(SMALL.shape, value))
    with pytest.raises(InputError, match="shape"):
        SMALL.data(np.ones((20, 30)))
    with pytest.raises(InputError, match="data must be complex"):
        SMALL.misfit(model(SMALL.shape), np.zeros((2, 2)), 0.1)
    for sd, size in ((1e-150, 1e100), (1.0, 1e200)):
        with pytest.raises(InputError, match=r"above 1e308|at most 1e"):
            SMALL.misfit(model(SMALL.shape), np.full((2, 3), size + 0j), sd)


def test_coarse_sections_are_warned_of(caplog):
    with caplog.at_level("WARNING", "rote"):
        replace(SMALL, frequency=4.321).data(np.full(SMALL.shape, 2.0))
    assert "fewer than 10 cells per shortest wavelength" in caplog.text
