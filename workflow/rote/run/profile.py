"""Where a run's time went: a Gantt chart, the critical path, idle cores, what starting jobs costs.

Times are those of the run's manifest (from Snakemake's records of outputs) and of the benchmark
files.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from rote.core import tables
from rote.core.errors import InputError
from rote.run import manifest

# seconds between the times that Snakemake notes for a job's outputs, one after another: of a job
# with a log, which no other has, and of one without
SAME, SAME_WITHOUT_LOG = 60.0, 0.05


class Profile(NamedTuple):
    """The jobs of a run and what follows from their times."""

    # job, rule, paper, begin, end (s since the first began), inputs, outputs, body_s, lane
    jobs: pd.DataFrame
    path: list[str]  # jobs of the critical path, first to last
    span_s: float  # from the first job's begin to the last one's end
    lanes: int  # most jobs at one time


def read(results: Path) -> Profile:
    """The jobs of a finished run.

    Raises:
        InputError: if the run has no manifest, or its manifest knows no times.
    """
    record = manifest.read(results)
    rows = _jobs(record["files"], record.get("run", results.name))
    if not rows:
        raise InputError(
            f"{results / manifest.NAME} knows no times of jobs: "
            "it was made without Snakemake's records"
        )
    jobs = pd.DataFrame(rows).sort_values(["begin", "end"], kind="stable").reset_index(drop=True)
    jobs[["begin", "end"]] -= jobs["begin"].min()
    jobs["job"] = _names(jobs)
    jobs["lane"] = _lanes(jobs)
    return Profile(jobs, critical_path(jobs), float(jobs["end"].max()), int(jobs["lane"].max()) + 1)


def _jobs(files: Sequence[Mapping[str, Any]], run: str) -> list[dict[str, Any]]:
    """The jobs that made the files of a manifest, with times since the epoch."""
    jobs: list[dict[str, Any]] = []
    latest: dict[tuple, dict[str, Any]] = {}  # job of a rule, log and inputs that ended last
    home = Path("results", run)  # as inputs were named, wherever the folder is now
    timed = [entry for entry in files if {"rule", "started", "ended"} <= entry.keys()]
    for entry in sorted(timed, key=lambda entry: entry["ended"]):
        begin = datetime.fromisoformat(entry["started"]).timestamp()
        end = datetime.fromisoformat(entry["ended"]).timestamp()
        rule = entry["rule"]
        inputs = tuple(entry.get("inputs", []))
        key = (rule, entry.get("log"), inputs)
        job = latest.get(key)
        same = SAME if "log" in entry else SAME_WITHOUT_LOG
        if job is None or max(end - job["end"], abs(begin - job["begin"])) > same:
            job = {
                "rule": rule,
                "paper": rule.split("_")[0],
                "inputs": inputs,
                "begin": begin,
                "outputs": [],
                "body_s": np.nan,
            }
            latest[key] = job
            jobs.append(job)
        job["begin"] = min(job["begin"], begin)
        job["end"] = end
        job["outputs"].append(str(home / entry["path"]))
        if "wall_s" in entry:
            job["body_s"] = np.nanmax([job["body_s"], entry["wall_s"]])
    return jobs


def critical_path(jobs: pd.DataFrame) -> list[str]:
    """The longest chain of jobs, each making an input of the next: no run is shorter than its sum.

    Args:
        jobs: job, begin, end, inputs, outputs; in order of begin.

    Returns:
        Names of the jobs, first to last.
    """
    makers = {}
    for number, outputs in enumerate(jobs["outputs"]):
        makers |= dict.fromkeys(outputs, number)
    seconds = (jobs["end"] - jobs["begin"]).to_numpy()
    length = np.zeros(len(jobs))  # of the longest chain that ends with a job
    previous = np.full(len(jobs), -1)
    # a job begins after the jobs that it needs have ended
    for number, inputs in enumerate(jobs["inputs"]):
        needs = {makers[path] for path in _files(inputs, makers)} - {number}
        for need in sorted(needs):
            if length[need] > length[number]:
                length[number] = length[need]
                previous[number] = need
        length[number] += seconds[number]
    path = []
    number = int(length.argmax())
    while number >= 0:
        path.append(number)
        number = previous[number]
    return list(jobs["job"].iloc[path[::-1]])


def behind(jobs: pd.DataFrame, outputs: Sequence[str]) -> pd.DataFrame:
    """The jobs that files come from: those that made them, and all that those needed.

    Args:
        jobs: of `Profile`, with inputs and outputs.
        outputs: paths of files as the jobs name them; those that no job made are passed over.

    Returns:
        Rows of `jobs`, in their order.
    """
    makers = {}
    for number, made in enumerate(jobs["outputs"]):
        makers |= dict.fromkeys(made, number)
    waiting = [makers[path] for path in outputs if path in makers]
    needed: set[int] = set()
    while waiting:
        number = waiting.pop()
        if number not in needed:
            needed.add(number)
            waiting += [makers[path] for path in _files(jobs["inputs"].iloc[number], makers)]
    return jobs.iloc[sorted(needed)]


def show(profile: Profile, cores: int) -> None:
    """Print the summary, the critical path, and what each paper took.

    Args:
        profile: of a finished run, see `read`.
        cores: that the run had, for the share that idled.
    """
    from rich.console import Console

    console = Console()
    for line in _summary(profile, cores):
        console.print(line, highlight=False)
    console.print(_by_paper(profile.jobs))


def _summary(profile: Profile, cores: int) -> Iterator[str]:
    jobs = profile.jobs
    seconds = jobs["end"] - jobs["begin"]
    busy = float(seconds.sum())
    yield f"{len(jobs)} jobs in {profile.span_s:.0f} s; at most {profile.lanes} at a time"
    idle = cores * profile.span_s - busy
    share = 1 - busy / (cores * profile.span_s)
    yield f"Cores: {cores}, of which {share:.0%} idle ({idle:.0f} core-seconds)"
    starts = (seconds - jobs["body_s"]).dropna()
    yield (
        f"Starting jobs (interpreter, imports, bookkeeping): {starts.clip(lower=0).sum():.0f} s "
        f"of {busy:.0f} s, {starts.median():.1f} s a job, known of {len(starts)} jobs"
    )
    critical = jobs.set_index("job").loc[profile.path]
    durations = critical["end"] - critical["begin"]
    total = float(durations.sum())
    yield f"Critical path: {total:.0f} s; the run took {profile.span_s / total:.2f} times as long"
    for job, duration in durations.items():
        yield f"  {duration:7.1f} s  {job}"


def _by_paper(jobs: pd.DataFrame) -> Any:
    """The printed table of seconds by paper."""
    from rich.table import Table

    seconds = jobs["end"] - jobs["begin"]
    table = Table(title="By paper", title_justify="left")
    for name in ("paper", "jobs", "seconds", "share", "longest job"):
        table.add_column(name, justify="left" if name in ("paper", "longest job") else "right")
    for paper, rows in jobs.assign(s=seconds).groupby("paper", sort=False):
        longest = rows.loc[rows["s"].idxmax()]
        total = rows["s"].sum()
        table.add_row(
            paper,
            str(len(rows)),
            f"{total:.0f}",
            f"{total / seconds.sum():.0%}",
            f"{longest['job']} ({longest['s']:.0f} s)",
        )
    return table


def draw(profile: Profile, out: Path) -> None:
    """The Gantt chart: a bar per job, coloured by paper; the critical path is outlined.

    Args:
        profile: of a finished run, see `read`.
        out: file of the picture; its ending says the format.
    """
    from rote.plotting import house_style

    with house_style():
        canvas = _chart(profile)
        with tables.atomic(out) as temporary:
            canvas.savefig(temporary)


def _chart(profile: Profile) -> Any:
    from matplotlib.patches import Patch

    from rote.plotting import PALETTE, panels

    jobs = profile.jobs
    papers = list(dict.fromkeys(jobs["paper"]))
    color = {paper: PALETTE[number % len(PALETTE)] for number, paper in enumerate(papers)}
    canvas, axes = panels(1, 1, height=1.2 + 0.5 * profile.lanes, wide=True)
    canvas.set_figwidth(11)  # of a screen: names of jobs stand in their bars
    ax = axes.flat[0]
    for critical, rows in jobs.groupby(jobs["job"].isin(profile.path)):
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
        if row.end - row.begin > profile.span_s / 14:
            middle = (row.begin + row.end) / 2
            name = row.rule.removeprefix(f"{row.paper}_").replace("_", " ")
            ax.text(
                middle, row.lane, name, ha="center", va="center", fontsize=6, clip_on=True, zorder=4
            )
    ax.set(
        xlabel="seconds since the start",
        ylabel="job at a time",
        yticks=range(profile.lanes),
        ylim=(profile.lanes - 0.5, -0.5),
    )
    ax.set_xlim(0, profile.span_s)
    handles = [Patch(facecolor=color[paper], label=paper) for paper in papers]
    handles.append(
        Patch(facecolor="white", edgecolor="black", linewidth=1.4, label="critical path")
    )
    canvas.legend(
        handles=handles, loc="outside lower center", ncols=len(handles), fontsize=7, frameon=False
    )
    return canvas


def _files(inputs: tuple[str, ...], makers: dict[str, int]) -> list[str]:
    """Outputs of jobs among the inputs; of a folder as input, the outputs that lie in it."""
    outputs = [path for path in inputs if path in makers]
    folders = [path + "/" for path in inputs if path not in makers and not Path(path).suffix]
    if folders:
        outputs += [path for path in makers if path.startswith(tuple(folders))]
    return outputs


def _names(jobs: pd.DataFrame) -> list[str]:
    """The rule, and where it has several jobs also a job's first output."""
    repeated = jobs["rule"].duplicated(keep=False)
    names = []
    for rule, outputs, several in zip(jobs["rule"], jobs["outputs"], repeated, strict=True):
        first = re.sub(r"^results/[^/]+/[^/]+/", "", min(outputs))
        names.append(f"{rule} ({first})" if several else rule)
    return names


def _lanes(jobs: pd.DataFrame) -> list[int]:
    """For each job, in order of begin, the first lane that is free then."""
    free: list[float] = []
    lanes = []
    for begin, end in zip(jobs["begin"], jobs["end"], strict=True):
        lane = next((n for n, freed in enumerate(free) if freed <= begin + 0.3), len(free))
        free[lane : lane + 1] = [end]
        lanes.append(lane)
    return lanes
