"""What a run will cost before it is started: jobs, hours on cores and devices, memory, disk.

The model. A job takes `start + rate x work` seconds on one core. The work is what its paper's
`costs.WORK` says of the
settings: a leading order, for jobs on devices in floating-point operations. The rate of each rule,
    and the start that
all share, are fitted to measured runs of the smoke and laptop scales (`costs.tsv`, from one core of
a server; `rote plan --refit` takes your own). A rule without a formula costs at every scale what it
was measured at. On a device a job takes `start + work / speed`; the speed is an assumption, not a
measurement. Memory is what the rules ask a scheduler for, disk what `costs.DISK` says, else what
was measured. Rates that small runs cannot show stand in `costs.RATES`, from benchmarks.
"""

import csv
import math
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from rote.core.errors import InputError
from rote.core.papers import names as paper_names
from rote.run import config as configuration

MEASURED = Path(__file__).with_name("costs.tsv")
RUNS = {"smoke": "config/smoke.yaml", "laptop": "config/config.yaml"}
# a second on a device: about a tenth of what one of 2022 reaches in bf16 on large matrices
FLOPS = 20e12


@dataclass(frozen=True)
class Job:
    """One job that Snakemake plans."""

    rule: str
    where: dict[str, str]
    outputs: list[str]
    benchmark: str
    gpus: int
    memory_mb: float
    runtime_min: float

    @property
    def paper(self) -> str:
        return self.rule.split("_")[0]

    @property
    def step(self) -> str:
        """The rule without its paper's name: the key in `costs.WORK`."""
        return self.rule.split("_", 1)[1]


class Fit(NamedTuple):
    """The fitted model."""

    start_s: float
    rates: dict[str, float]  # seconds per unit of work, by rule
    sizes: dict[str, float]  # bytes written by a job at the laptop scale, by rule
    jobs: pd.DataFrame  # the measured jobs with the column `predicted_s`


def plan(configfile: Path | None, root: Path = Path(".")) -> list[Job]:
    """The jobs of a whole run, by a dry run of Snakemake in `root`.

    Raises:
        InputError: with Snakemake's own words if it cannot plan the run.
    """
    if not (root / "Snakefile").is_file():
        raise InputError(
            f"no Snakefile in {root.resolve()}; run this in the folder of the workflow"
        )
    command = [
        str(Path(sys.executable).parent / "snakemake"),
        "--dry-run",
        "--forceall",
        "--cores",
        "1",
        "--nolock",
    ]
    command += ["--configfile", str(configfile)] if configfile else []
    done = subprocess.run(command, cwd=root, capture_output=True, text=True)
    if done.returncode:
        told = [line for line in (done.stderr + done.stdout).splitlines() if line.strip()]
        raise InputError("Snakemake cannot plan this run: " + "; ".join(told[-6:]))
    return read_plan(done.stdout + done.stderr)


def read_plan(text: str) -> list[Job]:
    """The jobs that a dry run prints."""
    found = []
    for block in re.split(r"^(?:local)?rule ", text, flags=re.M)[1:]:
        rule, _, body = block.partition(":\n")
        lines = dict(
            re.findall(r"^    (\w+): (.*)$", body.split("\n[")[0].split("\n\n")[0], flags=re.M)
        )
        resources = _pairs(lines.get("resources", ""))
        if "benchmark" in lines:
            found.append(
                Job(
                    rule=rule,
                    where=_pairs(lines.get("wildcards", "")),
                    outputs=lines.get("output", "").split(", "),
                    benchmark=lines["benchmark"],
                    gpus=int(resources.get("gpu", 0)),
                    memory_mb=float(resources.get("mem_mb", 0)),
                    runtime_min=float(resources.get("runtime", 0)),
                )
            )
    return found


def work(job: Job, settings: Any) -> float:
    """The job's work by its paper's formula; 1 if there is none."""
    formula = _formulas(job.paper, "WORK").get(job.step)
    return float(formula(getattr(settings, job.paper), job.where)) if formula else 1.0


def has_formula(job: Job) -> bool:
    return job.step in _formulas(job.paper, "WORK")


