"""pip's lock, conda file and container recipe come from one list; the environment follows them."""

import importlib.util
import re
from importlib.metadata import PackageNotFoundError, version

import pytest
from conftest import ROOT

ENVS = ROOT / "envs"


def pins(name: str) -> dict[str, str]:
    """Requirements of a file: normalized names and exact versions ("" without one)."""
    lines = [line.split("#")[0].strip() for line in (ENVS / name).read_text().splitlines()]
    requirements = (line.partition("==") for line in lines if line)
    return {re.sub(r"[-_.]+", "-", package).lower(): exact for package, _, exact in requirements}


@pytest.fixture(scope="module")
def lock():
    spec = importlib.util.spec_from_file_location("lock", ENVS / "lock.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_requirements_are_locked_at_exact_versions():
    locked = pins("lock.txt")
    assert all(locked.values())
    for package, exact in pins("requirements.in").items():
        assert package in locked
        assert exact in ("", locked[package])


def test_conda_and_container_install_the_lock(lock):
    assert (ENVS / "environment.yaml").read_text() == lock.CONDA.format(note=lock.NOTE)
    assert (ENVS / "rote.def").read_text() == lock.APPTAINER.format(note=lock.NOTE)
    for text in (lock.CONDA, lock.APPTAINER):
        assert "lock.txt" in text


def test_lock_holds_no_package_for_cuda():
    assert not [package for package in pins("lock.txt") if "nvidia" in package or "cuda" in package]


def test_environment_equals_the_lock():
    wrong = {}
    for package, exact in pins("lock.txt").items():
        try:
            requirements = version(package).partition("+")[0]
        except PackageNotFoundError:
            requirements = "not installed"
        if requirements != exact:
            wrong[package] = (exact, requirements)
    assert not wrong
