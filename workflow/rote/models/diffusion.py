"""Diffusion models of small vectors: schedules, stacked score networks, deterministic sampling.

A denoiser is a function (z, t) -> x0: from noisy points (points, d) and an integer time to the
clean points that it predicts. Trained networks, the closed forms of a finite set and of a Gaussian,
and posteriors share that form.
"""

import math
from collections.abc import Callable, Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from rote.core import fields, reals
from rote.core.errors import InputError
from rote.core.registry import registered
from rote.models.devices import check_device
from rote.models.norms import layer_norm
from rote.models.products import bmm
from rote.models.scalings import SCALINGS

Denoiser = Callable[[Tensor, int], Tensor]
Parameters = dict[str, Tensor]


class Schedule(NamedTuple):
    """z_t = √ᾱ_t x + √(1 − ᾱ_t) ε for t = 0 ... steps − 1."""

    alpha_bar: Tensor  # ᾱ, share of the signal's variance at each time, (steps,) float64; it falls

    @property
    def steps(self) -> int:
        """Number of diffusion times."""
        return len(self.alpha_bar)

    @property
    def widths(self) -> Tensor:
        """σ_t = √((1 − ᾱ_t)/ᾱ_t), the width of the mixture that z_t/√ᾱ_t has, (steps,)."""
        return ((1 - self.alpha_bar) / self.alpha_bar).sqrt()


_RATE = fields.FieldRange("in (0, 1)", lambda value: 0 < value < 1)
_STEPS = fields.whole(2, 10**7)


def linear(steps: int, first: float, last: float) -> Schedule:
    """A schedule whose β rises linearly from `first` to `last`; ᾱ_t = Π_{s ≤ t} (1 − β_s).

    Args:
        steps: number of diffusion times.
        first: β at time 0.
        last: β at the last time.

    Raises:
        InputError: unless 0 < first ≤ last < 1 and steps ≥ 2, and where ᾱ is rounded to 1 or 0.
    """
    rates = [reals.number(name, rate, _RATE) for name, rate in (("first", first), ("last", last))]
    steps = fields.check({"steps": _STEPS}, {"steps": steps})["steps"]
    if rates[0] > rates[1]:
        raise InputError(
            "a schedule needs steps ≥ 2 and 0 < first ≤ last < 1, "
            f"given {steps}, {first} and {last}"
        )
    rising = torch.linspace(*rates, steps, dtype=torch.float64)
    made = Schedule(torch.cumprod(1 - rising, 0))
    _check_schedule(made)
    return made


class LinearRates(NamedTuple):
    """First and last β of a linear schedule of `REFERENCE_STEPS` steps."""

    first: float
    last: float


REFERENCE_STEPS = 200
SCHEDULES = {
    "paper": LinearRates(1e-4, 0.02),  # as published: it does not end in noise
    "zero_snr": LinearRates(5e-4, 0.1),
}


def schedule(name: str, steps: int) -> Schedule:
    """A schedule of `SCHEDULES` in any number of steps: fewer with larger β end near the same ᾱ.

    The last β is at most 0.999.

    Args:
        name: of one of `SCHEDULES`.
        steps: number of diffusion times.

    Raises:
        InputError: for an unknown name, or too few steps.
    """
    rates = registered(SCHEDULES, name, "schedule")
    fields.check({"steps": _STEPS}, {"steps": steps})
    scale = REFERENCE_STEPS / steps
    return linear(steps, scale * rates.first, min(scale * rates.last, 0.999))


