"""A real Slurm cluster on this machine, with two devices that are only device files."""

import os
import re
import shutil
import socket
import stat
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ETC = Path("/etc/slurm")
MARK = "# written by rote's tests"
DEVICES = [Path("/dev/fakegpu0"), Path("/dev/fakegpu1")]
CONF = """{mark}
ClusterName=rote
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
CredType=cred/munge
MpiDefault=none
ReturnToService=2
StateSaveLocation={work}/state
SlurmdSpoolDir={work}/spool
SlurmctldPidFile={work}/slurmctld.pid
SlurmdPidFile={work}/slurmd.pid
SlurmctldLogFile={work}/slurmctld.log
SlurmdLogFile={work}/slurmd.log
SwitchType=switch/none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SchedulerType=sched/backfill
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
GresTypes=gpu
MinJobAge=300
NodeName={host} NodeAddr=127.0.0.1 CPUs={cores} Boards=1 SocketsPerBoard=1 \
CoresPerSocket={cores} ThreadsPerCore=1 RealMemory={memory} Gres=gpu:fake:2 State=UNKNOWN
PartitionName=main Nodes={host} Default=YES MaxTime=01:00:00 State=UP
"""


class Cluster:
    """The running cluster."""

    def __init__(self, work: Path):
        self.work = work
        self.node = socket.gethostname().split(".")[0]

    def call(self, *command: str) -> str:
        """Output of one of Slurm's commands."""
        return subprocess.run(
            command, check=True, capture_output=True, text=True, timeout=60
        ).stdout

    def jobs(self) -> list[tuple[str, str, str]]:
        """(id, state, comment) of pending and running jobs; the comment names the rule."""
        lines = self.call("squeue", "--noheader", "--format", "%A|%T|%k").splitlines()
        return [tuple(line.split("|")) for line in lines]

    def devices(self, job: str) -> list[str]:
        """Numbers of the devices that Slurm gave to a job."""
        try:
            about = self.call("scontrol", "show", "job", "--detail", job)
        except subprocess.CalledProcessError:  # it has ended meanwhile
            return []
        match = re.search(r"GRES=gpu:fake:\d+\(IDX:([\d,-]+)\)", about)
        if not match:
            return []
        first, _, last = match[1].partition("-")
        if not last:
            return match[1].split(",")
        return [str(number) for number in range(int(first), int(last) + 1)]

    def wait(self, condition, seconds: float = 120.0):
        """Until `condition()` is true; its value."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if value := condition():
                return value
            time.sleep(0.3)
        raise AssertionError(
            f"did not happen within {seconds} s; {self.call('sinfo')}{self.call('squeue')}"
        )


@contextmanager
def running(work: Path) -> Iterator[Cluster]:
    """Starts the daemons, and stops them. Skips where Slurm is not installed, or is in use."""
    programs = ("munged", "slurmctld", "slurmd", "sbatch")
    missing = [name for name in programs if not shutil.which(name, path=_path())]
    if missing or os.geteuid():
        pytest.skip(
            "needs root and Slurm (apt-get install slurm-wlm munge); "
            f"missing: {', '.join(missing) or 'root'}"
        )
    if (ETC / "slurm.conf").exists() and MARK not in (ETC / "slurm.conf").read_text():
        pytest.skip("this machine belongs to a Slurm cluster already")
    cluster = Cluster(work)
    processes = []
    for name in ("state", "spool"):
        (work / name).mkdir()
    ETC.mkdir(exist_ok=True)
    cores = os.cpu_count() or 1
    memory = min(
        16_000, os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") * 8 // 10 // 2**20
    )
    (ETC / "slurm.conf").write_text(
        CONF.format(mark=MARK, host=cluster.node, work=work, cores=cores, memory=memory)
    )
    (ETC / "gres.conf").write_text("Name=gpu Type=fake File=/dev/fakegpu[0-1]\n")
    (ETC / "cgroup.conf").write_text("")
    environment = {**os.environ, "PATH": _path()}
    try:
        for number, device in enumerate(DEVICES):
            if not device.exists():
                os.mknod(device, 0o666 | stat.S_IFCHR, os.makedev(195, 200 + number))
        shutil.rmtree("/run/munge", ignore_errors=True)
        subprocess.run(["install", "-d", "-o", "munge", "-g", "munge", "/run/munge"], check=True)
        if not Path("/etc/munge/munge.key").exists():
            subprocess.run(["mungekey", "--create"], check=True, env=environment)
            shutil.chown("/etc/munge/munge.key", "munge", "munge")
        for command in (
            ["su", "-s", "/bin/sh", "munge", "-c", f"{shutil.which('munged', path=_path())} -F"],
            ["slurmctld", "-D", "-c"],
            ["slurmd", "-D", "-c"],
        ):
            with (work / f"{command[0]}.out").open("w") as log:
                processes.append(subprocess.Popen(command, env=environment, stdout=log, stderr=log))
            time.sleep(1)
        end = time.monotonic() + 60
        while "idle" not in subprocess.run(["sinfo"], capture_output=True, text=True).stdout:
            if time.monotonic() > end:
                logs = "\n".join(path.read_text()[-600:] for path in sorted(work.glob("*.log")))
                pytest.skip(f"Slurm's daemons do not start on this machine:\n{logs}")
            time.sleep(0.5)
        yield cluster
    except PermissionError as error:
        pytest.skip(f"this machine allows no device files: {error}")
    finally:
        subprocess.run(["scancel", "--user", "root"], capture_output=True)
        for process in processes[::-1]:
            process.terminate()
        for process in processes:
            process.wait(150)
        subprocess.run(["pkill", "munged"], capture_output=True)
        for device in DEVICES:
            device.unlink(missing_ok=True)
        for name in ("slurm.conf", "gres.conf", "cgroup.conf"):
            (ETC / name).unlink(missing_ok=True)


def _path() -> str:
    return f"{os.environ['PATH']}:/usr/sbin:/sbin"
