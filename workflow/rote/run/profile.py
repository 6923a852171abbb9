"""Where a run's time went: a Gantt chart of its jobs, the critical path, idle cores, and what
starting jobs costs.

Times are those of the run's manifest (from Snakemake's records of outputs) and of the benchmark
files.
"""

import re
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from rote.core import tables
from rote.core.errors import InputError
from rote.run import manifest

SAME = 0.05  # seconds between the times that Snakemake notes for a job's outputs, at most


class Profile(NamedTuple):
    """What `read` found."""

    jobs: (
        pd.DataFrame
    )  # job, rule, paper, begin, end (s since the first began), inputs, outputs, body_s, lane
    path: list[str]  # jobs of the critical path, first to last
    span_s: float  # from the first job's begin to the last one's end
    lanes: int  # most jobs at one time


def read(results: Path) -> Profile:
    """The jobs of a finished run.

    Raises:
        InputError: if the run has no manifest, or its manifest knows no times.
    """
    found: list[dict[str, Any]] = []
    latest: dict[tuple, dict[str, Any]] = {}  # job of a rule with these inputs that ended last
    record = manifest.read(results)
    home = Path(
        "results", record.get("run", results.name)
    )  # as inputs were named, wherever the folder is now
    timed = [entry for entry in record["files"] if {"rule", "started", "ended"} <= entry.keys()]
    for entry in sorted(timed, key=lambda entry: entry["ended"]):
        begin, end = (
            datetime.fromisoformat(entry[key]).timestamp() for key in ("started", "ended")
        )
        inputs = tuple(entry.get("inputs", []))
        job = latest.get((entry["rule"], inputs))
        # Snakemake notes both times for each output anew, some milliseconds apart
        if job is None or max(end - job["end"], abs(begin - job["begin"])) > SAME:
            about = {"rule": entry["rule"], "paper": entry["rule"].split("_")[0], "inputs": inputs}
            job = latest[entry["rule"], inputs] = about | {
                "begin": begin,
                "outputs": [],
                "body_s": np.nan,
            }
            found.append(job)
        job["begin"], job["end"] = min(job["begin"], begin), end
        job["outputs"].append(str(home / entry["path"]))
        if "wall_s" in entry:
            job["body_s"] = np.nanmax([job["body_s"], entry["wall_s"]])
    if not found:
        raise InputError(
            f"{results / manifest.NAME} knows no times of jobs: it was made without Snakemake's "
            "records"
        )
    jobs = pd.DataFrame(found).sort_values(["begin", "end"], kind="stable").reset_index(drop=True)
    jobs[["begin", "end"]] -= jobs["begin"].min()
    jobs["job"] = _names(jobs)
    jobs["lane"] = _lanes(jobs)
    return Profile(jobs, critical_path(jobs), float(jobs["end"].max()), int(jobs["lane"].max()) + 1)


def critical_path(jobs: pd.DataFrame) -> list[str]:
    """The chain of jobs, each an input's maker of the next, whose durations add up to the most: no
    run is shorter.
    """
    maker = {output: number for number, outputs in enumerate(jobs["outputs"]) for output in outputs}
    needs = [
        sorted({maker[path] for path in _files(inputs, maker)} - {number})
        for number, inputs in enumerate(jobs["inputs"])
    ]
    length, before = np.zeros(len(jobs)), np.full(len(jobs), -1)
    seconds = (jobs["end"] - jobs["begin"]).to_numpy()
    for number in range(len(jobs)):  # a job begins after the jobs that it needs have ended
        for need in needs[number]:
            if length[need] > length[number]:
                length[number], before[number] = length[need], need
        length[number] += seconds[number]
    path, at = [], int(length.argmax())
    while at >= 0:
        path.append(at)
        at = before[at]
    return list(jobs["job"].iloc[path[::-1]])


