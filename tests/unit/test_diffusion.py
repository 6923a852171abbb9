"""Diffusion of small vectors: closed-form denoisers, what schedules do, exact posterior sampling,
guidance.
"""

import numpy as np
import pytest
import torch
from rote.core.errors import InputError
from rote.models import diffusion
from rote.theory import posterior

PAPER, ZERO = (diffusion.linear(200, *diffusion.SCHEDULES[name]) for name in ("paper", "zero_snr"))


def test_the_paper_schedule_does_not_end_in_noise():
    assert PAPER.kept[-1].item() == pytest.approx(0.1322, abs=1e-4)
    assert ZERO.kept[-1].item() == pytest.approx(3.0e-5, rel=0.05)
    assert (PAPER.widths[0].item(), PAPER.widths[-1].item()) == (
        pytest.approx(0.0100, abs=1e-4),
        pytest.approx(2.562, abs=1e-3),
    )
    for bad in ((200, 0.0, 0.1), (200, 0.2, 0.1), (1, 0.1, 0.2)):
        with pytest.raises(InputError, match="a schedule needs"):
            diffusion.linear(*bad)


def test_the_memorized_denoiser_is_that_of_the_smoothed_set():
    rng = np.random.default_rng(0)
    train, z, logs = rng.normal(size=(20, 6)), rng.normal(size=(9, 6)), rng.normal(size=20)
    for t in (0, 50, 199):
        kept = PAPER.kept[t].item()
        ours = diffusion.memorized(torch.tensor(train), PAPER, torch.tensor(logs))(
            torch.tensor(z), t
        )
        wanted = posterior.denoise(z / kept**0.5, train, PAPER.widths[t].item(), log_weights=logs)
        np.testing.assert_allclose(ours.numpy(), wanted, atol=1e-9)


def test_samples_of_a_memorized_prior_are_its_examples():
    rng = np.random.default_rng(1)
    train = torch.tensor(rng.normal(size=(30, 10)))
    samples = diffusion.ddim(
        diffusion.memorized(train, PAPER), torch.tensor(rng.normal(size=(40, 10))), PAPER
    )
    assert torch.cdist(samples, train).min(1).values.max() < 0.05


def test_only_a_schedule_that_ends_in_noise_samples_a_gaussian():
    """The exact denoiser of a Gaussian, deterministic steps: the spread along the leading
    direction.
    """
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


def test_likelihoods_in_the_denoiser_make_an_exact_posterior_sampler():
    rng = np.random.default_rng(3)
    train, logs = torch.tensor(rng.normal(size=(8, 12))), torch.tensor(rng.normal(size=8))
    weights = posterior.empirical(logs.numpy())
    off = {}
    for name, schedule in (("paper", PAPER), ("zero", ZERO)):
        start = torch.tensor(rng.normal(size=(3000, 12)))
        samples = diffusion.ddim(diffusion.memorized(train, schedule, logs), start, schedule)
        shares = np.bincount(torch.cdist(samples, train).argmin(1).numpy(), minlength=8) / 3000
        off[name] = np.abs(shares - weights).sum() / 2
    assert off["zero"] < 0.08
    assert off["paper"] > off["zero"]


def test_stacked_score_networks_are_independent():
    rngs = [np.random.default_rng(seed) for seed in range(3)]
    parameters, forward = diffusion.initial(5, 16, 2, 8, rngs), diffusion.network(5, 16, 2, 8)
    generator = torch.Generator().manual_seed(0)
    z, t = (
        torch.randn(3, 7, 5, generator=generator),
        torch.randint(0, 200, (3, 7), generator=generator),
    )
    whole = forward(parameters, z, t)
    for model in range(3):
        one = {name: value[model : model + 1] for name, value in parameters.items()}
        torch.testing.assert_close(
            forward(one, z[model : model + 1], t[model : model + 1])[0], whole[model]
        )


def test_guidance_moves_towards_the_data_and_nowhere_without_a_gradient():
    rng = np.random.default_rng(4)
    denoiser = diffusion.gaussian(torch.zeros(4), torch.eye(4, dtype=torch.float64), ZERO)
    start, target = (
        torch.tensor(rng.normal(size=(50, 4))),
        torch.full((4,), 2.0, dtype=torch.float64),
    )

    def gradient(x):
        return ((x - target) ** 2).sum(1) / 2, x - target

    def nothing(x):
        return torch.zeros(len(x)), torch.zeros_like(x)

    seen = []
    pulled = diffusion.guided(
        denoiser, start, ZERO, gradient, step=0.05, watch=lambda t, x, m: seen.append((t, m.mean()))
    )
    free = diffusion.guided(denoiser, start, ZERO, nothing, step=0.05)
    torch.testing.assert_close(free, diffusion.ddim(denoiser, start, ZERO))
    assert (pulled - target).norm(dim=1).mean() < 0.5 * (free - target).norm(dim=1).mean()
    assert [t for t, _ in seen] == list(reversed(range(200)))
    assert seen[-1][1] < 0.1 * seen[0][1]


def test_the_full_jacobian_is_the_chain_rule():
    """One step with raw gradients: z moves by the gradient of the misfit of the predicted clean
    point.
    """
    denoiser = diffusion.gaussian(
        torch.zeros(3), torch.diag(torch.tensor([4.0, 1.0, 0.2], dtype=torch.float64)), ZERO
    )
    schedule = diffusion.Schedule(ZERO.kept[:1])
    start = torch.tensor([[0.3, -1.0, 2.0]], dtype=torch.float64)

    def gradient(x):
        return (x**2).sum(1) / 2, x

    x = denoiser(start, 0)

    def misfit(z):
        kept = schedule.kept[0].item()
        noise = (z - kept**0.5 * denoiser(z, 0)) / (1 - kept) ** 0.5
        return ((((z - (1 - kept) ** 0.5 * noise) / kept**0.5) ** 2).sum() / 2).item()

    moved = diffusion.guided(
        denoiser, start, schedule, gradient, step=1e-3, normalized=False, full_jacobian=True
    )
    slopes = [
        (misfit(x + 1e-5 * e) - misfit(x - 1e-5 * e)) / 2e-5
        for e in torch.eye(3, dtype=torch.float64)
    ]
    expected = -1e-3 * np.array(slopes) / schedule.kept[0].item() ** 0.5
    np.testing.assert_allclose((moved - x)[0].numpy(), expected, rtol=1e-5)
