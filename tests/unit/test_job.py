"""Jobs: device leases between processes, threads, progress."""

import os
import signal
import subprocess
import sys
import time
import uuid

import numpy as np
import pytest
from rote.core import job, verbs
from rote.core.errors import InputError

HOLD = """
import os, sys, time
from rote.core import job, verbs
with job.lease(int(sys.argv[1]), poll_s=0.02) as devices:
    print(",".join(devices), os.environ["CUDA_VISIBLE_DEVICES"], flush=True)
    time.sleep(float(sys.argv[2]))
"""


@pytest.fixture
def devices(monkeypatch) -> list[str]:
    """Two fake devices whose names no other test uses."""
    names = [f"MIG-fake-{uuid.uuid4().hex[:8]}-{i}" for i in range(2)]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", ",".join(names))
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    return names


@pytest.fixture
def start_lease():
    """Start processes that lease `n` devices, say which, and hold them for some seconds."""
    started = []

    def start(n: int, seconds: float) -> subprocess.Popen:
        command = [sys.executable, "-c", HOLD, str(n), str(seconds)]
        started.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()


def test_lease_gives_concurrent_jobs_different_devices(devices, start_lease):
    jobs = [start_lease(1, 1.0) for _ in range(2)]
    grants = [process.stdout.readline().split() for process in jobs]
    assert sorted(line[0] for line in grants) == sorted(devices)
    assert all(leased == visible for leased, visible in grants)
    assert all(process.wait() == 0 for process in jobs)


def test_lease_waits_while_all_devices_are_taken(devices, start_lease):
    """`--resources gpu=2` forgotten: six jobs at once on two devices still never share one."""
    start = time.monotonic()
    jobs = [start_lease(1, 0.3) for _ in range(6)]
    assert all(process.wait(timeout=60) == 0 for process in jobs)
    assert time.monotonic() - start >= 0.9  # three rounds of two


def test_lease_of_two_devices_waits_for_both(devices, start_lease):
    small = start_lease(1, 0.5)
    small.stdout.readline()
    start = time.monotonic()
    both = start_lease(2, 0.0)
    assert sorted(both.stdout.readline().split()[0].split(",")) == sorted(devices)
    assert time.monotonic() - start > 0.2
    assert small.wait() == both.wait() == 0


def test_lease_ends_with_a_killed_job(devices, start_lease):
    victim = start_lease(2, 60)
    victim.stdout.readline()
    victim.send_signal(signal.SIGKILL)
    victim.wait()
    with job.lease(2) as leased:
        assert sorted(leased) == sorted(devices)


def test_lease_shows_its_devices_alone_and_restores_the_environment(devices):
    before = os.environ["CUDA_VISIBLE_DEVICES"]
    with job.lease(1) as outer:
        assert os.environ["CUDA_VISIBLE_DEVICES"] == outer[0]
    assert os.environ["CUDA_VISIBLE_DEVICES"] == before
    with job.lease(0) as none:
        assert none == []
        assert os.environ["CUDA_VISIBLE_DEVICES"] == ""
    with pytest.raises(RuntimeError), job.lease(1):
        raise RuntimeError
    with job.lease(2) as leased:  # freed by the exception
        assert len(leased) == 2


def test_lease_inside_a_slurm_allocation(devices, monkeypatch, start_lease):
    """Two jobs in one interactive allocation of two devices."""
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    jobs = [start_lease(1, 1.0) for _ in range(2)]
    grants = [process.stdout.readline().split()[0] for process in jobs]
    assert sorted(grants) == sorted(devices)


def test_lease_inside_slurm_without_uuids_counts_within_the_allocation(monkeypatch):
    """Where each allocation's first device has the index 0, two allocations do not wait."""
    monkeypatch.setattr(job, "_uuids", tuple)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    number = uuid.uuid4().hex[:8]
    monkeypatch.setenv("SLURM_JOB_ID", f"{number}1")
    with job.lease(1) as first:
        monkeypatch.setenv("SLURM_JOB_ID", f"{number}2")
        with job.lease(1) as second:
            assert first == second == ["0"]


UUIDS = tuple(f"GPU-{start}-4d5e-{uuid.uuid4()}" for start in ("1a2b3c4d", "1a9f0000", "77777777"))


@pytest.mark.parametrize(
    ("named", "expected"),
    [
        ("GPU-1a2b", ["GPU-1a2b"]),
        ("2,GPU-7", ["2"]),  # one device by two names
        ("GPU-1a9,0", ["GPU-1a9", "0"]),
        ("0,GPU-1a,2", ["0"]),  # ambiguous: CUDA ignores it and what follows
        ("1,GPU-5,2", ["1"]),  # unknown
        ("1,3,2", ["1"]),  # no such index
        ("3", []),
        ("", []),
        (" ", []),
        ("-1", []),
        ("none", []),
        ("all", []),  # a word of container runtimes
        (" 2 , GPU-1a2 ", ["2", "GPU-1a2"]),
        ("1,,2", ["1"]),
        ("GPU-", []),
        ("gpu-1a2b", []),  # in CUDA capitals matter
        ("0x1", []),
        ("01", ["01"]),
        ("MIG-5,MIG-5", ["MIG-5"]),
    ],
)
def test_devices_have_many_names(monkeypatch, named, expected):
    monkeypatch.setattr(job, "_uuids", lambda: UUIDS)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", named)
    assert job.visible_devices() == expected


