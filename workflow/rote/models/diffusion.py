"""Diffusion models of small vectors: schedules, score networks (stacked replicates), deterministic
DDIM sampling.

A denoiser here is a function (z, t) -> x0: from noisy points (points, d) and an integer time to the
clean points that it predicts. Trained networks, the closed forms of a finite set and of a Gaussian,
and posteriors share that form.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from rote.core.errors import InputError
from rote.models.norms import layer_norm
from rote.models.products import bmm

Denoiser = Callable[[Tensor, int], Tensor]
Parameters = dict[str, Tensor]


class Schedule(NamedTuple):
    """z_t = √ᾱ_t x + √(1 − ᾱ_t) ε for t = 0 ... steps − 1."""

    kept: Tensor  # ᾱ, (steps,) float64, falling

    @property
    def steps(self) -> int:
        return len(self.kept)

    @property
    def widths(self) -> Tensor:
        """σ_t = √((1 − ᾱ_t)/ᾱ_t), the width of the mixture that z_t/√ᾱ_t has."""
        return ((1 - self.kept) / self.kept).sqrt()


def linear(steps: int, first: float, last: float) -> Schedule:
    """β rising linearly. Raises InputError unless 0 < first ≤ last < 1 and steps ≥ 2."""
    if not (0 < first <= last < 1) or steps < 2:
        raise InputError(
            f"a schedule needs steps ≥ 2 and 0 < first ≤ last < 1, given {steps}, {first} and "
            f"{last}"
        )
    return Schedule(torch.cumprod(1 - torch.linspace(first, last, steps, dtype=torch.float64), 0))


SCHEDULES = {
    "paper": (1e-4, 0.02),
    "zero_snr": (5e-4, 0.1),
}  # of 200 steps; the first does not end in noise


def memorized(train: Tensor, schedule: Schedule, log_weights: Tensor | None = None) -> Denoiser:
    """The best denoiser of a finite set (N, d): what a network that memorized it computes.

    Args:
        log_weights: (N,) log-likelihoods make it the exact denoiser of the posterior.
    """
    train = train.double()

    def denoise(z: Tensor, t: int) -> Tensor:
        kept = schedule.kept[t]
        # explicit differences: the expanded square loses the small distances that matter
        square = (
            torch.cdist(
                z.double(), kept.sqrt() * train, compute_mode="donot_use_mm_for_euclid_dist"
            )
            ** 2
        )
        logs = -0.5 * square / (1 - kept)
        return ((logs if log_weights is None else logs + log_weights).softmax(-1) @ train).to(
            z.dtype
        )

    return denoise


def gaussian(mean: Tensor, covariance: Tensor, schedule: Schedule) -> Denoiser:
    """The best denoiser of N(mean, covariance), which cannot memorize."""
    values, vectors = torch.linalg.eigh(covariance.double())
    mean = mean.double()

    def denoise(z: Tensor, t: int) -> Tensor:
        kept = schedule.kept[t]
        centered = (z.double() - kept.sqrt() * mean) @ vectors
        gain = kept.sqrt() * values / (kept * values + 1 - kept)
        return ((gain * centered) @ vectors.T + mean).to(z.dtype)

    return denoise


def initial(
    dimension: int,
    width: int,
    blocks: int,
    embedding: int,
    rngs: Sequence[np.random.Generator],
    device: str = "cpu",
) -> Parameters:
    """Parameters of `network`, each (models, ...), one model per generator."""
    shapes = {"in": (dimension + embedding, width)} | {
        f"{block}": (width, width) for block in range(blocks)
    }
    shapes |= {"out": (width, dimension)}
    parameters: Parameters = {}
    for name, (inputs, outputs) in shapes.items():
        bound = inputs**-0.5  # torch's default for linear layers
        for part, shape in (("weight", (inputs, outputs)), ("bias", (outputs,))):
            value = np.stack([rng.uniform(-bound, bound, shape) for rng in rngs])
            parameters[f"{name}.{part}"] = torch.tensor(value, dtype=torch.float32, device=device)
    for block in range(blocks):
        parameters[f"{block}.scale"] = torch.ones(len(rngs), width, device=device)
        parameters[f"{block}.shift"] = torch.zeros(len(rngs), width, device=device)
    return parameters


def network(
    dimension: int, width: int, blocks: int, embedding: int
) -> Callable[[Parameters, Tensor, Tensor], Tensor]:
    """A stack of residual MLPs with a sinusoidal time embedding.

    Returns:
        forward(parameters, z, t), from (models, batch, dimension) and (models, batch) to (models,
        batch, dimension).
    """
    half = embedding // 2
    rates = 10_000.0 ** (-torch.arange(half) / max(half - 1, 1))

    def linear_layer(p: Parameters, h: Tensor, name: str) -> Tensor:
        return bmm(h, p[f"{name}.weight"], p[f"{name}.bias"][:, None])

    def forward(p: Parameters, z: Tensor, t: Tensor) -> Tensor:
        angle = t[..., None].float() * rates.to(z.device)
        h = F.gelu(linear_layer(p, torch.cat([z, angle.sin(), angle.cos()], -1), "in"))
        for block in range(blocks):
            normed = layer_norm(linear_layer(p, h, str(block)))
            h = h + F.gelu(normed * p[f"{block}.scale"][:, None] + p[f"{block}.shift"][:, None])
        return linear_layer(p, h, "out")

    return forward


def ddim(denoiser: Denoiser, start: Tensor, schedule: Schedule) -> Tensor:
    """Deterministic samples from start noise (points, d), over all steps of the schedule."""
    z = start
    for t in reversed(range(schedule.steps)):
        x = denoiser(z, t)
        if t == 0:
            return x
        kept, following = schedule.kept[t].item(), schedule.kept[t - 1].item()
        noise = (z - kept**0.5 * x) / (1 - kept) ** 0.5
        z = following**0.5 * x + (1 - following) ** 0.5 * noise
    return z


def guided(
    denoiser: Denoiser,
    start: Tensor,
    schedule: Schedule,
    gradient: Callable[[Tensor], tuple[Tensor, Tensor]],
    *,
    step: float,
    normalized: bool = True,
    full_jacobian: bool = False,
    watch: Callable[[int, Tensor, Tensor], None] | None = None,
) -> Tensor:
    """Diffusion posterior sampling as in the code of Siahkoohi and Sabeddu (2026): a DDIM step,
    then a data step.

    After each DDIM step the clean point is predicted again (with the same time index, as that code
    does), and z moves against the misfit's gradient there, over √ᾱ_t.

    Args:
        start: start noise (points, d).
        gradient: from clean points (points, d) to their misfits (points,) and gradients (points,
            d).
        step: length of a data step, or with `normalized=False` the factor of the gradient.
        normalized: every point's gradient is scaled to length 1 (0 stays 0).
        full_jacobian: differentiate through the denoiser (Chung et al. 2023) instead of taking it
            as constant.
        watch: called with (t, clean points before the data step, misfits).

    Returns:
        Clean points (points, d).
    """
    z = start
    for t in reversed(range(schedule.steps)):
        kept, following = schedule.kept[t].item(), schedule.kept[max(t - 1, 0)].item()
        x = denoiser(z, t)
        noise = (z - kept**0.5 * x) / (1 - kept) ** 0.5
        z = x if t == 0 else following**0.5 * x + (1 - following) ** 0.5 * noise
        point = z.detach().requires_grad_(full_jacobian)
        # the clean point that the noise predicted at index t stands for at the level of t − 1
        again = denoiser(point, t)
        noise = (point - kept**0.5 * again) / (1 - kept) ** 0.5
        clean = (point - (1 - following) ** 0.5 * noise) / following**0.5
        misfits, slopes = gradient(clean.detach())
        if watch is not None:
            watch(t, clean.detach(), misfits)
        if full_jacobian:
            (slopes,) = torch.autograd.grad(clean, point, slopes)
        slopes = slopes / kept**0.5
        if normalized:
            length = torch.linalg.vector_norm(slopes, dim=1, keepdim=True)
            slopes = torch.where(length > 0, slopes / length.clamp(min=1e-8), 0.0)
        z = z - step * slopes
    return z


def noise_to_clean(predict: Callable[[Tensor, int], Tensor], schedule: Schedule) -> Denoiser:
    """A denoiser from a network that predicts the noise."""

    def denoise(z: Tensor, t: int) -> Tensor:
        kept = schedule.kept[t].item()
        return (z - (1 - kept) ** 0.5 * predict(z, t)) / kept**0.5

    return denoise