def show(found: Profile, cores: int) -> None:
    """Print the summary, the critical path, and what each paper took."""
    from rich.console import Console
    from rich.table import Table

    jobs, console = found.jobs, Console()
    seconds = jobs["end"] - jobs["begin"]
    busy = float(seconds.sum())
    console.print(
        f"{len(jobs)} jobs in {found.span_s:.0f} s; at most {found.lanes} at a time",
        highlight=False,
    )
    idle = 1 - busy / (cores * found.span_s)
    console.print(
        f"Cores: {cores}, of which {idle:.0%} idle ({cores * found.span_s - busy:.0f} "
        "core-seconds)",
        highlight=False,
    )
    starts = (seconds - jobs["body_s"]).dropna()
    console.print(
        f"Starting jobs (interpreter, imports, bookkeeping): {starts.clip(lower=0).sum():.0f} s "
        f"of {busy:.0f} s, "
        f"{starts.median():.1f} s a job, known of {len(starts)} jobs",
        highlight=False,
    )
    inside = jobs.set_index("job").loc[found.path]
    total = float((inside["end"] - inside["begin"]).sum())
    console.print(
        f"Critical path: {total:.0f} s; the run took {found.span_s / total:.2f} times as long",
        highlight=False,
    )
    for job, row in inside.iterrows():
        console.print(f"  {row['end'] - row['begin']:7.1f} s  {job}", highlight=False)
    table = Table(title="By paper", title_justify="left")
    for name in ("paper", "jobs", "seconds", "share", "longest job"):
        table.add_column(name, justify="left" if name in ("paper", "longest job") else "right")
    for paper, rows in jobs.assign(s=seconds).groupby("paper", sort=False):
        longest = rows.loc[rows["s"].idxmax()]
        told = f"{longest['job']} ({longest['s']:.0f} s)"
        table.add_row(
            paper, str(len(rows)), f"{rows['s'].sum():.0f}", f"{rows['s'].sum() / busy:.0%}", told
        )
    console.print(table)


def draw(found: Profile, out: Path) -> None:
    """The Gantt chart: a bar per job in the first lane that is free, coloured by paper, the
    critical path outlined.
    """
    import matplotlib.pyplot as plt
    from matplotlib.patches import Patch

    from rote.plotting import PALETTE, STYLE, panels

    jobs = found.jobs
    papers = list(dict.fromkeys(jobs["paper"]))
    color = {paper: PALETTE[number % len(PALETTE)] for number, paper in enumerate(papers)}
    with plt.rc_context(STYLE):
        canvas, axes = panels(1, 1, width=11, height=1.2 + 0.5 * found.lanes)
    ax = axes.flat[0]
    inside = jobs["job"].isin(found.path)
    for critical, rows in jobs.groupby(inside):
        ax.barh(
            rows["lane"],
            rows["end"] - rows["begin"],
            left=rows["begin"],
            height=0.8,
            color=[color[paper] for paper in rows["paper"]],
            edgecolor="black" if critical else "white",
            linewidth=1.4 if critical else 0.4,
            zorder=3 if critical else 2,
        )
    for row in jobs.itertuples():
        if row.end - row.begin > found.span_s / 14:
            middle = (row.begin + row.end) / 2
            name = row.rule.removeprefix(f"{row.paper}_").replace("_", " ")
            ax.text(
                middle, row.lane, name, ha="center", va="center", fontsize=6, clip_on=True, zorder=4
            )
    ax.set(
        xlabel="seconds since the start",
        ylabel="job at a time",
        yticks=range(found.lanes),
        ylim=(found.lanes - 0.5, -0.5),
    )
    ax.set_xlim(0, found.span_s)
    handles = [Patch(facecolor=color[paper], label=paper) for paper in papers]
    handles.append(
        Patch(facecolor="white", edgecolor="black", linewidth=1.4, label="critical path")
    )
    canvas.legend(
        handles=handles, loc="outside lower center", ncols=len(handles), fontsize=7, frameon=False
    )
    with tables.atomic(out) as temporary:
        canvas.savefig(temporary)


def _files(inputs: tuple[str, ...], maker: dict[str, int]) -> list[str]:
    """Outputs among the inputs; of a folder as input, what lies in it."""
    found = [path for path in inputs if path in maker]
    folders = [path + "/" for path in inputs if path not in maker and not Path(path).suffix]
    return (
        found + [output for output in maker if output.startswith(tuple(folders))]
        if folders
        else found
    )


def _names(jobs: pd.DataFrame) -> list[str]:
    """The rule, and where it has several jobs what tells their outputs apart."""
    several = jobs["rule"].duplicated(keep=False)
    names = []
    for rule, outputs, many in zip(jobs["rule"], jobs["outputs"], several, strict=True):
        names.append(
            f"{rule} ({re.sub(r'^results/[^/]+/[^/]+/', '', sorted(outputs)[0])})" if many else rule
        )
    return names


def _lanes(jobs: pd.DataFrame) -> list[int]:
    """For each job, in order of begin, the first lane that is free then."""
    free: list[float] = []
    lanes = []
    for begin, end in zip(jobs["begin"], jobs["end"], strict=True):
        lane = next((number for number, at in enumerate(free) if at <= begin + 0.3), len(free))
        free[lane:] = [end, *free[lane + 1 :]] if lane < len(free) else [end]
        lanes.append(lane)
    return lanes
