"""The workflow itself: a run against its commands one after another, and a run of nothing."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from graphlib import TopologicalSorter
from pathlib import Path

import pandas as pd

ROOT = Path(__file__).resolve().parents[2]
SCALE = "smoke"


def measure() -> list[dict[str, object]]:
    """Wall seconds of a run on all cores, of its commands in a shell script, and of a no-op.

    At the smoke scale, in a copy of the project. ROTE_BENCH_RUN names the results of a finished
    run, of which the time that it took is compared with the sum of its jobs' seconds.
    """
    finished = os.environ.get("ROTE_BENCH_RUN")
    rows = _finished(Path(finished)) if finished else []
    with tempfile.TemporaryDirectory(prefix="rote-bench-") as folder:
        project = Path(folder) / "project"
        sources = ["Snakefile", "workflow", "config", "profiles", "envs"]
        project.mkdir()
        for name in [*sources, "README.md", "pyproject.toml"]:
            source = ROOT / name
            (shutil.copytree if source.is_dir() else shutil.copy)(source, project / name)
        for name in ("results", "reports"):
            (project / name).mkdir()
        whole = _seconds(project, "--cores", "all")
        rows.append(
            {"comparison": f"{SCALE} run on all cores, wall seconds", "value": round(whole, 1)}
        )
        times = sorted(_seconds(project, "--cores", "all") for _ in range(3))
        rows.append(
            {
                "comparison": "the same with nothing to do, wall seconds (bar: 3)",
                "value": round(times[1], 1),
            }
        )
        commands = _commands(project)
        shutil.rmtree(project / "results")
        script = project / "all.sh"
        script.write_text("set -euo pipefail\n" + "\n".join(commands) + "\n")
        begin = time.perf_counter()
        done = subprocess.run(
            ["bash", script], cwd=project, env=_environment(project), capture_output=True, text=True
        )
        if done.returncode:
            raise RuntimeError(f"the script failed: {done.stderr[-2000:]}")
        alone = time.perf_counter() - begin
        comparison = f"its {len(commands) - 1} commands in a shell script, wall seconds"
        rows.append({"comparison": comparison, "value": round(alone, 1)})
        rows.append(
            {"comparison": f"{SCALE} run over script (bar: 0.65)", "value": round(whole / alone, 2)}
        )
    return rows


def _finished(results: Path) -> list[dict[str, object]]:
    """The ratio of a run that is there, from its benchmark files."""
    from rote.run import profile

    span_s = profile.read(results).span_s
    benchmarks = (results / "benchmarks").glob("*_*.tsv")
    seconds = sum(pd.read_csv(path, sep="\t")["s"].sum() for path in benchmarks)
    return [
        {"comparison": f"{results.name} run, wall seconds", "value": round(span_s)},
        {"comparison": "its jobs one after another, seconds", "value": round(seconds)},
        {
            "comparison": f"{results.name} run over jobs one after another (bar: 0.65)",
            "value": round(span_s / seconds, 2),
        },
    ]


def _environment(project: Path) -> dict[str, str]:
    return {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(project / "workflow"),
        "OMP_NUM_THREADS": "1",
    }


def _snakemake(project: Path, *arguments: str) -> str:
    command = ["snakemake", "--configfile", f"config/{SCALE}.yaml", *arguments]
    done = subprocess.run(
        command, cwd=project, env=_environment(project), capture_output=True, text=True
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed: {(done.stdout + done.stderr)[-2000:]}")
    return done.stdout + done.stderr


def _seconds(project: Path, *arguments: str) -> float:
    begin = time.perf_counter()
    _snakemake(project, *arguments)
    return time.perf_counter() - begin


def _commands(project: Path) -> list[str]:
    """The shell commands of all jobs, makers before readers, after making their folders.

    Of a target, which has no command, Snakemake prints "None".
    """
    output = _snakemake(project, "--cores", "1", "--dry-run", "--forceall", "--printshellcmds")
    jobs = []
    for block in re.split(r"^(?:local)?rule ", output, flags=re.M)[1:]:
        body, _, command = block.partition("Shell command: ")
        files = {
            kind: text.split(", ")
            for kind, text in re.findall(r"^    (input|output|log): (.*)$", body, re.M)
        }
        jobs.append((files, re.split(r"\n(?:\[|\n|Job stats)", command)[0].strip()))
    makers = {}
    folders = set()
    for number, (files, _) in enumerate(jobs):
        makers |= dict.fromkeys(files.get("output", []), number)
        written = [*files.get("output", []), *files.get("log", [])]
        folders |= {str(Path(path).parent) for path in written}
    graph = {}
    for number, (files, _) in enumerate(jobs):
        graph[number] = {makers[path] for path in files.get("input", []) if path in makers}
    commands = [jobs[number][1] for number in TopologicalSorter(graph).static_order()]
    commands = [command for command in commands if command and command != "None"]
    return [f"mkdir -p {' '.join(sorted(folders))}", *commands]
