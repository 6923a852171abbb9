"""What every verb needs around its work: threads, a device, log lines, progress, provenance."""

import fcntl
import json
import logging
import os
import platform
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

from rote.core import nvidia
from rote.core.errors import InputError

log = logging.getLogger("rote")
Item = TypeVar("Item")


@dataclass(frozen=True)
class Job:
    """One running verb: where it may compute, and what its tables will say about it."""

    name: str
    seed: int
    threads: int
    devices: list[str]
    settings: Any = None
    code: str = ""
    started: tuple[float, float] = field(
        default_factory=lambda: (time.perf_counter(), time.process_time())
    )

    @property
    def device(self) -> str:
        """`cuda` if this job holds a device and torch can use it, else `cpu`."""
        if not self.devices:
            return "cpu"
        import torch

        return "cuda" if torch.cuda.is_available() else "cpu"

    def _settings(self) -> dict[str, Any]:
        """The settings, fit for JSON."""
        return self.settings.model_dump(mode="json") if self.settings is not None else {}

    @property
    def digest(self) -> str:
        """Digest of the settings."""
        return sha256(json.dumps(self._settings(), sort_keys=True).encode()).hexdigest()[:16]

    def provenance(self) -> dict[str, Any]:
        """Who computed a table, from what, with what, for how long.

        Times are seconds since this process began its first verb.
        """
        device = self.device
        if device == "cuda":
            import torch

            device = torch.cuda.get_device_name()
        return {
            "verb": self.name,
            "seed": self.seed,
            "settings": self._settings(),
            "config_digest": self.digest,
            "code_digest": self.code,
            "git_commit": git_commit(),
            "versions": {
                name: version(name)
                for name in ("rote", "numpy", "scipy", "torch", "pandas", "pyarrow")
            },
            "python": platform.python_version(),
            "device": device,
            "threads": self.threads,
            "wall_s": round(time.perf_counter() - _first_verb()[0], 3),
            "cpu_s": round(time.process_time() - _first_verb()[1], 3),
        }


@cache
def _first_verb() -> tuple[float, float]:
    """When this process began its first verb, by the clock and by its CPU time."""
    return time.perf_counter(), time.process_time()


@contextmanager
def start(
    name: str,
    *,
    seed: int = 0,
    threads: int = 1,
    gpus: int = 0,
    settings: Any = None,
    code: str = "",
) -> Iterator[Job]:
    """Run a verb's body with exactly `threads` threads and `gpus` leased devices, and log it.

    Args:
        name: of the verb, for log lines and provenance.
        seed: of its random streams.
        threads: at least 1.
        gpus: devices to lease, see `lease`.
        settings: its section of the config, a pydantic model, or None.
        code: digest of the code behind it.

    Yields:
        The running job.

    Raises:
        InputError: for fewer than 1 thread, or devices that cannot be leased.
    """
    if threads < 1:
        raise InputError(f"--threads must be at least 1, given {threads}")
    _first_verb()
    with ExitStack() as stack:
        stack.enter_context(limit_threads(threads))
        job = Job(
            name=name,
            seed=seed,
            threads=threads,
            devices=stack.enter_context(lease(gpus)),
            settings=settings,
            code=code,
        )
        log.info(
            "%s: start (%d threads, devices: %s)", name, threads, ", ".join(job.devices) or "none"
        )
        yield job
        wall, cpu = time.perf_counter() - job.started[0], time.process_time() - job.started[1]
        # what `rote plan --refit` reads: of the process from its start, with its children
        total = sum(os.times()[:4])
        log.info("%s: done in %.1f s (%.1f CPU s, %.2f in all)", name, wall, cpu, total)