def memorized(train: Tensor, schedule: Schedule, log_weights: Tensor | None = None) -> Denoiser:
    """The best denoiser of a finite set: what a network that memorized it computes.

    x̂(z, t) = Σ_n π_n x_n with π = softmax_n(−‖z − √ᾱ_t x_n‖² / (2 (1 − ᾱ_t)) + log w_n).

    Args:
        train: examples x_n, (N, d).
        schedule: of the noise.
        log_weights: log w_n, (N,), equal by default; log-likelihoods make it the exact denoiser of
            the posterior.

    Raises:
        InputError: without examples, for values that are NaN or infinite, and for log-weights of
            the wrong shape, NaN, +inf or all −inf.
    """
    _check_schedule(schedule)
    train = _tensor("train", train)
    if train.ndim != 2 or not train.numel() or not torch.isfinite(train).all():
        raise InputError(
            f"train must be finite and of shape (N, d), N, d ≥ 1, given {tuple(train.shape)}"
        )
    if log_weights is not None:
        log_weights = _tensor("log_weights", log_weights)
        if log_weights.shape != train.shape[:1]:
            raise InputError(
                f"log_weights must have shape ({len(train)},), given {tuple(log_weights.shape)}"
            )
        if log_weights.isnan().any() or not torch.isfinite(log_weights.max()):
            raise InputError("log_weights must not be NaN, +inf, or −inf for every example")

    def denoise(z: Tensor, t: int) -> Tensor:
        alpha_bar = _at(schedule, t, z, train.shape[1])
        # explicit differences: the expanded square loses the small distances that matter
        distances = torch.cdist(
            z.double(), alpha_bar.sqrt() * train, compute_mode="donot_use_mm_for_euclid_dist"
        )
        logits = -0.5 * distances**2 / (1 - alpha_bar)
        if log_weights is not None:
            logits = logits + log_weights
        return _finite_points(logits.softmax(-1) @ train, z)

    return denoise


def gaussian(mean: Tensor, covariance: Tensor, schedule: Schedule) -> Denoiser:
    """The best denoiser of a Gaussian, which cannot memorize.

    Args:
        mean: (d,).
        covariance: (d, d).
        schedule: of the noise.

    Raises:
        InputError: for shapes that do not agree, values that are not finite, and a covariance that
            is not symmetric or has a negative eigenvalue.
    """
    _check_schedule(schedule)
    mean, covariance = _tensor("mean", mean), _tensor("covariance", covariance)
    d = mean.numel()
    if mean.ndim != 1 or not d or covariance.shape != (d, d):
        raise InputError(
            "mean and covariance must have shapes (d,) and (d, d), "
            f"given {tuple(mean.shape)} and {tuple(covariance.shape)}"
        )
    if not (torch.isfinite(mean).all() and torch.isfinite(covariance).all()):
        raise InputError("mean and covariance must be finite")
    size = covariance.abs().max()
    values, vectors = torch.linalg.eigh(covariance)
    if (covariance - covariance.T).abs().max() > 1e-6 * size or values.min() < -1e-6 * size:
        raise InputError("covariance must be symmetric and have no negative eigenvalue")
    values = values.clamp(min=0)

    def denoise(z: Tensor, t: int) -> Tensor:
        alpha_bar = _at(schedule, t, z, d)
        centered = (z.double() - alpha_bar.sqrt() * mean) @ vectors
        gain = alpha_bar.sqrt() * values / (alpha_bar * values + 1 - alpha_bar)
        return _finite_points((gain * centered) @ vectors.T + mean, z)

    return denoise


def _tensor(name: str, values: Tensor) -> Tensor:
    if not isinstance(values, Tensor) or values.is_complex():
        raise InputError(f"{name} must be a tensor of real numbers, given {type(values).__name__}")
    if values.is_meta or values.layout is not torch.strided:
        raise InputError(f"{name} must be a dense tensor that holds numbers")
    return values.double()


def _at(schedule: Schedule, t: int, z: Tensor, dimension: int | None = None) -> Tensor:
    """ᾱ at a time, if there is one and z (..., points, d) are points (of this dimension)."""
    if type(t) is not int or not 0 <= t < schedule.steps:
        t = fields.check({"t": fields.whole(0, schedule.steps - 1)}, {"t": t})["t"]
    if not isinstance(z, Tensor) or z.ndim < 2 or dimension not in (None, z.shape[-1]):
        shape = f"(..., points, {dimension or 'd'})"
        raise InputError(f"z must be a tensor {shape}, given {fields.shown(z)}")
    if not z.is_floating_point():
        raise InputError(f"z must be of a floating type, given {z.dtype}")
    return schedule.alpha_bar[t]


def _finite_points(points: Tensor, z: Tensor) -> Tensor:
    """Clean points in the precision of z, if they are such."""
    if not math.isfinite(points.detach().sum()):
        raise InputError("z must be finite, and near enough for its squares: it gives NaN")
    return points.to(z.dtype)


