"""Acoustic shots: two propagators, absorbing layers, gradients, and what is refused."""

import numpy as np
import pytest
import torch
from rote.core.errors import InputError
from rote.synth import velocity
from rote.waves import acoustic

pytest.importorskip("deepwave")
SURVEY = acoustic.Survey(
    spacing=20.0,
    step=0.002,
    samples=200,
    frequency=8.0,
    sources=np.array([[12, 14], [12, 30]]),
    receivers=np.array([[12, x] for x in range(8, 40, 4)]),
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
            ((acoustic.shots(start + sign * 4.0 * bump, SURVEY).double() - observed) ** 2).sum()
            for sign in (1, -1)
        )
    assert float((gradient * bump).sum().detach()) == pytest.approx(
        float(ahead - behind) / 8.0, rel=0.03
    )


@pytest.mark.parametrize("frequency", [4.0, 8.0, 12.0])
def test_shots_gradient_matches_that_of_every_time_step(frequency, monkeypatch):
    """Sampled at the Nyquist rate of the product of two fields, it loses next to nothing."""
    import deepwave

    survey = SURVEY._replace(frequency=frequency)
    plain = deepwave.scalar
    target = acoustic.shots(MODEL + 50, survey)
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


@pytest.mark.parametrize("value", [0.0, -1500.0, float("nan"), float("inf")])
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
            r"source at \(depth, x\) = \[12, 48\] cells lies outside the grid",
        ),
        ({"receivers": np.array([[-1, 3]])}, r"receiver at \(depth, x\) = \[-1, 3\]"),
        ({"receivers": np.array([[3, 3], [3, 3]])}, "two receivers stand in the same cell"),
        ({"frequency": 20.0}, "cells per wavelength at the peak frequency"),
        ({"fastest": 1000.0}, "above the survey's fastest of 1000"),
    ],
)
def test_shots_refuse_impossible_acquisitions(changes, message):
    with pytest.raises(InputError, match=message):
        acoustic.shots(MODEL, SURVEY._replace(**changes))


def test_leapfrog_refuses_too_long_a_time_step_with_the_numbers():
    with pytest.raises(
        InputError, match=r"time step 0\.01 s is too long: v dt sqrt\(2\)/h = .* exceeds 0\.866"
    ):
        acoustic.leapfrog(MODEL, SURVEY._replace(step=0.01))
    with pytest.raises(InputError, match=r"\(cells in depth, cells in x\)"):
        acoustic.shots(MODEL[0], SURVEY)
