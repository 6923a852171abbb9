"""`rote doctor` names each trouble of a machine, with the cure."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.trouble.machines import BROKEN, needs_root, programs, variables

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


def assert_doctor_names(workdir: Path, *names: str) -> None:
    trouble: dict = {}
    for name in names:
        trouble |= NAMED[name][0]
    changes = {key: value for key, value in trouble.items() if key.isupper() or key == "umask"}
    scripts = {key: value for key, value in trouble.items() if key not in changes}
    if scripts:
        changes["PATH"] = programs(workdir, **scripts)
    text = examined(workdir, **changes)
    for name in names:
        cure = re.escape(NAMED[name][1])
        assert re.search(rf"^(PROBLEM|note) .*\n +.*{cure}", text, flags=re.M), text


def test_doctor_names_each_with_the_cure(workdir):
    """All in one environment; there is one git that can be amiss at a time."""
    assert_doctor_names(workdir, *(name for name in NAMED if name != "another's clone"))


@pytest.mark.parametrize(
    "name",
    [
        name if name == "another's clone" else pytest.param(name, marks=pytest.mark.long)
        for name in NAMED
    ],
)
def test_doctor_names_one_with_the_cure(workdir, name):
    assert_doctor_names(workdir, name)


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
