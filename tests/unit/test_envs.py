"""pip's lock, conda file and container recipe come from one list; the environment follows them."""

import importlib.util
import re
import tomllib
from importlib.metadata import PackageNotFoundError, version

import pytest
from conftest import ROOT
from packaging.requirements import Requirement

ENVS = ROOT / "envs"


def pins(name: str) -> dict[str, str]:
    """Normalized names and exact versions of a lock."""
    lines = [line for line in (ENVS / name).read_text().splitlines() if line[0] not in "#-"]
    requirements = (line.partition("==") for line in lines)
    return {canonical(package): exact for package, _, exact in requirements}


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def declared(*groups: str) -> list[Requirement]:
    """Requirements of pyproject.toml: all of them, or those of some extras."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = list(project["dependencies"])
    for extra, requirements in project["optional-dependencies"].items():
        lines += requirements if extra in groups or not groups else []
    return [item for item in map(Requirement, lines) if item.name != "rote"]


@pytest.fixture(scope="module")
def lock():
    spec = importlib.util.spec_from_file_location("lock", ENVS / "lock.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_requirements_are_locked_within_their_bounds():
    runtime, work = pins("lock.txt"), pins("lock-dev.txt")
    assert all((runtime | work).values())
    assert not set(runtime) & set(work)
    for requirement in declared():
        locked = (runtime | work)[canonical(requirement.name)]
        assert requirement.specifier.contains(locked), requirement
        assert {part.operator for part in requirement.specifier} == {">="}, requirement


def test_a_run_needs_no_tools_of_work():
    runtime = pins("lock.txt")
    for requirement in declared("hub", "ngrams", "resmem", "theory", "waves", "pipeline"):
        assert canonical(requirement.name) in runtime
    tools = {"pytest", "ruff", "mypy", "selenium", "mkdocs-material", "snakefmt", "accelerate"}
    assert not tools & set(runtime)


def test_page_of_the_installation_counts_the_packages():
    page = (ENVS.parent / "docs/install.md").read_text()
    assert f"what `envs/lock.txt` pins: {len(pins('lock.txt'))} packages" in page


def test_conda_and_container_install_the_lock(lock):
    assert (ENVS / "environment.yaml").read_text() == lock.CONDA.format(note=lock.NOTE)
    assert (ENVS / "rote.def").read_text() == lock.APPTAINER.format(note=lock.NOTE)
    for text in (lock.CONDA, lock.APPTAINER):
        assert "lock.txt" in text


def test_lock_holds_no_package_for_cuda():
    packages = pins("lock.txt") | pins("lock-dev.txt")
    assert not [package for package in packages if "nvidia" in package or "cuda" in package]


def test_environment_equals_the_lock():
    wrong = {}
    for package, exact in (pins("lock.txt") | pins("lock-dev.txt")).items():
        try:
            requirements = version(package).partition("+")[0]
        except PackageNotFoundError:
            requirements = "not installed"
        if requirements != exact:
            wrong[package] = (exact, requirements)
    assert not wrong


def test_container_copies_what_a_run_reads(lock):
    """No environment, no results, no history; the package is installed in it and in conda's."""
    copied = lock.APPTAINER.split("%files")[1].split("%post")[0].split()
    assert not {".", ".venv", "results", ".git"} & set(copied)
    for source in copied[::2]:
        assert (ROOT / source).exists()
    assert "/opt/rote\n" in lock.APPTAINER.split("%post")[1]
    assert "--editable .." in lock.CONDA
