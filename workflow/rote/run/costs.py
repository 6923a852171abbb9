"""What a run will cost before it is started: jobs, hours on cores and devices, memory, disk.

The model. A job takes `start + rate x work` seconds on one core. The work is what its paper's
`costs.WORK` says of the settings: a leading order, for jobs on devices in floating-point
operations. The rate of each rule, and the start that all share, are fitted to measured runs of the
smoke, laptop and full scales (`costs.tsv`, from one core of a server, to which `rote.run.machine`
compares yours; `rote plan --refit` takes your own runs). A rule without a formula costs at every
scale what it was measured at, and is named. On a device a
job takes `start + work / speed`; the speed is an assumption, not a measurement. Memory is what the
rules ask a scheduler for, disk what `costs.DISK` says, else what was measured. Rates that small
runs cannot show stand in `costs.RATES`, from benchmarks.
"""

import csv
import math
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from rote.core import papers
from rote.core.errors import InputError
from rote.run import config as configuration
from rote.run import machine, nodes
from rote.run.planned import PlannedJob, plan

MEASURED = Path(__file__).with_name("costs.tsv")
RUNS = {
    "smoke": "config/smoke.yaml",
    "laptop": "config/config.yaml",
    "full": "config/full.yaml",
}
# core seconds of the reference machine that a run may take, and how many jobs
BUDGETS = {"laptop": (1500, 90), "full": (12_000, 400)}
DAY, YEAR = 24 * 60, 365 * 24 * 60  # in minutes
MOST_MINUTES = 30 * DAY  # beyond which jobs that may use devices are said to need them
# a second on a device: about a tenth of what one of 2022 reaches in bf16 on large matrices
FLOPS = 20e12


class Fit(NamedTuple):
    """The fitted model."""

    start_s: float
    rates: dict[str, float]  # seconds per unit of work, by rule
    sizes: dict[str, float]  # bytes written by a job of a larger scale than smoke, by rule
    jobs: pd.DataFrame  # the measured jobs with the column `predicted_s`


class Measurement(NamedTuple):
    """What one job took: a row of `costs.tsv`."""

    scale: str
    rule: str
    work: float  # by its paper's formula, 1 if there is none
    seconds: float
    memory_mb: float  # at its peak; NaN where the benchmark does not say
    requested_mb: float  # what the rule asks a scheduler for
    bytes: int  # of its outputs


def work(job: PlannedJob, settings: Any) -> float:
    """The job's work by its paper's formula, in the formula's own unit; 1 if there is none.

    Args:
        job: whose rule names paper and step.
        settings: the whole config.
    """
    formula = _formula(job, "WORK")
    return formula(settings) if formula else 1.0


def has_formula(job: PlannedJob) -> bool:
    """Whether the job's paper says what its work grows with."""
    return job.step in formulas(job.paper, "WORK")


def refit() -> int:
    """Replace the shipped measurements by those of the runs here; returns how many jobs."""
    measured = measure()
    measured.to_csv(MEASURED, sep="\t", index=False, float_format="%.6g")
    return len(measured)


def measure(root: Path = Path(".")) -> pd.DataFrame:
    """What the jobs of finished smoke, laptop and full runs took: the columns of `Measurement`.

    Seconds are those of CPUs, of a job's process and its children, from its log: a machine that
    does other things at the time does not lengthen them, and Snakemake, which samples them, misses
    the last ones. A log that does not say them leaves the seconds on the clock.

    Raises:
        InputError: if none of these runs is there.
    """
    rows = []
    for scale, file in RUNS.items():
        settings = configuration.load(root / file)
        if not (root / "results" / settings.run).is_dir():
            continue
        for job in plan(root / file, root):
            if (root / job.benchmark).is_file():
                rows.append(_measurement(job, scale, settings, root))
    if not rows:
        raise InputError(
            f"no finished run in {root / 'results'}: "
            "run snakemake with config/smoke.yaml, or without, first"
        )
    return pd.DataFrame(rows)


def _measurement(job: PlannedJob, scale: str, settings: Any, root: Path) -> Measurement:
    with (root / job.benchmark).open(encoding="utf-8") as file:
        record = next(csv.DictReader(file, delimiter="\t"))
    return Measurement(
        scale=scale,
        rule=job.rule,
        work=work(job, settings),
        seconds=_cpu_seconds(root / job.log) or _number(record["s"]),
        memory_mb=_number(record["max_rss"]),
        requested_mb=job.memory_mb,
        bytes=sum(_size(root / output) for output in job.outputs),
    )