@contextmanager
def limit_threads(threads: int) -> Iterator[None]:
    """Hold BLAS, OpenMP and torch, if ever imported, to `threads` threads; afterwards as before."""
    from threadpoolctl import threadpool_limits

    variables = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    before = {variable: os.environ.get(variable) for variable in variables}
    os.environ.update(dict.fromkeys(variables, str(threads)))  # for libraries that are loaded later
    torch = sys.modules.get("torch")
    of_torch = torch.get_num_threads() if torch else 0
    if torch:
        torch.set_num_threads(threads)
    try:
        with threadpool_limits(threads):
            yield
    finally:
        if torch:
            torch.set_num_threads(of_torch)
        for variable, value in before.items():
            if value is None:
                os.environ.pop(variable, None)
            else:
                os.environ[variable] = value


# ---- devices

_LOCKS = Path("/tmp/rote-devices")  # one folder per machine, whatever TMPDIR says
_SEEN: list[str] = []  # devices of this process's latest lease
_NO_DEVICE = ("", "-1", "NoDevFiles", "none", "void")


@contextmanager
def lease(n: int, *, poll_s: float = 0.1) -> Iterator[list[str]]:
    """Hold `n` devices that no other rote job on this machine holds, and show only those to CUDA.

    Snakemake counts GPUs, it does not assign them: two jobs at once would both take device 0. So do
    two jobs inside one allocation of Slurm's. A lease is a lock file per device, held by this
    process, so the kernel frees it however the process ends; users of one machine share the files.
    While too few are free it waits. The candidates are CUDA_VISIBLE_DEVICES, or else what
    `nvidia-smi` lists.

    Args:
        n: number of devices; 0 leases none.
        poll_s: seconds between two looks for free devices, on average.

    Yields:
        The leased device names, `[]` if `n` is 0 or the machine has no device (the job then
        computes on the CPU).

    Raises:
        InputError: if `n` is negative or more than the machine has, or the locks cannot be read.
    """
    if n < 0:
        raise InputError(f"--gpus must be 0 or more, given {n}")
    pool = visible_devices() if n else []
    if n and (unknown := named_devices()[1]):
        log.warning("CUDA_VISIBLE_DEVICES ends at %r, which this machine lacks: %s", unknown, pool)
    if pool and n > len(pool):
        raise InputError(
            f"the job wants {n} devices, this machine shows {len(pool)} ({', '.join(pool)})"
        )
    leased: dict[str, int] = {}  # device -> descriptor of its lock
    before = os.environ.get("CUDA_VISIBLE_DEVICES")
    try:
        if pool:
            leased = _acquire(_seen(pool, n), n, poll_s)
            _SEEN[:] = leased
            # an index is that of nvidia-smi, where CUDA would count the fastest device first
            os.environ.setdefault("CUDA_DEVICE_ORDER", "PCI_BUS_ID")
        os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(leased)
        yield list(leased)
    finally:
        for descriptor in leased.values():
            os.close(descriptor)
        if before is None:
            os.environ.pop("CUDA_VISIBLE_DEVICES", None)
        else:
            os.environ["CUDA_VISIBLE_DEVICES"] = before


def _seen(pool: list[str], n: int) -> list[str]:
    """Those that CUDA has been shown: once it runs in this process, it takes no others."""
    torch = sys.modules.get("torch")
    running = torch is not None and torch.cuda.is_initialized()
    return _SEEN if running and n <= len(_SEEN) and set(_SEEN) <= set(pool) else pool


def visible_devices() -> list[str]:
    """Devices that this process may use: CUDA_VISIBLE_DEVICES if set, else those of nvidia-smi.

    Each once, under the first of its names. As in CUDA, the list ends at the first name that is no
    device of this machine.
    """
    if "CUDA_VISIBLE_DEVICES" not in os.environ:
        return list(_uuids())
    return list(named_devices()[0].values())


def named_devices() -> tuple[dict[str, str], str]:
    """Names in CUDA_VISIBLE_DEVICES by their identities, and the one that ends them, if any."""
    chosen: dict[str, str] = {}
    for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(","):
        identity = _identity(name.strip())
        if identity is None:
            return chosen, "" if name.strip() in _NO_DEVICE else name.strip()
        chosen.setdefault(identity, name.strip())
    return chosen, ""