def test_names_of_one_device_are_one_lock(monkeypatch):
    monkeypatch.setattr(job, "_uuids", lambda: UUIDS)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-777,1")
    with job.lease(1) as first:
        assert first == ["GPU-777"]
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", f"2,{UUIDS[0]}")
        with job.lease(1) as second:
            assert second == [UUIDS[0]]


@pytest.mark.parametrize("value", ["", "-1", "NoDevFiles"])
def test_job_without_devices_computes_on_the_cpu(monkeypatch, value):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", value)
    with job.lease(1) as leased:
        assert leased == []
    with job.start("test", gpus=1) as running:
        assert running.device == "cpu"
        assert running.provenance()["device"] == "cpu"


def test_lease_refuses_what_is_impossible(devices):
    with pytest.raises(InputError, match="wants 3 devices, this machine shows 2"), job.lease(3):
        pass
    with pytest.raises(InputError, match="0 or more, given -1"), job.lease(-1):
        pass


def test_visible_devices_end_at_an_invalid_entry_as_in_cuda(monkeypatch):
    monkeypatch.setattr(job, "_uuids", lambda: UUIDS)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0, 1,-1,2")
    assert job.visible_devices() == ["0", "1"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,0")
    assert job.visible_devices() == ["0"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "²")  # a digit, but no number
    assert job.visible_devices() == []


@pytest.mark.parametrize(("named", "unknown"), [("0,9", "9"), ("all", "all"), ("1,-1", "")])
def test_names_of_no_device_are_said(monkeypatch, caplog, named, unknown):
    monkeypatch.setattr(job, "_uuids", lambda: UUIDS)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", named)
    with job.lease(1):
        assert (f"ends at {unknown!r}" in caplog.text) == bool(unknown)


def test_indices_are_those_of_nvidia_smi_in_cuda_too(monkeypatch):
    monkeypatch.setattr(job, "_uuids", lambda: UUIDS)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    monkeypatch.delenv("CUDA_DEVICE_ORDER", raising=False)
    with job.lease(1):
        assert os.environ.pop("CUDA_DEVICE_ORDER") == "PCI_BUS_ID"


def test_limit_threads_is_exact_and_ends(monkeypatch):
    import torch
    from threadpoolctl import threadpool_info

    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    before = torch.get_num_threads()
    for threads in (2, 1):
        with job.start("test", threads=threads):
            assert torch.get_num_threads() == threads
            assert {pool["num_threads"] for pool in threadpool_info()} == {threads}
            assert os.environ["OMP_NUM_THREADS"] == str(threads)
        assert torch.get_num_threads() == before
        assert (os.environ["OMP_NUM_THREADS"], os.environ.get("MKL_NUM_THREADS")) == ("5", None)
    with pytest.raises(InputError, match="at least 1, given 0"), job.start("test", threads=0):
        pass


def test_track_writes_plain_log_lines_without_a_terminal(caplog):
    with caplog.at_level("INFO", logger="rote"):
        assert list(job.track(range(3), "steps", every_s=0.0)) == [0, 1, 2]
    assert "steps: 2 of 3" in caplog.text


def test_provenance_says_who_made_a_table():
    with job.start("some verb", seed=3, code="abc") as running:
        record = running.provenance()
    assert record["verb"] == "some verb"
    assert (record["seed"], record["threads"], record["code_digest"]) == (3, 1, "abc")
    assert record["versions"]["torch"]
    assert record["wall_s"] >= 0


def test_track_lines_come_further_apart_and_tell_the_status(caplog, monkeypatch):
    now = iter(range(10_000))
    monkeypatch.setattr(job.time, "monotonic", lambda: float(next(now)))
    with caplog.at_level("INFO", logger="rote"):
        assert sum(1 for _ in job.track(range(2000), "steps", status=lambda: "loss 0.5")) == 2000
    lines = [record.message for record in caplog.records]
    assert lines[0] == "steps: 2 of 2000, loss 0.5, 2 s, about 1998 s left"
    seconds = [int(line.split(", ")[2].split()[0]) for line in lines]
    gaps = np.diff(seconds)
    assert (np.diff(gaps) >= 0).all()
    assert gaps[0] == 2
    assert gaps[-1] == 60


def train(run, checkpoints, error=None):
    """A job that saves its state, and perhaps fails then."""
    with verbs.resumable(run, checkpoints, "paper") as folder:
        if folder:
            folder.mkdir(exist_ok=True)
            (folder / "stack.pt").write_bytes(b"state")
        if error:
            raise error


def test_checkpoints_are_removed_only_when_a_job_is_done(tmp_path):
    with job.start("paper verb", code="abc", seed=1) as run:
        with pytest.raises(KeyError):
            train(run, tmp_path, KeyError())
        assert (tmp_path / f"paper-abc-{run.digest}/stack.pt").exists()
        train(run, tmp_path)
        assert list(tmp_path.iterdir()) == []
        train(run, None)
