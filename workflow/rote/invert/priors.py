"""Priors of velocity models in whitened coordinates, from a training set or without one."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from rote.core.errors import InputError
from rote.core.seeds import generator, torch_seed

MODES = 10  # cosines along each axis of the broad prior
SMOOTHNESS = 1.1  # exponent of their variances' fall, that of the published models


class Coordinates(NamedTuple):
    """Whitened coordinates of models: velocity = mean + z · axes."""

    mean: np.ndarray  # (cells,) km/s, x slow
    axes: np.ndarray  # (d, cells) km/s per standard deviation
    shape: tuple[int, int]
    limits: tuple[float, float]  # km/s, to which velocities are clipped

    def velocity(self, z: np.ndarray) -> np.ndarray:
        """Of coordinates (..., d), (..., cells in x, cells in depth) in km/s."""
        flat = np.clip(self.mean + np.asarray(z) @ self.axes, *self.limits)
        return flat.reshape(*flat.shape[:-1], *self.shape)

    def gradient(self, z: np.ndarray, of_velocity: np.ndarray) -> np.ndarray:
        """A gradient per km/s as one per coordinate, (d,); cells at a limit give nothing."""
        flat = self.mean + z @ self.axes
        inside = (flat > self.limits[0]) & (flat < self.limits[1])
        return self.axes @ np.where(inside, of_velocity.ravel(), 0.0)

    def project(self, models: np.ndarray) -> np.ndarray:
        """Least-squares coordinates of models (models, cells in x, cells in depth), (models, d)."""
        anomalies = models.reshape(len(models), -1) - self.mean
        return np.linalg.lstsq(self.axes.T, anomalies.T, rcond=None)[0].T


def of_training(
    models: np.ndarray, components: int, limits: tuple[float, float]
) -> tuple[Coordinates, np.ndarray]:
    """Principal components of a training set.

    Args:
        models: (N, cells in x, cells in depth), km/s, at least three.
        components: at most; N − 1 and those without variance are not counted.
        limits: velocities to which models are clipped, km/s.

    Returns:
        The coordinates, and those of the training set, (N, d).

    Raises:
        InputError: for fewer than three models, or none that differ.
    """
    if models.ndim != 3 or len(models) < 3:
        raise InputError(
            f"a training set needs at least 3 models of two axes, given shape {models.shape}"
        )
    flat = models.reshape(len(models), -1)
    mean = flat.mean(0)
    left, values, right = np.linalg.svd(flat - mean, full_matrices=False)
    d = min(components, len(models) - 1, int((values > 1e-8 * max(values[0], 1e-300)).sum()))
    if d < 1 or values[0] < 1e-9 * np.abs(mean).max():
        raise InputError("the models of the training set are all the same")
    scale = np.sqrt(len(models) - 1)
    axes = values[:d, None] * right[:d] / scale
    return Coordinates(mean, axes, models.shape[1:], limits), scale * left[:, :d]


def broad(
    shape: tuple[int, int], background: float, spread: float, limits: tuple[float, float]
) -> Coordinates:
    """Cosines around a constant velocity, smooth as the published models; saw no example.

    Args:
        shape: cells in x and depth.
        background: mean velocity, km/s.
        spread: standard deviation of the velocity in a cell, km/s.
        limits: velocities to which models are clipped, km/s.
    """
    waves = []
    for cells in shape:
        center = (np.arange(cells) + 0.5) / cells
        number = np.arange(min(MODES, cells))
        waves.append(np.cos(np.pi * number[:, None] * center))
    index = np.stack(np.meshgrid(*(np.arange(len(w)) for w in waves), indexing="ij"), -1)
    weight = (1 + (index**2).sum(-1)) ** (-SMOOTHNESS)
    axes = weight[:, :, None, None] * waves[0][:, None, :, None] * waves[1][None, :, None, :]
    axes = axes.reshape(weight.size, -1)
    axes *= spread / np.sqrt((axes**2).sum(0).mean())
    return Coordinates(np.full(axes.shape[1], background), axes, shape, limits)


def network(z: np.ndarray, schedule, steps: int, seed: int) -> Callable:
    """A denoiser trained on coordinates: a network that predicts the clean point.

    Args:
        z: coordinates of the training set, (N, d).
        schedule: of the noise.
        steps: of training, at least 10.
        seed: of weights, batches and noise.
    """
    import torch

    from rote import train
    from rote.models import diffusion

    sizes = diffusion.DiffusionArchitecture(z.shape[1], width=128, blocks=3, embedding=64)
    parameters = diffusion.initial(sizes, [generator(seed, "invert", "network")])
    forward = diffusion.network(sizes)
    clean = torch.tensor(z, dtype=torch.float32)
    alpha_bar = schedule.alpha_bar.float()
    base = torch_seed(seed, "invert", "network") // 2
    rng = torch.Generator()

    def loss(current, step: int):
        rng.manual_seed(base + step)
        x = clean[torch.randint(len(clean), (1, 64), generator=rng)]
        t = torch.randint(schedule.steps, (1, 64), generator=rng)
        signal = alpha_bar[t][..., None]
        noise = torch.randn(x.shape, generator=rng)
        predicted = forward(current, signal.sqrt() * x + (1 - signal).sqrt() * noise, t)
        return (predicted - x).square().sum(-1).mean(-1)

    optimizer = train.AdamW(steps=steps, learning_rate=1e-3, clip=1.0)
    trained = train.fit(parameters, loss, optimizer, label="prior")

    def denoise(points, t: int):
        times = torch.full((1, len(points)), t)
        with torch.no_grad():
            return forward(trained, points[None].float(), times)[0].to(points.dtype)

    return denoise