def measure(root: Path = Path(".")) -> pd.DataFrame:
    """What the jobs of finished smoke and laptop runs took: scale, rule, work, seconds, memory_mb,
    asked_mb, bytes.

    Seconds are those on the clock, of jobs with one thread: Snakemake samples CPU time and misses
    the last samples.

    Raises:
        InputError: if neither run is there.
    """
    rows = []
    for scale, file in RUNS.items():
        settings = configuration.load(root / file)
        for job in plan(root / file, root) if (root / "results" / settings.run).is_dir() else []:
            path = root / job.benchmark
            if not path.is_file():
                continue
            record = next(csv.DictReader(path.open(), delimiter="\t"))
            size = sum(_size(root / output) for output in job.outputs)
            numbers = (
                float(record[name]) if record[name] not in ("-", "NA") else math.nan
                for name in ("s", "max_rss")
            )
            rows.append((scale, job.rule, work(job, settings), *numbers, job.memory_mb, size))
    if not rows:
        raise InputError(
            f"no finished run in {root / 'results'}: run snakemake with config/smoke.yaml, or "
            "without, first"
        )
    return pd.DataFrame(
        rows, columns=["scale", "rule", "work", "seconds", "memory_mb", "asked_mb", "bytes"]
    )


def fit(measured: pd.DataFrame) -> Fit:
    """Least squares in the logarithm of a job's time: one rate per rule, one start for all.

    A rule whose measured work never changes cannot tell its rate from its start: it gets all its
    time as rate.
    """
    measured = measured[measured["seconds"] > 0].reset_index(drop=True)

    def known(rule: str) -> float | None:
        paper, step = rule.split("_", 1)
        return _formulas(paper, "RATES").get(step)

    def rates(start: float) -> dict[str, float]:
        return {rule: known(rule) or _rate(rows, start) for rule, rows in measured.groupby("rule")}

    def predicted(start: float) -> np.ndarray:
        by_rule = rates(start)
        return start + measured["rule"].map(by_rule).to_numpy() * measured["work"].to_numpy()

    grid = np.linspace(0, float(measured["seconds"].quantile(0.2)), 21)
    errors = [float(np.mean(np.log(predicted(s) / measured["seconds"]) ** 2)) for s in grid]
    start = float(grid[int(np.argmin(errors))])
    laptop = measured[measured["scale"] == "laptop"]
    sizes = (laptop if len(laptop) else measured).groupby("rule")["bytes"].mean()
    return Fit(start, rates(start), sizes.to_dict(), measured.assign(predicted_s=predicted(start)))


def table(jobs: Sequence[Job], settings: Any, model: Fit, flops: float = FLOPS) -> pd.DataFrame:
    """One row per job: paper, rule, gpus, core_h, gpu_h, memory_gb, disk_gb, asked_h, formula."""
    rows = []
    for job in jobs:
        amount = work(job, settings) if job.paper in paper_names() else 1.0
        seconds = model.start_s + model.rates.get(job.rule, 0.0) * amount
        if job.gpus and has_formula(job):
            seconds = model.start_s + amount / (flops * job.gpus)
        formula = _formulas(job.paper, "DISK").get(job.step)
        size = (
            formula(getattr(settings, job.paper), job.where)
            if formula
            else model.sizes.get(job.rule, 0.0)
        )
        hours = seconds / 3600
        rows.append(
            {
                "paper": job.paper,
                "rule": job.rule,
                "gpus": job.gpus,
                "core_h": 0.0 if job.gpus else hours,
                "gpu_h": hours * job.gpus,
                "hours": hours,
                "asked_h": job.runtime_min / 60,
                "memory_gb": job.memory_mb / 1000,
                "disk_gb": size / 1e9,
                "known": job.rule in model.rates or (job.gpus > 0 and has_formula(job)),
            }
        )
    return pd.DataFrame(rows)


