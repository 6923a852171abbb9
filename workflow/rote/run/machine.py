"""How fast a core of this machine is, against the one that the cost model was measured on."""

import subprocess
import sys
import time
from statistics import mean, median

import numpy as np
from threadpoolctl import threadpool_limits

SECONDS = 3.0  # that a measurement takes
MOST_CORES = 16  # measured at once
# CPU seconds of one `_unit` on a core of the machine of `costs.tsv` while all its cores work: by
# the ratio of a whole laptop run, which took 1.26 times the model's where a unit takes 0.0165;
# `rote plan --refit` prints that of yours
REFERENCE_S = 0.0131


def factor(cores: int = 1, seconds: float = SECONDS) -> float:
    """Core seconds that a job takes here over those of the cost model: 2 is half as fast.

    Args:
        cores: that work at the same time, as jobs of a run do: where two of them share the units of
            one, each is slower.
        seconds: how long to measure.
    """
    return loaded_unit_seconds(cores, seconds) / REFERENCE_S


def loaded_unit_seconds(cores: int, seconds: float = SECONDS) -> float:
    """`unit_seconds` of a core while others work, the mean over all.

    Args:
        cores: that work at the same time; of more than `MOST_CORES` so many do.
        seconds: how long to measure.
    """
    command = [sys.executable, "-m", __name__, str(seconds)]
    copies = range(min(cores, MOST_CORES))
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in copies]
    return mean(float(process.communicate()[0]) for process in processes)


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


if __name__ == "__main__":
    print(unit_seconds(float(sys.argv[1])))