def _cpu_seconds(log: Path) -> float:
    """What the last verb in a job's log says of its process; 0 if it says nothing."""
    if not log.is_file():
        return 0.0
    totals = re.findall(r"done in .* s, ([\d.]+) in all\)$", log.read_text("utf-8"), flags=re.M)
    return float(totals[-1]) if totals else 0.0


def fit(measured: pd.DataFrame) -> Fit:
    """Least squares in the logarithm of a job's time: one rate per rule, one start for all.

    A rule whose measured work never changes cannot tell its rate from its start: it gets all its
    time as rate.
    """
    measured = measured[measured["seconds"] > 0].reset_index(drop=True)
    benchmarked = _benchmarked_rates()

    def rates(start: float) -> dict[str, float]:
        fitted = {
            rule: _fitted_rate(rows, start)
            for rule, rows in measured.groupby("rule")
            if rule not in benchmarked
        }
        return fitted | benchmarked

    def predicted(start: float) -> np.ndarray:
        by_rule = rates(start)
        return start + measured["rule"].map(by_rule).to_numpy() * measured["work"].to_numpy()

    grid = np.linspace(0, float(measured["seconds"].quantile(0.2)), 21)
    errors = [float(np.mean(np.log(predicted(s) / measured["seconds"]) ** 2)) for s in grid]
    start = float(grid[int(np.argmin(errors))])
    sizes = measured[measured["scale"] != "smoke"].groupby("rule")["bytes"].mean()
    return Fit(start, rates(start), sizes.to_dict(), measured.assign(predicted_s=predicted(start)))


def table(
    jobs: Sequence[PlannedJob], settings: Any, model: Fit, flops: float = FLOPS
) -> pd.DataFrame:
    """One row per job.

    Args:
        jobs: of a run, see `plan`.
        settings: the whole config.
        model: the fitted starts, rates and sizes.
        flops: operations a second of one device, assumed.

    Returns:
        Columns paper, rule, gpus, core_h, gpu_h, hours, requested_h (what the rule asks a scheduler
        for), memory_gb, disk_gb, read_gb (where a paper says it), formula (whether its work grows
        with the settings), measured (whether the rule has a rate).
    """
    rows = []
    for job in jobs:
        hours = _seconds(job, settings, model, flops) / 3600
        disk = _formula(job, "DISK")
        size = disk(settings) if disk else model.sizes.get(job.rule, 0.0)
        reads = _formula(job, "READS")
        rows.append(
            {
                "paper": job.paper,
                "rule": job.rule,
                "gpus": job.gpus,
                "core_h": 0.0 if job.gpus else hours,
                "gpu_h": hours * job.gpus,
                "hours": hours,
                "requested_h": job.runtime_min / 60,
                "memory_gb": job.memory_mb / 1000,
                "disk_gb": size / 1e9,
                "read_gb": reads(settings) / 1e9 if reads else 0.0,
                "formula": has_formula(job),
                "measured": job.rule in model.rates,
            }
        )
    return pd.DataFrame(rows)


def _seconds(job: PlannedJob, settings: Any, model: Fit, flops: float) -> float:
    """Seconds of a job: on devices by the assumed speed where there is a formula, else fitted."""
    if job.gpus and has_formula(job):
        return model.start_s + work(job, settings) / (flops * job.gpus)
    return job_seconds(job, settings, model)


def core_seconds(jobs: Sequence[PlannedJob], settings: Any, model: Fit) -> float:
    """Seconds of one core of the reference machine that jobs take, on a machine without devices.

    Args:
        jobs: of a run, see `plan`.
        settings: the whole config.
        model: the fitted starts and rates.
    """
    return sum(job_seconds(job, settings, model) for job in jobs)


def job_seconds(job: PlannedJob, settings: Any, model: Fit) -> float:
    """The same of one job."""
    return model.start_s + model.rates.get(job.rule, 0.0) * work(job, settings)


