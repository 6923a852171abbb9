"""How fast a core of this machine is, against the one that the cost model was measured on."""

import time
from statistics import median

import numpy as np
from threadpoolctl import threadpool_limits

SECONDS = 3.0  # that a measurement takes
# seconds of one `_unit` on a core of the reference machine, alone on it; `rote plan --refit` prints
# that of yours
REFERENCE_S = 0.015


def factor(seconds: float = SECONDS) -> float:
    """Core seconds that a job takes here over those of the cost model: 2 is half as fast.

    Args:
        seconds: how long to measure.
    """
    return unit_seconds(seconds) / REFERENCE_S


def unit_seconds(seconds: float = SECONDS) -> float:
    """Median CPU time of a fixed piece of work like that of the jobs, on one thread.

    Small matrix products and elementwise functions as of stacked networks, sorting and gathering as
    of neighbors and counts, and plain Python.

    Args:
        seconds: how long to repeat it.
    """
    rng = np.random.default_rng(0)
    stack = rng.normal(size=(8, 256, 64)).astype(np.float32)
    weights = rng.normal(size=(8, 64, 64)).astype(np.float32) / 8
    values = rng.normal(size=200_000)
    times = []
    with threadpool_limits(1):
        end = time.perf_counter() + seconds
        while time.perf_counter() < end or not times:
            begun = time.process_time()  # what else runs here does not lengthen it
            _unit(stack, weights, values)
            times.append(time.process_time() - begun)
    return median(times)


def _unit(stack: np.ndarray, weights: np.ndarray, values: np.ndarray) -> None:
    hidden = stack
    for _ in range(12):
        hidden = np.tanh(hidden @ weights)
    order = np.argsort(values)
    values[order].cumsum()
    counts: dict[int, int] = {}
    for number in range(40_000):
        counts[number % 997] = counts.get(number % 997, 0) + 1
