"""Fixtures: copies of the project to run Snakemake in, one smoke run for all tests, real MNIST."""

import gzip
import os
import random
import shutil
import signal
import struct
import subprocess
import sys
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

settings.register_profile("rote", deadline=None)  # a first call may compile a kernel
settings.load_profile("rote")

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent


TRIED: Counter[str] = Counter()  # how many of each fault this session has tried


def tried(fault: str) -> None:
    """Count a fault for the summary at the end; `pytest.mark.fault` counts one per passed test."""
    TRIED[fault] += 1


def pytest_runtest_logreport(report) -> None:
    if report.when == "call" and report.passed:
        TRIED.update(value for name, value in report.user_properties if name == "fault")


def pytest_terminal_summary(terminalreporter) -> None:
    if TRIED:
        terminalreporter.write_sep("=", "faults tried")
        for fault, count in sorted(TRIED.items()):
            terminalreporter.write_line(f"{count:5d}  {fault}")


def copy_project(target: Path, *, compiled: bool = True, **options: bool) -> Path:
    """The project as in a fresh checkout: no results, no environment.

    Compiled kernels come along, unless they are to be compiled anew.
    """
    left_out = shutil.ignore_patterns(
        *([] if compiled else ["*.nbi", "*.nbc"]),
        ".git",
        ".venv",
        ".peers",
        ".snakemake",
        ".*_cache",
        ".hypothesis",
        "*.pyc*",
        "*.tmp.*",
        "*.egg-info",
        "results",
        "reports",
    )
    shutil.copytree(ROOT, target, ignore=left_out, **options)
    return target


def variables_of(project: Path) -> dict[str, str]:
    """The environment of a command that runs the code of a copy of the project on one thread."""
    return {
        **os.environ,
        "PYTHONPATH": str(project / "workflow"),
        "PATH": f"{BIN}:{os.environ['PATH']}",
        "OMP_NUM_THREADS": "1",
    }


def run(
    project: Path, *command: str, check: bool = True, **environment: str
) -> subprocess.CompletedProcess:
    """Run a command of the environment in a copy of the project, with the copy's own code."""
    variables = variables_of(project) | environment
    done = subprocess.run(command, cwd=project, env=variables, capture_output=True, text=True)
    if check and done.returncode:
        raise AssertionError(
            f"{' '.join(command)} failed:\n{done.stdout[-6000:]}\n{done.stderr[-6000:]}"
        )
    return done


def call(capsys, monkeypatch, *words) -> tuple[int, str, str]:
    """Run `rote <words>` in this process: exit code, stdout, stderr."""
    from rote import cli

    monkeypatch.setattr(sys, "argv", ["rote", *words])
    code = 0
    try:
        cli.main()
    except SystemExit as stop:
        code = stop.code
        if isinstance(code, str):
            print(code, file=sys.stderr)
            code = 1
    captured = capsys.readouterr()
    return code or 0, captured.out, captured.err


def snakemake(
    project: Path, *arguments: str, check: bool = True, **environment: str
) -> subprocess.CompletedProcess:
    """Snakemake on the smoke scale."""
    command = ("snakemake", "--cores", "2", "--configfile", "config/smoke.yaml", *arguments)
    return run(project, *command, check=check, **environment)


def pytest_collection_modifyitems(items) -> None:
    """Mark the tests of whole runs: `make test` runs them beside the others."""
    for item in items:
        faults = item.iter_markers("fault")
        item.user_properties += [("fault", mark.args[0]) for mark in faults]
        if {"smoke", "resumed"} & set(getattr(item, "fixturenames", ())) or item.get_closest_marker(
            "slurm"
        ):
            item.add_marker(pytest.mark.dag)


@pytest.fixture(scope="session")
def smoke(tmp_path_factory) -> Path:
    """A copy of the project in which the whole DAG has run once at smoke scale.

    ROTE_TEST_SMOKE names a copy to keep between sessions: only what changed since is computed
    again.
    """
    reused = os.environ.get("ROTE_TEST_SMOKE")
    project = Path(reused) if reused else tmp_path_factory.mktemp("smoke") / "project"
    copy_project(project, dirs_exist_ok=bool(reused))
    done = snakemake(project, "--resources", "gpu=2")
    if "Nothing to be done" not in done.stderr:
        (project / "first-run.txt").write_text(done.stdout + done.stderr)
    return project


