"""What a benchmark is: two ways to one answer, one size after another, and how they are measured.

A comparison is a function without arguments: it makes the inputs, checks that both ways give the
same answer, and returns a `Case`. Its docstring says what is compared, as "inputs: ours / peer".
A `Growth` is one way at four or more sizes.
"""

import ctypes
import gc
import os
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from math import comb
from typing import NamedTuple
from unittest.mock import patch

import numpy as np
from rote.core import job
from scipy import stats

Work = Callable[[], object]
CORES = os.cpu_count() or 1


class Case(NamedTuple):
    """Two ways to the same answer."""

    ours: Work
    peer: Work
    scale: float = 1.0  # by which the other way's work was cut, to keep the run short
    repeats: int = 7  # pairs, one way after the other
    bar: float = 0.0  # the ratio that we ask of ourselves; 0: none
    flops: float = 0.0  # operations that ours cannot do without
    moved: float = 0.0  # bytes that ours cannot do without moving
    dtype: str = "f4"  # of the operations
    wall: bool = False  # children or threads work: CPU seconds of this process would miss them
    threads: bool = False  # measured again on all cores
    note: str = ""  # why far below the roofline, or below the bar


class Growth(NamedTuple):
    """One way at several sizes."""

    title: str
    unit: str  # of the size
    sizes: Sequence[int]
    make: Callable[[int], Work]
    goal: int = 0  # a size that is too large to measure here, to extrapolate to


def seconds(work: Work, clock: Callable[[], float]) -> float:
    begin = clock()
    work()
    return clock() - begin


def paired(case: Case) -> list[tuple[float, float]]:
    """Seconds of (ours, peer), measured alternately; the peer's at the full size."""
    clock = time.perf_counter if case.wall else time.process_time
    return [
        (seconds(case.ours, clock), case.scale * seconds(case.peer, clock))
        for _ in range(case.repeats)
    ]


def median_interval(
    values: Sequence[float], level: float = 0.95
) -> tuple[float, float, float, float]:
    """Median, the order statistics that enclose the true one with at least `level`, and how likely.

    With fewer than six values the range, which encloses it less often than `level`.
    """
    ordered = sorted(values)
    n = len(values)
    outside = 0.0
    skip = 0
    while skip < n // 2 and 2 * (outside + comb(n, skip) * 0.5**n) <= 1 - level:
        outside += comb(n, skip) * 0.5**n
        skip += 1
    first = max(0, skip - 1)
    covered = 1 - 2 * sum(comb(n, k) for k in range(first + 1)) * 0.5**n
    return float(np.median(ordered)), ordered[first], ordered[n - 1 - first], max(0.0, covered)


def added_memory(work: Work) -> float:
    """MiB by which `work` raises the process's resident peak; NaN where the kernel does not say."""
    gc.collect()
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
    try:
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")  # the peak begins anew
    except OSError:
        return float("nan")
    before = _status("VmRSS")
    work()
    return (_status("VmHWM") - before) / 1024


def _status(key: str) -> int:
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith(key))


def on_all_cores(case: Case) -> tuple[float, float]:
    """Wall seconds of (ours, peer) with as many threads as cores; medians of three."""
    with job.limit_threads(CORES):
        os.environ["ROTE_BENCH_THREADS"] = str(CORES)
        try:
            pairs = [
                (
                    seconds(case.ours, time.perf_counter),
                    case.scale * seconds(case.peer, time.perf_counter),
                )
                for _ in range(3)
            ]
        finally:
            os.environ["ROTE_BENCH_THREADS"] = "1"
    ours, peer = np.median(pairs, axis=0)
    return float(ours), float(peer)


def threads() -> int:
    """Threads that a kernel with a `threads` argument gets now."""
    return int(os.environ.get("ROTE_BENCH_THREADS", "1"))


def matrix_flops(work: Work) -> float:
    """Operations of matrix products in one run of `work`; made by torch, which counts its own."""
    import torch
    from rote.models import attention, products
    from torch.utils.flop_counter import FlopCounterMode

    ours = (patch.object(products, "multiply", torch.matmul), patch.object(attention, "SHORT", 0))
    with FlopCounterMode(display=False) as counter, ours[0], ours[1]:
        work()
    return float(counter.get_total_flops())


def grown(growth: Growth, repeats: int = 3) -> list[dict[str, float]]:
    """CPU seconds and added memory at each size, the median of `repeats`."""
    rows = []
    for size in growth.sizes:
        work = growth.make(size)
        work()  # what is compiled or cached at a first call
        times = [seconds(work, time.process_time) for _ in range(repeats)]
        rows.append(
            {"size": size, "seconds": float(np.median(times)), "memory_mb": added_memory(work)}
        )
    return rows


def exponent(
    sizes: Sequence[float], values: Sequence[float], level: float = 0.95
) -> tuple[float, float, float]:
    """Slope of log value on log size, Student's t interval; NaN where a value is not positive."""
    x, y = np.log(np.asarray(sizes, float)), np.asarray(values, float)
    if len(x) < 3 or not (y > 0).all():
        return (float("nan"),) * 3
    fit = stats.linregress(x, np.log(y))
    reach = stats.t.ppf((1 + level) / 2, len(x) - 2) * fit.stderr
    return float(fit.slope), float(fit.slope - reach), float(fit.slope + reach)


def extrapolated(
    sizes: Sequence[float], values: Sequence[float], goal: float, level: float = 0.95
) -> tuple[float, float, float]:
    """Value at a further size by the same line, with the interval of the line there."""
    x, y = np.log(np.asarray(sizes, float)), np.log(np.asarray(values, float))
    fit = stats.linregress(x, y)
    off = np.log(goal) - x.mean()
    spread = np.sqrt(((y - fit.intercept - fit.slope * x) ** 2).sum() / (len(x) - 2))
    reach = (
        stats.t.ppf((1 + level) / 2, len(x) - 2)
        * spread
        * np.sqrt(1 / len(x) + off**2 / ((x - x.mean()) ** 2).sum())
    )
    middle = y.mean() + fit.slope * off
    return float(np.exp(middle)), float(np.exp(middle - reach)), float(np.exp(middle + reach))
