"""Diffusion of small vectors: closed-form denoisers, schedules, exact posteriors, guidance."""

import numpy as np
import pytest
import torch
from rote.core.errors import InputError
from rote.models import diffusion
from rote.theory import posterior

PAPER, ZERO = (diffusion.schedule(name, 200) for name in ("paper", "zero_snr"))


def test_paper_schedule_does_not_end_in_noise():
    assert PAPER.alpha_bar[-1].item() == pytest.approx(0.1322, abs=1e-4)
    assert ZERO.alpha_bar[-1].item() == pytest.approx(3.0e-5, rel=0.05)
    assert (PAPER.widths[0].item(), PAPER.widths[-1].item()) == (
        pytest.approx(0.0100, abs=1e-4),
        pytest.approx(2.562, abs=1e-3),
    )
    for bad in ((200, 0.0, 0.1), (200, 0.2, 0.1), (1, 0.1, 0.2)):
        with pytest.raises(InputError, match=r"first must|a schedule needs|steps must"):
            diffusion.linear(*bad)


def test_schedule_ends_at_the_same_signal_in_any_number_of_steps():
    short = diffusion.schedule("paper", 50)
    assert short.alpha_bar[-1].item() == pytest.approx(PAPER.alpha_bar[-1].item(), rel=0.05)
    with pytest.raises(InputError, match="schedule must be one of paper, zero_snr, given 'cosine'"):
        diffusion.schedule("cosine", 200)


def test_memorized_denoiser_is_that_of_the_smoothed_set():
    rng = np.random.default_rng(0)
    train = rng.normal(size=(20, 6))
    z = rng.normal(size=(9, 6))
    logs = rng.normal(size=20)
    for t in (0, 50, 199):
        denoiser = diffusion.memorized(torch.tensor(train), PAPER, torch.tensor(logs))
        denoised = denoiser(torch.tensor(z), t)
        scaled = z / PAPER.alpha_bar[t].item() ** 0.5
        expected = posterior.denoise(scaled, train, PAPER.widths[t].item(), log_weights=logs)
        np.testing.assert_allclose(denoised.numpy(), expected, atol=1e-9)


def test_ddim_samples_of_a_memorized_prior_are_its_examples():
    rng = np.random.default_rng(1)
    train = torch.tensor(rng.normal(size=(30, 10)))
    samples = diffusion.ddim(
        diffusion.memorized(train, PAPER), torch.tensor(rng.normal(size=(40, 10))), PAPER
    )
    assert torch.cdist(samples, train).min(1).values.max() < 0.05


def test_ddim_samples_a_gaussian_only_if_the_schedule_ends_in_noise():
    """The exact denoiser of a Gaussian, deterministic steps: the spread along each direction."""
    rng = np.random.default_rng(2)
    covariance = torch.diag(torch.tensor([49.0, 1.0, 0.1], dtype=torch.float64))
    start = torch.tensor(rng.normal(size=(4000, 3)))
    spread = {}
    for name, schedule in (("paper", PAPER), ("zero", ZERO)):
        denoiser = diffusion.gaussian(torch.zeros(3), covariance, schedule)
        spread[name] = diffusion.ddim(denoiser, start, schedule).var(0) / torch.diag(covariance)
    assert spread["paper"][0] < 0.3
    torch.testing.assert_close(
        spread["zero"], torch.ones(3, dtype=torch.float64), atol=0.08, rtol=0
    )


def test_memorized_denoiser_with_likelihoods_samples_the_exact_posterior():
    rng = np.random.default_rng(3)
    train = torch.tensor(rng.normal(size=(8, 12)))
    logs = torch.tensor(rng.normal(size=8))
    weights = posterior.empirical(logs.numpy())
    distance = {}
    for name, schedule in (("paper", PAPER), ("zero", ZERO)):
        start = torch.tensor(rng.normal(size=(3000, 12)))
        samples = diffusion.ddim(diffusion.memorized(train, schedule, logs), start, schedule)
        shares = np.bincount(torch.cdist(samples, train).argmin(1).numpy(), minlength=8) / 3000
        distance[name] = np.abs(shares - weights).sum() / 2
    assert distance["zero"] < 0.08
    assert distance["paper"] > distance["zero"]


def test_network_stacks_are_independent():
    rngs = [np.random.default_rng(seed) for seed in range(3)]
    sizes = diffusion.DiffusionArchitecture(dimension=5, width=16, blocks=2, embedding=8)
    parameters = diffusion.initial(sizes, rngs)
    forward = diffusion.network(sizes)
    generator = torch.Generator().manual_seed(0)
    z = torch.randn(3, 7, 5, generator=generator)
    t = torch.randint(0, 200, (3, 7), generator=generator)
    stacked = forward(parameters, z, t)
    for model in range(3):
        single = {name: value[[model]] for name, value in parameters.items()}
        torch.testing.assert_close(forward(single, z[[model]], t[[model]])[0], stacked[model])