def _identity(name: str) -> str | None:
    """What index, UUID and the beginning of a UUID share if they name one device.

    Without UUIDs an index of Slurm's counts within its allocation.

    Returns:
        The device's UUID where `nvidia-smi` knows it, or None if this machine has no such device.
    """
    uuids = _uuids()
    if name in _NO_DEVICE:
        return None
    if name.isascii() and name.isdigit():
        if uuids:
            return uuids[int(name)] if int(name) < len(uuids) else None
        job = os.environ.get("SLURM_JOB_ID")
        return f"slurm-{job}-{int(name)}" if job else str(int(name))
    if uuids and name.startswith("GPU-"):
        matches = [uuid for uuid in uuids if uuid.startswith(name)]
        return matches[0] if len(matches) == 1 else None
    return None if uuids and not name.startswith("MIG-") else name


def _acquire(pool: list[str], n: int, poll_s: float) -> dict[str, int]:
    waited = 0.0
    while True:
        locks: dict[str, int] = {}
        for device in pool:
            descriptor = _open_lock(_identity(device) or device)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                locks[device] = descriptor
            except BlockingIOError:
                os.close(descriptor)
            if len(locks) == n:
                return locks
        for descriptor in locks.values():  # all or nothing: two jobs never wait for each other
            os.close(descriptor)
        if waited == 0.0:
            log.info(
                "waiting for %d of %s: all leased (limit jobs with `--resources gpu=%d`)",
                n,
                pool,
                len(pool),
            )
        pause = poll_s * (0.5 + random.random())
        time.sleep(pause)
        waited += pause


def _open_lock(identity: str) -> int:
    """Descriptor of a device's lock file, which every user of the machine may read and lock."""
    path = _LOCKS / f"{identity.replace('/', '_')}.lock"
    try:
        if not _LOCKS.is_dir():
            _LOCKS.mkdir(exist_ok=True)
            _LOCKS.chmod(0o1777)  # whatever the umask: others add the locks of other devices
        for _ in range(2):
            try:
                # an existing file is opened without O_CREAT, which is refused for that of another
                # user in a folder such as this one
                return os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            except FileNotFoundError:
                _create(path)
        return os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        raise InputError(
            f"the lock {path} of a device cannot be opened ({error.strerror}); "
            f"its owner, or root, has to remove {_LOCKS}"
        ) from error


def _create(path: Path) -> None:
    """An empty file that all may read, under its name from the moment on that they may."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
    os.fchmod(descriptor, 0o644)  # whatever the umask
    os.close(descriptor)
    with suppress(FileExistsError):  # another process was faster: its file is the lock
        os.link(temporary, path)
    temporary.unlink()


@cache
def _uuids() -> tuple[str, ...]:
    """UUIDs of the machine's NVIDIA devices in index order, `()` without any."""
    listed, problem = nvidia.list_devices()
    if problem:
        log.warning("%s: no device is used unless CUDA_VISIBLE_DEVICES names it", problem)
    return listed


# ---- log and progress


def configure_log(verbose: bool = False) -> None:
    """Log lines to stderr: coloured by rich on a terminal, plain with a time stamp otherwise.

    Of libraries only warnings.
    """
    if sys.stderr.isatty():
        from rich.console import Console
        from rich.logging import RichHandler

        handler: logging.Handler = RichHandler(console=Console(stderr=True), show_path=False)
        form = "%(message)s"
    else:
        handler, form = logging.StreamHandler(), "%(asctime)s %(message)s"
    # of other libraries warnings alone: fontTools tells of every glyph in a PDF file
    logging.basicConfig(
        level=logging.WARNING, format=form, datefmt="%H:%M:%S", handlers=[handler], force=True
    )
    log.setLevel(logging.DEBUG if verbose else logging.INFO)