def _check_schedule(schedule: Schedule) -> None:
    """Refuse what is no schedule, or one whose ᾱ is not in (0, 1)."""
    fields.check_types({"schedule": Schedule}, {"schedule": schedule})
    alpha_bar = _tensor("alpha_bar", schedule.alpha_bar)
    inside = bool(((alpha_bar > 0) & (alpha_bar < 1)).all())
    if alpha_bar.ndim != 1 or not len(alpha_bar) or not inside or (alpha_bar.diff() > 0).any():
        raise InputError(
            "the alpha_bar of a schedule must be a vector of numbers in (0, 1) that do not rise"
        )


class DiffusionArchitecture(NamedTuple):
    """Sizes of a score network: residual MLP blocks with a sinusoidal time embedding."""

    dimension: int  # d of the points
    width: int
    blocks: int
    embedding: int  # numbers of the time embedding, even


def initial(
    sizes: DiffusionArchitecture, rngs: Sequence[np.random.Generator], device: str = "cpu"
) -> Parameters:
    """Parameters of `network`, each (models, ...), as torch initializes linear layers.

    Args:
        sizes: of every network.
        rngs: one per model.
        device: where they are put.

    Raises:
        InputError: for sizes that are no whole numbers ≥ 1, an odd embedding, without models, and
            for a device that is not there.
    """
    _check_sizes(sizes)
    fields.check_many({"rngs": rngs})
    rngs = list(rngs)
    if not rngs:
        raise InputError("rngs must hold one generator per model, it holds none")
    for rng in rngs:
        fields.check_types({"each of rngs": np.random.Generator}, {"each of rngs": rng})
    check_device(device)
    width = sizes.width
    shapes = {"in": (sizes.dimension + sizes.embedding, width)}
    shapes |= {f"{block}": (width, width) for block in range(sizes.blocks)}
    shapes |= {"out": (width, sizes.dimension)}
    parameters: Parameters = {}
    for name, (inputs, outputs) in shapes.items():
        bound = inputs**-0.5  # torch's default for linear layers
        for part, shape in (("weight", (inputs, outputs)), ("bias", (outputs,))):
            value = np.stack([rng.uniform(-bound, bound, shape) for rng in rngs])
            parameters[f"{name}.{part}"] = torch.tensor(value, dtype=torch.float32, device=device)
    for block in range(sizes.blocks):
        parameters[f"{block}.scale"] = torch.ones(len(rngs), width, device=device)
        parameters[f"{block}.shift"] = torch.zeros(len(rngs), width, device=device)
    return parameters


def _check_sizes(sizes: DiffusionArchitecture) -> None:
    fields.check_types({"sizes": DiffusionArchitecture}, {"sizes": sizes})
    fields.check(dict.fromkeys(("dimension", "width", "embedding"), fields.SIZE), sizes._asdict())
    fields.check({"blocks": fields.COUNT}, sizes._asdict())
    if sizes.embedding % 2:
        raise InputError(f"embedding must be even, given {sizes.embedding}")


def network(sizes: DiffusionArchitecture) -> Callable[[Parameters, Tensor, Tensor], Tensor]:
    """A stack of score networks.

    Returns:
        forward(parameters, z, t), from points (models, batch, d) and times (models, batch) to
        predictions (models, batch, d).

    Raises:
        InputError: for sizes that are no whole numbers ≥ 1, and an odd embedding.
    """
    _check_sizes(sizes)
    half = sizes.embedding // 2
    rates = 10_000.0 ** (-torch.arange(half) / max(half - 1, 1))
    rates_on = cache(rates.to)  # by device: a copy to it would forbid CUDA graphs

    def linear_layer(p: Parameters, h: Tensor, name: str) -> Tensor:
        return bmm(h, p[f"{name}.weight"], p[f"{name}.bias"][:, None])

    def forward(p: Parameters, z: Tensor, t: Tensor) -> Tensor:
        angle = t[..., None].float() * rates_on(z.device)
        h = F.gelu(linear_layer(p, torch.cat([z, angle.sin(), angle.cos()], -1), "in"))
        for block in range(sizes.blocks):
            normed = layer_norm(linear_layer(p, h, str(block)))
            h = h + F.gelu(normed * p[f"{block}.scale"][:, None] + p[f"{block}.shift"][:, None])
        return linear_layer(p, h, "out")

    return forward


