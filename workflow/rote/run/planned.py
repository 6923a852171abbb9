"""The jobs of a run before it is started: as a dry run of Snakemake prints them, or of its DAG."""

import math
import re
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rote.core.errors import InputError


@dataclass(frozen=True)
class PlannedJob:
    """One job that Snakemake plans."""

    rule: str
    wildcards: dict[str, str]
    outputs: list[str]
    benchmark: str
    log: str
    gpus: int
    memory_mb: float
    runtime_min: float
    inputs: list[str] = field(default_factory=list)
    threads: int = 1

    @property
    def paper(self) -> str:
        """The paper that the rule belongs to."""
        return self.rule.split("_")[0]

    @property
    def step(self) -> str:
        """The rule without its paper's name: the key in `costs.WORK`."""
        return self.rule.split("_", 1)[1]


def plan(configfile: Path | None, root: Path = Path(".")) -> list[PlannedJob]:
    """The jobs of a whole run, by a dry run of Snakemake in `root`.

    Args:
        configfile: of the run; a relative path starts in `root`. None takes the workflow's own.
        root: folder of the Snakefile.

    Returns:
        The jobs that have a benchmark.

    Raises:
        InputError: without a Snakefile, or with Snakemake's own words if it cannot plan the run.
    """
    if not (root / "Snakefile").is_file():
        raise InputError(
            f"no Snakefile in {root.resolve()}; run this in the folder of the workflow"
        )
    command = [str(Path(sys.executable).parent / "snakemake")]
    command += ["--dry-run", "--forceall", "--cores", "1", "--nolock"]
    command += ["--configfile", str(configfile)] if configfile else []
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, errors="replace")
    if done.returncode:
        lines = [line for line in (done.stderr + done.stdout).splitlines() if line.strip()]
        raise InputError("Snakemake cannot plan this run: " + "; ".join(lines[-6:]))
    return read_plan(done.stdout + done.stderr)


def read_plan(text: str) -> list[PlannedJob]:
    """The jobs that a dry run prints."""
    jobs = []
    for block in re.split(r"^(?:local)?rule ", text, flags=re.M)[1:]:
        rule, _, body = block.partition(":\n")
        body = body.split("\n[")[0].split("\n\n")[0]
        lines = dict(re.findall(r"^    (\w+): (.*)$", body, flags=re.M))
        resources = _pairs(lines.get("resources", ""))
        if "benchmark" in lines:
            jobs.append(
                PlannedJob(
                    rule=rule,
                    wildcards=_pairs(lines.get("wildcards", "")),
                    outputs=lines.get("output", "").split(", "),
                    benchmark=lines["benchmark"],
                    log=lines.get("log", ""),
                    gpus=int(resources.get("gpu", 0)),
                    memory_mb=float(resources.get("mem_mb", 0)),
                    runtime_min=float(resources.get("runtime", 0)),
                    inputs=lines.get("input", "").split(", "),
                    threads=int(lines.get("threads", 1)),
                )
            )
    return jobs


def of_dag(jobs: Iterable[Any]) -> list[PlannedJob]:
    """Jobs of Snakemake's own kind that have a benchmark, without what they ask a scheduler for."""
    return [
        PlannedJob(
            rule=job.rule.name,
            wildcards=dict(job.wildcards_dict),
            outputs=list(map(str, job.output)),
            benchmark=str(job.benchmark),
            log=str(job.log),
            gpus=int(job.resources.get("gpu", 0)),
            memory_mb=math.nan,
            runtime_min=math.nan,
        )
        for job in jobs
        if job.benchmark
    ]


def _pairs(text: str) -> dict[str, str]:
    return dict(part.split("=", 1) for part in text.split(", ") if "=" in part)
