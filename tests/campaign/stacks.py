"""Small stacks: kernel by kernel and through a CUDA graph; products, copies and a search."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from rote import train
from rote.models import diffusion
from rote.run import devices

from tests.campaign.record import Clock, Setting, Work, statistic, trained


def measure(setting: Setting) -> Iterator[dict[str, Any]]:
    """Stacked score networks of width 128 both ways, then what a run says of its device."""
    for name, wrap in (("kernel by kernel", lambda forward: forward), ("graph", train.captured)):
        yield _stack(setting, name, wrap)
    for row in [] if setting.toy else devices.measure(setting.device):
        yield statistic(f"{row.workload}, {row.unit}", row.dtype, [row.throughput])


def _stack(setting: Setting, name: str, wrap: Callable) -> dict[str, Any]:
    models, batch, steps = (16, 64, 400) if not setting.toy else (2, 8, 12)
    sizes = diffusion.DiffusionArchitecture(dimension=25, width=128, blocks=3, embedding=64)
    rngs = [np.random.default_rng(i) for i in range(models)]
    z = torch.randn(models, batch, sizes.dimension, device=setting.device)
    t = torch.zeros(models, batch, dtype=torch.long, device=setting.device)
    forward = wrap(diffusion.network(sizes))

    def loss(p: train.Parameters, step: int) -> torch.Tensor:
        return ((forward(p, z, t) - z) ** 2).sum(-1).mean(-1)

    start = diffusion.initial(sizes, rngs, setting.device)
    with Clock(setting, name).running() as clock:
        train.fit(start, loss, train.AdamW(steps=steps, learning_rate=1e-3))
    weights = sum(value[0].numel() for key, value in start.items() if key.endswith("weight"))
    work = Work(
        name=f"{models} score networks of width {sizes.width}, {name}",
        flops=6.0 * weights * models * batch,
        dtype=torch.float32,
        units=models * batch,
        unit="points",
    )
    return trained(setting, clock, work)
