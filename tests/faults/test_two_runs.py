"""Two runs at once: on the same results the second is refused; on others both finish."""

import os
import re
import signal
import subprocess
import time

import pytest
from conftest import BIN, run, start
from rote.core import tables


def wait_for(path, seconds=60):
    end = time.monotonic() + seconds
    while not path.exists() and time.monotonic() < end:
        time.sleep(0.1)
    assert path.exists(), path


@pytest.mark.fault("two runs at once")
def test_second_run_of_the_same_results_is_refused(project):
    command = [
        "snakemake",
        "--cores",
        "1",
        "--configfile",
        "config/smoke.yaml",
        "--",
        "results/smoke/longtail/network.parquet",
    ]
    first = start(project, *command)
    wait_for(project / "results/smoke/logs/longtail_synthesize_images.log")
    os.killpg(first.pid, signal.SIGSTOP)  # else it may end before the second has begun
    try:
        second = run(project, *command, check=False)
    finally:
        os.killpg(first.pid, signal.SIGCONT)
    assert second.returncode
    assert "LockException" in second.stderr
    assert "--unlock" in second.stderr
    assert first.wait() == 0, (project / "output.txt").read_text()[-2000:]
    assert len(tables.read(project / "results/smoke/longtail/network.parquet"))


@pytest.mark.fault("two runs at once")
def test_two_runs_share_the_devices(project, monkeypatch):
    """Two runs, two fake devices between them: no device is leased twice, no file is mixed up."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "MIG-fake-x,MIG-fake-y")
    running = []
    for number in (1, 2):
        running.append(
            start(
                project,
                "snakemake",
                "--cores",
                "2",
                "--configfile",
                "config/smoke.yaml",
                "--config",
                f"run=r{number}",
                f"seed={number}",
                "--",
                f"results/r{number}/longtail/network.parquet",
            )
        )
        wait_for(project / f"results/r{number}/logs/longtail_synthesize_images.log")
    assert [one.wait() for one in running] == [0, 0], (project / "output.txt").read_text()[-3000:]
    leases = []  # (begin, end, device) of every training
    for path in (project / "results").glob("r*/logs/longtail_train_network_*.log"):
        text = path.read_text()
        device = re.search(r"devices: ([\w-]+)", text)[1]
        assert device in ("MIG-fake-x", "MIG-fake-y")
        begin, end = (
            re.search(rf"^(\d\d):(\d\d):(\d\d) .*: {word}", text, flags=re.M).groups()
            for word in ("start", "done")
        )
        first, last = (int(h) * 3600 + int(m) * 60 + int(s) for h, m, s in (begin, end))
        leases.append((first, last, device))
    assert len(leases) == 4
    for begin, end, device in leases:
        for other_begin, _, other in leases:
            if other == device and other_begin != begin:
                assert not begin < other_begin < end
    seeds = [
        tables.provenance(project / f"results/r{n}/longtail/network.parquet")["seed"]
        for n in (1, 2)
    ]
    assert seeds == [1, 2]


@pytest.mark.fault("two runs at once")
def test_two_writers_leave_one_whole_table(tmp_path):
    program = (
        "import sys, pandas as pd; from pathlib import Path; from rote.core import tables\n"
        "for number in range(60):\n"
        "    with tables.atomic(Path(sys.argv[1])) as temporary:\n"
        "        pd.DataFrame({'x': [int(sys.argv[2])] * 20_000}).to_parquet(temporary)\n"
    )
    path = tmp_path / "t.parquet"
    writers = [
        subprocess.Popen([BIN / "python", "-c", program, path, str(number)]) for number in (1, 2)
    ]
    wait_for(path)
    while any(writer.poll() is None for writer in writers):
        frame = tables.read(path)
        assert len(frame) == 20_000
        assert frame["x"].nunique() == 1
    assert [writer.returncode for writer in writers] == [0, 0]
    assert [file.name for file in tmp_path.iterdir()] == ["t.parquet"]
