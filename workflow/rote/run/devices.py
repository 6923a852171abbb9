"""Throughputs of a run's device: matrix products, copies, a training, a search; shares of its peak.

The peak is measured, not looked up: the best matrix product of the same type on the same device.
"""

import math
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import torch

from rote import knn, train
from rote.models import lm

SECONDS = 0.4  # of each measurement


class DeviceMeasurement(NamedTuple):
    """One measurement."""

    device: str
    workload: str
    dtype: str
    throughput: float
    unit: str
    tflops: float  # operations per second, in 1e12; NaN where there are none
    share: float  # of the best matrix product of this type; NaN where there are none


class Workload(NamedTuple):
    """A kind of work and how fast the device does it."""

    name: str
    unit: str
    rate: float  # units per second
    flops: float  # floating-point operations per unit; NaN where there are none


def measure(device: str) -> list[DeviceMeasurement]:
    """Throughputs of `device`, cpu or cuda, with the threads that torch has."""
    name = (
        torch.cuda.get_device_name()
        if device == "cuda"
        else f"CPU, {torch.get_num_threads()} threads"
    )
    rows = []
    for dtype in [torch.float32, torch.bfloat16] if device == "cuda" else [torch.float32]:
        product = Workload("matrix product", "TFLOP/s", _product(device, dtype) / 1e12, 1e12)
        peak = product.rate * product.flops
        for workload in [product, *_workloads(device, dtype)]:
            rows.append(_row(name, str(dtype).removeprefix("torch."), workload, peak))
    copy = Workload("copy", "GB/s", _copy(device) / 1e9, math.nan)
    rows.insert(1, _row(name, "bytes", copy, math.nan))
    return rows


def _row(device: str, dtype: str, workload: Workload, peak: float) -> DeviceMeasurement:
    flops = workload.rate * workload.flops
    return DeviceMeasurement(
        device=device,
        workload=workload.name,
        dtype=dtype,
        throughput=workload.rate,
        unit=workload.unit,
        tflops=flops / 1e12,
        share=flops / peak,
    )


def _workloads(device: str, dtype: torch.dtype) -> Iterator[Workload]:
    """A training of stacked decoders, and in float32 a search for nearest neighbors."""
    on_device = device == "cuda"
    layers, length = 2, 64
    vocabulary = 512
    width = 256 if on_device else 128
    models = 16 if on_device else 4
    batch = 128 if on_device else 8
    rngs = [np.random.default_rng(i) for i in range(models)]
    transformer = lm.Transformer(
        architecture="gpt_neox",
        vocabulary=vocabulary,
        length=length,
        width=width,
        layers=layers,
        heads=4,
    )
    stack = lm.build(transformer, rngs, device)
    tokens = torch.randint(vocabulary, (models, batch, length + 1), device=device)

    def loss(p: train.Parameters, step: int) -> torch.Tensor:
        with torch.autocast(
            torch.device(device).type, torch.bfloat16, enabled=dtype == torch.bfloat16
        ):
            logits = stack.forward(p, tokens[:, :, :-1])
        losses = torch.nn.functional.cross_entropy(
            logits.flatten(0, 2).float(), tokens[:, :, 1:].flatten(), reduction="none"
        )
        return losses.view(models, -1).mean(1)

    steps = 2
    seconds = _seconds(
        lambda: train.fit(
            stack.parameters,
            loss,
            train.AdamW(steps=steps, learning_rate=1e-3),
        ),
        device,
    )
    weights = 12 * layers * width**2 + vocabulary * width
    n_tokens = steps * models * batch * length
    name = f"training {models} decoders of width {width} as one stack"
    yield Workload(name, "tokens/s", n_tokens / seconds, 6 * weights)
    if dtype == torch.float32:
        yield _search(device)


def _search(device: str) -> Workload:
    """The 10 nearest neighbors in a large datastore."""
    dimensions = 64
    n_keys, n_queries = (1_000_000, 4096) if device == "cuda" else (20_000, 512)
    rng = np.random.default_rng(0)
    keys = rng.normal(size=(n_keys, dimensions)).astype(np.float32)
    datastore = knn.Datastore(keys, engine="torch", device=device)
    queries = rng.normal(size=(n_queries, dimensions)).astype(np.float32)
    seconds = _seconds(lambda: datastore.search(queries, 10), device)
    name = f"10 nearest of {n_keys:,} vectors in {dimensions} dimensions"
    return Workload(name, "queries/s", n_queries / seconds, 2.0 * n_keys * dimensions)


def _product(device: str, dtype: torch.dtype) -> float:
    n = 8192 if device == "cuda" else 1024
    a, b = (torch.randn(n, n, device=device).to(dtype) for _ in range(2))
    return 2 * n**3 / _seconds(lambda: a @ b, device)


def _copy(device: str) -> float:
    values = torch.zeros(2**28 if device == "cuda" else 2**25, device=device)
    target = torch.empty_like(values)
    return 2 * values.numel() * 4 / _seconds(lambda: target.copy_(values), device)


def _seconds(work: Callable[[], object], device: str) -> float:
    """The fastest of the calls that fit into `SECONDS`, after one to warm up."""

    def once() -> float:
        begin = time.perf_counter()
        work()
        if device == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter() - begin

    once()
    best = once()
    begin = time.perf_counter()
    while time.perf_counter() - begin < SECONDS:
        best = min(best, once())
    return best
