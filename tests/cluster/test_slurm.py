"""Through Slurm, for real: a device per job, cancelled trainings that resume, a drained node, the local run's report.

Without accounting, as on a test machine or a small cluster; `profiles/slurm` says which keys that takes.
"""

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import BIN, copy_project, snakemake
from rote import tables
from slurm_cluster import Cluster, running

pytestmark = [pytest.mark.slurm, pytest.mark.slow]
# the whole smoke DAG takes about a quarter of an hour through Slurm, which starts Snakemake twice per job
WHOLE = os.environ.get("ROTE_TEST_SLURM") == "whole"
PAPERS = "null" if WHOLE else "[chain,cramless]"
GPU_RULES = ("chain_train_scorer", "chain_train_model", "cramless_train_networks")
OPTIONS = ["--profile", "profiles/slurm", "--slurm-no-account", "--slurm-status-command", "squeue",
           "--slurm-init-seconds-before-status-checks", "2", "--seconds-between-status-checks", "2",
           "--latency-wait", "10", "--jobs", "4", "--configfile", "config/smoke.yaml"]  # fmt: skip


@pytest.fixture(scope="module")
def cluster(tmp_path_factory) -> Iterator[Cluster]:
    with running(tmp_path_factory.mktemp("slurm")) as found:
        yield found


def config(**keys: str) -> list[str]:
    """Options that change the config."""
    papers = {} if WHOLE else {"papers": PAPERS}
    return ["--config", *(f"{name}={value}" for name, value in (papers | keys).items())]


def start(project: Path, *arguments: str) -> subprocess.Popen:
    """Snakemake on the cluster, in the background; what it says goes to a file."""
    environment = {**os.environ, "PYTHONPATH": str(project / "workflow"), "PATH": f"{BIN}:{os.environ['PATH']}",
                   "OMP_NUM_THREADS": "1"}  # fmt: skip
    environment.pop("CUDA_VISIBLE_DEVICES", None)
    with (project / "slurm.txt").open("w") as log:
        return subprocess.Popen(
            ["snakemake", *OPTIONS, *arguments], cwd=project, env=environment, stdout=log, stderr=log
        )


def finish(project: Path, process: subprocess.Popen, seconds: float = 1500.0) -> str:
    code = process.wait(seconds)
    told = (project / "slurm.txt").read_text()
    assert code == 0, told[-6000:]
    return told


def devices(project: Path, rules: tuple[str, ...] = GPU_RULES) -> dict[str, list[str]]:
    """Devices that each job on devices says it held, by log."""
    found = {}
    for path in sorted((project / "results/smoke/logs").glob("*.log")):
        if path.stem.startswith(rules):
            found[path.stem] = re.findall(r"devices: (.*)\)", path.read_text())
    return found


def same_tables(one: Path, other: Path) -> None:
    paths = sorted(path.relative_to(one) for path in (one / "results").rglob("*.parquet"))
    assert paths
    for path in paths:
        assert tables.provenance(one / path)["data_sha256"] == tables.provenance(other / path)["data_sha256"], path


@pytest.fixture(scope="module")
def local(tmp_path_factory) -> Path:
    """The same DAG without a cluster."""
    project = copy_project(tmp_path_factory.mktemp("local") / "project")
    snakemake(project, *config(), "--", "report")
    return project


def test_the_dag_through_slurm_is_the_dag_without_it(cluster, local, tmp_path):
    project = copy_project(tmp_path / "project")
    process = start(project, *config(), "--", "report")
    together = set()

    def watched() -> bool:
        running = [job for job, state, _ in cluster.jobs() if state == "RUNNING"]
        held = [device for job in running for device in _granted(cluster, job)]
        assert len(held) == len(set(held)), f"a device was granted twice: {held}"
        together.add(len(held))
        return process.poll() is not None

    cluster.wait(watched, 1500)
    finish(project, process)
    used = devices(project)
    assert {name for names in used.values() for name in names} == {"0", "1"}  # one each, and both are used
    assert 2 in together
    same_tables(local, project)
    pages = sorted(path.relative_to(local) for path in (local / "reports/smoke").glob("*.ipynb"))
    assert pages
    for page in pages:
        assert (local / page).read_bytes() == (project / page).read_bytes(), page


def _granted(cluster, job: str) -> list[str]:
    """Devices that Slurm gave to a job."""
    try:
        about = cluster.call("scontrol", "show", "job", "--detail", job)
    except subprocess.CalledProcessError:  # it has ended meanwhile
        return []
    found = re.search(r"GRES=gpu:fake:\d+\(IDX:([\d,-]+)\)", about)
    if not found:
        return []
    first, _, last = found[1].partition("-")
    return [str(n) for n in range(int(first), int(last or first) + 1)] if "," not in found[1] else found[1].split(",")


def test_a_cancelled_training_resumes_with_the_same_bytes(cluster, tmp_path):
    """`scancel` in mid-training; `retries` of the profile submits it again, from its checkpoint."""
    long = "chain={network: {steps: 1500, scoring_steps: 20, ladder: []}, world: {loads: [2.0]}}"
    target = "results/smoke/chain/models/load-2-8.safetensors"
    whole = copy_project(tmp_path / "whole")
    snakemake(whole, "--config", long, "checkpoint_steps=50", "--", target)
    project = copy_project(tmp_path / "project")
    process = start(project, "--config", long, "checkpoint_steps=50", "--", target)
    cluster.wait(lambda: list((project / "results/smoke/checkpoints").glob("chain-train-load*/*.pt")), 300)
    (job,) = {job for job, state, comment in cluster.jobs() if state == "RUNNING" and "train_model" in comment}
    cluster.call("scancel", job)
    told = finish(project, process)
    assert "CANCELLED" in told
    logs = list((project / ".snakemake/slurm_logs").rglob("*.log"))
    log = (project / "results/smoke/logs/chain_train_model_load-2-8.log").read_text()
    assert "resumed from" in log, (log, logs)
    assert (whole / target).read_bytes() == (project / target).read_bytes()


def test_a_drained_node_that_comes_back_loses_nothing(cluster, tmp_path):
    project = copy_project(tmp_path / "project")
    small = "chain={network: {ladder: []}, world: {loads: [2.0]}}"
    process = start(project, "--config", small, "--", "results/smoke/chain/facts.parquet")
    cluster.wait(lambda: any(state == "RUNNING" for _, state, _ in cluster.jobs()), 120)
    cluster.call("scontrol", "update", f"nodename={cluster.node}", "state=drain", "reason=test")
    cluster.wait(lambda: "drained" in cluster.call("sinfo", "--format", "%T"), 120)
    assert process.poll() is None  # jobs wait in the queue
    cluster.call("scontrol", "update", f"nodename={cluster.node}", "state=resume")
    finish(project, process)
    assert (project / "results/smoke/chain/facts.parquet").exists()


def test_an_interrupted_snakemake_takes_its_jobs_with_it(cluster, tmp_path):
    project = copy_project(tmp_path / "project")
    long = "chain={network: {steps: 100000, scoring_steps: 20, ladder: []}, world: {loads: [2.0]}}"
    process = start(project, "--config", long, "--", "results/smoke/chain/models/load-2-8.safetensors")
    cluster.wait(lambda: any("train_model" in comment for _, _, comment in cluster.jobs()), 300)
    process.send_signal(signal.SIGINT)
    process.wait(120)
    cluster.wait(lambda: not cluster.jobs(), 60)
