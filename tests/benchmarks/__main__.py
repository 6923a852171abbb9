"""`make bench`: what rote's kernels save, as ratios measured side by side in one run.

Each comparison first checks that both sides give the same answer, then alternates them, and reports the median ratio of
CPU seconds with its range. Nothing here passes or fails; numbers go to the terminal and to reports/benchmarks/.
"""

import json
import os
import resource
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from rote import tables
from rote.job import start

from tests.benchmarks import attention, longtail, raf

COMPARISONS = [*longtail.COMPARISONS, *raf.COMPARISONS, *attention.COMPARISONS]


def seconds(work: Callable[[], object]) -> float:
    """CPU seconds of this process."""
    begin = time.process_time()
    work()
    return time.process_time() - begin


def main() -> None:
    rows = []
    with start("bench", threads=1):
        for prepare in COMPARISONS:
            try:
                ours, theirs, scale, repeats = prepare()
            except ImportError as error:
                print(f"{prepare.__doc__}: skipped, a peer is not installed ({error})", flush=True)
                continue
            pairs = [(seconds(ours), scale * seconds(theirs)) for _ in range(repeats)]
            ratios = [slow / fast for fast, slow in pairs]
            fast, slow = np.median(pairs, axis=0)
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            row = {
                "comparison": prepare.__doc__.split("\n")[0],
                "ours_cpu_s": round(float(fast), 2),
                "theirs_cpu_s": round(float(slow), 2),
                "ratio": round(float(np.median(ratios)), 1),
                "ratio_low": round(min(ratios), 1),
                "ratio_high": round(max(ratios), 1),
                "peak_memory_mb": round(peak),
            }
            rows.append(row)
            print("{comparison}: {ratio}x [{ratio_low}, {ratio_high}], {ours_cpu_s} against {theirs_cpu_s} CPU s, "
                  "peak so far {peak_memory_mb} MB".format(**row), flush=True)  # fmt: skip
    with tables.atomic(Path("reports/benchmarks/benchmarks.json")) as path:
        path.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
