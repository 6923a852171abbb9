"""What a campaign measures: a training's speed and share of peak, a statistic's values."""

import json
import math
import re
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

import numpy as np
import torch
from rote.papers.cramless import text
from rote.train import loop

# Dense TFLOP/s in float32 without TF32 and in bfloat16, from the makers' data sheets. A name is
# looked for in that of the device as words of their own, the longest first.
PEAKS = {
    "A10": (31.2, 125.0),
    "A40": (37.4, 149.7),
    "A100": (19.5, 312.0),
    "B200": (75.0, 2250.0),
    "GH200": (67.0, 989.0),
    "H100": (67.0, 989.0),
    "H100 NVL": (60.0, 835.0),
    "H100 PCIe": (51.0, 756.0),
    "H200": (67.0, 989.0),
    "L4": (30.3, 121.0),
    "L40S": (91.6, 362.0),
    "RTX 3090": (35.6, 71.0),
    "RTX 4090": (82.6, 165.2),
    "RTX A6000": (38.7, 154.8),
}
EVERY = 10  # steps between two looks at the clock, which wait for the device
SAY_S = 5.0  # seconds between two lines of progress
COLUMN = {torch.float32: 0, torch.bfloat16: 1}


class Setting(NamedTuple):
    """What every part of a campaign is given."""

    device: str  # cuda or cpu
    toy: bool  # sizes that a CPU works off in seconds
    seconds: float  # that the part may take, its start included
    out: Path  # folder of the campaign
    mnist: str = ""  # folder of idx files
    cifar: str = ""  # folder of CIFAR-100

    @property
    def cuda(self) -> bool:
        return self.device == "cuda"


class Work(NamedTuple):
    """A training in numbers that the clock does not know."""

    name: str
    flops: float  # of a step
    dtype: torch.dtype
    units: float = 0.0  # tokens, images or points of a step
    unit: str = ""
    bar: float = float("nan")  # share of peak that is asked for


class Clock:
    """Counts the steps of trainings while it is in force, and says how they stand.

    Args:
        setting: whose device it waits for.
        name: of what is trained, for the lines.
    """

    def __init__(self, setting: Setting, name: str):
        self.setting = setting
        self.name = name
        self.marks: list[tuple[int, float]] = []  # steps done, and when
        self.losses: list[float] = []

    def track(
        self,
        items: Iterable[Any],
        description: str,
        total: int | None = None,
        every_s: float = 2.0,
        status: Callable[[], str] = lambda: "",
    ) -> Iterator[Any]:
        """In place of `rote.core.job.track`: the same items."""
        items = list(items)
        self.marks, spoken = [], time.perf_counter()
        every = max(1, min(EVERY, len(items) // 4))
        for number, item in enumerate(items, 1):
            yield item
            if number % every and number < len(items):
                continue
            if self.setting.cuda:
                torch.cuda.synchronize()
            now = time.perf_counter()
            self.marks.append((number, now))
            if "loss" in status():
                self.losses.append(float(status().rpartition("loss ")[2].split()[0]))
            if now - spoken > SAY_S:
                print(f"  {self.name}: step {number:,} of {len(items):,}, {status()}", flush=True)
                spoken = now

    @contextmanager
    def running(self) -> Iterator["Clock"]:
        """Trainings that end within are counted."""
        with patch.object(loop, "track", self.track), patch.object(text, "track", self.track):
            yield self

    @property
    def steps(self) -> int:
        """Of the last training."""
        return self.marks[-1][0]

    @property
    def steps_per_second(self) -> float:
        """Of the last training, without its first steps, in which kernels are compiled."""
        (first, begin), (last, end) = self.marks[len(self.marks) // 4], self.marks[-1]
        return (last - first) / max(end - begin, 1e-9) if last > first else float("nan")


def steps_within(clock: Clock, seconds: float, limit: int, minimum: int = 2) -> int:
    """Steps that the clock's last training makes in so many seconds, at most `limit`."""
    rate = clock.steps_per_second
    return max(minimum, min(limit, int(seconds * rate))) if rate == rate else minimum


def device_name(setting: Setting) -> str:
    return torch.cuda.get_device_name() if setting.cuda else "CPU"


def published_peak(name: str, dtype: torch.dtype) -> float:
    """Dense operations a second by the name of the device; NaN for one that is not listed."""
    for known in sorted(PEAKS, key=len, reverse=True):
        if re.search(rf"\b{known}\b", name):
            return PEAKS[known][COLUMN[dtype]] * 1e12
    return float("nan")


def measured_peak(setting: Setting, dtype: torch.dtype) -> float:
    """Operations a second of the best of some large products."""
    n = 8192 if setting.cuda else 512
    a, b = (torch.randn(n, n, device=setting.device).to(dtype) for _ in range(2))
    best = np.inf
    for _ in range(6):
        if setting.cuda:
            torch.cuda.synchronize()
        begin = time.perf_counter()
        a @ b
        if setting.cuda:
            torch.cuda.synchronize()
        best = min(best, time.perf_counter() - begin)
    return 2 * n**3 / best


def trained(setting: Setting, clock: Clock, work: Work) -> dict[str, Any]:
    """The row of a training."""
    rate = clock.steps_per_second
    product = measured_peak(setting, work.dtype)
    published = published_peak(device_name(setting), work.dtype)
    peak = published if published == published else product
    return {
        "kind": "training",
        "name": work.name,
        "dtype": str(work.dtype).removeprefix("torch."),
        "steps": clock.steps,
        "steps_per_s": rate,
        "units_per_s": rate * work.units,
        "unit": work.unit,
        "tflops": rate * work.flops / 1e12,
        "peak_tflops": peak / 1e12,
        "peak_is": "published" if published == published else "measured",
        "share": rate * work.flops / peak,
        "product_tflops": product / 1e12,
        "share_of_product": rate * work.flops / product,
        "bar": work.bar,
        "first_loss": clock.losses[0] if clock.losses else float("nan"),
        "last_loss": clock.losses[-1] if clock.losses else float("nan"),
    }


def statistic(name: str, condition: str, values: Any) -> dict[str, Any]:
    """The row of a claim's statistic: its values by replicate."""
    listed = np.asarray(values, float).tolist()
    return {"kind": "statistic", "name": name, "condition": condition, "values": listed}


def statistics_of(functions: Iterable[Callable], tables: dict[str, Any]) -> Iterator[dict]:
    """Rows of claims' statistics, those whose tables a campaign has."""
    for function in functions:
        try:
            values = function(tables)
        except (KeyError, IndexError):  # of networks that were not trained here
            continue
        if not isinstance(values, dict):
            values = {"": values}
        for condition, sample in values.items():
            yield statistic(function.__name__, condition, getattr(sample, "values", sample))


def append(path: Path, row: dict[str, Any]) -> None:
    """One more row in a file of JSON lines, safe from what comes after it."""
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(_plain(row), allow_nan=False) + "\n")


def _plain(value: Any) -> Any:
    """What JSON can hold: none in place of numbers that there are not."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
