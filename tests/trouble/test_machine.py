"""Machines as they are: each trouble around the real command, which works or says what to do."""

import os
import re
import signal
import stat
import subprocess
import sys
import time
from functools import cache, partial
from pathlib import Path

import pytest
from conftest import BIN, ROOT
from rote.core import job, tables

needs_root = pytest.mark.skipif(os.getuid() != 0, reason="becoming another user needs root")
NOBODY = 65534
PROGRAM = """
import sys
from rote.cli import main
sys.argv = ["rote", *sys.argv[1:]]
main()
"""


@pytest.fixture
def workdir(tmp_path) -> Path:
    """A folder that every user may write to."""
    folder = tmp_path / "workdir"
    folder.mkdir()
    for parent in [folder, *list(folder.parents)[:3]]:
        if parent.name.startswith(("pytest", "test", "workdir")):
            parent.chmod(0o777)
    return folder


def variables(**environment: str | None) -> dict[str, str]:
    """The environment of a command, changed; None takes a variable away."""
    changed = {
        **os.environ,
        "PYTHONPATH": str(ROOT / "workflow"),
        "PATH": f"{BIN}:{os.environ['PATH']}",
        "PYTHONDONTWRITEBYTECODE": "1",
        "OMP_NUM_THREADS": "1",
        **environment,
    }
    return {name: value for name, value in changed.items() if value is not None}


def rote(
    folder: Path, *words: str, user: int = 0, umask: int = -1, **environment: str | None
) -> subprocess.CompletedProcess:
    """Run `rote` in a folder, as a user, with a umask and changed variables."""
    return subprocess.run(
        [*becoming(user), sys.executable, "-c", PROGRAM, *words],
        cwd=folder,
        env=variables(**environment),
        capture_output=True,
        umask=umask,
        timeout=300,
    )


@cache
def becoming(user: int) -> tuple[str, ...]:
    """What a command begins with to run as a user: who may read what is root's, but write nothing.

    The interpreter may lie in root's home, which another user cannot enter without that.
    """
    if not user:
        return ()
    may_read = "+dac_read_search"
    return (
        *("setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"),
        *(f"--inh-caps={may_read}", f"--ambient-caps={may_read}"),
    )


def printed(done: subprocess.CompletedProcess) -> str:
    """Everything it printed, which must hold no traceback."""
    text = (done.stdout + done.stderr).decode("utf-8", "replace")
    assert "Traceback" not in text, text
    return text


def count(folder: Path, name: str = "texts", **keywords) -> subprocess.CompletedProcess:
    """Tokenize a text and count pairs in it: kernels, tables, files and the terminal."""
    (folder / f"{name}.txt").write_text("the red kite – a bird of prey\n" * 50, "utf-8")
    (folder / f"{name}.csv").write_text("first,second\nred kite,bird\n", "utf-8")
    words = [
        *("ngrams", "tokenize", f"{name}.txt", "--out", f"{name}.corpus"),
        *("+", "ngrams", "count", "--corpus", f"{name}.corpus", "--pairs", f"{name}.csv"),
        *("--window", "5", "--out", f"{name}.parquet", "+", "config", "show", "seed"),
    ]
    done = rote(folder, *words, **keywords)
    assert done.returncode == 0, printed(done)
    assert 50 in tables.read(folder / f"{name}.parquet").to_numpy()
    return done


def programs(folder: Path, *, without: tuple[str, ...] = (), **scripts: str) -> str:
    """A PATH that lacks some programs and has some others, as shell scripts."""
    shadow = folder / "bin"
    shadow.mkdir()
    for name, script in scripts.items():
        path = shadow / name.replace("_", "-")
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
    others = []
    for part in os.environ["PATH"].split(":"):
        if part and not any((Path(part) / name).exists() for name in without):
            others.append(part)
    return ":".join([str(shadow), str(BIN), *others])