def test_guided_moves_towards_the_data_and_nowhere_without_a_gradient():
    rng = np.random.default_rng(4)
    denoiser = diffusion.gaussian(torch.zeros(4), torch.eye(4, dtype=torch.float64), ZERO)
    start = torch.tensor(rng.normal(size=(50, 4)))
    target = torch.full((4,), 2.0, dtype=torch.float64)
    step = diffusion.DataStep(0.05)

    def gradient(x):
        return ((x - target) ** 2).sum(1) / 2, x - target

    def nothing(x):
        return torch.zeros(len(x)), torch.zeros_like(x)

    path = []
    pulled = diffusion.guided(
        denoiser, start, ZERO, gradient, step, watch=lambda t, x, m: path.append((t, m.mean()))
    )
    free = diffusion.guided(denoiser, start, ZERO, nothing, step)
    torch.testing.assert_close(free, diffusion.ddim(denoiser, start, ZERO))
    assert (pulled - target).norm(dim=1).mean() < 0.5 * (free - target).norm(dim=1).mean()
    assert [t for t, _ in path] == list(reversed(range(200)))
    assert path[-1][1] < 0.1 * path[0][1]


def test_guided_with_full_jacobian_follows_the_chain_rule():
    """One step with raw gradients moves z by the gradient of the predicted clean point's misfit."""
    denoiser = diffusion.gaussian(
        torch.zeros(3), torch.diag(torch.tensor([4.0, 1.0, 0.2], dtype=torch.float64)), ZERO
    )
    schedule = diffusion.Schedule(ZERO.alpha_bar[:1])
    start = torch.tensor([[0.3, -1.0, 2.0]], dtype=torch.float64)

    def gradient(x):
        return (x**2).sum(1) / 2, x

    x = denoiser(start, 0)

    def misfit(z):
        alpha_bar = schedule.alpha_bar[0].item()
        noise = (z - alpha_bar**0.5 * denoiser(z, 0)) / (1 - alpha_bar) ** 0.5
        clean = (z - (1 - alpha_bar) ** 0.5 * noise) / alpha_bar**0.5
        return ((clean**2).sum() / 2).item()

    step = diffusion.DataStep(1e-3, "raw", full_jacobian=True)
    moved = diffusion.guided(denoiser, start, schedule, gradient, step)
    slopes = [
        (misfit(x + 1e-5 * e) - misfit(x - 1e-5 * e)) / 2e-5
        for e in torch.eye(3, dtype=torch.float64)
    ]
    expected = -1e-3 * np.array(slopes)
    np.testing.assert_allclose((moved - x)[0].numpy(), expected, rtol=1e-5)


def _constant(x):
    return torch.full((len(x),), 8.0, dtype=x.dtype), x


@pytest.mark.parametrize(
    ("scaling", "expected"),
    [
        ("raw", lambda slope: slope),
        ("unit", lambda slope: slope / slope.norm(dim=1, keepdim=True)),
        ("residual", lambda slope: 2 * slope / 4.0),  # ‖r‖ = √(2 · 8)
    ],
)
@pytest.mark.parametrize("full", [True, False])
def test_guidance_scales_gradients_as_it_says(scaling, expected, full):
    """With ½‖r‖² = 8 and slopes x: by the chain rule, or over √ᾱ with a constant denoiser."""
    covariance = torch.diag(torch.tensor([4.0, 1.0, 0.2], dtype=torch.float64))
    denoiser = diffusion.gaussian(torch.zeros(3), covariance, ZERO)
    schedule = diffusion.Schedule(ZERO.alpha_bar[150:151])  # ᾱ = .03
    start = torch.tensor([[0.3, -1.0, 2.0]], dtype=torch.float64)
    x = denoiser(start, 0)
    alpha_bar = schedule.alpha_bar[0]

    def clean(z):
        noise = (z - alpha_bar.sqrt() * denoiser(z, 0)) / (1 - alpha_bar).sqrt()
        return (z - (1 - alpha_bar).sqrt() * noise) / alpha_bar.sqrt()

    if full:
        rows = torch.autograd.functional.jacobian(lambda z: clean(z[None])[0], x[0])
        slope = clean(x) @ rows
    else:
        slope = clean(x) / alpha_bar.sqrt()
    step = diffusion.DataStep(1e-3, scaling, full_jacobian=full)
    moved = diffusion.guided(denoiser, start, schedule, _constant, step)
    torch.testing.assert_close(x - moved, 1e-3 * expected(slope), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize(
    ("gradient", "step", "message"),
    [
        (lambda x: (torch.ones(len(x)), x * torch.nan), {}, "6 gradients that are NaN"),
        (lambda x: (torch.ones(len(x)) * torch.inf, x), {}, "2 misfits that are NaN or infinite"),
        (lambda x: (-torch.ones(len(x)), x), {}, "negative misfits"),
        (lambda x: (torch.ones(len(x)), x[0]), {}, "gradient must give misfits"),
        (_constant, {"scaling": "half"}, "scaling must be one of unit, raw, residual"),
        (_constant, {"length": float("nan")}, "length must be finite"),
    ],
)
def test_guided_refuses_gradients_that_are_none(gradient, step, message):
    denoiser = diffusion.gaussian(torch.zeros(3), torch.eye(3), ZERO)
    with pytest.raises(InputError, match=message):
        diffusion.guided(
            denoiser,
            torch.ones(2, 3, dtype=torch.float64),
            ZERO,
            gradient,
            diffusion.DataStep(**({"length": 0.1} | step)),
        )


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: diffusion.memorized(torch.zeros(0, 2), ZERO), "train must be finite"),
        (
            lambda: diffusion.memorized(torch.zeros(2, 2), ZERO, torch.full((2,), -torch.inf)),
            "log_weights must not be",
        ),
        (lambda: diffusion.memorized(torch.zeros(2, 2), ZERO, torch.zeros(3)), "log_weights must"),
        (lambda: diffusion.gaussian(torch.zeros(2), torch.eye(3), ZERO), "shapes"),
        (lambda: diffusion.gaussian(torch.zeros(2), -torch.eye(2), ZERO), "negative eigenvalue"),
        (lambda: diffusion.schedule("paper", 0), "steps must be a whole number ≥ 2"),
    ],
)
def test_denoisers_refuse_what_has_no_density(call, message):
    with pytest.raises(InputError, match=message):
        call()