def track(
    items: Iterable[Item],
    description: str,
    total: int | None = None,
    every_s: float = 2.0,
    status: Callable[[], str] = lambda: "",
) -> Iterator[Item]:
    """Iterate with a progress bar on a terminal, or plain log lines elsewhere.

    Args:
        items: to iterate over.
        description: of the work, for the lines.
        total: number of items; None makes a list of them first.
        every_s: seconds to the first line; later ones come further apart, up to a minute.
        status: words about how it stands (a loss), for the next line.

    Yields:
        The items, in order.
    """
    if total is None:
        items = list(items)
        total = len(items)
    if sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import track as bar

        yield from bar(items, description, total, console=Console(stderr=True), transient=True)
        return
    begun = time.monotonic()
    last = begun
    for done, item in enumerate(items):
        yield item
        now = time.monotonic()
        if now - last >= max(every_s, min(60.0, (now - begun) / 10)):
            left = (now - begun) / (done + 1) * (total - done - 1)
            words = ", ".join(filter(None, (f"{done + 1} of {total}", status())))
            log.info("%s: %s, %.0f s, about %.0f s left", description, words, now - begun, left)
            last = now


class Meter:
    """Work done so far and its rate: a progress bar on a terminal, plain log lines elsewhere.

    Args:
        description: of the work, for the lines.
        unit: of the work, in the plural.
        total: units in all, or None.
        every_s: seconds between two log lines.
    """

    def __init__(self, description: str, unit: str, total: int | None, every_s: float):
        self.description = description
        self.unit = unit
        self.total = total
        self.every_s = every_s
        self.done = 0
        self.begun = time.monotonic()
        self.printed = self.begun
        self.bar: Any = None  # of rich, on a terminal
        self.task: Any = None

    def advance(self, amount: int) -> None:
        """So much more was done."""
        self.reached(self.done + amount)

    def reached(self, done: int) -> None:
        """So much was done in all."""
        self.done = done
        now = time.monotonic()
        if self.bar is not None:
            if now - self.printed > 0.1 or done == self.total:
                self.bar.update(self.task, completed=done, rate=self.rate())
                self.printed = now
        elif now - self.printed >= self.every_s:
            of = f" of {self.total:,}" if self.total else ""
            log.info("%s: %s%s %s, %s", self.description, f"{done:,}", of, self.unit, self.rate())
            self.printed = now

    def rate(self) -> str:
        """Units per second, in words."""
        per_second = self.done / max(time.monotonic() - self.begun, 1e-9)
        if per_second >= 1e6:
            return f"{per_second / 1e6:.1f} M {self.unit}/s"
        return f"{per_second:,.0f} {self.unit}/s"


@contextmanager
def meter(
    description: str, unit: str, total: int | None = None, every_s: float = 10.0
) -> Iterator[Meter]:
    """Show the progress of work that is measured in `unit`s, with its rate.

    Args:
        description: of the work, for the lines.
        unit: of the work, in the plural.
        total: units in all, if that is known.
        every_s: seconds between two log lines.

    Yields:
        The meter, for the work to report to.
    """
    shown = Meter(description, unit, total, every_s)
    if sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        rate = TextColumn("{task.fields[rate]}")
        columns = TextColumn(description), BarColumn(), rate, TimeRemainingColumn()
        with Progress(*columns, console=Console(stderr=True), transient=True) as shown.bar:
            shown.task = shown.bar.add_task(description, total=total, rate="")
            yield shown
    else:
        yield shown
    log.info("%s: %s %s, %s", description, f"{shown.done:,}", unit, shown.rate())


@cache
def git_commit() -> str:
    """The commit of the working tree, with `+` if it was edited; `unknown` outside git."""
    git = ["git", "-C", str(Path(__file__).parent)]
    options: Any = {"capture_output": True, "text": True, "timeout": 10, "check": True}
    options["errors"] = "replace"
    try:
        commit = subprocess.run([*git, "rev-parse", "--short=12", "HEAD"], **options).stdout.strip()
        edited = subprocess.run([*git, "status", "--porcelain", "-uno"], **options).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return commit + ("+" if edited else "") if commit else "unknown"