SURROUNDINGS = {
    "no HOME": {"HOME": None},
    "missing HOME": {"HOME": "/no/such/home"},
    "HOME is a file": {"HOME": "/dev/null"},
    "relative HOME": {"HOME": "."},
    "read-only HOME": {"HOME": "/proc"},
    "missing TMPDIR": {"TMPDIR": "/no/such/folder"},
    "read-only TMPDIR": {"TMPDIR": "/proc"},
    "C locale": {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
    "POSIX locale": {"LC_ALL": "POSIX", "LANG": None},
    "Latin-1": {"PYTHONIOENCODING": "latin-1"},
    "ASCII": {"PYTHONIOENCODING": "ascii"},
    "strict ASCII": {"PYTHONIOENCODING": "ascii:strict"},
    "no USER": {"USER": None, "LOGNAME": None},
    "unwritable NUMBA_CACHE_DIR": {"NUMBA_CACHE_DIR": "/proc/cache"},
}


@pytest.mark.fault("home, temporary folder, locale")
@pytest.mark.parametrize("name", SURROUNDINGS)
def test_command_works_in(workdir, name):
    assert "seed" in printed(count(workdir, **SURROUNDINGS[name]))


@pytest.mark.fault("umask 077")
def test_umask_077(workdir):
    """What is written is the user's alone, and works."""
    count(workdir, umask=0o077)
    files = [path for path in (workdir / "texts.corpus").rglob("*") if path.is_file()]
    assert files
    assert not any(path.stat().st_mode & 0o077 for path in files)


@pytest.mark.fault("user without a home")
@needs_root
@pytest.mark.parametrize("home", [None, "/no/such/home", "/root"])
def test_service_user_without_a_home(workdir, home):
    """An installation that another user owns, no home, an empty cache: kernels compile."""
    (workdir / "tmp").mkdir(mode=0o777)
    (workdir / "tmp").chmod(0o777)
    count(workdir, user=4242, HOME=home, USER=None, LOGNAME=None, TMPDIR=str(workdir / "tmp"))
    caches = list((workdir / "tmp").rglob("*.nbc"))
    assert caches
    assert {path.stat().st_uid for path in caches} == {4242}
    assert not (workdir / "tmp" / "rote-4242").stat().st_mode & 0o077


@pytest.mark.fault("two users")
@needs_root
def test_two_users_with_one_temporary_folder(workdir):
    """Nobody reads compiled code from a folder that someone else made."""
    (workdir / "tmp" / "rote-4242").mkdir(parents=True)
    for folder in (workdir / "tmp", workdir / "tmp" / "rote-4242"):
        folder.chmod(0o777)
    for user in (4242, NOBODY):
        count(workdir, f"of{user}", user=user, HOME=None, TMPDIR=str(workdir / "tmp"))
    assert not list((workdir / "tmp" / "rote-4242").iterdir())


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


@pytest.mark.fault("full disk")
@needs_root
def test_full_tmpdir(workdir, full):
    """Another folder for temporary files is taken; compiled kernels are not kept there."""
    count(workdir, TMPDIR=str(full), NUMBA_CACHE_DIR=str(full))


@pytest.mark.fault("full disk")
@needs_root
def test_full_disk_for_results_is_one_line(workdir, full):
    done = rote(workdir, "init", "one", "+", "ngrams", "tokenize", "one.yaml", "--out", f"{full}/c")
    assert done.returncode == 1
    last = printed(done).splitlines()[-1]
    assert last.startswith("rote: error: No space left on device")
    assert str(full) in last


# ---- programs of others


LIST = "from rote.core import job\nprint(job.visible_devices())"


def listed(**environment: str) -> tuple[str, str]:
    """Which devices a job sees, and what it logs."""
    done = subprocess.run(
        [sys.executable, "-c", LIST],
        env=variables(CUDA_VISIBLE_DEVICES=None, **environment),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip(), done.stderr


BROKEN = {
    "a sentence": "echo 'No devices were found'",
    "a failure": "echo 'NVIDIA-SMI has failed because it could not communicate'; exit 9",
    "nothing": "exit 3",
    "letters of no encoding": "printf 'GPU\\377\\376\\n'",
    "a warning before the list": "echo 'WARNING: infoROM is corrupted'; echo GPU-12345678",
    "a signal": "kill -9 $$",
}


@pytest.mark.fault("broken nvidia-smi")
@pytest.mark.parametrize("name", BROKEN)
def test_broken_nvidia_smi_lists_nothing_and_is_named(tmp_path, name):
    devices, log = listed(PATH=programs(tmp_path, nvidia_smi=BROKEN[name]))
    assert devices == "[]"
    assert "nvidia-smi lists no devices, it says" in log


@pytest.mark.fault("broken nvidia-smi")
def test_nvidia_smi_without_devices_or_missing_is_no_trouble(tmp_path):
    assert listed(PATH=programs(tmp_path, nvidia_smi="exit 0")) == ("[]", "")
    (tmp_path / "bin" / "nvidia-smi").unlink()
    without = programs(tmp_path / "bin", without=("nvidia-smi",))
    assert listed(PATH=without) == ("[]", "")


def test_nvidia_smi_that_works(tmp_path):
    path = programs(tmp_path, nvidia_smi="echo GPU-1a; echo; echo ' GPU-2b '")
    assert listed(PATH=path) == ("['GPU-1a', 'GPU-2b']", "")


PROVENANCE = "from rote.core import job\nprint(job.git_commit())"


@pytest.mark.fault("no git")
@pytest.mark.parametrize("script", [None, "exit 128", "printf '\\377'; exit 1"])
def test_without_git_the_commit_is_unknown(tmp_path, script):
    scripts = {} if script is None else {"git": script}
    path = programs(tmp_path, without=("git",), **scripts)
    done = subprocess.run(
        [sys.executable, "-c", PROVENANCE], env=variables(PATH=path), capture_output=True
    )
    assert (done.returncode, done.stdout) == (0, b"unknown\n"), done.stderr


# ---- devices of several users

HOLD = """
import os, sys, time
from rote.core import job
with job.lease(1, poll_s=0.02) as devices:
    print(*devices, flush=True)
    time.sleep(float(sys.argv[1]))
"""


@pytest.mark.fault("two users")
@needs_root
def test_two_users_never_hold_one_device(tmp_path):
    """Whoever comes first makes the lock, with a umask that hides it; the other one waits."""
    environment = variables(CUDA_VISIBLE_DEVICES=f"fake-{tmp_path.name}-{os.getpid()}")

    def hold(user: int, seconds: float) -> subprocess.Popen:
        command = [*becoming(user), sys.executable, "-c", HOLD, str(seconds)]
        return subprocess.Popen(
            command, cwd="/", env=environment, stdout=subprocess.PIPE, umask=0o077
        )

    with hold(4242, 60) as first:
        assert first.stdout.readline()
        with hold(NOBODY, 0) as second:
            with pytest.raises(subprocess.TimeoutExpired):
                second.wait(3)
            first.kill()
            assert second.wait(60) == 0
    locks = list(job._LOCKS.glob(f"fake-{tmp_path.name}-{os.getpid()}*"))
    assert [stat.S_IMODE(path.stat().st_mode) for path in locks] == [0o644]
    assert stat.S_IMODE(job._LOCKS.stat().st_mode) == 0o1777


# ---- notebooks

NOTEBOOK = """
import json, sys
from pathlib import Path
import nbformat
from rote.report import notebook
cells = [
    nbformat.v4.new_code_cell("a = 1", metadata={"tags": ["parameters"]}),
    nbformat.v4.new_code_cell("import sys; print(sys.executable, a)"),
]
kernel = {"name": "python3", "language": "python", "display_name": "Python 3"}
content = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})
nbformat.write(content, "in.ipynb")
notebook.execute(Path("in.ipynb"), Path("out.ipynb"), {"a": 7})
print(nbformat.read("out.ipynb", 4).cells[-1].outputs[0].text.strip())
"""


@pytest.mark.fault("kernels of a user")
@pytest.mark.parametrize("homeless", [False, True])
def test_notebooks_run_in_this_interpreter(workdir, homeless):
    """With a kernel named python3 of the user's, settings of IPython, and without a home."""
    home = workdir / "home"
    kernel = home / ".local/share/jupyter/kernels/python3"
    profile = home / ".ipython/profile_default/startup"
    for folder in (kernel, profile):
        folder.mkdir(parents=True)
    (kernel / "kernel.json").write_text(
        '{"argv": ["/bin/false", "{connection_file}"], "display_name": "x", "language": "python"}'
    )
    (profile / "first.py").write_text("a = 1 / 0\nprint = None\n")
    (home / "start.py").write_text("print = None\n")
    environment = {"HOME": str(home), "PYTHONSTARTUP": str(home / "start.py")}
    if homeless:
        environment = {"HOME": "/no/such/home"}
    command = [sys.executable, "-c", NOTEBOOK]
    done = subprocess.run(
        command, cwd=workdir, env=variables(**environment), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == f"{sys.executable} 7"


# ---- a run's last lines

ENDING = """
from pathlib import Path
from rote.core import environment
environment.prepare()
from rote.run import ending
for line in ending.lines("r", "smoke", ["longtail"], Path(".")):
    print(line)
"""


@pytest.mark.fault("home, temporary folder, locale")
@pytest.mark.parametrize("encoding", ["latin-1", "ascii", "utf-8"])
def test_findings_print_on_any_terminal(tmp_path, encoding):
    claims = tmp_path / "results/r/claims"
    claims.mkdir(parents=True)
    (claims / "longtail.txt").write_text("γ – ü: 3 of 4 claims", "utf-8")
    done = subprocess.run(
        [sys.executable, "-c", ENDING],
        cwd=tmp_path,
        env=variables(PYTHONIOENCODING=encoding),
        capture_output=True,
    )
    assert done.returncode == 0, done.stderr
    words = "γ – ü: 3 of 4 claims".encode(encoding, "backslashreplace")
    assert done.stdout.splitlines()[0] == words


# ---- ends

LONG = {"rows": [300, 400], "d": 600, "replicates": 4000}
SOLVE = ["longtail", "solve-scaling", "--settings", str(LONG).replace("'", '"')]


@pytest.mark.fault("command ended by a signal")
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_ended_command_leaves_no_half_file_and_can_run_again(workdir, how):
    """Ctrl-C, a scheduler's end, kill -9."""
    command = [sys.executable, "-c", PROGRAM, *SOLVE, "--out", "scaling.parquet"]
    heeds = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    pipes = {"env": variables(), "stderr": subprocess.PIPE, "preexec_fn": heeds}
    with subprocess.Popen(command, cwd=workdir, **pipes) as running:
        while b"start (" not in (line := running.stderr.readline()):
            assert line, "it ended before it began"
        time.sleep(0.5)
        running.send_signal(how)
        _, rest = running.communicate(timeout=120)
    assert running.returncode == (130 if how == signal.SIGINT else -how)
    assert b"Traceback" not in rest
    if how == signal.SIGINT:
        assert rest.splitlines()[-1] == b"rote: interrupted; run the same command again"
    assert list(workdir.iterdir()) == []
    small = str(LONG | {"replicates": 2, "d": 50}).replace("'", '"')
    done = rote(workdir, *SOLVE[:2], "--settings", small, "--out", "scaling.parquet")
    assert done.returncode == 0, printed(done)
    assert [path.name for path in workdir.iterdir()] == ["scaling.parquet"]


@pytest.mark.fault("two runs at once")
def test_two_commands_at_once_on_one_file(workdir):
    """Both end, and one whole file is left."""
    small = str(LONG | {"replicates": 2, "d": 50}).replace("'", '"')
    words = [*SOLVE[:2], "--settings", small, "--out", "scaling.parquet"]
    command = [sys.executable, "-c", PROGRAM, *words]
    both = [subprocess.Popen(command, cwd=workdir, env=variables()) for _ in range(2)]
    assert [one.wait(120) for one in both] == [0, 0]
    assert [path.name for path in workdir.iterdir()] == ["scaling.parquet"]


# ---- rote doctor names each

DOCTOR = """
from pathlib import Path
from rote.core import environment
environment.prepare()
from rote.report import surroundings
for finding in surroundings.findings(Path(".")):
    print(finding)
"""


def examined(folder: Path, umask: int = -1, **environment: str | None) -> str:
    done = subprocess.run(
        [sys.executable, "-c", DOCTOR],
        cwd=folder,
        env=variables(**environment),
        capture_output=True,
        umask=umask,
    )
    text = (done.stdout + done.stderr).decode("utf-8", "replace")
    assert done.returncode == 0, text
    return text


def test_doctor_finds_nothing_on_a_sound_machine(workdir):
    (workdir / "home").mkdir()
    text = examined(workdir, HOME=str(workdir / "home"), TMPDIR=None, LC_ALL="C.UTF-8", umask=0o022)
    assert "PROBLEM" not in text
    assert f"ok       home {workdir / 'home'}" in text
    assert "ok       the terminal's encoding is UTF-8" in text
    assert "ok       compiled kernels are kept in" in text


NAMED = {
    "no HOME": ({"HOME": "/no/such/home", "XDG_CACHE_HOME": None}, "export XDG_CACHE_HOME="),
    "missing TMPDIR": ({"TMPDIR": "/no/such/folder"}, "set TMPDIR to a folder with 1 GB free"),
    "umask 077": ({"umask": 0o077}, "if others are to read results: umask 022"),
    "Latin-1": ({"PYTHONIOENCODING": "latin-1"}, "export LC_ALL=C.UTF-8 PYTHONUTF8=1"),
    "a broken nvidia-smi": ({"nvidia_smi": BROKEN["a sentence"]}, "CUDA_VISIBLE_DEVICES=0"),
    "no git": ({"without": ("git",)}, "install git if tables are to name it"),
    "another's clone": ({"git": "exit 128"}, "git config --global --add safe.directory"),
}


@pytest.mark.parametrize("name", NAMED)
def test_doctor_names_with_the_cure(workdir, name):
    trouble, cure = NAMED[name]
    changes = {key: value for key, value in trouble.items() if key.isupper() or key == "umask"}
    scripts = {key: value for key, value in trouble.items() if key not in changes}
    if scripts:
        changes["PATH"] = programs(workdir, **scripts)
    text = examined(workdir, **changes)
    assert re.search(rf"^(PROBLEM|note) .*\n +.*{re.escape(cure)}", text, flags=re.M), text


@needs_root
def test_doctor_names_a_full_disk_and_a_cache_that_cannot_be(workdir, full):
    (workdir / "results").symlink_to(full)
    text = examined(workdir)
    assert re.search(r"^PROBLEM  no file can be written in .*results", text, flags=re.M)
    assert "chmod -R u+w results" in text


def test_doctor_names_kernels_that_point_elsewhere(workdir):
    kernel = workdir / "home/.local/share/jupyter/kernels/python3"
    kernel.mkdir(parents=True)
    (kernel / "kernel.json").write_text('{"argv": ["/bin/false"]}')
    text = examined(workdir, HOME=str(workdir / "home"))
    assert f"{kernel / 'kernel.json'} starts /bin/false" in text
    assert sys.executable in text