SHORT = diffusion.schedule("paper", 10)
THREE = diffusion.memorized(torch.tensor([[0.0, 0.0], [2.0, 1.0], [-1.0, 3.0]]), SHORT)
START = torch.tensor([[0.3, -0.2], [1.0, 1.0]], dtype=torch.float64)


def towards_one(x):
    return ((x - 1) ** 2).sum(1) / 2, x - 1


@pytest.mark.parametrize("scaling", diffusion.SCALINGS)
def test_full_jacobians_that_are_none_are_refused(scaling):
    """NaN derivatives, and denoisers through which torch does not differentiate."""
    step = diffusion.DataStep(0.1, scaling, full_jacobian=True)
    for denoiser, message in (
        (lambda z, t: z / 2 + (0 * z).sqrt(), "denoiser has 4 derivatives that are NaN"),
        (lambda z, t: THREE(z.detach(), t), "do not depend on z for torch"),
        (lambda z, t: torch.from_numpy(z.detach().numpy() / 2), "do not depend on z for torch"),
    ):
        with pytest.raises(InputError, match=message):
            diffusion.guided(denoiser, START, SHORT, towards_one, step)
    guided = diffusion.guided(THREE, START, SHORT, towards_one, step)
    with torch.no_grad():
        torch.testing.assert_close(
            diffusion.guided(THREE, START, SHORT, towards_one, step), guided, rtol=0, atol=0
        )


@pytest.mark.parametrize("unit", [1e-300, 1e-20, 1e20, 1e150])
def test_unit_steps_do_not_depend_on_the_units_of_the_misfit(unit):
    def scaled(x):
        misfits, slopes = towards_one(x)
        return unit * misfits, unit * slopes

    step = diffusion.DataStep(0.1)
    plain = diffusion.guided(THREE, START, SHORT, towards_one, step)
    torch.testing.assert_close(diffusion.guided(THREE, START, SHORT, scaled, step), plain)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: diffusion.ddim(lambda z, t: z * torch.nan, START, SHORT), "ends with 4 numbers"),
        (lambda: diffusion.ddim(THREE, START.long(), SHORT), "start must be .* floating type"),
        (lambda: THREE(START.long(), 3), "z must be of a floating type"),
        (lambda: diffusion.noise_to_clean(THREE, SHORT)(START, 10), "t must be a whole number"),
        (
            lambda: diffusion.guided(THREE, START[0], SHORT, towards_one, diffusion.DataStep(0.1)),
            "start must be points",
        ),
        (
            lambda: diffusion.guided(
                THREE, START[None], SHORT, towards_one, diffusion.DataStep(0.1)
            ),
            r"start must be points \(points, d\), given \(1, 2, 2\)",
        ),
        (
            lambda: diffusion.ddim(THREE, START, diffusion.Schedule(SHORT.alpha_bar.flip(0))),
            "numbers in .0, 1. that do not rise",
        ),
    ],
)
def test_samples_that_are_none_are_refused(call, message):
    with pytest.raises(InputError, match=message):
        call()
