"""`rote doctor` names each trouble of a machine, with the cure."""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from rote.core import environment, job, nvidia
from rote.report import start, surroundings

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
    "a style of this folder": ({"matplotlibrc": b"font.family: Gr\xfcn"}, "mend or remove it: "),
    "no git": ({"without": ("git",)}, "install git if tables are to name it"),
    "another's clone": ({"git": "exit 128"}, "git config --global --add safe.directory"),
}


def assert_doctor_names(workdir: Path, *names: str) -> None:
    trouble: dict = {}
    for name in names:
        trouble |= NAMED[name][0]
    changes = {key: value for key, value in trouble.items() if key.isupper() or key == "umask"}
    scripts = {key: value for key, value in trouble.items() if key not in changes}
    if style := scripts.pop("matplotlibrc", b""):
        (workdir / "matplotlibrc").write_bytes(style)
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


STYLES = {
    "foreign": (".config/matplotlib/matplotlibrc", "savefig.dpi: 50", "leave your style aside"),
    "broken": (".config/matplotlib/matplotlibrc", "savefig.dpi: fine", "Key savefig.dpi"),
    "of a variable": ("other/matplotlibrc", "savefig.dpi: 50", "leave your style aside"),
}


@pytest.mark.parametrize("case", STYLES)
def test_doctor_names_styles_of_a_user(workdir, monkeypatch, case):
    name, content, message = STYLES[case]
    (workdir / name).parent.mkdir(parents=True)
    (workdir / name).write_text(content, "utf-8")
    monkeypatch.setenv("HOME", str(workdir))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.setattr(environment, "STYLE", str(workdir / "other"))
    monkeypatch.chdir(workdir)
    (finding,) = surroundings._styles()
    assert finding.state == "note"
    assert str(workdir / name) in finding.message
    assert message in finding.message


@pytest.mark.parametrize(("named", "unknown"), [("all", "all"), ("0,7", "7"), ("GPU-9", "GPU-9")])
def test_doctor_names_devices_that_are_none(monkeypatch, named, unknown):
    uuids = ("GPU-1a2b", "GPU-1a9f")
    monkeypatch.setattr(job, "_uuids", lambda: uuids)
    monkeypatch.setattr(nvidia, "list_devices", lambda: (uuids, ""))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", named)
    finding = next(surroundings._devices())
    assert finding.state == "problem"
    assert f"names {unknown!r}, which this machine lacks" in finding.message
    assert "name one of GPU-1a2b, GPU-1a9f" in finding.advice


def test_doctor_takes_a_relative_folder_for_temporary_files(workdir, monkeypatch):
    monkeypatch.chdir(workdir)
    monkeypatch.setenv("TMPDIR", ".")
    monkeypatch.setattr(tempfile, "tempdir", None)
    assert surroundings._temporary().state == "fine"


@pytest.mark.parametrize("script", ["printf 'down\\377' >&2; exit 1", "kill -9 $$"])
def test_doctor_takes_a_scheduler_that_is_broken(workdir, monkeypatch, script):
    monkeypatch.setenv("PATH", programs(workdir, sinfo=script))
    assert start._slurm().message == "Slurm is installed but does not answer"


SPECIFICATIONS = {
    '{"argv": ["R"]}': "R",
    '{"argv": [1]}': "nothing",
    '{"argv": []}': "nothing",
    "{": "nothing",
    '{"argv": ["python3", "-m", "ipykernel"]}': None,
}


@pytest.mark.parametrize("content", SPECIFICATIONS)
def test_doctor_takes_kernels_of_any_kind(workdir, monkeypatch, content):
    monkeypatch.setenv("JUPYTER_PATH", str(workdir))
    (workdir / "kernels/python3").mkdir(parents=True)
    (workdir / "kernels/python3/kernel.json").write_text(content, "utf-8")
    named = [str(one) for one in surroundings._kernels() if str(workdir) in str(one)]
    expected = SPECIFICATIONS[content]
    assert len(named) == (expected is not None)
    if expected:
        assert f"kernel.json starts {expected}" in named[0]


def test_doctor_names_kernels_that_point_elsewhere(workdir):
    kernel = workdir / "home/.local/share/jupyter/kernels/python3"
    kernel.mkdir(parents=True)
    (kernel / "kernel.json").write_text('{"argv": ["/bin/false"]}')
    text = examined(workdir, HOME=str(workdir / "home"))
    assert f"{kernel / 'kernel.json'} starts /bin/false" in text
    assert sys.executable in text
