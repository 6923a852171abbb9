"""Acoustic shots: two propagators, absorbing layers, gradients, and what is refused."""

import logging

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from rote.core.errors import InputError
from rote.synth import velocity
from rote.waves import acoustic, helmholtz
from scipy.special import hankel1

pytest.importorskip("deepwave")
SURVEY = acoustic.Survey(
    spacing=0.02,
    step=0.002,
    samples=200,
    frequency=8.0,
    sources=np.array([[14, 12], [30, 12]]),
    receivers=np.array([[x, 12] for x in range(8, 40, 4)]),
    delay=0.15,
)
MODEL = torch.tensor(velocity.layered(np.random.default_rng(3)), dtype=torch.float32)


def difference(a: torch.Tensor, b: torch.Tensor) -> float:
    return float((a - b).norm() / b.norm())


def widened(
    model: torch.Tensor, survey: acoustic.Survey, cells: int
) -> tuple[torch.Tensor, acoustic.Survey]:
    """The same acquisition in a larger domain, so that nothing comes back from the rim."""
    wide = torch.nn.functional.pad(model[None, None], (cells,) * 4, mode="replicate")[0, 0]
    return wide, survey._replace(sources=survey.sources + cells, receivers=survey.receivers + cells)


def test_propagators_agree_and_layers_absorb():
    deep = acoustic.shots(MODEL, SURVEY)
    assert deep.shape == (2, 8, 200)
    reference = acoustic.shots(*widened(MODEL, SURVEY, 40))
    assert difference(deep, reference) < 1e-2
    wide = acoustic.leapfrog(*widened(MODEL, SURVEY, 40))
    assert difference(wide, reference) < 0.03
    assert difference(acoustic.leapfrog(MODEL, SURVEY._replace(layer=20)), wide) < 3e-2


def test_shots_gradient_matches_central_differences():
    observed = acoustic.shots(MODEL, SURVEY)
    start = (MODEL * 0.97).requires_grad_()
    misfit = ((acoustic.shots(start, SURVEY) - observed) ** 2).sum()
    (gradient,) = torch.autograd.grad(misfit, start)
    bump = torch.zeros_like(MODEL)
    bump[20:28, 18:26] = 1.0
    with torch.no_grad():
        ahead, behind = (
            ((acoustic.shots(start + sign * 0.004 * bump, SURVEY).double() - observed) ** 2).sum()
            for sign in (1, -1)
        )
    assert float((gradient * bump).sum().detach()) == pytest.approx(
        float(ahead - behind) / 0.008, rel=0.03
    )


@pytest.mark.parametrize("frequency", [4.0, 8.0, 12.0])
def test_shots_gradient_matches_that_of_every_time_step(frequency, monkeypatch):
    """Sampled at the Nyquist rate of the product of two fields, it loses next to nothing."""
    import deepwave

    survey = SURVEY._replace(frequency=frequency)
    plain = deepwave.scalar
    target = acoustic.shots(MODEL + 0.05, survey)
    intervals = []

    def gradient() -> torch.Tensor:
        start = MODEL.clone().requires_grad_()
        return torch.autograd.grad(((acoustic.shots(start, survey) - target) ** 2).sum(), start)[0]

    def unsampled(*args, **options):
        intervals.append(options.pop("model_gradient_sampling_interval"))
        return plain(*args, **options)

    sampled = gradient()
    monkeypatch.setattr(deepwave, "scalar", unsampled)
    assert difference(sampled, gradient()) < 1e-3
    # at 4 Hz the wavelet starts abruptly
    assert intervals[0] == {4.0: 1, 8.0: 5, 12.0: 2}[frequency]


