"""What the device of a run does: matrix products, copies, a stack in training, a search; and the
share of its peak.

The peak is measured, not looked up: the best matrix product of the same type on the same device.
"""

import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import torch

from rote import knn, train
from rote.models import lm

SECONDS = 0.4  # of each measurement


class Row(NamedTuple):
    """One measurement."""

    device: str
    workload: str
    dtype: str
    throughput: float
    unit: str
    tflops: float  # operations per second, in 1e12; NaN where there are none
    share: float  # of the best matrix product of this type; NaN where there are none


def measure(device: str) -> list[Row]:
    """Throughputs of `device`, cpu or cuda, with the threads that torch has."""
    name = (
        torch.cuda.get_device_name()
        if device == "cuda"
        else f"CPU, {torch.get_num_threads()} threads"
    )
    rows = []
    for dtype in [torch.float32, torch.bfloat16] if device == "cuda" else [torch.float32]:
        label = str(dtype).removeprefix("torch.")
        peak = _product(device, dtype)
        rows.append(Row(name, "matrix product", label, peak / 1e12, "TFLOP/s", peak / 1e12, 1.0))
        for workload, unit, rate, flops in _workloads(device, dtype):
            rows.append(
                Row(name, workload, label, rate, unit, rate * flops / 1e12, rate * flops / peak)
            )
    rows.insert(
        1, Row(name, "copy", "bytes", _copy(device) / 1e9, "GB/s", float("nan"), float("nan"))
    )
    return rows


def _workloads(device: str, dtype: torch.dtype) -> Iterator[tuple[str, str, float, float]]:
    """Name, unit, units per second, operations per unit."""
    width, layers, models, batch, length, vocabulary = (128, 2, 8, 32, 64, 512)
    if device == "cuda":
        width, models, batch = 256, 16, 128
    rngs = [np.random.default_rng(i) for i in range(models)]
    transformer = lm.Transformer("gpt_neox", vocabulary, length, width, layers, 4)
    stack = lm.build(transformer, rngs, device)
    tokens = torch.randint(vocabulary, (models, batch, length + 1), device=device)

    def loss(p: train.Parameters, step: int) -> torch.Tensor:
        with torch.autocast(
            torch.device(device).type, torch.bfloat16, enabled=dtype == torch.bfloat16
        ):
            logits = stack.forward(p, tokens[:, :, :-1])
        found = torch.nn.functional.cross_entropy(
            logits.flatten(0, 2).float(), tokens[:, :, 1:].flatten(), reduction="none"
        )
        return found.view(models, -1).mean(1)

    steps = 2
    seconds = _seconds(
        lambda: train.fit(stack.parameters, loss, steps=steps, learning_rate=1e-3), device
    )
    weights = 12 * layers * width**2 + vocabulary * width
    seen = steps * models * batch * length
    yield (
        f"training {models} decoders of width {width} as one stack",
        "tokens/s",
        seen / seconds,
        6 * weights,
    )
    if dtype == torch.float32:
        count, queries, d = (1_000_000, 4096, 64) if device == "cuda" else (50_000, 1024, 64)
        rng = np.random.default_rng(0)
        store = knn.Datastore(
            rng.normal(size=(count, d)).astype(np.float32), engine="torch", device=device
        )
        asked = rng.normal(size=(queries, d)).astype(np.float32)
        seconds = _seconds(lambda: store.search(asked, 10), device)
        yield (
            f"10 nearest of {count:,} vectors in {d} dimensions",
            "queries/s",
            queries / seconds,
            2.0 * count * d,
        )


def _product(device: str, dtype: torch.dtype) -> float:
    n = 8192 if device == "cuda" else 1536
    a, b = (torch.randn(n, n, device=device).to(dtype) for _ in range(2))
    return 2 * n**3 / _seconds(lambda: a @ b, device)


def _copy(device: str) -> float:
    values = torch.zeros(2**28 if device == "cuda" else 2**25, device=device)
    target = torch.empty_like(values)
    return 2 * values.numel() * 4 / _seconds(lambda: target.copy_(values), device)


def _seconds(work: Callable[[], object], device: str) -> float:
    """The fastest of the calls that fit into a second, after one to warm up."""

    def once() -> float:
        begin = time.perf_counter()
        work()
        if device == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter() - begin

    once()
    best, begin = once(), time.perf_counter()
    while time.perf_counter() - begin < SECONDS:
        best = min(best, once())
    return best
