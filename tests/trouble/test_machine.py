"""Machines as they are: each trouble around the real command, which works or says what to do."""

import json
import os
import shlex
import signal
import stat
import subprocess
import sys
import time
from functools import partial
from itertools import chain
from pathlib import Path

import pytest
from rote.core import job

from tests.trouble.machines import (
    BROKEN,
    NOBODY,
    PROGRAM,
    becoming,
    count,
    needs_root,
    printed,
    programs,
    rote,
    variables,
)

LONG = {"rows": [300, 400], "d": 600, "replicates": 4000}
SOLVE = ["longtail", "solve-scaling", "--settings", json.dumps(LONG)]
SMALL = json.dumps(LONG | {"replicates": 2, "d": 50})
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
TOGETHER = [  # troubles of different kinds in one environment: a command takes seconds to start
    ("no HOME", "missing TMPDIR", "C locale", "no USER"),
    ("missing HOME", "read-only TMPDIR", "POSIX locale"),
    ("HOME is a file", "Latin-1", "unwritable NUMBA_CACHE_DIR"),
    ("relative HOME", "ASCII"),
    ("read-only HOME", "strict ASCII"),
]
assert sorted(chain(*TOGETHER)) == sorted(SURROUNDINGS)


def in_surroundings(workdir: Path, *names: str) -> None:
    environment: dict[str, str | None] = {}
    for name in names:
        environment |= SURROUNDINGS[name]
    assert "seed" in printed(count(workdir, **environment))


@pytest.mark.fault("home, temporary folder, locale")
@pytest.mark.parametrize("names", TOGETHER, ids=" + ".join)
def test_command_works_in(workdir, names):
    in_surroundings(workdir, *names)


@pytest.mark.long
@pytest.mark.parametrize("name", SURROUNDINGS)
def test_command_works_in_each_alone(workdir, name):
    in_surroundings(workdir, name)


@pytest.mark.fault("closed output")
@pytest.mark.parametrize("closed", ["2>&-", ">&-", "<&- >&- 2>&-"])
def test_commands_need_no_open_streams(workdir, closed):
    """As cron and services may start them."""
    words = [sys.executable, "-c", PROGRAM, "longtail", "solve-scaling", "--settings", SMALL]
    line = f"{shlex.join([*words, '--out', 'scaling.parquet'])} {closed}"
    done = subprocess.run(["sh", "-c", line], cwd=workdir, env=variables())
    assert done.returncode == 0
    assert [path.name for path in workdir.iterdir()] == ["scaling.parquet"]


@pytest.mark.fault("umask 077")
def test_umask_077(workdir):
    """What is written is the user's alone, and works."""
    count(workdir, umask=0o077)
    files = [path for path in (workdir / "texts.corpus").rglob("*") if path.is_file()]
    assert files
    assert not any(path.stat().st_mode & 0o077 for path in files)


def sort(user: int, **environment: str | None) -> None:
    """Compile a kernel as `make setup` does."""
    command = [*becoming(user), sys.executable, "-m", "rote.run.kernels", "sorting"]
    done = subprocess.run(command, env=variables(**environment), cwd="/", capture_output=True)
    assert done.returncode == 0, printed(done)
    assert done.stdout.startswith(b"sorting: ")


@pytest.mark.fault("user without a home")
@needs_root
@pytest.mark.parametrize(
    "home",
    [None, *(pytest.param(home, marks=pytest.mark.long) for home in ("/no/such/home", "/root"))],
)
def test_service_user_without_a_home(workdir, home):
    """An installation that another user owns, no home, an empty cache: kernels compile."""
    (workdir / "tmp").mkdir(mode=0o777)
    (workdir / "tmp").chmod(0o777)
    sort(4242, HOME=home, USER=None, LOGNAME=None, TMPDIR=str(workdir / "tmp"))
    caches = list((workdir / "tmp").rglob("*.nbc"))
    assert caches
    assert {path.stat().st_uid for path in caches} == {4242}
    assert not (workdir / "tmp" / "rote-4242").stat().st_mode & 0o077


@pytest.mark.fault("two users")
@needs_root
def test_two_users_with_one_temporary_folder(workdir):
    """A user reads no compiled code from a folder that someone else made under the user's name."""
    (workdir / "tmp" / "rote-4242").mkdir(parents=True)
    for folder in (workdir / "tmp", workdir / "tmp" / "rote-4242"):
        folder.chmod(0o777)
    sort(4242, HOME=None, TMPDIR=str(workdir / "tmp"))
    assert not list((workdir / "tmp" / "rote-4242").iterdir())


@pytest.mark.fault("full disk")
@needs_root
def test_full_tmpdir(workdir, full):
    """Another folder for temporary files is taken; compiled kernels are not kept there."""
    sort(0, TMPDIR=str(full), NUMBA_CACHE_DIR=str(full))
    assert not list(full.rglob("*.nb?"))


@pytest.mark.fault("full disk")
@needs_root
def test_full_disk_for_results_is_one_line(workdir, full):
    """For temporary files alone it is no trouble."""
    (workdir / "a.txt").write_text("the red kite\n", "utf-8")
    tokenize = ["ngrams", "tokenize", "a.txt", "--out"]
    done = rote(workdir, *tokenize, "sound", "+", *tokenize, f"{full}/c", TMPDIR=str(full))
    assert done.returncode == 1
    assert (workdir / "sound" / "corpus.json").is_file()
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


# ---- Snakemake alone

WORKFLOW = """
rule all:
    output:
        "out.txt",
    shell:
        "echo > {output}"
"""


@pytest.mark.fault("home, temporary folder, locale")
def test_snakemake_makes_its_cache_here_where_there_is_no_home(workdir):
    (workdir / "Snakefile").write_text(WORKFLOW)
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "--cores", "1"],
        cwd=workdir,
        env=variables(HOME="/proc", XDG_CACHE_HOME=None),
        capture_output=True,
    )
    assert done.returncode == 0, printed(done)
    assert (workdir / "out.txt").exists()
    assert (workdir / ".snakemake" / "cache").is_dir()


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
    environment = variables(CUDA_VISIBLE_DEVICES=f"MIG-fake-{tmp_path.name}-{os.getpid()}")

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
    locks = list(job._LOCKS.glob(f"MIG-fake-{tmp_path.name}-{os.getpid()}*"))
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


@pytest.mark.fault("command ended by a signal")
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_ended_command_leaves_no_file_and_can_run_again(workdir, how):
    """Ctrl-C, a scheduler's end, kill -9, after each of which the folder is as before."""
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
    if how != signal.SIGKILL:
        return
    done = rote(workdir, *SOLVE[:2], "--settings", SMALL, "--out", "scaling.parquet")
    assert done.returncode == 0, printed(done)
    assert [path.name for path in workdir.iterdir()] == ["scaling.parquet"]


@pytest.mark.fault("two runs at once")
def test_two_commands_at_once_on_one_file(workdir):
    """Both end, and one whole file is left."""
    words = [*SOLVE[:2], "--settings", SMALL, "--out", "scaling.parquet"]
    command = [sys.executable, "-c", PROGRAM, *words]
    both = [subprocess.Popen(command, cwd=workdir, env=variables()) for _ in range(2)]
    assert [one.wait(120) for one in both] == [0, 0]
    assert [path.name for path in workdir.iterdir()] == ["scaling.parquet"]