def accuracy(model: Fit) -> pd.DataFrame:
    """By paper, on larger scales than smoke: seconds, and a job's median factor between.

    Returns:
        Columns measured_s, predicted_s, factor.
    """
    measured = model.jobs[model.jobs["scale"] != "smoke"]
    rows = measured.assign(paper=measured["rule"].str.split("_").str[0])
    rows = rows.assign(off=np.abs(np.log(rows["predicted_s"] / rows["seconds"])))
    sums = rows.groupby("paper").agg(
        measured_s=("seconds", "sum"), predicted_s=("predicted_s", "sum"), off=("off", "median")
    )
    return sums.assign(factor=np.exp(sums["off"])).drop(columns="off")


def show(
    settings: Any,
    configfile: Path | None,
    flops: float = FLOPS,
    *,
    by_rule: bool = False,
    clusters: Sequence[nodes.Cluster] = (),
) -> None:
    """Print the cost table of a run, with the model's assumptions and its error on measured runs.

    Args:
        settings: the whole config.
        configfile: that it was read from, see `plan`.
        flops: operations a second of one device, assumed.
        by_rule: one line per rule instead of one per paper.
        clusters: on which the run is simulated.

    Raises:
        InputError: see `plan`.
    """
    from rich.console import Console

    model = shipped()
    planned = plan(configfile)
    jobs = table(planned, settings, model, flops)
    console = Console(width=max(Console().width, 120))
    console.print(_printed(jobs, settings, model, by_rule))
    console.print(
        f"Core hours: start {model.start_s:.1f} s + rate x work, fitted "
        f"to {len(model.jobs)} measured jobs. Device hours: work / {flops / 1e12:g} TFLOP/s, "
        "assumed (--device-tflops). Memory: the most that a job asks for.",
        highlight=False,
    )
    for line in _warnings(jobs):
        console.print(f"  {line}", highlight=False)
    cores = len(os.sched_getaffinity(0))
    console.print(f"Here: {forecast(planned, settings, cores)}", highlight=False)
    for cluster in clusters:
        for line in nodes.sentences(nodes.simulate(planned, jobs, cluster)):
            console.print(line, highlight=False, soft_wrap=True)


def shipped() -> Fit:
    """The model fitted to the measurements that come with rote."""
    return fit(pd.read_csv(MEASURED, sep="\t"))


def forecast(jobs: Sequence[PlannedJob], settings: Any, cores: int) -> str:
    """How long jobs will take here, in a sentence: what a run says before it starts.

    Args:
        jobs: that are to run.
        settings: the whole config.
        cores: that they may use at a time.
    """
    model = shipped()
    seconds = [job_seconds(job, settings, model) for job in jobs]
    factor = machine.factor(cores)
    longest = max(seconds, default=0.0)
    minutes = max(sum(seconds) / cores, longest) * factor / 60
    n_on_devices = sum(job.gpus > 0 for job in jobs)
    if n_on_devices and minutes > MOST_MINUTES:
        return (
            f"{_plural(len(jobs), 'job')}, {n_on_devices} of which need devices: on "
            f"{_plural(cores, 'core')} alone they would take about {_minutes(minutes)}."
        )
    return (
        f"{_plural(len(jobs), 'job')}, about {_minutes(minutes)} on {_plural(cores, 'core')} "
        "without devices: "
        f"{sum(seconds):,.0f} core seconds of the reference machine, {factor:.2f} times as many "
        "here."
    )


