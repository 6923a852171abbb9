"""The wheel: what it holds, and what works in an environment that has one extra alone."""

import re
import subprocess
import sys
import zipfile
from importlib.metadata import distribution
from pathlib import Path

import pytest
from conftest import BIN, ROOT, copy_project
from packaging.requirements import Requirement
from rote import theory
from rote.core import extras

EXTRAS = ("", "hub", "ngrams", "resmem", "theory", "waves")
# what each extra is for; the base has none
MODULES = {
    "": ("rote.prune", "rote.data.statements", "rote.readers.table"),
    "hub": (),
    "ngrams": ("rote.ngrams", "rote.ngrams.cli"),
    "resmem": ("rote.knn", "rote.resmem", "rote.resmem.classifier", "rote.neighbors.methods"),
    "theory": tuple(f"rote.theory.{name}" for name in theory.__all__),
    "waves": ("rote.waves.acoustic", "rote.waves.helmholtz", "rote.waves.multifrontal"),
}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """The wheel, built from a copy of the project without network."""
    project = copy_project(tmp_path_factory.mktemp("source") / "project")
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps"]
    command += ["--no-build-isolation", "--no-index", "--wheel-dir", str(out), str(project)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return next(out.glob("rote-*.whl"))


def declared() -> list[Requirement]:
    """What the wheel's pyproject.toml declares, with a marker `extra` where it is of one."""
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = list(project["dependencies"])
    for extra, requirements in project["optional-dependencies"].items():
        lines += [f"{line}; extra == '{extra}'" for line in requirements]
    return [Requirement(line) for line in lines]


def needed(extra: str) -> set[str]:
    """Distributions that `rote[<extra>]` brings, as they are installed here."""
    pending = [item for item in declared() if applies(item, {extra})]
    names: set[str] = set()
    while pending:
        requirement = pending.pop()
        name = re.sub(r"[-_.]+", "-", requirement.name).lower()
        if name in names:
            continue
        names.add(name)
        for line in distribution(requirement.name).requires or []:
            inner = Requirement(line)
            if applies(inner, requirement.extras or {""}):
                pending.append(inner)
    return names


def applies(requirement: Requirement, of: set[str]) -> bool:
    if requirement.marker is None:
        return True
    return any(requirement.marker.evaluate({"extra": name}) for name in of)


def environment(wheel: Path, extra: str, folder: Path) -> Path:
    """A folder of packages with the wheel and what one extra brings, and nothing else."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    for name in needed(extra):
        installed = distribution(name)
        tops = {file.parts[0] for file in installed.files or ()} - {"..", "__pycache__"}
        for top in tops:
            if not (folder / top).exists():
                (folder / top).symlink_to(installed.locate_file(top))
    return folder


def python(folder: Path, *words: str) -> subprocess.CompletedProcess:
    """Python with the packages of a folder alone."""
    variables = {"PYTHONPATH": str(folder), "HOME": str(folder), "OMP_NUM_THREADS": "1"}
    command = [str(BIN / "python"), "-S", *words]
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, env=variables)


def test_wheel_holds_the_whole_package(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
        entry_points = archive.read("rote-0.1.0.dist-info/entry_points.txt").decode()
    package = set()
    for top in ("rote", "snakemake_logger_plugin_rote"):
        for path in (ROOT / "workflow" / top).rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                package.add(str(path.relative_to(ROOT / "workflow")))
    assert names == package
    assert {"rote/py.typed", "rote/run/costs.tsv", "rote/report/templates/base.html"} <= names
    assert "rote = rote.cli:main" in entry_points


@pytest.mark.parametrize("extra", EXTRAS)
def test_modules_import_with_their_extra_alone(wheel, extra, tmp_path):
    folder = environment(wheel, extra, tmp_path / "packages")
    assert (folder / "torch").exists() == (extra == "waves")
    lines = [f"import {module}" for module in MODULES[extra]]
    done = python(folder, "-c", "\n".join(["import rote", *lines]))
    assert done.returncode == 0, done.stderr
    if not extra:
        for words in (["--version"], ["--help"], ["longtail", "--help"], ["prune", "--help"]):
            done = python(folder, "-m", "rote.cli", *words)
            assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("extra", "name"), [("resmem", "resmem"), ("ngrams", "ngrams"), ("", "prune")]
)
def test_examples_of_the_readme_run_with_their_extra_alone(wheel, extra, name, tmp_path):
    folder = environment(wheel, extra, tmp_path / "packages")
    lines = (ROOT / f"docs/examples/{name}.py").read_text().splitlines()
    printed = [line.removeprefix("# > ") for line in lines if line.startswith("# > ")]
    done = python(folder, str(ROOT / f"docs/examples/{name}.py"))
    assert done.stdout.splitlines() == printed, done.stderr


def test_modules_name_the_extra_that_is_missing(wheel, tmp_path):
    folder = environment(wheel, "", tmp_path / "packages")
    for module, (extra, packages) in extras.NEEDS.items():
        done = python(folder, "-c", f"import {module}")
        line = done.stderr.strip().splitlines()[-1]
        assert line.startswith(f"ModuleNotFoundError: {module} needs {packages[0]}"), line
        assert line.endswith(f"pip install 'rote[{extra}]'")
    (folder / "x.parquet").touch()
    for words in (
        ["ledger", str(folder / "x.parquet")],
        ["ngrams", "tokenize", "x", "--out", "y"],
        ["doctor"],
    ):
        done = python(folder, "-m", "rote.cli", *words)
        assert done.returncode == 1
        assert re.fullmatch(r"rote: error: .* pip install 'rote\[\w+\]'\n", done.stderr)


def test_modules_of_the_table_declare_what_they_import():
    """Each package of `NEEDS` is brought by its extra."""
    provided = {"sklearn": "scikit-learn"}
    for extra, packages in extras.NEEDS.values():
        names = needed_of(extra)
        assert {provided.get(package, package) for package in packages} <= names


def needed_of(extra: str) -> set[str]:
    """Distributions that an extra declares, with the extras of ours that it holds."""
    names = set()
    for item in declared():
        if not item.marker or not item.marker.evaluate({"extra": extra}):
            continue
        names.add(item.name)
        if item.name == "rote":
            names |= set().union(*map(needed_of, item.extras))
    return names


@pytest.mark.long
@pytest.mark.parametrize("extra", ["", *EXTRAS[2:], "pipeline"])
def test_wheel_installs_into_an_empty_environment(wheel, extra, tmp_path):
    """With pip and its index; versions are those of the lock."""
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "env")], check=True)
    own_python = tmp_path / "env/bin/python"
    requirement = f"{wheel}[{extra}]" if extra else str(wheel)
    lock = str(ROOT / "envs/lock.txt")
    install = [own_python, "-m", "pip", "install", "--quiet", "-c", lock, requirement]
    subprocess.run(install, check=True)
    lines = [f"import {module}" for module in MODULES.get(extra, ())]
    subprocess.run([own_python, "-c", "\n".join(["import rote", *lines])], check=True)
    done = subprocess.run([own_python.with_name("rote"), "--help"], capture_output=True, text=True)
    assert "new-paper" in done.stdout
    size = sum(path.stat().st_size for path in (tmp_path / "env").rglob("*") if path.is_file())
    assert extra or size < 500e6
    installed = subprocess.run([own_python, "-m", "pip", "list"], capture_output=True, text=True)
    assert ("\ntorch " in installed.stdout) == (extra in ("waves", "pipeline"))
    assert "nvidia" not in installed.stdout
