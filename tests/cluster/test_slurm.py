"""Through Slurm, for real.

A device per job, a cancelled training that resumes, a drained node, the local run's report.

Without accounting, as on a test machine or a small cluster; `profiles/slurm` says which keys that
takes. Slurm starts Snakemake twice per job: to stay within minutes the chain alone runs, unless
ROTE_TEST_SLURM=whole asks for every paper.
"""

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from functools import partial
from itertools import chain, pairwise
from pathlib import Path
from typing import NamedTuple

import pytest
from conftest import BIN, copy_project, snakemake
from rote.core import tables
from slurm_cluster import Cluster, running

pytestmark = pytest.mark.slurm
# training long enough to be cancelled in the middle
CONFIG = [
    "--config",
    "checkpoint_steps=50",
    "chain={network: {steps: [500, 1000], widths: [8], larger: []}}",
]
if os.environ.get("ROTE_TEST_SLURM") != "whole":
    CONFIG.append("papers=[chain]")
OPTIONS = [
    "--profile",
    "profiles/slurm",
    "--slurm-no-account",
    "--slurm-status-command",
    "squeue",
    "--slurm-init-seconds-before-status-checks",
    "2",
    "--seconds-between-status-checks",
    "2",
    "--latency-wait",
    "10",
    "--jobs",
    "4",
    "--configfile",
    "config/smoke.yaml",
]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory) -> Iterator[Cluster]:
    with running(tmp_path_factory.mktemp("slurm")) as started:
        yield started


def start(project: Path, *arguments: str) -> subprocess.Popen:
    """Snakemake on the cluster, in the background; its output goes to a file."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(project / "workflow"),
        "PATH": f"{BIN}:{os.environ['PATH']}",
        "OMP_NUM_THREADS": "1",
    }
    environment.pop("CUDA_VISIBLE_DEVICES", None)
    with (project / "slurm.txt").open("w") as log:
        command = ["snakemake", *OPTIONS, *arguments]
        # tests that were started in the background hand on that interrupts are ignored
        heeds = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
        return subprocess.Popen(
            command, cwd=project, env=environment, stdout=log, stderr=log, preexec_fn=heeds
        )


class Run(NamedTuple):
    """What happened to the DAG on the cluster."""

    project: Path
    output: str  # of Snakemake
    granted: list[list[str]]  # devices of running jobs at the same moment
    waited: bool  # whether Snakemake waited while the node was drained


@pytest.fixture(scope="module")
def disturbed(cluster, tmp_path_factory) -> Run:
    """The DAG through Slurm; amid a training its job is cancelled, the node drained and resumed."""
    project = copy_project(tmp_path_factory.mktemp("cluster") / "project")
    process = start(project, *CONFIG, "--", "report")
    granted = []
    state = {"cancelled": False, "waited": False}

    def watched() -> bool:
        jobs = [(job, comment) for job, status, comment in cluster.jobs() if status == "RUNNING"]
        granted.append(list(chain.from_iterable(cluster.devices(job) for job, _ in jobs)))
        saved = {
            path.parent
            for path in (project / "results/smoke/checkpoints").glob("chain-train-*/*.pt")
        }
        training = [job for job, comment in jobs if "chain_train_model" in comment]
        # every running training has saved: the one that is cancelled has something to resume from
        if training and len(saved) >= len(training) and not state["cancelled"]:
            cluster.call("scancel", training[0])
            cluster.call(
                "scontrol", "update", f"nodename={cluster.node}", "state=drain", "reason=test"
            )
            cluster.wait(lambda: "drained" in cluster.call("sinfo", "--format", "%T"), 120)
            state.update(cancelled=True, waited=process.poll() is None)
            cluster.call("scontrol", "update", f"nodename={cluster.node}", "state=resume")
        return process.poll() is not None

    cluster.wait(watched, 1500 if "papers=[chain]" in CONFIG else 5400)
    output = (project / "slurm.txt").read_text()
    assert process.returncode == 0, output[-6000:]
    assert state["cancelled"]
    return Run(project, output, granted, state["waited"])


@pytest.fixture(scope="module")
def local(tmp_path_factory) -> Path:
    """The same DAG without a cluster, undisturbed."""
    project = copy_project(tmp_path_factory.mktemp("local") / "project")
    snakemake(project, *CONFIG, "--", "report")
    return project


def test_slurm_gives_each_device_job_a_free_device(disturbed):
    assert all(len(devices) == len(set(devices)) for devices in disturbed.granted)
    assert max(len(devices) for devices in disturbed.granted) == 2
    logs = (disturbed.project / "results/smoke/logs").glob("chain_train_*.log")
    logged = [re.findall(r"devices: (.*)\)", log.read_text()) for log in logs]
    assert len(logged) == 4  # scoring networks and networks of two worlds
    assert set(chain.from_iterable(logged)) == {"0", "1"}
    leases: dict[str, list[tuple[str, str]]] = {}  # by device: when a job began and ended
    for log in (disturbed.project / "results/smoke/logs").glob("*.log"):
        begun = re.findall(r"^([\d:]{8}) .*: start .*devices: (.*)\)$", log.read_text(), flags=re.M)
        done = re.findall(r"^([\d:]{8}) .*: done in", log.read_text(), flags=re.M)
        if begun and begun[-1][1] != "none":
            assert begun[-1][1] in ("0", "1")  # one device
            leases.setdefault(begun[-1][1], []).append((begun[-1][0], done[-1]))
    for spans in leases.values():  # none at the same time as another
        spans.sort()
        assert all(before[1] <= after[0] for before, after in pairwise(spans))
    drawn = (disturbed.project / "results/smoke/logs/chain_draw_figures.log").read_text()
    assert "devices: none" in drawn


@pytest.mark.fault("cancelled Slurm job")
def test_slurm_resumes_a_cancelled_training(disturbed):
    assert "CANCELLED" in disturbed.output
    logs = [
        path.read_text()
        for path in (disturbed.project / "results/smoke/logs").glob("chain_train_model*.log")
    ]
    assert any("resumed from" in log for log in logs)


@pytest.mark.fault("drained node")
def test_slurm_run_waits_for_a_drained_node(disturbed):
    assert disturbed.waited


def test_slurm_run_equals_the_local_run(disturbed, local):
    paths = sorted(path.relative_to(local) for path in (local / "results").rglob("*.parquet"))
    assert len(paths) > 8
    for path in paths:
        undisturbed, resumed = (
            tables.provenance(folder / path)["data_sha256"] for folder in (local, disturbed.project)
        )
        assert undisturbed == resumed, path
    models = sorted(
        path.relative_to(local) for path in (local / "results/smoke/chain/models").iterdir()
    )
    for path in [*models, Path("reports/smoke/chain.ipynb"), Path("reports/smoke/chain.html")]:
        assert (local / path).read_bytes() == (disturbed.project / path).read_bytes(), path


@pytest.mark.fault("Ctrl-C")
def test_slurm_interrupt_cancels_the_jobs(cluster, tmp_path):
    project = copy_project(tmp_path / "project")
    endless = ["--config", "chain={network: {steps: [20, 1000000], larger: []}}"]
    process = start(project, *endless, "--", "results/smoke/chain/unpruned/facts-160-8.safetensors")
    try:
        cluster.wait(
            lambda: any("chain_train_scorer" in comment for _, _, comment in cluster.jobs()), 300
        )
        process.send_signal(signal.SIGINT)
        process.wait(400)
        cluster.wait(lambda: not cluster.jobs(), 200)
    finally:
        process.kill()
        process.wait()
