"""`python -m tests.benchmarks`: what rote's kernels save against alternatives, in one run.

Each comparison first checks that both ways give the same answer, then alternates them. It tells the
median ratio of CPU seconds (wall seconds where children or threads work) with its interval, the
memory that each way adds, the ratio on all cores, and how far ours is from this machine's own
limits. Then every kernel at four or more sizes, and the workflow itself.

Written: benchmarks.parquet, growth.parquet, index.html with a figure. Nothing here passes or fails;
where the page says that a bar is missed, it says why. Names of files measure those only:
`python -m tests.benchmarks ngrams raf`.
"""

import argparse
import os
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd
from rote.core import tables
from rote.core.job import limit_threads

from tests.benchmarks import (
    attention,
    cramless,
    dag,
    inversion,
    longtail,
    machine,
    ngrams,
    page,
    raf,
    resmem,
    stacks,
)
from tests.benchmarks.case import added_memory, grown, median_interval, on_all_cores, paired

# trainings let malloc keep freed memory, for the whole process:
# what is measured without them comes first
MODULES = [inversion, ngrams, resmem, raf, attention, longtail, cramless, stacks]


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks", description=" ".join(__doc__.split("\n\n")[0].split())
    )
    parser.add_argument(
        "files", nargs="*", help="measure these only, e.g. ngrams raf; `dag` is the workflow itself"
    )
    parser.add_argument(
        "--out", type=Path, default=Path("reports/benchmarks"), help="folder to write to"
    )
    options = parser.parse_args()
    out = options.out
    names = {module.__name__.split(".")[-1]: module for module in MODULES}
    if wrong := [name for name in options.files if name not in {*names, "dag"}]:
        sys.exit(
            f"no benchmarks are called {', '.join(wrong)}; there are {', '.join([*names, 'dag'])}"
        )
    chosen = {name: names[name] for name in names if name in (options.files or names)}
    with limit_threads(1):
        peak = machine.peaks()
        say(
            f"this machine, one core: {peak['f4'] / 1e9:.0f} and {peak['f8'] / 1e9:.0f} Gflop/s, "
            f"copies {peak['bytes'] / 1e9:.0f} GB/s"
        )
        rows = []
        growth = []
        facts = []
        for name, module in chosen.items():
            rows += compared(name, module, peak)
        for name, module in chosen.items():
            growth += growths(name, module)
        for module in chosen.values():
            for measure in getattr(module, "MEASURES", []):
                facts += measure()
    if not options.files or "dag" in options.files:
        facts += dag.measure()
    for row in facts:
        say(
            ", ".join(
                f"{value}" if name == "comparison" else f"{name} {value}"
                for name, value in row.items()
            )
        )
    for name, content in (("benchmarks", rows), ("growth", growth), ("facts", facts)):
        with tables.atomic(out / f"{name}.parquet") as path:
            pd.DataFrame(content).to_parquet(path)
    page.write(out, machine.describe(), peak, pd.DataFrame(rows), pd.DataFrame(growth), facts)
    say(f"written: {out}/index.html")


def say(text: str) -> None:
    print(text, flush=True)


def compared(name: str, module: ModuleType, peak: dict[str, float]) -> Iterator[dict[str, Any]]:
    """One row per comparison of a module."""
    for prepare in module.COMPARISONS:
        comparison = " ".join(prepare.__doc__.split())
        try:
            case = prepare()
        except ImportError as error:
            say(f"{comparison}: skipped, a peer is not installed ({error})")
            continue
        except Exception:  # another peer's trouble must not cost what was measured already
            say(f"{comparison}: FAILED\n{traceback.format_exc()}")
            continue
        pairs = paired(case)
        ratio, low, high, covered = median_interval([peer / ours for ours, peer in pairs])
        ours, peer = np.median(pairs, axis=0)
        bound = machine.roofline(case.flops, case.moved, case.dtype, peak)
        row = {
            "module": name,
            "comparison": comparison,
            "clock": "wall" if case.wall else "CPU",
            "pairs": case.repeats,
            "ours_s": float(ours),
            "peer_s": float(peer),
            "ratio": ratio,
            "ratio_low": low,
            "ratio_high": high,
            "covered": covered,
            "bar": case.bar or np.nan,
            "ours_mb": added_memory(case.ours),
            "peer_mb": added_memory(case.peer),
            "gflop": case.flops / 1e9,
            "gb": case.moved / 1e9,
            "roofline": bound / ours if bound else np.nan,
            "note": case.note,
        }
        if case.threads:
            many_ours, many_peer = on_all_cores(case)
            row |= {"all_cores_ratio": many_peer / many_ours, "all_cores_ours_s": many_ours}
        say(
            f"{comparison}: {ratio:.3g}x [{low:.3g}, {high:.3g}], "
            f"{ours:.3g} against {peer:.3g} {row['clock']} s"
            + (f", bar {case.bar:g}" if case.bar else "")
            + (f", {row['roofline']:.0%} of the roofline" if bound else "")
        )
        yield row


def growths(name: str, module: ModuleType) -> Iterator[dict[str, Any]]:
    """One row per size of each kernel of a module."""
    for growth in getattr(module, "GROWTH", []):
        try:
            rows = grown(growth)
        except Exception:  # as above
            say(f"{growth.title}: FAILED\n{traceback.format_exc()}")
            continue
        for row in rows:
            say(
                f"{growth.title}, {row['size']:,} {growth.unit}: "
                f"{row['seconds']:.3g} CPU s, {row['memory_mb']:.0f} MiB"
            )
            yield {
                "module": name,
                "kernel": growth.title,
                "unit": growth.unit,
                "goal": growth.goal,
            } | row


if __name__ == "__main__":
    main()