def accuracy(model: Fit) -> pd.DataFrame:
    """By paper, at the laptop scale: measured and predicted seconds, and a job's typical factor of
    error.
    """
    laptop = model.jobs[model.jobs["scale"] == "laptop"]
    rows = laptop.assign(paper=laptop["rule"].str.split("_").str[0])
    rows = rows.assign(off=np.abs(np.log(rows["predicted_s"] / rows["seconds"])))
    found = rows.groupby("paper").agg(
        measured_s=("seconds", "sum"), predicted_s=("predicted_s", "sum"), off=("off", "median")
    )
    return found.assign(factor=np.exp(found["off"])).drop(columns="off")


def show(
    settings: Any, configfile: Path | None, flops: float | None = None, *, by_rule: bool = False
) -> None:
    """Print the cost table of a run, with the model's assumptions and its error on the laptop run."""
    from rich.console import Console
    from rich.table import Table

    flops = flops or FLOPS
    model = fit(pd.read_csv(MEASURED, sep="\t"))
    jobs = table(plan(configfile), settings, model, flops)
    exact = accuracy(model)
    keys = ["paper", "rule"] if by_rule else ["paper"]
    printed = Table(title=f"Run {settings.run}, scale {settings.scale}", title_justify="left")
    for name in (
        *keys,
        "jobs",
        "on devices",
        "core hours",
        "device hours",
        "largest memory",
        "disk",
        "laptop: model / measured",
    ):
        printed.add_column(name, justify="left" if name in keys else "right")
    groups = [*jobs.groupby(keys, sort=False), (("all",) * len(keys), jobs)]
    for names, rows in groups:
        paper = names[0]
        sums = exact.sum() if paper == "all" else exact.loc[paper] if paper in exact.index else None
        told = "" if sums is None or by_rule else f"{sums['predicted_s'] / sums['measured_s']:.2f}"
        if told and paper != "all":
            told += f", a job ×÷ {sums['factor']:.2f}"
        numbers = (
            len(rows),
            int((rows["gpus"] > 0).sum()),
            _hours(rows["core_h"].sum()),
            _hours(rows["gpu_h"].sum()),
        )
        memory, disk = f"{rows['memory_gb'].max():,.0f} GB", _bytes(rows["disk_gb"].sum())
        printed.add_row(*names, *map(str, numbers), memory, disk, told)
    console = Console(width=max(Console().width, 120))
    console.print(printed)
    console.print(
        f"Core hours: start {model.start_s:.1f} s + rate x work, fitted to {len(model.jobs)} "
        "measured jobs. Device "
        f"hours: work / {flops / 1e12:g} TFLOP/s, assumed (--device-tflops). Memory: the most "
        "that a job asks for.",
        highlight=False,
    )
    for kind, rows in (
        ("needs more time than its rule asks for", jobs[jobs["hours"] > jobs["asked_h"]]),
        ("was never measured and has no formula: counted as its start", jobs[~jobs["known"]]),
    ):
        for rule, some in rows.groupby("rule"):
            most = (
                f": up to {some['hours'].max():,.1f} h of {some['asked_h'].max():,.1f} h"
                if "time" in kind
                else ""
            )
            console.print(f"  {rule} {kind}{most}", highlight=False)


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


def _rate(rows: pd.DataFrame, start: float) -> float:
    """The rate that fits a rule's jobs best, in the logarithm."""
    amount, seconds = rows["work"].to_numpy(float), rows["seconds"].to_numpy(float)
    if np.allclose(amount, amount[0]):
        return max(float(np.exp(np.mean(np.log(seconds)))) - start, 0.0) / amount[0]
    from scipy.optimize import minimize_scalar

    scale = np.log(max(float((seconds / amount).max()), 1e-300))
    found = minimize_scalar(
        lambda log_rate: float(np.sum(np.log((start + np.exp(log_rate) * amount) / seconds) ** 2)),
        bounds=(scale - 25, scale + 2),
        method="bounded",
    )
    return float(np.exp(found.x))


def _formulas(paper: str, kind: str) -> Mapping[str, Any]:
    if paper not in paper_names():
        return {}
    try:
        return getattr(import_module(f"rote.papers.{paper}.costs"), kind, {})
    except ModuleNotFoundError:
        return {}


def _pairs(text: str) -> dict[str, str]:
    return dict(part.split("=", 1) for part in text.split(", ") if "=" in part)


def _size(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())
