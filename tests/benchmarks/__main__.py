"""`make bench`: what rote's kernels save, as ratios measured side by side in one run.

Each comparison first checks that both sides give the same answer, then alternates them, and reports the median ratio of
CPU seconds (of wall seconds for comparisons marked `wall`) with its range. Nothing here passes or fails; numbers go to
the terminal and, with one figure per file, to reports/benchmarks/. `python -m tests.benchmarks ngrams raf` measures
some of the files only.
"""

import json
import os
import resource
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import matplotlib.pyplot as plt
import numpy as np
from rote import tables
from rote.figures import FAINT, PALETTE, STYLE, categories, log_ticks, panels
from rote.job import start

from tests.benchmarks import attention, cramless, inversion, longtail, ngrams, raf, resmem

MODULES = [longtail, raf, attention, cramless, inversion, resmem, ngrams]


def seconds(work: Callable[[], object], clock: Callable[[], float]) -> float:
    """CPU seconds of this process, or wall seconds."""
    begin = clock()
    work()
    return clock() - begin


def main() -> None:
    rows, wanted = [], sys.argv[1:]
    chosen = [module for module in MODULES if not wanted or module.__name__.split(".")[-1] in wanted]
    with start("bench", threads=1):
        for prepare in (prepare for module in chosen for prepare in module.COMPARISONS):
            wall = getattr(prepare, "wall", False)
            clock = time.perf_counter if wall else time.process_time
            try:
                ours, theirs, scale, repeats = prepare()
            except ImportError as error:
                print(f"{prepare.__doc__}: skipped, a peer is not installed ({error})", flush=True)
                continue
            pairs = [(seconds(ours, clock), scale * seconds(theirs, clock)) for _ in range(repeats)]
            ratios = [slow / fast for fast, slow in pairs]
            fast, slow = np.median(pairs, axis=0)
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            row = {
                "module": prepare.__module__.split(".")[-1],
                "comparison": prepare.__doc__.split("\n")[0],
                "clock": "wall" if wall else "CPU",
                "ours_s": round(float(fast), 2),
                "theirs_s": round(float(slow), 2),
                "ratio": round(float(np.median(ratios)), 2),
                "ratio_low": round(min(ratios), 2),
                "ratio_high": round(max(ratios), 2),
                "peak_memory_mb": round(peak),
            }
            rows.append(row)
            print("{comparison}: {ratio}x [{ratio_low}, {ratio_high}], {ours_s} against {theirs_s} {clock} s, "
                  "peak so far {peak_memory_mb} MB".format(**row), flush=True)  # fmt: skip
        for measure in (measure for module in chosen for measure in getattr(module, "MEASURES", [])):
            for row in measure():
                rows.append(row)
                print(*(f"{name}: {value}" for name, value in row.items()), sep=", ", flush=True)
    with tables.atomic(Path("reports/benchmarks/benchmarks.json")) as path:
        path.write_text(json.dumps(rows, indent=1) + "\n")
    draw([row for row in rows if "ratio" in row], Path("reports/benchmarks"))


def draw(rows: list[dict], folder: Path) -> None:
    """One figure per file of comparisons: how many times longer the alternative takes, median and range."""
    for module in dict.fromkeys(row["module"] for row in rows):
        some = [row for row in rows if row["module"] == module][::-1]
        with plt.rc_context(STYLE):
            canvas, axes = panels(1, 1, width=8.0, height=0.7 + 0.42 * len(some))
            ax = axes[0, 0]
            for place, row in enumerate(some):
                ax.plot([row["ratio_low"], row["ratio_high"]], [place, place], color=PALETTE[0])
                ax.plot(row["ratio"], place, "o", color=PALETTE[0])
            ax.axvline(1, color=FAINT, linewidth=0.8)
            ax.set(xscale="log", xlabel="seconds of the alternative / of rote", ylim=(-0.6, len(some) - 0.4))
            ax.set_xlim(min(0.8, *(row["ratio_low"] for row in some)), None)
            names = [row["comparison"] + (" (wall)" if row["clock"] == "wall" else "") for row in some]
            categories(ax.yaxis, ["\n".join(textwrap.wrap(name, 62)) for name in names])
            log_ticks(ax.xaxis)
            with tables.atomic(folder / f"{module}.png") as path:
                canvas.savefig(path)
            plt.close(canvas)


if __name__ == "__main__":
    main()
