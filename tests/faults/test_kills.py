"""kill -9 of jobs, of Snakemake and of everything, at random moments: the run goes on and gives the same tables.

ROTE_TEST_KILLS=20 kills the whole smoke run twenty times; by default one paper's run is killed a few times.
"""

import os
import random
import signal
import subprocess
import time
from pathlib import Path

import pytest
import torch
from conftest import BIN, ROOT, copy_project
from rote import config, tables

KILLS = int(os.environ.get("ROTE_TEST_KILLS", "3"))
WHOLE = "ROTE_TEST_KILLS" in os.environ


def start(project: Path, *command: str) -> subprocess.Popen:
    """Start a command of the environment in a process group of its own."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(project / "workflow"),
        "PATH": f"{BIN}:{os.environ['PATH']}",
        "OMP_NUM_THREADS": "1",
    }
    with (project / "told.txt").open("a") as told:
        return subprocess.Popen(command, cwd=project, env=environment, stdout=told, stderr=told, start_new_session=True)


def jobs(leader: int) -> list[int]:
    """Processes of rote's verbs in the session of `leader`."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            session = int((path / "stat").read_text().rsplit(")", 1)[1].split()[3])
            if session == leader and b"bin/rote" in (path / "cmdline").read_bytes():
                found.append(int(path.name))
        except (OSError, ValueError, IndexError):
            continue  # it ended meanwhile
    return found


def strike(running: subprocess.Popen, how: str, rng: random.Random) -> None:
    """Kill a job, Snakemake alone (its jobs live on), or its whole process group."""
    if how == "group":
        os.killpg(running.pid, signal.SIGKILL)
    elif how == "snakemake":
        running.kill()
    elif alive := jobs(running.pid):
        os.kill(rng.choice(alive), signal.SIGKILL)
    if how == "job":
        try:
            running.wait(30)  # Snakemake reports the failure and lets the others finish
        except subprocess.TimeoutExpired:
            os.killpg(running.pid, signal.SIGKILL)
    running.wait()


def test_a_run_that_is_killed_again_and_again_gives_the_same_tables(smoke, tmp_path):
    project = copy_project(tmp_path / "killed")
    target = ["--", "all"] if WHOLE else ["--config", "papers=[longtail]", "--", "report"]
    run = ["snakemake", "--cores", "2", "--configfile", "config/smoke.yaml", *target]
    rng = random.Random(1)
    for number in range(KILLS):
        running = start(project, *run)
        try:
            running.wait(rng.uniform(5, 25 if WHOLE else 14))
        except subprocess.TimeoutExpired:
            strike(running, ("group", "job", "snakemake")[number % 3], rng)
        # what `make resume` does before it goes on
        assert start(project, "snakemake", "--unlock", "--configfile", "config/smoke.yaml").wait() == 0
    assert start(project, *run).wait() == 0, (project / "told.txt").read_text()[-3000:]
    papers = config.load().papers if WHOLE else ["longtail"]
    compared = 0
    for paper in papers:
        for path in sorted((smoke / "results/smoke" / paper).rglob("*.parquet")):
            twin = project / path.relative_to(smoke)
            assert tables.provenance(twin)["data_sha256"] == tables.provenance(path)["data_sha256"], path.name
            compared += 1
        for path in sorted((smoke / "results/smoke" / paper / "figures").glob("*.png")):
            assert (project / path.relative_to(smoke)).read_bytes() == path.read_bytes()
    assert compared > 10
    if WHOLE:  # the manifest's job sweeps
        assert not list((project / "results").rglob("*.tmp*"))
    assert not list((project / "results/smoke").glob("checkpoints/*/*"))


TRAININGS = {
    "stacked": (
        "longtail", "network",
        lambda s: s.longtail.network.model_copy(update={"epochs": 60}),
        ["longtail", "train-network", "--architecture", "sum", "--images", "images.parquet", "--triples",
         "triples.parquet"],
    ),
    "one by one, with losses through a solver": (
        "attention", "trained",
        lambda s: s.attention.trained.model_copy(update={"steps": 2000}),
        ["attention", "train-heads"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TRAININGS)
def test_a_killed_training_repeats_at_most_one_checkpoint_interval(smoke, tmp_path, name):
    """Killed four times: each start resumes from the last checkpoint, and the result is that of one undisturbed run."""
    paper, _, settings, command = TRAININGS[name]
    folder = smoke / "results/smoke" / paper
    values = settings(config.load(ROOT / "config/smoke.yaml")).model_dump_json()
    command = [str(folder / part) if part.endswith(".parquet") else part for part in command]
    every = 20

    def begin(out: Path, checkpoints: Path) -> subprocess.Popen:
        options = ["--out", out, "--checkpoints", checkpoints, "--checkpoint-steps", every, "--settings", values]
        with (tmp_path / "log.txt").open("w") as log:
            return subprocess.Popen(
                [BIN / "rote", *command, *map(str, options)], stderr=log, cwd=smoke,
                env={**os.environ, "PYTHONPATH": str(smoke / "workflow"), "OMP_NUM_THREADS": "1"},
            )  # fmt: skip

    assert begin(tmp_path / "undisturbed.parquet", tmp_path / "other").wait() == 0
    reached = 0
    for _ in range(4):
        before = reached
        running = begin(tmp_path / "killed.parquet", tmp_path / "checkpoints")
        while running.poll() is None and reached < before + 2 * every:
            time.sleep(0.05)
            reached = max([reached, *saved(tmp_path / "checkpoints")])
        running.kill()
        running.wait()
        if before:
            assert f"at step {before}" in (tmp_path / "log.txt").read_text() or reached > before
    assert reached >= every
    assert begin(tmp_path / "killed.parquet", tmp_path / "checkpoints").wait() == 0
    told = (tmp_path / "log.txt").read_text()
    at = [int(line.rsplit(" ", 1)[1]) for line in told.splitlines() if "resumed from" in line]
    assert at
    assert max(at) >= every
    records = [tables.provenance(tmp_path / f"{which}.parquet") for which in ("undisturbed", "killed")]
    assert records[0]["data_sha256"] == records[1]["data_sha256"]
    assert not list((tmp_path / "checkpoints").rglob("*.pt"))


def saved(folder: Path) -> list[int]:
    """Steps of the checkpoints in a folder; a file that is just being replaced is skipped."""
    found = []
    for path in folder.rglob("*.pt"):
        if ".tmp" in path.name:
            continue
        try:
            found.append(torch.load(path, weights_only=True)["step"])
        except (OSError, RuntimeError, EOFError):
            continue
    return found