def ddim(denoiser: Denoiser, start: Tensor, schedule: Schedule) -> Tensor:
    """Deterministic samples over all steps of a schedule (DDIM, Song et al. 2021).

    Args:
        denoiser: (z, t) -> clean points.
        start: start noise, (..., points, d).
        schedule: of the noise.

    Returns:
        Clean points, of the shape of `start`.

    Raises:
        InputError: for a start that is no tensor of finite numbers, what is no schedule, and a
            denoiser that gives other shapes, or NaN.
    """
    z = _checked_start(denoiser, start, schedule)
    for t in reversed(range(schedule.steps)):
        x = _predicted(denoiser, z, t)
        if t == 0:
            return _finished(x)
        alpha_bar = schedule.alpha_bar[t].item()
        following = schedule.alpha_bar[t - 1].item()
        noise = (z - alpha_bar**0.5 * x) / (1 - alpha_bar) ** 0.5
        z = following**0.5 * x + (1 - following) ** 0.5 * noise
    return z


def _checked_start(denoiser: Denoiser, start: Tensor, schedule: Schedule) -> Tensor:
    _check_schedule(schedule)
    fields.check_types({"denoiser": Callable}, {"denoiser": denoiser})
    if not bool(torch.isfinite(_tensor("start", start)).all()):
        raise InputError("start must be finite, it holds NaN or infinite values")
    if not start.is_floating_point() or start.ndim < 2:
        raise InputError(
            "start must be points (..., points, d) of a floating type, "
            f"given {start.dtype} {tuple(start.shape)}"
        )
    return start


def _finished(points: Tensor) -> Tensor:
    """Samples, if they are such."""
    if lost := int((~torch.isfinite(points)).sum()):
        raise InputError(
            f"sampling ends with {lost} numbers that are NaN or infinite: check the denoiser"
        )
    return points


def _predicted(denoiser: Denoiser, z: Tensor, t: int) -> Tensor:
    """Clean points, if the denoiser gives such."""
    points = denoiser(z, t)
    if not isinstance(points, Tensor) or points.shape != z.shape:
        raise InputError(
            f"denoiser must give points {tuple(z.shape)}, given {fields.shown(points)}"
        )
    return points


class DataStep(NamedTuple):
    """How guidance moves a point against the gradient of its misfit Φ = ½‖r‖²."""

    length: float  # ζ of a step
    scaling: str = "unit"  # of `SCALINGS`
    # differentiate through the denoiser (Chung et al. 2023) instead of taking it as constant
    full_jacobian: bool = False


def guided(
    denoiser: Denoiser,
    start: Tensor,
    schedule: Schedule,
    gradient: Callable[[Tensor], tuple[Tensor, Tensor]],
    data_step: DataStep,
    watch: Callable[[int, Tensor, Tensor], None] | None = None,
) -> Tensor:
    """Diffusion posterior sampling as in the code of Siahkoohi and Sabeddu (2026).

    A DDIM step, then a data step: the clean point is predicted again (with the same time index, as
    that code does), and z moves against the misfit's gradient there: over √ᾱ_t with the denoiser
    taken as constant, by the chain rule through it with `full_jacobian`.

    Args:
        denoiser: of the prior.
        start: start noise (points, d).
        schedule: of the noise.
        gradient: from clean points (points, d) to their misfits Φ = ½‖r‖² (points,) and gradients
            (points, d).
        data_step: its length and variant.
        watch: called with (t, clean points before the data step, misfits).

    Returns:
        Clean points (points, d).

    Raises:
        InputError: for a start that is no matrix of finite numbers, an unknown scaling, a length
            that is negative or not finite, misfits or gradients of the wrong shape, NaN, infinite
            or (misfits) negative, and, with `full_jacobian`, for a denoiser through which torch
            cannot differentiate, or to NaN.
    """
    types = {"data_step": DataStep, "gradient": Callable}
    fields.check_types(types, {"data_step": data_step, "gradient": gradient})
    if watch is not None:
        fields.check_types({"watch": Callable}, {"watch": watch})
    scaling = registered(SCALINGS, data_step.scaling, "scaling")
    fields.check({"length": fields.NOT_NEGATIVE}, data_step._asdict())
    fields.check_types({"full_jacobian": bool}, data_step._asdict())
    z = _checked_start(denoiser, start, schedule)
    if z.ndim != 2:
        raise InputError(f"start must be points (points, d), given {tuple(z.shape)}")
    for t in reversed(range(schedule.steps)):
        alpha_bar = schedule.alpha_bar[t].item()
        following = schedule.alpha_bar[max(t - 1, 0)].item()
        x = _predicted(denoiser, z, t)
        noise = (z - alpha_bar**0.5 * x) / (1 - alpha_bar) ** 0.5
        z = x if t == 0 else following**0.5 * x + (1 - following) ** 0.5 * noise
        with torch.set_grad_enabled(data_step.full_jacobian or torch.is_grad_enabled()):
            point = z.detach().requires_grad_(data_step.full_jacobian)
            # the clean point that the noise predicted at index t stands for at the level of t − 1
            predicted = _predicted(denoiser, point, t)
            noise = (point - alpha_bar**0.5 * predicted) / (1 - alpha_bar) ** 0.5
            clean = (point - (1 - following) ** 0.5 * noise) / following**0.5
        misfits, slopes = _checked(gradient(clean.detach()), clean, t)
        if watch is not None:
            watch(t, clean.detach(), misfits)
        if data_step.full_jacobian:
            slopes = _through(clean, point, predicted, slopes, t)
        else:
            slopes = slopes / alpha_bar**0.5
        slopes = scaling(slopes, misfits)
        z = z - data_step.length * slopes
    return _finished(z)