def _plural(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _minutes(minutes: float) -> str:
    if minutes >= 2 * YEAR:
        return f"{minutes / YEAR:,.0f} years"
    if minutes >= 3 * DAY:
        return f"{minutes / DAY:,.0f} days"
    if minutes >= 100:
        return f"{minutes / 60:,.1f} hours"
    return _plural(max(round(minutes), 1), "minute")


def _printed(jobs: pd.DataFrame, settings: Any, model: Fit, by_rule: bool) -> Any:
    """The table that `show` prints: sums by paper, or by paper and rule, and over all jobs."""
    from rich.table import Table

    keys = ["paper", "rule"] if by_rule else ["paper"]
    numbers = ["jobs", "on devices", "core hours", "device hours", "largest memory", "disk"]
    printed = Table(title=f"Run {settings.run}, scale {settings.scale}", title_justify="left")
    for name in [*keys, *numbers, "model / measured"]:
        printed.add_column(name, justify="left" if name in keys else "right")
    errors = accuracy(model)
    for names, rows in [*jobs.groupby(keys, sort=False), (("all",) * len(keys), jobs)]:
        printed.add_row(
            *names,
            str(len(rows)),
            str(int((rows["gpus"] > 0).sum())),
            _hours(rows["core_h"].sum()),
            _hours(rows["gpu_h"].sum()),
            f"{rows['memory_gb'].max():,.0f} GB",
            _bytes(rows["disk_gb"].sum()),
            "" if by_rule else _error(errors, names[0]),
        )
    return printed


def _error(errors: pd.DataFrame, paper: str) -> str:
    """Predicted over measured seconds of a paper, or of all papers."""
    if paper == "all":
        sums = errors.sum()
        return f"{sums['predicted_s'] / sums['measured_s']:.2f}"
    if paper not in errors.index:
        return ""
    row = errors.loc[paper]
    return f"{row['predicted_s'] / row['measured_s']:.2f}, a job ×÷ {row['factor']:.2f}"


def _warnings(jobs: pd.DataFrame) -> Iterator[str]:
    """What the table does not show: rules that run out of time, and rules without a formula."""
    for rule, rows in jobs[jobs["hours"] > jobs["requested_h"]].groupby("rule"):
        hours = rows["hours"].max()
        requested = rows["requested_h"].max()
        amounts = f"up to {hours:,.1f} h of {requested:,.1f} h"
        yield f"{rule} needs more time than its rule asks for: {amounts}"
    without = jobs[~jobs["formula"]]
    if len(as_measured := without.loc[without["measured"], "rule"].unique()):
        yield f"no formula, counted as measured at smaller scales: {', '.join(as_measured)}"
    for rule, rows in jobs.groupby("rule"):
        paper, _, step = str(rule).partition("_")
        advice = formulas(paper, "SPARED").get(step)
        if advice and (size := rows["disk_gb"].sum()) > 1000:
            yield f"{rule} writes {_bytes(size)}: {advice}"
    if len(unknown := without.loc[~without["measured"], "rule"].unique()):
        yield f"no formula and never measured, counted as a start: {', '.join(unknown)}"


def _hours(hours: float) -> str:
    return f"{hours:,.0f}" if hours >= 10 else f"{hours:.2f}"


def _bytes(gigabytes: float) -> str:
    return (
        f"{gigabytes / 1000:,.1f} TB"
        if gigabytes >= 1000
        else f"{gigabytes:,.1f} GB"
        if gigabytes >= 1
        else f"{1000 * gigabytes:.0f} MB"
    )


def _fitted_rate(rows: pd.DataFrame, start: float) -> float:
    """The rate that fits a rule's jobs best, in the logarithm."""
    amount, seconds = rows["work"].to_numpy(float), rows["seconds"].to_numpy(float)
    if np.allclose(amount, amount[0]):
        return max(float(np.exp(np.mean(np.log(seconds)))) - start, 0.0) / amount[0]
    from scipy.optimize import minimize_scalar

    scale = np.log(max(float((seconds / amount).max()), 1e-300))
    optimum = minimize_scalar(
        lambda log_rate: float(np.sum(np.log((start + np.exp(log_rate) * amount) / seconds) ** 2)),
        bounds=(scale - 25, scale + 2),
        method="bounded",
    )
    return float(np.exp(optimum.x))


def _benchmarked_rates() -> dict[str, float]:
    """Seconds per unit of work by rule, where a benchmark says it in place of small runs."""
    rates = {}
    for paper in papers.names():
        for step, rate in formulas(paper, "RATES").items():
            rates[f"{paper}_{step}"] = rate
    return rates


def _formula(job: PlannedJob, kind: str) -> Callable[[Any], float] | None:
    """What a job's paper says of its WORK or DISK: a function of the whole config."""
    formula = formulas(job.paper, kind).get(job.step)
    return formula and (
        lambda settings: float(formula(getattr(settings, job.paper), job.wildcards))
    )


def formulas(paper: str, kind: str) -> Mapping[str, Any]:
    """A paper's formulas of a kind by step; none for what is no paper or has no `costs` module.

    Args:
        paper: name of its folder.
        kind: WORK, DISK or RATES.
    """
    try:
        return getattr(import_module(f"rote.papers.{paper}.costs"), kind, {})
    except ModuleNotFoundError:
        return {}


def _number(text: str) -> float:
    """A number of a benchmark file, NaN where Snakemake has none."""
    return math.nan if text in ("-", "NA") else float(text)


def _size(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())
