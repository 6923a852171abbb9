"""kill -9 of jobs, of Snakemake, of everything, at random: the run goes on to the same tables.

The fixture `resumed` is a whole smoke run that was killed a few times (ROTE_TEST_KILLS sets how
often).
"""

import os
import re
import subprocess
import time
from pathlib import Path

import pytest
import torch
from conftest import BIN, RESUMED_PAPERS, ROOT, tried
from rote.core import tables
from rote.run import config


def test_killed_run_gives_the_same_tables(smoke, resumed):
    output = (resumed / "output.txt").read_text()
    assert output.count("# killed") >= 3
    for paper in RESUMED_PAPERS:
        paths = sorted((smoke / f"results/smoke/{paper}").rglob("*.parquet"))
        assert paths
        for path in paths:
            twin = resumed / path.relative_to(smoke)
            assert (
                tables.provenance(path)["data_sha256"] == tables.provenance(twin)["data_sha256"]
            ), path.name
    assert not list((resumed / "results").rglob("*.tmp*"))  # the manifest's job sweeps
    assert not list((resumed / "results/smoke").glob("checkpoints/*/*"))


def test_killed_run_repeats_only_interrupted_jobs(smoke, resumed):
    """A kill costs at most the running jobs: two, and one whose end was not recorded yet."""

    def finished(text):
        return len(re.findall(r"^Finished jobid: ", text, flags=re.M))

    output = (resumed / "output.txt").read_text()
    once = len(list((resumed / "results/smoke/benchmarks").glob("*_*.tsv")))
    assert once > 30
    assert once <= finished(output) <= once + 3 * output.count("# killed")


TRAININGS = {
    "stacked": (
        "longtail",
        "network",
        lambda s: s.longtail.network.model_copy(update={"epochs": 30}),
        [
            "longtail",
            "train-network",
            "--architecture",
            "sum",
            "--images",
            "images.parquet",
            "--triples",
            "triples.parquet",
        ],
    ),
    "one by one, with losses through a solver": (
        "attention",
        "trained",
        lambda s: s.attention.trained.model_copy(update={"steps": 160}),
        ["attention", "train-heads"],
    ),
}


@pytest.mark.parametrize("name", TRAININGS)
def test_killed_training_resumes_from_its_last_checkpoint(smoke, tmp_path, name):
    """Killed three times, it resumes from the last checkpoint, with the undisturbed result."""
    paper, _, settings, command = TRAININGS[name]
    folder = smoke / "results/smoke" / paper
    values = settings(config.load(ROOT / "config/smoke.yaml")).model_dump_json()
    command = [str(folder / part) if part.endswith(".parquet") else part for part in command]
    every = 20

    def begin(out: Path, checkpoints: Path) -> subprocess.Popen:
        options = [
            "--out",
            out,
            "--checkpoints",
            checkpoints,
            "--checkpoint-steps",
            every,
            "--settings",
            values,
        ]
        with (tmp_path / "log.txt").open("w") as log:
            return subprocess.Popen(
                [BIN / "rote", *command, *map(str, options)],
                stderr=log,
                cwd=smoke,
                env={
                    **os.environ,
                    "PYTHONPATH": str(smoke / "workflow"),
                    "OMP_NUM_THREADS": "1",
                    "NUMBA_CACHE_DIR": str(tmp_path / "compiled"),  # empty before the first
                },
            )

    assert begin(tmp_path / "undisturbed.parquet", tmp_path / "other").wait() == 0
    reached = 0
    for _ in range(3):
        before = reached
        running = begin(tmp_path / "killed.parquet", tmp_path / "checkpoints")
        while running.poll() is None and reached < before + 2 * every:
            time.sleep(0.05)
            reached = max([reached, *saved(tmp_path / "checkpoints")])
        running.kill()
        tried("kill -9 of a training")
        running.wait()
        if before:
            assert f"at step {before}" in (tmp_path / "log.txt").read_text() or reached > before
    assert reached >= every
    assert begin(tmp_path / "killed.parquet", tmp_path / "checkpoints").wait() == 0
    output = (tmp_path / "log.txt").read_text()
    at = [int(line.rsplit(" ", 1)[1]) for line in output.splitlines() if "resumed from" in line]
    assert at
    assert max(at) >= every
    records = [
        tables.provenance(tmp_path / f"{which}.parquet") for which in ("undisturbed", "killed")
    ]
    assert records[0]["data_sha256"] == records[1]["data_sha256"]
    assert not list((tmp_path / "checkpoints").rglob("*.pt"))


def saved(folder: Path) -> list[int]:
    """Steps of the checkpoints in a folder; a file that is just being replaced is skipped."""
    steps = []
    for path in folder.rglob("*.pt"):
        if ".tmp" in path.name:
            continue
        try:
            steps.append(torch.load(path, weights_only=True)["step"])
        except (OSError, RuntimeError, EOFError):
            continue
    return steps
