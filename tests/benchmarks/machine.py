"""What this machine can do at most: matrix products and copies, measured in the same run."""

import os
import platform
import time

import numpy as np
import torch

from tests.benchmarks.case import CORES


def describe() -> dict[str, str]:
    """Processor, cores, memory, versions."""
    with open("/proc/cpuinfo") as file:
        model = next(
            (line.split(":")[1].strip() for line in file if line.startswith("model name")),
            platform.machine(),
        )
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "processor": model,
        "vectors": torch.backends.cpu.get_cpu_capability(),
        "cores": str(CORES),
        "memory": f"{memory:.0f} GiB",
        "python": platform.python_version(),
        "numpy": np.__version__,
        "torch": torch.__version__,
    }


def peaks(n: int = 1536, copied: int = 2**26) -> dict[str, float]:
    """Operations a second of an n × n product (f4, f8), bytes a second of a copy; on one core.

    The best of several runs, of torch's library and NumPy's: what the machine can do, not what it
    did on average.
    """
    best = {}
    for dtype in ("f4", "f8"):
        a = np.random.default_rng(1).random((n, n)).astype(dtype)
        ways = (a, torch.tensor(a))
        seconds = [_seconds(lambda a=a: a @ a) for a in ways * 5]
        best[dtype] = 2 * n**3 / min(seconds)
    source, target = np.ones(copied // 8), np.empty(copied // 8)
    best["bytes"] = 2 * copied / min(_seconds(lambda: np.copyto(target, source)) for _ in range(7))
    return best


def _seconds(work) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def roofline(flops: float, moved: float, dtype: str, peak: dict[str, float]) -> float:
    """Seconds that one core needs at least."""
    return max(flops / peak[dtype], moved / peak["bytes"])