def start(project: Path, *command: str) -> subprocess.Popen:
    """Start a command of the environment in a process group of its own."""
    with (project / "output.txt").open("a") as output:
        return subprocess.Popen(
            command,
            cwd=project,
            env=variables_of(project),
            stdout=output,
            stderr=output,
            start_new_session=True,
        )


def jobs(leader: int) -> list[int]:
    """Processes of rote's verbs in the session of `leader`."""
    processes = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            session = int((path / "stat").read_text().rsplit(")", 1)[1].split()[3])
            if session == leader and b"bin/rote" in (path / "cmdline").read_bytes():
                processes.append(int(path.name))
        except (OSError, ValueError, IndexError):
            continue  # it ended meanwhile
    return processes


def strike(running: subprocess.Popen, how: str, rng: random.Random) -> None:
    """Kill a job, Snakemake alone (its jobs live on), or its whole process group."""
    tried(f"kill -9 of a run: {how}")
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


# papers that the second smoke run computes: data, networks one by one and stacked, texts, pruning,
# memories, counts
RESUMED_PAPERS = ["chain", "longtail"]
if os.environ.get("ROTE_TEST_RESUMED") == "whole":
    from rote.core.papers import names

    RESUMED_PAPERS = names()


@pytest.fixture(scope="session")
def resumed(smoke, tmp_path_factory) -> Path:
    """A second smoke run, killed in three ways at random moments and resumed as `make resume` does.

    It starts without compiled kernels, as a new clone does. Of a few papers, to keep the suite
    short; ROTE_TEST_RESUMED=whole runs all, ROTE_TEST_KILLS=20 kills more often.
    """
    project = copy_project(tmp_path_factory.mktemp("resumed") / "project", compiled=False)
    rng = random.Random(1)
    run = (
        "snakemake",
        "--cores",
        "2",
        "--configfile",
        "config/smoke.yaml",
        "--config",
        f"papers={RESUMED_PAPERS}",
    )
    for number in range(int(os.environ.get("ROTE_TEST_KILLS", "3"))):
        running = start(project, *run)
        try:
            running.wait(rng.uniform(8, 30))
        except subprocess.TimeoutExpired:
            strike(running, ("group", "job", "snakemake")[number % 3], rng)
            with (project / "output.txt").open("a") as output:
                output.write("# killed\n")
        assert start(project, *run, "--unlock").wait() == 0
    if start(project, *run).wait():
        raise AssertionError((project / "output.txt").read_text()[-6000:])
    return project


@pytest.fixture
def project(tmp_path) -> Path:
    """A copy of the project in which nothing has run."""
    return copy_project(tmp_path / "project")


def examples_of(*rows: tuple[str, str], task: str = "t", part: str = "test"):
    """Rows of a task's examples, from pairs of input and output."""
    import pandas as pd
    from rote.papers.distmem import schema

    frame = pd.DataFrame(rows, columns=["input", "output"])
    return frame.assign(
        task=task,
        part=part,
        wording=0,
        example=range(len(frame)),
        instruction="",
        fact=-1,
        choices=[[] for _ in rows],
        group="",
        aliases=[[] for _ in rows],
        whole=False,
    )[list(schema.TaskExamples.model_fields)]