def _through(clean: Tensor, point: Tensor, predicted: Tensor, slopes: Tensor, t: int) -> Tensor:
    """Gradients by the noisy points, by the chain rule through the denoiser."""
    if not predicted.requires_grad:
        raise InputError(
            "denoiser gives points that do not depend on z for torch: full_jacobian needs one that "
            "neither detaches z nor leaves torch, outside of inference mode"
        )
    (slopes,) = torch.autograd.grad(clean, point, slopes.to(clean.dtype))
    if lost := int((~torch.isfinite(slopes)).sum()):
        raise InputError(
            f"denoiser has {lost} derivatives that are NaN or infinite at time {t}; "
            "use full_jacobian=False, or smooth it"
        )
    return slopes


def _checked(result: tuple[Tensor, Tensor], clean: Tensor, t: int) -> tuple[Tensor, Tensor]:
    """Misfits and gradients, if they are such."""
    if not isinstance(result, tuple) or [isinstance(r, Tensor) for r in result] != [True] * 2:
        raise InputError(f"gradient must give two tensors, given {fields.shown(result)}")
    misfits, slopes = result
    if misfits.shape != clean.shape[:1] or slopes.shape != clean.shape:
        raise InputError(
            f"gradient must give misfits {tuple(clean.shape[:1])} and gradients "
            f"{tuple(clean.shape)}, given {tuple(misfits.shape)} and {tuple(slopes.shape)}"
        )
    for name, values in (("misfits", misfits), ("gradients", slopes)):
        if lost := int((~torch.isfinite(values)).sum()):
            raise InputError(
                f"gradient gives {lost} {name} that are NaN or infinite at time {t}; "
                "check the forward operator, or take shorter steps"
            )
    if (misfits < 0).any():
        raise InputError(f"gradient gives negative misfits at time {t}; they are ½‖r‖² ≥ 0")
    return misfits, slopes


def noise_to_clean(predict: Callable[[Tensor, int], Tensor], schedule: Schedule) -> Denoiser:
    """A denoiser from a network that predicts the noise.

    Args:
        predict: (z, t) -> noise, both (points, d), t an integer time.
        schedule: that the network was trained on.

    Returns:
        (z, t) -> the clean points (points, d) that the noise stands for.

    Raises:
        InputError: for what is no schedule.
    """
    _check_schedule(schedule)
    fields.check_types({"predict": Callable}, {"predict": predict})

    def denoise(z: Tensor, t: int) -> Tensor:
        alpha_bar = _at(schedule, t, z).item()
        return (z - (1 - alpha_bar) ** 0.5 * predict(z, t)) / alpha_bar**0.5

    return denoise