@pytest.mark.parametrize("value", [0.0, -1.5, float("nan"), float("inf")])
def test_propagators_refuse_velocities_that_deepwave_would_accept(value):
    model = MODEL.clone()
    model[5, 7] = value
    for propagate in (acoustic.shots, acoustic.leapfrog):
        with pytest.raises(InputError, match=r"1 cells are not, first \(5, 7\)"):
            propagate(model, SURVEY)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"sources": np.array([[12, 48]])},
            r"source at \(x, depth\) = \[12, 48\] cells lies outside the grid",
        ),
        (
            {"receivers": np.array([[-1, 3]])},
            r"receiver at \(x, depth\) = \[-1, 3\].*absorbing layer",
        ),
        ({"receivers": np.array([[3, 3], [3, 3]])}, "two receivers stand in the same cell"),
        ({"sources": np.array([[12.0, 14.5]])}, r"whole numbers of cells, not float64"),
        ({"receivers": np.empty((0, 2), int)}, r"receivers must be at least one row of two cells"),
        ({"frequency": 20.0}, "cells per shortest wavelength .* at least 2.5 are needed"),
        ({"fastest": 1.0}, "above the survey's fastest of 1"),
        ({"spacing": 0.0}, "spacing must be in .1e-9, 1e9., given 0"),
        ({"step": -0.002}, "step must be in .1e-9, 1e9., given -0.002"),
        ({"samples": 20.5}, "samples must be a whole number ≥ 1"),
        ({"layer": 0}, "layer must be a whole number ≥ 1"),
        ({"frequency": np.nan}, "frequency must be in .1e-9, 1e9., given nan"),
        ({"delay": -0.1}, "delay must be in .0, 1e9."),
        ({"step": 0.05}, r"step 0.05 s is too long for a wavelet of 8 Hz"),
    ],
)
def test_shots_refuse_impossible_acquisitions(changes, message):
    with pytest.raises(InputError, match=message):
        acoustic.shots(MODEL, SURVEY._replace(**changes))


def test_coarse_grids_are_warned_of_once(caplog):
    survey = SURVEY._replace(frequency=7.9)
    with caplog.at_level(logging.WARNING, "rote"):
        acoustic.check(MODEL, survey)
        acoustic.check(MODEL, survey)
        acoustic.check(MODEL, SURVEY._replace(frequency=1.5))
    assert caplog.text.count("fewer than 10 cells per shortest wavelength") == 1


def test_leapfrog_refuses_too_long_a_time_step_with_the_numbers():
    with pytest.raises(InputError, match=r"step 0\.01 s is too long at .* use at most 0\.00"):
        acoustic.leapfrog(MODEL, SURVEY._replace(step=0.01))
    with pytest.raises(InputError, match=r"\(cells in x, cells in depth\)"):
        acoustic.shots(MODEL[0], SURVEY)


def test_little_of_a_wavelet_lies_above_its_band():
    survey = SURVEY._replace(samples=4000, step=1e-3, delay=2.0)
    power = np.abs(np.fft.rfft(acoustic.ricker(survey).double().numpy())) ** 2
    frequencies = np.fft.rfftfreq(4000, 1e-3)
    above = frequencies > acoustic.BAND * survey.frequency
    assert power[above].sum() < 1e-3 * power.sum()


@given(
    st.floats(0.3, 5.0),
    st.floats(1.0, 3.0),
    st.integers(1, 20),
    st.sampled_from([0.005, 0.02, 0.1]),
    st.floats(0.5, 0.999),
)
@settings(max_examples=8)
def test_fields_never_grow_at_a_time_step_that_is_accepted(speed, contrast, layer, spacing, part):
    """Energy after 3,000 steps, of a wavelet as short as the step allows.

    Velocities that differ from cell to cell, in the layers, too. The steps that are refused begin a
    few per cent below those that grow.
    """
    velocities = speed * 4 ** -torch.rand(8, 8, generator=torch.Generator().manual_seed(layer))
    velocities[2, 2] = speed
    survey = acoustic.Survey(
        spacing=spacing,
        step=1.0,
        samples=3000,
        frequency=speed / (4 * acoustic.BAND * 2.6 * spacing),
        sources=np.array([[3, 3]]),
        receivers=np.array([[4, 4], [0, 7]]),
        layer=layer,
        delay=0.0,
        fastest=speed * contrast,
    )
    grid = np.sqrt(32 / 3) * speed / spacing
    longest = 2 / np.hypot(grid, acoustic._strongest_damping(survey))
    survey = survey._replace(step=part * longest)
    traces = acoustic.leapfrog(velocities, survey)
    early = traces[..., :1000].abs().max()
    assert traces[..., -600:].abs().max() <= early
    with pytest.raises(InputError, match="fields could grow"):
        acoustic.leapfrog(velocities, survey._replace(step=1.001 * longest))