@pytest.fixture(scope="session")
def small_lm(tmp_path_factory) -> Path:
    """A folder with a small GPT-NeoX and a byte-pair tokenizer, in the format of transformers."""
    import torch
    from rote.models import lm, rotary
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("small")
    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=320,
        special_tokens=["<end>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    inner.train_from_iterator(["the red kite is a bird of prey", "Grüße aus Bern"] * 20, trainer)
    transformer = lm.Transformer("gpt_neox", inner.get_vocab_size(), 64, 16, 1, 2)
    stack = lm.build(transformer, [np.random.default_rng(0)])
    noise = torch.Generator().manual_seed(3)
    one = {
        name: value[0] + 0.3 * torch.randn(value[0].shape, generator=noise)
        for name, value in stack.parameters.items()
    }
    rotary.save(folder, "gpt_neox", one, 2, length=64)
    PreTrainedTokenizerFast(
        tokenizer_object=inner, eos_token="<end>", bos_token="<end>"
    ).save_pretrained(folder)
    return folder


def write_idx(path: Path, values: np.ndarray) -> None:
    """An idx file of bytes, gzipped if its name says so."""
    content = (
        struct.pack(f">HBB{values.ndim}I", 0, 8, values.ndim, *values.shape)
        + values.astype(np.uint8).tobytes()
    )
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


@pytest.fixture
def mnist_folder(tmp_path) -> Path:
    """A folder in MNIST's format with one split: 400 small synthetic images, 40 of each digit."""
    folder, rng = tmp_path / "mnist", np.random.default_rng(0)
    folder.mkdir()
    write_idx(folder / "t10k-images-idx3-ubyte.gz", rng.integers(0, 256, (400, 28, 28)))
    write_idx(folder / "t10k-labels-idx1-ubyte.gz", np.repeat(np.arange(10), 40))
    return folder


@pytest.fixture
def fashion_sheet() -> Path:
    """The folder of Fashion-MNIST's sheet of samples, if this machine has it."""
    for candidate in [
        os.environ.get("ROTE_TEST_FASHION"),
        ROOT.parent / "shared" / "data" / "fashion-mnist",
    ]:
        if candidate and (Path(candidate) / "fashion-mnist-sprite.png").exists():
            return Path(candidate)
    pytest.skip(
        "no sheet of Fashion-MNIST here; "
        "set ROTE_TEST_FASHION to a folder with fashion-mnist-sprite.png"
    )


@pytest.fixture
def real_mnist() -> Path:
    """The real MNIST test files, if this machine has them."""
    candidates = [os.environ.get("ROTE_TEST_MNIST"), ROOT.parent / "shared" / "data" / "mnist"]
    for candidate in candidates:
        if candidate and (Path(candidate) / "t10k-images-idx3-ubyte.gz").exists():
            return Path(candidate)
    pytest.skip("no MNIST files on this machine; set ROTE_TEST_MNIST to a folder that has them")


@contextmanager
def chromium(tmp_path, width=1300, dark=False):
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    for flag in (
        "headless=new",
        "no-sandbox",
        "disable-gpu",
        "disable-quic",
        "no-first-run",
        "disable-background-networking",
        "disable-component-update",
        "disable-sync",
        f"user-data-dir={tmp_path}/profile",
        f"window-size={width},900",
        *(["force-dark-mode"] if dark else []),
    ):
        options.add_argument(f"--{flag}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(
        options=options, service=webdriver.ChromeService(shutil.which("chromedriver"))
    )
    try:
        yield driver
    finally:
        driver.quit()


HAS_BROWSER = bool(shutil.which("chromium") and shutil.which("chromedriver"))
needs_browser = pytest.mark.skipif(not HAS_BROWSER, reason="needs chromium and chromedriver")


@pytest.fixture
def browser(tmp_path):
    """A headless Chromium; the test is skipped without one."""
    if not HAS_BROWSER:
        pytest.skip("needs chromium and chromedriver")
    with chromium(tmp_path) as driver:
        yield driver


@pytest.fixture
def workdir(tmp_path) -> Path:
    """A folder that every user may write to."""
    folder = tmp_path / "workdir"
    folder.mkdir()
    for parent in [folder, *list(folder.parents)[:3]]:
        if parent.name.startswith(("pytest", "test", "workdir")):
            parent.chmod(0o777)
    return folder


@pytest.fixture
def full(tmp_path):
    """A disk without a free byte."""
    folder = tmp_path / "full"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64k,mode=1777", "rote-test", folder]
    done = subprocess.run(command, capture_output=True)
    if done.returncode:
        pytest.skip(f"no disk can be mounted here: {done.stderr.decode().strip()}")
    with (folder / "rest").open("wb", buffering=0) as rest:
        try:
            while rest.write(b"x" * 4096):
                pass
        except OSError:
            pass
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)