def exact_trace(survey: acoustic.Survey, speed: float, distance: float) -> np.ndarray:
    """Of a homogeneous medium: the wavelet's spectrum times −i/4 H0(ωr/v)."""
    size = 16 * survey.samples
    spectrum = np.fft.rfft(acoustic.ricker(survey).double().numpy(), size)
    omega = 2 * np.pi * np.fft.rfftfreq(size, survey.step)[1:]
    field = np.zeros_like(spectrum)
    field[1:] = np.conj(-0.25j * hankel1(0, omega * distance / speed))
    return np.fft.irfft(spectrum * field, size)[: survey.samples]


@pytest.mark.parametrize("part", [0.1, 0.42, 0.57])
@pytest.mark.parametrize(
    ("cells", "of_shots", "of_leapfrog"),
    [(2.51, 0.64, 0.64), (3.8, 0.15, 0.22), (6.0, 0.034, 0.075), (10.0, 0.009, 0.02)],
)
def test_traces_after_fifty_cells_are_exact_to_the_stated_accuracy(
    part, cells, of_shots, of_leapfrog
):
    """At the shortest step, the longest, and the one at which `shots` halves its own."""
    speed, spacing = 2.0, 0.02
    frequency = speed / (acoustic.BAND * cells * spacing)
    step = part * spacing / speed
    survey = acoustic.Survey(
        spacing=spacing,
        step=step,
        samples=int((50 * spacing / speed + 3.2 / frequency) / step),
        frequency=frequency,
        sources=np.array([[30, 30]]),
        receivers=np.array([[80, 30]]),
        layer=20,
        delay=1.2 / frequency,
        fastest=speed,
    )
    exact = exact_trace(survey, speed, 50 * spacing)
    for propagate, bar in ((acoustic.shots, of_shots), (acoustic.leapfrog, of_leapfrog)):
        trace = propagate(torch.full((110, 60), speed), survey)[0, 0].double().numpy()
        assert np.linalg.norm(trace - exact) < bar * np.linalg.norm(exact)


@pytest.mark.parametrize("cells", [40, 80])
def test_time_and_frequency_domain_are_one_equation(cells):
    """The transform of the traces is the wavelet's times the frequency domain's data."""
    n, frequency = cells, 4.0
    spacing = 1.6 / n
    receivers = np.array([[int(0.7 * n), n // 2], [n // 2, int(0.8 * n)], [n // 4, n // 4]])
    survey = acoustic.Survey(
        spacing=spacing,
        step=0.15 * spacing,
        samples=int(1.6 / (0.15 * spacing)),
        frequency=frequency,
        sources=np.array([[n // 2, n // 2]]),
        receivers=receivers,
        layer=n // 3,
        delay=0.3,
    )
    speed = 2.0
    traces = acoustic.leapfrog(torch.full((n, n), speed), survey).numpy()[0]
    t = np.arange(survey.samples) * survey.step
    turning = np.exp(2j * np.pi * frequency * t) * survey.step
    transformed = (traces @ turning) / (acoustic.ricker(survey).double().numpy() @ turning)
    operator = helmholtz.Helmholtz(
        n=n,
        spacing=spacing,
        layer=n // 3,
        damping=60.0,
        frequency=frequency,
        sources=1,
        receivers=1,
        margin=1,
    )
    field = operator.field(np.full((n, n), speed**-2), (n // 2, n // 2))
    expected = field[tuple(receivers.T)]
    assert np.linalg.norm(transformed - expected) < 130 / n**2 * np.linalg.norm(expected)
